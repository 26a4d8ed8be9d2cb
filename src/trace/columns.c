/*
 * columns.c: reads plain columns. See columns.h.
 *
 * Fields are parsed in the order of the columns, straight into the reference and the marks of its line; which
 * column is what was settled when the trace was opened.
 */
#include "columns.h"

#include "error.h"
#include "lines.h"

#include <stdlib.h>
#include <strings.h>

enum { DATA_SIZE = 8, FETCH_SIZE = 4, BASE_HEAD = 4096, MODIFY = MMU_KINDS };

/* The state starts with its lines. values: of the line parsed last, of the roles that make marks. */
struct columns {
    struct lines lines;
    struct column_list list;
    bool has_size, has_gap, has_marks; /* are there such columns? */
    uint64_t values[COLUMN_ROLES], said[COLUMN_ROLES];
    bool begun;         /* said is valid */
    uint64_t time_base; /* the first time */
};

/* Which marks a role makes. */
static const struct {
    enum column_role role;
    enum mmu_mark_kind kind;
} marks[] = {{COLUMN_PID, MMU_MARK_PROCESS},
             {COLUMN_TID, MMU_MARK_THREAD},
             {COLUMN_CPU, MMU_MARK_CPU},
             {COLUMN_TIME, MMU_MARK_TIME}};

/* ---- fields ---- */

ALWAYS_INLINE bool field_ends(const char *p)
{
    return *p == ',' || *p == ' ' || *p == '\n' || *p == '\t' || *p == ';' || line_ends(p) || *p == '"';
}

/* What a number is expected to be, by role and base. */
static const char *expected_number(enum column_role role, bool hex)
{
    static const char *const texts[COLUMN_ROLES][2] = {
        [COLUMN_ADDRESS] = {"an address, decimal or with 0x (the column address:hex needs no 0x)",
                            "an address in hexadecimal below 2^64"},
        [COLUMN_SIZE] = {"a size of 1 to 4096 bytes", "a size of 1 to 1000 bytes in hexadecimal"},
        [COLUMN_PID] = {"a process id", "a process id in hexadecimal"},
        [COLUMN_TID] = {"a thread id", "a thread id in hexadecimal"},
        [COLUMN_CPU] = {"a processor's number", "a processor's number in hexadecimal"},
        [COLUMN_TIME] = {"a time in nanoseconds", "a time in nanoseconds in hexadecimal"},
        [COLUMN_GAP] = {"a gap of 0 to 4294967295 cycles", "a gap of 0 to ffffffff cycles"}};

    return texts[role][hex];
}

ALWAYS_INLINE const char *number(const char *p, enum column_role role, bool hex, uint64_t *value,
                                 struct line_bad *bad)
{
    const char *start = p;

    if (hex || (p[0] == '0' && (p[1] | 32) == 'x'))
        p = line_hex(p, value, "", bad);
    else
        p = line_decimal(p, value, "", bad);
    if (UNLIKELY(!p || !field_ends(p)))
        return line_refuse(bad, start, p ? MMU_ERR_FORMAT : bad->code, expected_number(role, hex));
    return p;
}

/* The words for a type, for the long ones. */
static const char *type_word(const char *p, unsigned *kind, struct line_bad *bad)
{
    static const struct {
        const char *word;
        unsigned kind;
    } words[] = {{"read", MMU_LOAD},   {"load", MMU_LOAD},    {"ld", MMU_LOAD},     {"rd", MMU_LOAD},
                 {"write", MMU_STORE}, {"store", MMU_STORE},  {"st", MMU_STORE},    {"wr", MMU_STORE},
                 {"fetch", MMU_FETCH}, {"ifetch", MMU_FETCH}, {"instr", MMU_FETCH}, {"exec", MMU_FETCH},
                 {"modify", MODIFY},   {"rmw", MODIFY}};
    size_t n = 0;

    while (!field_ends(p + n))
        n++;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strlen(words[i].word) == n && !strncasecmp(words[i].word, p, n)) {
            *kind = words[i].kind;
            return p + n;
        }
    return line_refuse(
        bad, p, MMU_ERR_FORMAT,
        "a type: R, L, 0 load; W, S, 1 store; I, F, X, 2 fetch; M modify; or read, write, fetch, ...");
}

