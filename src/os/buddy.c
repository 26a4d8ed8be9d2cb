/* buddy.c: blocks on and off the free lists, splitting, merging. See buddy.h. */
#include "buddy.h"
#include "migrate.h"
#include "plan.h"
#include "wild.h"

bool buddy_in_zone(const struct mmu_os *os, unsigned zone, uint32_t id)
{
    unsigned all = os->pages->chunk[id >> CHUNK_ORDER].zone;
    return LIKELY(all != MMU_ZONES) ? all == zone : plan_zone_of(os->plan, page_pfn(os->pages, id)) == zone;
}

static void link_first(const struct pages *p, struct free_list *list, uint32_t id)
{
    struct page *page = page_at(p, id);
    page->prev = 0;
    page->next = list->head;
    if (list->head)
        page_at(p, list->head)->prev = id;
    else
        list->tail = id;
    list->head = id;
}

static void link_last(const struct pages *p, struct free_list *list, uint32_t id)
{
    struct page *page = page_at(p, id);
    page->next = 0;
    page->prev = list->tail;
    if (list->tail)
        page_at(p, list->tail)->next = id;
    else
        list->head = id;
    list->tail = id;
}

static void unlink_block(const struct pages *p, struct free_list *list, struct page *page)
{
    if (page->prev)
        page_at(p, page->prev)->next = page->next;
    else
        list->head = page->next;
    if (page->next)
        page_at(p, page->next)->prev = page->prev;
    else
        list->tail = page->prev;
    page->next = page->prev = 0;
}

/* add_to_free_list(), add_to_free_list_tail(): makes the head too. */
static void add(struct buddy_zone *z, const struct pages *p, uint32_t id, unsigned order, unsigned type,
                bool last)
{
    page_set_head(page_at(p, id), MMU_PAGE_FREE, order, type);
    struct free_list *list = &z->list[order][type];
    list->count++;
    z->blocks[order]++;
    (last ? link_last : link_first)(p, list, id);
}

/* del_page_from_free_list() */
static void take_off(struct buddy_zone *z, const struct pages *p, struct page *page)
{
    unsigned order = page_order(page);
    struct free_list *list = &z->list[order][page_type(page)];
    list->count--;
    z->blocks[order]--;
    unlink_block(p, list, page);
}

void buddy_take_off(struct mmu_os *os, unsigned zone, uint32_t id)
{
    struct page *page = page_at(os->pages, id);
    os->buddy->zone[zone].free -= UINT64_C(1) << page_order(page);
    take_off(&os->buddy->zone[zone], os->pages, page);
}

void buddy_enlist(struct mmu_os *os, unsigned zone, uint32_t id)
{
    const struct page *page = page_at(os->pages, id);
    link_last(os->pages, &os->buddy->zone[zone].list[page_order(page)][page_type(page)], id);
}

void buddy_move(struct mmu_os *os, unsigned zone, uint32_t id, unsigned type)
{
    struct buddy_zone *z = &os->buddy->zone[zone];
    struct page *page = page_at(os->pages, id);
    unsigned order = page_order(page);
    take_off(z, os->pages, page);
    add(z, os->pages, id, order, type, true);
}

/* The buddy of a block of this order, if it is free, whole and in the same zone; else 0. */
static uint32_t free_buddy(const struct mmu_os *os, unsigned zone, uint32_t id, unsigned order)
{
    uint32_t other = id ^ 1u << order;
    const struct page *page = page_at(os->pages, other);
    const uint32_t mask = 0xff000000, want = (MMU_PAGE_FREE + 1u) << 28 | order << 24;
    return (page->word & mask) == want && buddy_in_zone(os, zone, other) ? other : 0;
}

/* Pageblocks of a type without fallbacks are not merged with others: their counts would be lost. */
static bool may_merge(const struct mmu_os *os, uint32_t id, uint32_t other, unsigned order)
{
    if (order < os->buddy->pageblock_order)
        return true;
    unsigned a = migrate_type_of(os, id), b = migrate_type_of(os, other);
    return a == b || (a < PCP_TYPES && b < PCP_TYPES);
}

/* Would the block, were its buddy free, merge once more? Then it is kept for last (buddy_merge_likely()). */
static bool merge_likely(const struct mmu_os *os, unsigned zone, uint32_t id, unsigned order)
{
    if (order >= CHUNK_ORDER - 1)
        return false;
    uint32_t higher = id & ~(1u << order);
    return free_buddy(os, zone, higher, order + 1) != 0;
}

/* __free_one_page() */
ALWAYS_INLINE void give(struct mmu_os *os, unsigned zone, uint32_t id, unsigned order, unsigned type,
                        bool last)
{
    struct buddy_zone *z = &os->buddy->zone[zone];
    const struct pages *p = os->pages;
    z->free += UINT64_C(1) << order;
    page_at(p, id)->word = 0;
    for (; order < CHUNK_ORDER; order++) {
        uint32_t other = free_buddy(os, zone, id, order);
        if (!other || !may_merge(os, id, other, order))
            break;
        struct page *buddy = page_at(p, other);
        take_off(z, p, buddy);
        buddy->word = 0;
        id &= other;
    }
    add(z, p, id, order, type, last || merge_likely(os, zone, id, order));
}

void buddy_give(struct mmu_os *os, unsigned zone, uint32_t id, unsigned order, unsigned type)
{
    give(os, zone, id, order, type, false);
}

void buddy_give_last(struct mmu_os *os, unsigned zone, uint32_t id, unsigned order, unsigned type)
{
    give(os, zone, id, order, type, true);
}

/* Splits a block of order high until its first part has order low (expand()). */
static void expand(struct mmu_os *os, struct buddy_zone *z, uint32_t id, unsigned low, unsigned high,
                   unsigned type)
{
    while (high > low) {
        high--;
        add(z, os->pages, id + (1u << high), high, type, false);
    }
    page_set_head(page_at(os->pages, id), MMU_PAGE_FREE, low, type);
}

uint32_t buddy_take_smallest(struct mmu_os *os, unsigned zone, unsigned order, unsigned type)
{
    struct buddy_zone *z = &os->buddy->zone[zone];
    for (unsigned o = order; o < MMU_OS_ORDERS; o++) {
        struct free_list *list = &z->list[o][type];
        if (list->count == 0)
            continue;
        if (!list->head && !wild_make_next(os, zone, o, type)) {
            os->buddy->no_host_memory = true;
            return 0;
        }
        uint32_t id = list->head;
        take_off(z, os->pages, page_at(os->pages, id));
        z->free -= UINT64_C(1) << order;
        expand(os, z, id, order, o, type);
        return id;
    }
    return 0;
}

uint32_t buddy_take(struct mmu_os *os, unsigned zone, unsigned order, unsigned type, unsigned alloc_flags)
{
    for (;;) {
        uint32_t id = buddy_take_smallest(os, zone, order, type);
        if (LIKELY(id) || os->buddy->no_host_memory || !migrate_steal(os, zone, order, type, alloc_flags))
            return id;
    }
}
