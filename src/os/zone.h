/*
 * zone.h: the figures of the zones: extent, watermarks, protection, per-CPU list sizes.
 *
 * Models mm/page_alloc.c (setup_per_zone_wmarks, setup_per_zone_lowmem_reserve, calculate_totalreserve_pages,
 * calculate_min_free_kbytes, zone_batchsize, zone_highsize, find_zone_movable_pfns_for_nodes) and
 * mm/khugepaged.c (set_recommended_min_free_kbytes) of Linux 6.1. One node.
 */
#ifndef OS_ZONE_H
#define OS_ZONE_H

#include "memmap.h"

/* All in pages; start and end are frames. */
struct plan_zone {
    bool exists;        /* this kernel has the zone, be it empty */
    mmu_pfn start, end; /* [start, end); 0, 0 when empty */
    uint64_t spanned, present, managed;
    uint64_t min, low, high, promo;
    uint64_t protection[MMU_ZONES]; /* lowmem_reserve[], by the zone that was asked for */
    uint32_t pcp_batch, pcp_high;
};

struct zones {
    struct plan_zone zone[MMU_ZONES];
    uint8_t zonelist[MMU_ZONES][MMU_ZONES]; /* by the zone asked for: populated zones in the order tried */
    uint8_t zonelist_n[MMU_ZONES];
    bool movable_is_highmem; /* MOVABLE lies in highmem (zone_movable_is_highmem()) */
    uint64_t pageblock_pages;
    uint32_t cpus; /* online */
    /* The sysctls as they stand. */
    uint64_t min_free_kbytes;
    uint32_t watermark_scale_factor;
    uint32_t lowmem_reserve_ratio[MMU_ZONES];
    uint64_t totalreserve;
};

/* Is the zone out of the direct map's reach (is_highmem())? */
bool zone_is_highmem(const struct zones *z, enum mmu_os_zone zone);

/* Recomputes all that hangs on the sysctls. */
void zones_watermarks(struct zones *z);

#endif
