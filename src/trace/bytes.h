/*
 * bytes.h: little-endian integers at any address, on little-endian hosts.
 */
#ifndef TRACE_BYTES_H
#define TRACE_BYTES_H

#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "mmusim runs on little-endian hosts");

static inline uint32_t get32(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline uint64_t get64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline void put32(uint8_t *p, uint32_t x)
{
    memcpy(p, &x, sizeof x);
}

static inline void put64(uint8_t *p, uint64_t x)
{
    memcpy(p, &x, sizeof x);
}

#endif
