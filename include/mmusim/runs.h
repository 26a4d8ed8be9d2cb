/*
 * mmusim/runs.h: page runs: a trace cut down to the references that can change what a machine does.
 *
 * A run is a maximal sequence of consecutive references of one group to one 4-KByte page; the groups are
 * {fetch} and {load, store}. Its heads are the first load, the first store (or the first fetch), and every
 * page-crossing access; what remains are its members. Once the head of its kind has succeeded, a member is a
 * first-level hit on the entry that was touched last: it changes counts and time, and both by sums. So a
 * machine simulates the heads alone, and every statistic and every cycle are those of the whole trace.
 *
 * The heads of both groups stand in one array, in the order of the trace. Each carries what stands between it
 * and the next head: members of either group. A change of privilege begins new runs of both groups; a
 * reference whose flags are unlike those of its kind's members, and one that is no valid record, is a head.
 *
 * What must end a run while it is replayed (a fault, an entry that is gone, an access still unfinished) is
 * the replay's business: it runs the members one by one then. For that, and for machines that cannot use
 * runs, the references themselves must be at hand.
 */
#ifndef MMUSIM_RUNS_H
#define MMUSIM_RUNS_H

#include <mmusim/machine.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A head and the members between it and the next head. 32 bytes, no padding. */
struct mmu_head {
    struct mmu_access access;    /* the head: a reference of the trace, unchanged */
    uint32_t gaps;               /* sum of the members' own gaps, in cycles: of those with MMU_AF_GAP */
    uint32_t next_gap;           /* the first member's own gap; 0 when it has none */
    uint16_t members[MMU_KINDS]; /* by kind; all of the head's privilege */
    uint8_t flags;               /* MMU_AF_* of all members of kind k in bits 2k and 2k + 1 */
    uint8_t next;                /* enum mmu_kind of the first member; MMU_KINDS: there is none */
};

#define MMU_HEAD_FLAGS(head, kind) ((unsigned)(head)->flags >> 2u * (unsigned)(kind)&3u)

/* The references that a head stands for: itself and its members. */
static inline uint64_t mmu_head_references(const struct mmu_head *head)
{
    return UINT64_C(1) + head->members[MMU_FETCH] + head->members[MMU_LOAD] + head->members[MMU_STORE];
}

/*
 * Collapses n references into heads; to[] has room for n of them. Returns their number: 0 only for n = 0. The
 * runs begin afresh with the first reference, so that each call's heads stand for themselves.
 */
MMU_API size_t mmu_runs_collapse(const struct mmu_access *from, size_t n, struct mmu_head *to);

/*
 * A stretch of a trace, as one call of mmu_runs_collapse() made it. Borrowed by whoever is given it.
 *
 * references: all references of the stretch. NULL: expand() brings them; it is called at most once for a
 * stretch, and only when they are needed. It returns MMU_OK and sets *references, which must stay until the
 * stretch has been run, or a negative status, with which the run ends.
 */
struct mmu_runs {
    const struct mmu_head *heads;
    size_t n_heads;
    const struct mmu_access *references;
    int (*expand)(void *ctx, const struct mmu_access **references);
    void *ctx;
};

/*
 * Can this core use runs as it stands? No: a first-level structure that serves fetches and data, or two that
 * serve loads and stores in part together; data that share the caches of page-table reads, or take time; a
 * first level that takes time; an observer of accesses; classification; paging off. Then mmu_core_run_runs()
 * expands every stretch, and a reader does better to deliver the references.
 */
MMU_API bool mmu_core_uses_runs(const struct mmu_core *core);

/*
 * Runs a stretch: every statistic, time and entry is then as after mmu_core_run() of its references. Returns
 * what that would (an invalid record or a page without a frame ends it at the same reference), or what
 * expand() returned.
 */
MMU_API int mmu_core_run_runs(struct mmu_core *core, const struct mmu_runs *runs);

/*
 * How many references of this core were run since its creation without being simulated: as members of runs,
 * stored ones or such as mmu_core_run() found itself. It tells of speed, not of the machine: it depends on
 * how the trace was cut into calls.
 */
MMU_API uint64_t mmu_core_collapsed(const struct mmu_core *core);

#ifdef __cplusplus
}
#endif
#endif
