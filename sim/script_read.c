/* sim/script_read.c: a line of a scenario: words, numbers, and the references of a text trace. */
#include "script.h"
#include <inttypes.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

void read_blanks(struct script *s)
{
    while (is_blank(*s->at))
        s->at++;
}

bool read_end(struct script *s)
{
    read_blanks(s);
    return !*s->at || *s->at == '#';
}

bool read_word(struct script *s, char *word, size_t size)
{
    size_t n = 0;
    if (read_end(s))
        return false;
    bool quoted = *s->at == '"';
    for (s->at += quoted; *s->at && (quoted ? *s->at != '"' : !is_blank(*s->at)); s->at++)
        if (n + 1 < size)
            word[n++] = *s->at;
    s->at += quoted && *s->at == '"';
    word[n] = 0;
    return true;
}

bool peek_word(struct script *s, char *word, size_t size)
{
    const char *at = s->at;
    bool found = read_word(s, word, size);
    s->at = at;
    return found;
}

int read_text(struct script *s, const char *what, char text[SCRIPT_TEXT])
{
    const char *start = (read_blanks(s), s->at);
    if (!read_word(s, text, SCRIPT_TEXT))
        return script_complain(s, start, "expected %s, but the line ends", what);
    if (s->at - start >= SCRIPT_TEXT + 2)
        return script_complain(s, start, "%s of %d bytes, expected at most %d", what, (int)(s->at - start),
                               SCRIPT_TEXT - 1);
    return CLI_GO;
}

int expect_end(struct script *s)
{
    return read_end(s)
               ? CLI_GO
               : script_complain(s, s->at, "'%.20s' is too much, expected the end of the line", s->at);
}

/* ----- numbers ----- */

bool looks_like_number(struct script *s)
{
    read_blanks(s);
    return is_digit(*s->at) || *s->at == '$';
}

/* "64KiB" is written as "64K", too. */
static void drop_unit(char *word, size_t n)
{
    if (n > 3 && !strcmp(word + n - 2, "iB") && strchr("KMGT", word[n - 3]))
        word[n - 2] = 0;
}

/* What a number was expected for. */
static int complain_number(struct script *s, const char *where, const char *wrong)
{
    return script_complain(s, where, "%s, expected a number or $NAME%s%s", wrong, s->wanted ? " for " : "",
                           s->wanted ? s->wanted : "");
}

/* A word of digits and letters. */
static int read_digits(struct script *s, uint64_t *value)
{
    char word[64], wrong[256];
    const char *start = s->at;
    size_t n = 0;
    for (; is_name(*s->at); s->at++)
        if (n + 1 < sizeof word)
            word[n++] = *s->at;
    word[n] = 0;
    if (s->at - start >= (int)sizeof word)
        return script_complain(s, start, "a number of %d digits, expected less than %zu",
                               (int)(s->at - start), sizeof word);
    drop_unit(word, n);
    const char *why = cli_number(word, true, value);
    if (!why)
        return CLI_GO;
    if (script_find(word)) /* a value in a value */
        snprintf(wrong, sizeof wrong, "'%s' is a command: name its value before ($x = %s ...)", word, word);
    else
        snprintf(wrong, sizeof wrong, "'%s' %s", word, why);
    return complain_number(s, start, wrong);
}

static int read_term(struct script *s, uint64_t *value)
{
    char wrong[160];
    struct script_field named;
    const char *start = (read_blanks(s), s->at);
    if (is_name(*s->at))
        return read_digits(s, value);
    if (*s->at != '$') {
        snprintf(wrong, sizeof wrong, "found '%.20s'", start);
        return complain_number(s, start,
                               !*start || *start == '#' ? "the line ends"
                               : *start == '-'          ? "there are no negative numbers"
                                                        : wrong);
    }
    int status = read_name(s, &named);
    if (status == CLI_GO && named.form == FORM_WORD)
        return script_complain(s, start, "%.*s is the word '%.100s', expected a number", (int)(s->at - start),
                               start, named.word);
    *value = named.number;
    return status;
}

