/*
 * test_time_random.c: the clock against the naive recurrence (ref_time.h), on random machines and random
 * traces, with faults and barriers.
 *
 * Fed with the parts of each access as the machine's ledger has them, ref_time must find the same issue and
 * completion times, the same elapsed and ideal time, and blame the same part for every cycle of delay. Waits
 * for walkers, merges and waits of fault handlers depend on time themselves: they are derived again, naively,
 * where a machine's configuration lets them be told apart.
 */
#include "dice.h"
#include "ref_time.h"

#include <mmusim/mmusim.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { ALL = 1 << MMU_FETCH | 1 << MMU_LOAD | 1 << MMU_STORE, DATA = 1 << MMU_LOAD | 1 << MMU_STORE };
enum { P4K = 1 << MMU_4K, P2M = 1 << MMU_2M, P1G = 1 << MMU_1G };

struct run {
    struct dice *dice;
    struct mmu_config config;
    struct mmu_machine *machine;
    struct mmu_core *core;
    bool has_fetches;
    bool coarse; /* all times are multiples of ten */
    struct ref_time ref;
    uint64_t free_at[MMU_MAX_WALKERS]; /* the naive walkers */
    uint64_t latest;                   /* completion so far */
};

static void add(struct mmu_config *c, struct dice *d, unsigned level, unsigned kinds, unsigned pages)
{
    struct mmu_tlb_config *t = &c->tlb[c->tlbs];
    unsigned ways = 1 + dice_below(d, 6);
    *t = (struct mmu_tlb_config){.level = level, .kinds = kinds, .pages = pages, .ways = ways};
    t->entries = ways * (1 + dice_below(d, level == 1 ? 6 : 30));
    t->policy = dice_once_in(d, 3) ? MMU_PLRU : MMU_LRU;
    snprintf(t->name, sizeof t->name, "T%u", c->tlbs++);
    c->levels = level;
}

static void choose_tlbs(struct mmu_config *c, struct dice *d)
{
    if (dice_once_in(d, 3)) {
        add(c, d, 1, ALL, P4K | P2M | P1G);
    } else {
        add(c, d, 1, 1 << MMU_FETCH, P4K | P2M);
        add(c, d, 1, DATA, P4K);
        add(c, d, 1, DATA, P2M | P1G);
    }
    if (dice_once_in(d, 4))
        return;
    add(c, d, 2, ALL, P4K | P2M);
    c->level[1].latency = dice_below(d, 12);
    if (dice_once_in(d, 3)) {
        c->level[1].latency = 0;
        c->level[1].serial_count = 2;
        c->level[1].serial_page[0] = MMU_4K;
        c->level[1].serial_page[1] = MMU_2M;
        c->level[1].serial_latency[0] = dice_below(d, 9);
        c->level[1].serial_latency[1] = dice_below(d, 9);
    }
}

static void choose_memory(struct mmu_config *c, struct dice *d)
{
    c->memory.reads = dice_once_in(d, 2) ? MMU_READS_FIXED : MMU_READS_CACHED;
    c->memory.read_latency = dice_below(d, 40);
    c->memory.dram_latency = 50 + dice_below(d, 250);
    c->memory.data = dice_below(d, 3);
    c->memory.data_latency = dice_below(d, 20);
    if (c->memory.reads == MMU_READS_FIXED && c->memory.data == MMU_DATA_SHARED)
        c->memory.data = MMU_DATA_FIXED;
    if (c->memory.reads == MMU_READS_FIXED)
        return;
    c->memory.caches = 2;
    c->memory.cache[0] = (struct mmu_cache_config){
        .name = "L1", .size = 2048, .ways = 4, .line = 64, .latency = 4, .policy = MMU_LRU};
    c->memory.cache[1] = (struct mmu_cache_config){
        .name = "L2", .size = 16384, .ways = 8, .line = 64, .latency = 14, .policy = MMU_LRU};
}

