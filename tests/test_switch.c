/*
 * test_switch.c: switches of page directories and the flushes between them: PCIDs as Linux chooses them, what
 * each flush costs which core, and that no CPU ever uses a stale translation, whatever was done in between.
 */
#include "kspace_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>

enum { USER_PAGE = 0x8048000 };

static void go(struct kspace_rig *rig, struct mmu_os_pgd *p, bool user)
{
    assert_int_equal(mmu_os_switch(rig->os, p, user), MMU_OS_DONE);
}

static struct mmu_run_stats counts(struct kspace_rig *rig, uint32_t cpu)
{
    static struct mmu_stats stats;
    mmu_core_stats(mmu_machine_core(rig->machine, cpu), &stats);
    return stats.run;
}

/* Six ASIDs in turn; a page directory that still has one keeps its translations. */
static void test_asids(void **state)
{
    (void)state;
    for (unsigned kpti = 0; kpti < 2; kpti++) {
        struct kspace_rig rig;
        struct mmu_os_pgd *p[7];
        rig_boot(&rig, CPU_NHM, 1,
                 kpti ? "{arch: x86_64, ram: 256M, kpti: true}" : "{arch: x86_64, ram: 256M}");
        mmu_pfn pfn[7];
        for (size_t i = 0; i < COUNT_OF(p); i++) {
            p[i] = rig_new_pgd(&rig);
            pfn[i] = rig_new_page(&rig);
            assert_int_equal(mmu_os_map_user(rig.os, p[i], USER_PAGE, pfn[i], MMU_OS_WRITE), MMU_OS_DONE);
        }
        /* init_mm has ASID 0; those that follow 1 to 5, then 0 again. */
        static const unsigned asid[] = {1, 2, 3, 4, 5, 0, 1};
        for (size_t i = 0; i < COUNT_OF(p); i++) {
            go(&rig, p[i], true);
            const uint64_t pcid = (asid[i] + 1) | (kpti ? 0x800 : 0);
            assert_int_equal(mmu_core_get(rig_core(&rig), MMU_REG_CR3), mmu_os_pgd_root(p[i], true) | pcid);
            assert_true(rig_access(&rig, USER_PAGE, MMU_STORE, MMU_USER).pa == pfn[i] << PAGE_SHIFT);
        }
        /* p[2] still has ASID 3: its entry is hit. p[0] lost its to p[6]. */
        go(&rig, p[2], true);
        struct mmu_result r = rig_access(&rig, USER_PAGE, MMU_LOAD, MMU_USER);
        assert_true(r.where == MMU_AT_L1 && r.pa == pfn[2] << PAGE_SHIFT);
        go(&rig, p[0], true);
        assert_int_equal(mmu_core_get(rig_core(&rig), MMU_REG_CR3) & 7, 3); /* the next in turn: ASID 2 */
        r = rig_access(&rig, USER_PAGE, MMU_LOAD, MMU_USER);
        assert_true(r.where == MMU_AT_WALK && r.pa == pfn[0] << PAGE_SHIFT);
        /* The same again: no load of CR3 at all. */
        const uint64_t loads = counts(&rig, 0).mov_cr[0];
        go(&rig, p[0], true);
        assert_int_equal(counts(&rig, 0).mov_cr[0], loads);
        go(&rig, mmu_os_swapper(rig.os), false);
        rig_free(&rig);
    }
}

/* An unmap flushes where the page directory is loaded, with one INVLPG there; a CPU that left it finds out
 * when it returns. */
