/*
 * test_tlb_rules_fill.c: what may be cached, and how it is filled: the rules 1 to 10 of the list of forty
 * (SDM vol. 3A, 4.10.2 and 4.10.3).
 *
 * One test a rule, named after its number. Where the manual says "may", the test holds the choice that the
 * library documents.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

#define VA UINT64_C(0x12345000)
#define PA UINT64_C(0x40000000)
enum { LEAF = RIG_P | RIG_W | RIG_U, FULL = 4 /* entries that a walk of four levels reads */ };

static void start(struct rig *rig, enum mmu_mode mode)
{
    struct mmu_config config;
    rig_config(&config);
    rig_start(rig, &config, mode);
}

/* Entries that the walk of one load reads; 0: a hit. */
static uint64_t reads_of(struct rig *rig, mmu_va va)
{
    uint64_t before = rig_references(rig);
    assert_int_equal(rig_access(rig, MMU_LOAD, MMU_USER, va).outcome, MMU_DONE);
    return rig_references(rig) - before;
}

static unsigned levels_of(enum mmu_mode mode)
{
    static const unsigned levels[] = {
        [MMU_MODE_I386] = 2, [MMU_MODE_PAE] = 2, [MMU_MODE_4L] = 4, [MMU_MODE_5L] = 5};
    return levels[mode]; /* that are read from memory */
}

static void negative(enum mmu_mode mode, unsigned level, uint64_t spoil, uint32_t code)
{
    struct rig rig;
    start(&rig, mode);
    rig_map(&rig, VA, PA, 12, LEAF);
    mmu_pa entry = rig_entry(&rig, rig.root, VA, level, 0);
    uint64_t good = rig_peek(&rig, entry);
    rig_poke(&rig, entry, good ^ spoil);
    for (int i = 0; i < 2; i++)
        rig_expect_pf(&rig, MMU_LOAD, MMU_USER, VA, code);
    assert_int_equal(rig_entries(&rig), 0);
    rig_poke(&rig, entry, good); /* and no invalidation */
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA), MMU_AT_WALK);
    rig_stop(&rig);
}

static void test_rule_01_no_negative_caching(void **state)
{
    (void)state;
    for (enum mmu_mode mode = MMU_MODE_I386; mode <= MMU_MODE_5L; mode++)
        for (unsigned level = 1; level <= levels_of(mode); level++) {
            negative(mode, level, RIG_P, MMU_PF_U);
            if (mode >= MMU_MODE_4L)
                negative(mode, level, UINT64_C(1) << 50, MMU_PF_P | MMU_PF_U | MMU_PF_RSVD);
        }
}

static void test_rule_02_accessed_flags_before_caching(void **state)
{
    (void)state;
    for (enum mmu_mode mode = MMU_MODE_I386; mode <= MMU_MODE_5L; mode++) {
        struct rig rig;
        start(&rig, mode);
        rig_map(&rig, VA, PA, 12, LEAF);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
        assert_true(rig_cached(&rig, VA, 0));
        for (unsigned level = 1; level <= levels_of(mode); level++)
            assert_true(rig_peek(&rig, rig_entry(&rig, rig.root, VA, level, 0)) & RIG_A);

        /* A walk that ends in a fault may leave its tables in the paging-structure caches only if it set
         * their A. */
        mmu_va other = VA ^ 0x20400000; /* another PDE in every mode */
        rig_map(&rig, other, PA, 12, 0);
        rig_expect_pf(&rig, MMU_LOAD, MMU_USER, other, MMU_PF_U);
        uint64_t before = rig_references(&rig);
        rig_expect_pf(&rig, MMU_LOAD, MMU_USER, other, MMU_PF_U);
        if (rig_references(&rig) - before < levels_of(mode)) {
            for (unsigned level = 2; level <= levels_of(mode); level++)
                assert_true(rig_peek(&rig, rig_entry(&rig, rig.root, other, level, 0)) & RIG_A);
        }
        rig_stop(&rig);
    }
}

