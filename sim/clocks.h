/*
 * sim/clocks.h: the times that a trace tells of each of its threads, and the first that goes back.
 *
 * A time is of the thread and the process that are told by then; where no thread is told, of the processor.
 */
#ifndef SIM_CLOCKS_H
#define SIM_CLOCKS_H

#include "trace_file.h"

/* The latest time of a thread. */
struct clock {
    uint64_t process, thread, time;
    bool used;
    bool is_cpu; /* thread is a processor */
};

/* clock[0..size): a hash table that is never more than half full; size 0 or a power of 2. Zero-initialise;
 * clocks_free(). */
struct clocks {
    struct clock *clock;
    size_t size, used;
    struct trace_told now; /* what the marks have told */
    struct clock back;     /* used: whose time went back first, as it was */
    uint64_t back_at;      /* before this reference, */
    uint64_t back_to;      /* to this time */
};

/* A mark of any kind, in the trace's order. Returns false when there is no memory. */
bool clocks_take(struct clocks *clocks, const struct mmu_trace_mark *mark);
void clocks_free(struct clocks *clocks);

#endif
