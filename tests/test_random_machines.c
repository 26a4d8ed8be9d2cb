/*
 * test_random_machines.c: machines that nobody would build, drawn at random: levels missing for some kinds,
 * odd ways, shared sizes, bounds on PCIDs, caches, windows. A batch must do what single accesses do, every
 * invariant and identity must hold, and every access must reach the frame that the tables say.
 */
#include "dice.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 3000, MACHINES = 150, BASE = 0x20000000 };

static unsigned pick(struct dice *d, const unsigned *from, unsigned n)
{
    return from[dice_below(d, n)];
}
#define PICK(d, ...)                                                                                         \
    pick(d, (const unsigned[]){__VA_ARGS__}, sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

static void draw_tlb(struct mmu_tlb_config *t, struct dice *d, unsigned level, unsigned number)
{
    static const unsigned policies[] = {MMU_LRU,    MMU_LRU,  MMU_PLRU,     MMU_FIFO,
                                        MMU_RANDOM, MMU_NMRU, MMU_MRU3PLRU4};
    *t = (struct mmu_tlb_config){.level = level};
    snprintf(t->name, sizeof t->name, "T%u", number);
    t->kinds = dice_below(d, 3) ? 6u : 1u + dice_below(d, 7);
    t->pages = dice_below(d, 2) ? 1u << MMU_4K : 1u + dice_below(d, 15);
    t->policy = pick(d, policies, 7);
    t->ways = t->policy == MMU_MRU3PLRU4 ? PICK(d, 4, 8, 12) : PICK(d, 1, 2, 3, 4, 6, 8, 12);
    unsigned sets = PICK(d, 1, 2, 3, 4, 8, 16);
    t->entries = t->ways * sets;
    t->index = (sets & (sets - 1)) == 0 && dice_once_in(d, 3) ? MMU_INDEX_XOR : MMU_INDEX_LINEAR;
    t->pcid_bound = dice_once_in(d, 3);
    t->pcids = t->pcid_bound ? dice_below(d, 4) : 0;
    if (dice_once_in(d, 5) && t->pages == 15 && t->ways >= 4)
        t->way_mask[MMU_2M] = 3;
}

static void draw_config(struct mmu_config *c, struct dice *d)
{
    mmu_config_init(c);
    snprintf(c->name, sizeof c->name, "random");
    c->seed = dice_next(d);
    c->window = PICK(d, 1, 1, 1, 2, 5);
    c->cpi = dice_below(d, 3);
    c->levels = dice_below(d, 4);
    for (unsigned l = 0; l < c->levels; l++) {
        unsigned n = 1 + dice_below(d, 3);
        for (unsigned i = 0; i < n; i++, c->tlbs++)
            draw_tlb(&c->tlb[c->tlbs], d, l + 1, c->tlbs);
        c->level[l].latency = l ? dice_below(d, 12) : dice_once_in(d, 6);
        c->level[l].no_fracture = dice_once_in(d, 4);
    }
    for (unsigned l = 0; l < MMU_PSC_LEVELS; l++)
        if (dice_below(d, 3))
            c->psc.array[l] =
                (struct mmu_psc_array){.entries = 8, .ways = PICK(d, 1, 2, 8), .policy = MMU_LRU};
    c->psc.latency = c->psc.array[0].entries ? dice_below(d, 3) : 0;
    c->walk = (struct mmu_walk_config){1 + dice_below(d, 3), dice_below(d, 9), dice_below(d, 20),
                                       dice_once_in(d, 2)};
    c->memory.read_latency = dice_below(d, 9);
    if (dice_once_in(d, 2)) {
        c->memory.reads = MMU_READS_CACHED;
        c->memory.dram_latency = 150;
        c->memory.caches = 1;
        c->memory.cache[0] = (struct mmu_cache_config){
            .name = "L1", .size = 4096, .ways = 4, .line = 64, .latency = 4, .policy = MMU_LRU};
        c->memory.data = dice_once_in(d, 2) ? MMU_DATA_SHARED : MMU_DATA_NONE;
    }
    if (c->memory.data == MMU_DATA_NONE && dice_once_in(d, 3)) {
        c->memory.data = MMU_DATA_FIXED;
        c->memory.data_latency = dice_below(d, 5);
    }
    c->pager.mode = MMU_MODE_4L;
    c->pager.frames = dice_below(d, MMU_FRAMES_MODES);
    c->pager.fault_cycles = dice_below(d, 100);
    c->pager.ranges = 2;
    c->pager.range[0] = (struct mmu_pager_range){0x80000000, 0xc0000000, MMU_2M};
    c->pager.range[1] = (struct mmu_pager_range){UINT64_C(0x100000000), UINT64_C(0x300000000), MMU_1G};
    c->barrier = (struct mmu_barrier_config){dice_below(d, 50), dice_below(d, 50), dice_below(d, 50),
                                             dice_below(d, 50)};
}

static void draw_trace(struct mmu_access *a, struct dice *d)
{
    mmu_va va = BASE;
    for (unsigned i = 0; i < RECORDS; i++) {
        if (dice_once_in(d, 3)) {
            unsigned near = dice_below(d, 4);
            va = near ? BASE + ((mmu_va)dice_below(d, near == 1 ? 300 : 20) << 12)
                      : (dice_once_in(d, 2) ? UINT64_C(0x80000000) : UINT64_C(0x100000000)) +
                            ((mmu_va)dice_below(d, 512) << 21);
            va += dice_below(d, 4096);
        }
        unsigned kind = dice_below(d, 3);
        a[i] = (struct mmu_access){.va = va, .size = (uint16_t)(1 + dice_below(d, 8)), .kind = (uint8_t)kind};
        if (dice_once_in(d, 12))
            a[i].kind = MMU_KIND_PRIV(kind, MMU_SUPERVISOR);
        if (dice_once_in(d, 8))
            a[i].flags = MMU_AF_FOLLOWS;
        if (dice_once_in(d, 8)) {
            a[i].flags = MMU_AF_GAP;
            a[i].gap = dice_below(d, 40);
        }
    }
}

/* What happens between pieces of the trace; the same for all ways to run it. */
static void disturb(struct mmu_core *core, struct dice *d, mmu_va va, uint64_t cr3)
{
    struct mmu_invpcid descriptor = {dice_below(d, 3), va};
    switch (dice_below(d, 8)) {
    case 0:
        assert_int_equal(mmu_core_invlpg(core, va), MMU_DONE);
        break;
    case 1:
        assert_int_equal(mmu_core_invpcid(core, dice_below(d, 4), &descriptor), MMU_DONE);
        break;
    case 2:
    case 3:
        assert_int_equal(
            mmu_core_set(core, MMU_REG_CR3, cr3 | dice_below(d, 4) | (dice_once_in(d, 3) ? 0 : RIG_NOFLUSH)),
            MMU_DONE);
        break;
    case 4:
        mmu_core_drain(core);
        break;
    case 5:
        assert_int_equal(mmu_core_set(core, MMU_REG_CR4, mmu_core_get(core, MMU_REG_CR4) ^ RIG_SMAP),
                         MMU_DONE);
        break;
    default:
        break;
    }
}

struct outcome {
    struct mmu_stats stats;
    struct mmu_result result[RECORDS];
};

/* piece: records between two disturbances; batch: at once, else one by one. classify: tell misses apart. */
static void run(const struct mmu_config *config, const struct mmu_access *a, bool batch, bool results,
                bool classify, struct outcome *out)
{
    struct mmu_machine *m;
    struct dice d = {config->seed};
    struct mmu_error error;
    memset(out, 0, sizeof *out);
    if (mmu_machine_create(config, NULL, &m, &error) != MMU_OK)
        fail_msg("%s", error.message);
    struct mmu_core *core = mmu_machine_core(m, 0);
    mmu_core_set_has_fetches(core, config->seed & 1);
    assert_int_equal(mmu_core_classify(core, classify), MMU_OK);
    assert_int_equal(mmu_core_set(core, MMU_REG_CR4, mmu_core_get(core, MMU_REG_CR4) | RIG_PCIDE), MMU_DONE);
    uint64_t cr3 = mmu_core_get(core, MMU_REG_CR3);
    for (size_t i = 0, n; i < RECORDS; i += n) {
        n = 1 + dice_below(&d, 120);
        n = n < RECORDS - i ? n : RECORDS - i;
        for (size_t k = 0; k < n && !batch; k++)
            (void)mmu_core_access(core, &a[i + k], &out->result[i + k]);
        if (batch)
            assert_int_equal(mmu_core_run(core, &a[i], n, results ? &out->result[i] : NULL), MMU_OK);
        disturb(core, &d, a[i].va, cr3);
        if (dice_once_in(&d, 8))
            mmu_core_check(core);
    }
    mmu_core_stats(core, &out->stats);
    mmu_core_check(core);
    for (unsigned i = 0; i < RECORDS && !batch; i++) { /* the tables never change where a page is */
        struct mmu_walk w;
        if (out->result[i].outcome == MMU_DONE && (a[i].kind >> 4) == MMU_USER) {
            assert_int_equal(mmu_core_walk(core, &a[i], &w), MMU_DONE);
            assert_int_equal(w.pa, out->result[i].pa);
            assert_int_equal(w.page_shift, out->result[i].page_shift);
        }
    }
    mmu_machine_free(m);
}

struct list {
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
        print_message("%s: %llu one by one, %llu in a batch\n", c->path,
                      (unsigned long long)l->value[l->at - 1], (unsigned long long)c->value);
}

static void expect_same(const struct mmu_config *config, const struct outcome *one,
                        const struct outcome *many, unsigned machine)
{
    static struct list l;
    if (memcmp(&one->stats, &many->stats, sizeof one->stats) == 0)
        return;
    memset(&l, 0, sizeof l);
    mmu_stats_each(&one->stats, config, collect, &l);
    l.other = &many->stats;
    mmu_stats_each(&many->stats, config, collect, &l);
    mmu_config_write(config, stderr);
    fail_msg("machine %u: the statistics differ", machine);
}

/* Every miss has a class; without them the statistics are what they are without classification. */
static void take_classes(const struct mmu_config *config, struct outcome *out)
{
    for (unsigned i = 0; i < config->tlbs; i++) {
        struct mmu_tlb_stats *t = &out->stats.tlb[i];
        for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
            assert_int_equal(t->compulsory[kind] + t->capacity[kind] + t->conflict[kind], t->misses[kind]);
            t->compulsory[kind] = t->capacity[kind] = t->conflict[kind] = 0;
        }
    }
}

static void test_random_machines(void **state)
{
    (void)state;
    static struct mmu_access a[RECORDS];
    static struct outcome one, many;
    struct dice d = dice_new("random machines", 1);
    unsigned made = 0, refused = 0;
    for (unsigned machines = dice_rounds(MACHINES); made < machines;) {
        struct mmu_config config;
        draw_config(&config, &d);
        if (mmu_config_check(&config, NULL) != MMU_OK) {
            assert_true(++refused < 100 * machines);
            continue;
        }
        draw_trace(a, &d);
        run(&config, a, false, true, false, &one);
        run(&config, a, true, false, false, &many);
        expect_same(&config, &one, &many, made);
        for (unsigned classify = 0; classify < 2; classify++) {
            run(&config, a, true, true, classify, &many);
            if (classify)
                take_classes(&config, &many);
            expect_same(&config, &one, &many, made);
            for (unsigned i = 0; i < RECORDS; i++)
                if (memcmp(&one.result[i], &many.result[i], sizeof one.result[i]) != 0)
                    fail_msg("machine %u: record %u: results differ", made, i);
        }
        made++;
    }
    print_message("%u machines, %u drawn in vain\n", made, refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_machines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
