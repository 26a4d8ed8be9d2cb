/*
 * test_os_machine.c: what joins a machine and its kernel: the firmware's RAM answers, every core translates
 * after the boot, the kernel has the first word on its faults, and what cannot be joined is refused.
 */
#include <mmusim/os.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void fresh(struct mmu_config *c, uint32_t arch, uint64_t ram)
{
    mmu_config_init(c);
    c->pager.enabled = false;
    c->os.enabled = true;
    c->os.arch = arch;
    c->os.ram = ram;
}

static struct mmu_machine *make(const struct mmu_config *c)
{
    struct mmu_machine *machine;
    struct mmu_error err;
    if (mmu_machine_create(c, NULL, &machine, &err) != MMU_OK)
        fail_msg("%s", err.message);
    return machine;
}

static struct mmu_result load(struct mmu_core *core, mmu_va va, enum mmu_priv priv)
{
    struct mmu_access access = {.va = va, .size = 4, .kind = MMU_KIND_PRIV(MMU_LOAD, priv)};
    struct mmu_result result;
    mmu_core_access(core, &access, &result);
    return result;
}

static void the_firmwares_ram_answers(void **state)
{
    struct mmu_config c;
    uint32_t word;
    (void)state;
    fresh(&c, MMU_OS_I386, UINT64_C(6) << 30);
    struct mmu_machine *machine = make(&c);
    const struct {
        mmu_pa pa;
        int status;
    } at[] = {{0, MMU_OK}, /* page 0 is RAM, though the kernel does not use it */
              {0x9effc, MMU_OK},
              {0xa0000, MMU_ERR_NORAM},
              {0x100000, MMU_OK},
              {0xbffdfffc, MMU_OK},
              {0xbffe0000, MMU_ERR_NORAM},
              {0xfed00000, MMU_ERR_NORAM},
              {UINT64_C(1) << 32, MMU_OK}, /* out of this kernel's reach, but there */
              {(UINT64_C(7) << 30) - 4, MMU_OK},
              {UINT64_C(7) << 30, MMU_ERR_NORAM}};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        assert_int_equal(mmu_machine_read(machine, at[i].pa, &word, sizeof word), at[i].status);
    mmu_machine_free(machine);
}

static void every_core_translates(void **state)
{
    (void)state;
    for (uint32_t arch = 0; arch < MMU_OS_ARCHES; arch++) {
        struct mmu_config c;
        mmu_va va;
        fresh(&c, arch, UINT64_C(1) << 30);
        c.cores = 3;
        struct mmu_machine *machine = make(&c);
        struct mmu_os *os = mmu_machine_os(machine);
        assert_int_equal(mmu_os_va(os, 0x2345678, &va), MMU_OS_DONE);
        for (uint32_t i = 0; i < 3; i++) {
            struct mmu_core *core = mmu_machine_core(machine, i);
            struct mmu_stats stats;
            struct mmu_result r = load(core, va, MMU_SUPERVISOR);
            assert_int_equal(r.outcome, MMU_DONE);
            assert_int_equal(r.pa, 0x2345678);
            r = load(core, va, MMU_USER);
            assert_int_equal(r.outcome, MMU_FAULT_PF);
            assert_int_equal(r.error_code, MMU_PF_P | MMU_PF_U);
            mmu_core_stats(core, &stats);
            assert_true(stats.run.faults_pf[0] == 1 && stats.run.faults_resolved[0] == 0);
        }
        mmu_machine_free(machine);
    }
}

/* Up to Linux 5.7 a new page table of the vmalloc area reached other page directories by a fault. */
static void a_lazy_vmalloc_entry_comes_with_the_fault(void **state)
{
    (void)state;
    for (uint32_t sync = 0; sync < MMU_OS_SYNCS; sync++) {
        struct mmu_config c;
        struct mmu_os_pgd *pgd;
        struct mmu_stats stats;
        mmu_va va;
        mmu_pfn pfn;
        fresh(&c, MMU_OS_I386, UINT64_C(512) << 20);
        c.os.vmalloc_sync = sync;
        struct mmu_machine *machine = make(&c);
        struct mmu_os *os = mmu_machine_os(machine);
        struct mmu_core *core = mmu_machine_core(machine, 0);
        assert_int_equal(mmu_os_pgd_alloc(os, &pgd), MMU_OS_DONE);
        assert_int_equal(mmu_os_vmalloc(os, 4096, &va), MMU_OS_DONE);
        assert_int_equal(mmu_os_vmalloc_to_pfn(os, va, &pfn), MMU_OS_DONE);
        assert_int_equal(mmu_os_switch(os, pgd, false), MMU_OS_DONE);
        struct mmu_result r = load(core, va, MMU_SUPERVISOR);
        assert_int_equal(r.outcome, MMU_DONE);
        assert_true(r.pa == pfn << 12);
        assert_int_equal(r.faults, sync == MMU_OS_LAZY);
        assert_int_equal(load(core, va, MMU_SUPERVISOR).faults, 0);
        mmu_core_stats(core, &stats);
        assert_int_equal(stats.run.faults_resolved[0], sync == MMU_OS_LAZY);
        assert_int_equal(stats.run.faults_spurious[0], 0); /* the entry was missing, not stale */
        assert_int_equal(load(core, va + 4096, MMU_SUPERVISOR).outcome, MMU_FAULT_PF); /* the guard page */
        mmu_os_check(os);
        mmu_machine_free(machine);
    }
}

static bool no_read(void *ctx, mmu_pa pa, unsigned size, uint64_t *value)
{
    (void)ctx, (void)pa, (void)size, (void)value;
    return false;
}

static void what_cannot_be_joined_is_refused(void **state)
{
    struct mmu_config c;
    struct mmu_machine *machine;
    struct mmu_error err;
    const struct mmu_memory_ops memory = {.read = no_read};
    const struct mmu_options options = {.memory = &memory};
    (void)state;
    fresh(&c, MMU_OS_X86_64, UINT64_C(1) << 30);
    assert_int_equal(mmu_machine_create(&c, &options, &machine, &err), MMU_ERR_INVALID);
    assert_string_equal(err.message,
                        "a kernel cannot write the caller's own memory: expected a machine without os");
    c.pager.enabled = true;
    assert_int_equal(mmu_machine_create(&c, NULL, &machine, &err), MMU_ERR_INVALID);
    assert_string_equal(err.message,
                        "pager.enabled: true beside os; expected one of them: a kernel maps pages itself");
    c.pager.enabled = false;
    c.os.ram = 0;
    assert_int_equal(mmu_machine_create(&c, NULL, &machine, &err), MMU_ERR_INVALID);
    assert_non_null(strstr(err.message, "os.ram: not given"));
    assert_int_equal(mmu_machine_create(&c, NULL, &machine, NULL), MMU_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_firmwares_ram_answers),
        cmocka_unit_test(every_core_translates),
        cmocka_unit_test(a_lazy_vmalloc_entry_comes_with_the_fault),
        cmocka_unit_test(what_cannot_be_joined_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
