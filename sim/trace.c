/*
 * sim/trace.c: mmusim trace: finds its part and hands it its arguments.
 */
#include "trace.h"
#include "cli.h"
#include "progress.h"
#include <inttypes.h>
#include <mmusim/trace.h>
#include <string.h>

static const struct {
    const char *name;
    int (*entry)(int argc, char **argv);
} PARTS[] = {{"info", trace_info},    {"convert", trace_convert}, {"cut", trace_cut},
             {"merge", trace_merge},  {"stats", trace_stats},     {"verify", trace_verify},
             {"record", trace_record}};
enum { N = sizeof PARTS / sizeof PARTS[0] };

static const struct cli_command OVERVIEW = {
    .name = "trace",
    .usage = "info [OPTION...] TRACE\n"
             "convert [OPTION...] IN OUT\n"
             "cut [OPTION...] IN OUT\n"
             "merge [OPTION...] IN... OUT\n"
             "stats [OPTION...] TRACE\n"
             "verify [OPTION...] TRACE...\n"
             "record [OPTION...] -- PROGRAM [ARGUMENT...]",
    .summary = "Inspects, converts, cuts, merges, checks and records address traces.",
    .details = "'mmusim trace convert --help' explains convert; so does each of the others.\n"
               "\n"
               "Traces are found by content, packed in any way (gz, xz, zst, bz2, lz4, zip ...):\n"
               "\n"
               "  text        as Valgrind's Lackey prints it; ours has words and marks more\n"
               "  binary      mmusim's own: small, checksummed, can be entered anywhere\n"
               "  champsim    ChampSim's records of 64 bytes; cloudsuite, their variant\n"
               "  drmemtrace  DynamoRIO's offline traces: a file, or a folder of one a thread\n"
               "  din         Dinero's: 0 read, 1 write, 2 fetch, and an address\n"
               "  pinatrace   Pin's example: ip: R address\n"
               "  columns     anything else in columns, with --columns\n"
               "\n"
               "A line of text is one reference:\n"
               "\n"
               "  I  04001090,3       fetch: address in hexadecimal, size in bytes, 1 to 4096\n"
               "   L 1ffeffe7e0,8     load\n"
               "   S 1ffeffe7e0,8     store\n"
               "   M 0421c7cc,4       load, then store\n"
               "   L ffff8880,8 k     words behind the size: k explicit supervisor access, i implicit\n"
               "                      supervisor access, + same instruction as the one before, gN issue\n"
               "                      gap of N cycles\n"
               "\n"
               "or a mark for the references that follow: # mmusim: process N, thread N, cpu N, time N\n"
               "(nanoseconds), event TEXT. Other lines are passed over and counted.\n"
               "\n"
               "Record one with: mmusim trace record -o TRACE -- PROGRAM ARGS",
};

/* trace help [COMMAND]: trace [COMMAND] --help. */
static int help(int argc, char **argv)
{
    char option[] = "--help";
    char *asked[] = {argv[0], argc > 2 ? argv[2] : option, argc > 2 ? option : NULL, NULL};
    return argc > 3 ? cli_error("trace help: expected one command") : cmd_trace(argc > 2 ? 3 : 2, asked);
}

int cmd_trace(int argc, char **argv)
{
    const char *names[N];
    if (argc > 1 && !strcmp(argv[1], "help"))
        return help(argc, argv);
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
               : cli_error("trace: expected info, convert, cut, merge, stats, verify or record; 'mmusim "
                           "trace --help' explains");
}
