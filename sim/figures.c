/* sim/figures.c: see figures.h. */
#include "figures.h"
#include <math.h>
#include <string.h>

const char *const FIGURE_KIND[MMU_KINDS] = {"fetch", "load", "store"};
const char *const FIGURE_PLACE[MMU_PLACES] = {"fixed", "l1", "l2", "l3", "l4", "memory"};
const char *const FIGURE_WALK_LEVEL[MMU_WALK_LEVELS] = {"pte", "pde", "pdpte", "pml4e", "pml5e"};
const char *const FIGURE_PSC[MMU_PSC_LEVELS] = {"pde", "pdpte", "pml4e", "pml5e"};

bool figures_has_psc(const struct mmu_config *config, unsigned level)
{
    const struct mmu_psc_config *psc = &config->psc;
    return psc->unified ? psc->array[0].entries && (psc->levels >> level & 1) : psc->array[level].entries > 0;
}

bool figures_has_place(const struct mmu_config *config, unsigned place)
{
    if (config->memory.reads == MMU_READS_FIXED)
        return place == MMU_PLACE_FIXED;
    return place == MMU_PLACE_MEMORY ||
           (place != MMU_PLACE_FIXED && place - MMU_PLACE_L1 < config->memory.caches);
}

double ratio(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : NAN;
}

static uint64_t sum(const uint64_t *from, size_t n)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += from[i];
    return total;
}

/* One kind of an array by kind + MMU_KINDS * privilege. */
static uint64_t of_kind(const uint64_t *kind_priv, unsigned kind)
{
    uint64_t total = 0;
    for (unsigned priv = 0; priv < MMU_PRIVS; priv++)
        total += kind_priv[kind + MMU_KINDS * priv];
    return total;
}

static void sum_structures(const struct report_run *run, struct sums *sums)
{
    const struct mmu_stats *stats = run->stats;
    for (uint32_t i = 0; i < run->config->tlbs; i++) {
        const struct mmu_tlb_stats *tlb = &stats->tlb[i];
        struct lookups *to = &sums->tlb[i];
        *to = (struct lookups){.hits = sum(tlb->hits, MMU_KINDS),
                               .misses = sum(tlb->misses, MMU_KINDS),
                               .merged = sum(tlb->merged, MMU_KINDS),
                               .compulsory = sum(tlb->compulsory, MMU_KINDS),
                               .capacity = sum(tlb->capacity, MMU_KINDS),
                               .conflict = sum(tlb->conflict, MMU_KINDS)};
        struct lookups *level = &sums->level[run->config->tlb[i].level - 1];
        to->accesses = to->hits + to->misses;
        level->merged += to->merged;
        level->compulsory += to->compulsory;
        level->capacity += to->capacity;
        level->conflict += to->conflict;
    }
    for (uint32_t i = 0; i < run->config->levels; i++) {
        struct lookups *all = &sums->level[i];
        for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
            struct lookups *one = &sums->level_kind[i][kind];
            one->accesses = of_kind(stats->level[i].accesses, kind);
            one->misses = of_kind(stats->level[i].misses, kind);
            one->hits = one->accesses - one->misses;
            all->accesses += one->accesses;
            all->hits += one->hits;
            all->misses += one->misses;
        }
    }
}

static void sum_cycles(const struct mmu_cycle_stats *cycles, struct sums *sums)
{
    for (unsigned part = 0; part < MMU_PARTS; part++) {
        sums->all_charged += cycles->charged[part];
        sums->all_stalled += cycles->stalled[part];
        if (mmu_part_is_translation((enum mmu_part)part)) {
            sums->charged += cycles->charged[part];
            sums->stalled += cycles->stalled[part];
        }
    }
    sums->exposed = (int64_t)(cycles->elapsed[0] - cycles->ideal[0]);
    sums->overlapped = (int64_t)(sums->charged - sums->stalled);
}

