/*
 * stats_check.c: the identities that statistics obey, executed.
 *
 * Each holds in every snapshot of a core and in every difference of two. What holds only since a core's
 * creation (valid entries = fills - evictions - flushed; the ideal clock is never ahead) is not here. Sums
 * wrap as the counters do.
 */
#include "error.h"
#include <inttypes.h>
#include <mmusim/stats.h>

/* Where the first identity that fails is reported. */
struct check {
    struct mmu_error *err;
    bool failed;
};

static void fail(struct check *check, const char *what, const char *left, uint64_t a, const char *relation,
                 const char *right, uint64_t b)
{
    if (!check->failed)
        err_set(check->err, MMU_ERR_INVALID, "statistics of %s: %s (%" PRIu64 ") %s %s (%" PRIu64 ")", what,
                left, a, relation, right, b);
    check->failed = true;
}

static void equal(struct check *check, const char *what, const char *left, uint64_t a, const char *right,
                  uint64_t b)
{
    if (a != b)
        fail(check, what, left, a, "differs from", right, b);
}

static void at_most(struct check *check, const char *what, const char *left, uint64_t a, const char *right,
                    uint64_t b)
{
    if (a > b)
        fail(check, what, left, a, "is more than", right, b);
}

static uint64_t sum(const uint64_t *from, size_t n)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += from[i];
    return total;
}
#define SUM(array) sum(array, sizeof(array) / sizeof *(array))

/* One kind of an array by kind + MMU_KINDS * privilege. */
static uint64_t of_kind(const uint64_t *kind_priv, unsigned kind)
{
    uint64_t total = 0;
    for (unsigned priv = 0; priv < MMU_PRIVS; priv++)
        total += kind_priv[kind + MMU_KINDS * priv];
    return total;
}

static void check_run(struct check *check, const struct mmu_run_stats *run)
{
    for (unsigned kind = 0; kind < MMU_KINDS; kind++)
        at_most(check, "run", "crossings of a kind", run->crossings[kind], "its accesses",
                of_kind(run->accesses, kind));
    at_most(check, "run", "instructions", run->instructions[0], "fetches", of_kind(run->accesses, MMU_FETCH));
    at_most(check, "run", "resolved faults", run->faults_resolved[0], "#PF", run->faults_pf[0]);
    at_most(check, "run", "spurious faults", run->faults_spurious[0], "resolved faults",
            run->faults_resolved[0]);
}

static void check_tlb(struct check *check, const struct mmu_tlb_stats *tlb,
                      const struct mmu_tlb_config *config)
{
    const char *name = config->name;
    equal(check, name, "hits by kind", SUM(tlb->hits), "hits by page size", SUM(tlb->hits_page));
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        at_most(check, name, "merged hits of a kind", tlb->merged[kind], "its hits", tlb->hits[kind]);
        at_most(check, name, "compulsory, capacity and conflict misses of a kind",
                tlb->compulsory[kind] + tlb->capacity[kind] + tlb->conflict[kind], "its misses",
                tlb->misses[kind]);
        if (!(config->kinds >> kind & 1))
            equal(check, name, "look-ups of a kind that it does not serve",
                  tlb->hits[kind] + tlb->misses[kind], "none", 0);
    }
    for (unsigned page = 0; page < MMU_PAGES; page++)
        if (!(config->pages >> page & 1))
            equal(check, name, "hits and fills of a page size that it does not hold",
                  tlb->hits_page[page] + tlb->fills[page], "none", 0);
    at_most(check, name, "dirty walks", tlb->dirty_walks[0], "hits of stores", tlb->hits[MMU_STORE]);
    at_most(check, name, "refills + evictions", tlb->refills[0] + tlb->evictions[0], "fills",
            SUM(tlb->fills));
}

/* What the structures of one level counted, for one kind. */
struct level_sums {
    uint64_t hits, misses;
    bool complete; /* some structure takes 4-KByte pages of this kind: every miss belongs somewhere */
};

