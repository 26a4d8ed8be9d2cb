/*
 * test_memory_random.c: many processes, threads and cores in random order, beside a naive model that keeps
 * one record a page: outcome of every access, content of every byte that is looked at, counts when all has
 * ended.
 */
#include "kspace_rig.h"
#include "rng.h"
#include <mmusim/process.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>

enum {
    PAGE = 4096,
    PAGES = 80,  /* of the window that is played in */
    SPACES = 6,  /* address spaces at most */
    THREADS = 3, /* tasks of one */
    FILE_PAGES = 48,
    CORES = 2,
    RW = MMU_PROT_READ | MMU_PROT_WRITE
};
#define WINDOW UINT64_C(0x103f0000) /* straddles tables of 2 and of 4 MiB */

static const struct {
    const char *cpu, *os;
} machines[] = {
    {CPU_PENTIUM, "{arch: i386, ram: 1200M}"},
    {CPU_NX, "{arch: i386_pae, ram: 1200M}"},
    {CPU_NX, "{arch: i386_pae, ram: 1200M, kpti: true}"},
    {CPU_K8, "{arch: x86_64, ram: 512M}"},
    {CPU_NHM, "{arch: x86_64, ram: 512M, kpti: true}"},
    {CPU_ICX, "{arch: x86_64_la57, ram: 512M}"},
    {CPU_ICX, "{arch: x86_64_la57, ram: 512M, kpti: true}"},
};

/* What one page of one address space is. */
struct model_page {
    enum { NOTHING, ANON, PRIVATE, SHARED } kind;
    int prot;
    unsigned index; /* of the file */
    bool own;       /* PRIVATE: written to, value is its own */
    uint8_t value;  /* of its byte at OFFSET */
};
enum { OFFSET = 1234 };

struct space {
    uint32_t pid[THREADS];
    unsigned threads; /* 0: free */
    struct model_page page[PAGES];
};

struct world {
    struct kspace_rig rig;
    struct rng rng;
    bool nx, keys;
    uint32_t file;
    uint8_t content[FILE_PAGES];
    struct space space[SPACES];
};

static unsigned dice(struct world *w, unsigned n)
{
    return (unsigned)(rng_next(&w->rng) % n);
}

static mmu_va va_of(unsigned page)
{
    return WINDOW + (mmu_va)page * PAGE;
}

static uint8_t value_of(const struct world *w, const struct model_page *p)
{
    return p->kind == SHARED || (p->kind == PRIVATE && !p->own) ? w->content[p->index] : p->value;
}

static uint32_t any_pid(struct world *w, const struct space *s)
{
    return s->pid[dice(w, s->threads)];
}

/* ----- what can be done ----- */

static void do_map(struct world *w, struct space *s)
{
    unsigned first = dice(w, PAGES), n = 1 + dice(w, 12), kind = ANON + dice(w, 3);
    unsigned index = dice(w, FILE_PAGES - 16);
    int prot = (int)dice(w, 8), flags = MMU_MAP_FIXED;
    mmu_va va;
    n = first + n > PAGES ? PAGES - first : n;
    flags |= kind == SHARED ? MMU_MAP_SHARED : MMU_MAP_PRIVATE;
    flags |= kind == ANON ? MMU_MAP_ANONYMOUS : 0;
    flags |= dice(w, 8) == 0 ? MMU_MAP_POPULATE : 0;
    assert_int_equal(mmu_os_mmap(w->rig.os, any_pid(w, s), va_of(first), n * PAGE, prot, flags,
                                 kind == ANON ? 0 : w->file, (uint64_t)index * PAGE, &va),
                     MMU_OS_DONE);
    for (unsigned i = 0; i < n; i++)
        s->page[first + i] = (struct model_page){.kind = kind, .prot = prot, .index = index + i};
    for (unsigned i = 0; i < n; i++) /* populate writes to what is private and writable */
        s->page[first + i].own = kind == PRIVATE && (flags & MMU_MAP_POPULATE) && (prot & MMU_PROT_WRITE);
    for (unsigned i = 0; i < n; i++)
        s->page[first + i].value = kind == PRIVATE ? w->content[index + i] : 0;
}

/* A range in which every page is mapped. */
static bool mapped_range(struct world *w, const struct space *s, unsigned *first, unsigned *n)
{
    *first = dice(w, PAGES);
    for (*n = 0; *n < 10 && *first + *n < PAGES && s->page[*first + *n].kind != NOTHING; ++*n)
        ;
    return *n > 0;
}

