/*
 * sim/figures.h: what is derived from a run's counters: rates, ratios, means, and the names that Linux perf
 * gives to them.
 *
 * Each figure has a stable name, a unit and a definition. A figure whose denominator is 0 is not known; it is
 * never 0 or infinite by accident.
 */
#ifndef SIM_FIGURES_H
#define SIM_FIGURES_H

#include "report.h"

struct figure {
    const char *group;      /* "tlb" */
    const char *item;       /* "STLB"; NULL when the group has no items */
    const char *name;       /* "hit_rate" */
    const char *unit;       /* "ratio": 0 to 1 */
    const char *definition; /* how it is computed */
    enum figure_type { FIGURE_UNKNOWN, FIGURE_COUNT, FIGURE_SIGNED, FIGURE_REAL } type;
    uint64_t count;     /* FIGURE_COUNT */
    int64_t difference; /* FIGURE_SIGNED */
    double real;        /* FIGURE_REAL */
};

/* Calls each() for every figure of this machine, always in the same order. The pointers are valid during the
 * call only. */
void figures_each(const struct report_run *run, void (*each)(void *ctx, const struct figure *figure),
                  void *ctx);

/* Look-ups of a structure or level, all kinds and privileges together or one kind. */
struct lookups {
    uint64_t accesses, hits, misses, merged;
    uint64_t compulsory, capacity, conflict; /* of misses; level_kind: not filled */
};

/* The sums that several figures share. */
struct sums {
    uint64_t accesses[MMU_KINDS], all_accesses;
    uint64_t instructions; /* 0: unknown */
    bool classified;       /* the classes of misses are known */
    struct lookups tlb[MMU_MAX_TLBS];
    struct lookups level[MMU_MAX_LEVELS];
    struct lookups level_kind[MMU_MAX_LEVELS][MMU_KINDS]; /* merged: not filled */
    uint64_t walks, completed, faulted, merged;
    uint64_t level_reads[MMU_WALK_LEVELS], place_reads[MMU_PLACES];
    uint64_t charged, stalled; /* translation only */
    uint64_t all_charged, all_stalled;
    int64_t exposed, overlapped;
};
void figures_sum(const struct report_run *run, struct sums *sums);

/* a / b; NaN when b is 0. */
double ratio(uint64_t a, uint64_t b);

/* Names, lower case, by the enums of <mmusim/stats.h>. */
extern const char *const FIGURE_KIND[MMU_KINDS];
extern const char *const FIGURE_PLACE[MMU_PLACES];
extern const char *const FIGURE_WALK_LEVEL[MMU_WALK_LEVELS];
extern const char *const FIGURE_PSC[MMU_PSC_LEVELS];

/* What this machine has. */
bool figures_has_psc(const struct mmu_config *config, unsigned level);
bool figures_has_place(const struct mmu_config *config, unsigned place);

#endif
