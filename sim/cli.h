/*
 * sim/cli.h: what every subcommand shares: options, numbers, errors, output files.
 *
 * A subcommand describes its options in a table whose rows point to its own variables, and calls cli_parse().
 * Bad input gets one line on standard error, "mmusim: ...", and exit status CLI_BAD.
 */
#ifndef SIM_CLI_H
#define SIM_CLI_H

#include <mmusim/types.h>
#include <stdio.h>

/* Exit statuses of the program. */
enum {
    CLI_OK = 0,
    CLI_NO = 1,  /* it ran, and the answer is no (a check that failed) */
    CLI_BAD = 2, /* bad input, bad usage, failed output: a line on standard error says which */
};

/* The subcommands. argv[0] is the subcommand's name; the exit status is returned. */
int cmd_config(int argc, char **argv);
int cmd_layout(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_shell(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_walk(int argc, char **argv);
int cmd_zones(int argc, char **argv);

/* Words, in the order given. The words belong to argv, the array to the list: cli_list_free().
 * Zero-initialise. */
struct cli_list {
    const char **item;
    size_t n;
};
void cli_list_free(struct cli_list *list);

/* What an option's value is, and the type of the variable that `into` points to. */
enum cli_type {
    CLI_FLAG,   /* bool: no value, sets true */
    CLI_TEXT,   /* const char *: any text, the last one wins */
    CLI_TEXTS,  /* struct cli_list: may be repeated */
    CLI_CHOICE, /* unsigned: the index of the word in choices */
    CLI_NUMBER, /* uint64_t: decimal or 0x hexadecimal, within [min, max] */
    CLI_COUNT,  /* uint64_t, a count or a size: the same, and K, M, G or T behind it (powers of 1024) */
};

struct cli_option {
    const char *name; /* without dashes */
    enum cli_type type;
    void *into;
    const char *value;          /* the value's name in the help, for example "FILE"; NULL for a flag */
    const char *help;           /* one line, or several separated by \n */
    const char *const *choices; /* CLI_CHOICE: NULL-terminated */
    uint64_t min, max;          /* CLI_NUMBER, CLI_COUNT; max 0: no upper bound */
    bool *given;                /* set when the option was given; may be NULL */
    bool counts;                /* CLI_TEXT: the numbers in it are as those of CLI_COUNT, for the help */
};

/* A subcommand's text. */
struct cli_command {
    const char *name; /* "walk" */
    const char
        *usage; /* what follows the name: "[OPTION...] ADDRESS...|-"; several forms are separated by \n */
    const char *summary; /* what it does, one paragraph of lines */
    const char *details; /* printed behind the options: formats, examples; may be NULL */
};

/*
 * Parses argv[1...]: --name VALUE, --name=VALUE, flags, and words, in any order; "--" ends the options; "-"
 * is a word. --help prints the command's help on standard output. words receives what is no option (free it
 * in any case).
 *
 * Returns CLI_GO, or the exit status to end with: CLI_OK after --help, CLI_BAD after a complaint.
 */
enum { CLI_GO = -1 };
int cli_parse(const struct cli_command *command, const struct cli_option *options, size_t n, int argc,
              char **argv, struct cli_list *words);

/* Prints "mmusim: " and the message as one line on standard error; returns CLI_BAD. */
int cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for an error of the library. */
int cli_error_mmu(const struct mmu_error *err);
/* "unknown WHAT 'WORD'", with the nearest candidate as a suggestion when one is near; returns CLI_BAD. */
int cli_error_unknown(const char *what, const char *word, const char *const *candidates, size_t n);

/* The candidate that word is most probably a misspelling of; NULL: none is near. */
const char *cli_nearest(const char *word, const char *const *candidates, size_t n);

/* Reads one whole number; count: suffixes K, M, G, T are allowed. Returns NULL, or what is wrong, for example
 * "is not a number". */
const char *cli_number(const char *text, bool count, uint64_t *value);

/*
 * An output file that appears whole or not at all: written beside its place, synced, renamed. path NULL or
 * "-": standard output. A device or a pipe is written directly.
 *
 * cli_output_open() complains and returns CLI_BAD when the place cannot be written. cli_output_close() makes
 * the file appear; it complains and returns CLI_BAD when anything written so far failed, and the place keeps
 * what it had. cli_output_discard() drops the file, and does nothing when it is not open; zero-initialise.
 */
struct cli_output {
    FILE *file;       /* write here; NULL when closed */
    const char *name; /* for messages: the caller's path, or "standard output" */
    char *place;      /* where the file is to appear; NULL: file is written directly */
    char *beside;     /* where it is written meanwhile */
};
int cli_output_open(struct cli_output *out, const char *path);
/* Is what is read from lost when the output appears? Complains and returns CLI_BAD then, else CLI_GO. Either
 * may be NULL. */
int cli_output_spares(const char *output, const char *input);
int cli_output_close(struct cli_output *out);
void cli_output_discard(struct cli_output *out);

#endif
