/* sim/main.c: the program mmusim: finds the subcommand and hands it its arguments. */
#include "cli.h"
#include <string.h>

static const struct {
    const char *name, *help;
    int (*entry)(int argc, char **argv);
} COMMANDS[] = {
    {"run", "replay address traces, or run scenarios, through machines", cmd_run},
    {"config", "list, show and check descriptions of machines", cmd_config},
    {"trace", "convert address traces, and say what one holds", cmd_trace},
    {"zones", "the zones of a machine's kernel: extent, watermarks, protection", cmd_zones},
    {"layout", "the map of the address space below a machine's kernel", cmd_layout},
    {"shell", "a machine and its kernel at a prompt: calls, accesses, questions", cmd_shell},
    {"walk", "walk the page tables of a memory image, address by address", cmd_walk},
};
enum { N = sizeof COMMANDS / sizeof COMMANDS[0] };

static int unknown_command(const char *word)
{
    static const char *const options[] = {"--help", "--version"};
    if (word[0] == '-')
        return cli_error_unknown("option", word, options, sizeof options / sizeof options[0]);
    const char *names[N + 1];
    for (size_t i = 0; i < N; i++)
        names[i] = COMMANDS[i].name;
    names[N] = "help";
    return cli_error_unknown("command", word, names, N + 1);
}

static int run_command(int argc, char **argv)
{
    for (size_t i = 0; i < N; i++)
        if (!strcmp(argv[0], COMMANDS[i].name))
            return COMMANDS[i].entry(argc, argv);
    return unknown_command(argv[0]);
}

static int finish(void)
{
    struct cli_output out = {.file = stdout, .name = "standard output"};
    return cli_output_close(&out);
}

static int print_help(void)
{
    puts("Usage: mmusim COMMAND [OPTION...] [ARGUMENT...]\n"
         "\n"
         "Simulates how an x86 machine translates addresses, cycle by cycle.\n"
         "\n"
         "Commands:");
    for (size_t i = 0; i < N; i++)
        printf("  %-8s %s\n", COMMANDS[i].name, COMMANDS[i].help);
    puts("  help     explain one command: mmusim help COMMAND\n"
         "\n"
         "Options:\n"
         "  --help     print this text\n"
         "  --version  print the version\n"
         "\n"
         "Exit status: 0 success, 1 the answer is no (a check that failed), 2 bad input or usage.");
    return finish();
}

static int print_version(void)
{
    puts("mmusim " MMUSIM_VERSION);
    return finish();
}

static bool asks_for_help(const char *word)
{
    return !strcmp(word, "--help") || !strcmp(word, "-h");
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return cli_error("expected a command; 'mmusim --help' lists them");
    if (!strcmp(argv[1], "--version"))
        return print_version();
    bool help = !strcmp(argv[1], "help");
    bool itself = argc == 3 && help && (asks_for_help(argv[2]) || !strcmp(argv[2], "help"));
    if (asks_for_help(argv[1]) || (help && argc == 2) || itself)
        return print_help();
    if (help) {
        char option[] = "--help";
        bool part = argc == 4 && !strcmp(argv[2], "trace"); /* which has commands of its own */
        char *args[] = {argv[2], part ? argv[3] : option, part ? option : NULL, NULL};
        return argc == 3 || part ? run_command(argc - 1, args) : cli_error("help: expected one command");
    }
    return run_command(argc - 1, argv + 1);
}