static void test_rule_03_dirty_flag_of_first_write(void **state)
{
    (void)state;
    for (enum mmu_mode mode = MMU_MODE_I386; mode <= MMU_MODE_5L; mode++) {
        struct rig rig;
        start(&rig, mode);
        mmu_pa leaf = rig_map(&rig, VA, PA, 12, LEAF);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
        assert_false(rig_peek(&rig, leaf) & RIG_D);
        assert_int_equal(rig_expect(&rig, MMU_STORE, MMU_USER, VA, PA), MMU_AT_WALK); /* a dirty walk */
        assert_true(rig_peek(&rig, leaf) & RIG_D);
        assert_int_equal(rig_expect(&rig, MMU_STORE, MMU_USER, VA, PA), MMU_AT_L1);
        for (unsigned level = 2; level <= levels_of(mode); level++)
            assert_false(rig_peek(&rig, rig_entry(&rig, rig.root, VA, level, 0)) & RIG_D);

        mmu_va readonly = VA + 0x1000; /* never on a faulting write, cold or warm */
        leaf = rig_map(&rig, readonly, PA, 12, RIG_P | RIG_U);
        rig_expect_pf(&rig, MMU_STORE, MMU_USER, readonly, MMU_PF_P | MMU_PF_W | MMU_PF_U);
        rig_expect(&rig, MMU_LOAD, MMU_USER, readonly, PA);
        rig_expect_pf(&rig, MMU_STORE, MMU_USER, readonly, MMU_PF_P | MMU_PF_W | MMU_PF_U);
        assert_false(rig_peek(&rig, leaf) & RIG_D);
        rig_stop(&rig);
    }
}

static void test_rule_03_dirty_walk_counts_no_miss(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    rig_map(&rig, VA, PA, 12, LEAF);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_expect(&rig, MMU_STORE, MMU_USER, VA, PA);
    struct mmu_stats stats;
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.tlb[1].dirty_walks[0], 1);
    assert_int_equal(stats.tlb[1].misses[MMU_STORE], 0);
    assert_int_equal(stats.tlb[1].misses[MMU_LOAD], 1);
    assert_int_equal(stats.walk.dirty[0], 1);
    assert_int_equal(stats.level[1].accesses[MMU_STORE + MMU_KINDS * MMU_USER], 0); /* straight to a walker */
    rig_stop(&rig);
}

static void test_rule_04_cleared_flags_come_back_after_invlpg(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    mmu_pa leaf = rig_map(&rig, VA, PA, 12, LEAF);
    mmu_pa pde = rig_entry(&rig, rig.root, VA, 2, 0);
    rig_expect(&rig, MMU_STORE, MMU_USER, VA, PA);
    rig_poke(&rig, leaf, rig_peek(&rig, leaf) & ~(uint64_t)(RIG_A | RIG_D));
    rig_poke(&rig, pde, rig_peek(&rig, pde) & ~(uint64_t)RIG_A);
    rig_expect(&rig, MMU_STORE, MMU_USER, VA, PA); /* the choice: a hit does not look at memory */
    assert_false(rig_peek(&rig, leaf) & (RIG_A | RIG_D));
    assert_false(rig_peek(&rig, pde) & RIG_A);
    rig_invlpg(&rig, VA);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    assert_int_equal(rig_peek(&rig, leaf) & (RIG_A | RIG_D), RIG_A);
    assert_true(rig_peek(&rig, pde) & RIG_A);
    rig_invlpg(&rig, VA);
    rig_expect(&rig, MMU_STORE, MMU_USER, VA, PA);
    assert_int_equal(rig_peek(&rig, leaf) & (RIG_A | RIG_D), RIG_A | RIG_D);
    rig_stop(&rig);
}

/* Rights of the levels are ANDed (U/S, R/W) and ORed (XD): one level takes the right away, also from a hit.
 */
static void combined(unsigned level, uint64_t set, uint64_t clear, enum mmu_kind kind, uint32_t code)
{
    struct rig rig;
    start(&rig, MMU_MODE_5L);
    rig_map(&rig, VA, PA, 12, LEAF | RIG_D);
    mmu_pa entry = rig_entry(&rig, rig.root, VA, level, 0);
    rig_poke(&rig, entry, (rig_peek(&rig, entry) | set) & ~clear);
    rig_expect(&rig, MMU_LOAD, MMU_SUPERVISOR, VA, PA);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_SUPERVISOR, VA, PA), MMU_AT_L1);
    rig_expect_pf(&rig, kind, MMU_USER, VA, code);
    rig_stop(&rig);
}

