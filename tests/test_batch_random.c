/*
 * test_batch_random.c: mmu_core_run() is n calls of mmu_core_access(), bit for bit.
 *
 * Three machines of one random configuration replay one random trace: one access at a time, in batches with
 * results, in batches without. Between batches registers are written and translations invalidated. Results,
 * statistics, TLB contents and the page tables' A/D flags must be equal.
 */
#include "dice.h"

#include <mmusim/mmusim.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALL = 1 << MMU_FETCH | 1 << MMU_LOAD | 1 << MMU_STORE, DATA = 1 << MMU_LOAD | 1 << MMU_STORE };
enum { P4K = 1 << MMU_4K, P2M = 1 << MMU_2M, P1G = 1 << MMU_1G };
enum { SINGLE, BATCH, BLIND, MACHINES, CHUNK = 512 };
enum { PGE = 1 << 7, PCIDE = 1 << 17, SMEP = 1 << 20, SMAP = 1 << 21, PKE = 1 << 22 };
#define NOFLUSH (UINT64_C(1) << 63)

struct trio {
    struct dice *dice;
    struct mmu_config config;
    struct mmu_machine *machine[MACHINES];
    struct mmu_core *core[MACHINES];
    unsigned pages; /* touched by the trace, */
    uint64_t apart; /* so many bytes apart */
    bool has_fetches;
    bool plain;       /* user accesses without flags, mostly hits */
    bool calm;        /* a machine whose misses are plain (src/hw/plain.h), and many of them */
    mmu_pa scribbled; /* an entry of the tables in which one bit is not as the pager wrote it; 0: none */
    uint64_t scribble;
};

static void add(struct mmu_config *c, struct dice *d, unsigned level, unsigned kinds, unsigned pages)
{
    static const enum mmu_policy policies[] = {MMU_LRU,    MMU_LRU,  MMU_PLRU,     MMU_FIFO,
                                               MMU_RANDOM, MMU_NMRU, MMU_MRU3PLRU4};
    struct mmu_tlb_config *t = &c->tlb[c->tlbs];
    enum mmu_policy policy = policies[dice_below(d, 7)];
    unsigned ways = policy == MMU_MRU3PLRU4 ? 12 : 1 + dice_below(d, 8);
    *t = (struct mmu_tlb_config){
        .level = level, .kinds = kinds, .pages = pages, .ways = ways, .policy = policy};
    t->entries = ways * (1 + dice_below(d, level == 1 ? 16 : 60));
    t->pcid_bound = dice_once_in(d, 6);
    t->pcids = t->pcid_bound ? dice_below(d, 3) : 0;
    snprintf(t->name, sizeof t->name, "T%u", c->tlbs++);
    c->levels = level;
}

/* Structures of 4-KByte pages with a power of two of sets. */
static void choose_calm_tlbs(struct mmu_config *c, struct dice *d)
{
    bool split = dice_once_in(d, 2), second = !dice_once_in(d, 4);
    add(c, d, 1, split ? 1 << MMU_FETCH : ALL, P4K);
    if (split)
        add(c, d, 1, DATA, P4K);
    if (second)
        add(c, d, 2, ALL, P4K | P2M);
    for (unsigned i = 0; i < c->tlbs; i++) {
        c->tlb[i].entries = c->tlb[i].ways << dice_below(d, 5);
        bool sets = c->tlb[i].entries > c->tlb[i].ways;
        c->tlb[i].index = sets && dice_below(d, 2) ? MMU_INDEX_XOR : MMU_INDEX_LINEAR;
    }
    c->level[1].latency = second ? dice_below(d, 12) : 0;
    if (second && dice_once_in(d, 6)) {
        c->level[1].serial_count = 2;
        for (unsigned i = 0; i < 2; i++) {
            c->level[1].serial_page[i] = i ? MMU_2M : MMU_4K;
            c->level[1].serial_latency[i] = 1 + dice_below(d, 9);
        }
        c->level[1].latency = 0;
    }
}