void figures_sum(const struct report_run *run, struct sums *sums)
{
    const struct mmu_stats *stats = run->stats;
    memset(sums, 0, sizeof *sums);
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        sums->accesses[kind] = of_kind(stats->run.accesses, kind);
        sums->all_accesses += sums->accesses[kind];
        sums->walks += stats->walk.started[kind];
        sums->completed += stats->walk.completed[kind];
        sums->faulted += stats->walk.faulted[kind];
        sums->merged += stats->walk.merged[kind];
    }
    for (unsigned level = 0; level < MMU_WALK_LEVELS; level++)
        for (unsigned place = 0; place < MMU_PLACES; place++) {
            sums->level_reads[level] += stats->reads[level][place];
            sums->place_reads[place] += stats->reads[level][place];
        }
    sums->instructions = stats->run.instructions[0];
    sums->classified = mmu_stats_classified(stats);
    sum_structures(run, sums);
    sum_cycles(&stats->cycles, sums);
}

/* The caller's function and the run. */
struct visit {
    void (*each)(void *ctx, const struct figure *figure);
    void *ctx;
    const struct report_run *run;
    struct sums sums;
    const char *group, *item; /* of the figures that come next */
};

static void count(const struct visit *visit, const char *name, const char *unit, uint64_t value,
                  const char *definition)
{
    struct figure figure = {visit->group, visit->item, name, unit, definition, FIGURE_COUNT, .count = value};
    visit->each(visit->ctx, &figure);
}

static void difference(const struct visit *visit, const char *name, const char *unit, int64_t value,
                       const char *definition)
{
    struct figure figure = {visit->group,  visit->item,        name, unit, definition,
                            FIGURE_SIGNED, .difference = value};
    visit->each(visit->ctx, &figure);
}

static void real(const struct visit *visit, const char *name, const char *unit, double value,
                 const char *definition)
{
    struct figure figure = {visit->group, visit->item, name,
                            unit,         definition,  isfinite(value) ? FIGURE_REAL : FIGURE_UNKNOWN,
                            .real = value};
    visit->each(visit->ctx, &figure);
}

static void group(struct visit *visit, const char *name, const char *item)
{
    visit->group = name;
    visit->item = item;
}

static void each_access(struct visit *visit)
{
    const struct sums *sums = &visit->sums;
    group(visit, "accesses", NULL);
    for (unsigned kind = 0; kind < MMU_KINDS; kind++)
        count(visit, FIGURE_KIND[kind], "accesses", sums->accesses[kind], "references of this kind");
    count(visit, "total", "accesses", sums->all_accesses, "references");
    count(visit, "instructions", "instructions", sums->instructions,
          "instructions; 0: the trace has no instruction fetches");
    count(visit, "crossings", "accesses", sum(visit->run->stats->run.crossings, MMU_KINDS),
          "references that crossed a 4-KByte boundary");
}

/* The figures of a structure or of a level. */
static void each_lookup(const struct visit *visit, const struct lookups *of)
{
    const struct sums *sums = &visit->sums;
    count(visit, "accesses", "accesses", of->accesses, "hits + misses");
    count(visit, "hits", "accesses", of->hits, "look-ups that found an entry");
    count(visit, "misses", "accesses", of->misses, "look-ups that found none");
    count(visit, "merged", "accesses", of->merged,
          "hits on an entry whose walk had not finished; part of hits");
    if (sums->classified) {
        count(visit, "compulsory", "accesses", of->compulsory,
              "misses that a structure without end would have too; part of misses");
        count(visit, "capacity", "accesses", of->capacity,
              "other misses that a fully associative LRU structure of as many entries would have too");
        count(visit, "conflict", "accesses", of->conflict,
              "other misses: of sets, ways or replacement policy");
    }
    real(visit, "hit_rate", "ratio", ratio(of->hits, of->accesses), "hits / accesses");
    real(visit, "mpki", "misses per kilo-instruction", 1000 * ratio(of->misses, sums->instructions),
         "1000 x misses / instructions");
    real(visit, "misses_per_kilo_access", "misses per kilo-access",
         1000 * ratio(of->misses, sums->all_accesses), "1000 x misses / references of the run");
}

static void each_level(struct visit *visit)
{
    static const char *const LEVEL[MMU_MAX_LEVELS] = {"1", "2", "3", "4"};
    static const char *const RATE[MMU_KINDS] = {"hit_rate_fetch", "hit_rate_load", "hit_rate_store"};
    for (uint32_t i = 0; i < visit->run->config->levels; i++) {
        group(visit, "level", LEVEL[i]);
        each_lookup(visit, &visit->sums.level[i]);
        for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
            const struct lookups *of = &visit->sums.level_kind[i][kind];
            real(visit, RATE[kind], "ratio", ratio(of->hits, of->accesses),
                 "hits / look-ups of this kind of access");
        }
    }
}

