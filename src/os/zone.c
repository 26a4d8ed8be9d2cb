/*
 * zone.c: the zones' figures. See zone.h for the functions of Linux that these are.
 */
#include "plan.h"
#include "x86.h"

#include <string.h>

enum { MAX_ORDER_PAGES = 1 << (MMU_OS_ORDERS - 1) };

static uint64_t min_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* a * b / c without overflow. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)((wide)a * b / c);
}

/* --- extent (free_area_init) --- */

/* Bounds of the zones before MOVABLE is cut out (arch_zone_lowest_possible_pfn, ..._highest_...). */
struct bounds {
    mmu_pfn low[MMU_ZONES], high[MMU_ZONES];
};

static struct bounds arch_bounds(const struct plan *p)
{
    const struct layout *l = &p->layout;
    const mmu_pfn max_pfn = p->memmap.max_pfn, first = p->memmap.ram[0].start;
    const mmu_pfn end[MMU_ZONES] = {
        [MMU_ZONE_DMA] = min_of(4096, l->max_low_pfn),
        [MMU_ZONE_DMA32] = l->wide ? min_of(1 << 20, l->max_low_pfn) : 0,
        [MMU_ZONE_NORMAL] = l->max_low_pfn,
        [MMU_ZONE_HIGHMEM] = l->wide ? 0 : max_pfn,
    };
    struct bounds b = {{0}, {0}};
    mmu_pfn start = first;
    for (unsigned i = MMU_ZONE_DMA; i <= MMU_ZONE_HIGHMEM; i++) {
        b.low[i] = start;
        b.high[i] = start = max_of(end[i], start);
    }
    return b;
}

/* find_zone_movable_pfns_for_nodes(): where MOVABLE begins, 0 when there is none. */
static mmu_pfn movable_start(const struct memmap *m, const struct mmu_os_config *os, mmu_pfn usable)
{
    const uint64_t total = memmap_present(m, 0, m->max_pfn);
    uint64_t core = os->kernelcore >> PAGE_SHIFT, movable = os->movablecore >> PAGE_SHIFT;
    mmu_pfn at = 0;
    if (movable) {
        movable = min_of((movable + MAX_ORDER_PAGES - 1) / MAX_ORDER_PAGES * MAX_ORDER_PAGES, total);
        core = max_of(core, total - movable);
    }
    if (!core || core >= total)
        return 0;
    for (uint32_t i = 0; i < m->rams; i++) {
        mmu_pfn start = m->ram[i].start, end = m->ram[i].end;
        if (start < usable) {
            core -= min_of(min_of(end, usable) - start, core);
            if (end <= usable) {
                at = end;
                continue;
            }
            start = usable;
        }
        uint64_t take = min_of(end - start, core);
        at = start + take;
        core -= take;
        if (!core)
            break;
    }
    at = (at + MAX_ORDER_PAGES - 1) / MAX_ORDER_PAGES * MAX_ORDER_PAGES;
    return at >= m->max_pfn ? 0 : at;
}

static void set_extent(struct plan_zone *z, const struct memmap *m, mmu_pfn start, mmu_pfn end)
{
    start = max_of(start, m->ram[0].start);
    end = min_of(end, m->max_pfn);
    if (start >= end)
        return;
    z->start = start;
    z->end = end;
    z->spanned = end - start;
    z->present = memmap_present(m, start, end);
}

void zones_extent(struct plan *p, const struct mmu_config *config)
{
    struct zones *z = &p->zones;
    const struct bounds b = arch_bounds(p);
    const bool wide = p->layout.wide;
    z->cpus = config->os.cpus ? config->os.cpus : config->cores;
    const bool exists[MMU_ZONES] = {true, wide, true, !wide || config->os.layout == MMU_OS_CLASSIC,
                                    true, wide};
    unsigned host = MMU_ZONE_HIGHMEM; /* movable_zone: the highest that has an extent */
    while (host > 0 && b.high[host] <= b.low[host])
        host--;
    z->movable_is_highmem = host == MMU_ZONE_HIGHMEM;
    mmu_pfn movable = movable_start(&p->memmap, &config->os, b.low[host]);
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        z->zone[i].exists = exists[i];
        if (i <= MMU_ZONE_HIGHMEM)
            set_extent(&z->zone[i], &p->memmap, b.low[i], movable ? min_of(b.high[i], movable) : b.high[i]);
    }
    if (movable)
        set_extent(&z->zone[MMU_ZONE_MOVABLE], &p->memmap, movable, b.high[host]);
}

bool zone_is_highmem(const struct zones *z, enum mmu_os_zone zone)
{
    return zone == MMU_ZONE_HIGHMEM || (zone == MMU_ZONE_MOVABLE && z->movable_is_highmem);
}

/* --- figures --- */

