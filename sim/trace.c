/*
 * sim/trace.c: mmusim trace: finds its part (convert, info) and hands it its arguments; convert itself.
 */
#include "trace.h"
#include "cli.h"
#include "progress.h"
#include <inttypes.h>
#include <mmusim/trace.h>
#include <string.h>

enum { BLOCK = 4096 }; /* references at once */

/* The formats that are read, then other words for them. */
static const char *const FORMAT_WORDS[] = {"auto", "text", "binary", "lackey", "mmt", NULL};

struct cli_option trace_format_option(unsigned *choice)
{
    return (struct cli_option){.name = "trace-format",
                               .type = CLI_CHOICE,
                               .into = choice,
                               .value = "FORMAT",
                               .help = "form of the trace: auto (by content, the default), text or lackey,\n"
                                       "binary or mmt",
                               .choices = FORMAT_WORDS};
}

enum mmu_trace_format trace_format_chosen(unsigned choice)
{
    return (enum mmu_trace_format)mmu_trace_format_find(FORMAT_WORDS[choice]);
}

static const struct {
    const char *name;
    int (*entry)(int argc, char **argv);
} PARTS[] = {{"convert", trace_convert}, {"info", trace_info}, {"record", trace_record}};
enum { N = sizeof PARTS / sizeof PARTS[0] };

static const struct cli_command OVERVIEW = {
    .name = "trace",
    .usage = "convert [OPTION...] IN OUT\n"
             "info [OPTION...] TRACE\n"
             "record [OPTION...] -- PROGRAM [ARGUMENT...]",
    .summary = "Converts, inspects and records address traces.",
    .details = "'mmusim trace convert --help' explains convert; so does each of the others.\n"
               "\n"
               "Traces are text as Valgrind's Lackey prints it, or mmusim's own binary form, packed in any\n"
               "way (gz, xz, zst, bz2, lz4, zip ...). A line of text is one reference:\n"
               "\n"
               "  I  04001090,3       fetch: address in hexadecimal, size in bytes, 1 to 4096\n"
               "   L 1ffeffe7e0,8     load\n"
               "   S 1ffeffe7e0,8     store\n"
               "   M 0421c7cc,4       load, then store\n"
               "   L ffff8880,8 k     words behind the size: k explicit supervisor access, i implicit\n"
               "                      supervisor access, + same instruction as the one before, gN issue\n"
               "                      gap of N cycles\n"
               "\n"
               "Blank lines, lines that begin with # and Valgrind's ==PID== lines are passed over.\n"
               "\n"
               "Record one with: mmusim trace record -o TRACE -- PROGRAM ARGS",
};

int cmd_trace(int argc, char **argv)
{
    const char *names[N];
    for (size_t i = 0; i < N; i++) {
        names[i] = PARTS[i].name;
        if (argc > 1 && !strcmp(argv[1], names[i]))
            return PARTS[i].entry(argc - 1, argv + 1);
    }
    if (argc > 1 && argv[1][0] != '-')
        return cli_error_unknown("trace command", argv[1], names, N);
    struct cli_list words = {0};
    int status = cli_parse(&OVERVIEW, NULL, 0, argc, argv, &words);
    cli_list_free(&words);
    return status != CLI_GO
               ? status
               : cli_error("trace: expected convert, info or record; 'mmusim trace --help' explains");
}

/* The command line of convert. */
struct convert {
    struct cli_list words;
    unsigned trace_format;
    uint64_t skip, limit;
    bool has_limit, has_source, text, salvage;
    const char *source;
};

static const struct cli_command CONVERT = {
    .name = "trace convert",
    .usage = "[OPTION...] IN OUT",
    .summary =
        "Writes the trace IN anew, as OUT: by default in mmusim's binary form, packed and checksummed.\n"
        "'-' is standard input or, with --text, standard output. OUT appears whole or not at all.",
    .details = "Examples:\n"
               "  mmusim trace convert --source 'ls -l, Valgrind 3.19' ls.lackey.xz ls.mmt\n"
               "  mmusim trace convert --skip 1000000 --limit 5000000 long.mmt part.mmt\n"
               "  mmusim trace convert --text part.mmt - | less",
};

