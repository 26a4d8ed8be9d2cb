/*
 * test_batch.c: mmu_core_run() does what as many mmu_core_access() do, with and without results, however the
 * records are cut, watched or not; it refuses records that are none; mmu_core_drain() separates what comes
 * after from what came before.
 */
#include "dice.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 20000, BASE = 0x20000000 };

/* A program of sorts: runs within a page, hot pages, far pages, crossings, kernel accesses, gaps,
 * instructions. */
static void write_trace(struct mmu_access *a, struct dice *dice)
{
    mmu_va va = BASE;
    for (unsigned i = 0; i < RECORDS; i++) {
        unsigned what = dice_below(dice, 100);
        if (what < 15)
            va = BASE + ((mmu_va)dice_below(dice, 40) << 12) + dice_below(dice, 4096);
        else if (what < 25)
            va = BASE + ((mmu_va)dice_below(dice, 3000) << 12) + dice_below(dice, 4096);
        else
            va = (va & ~UINT64_C(4095)) + dice_below(dice, 4090);
        unsigned kind = dice_below(dice, 3), priv = dice_once_in(dice, 20) ? MMU_SUPERVISOR : MMU_USER;
        if (dice_once_in(dice, 300) && kind != MMU_FETCH)
            priv = MMU_IMPLICIT;
        a[i] = (struct mmu_access){
            .va = va, .size = (uint16_t)(1 + dice_below(dice, 16)), .kind = MMU_KIND_PRIV(kind, priv)};
        if (dice_once_in(dice, 60)) /* crosses */
            a[i].va |= 4095;
        if (dice_once_in(dice, 10))
            a[i].flags |= MMU_AF_FOLLOWS;
        if (dice_once_in(dice, 20)) {
            a[i].flags |= MMU_AF_GAP;
            a[i].gap = dice_below(dice, 60);
        }
    }
}

enum how { SINGLE, BATCH, BATCH_RESULTS, PIECES, WATCHED, HOWS };

struct outcome {
    struct mmu_stats stats;
    struct mmu_result result[RECORDS];
};

static void watch(void *ctx, struct mmu_core *core, const struct mmu_event *event)
{
    (void)core;
    if (event->type == MMU_EV_ACCESS)
        ++*(uint64_t *)ctx;
}

static void run(const struct mmu_config *config, const struct mmu_access *a, enum how how, bool fetches,
                struct outcome *out)
{
    struct mmu_machine *m;
    struct dice dice = {77};
    uint64_t watched = 0;
    struct mmu_observer observer = {.mask = 1u << MMU_EV_ACCESS, .notify = watch, .ctx = &watched};
    memset(out, 0, sizeof *out);
    assert_int_equal(mmu_machine_create(config, NULL, &m, NULL), MMU_OK);
    struct mmu_core *core = mmu_machine_core(m, 0);
    mmu_core_set_has_fetches(core, fetches);
    if (how == WATCHED)
        mmu_core_observe(core, &observer);
    for (size_t i = 0, n; i < RECORDS; i += n) {
        size_t quarter = RECORDS / 4 - i % (RECORDS / 4);
        n = how == SINGLE ? 1 : how == PIECES ? 1 + dice_below(&dice, 40) : quarter;
        n = n < quarter ? n : quarter;
        if (how == SINGLE)
            (void)mmu_core_access(core, &a[i], &out->result[i]);
        else
            assert_int_equal(mmu_core_run(core, &a[i], n, how == BATCH ? NULL : &out->result[i]), MMU_OK);
        if (n == quarter && config->cpu.invlpg) /* after each quarter, however it was cut */
            assert_int_equal(mmu_core_invlpg(core, a[i + n - 1].va), MMU_DONE);
    }
    mmu_core_stats(core, &out->stats);
    mmu_core_check(core);
    assert_int_equal(watched, how == WATCHED ? RECORDS : 0);
    mmu_machine_free(m);
}

/* The first counter that differs, by name. */
struct difference {
    const struct mmu_config *config;
    uint64_t value[4096];
    char path[4096][96];
    size_t n, at;
    bool compare;
};

