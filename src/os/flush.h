/*
 * flush.h: TLB flushes on this CPU and on the others, and what each CPU knows of its TLB.
 *
 * Models arch/x86/mm/tlb.c of Linux 6.1: INVLPG up to a ceiling, else everything; INVPCID or a toggle of
 * CR4.PGE where the CPU has them; with KPTI the user half's PCID. Each instruction runs through the port of
 * the core that executes it and is charged there. A CPU that has the user half loaded enters the kernel for
 * it (CR3) and returns, as an IPI makes it. An 80386 has no INVLPG: CR3 is reloaded instead. Left out: the
 * IPI's own cost.
 */
#ifndef OS_FLUSH_H
#define OS_FLUSH_H

#include "os.h"

struct mmu_os_pgd;

enum {
    FLUSH_CEILING = 33, /* tlb_single_page_flush_ceiling */
    FLUSH_ASIDS = 6     /* TLB_NR_DYN_ASIDS */
};

/* struct tlb_state of one CPU. A user half's PCID is the kernel half's with bit 11 set. */
struct flush_cpu {
    struct mmu_os_pgd *loaded;
    bool user;     /* the user half is in CR3 */
    uint16_t asid; /* of `loaded`; PCID - 1 */
    uint16_t next_asid;
    bool invalidate_other; /* the other ASIDs saw no flush of kernel pages */
    uint16_t user_stale;   /* bit a: the user PCID of ASID a is to be flushed on the way to user mode */
    struct {
        uint64_t ctx_id, tlb_gen; /* whose entries the ASID tags, and up to which flush; 0: nobody's */
    } ctx[FLUSH_ASIDS];
};

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

/* switch_mm_irqs_off() and the way back to user mode (user) on one CPU. */
void flush_switch(struct mmu_os *os, uint32_t cpu, struct mmu_os_pgd *next, bool user);
/* initialize_tlbstate_and_flush(): a CPU that has just booted on init_mm's page directory. */
void flush_cpu_init(struct mmu_os *os, uint32_t cpu);
/* An interrupt or fault of a CPU: to CPL 0 and, with KPTI, the kernel half; and back to where it came from.
 */
struct flush_origin {
    uint64_t cpl;
    bool user; /* the user half was loaded */
};
struct flush_origin flush_enter(struct mmu_os *os, uint32_t cpu);
void flush_leave(struct mmu_os *os, uint32_t cpu, struct flush_origin to);
/* The value of CR3 for a half of a page directory under an ASID, without the no-flush bit. */
uint64_t flush_cr3(const struct mmu_os *os, const struct mmu_os_pgd *pgd, uint16_t asid, bool user);
/* What SWITCH_TO_USER_CR3 or SWITCH_TO_KERNEL_CR3 would load now, with its no-flush bit. */
uint64_t flush_half_cr3(const struct mmu_os *os, uint32_t cpu, bool user);

#endif
