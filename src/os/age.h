/*
 * age.h: a machine that starts as if it had run for long: free memory in small pieces.
 *
 * Until the unusable-free index at the configured order reaches its target in every populated zone, wild
 * chunks are fragmented, evenly spread over the zone, then the free blocks at the zone's edges. What is
 * allocated in them stays so: kernel pages (use KERNEL, reference count 1) in unmovable and reclaimable
 * pageblocks (one in sixteen each), and pages in movable pageblocks that stand for somebody's data; nobody
 * frees them but a caller who knows their frames.
 *
 * One random pattern of a chunk is drawn from the seed; each aged chunk has it, its offsets XORed with a
 * number of its own. XOR keeps buddies buddies, so every aged chunk has the same numbers of free blocks by
 * order, and none needs to be looked at before it is touched: ageing costs the same on any machine.
 */
#ifndef OS_AGE_H
#define OS_AGE_H

#include "wild.h"

struct aged_block {
    uint16_t at; /* page in the chunk, before the XOR */
    uint8_t order;
    bool free;
};

/* Invariants: blocks are ascending and tile the chunk; no free block has the target's order or more; there is
 * an allocated page in each aligned block of that order. */
struct aged_pattern {
    uint64_t seed;
    uint32_t order, blocks;
    uint32_t free_blocks[MMU_OS_ORDERS];
    uint32_t free, allocated; /* pages */
    struct aged_block block[CHUNK_PAGES];
};

/* Draws the pattern and ages all zones. MMU_OK or MMU_ERR_NOMEM. The order is 1 to 10: any target is reached.
 */
int age_zones(struct mmu_os *os);
void age_free(struct mmu_os *os);
/* The kind of the wild chunk of this rank. */
unsigned age_class(const struct buddy_zone *z, uint64_t rank);
/* The XOR of the chunk that begins at a frame. */
unsigned age_xor(const struct aged_pattern *p, mmu_pfn first);
/* Offset in the chunk where a pattern's block begins after the XOR. */
static inline unsigned age_at(const struct aged_block *b, unsigned xor)
{
    return b->at ^ (xor&(CHUNK_PAGES - (1u << b->order)));
}
/* The block that holds a page (its offset in the chunk, after the XOR). */
const struct aged_block *age_find(const struct aged_pattern *p, unsigned xor, unsigned offset);
/* Unusable-free index in thousandths from blocks[] (vmstat.c: unusable_free_index()). */
uint32_t age_unusable(const struct buddy_zone *z, unsigned order);

#endif
