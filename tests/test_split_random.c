/*
 * test_split_random.c: the split-phase face on random traffic.
 *
 * Against its twin: accesses over random tables in every mode go to one machine through mmu_core_access() and
 * to another through mmu_split_begin() and mmu_split_resume(), one translation at a time; results, TLBs,
 * memory and statistics must be the same, and the times must add up to the same. Then many in flight, in any
 * order, some given up, against what the tables say when each ends.
 */
#include "dice.h"
#include "split_rig.h"

#include <stdio.h>
#include <string.h>

struct entries {
    size_t n;
    struct mmu_tlb_entry entry[4096];
};

static void collect(void *ctx, const struct mmu_tlb_entry *entry)
{
    struct entries *to = ctx;
    assert_true(to->n < sizeof to->entry / sizeof *to->entry);
    memset(&to->entry[to->n], 0, sizeof *to->entry);
    to->entry[to->n++] = *entry;
}

static void expect_same_entries(const struct rig *a, const struct rig *b)
{
    static struct entries of[2];
    of[0].n = of[1].n = 0;
    for (uint32_t i = 0; i < mmu_machine_config(a->machine)->tlbs; i++) {
        mmu_core_tlb_entries(a->core, i, collect, &of[0]);
        mmu_core_tlb_entries(b->core, i, collect, &of[1]);
    }
    assert_int_equal(of[0].n, of[1].n);
    for (size_t i = 0; i < of[0].n; i++) {
        const struct mmu_tlb_entry *x = &of[0].entry[i], *y = &of[1].entry[i];
        assert_true(x->va == y->va && x->pa == y->pa && x->structure == y->structure && x->pcid == y->pcid &&
                    x->set == y->set && x->way == y->way && x->page == y->page &&
                    x->page_shift == y->page_shift && x->key == y->key && x->global == y->global &&
                    x->writable == y->writable && x->user == y->user && x->no_execute == y->no_execute &&
                    x->dirty == y->dirty);
    }
}

static void expect_same_memory(const struct rig *a, const struct rig *b)
{
    uint8_t page[2][4096];
    assert_int_equal(a->next_table, b->next_table);
    for (mmu_pa pa = a->root; pa < a->next_table; pa += sizeof *page) {
        assert_int_equal(mmu_machine_read(a->machine, pa, page[0], sizeof *page), MMU_OK);
        assert_int_equal(mmu_machine_read(b->machine, pa, page[1], sizeof *page), MMU_OK);
        assert_memory_equal(page[0], page[1], sizeof *page);
    }
}

/* All but what is on the core's own clock. */
static void expect_same_stats(const struct rig *a, const struct rig *b)
{
    struct mmu_stats *x = stats_of(a), *y = stats_of(b);
    assert_memory_equal(&x->run, &y->run, sizeof x->run);
    assert_memory_equal(x->level, y->level, sizeof x->level);
    assert_memory_equal(x->tlb, y->tlb, sizeof x->tlb);
    assert_memory_equal(x->psc, y->psc, sizeof x->psc);
    assert_memory_equal(&x->walk, &y->walk, sizeof x->walk);
    assert_memory_equal(x->reads, y->reads, sizeof x->reads);
    assert_memory_equal(&x->walk_latency, &y->walk_latency, sizeof x->walk_latency);
    for (unsigned i = 0; i < MMU_PARTS; i++)
        if (i != MMU_PART_READ + 2 * MMU_PLACES + MMU_PLACE_FIXED) /* MOV CR3 reads PDPTEs */
            assert_int_equal(y->cycles.charged[i], 0);
    free(x);
    free(y);
}

enum { PAGES = 160 };
#define NOWHERE UINT64_C(0xf0000000) /* end of RAM */

/* bits, once in n. */
static uint64_t maybe(struct dice *d, unsigned n, uint64_t bits)
{
    return dice_once_in(d, n) ? bits : 0;
}

