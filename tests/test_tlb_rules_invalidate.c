/*
 * test_tlb_rules_invalidate.c: what drops entries, and which: the rules 11 to 26 of the list of forty (SDM
 * vol. 3A, 4.10.4).
 *
 * One test a rule, named after its number. Where the manual says "may", the test holds the choice that the
 * library documents.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define VA            UINT64_C(0x12345000)
#define PA            UINT64_C(0x40000000)
#define NON_CANONICAL UINT64_C(0x8000000000000000)
enum { LEAF = RIG_P | RIG_W | RIG_U, FULL = 4 /* entries that a walk of four levels reads */, NEAR = 0x1000 };

static void start(struct rig *rig, enum mmu_mode mode)
{
    struct mmu_config config;
    rig_config(&config);
    rig_start(rig, &config, mode);
}

/* Four levels with PCIDs, and at VA + i * NEAR: 0 and 1 private pages, 2 and 3 global ones, 4 to 9 private
 * again. */
static void start_pcid(struct rig *rig)
{
    start(rig, MMU_MODE_4L);
    rig_set_bits(rig, MMU_REG_CR4, RIG_PCIDE);
    for (unsigned i = 0; i < 10; i++)
        rig_map(rig, VA + NEAR * i, PA + NEAR * i, 12, LEAF | (i / 2 == 1 ? RIG_G : 0));
}

/* Loads CR3 with the rig's root and this PCID. */
static void enter(struct rig *rig, unsigned pcid, bool keep)
{
    rig_set(rig, MMU_REG_CR3, rig->root | pcid | (keep ? RIG_NOFLUSH : 0));
}

/* Loads from the page number i. */
static enum mmu_where load(struct rig *rig, unsigned i)
{
    return rig_expect(rig, MMU_LOAD, MMU_USER, VA + NEAR * i, PA + NEAR * i);
}

/* Entries that the walk of a load from page number i reads; 0: a hit. */
static uint64_t reads_of(struct rig *rig, unsigned i)
{
    uint64_t before = rig_references(rig);
    load(rig, i);
    return rig_references(rig) - before;
}

static bool cached(const struct rig *rig, unsigned i, unsigned pcid)
{
    return rig_cached(rig, VA + NEAR * i, pcid);
}

/* Pages 0 (private) and 2 (global) under PCIDs 1, 2 and, at the end, 3. */
static void fill_three_pcids(struct rig *rig)
{
    for (unsigned pcid = 1; pcid <= 3; pcid++) {
        enter(rig, pcid, true);
        load(rig, 0);
        load(rig, 1);
        load(rig, 2);
    }
}

static void test_rule_11_invlpg(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    fill_three_pcids(&rig);
    rig_invlpg(&rig, VA + 0x123);
    assert_false(cached(&rig, 0, 3));
    assert_true(cached(&rig, 1, 3));
    rig_invlpg(&rig, VA + 2 * NEAR); /* global, filled under PCID 1 */
    for (unsigned pcid = 1; pcid <= 3; pcid++)
        assert_false(cached(&rig, 2, pcid));
    assert_int_equal(load(&rig, 0), MMU_AT_WALK);
    rig_stop(&rig);
}

static void test_rule_11_invlpg_drops_all_structure_entries_of_the_pcid(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    enter(&rig, 1, false);
    assert_int_equal(reads_of(&rig, 0), FULL);
    assert_int_equal(reads_of(&rig, 4), 1);
    rig_invlpg(&rig, UINT64_C(0xffff800000000000)); /* an address far away */
    assert_int_equal(reads_of(&rig, 5), FULL);
    enter(&rig, 2, true);
    assert_int_equal(reads_of(&rig, 0), FULL);
    rig_invlpg(&rig, VA);
    enter(&rig, 1, true);
    assert_int_equal(reads_of(&rig, 6), 1); /* the choice: another PCID's stay */
    rig_stop(&rig);
}

static void test_rule_12_invlpg_keeps_the_rest(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    fill_three_pcids(&rig);
    rig_invlpg(&rig, VA);
    assert_true(cached(&rig, 0, 1));
    assert_true(cached(&rig, 0, 2));
    assert_true(cached(&rig, 1, 3));
    assert_true(cached(&rig, 2, 3));
    enter(&rig, 1, true);
    assert_int_equal(load(&rig, 0), MMU_AT_L1);
    rig_stop(&rig);
}

