/*
 * plain.h: a first-level miss of the plain sort, done fast.
 *
 * The miss path proper (mmu.c) says what happens; this says the same of the misses that make up nearly all of a long run, and nothing of the others: nothing is
 * unfinished, the TLBs hold 4-KByte entries only and one structure a level holds them, the second level is looked up at once, no entry must be written (A and D
 * are set already), nothing faults, nobody observes. It decides first and changes state afterwards: false means that nothing has changed and the access is the
 * miss path's. Tests compare the two.
 *
 * Budget: a second-level hit about 250 instructions, a walk about 600.
 */
#ifndef HW_PLAIN_H
#define HW_PLAIN_H

#include "mmu.h"

struct plain {
    mmu_va va; /* one page only */
    unsigned kind, class;
    mmu_cycle now;      /* in: the issue; out: the completion */
    mmu_pa pa;          /* out */
    uint8_t where;      /* out: enum mmu_where */
    uint8_t page;       /* out: enum mmu_page of the page in the tables */
};

/* May plain_miss() be asked at all, as the machine and its observers stand? Decided once a batch. */
bool plain_usable(const struct mmu *m);

/*
 * The access is counted and timed as mmu_translate() would, except that it is not counted in mmu.lookups: the caller counts it among its first-level
 * accesses. On success mmu.ledger is its ledger.
 */
bool plain_miss(struct mmu *m, struct plain *x);

#endif
