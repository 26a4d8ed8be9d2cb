/* sim/progress.c: see progress.h. */
#define _POSIX_C_SOURCE 200809L
#include "progress.h"
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

double progress_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void progress_start(struct progress *progress, const char *unit)
{
    *progress = (struct progress){.unit = unit, .terminal = isatty(STDERR_FILENO) == 1};
    if (progress->terminal)
        progress->start = progress_seconds();
}

/* "[########............]  40%" */
static void draw_bar(double share)
{
    enum { WIDTH = 30 };
    char bar[WIDTH + 1];
    int full = (int)(share * WIDTH);
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = 0;
    fprintf(stderr, "[%s] %3.0f%% ", bar, share * 100.0);
}

void progress_update(struct progress *progress, uint64_t done, double share)
{
    if (!progress->terminal)
        return;
    double now = progress_seconds();
    if (now - progress->shown < 0.1)
        return;
    progress->shown = now;
    double past = now - progress->start;
    double rate = past > 0 ? (double)done / past : 0;
    fputs("\r\033[K", stderr);
    if (share >= 0 && share <= 1) {
        draw_bar(share);
        if (share > 0)
            fprintf(stderr, "%.0f s left, ", past * (1.0 - share) / share);
    }
    fprintf(stderr, "%" PRIu64 " %s, %.1f million/s", done, progress->unit, rate * 1e-6);
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->terminal && progress->shown > 0)
        fputs("\r\033[K", stderr);
    progress->terminal = false;
}
