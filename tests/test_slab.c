/*
 * test_slab.c: kmalloc: where objects lie, that they do not overlap, what kfree refuses, what shrinking gives
 * back. Sizes that recorded kernels gave are compared in test_alloc_drain.c.
 */
#include "kernel_rig.h"
#include "plan.h"
#include "slab.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

static mmu_va take(struct mmu_os *os, uint64_t size, uint32_t gfp)
{
    mmu_va va = 0;
    assert_int_equal(mmu_os_kmalloc(os, size, gfp, &va), MMU_OS_DONE);
    return va;
}

static uint64_t ksize(const struct mmu_os *os, mmu_va va)
{
    uint64_t size = ~UINT64_C(0);
    assert_int_equal(mmu_os_ksize(os, va, &size), MMU_OS_DONE);
    return size;
}

static struct mmu_page_info page_at_va(const struct mmu_os *os, mmu_va va)
{
    struct mmu_page_info info;
    mmu_pa pa;
    assert_int_equal(mmu_os_pa(os, va, &pa), MMU_OS_DONE);
    assert_int_equal(mmu_os_page(os, pa >> 12, &info), MMU_OS_DONE);
    return info;
}

/* kmalloc_index() of 6.1: the size classes, and their borders. */
static void test_classes(void **state)
{
    (void)state;
    static const struct {
        uint64_t size, ksize;
    } expected[] = {
        {1, 8},
        {8, 8},
        {9, 16},
        {32, 32},
        {33, 64},
        {64, 64},
        {65, 96},
        {96, 96},
        {97, 128},
        {128, 128},
        {129, 192},
        {192, 192},
        {193, 256},
        {256, 256},
        {257, 512},
        {1024, 1024},
        {1025, 2048},
        {4096, 4096},
        {8192, 8192},
        {8193, 16384},
        {16385, 32768},
        {1 << 20, 1 << 20},
        {(1 << 20) + 1, 2 << 20},
        {4 << 20, 4 << 20},
    };
    struct kernel_rig rig = kernel_rig_of(MMU_OS_X86_64, 512, 3);
    for (unsigned i = 0; i < sizeof expected / sizeof *expected; i++) {
        mmu_va va = take(rig.os, expected[i].size, MMU_GFP_KERNEL);
        assert_int_equal(ksize(rig.os, va), expected[i].ksize);
        if (is_power_of_two(expected[i].ksize))
            assert_int_equal(va % (expected[i].ksize < 4096 ? expected[i].ksize : 4096), 0);
        struct mmu_page_info info = page_at_va(rig.os, va);
        assert_int_equal(info.use, MMU_PAGE_SLAB);
        assert_int_equal(info.flags >> MMU_PG_SLAB & 1, info.head && expected[i].size <= 8192);
        assert_int_equal(mmu_os_kfree(rig.os, va), MMU_OS_DONE);
    }
    assert_int_equal(take(rig.os, 0, MMU_GFP_KERNEL), 16);
    assert_int_equal(ksize(rig.os, 16), 0);
    assert_int_equal(ksize(rig.os, 0), 0);
    assert_int_equal(mmu_os_kfree(rig.os, 16), MMU_OS_DONE);
    assert_int_equal(mmu_os_kfree(rig.os, 0), MMU_OS_DONE);
    mmu_os_check(rig.os);
    kernel_rig_end(&rig);
}

/* calculate_order() with 1 and with 16 CPUs: pages that one object's allocation costs. */
static void test_orders(void **state)
{
    (void)state;
    static const struct {
        uint32_t cpus;
        uint64_t size;
        unsigned order;
    } expected[] = {
        {1, 8, 0},    {1, 96, 0},   {1, 192, 0},  {1, 512, 0},  {1, 1024, 1},  {1, 2048, 2},  {1, 4096, 3},
        {1, 8192, 3}, {16, 192, 1}, {16, 256, 1}, {16, 512, 2}, {16, 1024, 3}, {16, 2048, 3}, {16, 8192, 3},
    };
    for (unsigned i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct kernel_rig rig;
        kernel_rig_config(&rig.config, MMU_OS_X86_64, 512 << 20, 1);
        rig.config.os.cpus = expected[i].cpus;
        kernel_rig_boot(&rig);
        take(rig.os, expected[i].size, MMU_GFP_KERNEL);
        assert_int_equal(slabs_pages(rig.os), 1u << expected[i].order);
        kernel_rig_end(&rig);
    }
}

static void refused(struct mmu_os *os, uint64_t size, uint32_t gfp, const char *says)
{
    mmu_va va = 77;
    assert_int_equal(mmu_os_kmalloc(os, size, gfp, &va), MMU_OS_REFUSED);
    assert_int_equal(va, 77);
    if (!strstr(mmu_os_report(os)->text, says))
        fail_msg("'%s' does not say '%s'", mmu_os_report(os)->text, says);
}

