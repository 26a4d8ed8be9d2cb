/*
 * reader.h: what every format's reader offers to reader.c, which keeps position, failure and limits for all
 * of them.
 */
#ifndef TRACE_READER_H
#define TRACE_READER_H

#include "input.h"

#include <mmusim/trace.h>

struct reader_ops {
    /* Reads the header, if the format has one, and makes the format's own state. */
    int (*open)(struct mmu_trace_reader *r, struct mmu_error *err);
    void (*close)(struct mmu_trace_reader *r);
    /*
     * Decodes up to max > 0 references. Fewer only at the end of the trace or before a failure, which it
     * leaves in r->failure: reader.c reports it when what came before has been delivered.
     */
    size_t (*read)(struct mmu_trace_reader *r, struct mmu_access *to, size_t max);
    /* Back to the first reference. */
    int (*rewind)(struct mmu_trace_reader *r, struct mmu_error *err);
    /*
     * Goes as near before reference n as the format can at once, at least not behind it, and sets
     * r->position. NULL: only reading goes forward.
     */
    int (*jump)(struct mmu_trace_reader *r, uint64_t n, struct mmu_error *err);
};

/* position: number of the next reference that ops->read delivers. failure.code is 0 or sticks until a seek.
 */
struct mmu_trace_reader {
    const struct reader_ops *ops;
    struct input *input;
    void *state; /* the format's own */
    uint64_t position;
    struct mmu_error failure;
    struct mmu_trace_info info;
};

extern const struct reader_ops text_reader_ops;
extern const struct reader_ops binary_reader_ops;

#endif
