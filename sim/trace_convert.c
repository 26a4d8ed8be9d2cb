/*
 * sim/trace_convert.c: mmusim trace convert: a trace in any form, or a part of it, into one of ours, with its
 * marks and maps.
 */
#include "trace.h"
#include "trace_file.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The command line. */
struct convert {
    struct cli_list words;
    struct trace_in in;
    struct trace_out out;
    uint64_t skip, limit;
    bool has_limit, salvage;
};

static const struct cli_command CONVERT = {
    .name = "trace convert",
    .usage = "[OPTION...] IN OUT",
    .summary =
        "Writes the trace IN anew, as OUT: by default in mmusim's binary form, packed and checksummed.\n"
        "Marks and maps go along. '-' is standard input or output. OUT appears whole or not at all.",
    .details =
        "Examples:\n"
        "  mmusim trace convert --source 'ls -l, Valgrind 3.19' ls.lackey.xz ls.mmt\n"
        "  mmusim trace convert 600.perlbench.champsimtrace.xz perlbench.mmt\n"
        "  mmusim trace convert --columns pid,type,address,size log.csv log.mmt\n"
        "  mmusim trace convert --skip 1000000 --limit 5000000 long.mmt part.mmt\n"
        "  mmusim trace convert --salvage recording.mmt.tmp.4711 recording.mmt\n"
        "  mmusim trace convert --text part.mmt - | less\n"
        "\n"
        "Behind --limit a trace is read on where maps may still come: in text with marks, in a pipe, in a\n"
        "packed file.\n"
        "\n"
        "A writer that was killed leaves its file beside the final place, with .tmp and a number behind\n"
        "its name: --salvage keeps all complete blocks of it.",
};

static int parse(struct convert *c, int argc, char **argv)
{
    struct cli_option options[5 + TRACE_OUT_OPTIONS] = {
        trace_format_option(&c->in.format),
        trace_columns_option(&c->in),
        {.name = "skip",
         .type = CLI_COUNT,
         .into = &c->skip,
         .value = "N",
         .help = "leave out the first N references"},
        {.name = "limit",
         .type = CLI_COUNT,
         .into = &c->limit,
         .value = "N",
         .help = "take at most N references (default: all)",
         .given = &c->has_limit},
        {.name = "salvage",
         .type = CLI_FLAG,
         .into = &c->salvage,
         .help = "write what could be read of a damaged trace; the exit status is 1 then"},
    };
    trace_out_options(&c->out, options + 5);
    int status = cli_parse(&CONVERT, options, sizeof options / sizeof *options, argc, argv, &c->words);
    if (status == CLI_GO && c->words.n != 2)
        status = cli_error("trace convert: expected two files, IN and OUT");
    if (status == CLI_GO && !c->out.text && trace_is_terminal(c->words.item[1]))
        status = cli_error("trace convert: standard output is a terminal; --text writes text");
    return status;
}

/* Writes a batch, without the marks that stand at `end` or behind it. */
static int write_batch(struct mmu_trace_writer *writer, const struct trace_batch *b, uint64_t end,
                       struct mmu_error *err)
{
    size_t at = 0;
    int code = MMU_OK;
    for (size_t i = 0; !code && i < b->n_marks && b->mark[i].at < end; i++) {
        size_t until = (size_t)(b->mark[i].at - b->first);
        code = mmu_trace_write(writer, b->ref + at, until - at, err);
        at = until;
        if (!code)
            code = mmu_trace_mark(writer, &b->mark[i], err);
    }
    return code ? code : mmu_trace_write(writer, b->ref + at, b->n - at, err);
}

/* Where the copying stands. */
struct copying {
    const struct convert *c;
    struct mmu_trace_reader *reader;
    struct mmu_trace_writer *writer;
    struct trace_batch *batch;
    struct trace_maps *maps;
    uint64_t at, end; /* of IN's references */
    uint64_t lost;
};

