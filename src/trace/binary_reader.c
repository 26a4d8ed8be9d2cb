/*
 * binary_reader.c: reads the binary form (see format.h), section by section: blocks, maps, the end.
 *
 * Nothing in the file is trusted: every length is bounded by the format before memory is taken for it,
 * checksums come before contents, and the decoders are safe with any bytes.
 */
#include "binary.h"
#include "bytes.h"
#include "error.h"
#include "hash.h"

#include <inttypes.h>
#include <stdlib.h>

int binary_no_memory(const struct mmu_trace_reader *r, struct mmu_error *err)
{
    return err_at(err, MMU_ERR_NOMEM, r->name, 0, 0, "out of memory");
}

int binary_bad_block(const struct mmu_trace_reader *r, int code, uint64_t offset, const char *what,
                     struct mmu_error *err)
{
    const struct binary *b = r->state;

    return err_offset(err, code, r->name, offset, "block %" PRIu64 ": %s", b->number, what);
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
    int code;

    if (!b || !(b->zstd = ZSTD_createDCtx()))
        return binary_no_memory(r, err);
    code = binary_read_header(r, err);
    r->info.maps_ahead = r->info.version > 1 && (b->state != MMT_FINISHED || b->totals.maps);
    if (!code && r->info.version > 1 && input_seekable(r->input))
        code = binary_look_ahead(r, err);
    b->whole = true;
    r->counting = b->state != MMT_FINISHED;
    return code;
}

static void binary_close(struct mmu_trace_reader *r)
{
    struct binary *b = r->state;

    if (!b)
        return;
    block_free(&b->block);
    free(b->index);
    ZSTD_freeDCtx(b->zstd);
    free(b);
}

/* ---- the end ---- */

static int bad_end(const struct mmu_trace_reader *r, uint64_t offset, const char *what, struct mmu_error *err)
{
    return err_offset(err, MMU_ERR_FORMAT, r->name, offset, "%s", what);
}

static int wrong_count(const struct mmu_trace_reader *r, uint64_t offset, struct mmu_error *err)
{
    const struct binary *b = r->state;

    return err_offset(err, MMU_ERR_FORMAT, r->name, offset,
                      "the trace ends after %" PRIu64 " references in %" PRIu64
                      " blocks, its header says %" PRIu64 " in %" PRIu32,
                      b->expected, b->number, r->info.count, b->totals.blocks);
}

/* Do the index's entries say where the blocks were met? */
static bool index_agrees(const struct binary *b, const uint8_t *end)
{
    uint64_t chain = 0;

    for (uint64_t i = 0; i < b->number; i++) {
        chain = hash_round(chain, get64(end + 8 + 16 * i));
        chain = hash_round(chain, get64(end + 16 + 16 * i));
    }
    return get32(end + 4) == b->number && (!b->whole || chain == b->chain);
}

/* The parts of version 2: totals and trailer, of `length` bytes in all. */
static int check_totals(struct mmu_trace_reader *r, uint64_t offset, const uint8_t *end, size_t length,
                        struct mmu_error *err)
{
    struct binary *b = r->state;
    const uint8_t *trailer = end + length - MMT_TRAILER, *totals = trailer - MMT_TOTALS;
    uint8_t told[MMT_TOTALS];

    if (get64(trailer + 8) != offset || memcmp(trailer + 16, MMT_END_MAGIC, 8))
        return bad_end(r, offset + length - 16, "the last 16 bytes are not those of an end", err);
    if (b->state == MMT_FINISHED) {
        totals_put(told, &b->totals, &r->info);
        if (memcmp(told, totals, MMT_TOTALS))
            return bad_end(r, (uint64_t)(totals - end) + offset, "the totals are not those of the header",
                           err);
    } else if (!totals_get(totals, &b->totals, &r->info) || b->totals.end != offset) {
        return bad_end(r, (uint64_t)(totals - end) + offset, "the totals contradict themselves", err);
    }
    if (r->info.version > 2 && b->whole && b->packed != r->info.packed_checksum)
        return bad_end(r, (uint64_t)(totals - end) + offset, "the blocks are not those that were written",
                       err);
    return b->expected == r->info.count && b->number == b->totals.blocks ? MMU_OK
                                                                         : wrong_count(r, offset, err);
}

