/*
 * test_kmap.c: PKMAP's slots (order, reuse, the wrap's flush, exhaustion), kmap_local's stack, and what the
 * MMU finds at both.
 */
#include "dice.h"
#include "kmap.h"
#include "os_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

static mmu_pfn high_page(struct os_rig *rig)
{
    mmu_pfn pfn = 0;
    assert_int_equal(mmu_os_alloc_pages(rig->os, MMU_GFP_HIGHUSER, 0, &pfn), MMU_OS_DONE);
    struct mmu_page_info info;
    assert_int_equal(mmu_os_page(rig->os, pfn, &info), MMU_OS_DONE);
    assert_int_equal(info.zone, MMU_ZONE_HIGHMEM);
    assert_int_equal(info.address, 0); /* no address until it is kmapped */
    return pfn;
}

static bool reaches(struct os_rig *rig, mmu_va va, mmu_pfn pfn)
{
    struct mmu_access access = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(MMU_STORE, MMU_SUPERVISOR)};
    struct mmu_result result;
    return mmu_core_access(mmu_machine_core(rig->machine, rig->os->current), &access, &result) == MMU_DONE &&
           result.pa >> 12 == pfn;
}

static const struct {
    const char *os;
    mmu_va pkmap, first_local;
    unsigned slots;
} kernels[] = {
    {"{arch: i386, ram: 1536M}", 0xfec00000, 0xfffbb000,
     1024}, /* as a real kernel's kmap() and kmap_local gave */
    {"{arch: i386_pae, ram: 1536M}", 0xff000000, 0xfffbb000, 512},
};

static void test_slots(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(kernels); k++) {
        struct os_rig rig;
        mmu_va va, again;
        os_rig_boot(&rig, kernels[k].os);
        mmu_pfn first = high_page(&rig), second = high_page(&rig);
        assert_int_equal(mmu_os_kmap(rig.os, first, &va), MMU_OS_DONE);
        assert_int_equal(va, kernels[k].pkmap + 0x1000); /* slot 1 comes first */
        assert_true(reaches(&rig, va, first));
        assert_int_equal(mmu_os_page_address(rig.os, first), va);
        assert_int_equal(mmu_os_kmap(rig.os, first, &again), MMU_OS_DONE); /* mapped once */
        assert_int_equal(again, va);
        assert_int_equal(mmu_os_kmap(rig.os, second, &va), MMU_OS_DONE);
        assert_int_equal(va, kernels[k].pkmap + 0x2000);
        assert_int_equal(mmu_os_free_pages(rig.os, first, 0), MMU_OS_BUG); /* still mapped */
        assert_int_equal(mmu_os_kunmap(rig.os, first), MMU_OS_DONE);
        assert_int_equal(mmu_os_kunmap(rig.os, first), MMU_OS_DONE);
        assert_int_equal(mmu_os_kunmap(rig.os, first), MMU_OS_BUG);
        assert_true(reaches(&rig, kernels[k].pkmap + 0x1000, first));   /* the entry stays until the wrap */
        assert_int_equal(mmu_os_kmap(rig.os, first, &va), MMU_OS_DONE); /* and is used again */
        assert_int_equal(va, kernels[k].pkmap + 0x1000);
        mmu_os_check(rig.os);
        os_rig_free(&rig);
    }
}

static void test_wrap_and_exhaustion(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(kernels); k++) {
        struct os_rig rig;
        mmu_va va;
        mmu_pfn page[1025];
        unsigned slots = kernels[k].slots;
        os_rig_boot(&rig, kernels[k].os);
        for (unsigned i = 0; i <= slots; i++)
            page[i] = high_page(&rig);
        for (unsigned i = 1; i < slots; i++) {
            assert_int_equal(mmu_os_kmap(rig.os, page[i], &va), MMU_OS_DONE);
            assert_int_equal(va, kernels[k].pkmap + i * 0x1000);
        }
        assert_int_equal(mmu_os_kunmap(rig.os, page[7]), MMU_OS_DONE);
        assert_true(reaches(&rig, kernels[k].pkmap + 0x7000, page[7]));
        assert_int_equal(mmu_os_kmap(rig.os, page[0], &va),
                         MMU_OS_DONE); /* the wrap: slot 0, after the flush */
        assert_int_equal(va, kernels[k].pkmap);
        assert_int_equal(mmu_os_page_address(rig.os, page[7]), 0);
        assert_false(reaches(&rig, kernels[k].pkmap + 0x7000, page[7]));
        assert_int_equal(mmu_os_kmap(rig.os, page[slots], &va), MMU_OS_DONE);
        assert_int_equal(va, kernels[k].pkmap + 0x7000);
        assert_int_equal(mmu_os_kmap(rig.os, page[7], &va), MMU_OS_WOULD_SLEEP);
        assert_non_null(strstr(mmu_os_report(rig.os)->text, "would sleep"));
        mmu_os_check(rig.os);
        os_rig_free(&rig);
    }
}