static void test_deferred(void **state)
{
    (void)state;
    struct kspace_rig rig;
    rig_boot(&rig, CPU_NHM, 3, "{arch: x86_64, ram: 256M}");
    struct mmu_os_pgd *a = rig_new_pgd(&rig), *b = rig_new_pgd(&rig);
    const mmu_pfn first = rig_new_page(&rig), second = rig_new_page(&rig);
    assert_int_equal(mmu_os_map_user(rig.os, a, USER_PAGE, first, 0), MMU_OS_DONE);
    for (uint32_t cpu = 0; cpu < 3; cpu++) {
        mmu_os_run_on(rig.os, cpu);
        go(&rig, a, true);
        assert_int_equal(rig_access(&rig, USER_PAGE, MMU_LOAD, MMU_USER).pa, first << PAGE_SHIFT);
    }
    go(&rig, b, true); /* CPU 2 goes away */
    mmu_os_run_on(rig.os, 0);
    struct mmu_run_stats before[3], after[3];
    for (uint32_t cpu = 0; cpu < 3; cpu++)
        before[cpu] = counts(&rig, cpu);
    assert_int_equal(mmu_os_unmap_user(rig.os, a, USER_PAGE, NULL), MMU_OS_DONE);
    for (uint32_t cpu = 0; cpu < 3; cpu++)
        after[cpu] = counts(&rig, cpu);
    for (uint32_t cpu = 0; cpu < 3; cpu++) {
        assert_int_equal(after[cpu].invlpg[0] - before[cpu].invlpg[0], cpu < 2);
        assert_int_equal(after[cpu].mov_cr[0], before[cpu].mov_cr[0]);
    }
    assert_int_equal(mmu_os_map_user(rig.os, a, USER_PAGE, second, 0), MMU_OS_DONE);
    for (uint32_t cpu = 0; cpu < 3; cpu++) {
        mmu_os_run_on(rig.os, cpu);
        go(&rig, a, true);
        assert_int_equal(rig_access(&rig, USER_PAGE, MMU_LOAD, MMU_USER).pa, second << PAGE_SHIFT);
    }
    go(&rig, b, true); /* gone again, and nothing is flushed: nothing to find out on return */
    go(&rig, a, true);
    assert_int_equal(rig_access(&rig, USER_PAGE, MMU_LOAD, MMU_USER).where, MMU_AT_L1);
    for (uint32_t cpu = 0; cpu < 3; cpu++) {
        mmu_os_run_on(rig.os, cpu);
        go(&rig, mmu_os_swapper(rig.os), false);
    }
    rig_free(&rig);
}

/* Ranges of user pages: up to 33 strides page by page, more at once; only if nothing else was missed. */
static void test_ceiling(void **state)
{
    (void)state;
    struct kspace_rig rig;
    rig_boot(&rig, CPU_K8, 1, "{arch: x86_64, ram: 256M}");
    struct mmu_os_pgd *a = rig_new_pgd(&rig);
    go(&rig, a, false);
    const struct {
        uint64_t pages, invlpg, mov_cr;
    } range[] = {{1, 1, 0}, {33, 33, 0}, {34, 0, 1}, {100000, 0, 1}};
    for (size_t i = 0; i < COUNT_OF(range); i++) {
        const struct mmu_run_stats before = counts(&rig, 0);
        flush_mm_range(rig.os, a, USER_PAGE, USER_PAGE + range[i].pages * PAGE_SIZE, PAGE_SHIFT);
        const struct mmu_run_stats after = counts(&rig, 0);
        assert_int_equal(after.invlpg[0] - before.invlpg[0], range[i].invlpg);
        assert_int_equal(after.mov_cr[0] - before.mov_cr[0], range[i].mov_cr);
    }
    go(&rig, mmu_os_swapper(rig.os), false);
    rig_free(&rig);
}

