/*
 * test_setmem.c: set_memory_ro() and its like: what is split, what keeps its bits, which aliases follow, that
 * no CPU keeps an old translation, what is refused.
 */
#include "kspace_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct machine {
    const char *cpu, *os;
} machines[] = {
    {CPU_486, "{arch: i386, ram: 64M}"},       {CPU_P3, "{arch: i386, ram: 1536M}"},
    {CPU_NX, "{arch: i386_pae, ram: 1536M}"},  {CPU_NX, "{arch: i386_pae, ram: 1536M, kpti: true}"},
    {CPU_K8, "{arch: x86_64, ram: 1G}"},       {CPU_NHM, "{arch: x86_64, ram: 4G, kpti: true}"},
    {CPU_ICX, "{arch: x86_64_la57, ram: 4G}"},
};

static mmu_va kernel_pages(struct kspace_rig *rig, unsigned order)
{
    mmu_va va;
    assert_int_equal(mmu_os_get_free_pages(rig->os, MMU_GFP_KERNEL, order, &va), MMU_OS_DONE);
    return va;
}

static bool can(struct kspace_rig *rig, mmu_va va, enum mmu_kind kind)
{
    const struct mmu_result r = rig_access(rig, va, kind, MMU_SUPERVISOR);
    assert_true(r.outcome == MMU_DONE || r.outcome == MMU_FAULT_PF);
    return r.outcome == MMU_DONE;
}

static void set(struct kspace_rig *rig, mmu_va va, uint64_t pages, enum mmu_os_change what)
{
    assert_int_equal(mmu_os_set_memory(rig->os, va, pages, what), MMU_OS_DONE);
}

/* Each change and its opposite, on every CPU, with the neighbours as they were. */
static void test_changes(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, machines[m].cpu, 3, machines[m].os);
        const bool nx = rig.os->kspace->traits.nx;
        const mmu_va va = kernel_pages(&rig, 3);
        for (uint32_t by = 0; by < 3; by++) {
            const struct {
                enum mmu_os_change what;
                bool load, store, fetch;
            } step[] = {{MMU_SET_MEMORY_RO, true, false, !nx},    {MMU_SET_MEMORY_X, true, false, true},
                        {MMU_SET_MEMORY_RW, true, true, true},    {MMU_SET_MEMORY_NX, true, true, !nx},
                        {MMU_SET_MEMORY_NP, false, false, false}, {MMU_SET_MEMORY_P, true, true, !nx}};
            for (size_t i = 0; i < COUNT_OF(step); i++) {
                mmu_os_run_on(rig.os, by);
                set(&rig, va + 0x2000, 3, step[i].what);
                for (uint32_t cpu = 0; cpu < 3; cpu++) {
                    mmu_os_run_on(rig.os, cpu);
                    for (unsigned page = 0; page < 8; page++) {
                        const bool in = page >= 2 && page < 5;
                        assert_int_equal(can(&rig, va + page * 0x1000, MMU_LOAD), in ? step[i].load : true);
                        assert_int_equal(can(&rig, va + page * 0x1000, MMU_STORE), in ? step[i].store : true);
                        assert_int_equal(can(&rig, va + page * 0x1000, MMU_FETCH), in ? step[i].fetch : !nx);
                    }
                }
            }
            mmu_os_check(rig.os);
        }
        rig_free(&rig);
    }
}

