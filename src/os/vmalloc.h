/*
 * vmalloc.h: the areas between VMALLOC_START and VMALLOC_END: vmalloc's and ioremap's.
 *
 * Models mm/vmalloc.c of Linux 6.1. An area's entries stand in init_mm's tables from the call that makes it
 * to the call that frees it; only its addresses live longer: they are lazy until a purge has flushed every
 * TLB, and are not handed out before. Each area ends with a guard page that is never mapped.
 *
 * Left out: what the kernel itself allocates to describe an area (struct vm_struct, vmap_area, the array of
 * pages); huge vmalloc mappings (vmalloc_huge()); per-CPU vmap blocks (vm_map_ram()).
 */
#ifndef OS_VMALLOC_H
#define OS_VMALLOC_H

#include "os.h"
#include "ranges.h"

struct vm_area {
    struct range range; /* guard page inside */
    bool io;
    uint32_t cache; /* io: enum mmu_os_cache */
    mmu_pa pa;      /* io: of the first page */
    uint64_t pages; /* vmalloc: frames; 0 for io */
    mmu_pfn frame[];
};

/* Invariants: free, busy and lazy are disjoint and cover [start, end) together; lazy_pages is the sum of the
 * lazy areas' sizes; pages that of the busy ones' frames. */
struct vmaps {
    mmu_va start, end;
    struct ranges free, busy, lazy;
    uint64_t lazy_pages, lazy_max; /* with guard pages; a purge comes when lazy_pages passes lazy_max */
    uint64_t pages;                /* frames held */
};

int vmaps_init(struct mmu_os *os);
void vmaps_destroy(struct mmu_os *os);
void vmaps_check(const struct mmu_os *os);

/* For ioremap.c. Takes size bytes (whole pages; the guard page is added) at a multiple of align. 0 with *out
 * set, MMU_OS_NO_SPACE reported as call's, or a negative status. */
int vm_area_take(struct mmu_os *os, const char *call, uint64_t size, uint64_t align, uint64_t frames,
                 struct vm_area **out);
/* Gives an area back whose entries are cleared: its addresses become lazy. Frees what describes it later. */
void vm_area_give(struct mmu_os *os, struct vm_area *area);
/* The busy area that begins at va, NULL: none. */
struct vm_area *vm_area_at(const struct mmu_os *os, mmu_va va);
/* First address behind the mapped pages: where the guard page begins. */
static inline mmu_va vm_area_guard(const struct vm_area *area)
{
    return area->range.end - PAGE_SIZE;
}

#endif
