/*
 * process.c: faults and forks: anonymous minor faults a second through mmu_core_run(), and the time of a fork
 * of a process that has touched its memory.
 *
 * Beside the faults stands the rate of the same accesses once the pages are there. Then the replay of the
 * shipped traces by `mmusim run`, decoding included: under the kernel of each shipped machine that has one,
 * and under the same machine's demand pager, run in turns; the best of each.
 */
#include "bench.h"
#include <mmusim/process.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "Usage: bench_process [--seconds N] [--only TEXT] [TRACE...]\n"
    "Minor faults a second, milliseconds of a fork, and what a kernel leaves of a replay's speed.\n";

enum { PAGES = 1 << 16, PAGE_BYTES = 4096 };

/* Shipped machines that have a kernel; and the four kernels, with the same first level. */
static const struct machine {
    const char *name, *os; /* NULL: the shipped machine of that name */
} machines[] = {
    {"skylake-sp-linux", NULL},
    {"ice-lake-la57", NULL},
    {"pentium3-i386", NULL},
    {"pentium4-pae", NULL},
    {"i386", "{arch: i386, ram: 3G}"},
    {"i386_pae", "{arch: i386_pae, ram: 4G}"},
    {"x86_64", "{arch: x86_64, ram: 4G}"},
    {"x86_64, KPTI", "{arch: x86_64, ram: 4G, kpti: true}"},
    {"x86_64_la57", "{arch: x86_64_la57, ram: 4G}"},
};

struct rig {
    struct mmu_machine *machine;
    struct mmu_os *os;
    struct mmu_core *core;
    uint32_t pid;
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_process: %s failed\n", what);
    exit(2);
}

/* A machine whose hardware is small, with this kernel. */
static struct mmu_machine *small_machine(const struct machine *m)
{
    static const char text[] =
        "name: bench\n"
        "cpu: {maxphyaddr: 46, features: [wp, invlpg, pse, pse36, pae, pge, nx, long-mode, "
        "page1g, pcid, la57]}\n"
        "tlb: {L1: {level: 1, serves: all, pages: [4K, 2M, 4M, 1G], entries: 64, ways: 4}}\n"
        "pager: {enabled: false}\n"
        "os: %s\n";
    char yaml[1024];
    struct mmu_error err;
    struct mmu_machine *machine;
    static struct mmu_config config;
    int n = snprintf(yaml, sizeof yaml, text, m->os);
    if (mmu_config_parse(&config, yaml, (size_t)n, m->name, NULL, 0, &err) != MMU_OK ||
        mmu_machine_create(&config, NULL, &machine, &err) != MMU_OK)
        bench_fail(&err);
    return machine;
}

static void boot(struct rig *r, const struct machine *m, const struct bench_options *o)
{
    r->machine = m->os ? small_machine(m) : bench_machine(m->name, o, NULL, 0);
    r->os = mmu_machine_os(r->machine);
    r->core = mmu_machine_core(r->machine, 0);
    if (mmu_os_spawn(r->os, "bench", &r->pid) != MMU_OS_DONE || mmu_os_schedule(r->os, r->pid) != MMU_OS_DONE)
        fail("spawn");
}

static mmu_va map(struct rig *r, uint64_t pages)
{
    mmu_va va;
    if (mmu_os_mmap(r->os, r->pid, 0, pages * PAGE_BYTES, MMU_PROT_READ | MMU_PROT_WRITE,
                    MMU_MAP_PRIVATE | MMU_MAP_ANONYMOUS, 0, 0, &va) != MMU_OS_DONE)
        fail("mmap");
    return va;
}

/* One store to each page. Seconds. */
static double touch(struct rig *r, mmu_va va, uint64_t pages)
{
    static struct mmu_access a[PAGES];
    double seconds = 0;
    for (uint64_t first = 0; first < pages; first += PAGES) {
        size_t n = pages - first < PAGES ? (size_t)(pages - first) : PAGES;
        for (size_t i = 0; i < n; i++)
            a[i] = (struct mmu_access){
                .va = va + (first + i) * PAGE_BYTES, .size = 8, .kind = MMU_KIND_PRIV(MMU_STORE, MMU_USER)};
        double begin = bench_now();
        if (mmu_core_run(r->core, a, n, NULL) != MMU_OK)
            fail("run");
        seconds += bench_now() - begin;
    }
    return seconds;
}