static void choose_tlbs(struct mmu_config *c, struct dice *d)
{
    if (dice_once_in(d, 10))
        return; /* none at all */
    if (dice_once_in(d, 3)) {
        add(c, d, 1, ALL, P4K | P2M | P1G);
    } else if (dice_once_in(d, 2)) {
        add(c, d, 1, 1 << MMU_FETCH, P4K | P2M);
        add(c, d, 1, DATA, P4K);
        add(c, d, 1, DATA, P2M | P1G);
    } else {
        add(c, d, 1, 1 << MMU_FETCH, P4K);
        add(c, d, 1, 1 << MMU_LOAD, P4K | P2M);
        add(c, d, 1, 1 << MMU_LOAD, P4K | P1G);
        add(c, d, 1, 1 << MMU_STORE, P4K | P2M | P1G);
    }
    if (dice_once_in(d, 4))
        return;
    add(c, d, 2, ALL, P4K | P2M);
    c->level[1].latency = dice_below(d, 12);
}

/* One to three levels of caches: every way that they have to keep tags and recency. */
static void choose_caches(struct mmu_memory_config *c, struct dice *d)
{
    static const uint32_t ways[] = {1, 4, 8, 11, 16, 20}, policies[] = {MMU_LRU, MMU_LRU, MMU_PLRU, MMU_FIFO};
    c->reads = MMU_READS_CACHED;
    c->caches = 1 + dice_below(d, 3);
    c->dram_latency = 100;
    for (unsigned l = 0; l < c->caches; l++) {
        struct mmu_cache_config *cache = &c->cache[l];
        *cache = (struct mmu_cache_config){.line = 64,
                                           .ways = ways[dice_below(d, 6)],
                                           .latency = 4 + 10 * l,
                                           .policy = policies[dice_below(d, 4)]};
        cache->size = UINT64_C(64) * cache->ways * (1 + dice_below(d, 8u << 2 * l));
        snprintf(cache->name, sizeof cache->name, "L%u", l + 1);
    }
}

static void choose_psc(struct mmu_psc_config *c, struct dice *d)
{
    unsigned ways = 1 + dice_below(d, 4); /* few, so that entries go */
    for (unsigned i = 0; i < MMU_PSC_LEVELS && !dice_once_in(d, 4); i++)
        c->array[i] =
            (struct mmu_psc_array){.entries = ways * (1 + dice_below(d, 2)), .ways = ways, .policy = MMU_LRU};
    c->latency = dice_below(d, 3);
    c->unified = c->array[0].entries && dice_once_in(d, 3);
    if (!c->unified)
        return;
    c->levels = 1 + dice_below(d, 15);
    for (unsigned i = 1; i < MMU_PSC_LEVELS; i++)
        c->array[i] = (struct mmu_psc_array){0};
}