int read_number(struct script *s, uint64_t *value)
{
    int status = read_term(s, value);
    while (status == CLI_GO) {
        const char *before = s->at;
        read_blanks(s);
        char sign = *s->at;
        if (sign != '+' && sign != '-') {
            s->at = before;
            return CLI_GO;
        }
        const char *where = s->at++;
        uint64_t more = 0;
        status = read_term(s, &more);
        if (status == CLI_GO && sign == '+' && __builtin_add_overflow(*value, more, value))
            return script_complain(s, where, "the sum is larger than 2^64 - 1");
        if (status == CLI_GO && sign == '-' && __builtin_sub_overflow(*value, more, value))
            return script_complain(s, where, "the difference is less than 0");
    }
    return status;
}

/* ----- references, as a text trace has them ----- */

static int hex_digit(char c)
{
    c = (char)(c | ' ');
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* k, i, +, gN behind the size. */
static int read_reference_words(struct script *s, struct mmu_access *access)
{
    char word[64];
    for (; !read_end(s);) {
        const char *start = s->at;
        uint64_t gap;
        read_word(s, word, sizeof word);
        if (!strcmp(word, "k") || !strcmp(word, "i")) {
            access->kind =
                MMU_KIND_PRIV(MMU_KIND_OF(access->kind), *word == 'k' ? MMU_SUPERVISOR : MMU_IMPLICIT);
        } else if (!strcmp(word, "+")) {
            access->flags |= MMU_AF_FOLLOWS;
        } else if (*word == 'g' && !cli_number(word + 1, false, &gap) && gap <= UINT32_MAX) {
            access->flags |= MMU_AF_GAP;
            access->gap = (uint32_t)gap;
        } else {
            return script_complain(s, start, "'%s', expected k, i, + or gN behind the size", word);
        }
    }
    if (MMU_KIND_OF(access->kind) == MMU_FETCH && MMU_PRIV_OF(access->kind) == MMU_IMPLICIT)
        return script_complain(s, NULL, "a fetch is never implicit (i)");
    return CLI_GO;
}

int read_reference(struct script *s, bool *is, struct mmu_access *access, bool *modify)
{
    static const char LETTERS[] = "ILSM";
    read_blanks(s);
    const char *letter = *s->at ? strchr(LETTERS, *s->at) : NULL;
    *is = letter && is_blank(s->at[1]);
    if (!*is)
        return CLI_GO;
    *modify = *letter == 'M';
    *access = (struct mmu_access){.kind = *letter == 'I' ? MMU_FETCH : *letter == 'S' ? MMU_STORE : MMU_LOAD};
    s->at++;
    read_blanks(s);
    const char *start = s->at;
    if (s->at[0] == '0' && (s->at[1] == 'x' || s->at[1] == 'X'))
        s->at += 2;
    for (; hex_digit(*s->at) < 16; s->at++) {
        if (access->va >> 60)
            return script_complain(s, start, "the address is larger than 2^64 - 1");
        access->va = access->va << 4 | (unsigned)hex_digit(*s->at);
    }
    if (s->at == start || *s->at != ',')
        return script_complain(s, s->at, "expected ADDRESS,SIZE with a hexadecimal address");
    if (script_address_bits(s) == 32 && access->va >> 32)
        return script_complain(s, start, "0x%" PRIx64 " does not fit this machine's 32-bit addresses",
                               access->va);
    uint64_t size = 0;
    start = ++s->at;
    while (is_digit(*s->at) && size <= 4096)
        size = size * 10 + (unsigned)(*s->at++ - '0');
    if (s->at == start || size < 1 || size > 4096 || (*s->at && !is_blank(*s->at)))
        return script_complain(s, start, "expected a size of 1 to 4096 bytes");
    access->size = (uint16_t)size;
    return read_reference_words(s, access);
}
