/*
 * user.h: single pages of the user part: set_pte_at() and what it needs.
 *
 * Models pte_alloc_one(), pte_offset_map() and set_pgd() of arch/x86 (HIGHPTE: i386's PTE tables lie in
 * highmem and are reached through kmap_local; KPTI: both halves, the kernel's not executable).
 */
#ifndef OS_USER_H
#define OS_USER_H

#include "os.h"

/* A table while it is read or written: kmapped if it lies in highmem (pte_offset_map(), pte_unmap()). */
struct user_table {
    mmu_va mapped; /* 0: it needs no mapping */
};
struct user_table user_table_map(struct mmu_os *os, mmu_pfn pfn);
void user_table_unmap(struct mmu_os *os, const struct user_table *t);

/* A frame is mapped once less; the last time it is the kernel's again. */
void user_page_unmapped(struct mmu_os *os, mmu_pfn pfn);

#endif
