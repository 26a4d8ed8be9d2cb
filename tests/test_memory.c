/* test_memory.c: pages of address spaces one rule at a time: copy-on-write across generations, rights that
 * come back, shared memory, moved pages, views of pages, memory that runs out, the kernel's own accesses. */
#include "kspace_rig.h"
#include <mmusim/process.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { PAGE = 4096, RW = MMU_PROT_READ | MMU_PROT_WRITE, ANON = MMU_MAP_PRIVATE | MMU_MAP_ANONYMOUS };

static const struct {
    const char *cpu, *os;
} machines[] = {
    {CPU_P3, "{arch: i386, ram: 64M}"},
    {CPU_NX, "{arch: i386_pae, ram: 1100M}"},
    {CPU_NHM, "{arch: x86_64, ram: 96M, kpti: true}"},
    {CPU_ICX, "{arch: x86_64_la57, ram: 96M}"},
};

struct world {
    struct kspace_rig rig;
    struct mmu_os *os;
    uint32_t pid;
};

static void begin(struct world *w, unsigned machine)
{
    rig_boot(&w->rig, machines[machine].cpu, 1, machines[machine].os);
    w->os = w->rig.os;
    assert_int_equal(mmu_os_spawn(w->os, "probe", &w->pid), MMU_OS_DONE);
    assert_int_equal(mmu_os_schedule(w->os, w->pid), MMU_OS_DONE);
}

static enum mmu_outcome act(struct world *w, mmu_va va, enum mmu_kind kind, enum mmu_priv priv)
{
    struct mmu_access a = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(kind, priv)};
    struct mmu_result r;
    assert_int_equal(mmu_core_run(rig_core(&w->rig), &a, 1, &r), MMU_OK);
    return r.outcome;
}

static bool can(struct world *w, mmu_va va, enum mmu_kind kind)
{
    return act(w, va, kind, MMU_USER) == MMU_DONE;
}

static enum mmu_os_signal_kind signal_of(struct world *w)
{
    struct mmu_os_signal s;
    mmu_os_signal(w->os, 0, &s);
    return (enum mmu_os_signal_kind)s.kind;
}

static mmu_va map(struct world *w, uint64_t pages, int prot, int flags)
{
    mmu_va va = 0;
    assert_int_equal(mmu_os_mmap(w->os, w->pid, 0, pages * PAGE, prot, flags, 0, 0, &va), MMU_OS_DONE);
    return va;
}

static uint64_t pagemap(struct world *w, uint32_t pid, mmu_va va)
{
    uint64_t entry;
    assert_int_equal(mmu_os_pagemap(w->os, pid, va, 1, &entry), MMU_OS_DONE);
    return entry;
}

static mmu_pfn pfn_of(struct world *w, uint32_t pid, mmu_va va)
{
    return pagemap(w, pid, va) & ((UINT64_C(1) << 55) - 1);
}

static struct mmu_os_vmstat vmstat(struct world *w)
{
    struct mmu_os_vmstat stat;
    mmu_os_vmstat(w->os, &stat);
    return stat;
}

static void rights_come_back_without_a_fault(void **state)
{
    (void)state;
    for (unsigned m = 0; m < COUNT_OF(machines); m++) {
        struct world w;
        begin(&w, m);
        mmu_va va = map(&w, 2, RW, ANON);
        assert_true(can(&w, va, MMU_STORE));
        mmu_pfn pfn = pfn_of(&w, w.pid, va);
        assert_int_equal(mmu_os_mprotect(w.os, w.pid, va, 2 * PAGE, MMU_PROT_NONE), MMU_OS_DONE);
        mmu_os_check(w.os);
        assert_int_equal(pfn_of(&w, w.pid, va), pfn); /* kept, and pagemap says so */
        assert_false(can(&w, va, MMU_LOAD));
        assert_int_equal(signal_of(&w), MMU_SIG_SEGV_ACCERR);
        assert_int_equal(mmu_os_mprotect(w.os, w.pid, va, 2 * PAGE, RW), MMU_OS_DONE);
        uint64_t faults = vmstat(&w).pgfault;
        assert_true(can(&w, va, MMU_STORE)); /* dirty and exclusive: writable at once */
        assert_int_equal(vmstat(&w).pgfault, faults);
        assert_int_equal(pfn_of(&w, w.pid, va), pfn);
        rig_free(&w.rig);
    }
}

