/*
 * binary_writer.c: writes the binary form (see format.h). Each block goes to the file as soon as it is full,
 * so that all complete blocks outlive a crash; the header is written twice.
 */
#include "block.h"
#include "bytes.h"
#include "error.h"
#include "hash.h"
#include "writer.h"

#include <stdlib.h>
#include <zstd.h>

struct binary_writer {
    struct block_encoder encoder;
    ZSTD_CCtx *zstd;
    uint8_t *packed; /* room for a block header and all packed streams */
    size_t packed_size;
    uint8_t *index; /* 16 bytes a block: offset, first reference */
    uint32_t blocks, index_room;
    uint64_t first; /* number of the begun block's first reference */
};

static int no_memory(const struct mmu_trace_writer *w, struct mmu_error *err)
{
    return err_at(err, MMU_ERR_NOMEM, output_name(w->output), 0, 0, "out of memory");
}

/* The header as it is now; index: offset of the index, 0: unfinished. Returns its length. */
static size_t make_header(const struct mmu_trace_writer *w, uint64_t index, uint8_t header[MMT_HEADER_MAX])
{
    const struct binary_writer *b = w->state;
    size_t source = strlen(w->info.source), length = MMT_HEADER_FIXED + ((source + 7) & ~(size_t)7) + 8;

    memset(header, 0, length);
    memcpy(header, MMT_MAGIC, MMT_MAGIC_LENGTH);
    put32(header + 8, MMT_VERSION);
    put32(header + 12, (uint32_t)length);
    if (index) {
        put64(header + 16, w->info.count);
        for (int k = 0; k < MMU_KINDS; k++)
            put64(header + 24 + 8 * k, w->info.kinds[k]);
        put64(header + 48, w->info.checksum);
        put64(header + 56, index);
        put32(header + 64, b->blocks);
        put32(header + 68, 1);
    }
    put32(header + 72, (uint32_t)source);
    memcpy(header + MMT_HEADER_FIXED, w->info.source, source);
    put64(header + length - 8, hash_bytes(header, length - 8, 0));
    return length;
}

static int binary_create(struct mmu_trace_writer *w, struct mmu_error *err)
{
    struct binary_writer *b = w->state = calloc(1, sizeof *b);
    uint8_t header[MMT_HEADER_MAX];
    size_t room = MMT_BLOCK_HEADER;

    if (!b)
        return no_memory(w, err);
    if (!output_seekable(w->output))
        return err_at(err, MMU_ERR_UNSUPPORTED, output_name(w->output), 0, 0,
                      "the binary form needs a regular file, a pipe or device takes text only");
    room += 3 * ZSTD_compressBound(MMT_BLOCK_TOKENS) + ZSTD_compressBound(MMT_BLOCK_TOKENS * 4) +
            ZSTD_compressBound(MMT_BLOCK_TOKENS * (MMT_DELTA_MAX + MMT_SIZE_BYTES));
    b->packed_size = room;
    b->packed = malloc(room);
    b->zstd = ZSTD_createCCtx();
    if (!b->packed || !b->zstd || !block_encoder_init(&b->encoder))
        return no_memory(w, err);
    w->info.version = MMT_VERSION;
    block_encode_begin(&b->encoder);
    return output_write(w->output, header, make_header(w, 0, header), err);
}

/* The index in memory gets one more block. */
static int remember_block(struct mmu_trace_writer *w, struct mmu_error *err)
{
    struct binary_writer *b = w->state;

    if (b->blocks == b->index_room) {
        uint32_t room = b->index_room ? b->index_room * 2 : 64;
        uint8_t *index = realloc(b->index, (size_t)room * 16 + 16);
        if (!index)
            return no_memory(w, err);
        b->index = index;
        b->index_room = room;
    }
    put64(b->index + 8 + (size_t)b->blocks * 16, output_offset(w->output));
    put64(b->index + 16 + (size_t)b->blocks * 16, b->first);
    b->blocks++;
    return MMU_OK;
}

