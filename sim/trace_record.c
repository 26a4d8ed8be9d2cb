/*
 * sim/trace_record.c: mmusim trace record: runs a program and writes what it does to memory as a trace.
 */
#define _GNU_SOURCE
#include "record.h"
#include "trace.h"
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAST = -3 }; /* level of zstd: the recording is to keep up with the program */

enum tool { TOOL_QEMU, TOOL_LACKEY };
static const char *const TOOL_WORDS[] = {"qemu", "lackey", NULL};
static const struct {
    bool (*ready)(struct record *r);
    int (*record)(struct record *r);
} TOOLS[] = {{record_qemu_ready, record_qemu}, {record_lackey_ready, record_lackey}};

static const struct cli_command RECORD = {
    .name = "trace record",
    .usage = "[-o FILE] [OPTION...] -- PROGRAM [ARGUMENT...]",
    .summary = "Runs PROGRAM and writes every instruction fetch, load and store that it makes as a trace.",
    .details =
        "PROGRAM is an x86-64 or i386 program of Linux, or a script whose interpreter is one. Its\n"
        "input, output and exit status are its own; 128 and the signal's number when a signal ended\n"
        "it. Status 2: it was not run, it ended before --skip did, or the trace could not be written.\n"
        "FILE appears whole when the program has ended. A signal to mmusim goes to the program; a second\n"
        "one within a second ends it, and the trace is kept.\n"
        "\n"
        "The trace also says whose the references are (marks of process and thread), which system\n"
        "calls were made, and keeps the program's own /proc/PID/maps. The kernel's references are not\n"
        "in it.\n"
        "\n"
        "  qemu     QEMU's user mode with a plugin of ours (Debian: qemu-user). Threads, children, and\n"
        "           the programs that they become by execve() are recorded until the first one has\n"
        "           ended. A process's mark is its number, and 2^32 more for each program that it was\n"
        "           before: that is another address space.\n"
        "  lackey   Valgrind (Debian: valgrind): some 20 times slower; one thread after the other, no\n"
        "           system calls, no children. Another opinion: it shares nothing with the first.\n"
        "\n"
        "An element of a REP instruction is a reference of its own, with a fetch. Of code that an\n"
        "exception interrupts, QEMU's recording has fetches up to the next jump. Addresses are those\n"
        "that the tool gives the program; QEMU puts position-independent programs at 0x4000000000.\n"
        "\n"
        "Examples:\n"
        "  mmusim trace record -o sort.mmt -- sort words.txt\n"
        "  mmusim trace record --skip 1000000000 --max 50000000 -o part.mmt -- gzip words.txt\n"
        "  mmusim trace record --tool lackey -- ./a.out    (writes a.out.mmt)\n"
        "  mmusim run --config skylake-sp sort.mmt",
};

struct options {
    struct cli_list words;
    const char *output;
    uint64_t skip, max;
    unsigned tool;
    bool has_max, text;
};

static int parse(struct options *o, int argc, char **argv)
{
    const struct cli_option options[] = {
        {.name = "output",
         .type = CLI_TEXT,
         .into = &o->output,
         .value = "FILE",
         .help = "the trace, also -o FILE (default: the program's name with .mmt, here)"},
        {.name = "max",
         .type = CLI_COUNT,
         .into = &o->max,
         .value = "N",
         .help = "record N references; the program goes on to its end, unrecorded",
         .min = 1,
         .given = &o->has_max},
        {.name = "skip",
         .type = CLI_COUNT,
         .into = &o->skip,
         .value = "N",
         .help = "leave out the first N references"},
        {.name = "tool",
         .type = CLI_CHOICE,
         .into = &o->tool,
         .value = "qemu|lackey",
         .help = "what records (default qemu)",
         .choices = TOOL_WORDS},
        {.name = "text", .type = CLI_FLAG, .into = &o->text, .help = "write text instead of the binary form"},
    };
    return cli_parse(&RECORD, options, sizeof options / sizeof *options, argc, argv, &o->words);
}

static bool takes_value(const char *option)
{
    static const char *const alone[] = {"--help", "-h", "--text"};
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        if (!strcmp(option, alone[i]))
            return false;
    return !strchr(option, '=');
}

/* Where the program's words begin in argv: behind "--", or at the first word that is neither an option nor an
 * option's value. */
static int split(int argc, char **argv)
{
    int at = 1;
    for (; at < argc && argv[at][0] == '-' && argv[at][1]; at++) {
        if (!strcmp(argv[at], "--"))
            return at + 1;
        if (takes_value(argv[at]))
            at++;
    }
    return at < argc ? at : argc;
}