struct places {
    unsigned n;
    uint32_t pids;
};

static void count_place(void *ctx, const struct mmu_os_mapping *where)
{
    struct places *p = ctx;
    p->n++;
    p->pids += where->pid;
    assert_true(where->entry & 1);
}

static void generations_share_a_page_until_they_write(void **state)
{
    (void)state;
    for (unsigned m = 0; m < COUNT_OF(machines); m++) {
        struct world w;
        uint32_t pid[8];
        begin(&w, m);
        mmu_va va = map(&w, 1, RW, ANON);
        assert_int_equal(mmu_os_poke(w.os, w.pid, va, "first", 6), MMU_OS_DONE);
        mmu_pfn pfn = pfn_of(&w, w.pid, va);
        pid[0] = w.pid;
        for (unsigned i = 1; i < COUNT_OF(pid); i++)
            assert_int_equal(mmu_os_fork(w.os, pid[i - 1], &pid[i]), MMU_OS_DONE);
        struct places p = {0};
        mmu_os_rmap(w.os, pfn, count_place, &p);
        assert_int_equal(p.n, COUNT_OF(pid));
        mmu_os_check(w.os);
        for (unsigned i = 0; i < COUNT_OF(pid); i++) { /* all but the last one copy */
            char text[8];
            assert_int_equal(mmu_os_kpagecount(w.os, pfn), COUNT_OF(pid) - i);
            assert_int_equal(mmu_os_peek(w.os, pid[i], va, text, 6), MMU_OS_DONE);
            assert_string_equal(text, "first");
            assert_int_equal(mmu_os_poke(w.os, pid[i], va, "other", 6), MMU_OS_DONE);
            assert_int_equal(pfn_of(&w, pid[i], va) == pfn, i + 1 == COUNT_OF(pid));
        }
        assert_int_equal(vmstat(&w).fault_cow, COUNT_OF(pid) - 1);
        assert_int_equal(vmstat(&w).fault_reuse, 1);
        rig_free(&w.rig);
    }
}

static void shared_memory_is_one(void **state)
{
    (void)state;
    for (unsigned m = 0; m < COUNT_OF(machines); m++) {
        struct world w;
        uint32_t child;
        struct mmu_os_task t;
        char text[8] = "";
        begin(&w, m);
        mmu_va va = map(&w, 4, RW, MMU_MAP_SHARED | MMU_MAP_ANONYMOUS);
        assert_int_equal(mmu_os_fork(w.os, w.pid, &child), MMU_OS_DONE);
        assert_int_equal(mmu_os_poke(w.os, child, va + PAGE, "hello", 6), MMU_OS_DONE);
        assert_int_equal(mmu_os_peek(w.os, w.pid, va + PAGE, text, 6), MMU_OS_DONE);
        assert_string_equal(text, "hello");
        assert_int_equal(pfn_of(&w, w.pid, va + PAGE), pfn_of(&w, child, va + PAGE));
        assert_int_equal(mmu_os_task(w.os, w.pid, &t), MMU_OS_DONE);
        assert_int_equal(t.rss_shmem, 1);
        assert_true(pagemap(&w, child, va + PAGE) >> 61 & 1); /* PM_FILE */
        assert_int_equal(mmu_os_exit(w.os, child), MMU_OS_DONE);
        mmu_os_drop_caches(w.os); /* shared memory is no cache */
        assert_int_equal(mmu_os_peek(w.os, w.pid, va + PAGE, text, 6), MMU_OS_DONE);
        assert_string_equal(text, "hello");
        rig_free(&w.rig);
    }
}

static void pages_move_with_their_mapping(void **state)
{
    (void)state;
    for (unsigned m = 0; m < COUNT_OF(machines); m++) {
        struct world w;
        char text[8] = "";
        begin(&w, m);
        mmu_va va = map(&w, 600, RW, ANON), to; /* more than a table */
        assert_int_equal(mmu_os_poke(w.os, w.pid, va + 555 * PAGE, "moved", 6), MMU_OS_DONE);
        mmu_pfn pfn = pfn_of(&w, w.pid, va + 555 * PAGE);
        map(&w, 1, MMU_PROT_READ, ANON | MMU_MAP_POPULATE);
        assert_int_equal(mmu_os_mremap(w.os, w.pid, va, 600 * PAGE, 900 * PAGE, MMU_MREMAP_MAYMOVE, 0, &to),
                         MMU_OS_DONE);
        assert_int_equal(pfn_of(&w, w.pid, to + 555 * PAGE), pfn);
        assert_int_equal(mmu_os_peek(w.os, w.pid, to + 555 * PAGE, text, 6), MMU_OS_DONE);
        assert_string_equal(text, "moved");
        if (to != va)
            assert_false(can(&w, va + 555 * PAGE, MMU_LOAD) && to > va + 555 * PAGE);
        rig_free(&w.rig);
    }
}

