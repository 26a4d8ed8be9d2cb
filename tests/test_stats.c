/*
 * test_stats.c: statistics as values: names, percentiles, differences, sums, identities.
 *
 * The statistics here are made by hand; that a core's own obey the identities is tested where cores run.
 */
#include "histogram.h"
#include <mmusim/mmusim.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* A machine with one structure a level, all paging-structure caches and two cache levels. */
static struct mmu_config *make_config(void)
{
    struct mmu_config *config = calloc(1, sizeof *config);
    assert_non_null(config);
    config->cpu = (struct mmu_cpu){.pse = true, .pae = true, .long_mode = true, .page1g = true, .la57 = true};
    config->levels = 2;
    config->tlbs = 3;
    static const struct mmu_tlb_config TLB[3] = {
        {.name = "ITLB", .level = 1, .kinds = 1 << MMU_FETCH, .pages = 15},
        {.name = "DTLB", .level = 1, .kinds = 1 << MMU_LOAD | 1 << MMU_STORE, .pages = 15},
        {.name = "STLB", .level = 2, .kinds = 7, .pages = 15},
    };
    memcpy(config->tlb, TLB, sizeof TLB);
    for (unsigned i = 0; i < MMU_PSC_LEVELS; i++)
        config->psc.array[i].entries = 4;
    config->walk.walkers = 1;
    config->memory.reads = MMU_READS_CACHED;
    config->memory.caches = 2;
    return config;
}

static void set_pair(uint64_t *array, unsigned kind, uint64_t value)
{
    array[kind + MMU_KINDS * MMU_USER] = value;
}

/* 100 loads and 20 stores: 90 + 15 hits in the DTLB, 6 + 1 in the STLB, 8 walks by misses and 1 for a dirty
 * flag; one faults. */
static struct mmu_stats *make_stats(void)
{
    struct mmu_stats *s = calloc(1, sizeof *s);
    assert_non_null(s);
    set_pair(s->run.accesses, MMU_LOAD, 100);
    set_pair(s->run.accesses, MMU_STORE, 20);
    set_pair(s->level[0].accesses, MMU_LOAD, 100);
    set_pair(s->level[0].accesses, MMU_STORE, 21);
    s->run.crossings[MMU_STORE] = 1;
    s->run.faults_pf[0] = 1;
    set_pair(s->level[0].misses, MMU_LOAD, 10);
    set_pair(s->level[0].misses, MMU_STORE, 5);
    set_pair(s->level[1].accesses, MMU_LOAD, 10);
    set_pair(s->level[1].accesses, MMU_STORE, 5);
    set_pair(s->level[1].misses, MMU_LOAD, 4);
    set_pair(s->level[1].misses, MMU_STORE, 4);
    s->tlb[1] = (struct mmu_tlb_stats){.hits = {0, 90, 16},
                                       .misses = {0, 10, 5},
                                       .hits_page = {106, 0, 0, 0},
                                       .merged = {0, 2, 0},
                                       .dirty_walks = {1},
                                       .fills = {14, 0, 0, 0},
                                       .refills = {1},
                                       .evictions = {3}};
    s->tlb[2] = (struct mmu_tlb_stats){.hits = {0, 6, 1},
                                       .misses = {0, 4, 4},
                                       .hits_page = {7, 0, 0, 0},
                                       .fills = {8, 0, 0, 0},
                                       .refills = {1}};
    s->walk = (struct mmu_walk_stats){.started = {0, 4, 5},
                                      .completed = {0, 3, 5},
                                      .faulted = {0, 1, 0},
                                      .completed_page = {8, 0, 0, 0},
                                      .completed_kind_page = {[MMU_PAGES] = 3, [2 * MMU_PAGES] = 5},
                                      .dirty = {1},
                                      .merged = {0, 2, 0},
                                      .waits = {1},
                                      .wait_cycles = {5},
                                      .pending = {90},
                                      .active = {90},
                                      .pending_kind = {0, 40, 50},
                                      .active_kind = {0, 40, 50},
                                      .references = {12},
                                      .accessed_set = {7},
                                      .dirty_set = {5}};
    for (unsigned i = 0; i < MMU_PSC_LEVELS; i++)
        s->psc[i] = (struct mmu_psc_stats){.probes = {9}, .fills = {1}};
    s->psc[MMU_PSC_PDE].hits[0] = 8;
    s->reads[0][MMU_PLACE_L1] = 8;
    for (unsigned level = 1; level < 5; level++)
        s->reads[level][MMU_PLACE_MEMORY] = 1;
    for (unsigned i = 0; i < 9; i++)
        histogram_add(&s->walk_latency, 10);
    s->cycles.charged[MMU_PART_SECOND] = 105;
    s->cycles.charged[MMU_PART_WAIT] = 5;
    s->cycles.charged[MMU_PART_READ + MMU_PLACE_L1] = 90;
    s->cycles.stalled[MMU_PART_SECOND] = 100;
    s->cycles.stalled[MMU_PART_READ + MMU_PLACE_L1] = 80;
    s->cycles.issue[0] = 120;
    s->cycles.elapsed[0] = 300;
    s->cycles.ideal[0] = 120;
    return s;
}