/*
 * The end begins at offset; its first bytes have been read (perhaps more than it has). Reads the rest: is it
 * whole, the last of the file, and do the blocks agree with it and with the header?
 */
static int check_end(struct mmu_trace_reader *r, uint64_t offset, const uint8_t *begin, size_t got,
                     struct mmu_error *err)
{
    struct binary *b = r->state;
    bool old = r->info.version == 1;
    uint32_t maps = b->state == MMT_FINISHED ? b->totals.maps : b->maps_met;
    size_t tail = old ? 8 : MMT_TRAILER;
    size_t length = 8 + (size_t)b->number * 16 + (old ? 0 : 8 * (size_t)maps + MMT_TOTALS) + tail;
    uint8_t *end;
    int64_t more = 0;
    int code = MMU_OK;

    b->at_end = true;
    r->info.maps_ahead = false;
    if (b->state == MMT_UNFINISHED ||
        (b->state == MMT_FINISHED && (b->expected != r->info.count || b->number != b->totals.blocks)))
        return wrong_count(r, offset, err);
    if (b->whole && maps != b->maps_met)
        return bad_end(r, offset, "there are more or fewer maps than the header says", err);
    if (!(end = malloc(length)))
        return binary_no_memory(r, err);
    memcpy(end, begin, got < length ? got : length);
    if (got < length)
        more = input_read(r->input, end + got, length - got, err);
    if (more < 0)
        code = (int)more;
    else if (got + (size_t)more < length)
        code = err_offset(err, MMU_ERR_TRUNCATED, r->name, offset + got + (uint64_t)more,
                          "the file ends inside its index");
    else if (get64(end + length - tail) != hash_bytes(end, length - tail, 0))
        code = err_offset(err, MMU_ERR_CHECKSUM, r->name, offset,
                          "the index's checksum is wrong: the file is damaged");
    else if (!index_agrees(b, end))
        code = bad_end(r, offset, "the index does not say where the blocks are", err);
    else if (!old)
        code = check_totals(r, offset, end, length, err);
    if (!code)
        more = got > length ? 1 : input_read(r->input, end, 1, err); /* its packing may lack an end, too */
    if (!code && more)
        code = more < 0 ? (int)more : bad_end(r, offset + length, "the file goes on behind its end", err);
    free(end);
    return code;
}

/* ---- sections ---- */

static int ends_inside(const struct mmu_trace_reader *r, uint64_t offset, struct mmu_error *err)
{
    return binary_bad_block(r, MMU_ERR_TRUNCATED, offset, "the file ends inside it", err);
}

static int never_finished(const struct mmu_trace_reader *r, uint64_t offset, struct mmu_error *err)
{
    const struct binary *b = r->state;

    return err_offset(err, MMU_ERR_TRUNCATED, r->name, offset,
                      "the trace was never finished: %" PRIu64 " references in %" PRIu64 " complete blocks",
                      b->expected, b->number);
}

/* Passes over maps, if such begin with these bytes. Returns 1: a section of maps was taken, 0: there is none.
 */
static int pass_maps(struct mmu_trace_reader *r, uint64_t offset, const uint8_t *bytes, size_t got,
                     struct mmu_error *err)
{
    struct binary *b = r->state;
    int code;

    if (r->info.version == 1 || got < 4 || memcmp(bytes, MMT_MAPS_MAGIC, 4))
        return 0;
    code = binary_take_maps(r, offset, bytes, got, err);
    b->maps_met++;
    if (b->state == MMT_FINISHED && b->whole && b->maps_met == b->totals.maps)
        r->info.maps_ahead = false;
    return code ? code : 1;
}

