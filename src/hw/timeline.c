/* timeline.c: the recurrence of the time model, and the run's ledger. See timeline.h. */
#include "timeline.h"
#include <string.h>

int timeline_init(struct timeline *tl, uint32_t window, bool blame)
{
    *tl = (struct timeline){.window = window, .blame = blame};
    tl->ring = calloc(window, sizeof *tl->ring);
    return tl->ring ? MMU_OK : MMU_ERR_NOMEM;
}

void timeline_destroy(struct timeline *tl)
{
    free(tl->ring);
    tl->ring = NULL;
}

/* Books [from, p->done) along p's ledger. */
static void blame(const struct pending *p, mmu_cycle from, uint64_t stalled[MMU_PARTS])
{
    mmu_cycle begin = p->issued, booked = 0;
    for (uint32_t s = 0; s < p->ledger.n; s++) {
        mmu_cycle end = begin + p->ledger.segment[s].cycles;
        if (end > from) {
            mmu_cycle cycles = end - (begin > from ? begin : from);
            stalled[p->ledger.segment[s].part] += cycles;
            booked += cycles;
        }
        begin = end;
    }
    REQUIRE(begin == p->done && from >= p->issued && booked == p->done - from); /* the ledger explains the time */
}

/* Of two that hold an access back, the one that is blamed. */
static const struct pending *later(const struct pending *a, const struct pending *b)
{
    return b->done > a->done || (b->done == a->done && b->index < a->index) ? b : a;
}

mmu_cycle timeline_issue(struct timeline *tl, uint64_t g)
{
    mmu_cycle t = tl->t + g;
    tl->issue += g;
    if (t < tl->busy) {
        const struct pending *culprit = later(&tl->fetch, &tl->barrier);
        const struct pending *data = &tl->ring[tl->data % tl->window];
        if (data->done && data->ordinal + tl->window == tl->data)
            culprit = later(culprit, data);
        if (culprit->done > t) {
            if (tl->blame)
                blame(culprit, t, tl->stalled);
            t = culprit->done;
        }
    }
    tl->t = t;
    tl->accesses++;
    return t;
}

static void copy(struct pending *to, const struct pending *from, const struct mmu_ledger *ledger)
{
    to->index = from->index;
    to->ordinal = from->ordinal;
    to->issued = from->issued;
    to->done = from->done;
    if (ledger) {
        to->ledger.n = ledger->n;
        memcpy(to->ledger.segment, ledger->segment, ledger->n * sizeof *ledger->segment);
    }
}

void timeline_complete(struct timeline *tl, unsigned kind, mmu_cycle done, const struct mmu_ledger *ledger)
{
    struct pending now = {.index = tl->accesses - 1, .ordinal = tl->data, .issued = tl->t, .done = done};
    const struct mmu_ledger *kept = tl->blame ? ledger : NULL;
    if (kind & TIMELINE_DATA)
        tl->data++;
    if (done == tl->t)
        return; /* holds nobody back */
    if (kind & TIMELINE_BARRIER) /* holds everybody back, so that its other kinds do not matter */
        copy(&tl->barrier, &now, kept);
    else if (kind & TIMELINE_FETCH)
        copy(&tl->fetch, &now, kept);
    else
        copy(&tl->ring[now.ordinal % tl->window], &now, kept);
    if (done > tl->busy) {
        tl->busy = done;
        copy(&tl->latest, &now, kept);
    }
}

void timeline_drain(struct timeline *tl)
{
    if (tl->busy <= tl->t)
        return;
    if (tl->blame)
        blame(&tl->latest, tl->t, tl->stalled);
    tl->t = tl->busy;
}

mmu_cycle timeline_tail(const struct timeline *tl, uint64_t stalled[MMU_PARTS])
{
    if (tl->busy <= tl->t)
        return tl->t;
    if (tl->blame)
        blame(&tl->latest, tl->t, stalled);
    return tl->busy;
}