/* A page that was away for a while is as it was; other PCIDs see what happens to it then. */
static void test_back_again(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        struct mmu_os_lookup before, after;
        struct mmu_os_pgd *p[2];
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        const mmu_va va = kernel_pages(&rig, 0);
        set(&rig, va, 1, MMU_SET_MEMORY_RO);
        kernel_lookup(rig.os, va, &before);
        set(&rig, va, 1, MMU_SET_MEMORY_NP);
        set(&rig, va, 1, MMU_SET_MEMORY_P);
        kernel_lookup(rig.os, va, &after);
        assert_int_equal(after.entry[0].value, before.entry[0].value);
        for (size_t i = 0; i < COUNT_OF(p); i++) {
            assert_int_equal(mmu_os_pgd_alloc(rig.os, &p[i]), MMU_OS_DONE);
            assert_int_equal(mmu_os_switch(rig.os, p[i], false), MMU_OS_DONE);
            assert_true(can(&rig, va, MMU_LOAD));
        }
        set(&rig, va, 1, MMU_SET_MEMORY_NP);
        for (size_t i = 0; i < COUNT_OF(p); i++) {
            assert_int_equal(mmu_os_switch(rig.os, p[i], false), MMU_OS_DONE);
            assert_false(can(&rig, va, MMU_LOAD));
        }
        assert_int_equal(mmu_os_switch(rig.os, mmu_os_swapper(rig.os), false), MMU_OS_DONE);
        rig_free(&rig);
    }
}

/* A vmalloc page that is away is still its area's, which can be freed with it. */
static void test_not_present_vmalloc(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        struct mmu_os_totals before, after;
        mmu_va va = 0;
        mmu_pfn pfn = 0;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        mmu_os_totals(rig.os, &before);
        assert_int_equal(mmu_os_vmalloc(rig.os, 0x3000, &va), MMU_OS_DONE);
        set(&rig, va + 0x1000, 1, MMU_SET_MEMORY_NP);
        assert_false(can(&rig, va + 0x1000, MMU_LOAD));
        assert_true(can(&rig, va + 0x2000, MMU_LOAD));
        assert_int_equal(mmu_os_vmalloc_to_pfn(rig.os, va + 0x1000, &pfn), MMU_OS_DONE);
        mmu_os_check(rig.os);
        assert_int_equal(mmu_os_vfree(rig.os, va), MMU_OS_DONE);
        mmu_os_totals(rig.os, &after);
        assert_int_equal(after.vmalloc, before.vmalloc);
        rig_free(&rig);
    }
}

/* The memory type, and the PAT bit that stands elsewhere in a large page. */
static void test_types(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        struct mmu_os_lookup found;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        const mmu_va va = kernel_pages(&rig, 10);
        const bool pat = rig.os->kspace->traits.pat;
        const uint64_t types = PTE_PWT | PTE_PCD;
        kernel_lookup(rig.os, va, &found);
        const uint64_t before = found.entry[found.level].value;
        set(&rig, va, 1, MMU_SET_MEMORY_UC);
        kernel_lookup(rig.os, va, &found);
        assert_int_equal(found.level, 0);
        assert_int_equal(found.entry[0].value & types, PTE_PCD);
        set(&rig, va, 1, MMU_SET_MEMORY_WC);
        kernel_lookup(rig.os, va, &found);
        assert_int_equal(found.entry[0].value & types, pat ? PTE_PWT : PTE_PCD);
        set(&rig, va, 1, MMU_SET_MEMORY_WB);
        kernel_lookup(rig.os, va, &found);
        const struct pgtable_form *f = rig.os->kspace->traits.form;
        const unsigned large = rig.os->kspace->traits.large ? 2 : 1;
        assert_int_equal(pgtable_attributes(f, 1, found.entry[0].value),
                         pgtable_attributes(f, large, before));
        rig_free(&rig);
    }
}

