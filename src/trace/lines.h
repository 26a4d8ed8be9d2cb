/*
 * lines.h: what the readers of text formats share: a window of whole lines over an input, numbers,
 * and the loop over lines.
 *
 * A format has one parser. It sees a line that ends in a newline, always: behind the last byte of the window
 * stands a guard of newlines, so that a parser needs no end to stop at. A line that lies only half in the
 * window is parsed too, wrongly or not; the loop notices that the parser met the guard, completes the line
 * and has it parsed again.
 */
#ifndef TRACE_LINES_H
#define TRACE_LINES_H

#include "bits.h"
#include "reader.h"

#include <string.h>

/* A line must fit into the window. GUARD: how far beyond the end a parser may look without meeting a newline.
 */
enum { LINES_BUFFER = 1 << 18, LINES_GUARD = 32 };

/* at <= end <= LINES_BUFFER; buffer[end..end + LINES_GUARD) are newlines. */
struct lines {
    struct input *input;
    uint64_t number; /* of the line at `at`, from 1 */
    size_t at, end;
    bool begun; /* its first bytes were read */
    bool ended; /* the input has no more bytes */
    bool has_pending;
    struct mmu_access pending; /* the second reference of a line, for which there was no room */
    char buffer[LINES_BUFFER + LINES_GUARD];
};

/* Why a parser refuses a line: what it found at `at`, and what it expected there. */
struct line_bad {
    const char *at, *expected;
    int code; /* MMU_ERR_FORMAT or MMU_ERR_RANGE */
};

/* At the first byte of an input that has not been read. */
void lines_start(struct lines *l, struct input *input);

/* Keeps the begun line and reads behind it. Returns false when nothing more came: the window is full, the
 * end, or a failure in *err. */
bool lines_refill(struct lines *l, struct mmu_error *err);

enum lines_state { LINES_WHOLE, LINES_DONE, LINES_FAILED };

/* Makes the line at `at` whole: its newline, or the end of the input, lies in the window. DONE: there is no
 * more line. FAILED: the input failed (what it left of a line is no line), or the line is too long; *err is
 * filled. */
enum lines_state lines_complete(struct lines *l, struct mmu_error *err);

/* Fills *err for a line that the parser refused. Returns its code. */
int lines_refuse(const struct lines *l, const struct line_bad *bad, struct mmu_error *err);

/* Is the line of n bytes one to pass over: blank, or a comment? */
bool lines_blank(const char *line, size_t n);

/* The first lines of a head, for sniffing: calls `of` with each whole line that is not blank and no comment
 * until one is refused (*refused). Returns how many were accepted before it. The line is followed by a guard
 * like any other, and that by a 0. */
unsigned lines_try(const unsigned char *head, size_t n, bool (*of)(const char *line), bool *refused);

/* How sure a format is whose lines come first, before one that it refuses: surer than whoever wants none of
 * them, so that it says itself what is wrong. */
unsigned lines_begin(size_t accepted);

/* reader_ops.open, rewind and close of a format whose state is a struct lines and nothing else. */
int lines_open(struct mmu_trace_reader *r, struct mmu_error *err);
int lines_rewind(struct mmu_trace_reader *r, struct mmu_error *err);
void lines_close(struct mmu_trace_reader *r);

/* Value of a hexadecimal digit, exclusive-or 16: 16 or more stands for a digit, 0 for every other byte. */
extern const uint8_t lines_hex[256];

ALWAYS_INLINE const char *line_skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

/* At the end of a line: its newline, or the carriage return before it. */
ALWAYS_INLINE bool line_ends(const char *p)
{
    return *p == '\n' || (*p == '\r' && p[1] == '\n');
}

static inline const char *line_refuse(struct line_bad *bad, const char *at, int code, const char *expected)
{
    *bad = (struct line_bad){at, expected, code};
    return NULL;
}

/* A hexadecimal number below 2^64, with or without 0x. Returns the byte behind it. */
ALWAYS_INLINE const char *line_hex(const char *p, uint64_t *value, const char *expected, struct line_bad *bad)
{
    const char *start = p, *digits;
    uint64_t v = 0;
    unsigned d;

    if (p[0] == '0' && (p[1] | 32) == 'x')
        p += 2;
    digits = p;
    for (; (d = lines_hex[(uint8_t)*p] ^ 16u) < 16; p++) {
        if (UNLIKELY(v >> 60))
            return line_refuse(bad, start, MMU_ERR_RANGE, expected);
        v = v << 4 | d;
    }
    if (UNLIKELY(p == digits))
        return line_refuse(bad, start, MMU_ERR_FORMAT, expected);
    *value = v;
    return p;
}

