/*
 * test_process_random.c: random processes and threads on random machines: what memory calls answer, how each
 * access ends, what each page holds and whether a write copies, compared with one record a page
 * (ref_process.h). Every invariant holds meanwhile; when all have ended, every frame is back.
 */
#include "kernel_rig.h"
#include "kspace.h"
#include "ref_process.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { PAGE = 4096, TASKS = 24, FILES = 3, FILE_PAGES = 40, ARENA_PAGES = 96, SPAN = 24 };
/* Where fixed mappings go: on both sides of a page table's end, whatever its size. */
static const mmu_va arena = 0x403e0000;

struct actor {
    uint32_t pid;
    struct ref_space *space;
};

struct world {
    struct kernel_rig rig;
    struct mmu_os *os;
    struct dice dice;
    struct actor actor[TASKS];
    unsigned actors;
    uint32_t kthread; /* borrows tables now and then */
    struct ref_object *objects, *file[FILES];
    uint64_t next_value;
    unsigned accesses[MMU_OS_SIGNAL_KINDS], copied, kept, calls;
};

static unsigned below(struct world *w, unsigned n)
{
    return dice_below(&w->dice, n);
}

static bool done(struct world *w, int outcome)
{
    if (outcome != MMU_OS_DONE)
        print_message("%s\n", mmu_os_report(w->os)->text);
    w->calls++;
    return outcome == MMU_OS_DONE;
}

/* DONE when no error is expected, else ERROR with it. */
static void expect(struct world *w, int outcome, int error)
{
    w->calls++;
    if (outcome != (error ? MMU_OS_ERROR : MMU_OS_DONE) || (error && mmu_os_report(w->os)->error != error))
        fail_msg("outcome %d (%s), expected errno %d", outcome, mmu_os_report(w->os)->text, error);
}

/* ----- tasks ----- */

static void add(struct world *w, uint32_t pid, struct ref_space *space)
{
    w->actor[w->actors++] = (struct actor){pid, space};
}

static void spawn(struct world *w)
{
    uint32_t pid;
    struct mmu_os_task task;
    assert_true(done(w, mmu_os_spawn(w->os, NULL, &pid)));
    struct ref_space *space = ref_space_new();
    space->has_keys = w->os->kspace->traits.keys;
    add(w, pid, space);
    assert_int_equal(mmu_os_task(w->os, pid, &task), MMU_OS_DONE);
    struct ref_space *s = w->actor[w->actors - 1].space;
    s->start_brk = task.start_brk;
    s->brk = task.brk;
}

static void multiply(struct world *w, struct actor a)
{
    uint32_t pid;
    unsigned how = below(w, 4);
    if (how < 2) {
        assert_true(done(w, mmu_os_fork(w->os, a.pid, &pid)));
        add(w, pid, ref_space_fork(a.space));
        return;
    }
    assert_true(done(w, how == 2 ? mmu_os_clone(w->os, a.pid, &pid) : mmu_os_vfork(w->os, a.pid, &pid)));
    a.space->users++;
    add(w, pid, a.space);
}

/* Every page of an address space: its VMA agrees, and its content. */
static void compare(struct world *w, struct actor a)
{
    struct mmu_os_vma vma = {0};
    size_t pages = 0;
    for (mmu_va at = 0; mmu_os_vma(w->os, a.pid, at, &vma) == MMU_OS_DONE; at = vma.end) {
        if (strcmp(vma.name, "[stack]") == 0)
            continue;
        for (mmu_va va = vma.start; va < vma.end; va += PAGE, pages++) {
            const struct ref_page *p = ref_find(a.space, va);
            assert_non_null(p);
            assert_int_equal(p->prot, vma.prot);
            assert_true(p->shared == ((vma.flags & MMU_MAP_SHARED) != 0));
            assert_true(p->locked == ((vma.flags & MMU_MAP_LOCKED) != 0));
            assert_true(!p->object || vma.file);
        }
    }
    assert_int_equal(pages, a.space->n);
    for (size_t i = 0; i < a.space->n; i++) {
        uint64_t is = 0, should = 0;
        mmu_va va = a.space->page[i].va;
        bool can = ref_peek(a.space, va, &should);
        expect(w, mmu_os_peek(w->os, a.pid, va, &is, sizeof is), can ? 0 : 14);
        assert_int_equal(is, should);
    }
}

