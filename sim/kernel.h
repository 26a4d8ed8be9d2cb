/*
 * sim/kernel.h: what the subcommands about a machine's kernel share: their options, and the kernel, booted.
 */
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#include "cli.h"
#include <jansson.h>
#include <mmusim/os.h>

struct kernel_job {
    const char *config;
    struct cli_list sets, words;
    unsigned format; /* 0 text, 1 json */
    const char *output;
    struct mmu_machine *machine;
    struct mmu_os *os;
    struct cli_output out;
};

extern const char *const kernel_formats[];

/* The options that every such subcommand has. */
#define KERNEL_OPTIONS(j)                                                                                    \
    {.name = "config",                                                                                       \
     .type = CLI_TEXT,                                                                                       \
     .into = &(j).config,                                                                                    \
     .value = "MACHINE",                                                                                     \
     .help = "a YAML file, or the name of a shipped machine; it needs os"},                                  \
        {.name = "set",                                                                                      \
         .type = CLI_TEXTS,                                                                                  \
         .into = &(j).sets,                                                                                  \
         .value = "PATH=VALUE",                                                                              \
         .help = "override one key of the machine; may be repeated"},                                        \
        {.name = "format",                                                                                   \
         .type = CLI_CHOICE,                                                                                 \
         .into = &(j).format,                                                                                \
         .value = "text|json",                                                                               \
         .help = "how to print (default text)",                                                              \
         .choices = kernel_formats},                                                                         \
    {                                                                                                        \
        .name = "output", .type = CLI_TEXT, .into = &(j).output, .value = "FILE",                            \
        .help = "write there (default: standard output)"                                                     \
    }

/*
 * Parses the command line, boots the machine's kernel, says its notes on standard error, opens the output,
 * calls print(), and closes. Returns the exit status.
 */
int kernel_command(struct kernel_job *job, const struct cli_command *command,
                   const struct cli_option *options, size_t n, int argc, char **argv,
                   int (*print)(const struct kernel_job *job, void *ctx), void *ctx);

/* An object with a printed JSON text behind it: 0 or CLI_BAD. root is taken over; NULL: out of memory. */

int kernel_print_json(const struct kernel_job *job, json_t *root);

#endif
