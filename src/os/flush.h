/*
 * flush.h: TLB flushes on this CPU and on the others.
 *
 * Models arch/x86/mm/tlb.c of Linux 6.1: INVLPG up to a ceiling, else everything; INVPCID or a toggle of
 * CR4.PGE where the CPU has them; with KPTI the user half's PCID. Each instruction runs through the port of
 * the core that executes it and is charged there. A CPU that has the user half loaded enters the kernel for
 * it (CR3) and returns, as an IPI makes it. Left out: the IPI's own cost.
 */
#ifndef OS_FLUSH_H
#define OS_FLUSH_H

#include "os.h"

struct mmu_os_pgd;

enum { FLUSH_CEILING = 33 }; /* tlb_single_page_flush_ceiling */

/* flush_tlb_kernel_range(): [start, end) on all CPUs, page by page up to the ceiling, else everything. */
void flush_kernel_range(struct mmu_os *os, mmu_va start, mmu_va end);
/* flush_tlb_all(): everything on all CPUs, global entries included. */
void flush_all(struct mmu_os *os);
/* flush_tlb_one_kernel() on this CPU only: kunmap_local(), set_fixmap(). */
void flush_local_page(struct mmu_os *os, mmu_va va);
/* __flush_tlb_all() on this CPU. */
void flush_local_all(struct mmu_os *os);

/* flush_tlb_mm_range(): [start, end) of a process, strides of 2^shift bytes, on the CPUs that have it loaded;
 * the others find out from tlb_gen at their next switch. */
void flush_mm_range(struct mmu_os *os, struct mmu_os_pgd *pgd, mmu_va start, mmu_va end, unsigned shift);

#endif
