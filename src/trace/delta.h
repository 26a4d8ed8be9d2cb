/*
 * delta.h: deltas of addresses as they stand in a payload (see format.h).
 */
#ifndef TRACE_DELTA_H
#define TRACE_DELTA_H

#include "bits.h"

#include <stdint.h>
#include <string.h>

/* Lengths and masks of deltas by the low three bits of a place. */
static const uint8_t delta_lengths[8] = {0, 1, 2, 3, 4, 5, 6, 8};
static const uint64_t delta_masks[8] = {
    0, 0xff, 0xffff, 0xffffff, 0xffffffff, UINT64_C(0xffffffffff), UINT64_C(0xffffffffffff), UINT64_MAX};

/* The delta at *payload, of the length that this place has; 8 bytes are read whatever it is. Moves on behind
 * it. */
ALWAYS_INLINE uint64_t delta_take(const uint8_t **payload, unsigned place)
{
    uint64_t delta;

    memcpy(&delta, *payload, sizeof delta);
    delta &= delta_masks[place & 7];
    *payload += delta_lengths[place & 7];
    return delta >> 1 ^ (0 - (delta & 1));
}

#endif
