/* wild.c: runs of untouched chunks, and how they become descriptors. See wild.h. */
#include "wild.h"
#include "age.h"
#include "plan.h"

/* Ranges of FREE frames of one zone that touch are one. Returns the index behind the last. */
static uint32_t join(const struct memmap *m, uint32_t i, mmu_pfn *start, mmu_pfn *end)
{
    *start = m->range[i].start;
    *end = m->range[i].end;
    uint32_t zone = m->range[i].zone;
    for (i++; i < m->ranges; i++) {
        const struct mmu_os_memory *r = &m->range[i];
        if (r->kind != MMU_MEMORY_FREE || r->zone != zone || r->start != *end)
            break;
        *end = r->end;
    }
    return i;
}

static bool add_run(struct buddy_zone *z, uint64_t first, uint64_t end)
{
    struct wild_run *more = realloc(z->run, (z->runs + 1) * sizeof *more);
    if (!more)
        return false;
    z->run = more;
    z->run[z->runs++] = (struct wild_run){first, end, z->wild};
    z->wild += end - first;
    return true;
}

int wild_find(struct mmu_os *os, int (*edge)(struct mmu_os *os, unsigned zone, mmu_pfn start, mmu_pfn end))
{
    const struct memmap *m = &os->plan->memmap;
    int status = MMU_OK;
    for (int pass = 0; pass < 2; pass++) { /* edges make descriptors, which asks where the runs are */
        for (uint32_t i = 0; i < m->ranges && status == MMU_OK;) {
            if (m->range[i].kind != MMU_MEMORY_FREE) {
                i++;
                continue;
            }
            uint32_t zone = m->range[i].zone;
            mmu_pfn start, end;
            i = join(m, i, &start, &end);
            uint64_t first = (start + CHUNK_PAGES - 1) >> CHUNK_ORDER, last = end >> CHUNK_ORDER;
            if (pass == 0) {
                if (first < last && !add_run(&os->buddy->zone[zone], first, last))
                    status = MMU_ERR_NOMEM;
                continue;
            }
            while (start < end && status == MMU_OK) {
                mmu_pfn stop = (start >> CHUNK_ORDER) + 1;
                stop = stop << CHUNK_ORDER < end ? stop << CHUNK_ORDER : end;
                if (start >> CHUNK_ORDER >= first && start >> CHUNK_ORDER < last)
                    stop = last << CHUNK_ORDER; /* over the run */
                else
                    status = edge(os, zone, start, stop);
                start = stop;
            }
        }
    }
    return status;
}

unsigned wild_type(const struct mmu_os *os, unsigned kind)
{
    if (os->buddy->mobility_disabled)
        return MMU_MIGRATE_UNMOVABLE;
    return kind == WILD_FREE ? MMU_MIGRATE_MOVABLE : kind - WILD_AGED;
}

uint64_t wild_blocks(const struct mmu_os *os, unsigned kind, unsigned order)
{
    return kind == WILD_FREE ? order == CHUNK_ORDER : os->buddy->pattern->free_blocks[order];
}

/* Adds (or takes, sign -1) what a zone's wild chunks contribute to its counts. */
static void contribute(struct mmu_os *os, struct buddy_zone *z, bool add)
{
    for (unsigned kind = 0; kind < WILD_KINDS; kind++) {
        uint64_t n = add ? z->left[kind] : UINT64_C(0) - z->left[kind]; /* modulo 2^64 */
        unsigned type = wild_type(os, kind);
        if (z->left[kind] == 0)
            continue;
        for (unsigned o = 0; o < MMU_OS_ORDERS; o++) {
            uint64_t blocks = n * wild_blocks(os, kind, o);
            z->list[o][type].count += blocks;
            z->blocks[o] += blocks;
            z->free += blocks << o;
        }
        z->pageblocks[type] += n << (CHUNK_ORDER - os->buddy->pageblock_order);
        if (kind != WILD_FREE)
            z->allocated += n * os->buddy->pattern->allocated;
    }
}