static void each(void *ctx, const struct mmu_counter *c)
{
    struct difference *d = ctx;
    if (!d->compare) {
        d->value[d->n] = c->value;
        snprintf(d->path[d->n++], sizeof d->path[0], "%s", c->path);
    } else if (d->value[d->at++] != c->value) {
        print_message("%s: %llu, not %llu\n", c->path, (unsigned long long)c->value,
                      (unsigned long long)d->value[d->at - 1]);
    }
}

static void expect_same(const struct mmu_config *config, const struct outcome *x, const struct outcome *y,
                        const char *how)
{
    static struct difference d;
    if (memcmp(&x->stats, &y->stats, sizeof x->stats) != 0) {
        memset(&d, 0, sizeof d);
        mmu_stats_each(&x->stats, config, each, &d);
        d.compare = true;
        mmu_stats_each(&y->stats, config, each, &d);
        fail_msg("%s, window %u: %s: the statistics differ", config->name, config->window, how);
    }
}

static void compare(const struct mmu_config *config, const struct mmu_access *a, bool fetches)
{
    static struct outcome single, other;
    static const char *const name[] = {"single", "batch", "batch with results", "pieces", "watched"};
    run(config, a, SINGLE, fetches, &single);
    for (enum how how = BATCH; how < HOWS; how++) {
        run(config, a, how, fetches, &other);
        expect_same(config, &single, &other, name[how]);
        for (unsigned i = 0; i < RECORDS && how != BATCH; i++)
            if (memcmp(&single.result[i], &other.result[i], sizeof single.result[i]) != 0)
                fail_msg("%s, window %u: %s: record %u: results differ", config->name, config->window,
                         name[how], i);
    }
}

static const char *const shipped[] = {"80386",    "80486",       "pentium",      "pentium3", "pentium4",
                                      "core2",    "nehalem",     "sandy-bridge", "haswell",  "skylake-sp",
                                      "ice-lake", "golden-cove", "zen2",         "zen3",     "zen4"};

static void test_same(void **state)
{
    (void)state;
    static struct mmu_access a[RECORDS];
    struct dice dice = dice_new("batch", 1);
    for (unsigned i = 0; i < sizeof shipped / sizeof *shipped; i++) {
        struct mmu_config config;
        struct mmu_error error;
        char path[512];
        snprintf(path, sizeof path, "%s/%s.yaml", MMUSIM_CONFIGS, shipped[i]);
        if (mmu_config_load(&config, path, NULL, 0, &error) != MMU_OK)
            fail_msg("%s: %s", path, error.message);
        write_trace(a, &dice);
        compare(&config, a, true);
        config.window = 10;
        compare(&config, a, false);
        config.window = 1;
        config.memory.data = MMU_DATA_FIXED;
        config.memory.data_latency = 3;
        compare(&config, a, true);
    }
}

static struct mmu_access record(mmu_va va, unsigned size, unsigned kind_priv, unsigned flags)
{
    return (struct mmu_access){
        .va = va, .size = (uint16_t)size, .kind = (uint8_t)kind_priv, .flags = (uint8_t)flags};
}

/* Records that are none stop the run; those before them have been run, those behind have not. */
static void test_refused(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_stats stats;
    const struct mmu_access bad[] = {
        record(BASE, 0, MMU_LOAD, 0),
        record(BASE, 4097, MMU_LOAD, 0),
        record(BASE, 65535, MMU_LOAD, 0),
        record(BASE, 4, 3, 0),
        record(BASE, 4, 15, 0),
        record(BASE, 4, MMU_KIND_PRIV(MMU_LOAD, 3), 0),
        record(BASE, 4, 255, 0),
        record(BASE, 4, MMU_KIND_PRIV(MMU_FETCH, MMU_IMPLICIT), 0),
        record(BASE, 4, MMU_LOAD, 4),
        record(BASE, 4, MMU_LOAD, 255),
        record(UINT64_MAX, 2, MMU_LOAD, 0), /* runs around the end */
    };
    mmu_config_init(&config);
    config.levels = config.tlbs = 1;
    config.tlb[0] =
        (struct mmu_tlb_config){.name = "TLB", .level = 1, .kinds = 7, .pages = 1, .entries = 8, .ways = 8};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mmu_machine *m;
        struct mmu_result result[5];
        struct mmu_access a[5];
        for (unsigned k = 0; k < 5; k++)
            a[k] = record(BASE + 64 * k, 4, MMU_LOAD, 0);
        a[3] = bad[i];
        assert_int_equal(mmu_machine_create(&config, NULL, &m, NULL), MMU_OK);
        struct mmu_core *core = mmu_machine_core(m, 0);
        memset(result, 0xee, sizeof result);
        assert_int_equal(mmu_core_run(core, a, 5, i & 1 ? result : NULL), MMU_ERR_INVALID);
        mmu_core_stats(core, &stats);
        assert_int_equal(stats.run.accesses[MMU_LOAD], 3);
        if (i & 1)
            assert_true(result[2].outcome == MMU_DONE && result[3].outcome == 0xee);
        mmu_core_check(core);
        mmu_machine_free(m);
    }
}