ALWAYS_INLINE const char *type(const char *p, unsigned *kind, struct line_bad *bad)
{
    /* kind + 1 */
    static const uint8_t letters[256] = {
        ['R'] = MMU_LOAD + 1,  ['r'] = MMU_LOAD + 1,  ['L'] = MMU_LOAD + 1,  ['l'] = MMU_LOAD + 1,
        ['0'] = MMU_LOAD + 1,  ['W'] = MMU_STORE + 1, ['w'] = MMU_STORE + 1, ['S'] = MMU_STORE + 1,
        ['s'] = MMU_STORE + 1, ['1'] = MMU_STORE + 1, ['I'] = MMU_FETCH + 1, ['i'] = MMU_FETCH + 1,
        ['F'] = MMU_FETCH + 1, ['f'] = MMU_FETCH + 1, ['X'] = MMU_FETCH + 1, ['x'] = MMU_FETCH + 1,
        ['2'] = MMU_FETCH + 1, ['M'] = MODIFY + 1,    ['m'] = MODIFY + 1};
    unsigned letter = letters[(uint8_t)*p];

    if (UNLIKELY(!letter || !field_ends(p + 1)))
        return type_word(p, kind, bad);
    *kind = letter - 1;
    return p + 1;
}

/* From behind a field to the next one. */
ALWAYS_INLINE const char *separator(const char *p)
{
    p = line_skip_blanks(p);
    if (*p == ',' || *p == ';')
        p = line_skip_blanks(p + 1);
    return p;
}

/* ---- lines ---- */

/* Makes the references of a line from its fields. */
ALWAYS_INLINE bool make(const struct columns *c, unsigned kind, struct mmu_access *a, unsigned *n)
{
    uint64_t va = c->values[COLUMN_ADDRESS], size = c->values[COLUMN_SIZE];

    if (!c->has_size)
        size = reader_usual_size(va, kind == MMU_FETCH ? FETCH_SIZE : DATA_SIZE);
    if (UNLIKELY(!line_fits(va, size)))
        return false;
    a[0] = (struct mmu_access){
        .va = va, .size = (uint16_t)size, .kind = kind == MODIFY ? MMU_LOAD : (uint8_t)kind};
    if (UNLIKELY(kind == MODIFY)) {
        a[1] =
            (struct mmu_access){.va = va, .size = (uint16_t)size, .kind = MMU_STORE, .flags = MMU_AF_FOLLOWS};
        *n = 2;
    }
    if (UNLIKELY(c->has_gap)) {
        a[0].gap = (uint32_t)c->values[COLUMN_GAP];
        a[0].flags = MMU_AF_GAP;
    }
    return true;
}

/* One field, of this role. Returns the byte behind it. */
ALWAYS_INLINE const char *field(const struct column_list *list, enum column_role role, const char *p,
                                uint64_t *values, unsigned *kind, const char **address, struct line_bad *bad)
{
    const char *start = p;
    bool hex;

    if (role == COLUMN_NONE) {
        if (line_ends(p))
            return line_refuse(bad, p, MMU_ERR_FORMAT, "another column");
        while (!field_ends(p))
            p++;
        return p;
    }
    if (role == COLUMN_TYPE)
        return type(p, kind, bad);
    hex = list->hex >> (role - 1) & 1;
    p = number(p, role, hex, &values[role], bad);
    if (p && UNLIKELY((role == COLUMN_GAP && values[role] > UINT32_MAX) ||
                      (role == COLUMN_SIZE && values[role] - 1 > 4095)))
        return line_refuse(bad, start, MMU_ERR_RANGE, expected_number(role, hex));
    *address = role == COLUMN_ADDRESS ? start : *address;
    return p;
}

/* The same in quotes, from the first one. Two of them within stand for one. */
static const char *quoted_field(const struct column_list *list, enum column_role role, const char *p,
                                uint64_t *values, unsigned *kind, const char **address, struct line_bad *bad)
{
    p++;
    if (role == COLUMN_NONE)
        while ((*p != '"' || p[1] == '"') && !line_ends(p))
            p += *p == '"' ? 2 : 1;
    else if (!(p = field(list, role, p, values, kind, address, bad)))
        return NULL;
    if (*p != '"')
        return line_refuse(bad, p, MMU_ERR_FORMAT, "the quote that ends the field");
    return p + 1;
}

