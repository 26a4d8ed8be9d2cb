/*
 * long.c: a trace of a thousand million references, replayed in memory that does not grow with it.
 *
 * One process writes the trace of the program of program.c into a pipe, in mmusim's binary form; this one
 * reads it there, as it would any trace, and runs it on Skylake-SP. It prints the memory that both have held
 * at most, at each tenth of the way. From the first tenth on the machine's pages are all mapped: what the
 * replay needs later than that would be a leak, and the exit status is 1.
 */
#define _DEFAULT_SOURCE
#include "bench.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static const char usage[] =
    "Usage: bench_long [--set PATH=VALUE]... [--seed N] [REFERENCES]\n"
    "Replays REFERENCES (default 1000000000, at least 10000000) out of a pipe and prints the memory at each\n"
    "tenth of them. Exit status 1: it grew by more than 1 MiB behind the first tenth.\n";

enum { BATCH = 4096, TENTHS = 10, GROWTH_KIB = 1024 };

/* The child: the trace to standard output, which is the pipe. */
_Noreturn static void write_trace(uint64_t seed, uint64_t n)
{
    static struct mmu_access a[BATCH];
    const struct mmu_trace_write_options options = {.format = MMU_TRACE_BINARY, .level = 1};
    struct mmu_trace_writer *writer;
    struct bench_program program;
    struct mmu_error err;
    bench_program_start(&program, seed);
    if (mmu_trace_create_with("-", &options, &writer, &err))
        bench_fail(&err);
    for (uint64_t done = 0; done < n; done += BATCH) {
        size_t now = n - done < BATCH ? (size_t)(n - done) : BATCH;
        bench_program_next(&program, a, now);
        if (mmu_trace_write(writer, a, now, &err))
            bench_fail(&err);
    }
    if (mmu_trace_finish(writer, &err))
        bench_fail(&err);
    exit(0);
}

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(2);
}

/* Standard input becomes the trace. Returns who writes it. */
static pid_t start_writer(uint64_t seed, uint64_t n)
{
    int ends[2];
    fflush(stdout);
    if (pipe(ends))
        die("pipe");
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (dup2(ends[child == 0], child == 0 ? STDOUT_FILENO : STDIN_FILENO) < 0)
        die("dup2");
    close(ends[0]);
    close(ends[1]);
    if (child == 0)
        write_trace(seed, n);
    return child;
}

static long peak_kib(int who)
{
    struct rusage use;
    return getrusage(who, &use) ? 0 : use.ru_maxrss;
}

static double wall(void)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    return (double)now.tv_sec + (double)now.tv_usec * 1e-6;
}

/* Runs the trace on standard input. Returns how far the memory grew behind the first tenth, in KiB. */
static long replay(struct mmu_core *core, uint64_t n)
{
    static struct mmu_access a[BATCH];
    struct mmu_trace_reader *reader;
    struct mmu_error err;
    uint64_t done = 0;
    int64_t got;
    long first = 0;
    double begin = wall();
    if (mmu_trace_open("-", MMU_TRACE_BINARY, &reader, &err))
        bench_fail(&err);
    for (uint64_t tenth = 1; (got = mmu_trace_read(reader, a, BATCH, &err)) > 0;) {
        if (mmu_core_run(core, a, (size_t)got, NULL))
            exit(2);
        for (done += (uint64_t)got; tenth <= TENTHS && done >= n / TENTHS * tenth; tenth++) {
            first = tenth == 1 ? peak_kib(RUSAGE_SELF) : first;
            printf("%16" PRIu64 " %12.1f %14.1f\n", done, (double)peak_kib(RUSAGE_SELF) / 1024,
                   (double)done / (wall() - begin) * 1e-6);
            fflush(stdout);
        }
    }
    if (got < 0)
        bench_fail(&err);
    mmu_trace_close(reader);
    if (done != n) {
        fprintf(stderr, "%" PRIu64 " references came, expected %" PRIu64 "\n", done, n);
        exit(2);
    }
    return peak_kib(RUSAGE_SELF) - first;
}

int main(int argc, char **argv)
{
    struct bench_options o;
    int status;
    bench_parse(&o, argc, argv, usage);
    uint64_t n = o.n_arguments ? strtoull(o.arguments[0], NULL, 10) : UINT64_C(1000000000);
    if (o.n_arguments > 1 || n < 10000000) {
        fputs(usage, stderr);
        return 2;
    }
    pid_t child = start_writer(o.seed, n);
    struct mmu_machine *machine = bench_machine("skylake-sp", &o, NULL, 0);
    printf("replay out of a pipe, seed %" PRIu64 ", version %s\n", o.seed, MMU_VERSION);
    printf("%16s %12s %14s\n", "references", "peak MiB", "million refs/s");
    mmu_core_set_has_fetches(mmu_machine_core(machine, 0), true);
    long grown = replay(mmu_machine_core(machine, 0), n);
    mmu_machine_free(machine);
    if (waitpid(child, &status, 0) < 0 || status)
        return 2;
    printf("grown behind the first tenth: %ld KiB; the writer: %.1f MiB at most\n", grown,
           (double)peak_kib(RUSAGE_CHILDREN) / 1024);
    return grown > GROWTH_KIB;
}
