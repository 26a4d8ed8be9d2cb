/*
 * sim/feed.h: a trace as a sequence of pieces, for a replay: decoded by the caller's own thread, or ahead of
 * it by another.
 *
 * The pieces, their order and the error that ends them are the same either way. With a second thread at most
 * FEED_AHEAD pieces are ahead, so that memory is constant.
 */
#ifndef SIM_FEED_H
#define SIM_FEED_H

#include <mmusim/mmusim.h>

enum {
    FEED_PIECE = 8192,    /* references decoded at once: 128 KiB */
    FEED_STRETCH = 65536, /* references that a piece of page runs stands for at most */
    FEED_MARKS = 64,
    FEED_AHEAD = 8
};

/* A piece: references or page runs, and the marks before, between and behind the references. Page runs have
 * marks before and behind them only. */
struct feed_piece {
    uint64_t first;                      /* number of the first reference */
    size_t n;                            /* references */
    const struct mmu_access *references; /* NULL: page runs */
    struct mmu_runs runs;
    const struct mmu_trace_mark *marks;
    size_t n_marks;
    double progress; /* mmu_trace_progress() behind it */
};

struct feed_options {
    const char *path;
    struct mmu_trace_options trace;
    bool second; /* decode on a second thread */
};

struct feed; /* opaque; owned by the caller */

/* Opens a trace. MMU_OK, or a negative status with *err filled. Nothing is decoded yet. */
int feed_open(const struct feed_options *options, struct feed **out, struct mmu_error *err);
/* Deliver page runs where the trace stores them; before the first piece only. */
void feed_want_runs(struct feed *feed);
/* The next piece, valid until the next call: 1; 0: the end; or a negative status with *err filled. */
int feed_next(struct feed *feed, struct feed_piece *piece, struct mmu_error *err);
/* What is known of the trace behind the piece that was delivered last. */
const struct mmu_trace_info *feed_info(const struct feed *feed);
void feed_close(struct feed *feed); /* NULL is allowed */

#endif
