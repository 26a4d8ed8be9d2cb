/*
 * bits.h: branch hints, assertions of debug builds, small arithmetic on bits.
 */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define LIKELY(x)     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define COLD          __attribute__((cold, noinline))
#define NOINLINE      __attribute__((noinline))
#define COUNT_OF(a)   (sizeof(a) / sizeof *(a))

/* An invariant: executed in debug builds, where it aborts with its text. */
#ifdef MMU_DEBUG
#define INVARIANT(x) ((x) ? (void)0 : bits_broken(#x, __FILE__, __LINE__))
#else
#define INVARIANT(x) ((void)sizeof(x))
#endif

/* The same, executed in every build: for x_check() functions and misuse of the interface. */
#define REQUIRE(x) (LIKELY(x) ? (void)0 : bits_broken(#x, __FILE__, __LINE__))

_Noreturn static inline void bits_broken(const char *what, const char *file, int line)
{
    fprintf(stderr, "mmusim: %s:%d: violated: %s\n", file, line, what);
    abort();
}

static inline bool is_power_of_two(uint64_t x)
{
    return x != 0 && (x & (x - 1)) == 0;
}

/* Floor of the binary logarithm; x > 0. */
static inline unsigned log2_floor(uint64_t x)
{
    return 63u - (unsigned)__builtin_clzll(x);
}

#endif
