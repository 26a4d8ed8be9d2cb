/*
 * hash.h: XXH64, the 64-bit xxHash, over bytes in memory. Detects accidents, not attacks.
 *
 * The algorithm is Yann Collet's, as its public specification has it (little-endian hosts only, as is all of
 * mmusim).
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_P1 UINT64_C(0x9E3779B185EBCA87)
#define HASH_P2 UINT64_C(0xC2B2AE3D27D4EB4F)
#define HASH_P3 UINT64_C(0x165667B19E3779F9)
#define HASH_P4 UINT64_C(0x85EBCA77C2B2AE63)
#define HASH_P5 UINT64_C(0x27D4EB2F165667C5)

static inline uint64_t hash_rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

/* One step of an XXH64 lane. */
static inline uint64_t hash_round(uint64_t lane, uint64_t input)
{
    return hash_rotate(lane + input * HASH_P2, 31) * HASH_P1;
}

uint64_t hash_bytes(const void *bytes, size_t n, uint64_t seed);

#endif