static void test_identities_hold(void **state)
{
    (void)state;
    struct mmu_config *config = make_config();
    struct mmu_stats *s = make_stats();
    struct mmu_error err = {0};
    if (mmu_stats_check(s, config, &err))
        fail_msg("%s", err.message);
    mmu_stats_add(s, s); /* linear: twice as much obeys too */
    assert_int_equal(mmu_stats_check(s, config, NULL), MMU_OK);
    free(s);
    free(config);
}

/* What misses a level looks in the next that serves its kind: a level of data alone has nothing to do with
 * fetches. */
static void test_chain_of_levels(void **state)
{
    (void)state;
    struct mmu_config *config = make_config();
    struct mmu_stats *s = make_stats();
    struct mmu_error err = {0};
    set_pair(s->level[0].accesses, MMU_FETCH, 7);
    set_pair(s->level[0].misses, MMU_FETCH, 7);
    s->tlb[0].misses[MMU_FETCH] = 7;
    s->walk.started[MMU_FETCH] = s->walk.completed[MMU_FETCH] = 7;
    s->walk.completed_page[MMU_4K] += 7;
    s->walk.completed_kind_page[MMU_4K] += 7;
    s->walk.references[0] += 7;
    s->walk.fetch_reads[MMU_PLACE_L1] += 7;
    s->reads[0][MMU_PLACE_L1] += 7;
    assert_int_equal(mmu_stats_check(s, config, &err),
                     MMU_ERR_INVALID); /* the second level serves fetches: none came */
    assert_non_null(strstr(err.message, "next level"));
    config->tlb[2].kinds = 1 << MMU_LOAD | 1 << MMU_STORE;
    if (mmu_stats_check(s, config, &err))
        fail_msg("%s", err.message);
    s->walk.started[MMU_FETCH] = s->walk.completed[MMU_FETCH] = 6;
    s->walk.completed_page[MMU_4K]--;
    assert_int_equal(mmu_stats_check(s, config, &err), MMU_ERR_INVALID);
    assert_non_null(strstr(err.message, "walks started"));
    free(s);
    free(config);
}

/* A stall can be negative in a difference: the earlier snapshot booked a tail that later accesses then
 * overlapped. */
static void test_negative_stalls(void **state)
{
    (void)state;
    struct mmu_config *config = make_config();
    struct mmu_stats *s = make_stats();
    s->cycles.stalled[MMU_PART_SECOND] = -(uint64_t)50;
    s->cycles.elapsed[0] -= 150;
    assert_int_equal(mmu_stats_check(s, config, NULL), MMU_OK);
    free(s);
    free(config);
}

/* In a unified paging-structure cache a level's fills evict another level's entries, also those from before
 * the difference: level by level there may be more evictions than fills, in all there may not. */