static void test_rule_13_invlpg_faults_and_non_faults(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    load(&rig, 0);
    size_t before = rig_entries(&rig);
    for (unsigned cpl = 1; cpl <= 3; cpl++) {
        rig_set(&rig, MMU_REG_CPL, cpl);
        assert_int_equal(mmu_core_invlpg(rig.core, VA), MMU_FAULT_GP);
    }
    rig_set(&rig, MMU_REG_CPL, 0);
    rig_invlpg(&rig, NON_CANONICAL | VA);
    assert_int_equal(rig_entries(&rig), before);
    assert_int_equal(reads_of(&rig, 4), 1);     /* no operation: the paging-structure caches stay too */
    rig_invlpg(&rig, UINT64_C(0x7fff00000000)); /* not mapped: no #PF */
    assert_int_equal(rig_entries(&rig), before + 2);
    rig_stop(&rig);
}

static void test_rule_13_invlpg_reloads_no_pdpte(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_PAE);
    rig_map(&rig, VA, PA, 12, LEAF);
    rig_poke(&rig, rig.root, 0); /* the PDPTE in memory */
    rig_invlpg(&rig, VA);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_stop(&rig);
}

static void test_rule_13_no_invlpg_on_an_80386(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    rig_config(&config);
    config.cpu = (struct mmu_cpu){.maxphyaddr = 32};
    config.tlbs = 2;
    config.levels = 1;
    config.tlb[0].pages = config.tlb[1].pages = 1u << MMU_4K;
    for (unsigned i = 0; i < MMU_PSC_LEVELS; i++)
        config.psc.array[i] = (struct mmu_psc_array){0};
    rig_start(&rig, &config, MMU_MODE_I386);
    assert_int_equal(mmu_core_invlpg(rig.core, VA), MMU_FAULT_UD);
    rig_stop(&rig);
}

static void test_rule_14_mov_cr3_without_pcids(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    rig_clear_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
    load(&rig, 0);
    load(&rig, 2);
    rig_set(&rig, MMU_REG_CR3, rig.root);
    assert_false(cached(&rig, 0, 0));
    assert_int_equal(load(&rig, 2), MMU_AT_L1);
    assert_int_equal(reads_of(&rig, 0), FULL);
    rig_stop(&rig);
}

static void test_rule_15_mov_cr3_drops_the_new_pcid(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    fill_three_pcids(&rig);
    enter(&rig, 1, false);
    assert_false(cached(&rig, 0, 1));
    assert_true(cached(&rig, 0, 2));
    assert_true(cached(&rig, 0, 3));
    assert_int_equal(load(&rig, 2), MMU_AT_L1);
    assert_int_equal(reads_of(&rig, 0), FULL);
    enter(&rig, 3, true);
    assert_int_equal(reads_of(&rig, 4), 1);
    rig_stop(&rig);
}

static void test_rule_16_mov_cr3_with_bit_63(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    fill_three_pcids(&rig);
    size_t before = rig_entries(&rig);
    enter(&rig, 1, true);
    assert_int_equal(rig_entries(&rig), before);
    assert_int_equal(mmu_core_get(rig.core, MMU_REG_CR3), rig.root | 1);
    enter(&rig, 0, false);
    rig_clear_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
    assert_int_equal(mmu_core_set(rig.core, MMU_REG_CR3, rig.root | RIG_NOFLUSH), MMU_FAULT_GP);
    assert_int_equal(mmu_core_get(rig.core, MMU_REG_CR3), rig.root);
    rig_stop(&rig);
}

static void test_rule_17_back_to_a_pcid(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    mmu_pa leaf = rig_entry(&rig, rig.root, VA, 1, 0);
    enter(&rig, 1, false);
    load(&rig, 0);
    enter(&rig, 2, false);
    rig_poke(&rig, leaf, 2 * PA | LEAF);
    enter(&rig, 1, true);
    load(&rig, 0); /* the choice: the stale translation is used */
    enter(&rig, 2, true);
    enter(&rig, 1, false);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, 2 * PA);
    rig_stop(&rig);
}

static void test_rule_18_mov_cr3_with_the_same_value(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    enter(&rig, 1, false);
    load(&rig, 0);
    rig_set(&rig, MMU_REG_CR3, mmu_core_get(rig.core, MMU_REG_CR3));
    assert_false(cached(&rig, 0, 1));
    assert_int_equal(reads_of(&rig, 0), FULL);
    rig_stop(&rig);
}

