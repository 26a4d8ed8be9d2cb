/*
 * machine.h: what joins the halves: a machine's memory, cores and pager, for the files of this room.
 */
#ifndef TOP_MACHINE_H
#define TOP_MACHINE_H

#include "mmu.h"
#include "os.h"
#include "pager.h"
#include "recent.h"
#include "timeline.h"

struct split_state; /* split.c */

/*
 * Invariants (mmu_core_check): real.accesses == the references run; both clocks' issue equal; charged -
 * stalled >= 0 for translation; the run's ledger sums.
 */
struct mmu_core {
    struct mmu mmu;
    struct mmu_machine *machine;
    struct timeline real, ideal;
    uint32_t index;
    bool has_fetches;
    uint32_t gap[2][MMU_KINDS]; /* g by MMU_AF_FOLLOWS and kind */
    struct mmu_run_stats run;
    uint64_t slow[CLASSES]; /* accesses that came through mmu_translate(); the rest of run.accesses are
                               first-level hits */
    struct split_state *split;
    struct recent recent;
    bool halves;        /* the kernel has KPTI: accesses are looked at for whether the right half is loaded */
    mmu_cycle *handler; /* a fault's handler runs: what its barrier operations take */
};

struct mmu_machine {
    struct mmu_config config;
    struct phys phys;
    struct pager pager;
    struct mmu_os *os; /* NULL: no kernel */
    uint32_t cores;
    struct mmu_core *core;
};

/* One access, at its issue, with its faults; the record is valid. Returns MMU_OK or MMU_ERR_EXHAUSTED.
 * (core.c) */
int core_step(struct mmu_core *c, const struct mmu_access *access, struct mmu_result *result);

/* What both faces of a core do with a translation that ended (core.c): raise its fault, count its access,
 * answer, tell the observer. */
void core_raise(struct mmu_core *c, const struct request *q);
void core_count(struct mmu_core *c, const struct request *q, unsigned flags);
void core_result(const struct request *q, struct mmu_result *result);
void core_notify(const struct mmu_core *c, const struct request *q, enum mmu_event_type type, mmu_va va);

/* Is this a record that can be run on this core? */
static inline bool core_accepts(const struct mmu_core *c, const struct mmu_access *a)
{
    bool known = MMU_KIND_OF(a->kind) < MMU_KINDS && MMU_PRIV_OF(a->kind) < MMU_PRIVS &&
                 !(MMU_KIND_OF(a->kind) == MMU_FETCH && MMU_PRIV_OF(a->kind) == MMU_IMPLICIT);
    const struct geometry *g = c->mmu.regime.geometry;
    unsigned bits = !g ? c->mmu.regime.cpu.maxphyaddr : g->long_mode ? 64 : g->va_bits;
    mmu_va last = a->va + a->size - 1;
    bool fits = a->size >= 1 && a->size <= PAGE_SIZE && last >= a->va && (bits == 64 || last >> bits == 0);
    return known && fits && !(a->flags & ~(unsigned)(MMU_AF_FOLLOWS | MMU_AF_GAP));
}

/* With KPTI: does the access begin with a way into the kernel, or out of it? */
static inline bool core_crosses_halves(const struct mmu_core *c, unsigned kind_priv)
{
    return UNLIKELY(c->halves) && os_wrong_half(c->machine->os, c->index, MMU_PRIV_OF(kind_priv));
}

/* The issue gap of an access. */
static inline uint64_t core_gap(const struct mmu_core *c, const struct mmu_access *a)
{
    return UNLIKELY(a->flags & MMU_AF_GAP) ? a->gap : c->gap[a->flags & MMU_AF_FOLLOWS][MMU_KIND_OF(a->kind)];
}

/* The split-phase face (split.c): frees it, adds its walkers' times, executes its invariants. */
void split_free(struct mmu_core *c);
void split_stats(const struct mmu_core *c, struct mmu_stats *stats);
void split_check(const struct mmu_core *c);

#endif