/* Kernel ranges: every CPU, page by page or everything, by what the processor has. */
static void test_kernel_ranges(void **state)
{
    static const struct {
        const char *cpu, *os;
        uint64_t pages, invlpg, mov_cr, invpcid;
    } flush[] = {
        {CPU_386, "{arch: i386, ram: 64M}", 2, 0, 2, 0}, /* no INVLPG: CR3 for each */
        {CPU_486, "{arch: i386, ram: 64M}", 33, 33, 0, 0},
        {CPU_486, "{arch: i386, ram: 64M}", 34, 0, 1, 0},
        {CPU_P3, "{arch: i386, ram: 64M}", 34, 0, 2, 0}, /* CR4.PGE off and on */
        {CPU_NHM, "{arch: x86_64, ram: 64M}", 34, 0, 2, 0},
        {CPU_ICX, "{arch: x86_64, ram: 64M}", 34, 0, 0, 1},
        {CPU_ICX, "{arch: x86_64, ram: 64M}", 3, 3, 0, 0},
        {CPU_ICX, "{arch: x86_64, ram: 64M, kpti: true}", 3, 3, 0, 3}, /* the user half's PCID as well */
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(flush); i++) {
        struct kspace_rig rig;
        rig_boot(&rig, flush[i].cpu, 2, flush[i].os);
        struct mmu_run_stats before[2], after[2];
        for (uint32_t cpu = 0; cpu < 2; cpu++)
            before[cpu] = counts(&rig, cpu);
        const mmu_va va = rig.os->plan->layout.vmalloc_start;
        flush_kernel_range(rig.os, va, va + flush[i].pages * PAGE_SIZE);
        for (uint32_t cpu = 0; cpu < 2; cpu++) {
            after[cpu] = counts(&rig, cpu);
            assert_int_equal(after[cpu].invlpg[0] - before[cpu].invlpg[0], flush[i].invlpg);
            assert_int_equal(after[cpu].mov_cr[0] - before[cpu].mov_cr[0], flush[i].mov_cr);
            assert_int_equal(after[cpu].invpcid[0] - before[cpu].invpcid[0], flush[i].invpcid);
        }
        rig_free(&rig);
    }
}

/* A CPU in user mode, in the user half, enters the kernel for a flush and returns. */
static void test_user_mode(void **state)
{
    (void)state;
    struct kspace_rig rig;
    rig_boot(&rig, CPU_NHM, 2, "{arch: x86_64, ram: 256M, kpti: true}");
    struct mmu_os_pgd *a = rig_new_pgd(&rig);
    const mmu_pfn pfn = rig_new_page(&rig);
    assert_int_equal(mmu_os_map_user(rig.os, a, USER_PAGE, pfn, MMU_OS_WRITE), MMU_OS_DONE);
    go(&rig, a, true);
    assert_int_equal(rig_access(&rig, USER_PAGE, MMU_STORE, MMU_USER).outcome, MMU_DONE);
    assert_int_equal(mmu_core_set(rig_core(&rig), MMU_REG_CPL, 3), MMU_DONE);
    const uint64_t cr3 = mmu_core_get(rig_core(&rig), MMU_REG_CR3);
    mmu_os_run_on(rig.os, 1);
    const struct mmu_run_stats before = counts(&rig, 0);
    assert_int_equal(mmu_os_unmap_user(rig.os, a, USER_PAGE, NULL), MMU_OS_DONE);
    const struct mmu_run_stats after = counts(&rig, 0);
    assert_int_equal(after.invlpg[0] - before.invlpg[0], 1);
    assert_int_equal(after.mov_cr[0] - before.mov_cr[0], 2); /* in, and out with the user PCID flushed */
    mmu_os_run_on(rig.os, 0);
    assert_int_equal(mmu_core_get(rig_core(&rig), MMU_REG_CR3), cr3);
    assert_int_equal(mmu_core_get(rig_core(&rig), MMU_REG_CPL), 3);
    assert_int_equal(rig_access(&rig, USER_PAGE, MMU_LOAD, MMU_USER).outcome, MMU_FAULT_PF);
    go(&rig, mmu_os_swapper(rig.os), false);
    rig_free(&rig);
}

/* ----- random operations: what the MMU does is what the tables say ----- */

enum { CPUS = 3, SPACES = 8, PAGES = 24, AREAS = 6, BLOCK = 12 };