/* Half of the machines have times of ten cycles or none, and little of each, so that completions often
 * coincide. */
static void make_coarse(struct run *r)
{
    struct dice *d = r->dice;
    struct mmu_config *c = &r->config;
    r->coarse = dice_once_in(d, 2);
    if (!r->coarse)
        return;
    uint32_t *const ten_or_none[] = {&c->psc.latency,         &c->walk.ad_update,     &c->level[1].latency,
                                     &c->memory.data_latency, &c->pager.fault_cycles, &c->barrier.fault,
                                     &c->barrier.mov_cr,      &c->barrier.invlpg,     &c->barrier.invpcid,
                                     &c->memory.read_latency};
    for (unsigned i = 0; i < sizeof ten_or_none / sizeof ten_or_none[0]; i++)
        *ten_or_none[i] = dice_once_in(d, 2) ? 10 : 0;
    c->cpi = dice_once_in(d, 2) ? 10 : 0;
    c->walk.start = 10;
    c->level[0].latency = c->level[0].latency ? 10 : 0;
    c->level[1].serial_count = 0;
    c->memory.reads = MMU_READS_FIXED;
    c->memory.data = c->memory.data == MMU_DATA_SHARED ? MMU_DATA_NONE : c->memory.data;
    c->memory.caches = 0;
}

static void choose_machine(struct run *r)
{
    static const unsigned windows[] = {1, 1, 2, 3, 5, 16, 64};
    struct dice *d = r->dice;
    struct mmu_config *c = &r->config;
    mmu_config_init(c);
    snprintf(c->name, sizeof c->name, "random");
    c->seed = dice_next(d) >> 1;
    c->cpi = dice_below(d, 4);
    c->window = windows[dice_below(d, 7)];
    c->level[0].latency = dice_once_in(d, 2) ? 1 + dice_below(d, 3) : 0;
    choose_tlbs(c, d);
    choose_memory(c, d);
    for (unsigned i = 0; i < MMU_PSC_LEVELS && !dice_once_in(d, 8); i++)
        c->psc.array[i] = (struct mmu_psc_array){.entries = 4, .ways = 4, .policy = MMU_LRU};
    c->psc.latency = dice_below(d, 4);
    c->walk.walkers = 1 + dice_below(d, 4);
    c->walk.start = 1 + dice_below(d, 6);
    c->walk.ad_update = dice_below(d, 20);
    c->pager.enabled = true;
    c->pager.fault_cycles = dice_below(d, 500);
    c->pager.page = dice_once_in(d, 4) ? MMU_2M : MMU_4K;
    c->barrier.fault = dice_below(d, 100);
    c->barrier.mov_cr = dice_below(d, 60);
    c->barrier.invlpg = dice_below(d, 60);
    c->barrier.invpcid = dice_below(d, 60);
    r->has_fetches = !dice_once_in(d, 3);
    make_coarse(r);
}

static void start(struct run *r)
{
    struct mmu_error error;
    if (mmu_machine_create(&r->config, NULL, &r->machine, &error) != MMU_OK)
        fail_msg("%s", error.message);
    r->core = mmu_machine_core(r->machine, 0);
    mmu_core_set_has_fetches(r->core, r->has_fetches);
    ref_time_init(&r->ref, r->config.window);
}

static struct mmu_access random_access(struct run *r, unsigned pages)
{
    struct dice *d = r->dice;
    struct mmu_access a = {.size = (uint16_t)(1 + dice_below(d, 16))};
    unsigned kind = r->has_fetches ? dice_below(d, 3) : MMU_LOAD + dice_below(d, 2);
    a.kind = MMU_KIND_PRIV(kind, dice_once_in(d, 8) ? MMU_SUPERVISOR : MMU_USER);
    a.va = UINT64_C(0x7f0000000000) + dice_below(d, pages) * UINT64_C(0x1000) +
           dice_below(d, 3) * UINT64_C(0x40000000);
    a.va += dice_once_in(d, 16) ? 4096u - dice_below(d, a.size) : dice_below(d, 4000);
    if (dice_once_in(d, 400))
        a.va |= UINT64_C(1) << 62; /* not canonical: #GP */
    if (dice_once_in(d, 4))
        a.flags |= MMU_AF_FOLLOWS;
    if (dice_once_in(d, 10)) {
        a.flags |= MMU_AF_GAP;
        a.gap = r->coarse ? 10 * dice_below(d, 4) : dice_below(d, 100);
    }
    return a;
}

