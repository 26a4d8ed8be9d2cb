/*
 * test_pcache.c: the caches that page-table reads go through: where a read hits, what it costs, what it
 * fills, and lines that are still being brought.
 */
#include "dice.h"
#include "pcache.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void cache(struct mmu_memory_config *m, uint64_t size, uint32_t ways, uint32_t latency,
                  uint32_t policy)
{
    struct mmu_cache_config *c = &m->cache[m->caches++];
    *c = (struct mmu_cache_config){
        .size = size, .ways = ways, .line = 64, .latency = latency, .policy = policy};
    snprintf(c->name, sizeof c->name, "L%u", m->caches);
}

static void memory_of(struct mmu_memory_config *m)
{
    memset(m, 0, sizeof *m);
    m->reads = MMU_READS_CACHED;
    m->dram_latency = 200;
    cache(m, 1024, 2, 4, MMU_LRU);  /* 8 sets */
    cache(m, 4096, 4, 14, MMU_LRU); /* 16 sets */
    cache(m, 9216, 3, 44, MMU_LRU); /* 48 sets: no power of two */
}

static void expect(struct pcache *c, mmu_pa pa, mmu_cycle now, enum mmu_place place, uint32_t cycles,
                   mmu_cycle ready)
{
    struct pcache_read r = pcache_read(c, pa, now);
    assert_int_equal(r.place, place);
    assert_int_equal(r.cycles, cycles);
    assert_int_equal(r.ready, ready);
}

static void test_levels(void **state)
{
    (void)state;
    struct mmu_memory_config m;
    struct pcache c;
    uint64_t clock = 0;
    struct repl_context context = {.seed = 1, .clock = &clock};
    memory_of(&m);
    assert_int_equal(pcache_init(&c, &m, true, &context), MMU_OK);
    expect(&c, 0x10000, 100, MMU_PLACE_MEMORY, 200, 0);
    expect(&c, 0x1003f, 150, MMU_PLACE_L1, 4,
           300); /* the same line, still on its way: ready at 300, then 4 more */
    expect(&c, 0x10040, 150, MMU_PLACE_MEMORY, 200, 0); /* the next line */
    expect(&c, 0x10000, 400, MMU_PLACE_L1, 4, 300);     /* long here */
    expect(&c, 0x10000 + 512, 400, MMU_PLACE_MEMORY, 200, 0);
    expect(&c, 0x10000 + 1024, 400, MMU_PLACE_MEMORY, 200,
           0); /* the third line of a set of two: the first goes */
    expect(&c, 0x10000, 1000, MMU_PLACE_L2, 14, 300);
    expect(&c, 0x10000, 1001, MMU_PLACE_L1, 4, 1014); /* what the second level brings takes its 14 cycles */
    expect(&c, BIT(51), 5000, MMU_PLACE_MEMORY, 200, 0);
    pcache_destroy(&c);
}

/* A naive twin: per level and set a list of lines, the most recent first. */
struct twin {
    unsigned sets, ways;
    uint64_t line[48][40];
    mmu_cycle ready[48][40];
    unsigned n[48];
};

static bool twin_use(struct twin *t, uint64_t line, mmu_cycle *ready)
{
    unsigned s = (unsigned)(line % t->sets);
    for (unsigned i = 0; i < t->n[s]; i++) {
        if (t->line[s][i] != line)
            continue;
        *ready = t->ready[s][i];
        memmove(&t->line[s][1], &t->line[s][0], i * sizeof t->line[s][0]);
        memmove(&t->ready[s][1], &t->ready[s][0], i * sizeof t->ready[s][0]);
        t->line[s][0] = line;
        t->ready[s][0] = *ready;
        return true;
    }
    return false;
}

static void twin_fill(struct twin *t, uint64_t line, mmu_cycle ready)
{
    unsigned s = (unsigned)(line % t->sets);
    t->n[s] += t->n[s] < t->ways;
    memmove(&t->line[s][1], &t->line[s][0], (t->n[s] - 1) * sizeof t->line[s][0]);
    memmove(&t->ready[s][1], &t->ready[s][0], (t->n[s] - 1) * sizeof t->ready[s][0]);
    t->line[s][0] = line;
    t->ready[s][0] = ready;
}

/* Random reads against naive twins; of lines that stand `apart` bytes apart, too. */
static void compare(const struct mmu_memory_config *m, uint64_t apart, unsigned rounds)
{
    enum { LEVELS = 3 };
    static struct twin twin[LEVELS];
    struct dice dice = dice_new("pcache", 1 + apart);
    struct pcache c;
    uint64_t clock = 0, seen[MMU_PLACES] = {0};
    struct repl_context context = {.seed = 1, .clock = &clock};
    assert_int_equal(pcache_init(&c, m, true, &context), MMU_OK);
    for (unsigned l = 0; l < LEVELS; l++)
        twin[l] = (struct twin){.sets = (unsigned)(m->cache[l].size / 64 / m->cache[l].ways),
                                .ways = m->cache[l].ways};
    mmu_cycle now = 0;
    for (unsigned i = 0; i < rounds; i++) {
        mmu_pa pa = UINT64_C(0x123400000) + dice_below(&dice, dice_once_in(&dice, 3) ? 64 * 400 : 64 * 40);
        if (apart && i > rounds / 4) /* at first none is there */
            pa += apart * dice_below(&dice, 2);
        now += dice_below(&dice, 30);
        unsigned at = 0;
        mmu_cycle ready = 0;
        while (at < LEVELS && !twin_use(&twin[at], pa / 64, &ready))
            at++;
        uint32_t cycles = at < LEVELS ? m->cache[at].latency : m->dram_latency;
        expect(&c, pa, now, at < LEVELS ? MMU_PLACE_L1 + at : MMU_PLACE_MEMORY, cycles, ready);
        seen[at < LEVELS ? MMU_PLACE_L1 + at : MMU_PLACE_MEMORY]++;
        for (unsigned l = 0; l < at; l++)
            twin_fill(&twin[l], pa / 64, (now > ready ? now : ready) + cycles);
    }
    for (unsigned p = MMU_PLACE_L1; p <= MMU_PLACE_L3; p++)
        assert_true(seen[p] > 1000);
    assert_true(seen[MMU_PLACE_MEMORY] > 1000);
    pcache_destroy(&c);
}

