/*
 * binary_writer.c: writes the binary form (see format.h). Each block goes to the file as soon as it is full,
 * so that all complete blocks outlive a crash; the header is written twice.
 */
#include "binary_pack.h"
#include "bytes.h"
#include "error.h"
#include "hash.h"
#include "writer.h"

#include "bits.h"

#include <inttypes.h>
#include <stdlib.h>

/* Page runs of a block being collected. All NULL without. */
struct runs_writer {
    size_t (*collapse)(const struct mmu_access *from, size_t n, struct mmu_head *to);
    struct mmu_access *references; /* of the block */
    struct mmu_head *heads;
    uint8_t *members;
    struct block_encoder encoder;
    uint32_t count; /* heads */
};

struct binary_writer {
    struct pieces_encoder encoder;
    struct marks_encoder marks;
    struct runs_writer runs;
    struct mark_state begun, now; /* at the block's begin, and behind its last mark */
    struct packer packer;
    uint64_t *maps; /* offsets */
    uint32_t maps_count;
    uint64_t first; /* number of the begun block's first reference */
};

/* Tokens of a block, where no code is written by its executions; references and heads of it; bytes of an
 * access, in code. Of code, larger blocks are smaller and faster: each tells anew what its pieces are. */
enum { TOKENS = 262144, MOST = 2 * TOKENS, DATA_MOST = 512 };

static int no_memory(const struct mmu_trace_writer *w, struct mmu_error *err)
{
    return err_at(err, MMU_ERR_NOMEM, output_name(w->output), 0, 0, "out of memory");
}

/* The header as it is now. Returns its length. */
static size_t make_header(const struct mmu_trace_writer *w, enum mmt_state state, uint64_t end,
                          uint8_t header[MMT_HEADER_MAX])
{
    const struct binary_writer *b = w->state;
    size_t source = strlen(w->info.source), length = MMT_HEADER_FIXED + ((source + 7) & ~(size_t)7) + 8;

    memset(header, 0, length);
    memcpy(header, MMT_MAGIC, MMT_MAGIC_LENGTH);
    put32(header + 8, MMT_VERSION);
    put32(header + 12, (uint32_t)length);
    put32(header + 16, state);
    put32(header + 20, (uint32_t)source);
    if (state == MMT_FINISHED)
        totals_put(header + MMT_TOTALS_AT,
                   &(struct totals){.end = end, .blocks = b->packer.blocks, .maps = b->maps_count}, &w->info);
    memcpy(header + MMT_HEADER_FIXED, w->info.source, source);
    put64(header + length - 8, hash_bytes(header, length - 8, 0));
    return length;
}

static bool runs_init(struct runs_writer *r, const struct mmu_trace_writer *w)
{
    r->collapse = w->collapse;
    if (!r->collapse)
        return true;
    r->references = malloc(MOST * sizeof *r->references);
    r->heads = malloc(MOST * sizeof *r->heads);
    r->members = malloc((size_t)MOST * HEAD_BYTES);
    return r->references && r->heads && r->members && block_encoder_init(&r->encoder, TOKENS);
}

static int binary_create(struct mmu_trace_writer *w, struct mmu_error *err)
{
    struct binary_writer *b = w->state = calloc(1, sizeof *b);
    uint8_t header[MMT_HEADER_MAX];
    uint32_t tokens = w->unsummed && !w->collapse ? MMT_BLOCK_TOKENS : TOKENS;
    const struct block_header most = {.tokens = tokens,
                                      .references = 2 * tokens,
                                      .heads = w->collapse ? MOST : 0,
                                      .head_tokens = w->collapse ? TOKENS : 0};

    if (!b)
        return no_memory(w, err);
    if (!pieces_encoder_init(&b->encoder, tokens) || !marks_encoder_init(&b->marks) ||
        !runs_init(&b->runs, w))
        return no_memory(w, err);
    if (packer_init(&b->packer, w->output, w->level, &most, w->threaded, err))
        return MMU_ERR_NOMEM;
    w->info.version = MMT_VERSION;
    pieces_encode_begin(&b->encoder);
    marks_encode_begin(&b->marks);
    return output_write(w->output, header,
                        make_header(w, output_seekable(w->output) ? MMT_UNFINISHED : MMT_PIPED, 0, header),
                        err);
}

/* Where the stretch that begins at `from` ends: at the next mark, behind MMT_STRETCH references, at the end.
 * *mark: the next mark in the block, its `at` UINT64_MAX when there is none. */
static uint32_t stretch_end(struct marks_decoder *d, struct mmu_trace_mark *mark, uint32_t from, uint32_t all)
{
    uint64_t end = from + (uint64_t)MMT_STRETCH;

    while (mark->at <= from)
        if (marks_decode(d, mark) <= 0)
            mark->at = UINT64_MAX;
    end = mark->at < end ? mark->at : end;
    return end < all ? (uint32_t)end : all;
}

