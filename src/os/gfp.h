/*
 * gfp.h: GFP masks: the zone and the migrate type that they ask for.
 *
 * Models include/linux/gfp.h and gfp_types.h of Linux 6.1: GFP_ZONE_TABLE, GFP_ZONE_BAD, gfp_migratetype().
 * The words that masks are written in: include/trace/events/mmflags.h.
 */
#ifndef OS_GFP_H
#define OS_GFP_H

#include "os.h"
#include "plan.h"

enum {
    GFP_ZONE_MASK = 0xf,     /* DMA, HIGHMEM, DMA32, MOVABLE */
    GFP_ALL = 0xffffff,      /* every bit that 6.1 has */
    GFP_MOBILITY = 0x18,     /* MOVABLE, RECLAIMABLE */
    GFP_RECLAIM_BITS = 0xc00 /* __GFP_RECLAIM */
};

/* GFP_ZONE_TABLE by the four zone bits: i386, then x86-64; a zone that the architecture lacks is Normal, -1
 * GFP_ZONE_BAD. x86-64 has no highmem whatever a layout shows. */
static const int8_t gfp_zone_table[2][16] = {
    {MMU_ZONE_NORMAL, MMU_ZONE_DMA, MMU_ZONE_HIGHMEM, -1, MMU_ZONE_NORMAL, -1, -1, -1, MMU_ZONE_NORMAL,
     MMU_ZONE_DMA, MMU_ZONE_MOVABLE, -1, MMU_ZONE_NORMAL, -1, -1, -1},
    {MMU_ZONE_NORMAL, MMU_ZONE_DMA, MMU_ZONE_NORMAL, -1, MMU_ZONE_DMA32, -1, -1, -1, MMU_ZONE_NORMAL,
     MMU_ZONE_DMA, MMU_ZONE_MOVABLE, -1, MMU_ZONE_DMA32, -1, -1, -1},
};

/* The zone asked for first, or -1 (see mmu_os_gfp_zone()). */
static inline int gfp_zone(const struct mmu_os *os, uint32_t gfp)
{
    return gfp_zone_table[os->plan->layout.wide][gfp & GFP_ZONE_MASK];
}
/* UNMOVABLE, MOVABLE or RECLAIMABLE; -1 when both bits are set. */
static inline int gfp_type(uint32_t gfp)
{
    return (gfp & GFP_MOBILITY) == GFP_MOBILITY ? -1 : (int)((gfp & GFP_MOBILITY) >> 3);
}

#endif
