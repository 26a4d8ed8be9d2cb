/*
 * hash.c: XXH64: four lanes of 8 bytes, then what is left, then an avalanche.
 */
#include "hash.h"

#include <string.h>

static uint64_t load64(const unsigned char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static uint64_t load32(const unsigned char *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static uint64_t merge(uint64_t h, uint64_t lane)
{
    return (h ^ hash_round(0, lane)) * HASH_P1 + HASH_P4;
}

uint64_t hash_bytes(const void *bytes, size_t n, uint64_t seed)
{
    const unsigned char *p = bytes, *end = p + n;
    uint64_t h = seed + HASH_P5;

    if (n >= 32) {
        uint64_t a = seed + HASH_P1 + HASH_P2, b = seed + HASH_P2, c = seed, d = seed - HASH_P1;
        for (; end - p >= 32; p += 32) {
            a = hash_round(a, load64(p));
            b = hash_round(b, load64(p + 8));
            c = hash_round(c, load64(p + 16));
            d = hash_round(d, load64(p + 24));
        }
        h = hash_rotate(a, 1) + hash_rotate(b, 7) + hash_rotate(c, 12) + hash_rotate(d, 18);
        h = merge(merge(merge(merge(h, a), b), c), d);
    }
    h += n;
    for (; end - p >= 8; p += 8)
        h = hash_rotate(h ^ hash_round(0, load64(p)), 27) * HASH_P1 + HASH_P4;
    for (; end - p >= 4; p += 4)
        h = hash_rotate(h ^ load32(p) * HASH_P1, 23) * HASH_P2 + HASH_P3;
    for (; p < end; p++)
        h = hash_rotate(h ^ *p * HASH_P5, 11) * HASH_P1;
    h = (h ^ h >> 33) * HASH_P2;
    h = (h ^ h >> 29) * HASH_P3;
    return h ^ h >> 32;
}
