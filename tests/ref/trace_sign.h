/* trace_sign.h: makes the checksums of a binary trace right again, so that tests get past them to what they
 * guard (see trace/format.h). */
#ifndef REF_TRACE_SIGN_H
#define REF_TRACE_SIGN_H

#include "bytes.h"
#include "format.h"
#include "hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Of a file that begins with these bytes: where a block has what, by version. */
struct trace_layout {
    size_t header, packed_at, streams;
};

static inline struct trace_layout trace_layout(const unsigned char *bytes)
{
    static const struct trace_layout layouts[] = {{MMT_BLOCK_HEADER_1, 44, MMT_STREAMS},
                                                  {MMT_BLOCK_HEADER_2, 128, MMT_STREAMS_2},
                                                  {MMT_BLOCK_HEADER, MMT_PACKED_AT, MMT_ALL_STREAMS}};
    uint32_t version = get32(bytes + 8);

    return layouts[version == 1 ? 0 : version == 2 ? 1 : 2];
}

/* Length of what is packed behind the header of a section. */
static inline size_t trace_packed(const unsigned char *section, struct trace_layout layout)
{
    size_t packed = 0;

    if (!memcmp(section, MMT_MAPS_MAGIC, 4))
        return get32(section + 16);
    for (size_t s = 0; s < layout.streams; s++)
        packed += get32(section + layout.packed_at + 4 * s);
    return packed;
}

/* Length of a section's header; 0: there is no block and no maps. */
static inline size_t trace_header(const unsigned char *section, size_t left, struct trace_layout layout)
{
    bool old = layout.header == MMT_BLOCK_HEADER_1;

    if (left >= layout.header && !memcmp(section, MMT_BLOCK_MAGIC, 4))
        return layout.header;
    return !old && left >= MMT_MAPS_HEADER && !memcmp(section, MMT_MAPS_MAGIC, 4) ? MMT_MAPS_HEADER : 0;
}

/* Offsets of the first blocks and maps of a file, at most max; returns their number. *end: behind them. */
static inline size_t trace_sections(const unsigned char *bytes, size_t size, size_t *offsets, size_t max,
                                    size_t *end)
{
    size_t at = size > 16 ? get32(bytes + 12) : size, n = 0, header;

    while (n < max && at < size && (header = trace_header(bytes + at, size - at, trace_layout(bytes)))) {
        offsets[n++] = at;
        at += header + trace_packed(bytes + at, trace_layout(bytes));
    }
    *end = at;
    return n;
}

/* The same for files without maps. */
static inline size_t trace_blocks(const unsigned char *bytes, size_t size, size_t *offsets, size_t max)
{
    size_t end;

    return trace_sections(bytes, size, offsets, max, &end);
}

static inline void trace_sign(unsigned char *bytes, size_t size)
{
    size_t offsets[16], end, header = size > 16 ? get32(bytes + 12) : 0;
    size_t n = trace_sections(bytes, size, offsets, 16, &end),
           tail = size > 16 && get32(bytes + 8) == 1 ? 8 : MMT_TRAILER;

    if (header >= MMT_HEADER_FIXED_1 + 8 && header <= size)
        put64(bytes + header - 8, hash_bytes(bytes, header - 8, 0));
    for (size_t i = 0; i < n; i++) {
        unsigned char *section = bytes + offsets[i];
        struct trace_layout layout = trace_layout(bytes);
        size_t length = trace_header(section, size - offsets[i], layout),
               packed = trace_packed(section, layout);
        if (packed <= size - offsets[i] - length)
            put64(section + length - 16, hash_bytes(section + length, packed, 0));
        put64(section + length - 8, hash_bytes(section, length - 8, 0));
    }
    if (end < size && size - end > tail + 8 && !memcmp(bytes + end, MMT_INDEX_MAGIC, 4))
        put64(bytes + size - tail, hash_bytes(bytes + end, size - end - tail, 0));
}

#endif