/* In the 32-bit modes linear addresses end at 4 GiB. */
static void test_refused_32_bits(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    rig_config(&config);
    rig_start(&rig, &config, MMU_MODE_I386);
    rig_map(&rig, 0xfffff000, 0x1000, 12, RIG_P | RIG_U);
    struct mmu_access last = record(0xfffffffc, 4, MMU_LOAD, 0), beyond = record(0xfffffffd, 4, MMU_LOAD, 0);
    struct mmu_access high = record(UINT64_C(0x100000000), 1, MMU_LOAD, 0);
    assert_int_equal(mmu_core_run(rig.core, &last, 1, NULL), MMU_OK);
    assert_int_equal(mmu_core_run(rig.core, &beyond, 1, NULL), MMU_ERR_INVALID);
    assert_int_equal(mmu_core_run(rig.core, &high, 1, NULL), MMU_ERR_INVALID);
    rig_stop(&rig);
}

/* A fault that nobody resolves is counted, and the run goes on behind it. */
static void test_unresolved(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_stats stats;
    struct mmu_result result[3];
    struct rig rig;
    rig_config(&config);
    rig_start(&rig, &config, MMU_MODE_4L);
    rig_map(&rig, 0x1000, 0x7000, 12, RIG_P | RIG_U);
    const struct mmu_access a[] = {record(0x1000, 4, MMU_LOAD, 0), record(0x2000, 4, MMU_LOAD, 0),
                                   record(0x1008, 4, MMU_LOAD, 0)};
    assert_int_equal(mmu_core_run(rig.core, a, 3, result), MMU_OK);
    assert_int_equal(result[1].outcome, MMU_FAULT_PF);
    assert_int_equal(result[1].cr2, 0x2000);
    assert_int_equal(result[2].pa, 0x7008);
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.run.faults_pf[0], 1);
    assert_int_equal(stats.run.faults_resolved[0], 0);
    assert_int_equal(stats.run.accesses[MMU_LOAD], 3);
    rig_stop(&rig);
}

/* An address that the first level holds in two sizes, since its table became a large page and nobody
 * invalidated: batches take the one that single accesses take. */
static void test_two_sizes(void **state)
{
    (void)state;
    static const struct mmu_tlb_config tlb = {
        .name = "T", .level = 1, .kinds = 7, .pages = 3, .entries = 2, .ways = 2, .policy = MMU_FIFO};
    const mmu_va small = 0x40000000, other = small + (1024 << 12);
    struct mmu_config config;
    struct mmu_result single, batch;
    struct rig rig;
    rig_config(&config);
    config.levels = config.tlbs = 1;
    config.tlb[0] = tlb;
    memset(&config.psc, 0, sizeof config.psc);
    rig_start(&rig, &config, MMU_MODE_4L);
    rig_map(&rig, small, 0x800000, 12, RIG_P | RIG_U);
    rig_map(&rig, other, 0x900000, 12, RIG_P | RIG_U);
    rig_expect(&rig, MMU_LOAD, MMU_USER, other, 0x900000);
    rig_expect(&rig, MMU_LOAD, MMU_USER, small, 0x800000);
    rig_expect(&rig, MMU_LOAD, MMU_USER, other, 0x900000); /* where hits on both are looked for first */
    rig_poke(&rig, rig_entry(&rig, rig.root, small, 2, 0), 0xa00000 | RIG_P | RIG_U | RIG_PS);
    rig_expect(&rig, MMU_LOAD, MMU_USER, small + 0x1000, 0xa01000); /* takes the other one's way */
    assert_int_equal(rig_entries(&rig), 2);
    struct mmu_access a = record(small, 4, MMU_LOAD, 0);
    assert_int_equal(mmu_core_run(rig.core, &a, 1, &batch), MMU_OK);
    assert_int_equal(mmu_core_access(rig.core, &a, &single), MMU_DONE);
    assert_int_equal(single.where, MMU_AT_L1);
    assert_int_equal(batch.where, MMU_AT_L1);
    assert_int_equal(batch.pa, single.pa);
    assert_int_equal(batch.page_shift, single.page_shift);
    mmu_core_check(rig.core);
    rig_stop(&rig);
}

