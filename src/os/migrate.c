/* migrate.c: see migrate.h. */
#include "migrate.h"
#include "plan.h"
#include "wild.h"

/* Whose lists are looked at, in this order, when a type's own are empty. */
static const uint8_t fallbacks[PCP_TYPES][2] = {
    [MMU_MIGRATE_UNMOVABLE] = {MMU_MIGRATE_RECLAIMABLE, MMU_MIGRATE_MOVABLE},
    [MMU_MIGRATE_MOVABLE] = {MMU_MIGRATE_RECLAIMABLE, MMU_MIGRATE_UNMOVABLE},
    [MMU_MIGRATE_RECLAIMABLE] = {MMU_MIGRATE_UNMOVABLE, MMU_MIGRATE_MOVABLE},
};

/* The zone that counts a pageblock: of its first RAM frame. id: of any page of it. */
static unsigned zone_of_block(const struct mmu_os *os, uint32_t id)
{
    const struct page_chunk *c = &os->pages->chunk[id >> CHUNK_ORDER];
    if (c->zone != MMU_ZONES)
        return c->zone;
    mmu_pfn pfn = page_pfn(os->pages, id) & ~(BIT(os->buddy->pageblock_order) - 1);
    const struct mmu_os_memory *range;
    while (!(range = memmap_find(&os->plan->memmap, pfn)) || range->kind == MMU_MEMORY_IGNORED)
        pfn++;
    return range->zone;
}

/* set_pageblock_migratetype() */
static void set_type(struct mmu_os *os, uint32_t id, unsigned type)
{
    struct page_chunk *c = &os->pages->chunk[id >> CHUNK_ORDER];
    uint8_t *slot = &c->type[os->buddy->pageblock_order < CHUNK_ORDER ? id >> (CHUNK_ORDER - 1) & 1 : 0];
    if (os->buddy->mobility_disabled && type < PCP_TYPES)
        type = MMU_MIGRATE_UNMOVABLE;
    struct buddy_zone *z = &os->buddy->zone[zone_of_block(os, id)];
    z->pageblocks[*slot]--;
    z->pageblocks[type]++;
    *slot = (uint8_t)type;
}

/* Moves the free blocks of a pageblock to a type's lists; returns their pages (move_freepages_block()).
 * *movable: allocated pages that are on the LRU lists. A pageblock that ends beyond the zone stays. */
static uint32_t move_block(struct mmu_os *os, unsigned zone, uint32_t id, unsigned type, uint32_t *movable)
{
    const struct plan_zone *extent = &os->plan->zones.zone[zone];
    uint32_t size = 1u << os->buddy->pageblock_order, moved = 0;
    uint32_t start = id & ~(size - 1), end = start + size;
    *movable = 0;
    if (page_pfn(os->pages, start) < extent->start)
        start = id;
    if (page_pfn(os->pages, end - 1) >= extent->end)
        return 0;
    for (uint32_t at = start; at < end;) {
        const struct page *page = page_at(os->pages, at);
        if (!page_is_head(page)) { /* inside the block that the search began in */
            at++;
            continue;
        }
        uint32_t pages = 1u << page_order(page);
        if (page_use(page) == MMU_PAGE_FREE) {
            buddy_move(os, zone, at, type);
            moved += pages;
        } else if (page_flags(page) & 1u << MMU_PG_LRU) {
            *movable += pages;
        }
        at += pages;
    }
    return moved;
}

/* Takes a free block of another type: alone, or with its whole pageblock (steal_suitable_fallback()). */
static void steal(struct mmu_os *os, unsigned zone, uint32_t id, unsigned type, bool whole)
{
    unsigned order = page_order(page_at(os->pages, id)), pageblock_order = os->buddy->pageblock_order;
    unsigned old = migrate_type_of(os, id);
    os->buddy->zone[zone].steals++;
    if (old == MMU_MIGRATE_HIGHATOMIC) {
        buddy_move(os, zone, id, type);
        return;
    }
    if (order >= pageblock_order) {
        for (uint32_t at = id; at < id + (1u << order); at += 1u << pageblock_order)
            set_type(os, at, type);
        buddy_move(os, zone, id, type);
        return;
    }
    uint32_t movable, moved = whole ? move_block(os, zone, id, type, &movable) : 0;
    if (!moved) {
        buddy_move(os, zone, id, type);
        return;
    }
    uint32_t alike = 0;
    if (type == MMU_MIGRATE_MOVABLE)
        alike = movable;
    else if (old == MMU_MIGRATE_MOVABLE)
        alike = (1u << pageblock_order) - (moved + movable);
    if (moved + alike >= 1u << (pageblock_order - 1) || os->buddy->mobility_disabled)
        set_type(os, id, type);
}

