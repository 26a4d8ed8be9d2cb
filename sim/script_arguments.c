/* sim/script_arguments.c: the arguments of a command, by the parameters that its row of the table has. */
#include "script.h"
#include <inttypes.h>
#include <string.h>

/* ----- flags ----- */

struct bit {
    const char *name;
    uint32_t bit;
};
#define BIT(name)                                                                                            \
    {                                                                                                        \
#name, MMU_##name                                                                                    \
    }
static const struct bit PROTS[] = {BIT(PROT_NONE), BIT(PROT_READ), BIT(PROT_WRITE), BIT(PROT_EXEC)};
static const struct bit MAPS[] = {
    BIT(MAP_SHARED),    BIT(MAP_PRIVATE),    BIT(MAP_FIXED),          BIT(MAP_ANONYMOUS), BIT(MAP_GROWSDOWN),
    BIT(MAP_DENYWRITE), BIT(MAP_EXECUTABLE), BIT(MAP_LOCKED),         BIT(MAP_NORESERVE), BIT(MAP_POPULATE),
    BIT(MAP_NONBLOCK),  BIT(MAP_STACK),      BIT(MAP_FIXED_NOREPLACE)};
static const struct bit MREMAPS[] = {BIT(MREMAP_MAYMOVE), BIT(MREMAP_FIXED)};

static const struct flags {
    const char *what;
    const struct bit *bit;
    size_t n;
} FLAGS[] = {
    [TYPE_PROT] = {"protection", PROTS, sizeof PROTS / sizeof *PROTS},
    [TYPE_MAP] = {"flag of mmap", MAPS, sizeof MAPS / sizeof *MAPS},
    [TYPE_MREMAP] = {"flag of mremap", MREMAPS, sizeof MREMAPS / sizeof *MREMAPS},
};

/* NAME|NAME|... */
static int read_flags(struct script *s, const struct flags *flags, uint64_t *value)
{
    char word[SCRIPT_LINE];
    const char *names[16], *start = (read_blanks(s), s->at);
    if (!read_word(s, word, sizeof word))
        return script_complain(s, s->at, "expected a %s, but the line ends", flags->what);
    for (size_t i = 0; i < flags->n; i++)
        names[i] = flags->bit[i].name;
    *value = 0;
    char *part = word;
    for (bool more = true; more;) {
        size_t length = strcspn(part, "|"), i = 0;
        more = part[length] == '|';
        part[length] = 0;
        while (i < flags->n && strcmp(part, names[i]) != 0)
            i++;
        if (i == flags->n)
            return script_unknown(s, start + (part - word), flags->what, part, names, flags->n);
        *value |= flags->bit[i].bit;
        part += length + 1;
    }
    return CLI_GO;
}

/* A mask in words, or a name that stands for one. */
static int read_gfp(struct script *s, uint64_t *value)
{
    char word[SCRIPT_LINE];
    struct mmu_error err = {0};
    uint32_t gfp = 0;
    const char *start = s->at;
    if (*s->at == '$') {
        int status = read_number(s, value);
        return status != CLI_GO || *value <= UINT32_MAX
                   ? status
                   : script_complain(s, start, "0x%" PRIx64 " is no GFP mask, expected less than 2^32",
                                     *value);
    }
    if (!read_word(s, word, sizeof word))
        return script_complain(s, start, "expected a GFP mask, but the line ends");
    if (mmu_os_gfp_parse(word, &gfp, &err))
        return script_complain(s, start, "%s", err.message);
    *value = gfp;
    return CLI_GO;
}

/* ----- words ----- */

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

size_t parameter_words(const struct script_parameter *p, const char **words, size_t max)
{
    static const char *const GFPS[] = {
#define MMU_X(name, value) #name,
        MMU_GFP_MASKS(MMU_X)
#undef MMU_X
#define MMU_X(name, value) "__GFP_" #name,
            MMU_GFP_BITS(MMU_X)
#undef MMU_X
    };
    const char *zones[MMU_ZONES], *const *from = p->words;
    size_t n = 0, have = 0;
    for (size_t i = 0; i < MMU_ZONES; i++)
        zones[i] = mmu_os_zone_name((enum mmu_os_zone)i);
    if (p->type == TYPE_PROT || p->type == TYPE_MAP || p->type == TYPE_MREMAP) {
        for (; n < max && n < FLAGS[p->type].n; n++)
            words[n] = FLAGS[p->type].bit[n].name;
    } else if (p->type == TYPE_CHOICE) {
        while (from[have])
            have++;
    } else if (p->type == TYPE_ZONE) {
        from = zones, have = MMU_ZONES;
    } else if (p->type == TYPE_GFP) {
        from = GFPS, have = sizeof GFPS / sizeof *GFPS;
    }
    for (; n < max && n < have; n++)
        words[n] = from[n];
    return n;
}

