/*
 * pass.h: a batch of accesses on its way: what batch.c has and whoever else runs parts of one.
 */
#ifndef TOP_PASS_H
#define TOP_PASS_H

#include "machine.h"
#include "plain.h"

/* What first-level hits have run up since the last settlement. */
struct tab {
    mmu_cycle t;
    uint64_t gaps, waited; /* t has moved by their sum */
    uint64_t ideal_waited; /* likewise on the ideal clock */
    uint64_t clock;
    uint64_t kinds[MMU_KINDS]; /* as if all were user accesses and none MMU_AF_FOLLOWS */
    enum {
        NOTHING,
        SECOND,
        WALK
    } pending;        /* a plain miss that nobody has waited for yet; its completion is in real.busy */
    mmu_cycle issued; /* ... when it issued. SECOND: its ledger is not written yet */
    struct plain_tally plain;
};

/* What a batch remembers of its latest walk, to tell whether it misses much. */
struct walked {
    size_t left; /* records left in the batch */
};

/* A batch on its way. */
struct pass {
    struct mmu_core *core;
    struct tab tab;
    struct walked last;
    mmu_cycle busy;       /* the latest completion */
    bool blocking, plain; /* W = 1; and misses may be plain */
    bool hits;            /* the record before was a hit, and nothing is unfinished */
    uint64_t heads;       /* of executions that were run and are not booked */
    bool stepped;         /* core_step() was called: anything may have changed */
    int status;
};

/* What members and heads have counted, at the end of a stretch of them. heads: those that are no members. */
static inline void book_members(struct mmu_core *c, struct tab *tab, const uint64_t counted[MMU_KINDS],
                                uint64_t heads)
{
    struct recent *recent = &c->recent;
    uint64_t gaps = 0, n = 0;
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        recent_count(recent, &c->mmu.hot, kind, counted[kind], recent->slot[kind]);
        recent->since[kind] = 0;
        tab->kinds[kind] += counted[kind];
        gaps += counted[kind] * c->gap[0][kind];
        n += counted[kind];
    }
    tab->gaps += gaps;
    tab->t += gaps;
    recent->members += n - heads;
}

/* batch.c. May a core run batches in passes? */
bool pass_suits(const struct mmu_core *core);
void pass_open(struct pass *p, struct mmu_core *core);
/* Any records. False: stop. */
bool pass_run(struct pass *p, const struct mmu_access *a, size_t n);
/* Settles everything. Returns the batch's status. */
int pass_close(struct pass *p);

#endif
