/*
 * hot.h: a first-level TLB hit, and nothing else.
 *
 * Budget: about 30 instructions, one data-dependent branch. A hot entry is a first-level entry rewritten for
 * the hit: its page number and mask as compared with the whole address (so a non-canonical address never
 * matches), and `allow`, the classes of access that may use it now without any work beyond recency: its PCID
 * is current or it is global, its rights and key permit the class, a store finds D = 1. Where an address's
 * entry stands is guessed from the low bits of its page number (guess[]); a wrong guess costs time, never
 * truth, since the entry itself is compared.
 *
 * The caller must know that nothing is unfinished at the access's issue (then no entry is still being
 * filled), and that a hit takes no time.
 *
 * Recency is *touch = (*touch & keep) | set | (clock & stamp): for LRU of many ways a new stamp, for LRU of
 * few, tree-PLRU and its kin the set's word (repl.h), for FIFO and random a word that nobody reads. Leaving
 * it out for the entry that was hit last, which it would not change under any of them, was measured: no gain.
 */
#ifndef HW_HOT_H
#define HW_HOT_H

#include "bits.h"
#include "x86.h"
#include <mmusim/stats.h>

enum { HOT_GUESSES = 1024, HOT_SLOTS = 1 + MMU_MAX_TLBS * MMU_PAGES };

struct hot_entry {
    uint64_t page;   /* va >> 12 of the page's first address */
    uint64_t mask;   /* of the bits of va >> 12 that are compared */
    mmu_pa base;     /* of the page */
    uint64_t *touch; /* recency: see above */
    uint64_t keep, set, stamp;
    uint32_t allow;     /* bit c: class c */
    uint16_t slot;      /* where its hits are counted; 0: not counted, the remainder */
    uint8_t page_shift; /* of the page in the tables */
    uint8_t spare;
};

struct hot {
    struct hot_entry *entry; /* of all first-level structures; entry[0] never matches */
    uint32_t entries;
    uint32_t guess[MMU_KINDS][HOT_GUESSES];
    uint64_t hits[HOT_SLOTS][MMU_KINDS];
    uint64_t nobody; /* what FIFO and random touch */
    uint16_t pcid;   /* that is current to the entries' allow */
};

/* The entry that serves this access, or NULL: then everything else is the miss path's. The caller knows that
 * `pcid` is the core's: mmu_hot_settle(). */
ALWAYS_INLINE struct hot_entry *hot_find(struct hot *h, mmu_va va, unsigned size, unsigned kind,
                                         unsigned class)
{
    uint64_t page = va >> PAGE_SHIFT;
    struct hot_entry *e = &h->entry[h->guess[kind][page & (HOT_GUESSES - 1)]];
    bool match = ((page ^ e->page) & e->mask) == 0;
    bool allowed = e->allow >> class & 1;
    bool inside = (va & PAGE_MASK) + (size - 1) < PAGE_SIZE; /* no size 0 either: it is no access */
    return LIKELY(match & allowed & inside) ? e : NULL;
}

ALWAYS_INLINE void hot_touch(struct hot_entry *e, uint64_t clock)
{
    *e->touch = (*e->touch & e->keep) | e->set | (clock & e->stamp);
}

ALWAYS_INLINE mmu_pa hot_translate(const struct hot_entry *e, mmu_va va)
{
    return e->base + (va & (~e->mask << PAGE_SHIFT | PAGE_MASK));
}

#endif
