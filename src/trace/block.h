/*
 * block.h: what is in one block, to and from its streams (see format.h): references (block_encode.c,
 * block_decode.c), executions of pieces of code (pieces_encode.c, pieces_decode.c), marks (block_marks.c),
 * heads of page runs (block_heads.c). In memory only; the files around it are binary_reader.c and
 * binary_writer.c.
 */
#ifndef TRACE_BLOCK_H
#define TRACE_BLOCK_H

#include "code.h"
#include "format.h"

#include <mmusim/executions.h>
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

/* Are there no more references? */
static inline bool block_decode_done(const struct block_decoder *d)
{
    return !d->tokens && !d->has_pending;
}

/* At the end of the block: is every stream used up? */
bool block_decode_clean(const struct block_decoder *d);

/*
 * A block's executions being decoded. templates[] are the references of all pieces; datum[] where in its
 * piece the data of each execution go.
 */
enum { PIECE_MOST = 2 * MMT_PIECE_TOKENS, PIECE_SLACK = 4 };

_Static_assert((int)PIECE_MOST == (int)MMU_PIECE_MOST, "the public header knows it too");

struct pieces_decoder {
    struct block_stream executions, place, payload; /* BLOCK_SLACK behind the last two */
    struct mmu_piece *pieces;                       /* MMT_PIECES, or NULL */
    uint32_t n_pieces;
    struct mmu_access *templates; /* room for 2 * `room` and PIECE_SLACK more */
    struct mmu_datum *datum;      /* `room` */
    uint32_t room;
    uint64_t slot[MMT_SLOTS];
    uint32_t rest_at, rest_n; /* references of the latest execution for which there was no room */
    struct mmu_access rest[PIECE_MOST + PIECE_SLACK];
};

/* Begins a block: `tokens` has been begun, with so many tokens, as have the streams of d; lengths: the PIECE
 * stream, n_pieces bytes. MMU_OK, MMU_ERR_FORMAT: these are no pieces, or MMU_ERR_NOMEM. */
int pieces_decode_begin(struct pieces_decoder *d, struct block_decoder *tokens, const uint8_t *lengths,
                        uint32_t n_pieces);
/* As block_decode(). */
int64_t pieces_decode(struct pieces_decoder *d, struct mmu_access *to, size_t max);
/* The next execution into d->rest, where nothing is left. False: there is none, or it cannot be. */
bool pieces_decode_rest(struct pieces_decoder *d);
static inline bool pieces_decode_done(const struct pieces_decoder *d)
{
    return d->executions.at == d->executions.end && d->rest_at == d->rest_n;
}
/*
 * Whole executions of at most `most` references in all, as many as there are, with their addresses in to[],
 * which has room for as many. Nothing is left in d->rest. Fills x but for the lead. False: they cannot be.
 */
bool pieces_decode_executions(struct pieces_decoder *d, uint32_t most, mmu_va *to, struct mmu_executions *x);
bool pieces_decode_clean(const struct pieces_decoder *d);
void pieces_decoder_free(struct pieces_decoder *d);

/* Sixteen places in memory that a program works at, while addresses are encoded. used: when last, for
 * choosing the one to give up. */
struct block_slots {
    uint64_t at[MMT_SLOTS], used[MMT_SLOTS], clock;
};

/* An address this far from every slot takes over the slot that was not used for longest. */
#define SLOT_NEAR (UINT64_C(1) << 20)

unsigned slots_choose(const struct block_slots *s, uint64_t va);

/* Tokens being encoded. */
struct block_encoder {
    uint32_t most;                 /* tokens of a block */
    uint8_t *streams[MMT_STREAMS]; /* room for as many each */
    uint32_t lengths[MMT_STREAMS];
    uint32_t tokens, references;
    uint8_t attribute; /* of all tokens; their stream is written only when they differ */
    bool varies;
    uint64_t next; /* fetch */
    struct block_slots slots;
    bool has_load; /* a load that may become an M token */
    struct mmu_access load;
};

/* most: tokens of a block, at most MMT_BLOCK_TOKENS. False: out of memory. */
bool block_encoder_init(struct block_encoder *e, uint32_t most);
void block_encoder_free(struct block_encoder *e);
void block_encode_begin(struct block_encoder *e);
/* Appends one valid reference (see writer.c). Returns false, and takes nothing, if the block is full. */
bool block_encode(struct block_encoder *e, const struct mmu_access *a);
/* No later store makes an M token of a load that came before this call. */
void block_encode_settle(struct block_encoder *e);
/* The code byte of a reference's token, without a delta's length; 0: its size needs more. */
uint8_t block_token(const struct mmu_access *a);
/* Ends the block: the lengths, tokens and references are final. Returns the block's attribute. */
uint32_t block_encode_end(struct block_encoder *e);
/* A piece that the block has; its references in templates[], tokens in the PIECE stream. */
struct known_piece {
    uint64_t hash;
    uint32_t first;
    uint8_t n, n_data;
};

/*
 * A block's references being encoded: as executions of pieces, which are found as the references come, or,
 * where pieces hardly come again, token by token.
 *
 * In templates[] and piece[] the va of a fetch is its own, of other references 0, and PIECE_SECOND of the
 * store of an M token.
 */
enum { PIECE_SECOND = 1, PIECE_STREAMS = MMT_ALL_STREAMS - MMT_PIECE };

struct pieces_encoder {
    uint32_t tokens, references; /* of the block */
    struct block_encoder plain;  /* tokens of the pieces; or, if is_plain, of the references */
    bool is_plain;
    uint32_t give_up; /* tokens of pieces from which on it may become so before the block's end */
    uint8_t *streams[PIECE_STREAMS]; /* from MMT_PIECE on */
    uint32_t lengths[PIECE_STREAMS];
    struct block_slots slots;
    uint64_t highest; /* address that pieces_encode_code() was given */
    uint32_t block;   /* its number: what codes know of their pieces holds for one block */
    struct known_piece *known;
    uint32_t n_known, n_templates, *table; /* by hash, numbers + 1 */
    struct mmu_access *templates;
    /* the piece that grows */
    struct mmu_access piece[PIECE_MOST];
    uint64_t data[MMT_PIECE_TOKENS], next; /* fetch */
    uint32_t piece_n, piece_data, piece_tokens;
    bool has_load; /* a load that may become an M token */
    struct mmu_access load;
};

bool pieces_encoder_init(struct pieces_encoder *e, uint32_t most); /* as block_encoder_init() */
void pieces_encoder_free(struct pieces_encoder *e);
void pieces_encode_begin(struct pieces_encoder *e);
/* As block_encode() and what follows there. */
bool pieces_encode(struct pieces_encoder *e, const struct mmu_access *a);
void pieces_encode_settle(struct pieces_encoder *e);
uint32_t pieces_encode_end(struct pieces_encoder *e);
/* Appends executions of code behind run->taken words. True: it stopped because the block is full. */
bool pieces_encode_code(struct pieces_encoder *e, struct code *const *codes, uint32_t n_codes,
                        struct code_run *run);
/* Is there room for one more reference for certain? */
static inline bool pieces_encode_room(const struct pieces_encoder *e)
{
    return e->tokens < e->plain.most;
}

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
