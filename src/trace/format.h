// clang-format off
/*
 * format.h: mmusim's binary form of a trace, version 1, byte by byte. Extension .mmt. All integers are
 * little-endian.
 *
 *   file     := header block* index
 *
 * HEADER, at offset 0. Written first with `finished` 0 and without counts; written again when the trace is complete.
 *     0   8  magic  89 'M' 'M' 'T' 0d 0a 1a 0a  (a transfer as text breaks it)
 *     8   4  version: 1
 *    12   4  length of the header with the source text: a multiple of 8, 104 to 4096
 *    16   8  count of references
 *    24  24  counts of fetches, loads and stores, 8 bytes each; they add up to the count
 *    48   8  checksum of the content: see mmu_trace_checksum() in trace.h
 *    56   8  offset of the index
 *    64   4  number of blocks
 *    68   4  finished: 1 when count to number of blocks are valid, else they are 0
 *    72   4  length of the source text in bytes, at most 255
 *    76  20  0
 *    96   n  the source text: one line, UTF-8, how the trace was recorded; padded with 0
 *   end-8 8  XXH64 (seed 0) of the header before it
 *
 * BLOCK: some 262144 tokens, decodable alone. All the state below is 0 at its begin.
 *     0   4  magic "MMTB"
 *     4   4  references in it, 1 to 524288
 *     8   8  number of its first reference in the trace
 *    16   4  tokens in it, 1 to 262144
 *    20   4  attribute: the one that all tokens have, or 256: they are in the attribute stream
 *    24  20  lengths of the five streams, unpacked, 4 bytes each
 *    44  20  lengths of the five streams, packed; 0 for a stream of length 0
 *    64   8  XXH64 (seed 0) of the packed streams, one behind the other
 *    72   8  XXH64 (seed 0) of the 72 bytes before it
 *    80   n  the packed streams in the order below, each one zstd frame
 *
 * A token is one reference, or two: an M token is a load, and a store of the same bytes with MMU_AF_FOLLOWS
 * alone.
 *
 *   CODE stream, a byte a token:
 *       bits 0-1  0 fetch, 1 load, 2 store, 3 M
 *       bits 2-5  size. Fetch: the size, 1 to 15. Data: 1 to 15 stand for 1 2 4 8 16 32 64 10 6 12 28 108 512 3 5
 *                 bytes. 0: the size is in the payload, 2 bytes behind the delta, 1 to 4096
 *       bits 6-7  fetch: the delta's length, 0 to 3 stand for 0 1 3 8 bytes. Data: 0
 *   PLACE stream, a byte for each token that is no fetch:
 *       bits 0-2  the delta's length, 0 to 7 stand for 0 1 2 3 4 5 6 8 bytes
 *       bits 3-6  slot, 0 to 15
 *       bit  7    0
 *   PAYLOAD stream: for each token its delta, then its size if the code has none. A delta d is stored as a signed
 *       number in zigzag: (d << 1) ^ (d >> 63), in as many bytes as the length says.
 *       Data: address = slot[s] + delta, then slot[s] = address. The slots are sixteen places in memory that the
 *       program works at; the writer may choose any of them for any address.
 *       Fetch: address = next + delta, then next = address + size: straight code has no deltas.
 *   ATTRIBUTE stream, a byte a token, or empty:
 *       bits 0-3  flags: MMU_AF_FOLLOWS 1, MMU_AF_GAP 2
 *       bits 4-7  privilege: 0 user, 1 explicit supervisor, 2 implicit supervisor (data only)
 *   GAP stream: 4 bytes for each token whose attribute has MMU_AF_GAP: the gap in cycles.
 *
 * INDEX
 *     0   4  magic "MMTI"
 *     4   4  number of blocks
 *     8  16  for each block: its offset in the file, and the number of its first reference, 8 bytes each
 *   end   8  XXH64 (seed 0) of the index before it
 *
 * A file whose writer died has an unfinished header and no index; its complete blocks can be read.
 */
// clang-format on
#ifndef TRACE_FORMAT_H
#define TRACE_FORMAT_H

#include <stdint.h>

#define MMT_MAGIC       "\x89MMT\r\n\x1a\n"
#define MMT_BLOCK_MAGIC "MMTB"
#define MMT_INDEX_MAGIC "MMTI"

enum {
    MMT_MAGIC_LENGTH = 8,
    MMT_VERSION = 1,
    MMT_HEADER_FIXED = 96,
    MMT_HEADER_MAX = 4096,
    MMT_SOURCE_MAX = 255,
    MMT_BLOCK_HEADER = 80,
    MMT_BLOCK_TOKENS = 262144,
    MMT_ATTRIBUTE_VARIES = 256,
    MMT_DELTA_MAX = 8, /* bytes of a delta, at most */
    MMT_SIZE_BYTES = 2,
    MMT_SLOTS = 16,
};

enum mmt_stream { MMT_CODE, MMT_PLACE, MMT_PAYLOAD, MMT_ATTRIBUTE, MMT_GAP, MMT_STREAMS };

enum mmt_token { MMT_FETCH, MMT_LOAD, MMT_STORE, MMT_MODIFY };

static const uint8_t mmt_fetch_lengths[4] = {0, 1, 3, 8};
static const uint8_t mmt_data_lengths[8] = {0, 1, 2, 3, 4, 5, 6, 8};
static const uint16_t mmt_data_sizes[16] = {0, 1, 2, 4, 8, 16, 32, 64, 10, 6, 12, 28, 108, 512, 3, 5};

#endif
