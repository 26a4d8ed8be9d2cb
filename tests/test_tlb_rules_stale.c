/*
 * test_tlb_rules_stale.c: what a fault drops and what software that forgets to invalidate sees: the rules 27
 * to 33 of the list of forty (SDM vol. 3A, 4.10.4.1 to 4.10.4.3).
 *
 * One test a rule, named after its number. Where the manual says "may", the test holds the choice that the
 * library documents: a stale translation is used until it is invalidated, and a rights failure on one is a
 * spurious fault unless walk.rewalk_before_fault is set.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define VA UINT64_C(0x12345000)
#define PA UINT64_C(0x40000000)
enum { LEAF = RIG_P | RIG_W | RIG_U, FULL = 4 /* entries that a walk of four levels reads */ };

static void start(struct rig *rig, bool rewalk)
{
    struct mmu_config config;
    rig_config(&config);
    config.walk.rewalk_before_fault = rewalk;
    rig_start(rig, &config, MMU_MODE_4L);
}

static uint64_t reads_of(struct rig *rig, mmu_va va)
{
    uint64_t before = rig_references(rig);
    rig_expect(rig, MMU_LOAD, MMU_USER, va, PA);
    return rig_references(rig) - before;
}

static void test_rule_27_a_page_fault_drops_the_page(void **state)
{
    (void)state;
    for (int global = 0; global < 2; global++) {
        struct rig rig;
        start(&rig, false);
        uint64_t flags = RIG_P | RIG_U | (global ? RIG_G : 0);
        for (unsigned i = 0; i < 3; i++)
            rig_map(&rig, VA + 0x1000 * i, PA, 12, flags);
        assert_int_equal(reads_of(&rig, VA), FULL);
        assert_int_equal(reads_of(&rig, VA + 0x1000), 1);
        rig_expect_pf(&rig, MMU_STORE, MMU_USER, VA, MMU_PF_P | MMU_PF_W | MMU_PF_U);
        assert_false(rig_cached(&rig, VA, 0));
        assert_true(rig_cached(&rig, VA + 0x1000, 0));
        assert_int_equal(reads_of(&rig, VA), FULL); /* and the paging-structure entries used for it */
        rig_stop(&rig);
    }
}

static void test_rule_27_a_page_fault_keeps_other_pcids(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, false);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
    rig_map(&rig, VA, PA, 12, RIG_P | RIG_U);
    for (unsigned pcid = 1; pcid <= 2; pcid++) {
        rig_set(&rig, MMU_REG_CR3, rig.root | pcid);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    }
    rig_expect_pf(&rig, MMU_STORE, MMU_USER, VA, MMU_PF_P | MMU_PF_W | MMU_PF_U);
    assert_false(rig_cached(&rig, VA, 2));
    assert_true(rig_cached(&rig, VA, 1));
    rig_stop(&rig);
}

/* A right is granted in memory without invalidation, while the old entry is cached. */
struct grant {
    const char *name;
    uint64_t before, after; /* the leaf's flags */
    enum mmu_kind kind;     /* of the access that needs the right */
    uint32_t code;
};

static const struct grant grants[] = {
    {"R/W", RIG_P | RIG_U, LEAF, MMU_STORE, MMU_PF_P | MMU_PF_W | MMU_PF_U},
    {"U/S", RIG_P | RIG_W, LEAF, MMU_LOAD, MMU_PF_P | MMU_PF_U},
    {"XD", LEAF | RIG_XD, LEAF, MMU_FETCH, MMU_PF_P | MMU_PF_U | MMU_PF_I},
    {"key", LEAF | RIG_KEY(1), LEAF, MMU_LOAD, MMU_PF_P | MMU_PF_U | MMU_PF_PK},
};
enum { GRANTS = sizeof grants / sizeof grants[0] };

/* Brings the entry that lacks the right into the TLB that the access will look in. */
static mmu_pa cache_old(struct rig *rig, const struct grant *g)
{
    mmu_pa leaf = rig_map(rig, VA, PA, 12, g->before);
    rig_set_bits(rig, MMU_REG_CR4, RIG_PKE);
    if (g->before &
        RIG_XD) { /* nothing can fetch through it: it is filled by a load and found in the second level */
        rig_expect(rig, MMU_LOAD, MMU_USER, VA, PA);
    } else {
        rig_expect(rig, MMU_LOAD, MMU_SUPERVISOR, VA, PA);
        rig_set(rig, MMU_REG_PKRU, 4); /* AD of key 1 */
    }
    assert_true(rig_cached(rig, VA, 0));
    return leaf;
}

static void test_rule_28_one_spurious_fault(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GRANTS; i++) {
        const struct grant *g = &grants[i];
        struct rig rig;
        start(&rig, false);
        mmu_pa leaf = cache_old(&rig, g);
        rig_poke(&rig, leaf, PA | g->after);
        rig_expect_pf(&rig, g->kind, MMU_USER, VA, g->code);
        rig_expect(&rig, g->kind, MMU_USER, VA, PA); /* rule 27 made room for the truth */
        rig_stop(&rig);
    }
}