static void each_tlb(struct visit *visit)
{
    const struct report_run *run = visit->run;
    for (uint32_t i = 0; i < run->config->tlbs; i++) {
        group(visit, "tlb", run->config->tlb[i].name);
        each_lookup(visit, &visit->sums.tlb[i]);
        count(visit, "fills", "entries", sum(run->stats->tlb[i].fills, MMU_PAGES), "entries written");
        count(visit, "evictions", "entries", run->stats->tlb[i].evictions[0],
              "valid entries replaced to make room");
        count(visit, "flushed", "entries", sum(run->stats->tlb[i].flushed, MMU_CAUSES),
              "entries dropped by invalidations");
        count(visit, "entries", "entries", run->config->tlb[i].entries, "capacity");
        count(visit, "valid", "entries", run->tlb[i].valid, "valid entries at the end of the run");
        count(visit, "reach", "bytes", run->tlb[i].reach,
              "sum of the valid entries' page sizes at the end of the run");
    }
}

static void each_psc(struct visit *visit)
{
    for (unsigned i = 0; i < MMU_PSC_LEVELS; i++) {
        if (!figures_has_psc(visit->run->config, i))
            continue;
        const struct mmu_psc_stats *psc = &visit->run->stats->psc[i];
        group(visit, "psc", FIGURE_PSC[i]);
        count(visit, "probes", "walks", psc->probes[0], "walks that probed");
        count(visit, "hits", "walks", psc->hits[0], "walks whose deepest hit was here");
        real(visit, "hit_rate", "ratio", ratio(psc->hits[0], psc->probes[0]), "deepest hits / probes");
    }
}

static void each_latency(const struct visit *visit)
{
    const struct mmu_histogram *h = &visit->run->stats->walk_latency;
    static const char *const NAME[] = {"latency_p50", "latency_p95", "latency_p99", "latency_max"};
    static const double PERCENT[] = {50, 95, 99, 100};
    real(visit, "latency_mean", "cycles", ratio(h->sum, h->count),
         "mean service time of a walk, from the grant of a walker to its end");
    for (unsigned i = 0; i < sizeof PERCENT / sizeof *PERCENT; i++)
        if (h->count)
            count(visit, NAME[i], "cycles", mmu_histogram_percentile(h, PERCENT[i]),
                  "percentile of the service time, nearest rank (max: 100th); above 4095 cycles to 1/64");
        else
            real(visit, NAME[i], "cycles", NAN, "percentile of the service time; unknown: no walk");
}

static void each_walk(struct visit *visit)
{
    const struct sums *sums = &visit->sums;
    const struct mmu_walk_stats *walk = &visit->run->stats->walk;
    group(visit, "walk", NULL);
    count(visit, "started", "walks", sums->walks, "walks begun");
    count(visit, "completed", "walks", sums->completed,
          "walks that found a translation that permits the access");
    count(visit, "faulted", "walks", sums->faulted, "walks that ended in a fault");
    count(visit, "merged", "accesses", sums->merged,
          "misses that waited for an earlier access's walk of the same page");
    real(visit, "per_kilo_instruction", "walks per kilo-instruction",
         1000 * ratio(sums->walks, sums->instructions), "1000 x walks / instructions");
    real(visit, "per_kilo_access", "walks per kilo-access", 1000 * ratio(sums->walks, sums->all_accesses),
         "1000 x walks / references of the run");
    each_latency(visit);
    count(visit, "waits", "walks", walk->waits[0], "walks that waited for a free walker");
    real(visit, "wait_mean", "cycles", ratio(walk->wait_cycles[0], walk->waits[0]),
         "mean wait of those that waited");
    count(visit, "references", "reads", walk->references[0], "paging-structure entries read");
    real(visit, "references_per_walk", "reads per walk", ratio(walk->references[0], sums->walks),
         "references / walks begun");
    real(visit, "busy_share", "ratio", ratio(walk->active[0], visit->run->stats->cycles.elapsed[0]),
         "cycles with at least one walker busy / elapsed");
    real(visit, "walkers_busy", "walkers", ratio(walk->pending[0], visit->run->stats->cycles.elapsed[0]),
         "mean number of walkers busy");
}

