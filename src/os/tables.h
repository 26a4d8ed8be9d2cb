/*
 * tables.h: the pages that hold page tables, and how often each is reached.
 *
 * A page table's use count is the number of entries that point at it, over all tables that exist; a page
 * directory's own page has one for being a root. A table of the boot lies in a reserved frame, any other was
 * allocated and bears the use MMU_PAGE_TABLE. PAE's 32-byte page directories are no pages: kmalloc's.
 */
#ifndef OS_TABLES_H
#define OS_TABLES_H

#include "pgtable.h"

struct table {
    mmu_pfn pfn;
    uint32_t uses;
    uint8_t level; /* of its entries; 0: this place of the hash is empty */
    bool boot;
};

/* A hash by frame, open addressing. Invariant: every table is found from its home place without a gap. */
struct tables {
    struct table *place;
    uint64_t places, count; /* places: a power of two, or 0 */
};

void tables_destroy(struct tables *t);
/* Makes room for n more. MMU_OK or MMU_ERR_NOMEM. */
int tables_reserve(struct tables *t, uint64_t n);
/* Adds a table with no uses; room was reserved; it must be new. */
void tables_add(struct tables *t, mmu_pfn pfn, unsigned level, bool boot);
void tables_remove(struct tables *t, mmu_pfn pfn);
struct table *tables_find(const struct tables *t, mmu_pfn pfn);
void tables_check(const struct tables *t);

#endif
