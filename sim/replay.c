/*
 * sim/replay.c: one trace through every machine.
 *
 * The trace is decoded once, piece by piece, and each piece is fed to every machine. Its marks say whose
 * references they are: each process has an address space of its own, and each processor of the trace a core,
 * in order of appearance, where the machine has several. The cores run in the order of the trace. A trace
 * that ends too early is reported as far as it goes, and marked; one that is wrong otherwise gives no report.
 */
#define _POSIX_C_SOURCE 200809L
#include "feed.h"
#include "progress.h"
#include "run.h"
#include "trace.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The trace being replayed. */
struct replay {
    const char *path;
    struct feed *feed;
    uint64_t done;     /* references fed to the machines */
    uint64_t end;      /* where to stop: warm-up + limit */
    uint64_t checksum; /* of the references fed, for traces that carry none */
    bool summed;       /* it is kept */
    bool fetches;      /* what the cores were told */
    bool begun;        /* ... and that they were */
    bool snapped;      /* the warm-up's snapshots are taken */
    bool cut;          /* it ended too early, which has been said; there is something to report */
    /* where the references that follow run */
    uint64_t process;
    bool has_process, moved;     /* moved: the cores do not know yet */
    uint64_t cpu[MMU_MAX_CORES]; /* the trace's processors, by core */
    size_t cpus;                 /* that have a core */
    size_t core;                 /* number of the present one */
    bool more_cpus;              /* there were more of them than any machine has cores */
};

static struct mmu_core *core_of(const struct lane *lane, size_t i)
{
    return mmu_machine_core(lane->machine, (uint32_t)(i % lane->config.cores));
}

static void free_machines(struct job *job)
{
    for (size_t i = 0; i < job->configs.n; i++) {
        mmu_machine_free(job->lane[i].machine);
        job->lane[i].machine = NULL;
        tables_memory_free(&job->lane[i].memory);
        spaces_tasks_free(&job->lane[i].tasks);
    }
}

static int create_machines(struct job *job)
{
    for (size_t i = 0; i < job->configs.n; i++) {
        struct lane *lane = &job->lane[i];
        int status = tables_create(&job->tables, &lane->config, &lane->memory, &lane->machine);
        struct mmu_os *os = status == CLI_GO ? mmu_machine_os(lane->machine) : NULL;
        if (os)
            status = spaces_make(job->spaces, os, lane->name, lane->config.cores, &lane->tasks);
        if (status != CLI_GO)
            return status;
        for (uint32_t k = 0; k < lane->config.cores; k++)
            if (mmu_core_classify(core_of(lane, k), job->classify))
                return cli_error("out of memory");
    }
    return CLI_GO;
}

/* References that a machine has begun to run. */
static uint64_t begun(const struct lane *lane)
{
    uint64_t n = 0;
    struct mmu_stats *now = malloc(sizeof *now);
    for (uint32_t c = 0; now && c < lane->config.cores; c++) {
        mmu_core_stats(core_of(lane, c), now);
        for (unsigned k = 0; k < MMU_KINDS * MMU_PRIVS; k++)
            n += now->run.accesses[k];
    }
    free(now);
    return n;
}

/* Says at which reference a machine gave up, and why. Looked for only when it happened. */
static int complain(const struct replay *replay, const struct lane *lane, const struct mmu_access *from,
                    size_t n, int status)
{
    enum mmu_mode mode = mmu_core_mode(core_of(lane, replay->core));
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
    return cli_error("%s: reference %" PRIu64 " on %s: %s", replay->path, begun(lane), lane->name,
                     mmu_status_text(status));
}

/* The references that follow are another process's, or another processor's. */
static int move(const struct job *job, struct replay *replay)
{
    for (size_t i = 0; i < job->configs.n && replay->moved; i++) {
        struct lane *lane = &job->lane[i];
        struct mmu_os *os = mmu_machine_os(lane->machine);
        uint32_t core = (uint32_t)(replay->core % lane->config.cores);
        int status = os ? spaces_enter(job->spaces, os, core, replay->process, &lane->tasks)
                     : replay->has_process && lane->config.pager.enabled
                         ? mmu_core_enter_process(core_of(lane, replay->core), replay->process)
                         : MMU_OK;
        if (status)
            return cli_error("%s: reference %" PRIu64 ": no address space for process %" PRIu64 " on %s: %s",
                             replay->path, replay->done + 1, replay->process, lane->name,
                             status < 0 ? mmu_status_text(status) : mmu_os_outcome_text(status));
    }
    replay->moved = false;
    return CLI_GO;
}

