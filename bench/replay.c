/*
 * replay.c: how fast `mmusim run` replays from the compressed binary form, beside the speed from memory: each
 * trace, as it is, and many times over in one file, by its references and by its page runs; with one thread
 * and with two.
 *
 * A replay's time is the clock's on the wall, since two threads share the work: other load on the machine
 * counts. What does not depend on it stands beside it: the processor time of all threads, from which follows
 * what two cores would do that have nothing else to do and share the work evenly. The figures from memory are
 * processor time, taken before and after; the better one is the reference. Of a file's the best of a few is,
 * of a short one's the best of more.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char usage[] =
    "Usage: bench_replay [--seconds N] [--only TEXT] [--seed N] [TRACE...]\n"
    "Million references a second of 'mmusim run' on Skylake-SP, window 1, fixed page-table\n"
    "reads, from a compressed trace, and its ratio to the speed from memory. A file holds\n"
    "about N times 100 million references, or the trace as it is. two cores: what the ratio\n"
    "would be with two idle cores, by the processor time of two threads. Traces: by default\n"
    "the shipped ones.\n";

enum { STRETCH = 65536, BEST_OF = 3, BEST_OF_SHORT = 20 };

#define SHORT 0.1 /* seconds */

#define GOAL 0.8

struct load {
    struct mmu_access *a;
    size_t n;
    struct mmu_head *heads;
    struct mmu_runs *runs;
    bool has_fetches;
};

static void collapse(struct load *l)
{
    size_t n = 0;
    l->heads = malloc(l->n * sizeof *l->heads);
    l->runs = calloc(l->n / STRETCH + 1, sizeof *l->runs);
    if (!l->heads || !l->runs)
        exit(2);
    for (size_t i = 0; i < l->n; i += STRETCH) {
        size_t k = l->n - i < STRETCH ? l->n - i : STRETCH;
        struct mmu_runs *runs = &l->runs[i / STRETCH];
        *runs = (struct mmu_runs){.heads = l->heads + n, .references = l->a + i};
        runs->n_heads = mmu_runs_collapse(l->a + i, k, l->heads + n);
        n += runs->n_heads;
    }
}

/* References a second from memory, `times` times over. */
static double from_memory(const struct bench_options *o, const struct load *l, bool runs, unsigned times)
{
    static const char *const sets[] = {"memory.reads=fixed", "memory.read-latency=4"};
    struct mmu_machine *machine = bench_machine("skylake-sp", o, sets, 2);
    struct mmu_core *core = mmu_machine_core(machine, 0);
    mmu_core_set_has_fetches(core, l->has_fetches);
    double begin = bench_now();
    for (unsigned t = 0; t < times; t++)
        for (size_t i = 0; i < l->n; i += STRETCH) {
            size_t k = l->n - i < STRETCH ? l->n - i : STRETCH;
            if (runs ? mmu_core_run_runs(core, &l->runs[i / STRETCH]) : mmu_core_run(core, l->a + i, k, NULL))
                exit(2);
        }
    double seconds = bench_now() - begin;
    mmu_machine_free(machine);
    return (double)l->n * times / seconds;
}

static void write_trace(const struct load *l, const char *path, bool runs, unsigned times)
{
    struct mmu_trace_write_options options = {.format = MMU_TRACE_BINARY,
                                              .collapse = runs ? mmu_runs_collapse : NULL};
    struct mmu_trace_writer *writer;
    struct mmu_error err;
    int status = mmu_trace_create_with(path, &options, &writer, &err);
    if (status == MMU_OK) {
        for (unsigned t = 0; t < times && status == MMU_OK; t++)
            status = mmu_trace_write(writer, l->a, l->n, &err);
        if (status == MMU_OK)
            status = mmu_trace_finish(writer, &err);
        else
            mmu_trace_abort(writer);
    }
    if (status != MMU_OK)
        bench_fail(&err);
}

/* References a second: as the program says, and by processor time. */
struct speed {
    double wall, processor;
};

static double children_seconds(void)
{
    struct rusage use;
    if (getrusage(RUSAGE_CHILDREN, &use))
        exit(2);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-6;
}

static struct speed from_file(const char *path, unsigned threads)
{
    char self[4096], command[8192];
    struct speed best = {0, 0};
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        exit(2);
    self[n] = 0;
    *strrchr(self, '/') = 0;
    snprintf(command, sizeof command,
             "exec '%s/mmusim' run --config skylake-sp --set memory.reads=fixed --set memory.read-latency=4 "
             "--threads %u '%s' 2>&1 >/dev/null",
             self, threads, path);
    unsigned tries = BEST_OF;
    for (unsigned i = 0; i < tries; i++) {
        double before = children_seconds(), wall, processor;
        uint64_t references;
        FILE *said = popen(command, "r");
        if (!said ||
            fscanf(said, "mmusim: %" SCNu64 " references in %*f s: %lf million/s", &references, &wall) != 2 ||
            pclose(said)) {
            fprintf(stderr, "%s failed\n", command);
            exit(2);
        }
        tries = (double)references < SHORT * wall * 1e6 ? BEST_OF_SHORT : BEST_OF;
        processor = (double)references / (children_seconds() - before);
        best.wall = wall * 1e6 > best.wall ? wall * 1e6 : best.wall;
        best.processor = processor > best.processor ? processor : best.processor;
    }
    return best;
}

/* A row: a file, beside its references or page runs in memory. */
static void run_file(const struct bench_options *o, const struct load *l, const char *name, const char *form,
                     const char *file, bool runs, unsigned times)
{
    double memory = from_memory(o, l, runs, times);
    struct speed one = from_file(file, 1), two = from_file(file, 2);
    double after = from_memory(o, l, runs, times);
    memory = after > memory ? after : memory;
    printf("%-18s %-10s %8.1f %12.1f %6.3f %12.1f %6.3f %9.3f %5.1f\n", name, form, memory * 1e-6,
           one.wall * 1e-6, one.wall / memory, two.wall * 1e-6, two.wall / memory, 2 * two.processor / memory,
           GOAL);
    fflush(stdout);
}

static void run_trace(const struct bench_options *o, const char *path, const char *file)
{
    struct load l = {0};
    l.a = bench_trace(path, &l.n, &l.has_fetches);
    collapse(&l);
    unsigned times = 1 + (unsigned)(o->seconds * 1e8 / (double)l.n);
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    run_file(o, &l, name, "as it is", path, false, 1 + times / 10);
    for (unsigned runs = 0; runs < 2; runs++) {
        write_trace(&l, file, runs, times);
        run_file(o, &l, name, runs ? "page runs" : "references", file, runs, times);
    }
    free(l.a);
    free(l.heads);
    free(l.runs);
}

int main(int argc, char **argv)
{
    struct bench_options o;
    char file[] = P_tmpdir "/mmusim-bench-XXXXXX.mmt";
    bench_parse(&o, argc, argv, usage);
    bench_shipped_traces(&o);
    int fd = mkstemps(file, 4);
    if (fd < 0) {
        perror(file);
        return 2;
    }
    close(fd);
    printf("%-18s %-10s %8s %12s %6s %12s %6s %9s %5s\n", "million refs/s", "form", "memory", "file, 1 thr.",
           "ratio", "file, 2 thr.", "ratio", "two cores", "goal");
    for (int i = 0; i < o.n_arguments; i++)
        if (!o.only || strstr(o.arguments[i], o.only))
            run_trace(&o, o.arguments[i], file);
    unlink(file);
    return 0;
}
