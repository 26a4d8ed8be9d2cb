/*
 * pgd.h: page directories: what every process shares, and who has which loaded.
 *
 * Models pgd_alloc() and pgd_free() of arch/x86/mm/pgtable.c, pti.c's two roots, switch_mm_irqs_off() of
 * arch/x86/mm/tlb.c, arch_sync_kernel_mappings() and vmalloc_fault() of arch/x86/mm/fault.c. Left out: LDTs,
 * lazy TLB mode (a CPU always has the page directory that it was switched to).
 */
#ifndef OS_PGD_H
#define OS_PGD_H

#include "tables.h"

/* A page directory, and of its mm_struct what translation needs. */
struct mmu_os_pgd {
    struct mmu_os *os;
    struct mmu_os_pgd *next, **link; /* pgd_list; init_mm's is not on it */
    mmu_pa root;                     /* the kernel half's */
    mmu_pa user_root;                /* with KPTI the user half's; else = root */
    mmu_va object;                   /* PAE: kmalloc's address of the 32 bytes; 0: the roots are pages */
    uint64_t ctx_id;                 /* never reused; init_mm's 1 */
    uint64_t tlb_gen;                /* counts flushes */
    uint64_t cpus;                   /* mm_cpumask: bit c: CPU c has it loaded */
    uint64_t mapped;                 /* entries of the user part that are not empty */
    uint64_t tables;                 /* page-table pages that the process is charged for: no roots, no P4Ds
                                        (mm_pgtables_bytes()) */
};

/* Where this page directory's own copy of the kernel entry for va lies (kspace.h: copied). */
mmu_pa pgd_copy_at(const struct mmu_os *os, const struct mmu_os_pgd *pgd, mmu_va va);
/* Frees every page directory, of which none is needed any more; no frames are given back. */
void pgd_forget_all(struct mmu_os *os);

#endif
