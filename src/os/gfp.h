/*
 * gfp.h: GFP masks: the zone and the migrate type that they ask for.
 *
 * Models include/linux/gfp.h and gfp_types.h of Linux 6.1: GFP_ZONE_TABLE, GFP_ZONE_BAD, gfp_migratetype().
 * The words that masks are written in: include/trace/events/mmflags.h.
 */
#ifndef OS_GFP_H
#define OS_GFP_H

#include "os.h"

enum {
    GFP_ZONE_MASK = 0xf,     /* DMA, HIGHMEM, DMA32, MOVABLE */
    GFP_ALL = 0xffffff,      /* every bit that 6.1 has */
    GFP_MOBILITY = 0x18,     /* MOVABLE, RECLAIMABLE */
    GFP_RECLAIM_BITS = 0xc00 /* __GFP_RECLAIM */
};

/* The zone asked for first, or -1 (see mmu_os_gfp_zone()). */
int gfp_zone(const struct mmu_os *os, uint32_t gfp);
/* UNMOVABLE, MOVABLE or RECLAIMABLE; -1 when both bits are set. */
int gfp_type(uint32_t gfp);

#endif
