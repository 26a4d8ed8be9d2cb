/* timeline.c: the recurrence of the time model, and the run's ledger. See timeline.h. */
#include "timeline.h"
#include <string.h>

int timeline_init(struct timeline *tl, uint32_t window, bool blame, const struct mmu_ledger *ledger)
{
    *tl = (struct timeline){.window = window, .blame = blame, .ledger = ledger};
    tl->ring = calloc(window, sizeof *tl->ring);
    if (!tl->ring)
        return MMU_ERR_NOMEM;
    if (window == 1 || !blame)
        return MMU_OK;
    tl->kept = calloc(window + 3u, sizeof *tl->kept); /* the host gives memory to those that are used */
    if (!tl->kept)
        return MMU_ERR_NOMEM;
    for (uint32_t i = 0; i < window; i++)
        tl->ring[i].ledger = &tl->kept[i];
    tl->fetch.ledger = &tl->kept[window];
    tl->barrier.ledger = &tl->kept[window + 1];
    tl->latest.ledger = &tl->kept[window + 2];
    return MMU_OK;
}

void timeline_destroy(struct timeline *tl)
{
    free(tl->ring);
    free(tl->kept);
    tl->ring = NULL;
    tl->kept = NULL;
}

/* Books [from, p->done) along p's ledger. */
static void blame(const struct timeline *tl, const struct pending *p, mmu_cycle from,
                  uint64_t stalled[MMU_PARTS])
{
    const struct mmu_ledger *ledger = tl->window == 1 ? tl->ledger : p->ledger;
    mmu_cycle skip = from - p->issued, total = 0; /* the ledger's first cycles lie before from */
    uint32_t s = 0;
    for (; s < ledger->n && skip; s++) {
        mmu_cycle cycles = ledger->segment[s].cycles, before = skip < cycles ? skip : cycles;
        total += cycles;
        skip -= before;
        stalled[ledger->segment[s].part] += cycles - before;
    }
    for (; s < ledger->n; s++) {
        total += ledger->segment[s].cycles;
        stalled[ledger->segment[s].part] += ledger->segment[s].cycles;
    }
    REQUIRE(from >= p->issued && total == p->done - p->issued); /* the ledger explains the time */
}

/* Of two that hold an access back, the one that is blamed. */
static const struct pending *later(const struct pending *a, const struct pending *b)
{
    return b->done > a->done || (b->done == a->done && b->index < a->index) ? b : a;
}

/* Whoever holds back an access that could issue at t; its completion may lie before t. */
static const struct pending *culprit_of(const struct timeline *tl)
{
    if (tl->window == 1)
        return &tl->latest;
    const struct pending *culprit = later(&tl->fetch, &tl->barrier);
    const struct pending *data = &tl->ring[tl->data % tl->window];
    if (data->done && data->ordinal + tl->window == tl->data)
        culprit = later(culprit, data);
    return culprit;
}

mmu_cycle timeline_wait(struct timeline *tl, mmu_cycle t)
{
    const struct pending *culprit = culprit_of(tl);
    if (culprit->done <= t)
        return t;
    if (tl->blame)
        blame(tl, culprit, t, tl->stalled);
    return culprit->done;
}

static void keep(struct pending *to, const struct pending *from, const struct mmu_ledger *ledger)
{
    to->index = from->index;
    to->ordinal = from->ordinal;
    to->issued = from->issued;
    to->done = from->done;
    if (!to->ledger)
        return;
    to->ledger->n = ledger->n;
    memcpy(to->ledger->segment, ledger->segment, ledger->n * sizeof *ledger->segment);
}

void timeline_note(struct timeline *tl, unsigned kind, mmu_cycle done)
{
    struct pending now = {.index = tl->accesses - 1, .ordinal = tl->data, .issued = tl->t, .done = done};
    const struct mmu_ledger *ledger = tl->ledger;
    if (kind & TIMELINE_BARRIER) /* holds everybody back, so that its other kinds do not matter */
        keep(&tl->barrier, &now, ledger);
    else if (kind & TIMELINE_FETCH)
        keep(&tl->fetch, &now, ledger);
    else
        keep(&tl->ring[now.ordinal % tl->window], &now, ledger);
    if (done > tl->busy) {
        tl->busy = done;
        keep(&tl->latest, &now, ledger);
    }
}

void timeline_drain(struct timeline *tl)
{
    if (tl->busy <= tl->t)
        return;
    if (tl->blame)
        blame(tl, &tl->latest, tl->t, tl->stalled);
    tl->t = tl->busy;
}

mmu_cycle timeline_tail(const struct timeline *tl, uint64_t stalled[MMU_PARTS])
{
    if (tl->busy <= tl->t)
        return tl->t;
    if (tl->blame)
        blame(tl, &tl->latest, tl->t, stalled);
    return tl->busy;
}