/* As /proc/PID/pagemap and /proc/kpageflags of the recorded kernels have them. */
static void views_are_packed_as_linux_does(void **state)
{
    (void)state;
    for (unsigned m = 0; m < COUNT_OF(machines); m++) {
        struct world w;
        begin(&w, m);
        uint64_t soft = w.os->plan->layout.wide ? UINT64_C(1) << 55 : 0, present = UINT64_C(1) << 63;
        mmu_va va = map(&w, 4, RW, ANON), filled = map(&w, 2, RW, ANON | MMU_MAP_POPULATE);
        assert_true(can(&w, va, MMU_LOAD) && can(&w, va + PAGE, MMU_STORE));
        mmu_pfn zero = pfn_of(&w, w.pid, va), page = pfn_of(&w, w.pid, va + PAGE);
        assert_int_equal(pagemap(&w, w.pid, va), present | soft | zero);
        assert_int_equal(mmu_os_kpageflags(w.os, zero), UINT64_C(0x101000000));
        assert_int_equal(mmu_os_kpagecount(w.os, zero), 0);
        assert_int_equal(pagemap(&w, w.pid, va + PAGE), present | soft | UINT64_C(1) << 56 | page);
        assert_int_equal(mmu_os_kpageflags(w.os, page), UINT64_C(0x400005828));
        assert_int_equal(mmu_os_kpagecount(w.os, page), 1);
        assert_int_equal(pagemap(&w, w.pid, va + 2 * PAGE), soft);
        assert_int_equal(pagemap(&w, w.pid, 0x1000), 0);
        assert_int_equal(mmu_os_kpageflags(w.os, pfn_of(&w, w.pid, filled)), UINT64_C(0x40000582c));
        mmu_pfn block; /* KPF_BUDDY, of each page of a free block */
        assert_int_equal(mmu_os_alloc_pages(w.os, MMU_GFP_KERNEL, 2, &block), MMU_OS_DONE);
        assert_int_equal(mmu_os_kpageflags(w.os, block + 1), 0);
        assert_int_equal(mmu_os_free_pages(w.os, block, 2), MMU_OS_DONE);
        mmu_os_drain(w.os);
        for (mmu_pfn pfn = block; pfn < block + 4; pfn++)
            assert_int_equal(mmu_os_kpageflags(w.os, pfn), 0x400);
        rig_free(&w.rig);
    }
}

/* mm_pgtables_bytes(): PTE, PMD and PUD tables, also those that a page directory has from its beginning. */
static void tables_are_charged(void **state)
{
    (void)state;
    static const struct {
        const char *cpu, *os;
        unsigned none, one; /* pages of tables before the first page, with it */
    } kernels[] = {
        {CPU_P3, "{arch: i386, ram: 64M}", 0, 1},
        {CPU_NX, "{arch: i386_pae, ram: 1100M}", 3, 4},
        {CPU_NX, "{arch: i386_pae, ram: 1100M, kpti: true}", 5, 6}, /* the kernel's PMDs are not shared */
        {CPU_NHM, "{arch: x86_64, ram: 96M, kpti: true}", 0, 3},
        {CPU_ICX, "{arch: x86_64_la57, ram: 96M}", 0, 3}, /* and a P4D table */
    };
    for (unsigned k = 0; k < COUNT_OF(kernels); k++) {
        struct world w = {0};
        struct mmu_os_task task;
        rig_boot(&w.rig, kernels[k].cpu, 1, kernels[k].os);
        w.os = w.rig.os;
        assert_int_equal(mmu_os_spawn(w.os, "probe", &w.pid), MMU_OS_DONE);
        assert_int_equal(mmu_os_schedule(w.os, w.pid), MMU_OS_DONE);
        assert_int_equal(mmu_os_task(w.os, w.pid, &task), MMU_OS_DONE);
        assert_int_equal(task.page_table_bytes, (uint64_t)kernels[k].none * PAGE);
        mmu_va va = map(&w, 1, RW, ANON);
        assert_true(can(&w, va, MMU_STORE));
        assert_int_equal(mmu_os_task(w.os, w.pid, &task), MMU_OS_DONE);
        assert_int_equal(task.page_table_bytes, (uint64_t)kernels[k].one * PAGE);
        assert_int_equal(mmu_os_munmap(w.os, w.pid, va, PAGE), MMU_OS_DONE);
        rig_free(&w.rig);
    }
}

