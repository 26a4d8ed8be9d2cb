/*
 * sim/pages.h: pages of processes, found by process and page number, numbered in the order of their first
 * touch; and the stack of pages by recency, which gives exact reuse distances.
 *
 * Memory grows with the pages touched, not with the trace's length.
 */
#ifndef SIM_PAGES_H
#define SIM_PAGES_H

#include <mmusim/types.h>

/* A page, and how often it was touched by each kind. */
struct page {
    uint64_t process, number;
    uint64_t touches[MMU_KINDS];
};

/* page[0..n) in the order of the first touch; place: a hash table of their indices + 1, 2^bits, at most half
 * full. Zero-initialise; pages_free(). */
struct pages {
    struct page *page;
    uint32_t n, room;
    uint32_t *place;
    unsigned bits;
};

/* The index of a page, which is made when it is new. UINT32_MAX: out of memory, or 2^32 - 2 pages. */
uint32_t pages_find(struct pages *pages, uint64_t process, uint64_t number);
void pages_free(struct pages *pages);

/*
 * Pages by recency (the LRU stack of Mattson and others). The reuse distance of a touch is how many other
 * pages were touched since the last touch of this one, exactly: its depth in the stack.
 *
 * The topmost pages stand in a list that is searched from the top. The others have slots, ascending with the
 * time at which they left the list; a Fenwick tree over the slots counts the occupied ones behind any slot in
 * logarithmic time. When the slots are used up they are numbered anew without gaps: so there are never more
 * than some four times as many as pages.
 */
enum { REUSE_TOP = 16 };
#define REUSE_NEVER UINT64_MAX /* the distance of a page's first touch */

struct reuse {
    struct pages pages;
    uint32_t top[REUSE_TOP]; /* indices of pages, the last touched first; tops of them */
    uint32_t tops;
    uint32_t *slot_of; /* of each page; 0: in the list, or never touched */
    uint32_t slot_room;
    uint32_t *tree, *owner; /* 1 to slots: the Fenwick tree, and whose page a slot is, index + 1; 0: free */
    uint32_t slots, next;   /* next: the next slot to give, at most slots + 1 */
    uint32_t occupied;
};

/* A touch; *distance is set. False: out of memory. */
bool reuse_touch(struct reuse *reuse, uint64_t process, uint64_t number, uint64_t *distance);
void reuse_free(struct reuse *reuse);

#endif
