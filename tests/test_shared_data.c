/*
 * test_shared_data.c: data accesses through the caches that page-table reads go through: what data costs, how
 * both push each other out, and the ideal clock with the same data times.
 */
#include "dice.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { BASE = 0x20000000, L1 = 4, L2 = 14, MEMORY = 200, LINES = 64 };

static void config_of(struct mmu_config *c)
{
    rig_config(c);
    c->memory.reads = MMU_READS_CACHED;
    c->memory.data = MMU_DATA_SHARED;
    c->memory.dram_latency = MEMORY;
    c->memory.caches = 2;
    c->memory.cache[0] =
        (struct mmu_cache_config){.name = "L1", .size = 1024, .ways = 2, .line = LINES, .latency = L1};
    c->memory.cache[1] =
        (struct mmu_cache_config){.name = "L2", .size = 16384, .ways = 16, .line = LINES, .latency = L2};
    c->walk.ad_update = 0;
}

static void map_pages(struct rig *rig, unsigned pages)
{
    for (unsigned p = 0; p < pages; p++)
        rig_map(rig, BASE + ((mmu_va)p << 12), 0x100000 + ((mmu_pa)p << 12), 12,
                RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
}

static uint64_t part_of(const struct rig *rig, enum mmu_part part)
{
    struct mmu_ledger ledger;
    uint64_t cycles = 0;
    mmu_core_ledger(rig->core, &ledger);
    for (uint32_t i = 0; i < ledger.n; i++)
        cycles += ledger.segment[i].part == part ? ledger.segment[i].cycles : 0;
    return cycles;
}

/* The data time of one access. */
static uint64_t data_of(struct rig *rig, enum mmu_kind kind, mmu_va va, unsigned size)
{
    struct mmu_access a = {.va = va, .size = (uint16_t)size, .kind = (uint8_t)kind};
    assert_int_equal(mmu_core_access(rig->core, &a, NULL), MMU_DONE);
    return part_of(rig, MMU_PART_DATA);
}

static void test_data_times(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    config_of(&config);
    rig_start(&rig, &config, MMU_MODE_4L);
    map_pages(&rig, 20);
    assert_int_equal(data_of(&rig, MMU_LOAD, BASE + 0x080, 4), MEMORY);
    assert_int_equal(data_of(&rig, MMU_LOAD, BASE + 0x0bf, 1), L1);
    assert_int_equal(data_of(&rig, MMU_STORE, BASE + 0x0c0, 4), MEMORY); /* the next line; stores likewise */
    assert_int_equal(data_of(&rig, MMU_FETCH, BASE + 0x400, 4), 0);      /* fetches are not data */
    assert_int_equal(data_of(&rig, MMU_LOAD, BASE + 0x400, 4), MEMORY);  /* and bring nothing */
    assert_int_equal(data_of(&rig, MMU_LOAD, BASE + 0x280, 4), MEMORY);  /* the same set of 8 as 0x080 */
    assert_int_equal(data_of(&rig, MMU_LOAD, BASE + 0x480, 4), MEMORY);
    assert_int_equal(data_of(&rig, MMU_LOAD, BASE + 0x080, 4), L2); /* two ways only */
    assert_int_equal(data_of(&rig, MMU_LOAD, BASE + 0x1ffe, 4),
                     2 * MEMORY); /* crosses: a line of each page */
    assert_int_equal(data_of(&rig, MMU_LOAD, BASE + 0x1ffe, 4), 2 * L1);
    rig_stop(&rig);
}

/* A line that data brought serves a walk, and the other way round; data pushes tables out. */
static void test_shared(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_stats stats;
    struct rig rig;
    config_of(&config);
    rig_start(&rig, &config, MMU_MODE_4L);
    map_pages(&rig, 20);
    mmu_pa table = rig_entry(&rig, rig.root, BASE, 1, 0);
    mmu_va window = BASE + (40 << 12); /* the page table itself, mapped as data */
    rig_map(&rig, window, table & ~UINT64_C(4095), 12, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
    /* the walk for `window` reads entry 40: line 5 of the table. Entry 0 stands in line 0 */
    assert_int_equal(data_of(&rig, MMU_LOAD, window + 40 * 8, 8), L1);
    assert_int_equal(data_of(&rig, MMU_LOAD, window, 8), MEMORY);
    (void)data_of(&rig, MMU_LOAD, BASE, 4); /* its PTE is in the caches now, brought as data */
    assert_int_equal(part_of(&rig, MMU_PART_READ + MMU_PLACE_L1), L1);
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.reads[0][MMU_PLACE_L1], 1);
    assert_int_equal(stats.reads[0][MMU_PLACE_MEMORY], 1);
    for (unsigned p = 1; p < 4;
         p++) /* lines of the set that line 0 of the table is in; their PTEs are in it, too */
        (void)data_of(&rig, MMU_LOAD, BASE + ((mmu_va)p << 12), 4);
    (void)data_of(&rig, MMU_LOAD, BASE + 0x3200, 4);
    (void)data_of(&rig, MMU_LOAD, BASE + 0x3400, 4);
    (void)data_of(&rig, MMU_LOAD, BASE + 0x4000, 4);
    assert_int_equal(part_of(&rig, MMU_PART_READ + MMU_PLACE_L2), L2); /* pushed out of the first level */
    rig_stop(&rig);
}

/* Cycles of the latest access before its first part of this kind. */
static uint64_t before_part(const struct rig *rig, enum mmu_part part)
{
    struct mmu_ledger ledger;
    uint64_t cycles = 0;
    mmu_core_ledger(rig->core, &ledger);
    for (uint32_t i = 0; i < ledger.n && ledger.segment[i].part != part; i++)
        cycles += ledger.segment[i].cycles;
    return cycles;
}

/*
 * Lines on their way, window 4: a walk waits for a line that a load is bringing; a load does not wait for one
 * that a walk is bringing; a prefetch leaves nothing on its way.
 */
static void test_unfinished_lines(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    config_of(&config);
    config.window = 4;
    config.walk.walkers = 2;
    rig_start(&rig, &config, MMU_MODE_4L);
    map_pages(&rig, 32);
    mmu_pa table = rig_entry(&rig, rig.root, BASE, 1, 0);
    mmu_va window = BASE + (40 << 12); /* the page table, mapped as data; its lines have 8 entries */
    rig_map(&rig, window, table & ~UINT64_C(4095), 12, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
    (void)data_of(&rig, MMU_LOAD, window + 40 * 8, 8);
    mmu_core_drain(rig.core);

    mmu_cycle begin = mmu_core_now(rig.core);
    assert_int_equal(data_of(&rig, MMU_LOAD, window, 8), MEMORY); /* entries 0 to 7 */
    assert_int_equal(data_of(&rig, MMU_LOAD, BASE + 0x100, 8), MEMORY);
    assert_int_equal(mmu_core_now(rig.core), begin); /* issued while the line was on its way */
    uint64_t wait = part_of(&rig, MMU_PART_MERGE);
    assert_true(wait > 0);
    assert_int_equal(before_part(&rig, MMU_PART_MERGE) + wait, MEMORY); /* until the load's data was there */
    assert_int_equal(part_of(&rig, MMU_PART_READ + MMU_PLACE_L1), L1);  /* then a hit */
    mmu_core_drain(rig.core);

    begin = mmu_core_now(rig.core);
    (void)data_of(&rig, MMU_LOAD, BASE + (24 << 12) + 0x140, 8); /* its walk reads entry 24 */
    assert_int_equal(part_of(&rig, MMU_PART_READ + MMU_PLACE_MEMORY), MEMORY);
    assert_int_equal(data_of(&rig, MMU_LOAD, window + 24 * 8, 8), L1);
    assert_int_equal(mmu_core_now(rig.core), begin);
    assert_int_equal(part_of(&rig, MMU_PART_MERGE), 0);
    mmu_core_drain(rig.core);

    struct mmu_access a = {.va = BASE + (16 << 12), .size = 1, .kind = MMU_LOAD};
    assert_int_equal(mmu_core_prefetch(rig.core, &a), MMU_DONE);
    (void)data_of(&rig, MMU_LOAD, BASE + (17 << 12) + 0x180, 8); /* the next entry of that line */
    assert_int_equal(part_of(&rig, MMU_PART_MERGE), 0);
    assert_int_equal(part_of(&rig, MMU_PART_READ + MMU_PLACE_L1), L1);
    mmu_core_check(rig.core);
    rig_stop(&rig);
}

/* There must be something to share. */
static void test_refused(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_error error;
    config_of(&config);
    assert_int_equal(mmu_config_check(&config, &error), MMU_OK);
    config.memory.reads = MMU_READS_FIXED;
    assert_int_equal(mmu_config_check(&config, &error), MMU_ERR_INVALID);
    assert_non_null(strstr(error.message, "memory.data"));
}

/*
 * The ideal clock: the same recurrence, translation free, with the very m that the real run had. Window 1:
 * each access waits for the one before; a fetch holds everybody back, but takes no time.
 */
static void test_ideal_clock(void **state)
{
    (void)state;
    for (unsigned window = 1; window <= 6; window++) {
        struct mmu_config config;
        struct mmu_stats stats;
        struct rig rig;
        struct dice dice = dice_new("ideal clock", window);
        config_of(&config);
        config.tlb[1].entries = config.tlb[1].ways = 8;
        config.tlb[2].entries = 16;
        config.window = window;
        config.walk.walkers = 2;
        rig_start(&rig, &config, MMU_MODE_4L);
        map_pages(&rig, 64);
        uint64_t t = 0, last = 0, done[6] = {0}, data = 0, issued = 0;
        for (unsigned i = 0; i < 5000; i++) {
            struct mmu_access a = {.va = BASE + dice_below(&dice, 64 * 4096 - 8),
                                   .size = 8,
                                   .kind = (uint8_t)dice_below(&dice, 3)};
            assert_int_equal(mmu_core_access(rig.core, &a, NULL), MMU_DONE);
            uint64_t m = part_of(&rig, MMU_PART_DATA), g = a.kind == MMU_FETCH;
            issued += g;
            t += g;
            if (t < done[data % window])
                t = done[data % window]; /* the W-th previous data access */
            last = t + m > last ? t + m : last;
            if (a.kind != MMU_FETCH)
                done[data++ % window] = t + m;
        }
        mmu_core_stats(rig.core, &stats);
        assert_int_equal(stats.cycles.ideal[0], last);
        assert_int_equal(stats.cycles.issue[0], issued);
        assert_true(stats.cycles.elapsed[0] > last);
        rig_stop(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_times),       cmocka_unit_test(test_shared),
        cmocka_unit_test(test_unfinished_lines), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_ideal_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
