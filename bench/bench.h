/*
 * bench.h: what the benches share: a clock, options, rows of a table.
 *
 * Every figure stands beside a reference measured in the same run (merely summing the same records), so that
 * a ratio holds on a noisy machine.
 */
#ifndef BENCH_H
#define BENCH_H

#include <mmusim/mmusim.h>

/* Seconds of processor time that this thread has used. */
double bench_now(void);

/* Options of a bench: --seconds N, --profile FILE, --set PATH=VALUE (repeatable), --seed N; the rest are
 * arguments. */
struct bench_options {
    double seconds; /* per figure, 2 by default */
    const char *profile;
    const char *only; /* substring of the figures wanted, or NULL */
    const char *sets[16];
    size_t n_sets;
    uint64_t seed;
    char **arguments;
    int n_arguments;
};
void bench_parse(struct bench_options *o, int argc, char **argv, const char *usage);

/* Without arguments: makes the traces shipped with this build the arguments. */
void bench_shipped_traces(struct bench_options *o);

/* Around what is profiled, when --profile was given (needs gperftools: configure with -DMMUSIM_PROFILER=ON).
 */
void bench_profile_begin(const struct bench_options *o);
void bench_profile_end(const struct bench_options *o);

/* Prints an error and exits with status 2. */
_Noreturn void bench_fail(const struct mmu_error *err);

/* Loads a machine with the options' --set and seed, creates it. */
struct mmu_machine *bench_machine(const char *name, const struct bench_options *o, const char *const *sets,
                                  size_t n_sets);

/* A whole trace in memory. Freed by the caller. */
struct mmu_access *bench_trace(const char *path, size_t *n, bool *has_fetches);

/* Runs `mmusim run` of this build with these arguments of a shell's line; returns references a second, as it
 * says, or 0 when it fails. */
double bench_run(const char *arguments);

/* Small seeded generator (splitmix64). */
uint64_t bench_random(uint64_t *state);

/* A program that does not exist: its next n references. A fetch begins each instruction, its data follow. */
struct bench_program {
    uint64_t state, ip;
};
void bench_program_start(struct bench_program *p, uint64_t seed);
void bench_program_next(struct bench_program *p, struct mmu_access *to, size_t n);

#endif
