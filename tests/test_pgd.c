/*
 * test_pgd.c: what every process shares of the kernel and what it has for itself: page directories made and
 * freed, changes of the kernel part seen by all, user pages, KPTI's halves, SMEP and SMAP.
 */
#include "kspace_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { USER_PAGE = 0x8048000 };

static const struct machine {
    const char *cpu, *os;
} machines[] = {
    {CPU_386, "{arch: i386, ram: 64M}"},
    {CPU_P3, "{arch: i386, ram: 1536M}"},
    {CPU_P3, "{arch: i386, ram: 1G, vmalloc-sync: lazy}"},
    {CPU_P3, "{arch: i386_pae, ram: 1536M}"},
    {CPU_NX, "{arch: i386_pae, ram: 1G, split: 2G/2G, kpti: true}"},
    {CPU_NX, "{arch: i386_pae, ram: 1G, kpti: true, vmalloc-sync: lazy}"},
    {CPU_NX, "{arch: i386_pae, ram: 256M, split: 1G/3G, kpti: true}"},
    {CPU_NX, "{arch: i386_pae, ram: 256M, split: 1G/3G}"},
    {CPU_K8, "{arch: x86_64, ram: 512M}"},
    {CPU_NHM, "{arch: x86_64, ram: 512M, kpti: true}"},
    {CPU_ICX, "{arch: x86_64, ram: 512M}"},
    {CPU_ICX, "{arch: x86_64_la57, ram: 512M, kpti: true}"},
};

static uint64_t free_pages_now(struct kspace_rig *rig)
{
    struct mmu_os_totals t;
    mmu_os_shrink_slabs(rig->os);
    mmu_os_totals(rig->os, &t);
    return t.free + t.pcp_free;
}

/* All that a page directory took comes back with it. */
static void test_alloc_free(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        struct mmu_os_pgd *p[20];
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        const uint64_t before = free_pages_now(&rig), tables = kspace_tables(rig.os);
        mmu_pfn pfn = rig_new_page(&rig);
        for (size_t i = 0; i < COUNT_OF(p); i++) {
            p[i] = rig_new_pgd(&rig);
            assert_int_equal(mmu_os_map_user(rig.os, p[i], USER_PAGE + i * 0x400000, pfn, 0), MMU_OS_DONE);
        }
        mmu_os_check(rig.os);
        assert_int_equal(mmu_os_free_pages(rig.os, pfn, 0), MMU_OS_BUG); /* mapped */
        for (size_t i = 0; i < COUNT_OF(p); i++)
            assert_int_equal(mmu_os_pgd_free(rig.os, p[(i * 7) % COUNT_OF(p)]), MMU_OS_DONE);
        assert_int_equal(mmu_os_free_pages(rig.os, pfn, 0), MMU_OS_DONE);
        assert_int_equal(kspace_tables(rig.os), tables);
        assert_int_equal(free_pages_now(&rig), before);
        assert_int_equal(mmu_os_pgd_free(rig.os, mmu_os_swapper(rig.os)), MMU_OS_REFUSED);
        rig_free(&rig);
    }
}

/* Which tables are shared, as each architecture does it. */
static void test_sharing(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        struct mmu_os_pgd *a = rig_new_pgd(&rig), *init = mmu_os_swapper(rig.os);
        const struct kspace_traits *t = &rig.os->kspace->traits;
        const unsigned top = t->form->levels;
        struct mmu_os_lookup own, inits;
        const mmu_va va = rig.os->plan->layout.page_offset + 0x123000;
        assert_int_equal(mmu_os_lookup(rig.os, a, false, va, &own), MMU_OS_DONE);
        assert_int_equal(mmu_os_lookup(rig.os, init, false, va, &inits), MMU_OS_DONE);
        assert_true(own.mapped && own.pa == 0x123000);
        /* The entry at which the two part is the top one; with KPTI on PAE the kernel's PMD is a copy too. */
        assert_int_not_equal(own.entry[top - 1].at, inits.entry[top - 1].at);
        assert_int_equal(own.entry[top - 1].value == inits.entry[top - 1].value, !(top == 3 && t->kpti));
        for (unsigned level = 1; level < t->copied; level++)
            assert_int_equal(own.entry[level - 1].at, inits.entry[level - 1].at);
        const mmu_pa root = mmu_os_pgd_root(a, false), user = mmu_os_pgd_root(a, true);
        assert_int_equal(root % (top == 3 && !t->kpti ? 32 : 4096), 0);
        assert_int_equal(user, t->kpti ? root + 4096 : root);
        assert_int_equal(t->kpti ? root % 8192 : 0, 0);
        if (top == 3) /* the user part's PMDs stand from the start, empty */
            for (mmu_va at = 0; at < rig.os->plan->layout.page_offset; at += UINT64_C(1) << 30) {
                assert_int_equal(mmu_os_lookup(rig.os, a, false, at, &own), MMU_OS_DONE);
                assert_true(own.entry[2].present && !own.entry[1].present);
            }
        rig_free(&rig);
    }
}

