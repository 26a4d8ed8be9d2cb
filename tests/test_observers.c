/*
 * test_observers.c: what a core tells an observer, and a caller's own replacement policy and prefetcher.
 */
#include "dice.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BASE = 0x20000000 };

struct log {
    uint64_t n[MMU_EVENTS], reads[MMU_EVENTS], cycles[MMU_EVENTS];
    struct mmu_event last[MMU_EVENTS];
    struct mmu_core *core;
};

static void note(void *ctx, struct mmu_core *core, const struct mmu_event *event)
{
    struct log *log = ctx;
    assert_true(event->type < MMU_EVENTS);
    assert_ptr_equal(core, log->core);
    log->n[event->type]++;
    log->reads[event->type] += event->reads;
    log->cycles[event->type] += event->cycles;
    log->last[event->type] = *event;
}

static uint64_t sum(const uint64_t *counter, size_t n)
{
    uint64_t s = 0;
    for (size_t i = 0; i < n; i++)
        s += counter[i];
    return s;
}
#define SUM(counter) sum(counter, sizeof(counter) / sizeof(counter)[0])

static void compare(const struct mmu_core *core, const struct log *log, unsigned tlbs)
{
    struct mmu_stats s;
    uint64_t fills = 0, evictions = 0, dropped = 0;
    mmu_core_stats(core, &s);
    for (unsigned i = 0; i < tlbs; i++) {
        fills += SUM(s.tlb[i].fills);
        evictions += s.tlb[i].evictions[0];
        dropped +=
            SUM(s.tlb[i].flushed) - s.tlb[i].flushed[MMU_BY_REWALK] - s.tlb[i].flushed[MMU_BY_PCID_LIMIT];
    }
    for (unsigned l = 0; l < MMU_PSC_LEVELS; l++)
        dropped += SUM(s.psc[l].flushed);
    assert_int_equal(log->n[MMU_EV_ACCESS], SUM(s.run.accesses));
    assert_int_equal(log->cycles[MMU_EV_ACCESS], SUM(s.cycles.charged) - s.cycles.charged[MMU_PART_BARRIER]);
    assert_int_equal(log->n[MMU_EV_MISS], SUM(s.level[0].misses));
    assert_int_equal(log->n[MMU_EV_WALK], SUM(s.walk.started));
    assert_int_equal(log->reads[MMU_EV_WALK], s.walk.references[0]);
    assert_int_equal(log->cycles[MMU_EV_WALK], s.walk.pending[0]);
    assert_int_equal(log->n[MMU_EV_FAULT], s.run.faults_pf[0] + s.run.faults_gp[0] + s.run.faults_memory[0]);
    assert_int_equal(log->n[MMU_EV_FILL], fills);
    assert_int_equal(log->n[MMU_EV_EVICT], evictions);
    assert_int_equal(log->reads[MMU_EV_INVALIDATE], dropped);
    for (unsigned e = 0; e < MMU_EVENTS; e++)
        assert_true(log->n[e] > 0);
}

/* Everything that is counted is told, once; with the pager, INVLPG, MOV CR3 (PCIDs kept and not) and faults.
 */
static void test_counts(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_machine *m;
    struct dice dice = dice_new("observers", 1);
    assert_int_equal(mmu_config_load(&config, MMUSIM_CONFIGS "/skylake-sp.yaml", NULL, 0, NULL), MMU_OK);
    assert_int_equal(mmu_machine_create(&config, NULL, &m, NULL), MMU_OK);
    struct mmu_core *core = mmu_machine_core(m, 0);
    struct log log = {.core = core};
    struct mmu_observer observer = {.mask = (1u << MMU_EVENTS) - 1, .notify = note, .ctx = &log};
    assert_int_equal(mmu_core_set(core, MMU_REG_CR4, mmu_core_get(core, MMU_REG_CR4) | RIG_PCIDE), MMU_DONE);
    mmu_core_observe(core, &observer);
    uint64_t cr3 = mmu_core_get(core, MMU_REG_CR3);
    for (unsigned i = 0; i < 30000; i++) {
        mmu_va va = BASE + ((mmu_va)dice_below(&dice, 3000) << 12) + dice_below(&dice, 4096);
        if (dice_once_in(&dice, 500))
            va |= UINT64_C(1) << 55;
        struct mmu_access a = {.va = va, .size = 8, .kind = (uint8_t)dice_below(&dice, 3)};
        assert_int_equal(mmu_core_run(core, &a, 1, NULL), MMU_OK);
        if (dice_once_in(&dice, 200))
            assert_int_equal(mmu_core_invlpg(core, va & ~(UINT64_C(1) << 55)), MMU_DONE);
        if (dice_once_in(&dice, 300)) {
            uint64_t keep = dice_below(&dice, 2) ? RIG_NOFLUSH : 0;
            assert_int_equal(mmu_core_set(core, MMU_REG_CR3, cr3 | dice_below(&dice, 3) | keep), MMU_DONE);
        }
    }
    compare(core, &log, config.tlbs);
    mmu_core_check(core);
    struct log before = log;
    mmu_core_observe(core, NULL);
    struct mmu_access a = {.va = 0x1000, .size = 8, .kind = MMU_LOAD};
    assert_int_equal(mmu_core_run(core, &a, 1, NULL), MMU_OK);
    assert_memory_equal(&before, &log, sizeof log);
    mmu_machine_free(m);
}

