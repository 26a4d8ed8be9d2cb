/*
 * sim/progress.h: how far a long job is, on standard error and only when that is a terminal: share, rate,
 * time left.
 *
 * Time is the host's and never reaches standard output, which stays the same from run to run.
 */
#ifndef SIM_PROGRESS_H
#define SIM_PROGRESS_H

#include <mmusim/types.h>

struct progress {
    const char *unit; /* "references" */
    double start;     /* seconds */
    double shown;     /* when the line was last drawn; 0: never */
    bool terminal;
};

/* The host's clock, in seconds from some moment. */
double progress_seconds(void);

void progress_start(struct progress *progress, const char *unit);
/*
 * done units are done, which is `share` of the whole job: 0 to 1, negative when unknown (mmu_trace_progress()
 * gives it). Draws at most ten times a second; cheap enough for every block of a trace.
 */
void progress_update(struct progress *progress, uint64_t done, double share);
/* Clears the line. */
void progress_end(struct progress *progress);

#endif
