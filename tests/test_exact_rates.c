/*
 * test_exact_rates.c: rates and counts that are known without simulating: miss rates of uniformly random
 * pages, entries read by a walk, and the number of pages at which a cyclic chase begins to miss.
 */
#include "dice.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Random pages. With P pages, spread evenly over the sets, and every way full, an access finds its page among
 * the 64 of the first level with probability 64/P whatever came before, so that misses are independent draws:
 * n of them stray by sqrt(p (1 - p) / n). n is chosen to put five of these below the tolerance; the seeds are
 * fixed besides. The second level holds 1536 of the P, and hardly ever lacks one of the first level's.
 */
enum { BATCH = 1 << 16, BASE = 1 << 30 };
#define TOLERANCE 0.001

static void random_config(struct mmu_config *c)
{
    mmu_config_init(c);
    snprintf(c->name, sizeof c->name, "64x4 + 1536x12");
    c->levels = 2;
    c->level[1].latency = 9;
    c->tlbs = 2;
    c->tlb[0] = (struct mmu_tlb_config){.name = "DTLB",
                                        .level = 1,
                                        .kinds = 6,
                                        .pages = 1 << MMU_4K,
                                        .entries = 64,
                                        .ways = 4,
                                        .policy = MMU_LRU};
    c->tlb[1] = (struct mmu_tlb_config){.name = "STLB",
                                        .level = 2,
                                        .kinds = 6,
                                        .pages = 1 << MMU_4K,
                                        .entries = 1536,
                                        .ways = 12,
                                        .policy = MMU_LRU};
}

static void run_random(struct mmu_core *core, unsigned pages, uint64_t n, struct dice *dice)
{
    static struct mmu_access access[BATCH];
    for (uint64_t left = n; left;) {
        size_t m = left < BATCH ? (size_t)left : BATCH;
        for (size_t i = 0; i < m; i++) {
            uint64_t r = dice_next(dice);
            mmu_va page = (r >> 32) * pages >> 32;
            access[i] =
                (struct mmu_access){.va = BASE + (page << 12) + (r & 0xff8), .size = 8, .kind = MMU_LOAD};
        }
        assert_int_equal(mmu_core_run(core, access, m, NULL), MMU_OK);
        left -= m;
    }
}

/* One pass over all pages: maps them and fills every way. */
static void touch_all(struct mmu_core *core, unsigned pages)
{
    for (unsigned p = 0; p < pages; p++) {
        struct mmu_access a = {.va = BASE + ((mmu_va)p << 12), .size = 1, .kind = MMU_LOAD};
        assert_int_equal(mmu_core_run(core, &a, 1, NULL), MMU_OK);
    }
}

static uint64_t sum(const uint64_t *counter, size_t n)
{
    uint64_t s = 0;
    for (size_t i = 0; i < n; i++)
        s += counter[i];
    return s;
}

static void random_pages(const struct mmu_config *config, unsigned pages, struct dice *dice)
{
    struct mmu_machine *machine;
    static struct mmu_stats before, stats;
    assert_int_equal(mmu_machine_create(config, NULL, &machine, NULL), MMU_OK);
    struct mmu_core *core = mmu_machine_core(machine, 0);
    double miss = 1 - 64.0 / pages, walk = pages > 1536 ? 1 - 1536.0 / pages : 0;
    double worst = fmax(miss * (1 - miss), walk * (1 - walk));
    uint64_t n = (uint64_t)(25 * worst / (TOLERANCE * TOLERANCE)) + 100000;
    touch_all(core, pages);
    run_random(core, pages, 16 * (uint64_t)pages, dice);
    mmu_core_stats(core, &before);
    run_random(core, pages, n, dice);
    mmu_core_stats(core, &stats);
    mmu_stats_difference(&stats, &stats, &before);
    double misses = (double)sum(stats.level[0].misses, MMU_KINDS * MMU_PRIVS) / (double)n;
    double walks = (double)sum(stats.walk.started, MMU_KINDS) / (double)n;
    if (fabs(misses - miss) > TOLERANCE || fabs(walks - walk) > TOLERANCE || (walk == 0 && walks != 0))
        fail_msg("%s, %u pages: missed %.5f, expected %.5f; walked %.5f, expected %.5f", config->name, pages,
                 misses, miss, walks, walk);
    assert_int_equal(sum(stats.level[0].accesses, MMU_KINDS * MMU_PRIVS), n);
    assert_int_equal(sum(stats.level[1].accesses, MMU_KINDS * MMU_PRIVS),
                     sum(stats.level[0].misses, MMU_KINDS * MMU_PRIVS));
    mmu_core_check(core);
    mmu_machine_free(machine);
}

