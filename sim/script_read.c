/*
 * sim/script_read.c: a line of a scenario: words, numbers, arguments by a command's parameters, and the
 * references of a text trace.
 */
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

/* ----- numbers ----- */

bool looks_like_number(struct script *s)
{
    read_blanks(s);
    return is_digit(*s->at) || *s->at == '$';
}

static int read_name(struct script *s, uint64_t *value)
{
    const char *start = s->at++;
    char name[SCRIPT_NAME];
    size_t n = 0;
    for (; is_name(*s->at); s->at++)
        if (n + 1 < sizeof name)
            name[n++] = *s->at;
    name[n] = 0;
    if (!n)
        return script_complain(s, start, "expected a name behind '$'");
    if (script_name_find(s, name, value))
        return CLI_GO;
    const char *known[256];
    size_t count = 0;
    for (; count < s->n_names && count < 256; count++)
        known[count] = s->names[count].name;
    const char *near = cli_nearest(name, known, count);
    return near ? script_complain(s, start, "unknown name '$%s'; did you mean '$%s'?", name, near)
                : script_complain(s, start, "unknown name '$%s', expected one that has been given a value",
                                  name);
}

static int read_term(struct script *s, uint64_t *value)
{
    char word[64];
    size_t n = 0;
    read_blanks(s);
    if (*s->at == '$')
        return read_name(s, value);
    const char *start = s->at;
    for (; is_name(*s->at); s->at++)
        if (n + 1 < sizeof word)
            word[n++] = *s->at;
    word[n] = 0;
    if (!n && (!*start || *start == '#'))
        return script_complain(s, start, "expected a number or $NAME, but the line ends");
    if (!n)
        return script_complain(s, start, "expected a number or $NAME, found '%.20s'", start);
    const char *wrong = cli_number(word, true, value);
    return wrong ? script_complain(s, start, "'%s' %s, expected a number or $NAME", word, wrong) : CLI_GO;
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

/* ----- arguments ----- */

struct bit {
    const char *name;
    uint32_t bit;
};
static const struct bit PROTS[] = {{"PROT_NONE", MMU_PROT_NONE},
                                   {"PROT_READ", MMU_PROT_READ},
                                   {"PROT_WRITE", MMU_PROT_WRITE},
                                   {"PROT_EXEC", MMU_PROT_EXEC}};
static const struct bit MAPS[] = {
    {"MAP_SHARED", MMU_MAP_SHARED},       {"MAP_PRIVATE", MMU_MAP_PRIVATE},
    {"MAP_FIXED", MMU_MAP_FIXED},         {"MAP_ANONYMOUS", MMU_MAP_ANONYMOUS},
    {"MAP_GROWSDOWN", MMU_MAP_GROWSDOWN}, {"MAP_LOCKED", MMU_MAP_LOCKED},
    {"MAP_POPULATE", MMU_MAP_POPULATE},   {"MAP_FIXED_NOREPLACE", MMU_MAP_FIXED_NOREPLACE}};

static const struct bit MREMAPS[] = {{"MREMAP_MAYMOVE", MMU_MREMAP_MAYMOVE},
                                     {"MREMAP_FIXED", MMU_MREMAP_FIXED}};

/* NAME|NAME|... of a table of bits. */
static int read_bits(struct script *s, const struct bit *bit, size_t n, const char *what, uint64_t *value)
{
    char word[SCRIPT_LINE];
    const char *names[16], *start = (read_blanks(s), s->at);
    if (!read_word(s, word, sizeof word))
        return script_complain(s, s->at, "expected %s, but the line ends", what);
    for (size_t i = 0; i < n; i++)
        names[i] = bit[i].name;
    *value = 0;
    char *part = word;
    for (bool more = true; more;) {
        size_t length = strcspn(part, "|"), i = 0;
        more = part[length] == '|';
        part[length] = 0;
        while (i < n && strcmp(part, bit[i].name))
            i++;
        if (i == n)
            return script_unknown(s, start + (part - word), what, part, names, n);
        *value |= bit[i].bit;
        part += length + 1;
    }
    return CLI_GO;
}

static int read_gfp(struct script *s, uint64_t *value)
{
    char word[SCRIPT_LINE];
    struct mmu_error err = {0};
    uint32_t gfp = 0;
    if (*s->at == '$')
        return read_number(s, value);
    const char *start = s->at;
    if (!read_word(s, word, sizeof word))
        return script_complain(s, start, "expected a GFP mask, but the line ends");
    if (mmu_os_gfp_parse(word, &gfp, &err))
        return script_complain(s, start, "%s", err.message);
    *value = gfp;
    return CLI_GO;
}

static int read_choice(struct script *s, const char *what, const char *const *words, size_t n,
                       uint64_t *value)
{
    char word[64];
    const char *start = (read_blanks(s), s->at);
    if (!read_word(s, word, sizeof word))
        return script_complain(s, start, "expected %s, but the line ends", what);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(word, words[i])) {
            *value = i;
            return CLI_GO;
        }
    return script_unknown(s, start, what, word, words, n);
}

static int read_zone(struct script *s, uint64_t *value)
{
    const char *names[MMU_ZONES];
    for (unsigned i = 0; i < MMU_ZONES; i++)
        names[i] = mmu_os_zone_name((enum mmu_os_zone)i);
    return read_choice(s, "zone", names, MMU_ZONES, value);
}

