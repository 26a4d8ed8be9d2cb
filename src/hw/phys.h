/*
 * phys.h: simulated physical memory: real bytes, sparse over the whole 52-bit space.
 *
 * A RAM map says which addresses answer. Host memory is spent on pages that were written; an untouched page
 * reads as zeros. A hash over the page frame number finds the host page: frames that are touched lie far
 * apart (a page table stands between the 512 pages that it maps), so that a radix would spend a host page on
 * each. Pages come from arenas that grow, so that their host translations are few. Left out: memory types,
 * read-only memory, devices.
 */
#ifndef HW_PHYS_H
#define HW_PHYS_H

#include "bits.h"
#include "x86.h"
#include <mmusim/machine.h>

/* One touched frame. */
struct phys_slot {
    uint64_t name; /* pfn + 1; 0: an empty slot */
    uint8_t *page;
};

struct phys_range {
    mmu_pa start, end; /* [start, end), multiples of 4096 */
};

struct phys_chunk {
    uint8_t *host;
    size_t pages;
    mmu_pfn *pfn; /* of each page handed out */
};

/*
 * Invariants: ranges are sorted, disjoint and below 2^bits; the hash holds `touched` frames, at most 5/8 of
 * its slots; each of them is named by pfn[] of exactly one chunk, where its page lies.
 */
struct phys {
    unsigned bits; /* MAXPHYADDR */
    struct phys_slot
        *slot; /* [1 << slot_bits]: a frame stands in the first empty slot at or behind its own */
    unsigned slot_bits;
    struct phys_range *range;
    size_t ranges;
    struct phys_chunk *chunk;
    size_t chunks, used_chunks; /* chunks[0 .. used_chunks-1] hold pages; the last of them up to `used` */
    size_t used;
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

/* A frame's own slot. Consecutive frames, and those at any fixed distance, spread evenly (Fibonacci). */
static inline size_t phys_home(const struct phys *p, mmu_pfn pfn)
{
    return (size_t)(pfn * UINT64_C(0x9e3779b97f4a7c15) >> (64 - p->slot_bits));
}

/* The host page of a touched frame, or NULL. */
static inline uint8_t *phys_page(const struct phys *p, mmu_pfn pfn)
{
    size_t i = phys_home(p, pfn);
    while (p->slot[i].name != pfn + 1) {
        if (!p->slot[i].name)
            return NULL;
        i = (i + 1) & (((size_t)1 << p->slot_bits) - 1);
    }
    return p->slot[i].page;
}

/* Asks the host to bring what phys_page() will look at. */
static inline void phys_prefetch(const struct phys *p, mmu_pfn pfn)
{
    __builtin_prefetch(&p->slot[phys_home(p, pfn)]);
}

/* The host page, made when it does not exist; NULL when the host is out of memory. The frame must be RAM. */
uint8_t *phys_touch(struct phys *p, mmu_pfn pfn);

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