static void end(struct world *w, unsigned i)
{
    struct actor a = w->actor[i];
    if (below(w, 3) == 0)
        compare(w, a);
    assert_true(done(w, mmu_os_exit(w->os, a.pid)));
    ref_space_put(a.space);
    w->actor[i] = w->actor[--w->actors];
}

/* ----- accesses ----- */

/* A page that is mapped, mostly; near one; or anywhere in the arena. */
static mmu_va some_page(struct world *w, const struct ref_space *s)
{
    if (s->n && below(w, 8)) {
        mmu_va va = s->page[below(w, (unsigned)s->n)].va;
        return below(w, 10) ? va : below(w, 2) ? va + PAGE : va - PAGE;
    }
    return arena + (mmu_va)below(w, ARENA_PAGES) * PAGE;
}

/* The core on which a task can run now. */
static uint32_t core_for(struct world *w, uint32_t pid)
{
    for (uint32_t c = 0; c < w->rig.config.cores; c++)
        if (mmu_os_current(w->os, c) == pid)
            return c;
    return below(w, w->rig.config.cores);
}

static void access_memory(struct world *w, struct actor a)
{
    struct mmu_os_signal signal;
    struct mmu_os_vmstat before, after;
    uint32_t core = core_for(w, a.pid);
    mmu_os_run_on(w->os, core);
    assert_true(done(w, mmu_os_schedule(w->os, a.pid)));
    for (unsigned i = 1 + below(w, 12); i-- > 0;) {
        enum mmu_kind kind = below(w, MMU_KINDS);
        mmu_va va = some_page(w, a.space) + 8 * below(w, PAGE / 8);
        const struct mmu_access access = {.va = va, .size = 8, .kind = MMU_KIND_PRIV(kind, MMU_USER)};
        struct ref_outcome should =
            ref_access(a.space, va, kind == MMU_STORE, kind == MMU_FETCH, w->os->kspace->traits.vma_nx != 0);
        mmu_os_vmstat(w->os, &before);
        enum mmu_outcome is = mmu_core_access(mmu_machine_core(w->rig.machine, core), &access, NULL);
        mmu_os_vmstat(w->os, &after);
        mmu_os_signal(w->os, core, &signal);
        if (signal.kind != should.signal)
            fail_msg("pid %u, %s 0x%llx: %s, expected %s", a.pid, kind == MMU_STORE ? "store" : "load",
                     (unsigned long long)va, mmu_os_signal_text(signal.kind),
                     mmu_os_signal_text(should.signal));
        assert_int_equal(is, should.signal == MMU_SIG_NONE ? MMU_DONE : MMU_FAULT_PF);
        if (signal.kind)
            assert_true(signal.address == va && signal.pid == a.pid);
        if (should.had_copy && after.fault_cow - before.fault_cow != should.copies)
            fail_msg("pid %u, store 0x%llx: %u copies made, expected %u", a.pid, (unsigned long long)va,
                     (unsigned)(after.fault_cow - before.fault_cow), should.copies);
        w->accesses[signal.kind]++;
        w->copied += should.copies;
        w->kept += should.had_copy && !should.copies;
    }
}

static void touch_content(struct world *w, struct actor a)
{
    mmu_va va = some_page(w, a.space);
    uint64_t is = 0, should = 0;
    if (below(w, 2)) {
        uint64_t value = ++w->next_value;
        bool can = ref_poke(a.space, va, value);
        expect(w, mmu_os_poke(w->os, a.pid, va, &value, sizeof value), can ? 0 : 14);
    } else {
        bool can = ref_peek(a.space, va, &should);
        expect(w, mmu_os_peek(w->os, a.pid, va, &is, sizeof is), can ? 0 : 14);
        assert_int_equal(is, should);
    }
}

/* ----- memory calls ----- */

static int some_prot(struct world *w)
{
    static const int prots[] = {0, 1, 1, 3, 3, 3, 3, 5, 7, 2, 4};
    return prots[below(w, sizeof prots / sizeof *prots)];
}