/* The heads of the encoder's block. */
static void collect_runs(struct binary_writer *b)
{
    struct runs_writer *r = &b->runs;
    struct marks_decoder d;
    struct mmu_trace_mark mark = {.at = 0};
    uint32_t all = b->encoder.references;

    r->count = 0;
    block_encode_begin(&r->encoder);
    marks_decode_begin(&d, b->marks.bytes, b->marks.length, b->marks.count);
    for (uint32_t at = 0; at < all;) {
        uint32_t end = stretch_end(&d, &mark, at, all);
        r->count += (uint32_t)r->collapse(r->references + at, end - at, r->heads + r->count);
        at = end;
    }
    for (uint32_t i = 0; i < r->count; i++)
        block_encode(&r->encoder, &r->heads[i].access);
}

/* The fields of the block's header that are no lengths. */
static void put_header(const struct binary_writer *b, uint32_t attribute, uint32_t head_attribute,
                       uint8_t header[MMT_BLOCK_HEADER])
{
    memset(header, 0, MMT_BLOCK_HEADER);
    memcpy(header, MMT_BLOCK_MAGIC, 4);
    put32(header + 4, b->encoder.references);
    put64(header + 8, b->first);
    put32(header + 16, b->encoder.plain.tokens);
    put32(header + 20, attribute);
    put32(header + 24, b->marks.count);
    put32(header + 28, b->begun.told);
    for (int k = 0; k < MMU_MARK_EVENT; k++)
        put64(header + 32 + 8 * k, b->begun.value[k]);
    put32(header + 64, b->runs.count);
    put32(header + 68, b->runs.count ? b->runs.encoder.tokens : 0);
    put32(header + 72, head_attribute);
}

/* Where the block's streams are, and how long. */
struct streams {
    uint8_t **at[MMT_ALL_STREAMS];
    uint32_t lengths[MMT_ALL_STREAMS];
};

static void add_stream(struct streams *streams, int s, uint8_t **at, uint32_t length)
{
    streams->at[s] = at;
    streams->lengths[s] = length;
}

static void list_streams(struct binary_writer *b, struct streams *to)
{
    struct runs_writer *r = &b->runs;

    *to = (struct streams){0};
    for (int s = 0; s < MMT_STREAMS; s++)
        add_stream(to, s, &b->encoder.plain.streams[s], b->encoder.plain.lengths[s]);
    add_stream(to, MMT_MARKS, &b->marks.bytes, b->marks.length);
    for (int s = 0; s < MMT_STREAMS && r->count; s++)
        add_stream(to, MMT_HEAD_CODE + s, &r->encoder.streams[s], r->encoder.lengths[s]);
    if (r->count)
        add_stream(to, MMT_HEAD_MEMBERS, &r->members, heads_encode_members(r->heads, r->count, r->members));
    for (int s = 0; s < PIECE_STREAMS; s++)
        add_stream(to, MMT_PIECE + s, &b->encoder.streams[s], b->encoder.lengths[s]);
}

/* Packs and writes the encoder's block, if it holds anything, and begins the next. */
static int flush_block(struct mmu_trace_writer *w, struct mmu_error *err)
{
    struct binary_writer *b = w->state;
    struct pieces_encoder *e = &b->encoder;
    uint8_t header[MMT_BLOCK_HEADER];
    struct streams streams;
    uint32_t attribute, head_attribute = 0;
    int code;

    if (!e->references && !b->marks.count)
        return MMU_OK;
    if (e->highest > UINT64_MAX - DATA_MOST)
        return err_at(err, MMU_ERR_INVALID, output_name(w->output), 0, 0,
                      "code before reference %" PRIu64 " cannot be written: an access ends beyond 2^64",
                      w->info.count);
    attribute = pieces_encode_end(e);
    if (b->runs.collapse) {
        collect_runs(b);
        head_attribute = block_encode_end(&b->runs.encoder);
        w->info.heads += b->runs.count;
    }
    put_header(b, attribute, head_attribute, header);
    list_streams(b, &streams);
    if ((code = packer_put(&b->packer, b->first, header, streams.at, streams.lengths, err)))
        return code;
    b->first += e->references;
    b->begun = b->now;
    pieces_encode_begin(e);
    marks_encode_begin(&b->marks);
    return MMU_OK;
}

static int binary_write(struct mmu_trace_writer *w, const struct mmu_access *from, size_t n,
                        struct mmu_error *err)
{
    struct binary_writer *b = w->state;

    for (size_t i = 0; i < n; i++) {
        if (UNLIKELY(!pieces_encode(&b->encoder, from + i))) {
            int code = flush_block(w, err);
            if (code)
                return code;
            pieces_encode(&b->encoder, from + i);
        }
        if (b->runs.references) {
            struct mmu_access *kept = &b->runs.references[b->encoder.references - 1];
            *kept = from[i];
            if (!(kept->flags & MMU_AF_GAP))
                kept->gap = 0;
        }
    }
    return MMU_OK;
}

static bool binary_takes_code(const struct mmu_trace_writer *w)
{
    const struct binary_writer *b = w->state;

    return w->unsummed && !b->runs.collapse;
}

