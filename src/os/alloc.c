/* alloc.c: who gets a block, from which zone, and when nobody does. See alloc.h. */
#include "alloc.h"
#include "gfp.h"
#include "kmap.h"
#include "migrate.h"
#include "plan.h"
#include <stdarg.h>

enum { ALLOC_RESERVES = ALLOC_NON_BLOCK | ALLOC_MIN_RESERVE };

/* One allocation as it was asked for. */
struct wish {
    const char *call;
    uint32_t gfp;
    unsigned order, type;
    unsigned zone; /* asked for first: highest_zoneidx */
};

static uint64_t mark_of(const struct plan_zone *z, unsigned flags)
{
    unsigned mark = flags & ALLOC_MARK;
    return mark == ALLOC_MARK_MIN ? z->min : mark == ALLOC_MARK_LOW ? z->low : z->high;
}

/* The mark after what this allocation may take of the reserves. */
static uint64_t lowered(uint64_t mark, unsigned flags)
{
    if (flags & ALLOC_MIN_RESERVE) {
        mark -= mark / 2;
        if (flags & ALLOC_NON_BLOCK)
            mark -= mark / 4;
    }
    return mark;
}

/* Is there a block of this order or more that this allocation may have? */
static bool has_block(const struct buddy_zone *z, unsigned order, unsigned flags)
{
    for (unsigned o = order; o < MMU_OS_ORDERS; o++) {
        if (!z->blocks[o])
            continue;
        uint64_t reserved = z->list[o][MMU_MIGRATE_HIGHATOMIC].count;
        if (z->blocks[o] > reserved || (flags & ALLOC_HIGHATOMIC))
            return true;
    }
    return false;
}

/* zone_watermark_fast(), __zone_watermark_ok() */
static bool watermark_ok(const struct mmu_os *os, unsigned zone, const struct wish *w, unsigned flags)
{
    const struct plan_zone *figures = &os->plan->zones.zone[zone];
    const struct buddy_zone *z = &os->buddy->zone[zone];
    uint64_t unusable = (UINT64_C(1) << w->order) - 1;
    if (!(flags & ALLOC_RESERVES))
        unusable += z->highatomic;
    uint64_t mark = lowered(mark_of(figures, flags), flags) + figures->protection[w->zone];
    return z->free > mark + unusable && (w->order == 0 || has_block(z, w->order, flags));
}

/* rmqueue() */
static uint32_t take(struct mmu_os *os, unsigned zone, const struct wish *w, unsigned flags)
{
    uint32_t id = 0;
    if (pcp_allows(os, w->order))
        id = pcp_take(os, zone, w->order, w->type, flags);
    if (LIKELY(id))
        return id;
    if (flags & ALLOC_HIGHATOMIC)
        id = buddy_take_smallest(os, zone, w->order, MMU_MIGRATE_HIGHATOMIC);
    if (!id)
        id = buddy_take(os, zone, w->order, w->type, flags);
    if (!id && (flags & ALLOC_NON_BLOCK))
        id = buddy_take_smallest(os, zone, w->order, MMU_MIGRATE_HIGHATOMIC);
    return id;
}

/* prep_new_page() */
static mmu_pfn prepare(struct mmu_os *os, unsigned zone, const struct wish *w, uint32_t id)
{
    struct page *page = page_at(os->pages, id);
    page_set_head(page, MMU_PAGE_KERNEL, w->order, page_type(page));
    if (w->order && (w->gfp & MMU___GFP_COMP))
        page_set_flags(page, 1u << MMU_PG_HEAD);
    page->refcount = 1;
    page->mapping = page->private_ = 0;
    page->index = 0;
    os->buddy->zone[zone].allocated += UINT64_C(1) << w->order;
    return page_pfn(os->pages, id);
}

