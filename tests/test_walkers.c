/*
 * test_walkers.c: who gets which walker when, and how long walkers are busy, against a bitmap of every cycle.
 */
#include "dice.h"
#include "rig.h"
#include "walkers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void expect_grant(struct walkers *w, mmu_cycle request, mmu_cycle length, uint32_t walker,
                         mmu_cycle start)
{
    mmu_cycle granted;
    assert_int_equal(walkers_grant(w, request, &granted), walker);
    assert_int_equal(granted, start);
    walkers_release(w, MMU_LOAD, walker, granted, granted + length, request);
}

static void expect_busy(const struct walkers *w, uint64_t pending, uint64_t active)
{
    struct mmu_walk_stats stats = {0};
    walkers_stats(w, &stats);
    assert_int_equal(stats.pending[0], pending);
    assert_int_equal(stats.active[0], active);
}

static void test_grants(void **state)
{
    (void)state;
    struct walkers w;
    assert_int_equal(walkers_init(&w, 3, 8), MMU_OK);
    expect_grant(&w, 10, 20, 0, 10); /* all free: the lowest number */
    expect_grant(&w, 11, 9, 1, 11);  /* until 20 */
    expect_grant(&w, 12, 8, 2, 12);  /* until 20 */
    expect_grant(&w, 13, 30, 1, 20); /* none free: the earliest, of two the lower; until 50 */
    expect_grant(&w, 25, 5, 2, 25);  /* free since 20 */
    expect_grant(&w, 60, 5, 0,
                 60); /* all free again, at different times: the lowest number, not the longest free */
    expect_grant(&w, 60, 0, 1, 60);                   /* a walk that takes no time */
    expect_busy(&w, 20 + 9 + 8 + 30 + 5 + 5, 40 + 5); /* [10, 50) and [60, 65) */
    walkers_destroy(&w);

    assert_int_equal(walkers_init(&w, 1, 1), MMU_OK);
    expect_grant(&w, 0, 10, 0, 0);
    expect_grant(&w, 3, 10, 0, 10);
    expect_grant(&w, 30, 1, 0, 30);
    expect_busy(&w, 21, 21);
    walkers_destroy(&w);
}

enum { CYCLES = 1 << 17, MAX_IN_FLIGHT = 64 };

/* Accesses of up to two walks each, at most `window` of them unfinished, as a core makes them. */
static void against_bitmap(unsigned n, unsigned window, unsigned longest, struct dice *dice)
{
    struct walkers w;
    static uint8_t busy[CYCLES]; /* bit: for this kind */
    mmu_cycle free_at[MMU_MAX_WALKERS] = {0}, done[MAX_IN_FLIGHT] = {0};
    uint64_t pending = 0, active = 0, pending_kind[MMU_KINDS] = {0}, active_kind[MMU_KINDS] = {0};
    memset(busy, 0, sizeof busy);
    assert_int_equal(walkers_init(&w, n, window), MMU_OK);
    mmu_cycle t = 0;
    for (unsigned i = 0;; i++) {
        t += dice_below(dice, 4) ? dice_below(dice, 3) : dice_below(dice, longest);
        if (t < done[i % window])
            t = done[i % window];
        mmu_cycle now = t;
        unsigned walks = dice_below(dice, 3);
        for (unsigned k = 0; k < walks; k++) {
            now += dice_below(dice, 3) ? 7 : dice_below(dice, 4 * longest);
            uint32_t first = 0;
            for (uint32_t j = 1; j < n; j++)
                if ((free_at[j] > now ? free_at[j] : now) < (free_at[first] > now ? free_at[first] : now))
                    first = j;
            mmu_cycle start, expected = free_at[first] > now ? free_at[first] : now,
                             end = expected + dice_below(dice, longest);
            if (end + 1 >= CYCLES)
                goto out;
            assert_int_equal(walkers_grant(&w, now, &start), first);
            assert_int_equal(start, expected);
            unsigned kind = dice_below(dice, MMU_KINDS);
            walkers_release(&w, kind, first, start, end, t);
            free_at[first] = end;
            pending += end - start;
            pending_kind[kind] += end - start;
            for (mmu_cycle c = start; c < end; c++) {
                active += !busy[c];
                active_kind[kind] += !(busy[c] >> kind & 1);
                busy[c] |= (uint8_t)(1u << kind);
            }
            struct mmu_walk_stats stats = {0};
            walkers_stats(&w, &stats);
            assert_int_equal(stats.pending[0], pending);
            assert_int_equal(stats.active[0], active);
            assert_memory_equal(stats.pending_kind, pending_kind, sizeof pending_kind);
            assert_memory_equal(stats.active_kind, active_kind, sizeof active_kind);
            now = end;
        }
        done[i % window] = now + dice_below(dice, longest);
    }
out:
    assert_true(pending > 1000 && active > 1000);
    walkers_destroy(&w);
}