/* The user half of KPTI: the entry area, the entry text, nothing else of the kernel. */
static void test_user_half(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        const struct layout *l = &rig.os->plan->layout;
        const struct kspace_image i = kspace_image(&rig.config);
        if (rig.os->kspace->traits.kpti) {
            struct mmu_os_pgd *a = rig_new_pgd(&rig);
            mmu_pfn pfn = rig_new_page(&rig);
            assert_int_equal(mmu_os_map_user(rig.os, a, USER_PAGE, pfn, MMU_OS_EXEC), MMU_OS_DONE);
            assert_int_equal(mmu_os_switch(rig.os, a, true), MMU_OS_DONE);
            assert_int_equal(mmu_core_get(rig_core(&rig), MMU_REG_CR3) & ~UINT64_C(0xfff),
                             mmu_os_pgd_root(a, true));
            assert_int_equal(rig_walk(&rig, l->page_offset + 0x5000).outcome, MMU_FAULT_PF);
            assert_int_equal(rig_walk(&rig, l->text_base + (i.data << PAGE_SHIFT)).outcome, MMU_FAULT_PF);
            assert_int_equal(rig_walk(&rig, l->cpu_entry_area).outcome, MMU_DONE);
            const mmu_va text = l->text_base + (((i.text_end & -UINT64_C(512)) - 512) << PAGE_SHIFT);
            const struct mmu_walk w = rig_walk(&rig, text);
            assert_true(w.outcome == MMU_DONE && w.global && !w.writable && !w.no_execute);
            /* User mode sees P = 0 where it is unmapped, a violation where it is not. */
            assert_int_equal(rig_access(&rig, l->page_offset + 0x5000, MMU_LOAD, MMU_USER).error_code,
                             MMU_PF_U);
            assert_int_equal(rig_access(&rig, l->cpu_entry_area, MMU_LOAD, MMU_USER).error_code,
                             MMU_PF_U | MMU_PF_P);
            assert_int_equal(rig_access(&rig, USER_PAGE, MMU_FETCH, MMU_USER).outcome, MMU_DONE);
            /* The kernel's half: all of the kernel, and on x86-64 user code that it cannot run. */
            assert_int_equal(mmu_os_switch(rig.os, a, false), MMU_OS_DONE);
            assert_int_equal(rig_walk(&rig, l->page_offset + 0x5000).outcome, MMU_DONE);
            struct mmu_os_lookup half[2];
            for (unsigned h = 0; h < 2; h++) {
                assert_int_equal(mmu_os_lookup(rig.os, a, h, USER_PAGE, &half[h]), MMU_OS_DONE);
                assert_int_equal(half[h].pa, pfn << PAGE_SHIFT);
            }
            const unsigned top = rig.os->kspace->traits.form->levels - 1u;
            assert_int_equal(half[0].entry[top].value >> 63, top >= 3 && rig.os->kspace->traits.nx);
            assert_int_equal(half[1].entry[top].value >> 63, 0);
            assert_int_equal(mmu_os_switch(rig.os, mmu_os_swapper(rig.os), false), MMU_OS_DONE);
        }
        rig_free(&rig);
    }
}

