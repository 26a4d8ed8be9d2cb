/*
 * vector.c: the strict reader of a vector's line. A table says what each key is; the rest follows from it.
 */
#include "vector.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum form { HEX, DECIMAL, WORD, TEXT, ENTRY, LIST, POKE };

static const char *const modes[] = {"32", "pae", "4l", "5l", NULL};
static const char *const accesses[] = {"r", "w", "x", "ir", NULL};
static const char *const results[] = {"ok", "pf", "gp", "gpload", NULL};
static const char *const levels[] = {"L1", "L2", "L3", "L4", "L5", NULL};

/* One key: its form, where its value goes, its range (numbers), its words (WORD), and whether each line must
 * have it. */
struct key {
    const char *name;
    enum form form;
    size_t offset;
    uint64_t least, most;
    const char *const *words;
    bool required;
};

#define AT(member) offsetof(struct vector, member)
#define ANY        0, UINT64_MAX, NULL
static const struct key keys[] = {
    {"id", TEXT, AT(id), ANY, true},
    {"mode", WORD, AT(mode), 0, 0, modes, true},
    {"maxpa", DECIMAL, AT(maxpa), 32, 52, NULL, true},
    {"gb", DECIMAL, AT(gb), 0, 1, NULL, false},
    {"pse36", DECIMAL, AT(pse36), 0, 1, NULL, false},
    {"cr0", HEX, AT(cr0), ANY, true},
    {"cr3", HEX, AT(cr3), ANY, true},
    {"cr4", HEX, AT(cr4), ANY, true},
    {"efer", HEX, AT(efer), ANY, true},
    {"ac", DECIMAL, AT(ac), 0, 1, NULL, false},
    {"pkru", HEX, AT(pkru), 0, UINT32_MAX, NULL, false},
    {"pkrs", HEX, AT(pkrs), 0, UINT32_MAX, NULL, false},
    {"va", HEX, AT(va), ANY, true},
    {"acc", WORD, AT(acc), 0, 0, accesses, true},
    {"cpl", DECIMAL, AT(cpl), 0, 3, NULL, true},
    {"pdpt", LIST, AT(pdpt), ANY, false},
    {"poke", POKE, AT(poke), ANY, false},
    {"reload", DECIMAL, AT(reload), 0, 1, NULL, false},
    {"L5", ENTRY, AT(entry[4]), ANY, false},
    {"L4", ENTRY, AT(entry[3]), ANY, false},
    {"L3", ENTRY, AT(entry[2]), ANY, false},
    {"L2", ENTRY, AT(entry[1]), ANY, false},
    {"L1", ENTRY, AT(entry[0]), ANY, false},
    {"res", WORD, AT(res), 0, 0, results, true},
    {"pa", HEX, AT(pa), ANY, false},
    {"ps", HEX, AT(ps), ANY, false},
    {"seen", DECIMAL, AT(seen), 0, 1, NULL, false},
    {"ec", HEX, AT(ec), 0, 0x3f, NULL, false},
    {"why", TEXT, SIZE_MAX, ANY, false},
    {"at", WORD, AT(at), 0, 0, levels, false},
    {"by", TEXT, SIZE_MAX, ANY, false},
};
enum { KEYS = sizeof keys / sizeof keys[0] };

/* The line under the reader's eye. */
struct text {
    const char *line, *at, *end;
    struct vector_error *error;
};

