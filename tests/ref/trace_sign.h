/* trace_sign.h: makes the checksums of a binary trace right again, so that tests get past them to what they
 * guard (see trace/format.h). */
#ifndef REF_TRACE_SIGN_H
#define REF_TRACE_SIGN_H

#include "bytes.h"
#include "format.h"
#include "hash.h"

#include <stddef.h>
#include <string.h>

/* Length of the packed streams that the block header at `block` announces. */
static inline size_t trace_packed(const unsigned char *block)
{
    size_t packed = 0;

    for (size_t s = 0; s < MMT_STREAMS; s++)
        packed += get32(block + 44 + 4 * s);
    return packed;
}

/* Offsets of the first blocks of a file, at most max; returns their number. */
static inline size_t trace_blocks(const unsigned char *bytes, size_t size, size_t *offsets, size_t max)
{
    size_t at = size > 16 ? get32(bytes + 12) : size, n = 0;

    while (n < max && at < size && size - at >= MMT_BLOCK_HEADER && !memcmp(bytes + at, MMT_BLOCK_MAGIC, 4)) {
        offsets[n++] = at;
        at += MMT_BLOCK_HEADER + trace_packed(bytes + at);
    }
    return n;
}

static inline void trace_sign(unsigned char *bytes, size_t size)
{
    size_t offsets[16], n = trace_blocks(bytes, size, offsets, 16),
                        header = size > 16 ? get32(bytes + 12) : 0;

    if (header >= MMT_HEADER_FIXED + 8 && header <= size)
        put64(bytes + header - 8, hash_bytes(bytes, header - 8, 0));
    for (size_t i = 0; i < n; i++) {
        unsigned char *block = bytes + offsets[i];
        size_t packed = trace_packed(block);
        if (packed <= size - offsets[i] - MMT_BLOCK_HEADER)
            put64(block + 64, hash_bytes(block + MMT_BLOCK_HEADER, packed, 0));
        put64(block + 72, hash_bytes(block, 72, 0));
    }
}

#endif