/* Rights of user pages, of the kernel against the user and of the user against the kernel. */
static void test_rights(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        struct mmu_os_pgd *a = rig_new_pgd(&rig);
        mmu_pfn ro = rig_new_page(&rig), rw = rig_new_page(&rig);
        const struct mmu_cpu *cpu = &rig.config.cpu;
        const bool nx = rig.os->kspace->traits.nx, kpti = rig.os->kspace->traits.kpti;
        assert_int_equal(mmu_os_map_user(rig.os, a, USER_PAGE, ro, MMU_OS_EXEC), MMU_OS_DONE);
        assert_int_equal(mmu_os_map_user(rig.os, a, USER_PAGE + 0x1000, rw, MMU_OS_WRITE), MMU_OS_DONE);
        assert_int_equal(mmu_os_switch(rig.os, a, true), MMU_OS_DONE);
        assert_int_equal(rig_access(&rig, USER_PAGE, MMU_FETCH, MMU_USER).pa, ro << PAGE_SHIFT);
        assert_int_equal(rig_access(&rig, USER_PAGE, MMU_STORE, MMU_USER).error_code,
                         MMU_PF_P | MMU_PF_W | MMU_PF_U);
        assert_int_equal(rig_access(&rig, USER_PAGE + 0x1000, MMU_STORE, MMU_USER).pa, rw << PAGE_SHIFT);
        const struct mmu_result fetch = rig_access(&rig, USER_PAGE + 0x1000, MMU_FETCH, MMU_USER);
        assert_int_equal(fetch.outcome, nx ? MMU_FAULT_PF : MMU_DONE);
        assert_int_equal(rig_access(&rig, USER_PAGE + 0x2000, MMU_LOAD, MMU_USER).error_code, MMU_PF_U);

        assert_int_equal(mmu_os_switch(rig.os, a, false), MMU_OS_DONE);
        const mmu_va kernel = rig.os->plan->layout.page_offset + 0x6000;
        const struct mmu_result user = rig_access(&rig, kernel, MMU_STORE, MMU_USER);
        assert_int_equal(user.outcome, MMU_FAULT_PF);
        assert_int_equal(user.error_code, MMU_PF_P | MMU_PF_W | MMU_PF_U);
        assert_int_equal(user.cr2, kernel);
        assert_true(rig_access(&rig, kernel, MMU_STORE, MMU_SUPERVISOR).outcome == MMU_DONE);
        /* SMAP, lifted by EFLAGS.AC; SMEP. */
        struct mmu_result r = rig_access(&rig, USER_PAGE + 0x1000, MMU_LOAD, MMU_SUPERVISOR);
        assert_int_equal(r.outcome, cpu->smap ? MMU_FAULT_PF : MMU_DONE);
        assert_int_equal(r.error_code, cpu->smap ? MMU_PF_P : 0);
        assert_int_equal(mmu_core_set(rig_core(&rig), MMU_REG_AC, 1), MMU_DONE);
        assert_int_equal(rig_access(&rig, USER_PAGE + 0x1000, MMU_STORE, MMU_SUPERVISOR).outcome, MMU_DONE);
        assert_int_equal(mmu_core_set(rig_core(&rig), MMU_REG_AC, 0), MMU_DONE);
        const bool denied = cpu->smep || (kpti && nx && rig.os->plan->layout.wide);
        r = rig_access(&rig, USER_PAGE, MMU_FETCH, MMU_SUPERVISOR);
        assert_int_equal(r.outcome, denied ? MMU_FAULT_PF : MMU_DONE);
        assert_int_equal(r.error_code, denied ? MMU_PF_P | MMU_PF_I : 0);
        assert_int_equal(mmu_os_switch(rig.os, mmu_os_swapper(rig.os), false), MMU_OS_DONE);
        rig_free(&rig);
    }
}

