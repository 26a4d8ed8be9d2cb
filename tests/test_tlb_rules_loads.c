/*
 * test_tlb_rules_loads.c: PDPTE registers, task switches, coherence, other processors, warm against cold: the
 * rules 34 to 40 of the list of forty (SDM vol. 3A, 4.4.1 and 4.10).
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
enum { LEAF = RIG_P | RIG_W | RIG_U };

static void start(struct rig *rig, enum mmu_mode mode)
{
    struct mmu_config config;
    rig_config(&config);
    rig_start(rig, &config, mode);
}

/* PAE, with VA mapped to PA by the registers and to 2 * PA by the PDPTE that now stands in memory. */
static void start_pae(struct rig *rig)
{
    start(rig, MMU_MODE_PAE);
    rig_map(rig, VA, PA, 12, LEAF);
    rig_poke(rig, rig->root, 0);
    rig_map(rig, VA, 2 * PA, 12, LEAF);
    rig_expect(rig, MMU_LOAD, MMU_USER, VA, PA);
}

/* Does changing this register to value read the PDPTEs? TLB entries that survive are dropped first, with
 * INVLPG, which reads none. */
static void expect_reload(enum mmu_reg reg, uint64_t bits, bool reloads)
{
    struct rig rig;
    start_pae(&rig);
    rig_set(&rig, reg, mmu_core_get(rig.core, reg) ^ bits);
    rig_invlpg(&rig, VA);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, reloads ? 2 * PA : PA);
    rig_stop(&rig);
}

static void test_rule_34_what_loads_the_pdptes(void **state)
{
    (void)state;
    expect_reload(MMU_REG_CR3, 0, true);
    expect_reload(MMU_REG_CR0, RIG_CD, true);
    expect_reload(MMU_REG_CR0, RIG_CD | RIG_NW, true);
    expect_reload(MMU_REG_CR4, RIG_PGE, true);
    expect_reload(MMU_REG_CR4, RIG_PSE, true);
    expect_reload(MMU_REG_CR4, RIG_SMEP, true);
    expect_reload(MMU_REG_CR0, RIG_WP, false);
    expect_reload(MMU_REG_CR4, RIG_SMAP, false);
}

static void test_rule_34_paging_on_loads_the_pdptes(void **state)
{
    (void)state;
    struct rig rig;
    start_pae(&rig);
    rig_clear_bits(&rig, MMU_REG_CR0, RIG_PG);
    rig_set_bits(&rig, MMU_REG_CR0, RIG_PG);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, 2 * PA);
    rig_stop(&rig);
}

static void test_rule_34_a_store_acts_at_the_next_load(void **state)
{
    (void)state;
    struct rig rig;
    start_pae(&rig);
    rig_invlpg(&rig, VA);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_set(&rig, MMU_REG_CR3, rig.root);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, 2 * PA);
    rig_stop(&rig);
}

static void test_rule_34_a_reserved_bit_refuses_the_load(void **state)
{
    (void)state;
    static const unsigned reserved[] = {1, 2, 5, 6, 7, 8, 46, 51, 62, 63};
    for (unsigned i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        struct rig rig;
        start(&rig, MMU_MODE_PAE);
        rig_map(&rig, VA, PA, 12, LEAF);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
        size_t entries = rig_entries(&rig);
        uint64_t cr0 = mmu_core_get(rig.core, MMU_REG_CR0);
        uint64_t pdpte = rig_peek(&rig, rig.root + 24);
        rig_poke(&rig, rig.root + 24,
                 pdpte | UINT64_C(1) << reserved[i]); /* the fourth, which VA does not use */
        assert_int_equal(mmu_core_set(rig.core, MMU_REG_CR3, rig.root), MMU_FAULT_GP);
        assert_int_equal(mmu_core_set(rig.core, MMU_REG_CR0, cr0 ^ RIG_CD), MMU_FAULT_GP);
        assert_int_equal(mmu_core_get(rig.core, MMU_REG_CR0), cr0);
        assert_int_equal(rig_entries(&rig), entries); /* nothing changed */
        assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA), MMU_AT_L1);
        rig_poke(&rig, rig.root + 24,
                 (pdpte | UINT64_C(1) << reserved[i]) & ~UINT64_C(1)); /* not present: not looked at */
        rig_set(&rig, MMU_REG_CR3, rig.root);
        rig_stop(&rig);
    }
}

/* SDM vol. 2, MOV to control registers: #GP for a bit of CR3 at or above MAXPHYADDR; bit 63 is one unless
 * PCIDs are on. Nothing changes. */