/* After a drain, a snapshot's difference holds no cycle of what came before. */
static void test_drain(void **state)
{
    (void)state;
    for (unsigned window = 1; window <= 8; window += 7) {
        struct mmu_config config;
        struct mmu_stats before, after;
        struct rig rig;
        rig_config(&config);
        config.window = window;
        config.memory.data = MMU_DATA_FIXED;
        config.memory.data_latency = 50;
        rig_start(&rig, &config, MMU_MODE_4L);
        for (mmu_va va = 0; va < 0x8000; va += 0x1000)
            rig_map(&rig, va, va, 12, RIG_P | RIG_U);
        struct mmu_access a[8], fetch = record(0x7ff0, 4, MMU_FETCH, 0);
        for (unsigned i = 0; i < 8; i++)
            a[i] = record(0x1000 * i, 4, MMU_LOAD, 0);
        assert_int_equal(mmu_core_run(rig.core, &fetch, 1, NULL), MMU_OK);
        assert_int_equal(mmu_core_run(rig.core, a, 8, NULL), MMU_OK);
        mmu_core_stats(rig.core, &before);
        mmu_core_drain(rig.core);
        mmu_core_stats(rig.core, &after);
        assert_int_equal(before.cycles.elapsed[0], after.cycles.elapsed[0]); /* the tail was booked by then */
        assert_memory_equal(before.cycles.stalled, after.cycles.stalled, sizeof after.cycles.stalled);
        assert_int_equal(mmu_core_now(rig.core), after.cycles.elapsed[0]);
        before = after;
        assert_int_equal(mmu_core_run(rig.core, &fetch, 1, NULL), MMU_OK); /* a hit */
        mmu_core_stats(rig.core, &after);
        mmu_stats_difference(&after, &after, &before);
        assert_int_equal(after.cycles.elapsed[0], 1);
        assert_int_equal(after.cycles.ideal[0], 1);
        assert_int_equal(after.cycles.issue[0], 1);
        for (unsigned p = 0; p < MMU_PARTS; p++)
            assert_int_equal(after.cycles.stalled[p] + after.cycles.charged[p], 0);
        assert_int_equal(mmu_stats_check(&after, &config, NULL), MMU_OK);
        rig_stop(&rig);
    }
}

/* Differences of snapshots add up to the whole. */
static void test_snapshots(void **state)
{
    (void)state;
    static struct mmu_access a[RECORDS];
    static struct mmu_stats snapshot[3], first, second, sum;
    struct dice dice = dice_new("snapshots", 2);
    struct mmu_config config;
    struct mmu_machine *m;
    assert_int_equal(mmu_config_load(&config, MMUSIM_CONFIGS "/skylake-sp.yaml", NULL, 0, NULL), MMU_OK);
    write_trace(a, &dice);
    assert_int_equal(mmu_machine_create(&config, NULL, &m, NULL), MMU_OK);
    struct mmu_core *core = mmu_machine_core(m, 0);
    mmu_core_stats(core, &snapshot[0]);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(mmu_core_run(core, &a[i * RECORDS / 2], RECORDS / 2, NULL), MMU_OK);
        mmu_core_stats(core, &snapshot[i + 1]);
    }
    mmu_stats_difference(&first, &snapshot[1], &snapshot[0]);
    mmu_stats_difference(&second, &snapshot[2], &snapshot[1]);
    assert_int_equal(mmu_stats_check(&first, &config, NULL), MMU_OK);
    assert_int_equal(mmu_stats_check(&second, &config, NULL), MMU_OK);
    sum = first;
    mmu_stats_add(&sum, &second);
    mmu_stats_add(&sum, &snapshot[0]);
    assert_memory_equal(&sum, &snapshot[2], sizeof sum);
    assert_true(second.run.accesses[MMU_LOAD] > 0 && second.cycles.elapsed[0] > 0);
    mmu_machine_free(m);
}

