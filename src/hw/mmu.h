/*
 * mmu.h: the translation hardware of one core: registers, TLBs, paging-structure caches, walkers, and the way
 * an access takes through them.
 *
 * mmu_translate() is the miss path (and the whole path of a core that cannot use hot.h): look-ups level by
 * level, a walk, fills. It changes state at once and moves the request's `now` along as it charges each part
 * of the time to the ledger. Faults are outcomes; nothing here calls an operating system.
 */
#ifndef HW_MMU_H
#define HW_MMU_H

#include "hot.h"
#include "pcache.h"
#include "psc.h"
#include "tlb.h"
#include "walkers.h"
#include <mmusim/event.h>
#include <mmusim/walk.h>

/* The structures of one level that serve one kind of access. */
struct mmu_serving {
    struct tlb *tlb[MMU_MAX_TLBS];
    unsigned n;
    struct {
        struct tlb *tlb;
        unsigned page;
    } probe[MMU_MAX_TLBS * MMU_PAGES]; /* every structure, once for each size that it holds */
    unsigned probes;
};

/* Where a page of one size is filled: the size of the entry, and the structures to choose from. */
struct mmu_target {
    struct tlb *tlb[MMU_MAX_TLBS];
    unsigned n;   /* 0: this level does not hold such a page */
    uint8_t page; /* enum mmu_page of the entry */
};

/* One translation on its way. */
struct request {
    mmu_va va;
    uint8_t kind, priv, class;
    bool silent; /* a prefetch: takes no time, hides its fault */
    bool split;  /* of the split-phase face: `now` is the caller's clock, which the core's own time is never
                    compared with */
    bool merged; /* what was hit had to be waited for */
    bool again; /* its walk has faulted under `pcid`, and only a handler has run since: nothing of its page is
                   held under that PCID */
    uint16_t pcid;
    uint8_t psc;      /* enum mmu_psc_level where its walk began; MMU_PSC_LEVELS: at the root */
    mmu_cycle issued; /* of the access */
    mmu_cycle now;    /* where in time the translation stands */
    /* the answer */
    uint8_t outcome; /* enum mmu_outcome */
    uint8_t where;   /* enum mmu_where */
    uint8_t page;    /* enum mmu_page of the page in the tables; MMU_PAGES: paging is off */
    uint32_t error_code;
    mmu_pa pa; /* MMU_FAULT_MEMORY: of the entry that nothing answered for */
};

/* Where a look-up ended. */
struct mmu_found {
    struct tlb *tlb; /* NULL: no level holds the page */
    uint32_t index;  /* of the entry */
    uint16_t slot;   /* first level: where its hits are counted (hot.h) */
    uint8_t level;   /* that holds it; else the number of levels */
    uint8_t page;    /* enum mmu_page of the entry */
};

/* What remains to be done after a look-up. */
enum mmu_need {
    MMU_NEED_NOTHING,
    MMU_NEED_FAULT,  /* the entry forbids the access */
    MMU_NEED_WALK,   /* nothing was found; this and all that follow are walks */
    MMU_NEED_DIRTY,  /* a store found D = 0 */
    MMU_NEED_RIGHTS, /* the entry forbids the access, but the tables may permit it */
};

/* Where the host keeps a page directory, for mmu_look_ahead(). A stale one misleads a prefetch, no more: host
 * pages live as long as the machine. */
enum { MMU_AHEAD = 128 };
struct mmu_ahead {
    uint64_t region; /* va >> 30 */
    mmu_pa root;
    const uint8_t *host;
};

/* What serialises, by what it is counted and charged as. */
enum mmu_barrier { MMU_BARRIER_MOV_CR, MMU_BARRIER_INVLPG, MMU_BARRIER_INVPCID };