/* A number within what its parameter may be. */
static int read_checked(struct script *s, const struct script_parameter *p, uint64_t *value)
{
    const char *start = (read_blanks(s), s->at);
    int status = read_number(s, value);
    if (status != CLI_GO)
        return status;
    if (p->type == TYPE_SIZE && !*value)
        return script_complain(s, start, "%s is 0, expected at least 1", p->name);
    if (p->type == TYPE_ADDRESS && script_address_bits(s) == 32 && *value >> 32)
        return script_complain(s, start, "0x%" PRIx64 " does not fit this machine's 32-bit addresses",
                               *value);
    if (p->type == TYPE_PFN && s->os) {
        struct mmu_os_totals t;
        mmu_os_totals(s->os, &t);
        if (*value >= t.max_pfn)
            return script_complain(s, start,
                                   "0x%" PRIx64 " is no page frame of this machine, expected a number "
                                   "below 0x%" PRIx64,
                                   *value, t.max_pfn);
    }
    return CLI_GO;
}

static int read_one(struct script *s, const struct script_parameter *p, struct script_argument *a)
{
    size_t words = 0;
    read_blanks(s);
    a->given = true;
    a->column = (unsigned)(s->at - s->text) + 1;
    switch (p->type) {
    case TYPE_GFP:
        return read_gfp(s, &a->number);
    case TYPE_PROT:
        return read_bits(s, PROTS, sizeof PROTS / sizeof *PROTS, "protection", &a->number);
    case TYPE_MAP:
        return read_bits(s, MAPS, sizeof MAPS / sizeof *MAPS, "flag of mmap", &a->number);
    case TYPE_MREMAP:
        return read_bits(s, MREMAPS, sizeof MREMAPS / sizeof *MREMAPS, "flag of mremap", &a->number);
    case TYPE_CHOICE:
        while (p->words[words])
            words++;
        return read_choice(s, p->name, p->words, words, &a->number);
    case TYPE_ZONE:
        return read_zone(s, &a->number);
    case TYPE_TEXT:
        return read_word(s, a->text, sizeof a->text)
                   ? CLI_GO
                   : script_complain(s, s->at, "expected %s, but the line ends", p->name);
    default:
        return read_checked(s, p, &a->number);
    }
}

/* Does an expectation's operator stand here? */
static bool at_operator(const char *word)
{
    static const char *const OPERATORS[] = {"is", "fails", "contains", "lacks"};
    for (size_t i = 0; i < sizeof OPERATORS / sizeof *OPERATORS; i++)
        if (!strcmp(word, OPERATORS[i]))
            return true;
    return *word && strchr("=!<>", *word);
}

/* Can the word that stands there be the value of this optional parameter? */
static bool may_begin(struct script *s, const struct script_parameter *p)
{
    char word[64];
    if (!peek_word(s, word, sizeof word) || at_operator(word))
        return false;
    if (p->type == TYPE_CHOICE) {
        for (size_t i = 0; p->words[i]; i++)
            if (!strcmp(word, p->words[i]))
                return true;
        return false;
    }
    if (p->type == TYPE_ZONE) {
        for (unsigned i = 0; i < MMU_ZONES; i++)
            if (!strcmp(word, mmu_os_zone_name((enum mmu_os_zone)i)))
                return true;
        return false;
    }
    return p->type == TYPE_TEXT || p->type == TYPE_GFP || p->type == TYPE_MREMAP || looks_like_number(s);
}

static const struct script_parameter *keyword(const struct script_command *c, const char *word, size_t *index)
{
    for (*index = 0; *index < SCRIPT_ARGS && c->parameter[*index].type; ++*index)
        if (c->parameter[*index].keyword && !strcmp(c->parameter[*index].name, word))
            return &c->parameter[*index];
    return NULL;
}

static bool at_keyword(struct script *s, const struct script_command *c)
{
    char word[64];
    size_t i;
    return peek_word(s, word, sizeof word) && keyword(c, word, &i);
}

static int read_keywords(struct script *s, const struct script_command *c, struct script_argument *a,
                         char *field)
{
    char word[SCRIPT_NAME];
    while (peek_word(s, word, sizeof word) && !at_operator(word)) {
        size_t i;
        const char *start = (read_blanks(s), s->at);
        const struct script_parameter *p = keyword(c, word, &i);
        read_word(s, word, sizeof word);
        if (p && a[i].given)
            return script_complain(s, start, "'%s' stands twice", word);
        if (p) {
            int status = read_one(s, p, &a[i]);
            if (status != CLI_GO)
                return status;
        } else if (c->gives && !*field && !is_digit(*word) && *word != '$') {
            snprintf(field, SCRIPT_NAME, "%s", word);
            s->field_at = start;
        } else {
            char usage[256];
            return script_complain(s, start, "'%s' is too much, expected %s", word,
                                   help_usage(c, usage, sizeof usage));
        }
    }
    return CLI_GO;
}

int read_arguments(struct script *s, const struct script_command *c, struct script_argument *a, char *field)
{
    memset(a, 0, SCRIPT_ARGS * sizeof *a);
    *field = 0;
    for (size_t i = 0; i < SCRIPT_ARGS && c->parameter[i].type; i++) {
        const struct script_parameter *p = &c->parameter[i];
        a[i].number = p->otherwise;
        if (p->keyword || (p->optional && (at_keyword(s, c) || !may_begin(s, p))))
            continue;
        if (read_end(s)) {
            char usage[256];
            return script_complain(s, s->at, "expected %s, but the line ends: %s", p->name,
                                   help_usage(c, usage, sizeof usage));
        }
        int status = read_one(s, p, &a[i]);
        if (status != CLI_GO)
            return status;
    }
    return read_keywords(s, c, a, field);
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
    char word[16];
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
