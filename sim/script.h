/*
 * sim/script.h: the language of `mmusim run SCENARIO` and `mmusim shell`: one statement a line.
 *
 *   script.c          statements: a name, a command, where they stand in which file
 *   script_file.c     lines of files, and of files that those name
 *   script_name.c     $names, the kernel's constants among them
 *   script_value.c    values: read whole, checked, then computed
 *   script_expect.c   expectations
 *   script_read.c     a line: words, numbers, references of a trace
 *   script_arguments.c  the arguments of a command, by its parameters
 *   script_table.c    the table of all commands
 *   script_result.c   answers: fields, texts, how they are printed
 *   script_outcome.c  ... and what it is called when a call was not done
 *   script_process.c  processes, system calls of memory, files, traces
 *   script_kernel.c   calls of the kernel's memory management
 *   script_access.c   accesses, of one or many addresses; contents
 *   script_half.c     which half of the page tables a question is about
 *   script_ask.c      questions to the hardware: translate, walk, tlb, stats
 *   script_ask_os.c   questions to the kernel: pages, zones, texts of /proc
 *   script_ask_process.c  questions about processes
 *   script_help.c     help, and the documentation, from the table
 *   shell.c shell_complete.c  the prompt, and what the tabulator offers
 *
 * traces/scenarios/README.md is the grammar, generated from the table.
 */
#ifndef SIM_SCRIPT_H
#define SIM_SCRIPT_H

#include "cli.h"
#include <mmusim/mmusim.h>
#include <mmusim/process.h>

enum {
    SCRIPT_LINE = 1024,
    SCRIPT_DEPTH = 16, /* files that name each other */
    SCRIPT_NAME = 48,
    SCRIPT_TEXT = 256, /* an argument that is a text, terminated */
    SCRIPT_WORD = 384,
    SCRIPT_ARGS = 8,
    SCRIPT_FIELDS = 64,
    SCRIPT_PATH = 4096
};

/* ----- answers ----- */

enum script_form { FORM_DECIMAL, FORM_HEX, FORM_WORD };

struct script_field {
    char name[SCRIPT_NAME];
    enum script_form form;
    uint64_t number;
    char word[SCRIPT_WORD];
};

/* What a command answers. The first field is its value. */
struct script_result {
    char outcome[SCRIPT_NAME]; /* "": done; else what became of it: EXHAUSTED, ENOMEM, SEGV_MAPERR, PF ... */
    char why[SCRIPT_WORD];     /* ... in words */
    bool bad;                  /* it could not be executed, and no expectation makes up for it */
    struct script_field field[SCRIPT_FIELDS];
    size_t n;
    size_t telling; /* so many of them, the first, tell of the outcome: one may ask for them when it failed */
    char *text;     /* a text to print as it stands; NULL: the fields */
};