static void choose_machine(struct trio *t)
{
    static const unsigned windows[] = {1, 1, 1, 2, 8, 64};
    static const enum mmu_mode modes[] = {MMU_MODE_4L, MMU_MODE_4L, MMU_MODE_5L, MMU_MODE_PAE, MMU_MODE_I386};
    struct dice *d = t->dice;
    struct mmu_config *c = &t->config;
    mmu_config_init(c);
    c->seed = dice_next(d) >> 1;
    c->cpi = dice_below(d, 3);
    c->window = windows[dice_below(d, 6)];
    c->level[0].latency = dice_once_in(d, 6);
    t->calm ? choose_calm_tlbs(c, d) : choose_tlbs(c, d);
    c->memory.read_latency = dice_below(d, 40);
    c->memory.data = dice_once_in(d, 3) ? dice_below(d, 3) : MMU_DATA_NONE;
    c->memory.data_latency = dice_below(d, 3);
    if (c->memory.data == MMU_DATA_SHARED || dice_once_in(d, 3))
        choose_caches(&c->memory, d);
    choose_psc(&c->psc, d);
    c->walk.walkers = 1 + dice_below(d, 2);
    c->walk.start = dice_below(d, 6);
    c->walk.ad_update = dice_below(d, 20);
    c->walk.rewalk_before_fault = dice_once_in(d, 2);
    c->pager.enabled = true;
    c->pager.mode = modes[dice_below(d, 5)];
    c->pager.fault_cycles = dice_below(d, 500);
    c->pager.page = dice_once_in(d, 3) && c->pager.mode != MMU_MODE_I386 ? MMU_2M : MMU_4K;
    c->pager.frames = dice_below(d, 2);
    c->barrier.fault = dice_below(d, 100);
    c->barrier.mov_cr = dice_below(d, 60);
    if (t->calm) {
        c->window = 1;
        c->level[0].latency = 0;
        c->memory.data = MMU_DATA_NONE;
        c->pager.page = MMU_4K;
    } else if (c->pager.mode >= MMU_MODE_4L && dice_once_in(d, 2)) {
        c->pager.ranges = 1;
        c->pager.range[0].start = UINT64_C(0x40000000);
        c->pager.range[0].end = UINT64_C(0x80000000);
        c->pager.range[0].page = MMU_1G;
    }
}

static struct mmu_access random_access(struct trio *t)
{
    struct dice *d = t->dice;
    struct mmu_access a = {.size = (uint16_t)(1 + dice_below(d, 16))};
    unsigned kind = t->has_fetches ? dice_below(d, 3) : MMU_LOAD + dice_below(d, 2);
    unsigned page = dice_below(d, t->pages);
    if (!t->calm && !dice_once_in(d, 4))
        page %= 1 + t->pages / 8;
    a.kind = MMU_KIND_PRIV(kind, MMU_USER);
    a.va = UINT64_C(0x10000000) + page * t->apart + dice_below(d, 3) * UINT64_C(0x30000000);
    a.va += dice_once_in(d, 30) ? 4096u - dice_below(d, a.size) : dice_below(d, 4080);
    if (t->plain)
        return a;
    if (dice_once_in(d, 8))
        a.kind = MMU_KIND_PRIV(kind, MMU_SUPERVISOR);
    if (dice_once_in(d, 40) && kind != MMU_FETCH)
        a.kind = MMU_KIND_PRIV(kind, MMU_IMPLICIT);
    if (dice_once_in(d, 500) && t->config.pager.mode >= MMU_MODE_4L)
        a.va |= UINT64_C(1) << 62; /* not canonical */
    if (dice_once_in(d, 3))
        a.flags |= MMU_AF_FOLLOWS;
    if (dice_once_in(d, 10)) {
        a.flags |= MMU_AF_GAP;
        a.gap = dice_below(d, 100);
    }
    return a;
}

static void set(struct trio *t, enum mmu_reg reg, uint64_t value)
{
    for (unsigned m = 0; m < MACHINES; m++)
        assert_int_equal(mmu_core_set(t->core[m], reg, value), MMU_DONE);
}

static void flip(struct trio *t, enum mmu_reg reg, uint64_t bits)
{
    set(t, reg, mmu_core_get(t->core[SINGLE], reg) ^ bits);
}

static void start(struct trio *t)
{
    struct mmu_error error;
    for (unsigned m = 0; m < MACHINES; m++) {
        if (mmu_machine_create(&t->config, NULL, &t->machine[m], &error) != MMU_OK)
            fail_msg("%s", error.message);
        t->core[m] = mmu_machine_core(t->machine[m], 0);
        mmu_core_set_has_fetches(t->core[m], t->has_fetches);
    }
    if (t->config.pager.mode >= MMU_MODE_4L && dice_once_in(t->dice, 2))
        flip(t, MMU_REG_CR4, PCIDE);
}

