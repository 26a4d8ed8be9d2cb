/*
 * block_heads.c: heads of page runs to and from their streams. Their accesses are references like others;
 * here is what stands beside them.
 */
#include "block.h"

#include "bits.h"

#include <string.h>

/* The planes of the members' stream, a byte a head each. */
enum { COUNTS, FLAGS = 2 * MMU_KINDS, NEXT, GAPS, NEXT_GAP = GAPS + 4, PLANES = NEXT_GAP + 4 };

_Static_assert((int)PLANES == (int)HEAD_BYTES, "a plane is a byte");

uint32_t heads_encode_members(const struct mmu_head *heads, uint32_t n, uint8_t *to)
{
    uint32_t gaps = 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct mmu_head *h = &heads[i];
        for (uint32_t k = 0; k < MMU_KINDS; k++) {
            to[(2 * k) * n + i] = (uint8_t)h->members[k];
            to[(2 * k + 1) * n + i] = (uint8_t)(h->members[k] >> 8);
        }
        to[FLAGS * n + i] = h->flags;
        to[NEXT * n + i] = h->next;
        for (uint32_t byte = 0; byte < 4; byte++) {
            to[(GAPS + byte) * n + i] = (uint8_t)(h->gaps >> 8 * byte);
            to[(NEXT_GAP + byte) * n + i] = (uint8_t)(h->next_gap >> 8 * byte);
        }
        gaps |= h->gaps | h->next_gap;
    }
    return gaps ? PLANES * n : GAPS * n;
}

static uint32_t gap_of(const uint8_t *plane, uint32_t n)
{
    return (uint32_t)plane[0] | (uint32_t)plane[n] << 8 | (uint32_t)plane[2 * n] << 16 |
           (uint32_t)plane[3 * n] << 24;
}

/* What is beside head i of all, n of them. False: it cannot be. */
ALWAYS_INLINE bool members_of(const struct heads_decoder *d, uint32_t i, struct mmu_head *h)
{
    const uint8_t *p = d->members + i;
    uint32_t n = d->count, all = 0;

    for (uint32_t k = 0; k < MMU_KINDS; k++) {
        h->members[k] = (uint16_t)(p[2 * k * n] | p[(2 * k + 1) * n] << 8);
        all |= h->members[k];
    }
    h->flags = p[FLAGS * n];
    h->next = p[NEXT * n];
    h->gaps = d->gaps ? gap_of(p + GAPS * n, n) : 0;
    h->next_gap = d->gaps ? gap_of(p + NEXT_GAP * n, n) : 0;
    return h->flags < 64 && (h->next < MMU_KINDS ? h->members[h->next] != 0 : h->next == MMU_KINDS && !all);
}

/* Sixteen bytes of a plane, one head each. */
typedef uint8_t plane16 __attribute__((vector_size(16)));
typedef uint16_t pairs16 __attribute__((vector_size(16)));
typedef uint32_t quads16 __attribute__((vector_size(16)));

enum { AT_ONCE = 16 };

#define ZIP(type, a, b, ...) ((type)__builtin_shufflevector(a, b, __VA_ARGS__))
#define ZIP8_LOW(a, b)       ZIP(pairs16, a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP8_HIGH(a, b)      ZIP(pairs16, a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define ZIP16_LOW(a, b)      ZIP(quads16, a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP16_HIGH(a, b)     ZIP(quads16, a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define ZIP32_LOW(a, b)      ZIP(quads16, a, b, 0, 4, 1, 5)
#define ZIP32_HIGH(a, b)     ZIP(quads16, a, b, 2, 6, 3, 7)

_Static_assert(offsetof(struct mmu_head, next) == 31 && offsetof(struct mmu_head, flags) == 30 &&
                   offsetof(struct mmu_head, members) == 24 && offsetof(struct mmu_head, gaps) == 16,
               "the first planes are the last word of a head");

/* The members of AT_ONCE heads, a word each: the planes turned round. */
static void turn_members(const uint8_t *plane, size_t n, uint64_t words[AT_ONCE])
{
    plane16 p[GAPS];
    pairs16 pairs[GAPS];
    quads16 quads[GAPS];

    for (int i = 0; i < GAPS; i++)
        memcpy(&p[i], plane + (size_t)i * n, sizeof p[i]);
    for (int i = 0; i < GAPS; i += 2) {
        pairs[i / 2] = ZIP8_LOW(p[i], p[i + 1]); /* heads 0 to 7 */
        pairs[4 + i / 2] = ZIP8_HIGH(p[i], p[i + 1]);
    }
    for (int i = 0; i < GAPS; i += 4) {
        quads16 *to = quads + i;
        quads16 low[2] = {ZIP16_LOW(pairs[i], pairs[i + 1]), ZIP16_HIGH(pairs[i], pairs[i + 1])};
        quads16 high[2] = {ZIP16_LOW(pairs[i + 2], pairs[i + 3]), ZIP16_HIGH(pairs[i + 2], pairs[i + 3])};
        to[0] = ZIP32_LOW(low[0], high[0]);
        to[1] = ZIP32_HIGH(low[0], high[0]);
        to[2] = ZIP32_LOW(low[1], high[1]);
        to[3] = ZIP32_HIGH(low[1], high[1]);
    }
    memcpy(words, quads, AT_ONCE * sizeof *words);
}

/* Can these be the members of a head, and what comes with them? */
ALWAYS_INLINE bool word_ok(uint64_t word)
{
    const uint64_t all = word & UINT64_C(0xffffffffffff);
    uint64_t has = all | (uint64_t)!all << 48; /* by the number of a kind; MMU_KINDS: there are none */

    return !(word & UINT64_C(0xfcc0000000000000)) && (has >> 16 * (word >> 56) & 0xffff);
}

/* AT_ONCE heads, without gaps, from number i of all on. False: they cannot be. */
static bool take_some(const struct heads_decoder *d, uint32_t i, const struct mmu_access *accesses,
                      struct mmu_head *to)
{
    uint64_t words[AT_ONCE];
    bool ok = true;

    turn_members(d->members + i, d->count, words);
    for (int k = 0; k < AT_ONCE; k++) {
        to[k].access = accesses[k];
        to[k].gaps = to[k].next_gap = 0;
        memcpy(to[k].members, &words[k], sizeof words[k]);
        ok &= word_ok(words[k]);
    }
    return ok;
}

/* n heads from d->at on. False: they cannot be. */
static bool take_heads(struct heads_decoder *d, const struct mmu_access *accesses, size_t n,
                       struct mmu_head *to)
{
    bool ok = n <= d->count - d->at;
    size_t i = 0;

    for (; ok && !d->gaps && n - i >= AT_ONCE; i += AT_ONCE)
        ok = take_some(d, d->at + (uint32_t)i, accesses + i, to + i);
    for (; ok && i < n; i++) {
        to[i].access = accesses[i];
        ok = members_of(d, d->at + (uint32_t)i, &to[i]);
    }
    d->at += (uint32_t)n;
    return ok;
}

int64_t heads_decode(struct heads_decoder *d, struct mmu_head *to, size_t max)
{
    struct mmu_access accesses[BLOCK_CHUNK];
    size_t got = 0;

    while (got < max) {
        size_t want = max - got < COUNT_OF(accesses) ? max - got : COUNT_OF(accesses);
        int64_t n = block_decode(&d->accesses, accesses, want);
        if (!n)
            break;
        if (n < 0 || !take_heads(d, accesses, (size_t)n, to + got))
            return -1;
        got += (size_t)n;
    }
    return (int64_t)got;
}
