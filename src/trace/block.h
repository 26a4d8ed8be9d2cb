/*
 * block.h: what is in one block, to and from its streams (see format.h): references (block_encode.c,
 * block_decode.c), marks (block_marks.c), heads of page runs (block_heads.c). In memory only; the files
 * around it are binary_reader.c and binary_writer.c.
 */
#ifndef TRACE_BLOCK_H
#define TRACE_BLOCK_H

#include "code.h"
#include "format.h"

#include <mmusim/runs.h>
#include <mmusim/trace.h>

/* Readable bytes that the decoder needs behind each stream: it checks for a stream's end only every
 * BLOCK_CHUNK tokens. */
enum { BLOCK_CHUNK = 256, BLOCK_SLACK = BLOCK_CHUNK * (MMT_DELTA_MAX + MMT_SIZE_BYTES) + 8 };

/* A stream being decoded: at <= end, and BLOCK_SLACK readable bytes behind end. */
struct block_stream {
    const uint8_t *at, *end;
};

/* A block being decoded. slot[MMT_SLOTS] is the next fetch. */
struct block_decoder {
    struct block_stream streams[MMT_STREAMS];
    uint32_t tokens;    /* left */
    uint32_t attribute; /* of all tokens, or MMT_ATTRIBUTE_VARIES */
    bool has_pending;   /* the store of an M token for which there was no room */
    struct mmu_access pending;
    uint64_t slot[MMT_SLOTS + 1];
};

/* Begins a block of so many tokens; the caller sets the streams before. Returns false if the attribute is
 * none. */
bool block_decode_begin(struct block_decoder *d, uint32_t tokens, uint32_t attribute);

/*
 * Decodes up to max references into to[]. Returns how many, 0 at the end of the block, or -1: the streams are
 * no block (they end too early, or an impossible token). Never reads beyond the slack, whatever the bytes
 * are.
 */
int64_t block_decode(struct block_decoder *d, struct mmu_access *to, size_t max);

/* At the end of the block: is every stream used up? */
bool block_decode_clean(const struct block_decoder *d);

/* Items that block_encode_code() lists before it encodes them. */
enum { BLOCK_ITEMS = 512 };

/* A block being encoded. */
struct block_encoder {
    uint8_t *streams[MMT_STREAMS]; /* room for MMT_BLOCK_TOKENS tokens each */
    uint32_t lengths[MMT_STREAMS];
    uint32_t tokens, references;
    uint8_t attribute; /* of all tokens; their stream is written only when they differ */
    bool varies;
    uint64_t next;                /* fetch */
    uint64_t slot[MMT_SLOTS + 1]; /* data; and one that is always 0 */
    uint64_t used[MMT_SLOTS + 1]; /* when the slot was used last, for choosing the one to give up */
    uint64_t clock;
    uint64_t highest;            /* address that block_encode_code() was given */
    uint8_t fetch_slot, nowhere; /* its own */
    bool has_load;               /* a load that may become an M token */
    struct mmu_access load;
};

bool block_encoder_init(struct block_encoder *e); /* false: out of memory */
void block_encoder_free(struct block_encoder *e);
void block_encode_begin(struct block_encoder *e);
/* Appends one valid reference (see writer.c). Returns false, and takes nothing, if the block is full. */
bool block_encode(struct block_encoder *e, const struct mmu_access *a);
/* No later store makes an M token of a load that came before this call. */
void block_encode_settle(struct block_encoder *e);
/* The code byte of a reference's token, without a delta's length; 0: its size needs more. */
uint8_t block_token(const struct mmu_access *a);
/* Appends executions of code, as mmu_trace_write_code() is given them, while there is room and they are
 * right. Returns how many words it took. */
size_t block_encode_code(struct block_encoder *e, struct code *const *codes, uint32_t n_codes,
                         const uint64_t *words, size_t n);
/* Is there room for one more reference for certain? */
static inline bool block_encode_room(const struct block_encoder *e)
{
    return e->tokens + (e->has_load ? 1 : 0) < MMT_BLOCK_TOKENS;
}
/* Ends the block: the lengths, tokens and references are final. Returns the block's attribute. */
uint32_t block_encode_end(struct block_encoder *e);

/* Marks being encoded. Room for a mark is there while marks_encode_room(). */
struct marks_encoder {
    uint8_t *bytes; /* MMT_MARKS_MAX */
    uint32_t length, count;
    uint32_t reference; /* of the last mark, in the block */
    uint64_t time;
};

bool marks_encoder_init(struct marks_encoder *e); /* false: out of memory */
void marks_encoder_free(struct marks_encoder *e);
void marks_encode_begin(struct marks_encoder *e);
bool marks_encode_room(const struct marks_encoder *e);
/* A valid mark before reference number `reference` of the block; ascending. */
void marks_encode(struct marks_encoder *e, const struct mmu_trace_mark *mark, uint32_t reference);

/* Marks being decoded. */
struct marks_decoder {
    const uint8_t *at, *end;
    uint32_t left;
    uint64_t reference, time;
};

void marks_decode_begin(struct marks_decoder *d, const uint8_t *bytes, uint32_t length, uint32_t count);
/* The next mark; its `at` counts from the block's begin. Returns 1, 0: there are no more, or -1: the stream
 * cannot be. */
int marks_decode(struct marks_decoder *d, struct mmu_trace_mark *mark);

/* HEAD_MEMBERS of n heads, to[] holding HEAD_BYTES * n. Returns its length. */
enum { HEAD_BYTES = 16 };
uint32_t heads_encode_members(const struct mmu_head *heads, uint32_t n, uint8_t *to);

/* Heads being decoded. The caller sets accesses (block_decode_begin()) and the rest. */
struct heads_decoder {
    struct block_decoder accesses;
    const uint8_t *members;
    bool gaps; /* the gaps' planes are there */
    uint32_t count, at;
};

/* Decodes up to max heads into to[]. Returns how many, 0 at the end, or -1: they cannot be. */
int64_t heads_decode(struct heads_decoder *d, struct mmu_head *to, size_t max);

#endif
