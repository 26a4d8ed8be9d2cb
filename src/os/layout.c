/*
 * layout.c: the constants of the address space. See layout.h for the headers of Linux that these are.
 */
#include "plan.h"
#include "x86.h"

#include <inttypes.h>
#include <string.h>

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)
#define TIB(n) ((uint64_t)(n) << 40)

enum {
    ENTRY_PAGES_32 = 43, /* sizeof(struct cpu_entry_area) in pages */
    ENTRY_PAGES_64 = 59,
    FIX_APART = 71,  /* i386: permanent fixed addresses that are not kmap_local's */
    FIX_64 = 646,    /* x86-64: __end_of_permanent_fixed_addresses */
    FIX_BTMAPS = 512 /* TOTAL_FIX_BTMAPS */
};

/* fixmap.h: behind the permanent addresses come the boot-time ones, which must not cross a page table. */
static uint32_t end_of_fixed(uint32_t permanent, uint32_t ptes)
{
    uint32_t begin = permanent;
    if ((permanent ^ (permanent + FIX_BTMAPS - 1)) & -ptes)
        begin = permanent + FIX_BTMAPS - permanent % FIX_BTMAPS;
    return begin + FIX_BTMAPS + 1;
}

static int set_fixmap(struct plan *p, const struct mmu_config *config, mmu_va top, struct mmu_error *err)
{
    struct layout *l = &p->layout;
    const struct mmu_os_config *os = &config->os;
    l->permanent_addresses = l->wide ? FIX_64 : FIX_APART + KM_MAX_IDX * p->nr_cpus;
    l->fixed_addresses = os->fixed_addresses
                             ? os->fixed_addresses
                             : end_of_fixed(l->permanent_addresses, os->arch == MMU_OS_I386 ? 1024 : 512);
    if (l->fixed_addresses < l->permanent_addresses)
        return plan_refuse(config, &os->fixed_addresses, err,
                           "%" PRIu32 " are fewer than the permanent ones of %" PRIu32
                           " CPUs; expected at least %" PRIu32 ", or auto: as many as it takes",
                           l->fixed_addresses, p->nr_cpus, l->permanent_addresses);
    l->fixaddr_top = top;
    l->fixaddr_start = top - (mmu_va)l->permanent_addresses * PAGE_SIZE;
    l->fixaddr_tot_start = top - (mmu_va)l->fixed_addresses * PAGE_SIZE;
    return MMU_OK;
}

/* --- i386 --- */

/* find_low_pfn_range() (arch/x86/mm/init_32.c): how much of RAM the direct map holds. */
static void set_low_pfn(struct plan *p, const struct mmu_os_config *os)
{
    struct layout *l = &p->layout;
    const mmu_pfn max_pfn = p->memmap.max_pfn, low_least = MIB(64) >> PAGE_SHIFT;
    const uint64_t high = os->highmem >> PAGE_SHIFT;
    if (max_pfn > l->maxmem_pfn) {
        l->max_low_pfn = l->maxmem_pfn;
        const uint64_t rest = max_pfn - l->maxmem_pfn;
        if (os->highmem_given && high < rest) {
            const uint64_t ignored = p->memmap.ignored;
            memmap_cut(&p->memmap, l->maxmem_pfn + high);
            p->memmap.max_pfn = l->maxmem_pfn + high; /* highmem_pfn_init(): also in a hole */
            plan_note(p, "highmem=%" PRIu64 "M: %" PRIu64 " MiB of RAM behind it are not used", high >> 8,
                      (p->memmap.ignored - ignored) >> 8);
        } else if (os->highmem_given && high > rest) {
            plan_note(p, "only %" PRIu64 "MB highmem pages available, ignoring highmem size of %" PRIu64 "MB",
                      rest >> 8, high >> 8);
        }
        return;
    }
    l->max_low_pfn = max_pfn;
    if (!os->highmem_given || !high)
        return;
    if (high >= max_pfn)
        plan_note(p, "highmem size (%" PRIu64 "MB) is bigger than pages available (%" PRIu64 "MB)", high >> 8,
                  max_pfn >> 8);
    else if (max_pfn - high < low_least)
        plan_note(p, "highmem size (%" PRIu64 "MB) results in <64MB lowmem, ignoring it", high >> 8);
    else
        l->max_low_pfn -= high;
}

/* The regions at the top, downwards: cpu_entry_area.h, pgtable_32_areas.h. The classic layout has neither CPU
 * entry areas nor LDT remap, which came with page-table isolation. */
static bool set_top_32(struct plan *p, const struct mmu_config *config, uint64_t pmd)
{
    struct layout *l = &p->layout;
    const struct mmu_os_config *os = &config->os;
    const bool entry_areas = os->layout == MMU_OS_LINUX_6_1 || os->kpti;
    const uint64_t entry_size = ((uint64_t)p->nr_cpus * ENTRY_PAGES_32 + 1) * PAGE_SIZE;
    mmu_va at = l->fixaddr_tot_start;
    l->last_pkmap = os->arch == MMU_OS_I386 ? 1024 : 512;
    if (entry_size + (l->last_pkmap + 1) * (uint64_t)PAGE_SIZE + 4 * pmd > at - l->page_offset)
        return false;
    if (entry_areas) {
        l->cpu_entry_area = (at - entry_size) & ~(pmd - 1);
        l->cpu_entry_area_end = l->cpu_entry_area + entry_size;
        l->ldt_base = (l->cpu_entry_area - PAGE_SIZE) & ~(pmd - 1);
        l->ldt_end = l->ldt_base + pmd;
        l->pkmap_base = (l->ldt_base - PAGE_SIZE) & ~(pmd - 1);
    } else {
        l->pkmap_base = (at - (l->last_pkmap + 1) * (mmu_va)PAGE_SIZE) & ~(pmd - 1);
    }
    l->vmalloc_end = l->pkmap_base - 2 * PAGE_SIZE;
    return true;
}

