/*
 * walkers.h: the page walkers of a core: who waits, who is busy.
 *
 * Walkers are granted in issue order: a walk starts at max(its request, the earliest time a walker is free);
 * of several that are free by then the lowest number is taken.
 */
#ifndef HW_WALKERS_H
#define HW_WALKERS_H

#include "bits.h"
#include <mmusim/stats.h>

struct interval {
    mmu_cycle start, end;
};

/*
 * A union of intervals, and how many cycles it has. Intervals come nearly in order of their start; those that
 * a later one may still touch are kept in open[], sorted and disjoint.
 */
struct coverage {
    uint64_t cycles;
    struct interval *open;
    uint32_t opens;
};

/* Walkers busy is alone + pending by kind; cycles with any busy is alone + the unions. */
struct walkers {
    uint32_t n;
    bool blocking; /* no walk overlaps another: one walker, or W = 1 */
    mmu_cycle free_at[MMU_MAX_WALKERS];
    uint64_t alone[MMU_KINDS];   /* cycles of walks that no other can overlap */
    uint64_t pending[MMU_KINDS]; /* cycles of the others */
    struct coverage all, kind[MMU_KINDS];
    uint32_t room; /* of each open[] */
};

/* window: W, which bounds how many walks can overlap; 0: nothing does but the walkers' number. */
int walkers_init(struct walkers *w, uint32_t n, uint32_t window);
void walkers_destroy(struct walkers *w);

/* Sees to it that intervals of this many walks more can be kept open; false: no host memory. */
bool walkers_reserve(struct walkers *w, uint32_t more);

/* Adds the time that walkers were busy to pending and active, of all and by kind. */
void walkers_stats(const struct walkers *w, struct mmu_walk_stats *stats);

/* The walker that is granted to a request; *start: when. */
uint32_t walkers_grant(const struct walkers *w, mmu_cycle request, mmu_cycle *start);

/* It was busy for an access of this kind in [start, end); no later walk starts before `settled`. */
void walkers_release(struct walkers *w, unsigned kind, uint32_t walker, mmu_cycle start, mmu_cycle end,
                     mmu_cycle settled);

#endif