static void test_random_pages(void **state)
{
    (void)state;
    static const unsigned pages[] = {128, 256, 1024, 1536, 1664, 1792, 2048, 3072, 8192, 65536};
    struct mmu_config config;
    struct dice dice = dice_new("random pages", 1);
    random_config(&config);
    for (unsigned i = 0; i < sizeof pages / sizeof *pages; i++)
        random_pages(&config, pages[i], &dice);
}

/* Skylake's own policies and its XOR index: blocks of 128 pages fall one into each set, so that the same
 * rates hold. */
static void test_random_pages_skylake(void **state)
{
    (void)state;
    static const unsigned pages[] = {256, 1536, 2048, 16384};
    struct mmu_config config;
    struct mmu_error error;
    struct dice dice = dice_new("random pages, skylake-sp", 2);
    if (mmu_config_load(&config, MMUSIM_CONFIGS "/skylake-sp.yaml", NULL, 0, &error) != MMU_OK)
        fail_msg("%s", error.message);
    for (unsigned i = 0; i < sizeof pages / sizeof *pages; i++)
        random_pages(&config, pages[i], &dice);
}

/* Entries read by a walk, with none of the paging-structure caches, with the one named, and with all. */
static const struct reads_case {
    enum mmu_mode mode;
    unsigned shift;
    unsigned none, pde, pdpte, pml4e, all;
} reads_case[] = {
    {MMU_MODE_5L, 12, 5, 1, 2, 3, 1},   {MMU_MODE_5L, 21, 4, 4, 1, 2, 1},  {MMU_MODE_5L, 30, 3, 3, 3, 1, 1},
    {MMU_MODE_4L, 12, 4, 1, 2, 3, 1},   {MMU_MODE_4L, 21, 3, 3, 1, 2, 1},  {MMU_MODE_4L, 30, 2, 2, 2, 1, 1},
    {MMU_MODE_PAE, 12, 2, 1, 2, 2, 1},  {MMU_MODE_PAE, 21, 1, 1, 1, 1, 1}, {MMU_MODE_I386, 12, 2, 1, 2, 2, 1},
    {MMU_MODE_I386, 22, 1, 1, 1, 1, 1},
};

static void reads_of(const struct reads_case *c, unsigned caches, unsigned expected)
{
    enum { WALKS = 20 };
    struct mmu_config config;
    struct rig rig;
    struct mmu_stats stats;
    rig_config(&config);
    config.levels = 0;
    config.tlbs = 0;
    for (unsigned l = 0; l < MMU_PSC_LEVELS; l++)
        if (!(caches >> l & 1))
            config.psc.array[l] = (struct mmu_psc_array){0};
    rig_start(&rig, &config, c->mode);
    mmu_va va = UINT64_C(0x40000000);
    for (unsigned page = 0; page < 2; page++)
        rig_map(&rig, va + ((mmu_va)page << c->shift), (mmu_pa)page << c->shift, c->shift,
                RIG_P | RIG_W | RIG_U);
    rig_expect(&rig, MMU_LOAD, MMU_USER, va, 0);
    assert_int_equal(rig_references(&rig), c->none); /* nothing was cached for the first */
    for (unsigned i = 0; i < WALKS; i++)
        rig_expect(&rig, MMU_LOAD, MMU_USER, va + ((mmu_va)(i & 1) << c->shift) + 8,
                   ((mmu_pa)(i & 1) << c->shift) + 8);
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.walk.started[MMU_LOAD], WALKS + 1);
    assert_int_equal(stats.walk.references[0], c->none + WALKS * expected);
    unsigned leaf = c->shift == 12 ? 1 : c->shift == 30 ? 3 : 2;
    for (unsigned level = 1; level <= MMU_WALK_LEVELS; level++) {
        bool first = level >= leaf && level < leaf + c->none, each = level >= leaf && level < leaf + expected;
        assert_int_equal(stats.reads[level - 1][MMU_PLACE_FIXED], first + WALKS * each);
    }
    rig_stop(&rig);
}