/* get_page_from_freelist() */
ALWAYS_INLINE bool search(struct mmu_os *os, const struct wish *w, unsigned flags, mmu_pfn *pfn)
{
    const struct zones *zones = &os->plan->zones;
    for (;;) {
        for (unsigned i = 0; i < zones->zonelist_n[w->zone]; i++) {
            unsigned zone = zones->zonelist[w->zone][i];
            if (!watermark_ok(os, zone, w, flags) && !(flags & ALLOC_NO_WATERMARKS))
                continue;
            uint32_t id = take(os, zone, w, flags);
            if (UNLIKELY(!id)) {
                if (os->buddy->no_host_memory)
                    return false;
                continue;
            }
            *pfn = prepare(os, zone, w, id);
            if (UNLIKELY(flags & ALLOC_HIGHATOMIC))
                migrate_reserve(os, zone, id);
            return true;
        }
        if (!(flags & ALLOC_NOFRAGMENT))
            return false;
        flags &= ~(unsigned)ALLOC_NOFRAGMENT; /* every zone is fragmented: let them be so */
    }
}

static bool from_zonelist(struct mmu_os *os, const struct wish *w, unsigned flags, mmu_pfn *pfn)
{
    return search(os, w, flags, pfn);
}

/* The first zone that is tried: the one asked for, or the first below it that has memory. */
static unsigned preferred(const struct mmu_os *os, const struct wish *w)
{
    const struct zones *zones = &os->plan->zones;
    return zones->zonelist_n[w->zone] ? zones->zonelist[w->zone][0] : w->zone;
}

static void signal_pressure(const struct mmu_os *os, const struct wish *w, enum mmu_os_pressure type,
                            unsigned zone)
{
    struct mmu_os_pressure_event event = {.type = type,
                                          .zone = zone,
                                          .order = w->order,
                                          .gfp = w->gfp,
                                          .cpu = os->current,
                                          .free = os->buddy->zone[zone].free};
    if (os->on_pressure)
        os->on_pressure(os->pressure_ctx, &event);
}

/* gfp_to_alloc_flags(), as of 6.1.120 and later: reserves are for __GFP_HIGH, more of them for those who
 * cannot reclaim. */
static unsigned second_flags(const struct wish *w)
{
    unsigned flags = ALLOC_MARK_MIN;
    if (w->gfp & MMU___GFP_HIGH)
        flags |= ALLOC_MIN_RESERVE;
    if (w->gfp & MMU___GFP_KSWAPD_RECLAIM)
        flags |= ALLOC_KSWAPD;
    if (!(w->gfp & MMU___GFP_DIRECT_RECLAIM) && !(w->gfp & MMU___GFP_NOMEMALLOC)) {
        flags |= ALLOC_NON_BLOCK;
        if (w->order && (flags & ALLOC_MIN_RESERVE))
            flags |= ALLOC_HIGHATOMIC;
    }
    return flags;
}

/* Where direct reclaim would begin: it finds nothing here, so what remains is what the kernel does before it
 * kills: give the high-order atomic reserve up, and, for __GFP_NOFAIL, open the other reserves. */
static bool last_resort(struct mmu_os *os, const struct wish *w, unsigned flags, mmu_pfn *pfn)
{
    bool retries =
        !(w->gfp & MMU___GFP_NORETRY) && (w->order <= PCP_COSTLY_ORDER || (w->gfp & MMU___GFP_RETRY_MAYFAIL));
    os->buddy->zone[w->zone].direct_reclaims++;
    signal_pressure(os, w, MMU_PRESSURE_DIRECT, w->zone);
    while (retries && migrate_unreserve(os, w->zone, w->type, true))
        if (from_zonelist(os, w, flags, pfn))
            return true;
    return (w->gfp & MMU___GFP_NOFAIL) && from_zonelist(os, w, flags | ALLOC_MIN_RESERVE, pfn);
}

/* __alloc_pages_slowpath() */
COLD static bool slow_path(struct mmu_os *os, const struct wish *w, mmu_pfn *pfn)
{
    unsigned flags = second_flags(w);
    if (flags & ALLOC_KSWAPD) {
        unsigned zone = preferred(os, w);
        os->buddy->zone[zone].kswapd_wakes++;
        signal_pressure(os, w, MMU_PRESSURE_KSWAPD, zone);
    }
    if (from_zonelist(os, w, flags, pfn) || os->buddy->no_host_memory)
        return !os->buddy->no_host_memory;
    if ((w->gfp & MMU___GFP_MEMALLOC) && !(w->gfp & MMU___GFP_NOMEMALLOC)) {
        flags = ALLOC_NO_WATERMARKS | (flags & ALLOC_KSWAPD);
        if (from_zonelist(os, w, flags, pfn))
            return true;
    }
    return (w->gfp & MMU___GFP_DIRECT_RECLAIM) && last_resort(os, w, flags, pfn);
}