/* A large page with PAT = 1 (WT) is split: its bit goes from 12 to 7. */
static void test_pat_bit_moves(void **state)
{
    (void)state;
    struct kspace_rig rig;
    struct mmu_os_lookup found;
    rig_boot(&rig, CPU_K8, 1, "{arch: x86_64, ram: 1G}");
    const mmu_va va = rig.os->plan->layout.vmalloc_start + 0x40000000;
    const uint64_t bits = prot_kernel(rig.os, MMU_CACHE_WT, PROT_WRITE);
    assert_int_equal(kernel_map(rig.os, va, UINT64_C(0xe0000000), 21, bits), MMU_OS_DONE);
    kernel_lookup(rig.os, va, &found);
    assert_true(found.entry[1].value & PTE_PAT_LARGE);
    assert_true(found.entry[1].value & PTE_PS);
    assert_int_equal(found.pa, 0xe0000000);
    set(&rig, va + 0x5000, 1, MMU_SET_MEMORY_RO);
    kernel_lookup(rig.os, va + 0x5000, &found);
    assert_int_equal(found.pa, 0xe0005000);
    assert_int_equal(found.entry[0].value, 0xe0005000 | (bits & ~PTE_W));
    assert_true(found.entry[0].value & PTE_PAT);
    kernel_lookup(rig.os, va + 0x1ff000, &found);
    assert_int_equal(found.entry[0].value, 0xe01ff000 | bits);
    rig_free(&rig);
}

/* A large page where small ones were: x86-64 frees their empty table, PAE must use small ones again. */
static void test_large_after_small(void **state)
{
    (void)state;
    for (size_t m = 2; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        mmu_va small[8], large;
        rig_boot(&rig, machines[m].cpu, 2, machines[m].os);
        const uint64_t tables = kspace_tables(rig.os);
        for (size_t i = 0; i < COUNT_OF(small); i++) {
            assert_int_equal(mmu_os_vmalloc(rig.os, 0x100000, &small[i]), MMU_OS_DONE);
            assert_true(can(&rig, small[i], MMU_STORE));
        }
        for (size_t i = 0; i < COUNT_OF(small); i++)
            assert_int_equal(mmu_os_vfree(rig.os, small[i]), MMU_OS_DONE);
        mmu_os_vmalloc_purge(rig.os);
        assert_true(kspace_tables(rig.os) > tables);
        const uint64_t left = kspace_tables(rig.os);
        assert_int_equal(mmu_os_ioremap(rig.os, UINT64_C(0xfd000000), 0x400000, MMU_CACHE_UC, &large),
                         MMU_OS_DONE);
        const struct mmu_walk w = rig_walk(&rig, large + 0x201234);
        assert_true(w.outcome == MMU_DONE && w.pa == UINT64_C(0xfd201234) && w.pcd && w.pwt);
        const bool wide = rig.os->plan->layout.wide;
        assert_int_equal(w.page_shift, wide ? 21 : 12);
        if (wide)
            assert_true(kspace_tables(rig.os) < left);
        mmu_os_check(rig.os);
        assert_int_equal(mmu_os_iounmap(rig.os, large), MMU_OS_DONE);
        rig_free(&rig);
    }
}

static unsigned level_of(struct kspace_rig *rig, mmu_va va)
{
    struct mmu_os_lookup found;
    assert_true(kernel_lookup(rig->os, va, &found));
    return found.page_shift;
}

