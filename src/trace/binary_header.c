/*
 * binary_header.c: the binary form's headers, of both versions, taken apart and checked. Nothing in the file
 * is trusted: every length is bounded by the format before memory is taken for it.
 */
#include "binary.h"
#include "bytes.h"
#include "error.h"
#include "hash.h"

#include <inttypes.h>
#include <stdlib.h>

void totals_put(uint8_t *to, const struct totals *t, const struct mmu_trace_info *info)
{
    memset(to, 0, MMT_TOTALS);
    put64(to, info->count);
    for (int k = 0; k < MMU_KINDS; k++)
        put64(to + 8 + 8 * k, info->kinds[k]);
    put64(to + 32, info->checksum);
    for (int k = 0; k < MMU_MARK_KINDS; k++)
        put64(to + 40 + 8 * k, info->marks[k]);
    put64(to + 80, info->marks_checksum);
    put64(to + 88, info->time_first);
    put64(to + 96, info->time_last);
    put64(to + 104, t->end);
    put32(to + 112, t->blocks);
    put32(to + 116, t->maps);
    put64(to + 120, info->heads);
    put64(to + 128, info->version == 2 ? info->heads > 0 : info->packed_checksum);
}

bool totals_get(const uint8_t *from, struct totals *t, struct mmu_trace_info *info)
{
    uint64_t sum = 0;

    for (int k = 0; k < MMU_KINDS; k++)
        sum += info->kinds[k] = get64(from + 8 + 8 * k);
    info->count = sum;
    info->has_count = true;
    info->has_fetches = info->kinds[MMU_FETCH] > 0;
    info->checksum = get64(from + 32);
    for (int k = 0; k < MMU_MARK_KINDS; k++)
        info->marks[k] = get64(from + 40 + 8 * k);
    info->marks_checksum = get64(from + 80);
    info->time_first = get64(from + 88);
    info->time_last = get64(from + 96);
    t->end = get64(from + 104);
    t->blocks = get32(from + 112);
    t->maps = get32(from + 116);
    info->heads = get64(from + 120);
    info->packed_checksum = info->version == 2 ? 0 : get64(from + 128);
    return sum == get64(from) && info->time_first <= info->time_last && info->heads <= sum &&
           (info->version > 2 || get64(from + 128) == (info->heads > 0));
}

/* The same of version 1, which has them in its header. */
static bool totals_get_1(const uint8_t *header, struct totals *t, struct mmu_trace_info *info)
{
    uint64_t sum = 0;

    for (int k = 0; k < MMU_KINDS; k++)
        sum += info->kinds[k] = get64(header + 24 + 8 * k);
    info->count = sum;
    info->has_count = get32(header + 68) == 1;
    info->has_fetches = info->kinds[MMU_FETCH] > 0 || !info->has_count;
    info->checksum = get64(header + 48);
    t->end = get64(header + 56);
    t->blocks = get32(header + 64);
    return sum == get64(header + 16) && get32(header + 68) <= 1;
}

static int bad_header(const struct mmu_trace_reader *r, struct mmu_error *err)
{
    return err_offset(err, MMU_ERR_FORMAT, r->name, 0, "the header contradicts itself");
}

/* Checks and keeps what the fixed part says; header has its whole length. */
static int take_header(struct mmu_trace_reader *r, const uint8_t *header, size_t length,
                       struct mmu_error *err)
{
    struct binary *b = r->state;
    struct mmu_trace_info *info = &r->info;
    bool old = info->version == 1;
    size_t fixed = old ? MMT_HEADER_FIXED_1 : MMT_HEADER_FIXED;
    uint32_t source = get32(header + (old ? 72 : 20));

    if (get64(header + length - 8) != hash_bytes(header, length - 8, 0))
        return err_offset(err, MMU_ERR_CHECKSUM, r->name, length - 8,
                          "the header's checksum is wrong: the file is damaged");
    if (source > MMT_SOURCE_MAX || source > length - 8 - fixed)
        return bad_header(r, err);
    b->state = old ? get32(header + 68) : get32(header + 16);
    if (b->state > (old ? MMT_FINISHED : MMT_PIPED) ||
        !(old ? totals_get_1(header, &b->totals, info)
              : totals_get(header + MMT_TOTALS_AT, &b->totals, info)))
        return bad_header(r, err);
    info->has_count = b->state == MMT_FINISHED;
    info->has_fetches = info->has_fetches || b->state != MMT_FINISHED;
    b->header_length = length;
    memset(info->source, 0, sizeof info->source);
    for (uint32_t i = 0; i < source; i++)
        info->source[i] = header[fixed + i] < ' ' ? ' ' : (char)header[fixed + i];
    return MMU_OK;
}

