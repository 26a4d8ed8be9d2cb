/*
 * sim/trace_cut.c: mmusim trace cut: the part of a trace that lies between two records or two times, that
 * some processes, threads or processors made, or that touches some addresses; all at once if asked.
 *
 * A mark of process, thread, cpu or time is written when something that is kept follows it.
 */
#include "trace.h"
#include "trace_file.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Some numbers, of --pid, --thread or --cpu: the mark's value must be one of them. */
struct wanted {
    const char *option;
    uint32_t kind; /* enum mmu_mark_kind */
    struct cli_list words;
    uint64_t *number; /* words.n */
};

/* A range, given or not; an open one ends with 2^64 - 1 itself. */
struct range {
    const char *text;
    bool given;
    uint64_t from, last;
};

enum { WANTED = 3 };

/* The command line. */
struct cut {
    struct cli_list words;
    struct trace_in in;
    struct trace_out out;
    struct range records, time, address;
    struct wanted wanted[WANTED];
};

/* While it is read. */
struct cutting {
    const struct cut *cut;
    struct mmu_trace_writer *writer;
    struct trace_maps maps;
    struct trace_told here, told; /* of the input at this place; what the output has been told */
    uint64_t kept, position;
    bool over; /* nothing behind this place can be wanted */
};

static const struct cli_command CUT = {
    .name = "trace cut",
    .usage = "[OPTION...] IN OUT",
    .summary =
        "Writes the references of IN that all options ask for, with their marks and the maps, as OUT.\n"
        "A range A:B begins with A and ends before B; A: and :B have one end. '-' is standard input or\n"
        "output. OUT appears whole or not at all.",
    .details =
        "Times are those that the trace tells, since its beginning. With --records the binary form is\n"
        "entered where A is and left where B is; but where maps may still come behind B (in text with\n"
        "marks, in a pipe, in a packed file) the trace is read to its end.\n"
        "\n"
        "Examples:\n"
        "  mmusim trace cut --records 1000000:2000000 long.mmt part.mmt\n"
        "  mmusim trace cut --time 10ms:20ms --cpu 0 --cpu 1 server.mmt part.mmt\n"
        "  mmusim trace cut --pid 4711 --address 0x7f0000000000: system.mmt libraries.mmt",
};

static int parse_range(const char *option, struct range *r, enum trace_range what)
{
    uint64_t to = UINT64_MAX;
    const char *wrong = r->given ? trace_parse_range(r->text, what, &r->from, &to) : NULL;
    bool open = !r->given || wrong || r->text[strlen(r->text) - 1] == ':';
    r->last = open ? UINT64_MAX : to - 1;
    return wrong ? cli_error("--%s: '%s' %s", option, r->text, wrong) : CLI_GO;
}

static int parse_wanted(struct wanted *w)
{
    w->number = calloc(w->words.n + 1, sizeof *w->number);
    if (!w->number)
        return cli_error("out of memory");
    for (size_t i = 0; i < w->words.n; i++) {
        const char *wrong = cli_number(w->words.item[i], false, &w->number[i]);
        if (wrong)
            return cli_error("--%s: '%s' %s", w->option, w->words.item[i], wrong);
    }
    return CLI_GO;
}

static int check(struct cut *c)
{
    int status = parse_range("records", &c->records, TRACE_RANGE_NUMBER);
    if (status == CLI_GO)
        status = parse_range("time", &c->time, TRACE_RANGE_TIME);
    if (status == CLI_GO)
        status = parse_range("address", &c->address, TRACE_RANGE_NUMBER);
    for (int i = 0; i < WANTED && status == CLI_GO; i++)
        status = parse_wanted(&c->wanted[i]);
    if (status == CLI_GO && c->words.n != 2)
        status = cli_error("trace cut: expected two files, IN and OUT");
    if (status == CLI_GO && !c->out.text && trace_is_terminal(c->words.item[1]))
        status = cli_error("trace cut: standard output is a terminal; --text writes text");
    return status;
}

