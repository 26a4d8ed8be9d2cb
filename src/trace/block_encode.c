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

/*
 * Executions of code, in two steps over some hundred of them: tokens are copied and what must be encoded is
 * listed; then the list is encoded, by a loop whose way does not depend on the code.
 *
 * A fetch's delta looks like data: its slot is one more, which is always 0. A data token has nothing to add
 * to its code; what is added goes nowhere.
 */
enum { PIECE = CODE_SLACK, FETCH_SLOT = MMT_SLOTS, AT_ONCE = 4, HINT = 32 };

struct block_item {
    uint64_t value; /* address, or a fetch's delta */
    uint8_t *slot;  /* modulo HINT: where it was encoded last; FETCH_SLOT: a fetch */
    uint8_t *code;  /* of a fetch: where its token is */
    uint8_t token;  /* of a fetch, without a delta */
};

/* Bytes that hold x, 0 to 8. */
static inline unsigned bytes_of(uint64_t x)
{
    return UNLIKELY(x >> 56) ? 8 : (70u - (unsigned)__builtin_clzll(x << 1 | 1)) / 8;
}

/* By bytes that are needed: bytes that are written, and how the token says so; for data, and for a fetch. */
static const uint8_t written[2][9] = {{0, 1, 2, 3, 4, 5, 6, 8, 8}, {0, 1, 3, 3, 8, 8, 8, 8, 8}};
static const uint8_t spelled[2][9] = {{0, 1, 2, 3, 4, 5, 6, 7, 7}, {0, 1, 2, 2, 3, 3, 3, 3, 3}};

/* A slot for an address that is far from the one that it had the last time. An address that goes anywhere is
 * near none: then the search is not worth its time for the next few times, which the hint's upper bits count.
 */
static unsigned search_slot(const struct block_encoder *e, uint64_t va, uint8_t *hint)
{
    unsigned s = *hint % HINT;

    if (*hint >= HINT) {
        *hint = (uint8_t)(*hint - HINT);
        return s;
    }
    s = choose_slot(e, va);
    *hint = (uint8_t)(zigzag(va - e->slot[s]) < 2 * NEAR ? s : s | (256 - HINT));
    return s;
}

static void encode_items(struct block_encoder *e, const struct block_item *item, size_t n)
{
    uint8_t *place = e->streams[MMT_PLACE] + e->lengths[MMT_PLACE];
    uint8_t *payload = e->streams[MMT_PAYLOAD] + e->lengths[MMT_PAYLOAD], *begin = payload;
    uint64_t highest = e->highest;

    e->clock++;
    for (size_t i = 0; i < n; i++) {
        unsigned s = *item[i].slot % HINT, is_fetch = s == FETCH_SLOT;
        uint64_t value = item[i].value, delta = zigzag(value - e->slot[s]);
        if (UNLIKELY(delta >= 2 * NEAR && !is_fetch)) {
            s = search_slot(e, value, item[i].slot);
            delta = zigzag(value - e->slot[s]);
        }
        unsigned bytes = bytes_of(delta), word = spelled[is_fetch][bytes];
        memcpy(payload, &delta, sizeof delta);
        payload += written[is_fetch][bytes];
        *place = (uint8_t)(word | s << 3);
        place += !is_fetch;
        *item[i].code = (uint8_t)(item[i].token | word << 6);
        uint64_t address = is_fetch ? 0 : value;
        highest = address > highest ? address : highest;
        e->slot[s] = value;
        e->slot[FETCH_SLOT] = 0;
        e->used[s] = e->clock;
    }
    e->highest = highest;
    e->lengths[MMT_PLACE] = (uint32_t)(place - e->streams[MMT_PLACE]);
    e->lengths[MMT_PAYLOAD] += (uint32_t)(payload - begin);
}

/* Copies the tokens of an execution and lists what it encodes. Returns how many items. slack: AT_ONCE words
 * of data[] can be read. */
static size_t list_items(struct block_encoder *e, struct code *c, const uint64_t *data, bool slack,
                         struct block_item *item)
{
    uint8_t *code = e->streams[MMT_CODE] + e->tokens;
    size_t i = slack ? AT_ONCE : 0;

    for (uint32_t k = 0; k < c->n_tokens; k += PIECE)
        memcpy(code + k, c->text + c->n_data + k, PIECE);
    item[0] = (struct block_item){c->start - e->next, &e->fetch_slot, code, c->text[c->n_data]};
    if (slack)
        for (size_t k = 0; k < AT_ONCE; k++)
            item[1 + k] = (struct block_item){data[k], c->text + k, &e->nowhere, 0};
    for (; i < c->n_data; i++)
        item[1 + i] = (struct block_item){data[i], c->text + i, &e->nowhere, 0};
    e->next = c->end;
    put_attributes(e, 0, c->n_tokens);
    e->tokens += c->n_tokens;
    e->references += c->n_references;
    c->runs++;
    return 1u + c->n_data;
}

size_t block_encode_code(struct block_encoder *e, struct code *const *codes, uint32_t n_codes,
                         const uint64_t *words, size_t n)
{
    struct block_item item[BLOCK_ITEMS + MMU_CODE_MOST + AT_ONCE];
    size_t at = 0, items = 0;

    block_encode_settle(e);
    e->fetch_slot = FETCH_SLOT;
    while (at < n && words[at] < n_codes) {
        struct code *c = codes[words[at]];
        if (n - at <= c->n_data || UNLIKELY(e->tokens + c->n_tokens > MMT_BLOCK_TOKENS))
            break;
        items += list_items(e, c, words + at + 1, n - at > AT_ONCE, item + items);
        at += 1u + c->n_data;
        if (items >= BLOCK_ITEMS) {
            encode_items(e, item, items);
            items = 0;
        }
    }
    encode_items(e, item, items);
    e->lengths[MMT_CODE] = e->tokens;
    return at;
}