/* i386's user PTE tables lie in highmem; the page directory and the PMDs do not. */
static void test_highpte(void **state)
{
    static const struct machine high[] = {{CPU_P3, "{arch: i386, ram: 1536M}"},
                                          {CPU_P3, "{arch: i386_pae, ram: 2G}"}};
    (void)state;
    for (size_t m = 0; m < COUNT_OF(high); m++) {
        struct kspace_rig rig;
        struct mmu_os_lookup found;
        struct mmu_page_info info;
        struct mmu_stats stats;
        rig_boot(&rig, high[m].cpu, 1, high[m].os);
        struct mmu_os_pgd *a = rig_new_pgd(&rig);
        assert_int_equal(mmu_os_map_user(rig.os, a, USER_PAGE, rig_new_page(&rig), 0), MMU_OS_DONE);
        assert_int_equal(mmu_os_lookup(rig.os, a, false, USER_PAGE, &found), MMU_OS_DONE);
        assert_int_equal(mmu_os_page(rig.os, found.entry[0].at >> PAGE_SHIFT, &info), MMU_OS_DONE);
        assert_int_equal(info.zone, MMU_ZONE_HIGHMEM);
        assert_int_equal(info.use, MMU_PAGE_TABLE);
        assert_int_equal(mmu_os_page(rig.os, found.entry[1].at >> PAGE_SHIFT, &info), MMU_OS_DONE);
        assert_true(info.zone != MMU_ZONE_HIGHMEM);
        mmu_core_stats(rig_core(&rig), &stats);
        assert_int_equal(stats.run.invlpg[0], 1); /* pte_unmap() */
        rig_free(&rig);
    }
}

/* A change of the kernel's part is seen by every page directory, made before it or after; lazily at the
 * kernel's first fault, which no user access resolves. */
static void test_vmalloc_seen(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        struct mmu_os_lookup found;
        mmu_va va;
        mmu_pfn pfn;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        struct mmu_os_pgd *p[3] = {rig_new_pgd(&rig), rig_new_pgd(&rig), NULL};
        assert_int_equal(mmu_os_vmalloc(rig.os, 3 * 4096, &va), MMU_OS_DONE);
        assert_int_equal(mmu_os_vmalloc_to_pfn(rig.os, va, &pfn), MMU_OS_DONE);
        p[2] = rig_new_pgd(&rig);
        const struct kspace *k = rig.os->kspace;
        const bool copies = k->traits.copied == 2; /* non-PAE, or PAE with KPTI: PDEs are copied */
        for (size_t i = 0; i < COUNT_OF(p); i++) {
            const bool waits = copies && k->lazy && i < 2;
            assert_int_equal(mmu_os_lookup(rig.os, p[i], false, va, &found), MMU_OS_DONE);
            assert_int_equal(found.mapped, !waits);
            assert_int_equal(mmu_os_switch(rig.os, p[i], false), MMU_OS_DONE);
            flush_all(rig.os); /* a global entry would serve all of them */
            struct mmu_result r = rig_access(&rig, va, MMU_LOAD, MMU_USER);
            assert_int_equal(r.outcome, MMU_FAULT_PF);
            assert_int_equal(r.error_code, waits ? MMU_PF_U : MMU_PF_U | MMU_PF_P);
            r = rig_access(&rig, va, MMU_STORE, MMU_SUPERVISOR);
            assert_int_equal(r.outcome, MMU_DONE);
            assert_int_equal(r.pa, pfn << PAGE_SHIFT);
            assert_int_equal(r.faults, waits);
            r = rig_access(&rig, va + 3 * 4096, MMU_LOAD, MMU_SUPERVISOR); /* the guard page */
            assert_int_equal(r.outcome, MMU_FAULT_PF);
            assert_int_equal(r.faults, 0);
        }
        assert_int_equal(mmu_os_vfree(rig.os, va), MMU_OS_DONE);
        mmu_os_vmalloc_purge(rig.os);
        for (size_t i = 0; i < COUNT_OF(p); i++) {
            assert_int_equal(mmu_os_switch(rig.os, p[i], false), MMU_OS_DONE);
            assert_int_equal(rig_access(&rig, va, MMU_LOAD, MMU_SUPERVISOR).outcome, MMU_FAULT_PF);
        }
        assert_int_equal(mmu_os_switch(rig.os, mmu_os_swapper(rig.os), false), MMU_OS_DONE);
        rig_free(&rig);
    }
}