int binary_read_header(struct mmu_trace_reader *r, struct mmu_error *err)
{
    uint8_t header[MMT_HEADER_MAX];
    int64_t got = input_read(r->input, header, MMT_HEADER_FIXED_1, err);
    uint32_t length, version, least;

    if (got < 0)
        return (int)got;
    if (got >= MMT_MAGIC_LENGTH && memcmp(header, MMT_MAGIC, MMT_MAGIC_LENGTH))
        return err_offset(err, MMU_ERR_FORMAT, r->name, 0, "does not begin as mmusim's binary form does");
    if (got < MMT_HEADER_FIXED_1)
        return err_offset(err, MMU_ERR_TRUNCATED, r->name, (uint64_t)got, "the file ends inside its header");
    version = get32(header + 8);
    if (!version || version > MMT_VERSION)
        return err_offset(err, MMU_ERR_UNSUPPORTED, r->name, 8,
                          "version %" PRIu32 " of the binary form, expected 1 to %d", version, MMT_VERSION);
    r->info.version = version;
    length = get32(header + 12);
    least = (version == 1 ? MMT_HEADER_FIXED_1 : MMT_HEADER_FIXED) + 8;
    if (length < least || length > MMT_HEADER_MAX || length % 8)
        return err_offset(err, MMU_ERR_FORMAT, r->name, 12,
                          "a header of %" PRIu32 " bytes, expected %" PRIu32 " to %d", length, least,
                          MMT_HEADER_MAX);
    got = input_read(r->input, header + MMT_HEADER_FIXED_1, length - MMT_HEADER_FIXED_1, err);
    if (got < 0)
        return (int)got;
    if ((uint64_t)got < length - MMT_HEADER_FIXED_1)
        return err_offset(err, MMU_ERR_TRUNCATED, r->name, MMT_HEADER_FIXED_1 + (uint64_t)got,
                          "the file ends inside its header");
    return take_header(r, header, length, err);
}

uint32_t stream_most(int stream, const struct block_header *h)
{
    static const uint32_t bytes[MMT_STREAMS] = {1, 1, MMT_DELTA_MAX + MMT_SIZE_BYTES, 1, 4};

    switch (stream) {
    case MMT_MARKS:
        return MMT_MARKS_MAX;
    case MMT_HEAD_MEMBERS:
        return h->heads * HEAD_BYTES;
    case MMT_PIECE:
        return h->tokens < MMT_PIECES ? h->tokens : MMT_PIECES;
    case MMT_EXECUTION:
        return 2 * h->references;
    case MMT_DATA_PLACE:
        return h->references;
    case MMT_DATA_PAYLOAD:
        return MMT_DELTA_MAX * h->references;
    default:
        return stream < MMT_STREAMS ? h->tokens * bytes[stream]
                                    : h->head_tokens * bytes[stream - MMT_HEAD_CODE];
    }
}

/* The layout of a block's header by version: its length, and its streams. */
static const struct layout {
    uint32_t length;
    int lengths_at, streams;
} layouts[] = {[1] = {MMT_BLOCK_HEADER_1, 24, MMT_STREAMS},
               [2] = {MMT_BLOCK_HEADER_2, MMT_LENGTHS_AT, MMT_STREAMS_2},
               [MMT_VERSION] = {MMT_BLOCK_HEADER, MMT_LENGTHS_AT, MMT_ALL_STREAMS}};

uint32_t binary_block_header(const struct mmu_trace_reader *r)
{
    return layouts[r->info.version].length;
}

/* The fields that only version 2 has. */
static void parse_more(const uint8_t *bytes, struct block_header *h)
{
    h->marks = get32(bytes + 24);
    h->state.told = get32(bytes + 28);
    for (int k = 0; k < MMU_MARK_EVENT; k++)
        h->state.value[k] = get64(bytes + 32 + 8 * k);
    h->heads = get32(bytes + 64);
    h->head_tokens = get32(bytes + 68);
    h->head_attribute = get32(bytes + 72);
}

