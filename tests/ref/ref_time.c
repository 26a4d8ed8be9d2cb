/*
 * ref_time.c: every maximum is taken over the whole history, every time.
 */
#include "ref_time.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void ref_time_init(struct ref_time *time, unsigned window)
{
    *time = (struct ref_time){.window = window};
}

void ref_time_free(struct ref_time *time)
{
    free(time->item);
}

static uint64_t completion(const struct ref_item *item, bool ideal)
{
    return ideal ? item->ideal_d : item->d;
}

/* The later completion; ties: the lower index. */
static size_t later(const struct ref_time *time, size_t a, size_t b, bool ideal)
{
    uint64_t of_a = completion(&time->item[a], ideal), of_b = completion(&time->item[b], ideal);
    if (of_a != of_b)
        return of_a > of_b ? a : b;
    return a < b ? a : b;
}

/*
 * The item whose completion holds number i back: the last fetch, the W-th previous data access or the last
 * barrier (of a register load or an invalidation: any), whichever completes last. SIZE_MAX: none.
 */
static size_t last_holder(const struct ref_time *time, size_t i, bool ideal)
{
    bool waits_for_all = time->item[i].is == REF_IS_BARRIER;
    size_t holder = SIZE_MAX;
    unsigned fetches = 0, data = 0, barriers = 0;
    for (size_t j = i; j-- > 0;) {
        unsigned is = time->item[j].is;
        bool holds = waits_for_all;
        if (is & REF_IS_FETCH)
            holds |= ++fetches == 1;
        if (is & REF_IS_DATA)
            holds |= ++data == time->window;
        if (is & REF_IS_BARRIER)
            holds |= ++barriers == 1;
        if (holds)
            holder = holder == SIZE_MAX ? j : later(time, holder, j, ideal);
    }
    return holder;
}

static uint64_t ready_to_issue(const struct ref_time *time, size_t i, bool ideal)
{
    uint64_t before = 0;
    if (i > 0)
        before = ideal ? time->item[i - 1].ideal_t : time->item[i - 1].t;
    return before + time->item[i].gap;
}

static uint64_t issue(const struct ref_time *time, size_t i, bool ideal)
{
    uint64_t t = ready_to_issue(time, i, ideal);
    size_t holder = last_holder(time, i, ideal);
    if (holder != SIZE_MAX && completion(&time->item[holder], ideal) > t)
        t = completion(&time->item[holder], ideal);
    return t;
}

const struct ref_item *ref_time_add(struct ref_time *time, const struct ref_item *item)
{
    if (time->n == time->room) {
        time->room = time->room ? 2 * time->room : 64;
        time->item = realloc(time->item, time->room * sizeof *time->item);
        assert(time->item);
    }
    size_t i = time->n++;
    struct ref_item *new_item = &time->item[i];
    *new_item = *item;
    uint64_t length = 0;
    for (unsigned s = 0; s < item->n; s++)
        length += item->segment[s].cycles;
    new_item->t = issue(time, i, false);
    new_item->d = new_item->t + length;
    new_item->ideal_t = issue(time, i, true);
    uint64_t ideal = new_item->ideal_t;
    if (item->is & REF_IS_BARRIER) /* the handler waits for all that came before */
        for (size_t j = 0; j < i; j++)
            if (time->item[j].ideal_d > ideal)
                ideal = time->item[j].ideal_d;
    new_item->ideal_d = ideal + item->kept;
    return new_item;
}

/* Cuts [from, to) along the parts of item. */
static void blame(const struct ref_item *item, uint64_t from, uint64_t to, uint64_t *by_part)
{
    uint64_t start = item->t;
    for (unsigned s = 0; s < item->n; s++) {
        uint64_t end = start + item->segment[s].cycles;
        uint64_t first = start > from ? start : from;
        uint64_t last = end < to ? end : to;
        if (last > first)
            by_part[item->segment[s].part] += last - first;
        start = end;
    }
}

struct ref_time_totals ref_time_totals(const struct ref_time *time)
{
    struct ref_time_totals sum;
    memset(&sum, 0, sizeof sum);
    size_t latest = 0;
    for (size_t i = 0; i < time->n; i++) {
        const struct ref_item *item = &time->item[i];
        sum.issue += item->gap;
        for (unsigned s = 0; s < item->n; s++)
            sum.charged[item->segment[s].part] += item->segment[s].cycles;
        uint64_t ready = ready_to_issue(time, i, false);
        if (item->t > ready)
            blame(&time->item[last_holder(time, i, false)], ready, item->t, sum.stalled);
        if (item->d > time->item[latest].d)
            latest = i;
        if (item->d > sum.elapsed)
            sum.elapsed = item->d;
        if (item->ideal_d > sum.ideal)
            sum.ideal = item->ideal_d;
    }
    if (time->n > 0) {
        const struct ref_item *last = &time->item[time->n - 1];
        if (time->item[latest].d > last->t)
            blame(&time->item[latest], last->t, time->item[latest].d, sum.stalled);
    }
    return sum;
}
