/*
 * code.c: code is told once and written by its executions. What a format's writer does not take that way is
 * written reference by reference.
 */
#include "code.h"

#include "block.h"
#include "error.h"
#include "writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A store of the bytes that the load before it loaded: one token with it. */
static bool is_second(const struct mmu_access *a, size_t i)
{
    return i && a[i].kind == MMU_STORE && a[i].flags == MMU_AF_FOLLOWS && a[i - 1].kind == MMU_LOAD &&
           a[i].size == a[i - 1].size;
}

/* Can the fast way do this? *end: where the fetches end. */
static bool is_plain(const struct mmu_access *a, size_t n, mmu_va *end)
{
    if (!n || n > MMU_CODE_MOST || a[0].kind != MMU_FETCH)
        return false;
    *end = a[0].va;
    for (size_t i = 0; i < n; i++) {
        if (a[i].kind >= MMU_KINDS || (a[i].flags && !is_second(a, i)) || !block_token(&a[i]))
            return false;
        if (a[i].kind != MMU_FETCH)
            continue;
        if (a[i].va != *end || *end + a[i].size < *end)
            return false;
        *end += a[i].size;
    }
    return true;
}

void code_free(struct code *c)
{
    if (c) {
        free(c->references);
        free(c->pieces);
    }
    free(c);
}

/* Reference i of a[] is the next one of the code. */
static void add_reference(struct code *c, const struct mmu_access *a, size_t i)
{
    bool second = is_second(a, i), fetch = a[i].kind == MMU_FETCH;
    struct code_piece *p;

    if (!second && c->n_tokens++ % MMT_PIECE_TOKENS == 0)
        c->n_pieces++;
    p = &c->pieces[c->n_pieces - 1];
    p->n++;
    p->tokens = (uint8_t)(p->tokens + !second);
    p->data = (uint8_t)(p->data + (!fetch && !second));
    c->n_data = (uint16_t)(c->n_data + (!fetch && !second));
    c->kinds[a[i].kind]++;
    c->references[i] = a[i];
    c->references[i].gap = 0;
    if (!fetch)
        c->references[i].va = second ? PIECE_SECOND : 0;
}

static struct code *make_code(const struct mmu_access *a, size_t n, mmu_va end)
{
    struct code *c = calloc(1, sizeof *c + n);

    if (!c || !(c->references = malloc(n * sizeof *a)) ||
        !(c->pieces = calloc(n / MMT_PIECE_TOKENS + 1, sizeof *c->pieces))) {
        code_free(c);
        return NULL;
    }
    c->end = end;
    c->n_references = (uint16_t)n;
    for (size_t i = 0; i < n; i++)
        add_reference(c, a, i);
    return c;
}

void code_count(struct mmu_trace_writer *w)
{
    for (uint32_t i = 0; i < w->codes; i++) {
        struct code *c = w->code[i];
        for (int k = 0; k < MMU_KINDS; k++)
            w->info.kinds[k] += c->runs * c->kinds[k];
        c->runs = 0;
    }
}

int mmu_trace_define(struct mmu_trace_writer *w, const struct mmu_access *a, size_t n, uint32_t *number,
                     struct mmu_error *err)
{
    mmu_va end = 0;
    struct code *c;

    if (!is_plain(a, n, &end))
        return err_at(err, MMU_ERR_UNSUPPORTED, output_name(w->output), 0, 0,
                      "this code cannot be written by its executions");
    c = make_code(a, n, end);
    if (c && (w->codes & (w->codes - 1)) == 0) {
        struct code **more = realloc(w->code, (w->codes ? 2 * (size_t)w->codes : 1) * sizeof *more);
        w->code = more ? more : w->code;
        if (!more) {
            code_free(c);
            c = NULL;
        }
    }
    if (!c)
        return err_at(err, MMU_ERR_NOMEM, output_name(w->output), 0, 0, "out of memory");
    *number = w->codes;
    w->code[w->codes++] = c;
    return MMU_OK;
}

/* Writes an execution reference by reference. */
static int expand(struct mmu_trace_writer *w, const struct code *c, const uint64_t *data,
                  struct mmu_error *err)
{
    struct mmu_access a[MMU_CODE_MOST];
    size_t used = 0;

    for (size_t i = 0; i < c->n_references; i++) {
        a[i] = c->references[i];
        if (is_second(c->references, i))
            a[i].va = a[i - 1].va;
        else if (a[i].kind != MMU_FETCH)
            a[i].va = data[used++];
    }
    return mmu_trace_write(w, a, c->n_references, err);
}

static size_t bad_words(struct mmu_trace_writer *w, const char *what, struct mmu_error *err)
{
    err_at(&w->failure, MMU_ERR_INVALID, output_name(w->output), 0, 0,
           "code at reference %" PRIu64 " cannot be written: %s", w->info.count, what);

    if (err)
        *err = w->failure;
    return 0;
}

/* One execution. Returns how many words it took; 0: they are wrong, or cannot be written. */
static size_t write_one(struct mmu_trace_writer *w, const uint64_t *words, size_t n, struct mmu_error *err)
{
    const struct code *c = words[0] < w->codes ? w->code[words[0]] : NULL;

    if (!c)
        return bad_words(w, "no such code was told", err);
    if (n <= c->n_data)
        return bad_words(w, "addresses are missing", err);
    return expand(w, c, words + 1, err) ? 0 : 1u + c->n_data;
}

int mmu_trace_write_code(struct mmu_trace_writer *w, const uint64_t *words, size_t n, struct mmu_error *err)
{
    bool fast = w->unsummed && w->ops->takes_code && w->ops->takes_code(w);

    for (size_t at = 0, taken = 0; at < n && !w->failure.code; at += taken) {
        int code = fast ? w->ops->code(w, words + at, n - at, &taken, &w->failure) : MMU_OK;
        if (!code && (!fast || !taken))
            taken = write_one(w, words + at, n - at, err);
    }
    if (w->failure.code && err)
        *err = w->failure;
    return w->failure.code;
}