/* A type to steal from at this order, or -1. */
static int victim_type(const struct buddy_zone *z, unsigned order, unsigned type)
{
    for (unsigned i = 0; z->blocks[order] && i < 2; i++)
        if (z->list[order][fallbacks[type][i]].count)
            return fallbacks[type][i];
    return -1;
}

/* May the whole pageblock be taken over (can_steal_fallback())? */
static bool may_take_whole(const struct mmu_os *os, unsigned order, unsigned type)
{
    return order >= os->buddy->pageblock_order / 2 || type != MMU_MIGRATE_MOVABLE ||
           os->buddy->mobility_disabled;
}

bool migrate_steal(struct mmu_os *os, unsigned zone, unsigned order, unsigned type, unsigned alloc_flags)
{
    struct buddy_zone *z = &os->buddy->zone[zone];
    unsigned least = order;
    if ((alloc_flags & ALLOC_NOFRAGMENT) && order < os->buddy->pageblock_order)
        least = os->buddy->pageblock_order;
    for (unsigned o = MMU_OS_ORDERS; o-- > least;) {
        int from = victim_type(z, o, type);
        if (from < 0)
            continue;
        if (!may_take_whole(os, o, type) &&
            o > order) /* a movable request: the smallest block does least harm */
            for (o = order; (from = victim_type(z, o, type)) < 0;)
                o++;
        struct free_list *list = &z->list[o][from];
        if (!list->head && !wild_make_next(os, zone, o, (unsigned)from)) {
            os->buddy->no_host_memory = true;
            return false;
        }
        steal(os, zone, list->head, type, may_take_whole(os, o, type));
        return true;
    }
    return false;
}

void migrate_reserve(struct mmu_os *os, unsigned zone, uint32_t id)
{
    struct buddy_zone *z = &os->buddy->zone[zone];
    uint64_t pageblock = BIT(os->buddy->pageblock_order);
    uint32_t movable;
    if (z->highatomic >= z->managed / 100 + pageblock || migrate_type_of(os, id) >= PCP_TYPES)
        return;
    z->highatomic += pageblock;
    set_type(os, id, MMU_MIGRATE_HIGHATOMIC);
    move_block(os, zone, id, MMU_MIGRATE_HIGHATOMIC, &movable);
}

/* A pageblock that is one free block again may merge with its neighbour now. Linux leaves that to the next
 * free; here buddies that may merge are never both free. */
static void merge_block(struct mmu_os *os, unsigned zone, uint32_t id)
{
    unsigned order = os->buddy->pageblock_order;
    uint32_t first = id & ~((1u << order) - 1);
    struct page *page = page_at(os->pages, first);
    if (!page_is_head(page) || page_use(page) != MMU_PAGE_FREE || page_order(page) != order)
        return;
    buddy_take_off(os, zone, first);
    buddy_give(os, zone, first, order, migrate_type_of(os, first));
}

bool migrate_unreserve(struct mmu_os *os, unsigned asked, unsigned type, bool force)
{
    const struct zones *zones = &os->plan->zones;
    uint64_t pageblock = BIT(os->buddy->pageblock_order);
    uint32_t movable;
    for (unsigned i = 0; i < zones->zonelist_n[asked]; i++) {
        unsigned zone = zones->zonelist[asked][i];
        struct buddy_zone *z = &os->buddy->zone[zone];
        if (!force && z->highatomic <= pageblock)
            continue;
        for (unsigned o = 0; o < MMU_OS_ORDERS; o++) {
            uint32_t id = z->list[o][MMU_MIGRATE_HIGHATOMIC].head;
            if (!id)
                continue;
            if (migrate_type_of(os, id) == MMU_MIGRATE_HIGHATOMIC)
                z->highatomic -= z->highatomic < pageblock ? z->highatomic : pageblock;
            set_type(os, id, type);
            bool moved = move_block(os, zone, id, type, &movable) != 0;
            merge_block(os, zone, id);
            if (moved)
                return true;
        }
    }
    return false;
}
