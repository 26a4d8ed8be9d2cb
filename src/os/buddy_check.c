/* buddy_check.c: the invariants of buddy.h and pcp.h, executed. */
#include "age.h"
#include "buddy.h"
#include "migrate.h"
#include "plan.h"
#include "wild.h"

/* A list's links, its blocks' heads; returns the explicit blocks. */
static uint64_t check_list(const struct mmu_os *os, unsigned zone, unsigned order, unsigned type)
{
    const struct free_list *list = &os->buddy->zone[zone].list[order][type];
    uint64_t n = 0;
    uint32_t before = 0;
    for (uint32_t id = list->head; id; before = id, id = page_at(os->pages, id)->next) {
        const struct page *page = page_at(os->pages, id);
        REQUIRE(page_is_head(page) && page_use(page) == MMU_PAGE_FREE);
        REQUIRE(page_order(page) == order && page_type(page) == type && page->prev == before);
        REQUIRE(buddy_in_zone(os, zone, id));
        REQUIRE(++n <= list->count); /* ends a list that runs in a circle */
    }
    REQUIRE(list->tail == before);
    return n;
}

/* What the wild chunks that are left contribute to a list. */
static uint64_t wild_share(const struct mmu_os *os, unsigned zone, unsigned order, unsigned type)
{
    const struct buddy_zone *z = &os->buddy->zone[zone];
    uint64_t n = 0;
    for (unsigned kind = 0; kind < WILD_KINDS; kind++)
        if (z->left[kind] && wild_type(os, kind) == type)
            n += z->left[kind] * wild_blocks(os, kind, order);
    return n;
}

static uint64_t check_lists(const struct mmu_os *os, unsigned zone)
{
    const struct buddy_zone *z = &os->buddy->zone[zone];
    uint64_t free = 0, explicit = 0;
    for (unsigned o = 0; o < MMU_OS_ORDERS; o++) {
        uint64_t blocks = 0;
        for (unsigned t = 0; t < MMU_OS_MIGRATE_TYPES; t++) {
            uint64_t n = check_list(os, zone, o, t);
            REQUIRE(n + wild_share(os, zone, o, t) == z->list[o][t].count);
            blocks += z->list[o][t].count;
            explicit += n;
        }
        REQUIRE(blocks == z->blocks[o]);
        free += blocks << o;
    }
    REQUIRE(free == z->free);
    return explicit;
}

/* Returns the blocks on all CPUs' lists of a zone; adds their pages. */
static uint64_t check_pcps(const struct mmu_os *os, unsigned zone, uint64_t *pages)
{
    uint64_t blocks = 0;
    for (uint32_t cpu = 0; cpu < os->cores; cpu++) {
        const struct pcp *pcp = &os->buddy->zone[zone].pcp[cpu];
        uint64_t count = 0;
        for (unsigned l = 0; l < PCP_LISTS; l++) {
            uint32_t before = 0;
            for (uint32_t id = pcp->list[l].head; id; before = id, id = page_at(os->pages, id)->next) {
                const struct page *page = page_at(os->pages, id);
                unsigned order = page_order(page), type = page_type(page);
                REQUIRE(page_is_head(page) && page_use(page) == MMU_PAGE_PCP && page->prev == before);
                REQUIRE(pcp_allows(os, order) && buddy_in_zone(os, zone, id));
                REQUIRE((order < PCP_ORDERS - 1 ? order : PCP_ORDERS - 1) == l / PCP_TYPES);
                REQUIRE((type < PCP_TYPES ? type : MMU_MIGRATE_MOVABLE) == l % PCP_TYPES);
                count += BIT(order);
                REQUIRE(count <= pcp->count);
                blocks++;
            }
            REQUIRE(pcp->list[l].tail == before);
        }
        REQUIRE(count == pcp->count);
        *pages += count;
    }
    return blocks;
}

/* What the descriptors say of each zone, beside the lists. */
struct census {
    uint64_t free_blocks, pcp_blocks, allocated[MMU_ZONES];
};

