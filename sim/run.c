/*
 * sim/run.c: mmusim run: traces through machines.
 *
 * Each trace is a run of its own on fresh machines. It is decoded once, in blocks that stay in the host's
 * caches, and each block is fed to core 0 of every machine. A report appears whole or not at all: a trace
 * that turns out to be damaged gives no report.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli.h"
#include "progress.h"
#include "report.h"
#include "trace.h"
#include "trace_file.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096 }; /* references decoded at once: 64 KiB */

/* A machine description, and the machine that the present trace runs on. */
struct lane {
    struct mmu_config config;
    char name[512]; /* unique among the lanes */
    uint64_t hash;  /* of the resolved config's text */
    struct mmu_machine *machine;
    struct mmu_core *core;
};

/* The command line, and everything that a run needs. */
struct job {
    struct cli_list configs, sets, traces;
    uint64_t warmup, limit, seed;
    bool has_limit, has_seed, classify;
    unsigned format;
    struct trace_in in;
    const char *output;
    struct lane *lane;        /* configs.n */
    struct report_run *run;   /* traces.n x configs.n */
    struct mmu_stats *stats;  /* the same, and configs.n snapshots at the end of the warm-up */
    struct mmu_access *block; /* BLOCK */
    uint64_t replayed;        /* references x machines, all traces */
    double seconds;           /* spent replaying */
};

static const char *const FORMATS[] = {"text", "json", "csv", NULL};

static const struct cli_command COMMAND = {
    .name = "run",
    .usage = "--config NAME|FILE [OPTION...] TRACE...",
    .summary = "Replays address traces through machines and reports TLB hit rates, page walks and cycles.\n"
               "Each trace is a run of its own on a fresh machine of one core. Several machines or traces\n"
               "give one table, side by side; each trace is decoded once. '-' reads a trace from standard\n"
               "input. Compressed traces are recognised.",
    .details =
        "The reports:\n"
        "  text  one run: everything an architect wants at a glance; several runs: a table\n"
        "  json  an object with an array of runs: figures, ledgers, every counter, with definitions\n"
        "  csv   a row a number: machine,trace,path,unit,value (unknown: value is empty)\n"
        "The same traces, machines and seed give the same bytes. The speed goes to standard error.\n"
        "\n"
        "Examples:\n"
        "  mmusim run --config skylake-sp traces/cc1.mmt\n"
        "  mmusim run --config haswell --config zen3 --warmup 1000000 traces/cc1.mmt\n"
        "  mmusim run --config skylake-sp --set window=8 --format json --output run.json ls.lackey.xz\n"
        "  valgrind --tool=lackey --trace-mem=yes ls 2>&1 | mmusim run --config zen4 -\n"
        "\n"
        "A machine of several cores is refused: the library drives them, each by its own accesses.\n"
        "'mmusim config list' lists the machines, 'mmusim config show NAME' prints one.",
};

/* Says what a run cannot do without. */
static int check_given(const struct job *job)
{
    if (!job->configs.n)
        return cli_error("run: expected --config NAME|FILE; 'mmusim config list' lists the machines");
    if (!job->traces.n)
        return cli_error("run: expected a trace; 'mmusim run --help' shows examples");
    return CLI_GO;
}

static int parse(struct job *job, int argc, char **argv)
{
    const struct cli_option options[] = {
        {.name = "config",
         .type = CLI_TEXTS,
         .into = &job->configs,
         .value = "NAME|FILE",
         .help = "the machine: a shipped one's name or a YAML file; may be repeated"},
        {.name = "set",
         .type = CLI_TEXTS,
         .into = &job->sets,
         .value = "PATH=VALUE",
         .help = "override a field of every machine, for example walk.walkers=2; may be repeated"},
        {.name = "warmup",
         .type = CLI_NUMBER,
         .into = &job->warmup,
         .value = "N",
         .help = "run N references before the statistics begin (default 0)"},
        {.name = "limit",
         .type = CLI_NUMBER,
         .into = &job->limit,
         .value = "N",
         .help = "measure at most N references, behind the warm-up (default: all)",
         .min = 1,
         .given = &job->has_limit},
        {.name = "seed",
         .type = CLI_NUMBER,
         .into = &job->seed,
         .value = "N",
         .help = "seed of random replacement and random frames (default: the machine's)",
         .given = &job->has_seed},
        {.name = "classify",
         .type = CLI_FLAG,
         .into = &job->classify,
         .help = "tell compulsory, capacity and conflict misses apart; slower, and takes memory\n"
                 "for each page touched"},
        {.name = "format",
         .type = CLI_CHOICE,
         .into = &job->format,
         .value = "text|json|csv",
         .help = "form of the report (default text)",
         .choices = FORMATS},
        {.name = "output",
         .type = CLI_TEXT,
         .into = &job->output,
         .value = "FILE",
         .help = "write the report to FILE, whole or not at all (default: standard output)"},
        trace_format_option(&job->in.format),
        trace_columns_option(&job->in),
    };
    int status = cli_parse(&COMMAND, options, sizeof options / sizeof *options, argc, argv, &job->traces);
    return status == CLI_GO ? check_given(job) : status;
}

