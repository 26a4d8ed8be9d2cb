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

enum {
    MEMMAP_RAM = MMU_MAX_E820 + 4, /* cuts: the BIOS area, the limit, highmem= */
    MEMMAP_RANGES = 640            /* RAM cut by zones, reserved areas and the kernel's own */
};

/* [start, end) in frames. */
struct memmap_ram {
    mmu_pfn start, end;
};

struct memmap {
    struct memmap_ram ram[MEMMAP_RAM]; /* sorted, no two touch; first those below limit, then the ignored */
    uint32_t rams, all;                /* rams are used, all - rams ignored */
    mmu_pfn limit;                     /* first frame that this kernel cannot use */
    mmu_pfn max_pfn;                   /* end of the last RAM that is used, or of highmem= */
    uint64_t ignored;                  /* RAM at or above limit, in pages */
    /* Sorted; every frame of ram[] once, cut where the zone changes. FREE is what the buddy allocator gets.
     */
    struct mmu_os_memory range[MEMMAP_RANGES];
    uint32_t ranges;
    uint64_t mem_map_pages; /* frames of the page descriptors: kind MEM_MAP */
    mmu_pfn mem_map;        /* i386: the first; they are consecutive */
    mmu_pfn tables;         /* the page tables made at boot: [tables, tables + table_count) */
    uint64_t table_count;
};

/* The firmware's map in order of addresses: the config's, or QEMU's for its size of RAM. Returns the number.
 */
uint32_t memmap_firmware(const struct mmu_os_config *os, struct mmu_e820_range to[MMU_MAX_E820]);
/* From the config: ram[], limit, max_pfn, ignored. */
int memmap_ram(struct memmap *m, const struct mmu_config *config, struct mmu_error *err);
/* Nothing at or above pfn is used. */
void memmap_cut(struct memmap *m, mmu_pfn pfn);
/* Gives the free part of [start, end) another kind; returns the pages that changed. */
uint64_t memmap_carve(struct memmap *m, mmu_pfn start, mmu_pfn end, enum mmu_os_memory_kind kind);
void memmap_check(const struct memmap *m);

/* RAM pages in [start, end). */
uint64_t memmap_present(const struct memmap *m, mmu_pfn start, mmu_pfn end);
/* Is this frame RAM that the kernel knows? */
bool memmap_is_ram(const struct memmap *m, mmu_pfn pfn);
/* The range that holds a frame, NULL for a hole. */
const struct mmu_os_memory *memmap_find(const struct memmap *m, mmu_pfn pfn);

#endif