static void count_chunk(const struct mmu_os *os, const struct page_chunk *c, uint32_t slot,
                        struct census *census)
{
    for (unsigned i = 0; i < CHUNK_PAGES;) {
        const struct page *page = &c->page[i];
        unsigned order = page_order(page), use = page_use(page);
        uint32_t id = slot << CHUNK_ORDER | i, buddy = id ^ 1u << order;
        census->free_blocks += use == MMU_PAGE_FREE;
        census->pcp_blocks += use == MMU_PAGE_PCP;
        if (use > MMU_PAGE_PCP)
            census->allocated[plan_zone_of(os->plan, chunk_first(c) + i)] += BIT(order);
        if (use == MMU_PAGE_FREE && order < CHUNK_ORDER) {
            const struct page *other = page_at(os->pages, buddy);
            unsigned a = migrate_type_of(os, id), b = migrate_type_of(os, buddy);
            bool forbidden = order >= os->buddy->pageblock_order && a != b &&
                             (a == MMU_MIGRATE_HIGHATOMIC || b == MMU_MIGRATE_HIGHATOMIC);
            bool both = page_is_head(other) && page_use(other) == MMU_PAGE_FREE &&
                        page_order(other) == order &&
                        plan_zone_of(os->plan, page_pfn(os->pages, buddy)) ==
                            plan_zone_of(os->plan, chunk_first(c) + i);
            REQUIRE(!both || forbidden);
        }
        i += 1u << order;
    }
}

static void check_wild(const struct mmu_os *os, unsigned zone)
{
    const struct buddy_zone *z = &os->buddy->zone[zone];
    uint64_t wild = 0, left = 0;
    for (uint32_t i = 0; i < z->runs; i++) {
        REQUIRE(z->run[i].rank == wild && z->run[i].first < z->run[i].end);
        REQUIRE(i == 0 || z->run[i - 1].end < z->run[i].first);
        wild += z->run[i].end - z->run[i].first;
    }
    for (unsigned kind = 0; kind < WILD_KINDS; kind++)
        left += z->left[kind];
    REQUIRE(wild == z->wild && left <= wild && z->aged <= wild);
}

static void check_pattern(const struct aged_pattern *p)
{
    unsigned at = 0;
    for (uint32_t i = 0; i < p->blocks; i++) {
        REQUIRE(p->block[i].at == at && at % (1u << p->block[i].order) == 0);
        REQUIRE(!p->block[i].free || p->block[i].order < p->order);
        at += 1u << p->block[i].order;
    }
    REQUIRE(at == CHUNK_PAGES && p->free + p->allocated == CHUNK_PAGES);
}

void buddy_check(const struct mmu_os *os)
{
    struct census census = {0};
    uint64_t free_blocks = 0, pcp_blocks = 0;
    pages_check(os);
    if (os->buddy->pattern)
        check_pattern(os->buddy->pattern);
    for (uint32_t slot = 1; slot < os->pages->chunks; slot++)
        count_chunk(os, &os->pages->chunk[slot], slot, &census);
    for (unsigned zone = 0; zone < MMU_ZONES; zone++) {
        const struct buddy_zone *z = &os->buddy->zone[zone];
        uint64_t pcp = 0, wild = 0;
        check_wild(os, zone);
        free_blocks += check_lists(os, zone);
        pcp_blocks += check_pcps(os, zone, &pcp);
        for (unsigned kind = WILD_AGED; kind < WILD_KINDS; kind++)
            wild += z->left[kind] ? z->left[kind] * os->buddy->pattern->allocated : 0;
        REQUIRE(z->allocated == census.allocated[zone] + wild);
        REQUIRE(z->free + pcp + z->allocated == z->managed);
    }
    REQUIRE(free_blocks == census.free_blocks); /* every free block is on a list, and on one only */
    REQUIRE(pcp_blocks == census.pcp_blocks);
}
