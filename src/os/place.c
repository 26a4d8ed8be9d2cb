/*
 * place.c: what stands in RAM before the first allocation: the low megabyte, the kernel's image, reserved
 * areas, page descriptors, page tables.
 *
 * The image stands where it was loaded; the rest is taken from the top of low memory downwards, as memblock
 * does. Where the config gives a zone's managed pages, what the kernel takes for itself comes out of the
 * difference, and the rest of that is reserved too.
 */
#include "error.h"
#include "kspace.h"
#include "plan.h"
#include "x86.h"

#include <inttypes.h>

enum { SECTION_SHIFT = 27 - PAGE_SHIFT, SECTION_FRAMES = 512 /* of descriptors */ };

struct placing {
    struct plan *p;
    const struct mmu_config *config;
    struct mmu_error *err;
    uint64_t left[MMU_ZONES]; /* pages of the zone that may still be taken */
};

/* --- RAM, cut where the zones change --- */

static void add_range(struct memmap *m, mmu_pfn start, mmu_pfn end, enum mmu_os_memory_kind kind,
                      unsigned zone)
{
    REQUIRE(m->ranges < MEMMAP_RANGES);
    m->range[m->ranges++] = (struct mmu_os_memory){start, end, kind, zone};
}

static void cut_by_zones(struct plan *p)
{
    struct memmap *m = &p->memmap;
    m->ranges = 0;
    for (uint32_t i = 0; i < m->all; i++) {
        const struct memmap_ram *r = &m->ram[i];
        if (i >= m->rams)
            add_range(m, r->start, r->end, MMU_MEMORY_IGNORED, 0);
        for (unsigned k = 0; k < MMU_ZONES && i < m->rams; k++) {
            const struct plan_zone *z = &p->zones.zone[k];
            mmu_pfn start = r->start > z->start ? r->start : z->start,
                    end = r->end < z->end ? r->end : z->end;
            if (start < end)
                add_range(m, start, end, MMU_MEMORY_FREE, k);
        }
    }
}

static int set_budget(struct placing *pl)
{
    const struct mmu_os_config *os = &pl->config->os;
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        const struct plan_zone *z = &pl->p->zones.zone[i];
        pl->left[i] = z->present;
        if (!os->managed_given[i])
            continue;
        if (os->managed[i] > z->present)
            return plan_refuse(pl->config, &os->managed[i], pl->err,
                               "%" PRIu64 " pages, but the zone has %" PRIu64 " pages of RAM", os->managed[i],
                               z->present);
        pl->left[i] = z->present - os->managed[i];
    }
    return MMU_OK;
}

/* Carves and charges the zones; false: more than a zone may give. */
static bool take(struct placing *pl, mmu_pfn start, mmu_pfn end, enum mmu_os_memory_kind kind)
{
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        const struct plan_zone *z = &pl->p->zones.zone[i];
        mmu_pfn from = start > z->start ? start : z->start, to = end < z->end ? end : z->end;
        if (from >= to)
            continue;
        uint64_t pages = memmap_carve(&pl->p->memmap, from, to, kind);
        if (pages > pl->left[i])
            return false;
        pl->left[i] -= pages;
    }
    return true;
}

/* The highest place for count free frames that the kernel can address; false: there is none. */
static bool find_top(const struct placing *pl, uint64_t count, uint64_t align, mmu_pfn *start)
{
    const struct memmap *m = &pl->p->memmap;
    for (uint32_t i = m->ranges; i-- > 0;) {
        const struct mmu_os_memory *r = &m->range[i];
        if (r->kind != MMU_MEMORY_FREE || zone_is_highmem(&pl->p->zones, r->zone) ||
            pl->left[r->zone] < count || r->end - r->start < count)
            continue;
        *start = (r->end - count) & ~(align - 1);
        if (*start >= r->start)
            return true;
    }
    return false;
}

/* --- who stands there --- */

static uint64_t pages_of(uint64_t bytes)
{
    return (bytes >> PAGE_SHIFT) + ((bytes & PAGE_MASK) != 0);
}

/* memblock_reserve(0, SZ_1M) (arch/x86/realmode/init.c); of an older kernel's DMA zone only what it kept. */
static void place_low(struct placing *pl)
{
    const mmu_pfn first = pl->p->memmap.ram[0].start;
    for (mmu_pfn pfn = 256; pfn > first && pl->left[MMU_ZONE_DMA]; pfn--)
        take(pl, pfn - 1, pfn, MMU_MEMORY_LOW1M);
}

static int too_few(const struct placing *pl, unsigned zone, const char *what, uint64_t pages)
{
    const struct mmu_os_config *os = &pl->config->os;
    const uint64_t present = pl->p->zones.zone[zone].present;
    return plan_refuse(pl->config, &os->managed[zone], pl->err,
                       "%" PRIu64 " of the zone's %" PRIu64 " pages of RAM leave %" PRIu64
                       " to the kernel, whose %s alone takes %" PRIu64 "; expected fewer managed pages",
                       os->managed[zone], present, present - os->managed[zone], what, pages);
}

