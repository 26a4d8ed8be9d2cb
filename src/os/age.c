/* age.c: see age.h. */
#include "age.h"
#include "plan.h"
#include "rng.h"
#include <string.h>

/* One chance in how many that a piece smaller than the target is left whole. */
enum { WHOLE = 3, LARGEST_ALLOCATED = 3 };

static void add(struct aged_pattern *p, unsigned at, unsigned order, bool is_free)
{
    p->block[p->blocks++] = (struct aged_block){(uint16_t)at, (uint8_t)order, is_free};
    *(is_free ? &p->free : &p->allocated) += 1u << order;
    p->free_blocks[order] += is_free;
}

/* Cuts a piece at random; taken: something in it must be allocated. */
static void cut(struct aged_pattern *p, struct rng *rng, unsigned at, unsigned order, bool taken)
{
    if (order == 0) {
        add(p, at, 0, !taken && rng_below(rng, 2));
        return;
    }
    if (order < p->order && !taken && rng_below(rng, WHOLE) == 0) {
        add(p, at, order, true);
        return;
    }
    if (order <= LARGEST_ALLOCATED && order <= p->order && rng_below(rng, WHOLE) == 0) {
        add(p, at, order, false);
        return;
    }
    bool whole_target = order > p->order; /* both halves hold pieces of the target's size then */
    unsigned chosen = rng_below(rng, 2);
    for (unsigned half = 0; half < 2; half++)
        cut(p, rng, at + (half << (order - 1)), order - 1, whole_target || (taken && half == chosen));
    const struct aged_block *last = &p->block[p->blocks - 1];
    if (last->free && last->order == order - 1 && last[-1].free && last[-1].order == order - 1) {
        p->blocks -= 2; /* free buddies are one block */
        p->free -= 1u << order;
        p->free_blocks[order - 1] -= 2;
        add(p, at, order, true);
    }
}

static int draw(struct mmu_os *os)
{
    struct aged_pattern *p = calloc(1, sizeof *p);
    if (!p)
        return MMU_ERR_NOMEM;
    p->seed = os->config->os.aged_seed;
    p->order = os->config->os.aged_order;
    struct rng rng;
    rng_seed(&rng, p->seed, 0);
    do { /* something must be free */
        p->blocks = p->free = p->allocated = 0;
        memset(p->free_blocks, 0, sizeof p->free_blocks);
        cut(p, &rng, 0, CHUNK_ORDER, true);
    } while (p->free == 0);
    os->buddy->pattern = p;
    return MMU_OK;
}

void age_free(struct mmu_os *os)
{
    free(os->buddy->pattern);
    os->buddy->pattern = NULL;
}

unsigned age_class(const struct buddy_zone *z, uint64_t rank)
{
    if (z->aged == 0) /* below 2^30 both, so the products fit */
        return WILD_FREE;
    uint64_t before = rank * z->aged / z->wild, after = (rank + 1) * z->aged / z->wild;
    if (before == after)
        return WILD_FREE;
    switch (before % 16) {
    case 3:
        return WILD_AGED + MMU_MIGRATE_UNMOVABLE;
    case 11:
        return WILD_AGED + MMU_MIGRATE_RECLAIMABLE;
    default:
        return WILD_AGED + MMU_MIGRATE_MOVABLE;
    }
}

unsigned age_xor(const struct aged_pattern *p, mmu_pfn first)
{
    return (unsigned)(rng_mix(p->seed ^ rng_mix(first)) & (CHUNK_PAGES - 1));
}

const struct aged_block *age_find(const struct aged_pattern *p, unsigned xor, unsigned offset)
{
    unsigned at = offset ^ xor, low = 0, high = p->blocks; /* the last that begins at or below is low - 1 */
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (p->block[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return &p->block[low - 1];
}

uint32_t age_unusable(const struct buddy_zone *z, unsigned order)
{
    uint64_t usable = 0;
    for (unsigned o = order; o < MMU_OS_ORDERS; o++)
        usable += z->blocks[o] << o;
    return z->free ? (uint32_t)((z->free - usable) * 1000 / z->free) : 1000;
}

/* Takes a free block that is large enough for the target and leaves the pattern's first pieces of its size:
 * what is allocated stays so. */
static void fragment(struct mmu_os *os, unsigned zone, unsigned order, unsigned type)
{
    struct buddy_zone *z = &os->buddy->zone[zone];
    const struct aged_pattern *p = os->buddy->pattern;
    uint32_t id = z->list[order][type].head;
    mmu_pfn pfn = page_pfn(os->pages, id);
    unsigned xor = age_xor(p, pfn) & ((1u << order) - 1);
    buddy_take_off(os, zone, id);
    for (uint32_t i = 0; i < p->blocks && p->block[i].at < 1u << order; i++) {
        const struct aged_block *b = &p->block[i];
        uint32_t at = id + age_at(b, xor);
        struct page *page = page_at(os->pages, at);
        page_set_head(page, b->free ? MMU_PAGE_FREE : MMU_PAGE_KERNEL, b->order, type);
        page->refcount = !b->free;
        z->allocated += b->free ? 0 : 1u << b->order;
    }
    for (uint32_t i = 0; i < p->blocks && p->block[i].at < 1u << order; i++)
        if (p->block[i].free)
            buddy_give(os, zone, id + age_at(&p->block[i], xor), p->block[i].order, type);
}

/* Fragments blocks outside the wild chunks until the target is reached or none is left. */
static void age_edges(struct mmu_os *os, unsigned zone, uint32_t target)
{
    struct buddy_zone *z = &os->buddy->zone[zone];
    unsigned least = os->buddy->pattern->order;
    for (unsigned order = CHUNK_ORDER; order >= least; order--)
        for (unsigned type = 0; type < PCP_TYPES; type++)
            while (age_unusable(z, least) < target && z->list[order][type].head)
                fragment(os, zone, order, type);
}

static void age_zone(struct mmu_os *os, unsigned zone)
{
    struct buddy_zone *z = &os->buddy->zone[zone];
    unsigned order = os->config->os.aged_order;
    uint32_t target = os->config->os.aged_unusable;
    uint64_t low = 0, high = z->wild; /* the fewest aged chunks that reach the target */
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        wild_count(os, zone, middle);
        if (age_unusable(z, order) >= target)
            high = middle;
        else
            low = middle + 1;
    }
    wild_count(os, zone, low);
    age_edges(os, zone, target);
    REQUIRE(age_unusable(z, order) >= target); /* every block can be cut */
}

int age_zones(struct mmu_os *os)
{
    int status = draw(os);
    for (unsigned zone = 0; zone < MMU_ZONES && status == MMU_OK; zone++)
        if (os->buddy->zone[zone].managed)
            age_zone(os, zone);
    return status;
}