static void measure_faults(struct rig *r, double most, double *faults, double *hits)
{
    double seconds = 0, again = 0;
    uint64_t n = 0;
    while (seconds + again < most) {
        mmu_va va = map(r, PAGES);
        seconds += touch(r, va, PAGES);
        again += touch(r, va, PAGES);
        n += PAGES;
        if (mmu_os_munmap(r->os, r->pid, va, (uint64_t)PAGES * PAGE_BYTES) != MMU_OS_DONE)
            fail("munmap");
    }
    struct mmu_os_vmstat stat;
    mmu_os_vmstat(r->os, &stat);
    if (stat.fault_anon != n)
        fail("a fault");
    *faults = (double)n / seconds;
    *hits = (double)n / again;
}

static void measure_fork(struct rig *r, uint64_t bytes, double *fork, double *end)
{
    mmu_va va = map(r, bytes / PAGE_BYTES);
    uint32_t child;
    touch(r, va, bytes / PAGE_BYTES);
    double begin = bench_now();
    if (mmu_os_fork(r->os, r->pid, &child) != MMU_OS_DONE)
        fail("fork");
    *fork = bench_now() - begin;
    begin = bench_now();
    if (mmu_os_exit(r->os, child) != MMU_OS_DONE)
        fail("exit");
    *end = bench_now() - begin;
}

static void print_faults(const struct bench_options *o)
{
    printf("%-16s %10s %6s %10s %10s %6s %8s\n", "machine", "faults/s", "goal", "mapped/s", "fork 1G ms",
           "goal", "exit ms");
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        struct rig r;
        double faults, hits, fork, end;
        if (o->only && !strstr(machines[i].name, o->only))
            continue;
        boot(&r, &machines[i], o);
        bench_profile_begin(o);
        measure_faults(&r, o->seconds, &faults, &hits);
        measure_fork(&r, UINT64_C(1) << 30, &fork, &end);
        bench_profile_end(o);
        printf("%-16s %9.2fM %6s %9.2fM %10.1f %6s %8.1f\n", machines[i].name, faults * 1e-6, ">= 2M",
               hits * 1e-6, fork * 1e3, "< 100", end * 1e3);
        fflush(stdout);
        mmu_machine_free(r.machine);
    }
}

static double better(double a, double b)
{
    return a > b ? a : b;
}

/* A trace that does not fit the machine's user space has no row. */
static void compare_replays(const struct bench_options *o, const char *machine, const char *path)
{
    char with[4200], without[4300];
    const char *name = strrchr(path, '/');
    const unsigned rounds = 3 + (unsigned)(4 * o->seconds);
    double kernel = 0, pager = 0;
    snprintf(with, sizeof with, "--config %s --threads 1 '%s'", machine, path);
    snprintf(without, sizeof without, "--set os=null %s", with);
    for (unsigned i = 0; i < rounds && (i == 0 || kernel > 0); i++) {
        kernel = better(kernel, bench_run(with));
        pager = kernel > 0 ? better(pager, bench_run(without)) : 0;
    }
    if (kernel > 0 && pager > 0)
        printf("%-16s %-14s %12.1f %12.1f %8.3f %8s\n", machine, name ? name + 1 : path, kernel * 1e-6,
               pager * 1e-6, kernel / pager, ">= 0.8");
    fflush(stdout);
}

static void print_replays(const struct bench_options *o)
{
    printf("\n%-16s %-14s %12s %12s %8s %8s\n", "machine", "trace", "kernel M/s", "pager M/s", "ratio",
           "goal");
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
        for (int k = 0; !machines[i].os && k < o->n_arguments; k++)
            if (!o->only || strstr(machines[i].name, o->only) || strstr(o->arguments[k], o->only))
                compare_replays(o, machines[i].name, o->arguments[k]);
}

int main(int argc, char **argv)
{
    struct bench_options o = {.seconds = 1};
    bench_parse(&o, argc, argv, usage);
    bench_shipped_traces(&o);
    print_faults(&o);
    print_replays(&o);
    return 0;
}