/* Random rights; now and then nothing, or a reserved bit. */
static uint64_t random_flags(struct dice *d, enum mmu_mode mode)
{
    uint64_t flags = RIG_P | RIG_W | RIG_U;
    flags ^= maybe(d, 8, RIG_P);
    flags ^= maybe(d, 4, RIG_W);
    flags ^= maybe(d, 4, RIG_U);
    flags |= maybe(d, 4, RIG_G);
    flags |= maybe(d, 4, RIG_D | RIG_A);
    if (mode >= MMU_MODE_PAE) {
        flags |= maybe(d, 4, RIG_XD);
        flags |= maybe(d, 16, UINT64_C(1) << 50);
    }
    return flags;
}

/* A random page: where, how large, what rights. Returns an address in it. */
static mmu_va random_page(struct dice *d, struct rig *a, struct rig *b, unsigned i)
{
    enum mmu_mode mode = a->mode;
    bool long_mode = mode >= MMU_MODE_4L;
    unsigned large = mode == MMU_MODE_I386 ? 22 : 21;
    bool small = !dice_once_in(d, 4);
    unsigned shift = small ? 12 : long_mode && dice_once_in(d, 4) ? 30 : large;
    /* each size has regions of its own, so that no table stands where a large page maps */
    mmu_va region = shift == 12   ? dice_below(d, 4)
                    : shift == 30 ? 4 + dice_below(d, 2)
                                  : 6 + dice_below(d, 4);
    mmu_va va = long_mode ? region << 39 | (mmu_va)(i % 4) << 30 : region << 28;
    if (shift == 12) {
        va |= (mmu_va)dice_below(d, 64) << 12;
        va |= (mmu_va)dice_below(d, 2) << large;
    } else if (shift != 30) {
        va |= (mmu_va)dice_below(d, 16) << large;
    }
    if (mode == MMU_MODE_5L && dice_once_in(d, 3))
        va |= (mmu_va)dice_below(d, 3) << 48;
    uint64_t flags = random_flags(d, mode);
    mmu_pa pa = (mmu_pa)dice_below(d, 64) << 30 >> (mode == MMU_MODE_I386 ? 4 : 0);
    pa = mode == MMU_MODE_I386 ? pa & 0x7fffffff : pa;
    rig_map(a, va, pa, shift, flags);
    rig_map(b, va, pa, shift, flags);
    return va | dice_below(d, 4096);
}

/* A page in a region of its own, whose table is where no memory answers. */
static mmu_va lost_page(struct rig *a, struct rig *b)
{
    struct rig *rig[2] = {a, b};
    mmu_va va = UINT64_C(10) << (a->mode >= MMU_MODE_4L ? 39 : 28);
    for (unsigned i = 0; i < 2; i++)
        rig_poke(rig[i], rig_entry(rig[i], rig[i]->root, va, 2, 0), NOWHERE | RIG_P | RIG_W | RIG_U);
    return va;
}

static void change_registers(struct dice *d, struct rig *a, struct rig *b, mmu_va va)
{
    struct rig *rig[2] = {a, b};
    unsigned what = dice_below(d, 6);
    uint64_t bits = dice_next(d);
    for (unsigned i = 0; i < 2; i++) {
        if (what == 0)
            rig_invlpg(rig[i], va);
        else if (what == 1)
            rig_set(rig[i], MMU_REG_CR3, rig[i]->root);
        else if (what == 2)
            rig_set(rig[i], MMU_REG_AC, bits & 1);
        else if (what == 3)
            (bits & 1 ? rig_set_bits : rig_clear_bits)(rig[i], MMU_REG_CR4, RIG_SMEP);
        else if (what == 4)
            (bits & 1 ? rig_set_bits : rig_clear_bits)(rig[i], MMU_REG_CR4, RIG_SMAP);
        else
            (bits & 1 ? rig_set_bits : rig_clear_bits)(rig[i], MMU_REG_CR0, RIG_WP);
    }
}

static void expect_same_result(const struct mmu_result *want, const struct mmu_split *got, mmu_cycle took)
{
    assert_int_equal(got->result.outcome, want->outcome);
    assert_int_equal(got->result.pa, want->pa);
    assert_int_equal(got->result.cr2, want->cr2);
    assert_int_equal(got->result.error_code, want->error_code);
    assert_int_equal(got->result.where, want->where);
    assert_int_equal(got->result.page_shift, want->page_shift);
    assert_int_equal(got->result.completed - got->result.issued, took);
    assert_int_equal(want->completed - want->issued, took);
}

