/*
 * migrate.h: migrate types: pageblocks, stealing between types, the high-order atomic reserve.
 *
 * Models of mm/page_alloc.c, Linux 6.1: fallbacks[], find_suitable_fallback(), can_steal_fallback(),
 * steal_suitable_fallback(), move_freepages_block(), __rmqueue_fallback(), reserve_highatomic_pageblock(),
 * unreserve_highatomic_pageblock(). Left out: MIGRATE_CMA; isolation; the boost of the watermarks after
 * stealing, which kswapd takes back as soon as it runs and no recording shows.
 */
#ifndef OS_MIGRATE_H
#define OS_MIGRATE_H

#include "buddy.h"

/* Moves free memory of another type to this type's lists (__rmqueue_fallback()); false: no zone's list has a
 * block of this order, or the host no memory. */
bool migrate_steal(struct mmu_os *os, unsigned zone, unsigned order, unsigned type, unsigned alloc_flags);
/* Reserves the pageblock of a block just allocated for high-order atomic allocations, up to 1 % of the zone.
 */
void migrate_reserve(struct mmu_os *os, unsigned zone, uint32_t id);
/* Gives one reserved pageblock that has free pages back, as this type; force: the zone's last one too. False:
 * there is none. zonelist: of the zone asked for. */
bool migrate_unreserve(struct mmu_os *os, unsigned asked, unsigned type, bool force);
/* Migrate type of the pageblock of a descriptor. */
static inline unsigned migrate_type_of(const struct mmu_os *os, uint32_t id)
{
    const struct page_chunk *c = &os->pages->chunk[id >> CHUNK_ORDER];
    return c->type[os->buddy->pageblock_order < CHUNK_ORDER ? id >> (CHUNK_ORDER - 1) & 1 : 0];
}

#endif
