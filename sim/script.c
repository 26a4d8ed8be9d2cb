/*
 * sim/script.c: statements: what a line says is read and checked whole, then done.
 *
 * A statement has happened or it is an error: a call that the kernel refuses, an access that ends with a
 * signal stop a scenario, unless an expectation says that they shall.
 */
#define _POSIX_C_SOURCE 200809L
#include "script.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const script_keywords[] = {"expect", "help", "on", "source", "quit", NULL};

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

void script_free(struct script *s)
{
    mmu_machine_free(s->other);
    s->other = NULL;
    free(s->names);
    s->names = NULL;
    s->n_names = 0;
}

/* ----- complaints ----- */

/* Where the file was named that the statement stands in, and where that one was. */
static void tell_sources(const struct script_source *source, char *buf, size_t size)
{
    size_t used = 0;
    *buf = 0;
    for (; source->by && used < size; source = source->by)
        used += (size_t)snprintf(buf + used, size - used, "%s%s:%u", used ? ", from " : " (sourced from ",
                                 source->by->file, source->by->line);
    if (used && used < size)
        snprintf(buf + used, size - used, ")");
}

int script_complain(const struct script *s, const char *where, const char *format, ...)
{
    char text[SCRIPT_LINE], sources[SCRIPT_LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127) /* what was no text, or steers a terminal */
            *p = '?';
    if (s->out)
        fflush(s->out);
    const char *first = s->text + strspn(s->text, " \t");
    tell_sources(s->source, sources, sizeof sources);
    return cli_error("%s:%u:%u: %s%s", s->source->file, s->source->line,
                     (unsigned)((where ? where : first) - s->text) + 1, text, sources);
}

int script_unknown(const struct script *s, const char *where, const char *what, const char *word,
                   const char *const *candidates, size_t n)
{
    const char *near = cli_nearest(word, candidates, n);
    for (size_t i = 0; i < n; i++)
        if (!strcasecmp(word, candidates[i]))
            near = candidates[i];
    if (near)
        return script_complain(s, where, "unknown %s '%s'; did you mean '%s'?", what, word, near);
    char expected[768] = "";
    for (size_t i = 0, used = 0; i < n && used < sizeof expected; i++)
        used +=
            (size_t)snprintf(expected + used, sizeof expected - used, "%s%s", i ? ", " : "", candidates[i]);
    return script_complain(s, where, "unknown %s '%s', expected %s%s", what, word, n > 1 ? "one of: " : "",
                           expected);
}

/* ----- statements ----- */

/* Does $name stand there, which has no value yet? */
static bool names_itself(const struct script *s, const char *name)
{
    size_t n = strlen(name);
    struct script_field known;
    return *s->at == '$' && strspn(s->at + 1, NAME_LETTERS) == n && !strncmp(s->at + 1, name, n) &&
           !script_name_find(s, name, &known);
}

/* $NAME = VALUE */
static int read_assignment(struct script *s, char name[SCRIPT_NAME], struct script_value *v)
{
    const char *start = s->at;
    uint64_t constant;
    int status = read_new_name(s, name);
    if (status != CLI_GO)
        return status;
    read_blanks(s);
    if (s->at[1] == '=')
        return script_complain(s, s->at, "expected one '=' behind $%s; 'expect' compares", name);
    if (script_constant(s, name, &constant))
        return script_complain(s, start, "$%s is a constant of the kernel, 0x%" PRIx64, name, constant);
    s->at++;
    read_blanks(s);
    if (names_itself(s, name))
        return script_complain(s, s->at, "$%s would stand for itself, expected a value", name);
    status = read_value(s, false, v);
    if (status == CLI_GO && v->command && !v->command->gives)
        return script_complain(s, v->start, "%s gives no value to name", v->command->name);
    return status == CLI_GO ? expect_end(s) : status;
}

static int assign(struct script *s, struct script_result *r)
{
    char name[SCRIPT_NAME], word[SCRIPT_WORD];
    struct script_value v;
    const struct script_field *f = NULL;
    int status = read_assignment(s, name, &v);
    if (status == CLI_GO)
        status = compute_value(s, &v, r, &f);
    if (status == CLI_GO && (r->outcome[0] || !f))
        return complain_undone(s, v.start, r);
    if (status != CLI_GO)
        return status;
    field_print(f, word, sizeof word);
    const char *indent = s->echo ? "    " : "";
    if ((s->echo || s->tell) && f->form == FORM_WORD)
        fprintf(s->out, "%s$%s = %s\n", indent, name, word);
    else if (s->echo || s->tell)
        fprintf(s->out, "%s$%s = 0x%" PRIx64 " (%" PRIu64 ")\n", indent, name, f->number, f->number);
    return script_name_set(s, name, f);
}

