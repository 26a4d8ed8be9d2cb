/*
 * writer.h: what every format's writer offers to writer.c, which checks, counts and sums for all of them.
 */
#ifndef TRACE_WRITER_H
#define TRACE_WRITER_H

#include "output.h"

#include <mmusim/trace.h>

struct writer_ops {
    int (*create)(struct mmu_trace_writer *w, struct mmu_error *err);
    int (*write)(struct mmu_trace_writer *w, const struct mmu_access *from, size_t n, struct mmu_error *err);
    /* Writes what is still held and the ends of the format; output_finish() follows. */
    int (*finish)(struct mmu_trace_writer *w, struct mmu_error *err);
    void (*free)(struct mmu_trace_writer *w);
};

/* info: format, count, kinds, checksum and source of what has been written. failure.code: 0, or no more can
 * be written. */
struct mmu_trace_writer {
    const struct writer_ops *ops;
    struct output *output;
    void *state; /* the format's own */
    struct mmu_error failure;
    struct mmu_trace_info info;
};

extern const struct writer_ops text_writer_ops;
extern const struct writer_ops binary_writer_ops;

#endif