static int parse(struct convert *c, int argc, char **argv)
{
    const struct cli_option options[] = {
        trace_format_option(&c->trace_format),
        {.name = "skip",
         .type = CLI_NUMBER,
         .into = &c->skip,
         .value = "N",
         .help = "leave out the first N references"},
        {.name = "limit",
         .type = CLI_NUMBER,
         .into = &c->limit,
         .value = "N",
         .help = "take at most N references (default: all)",
         .given = &c->has_limit},
        {.name = "source",
         .type = CLI_TEXT,
         .into = &c->source,
         .value = "TEXT",
         .help = "one line that says how it was recorded (default: what IN says, or IN's name)",
         .given = &c->has_source},
        {.name = "text", .type = CLI_FLAG, .into = &c->text, .help = "write text"},
        {.name = "salvage",
         .type = CLI_FLAG,
         .into = &c->salvage,
         .help = "write what could be read of a damaged trace; the exit status is 1 then"},
    };
    int status = cli_parse(&CONVERT, options, sizeof options / sizeof *options, argc, argv, &c->words);
    if (status == CLI_GO && c->words.n != 2)
        status = cli_error("trace convert: expected two files, IN and OUT");
    return status;
}

/* Copies references. Returns CLI_GO, CLI_NO when the input was damaged and salvaged, or the exit status. */
static int copy(const struct convert *c, struct mmu_trace_reader *reader, struct mmu_trace_writer *writer)
{
    static const char UNIT[] = "references";
    struct mmu_access block[BLOCK];
    struct mmu_error err;
    struct progress progress;
    uint64_t left = c->has_limit ? c->limit : UINT64_MAX, done = 0;
    int status = CLI_GO;
    progress_start(&progress, UNIT);
    while (left && status == CLI_GO) {
        int64_t n = mmu_trace_read(reader, block, left < BLOCK ? (size_t)left : BLOCK, &err);
        if (!n)
            break;
        if (n < 0) {
            progress_end(&progress);
            cli_error_mmu(&err);
            status = c->salvage ? CLI_NO : CLI_BAD;
        } else if (mmu_trace_write(writer, block, (size_t)n, &err)) {
            progress_end(&progress);
            status = cli_error_mmu(&err);
        } else {
            left -= (uint64_t)n;
            done += (uint64_t)n;
            progress_update(&progress, done, mmu_trace_progress(reader));
        }
    }
    progress_end(&progress);
    if (status == CLI_NO)
        cli_error("%s: the %" PRIu64 " references before the damage are kept", c->words.item[1], done);
    return status;
}

static int convert(const struct convert *c, struct mmu_trace_reader *reader)
{
    const char *in = c->words.item[0], *base = strrchr(in, '/');
    enum mmu_trace_format format = c->text ? MMU_TRACE_TEXT : MMU_TRACE_BINARY;
    struct mmu_trace_writer *writer = NULL;
    struct mmu_trace_info info;
    struct mmu_error err;
    char source[sizeof info.source];
    mmu_trace_info(reader, &info);
    if (c->skip && mmu_trace_seek(reader, c->skip, &err))
        return cli_error_mmu(&err);
    if (c->has_source)
        snprintf(source, sizeof source, "%s", c->source);
    else if (*info.source)
        snprintf(source, sizeof source, "%s", info.source);
    else
        snprintf(source, sizeof source, "converted from %s",
                 !strcmp(in, "-") ? "standard input"
                 : base           ? base + 1
                                  : in);
    if (mmu_trace_create(c->words.item[1], format, source, &writer, &err))
        return cli_error_mmu(&err);
    int status = copy(c, reader, writer);
    if (status == CLI_BAD)
        mmu_trace_abort(writer);
    else if (mmu_trace_finish(writer, &err))
        status = cli_error_mmu(&err);
    return status == CLI_GO ? CLI_OK : status;
}

int trace_convert(int argc, char **argv)
{
    struct convert c = {0};
    struct mmu_trace_reader *reader;
    struct mmu_error err;
    int status = parse(&c, argc, argv);
    if (status == CLI_GO) {
        if (mmu_trace_open(c.words.item[0], trace_format_chosen(c.trace_format), &reader, &err)) {
            status = cli_error_mmu(&err);
        } else {
            status = convert(&c, reader);
            mmu_trace_close(reader);
        }
    }
    cli_list_free(&c.words);
    return status;
}
