/* bench.c: see bench.h. */
#include "bench.h"
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef MMUSIM_PROFILER
#include <gperftools/profiler.h>
#endif

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* of this thread: others on the machine do not count */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

_Noreturn static void usage_error(const char *usage, const char *what, const char *arg)
{
    fprintf(stderr, "%s: %s\n%s", what, arg, usage);
    exit(2);
}

static double number(const char *usage, const char *text)
{
    char *end;
    double value = text ? strtod(text, &end) : -1;
    if (!text || end == text || *end || value < 0)
        usage_error(usage, "not a number", text ? text : "(none)");
    return value;
}

void bench_parse(struct bench_options *o, int argc, char **argv, const char *usage)
{
    *o = (struct bench_options){.seconds = 2, .seed = 1};
    int i = 1;
    while (i < argc && argv[i][0] == '-' && argv[i][1]) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        } else if (strcmp(argv[i], "--seconds") == 0) {
            o->seconds = number(usage, value);
        } else if (strcmp(argv[i], "--seed") == 0) {
            o->seed = (uint64_t)number(usage, value);
        } else if (strcmp(argv[i], "--only") == 0 && value) {
            o->only = value;
        } else if (strcmp(argv[i], "--profile") == 0 && value) {
            o->profile = value;
        } else if (strcmp(argv[i], "--set") == 0 && value && o->n_sets < sizeof o->sets / sizeof *o->sets) {
            o->sets[o->n_sets++] = value;
        } else {
            usage_error(usage, "unknown or incomplete option", argv[i]);
        }
        i += 2;
    }
    o->arguments = argv + i;
    o->n_arguments = argc - i;
#ifndef MMUSIM_PROFILER
    if (o->profile)
        usage_error(usage, "--profile needs a build with -DMMUSIM_PROFILER=ON", o->profile);
#endif
}

void bench_shipped_traces(struct bench_options *o)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    glob_t found;
    if (o->n_arguments || n <= 0 || (size_t)n >= sizeof path)
        return;
    path[n] = 0;
    char *slash = strrchr(path, '/');
    size_t room = sizeof path - (size_t)(slash - path);
    if (snprintf(slash, room, "/../traces/*.mmt") >= (int)room || glob(path, 0, NULL, &found) != 0)
        return;
    o->arguments = found.gl_pathv; /* kept until the program ends */
    o->n_arguments = (int)found.gl_pathc;
}

void bench_profile_begin(const struct bench_options *o)
{
#ifdef MMUSIM_PROFILER
    if (o->profile)
        ProfilerStart(o->profile);
#else
    (void)o;
#endif
}

void bench_profile_end(const struct bench_options *o)
{
#ifdef MMUSIM_PROFILER
    if (o->profile)
        ProfilerStop();
#else
    (void)o;
#endif
}

_Noreturn void bench_fail(const struct mmu_error *err)
{
    char text[1024];
    fprintf(stderr, "%s\n", mmu_error_format(err, text, sizeof text));
    exit(2);
}

struct mmu_machine *bench_machine(const char *name, const struct bench_options *o, const char *const *sets,
                                  size_t n_sets)
{
    struct mmu_config config;
    struct mmu_machine *machine;
    struct mmu_error err;
    const char *all[32];
    size_t n = 0;
    for (size_t i = 0; i < n_sets && n < 16; i++)
        all[n++] = sets[i];
    for (size_t i = 0; i < o->n_sets; i++)
        all[n++] = o->sets[i];
    if (mmu_config_load(&config, name, all, n, &err) != MMU_OK)
        bench_fail(&err);
    config.seed = o->seed;
    if (mmu_machine_create(&config, NULL, &machine, &err) != MMU_OK)
        bench_fail(&err);
    return machine;
}

struct mmu_access *bench_trace(const char *path, size_t *n, bool *has_fetches)
{
    struct mmu_trace_reader *reader;
    struct mmu_trace_info info;
    struct mmu_error err;
    size_t room = 1 << 20;
    struct mmu_access *all = malloc(room * sizeof *all);
    if (mmu_trace_open(path, MMU_TRACE_AUTO, &reader, &err) != MMU_OK)
        bench_fail(&err);
    *n = 0;
    for (;;) {
        int64_t got = all ? mmu_trace_read(reader, all + *n, room - *n, &err) : MMU_ERR_NOMEM;
        if (got < 0)
            bench_fail(&err);
        if (got == 0)
            break;
        *n += (size_t)got;
        if (*n == room)
            all = realloc(all, (room *= 2) * sizeof *all);
    }
    mmu_trace_info(reader, &info);
    *has_fetches = info.has_fetches;
    mmu_trace_close(reader);
    return all;
}

double bench_run(const char *arguments)
{
    char self[4096], command[10000];
    double speed = 0;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return 0;
    self[n] = 0;
    *strrchr(self, '/') = 0;
    int size = snprintf(command, sizeof command, "'%s/mmusim' run %s 2>&1 >/dev/null", self, arguments);
    FILE *said = size < (int)sizeof command ? popen(command, "r") : NULL;
    bool ok = said && fscanf(said, "mmusim: %*u references in %*f s: %lf million/s", &speed) == 1;
    while (said && fgetc(said) != EOF) /* or it could not finish */
        ;
    int status = said ? pclose(said) : -1;
    if (status == 127 << 8) { /* of the shell */
        fprintf(stderr, "%s/mmusim: expected this build's program\n", self);
        exit(2);
    }
    return status == 0 && ok ? speed * 1e6 : 0;
}

uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}
