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

/* A reference: its first and last byte. */
static inline bool add(struct footprint *f, uint64_t space, unsigned kind, mmu_va va, mmu_va last)
{
    if (!f->used || va < f->lowest)
        f->lowest = va;
    if (!f->used || last > f->highest)
        f->highest = last;
    for (uint64_t page = va >> 12; page <= last >> 12; page++) {
        uint64_t number = page | space << 52;
        uint64_t *recent = &f->recent[kind][number % FOOTPRINT_RECENT];
        if (*recent == number + 1 && *recent)
            continue;
        if (!touch(f, number, 1u << kind))
            return false;
        *recent = number + 1;
    }
    return true;
}

bool footprint_add(struct footprint *f, uint64_t space, const struct mmu_access *a, size_t n)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = add(f, space, MMU_KIND_OF(a[i].kind), a[i].va, a[i].va + a[i].size - 1);
    return ok;
}

static bool add_users(struct footprint *f, uint64_t space, const struct mmu_access *a, size_t n, bool fetches)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        if (MMU_PRIV_OF(a[i].kind) == MMU_USER && (!fetches || MMU_KIND_OF(a[i].kind) == MMU_FETCH))
            ok = footprint_add(f, space, &a[i], 1);
    return ok;
}

/* A datum of an execution, by its references. */
static bool add_datum(struct footprint *f, uint64_t space, const struct mmu_datum *datum,
                      const struct mmu_access *references, mmu_va va)
{
    const uint8_t kind = references[datum->position].kind;
    if (MMU_PRIV_OF(kind) != MMU_USER)
        return true;
    return add(f, space, MMU_KIND_OF(kind), va, va + datum->last) &&
           (datum->kind != MMU_KINDS || add(f, space, MMU_STORE, va, va + datum->last));
}

bool footprint_add_executions(struct footprint *f, uint64_t space, const struct mmu_executions *x)
{
    uint64_t seen[(UINT16_MAX + 1) / 64] = {0}; /* a bit a piece */
    const mmu_va *data = x->data;
    bool ok = add_users(f, space, x->lead, x->n_lead, false);
    for (size_t e = 0; ok && e < x->n; e++) {
        const unsigned number = x->execution[e];
        const struct mmu_piece *piece = &x->pieces[number];
        const struct mmu_access *references = x->references + piece->first;
        const struct mmu_datum *datum = x->datum + piece->first_data, *end = datum + piece->n_data;
        if (!(seen[number / 64] >> number % 64 & 1))
            ok = add_users(f, space, references, piece->n, true);
        seen[number / 64] |= UINT64_C(1) << number % 64;
        for (; ok && datum < end; datum++, data++) {
            const uint64_t page = *data >> 12 | space << 52; /* most often it is known */
            if (datum->kind == MMU_KINDS || f->recent[datum->kind][page % FOOTPRINT_RECENT] != page + 1 ||
                *data < f->lowest || *data + datum->last > f->highest || (*data & 4095) + datum->last > 4095)
                ok = add_datum(f, space, datum, references, *data);
        }
    }
    return ok;
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
