// clang-format off
/*
 * format.h: mmusim's binary form of a trace, byte by byte. Extension .mmt. All integers are little-endian. Version 3
 * is what is written; versions 2 and 1, described at the end, are read as well.
 *
 *   file     := header (block | maps)* end
 *
 * HEADER, at offset 0. Written first with state 0 and without totals; written again when the trace is complete, if
 * the file can be sought; a pipe gets it once, with state 2.
 *     0   8  magic  89 'M' 'M' 'T' 0d 0a 1a 0a  (a transfer as text breaks it)
 *     8   4  version: 3
 *    12   4  length of the header with the source text: a multiple of 8, 176 to 4096
 *    16   4  state: 0 unfinished, 1 finished, 2 written to a pipe: the totals are in the end only
 *    20   4  length of the source text in bytes, at most 255
 *    24 136  totals; all 0 unless the state is 1
 *   160   n  the source text: one line, UTF-8, how the trace was recorded; padded with 0
 *   end-8 8  XXH64 (seed 0) of the header before it
 *
 * TOTALS
 *     0   8  count of references
 *     8  24  counts of fetches, loads and stores, 8 bytes each; they add up to the count
 *    32   8  checksum of the references: mmu_trace_checksum() in mmusim/trace.h; 0: they were not summed up
 *    40  40  counts of marks: process, thread, cpu, time, event, 8 bytes each
 *    80   8  checksum of the marks: mmu_trace_checksum_marks()
 *    88  16  least and greatest time of the time marks; 0, 0 without any
 *   104   8  offset of the end
 *   112   4  number of blocks
 *   116   4  number of maps sections
 *   120   8  number of heads of page runs, in all blocks
 *   128   8  checksum of the blocks: from 0, a step of an XXH64 lane (src/base/hash.h) with each block's XXH64 of its
 *            packed streams, in order
 *
 * BLOCK: decodable alone. Of 262144 tokens, or of 1048576 where code is written by its executions. All the state below is 0 at its begin.
 *     0   4  magic "MMTB"
 *     4   4  references in it, 0 to 2097152; 0: marks alone
 *     8   8  number of its first reference in the trace
 *    16   4  tokens in its first five streams, 0 to 1048576
 *    20   4  attribute: the one that all tokens have, or 256: they are in the attribute stream
 *    24   4  marks in it
 *    28   4  bits 0-3: a process, a thread, a cpu, a time has been told by the blocks before
 *    32  32  the process, thread, cpu and time told last before the block, 8 bytes each; 0: not told
 *    64   4  heads of page runs in it; 0: none are stored
 *    68   4  tokens of the heads
 *    72   4  attribute of the heads
 *    76   4  0
 *    80  64  lengths of the sixteen streams, unpacked, 4 bytes each
 *   144  64  lengths of the sixteen streams, packed; 0 for a stream of length 0
 *   208   8  XXH64 (seed 0) of the packed streams, one behind the other
 *   216   8  XXH64 (seed 0) of the 216 bytes before it
 *   224   n  the packed streams in the order below, each one zstd frame
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
 *   MARKS stream, at most 1 MiB. A number is 7 bits a byte, low bits first, bit 7 set in all bytes but the last; for
 *       each mark:
 *       number    how many references stand between it and the mark before it (first: the block's begin). A mark at
 *                 the place between two blocks is in the second one, unless the first has references and no more
 *                 room for marks, or it is one of the last of the trace
 *       byte      kind: 0 process, 1 thread, 2 cpu, 3 time, 4 event
 *       then      process, thread, cpu: the number. Time: the difference to the time told before (0), a number in
 *                 zigzag. Event: a byte, the text's length, 1 to 231, and the text
 *   Page runs (mmusim/runs.h), if they are stored. The block's references are cut into stretches: at each mark, and
 *   behind 65536 references. The heads are those that mmu_runs_collapse() makes of each stretch, one behind the other.
 *   HEAD_CODE, HEAD_PLACE, HEAD_PAYLOAD, HEAD_ATTRIBUTE, HEAD_GAP: the heads' accesses, as the first five streams.
 *   HEAD_MEMBERS: planes of a byte for each head: low bytes of the members that are fetches, their high bytes, the same
 *       for loads and for stores, flags, next; then, unless all are 0, the four bytes of gaps, the four of next_gap.
 *
 *   Code runs again and again. A block without executions has its references in the first five streams, token by
 *   token. In one with executions these streams are pieces of code, 1 to 64 tokens each, one behind the other, and the
 *   block's references are the executions of pieces, in order. The addresses of a piece's loads and stores are of no
 *   account (the writer makes them 0): each execution brings its own.
 *   PIECE stream, a byte a piece: its tokens. There are at most 65536 pieces, and they use up the tokens.
 *   EXECUTION stream, 2 bytes each: the number of the piece, from 0; at most as many as the block has references.
 *   DATA_PLACE, DATA_PAYLOAD: place and delta of each load, store and M of each execution, as in PLACE and PAYLOAD,
 *       with sixteen slots of their own.
 *
 * MAPS: the text of /proc/PID/maps of one process; a later section for the same process replaces it.
 *     0   4  magic "MMTM"
 *     4   4  length of the text, unpacked, at most 16 MiB
 *     8   8  process
 *    16   4  length of the text, packed
 *    20   4  0
 *    24   8  XXH64 (seed 0) of the packed text
 *    32   8  XXH64 (seed 0) of the 32 bytes before it
 *    40   n  the packed text, one zstd frame
 *
 * END
 *     0   4  magic "MMTI"
 *     4   4  number of blocks, b
 *     8  16  for each block: its offset in the file, and the number of its first reference, 8 bytes each
 *   +16b  8  for each maps section (number: see the totals): its offset
 *    ... 136  totals
 *    ...   8  XXH64 (seed 0) of the end before it
 *    ...   8  offset of the end
 *    ...   8  magic "MMTEnd" 0d 0a
 *
 * A file whose writer died has state 0 and no end; its complete blocks can be read.
 *
 * VERSION 2
 *   The totals have at 128 4 bytes, 1: the blocks have page runs, 0: none has; then 4 bytes of 0.
 *   A block's header has 192 bytes: 0 to 79 as above; lengths of the first twelve streams, unpacked, from 80 on, and
 *   packed, from 128 on; the two checksums at 176 and 184. It has no executions.
 *
 * VERSION 1
 *   The header's fixed part: magic, version 1 and length (104 to 4096) as above; then
 *    16   8  count            24  24  counts by kind     48   8  checksum       56   8  offset of the index
 *    64   4  number of blocks 68   4  1: finished        72   4  source length  76  20  0
 *    96   n  the source text, and the checksum as above
 *   A block's header has 80 bytes:
 *     0  24  as above, but references and tokens are 1 or more
 *    24  20  lengths of the five streams, unpacked       44  20  packed
 *    64   8  XXH64 of the packed streams                 72   8  XXH64 of the 72 bytes before it
 *   It has no marks, no page runs and no maps. Its end is an index: magic, number and entries as above, then
 *   the XXH64 of what is before it.
 */