/* So many tokens of so many references, with this attribute, and streams of these lengths? */
static bool tokens_ok(uint32_t tokens, uint32_t references, uint32_t attribute, const uint32_t *lengths)
{
    return tokens <= MMT_BLOCK_TOKENS && references >= tokens && references <= 2 * tokens &&
           lengths[MMT_CODE] == tokens &&
           lengths[MMT_ATTRIBUTE] == (attribute == MMT_ATTRIBUTE_VARIES ? tokens : 0);
}

/* The same of a block of executions: its tokens are those of its pieces. */
static bool pieces_ok(const struct block_header *h)
{
    uint32_t executions = h->lengths[MMT_EXECUTION] / 2;

    return h->tokens && tokens_ok(h->tokens, h->tokens, h->attribute, h->lengths) &&
           h->references <= 2 * MMT_BLOCK_TOKENS && !(h->lengths[MMT_EXECUTION] & 1) &&
           executions <= h->references && h->references <= executions * (2 * MMT_PIECE_TOKENS) &&
           h->lengths[MMT_PIECE];
}

static bool header_ok(const struct block_header *h, const uint8_t *bytes)
{
    uint32_t members = h->lengths[MMT_HEAD_MEMBERS];
    bool none = !h->lengths[MMT_PIECE] && !h->lengths[MMT_DATA_PLACE] && !h->lengths[MMT_DATA_PAYLOAD];
    bool ok =
        (h->lengths[MMT_EXECUTION] ? pieces_ok(h)
                                   : none && tokens_ok(h->tokens, h->references, h->attribute, h->lengths)) &&
        tokens_ok(h->head_tokens, h->heads, h->head_attribute, h->lengths + MMT_HEAD_CODE) &&
        h->heads <= h->references &&
        (members == h->heads * HEAD_BYTES / 2 || members == h->heads * HEAD_BYTES) &&
        h->first + h->references >= h->first && (h->references || h->marks) &&
        !(h->state.told >> MMU_MARK_EVENT) && h->marks <= h->lengths[MMT_MARKS] &&
        (h->marks == 0) == (h->lengths[MMT_MARKS] == 0);

    for (int k = 0; k < MMU_MARK_EVENT; k++)
        ok = ok && (h->state.told >> k & 1 || !h->state.value[k]);
    for (int s = 0; s < MMT_ALL_STREAMS; s++)
        ok = ok && h->lengths[s] <= stream_most(s, h) && h->packed[s] <= ZSTD_compressBound(h->lengths[s]) &&
             (h->packed[s] == 0) == (h->lengths[s] == 0);
    return ok && (h->heads || !h->head_attribute) && (h->length == MMT_BLOCK_HEADER_1 || !get32(bytes + 76));
}

int binary_parse_block(const struct mmu_trace_reader *r, const uint8_t *bytes, struct block_header *h,
                       struct mmu_error *err)
{
    const struct layout *layout = &layouts[r->info.version];
    const uint8_t *lengths = bytes + layout->lengths_at, *packed = lengths + 4 * layout->streams;
    uint32_t sum = layout->length - 8;

    if (memcmp(bytes, MMT_BLOCK_MAGIC, 4))
        return binary_bad_block(r, MMU_ERR_FORMAT, h->offset, "no block begins here: the file is damaged",
                                err);
    if (get64(bytes + sum) != hash_bytes(bytes, sum, 0))
        return binary_bad_block(r, MMU_ERR_CHECKSUM, h->offset,
                                "the checksum of its header is wrong: the file is damaged", err);
    *h = (struct block_header){.offset = h->offset, .length = sum + 8};
    h->references = get32(bytes + 4);
    h->first = get64(bytes + 8);
    h->tokens = get32(bytes + 16);
    h->attribute = get32(bytes + 20);
    h->checksum = get64(bytes + sum - 8);
    if (r->info.version > 1)
        parse_more(bytes, h);
    for (int s = 0; s < layout->streams; s++) {
        h->lengths[s] = get32(lengths + 4 * s);
        h->packed[s] = get32(packed + 4 * s);
        h->packed_total += h->packed[s];
    }
    if (!header_ok(h, bytes))
        return binary_bad_block(r, MMU_ERR_FORMAT, h->offset, "its header contradicts itself", err);
    return MMU_OK;
}
