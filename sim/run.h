/*
 * sim/run.h: the parts of `mmusim run`: the command line and its machines (run.c), one trace through them
 * (replay.c).
 */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "cli.h"
#include "report.h"
#include "spaces.h"
#include "tables.h"
#include "trace_file.h"

/* A machine description, and the machine that the present trace runs on. */
struct lane {
    struct mmu_config config;
    char name[512]; /* unique among the lanes */
    uint64_t hash;  /* of the resolved config's text */
    struct mmu_machine *machine;
    struct tables_memory memory;
    struct spaces_tasks tasks; /* of its kernel */
    size_t column; /* its first one among the report's runs of a trace */
    size_t core0;  /* number of its first core among all machines' */
};

/* The runs that a machine gives: its own, and with several cores one for each behind it. */
static inline size_t lane_columns(const struct lane *lane)
{
    return lane->config.cores == 1 ? 1 : 1 + lane->config.cores;
}

/* The command line, and everything that a run needs. */
struct job {
    struct cli_list configs, sets, traces;
    uint64_t warmup, limit, seed, threads;
    bool has_limit, has_seed, classify;
    unsigned format;
    struct trace_in trace_in;
    struct tables tables;
    struct spaces *spaces; /* of the present trace; NULL: no machine has a kernel */
    const char *output;
    struct lane *lane;          /* configs.n */
    size_t columns, cores;      /* of all lanes */
    struct report_run *run;     /* traces.n x columns */
    struct mmu_stats *stats;    /* the same */
    struct mmu_stats *snapshot; /* cores: at the end of the warm-up */
    char (*column)[560];        /* columns: the machines' names in the report */
    uint64_t replayed;          /* references x machines, all traces */
    uint64_t simulated;         /* of these, those that were no members of page runs */
    double seconds;             /* spent replaying */
    bool cut;                   /* a trace ended too early; its runs are of the part before */
};

/* Fresh machines for the trace, the trace through them, their reports into run[]. CLI_GO, or the exit status
 * to end with after a complaint. */
int replay_trace(struct job *job, size_t trace);

/* Are the inputs scenarios (sim/script.h)? CLI_GO, or CLI_BAD: of both kinds, or with options of traces. */
int scenarios_among(const struct job *job, bool *are);
/* Each scenario on a fresh machine of each config. CLI_OK; CLI_NO: an expectation failed; CLI_BAD. */
int scenarios_run(const struct job *job, FILE *out);

#endif
