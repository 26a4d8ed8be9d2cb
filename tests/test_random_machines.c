/*
 * test_random_machines.c: machines that nobody would build, drawn at random: levels missing for some kinds,
 * odd ways, shared sizes, bounds on PCIDs, caches, windows. A batch must do what single accesses do, every
 * invariant and identity must hold, and every access must reach the frame that the tables say.
 */
#include "dice.h"
#include "random_machine.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 3000, MACHINES = 150, BASE = 0x20000000 };

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
        assert_int_equal(draw_disturbance(core, &d, a[i].va, cr3), MMU_DONE);
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