static uint64_t fnv1a(const char *bytes, size_t n)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static int hash_config(struct lane *lane)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool ok = out && !mmu_config_write(&lane->config, out);
    if (out && fclose(out))
        ok = false;
    if (ok)
        lane->hash = fnv1a(text, size);
    free(text);
    return ok ? CLI_GO : cli_error("out of memory");
}

static bool name_taken(const struct job *job, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(job->lane[i].name, name))
            return true;
    return false;
}

/* The config's own name; as given on the command line when a machine before has that name; with a number when
 * that stood there too. */
static void name_lane(const struct job *job, size_t i)
{
    struct lane *lane = &job->lane[i];
    snprintf(lane->name, sizeof lane->name, "%s", lane->config.name);
    if (name_taken(job, i, lane->name))
        snprintf(lane->name, sizeof lane->name, "%s", job->configs.item[i]);
    for (unsigned again = 2; name_taken(job, i, lane->name); again++)
        snprintf(lane->name, sizeof lane->name, "%.480s#%u", job->configs.item[i], again);
}

static int load_configs(struct job *job)
{
    for (size_t i = 0; i < job->configs.n; i++) {
        struct lane *lane = &job->lane[i];
        struct mmu_error err = {0};
        if (mmu_config_load(&lane->config, job->configs.item[i], job->sets.item, job->sets.n, &err))
            return cli_error_mmu(&err);
        if (lane->config.cores != 1)
            return cli_error("%s: cores: %" PRIu32
                             " of them; expected 1: run replays on one core (only a program "
                             "that uses the library drives several)",
                             job->configs.item[i], lane->config.cores);
        if (lane->config.os.enabled)
            return cli_error("%s: os: a machine with a kernel, but run needs the demand pager, which maps "
                             "pages for traces without one; expected a machine without os (--set os=null)",
                             job->configs.item[i]);
        if (job->has_seed)
            lane->config.seed = job->seed;
        name_lane(job, i);
        int status = hash_config(lane);
        if (status != CLI_GO)
            return status;
    }
    return CLI_GO;
}

static void free_machines(struct job *job)
{
    for (size_t i = 0; i < job->configs.n; i++) {
        mmu_machine_free(job->lane[i].machine);
        job->lane[i].machine = NULL;
    }
}

static int create_machines(struct job *job)
{
    for (size_t i = 0; i < job->configs.n; i++) {
        struct lane *lane = &job->lane[i];
        struct mmu_error err = {0};
        if (mmu_machine_create(&lane->config, NULL, &lane->machine, &err))
            return cli_error_mmu(&err);
        lane->core = mmu_machine_core(lane->machine, 0);
        if (mmu_core_classify(lane->core, job->classify))
            return cli_error("out of memory");
    }
    return CLI_GO;
}

/* The trace being replayed. */
struct replay {
    const char *path;
    struct mmu_trace_reader *reader;
    uint64_t done;     /* references fed to the machines */
    uint64_t end;      /* where to stop: warm-up + limit */
    uint64_t checksum; /* of the references fed, for traces that carry none */
    bool summed;       /* it is kept */
    bool fetches;      /* what the cores were told */
    bool snapped;      /* the warm-up's snapshots are taken */
};

/* Where a machine's statistics at the end of the warm-up are kept. */
static struct mmu_stats *snapshot(const struct job *job, size_t lane)
{
    return &job->stats[job->traces.n * job->configs.n + lane];
}

/* References that a core has begun to run. */
static uint64_t begun(const struct job *job, size_t i)
{
    struct mmu_stats *now = snapshot(job, i); /* no longer needed: the run has failed */
    uint64_t n = 0;
    mmu_core_stats(job->lane[i].core, now);
    for (unsigned k = 0; k < MMU_KINDS * MMU_PRIVS; k++)
        n += now->run.accesses[k];
    return n;
}