static void bug(struct mmu_os *os, mmu_va va, const char *says)
{
    assert_int_equal(mmu_os_kfree(os, va), MMU_OS_BUG);
    assert_string_equal(mmu_os_report(os)->call, "kfree");
    assert_true(mmu_os_report(os)->va == va);
    if (!strstr(mmu_os_report(os)->text, says))
        fail_msg("'%s' does not say '%s'", mmu_os_report(os)->text, says);
}

static void test_misuse(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_I386, 1200, 3);
    struct mmu_os *os = rig.os;
    refused(os, 8, MMU_GFP_HIGHUSER, "no caches in these zones");
    refused(os, 8, MMU_GFP_KERNEL | MMU___GFP_DMA32, "no caches in these zones");
    refused(os, (4 << 20) + 1, MMU_GFP_KERNEL, "4 MiB");
    refused(os, ~UINT64_C(0), MMU_GFP_KERNEL, "18446744073709551615 bytes");
    refused(os, 8, 0x40000000, "no GFP flag");
    mmu_va a = take(os, 192, MMU_GFP_KERNEL), large = take(os, 20000, MMU_GFP_KERNEL);
    uint64_t pages = slabs_pages(os);
    bug(os, a + 1, "not where an object begins");
    bug(os, a + 192, "free already");
    bug(os, (a & ~UINT64_C(4095)) + 4032, "not where an object begins"); /* behind the last of 21 */
    bug(os, large + 4096, "inside a large block");
    bug(os, 8, "no pointer");
    bug(os, 0xbffff000, "direct map");
    bug(os, os->plan->layout.vmalloc_start, "direct map");
    bug(os, ~UINT64_C(7), "direct map");
    bug(os, os->plan->layout.page_offset + 0x300000, "not kmalloc's");
    assert_int_equal(mmu_os_kfree(os, a), MMU_OS_DONE);
    bug(os, a, "free already");
    assert_int_equal(mmu_os_kfree(os, large), MMU_OS_DONE);
    bug(os, large, "not kmalloc's");
    assert_int_equal(slabs_pages(os), pages - 8);
    uint64_t size = 5;
    assert_int_equal(mmu_os_ksize(os, a, &size), MMU_OS_BUG);
    assert_int_equal(size, 5);
    /* The pages are kmalloc's: nobody else frees them. */
    a = take(os, 64, MMU_GFP_KERNEL);
    struct mmu_page_info info = page_at_va(os, a);
    assert_int_equal(mmu_os_free_pages(os, info.pfn, 0), MMU_OS_BUG);
    assert_int_equal(mmu_os_put_page(os, info.pfn), MMU_OS_BUG);
    mmu_os_check(os);
    kernel_rig_end(&rig);
}

/* Caches of their own for DMA, reclaimable and accounted objects; last in, first out; one slab a CPU. */
static void test_caches(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_X86_64, 512, 3);
    struct mmu_os *os = rig.os;
    mmu_va normal = take(os, 64, MMU_GFP_KERNEL), next = take(os, 64, MMU_GFP_KERNEL);
    mmu_va dma = take(os, 64, MMU_GFP_DMA), reclaim = take(os, 64, MMU_GFP_KERNEL | MMU___GFP_RECLAIMABLE);
    mmu_va account = take(os, 64, MMU_GFP_KERNEL_ACCOUNT);
    assert_int_equal(next, normal + 64);
    assert_int_equal(page_at_va(os, dma).zone, MMU_ZONE_DMA);
    assert_int_equal(page_at_va(os, normal).zone, MMU_ZONE_DMA32);
    assert_int_equal(page_at_va(os, reclaim).migratetype, MMU_MIGRATE_RECLAIMABLE);
    assert_true(page_at_va(os, account).pfn != page_at_va(os, normal).pfn);
    assert_int_equal(mmu_os_kfree(os, normal), MMU_OS_DONE);
    assert_int_equal(take(os, 50, MMU_GFP_KERNEL), normal);
    mmu_os_run_on(os, 1);
    assert_true(page_at_va(os, take(os, 64, MMU_GFP_KERNEL)).pfn != page_at_va(os, normal).pfn);
    kernel_rig_end(&rig);
}

/* Of many empty slabs the node keeps min_partial - 1 on its list, and each CPU its own; shrinking none. */
static void test_kept(void **state)
{
    (void)state;
    enum { N = 400 }; /* 50 slabs of 8 objects, 2 pages each */
    struct kernel_rig rig;
    mmu_va va[N];
    kernel_rig_config(&rig.config, MMU_OS_X86_64, 512 << 20, 1);
    kernel_rig_boot(&rig);
    for (unsigned i = 0; i < N; i++)
        va[i] = take(rig.os, 1024, MMU_GFP_KERNEL);
    assert_int_equal(slabs_pages(rig.os), 100);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(mmu_os_kfree(rig.os, va[i]), MMU_OS_DONE);
    assert_int_equal(slabs_pages(rig.os), 2 * (4 + 1));
    mmu_os_check(rig.os);
    mmu_os_shrink_slabs(rig.os);
    assert_int_equal(slabs_pages(rig.os), 0);
    kernel_rig_end(&rig);
}

