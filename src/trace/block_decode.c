/*
 * block_decode.c: five streams to references, quickly.
 *
 * Fetches and data take the same branchless path: a fetch is a reference to a seventeenth slot that then
 * moves on by the size. A table of 256 entries holds what a code byte means. Ends of streams are checked once
 * a chunk; the slack behind each stream makes that safe.
 */
#include "block.h"

#include "delta.h"

#include <string.h>

enum { FETCH_SLOT = MMT_SLOTS };

/*
 * What a code byte means. word: the last eight bytes of struct mmu_access (gap 0, size, kind, flags 0). The
 * place is (byte of the stream & mask) | place: a fetch takes no byte, its mask and step are 0.
 */
struct meaning {
    uint64_t word;
    uint32_t advance; /* of the slot, behind the reference */
    uint16_t place;
    uint8_t mask, step;
    uint8_t special; /* SPECIAL_* */
};

enum { SPECIAL_SIZE = 1, SPECIAL_MODIFY = 2, SPECIAL_BAD = 4 };

/* Fields of the word. */
enum { SIZE_SHIFT = 32, KIND_SHIFT = 48, FLAGS_SHIFT = 56 };

#define W(size, kind) ((uint64_t)(size) << SIZE_SHIFT | (uint64_t)(kind) << KIND_SHIFT)

/* length: of the delta, its index in delta_lengths[] */
#define FETCH(n, length)                                                                                     \
    {                                                                                                        \
        .word = W(n, MMU_FETCH), .advance = (n), .place = FETCH_SLOT << 3 | (length),                        \
        .special = (n) ? 0 : SPECIAL_SIZE                                                                    \
    }
#define DATA(bytes, kind, flags)                                                                             \
    {                                                                                                        \
        .word = W(bytes, kind), .mask = 0x7f, .step = 1, .special = (flags) | ((bytes) ? 0 : SPECIAL_SIZE)   \
    }
#define BAD                                                                                                  \
    {                                                                                                        \
        .mask = 0x7f, .special = SPECIAL_BAD                                                                 \
    }
/* The four codes of a size index with the length bits: for data only 0 is valid. */
#define FOUR0(n, bytes)                                                                                      \
    FETCH(n, 0), DATA(bytes, MMU_LOAD, 0), DATA(bytes, MMU_STORE, 0), DATA(bytes, MMU_LOAD, SPECIAL_MODIFY)
#define FOUR(n, length) FETCH(n, length), BAD, BAD, BAD
#define ROW(length)                                                                                          \
    FOUR(0, length), FOUR(1, length), FOUR(2, length), FOUR(3, length), FOUR(4, length), FOUR(5, length),    \
        FOUR(6, length), FOUR(7, length), FOUR(8, length), FOUR(9, length), FOUR(10, length),                \
        FOUR(11, length), FOUR(12, length), FOUR(13, length), FOUR(14, length), FOUR(15, length)

static const struct meaning meanings[256] = {
    FOUR0(0, 0),  FOUR0(1, 1),  FOUR0(2, 2), FOUR0(3, 4),   FOUR0(4, 8),   FOUR0(5, 16),   FOUR0(6, 32),
    FOUR0(7, 64), FOUR0(8, 10), FOUR0(9, 6), FOUR0(10, 12), FOUR0(11, 28), FOUR0(12, 108), FOUR0(13, 512),
    FOUR0(14, 3), FOUR0(15, 5), ROW(1),      ROW(3),        ROW(7),
};

static bool attribute_ok(uint32_t attribute)
{
    return (attribute & 15) <= (MMU_AF_FOLLOWS | MMU_AF_GAP) && attribute >> 4 < MMU_PRIVS;
}

static uint64_t attribute_word(uint32_t attribute)
{
    return (uint64_t)(attribute & 0xf0) << KIND_SHIFT | (uint64_t)(attribute & 0xf) << FLAGS_SHIFT;
}

bool block_decode_begin(struct block_decoder *d, uint32_t tokens, uint32_t attribute)
{
    d->tokens = tokens;
    d->attribute = attribute;
    d->has_pending = false;
    memset(d->slot, 0, sizeof d->slot);
    return attribute == MMT_ATTRIBUTE_VARIES || attribute_ok(attribute);
}

/* Where a chunk stands. Locals of the loop, so that the compiler keeps them in registers. */
struct place_in_chunk {
    const uint8_t *code, *place, *payload, *attribute, *gap;
    struct mmu_access *out;
    bool bad;
};

static void store(struct mmu_access *to, uint64_t va, uint64_t word)
{
    memcpy(to, &va, sizeof va);
    memcpy((char *)to + sizeof va, &word, sizeof word);
}

_Static_assert(sizeof(struct mmu_access) == 16 && offsetof(struct mmu_access, gap) == 8 &&
                   offsetof(struct mmu_access, size) == 12 && offsetof(struct mmu_access, kind) == 14 &&
                   offsetof(struct mmu_access, flags) == 15,
               "a reference is stored as two words");

