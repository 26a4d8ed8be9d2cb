/*
 * pte.h: entries of the user part's PTE tables: one at a time, or a table's worth.
 *
 * Models pte_alloc(), pte_offset_map(), pte_unmap() and the bits of arch/x86/include/asm/pgtable_types.h. A
 * table in highmem is kmapped while it is open (HIGHPTE). An entry that is not 0 is present for the kernel;
 * one without P maps a page under PROT_NONE (bit 8), whose frame stands inverted where entries have 8 bytes
 * (pgtable-invert.h).
 */
#ifndef OS_PTE_H
#define OS_PTE_H

#include "kspace.h"
#include "mm.h"
#include "user.h"

#define PTE_PROTNONE   BIT(8)
#define PTE_SPECIAL    BIT(9)  /* no page descriptor behind it: the zero page, [vvar] */
#define PTE_SOFT_DIRTY BIT(11) /* amd64 only */
#define PTE_KEY_ONE    BIT(59) /* protection key 1, the first that is given away */

/* The bits of a page in a VMA before anything is written to it (vma->vm_page_prot). */
uint64_t pte_prot(const struct mmu_os *os, const struct vma *vma);
/* What a written page has beside (pte_mkdirty(), pte_mkwrite()). */
static inline uint64_t pte_dirty_bits(const struct mmu_os *os)
{
    return PTE_D | PTE_A | (os->kspace->traits.form->levels >= 4 ? PTE_SOFT_DIRTY : 0);
}
uint64_t pte_make(const struct mmu_os *os, mmu_pfn pfn, uint64_t bits);
mmu_pfn pte_pfn(const struct mmu_os *os, uint64_t entry);
/* pte_modify(): other rights for the same page. */
uint64_t pte_modify(const struct mmu_os *os, uint64_t entry, uint64_t prot);
/* The frame of zeros (empty_zero_page): in the kernel's image. */
mmu_pfn pte_zero_pfn(const struct mmu_os *os);

/* ----- one entry ----- */

struct pte_slot {
    mmu_pa table; /* 0: there is none */
    mmu_pa at;
    struct user_table high;
};
/* Opens the entry for va. make: with the tables on its way: 0, MMU_OS_EXHAUSTED, a negative status. */
int pte_open(struct mmu_os *os, struct mmu_os_pgd *pgd, mmu_va va, bool make, struct pte_slot *slot);
void pte_close(struct mmu_os *os, struct pte_slot *slot);
/* The entry, 0 when there is none; for those who only look. */
uint64_t pte_look(const struct mmu_os *os, const struct mmu_os_pgd *pgd, mmu_va va, mmu_pa *at);

/* ----- a table's worth ----- */

struct pte_block {
    mmu_va va, end; /* what it holds: [va, end); without a table, the hole */
    unsigned n;
    mmu_pa at; /* of the first entry */
    struct user_table high;
    uint64_t entry[1024];
};
/* Opens the entries for [va, end), as far as one table goes. False: no table, block->end is behind the hole.
 */
bool pte_block_open(struct mmu_os *os, const struct mmu_os_pgd *pgd, mmu_va va, mmu_va end,
                    struct pte_block *block);
/* Writes all of them back if they were changed. */
void pte_block_close(struct mmu_os *os, struct pte_block *block, bool changed);

/* ----- what is to be flushed ----- */

struct pte_gather {
    mmu_va start, end; /* start >= end: nothing */
};
static inline void pte_gather_add(struct pte_gather *g, mmu_va va)
{
    bool empty = g->start >= g->end;
    g->start = empty || va < g->start ? va : g->start;
    g->end = empty || va + PAGE_SIZE > g->end ? va + PAGE_SIZE : g->end;
}
void pte_gather_flush(struct mmu_os *os, struct mmu_os_pgd *pgd, const struct pte_gather *g);

#endif
