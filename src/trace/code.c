/*
 * code.c: code is told once and written by its executions.
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

/* Can the fast way do this? */
static bool is_plain(const struct mmu_access *a, size_t n)
{
    mmu_va end;

    if (!n || n > MMU_CODE_MOST || a[0].kind != MMU_FETCH)
        return false;
    end = a[0].va;
    for (size_t i = 0; i < n; i++) {
        if (a[i].kind >= MMU_KINDS || (a[i].flags && !is_second(a, i)) || !block_token(&a[i]))
            return false;
        if (a[i].kind != MMU_FETCH)
            continue;
        if (a[i].va != end || end + a[i].size < end)
            return false;
        end += a[i].size;
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

/* Reference i of a[] is the next one of the code. Returns how many data an execution brings for it. */
static size_t add_reference(struct code *c, const struct mmu_access *a, size_t i)
{
    bool second = is_second(a, i), fetch = a[i].kind == MMU_FETCH;
    struct code_piece *p;

    if (!second && c->n_tokens++ % MMT_PIECE_TOKENS == 0)
        c->n_pieces++;
    p = &c->pieces[c->n_pieces - 1];
    p->n++;
    p->tokens = (uint8_t)(p->tokens + !second);
    p->data = (uint8_t)(p->data + (!fetch && !second));
    c->kinds[a[i].kind]++;
    c->references[i] = a[i];
    c->references[i].gap = 0;
    if (!fetch)
        c->references[i].va = second ? PIECE_SECOND : 0;
    return !fetch && !second;
}

/* Returns how many data an execution brings, or SIZE_MAX: these words cannot be. */
static size_t add_words(struct code *c, const struct mmu_code_word *words, size_t n)
{
    size_t data = 0;

    for (size_t i = 0; i < n; i++) {
        if (words[i].back > i || words[i].tag >> (MMU_CODE_TYPE_SHIFT - MMU_CODE_TAG_SHIFT))
            return SIZE_MAX;
        c->sites[i] = (struct code_site){.tag = (uint64_t)MMU_CODE_DATA << MMU_CODE_TYPE_SHIFT |
                                                (uint64_t)words[i].tag << MMU_CODE_TAG_SHIFT,
                                         .back = words[i].back,
                                         .bytes = words[i].bytes};
        data += !words[i].back;
    }
    c->n_words = (uint32_t)n;
    return data;
}

/* NULL: out of memory. */
static struct code *make_code(size_t n, size_t n_words)
{
    struct code *c = calloc(1, sizeof *c + n_words * sizeof *c->sites);

    if (c && (c->references = malloc(n * sizeof *c->references)) &&
        (c->pieces = calloc(n, sizeof *c->pieces)))
        return c;
    code_free(c);
    return NULL;
}

void code_count(struct mmu_trace_writer *w)
{
    for (uint32_t i = 0; i < w->codes; i++) {
        struct code *c = w->code[i];
        if (!c)
            continue;
        for (int k = 0; k < MMU_KINDS; k++)
            w->info.kinds[k] += c->runs * c->kinds[k];
        c->runs = 0;
    }
}

/* Makes w->code[] reach to this number. False: out of memory. */
static bool reach(struct mmu_trace_writer *w, uint32_t number)
{
    uint32_t room = w->codes ? w->codes : 1024;
    struct code **more;

    if (number < w->codes)
        return true;
    while (room <= number)
        room *= 2;
    if (!(more = realloc(w->code, room * sizeof *more)))
        return false;
    memset(more + w->codes, 0, (room - w->codes) * sizeof *more);
    w->code = more;
    w->codes = room;
    return true;
}

static int unsupported(const struct mmu_trace_writer *w, struct mmu_error *err)
{
    return err_at(err, MMU_ERR_UNSUPPORTED, output_name(w->output), 0, 0,
                  "this code cannot be written by its executions");
}

int mmu_trace_define(struct mmu_trace_writer *w, uint32_t number, const struct mmu_access *a, size_t n,
                     const struct mmu_code_word *words, size_t n_words, struct mmu_error *err)
{
    size_t data = 0;
    struct code *c;

    if (!w->ops->takes_code || !w->ops->takes_code(w) || number >= MMU_CODES || n_words > MMU_CODE_MOST ||
        !is_plain(a, n) || (number < w->codes && w->code[number]))
        return unsupported(w, err);
    c = make_code(n, n_words);
    if (!c || !reach(w, number)) {
        code_free(c);
        return err_at(err, MMU_ERR_NOMEM, output_name(w->output), 0, 0, "out of memory");
    }
    for (size_t i = 0; i < n; i++)
        data += add_reference(c, a, i);
    if (add_words(c, words, n_words) != data) {
        code_free(c);
        return unsupported(w, err);
    }
    c->n_references = (uint16_t)n;
    c->cost = (uint64_t)c->n_tokens << 32 | n;
    w->code[number] = c;
    return MMU_OK;
}

int mmu_trace_write_code(struct mmu_trace_writer *w, const uint64_t *words, size_t *n, uint64_t *references,
                         struct mmu_error *err)
{
    struct code_run run = {.words = words, .n = *n, .most = *references};

    if (!w->failure.code && w->codes)
        w->ops->code(w, &run, &w->failure);
    *n = run.taken;
    *references = run.references;
    if (w->failure.code && err)
        *err = w->failure;
    return w->failure.code;
}
