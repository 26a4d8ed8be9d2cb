/*
 * binary_seek.c: finds places in the binary form: a reference's block by the index or, without one, by
 * hopping over block headers; what stands at the end of a file that can be sought.
 */
#include "binary.h"
#include "bytes.h"
#include "error.h"
#include "hash.h"

#include <inttypes.h>
#include <stdlib.h>

int binary_go_to(struct mmu_trace_reader *r, uint64_t offset, uint64_t number, uint64_t first,
                 struct mmu_error *err)
{
    struct binary *b = r->state;
    int code = input_seek(r->input, offset, err);

    if (code)
        return code;
    b->number = number;
    b->expected = r->position = first;
    b->block.header.references = b->block.at = 0;
    b->block.has_mark = b->at_end = false;
    b->chain = b->packed = 0;
    b->maps_met = 0;
    b->whole = offset == b->header_length;
    return MMU_OK;
}

/* The end section, checked; its length in *length. NULL: there is none, or it is damaged. */
static uint8_t *load_end(struct mmu_trace_reader *r, uint64_t *length)
{
    const struct binary *b = r->state;
    bool old = r->info.version == 1;
    uint64_t size = input_size(r->input), tail = old ? 8 : MMT_TRAILER, offset = b->totals.end;
    uint8_t *end;

    *length =
        8 + (uint64_t)b->totals.blocks * 16 + (old ? 0 : 8 * (uint64_t)b->totals.maps + MMT_TOTALS) + tail;
    if (offset > size || size - offset < *length || !(end = malloc((size_t)*length)))
        return NULL;
    if (!input_seek(r->input, offset, NULL) &&
        input_read(r->input, end, (size_t)*length, NULL) == (int64_t)*length &&
        !memcmp(end, MMT_INDEX_MAGIC, 4) && get32(end + 4) == b->totals.blocks &&
        get64(end + *length - tail) == hash_bytes(end, (size_t)(*length - tail), 0))
        return end;
    free(end);
    return NULL;
}

/* Takes the index's entries. False: they cannot be. */
static bool take_index(struct binary *b, const uint8_t *end, bool old)
{
    uint64_t offset = b->header_length, first = 0;

    free(b->index);
    b->index = malloc(((size_t)b->totals.blocks + 1) * sizeof *b->index);
    for (uint32_t i = 0; b->index && i < b->totals.blocks; i++) {
        struct index_entry *e = &b->index[i];
        e->offset = get64(end + 8 + 16 * (size_t)i);
        e->first = get64(end + 16 + 16 * (size_t)i);
        if (i ? e->offset <= offset || e->first < first + old
              : e->offset < offset || e->first || (old && e->offset > offset))
            return false;
        offset = e->offset;
        first = e->first;
    }
    return b->index != NULL;
}

/* Loads the index. False: there is none, or it is damaged; then the blocks are found by hopping. */
static bool load_index(struct mmu_trace_reader *r)
{
    struct binary *b = r->state;
    uint64_t length;
    uint8_t *end = b->state == MMT_FINISHED ? load_end(r, &length) : NULL;

    b->has_index = end && take_index(b, end, r->info.version == 1);
    b->index_count = b->has_index ? b->totals.blocks : 0;
    free(end);
    return b->has_index;
}

/* ---- looking ahead ---- */

/* A file that went through a pipe has its totals at its very end. */
static bool take_piped(struct mmu_trace_reader *r)
{
    struct binary *b = r->state;
    struct mmu_trace_info info = r->info;
    uint64_t size = input_size(r->input);
    uint8_t tail[MMT_TOTALS + MMT_TRAILER];

    if (size < sizeof tail || input_seek(r->input, size - sizeof tail, NULL) ||
        input_read(r->input, tail, sizeof tail, NULL) != sizeof tail ||
        memcmp(tail + MMT_TOTALS + 16, MMT_END_MAGIC, 8) || !totals_get(tail, &b->totals, &info) ||
        b->totals.end != get64(tail + MMT_TOTALS + 8))
        return false;
    r->info = info;
    b->state = MMT_FINISHED;
    return true;
}

int binary_take_maps(struct mmu_trace_reader *r, uint64_t offset, const uint8_t *begin, size_t got,
                     struct mmu_error *err)
{
    struct binary *b = r->state;
    uint32_t length = get32(begin + 4), packed = get32(begin + 16);
    uint8_t *bytes;
    char *text;
    int64_t more;
    int code = MMU_OK;

    if (got < MMT_MAPS_HEADER)
        return err_offset(err, MMU_ERR_TRUNCATED, r->name, offset, "maps: the file ends inside them");
    if (get64(begin + 32) != hash_bytes(begin, 32, 0))
        return err_offset(err, MMU_ERR_CHECKSUM, r->name, offset,
                          "maps: the checksum of their header is wrong: the file is damaged");
    if (length > MMT_MAPS_MAX || packed > ZSTD_compressBound(length) || !length != !packed ||
        get32(begin + 20))
        return err_offset(err, MMU_ERR_FORMAT, r->name, offset, "maps: their header contradicts itself");
    bytes = malloc((size_t)packed + 1);
    text = malloc((size_t)length + 1);
    more = bytes && text ? input_read(r->input, bytes, packed, err) : 0;
    if (!bytes || !text)
        code = binary_no_memory(r, err);
    else if (more < 0)
        code = (int)more;
    else if ((uint64_t)more < packed)
        code = err_offset(err, MMU_ERR_TRUNCATED, r->name, offset, "maps: the file ends inside them");
    else if (get64(begin + 24) != hash_bytes(bytes, packed, 0))
        code = err_offset(err, MMU_ERR_CHECKSUM, r->name, offset,
                          "maps: their checksum is wrong: the file is damaged");
    else if (length && ZSTD_decompressDCtx(b->zstd, text, length, bytes, packed) != length)
        code = err_offset(err, MMU_ERR_FORMAT, r->name, offset, "maps: they cannot be unpacked");
    else
        code = reader_keep_maps(r, get64(begin + 8), text, length, false, err);
    free(bytes);
    free(text);
    return code;
}

