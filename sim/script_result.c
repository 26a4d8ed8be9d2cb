/* sim/script_result.c: what a command answers: fields with names, or a text; and how they are printed. */
#include "script.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static struct script_field *add(struct script_result *r, const char *name, enum script_form form)
{
    struct script_field *f = &r->field[r->n < SCRIPT_FIELDS ? r->n++ : SCRIPT_FIELDS - 1];
    snprintf(f->name, sizeof f->name, "%s", name);
    f->form = form;
    return f;
}

void result_number(struct script_result *r, const char *name, uint64_t value)
{
    add(r, name, FORM_DECIMAL)->number = value;
}

void result_hex(struct script_result *r, const char *name, uint64_t value)
{
    add(r, name, FORM_HEX)->number = value;
}

void result_word(struct script_result *r, const char *name, const char *word)
{
    struct script_field *f = add(r, name, FORM_WORD);
    snprintf(f->word, sizeof f->word, "%s", word);
}

void result_outcome(struct script_result *r, const char *outcome, const char *why)
{
    snprintf(r->outcome, sizeof r->outcome, "%s", outcome);
    snprintf(r->why, sizeof r->why, "%s", why);
}

void result_bad(struct script_result *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->why, sizeof r->why, format, args);
    va_end(args);
    r->bad = true;
}

/* "VmRSS:      123 kB", or with "=" in place of the colon: a field. */
static void line_field(struct script_result *r, const char *line, const char *end)
{
    const char *colon = line;
    while (colon < end && *colon != ':')
        colon++;
    if (colon == end || colon == line || colon - line >= SCRIPT_NAME ||
        memchr(line, ' ', (size_t)(colon - line)))
        return;
    char name[SCRIPT_NAME], *rest;
    snprintf(name, sizeof name, "%.*s", (int)(colon - line), line);
    uint64_t value = strtoull(colon + 1, &rest, 10);
    if (rest > colon + 1 && rest <= end && !result_find(r, name) && r->n < SCRIPT_FIELDS)
        result_number(r, name, value);
}

void result_text(struct script_result *r, char *text)
{
    uint64_t lines = 0;
    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    result_number(r, "lines", lines);
    for (const char *line = text; *line;) {
        const char *end = line + strcspn(line, "\n");
        line_field(r, line, end);
        line = *end ? end + 1 : end;
    }
    r->text = text;
}

const struct script_field *result_find(const struct script_result *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->field[i].name, name))
            return &r->field[i];
    return NULL;
}

void result_clear(struct script_result *r)
{
    free(r->text);
    r->text = NULL;
    r->n = 0;
    r->outcome[0] = r->why[0] = 0;
    r->bad = false;
}

void field_print(const struct script_field *f, char *buf, size_t size)
{
    if (f->form == FORM_WORD)
        snprintf(buf, size, "%s", f->word);
    else if (f->form == FORM_DECIMAL)
        snprintf(buf, size, "%" PRIu64, f->number);
    else
        snprintf(buf, size, "0x%" PRIx64, f->number);
}

static void print_text(const char *text, FILE *out, const char *indent)
{
    for (const char *line = text; *line;) {
        int length = (int)strcspn(line, "\n");
        fprintf(out, "%s%.*s\n", length ? indent : "", length, line);
        line += length + (line[length] == '\n');
    }
}

void result_print(const struct script_result *r, const struct script_field *only, FILE *out,
                  const char *indent)
{
    int width = 0;
    if (r->text && !only) {
        print_text(r->text, out, indent);
        return;
    }
    for (size_t i = 0; i < r->n && !only; i++)
        width = (int)strlen(r->field[i].name) > width ? (int)strlen(r->field[i].name) : width;
    for (size_t i = 0; i < r->n; i++) {
        char value[SCRIPT_WORD];
        if (only && only != &r->field[i])
            continue;
        field_print(&r->field[i], value, sizeof value);
        fprintf(out, "%s%-*s  %s\n", indent, width, r->field[i].name, value);
    }
}
