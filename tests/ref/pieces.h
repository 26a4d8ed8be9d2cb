/*
 * pieces.h: a stretch of references as executions of code (mmusim/executions.h), each of a piece of its own.
 */
#ifndef REF_PIECES_H
#define REF_PIECES_H

#include "bits.h"
#include <mmusim/executions.h>
#include <stdlib.h>
#include <string.h>

struct pieces {
    struct mmu_piece *piece;
    struct mmu_datum *datum;
    struct mmu_access *references;
    uint16_t *execution;
    mmu_va *data;
    size_t n, n_data;
};

/* A load and the store of its instruction. */
static inline bool pieces_modify(const struct mmu_access *a, size_t n)
{
    return n > 1 && a[0].kind == MMU_LOAD && !a[0].flags && a[1].kind == MMU_STORE &&
           a[1].flags == MMU_AF_FOLLOWS && a[1].va == a[0].va && a[1].size == a[0].size;
}

/* Makes a[0..n) the next piece, as mmusim/executions.h says what that is. */
static inline void pieces_make(struct pieces *x, const struct mmu_access *a, size_t first, size_t n)
{
    struct mmu_piece *p = &x->piece[x->n];
    uint64_t pages[2] = {UINT64_MAX, UINT64_MAX};
    bool mixed = a->kind != MMU_FETCH;
    *p = (struct mmu_piece){.first = (uint32_t)first, .first_data = (uint32_t)x->n_data, .n = (uint8_t)n};
    for (size_t i = 0; i < n; i++) {
        bool second = pieces_modify(a + i, n - i);
        uint64_t page = a[i].va >> 12;
        x->references[first + i] = a[i];
        p->counts += UINT64_C(1) << 21 * (MMU_KIND_OF(a[i].kind) % MMU_KINDS);
        mixed |= a[i].kind >= MMU_KINDS || a[i].flags;
        if (MMU_KIND_OF(a[i].kind) == MMU_FETCH) {
            unsigned k = pages[0] != UINT64_MAX && pages[0] != page;
            mixed |= (pages[k] != UINT64_MAX && pages[k] != page) || (a[i].va & 4095) + a[i].size > 4096;
            pages[k] = page;
            continue;
        }
        x->references[first + i].va = 0; /* of no account */
        x->datum[x->n_data] =
            (struct mmu_datum){.last = (uint16_t)(a[i].size - 1),
                               .position = (uint8_t)i,
                               .kind = (uint8_t)(second ? MMU_KINDS : MMU_KIND_OF(a[i].kind))};
        x->data[x->n_data++] = a[i].va;
        if (second) {
            i++;
            x->references[first + i] = a[i];
            p->counts += UINT64_C(1) << 21 * MMU_STORE;
        }
    }
    p->n_data = (uint8_t)(x->n_data - p->first_data);
    p->page = mixed ? MMU_PIECE_MIXED : pages[0];
    p->last_page = mixed ? MMU_PIECE_MIXED : pages[1] != UINT64_MAX ? pages[1] : pages[0];
    x->execution[x->n] = (uint16_t)x->n;
    x->n++;
}

/* Runs a[0..n) as executions; what that returns. */
static inline int pieces_run(struct mmu_core *core, const struct mmu_access *a, size_t n)
{
    struct pieces x = {.piece = calloc(n, sizeof *x.piece),
                       .datum = calloc(n, sizeof *x.datum),
                       .references = calloc(n, sizeof *x.references),
                       .execution = calloc(n, sizeof *x.execution),
                       .data = calloc(n, sizeof *x.data)};
    struct mmu_access *again = calloc(n, sizeof *again);
    size_t lead = n % 7 < n ? n % 7 : 0, length;
    REQUIRE(x.piece && x.datum && x.references && x.execution && x.data && again);
    for (size_t i = lead; i < n; i += length) {
        for (length = 1; length < MMU_PIECE_MOST - 1u && i + length < n; length++)
            if (a[i + length].kind == MMU_FETCH && (length > 40 || a[i + length].va % 5 == 0))
                break;
        pieces_make(&x, a + i, i, length);
    }
    const struct mmu_executions executions = {.lead = a,
                                              .n_lead = lead,
                                              .execution = x.execution,
                                              .n = x.n,
                                              .data = x.data,
                                              .n_references = n,
                                              .pieces = x.piece,
                                              .datum = x.datum,
                                              .references = x.references};
    mmu_executions_expand(&executions, again);
    REQUIRE(memcmp(again, a, n * sizeof *a) == 0);
    int status = mmu_core_run_executions(core, &executions);
    free(x.piece);
    free(x.datum);
    free(x.references);
    free(x.execution);
    free(x.data);
    free(again);
    return status;
}

#endif
