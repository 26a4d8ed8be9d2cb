/*
 * figures.c: the kernel's figures for callers: zones, totals, memory map, layout, constants, sysctls.
 */
#include "kspace.h"
#include "plan.h"
#include "slab.h"
#include "vmalloc.h"
#include "x86.h"

#include <inttypes.h>
#include <string.h>

const char *mmu_os_zone_name(enum mmu_os_zone zone)
{
    static const char *const name[MMU_ZONES] = {"DMA", "DMA32", "Normal", "HighMem", "Movable", "Device"};
    return zone < MMU_ZONES ? name[zone] : "none";
}

void mmu_os_zone(const struct mmu_os *os, enum mmu_os_zone zone, struct mmu_os_zone_info *info)
{
    REQUIRE(zone < MMU_ZONES);
    const struct plan_zone *z = &os->plan->zones.zone[zone];
    memset(info, 0, sizeof *info);
    info->zone = zone;
    info->exists = z->exists;
    info->populated = z->managed > 0;
    info->start_pfn = z->start;
    info->spanned = z->spanned;
    info->present = z->present;
    info->managed = z->managed;
    info->min = z->min;
    info->low = z->low;
    info->high = z->high;
    info->promo = z->promo;
    memcpy(info->protection, z->protection, sizeof info->protection);
    info->pcp_batch = z->pcp_batch;
    info->pcp_high = z->pcp_high;
    buddy_zone_info(os, zone, info);
}

void mmu_os_totals(const struct mmu_os *os, struct mmu_os_totals *t)
{
    const struct plan *p = os->plan;
    memset(t, 0, sizeof *t);
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        struct mmu_os_zone_info z;
        mmu_os_zone(os, i, &z);
        t->present += z.present;
        t->managed += z.managed;
        t->free += z.free;
        t->pcp_free += z.pcp_free;
        t->allocated += z.allocated;
        t->low_managed += zone_is_highmem(&p->zones, i) ? 0 : z.managed;
    }
    t->min_free_kbytes = p->zones.min_free_kbytes;
    t->totalreserve = p->zones.totalreserve;
    t->ignored = p->memmap.ignored;
    t->page_tables = kspace_tables(os);
    t->slab = slabs_pages(os);
    t->vmalloc = os->vmaps->pages;
    t->max_pfn = p->memmap.max_pfn;
    t->max_low_pfn = p->layout.max_low_pfn;
    t->high_memory = p->layout.high_memory;
    t->mem_map_bytes = p->memmap.mem_map_pages << PAGE_SHIFT;
    t->host_bytes =
        sizeof *os + sizeof *p + buddy_host_bytes(os) + slabs_host_bytes(os) + kspace_host_bytes(os);
}

/* --- memory map, notes, layout --- */

size_t mmu_os_memory_map(const struct mmu_os *os, struct mmu_os_memory *to, size_t max)
{
    const struct memmap *m = &os->plan->memmap;
    if (max)
        memcpy(to, m->range, (m->ranges < max ? m->ranges : max) * sizeof *to);
    return m->ranges;
}

const char *mmu_os_memory_text(enum mmu_os_memory_kind kind)
{
    static const char *const text[MMU_MEMORY_KINDS] = {
        [MMU_MEMORY_FREE] = "free at boot",        [MMU_MEMORY_LOW1M] = "low 1 MiB",
        [MMU_MEMORY_KERNEL] = "kernel image",      [MMU_MEMORY_PAGETABLE] = "page tables",
        [MMU_MEMORY_MEM_MAP] = "page descriptors", [MMU_MEMORY_RESERVED] = "reserved",
        [MMU_MEMORY_IGNORED] = "ignored"};
    return kind < MMU_MEMORY_KINDS ? text[kind] : "unknown";
}

const char *mmu_os_note(const struct mmu_os *os, size_t n)
{
    return n < os->plan->notes ? os->plan->note[n] : NULL;
}

size_t mmu_os_layout(const struct mmu_os *os, struct mmu_os_region *to, size_t max)
{
    const struct layout *l = &os->plan->layout;
    if (max)
        memcpy(to, l->region, (l->regions < max ? l->regions : max) * sizeof *to);
    return l->regions;
}

struct constant {
    const char *name;
    uint64_t value;
};

static void say(void (*each)(void *ctx, const char *name, uint64_t value), void *ctx,
                const struct constant *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        each(ctx, c[i].name, c[i].value);
}

/* What every architecture has. */
static void say_common(const struct plan *p, void (*each)(void *ctx, const char *name, uint64_t value),
                       void *ctx)
{
    const struct layout *l = &p->layout;
    const bool two = l->levels == 2;
    const uint64_t pgd_shift = two ? 22 : 12 + 9 * (l->levels - 1);
    const struct constant common[] = {
        {"PAGE_OFFSET", l->page_offset},
        {"PAGE_SIZE", PAGE_SIZE},
        {"PMD_SIZE", UINT64_C(1) << (two ? 22 : 21)},
        {"PGDIR_SIZE", UINT64_C(1) << pgd_shift},
        {"PTRS_PER_PTE", two ? 1024 : 512},
        {"PTRS_PER_PGD", two              ? 1024
                         : l->levels == 3 ? 4
                                          : 512},
        {"PTRS_PER_PMD", two ? 1 : 512},
        {"TASK_SIZE", l->task_size},
        {"high_memory", l->high_memory},
        {"max_pfn", p->memmap.max_pfn},
        {"max_low_pfn", l->max_low_pfn},
        {"VMALLOC_START", l->vmalloc_start},
        {"VMALLOC_END", l->vmalloc_end - l->wide},
        {"MODULES_VADDR", l->modules_start},
        {"MODULES_END", l->modules_end},
        {"FIXADDR_START", l->fixaddr_start},
        {"FIXADDR_TOP", l->fixaddr_top},
        {"FIXADDR_SIZE", l->fixaddr_top - l->fixaddr_start},
        {"FIXADDR_TOT_START", l->fixaddr_tot_start},
        {"FIXADDR_TOT_SIZE", l->fixaddr_top - l->fixaddr_tot_start},
        {"__end_of_permanent_fixed_addresses", l->permanent_addresses},
        {"__end_of_fixed_addresses", l->fixed_addresses},
        {"NR_CPUS", p->nr_cpus},
        {"MAX_ORDER", MMU_OS_ORDERS},
        {"pageblock_order", log2_floor(p->zones.pageblock_pages)},
        {"sizeof(struct page)", l->struct_page_bytes},
    };
    say(each, ctx, common, COUNT_OF(common));
}

