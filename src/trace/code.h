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

/* A word of data, as it was told. hint: where its address was encoded last, a first guess for the next time.
 */
struct code_site {
    uint16_t tag; /* bits 48 to 63 of the word */
    uint16_t back, bytes;
    uint8_t hint;
};

/*
 * references[] as it was told, with va as in struct pieces_encoder.
 */
struct code {
    uint32_t block; /* in which the pieces' numbers hold; 0: none yet */
    uint16_t number, n_words, n_pieces, n_tokens, n_references; /* number: of the first piece */
    uint16_t kinds[MMU_KINDS];
    uint64_t runs; /* executions that were not counted by reference */
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