static void test_references_per_walk(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof reads_case / sizeof *reads_case; i++) {
        const struct reads_case *c = &reads_case[i];
        reads_of(c, 0, c->none);
        reads_of(c, 1u << MMU_PSC_PDE, c->pde);
        reads_of(c, 1u << MMU_PSC_PDPTE, c->pdpte);
        reads_of(c, 1u << MMU_PSC_PML4E, c->pml4e);
        reads_of(c, 15, c->all);
    }
}

/*
 * Cyclic chases: over N pages, s pages apart, again and again. As long as no set gets more pages than it has
 * ways, nothing misses after the first lap, whatever the policy; one page more and every lap misses. Under
 * LRU all pages of an overfull set miss.
 */
struct array {
    unsigned sets, ways; /* ways: of all structures of the level that hold 4-KByte pages of this kind */
    bool xor_index, lru;
};

/* The 4-KByte structures of a level; sets == 0: none. */
static struct array array_of(const struct mmu_config *c, unsigned level, enum mmu_kind kind)
{
    struct array a = {0};
    for (unsigned i = 0; i < c->tlbs; i++) {
        const struct mmu_tlb_config *t = &c->tlb[i];
        if (t->level != level || !(t->kinds >> kind & 1) || !(t->pages >> MMU_4K & 1))
            continue;
        if (a.sets)
            assert_int_equal(a.sets, t->entries / t->ways);
        a.sets = t->entries / t->ways;
        a.ways += t->ways;
        a.xor_index = t->index == MMU_INDEX_XOR;
        a.lru = t->policy == MMU_LRU;
    }
    return a;
}

static unsigned set_of(const struct array *a, uint64_t vpn)
{
    unsigned bits = 0;
    while (a->xor_index && 1u << bits < a->sets)
        bits++;
    return a->xor_index ? (unsigned)((vpn ^ vpn >> bits) % a->sets) : (unsigned)(vpn % a->sets);
}

/* How many pages, stride apart, fit. */
static unsigned capacity(const struct array *a, unsigned stride)
{
    unsigned *count = calloc(a->sets, sizeof *count);
    unsigned n = 0;
    assert_non_null(count);
    while (count[set_of(a, (BASE >> 12) + (uint64_t)n * stride)]++ < a->ways)
        n++;
    free(count);
    return n;
}

/* Misses of one lap, after three, that were found in no structure of `level`. */
static uint64_t misses_of_lap(const struct mmu_config *config, unsigned level, enum mmu_kind kind,
                              unsigned pages, unsigned stride)
{
    static struct mmu_stats stats, before;
    struct mmu_machine *machine;
    struct mmu_access *lap = calloc(pages, sizeof *lap);
    assert_non_null(lap);
    assert_int_equal(mmu_machine_create(config, NULL, &machine, NULL), MMU_OK);
    struct mmu_core *core = mmu_machine_core(machine, 0);
    for (unsigned i = 0; i < pages; i++)
        lap[i] =
            (struct mmu_access){.va = BASE + ((mmu_va)i * stride << 12), .size = 1, .kind = (uint8_t)kind};
    for (unsigned i = 0; i < 4; i++) {
        mmu_core_stats(core, &before);
        assert_int_equal(mmu_core_run(core, lap, pages, NULL), MMU_OK);
    }
    mmu_core_stats(core, &stats);
    mmu_stats_difference(&stats, &stats, &before);
    assert_int_equal(stats.run.faults_pf[0], 0);
    mmu_core_check(core);
    mmu_machine_free(machine);
    free(lap);
    return stats.level[level - 1].misses[kind];
}