static void map(struct world *w, struct actor a)
{
    unsigned n = 1 + below(w, SPAN), what = below(w, 4);
    bool fixed = below(w, 4), eager = below(w, 6) == 0, locked = eager && below(w, 2);
    struct ref_page like = {.prot = some_prot(w), .shared = below(w, 3) == 0, .locked = locked};
    mmu_va hint = fixed ? arena + (mmu_va)below(w, ARENA_PAGES - n) * PAGE : 0;
    int flags = (like.shared ? MMU_MAP_SHARED : MMU_MAP_PRIVATE) | (fixed ? MMU_MAP_FIXED : 0) |
                (locked  ? MMU_MAP_LOCKED
                 : eager ? MMU_MAP_POPULATE
                         : 0);
    if (what == 0) {
        like.object = w->file[below(w, FILES)];
        like.index = below(w, FILE_PAGES);
    } else {
        flags |= MMU_MAP_ANONYMOUS;
        if (like.shared)
            like.object = ref_object_new(&w->objects, 0, n);
    }
    assert_true(done(w, mmu_os_mmap(w->os, a.pid, hint, (uint64_t)n * PAGE - below(w, PAGE), like.prot, flags,
                                    what == 0 ? like.object->file : 0, like.index * PAGE, &like.va)));
    assert_true(!fixed || like.va == hint);
    for (unsigned i = 0; i < n && !fixed; i++)
        assert_null(ref_find(a.space, like.va + i * PAGE));
    ref_map(a.space, &like, n);
    if (eager)
        ref_populate(a.space, like.va, n, true);
}

static void unmap(struct world *w, struct actor a)
{
    mmu_va va = some_page(w, a.space);
    unsigned n = 1 + below(w, SPAN);
    assert_true(done(w, mmu_os_munmap(w->os, a.pid, va, (uint64_t)n * PAGE)));
    ref_unmap(a.space, va, n);
}

static void protect(struct world *w, struct actor a)
{
    mmu_va va = some_page(w, a.space);
    unsigned n = 1 + below(w, SPAN);
    int prot = some_prot(w);
    int outcome = mmu_os_mprotect(w->os, a.pid, va, (uint64_t)n * PAGE, prot);
    expect(w, outcome, ref_protect(a.space, va, n, prot) ? 0 : 12);
}

static void lock(struct world *w, struct actor a)
{
    mmu_va va = some_page(w, a.space);
    unsigned n = 1 + below(w, SPAN);
    bool on = below(w, 2);
    int outcome = mmu_os_mlock(w->os, a.pid, va, (uint64_t)n * PAGE, on);
    bool all = ref_lock(a.space, va, n, on) && (!on || ref_populate(a.space, va, n, false));
    expect(w, outcome, all ? 0 : 12);
}

static void advise(struct world *w, struct actor a)
{
    static const int advices[] = {MMU_MADV_DONTNEED, MMU_MADV_DONTNEED, MMU_MADV_WILLNEED, MMU_MADV_FREE};
    mmu_va va = some_page(w, a.space);
    unsigned n = 1 + below(w, SPAN);
    int advice = advices[below(w, 4)];
    int outcome = mmu_os_madvise(w->os, a.pid, va, (uint64_t)n * PAGE, advice);
    expect(w, outcome, ref_advise(a.space, va, n, advice));
}

static void remap(struct world *w, struct actor a)
{
    struct mmu_os_vma vma;
    mmu_va from = some_page(w, a.space), to = 0;
    if (!ref_find(a.space, from) || mmu_os_vma(w->os, a.pid, from, &vma) != MMU_OS_DONE ||
        strcmp(vma.name, "[heap]") == 0)
        return;
    unsigned rest = (unsigned)((vma.end - from) / PAGE), old_n = 1 + below(w, rest);
    unsigned new_n = below(w, 2) ? 1 + below(w, old_n) : old_n + below(w, SPAN);
    bool fixed = below(w, 3) == 0 && new_n < ARENA_PAGES;
    mmu_va at = arena + (mmu_va)(fixed ? below(w, ARENA_PAGES - new_n) : 0) * PAGE;
    bool locked = vma.flags & MMU_MAP_LOCKED;
    if (fixed && at < from + (mmu_va)old_n * PAGE && from < at + (mmu_va)new_n * PAGE) {
        expect(w,
               mmu_os_mremap(w->os, a.pid, from, (uint64_t)old_n * PAGE, (uint64_t)new_n * PAGE,
                             MMU_MREMAP_MAYMOVE | MMU_MREMAP_FIXED, at, &to),
               22);
        return;
    }
    assert_true(
        done(w, mmu_os_mremap(w->os, a.pid, from, (uint64_t)old_n * PAGE, (uint64_t)new_n * PAGE,
                              MMU_MREMAP_MAYMOVE | (fixed ? MMU_MREMAP_FIXED : 0), fixed ? at : 0, &to)));
    assert_true(!fixed || to == at);
    for (unsigned i = to == from ? old_n : 0; i < new_n && !fixed; i++)
        assert_null(ref_find(a.space, to + i * PAGE));
    ref_move(a.space, from, old_n, to, new_n);
    if (locked && new_n > old_n)
        ref_populate(a.space, to + (mmu_va)old_n * PAGE, new_n - old_n, true);
}