/* All maps that the end knows of. Returns false if some are not there. */
static bool load_maps(struct mmu_trace_reader *r)
{
    const struct binary *b = r->state;
    uint64_t length;
    uint8_t header[MMT_MAPS_HEADER], *end = load_end(r, &length);
    const uint8_t *at = end ? end + 8 + 16 * (size_t)b->totals.blocks : NULL;
    bool all = end;

    for (uint32_t i = 0; end && i < b->totals.maps; i++, at += 8) {
        uint64_t offset = get64(at);
        int64_t got = offset < input_size(r->input) && !input_seek(r->input, offset, NULL)
                          ? input_read(r->input, header, sizeof header, NULL)
                          : 0;
        all &= got == sizeof header && !memcmp(header, MMT_MAPS_MAGIC, 4) &&
               !binary_take_maps(r, offset, header, sizeof header, NULL);
    }
    free(end);
    return all;
}

int binary_look_ahead(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct binary *b = r->state;

    if (b->state == MMT_PIPED)
        take_piped(r);
    if (b->state == MMT_FINISHED)
        r->info.maps_ahead = b->totals.maps && !load_maps(r);
    return input_seek(r->input, b->header_length, err);
}

/* ---- seeking ---- */

/* Hops from block header to block header to the one that holds reference n, or as far as it goes. A block of
 * marks alone is not taken: marks before the same reference may stand at the end of the block before it. */
static int hop(struct mmu_trace_reader *r, uint64_t n, struct mmu_error *err)
{
    struct binary *b = r->state;
    struct block_header h = {0};
    uint64_t offset = b->header_length, number = 0, first = 0; /* of the last block with references */
    int code = binary_go_to(r, offset, 0, 0, err);

    while (!code) {
        uint64_t here = input_offset(r->input);
        int found = binary_next_header(r, &h, NULL);
        if (found <= 0 || h.references) {
            offset = here;
            number = b->number;
            first = b->expected;
        }
        if (found <= 0 || (n == h.first && !h.references) || n - h.first < h.references)
            return binary_go_to(r, offset, number, first, err);
        b->number++;
        b->expected = h.first + h.references;
        code = input_seek(r->input, h.offset + h.length + h.packed_total, err);
    }
    return code;
}

/* Is block i one of marks alone? */
static bool is_bare(const struct mmu_trace_reader *r, uint32_t i)
{
    const struct binary *b = r->state;

    return b->index[i].first == (i + 1 < b->index_count ? b->index[i + 1].first : r->info.count);
}

/* The block that begins with reference n, or else the last one that begins before. */
static uint32_t find_block(const struct mmu_trace_reader *r, uint64_t n)
{
    const struct binary *b = r->state;
    uint32_t low = 0, high = b->index_count; /* all blocks below low begin before n, none from high on */

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (b->index[middle].first < n)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < b->index_count && b->index[low].first == n && (!low || !is_bare(r, low)))
        return low;
    return low - 1;
}

/* Does block number i begin where the index says? */
static bool is_there(struct mmu_trace_reader *r, uint32_t i)
{
    const struct binary *b = r->state;
    const struct index_entry *e = &b->index[i];
    struct block_header h = {0};

    return !binary_go_to(r, e->offset, i, e->first, NULL) && binary_next_header(r, &h, NULL) > 0;
}

static int go_near(struct mmu_trace_reader *r, uint64_t n, struct mmu_error *err)
{
    struct binary *b = r->state;
    uint32_t i;

    if (!b->has_index && !load_index(r))
        return hop(r, n, err);
    if (!b->index_count)
        return binary_go_to(r, b->header_length, 0, 0, err);
    i = find_block(r, n);
    if (!is_there(r, i))
        return hop(r, n, err);
    return binary_go_to(r, b->index[i].offset, i, b->index[i].first, err);
}

/* The state of marks at the block where the input stands, if its header tells; what is wrong with it is said
 * when it is read. */
static int take_state(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct binary *b = r->state;
    struct block_header h = {0};
    uint64_t offset = input_offset(r->input);

    memset(&r->here, 0, sizeof r->here);
    if (r->info.version == 1)
        return MMU_OK;
    if (binary_next_header(r, &h, NULL) > 0)
        r->here = h.state;
    return binary_go_to(r, offset, b->number, r->position, err);
}

int binary_jump(struct mmu_trace_reader *r, uint64_t n, struct mmu_error *err)
{
    int code;

    if (r->info.has_count && n > r->info.count)
        return err_at(err, MMU_ERR_RANGE, r->name, 0, 0,
                      "cannot go to reference %" PRIu64 ": the trace has %" PRIu64, n, r->info.count);
    code = go_near(r, n, err);
    if (r->counting) { /* from here on, since what is left out is not known */
        memset(r->info.kinds, 0, sizeof r->info.kinds);
        memset(r->info.marks, 0, sizeof r->info.marks);
    }
    return code ? code : take_state(r, err);
}

/* The failure was in block b->number. */
int binary_resume(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct binary *b = r->state;
    uint64_t next = b->number + 1;
    int code;

    if (b->at_end || (!b->has_index && !load_index(r)) || next >= b->index_count)
        return MMU_ERR_NOTFOUND;
    code = binary_go_to(r, b->index[next].offset, next, b->index[next].first, err);
    return code ? code : take_state(r, err);
}
