/* page.c: where descriptors live, and what a frame without one is. See page.h. */
#include "page.h"
#include "age.h"
#include "plan.h"
#include <string.h>
#include <sys/mman.h>

enum { ARENA_FIRST = 2, ARENA_LAST = 256 }; /* chunks */

/* Zeroed host memory for the descriptors of some chunks; only what is touched costs anything. */
struct page_arena {
    struct page_arena *next;
    struct page *page;
    uint32_t chunks, used;
};

int pages_init(struct mmu_os *os)
{
    struct pages *p = calloc(1, sizeof *p);
    if (!p)
        return MMU_ERR_NOMEM;
    os->pages = p;
    uint64_t chunks = (os->plan->memmap.max_pfn + CHUNK_PAGES - 1) / CHUNK_PAGES;
    p->leaves = (size_t)((chunks + PAGES_LEAF - 1) / PAGES_LEAF);
    p->leaf = calloc(p->leaves + 1, sizeof(uint32_t *));
    p->chunks = 1;
    p->room = 16;
    p->chunk = calloc(p->room, sizeof *p->chunk); /* only [0] is looked at before it is set */
    p->host_bytes = sizeof *p + p->leaves * sizeof(uint32_t *) + p->room * sizeof *p->chunk;
    return p->leaf && p->chunk ? MMU_OK : MMU_ERR_NOMEM;
}

void pages_destroy(struct mmu_os *os)
{
    struct pages *p = os->pages;
    if (!p)
        return;
    for (size_t i = 0; p->leaf && i < p->leaves; i++)
        free(p->leaf[i]);
    for (struct page_arena *a = p->arena, *next; a; a = next) {
        next = a->next;
        munmap(a->page, (size_t)a->chunks * CHUNK_PAGES * sizeof *a->page);
        free(a);
    }
    free(p->leaf);
    free(p->chunk);
    free(p);
    os->pages = NULL;
}

/* 1024 zeroed descriptors, NULL: no host memory. */
static struct page *take_descriptors(struct pages *p)
{
    struct page_arena *a = p->arena;
    if (!a || a->used == a->chunks) {
        uint32_t chunks = a ? a->chunks * 2 : ARENA_FIRST;
        chunks = chunks > ARENA_LAST ? ARENA_LAST : chunks;
        a = malloc(sizeof *a);
        if (!a)
            return NULL;
        size_t bytes = (size_t)chunks * CHUNK_PAGES * sizeof *a->page;
        void *host = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (host == MAP_FAILED) {
            free(a);
            return NULL;
        }
        *a = (struct page_arena){p->arena, host, chunks, 0};
        p->arena = a;
    }
    return a->page + (size_t)CHUNK_PAGES * a->used++;
}

/* Room for one more chunk at its place in leaf[]. */
static bool make_room(struct pages *p, uint64_t chunk)
{
    REQUIRE(chunk / PAGES_LEAF < p->leaves);
    uint32_t **leaf = &p->leaf[chunk / PAGES_LEAF];
    if (!*leaf) {
        if (!(*leaf = calloc(PAGES_LEAF, sizeof **leaf)))
            return false;
        p->host_bytes += PAGES_LEAF * sizeof **leaf;
    }
    if (p->chunks == p->room) {
        REQUIRE(p->room < 1u << (32 - CHUNK_ORDER - 1));
        uint32_t room = p->room + p->room / 4;
        struct page_chunk *more = realloc(p->chunk, room * sizeof *more);
        if (!more)
            return false;
        p->host_bytes += (room - p->room) * sizeof *more;
        p->chunk = more;
        p->room = room;
    }
    return true;
}

/* A frame that no allocator ever gets: PG_reserved, as Linux marks holes inside zones too. */
static void set_reserved(struct page *page, bool ram)
{
    page_set_head(page, ram ? MMU_PAGE_RESERVED : MMU_PAGE_NOT_RAM, 0, MMU_MIGRATE_MOVABLE);
    page_set_flags(page, 1u << MMU_PG_RESERVED);
    page->refcount = 1;
}

static bool is_reserved(const struct mmu_os_memory *range)
{
    return range && range->kind != MMU_MEMORY_FREE && range->kind != MMU_MEMORY_IGNORED;
}

/* A chunk that is not wild: its free frames become single tails, which the boot gives to the buddy lists. */
static void fill_mixed(const struct mmu_os *os, struct page_chunk *c)
{
    const struct mmu_os_memory *range = NULL;
    for (unsigned i = 0; i < CHUNK_PAGES; i++) {
        mmu_pfn pfn = chunk_first(c) + i;
        if (!range || pfn >= range->end)
            range = memmap_find(&os->plan->memmap, pfn);
        if (range && range->kind == MMU_MEMORY_FREE)
            continue;
        set_reserved(&c->page[i], is_reserved(range));
    }
}

static uint8_t zone_of_chunk(const struct mmu_os *os, mmu_pfn first)
{
    enum mmu_os_zone a = plan_zone_of(os->plan, first);
    return (uint8_t)(a == plan_zone_of(os->plan, first + CHUNK_PAGES - 1) ? a : MMU_ZONES);
}

