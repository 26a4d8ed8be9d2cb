/*
 * block_encode.c: references to five streams, token by token. The choices that format.h leaves to the writer
 * are made here: which slot, and when two references are one M token.
 */
#include "block.h"

#include "bits.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t bytes_per_token[MMT_STREAMS] = {1, 1, MMT_DELTA_MAX + MMT_SIZE_BYTES, 1, 4};

bool block_encoder_init(struct block_encoder *e, uint32_t most)
{
    memset(e, 0, sizeof *e);
    e->most = most;
    for (int s = 0; s < MMT_STREAMS; s++) {
        e->streams[s] = malloc((size_t)most * bytes_per_token[s] + sizeof(uint64_t));
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
    memset(&e->slots, 0, sizeof e->slots);
    e->tokens = e->references = 0;
    e->attribute = 0;
    e->varies = false;
    e->next = 0;
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
unsigned slots_choose(const struct block_slots *slots, uint64_t va)
{
    unsigned nearest = 0, oldest = 0;
    uint64_t least = UINT64_MAX;

    for (unsigned s = 0; s < MMT_SLOTS; s++) {
        uint64_t distance = zigzag(va - slots->at[s]) >> 1;
        if (distance < least) {
            least = distance;
            nearest = s;
        }
        if (slots->used[s] < slots->used[oldest])
            oldest = s;
    }
    return least < SLOT_NEAR ? nearest : oldest;
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
        unsigned s = slots_choose(&e->slots, a->va);
        delta = zigzag(a->va - e->slots.at[s]);
        length = shortest(delta, mmt_data_lengths);
        place = (uint8_t)(length | s << 3);
        put(e, MMT_PLACE, &place, 1);
        length = mmt_data_lengths[length];
        e->slots.at[s] = a->va;
        e->slots.used[s] = ++e->slots.clock;
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
    if (e->tokens == e->most)
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
