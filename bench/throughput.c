/*
 * throughput.c: how many accesses a second the batch call does: real traces; random pages within the first
 * level's reach, within the second level's, and far beyond both (64 GiB, mapped beforehand); a sequential
 * scan. Statistics and ledgers are on, as always.
 *
 * Each row stands beside the rate of merely summing the addresses of the same records from memory, measured
 * in the same run.
 */
#include "bench.h"
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "Usage: bench_throughput [--seconds N] [--only TEXT] [--set PATH=VALUE]... "
                            "[--seed N] [--profile FILE] [TRACE...]\n"
                            "Accesses a second of mmu_core_run() on Skylake-SP, window 1, fixed page-table "
                            "reads (and the cache hierarchy where named).\n"
                            "Traces: by default the shipped ones, each by its references, and by its page "
                            "runs (of so many references a head) as a file stores them.\n";

enum { BATCH = 4096, STRETCH = 65536 };

struct row {
    const char *name;
    const char *machine;
    const char *set; /* or NULL */
    size_t pages;    /* random pages, or the pages of a scan */
    bool scan;
    double goal; /* million accesses a second, or 0 */
};

static void title(const struct mmu_machine *m, uint64_t seed)
{
    const struct mmu_config *c = mmu_machine_config(m);
    printf("machine %s, W = %u, seed %" PRIu64 ", version %s\n", c->name, c->window, seed, MMU_VERSION);
    printf("%-34s %-8s %12s %12s %8s %8s %10s\n", "accesses", "reads", "million/s", "summing/s", "ratio",
           "goal", "walks");
}

/* What is run: references, and where they were collapsed beforehand the stretches of page runs. */
struct load {
    const struct mmu_access *a;
    size_t n;
    struct mmu_runs *runs; /* one for each STRETCH references, or NULL */
};

/* Runs a piece of it, from reference i on; returns how many there were. */
static size_t run_piece(struct mmu_core *core, const struct load *load, size_t i)
{
    size_t most = load->runs ? STRETCH : BATCH, k = load->n - i < most ? load->n - i : most;
    int status = load->runs ? mmu_core_run_runs(core, &load->runs[i / STRETCH])
                            : mmu_core_run(core, load->a + i, k, NULL);
    if (status != MMU_OK) {
        fprintf(stderr, "the run stopped\n");
        exit(2);
    }
    return k;
}

/* Runs the load over and over for about `seconds`; returns accesses a second. */
static double measure(struct mmu_core *core, const struct load *load, double seconds)
{
    double begin = bench_now(), now = begin;
    uint64_t done = 0;
    do {
        for (size_t i = 0, k; i < load->n; i += k) {
            k = run_piece(core, load, i);
            done += k;
            if (i % (STRETCH * 4) == 0 && (now = bench_now()) - begin > seconds)
                break;
        }
        now = bench_now();
    } while (now - begin < seconds);
    return (double)done / (now - begin);
}

static double sum_rate(const struct mmu_access *a, size_t n, double seconds)
{
    double begin = bench_now(), now;
    uint64_t done = 0, total = 0;
    do {
        for (size_t i = 0; i < n; i++)
            total += a[i].va + a[i].size;
        done += n;
        __asm__ volatile("" : "+r"(total));
        now = bench_now();
    } while (now - begin < seconds);
    return (double)done / (now - begin);
}

static void report(const struct bench_options *o, const char *name, double goal, struct mmu_machine *machine,
                   const struct load *load)
{
    struct mmu_core *core = mmu_machine_core(machine, 0);
    struct mmu_stats *before = malloc(sizeof *before), *after = malloc(sizeof *after);
    if (!before || !after)
        exit(2);
    double sum = sum_rate(load->a, load->n, o->seconds / 4);
    mmu_core_stats(core, before);
    bench_profile_begin(o);
    double rate = measure(core, load, o->seconds);
    bench_profile_end(o);
    mmu_core_stats(core, after);
    mmu_stats_difference(after, after, before);
    uint64_t accesses = 0, walks = 0;
    for (unsigned i = 0; i < MMU_KINDS * MMU_PRIVS; i++)
        accesses += after->run.accesses[i];
    for (unsigned i = 0; i < MMU_KINDS; i++)
        walks += after->walk.started[i];
    printf("%-34s %-8s %12.1f %12.1f %8.3f ", name,
           mmu_machine_config(machine)->memory.reads == MMU_READS_FIXED ? "fixed" : "cached", rate * 1e-6,
           sum * 1e-6, rate / sum);
    goal > 0 ? printf("%8.0f ", goal) : printf("%8s ", "-");
    printf("%10.6f\n", (double)walks / (double)accesses);
    fflush(stdout);
    free(before);
    free(after);
}

/* Touches every page once, in order, so that the pager's work is done. */
static void map_pages(struct mmu_core *core, mmu_va base, size_t pages)
{
    struct mmu_access a[BATCH];
    for (size_t p = 0; p < pages;) {
        size_t k = 0;
        for (; k < BATCH && p < pages; k++, p++)
            a[k] = (struct mmu_access){.va = base + p * 4096, .size = 8, .kind = MMU_LOAD};
        if (mmu_core_run(core, a, k, NULL) != MMU_OK)
            exit(2);
    }
}

