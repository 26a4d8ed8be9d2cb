/*
 * test_exact_costs.c: "+L2" and "+Walk", as measured on real processors, come out of each shipped machine.
 *
 * +L2: extra cycles of a first-level miss that hits the second-level TLB. +Walk: extra cycles beyond that (or
 * beyond a first-level hit where there is no second level), with the paging-structure entries in the caches.
 * A hit in the first level costs nothing extra. All are measured as a chase measures them.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BASE = 1 << 30, NONE = -1, UNKNOWN = -2, LAPS = 4 };

/* The published figures, as ranges where the source gives one. NONE: no second level. UNKNOWN: nobody has
 * published it. */
static const struct machine {
    const char *name;
    int second_low, second_high, walk_low, walk_high;
} machine[] = {
    {"80386", NONE, NONE, UNKNOWN, UNKNOWN},
    {"80486", NONE, NONE, UNKNOWN, UNKNOWN},
    {"pentium", NONE, NONE, 18, 18},
    {"pentium3", NONE, NONE, 5, 5},
    {"pentium4", NONE, NONE, 36, 36},
    {"core2", 2, 2, 7, 7},
    {"nehalem", 6, 7, 9, 9},
    {"sandy-bridge", 7, 7, 9, 9},
    {"haswell", 8, 8, 7, 8},
    {"skylake-sp", 9, 9, 10, 10},
    {"ice-lake", 7, 7, 7, 7},
    {"golden-cove", 7, 7, 9, 14},
    {"zen2", 6, 6, 12, 12},
    {"zen3", 5, 5, UNKNOWN, UNKNOWN},
    {"zen4", 5, 5, UNKNOWN, UNKNOWN},
};
enum { MACHINES = sizeof machine / sizeof *machine };

static void load(struct mmu_config *config, const char *name)
{
    char path[512];
    struct mmu_error error;
    snprintf(path, sizeof path, "%s/%s.yaml", MMUSIM_CONFIGS, name);
    if (mmu_config_load(config, path, NULL, 0, &error) != MMU_OK)
        fail_msg("%s: %s", path, error.message);
}

/* 4-KByte loads that a level can hold. */
static unsigned entries_of(const struct mmu_config *c, unsigned level)
{
    unsigned entries = 0;
    for (unsigned i = 0; i < c->tlbs; i++)
        if (c->tlb[i].level == level && (c->tlb[i].kinds >> MMU_LOAD & 1) && (c->tlb[i].pages >> MMU_4K & 1))
            entries += c->tlb[i].entries;
    return entries;
}

/* What one lap of a chase took, by where it was resolved: the most frequent time, and the shortest. */
struct times {
    unsigned n[MMU_AT_FAULT + 1];
    unsigned frequent[MMU_AT_FAULT + 1], shortest[MMU_AT_FAULT + 1];
    uint64_t cycles; /* of the lap, beyond the issue gaps */
};

static void sort_out(struct times *t, const struct mmu_result *result, unsigned pages)
{
    static unsigned count[MMU_AT_FAULT + 1][4096];
    memset(count, 0, sizeof count);
    memset(t, 0, sizeof *t);
    for (unsigned i = 0; i < pages; i++) {
        uint64_t took = result[i].completed - result[i].issued;
        unsigned where = result[i].where;
        assert_int_equal(result[i].outcome, MMU_DONE);
        assert_true(took < 4096);
        t->n[where]++;
        if (++count[where][took] > count[where][t->frequent[where]])
            t->frequent[where] = (unsigned)took;
        if (t->n[where] == 1 || took < t->shortest[where])
            t->shortest[where] = (unsigned)took;
        t->cycles += took;
    }
}

/* The last of some laps over `pages` contiguous pages; its elapsed time is what its accesses took, since each
 * waits for the one before. */
static struct times chase(const struct mmu_config *config, unsigned pages)
{
    struct mmu_machine *m;
    static struct mmu_stats before, after;
    struct times times;
    struct mmu_access *lap = calloc(pages, sizeof *lap);
    struct mmu_result *result = calloc(pages, sizeof *result);
    assert_non_null(lap);
    assert_non_null(result);
    assert_int_equal(mmu_machine_create(config, NULL, &m, NULL), MMU_OK);
    struct mmu_core *core = mmu_machine_core(m, 0);
    for (unsigned i = 0; i < pages; i++)
        lap[i] = (struct mmu_access){.va = BASE + ((mmu_va)i << 12), .size = 1, .kind = MMU_LOAD};
    for (unsigned i = 0; i < LAPS; i++) {
        mmu_core_drain(core);
        mmu_core_stats(core, &before);
        assert_int_equal(mmu_core_run(core, lap, pages, result), MMU_OK);
    }
    mmu_core_stats(core, &after);
    mmu_stats_difference(&after, &after, &before);
    sort_out(&times, result, pages);
    assert_int_equal(after.cycles.elapsed[0], after.cycles.issue[0] + times.cycles);
    assert_int_equal(after.cycles.ideal[0], after.cycles.issue[0]);
    mmu_core_check(core);
    mmu_machine_free(m);
    free(lap);
    free(result);
    return times;
}

