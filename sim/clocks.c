/* sim/clocks.c: see clocks.h. */
#include "clocks.h"
#include <stdlib.h>

static bool is_same(const struct clock *a, const struct clock *b)
{
    return a->process == b->process && a->thread == b->thread && a->is_cpu == b->is_cpu;
}

/* The place of a clock, or the free one for it. */
static struct clock *find(const struct clocks *c, const struct clock *of)
{
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)((of->process * odd + of->thread) * odd >> 32);
    struct clock *found;
    do
        found = &c->clock[at++ & (c->size - 1)];
    while (found->used && !is_same(found, of));
    return found;
}

/* Room for one more. */
static bool grow(struct clocks *c)
{
    enum { FEW = 64 };
    if (c->used * 2 < c->size)
        return true;
    struct clocks bigger = {.size = c->size ? 2 * c->size : FEW};
    bigger.clock = calloc(bigger.size, sizeof *bigger.clock);
    if (!bigger.clock)
        return false;
    for (size_t i = 0; i < c->size; i++)
        if (c->clock[i].used)
            *find(&bigger, &c->clock[i]) = c->clock[i];
    free(c->clock);
    c->clock = bigger.clock;
    c->size = bigger.size;
    return true;
}

bool clocks_take(struct clocks *c, const struct mmu_trace_mark *mark)
{
    trace_tell(&c->now, mark);
    if (mark->kind != MMU_MARK_TIME)
        return true;
    if (!grow(c))
        return false;
    bool is_cpu = !(c->now.told >> MMU_MARK_THREAD & 1);
    const struct clock now = {.process = c->now.value[MMU_MARK_PROCESS],
                              .thread = c->now.value[is_cpu ? MMU_MARK_CPU : MMU_MARK_THREAD],
                              .time = mark->value,
                              .used = true,
                              .is_cpu = is_cpu};
    struct clock *before = find(c, &now);
    if (before->used && now.time < before->time && !c->back.used) {
        c->back = *before;
        c->back_at = mark->at;
        c->back_to = now.time;
    }
    c->used += !before->used;
    *before = now;
    return true;
}

void clocks_free(struct clocks *c)
{
    free(c->clock);
    *c = (struct clocks){0};
}