static void test_rule_28_no_spurious_fault_with_a_rewalk(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GRANTS; i++) {
        const struct grant *g = &grants[i];
        struct rig rig;
        start(&rig, true);
        mmu_pa leaf = cache_old(&rig, g);
        rig_poke(&rig, leaf, PA | g->after);
        rig_expect(&rig, g->kind, MMU_USER, VA, PA);
        assert_int_equal(rig_expect(&rig, g->kind, MMU_USER, VA, PA), MMU_AT_L1);
        rig_stop(&rig);
    }
}

static void test_rule_28_a_rewalk_does_not_hide_a_real_fault(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GRANTS; i++) {
        const struct grant *g = &grants[i];
        struct rig rig;
        start(&rig, true);
        cache_old(&rig, g);
        for (int n = 0; n < 2; n++)
            rig_expect_pf(&rig, g->kind, MMU_USER, VA, g->code);
        rig_stop(&rig);
    }
}

/* A right is taken away, or the frame changed, in memory without invalidation. */
static void revoke(uint64_t before, uint64_t after, enum mmu_kind kind, uint32_t code)
{
    for (int rewalk = 0; rewalk < 2; rewalk++) {
        struct rig rig;
        start(&rig, rewalk);
        mmu_pa leaf = rig_map(&rig, VA, PA, 12, before | RIG_D);
        rig_expect(&rig, kind, MMU_USER, VA, PA);
        rig_poke(&rig, leaf, after);
        assert_int_equal(rig_expect(&rig, kind, MMU_USER, VA, PA),
                         MMU_AT_L1); /* the choice: as long as it is cached */
        rig_invlpg(&rig, VA);
        if (code)
            rig_expect_pf(&rig, kind, MMU_USER, VA, code);
        else
            rig_expect(&rig, kind, MMU_USER, VA, after & UINT64_C(0xffffffffff000));
        rig_stop(&rig);
    }
}

static void test_rule_29_a_right_withdrawn_acts_after_invalidation(void **state)
{
    (void)state;
    revoke(LEAF, PA | RIG_P | RIG_U, MMU_STORE, MMU_PF_P | MMU_PF_W | MMU_PF_U);
    revoke(LEAF, 0, MMU_LOAD, MMU_PF_U);
    revoke(LEAF, PA | RIG_P | RIG_W, MMU_LOAD, MMU_PF_P | MMU_PF_U);
    revoke(LEAF, PA | LEAF | RIG_XD, MMU_FETCH, MMU_PF_P | MMU_PF_U | MMU_PF_I);
    revoke(LEAF, 2 * PA | LEAF, MMU_LOAD, 0);
}

/* The entry of `level` is made to lead to new tables that map VA and its neighbour elsewhere. */
static void change_table(struct rig *rig, unsigned level)
{
    rig_poke(rig, rig_entry(rig, rig->root, VA, level, 0), 0);
    rig_map(rig, VA, 2 * PA, 12, LEAF);
    rig_map(rig, VA + 0x1000, 2 * PA, 12, LEAF | RIG_G);
    rig_map(rig, VA + 0x2000, 2 * PA, 12, LEAF);
}

static void test_rule_30_a_changed_table_needs_every_address(void **state)
{
    (void)state;
    for (unsigned level = 2; level <= 4; level++) {
        struct rig rig;
        start(&rig, false);
        rig_map(&rig, VA, PA, 12, LEAF);
        rig_map(&rig, VA + 0x1000, PA, 12, LEAF | RIG_G);
        rig_map(&rig, VA + 0x2000, PA, 12, LEAF);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA + 0x1000, PA);
        change_table(&rig, level);
        rig_invlpg(&rig, VA);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA, 2 * PA);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA + 0x2000,
                   2 * PA); /* never cached: the upper entries are new */
        assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, VA + 0x1000, PA),
                         MMU_AT_L1); /* the choice: it stays */
        rig_set(&rig, MMU_REG_CR3, rig.root);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA + 0x1000, PA); /* global: stays even so */
        rig_invlpg(&rig, VA + 0x1000);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA + 0x1000, 2 * PA);
        rig_stop(&rig);
    }
}

static void test_rule_31_each_pcid_must_be_invalidated(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, false);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
    mmu_pa leaf = rig_map(&rig, VA, PA, 12, LEAF);
    for (unsigned pcid = 1; pcid <= 4; pcid++) {
        rig_set(&rig, MMU_REG_CR3, rig.root | pcid | RIG_NOFLUSH);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    }
    rig_poke(&rig, leaf, 2 * PA | LEAF);
    rig_invlpg(&rig, VA); /* PCID 4 */
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, 2 * PA);
    rig_invpcid(&rig, 0, 3, VA);
    for (unsigned pcid = 1; pcid <= 3; pcid++) {
        bool keep = pcid != 2;
        rig_set(&rig, MMU_REG_CR3, rig.root | pcid | (keep ? RIG_NOFLUSH : 0));
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA,
                   pcid == 1 ? PA : 2 * PA); /* 1: forgotten; 2: loaded; 3: INVPCID */
    }
    rig_stop(&rig);
}