struct play {
    struct kspace_rig rig;
    uint64_t seed;
    struct mmu_os_pgd *space[SPACES];
    mmu_va area[AREAS];
    mmu_va block; /* of the direct map, for set_memory */
};

static unsigned dice(struct play *p, unsigned n)
{
    p->seed = p->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(p->seed >> 33) % n;
}

static mmu_va user_va(unsigned i)
{
    return USER_PAGE + (mmu_va)(i % 4) * 0x400000 + (i / 4) * 0x1000;
}

/* One access on this CPU against the tables of the half that it has loaded: never more than they grant (a
 * stale entry), and never less after the kernel had its turn. */
static void compare(struct play *p, mmu_va va)
{
    struct mmu_os *os = p->rig.os;
    const struct flush_cpu *c = &os->kspace->cpu[os->current];
    const enum mmu_kind kind = (enum mmu_kind)dice(p, MMU_KINDS);
    const enum mmu_priv priv = dice(p, 2) ? MMU_USER : MMU_SUPERVISOR;
    const struct mmu_result r = rig_access(&p->rig, va, kind, priv);
    struct mmu_access access = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(kind, priv)};
    struct mmu_walk walk;
    mmu_core_walk(rig_core(&p->rig), &access, &walk);
    struct mmu_os_lookup found;
    assert_int_equal(mmu_os_lookup(os, c->loaded, c->user, va, &found), MMU_OS_DONE);
    assert_int_equal(r.outcome, walk.outcome);
    if (r.outcome == MMU_DONE) {
        assert_true(found.mapped);
        assert_int_equal(r.pa, found.pa);
        assert_int_equal(r.pa, walk.pa);
    } else {
        assert_int_equal(r.error_code, walk.error_code);
    }
}

static void change_spaces(struct play *p)
{
    struct mmu_os *os = p->rig.os;
    struct mmu_os_pgd **s = &p->space[dice(p, SPACES)];
    mmu_pfn pfn;
    if (!*s) {
        assert_int_equal(mmu_os_pgd_alloc(os, s), MMU_OS_DONE);
    } else if (dice(p, 12) == 0) {
        for (unsigned i = 0; i < PAGES; i++)
            if (!(*s)->cpus && mmu_os_unmap_user(os, *s, user_va(i), &pfn) == MMU_OS_DONE)
                assert_int_equal(mmu_os_free_pages(os, pfn, 0), MMU_OS_DONE);
        int status = mmu_os_pgd_free(os, *s);
        if (status == MMU_OS_DONE)
            *s = NULL;
        else
            assert_int_equal(status, MMU_OS_REFUSED);
    } else if (dice(p, 2)) {
        pfn = rig_new_page(&p->rig);
        if (mmu_os_map_user(os, *s, user_va(dice(p, PAGES)), pfn, dice(p, 4)) != MMU_OS_DONE)
            assert_int_equal(mmu_os_free_pages(os, pfn, 0), MMU_OS_DONE);
    } else if (mmu_os_unmap_user(os, *s, user_va(dice(p, PAGES)), &pfn) == MMU_OS_DONE) {
        assert_int_equal(mmu_os_free_pages(os, pfn, 0), MMU_OS_DONE);
    }
}

static void change_kernel(struct play *p)
{
    struct mmu_os *os = p->rig.os;
    mmu_va *area = &p->area[dice(p, AREAS)];
    if (dice(p, 3) == 0) {
        const enum mmu_os_change what = (enum mmu_os_change)dice(p, MMU_SET_MEMORY_P + 1);
        assert_int_equal(mmu_os_set_memory(os, p->block + dice(p, BLOCK) * 0x1000, 1 + dice(p, 8), what),
                         MMU_OS_DONE);
    } else if (!*area) {
        assert_int_equal(mmu_os_vmalloc(os, (1 + dice(p, 40)) * 4096, area), MMU_OS_DONE);
    } else {
        assert_int_equal(mmu_os_vfree(os, *area), MMU_OS_DONE);
        *area = 0;
        if (dice(p, 2))
            mmu_os_vmalloc_purge(os);
    }
}

