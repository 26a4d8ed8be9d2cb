/*
 * alloc.h: allocation and free of pages for the kernel's own use.
 *
 * Models __alloc_pages() and __free_pages() of mm/page_alloc.c, Linux 6.1: zonelist, watermarks, the two
 * passes, per-CPU lists. Without reclaim: where it would begin, the allocation ends (after the high-order
 * atomic reserve was given up, as the kernel does before it kills).
 */
#ifndef OS_ALLOC_H
#define OS_ALLOC_H

#include "buddy.h"

/*
 * Takes 2^order pages; use KERNEL, reference count 1, content zeros. 0 with *pfn set, MMU_OS_EXHAUSTED,
 * MMU_OS_REFUSED, MMU_ERR_NOMEM. The report names `call`: os_outcome() is called here.
 */
int alloc_pages_as(struct mmu_os *os, const char *call, uint32_t gfp, unsigned order, mmu_pfn *pfn);
static inline int alloc_pages(struct mmu_os *os, uint32_t gfp, unsigned order, mmu_pfn *pfn)
{
    return alloc_pages_as(os, "alloc_pages", gfp, order, pfn);
}
/* Gives back what alloc_pages() gave, whatever its use and reference count: the caller owns it (REQUIRE that
 * it is an allocated block of this order). Its bytes are dropped. */
void free_pages(struct mmu_os *os, mmu_pfn pfn, unsigned order);
/* Says what an allocated block is used for; strangers cannot free pages of use SLAB, TABLE, VMALLOC, USER. */
void alloc_set_use(struct mmu_os *os, mmu_pfn pfn, enum mmu_page_use use);

/* Is a page of the block kmapped? Its slot would name a free frame. */
bool alloc_is_kmapped(const struct mmu_os *os, mmu_pfn pfn, unsigned order);
/* Drops a caller's reference after every check that mmu_os_free_pages() promises. */
int alloc_free_as(struct mmu_os *os, const char *call, mmu_pfn pfn, unsigned order);
/* Frees a block that nobody refers to any more (free_unref_page(), __free_pages_ok()): id of its head. */
void alloc_release(struct mmu_os *os, uint32_t id, unsigned order);

#endif
