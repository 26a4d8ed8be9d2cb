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

/*
 * references[] as it was told, with va as in struct pieces_encoder. hints[]: where each address was encoded
 * last, a first guess for the next time.
 */
struct code {
    mmu_va end;     /* of the fetches */
    uint64_t runs;  /* executions that were not counted by reference */
    uint32_t block; /* in which the pieces' numbers hold; 0: none yet */
    uint16_t n_references, n_tokens, n_data, n_pieces;
    uint16_t kinds[MMU_KINDS];
    struct mmu_access *references;
    struct code_piece *pieces;
    uint8_t hints[];
};

struct mmu_trace_writer;
void code_free(struct code *code);
/* Adds to the writer's counts what executions were not counted by reference. */
void code_count(struct mmu_trace_writer *w);

#endif
