/*
 * timeline.h: when accesses issue, how long the run takes, and whom every cycle is blamed on.
 *
 * Access i issues at t_i = max(t_{i-1} + g_i, completion of the last fetch, completion of the W-th previous
 * data access, completion of the last barrier). The delay [t_{i-1} + g_i, t_i) is blamed on the access whose
 * completion ended it (the latest completion; ties: the lowest index) and cut along that access's ledger; so
 * is the tail, from the last issue to the last completion. Hence  sum of g + sum of stalled = elapsed.
 *
 * Two of them run side by side: the real one, and the ideal one in which translation takes no time (it needs
 * no blame).
 *
 * While nothing is unfinished an access that takes no time changes nothing here but t: callers may then skip
 * timeline_issue() and just add g and count the data access (see hot.h).
 */
#ifndef HW_TIMELINE_H
#define HW_TIMELINE_H

#include "bits.h"
#include <mmusim/stats.h>

/* An access that may still hold others back. */
struct pending {
    uint64_t index; /* of the access; for data accesses also see ordinal */
    uint64_t ordinal;
    mmu_cycle issued, done;
    struct mmu_ledger *ledger; /* its own; NULL: nobody asks for it */
};

/*
 * Invariants: t <= busy or nothing is unfinished; every pending done <= busy; latest.done == busy when busy >
 * t; issue + sum(stalled) == t - origin, where origin is 0.
 */
struct timeline {
    uint32_t window;   /* W */
    bool blame;        /* keep ledgers and fill stalled[] */
    mmu_cycle t;       /* t_{i-1}: issue of the latest access */
    mmu_cycle busy;    /* the latest completion */
    uint64_t accesses; /* issued so far */
    uint64_t data;     /* data accesses issued so far */
    uint64_t issue;    /* sum of g */
    uint64_t stalled[MMU_PARTS];
    struct pending fetch, barrier, latest;
    struct pending *ring;            /* [window]: the data access with ordinal n at n % window */
    struct mmu_ledger *kept;         /* of all of them; NULL: W = 1, or no blame */
    const struct mmu_ledger *ledger; /* of the latest access that took time; W = 1: the only one that can be
                                        unfinished, so it is not copied */
};

/* ledger: where the core keeps that of the access in progress; it must not change between timeline_complete()
 * and the next timeline_issue(). */
int timeline_init(struct timeline *tl, uint32_t window, bool blame, const struct mmu_ledger *ledger);
void timeline_destroy(struct timeline *tl);

/* An access that could issue at t < busy: when it does; books the delay. */
mmu_cycle timeline_wait(struct timeline *tl, mmu_cycle t);

/* Issues an access with gap g: returns t_i. */
static inline mmu_cycle timeline_issue(struct timeline *tl, uint64_t g)
{
    mmu_cycle t = tl->t + g;
    tl->issue += g;
    tl->accesses++;
    if (t < tl->busy)
        t = timeline_wait(tl, t);
    return tl->t = t;
}

/* W = 1: an access that issued at t and is not yet settled with timeline_skip() completes at done. */
static inline void timeline_blocking_complete(struct timeline *tl, mmu_cycle t, mmu_cycle done)
{
    if (done > t) {
        tl->latest.issued = t;
        tl->latest.done = tl->busy = done;
    }
}

/* What just issued completes at done; its ledger explains the time from its issue. kind: TIMELINE_* bits; a
 * fault makes its access a barrier too. */
enum { TIMELINE_FETCH = 1, TIMELINE_DATA = 2, TIMELINE_BARRIER = 4 };
void timeline_note(struct timeline *tl, unsigned kind, mmu_cycle done); /* done > t */
static inline void timeline_complete(struct timeline *tl, unsigned kind, mmu_cycle done)
{
    if (done == tl->t) { /* holds nobody back */
    } else if (LIKELY(tl->window == 1)) {
        timeline_blocking_complete(tl, tl->t, done);
    } else {
        timeline_note(tl, kind, done);
    }
    tl->data += kind & TIMELINE_DATA ? 1 : 0;
}

/* Do gaps and stalls explain the time so far? For invariants. */
static inline bool timeline_sums(const struct timeline *tl)
{
    uint64_t sum = tl->issue;
    for (unsigned p = 0; p < MMU_PARTS; p++)
        sum += tl->stalled[p];
    return sum == tl->t;
}

/* Do the parts of a ledger sum to these cycles? For invariants. */
static inline bool ledger_sums(const struct mmu_ledger *ledger, mmu_cycle cycles)
{
    uint64_t sum = 0;
    for (uint32_t s = 0; s < ledger->n; s++)
        sum += ledger->segment[s].cycles;
    return sum == cycles;
}

/* Waits for everything: the time up to the latest completion is booked as stalled. */
void timeline_drain(struct timeline *tl);

/* The stall of the tail, added to stalled[]: what timeline_drain() would book. Returns the elapsed time. */
mmu_cycle timeline_tail(const struct timeline *tl, uint64_t stalled[MMU_PARTS]);

/*
 * n accesses, `data` of them data accesses, that took no time (W = 1: or were completed already) and issued
 * as soon as they could: their gaps add up to g, and they stood still for `waited` cycles, which
 * timeline_wait() has booked.
 */
static inline void timeline_skip(struct timeline *tl, uint64_t n, uint64_t data, uint64_t g, mmu_cycle waited)
{
    tl->accesses += n;
    tl->data += data;
    tl->issue += g;
    tl->t += g + waited;
    INVARIANT(n == 0 || tl->window == 1 || tl->busy <= tl->t);
}

#endif
