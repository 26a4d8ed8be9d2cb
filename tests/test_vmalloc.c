/*
 * test_vmalloc.c: vmalloc areas: entries at the call, guard pages, frames from highmem, addresses that are
 * not handed out again before their purge; and what the MMU finds there.
 */
#include "dice.h"
#include "os_rig.h"
#include "vmalloc.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

static const char *const machines[] = {
    "{arch: i386, ram: 1536M}",  "{arch: i386, ram: 64M}",         "{arch: i386_pae, ram: 1536M}",
    "{arch: x86_64, ram: 512M}", "{arch: x86_64_la57, ram: 512M}",
};

/* A supervisor's load: what the processor itself finds. */
static enum mmu_outcome load(struct os_rig *rig, mmu_va va, mmu_pa *pa)
{
    struct mmu_access access = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_SUPERVISOR)};
    struct mmu_result result;
    enum mmu_outcome outcome = mmu_core_access(mmu_machine_core(rig->machine, 0), &access, &result);
    *pa = result.pa;
    return outcome;
}

static void test_entries_stand_at_the_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(machines); i++) {
        struct os_rig rig;
        mmu_va va;
        mmu_pfn pfn = 0;
        mmu_pa pa;
        os_rig_boot(&rig, machines[i]);
        assert_int_equal(mmu_os_vmalloc(rig.os, 5 * 4096 + 1, &va), MMU_OS_DONE);
        assert_int_equal(va, rig.os->plan->layout.vmalloc_start);
        for (unsigned page = 0; page < 6; page++) {
            assert_int_equal(load(&rig, va + page * 4096 + 123, &pa), MMU_DONE);
            assert_int_equal(mmu_os_vmalloc_to_pfn(rig.os, va + page * 4096, &pfn), MMU_OS_DONE);
            assert_int_equal(pa, (pfn << 12) + 123);
            struct mmu_page_info info;
            assert_int_equal(mmu_os_page(rig.os, pfn, &info), MMU_OS_DONE);
            assert_int_equal(info.use, MMU_PAGE_VMALLOC);
            bool has_highmem = rig.os->plan->zones.zone[MMU_ZONE_HIGHMEM].managed > 0;
            assert_int_equal(info.zone == MMU_ZONE_HIGHMEM, has_highmem);
        }
        struct mmu_stats stats;
        mmu_core_stats(mmu_machine_core(rig.machine, 0), &stats);
        assert_int_equal(stats.run.faults_pf[0], 0);
        assert_int_equal(load(&rig, va + 6 * 4096, &pa), MMU_FAULT_PF); /* the guard page */
        assert_int_equal(mmu_os_vmalloc_to_pfn(rig.os, va + 6 * 4096, &pfn), MMU_OS_REFUSED);
        mmu_va second;
        assert_int_equal(mmu_os_vmalloc(rig.os, 1, &second), MMU_OS_DONE);
        assert_int_equal(second, va + 7 * 4096);
        mmu_os_check(rig.os);
        os_rig_free(&rig);
    }
}

/* A freed area's entries are gone at once, its addresses and its TLB entries only with the purge. */
static void test_lazy_purge(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(machines); i++) {
        struct os_rig rig;
        mmu_va va, other;
        mmu_pa pa;
        struct mmu_os_lookup entry;
        os_rig_boot(&rig, machines[i]);
        assert_int_equal(mmu_os_vmalloc(rig.os, 4096, &va), MMU_OS_DONE);
        assert_int_equal(load(&rig, va, &pa), MMU_DONE);
        assert_int_equal(mmu_os_vfree(rig.os, va), MMU_OS_DONE);
        mmu_os_lookup(rig.os, mmu_os_swapper(rig.os), false, va, &entry);
        assert_false(entry.mapped);
        assert_int_equal(load(&rig, va, &pa), MMU_DONE); /* stale, as on the real machine */
        assert_int_equal(mmu_os_vmalloc(rig.os, 4096, &other), MMU_OS_DONE);
        assert_int_not_equal(other, va);
        assert_int_equal(mmu_os_vfree(rig.os, va), MMU_OS_BUG);
        assert_non_null(strstr(mmu_os_report(rig.os)->text, "freed before"));
        mmu_os_vmalloc_purge(rig.os);
        assert_int_equal(load(&rig, va, &pa), MMU_FAULT_PF);
        assert_int_equal(mmu_os_vmalloc(rig.os, 4096, &other), MMU_OS_DONE);
        assert_int_equal(other, va);
        mmu_os_check(rig.os);
        os_rig_free(&rig);
    }
}

