/*
 * block_heads.c: heads of page runs to and from their streams. Their accesses are references like others;
 * here is what stands beside them.
 */
#include "block.h"

#include "bits.h"

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

int64_t heads_decode(struct heads_decoder *d, struct mmu_head *to, size_t max)
{
    struct mmu_access accesses[BLOCK_CHUNK];
    size_t got = 0;

    while (got < max) {
        size_t want = max - got < COUNT_OF(accesses) ? max - got : COUNT_OF(accesses);
        int64_t n = block_decode(&d->accesses, accesses, want);
        bool ok = n >= 0 && (uint64_t)n <= d->count - d->at;
        if (!n)
            break;
        for (int64_t i = 0; ok && i < n; i++) {
            to[got].access = accesses[i];
            ok = members_of(d, d->at++, &to[got++]);
        }
        if (!ok)
            return -1;
    }
    return (int64_t)got;
}