static struct level_sums sum_level(const struct mmu_stats *stats, const struct mmu_config *config,
                                   uint32_t level, unsigned kind)
{
    struct level_sums sums = {0};
    for (uint32_t i = 0; i < config->tlbs; i++) {
        const struct mmu_tlb_config *tlb = &config->tlb[i];
        if (tlb->level != level + 1)
            continue;
        sums.hits += stats->tlb[i].hits[kind];
        sums.misses += stats->tlb[i].misses[kind];
        sums.complete |=
            (tlb->kinds >> kind & 1) && (tlb->pages >> MMU_4K & 1) && !config->level[level].no_fracture;
    }
    return sums;
}

static void check_level(struct check *check, const struct mmu_stats *stats, const struct mmu_config *config,
                        uint32_t level)
{
    static const char *const NAME[MMU_MAX_LEVELS] = {"level 1", "level 2", "level 3", "level 4"};
    const struct mmu_level_stats *here = &stats->level[level];
    const char *name = NAME[level];
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        struct level_sums sums = sum_level(stats, config, level, kind);
        uint64_t accesses = of_kind(here->accesses, kind), misses = of_kind(here->misses, kind);
        equal(check, name, "look-ups of a kind", accesses, "hits of its structures + misses",
              sums.hits + misses);
        if (sums.complete)
            equal(check, name, "misses of its structures", sums.misses, "misses", misses);
        else
            at_most(check, name, "misses of its structures", sums.misses, "misses", misses);
    }
}

static bool serves(const struct mmu_config *config, uint32_t level, unsigned kind)
{
    for (uint32_t i = 0; i < config->tlbs; i++)
        if (config->tlb[i].level == level + 1 && (config->tlb[i].kinds >> kind & 1))
            return true;
    return false;
}

/* What misses one level looks in the next that serves its kind. Returns the misses of the last; *any: some
 * level serves the kind. */
static uint64_t check_chain(struct check *check, const struct mmu_stats *stats,
                            const struct mmu_config *config, unsigned kind, bool *any)
{
    const struct mmu_level_stats *last = NULL;
    for (uint32_t level = 0; level < config->levels; level++) {
        if (!serves(config, level, kind))
            continue;
        for (unsigned i = kind; last && i < MMU_KINDS * MMU_PRIVS; i += MMU_KINDS)
            equal(check, "levels", "misses of a kind and privilege", last->misses[i],
                  "look-ups of the next level", stats->level[level].accesses[i]);
        last = &stats->level[level];
    }
    *any = last;
    return last ? of_kind(last->misses, kind) : 0;
}

/* Every walk has a cause: a miss of the last level, a store that found D = 0, a second look before a fault.
 */
static void check_causes(struct check *check, const struct mmu_stats *stats, const struct mmu_config *config)
{
    uint64_t dirty = 0, merged[MMU_KINDS] = {0};
    for (uint32_t i = 0; i < config->tlbs; i++) {
        dirty += stats->tlb[i].dirty_walks[0];
        for (unsigned kind = 0; kind < MMU_KINDS; kind++)
            merged[kind] += stats->tlb[i].merged[kind];
    }
    equal(check, "walks", "dirty walks", stats->walk.dirty[0], "those of the structures", dirty);
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        equal(check, "walks", "merged misses of a kind", stats->walk.merged[kind], "those of the structures",
              merged[kind]);
        bool any;
        uint64_t started = stats->walk.started[kind], causes = check_chain(check, stats, config, kind, &any);
        causes += kind == MMU_STORE ? dirty : 0;
        if (any && !config->walk.rewalk_before_fault)
            equal(check, "walks", "misses of the last level and dirty walks of a kind", causes,
                  "walks started", started);
        else
            at_most(check, "walks", "misses of the last level and dirty walks of a kind", causes,
                    "walks started", started);
    }
}

/* Each kind's share of the walks and of the walkers' time. In a difference one kind can be busy for longer
 * than all were: its walk began in the shadow of another's, before the snapshot. */