static int refuse(struct text *t, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int refuse(struct text *t, const char *where, const char *format, ...)
{
    t->error->column = (size_t)(where - t->line) + 1;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(t->error->message, sizeof t->error->message, format, arguments);
    va_end(arguments);
    return -1;
}

static int digit(char c, unsigned base)
{
    int value = -1;
    if (c >= '0' && c <= '9')
        value = c - '0';
    else if (c >= 'a' && c <= 'f')
        value = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F')
        value = c - 'A' + 10;
    return value < (int)base ? value : -1;
}

/* One number, up to `stop` or to the end of the field. */
static int number(struct text *t, const struct key *key, unsigned base, uint64_t *value)
{
    const char *start = t->at;
    uint64_t sum = 0;
    int d;
    for (; t->at < t->end && (d = digit(*t->at, base)) >= 0; t->at++) {
        if (sum > (UINT64_MAX - (unsigned)d) / base)
            return refuse(t, start, "%s: the number does not fit in 64 bits", key->name);
        sum = sum * base + (unsigned)d;
    }
    if (t->at == start)
        return refuse(t, start, "%s: expected a %s number", key->name,
                      base == 16 ? "hexadecimal" : "decimal");
    if (sum < key->least || sum > key->most)
        return refuse(t, start, base == 16 ? "%s: expected %llx to %llx" : "%s: expected %llu to %llu",
                      key->name, (unsigned long long)key->least, (unsigned long long)key->most);
    *value = sum;
    return 0;
}

/* The `between` of two numbers. */
static int separator(struct text *t, const struct key *key, char between)
{
    if (t->at == t->end || *t->at != between)
        return refuse(t, t->at, "%s: expected '%c' and another number", key->name, between);
    t->at++;
    return 0;
}

static int numbers(struct text *t, const struct key *key, char between, size_t n, uint64_t *to)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && separator(t, key, between) < 0)
            return -1;
        if (number(t, key, 16, to + i) < 0)
            return -1;
    }
    return 0;
}

static int entry(struct text *t, const struct key *key, struct vector_entry *to)
{
    uint64_t value[4] = {0};
    if (numbers(t, key, ':', 3, value) < 0)
        return -1;
    if (t->at < t->end && (separator(t, key, ':') < 0 || number(t, key, 16, value + 3) < 0))
        return -1;
    *to = (struct vector_entry){true, value[0], value[1], value[2], value[3]};
    return 0;
}