static void each_read(struct visit *visit)
{
    const struct sums *sums = &visit->sums;
    group(visit, "reads_per_walk", "level");
    for (unsigned level = 0; level < MMU_WALK_LEVELS; level++)
        real(visit, FIGURE_WALK_LEVEL[level], "reads per walk", ratio(sums->level_reads[level], sums->walks),
             "entries of this level read / walks begun");
    group(visit, "reads_per_walk", "place");
    for (unsigned place = 0; place < MMU_PLACES; place++)
        if (figures_has_place(visit->run->config, place))
            real(visit, FIGURE_PLACE[place], "reads per walk", ratio(sums->place_reads[place], sums->walks),
                 "entries read that hit here / walks begun");
}

static void each_cycle(struct visit *visit)
{
    const struct sums *sums = &visit->sums;
    const struct mmu_cycle_stats *cycles = &visit->run->stats->cycles;
    uint64_t elapsed = cycles->elapsed[0];
    double exposed = elapsed ? (double)sums->exposed / (double)elapsed : NAN;
    group(visit, "cycles", NULL);
    count(visit, "elapsed", "cycles", elapsed, "E: from the first issue to the last completion");
    real(visit, "per_instruction", "cycles", ratio(elapsed, sums->instructions), "elapsed / instructions");
    real(visit, "per_access", "cycles", ratio(elapsed, sums->all_accesses), "elapsed / references");
    count(visit, "ideal", "cycles", cycles->ideal[0], "elapsed if translation took no time");
    difference(visit, "exposed", "cycles", sums->exposed, "elapsed - ideal: what translation costs the run");
    real(visit, "exposed_share", "ratio", exposed, "exposed / elapsed");
    real(visit, "speedup_bound", "ratio", ratio(elapsed, cycles->ideal[0]),
         "elapsed / ideal: what a perfect TLB would gain");
    count(visit, "charged_translation", "cycles", sums->charged,
          "translation parts of the accesses' ledgers");
    count(visit, "stalled_translation", "cycles", sums->stalled, "translation parts of the run's ledger");
    difference(visit, "overlapped", "cycles", sums->overlapped,
               "charged - stalled translation: hidden behind other accesses");
    count(visit, "issue", "cycles", cycles->issue[0], "sum of the issue gaps");
    count(visit, "stalled", "cycles", sums->all_stalled,
          "all parts of the run's ledger; issue + stalled = elapsed");
    count(visit, "charged", "cycles", sums->all_charged, "all parts of the accesses' ledgers");
}

static void each_fault(struct visit *visit)
{
    const struct mmu_run_stats *run = &visit->run->stats->run;
    group(visit, "faults", NULL);
    count(visit, "pf", "faults", run->faults_pf[0], "#PF raised");
    count(visit, "resolved", "faults", run->faults_resolved[0], "#PF that the pager or the kernel resolved");
    count(visit, "unresolved", "faults", run->faults_pf[0] - run->faults_resolved[0], "#PF that stayed");
    count(visit, "spurious", "faults", run->faults_spurious[0], "#PF on a stale entry; part of resolved");
    count(visit, "gp", "faults", run->faults_gp[0], "#GP raised by accesses");
    count(visit, "memory", "accesses", run->faults_memory[0],
          "walks that met an entry where no memory answers");
}

/* Names of perf events for one kind of access. */
struct perf_names {
    const char *stlb_hit, *causes_a_walk, *completed, *completed_4k, *completed_2m_4m, *completed_1g;
    const char *pending, *active;
};