static void run_twins(struct dice *d, const struct mmu_config *config, enum mmu_mode mode, uint64_t tally[2])
{
    struct rig a, b;
    static mmu_va page[PAGES];
    mmu_cycle now = 0;
    rig_start(&a, config, mode);
    rig_start(&b, config, mode);
    page[0] = lost_page(&a, &b);
    for (unsigned i = 1; i < PAGES; i++)
        page[i] = random_page(d, &a, &b, i);
    for (unsigned i = dice_rounds(6000); i; i--) {
        mmu_va va = page[dice_below(d, dice_once_in(d, 2) ? PAGES : PAGES / 8)];
        if (dice_once_in(d, 200))
            change_registers(d, &a, &b, va);
        if (dice_once_in(d, 100))
            va = mode >= MMU_MODE_4L ? va ^ UINT64_C(1) << 60 : va ^ 0x80000000;
        enum mmu_kind kind = dice_below(d, MMU_KINDS);
        enum mmu_priv priv = dice_below(d, kind == MMU_FETCH ? 2 : 3);
        struct mmu_access access = access_of(kind, priv, va);
        access.flags = dice_once_in(d, 2) ? MMU_AF_FOLLOWS : 0;
        struct mmu_result want;
        mmu_core_access(a.core, &access, &want);
        mmu_cycle before = now;
        struct mmu_split got = whole(&b, &access, &now, READ);
        expect_same_result(&want, &got, now - before);
        assert_int_equal(mmu_core_get(a.core, MMU_REG_CR2), mmu_core_get(b.core, MMU_REG_CR2));
        now += dice_below(d, 3);
        tally[want.outcome == MMU_DONE]++;
        if (i % 512 == 0)
            expect_same_entries(&a, &b);
    }
    assert_int_equal(mmu_split_in_flight(b.core), 0);
    expect_same_entries(&a, &b);
    expect_same_memory(&a, &b);
    expect_same_stats(&a, &b);
    rig_stop(&a);
    rig_stop(&b);
}

static void vary(struct dice *d, struct mmu_config *config)
{
    static const uint32_t policy[] = {MMU_LRU, MMU_PLRU, MMU_FIFO, MMU_RANDOM, MMU_NMRU};
    config->tlb[0].entries = config->tlb[0].ways = 8;
    config->tlb[1].entries = config->tlb[1].ways = 16;
    config->tlb[1].pages = dice_once_in(d, 2) ? config->tlb[1].pages : 1 << MMU_4K | 1 << MMU_2M;
    config->tlb[2].entries = 64;
    config->tlb[2].policy = policy[dice_below(d, 5)];
    config->level[0].latency = dice_below(d, 3);
    config->level[1].no_fracture = dice_once_in(d, 2);
    config->psc.array[MMU_PSC_PDE].entries = config->psc.array[MMU_PSC_PDE].ways = 4;
    config->walk.rewalk_before_fault = dice_once_in(d, 2);
    config->walk.walkers = 1 + dice_below(d, 3);
    config->memory.ram_ranges = 1;
    config->memory.ram[0] = (struct mmu_ram_range){0, NOWHERE};
}

static void test_twins(void **state)
{
    (void)state;
    struct dice d = dice_new("split-phase and whole accesses", 1);
    for (unsigned mode = MMU_MODE_I386; mode <= MMU_MODE_5L; mode++) {
        uint64_t tally[2] = {0};
        for (unsigned i = 0; i < 4; i++) {
            struct mmu_config config;
            rig_config(&config);
            vary(&d, &config);
            run_twins(&d, &config, mode, tally);
        }
        assert_true(tally[0] > 500 && tally[1] > 500); /* faults, and others */
    }
}

/* Many in flight, resumed in random order, some given up, registers and tables changed in between: every
 * answer is what the tables say. */
enum { MANY = 40 };

struct flight {
    struct mmu_split s;
    struct mmu_access access;
    bool used;
};

