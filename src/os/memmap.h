/*
 * memmap.h: physical memory: which frames are RAM, and what stands in them before the first allocation.
 *
 * Models arch/x86/kernel/e820.c (e820__memblock_setup, trim_bios_range, e820_end_pfn) and memblock's top-down
 * placement. Leaves out everything that a boot gives back (initrd, init sections) and NUMA.
 */
#ifndef OS_MEMMAP_H
#define OS_MEMMAP_H

#include "bits.h"
#include <mmusim/os.h>

struct zones;

enum {
    MEMMAP_RAM = MMU_MAX_E820 + 2, /* the BIOS area may cut one range in two */
    MEMMAP_RANGES = 640            /* RAM cut by zones, reserved areas and the kernel's own */
};

/* [start, end) in frames. */
struct memmap_ram {
    mmu_pfn start, end;
};

struct memmap {
    struct memmap_ram ram[MEMMAP_RAM]; /* usable, sorted, no two touch, all below limit */
    uint32_t rams;
    mmu_pfn limit;    /* first frame that this kernel on this processor cannot reach */
    mmu_pfn max_pfn;  /* end of the last RAM */
    uint64_t ignored; /* RAM at or above limit, in pages */
    mmu_pfn ignored_start, ignored_end;
    struct mmu_os_memory range[MEMMAP_RANGES]; /* sorted; every frame of ram[] and of the ignored once */
    uint32_t ranges;
    mmu_pfn mem_map; /* first frame of the page descriptors (i386: all follow) */
    uint64_t mem_map_pages;
    mmu_pfn tables; /* the page tables made at boot: frames [tables, tables + table_count) */
    uint64_t table_count;
};

/* RAM pages in [start, end). */
uint64_t memmap_present(const struct memmap *m, mmu_pfn start, mmu_pfn end);
/* Is this frame RAM that the kernel knows? */
bool memmap_is_ram(const struct memmap *m, mmu_pfn pfn);
/* The range that holds a frame, NULL for a hole. */
const struct mmu_os_memory *memmap_find(const struct memmap *m, mmu_pfn pfn);

#endif