static void each_perf_walk(const struct visit *visit, const struct perf_names *names, unsigned kind)
{
    static const char *const COMPLETED =
        "walks that found a page of this size and a right to access it; those that fault are of no size";
    const struct mmu_walk_stats *walk = &visit->run->stats->walk;
    const uint64_t *page = &walk->completed_kind_page[MMU_PAGES * kind];
    count(visit, names->causes_a_walk, "walks", walk->started[kind], "walks begun");
    count(visit, names->completed, "walks", walk->completed[kind] + walk->faulted[kind],
          "walks that ended, all page sizes, faulting ones included");
    count(visit, names->completed_4k, "walks", page[MMU_4K], COMPLETED);
    count(visit, names->completed_2m_4m, "walks", page[MMU_2M] + page[MMU_4M], COMPLETED);
    count(visit, names->completed_1g, "walks", page[MMU_1G], COMPLETED);
    count(visit, names->pending, "cycles", walk->pending_kind[kind],
          "walkers busy for this kind of access, summed over cycles");
    count(visit, names->active, "cycles", walk->active_kind[kind],
          "cycles with at least one walker busy for this kind of access");
}

/* Reads of walks by where they hit: all, and by what the walk was for. */
static void each_perf_load(const struct visit *visit)
{
#define PERF(place)                                                                                          \
    {                                                                                                        \
        "page_walker_loads." place, "page_walker_loads.itlb_" place, "page_walker_loads.dtlb_" place         \
    }
    static const char *const LOADS[MMU_PLACES][3] = {
        [MMU_PLACE_L1] = PERF("l1"), [MMU_PLACE_L2] = PERF("l2"),         [MMU_PLACE_L3] = PERF("l3"),
        [MMU_PLACE_L4] = PERF("l4"), [MMU_PLACE_MEMORY] = PERF("memory"),
    };
#undef PERF
    for (unsigned place = MMU_PLACE_L1; place < MMU_PLACES; place++) {
        uint64_t all = visit->sums.place_reads[place];
        uint64_t fetch = visit->run->stats->walk.fetch_reads[place];
        if (!figures_has_place(visit->run->config, place))
            continue;
        count(visit, LOADS[place][0], "reads", all, "paging-structure entries read that hit here");
        count(visit, LOADS[place][1], "reads", fetch, "those read for instruction fetches");
        count(visit, LOADS[place][2], "reads", all - fetch, "those read for loads and stores");
    }
}

static void each_perf_flush(const struct visit *visit)
{
    const struct mmu_stats *stats = visit->run->stats;
    uint64_t entries = 0;
    for (uint32_t i = 0; i < visit->run->config->tlbs; i++)
        entries += sum(stats->tlb[i].flushed, MMU_CAUSES);
    count(visit, "tlb_flush.entries", "entries", entries, "TLB entries dropped, for any cause");
    count(visit, "tlb_flush.operations", "operations",
          stats->run.mov_cr[0] + stats->run.invlpg[0] + stats->run.invpcid[0],
          "loads of control registers, INVLPG and INVPCID executed, whether or not they dropped an entry");
}

static void each_perf(struct visit *visit)
{
    static const struct perf_names NAMES[MMU_KINDS] = {
#define PERF(event)                                                                                          \
    {event ".stlb_hit",          event ".miss_causes_a_walk",   event ".walk_completed",                     \
     event ".walk_completed_4k", event ".walk_completed_2m_4m", event ".walk_completed_1g",                  \
     event ".walk_pending",      event ".walk_active"}
        PERF("itlb_misses"), PERF("dtlb_load_misses"), PERF("dtlb_store_misses")
#undef PERF
    };
    const struct mmu_config *config = visit->run->config;
    group(visit, "perf", NULL);
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        uint64_t hits = 0;
        for (uint32_t level = 1; level < config->levels; level++)
            hits += visit->sums.level_kind[level][kind].hits;
        if (config->levels > 1)
            count(visit, NAMES[kind].stlb_hit, "accesses", hits,
                  "first-level misses that hit in a later level");
        each_perf_walk(visit, &NAMES[kind], kind);
    }
    each_perf_load(visit);
    each_perf_flush(visit);
}

void figures_each(const struct report_run *run, void (*each)(void *ctx, const struct figure *figure),
                  void *ctx)
{
    struct visit visit = {.each = each, .ctx = ctx, .run = run};
    figures_sum(run, &visit.sums);
    each_access(&visit);
    each_level(&visit);
    each_tlb(&visit);
    each_psc(&visit);
    each_walk(&visit);
    each_read(&visit);
    each_fault(&visit);
    each_cycle(&visit);
    each_perf(&visit);
}
