/*
 * sim/trace_verify.c: mmusim trace verify: reads traces whole and says what of them is broken.
 *
 * The reader checks every checksum, length and count of the binary form as it goes. Here its totals are made
 * again from what came out, and page runs from the references. Of any form the times are looked at.
 */
#include "clocks.h"
#include "trace.h"
#include "trace_file.h"
#include <inttypes.h>
#include <mmusim/runs.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_command VERIFY = {
    .name = "trace verify",
    .usage = "[OPTION...] TRACE...",
    .summary =
        "Reads traces whole and checks all that they say of themselves: every checksum, the index, all\n"
        "counts, marks, times and maps. A line for each trace; exit\n"
        "status 0 if all are good, else 2. '-' is standard input.",
    .details = "Forms without checksums are read to their end: each record must be possible. Times must not\n"
               "go back on one thread (where none is told: on one processor), in any form.\n"
               "\n"
               "Of a damaged binary trace every damaged block is named, as long as its index is good.\n"
               "\n"
               "A binary trace whose writer died ends in a line that says how many references can be had:\n"
               "'mmusim trace convert --salvage' takes them.\n"
               "\n"
               "Examples:\n"
               "  mmusim trace verify traces/*.mmt",
};

/* What came out. */
struct made {
    uint64_t references, kinds[MMU_KINDS], checksum;
    uint64_t marks[MMU_MARK_KINDS], marks_checksum, time_first, time_last;
    uint64_t heads;
    struct clocks clocks;
    bool no_memory; /* for the clocks */
};

/* Complains about a time that goes back. */
static int check_times(const char *file, const struct made *m)
{
    const struct clock *back = &m->clocks.back;
    if (m->no_memory)
        return cli_error("out of memory");
    if (!back->used)
        return CLI_GO;
    return cli_error("%s: reference %" PRIu64 ": the time goes back from %" PRIu64 " to %" PRIu64
                     " ns on %s %" PRIu64 " of process %" PRIu64,
                     file, m->clocks.back_at, back->time, m->clocks.back_to,
                     back->is_cpu ? "processor" : "thread", back->thread, back->process);
}

static void take_batch(struct made *m, const struct trace_batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        m->kinds[MMU_KIND_OF(b->ref[i].kind)]++;
    m->references += b->n;
    m->checksum = mmu_trace_checksum(m->checksum, b->ref, b->n);
    for (size_t i = 0; i < b->n_marks; i++) {
        const struct mmu_trace_mark *mark = &b->mark[i];
        if (mark->kind == MMU_MARK_TIME) {
            bool first = !m->marks[MMU_MARK_TIME];
            m->time_first = first || mark->value < m->time_first ? mark->value : m->time_first;
            m->time_last = first || mark->value > m->time_last ? mark->value : m->time_last;
        }
        m->marks[mark->kind]++;
        m->no_memory = m->no_memory || !clocks_take(&m->clocks, mark);
    }
    m->marks_checksum = mmu_trace_checksum_marks(m->marks_checksum, b->mark, b->n_marks);
}

/* Says what is broken, and goes on behind it if that can be. */
static bool go_on(struct mmu_trace_reader *reader, const char *file, const struct mmu_error *err,
                  uint64_t *at)
{
    uint64_t next = *at;
    trace_error_after(err, *at);
    if (mmu_trace_resume(reader, &next, NULL))
        return false;
    cli_error("%s: references %" PRIu64 " to %" PRIu64 " are lost; reading goes on behind them", file, *at,
              next - 1);
    *at = next;
    return true;
}

static int read_all(struct mmu_trace_reader *reader, const char *file, struct made *m,
                    struct trace_batch *batch)
{
    struct mmu_error err;
    struct progress progress;
    uint64_t at = 0;
    int more = 1, status = CLI_GO;
    while (more > 0) {
        progress_start(&progress, "references");
        while ((more = trace_batch_read(reader, batch, at, TRACE_BATCH, &err)) > 0) {
            take_batch(m, batch);
            at += batch->n;
            progress_update(&progress, at, mmu_trace_progress(reader));
        }
        progress_end(&progress);
        status = more < 0 ? CLI_BAD : status;
        more = more < 0 && go_on(reader, file, &err, &at);
    }
    return status;
}

/* One figure of the trace's own against what came out. */
static int differs(const char *file, const char *what, uint64_t told, uint64_t made)
{
    return cli_error("%s: %s: the header says %" PRIu64 ", there are %" PRIu64, file, what, told, made);
}

static int check_totals(const char *file, const struct mmu_trace_info *info, const struct made *m)
{
    static const char *const KINDS[MMU_KINDS] = {"fetches", "loads", "stores"},
                             *const MARKS[MMU_MARK_KINDS] = {"marks of processes", "marks of threads",
                                                             "marks of cpus", "marks of time", "events"};
    for (int k = 0; k < MMU_KINDS; k++)
        if (info->kinds[k] != m->kinds[k])
            return differs(file, KINDS[k], info->kinds[k], m->kinds[k]);
    for (int k = 0; k < MMU_MARK_KINDS; k++)
        if (info->marks[k] != m->marks[k])
            return differs(file, MARKS[k], info->marks[k], m->marks[k]);
    if (info->checksum && info->checksum != m->checksum)
        return cli_error("%s: the references' checksum is %016" PRIx64 ", the header says %016" PRIx64, file,
                         m->checksum, info->checksum);
    if (info->marks_checksum != m->marks_checksum)
        return cli_error("%s: the marks' checksum is %016" PRIx64 ", the header says %016" PRIx64, file,
                         m->marks_checksum, info->marks_checksum);
    if (info->time_first != m->time_first)
        return differs(file, "the least time", info->time_first, m->time_first);
    return info->time_last != m->time_last ? differs(file, "the greatest time", info->time_last, m->time_last)
                                           : CLI_GO;
}