static int expand(struct replay *replay, struct feed_piece *piece)
{
    int result = feed_expand(replay->feed, piece);
    if (result)
        return cli_error("%s: page runs cannot be expanded: %s", replay->path, mmu_status_text(result));
    return CLI_GO;
}

/* References from number i of a piece on; i = 0 and n = all of them: page runs and executions stay such. */
static int run_part(struct job *job, struct replay *replay, struct feed_piece *piece, size_t i, size_t n)
{
    bool whole = !piece->references && n == piece->n, runs = piece->runs.heads != NULL;
    int status = move(job, replay);
    if (status == CLI_GO && !whole)
        status = expand(replay, piece);
    if (status != CLI_GO)
        return status;
    const struct mmu_access *from = whole ? NULL : piece->references + i;
    for (size_t k = 0; k < job->configs.n; k++) {
        struct mmu_core *core = core_of(&job->lane[k], replay->core);
        int result = !whole ? mmu_core_run(core, from, n, NULL)
                     : runs ? mmu_core_run_runs(core, &piece->runs)
                            : mmu_core_run_executions(core, &piece->executions);
        if (!result)
            continue;
        if (whole && expand(replay, piece) != CLI_GO)
            return CLI_BAD;
        return complain(replay, &job->lane[k], piece->references + i, n, result);
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
    for (size_t i = 0; i < job->configs.n; i++)
        for (uint32_t k = 0; k < job->lane[i].config.cores; k++) {
            if (job->warmup)
                mmu_core_drain(core_of(&job->lane[i], k));
            mmu_core_stats(core_of(&job->lane[i], k), &job->snapshot[job->lane[i].core0 + k]);
        }
    replay->snapped = true;
}

/* References i to end - 1 of a piece, cut at the end of the warm-up and at the limit. */
static int run_between(struct job *job, struct replay *replay, struct feed_piece *piece, size_t i, size_t end)
{
    while (i < end && replay->done < replay->end) {
        end_warmup(job, replay);
        uint64_t until = replay->snapped ? replay->end : job->warmup;
        size_t part = until - replay->done < end - i ? (size_t)(until - replay->done) : end - i;
        int status = run_part(job, replay, piece, i, part);
        if (status != CLI_GO)
            return status;
        i += part;
    }
    return CLI_GO;
}

/* The core of a processor of the trace. Those that find none share the first ones. */
static size_t core_for(const struct job *job, struct replay *replay, uint64_t cpu)
{
    size_t most = 1, i = 0;
    for (size_t k = 0; k < job->configs.n; k++)
        most = job->lane[k].config.cores > most ? job->lane[k].config.cores : most;
    while (i < replay->cpus && replay->cpu[i] != cpu)
        i++;
    if (i < replay->cpus)
        return i;
    replay->more_cpus |= replay->cpus == most;
    if (replay->cpus == most)
        return (size_t)(cpu % most);
    replay->cpu[replay->cpus++] = cpu;
    return i;
}

static void take_mark(const struct job *job, struct replay *replay, const struct mmu_trace_mark *mark)
{
    if (mark->kind == MMU_MARK_PROCESS) {
        replay->process = mark->value;
        replay->has_process = true;
    } else if (mark->kind == MMU_MARK_CPU) {
        replay->core = core_for(job, replay, mark->value);
    }
    replay->moved = true;
}

static int run_piece(struct job *job, struct replay *replay, struct feed_piece *piece)
{
    size_t at = 0;
    int status = CLI_GO;
    for (size_t m = 0; m <= piece->n_marks && status == CLI_GO; m++) {
        size_t until = m < piece->n_marks ? (size_t)(piece->marks[m].at - piece->first) : piece->n;
        status = run_between(job, replay, piece, at, until);
        at = until;
        if (m < piece->n_marks && replay->done < replay->end) /* what is behind the limit is not looked at */
            take_mark(job, replay, &piece->marks[m]);
    }
    return status;
}

static void begin_cores(const struct job *job, struct replay *replay)
{
    const struct mmu_trace_info *info = feed_info(replay->feed);
    replay->begun = true;
    replay->fetches = info->has_fetches; /* other than binary: as the first piece says */
    for (size_t i = 0; i < job->configs.n; i++)
        for (uint32_t k = 0; k < job->lane[i].config.cores; k++)
            mmu_core_set_has_fetches(core_of(&job->lane[i], k), replay->fetches);
}

/* Page runs are worth their while where every machine uses them, and waits for each miss: with several
 * accesses in flight most stretches would be expanded. */
static void choose_runs(const struct job *job, struct replay *replay)
{
    const struct mmu_trace_info *info = feed_info(replay->feed);
    replay->summed = !info->checksum && !info->packed_checksum;
    bool use = !replay->summed;
    for (size_t i = 0; i < job->configs.n; i++)
        use &= job->lane[i].config.window == 1 && mmu_core_uses_runs(core_of(&job->lane[i], 0));
    if (use)
        feed_want_runs(replay->feed);
}

/* The share of what will be replayed: of the trace, or of warm-up and limit. */
static double share_done(const struct replay *replay, double of_trace)
{
    double of_limit = replay->end == UINT64_MAX ? -1 : (double)replay->done / (double)replay->end;
    return of_limit > of_trace ? of_limit : of_trace;
}

/* CLI_GO when what was replayed can be reported. */
static int complain_of_trace(struct job *job, struct replay *replay, const struct mmu_error *err)
{
    char text[1024];
    mmu_error_format(err, text, sizeof text);
    replay->cut = err->code == MMU_ERR_TRUNCATED && replay->done > job->warmup;
    job->cut |= replay->cut;
    cli_error(replay->cut ? "%s (the report is of the %" PRIu64 " references before that)"
                          : "%s (%" PRIu64 " references before that could be replayed)",
              text, replay->done);
    return replay->cut ? CLI_GO : CLI_BAD;
}

static int replay_pieces(struct job *job, struct replay *replay)
{
    struct progress progress;
    struct mmu_error err = {0};
    struct feed_piece piece;
    int got = 1, status = CLI_GO;
    progress_start(&progress, "references");
    while (status == CLI_GO && replay->done < replay->end &&
           (got = feed_next(replay->feed, &piece, &err)) > 0) {
        if (!replay->begun && piece.n)
            begin_cores(job, replay);
        status = run_piece(job, replay, &piece);
        if (progress.terminal)
            progress_update(&progress, replay->done, share_done(replay, piece.progress));
    }
    progress_end(&progress);
    return status != CLI_GO || got >= 0 ? status : complain_of_trace(job, replay, &err);
}

/* Says what the trace has and the machines have not. */
static int check_cpus(const struct job *job, const struct replay *replay, const struct mmu_trace_info *info)
{
    for (size_t i = 0; i < job->configs.n; i++) {
        const struct lane *lane = &job->lane[i];
        if (lane->config.cores > 1 && !replay->cpus)
            return cli_error("%s: %s has %" PRIu32 " cores, but the trace does not say on which processor it "
                             "ran; expected cores: 1",
                             replay->path, lane->name, lane->config.cores);
        if (lane->config.cores < replay->cpus || (replay->more_cpus && lane->config.cores > 1))
            cli_error("%s: the trace ran on more processors than %s has cores: they share them", replay->path,
                      lane->name);
    }
    if (replay->more_cpus && job->configs.n && job->lane[0].config.cores == 1)
        cli_error("%s: the trace ran on several processors: all of it was run on one core (cores: N gives "
                  "each its own)",
                  replay->path);
    (void)info;
    return CLI_GO;
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
    if (job->has_limit && replay->done < replay->end && !replay->cut)
        cli_error("%s: the trace ended after %" PRIu64 " measured references, before the limit of %" PRIu64,
                  replay->path, replay->done - job->warmup, job->limit);
    if (info->has_fetches && !replay->fetches)
        cli_error("%s: the first instruction fetch comes late: every reference was given the issue gap of an "
                  "instruction",
                  replay->path);
    return check_cpus(job, replay, info);
}

static void add_entry(void *ctx, const struct mmu_tlb_entry *entry)
{
    static const unsigned SHIFT[MMU_PAGES] = {12, 21, 22, 30};
    struct report_tlb *tlb = ctx;
    tlb->valid++;
    tlb->reach += UINT64_C(1) << SHIFT[entry->page];
}

/* Adds what a core measured to a run of the report. */
static void add_core(const struct job *job, const struct lane *lane, uint32_t core, struct report_run *run,
                     struct mmu_stats *stats, struct mmu_stats *room)
{
    mmu_core_stats(core_of(lane, core), room);
    mmu_stats_difference(room, room, &job->snapshot[lane->core0 + core]);
    mmu_stats_add(stats, room);
    for (uint32_t s = 0; s < lane->config.tlbs; s++)
        mmu_core_tlb_entries(core_of(lane, core), s, add_entry, &run->tlb[s]);
}

/* One run of the report: of cores first to last. CLI_NO when its numbers do not add up. */
static int collect_run(struct job *job, const struct replay *replay, size_t place, const struct lane *lane,
                       uint32_t first, uint32_t last)
{
    const struct mmu_trace_info *info = feed_info(replay->feed);
    struct mmu_stats *stats = &job->stats[place], *room = malloc(sizeof *room);
    struct report_run *run = &job->run[place];
    if (!room)
        return cli_error("out of memory");
    *run = (struct report_run){.config = &lane->config,
                               .machine = job->column[place % job->columns],
                               .config_hash = lane->hash,
                               .trace = replay->path,
                               .info = *info,
                               .checksum = replay->summed   ? replay->checksum
                                           : info->checksum ? info->checksum
                                                            : info->packed_checksum,
                               .summed = replay->summed,
                               .cut = replay->cut,
                               .warmup = job->warmup,
                               .tables = job->tables.text,
                               .mode = mmu_core_mode(core_of(lane, 0)),
                               .stats = stats};
    memset(stats, 0, sizeof *stats);
    for (uint32_t core = first; core <= last; core++)
        add_core(job, lane, core, run, stats, room);
    free(room);
    for (unsigned k = 0; k < MMU_KINDS * MMU_PRIVS; k++)
        run->measured += stats->run.accesses[k];
    struct mmu_error err = {0};
    if (first != last || !mmu_stats_check(stats, &lane->config, &err))
        return CLI_GO;
    cli_error("%s on %s: the numbers do not add up, which is an error of this program: %s", replay->path,
              run->machine, err.message);
    return CLI_NO;
}

/* With tables that are given, faults tell what they lack. */
static void tell_faults(const struct job *job, const struct replay *replay, const struct lane *lane,
                        size_t place)
{
    const struct mmu_run_stats *run = &job->run[place].stats->run;
    uint64_t faults = run->faults_pf[0] + run->faults_gp[0] + run->faults_memory[0] - run->faults_resolved[0];
    if ((job->tables.text[0] || lane->config.os.enabled) && faults)
        cli_error("%s on %s: %" PRIu64 " references faulted: the page tables do not map them, and nobody "
                  "resolved it",
                  replay->path, lane->name, faults);
}

/* What one machine measured. */
static int collect(struct job *job, const struct replay *replay, size_t trace, const struct lane *lane)
{
    uint32_t cores = lane->config.cores;
    size_t place = trace * job->columns + lane->column;
    int status = collect_run(job, replay, place, lane, 0, cores - 1);
    for (uint32_t core = 0; core < cores; core++) {
        if (cores > 1 && status == CLI_GO)
            status = collect_run(job, replay, place + 1 + core, lane, core, core);
        job->simulated -= mmu_core_collapsed(core_of(lane, core));
    }
    job->simulated += replay->done;
    if (status == CLI_GO)
        tell_faults(job, replay, lane, place);
    return status;
}

static int replay_open_trace(struct job *job, struct replay *replay, size_t trace)
{
    double start = progress_seconds();
    choose_runs(job, replay);
    int status = replay_pieces(job, replay);
    job->seconds += progress_seconds() - start;
    if (status == CLI_GO)
        status = check_length(job, replay, feed_info(replay->feed));
    for (size_t i = 0; status == CLI_GO && i < job->configs.n; i++)
        status = collect(job, replay, trace, &job->lane[i]);
    return status;
}

/* A kernel's processes must be known before they run. */
static int plan_spaces(struct job *job, const struct replay *replay, const struct mmu_trace_options *options)
{
    bool kernel = false;
    for (size_t i = 0; i < job->configs.n; i++)
        kernel |= job->lane[i].config.os.enabled;
    return kernel ? spaces_plan(replay->path, options, job->tables.maps, replay->end, &job->spaces) : CLI_GO;
}

/* As many threads as the host has processors, but no more than what replays have a use for. */
static unsigned usual_threads(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 4 ? 4 : (unsigned)n;
}

int replay_trace(struct job *job, size_t trace)
{
    struct replay replay = {.path = job->traces.item[trace], .moved = true, .end = UINT64_MAX};
    if (job->has_limit && job->limit < UINT64_MAX - job->warmup)
        replay.end = job->warmup + job->limit;
    const struct feed_options options = {
        .path = replay.path,
        .trace = {.format = trace_format_chosen(job->trace_in.format), .columns = job->trace_in.columns},
        .threads = job->threads ? (unsigned)job->threads : usual_threads()};
    struct mmu_error err = {0};
    if (feed_open(&options, &replay.feed, &err))
        return cli_error_mmu(&err);
    int status = plan_spaces(job, &replay, &options.trace);
    if (status == CLI_GO)
        status = create_machines(job);
    if (status == CLI_GO)
        status = replay_open_trace(job, &replay, trace);
    free_machines(job);
    spaces_free(job->spaces);
    job->spaces = NULL;
    feed_close(replay.feed);
    return status;
}