static unsigned chase(const struct mmu_config *config, unsigned level, enum mmu_kind kind)
{
    static const unsigned strides[] = {1, 2, 3, 8, 16, 64, 129};
    struct array a = array_of(config, level, kind);
    unsigned steps = 0;
    for (unsigned i = 0; a.sets && i < sizeof strides / sizeof *strides; i++) {
        unsigned fits = capacity(&a, strides[i]);
        if (strides[i] > 16 && config->cpu.maxphyaddr == 32 && fits > 1024)
            continue; /* the address space ends */
        assert_true(fits >= a.ways);
        struct array first = array_of(config, 1, kind);
        if (level > 1 && first.sets && capacity(&first, strides[i]) > fits)
            continue; /* the first level holds them all */
        uint64_t within = misses_of_lap(config, level, kind, fits, strides[i]);
        uint64_t beyond = misses_of_lap(config, level, kind, fits + 1, strides[i]);
        if (within != 0 || beyond == 0 || beyond > fits + 1 || (a.lru && level == 1 && beyond != a.ways + 1))
            fail_msg("%s, level %u, kind %u, stride %u: %u pages miss %u times, one more %u times",
                     config->name, level, kind, strides[i], fits, (unsigned)within, (unsigned)beyond);
        steps++;
    }
    return steps;
}

static const char *const shipped[] = {"80386",    "80486",       "pentium",      "pentium3", "pentium4",
                                      "core2",    "nehalem",     "sandy-bridge", "haswell",  "skylake-sp",
                                      "ice-lake", "golden-cove", "zen2",         "zen3",     "zen4"};

static void test_cyclic_chases(void **state)
{
    (void)state;
    static const char *const sets[] = {"memory.reads=fixed", "memory.read-latency=5", "pager.page=4K"};
    for (unsigned i = 0; i < sizeof shipped / sizeof *shipped; i++) {
        struct mmu_config config;
        struct mmu_error error;
        char path[512];
        snprintf(path, sizeof path, "%s/%s.yaml", MMUSIM_CONFIGS, shipped[i]);
        if (mmu_config_load(&config, path, sets, 3, &error) != MMU_OK)
            fail_msg("%s: %s", path, error.message);
        unsigned steps = 0;
        for (unsigned level = 1; level <= config.levels; level++)
            for (unsigned kind = MMU_FETCH; kind <= MMU_LOAD; kind++)
                steps += chase(&config, level, (enum mmu_kind)kind);
        assert_true(steps >= 10);
    }
}

/* The whole curve of one LRU array: below the capacity nothing, then set after set tips over, then everything
 * misses. */
static void test_lru_curve(void **state)
{
    (void)state;
    struct mmu_config config;
    random_config(&config);
    for (unsigned n = 56; n <= 96; n++) {
        unsigned over = n <= 64 ? 0 : n - 64 < 16 ? n - 64 : 16;
        unsigned expected = n >= 80 ? n : over * 5;
        assert_int_equal(misses_of_lap(&config, 1, MMU_LOAD, n, 1), expected);
    }
    for (unsigned n = 1530; n <= 1700; n += 17) {
        unsigned over = n <= 1536 ? 0 : n - 1536 < 128 ? n - 1536 : 128;
        unsigned expected = n >= 1664 ? n : over * 13;
        assert_int_equal(misses_of_lap(&config, 2, MMU_LOAD, n, 1), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_pages),        cmocka_unit_test(test_random_pages_skylake),
        cmocka_unit_test(test_references_per_walk), cmocka_unit_test(test_cyclic_chases),
        cmocka_unit_test(test_lru_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