static void test_rule_32_an_alias_keeps_its_entry(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, false);
    mmu_va alias = UINT64_C(0x7f0000000000);
    rig_map(&rig, VA, PA, 12, LEAF);
    rig_map(&rig, alias, PA, 12, LEAF);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_expect(&rig, MMU_LOAD, MMU_USER, alias, PA);
    rig_invlpg(&rig, VA);
    assert_false(rig_cached(&rig, VA, 0));
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, alias, PA), MMU_AT_L1);
    rig_stop(&rig);
}

static void test_rule_32_one_table_at_two_levels(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, false);
    mmu_pa leaf = rig_map(&rig, VA, PA, 12, LEAF);
    rig_poke(&rig, rig.root + 8 * 511,
             rig.root | LEAF); /* the PML4 maps the page tables into the last 512 GBytes */
    mmu_va window = UINT64_C(0xffffff8000000000) | (VA >> 9 & UINT64_C(0x7ffffff000));
    mmu_pa table = leaf & ~UINT64_C(4095);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_expect(&rig, MMU_LOAD, MMU_USER, window, table);
    rig_invlpg(&rig, VA);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, window, table), MMU_AT_L1);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_invlpg(&rig, window);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA), MMU_AT_L1);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, window, table), MMU_AT_WALK);
    rig_stop(&rig);
}

static void test_rule_33_small_pages_become_a_large_one(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, false);
    mmu_va page = VA & ~UINT64_C(0x1fffff);
    rig_map(&rig, VA, PA, 12, RIG_P | RIG_U);
    rig_map(&rig, VA + 0x1000, PA + 0x8000, 12, RIG_P | RIG_U);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_poke(&rig, rig_entry(&rig, rig.root, VA, 2, 0), 2 * PA | LEAF | RIG_PS | RIG_XD);
    struct mmu_result result =
        rig_access(&rig, MMU_LOAD, MMU_USER, VA); /* the choice: the small one, all of it */
    assert_int_equal(result.pa, PA);
    assert_int_equal(result.page_shift, 12);
    rig_expect_pf(&rig, MMU_STORE, MMU_USER, VA,
                  MMU_PF_P | MMU_PF_W | MMU_PF_U); /* not the new one's R/W; rule 27 follows */
    rig_invlpg(&rig, VA);
    for (mmu_va va = VA; va <= VA + 0x1000; va += 0x1000) {
        result = rig_access(&rig, MMU_STORE, MMU_USER, va);
        assert_int_equal(result.outcome, MMU_DONE);
        assert_int_equal(result.pa, 2 * PA + (va - page));
        assert_int_equal(result.page_shift, 21);
    }
    rig_expect_pf(&rig, MMU_FETCH, MMU_USER, VA, MMU_PF_P | MMU_PF_U | MMU_PF_I);
    rig_stop(&rig);
}

static void test_rule_33_a_large_page_becomes_small_ones(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, false);
    mmu_va page = VA & ~UINT64_C(0x1fffff);
    mmu_pa pde = rig_map(&rig, page, 2 * PA, 21, LEAF | RIG_D);
    rig_expect(&rig, MMU_STORE, MMU_USER, VA, 2 * PA + (VA - page));
    rig_poke(&rig, pde, 0);
    rig_map(&rig, VA, PA, 12, RIG_P | RIG_U);
    rig_map(&rig, VA + 0x1000, PA, 12, RIG_P | RIG_U);
    struct mmu_result result = rig_access(&rig, MMU_STORE, MMU_USER, VA + 0x1000);
    assert_int_equal(result.outcome, MMU_DONE); /* the choice: the large one, all of it */
    assert_int_equal(result.pa, 2 * PA + (VA + 0x1000 - page));
    rig_invlpg(&rig, VA);
    for (mmu_va va = VA; va <= VA + 0x1000; va += 0x1000) {
        rig_expect(&rig, MMU_LOAD, MMU_USER, va, PA);
        rig_expect_pf(&rig, MMU_STORE, MMU_USER, va, MMU_PF_P | MMU_PF_W | MMU_PF_U);
    }
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule_27_a_page_fault_drops_the_page),
        cmocka_unit_test(test_rule_27_a_page_fault_keeps_other_pcids),
        cmocka_unit_test(test_rule_28_one_spurious_fault),
        cmocka_unit_test(test_rule_28_no_spurious_fault_with_a_rewalk),
        cmocka_unit_test(test_rule_28_a_rewalk_does_not_hide_a_real_fault),
        cmocka_unit_test(test_rule_29_a_right_withdrawn_acts_after_invalidation),
        cmocka_unit_test(test_rule_30_a_changed_table_needs_every_address),
        cmocka_unit_test(test_rule_31_each_pcid_must_be_invalidated),
        cmocka_unit_test(test_rule_32_an_alias_keeps_its_entry),
        cmocka_unit_test(test_rule_32_one_table_at_two_levels),
        cmocka_unit_test(test_rule_33_small_pages_become_a_large_one),
        cmocka_unit_test(test_rule_33_a_large_page_becomes_small_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