/* g of the time model. */
static uint64_t gap_of(const struct run *r, const struct mmu_access *a)
{
    if (a->flags & MMU_AF_GAP)
        return a->gap;
    if (a->flags & MMU_AF_FOLLOWS)
        return 0;
    return !r->has_fetches || MMU_KIND_OF(a->kind) == MMU_FETCH ? r->config.cpi : 0;
}

static bool belongs_to_walk(unsigned part)
{
    return part == MMU_PART_PSC || part == MMU_PART_MERGE || part == MMU_PART_AD ||
           (part >= MMU_PART_READ && part <= MMU_PART_READ_LAST);
}

/*
 * Every walk of an access got the walker that is free first, no sooner and no later. A walk is START and what
 * follows; with a first-level latency no merge on a TLB hit follows a walk immediately.
 */
static void check_walkers(struct run *r, const struct mmu_ledger *ledger, uint64_t issued)
{
    uint64_t now = issued, requested = issued;
    for (unsigned s = 0; s < ledger->n; s++) {
        if (ledger->segment[s].part == MMU_PART_WAIT)
            requested = now;
        if (ledger->segment[s].part != MMU_PART_START) {
            now += ledger->segment[s].cycles;
            continue;
        }
        bool waited = s > 0 && ledger->segment[s - 1].part == MMU_PART_WAIT;
        unsigned first = 0;
        for (unsigned w = 1; w < r->config.walk.walkers; w++)
            if (r->free_at[w] < r->free_at[first])
                first = w;
        uint64_t request = waited ? requested : now;
        assert_int_equal(now, request > r->free_at[first] ? request : r->free_at[first]);
        do {
            now += ledger->segment[s].cycles;
        } while (s + 1 < ledger->n && belongs_to_walk(ledger->segment[s + 1].part) && ++s);
        /* the lowest walker that was free at the start */
        unsigned granted = 0;
        while (granted != first && r->free_at[granted] > request)
            granted++;
        r->free_at[granted] = now;
    }
}

/* The first fault's handler waited for all that came before, and for nothing else. */
static void check_fault_wait(const struct run *r, const struct mmu_ledger *ledger, uint64_t issued)
{
    uint64_t now = issued;
    unsigned s = 0;
    for (; s < ledger->n && ledger->segment[s].part != MMU_PART_FAULT; s++)
        now += ledger->segment[s].cycles;
    uint64_t wait = r->latest > now ? r->latest - now : 0, got = 0;
    uint64_t most = wait + r->config.barrier.fault + r->config.pager.fault_cycles;
    for (; s < ledger->n && ledger->segment[s].part == MMU_PART_FAULT; s++)
        got += ledger->segment[s].cycles;
    assert_true(got >= wait && got <= most);
}

