/*
 * dice.h: random numbers for tests, and where their seeds and numbers of rounds come from.
 *
 * The generator is splitmix64: the tests' own, so that a fault in the library's cannot hide. MMUSIM_SEED and
 * MMUSIM_ROUNDS in the environment replace a test's defaults; a test prints its seed, so that a failure can
 * be had again.
 */
#ifndef DICE_H
#define DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_next(struct dice *d)
{
    uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 to n - 1; n is small, so the bias of the remainder does not matter. */
static inline unsigned dice_below(struct dice *d, unsigned n)
{
    return (unsigned)(dice_next(d) >> 32) % n;
}

/* True once in n. */
static inline bool dice_once_in(struct dice *d, unsigned n)
{
    return dice_below(d, n) == 0;
}

/* The seed: MMUSIM_SEED, else seed. Prints it with the test's name. */
struct dice dice_new(const char *test, uint64_t seed);

/* MMUSIM_ROUNDS, else rounds. */
unsigned dice_rounds(unsigned rounds);

#endif
