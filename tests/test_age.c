/*
 * test_age.c: machines that start fragmented: the target is reached and not much exceeded, the same seed
 * gives the same machine, nothing is spent on untouched memory, and what is allocated stays so.
 */
#include "age.h"
#include "kernel_rig.h"
#include "plan.h"
#include "ref_frames.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

static struct kernel_rig boot(enum mmu_os_arch arch, uint64_t mib, unsigned order, unsigned unusable,
                              uint64_t seed)
{
    struct kernel_rig rig;
    kernel_rig_config(&rig.config, arch, mib << 20, 1);
    rig.config.os.aged = true;
    rig.config.os.aged_order = order;
    rig.config.os.aged_unusable = unusable;
    rig.config.os.aged_seed = seed;
    kernel_rig_boot(&rig);
    return rig;
}

/* The index counted from the free blocks one by one, pages on per-CPU lists left out. */
struct count {
    const struct mmu_os *os;
    unsigned order;
    uint64_t usable[MMU_ZONES], free[MMU_ZONES];
};

static void count(void *ctx, mmu_pfn pfn, unsigned order, unsigned type, bool pcp)
{
    struct count *c = ctx;
    unsigned zone = plan_zone_of(c->os->plan, pfn);
    (void)type;
    c->free[zone] += pcp ? 0 : UINT64_C(1) << order;
    c->usable[zone] += pcp || order < c->order ? 0 : UINT64_C(1) << order;
}

static void test_targets(void **state)
{
    (void)state;
    struct dice dice = dice_new("age", 1);
    for (unsigned round = 0; round < dice_rounds(60); round++) {
        unsigned order = 1 + dice_below(&dice, 10), target = dice_below(&dice, 1001);
        struct kernel_rig rig = boot(dice_below(&dice, MMU_OS_ARCHES), 128 + dice_below(&dice, 4000), order,
                                     target, dice_next(&dice));
        struct count c = {.os = rig.os, .order = order};
        buddy_each_free(rig.os, count, &c);
        for (unsigned zone = 0; zone < MMU_ZONES; zone++) {
            const struct buddy_zone *z = &rig.os->buddy->zone[zone];
            if (!z->managed)
                continue;
            uint32_t index = mmu_os_unusable_index(rig.os, zone, order);
            assert_int_equal(c.free[zone], z->free);
            assert_int_equal(index, (c.free[zone] - c.usable[zone]) * 1000 / c.free[zone]);
            assert_true(index >= target);
            /* One chunk more than needed, if any; what the edges of the zone have is there anyway. */
            if (z->aged && z->free > 100 * CHUNK_PAGES)
                assert_true(index <= target + 2 * CHUNK_PAGES * 1000 / z->free + 1);
            assert_true(z->free > z->managed / 8);
        }
        mmu_os_check(rig.os);
        kernel_rig_end(&rig);
    }
}

/* Touched or not, the machine is the same: what was free can be allocated, page by page, and no other. */
static void test_content(void **state)
{
    (void)state;
    struct kernel_rig rig = boot(MMU_OS_X86_64, 600, 9, 800, 5), twin = boot(MMU_OS_X86_64, 600, 9, 800, 5),
                      other = boot(MMU_OS_X86_64, 600, 9, 800, 6);
    uint64_t same = 0, differ = 0, kernel = 0;
    const mmu_pfn end = rig.os->plan->memmap.max_pfn;
    uint8_t *use = malloc(end);
    assert_non_null(use);
    for (mmu_pfn pfn = 0; pfn < end; pfn++) {
        struct mmu_page_info a, b, c;
        assert_non_null(page_of(twin.os, pfn)); /* has descriptors everywhere */
        mmu_os_page(rig.os, pfn, &a);
        mmu_os_page(twin.os, pfn, &b);
        mmu_os_page(other.os, pfn, &c);
        assert_memory_equal(&a, &b, sizeof a);
        same += a.use == c.use;
        differ += a.use != c.use;
        kernel += a.use == MMU_PAGE_KERNEL;
        use[pfn] = (uint8_t)a.use;
    }
    mmu_os_check(twin.os);
    assert_true(differ > same / 50);
    struct mmu_os_totals totals;
    mmu_os_totals(rig.os, &totals);
    assert_int_equal(totals.allocated, kernel);
    mmu_pfn pfn;
    uint64_t n = 0;
    while (mmu_os_alloc_pages(rig.os, MMU_GFP_KERNEL | MMU___GFP_MEMALLOC, 0, &pfn) == MMU_OS_DONE) {
        assert_int_equal(use[pfn], MMU_PAGE_FREE);
        use[pfn] = MMU_PAGE_USES; /* not twice */
        n++;
    }
    assert_int_equal(n, totals.free);
    mmu_os_check(rig.os);
    free(use);
    kernel_rig_end(&rig);
    kernel_rig_end(&twin);
    kernel_rig_end(&other);
}

/* Who knows a frame may give it back; its neighbours merge. */
static void test_give_back(void **state)
{
    (void)state;
    struct kernel_rig rig = boot(MMU_OS_I386_PAE, 700, 6, 900, 3);
    struct mmu_page_info info;
    for (mmu_pfn pfn = 0; pfn < rig.os->plan->memmap.max_pfn; pfn++) {
        mmu_os_page(rig.os, pfn, &info);
        if (info.head && info.use == MMU_PAGE_KERNEL)
            assert_int_equal(mmu_os_free_pages(rig.os, pfn, info.order), MMU_OS_DONE);
    }
    mmu_os_drain(rig.os);
    mmu_os_check(rig.os);
    for (unsigned zone = 0; zone < MMU_ZONES; zone++) {
        assert_int_equal(rig.os->buddy->zone[zone].allocated, 0);
        if (rig.os->buddy->zone[zone].managed > 100 * CHUNK_PAGES)
            assert_true(mmu_os_unusable_index(rig.os, zone, 6) < 20);
    }
    kernel_rig_end(&rig);
}

static void test_cost(void **state)
{
    (void)state;
    struct kernel_rig rig = boot(MMU_OS_X86_64, 1 << 20, 9, 700, 1);
    assert_true(buddy_host_bytes(rig.os) < 1 << 20);
    assert_true(mmu_os_unusable_index(rig.os, MMU_ZONE_NORMAL, 9) >= 700);
    mmu_pfn pfn;
    for (unsigned order = 0; order < MMU_OS_ORDERS; order++)
        for (unsigned i = 0; i < 50; i++)
            assert_int_equal(mmu_os_alloc_pages(rig.os, MMU_GFP_KERNEL, order, &pfn), MMU_OS_DONE);
    mmu_os_check(rig.os);
    kernel_rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_give_back),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
