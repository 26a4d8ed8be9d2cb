/*
 * sim/script_name.c: $names: what a scenario has given a name, and the kernel's constants, which nobody can
 * change.
 */
#include "script.h"
#include <stdlib.h>
#include <string.h>

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

bool script_constant(const struct script *s, const char *name, uint64_t *value)
{
    struct wanted_constant w = {.name = name};
    if (s->os)
        mmu_os_constants(s->os, take_constant, &w);
    *value = w.value;
    return w.found;
}

bool script_name_find(const struct script *s, const char *name, struct script_field *value)
{
    for (size_t i = 0; i < s->n_names; i++)
        if (!strcmp(s->names[i].name, name)) {
            *value = s->names[i];
            return true;
        }
    *value = (struct script_field){.form = FORM_HEX};
    return script_constant(s, name, &value->number);
}

int script_name_set(struct script *s, const char *name, const struct script_field *value)
{
    size_t i = 0;
    while (i < s->n_names && strcmp(s->names[i].name, name) != 0)
        i++;
    if (i == s->n_names) {
        struct script_field *more = realloc(s->names, (s->n_names + 1) * sizeof *more);
        if (!more)
            return cli_error("out of memory");
        s->names = more;
        s->n_names++;
    }
    s->names[i] = *value;
    snprintf(s->names[i].name, sizeof s->names[i].name, "%s", name);
    return CLI_GO;
}

/* ----- all of them ----- */

struct each {
    void (*each)(void *ctx, const char *name);
    void *ctx;
};

static void tell_constant(void *ctx, const char *name, uint64_t value)
{
    const struct each *e = ctx;
    (void)value;
    if (!name[strspn(name, NAME_LETTERS)]) /* not sizeof(struct page) */
        e->each(e->ctx, name);
}

void script_each_name(const struct script *s, void (*each)(void *ctx, const char *name), void *ctx)
{
    struct each e = {each, ctx};
    for (size_t i = 0; i < s->n_names; i++)
        each(ctx, s->names[i].name);
    if (s->os)
        mmu_os_constants(s->os, tell_constant, &e);
}

/* ----- in a line ----- */

struct nearest {
    const char *known[256];
    size_t n;
};

static void collect(void *ctx, const char *name)
{
    struct nearest *near = ctx;
    if (near->n < sizeof near->known / sizeof *near->known)
        near->known[near->n++] = name;
}

/* The name behind a '$' at s->at; returns its length, 0: it is none. */
static size_t take_name(const struct script *s, char name[SCRIPT_NAME])
{
    size_t n = *s->at == '$' ? strspn(s->at + 1, NAME_LETTERS) : 0;
    if (n >= SCRIPT_NAME)
        return 0;
    snprintf(name, SCRIPT_NAME, "%.*s", (int)n, s->at + (n > 0));
    return n;
}

bool script_names_word(const struct script *s)
{
    struct script_field named;
    char name[SCRIPT_NAME];
    return take_name(s, name) && script_name_find(s, name, &named) && named.form == FORM_WORD;
}

int read_new_name(struct script *s, char name[SCRIPT_NAME])
{
    const char *start = s->at;
    size_t n = take_name(s, name);
    if (!n)
        return script_complain(s, start, "expected a name of 1 to %d letters, digits or _ behind '$'",
                               SCRIPT_NAME - 1);
    s->at += 1 + n;
    return CLI_GO;
}

int read_name(struct script *s, struct script_field *value)
{
    const char *start = s->at;
    char name[SCRIPT_NAME];
    int status = read_new_name(s, name);
    if (status != CLI_GO || script_name_find(s, name, value))
        return status;
    struct nearest near = {.n = 0};
    script_each_name(s, collect, &near);
    const char *nearest = cli_nearest(name, near.known, near.n);
    return nearest
               ? script_complain(s, start, "unknown name '$%s'; did you mean '$%s'?", name, nearest)
               : script_complain(s, start, "unknown name '$%s'; '$%s = ...' gives it a value", name, name);
}