static uint64_t square_root(uint64_t x)
{
    uint64_t low = 0, high = UINT64_C(1) << 32;
    while (low + 1 < high) {
        uint64_t middle = (low + high) / 2;
        if (middle * middle <= x)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* nr_free_buffer_pages(): what DMA, DMA32 and NORMAL have above their high watermarks. */
static uint64_t buffer_pages(const struct zones *z)
{
    uint64_t pages = 0;
    for (unsigned i = 0; i <= MMU_ZONE_NORMAL; i++)
        pages += z->zone[i].managed > z->zone[i].high ? z->zone[i].managed - z->zone[i].high : 0;
    return pages;
}

static void set_protection(struct zones *z)
{
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        const uint32_t ratio = z->lowmem_reserve_ratio[i];
        uint64_t above = 0;
        for (unsigned k = 0; k < MMU_ZONES; k++) {
            above += k > i ? z->zone[k].managed : 0;
            z->zone[i].protection[k] = ratio && z->zone[i].managed ? above / ratio : 0;
        }
    }
}

static void set_marks(struct zones *z)
{
    const uint64_t pages_min = z->min_free_kbytes / 4;
    uint64_t low_pages = 0;
    for (unsigned i = 0; i < MMU_ZONES; i++)
        low_pages += zone_is_highmem(z, i) ? 0 : z->zone[i].managed;
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        struct plan_zone *q = &z->zone[i];
        uint64_t share = low_pages ? scale(pages_min, q->managed, low_pages) : 0;
        uint64_t step = max_of(share / 4, scale(q->managed, z->watermark_scale_factor, 10000));
        if (!q->exists)
            continue;
        q->min = zone_is_highmem(z, i) ? max_of(32, min_of(q->managed / 1024, 128)) : share;
        q->low = q->min + step;
        q->high = q->low + step;
        q->promo = q->high + step;
    }
}

/* zone_batchsize(), zone_highsize(). */
static void set_pcp(struct plan_zone *q, uint32_t cpus)
{
    uint64_t batch = max_of(min_of(q->managed / 1024, 256) / 4, 1);
    batch = (UINT64_C(1) << log2_floor(batch + batch / 2)) - 1;
    q->pcp_batch = (uint32_t)max_of(batch, 1);
    q->pcp_high = (uint32_t)min_of(max_of(q->low / cpus, 4 * (uint64_t)q->pcp_batch), INT32_MAX);
}

static void set_totalreserve(struct zones *z)
{
    z->totalreserve = 0;
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        const struct plan_zone *q = &z->zone[i];
        uint64_t most = 0;
        for (unsigned k = i; k < MMU_ZONES; k++)
            most = max_of(most, q->protection[k]);
        z->totalreserve += min_of(most + q->high, q->managed);
    }
}

void zones_watermarks(struct zones *z)
{
    set_protection(z);
    set_marks(z);
    for (unsigned i = 0; i < MMU_ZONES; i++)
        set_pcp(&z->zone[i], z->cpus);
    set_totalreserve(z);
}

/* calculate_min_free_kbytes(), and what transparent huge pages make of it
 * (set_recommended_min_free_kbytes()).
 */
static void compute_min_free(struct zones *z, bool thp)
{
    uint64_t total = 0, populated = 0;
    z->min_free_kbytes = min_of(max_of(square_root(16 * 4 * buffer_pages(z)), 128), 262144);
    zones_watermarks(z);
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        total += z->zone[i].managed;
        populated += i <= MMU_ZONE_NORMAL && z->zone[i].present;
    }
    if (!thp || total < 131072)
        return;
    uint64_t wanted = 4 * min_of(11 * z->pageblock_pages * populated, buffer_pages(z) / 20);
    z->min_free_kbytes = max_of(z->min_free_kbytes, wanted);
}

/* build_zonelists(): from a zone downwards, the populated ones. DEVICE serves nobody. */
static void set_zonelists(struct zones *z)
{
    for (unsigned i = 0; i < MMU_ZONES; i++)
        for (unsigned k = i + 1; k-- > 0;)
            if (z->zone[k].present)
                z->zonelist[i][z->zonelist_n[i]++] = (uint8_t)k;
}

void zones_figures(struct plan *p, const struct mmu_config *config)
{
    struct zones *z = &p->zones;
    const struct mmu_os_config *os = &config->os;
    z->pageblock_pages = os->arch == MMU_OS_I386 ? 1024 : 512;
    z->watermark_scale_factor = 10; /* at boot: sysctls are written later, and do not compute this again */
    memcpy(z->lowmem_reserve_ratio, os->lowmem_reserve_ratio, sizeof z->lowmem_reserve_ratio);
    set_zonelists(z);
    if (os->min_free_given)
        z->min_free_kbytes = os->min_free_kbytes;
    else
        compute_min_free(z, os->thp && config->cpu.pse); /* has_transparent_hugepage() */
    z->watermark_scale_factor = os->watermark_scale_factor;
    zones_watermarks(z);
}