/* Makes the descriptors of the chunk that begins at a frame; 0: no host memory, else its slot. */
static uint32_t make_chunk(struct mmu_os *os, mmu_pfn first)
{
    struct pages *p = os->pages;
    uint64_t chunk = first >> CHUNK_ORDER;
    struct page *page = make_room(p, chunk) ? take_descriptors(p) : NULL;
    if (!page)
        return 0;
    uint32_t slot = p->chunks++;
    struct wild_place place = wild_place(os, first);
    unsigned type = os->buddy->mobility_disabled ? MMU_MIGRATE_UNMOVABLE : MMU_MIGRATE_MOVABLE;
    if (place.wild)
        type = wild_type(os, place.kind);
    p->chunk[slot] =
        (struct page_chunk){page, (uint32_t)chunk, zone_of_chunk(os, first), {(uint8_t)type, (uint8_t)type}};
    p->leaf[chunk / PAGES_LEAF][chunk % PAGES_LEAF] = slot;
    p->host_bytes += CHUNK_PAGES * sizeof *page;
    if (place.wild)
        wild_made(os, place, slot);
    else
        fill_mixed(os, &p->chunk[slot]);
    return slot;
}

struct page *page_of(struct mmu_os *os, mmu_pfn pfn)
{
    struct page *page = page_peek(os, pfn);
    if (LIKELY(page))
        return page;
    uint32_t slot = make_chunk(os, pfn & ~(mmu_pfn)(CHUNK_PAGES - 1));
    return slot ? &os->pages->chunk[slot].page[pfn & (CHUNK_PAGES - 1)] : NULL;
}

mmu_pfn page_head(const struct mmu_os *os, mmu_pfn pfn)
{
    for (unsigned order = 0; order < MMU_OS_ORDERS; order++) {
        mmu_pfn head = pfn & ~(BIT(order) - 1);
        const struct page *page = page_peek(os, head);
        REQUIRE(page);
        if (page_is_head(page)) {
            INVARIANT(pfn - head < BIT(page_order(page)));
            return head;
        }
    }
    bits_broken("every frame has a head", __FILE__, __LINE__);
}

/* The use of a frame that has no descriptor. */
static unsigned use_of_wild(const struct mmu_os *os, mmu_pfn pfn)
{
    mmu_pfn first = pfn & ~(mmu_pfn)(CHUNK_PAGES - 1);
    struct wild_place place = wild_place(os, first);
    if (place.wild && place.kind == WILD_FREE)
        return MMU_PAGE_FREE;
    if (place.wild) {
        const struct aged_pattern *p = os->buddy->pattern;
        bool is_free = age_find(p, age_xor(p, first), (unsigned)(pfn - first))->free;
        return is_free ? MMU_PAGE_FREE : MMU_PAGE_KERNEL;
    }
    return is_reserved(memmap_find(&os->plan->memmap, pfn)) ? MMU_PAGE_RESERVED : MMU_PAGE_NOT_RAM;
}

unsigned page_use_of(const struct mmu_os *os, mmu_pfn pfn)
{
    return page_peek(os, pfn) ? page_use(page_peek(os, page_head(os, pfn))) : use_of_wild(os, pfn);
}

unsigned page_block_type(const struct mmu_os *os, mmu_pfn pfn)
{
    uint32_t id = page_id(os->pages, pfn);
    if (id) {
        const struct page_chunk *c = &os->pages->chunk[id >> CHUNK_ORDER];
        return c->type[os->buddy->pageblock_order < CHUNK_ORDER ? id >> (CHUNK_ORDER - 1) & 1 : 0];
    }
    struct wild_place place = wild_place(os, pfn & ~(mmu_pfn)(CHUNK_PAGES - 1));
    if (place.wild)
        return wild_type(os, place.kind);
    return os->buddy->mobility_disabled ? MMU_MIGRATE_UNMOVABLE : MMU_MIGRATE_MOVABLE;
}

/* The heads of a chunk tile it. */
static void check_chunk(const struct page_chunk *c)
{
    for (unsigned i = 0; i < CHUNK_PAGES;) {
        const struct page *head = &c->page[i];
        REQUIRE(page_is_head(head));
        unsigned order = page_order(head), use = page_use(head);
        REQUIRE(order < MMU_OS_ORDERS && use < MMU_PAGE_USES && i % (1u << order) == 0);
        bool is_free = use == MMU_PAGE_FREE || use == MMU_PAGE_PCP;
        REQUIRE(is_free ? head->refcount == 0 : head->refcount > 0);
        for (unsigned j = 1; j < 1u << order; j++)
            REQUIRE(!page_is_head(&head[j]));
        i += 1u << order;
    }
}

void pages_check(const struct mmu_os *os)
{
    const struct pages *p = os->pages;
    for (uint32_t slot = 1; slot < p->chunks; slot++) {
        const struct page_chunk *c = &p->chunk[slot];
        REQUIRE(page_id(p, chunk_first(c)) == slot << CHUNK_ORDER);
        check_chunk(c);
    }
    uint32_t found = 1;
    for (size_t l = 0; l < p->leaves; l++)
        for (size_t i = 0; p->leaf[l] && i < PAGES_LEAF; i++)
            found += p->leaf[l][i] != 0;
    REQUIRE(found == p->chunks);
}