struct mmu {
    /* state */
    struct regime regime;
    struct hot hot;
    struct tlb *tlb;
    unsigned tlbs;
    struct psc psc;
    struct pcache pcache;
    struct walkers walkers;
    uint64_t clock;   /* of recency */
    uint64_t changes; /* register loads and invalidations that may have changed translations: what is in
                         flight looks here */
    struct mmu_ledger ledger; /* of the access in progress */
    struct mmu_ahead ahead[MMU_AHEAD];
    mmu_pa ahead_line; /* asked for last */
    /* what it is made of */
    const struct mmu_config *config;
    struct phys *phys;
    unsigned levels;
    struct mmu_serving serving[MMU_MAX_LEVELS][MMU_KINDS];
    struct mmu_target target[MMU_MAX_LEVELS][MMU_KINDS][MMU_PAGES];
    struct {
        struct tlb *first, *second; /* the only ones that hold 4-KByte pages; first == NULL: not plain. One
                                       level: second == NULL */
        bool calm;                  /* see plain_calm() */
    } plain[MMU_KINDS];             /* for plain.h */
    uint32_t others;                /* entries held that are not of 4 KBytes */
    uint32_t forgetful;             /* bit set of the structures that keep nothing across MOV CR3 */
    uint32_t serves[MMU_KINDS];     /* ... that serve a kind, at any level */
    bool faulted;                   /* a #PF was raised since plain_calm() looked */
    uint32_t storm;                 /* how many steps in a row have faulted, with no plain miss between */
    bool classifies;                /* every structure has its shadow (shadow.h) */
    struct mmu_observer observer;
    struct mmu_prefetcher_ops prefetcher;
    struct mmu_core *core; /* for observers; never looked into */
    void (*barrier)(struct mmu_core *core, enum mmu_barrier what, bool pdptes_read); /* counts and charges
                                                                what the port executes; NULL: nobody does */
    /* counters; first-level hits and accesses are derived from the batch's (mmu_stats_fill) */
    uint64_t lookups[MMU_KINDS * MMU_PRIVS]; /* translations that came here and looked in the first level */
    struct mmu_level_stats level_stats[MMU_MAX_LEVELS];
    struct mmu_tlb_stats tlb_stats[MMU_MAX_TLBS];
    uint64_t unclassified[MMU_MAX_TLBS][MMU_KINDS]; /* misses before classification began */
    struct mmu_psc_stats psc_stats[MMU_PSC_LEVELS];
    struct mmu_walk_stats walk_stats;               /* what mmu_stats_fill() derives stays 0 */
    uint64_t reads[2][MMU_WALK_LEVELS][MMU_PLACES]; /* [1]: by fetches' walks */
    uint64_t charged[MMU_PARTS];
    struct mmu_histogram walk_latency;
};

/* MMU_OK or MMU_ERR_NOMEM; config and phys outlive it. stream tells the generators of cores apart. */
int mmu_init(struct mmu *m, const struct mmu_config *config, struct phys *phys,
             const struct mmu_options *options, uint64_t stream);
void mmu_destroy(struct mmu *m);

/* Translates q->va for one byte (an access within one page). The address fits the mode's linear space (32-bit
 * modes: below 2^32). */
enum mmu_outcome mmu_translate(struct mmu *m, struct request *q);

/*
 * The pieces of mmu_translate(), for what stops between two reads (src/top/split.c). A look-up counts and
 * touches nothing, so that it can be repeated; a translation is counted when it ends.
 *
 *   - mmu_answer_early() true: the answer needs no look-up (paging is off, #GP)
 *   - mmu_look_up() finds and charges; the caller touches the entry that it goes on with
 *   - mmu_count_look_up() counts a look-up that is valid; need: what it led to
 *   - mmu_answer_hit() need < MMU_NEED_WALK: the answer, with its fills or its fault
 *
 *   - mmu_walk_begin() charges the start, probes the paging-structure caches; false: it ended in the PDPTE
 *     registers;
 *   - mmu_walk_count() counts an ended walk, without its reads by place;
 *   - mmu_walk_end() books its service time and its event;
 *   - mmu_walk_keep() fills, or faults. level: of the hit that a walk other than MMU_NEED_WALK renews.
 */
bool mmu_answer_early(const struct mmu *m, struct request *q);
enum mmu_need mmu_look_up(struct mmu *m, struct request *q, struct mmu_found *f);
void mmu_count_look_up(struct mmu *m, const struct request *q, const struct mmu_found *f, enum mmu_need need);
enum mmu_outcome mmu_answer_hit(struct mmu *m, struct request *q, const struct mmu_found *f,
                                enum mmu_need need);
bool mmu_walk_begin(struct mmu *m, struct request *q, struct walk *w);
void mmu_walk_count(struct mmu *m, const struct request *q, const struct walk *w);
void mmu_walk_end(struct mmu *m, const struct request *q, const struct walk *w, mmu_cycle cycles);
enum mmu_outcome mmu_walk_keep(struct mmu *m, struct request *q, const struct walk *w, enum mmu_need need,
                               unsigned level);

/* Adds cycles to the ledger of the access in progress and to the charged totals, and moves now. The
 * split-phase face: moves now only. */
static inline void mmu_charge(struct mmu *m, struct request *q, enum mmu_part part, mmu_cycle cycles)
{
    if (cycles == 0 || q->silent)
        return;
    if (UNLIKELY(q->split)) {
        q->now += cycles;
        return;
    }
    REQUIRE(m->ledger.n < MMU_LEDGER_SEGMENTS);
    m->ledger.segment[m->ledger.n].part = part;
    m->ledger.segment[m->ledger.n++].cycles = cycles;
    m->charged[part] += cycles;
    q->now += cycles;
}

/* One paging-structure entry read at its price; does not count it. */
enum mmu_place mmu_charge_read(struct mmu *m, struct request *q, unsigned level, mmu_pa pa);

/*
 * Asks the host to bring what walks will read, in three stages, each of which needs what the one before has
 * brought: the PDE of one address; for another, where the host keeps its page table; of a third, the PTE. No
 * effect on the simulation.
 */
void mmu_look_ahead(struct mmu *m, mmu_va pde, mmu_va table, mmu_va pte);

/* What a walk or a hit found, on its way into the levels below `below`, which have all missed (mmu_fill.c).
 */