/* A batch's misses heed protection keys: a page whose key denies what is asked for faults, and is not kept.
 */
static void test_keys(void **state)
{
    (void)state;
    enum { PAGES = 64, READ_ONLY = 2 << 2 * 1, NONE = 3 << 2 * 2 }; /* of PKRU: keys 1 and 2 */
    struct mmu_access a[PAGES];
    struct mmu_result result[PAGES];
    struct mmu_config config;
    struct rig rig;
    rig_config(&config);
    rig_start(&rig, &config, MMU_MODE_4L);
    for (unsigned i = 0; i < PAGES; i++) {
        rig_map(&rig, BASE + 0x1000 * i, 0x1000 * i, 12,
                RIG_P | RIG_W | RIG_U | RIG_A | RIG_D | RIG_KEY(i % 3));
        a[i] =
            (struct mmu_access){.va = BASE + 0x1000 * i, .size = 1, .kind = i / 3 % 2 ? MMU_LOAD : MMU_STORE};
    }
    rig_set_bits(&rig, MMU_REG_CR4, RIG_PKE);
    rig_set(&rig, MMU_REG_PKRU, READ_ONLY | NONE);
    for (unsigned i = 0; i < PAGES; i++) { /* one a batch: a fault ends the batch's misses of that sort */
        assert_int_equal(mmu_core_run(rig.core, &a[i], 1, &result[i]), MMU_OK);
        bool denied = i % 3 == 2 || (i % 3 == 1 && a[i].kind == MMU_STORE);
        assert_int_equal(result[i].outcome, denied ? MMU_FAULT_PF : MMU_DONE);
        assert_int_equal(result[i].error_code,
                         denied ? MMU_PF_P | MMU_PF_U | MMU_PF_PK | (a[i].kind == MMU_STORE ? MMU_PF_W : 0)
                                : 0);
        assert_int_equal(rig_cached(&rig, a[i].va, 0), !denied);
    }
    rig_stop(&rig);
}

/*
 * A batch leaves out look-ups of pages that their set was asked for last. Which pages share a set: by the low
 * bits of their numbers, but not where large pages are held, where the index is folded, where sets are no
 * power of two.
 */
