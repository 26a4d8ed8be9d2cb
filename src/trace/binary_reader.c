/*
 * binary_reader.c: reads the binary form (see format.h): header, blocks one after the other, seeking by the
 * index or, without one, by hopping over block headers.
 *
 * Nothing in the file is trusted: every length is bounded by the format before memory is taken for it,
 * checksums come before contents, and the decoder is safe with any bytes.
 */
#include "block.h"
#include "bytes.h"
#include "error.h"
#include "hash.h"
#include "reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <zstd.h>

/* A block header, taken apart and found possible. */
struct block_header {
    uint64_t offset, first;
    uint32_t references, tokens, attribute;
    uint32_t lengths[MMT_STREAMS], packed[MMT_STREAMS];
    uint64_t packed_total, checksum;
};

/* One growing piece of memory. */
struct buffer {
    uint8_t *bytes;
    size_t room;
};

struct index_entry {
    uint64_t offset, first;
};

struct binary {
    uint64_t header_length, index_offset;
    uint32_t blocks; /* by the header */
    bool finished;
    bool at_end;       /* the index was met, or the end of an unfinished file reported */
    uint64_t block;    /* number of the next block to read */
    uint64_t expected; /* number of the next block's first reference */
    struct block_decoder decoder;
    uint32_t delivered_of_block, in_block; /* references */
    uint64_t block_offset;
    struct buffer packed, streams[MMT_STREAMS];
    ZSTD_DCtx *zstd;
    bool has_index;
    struct index_entry *index; /* index_count entries, ascending in both fields */
    uint32_t index_count;
};

static int no_memory(const struct mmu_trace_reader *r, struct mmu_error *err)
{
    return err_at(err, MMU_ERR_NOMEM, input_name(r->input), 0, 0, "out of memory");
}

static int bad_block(const struct mmu_trace_reader *r, int code, uint64_t offset, const char *what,
                     struct mmu_error *err)
{
    const struct binary *b = r->state;

    return err_offset(err, code, input_name(r->input), offset, "block %" PRIu64 ": %s", b->block, what);
}

static bool reserve(struct buffer *buffer, size_t room)
{
    if (room <= buffer->room)
        return true;
    free(buffer->bytes);
    buffer->bytes = malloc(room);
    buffer->room = buffer->bytes ? room : 0;
    return buffer->bytes != NULL;
}

/* Checks and keeps what the fixed part says; header has its whole length. */
static int take_header(struct mmu_trace_reader *r, const uint8_t *header, size_t length,
                       struct mmu_error *err)
{
    struct binary *b = r->state;
    struct mmu_trace_info *info = &r->info;
    uint64_t sum = 0;
    uint32_t source = get32(header + 72);
    const char *name = input_name(r->input);

    if (get64(header + length - 8) != hash_bytes(header, length - 8, 0))
        return err_offset(err, MMU_ERR_CHECKSUM, name, length - 8,
                          "the header's checksum is wrong: the file is damaged");
    for (int k = 0; k < MMU_KINDS; k++)
        sum += info->kinds[k] = get64(header + 24 + 8 * k);
    if (source > MMT_SOURCE_MAX || source > length - 8 - MMT_HEADER_FIXED || sum != get64(header + 16) ||
        get32(header + 68) > 1)
        return err_offset(err, MMU_ERR_FORMAT, name, 0, "the header contradicts itself");
    b->header_length = length;
    b->finished = get32(header + 68) == 1;
    b->index_offset = get64(header + 56);
    b->blocks = get32(header + 64);
    info->version = MMT_VERSION;
    info->has_count = b->finished;
    info->count = sum;
    info->has_fetches = info->kinds[MMU_FETCH] > 0 || !b->finished;
    info->checksum = get64(header + 48);
    for (uint32_t i = 0; i < source; i++)
        info->source[i] = header[MMT_HEADER_FIXED + i] < ' ' ? ' ' : (char)header[MMT_HEADER_FIXED + i];
    return MMU_OK;
}

