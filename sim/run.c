/*
 * sim/run.c: mmusim run: traces through machines. The command line, the machines, the reports; replay.c runs
 * a trace.
 *
 * Each trace is a run of its own on fresh machines.
 */
#define _POSIX_C_SOURCE 200809L
#include "run.h"
#include "trace.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const FORMATS[] = {"text", "json", "csv", NULL};

static const struct cli_command COMMAND = {
    .name = "run",
    .usage = "--config NAME|FILE [OPTION...] TRACE...\n--config NAME|FILE [OPTION...] SCENARIO...",
    .summary =
        "Replays address traces through machines and reports TLB hit rates, page walks and cycles.\n"
        "Scenarios (.mms), lines of calls, accesses, questions and expectations, are run and answered.\n"
        "Each trace is a run of its own on a fresh machine. Several machines or traces\n"
        "give one table, side by side; each trace is decoded once. '-' reads standard input. Traces and\n"
        "scenarios may be packed.",
    .details =
        "The reports:\n"
        "  text  one run: everything an architect wants at a glance; several runs: a table\n"
        "  json  an object with an array of runs: figures, ledgers, every counter, with definitions\n"
        "  csv   a row a number: machine,trace,path,unit,value (unknown: value is empty)\n"
        "The same traces, machines and seed give the same bytes. The speed goes to standard error.\n"
        "Of a trace that ends too early the part before is reported, and marked; the exit status is 2 then.\n"
        "\n"
        "Examples:\n"
        "  mmusim run --config skylake-sp traces/cc1.mmt\n"
        "  mmusim run --config haswell --config zen3 --warmup 1000000 traces/cc1.mmt\n"
        "  mmusim run --config skylake-sp --set window=8 --format json --output run.json ls.lackey.xz\n"
        "  mmusim run --config zen4 --image vm.core.xz --registers registers.txt trace.mmt\n"
        "  valgrind --tool=lackey --trace-mem=yes ls 2>&1 | mmusim run --config zen4 -\n"
        "\n"
        "What a trace says of processes and processors: each process gets an address space of its own\n"
        "(a change of process is MOV CR3, with PCIDs where the processor has them). A machine of several\n"
        "cores (cores: N) runs each processor's references on a core of its own and reports all cores\n"
        "together, then each core; the cores share memory and take turns as the trace has it. On one core\n"
        "all processors run together.\n"
        "\n"
        "On a machine with a kernel (os) each process of the trace gets the address space that the trace's\n"
        "maps or --maps tell; what it touches elsewhere gets VMAs that are inferred from the trace.\n"
        "\n"
        "Over a real machine's page tables: --image with --registers takes those that a kernel left in a\n"
        "memory image, --pagemap with --maps builds what a process had: there is no pager then, all\n"
        "processes of the trace share the tables, and what they do not map faults and is counted.\n"
        "\n"
        "Page runs that a trace stores (mmusim trace convert --page-runs) are replayed by their heads where\n"
        "every machine can; the numbers are the same.\n"
        "A scenario is known by its name or by its first statement; --trace-format scenario helps where a\n"
        "pipe brings that late.\n"
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

static struct cli_option threads_option(struct job *job)
{
    return (struct cli_option){.name = "threads",
                               .type = CLI_NUMBER,
                               .into = &job->threads,
                               .value = "N",
                               .help = "1 to 64: all but the first decode the trace ahead, more than one of\n"
                                       "them only mmusim's binary form; the report is the same (default: as\n"
                                       "many as the host has processors, at most 4)",
                               .min = 1,
                               .max = 64};
}

static int parse(struct job *job, int argc, char **argv)
{
    enum { ROWS = 11 };
    struct cli_option options[ROWS + TABLES_OPTIONS] = {
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
         .type = CLI_COUNT,
         .into = &job->warmup,
         .value = "N",
         .help = "run N references before the statistics begin (default 0)"},
        {.name = "limit",
         .type = CLI_COUNT,
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
        run_format_option(&job->trace_in.format),
        trace_columns_option(&job->trace_in),
        threads_option(job),
    };
    tables_options(&job->tables, options + ROWS);
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
        if (!lane->config.os.enabled && job->tables.maps && !job->tables.pagemap)
            return cli_error("run: --maps: expected --pagemap FILE with it, or machines with a kernel (os)");
        tables_fit(&job->tables, &lane->config);
        if (job->has_seed)
            lane->config.seed = job->seed;
        name_lane(job, i);
        int status = hash_config(lane);
        if (status != CLI_GO)
            return status;
    }
    return CLI_GO;
}