void wild_count(struct mmu_os *os, unsigned zone, uint64_t aged)
{
    struct buddy_zone *z = &os->buddy->zone[zone];
    contribute(os, z, false);
    z->aged = aged;
    z->left[WILD_FREE] = z->wild - aged;
    z->left[WILD_AGED + MMU_MIGRATE_UNMOVABLE] = (aged + 12) / 16;  /* of 0, 1, ..: those 3 modulo 16 */
    z->left[WILD_AGED + MMU_MIGRATE_RECLAIMABLE] = (aged + 4) / 16; /* 11 modulo 16; as age_class() says */
    z->left[WILD_AGED + MMU_MIGRATE_MOVABLE] = aged - (aged + 12) / 16 - (aged + 4) / 16;
    contribute(os, z, true);
}

/* The run that holds a chunk, or whose ranks hold a rank. */
static const struct wild_run *run_of(const struct buddy_zone *z, uint64_t chunk)
{
    uint32_t low = 0, high = z->runs; /* the last that begins at or before chunk is low - 1 */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (z->run[middle].first <= chunk)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && chunk < z->run[low - 1].end ? &z->run[low - 1] : NULL;
}

static mmu_pfn first_of_rank(const struct buddy_zone *z, uint64_t rank)
{
    uint32_t low = 0, high = z->runs;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (z->run[middle].rank <= rank)
            low = middle + 1;
        else
            high = middle;
    }
    const struct wild_run *run = &z->run[low - 1];
    return (run->first + (rank - run->rank)) << CHUNK_ORDER;
}

struct wild_place wild_place(const struct mmu_os *os, mmu_pfn first)
{
    enum mmu_os_zone zone = plan_zone_of(os->plan, first);
    struct wild_place place = {.wild = false};
    if (zone == MMU_ZONES)
        return place;
    const struct buddy_zone *z = &os->buddy->zone[zone];
    const struct wild_run *run = run_of(z, first >> CHUNK_ORDER);
    if (!run)
        return place;
    uint64_t rank = run->rank + ((first >> CHUNK_ORDER) - run->first);
    return (struct wild_place){true, (uint8_t)zone, (uint8_t)age_class(z, rank), rank};
}

void wild_made(struct mmu_os *os, struct wild_place place, uint32_t slot)
{
    struct buddy_zone *z = &os->buddy->zone[place.zone];
    struct page_chunk *c = &os->pages->chunk[slot];
    unsigned type = wild_type(os, place.kind);
    uint32_t base = slot << CHUNK_ORDER;
    REQUIRE(z->left[place.kind] > 0);
    z->left[place.kind]--;
    if (place.kind == WILD_FREE) {
        page_set_head(c->page, MMU_PAGE_FREE, CHUNK_ORDER, type);
        buddy_enlist(os, place.zone, base);
        return;
    }
    const struct aged_pattern *p = os->buddy->pattern;
    unsigned xor = age_xor(p, chunk_first(c));
    for (uint32_t i = 0; i < p->blocks; i++) {
        const struct aged_block *b = &p->block[i];
        unsigned at = age_at(b, xor);
        page_set_head(&c->page[at], b->free ? MMU_PAGE_FREE : MMU_PAGE_KERNEL, b->order, type);
        if (b->free)
            buddy_enlist(os, place.zone, base | at);
        else
            c->page[at].refcount = 1;
    }
}

bool wild_make_next(struct mmu_os *os, unsigned zone, unsigned order, unsigned type)
{
    struct buddy_zone *z = &os->buddy->zone[zone];
    for (unsigned kind = 0; kind < WILD_KINDS; kind++) {
        if (z->left[kind] == 0 || wild_type(os, kind) != type || wild_blocks(os, kind, order) == 0)
            continue;
        for (;; z->cursor[kind]++) {
            REQUIRE(z->cursor[kind] < z->wild);
            if (age_class(z, z->cursor[kind]) != kind)
                continue;
            mmu_pfn first = first_of_rank(z, z->cursor[kind]);
            if (page_peek(os, first))
                continue;
            return page_of(os, first) != NULL;
        }
    }
    bits_broken("a list counts only blocks that exist", __FILE__, __LINE__);
}

void wild_each(const struct mmu_os *os, unsigned zone,
               void (*each)(void *ctx, struct wild_place place, mmu_pfn first), void *ctx)
{
    const struct buddy_zone *z = &os->buddy->zone[zone];
    for (uint64_t rank = 0; rank < z->wild; rank++) {
        mmu_pfn first = first_of_rank(z, rank);
        if (!page_peek(os, first))
            each(ctx, (struct wild_place){true, (uint8_t)zone, (uint8_t)age_class(z, rank), rank}, first);
    }
}
