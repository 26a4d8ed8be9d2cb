/*
 * rng.h: small seeded generators. splitmix64 seeds, xorshift64* runs: the same bytes on every host.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/* One step of splitmix64; also a good 64-bit mixer of its argument. */
static inline uint64_t rng_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

struct rng {
    uint64_t state; /* never 0 */
};

/* stream tells generators of one seed apart. */
static inline void rng_seed(struct rng *r, uint64_t seed, uint64_t stream)
{
    r->state = rng_mix(seed ^ rng_mix(stream));
    if (r->state == 0)
        r->state = 1;
}

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t x = r->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    r->state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* Uniform in [0, n), n > 0 and below 2^32 (multiply-shift; the bias is below 2^-32). */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
    return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

#endif