/* The purge comes by itself when more than 32 MiB x fls(CPUs) of addresses wait for it. */
static void test_purge_threshold(void **state)
{
    (void)state;
    struct os_rig rig;
    os_rig_boot(&rig, "{arch: x86_64, ram: 512M}");
    uint64_t lazy = 0;
    for (unsigned i = 0; i < 2000; i++) {
        mmu_va va;
        assert_int_equal(mmu_os_vmalloc(rig.os, 15 * 4096, &va), MMU_OS_DONE);
        assert_int_equal(mmu_os_vfree(rig.os, va), MMU_OS_DONE);
        lazy += 16;
        if (lazy > 8192)
            lazy = 0;
        assert_int_equal(rig.os->vmaps->lazy_pages, lazy);
    }
    os_rig_free(&rig);
}

static void test_refusals(void **state)
{
    (void)state;
    struct os_rig rig;
    mmu_va va = 1;
    os_rig_boot(&rig, "{arch: i386, ram: 1536M}");
    assert_int_equal(mmu_os_vmalloc(rig.os, 0, &va), MMU_OS_REFUSED);
    assert_int_equal(mmu_os_vmalloc(rig.os, UINT64_MAX, &va), MMU_OS_REFUSED);
    assert_int_equal(mmu_os_vmalloc(rig.os, UINT64_C(1) << 30, &va), MMU_OS_NO_SPACE);
    assert_non_null(strstr(mmu_os_report(rig.os)->text, "no room"));
    assert_string_equal(mmu_os_report(rig.os)->call, "vmalloc");
    assert_int_equal(va, 1);
    assert_int_equal(mmu_os_vfree(rig.os, 0), MMU_OS_DONE);
    assert_int_equal(mmu_os_vfree(rig.os, UINT64_MAX), MMU_OS_BUG);
    assert_int_equal(mmu_os_vmalloc(rig.os, 8192, &va), MMU_OS_DONE);
    assert_int_equal(mmu_os_vfree(rig.os, va + 4096), MMU_OS_BUG);
    assert_int_equal(mmu_os_vfree(rig.os, va + 1), MMU_OS_BUG);
    mmu_os_check(rig.os);
    os_rig_free(&rig);
}

/* Memory ends before addresses do: everything taken so far is given back. */
static void test_exhaustion(void **state)
{
    (void)state;
    struct os_rig rig;
    mmu_va va;
    struct mmu_os_totals before, after;
    os_rig_boot(&rig, "{arch: x86_64, ram: 128M}");
    mmu_os_totals(rig.os, &before);
    assert_int_equal(mmu_os_vmalloc(rig.os, before.managed << 12, &va), MMU_OS_EXHAUSTED);
    assert_int_equal(rig.os->vmaps->pages, 0);
    mmu_os_drain(rig.os);
    mmu_os_totals(rig.os, &after);
    assert_int_equal(after.free + after.page_tables, before.free + before.page_tables + before.pcp_free);
    mmu_os_check(rig.os);
    os_rig_free(&rig);
}

static void test_random(void **state)
{
    (void)state;
    enum { AREAS = 64 };
    struct dice d = dice_new("vmalloc", 1);
    unsigned rounds = dice_rounds(40);
    for (unsigned round = 0; round < rounds; round++) {
        struct os_rig rig;
        mmu_va area[AREAS] = {0};
        uint64_t pages[AREAS] = {0}, held = 0;
        os_rig_boot(&rig, machines[dice_below(&d, COUNT_OF(machines))]);
        for (unsigned step = 0; step < 300; step++) {
            unsigned n = dice_below(&d, AREAS);
            if (area[n]) {
                mmu_pa pa;
                mmu_pfn pfn = 0;
                uint64_t page = dice_below(&d, (unsigned)pages[n]);
                assert_int_equal(mmu_os_vmalloc_to_pfn(rig.os, area[n] + page * 4096, &pfn), MMU_OS_DONE);
                assert_int_equal(load(&rig, area[n] + page * 4096, &pa), MMU_DONE);
                assert_int_equal(pa, pfn << 12);
                assert_int_equal(mmu_os_vfree(rig.os, area[n]), MMU_OS_DONE);
                held -= pages[n];
                area[n] = 0;
            } else {
                pages[n] = 1 + dice_below(&d, dice_once_in(&d, 10) ? 1500 : 20);
                assert_int_equal(mmu_os_vmalloc(rig.os, pages[n] * 4096 - dice_below(&d, 4096), &area[n]),
                                 MMU_OS_DONE);
                held += pages[n];
            }
            if (dice_once_in(&d, 50))
                mmu_os_vmalloc_purge(rig.os);
            assert_int_equal(rig.os->vmaps->pages, held);
            if (dice_once_in(&d, 50))
                mmu_os_check(rig.os);
        }
        mmu_os_check(rig.os);
        os_rig_free(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_stand_at_the_call),
        cmocka_unit_test(test_lazy_purge),
        cmocka_unit_test(test_purge_threshold),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_exhaustion),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
