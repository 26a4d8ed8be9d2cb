/*
 * pgd.h: page directories: what every process shares, and who has which loaded.
 *
 * Models pgd_alloc() and pgd_free() of arch/x86/mm/pgtable.c, switch_mm_irqs_off() of arch/x86/mm/tlb.c,
 * vmalloc_fault() and arch_sync_kernel_mappings() of arch/x86/mm/fault.c.
 */
#ifndef OS_PGD_H
#define OS_PGD_H

#include "pgtable.h"

/* A page directory, and of its mm_struct what translation needs. */
struct mmu_os_pgd {
    struct mmu_os *os;
    struct mmu_os_pgd *next, **link; /* pgd_list; swapper is not on it */
    mmu_pa root;                     /* the kernel half's */
    mmu_pa user_root;                /* with KPTI the user half's; else = root */
    uint64_t ctx_id;                 /* never reused; swapper 1 */
    uint64_t tlb_gen;                /* counts flushes */
    uint64_t cpus;                   /* mm_cpumask: bit c: CPU c has it loaded */
    uint64_t mapped;                 /* user pages mapped */
};

#endif
