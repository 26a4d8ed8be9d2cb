/*
 * sim/footprint.h: which pages a trace touches. Memory grows with the pages touched, not with the trace's
 * length.
 */
#ifndef SIM_FOOTPRINT_H
#define SIM_FOOTPRINT_H

#include <mmusim/executions.h>

/* The page sizes that are counted: 4 KiB, 2 MiB, 1 GiB. */
enum { FOOTPRINT_SIZES = 3, FOOTPRINT_RECENT = 256 };
extern const unsigned footprint_shifts[FOOTPRINT_SIZES];

/* A page, and by what it was touched. */
struct footprint_page {
    uint64_t number; /* of the 4-KiB page; bits 63:52 are the address space */
    uint8_t touched; /* bit k: by enum mmu_kind k; 0: a free place */
};

/* A hash table, 2^bits places, at most half full. Zero-initialise; footprint_free(). */
struct footprint {
    struct footprint_page *page;
    unsigned bits;
    size_t used;
    mmu_va lowest, highest; /* first byte and last byte touched, when used > 0 */
    uint64_t recent[MMU_KINDS]
                   [FOOTPRINT_RECENT]; /* the last pages of a kind: a number plus 1, at its last bits */
};

/* Distinct pages: touched by code (fetches), by data (loads, stores), by any. */
struct footprint_count {
    uint64_t code, data, all;
};

/* All return false when the host is out of memory. space: number of the address space, of which 4096 are
 * told apart: the same page of two spaces is two pages. */
bool footprint_add(struct footprint *f, uint64_t space, const struct mmu_access *a, size_t n);
/* The user's references of a stretch. What a piece fetches is looked at once. */
bool footprint_add_executions(struct footprint *f, uint64_t space, const struct mmu_executions *x);
bool footprint_count(const struct footprint *f, struct footprint_count counts[FOOTPRINT_SIZES]);
void footprint_free(struct footprint *f);

#endif
