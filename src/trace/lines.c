/* lines.c: see lines.h. */
#include "lines.h"

#include "error.h"

#include <stdlib.h>

const uint8_t lines_hex[256] = {
#define D(c, v) [c] = (v) ^ 16
    D('0', 0),  D('1', 1),  D('2', 2),  D('3', 3),  D('4', 4),  D('5', 5),  D('6', 6),  D('7', 7),
    D('8', 8),  D('9', 9),  D('a', 10), D('b', 11), D('c', 12), D('d', 13), D('e', 14), D('f', 15),
    D('A', 10), D('B', 11), D('C', 12), D('D', 13), D('E', 14), D('F', 15),
#undef D
};

void lines_start(struct lines *l, struct input *input)
{
    l->input = input;
    l->number = 1;
    l->at = l->end = 0;
    l->begun = l->ended = l->has_pending = false;
    memset(l->buffer, '\n', LINES_GUARD);
}

bool lines_refill(struct lines *l, struct mmu_error *err)
{
    size_t left = l->end - l->at;
    int64_t got;

    if (l->ended || left == LINES_BUFFER)
        return false;
    INVARIANT(l->at <= l->end && l->end <= LINES_BUFFER && l->buffer[l->end] == '\n');
    memmove(l->buffer, l->buffer + l->at, left);
    l->at = 0;
    got = input_read(l->input, l->buffer + left, LINES_BUFFER - left, err);
    l->end = left + (got > 0 ? (size_t)got : 0);
    memset(l->buffer + l->end, '\n', LINES_GUARD);
    l->ended = got <= 0;
    if (!l->begun)
        l->at = reader_text_begins((const unsigned char *)l->buffer, l->end);
    l->begun = true;
    return got > 0;
}

static unsigned line_number(const struct lines *l)
{
    return l->number < UINT32_MAX ? (unsigned)l->number : UINT32_MAX;
}

enum lines_state lines_complete(struct lines *l, struct mmu_error *err)
{
    struct mmu_error failed = {0};

    while (!memchr(l->buffer + l->at, '\n', l->end - l->at)) {
        if (l->end - l->at == LINES_BUFFER) {
            err_at(err, MMU_ERR_FORMAT, input_name(l->input), line_number(l), LINES_BUFFER,
                   "the line is too long, expected at most %d characters", LINES_BUFFER - 1);
            return LINES_FAILED;
        }
        if (lines_refill(l, &failed))
            continue;
        if (failed.code) { /* the last line, if it lacks its newline, may be cut */
            *err = failed;
            return LINES_FAILED;
        }
        return l->at < l->end ? LINES_WHOLE : LINES_DONE;
    }
    return LINES_WHOLE;
}

/* What stands there, for a message: a few printable characters, or "the end of the line". */
static const char *found(const char *at, char buf[40])
{
    size_t n = 0;

    if (line_ends(at))
        return "the end of the line";
    buf[n++] = '\'';
    for (; n < 26 && !line_ends(at); at++)
        buf[n++] = *at >= ' ' && *at <= '~' ? *at : '?';
    memcpy(buf + n, line_ends(at) ? "'" : "...'", line_ends(at) ? 2 : 5);
    return buf;
}

int lines_refuse(const struct lines *l, const struct line_bad *bad, struct mmu_error *err)
{
    char buf[40];

    return err_at(err, bad->code, input_name(l->input), line_number(l),
                  (unsigned)(bad->at - (l->buffer + l->at)) + 1, "found %s, expected %s", found(bad->at, buf),
                  bad->expected);
}

bool lines_blank(const char *line, size_t n)
{
    const char *end = line + n;

    while (line < end && (*line == ' ' || *line == '\t' || *line == '\r'))
        line++;
    return line == end || *line == '#';
}

unsigned lines_try(const unsigned char *head, size_t n, bool (*of)(const char *line), bool *refused)
{
    const char *p = (const char *)head, *end = p + n;
    char line[256 + LINES_GUARD];
    unsigned accepted = 0;

    *refused = false;
    while (p < end && accepted < 32 && !*refused) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t length = (size_t)((newline ? newline : end) - p);
        /* The last line of a full head is probably cut. */
        if (!newline && n >= 4096 && accepted)
            break;
        if (!lines_blank(p, length)) {
            *refused = length > 256;
            if (*refused)
                break;
            memcpy(line, p, length);
            memset(line + length, '\n', LINES_GUARD);
            line[length + LINES_GUARD - 1] = 0;
            *refused = !of(line);
            accepted += !*refused;
        }
        p += length + 1;
    }
    return accepted;
}

unsigned lines_begin(size_t accepted)
{
    enum { MOST = 8 };

    return !accepted ? SNIFF_NO : SNIFF_LAST + (unsigned)(accepted < MOST ? accepted : MOST);
}

int lines_open(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct lines *l = r->state = malloc(sizeof *l);

    if (!l)
        return err_at(err, MMU_ERR_NOMEM, input_name(r->input), 0, 0, "out of memory");
    lines_start(l, r->input);
    return MMU_OK;
}

int lines_rewind(struct mmu_trace_reader *r, struct mmu_error *err)
{
    int code = input_rewind(r->input, err);

    if (code)
        return code;
    lines_start(r->state, r->input);
    memset(r->info.kinds, 0, sizeof r->info.kinds);
    r->info.skipped = 0;
    return MMU_OK;
}

void lines_close(struct mmu_trace_reader *r)
{
    free(r->state);
}