static void change_break(struct world *w, struct actor a)
{
    struct ref_space *s = a.space;
    mmu_va to = s->start_brk + below(w, 40 * PAGE), is;
    mmu_va old_end = (s->brk + PAGE - 1) & ~(mmu_va)(PAGE - 1), end = (to + PAGE - 1) & ~(mmu_va)(PAGE - 1);
    for (mmu_va va = old_end; va < end + PAGE; va += PAGE)
        if (ref_find(s, va))
            return;
    assert_true(done(w, mmu_os_brk(w->os, a.pid, to, &is)));
    assert_int_equal(is, to);
    if (end < old_end)
        ref_unmap(s, end, (old_end - end) / PAGE);
    else
        ref_map(s, &(struct ref_page){.va = old_end, .prot = MMU_PROT_READ | MMU_PROT_WRITE},
                (end - old_end) / PAGE);
    s->brk = to;
}

static void synchronise(struct world *w, struct actor a)
{
    mmu_va va = some_page(w, a.space);
    unsigned what = below(w, 3);
    if (what == 0)
        mmu_os_sync(w->os);
    else if (what == 1)
        mmu_os_drop_caches(w->os);
    else
        expect(w, mmu_os_msync(w->os, a.pid, va, PAGE), ref_find(a.space, va) ? 0 : 12);
}

/* A core idles, or runs a kernel thread: it keeps the tables that it has. */
static void leave_core(struct world *w, struct actor a)
{
    (void)a;
    uint32_t core = core_for(w, w->kthread);
    mmu_os_run_on(w->os, core);
    assert_true(done(w, mmu_os_schedule(w->os, below(w, 2) ? w->kthread : 0)));
}

/* ----- the run ----- */

static void step(struct world *w)
{
    static const struct {
        unsigned weight;
        void (*call)(struct world *w, struct actor a);
    } calls[] = {
        {30, access_memory}, {20, touch_content}, {14, map},    {6, unmap},
        {8, protect},        {3, lock},           {6, advise},  {5, remap},
        {4, change_break},   {2, synchronise},    {1, compare}, {3, leave_core},
    };
    if (w->actors == 0 || (w->actors < TASKS && below(w, 120) == 0)) {
        spawn(w);
        return;
    }
    unsigned i = below(w, w->actors), at = below(w, 113);
    mmu_os_run_on(w->os, below(w, w->rig.config.cores));
    for (unsigned c = 0; c < sizeof calls / sizeof *calls; c++) {
        if (at < calls[c].weight) {
            calls[c].call(w, w->actor[i]);
            return;
        }
        at -= calls[c].weight;
    }
    if (w->actors < TASKS && below(w, 2))
        multiply(w, w->actor[i]);
    else
        end(w, i);
}