static void test_reserved_bits_of_cr3(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    rig_map(&rig, VA, PA, 12, LEAF);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    size_t entries = rig_entries(&rig);
    for (unsigned pcids = 0; pcids < 2; pcids++) {
        for (unsigned bit = 46; bit < 64u - pcids; bit++) {
            uint64_t cr3 = rig.root | UINT64_C(1) << bit;
            assert_int_equal(mmu_core_set(rig.core, MMU_REG_CR3, cr3), MMU_FAULT_GP);
            assert_int_equal(mmu_core_get(rig.core, MMU_REG_CR3), rig.root);
        }
        assert_int_equal(rig_entries(&rig), entries);
        assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA), MMU_AT_L1);
        rig_set_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
    }
    rig_stop(&rig);
}

static void test_rule_35_task_switch(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_I386);
    rig_map(&rig, VA, PA, 12, LEAF);
    rig_map(&rig, VA + 0x1000, PA, 12, LEAF | RIG_G);
    mmu_pa other = rig_root(&rig);
    rig_map_in(&rig, other, VA, 2 * PA, 12, LEAF);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA + 0x1000, PA);
    assert_int_equal(mmu_core_task_switch(rig.core, rig.root),
                     MMU_DONE); /* the same CR3: the choice is to keep */
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA), MMU_AT_L1);
    assert_int_equal(mmu_core_task_switch(rig.core, other), MMU_DONE);
    assert_int_equal(mmu_core_get(rig.core, MMU_REG_CR3), other);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, 2 * PA);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, VA + 0x1000, PA), MMU_AT_L1);
    rig_stop(&rig);
}

static void test_rule_36_walks_read_coherently(void **state)
{
    (void)state;
    for (enum mmu_mode mode = MMU_MODE_I386; mode <= MMU_MODE_5L; mode++) {
        struct mmu_config config;
        struct rig rig;
        rig_config(&config);
        config.memory.reads = MMU_READS_CACHED; /* also through caches */
        config.memory.caches = 1;
        config.memory.cache[0] = (struct mmu_cache_config){
            .name = "L1", .size = 32768, .ways = 8, .line = 64, .latency = 4, .policy = MMU_LRU};
        config.memory.dram_latency = 200;
        rig_start(&rig, &config, mode);
        rig_map(&rig, VA, PA, 12, LEAF);
        rig_map(&rig, VA + 0x1000, PA, 12, LEAF);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA); /* brings the line of the PTEs into the cache */
        rig_map(&rig, VA + 0x1000, 2 * PA, 12, LEAF);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA + 0x1000, 2 * PA);
        mmu_va far = VA ^ 0x20400000; /* another PDE, not used yet */
        rig_map(&rig, far, PA, 12, LEAF);
        rig_poke(&rig, rig_entry(&rig, rig.root, far, 2, 0), 0);
        rig_map(&rig, far, 2 * PA, 12, LEAF);
        rig_expect(&rig, MMU_LOAD, MMU_USER, far, 2 * PA);
        rig_stop(&rig);
    }
}

static void test_rule_37_nxe_change_drops_everything(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    rig_map(&rig, VA, PA, 12, LEAF | RIG_G);
    mmu_va secret = VA + 0x1000;
    rig_map(&rig, secret, PA, 12, LEAF | RIG_XD);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_expect(&rig, MMU_LOAD, MMU_USER, secret, PA);
    rig_clear_bits(&rig, MMU_REG_EFER, RIG_NXE); /* the choice: a full flush */
    assert_int_equal(rig_entries(&rig), 0);
    rig_expect_pf(&rig, MMU_LOAD, MMU_USER, secret, MMU_PF_P | MMU_PF_U | MMU_PF_RSVD);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_set_bits(&rig, MMU_REG_EFER, RIG_NXE);
    assert_int_equal(rig_entries(&rig), 0);
    rig_expect(&rig, MMU_LOAD, MMU_USER, secret, PA);
    rig_stop(&rig);
}

/* One load on a core of the machine. */
static enum mmu_where load_on(struct mmu_core *core)
{
    struct mmu_access access = {.va = VA, .size = 1, .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_USER)};
    struct mmu_result result;
    assert_int_equal(mmu_core_access(core, &access, &result), MMU_DONE);
    assert_int_equal(result.pa, PA);
    return result.where;
}

static void test_rule_38_other_processors_keep_theirs(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    rig_config(&config);
    config.cores = 2;
    rig_start(&rig, &config, MMU_MODE_4L);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
    rig_map(&rig, VA, PA, 12, LEAF);
    struct mmu_core *other = mmu_machine_core(rig.machine, 1);
    struct mmu_registers r = {{0}};
    for (unsigned reg = 0; reg < MMU_REGS; reg++)
        r.value[reg] = mmu_core_get(rig.core, (enum mmu_reg)reg);
    assert_int_equal(mmu_core_load(other, &r), MMU_DONE);
    assert_int_equal(load_on(other), MMU_AT_WALK);
    assert_int_equal(load_on(rig.core), MMU_AT_WALK);
    for (int i = 0; i < 4; i++) {
        if (i == 0)
            rig_invlpg(&rig, VA);
        else if (i == 1)
            rig_invpcid(&rig, 2, 0, 0);
        else if (i == 2)
            rig_set(&rig, MMU_REG_CR3, rig.root);
        else
            rig_set(&rig, MMU_REG_CR4, mmu_core_get(rig.core, MMU_REG_CR4) ^ RIG_PGE);
        assert_int_equal(load_on(other), MMU_AT_L1);
        assert_int_equal(load_on(rig.core), MMU_AT_WALK);
    }
    mmu_core_check(other);
    rig_stop(&rig);
}

