/*
 * block_encode.c: references to five streams. The choices that format.h leaves to the writer are made here:
 * which slot, and when two references are one M token.
 */
#include "block.h"

#include "bits.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* An address this far from every slot takes over the slot that was not used for longest. */
#define NEAR (UINT64_C(1) << 20)

static const uint32_t bytes_per_token[MMT_STREAMS] = {1, 1, MMT_DELTA_MAX + MMT_SIZE_BYTES, 1, 4};

bool block_encoder_init(struct block_encoder *e)
{
    memset(e, 0, sizeof *e);
    for (int s = 0; s < MMT_STREAMS; s++) {
        e->streams[s] = malloc((size_t)MMT_BLOCK_TOKENS * bytes_per_token[s] + CODE_SLACK);
        if (!e->streams[s]) {
            block_encoder_free(e);
            return false;
        }
    }
    return true;
}

void block_encoder_free(struct block_encoder *e)
{
    for (int s = 0; s < MMT_STREAMS; s++)
        free(e->streams[s]);
    memset(e, 0, sizeof *e);
}

void block_encode_begin(struct block_encoder *e)
{
    memset(e->lengths, 0, sizeof e->lengths);
    memset(e->slot, 0, sizeof e->slot);
    memset(e->used, 0, sizeof e->used);
    e->tokens = e->references = 0;
    e->attribute = 0;
    e->varies = false;
    e->next = e->clock = e->highest = 0;
    e->has_load = false;
}

static void put(struct block_encoder *e, enum mmt_stream s, const void *bytes, size_t n)
{
    memcpy(e->streams[s] + e->lengths[s], bytes, n);
    e->lengths[s] += (uint32_t)n;
}

static uint64_t zigzag(uint64_t delta)
{
    return delta << 1 ^ (0 - (delta >> 63));
}

static bool fits(uint64_t x, unsigned bytes)
{
    return bytes == 8 || x >> (8 * bytes) == 0;
}

/* The shortest of n lengths, in ascending order, that holds x; the last is 8. */
static unsigned shortest(uint64_t x, const uint8_t *lengths)
{
    unsigned i = 0;

    while (!fits(x, lengths[i]))
        i++;
    return i;
}

/* The nearest slot, or the oldest if none is near. */
static unsigned choose_slot(const struct block_encoder *e, uint64_t va)
{
    unsigned nearest = 0, oldest = 0;
    uint64_t least = UINT64_MAX;

    for (unsigned s = 0; s < MMT_SLOTS; s++) {
        uint64_t distance = zigzag(va - e->slot[s]) >> 1;
        if (distance < least) {
            least = distance;
            nearest = s;
        }
        if (e->used[s] < e->used[oldest])
            oldest = s;
    }
    return least < NEAR ? nearest : oldest;
}

static unsigned size_index(enum mmt_token token, uint32_t size)
{
    if (token == MMT_FETCH)
        return size < 16 ? size : 0;
    for (unsigned i = 1; i < COUNT_OF(mmt_data_sizes); i++)
        if (mmt_data_sizes[i] == size)
            return i;
    return 0;
}

/* The attribute of the next n tokens. The stream is begun when one is unlike those before it. */
static void put_attributes(struct block_encoder *e, uint8_t attribute, uint32_t n)
{
    if (!e->tokens)
        e->attribute = attribute;
    if (LIKELY(!e->varies && attribute == e->attribute))
        return;
    if (!e->varies)
        memset(e->streams[MMT_ATTRIBUTE], e->attribute, e->tokens);
    e->varies = true;
    memset(e->streams[MMT_ATTRIBUTE] + e->tokens, attribute, n);
    e->lengths[MMT_ATTRIBUTE] = e->tokens + n;
}

static void emit(struct block_encoder *e, enum mmt_token token, const struct mmu_access *a)
{
    unsigned index = size_index(token, a->size), length;
    uint8_t code = (uint8_t)(token | index << 2), place;
    uint64_t delta;

    if (token == MMT_FETCH) {
        delta = zigzag(a->va - e->next);
        length = shortest(delta, mmt_fetch_lengths);
        code |= (uint8_t)(length << 6);
        length = mmt_fetch_lengths[length];
        e->next = a->va + a->size;
    } else {
        unsigned s = choose_slot(e, a->va);
        delta = zigzag(a->va - e->slot[s]);
        length = shortest(delta, mmt_data_lengths);
        place = (uint8_t)(length | s << 3);
        put(e, MMT_PLACE, &place, 1);
        length = mmt_data_lengths[length];
        e->slot[s] = a->va;
        e->used[s] = ++e->clock;
    }
    put(e, MMT_CODE, &code, 1);
    put(e, MMT_PAYLOAD, &delta, length);
    if (!index)
        put(e, MMT_PAYLOAD, &a->size, MMT_SIZE_BYTES);
    put_attributes(e, (uint8_t)(MMU_PRIV_OF(a->kind) << 4 | a->flags), 1);
    if (a->flags & MMU_AF_GAP)
        put(e, MMT_GAP, &a->gap, sizeof a->gap);
    e->tokens++;
}