static void one_access(struct run *r, unsigned pages)
{
    struct mmu_access a = random_access(r, pages);
    struct mmu_result result;
    struct mmu_ledger ledger;
    mmu_core_access(r->core, &a, &result);
    mmu_core_ledger(r->core, &ledger);

    struct ref_item item = {.is = MMU_KIND_OF(a.kind) == MMU_FETCH ? REF_IS_FETCH : REF_IS_DATA,
                            .gap = gap_of(r, &a),
                            .n = ledger.n};
    item.kept = result.faults * (uint64_t)(r->config.barrier.fault + r->config.pager.fault_cycles);
    if (result.outcome != MMU_DONE)
        item.kept += r->config.barrier.fault;
    if (result.faults || result.outcome != MMU_DONE) {
        item.is |= REF_IS_BARRIER;
        check_fault_wait(r, &ledger, result.issued);
    }
    uint64_t sum = 0;
    for (unsigned s = 0; s < ledger.n; s++) {
        item.segment[s] = (struct ref_segment){ledger.segment[s].part, ledger.segment[s].cycles};
        sum += ledger.segment[s].cycles;
        item.kept += ledger.segment[s].part == MMU_PART_DATA ? ledger.segment[s].cycles : 0;
    }
    assert_int_equal(sum, result.completed - result.issued);
    if (r->config.level[0].latency)
        check_walkers(r, &ledger, result.issued);
    const struct ref_item *ref = ref_time_add(&r->ref, &item);
    assert_int_equal(result.issued, ref->t);
    assert_int_equal(result.completed, ref->d);
    r->latest = result.completed > r->latest ? result.completed : r->latest;
}

static void one_barrier(struct run *r)
{
    struct ref_item item = {.is = REF_IS_BARRIER, .n = 1};
    struct mmu_invpcid descriptor = {0, 0};
    switch (dice_below(r->dice, 3)) {
    case 0:
        item.kept = r->config.barrier.mov_cr;
        assert_int_equal(mmu_core_set(r->core, MMU_REG_CR3, mmu_core_get(r->core, MMU_REG_CR3)), MMU_DONE);
        break;
    case 1:
        item.kept = r->config.barrier.invlpg;
        assert_int_equal(mmu_core_invlpg(r->core, UINT64_C(0x7f0000000000)), MMU_DONE);
        break;
    default:
        item.kept = r->config.barrier.invpcid;
        assert_int_equal(mmu_core_invpcid(r->core, 3, &descriptor), MMU_DONE);
    }
    item.segment[0] = (struct ref_segment){MMU_PART_BARRIER, item.kept};
    const struct ref_item *ref = ref_time_add(&r->ref, &item);
    r->latest = ref->d > r->latest ? ref->d : r->latest;
}

static void compare_totals(const struct run *r)
{
    struct ref_time_totals expected = ref_time_totals(&r->ref);
    struct mmu_stats stats;
    mmu_core_stats(r->core, &stats);
    uint64_t charged = 0, stalled = 0;
    assert_int_equal(stats.cycles.issue[0], expected.issue);
    assert_int_equal(stats.cycles.elapsed[0], expected.elapsed);
    assert_int_equal(stats.cycles.ideal[0], expected.ideal);
    assert_true(expected.elapsed >= expected.ideal);
    for (unsigned part = 0; part < MMU_PARTS; part++) {
        if (stats.cycles.charged[part] != expected.charged[part] ||
            stats.cycles.stalled[part] != expected.stalled[part])
            fail_msg("%s: charged %llu stalled %llu, expected %llu %llu", mmu_part_name((enum mmu_part)part),
                     (unsigned long long)stats.cycles.charged[part],
                     (unsigned long long)stats.cycles.stalled[part],
                     (unsigned long long)expected.charged[part], (unsigned long long)expected.stalled[part]);
        charged += mmu_part_is_translation((enum mmu_part)part) ? stats.cycles.charged[part] : 0;
        stalled += mmu_part_is_translation((enum mmu_part)part) ? stats.cycles.stalled[part] : 0;
    }
    assert_true(charged >= stalled);
    mmu_core_check(r->core);
}

static void test_time_random_against_the_recurrence(void **state)
{
    (void)state;
    struct dice dice = dice_new("recurrence", 0x71ae);
    unsigned rounds = dice_rounds(60);
    for (unsigned n = 0; n < rounds; n++) {
        struct run r;
        memset(&r, 0, sizeof r);
        r.dice = &dice;
        choose_machine(&r);
        start(&r);
        unsigned pages = 4u << dice_below(&dice, 6), calm = 20u << dice_below(&dice, 4);
        unsigned accesses = 300 + dice_below(&dice, 300);
        for (unsigned i = 0; i < accesses; i++) {
            if (dice_once_in(&dice, calm))
                one_barrier(&r);
            one_access(&r, pages);
            if (dice_once_in(&dice, 100))
                compare_totals(&r);
        }
        compare_totals(&r);
        ref_time_free(&r.ref);
        mmu_machine_free(r.machine);
    }
}

