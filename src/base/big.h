/*
 * big.h: large arrays in huge host pages, where the host has them: simulated caches and page tables are
 * looked up at random, and the host's own translation misses would cost more than the simulation.
 */
#ifndef BASE_BIG_H
#define BASE_BIG_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BIG_PAGE = 2 << 20 };

/* Zeroed memory, freed with free(); NULL when there is none. */
static inline void *big_calloc(size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        return NULL;
    size_t bytes = n * size;
    if (bytes < BIG_PAGE / 2)
        return calloc(n, size);
    bytes = (bytes + BIG_PAGE - 1) / BIG_PAGE * BIG_PAGE;
    void *p = aligned_alloc(BIG_PAGE, bytes);
    if (!p)
        return NULL;
#ifdef MADV_HUGEPAGE
    (void)madvise(p, bytes, MADV_HUGEPAGE); /* a wish */
#endif
    return memset(p, 0, bytes);
}

#endif