static void test_random(void **state)
{
    (void)state;
    struct mmu_memory_config m;
    memory_of(&m);
    compare(&m, 0, 200000);
    /* far apart: tags of 32 bits do not tell the lines of one set apart, at any of the levels */
    for (unsigned l = 0; l < 3; l++)
        compare(&m, (BIT(32) - 1) * (m.cache[l].size / m.cache[l].ways), 50000);
    compare(&m, BIT(51), 50000);
    compare(&m, BIT(38) * 3, 50000);
    m.caches = 0; /* more ways */
    cache(&m, 64 * 8 * 2, 8, 4, MMU_LRU);
    cache(&m, 64 * 11 * 7, 11, 14, MMU_LRU);
    cache(&m, 64 * 20 * 9, 20, 44, MMU_LRU);
    compare(&m, 0, 100000);
    compare(&m, (BIT(32) - 1) * 64 * 7, 50000);
    m.caches = 1;
    cache(&m, 64 * 16 * 4, 16, 14, MMU_LRU);
    cache(&m, 64 * 40 * 4, 40, 44, MMU_LRU);
    compare(&m, 0, 100000);
}

/* Walks through the caches: a cold one pays memory for every entry; its neighbours find their entries beside
 * those read before. */
static void test_walks(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_stats stats;
    struct rig rig;
    rig_config(&config);
    config.levels = 0;
    config.tlbs = 0;
    memset(&config.psc, 0, sizeof config.psc);
    memory_of(&config.memory);
    config.memory.cache[0].size = 4096; /* 8 ways: the first lines of four tables share a set */
    config.memory.cache[0].ways = 8;
    config.walk.start = 0;
    config.walk.ad_update = 0;
    rig_start(&rig, &config, MMU_MODE_4L);
    for (unsigned p = 0; p < 16; p++)
        rig_map(&rig, (mmu_va)p << 12, 0x1000, 12, RIG_P | RIG_U);
    struct mmu_result r = rig_access(&rig, MMU_LOAD, MMU_USER, 0);
    assert_int_equal(r.completed - r.issued, 4 * 200);
    r = rig_access(&rig, MMU_LOAD, MMU_USER, 7 << 12); /* the eighth entry of 64 bytes */
    assert_int_equal(r.completed - r.issued, 4 * 4);
    r = rig_access(&rig, MMU_LOAD, MMU_USER, 8 << 12);
    assert_int_equal(r.completed - r.issued, 3 * 4 + 200);
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.reads[0][MMU_PLACE_MEMORY], 2);
    assert_int_equal(stats.reads[0][MMU_PLACE_L1], 1);
    assert_int_equal(stats.reads[3][MMU_PLACE_MEMORY], 1);
    assert_int_equal(stats.reads[3][MMU_PLACE_L1], 2);
    assert_int_equal(stats.cycles.charged[MMU_PART_READ + MMU_PLACE_MEMORY], 400);
    assert_int_equal(stats.cycles.charged[MMU_PART_READ + 3 * MMU_PLACES + MMU_PLACE_L1], 8);
    rig_stop(&rig);
}

/* Two walks at once that need the same line: the second waits for it within its walk. */
static void test_lines_under_way(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_ledger ledger;
    struct rig rig;
    rig_config(&config);
    config.levels = 0;
    config.tlbs = 0;
    config.window = 4;
    config.walk.walkers = 2;
    memset(&config.psc, 0, sizeof config.psc);
    memory_of(&config.memory);
    config.walk.start = 0;
    config.walk.ad_update = 0;
    rig_start(&rig, &config, MMU_MODE_I386);
    rig_map(&rig, 0, 0, 22, RIG_P | RIG_U | RIG_A);
    rig_map(&rig, 0x400000, 0, 22, RIG_P | RIG_U | RIG_A);
    mmu_core_set_has_fetches(rig.core, false);
    struct mmu_result r = rig_access(&rig, MMU_LOAD, MMU_USER, 0);
    assert_int_equal(r.completed, 1 + 200);
    r = rig_access(&rig, MMU_LOAD, MMU_USER, 0x400000); /* the next entry of the same line */
    assert_int_equal(r.issued, 2);
    assert_int_equal(r.completed, 201 + 4);
    mmu_core_ledger(rig.core, &ledger);
    assert_int_equal(ledger.n, 2);
    assert_int_equal(ledger.segment[0].part, MMU_PART_MERGE);
    assert_int_equal(ledger.segment[0].cycles, 199);
    assert_int_equal(ledger.segment[1].part, MMU_PART_READ + MMU_PLACES + MMU_PLACE_L1);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_walks),
        cmocka_unit_test(test_lines_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