/* The fields of each event. */
static void test_fields(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    rig_config(&config);
    config.tlb[1].entries = config.tlb[1].ways = 1; /* the second page evicts the first */
    config.memory.data = MMU_DATA_FIXED;
    config.memory.data_latency = 9;
    rig_start(&rig, &config, MMU_MODE_4L);
    rig_map(&rig, BASE, 0x200000, 21, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
    rig_map(&rig, BASE + 0x200000, 0x7000, 12, RIG_P | RIG_U | RIG_A);
    struct log log = {.core = rig.core};
    struct mmu_observer observer = {.mask = (1u << MMU_EVENTS) - 1, .notify = note, .ctx = &log};
    mmu_core_observe(rig.core, &observer);
    rig_expect(&rig, MMU_LOAD, MMU_USER, BASE + 0x1234, 0x201234);
    struct mmu_result r = rig_access(&rig, MMU_LOAD, MMU_SUPERVISOR, BASE + 0x200008);
    assert_int_equal(r.outcome, MMU_DONE);
    const struct mmu_event *e = &log.last[MMU_EV_ACCESS];
    assert_int_equal(e->va, BASE + 0x200008);
    assert_int_equal(e->pa, 0x7008);
    assert_int_equal(e->kind_priv, MMU_KIND_PRIV(MMU_LOAD, MMU_SUPERVISOR));
    assert_int_equal(e->cycle, r.issued);
    assert_int_equal(e->cycles, r.completed - r.issued);
    e = &log.last[MMU_EV_MISS];
    assert_int_equal(e->va, BASE + 0x200008);
    assert_int_equal(e->cycle, r.issued);
    e = &log.last[MMU_EV_WALK];
    assert_int_equal(e->outcome, MMU_DONE);
    assert_int_equal(e->page_shift, 12);
    assert_int_equal(e->pa, 0x7008);
    assert_int_equal(e->reads, 2); /* the PDPTE was cached */
    assert_int_equal(e->cycle, r.completed - 9);
    assert_int_equal(e->cycle - e->cycles, r.issued + 7); /* granted after the second-level look-up */
    e = &log.last[MMU_EV_EVICT];
    assert_int_equal(e->structure, 1);
    assert_int_equal(e->va, BASE);
    assert_int_equal(e->pa, 0x200000);
    assert_int_equal(e->page_shift, 21);
    e = &log.last[MMU_EV_FILL];
    assert_int_equal(e->va, BASE + 0x200000);
    assert_int_equal(e->pa, 0x7000);
    assert_int_equal(e->page_shift, 12);
    assert_int_equal(log.n[MMU_EV_FILL], 4);
    rig_expect_pf(&rig, MMU_STORE, MMU_USER, BASE + 0x200010, MMU_PF_P | MMU_PF_W | MMU_PF_U);
    e = &log.last[MMU_EV_FAULT];
    assert_int_equal(e->outcome, MMU_FAULT_PF);
    assert_int_equal(e->error_code, MMU_PF_P | MMU_PF_W | MMU_PF_U);
    assert_int_equal(e->va, BASE + 0x200010);
    e = &log.last[MMU_EV_INVALIDATE];
    assert_int_equal(e->va, BASE + 0x200010);
    assert_int_equal(e->reads, 5); /* both levels' entry, PDE, PDPTE, PML4E */
    rig_stop(&rig);
}

/* A caller's policy that is LRU: the same evictions as the built-in one, and every call as promised. */
struct own {
    uint32_t sets, ways;
    uint64_t now, *used, *filled;
};

static struct {
    unsigned created, destroyed, touches, fills, victims;
    uint64_t seeds[4];
} calls;

static void *own_create(void *ctx, uint32_t sets, uint32_t ways, uint64_t seed)
{
    assert_ptr_equal(ctx, &calls);
    struct own *o = calloc(1, sizeof *o);
    assert_non_null(o);
    calls.seeds[calls.created++ & 3] = seed;
    *o = (struct own){.sets = sets,
                      .ways = ways,
                      .used = calloc((size_t)sets * ways, 8),
                      .filled = calloc((size_t)sets * ways, 8)};
    return o;
}

static void own_destroy(void *ctx, void *state)
{
    assert_ptr_equal(ctx, &calls);
    struct own *o = state;
    calls.destroyed++;
    free(o->used);
    free(o->filled);
    free(o);
}

static void own_touch(void *state, uint32_t set, uint32_t way)
{
    struct own *o = state;
    assert_true(set < o->sets && way < o->ways);
    assert_true(o->filled[set * o->ways + way]);
    calls.touches++;
    o->used[set * o->ways + way] = ++o->now;
}

static void own_fill(void *state, uint32_t set, uint32_t way)
{
    struct own *o = state;
    assert_true(set < o->sets && way < o->ways);
    calls.fills++;
    o->filled[set * o->ways + way]++;
    o->used[set * o->ways + way] = ++o->now;
}

static uint32_t own_victim(void *state, uint32_t set, uint64_t mask)
{
    struct own *o = state;
    uint32_t best = UINT32_MAX;
    calls.victims++;
    for (uint32_t w = 0; w < o->ways; w++) {
        bool may = w >= 64 || (mask >> w & 1);
        assert_true(!may || o->filled[set * o->ways + w]); /* every allowed way is valid */
        if (may && (best == UINT32_MAX || o->used[set * o->ways + w] < o->used[set * o->ways + best]))
            best = w;
    }
    return best;
}

static void run_policy(struct mmu_config *config, const struct mmu_options *options, struct mmu_stats *stats)
{
    struct mmu_machine *m;
    struct dice dice = {3};
    assert_int_equal(mmu_machine_create(config, options, &m, NULL), MMU_OK);
    struct mmu_core *core = mmu_machine_core(m, 0);
    for (unsigned i = 0; i < 300; i++) {
        struct mmu_access a[64];
        for (unsigned k = 0; k < 64; k++) {
            mmu_va page = dice_once_in(&dice, 2) ? dice_below(&dice, 40) : dice_below(&dice, 1500);
            mmu_va large =
                dice_once_in(&dice, 5) ? UINT64_C(0x40000000) + ((mmu_va)dice_below(&dice, 30) << 21) : 0;
            a[k] = (struct mmu_access){
                .va = BASE + (page << 12) + large, .size = 1, .kind = (uint8_t)dice_below(&dice, 3)};
        }
        assert_int_equal(mmu_core_run(core, a, 64, NULL), MMU_OK);
    }
    mmu_core_stats(core, stats);
    mmu_core_check(core);
    mmu_machine_free(m);
}

static void test_policy(void **state)
{
    (void)state;
    static struct mmu_stats built_in, own;
    struct mmu_policy_ops ops = {own_create, own_destroy, own_touch, own_fill, own_victim, &calls};
    struct mmu_options options = {.policy = &ops};
    struct mmu_config config;
    rig_config(&config);
    config.pager.enabled = true;
    config.pager.ranges = 1;
    config.pager.range[0].start = UINT64_C(0x60000000);
    config.pager.range[0].end = UINT64_C(0x80000000);
    config.pager.range[0].page = MMU_2M;
    config.tlb[2].way_mask[MMU_2M] = 0x3;
    run_policy(&config, NULL, &built_in);
    memset(&calls, 0, sizeof calls);
    for (unsigned i = 0; i < config.tlbs; i++)
        config.tlb[i].policy = MMU_USER_POLICY;
    struct mmu_machine *nobody = NULL;
    struct mmu_error err = {0};
    assert_int_equal(mmu_machine_create(&config, NULL, &nobody, &err), MMU_ERR_INVALID);
    assert_non_null(strstr(err.message, config.tlb[0].name));
    run_policy(&config, &options, &own);
    assert_memory_equal(&built_in, &own, sizeof own);
    assert_int_equal(calls.created, 3);
    assert_int_equal(calls.destroyed, 3);
    assert_true(calls.seeds[0] != calls.seeds[1] && calls.seeds[1] != calls.seeds[2]);
    uint64_t hits = 0, fills = 0, evictions = 0;
    for (unsigned i = 0; i < config.tlbs; i++) {
        hits += SUM(own.tlb[i].hits);
        fills += SUM(own.tlb[i].fills);
        evictions += own.tlb[i].evictions[0];
    }
    assert_int_equal(calls.touches, hits);
    assert_int_equal(calls.fills, fills);
    assert_int_equal(calls.victims, evictions);
    assert_true(evictions > 100);
}

/* A caller's prefetcher: the next page. */
struct next {
    uint64_t calls;
    size_t give;
    mmu_va page;
    unsigned shift;
};

static size_t predict(void *ctx, const struct mmu_access *access, mmu_va page, unsigned page_shift,
                      mmu_va *out, size_t max)
{
    struct next *n = ctx;
    assert_true(max >= 1 && access->size >= 1);
    assert_int_equal(page, access->va >> page_shift << page_shift);
    n->calls++;
    n->page = page;
    n->shift = page_shift;
    for (size_t i = 0; i < n->give && i < max; i++)
        out[i] = page + ((mmu_va)(i + 1) << page_shift);
    return n->give < max ? n->give : max;
}

static void test_prefetcher(void **state)
{
    (void)state;
    enum { PAGES = 20 };
    struct next next = {.give = 1};
    struct mmu_prefetcher_ops ops = {predict, &next};
    struct mmu_options options = {.prefetcher = &ops};
    struct mmu_config config;
    struct mmu_stats stats;
    struct rig rig = {.mode = MMU_MODE_4L};
    rig_config(&config);
    /* the rig makes machines without options: its tables are copied into one that has them */
    rig_start(&rig, &config, MMU_MODE_4L);
    mmu_pa pte[PAGES];
    for (unsigned p = 0; p < PAGES; p++)
        pte[p] =
            rig_map(&rig, BASE + ((mmu_va)p << 12), 0x100000 + ((mmu_pa)p << 12), 12, RIG_P | RIG_W | RIG_U);
    struct mmu_machine *m;
    struct mmu_registers registers;
    static uint8_t tables[16 * 4096];
    assert_int_equal(mmu_machine_create(&config, &options, &m, NULL), MMU_OK);
    assert_int_equal(mmu_machine_read(rig.machine, rig.root, tables, sizeof tables), MMU_OK);
    assert_int_equal(mmu_machine_write(m, rig.root, tables, sizeof tables), MMU_OK);
    for (enum mmu_reg r = 0; r < MMU_REGS; r++)
        registers.value[r] = mmu_core_get(rig.core, r);
    rig_stop(&rig);
    rig.machine = m;
    rig.core = mmu_machine_core(m, 0);
    assert_int_equal(mmu_core_load(rig.core, &registers), MMU_DONE);

    struct mmu_result r = rig_access(&rig, MMU_STORE, MMU_USER, BASE + 0x123);
    assert_int_equal(next.calls, 1);
    assert_int_equal(next.page, BASE);
    assert_int_equal(next.shift, 12);
    /* the access's own time only: look-up 7, walk 4 + 1 + 4 x 5, four entries written 40 */
    assert_int_equal(r.completed - r.issued, 7 + 4 + 1 + 20 + 40);
    assert_int_equal(rig_peek(&rig, pte[0]) & (RIG_A | RIG_D), RIG_A | RIG_D);
    assert_int_equal(rig_peek(&rig, pte[1]) & (RIG_A | RIG_D), RIG_A); /* for a store, too: A but not D */
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, BASE + 0x1000, 0x101000), MMU_AT_L1);
    assert_int_equal(next.calls, 1); /* no walk, no call; nor for the prefetch's own walk */
    next.give = 1000;                /* runs beyond the mapped pages: no fault */
    rig_expect(&rig, MMU_LOAD, MMU_USER, BASE + 0x2000, 0x102000);
    for (unsigned p = 3; p < PAGES && p < 18; p++)
        assert_int_equal(
            rig_expect(&rig, MMU_LOAD, MMU_USER, BASE + ((mmu_va)p << 12), 0x100000 + ((mmu_pa)p << 12)),
            MMU_AT_L1);
    rig_expect(&rig, MMU_LOAD, MMU_USER, BASE + 0x13000, 0x113000);    /* the last page */
    rig_expect_pf(&rig, MMU_LOAD, MMU_USER, BASE + 0x14000, MMU_PF_U); /* walks that fault call nobody */
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(next.calls, stats.walk.completed[MMU_LOAD] + stats.walk.completed[MMU_STORE] +
                                     stats.walk.faulted[MMU_LOAD] - 1 - stats.walk.prefetches[0]);
    assert_int_equal(stats.run.faults_pf[0], 1);
    assert_true(stats.walk.prefetches[0] > 16 && stats.walk.faulted[MMU_LOAD] > 1);
    rig_stop(&rig);
}