static int read_header(struct mmu_trace_reader *r, struct mmu_error *err)
{
    uint8_t header[MMT_HEADER_MAX];
    const char *name = input_name(r->input);
    int64_t got = input_read(r->input, header, MMT_HEADER_FIXED, err);
    uint32_t length;

    if (got < 0)
        return (int)got;
    if (got >= MMT_MAGIC_LENGTH && memcmp(header, MMT_MAGIC, MMT_MAGIC_LENGTH))
        return err_offset(err, MMU_ERR_FORMAT, name, 0, "does not begin as mmusim's binary form does");
    if (got < MMT_HEADER_FIXED)
        return err_offset(err, MMU_ERR_TRUNCATED, name, (uint64_t)got, "the file ends inside its header");
    if (get32(header + 8) != MMT_VERSION)
        return err_offset(err, MMU_ERR_UNSUPPORTED, name, 8,
                          "version %" PRIu32 " of the binary form, expected version %d", get32(header + 8),
                          MMT_VERSION);
    length = get32(header + 12);
    if (length < MMT_HEADER_FIXED + 8 || length > MMT_HEADER_MAX || length % 8)
        return err_offset(err, MMU_ERR_FORMAT, name, 12,
                          "a header of %" PRIu32 " bytes, expected 104 to 4096", length);
    got = input_read(r->input, header + MMT_HEADER_FIXED, length - MMT_HEADER_FIXED, err);
    if (got < 0)
        return (int)got;
    if ((uint64_t)got < length - MMT_HEADER_FIXED)
        return err_offset(err, MMU_ERR_TRUNCATED, name, MMT_HEADER_FIXED + (uint64_t)got,
                          "the file ends inside its header");
    return take_header(r, header, length, err);
}

static unsigned binary_sniff(const unsigned char *head, size_t n, const char *name)
{
    (void)name;
    /* The reader looks at the rest of the magic, and says more. */
    return n >= 4 && !memcmp(head, MMT_MAGIC, 4) ? SNIFF_CERTAIN : SNIFF_NO;
}

static int binary_open(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct binary *b = r->state = calloc(1, sizeof *b);

    if (!b || !(b->zstd = ZSTD_createDCtx()))
        return no_memory(r, err);
    r->counting = false;
    return read_header(r, err);
}

static void binary_close(struct mmu_trace_reader *r)
{
    struct binary *b = r->state;

    if (!b)
        return;
    for (int s = 0; s < MMT_STREAMS; s++)
        free(b->streams[s].bytes);
    free(b->packed.bytes);
    free(b->index);
    ZSTD_freeDCtx(b->zstd);
    free(b);
}

/* The most that a stream of so many tokens can hold. */
static uint32_t most(int s, uint32_t tokens)
{
    static const uint32_t bytes[MMT_STREAMS] = {1, 1, MMT_DELTA_MAX + MMT_SIZE_BYTES, 1, 4};

    return tokens * bytes[s];
}

/* Takes a block header apart. bytes: MMT_BLOCK_HEADER of them. */
static int parse_block(const struct mmu_trace_reader *r, const uint8_t *bytes, struct block_header *h,
                       struct mmu_error *err)
{
    bool ok;

