/*
 * sim/script.c: statements: a name and its value, expectations, commands; scenarios, line by line.
 *
 * A statement has happened or it is an error: a call that the kernel refuses, an access that ends with a
 * signal stop a scenario, unless an expectation says that they shall.
 */
#define _POSIX_C_SOURCE 200809L
#include "script.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ----- the machine ----- */

struct mmu_core *script_core(const struct script *s)
{
    return mmu_machine_core(s->machine, s->cpu);
}

unsigned script_address_bits(const struct script *s)
{
    enum mmu_mode mode = mmu_core_mode(script_core(s));
    return mode == MMU_MODE_4L || mode == MMU_MODE_5L ? 64 : 32;
}

const char *script_path(const struct script *s, const char *path, char *buf, size_t size)
{
    const char *slash = s->in_file && *path != '/' ? strrchr(s->file, '/') : NULL;
    if (!slash || snprintf(buf, size, "%.*s/%s", (int)(slash - s->file), s->file, path) >= (int)size)
        return path;
    return buf;
}

/* ----- complaints ----- */

int script_complain(const struct script *s, const char *where, const char *format, ...)
{
    char text[SCRIPT_LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (s->out)
        fflush(s->out);
    const char *first = s->text + strspn(s->text, " \t");
    return cli_error("%s:%u:%u: %s", s->file, s->line, (unsigned)((where ? where : first) - s->text) + 1,
                     text);
}

int script_unknown(const struct script *s, const char *where, const char *what, const char *word,
                   const char *const *candidates, size_t n)
{
    const char *near = cli_nearest(word, candidates, n);
    if (near)
        return script_complain(s, where, "unknown %s '%s'; did you mean '%s'?", what, word, near);
    char expected[512] = "";
    for (size_t i = 0, used = 0; i < n && used < sizeof expected; i++)
        used +=
            (size_t)snprintf(expected + used, sizeof expected - used, "%s%s", i ? ", " : "", candidates[i]);
    return script_complain(s, where, "unknown %s '%s', expected one of: %s", what, word, expected);
}

/* ----- names ----- */

/* The kernel's constants are names, too. */
struct wanted_constant {
    const char *name;
    uint64_t value;
    bool found;
};

static void take_constant(void *ctx, const char *name, uint64_t value)
{
    struct wanted_constant *w = ctx;
    if (!strcmp(w->name, name)) {
        w->value = value;
        w->found = true;
    }
}

bool script_name_find(const struct script *s, const char *name, uint64_t *value)
{
    struct wanted_constant w = {.name = name};
    for (size_t i = 0; i < s->n_names; i++)
        if (!strcmp(s->names[i].name, name)) {
            *value = s->names[i].value;
            return true;
        }
    if (s->os)
        mmu_os_constants(s->os, take_constant, &w);
    *value = w.value;
    return w.found;
}

int script_name_set(struct script *s, const char *name, uint64_t value)
{
    for (size_t i = 0; i < s->n_names; i++)
        if (!strcmp(s->names[i].name, name)) {
            s->names[i].value = value;
            return CLI_GO;
        }
    struct script_name *more = realloc(s->names, (s->n_names + 1) * sizeof *more);
    if (!more)
        return cli_error("out of memory");
    s->names = more;
    snprintf(more[s->n_names].name, sizeof more->name, "%s", name);
    more[s->n_names++].value = value;
    return CLI_GO;
}

void script_free(struct script *s)
{
    mmu_machine_free(s->other);
    s->other = NULL;
    free(s->names);
    s->names = NULL;
    s->n_names = 0;
}

/* ----- commands ----- */

const struct script_command *script_find(const char *name)
{
    for (size_t i = 0; i < script_command_count; i++)
        if (!strcmp(script_commands[i].name, name))
            return &script_commands[i];
    return NULL;
}

static int unknown_command(struct script *s, const char *where, const char *word)
{
    const char *names[256];
    size_t n = 0;
    for (; n < script_command_count && n < 250; n++)
        names[n] = script_commands[n].name;
    names[n++] = "expect";
    names[n++] = "help";
    names[n++] = "on";
    const char *near = cli_nearest(word, names, n);
    if (near && !strcmp(near, word))
        return script_complain(s, where, "'%s' begins a statement and gives no value", word);
    return near ? script_complain(s, where, "unknown command '%s'; did you mean '%s'?", word, near)
                : script_complain(s, where, "unknown command '%s'; 'help' lists the commands", word);
}

/* A field that a command with a single one does not have is told before the command runs. */
static int check_field(struct script *s, const struct script_command *c, const char *wanted)
{
    const char *name = strchr(c->gives ? c->gives : "", '`'), *end = name ? strchr(name + 1, '`') : NULL;
    if (!*wanted || !end || strchr(end + 1, '`'))
        return CLI_GO;
    char only[SCRIPT_NAME];
    snprintf(only, sizeof only, "%.*s", (int)(end - name - 1), name + 1);
    const char *names[] = {only};
    return strcmp(wanted, only) ? script_unknown(s, s->field_at, "field", wanted, names, 1) : CLI_GO;
}

/* A command: its name, its arguments, a field. CLI_GO: it ran, *r is what it answered; field chosen. */
static int run_command(struct script *s, struct script_result *r, const struct script_field **field)
{
    char word[SCRIPT_NAME], wanted[SCRIPT_NAME];
    struct script_argument a[SCRIPT_ARGS];
    const char *start = (read_blanks(s), s->at);
    if (!read_word(s, word, sizeof word))
        return script_complain(s, start, "expected a command or a number, but the line ends");
    const struct script_command *c = script_find(word);
    if (!c)
        return unknown_command(s, start, word);
    if (c->needs_os && !s->os)
        return script_complain(s, start, "%s: the machine has no kernel, expected a config with os", word);
    read_blanks(s);
    int status = read_arguments(s, c, a, wanted);
    if (status == CLI_GO)
        status = check_field(s, c, wanted);
    if (status != CLI_GO)
        return status;
    s->command = c;
    c->run(s, a, r);
    if (r->bad)
        return script_complain(s, start, "%s: %s", word, r->why);
    *field = *wanted ? result_find(r, wanted) : r->n ? &r->field[0] : NULL;
    if (!*wanted || *field || r->outcome[0])
        return CLI_GO;
    const char *names[SCRIPT_FIELDS];
    for (size_t i = 0; i < r->n; i++)
        names[i] = r->field[i].name;
    return script_unknown(s, s->field_at, "field", wanted, names, r->n);
}

/* An expression, or a command. */
static int run_value(struct script *s, struct script_result *r, const struct script_field **field)
{
    if (!looks_like_number(s))
        return run_command(s, r, field);
    uint64_t value;
    int status = read_number(s, &value);
    if (status == CLI_GO) {
        result_hex(r, "value", value);
        *field = &r->field[0];
    }
    return status;
}

static int expect_end(struct script *s)
{
    return read_end(s)
               ? CLI_GO
               : script_complain(s, s->at, "'%.20s' is too much, expected the end of the line", s->at);
}

static int undone(struct script *s, const char *start, const struct script_result *r)
{
    return script_complain(s, start, "%s: %s (if it is meant: expect ... fails %s)", r->outcome, r->why,
                           r->outcome);
}

/* ----- expect ----- */

enum relation {
    EQUAL,
    UNEQUAL,
    LESS,
    LESS_EQUAL,
    GREATER,
    GREATER_EQUAL,
    IS,
    FAILS,
    CONTAINS,
    LACKS,
    OPERATORS
};
static const char *const operators[] = {"==", "!=", "<", "<=", ">", ">=", "is", "fails", "contains", "lacks"};

static int read_operator(struct script *s, enum relation *op)
{
    char word[SCRIPT_NAME];
    const char *start = (read_blanks(s), s->at);
    if (!read_word(s, word, sizeof word))
        return script_complain(s, start,
                               "expected ==, !=, <, <=, >, >=, is, fails, contains or lacks, but "
                               "the line ends");
    for (int i = 0; i < OPERATORS; i++)
        if (!strcmp(word, operators[i])) {
            *op = (enum relation)i;
            return CLI_GO;
        }
    return script_complain(s, start, "'%s', expected ==, !=, <, <=, >, >=, is, fails, contains or lacks",
                           word);
}

static bool compare(enum relation op, uint64_t is, uint64_t wanted)
{
    switch (op) {
    case EQUAL:
        return is == wanted;
    case UNEQUAL:
        return is != wanted;
    case LESS:
        return is < wanted;
    case LESS_EQUAL:
        return is <= wanted;
    case GREATER:
        return is > wanted;
    default:
        return is >= wanted;
    }
}

/* Says which expectation failed, with what there was and what should have been. */
static int failed(struct script *s, const char *is, enum relation op, const char *wanted)
{
    s->failed++;
    script_complain(s, NULL, "expectation failed: it is %s, expected %s%s%s", is,
                    op == EQUAL || op == IS ? "" : operators[op], op == EQUAL || op == IS ? "" : " ", wanted);
    return CLI_NO;
}

static void both_forms(uint64_t value, char *buf, size_t size)
{
    if (value < 10)
        snprintf(buf, size, "%" PRIu64, value);
    else
        snprintf(buf, size, "%" PRIu64 " (0x%" PRIx64 ")", value, value);
}

static int expect_number(struct script *s, enum relation op, const char *start, const struct script_result *r,
                         const struct script_field *f)
{
    uint64_t wanted;
    char is[SCRIPT_WORD], should[64];
    int status = read_number(s, &wanted);
    if (status == CLI_GO)
        status = expect_end(s);
    if (status != CLI_GO)
        return status;
    both_forms(wanted, should, sizeof should);
    if (r->outcome[0]) {
        snprintf(is, sizeof is, "%s, %.300s", r->outcome, r->why);
        return failed(s, is, op, should);
    }
    if (!f || f->form == FORM_WORD)
        return script_complain(s, start, "no number stands on the left of '%s', expected 'is' and a word",
                               operators[op]);
    both_forms(f->number, is, sizeof is);
    return compare(op, f->number, wanted) ? CLI_OK : failed(s, is, op, should);
}

static int expect_word(struct script *s, enum relation op, const struct script_result *r,
                       const struct script_field *f)
{
    char wanted[256], is[SCRIPT_WORD];
    if (!read_word(s, wanted, sizeof wanted))
        return script_complain(s, s->at, "expected a word behind '%s', but the line ends", operators[op]);
    int status = expect_end(s);
    if (status != CLI_GO)
        return status;
    bool text = op == CONTAINS || op == LACKS;
    if (op == FAILS || !f || (r->outcome[0] && !text))
        snprintf(is, sizeof is, "%s", r->outcome[0] ? r->outcome : "done");
    else
        field_print(f, is, sizeof is);
    if (!text)
        return strcmp(is, wanted) ? failed(s, is, op, wanted) : CLI_OK;
    bool has = strstr(r->text ? r->text : is, wanted) != NULL;
    if (has == (op == CONTAINS))
        return CLI_OK;
    return failed(s, r->text ? has ? "a text that has it" : "a text without it" : is, op, wanted);
}

static int expect(struct script *s, struct script_result *r)
{
    const struct script_field *f = NULL;
    enum relation op = EQUAL;
    int status = run_value(s, r, &f);
    const char *start = s->at;
    if (status == CLI_GO)
        status = read_operator(s, &op);
    if (status != CLI_GO)
        return status;
    s->expectations++;
    return op < IS ? expect_number(s, op, start, r, f) : expect_word(s, op, r, f);
}

/* ----- one line ----- */

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

/* $name = VALUE */
static int assign(struct script *s, struct script_result *r)
{
    char name[SCRIPT_NAME];
    const char *start = s->at++;
    size_t n = strspn(s->at, NAME_LETTERS);
    if (!n || n >= sizeof name)
        return script_complain(s, start, "expected a name of 1 to %zu letters behind '$'", sizeof name - 1);
    snprintf(name, sizeof name, "%.*s", (int)n, s->at);
    s->at += n;
    if (read_end(s) || *s->at != '=')
        return script_complain(s, s->at, "expected '=' behind $%s", name);
    s->at++;
    read_blanks(s);
    const struct script_field *f = NULL;
    const char *value = s->at;
    uint64_t known;
    if (*value == '$' && strspn(value + 1, NAME_LETTERS) == n && !strncmp(value + 1, name, n) &&
        !script_name_find(s, name, &known))
        return script_complain(s, value, "$%s would stand for itself, expected a value", name);
    int status = run_value(s, r, &f);
    if (status == CLI_GO)
        status = expect_end(s);
    if (status == CLI_GO && r->outcome[0])
        return undone(s, value, r);
    if (status == CLI_GO && (!f || f->form == FORM_WORD))
        return script_complain(s, value, "this gives no number, and names are for numbers");
    if (status == CLI_GO && (s->echo || s->tell))
        fprintf(s->out, "%s$%s = 0x%" PRIx64 " (%" PRIu64 ")\n", s->echo ? "    " : "", name, f->number,
                f->number);
    return status == CLI_GO ? script_name_set(s, name, f->number) : status;
}

/* i386,x86_64: are we one of them? */
static int on_architecture(struct script *s, bool *here)
{
    static const char *const NAMES[] = {"i386", "i386_pae", "x86_64", "x86_64_la57"};
    char words[128];
    const char *start = (read_blanks(s), s->at);
    if (!read_word(s, words, sizeof words))
        return script_complain(s, start, "expected i386, i386_pae, x86_64 or x86_64_la57 behind 'on'");
    if (!s->os)
        return script_complain(s, start, "the machine has no kernel, expected a config with os");
    *here = false;
    char *rest = NULL;
    for (char *word = strtok_r(words, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        unsigned i = 0;
        while (i < MMU_OS_ARCHES && strcmp(word, NAMES[i]))
            i++;
        if (i == MMU_OS_ARCHES)
            return script_unknown(s, start, "architecture", word, NAMES, MMU_OS_ARCHES);
        *here |= s->config->os.arch == i;
    }
    return read_end(s) ? script_complain(s, s->at, "expected a statement behind the architecture") : CLI_GO;
}

static int help(struct script *s)
{
    char word[SCRIPT_NAME];
    const char *start = (read_blanks(s), s->at);
    if (!read_word(s, word, sizeof word)) {
        help_all(s->out);
        return CLI_OK;
    }
    const struct script_command *c = script_find(word);
    if (!c)
        return unknown_command(s, start, word);
    help_command(s->out, c);
    return expect_end(s) == CLI_GO ? CLI_OK : CLI_BAD;
}

static int reference(struct script *s, struct script_result *r, const struct mmu_access *access, bool modify)
{
    for (int i = 0; i <= modify && !r->outcome[0]; i++) {
        struct mmu_access one = *access;
        if (i) {
            one.kind = MMU_KIND_PRIV(MMU_STORE, MMU_PRIV_OF(access->kind));
            one.flags = MMU_AF_FOLLOWS;
        }
        result_clear(r);
        script_access(s, &one, 1, 0, r);
        if (r->bad)
            return script_complain(s, NULL, "%s", r->why);
    }
    return r->outcome[0] ? undone(s, NULL, r) : CLI_OK;
}

static int statement(struct script *s, struct script_result *r)
{
    const struct script_field *f = NULL;
    struct mmu_access access;
    bool is = false, modify;
    char word[SCRIPT_NAME];
    int status = read_reference(s, &is, &access, &modify);
    if (status != CLI_GO || is)
        return status != CLI_GO ? status : reference(s, r, &access, modify);
    const char *start = s->at;
    if (*s->at == '$')
        return assign(s, r);
    peek_word(s, word, sizeof word);
    if (!strcmp(word, "expect") || !strcmp(word, "help") || !strcmp(word, "on")) {
        bool here = true;
        read_word(s, word, sizeof word);
        if (*word != 'o')
            return *word == 'e' ? expect(s, r) : help(s);
        status = on_architecture(s, &here);
        return status != CLI_GO ? status : here ? statement(s, r) : CLI_OK;
    }
    if (looks_like_number(s))
        return script_complain(s, start, "expected a command, found '%.20s'", word);
    status = run_command(s, r, &f);
    if (status == CLI_GO)
        status = expect_end(s);
    if (status != CLI_GO)
        return status;
    if (r->outcome[0])
        return undone(s, start, r);
    result_print(r, s->out, s->echo ? "    " : "");
    return CLI_OK;
}

/* Each quote that begins a word has one that ends it. */
static int check_quotes(struct script *s)
{
    char word[4];
    while (!read_end(s)) {
        const char *start = s->at;
        read_word(s, word, sizeof word);
        if (*start == '"' && (s->at == start + 1 || s->at[-1] != '"'))
            return script_complain(s, start, "a quote that does not end, expected '\"' behind the text");
    }
    return CLI_GO;
}

int script_line(struct script *s, const char *line)
{
    struct script_result *r = calloc(1, sizeof *r);
    if (!r)
        return cli_error("out of memory");
    s->text = s->at = line;
    int status = CLI_OK;
    if (s->echo)
        fprintf(s->out, "%s\n", line);
    if (!read_end(s)) {
        s->statements++;
        status = check_quotes(s);
        s->at = line;
        status = status == CLI_GO ? statement(s, r) : status;
    }
    result_clear(r);
    free(r);
    return status == CLI_GO ? CLI_OK : status;
}

/* ----- files ----- */

/* A line that no person wrote: too long, or with a 0 in it. */
static int check_line(struct script *s, const char *line, size_t n)
{
    s->text = "";
    if (strlen(line) != n)
        return script_complain(s, NULL, "a byte 0 in a line, expected text");
    if (n >= SCRIPT_LINE)
        return script_complain(s, NULL, "a line of %zu bytes, expected at most %d", n, SCRIPT_LINE - 1);
    return CLI_GO;
}

static int run_lines(struct script *s, FILE *in)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int status = CLI_OK;
    for (s->line = 1; status != CLI_BAD && (n = getline(&line, &room, in)) >= 0; s->line++) {
        if (n && line[n - 1] == '\n')
            line[--n] = 0;
        int one = check_line(s, line, (size_t)n);
        if (one == CLI_GO)
            one = script_line(s, line);
        status = one > status ? one : status;
    }
    if (status != CLI_BAD && ferror(in))
        status = cli_error("%s: cannot read: %s", s->file, strerror(errno));
    free(line);
    return status;
}

int script_file(struct script *s, const char *path)
{
    bool standard = !strcmp(path, "-");
    FILE *in = standard ? stdin : fopen(path, "re");
    s->file = standard ? "standard input" : path;
    s->in_file = !standard;
    if (!in)
        return cli_error("%s: cannot open: %s", path, strerror(errno));
    int status = run_lines(s, in);
    if (!standard)
        fclose(in);
    if (status != CLI_BAD && !s->statements)
        return cli_error("%s: no statement in it, expected a scenario", s->file);
    if (status != CLI_BAD)
        fprintf(s->out, "%s: %" PRIu64 " statements, %" PRIu64 " expectations, %" PRIu64 " failed\n", s->file,
                s->statements, s->expectations, s->failed);
    return status;
}

bool script_is_scenario(const char *path)
{
    size_t n = strlen(path);
    char line[SCRIPT_LINE], word[SCRIPT_NAME];
    if (n > 4 && !strcmp(path + n - 4, ".mms"))
        return true;
    struct stat info; /* what is read from a pipe is gone */
    FILE *in = stat(path, &info) == 0 && S_ISREG(info.st_mode) ? fopen(path, "re") : NULL;
    struct script s = {0};
    bool is = false, found = false;
    while (in && !found && fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = 0;
        s.at = line;
        found = peek_word(&s, word, sizeof word);
        is = found && (*word == '$' || script_find(word) || !strcmp(word, "expect") || !strcmp(word, "on"));
    }
    if (in)
        fclose(in);
    return is;
}
