/*
 * phys.h: simulated physical memory: real bytes, sparse over the whole 52-bit space.
 *
 * A RAM map says which addresses answer. Host memory is spent on pages that were written; an untouched page
 * reads as zeros. A three-level radix over the page frame number finds the host page; pages come from arenas
 * that grow, so that their host translations are few. Left out: memory types, read-only memory, devices.
 */
#ifndef HW_PHYS_H
#define HW_PHYS_H

#include "bits.h"
#include "x86.h"
#include <mmusim/machine.h>

enum { PHYS_LEAF_BITS = 12, PHYS_MID_BITS = 12 };

struct phys_leaf {
    uint8_t *page[1 << PHYS_LEAF_BITS]; /* NULL: untouched */
    uint32_t touched;                   /* of page[] */
};

struct phys_mid {
    struct phys_leaf *leaf[1 << PHYS_MID_BITS];
};

struct phys_range {
    mmu_pa start, end; /* [start, end), multiples of 4096 */
};

struct phys_chunk {
    uint8_t *host;
    size_t pages;
    mmu_pfn *pfn; /* of each page handed out; PHYS_SPARE: discarded since */
};
#define PHYS_SPARE (~(mmu_pfn)0)

/* A host page that a discarded frame left: chunk and page in it. */
struct phys_spare {
    uint32_t chunk, page;
};

/*
 * Invariants: ranges are sorted, disjoint and below 2^bits; every non-NULL page lies in a range and in
 * exactly one chunk, whose pfn[] names it; by_host[] are the chunks in use by ascending address; spare[] are
 * the pages of used chunks that are nobody's, all zero.
 */
struct phys {
    unsigned bits; /* MAXPHYADDR */
    struct phys_mid **top;
    size_t tops;
    struct phys_range *range;
    size_t ranges;
    struct phys_chunk *chunk;
    size_t chunks, used_chunks; /* chunks[0 .. used_chunks-1] hold pages; the last of them up to `used` */
    size_t used;
    uint32_t *by_host;
    struct phys_spare *spare;
    size_t spares, spare_room;
    uint64_t touched;          /* pages */
    struct mmu_memory_ops ops; /* the caller's own memory; read == NULL: ours */
};

/* MMU_OK or MMU_ERR_NOMEM. RAM is everything below 2^bits until phys_set_ram(). */
int phys_init(struct phys *p, unsigned bits);
void phys_destroy(struct phys *p);

/* Replaces the RAM map; n ranges in any order, disjoint. Pages outside it that were touched keep their bytes
 * but answer no more. */
int phys_set_ram(struct phys *p, const struct phys_range *ranges, size_t n);

/* Does RAM answer for all of [pa, pa + size)? */
bool phys_answers(const struct phys *p, mmu_pa pa, uint64_t size);

/* The host page of a touched frame, or NULL. */
static inline uint8_t *phys_page(const struct phys *p, mmu_pfn pfn)
{
    size_t t = (size_t)(pfn >> (PHYS_LEAF_BITS + PHYS_MID_BITS));
    if (UNLIKELY(t >= p->tops) || !p->top[t])
        return NULL;
    const struct phys_leaf *leaf = p->top[t]->leaf[pfn >> PHYS_LEAF_BITS & ((1u << PHYS_MID_BITS) - 1)];
    return leaf ? leaf->page[pfn & ((1u << PHYS_LEAF_BITS) - 1)] : NULL;
}

/* Asks the host to bring what phys_page() will look at. */
static inline void phys_prefetch(const struct phys *p, mmu_pfn pfn)
{
    size_t t = (size_t)(pfn >> (PHYS_LEAF_BITS + PHYS_MID_BITS));
    if (t >= p->tops || !p->top[t])
        return;
    const struct phys_leaf *leaf = p->top[t]->leaf[pfn >> PHYS_LEAF_BITS & ((1u << PHYS_MID_BITS) - 1)];
    if (leaf)
        __builtin_prefetch(&leaf->page[pfn & ((1u << PHYS_LEAF_BITS) - 1)]);
}

/* The host page, made when it does not exist; NULL when the host is out of memory. The frame must be RAM. */
uint8_t *phys_touch(struct phys *p, mmu_pfn pfn);

/* Drops the bytes of n frames: they read as zeros, and their host pages serve others. */
void phys_discard(struct phys *p, mmu_pfn pfn, uint64_t n);

/* As mmu_machine_read() and mmu_machine_write(). */
int phys_read(const struct phys *p, mmu_pa pa, void *to, size_t size);
int phys_write(struct phys *p, mmu_pa pa, const void *from, size_t size);
void phys_clear(struct phys *p);
uint64_t phys_host_bytes(const struct phys *p);

/* The path of phys_load() that is not "our own, touched page". */
bool phys_load_slow(const struct phys *p, mmu_pa pa, unsigned bytes, uint64_t *value);
/* Replaces an entry if it is still `old`; false when it is not (or nothing answers). */
bool phys_exchange(struct phys *p, mmu_pa pa, unsigned bytes, uint64_t old, uint64_t value);

/* Reads an aligned entry of 4 or 8 bytes; false when nothing answers at pa. */
ALWAYS_INLINE bool phys_load(const struct phys *p, mmu_pa pa, unsigned bytes, uint64_t *value)
{
    const uint8_t *page = phys_page(p, pa >> PAGE_SHIFT);
    if (UNLIKELY(!page))
        return phys_load_slow(p, pa, bytes, value);
    const uint8_t *at = page + (pa & PAGE_MASK);
    if (bytes == 8) {
        __builtin_memcpy(value, at, 8);
    } else {
        uint32_t narrow;
        __builtin_memcpy(&narrow, at, 4);
        *value = narrow;
    }
    return true;
}

void phys_check(const struct phys *p);

#endif