/* ----- numbers ----- */

/* A number within what its parameter may be. */
static int read_checked(struct script *s, const struct script_parameter *p, uint64_t *value)
{
    const char *start = (read_blanks(s), s->at);
    s->wanted = p->name;
    int status = read_number(s, value);
    s->wanted = NULL;
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
    const char *words[32];
    read_blanks(s);
    a->given = true;
    switch (p->type) {
    case TYPE_GFP:
        return read_gfp(s, &a->number);
    case TYPE_PROT:
    case TYPE_MAP:
    case TYPE_MREMAP:
        return read_flags(s, &FLAGS[p->type], &a->number);
    case TYPE_CHOICE:
    case TYPE_ZONE:
        return read_choice(s, p->name, words, parameter_words(p, words, sizeof words / sizeof *words),
                           &a->number);
    case TYPE_TEXT:
        return read_text(s, p->name, a->text);
    default:
        return read_checked(s, p, &a->number);
    }
}

/* Can the word that stands there be the value of this optional parameter? */
static bool may_begin(struct script *s, const struct script_parameter *p)
{
    const char *words[32];
    char word[64];
    if (!peek_word(s, word, sizeof word) || at_relation(word))
        return false;
    if (p->type == TYPE_CHOICE || p->type == TYPE_ZONE) {
        size_t n = parameter_words(p, words, sizeof words / sizeof *words);
        while (n && strcmp(word, words[n - 1]) != 0)
            n--;
        return n;
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

/* ----- fields ----- */

static bool looks_like_name(const char *word)
{
    return (*word >= 'a' && *word <= 'z') || (*word >= 'A' && *word <= 'Z') || *word == '_';
}

/* The words that might have been meant by one that is no field: choices and keywords. */
static size_t other_words(const struct script_command *c, const char **words, size_t n, size_t max)
{
    for (size_t i = 0; i < SCRIPT_ARGS && c->parameter[i].type && n < max; i++) {
        const struct script_parameter *p = &c->parameter[i];
        size_t known = 0;
        while (known < n && strcmp(words[known], p->name) != 0)
            known++;
        if (p->keyword && known == n)
            words[n++] = p->name;
        else if (p->type == TYPE_CHOICE && p->optional)
            n += parameter_words(p, words + n, max - n);
    }
    return n;
}

/* A field that a command does not have is told before anything is done. */
static int check_field(struct script *s, const struct script_command *c, const char *wanted, const char *at)
{
    char name[SCRIPT_FIELDS][SCRIPT_NAME];
    const char *names[2 * SCRIPT_FIELDS];
    bool open = false;
    size_t n = 0;
    for (; n < SCRIPT_FIELDS && help_field(c, n, name[n], &open); n++) {
        names[n] = name[n];
        if (!strcmp(name[n], wanted))
            return CLI_GO;
    }
    if (open)
        return CLI_GO;
    size_t all = other_words(c, names, n, sizeof names / sizeof *names);
    return all ? script_unknown(s, at, all > n ? "field or argument" : "field", wanted, names, all)
               : script_complain(s, at, "'%s' is too much: %s gives one value", wanted, c->name);
}

/* What stands behind the arguments: keywords in any order, and one field. */
static int read_keywords(struct script *s, const struct script_command *c, struct script_argument *a,
                         char *field, const char **field_at)
{
    char word[SCRIPT_NAME], usage[256];
    while (peek_word(s, word, sizeof word) && !at_relation(word)) {
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
        } else if (c->gives && !*field && looks_like_name(word)) {
            snprintf(field, SCRIPT_NAME, "%s", word);
            *field_at = start;
        } else {
            return script_complain(s, start, "'%s' is too much, expected %s", word,
                                   help_usage(c, usage, sizeof usage));
        }
    }
    return *field ? check_field(s, c, field, *field_at) : CLI_GO;
}

int read_arguments(struct script *s, const struct script_command *c, struct script_argument *a, char *field,
                   const char **field_at)
{
    char usage[256];
    memset(a, 0, SCRIPT_ARGS * sizeof *a);
    *field = 0;
    for (size_t i = 0; i < SCRIPT_ARGS && c->parameter[i].type; i++) {
        const struct script_parameter *p = &c->parameter[i];
        a[i].number = p->otherwise;
        if (p->keyword || (p->optional && (at_keyword(s, c) || !may_begin(s, p))))
            continue;
        if (read_end(s))
            return script_complain(s, s->at, "expected %s, but the line ends: %s", p->name,
                                   help_usage(c, usage, sizeof usage));
        int status = read_one(s, p, &a[i]);
        if (status != CLI_GO)
            return status;
    }
    return read_keywords(s, c, a, field, field_at);
}