int binary_next_header(struct mmu_trace_reader *r, struct block_header *h, struct mmu_error *err)
{
    struct binary *b = r->state;
    uint8_t bytes[MMT_BLOCK_HEADER];
    size_t first = r->info.version == 1 ? MMT_BLOCK_HEADER_1 : MMT_MAPS_HEADER,
           rest = binary_block_header(r) - first;
    int64_t got, more;
    int code;

    do {
        h->offset = input_offset(r->input);
        got = input_read(r->input, bytes, first, err);
        if (got < 0)
            return (int)got;
        if (got >= 4 && !memcmp(bytes, MMT_INDEX_MAGIC, 4))
            return check_end(r, h->offset, bytes, (size_t)got, err);
        if (!got && b->state != MMT_FINISHED)
            return never_finished(r, h->offset, err);
        code = pass_maps(r, h->offset, bytes, (size_t)got, err);
    } while (code > 0);
    if (code < 0)
        return code;
    if ((size_t)got < first)
        return ends_inside(r, h->offset, err);
    more = rest ? input_read(r->input, bytes + first, rest, err) : 0;
    if (more < 0)
        return (int)more;
    if ((size_t)more < rest)
        return ends_inside(r, h->offset, err);
    code = binary_parse_block(r, bytes, h, err);
    if (code)
        return code;
    if (h->first != b->expected)
        return binary_bad_block(r, MMU_ERR_FORMAT, h->offset, "it is not the one that comes next here", err);
    if (r->info.has_count && (h->first > r->info.count || h->references > r->info.count - h->first))
        return binary_bad_block(r, MMU_ERR_FORMAT, h->offset, "it goes beyond the end that the header tells",
                                err);
    return 1;
}

/* Reads the next block whole into *k, packed. Returns 1, 0 at the end of the trace, or a negative status. */
static int load_block(struct mmu_trace_reader *r, struct block *k, struct mmu_error *err)
{
    struct binary *b = r->state;
    struct block_header h = {0};
    int64_t got;
    int code = b->at_end ? 0 : binary_next_header(r, &h, err);

    if (code <= 0)
        return code;
    if (!buffer_reserve(&k->packed, (size_t)h.packed_total))
        return binary_no_memory(r, err);
    got = input_read(r->input, k->packed.bytes, (size_t)h.packed_total, err);
    if (got < 0)
        return (int)got;
    if ((uint64_t)got < h.packed_total)
        return ends_inside(r, h.offset, err);
    if (hash_bytes(k->packed.bytes, (size_t)h.packed_total, 0) != h.checksum)
        return binary_bad_block(r, MMU_ERR_CHECKSUM, h.offset, "its checksum is wrong: the file is damaged",
                                err);
    k->header = h;
    return 1;
}

/* The reader has gone on behind a block. */
static void pass_block(struct binary *b, const struct block_header *h)
{
    b->chain = hash_round(hash_round(b->chain, h->offset), h->first);
    b->packed = hash_round(b->packed, h->checksum);
    b->expected = h->first + h->references;
    b->number++;
}

/* Goes to the next block. Returns 1, 0 at the end of the trace, or a negative status. */
static int next_block(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct binary *b = r->state;
    int code = load_block(r, &b->block, err);

    if (code <= 0)
        return code;
    code = block_begin(r, err);
    if (code) {
        b->block.header.references = 0; /* nothing of it is delivered */
        return code;
    }
    pass_block(b, &b->block.header);
    return 1;
}

/* ---- reading ---- */

static size_t binary_read(struct mmu_trace_reader *r, struct mmu_access *to, size_t max)
{
    struct binary *b = r->state;
    size_t got = 0;

    while (got < max) {
        if (block_done(&b->block) && next_block(r, &r->failure) <= 0)
            break;
        got += block_read(r, to + got, max - got, r->position + got);
        if (!block_done(&b->block))
            break;
    }
    if (r->counting)
        reader_count(r, to, got);
    return got;
}