/* Batches: with an observer of everything but accesses, and with a prefetcher, they do and tell what single
 * accesses do and tell. */
enum { RECORDS = 12000 };

static void note_any(void *ctx, struct mmu_core *core, const struct mmu_event *event)
{
    struct log *log = ctx;
    uint64_t *hash = &log->cycles[event->type];
    (void)core;
    log->n[event->type]++;
    const uint64_t word[] = {event->type,      event->kind_priv, event->page_shift, event->outcome,
                             event->structure, event->pcid,      event->error_code, event->reads,
                             event->va,        event->pa,        event->cycle,      event->cycles};
    for (unsigned i = 0; i < sizeof word / sizeof *word; i++)
        *hash = (*hash ^ word[i]) * UINT64_C(0x100000001b3);
}

static void run_watched(const struct mmu_config *config, const struct mmu_access *a, bool batch,
                        bool prefetch, unsigned mask, struct log *log, struct mmu_stats *stats)
{
    struct next next = {.give = 2};
    struct mmu_prefetcher_ops ops = {predict, &next};
    struct mmu_options options = {.prefetcher = prefetch ? &ops : NULL};
    struct mmu_observer observer = {.mask = mask, .notify = note_any, .ctx = log};
    struct mmu_machine *m;
    memset(log, 0, sizeof *log);
    assert_int_equal(mmu_machine_create(config, &options, &m, NULL), MMU_OK);
    struct mmu_core *core = mmu_machine_core(m, 0);
    mmu_core_observe(core, &observer);
    if (batch)
        assert_int_equal(mmu_core_run(core, a, RECORDS, NULL), MMU_OK);
    for (size_t i = 0; i < RECORDS && !batch; i++)
        assert_int_equal(mmu_core_access(core, &a[i], NULL), MMU_DONE);
    mmu_core_stats(core, stats);
    mmu_core_check(core);
    log->reads[0] = next.calls;
    mmu_machine_free(m);
}

