/*
 * buddy.h: the zones' free lists: blocks of 2^0 to 2^10 pages, by order and migrate type.
 *
 * Models mm/page_alloc.c of Linux 6.1: __free_one_page(), expand(), __rmqueue(), the high-order atomic
 * reserve. Untouched memory is not on lists block by block: a zone's wild chunks (1024 pages, aligned, all
 * free at boot) follow one another in ascending order behind the last explicit block, just where a boot puts
 * them; taking one makes its descriptors.
 */
#ifndef OS_BUDDY_H
#define OS_BUDDY_H

#include "pcp.h"

/* How an allocation may go about it: ALLOC_* of mm/internal.h. */
enum {
    ALLOC_MARK_MIN = 0,
    ALLOC_MARK_LOW = 1,
    ALLOC_MARK_HIGH = 2,
    ALLOC_MARK = 3,
    ALLOC_NO_WATERMARKS = 4,
    ALLOC_NON_BLOCK = 0x10,
    ALLOC_MIN_RESERVE = 0x20,
    ALLOC_NOFRAGMENT = 0x100,
    ALLOC_HIGHATOMIC = 0x200,
    ALLOC_KSWAPD = 0x800
};

/* Kinds of wild chunks: all free; or, on an aged machine, fragmented in a pageblock type. */
enum { WILD_FREE, WILD_AGED, WILD_KINDS = WILD_AGED + PCP_TYPES };

/* A run of a zone's wild chunks, by chunk number; rank: wild chunks of the zone before it. */
struct wild_run {
    uint64_t first, end, rank;
};

/* count: blocks, those in wild chunks included; head and tail: of the explicit ones. */
struct free_list {
    uint32_t head, tail;
    uint64_t count;
};

/*
 * Invariants: free = sum over lists of count << order; blocks[o] = sum over types of list[o].count; a block
 * is on one list, of its order and type, and its buddy is not a free block of the same order, unless merging
 * them is forbidden: order 10, or order >= pageblock_order with one of the two pageblocks HIGHATOMIC. free +
 * pages on per-CPU lists + allocated pages = managed.
 */
struct buddy_zone {
    uint64_t free, managed;
    uint64_t allocated; /* counted on its own, so that the sum can be checked */
    uint64_t blocks[MMU_OS_ORDERS];
    struct free_list list[MMU_OS_ORDERS][MMU_OS_MIGRATE_TYPES];
    uint64_t pageblocks[MMU_OS_MIGRATE_TYPES];
    uint64_t highatomic; /* nr_reserved_highatomic: pages */
    struct wild_run *run;
    uint32_t runs;
    uint64_t wild;               /* chunks in runs, made or not */
    uint64_t aged;               /* of them fragmented at boot */
    uint64_t left[WILD_KINDS];   /* not made yet */
    uint64_t cursor[WILD_KINDS]; /* rank below which none of the kind is left */
    struct pcp *pcp;             /* by CPU */
    uint64_t kswapd_wakes, direct_reclaims, failures, steals;
};

struct buddy {
    struct buddy_zone zone[MMU_ZONES];
    unsigned pageblock_order;
    bool no_host_memory;          /* a take gave up for that reason; who finds it clears it */
    bool mobility_disabled;       /* page_group_by_mobility_disabled: too little memory for types */
    struct aged_pattern *pattern; /* age.h; NULL: the machine is not aged */
};

/* Descriptors and lists of a machine just booted: all FREE ranges of the plan are free. Ages it if the config
 * says so. MMU_OK or MMU_ERR_NOMEM; sets os->pages and os->buddy. */
int buddy_create(struct mmu_os *os);
void buddy_destroy(struct mmu_os *os);
/* Executes the invariants of descriptors, lists and per-CPU lists. */
void buddy_check(const struct mmu_os *os);
uint64_t buddy_host_bytes(const struct mmu_os *os);

/* Fills what the allocator knows of a zone: free, pcp_free, allocated, free_blocks, free_by_type, pageblocks
 * and the counters. */
void buddy_zone_info(const struct mmu_os *os, enum mmu_os_zone zone, struct mmu_os_zone_info *info);
/* Pages free on per-CPU lists of one CPU. */
uint64_t buddy_pcp_count(const struct mmu_os *os, enum mmu_os_zone zone, uint32_t cpu);
/* Calls each() for every free block (explicit or wild), pages on per-CPU lists included: for views, tests. */
void buddy_each_free(const struct mmu_os *os,
                     void (*each)(void *ctx, mmu_pfn pfn, unsigned order, unsigned type, bool pcp),
                     void *ctx);

/* Takes a block (__rmqueue()): its descriptor number; its head says use FREE and the order still, but it is
 * on no list and not counted as free. 0: none. */
uint32_t buddy_take(struct mmu_os *os, unsigned zone, unsigned order, unsigned type, unsigned alloc_flags);
/* ... from the lists of this type only (__rmqueue_smallest()). */
uint32_t buddy_take_smallest(struct mmu_os *os, unsigned zone, unsigned order, unsigned type);
/* Gives a block back, merging it (__free_one_page()). */
void buddy_give(struct mmu_os *os, unsigned zone, uint32_t id, unsigned order, unsigned type);
/* ... to the end of its list, as the boot does (FPI_TO_TAIL). */
void buddy_give_last(struct mmu_os *os, unsigned zone, uint32_t id, unsigned order, unsigned type);
/* Takes a free block off its list: neither free nor allocated until it is given back. */
void buddy_take_off(struct mmu_os *os, unsigned zone, uint32_t id);
/* Puts a block whose head is set on the explicit list of its order and type, last; counts stay. */
void buddy_enlist(struct mmu_os *os, unsigned zone, uint32_t id);
/* Moves a free block to the list of another type, last (move_to_free_list()). */
void buddy_move(struct mmu_os *os, unsigned zone, uint32_t id, unsigned type);

/* Does a frame lie in the zone? id: of its descriptor. */
bool buddy_in_zone(const struct mmu_os *os, unsigned zone, uint32_t id);

/* May blocks of this order be kept on per-CPU lists (pcp_allowed_order())? */
static inline bool pcp_allows(const struct mmu_os *os, unsigned order)
{
    return order <= PCP_COSTLY_ORDER || (os->config->os.thp && order == os->buddy->pageblock_order);
}

#endif