/* A load of CR3: of another PCID, if there are such, whose entries it keeps or drops. */
static void load_cr3(struct trio *t)
{
    uint64_t cr3 = mmu_core_get(t->core[SINGLE], MMU_REG_CR3);
    if (mmu_core_get(t->core[SINGLE], MMU_REG_CR4) & PCIDE) {
        cr3 ^= dice_below(t->dice, 3);
        cr3 |= dice_once_in(t->dice, 4) ? 0 : NOFLUSH;
    }
    set(t, MMU_REG_CR3, cr3);
}

static void flip_entry(struct trio *t, mmu_pa pa, uint64_t bits)
{
    unsigned size = t->config.pager.mode == MMU_MODE_I386 ? 4 : 8;
    for (unsigned m = 0; m < MACHINES; m++) {
        uint64_t entry = 0;
        assert_int_equal(mmu_machine_read(t->machine[m], pa, &entry, size), MMU_OK);
        entry ^= bits;
        assert_int_equal(mmu_machine_write(t->machine[m], pa, &entry, size), MMU_OK);
    }
}

/* The page of va, if it has one, gets another key; stale entries may stay. */
static void rekey(struct trio *t, mmu_va va)
{
    struct mmu_access a = {.va = va, .size = 1, .kind = MMU_LOAD};
    struct mmu_walk walk;
    mmu_core_walk(t->core[SINGLE], &a, &walk);
    if (walk.outcome == MMU_DONE && t->config.pager.mode >= MMU_MODE_4L)
        flip_entry(t, walk.step[walk.steps - 1].pa, (uint64_t)dice_below(t->dice, 4) << 59);
}

/* A bit of va's entry changes: a right, accessed, dirty, global. The one that was changed before is set right
 * again. Stale entries may stay. */
static void scribble(struct trio *t, mmu_va va)
{
    static const uint8_t bits[] = {1, 2, 5, 6, 8, 8, 8};
    struct mmu_access a = {.va = va, .size = 1, .kind = MMU_LOAD};
    struct mmu_walk walk;
    if (t->scribbled)
        flip_entry(t, t->scribbled, t->scribble);
    t->scribbled = 0;
    mmu_core_walk(t->core[SINGLE], &a, &walk);
    if (walk.outcome != MMU_DONE || !walk.steps)
        return;
    t->scribbled = walk.step[walk.steps - 1].pa;
    t->scribble = UINT64_C(1) << bits[dice_below(t->dice, sizeof bits)];
    flip_entry(t, t->scribbled, t->scribble);
}

/* Something between two batches. */
static void one_event(struct trio *t)
{
    struct dice *d = t->dice;
    mmu_va va = UINT64_C(0x10000000) + dice_below(d, t->pages) * t->apart;
    struct mmu_invpcid all = {0, 0};
    switch (dice_below(d, 13)) {
    case 0:
        load_cr3(t);
        break;
    case 1:
        for (unsigned m = 0; m < MACHINES; m++)
            assert_int_equal(mmu_core_invlpg(t->core[m], va), MMU_DONE);
        break;
    case 2:
        for (unsigned m = 0; m < MACHINES; m++)
            assert_int_equal(mmu_core_invpcid(t->core[m], 2, &all), MMU_DONE);
        break;
    case 3: /* now supervisor accesses fault or not */
        flip(t, MMU_REG_CR4, SMAP);
        break;
    case 4:
        flip(t, MMU_REG_CR4, SMEP);
        break;
    case 5:
        flip(t, MMU_REG_AC, 1);
        break;
    case 6:
        flip(t, MMU_REG_CR4, PKE);
        break;
    case 7:
        rekey(t, va);
        break;
    case 8: /* PCIDs come and go; they begin with PCID 0 */
        set(t, MMU_REG_CR3, mmu_core_get(t->core[SINGLE], MMU_REG_CR3) & ~UINT64_C(0xfff));
        if (t->config.pager.mode >= MMU_MODE_4L)
            flip(t, MMU_REG_CR4, PCIDE);
        break;
    case 9:
        flip(t, MMU_REG_CR4, PGE);
        break;
    case 10:
    case 11:
        scribble(t, va);
        break;
    default:
        flip(t, MMU_REG_PKRU, 1u << dice_below(d, 8)); /* AD and WD of keys 0 to 3 */
    }
}

