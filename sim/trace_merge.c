/*
 * sim/trace_merge.c: mmusim trace merge: several traces into one, by their times or in turn, each a process,
 * a thread or a processor of the whole.
 */
#include "trace.h"
#include "trace_file.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One input. The batch's references before `at` and its marks before `mark` are merged. */
struct input {
    const char *path;
    struct mmu_trace_reader *reader;
    struct trace_batch *batch;
    struct trace_maps maps;
    size_t at, mark;
    struct trace_told here;
    uint64_t position; /* of the next batch */
    bool ended;
    bool has_process; /* its own, with `as processes` */
    uint64_t process;
    uint64_t number; /* in OUT, with `as processes` */
};

static const char *const AS_WORDS[] = {"processes", "threads", "cpus", NULL};
enum { AS = 3 };
static const struct {
    uint32_t kind;
    uint64_t first; /* number of the first input */
} AS_KINDS[AS] = {{MMU_MARK_PROCESS, 1}, {MMU_MARK_THREAD, 1}, {MMU_MARK_CPU, 0}};

/* The command line, and what is merged. */
struct merge {
    struct cli_list words;
    struct trace_in in;
    struct trace_out out;
    const char *by;
    unsigned as;
    bool by_time;
    uint64_t turn; /* references */
    struct input *input;
    size_t inputs;
    struct mmu_trace_writer *writer;
    struct trace_told told;
    uint64_t merged;
};

static const struct cli_command MERGE = {
    .name = "trace merge",
    .usage = "[OPTION...] IN... OUT",
    .summary =
        "Merges several traces into one, as if they had been recorded together. OUT appears whole or not\n"
        "at all; '-' is standard output.",
    .details =
        "  --by time           the references that were made first come first, by the times that the traces\n"
        "                      tell, each since its own beginning; at equal times the earlier IN\n"
        "  --by round-robin:N  N references of each in turn, until all have ended; their times are left out\n"
        "  --as processes      IN number 1, 2, ... are processes 1, 2, ...: each its own address space\n"
        "  --as threads        they are threads 1, 2, ... of whatever processes they tell, or of one\n"
        "  --as cpus           they ran on processors 0, 1, ... , in the processes that they tell, or in "
        "one\n"
        "\n"
        "Other marks go along. Maps too: with --as processes those of IN number 1 are process 1's.\n"
        "\n"
        "Examples:\n"
        "  mmusim trace merge --by round-robin:10000 traces/cc1.mmt traces/sort.mmt both.mmt\n"
        "  mmusim trace merge --by time --as cpus thread.*.mmt all.mmt",
};

/* time, round-robin, round-robin:N */
static int parse_by(struct merge *m)
{
    static const char *const words[] = {"time", "round-robin"};
    static const char TURN[] = "round-robin";
    size_t n = strcspn(m->by, ":");
    m->turn = 1000;
    m->by_time = !strcmp(m->by, "time");
    if (m->by_time || !strcmp(m->by, TURN))
        return CLI_GO;
    if (n != sizeof TURN - 1 || strncmp(m->by, TURN, n))
        return cli_error_unknown("value of --by:", m->by, words, 2);
    const char *wrong = cli_number(m->by + n + 1, true, &m->turn);
    if (!wrong && !m->turn)
        wrong = "is no turn: expected 1 reference or more";
    return wrong ? cli_error("--by: '%s' %s", m->by + n + 1, wrong) : CLI_GO;
}

static int parse(struct merge *m, int argc, char **argv)
{
    struct cli_option options[4 + TRACE_OUT_OPTIONS] = {
        {.name = "by",
         .type = CLI_TEXT,
         .into = &m->by,
         .value = "time|round-robin[:N]",
         .help = "whose references come next (default round-robin:1000)",
         .counts = true},
        {.name = "as",
         .type = CLI_CHOICE,
         .into = &m->as,
         .value = "processes|threads|cpus",
         .help = "what each IN is in OUT (default processes)",
         .choices = AS_WORDS},
        trace_format_option(&m->in.format),
        trace_columns_option(&m->in),
    };
    trace_out_options(&m->out, options + 4);
    m->by = "round-robin";
    int status = cli_parse(&MERGE, options, sizeof options / sizeof *options, argc, argv, &m->words);
    if (status == CLI_GO)
        status = parse_by(m);
    if (status == CLI_GO && m->words.n < 3)
        status = cli_error("trace merge: expected two traces or more, IN, and OUT");
    if (status == CLI_GO && !m->out.text && trace_is_terminal(m->words.item[m->words.n - 1]))
        status = cli_error("trace merge: standard output is a terminal; --text writes text");
    return status;
}

