/*
 * test_runs.c: page runs change no number: a batch, which finds them on its way, and a trace that was
 * collapsed beforehand must leave every counter, time and entry as single accesses do. On machines drawn at
 * random, and on the shipped traces and machines.
 */
#include "pieces.h"
#include "random_machine.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 12000, MACHINES = 60, SHIPPED = 60000, BASE = 0x20000000 };

/* How a trace is run: access by access; as batches; as runs with the references beside them, or behind
 * expand(); as executions of code. */
enum way { SINGLY, BATCHES, RUNS, EXPANDED, EXECUTIONS, WAYS };
static const char *const NAMES[WAYS] = {"one by one", "batches", "runs", "runs that expand", "executions"};

struct program {
    const struct mmu_access *a;
    size_t n;
    bool has_fetches;
    uint64_t seed;    /* of the pieces and what happens between them */
    unsigned longest; /* piece */
    bool disturbed;
    bool prefetches; /* the pages behind one that was walked for */
    bool observed;   /* walks and fills are told */
};

struct outcome {
    struct mmu_stats stats;
    mmu_cycle now;
    uint64_t entries; /* a hash of all of them */
    uint64_t events;
    int status;
};

static size_t predict(void *ctx, const struct mmu_access *access, mmu_va page, unsigned page_shift,
                      mmu_va *out, size_t max)
{
    (void)ctx;
    (void)access;
    out[0] = page + (UINT64_C(1) << page_shift);
    out[1] = page + (UINT64_C(64) << page_shift); /* the same set of most structures */
    return max < 2 ? 0 : 2;
}

static void count_event(void *ctx, struct mmu_core *core, const struct mmu_event *event)
{
    (void)core;
    *(uint64_t *)ctx = *(uint64_t *)ctx * 31 + event->type + event->va;
}

static int hand_over(void *ctx, const struct mmu_access **references)
{
    *references = ctx;
    return MMU_OK;
}

/* Every reference stands in one head, in order, and what is said of it is true. */
static void check_heads(const struct mmu_access *a, size_t n, const struct mmu_head *h, size_t heads)
{
    size_t at = 0;
    for (size_t i = 0; i < heads; i++) {
        uint16_t members[MMU_KINDS] = {0};
        uint32_t gaps = 0;
        assert_true(at < n);
        assert_memory_equal(&h[i].access, &a[at], sizeof *a);
        size_t more = (size_t)mmu_head_references(&h[i]) - 1, first = ++at;
        assert_true(more <= n - at);
        assert_int_equal(h[i].next, more ? MMU_KIND_OF(a[at].kind) : MMU_KINDS);
        assert_int_equal(h[i].next_gap, more && a[at].flags & MMU_AF_GAP ? a[at].gap : 0);
        for (; at < first + more; at++) {
            unsigned kind = MMU_KIND_OF(a[at].kind);
            members[kind]++;
            gaps += a[at].flags & MMU_AF_GAP ? a[at].gap : 0;
            assert_int_equal(a[at].flags, MMU_HEAD_FLAGS(&h[i], kind));
            assert_int_equal(MMU_PRIV_OF(a[at].kind), MMU_PRIV_OF(h[i].access.kind));
        }
        assert_memory_equal(members, h[i].members, sizeof members);
        assert_int_equal(gaps, h[i].gaps);
    }
    assert_int_equal(at, n);
}

static int run_piece(struct mmu_core *core, const struct mmu_access *a, size_t n, enum way way)
{
    if (way == SINGLY) {
        for (size_t i = 0; i < n; i++)
            (void)mmu_core_access(core, &a[i], NULL);
        return MMU_OK;
    }
    if (way == BATCHES)
        return mmu_core_run(core, a, n, NULL);
    if (way == EXECUTIONS)
        return pieces_run(core, a, n);
    struct mmu_head *heads = malloc(n * sizeof *heads);
    assert_non_null(heads);
    struct mmu_runs runs = {.heads = heads, .n_heads = mmu_runs_collapse(a, n, heads)};
    check_heads(a, n, heads, runs.n_heads);
    if (way == RUNS) {
        runs.references = a;
    } else {
        runs.expand = hand_over;
        runs.ctx = (void *)(uintptr_t)a;
    }
    int status = mmu_core_run_runs(core, &runs);
    free(heads);
    return status;
}