static void test_rule_05_rights_combined_over_levels(void **state)
{
    (void)state;
    for (unsigned level = 1; level <= 5; level++) {
        combined(level, 0, RIG_U, MMU_LOAD, MMU_PF_P | MMU_PF_U);
        combined(level, 0, RIG_W, MMU_STORE, MMU_PF_P | MMU_PF_U | MMU_PF_W);
        combined(level, RIG_XD, 0, MMU_FETCH, MMU_PF_P | MMU_PF_U | MMU_PF_I);
    }
}

static void test_rule_05_wp_acts_at_once(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    rig_map(&rig, VA, PA, 12, RIG_P | RIG_D);
    rig_expect(&rig, MMU_LOAD, MMU_SUPERVISOR, VA, PA);
    rig_clear_bits(&rig, MMU_REG_CR0, RIG_WP);
    assert_int_equal(rig_expect(&rig, MMU_STORE, MMU_SUPERVISOR, VA, PA), MMU_AT_L1);
    rig_set_bits(&rig, MMU_REG_CR0, RIG_WP);
    assert_true(rig_cached(&rig, VA, 0));
    rig_expect_pf(&rig, MMU_STORE, MMU_SUPERVISOR, VA, MMU_PF_P | MMU_PF_W);
    rig_stop(&rig);
}

static void test_rule_05_smap_and_ac_act_at_once(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    rig_map(&rig, VA, PA, 12, LEAF | RIG_D);
    rig_expect(&rig, MMU_LOAD, MMU_SUPERVISOR, VA, PA);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_SMAP);
    rig_set(&rig, MMU_REG_AC, 1);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_SUPERVISOR, VA, PA), MMU_AT_L1);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA), MMU_AT_L1);
    rig_expect_pf(&rig, MMU_LOAD, MMU_IMPLICIT, VA, MMU_PF_P); /* AC is for explicit accesses */
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_set(&rig, MMU_REG_AC, 0);
    rig_expect_pf(&rig, MMU_STORE, MMU_SUPERVISOR, VA, MMU_PF_P | MMU_PF_W);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_clear_bits(&rig, MMU_REG_CR4, RIG_SMAP);
    assert_int_equal(rig_expect(&rig, MMU_STORE, MMU_SUPERVISOR, VA, PA), MMU_AT_L1);
    rig_stop(&rig);
}

static void test_rule_05_smep_acts_at_once(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    rig_map(&rig, VA, PA, 12, LEAF);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_SMEP);
    rig_expect(&rig, MMU_FETCH, MMU_USER, VA, PA);
    rig_expect_pf(&rig, MMU_FETCH, MMU_SUPERVISOR, VA, MMU_PF_P | MMU_PF_I);
    rig_expect(&rig, MMU_FETCH, MMU_USER, VA, PA);
    rig_clear_bits(&rig, MMU_REG_CR4, RIG_SMEP);
    assert_int_equal(rig_expect(&rig, MMU_FETCH, MMU_SUPERVISOR, VA, PA), MMU_AT_L1);
    rig_stop(&rig);
}

static void test_rule_05_keys_act_at_once(void **state)
{
    (void)state;
    enum { KEY = 5, AD = 1 << (2 * KEY), WD = 2 << (2 * KEY) };
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    mmu_va kernel = VA + 0x1000;
    rig_map(&rig, VA, PA, 12, LEAF | RIG_D | RIG_KEY(KEY));
    rig_map(&rig, kernel, PA, 12, RIG_P | RIG_W | RIG_D | RIG_KEY(KEY));
    rig_set(&rig, MMU_REG_PKRU, AD);
    rig_set(&rig, MMU_REG_PKRS, AD);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA); /* not enabled yet */
    rig_expect(&rig, MMU_LOAD, MMU_SUPERVISOR, kernel, PA);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_PKE | RIG_PKS);
    assert_true(rig_cached(&rig, VA, 0));
    rig_expect_pf(&rig, MMU_LOAD, MMU_USER, VA, MMU_PF_P | MMU_PF_U | MMU_PF_PK);
    rig_expect_pf(&rig, MMU_LOAD, MMU_SUPERVISOR, kernel, MMU_PF_P | MMU_PF_PK);
    rig_set(&rig, MMU_REG_PKRU, WD);
    rig_set(&rig, MMU_REG_PKRS, WD);
    for (int i = 0; i < 2; i++) { /* the second time from the TLB */
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
        rig_expect(&rig, MMU_LOAD, MMU_SUPERVISOR, kernel, PA);
    }
    rig_expect_pf(&rig, MMU_STORE, MMU_USER, VA, MMU_PF_P | MMU_PF_U | MMU_PF_W | MMU_PF_PK);
    rig_expect_pf(&rig, MMU_STORE, MMU_SUPERVISOR, kernel, MMU_PF_P | MMU_PF_W | MMU_PF_PK);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_set(&rig, MMU_REG_PKRU, 0);
    assert_int_equal(rig_expect(&rig, MMU_STORE, MMU_USER, VA, PA), MMU_AT_L1);
    rig_stop(&rig);
}