/* What may only be executed has a protection key that says so, where there are keys (execute_only_pkey()). */
static void only_fetches_may_be_made(void **state)
{
    (void)state;
    struct mmu_os_signal s;
    char text[16384];
    for (unsigned m = 2; m < COUNT_OF(machines); m++) { /* Ice Lake has keys, Nehalem none */
        struct world w;
        begin(&w, m);
        const bool keys = m == 3;
        const enum mmu_os_signal_kind denied = keys ? MMU_SIG_SEGV_PKUERR : MMU_SIG_NONE;
        mmu_va va = map(&w, 4, MMU_PROT_EXEC, ANON);
        assert_true(can(&w, va, MMU_FETCH));
        for (unsigned i = 0; i < 2; i++) { /* a page that is present, and one that is not */
            assert_int_equal(can(&w, va + i * PAGE, MMU_LOAD), !keys);
            mmu_os_signal(w.os, 0, &s);
            assert_int_equal(s.kind, denied);
            assert_int_equal(s.error_code, !keys ? 0 : i ? 0x4 : 0x25);
        }
        assert_int_equal(pagemap(&w, w.pid, va + PAGE) >> 63, !keys);
        assert_false(can(&w, va, MMU_STORE));
        assert_int_equal(signal_of(&w), keys ? MMU_SIG_SEGV_PKUERR : MMU_SIG_SEGV_ACCERR);
        int outcome = mmu_os_mlock(w.os, w.pid, va, PAGE, true);
        assert_int_equal(outcome, keys ? MMU_OS_ERROR : MMU_OS_DONE); /* as reads would be */
        mmu_os_task_view(w.os, w.pid, MMU_VIEW_SMAPS, text, sizeof text);
        assert_int_equal(strstr(text, "ProtectionKey:         1\n") != NULL, keys);
        assert_int_equal(mmu_os_mprotect(w.os, w.pid, va, PAGE, MMU_PROT_READ | MMU_PROT_EXEC), MMU_OS_DONE);
        assert_true(can(&w, va, MMU_LOAD) && can(&w, va, MMU_FETCH));
        assert_int_equal(mmu_os_mprotect(w.os, w.pid, va, PAGE, MMU_PROT_EXEC), MMU_OS_DONE);
        assert_int_equal(can(&w, va, MMU_LOAD), !keys);
        assert_int_equal(signal_of(&w), denied);
        assert_int_equal(act(&w, va, MMU_LOAD, MMU_SUPERVISOR) == MMU_DONE,
                         m == 2); /* ... -EFAULT, or SMAP */
        mmu_os_check(w.os);
        rig_free(&w.rig);
    }
}

/* KPF_MLOCKED and KPF_UNEVICTABLE, as long as any mapping of a page is locked. */
static void locked_pages_say_so(void **state)
{
    (void)state;
    const uint64_t locked = UINT64_C(1) << 33 | 1 << 18, active = 1 << 6, referenced = 1 << 2;
    struct world w;
    uint32_t child;
    begin(&w, 2);
    mmu_va va = map(&w, 2, RW, ANON | MMU_MAP_POPULATE);
    mmu_pfn pfn = pfn_of(&w, w.pid, va);
    assert_int_equal(mmu_os_kpageflags(w.os, pfn) & (locked | active | referenced), referenced);
    assert_int_equal(mmu_os_mlock(w.os, w.pid, va, PAGE, true), MMU_OS_DONE);
    assert_int_equal(mmu_os_kpageflags(w.os, pfn) & (locked | active | referenced), locked | referenced);
    assert_int_equal(mmu_os_kpageflags(w.os, pfn_of(&w, w.pid, va + PAGE)) & locked, 0);
    assert_int_equal(mmu_os_fork(w.os, w.pid, &child), MMU_OS_DONE); /* locks are not inherited: one of two */
    assert_int_equal(mmu_os_kpageflags(w.os, pfn) & locked, locked);
    assert_int_equal(mmu_os_exit(w.os, child), MMU_OS_DONE);
    assert_int_equal(mmu_os_mlock(w.os, w.pid, va, PAGE, false), MMU_OS_DONE);
    assert_int_equal(mmu_os_kpageflags(w.os, pfn) & locked, 0);
    rig_free(&w.rig);
}

