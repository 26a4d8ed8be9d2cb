/*
 * kspace.h: the kernel's own address space: swapper_pg_dir, built at boot in simulated memory, and its
 * changes.
 *
 * Models arch/x86/mm/init.c, init_32.c, init_64.c, pti.c and the kernel half of pgtable.c of Linux 6.1.
 */
#ifndef OS_KSPACE_H
#define OS_KSPACE_H

#include "pgtable.h"

/*
 * How many frames the page tables of the boot take (kind MMU_MEMORY_PAGETABLE): pure, from the plan's RAM,
 * zones and layout. The plan reserves them.
 */
uint64_t kspace_boot_tables(const struct plan *plan, const struct mmu_config *config);

/* Builds swapper_pg_dir and loads every core's control registers: paging is on afterwards. Sets os->kspace.
 * MMU_OK, MMU_ERR_NOMEM; MMU_ERR_INVALID with err filled when the CPU lacks what the architecture needs. */
int kspace_create(struct mmu_os *os, struct mmu_error *err);
void kspace_free(struct mmu_os *os);
void kspace_check(const struct mmu_os *os);
/* Page-table pages that exist now, boot's included; host bytes of this part. */
uint64_t kspace_tables(const struct mmu_os *os);
uint64_t kspace_host_bytes(const struct mmu_os *os);

/* What a mapping may have beside P, A, D and (by the CPU and KPTI) G. */
enum { PROT_WRITE = 1, PROT_EXEC = 2, PROT_USER = 4 };
/* The bits of a 4-KByte kernel entry as PAGE_KERNEL and its like set them on this CPU: G with PGE and without
 * KPTI, NX where entries have it and PROT_EXEC is not asked for, cache bits through the PAT. */
uint64_t prot_kernel(const struct mmu_os *os, enum mmu_os_cache cache, unsigned rights);
/* ... of a user page (PAGE_READONLY, PAGE_SHARED, and _EXEC). */
uint64_t prot_user(const struct mmu_os *os, unsigned rights);
/* The cache bits alone (cachemode2protval()), as a PTE has them. */
uint64_t prot_cache(const struct mmu_os *os, enum mmu_os_cache cache);

/*
 * Writes init_mm's entry for the page of 2^shift bytes at va, making the tables on its way, and brings new
 * top-level entries to the other page directories as vmalloc_sync says. bits: as prot_kernel() gives them.
 * No flush: an entry that was not present is cached nowhere. The entry must be empty (REQUIRE).
 * 0, MMU_OS_EXHAUSTED (no frame for a table: os_outcome() is the caller's, whose name it bears), or a
 * negative status.
 */
int kernel_map(struct mmu_os *os, mmu_va va, mmu_pa pa, unsigned shift, uint64_t bits);
/* Clears the entry that maps va: its old value, 0 when there was none. Tables stay. The flush is the
 * caller's (flush.h). */
uint64_t kernel_unmap(struct mmu_os *os, mmu_va va);
/* Writes the PTE at va whatever it was before: for kmap slots and the fixmap, whose tables exist since boot.
 */
void kernel_set_pte(struct mmu_os *os, mmu_va va, uint64_t entry);
/* What init_mm's tables say; true when a page is mapped there. */
bool kernel_lookup(const struct mmu_os *os, mmu_va va, struct mmu_os_lookup *to);

#endif
