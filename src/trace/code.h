/*
 * code.h: code that a trace's writer was told of: see mmu_trace_define() in mmusim/trace.h.
 */
#ifndef TRACE_CODE_H
#define TRACE_CODE_H

#include <mmusim/types.h>

/* A piece of it (see format.h): its references, tokens, and data that an execution brings. */
struct code_piece {
    uint8_t n, tokens, data;
    uint16_t number; /* in the block that the code was found in last */
};

/* A word of data, as it was told: tag in its place, all other bits 0. back, bytes: see struct mmu_code_word.
 * slot: where its address was encoded last, a first guess for the next time; rest: times that no other is
 * searched. */
struct code_site {
    uint64_t tag;
    uint32_t back;
    uint16_t bytes;
    uint8_t slot, rest;
};

/*
 * references[] as it was told, with va as in struct pieces_encoder.
 */
struct code {
    uint64_t cost;    /* tokens << 32 | references */
    uint64_t runs;    /* executions that were not counted by reference */
    uint32_t found;   /* block in which the pieces' numbers hold; 0: none yet */
    uint32_t ready;   /* the same, if there is one piece only; else 0 */
    uint32_t n_words; /* of data, that follow the first one of an execution */
    uint16_t number;  /* of the first piece */
    uint16_t n_pieces, n_tokens, n_references;
    uint16_t kinds[MMU_KINDS];
    struct mmu_access *references;
    struct code_piece *pieces;
    struct code_site sites[];
};

/* Executions being written: see mmu_trace_write_code(). */
struct code_run {
    const uint64_t *words;
    size_t n, taken; /* words */
    uint64_t most, references;
};

struct mmu_trace_writer;
void code_free(struct code *code);
/* Adds to the writer's counts what executions were not counted by reference. */
void code_count(struct mmu_trace_writer *w);

#endif