static void test_rule_19_pge_change_drops_everything(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    for (int i = 0; i < 2; i++) {
        fill_three_pcids(&rig);
        rig_set(&rig, MMU_REG_CR4, mmu_core_get(rig.core, MMU_REG_CR4) ^ RIG_PGE);
        assert_int_equal(rig_entries(&rig), 0);
        assert_int_equal(reads_of(&rig, 4), FULL);
        enter(&rig, 1, true);
        assert_int_equal(reads_of(&rig, 4), FULL);
    }
    rig_stop(&rig);
}

static void test_rule_20_pcide_change(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    fill_three_pcids(&rig);
    enter(&rig, 0, true);
    load(&rig, 0);
    rig_clear_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
    assert_int_equal(rig_entries(&rig), 0);
    assert_int_equal(reads_of(&rig, 4), FULL);
    uint64_t cr4 = mmu_core_get(rig.core, MMU_REG_CR4);
    rig_set(&rig, MMU_REG_CR3, rig.root | 8); /* PWT: not 0 in CR3[11:0] */
    assert_int_equal(mmu_core_set(rig.core, MMU_REG_CR4, cr4 | RIG_PCIDE), MMU_FAULT_GP);
    assert_int_equal(mmu_core_get(rig.core, MMU_REG_CR4), cr4);
    rig_set(&rig, MMU_REG_CR3, rig.root);
    rig_set(&rig, MMU_REG_CR4, cr4 | RIG_PCIDE);
    rig_stop(&rig);
    start(&rig, MMU_MODE_PAE); /* LMA = 0 */
    assert_int_equal(mmu_core_set(rig.core, MMU_REG_CR4, mmu_core_get(rig.core, MMU_REG_CR4) | RIG_PCIDE),
                     MMU_FAULT_GP);
    rig_stop(&rig);
}

static void test_rule_21_pae_change(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig, MMU_MODE_I386);
    for (unsigned i = 0; i < 3; i++)
        rig_map(&rig, VA + NEAR * i, PA, 12, LEAF | (i == 2 ? RIG_G : 0));
    for (unsigned i = 0; i < 3; i++)
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA + NEAR * i, PA);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_PAE); /* the first PDEs of the root are 0: so are the PDPTEs */
    assert_int_equal(mmu_core_mode(rig.core), MMU_MODE_PAE);
    assert_int_equal(rig_entries(&rig), 0);
    rig_expect_pf(&rig, MMU_LOAD, MMU_USER, VA, MMU_PF_U);
    rig_clear_bits(&rig, MMU_REG_CR4, RIG_PAE);
    rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
    rig_stop(&rig);
}

static void test_rule_21_smep_and_pse_changes(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    fill_three_pcids(&rig);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_SMEP);
    assert_false(cached(&rig, 0, 3));
    assert_false(
        cached(&rig, 2, 3)); /* "all TLB entries for the current PCID": global ones are not excepted */
    assert_true(cached(&rig, 0, 1)); /* the choice: other PCIDs' stay */
    assert_int_equal(reads_of(&rig, 0), FULL);
    rig_clear_bits(&rig, MMU_REG_CR4, RIG_SMEP); /* the choice: nothing is dropped */
    assert_int_equal(load(&rig, 0), MMU_AT_L1);
    fill_three_pcids(&rig);
    rig_set(&rig, MMU_REG_CR4, mmu_core_get(rig.core, MMU_REG_CR4) ^ RIG_PSE);
    assert_int_equal(rig_entries(&rig), 0);
    rig_stop(&rig);
}

static void test_rule_21_smap_and_keys_drop_nothing(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    enter(&rig, 1, false);
    load(&rig, 0);
    for (int i = 0; i < 2; i++) {
        rig_set(&rig, MMU_REG_CR4, mmu_core_get(rig.core, MMU_REG_CR4) ^ (RIG_SMAP | RIG_PKE | RIG_PKS));
        assert_int_equal(load(&rig, 0), MMU_AT_L1);
    }
    rig_stop(&rig);
}