/* The fields of a line into values. Returns the byte behind the last one. */
ALWAYS_INLINE const char *fields(const struct column_list *list, const char *p, uint64_t *values,
                                 unsigned *kind, const char **address, struct line_bad *bad)
{
    for (unsigned i = 0; i < list->n; i++) {
        enum column_role role = list->roles[i];

        if (UNLIKELY(*p == '"'))
            p = quoted_field(list, role, p, values, kind, address, bad);
        else
            p = field(list, role, p, values, kind, address, bad);
        if (UNLIKELY(!p))
            return NULL;
        p = separator(p);
    }
    return p;
}

static inline LINE_PARSER(parse)
{
    struct columns *c = r->state;
    unsigned kind = MMU_LOAD;
    const char *address = line;

    line = line_skip_blanks(line);
    if (UNLIKELY(line_ends(line) || *line == '#')) {
        *n = 0;
        return line_rest(line);
    }
    if (!(line = fields(&c->list, line, c->values, &kind, &address, bad)))
        return NULL;
    if (UNLIKELY(!line_ends(line)))
        return line_refuse(bad, line, MMU_ERR_FORMAT,
                           "the end of the line behind the last column (name those to pass over -)");
    if (UNLIKELY(!make(c, kind, a, n)))
        return line_refuse(bad, address, MMU_ERR_RANGE, "a reference that ends below 2^64");
    return line + (*line == '\r');
}

static bool has(const struct column_list *list, enum column_role role)
{
    return memchr(list->roles, (int)role, list->n) != NULL;
}

/* The marks of the line parsed last: what has changed. */
static void accept(struct mmu_trace_reader *r, uint64_t at)
{
    struct columns *c = r->state;

    if (!c->begun)
        c->time_base = c->values[COLUMN_TIME];
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        enum column_role role = marks[i].role;
        uint64_t value = c->values[role], base = role == COLUMN_TIME ? c->time_base : 0;
        if ((c->begun && value == c->said[role]) || !has(&c->list, role))
            continue;
        c->said[role] = value;
        reader_mark_change(r, at, marks[i].kind, value > base ? value - base : 0);
    }
    c->begun = true;
}

static size_t columns_read(struct mmu_trace_reader *r, struct mmu_access *to, size_t max)
{
    struct columns *c = r->state;

    return c->has_marks ? lines_read(r, r->state, to, max, parse, accept)
                        : lines_read(r, r->state, to, max, parse, NULL);
}

/* ---- beginning ---- */

