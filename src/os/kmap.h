/*
 * kmap.h: addresses for highmem pages: PKMAP's slots, and each CPU's slots in the fixmap.
 *
 * Models mm/highmem.c of Linux 6.1. Without a highmem zone both give page_address(). Left out: tasks; a CPU's
 * local slots are one stack, as if one task ran on it.
 */
#ifndef OS_KMAP_H
#define OS_KMAP_H

#include "os.h"

struct kmaps_slot {
    mmu_pfn pfn;
    uint32_t count; /* 0 free; 1 mapped, nobody uses it; n: n - 1 users (pkmap_count[]) */
};

/*
 * Invariants: slot s with count 0 has an empty entry, any other maps its pfn; no page has two slots; index
 * finds exactly the pages that have one. A CPU's first `depth` local slots are mapped, the others' entries
 * empty.
 */
struct kmaps {
    uint32_t slots, last; /* last: slot handed out last (last_pkmap_nr) */
    struct kmaps_slot *slot;
    uint16_t *index;     /* hash of slots by page: 1 + slot, 0 empty; open addressing */
    uint32_t index_mask; /* of the hash: at least 4 places a slot */
    struct kmaps_cpu {
        uint32_t depth;
        mmu_pfn pfn[16]; /* KM_MAX_IDX */
        mmu_pa at[16];   /* of a slot's entry, once it has been used; the fixmap's tables stay */
    } * cpu;
};

int kmaps_init(struct mmu_os *os);
void kmaps_destroy(struct mmu_os *os);
void kmaps_check(const struct mmu_os *os);

/* page_address() of a highmem page: its PKMAP slot's address, also of one that nobody uses any more; 0: none.
 */
mmu_va kmap_address(const struct mmu_os *os, mmu_pfn pfn);
/* kmap_local_page() of an allocated page that is known to lie in highmem; 0: this CPU has no slot left. */
mmu_va kmap_local_high(struct mmu_os *os, mmu_pfn pfn);
/* Users of the page's slots, here and on all CPUs: it must not be freed while there are any. */
uint64_t kmap_users(const struct mmu_os *os, mmu_pfn pfn);

#endif