bool block_encode(struct block_encoder *e, const struct mmu_access *a)
{
    if (e->has_load) {
        bool modify = text_is_modify(&e->load, a);
        e->has_load = false;
        emit(e, modify ? MMT_MODIFY : MMT_LOAD, &e->load);
        if (modify) {
            e->references++;
            return true;
        }
    }
    if (e->tokens == MMT_BLOCK_TOKENS)
        return false;
    if (MMU_KIND_OF(a->kind) == MMU_LOAD) {
        e->load = *a;
        e->has_load = true;
    } else {
        emit(e, MMU_KIND_OF(a->kind) == MMU_FETCH ? MMT_FETCH : MMT_STORE, a);
    }
    e->references++;
    return true;
}

void block_encode_settle(struct block_encoder *e)
{
    if (e->has_load) {
        e->has_load = false;
        emit(e, MMT_LOAD, &e->load);
    }
}

uint32_t block_encode_end(struct block_encoder *e)
{
    block_encode_settle(e);
    return e->varies ? MMT_ATTRIBUTE_VARIES : e->attribute;
}

uint8_t block_token(const struct mmu_access *a)
{
    static const uint8_t tokens[MMU_KINDS] = {
        [MMU_FETCH] = MMT_FETCH, [MMU_LOAD] = MMT_LOAD, [MMU_STORE] = MMT_STORE};
    enum mmt_token token = (enum mmt_token)tokens[MMU_KIND_OF(a->kind)];
    unsigned index = size_index(token, a->size);

    return index ? (uint8_t)(token | index << 2) : 0;
}

/* Code is copied in pieces of this size. */
enum { PIECE = CODE_SLACK };

/* Bytes that hold x, 0 to 8. */
static unsigned bytes_of(uint64_t x)
{
    return UNLIKELY(x >> 56) ? 8 : (70u - (unsigned)__builtin_clzll(x << 1 | 1)) / 8;
}

/* Each address goes to the slot that it had the last time, if that is still near. */
static void encode_data(struct block_encoder *e, uint8_t *slot, uint32_t n, const uint64_t *data)
{
    uint8_t *place = e->streams[MMT_PLACE] + e->lengths[MMT_PLACE];
    uint8_t *payload = e->streams[MMT_PAYLOAD] + e->lengths[MMT_PAYLOAD], *begin = payload;
    uint64_t highest = e->highest;

    e->clock++;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t va = data[i], delta = zigzag(va - e->slot[slot[i]]);
        if (UNLIKELY(delta >= NEAR / 8)) {
            slot[i] = (uint8_t)choose_slot(e, va);
            delta = zigzag(va - e->slot[slot[i]]);
        }
        unsigned bytes = bytes_of(delta), long_one = bytes >= 7;
        memcpy(payload, &delta, sizeof delta);
        payload += long_one ? 8 : bytes;
        place[i] = (uint8_t)((long_one ? 7 : bytes) | (unsigned)slot[i] << 3);
        e->slot[slot[i]] = va;
        e->used[slot[i]] = e->clock;
        highest = va > highest ? va : highest;
    }
    e->highest = highest;
    e->lengths[MMT_PLACE] += n;
    e->lengths[MMT_PAYLOAD] += (uint32_t)(payload - begin);
}

bool block_encode_code(struct block_encoder *e, struct code *c, const uint64_t *data)
{
    uint8_t *code;
    uint64_t delta;

    block_encode_settle(e);
    if (UNLIKELY(e->tokens + c->n_tokens > MMT_BLOCK_TOKENS))
        return false;
    code = e->streams[MMT_CODE] + e->lengths[MMT_CODE];
    delta = zigzag(c->start - e->next);
    for (uint32_t i = 0; i < c->n_tokens; i += PIECE)
        memcpy(code + i, c->text + c->n_data + i, PIECE);
    if (delta) {
        unsigned length = shortest(delta, mmt_fetch_lengths);
        *code |= (uint8_t)(length << 6);
        put(e, MMT_PAYLOAD, &delta, mmt_fetch_lengths[length]);
    }
    put_attributes(e, 0, c->n_tokens);
    e->next = c->end;
    e->lengths[MMT_CODE] += c->n_tokens;
    e->tokens += c->n_tokens;
    e->references += c->n_references;
    encode_data(e, c->text, c->n_data, data);
    return true;
}
