/* columns_names.c: the names of columns: --columns, a file's own line of names, the default. See columns.h.
 */
#include "columns.h"

#include "bits.h"
#include "error.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The first name of each role is its own. */
static const struct {
    const char *name;
    enum column_role role;
} names[] = {
    {"-", COLUMN_NONE},      {"address", COLUMN_ADDRESS}, {"type", COLUMN_TYPE},  {"size", COLUMN_SIZE},
    {"pid", COLUMN_PID},     {"tid", COLUMN_TID},         {"cpu", COLUMN_CPU},    {"time", COLUMN_TIME},
    {"gap", COLUMN_GAP},     {"addr", COLUMN_ADDRESS},    {"va", COLUMN_ADDRESS}, {"vaddr", COLUMN_ADDRESS},
    {"kind", COLUMN_TYPE},   {"op", COLUMN_TYPE},         {"rw", COLUMN_TYPE},    {"bytes", COLUMN_SIZE},
    {"length", COLUMN_SIZE}, {"process", COLUMN_PID},     {"thread", COLUMN_TID}, {"core", COLUMN_CPU},
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_comma(char c)
{
    return c == ',' || c == ';';
}

bool columns_field(const char **at, const char *end, const char **start, const char **stop)
{
    const char *p = *at;

    while (p < end && is_blank(*p))
        p++;
    *start = p + (p < end && *p == '"');
    *stop = p < end && *p == '"' ? memchr(*start, '"', (size_t)(end - *start)) : NULL;
    if (*stop) {
        p = *stop + 1;
    } else {
        while (p < end && !is_blank(*p) && !is_comma(*p))
            p++;
        *stop = p;
    }
    while (p < end && is_blank(*p))
        p++;
    if (p == end) { /* an empty field behind a last comma is none */
        *at = p;
        return *stop > *start;
    }
    *at = p + is_comma(*p);
    return true;
}

/* Appends the column that [p, end) names. Returns 0, or what is wrong. */
static const char *append(struct column_list *list, const char *p, const char *end, bool others)
{
    const char *colon = memchr(p, ':', (size_t)(end - p)), *word_end = colon ? colon : end;
    size_t n = (size_t)(word_end - p), base = colon ? (size_t)(end - colon) : 0;
    enum column_role role = COLUMN_ROLES;

    for (size_t i = 0; i < COUNT_OF(names) && role == COLUMN_ROLES; i++)
        if (strlen(names[i].name) == n && !strncasecmp(names[i].name, p, n))
            role = names[i].role;
    if (role == COLUMN_ROLES && !others)
        return "unknown column";
    if (role == COLUMN_ROLES)
        role = COLUMN_NONE;
    for (unsigned i = 0; role != COLUMN_NONE && i < list->n; i++)
        if (list->roles[i] == role)
            return "twice the column";
    if (list->n == COLUMNS_MOST)
        return "too many columns at";
    if (colon && (role == COLUMN_NONE || role == COLUMN_TYPE || base != 4 ||
                  (memcmp(colon, ":hex", 4) && memcmp(colon, ":dec", 4))))
        return "a column's base is :hex or :dec, and numbers alone have one:";
    if (colon && colon[1] == 'h')
        list->hex |= (uint8_t)(1u << (role - 1));
    list->address_base |= colon && role == COLUMN_ADDRESS;
    list->roles[list->n++] = (uint8_t)role;
    return NULL;
}

static bool has(const struct column_list *list, enum column_role role)
{
    return memchr(list->roles, (int)role, list->n) != NULL;
}

int columns_given(struct column_list *list, const char *text, struct mmu_error *err)
{
    const char *at = text, *end = text + strlen(text), *start, *stop, *known[COUNT_OF(names)], *wrong;

    memset(list, 0, sizeof *list);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        known[i] = names[i].name;
    while (columns_field(&at, end, &start, &stop)) {
        char word[32];
        const char *meant;
        if (!(wrong = append(list, start, stop, false)))
            continue;
        snprintf(word, sizeof word, "%.*s", (int)(stop - start < 31 ? stop - start : 31), start);
        meant = strstr(wrong, "unknown") ? err_suggest(word, known, COUNT_OF(known)) : NULL;
        return err_set(err, MMU_ERR_INVALID, "--columns %s: %s '%s'%s%s%s", text, wrong, word,
                       meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
    }
    if (!has(list, COLUMN_ADDRESS))
        return err_set(err, MMU_ERR_INVALID, "--columns %s: no column is the address", text);
    return MMU_OK;
}

static bool is_letter(const char *p)
{
    return (*p | 32) >= 'a' && (*p | 32) <= 'z';
}

/* Is it a name: a letter, then letters, digits and a few signs? */
static bool is_word(const char *p, const char *end)
{
    if (p == end || !is_letter(p))
        return end - p == 1 && *p == '-';
    for (; p < end; p++)
        if (!is_letter(p) && !(*p >= '0' && *p <= '9') && *p != '_' && *p != ':' && *p != '.' && *p != '-')
            return false;
    return true;
}

/* In quotes anything may be a name. */
static bool is_quoted(const char *line, const char *start)
{
    return start > line && start[-1] == '"';
}

bool columns_named(struct column_list *list, const char *line, const char *end)
{
    const char *at = line, *start, *stop;
    bool others = true; /* names that say nothing here; in a comment they show that it is one */

    memset(list, 0, sizeof *list);
    for (; at < end && (is_blank(*at) || *at == '#'); at++)
        others = others && *at != '#';
    while (columns_field(&at, end, &start, &stop))
        if ((!is_word(start, stop) && !is_quoted(line, start)) || append(list, start, stop, others))
            return false;
    return has(list, COLUMN_ADDRESS);
}

bool columns_default(struct column_list *list, const char *line, const char *end)
{
    static const uint8_t usual[] = {COLUMN_ADDRESS, COLUMN_TYPE, COLUMN_SIZE, COLUMN_PID, COLUMN_CPU};
    const char *at = line, *start, *stop;

    memset(list, 0, sizeof *list);
    while (columns_field(&at, end, &start, &stop)) {
        if (list->n == COUNT_OF(usual))
            return false;
        list->roles[list->n] = usual[list->n];
        if (list->n == 1 && is_letter(line + strspn(line, " \t"))) { /* the type goes first */
            list->roles[0] = COLUMN_TYPE;
            list->roles[1] = COLUMN_ADDRESS;
        }
        list->n++;
    }
    return list->n > 0;
}

void columns_text(const struct column_list *list, char *to, size_t size)
{
    size_t n = 0;

    for (unsigned i = 0; i < list->n && n < size; i++) {
        const char *name = "-";
        for (size_t k = COUNT_OF(names); k-- > 0;)
            name = names[k].role == list->roles[i] ? names[k].name : name;
        n += (size_t)snprintf(to + n, size - n, "%s%s%s", i ? "," : "", name,
                              list->roles[i] && list->hex >> (list->roles[i] - 1) & 1 ? ":hex" : "");
    }
}