static void test_rule_22_paging_off_drops_everything(void **state)
{
    (void)state;
    for (enum mmu_mode mode = MMU_MODE_I386; mode <= MMU_MODE_PAE; mode++) {
        struct rig rig;
        start(&rig, mode);
        rig_map(&rig, VA, PA, 12, LEAF | RIG_G);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
        rig_clear_bits(&rig, MMU_REG_CR0, RIG_PG);
        assert_int_equal(rig_entries(&rig), 0);
        assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, VA, VA), MMU_AT_NOPAGING);
        rig_set_bits(&rig, MMU_REG_CR0, RIG_PG);
        uint64_t before = rig_references(&rig);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA, PA);
        assert_int_equal(rig_references(&rig) - before, 2); /* the paging-structure caches were emptied too */
        rig_stop(&rig);
    }
}

static void test_rule_22_paging_off_with_pcids_and_wp(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    load(&rig, 0);
    uint64_t cr0 = mmu_core_get(rig.core, MMU_REG_CR0);
    assert_int_equal(mmu_core_set(rig.core, MMU_REG_CR0, cr0 & ~RIG_PG), MMU_FAULT_GP);
    assert_int_equal(mmu_core_get(rig.core, MMU_REG_CR0), cr0);
    rig_set(&rig, MMU_REG_CR0, cr0 ^ RIG_WP);
    assert_int_equal(load(&rig, 0), MMU_AT_L1);
    assert_int_equal(reads_of(&rig, 4), 1);
    rig_stop(&rig);
}

static void test_rule_23_la57_cannot_be_toggled(void **state)
{
    (void)state;
    for (enum mmu_mode mode = MMU_MODE_4L; mode <= MMU_MODE_5L; mode++) {
        struct rig rig;
        start(&rig, mode);
        uint64_t cr4 = mmu_core_get(rig.core, MMU_REG_CR4);
        assert_int_equal(mmu_core_set(rig.core, MMU_REG_CR4, cr4 ^ RIG_LA57), MMU_FAULT_GP);
        assert_int_equal(mmu_core_get(rig.core, MMU_REG_CR4), cr4);
        assert_int_equal(mmu_core_mode(rig.core), mode);
        rig_stop(&rig);
    }
}

static void test_rule_24_invpcid_address(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    fill_three_pcids(&rig);
    rig_invpcid(&rig, 0, 1, VA);
    assert_false(cached(&rig, 0, 1));
    assert_true(cached(&rig, 0, 2));
    assert_true(cached(&rig, 0, 3));
    assert_true(cached(&rig, 1, 1));
    rig_invpcid(&rig, 0, 1, VA + 2 * NEAR); /* a global page: stays */
    assert_true(cached(&rig, 2, 1));
    enter(&rig, 1, true);
    assert_int_equal(reads_of(&rig, 4), FULL); /* its paging-structure entries went */
    enter(&rig, 2, true);
    assert_int_equal(reads_of(&rig, 4), 1);
    rig_stop(&rig);
}

static void test_rule_25_invpcid_context_and_everything(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    fill_three_pcids(&rig);
    rig_invpcid(&rig, 1, 2, NON_CANONICAL); /* the address does not matter */
    assert_false(cached(&rig, 0, 2));
    assert_true(cached(&rig, 0, 1));
    assert_true(cached(&rig, 1, 3));
    assert_true(cached(&rig, 2, 2));
    rig_invpcid(&rig, 3, 0, 0);
    for (unsigned pcid = 1; pcid <= 3; pcid++) {
        assert_false(cached(&rig, 0, pcid));
        assert_true(cached(&rig, 2, pcid));
    }
    assert_int_equal(reads_of(&rig, 4), FULL);
    rig_invpcid(&rig, 2, 0, 0);
    assert_int_equal(rig_entries(&rig), 0);
    assert_int_equal(reads_of(&rig, 4), FULL);
    rig_stop(&rig);
}

static enum mmu_outcome invpcid(struct rig *rig, uint64_t type, uint64_t pcid, mmu_va va)
{
    struct mmu_invpcid descriptor = {pcid, va};
    return mmu_core_invpcid(rig->core, type, &descriptor);
}