/* counts: its numbers are counts or sizes, not times. */
static struct cli_option range_option(const char *name, struct range *range, bool counts, const char *help)
{
    return (struct cli_option){.name = name,
                               .type = CLI_TEXT,
                               .into = &range->text,
                               .value = "A:B",
                               .help = help,
                               .given = &range->given,
                               .counts = counts};
}

static int parse(struct cut *c, int argc, char **argv)
{
    static const char *const HELP[WANTED] = {"references of process N; may be repeated",
                                             "references of thread N; may be repeated",
                                             "references made on processor N; may be repeated"};
    struct cli_option options[5 + WANTED + TRACE_OUT_OPTIONS] = {
        range_option("records", &c->records, true, "references number A to B - 1, from 0"),
        range_option("time", &c->time, false,
                     "references made from time A on, before time B: ns (the default), us, ms, s"),
        range_option("address", &c->address, true, "references that touch a byte from address A on, below B"),
        trace_format_option(&c->in.format),
        trace_columns_option(&c->in),
    };
    for (int i = 0; i < WANTED; i++)
        options[5 + i] = (struct cli_option){.name = c->wanted[i].option,
                                             .type = CLI_TEXTS,
                                             .into = &c->wanted[i].words,
                                             .value = "N",
                                             .help = HELP[i]};
    trace_out_options(&c->out, options + 5 + WANTED);
    int status = cli_parse(&CUT, options, sizeof options / sizeof *options, argc, argv, &c->words);
    return status == CLI_GO ? check(c) : status;
}

/* Is what is made here wanted, wherever its address? */
static bool wanted_here(const struct cutting *k)
{
    const struct cut *c = k->cut;
    for (int i = 0; i < WANTED; i++) {
        const struct wanted *w = &c->wanted[i];
        size_t n = 0;
        while (n < w->words.n && w->number[n] != k->here.value[w->kind])
            n++;
        if (w->words.n && n == w->words.n)
            return false;
    }
    uint64_t time = k->here.value[MMU_MARK_TIME];
    return time >= c->time.from && time <= c->time.last;
}

static bool touches(const struct range *address, const struct mmu_access *a)
{
    return a->va + (a->size - 1u) >= address->from && a->va <= address->last;
}

/* Brings the output up to date before something is written. */
static int tell(struct cutting *k, struct mmu_error *err)
{
    return trace_tell_writer(k->writer, &k->told, &k->here, UINT32_MAX, err);
}

/* References of one place in the trace, as far as they are wanted. */
static int write_references(struct cutting *k, const struct mmu_access *a, size_t n, struct mmu_error *err)
{
    const struct range *address = &k->cut->address;
    size_t from = 0;
    int code = MMU_OK;
    if (!n || !wanted_here(k))
        return MMU_OK;
    while (!code) {
        while (from < n && !touches(address, &a[from]))
            from++;
        if (from == n)
            break;
        size_t to = from;
        while (to < n && touches(address, &a[to]))
            to++;
        code = tell(k, err);
        if (!code)
            code = mmu_trace_write(k->writer, a + from, to - from, err);
        k->kept += to - from;
        from = to;
    }
    return code;
}

static int write_mark(struct cutting *k, const struct mmu_trace_mark *mark, struct mmu_error *err)
{
    int code = MMU_OK;
    trace_tell(&k->here, mark);
    if (mark->kind == MMU_MARK_EVENT && wanted_here(k)) {
        code = tell(k, err);
        if (!code)
            code = mmu_trace_mark(k->writer, mark, err);
    }
    return code;
}

static int write_batch(struct cutting *k, const struct trace_batch *b, struct mmu_error *err)
{
    size_t at = 0;
    int code = MMU_OK;
    for (size_t i = 0; !code && i < b->n_marks; i++) {
        size_t until = (size_t)(b->mark[i].at - b->first);
        code = write_references(k, b->ref + at, until - at, err);
        at = until;
        if (!code && b->mark[i].at <= k->cut->records.last)
            code = write_mark(k, &b->mark[i], err);
    }
    return code ? code : write_references(k, b->ref + at, b->n - at, err);
}

