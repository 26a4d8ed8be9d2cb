/*
 * writer.h: what every format's writer offers to writer.c, which checks, counts and sums for all of them.
 */
#ifndef TRACE_WRITER_H
#define TRACE_WRITER_H

#include "code.h"
#include "output.h"

#include <mmusim/trace.h>

/* Level 9 of zstd packs within a few per cent of level 19 here, ten times as fast. */
enum { WRITER_LEVEL = 9, WRITER_LEVEL_LEAST = -7, WRITER_LEVEL_MOST = 19, WRITER_MAPS_MAX = 16 << 20 };

struct writer_ops {
    int (*create)(struct mmu_trace_writer *w, struct mmu_error *err);
    int (*write)(struct mmu_trace_writer *w, const struct mmu_access *from, size_t n, struct mmu_error *err);
    /* Executions of code; counted but for the kinds. Only if takes_code() says so. */
    bool (*takes_code)(const struct mmu_trace_writer *w);
    int (*code)(struct mmu_trace_writer *w, struct code_run *run, struct mmu_error *err);
    /* A mark behind what was written; it is valid, its `at` is right, its value 0 if an EVENT. */
    int (*mark)(struct mmu_trace_writer *w, const struct mmu_trace_mark *mark, struct mmu_error *err);
    /* A process's maps, instead of what was kept of it before: whole lines, n bytes. */
    int (*maps)(struct mmu_trace_writer *w, uint64_t pid, const char *text, size_t n, struct mmu_error *err);
    /* Writes what is still held and the ends of the format; output_finish() follows. */
    int (*finish)(struct mmu_trace_writer *w, struct mmu_error *err);
    void (*free)(struct mmu_trace_writer *w);
};

/* info: format, source, and counts, times and checksums of what has been written. failure.code: 0, or no more
 * can be written. */
struct mmu_trace_writer {
    const struct writer_ops *ops;
    struct output *output;
    void *state;                                                                      /* the format's own */
    int level;                                                                        /* of compression */
    size_t (*collapse)(const struct mmu_access *from, size_t n, struct mmu_head *to); /* NULL: no page runs */
    struct mmu_error failure;
    struct mmu_trace_info info;

    bool unsummed, threaded; /* see struct mmu_trace_write_options */
    struct code **code;      /* by number, NULL: not told; see code.h */
    uint32_t codes;
};

extern const struct writer_ops text_writer_ops;
extern const struct writer_ops binary_writer_ops;

#endif