static void sizes(void *ctx, const struct mmu_tlb_entry *entry)
{
    size_t *count = ctx;
    assert_int_equal(entry->page, MMU_4K);
    assert_int_equal(entry->page_shift, 21);
    count[0]++;
}

static void test_rule_06_invlpg_removes_every_piece_of_a_large_page(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    rig_config(&config);
    for (unsigned i = 0; i < config.tlbs; i++)
        config.tlb[i].pages = 1u << MMU_4K;
    rig_start(&rig, &config, MMU_MODE_4L);
    mmu_va page = 0x40000000, neighbour = 0x40200000;
    rig_map(&rig, page, PA, 21, LEAF);
    rig_map(&rig, neighbour, PA, 21, LEAF);
    for (mmu_va offset = 0; offset < 0x200000; offset += 0x10000)
        rig_expect(&rig, MMU_LOAD, MMU_USER, page + offset, PA + offset);
    rig_expect(&rig, MMU_LOAD, MMU_USER, neighbour, PA);
    struct mmu_result hit = rig_access(&rig, MMU_LOAD, MMU_USER, page + 0x10010);
    assert_int_equal(hit.where, MMU_AT_L1);
    assert_int_equal(hit.page_shift, 21);
    size_t count = 0;
    mmu_core_tlb_entries(rig.core, 1, sizes, &count);
    assert_int_equal(count, 33);
    rig_invlpg(&rig, page + 0x12345);
    assert_int_equal(rig_entries(&rig), 2); /* the neighbour, in both levels */
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, neighbour, PA), MMU_AT_L1);
    rig_stop(&rig);
}

static void test_rule_06_a_4m_page_as_two_of_2m(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    rig_config(&config);
    for (unsigned i = 0; i < config.tlbs; i++)
        config.tlb[i].pages = 1u << MMU_4K | 1u << MMU_2M;
    rig_start(&rig, &config, MMU_MODE_I386);
    mmu_va page = 0x40000000;
    rig_map(&rig, page, PA, 22, LEAF);
    for (mmu_va offset = 0; offset < 0x400000; offset += 0x200000) {
        assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, page + offset, PA + offset), MMU_AT_WALK);
        struct mmu_result hit = rig_access(&rig, MMU_LOAD, MMU_USER, page + offset + 0x1ff000);
        assert_int_equal(hit.where, MMU_AT_L1);
        assert_int_equal(hit.page_shift, 22);
    }
    assert_int_equal(rig_entries(&rig), 4); /* two in each level */
    rig_invlpg(&rig, page + 0x1000);
    assert_int_equal(rig_entries(&rig), 0);
    rig_stop(&rig);
}

static void test_rule_07_structure_caches_hold_tables_only(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    mmu_va large = UINT64_C(0x40000000), small = UINT64_C(0x8040000000);
    struct mmu_stats stats;
    rig_map(&rig, large, PA, 21, LEAF);
    assert_int_equal(reads_of(&rig, large), 3);
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.psc[MMU_PSC_PDE].fills[0], 0); /* the PDE maps a page */
    assert_int_equal(stats.psc[MMU_PSC_PDPTE].fills[0], 1);
    assert_int_equal(stats.psc[MMU_PSC_PML4E].fills[0], 1);
    rig_map(&rig, small, PA, 12, LEAF);
    rig_map(&rig, small + 0x1000, PA, 12, LEAF);
    rig_map(&rig, small + 0x200000, PA, 12, LEAF);
    assert_int_equal(reads_of(&rig, small), FULL);
    assert_int_equal(reads_of(&rig, small + 0x1000), 1);
    assert_int_equal(reads_of(&rig, small + 0x200000), 2);
    rig_stop(&rig);
}