static void step(struct play *p)
{
    struct mmu_os *os = p->rig.os;
    mmu_os_run_on(os, dice(p, CPUS));
    const struct flush_cpu *c = &os->kspace->cpu[os->current];
    const unsigned what = dice(p, 16);
    if (what < 2) {
        struct mmu_os_pgd *s = p->space[dice(p, SPACES)];
        go(&p->rig, s ? s : mmu_os_swapper(os), dice(p, 2));
    } else if (what < 4) {
        change_spaces(p);
    } else if (what < 5) {
        change_kernel(p);
    } else if (what < 11) {
        compare(p, user_va(dice(p, PAGES)));
    } else {
        /* Areas that were freed keep stale entries until the purge: only live ones are asked for. Lazily
         * synchronised entries appear at a supervisor's access. */
        const mmu_va area = p->area[dice(p, AREAS)];
        const bool copied = os->kspace->lazy && os->kspace->traits.copied == 2;
        if (area && !copied)
            compare(p, area);
        else if (area && !c->user)
            assert_true(rig_access(&p->rig, area, MMU_STORE, MMU_SUPERVISOR).outcome == MMU_DONE);
        compare(p, p->block + dice(p, BLOCK) * 0x1000);
    }
}

static void test_random(void **state)
{
    static const struct {
        const char *cpu, *os;
    } machines[] = {
        {CPU_386, "{arch: i386, ram: 64M}"},
        {CPU_P3, "{arch: i386, ram: 1G}"},
        {CPU_P3, "{arch: i386, ram: 1G, vmalloc-sync: lazy}"},
        {CPU_NX, "{arch: i386_pae, ram: 1G}"},
        {CPU_NX, "{arch: i386_pae, ram: 1G, kpti: true}"},
        {CPU_NX, "{arch: i386_pae, ram: 512M, kpti: true, vmalloc-sync: lazy}"},
        {CPU_K8, "{arch: x86_64, ram: 256M}"},
        {CPU_K8, "{arch: x86_64, ram: 256M, kpti: true}"},
        {CPU_NHM, "{arch: x86_64, ram: 256M}"},
        {CPU_NHM, "{arch: x86_64, ram: 256M, kpti: true}"},
        {CPU_ICX, "{arch: x86_64, ram: 256M, kpti: true}"},
        {CPU_ICX, "{arch: x86_64_la57, ram: 256M}"},
    };
    (void)state;
    const char *seed = getenv("MMUSIM_SEED"), *rounds = getenv("MMUSIM_ROUNDS");
    const unsigned long steps = rounds ? strtoul(rounds, NULL, 0) : 6000;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct play p = {.seed = (seed ? strtoull(seed, NULL, 0) : 20250512) + m};
        print_message("%s [%s] MMUSIM_SEED=%llu\n", machines[m].os, machines[m].cpu,
                      (unsigned long long)(p.seed - m));
        rig_boot(&p.rig, machines[m].cpu, CPUS, machines[m].os);
        assert_int_equal(mmu_os_get_free_pages(p.rig.os, MMU_GFP_KERNEL, 10, &p.block), MMU_OS_DONE);
        for (unsigned long i = 0; i < steps; i++) {
            step(&p);
            if (i % 500 == 0)
                mmu_os_check(p.rig.os);
        }
        for (uint32_t cpu = 0; cpu < CPUS; cpu++)
            mmu_core_check(mmu_machine_core(p.rig.machine, cpu));
        rig_free(&p.rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asids),     cmocka_unit_test(test_deferred),
        cmocka_unit_test(test_ceiling),   cmocka_unit_test(test_kernel_ranges),
        cmocka_unit_test(test_user_mode), cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
