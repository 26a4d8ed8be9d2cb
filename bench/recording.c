/*
 * recording.c: how much slower a program runs while `mmusim trace record` records it, and why.
 *
 * Each program runs alone, under QEMU alone, under QEMU with a plugin that is called as often as a recorder
 * must be and does nothing, and recorded. What QEMU takes alone no recorder that stands on it can win back;
 * programs whose vector instructions QEMU makes of calls lose most there.
 *
 * The programs are this one, started again, each way of keeping a processor busy a row, and some of the
 * system's; or one that is named. They are timed by the clock on the wall, since the recorder works beside
 * the program; the machine should be idle and have two processors at least. Behind it stand the processors'
 * times of QEMU and of the recorder.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
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

/* Programs of the system: they read a file of text, which is named last. */
static const char *const SYSTEM[][4] = {
    {"gzip", "-9", "-c", NULL}, {"xz", "-1", "-c", NULL}, {"sort", NULL}, {"sha256sum", NULL}};
enum { N_SYSTEM = sizeof SYSTEM / sizeof *SYSTEM };

/* Lines of words, some more frequent than others. */
static void write_text(FILE *file)
{
    enum { WORDS = 2400000, OF_A_LINE = 8 };
    uint64_t state = 3;
    for (unsigned i = 1; i <= WORDS; i++) {
        uint64_t r = bench_random(&state), word = r % (1 + (r >> 32) % 5000) * UINT64_C(0x9E3779B97F4A7C15);
        for (uint64_t left = word; left > word >> 30; left >>= 8)
            fputc('a' + (int)(left % 26), file);
        fputc(i % OF_A_LINE ? ' ' : '\n', file);
    }
}

/* ---- timing ---- */

/* Seconds: on the wall, of processors, and of those the share of children. */
struct times {
    double wall, all, children;
};

static double wall(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Of a process that has ended, but was not waited for. */
static void read_times(pid_t pid, struct times *t)
{
    char path[64], text[1024];
    unsigned long ticks[4] = {0};
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[n] = 0;
    if (file)
        fclose(file);
    const char *behind = strrchr(text, ')'); /* fields 14 to 17: utime, stime, cutime, cstime */
    if (behind)
        sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &ticks[0],
               &ticks[1], &ticks[2], &ticks[3]);
    double second = (double)sysconf(_SC_CLK_TCK);
    t->children = (double)(ticks[2] + ticks[3]) / second;
    t->all = t->children + (double)(ticks[0] + ticks[1]) / second;
}

/* Runs it, its output thrown away. *status: what it ended with. */
static struct times run(char *const *argv, int *status)
{
    struct times t = {.wall = wall()};
    siginfo_t about;
    pid_t pid = fork();
    if (!pid) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    if (pid < 0 || waitid(P_PID, (id_t)pid, &about, WEXITED | WNOWAIT)) {
        perror("cannot run");
        exit(2);
    }
    t.wall = wall() - t.wall;
    read_times(pid, &t);
    waitpid(pid, status, 0);
    return t;
}

