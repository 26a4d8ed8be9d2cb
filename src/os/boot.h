/*
 * boot.h: the first page tables, written in one pass over the address space.
 *
 * What is to be mapped comes as runs in ascending order. A table is open while runs fall into it, then
 * written whole: nothing is read back, and 1 TiB takes a thousand writes. The same pass without a machine
 * only counts the frames.
 */
#ifndef OS_BOOT_H
#define OS_BOOT_H

#include "kspace.h"

/* Pages of one size: entries of `level`, [va, va + size), from pa, with a PTE's attribute bits. */
struct boot_run {
    mmu_va va;
    uint64_t size;
    mmu_pa pa;
    uint64_t bits;
    unsigned level;
};

struct boot {
    struct mmu_os *os; /* NULL: counts */
    const struct plan *plan;
    struct kspace_traits traits;
    mmu_pfn root, user_root; /* frames; with KPTI user_root = root + 1, root even */
    mmu_pfn next;            /* frame handed out next */
    uint64_t frames;         /* handed out, roots included */
    mmu_pfn top;             /* of the tree being written */
    struct boot_table {
        bool open;
        uint64_t number; /* of the table among all of its level: va >> shift of the level above */
        mmu_pfn pfn;
        uint8_t entry[PAGE_SIZE];
    } table[PGTABLE_LEVELS + 1];
    mmu_va behind; /* end of the last run - 1 */
    int status;
};

/* Prepares for the frames from first on; os: writes, and counts uses in os->kspace->tables. */
void boot_begin(struct boot *b, struct mmu_os *os, const struct plan *plan, const struct mmu_config *config,
                mmu_pfn first);
/* A frame for a table or a page. */
mmu_pfn boot_frame(struct boot *b);
/* Begins the tree under a root; boot_close() writes what is open of it. */
void boot_open_root(struct boot *b, mmu_pfn root);
void boot_close(struct boot *b);
/* Maps a run of pages of one size. */
void boot_run(struct boot *b, const struct boot_run *run);
/* Maps a range with the largest pages that its alignment and `large` (levels) allow. */
void boot_span(struct boot *b, mmu_va va, mmu_pa pa, uint64_t size, uint64_t bits, uint32_t large);
/* Makes the tables of a level for a range, empty. */
void boot_reserve(struct boot *b, unsigned level, mmu_va va, mmu_va last);
/* Writes one whole entry. */
void boot_entry(struct boot *b, unsigned level, mmu_va va, uint64_t entry);

/* Everything that the kernel maps at boot, in ascending order (boot_regions.c): swapper_pg_dir; with KPTI the
 * user half's tree, for which the first must have been written. */
void boot_kernel(struct boot *b, const struct mmu_config *config);
void boot_user(struct boot *b, const struct mmu_config *config);

#endif
