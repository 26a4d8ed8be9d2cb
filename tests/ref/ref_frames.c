/* ref_frames.c: see ref_frames.h. */
#include "ref_frames.h"
#include "bits.h"
#include "buddy.h"
#include <string.h>

enum { RANGES = 2048 };

static bool bit(const uint8_t *bits, mmu_pfn pfn)
{
    return bits[pfn / 8] >> pfn % 8 & 1;
}

void ref_frames_init(struct ref_frames *f, const struct mmu_os *os)
{
    struct mmu_os_memory *map = malloc(RANGES * sizeof *map);
    REQUIRE(map);
    size_t n = mmu_os_memory_map(os, map, RANGES);
    REQUIRE(n > 0 && n <= RANGES);
    *f = (struct ref_frames){0};
    for (size_t i = 0; i < n; i++)
        if (map[i].kind == MMU_MEMORY_FREE)
            f->end = map[i].end;
    f->free = calloc(f->end / 8 + 1, 1);
    REQUIRE(f->free);
    for (size_t i = 0; i < n; i++)
        for (mmu_pfn pfn = map[i].start; map[i].kind == MMU_MEMORY_FREE && pfn < map[i].end; pfn++)
            ref_frames_give(f, pfn, 0);
    free(map);
}

void ref_frames_destroy(struct ref_frames *f)
{
    free(f->free);
}

bool ref_frames_is_free(const struct ref_frames *f, mmu_pfn pfn)
{
    return pfn < f->end && bit(f->free, pfn);
}

void ref_frames_take(struct ref_frames *f, mmu_pfn pfn, unsigned order)
{
    REQUIRE(pfn % (UINT64_C(1) << order) == 0);
    for (mmu_pfn at = pfn; at < pfn + (UINT64_C(1) << order); at++) {
        REQUIRE(ref_frames_is_free(f, at));
        f->free[at / 8] &= (uint8_t) ~(1u << at % 8);
        f->count--;
    }
}

void ref_frames_give(struct ref_frames *f, mmu_pfn pfn, unsigned order)
{
    for (mmu_pfn at = pfn; at < pfn + (UINT64_C(1) << order); at++) {
        REQUIRE(at < f->end && !bit(f->free, at));
        f->free[at / 8] |= (uint8_t)(1u << at % 8);
        f->count++;
    }
}

/* The kernel's free frames, counted down from a copy of ours. */
struct comparison {
    struct ref_frames left;
};

static void cross_off(void *ctx, mmu_pfn pfn, unsigned order, unsigned type, bool pcp)
{
    struct comparison *c = ctx;
    (void)type, (void)pcp;
    ref_frames_take(&c->left, pfn, order); /* free there means free here; twice is an error, too */
}

void ref_frames_compare(const struct ref_frames *f, const struct mmu_os *os)
{
    struct comparison c = {*f};
    c.left.free = malloc(f->end / 8 + 1);
    REQUIRE(c.left.free);
    memcpy(c.left.free, f->free, f->end / 8 + 1);
    buddy_each_free(os, cross_off, &c);
    REQUIRE(c.left.count == 0);
    free(c.left.free);
}
