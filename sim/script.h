/*
 * sim/script.h: the language of `mmusim run SCENARIO` and `mmusim shell`: one statement a line.
 *
 *   script.c          statements: names, expect, where a scenario comes from
 *   script_read.c     a line: words, numbers, arguments
 *   script_table.c    the table of all commands
 *   script_result.c   answers: fields, texts, how they are printed
 *   script_process.c  processes, system calls of memory, files, traces
 *   script_kernel.c   calls of the kernel's memory management
 *   script_access.c   accesses, of one or many addresses; contents
 *   script_half.c     which half of the page tables a question is about
 *   script_ask.c      questions to the hardware: translate, walk, tlb, stats
 *   script_ask_os.c   questions to the kernel: pages, zones, texts of /proc
 *   script_ask_process.c  questions about processes
 *   script_help.c     help, and the documentation, from the table
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
    SCRIPT_NAME = 48,
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
    char *text; /* a text to print as it stands; NULL: the fields */
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
void result_print(const struct script_result *r, FILE *out, const char *indent);
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
    char text[256];
    unsigned column;
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

/* ----- a running scenario, or a shell ----- */

struct script_name {
    char name[SCRIPT_NAME];
    uint64_t value;
};

struct script {
    struct mmu_machine *machine;
    const struct mmu_config *config;
    struct mmu_os *os; /* NULL: the machine has none */
    uint32_t cpu;      /* on which the statements run */
    FILE *out;
    bool echo; /* print each line before its answer */
    bool tell; /* print what a name is given */
    struct script_name *names;
    size_t n_names;
    uint64_t statements, expectations, failed;
    /* the statement being executed */
    const char *file;
    unsigned line;
    bool in_file;          /* file names the scenario, not a prompt */
    const char *text, *at; /* the line, and how far it is read */
    const char *field_at;  /* where the field stands that is asked for */
    const struct script_command *command;
    struct mmu_machine *other; /* script_half.c: NULL until it is needed */
    struct mmu_memory_ops other_memory;
};

struct mmu_core *script_core(const struct script *s);
/* Bits of a linear address: 32 or 64. */
unsigned script_address_bits(const struct script *s);

/* Executes one line. CLI_OK; CLI_NO: an expectation failed; CLI_BAD: the line cannot be executed. Both have
 * been told. */
int script_line(struct script *s, const char *line);
/* Executes a file's lines; "-" is standard input. Stops at the first that cannot be executed. */
int script_file(struct script *s, const char *path);
/* Is this file a scenario? By its name's end, .mms, or by its first statement. */
bool script_is_scenario(const char *path);
void script_free(struct script *s);

/* A file that a scenario names: relative to the scenario's own folder. Returns buf, or path itself. */
const char *script_path(const struct script *s, const char *path, char *buf, size_t size);

/* Complains of what stands at `where` in the line (NULL: of the whole statement); returns CLI_BAD. */
int script_complain(const struct script *s, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Complains of an unknown word with a suggestion. */
int script_unknown(const struct script *s, const char *where, const char *what, const char *word,
                   const char *const *candidates, size_t n);

/* ----- reading a line (script_read.c) ----- */

void read_blanks(struct script *s);
/* Does the statement end here, or a comment begin? */
bool read_end(struct script *s);
/* The word that stands there, up to a blank; false: there is none. Moves behind it. */
bool read_word(struct script *s, char *word, size_t size);
/* The word without moving. */
bool peek_word(struct script *s, char *word, size_t size);
/* TERM (+|- TERM)*. CLI_GO or CLI_BAD. */
int read_number(struct script *s, uint64_t *value);
bool looks_like_number(struct script *s);
/* The arguments of a command, and the name of a field behind them ("": none). CLI_GO or CLI_BAD. */
int read_arguments(struct script *s, const struct script_command *c, struct script_argument *a, char *field);
/* A line of a text trace ("I  04001000,3"). *is: is it one? CLI_GO or CLI_BAD. */
int read_reference(struct script *s, bool *is, struct mmu_access *access, bool *modify);
/* How an argument is written: "GFP", "[ORDER]", "[count N]". Returns buf. */
const char *parameter_text(const struct script_parameter *p, char *buf, size_t size);

bool script_name_find(const struct script *s, const char *name, uint64_t *value);
int script_name_set(struct script *s, const char *name, uint64_t value);

/* ----- accesses (script_access.c) ----- */

/* count accesses, each `stride` bytes behind the one before it. */
void script_access(struct script *s, const struct mmu_access *access, uint64_t count, uint64_t stride,
                   struct script_result *r);

/* ----- page-table isolation (script_half.c) ----- */

/* The core to ask what such an access finds: this CPU's, or one that has the other half of the tables loaded.
 */
struct mmu_core *script_half(struct script *s, enum mmu_priv priv);
/* Where this CPU's TLBs would have it once that half was loaded: enum mmu_where. */
unsigned script_half_where(struct script *s, struct mmu_core *half, const struct mmu_access *access);

/* ----- help (script_help.c) ----- */

void help_command(FILE *out, const struct script_command *c);
void help_all(FILE *out);
void help_markdown(FILE *out);
/* The usage of a command: "alloc_pages GFP [ORDER]". Returns buf. */
const char *help_usage(const struct script_command *c, char *buf, size_t size);

#endif