/* A number or a name by itself: printed. */
static int print_value(struct script *s)
{
    struct script_value v;
    const char *indent = s->echo ? "    " : "";
    int status = read_value(s, false, &v);
    if (status == CLI_GO)
        status = expect_end(s);
    if (status == CLI_GO && v.is.form == FORM_WORD)
        fprintf(s->out, "%s%s\n", indent, v.is.word);
    else if (status == CLI_GO)
        fprintf(s->out, "%s0x%" PRIx64 " (%" PRIu64 ")\n", indent, v.is.number, v.is.number);
    return status;
}

/* on i386,x86_64: are we one of them? */
static int on_architecture(struct script *s, bool *here)
{
    static const char *const NAMES[] = {"i386", "i386_pae", "x86_64", "x86_64_la57"};
    char words[SCRIPT_TEXT];
    const char *start = (read_blanks(s), s->at);
    if (read_end(s))
        return script_complain(s, start, "expected i386, i386_pae, x86_64 or x86_64_la57 behind 'on'");
    int status = read_text(s, "an architecture", words);
    if (status != CLI_GO)
        return status;
    if (!s->os)
        return script_complain(s, start, "the machine has no kernel, expected a config with os");
    *here = false;
    for (char *word = words, *next; word; word = next) {
        unsigned i = 0;
        next = strchr(word, ',');
        if (next)
            *next++ = 0;
        while (i < MMU_OS_ARCHES && strcmp(word, NAMES[i]) != 0)
            i++;
        if (i == MMU_OS_ARCHES)
            return script_unknown(s, start + (word - words), "architecture", word, NAMES, MMU_OS_ARCHES);
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
    int status = expect_end(s);
    if (status != CLI_GO)
        return status;
    if (help_form(s->out, word))
        return CLI_OK;
    const struct script_command *c = script_find(word);
    if (!c)
        return unknown_command(s, start, word);
    help_command(s->out, c);
    return CLI_OK;
}

static int source(struct script *s)
{
    char path[SCRIPT_TEXT];
    const char *start = (read_blanks(s), s->at);
    int status = read_text(s, "a file", path);
    if (status == CLI_GO)
        status = expect_end(s);
    return status == CLI_GO ? script_source(s, start, path) : status;
}

/* A line of a text trace; M is two accesses. */
static int reference(struct script *s, struct script_result *r, const struct mmu_access *access, bool modify)
{
    static const enum script_who WHO[] = {
        [MMU_USER] = WHO_USER, [MMU_SUPERVISOR] = WHO_KERNEL, [MMU_IMPLICIT] = WHO_IMPLICIT};
    enum mmu_priv priv = MMU_PRIV_OF(access->kind);
    for (int i = 0; i <= modify && !r->outcome[0]; i++) {
        struct mmu_access one = *access;
        if (i) {
            one.kind = MMU_KIND_PRIV(MMU_STORE, priv);
            one.flags = MMU_AF_FOLLOWS;
        }
        result_clear(r);
        script_access(s, &one, 1, 0, WHO[priv], r);
        if (r->bad)
            return script_complain(s, NULL, "%s", r->why);
    }
    return r->outcome[0] ? complain_undone(s, NULL, r) : CLI_OK;
}

static int command(struct script *s, struct script_result *r)
{
    struct script_value v;
    const struct script_field *f = NULL;
    int status = read_value(s, false, &v);
    if (status == CLI_GO)
        status = expect_end(s);
    if (status == CLI_GO)
        status = compute_value(s, &v, r, &f);
    if (status != CLI_GO)
        return status;
    if (r->outcome[0])
        return complain_undone(s, v.start, r);
    result_print(r, *v.field ? f : NULL, s->out, s->echo ? "    " : "");
    return CLI_OK;
}

static int statement(struct script *s, struct script_result *r)
{
    struct mmu_access access;
    bool is = false, modify, here = true;
    char word[SCRIPT_NAME] = "";
    int status = read_reference(s, &is, &access, &modify);
    if (status != CLI_GO || is)
        return status != CLI_GO ? status : reference(s, r, &access, modify);
    const char *start = s->at, *behind = *s->at == '$' ? s->at + 1 : "";
    behind += strspn(behind, NAME_LETTERS);
    behind += strspn(behind, " \t");
    if (*s->at == '$' && *behind == '=')
        return assign(s, r);
    if (looks_like_number(s))
        return print_value(s);
    read_word(s, word, sizeof word);
    if (!strcmp(word, "expect"))
        return script_expect(s, r);
    if (!strcmp(word, "help"))
        return help(s);
    if (!strcmp(word, "source"))
        return source(s);
    if (!strcmp(word, "quit"))
        return script_complain(s, start, "expected 'quit' alone, and at a prompt");
    if (!strcmp(word, "on")) {
        status = on_architecture(s, &here);
        return status != CLI_GO ? status : here ? statement(s, r) : CLI_OK;
    }
    s->at = start;
    return command(s, r);
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