    if (memcmp(bytes, MMT_BLOCK_MAGIC, 4))
        return bad_block(r, MMU_ERR_FORMAT, h->offset, "no block begins here: the file is damaged", err);
    if (get64(bytes + 72) != hash_bytes(bytes, 72, 0))
        return bad_block(r, MMU_ERR_CHECKSUM, h->offset,
                         "the checksum of its header is wrong: the file is damaged", err);
    h->references = get32(bytes + 4);
    h->first = get64(bytes + 8);
    h->tokens = get32(bytes + 16);
    h->attribute = get32(bytes + 20);
    h->checksum = get64(bytes + 64);
    h->packed_total = 0;
    ok = h->tokens >= 1 && h->tokens <= MMT_BLOCK_TOKENS && h->references >= h->tokens &&
         h->references <= 2 * h->tokens;
    for (int s = 0; s < MMT_STREAMS; s++) {
        h->lengths[s] = get32(bytes + 24 + 4 * s);
        h->packed[s] = get32(bytes + 44 + 4 * s);
        h->packed_total += h->packed[s];
        ok = ok && h->lengths[s] <= most(s, h->tokens) && h->packed[s] <= ZSTD_compressBound(h->lengths[s]) &&
             (h->packed[s] == 0) == (h->lengths[s] == 0);
    }
    if (!ok || h->lengths[MMT_CODE] != h->tokens || h->first + h->references < h->first ||
        h->lengths[MMT_ATTRIBUTE] != (h->attribute == MMT_ATTRIBUTE_VARIES ? h->tokens : 0))
        return bad_block(r, MMU_ERR_FORMAT, h->offset, "its header contradicts itself", err);
    return MMU_OK;
}

/*
 * The index begins at offset; its first bytes have been read (perhaps more than it has). Reads the rest: is
 * it whole, the last of the file, and do the blocks agree with it and with the header?
 */
static int check_end(struct mmu_trace_reader *r, uint64_t offset, const uint8_t *begin, size_t got,
                     struct mmu_error *err)
{
    struct binary *b = r->state;
    const char *name = input_name(r->input);
    size_t length = 16 + (size_t)b->block * 16;
    uint8_t *index;
    int64_t more = 0;
    int code = MMU_OK;

    b->at_end = true;
    if (!b->finished || b->expected != r->info.count || b->block != b->blocks)
        return err_offset(err, MMU_ERR_FORMAT, name, offset,
                          "the trace ends after %" PRIu64 " references, its header says %" PRIu64,
                          b->expected, r->info.count);
    if (!(index = malloc(length)))
        return no_memory(r, err);
    memcpy(index, begin, got < length ? got : length);
    if (got < length)
        more = input_read(r->input, index + got, length - got, err);
    if (more < 0)
        code = (int)more;
    else if (got + (size_t)more < length)
        code = err_offset(err, MMU_ERR_TRUNCATED, name, offset + got + (uint64_t)more,
                          "the file ends inside its index");
    else if (get64(index + length - 8) != hash_bytes(index, length - 8, 0))
        code = err_offset(err, MMU_ERR_CHECKSUM, name, offset,
                          "the index's checksum is wrong: the file is damaged");
    else if (got > length || input_read(r->input, index, 1, NULL) == 1)
        code = err_offset(err, MMU_ERR_FORMAT, name, offset + length, "the file goes on behind its end");
    free(index);
    return code;
}

/*
 * Reads the next block's header. Returns 1 with *h filled, 0 at the end of the trace, or a negative status.
 */
static int next_header(struct mmu_trace_reader *r, struct block_header *h, struct mmu_error *err)
{
    struct binary *b = r->state;
    uint8_t bytes[MMT_BLOCK_HEADER];
    uint64_t offset = input_offset(r->input);
    int64_t got = input_read(r->input, bytes, sizeof bytes, err);
    int code;

    if (got < 0)
        return (int)got;
    h->offset = offset;
    if (got >= 4 && !memcmp(bytes, MMT_INDEX_MAGIC, 4))
        return check_end(r, offset, bytes, (size_t)got, err);
    if (!got && !b->finished)
        return err_offset(err, MMU_ERR_TRUNCATED, input_name(r->input), offset,
                          "the trace was never finished: %" PRIu64 " references in %" PRIu64
                          " complete blocks",
                          b->expected, b->block);
    if (got < MMT_BLOCK_HEADER)
        return bad_block(r, MMU_ERR_TRUNCATED, offset, "the file ends inside it", err);
    code = parse_block(r, bytes, h, err);
    if (code)
        return code;
    if (h->first != b->expected)
        return bad_block(r, MMU_ERR_FORMAT, offset, "it is not the one that comes next here", err);
    return 1;
}

