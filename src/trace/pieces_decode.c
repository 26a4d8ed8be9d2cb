/*
 * pieces_decode.c: executions of pieces of code to references: a piece is copied as it stands, then its data
 * get their addresses.
 *
 * What is in the streams is checked a piece at a time; the slack behind each stream makes that safe.
 */
#include "block.h"

#include "delta.h"

#include <stdlib.h>
#include <string.h>

/* References that are copied together: the slack of templates[] and of what they are copied to. */
enum { TOGETHER = 4, DATA_SIZE_MOST = 4096 };

_Static_assert((int)TOGETHER <= (int)PIECE_SLACK, "there is slack for what is copied together");
_Static_assert((MMT_DELTA_MAX + 1) * MMT_PIECE_TOKENS + 8 <= BLOCK_SLACK,
               "an execution ends within the slack");

void pieces_decoder_free(struct pieces_decoder *d)
{
    free(d->pieces);
    free(d->templates);
    free(d->datum);
    memset(d, 0, sizeof *d);
}

/* Room for so many tokens. */
static bool reserve(struct pieces_decoder *d, uint32_t tokens)
{
    if (!d->pieces)
        d->pieces = malloc(MMT_PIECES * sizeof *d->pieces);
    if (tokens <= d->room && d->pieces)
        return true;
    tokens += tokens / 4;
    free(d->templates);
    free(d->datum);
    d->templates = malloc((2 * (size_t)tokens + PIECE_SLACK) * sizeof *d->templates);
    d->datum = malloc(tokens * sizeof *d->datum);
    d->room = d->templates && d->datum ? tokens : 0;
    return d->room && d->pieces;
}

enum { COUNT_BITS = 21 }; /* of struct mmu_piece.counts */

/* Can the fetch a[] be one of a piece that is not mixed? */
static bool take_fetch(struct mmu_piece *p, const struct mmu_access *a)
{
    uint64_t page = a->va >> 12;

    if (!(p->counts & ((1u << COUNT_BITS) - 1)))
        p->page = p->last_page = page;
    if (p->page == p->last_page)
        p->last_page = page;
    return (page == p->page || page == p->last_page) && (a->va & 4095) + (a->size - 1u) < 4096;
}

/* One piece of n tokens, whose codes these are. */
static void take_piece(struct pieces_decoder *d, struct mmu_piece *p, const uint8_t *code, uint32_t n)
{
    uint32_t data = p->first_data;
    bool mixed = false;

    p->n = p->n_data = 0;
    p->counts = 0;
    for (uint32_t i = 0; i < n; i++) {
        const unsigned token = code[i] & 3;
        const struct mmu_access *a = d->templates + p->first + p->n;
        mixed |= a->kind >= MMU_KINDS || a->flags;
        if (token == MMT_FETCH)
            mixed |= !take_fetch(p, a);
        else
            d->datum[data++] =
                (struct mmu_datum){.last = (uint16_t)(a->size - 1), .position = p->n, .kind = (uint8_t)token};
        p->counts += UINT64_C(1) << COUNT_BITS * (token == MMT_MODIFY ? MMU_LOAD : token);
        p->counts += (uint64_t)(token == MMT_MODIFY) << COUNT_BITS * MMU_STORE;
        p->n = (uint8_t)(p->n + (token == MMT_MODIFY ? 2 : 1));
    }
    p->n_data = (uint8_t)(data - p->first_data);
    if (mixed || (code[0] & 3) != MMT_FETCH)
        p->page = p->last_page = MMU_PIECE_MIXED;
}

_Static_assert((int)MMT_FETCH == (int)MMU_FETCH && (int)MMT_LOAD == (int)MMU_LOAD &&
                   (int)MMT_STORE == (int)MMU_STORE && (int)MMT_MODIFY == (int)MMU_KINDS,
               "tokens are numbered as kinds");

int pieces_decode_begin(struct pieces_decoder *d, struct block_decoder *tokens, const uint8_t *sizes,
                        uint32_t n_pieces)
{
    uint32_t left = tokens->tokens, first = 0, data = 0;
    const uint8_t *code = tokens->streams[MMT_CODE].at;
    int64_t n;

    d->n_pieces = 0;
    if (!left)
        return MMU_ERR_FORMAT;
    if (!reserve(d, left))
        return MMU_ERR_NOMEM;
    memset(d->slot, 0, sizeof d->slot);
    d->rest_at = d->rest_n = 0;
    d->n_pieces = n_pieces;
    n = block_decode(tokens, d->templates, 2 * (size_t)left);
    if (n < 0 || !block_decode_clean(tokens) || n_pieces > MMT_PIECES)
        return MMU_ERR_FORMAT;
    memset(d->templates + n, 0, PIECE_SLACK * sizeof *d->templates);
    for (uint32_t i = 0; i < n_pieces; i++) {
        struct mmu_piece *p = &d->pieces[i];
        if (!sizes[i] || sizes[i] > MMT_PIECE_TOKENS || sizes[i] > left)
            return MMU_ERR_FORMAT;
        p->first = first;
        p->first_data = data;
        take_piece(d, p, code, sizes[i]);
        code += sizes[i];
        left -= sizes[i];
        first += p->n;
        data += p->n_data;
    }
    return left ? MMU_ERR_FORMAT : MMU_OK;
}

/* Does a reference end beyond the last address? */
static bool any_wraps(const struct mmu_access *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].va + (a[i].size - 1u) < a[i].va)
            return true;
    return false;
}

/* One execution into to[], with room for what is copied too much. Returns how many references, 0: it cannot
 * be. */