/* 1G -> 2M -> 4K, only where it must be; whole pages are changed as they are; nothing is merged again. */
static void test_splits(void **state)
{
    (void)state;
    struct kspace_rig rig;
    rig_boot(&rig, CPU_NHM, 2, "{arch: x86_64, ram: 6G}");
    const uint64_t tables = kspace_tables(rig.os), gig = UINT64_C(1) << 30;
    const mmu_va va = rig.os->plan->layout.page_offset + 5 * gig;
    assert_int_equal(level_of(&rig, va), 30);
    set(&rig, va, 1 << 18, MMU_SET_MEMORY_RO); /* all of it */
    assert_int_equal(level_of(&rig, va), 30);
    set(&rig, va, 1 << 18, MMU_SET_MEMORY_RW);
    set(&rig, va + 0x200000, 100, MMU_SET_MEMORY_RW); /* no change */
    assert_int_equal(level_of(&rig, va), 30);
    assert_int_equal(kspace_tables(rig.os), tables);
    set(&rig, va + 0x200000, 512, MMU_SET_MEMORY_RO); /* 2M of it */
    assert_int_equal(level_of(&rig, va + 0x200000), 21);
    assert_int_equal(kspace_tables(rig.os), tables + 1);
    set(&rig, va + 0x3ff000, 2, MMU_SET_MEMORY_UC); /* across the end of those */
    assert_int_equal(level_of(&rig, va + 0x200000), 12);
    assert_int_equal(level_of(&rig, va + 0x400000), 12);
    assert_int_equal(level_of(&rig, va + 0x600000), 21);
    assert_int_equal(kspace_tables(rig.os), tables + 3);
    assert_false(can(&rig, va + 0x3fe000, MMU_STORE));
    assert_true(can(&rig, va + 0x400000, MMU_STORE));
    set(&rig, va, 1 << 18, MMU_SET_MEMORY_WB);
    set(&rig, va, 1 << 18, MMU_SET_MEMORY_RW);
    assert_int_equal(level_of(&rig, va + 0x200000), 12);
    assert_int_equal(kspace_tables(rig.os), tables + 3);
    for (uint64_t at = 0; at < gig; at += 0x123000) {
        const struct mmu_walk w = rig_walk(&rig, va + at);
        assert_true(w.outcome == MMU_DONE && w.pa == 5 * gig + at && w.writable && w.global && !w.pcd);
    }
    rig_free(&rig);
}

/* The frames' other addresses follow: vmalloc -> direct map, image <-> direct map; NX does not. */
static void test_aliases(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        mmu_va area, alias;
        mmu_pfn pfn;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        const struct layout *l = &rig.os->plan->layout;
        const struct kspace_image i = kspace_image(&rig.config);
        const bool wp = rig.config.cpu.wp, nx = rig.os->kspace->traits.nx;
        assert_int_equal(mmu_os_vmalloc(rig.os, 4 * 4096, &area), MMU_OS_DONE);
        assert_int_equal(mmu_os_vmalloc_to_pfn(rig.os, area + 4096, &pfn), MMU_OS_DONE);
        set(&rig, area + 4096, 1, MMU_SET_MEMORY_RO);
        assert_int_equal(can(&rig, area + 4096, MMU_STORE), !wp);
        assert_true(can(&rig, area, MMU_STORE));
        if (mmu_os_va(rig.os, pfn << PAGE_SHIFT, &alias) == MMU_OS_DONE) {
            assert_int_equal(can(&rig, alias, MMU_STORE), !wp);
            set(&rig, area + 4096, 1, MMU_SET_MEMORY_X);
            assert_int_equal(can(&rig, alias, MMU_FETCH), !nx);
            set(&rig, area + 4096, 1, MMU_SET_MEMORY_RW);
            assert_true(can(&rig, alias, MMU_STORE));
        } else {
            assert_true(pfn >= l->max_low_pfn);
        }
        const mmu_va data = l->text_base + ((i.data + 3) << PAGE_SHIFT);
        assert_int_equal(mmu_os_va(rig.os, (i.data + 3) << PAGE_SHIFT, &alias), MMU_OS_DONE);
        set(&rig, data, 1, MMU_SET_MEMORY_RO);
        assert_int_equal(can(&rig, alias, MMU_STORE), !wp);
        set(&rig, alias, 1, MMU_SET_MEMORY_RW);
        assert_true(can(&rig, data, MMU_STORE));
        rig_free(&rig);
    }
}