static void do_change(struct world *w, struct space *s)
{
    unsigned first, n, what = dice(w, 4);
    uint32_t pid = any_pid(w, s);
    int prot = (int)dice(w, 8);
    if (!mapped_range(w, s, &first, &n))
        return;
    if (what == 0)
        assert_int_equal(mmu_os_munmap(w->rig.os, pid, va_of(first), n * PAGE), MMU_OS_DONE);
    else if (what == 1)
        assert_int_equal(mmu_os_madvise(w->rig.os, pid, va_of(first), n * PAGE, MMU_MADV_DONTNEED),
                         MMU_OS_DONE);
    else
        assert_int_equal(mmu_os_mprotect(w->rig.os, pid, va_of(first), n * PAGE, prot), MMU_OS_DONE);
    for (struct model_page *p = &s->page[first]; n-- > 0; p++) {
        if (what == 0)
            p->kind = NOTHING;
        else if (what == 1)
            p->own = false, p->value = 0;
        else
            p->prot = prot;
    }
}

/* One page elsewhere. */
static void do_move(struct world *w, struct space *s)
{
    unsigned from = dice(w, PAGES), to = dice(w, PAGES);
    mmu_va va;
    if (from == to || s->page[from].kind == NOTHING)
        return;
    assert_int_equal(mmu_os_mremap(w->rig.os, any_pid(w, s), va_of(from), PAGE, PAGE,
                                   MMU_MREMAP_MAYMOVE | MMU_MREMAP_FIXED, va_of(to), &va),
                     MMU_OS_DONE);
    s->page[to] = s->page[from];
    s->page[from].kind = NOTHING;
}

static enum mmu_os_signal_kind expected(const struct world *w, const struct model_page *p, enum mmu_kind kind)
{
    bool fetches = kind == MMU_FETCH && w->nx;
    if (p->kind == NOTHING)
        return MMU_SIG_SEGV_MAPERR;
    if (w->keys && p->prot == MMU_PROT_EXEC && kind != MMU_FETCH)
        return MMU_SIG_SEGV_PKUERR;
    int needs = kind == MMU_STORE ? MMU_PROT_WRITE : fetches ? MMU_PROT_EXEC : RW | MMU_PROT_EXEC;
    return p->prot & needs ? MMU_SIG_NONE : MMU_SIG_SEGV_ACCERR;
}

static uint32_t run_somewhere(struct world *w, uint32_t pid)
{
    uint32_t core = dice(w, CORES);
    for (uint32_t c = 0; c < CORES; c++)
        if (mmu_os_current(w->rig.os, c) == pid)
            core = c;
    mmu_os_run_on(w->rig.os, core);
    assert_int_equal(mmu_os_schedule(w->rig.os, pid), MMU_OS_DONE);
    return core;
}

static void do_access(struct world *w, struct space *s)
{
    uint32_t core = run_somewhere(w, any_pid(w, s));
    for (unsigned i = 0; i < 6; i++) {
        struct model_page *p = &s->page[dice(w, PAGES)];
        enum mmu_kind kind = (enum mmu_kind)dice(w, MMU_KINDS);
        struct mmu_access a = {.va = va_of((unsigned)(p - s->page)) + dice(w, PAGE),
                               .size = 1,
                               .kind = MMU_KIND_PRIV(kind, MMU_USER)};
        struct mmu_result r;
        struct mmu_os_signal sig;
        assert_int_equal(mmu_core_run(mmu_machine_core(w->rig.machine, core), &a, 1, &r), MMU_OK);
        mmu_os_signal(w->rig.os, core, &sig);
        assert_int_equal(sig.kind, expected(w, p, kind));
        assert_int_equal(r.outcome == MMU_DONE, sig.kind == MMU_SIG_NONE);
        if (kind == MMU_STORE && p->kind == PRIVATE && !p->own && sig.kind == MMU_SIG_NONE) {
            p->value = w->content[p->index];
            p->own = true;
        }
    }
}

static void do_bytes(struct world *w, struct space *s)
{
    uint32_t pid = any_pid(w, s);
    for (unsigned i = 0; i < 4; i++) {
        struct model_page *p = &s->page[dice(w, PAGES)];
        mmu_va va = va_of((unsigned)(p - s->page)) + OFFSET;
        uint8_t byte = (uint8_t)dice(w, 256);
        bool write = dice(w, 2);
        bool can = p->kind != NOTHING && (p->prot & (write ? MMU_PROT_WRITE : MMU_PROT_READ));
        int status =
            write ? mmu_os_poke(w->rig.os, pid, va, &byte, 1) : mmu_os_peek(w->rig.os, pid, va, &byte, 1);
        assert_int_equal(status, can ? MMU_OS_DONE : MMU_OS_ERROR);
        if (!can)
            continue;
        if (!write) {
            assert_int_equal(byte, value_of(w, p));
        } else if (p->kind == SHARED) {
            w->content[p->index] = byte;
        } else {
            p->own = true;
            p->value = byte;
        }
    }
}

static void do_fork(struct world *w, struct space *s)
{
    struct space *to = &w->space[dice(w, SPACES)];
    if (to->threads)
        return;
    *to = *s;
    to->threads = 1;
    assert_int_equal(mmu_os_fork(w->rig.os, any_pid(w, s), &to->pid[0]), MMU_OS_DONE);
}

