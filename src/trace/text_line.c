/*
 * text_line.c: one line of the text form, by the book. text.c takes the common lines in a faster way and
 * leaves the rest to this.
 */
#include "text.h"

#include "error.h"

#include <stdio.h>
#include <string.h>

/* A line while it is read. at <= end. */
struct cursor {
    const char *line, *at, *end;
    const char *file;
    uint64_t number;
    struct mmu_error *err;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && is_blank(*c->at))
        c->at++;
}

/* What stands at the cursor, for a message: a few printable characters, or "the end of the line". */
static const char *found(const struct cursor *c, char buf[32])
{
    size_t n = 0;

    if (c->at >= c->end)
        return "the end of the line";
    buf[n++] = '\'';
    for (const char *p = c->at; p < c->end && n < 26; p++)
        buf[n++] = *p >= ' ' && *p <= '~' ? *p : '?';
    memcpy(buf + n, c->end - c->at > (ptrdiff_t)n ? "...'" : "'", c->end - c->at > (ptrdiff_t)n ? 5 : 2);
    return buf;
}

static int complain(const struct cursor *c, int code, const char *expected)
{
    char buf[32];

    return err_at(c->err, code, c->file, c->number < UINT32_MAX ? (unsigned)c->number : UINT32_MAX,
                  (unsigned)(c->at - c->line) + 1, "found %s, expected %s", found(c, buf), expected);
}

static int digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c |= ' ';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* A number of the given base up to max; what names it in messages. Leaves the cursor behind it, on an error
 * before it. */
static int number(struct cursor *c, unsigned base, uint64_t max, const char *what, uint64_t *value)
{
    const char *start = c->at, *p = c->at;
    uint64_t v = 0;

    if (base == 16 && c->end - p > 2 && p[0] == '0' && (p[1] | ' ') == 'x' && digit(p[2]) < 16)
        p += 2;
    for (start = p; p < c->end && digit(*p) < (int)base; p++) {
        unsigned d = (unsigned)digit(*p);
        if (v > (max - d) / base)
            return complain(c, MMU_ERR_RANGE, what);
        v = v * base + d;
    }
    if (p == start)
        return complain(c, MMU_ERR_FORMAT, what);
    c->at = p;
    *value = v;
    return MMU_OK;
}

/* Lines that are no references: nothing, a comment, or ==digits, --digits, **digits. */
static bool passed_over(const struct cursor *c)
{
    const char *p = c->at;

    if (p == c->end || *p == '#')
        return true;
    return c->end - p >= 3 && (*p == '=' || *p == '-' || *p == '*') && p[1] == *p && is_digit(p[2]);
}

/* A word of hexadecimal digits that reaches from p to its blank or comma; its length, 0: it is none. */
static size_t hexadecimal(const char *p, const char *end)
{
    const char *start = p;

    while (p < end && digit(*p) < 16)
        p++;
    return p == end || is_blank(*p) || *p == ',' ? (size_t)(p - start) : 0;
}

/*
 * Is the line meant to be a reference? Then it must be one. It begins as Lackey's lines do; or with a kind
 * and what may be an address; or with any one letter, an address, a comma and a digit. Any other line is the
 * program's own output, or that of valgrind.
 */
static bool is_meant(const struct cursor *c)
{
    const char *p = c->at, *end = c->end, *comma;
    size_t n, left = (size_t)(end - c->line);
    char kind;

    if (left >= 3 && c->line[2] == ' ' &&
        (!memcmp(c->line, "I ", 2) || (c->line[0] == ' ' && memchr("LSM", c->line[1], 3))))
        return true;
    if (end - p < 2 || !is_blank(p[1]))
        return false;
    kind = *p++;
    while (p < end && is_blank(*p))
        p++;
    n = hexadecimal(p, end);
    comma = p + n < end && p[n] == ',' ? p + n : NULL;
    if (memchr("ILSM", kind, 4))
        return p < end && (is_digit(*p) || comma || n >= 4);
    return n && comma && comma + 1 < end && is_digit(comma[1]);
}

/* The words behind the size: k, i, +, gN. */
static int words(struct cursor *c, struct mmu_access *a)
{
    static const char expected[] = "k, i, + or gN behind the size, or the end of the line";

    for (skip_blanks(c); c->at < c->end; skip_blanks(c)) {
        const char *word = c->at++;
        uint64_t gap = 0;
        int code;

        if (!is_blank(word[-1]))
            goto bad;
        if (*word == 'k' && MMU_PRIV_OF(a->kind) == MMU_USER) {
            a->kind = MMU_KIND_PRIV(MMU_KIND_OF(a->kind), MMU_SUPERVISOR);
        } else if (*word == 'i' && MMU_PRIV_OF(a->kind) == MMU_USER && MMU_KIND_OF(a->kind) != MMU_FETCH) {
            a->kind = MMU_KIND_PRIV(MMU_KIND_OF(a->kind), MMU_IMPLICIT);
        } else if (*word == '+' && !(a->flags & MMU_AF_FOLLOWS)) {
            a->flags |= MMU_AF_FOLLOWS;
        } else if (*word == 'g' && !(a->flags & MMU_AF_GAP)) {
            code = number(c, 10, UINT32_MAX, "a gap of 0 to 4294967295 cycles", &gap);
            if (code)
                return code;
            a->gap = (uint32_t)gap;
            a->flags |= MMU_AF_GAP;
        } else {
            goto bad;
        }
        continue;
    bad:
        c->at = word;
        return complain(c, MMU_ERR_FORMAT, expected);
    }
    return MMU_OK;
}