static void hash_entry(void *ctx, const struct mmu_tlb_entry *e)
{
    uint64_t *hash = ctx;
    const uint64_t words[] = {e->va,   e->pa,     e->structure, e->pcid, e->set,        e->way,
                              e->page, e->global, e->writable,  e->user, e->no_execute, e->dirty};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        *hash = (*hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* Returns the references that were not simulated. */
static uint64_t run(const struct mmu_config *config, const struct program *p, enum way way,
                    struct outcome *out)
{
    struct mmu_machine *m;
    struct mmu_error error;
    struct dice d = {p->seed};
    memset(out, 0, sizeof *out);
    static const struct mmu_prefetcher_ops prefetcher = {.predict = predict};
    const struct mmu_options options = {.prefetcher = p->prefetches ? &prefetcher : NULL};
    if (mmu_machine_create(config, &options, &m, &error) != MMU_OK)
        fail_msg("%s", error.message);
    struct mmu_core *core = mmu_machine_core(m, 0);
    const struct mmu_observer observer = {
        .mask = 1u << MMU_EV_WALK | 1u << MMU_EV_FILL, .notify = count_event, .ctx = &out->events};
    if (p->observed)
        mmu_core_observe(core, &observer);
    mmu_core_set_has_fetches(core, p->has_fetches);
    if (p->disturbed)
        assert_int_equal(mmu_core_set(core, MMU_REG_CR4, mmu_core_get(core, MMU_REG_CR4) | RIG_PCIDE),
                         MMU_DONE);
    uint64_t cr3 = mmu_core_get(core, MMU_REG_CR3);
    for (size_t i = 0, n; i < p->n && out->status == MMU_OK; i += n) {
        n = 1 + dice_below(&d, p->longest);
        n = n < p->n - i ? n : p->n - i;
        out->status = run_piece(core, p->a + i, n, way);
        if (p->disturbed)
            assert_int_equal(draw_disturbance(core, &d, p->a[i].va, cr3), MMU_DONE);
    }
    mmu_core_check(core);
    mmu_core_stats(core, &out->stats);
    out->now = mmu_core_now(core);
    for (uint32_t i = 0; i < config->tlbs; i++)
        mmu_core_tlb_entries(core, i, hash_entry, &out->entries);
    uint64_t collapsed = mmu_core_collapsed(core);
    mmu_machine_free(m);
    return collapsed;
}

struct list {
    const char *name;
    const struct mmu_stats *other;
    uint64_t value[8192];
    size_t n, at;
};

static void collect(void *ctx, const struct mmu_counter *c)
{
    struct list *l = ctx;
    if (!l->other)
        l->value[l->n++] = c->value;
    else if (l->value[l->at++] != c->value)
        print_message("%s: %llu expected, %llu as %s\n", c->path, (unsigned long long)l->value[l->at - 1],
                      (unsigned long long)c->value, l->name);
}

static void expect_same(const struct mmu_config *config, const struct outcome *want,
                        const struct outcome *got, const char *name)
{
    static struct list l;
    assert_int_equal(got->status, want->status);
    if (memcmp(&want->stats, &got->stats, sizeof want->stats) != 0) {
        memset(&l, 0, sizeof l);
        l.name = name;
        mmu_stats_each(&want->stats, config, collect, &l);
        l.other = &got->stats;
        mmu_stats_each(&got->stats, config, collect, &l);
        fail_msg("%s: the statistics differ", config->name);
    }
    assert_int_equal(got->now, want->now);
    assert_int_equal(got->entries, want->entries);
    assert_int_equal(got->events, want->events);
}

/* A machine on which runs can be used: first-level hits take no time, fetches have structures of their own.
 */
static void draw_usable(struct mmu_config *c, struct dice *d)
{
    draw_config(c, d);
    c->levels = 1 + dice_below(d, 2);
    c->tlbs = c->levels + 1;
    for (unsigned i = 0; i < c->tlbs; i++)
        draw_tlb(&c->tlb[i], d, i < 2 ? 1 : 2, i);
    c->tlb[0].kinds = 1;
    c->tlb[1].kinds = 6;
    c->level[0].latency = 0;
    if (c->memory.data == MMU_DATA_SHARED || c->memory.data_latency)
        c->memory.data = MMU_DATA_NONE;
    c->memory.data_latency = 0;
}

/* Pieces of loops: code and data of a few pages, as programs have them, with everything rare now and then. */
static void draw_trace(struct mmu_access *a, struct dice *d, bool odd)
{
    mmu_va code = BASE, data[3] = {BASE, BASE, BASE};
    unsigned priv = MMU_USER;
    for (unsigned i = 0; i < RECORDS; i++) {
        unsigned kind = dice_below(d, 4) < 3 ? MMU_FETCH : 1 + dice_below(d, 2), which = dice_below(d, 3);
        if (dice_once_in(d, 80))
            code = BASE + ((mmu_va)dice_below(d, dice_once_in(d, 4) ? 200 : 12) << 12);
        if (dice_once_in(d, 25))
            data[which] = (dice_once_in(d, 9) ? UINT64_C(0x80000000) : BASE) +
                          ((mmu_va)dice_below(d, dice_once_in(d, 4) ? 400 : 24) << 12);
        if (odd && dice_once_in(d, 300))
            priv = priv == MMU_USER ? MMU_SUPERVISOR : MMU_USER;
        mmu_va va =
            (kind == MMU_FETCH ? code : data[which]) + dice_below(d, dice_once_in(d, 50) ? 4096 : 4088);
        a[i] = (struct mmu_access){
            .va = va, .size = (uint16_t)(1 + dice_below(d, 8)), .kind = MMU_KIND_PRIV(kind, priv)};
        if (odd && dice_once_in(d, 30))
            a[i].flags = MMU_AF_FOLLOWS;
        if (odd && dice_once_in(d, i / 3000 % 2 ? 2 : 60)) {
            a[i].flags |= MMU_AF_GAP;
            a[i].gap = dice_once_in(d, 50) ? UINT32_MAX : dice_below(d, 40);
        }
    }
}

static void test_random(void **state)
{
    (void)state;
    static struct mmu_access a[RECORDS];
    static struct outcome want, got;
    struct dice d = dice_new("runs", 5);
    uint64_t collapsed[WAYS] = {0}, all = 0;
    for (unsigned made = 0, machines = dice_rounds(MACHINES); made < machines;) {
        struct mmu_config config;
        dice_once_in(&d, 2) ? draw_config(&config, &d) : draw_usable(&config, &d);
        if (mmu_config_check(&config, NULL) != MMU_OK)
            continue;
        draw_trace(a, &d, dice_once_in(&d, 2));
        struct program p = {.a = a,
                            .n = RECORDS,
                            .has_fetches = dice_once_in(&d, 2),
                            .seed = dice_next(&d),
                            .longest = dice_once_in(&d, 2) ? 200 : 5000,
                            .disturbed = true,
                            .prefetches = dice_once_in(&d, 4),
                            .observed = dice_once_in(&d, 4)};
        run(&config, &p, SINGLY, &want);
        for (enum way way = BATCHES; way < WAYS; way++) {
            collapsed[way] += run(&config, &p, way, &got);
            expect_same(&config, &want, &got, NAMES[way]);
        }
        all += RECORDS;
        made++;
    }
    for (enum way way = BATCHES; way < WAYS; way++) {
        print_message("%s: %.1f %% not simulated\n", NAMES[way],
                      100.0 * (double)collapsed[way] / (double)all);
        assert_true(collapsed[way] > all / 25); /* or the test has tested nothing */
    }
}

/* The first references of a shipped trace. */
static size_t read_trace(const char *path, struct mmu_access *a)
{
    struct mmu_trace_reader *reader;
    struct mmu_error err;
    size_t n = 0;
    int64_t got = 1;
    assert_int_equal(mmu_trace_open(path, MMU_TRACE_AUTO, &reader, &err), MMU_OK);
    while (n < SHIPPED && got > 0) {
        got = mmu_trace_read(reader, a + n, SHIPPED - n, &err);
        assert_true(got >= 0);
        n += (size_t)got;
    }
    mmu_trace_close(reader);
    return n;
}

static void compare_shipped(const char *machine, const struct program *p)
{
    static struct outcome want, got;
    struct mmu_config config;
    struct mmu_error err;
    if (mmu_config_load(&config, machine, NULL, 0, &err) != MMU_OK)
        fail_msg("%s: %s", machine, err.message);
    run(&config, p, BATCHES, &got);
    if (got.status == MMU_OK) /* else the trace's addresses do not fit the machine */
        run(&config, p, SINGLY, &want);
    for (enum way way = RUNS; way < WAYS; way++) {
        struct outcome runs;
        run(&config, p, way, &runs);
        expect_same(&config, &got, &runs, NAMES[way]);
    }
    if (got.status == MMU_OK)
        expect_same(&config, &want, &got, NAMES[BATCHES]);
}

static void test_shipped(void **state)
{
    (void)state;
    static struct mmu_access a[SHIPPED];
    glob_t traces, machines;
    assert_int_equal(glob(MMUSIM_CONFIGS "/../traces/*.mmt", 0, NULL, &traces), 0);
    assert_int_equal(glob(MMUSIM_CONFIGS "/*.yaml", 0, NULL, &machines), 0);
    for (size_t t = 0; t < traces.gl_pathc; t++) {
        struct program p = {.a = a, .has_fetches = true, .seed = t, .longest = 8192};
        p.n = read_trace(traces.gl_pathv[t], a);
        for (size_t m = 0; m < machines.gl_pathc; m++)
            compare_shipped(machines.gl_pathv[m], &p);
    }
    globfree(&traces);
    globfree(&machines);
}

/* There are no references to be had. */
static int refuse(void *ctx, const struct mmu_access **references)
{
    (void)ctx;
    (void)references;
    return MMU_ERR_CHECKSUM;
}

/* An expansion that fails ends the run with what it said. */
static void test_expansion_fails(void **state)
{
    (void)state;
    struct mmu_access a[3] = {{.va = BASE, .size = 8, .kind = MMU_LOAD}};
    struct mmu_head heads[3];
    struct mmu_config config;
    struct mmu_machine *m;
    a[1] = a[2] = a[0];
    mmu_config_init(&config); /* no TLB: nothing is a member here */
    assert_int_equal(mmu_machine_create(&config, NULL, &m, NULL), MMU_OK);
    struct mmu_runs runs = {.heads = heads, .n_heads = mmu_runs_collapse(a, 3, heads), .expand = refuse};
    assert_int_equal(runs.n_heads, 1);
    assert_int_equal(heads[0].members[MMU_LOAD], 2);
    assert_false(mmu_core_uses_runs(mmu_machine_core(m, 0)));
    assert_int_equal(mmu_core_run_runs(mmu_machine_core(m, 0), &runs), MMU_ERR_CHECKSUM);
    mmu_machine_free(m);
}

/* Data behind fetches that hit: hits of their own, others that cross into the next page, loads and stores of
 * one instruction. All of them are counted as one by one. */
static void test_data_of_executions(void **state)
{
    (void)state;
    enum { PAGES = 4, N = 600 };
    struct mmu_access a[N];
    static struct mmu_stats stats[2];
    size_t n = 0;
    for (unsigned i = 0; n + 3 < N; i++) {
        mmu_va data = BASE + 0x1000 * (1 + i / 50 % 2);
        a[n++] = (struct mmu_access){.va = BASE + 5 * (i % 9), .size = 4, .kind = MMU_FETCH};
        a[n] = (struct mmu_access){
            .va = data + (i % 16 == 15 ? 0xffc : 8 * i % 512), .size = 8, .kind = MMU_LOAD};
        n++;
        if (i % 3 || i % 16 == 15)
            continue;
        a[n] = a[n - 1];
        a[n].kind = MMU_STORE;
        a[n++].flags = MMU_AF_FOLLOWS;
    }
    for (unsigned fetches = 0; fetches < 2; fetches++) { /* 0: a load or store is an instruction itself */
        for (unsigned way = 0; way < 2; way++) {
            struct mmu_config config;
            struct rig rig;
            rig_config(&config);
            config.cpi = 3;
            rig_start(&rig, &config, MMU_MODE_4L);
            mmu_core_set_has_fetches(rig.core, fetches);
            for (unsigned i = 0; i < PAGES; i++)
                rig_map(&rig, BASE + 0x1000 * i, 0x1000 * i, 12, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
            for (unsigned lap = 0; lap < 3; lap++)
                assert_int_equal(run_piece(rig.core, a, n, way ? EXECUTIONS : SINGLY), MMU_OK);
            mmu_core_stats(rig.core, &stats[way]);
            rig_stop(&rig);
        }
        assert_memory_equal(&stats[0], &stats[1], sizeof stats[0]);
    }
}

/* Singly and as executions, on a machine like this; both must be the same. Returns how many references were
 * not simulated. */
static uint64_t run_both(const struct mmu_config *config, const struct mmu_access *a, size_t n,
                         struct mmu_stats *stats)
{
    enum { PAGES = 8 };
    static struct mmu_stats other;
    uint64_t collapsed = 0;
    for (unsigned way = 0; way < 2; way++) {
        struct rig rig;
        rig_start(&rig, config, MMU_MODE_4L);
        mmu_core_set_has_fetches(rig.core, true);
        for (unsigned i = 0; i < PAGES; i++)
            rig_map(&rig, BASE + 0x1000 * i, 0x1000 * i, 12, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
        assert_int_equal(run_piece(rig.core, a, n, way ? EXECUTIONS : SINGLY), MMU_OK);
        mmu_core_stats(rig.core, way ? &other : stats);
        collapsed = mmu_core_collapsed(rig.core);
        rig_stop(&rig);
    }
    assert_memory_equal(stats, &other, sizeof other);
    return collapsed;
}

/* A structure of two entries that fetches and data share: a page that was fetched from stays, since each
 * fetch touches it, while the data of the same piece take turns in the other entry. */
static void test_executions_of_shared_structure(void **state)
{
    (void)state;
    enum { N = 600 };
    struct mmu_access a[N];
    static struct mmu_stats stats;
    struct mmu_config config;
    for (unsigned i = 0; i < N; i += 2) {
        a[i] = (struct mmu_access){.va = BASE + i / 2 % 9, .size = 1, .kind = MMU_FETCH};
        a[i + 1] = (struct mmu_access){.va = BASE + 0x1000 * (1 + i / 14 % 3), .size = 8, .kind = MMU_LOAD};
    }
    rig_config(&config);
    config.tlb[0] = config.tlb[2];
    config.tlb[0].entries = config.tlb[0].ways = 2;
    config.tlb[0].level = 1;
    config.tlbs = config.levels = 1;
    run_both(&config, a, N, &stats);
    assert_int_equal(stats.tlb[0].misses[MMU_FETCH], 1);
}

/* Data that the second level alone holds, every other time. Their 4-KByte pages are not where loads ask
 * first, so hits there are counted, not derived. Two of sixteen references are simulated: that hit of the
 * second level, and the first hit behind it. */
static void test_executions_of_second_level(void **state)
{
    (void)state;
    enum { LOOP = 8, N = 1000 * LOOP };
    static struct mmu_access a[N];
    static struct mmu_stats stats;
    struct mmu_config config;
    uint64_t misses = 0;
    for (unsigned i = 0; i < N; i++)
        a[i] = i % LOOP == LOOP - 1
                   ? (struct mmu_access){.va = BASE + 0x1000 * (1 + i / LOOP / 2 % 4),
                                         .size = 8,
                                         .kind = MMU_LOAD}
                   : (struct mmu_access){.va = BASE + 4 * (i % LOOP), .size = 4, .kind = MMU_FETCH};
    rig_config(&config);
    config.tlb[3] = config.tlb[2];
    config.tlb[3].entries = config.tlb[3].ways = 64; /* so many have stamps of the clock */
    config.tlb[2] = config.tlb[1];
    config.tlbs = 4;
    snprintf(config.tlb[1].name, sizeof config.tlb[1].name, "DTLB-2M");
    config.tlb[1].pages = 1 << MMU_2M;
    config.tlb[2].pages = 1 << MMU_4K;
    config.tlb[2].entries = config.tlb[2].ways = 2;
    uint64_t collapsed = run_both(&config, a, N, &stats);
    for (unsigned kind = 0; kind < MMU_KINDS; kind++)
        misses += stats.level[0].misses[kind];
    assert_int_equal(misses, N / LOOP / 2 + 1);
    assert_in_range(collapsed, N - 2 * misses - 100, N - 2 * misses);
}

/* A loop of more references than 32 bits count, in one stretch: heads with as many members as they can have.
 */
static void test_longest_loop(void **state)
{
    (void)state;
    enum { HEADS = 65536 + 100 };
    struct mmu_head *heads = calloc(HEADS, sizeof *heads);
    struct mmu_stats *stats = malloc(sizeof *stats);
    struct mmu_config config;
    struct rig rig;
    assert_true(heads && stats);
    rig_config(&config);
    rig_start(&rig, &config, MMU_MODE_4L);
    mmu_core_set_has_fetches(rig.core, true);
    rig_map(&rig, 0x1000, 0x5000, 12, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
    for (unsigned i = 0; i < HEADS; i++)
        heads[i] = (struct mmu_head){.access = {.va = 0x1000, .size = 1, .kind = MMU_FETCH},
                                     .members = {[MMU_FETCH] = UINT16_MAX},
                                     .next = MMU_FETCH};
    const struct mmu_runs runs = {.heads = heads, .n_heads = HEADS, .expand = refuse};
    assert_true(mmu_core_uses_runs(rig.core));
    assert_int_equal(mmu_core_run_runs(rig.core, &runs), MMU_OK);
    mmu_core_stats(rig.core, stats);
    assert_true(stats->run.accesses[MMU_FETCH] == UINT64_C(65536) * HEADS);
    mmu_core_check(rig.core);
    rig_stop(&rig);
    free(stats);
    free(heads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_expansion_fails),
        cmocka_unit_test(test_longest_loop),
        cmocka_unit_test(test_data_of_executions),
        cmocka_unit_test(test_executions_of_shared_structure),
        cmocka_unit_test(test_executions_of_second_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