static void test_local(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(kernels); k++) {
        struct os_rig rig;
        mmu_va va[17], low;
        mmu_pfn page[17], normal;
        os_rig_boot(&rig, kernels[k].os);
        for (unsigned i = 0; i < 17; i++)
            page[i] = high_page(&rig);
        for (unsigned i = 0; i < 16; i++) {
            assert_int_equal(mmu_os_kmap_local(rig.os, page[i], &va[i]), MMU_OS_DONE);
            assert_int_equal(va[i], kernels[k].first_local - i * 0x1000);
            assert_true(reaches(&rig, va[i], page[i]));
        }
        assert_int_equal(mmu_os_kmap_local(rig.os, page[16], &va[16]), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_kunmap_local(rig.os, va[3]), MMU_OS_BUG); /* not the last one */
        mmu_os_check(rig.os);
        for (unsigned i = 16; i-- > 0;) {
            assert_int_equal(mmu_os_kunmap_local(rig.os, va[i] + 5), MMU_OS_DONE);
            assert_false(reaches(&rig, va[i], page[i])); /* INVLPG was executed */
        }
        assert_int_equal(mmu_os_kunmap_local(rig.os, va[0]), MMU_OS_BUG);
        assert_int_equal(mmu_os_alloc_pages(rig.os, MMU_GFP_KERNEL, 0, &normal), MMU_OS_DONE);
        assert_int_equal(mmu_os_kmap_local(rig.os, normal, &low), MMU_OS_DONE);
        assert_int_equal(low, mmu_os_page_address(rig.os, normal));
        assert_int_equal(mmu_os_kunmap_local(rig.os, low), MMU_OS_DONE);
        os_rig_free(&rig);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    struct os_rig rig;
    mmu_va va, direct;
    mmu_pfn pfn;
    os_rig_boot(&rig, kernels[0].os);
    assert_int_equal(mmu_os_kmap(rig.os, UINT64_MAX >> 12, &va), MMU_OS_REFUSED); /* a foreign page */
    assert_int_equal(mmu_os_kmap(rig.os, 0xa0, &va), MMU_OS_REFUSED);             /* a hole */
    pfn = high_page(&rig);
    assert_int_equal(mmu_os_free_pages(rig.os, pfn, 0), MMU_OS_DONE);
    assert_int_equal(mmu_os_kmap(rig.os, pfn, &va), MMU_OS_REFUSED); /* a free one */
    assert_int_equal(mmu_os_alloc_pages(rig.os, MMU_GFP_KERNEL, 0, &pfn), MMU_OS_DONE);
    assert_int_equal(mmu_os_kmap(rig.os, pfn, &va), MMU_OS_DONE); /* lowmem: its address in the direct map */
    assert_int_equal(mmu_os_va(rig.os, pfn << 12, &direct), MMU_OS_DONE);
    assert_int_equal(va, direct);
    assert_int_equal(mmu_os_kunmap(rig.os, pfn), MMU_OS_DONE);
    os_rig_free(&rig);
    os_rig_boot(&rig, "{arch: x86_64, ram: 256M}");
    assert_int_equal(mmu_os_alloc_pages(rig.os, MMU_GFP_HIGHUSER, 0, &pfn), MMU_OS_DONE);
    assert_int_equal(mmu_os_kmap(rig.os, pfn, &va), MMU_OS_DONE); /* no highmem on 64 bits */
    assert_int_equal(va, mmu_os_page_address(rig.os, pfn));
    os_rig_free(&rig);
}

/* kmap against the plainest model: the address of a page that is in use does not change, two pages in use
 * never share one. */
static void test_random(void **state)
{
    (void)state;
    enum { PAGES = 1400 };
    static mmu_pfn page[PAGES];
    static mmu_va at[PAGES];
    static unsigned users[PAGES];
    struct dice d = dice_new("kmap", 1);
    unsigned rounds = dice_rounds(30000), in_use = 0;
    struct os_rig rig;
    os_rig_boot(&rig, kernels[1].os);
    memset(users, 0, sizeof users);
    for (unsigned i = 0; i < PAGES; i++)
        page[i] = high_page(&rig);
    for (unsigned round = 0; round < rounds; round++) {
        unsigned n = dice_below(&d, PAGES);
        mmu_va va;
        if (users[n] && dice_below(&d, 3)) {
            assert_int_equal(mmu_os_kunmap(rig.os, page[n]), MMU_OS_DONE);
            in_use -= --users[n] == 0;
        } else {
            int outcome = mmu_os_kmap(rig.os, page[n], &va);
            assert_int_equal(outcome, users[n] || in_use < 512 ? MMU_OS_DONE : outcome);
            if (outcome == MMU_OS_WOULD_SLEEP) {
                assert_true(!users[n] && in_use == 512);
                continue;
            }
            assert_true(!users[n] || at[n] == va);
            for (unsigned i = 0; i < PAGES && !users[n]; i++)
                assert_true(!users[i] || at[i] != va);
            in_use += users[n]++ == 0;
            at[n] = va;
            if (dice_once_in(&d, 4))
                assert_true(reaches(&rig, va, page[n]));
        }
        if (dice_once_in(&d, 3000))
            mmu_os_check(rig.os);
    }
    os_rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots),  cmocka_unit_test(test_wrap_and_exhaustion),
        cmocka_unit_test(test_local),  cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