/* Reads as far as anything can be wanted. */
static int read_all(struct cutting *k, struct mmu_trace_reader *reader, struct trace_batch *batch)
{
    const struct cut *c = k->cut;
    uint64_t begin = k->position, end = c->records.last < UINT64_MAX ? c->records.last + 1 : UINT64_MAX;
    struct mmu_error err;
    struct progress progress;
    int more = 1;
    progress_start(&progress, "references");
    while (k->position < end && more > 0) {
        size_t max = end - k->position < TRACE_BATCH ? (size_t)(end - k->position) : TRACE_BATCH;
        more = trace_batch_read(reader, batch, k->position, max, &err);
        if (more > 0 && !k->maps.begun && trace_copy_maps(reader, k->writer, &k->maps, &err))
            more = -1;
        if (more > 0 && write_batch(k, batch, &err))
            more = -1;
        k->position += more > 0 ? batch->n : 0;
        progress_update(&progress, k->position - begin, mmu_trace_progress(reader));
    }
    progress_end(&progress);
    return more < 0 ? cli_error_mmu(&err) : CLI_GO;
}

/* What was asked for and the trace does not tell at all. */
static int check_told(const struct cut *c, const struct cutting *k)
{
    const char *file = c->words.item[0];
    if (c->time.given && !(k->here.told >> MMU_MARK_TIME & 1))
        return cli_error("%s: --time: the trace tells no times", file);
    for (int i = 0; i < WANTED; i++)
        if (c->wanted[i].words.n && !(k->here.told >> c->wanted[i].kind & 1))
            return cli_error("%s: --%s: the trace does not tell it of any reference", file,
                             c->wanted[i].option);
    return CLI_GO;
}

static int cut(const struct cut *c, struct mmu_trace_reader *reader)
{
    struct trace_batch *batch = malloc(sizeof *batch);
    struct cutting k = {.cut = c, .position = c->records.from};
    struct mmu_error err;
    char source[256];
    int status = batch ? CLI_GO : cli_error("out of memory");
    trace_source_of(reader, c->words.item[0], "cut from", source);
    if (status == CLI_GO && k.position && mmu_trace_seek(reader, k.position, &err))
        status = cli_error_mmu(&err);
    if (status == CLI_GO)
        status = trace_out_create(&c->out, c->words.item[1], source, &k.writer);
    if (status == CLI_GO)
        status = read_all(&k, reader, batch);
    if (status == CLI_GO)
        status = check_told(c, &k);
    if (status == CLI_GO && !k.kept)
        status = cli_error("%s: no reference of it is what the options ask for", c->words.item[0]);
    if (status == CLI_GO)
        trace_meet_maps(reader, batch);
    if (status == CLI_GO && trace_copy_maps(reader, k.writer, &k.maps, &err))
        status = cli_error_mmu(&err);
    free(k.maps.sum);
    free(batch);
    return trace_out_end(k.writer, status);
}

int trace_cut(int argc, char **argv)
{
    struct cut c = {.wanted = {{.option = "pid", .kind = MMU_MARK_PROCESS},
                               {.option = "thread", .kind = MMU_MARK_THREAD},
                               {.option = "cpu", .kind = MMU_MARK_CPU}}};
    struct mmu_trace_reader *reader = NULL;
    int status = parse(&c, argc, argv);
    if (status == CLI_GO && (status = trace_in_open(&c.in, c.words.item[0], &reader)) == CLI_GO)
        status = cut(&c, reader);
    mmu_trace_close(reader);
    for (int i = 0; i < WANTED; i++) {
        cli_list_free(&c.wanted[i].words);
        free(c.wanted[i].number);
    }
    cli_list_free(&c.words);
    return status;
}