static int64_t binary_runs(struct mmu_trace_reader *r, size_t max, struct mmu_runs *runs)
{
    struct binary *b = r->state;
    int64_t got = 0;

    while (!got && !r->queued && !r->failure.code) {
        if (block_done(&b->block) && next_block(r, &r->failure) <= 0)
            break;
        got = block_runs(r, max, runs);
    }
    return got;
}

static int64_t binary_executions(struct mmu_trace_reader *r, size_t max, struct mmu_executions *executions)
{
    struct binary *b = r->state;
    int64_t got = 0;

    while (!got && !r->queued && !r->failure.code) {
        if (block_done(&b->block) && next_block(r, &r->failure) <= 0)
            break;
        got = block_executions(r, max, executions);
    }
    return got;
}

static int binary_rewind(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct binary *b = r->state;
    int code = input_rewind(r->input, err);

    b->number = b->expected = b->chain = b->packed = 0;
    b->maps_met = 0;
    b->block.header.references = b->block.at = 0;
    b->block.has_mark = b->at_end = false;
    b->whole = true;
    if (r->counting) {
        memset(r->info.kinds, 0, sizeof r->info.kinds);
        r->info.count = 0;
    }
    return code ? code : binary_read_header(r, err);
}

/* ---- a block alone: see mmu_trace_part_open() ---- */

static int part_open(struct mmu_trace_reader *part, struct mmu_error *err)
{
    struct binary *b = part->state = calloc(1, sizeof *b);

    if (!b || !(b->zstd = ZSTD_createDCtx()))
        return binary_no_memory(part, err);
    b->block.keeps = true;
    return MMU_OK;
}

static size_t part_read(struct mmu_trace_reader *part, struct mmu_access *to, size_t max)
{
    const struct binary *b = part->state;

    return block_done(&b->block) ? 0 : block_read(part, to, max, part->position);
}

static int64_t part_runs(struct mmu_trace_reader *part, size_t max, struct mmu_runs *runs)
{
    const struct binary *b = part->state;

    return block_done(&b->block) ? 0 : block_runs(part, max, runs);
}

static int64_t part_executions(struct mmu_trace_reader *part, size_t max, struct mmu_executions *executions)
{
    const struct binary *b = part->state;

    return block_done(&b->block) ? 0 : block_executions(part, max, executions);
}

static int part_rewind(struct mmu_trace_reader *part, struct mmu_error *err)
{
    return err_at(err, MMU_ERR_UNSUPPORTED, part->name, 0, 0, "cannot go back in a part of a trace");
}

static int binary_take(struct mmu_trace_reader *r, struct mmu_trace_reader *part, struct mmu_error *err)
{
    struct binary *b = r->state, *to = part->state;
    struct block_header *h = &to->block.header;
    int code;

    if (!block_done(&b->block))
        return MMU_ERR_UNSUPPORTED;
    h->references = to->block.at = 0; /* nothing is delivered unless one comes */
    to->block.has_mark = false;
    code = load_block(r, &to->block, err);
    if (code <= 0)
        return code;
    part->position = h->first;
    part->here = h->state;
    to->number = b->number;
    pass_block(b, h);
    r->position = b->expected;
    if (block_begin(part, &part->failure))
        h->references = 0;
    to->number = b->number;
    return 1;
}

static const struct reader_ops part_ops = {.open = part_open,
                                           .close = binary_close,
                                           .read = part_read,
                                           .runs = part_runs,
                                           .executions = part_executions,
                                           .rewind = part_rewind};

const struct reader_ops binary_reader_ops = {.sniff = binary_sniff,
                                             .open = binary_open,
                                             .close = binary_close,
                                             .read = binary_read,
                                             .runs = binary_runs,
                                             .executions = binary_executions,
                                             .parts = &part_ops,
                                             .take = binary_take,
                                             .rewind = binary_rewind,
                                             .jump = binary_jump,
                                             .resume = binary_resume};
