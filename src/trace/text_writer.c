/*
 * text_writer.c: writes the text form (see text.h). A load and a store that can be one M line become one.
 */
#include "writer.h"

#include "error.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* LINE_MOST: the longest line that is written, with room to spare. */
enum { BUFFER = 1 << 16, LINE_MOST = 128 };

struct text_writer {
    size_t filled;
    bool has_load; /* a load that may become an M line */
    struct mmu_access load;
    char buffer[BUFFER + LINE_MOST];
};

static int flush(struct mmu_trace_writer *w, struct mmu_error *err)
{
    struct text_writer *t = w->state;
    size_t n = t->filled;

    t->filled = 0;
    return output_write(w->output, t->buffer, n, err);
}

/* Digits of x in a base up to 16, at least `least` of them. Returns the place behind them. */
static char *digits(char *to, uint64_t x, unsigned base, int least)
{
    char reversed[24];
    int n = 0;

    for (; x || n < least; x /= base)
        reversed[n++] = "0123456789abcdef"[x % base];
    while (n)
        *to++ = reversed[--n];
    return to;
}

static int line(struct mmu_trace_writer *w, const struct mmu_access *a, bool modify, struct mmu_error *err)
{
    /* Four bytes a kind. */
    static const char kinds[] = "I  \0 L \0 S \0 M ", *const privs[MMU_PRIVS] = {"", " k", " i"};
    struct text_writer *t = w->state;
    char *p = t->buffer + t->filled;

    memcpy(p, kinds + 4 * (modify ? 3 : MMU_KIND_OF(a->kind)), 3);
    p = digits(p + 3, a->va, 16, 8);
    *p++ = ',';
    p = digits(p, a->size, 10, 1);
    for (const char *word = privs[MMU_PRIV_OF(a->kind)]; *word; word++)
        *p++ = *word;
    if (a->flags & MMU_AF_FOLLOWS) {
        *p++ = ' ';
        *p++ = '+';
    }
    if (a->flags & MMU_AF_GAP) {
        *p++ = ' ';
        *p++ = 'g';
        p = digits(p, a->gap, 10, 1);
    }
    *p++ = '\n';
    t->filled = (size_t)(p - t->buffer);
    return t->filled >= BUFFER ? flush(w, err) : MMU_OK;
}

static int one(struct mmu_trace_writer *w, const struct mmu_access *a, struct mmu_error *err)
{
    struct text_writer *t = w->state;

    if (t->has_load) {
        bool modify = text_is_modify(&t->load, a);
        int code = line(w, &t->load, modify, err);
        t->has_load = false;
        if (code || modify)
            return code;
    }
    if (MMU_KIND_OF(a->kind) != MMU_LOAD)
        return line(w, a, false, err);
    t->load = *a;
    t->has_load = true;
    return MMU_OK;
}

static int text_write(struct mmu_trace_writer *w, const struct mmu_access *from, size_t n,
                      struct mmu_error *err)
{
    int code = MMU_OK;

    for (size_t i = 0; i < n && !code; i++)
        code = one(w, from + i, err);
    return code;
}

/* Bytes as they are. */
static int put(struct mmu_trace_writer *w, const char *bytes, size_t n, struct mmu_error *err)
{
    struct text_writer *t = w->state;
    int code = MMU_OK;

    while (n && !code) {
        size_t now = n < BUFFER ? n : BUFFER;
        if (t->filled + now > BUFFER)
            code = flush(w, err);
        memcpy(t->buffer + t->filled, bytes, now);
        t->filled += now;
        bytes += now;
        n -= now;
    }
    return code;
}

/* The load that waits for its store goes first. */
static int put_load(struct mmu_trace_writer *w, struct mmu_error *err)
{
    struct text_writer *t = w->state;
    bool has_load = t->has_load;

    t->has_load = false;
    return has_load ? line(w, &t->load, false, err) : MMU_OK;
}

static int text_mark(struct mmu_trace_writer *w, const struct mmu_trace_mark *m, struct mmu_error *err)
{
    char text[MMU_MARK_TEXT + 64];
    int n = snprintf(text, sizeof text, TEXT_MARK "%s ", text_mark_words[m->kind]), code = put_load(w, err);

    if (m->kind == MMU_MARK_EVENT)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s\n", m->text);
    else
        n += snprintf(text + n, sizeof text - (size_t)n, "%" PRIu64 "\n", m->value);
    return code ? code : put(w, text, (size_t)n, err);
}

static int text_maps(struct mmu_trace_writer *w, uint64_t pid, const char *text, size_t n,
                     struct mmu_error *err)
{
    const char *end = text + n;
    char lead[64];
    size_t length = (size_t)snprintf(lead, sizeof lead, TEXT_MARK "maps %" PRIu64 "\n", pid);
    int code = put_load(w, err);

    if (!code)
        code = put(w, lead, length, err);
    length = (size_t)snprintf(lead, sizeof lead, TEXT_MARK "map %" PRIu64 " ", pid);
    while (text < end && !code) {
        const char *next = (const char *)memchr(text, '\n', (size_t)(end - text)) + 1;
        code = put(w, lead, length, err);
        if (!code)
            code = put(w, text, (size_t)(next - text), err);
        text = next;
    }
    return code;
}

static int text_create(struct mmu_trace_writer *w, struct mmu_error *err)
{
    struct text_writer *t = w->state = calloc(1, sizeof *t);

    if (!t)
        return err_at(err, MMU_ERR_NOMEM, output_name(w->output), 0, 0, "out of memory");
    /* A blank more keeps a source that looks like a mark from being one. */
    if (*w->info.source)
        t->filled = (size_t)snprintf(t->buffer, BUFFER, "# %s%s\n",
                                     strncmp(w->info.source, "mmusim: ", 8) ? "" : " ", w->info.source);
    return MMU_OK;
}

static int text_finish(struct mmu_trace_writer *w, struct mmu_error *err)
{
    int code = put_load(w, err);

    return code ? code : flush(w, err);
}

static void text_free(struct mmu_trace_writer *w)
{
    free(w->state);
}

const struct writer_ops text_writer_ops = {.create = text_create,
                                           .write = text_write,
                                           .mark = text_mark,
                                           .maps = text_maps,
                                           .finish = text_finish,
                                           .free = text_free};