static void test_unified_evictions(void **state)
{
    (void)state;
    struct mmu_config *config = make_config();
    struct mmu_stats *s = make_stats();
    struct mmu_error err = {0};
    s->psc[MMU_PSC_PML4E].evictions[0] = s->psc[MMU_PSC_PML4E].fills[0] + 1;
    s->psc[MMU_PSC_PDE].fills[0] += 1;
    assert_int_equal(mmu_stats_check(s, config, &err), MMU_ERR_INVALID);
    config->psc.unified = true;
    if (mmu_stats_check(s, config, &err))
        fail_msg("%s", err.message);
    for (unsigned i = 0; i < MMU_PSC_LEVELS; i++)
        s->psc[i].evictions[0] = s->psc[i].fills[0];
    s->psc[MMU_PSC_PML4E].evictions[0]++;
    assert_int_equal(mmu_stats_check(s, config, &err), MMU_ERR_INVALID);
    assert_non_null(strstr(err.message, "of all levels"));
    free(s);
    free(config);
}

/* Each line breaks one identity; the message must name what it is about. */
static void test_identities_break(void **state)
{
    (void)state;
    struct mmu_config *config = make_config();
    struct mmu_stats *s = make_stats();
    const struct {
        uint64_t *word;
        uint64_t value;
        const char *about;
    } breaks[] = {
        {&s->run.crossings[MMU_STORE], 21, "crossings"},
        {&s->run.instructions[0], 1, "instructions"},
        {&s->run.faults_resolved[0], 2, "resolved"},
        {&s->run.faults_spurious[0], 1, "spurious"},
        {&s->tlb[1].hits_page[MMU_4K], 105, "DTLB: hits by kind"},
        {&s->tlb[1].merged[MMU_LOAD], 91, "merged"},
        {&s->tlb[0].misses[MMU_LOAD], 1, "ITLB"},
        {&s->tlb[1].dirty_walks[0], 17, "dirty walks"},
        {&s->tlb[1].evictions[0], 14, "evictions"},
        {&s->tlb[2].misses[MMU_LOAD], 5, "level 2: misses of its structures"},
        {&s->level[0].accesses[MMU_LOAD], 101, "level 1: look-ups of a kind"},
        {&s->level[0].accesses[MMU_FETCH + MMU_KINDS * MMU_SUPERVISOR], 1, "level 1: look-ups of a kind"},
        {&s->walk.dirty[0], 2, "dirty walks"},
        {&s->walk.merged[MMU_STORE], 1, "merged misses"},
        {&s->walk.started[MMU_LOAD], 5, "walks started"},
        {&s->walk.completed[MMU_LOAD], 4, "started of a kind"},
        {&s->walk.completed_page[MMU_2M], 1, "completed by page size"},
        {&s->walk.waits[0], 10, "waited"},
        {&s->run.faults_pf[0], 0, "faulted"},
        {&s->walk.references[0], 13, "references"},
        {&s->reads[0][MMU_PLACE_L1], 7, "references"},
        {&s->walk.dirty_set[0], 10, "dirty flags"},
        {&s->walk.accessed_set[0], 13, "accessed flags"},
        {&s->walk.active[0], 91, "walker busy"},
        {&s->walk.active[0], 89, "only walker"},
        {&s->walk.completed_kind_page[MMU_4K + MMU_PAGES * MMU_LOAD], 2, "completed of a page size"},
        {&s->walk.pending_kind[MMU_LOAD], 41, "only walker busy for a kind"},
        {&s->walk.active_kind[MMU_LOAD], 41, "busy for a kind"},
        {&s->walk.active_kind[MMU_STORE], 49, "only walker busy for a kind"},
        {&s->walk.fetch_reads[MMU_PLACE_L1], 9, "fetches' walks"},
        {&s->walk_latency.count, 8, "walk latency: count"},
        {&s->walk_latency.sum, 91, "walk latency: sum"},
        {&s->psc[MMU_PSC_PML4E].hits[0], 2, "hits of all levels"},
        {&s->psc[MMU_PSC_PML4E].probes[0], 10, "probes"},
        {&s->psc[MMU_PSC_PML4E].evictions[0], 2, "evictions"},
        {&s->cycles.elapsed[0], 299, "elapsed"},
        {&s->cycles.charged[MMU_PART_SECOND], 84, "stalled translation"},
        {&s->level[1].accesses[MMU_LOAD], 9, "level 2: look-ups of a kind"},
        {&s->level[1].misses[MMU_LOAD + MMU_KINDS * MMU_SUPERVISOR], 1, "level 2"},
        {&s->cycles.charged[MMU_PART_WAIT], 6, "wait for a walker"},
        {&s->cycles.charged[MMU_PART_THIRD], 1, "level that does not exist"},
        {&s->cycles.charged[MMU_PART_READ + MMU_PLACE_L2], 1, "PTE read, hit in L2"},
    };
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
        uint64_t saved = *breaks[i].word;
        struct mmu_error err = {0};
        *breaks[i].word = breaks[i].value;
        if (mmu_stats_check(s, config, &err) != MMU_ERR_INVALID)
            fail_msg("break %zu (%s) passes", i, breaks[i].about);
        if (!strstr(err.message, breaks[i].about))
            fail_msg("break %zu (%s) says: %s", i, breaks[i].about, err.message);
        *breaks[i].word = saved;
    }
    assert_int_equal(mmu_stats_check(s, config, NULL), MMU_OK);
    free(s);
    free(config);
}