void result_number(struct script_result *r, const char *name, uint64_t value);
void result_hex(struct script_result *r, const char *name, uint64_t value);
void result_word(struct script_result *r, const char *name, const char *word);
void result_outcome(struct script_result *r, const char *outcome, const char *why);
/* A mistake of the scenario. */
void result_bad(struct script_result *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes the text, and makes fields of its lines "Name: 123 kB" and of the number of lines. */
void result_text(struct script_result *r, char *text);
const struct script_field *result_find(const struct script_result *r, const char *name);
void result_clear(struct script_result *r);
/* only: of its fields, this one; NULL: all, or the text. */
void result_print(const struct script_result *r, const struct script_field *only, FILE *out,
                  const char *indent);
void field_print(const struct script_field *f, char *buf, size_t size);

/* ----- commands ----- */

enum script_type {
    TYPE_NONE,
    TYPE_NUMBER,  /* any number */
    TYPE_SIZE,    /* bytes, not 0 */
    TYPE_ADDRESS, /* a linear address that the machine has */
    TYPE_PFN,     /* a page frame number */
    TYPE_GFP,     /* GFP_KERNEL|__GFP_ZERO */
    TYPE_PROT,    /* PROT_READ|PROT_WRITE */
    TYPE_MAP,     /* MAP_PRIVATE|MAP_ANONYMOUS */
    TYPE_MREMAP,  /* MREMAP_MAYMOVE */
    TYPE_CHOICE,  /* one of `words`; its number */
    TYPE_ZONE,    /* DMA, Normal, HighMem ...; its number */
    TYPE_TEXT,    /* a word, or "words in quotes" */
};

struct script_parameter {
    const char *name;
    enum script_type type;
    bool optional;
    bool keyword;             /* written as NAME VALUE, at any place behind the others */
    uint64_t otherwise;       /* the value of a number that is not given */
    const char *const *words; /* TYPE_CHOICE: NULL-terminated */
};

struct script_argument {
    bool given;
    uint64_t number;
    char text[SCRIPT_TEXT];
};

struct script;
struct script_command {
    const char *name;
    unsigned group; /* enum script_group */
    struct script_parameter parameter[SCRIPT_ARGS];
    const char *gives; /* what its value is, then its fields; NULL: nothing */
    const char *help;  /* what it does, in sentences */
    void (*run)(struct script *s, const struct script_argument *a, struct script_result *r);
    bool needs_os;
    unsigned which; /* of the commands that share a function */
};

enum script_group {
    GROUP_PROCESS,
    GROUP_MEMORY,
    GROUP_FILE,
    GROUP_ACCESS,
    GROUP_KERNEL,
    GROUP_ASK,
    GROUP_ASK_TASK,
    GROUP_ASK_OS,
    GROUP_GROUPS,
};
extern const char *const script_group_title[GROUP_GROUPS];
extern const struct script_command script_commands[];
extern const size_t script_command_count;
const struct script_command *script_find(const char *name);
/* The words that begin statements and are no commands: expect, help, on, source, quit; NULL-terminated. */
extern const char *const script_keywords[];

/* ----- a running scenario, or a shell ----- */

/* A file that is being read, and the one whose `source` names it. */
struct script_source {
    const char *file;
    unsigned line;
    bool is_file; /* no prompt: names of files in it are relative to its folder */
    uint64_t device, inode;
    struct mmu_error failed; /* of a file that cannot be read, or unpacked, to its end */
    const struct script_source *by;
};

struct script {
    struct mmu_machine *machine;
    const struct mmu_config *config;
    struct mmu_os *os; /* NULL: the machine has none */
    uint32_t cpu;      /* on which the statements run */
    FILE *out;
    bool echo; /* print each line before its answer */
    bool tell; /* print what a name is given */
    struct script_field *names;
    size_t n_names;
    uint64_t statements, expectations, failed;
    /* the statement being executed */
    struct script_source *source;
    const char *text, *at; /* the line, and how far it is read */
    const char *wanted;    /* the parameter whose number is being read; NULL: none */
    const struct script_command *command;
    struct mmu_machine *other; /* script_half.c: NULL until it is needed */
    struct mmu_memory_ops other_memory;
};

/* Does this CPU run a task that has a user mode? If not, r says so. */
bool script_runs_user(const struct script *s, struct script_result *r);
struct mmu_core *script_core(const struct script *s);
/* Bits of a linear address: 32 or 64. */
unsigned script_address_bits(const struct script *s);

/* Executes one line. CLI_OK; CLI_NO: an expectation failed; CLI_BAD: the line cannot be executed. Both have
 * been told. */
int script_line(struct script *s, const char *line);
void script_free(struct script *s);

/* A file that a scenario names: relative to the scenario's own folder. Returns buf, or path itself. */
const char *script_path(const struct script *s, const char *path, char *buf, size_t size);

/* Complains of what stands at `where` in the line (NULL: of the whole statement); returns CLI_BAD. */
int script_complain(const struct script *s, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Complains of an unknown word with a suggestion. */
int script_unknown(const struct script *s, const char *where, const char *what, const char *word,
                   const char *const *candidates, size_t n);

/* ----- files (script_file.c) ----- */

/* Executes a file's lines. Stops at the first that cannot be executed. */
int script_file(struct script *s, const char *path);
/* source FILE: the same for a file that a statement names. */
int script_source(struct script *s, const char *where, const char *path);
/* Is this file a scenario? By its name's end, .mms, or by its first statement. */
bool script_is_scenario(const char *path);

/*
 * Opens the file, unpacked if it is packed; "-": standard input. Says in *source where it lies. NULL:
 * source->failed, or else errno, says why.
 */
FILE *script_open(const char *path, struct script_source *source);
/* The beginning of what such a path stands for, a pipe's too, and nothing is taken from it. NULL: no file. */
FILE *script_open_head(const char *path);
/* Can it be read only once: standard input, or a pipe? */
bool script_read_once(const char *path);

/* One line, without its end. LINE_LONG and LINE_ZERO: it was passed over, and is no line of text.
 * LINE_ENDLESS: nor is anything behind it. */
enum script_line { LINE_GOOD, LINE_END, LINE_LONG, LINE_ZERO, LINE_ENDLESS, LINE_ERROR };
enum script_line script_read_line(FILE *in, char line[SCRIPT_LINE]);
/* Executes what script_read_line() gave, LINE_END excepted, or complains of it. */
int script_run_line(struct script *s, enum script_line what, const char *line);

/* ----- reading a line (script_read.c) ----- */

void read_blanks(struct script *s);
/* Does the statement end here, or a comment begin? */
bool read_end(struct script *s);
/* The word that stands there, up to a blank; false: there is none. Moves behind it. What of it does not fit
 * is lost. */
bool read_word(struct script *s, char *word, size_t size);
/* The word without moving. */
bool peek_word(struct script *s, char *word, size_t size);
/* A text, whole. CLI_GO or CLI_BAD. */
int read_text(struct script *s, const char *what, char text[SCRIPT_TEXT]);
/* TERM (+|- TERM)*. CLI_GO or CLI_BAD. */
int read_number(struct script *s, uint64_t *value);
bool looks_like_number(struct script *s);
/* Nothing more stands in the line. CLI_GO or CLI_BAD. */
int expect_end(struct script *s);
/* A line of a text trace ("I  04001000,3"). *is: is it one? CLI_GO or CLI_BAD. */
int read_reference(struct script *s, bool *is, struct mmu_access *access, bool *modify);

/* ----- arguments (script_arguments.c) ----- */

/* The arguments of a command, and the name of a field behind them ("": none). CLI_GO or CLI_BAD. */
int read_arguments(struct script *s, const struct script_command *c, struct script_argument *a, char *field,
                   const char **field_at);
/* The words that a parameter may be; returns how many, at most max: 0 if it is no matter of words. */
size_t parameter_words(const struct script_parameter *p, const char **words, size_t max);
/* ----- names (script_name.c) ----- */

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

/* A name's value, be it of the kernel's constants. */
bool script_name_find(const struct script *s, const char *name, struct script_field *value);
bool script_constant(const struct script *s, const char *name, uint64_t *value);
/* Is $name at s->at the name of a word? */
bool script_names_word(const struct script *s);
/* $name at s->at, that need not stand for anything yet. CLI_GO or CLI_BAD. */
int read_new_name(struct script *s, char name[SCRIPT_NAME]);
/* $name at s->at: its value. CLI_GO or CLI_BAD. */
int read_name(struct script *s, struct script_field *value);
int script_name_set(struct script *s, const char *name, const struct script_field *value);
/* Calls each() for every name. */
void script_each_name(const struct script *s, void (*each)(void *ctx, const char *name), void *ctx);

/* ----- values (script_value.c) ----- */

/* What stands for a value: a number, a name, a word, or a command with its arguments. */
struct script_value {
    const char *start;                    /* where it stands */
    const struct script_command *command; /* NULL: `is` is the value */
    struct script_argument a[SCRIPT_ARGS];
    char field[SCRIPT_NAME]; /* of what it gives; "": the first */
    const char *field_at;
    struct script_field is;
};
/* Reads and checks a value, and does nothing. word_allowed: what is no command is a word. CLI_GO or CLI_BAD.
 */
int read_value(struct script *s, bool word_allowed, struct script_value *v);
/* Computes it. *field is NULL when there is none: the command gives nothing, or an outcome (in r) instead. */
int compute_value(struct script *s, const struct script_value *v, struct script_result *r,
                  const struct script_field **field);
int unknown_command(struct script *s, const char *where, const char *word);
/* A statement that was not done, as the complaint says. */
int complain_undone(struct script *s, const char *where, const struct script_result *r);
/* A word that is the name of an outcome (script_outcome.c). CLI_GO or CLI_BAD. */
int read_outcome(struct script *s, char text[SCRIPT_TEXT]);

/* ----- expectations (script_expect.c) ----- */

/* What stands behind the word expect. */
int script_expect(struct script *s, struct script_result *r);
/* Does a relation begin with this word? */
bool at_relation(const char *word);

/* ----- accesses (script_access.c) ----- */

/* On whose authority an access is made. */
enum script_who { WHO_USER, WHO_KERNEL, WHO_IMPLICIT, WHO_UACCESS };
enum mmu_priv script_priv(enum script_who who);
/* Is there such an access? False: told in r. */
bool script_may(enum mmu_kind kind, enum script_who who, struct script_result *r);
/* EFLAGS.AC is set between STAC and CLAC, that is around a uaccess: sets it, and clears it. */
void script_stac(struct mmu_core *core, enum script_who who);
void script_clac(struct mmu_core *core, enum script_who who);

/* count accesses, each `stride` bytes behind the one before it; who: of the kernel's, its kind. */
void script_access(struct script *s, const struct mmu_access *access, uint64_t count, uint64_t stride,
                   enum script_who who, struct script_result *r);

/* ----- page-table isolation (script_half.c) ----- */

/* The core to walk the tables of such an access with: this CPU's, or one that has the other half of them
 * loaded. */
struct mmu_core *script_half(struct script *s, enum mmu_priv priv);

/* ----- help (script_help.c) ----- */

void help_command(FILE *out, const struct script_command *c);
void help_all(FILE *out);
/* The same for the statements that are no commands; false: none begins with this word. */
bool help_form(FILE *out, const char *word);
void help_markdown(FILE *out);
/* The usage of a command: "alloc_pages GFP [ORDER]". Returns buf. */
const char *help_usage(const struct script_command *c, char *buf, size_t size);
/* How an argument is written: "GFP", "[ORDER]", "[count N]". Returns buf. */
const char *parameter_text(const struct script_parameter *p, char *buf, size_t size);
/* The n-th field that a command gives; false: it has fewer. *open: beside these it has some that its text
 * names. */
bool help_field(const struct script_command *c, size_t n, char name[SCRIPT_NAME], bool *open);

#endif