static void one_chunk(struct trio *t)
{
    static const struct mmu_result nothing;
    struct mmu_access access[CHUNK];
    struct mmu_result single[CHUNK], batch[CHUNK];
    size_t n = 1 + dice_below(t->dice, CHUNK);
    for (size_t i = 0; i < n; i++) {
        access[i] = random_access(t);
        single[i] = batch[i] = nothing;
        mmu_core_access(t->core[SINGLE], &access[i], &single[i]);
    }
    assert_int_equal(mmu_core_run(t->core[BATCH], access, n, batch), MMU_OK);
    assert_int_equal(mmu_core_run(t->core[BLIND], access, n, NULL), MMU_OK);
    for (size_t i = 0; i < n; i++)
        if (memcmp(&single[i], &batch[i], sizeof single[i]) != 0)
            fail_msg("access %zu of %zu, va %llx: pa %llx %llx, where %u %u, issued %llu %llu, completed "
                     "%llu %llu",
                     i, n, (unsigned long long)access[i].va, (unsigned long long)single[i].pa,
                     (unsigned long long)batch[i].pa, single[i].where, batch[i].where,
                     (unsigned long long)single[i].issued, (unsigned long long)batch[i].issued,
                     (unsigned long long)single[i].completed, (unsigned long long)batch[i].completed);
}

struct counters {
    uint64_t value[4096];
    size_t n, at;
    const struct trio *trio;
};

static void collect(void *ctx, const struct mmu_counter *counter)
{
    struct counters *c = ctx;
    assert_true(c->n < 4096);
    c->value[c->n++] = counter->value;
}

static void compare_counter(void *ctx, const struct mmu_counter *counter)
{
    struct counters *c = ctx;
    if (counter->value != c->value[c->at])
        fail_msg("%s: %llu, one at a time %llu", counter->path, (unsigned long long)counter->value,
                 (unsigned long long)c->value[c->at]);
    c->at++;
}

static void append_entry(void *ctx, const struct mmu_tlb_entry *entry)
{
    struct counters *c = ctx; /* a sum over all fields, by position */
    c->value[0] = c->value[0] * UINT64_C(0x100000001b3) + entry->va + entry->pa * 3 + entry->pcid * 5u +
                  entry->way * 7u + entry->set * 11u + entry->page * 13u + entry->dirty * 17u +
                  entry->global * 19u + entry->user * 23u;
    c->n++;
}

static void compare_state(const struct trio *t)
{
    struct mmu_stats stats[MACHINES];
    for (unsigned m = 0; m < MACHINES; m++)
        mmu_core_stats(t->core[m], &stats[m]);
    for (unsigned m = BATCH; m < MACHINES; m++) {
        struct counters counters = {.trio = t};
        mmu_stats_each(&stats[SINGLE], &t->config, collect, &counters); /* with names, for people */
        mmu_stats_each(&stats[m], &t->config, compare_counter, &counters);
        assert_memory_equal(&stats[m], &stats[SINGLE], sizeof stats[m]);
        assert_int_equal(mmu_core_now(t->core[m]), mmu_core_now(t->core[SINGLE]));
        for (unsigned i = 0; i < t->config.tlbs; i++) {
            struct counters of[2] = {{.n = 0}, {.n = 0}};
            mmu_core_tlb_entries(t->core[SINGLE], i, append_entry, &of[0]);
            mmu_core_tlb_entries(t->core[m], i, append_entry, &of[1]);
            assert_int_equal(of[0].n, of[1].n);
            assert_int_equal(of[0].value[0], of[1].value[0]);
        }
    }
}