/* One stretch's heads are those that its references give. */
static int check_stretch(const char *file, const struct mmu_runs *runs, uint64_t first, size_t n,
                         struct mmu_head *heads)
{
    const struct mmu_access *references = runs->references;
    if (!references && runs->expand(runs->ctx, &references))
        return CLI_NO; /* the reader says why */
    size_t made = mmu_runs_collapse(references, n, heads), same = 0;
    while (same < made && same < runs->n_heads && !memcmp(&heads[same], &runs->heads[same], sizeof *heads))
        same++;
    if (same < made || same < runs->n_heads)
        return cli_error("%s: page runs of references %" PRIu64 " to %" PRIu64
                         ": head %zu is not what the references make",
                         file, first, first + n - 1, same);
    return CLI_GO;
}

static int check_runs(const char *file, struct mmu_trace_reader *reader, uint64_t *heads)
{
    struct mmu_head *made = malloc(65536 * sizeof *made);
    struct mmu_trace_mark marks[MMU_MARKS_LEAST];
    struct mmu_runs runs;
    struct mmu_error err;
    size_t n_marks;
    uint64_t at = 0;
    int64_t n = 0;
    int status = made ? CLI_GO : cli_error("out of memory");
    if (status == CLI_GO && mmu_trace_seek(reader, 0, &err))
        status = cli_error_mmu(&err);
    while (status == CLI_GO) {
        n = mmu_trace_read_runs(reader, 65536, &runs, marks, MMU_MARKS_LEAST, &n_marks, &err);
        if (n == MMU_ERR_UNSUPPORTED)
            status = cli_error("%s: reference %" PRIu64 ": the page runs are missing here", file, at);
        else if (n < 0 || (!n && !n_marks))
            break;
        else if (n > 0)
            status = check_stretch(file, &runs, at, (size_t)n, made);
        if (status == CLI_GO && n > 0) {
            *heads += runs.n_heads;
            at += (uint64_t)n;
        }
    }
    if (status == CLI_NO) /* expand() failed: the next read repeats it */
        n = mmu_trace_read_runs(reader, 65536, &runs, marks, MMU_MARKS_LEAST, &n_marks, &err);
    free(made);
    return n < 0 && (status == CLI_GO || status == CLI_NO) ? cli_error_mmu(&err) : status;
}

static void praise(const char *file, const struct mmu_trace_info *info, const struct made *m)
{
    uint64_t marks = 0;
    for (int k = 0; k < MMU_MARK_KINDS; k++)
        marks += m->marks[k];
    printf("%s: good: %s, %" PRIu64 " references, %" PRIu64 " marks", file,
           mmu_trace_format_name((int)info->format), m->references, marks);
    if (info->heads)
        printf(", %" PRIu64 " heads of page runs", info->heads);
    if (info->maps)
        printf(", maps of %" PRIu32, info->maps);
    if (info->skipped)
        printf(", %" PRIu64 " other lines", info->skipped);
    printf(", checksum %016" PRIx64 "\n", m->checksum);
}

static int verify(const struct trace_in *in, const char *file)
{
    struct mmu_trace_reader *reader = NULL;
    struct trace_batch *batch = malloc(sizeof *batch);
    struct mmu_trace_info info;
    struct made m = {0};
    int status = batch ? trace_in_open(in, file, &reader) : cli_error("out of memory");
    if (status == CLI_GO)
        status = read_all(reader, file, &m, batch);
    if (status == CLI_GO)
        status = check_times(file, &m);
    if (status == CLI_GO) {
        mmu_trace_info(reader, &info);
        if (info.format == MMU_TRACE_BINARY)
            status = check_totals(file, &info, &m);
        if (status == CLI_GO && info.heads && strcmp(file, "-")) {
            status = check_runs(file, reader, &m.heads);
            if (status == CLI_GO && m.heads != info.heads)
                status = differs(file, "heads of page runs", info.heads, m.heads);
        }
        if (status == CLI_GO)
            praise(file, &info, &m);
    }
    mmu_trace_close(reader);
    clocks_free(&m.clocks);
    free(batch);
    return status;
}

int trace_verify(int argc, char **argv)
{
    struct cli_list words = {0};
    struct trace_in in = {0};
    const struct cli_option options[] = {trace_format_option(&in.format), trace_columns_option(&in)};
    int status = cli_parse(&VERIFY, options, sizeof options / sizeof *options, argc, argv, &words);
    if (status == CLI_GO && !words.n)
        status = cli_error("trace verify: expected a trace or more");
    if (status == CLI_GO) {
        status = CLI_OK;
        for (size_t i = 0; i < words.n; i++)
            if (verify(&in, words.item[i]) != CLI_GO)
                status = CLI_BAD;
        struct cli_output out = {.file = stdout, .name = "standard output"};
        if (cli_output_close(&out) != CLI_OK)
            status = CLI_BAD;
    }
    cli_list_free(&words);
    return status;
}