static void run_row(const struct bench_options *o, const struct row *row)
{
    static const char *const fixed[] = {
        "memory.reads=fixed",   "memory.read-latency=4", "window=1",
        "pager.fault-cycles=0", "memory.ram.0.size=2G",  "memory.ram.1.size=126G"};
    const mmu_va base = UINT64_C(0x100000000000);
    const char *sets[8];
    size_t n_sets = 0, n = row->pages > 1 << 20 ? 8u << 20 : 1u << 20;
    for (size_t i = row->set ? 2 : 0; i < sizeof fixed / sizeof *fixed; i++)
        sets[n_sets++] = fixed[i];
    struct mmu_machine *machine = bench_machine("skylake-sp", o, sets, n_sets);
    struct mmu_core *core = mmu_machine_core(machine, 0);
    struct mmu_access *a = malloc(n * sizeof *a);
    uint64_t state = o->seed;
    if (!a)
        exit(2);
    mmu_core_set_has_fetches(core, false);
    map_pages(core, base, row->pages);
    for (size_t i = 0; i < n; i++) {
        uint64_t r = bench_random(&state);
        mmu_va va = row->scan ? base + i * 8 % (row->pages * 4096)
                              : base + (r >> 12) % row->pages * 4096 + (r & 0xff8);
        a[i] = (struct mmu_access){.va = va, .size = 8, .kind = MMU_LOAD};
    }
    report(o, row->name, row->goal, machine, &(struct load){a, n, NULL});
    free(a);
    mmu_machine_free(machine);
}

/* Collapses a trace, stretch by stretch. Returns the number of heads. */
static size_t collapse(struct load *load, struct mmu_head **heads)
{
    size_t n = 0;
    *heads = malloc(load->n * sizeof **heads);
    load->runs = calloc(load->n / STRETCH + 1, sizeof *load->runs);
    if (!*heads || !load->runs)
        exit(2);
    for (size_t i = 0; i < load->n; i += STRETCH) {
        size_t k = load->n - i < STRETCH ? load->n - i : STRETCH;
        struct mmu_runs *runs = &load->runs[i / STRETCH];
        *runs = (struct mmu_runs){.heads = *heads + n, .references = load->a + i};
        runs->n_heads = mmu_runs_collapse(load->a + i, k, *heads + n);
        n += runs->n_heads;
    }
    return n;
}

/* A trace by its references, then by its page runs. */
static void run_trace(const struct bench_options *o, const char *path)
{
    static const char *const sets[] = {"memory.reads=fixed", "memory.read-latency=4", "window=1"};
    bool has_fetches;
    struct load load = {.runs = NULL};
    struct mmu_head *heads;
    struct mmu_access *a = bench_trace(path, &load.n, &has_fetches);
    struct mmu_machine *machine = bench_machine("skylake-sp", o, sets, sizeof sets / sizeof *sets);
    struct mmu_core *core = mmu_machine_core(machine, 0);
    mmu_core_set_has_fetches(core, has_fetches);
    const char *name = strrchr(path, '/');
    char title[64];
    name = name ? name + 1 : path;
    load.a = a;
    if (mmu_core_run(core, a, load.n, NULL) != MMU_OK) /* maps its pages */
        exit(2);
    report(o, name, 300, machine, &load);
    double factor = (double)load.n / (double)collapse(&load, &heads);
    snprintf(title, sizeof title, "%.18s runs of %.2f", name, factor);
    report(o, title, 1000, machine, &load);
    free(heads);
    free(load.runs);
    free(a);
    mmu_machine_free(machine);
}

/* The traces in ../traces of the program's folder. */
static void run_shipped_traces(const struct bench_options *o)
{
    char pattern[4096];
    glob_t found;
    ssize_t n = readlink("/proc/self/exe", pattern, sizeof pattern - 32);
    if (n <= 0)
        return;
    pattern[n] = 0;
    char *slash = strrchr(pattern, '/');
    memcpy(slash, "/../traces/*.mmt", sizeof "/../traces/*.mmt");
    if (glob(pattern, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (!o->only || strstr(found.gl_pathv[i], o->only))
            run_trace(o, found.gl_pathv[i]);
    globfree(&found);
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"random, first level (64 pages)", "skylake-sp", NULL, 64, false, 150},
        {"random, second level (1024 pages)", "skylake-sp", NULL, 1024, false, 60},
        {"random, far (64 GiB)", "skylake-sp", NULL, 16u << 20, false, 12},
        {"random, far (64 GiB)", "skylake-sp", "cached", 16u << 20, false, 5},
        {"sequential scan (64 MiB)", "skylake-sp", NULL, 2048, true, 0},
    };
    struct bench_options o;
    bench_parse(&o, argc, argv, usage);
    bench_shipped_traces(&o);
    struct mmu_machine *machine = bench_machine("skylake-sp", &o, NULL, 0);
    title(machine, o.seed);
    mmu_machine_free(machine);
    for (int i = 0; i < o.n_arguments; i++)
        if (!o.only || strstr(o.arguments[i], o.only))
            run_trace(&o, o.arguments[i]);
    if (o.n_arguments == 0)
        run_shipped_traces(&o);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!o.only || strstr(rows[i].name, o.only))
            run_row(&o, &rows[i]);
    return 0;
}