/* The faster of two. */
static struct times run_twice(char *const *argv, int *status)
{
    struct times first = run(argv, status), second = run(argv, status);
    return second.wall < first.wall ? second : first;
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

/* ---- rows ---- */

enum { FRONT = 6, GOAL = 8 }; /* words before a program's; times slower, at most */

struct rig {
    char self[PATH_MAX], mmusim[PATH_MAX + 16], plugin[PATH_MAX + 32];
    char output[32], text[32]; /* temporary files */
    char *words[64];           /* a command line: the first FRONT are free */
};

static void must_be_same(const char *name, int status, int again)
{
    if (status == again)
        return;
    fprintf(stderr, "%s: ended in another way under QEMU\n", name);
    exit(2);
}

/* Times slower than alone: under QEMU, with its plugin that does nothing, recorded. */
static void row(struct rig *rig, const char *name, const char *what)
{
    static char qemu[] = "qemu-x86_64", cpu[] = "-cpu", processor[] = "max,-erms", option[] = "-plugin";
    static char trace[] = "trace", record[] = "record", to[] = "-o", ends[] = "--";
    char **words = rig->words;
    struct stat about;
    int status, again;
    struct times alone = run_twice(words + FRONT, &status);
    memcpy(words + 1, (char *[]){qemu, option, rig->plugin, cpu, processor}, 5 * sizeof *words);
    struct times calls = run(words + 1, &again);
    must_be_same(name, status, again);
    memcpy(words + 3, (char *[]){qemu, cpu, processor}, 3 * sizeof *words);
    struct times bare = run(words + 3, &again);
    must_be_same(name, status, again);
    memcpy(words, (char *[]){rig->mmusim, trace, record, to, rig->output, ends}, 6 * sizeof *words);
    struct times recorded = run(words, &again);
    must_be_same(name, status, again);
    if (stat(rig->output, &about)) {
        perror(rig->output);
        exit(2);
    }
    char label[32];
    snprintf(label, sizeof label, "%s%s", name, what);
    double n = (double)references(rig->output), all = alone.wall;
    printf("%-12.12s %7.2f s  %5.1f  %5.1f  %8.1f  %4d  %5.1f  %8.1f  %8.1f  %8.1f  %6.3f\n", label, all,
           bare.wall / all, calls.wall / all, recorded.wall / all, GOAL, recorded.children / all,
           (recorded.all - recorded.children) / all, n / all * 1e-6, n / recorded.wall * 1e-6,
           (double)about.st_size / n);
    fflush(stdout);
}

/* A program by its path, since QEMU looks for none. False: there is no such. */
static bool find(const char *name, char path[PATH_MAX])
{
    const char *at = getenv("PATH");
    if (strchr(name, '/'))
        return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX;
    for (; at && *at; at += strcspn(at, ":") + (at[strcspn(at, ":")] == ':'))
        if (snprintf(path, PATH_MAX, "%.*s/%s", (int)strcspn(at, ":"), at, name) < PATH_MAX &&
            !access(path, X_OK))
            return true;
    return false;
}

static void make_file(char name[32])
{
    strcpy(name, P_tmpdir "/mmusim-bench.XXXXXX");
    int fd = mkstemp(name);
    if (fd < 0) {
        perror("cannot make a file");
        exit(2);
    }
    close(fd);
}

static void own_rows(struct rig *rig, const char *only)
{
    static char work[] = "work";
    for (size_t i = 0; i < N_WORK; i++) {
        if (only && !strstr(WORK[i].name, only))
            continue;
        memcpy(rig->words + FRONT, (char *[]){rig->self, work, (char *)(uintptr_t)WORK[i].name, NULL},
               4 * sizeof *rig->words);
        row(rig, WORK[i].name, "");
    }
}

static void system_rows(struct rig *rig, const char *only)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < N_SYSTEM; i++) {
        size_t n = FRONT;
        if ((only && !strstr(SYSTEM[i][0], only)) || !find(SYSTEM[i][0], path))
            continue;
        rig->words[n++] = path;
        for (size_t k = 1; SYSTEM[i][k]; k++)
            rig->words[n++] = (char *)(uintptr_t)SYSTEM[i][k];
        rig->words[n++] = rig->text;
        rig->words[n] = NULL;
        row(rig, SYSTEM[i][0], "(1)");
    }
}

/* One that was named. */
static void named_row(struct rig *rig, char *const *arguments, size_t n)
{
    static char path[PATH_MAX];
    if (n + FRONT + 1 > sizeof rig->words / sizeof *rig->words || !find(arguments[0], path)) {
        fprintf(stderr, "%s: cannot be run\n", arguments[0]);
        exit(2);
    }
    memcpy(rig->words + FRONT, arguments, n * sizeof *arguments);
    rig->words[FRONT] = path;
    rig->words[FRONT + n] = NULL;
    row(rig, arguments[0], "");
}

static void prepare(struct rig *rig)
{
    ssize_t n = readlink("/proc/self/exe", rig->self, sizeof rig->self - 1);
    char folder[PATH_MAX];
    if (n <= 0)
        exit(2);
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(rig->self, '/') - rig->self), rig->self);
    snprintf(rig->mmusim, sizeof rig->mmusim, "%s/mmusim", folder);
    snprintf(rig->plugin, sizeof rig->plugin, "%s/../lib/bench-calls.so", folder);
    make_file(rig->output);
    make_file(rig->text);
    FILE *file = fopen(rig->text, "w");
    if (!file) {
        perror(rig->text);
        exit(2);
    }
    write_text(file);
    fclose(file);
}

int main(int argc, char **argv)
{
    static struct rig rig;
    struct bench_options o;
    for (size_t i = 0; argc == 3 && !strcmp(argv[1], "work") && i < N_WORK; i++)
        if (!strcmp(argv[2], WORK[i].name))
            return printf("%" PRIu64 "\n", WORK[i].run()) < 0;
    bench_parse(&o, argc, argv, usage);
    prepare(&rig);
    printf("%-12s %9s  %21s  %4s  %15s  %18s\n", "", "", "times slower", "", "processors", "M references/s");
    printf("%-12s %9s  %5s  %5s  %8s  %4s  %5s  %8s  %8s  %8s  %6s\n", "program", "alone", "qemu", "calls",
           "recorded", "goal", "qemu", "recorder", "alone", "recorded", "bytes");
    if (o.n_arguments) {
        named_row(&rig, o.arguments, (size_t)o.n_arguments);
    } else {
        own_rows(&rig, o.only);
        system_rows(&rig, o.only);
    }
    unlink(rig.output);
    unlink(rig.text);
    return 0;
}