static void land(struct rig *rig, struct flight *f)
{
    struct mmu_walk walk;
    enum mmu_outcome want = mmu_core_walk(rig->core, &f->access, &walk);
    assert_int_equal(f->s.result.outcome, want);
    if (want == MMU_DONE)
        assert_int_equal(f->s.result.pa, walk.pa);
    else
        assert_int_equal(f->s.result.error_code, walk.error_code);
    f->used = false;
}

static mmu_va random_small(struct dice *d)
{
    return (mmu_va)(1 + dice_below(d, 40)) << 12;
}

static void random_step(struct dice *d, struct rig *rig, struct flight *f, mmu_cycle *now, unsigned tally[3])
{
    uint64_t data = 0;
    *now += dice_below(d, 4);
    if (!f->used) {
        enum mmu_kind kind = dice_below(d, MMU_KINDS);
        enum mmu_priv priv = dice_below(d, 2);
        f->access = access_of(kind, priv, random_small(d));
        f->used = true;
        mmu_split_begin(rig->core, &f->access, *now, &f->s);
    } else if (dice_once_in(d, 30)) {
        mmu_split_cancel(rig->core, f->s.token);
        f->used = false;
        return;
    } else {
        if (f->s.state == MMU_SPLIT_READ)
            mmu_machine_read(rig->machine, f->s.pa, &data, f->s.size);
        mmu_split_resume(rig->core, f->s.token, data, *now, &f->s);
    }
    tally[f->s.state]++;
    if (f->s.state == MMU_SPLIT_DONE)
        land(rig, f);
}

static void random_change(struct dice *d, struct rig *rig, mmu_pa root[2])
{
    unsigned pcid = dice_below(d, 2);
    switch (dice_below(d, 4)) {
    case 0:
        rig_invlpg(rig, random_small(d));
        break;
    case 1:
        rig_set(rig, MMU_REG_CR3, root[dice_below(d, 2)] | pcid);
        rig_invpcid(rig, 2, 0, 0);
        break;
    case 2:
        rig_set(rig, MMU_REG_AC, dice_below(d, 2));
        break;
    default: { /* another frame, other rights, and the INVLPG that goes with it */
        mmu_va va = random_small(d);
        uint64_t flags = RIG_U | (dice_next(d) & (RIG_P | RIG_W));
        rig_map_in(rig, root[0], va, (mmu_pa)dice_below(d, 4096) << 12, 12, flags);
        rig_invpcid(rig, 2, 0, 0);
    }
    }
}

static void test_many_in_flight(void **state)
{
    (void)state;
    struct dice d = dice_new("walks in flight, in any order", 2);
    for (unsigned walkers = 1; walkers <= 16; walkers *= 4) {
        struct rig rig;
        struct flight flight[MANY] = {0};
        mmu_cycle now = 0;
        unsigned tally[3] = {0};
        start_plain(&rig, walkers, 40);
        rig_set_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
        mmu_pa root[2] = {rig.root, rig_root(&rig)};
        for (unsigned i = 0; i < 40; i++)
            rig_map_in(&rig, root[1], (mmu_va)(i + 1) << 12, (mmu_pa)(i + 900) << 12, 12,
                       i % 5 ? RIG_P | RIG_U : 0);
        for (unsigned i = dice_rounds(60000); i; i--) {
            random_step(&d, &rig, &flight[dice_below(&d, MANY)], &now, tally);
            if (dice_once_in(&d, 500))
                random_change(&d, &rig, root);
            if (dice_once_in(&d, 200))
                mmu_core_check(rig.core);
        }
        printf("%u walkers: %u done, %u reads, %u waits\n", walkers, tally[0], tally[1], tally[2]);
        assert_true(tally[MMU_SPLIT_DONE] > 500 && tally[MMU_SPLIT_READ] > 500 &&
                    tally[MMU_SPLIT_WAIT] > 500);
        size_t left = 0;
        for (unsigned i = 0; i < MANY; i++)
            left += flight[i].used;
        assert_int_equal(mmu_split_in_flight(rig.core), left);
        rig_stop(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_many_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