static void test_rule_26_invpcid_faults(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    load(&rig, 0);
    size_t before = rig_entries(&rig);
    rig_set(&rig, MMU_REG_CPL, 3);
    assert_int_equal(invpcid(&rig, 2, 0, 0), MMU_FAULT_GP);
    rig_set(&rig, MMU_REG_CPL, 0);
    assert_int_equal(invpcid(&rig, 4, 0, 0), MMU_FAULT_GP);
    assert_int_equal(invpcid(&rig, UINT64_MAX, 0, 0), MMU_FAULT_GP);
    for (unsigned type = 0; type < 4; type++)
        for (unsigned bit = 12; bit < 64; bit += 17)
            assert_int_equal(invpcid(&rig, type, UINT64_C(1) << bit, 0), MMU_FAULT_GP);
    assert_int_equal(invpcid(&rig, 0, 0, NON_CANONICAL), MMU_FAULT_GP);
    assert_int_equal(rig_entries(&rig), before);
    rig_clear_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
    load(&rig, 0);
    before = rig_entries(&rig);
    assert_int_equal(invpcid(&rig, 0, 1, VA), MMU_FAULT_GP);
    assert_int_equal(invpcid(&rig, 1, 1, 0), MMU_FAULT_GP);
    assert_int_equal(rig_entries(&rig), before);
    assert_int_equal(invpcid(&rig, 0, 0, VA), MMU_DONE);
    assert_false(cached(&rig, 0, 0));
    rig_stop(&rig);
}

static void test_rule_26_invpcid_descriptor_in_memory(void **state)
{
    (void)state;
    struct rig rig;
    start_pcid(&rig);
    struct mmu_result result;
    mmu_va nowhere = UINT64_C(0x7fff00000010);
    assert_int_equal(mmu_core_invpcid_at(rig.core, 2, nowhere, &result), MMU_FAULT_PF);
    assert_int_equal(result.error_code, 0); /* a supervisor read */
    assert_int_equal(result.cr2, nowhere);
    assert_int_equal(mmu_core_get(rig.core, MMU_REG_CR2), nowhere);
    struct mmu_invpcid descriptor = {0, VA};
    assert_int_equal(mmu_machine_write(rig.machine, PA + NEAR + 0x20, &descriptor, sizeof descriptor),
                     MMU_OK);
    load(&rig, 0);
    assert_int_equal(mmu_core_invpcid_at(rig.core, 0, VA + NEAR + 0x20, &result), MMU_DONE);
    assert_false(cached(&rig, 0, 0));
    rig_stop(&rig);
}

static void test_rule_26_no_invpcid_no_instruction(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    rig_config(&config);
    config.cpu.invpcid = false;
    rig_start(&rig, &config, MMU_MODE_4L);
    assert_int_equal(invpcid(&rig, 2, 0, 0), MMU_FAULT_UD);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule_11_invlpg),
        cmocka_unit_test(test_rule_11_invlpg_drops_all_structure_entries_of_the_pcid),
        cmocka_unit_test(test_rule_12_invlpg_keeps_the_rest),
        cmocka_unit_test(test_rule_13_invlpg_faults_and_non_faults),
        cmocka_unit_test(test_rule_13_invlpg_reloads_no_pdpte),
        cmocka_unit_test(test_rule_13_no_invlpg_on_an_80386),
        cmocka_unit_test(test_rule_14_mov_cr3_without_pcids),
        cmocka_unit_test(test_rule_15_mov_cr3_drops_the_new_pcid),
        cmocka_unit_test(test_rule_16_mov_cr3_with_bit_63),
        cmocka_unit_test(test_rule_17_back_to_a_pcid),
        cmocka_unit_test(test_rule_18_mov_cr3_with_the_same_value),
        cmocka_unit_test(test_rule_19_pge_change_drops_everything),
        cmocka_unit_test(test_rule_20_pcide_change),
        cmocka_unit_test(test_rule_21_pae_change),
        cmocka_unit_test(test_rule_21_smep_and_pse_changes),
        cmocka_unit_test(test_rule_21_smap_and_keys_drop_nothing),
        cmocka_unit_test(test_rule_22_paging_off_drops_everything),
        cmocka_unit_test(test_rule_22_paging_off_with_pcids_and_wp),
        cmocka_unit_test(test_rule_23_la57_cannot_be_toggled),
        cmocka_unit_test(test_rule_24_invpcid_address),
        cmocka_unit_test(test_rule_25_invpcid_context_and_everything),
        cmocka_unit_test(test_rule_26_invpcid_faults),
        cmocka_unit_test(test_rule_26_invpcid_descriptor_in_memory),
        cmocka_unit_test(test_rule_26_no_invpcid_no_instruction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
