/*
 * layout.h: where the regions of the address space lie.
 *
 * Models arch/x86/include/asm/pgtable_32_areas.h, page_32_types.h, fixmap.h, cpu_entry_area.h,
 * pgtable_64_types.h and arch/x86/mm/init_32.c (find_low_pfn_range), without KASLR.
 */
#ifndef OS_LAYOUT_H
#define OS_LAYOUT_H

#include "bits.h"
#include <mmusim/os.h>

enum { LAYOUT_REGIONS = 32, FIX_KMAP_BEGIN = 68, KM_MAX_IDX = 16 };

/* Regions are [start, end); an absent one is 0, 0. An end of 2^64 is written 0. */
struct layout {
    bool wide;                  /* x86-64 */
    uint32_t levels;            /* of page tables: 2, 3, 4, 5 */
    uint32_t struct_page_bytes; /* sizeof(struct page): 40, 64 */
    mmu_va task_size;           /* first byte behind user space (TASK_SIZE_MAX) */
    mmu_va page_offset;         /* where the direct map begins */
    mmu_va high_memory;         /* where it ends: __va(max_low_pfn << 12) */
    mmu_pfn max_low_pfn;
    mmu_pfn maxmem_pfn; /* i386: what the direct map could hold */
    mmu_va vmalloc_start, vmalloc_end;
    mmu_va modules_start, modules_end; /* i386: the vmalloc area */
    mmu_va pkmap_base;                 /* i386: LAST_PKMAP slots of 4 KiB */
    uint32_t last_pkmap;
    mmu_va fixaddr_top;       /* address of index 0: __fix_to_virt(0) */
    mmu_va fixaddr_start;     /* of the permanent indexes (FIXADDR_START) */
    mmu_va fixaddr_tot_start; /* FIXADDR_TOT_START: below the last index */
    uint32_t fixed_addresses; /* __end_of_fixed_addresses: indexes are below it */
    mmu_va cpu_entry_area, cpu_entry_area_end;
    mmu_va ldt_base, ldt_end;
    mmu_va vmemmap, vmemmap_end; /* x86-64: struct page of frame n at vmemmap + 64 * n; the area reserved */
    mmu_va espfix, espfix_end;
    mmu_va text_base; /* __START_KERNEL_map on x86-64; i386: page_offset (the image lies in the direct map) */
    mmu_va image;     /* where the kernel's image is mapped: text_base + kernel_start */
    uint32_t permanent_addresses; /* __end_of_permanent_fixed_addresses */
    uint32_t regions;
    struct mmu_os_region region[LAYOUT_REGIONS]; /* ascending, covering 0 to the top */
};

#endif
