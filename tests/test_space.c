/* test_space.c: address spaces of processes under the demand pager (mmusim/space.h). */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

enum { VA = 0x40000000 };

static struct mmu_machine *machine_in(enum mmu_mode mode, bool pcid, uint32_t cores)
{
    struct mmu_config config;
    struct mmu_machine *m;
    struct mmu_error err;
    rig_config(&config);
    config.pager.enabled = true;
    config.pager.mode = mode;
    config.pager.page = MMU_4K;
    config.cpu.pcid = pcid;
    config.cores = cores;
    if (mmu_machine_create(&config, NULL, &m, &err) != MMU_OK)
        fail_msg("%s", err.message);
    return m;
}

static struct mmu_result load(struct mmu_core *core)
{
    const struct mmu_access access = {.va = VA, .size = 8, .kind = MMU_LOAD};
    struct mmu_result r;
    assert_int_equal(mmu_core_access(core, &access, &r), MMU_DONE);
    return r;
}

/* Two processes, the same address: a frame each, and each finds its own again, in every mode. */
static void test_frames(void **state)
{
    (void)state;
    for (enum mmu_mode mode = MMU_MODE_I386; mode <= MMU_MODE_5L; mode++)
        for (unsigned pcid = 0; pcid < 2; pcid++) {
            struct mmu_machine *m = machine_in(mode, pcid && mode >= MMU_MODE_4L, 1);
            struct mmu_core *core = mmu_machine_core(m, 0);
            struct mmu_result first[3], again;
            assert_int_equal(mmu_machine_processes(m), 0);
            for (unsigned p = 0; p < 3; p++) {
                assert_int_equal(mmu_core_enter_process(core, 1000 - p), MMU_OK);
                first[p] = load(core);
                assert_int_equal(first[p].faults, 1);
                for (unsigned q = 0; q < p; q++)
                    assert_int_not_equal(first[p].pa, first[q].pa);
            }
            assert_int_equal(mmu_machine_processes(m), 3);
            for (unsigned turn = 0; turn < 6; turn++) {
                assert_int_equal(mmu_core_enter_process(core, 1000 - turn % 3), MMU_OK);
                again = load(core);
                assert_int_equal(again.faults, 0);
                assert_int_equal(again.pa, first[turn % 3].pa);
                /* with a PCID its entry is still there; else MOV CR3 has dropped it */
                assert_int_equal(again.where == MMU_AT_L1, pcid && mode >= MMU_MODE_4L);
            }
            mmu_core_check(core);
            mmu_machine_free(m);
        }
}

/* One process is as none: no register is loaded, no frame is used. */
static void test_one(void **state)
{
    (void)state;
    static struct mmu_stats stats[2];
    for (unsigned entered = 0; entered < 2; entered++) {
        struct mmu_machine *m = machine_in(MMU_MODE_4L, true, 1);
        struct mmu_core *core = mmu_machine_core(m, 0);
        uint64_t cr3 = mmu_core_get(core, MMU_REG_CR3), cr4 = mmu_core_get(core, MMU_REG_CR4);
        for (unsigned i = 0; i < 3; i++) {
            if (entered)
                assert_int_equal(mmu_core_enter_process(core, 77), MMU_OK);
            load(core);
        }
        assert_int_equal(mmu_core_get(core, MMU_REG_CR3), cr3);
        assert_int_equal(mmu_core_get(core, MMU_REG_CR4), cr4);
        mmu_core_stats(core, &stats[entered]);
        mmu_machine_free(m);
    }
    assert_memory_equal(&stats[0], &stats[1], sizeof stats[0]);
}

/* More processes than PCIDs: nobody meets another's entries. */
static void test_many(void **state)
{
    (void)state;
    enum { PROCESSES = 4100 };
    struct mmu_machine *m = machine_in(MMU_MODE_4L, true, 1);
    struct mmu_core *core = mmu_machine_core(m, 0);
    static mmu_pa pa[PROCESSES];
    for (unsigned p = 0; p < PROCESSES; p++) {
        assert_int_equal(mmu_core_enter_process(core, p), MMU_OK);
        pa[p] = load(core).pa;
    }
    for (unsigned i = 0; i < 400; i++) {
        unsigned p = i % 2 ? i % 8 : PROCESSES - 1 - i % 4; /* 0 to 3 share their PCIDs with the last four */
        assert_int_equal(mmu_core_enter_process(core, p), MMU_OK);
        assert_int_equal(load(core).pa, pa[p]);
    }
    mmu_machine_free(m);
}

/* Cores enter processes on their own and share their address spaces. */
static void test_cores(void **state)
{
    (void)state;
    struct mmu_machine *m = machine_in(MMU_MODE_4L, true, 2);
    struct mmu_core *a = mmu_machine_core(m, 0), *b = mmu_machine_core(m, 1);
    assert_int_equal(mmu_core_enter_process(a, 1), MMU_OK);
    assert_int_equal(mmu_core_enter_process(b, 2), MMU_OK);
    struct mmu_result of_a = load(a), of_b = load(b);
    assert_int_not_equal(of_a.pa, of_b.pa);
    assert_int_equal(mmu_core_enter_process(b, 1), MMU_OK);
    of_b = load(b);
    assert_int_equal(of_b.faults, 0);
    assert_int_equal(of_b.pa, of_a.pa);
    mmu_machine_free(m);
}

static void test_refused(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_machine *m;
    rig_config(&config);
    assert_int_equal(mmu_machine_create(&config, NULL, &m, NULL), MMU_OK);
    assert_int_equal(mmu_core_enter_process(mmu_machine_core(m, 0), 1), MMU_ERR_UNSUPPORTED);
    mmu_machine_free(m);
    config.pager.enabled = true; /* room for the first top table, and for little more */
    config.pager.mode = MMU_MODE_4L;
    config.memory.ram_ranges = 1;
    config.memory.ram[0] = (struct mmu_ram_range){0, 8 * 4096};
    assert_int_equal(mmu_machine_create(&config, NULL, &m, NULL), MMU_OK);
    struct mmu_core *core = mmu_machine_core(m, 0);
    int status = MMU_OK;
    unsigned entered = 0;
    for (; entered < 20 && status == MMU_OK; entered++)
        status = mmu_core_enter_process(core, entered);
    assert_int_equal(status, MMU_ERR_EXHAUSTED);
    assert_in_range(entered, 3, 9);
    assert_int_equal(mmu_machine_processes(m), entered - 1);
    mmu_machine_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames), cmocka_unit_test(test_one),     cmocka_unit_test(test_many),
        cmocka_unit_test(test_cores),  cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
