/*
 * mmusim/executions.h: a stretch of a trace as executions of pieces of code.
 *
 * Programs execute the same code again and again: what a piece fetches, and how many data of which sizes it
 * loads and stores in between, is the same each time; only the addresses of the data differ. A trace in the
 * binary form stores that (mmu_trace_read_executions()), and a core that finds all pages of an execution
 * among those it has just seen hit counts the piece as a whole (mmu_core_run_executions()).
 */
#ifndef MMUSIM_EXECUTIONS_H
#define MMUSIM_EXECUTIONS_H

#include <mmusim/machine.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    MMU_PIECE_MOST = 128,       /* references of a piece, at most */
    MMU_EXECUTIONS_MOST = 65536 /* references of a stretch, at most */
};

/* The page of a piece that must be looked at reference by reference. */
#define MMU_PIECE_MIXED (UINT64_MAX - 1)

/*
 * A piece of code. If the first of its references is a fetch, all are a user's, without flags but those of
 * the store of a read-modify-write (MMU_AF_FOLLOWS alone, behind a load of the same bytes), and its fetches
 * lie each within the one or the other of two 4-KByte pages: `page` and `last_page` are these pages' numbers,
 * and counts is valid. Otherwise both are MMU_PIECE_MIXED.
 */
struct mmu_piece {
    uint64_t page, last_page;
    uint64_t counts;     /* references by kind, from enum mmu_kind 0 on: 21 bits each */
    uint32_t first;      /* in references[] */
    uint32_t first_data; /* in datum[] */
    uint8_t n, n_data;   /* references; data, whose addresses an execution brings */
};

/* Data of a piece. A read-modify-write is one of them, and two references. */
struct mmu_datum {
    uint16_t last;    /* bytes of the reference, less one */
    uint8_t position; /* the reference's number in its piece */
    uint8_t kind;     /* enum mmu_kind; MMU_KINDS: a read-modify-write */
};

/*
 * The stretch: lead[0..n_lead), references that go before (the rest of an execution that was cut), then n
 * executions: numbers of pieces. data[]: the addresses, in order. In references[] the addresses of data are
 * of no account. n_references: of lead and executions together, at most MMU_EXECUTIONS_MOST. Borrowed by
 * whoever is given it.
 */
struct mmu_executions {
    const struct mmu_access *lead;
    size_t n_lead;
    const uint16_t *execution;
    size_t n;
    const mmu_va *data;
    size_t n_references;
    const struct mmu_piece *pieces;
    const struct mmu_datum *datum;
    const struct mmu_access *references;
};

/* The references that a stretch stands for, in order, into to[n_references]. */
MMU_API void mmu_executions_expand(const struct mmu_executions *executions, struct mmu_access *to);

/*
 * Runs a stretch: every statistic, time and entry is then as after mmu_core_run() of its references, and so
 * is what is returned.
 */
MMU_API int mmu_core_run_executions(struct mmu_core *core, const struct mmu_executions *executions);

#ifdef __cplusplus
}
#endif
#endif