/* The attribute of one token into its word; a gap's four bytes as well. */
ALWAYS_INLINE uint64_t attributes(struct place_in_chunk *c, uint32_t attribute, uint64_t word)
{
    uint32_t gap = 0;

    c->bad |= !attribute_ok(attribute) || (attribute >> 4 == MMU_IMPLICIT && !(word >> KIND_SHIFT & 15));
    if (attribute & MMU_AF_GAP) {
        memcpy(&gap, c->gap, sizeof gap);
        c->gap += sizeof gap;
    }
    return word | attribute_word(attribute) | gap;
}

/*
 * One chunk: n tokens, each into one or two references. plain: all tokens have the attribute `attribute`,
 * without gap and valid for all kinds.
 */
ALWAYS_INLINE struct place_in_chunk decode_chunk(struct block_decoder *d, struct place_in_chunk c, size_t n,
                                                 bool plain)
{
    const uint64_t common = plain ? attribute_word(d->attribute) : 0;
    uint64_t wrapped = 0;

    for (size_t i = 0; i < n; i++) {
        const struct meaning *m = &meanings[*c.code++];
        unsigned place = (*c.place & m->mask) | m->place;
        uint64_t va, word = m->word | common;
        uint32_t size = (uint32_t)(m->word >> SIZE_SHIFT) & 0xffff, advance = m->advance;

        c.place += m->step;
        va = d->slot[place >> 3] + delta_take(&c.payload, place);
        if (UNLIKELY(m->special & (SPECIAL_SIZE | SPECIAL_BAD))) {
            uint16_t wide;
            memcpy(&wide, c.payload, sizeof wide);
            c.payload += sizeof wide;
            c.bad |= m->special & SPECIAL_BAD || wide - 1u > 4095;
            word |= (uint64_t)wide << SIZE_SHIFT;
            size = wide;
            advance = m->step ? 0 : wide;
        }
        d->slot[place >> 3] = va + advance;
        wrapped |= va + (size - 1) < va;
        if (!plain)
            word = attributes(&c, d->attribute == MMT_ATTRIBUTE_VARIES ? *c.attribute++ : d->attribute, word);
        store(c.out++, va, word);
        if (m->special & SPECIAL_MODIFY) {
            word = (word & UINT64_C(0x00f0ffff00000000)) | (uint64_t)MMU_STORE << KIND_SHIFT |
                   (uint64_t)MMU_AF_FOLLOWS << FLAGS_SHIFT;
            store(c.out++, va, word);
        }
    }
    c.bad |= wrapped != 0;
    return c;
}

static struct place_in_chunk decode_plain(struct block_decoder *d, struct place_in_chunk c, size_t n)
{
    return decode_chunk(d, c, n, true);
}

static struct place_in_chunk decode_general(struct block_decoder *d, struct place_in_chunk c, size_t n)
{
    return decode_chunk(d, c, n, false);
}

/* n tokens, n <= BLOCK_CHUNK and <= d->tokens, into to[2 * n]. Returns references, or -1. */
static int64_t chunk(struct block_decoder *d, struct mmu_access *to, size_t n)
{
    struct block_stream *s = d->streams;
    struct place_in_chunk c = {
        s[MMT_CODE].at, s[MMT_PLACE].at, s[MMT_PAYLOAD].at, s[MMT_ATTRIBUTE].at, s[MMT_GAP].at, to, false};
    bool plain = d->attribute != MMT_ATTRIBUTE_VARIES && !(d->attribute & MMU_AF_GAP) &&
                 d->attribute >> 4 != MMU_IMPLICIT;

    c = plain ? decode_plain(d, c, n) : decode_general(d, c, n);
    if (c.bad || c.code > s[MMT_CODE].end || c.place > s[MMT_PLACE].end || c.payload > s[MMT_PAYLOAD].end ||
        c.attribute > s[MMT_ATTRIBUTE].end || c.gap > s[MMT_GAP].end)
        return -1;
    s[MMT_CODE].at = c.code;
    s[MMT_PLACE].at = c.place;
    s[MMT_PAYLOAD].at = c.payload;
    s[MMT_ATTRIBUTE].at = c.attribute;
    s[MMT_GAP].at = c.gap;
    d->tokens -= (uint32_t)n;
    return c.out - to;
}

int64_t block_decode(struct block_decoder *d, struct mmu_access *to, size_t max)
{
    struct mmu_access two[2];
    size_t got = 0;
    int64_t n;

    if (d->has_pending && max) {
        d->has_pending = false;
        to[got++] = d->pending;
    }
    while (max - got >= 2 && d->tokens) {
        size_t tokens = (max - got) / 2;
        tokens = tokens < BLOCK_CHUNK ? tokens : BLOCK_CHUNK;
        n = chunk(d, to + got, tokens < d->tokens ? tokens : d->tokens);
        if (n < 0)
            return -1;
        got += (size_t)n;
    }
    if (got < max && d->tokens) {
        n = chunk(d, two, 1);
        if (n < 0)
            return -1;
        to[got++] = two[0];
        d->pending = two[1];
        d->has_pending = n == 2;
    }
    return (int64_t)got;
}

bool block_decode_clean(const struct block_decoder *d)
{
    for (int s = 0; s < MMT_STREAMS; s++)
        if (d->streams[s].at != d->streams[s].end)
            return false;
    return block_decode_done(d);
}
