/*
 * match.h: which way of a set holds a tag, of 64 bits or of 32.
 *
 * All tags are compared before anything is decided, since way numbers are unpredictable and a wrong guess
 * costs more than the rest. Four tags are compared at once by their low halves (SSE2, part of every x86-64;
 * plain C elsewhere), then the one found as a whole.
 */
#ifndef BASE_MATCH_H
#define BASE_MATCH_H

#include "bits.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define MATCH_NONE UINT32_MAX

/* Bit w: the low half of tag[w] is that of key, for four tags. */
ALWAYS_INLINE unsigned match_alike4(const uint64_t *tag, uint64_t key)
{
#ifdef __SSE2__
    __m128 a = _mm_castsi128_ps(_mm_loadu_si128((const __m128i *)(const void *)tag));
    __m128 b = _mm_castsi128_ps(_mm_loadu_si128((const __m128i *)(const void *)(tag + 2)));
    __m128i low = _mm_castps_si128(_mm_shuffle_ps(a, b, 0x88));
    return (unsigned)_mm_movemask_ps(
        _mm_castsi128_ps(_mm_cmpeq_epi32(low, _mm_set1_epi32((int)(uint32_t)key))));
#else
    return (unsigned)(tag[0] == key) | (unsigned)(tag[1] == key) << 1 | (unsigned)(tag[2] == key) << 2 |
           (unsigned)(tag[3] == key) << 3;
#endif
}

/* The way among n whose tag is key, or MATCH_NONE. Compares all before it decides: way numbers are
 * unpredictable. */
ALWAYS_INLINE uint32_t match_among(const uint64_t *tag, uint32_t n, uint64_t key)
{
    uint64_t mask = 0;
    if (UNLIKELY(n > 64)) {
        for (uint32_t w = 0; w < n; w++)
            if (tag[w] == key)
                return w;
        return MATCH_NONE;
    }
    uint32_t w = 0;
    for (; w + 4 <= n; w += 4)
        mask |= (uint64_t)match_alike4(tag + w, key) << w;
    for (; w < n; w++)
        mask |= (uint64_t)(tag[w] == key) << w;
    while (UNLIKELY(mask && tag[__builtin_ctzll(mask)] != key)) /* the low halves agree: rare */
        mask &= mask - 1;
    return mask ? (uint32_t)__builtin_ctzll(mask) : MATCH_NONE;
}

/* The same with the usual numbers of ways unrolled. */
ALWAYS_INLINE uint32_t match_ways(const uint64_t *tag, uint32_t ways, uint64_t key)
{
    switch (ways) {
    case 4:
        return match_among(tag, 4, key);
    case 8:
        return match_among(tag, 8, key);
    case 12:
        return match_among(tag, 12, key);
    default:
        return match_among(tag, ways, key);
    }
}

/* Bit w: tag[w] is key, for 8 tags of 32 bits. */
ALWAYS_INLINE unsigned match_narrow8(const uint32_t *tag, uint32_t key)
{
#ifdef __SSE2__
    __m128i k = _mm_set1_epi32((int)key);
    __m128i a = _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i *)(const void *)tag), k);
    __m128i b = _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i *)(const void *)(tag + 4)), k);
    __m128i both = _mm_packs_epi32(a, b);
    return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(both, _mm_setzero_si128()));
#else
    unsigned mask = 0;
    for (unsigned w = 0; w < 8; w++)
        mask |= (unsigned)(tag[w] == key) << w;
    return mask;
#endif
}

#endif