static int place_image(struct placing *pl)
{
    const struct mmu_os_config *os = &pl->config->os;
    const struct plan *p = pl->p;
    const struct kspace_image image = kspace_image(pl->config);
    const mmu_pfn start = image.text, end = image.end;
    const uint64_t pages = end - start;
    if (end > p->layout.max_low_pfn || start < 256 || memmap_present(&p->memmap, start, end) != pages)
        return plan_refuse(pl->config,
                           memmap_is_ram(&p->memmap, start) ? &os->kernel_text : &os->kernel_start, pl->err,
                           "the kernel's image would lie at 0x%" PRIx64 " to 0x%" PRIx64
                           ", where low memory above 1 MiB has no RAM for it",
                           os->kernel_start, (end << PAGE_SHIFT) - 1);
    if (p->layout.wide && (end << PAGE_SHIFT) > p->layout.modules_start - p->layout.text_base)
        return plan_refuse(pl->config, &os->kernel_text, pl->err,
                           "the image ends at 0x%" PRIx64 ", beyond the kernel text mapping (0x%" PRIx64 ")",
                           end << PAGE_SHIFT, p->layout.modules_start - p->layout.text_base);
    if (!take(pl, start, end, MMU_MEMORY_KERNEL))
        return too_few(pl, plan_zone_of(p, start), "image", pages);
    return MMU_OK;
}

static int place_reserved(struct placing *pl)
{
    const struct mmu_os_config *os = &pl->config->os;
    for (uint32_t i = 0; i < os->reserveds; i++) {
        const struct mmu_os_reserved *r = &os->reserved[i];
        if (r->size > UINT64_MAX - r->start)
            return plan_refuse(pl->config, &r->size, pl->err,
                               "0x%" PRIx64 " bytes from 0x%" PRIx64 " reach beyond 2^64", r->size, r->start);
        if (!take(pl, r->start >> PAGE_SHIFT, pages_of(r->start + r->size), MMU_MEMORY_RESERVED))
            return plan_refuse(pl->config, &r->size, pl->err,
                               "more than os.managed leaves to the kernel in this zone");
    }
    return MMU_OK;
}

/* Why there is no room, in words that help. */
static int no_room(const struct placing *pl, const char *what, uint64_t pages)
{
    const struct mmu_os_config *os = &pl->config->os;
    const struct plan *p = pl->p;
    for (unsigned i = MMU_ZONE_NORMAL + 1; i-- > 0;)
        if (os->managed_given[i] && p->zones.zone[i].present && pl->left[i] < pages)
            return too_few(pl, i, what, pages);
    return plan_refuse(pl->config, os->ram ? (const void *)&os->ram : (const void *)&os->e820s, pl->err,
                       "no room in low memory (%" PRIu64 " MiB) for the kernel's %s: %" PRIu64
                       " KiB for %" PRIu64 " MiB of RAM",
                       memmap_present(&p->memmap, 0, p->layout.max_low_pfn) >> 8, what, pages * 4,
                       memmap_present(&p->memmap, 0, p->memmap.max_pfn) >> 8);
}

/* Sections of 128 MiB below this one that have RAM. */
static uint64_t sections_before(const struct memmap *m, uint64_t section)
{
    uint64_t n = 0, next = 0; /* next: first section that is not counted yet */
    for (uint32_t i = 0; i < m->rams; i++) {
        uint64_t first = m->ram[i].start >> SECTION_SHIFT, last = (m->ram[i].end - 1) >> SECTION_SHIFT;
        first = first > next ? first : next;
        last = last < section ? last : section - 1;
        if (section == 0 || first > last)
            continue;
        n += last - first + 1;
        next = last + 1;
    }
    return n;
}

/* vmemmap: 2 MiB a section, in as many pieces as it takes. */
static int place_vmemmap(struct placing *pl)
{
    struct memmap *m = &pl->p->memmap;
    uint64_t rest = sections_before(m, UINT64_MAX) * SECTION_FRAMES;
    m->mem_map_pages = rest;
    while (rest) {
        mmu_pfn start = 0;
        uint64_t count = rest;
        while (count >= SECTION_FRAMES && !find_top(pl, count, SECTION_FRAMES, &start))
            count = count / 2 & ~(uint64_t)(SECTION_FRAMES - 1);
        if (count < SECTION_FRAMES)
            return no_room(pl, "page descriptors (vmemmap)", m->mem_map_pages);
        REQUIRE(take(pl, start, start + count, MMU_MEMORY_MEM_MAP));
        rest -= count;
    }
    return MMU_OK;
}

/* alloc_node_mem_map(): one array for all frames, holes included. */
static int place_mem_map(struct placing *pl)
{
    struct memmap *m = &pl->p->memmap;
    const uint64_t frames = (m->max_pfn + 1023) & ~UINT64_C(1023);
    m->mem_map_pages = pages_of(frames * pl->p->layout.struct_page_bytes);
    if (!find_top(pl, m->mem_map_pages, 1, &m->mem_map))
        return no_room(pl, "page descriptors (mem_map, 40 bytes a page)", m->mem_map_pages);
    REQUIRE(take(pl, m->mem_map, m->mem_map + m->mem_map_pages, MMU_MEMORY_MEM_MAP));
    return MMU_OK;
}