static const char what_is_a_reference[] =
    "a reference: I, L, S or M, an address in hexadecimal, a comma and a size";

/* Kind, address and size. */
static int reference(struct cursor *c, struct mmu_access *a, bool *modify)
{
    static const char letters[] = "ILS";
    const char *kind = c->at < c->end && *c->at ? strchr("ILSM", *c->at) : NULL, *at;
    uint64_t size = 0;
    int code;

    if (!kind)
        return complain(c, MMU_ERR_FORMAT, what_is_a_reference);
    *modify = *kind == 'M';
    a->kind = (uint8_t)(*modify ? MMU_LOAD : strchr(letters, *kind) - letters);
    c->at++;
    if (c->at == c->end || !is_blank(*c->at))
        return complain(c, MMU_ERR_FORMAT, "a blank behind the kind");
    skip_blanks(c);
    at = c->at;
    if ((code = number(c, 16, UINT64_MAX, "an address in hexadecimal below 2^64", &a->va)))
        return code;
    if (c->at == c->end || *c->at != ',')
        return complain(c, MMU_ERR_FORMAT, "a comma behind the address");
    c->at++;
    if ((code = number(c, 10, UINT64_MAX, "a size of 1 to 4096 bytes", &size)))
        return code;
    if (size == 0 || size > TEXT_SIZE_MAX) {
        while (is_digit(c->at[-1]))
            c->at--;
        return complain(c, MMU_ERR_RANGE, "a size of 1 to 4096 bytes");
    }
    if (a->va + (size - 1) < a->va) {
        c->at = at;
        return complain(c, MMU_ERR_RANGE, "a reference that ends below 2^64");
    }
    a->size = (uint16_t)size;
    return MMU_OK;
}

int text_parse_line(const char *line, const char *end, struct mmu_access to[2], const char *file,
                    uint64_t number_, struct mmu_error *err)
{
    struct cursor c = {line, line, end, file, number_, err};
    bool modify = false;
    int code;

    skip_blanks(&c);
    if (passed_over(&c))
        return 0;
    if (!is_meant(&c)) {
        const char *zero = memchr(line, 0, (size_t)(end - line)); /* no text has it */
        c.at = zero ? zero : c.at;
        complain(&c, MMU_ERR_FORMAT, what_is_a_reference);
        return zero ? MMU_ERR_FORMAT : TEXT_OTHER;
    }
    memset(to, 0, 2 * sizeof *to);
    if ((code = reference(&c, to, &modify)) || (code = words(&c, to)))
        return code;
    if (!modify)
        return 1;
    to[1] = to[0];
    to[1].kind = MMU_KIND_PRIV(MMU_STORE, MMU_PRIV_OF(to->kind));
    to[1].flags = MMU_AF_FOLLOWS;
    to[1].gap = 0;
    return 2;
}

/* The word behind TEXT_MARK; -1: none of ours. */
static int mark_word(struct cursor *c)
{
    const char *word = c->at;
    size_t n;

    while (c->at < c->end && !is_blank(*c->at))
        c->at++;
    n = (size_t)(c->at - word);
    for (int i = 0; i < TEXT_WORDS; i++)
        if (strlen(text_mark_words[i]) == n && !memcmp(text_mark_words[i], word, n))
            return i;
    c->at = word;
    return -1;
}

/* Moves the cursor to the first control character up to the end; false: there is none. */
static bool find_control(struct cursor *c, const char *from, const char *end, bool tabs)
{
    for (const char *p = from; p < end; p++)
        if (((unsigned char)*p < ' ' && !(tabs && *p == '\t')) || *p == 127) {
            c->at = p;
            return true;
        }
    return false;
}

int text_parse_mark(const char *line, const char *end, uint64_t *value, const char **rest, const char *file,
                    uint64_t number_, struct mmu_error *err)
{
    struct cursor c = {line, line + sizeof TEXT_MARK - 1, end, file, number_, err};
    int word = mark_word(&c), code;

    while (c.end > c.at && is_blank(c.end[-1]))
        c.end--;
    if (word < 0)
        return complain(&c, MMU_ERR_FORMAT, "process, thread, cpu, time, event, maps or map");
    *value = 0;
    *rest = NULL;
    skip_blanks(&c);
    if (word != MMU_MARK_EVENT && (code = number(&c, 10, UINT64_MAX, "a decimal number below 2^64", value)))
        return code;
    if (word == TEXT_MAP && c.at < end && is_blank(*c.at)) { /* one blank, then the line as it is */
        *rest = c.at + 1;
        if (find_control(&c, c.at, end, true))
            return complain(&c, MMU_ERR_FORMAT, "no control characters in a line of maps");
        return word;
    }
    *rest = c.at;
    if (word == MMU_MARK_EVENT && c.end - c.at >= MMU_MARK_TEXT)
        return complain(&c, MMU_ERR_RANGE, "at most 231 characters");
    if (word == MMU_MARK_EVENT ? c.at == c.end : c.at < c.end)
        return complain(&c, MMU_ERR_FORMAT,
                        word == MMU_MARK_EVENT ? "the event's name" : "the end of the line");
    if (word == MMU_MARK_EVENT && find_control(&c, c.at, c.end, false))
        return complain(&c, MMU_ERR_FORMAT, "no control characters in an event");
    return word;
}