static void test_busy(void **state)
{
    (void)state;
    struct dice dice = dice_new("walkers", 1);
    static const unsigned walkers[] = {1, 2, 3, 6, 64}, window[] = {1, 2, 10, 64}, longest[] = {3, 20, 200};
    for (unsigned i = 0; i < 5; i++)
        for (unsigned j = 0; j < 4; j++)
            for (unsigned k = 0; k < 3; k++)
                against_bitmap(walkers[i], window[j], longest[k], &dice);
}

/* Walks that neither touch nor overlap, but each ends after the next one was asked for: however many, what is
 * over is forgotten. */
static void test_what_is_over_is_forgotten(void **state)
{
    (void)state;
    struct walkers w;
    assert_int_equal(walkers_init(&w, 2, 8), MMU_OK);
    for (mmu_cycle i = 0; i < 100; i++) { /* [9, 29), [31, 51), ...; asked for at 0, 22, ... */
        walkers_release(&w, MMU_LOAD, 0, 22 * i + 9, 22 * i + 29, 22 * i);
        assert_in_range(w.all.opens, 1, 3);
        assert_in_range(w.kind[MMU_LOAD].opens, 1, 3);
    }
    expect_busy(&w, 100 * 20, 100 * 20);
    walkers_destroy(&w);
}

/*
 * As many separate intervals as a core can leave open: every access crosses a page, its two short walks lie
 * far apart, and those of 64 accesses in flight interleave without touching.
 */
static void test_many_gaps(void **state)
{
    (void)state;
    enum { WINDOW = 64, ACCESSES = 256 };
    struct mmu_config config;
    struct mmu_stats before, stats;
    struct rig rig;
    rig_config(&config);
    config.window = WINDOW;
    config.level[1].latency = 1000;
    config.walk.walkers = 3;
    config.walk.start = 1;
    config.memory.read_latency = 1;
    config.psc.latency = 0;
    rig_start(&rig, &config, MMU_MODE_4L);
    mmu_core_set_has_fetches(rig.core, true);
    for (unsigned p = 0; p <= 2 * ACCESSES + 1; p++)
        rig_map(&rig, (mmu_va)p << 12, (mmu_pa)p << 12, 12, RIG_P | RIG_W | RIG_U | RIG_A);
    rig_expect(&rig, MMU_LOAD, MMU_USER, 0, 0); /* the tables' A flags and the paging-structure caches */
    mmu_core_drain(rig.core);
    mmu_core_stats(rig.core, &before);
    uint64_t sum = 0;
    for (unsigned i = 0; i < ACCESSES; i++) {
        struct mmu_access a = {.va = ((mmu_va)(2 * i + 2) << 12) - 4,
                               .size = 8,
                               .kind = MMU_LOAD,
                               .flags = MMU_AF_GAP,
                               .gap = 10};
        struct mmu_result result;
        assert_int_equal(mmu_core_access(rig.core, &a, &result), MMU_DONE);
        sum += result.completed - result.issued;
    }
    mmu_core_stats(rig.core, &stats);
    mmu_stats_difference(&stats, &stats, &before);
    assert_int_equal(stats.walk.started[MMU_LOAD], 2 * ACCESSES);
    assert_true(stats.walk.active[0] <= stats.walk.pending[0] && stats.walk.active[0] > 2 * ACCESSES);
    assert_int_equal(sum, 2 * 1000 * ACCESSES + stats.walk.pending[0] + stats.walk.wait_cycles[0]);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grants),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_what_is_over_is_forgotten),
        cmocka_unit_test(test_many_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