/* What the input's references are in OUT: its own marks, and the one that it is. */
static struct trace_told state_of(const struct merge *m, const struct input *in)
{
    struct trace_told want = in->here;
    uint32_t kind = AS_KINDS[m->as].kind;
    want.told |= 1u << kind;
    want.value[kind] = AS_KINDS[m->as].first + (uint64_t)(in - m->input);
    return want;
}

/* Brings the writer to where the input is. */
static int tell(struct merge *m, const struct input *in, struct mmu_error *err)
{
    uint32_t kinds = m->by_time ? UINT32_MAX : ~(1u << MMU_MARK_TIME);
    struct trace_told want = state_of(m, in);
    return trace_tell_writer(m->writer, &m->told, &want, kinds, err);
}

/* A batch more, when the last one is used up. CLI_GO, or CLI_BAD after a complaint. */
static int refill(struct input *in)
{
    struct mmu_error err;
    if (in->ended || in->at < in->batch->n || in->mark < in->batch->n_marks)
        return CLI_GO;
    int more = trace_batch_read(in->reader, in->batch, in->position, TRACE_BATCH, &err);
    if (more < 0)
        return cli_error_mmu(&err);
    in->at = in->mark = 0;
    in->position += in->batch->n;
    in->ended = !more;
    return CLI_GO;
}

/* An input that is one process must be one. */
static int check_process(const struct merge *m, struct input *in, const struct mmu_trace_mark *mark)
{
    if (AS_KINDS[m->as].kind != MMU_MARK_PROCESS || mark->kind != MMU_MARK_PROCESS)
        return CLI_GO;
    if (in->has_process && in->process != mark->value)
        return cli_error("%s: it has several processes, %" PRIu64 " and %" PRIu64
                         " among them; 'mmusim trace cut --pid' takes one",
                         in->path, in->process, mark->value);
    in->has_process = true;
    in->process = mark->value;
    return CLI_GO;
}

/* The marks that stand at the input's place, up to the one that moves its time (by time): that one ends what
 * can be merged at once. *moved: it was met. */
static int take_marks(struct merge *m, struct input *in, bool *moved)
{
    struct trace_batch *b = in->batch;
    struct mmu_error err;
    *moved = false;
    while (in->mark < b->n_marks && b->mark[in->mark].at == b->first + in->at && !*moved) {
        const struct mmu_trace_mark *mark = &b->mark[in->mark++];
        int status = check_process(m, in, mark);
        if (status != CLI_GO)
            return status;
        trace_tell(&in->here, mark);
        *moved = m->by_time && mark->kind == MMU_MARK_TIME;
        if (mark->kind == MMU_MARK_EVENT && (tell(m, in, &err) || mmu_trace_mark(m->writer, mark, &err)))
            return cli_error_mmu(&err);
    }
    return CLI_GO;
}

/* References up to the next mark or the batch's end, at most max; how many in *n. */
static int take_references(struct merge *m, struct input *in, uint64_t max, uint64_t *n)
{
    struct trace_batch *b = in->batch;
    size_t until = in->mark < b->n_marks ? (size_t)(b->mark[in->mark].at - b->first) : b->n;
    struct mmu_error err;
    *n = until - in->at < max ? until - in->at : max;
    if (!*n)
        return CLI_GO;
    if (m->by_time && !(in->here.told >> MMU_MARK_TIME & 1))
        return cli_error("%s: --by time: reference %" PRIu64 " stands before any time", in->path,
                         b->first + in->at);
    if (tell(m, in, &err) || mmu_trace_write(m->writer, b->ref + in->at, (size_t)*n, &err))
        return cli_error_mmu(&err);
    in->at += (size_t)*n;
    m->merged += *n;
    return CLI_GO;
}

/* One turn of an input: so many references, or (by time) up to its next time. */
static int take_turn(struct merge *m, struct input *in)
{
    uint64_t left = m->by_time ? UINT64_MAX : m->turn, n = 0;
    bool moved = false;
    int status = CLI_GO;
    while (left && !in->ended && !moved && status == CLI_GO) {
        status = refill(in);
        if (status == CLI_GO && !in->ended)
            status = take_marks(m, in, &moved);
        if (status == CLI_GO && !in->ended && !moved)
            status = take_references(m, in, left, &n);
        left -= n;
        n = 0;
    }
    return status;
}

/* Whose turn it is by time: the least, the first of equals. NULL: all have ended. */
static struct input *earliest(struct merge *m)
{
    struct input *best = NULL;
    for (size_t i = 0; i < m->inputs; i++) {
        struct input *in = &m->input[i];
        if (!in->ended && (!best || in->here.value[MMU_MARK_TIME] < best->here.value[MMU_MARK_TIME]))
            best = in;
    }
    return best;
}