static void check_walks_by_kind(struct check *check, const struct mmu_walk_stats *walk,
                                const struct mmu_config *config)
{
    const char *name = "walks";
    for (unsigned page = 0; page < MMU_PAGES; page++) {
        uint64_t completed = 0;
        for (unsigned kind = 0; kind < MMU_KINDS; kind++)
            completed += walk->completed_kind_page[page + MMU_PAGES * kind];
        equal(check, name, "completed of a page size", walk->completed_page[page], "those of all kinds",
              completed);
    }
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        equal(check, name, "completed of a kind", walk->completed[kind], "those of all page sizes",
              sum(&walk->completed_kind_page[MMU_PAGES * kind], MMU_PAGES));
        at_most(check, name, "cycles with a walker busy for a kind", walk->active_kind[kind],
                "walkers busy for it, summed over cycles", walk->pending_kind[kind]);
        if (config->walk.walkers == 1)
            equal(check, name, "cycles with the only walker busy for a kind", walk->active_kind[kind],
                  "its busy cycles for that kind", walk->pending_kind[kind]);
    }
    equal(check, name, "walkers busy, summed over cycles", walk->pending[0], "those of all kinds",
          SUM(walk->pending_kind));
    at_most(check, name, "cycles with a walker busy", walk->active[0], "those of all kinds",
            SUM(walk->active_kind));
}

static void check_walks(struct check *check, const struct mmu_stats *stats, const struct mmu_config *config)
{
    const struct mmu_walk_stats *walk = &stats->walk;
    const char *name = "walks";
    uint64_t started = SUM(walk->started), faulted = SUM(walk->faulted);
    for (unsigned kind = 0; kind < MMU_KINDS; kind++)
        equal(check, name, "started of a kind", walk->started[kind], "completed + faulted",
              walk->completed[kind] + walk->faulted[kind]);
    equal(check, name, "completed", SUM(walk->completed), "completed by page size",
          SUM(walk->completed_page));
    at_most(check, name, "dirty walks", walk->dirty[0], "walks started by stores", walk->started[MMU_STORE]);
    at_most(check, name, "prefetches", walk->prefetches[0], "walks started", started);
    at_most(check, name, "walks that waited", walk->waits[0], "walks started", started);
    at_most(check, name, "walks that faulted", faulted, "faults + prefetches",
            stats->run.faults_pf[0] + stats->run.faults_memory[0] + walk->prefetches[0]);
    equal(check, name, "references", walk->references[0], "reads by level and place",
          sum(&stats->reads[0][0], MMU_WALK_LEVELS * MMU_PLACES));
    at_most(check, name, "completed", SUM(walk->completed), "references", walk->references[0]);
    at_most(check, name, "completed with a 4-KByte page", walk->completed_page[MMU_4K], "PTE reads",
            SUM(stats->reads[0]));
    at_most(check, name, "completed with a 2- or 4-MByte page",
            walk->completed_page[MMU_2M] + walk->completed_page[MMU_4M], "PDE reads", SUM(stats->reads[1]));
    at_most(check, name, "completed with a 1-GByte page", walk->completed_page[MMU_1G], "PDPTE reads",
            SUM(stats->reads[2]));
    at_most(check, name, "dirty flags set", walk->dirty_set[0], "walks started", started);
    at_most(check, name, "accessed flags set", walk->accessed_set[0], "references", walk->references[0]);
    at_most(check, name, "cycles with a walker busy", walk->active[0], "walkers busy, summed over cycles",
            walk->pending[0]);
    if (config->walk.walkers == 1)
        equal(check, name, "cycles with the only walker busy", walk->active[0], "its busy cycles",
              walk->pending[0]);
    check_walks_by_kind(check, walk, config);
    for (unsigned place = 0; place < MMU_PLACES; place++) {
        uint64_t reads = 0;
        for (unsigned level = 0; level < MMU_WALK_LEVELS; level++)
            reads += stats->reads[level][place];
        at_most(check, name, "reads of fetches' walks at a place", walk->fetch_reads[place],
                "all reads there", reads);
    }
}

static void check_histogram(struct check *check, const struct mmu_stats *stats)
{
    const struct mmu_histogram *h = &stats->walk_latency;
    const char *name = "walk latency";
    equal(check, name, "count", h->count, "sum of its bins", SUM(h->bin) + SUM(h->far_bin));
    at_most(check, name, "count", h->count, "walks started", SUM(stats->walk.started));
    equal(check, name, "sum", h->sum, "walkers busy, summed over cycles", stats->walk.pending[0]);
}