/* So is a large page of the direct map that is split. */
static void test_split_seen(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        struct mmu_os_pgd *p[2] = {rig_new_pgd(&rig), rig_new_pgd(&rig)};
        mmu_va va;
        assert_int_equal(mmu_os_get_free_pages(rig.os, MMU_GFP_KERNEL, 1, &va), MMU_OS_DONE);
        for (size_t i = 0; i < COUNT_OF(p); i++) { /* every TLB holds the large page */
            assert_int_equal(mmu_os_switch(rig.os, p[i], false), MMU_OS_DONE);
            assert_int_equal(rig_access(&rig, va, MMU_STORE, MMU_SUPERVISOR).outcome, MMU_DONE);
        }
        assert_int_equal(mmu_os_set_memory(rig.os, va, 1, MMU_SET_MEMORY_RO), MMU_OS_DONE);
        for (size_t i = 0; i < COUNT_OF(p); i++) {
            assert_int_equal(mmu_os_switch(rig.os, p[i], false), MMU_OS_DONE);
            assert_int_equal(rig_access(&rig, va, MMU_STORE, MMU_SUPERVISOR).outcome,
                             rig.config.cpu.wp ? MMU_FAULT_PF : MMU_DONE);
            assert_int_equal(rig_access(&rig, va + 0x1000, MMU_STORE, MMU_SUPERVISOR).outcome, MMU_DONE);
        }
        mmu_os_check(rig.os);
        assert_int_equal(mmu_os_set_memory(rig.os, va, 1, MMU_SET_MEMORY_RW), MMU_OS_DONE);
        assert_int_equal(rig_access(&rig, va, MMU_STORE, MMU_SUPERVISOR).outcome, MMU_DONE);
        assert_int_equal(mmu_os_pgd_free(rig.os, p[1]), MMU_OS_REFUSED); /* loaded */
        assert_string_equal(mmu_os_report(rig.os)->call, "pgd_free");
        assert_int_equal(mmu_os_switch(rig.os, mmu_os_swapper(rig.os), false), MMU_OS_DONE);
        rig_free(&rig);
    }
}

/* Rights are given without a flush: the fault that a stale TLB entry raises is resolved by looking again,
 * in the kernel's part and in the user's; a real violation is not. */
