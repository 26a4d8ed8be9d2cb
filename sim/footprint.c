/*
 * sim/footprint.c: a set of 4-KiB pages; larger pages are counted from it at the end.
 */
#include "footprint.h"
#include <stdlib.h>
#include <string.h>

enum { FIRST_BITS = 12, DATA = 1 << MMU_LOAD | 1 << MMU_STORE, CODE = 1 << MMU_FETCH };

const unsigned footprint_shifts[FOOTPRINT_SIZES] = {12, 21, 30};

/* The place of a page, or the free place where it belongs. */
static struct footprint_page *find(struct footprint_page *page, unsigned bits, uint64_t number)
{
    size_t mask = ((size_t)1 << bits) - 1;
    size_t i = (size_t)(number * UINT64_C(0x9E3779B97F4A7C15) >> (64 - bits));
    while (page[i].touched && page[i].number != number)
        i = (i + 1) & mask;
    return &page[i];
}

static bool grow(struct footprint *f)
{
    unsigned bits = f->page ? f->bits + 1 : FIRST_BITS;
    struct footprint_page *page = calloc((size_t)1 << bits, sizeof *page);
    if (!page)
        return false;
    if (f->page)
        for (size_t i = 0; i < (size_t)1 << f->bits; i++)
            if (f->page[i].touched)
                *find(page, bits, f->page[i].number) = f->page[i];
    free(f->page);
    f->page = page;
    f->bits = bits;
    return true;
}

static bool touch(struct footprint *f, uint64_t number, unsigned touched)
{
    if ((!f->page || f->used >= (size_t)1 << (f->bits - 1)) && !grow(f))
        return false;
    struct footprint_page *page = find(f->page, f->bits, number);
    if (!page->touched) {
        page->number = number;
        f->used++;
    }
    page->touched = (uint8_t)(page->touched | touched);
    return true;
}

bool footprint_add(struct footprint *f, uint64_t space, const struct mmu_access *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned kind = MMU_KIND_OF(a[i].kind);
        mmu_va last = a[i].va + a[i].size - 1;
        struct footprint_page *recent = &f->recent[kind];
        if (!f->used || a[i].va < f->lowest)
            f->lowest = a[i].va;
        if (!f->used || last > f->highest)
            f->highest = last;
        for (uint64_t page = a[i].va >> 12; page <= last >> 12; page++) {
            uint64_t number = page | space << 52;
            if (recent->touched && recent->number == number)
                continue;
            if (!touch(f, number, 1u << kind))
                return false;
            *recent = (struct footprint_page){number, 1};
        }
    }
    return true;
}

static void count_page(struct footprint_count *count, const struct footprint_page *page)
{
    count->all++;
    count->code += (page->touched & CODE) != 0;
    count->data += (page->touched & DATA) != 0;
}

/* The pages of 2^shift bytes that hold f's: a set of its own. It has f's places from the begin: f's pages
 * come in the order of their hashes, and such fill the places of a set that has yet to grow from one end. */
static bool count_larger(const struct footprint *f, unsigned shift, struct footprint_count *count)
{
    struct footprint larger = {.bits = f->bits,
                               .page = f->page ? calloc((size_t)1 << f->bits, sizeof *f->page) : NULL};
    bool ok = larger.page || !f->page;
    for (size_t i = 0; ok && f->page && i < (size_t)1 << f->bits; i++)
        if (f->page[i].touched)
            ok = touch(&larger, f->page[i].number >> (shift - 12), f->page[i].touched);
    for (size_t i = 0; ok && larger.page && i < (size_t)1 << larger.bits; i++)
        if (larger.page[i].touched)
            count_page(count, &larger.page[i]);
    footprint_free(&larger);
    return ok;
}

bool footprint_count(const struct footprint *f, struct footprint_count counts[FOOTPRINT_SIZES])
{
    bool ok = true;
    memset(counts, 0, FOOTPRINT_SIZES * sizeof *counts);
    for (unsigned s = 0; s < FOOTPRINT_SIZES; s++)
        ok = ok && count_larger(f, footprint_shifts[s], &counts[s]);
    return ok;
}

void footprint_free(struct footprint *f)
{
    free(f->page);
    memset(f, 0, sizeof *f);
}