/* What the files hold at first is read once; the pattern is the simulator's affair. */
static void make_files(struct world *w)
{
    uint32_t pid;
    mmu_va va;
    assert_true(done(w, mmu_os_spawn(w->os, "reader", &pid)));
    for (unsigned i = 0; i < FILES; i++) {
        char name[16];
        uint32_t file;
        snprintf(name, sizeof name, "/data/%u", i);
        assert_true(done(w, mmu_os_file(w->os, name, NULL, FILE_PAGES * PAGE, &file)));
        w->file[i] = ref_object_new(&w->objects, file, FILE_PAGES);
        assert_true(done(
            w, mmu_os_mmap(w->os, pid, 0, FILE_PAGES * PAGE, MMU_PROT_READ, MMU_MAP_SHARED, file, 0, &va)));
        for (unsigned p = 0; p < FILE_PAGES; p++)
            assert_true(done(w, mmu_os_peek(w->os, pid, va + p * PAGE, &w->file[i]->value[p], 8)));
    }
    assert_true(done(w, mmu_os_exit(w->os, pid)));
    assert_true(done(w, mmu_os_kthread(w->os, "kworker", &w->kthread)));
}

/* The caches are dropped; every frame is back. */
static void all_is_back(struct world *w, const struct mmu_os_totals *before)
{
    mmu_os_sync(w->os);
    mmu_os_drop_caches(w->os);
    struct mmu_os_totals after = kernel_rig_empty(w->os);
    assert_int_equal(after.page_tables, before->page_tables);
    assert_int_equal(after.allocated, before->allocated);
}

static void finish(struct world *w, const struct mmu_os_totals *before)
{
    while (w->actors)
        end(w, w->actors - 1);
    assert_true(done(w, mmu_os_exit(w->os, w->kthread)));
    all_is_back(w, before);
    ref_objects_free(w->objects);
}

static void test_random(void **state)
{
    (void)state;
    static struct world w;
    struct dice dice = dice_new("process_random", 1);
    unsigned rounds = dice_rounds(16), calls = 0, accesses[MMU_OS_SIGNAL_KINDS] = {0}, copied = 0, kept = 0;
    for (unsigned round = 0; round < rounds; round++) {
        struct mmu_os_totals before;
        memset(&w, 0, sizeof w);
        kernel_rig_config(&w.rig.config, round % MMU_OS_ARCHES, UINT64_C(512) << 20,
                          1 + dice_below(&dice, 3));
        w.rig.config.os.kpti = w.rig.config.os.arch != MMU_OS_I386 && dice_once_in(&dice, 2);
        w.dice.state = dice_next(&dice);
        kernel_rig_boot(&w.rig);
        w.os = w.rig.os;
        mmu_os_drain(w.os);
        mmu_os_totals(w.os, &before);
        make_files(&w);
        for (unsigned i = 0; i < 2500; i++) {
            step(&w);
            if (i % 250 == 249)
                mmu_os_check(w.os);
        }
        finish(&w, &before);
        kernel_rig_end(&w.rig);
        for (unsigned i = 0; i < MMU_OS_SIGNAL_KINDS; i++)
            accesses[i] += w.accesses[i];
        calls += w.calls;
        copied += w.copied;
        kept += w.kept;
    }
    print_message("%u calls; accesses: %u done, %u MAPERR, %u ACCERR, %u BUS; %u copies, %u kept\n", calls,
                  accesses[MMU_SIG_NONE], accesses[MMU_SIG_SEGV_MAPERR], accesses[MMU_SIG_SEGV_ACCERR],
                  accesses[MMU_SIG_BUS_ADRERR], copied, kept);
    assert_true(copied > rounds && kept > rounds && accesses[MMU_SIG_SEGV_MAPERR] > rounds &&
                accesses[MMU_SIG_SEGV_ACCERR] > rounds && accesses[MMU_SIG_BUS_ADRERR] > rounds);
}

/* ----- too little memory ----- */

