/*
 * user.h: single pages of the user part: set_pte_at() and what it needs.
 *
 * Models pte_alloc_one(), pte_offset_map() and set_pgd() of arch/x86 (HIGHPTE: i386's PTE tables lie in
 * highmem and are reached through kmap_local; KPTI: both halves, the kernel's not executable).
 */
#ifndef OS_USER_H
#define OS_USER_H

#include "os.h"

struct mmu_os_pgd;

/* A table while it is read or written: kmapped if it lies in highmem (pte_offset_map(), pte_unmap()). */
struct user_table {
    mmu_va mapped; /* 0: it needs no mapping */
};
struct user_table user_table_map(struct mmu_os *os, mmu_pfn pfn);
void user_table_unmap(struct mmu_os *os, const struct user_table *t);

/* The PTE table for va, with the tables on its way: 0 with *table set, or as kspace_new_table(). */
int user_make_tables(struct mmu_os *os, struct mmu_os_pgd *pgd, mmu_va va, mmu_pa *table);
/* ... if it exists; else 0. *behind (behind may be NULL): the end of what the lowest entry on the way spans,
 * of the hole if that one is missing. */
mmu_pa user_find_table(const struct mmu_os *os, const struct mmu_os_pgd *pgd, mmu_va va, mmu_va *behind);
/* free_pgtables(): gives back the tables that span nothing but [floor, ceiling), whose entries are empty.
 * True: there were such. */
bool user_free_tables(struct mmu_os *os, struct mmu_os_pgd *pgd, mmu_va floor, mmu_va ceiling);

/* A frame is mapped once less; the last time it is the kernel's again. */
void user_page_unmapped(struct mmu_os *os, mmu_pfn pfn);

#endif