ALWAYS_INLINE size_t execute(struct pieces_decoder *d, const struct mmu_piece *p, struct mmu_access *to)
{
    const struct mmu_access *template = d->templates + p->first;
    const struct mmu_datum *datum = d->datum + p->first_data, *end = datum + p->n_data;
    const uint8_t *place = d->place.at, *payload = d->payload.at;
    mmu_va highest = 0;

    for (size_t i = 0; i < p->n; i += TOGETHER)
        memcpy(to + i, template + i, TOGETHER * sizeof *to);
    for (; datum != end; datum++) {
        struct mmu_access *first = &to[datum->position], *second = first + datum->kind / MMU_KINDS;
        unsigned where = *place++;
        mmu_va va = d->slot[where >> 3 & (MMT_SLOTS - 1)] += delta_take(&payload, where);
        first->va = va;
        second->va = va;
        highest = va > highest ? va : highest;
    }
    d->place.at = place;
    d->payload.at = payload;
    if (UNLIKELY(place > d->place.end || payload > d->payload.end ||
                 (highest > UINT64_MAX - DATA_SIZE_MOST && any_wraps(to, p->n))))
        return 0;
    return p->n;
}

/* The piece that is executed next. NULL: there is no such. */
ALWAYS_INLINE const struct mmu_piece *next_piece(struct pieces_decoder *d)
{
    uint16_t number;

    memcpy(&number, d->executions.at, sizeof number);
    d->executions.at += sizeof number;
    return LIKELY(number < d->n_pieces) ? &d->pieces[number] : NULL;
}

bool pieces_decode_rest(struct pieces_decoder *d)
{
    const struct mmu_piece *p = d->executions.at < d->executions.end ? next_piece(d) : NULL;
    size_t n = p ? execute(d, p, d->rest) : 0;

    d->rest_at = 0;
    d->rest_n = (uint32_t)n;
    return n > 0;
}

/* Up to max references of the execution for which there was no room. */
static size_t take_rest(struct pieces_decoder *d, struct mmu_access *to, size_t max)
{
    size_t left = d->rest_n - d->rest_at, n = left < max ? left : max;

    memcpy(to, d->rest + d->rest_at, n * sizeof *to);
    d->rest_at += (uint32_t)n;
    return n;
}

int64_t pieces_decode(struct pieces_decoder *d, struct mmu_access *to, size_t max)
{
    size_t got = take_rest(d, to, max), n;

    while (max - got >= PIECE_MOST + PIECE_SLACK && d->executions.at < d->executions.end) {
        const struct mmu_piece *p = next_piece(d);
        if (!p || !(n = execute(d, p, to + got)))
            return -1;
        got += n;
    }
    while (got < max && d->executions.at < d->executions.end) {
        if (!pieces_decode_rest(d))
            return -1;
        got += take_rest(d, to + got, max - got);
    }
    return (int64_t)got;
}

/* Sums over whole executions. */
struct sum {
    size_t executions, references, data;
};

/* As many executions as have together at most so many references. False: one of them cannot be. */
static bool sum_up(const struct pieces_decoder *d, size_t most, struct sum *sum)
{
    const uint8_t *at = d->executions.at;

    *sum = (struct sum){0, 0, 0};
    for (; at < d->executions.end; at += sizeof(uint16_t)) {
        uint16_t number;
        memcpy(&number, at, sizeof number);
        if (number >= d->n_pieces)
            return false;
        const struct mmu_piece *p = &d->pieces[number];
        if (sum->references + p->n > most)
            break;
        sum->references += p->n;
        sum->data += p->n_data;
        sum->executions++;
    }
    return true;
}

/* The addresses of n data. Returns the highest; what ends too early has d->place or d->payload behind its
 * end.
 */
static mmu_va take_addresses(struct pieces_decoder *d, mmu_va *to, size_t n)
{
    mmu_va highest = 0;

    while (n && d->place.at <= d->place.end && d->payload.at <= d->payload.end) {
        const uint8_t *place = d->place.at, *payload = d->payload.at;
        size_t now = n < MMT_PIECE_TOKENS ? n : MMT_PIECE_TOKENS;
        for (size_t i = 0; i < now; i++) {
            unsigned where = place[i];
            mmu_va va = d->slot[where >> 3 & (MMT_SLOTS - 1)] += delta_take(&payload, where);
            to[i] = va;
            highest = va > highest ? va : highest;
        }
        d->place.at = place + now;
        d->payload.at = payload;
        to += now;
        n -= now;
    }
    return highest;
}

/* Does a reference of these executions end beyond the last address? */
static bool any_executed_wraps(const struct mmu_executions *x)
{
    const mmu_va *va = x->data;

    for (size_t e = 0; e < x->n; e++) {
        const struct mmu_piece *p = &x->pieces[x->execution[e]];
        for (unsigned i = 0; i < p->n_data; i++, va++)
            if (*va + x->datum[p->first_data + i].last < *va)
                return true;
    }
    return false;
}

bool pieces_decode_executions(struct pieces_decoder *d, uint32_t most, mmu_va *to, struct mmu_executions *x)
{
    struct sum sum;
    mmu_va highest;

    if (!sum_up(d, most, &sum))
        return false;
    *x = (struct mmu_executions){.execution = (const uint16_t *)(const void *)d->executions.at,
                                 .n = sum.executions,
                                 .data = to,
                                 .n_references = sum.references,
                                 .pieces = d->pieces,
                                 .datum = d->datum,
                                 .references = d->templates};
    d->executions.at += sum.executions * sizeof(uint16_t);
    highest = take_addresses(d, to, sum.data);
    return d->place.at <= d->place.end && d->payload.at <= d->payload.end &&
           (highest <= UINT64_MAX - DATA_SIZE_MOST || !any_executed_wraps(x));
}

bool pieces_decode_clean(const struct pieces_decoder *d)
{
    return pieces_decode_done(d) && d->place.at == d->place.end && d->payload.at == d->payload.end;
}