static void test_rule_39_forbidden_to_some_cached_for_others(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_4L);
    rig_map(&rig, VA, PA, 12, LEAF | RIG_XD | RIG_KEY(3));
    rig_set_bits(&rig, MMU_REG_CR4, RIG_SMEP | RIG_SMAP | RIG_PKE);
    rig_set(&rig, MMU_REG_PKRU, 2 << 6); /* WD of key 3 */
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA), MMU_AT_L1);
    /* The choice: a faulting access caches nothing, and drops what there was (27). */
    rig_expect_pf(&rig, MMU_LOAD, MMU_SUPERVISOR, VA, MMU_PF_P);
    assert_false(rig_cached(&rig, VA, 0));
    rig_expect_pf(&rig, MMU_STORE, MMU_USER, VA, MMU_PF_P | MMU_PF_W | MMU_PF_U | MMU_PF_PK);
    assert_false(rig_cached(&rig, VA, 0));
    rig_expect_pf(&rig, MMU_FETCH, MMU_USER, VA, MMU_PF_P | MMU_PF_U | MMU_PF_I);
    assert_false(rig_cached(&rig, VA, 0));
    rig_stop(&rig);
}

/* One mixture of rights, registers and accesses for rule 40, by number. */
static void warm_is_cold(unsigned number)
{
    struct rig rig;
    start(&rig, number & 1 ? MMU_MODE_5L : MMU_MODE_4L);
    uint64_t flags = RIG_P | (number >> 1 & 1 ? RIG_W : 0) | (number >> 2 & 1 ? RIG_U : 0) |
                     (number >> 3 & 1 ? RIG_XD : 0);
    mmu_pa leaf = rig_map(&rig, VA, PA, 12, flags | RIG_KEY(number >> 4 & 1));
    mmu_pa pde = rig_entry(&rig, rig.root, VA, 2, 0);
    if (number >> 5 & 1)
        rig_clear_bits(&rig, MMU_REG_CR0, RIG_WP);
    rig_set_bits(&rig, MMU_REG_CR4,
                 (number >> 6 & 1 ? RIG_SMEP | RIG_SMAP : 0) | (number >> 7 & 1 ? RIG_PKE | RIG_PKS : 0));
    rig_set(&rig, MMU_REG_PKRU, 2 << 2);
    rig_set(&rig, MMU_REG_PKRS, 1 << 2);
    for (unsigned kind = 0; kind < MMU_KINDS; kind++)
        for (unsigned priv = 0; priv < MMU_PRIVS; priv++) {
            if (kind == MMU_FETCH && priv == MMU_IMPLICIT)
                continue;
            rig_invlpg(&rig, VA);
            struct mmu_result cold = rig_access(&rig, (enum mmu_kind)kind, (enum mmu_priv)priv, VA);
            uint64_t was[2] = {rig_peek(&rig, leaf), rig_peek(&rig, pde)};
            struct mmu_result warm = rig_access(&rig, (enum mmu_kind)kind, (enum mmu_priv)priv, VA);
            assert_int_equal(warm.outcome, cold.outcome);
            assert_int_equal(warm.error_code, cold.error_code);
            assert_int_equal(warm.pa, cold.pa);
            assert_int_equal(warm.page_shift, cold.page_shift);
            if (cold.outcome == MMU_DONE)
                assert_int_equal(warm.where, MMU_AT_L1);
            assert_int_equal(rig_peek(&rig, leaf), was[0]);
            assert_int_equal(rig_peek(&rig, pde), was[1]);
        }
    rig_stop(&rig);
}

static void test_rule_40_a_hit_gives_what_a_walk_gives(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 256; number++)
        warm_is_cold(number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule_34_what_loads_the_pdptes),
        cmocka_unit_test(test_rule_34_paging_on_loads_the_pdptes),
        cmocka_unit_test(test_rule_34_a_store_acts_at_the_next_load),
        cmocka_unit_test(test_rule_34_a_reserved_bit_refuses_the_load),
        cmocka_unit_test(test_reserved_bits_of_cr3),
        cmocka_unit_test(test_rule_35_task_switch),
        cmocka_unit_test(test_rule_36_walks_read_coherently),
        cmocka_unit_test(test_rule_37_nxe_change_drops_everything),
        cmocka_unit_test(test_rule_38_other_processors_keep_theirs),
        cmocka_unit_test(test_rule_39_forbidden_to_some_cached_for_others),
        cmocka_unit_test(test_rule_40_a_hit_gives_what_a_walk_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
