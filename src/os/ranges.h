/*
 * ranges.h: an ordered set of disjoint ranges of addresses: what is free, or what is taken.
 *
 * A treap, whose priorities are hashes of the addresses: the same calls make the same tree on every host.
 * Each node knows the longest range below it, so the lowest one that is long enough is found in logarithmic
 * time, as in Linux's free_vmap_area_root (mm/vmalloc.c). Nodes are embedded in what they belong to; nothing
 * is allocated here.
 */
#ifndef OS_RANGES_H
#define OS_RANGES_H

#include "bits.h"
#include <mmusim/types.h>

/* [start, end). While it is in a set, only ranges.c writes it. */
struct range {
    mmu_va start, end;
    uint64_t longest;  /* end - start of the longest in this subtree */
    uint64_t priority; /* hash of start at its insertion */
    struct range *left, *right;
};

/* Invariants: in order of start, disjoint, none empty; priorities as a heap; longest is what it says. */
struct ranges {
    struct range *root;
    uint64_t count;
};

/* r must not touch any in the set. */
void ranges_insert(struct ranges *set, struct range *r);
/* r must be in the set. */
void ranges_remove(struct ranges *set, struct range *r);
/* Changes the bounds of a range of the set; it must stay between its neighbours. */
void ranges_resize(struct ranges *set, struct range *r, mmu_va start, mmu_va end);

/* The range that holds va, or NULL. */
struct range *ranges_find(const struct ranges *set, mmu_va va);
/* The first that ends behind va: it holds va, or lies above it. NULL: none. */
struct range *ranges_from(const struct ranges *set, mmu_va va);
/* The last that begins below va, or NULL. */
struct range *ranges_before(const struct ranges *set, mmu_va va);
/* The lowest that is at least size long, or NULL. */
struct range *ranges_lowest(const struct ranges *set, uint64_t size);
/* Any, for taking a set apart; NULL when it is empty. */
static inline struct range *ranges_any(const struct ranges *set)
{
    return set->root;
}

void ranges_check(const struct ranges *set);

#endif