/* Unpacks one stream, with zeros as slack behind it. */
static int unpack(struct mmu_trace_reader *r, const struct block_header *h, int s, const uint8_t *packed,
                  struct mmu_error *err)
{
    struct binary *b = r->state;
    size_t n = 0;

    if (!reserve(&b->streams[s], (size_t)most(s, h->tokens) + BLOCK_SLACK))
        return no_memory(r, err);
    if (h->lengths[s])
        n = ZSTD_decompressDCtx(b->zstd, b->streams[s].bytes, h->lengths[s], packed, h->packed[s]);
    if (ZSTD_isError(n) || n != h->lengths[s])
        return bad_block(r, MMU_ERR_FORMAT, h->offset, "it cannot be unpacked", err);
    memset(b->streams[s].bytes + n, 0, BLOCK_SLACK);
    b->decoder.streams[s] = (struct block_stream){b->streams[s].bytes, b->streams[s].bytes + n};
    return MMU_OK;
}

/* Reads the next block whole. Returns 1, 0 at the end of the trace, or a negative status. */
static int next_block(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct binary *b = r->state;
    struct block_header h;
    const uint8_t *packed;
    int64_t got;
    int code = b->at_end ? 0 : next_header(r, &h, err);

    if (code <= 0)
        return code;
    if (!reserve(&b->packed, (size_t)h.packed_total))
        return no_memory(r, err);
    got = input_read(r->input, b->packed.bytes, (size_t)h.packed_total, err);
    if (got < 0)
        return (int)got;
    if ((uint64_t)got < h.packed_total)
        return bad_block(r, MMU_ERR_TRUNCATED, h.offset, "the file ends inside it", err);
    if (hash_bytes(b->packed.bytes, (size_t)h.packed_total, 0) != h.checksum)
        return bad_block(r, MMU_ERR_CHECKSUM, h.offset, "its checksum is wrong: the file is damaged", err);
    packed = b->packed.bytes;
    for (int s = 0; s < MMT_STREAMS; s++) {
        code = unpack(r, &h, s, packed, err);
        if (code)
            return code;
        packed += h.packed[s];
    }
    if (!block_decode_begin(&b->decoder, h.tokens, h.attribute))
        return bad_block(r, MMU_ERR_FORMAT, h.offset, "impossible attributes", err);
    b->in_block = h.references;
    b->delivered_of_block = 0;
    b->block_offset = h.offset;
    b->expected = h.first + h.references;
    b->block++;
    return 1;
}

/* The references delivered agree with the block's own count, at its end and before. */
static bool block_agrees(const struct binary *b)
{
    if (b->delivered_of_block < b->in_block)
        return b->decoder.tokens || b->decoder.has_pending;
    return b->delivered_of_block == b->in_block && block_decode_clean(&b->decoder);
}

static size_t binary_read(struct mmu_trace_reader *r, struct mmu_access *to, size_t max)
{
    struct binary *b = r->state;
    size_t got = 0;

    while (got < max) {
        int64_t n;
        if (b->delivered_of_block == b->in_block && next_block(r, &r->failure) <= 0)
            break;
        n = block_decode(&b->decoder, to + got, max - got);
        if (n >= 0)
            b->delivered_of_block += (uint32_t)n;
        if (n < 0 || !block_agrees(b)) {
            b->block--;
            bad_block(r, MMU_ERR_FORMAT, b->block_offset, "its contents are impossible", &r->failure);
            break;
        }
        got += (size_t)n;
    }
    return got;
}

/* Makes the next read begin at the block at offset. */
static int go_to(struct mmu_trace_reader *r, uint64_t offset, uint64_t block, uint64_t first,
                 struct mmu_error *err)
{
    struct binary *b = r->state;
    int code = input_seek(r->input, offset, err);

