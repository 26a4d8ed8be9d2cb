/*
 * sim/feed_parts.h: the pieces of a trace that has parts, decoded by several threads: see feed.h.
 */
#ifndef SIM_FEED_PARTS_H
#define SIM_FEED_PARTS_H

#include "feed.h"

struct feed_parts; /* opaque; owned by the caller */

/*
 * Begins to decode with threads - 1 others, or as many as can be started. runs: enum feed_runs. The
 * reader stands at the begin of a part and is lent until feed_parts_close(). MMU_ERR_UNSUPPORTED: the trace
 * has no parts.
 */
int feed_parts_open(struct mmu_trace_reader *reader, unsigned threads, unsigned runs, struct feed_parts **out,
                    struct mmu_error *err);
/* As feed_next(). The caller numbers the pieces, and sets expand() of the page runs. */
int feed_parts_next(struct feed_parts *parts, struct feed_piece *piece, struct mmu_error *err);
void feed_parts_close(struct feed_parts *parts); /* NULL is allowed */

#endif
