/*
 * code.h: code that a trace's writer was told of: see mmu_trace_define() in mmusim/trace.h.
 */
#ifndef TRACE_CODE_H
#define TRACE_CODE_H

#include <mmusim/types.h>

/* Bytes behind tokens[] that may be copied with them. */
enum { CODE_SLACK = 32 };

/*
 * references[] as it was told. What each execution needs stands close together: text[] has n_data bytes,
 * where each address was encoded last, a first guess for the next time; behind them n_tokens bytes, the CODE
 * stream (see format.h) with no delta in the first fetch.
 */
struct code {
    mmu_va start, end; /* of the fetches */
    uint64_t runs;     /* executions that were not counted by reference */
    struct mmu_access *references;
    uint16_t n_references, n_tokens, n_data;
    uint16_t kinds[MMU_KINDS];
    uint8_t text[];
};

struct mmu_trace_writer;
void code_free(struct code *code);
/* Adds to the writer's counts what executions were not counted by reference. */
void code_count(struct mmu_trace_writer *w);

#endif