    if (code)
        return code;
    b->block = block;
    b->expected = r->position = first;
    b->in_block = b->delivered_of_block = 0;
    b->at_end = false;
    return MMU_OK;
}

static int binary_rewind(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct binary *b = r->state;
    int code = input_rewind(r->input, err);

    b->block = b->expected = 0;
    b->in_block = b->delivered_of_block = 0;
    b->at_end = false;
    return code ? code : read_header(r, err);
}

/* Loads the index. False: there is none, or it is damaged; then the blocks are found by hopping. */
static bool load_index(struct mmu_trace_reader *r)
{
    struct binary *b = r->state;
    uint64_t size = input_size(r->input), length = 8 + (uint64_t)b->blocks * 16;
    uint64_t offset = b->header_length, first = 0;
    uint8_t *bytes;
    bool ok;

    if (!b->finished || b->index_offset > size || size - b->index_offset < length + 8)
        return false;
    bytes = malloc((size_t)length + 8);
    b->index = malloc(((size_t)b->blocks + 1) * sizeof *b->index);
    ok = bytes && b->index && !input_seek(r->input, b->index_offset, NULL) &&
         input_read(r->input, bytes, (size_t)length + 8, NULL) == (int64_t)length + 8 &&
         !memcmp(bytes, MMT_INDEX_MAGIC, 4) && get32(bytes + 4) == b->blocks &&
         get64(bytes + length) == hash_bytes(bytes, (size_t)length, 0);
    for (uint32_t i = 0; ok && i < b->blocks; i++) {
        struct index_entry *e = &b->index[i];
        e->offset = get64(bytes + 8 + 16 * (size_t)i);
        e->first = get64(bytes + 16 + 16 * (size_t)i);
        ok = i ? e->offset > offset && e->first > first : e->offset == offset && e->first == first;
        offset = e->offset;
        first = e->first;
    }
    free(bytes);
    b->has_index = ok;
    b->index_count = ok ? b->blocks : 0;
    return ok;
}

/* Hops from block header to block header to the one that holds reference n, or as far as it goes. */
static int hop(struct mmu_trace_reader *r, uint64_t n, struct mmu_error *err)
{
    struct binary *b = r->state;
    struct block_header h;
    int code = go_to(r, b->header_length, 0, 0, err);

    while (!code) {
        uint64_t offset = input_offset(r->input);
        int found = next_header(r, &h, NULL);
        if (found <= 0 || n - h.first < h.references)
            return go_to(r, offset, b->block, b->expected, err);
        b->block++;
        b->expected = h.first + h.references;
        code = input_seek(r->input, h.offset + MMT_BLOCK_HEADER + h.packed_total, err);
    }
    return code;
}

static int binary_jump(struct mmu_trace_reader *r, uint64_t n, struct mmu_error *err)
{
    struct binary *b = r->state;
    uint32_t low = 0, high;

    if (r->info.has_count && n > r->info.count)
        return err_at(err, MMU_ERR_RANGE, input_name(r->input), 0, 0,
                      "cannot go to reference %" PRIu64 ": the trace has %" PRIu64, n, r->info.count);
    if (!b->has_index) {
        free(b->index);
        b->index = NULL;
        if (!load_index(r))
            return hop(r, n, err);
    }
    if (!b->index_count)
        return go_to(r, b->header_length, 0, 0, err);
    for (high = b->index_count; high - low > 1;) {
        uint32_t middle = low + (high - low) / 2;
        if (b->index[middle].first <= n)
            low = middle;
        else
            high = middle;
    }
    return go_to(r, b->index[low].offset, low, b->index[low].first, err);
}

const struct reader_ops binary_reader_ops = {.sniff = binary_sniff,
                                             .open = binary_open,
                                             .close = binary_close,
                                             .read = binary_read,
                                             .rewind = binary_rewind,
                                             .jump = binary_jump};