static void test_first_level(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MACHINES; i++) {
        struct mmu_config config;
        load(&config, machine[i].name);
        struct times t = chase(&config, 8);
        assert_int_equal(t.n[MMU_AT_L1], 8);
        assert_int_equal(t.cycles, 0);
    }
}

static void test_second_level(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MACHINES; i++) {
        struct mmu_config config;
        const struct machine *m = &machine[i];
        load(&config, m->name);
        assert_int_equal(entries_of(&config, 2) == 0, m->second_low == NONE);
        if (m->second_low == NONE)
            continue;
        struct times t = chase(&config, 2 * entries_of(&config, 1));
        assert_true(t.n[MMU_AT_L2] == 2 * entries_of(&config, 1));
        int took = (int)t.frequent[MMU_AT_L2];
        if (took < m->second_low || took > m->second_high ||
            t.cycles != (uint64_t)t.n[MMU_AT_L2] * t.frequent[MMU_AT_L2])
            fail_msg("%s: +L2 is %d, published %d to %d", m->name, took, m->second_low, m->second_high);
    }
}

/* Contiguous pages beyond everything: of eight walks in a row seven find their entry in the first-level
 * cache. */
static void test_walk(void **state)
{
    (void)state;
    unsigned known = 0;
    for (unsigned i = 0; i < MACHINES; i++) {
        struct mmu_config config;
        const struct machine *m = &machine[i];
        load(&config, m->name);
        unsigned reach = entries_of(&config, 1) + entries_of(&config, 2);
        struct times t = chase(&config, 2 * reach);
        assert_true(t.n[MMU_AT_WALK] > reach);
        int second = config.levels > 1 ? (int)config.level[1].latency : 0;
        int took = (int)t.frequent[MMU_AT_WALK] - second;
        assert_int_equal(t.frequent[MMU_AT_WALK], t.shortest[MMU_AT_WALK]);
        if (m->walk_low == UNKNOWN)
            continue;
        known++;
        if (took < m->walk_low || took > m->walk_high)
            fail_msg("%s: +Walk is %d, published %d to %d", m->name, took, m->walk_low, m->walk_high);
    }
    assert_int_equal(known, MACHINES - 4);
}

/* The ledger of such a walk names the same parts: second-level look-up, start, and one or two reads of the
 * first-level cache. */
static void test_walk_parts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MACHINES; i++) {
        struct mmu_config config;
        struct mmu_machine *m;
        struct mmu_ledger ledger;
        load(&config, machine[i].name);
        assert_int_equal(mmu_machine_create(&config, NULL, &m, NULL), MMU_OK);
        struct mmu_core *core = mmu_machine_core(m, 0);
        struct mmu_access a = {.va = BASE, .size = 1, .kind = MMU_LOAD};
        assert_int_equal(mmu_core_access(core, &a, NULL),
                         MMU_DONE); /* maps the page; its table's line and A flags are in place */
        a.va += 4096;
        assert_int_equal(mmu_core_access(core, &a, NULL), MMU_DONE);
        for (unsigned p = 2; p < 4; p++) { /* maps, then forgets: only the TLBs and paging-structure caches */
            a.va = BASE + p * 4096;
            assert_int_equal(mmu_core_access(core, &a, NULL), MMU_DONE);
        }
        assert_int_equal(mmu_core_set(core, MMU_REG_CR3, mmu_core_get(core, MMU_REG_CR3)), MMU_DONE);
        a.va = BASE;
        assert_int_equal(mmu_core_access(core, &a, NULL),
                         MMU_DONE); /* brings the paging-structure caches back */
        a.va = BASE + 3 * 4096;
        assert_int_equal(mmu_core_access(core, &a, NULL), MMU_DONE);
        mmu_core_ledger(core, &ledger);
        uint64_t sum[MMU_PARTS] = {0};
        for (uint32_t s = 0; s < ledger.n; s++)
            sum[ledger.segment[s].part] += ledger.segment[s].cycles;
        bool cached = config.memory.reads == MMU_READS_CACHED;
        uint32_t read = cached ? config.memory.cache[0].latency : config.memory.read_latency;
        unsigned place = cached ? MMU_PLACE_L1 : MMU_PLACE_FIXED;
        bool pde_cache = config.psc.unified || config.psc.array[MMU_PSC_PDE].entries;
        assert_int_equal(sum[MMU_PART_SECOND], config.levels > 1 ? config.level[1].latency : 0);
        assert_int_equal(sum[MMU_PART_START], config.walk.start);
        assert_int_equal(sum[MMU_PART_PSC], config.psc.latency);
        assert_int_equal(sum[MMU_PART_READ + place], read);
        assert_int_equal(sum[MMU_PART_READ + MMU_PLACES + place], pde_cache ? 0 : read);
        assert_int_equal(sum[MMU_PART_AD] + sum[MMU_PART_WAIT] + sum[MMU_PART_MERGE], 0);
        mmu_machine_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_level),
        cmocka_unit_test(test_second_level),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_walk_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