static void test_spurious(void **state)
{
    (void)state;
    for (size_t m = 1; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        struct mmu_os_lookup found;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        struct mmu_os_pgd *a = rig_new_pgd(&rig);
        const unsigned bytes = rig.os->kspace->traits.form->entry_bytes;
        mmu_va va;
        assert_int_equal(mmu_os_map_user(rig.os, a, USER_PAGE, rig_new_page(&rig), 0), MMU_OS_DONE);
        assert_int_equal(mmu_os_get_free_pages(rig.os, MMU_GFP_KERNEL, 0, &va), MMU_OS_DONE);
        assert_int_equal(mmu_os_set_memory(rig.os, va, 1, MMU_SET_MEMORY_RO), MMU_OS_DONE);
        assert_int_equal(mmu_os_switch(rig.os, a, false), MMU_OS_DONE);
        const struct {
            mmu_va va;
            enum mmu_priv priv;
        } at[] = {{va, MMU_SUPERVISOR}, {USER_PAGE, MMU_USER}};
        for (size_t i = 0; i < COUNT_OF(at); i++) {
            assert_int_equal(rig_access(&rig, at[i].va, MMU_LOAD, at[i].priv).outcome, MMU_DONE);
            struct mmu_result r = rig_access(&rig, at[i].va, MMU_STORE, at[i].priv);
            assert_int_equal(r.outcome, MMU_FAULT_PF);
            assert_int_equal(r.faults, 0);
            assert_int_equal(rig_access(&rig, at[i].va, MMU_LOAD, at[i].priv).outcome, MMU_DONE);
            assert_int_equal(mmu_os_lookup(rig.os, a, false, at[i].va, &found), MMU_OS_DONE);
            const uint64_t entry = found.entry[0].value | PTE_W;
            const uint32_t code = MMU_PF_P | MMU_PF_W | (at[i].priv == MMU_USER ? MMU_PF_U : 0u);
            assert_false(os_fault(rig.os, 0, at[i].va, code, at[i].priv));
            assert_int_equal(mmu_machine_write(rig.machine, found.entry[0].at, &entry, bytes), MMU_OK);
            assert_true(os_fault(rig.os, 0, at[i].va, code, at[i].priv));
            assert_false(os_fault(rig.os, 0, at[i].va, code | MMU_PF_RSVD, at[i].priv));
            r = rig_access(&rig, at[i].va, MMU_STORE, at[i].priv);
            assert_int_equal(r.outcome, MMU_DONE);
            assert_int_equal(r.faults, 1);
        }
        assert_int_equal(mmu_os_switch(rig.os, mmu_os_swapper(rig.os), false), MMU_OS_DONE);
        rig_free(&rig);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        struct mmu_os_lookup found;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        struct mmu_os_pgd *a = rig_new_pgd(&rig), *init = mmu_os_swapper(rig.os);
        mmu_pfn pfn = rig_new_page(&rig), out = 7;
        const mmu_va end = rig.os->plan->layout.task_size;
        assert_int_equal(mmu_os_map_user(rig.os, a, end - 4096, pfn, 0), MMU_OS_DONE);
        assert_int_equal(mmu_os_map_user(rig.os, a, end - 4096, pfn, 0), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_map_user(rig.os, a, end, pfn, 0), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_map_user(rig.os, a, UINT64_MAX & ~PAGE_MASK, pfn, 0), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_map_user(rig.os, a, 0x1234, pfn, 0), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_map_user(rig.os, a, 0x1000, pfn, 64), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_map_user(rig.os, init, 0x1000, pfn, 0), MMU_OS_REFUSED);
        const mmu_pfn foreign[] = {
            0,          rig.os->plan->memmap.max_pfn,   UINT64_C(1) << 52,
            UINT64_MAX, kspace_image(&rig.config).text, mmu_os_pgd_root(init, false) >> PAGE_SHIFT};
        for (size_t i = 0; i < COUNT_OF(foreign); i++)
            assert_int_equal(mmu_os_map_user(rig.os, a, 0x1000, foreign[i], 0), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_unmap_user(rig.os, a, 0x1000, &out), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_unmap_user(rig.os, a, rig.os->plan->layout.page_offset, &out),
                         MMU_OS_REFUSED);
        assert_int_equal(out, 7);
        assert_int_equal(mmu_os_unmap_user(rig.os, a, end - 4096, &out), MMU_OS_DONE);
        assert_int_equal(out, pfn);
        assert_int_equal(mmu_os_lookup(rig.os, a, false, UINT64_C(1) << 62, &found), MMU_OS_REFUSED);
        assert_int_equal(mmu_os_lookup(rig.os, a, false, end - 4096, &found), MMU_OS_DONE);
        assert_false(found.mapped);
        rig_free(&rig);
    }
}

/* No memory: an outcome, and nothing is left behind. */
static void test_exhaustion(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        mmu_pfn pfn;
        struct mmu_os_pgd *p = NULL;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        for (unsigned order = MMU_OS_ORDERS; order-- > 0;)
            while (mmu_os_alloc_pages(rig.os, MMU_GFP_KERNEL, order, &pfn) == MMU_OS_DONE)
                ;
        while (mmu_os_alloc_pages(rig.os, MMU_GFP_KERNEL, 0, &pfn) == MMU_OS_DONE)
            ;
        const uint64_t tables = kspace_tables(rig.os);
        int status;
        for (unsigned i = 0; (status = mmu_os_pgd_alloc(rig.os, &p)) == MMU_OS_DONE && i < 1000; i++)
            ; /* PAE's 32 bytes may come from a slab that has room; its PMDs do not */
        assert_int_equal(status, MMU_OS_EXHAUSTED);
        assert_true(kspace_tables(rig.os) == tables || p);
        rig_free(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc_free), cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_user_half),  cmocka_unit_test(test_rights),
        cmocka_unit_test(test_highpte),    cmocka_unit_test(test_vmalloc_seen),
        cmocka_unit_test(test_split_seen), cmocka_unit_test(test_spurious),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_exhaustion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
