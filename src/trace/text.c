/*
 * text.c: reads the text form. Lines as Lackey prints them take a fast path that looks at each byte once;
 * whatever deviates goes to text_parse_line(), which knows the whole grammar and every message.
 */
#include "text.h"

#include "error.h"
#include "lines.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_LIMIT = 1 << 12, /* a longer line can be no reference */ OTHERS_MOST = 1000 };

/* The state starts with its lines. */
struct text {
    struct lines l;
    uint64_t others;        /* lines that are nothing, before the first reference or mark */
    struct mmu_error other; /* the first of them */
};

/*
 * A line in Lackey's own shape ("I  " or " X " and so on) from p; never beyond the guard. Returns the byte
 * behind its newline and fills *a, or NULL for text_parse_line() to look at.
 */
ALWAYS_INLINE const char *parse_fast(const char *p, struct mmu_access *a, bool *modify)
{
    static const uint8_t kinds[32] = {
        ['L' & 31] = MMU_LOAD + 1, ['S' & 31] = MMU_STORE + 1, ['M' & 31] = MMU_LOAD + 1};
    const char *digits;
    uint64_t va = 0;
    unsigned size = 0, kind, d;

    if (p[0] == 'I' && p[1] == ' ') {
        kind = MMU_FETCH;
        *modify = false;
    } else {
        if (p[0] != ' ' || (p[1] & 0xe0) != 0x40 || !kinds[p[1] & 31])
            return NULL;
        kind = kinds[p[1] & 31] - 1u;
        *modify = p[1] == 'M';
    }
    if (p[2] != ' ')
        return NULL;
    p += 3;
    digits = p;
    for (; (d = lines_hex[(uint8_t)*p] ^ 16u) < 16; p++)
        va = va << 4 | d;
    if (UNLIKELY(p == digits || p - digits > 16 || *p != ','))
        return NULL;
    p++;
    digits = p;
    for (; (d = (unsigned)(uint8_t)*p - '0') < 10; p++)
        size = size * 10 + d;
    if (UNLIKELY(p - digits > 4 || size - 1 > TEXT_SIZE_MAX - 1 || *p != '\n' || va + (size - 1) < va))
        return NULL;
    a->va = va;
    a->gap = 0;
    a->size = (uint16_t)size;
    a->kind = (uint8_t)kind;
    a->flags = 0;
    return p + 1;
}

/* The rest of a line that is passed over. Returns false when the input ends in it or fails. */
static bool pass_over(struct text *t, struct mmu_error *err)
{
    for (;;) {
        char *newline = memchr(t->l.buffer + t->l.at, '\n', t->l.end - t->l.at);
        if (newline) {
            t->l.at = (size_t)(newline - t->l.buffer) + 1;
            t->l.number++;
            return true;
        }
        t->l.at = t->l.end;
        if (!lines_refill(&t->l, err))
            return false;
    }
}