struct translation {
    mmu_va va;
    mmu_pa pa;    /* of va */
    uint8_t page; /* enum mmu_page of the piece known here */
    bool global;
    struct tlb_entry entry; /* base is computed for each level */
};
/* The structure to fill, of those that hold a page's size. */
struct tlb *mmu_choose(const struct mmu_target *to, mmu_va va);
void mmu_fill_levels(struct mmu *m, const struct request *q, const struct translation *x, unsigned below);
/*
 * After a walk for an entry that was hit at `level` (its dirty flag or its rights did not do): overwrites
 * every copy that serves `kinds`, drops copies of another page size, and fills the levels before.
 */
void mmu_renew(struct mmu *m, const struct request *q, const struct translation *x, unsigned level,
               unsigned kinds);

/* Counts a miss of what t could not have held: a translation that faults, a page of a size that its level
 * does not hold. */
static inline void mmu_count_unheld(struct mmu *m, const struct tlb *t, unsigned kind)
{
    m->tlb_stats[t->number].misses[kind]++;
    m->tlb_stats[t->number].compulsory[kind] += m->classifies;
}

/* Hot entries (mmu_fill.c). */
void mmu_hot_sync(struct mmu *m, const struct tlb *t, uint32_t index);
/* The classes of access that may use a first-level entry while hot.pcid is current: what its hot entry must
 * say. */
uint32_t mmu_hot_allow(const struct mmu *m, const struct tlb *t, uint32_t index);
void mmu_hot_sync_all(struct mmu *m);
void mmu_hot_switch(struct mmu *m);
void mmu_hot_bind(struct mmu *m); /* once, before any fill */
/* Before a look at hot entries: opens those of the current PCID. A load of CR3 leaves it to whoever looks
 * next, since a page fault's handler may load another PCID and come back. */
static inline void mmu_hot_settle(struct mmu *m)
{
    if (UNLIKELY(m->hot.pcid != m->regime.pcid))
        mmu_hot_switch(m);
}
static inline void mmu_hot_guess(struct mmu *m, const struct tlb *t, uint32_t index, mmu_va va, unsigned kind)
{
    m->hot.guess[kind][va >> PAGE_SHIFT & (HOT_GUESSES - 1)] = t->hot + index;
}

/* Registers (regs.c): SDM 2.5, 4.1.2, 4.10.4. */
enum mmu_outcome mmu_set_register(struct mmu *m, enum mmu_reg reg, uint64_t value, bool *pdptes_read);
enum mmu_outcome mmu_load_registers(struct mmu *m, const struct mmu_registers *registers);
enum mmu_outcome mmu_task_switch(struct mmu *m, uint64_t cr3, bool *pdptes_read);

/* Invalidations (inval.c); they count what they drop. */
enum mmu_outcome mmu_invlpg(struct mmu *m, mmu_va va);
enum mmu_outcome mmu_invpcid(struct mmu *m, uint64_t type, const struct mmu_invpcid *descriptor);
/* A #PF: rule 27. absent: bit set of the structures that were just looked up in vain. */
void mmu_drop_page(struct mmu *m, mmu_va va, unsigned cause, uint32_t absent);
void mmu_drop_pcid(struct mmu *m, uint16_t pcid, unsigned cause);
void mmu_drop_current(struct mmu *m, unsigned cause); /* of the current PCID, and the global ones */
void mmu_drop_nonglobal(struct mmu *m, unsigned cause);
void mmu_drop_everything(struct mmu *m, unsigned cause);
void mmu_drop_unkept(struct mmu *m, unsigned cause); /* structures that keep nothing across MOV CR3 */

/* Without side effects (look.c): a walk, and what mmu_translate() would answer. */
void mmu_look(const struct mmu *m, const struct mmu_access *access, struct mmu_walk *walk);
enum mmu_outcome mmu_probe(const struct mmu *m, struct request *q);
/* The latter behind a MOV CR3 of this value, of the mode that is on; m itself stays as it is. */
enum mmu_outcome mmu_probe_behind(const struct mmu *m, uint64_t cr3, struct request *q);
/* The registers behind it (regs.c); false: it would raise #GP. */
bool mmu_regime_behind(const struct mmu *m, uint64_t cr3, struct regime *next);

/* Copies the counters into stats (not the run's and the clocks'); accesses: references made, by kind + 3 *
 * priv, that did not come through mmu_translate(). */
void mmu_stats_fill(const struct mmu *m, const uint64_t fast[MMU_KINDS * MMU_PRIVS], struct mmu_stats *stats);

/* Begins or ends the classification of misses (classify.c): mmu_core_classify(). */
int mmu_classify(struct mmu *m, bool on);
bool mmu_classify_failed(const struct mmu *m);
void mmu_classify_check(const struct mmu *m);

void mmu_check(const struct mmu *m);

static inline bool mmu_observes(const struct mmu *m, enum mmu_event_type type)
{
    return UNLIKELY(m->observer.mask >> type & 1);
}
static inline void mmu_notify(const struct mmu *m, const struct mmu_event *event)
{
    m->observer.notify(m->observer.ctx, m->core, event);
}

#endif