/* Says at which reference machine i gave up, and why. Looked for only when it happened. */
static int complain(const struct job *job, const struct replay *replay, size_t i,
                    const struct mmu_access *from, size_t n, int status)
{
    const struct lane *lane = &job->lane[i];
    enum mmu_mode mode = mmu_core_mode(lane->core);
    unsigned bits = mode == MMU_MODE_OFF                            ? lane->config.cpu.maxphyaddr
                    : mode == MMU_MODE_I386 || mode == MMU_MODE_PAE ? 32
                                                                    : 64;
    for (size_t k = 0; status == MMU_ERR_INVALID && k < n; k++) {
        mmu_va last = from[k].va + from[k].size - 1;
        if (last < from[k].va || (bits < 64 && last >> bits))
            return cli_error("%s: reference %" PRIu64 ", %u bytes at 0x%" PRIx64
                             ", does not fit the %u-bit linear addresses of %s",
                             replay->path, replay->done + k + 1, from[k].size, from[k].va, bits, lane->name);
    }
    return cli_error("%s: reference %" PRIu64 " on %s: %s", replay->path, begun(job, i), lane->name,
                     mmu_status_text(status));
}

static int feed(struct job *job, struct replay *replay, const struct mmu_access *from, size_t n)
{
    for (size_t i = 0; i < job->configs.n; i++) {
        int result = mmu_core_run(job->lane[i].core, from, n, NULL);
        if (result)
            return complain(job, replay, i, from, n, result);
    }
    if (replay->summed)
        replay->checksum = mmu_trace_checksum(replay->checksum, from, n);
    replay->done += n;
    job->replayed += n * job->configs.n;
    return CLI_GO;
}

/* Takes the warm-up's snapshots when it is over. Nothing of it is left in flight: its cycles end with it. */
static void end_warmup(const struct job *job, struct replay *replay)
{
    if (replay->snapped || replay->done < job->warmup)
        return;
    for (size_t i = 0; i < job->configs.n; i++) {
        if (job->warmup)
            mmu_core_drain(job->lane[i].core);
        mmu_core_stats(job->lane[i].core, snapshot(job, i));
    }
    replay->snapped = true;
}

/* A whole block, cut at the end of the warm-up and at the limit. */
static int feed_block(struct job *job, struct replay *replay, size_t n)
{
    const struct mmu_access *from = job->block;
    while (n && replay->done < replay->end) {
        end_warmup(job, replay);
        uint64_t until = replay->snapped ? replay->end : job->warmup;
        size_t part = until - replay->done < n ? (size_t)(until - replay->done) : n;
        int status = feed(job, replay, from, part);
        if (status != CLI_GO)
            return status;
        from += part;
        n -= part;
    }
    return CLI_GO;
}

static void begin_cores(const struct job *job, struct replay *replay)
{
    struct mmu_trace_info info;
    mmu_trace_info(replay->reader, &info);
    replay->fetches = info.has_fetches; /* text: as the first block says */
    replay->summed = info.format != MMU_TRACE_BINARY || !info.checksum;
    for (size_t i = 0; i < job->configs.n; i++)
        mmu_core_set_has_fetches(job->lane[i].core, replay->fetches);
}

/* The share of what will be replayed: of the trace, or of warm-up and limit. */
static double share_done(const struct replay *replay)
{
    double of_trace = mmu_trace_progress(replay->reader);
    double of_limit = replay->end == UINT64_MAX ? -1 : (double)replay->done / (double)replay->end;
    return of_limit > of_trace ? of_limit : of_trace;
}

static int replay_blocks(struct job *job, struct replay *replay)
{
    struct progress progress;
    struct mmu_error err = {0};
    int64_t n = 0;
    int status = CLI_GO;
    progress_start(&progress, "references");
    while (status == CLI_GO && replay->done < replay->end &&
           (n = mmu_trace_read(replay->reader, job->block, BLOCK, &err)) > 0) {
        if (!replay->done)
            begin_cores(job, replay);
        status = feed_block(job, replay, (size_t)n);
        if (progress.terminal)
            progress_update(&progress, replay->done, share_done(replay));
    }
    progress_end(&progress);
    return status == CLI_GO && n < 0 ? cli_error_mmu(&err) : status;
}

/* Says what the command line asked for and the trace did not have. */
static int check_length(const struct job *job, const struct replay *replay, const struct mmu_trace_info *info)
{
    if (!replay->done)
        return cli_error("%s: the trace has no references", replay->path);
    if (replay->done <= job->warmup)
        return cli_error("%s: nothing left to measure: the trace has %" PRIu64
                         " references and the warm-up takes %" PRIu64,
                         replay->path, replay->done, job->warmup);
    if (job->has_limit && replay->done < replay->end)
        cli_error("%s: the trace ended after %" PRIu64 " measured references, before the limit of %" PRIu64,
                  replay->path, replay->done - job->warmup, job->limit);
    if (info->has_fetches && !replay->fetches)
        cli_error("%s: the first instruction fetch comes late: every reference was given the issue gap of an "
                  "instruction",
                  replay->path);
    return CLI_GO;
}

