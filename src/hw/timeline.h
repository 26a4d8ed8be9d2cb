/*
 * timeline.h: when accesses issue, how long the run takes, and whom every cycle is blamed on.
 *
 * Access i issues at t_i = max(t_{i-1} + g_i, completion of the last fetch, completion of the W-th previous data access, completion of the last
 * barrier). The delay [t_{i-1} + g_i, t_i) is blamed on the access whose completion ended it (the latest completion; ties: the lowest index) and cut along
 * that access's ledger; so is the tail, from the last issue to the last completion. Hence  sum of g + sum of stalled = elapsed.
 *
 * Two of them run side by side: the real one, and the ideal one in which translation takes no time (it needs no blame).
 *
 * While nothing is unfinished an access that takes no time changes nothing here but t: callers may then skip timeline_issue() and just add g and count
 * the data access (see hot.h).
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
    struct mmu_ledger ledger;
};

/*
 * Invariants: t <= busy or nothing is unfinished; every pending done <= busy; latest.done == busy when busy > t;
 * issue + sum(stalled) == t - origin, where origin is 0.
 */
struct timeline {
    uint32_t window;     /* W */
    bool blame;          /* keep ledgers and fill stalled[] */
    mmu_cycle t;         /* t_{i-1}: issue of the latest access */
    mmu_cycle busy;      /* the latest completion */
    uint64_t accesses;   /* issued so far */
    uint64_t data;       /* data accesses issued so far */
    uint64_t issue;      /* sum of g */
    uint64_t stalled[MMU_PARTS];
    struct pending fetch, barrier, latest;
    struct pending *ring; /* [window]: the data access with ordinal n at n % window */
};

int timeline_init(struct timeline *tl, uint32_t window, bool blame);
void timeline_destroy(struct timeline *tl);

/* Issues an access with gap g: returns t_i. */
mmu_cycle timeline_issue(struct timeline *tl, uint64_t g);

/* What just issued completes at done; its ledger explains the time from its issue. kind: TIMELINE_* bits; a fault makes its access a barrier too. */
enum { TIMELINE_FETCH = 1, TIMELINE_DATA = 2, TIMELINE_BARRIER = 4 };
void timeline_complete(struct timeline *tl, unsigned kind, mmu_cycle done, const struct mmu_ledger *ledger);

/* Waits for everything: the time up to the latest completion is booked as stalled. */
void timeline_drain(struct timeline *tl);

/* The stall of the tail, added to stalled[]: what timeline_drain() would book. Returns the elapsed time. */
mmu_cycle timeline_tail(const struct timeline *tl, uint64_t stalled[MMU_PARTS]);

/* n accesses, `data` of them data accesses, that took no time, the last of them at t; only while nothing is unfinished. */
static inline void timeline_skip(struct timeline *tl, uint64_t n, uint64_t data, mmu_cycle t)
{
    INVARIANT(n == 0 || tl->busy <= t);
    tl->accesses += n;
    tl->data += data;
    tl->issue += t - tl->t;
    tl->t = t;
}

#endif
