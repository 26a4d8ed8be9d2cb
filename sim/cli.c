/*
 * sim/cli.c: options, numbers and complaints of the command line (see cli.h).
 *
 * Leaves out short options: the program has none but -h.
 */
#include "cli.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- complaints ---- */

/* One line whatever the words in it hold: a file name may contain a newline or an escape sequence. */
static int complain(const char *text)
{
    fputs("mmusim: ", stderr);
    for (const char *p = text; *p; p++)
        fputc((unsigned char)*p < 32 || *p == 127 ? '?' : *p, stderr);
    fputc('\n', stderr);
    return CLI_BAD;
}

int cli_error(const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return complain(text);
}

int cli_error_mmu(const struct mmu_error *err)
{
    char text[1024];
    return complain(mmu_error_format(err, text, sizeof text));
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b; words longer than the table are
 * never near. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 32 };
    size_t n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST)
        return SIZE_MAX;
    size_t d[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            if (!i || !j) {
                d[i][j] = i + j;
                continue;
            }
            size_t replace = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            d[i][j] = least(replace, least(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[n][m];
}

const char *cli_nearest(const char *word, const char *const *candidates, size_t n)
{
    const char *nearest = NULL;
    size_t near = strlen(word) / 3 + 2; /* farther is no misspelling */
    for (size_t i = 0; i < n; i++) {
        size_t distance = edit_distance(word, candidates[i]);
        if (distance < near) {
            near = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}

int cli_error_unknown(const char *what, const char *word, const char *const *candidates, size_t n)
{
    const char *nearest = cli_nearest(word, candidates, n);
    if (nearest)
        return cli_error("unknown %s '%s'; did you mean '%s'?", what, word, nearest);
    char expected[512] = "";
    for (size_t i = 0, used = 0; i < n && used < sizeof expected; i++)
        used +=
            (size_t)snprintf(expected + used, sizeof expected - used, "%s%s", i ? ", " : "", candidates[i]);
    return cli_error("unknown %s '%s', expected one of: %s", what, word, expected);
}

/* ---- numbers ---- */

/* A digit's value in the base, or -1. */
static int digit(char c, unsigned base)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = memchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c, base);
    return at ? (int)(at - digits) : -1;
}

static const char *apply_suffix(const char *text, uint64_t *value)
{
    static const char suffixes[] = "KMGT";
    const char *at = memchr(suffixes, *text >= 'a' ? *text - ('a' - 'A') : *text, 4);
    if (!at || text[1])
        return "is not a number with an optional suffix K, M, G or T";
    unsigned shift = 10 * (unsigned)(at - suffixes + 1);
    if (*value > UINT64_MAX >> shift)
        return "is larger than 2^64 - 1";
    *value <<= shift;
    return NULL;
}

const char *cli_number(const char *text, bool count, uint64_t *value)
{
    unsigned base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    if (base == 16)
        text += 2;
    if (digit(*text, base) < 0)
        return "is not a number";
    uint64_t sum = 0;
    for (int d; (d = digit(*text, base)) >= 0; text++)
        if (__builtin_mul_overflow(sum, (uint64_t)base, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)d, &sum))
            return "is larger than 2^64 - 1";
    *value = sum;
    if (!*text)
        return NULL;
    return count ? apply_suffix(text, value) : "is not a number";
}

/* ---- options ---- */

void cli_list_free(struct cli_list *list)
{
    free(list->item);
    *list = (struct cli_list){0};
}

static int list_add(struct cli_list *list, const char *word)
{
    const char **bigger = realloc(list->item, (list->n + 1) * sizeof *bigger);
    if (!bigger)
        return cli_error("out of memory");
    list->item = bigger;
    list->item[list->n++] = word;
    return CLI_GO;
}

static int set_number(const struct cli_option *option, const char *text)
{
    uint64_t value = 0, max = option->max ? option->max : UINT64_MAX;
    const char *wrong = cli_number(text, option->type == CLI_COUNT, &value);
    if (wrong)
        return cli_error("--%s: '%s' %s", option->name, text, wrong);
    if (value < option->min || value > max)
        return cli_error("--%s: %s is out of range, expected %" PRIu64 " to %" PRIu64, option->name, text,
                         option->min, max);
    *(uint64_t *)option->into = value;
    return CLI_GO;
}

static int set_choice(const struct cli_option *option, const char *text)
{
    char what[64];
    unsigned n = 0;
    for (; option->choices[n]; n++)
        if (!strcmp(option->choices[n], text)) {
            *(unsigned *)option->into = n;
            return CLI_GO;
        }
    snprintf(what, sizeof what, "value of --%s:", option->name);
    return cli_error_unknown(what, text, option->choices, n);
}

static int set_option(const struct cli_option *option, const char *text)
{
    if (option->given)
        *option->given = true;
    switch (option->type) {
    case CLI_FLAG:
        *(bool *)option->into = true;
        return CLI_GO;
    case CLI_TEXT:
        *(const char **)option->into = text;
        return CLI_GO;
    case CLI_TEXTS:
        return list_add(option->into, text);
    case CLI_CHOICE:
        return set_choice(option, text);
    case CLI_NUMBER:
    case CLI_COUNT:
        break;
    }
    return set_number(option, text);
}

static int unknown_option(const char *word, const struct cli_option *options, size_t n)
{
    enum { MOST = 64 };
    char text[MOST][32] = {"--help"};
    const char *names[MOST] = {text[0]};
    size_t count = 1;
    for (; count <= n && count < MOST; count++) {
        snprintf(text[count], sizeof text[count], "--%s", options[count - 1].name);
        names[count] = text[count];
    }
    return cli_error_unknown("option", word, names, count);
}

/* argv[*at] begins with "--": takes its value too and moves *at behind what was used. */
static int parse_option(const struct cli_option *options, size_t n, char **argv, int *at)
{
    const char *whole = argv[(*at)++], *word = whole + 2;
    size_t length = strcspn(word, "=");
    bool joined = word[length] == '=';
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1), word);
    const struct cli_option *option = NULL;
    for (size_t i = 0; i < n && !option; i++)
        if (!strcmp(options[i].name, name))
            option = &options[i];
    if (!option)
        return unknown_option(whole, options, n);
    if (option->type == CLI_FLAG)
        return joined ? cli_error("--%s takes no value", name) : set_option(option, NULL);
    if (joined)
        return set_option(option, word + length + 1);
    if (!argv[*at] || !strncmp(argv[*at], "--", 2))
        return cli_error("--%s: expected a value (%s)", name, option->value);
    return set_option(option, argv[(*at)++]);
}