static void add_entry(void *ctx, const struct mmu_tlb_entry *entry)
{
    static const unsigned SHIFT[MMU_PAGES] = {12, 21, 22, 30};
    struct report_tlb *tlb = ctx;
    tlb->valid++;
    tlb->reach += UINT64_C(1) << SHIFT[entry->page];
}

/* What one machine measured. CLI_NO when its numbers do not add up. */
static int collect(const struct job *job, const struct replay *replay, const struct mmu_trace_info *info,
                   size_t trace, size_t i)
{
    const struct lane *lane = &job->lane[i];
    struct report_run *run = &job->run[trace * job->configs.n + i];
    struct mmu_stats *stats = &job->stats[trace * job->configs.n + i];
    mmu_core_stats(lane->core, stats);
    mmu_stats_difference(stats, stats, snapshot(job, i));
    *run = (struct report_run){.config = &lane->config,
                               .machine = lane->name,
                               .config_hash = lane->hash,
                               .trace = replay->path,
                               .info = *info,
                               .checksum = replay->summed ? replay->checksum : info->checksum,
                               .warmup = job->warmup,
                               .measured = replay->done - job->warmup,
                               .stats = stats};
    for (uint32_t s = 0; s < lane->config.tlbs; s++)
        mmu_core_tlb_entries(lane->core, s, add_entry, &run->tlb[s]);
    struct mmu_error err = {0};
    if (!mmu_stats_check(stats, &lane->config, &err))
        return CLI_GO;
    cli_error("%s on %s: the numbers do not add up, which is an error of this program: %s", replay->path,
              lane->name, err.message);
    return CLI_NO;
}

static int replay_open_trace(struct job *job, struct replay *replay, size_t trace)
{
    double start = progress_seconds();
    int status = replay_blocks(job, replay);
    job->seconds += progress_seconds() - start;
    if (status != CLI_GO)
        return status;
    struct mmu_trace_info info;
    mmu_trace_info(replay->reader, &info);
    status = check_length(job, replay, &info);
    for (size_t i = 0; status == CLI_GO && i < job->configs.n; i++)
        status = collect(job, replay, &info, trace, i);
    return status;
}

static int replay_trace(struct job *job, size_t trace)
{
    struct replay replay = {.path = job->traces.item[trace], .end = UINT64_MAX};
    if (job->has_limit && job->limit < UINT64_MAX - job->warmup)
        replay.end = job->warmup + job->limit;
    int status = trace_in_open(&job->in, replay.path, &replay.reader);
    if (status != CLI_GO)
        return status;
    status = create_machines(job);
    if (status == CLI_GO)
        status = replay_open_trace(job, &replay, trace);
    free_machines(job);
    mmu_trace_close(replay.reader);
    return status;
}

static void print_speed(const struct job *job)
{
    fprintf(stderr, "mmusim: %" PRIu64 " references in %.2f s: %.1f million/s\n", job->replayed, job->seconds,
            job->seconds > 0 ? (double)job->replayed / job->seconds * 1e-6 : 0.0);
}

static int run_job(struct job *job, FILE *out)
{
    int status = load_configs(job);
    for (size_t trace = 0; status == CLI_GO && trace < job->traces.n; trace++)
        status = replay_trace(job, trace);
    if (status != CLI_GO)
        return status;
    return report_write((enum report_format)job->format, job->run, job->traces.n, job->configs.n, out);
}

static int allocate(struct job *job)
{
    size_t runs = job->traces.n * job->configs.n;
    job->lane = calloc(job->configs.n, sizeof *job->lane);
    job->run = calloc(runs, sizeof *job->run);
    job->stats = calloc(runs + job->configs.n, sizeof *job->stats);
    job->block = calloc(BLOCK, sizeof *job->block);
    return job->lane && job->run && job->stats && job->block ? CLI_GO : cli_error("out of memory");
}

int cmd_run(int argc, char **argv)
{
    struct job job = {0};
    struct cli_output out = {0};
    int status = parse(&job, argc, argv);
    if (status == CLI_GO)
        status = allocate(&job);
    if (status == CLI_GO && (status = cli_output_open(&out, job.output)) == CLI_OK) {
        status = run_job(&job, out.file);
        if (status == CLI_OK && (status = cli_output_close(&out)) == CLI_OK)
            print_speed(&job);
    }
    cli_output_discard(&out);
    free(job.lane);
    free(job.run);
    free(job.stats);
    free(job.block);
    cli_list_free(&job.configs);
    cli_list_free(&job.sets);
    cli_list_free(&job.traces);
    return status;
}