static void test_batches(void **state)
{
    (void)state;
    static struct mmu_access a[RECORDS];
    static struct mmu_stats single, batch;
    struct dice dice = dice_new("watched batches", 4);
    struct mmu_config config;
    assert_int_equal(mmu_config_load(&config, MMUSIM_CONFIGS "/skylake-sp.yaml", NULL, 0, NULL), MMU_OK);
    for (unsigned i = 0; i < RECORDS; i++) {
        mmu_va page = dice_below(&dice, dice_once_in(&dice, 3) ? 4000 : 100);
        a[i] = (struct mmu_access){.va = BASE + (page << 12) + dice_below(&dice, 4096),
                                   .size = 1,
                                   .kind = (uint8_t)dice_below(&dice, 3)};
    }
    for (unsigned type = 0; type <= MMU_EVENTS; type++) { /* each event alone, and all but accesses */
        for (unsigned prefetch = 0; prefetch < 2; prefetch++) {
            struct log one, many;
            unsigned mask =
                type < MMU_EVENTS ? 1u << type : ((1u << MMU_EVENTS) - 1) & ~(1u << MMU_EV_ACCESS);
            run_watched(&config, a, false, prefetch, mask, &one, &single);
            run_watched(&config, a, true, prefetch, mask, &many, &batch);
            assert_memory_equal(&single, &batch, sizeof batch);
            assert_memory_equal(&one, &many, sizeof many);
            assert_true((many.reads[0] > 0) == prefetch);
            if (type < MMU_EVENTS)
                assert_true(many.n[type] > 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),     cmocka_unit_test(test_fields),  cmocka_unit_test(test_policy),
        cmocka_unit_test(test_prefetcher), cmocka_unit_test(test_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