/* Several lines, each behind the same indent but the first, which stands there already. */
static void print_indented(const char *text, int indent)
{
    for (;;) {
        int length = (int)strcspn(text, "\n");
        printf("%.*s\n", length, text);
        if (!text[length])
            return;
        text += length + 1;
        printf("%*s", indent, "");
    }
}

static void print_option(const struct cli_option *option, int width)
{
    char left[80];
    snprintf(left, sizeof left, option->value ? "--%s %s" : "--%s", option->name, option->value);
    printf("  %-*s  ", width, left);
    print_indented(option->help, width + 4);
}

/* How numbers are spelt, and of which options they may end in a suffix. */
static void print_numbers(const struct cli_option *options, size_t n)
{
    size_t counts = 0, numbers = 0;
    for (size_t i = 0; i < n; i++) {
        bool suffix = options[i].type == CLI_COUNT || options[i].counts;
        numbers += suffix || options[i].type == CLI_NUMBER;
        counts += suffix;
    }
    if (numbers)
        printf("\nNumbers are decimal, or hexadecimal with 0x.%s", counts ? "" : "\n");
    if (!counts)
        return;
    printf(" K, M, G or T behind those of");
    for (size_t i = 0, left = counts; i < n; i++)
        if (options[i].type == CLI_COUNT || options[i].counts) {
            printf(" --%s%s", options[i].name, --left > 1 ? "," : left ? " or" : "");
        }
    printf("\nmultiplies them by 1024, 1024^2, 1024^3 or 1024^4.\n");
}

static int print_help(const struct cli_command *command, const struct cli_option *options, size_t n)
{
    static const struct cli_option help = {.name = "help", .help = "print this text"};
    const char *usage = command->usage;
    for (const char *lead = "Usage:"; usage; lead = "      ") {
        int length = (int)strcspn(usage, "\n");
        printf("%s mmusim %s %.*s\n", lead, command->name, length, usage);
        usage = usage[length] ? usage + length + 1 : NULL;
    }
    printf("\n%s\n\nOptions:\n", command->summary);
    int width = 6;
    for (size_t i = 0; i < n; i++) {
        int length =
            (int)(strlen(options[i].name) + 2 + (options[i].value ? strlen(options[i].value) + 1 : 0));
        width = length > width ? length : width;
    }
    for (size_t i = 0; i < n; i++)
        print_option(&options[i], width);
    print_option(&help, width);
    print_numbers(options, n);
    if (command->details)
        printf("\n%s\n", command->details);
    struct cli_output out = {.file = stdout, .name = "standard output"};
    return cli_output_close(&out);
}

int cli_parse(const struct cli_command *command, const struct cli_option *options, size_t n, int argc,
              char **argv, struct cli_list *words)
{
    bool ended = false;
    for (int at = 1, status; at < argc;) {
        const char *word = argv[at];
        if (ended || word[0] != '-' || !word[1]) {
            status = list_add(words, word);
            at++;
        } else if (!strcmp(word, "--")) {
            ended = true;
            at++;
            continue;
        } else if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
            return print_help(command, options, n);
        } else if (word[1] != '-') {
            return unknown_option(word, options, n);
        } else {
            status = parse_option(options, n, argv, &at);
        }
        if (status != CLI_GO)
            return status;
    }
    return CLI_GO;
}