/* __GFP_ZERO: the object is cleared, its neighbours are not. */
static void test_zero(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_X86_64, 512, 3);
    struct mmu_os *os = rig.os;
    mmu_va va = take(os, 256, MMU_GFP_KERNEL);
    mmu_pa pa;
    uint8_t bytes[768], clear[256] = {0};
    memset(bytes, 0x5a, sizeof bytes);
    assert_int_equal(mmu_os_pa(os, va, &pa), MMU_OS_DONE);
    assert_int_equal(mmu_machine_write(rig.machine, pa, bytes, 512), MMU_OK);
    assert_int_equal(mmu_os_kfree(os, va), MMU_OS_DONE);
    assert_int_equal(take(os, 200, MMU_GFP_KERNEL | MMU___GFP_ZERO), va);
    assert_int_equal(mmu_machine_read(rig.machine, pa, bytes, 512), MMU_OK);
    assert_memory_equal(bytes, clear, 256);
    assert_int_equal(bytes[256], 0x5a);
    kernel_rig_end(&rig);
}

/* When memory is short a slab of the least order does; when there is none, the outcome names kmalloc. */
static void test_exhausted(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_X86_64, 128, 3);
    struct mmu_os *os = rig.os;
    mmu_va va;
    uint64_t n = 0;
    while (mmu_os_kmalloc(os, 4096, MMU_GFP_KERNEL, &va) == MMU_OS_DONE)
        n++;
    assert_int_equal(mmu_os_report(os)->outcome, MMU_OS_EXHAUSTED);
    assert_string_equal(mmu_os_report(os)->call, "kmalloc");
    assert_int_equal(slabs_pages(os), n);
    assert_true(n % 8 != 0); /* some came alone */
    mmu_os_check(os);
    kernel_rig_end(&rig);
}

enum { OBJECTS = 4000 };

static void test_random(void **state)
{
    (void)state;
    static struct {
        mmu_va va;
        uint64_t size;
    } held[OBJECTS];
    struct dice dice = dice_new("slab", 1);
    for (unsigned round = 0; round < dice_rounds(6); round++) {
        struct kernel_rig rig =
            kernel_rig_of(dice_below(&dice, MMU_OS_ARCHES), 64 + dice_below(&dice, 400), 3);
        struct mmu_os *os = rig.os;
        struct mmu_os_totals before, after;
        unsigned n = 0;
        mmu_os_totals(os, &before);
        for (unsigned i = 0; i < 30000; i++) {
            mmu_os_run_on(os, dice_below(&dice, 3));
            if (n < OBJECTS && dice_below(&dice, 100) < 52) {
                uint64_t size = 1 + dice_below(&dice, 1u << dice_below(&dice, 15));
                uint32_t gfp = dice_once_in(&dice, 9) ? MMU_GFP_KERNEL | MMU_GFP_DMA : MMU_GFP_KERNEL;
                int outcome = mmu_os_kmalloc(os, size, gfp, &held[n].va);
                assert_true(outcome == MMU_OS_DONE || outcome == MMU_OS_EXHAUSTED);
                held[n].size = size;
                n += outcome == MMU_OS_DONE;
            } else if (n) {
                unsigned at = dice_below(&dice, n);
                assert_true(ksize(os, held[at].va) >= held[at].size);
                assert_int_equal(mmu_os_kfree(os, held[at].va), MMU_OS_DONE);
                held[at] = held[--n];
            }
            if (i % 500 == 0)
                mmu_os_shrink_slabs(os);
            if (i % 3000 == 0)
                mmu_os_check(os);
        }
        /* Objects do not overlap: each byte is written by its owner, and found as it was. */
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(mmu_machine_write(rig.machine, held[i].va - os->plan->layout.page_offset, &i,
                                               held[i].size < 4 ? 1 : 4),
                             MMU_OK);
        for (unsigned i = 0; i < n; i++) {
            unsigned found = i;
            assert_int_equal(mmu_machine_read(rig.machine, held[i].va - os->plan->layout.page_offset, &found,
                                              held[i].size < 4 ? 1 : 4),
                             MMU_OK);
            assert_int_equal(found, i);
        }
        while (n)
            assert_int_equal(mmu_os_kfree(os, held[--n].va), MMU_OS_DONE);
        mmu_os_shrink_slabs(os);
        mmu_os_drain(os);
        mmu_os_check(os);
        mmu_os_totals(os, &after);
        assert_int_equal(slabs_pages(os), 0);
        assert_int_equal(after.slab, 0);
        assert_int_equal(after.free, before.free);
        kernel_rig_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),   cmocka_unit_test(test_orders), cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_caches),    cmocka_unit_test(test_kept),   cmocka_unit_test(test_zero),
        cmocka_unit_test(test_exhausted), cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