/* madvise_free_pte_range(): a page that a fork shares is let go too, unless the page itself is dirty; one
 * that is mapped once is clean afterwards, whoever wrote to it. */
static void lazily_freed_pages_are_clean(void **state)
{
    (void)state;
    char text[8192];
    struct world w;
    uint32_t child;
    begin(&w, 2);
    const uint64_t value = 1;
    mmu_va va = map(&w, 4, RW, ANON);
    assert_true(can(&w, va, MMU_STORE));
    assert_int_equal(mmu_os_poke(w.os, w.pid, va + PAGE, &value, sizeof value), MMU_OS_DONE);
    assert_int_equal(mmu_os_fork(w.os, w.pid, &child), MMU_OS_DONE);
    assert_int_equal(mmu_os_poke(w.os, w.pid, va + 2 * PAGE, &value, sizeof value), MMU_OS_DONE);
    assert_int_equal(mmu_os_madvise(w.os, w.pid, va, 4 * PAGE, MMU_MADV_FREE), MMU_OS_DONE);
    mmu_os_task_view(w.os, w.pid, MMU_VIEW_SMAPS, text, sizeof text);
    assert_non_null(strstr(text, "LazyFree:              8 kB\n"));
    assert_non_null(strstr(text, "Private_Clean:         4 kB\n"));
    assert_non_null(strstr(text, "Shared_Clean:          4 kB\n"));
    assert_non_null(strstr(text, "Shared_Dirty:          4 kB\n"));
    mmu_os_check(w.os);
    rig_free(&w.rig);
}

static void memory_that_runs_out_is_an_outcome(void **state)
{
    (void)state;
    for (unsigned m = 0; m < COUNT_OF(machines); m++) {
        struct world w;
        struct mmu_os_totals t;
        uint32_t child;
        unsigned maps = 0;
        begin(&w, m);
        mmu_os_totals(w.os, &t);
        uint64_t pages = t.managed / 3, i = 0;
        mmu_va va[4] = {0};
        enum mmu_os_signal_kind sig = MMU_SIG_NONE;
        for (; maps < COUNT_OF(va) && sig == MMU_SIG_NONE; maps++) {
            va[maps] = map(&w, pages, RW, ANON);
            for (i = 0; i < pages && can(&w, va[maps] + i * PAGE, MMU_STORE); i++)
                ;
            sig = signal_of(&w);
        }
        assert_int_equal(sig, MMU_SIG_OOM);
        assert_int_equal(mmu_os_report(w.os)->outcome, MMU_OS_EXHAUSTED);
        assert_true(can(&w, va[0], MMU_STORE));        /* what is there stays */
        int status = mmu_os_fork(w.os, w.pid, &child); /* no room for the tables */
        assert_int_not_equal(status, MMU_OS_DONE);
        mmu_os_check(w.os);
        assert_int_equal(mmu_os_munmap(w.os, w.pid, va[0], pages * PAGE), MMU_OS_DONE);
        assert_int_equal(mmu_os_fork(w.os, w.pid, &child), MMU_OS_DONE);
        rig_free(&w.rig);
    }
}