static void do_thread(struct world *w, struct space *s)
{
    if (s->threads == THREADS)
        return;
    assert_int_equal(mmu_os_clone(w->rig.os, any_pid(w, s), &s->pid[s->threads]), MMU_OS_DONE);
    s->threads++;
}

static void do_exit(struct world *w, struct space *s)
{
    unsigned spaces = 0, which = dice(w, s->threads);
    for (unsigned i = 0; i < SPACES; i++)
        spaces += w->space[i].threads > 0;
    if (spaces == 1 && s->threads == 1)
        return;
    assert_int_equal(mmu_os_exit(w->rig.os, s->pid[which]), MMU_OS_DONE);
    s->pid[which] = s->pid[--s->threads];
}

static void do_files(struct world *w, struct space *s)
{
    (void)s;
    if (dice(w, 2))
        mmu_os_sync(w->rig.os);
    else
        mmu_os_drop_caches(w->rig.os);
}

static void (*const deeds[])(struct world *w, struct space *s) = {
    do_map,   do_map,   do_change, do_change, do_move, do_access, do_access, do_access, do_access,
    do_bytes, do_bytes, do_bytes,  do_fork,   do_fork, do_thread, do_exit,   do_exit,   do_files,
};

/* ----- a game ----- */

static uint64_t end_all(struct world *w)
{
    struct mmu_os_totals t;
    for (unsigned i = 0; i < SPACES; i++)
        while (w->space[i].threads)
            assert_int_equal(mmu_os_exit(w->rig.os, w->space[i].pid[--w->space[i].threads]), MMU_OS_DONE);
    mmu_os_sync(w->rig.os);
    mmu_os_drop_caches(w->rig.os);
    mmu_os_drain(w->rig.os);
    mmu_os_shrink_slabs(w->rig.os);
    mmu_os_check(w->rig.os);
    for (uint32_t c = 0; c < CORES; c++)
        assert_int_equal(mmu_os_current(w->rig.os, c), 0);
    mmu_os_totals(w->rig.os, &t);
    return t.allocated;
}

/* A space with all pages of the file to look at: what they are at first. */
static void begin(struct world *w)
{
    struct space *s = &w->space[0];
    mmu_va va;
    *s = (struct space){.threads = 1};
    assert_int_equal(mmu_os_spawn(w->rig.os, NULL, &s->pid[0]), MMU_OS_DONE);
    assert_int_equal(mmu_os_mmap(w->rig.os, s->pid[0], 0, FILE_PAGES * PAGE, MMU_PROT_READ, MMU_MAP_SHARED,
                                 w->file, 0, &va),
                     MMU_OS_DONE);
    for (unsigned i = 0; i < FILE_PAGES; i++)
        assert_int_equal(mmu_os_peek(w->rig.os, s->pid[0], va + i * PAGE + OFFSET, &w->content[i], 1),
                         MMU_OS_DONE);
    assert_int_equal(mmu_os_munmap(w->rig.os, s->pid[0], va, FILE_PAGES * PAGE), MMU_OS_DONE);
}

/* Two games on one machine: after each, every frame is back. */
static void play(unsigned machine, uint64_t seed, unsigned steps)
{
    struct world *w = calloc(1, sizeof *w);
    struct mmu_os_totals t;
    assert_non_null(w);
    rig_boot(&w->rig, machines[machine].cpu, CORES, machines[machine].os);
    w->nx = w->rig.os->kspace->traits.vma_nx != 0;
    w->keys = w->rig.os->kspace->traits.keys;
    rng_seed(&w->rng, seed, machine);
    assert_int_equal(mmu_os_file(w->rig.os, "data", NULL, FILE_PAGES * PAGE, &w->file), MMU_OS_DONE);
    mmu_os_totals(w->rig.os, &t);
    const uint64_t before = t.allocated;
    for (unsigned game = 0; game < 2; game++) {
        begin(w);
        for (unsigned i = 0; i < steps; i++) {
            struct space *s = &w->space[dice(w, SPACES)];
            if (s->threads)
                deeds[dice(w, COUNT_OF(deeds))](w, s);
            if (i % 32 == 0)
                mmu_os_check(w->rig.os);
        }
        assert_int_equal(end_all(w), before);
    }
    rig_free(&w->rig);
    free(w);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

static void processes_are_what_the_model_says(void **state)
{
    (void)state;
    uint64_t seed = number("MMUSIM_SEED", 1), rounds = number("MMUSIM_ROUNDS", 3);
    print_message("MMUSIM_SEED=%llu MMUSIM_ROUNDS=%llu\n", (unsigned long long)seed,
                  (unsigned long long)rounds);
    for (uint64_t round = 0; round < rounds; round++)
        for (unsigned m = 0; m < COUNT_OF(machines); m++)
            play(m, seed + round, 800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(processes_are_what_the_model_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
