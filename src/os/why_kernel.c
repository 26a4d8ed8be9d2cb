/*
 * why_kernel.c: why an address of the kernel's part is as it is: which region holds it, who wrote its entry
 * and when, or why there is none.
 */
#include "kmap.h"
#include "kspace.h"
#include "plan.h"
#include "vmalloc.h"
#include "why.h"

#include <inttypes.h>
#include <string.h>

/* Which region, and which part of it has a name of its own. */
static const struct mmu_os_region *find_region(const struct layout *l, mmu_va va,
                                               const struct mmu_os_region **part)
{
    const struct mmu_os_region *found = &l->region[0];
    *part = NULL;
    for (uint32_t i = 0; i < l->regions; i++) {
        const struct mmu_os_region *r = &l->region[i];
        if (va < r->start || va > r->last)
            continue;
        if (r->inside)
            *part = r;
        else
            found = r;
    }
    return found;
}

static const char *use_text(const struct mmu_os *os, mmu_pfn pfn)
{
    static const char *const TEXT[MMU_PAGE_USES] = {
        [MMU_PAGE_NOT_RAM] = "of no zone",
        [MMU_PAGE_RESERVED] = "reserved since the boot",
        [MMU_PAGE_FREE] = "free",
        [MMU_PAGE_PCP] = "free, on a CPU's list",
        [MMU_PAGE_KERNEL] = "allocated by the kernel",
        [MMU_PAGE_SLAB] = "of kmalloc's slabs",
        [MMU_PAGE_TABLE] = "a page table",
        [MMU_PAGE_VMALLOC] = "of a vmalloc area",
        [MMU_PAGE_USER] = "a process has it, too",
        [MMU_PAGE_CACHE] = "of the page cache",
    };
    struct mmu_page_info info;
    return mmu_os_page(os, pfn, &info) == MMU_OS_DONE ? TEXT[info.use] : TEXT[MMU_PAGE_NOT_RAM];
}

static const struct vm_area *area_of(const struct ranges *set, mmu_va va)
{
    const struct range *r = ranges_before(set, va + 1);
    return r && va < r->end ? (const struct vm_area *)r : NULL;
}

/* vmalloc's part: who took these addresses. */
static void tell_vmalloc(const struct mmu_os *os, mmu_va va, bool mapped, char *buf, size_t size)
{
    const struct vm_area *busy = area_of(&os->vmaps->busy, va), *lazy = area_of(&os->vmaps->lazy, va);
    if (!busy) {
        snprintf(
            buf, size, "%s",
            lazy ? "the area was freed and its entries cleared; the addresses come back when all TLBs have "
                   "been flushed"
                 : "nobody has taken these addresses");
    } else if (va >= vm_area_guard(busy)) {
        snprintf(buf, size, "it is the guard page behind the area at 0x%" PRIx64 ", which catches overruns",
                 busy->range.start);
    } else if (busy->io) {
        snprintf(buf, size, "ioremap() wrote the entry at the call; behind it is a device, no RAM");
    } else {
        snprintf(buf, size, "vmalloc() took the frame and wrote the entry, both at the call%s",
                 mapped ? "" : "; this page directory lacks it yet, the first access copies it");
    }
}

/* Whence the entry, or why none; a clause. */
static void tell_entry(const struct mmu_os *os, const struct mmu_os_region *region, mmu_va va, bool mapped,
                       char *buf, size_t size)
{
    static const struct {
        const char *region, *mapped, *unmapped;
    } TEXT[] = {
        {"direct map", "the entry stands since the boot, whether the frame is allocated or not",
         "it lies behind the end of RAM, or was taken out by set_memory_np()"},
        {"PKMAP", "kmap() wrote the entry, and it stays until the slots have been used up once",
         "no page is kmapped in this slot"},
        {"fixmap", "the entry of a fixed index", "nobody has set this fixed index"},
        {"user", "", "user space ends one page before the hole of the non-canonical addresses"},
        {"gap", "", "it is a gap that catches overruns"},
        {"hole", "", "nothing ever lies here"},
        {"guard", "", "nothing ever lies here"},
    };
    const struct layout *l = &os->plan->layout;
    if (va >= l->vmalloc_start && va - l->vmalloc_start < l->vmalloc_end - l->vmalloc_start) {
        tell_vmalloc(os, va, mapped, buf, size);
        return;
    }
    snprintf(buf, size, "%s", mapped ? "the entry stands since the boot" : "this kernel maps nothing here");
    for (size_t i = 0; i < COUNT_OF(TEXT); i++)
        if (!strcmp(TEXT[i].region, region->name) && *(mapped ? TEXT[i].mapped : TEXT[i].unmapped))
            snprintf(buf, size, "%s", mapped ? TEXT[i].mapped : TEXT[i].unmapped);
}

void why_kernel(struct mmu_os *os, const struct mmu_os_pgd *pgd, mmu_va va, struct mmu_os_why *why)
{
    struct mmu_os_lookup found;
    const struct mmu_os_region *part, *region = find_region(&os->plan->layout, va, &part);
    char entry[160];
    why->mapped = mmu_os_lookup(os, pgd, false, va, &found) == MMU_OS_DONE && found.mapped;
    why->pa = why->mapped ? found.pa : 0;
    tell_entry(os, region, va, why->mapped, entry, sizeof entry);
    const char *inside = part ? ", " : "", *name = part ? part->name : "";
    if (!why->mapped) {
        why_say(why, MMU_WHY_KERNEL,
                "The kernel's part (%s%s%s), not mapped: %s. The kernel's own access would be an oops; a "
                "user's is "
                "SIGSEGV.",
                region->name, inside, name, entry);
        return;
    }
    const bool big = found.page_shift >= 20, huge = found.page_shift >= 30;
    why_say(why, MMU_WHY_KERNEL,
            "The kernel's part (%s%s%s), mapped to frame 0x%" PRIx64 " (%s) by a page of %u %s: %s. A user's "
            "access is SIGSEGV all the same.",
            region->name, inside, name, found.pa >> PAGE_SHIFT, use_text(os, found.pa >> PAGE_SHIFT),
            1u << (found.page_shift - (huge  ? 30
                                       : big ? 20
                                             : 10)),
            huge  ? "GiB"
            : big ? "MiB"
                  : "KiB",
            entry);
}
