/*
 * walkers.h: the page walkers of a core: who waits, who is busy.
 *
 * Walkers are granted in issue order: a walk starts at max(its request, the earliest time a walker is free); of several that are
 * free by then the lowest number is taken.
 */
#ifndef HW_WALKERS_H
#define HW_WALKERS_H

#include "bits.h"
#include <mmusim/stats.h>

struct interval {
    mmu_cycle start, end;
};

/*
 * active counts the union of all busy intervals. Intervals come nearly in order of their start; those that a later one may still touch are kept in
 * open[], sorted and disjoint.
 */
struct walkers {
    uint32_t n;
    mmu_cycle free_at[MMU_MAX_WALKERS];
    uint64_t pending, active;
    struct interval *open;
    uint32_t opens, room;
};

/* window: W, which bounds how many walks can overlap. */
int walkers_init(struct walkers *w, uint32_t n, uint32_t window);
void walkers_destroy(struct walkers *w);

/* The walker that is granted to a request; *start: when. */
uint32_t walkers_grant(const struct walkers *w, mmu_cycle request, mmu_cycle *start);

/* The same where walks never overlap (W = 1, walker 0): the union is the sum. */
static inline void walkers_release_blocking(struct walkers *w, mmu_cycle start, mmu_cycle end)
{
    w->free_at[0] = end;
    w->pending += end - start;
    w->active += end - start;
}

/* It was busy in [start, end); no later walk starts before `settled`. */
void walkers_release(struct walkers *w, uint32_t walker, mmu_cycle start, mmu_cycle end, mmu_cycle settled);

#endif
