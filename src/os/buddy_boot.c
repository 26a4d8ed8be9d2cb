/* buddy_boot.c: the free lists of a machine just booted; what views and tests ask of them. See buddy.h. */
#include "age.h"
#include "buddy.h"
#include "migrate.h"
#include "plan.h"
#include "wild.h"
#include <string.h>

/* __free_pages_memory(): a range of free frames inside one chunk, in blocks as large as their places allow.
 */
static int free_edge(struct mmu_os *os, unsigned zone, mmu_pfn start, mmu_pfn end)
{
    if (!page_of(os, start))
        return MMU_ERR_NOMEM;
    unsigned type = migrate_type_of(os, page_id(os->pages, start));
    while (start < end) {
        unsigned order = start ? (unsigned)__builtin_ctzll(start) : CHUNK_ORDER;
        order = order < CHUNK_ORDER ? order : CHUNK_ORDER;
        while (start + BIT(order) > end)
            order--;
        buddy_give_last(os, zone, page_id(os->pages, start), order, type);
        start += BIT(order);
    }
    return MMU_OK;
}

/* Each pageblock belongs to the zone of its first RAM frame; those of wild chunks count themselves. */
static void count_pageblocks(struct mmu_os *os)
{
    const struct memmap *m = &os->plan->memmap;
    struct buddy *b = os->buddy;
    unsigned type = b->mobility_disabled ? MMU_MIGRATE_UNMOVABLE : MMU_MIGRATE_MOVABLE;
    uint64_t next = 0; /* first pageblock that is not counted yet */
    for (uint32_t i = 0; i < m->ranges; i++) {
        if (m->range[i].kind == MMU_MEMORY_IGNORED)
            continue;
        uint64_t first = m->range[i].start >> b->pageblock_order;
        uint64_t end = (m->range[i].end + BIT(b->pageblock_order) - 1) >> b->pageblock_order;
        first = first > next ? first : next;
        if (first >= end)
            continue;
        b->zone[m->range[i].zone].pageblocks[type] += end - first;
        next = end;
    }
    for (unsigned zone = 0; zone < MMU_ZONES; zone++)
        b->zone[zone].pageblocks[type] -= b->zone[zone].wild << (CHUNK_ORDER - b->pageblock_order);
}

static int make_pcps(struct mmu_os *os)
{
    for (unsigned zone = 0; zone < MMU_ZONES; zone++) {
        struct buddy_zone *z = &os->buddy->zone[zone];
        z->managed = os->plan->zones.zone[zone].managed;
        z->pcp = calloc(os->cores, sizeof *z->pcp);
        if (!z->pcp)
            return MMU_ERR_NOMEM;
    }
    return MMU_OK;
}

int buddy_create(struct mmu_os *os)
{
    struct buddy *b = calloc(1, sizeof *b);
    os->buddy = b;
    if (!b)
        return MMU_ERR_NOMEM;
    const struct zones *zones = &os->plan->zones;
    uint64_t managed = 0;
    b->pageblock_order = log2_floor(zones->pageblock_pages);
    for (unsigned zone = 0; zone < MMU_ZONES; zone++)
        managed += zones->zone[zone].managed;
    b->mobility_disabled = managed < zones->pageblock_pages * MMU_OS_MIGRATE_TYPES;
    int status = pages_init(os);
    if (status == MMU_OK)
        status = make_pcps(os);
    if (status == MMU_OK)
        status = wild_find(os, free_edge);
    if (status != MMU_OK)
        return status;
    count_pageblocks(os);
    for (unsigned zone = 0; zone < MMU_ZONES; zone++)
        wild_count(os, zone, 0);
    return os->config->os.aged ? age_zones(os) : MMU_OK;
}

void buddy_destroy(struct mmu_os *os)
{
    struct buddy *b = os->buddy;
    if (b) {
        for (unsigned zone = 0; zone < MMU_ZONES; zone++) {
            free(b->zone[zone].run);
            free(b->zone[zone].pcp);
        }
        age_free(os);
    }
    free(b);
    os->buddy = NULL;
    pages_destroy(os);
}

uint64_t buddy_host_bytes(const struct mmu_os *os)
{
    const struct buddy *b = os->buddy;
    uint64_t bytes = sizeof *b + os->pages->host_bytes + (b->pattern ? sizeof *b->pattern : 0);
    for (unsigned zone = 0; zone < MMU_ZONES; zone++)
        bytes += os->cores * sizeof *b->zone[zone].pcp + b->zone[zone].runs * sizeof *b->zone[zone].run;
    return bytes;
}

uint64_t buddy_pcp_count(const struct mmu_os *os, enum mmu_os_zone zone, uint32_t cpu)
{
    return cpu < os->cores ? os->buddy->zone[zone].pcp[cpu].count : 0;
}

void buddy_zone_info(const struct mmu_os *os, enum mmu_os_zone zone, struct mmu_os_zone_info *info)
{
    const struct buddy_zone *z = &os->buddy->zone[zone];
    info->free = z->free;
    info->pcp_free = 0;
    for (uint32_t cpu = 0; cpu < os->cores; cpu++)
        info->pcp_free += z->pcp[cpu].count;
    info->allocated = z->managed - z->free - info->pcp_free;
    for (unsigned o = 0; o < MMU_OS_ORDERS; o++) {
        info->free_blocks[o] = z->blocks[o];
        for (unsigned t = 0; t < MMU_OS_MIGRATE_TYPES; t++)
            info->free_by_type[o][t] = z->list[o][t].count;
    }
    memcpy(info->pageblocks, z->pageblocks, sizeof info->pageblocks);
    info->kswapd_wakes = z->kswapd_wakes;
    info->direct_reclaims = z->direct_reclaims;
    info->failures = z->failures;
    info->steals = z->steals;
}

/* What buddy_each_free() passes through wild_each(). */
struct visit {
    const struct mmu_os *os;
    void (*each)(void *ctx, mmu_pfn pfn, unsigned order, unsigned type, bool pcp);
    void *ctx;
};

static void visit_wild(void *ctx, struct wild_place place, mmu_pfn first)
{
    const struct visit *v = ctx;
    const struct aged_pattern *p = v->os->buddy->pattern;
    unsigned type = wild_type(v->os, place.kind);
    if (place.kind == WILD_FREE) {
        v->each(v->ctx, first, CHUNK_ORDER, type, false);
        return;
    }
    for (uint32_t i = 0; i < p->blocks; i++)
        if (p->block[i].free)
            v->each(v->ctx, first + age_at(&p->block[i], age_xor(p, first)), p->block[i].order, type, false);
}

void buddy_each_free(const struct mmu_os *os,
                     void (*each)(void *ctx, mmu_pfn pfn, unsigned order, unsigned type, bool pcp), void *ctx)
{
    struct visit visit = {os, each, ctx};
    for (unsigned zone = 0; zone < MMU_ZONES; zone++)
        wild_each(os, zone, visit_wild, &visit);
    for (uint32_t slot = 1; slot < os->pages->chunks; slot++) {
        const struct page_chunk *c = &os->pages->chunk[slot];
        for (unsigned i = 0; i < CHUNK_PAGES; i += 1u << page_order(&c->page[i])) {
            const struct page *page = &c->page[i];
            if (page_use(page) == MMU_PAGE_FREE || page_use(page) == MMU_PAGE_PCP)
                each(ctx, chunk_first(c) + i, page_order(page), page_type(page),
                     page_use(page) == MMU_PAGE_PCP);
        }
    }
}