/* A mark, or a line of a process's maps. */
static int take_mark(struct mmu_trace_reader *r, struct text *t, const char *line, const char *end,
                     uint64_t at)
{
    const char *rest;
    char text[MMU_MARK_TEXT];
    uint64_t value;
    int word = text_parse_mark(line, end, &value, &rest, r->name, t->l.number, &r->failure);

    if (word < 0)
        return word;
    r->info.maps_ahead = true; /* they stand where they were made, or behind everything */
    if (word == TEXT_MAPS)
        return reader_keep_maps(r, value, "", 0, false, &r->failure);
    if (word == TEXT_MAP) {
        int code = reader_keep_maps(r, value, rest, (size_t)(end - rest), true, &r->failure);
        return code ? code : reader_keep_maps(r, value, "\n", 1, true, &r->failure);
    }
    if (word == MMU_MARK_EVENT) {
        while (end > rest && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
            end--;
        memcpy(text, rest, (size_t)(end - rest));
        text[end - rest] = 0;
    }
    reader_mark(r, at, (enum mmu_mark_kind)word, value, word == MMU_MARK_EVENT ? text : NULL);
    return MMU_OK;
}

/* Has there been neither reference nor mark, but lines that are nothing? */
static bool is_nothing(const struct mmu_trace_reader *r, const struct text *t)
{
    uint64_t sum = r->info.maps;

    for (int k = 0; k < MMU_KINDS; k++)
        sum += r->info.kinds[k];
    for (int k = 0; k < MMU_MARK_KINDS; k++)
        sum += r->info.marks[k];
    return !sum && t->others;
}

/* Nothing but such lines: the first one is told, and what the file may be. */
static int refuse_nothing(struct mmu_trace_reader *r, const struct text *t)
{
    return err_at(&r->failure, t->other.code, r->name, t->other.line, t->other.column,
                  "%s; plain columns need --columns", t->other.message);
}

/* The input has ended or failed: a trace of nothing but such lines is none. */
static void finish(struct mmu_trace_reader *r, const struct text *t)
{
    if (!r->failure.code)
        r->info.maps_ahead = false;
    if (!r->failure.code && is_nothing(r, t))
        refuse_nothing(r, t);
}

/* A line that is nothing: passed over, but not too many of them before anything else. */
static int pass_other(struct mmu_trace_reader *r, struct text *t, const struct mmu_error *why)
{
    if (!t->others++)
        t->other = *why;
    if (t->others <= OTHERS_MOST || !is_nothing(r, t))
        return 0;
    return refuse_nothing(r, t);
}

/* A line that the fast path did not take. Returns references written to to[2]; 0: passed over, or the end or
 * a failure (*stop). */
static size_t parse_slow(struct mmu_trace_reader *r, struct text *t, struct mmu_access to[2], uint64_t at,
                         bool *stop)
{
    const char *line, *newline, *end;
    struct mmu_error why;
    bool mark;
    int n;

    while (!(newline = memchr(t->l.buffer + t->l.at, '\n', t->l.end - t->l.at)) &&
           t->l.end - t->l.at < LINE_LIMIT)
        if (!lines_refill(&t->l, &r->failure))
            break;
    line = t->l.buffer + t->l.at;
    end = newline ? newline : t->l.buffer + t->l.end;
    /* A failure of the input comes after the complete lines; the last line, if it lacks its newline, may be
     * cut. */
    *stop = !newline && (r->failure.code || line == end);
    if (*stop) {
        finish(r, t);
        return 0;
    }
    mark = text_is_mark(line, end);
    if (mark)
        n = take_mark(r, t, line, end, at);
    else
        n = text_parse_line(line, end - line > LINE_LIMIT ? line + LINE_LIMIT : end, to, r->name, t->l.number,
                            &why);
    if (n < 0 && !mark)
        r->failure = why;
    if (n == TEXT_OTHER)
        n = pass_other(r, t, &why);
    if ((n > 0 || (mark && !n)) && end - line >= LINE_LIMIT)
        n = err_at(&r->failure, MMU_ERR_FORMAT, input_name(t->l.input), (unsigned)t->l.number, LINE_LIMIT,
                   "the line is too long, expected at most %d characters", LINE_LIMIT - 1);
    *stop = n < 0;
    if (n < 0)
        return 0;
    r->info.skipped += n == 0 && !mark;
    if (newline) {
        t->l.at = (size_t)(newline + 1 - t->l.buffer);
        t->l.number++;
    } else {
        t->l.at = t->l.end;
        *stop = !t->l.ended && !pass_over(t, &r->failure);
        if (*stop)
            finish(r, t);
    }
    return (size_t)n;
}

/* Delivers the lines of the buffer that are in Lackey's shape. Returns how many references; stops at the
 * first other line. */
static size_t read_fast(struct mmu_trace_reader *r, struct text *t, struct mmu_access *to, size_t max)
{
    const char *p = t->l.buffer + t->l.at, *end = t->l.buffer + t->l.end;
    struct mmu_access *out = to, *last = to + max;
    uint64_t lines = 0, modifies = 0, kinds[MMU_KINDS] = {0};

    while (last - out >= 2) {
        bool modify;
        const char *next = parse_fast(p, out, &modify);
        if (!next || next > end)
            break;
        p = next;
        lines++;
        kinds[out->kind]++;
        out++;
        if (modify) {
            *out = out[-1];
            out->kind = MMU_STORE;
            out->flags = MMU_AF_FOLLOWS;
            out++;
            modifies++;
        }
    }
    t->l.at = (size_t)(p - t->l.buffer);
    t->l.number += lines;
    for (int k = 0; k < MMU_KINDS; k++)
        r->info.kinds[k] += kinds[k];
    r->info.kinds[MMU_STORE] += modifies;
    return (size_t)(out - to);
}

static size_t text_read(struct mmu_trace_reader *r, struct mmu_access *to, size_t max)
{
    struct text *t = r->state;
    size_t got = 0;
    bool stop = false;

    if (t->l.has_pending) {
        t->l.has_pending = false;
        to[got++] = t->l.pending;
    }
    while (got < max && !stop) {
        struct mmu_access two[2];
        size_t n = read_fast(r, t, to + got, max - got);
        got += n;
        if (got == max)
            break;
        if (reader_full(r))
            break;
        n = parse_slow(r, t, two, r->position + got, &stop);
        if (n)
            to[got++] = two[0];
        if (n == 2 && got < max)
            to[got++] = two[1];
        else if (n == 2) {
            t->l.pending = two[1];
            t->l.has_pending = true;
        }
        reader_count(r, two, n);
    }
    r->info.has_fetches = r->info.kinds[MMU_FETCH] > 0;
    return got;
}

static void start(struct mmu_trace_reader *r, struct text *t)
{
    lines_start(&t->l, r->input);
    t->others = 0;
    r->info.maps_ahead = false;
    memset(r->info.kinds, 0, sizeof r->info.kinds);
    r->info.skipped = 0;
}

/* Text has no control characters. Lines in sight that are references, and none that is nothing, confirm it.
 */
static unsigned text_sniff(const unsigned char *head, size_t n, const char *name)
{
    const char *p = (const char *)head, *end = p + n, *newline;
    unsigned references = 0, wrong = 0, others = 0;
    struct mmu_access to[2];

    for (size_t i = 0; i < n; i++)
        if (head[i] < ' ' && head[i] != '\t' && head[i] != '\n' && head[i] != '\r')
            return SNIFF_NO;
    for (; (newline = memchr(p, '\n', (size_t)(end - p))); p = newline + 1) {
        int got = text_parse_line(p, newline, to, name, 1, NULL);
        references += got == 1 || got == 2;
        others += got == TEXT_OTHER;
        wrong += got < 0;
    }
    if (!references || wrong)
        return references ? lines_begin(SIZE_MAX) + 1 : SNIFF_LAST;
    return others ? SNIFF_POSSIBLE : SNIFF_LIKELY;
}

static int text_open(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct text *t = r->state = malloc(sizeof *t);

    if (!t)
        return err_at(err, MMU_ERR_NOMEM, input_name(r->input), 0, 0, "out of memory");
    start(r, t);
    return MMU_OK;
}

static int text_rewind(struct mmu_trace_reader *r, struct mmu_error *err)
{
    int code = input_rewind(r->input, err);

    if (!code)
        start(r, r->state);
    return code;
}

static void text_close(struct mmu_trace_reader *r)
{
    free(r->state);
}

const struct reader_ops text_reader_ops = {
    .sniff = text_sniff, .open = text_open, .close = text_close, .read = text_read, .rewind = text_rewind};