/* Up to the end, or to damage: then 1 is returned with *err, and 0 at the end; -1: it cannot be written. */
static int copy_part(struct copying *k, struct mmu_error *err)
{
    struct progress progress;
    int more = 1, wrong = 0;
    progress_start(&progress, "references");
    while (k->at < k->end && more > 0 && !wrong) {
        size_t max = k->end - k->at < TRACE_BATCH ? (size_t)(k->end - k->at) : TRACE_BATCH;
        more = trace_batch_read(k->reader, k->batch, k->at, max, err);
        if (more > 0 && !k->maps->begun && trace_copy_maps(k->reader, k->writer, k->maps, err))
            wrong = -1;
        if (more > 0 && !wrong && write_batch(k->writer, k->batch, k->end, err))
            wrong = -1;
        k->at += more > 0 ? k->batch->n : 0;
        progress_update(&progress, k->at - k->c->skip, mmu_trace_progress(k->reader));
    }
    progress_end(&progress);
    return wrong ? wrong : more < 0;
}

/* Copies references and marks. Returns CLI_GO, CLI_NO when the input was damaged and salvaged, or CLI_BAD. */
static int copy(struct copying *k)
{
    struct mmu_error err;
    uint64_t next;
    int status = CLI_GO, wrong = copy_part(k, &err);
    while (wrong) {
        cli_error_mmu(&err);
        if (wrong < 0 || !k->c->salvage)
            return CLI_BAD;
        status = CLI_NO;
        wrong = 0;
        if (!mmu_trace_resume(k->reader, &next, NULL) && next < k->end) {
            k->lost += next - k->at;
            k->at = next;
            wrong = copy_part(k, &err);
        }
    }
    if (status == CLI_NO && k->lost)
        cli_error("%s: %" PRIu64 " references are kept; %" PRIu64 " that lay between them are lost",
                  k->c->words.item[1], k->at - k->c->skip - k->lost, k->lost);
    else if (status == CLI_NO)
        cli_error("%s: the %" PRIu64 " references before the damage are kept", k->c->words.item[1],
                  k->at - k->c->skip);
    return status;
}

static int convert(const struct convert *c, struct mmu_trace_reader *reader)
{
    struct trace_batch *batch = malloc(sizeof *batch);
    struct mmu_trace_writer *writer = NULL;
    struct trace_maps maps = {0};
    struct mmu_error err;
    char source[256];
    int status = batch ? CLI_GO : cli_error("out of memory");
    trace_source_of(reader, c->words.item[0], "converted from", source);
    if (status == CLI_GO && c->skip && mmu_trace_seek(reader, c->skip, &err))
        status = cli_error_mmu(&err);
    if (status == CLI_GO)
        status = trace_out_create(&c->out, c->words.item[1], source, &writer);
    if (status == CLI_GO) {
        struct copying k = {.c = c,
                            .reader = reader,
                            .writer = writer,
                            .batch = batch,
                            .maps = &maps,
                            .at = c->skip,
                            .end = UINT64_MAX};
        if (c->has_limit && c->limit < UINT64_MAX - c->skip)
            k.end = c->skip + c->limit;
        status = copy(&k);
    }
    if (status == CLI_GO)
        trace_meet_maps(reader, batch);
    if (status != CLI_BAD && trace_copy_maps(reader, writer, &maps, &err))
        status = cli_error_mmu(&err);
    free(maps.sum);
    free(batch);
    return trace_out_end(writer, status);
}

int trace_convert(int argc, char **argv)
{
    struct convert c = {0};
    struct mmu_trace_reader *reader = NULL;
    int status = parse(&c, argc, argv);
    if (status == CLI_GO && (status = trace_in_open(&c.in, c.words.item[0], &reader)) == CLI_GO)
        status = convert(&c, reader);
    mmu_trace_close(reader);
    cli_list_free(&c.words);
    return status;
}