static void test_rule_07_structure_caches_ignore_global(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    rig_entry(&rig, rig.root, VA, 1, RIG_G); /* every table with bit 8 */
    rig_map(&rig, VA, PA, 12, LEAF | RIG_G);
    rig_map(&rig, VA + 0x1000, PA, 12, LEAF | RIG_G);
    assert_int_equal(reads_of(&rig, VA), FULL);
    rig_set(&rig, MMU_REG_CR3, rig.root);
    assert_int_equal(reads_of(&rig, VA), 0);
    assert_int_equal(reads_of(&rig, VA + 0x1000), FULL);
    rig_stop(&rig);
}

static void test_rule_07_structure_caches_are_tagged_with_pcid(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
    for (unsigned i = 0; i < 4; i++)
        rig_map(&rig, VA + 0x1000 * i, PA, 12, LEAF);
    rig_set(&rig, MMU_REG_CR3, rig.root | 1);
    assert_int_equal(reads_of(&rig, VA), FULL);
    rig_set(&rig, MMU_REG_CR3, rig.root | 2 | RIG_NOFLUSH);
    assert_int_equal(reads_of(&rig, VA + 0x1000), FULL);
    assert_int_equal(reads_of(&rig, VA + 0x2000), 1);
    rig_set(&rig, MMU_REG_CR3, rig.root | 1 | RIG_NOFLUSH);
    assert_int_equal(reads_of(&rig, VA + 0x3000), 1);
    rig_stop(&rig);
}

static void test_rule_07_structure_caches_of_32_bit_modes(void **state)
{
    (void)state;
    for (enum mmu_mode mode = MMU_MODE_I386; mode <= MMU_MODE_PAE; mode++) {
        struct rig rig;
        start(&rig, mode);
        rig_map(&rig, VA, PA, 12, LEAF);
        rig_map(&rig, VA + 0x1000, PA, 12, LEAF);
        assert_int_equal(reads_of(&rig, VA), 2);
        assert_int_equal(reads_of(&rig, VA + 0x1000), 1);
        struct mmu_stats stats;
        mmu_core_stats(rig.core, &stats);
        assert_int_equal(stats.psc[MMU_PSC_PDE].fills[0], 1);
        for (unsigned level = MMU_PSC_PDPTE; level < MMU_PSC_LEVELS; level++)
            assert_int_equal(stats.psc[level].fills[0], 0); /* PAE has registers instead */
        rig_stop(&rig);
    }
}

static void test_rule_08_stale_upper_entry_until_invalidation(void **state)
{
    (void)state;
    for (enum mmu_mode mode = MMU_MODE_I386; mode <= MMU_MODE_5L; mode++) {
        struct rig rig;
        start(&rig, mode);
        mmu_va next = VA + 0x1000;
        rig_map(&rig, VA, PA, 12, LEAF);
        rig_map(&rig, next, PA, 12, LEAF);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
        /* The PDE now leads to a table that maps elsewhere. */
        mmu_pa pde = rig_entry(&rig, rig.root, VA, 2, 0);
        rig_poke(&rig, pde, 0);
        rig_map(&rig, VA, 2 * PA, 12, LEAF);
        rig_map(&rig, next, 2 * PA, 12, LEAF);
        rig_expect(&rig, MMU_LOAD, MMU_USER, next, PA); /* the choice: the cached PDE is used */
        rig_invlpg(&rig, next);
        rig_expect(&rig, MMU_LOAD, MMU_USER, next, 2 * PA);
        rig_stop(&rig);
    }
}

static void pcid_is_zero(void *ctx, const struct mmu_tlb_entry *entry)
{
    (void)ctx;
    assert_int_equal(entry->pcid, 0);
}