static void the_kernel_fails_where_it_may_not_go(void **state)
{
    (void)state;
    for (unsigned m = 0; m < COUNT_OF(machines); m++) {
        struct world w;
        begin(&w, m);
        bool smap = mmu_core_get(rig_core(&w.rig), MMU_REG_CR4) & CR4_SMAP;
        mmu_va va = map(&w, 2, MMU_PROT_READ, ANON);
        assert_int_equal(mmu_core_set(rig_core(&w.rig), MMU_REG_AC, 1), MMU_DONE);
        assert_int_equal(act(&w, va, MMU_LOAD, MMU_SUPERVISOR), MMU_DONE); /* brought in for it, too */
        assert_int_equal(act(&w, va, MMU_STORE, MMU_SUPERVISOR), MMU_FAULT_PF);
        assert_int_equal(signal_of(&w), MMU_SIG_EFAULT);
        assert_int_equal(act(&w, 0x1000, MMU_LOAD, MMU_SUPERVISOR), MMU_FAULT_PF);
        assert_int_equal(signal_of(&w), MMU_SIG_EFAULT);
        assert_int_equal(mmu_core_set(rig_core(&w.rig), MMU_REG_AC, 0), MMU_DONE);
        assert_int_equal(act(&w, va + PAGE, MMU_LOAD, MMU_SUPERVISOR), smap ? MMU_FAULT_PF : MMU_DONE);
        assert_int_equal(signal_of(&w), smap ? MMU_SIG_OOPS : MMU_SIG_NONE);
        mmu_va wild = w.os->plan->layout.vmalloc_start + (UINT64_C(1) << 22);
        assert_int_equal(act(&w, wild, MMU_LOAD, MMU_SUPERVISOR), MMU_FAULT_PF);
        assert_int_equal(signal_of(&w), MMU_SIG_OOPS);
        assert_int_equal(act(&w, wild, MMU_LOAD, MMU_USER), MMU_FAULT_PF);
        assert_int_equal(signal_of(&w), MMU_SIG_SEGV_MAPERR);
        rig_free(&w.rig);
    }
}

static void an_address_says_why(void **state)
{
    (void)state;
    for (unsigned m = 0; m < COUNT_OF(machines); m++) {
        struct world w;
        struct mmu_os_why why;
        struct mmu_os_task t;
        uint32_t file;
        mmu_va anon, mapped;
        begin(&w, m);
        anon = map(&w, 3, RW, ANON);
        assert_int_equal(mmu_os_file(w.os, "data", NULL, 100 * PAGE, &file), MMU_OS_DONE);
        assert_int_equal(mmu_os_mmap(w.os, w.pid, 0, 100 * PAGE, RW, MMU_MAP_PRIVATE, file, 0, &mapped),
                         MMU_OS_DONE);
        assert_true(can(&w, anon, MMU_LOAD) && can(&w, anon + PAGE, MMU_STORE) && can(&w, mapped, MMU_LOAD));
        assert_int_equal(mmu_os_task(w.os, w.pid, &t), MMU_OS_DONE);
        mmu_va none = map(&w, 1, MMU_PROT_NONE, ANON);
        const struct {
            mmu_va va;
            enum mmu_why why;
            bool in_tlb;
        } expected[] = {
            {0x1000, MMU_WHY_UNALLOCATED, false},
            {anon, MMU_WHY_MAPPED_ZERO, true},
            {anon + PAGE, MMU_WHY_MAPPED, true},
            {anon + 2 * PAGE, MMU_WHY_UNTOUCHED, false},
            {mapped, MMU_WHY_MAPPED_COW, true},
            {mapped + PAGE, MMU_WHY_UNTOUCHED_FILE_CACHED, false},
            {mapped + 99 * PAGE, MMU_WHY_UNTOUCHED_FILE, false},
            {none, MMU_WHY_PROT_NONE, false},
            {t.start_stack - (1 << 20), MMU_WHY_STACK_GAP, false},
            {w.os->plan->layout.page_offset + PAGE, MMU_WHY_KERNEL, false},
        };
        for (unsigned i = 0; i < COUNT_OF(expected); i++) {
            assert_int_equal(mmu_os_why(w.os, w.pid, expected[i].va, &why), MMU_OS_DONE);
            assert_int_equal(why.why, expected[i].why);
            assert_int_equal(why.in_tlb, expected[i].in_tlb);
            assert_true(strlen(why.text) > 20);
        }
        assert_int_equal(mmu_os_why(w.os, 4711, anon, &why), MMU_OS_REFUSED);
        rig_free(&w.rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rights_come_back_without_a_fault),
        cmocka_unit_test(generations_share_a_page_until_they_write),
        cmocka_unit_test(shared_memory_is_one),
        cmocka_unit_test(pages_move_with_their_mapping),
        cmocka_unit_test(views_are_packed_as_linux_does),
        cmocka_unit_test(only_fetches_may_be_made),
        cmocka_unit_test(tables_are_charged),
        cmocka_unit_test(locked_pages_say_so),
        cmocka_unit_test(lazily_freed_pages_are_clean),
        cmocka_unit_test(memory_that_runs_out_is_an_outcome),
        cmocka_unit_test(the_kernel_fails_where_it_may_not_go),
        cmocka_unit_test(an_address_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
