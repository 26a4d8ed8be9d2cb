/*
 * test_ioremap.c: devices: entries at the call, alignment, memory types, huge pages, refusals; and the
 * fixmap.
 */
#include "dice.h"
#include "os_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

static const char *const machines[] = {
    "{arch: i386, ram: 1536M}",
    "{arch: i386_pae, ram: 1536M}",
    "{arch: x86_64, ram: 512M}",
    "{arch: x86_64_la57, ram: 512M}",
};

static bool reaches(struct os_rig *rig, mmu_va va, mmu_pa pa)
{
    struct mmu_access access = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(MMU_STORE, MMU_SUPERVISOR)};
    struct mmu_result result;
    return mmu_core_access(mmu_machine_core(rig->machine, 0), &access, &result) == MMU_DONE &&
           result.pa == pa;
}

static struct mmu_os_lookup look_up(const struct os_rig *rig, mmu_va va)
{
    struct mmu_os_lookup to;
    assert_int_equal(mmu_os_lookup(rig->os, mmu_os_swapper(rig->os), false, va, &to), MMU_OS_DONE);
    return to;
}

static void test_entries_stand_at_the_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(machines); i++) {
        struct os_rig rig;
        mmu_va va;
        struct mmu_stats stats;
        os_rig_boot(&rig, machines[i]);
        assert_int_equal(mmu_os_ioremap(rig.os, 0xfee00020, 4, MMU_CACHE_UC_MINUS, &va), MMU_OS_DONE);
        assert_int_equal(va & 0xfff, 0x20);
        struct mmu_os_lookup entry = look_up(&rig, va);
        assert_true(entry.mapped && entry.pa == 0xfee00020);
        assert_int_equal(entry.entry[0].value & (PTE_PCD | PTE_PWT | PTE_U), PTE_PCD); /* UC-, kernel only */
        assert_true(reaches(&rig, va, 0xfee00020));
        mmu_core_stats(mmu_machine_core(rig.machine, 0), &stats);
        assert_int_equal(stats.run.faults_pf[0], 0);
        assert_false(reaches(&rig, (va | 0xfff) + 1, 0xfee01000)); /* the guard page */
        assert_int_equal(mmu_os_iounmap(rig.os, va), MMU_OS_DONE);
        assert_false(look_up(&rig, va).mapped);
        assert_int_equal(mmu_os_iounmap(rig.os, va), MMU_OS_BUG);
        mmu_os_check(rig.os);
        os_rig_free(&rig);
    }
}

/* Aligned to the size rounded up to a power of two; large entries where the kernel has them. */
static void test_alignment(void **state)
{
    (void)state;
    static const uint8_t shift_of_4m[] = {12, 21, 21, 21};
    for (size_t i = 0; i < COUNT_OF(machines); i++) {
        struct os_rig rig;
        mmu_va va, page;
        os_rig_boot(&rig, machines[i]);
        assert_int_equal(mmu_os_vmalloc(rig.os, 4096, &page), MMU_OS_DONE);
        assert_int_equal(mmu_os_ioremap(rig.os, 0xa0000, 0x20000, MMU_CACHE_UC_MINUS, &va), MMU_OS_DONE);
        assert_int_equal(va & 0x1ffff, 0);
        assert_int_equal(mmu_os_ioremap(rig.os, 0xfd000000, 4 << 20, MMU_CACHE_WC, &va), MMU_OS_DONE);
        uint64_t align = i == 1 ? 2 << 20 : 4 << 20; /* PAE: at most what a PDE spans */
        assert_int_equal(va & (align - 1), 0);
        for (uint64_t at = 0; at < 4 << 20; at += 0x7f000) {
            assert_true(reaches(&rig, va + at, 0xfd000000 + at));
            assert_int_equal(look_up(&rig, va + at).page_shift, shift_of_4m[i]);
        }
        assert_int_equal(mmu_os_iounmap(rig.os, va), MMU_OS_DONE);
        for (uint64_t at = 0; at < 4 << 20; at += 4096)
            assert_false(look_up(&rig, va + at).mapped);
        mmu_os_check(rig.os);
        os_rig_free(&rig);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(machines); i++) {
        struct os_rig rig;
        mmu_va va = 1, area;
        const mmu_pa ram = 32 << 20;
        os_rig_boot(&rig, machines[i]);
        assert_int_equal(mmu_os_ioremap(rig.os, 0xfed00000, 0, MMU_CACHE_UC, &va), MMU_OS_REFUSED);
        assert_non_null(strstr(mmu_os_report(rig.os)->text, "nothing to map"));
        assert_int_equal(mmu_os_ioremap(rig.os, 0xfed00000, UINT64_MAX, MMU_CACHE_UC, &va), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_ioremap(rig.os, UINT64_MAX, 1, MMU_CACHE_UC, &va), MMU_OS_REFUSED);
        assert_int_equal(
            mmu_os_ioremap(rig.os, i == 0 ? UINT64_C(1) << 32 : UINT64_C(1) << 46, 4096, MMU_CACHE_UC, &va),
            MMU_OS_REFUSED);
        assert_int_equal(mmu_os_ioremap(rig.os, ram, 4096, MMU_CACHE_WB, &va), MMU_OS_REFUSED);
        assert_non_null(strstr(mmu_os_report(rig.os)->text, "RAM"));
        assert_int_equal(va, 1);
        assert_int_equal(mmu_os_iounmap(rig.os, 0), MMU_OS_BUG);
        assert_int_equal(mmu_os_vmalloc(rig.os, 4096, &area), MMU_OS_DONE);
        assert_int_equal(mmu_os_iounmap(rig.os, area), MMU_OS_BUG);
        assert_int_equal(mmu_os_ioremap(rig.os, 0xfed00000, 4096, MMU_CACHE_UC, &va), MMU_OS_DONE);
        assert_int_equal(mmu_os_vfree(rig.os, va), MMU_OS_BUG);
        mmu_os_check(rig.os);
        os_rig_free(&rig);
    }
}