static void test_rule_09_entries_are_used_under_their_own_pcid(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    rig_map(&rig, VA, PA, 12, LEAF);
    rig_set(&rig, MMU_REG_CR3, rig.root | 0x18); /* PCIDE = 0: PWT and PCD, no PCID */
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    mmu_core_tlb_entries(rig.core, 1, pcid_is_zero, NULL);
    rig_set(&rig, MMU_REG_CR3, rig.root);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_PCIDE);

    mmu_pa other = rig_root(&rig);
    rig_map_in(&rig, other, VA, 2 * PA, 12, LEAF);
    static const unsigned pcids[] = {1, 0x800, 0xfff};
    for (unsigned i = 0; i < 3; i++) {
        rig_set(&rig, MMU_REG_CR3, (i % 2 ? other : rig.root) | pcids[i]);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA, i % 2 ? 2 * PA : PA);
        assert_true(rig_cached(&rig, VA, pcids[i]));
    }
    for (unsigned i = 0; i < 3; i++) {
        rig_set(&rig, MMU_REG_CR3, (i % 2 ? other : rig.root) | pcids[i] | RIG_NOFLUSH);
        assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, VA, i % 2 ? 2 * PA : PA), MMU_AT_L1);
    }
    rig_set(&rig, MMU_REG_CR3, other | 7 | RIG_NOFLUSH);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, VA, 2 * PA), MMU_AT_WALK);
    rig_stop(&rig);
}

/* A page of this size with G = 1, filled with CR4.PGE as given: does it outlive MOV CR3? */
static void outlives(enum mmu_mode mode, unsigned shift, bool pge)
{
    struct rig rig;
    start(&rig, mode);
    mmu_va va = UINT64_C(0x40000000);
    if (!pge)
        rig_clear_bits(&rig, MMU_REG_CR4, RIG_PGE);
    rig_map(&rig, va, PA, shift, LEAF | RIG_G);
    rig_expect(&rig, MMU_LOAD, MMU_USER, va, PA);
    rig_set(&rig, MMU_REG_CR3, rig.root);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, va, PA), pge ? MMU_AT_L1 : MMU_AT_WALK);
    rig_stop(&rig);
}

static void test_rule_10_global_pages(void **state)
{
    (void)state;
    for (int pge = 0; pge < 2; pge++) {
        outlives(MMU_MODE_I386, 12, pge);
        outlives(MMU_MODE_I386, 22, pge);
        for (enum mmu_mode mode = MMU_MODE_PAE; mode <= MMU_MODE_5L; mode++) {
            outlives(mode, 12, pge);
            outlives(mode, 21, pge);
            if (mode >= MMU_MODE_4L)
                outlives(mode, 30, pge);
        }
    }
}

static void test_rule_10_global_hits_ignore_pcid(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
    rig_map(&rig, VA, PA, 12, LEAF | RIG_G);
    rig_set(&rig, MMU_REG_CR3, rig.root | 1);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_set(&rig, MMU_REG_CR3, rig.root | 2);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA), MMU_AT_L1);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule_01_no_negative_caching),
        cmocka_unit_test(test_rule_02_accessed_flags_before_caching),
        cmocka_unit_test(test_rule_03_dirty_flag_of_first_write),
        cmocka_unit_test(test_rule_03_dirty_walk_counts_no_miss),
        cmocka_unit_test(test_rule_04_cleared_flags_come_back_after_invlpg),
        cmocka_unit_test(test_rule_05_rights_combined_over_levels),
        cmocka_unit_test(test_rule_05_wp_acts_at_once),
        cmocka_unit_test(test_rule_05_smap_and_ac_act_at_once),
        cmocka_unit_test(test_rule_05_smep_acts_at_once),
        cmocka_unit_test(test_rule_05_keys_act_at_once),
        cmocka_unit_test(test_rule_06_invlpg_removes_every_piece_of_a_large_page),
        cmocka_unit_test(test_rule_06_a_4m_page_as_two_of_2m),
        cmocka_unit_test(test_rule_07_structure_caches_hold_tables_only),
        cmocka_unit_test(test_rule_07_structure_caches_ignore_global),
        cmocka_unit_test(test_rule_07_structure_caches_are_tagged_with_pcid),
        cmocka_unit_test(test_rule_07_structure_caches_of_32_bit_modes),
        cmocka_unit_test(test_rule_08_stale_upper_entry_until_invalidation),
        cmocka_unit_test(test_rule_09_entries_are_used_under_their_own_pcid),
        cmocka_unit_test(test_rule_10_global_pages),
        cmocka_unit_test(test_rule_10_global_hits_ignore_pcid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