/* Merges: with one TLB that never evicts, an access waits exactly for the walk that filled its page's entry.
 */
static void merges(struct dice *d)
{
    enum { PAGES = 40 };
    struct mmu_config c;
    mmu_config_init(&c);
    c.pager.enabled = true;
    c.levels = 1;
    c.tlbs = 1;
    c.tlb[0] = (struct mmu_tlb_config){
        .name = "T", .level = 1, .kinds = ALL, .pages = P4K, .entries = 64, .ways = 64, .policy = MMU_LRU};
    c.window = 2 + dice_below(d, 30);
    c.walk.walkers = 1 + dice_below(d, 4);
    c.walk.start = dice_below(d, 5);
    c.walk.ad_update = dice_below(d, 20);
    c.memory.read_latency = 5 + dice_below(d, 100);
    struct mmu_machine *machine;
    struct mmu_error error;
    if (mmu_machine_create(&c, NULL, &machine, &error) != MMU_OK)
        fail_msg("%s", error.message);
    struct mmu_core *core = mmu_machine_core(machine, 0);
    struct mmu_access a = {.size = 1, .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_USER)};
    for (unsigned i = 0; i < PAGES; i++) { /* the pager maps, the faults drain */
        a.va = 0x1000000 + 4096 * i;
        assert_int_equal(mmu_core_access(core, &a, NULL), MMU_DONE);
    }
    struct mmu_invpcid everything = {0, 0};
    assert_int_equal(mmu_core_invpcid(core, 2, &everything), MMU_DONE);
    uint64_t ready[PAGES] = {0}, merged = 0;
    bool cached[PAGES] = {false}, dirty[PAGES] = {false};
    for (unsigned i = 0; i < 400; i++) {
        unsigned page = dice_below(d, PAGES);
        bool store = dice_once_in(d, 3);
        struct mmu_result result;
        struct mmu_ledger ledger;
        a.va = 0x1000000 + 4096 * page;
        a.kind = MMU_KIND_PRIV(store ? MMU_STORE : MMU_LOAD, MMU_USER);
        assert_int_equal(mmu_core_access(core, &a, &result), MMU_DONE);
        mmu_core_ledger(core, &ledger);
        uint64_t expected = cached[page] && ready[page] > result.issued ? ready[page] - result.issued : 0;
        uint64_t got =
            ledger.n > 0 && ledger.segment[0].part == MMU_PART_MERGE ? ledger.segment[0].cycles : 0;
        assert_int_equal(got, expected);
        bool walks = !cached[page] || (store && !dirty[page]);
        merged += expected > 0;
        assert_int_equal(result.where, walks ? MMU_AT_WALK : expected ? MMU_AT_MERGE : MMU_AT_L1);
        if (walks)
            ready[page] = result.completed;
        else
            assert_int_equal(result.completed, result.issued + expected);
        cached[page] = true;
        dirty[page] |= store;
    }
    struct mmu_stats stats;
    mmu_core_stats(core, &stats);
    assert_int_equal(stats.tlb[0].merged[MMU_LOAD] + stats.tlb[0].merged[MMU_STORE], merged);
    mmu_core_check(core);
    mmu_machine_free(machine);
}

static void test_time_random_merges(void **state)
{
    (void)state;
    struct dice dice = dice_new("merges", 0x3e6);
    unsigned rounds = dice_rounds(60);
    for (unsigned n = 0; n < rounds; n++)
        merges(&dice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_random_against_the_recurrence),
        cmocka_unit_test(test_time_random_merges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
