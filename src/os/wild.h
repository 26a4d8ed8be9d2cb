/*
 * wild.h: memory that nobody touched: chunks of 1024 pages that were wholly free at boot and still are what
 * the boot made of them.
 *
 * A zone's wild chunks are numbered by rank, in ascending order of address. On a machine that starts aged
 * some of them are fragmented (age.h says which and how); the others are one free block of order 10. The free
 * lists' counts include them; their descriptors are made when the first page of a chunk is wanted.
 */
#ifndef OS_WILD_H
#define OS_WILD_H

#include "buddy.h"

/* A wild chunk's place, or that a chunk is not wild. */
struct wild_place {
    bool wild;
    uint8_t zone;
    uint8_t kind; /* WILD_FREE, or WILD_AGED plus migrate type */
    uint64_t rank;
};

/* Finds the runs of all zones in the plan's FREE ranges; every other free frame is told to edge(): [start,
 * end) inside one chunk. MMU_OK or MMU_ERR_NOMEM. */
int wild_find(struct mmu_os *os, int (*edge)(struct mmu_os *os, unsigned zone, mmu_pfn start, mmu_pfn end));
/* Sets the counts of a zone whose `aged` wild chunks are fragmented, and the list counts that follow. */
void wild_count(struct mmu_os *os, unsigned zone, uint64_t aged);

/* Of a chunk (frame number of its first page); it may have been made since. */
struct wild_place wild_place(const struct mmu_os *os, mmu_pfn first);
/* Says that a chunk's descriptors exist now (all bytes 0): makes them what the chunk was, and puts its free
 * blocks on the explicit lists. */
void wild_made(struct mmu_os *os, struct wild_place place, uint32_t slot);
/* Makes the next wild chunk that has a free block of this order and type; false: the host has no memory. The
 * list's count says that there is one. */
bool wild_make_next(struct mmu_os *os, unsigned zone, unsigned order, unsigned type);
/* The free blocks of a kind's chunk by order (0 or 1 of order 10, or the pattern's). */
uint64_t wild_blocks(const struct mmu_os *os, unsigned kind, unsigned order);
/* The migrate type of a kind's pageblocks. */
unsigned wild_type(const struct mmu_os *os, unsigned kind);
/* Calls each() for every chunk that is still wild. */
void wild_each(const struct mmu_os *os, unsigned zone,
               void (*each)(void *ctx, struct wild_place place, mmu_pfn first), void *ctx);

#endif