/* A walk begins at one deepest hit or at the root, and probes every cache at once. In a unified array a
 * level's fill may evict what another level filled, even before a difference begins. */
static void check_psc(struct check *check, const struct mmu_stats *stats, const struct mmu_config *config)
{
    uint64_t hits = 0, probes = 0, fills = 0, evictions = 0;
    for (unsigned i = 0; i < MMU_PSC_LEVELS; i++) {
        hits += stats->psc[i].hits[0];
        probes = stats->psc[i].probes[0] > probes ? stats->psc[i].probes[0] : probes;
        fills += stats->psc[i].fills[0];
        evictions += stats->psc[i].evictions[0];
        if (!config->psc.unified)
            at_most(check, "paging-structure caches", "evictions", stats->psc[i].evictions[0], "fills",
                    stats->psc[i].fills[0]);
    }
    at_most(check, "paging-structure caches", "evictions of all levels", evictions, "their fills", fills);
    at_most(check, "paging-structure caches", "hits of all levels", hits, "probes", probes);
    at_most(check, "paging-structure caches", "probes", probes, "walks started", SUM(stats->walk.started));
}

static void check_cycles(struct check *check, const struct mmu_stats *stats, const struct mmu_config *config)
{
    static const enum mmu_part LEVEL_PART[MMU_MAX_LEVELS] = {MMU_PART_FIRST, MMU_PART_SECOND, MMU_PART_THIRD,
                                                             MMU_PART_FOURTH};
    const struct mmu_cycle_stats *cycles = &stats->cycles;
    const char *name = "cycles";
    uint64_t charged = 0, stalled = 0;
    for (unsigned part = 0; part < MMU_PARTS; part++)
        if (mmu_part_is_translation((enum mmu_part)part)) {
            charged += cycles->charged[part];
            stalled += cycles->stalled[part];
        }
    equal(check, name, "elapsed", cycles->elapsed[0], "issue + all stalled parts",
          cycles->issue[0] + SUM(cycles->stalled));
    if ((int64_t)(charged - stalled) < 0) /* stalls of a difference can be negative: the earlier snapshot's
                                             tail, overtaken by later accesses */
        fail(check, name, "stalled translation", stalled, "is more than", "charged translation", charged);
    equal(check, name, "charged wait for a walker", cycles->charged[MMU_PART_WAIT], "the walks' wait",
          stats->walk.wait_cycles[0]);
    for (uint32_t level = config->levels; level < MMU_MAX_LEVELS; level++)
        equal(check, name, "charged look-up of a level that does not exist",
              cycles->charged[LEVEL_PART[level]], "none", 0);
    for (unsigned i = 0; i < MMU_WALK_LEVELS * MMU_PLACES; i++) {
        bool loaded =
            i / MMU_PLACES == 2 && stats->run.mov_cr[0]; /* PAE: a register load read the PDPTEs, no walk */
        if (!stats->reads[i / MMU_PLACES][i % MMU_PLACES] && !loaded)
            equal(check, name, mmu_part_text((enum mmu_part)(MMU_PART_READ + i)),
                  cycles->charged[MMU_PART_READ + i], "no such read", 0);
    }
}

int mmu_stats_check(const struct mmu_stats *stats, const struct mmu_config *config, struct mmu_error *err)
{
    struct check check = {.err = err};
    check_run(&check, &stats->run);
    for (uint32_t i = 0; i < config->tlbs; i++)
        check_tlb(&check, &stats->tlb[i], &config->tlb[i]);
    for (uint32_t level = 0; level < config->levels; level++)
        check_level(&check, stats, config, level);
    check_causes(&check, stats, config);
    check_walks(&check, stats, config);
    check_histogram(&check, stats);
    check_psc(&check, stats, config);
    check_cycles(&check, stats, config);
    return check.failed ? MMU_ERR_INVALID : MMU_OK;
}