/* Frames that are mapped keep their type: a cached answer to an uncached question is refused. */
static void test_types_agree(void **state)
{
    (void)state;
    struct os_rig rig;
    mmu_va wc, again, wb;
    os_rig_boot(&rig, machines[2]);
    assert_int_equal(mmu_os_ioremap(rig.os, 0xfd000000, 8192, MMU_CACHE_WC, &wc), MMU_OS_DONE);
    assert_int_equal(mmu_os_ioremap(rig.os, 0xfd001000, 4096, MMU_CACHE_UC_MINUS, &again), MMU_OS_DONE);
    uint64_t cache = PTE_PCD | PTE_PWT;
    assert_int_equal(look_up(&rig, again).entry[0].value & cache, look_up(&rig, wc).entry[0].value & cache);
    assert_int_equal(mmu_os_ioremap(rig.os, 0xfe000000, 4096, MMU_CACHE_WB, &wb), MMU_OS_DONE);
    assert_int_equal(mmu_os_ioremap(rig.os, 0xfe000000, 4096, MMU_CACHE_UC, &again), MMU_OS_REFUSED);
    assert_int_equal(mmu_os_iounmap(rig.os, wb), MMU_OS_DONE);
    assert_int_equal(mmu_os_ioremap(rig.os, 0xfe000000, 4096, MMU_CACHE_UC, &again), MMU_OS_DONE);
    os_rig_free(&rig);
}

static void test_fixmap(void **state)
{
    (void)state;
    static const mmu_va top[] = {0xfffff000, 0xfffff000, 0xffffffffff7ff000, 0xffffffffff7ff000};
    for (size_t i = 0; i < COUNT_OF(machines); i++) {
        struct os_rig rig;
        mmu_va va;
        os_rig_boot(&rig, machines[i]);
        assert_int_equal(mmu_os_fix_to_virt(rig.os, 0, &va), MMU_OS_DONE);
        assert_int_equal(va, top[i]);
        assert_int_equal(mmu_os_fix_to_virt(rig.os, 3, &va), MMU_OS_DONE);
        assert_int_equal(va, top[i] - 0x3000);
        assert_int_equal(mmu_os_set_fixmap(rig.os, 3, 0xfee00000, MMU_CACHE_UC), MMU_OS_DONE);
        assert_true(reaches(&rig, va + 0x20, 0xfee00020));
        assert_int_equal(mmu_os_set_fixmap(rig.os, 3, 0xfec00000, MMU_CACHE_UC), MMU_OS_DONE);
        assert_true(reaches(&rig, va + 0x20, 0xfec00020)); /* the old translation was flushed */
        assert_int_equal(mmu_os_clear_fixmap(rig.os, 3), MMU_OS_DONE);
        assert_false(reaches(&rig, va, 0xfec00000));
        assert_int_equal(mmu_os_set_fixmap(rig.os, 1537, 0, MMU_CACHE_WB), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_set_fixmap(rig.os, 3, UINT64_C(1) << 46, MMU_CACHE_WB), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_set_fixmap(rig.os, 3, 0, MMU_CACHES), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_ioremap(rig.os, 0xfe000000, 4096, MMU_CACHES, &va), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_fix_to_virt(rig.os, UINT32_MAX, &va), MMU_OS_REFUSED);
        mmu_os_check(rig.os);
        os_rig_free(&rig);
    }
}

/* kmap_local's fixed addresses are its own, on a kernel that was not told its NR_CPUS, too. */
static void test_fixmap_kmap_local(void **state)
{
    (void)state;
    struct os_rig rig;
    os_rig_boot(&rig, machines[0]);
    assert_int_equal(rig.config.os.nr_cpus, 0);
    for (uint32_t index = 68 - 1; index <= 68 + 16 * 32; index++) {
        const bool free = index < 68 || index == 68 + 16 * 32;
        assert_int_equal(mmu_os_set_fixmap(rig.os, index, 0xfee00000, MMU_CACHE_UC),
                         free ? MMU_OS_DONE : MMU_OS_REFUSED);
        assert_int_equal(mmu_os_clear_fixmap(rig.os, index), free ? MMU_OS_DONE : MMU_OS_REFUSED);
    }
    mmu_os_check(rig.os);
    os_rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_stand_at_the_call),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_types_agree),
        cmocka_unit_test(test_fixmap),
        cmocka_unit_test(test_fixmap_kmap_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