static struct input *next_in_turn(struct merge *m, struct input *last)
{
    for (size_t i = 1; i <= m->inputs; i++) {
        struct input *in = &m->input[((size_t)(last - m->input) + i) % m->inputs];
        if (!in->ended)
            return in;
    }
    return NULL;
}

static double progress_of(const struct merge *m)
{
    double sum = 0;
    for (size_t i = 0; i < m->inputs; i++) {
        double one = mmu_trace_progress(m->input[i].reader);
        if (one < 0)
            return -1;
        sum += one;
    }
    return sum / (double)m->inputs;
}

static int merge_all(struct merge *m)
{
    struct progress progress;
    struct input *in = &m->input[0];
    int status = CLI_GO;
    progress_start(&progress, "references");
    for (size_t i = 0; m->by_time && i < m->inputs && status == CLI_GO; i++)
        status = take_turn(m, &m->input[i]); /* up to its first time */
    in = m->by_time ? earliest(m) : in;
    while (in && status == CLI_GO) {
        status = take_turn(m, in);
        in = m->by_time ? earliest(m) : next_in_turn(m, in);
        progress_update(&progress, m->merged, progress_of(m));
    }
    progress_end(&progress);
    return status;
}

/* With `as processes`: the maps of the only process of an input, or the first of one that tells none. */
static bool take_maps(const void *ctx, uint32_t index, uint64_t *pid)
{
    const struct input *in = ctx;
    bool take = in->has_process ? *pid == in->process : !index;
    *pid = in->number;
    return take;
}

/* The process that the first batch tells, whose maps stand before all references. */
static void find_process(struct input *in)
{
    for (size_t i = 0; i < in->batch->n_marks && !in->has_process; i++) {
        in->has_process = in->batch->mark[i].kind == MMU_MARK_PROCESS;
        in->process = in->batch->mark[i].value;
    }
}

/* The maps that are known and not yet copied: before the references, and behind them. */
static int merge_maps(struct merge *m)
{
    struct mmu_error err;
    for (size_t i = 0; i < m->inputs; i++)
        if (trace_copy_maps(m->input[i].reader, m->writer, &m->input[i].maps, &err))
            return cli_error_mmu(&err);
    return CLI_GO;
}

/* Reads the first batch of each input, and merges the maps. */
static int begin(struct merge *m)
{
    int status = CLI_GO;
    for (size_t i = 0; i < m->inputs && status == CLI_GO; i++) {
        struct input *in = &m->input[i];
        status = refill(in);
        if (status == CLI_GO && AS_KINDS[m->as].kind == MMU_MARK_PROCESS) {
            find_process(in);
            in->number = state_of(m, in).value[MMU_MARK_PROCESS];
            in->maps.take = take_maps;
            in->maps.ctx = in;
        }
    }
    return status == CLI_GO ? merge_maps(m) : status;
}

static int open_inputs(struct merge *m)
{
    int status = CLI_GO;
    m->inputs = m->words.n - 1;
    m->input = calloc(m->inputs, sizeof *m->input);
    if (!m->input)
        return cli_error("out of memory");
    for (size_t i = 0; i < m->inputs && status == CLI_GO; i++) {
        struct input *in = &m->input[i];
        in->path = m->words.item[i];
        in->batch = calloc(1, sizeof *in->batch);
        status = in->batch ? trace_in_open(&m->in, in->path, &in->reader) : cli_error("out of memory");
    }
    return status;
}

static int merge(struct merge *m)
{
    char source[256];
    int status = open_inputs(m);
    snprintf(source, sizeof source, "merged from %zu traces, %s, as %s: %s and others", m->inputs, m->by,
             AS_WORDS[m->as], m->words.item[0]);
    if (status == CLI_GO)
        status = trace_out_create(&m->out, m->words.item[m->words.n - 1], source, &m->writer);
    if (status == CLI_GO)
        status = begin(m);
    if (status == CLI_GO)
        status = merge_all(m);
    if (status == CLI_GO)
        status = merge_maps(m);
    return trace_out_end(m->writer, status);
}

int trace_merge(int argc, char **argv)
{
    struct merge m = {0};
    int status = parse(&m, argc, argv);
    if (status == CLI_GO)
        status = merge(&m);
    for (size_t i = 0; m.input && i < m.inputs; i++) {
        mmu_trace_close(m.input[i].reader);
        free(m.input[i].maps.sum);
        free(m.input[i].batch);
    }
    free(m.input);
    cli_list_free(&m.words);
    return status;
}