/* The newline at or behind p. */
ALWAYS_INLINE const char *line_rest(const char *p)
{
    while (*p != '\n')
        p++;
    return p;
}

/* A decimal number below 2^64. */
ALWAYS_INLINE const char *line_decimal(const char *p, uint64_t *value, const char *expected,
                                       struct line_bad *bad)
{
    const char *start = p;
    uint64_t v = 0;
    unsigned d;

    for (; (d = (unsigned)(uint8_t)*p - '0') < 10; p++) {
        if (UNLIKELY(v >= UINT64_MAX / 10 && (v > UINT64_MAX / 10 || d > UINT64_MAX % 10)))
            return line_refuse(bad, start, MMU_ERR_RANGE, expected);
        v = v * 10 + d;
    }
    if (UNLIKELY(p == start))
        return line_refuse(bad, start, MMU_ERR_FORMAT, expected);
    *value = v;
    return p;
}

/* Does a reference of this size end below 2^64? */
ALWAYS_INLINE bool line_fits(uint64_t va, uint64_t size)
{
    return size >= 1 && size <= 4096 && va + (size - 1) >= va;
}

/*
 * A parser. line: its first byte. Fills a[0], and a[1] when *n becomes 2; *n = 0: a line to pass over.
 * Returns the newline at which the line ends, or NULL with *bad filled.
 */
#define LINE_PARSER(name)                                                                                    \
    const char *name(struct mmu_trace_reader *r, const char *line, struct mmu_access *a, unsigned *n,        \
                     struct line_bad *bad)

/*
 * reader_ops.read over lines; inlined into each format's own with its parser. A parser may run twice over one
 * line, so it changes nothing; accept, if there is one, is called once for each line that gives references,
 * with the number of the first, and may give up to READER_RECORD_MARKS marks.
 */
ALWAYS_INLINE size_t lines_read(struct mmu_trace_reader *r, struct lines *l, struct mmu_access *to,
                                size_t max, LINE_PARSER((*parse)),
                                void (*accept)(struct mmu_trace_reader *r, uint64_t number))
{
    size_t got = 0;
    struct mmu_access two[2];
    uint64_t lines = 0, skipped = 0, kinds[MMU_KINDS] = {0};

    if (l->has_pending) {
        l->has_pending = false;
        kinds[MMU_KIND_OF(l->pending.kind)]++;
        to[got++] = l->pending;
    }
    while (got < max && !(accept && reader_full(r))) {
        const char *line = l->buffer + l->at;
        struct line_bad bad;
        unsigned n = 1;
        const char *newline = parse(r, line, two, &n, &bad);

        if (UNLIKELY(!newline || newline >= l->buffer + l->end)) {
            enum lines_state state;
            l->number += lines;
            lines = 0;
            state = lines_complete(l, &r->failure);
            if (state != LINES_WHOLE)
                break;
            line = l->buffer + l->at;
            n = 1;
            newline = parse(r, line, two, &n, &bad);
            if (!newline) {
                lines_refuse(l, &bad, &r->failure);
                break;
            }
        }
        l->at = (size_t)(newline - l->buffer) + (newline < l->buffer + l->end);
        lines++;
        if (UNLIKELY(n != 1)) {
            if (!n) {
                skipped++;
                continue;
            }
            l->pending = two[1];
            l->has_pending = true;
        }
        if (accept)
            accept(r, r->position + got);
        kinds[MMU_KIND_OF(two[0].kind)]++;
        to[got++] = two[0];
        if (UNLIKELY(l->has_pending) && got < max) {
            l->has_pending = false;
            kinds[MMU_KIND_OF(two[1].kind)]++;
            to[got++] = two[1];
        }
    }
    l->number += lines;
    r->info.skipped += skipped;
    for (int k = 0; k < MMU_KINDS; k++)
        r->info.kinds[k] += kinds[k];
    r->info.has_fetches = r->info.kinds[MMU_FETCH] > 0;
    return got;
}

#endif