static int place_tables(struct placing *pl)
{
    struct memmap *m = &pl->p->memmap;
    m->table_count = kspace_boot_tables(pl->p, pl->config);
    if (!find_top(pl, m->table_count, 1, &m->tables))
        return no_room(pl, "page tables", m->table_count);
    REQUIRE(take(pl, m->tables, m->tables + m->table_count, MMU_MEMORY_PAGETABLE));
    return MMU_OK;
}

/* What else the kernel of a recording had taken: from the top of the zone. */
static void place_rest(struct placing *pl)
{
    struct memmap *m = &pl->p->memmap;
    for (uint32_t i = m->ranges; i-- > 0;) {
        const struct mmu_os_memory r = m->range[i];
        if (!pl->config->os.managed_given[r.zone] || r.kind != MMU_MEMORY_FREE || !pl->left[r.zone])
            continue;
        uint64_t pages = r.end - r.start < pl->left[r.zone] ? r.end - r.start : pl->left[r.zone];
        REQUIRE(take(pl, r.end - pages, r.end, MMU_MEMORY_RESERVED));
    }
}

static void merge(struct memmap *m)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->ranges; i++) {
        struct mmu_os_memory *last = kept ? &m->range[kept - 1] : NULL;
        const struct mmu_os_memory r = m->range[i];
        if (last && last->end == r.start && last->kind == r.kind && last->zone == r.zone)
            last->end = r.end;
        else
            m->range[kept++] = r;
    }
    m->ranges = kept;
}

/* The descriptors of all frames must lie in low memory; a kernel that keeps less of it than they take does
 * not get through its boot. */
static int check_low(const struct placing *pl)
{
    const struct mmu_os_config *os = &pl->config->os;
    const struct plan *p = pl->p;
    const void *blamed = os->ram ? (const void *)&os->ram : &os->e820s;
    uint64_t low = 0;
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        low += zone_is_highmem(&p->zones, i) ? 0 : p->zones.zone[i].managed;
        blamed = os->managed_given[i] && !zone_is_highmem(&p->zones, i) ? &os->managed[i] : blamed;
    }
    if (low > p->memmap.mem_map_pages)
        return MMU_OK;
    return plan_refuse(pl->config, blamed, pl->err,
                       "%" PRIu64 " MiB of RAM need %" PRIu64 " MiB of page descriptors (%s, %" PRIu32
                       " bytes a page) in %" PRIu64 " MiB of low memory, which leaves %" PRIu64
                       " MiB: this kernel does not boot; expected less RAM%s",
                       memmap_present(&p->memmap, 0, p->memmap.max_pfn) >> 8, p->memmap.mem_map_pages >> 8,
                       p->layout.wide ? "vmemmap" : "mem_map", p->layout.struct_page_bytes,
                       memmap_present(&p->memmap, 0, p->layout.max_low_pfn) >> 8, low >> 8,
                       p->layout.wide ? "" : ", os.split with more kernel space, or an x86_64 kernel");
}

int plan_place(struct plan *p, const struct mmu_config *config, struct mmu_error *err)
{
    struct placing pl = {p, config, err, {0}};
    cut_by_zones(p);
    int status = set_budget(&pl);
    if (status != MMU_OK)
        return status;
    place_low(&pl);
    status = place_image(&pl);
    if (status == MMU_OK)
        status = place_reserved(&pl);
    if (status == MMU_OK)
        status = p->layout.wide ? place_vmemmap(&pl) : place_mem_map(&pl);
    if (status == MMU_OK)
        status = place_tables(&pl);
    if (status != MMU_OK)
        return status;
    place_rest(&pl);
    merge(&p->memmap);
    for (uint32_t i = 0; i < p->memmap.ranges; i++) {
        const struct mmu_os_memory *r = &p->memmap.range[i];
        if (r->kind == MMU_MEMORY_FREE)
            p->zones.zone[r->zone].managed += r->end - r->start;
    }
    return check_low(&pl);
}

bool plan_vmemmap(const struct plan *p, uint64_t section, mmu_pfn *first)
{
    const struct memmap *m = &p->memmap;
    uint64_t before = sections_before(m, section);
    if (sections_before(m, section + 1) == before)
        return false;
    before *= SECTION_FRAMES;
    for (uint32_t i = 0; i < m->ranges; i++) {
        const struct mmu_os_memory *r = &m->range[i];
        if (r->kind != MMU_MEMORY_MEM_MAP)
            continue;
        if (before < r->end - r->start) {
            *first = r->start + before;
            return true;
        }
        before -= r->end - r->start;
    }
    bits_broken("every section with RAM has descriptors", __FILE__, __LINE__);
}