static void test_pages_of_one_set(void **state)
{
    (void)state;
    static const struct {
        unsigned sets, index, shift; /* of the second page */
        unsigned page[3];            /* in 4-KByte pages from BASE: three of set 1 */
    } cases[] = {{4, MMU_INDEX_LINEAR, 12, {1, 13, 5}},
                 {4, MMU_INDEX_LINEAR, 21, {1, 512 + 2, 5}},
                 {4, MMU_INDEX_XOR, 12, {1, 4, 14}},
                 {3, MMU_INDEX_LINEAR, 12, {5, 2, 8}}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mmu_va va[3];
        struct mmu_access a[9];
        struct mmu_config config;
        struct rig rig;
        rig_config(&config);
        config.levels = config.tlbs = 1;
        config.tlb[0] = (struct mmu_tlb_config){.name = "TLB",
                                                .level = 1,
                                                .kinds = 7,
                                                .pages = 1 << MMU_4K | 1 << MMU_2M,
                                                .entries = 2 * cases[i].sets,
                                                .ways = 2,
                                                .index = cases[i].index,
                                                .policy = MMU_LRU};
        rig_start(&rig, &config, MMU_MODE_4L);
        for (unsigned p = 0; p < 3; p++) {
            va[p] = BASE + ((mmu_va)cases[i].page[p] << 12);
            unsigned shift = p == 1 ? cases[i].shift : 12;
            rig_map(&rig, va[p], va[p] >> shift << shift, shift, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
        }
        for (unsigned n = 0; n < 9; n++)
            a[n] = (struct mmu_access){.va = va[n == 8 ? 2 : n % 2], .size = 1, .kind = MMU_LOAD};
        assert_int_equal(mmu_core_run(rig.core, a, 9, NULL), MMU_OK);
        bool first = rig_cached(&rig, va[0], 0), second = rig_cached(&rig, va[1], 0);
        if (first || !second || !rig_cached(&rig, va[2], 0)) /* the second was the last of the two */
            fail_msg("case %u: the first is %s, the second %s", i, first ? "held" : "gone",
                     second ? "held" : "gone");
        rig_stop(&rig);
    }
}

/* A PDPTE that says "not present" leads nowhere, whatever address it holds. */
static void test_absent_pdpte(void **state)
{
    (void)state;
    const mmu_va va = UINT64_C(0x40000000);
    struct mmu_access a = {.va = va, .size = 1, .kind = MMU_LOAD};
    struct mmu_result result;
    struct mmu_config config;
    struct rig rig;
    rig_config(&config);
    rig_start(&rig, &config, MMU_MODE_PAE);
    rig_entry(&rig, rig.root, va, 1, RIG_A);
    rig_map(&rig, va, va, 12, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
    rig_poke(&rig, rig.root + 8, rig_peek(&rig, rig.root + 8) & ~UINT64_C(1));
    rig_set(&rig, MMU_REG_CR3, rig.root);
    assert_int_equal(mmu_core_run(rig.core, &a, 1, &result), MMU_OK);
    assert_int_equal(result.outcome, MMU_FAULT_PF);
    rig_stop(&rig);
}

/* Paging structures whose entries are as plain misses want them but for one bit of one entry. */
static void start_with_bit(struct rig *rig, enum mmu_mode mode, unsigned level, unsigned bit)
{
    const size_t size = mode == MMU_MODE_I386 ? 4 : 8;
    uint64_t entry = 0;
    struct mmu_config config;
    rig_config(&config);
    rig_start(rig, &config, mode);
    mmu_core_set_has_fetches(rig->core, true);
    rig_entry(rig, rig->root, BASE, 1, RIG_A);
    rig_map(rig, BASE, 0x5000, 12, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
    mmu_pa at = rig_entry(rig, rig->root, BASE, level, RIG_A);
    assert_int_equal(mmu_machine_read(rig->machine, at, &entry, size), MMU_OK);
    entry ^= UINT64_C(1) << bit;
    assert_int_equal(mmu_machine_write(rig->machine, at, &entry, size), MMU_OK);
}

static void check_bit(enum mmu_mode mode, unsigned level, unsigned bit, enum mmu_kind kind)
{
    static struct mmu_stats stats[2];
    struct mmu_result result[2][2];
    uint64_t memory[2][8][512];
    memset(result, 0, sizeof result);
    for (unsigned batch = 0; batch < 2; batch++) {
        struct rig rig;
        struct mmu_access a[2] = {{.va = BASE, .size = 1, .kind = (uint8_t)kind},
                                  {.va = BASE + 8, .size = 1, .kind = MMU_LOAD}};
        start_with_bit(&rig, mode, level, bit);
        for (unsigned i = 0; i < 2 && !batch; i++)
            mmu_core_access(rig.core, &a[i], &result[0][i]);
        if (batch)
            assert_int_equal(mmu_core_run(rig.core, a, 2, result[1]), MMU_OK);
        mmu_core_stats(rig.core, &stats[batch]);
        assert_int_equal(mmu_machine_read(rig.machine, rig.root, memory[batch], sizeof memory[batch]),
                         MMU_OK);
        rig_stop(&rig);
    }
    if (memcmp(result[0], result[1], sizeof result[0]) || memcmp(&stats[0], &stats[1], sizeof stats[0]) ||
        memcmp(memory[0], memory[1], sizeof memory[0]))
        fail_msg("mode %d, bit %u at level %u, kind %d: outcome %d, in a batch %d", (int)mode, bit, level,
                 (int)kind, result[0][0].outcome, result[1][0].outcome);
}

/* Whatever bit it is: a miss in a batch is what it is alone. */
static void test_bits_of_entries(void **state)
{
    (void)state;
    static const unsigned bits[] = {0, 1, 2, 5, 6, 7, 8, 51, 63}, levels[MMU_MODES] = {0, 2, 2, 4, 5};
    for (enum mmu_mode mode = MMU_MODE_I386; mode <= MMU_MODE_5L; mode++)
        for (unsigned level = 1; level <= levels[mode]; level++)
            for (unsigned b = 0; b < (mode == MMU_MODE_I386 ? 7 : 9); b++)
                for (enum mmu_kind kind = MMU_FETCH; kind <= MMU_STORE; kind++)
                    check_bit(mode, level, bits[b], kind);
}

/* Under a bound of two, misses tell whose entries were filled last: they are not those that make room. */
static void test_bounded_pcids(void **state)
{
    (void)state;
    static const unsigned pcid[] = {1, 2, 1, 3};
    struct mmu_config config;
    struct rig rig;
    rig_config(&config);
    config.levels = config.tlbs = 1;
    config.tlb[0] = (struct mmu_tlb_config){.name = "TLB",
                                            .level = 1,
                                            .kinds = 7,
                                            .pages = 1 << MMU_4K,
                                            .entries = 16,
                                            .ways = 16,
                                            .policy = MMU_LRU,
                                            .pcid_bound = true,
                                            .pcids = 2};
    rig_start(&rig, &config, MMU_MODE_4L);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
    rig_entry(&rig, rig.root, BASE, 1, RIG_A);
    for (unsigned i = 0; i < 4; i++) {
        struct mmu_access a = {.va = BASE + 0x1000 * i, .size = 1, .kind = MMU_LOAD};
        rig_map(&rig, a.va, 0x5000, 12, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
        rig_set(&rig, MMU_REG_CR3, rig.root | pcid[i] | RIG_NOFLUSH);
        assert_int_equal(mmu_core_run(rig.core, &a, 1, NULL), MMU_OK);
    }
    assert_true(rig_cached(&rig, BASE, 1) && rig_cached(&rig, BASE + 0x2000, 1));
    assert_false(rig_cached(&rig, BASE + 0x1000, 2));
    rig_stop(&rig);
}

/* More hits of one kind in one call than the loop of hits counts in one register. */
static void test_long_batch(void **state)
{
    (void)state;
    enum { MANY = (1 << 21) + 1000 };
    struct mmu_access *a = malloc(MANY * sizeof *a);
    struct mmu_result *result = malloc(MANY * sizeof *result);
    struct mmu_stats *stats = malloc(sizeof *stats);
    struct rig rig;
    struct mmu_config config;
    assert_true(a && result && stats);
    rig_config(&config);
    rig_start(&rig, &config, MMU_MODE_4L);
    mmu_core_set_has_fetches(rig.core, true);
    rig_map(&rig, BASE, 0x5000, 12, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
    for (unsigned i = 0; i < MANY; i++)
        a[i] = (struct mmu_access){.va = BASE, .size = 1, .kind = MMU_FETCH};
    assert_int_equal(mmu_core_run(rig.core, a, MANY, result), MMU_OK);
    mmu_core_stats(rig.core, stats);
    assert_int_equal(stats->run.accesses[MMU_FETCH], MANY);
    assert_int_equal(stats->run.accesses[MMU_LOAD], 0);
    assert_int_equal(result[MANY - 1].pa, 0x5000);
    rig_stop(&rig);
    free(stats);
    free(result);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_32_bits),
        cmocka_unit_test(test_unresolved),
        cmocka_unit_test(test_two_sizes),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_pages_of_one_set),
        cmocka_unit_test(test_absent_pdpte),
        cmocka_unit_test(test_bits_of_entries),
        cmocka_unit_test(test_bounded_pcids),
        cmocka_unit_test(test_long_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