/* Are there addresses without 0x that look hexadecimal, in the whole lines of at[0..n)? */
static void find_base(struct column_list *list, const char *at, size_t n)
{
    const char *end = at + n, *start, *stop;
    unsigned column = 0;

    if (list->address_base || !list->n)
        return;
    while (list->roles[column] != COLUMN_ADDRESS)
        column++;
    for (const char *newline; (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1) {
        const char *p = at;
        unsigned letters = 0;
        bool more = !lines_blank(at, (size_t)(newline - at));
        for (unsigned i = 0; more && i <= column; i++)
            more = columns_field(&p, newline, &start, &stop);
        if (!more || stop - start < 2 || (start[0] == '0' && (start[1] | 32) == 'x'))
            continue;
        for (p = start; p < stop && (lines_hex[(uint8_t)*p] ^ 16u) < 16; p++)
            letters += *p > '9';
        if (p == stop && (start[0] == '0' || letters))
            list->hex |= 1u << (COLUMN_ADDRESS - 1);
    }
}

/* Goes to the first line that is a reference, and learns from it, or from a line of names before it, what the
 * columns are. */
static int begin(struct mmu_trace_reader *r, struct columns *c, struct mmu_error *err)
{
    struct lines *l = &c->lines;
    struct column_list named;
    bool has_names = false;
    int code = r->options.columns ? columns_given(&c->list, r->options.columns, err) : MMU_OK;

    if (code)
        return code;
    for (;;) {
        struct mmu_error failed = {0};
        enum lines_state state = lines_complete(l, &failed);
        const char *line = l->buffer + l->at, *newline;
        if (state == LINES_FAILED && err)
            *err = failed;
        if (state != LINES_WHOLE)
            return state == LINES_FAILED ? failed.code : MMU_OK;
        newline = memchr(line, '\n', l->end - l->at + 1);
        if (!has_names && columns_named(&named, line, newline)) {
            has_names = true;
            if (!r->options.columns)
                c->list = named;
        } else if (!lines_blank(line, (size_t)(newline - line))) {
            if (!has_names && !r->options.columns && !columns_default(&c->list, line, newline))
                return err_at(err, MMU_ERR_FORMAT, r->name, (unsigned)l->number, 0,
                              "more than 5 columns without names, expected --columns or a line of names");
            break;
        }
        l->at = (size_t)(newline - l->buffer) + (l->at + (size_t)(newline - line) < l->end);
        l->number++;
        r->info.skipped++;
    }
    find_base(&c->list, l->buffer + l->at, l->end - l->at < BASE_HEAD ? l->end - l->at : BASE_HEAD);
    return MMU_OK;
}

static int start(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct columns *c = r->state;
    int code;

    memset(&c->list, 0, sizeof c->list);
    memset(c->values, 0, sizeof c->values);
    c->begun = false;
    lines_start(&c->lines, r->input);
    if ((code = begin(r, c, err)))
        return code;
    c->has_size = has(&c->list, COLUMN_SIZE);
    c->has_gap = has(&c->list, COLUMN_GAP);
    c->has_marks = false;
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        c->has_marks |= has(&c->list, marks[i].role);
    memcpy(r->info.source, "columns ", 9);
    columns_text(&c->list, r->info.source + 8, sizeof r->info.source - 8);
    return MMU_OK;
}

static int columns_open(struct mmu_trace_reader *r, struct mmu_error *err)
{
    if (!(r->state = malloc(sizeof(struct columns))))
        return err_at(err, MMU_ERR_NOMEM, r->name, 0, 0, "out of memory");
    return start(r, err);
}

static int columns_rewind(struct mmu_trace_reader *r, struct mmu_error *err)
{
    int code = input_rewind(r->input, err);

    if (code)
        return code;
    memset(r->info.kinds, 0, sizeof r->info.kinds);
    r->info.skipped = 0;
    return start(r, err);
}

/* How many of the whole lines in p[0..n) are these columns, before one that is not (*refused)? prefixed:
 * every address must begin with 0x. */
static size_t try_lines(struct column_list *list, const char *p, size_t n, bool prefixed, bool *refused)
{
    const char *end = p + n;
    uint64_t values[COLUMN_ROLES];
    size_t accepted = 0;

    find_base(list, p, n);
    *refused = false;
    for (const char *newline; !*refused && (newline = memchr(p, '\n', (size_t)(end - p))); p = newline + 1) {
        unsigned kind = 0;
        const char *address = p, *behind;
        struct line_bad bad;
        if (lines_blank(p, (size_t)(newline - p)))
            continue;
        behind = fields(list, line_skip_blanks(p), values, &kind, &address, &bad);
        *refused =
            !behind || !line_ends(behind) || (prefixed && (address[0] != '0' || (address[1] | 32) != 'x'));
        accepted += !*refused;
    }
    return accepted;
}

/* A line of names comes before all that is no comment, and the lines behind it fit. Or there is none, but all
 * lines have a type and an address that is unmistakable, and nobody else wants them. */
static unsigned columns_sniff(const unsigned char *head, size_t n, const char *name)
{
    const char *p = (const char *)head, *end = p + n, *newline;
    struct column_list list;
    bool refused;
    size_t accepted;

    (void)name;
    for (; (newline = memchr(p, '\n', (size_t)(end - p))); p = newline + 1) {
        if (columns_named(&list, p, newline)) {
            try_lines(&list, newline + 1, (size_t)(end - newline - 1), false, &refused);
            return refused ? lines_begin(SIZE_MAX) : SNIFF_LIKELY;
        }
        if (!lines_blank(p, (size_t)(newline - p)))
            break;
    }
    if (!newline || !columns_default(&list, p, newline) || list.n < 2)
        return SNIFF_NO;
    accepted = try_lines(&list, p, (size_t)(end - p), true, &refused);
    return refused ? lines_begin(accepted) : SNIFF_POSSIBLE - 5;
}

const struct reader_ops columns_reader_ops = {.sniff = columns_sniff,
                                              .open = columns_open,
                                              .close = lines_close,
                                              .read = columns_read,
                                              .rewind = columns_rewind};