/* The report must not take the place of what it is made of. A machine's name is no file. */
static int check_output(const struct job *job)
{
    const char *const tables[] = {job->tables.image, job->tables.registers, job->tables.pagemap,
                                  job->tables.maps};
    int status = CLI_GO;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && status == CLI_GO; i++)
        status = cli_output_spares(job->output, tables[i]);
    for (size_t i = 0; i < job->traces.n && status == CLI_GO; i++)
        status = cli_output_spares(job->output, job->traces.item[i]);
    for (size_t i = 0; i < job->configs.n && status == CLI_GO; i++)
        if (strpbrk(job->configs.item[i], "/."))
            status = cli_output_spares(job->output, job->configs.item[i]);
    return status;
}

static void print_speed(const struct job *job)
{
    fprintf(stderr, "mmusim: %" PRIu64 " references in %.2f s: %.1f million/s, %.2f for each one simulated\n",
            job->replayed, job->seconds, job->seconds > 0 ? (double)job->replayed / job->seconds * 1e-6 : 0.0,
            job->simulated ? (double)job->replayed / (double)job->simulated : 0.0);
}

/* Where each machine's runs stand, and what they are called. */
static void name_column(struct job *job, struct lane *lane)
{
    snprintf(job->column[lane->column], sizeof *job->column, "%s", lane->name);
    for (uint32_t i = 0; lane->config.cores > 1 && i < lane->config.cores; i++)
        snprintf(job->column[lane->column + 1 + i], sizeof *job->column, "%s core %" PRIu32, lane->name, i);
}

static int make_room(struct job *job)
{
    for (size_t i = 0; i < job->configs.n; i++) {
        job->lane[i].column = job->columns;
        job->lane[i].core0 = job->cores;
        job->columns += lane_columns(&job->lane[i]);
        job->cores += job->lane[i].config.cores;
    }
    size_t runs = job->traces.n * job->columns;
    job->run = calloc(runs, sizeof *job->run);
    job->stats = calloc(runs, sizeof *job->stats);
    job->snapshot = calloc(job->cores, sizeof *job->snapshot);
    job->column = calloc(job->columns, sizeof *job->column);
    if (!job->run || !job->stats || !job->snapshot || !job->column)
        return cli_error("out of memory");
    for (size_t i = 0; i < job->configs.n; i++)
        name_column(job, &job->lane[i]);
    return CLI_GO;
}

static int run_job(struct job *job, FILE *out)
{
    bool scenarios = false;
    int status = scenarios_among(job, &scenarios);
    if (status == CLI_GO && scenarios)
        return scenarios_run(job, out);
    if (status == CLI_GO)
        status = load_configs(job);
    if (status == CLI_GO)
        status = make_room(job);
    for (size_t trace = 0; status == CLI_GO && trace < job->traces.n; trace++)
        status = replay_trace(job, trace);
    if (status != CLI_GO)
        return status;
    return report_write((enum report_format)job->format, job->run, job->traces.n, job->columns, out);
}

int cmd_run(int argc, char **argv)
{
    struct job job = {0};
    struct cli_output out = {0};
    int status = parse(&job, argc, argv);
    if (status == CLI_GO)
        status = check_output(&job);
    if (status == CLI_GO)
        status = tables_read(&job.tables);
    job.lane = status == CLI_GO ? calloc(job.configs.n, sizeof *job.lane) : NULL;
    if (status == CLI_GO && !job.lane)
        status = cli_error("out of memory");
    if (status == CLI_GO && (status = cli_output_open(&out, job.output)) == CLI_OK) {
        status = run_job(&job, out.file);
        int closed = status == CLI_BAD ? CLI_BAD : cli_output_close(&out);
        status = closed == CLI_OK && job.cut ? CLI_BAD : closed == CLI_OK ? status : closed;
        if (status == CLI_OK && job.replayed)
            print_speed(&job);
    }
    cli_output_discard(&out);
    free(job.lane);
    free(job.run);
    free(job.stats);
    free(job.snapshot);
    free(job.column);
    tables_free(&job.tables);
    cli_list_free(&job.configs);
    cli_list_free(&job.sets);
    cli_list_free(&job.traces);
    return status;
}