static int word(struct text *t, const struct key *key, uint64_t *to)
{
    size_t length = (size_t)(t->end - t->at);
    for (size_t i = 0; key->words[i]; i++)
        if (strlen(key->words[i]) == length && memcmp(key->words[i], t->at, length) == 0) {
            *to = i;
            t->at = t->end;
            return 0;
        }
    char known[64] = "";
    for (size_t i = 0; key->words[i]; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", key->words[i]);
    return refuse(t, t->at, "%s: expected one of %s", key->name, known);
}

static int text(struct text *t, const struct key *key, char *to)
{
    size_t length = (size_t)(t->end - t->at);
    if (length == 0)
        return refuse(t, t->at, "%s: the value is missing", key->name);
    for (const char *c = t->at; c < t->end; c++)
        if (*c < '!' || *c > '~')
            return refuse(t, c, "%s: not a printable character", key->name);
    if (to) {
        if (length >= VECTOR_TEXT)
            return refuse(t, t->at, "%s: longer than %d characters", key->name, VECTOR_TEXT - 1);
        memcpy(to, t->at, length);
        to[length] = '\0';
    }
    t->at = t->end;
    return 0;
}

static int value(struct text *t, const struct key *key, struct vector *v)
{
    void *to = key->offset == SIZE_MAX ? NULL : (char *)v + key->offset;
    switch (key->form) {
    case HEX:
        return number(t, key, 16, to);
    case DECIMAL:
        return number(t, key, 10, to);
    case WORD:
        return word(t, key, to);
    case TEXT:
        return text(t, key, to);
    case ENTRY:
        return entry(t, key, to);
    case LIST:
        return numbers(t, key, ',', 4, to);
    case POKE:
        return numbers(t, key, ':', 2, to);
    }
    return -1;
}

/* One key=value, from t->at to t->end. */
static int field(struct text *t, struct vector *v)
{
    const char *start = t->at;
    size_t length = (size_t)(t->end - start);
    if (length == 0)
        return refuse(t, start, "expected key=value (one space between two of them)");
    const char *equals = memchr(start, '=', length);
    if (!equals)
        return refuse(t, start, "expected key=value, found no '='");
    size_t k = 0;
    size_t name = (size_t)(equals - start);
    while (k < KEYS && !(strlen(keys[k].name) == name && memcmp(keys[k].name, start, name) == 0))
        k++;
    if (k == KEYS)
        return refuse(t, start, "unknown key \"%.*s\"", name > 40 ? 40 : (int)name, start);
    if (v->given >> k & 1)
        return refuse(t, start, "%s: given twice", keys[k].name);
    v->given |= UINT64_C(1) << k;
    t->at = equals + 1;
    if (value(t, &keys[k], v) < 0)
        return -1;
    if (t->at != t->end)
        return refuse(t, t->at, "%s: unexpected characters after the value", keys[k].name);
    return 0;
}

static bool has(const struct vector *v, const char *name)
{
    for (size_t k = 0; k < KEYS; k++)
        if (strcmp(keys[k].name, name) == 0)
            return v->given >> k & 1;
    return false;
}

static int need(struct text *t, const struct vector *v, const char *name, const char *because)
{
    return has(v, name) ? 0 : refuse(t, t->line, "%s is missing%s", name, because);
}

static int check_place(struct text *t, const struct vector *v, const char *name, uint64_t address,
                       unsigned bytes)
{
    if (address % bytes || address >> v->maxpa)
        return refuse(t, t->line, "%s: %llx is no %u-byte address below 2^%llu", name,
                      (unsigned long long)address, bytes, (unsigned long long)v->maxpa);
    return 0;
}

/* What the keys demand of each other. */
static int check(struct text *t, const struct vector *v)
{
    for (size_t k = 0; k < KEYS; k++)
        if (keys[k].required && !(v->given >> k & 1))
            return refuse(t, t->line, "%s is missing", keys[k].name);
    if (v->res == VECTOR_OK && (need(t, v, "pa", " (res=ok)") < 0 || need(t, v, "ps", " (res=ok)") < 0))
        return -1;
    if (v->res == VECTOR_PF && need(t, v, "ec", " (res=pf)") < 0)
        return -1;
    if (v->mode == VECTOR_PAE && need(t, v, "pdpt", " (mode=pae)") < 0)
        return -1;
    if (v->mode != VECTOR_PAE && (v->has_pdpt || v->has_poke))
        return refuse(t, t->line, "pdpt and poke belong to mode=pae");
    if (v->reload && !v->has_poke)
        return refuse(t, t->line, "reload=1 needs a poke");
    if (v->has_poke && check_place(t, v, "poke", v->poke[0], 8) < 0)
        return -1;
    unsigned bytes = vector_entry_bytes(v);
    for (unsigned i = 0; i < VECTOR_LEVELS; i++) {
        const struct vector_entry *e = &v->entry[i];
        if (!e->given)
            continue;
        if (check_place(t, v, levels[i], e->address, bytes) < 0)
            return -1;
        if (bytes == 4 && (e->before | e->after | e->ignore) >> 32)
            return refuse(t, t->line, "%s: an entry of mode 32 has 32 bits", levels[i]);
    }
    unsigned size = v->acc == VECTOR_IMPLICIT ? 8 : v->acc == VECTOR_FETCH ? 1 : 4;
    if ((v->va & 4095) + size > 4096)
        return refuse(t, t->line, "va: the access crosses a page");
    if (v->mode <= VECTOR_PAE && v->va >> 32)
        return refuse(t, t->line, "va: 32 bits in modes 32 and pae");
    return 0;
}

int vector_parse(const char *line, size_t length, struct vector *v, struct vector_error *error)
{
    struct text t = {line, line, line, error};
    const char *end = line + length;
    if (length > 0 && line[0] == '#')
        return 0;
    memset(v, 0, sizeof *v);
    v->gb = v->pse36 = 1;
    do {
        const char *space = memchr(t.at, ' ', (size_t)(end - t.at));
        t.end = space ? space : end;
        if (field(&t, v) < 0)
            return -1;
        t.at = t.end + 1;
    } while (t.end < end);
    v->has_pdpt = has(v, "pdpt");
    v->has_poke = has(v, "poke");
    return check(&t, v) < 0 ? -1 : 1;
}