void mmu_os_constants(const struct mmu_os *os, void (*each)(void *ctx, const char *name, uint64_t value),
                      void *ctx)
{
    const struct plan *p = os->plan;
    const struct layout *l = &p->layout;
    const struct constant areas[] = {
        {"CPU_ENTRY_AREA_BASE", l->cpu_entry_area},
        {"CPU_ENTRY_AREA_TOTAL_SIZE", l->cpu_entry_area_end - l->cpu_entry_area},
        {"LDT_BASE_ADDR", l->ldt_base},
        {"LDT_END_ADDR", l->ldt_end},
    };
    const struct constant only_32[] = {
        {"VMALLOC_OFFSET", l->vmalloc_start - l->high_memory},
        {"PKMAP_BASE", l->pkmap_base},
        {"LAST_PKMAP", l->last_pkmap},
        {"MAXMEM", l->maxmem_pfn << PAGE_SHIFT},
        {"FIX_KMAP_BEGIN", FIX_KMAP_BEGIN},
        {"FIX_KMAP_END", FIX_KMAP_BEGIN + (uint64_t)KM_MAX_IDX * p->nr_cpus - 1},
        {"KM_MAX_IDX", KM_MAX_IDX},
        {"mem_map", plan_struct_page(p, 0)},
    };
    const struct constant only_64[] = {
        {"page_offset_base", l->page_offset},  {"vmalloc_base", l->vmalloc_start},
        {"vmemmap_base", l->vmemmap},          {"VMEMMAP_START", l->vmemmap},
        {"__START_KERNEL_map", l->text_base},  {"KERNEL_IMAGE_SIZE", l->modules_start - l->text_base},
        {"ESPFIX_BASE_ADDR", l->espfix},       {"SECTION_SIZE_BITS", 27},
        {"PAGES_PER_SECTION", 1 << (27 - 12)}, {"MAX_PHYSMEM_BITS", l->levels == 5 ? 52 : 46},
    };
    say_common(p, each, ctx);
    if (l->cpu_entry_area)
        say(each, ctx, areas, COUNT_OF(areas));
    if (l->wide)
        say(each, ctx, only_64, COUNT_OF(only_64));
    else
        say(each, ctx, only_32, COUNT_OF(only_32));
}

/* --- sysctls --- */

static int set_ratios(struct mmu_os *os, const uint64_t *values, size_t n)
{
    struct zones *z = &os->plan->zones;
    unsigned zones = 0;
    for (unsigned i = 0; i < MMU_ZONES; i++)
        zones += z->zone[i].exists;
    if (n != zones)
        return os_outcome(os, MMU_OS_REFUSED, "sysctl", "lowmem_reserve_ratio: %zu values for %u zones", n,
                          zones);
    for (size_t i = 0; i < n; i++)
        if (values[i] > INT32_MAX)
            return os_outcome(os, MMU_OS_REFUSED, "sysctl",
                              "lowmem_reserve_ratio: %" PRIu64 " is out of range", values[i]);
    for (unsigned i = 0; i < MMU_ZONES; i++)
        if (z->zone[i].exists)
            z->lowmem_reserve_ratio[i] = (uint32_t)*values++;
    return MMU_OS_DONE;
}

int mmu_os_sysctl(struct mmu_os *os, const char *name, const uint64_t *values, size_t n)
{
    struct zones *z = &os->plan->zones;
    int outcome = MMU_OS_DONE;
    bool min_free = !strcmp(name, "min_free_kbytes"), scale = !strcmp(name, "watermark_scale_factor");
    if (!strcmp(name, "lowmem_reserve_ratio"))
        outcome = set_ratios(os, values, n);
    else if (!min_free && !scale)
        outcome = os_outcome(os, MMU_OS_REFUSED, "sysctl",
                             "%s: no such sysctl; expected min_free_kbytes, "
                             "watermark_scale_factor or lowmem_reserve_ratio",
                             name);
    else if (n != 1)
        outcome = os_outcome(os, MMU_OS_REFUSED, "sysctl", "%s: expected one value, got %zu", name, n);
    else if (values[0] > (min_free ? INT32_MAX : 3000u) || (scale && !values[0]))
        outcome =
            os_outcome(os, MMU_OS_REFUSED, "sysctl", "%s: %" PRIu64 " is out of range", name, values[0]);
    else if (min_free)
        z->min_free_kbytes = values[0];
    else
        z->watermark_scale_factor = (uint32_t)values[0];
    if (outcome == MMU_OS_DONE)
        zones_watermarks(z);
    return outcome;
}
