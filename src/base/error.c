/*
 * error.c: status texts, error values and the nearest word. Knows nothing of who parses what.
 */
#include "error.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *mmu_status_text(int status)
{
    switch (status) {
#define X(name, value, text)                                                                                 \
    case value:                                                                                              \
        return text;
        MMU_STATUSES(X)
#undef X
    }
    return "unknown status";
}

const char *mmu_error_format(const struct mmu_error *err, char *buf, size_t size)
{
    const char *file = err->file, *separator = *file ? ": " : "";
    const char *message = *err->message ? err->message : mmu_status_text(err->code);

    if (!size)
        return buf;
    if (err->line && err->column)
        snprintf(buf, size, "%s%s%u:%u: %s", file, *file ? ":" : "line ", err->line, err->column, message);
    else if (err->line)
        snprintf(buf, size, "%s%s%u: %s", file, *file ? ":" : "line ", err->line, message);
    else if (err->has_offset)
        snprintf(buf, size, "%s%sbyte %" PRIu64 ": %s", file, separator, err->offset, message);
    else
        snprintf(buf, size, "%s%s%s", file, separator, message);
    return buf;
}

/* Everything but the place. */
static void fill(struct mmu_error *err, int code, const char *file, const char *format, va_list args)
{
    memset(err, 0, sizeof *err);
    err->code = code;
    snprintf(err->file, sizeof err->file, "%s", file ? file : "");
    vsnprintf(err->message, sizeof err->message, format, args);
}

int err_set(struct mmu_error *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        fill(err, code, NULL, format, args);
        va_end(args);
    }
    return code;
}

int err_at(struct mmu_error *err, int code, const char *file, unsigned line, unsigned column,
           const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        fill(err, code, file, format, args);
        va_end(args);
        err->line = line;
        err->column = column;
    }
    return code;
}

int err_offset(struct mmu_error *err, int code, const char *file, uint64_t offset, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        fill(err, code, file, format, args);
        va_end(args);
        err->has_offset = true;
        err->offset = offset;
    }
    return code;
}

/* Longer words are no keys of ours: they get no suggestion. */
enum { WORD_MAX = 64 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment: row[0] is the current row, row[1] and row[2] those before it. */
static unsigned distance(const char *a, size_t la, const char *b, size_t lb)
{
    unsigned row[3][WORD_MAX + 1];

    for (size_t j = 0; j <= lb; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        memcpy(row[2], row[1], sizeof row[1]);
        memcpy(row[1], row[0], sizeof row[0]);
        row[0][0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned d = least(row[1][j], row[0][j - 1]) + 1;
            d = least(d, row[1][j - 1] + !same(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                d = least(d, row[2][j - 2] + 1);
            row[0][j] = d;
        }
    }
    return row[0][lb];
}

const char *err_suggest(const char *word, const char *const *candidates, size_t n)
{
    size_t length = strlen(word);
    const char *best = NULL;
    unsigned nearest = length < 3 ? 1 : (unsigned)(length + 2) / 3; /* farther ones are other words */

    if (!length || length > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t l = candidates[i] ? strlen(candidates[i]) : 0;
        if (!l || l > WORD_MAX)
            continue;
        unsigned d = distance(word, length, candidates[i], l);
        if (d < nearest || (d == nearest && !best && d < length)) {
            nearest = d;
            best = candidates[i];
        }
    }
    return best;
}