static int make_32(struct plan *p, const struct mmu_config *config, struct mmu_error *err)
{
    static const mmu_va offset[MMU_OS_SPLITS] = {
        [MMU_OS_3G_1G] = GIB(3), [MMU_OS_2G_2G] = GIB(2), [MMU_OS_1G_3G] = GIB(1)};
    const struct mmu_os_config *os = &config->os;
    struct layout *l = &p->layout;
    const uint64_t gap = MIB(8), reserve = os->vmalloc ? os->vmalloc : MIB(128) - gap;
    l->levels = os->arch == MMU_OS_I386 ? 2 : 3;
    l->struct_page_bytes = 40;
    l->page_offset = l->task_size = l->text_base = offset[os->split];
    if (set_fixmap(p, config, UINT64_C(0xfffff000), err) != MMU_OK)
        return MMU_ERR_INVALID;
    if (l->fixaddr_tot_start - GIB(3) >= GIB(1) ||
        !set_top_32(p, config, os->arch == MMU_OS_I386 ? MIB(4) : MIB(2)))
        return plan_refuse(config, os->fixed_addresses ? &os->fixed_addresses : &os->nr_cpus, err,
                           "fixed addresses and entry areas of %" PRIu32
                           " CPUs do not fit into the kernel's part of 4 GiB",
                           p->nr_cpus);
    const mmu_va end = os->layout == MMU_OS_CLASSIC ? GIB(4) : l->vmalloc_end;
    if (reserve >= end - l->page_offset - gap)
        return plan_refuse(config, &os->vmalloc, err,
                           "0x%" PRIx64 " bytes leave no room for the direct map in 0x%" PRIx64
                           " to 0x%" PRIx64,
                           reserve, l->page_offset, end);
    l->maxmem_pfn = (end - l->page_offset - gap - reserve) >> PAGE_SHIFT;
    set_low_pfn(p, os);
    l->high_memory = l->page_offset + (l->max_low_pfn << PAGE_SHIFT);
    l->vmalloc_start = l->modules_start = l->high_memory + gap;
    l->modules_end = l->vmalloc_end;
    if (l->vmalloc_start + PAGE_SIZE > l->vmalloc_end)
        return plan_refuse(config, &os->vmalloc, err,
                           "0x%" PRIx64
                           " bytes are all taken by PKMAP, fixmap and the gap below them; expected "
                           "at least 0x%" PRIx64,
                           reserve, GIB(4) - l->vmalloc_end + PAGE_SIZE);
    return MMU_OK;
}

/* --- x86-64, without KASLR: Documentation/x86/x86_64/mm.rst --- */

static int make_64(struct plan *p, const struct mmu_config *config, struct mmu_error *err)
{
    const struct mmu_os_config *os = &config->os;
    const bool la57 = os->arch == MMU_OS_X86_64_LA57;
    struct layout *l = &p->layout;
    l->levels = la57 ? 5 : 4;
    l->struct_page_bytes = 64;
    l->task_size = (la57 ? BIT(56) : BIT(47)) - PAGE_SIZE;
    l->ldt_base = la57 ? UINT64_C(0xff10000000000000) : UINT64_C(0xffff880000000000);
    l->page_offset = la57 ? UINT64_C(0xff11000000000000) : UINT64_C(0xffff888000000000);
    l->ldt_end = l->page_offset;
    l->max_low_pfn = p->memmap.max_pfn;
    l->high_memory = l->page_offset + (l->max_low_pfn << PAGE_SHIFT);
    l->vmalloc_start = la57 ? UINT64_C(0xffa0000000000000) : UINT64_C(0xffffc90000000000);
    l->vmalloc_end = la57 ? UINT64_C(0xffd2000000000000) : UINT64_C(0xffffe90000000000);
    l->vmemmap = la57 ? UINT64_C(0xffd4000000000000) : UINT64_C(0xffffea0000000000);
    l->vmemmap_end = l->vmemmap + (la57 ? TIB(512) : TIB(1));
    l->cpu_entry_area = UINT64_C(0xfffffe0000000000);
    l->cpu_entry_area_end = l->cpu_entry_area + ((uint64_t)p->nr_cpus * ENTRY_PAGES_64 + 1) * PAGE_SIZE;
    l->espfix = UINT64_C(0xffffff0000000000);
    l->espfix_end = l->espfix + GIB(512);
    l->text_base = UINT64_C(0xffffffff80000000);
    l->modules_start = UINT64_C(0xffffffffc0000000);
    l->modules_end = UINT64_C(0xffffffffff000000);
    if (set_fixmap(p, config, UINT64_C(0xffffffffff7ff000), err) != MMU_OK)
        return MMU_ERR_INVALID;
    if (l->fixaddr_tot_start < l->modules_end)
        return plan_refuse(config, &os->fixed_addresses, err,
                           "%" PRIu32 " do not fit above the modules; expected at most %" PRIu64,
                           l->fixed_addresses, (l->fixaddr_top - l->modules_end) / PAGE_SIZE);
    return MMU_OK;
}

int layout_make(struct plan *p, const struct mmu_config *config, struct mmu_error *err)
{
    struct layout *l = &p->layout;
    const struct mmu_os_config *os = &config->os;
    memset(l, 0, sizeof *l);
    l->wide = os->arch == MMU_OS_X86_64 || os->arch == MMU_OS_X86_64_LA57;
    int status = l->wide ? make_64(p, config, err) : make_32(p, config, err);
    l->image = l->text_base + os->kernel_start;
    return status;
}
