/*
 * recording.c: how much slower a program runs while `mmusim trace record` records it.
 *
 * The programs are this one, started again: each row is one way of keeping a processor busy. Or a program
 * that is named. Both are timed by the clock on the wall, since the recorder works beside the program; the
 * machine should be idle and have two processors at least.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char usage[] = "Usage: bench_recording [--only TEXT] [PROGRAM [ARGUMENT...]]\n"
                            "Time of a program recorded by 'mmusim trace record', over its time alone.\n";

/* ---- what is recorded ---- */

static uint64_t *make_memory(size_t words)
{
    uint64_t *memory = malloc(words * sizeof *memory), state = 1;
    if (!memory)
        exit(2);
    for (size_t i = 0; i < words; i++)
        memory[i] = bench_random(&state);
    return memory;
}

/* Steps through 256 MiB, each to where the last one says: the memory's latency. */
static uint64_t chase(void)
{
    enum { WORDS = 1 << 25 };
    uint64_t *memory = make_memory(WORDS), at = 0;
    for (unsigned i = 0; i < 20000000; i++)
        at = memory[(at + i) % WORDS];
    free(memory);
    return at;
}

/* A hash table of 64 MiB that is filled and asked. */
static uint64_t hash(void)
{
    enum { PLACES = 1 << 23 };
    uint64_t *table = calloc(PLACES, sizeof *table), state = 7, found = 0;
    if (!table)
        exit(2);
    for (unsigned i = 0; i < 12000000; i++) {
        uint64_t key = bench_random(&state) >> 42 | 1;
        size_t at = (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 41);
        while (table[at % PLACES] && table[at % PLACES] != key)
            at++;
        found += table[at % PLACES] == key;
        table[at % PLACES] = key;
    }
    free(table);
    return found;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t sort(void)
{
    enum { WORDS = 3000000 };
    uint64_t *memory = make_memory(WORDS), middle;
    qsort(memory, WORDS, sizeof *memory, compare);
    middle = memory[WORDS / 2];
    free(memory);
    return middle;
}

/* Small loops over what the first-level cache holds: as many instructions a second as can be. */
static uint64_t multiply(void)
{
    enum { N = 64 };
    static double a[N][N], b[N][N], c[N][N];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            a[i][j] = i + j, b[i][j] = i - j;
    for (int round = 0; round < 400; round++)
        for (int i = 0; i < N; i++)
            for (int k = 0; k < N; k++)
                for (int j = 0; j < N; j++)
                    c[i][j] += a[i][k] * b[k][j];
    return (uint64_t)c[3][5];
}

static const struct {
    const char *name;
    uint64_t (*run)(void);
} WORK[] = {{"chase", chase}, {"hash", hash}, {"sort", sort}, {"multiply", multiply}};
enum { N_WORK = sizeof WORK / sizeof *WORK };

/* ---- timing ---- */

static double wall(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Runs it, its output thrown away, and returns the seconds that it took. *status: what it ended with. */
static double run(char *const *argv, int *status)
{
    double start = wall();
    pid_t pid = fork();
    if (!pid) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, status, 0) != pid) {
        perror("cannot run");
        exit(2);
    }
    return wall() - start;
}

static uint64_t references(const char *path)
{
    struct mmu_trace_reader *reader;
    struct mmu_trace_info info;
    struct mmu_error err;
    if (mmu_trace_open(path, MMU_TRACE_AUTO, &reader, &err))
        bench_fail(&err);
    mmu_trace_info(reader, &info);
    mmu_trace_close(reader);
    return info.count;
}

/* One row: argv[4...] is the program, argv[0] to argv[3] are free for "mmusim trace record -o". */
static void row(const char *name, const char *mmusim, char **argv)
{
    char output[] = P_tmpdir "/mmusim-bench.XXXXXX";
    static char trace[] = "trace", record[] = "record", to[] = "-o", ends[] = "--";
    struct stat about;
    int status, again;
    int fd = mkstemp(output);
    if (fd < 0) {
        perror("cannot make a file");
        exit(2);
    }
    close(fd);
    double alone = run(argv + 6, &status), second = run(argv + 6, &again);
    alone = second < alone ? second : alone;
    argv[0] = (char *)(uintptr_t)mmusim, argv[1] = trace, argv[2] = record;
    argv[3] = to, argv[4] = output, argv[5] = ends;
    double recorded = run(argv, &again);
    if (status != again || stat(output, &about)) {
        fprintf(stderr, "%s: could not be recorded\n", name);
        exit(2);
    }
    uint64_t n = references(output);
    printf("%-20.20s %7.2f s  %9.2f s  %6.1f  %8.1f  %8.1f  %6.3f\n", name, alone, recorded, recorded / alone,
           (double)n / alone * 1e-6, (double)n / recorded * 1e-6, (double)about.st_size / (double)n);
    fflush(stdout);
    unlink(output);
}

int main(int argc, char **argv)
{
    char self[PATH_MAX] = "", mmusim[PATH_MAX + 16];
    struct bench_options o;
    for (size_t i = 0; argc == 3 && !strcmp(argv[1], "work") && i < N_WORK; i++)
        if (!strcmp(argv[2], WORK[i].name))
            return printf("%" PRIu64 "\n", WORK[i].run()) < 0;
    bench_parse(&o, argc, argv, usage);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *copy = n > 0 ? strdup(self) : NULL;
    if (!copy)
        return 2;
    snprintf(mmusim, sizeof mmusim, "%s/mmusim", dirname(copy));
    printf("%-20s %9s  %11s  %6s  %8s  %8s  %6s\n", "program", "alone", "recorded", "ratio", "M refs/s",
           "recorded", "bytes");
    char **words = calloc((size_t)o.n_arguments + 16, sizeof *words);
    if (!words)
        return 2;
    if (o.n_arguments) {
        memcpy(words + 6, o.arguments, (size_t)o.n_arguments * sizeof *words);
        row(o.arguments[0], mmusim, words);
    }
    for (size_t i = 0; !o.n_arguments && i < N_WORK; i++) {
        static char work[] = "work";
        if (o.only && !strstr(WORK[i].name, o.only))
            continue;
        words[6] = self, words[7] = work, words[8] = (char *)(uintptr_t)WORK[i].name;
        row(WORK[i].name, mmusim, words);
    }
    free(words);
    free(copy);
    return 0;
}