// clang-format on
#ifndef TRACE_FORMAT_H
#define TRACE_FORMAT_H

#include <stdint.h>

#define MMT_MAGIC       "\x89MMT\r\n\x1a\n"
#define MMT_BLOCK_MAGIC "MMTB"
#define MMT_MAPS_MAGIC  "MMTM"
#define MMT_INDEX_MAGIC "MMTI"
#define MMT_END_MAGIC   "MMTEnd\r\n"

enum {
    MMT_MAGIC_LENGTH = 8,
    MMT_VERSION = 3,
    MMT_HEADER_FIXED = 160,
    MMT_HEADER_FIXED_1 = 96,
    MMT_HEADER_MAX = 4096,
    MMT_SOURCE_MAX = 255,
    MMT_TOTALS_AT = 24,
    MMT_TOTALS = 136,
    MMT_BLOCK_HEADER = 224,
    MMT_BLOCK_HEADER_2 = 192,
    MMT_BLOCK_HEADER_1 = 80,
    MMT_LENGTHS_AT = 80,
    MMT_PACKED_AT = MMT_LENGTHS_AT + 64,
    MMT_BLOCK_TOKENS = 1048576, /* at most */
    MMT_ATTRIBUTE_VARIES = 256,
    MMT_DELTA_MAX = 8, /* bytes of a delta, at most */
    MMT_SIZE_BYTES = 2,
    MMT_SLOTS = 16,
    MMT_MARKS_MAX = 1 << 20,
    MMT_PIECE_TOKENS = 64,
    MMT_PIECES = 65536,
    MMT_STRETCH = 65536,
    MMT_MAPS_HEADER = 40,
    MMT_MAPS_MAX = 16 << 20,
    MMT_TRAILER = 24, /* checksum, offset, magic */
};

enum mmt_state { MMT_UNFINISHED, MMT_FINISHED, MMT_PIPED };

/* The first MMT_STREAMS hold references; heads have the same from MMT_HEAD_CODE on. Version 2 has no PIECE and
 * what follows. */
enum mmt_stream {
    MMT_CODE,
    MMT_PLACE,
    MMT_PAYLOAD,
    MMT_ATTRIBUTE,
    MMT_GAP,
    MMT_STREAMS,
    MMT_MARKS = MMT_STREAMS,
    MMT_HEAD_CODE,
    MMT_HEAD_MEMBERS = MMT_HEAD_CODE + MMT_STREAMS,
    MMT_STREAMS_2,
    MMT_PIECE = MMT_STREAMS_2,
    MMT_EXECUTION,
    MMT_DATA_PLACE,
    MMT_DATA_PAYLOAD,
    MMT_ALL_STREAMS
};

enum mmt_token { MMT_FETCH, MMT_LOAD, MMT_STORE, MMT_MODIFY };

static const uint8_t mmt_fetch_lengths[4] = {0, 1, 3, 8};
static const uint8_t mmt_data_lengths[8] = {0, 1, 2, 3, 4, 5, 6, 8};
static const uint16_t mmt_data_sizes[16] = {0, 1, 2, 4, 8, 16, 32, 64, 10, 6, 12, 28, 108, 512, 3, 5};

#endif
