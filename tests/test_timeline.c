/*
 * test_timeline.c: the time model on examples worked out by hand: issue, completion, both clocks, both
 * ledgers.
 *
 * The machine has no TLB unless said otherwise: every access walks. Two-level paging with 4-MByte pages: one
 * entry is read. walk.start 4, an entry 6, so that a walk takes 10; data takes 5.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { START = 4, READ = 6, DATA = 5, LARGE = 0x400000, SMALL = 0x800000 };
enum { PTE = MMU_PART_READ, PDE = MMU_PART_READ + MMU_PLACES }; /* parts: reads at a fixed latency */

static void config_of(struct mmu_config *c, unsigned window, unsigned walkers)
{
    rig_config(c);
    c->levels = 0;
    c->tlbs = 0;
    memset(&c->psc, 0, sizeof c->psc);
    c->window = window;
    c->walk.walkers = walkers;
    c->walk.start = START;
    c->walk.ad_update = 3;
    c->memory.read_latency = READ;
    c->memory.data = MMU_DATA_FIXED;
    c->memory.data_latency = DATA;
    c->barrier.invlpg = 20;
    c->barrier.fault = 7;
    c->pager.fault_cycles = 100;
}

static void begin(struct rig *rig, const struct mmu_config *c, bool fetches)
{
    rig_start(rig, c, MMU_MODE_I386);
    mmu_core_set_has_fetches(rig->core, fetches);
    for (mmu_pa va = 0; va < 4 * LARGE; va += LARGE)
        if (va != SMALL)
            rig_map(rig, va, va, 22, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
    for (mmu_pa va = SMALL; va < SMALL + 4096 * 8; va += 4096)
        rig_map(rig, va, va, 12, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
    rig_poke(rig, rig_entry(rig, rig->root, SMALL, 2, 0),
             rig_peek(rig, rig_entry(rig, rig->root, SMALL, 2, 0)) | RIG_A);
    /* the load of the registers took no time */
    assert_int_equal(mmu_core_now(rig->core), 0);
}

/* One access; gap < 0: the config's. Issues at t, completes at d. */
static void expect(struct rig *rig, enum mmu_kind kind, mmu_va va, int gap, mmu_cycle t, mmu_cycle d)
{
    struct mmu_access a = {.va = va, .size = 4, .kind = (uint8_t)kind};
    struct mmu_result r;
    struct mmu_ledger ledger;
    uint64_t sum = 0;
    if (gap >= 0) {
        a.flags = MMU_AF_GAP;
        a.gap = (uint32_t)gap;
    }
    assert_int_equal(mmu_core_access(rig->core, &a, &r), MMU_DONE);
    assert_int_equal(r.issued, t);
    assert_int_equal(r.completed, d);
    mmu_core_ledger(rig->core, &ledger);
    for (uint32_t i = 0; i < ledger.n; i++)
        sum += ledger.segment[i].cycles;
    assert_int_equal(sum, d - t);
}

struct part {
    unsigned part;
    uint64_t charged, stalled;
};

/* The run's figures; parts that are not listed are 0. */
static void expect_run(struct rig *rig, uint64_t elapsed, uint64_t ideal, uint64_t issue,
                       const struct part *part, size_t n)
{
    struct mmu_stats stats;
    uint64_t stalled = 0;
    mmu_core_stats(rig->core, &stats);
    assert_int_equal(stats.cycles.elapsed[0], elapsed);
    assert_int_equal(stats.cycles.ideal[0], ideal);
    assert_int_equal(stats.cycles.issue[0], issue);
    for (unsigned p = 0; p < MMU_PARTS; p++) {
        struct part expected = {p, 0, 0};
        for (size_t i = 0; i < n; i++)
            if (part[i].part == p)
                expected = part[i];
        if (stats.cycles.charged[p] != expected.charged || stats.cycles.stalled[p] != expected.stalled)
            fail_msg("%s: charged %u, stalled %u, expected %u, %u", mmu_part_name((enum mmu_part)p),
                     (unsigned)stats.cycles.charged[p], (unsigned)stats.cycles.stalled[p],
                     (unsigned)expected.charged, (unsigned)expected.stalled);
        stalled += stats.cycles.stalled[p];
    }
    assert_int_equal(elapsed, issue + stalled);
    rig_stop(rig);
}
#define EXPECT_RUN(rig, elapsed, ideal, issue, ...)                                                          \
    do {                                                                                                     \
        const struct part part_[] = {__VA_ARGS__};                                                           \
        expect_run(rig, elapsed, ideal, issue, part_, sizeof part_ / sizeof *part_);                         \
    } while (0)

static void test_blocking(void **state)
{
    (void)state;
    struct mmu_config c;
    struct rig rig;
    config_of(&c, 1, 1);
    begin(&rig, &c, false); /* no fetches: every record has the gap cpi = 1 */
    expect(&rig, MMU_LOAD, 0, -1, 1, 16);
    expect(&rig, MMU_STORE, LARGE, -1, 16, 31); /* could have issued at 2 */
    expect(&rig, MMU_LOAD, 0, -1, 31, 46);      /* at 17 */
    /* stalls: [2,16) and [17,31), each 1 cycle into its culprit; the tail [31,46) whole */
    EXPECT_RUN(&rig, 46, 16, 3, {MMU_PART_START, 12, 3 + 3 + 4}, {PDE, 18, 18}, {MMU_PART_DATA, 15, 15});
}

static void test_window_of_two(void **state)
{
    (void)state;
    struct mmu_config c;
    struct rig rig;
    config_of(&c, 2, 1);
    begin(&rig, &c, false);
    expect(&rig, MMU_LOAD, 0, -1, 1, 16);
    expect(&rig, MMU_LOAD, 0, -1, 2, 26);  /* waits 9 for the walker */
    expect(&rig, MMU_LOAD, 0, -1, 16, 36); /* issues when the first has completed; waits 5 */
    expect(&rig, MMU_LOAD, 0, -1, 26, 46);
    /* [3,16) from the first: start 2, read 6, data 5. [17,26) from the second: read 4, data 5. The tail: wait
     * 5, start 4, read 6, data 5 */
    EXPECT_RUN(&rig, 46, 12, 4, {MMU_PART_WAIT, 19, 5}, {MMU_PART_START, 16, 6}, {PDE, 24, 16},
               {MMU_PART_DATA, 20, 15});
}

static void test_two_walkers(void **state)
{
    (void)state;
    struct mmu_config c;
    struct rig rig;
    config_of(&c, 4, 2);
    begin(&rig, &c, true); /* a fetch has the gap 1, loads and stores none */
    expect(&rig, MMU_FETCH, 0, -1, 1, 11);
    expect(&rig, MMU_LOAD, LARGE, -1, 11, 26); /* not before the fetch has completed */
    expect(&rig, MMU_LOAD, LARGE, -1, 11, 26); /* the second walker */
    expect(&rig, MMU_FETCH, 0, -1, 12, 31);    /* both busy until 21 */
    expect(&rig, MMU_STORE, 0, -1, 31, 46);
    EXPECT_RUN(&rig, 46, 7, 2, {MMU_PART_WAIT, 9, 9}, {MMU_PART_START, 20, 12}, {PDE, 30, 18},
               {MMU_PART_DATA, 15, 5});
}

/* Two complete at the same time: the earlier access is blamed. */
static void test_ties(void **state)
{
    (void)state;
    struct mmu_config c;
    struct rig rig;
    config_of(&c, 3, 2);
    begin(&rig, &c, false);
    expect(&rig, MMU_LOAD, SMALL, -1, 1, 22); /* two entries: 16 */
    expect(&rig, MMU_LOAD, LARGE, 6, 7, 22);
    mmu_core_drain(rig.core);
    assert_int_equal(mmu_core_now(rig.core), 22);
    EXPECT_RUN(&rig, 22, 12, 7, {MMU_PART_START, 8, 0}, {PDE, 12, 4}, {PTE, 6, 6}, {MMU_PART_DATA, 10, 5});
}

/* An access that completes before an earlier one does not hold back what waits for it alone. */
static void test_out_of_order(void **state)
{
    (void)state;
    struct mmu_config c;
    struct rig rig;
    config_of(&c, 2, 2);
    c.memory.data = MMU_DATA_NONE;
    begin(&rig, &c, false);
    expect(&rig, MMU_LOAD, SMALL, 0, 0, 16);
    expect(&rig, MMU_LOAD, LARGE, 1, 1, 11);
    expect(&rig, MMU_LOAD, LARGE, 0, 16, 26); /* W = 2: the second previous is the first */
    expect(&rig, MMU_LOAD, LARGE, 0, 16, 26); /* the second previous has long completed */
    expect(&rig, MMU_LOAD, LARGE, 50, 66, 76);
    /* [1,16) from the first: start 3, PDE 6, PTE 6; the tail [66,76) */
    EXPECT_RUN(&rig, 76, 51, 51, {MMU_PART_START, 20, 7}, {PDE, 30, 12}, {PTE, 6, 6});
}

/* Gaps from the trace; a machine that never waits. */
static void test_gaps(void **state)
{
    (void)state;
    struct mmu_config c;
    struct rig rig;
    config_of(&c, 1, 1);
    begin(&rig, &c, true);
    expect(&rig, MMU_LOAD, 0, 100, 100, 115);
    expect(&rig, MMU_LOAD, 0, 15, 115, 130);
    expect(&rig, MMU_LOAD, 0, 14, 130, 145); /* one cycle early */
    struct mmu_access follows = {.va = 0, .size = 4, .kind = MMU_FETCH, .flags = MMU_AF_FOLLOWS};
    struct mmu_result r;
    assert_int_equal(mmu_core_access(rig.core, &follows, &r), MMU_DONE);
    assert_int_equal(r.issued, 145); /* gap 0 */
    assert_int_equal(r.completed, 155);
    /* stalls: data [144 - 115 ..]: 1 of data; [130,145) whole; the tail 10 */
    EXPECT_RUN(&rig, 155, 134, 129, {MMU_PART_START, 16, 8}, {PDE, 24, 12}, {MMU_PART_DATA, 15, 6});
}

/* INVLPG waits for all, takes its time, and everything waits for it; its cycles are in the ideal clock too.
 */
static void test_barrier(void **state)
{
    (void)state;
    struct mmu_config c;
    struct rig rig;
    config_of(&c, 8, 2);
    begin(&rig, &c, false);
    expect(&rig, MMU_LOAD, SMALL, -1, 1, 22);
    expect(&rig, MMU_LOAD, LARGE, -1, 2, 17);
    rig_invlpg(&rig, 0);
    assert_int_equal(mmu_core_now(rig.core), 22);
    expect(&rig, MMU_LOAD, LARGE, -1, 42, 57);
    expect(&rig, MMU_LOAD, LARGE, -1, 43, 58);
    /* [2,22) from the first: start 3, PDE 6, PTE 6, data 5; [23,42) barrier 19; the tail [43,58) whole.
     * Ideal: 1, 2; 7 + 20 = 27, 28; 33 */
    EXPECT_RUN(&rig, 58, 33, 4, {MMU_PART_START, 16, 7}, {PDE, 24, 12}, {PTE, 6, 6},
               {MMU_PART_BARRIER, 20, 19}, {MMU_PART_DATA, 20, 10});
}

/* A fault that the pager resolves: it waits for what came before; its handler is in both clocks; it is a
 * barrier with its retry. */
static void test_fault(void **state)
{
    (void)state;
    struct mmu_config c;
    struct rig rig = {0};
    config_of(&c, 8, 2);
    c.pager.enabled = true;
    c.pager.mode = MMU_MODE_I386;
    c.pager.page = MMU_4K;
    assert_int_equal(mmu_machine_create(&c, NULL, &rig.machine, NULL), MMU_OK);
    rig.core = mmu_machine_core(rig.machine, 0);
    mmu_core_set_has_fetches(rig.core, false);
    /* walk of one entry 10; fault 107; walk of two entries 16, A set in both 6; data 5 */
    expect(&rig, MMU_LOAD, 0, -1, 1, 1 + 10 + 107 + 16 + 6 + 5);
    expect(&rig, MMU_LOAD, 64, -1, 145, 145 + 16 + 5);
    /* walk of two entries 16, until 162; the access before completes at 166: waits 4; fault 107; walk 16, A
     * in one 3; data 5 */
    expect(&rig, MMU_LOAD, 4096, -1, 146, 166 + 107 + 16 + 3 + 5);
    expect(&rig, MMU_LOAD, 4096, -1, 297, 297 + 16 + 5);
    struct mmu_stats stats;
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.run.faults_resolved[0], 2);
    /* ideal: 1 + 112 = 113; 113, done 118; 114: waits for 118, 107, 5 = 230; 230 + 5 */
    /* [2,145) from the first, [147,297) from the third: each but the first cycle of its first start; the tail
     * [297,318) whole */
    EXPECT_RUN(&rig, 318, 235, 4, {MMU_PART_START, 24, 7 + 7 + 4}, {PDE, 36, 12 + 12 + 6},
               {PTE, 30, 6 + 12 + 6}, {MMU_PART_AD, 9, 9}, {MMU_PART_FAULT, 218, 218},
               {MMU_PART_DATA, 20, 15});
}

/* A second access to a page whose walk is still under way waits for it (merge); its data comes on top. */
static void test_merge(void **state)
{
    (void)state;
    struct mmu_config c;
    struct rig rig;
    config_of(&c, 8, 1);
    c.levels = 1;
    c.tlbs = 1;
    c.tlb[0] = (struct mmu_tlb_config){.name = "TLB",
                                       .level = 1,
                                       .kinds = 7,
                                       .pages = 1 << MMU_4K | 1 << MMU_4M,
                                       .entries = 4,
                                       .ways = 4,
                                       .policy = MMU_LRU};
    begin(&rig, &c, false);
    expect(&rig, MMU_LOAD, 0, -1, 1, 16);
    expect(&rig, MMU_LOAD, 64, -1, 2, 16);       /* ready at 11: waits 9 */
    expect(&rig, MMU_LOAD, 0x3ff000, 9, 11, 16); /* another piece of the same page, just ready */
    expect(&rig, MMU_LOAD, LARGE, 0, 11, 26);
    struct mmu_stats stats;
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.walk.merged[MMU_LOAD], 1);
    assert_int_equal(stats.tlb[0].merged[MMU_LOAD], 1);
    assert_int_equal(stats.tlb[0].hits[MMU_LOAD], 2);
    EXPECT_RUN(&rig, 26, 16, 11, {MMU_PART_START, 8, 4}, {PDE, 12, 6}, {MMU_PART_MERGE, 9, 0},
               {MMU_PART_DATA, 20, 5});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocking),     cmocka_unit_test(test_window_of_two),
        cmocka_unit_test(test_two_walkers),  cmocka_unit_test(test_ties),
        cmocka_unit_test(test_out_of_order), cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_barrier),      cmocka_unit_test(test_fault),
        cmocka_unit_test(test_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