/* The tables, with their flags, and whatever else memory holds. */
static void compare_memory(const struct trio *t)
{
    static const uint64_t reach = 4u << 20;
    unsigned char *memory[2] = {malloc(reach), malloc(reach)};
    assert_non_null(memory[0]);
    assert_non_null(memory[1]);
    assert_int_equal(mmu_machine_read(t->machine[SINGLE], 0, memory[0], reach), MMU_OK);
    for (unsigned m = BATCH; m < MACHINES; m++) {
        assert_int_equal(mmu_machine_host_bytes(t->machine[m]), mmu_machine_host_bytes(t->machine[SINGLE]));
        assert_int_equal(mmu_machine_read(t->machine[m], 0, memory[1], reach), MMU_OK);
        assert_memory_equal(memory[0], memory[1], reach);
    }
    free(memory[0]);
    free(memory[1]);
}

static void test_batch_random(void **state)
{
    (void)state;
    struct dice dice = dice_new("batch", 0xba7c);
    unsigned rounds = dice_rounds(60);
    for (unsigned n = 0; n < rounds; n++) {
        struct trio t;
        memset(&t, 0, sizeof t);
        t.dice = &dice;
        t.has_fetches = !dice_once_in(&dice, 3);
        t.plain = dice_once_in(&dice, 3);
        t.calm = dice_once_in(&dice, 2);
        t.pages = 2u << dice_below(&dice, 10);
        t.apart = dice_once_in(&dice, 2) ? 0x1000 : 0x201000; /* a page table each */
        choose_machine(&t);
        start(&t);
        unsigned chunks = 4 + dice_below(&dice, 12);
        for (unsigned i = 0; i < chunks; i++) {
            one_chunk(&t);
            for (unsigned events = dice_below(&dice, 4); events > 0; events--)
                one_event(&t);
        }
        compare_state(&t);
        compare_memory(&t);
        for (unsigned m = 0; m < MACHINES; m++) {
            mmu_core_check(t.core[m]);
            mmu_machine_free(t.machine[m]);
        }
    }
}

/* A record that is none ends the batch; those before it have run, whether or not it would have hit. */
static void test_batch_stops_at_a_bad_record(void **state)
{
    (void)state;
    static const struct mmu_access bad[] = {
        {.va = 0x1000, .size = 0, .kind = MMU_LOAD},
        {.va = 0x1000, .size = 0, .kind = MMU_LOAD, .flags = MMU_AF_FOLLOWS},
        {.va = 0x1000, .size = 4097, .kind = MMU_LOAD},
        {.va = 0x1000, .size = UINT16_MAX, .kind = MMU_LOAD},
        {.va = 0x1000, .size = 1, .kind = MMU_KINDS},
        {.va = 0x1000, .size = 1, .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_PRIVS)},
        {.va = 0x1000, .size = 1, .kind = MMU_KIND_PRIV(MMU_FETCH, MMU_IMPLICIT)},
        {.va = 0x1000, .size = 1, .kind = 0xff},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (unsigned with_tlb = 0; with_tlb < 2; with_tlb++) {
            struct dice dice = {i};
            struct mmu_config config;
            struct mmu_machine *machine;
            mmu_config_init(&config);
            if (with_tlb)
                add(&config, &dice, 1, ALL, P4K);
            assert_int_equal(mmu_machine_create(&config, NULL, &machine, NULL), MMU_OK);
            struct mmu_core *core = mmu_machine_core(machine, 0);
            struct mmu_access trace[4] = {{.va = 0x1000, .size = 8, .kind = MMU_LOAD}};
            trace[1] = trace[3] = trace[0];
            trace[2] = bad[i];
            assert_int_equal(mmu_core_run(core, trace, 4, NULL), MMU_ERR_INVALID);
            struct mmu_stats stats;
            mmu_core_stats(core, &stats);
            assert_int_equal(stats.run.accesses[MMU_LOAD + MMU_KINDS * MMU_USER], 2);
            mmu_core_check(core);
            mmu_machine_free(machine);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_random),
        cmocka_unit_test(test_batch_stops_at_a_bad_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
