/*
 * pcp.h: per-CPU lists of free pages: each zone's, for orders 0 to 3 and huge pages.
 *
 * Models struct per_cpu_pages and rmqueue_pcplist(), free_unref_page_commit(), free_pcppages_bulk(),
 * nr_pcp_high(), nr_pcp_free() of mm/page_alloc.c, Linux 6.1. Huge pages (pageblock_order, if transparent
 * huge pages are configured) have a list for each migrate type, as before 5.19 and since 6.10. Left out:
 * draining by a remote CPU's request only (mmu_os_drain() does it at once) and by the vmstat timer.
 */
#ifndef OS_PCP_H
#define OS_PCP_H

#include "page.h"

enum { PCP_COSTLY_ORDER = 3 /* PAGE_ALLOC_COSTLY_ORDER */ };
enum { PCP_ORDERS = 5 /* 0 to 3, huge */, PCP_TYPES = 3, PCP_LISTS = PCP_ORDERS * PCP_TYPES };

/* Invariants: count is the sum of the pages on all lists; a list's pages have use PCP, its order and its
 * type. */
struct pcp {
    struct pcp_list {
        uint32_t head, tail; /* descriptor numbers; allocation takes the head, draining the tail */
    } list[PCP_LISTS];
    uint32_t count; /* pages */
    uint8_t free_factor;
};

struct buddy_zone;

/* Takes a block for an allocation of this type: its descriptor number, 0: nothing left. */
uint32_t pcp_take(struct mmu_os *os, unsigned zone, unsigned order, unsigned type, unsigned alloc_flags);
/* Gives a block back to the current CPU's list, and what is too much to the zone. */
void pcp_give(struct mmu_os *os, unsigned zone, uint32_t id, unsigned order, unsigned type);
/* Empties all lists of all CPUs. */
void pcp_drain(struct mmu_os *os);

#endif