static void test_difference_and_sum(void **state)
{
    (void)state;
    struct mmu_stats *early = make_stats(), *late = make_stats(), *out = calloc(1, sizeof *out);
    struct mmu_config *config = make_config();
    assert_non_null(out);
    struct mmu_stats *more = make_stats();
    mmu_stats_add(late, more);
    late->walk_latency.max = 77;
    mmu_stats_difference(out, late, early);
    assert_int_equal(out->walk_latency.max, 77); /* the later snapshot's: documented */
    assert_int_equal(out->walk_latency.bin[10], 9);
    assert_int_equal(mmu_stats_check(out, config, NULL), MMU_OK);
    out->walk_latency.max = early->walk_latency.max;
    assert_memory_equal(out, early, sizeof *out);
    mmu_stats_difference(late, late, early); /* out may be either argument */
    late->walk_latency.max = early->walk_latency.max;
    assert_memory_equal(late, early, sizeof *late);
    mmu_stats_difference(late, early, late);
    memset(out, 0, sizeof *out);
    out->walk_latency.max = early->walk_latency.max;
    assert_memory_equal(late, out, sizeof *late);
    late->walk_latency.max = 5;
    mmu_stats_add(late, early);
    assert_int_equal(late->walk_latency.max, 10);
    free(early);
    free(late);
    free(more);
    free(out);
    free(config);
}