/* One call of any kind, whatever comes of it; DONE, or an outcome of a machine that has no memory left. */
static int any_call(struct world *w, uint32_t pid, uint32_t file)
{
    mmu_va va = arena + (mmu_va)below(w, 2048) * PAGE, to;
    uint64_t size = (uint64_t)(1 + below(w, 600)) * PAGE;
    uint8_t byte = 1;
    switch (below(w, 9)) {
    case 0:
        return mmu_os_mmap(w->os, pid, va, size, 3,
                           MMU_MAP_PRIVATE | MMU_MAP_ANONYMOUS | MMU_MAP_FIXED |
                               (below(w, 2) ? MMU_MAP_POPULATE : 0),
                           0, 0, &to);
    case 1:
        return mmu_os_mmap(w->os, pid, va, size, 3,
                           (below(w, 2) ? MMU_MAP_PRIVATE : MMU_MAP_SHARED) | MMU_MAP_FIXED, file, 0, &to);
    case 2:
        return mmu_os_mmap(w->os, pid, va, size, 3, MMU_MAP_SHARED | MMU_MAP_ANONYMOUS | MMU_MAP_FIXED, 0, 0,
                           &to);
    case 3:
        return mmu_os_mlock(w->os, pid, va, size, below(w, 2));
    case 4:
        return mmu_os_mremap(w->os, pid, va, PAGE, size, MMU_MREMAP_MAYMOVE, 0, &to);
    case 5:
        return mmu_os_madvise(w->os, pid, va, size, below(w, 2) ? MMU_MADV_WILLNEED : MMU_MADV_DONTNEED);
    case 6:
        return mmu_os_mprotect(w->os, pid, va, size, below(w, 2) ? 1 : 3);
    case 7:
        return mmu_os_munmap(w->os, pid, va, size);
    default:
        return mmu_os_poke(w->os, pid, va, &byte, 1);
    }
}

static unsigned store_everywhere(struct world *w, uint32_t pid)
{
    unsigned oom = 0;
    mmu_os_run_on(w->os, 0);
    assert_true(done(w, mmu_os_schedule(w->os, pid)));
    for (unsigned i = 0; i < 2600; i += 1 + below(w, 4)) {
        struct mmu_os_signal signal;
        const struct mmu_access access = {
            .va = arena + (mmu_va)i * PAGE, .size = 1, .kind = MMU_KIND_PRIV(MMU_STORE, MMU_USER)};
        mmu_core_access(mmu_machine_core(w->rig.machine, 0), &access, NULL);
        mmu_os_signal(w->os, 0, &signal);
        oom += signal.kind == MMU_SIG_OOM;
    }
    return oom;
}

/* Memory runs out in the middle of everything; nothing is lost. */
static void test_no_memory(void **state)
{
    (void)state;
    static struct world w;
    struct dice dice = dice_new("process_no_memory", 1);
    unsigned rounds = dice_rounds(8), oom = 0, exhausted = 0;
    for (unsigned round = 0; round < rounds; round++) {
        struct mmu_os_totals before;
        uint32_t pid[TASKS], file, n = 1;
        memset(&w, 0, sizeof w);
        kernel_rig_config(&w.rig.config, round % MMU_OS_ARCHES, UINT64_C(32) << 20, 1);
        w.rig.config.os.kernel_start = 4 << 20;
        w.rig.config.os.kernel_text = 1 << 20;
        w.dice.state = dice_next(&dice);
        kernel_rig_boot(&w.rig);
        w.os = w.rig.os;
        mmu_os_drain(w.os);
        mmu_os_totals(w.os, &before);
        assert_true(done(&w, mmu_os_file(w.os, "/f", NULL, 700 * PAGE, &file)));
        assert_true(done(&w, mmu_os_spawn(w.os, NULL, &pid[0])));
        for (unsigned i = 0; i < 600; i++) {
            unsigned at = below(&w, n), what = below(&w, 12);
            int outcome = MMU_OS_DONE;
            if (what == 0 && n < TASKS)
                outcome = mmu_os_fork(w.os, pid[at], &pid[n]), n += outcome == MMU_OS_DONE;
            else if (what == 1 && n > 1)
                assert_true(done(&w, mmu_os_exit(w.os, pid[at]))), pid[at] = pid[--n];
            else if (what == 2)
                oom += store_everywhere(&w, pid[at]);
            else
                outcome = any_call(&w, pid[at], file);
            assert_true(outcome == MMU_OS_DONE || outcome == MMU_OS_ERROR || outcome == MMU_OS_EXHAUSTED);
            exhausted += outcome == MMU_OS_EXHAUSTED;
            if (i % 60 == 59)
                mmu_os_check(w.os);
        }
        while (n)
            assert_true(done(&w, mmu_os_exit(w.os, pid[--n])));
        all_is_back(&w, &before);
        kernel_rig_end(&w.rig);
    }
    print_message("%u times OOM, %u calls without memory\n", oom, exhausted);
    assert_true(oom > rounds && exhausted > rounds / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