static void append(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append(char *to, size_t size, const char *format, ...)
{
    size_t used = 0;
    while (used < size && to[used])
        used++;
    va_list args;
    va_start(args, format);
    if (used < size)
        vsnprintf(to + used, size - used, format, args);
    va_end(args);
}

/* Says of each zone of the list why it gave nothing. */
COLD static int exhausted(struct mmu_os *os, const struct wish *w)
{
    const struct zones *zones = &os->plan->zones;
    char mask[128], why[256] = "";
    unsigned flags = second_flags(w);
    for (unsigned i = 0; i < zones->zonelist_n[w->zone]; i++) {
        unsigned zone = zones->zonelist[w->zone][i];
        const struct plan_zone *figures = &zones->zone[zone];
        const struct buddy_zone *z = &os->buddy->zone[zone];
        uint64_t mark = lowered(figures->min, flags), kept = figures->protection[w->zone];
        uint64_t unusable = (UINT64_C(1) << w->order) - 1 + (flags & ALLOC_RESERVES ? 0 : z->highatomic);
        append(why, sizeof why, "%s%s free %llu", i ? ", " : "", mmu_os_zone_name((enum mmu_os_zone)zone),
               (unsigned long long)z->free);
        if (z->free > mark + kept + unusable)
            append(why, sizeof why, " but no block of order %u", w->order);
        else
            append(why, sizeof why, " <= min %llu + protection %llu%s", (unsigned long long)mark,
                   (unsigned long long)kept, unusable ? " + unusable" : "");
    }
    mmu_os_gfp_text(w->gfp, mask, sizeof mask);
    os->buddy->zone[w->zone].failures++;
    signal_pressure(os, w, MMU_PRESSURE_FAILED, w->zone);
    int outcome = os_outcome(os, MMU_OS_EXHAUSTED, w->call, "order %u, %s (%#x), zone %s: %s", w->order, mask,
                             w->gfp, mmu_os_zone_name((enum mmu_os_zone)w->zone),
                             *why ? why : "no zone that it may use has memory");
    os->report.zone = w->zone;
    os->report.order = w->order;
    os->report.gfp = w->gfp;
    return outcome;
}

COLD static int refused(struct mmu_os *os, const struct wish *w, const char *why)
{
    char mask[160];
    int outcome = os_outcome(os, MMU_OS_REFUSED, w->call, "order %u, %s (%#x): %s", w->order,
                             mmu_os_gfp_text(w->gfp, mask, sizeof mask), w->gfp, why);
    os->report.order = w->order;
    os->report.gfp = w->gfp;
    return outcome;
}

/* prepare_alloc_pages(); NULL: the wish is complete. */
static const char *complete(const struct mmu_os *os, struct wish *w)
{
    int zone = gfp_zone(os, w->gfp), type = gfp_type(w->gfp);
    if (w->gfp & ~(uint32_t)GFP_ALL)
        return "the mask has bits that are no GFP flag";
    if (w->order >= MMU_OS_ORDERS)
        return "the largest block has order 10";
    if (zone < 0)
        return "the zone bits (DMA, DMA32, HIGHMEM, MOVABLE) contradict each other";
    if (type < 0)
        return "pages are movable or reclaimable, not both";
    w->zone = (unsigned)zone;
    w->type = os->buddy->mobility_disabled ? MMU_MIGRATE_UNMOVABLE : (unsigned)type;
    return NULL;
}

ALWAYS_INLINE int allocate(struct mmu_os *os, const char *call, uint32_t gfp, unsigned order, mmu_pfn *pfn)
{
    struct wish w = {.call = call, .gfp = gfp, .order = order};
    const char *wrong = complete(os, &w);
    if (UNLIKELY(wrong))
        return refused(os, &w, wrong);
    unsigned flags = ALLOC_MARK_LOW;
    if (os->plan->layout.wide && preferred(os, &w) == MMU_ZONE_NORMAL)
        flags |= ALLOC_NOFRAGMENT; /* alloc_flags_nofragment(): DMA32 may serve before Normal is mixed up */
    os->buddy->no_host_memory = false;
    if (UNLIKELY(!search(os, &w, flags, pfn)) && (os->buddy->no_host_memory || !slow_path(os, &w, pfn)))
        return os->buddy->no_host_memory ? MMU_ERR_NOMEM : exhausted(os, &w);
    if (gfp & MMU___GFP_ZERO) /* free frames have no bytes, unless somebody wrote to one */
        port_discard(os->hw[os->current], *pfn, UINT64_C(1) << order);
    return MMU_OS_DONE;
}

int alloc_pages_as(struct mmu_os *os, const char *call, uint32_t gfp, unsigned order, mmu_pfn *pfn)
{
    return allocate(os, call, gfp, order, pfn);
}

int mmu_os_alloc_pages(struct mmu_os *os, uint32_t gfp, unsigned order, mmu_pfn *pfn)
{
    return allocate(os, "alloc_pages", gfp, order, pfn);
}

ALWAYS_INLINE void release(struct mmu_os *os, mmu_pfn pfn, uint32_t id, unsigned order)
{
    struct page *page = page_at(os->pages, id);
    unsigned zone = os->pages->chunk[id >> CHUNK_ORDER].zone, type = migrate_type_of(os, id);
    if (UNLIKELY(zone == MMU_ZONES))
        zone = plan_zone_of(os->plan, pfn);
    port_discard(os->hw[os->current], pfn, UINT64_C(1) << order);
    os->buddy->zone[zone].allocated -= UINT64_C(1) << order;
    page->refcount = 0;
    page->mapping = page->private_ = 0;
    page->index = 0;
    if (pcp_allows(os, order))
        pcp_give(os, zone, id, order, type);
    else
        buddy_give(os, zone, id, order, type);
}

void alloc_release(struct mmu_os *os, uint32_t id, unsigned order)
{
    release(os, page_pfn(os->pages, id), id, order);
}

bool alloc_is_kmapped(const struct mmu_os *os, mmu_pfn pfn, unsigned order)
{
    if (pfn < os->plan->layout.max_low_pfn || !os->kmaps)
        return false;
    for (mmu_pfn at = pfn; at < pfn + BIT(order); at++)
        if (kmap_users(os, at))
            return true;
    return false;
}

/* The ordinary free: an allocated block that is not kmapped, its last reference. Else all is looked at. */
int mmu_os_free_pages(struct mmu_os *os, mmu_pfn pfn, unsigned order)
{
    const uint32_t mask = 0xff000000, want = (MMU_PAGE_KERNEL + 1u) << 28 | order << 24;
    uint32_t id = page_id(os->pages, pfn);
    const struct page *page = LIKELY(id) ? page_at(os->pages, id) : NULL;
    if (UNLIKELY(!page || order >= MMU_OS_ORDERS || (page->word & mask) != want || page->refcount != 1 ||
                 alloc_is_kmapped(os, pfn, order)))
        return alloc_free_as(os, "__free_pages", pfn, order);
    release(os, pfn, id, order);
    return MMU_OS_DONE;
}

void free_pages(struct mmu_os *os, mmu_pfn pfn, unsigned order)
{
    uint32_t id = page_id(os->pages, pfn);
    REQUIRE(id);
    const struct page *page = page_at(os->pages, id);
    REQUIRE(page_is_head(page) && page_use(page) >= MMU_PAGE_KERNEL && page_order(page) == order);
    alloc_release(os, id, order);
}

void alloc_set_use(struct mmu_os *os, mmu_pfn pfn, enum mmu_page_use use)
{
    struct page *page = page_peek(os, pfn);
    REQUIRE(page && page_is_head(page) && page_use(page) >= MMU_PAGE_KERNEL && use >= MMU_PAGE_KERNEL);
    page->word = (page->word & ~(15u << 28)) | ((unsigned)use + 1) << 28;
    if (use == MMU_PAGE_SLAB)
        page_set_flags(page, 1u << MMU_PG_SLAB);
    else
        page_clear_flags(page, 1u << MMU_PG_SLAB);
}
