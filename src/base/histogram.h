/*
 * histogram.h: which bin of struct mmu_histogram a value is counted in, and which value a bin stands for.
 *
 * The mapping stands here once, for who counts and for who reads. Values below MMU_HISTOGRAM_EXACT have a bin
 * each. A greater value v, with 2^e <= v < 2^(e+1), is counted in one of 64 equal bins of that octave, so a
 * bin is at most 1/64 of its values wide. A far bin stands for the greatest value that it can hold: a
 * percentile read from it is never too small and at most 1/64 too great.
 */
#ifndef MMUSIM_BASE_HISTOGRAM_H
#define MMUSIM_BASE_HISTOGRAM_H

#include <mmusim/stats.h>

enum { HISTOGRAM_FIRST_OCTAVE = 12, HISTOGRAM_BIN_BITS = 6 };
_Static_assert(MMU_HISTOGRAM_EXACT == 1 << HISTOGRAM_FIRST_OCTAVE, "far bins begin where exact bins end");
_Static_assert(MMU_HISTOGRAM_FAR == (64 - HISTOGRAM_FIRST_OCTAVE) << HISTOGRAM_BIN_BITS,
               "every octave has its bins");

/* The far bin of a value of at least MMU_HISTOGRAM_EXACT. */
static inline unsigned histogram_far_bin(uint64_t value)
{
    unsigned octave = 63u - (unsigned)__builtin_clzll(value);
    unsigned within = (unsigned)(value >> (octave - HISTOGRAM_BIN_BITS)) & ((1u << HISTOGRAM_BIN_BITS) - 1);
    return ((octave - HISTOGRAM_FIRST_OCTAVE) << HISTOGRAM_BIN_BITS) + within;
}

/* The greatest value that is counted in a far bin. */
static inline uint64_t histogram_far_value(unsigned bin)
{
    unsigned octave = HISTOGRAM_FIRST_OCTAVE + (bin >> HISTOGRAM_BIN_BITS);
    uint64_t within = bin & ((1u << HISTOGRAM_BIN_BITS) - 1);
    uint64_t width = UINT64_C(1) << (octave - HISTOGRAM_BIN_BITS);
    return (UINT64_C(1) << octave) + within * width + (width - 1);
}

/* Counts n values, all the same; n > 0. */
static inline void histogram_add_many(struct mmu_histogram *h, uint64_t value, uint64_t n)
{
    h->count += n;
    h->sum += n * value;
    if (value > h->max)
        h->max = value;
    if (value < MMU_HISTOGRAM_EXACT)
        h->bin[value] += n;
    else
        h->far_bin[histogram_far_bin(value)] += n;
}

/* Counts one value. */
static inline void histogram_add(struct mmu_histogram *h, uint64_t value)
{
    histogram_add_many(h, value, 1);
}

#endif
