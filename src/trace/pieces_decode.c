/*
 * pieces_decode.c: executions of pieces of code to references: a piece is copied as it stands, then its data
 * get their addresses.
 *
 * What is in the streams is checked a piece at a time; the slack behind each stream makes that safe.
 */
#include "block.h"

#include "bits.h"

#include <stdlib.h>
#include <string.h>

/* References that are copied together: the slack of templates[] and of what they are copied to. */
enum { TOGETHER = 4, DATA_SIZE_MOST = 4096 };

_Static_assert((int)TOGETHER <= (int)PIECE_SLACK, "there is slack for what is copied together");
_Static_assert((MMT_DELTA_MAX + 1) * MMT_PIECE_TOKENS + 8 <= BLOCK_SLACK,
               "an execution ends within the slack");

/* Lengths and masks of deltas by the low three bits of a place. */
static const uint8_t lengths[8] = {0, 1, 2, 3, 4, 5, 6, 8};
static const uint64_t masks[8] = {
    0, 0xff, 0xffff, 0xffffff, 0xffffffff, UINT64_C(0xffffffffff), UINT64_C(0xffffffffffff), UINT64_MAX};

void pieces_decoder_free(struct pieces_decoder *d)
{
    free(d->pieces);
    free(d->templates);
    free(d->positions);
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
    free(d->positions);
    d->templates = malloc((2 * (size_t)tokens + PIECE_SLACK) * sizeof *d->templates);
    d->positions = malloc(tokens);
    d->room = d->templates && d->positions ? tokens : 0;
    return d->room && d->pieces;
}

/* One piece of n tokens, whose codes these are. */
static void take_piece(struct pieces_decoder *d, struct piece *p, const uint8_t *code, uint32_t n)
{
    uint32_t data = p->first_data;

    p->n = p->n_data = 0;
    for (uint32_t i = 0; i < n; i++) {
        unsigned token = code[i] & 3;
        if (token != MMT_FETCH)
            d->positions[data++] = (uint8_t)(p->n | (token == MMT_MODIFY ? POSITION_TWICE : 0));
        p->n = (uint8_t)(p->n + (token == MMT_MODIFY ? 2 : 1));
    }
    p->n_data = (uint8_t)(data - p->first_data);
}

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
        struct piece *p = &d->pieces[i];
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
ALWAYS_INLINE size_t execute(struct pieces_decoder *d, const struct piece *p, struct mmu_access *to)
{
    const struct mmu_access *template = d->templates + p->first;
    const uint8_t *position = d->positions + p->first_data, *end = position + p->n_data;
    const uint8_t *place = d->place.at, *payload = d->payload.at;
    mmu_va highest = 0;

    for (size_t i = 0; i < p->n; i += TOGETHER)
        memcpy(to + i, template + i, TOGETHER * sizeof *to);
    for (; position != end; position++) {
        struct mmu_access *first = &to[*position % POSITION_TWICE],
                          *second = first + *position / POSITION_TWICE;
        unsigned where = *place++;
        uint64_t delta, *slot = &d->slot[where >> 3 & (MMT_SLOTS - 1)];
        memcpy(&delta, payload, sizeof delta);
        delta &= masks[where & 7];
        payload += lengths[where & 7];
        delta = delta >> 1 ^ (0 - (delta & 1));
        mmu_va va = *slot += delta;
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
ALWAYS_INLINE const struct piece *next_piece(struct pieces_decoder *d)
{
    uint16_t number;

    memcpy(&number, d->executions.at, sizeof number);
    d->executions.at += sizeof number;
    return LIKELY(number < d->n_pieces) ? &d->pieces[number] : NULL;
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
        const struct piece *p = next_piece(d);
        if (!p || !(n = execute(d, p, to + got)))
            return -1;
        got += n;
    }
    while (got < max && d->executions.at < d->executions.end) {
        const struct piece *p = next_piece(d);
        if (!p || !(n = execute(d, p, d->rest)))
            return -1;
        d->rest_at = 0;
        d->rest_n = (uint32_t)n;
        got += take_rest(d, to + got, max - got);
    }
    return (int64_t)got;
}

bool pieces_decode_clean(const struct pieces_decoder *d)
{
    return pieces_decode_done(d) && d->place.at == d->place.end && d->payload.at == d->payload.end;
}
