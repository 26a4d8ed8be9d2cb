/*
 * sim/feed.h: a trace as a sequence of pieces, for a replay: decoded by the caller's own thread, or ahead of
 * it by others.
 *
 * What the pieces hold, its order and the error that ends it are the same with any number of threads. Where
 * the trace has parts (mmu_trace_part_take()) all threads decode, the caller's as well while it would wait
 * (feed_parts.h). Otherwise a second thread does, and more are not used: at most FEED_AHEAD pieces are ahead.
 * Memory is constant.
 */
#ifndef SIM_FEED_H
#define SIM_FEED_H

#include <mmusim/mmusim.h>

enum {
    FEED_PIECE = 8192,     /* references decoded at once at most: 128 KiB */
    FEED_STRETCH = 65536,  /* references that a piece of page runs stands for at most */
    FEED_EXECUTED = 32768, /* ... and one of executions */
    FEED_MARKS = 64,
    FEED_AHEAD = 8
};

/* A piece: references, page runs or executions of code, and the marks before, between and behind the
 * references. Runs and executions have marks before and behind them only. */
struct feed_piece {
    uint64_t first;                      /* number of the first reference */
    size_t n;                            /* references */
    const struct mmu_access *references; /* NULL: page runs or executions */
    struct mmu_runs runs;                /* heads NULL: executions */
    struct mmu_executions executions;
    const struct mmu_trace_mark *marks;
    size_t n_marks;
    double progress; /* mmu_trace_progress() behind it */
};

struct feed_options {
    const char *path;
    struct mmu_trace_options trace;
    unsigned threads; /* 1 or more: the caller's, and others that decode */
};

struct feed; /* opaque; owned by the caller */

/* Opens a trace. MMU_OK, or a negative status with *err filled. Nothing is decoded yet. */
int feed_open(const struct feed_options *options, struct feed **out, struct mmu_error *err);
/* Deliver executions, and page runs where the trace stores them, if they can be had; before the first piece
 * only. */
void feed_want_runs(struct feed *feed);
/* The next piece, valid until the next call: 1; 0: the end; or a negative status with *err filled. */
int feed_next(struct feed *feed, struct feed_piece *piece, struct mmu_error *err);
/* The references of the latest piece into piece->references. MMU_OK or a negative status. */
int feed_expand(struct feed *feed, struct feed_piece *piece);
/* What is known of the trace behind the piece that was delivered last. */
const struct mmu_trace_info *feed_info(const struct feed *feed);
void feed_close(struct feed *feed); /* NULL is allowed */

/*
 * Decodes one piece from a reader: as runs says, where it can be had so, else up to FEED_PIECE references
 * into references[]; marks into marks[FEED_MARKS]. 1, 0 or a negative status as feed_next(). Page runs and
 * executions are the reader's, until its next call; the piece's number is the caller's business.
 */
enum feed_runs { FEED_NO_RUNS, FEED_STORED = 1, FEED_EXECUTIONS = 2 }; /* a bit set */
int feed_decode(struct mmu_trace_reader *reader, unsigned runs, struct mmu_access *references,
                struct mmu_trace_mark *marks, struct feed_piece *piece, struct mmu_error *err);

#endif