static int binary_code(struct mmu_trace_writer *w, struct code_run *run, struct mmu_error *err)
{
    struct binary_writer *b = w->state;

    for (;;) {
        uint64_t before = run->references;
        bool full = pieces_encode_code(&b->encoder, w->code, w->codes, run);
        int code;
        w->info.count += run->references - before;
        if (!full)
            return MMU_OK;
        if ((code = flush_block(w, err)))
            return code;
    }
}

/* The mark stands in the block of the reference behind it, so that whoever seeks that one finds it. */
static int binary_mark(struct mmu_trace_writer *w, const struct mmu_trace_mark *mark, struct mmu_error *err)
{
    struct binary_writer *b = w->state;
    int code = MMU_OK;

    if (!pieces_encode_room(&b->encoder) || !marks_encode_room(&b->marks))
        code = flush_block(w, err);
    if (code)
        return code;
    pieces_encode_settle(&b->encoder);
    marks_encode(&b->marks, mark, b->encoder.references);
    info_remember_mark(&b->now, mark);
    return MMU_OK;
}

static int binary_maps(struct mmu_trace_writer *w, uint64_t pid, const char *text, size_t n,
                       struct mmu_error *err)
{
    struct binary_writer *b = w->state;
    size_t room = MMT_MAPS_HEADER + ZSTD_compressBound(n), packed = 0;
    uint8_t *section = calloc(1, room);
    uint64_t *maps = packer_one_more(b->maps, b->maps_count, sizeof *maps);
    int code = packer_wait(&b->packer, err);

    b->maps = maps ? maps : b->maps;
    if (code || !section || !maps) {
        free(section);
        return code ? code : no_memory(w, err);
    }
    if (n)
        packed = ZSTD_compressCCtx(b->packer.zstd, section + MMT_MAPS_HEADER, room - MMT_MAPS_HEADER, text, n,
                                   w->level);
    if (ZSTD_isError(packed)) {
        free(section);
        return err_at(err, MMU_ERR_NOMEM, output_name(w->output), 0, 0, "zstd: %s",
                      ZSTD_getErrorName(packed));
    }
    memcpy(section, MMT_MAPS_MAGIC, 4);
    put32(section + 4, (uint32_t)n);
    put64(section + 8, pid);
    put32(section + 16, (uint32_t)packed);
    put64(section + 24, hash_bytes(section + MMT_MAPS_HEADER, packed, 0));
    put64(section + 32, hash_bytes(section, 32, 0));
    b->maps[b->maps_count++] = output_offset(w->output);
    code = output_write(w->output, section, MMT_MAPS_HEADER + packed, err);
    free(section);
    return code;
}

static int write_end(struct mmu_trace_writer *w, struct mmu_error *err)
{
    const struct binary_writer *b = w->state;
    struct totals totals = {
        .end = output_offset(w->output), .blocks = b->packer.blocks, .maps = b->maps_count};
    size_t length = 8 + 16 * (size_t)b->packer.blocks + 8 * (size_t)b->maps_count + MMT_TOTALS, at = 8;
    uint8_t *end = malloc(length + MMT_TRAILER);
    int code;

    if (!end)
        return no_memory(w, err);
    memcpy(end, MMT_INDEX_MAGIC, 4);
    put32(end + 4, b->packer.blocks);
    for (uint32_t i = 0; i < b->packer.blocks; i++, at += 16) {
        put64(end + at, b->packer.index[i].offset);
        put64(end + at + 8, b->packer.index[i].first);
    }
    for (uint32_t i = 0; i < b->maps_count; i++, at += 8)
        put64(end + at, b->maps[i]);
    totals_put(end + at, &totals, &w->info);
    put64(end + length, hash_bytes(end, length, 0));
    put64(end + length + 8, totals.end);
    memcpy(end + length + 16, MMT_END_MAGIC, 8);
    code = output_write(w->output, end, length + MMT_TRAILER, err);
    free(end);
    return code;
}

static int binary_finish(struct mmu_trace_writer *w, struct mmu_error *err)
{
    struct binary_writer *b = w->state;
    uint8_t header[MMT_HEADER_MAX];
    uint64_t end;
    int code = flush_block(w, err);

    if (!code)
        code = packer_wait(&b->packer, err);
    w->info.packed_checksum = b->packer.checksum;
    end = output_offset(w->output);
    if (code || (code = write_end(w, err)))
        return code;
    if (!output_seekable(w->output))
        return MMU_OK;
    return output_rewrite(w->output, 0, header, make_header(w, MMT_FINISHED, end, header), err);
}

static void binary_free(struct mmu_trace_writer *w)
{
    struct binary_writer *b = w->state;

    if (!b)
        return;
    pieces_encoder_free(&b->encoder);
    block_encoder_free(&b->runs.encoder);
    marks_encoder_free(&b->marks);
    free(b->runs.references);
    free(b->runs.heads);
    free(b->runs.members);
    packer_free(&b->packer);
    free(b->maps);
    free(b);
}

const struct writer_ops binary_writer_ops = {.create = binary_create,
                                             .write = binary_write,
                                             .takes_code = binary_takes_code,
                                             .code = binary_code,
                                             .mark = binary_mark,
                                             .maps = binary_maps,
                                             .finish = binary_finish,
                                             .free = binary_free};