static void test_histogram_bins(void **state)
{
    (void)state;
    assert_int_equal(histogram_far_bin(MMU_HISTOGRAM_EXACT), 0);
    assert_int_equal(histogram_far_bin(UINT64_MAX), MMU_HISTOGRAM_FAR - 1);
    assert_true(histogram_far_value(MMU_HISTOGRAM_FAR - 1) == UINT64_MAX);
    for (unsigned bin = 0; bin + 1 < MMU_HISTOGRAM_FAR; bin++) {
        uint64_t last = histogram_far_value(bin);
        assert_int_equal(histogram_far_bin(last), bin);
        assert_int_equal(histogram_far_bin(last + 1), bin + 1);
        uint64_t first = bin ? histogram_far_value(bin - 1) + 1 : MMU_HISTOGRAM_EXACT;
        assert_true(last - first < first / 64 + 1); /* a bin is at most 1/64 of its values wide */
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Percentiles against sorting, over values below and above the exact bins. */
static void test_percentiles(void **state)
{
    (void)state;
    enum { N = 1000 };
    static uint64_t values[N];
    struct mmu_histogram *h = calloc(1, sizeof *h);
    assert_non_null(h);
    assert_int_equal(mmu_histogram_percentile(h, 50), 0);
    uint64_t seed = 20240611;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < N; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        values[i] = (seed >> 33) % (i % 4 ? 4096 : 1000000);
        histogram_add(h, values[i]);
    }
    qsort(values, N, sizeof *values, by_value);
    assert_int_equal(h->max, values[N - 1]);
    static const double PERCENT[] = {0.001, 0.1, 1, 10, 50, 75, 90, 95, 99, 99.9, 100};
    static const unsigned RANK[] = {1, 1, 10, 100, 500, 750, 900, 950, 990, 999, 1000};
    for (unsigned i = 0; i < sizeof RANK / sizeof *RANK; i++) {
        uint64_t got = mmu_histogram_percentile(h, PERCENT[i]), exact = values[RANK[i] - 1];
        if (exact < MMU_HISTOGRAM_EXACT)
            assert_int_equal(got, exact);
        assert_true(got >= exact && got <= exact + exact / 64);
        assert_true(got <= h->max);
    }
    free(h);
}

static void test_rank_is_nearest(void **state)
{
    (void)state;
    struct mmu_histogram *h = calloc(1, sizeof *h);
    assert_non_null(h);
    histogram_add(h, 7);
    assert_int_equal(mmu_histogram_percentile(h, 0.5), 7);
    histogram_add(h, 9);
    assert_int_equal(mmu_histogram_percentile(h, 50), 7); /* rank 1 of 2, not interpolated */
    assert_int_equal(mmu_histogram_percentile(h, 50.1), 9);
    assert_int_equal(mmu_histogram_percentile(h, 100), 9);
    histogram_add(h, UINT64_MAX);
    assert_true(mmu_histogram_percentile(h, 100) == UINT64_MAX);
    free(h);
}

static void test_part_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MMU_PARTS; i++) {
        assert_non_null(mmu_part_name((enum mmu_part)i));
        assert_non_null(mmu_part_text((enum mmu_part)i));
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(mmu_part_name((enum mmu_part)i), mmu_part_name((enum mmu_part)j));
    }
    assert_string_equal(mmu_part_name(MMU_PART_SECOND), "second");
    assert_string_equal(mmu_part_name(MMU_PART_READ + 1 * MMU_PLACES + MMU_PLACE_L2), "read.pde.l2");
    assert_string_equal(mmu_part_text(MMU_PART_READ + 4 * MMU_PLACES + MMU_PLACE_MEMORY),
                        "PML5E read, from memory");
    assert_string_equal(mmu_part_name(MMU_PART_AD), "ad");
    assert_string_equal(mmu_part_name(MMU_PARTS), "unknown");
    assert_true(mmu_part_is_translation(MMU_PART_READ_LAST));
    assert_true(mmu_part_is_translation(MMU_PART_MERGE));
    assert_false(mmu_part_is_translation(MMU_PART_DATA));
    assert_false(mmu_part_is_translation(MMU_PART_FAULT));
    assert_false(mmu_part_is_translation(MMU_PART_BARRIER));
}

enum { MAX_COUNTERS = 1000 };
struct seen {
    size_t n;
    char path[MAX_COUNTERS][128];
    uint64_t value[MAX_COUNTERS];
};

static void collect(void *ctx, const struct mmu_counter *counter)
{
    struct seen *seen = ctx;
    assert_true(seen->n < MAX_COUNTERS);
    assert_true(counter->unit[0] && counter->definition[0]);
    snprintf(seen->path[seen->n], sizeof seen->path[0], "%s", counter->path);
    seen->value[seen->n++] = counter->value;
}

static bool has_path(const struct seen *seen, const char *path, uint64_t *value)
{
    for (size_t i = 0; i < seen->n; i++)
        if (!strcmp(seen->path[i], path)) {
            *value = seen->value[i];
            return true;
        }
    return false;
}

static void assert_value(const struct seen *seen, const char *path, uint64_t expected)
{
    uint64_t value = 0;
    if (!has_path(seen, path, &value))
        fail_msg("no counter %s", path);
    assert_int_equal(value, expected);
}