/* static_protections(): text stays executable, constants stay constant. */
static void test_protections(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        const struct kspace_image i = kspace_image(&rig.config);
        const mmu_va base = rig.os->plan->layout.text_base;
        set(&rig, base + (i.text << PAGE_SHIFT), i.text_end - i.text, MMU_SET_MEMORY_NX);
        assert_true(can(&rig, base + (i.text << PAGE_SHIFT), MMU_FETCH));
        set(&rig, base + (i.rodata << PAGE_SHIFT), 1, MMU_SET_MEMORY_RW);
        const bool stores = can(&rig, base + (i.rodata << PAGE_SHIFT), MMU_STORE);
        assert_false(stores);
        rig_free(&rig);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        const struct layout *l = &rig.os->plan->layout;
        const mmu_va va = kernel_pages(&rig, 0);
        assert_int_equal(mmu_os_set_fixmap(rig.os, 3, 0xfee00000, MMU_CACHE_UC), MMU_OS_DONE);
        const struct {
            mmu_va va;
            uint64_t pages;
        } bad[] = {{va + 1, 1},
                   {va, 0},
                   {va, UINT64_MAX},
                   {va, UINT64_C(1) << 52},
                   {0x8048000, 1},
                   {0, 1},
                   {l->high_memory, 1},
                   {l->high_memory - 0x1000, 2},
                   {UINT64_C(1) << 62, 1},
                   {l->vmalloc_start, 1},
                   {l->fixaddr_top - 0x3000, 1},
                   {UINT64_MAX & ~PAGE_MASK, 1},
                   {UINT64_MAX & ~PAGE_MASK, 2}};
        for (size_t i = 0; i < COUNT_OF(bad); i++)
            for (int what = MMU_SET_MEMORY_RO; what <= MMU_SET_MEMORY_P; what++) {
                assert_int_equal(mmu_os_set_memory(rig.os, bad[i].va, bad[i].pages, (enum mmu_os_change)what),
                                 MMU_OS_REFUSED);
                assert_true(strlen(mmu_os_report(rig.os)->text) > 10);
            }
        assert_int_equal(mmu_os_set_memory(rig.os, va, 1, (enum mmu_os_change)77), MMU_OS_REFUSED);
        assert_true(can(&rig, va, MMU_STORE) && can(&rig, l->high_memory - 0x1000, MMU_STORE));
        rig_free(&rig);
    }
}

/* No frame for the table of a split: an outcome, and all is as before. */
static void test_exhaustion(void **state)
{
    (void)state;
    struct kspace_rig rig;
    mmu_va va, kept[4096];
    size_t n = 0;
    rig_boot(&rig, CPU_K8, 1, "{arch: x86_64, ram: 256M}");
    for (unsigned order = MMU_OS_ORDERS; order-- > 0;)
        while (mmu_os_get_free_pages(rig.os, MMU_GFP_KERNEL, order, &va) == MMU_OS_DONE)
            if (order == 0 && n < COUNT_OF(kept))
                kept[n++] = va;
    const mmu_va large = rig.os->plan->layout.page_offset + 0x8000000;
    struct mmu_os_lookup found;
    for (va = large; kernel_lookup(rig.os, va, &found) && found.page_shift == 12; va -= 0x200000)
        ;
    assert_int_equal(mmu_os_set_memory(rig.os, va + 0x3000, 1, MMU_SET_MEMORY_RO), MMU_OS_EXHAUSTED);
    assert_string_equal(mmu_os_report(rig.os)->call, "split_large_page");
    assert_true(can(&rig, va + 0x3000, MMU_STORE));
    assert_int_equal(level_of(&rig, va), 21);
    /* The second split fails: what the first has changed is taken back. */
    while (level_of(&rig, va - 0x1000) == 21) {
        assert_true(n > 0);
        assert_int_equal(mmu_os_free_pages_at(rig.os, kept[--n], 0), MMU_OS_DONE);
        mmu_os_drain(rig.os);
        assert_int_equal(mmu_os_set_memory(rig.os, va - 0x1000, 2, MMU_SET_MEMORY_RO), MMU_OS_EXHAUSTED);
    }
    assert_true(can(&rig, va - 0x1000, MMU_STORE) && can(&rig, va, MMU_STORE));
    assert_int_equal(level_of(&rig, va - 0x1000), 12);
    assert_int_equal(level_of(&rig, va), 21);
    rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_back_again),
        cmocka_unit_test(test_not_present_vmalloc),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_pat_bit_moves),
        cmocka_unit_test(test_large_after_small),
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_protections),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_exhaustion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
