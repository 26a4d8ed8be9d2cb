/* walkers.c: granting walkers, counting how busy they are. See walkers.h. */
#include "walkers.h"
#include <string.h>

static bool resize(struct coverage *c, uint32_t room)
{
    struct interval *open = realloc(c->open, room * sizeof *open);
    c->open = open ? open : c->open;
    return open;
}

bool walkers_reserve(struct walkers *w, uint32_t more)
{
    uint32_t room = w->all.opens + more + 1; /* one stays when others are settled */
    for (unsigned kind = 0; kind < MMU_KINDS; kind++)
        room = w->kind[kind].opens + more + 1 > room ? w->kind[kind].opens + more + 1 : room;
    if (w->blocking || w->room >= room)
        return true;
    bool ok = resize(&w->all, 2 * room);
    for (unsigned kind = 0; kind < MMU_KINDS && ok; kind++)
        ok = resize(&w->kind[kind], 2 * room);
    w->room = ok ? 2 * room : w->room;
    return ok;
}

int walkers_init(struct walkers *w, uint32_t n, uint32_t window)
{
    *w = (struct walkers){.n = n, .blocking = n == 1 || window == 1};
    return walkers_reserve(w, window + 8) ? MMU_OK : MMU_ERR_NOMEM;
}

void walkers_destroy(struct walkers *w)
{
    free(w->all.open);
    for (unsigned kind = 0; kind < MMU_KINDS; kind++)
        free(w->kind[kind].open);
    *w = (struct walkers){0};
}

void walkers_stats(const struct walkers *w, struct mmu_walk_stats *stats)
{
    stats->active[0] += w->all.cycles;
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        stats->pending_kind[kind] += w->alone[kind] + w->pending[kind];
        stats->active_kind[kind] += w->alone[kind] + w->kind[kind].cycles;
        stats->pending[0] += w->alone[kind] + w->pending[kind];
        stats->active[0] += w->alone[kind];
    }
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
static void settle(struct coverage *c, mmu_cycle settled)
{
    uint32_t gone = 0;
    while (gone + 1 < c->opens && c->open[gone].end < settled)
        gone++;
    if (gone) {
        c->opens -= gone;
        memmove(c->open, c->open + gone, c->opens * sizeof *c->open);
    }
}

/* Adds [start, end) to the union, which has room for it. */
static void cover(struct coverage *c, mmu_cycle start, mmu_cycle end, uint32_t room)
{
    uint32_t at = c->opens;
    while (at > 0 && c->open[at - 1].end >= start)
        at--;
    uint32_t last = at; /* intervals [at, last) touch the new one */
    while (last < c->opens && c->open[last].start <= end) {
        start = start < c->open[last].start ? start : c->open[last].start;
        end = end > c->open[last].end ? end : c->open[last].end;
        c->cycles -= c->open[last].end - c->open[last].start;
        last++;
    }
    c->cycles += end - start;
    if (at == last) {
        /* two a data access in flight that crosses a page, the retries of a faulting one, the last settled
         * one */
        REQUIRE(c->opens < room);
        memmove(c->open + at + 1, c->open + at, (c->opens - at) * sizeof *c->open);
        c->opens++;
    } else {
        memmove(c->open + at + 1, c->open + last, (c->opens - last) * sizeof *c->open);
        c->opens -= last - at - 1;
    }
    c->open[at] = (struct interval){start, end};
}

static void add(struct coverage *c, mmu_cycle start, mmu_cycle end, mmu_cycle settled, uint32_t room)
{
    const mmu_cycle before = c->opens ? c->open[c->opens - 1].end : 0;
    if (LIKELY(before < start && (before <= settled || c->opens < 2))) { /* one after another */
        c->opens = before <= settled ? 0 : c->opens;
        c->open[c->opens++] = (struct interval){start, end};
        c->cycles += end - start;
        return;
    }
    settle(c, settled);
    cover(c, start, end, room);
}

void walkers_release(struct walkers *w, unsigned kind, uint32_t walker, mmu_cycle start, mmu_cycle end,
                     mmu_cycle settled)
{
    w->free_at[walker] = end;
    if (end == start)
        return;
    if (w->blocking) { /* the union is the sum */
        w->alone[kind] += end - start;
        return;
    }
    w->pending[kind] += end - start;
    add(&w->all, start, end, settled, w->room);
    add(&w->kind[kind], start, end, settled, w->room);
}