static void test_each_counter(void **state)
{
    (void)state;
    struct mmu_config *config = make_config();
    struct mmu_stats *s = make_stats();
    struct seen *seen = calloc(1, sizeof *seen);
    assert_non_null(seen);
    mmu_stats_each(s, config, collect, seen);
    assert_value(seen, "run.accesses.store.user", 20);
    assert_value(seen, "run.faults_pf", 1);
    assert_value(seen, "level.2.misses.load.user", 4);
    assert_value(seen, "tlb.DTLB.hits.store", 16);
    assert_value(seen, "tlb.STLB.hits_page.4k", 7);
    assert_value(seen, "tlb.DTLB.flushed.pcid_limit", 0);
    assert_value(seen, "psc.pde.hits", 8);
    assert_value(seen, "walk.started.store", 5);
    assert_value(seen, "walk.completed_page.4k", 8);
    assert_value(seen, "walk.completed_kind_page.store.4k", 5);
    assert_value(seen, "walk.pending_kind.load", 40);
    assert_value(seen, "walk.fetch_reads.l2", 0);
    assert_value(seen, "reads.pte.l1", 8);
    assert_value(seen, "walk_latency.sum", 90);
    assert_value(seen, "cycles.elapsed", 300);
    assert_value(seen, "cycles.stalled.read.pte.l1", 80);
    for (size_t i = 0; i < seen->n; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(seen->path[i], seen->path[j]);
    uint64_t value;
    static const char *const ABSENT[] = {"tlb.ITLB.hits.load", "reads.pte.fixed", "reads.pte.l3",
                                         "level.3.misses.load.user", "cycles.charged.third"};
    for (size_t i = 0; i < sizeof ABSENT / sizeof *ABSENT; i++)
        assert_false(has_path(seen, ABSENT[i], &value));
    free(seen);
    free(s);
    free(config);
}

/* What a machine lacks is left out. */
static void test_each_leaves_out(void **state)
{
    (void)state;
    struct mmu_config *config = make_config();
    struct mmu_stats *s = make_stats();
    struct seen *seen = calloc(1, sizeof *seen);
    assert_non_null(seen);
    config->cpu = (struct mmu_cpu){.pse = true};
    config->memory.reads = MMU_READS_FIXED;
    config->psc.array[MMU_PSC_PML5E].entries = 0;
    mmu_stats_each(s, config, collect, seen);
    assert_value(seen, "tlb.DTLB.hits.load", 90);
    assert_value(seen, "tlb.STLB.hits.load", 6);
    assert_value(seen, "reads.pde.fixed", 0);
    assert_value(seen, "walk.completed_page.4m", 0);
    uint64_t value;
    static const char *const ABSENT[] = {"reads.pdpte.fixed",
                                         "reads.pte.l1",
                                         "walk.completed_page.1g",
                                         "walk.completed_kind_page.load.1g",
                                         "walk.fetch_reads.l1",
                                         "psc.pml5e.hits",
                                         "cycles.stalled.read.pml4e.fixed"};
    for (size_t i = 0; i < sizeof ABSENT / sizeof *ABSENT; i++)
        assert_false(has_path(seen, ABSENT[i], &value));
    config->psc.unified = true;
    config->psc.levels = 1 << MMU_PSC_PDPTE;
    seen->n = 0;
    mmu_stats_each(s, config, collect, seen);
    assert_value(seen, "psc.pdpte.probes", 9);
    assert_false(has_path(seen, "psc.pde.probes", &value));
    free(seen);
    free(s);
    free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identities_hold),   cmocka_unit_test(test_identities_break),
        cmocka_unit_test(test_chain_of_levels),   cmocka_unit_test(test_negative_stalls),
        cmocka_unit_test(test_unified_evictions), cmocka_unit_test(test_difference_and_sum),
        cmocka_unit_test(test_histogram_bins),    cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_rank_is_nearest),   cmocka_unit_test(test_part_names),
        cmocka_unit_test(test_each_counter),      cmocka_unit_test(test_each_leaves_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
