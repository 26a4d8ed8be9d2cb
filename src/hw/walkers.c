/* walkers.c: granting walkers, counting how busy they are. See walkers.h. */
#include "walkers.h"
#include <string.h>

int walkers_init(struct walkers *w, uint32_t n, uint32_t window)
{
    *w = (struct walkers){.n = n, .room = 2 * window + 16};
    w->open = malloc(w->room * sizeof *w->open);
    return w->open ? MMU_OK : MMU_ERR_NOMEM;
}

void walkers_destroy(struct walkers *w)
{
    free(w->open);
    w->open = NULL;
}

uint32_t walkers_grant(const struct walkers *w, mmu_cycle request, mmu_cycle *start)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < w->n && w->free_at[best] > request; i++)
        if (w->free_at[i] < w->free_at[best])
            best = i;
    *start = request > w->free_at[best] ? request : w->free_at[best];
    return best;
}

/* Forgets intervals that end before anything can still begin, keeps at least the last. */
static void settle(struct walkers *w, mmu_cycle settled)
{
    uint32_t gone = 0;
    while (gone + 1 < w->opens && w->open[gone].end < settled)
        gone++;
    if (gone) {
        w->opens -= gone;
        memmove(w->open, w->open + gone, w->opens * sizeof *w->open);
    }
}

/* Adds [start, end) to the union. */
static void cover(struct walkers *w, mmu_cycle start, mmu_cycle end)
{
    uint32_t at = w->opens;
    while (at > 0 && w->open[at - 1].end >= start)
        at--;
    uint32_t last = at; /* intervals [at, last) touch the new one */
    while (last < w->opens && w->open[last].start <= end) {
        start = start < w->open[last].start ? start : w->open[last].start;
        end = end > w->open[last].end ? end : w->open[last].end;
        w->active -= w->open[last].end - w->open[last].start;
        last++;
    }
    w->active += end - start;
    if (at == last) {
        /* two a data access in flight that crosses a page, the retries of a faulting one, the last settled
         * one */
        REQUIRE(w->opens < w->room);
        memmove(w->open + at + 1, w->open + at, (w->opens - at) * sizeof *w->open);
        w->opens++;
    } else {
        memmove(w->open + at + 1, w->open + last, (w->opens - last) * sizeof *w->open);
        w->opens -= last - at - 1;
    }
    w->open[at] = (struct interval){start, end};
}

void walkers_release(struct walkers *w, uint32_t walker, mmu_cycle start, mmu_cycle end, mmu_cycle settled)
{
    w->free_at[walker] = end;
    w->pending += end - start;
    if (end == start)
        return;
    if (LIKELY(w->opens == 1 && w->open[0].end <= start &&
               w->open[0].end <= settled)) { /* blocking machines: one after another */
        w->open[0] = (struct interval){start, end};
        w->active += end - start;
        return;
    }
    settle(w, settled);
    cover(w, start, end);
}