/* Packs and writes the encoder's block, if it holds anything, and begins the next. */
static int flush_block(struct mmu_trace_writer *w, struct mmu_error *err)
{
    struct binary_writer *b = w->state;
    struct block_encoder *e = &b->encoder;
    uint32_t attribute;
    uint8_t *header = b->packed;
    size_t length = MMT_BLOCK_HEADER;
    int code;

    if (!e->references)
        return MMU_OK;
    attribute = block_encode_end(e);
    memset(header, 0, MMT_BLOCK_HEADER);
    memcpy(header, MMT_BLOCK_MAGIC, 4);
    put32(header + 4, e->references);
    put64(header + 8, b->first);
    put32(header + 16, e->tokens);
    put32(header + 20, attribute);
    for (int s = 0; s < MMT_STREAMS; s++) {
        size_t n = 0;
        if (e->lengths[s])
            n = ZSTD_compressCCtx(b->zstd, b->packed + length, b->packed_size - length, e->streams[s],
                                  e->lengths[s], w->level);
        if (ZSTD_isError(n))
            return err_at(err, MMU_ERR_NOMEM, output_name(w->output), 0, 0, "zstd: %s", ZSTD_getErrorName(n));
        put32(header + 24 + 4 * s, e->lengths[s]);
        put32(header + 44 + 4 * s, (uint32_t)n);
        length += n;
    }
    put64(header + 64, hash_bytes(header + MMT_BLOCK_HEADER, length - MMT_BLOCK_HEADER, 0));
    put64(header + 72, hash_bytes(header, 72, 0));
    if ((code = remember_block(w, err)) || (code = output_write(w->output, b->packed, length, err)))
        return code;
    b->first += e->references;
    block_encode_begin(e);
    return MMU_OK;
}

static int binary_write(struct mmu_trace_writer *w, const struct mmu_access *from, size_t n,
                        struct mmu_error *err)
{
    struct binary_writer *b = w->state;

    for (size_t i = 0; i < n; i++) {
        if (block_encode(&b->encoder, from + i))
            continue;
        int code = flush_block(w, err);
        if (code)
            return code;
        block_encode(&b->encoder, from + i);
    }
    return MMU_OK;
}

static int binary_mark(struct mmu_trace_writer *w, const struct mmu_trace_mark *mark, struct mmu_error *err)
{
    (void)mark;
    return err_at(err, MMU_ERR_UNSUPPORTED, output_name(w->output), 0, 0,
                  "version 1 of the binary form has no marks");
}

static int binary_maps(struct mmu_trace_writer *w, uint64_t pid, const char *text, size_t n,
                       struct mmu_error *err)
{
    (void)pid, (void)text, (void)n;
    return binary_mark(w, NULL, err);
}

static int binary_finish(struct mmu_trace_writer *w, struct mmu_error *err)
{
    struct binary_writer *b = w->state;
    uint8_t header[MMT_HEADER_MAX], empty[16];
    uint8_t *index;
    size_t length;
    uint64_t at;
    int code = flush_block(w, err);

    if (code)
        return code;
    index = b->blocks ? b->index : empty; /* of a trace without references */
    length = 8 + (size_t)b->blocks * 16;
    memcpy(index, MMT_INDEX_MAGIC, 4);
    put32(index + 4, b->blocks);
    put64(index + length, hash_bytes(index, length, 0));
    at = output_offset(w->output);
    if ((code = output_write(w->output, index, length + 8, err)))
        return code;
    return output_rewrite(w->output, 0, header, make_header(w, at, header), err);
}

static void binary_free(struct mmu_trace_writer *w)
{
    struct binary_writer *b = w->state;

    if (!b)
        return;
    block_encoder_free(&b->encoder);
    ZSTD_freeCCtx(b->zstd);
    free(b->packed);
    free(b->index);
    free(b);
}

const struct writer_ops binary_writer_ops = {.create = binary_create,
                                             .write = binary_write,
                                             .mark = binary_mark,
                                             .maps = binary_maps,
                                             .finish = binary_finish,
                                             .free = binary_free};
