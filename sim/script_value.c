/*
 * sim/script_value.c: what stands for a value: a number, a name, a word, a command. It is read and checked
 * whole before anything is done.
 */
#include "script.h"
#include <string.h>

/* ----- commands ----- */

const struct script_command *script_find(const char *name)
{
    for (size_t i = 0; i < script_command_count; i++)
        if (!strcmp(script_commands[i].name, name))
            return &script_commands[i];
    return NULL;
}

int unknown_command(struct script *s, const char *where, const char *word)
{
    const char *names[256];
    size_t n = 0;
    for (; n < script_command_count && n < 240; n++)
        names[n] = script_commands[n].name;
    for (size_t i = 0; script_keywords[i]; i++)
        names[n++] = script_keywords[i];
    const char *near = cli_nearest(word, names, n);
    if (near && !strcmp(near, word))
        return script_complain(s, where, "'%s' begins a statement and gives no value", word);
    return near ? script_complain(s, where, "unknown command '%s'; did you mean '%s'?", word, near)
                : script_complain(s, where, "unknown command '%s'; 'help' lists the commands", word);
}

/* Its arguments, and a field behind them. */
static int read_command(struct script *s, const struct script_command *c, struct script_value *v)
{
    char word[SCRIPT_NAME];
    read_word(s, word, sizeof word);
    if (c->needs_os && !s->os)
        return script_complain(s, v->start, "%s: the machine has no kernel, expected a config with os", word);
    v->command = c;
    return read_arguments(s, c, v->a, v->field, &v->field_at);
}

/* ----- values ----- */

int read_value(struct script *s, bool word_allowed, struct script_value *v)
{
    char word[SCRIPT_NAME];
    memset(v, 0, sizeof *v);
    read_blanks(s);
    v->start = s->at;
    v->is.form = FORM_HEX;
    if (script_names_word(s))
        return read_name(s, &v->is);
    if (looks_like_number(s))
        return read_number(s, &v->is.number);
    if (!peek_word(s, word, sizeof word))
        return script_complain(s, v->start, "expected a command%s or a number, but the line ends",
                               word_allowed ? ", a word" : "");
    const struct script_command *c = *s->at == '"' && word_allowed ? NULL : script_find(word);
    if (c)
        return read_command(s, c, v);
    if (!word_allowed)
        return unknown_command(s, v->start, word);
    char text[SCRIPT_TEXT];
    int status = read_text(s, "a word", text);
    v->is.form = FORM_WORD;
    snprintf(v->is.word, sizeof v->is.word, "%s", text);
    return status;
}

int complain_undone(struct script *s, const char *where, const struct script_result *r)
{
    if (!s->echo) /* somebody asked, and this is the answer */
        return script_complain(s, where, "%s: %s", r->outcome, r->why);
    return script_complain(s, where, "%s: %s (if it is meant: expect ... fails %s)", r->outcome, r->why,
                           r->outcome);
}

int compute_value(struct script *s, const struct script_value *v, struct script_result *r,
                  const struct script_field **field)
{
    *field = &v->is;
    if (!v->command)
        return CLI_GO;
    s->command = v->command;
    v->command->run(s, v->a, r);
    if (r->bad)
        return script_complain(s, v->start, "%s: %s", v->command->name, r->why);
    *field = *v->field ? result_find(r, v->field) : r->n ? &r->field[0] : NULL;
    if (!*v->field || *field || r->outcome[0])
        return CLI_GO;
    char there[SCRIPT_WORD] = "";
    for (size_t i = 0, used = 0; i < r->n && used < sizeof there; i++)
        used += (size_t)snprintf(there + used, sizeof there - used, "%s%s", i ? ", " : "", r->field[i].name);
    return script_complain(s, v->field_at, "this answer has no '%s', only: %s", v->field, there);
}