/* The options alone, with -o as the long one that it stands for. argc words and a NULL, to be freed. */
static char **own_words(int argc, char **argv)
{
    static char output[] = "--output";
    char **own = calloc((size_t)argc + 1, sizeof *own);
    for (int i = 0; own && i < argc; i++)
        own[i] = strcmp(argv[i], "-o") ? argv[i] : output;
    return own;
}

static char *own_folder(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return NULL;
    path[n] = 0;
    return strdup(dirname(path));
}

/* "sort -n words; qemu": the program's words, and what recorded it. */
static void describe(char *to, size_t size, char *const *words, unsigned tool)
{
    size_t used = 0;
    *to = 0;
    for (size_t i = 0; words[i] && used < size; i++)
        used += (size_t)snprintf(to + used, size - used, i ? " %s" : "%s", words[i]);
    const char *with = tool == TOOL_QEMU ? "; recorded with QEMU" : "; recorded with Lackey";
    size_t room = size - 1 - strlen(with);
    snprintf(to + (used < room ? used : room), size - (used < room ? used : room), "%s", with);
}

static int create(struct record *r, const struct options *o, char **words, char **name)
{
    char source[200];
    struct mmu_trace_write_options options = {.format = o->text ? MMU_TRACE_TEXT : MMU_TRACE_BINARY,
                                              .source = source,
                                              .level = FAST,
                                              .unsummed = true,
                                              .threaded = true};
    const char *base = strrchr(words[0], '/');
    describe(source, sizeof source, words, o->tool);
    if (o->output ? (*name = strdup(o->output)) == NULL
                  : asprintf(name, "%s.%s", base ? base + 1 : words[0], o->text ? "txt" : "mmt") < 0)
        return cli_error("out of memory");
    r->output = *name;
    if (!strcmp(r->output, "-"))
        return cli_error("trace record: the trace needs a file, standard output is the program's");
    if (mmu_trace_create_with(r->output, &options, &r->sink.writer, &r->sink.err))
        return cli_error_mmu(&r->sink.err);
    return CLI_GO;
}

void record_show(struct record *r)
{
    enum { PATIENCE = 1 }; /* seconds: most programs have ended, or said something, by then */
    for (int fd = 1; fd <= 2; fd++)
        if (r->sink.spoke[fd] && isatty(fd) == 1)
            return;
    if (r->progress.terminal && progress_seconds() - r->begun > PATIENCE)
        progress_update(&r->progress, r->sink.passed + r->sink.kept, -1);
}

/* Completes the trace, or drops it if there is none: a window behind the program's end has no reference.
 * Returns the exit status. */
static int finish(struct record *r, int status)
{
    const struct record_sink *sink = &r->sink;
    bool missed = r->started && !sink->failed && !sink->kept && sink->skip;
    if (!r->started || sink->failed || missed) {
        if (sink->failed)
            status = cli_error_mmu(&sink->err);
        if (missed)
            status = cli_error("%s: not written: the program made %" PRIu64 " references, and --skip leaves "
                               "out %" PRIu64,
                               r->output, sink->passed, sink->skip);
        mmu_trace_abort(r->sink.writer);
        return status;
    }
    return mmu_trace_finish(r->sink.writer, &r->sink.err) ? cli_error_mmu(&r->sink.err) : status;
}

static int record(struct record *r, const struct options *o, char **words, size_t n)
{
    char *name = NULL;
    int status = record_program_find(&r->program, (const char *const *)words, n);
    if (status == CLI_GO && !TOOLS[o->tool].ready(r))
        status = CLI_BAD;
    if (status == CLI_GO)
        status = create(r, o, words, &name);
    if (status == CLI_GO) {
        progress_start(&r->progress, "references");
        r->begun = progress_seconds();
        status = TOOLS[o->tool].record(r);
        status = finish(r, status);
    }
    free(name);
    record_program_free(&r->program);
    return status;
}

int trace_record(int argc, char **argv)
{
    struct options o = {0};
    int at = split(argc, argv), own = at > 1 && !strcmp(argv[at - 1], "--") ? at - 1 : at;
    char **words = own_words(own, argv);
    int status = words ? parse(&o, own, words) : cli_error("out of memory");
    struct record r = {.sink = {.skip = o.skip, .max = o.has_max ? o.max : UINT64_MAX}, .self = own_folder()};
    signal(SIGXFSZ, SIG_IGN); /* a file that would grow beyond the limit is an error like a full disk */
    if (status == CLI_GO && at >= argc)
        status = cli_error("trace record: expected a program, as in: mmusim trace record -- ls -l");
    if (status == CLI_GO && !r.self)
        status = cli_error("cannot find the folder of this program: %s", strerror(errno));
    if (status == CLI_GO)
        status = record(&r, &o, argv + at, (size_t)(argc - at));
    free(r.self);
    cli_list_free(&o.words);
    free(words);
    return status;
}
