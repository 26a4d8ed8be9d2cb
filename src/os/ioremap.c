/*
 * ioremap.c: areas of the vmalloc range that map devices.
 *
 * Models arch/x86/mm/ioremap.c, memtype_reserve() of arch/x86/mm/pat/memtype.c and vmap_range_noflush() of
 * mm/vmalloc.c, Linux 6.1. A device's pages are never RAM, so nothing answers behind them: translating their
 * addresses works, reading their bytes does not. Left out: the MTRRs.
 */
#include "kspace.h"
#include "plan.h"
#include "vmalloc.h"

#include <inttypes.h>

static const char *const cache_name[MMU_CACHES] = {
    [MMU_CACHE_WB] = "write-back",           [MMU_CACHE_WC] = "write-combining",
    [MMU_CACHE_UC_MINUS] = "uncached-minus", [MMU_CACHE_UC] = "uncached",
    [MMU_CACHE_WT] = "write-through",
};

static int refuse(struct mmu_os *os, mmu_pa pa, uint64_t size, const char *why)
{
    int outcome =
        os_outcome(os, MMU_OS_REFUSED, "ioremap", "0x%" PRIx64 " bytes at 0x%" PRIx64 ": %s", size, pa, why);
    os->report.pfn = pa >> PAGE_SHIFT;
    return outcome;
}

/* Does a page of RAM lie in it that the kernel does not keep reserved (__ioremap_check_ram())? */
static bool has_ram(const struct mmu_os *os, mmu_pfn first, mmu_pfn last)
{
    const struct memmap *m = &os->plan->memmap;
    for (uint32_t i = 0; i < m->ranges; i++) {
        bool overlaps = m->range[i].start <= last && first < m->range[i].end;
        if (overlaps && m->range[i].kind == MMU_MEMORY_FREE)
            return true;
    }
    return false;
}

/*
 * memtype_check_conflict() and is_new_memtype_allowed(): frames that are mapped already keep their type, and
 * a request for an uncached type is not answered with a cached one. The areas that are mapped are the record.
 */
static bool agree_on_cache(const struct mmu_os *os, mmu_pa pa, uint64_t size, uint32_t *cache)
{
    uint32_t found = *cache;
    bool any = false;
    for (struct range *r = ranges_from(&os->vmaps->busy, 0); r; r = ranges_from(&os->vmaps->busy, r->end)) {
        const struct vm_area *area = (const struct vm_area *)r;
        uint64_t length = vm_area_guard(area) - r->start;
        if (!area->io || area->pa >= pa + size || pa >= area->pa + length)
            continue;
        if (any && area->cache != found)
            return false;
        found = area->cache;
        any = true;
    }
    bool stricter_was_asked = *cache != MMU_CACHE_WB && found == MMU_CACHE_WB;
    if (stricter_was_asked || (*cache == MMU_CACHE_WT && found == MMU_CACHE_WC))
        return false;
    *cache = found;
    return true;
}

/* The largest page with which the rest of an area can be mapped from here (vmap_try_huge_pud(), _pmd()). */
static unsigned page_shift_at(const struct mmu_os *os, mmu_va va, mmu_pa pa, uint64_t left)
{
    static const uint8_t shifts[] = {30, 21};
    const struct mmu_cpu *cpu = &os->config->cpu;
    bool huge_vmap = os->config->os.arch != MMU_OS_I386; /* HAVE_ARCH_HUGE_VMAP: X86_64 || X86_PAE */
    const bool can[] = {os->plan->layout.wide && cpu->page1g, os->plan->layout.wide || cpu->pse};
    for (unsigned i = 0; i < COUNT_OF(shifts) && huge_vmap; i++)
        if (can[i] && left >> shifts[i] && !((va | pa) & ((UINT64_C(1) << shifts[i]) - 1)) &&
            kernel_may_map(os, va, shifts[i]))
            return shifts[i];
    return PAGE_SHIFT;
}

static void unmap(struct mmu_os *os, mmu_va start, mmu_va end)
{
    struct mmu_os_lookup entry;
    while (start < end && kernel_lookup(os, start, &entry)) {
        kernel_unmap(os, start);
        start += UINT64_C(1) << entry.page_shift;
    }
}

static int map(struct mmu_os *os, const struct vm_area *area)
{
    uint64_t bits = prot_kernel(os, (enum mmu_os_cache)area->cache, PROT_WRITE);
    mmu_va va = area->range.start, end = vm_area_guard(area);
    mmu_pa pa = area->pa;
    while (va < end) {
        unsigned shift = page_shift_at(os, va, pa, end - va);
        int status = kernel_map(os, va, pa, shift, bits);
        if (status != MMU_OS_DONE) {
            unmap(os, area->range.start, va);
            return status;
        }
        va += UINT64_C(1) << shift;
        pa += UINT64_C(1) << shift;
    }
    return MMU_OS_DONE;
}

/* Areas are aligned to their size rounded up to a power of two, at most what one directory entry spans
 * (IOREMAP_MAX_ORDER). */
static uint64_t alignment(const struct mmu_os *os, uint64_t size)
{
    static const uint8_t max_order[MMU_OS_ARCHES] = {22, 21, 30, 30};
    unsigned order = log2_floor(size) + !is_power_of_two(size);
    return UINT64_C(1) << (order < max_order[os->config->os.arch] ? order : max_order[os->config->os.arch]);
}

int mmu_os_ioremap(struct mmu_os *os, mmu_pa pa, uint64_t size, enum mmu_os_cache cache, mmu_va *va)
{
    struct vm_area *area;
    uint32_t agreed = cache;
    mmu_pa last = pa + size - 1, first_page = pa & ~(mmu_pa)PAGE_MASK;
    if ((unsigned)cache >= MMU_CACHES)
        return refuse(os, pa, size, "no such memory type");
    if (size == 0)
        return refuse(os, pa, size, "nothing to map, expected at least 1 byte");
    if (last < pa)
        return refuse(os, pa, size, "wraps around the end of the physical address space");
    if (last >= os_physical_end(os))
        return refuse(os, pa, size, "beyond the physical addresses of this processor and kernel");
    if (has_ram(os, pa >> PAGE_SHIFT, last >> PAGE_SHIFT))
        return refuse(os, pa, size, "RAM, expected a device");
    uint64_t mapped = (last | PAGE_MASK) + 1 - first_page;
    if (!agree_on_cache(os, first_page, mapped, &agreed)) {
        char why[96];
        snprintf(why, sizeof why, "%s, but it is mapped with another type already", cache_name[cache]);
        return refuse(os, pa, size, why);
    }
    int status = vm_area_take(os, "ioremap", mapped, alignment(os, mapped), 0, &area);
    if (status != MMU_OS_DONE)
        return status;
    area->io = true;
    area->cache = agreed;
    area->pa = first_page;
    status = map(os, area);
    if (status != MMU_OS_DONE) {
        vm_area_give(os, area);
        return status;
    }
    *va = area->range.start + (pa & PAGE_MASK);
    return MMU_OS_DONE;
}

int mmu_os_iounmap(struct mmu_os *os, mmu_va va)
{
    struct vm_area *area = vm_area_at(os, va & ~(mmu_va)PAGE_MASK);
    if (!area || !area->io) {
        int outcome =
            os_outcome(os, MMU_OS_BUG, "iounmap", "bad address: 0x%" PRIx64 " %s", va,
                       area ? "is a vmalloc area, expected an ioremap" : "is not what an ioremap returned");
        os->report.va = va;
        return outcome;
    }
    unmap(os, area->range.start, vm_area_guard(area));
    vm_area_give(os, area);
    return MMU_OS_DONE;
}
