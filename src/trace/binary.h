/*
 * binary.h: what the parts of the binary form's reader and writer share (see format.h): the totals, block
 * headers, and the reader's state. binary_header.c takes headers apart, binary_reader.c goes through the
 * file, binary_block.c delivers what is in a block, binary_seek.c finds places.
 */
#ifndef TRACE_BINARY_H
#define TRACE_BINARY_H

#include "block.h"
#include "reader.h"

#include <zstd.h>

/* What stands for the whole trace, beside the counts in struct mmu_trace_info. */
struct totals {
    uint64_t end; /* offset */
    uint32_t blocks, maps;
};

/* 136 bytes, of the info's version. */
void totals_put(uint8_t *to, const struct totals *t, const struct mmu_trace_info *info);
/* Fills *t, and the info's count, kinds, marks, times, checksums and heads. False: they contradict
 * themselves. */
bool totals_get(const uint8_t *from, struct totals *t, struct mmu_trace_info *info);

/* A block header, taken apart and found possible. */
struct block_header {
    uint64_t offset, first;
    uint32_t length; /* of the header itself */
    uint32_t references, tokens, attribute;
    uint32_t marks;
    struct mark_state state; /* at its begin */
    uint32_t heads, head_tokens, head_attribute;
    uint32_t lengths[MMT_ALL_STREAMS], packed[MMT_ALL_STREAMS];
    uint64_t packed_total, checksum;
};

/* The most bytes that a stream holds, of a block with so many references, tokens, heads and their tokens. */
uint32_t stream_most(int stream, const struct block_header *h);

/* One growing piece of memory. */
struct buffer {
    uint8_t *bytes;
    size_t room;
};

bool buffer_reserve(struct buffer *buffer, size_t room); /* what was in it is lost */

struct index_entry {
    uint64_t offset, first;
};

/*
 * The block being read. at: references of it that were delivered; stretch: where the stretch of page runs
 * begins that `at` is in; unpacked references go on at decoded <= at, heads at headed.
 */
struct block {
    struct block_header header;
    struct buffer packed, streams[MMT_ALL_STREAMS];
    uint32_t at, stretch, decoded, headed;
    bool has_references, has_heads;  /* unpacked */
    struct block_decoder references; /* or, in a block of executions, the pieces */
    struct pieces_decoder pieces;
    struct heads_decoder heads;
    struct marks_decoder marks;
    bool has_mark; /* the next one, its `at` in the block */
    struct mmu_trace_mark mark;
    struct mmu_head *runs;               /* MMT_STRETCH of them, or NULL */
    bool keeps;                          /* addresses of all executions, not only of the latest stretch */
    mmu_va *addresses;                   /* of data; room for addresses_room */
    size_t addresses_room, addresses_at; /* at: those that are kept */
    struct mmu_access *expanded;         /* likewise */
    uint32_t runs_first, runs_count, expanded_first; /* the stretch given last, and the one in `expanded` */
};

struct binary {
    uint64_t header_length;
    uint32_t state;       /* enum mmt_state: of the header; piped, if the end was found: finished */
    struct totals totals; /* when finished */
    bool at_end;          /* the end was met, or that there is none reported */
    uint64_t number;      /* of the next block to read */
    uint64_t expected;    /* number of the next block's first reference */
    uint64_t chain;       /* sum of the blocks' offsets and firsts, as in the index, while `whole` */
    uint64_t packed;      /* of their packed streams, as in the totals; likewise */
    uint32_t maps_met;    /* likewise */
    bool whole;           /* nothing was sought since the begin */
    struct block block;
    ZSTD_DCtx *zstd;
    bool has_index;
    struct index_entry *index; /* index_count entries, ascending in offset, not descending in first */
    uint32_t index_count;
};

int binary_no_memory(const struct mmu_trace_reader *r, struct mmu_error *err);
/* "block N: what", at the offset */
int binary_bad_block(const struct mmu_trace_reader *r, int code, uint64_t offset, const char *what,
                     struct mmu_error *err);

/* binary_header.c */
int binary_read_header(struct mmu_trace_reader *r, struct mmu_error *err);
/* Takes a block's header apart: bytes as long as the version has them. h->offset is set. */
int binary_parse_block(const struct mmu_trace_reader *r, const uint8_t *bytes, struct block_header *h,
                       struct mmu_error *err);
uint32_t binary_block_header(const struct mmu_trace_reader *r); /* its length in this version */

/* binary_reader.c: reads the next block's header, and the maps before it. Returns 1 with *h filled, 0 at the
 * end of the trace, or a negative status. */
int binary_next_header(struct mmu_trace_reader *r, struct block_header *h, struct mmu_error *err);

/* binary_block.c. Begins the block whose header and packed streams are in b->block. */
int block_begin(struct mmu_trace_reader *r, struct mmu_error *err);
/* Up to max references from the present block, and marks. 0: the block's end, or marks, or a failure. */
size_t block_read(struct mmu_trace_reader *r, struct mmu_access *to, size_t max, uint64_t position);
/* The next stretch: see struct reader_ops. */
int64_t block_runs(struct mmu_trace_reader *r, size_t max, struct mmu_runs *runs);
int64_t block_executions(struct mmu_trace_reader *r, size_t max, struct mmu_executions *executions);
/* Has all of the block been delivered? */
bool block_done(const struct block *k);
void block_free(struct block *k);

/* binary_seek.c */
int binary_jump(struct mmu_trace_reader *r, uint64_t n, struct mmu_error *err);
int binary_resume(struct mmu_trace_reader *r, struct mmu_error *err);
/* Makes the next read begin with the block at offset. */
int binary_go_to(struct mmu_trace_reader *r, uint64_t offset, uint64_t number, uint64_t first,
                 struct mmu_error *err);
/* On a file that can be sought: the totals of one that went through a pipe, and all maps. Damage found here
 * is left to whoever reads on. */
int binary_look_ahead(struct mmu_trace_reader *r, struct mmu_error *err);
/* A maps section at the input's place; its first got <= MMT_MAPS_HEADER bytes have been read. */
int binary_take_maps(struct mmu_trace_reader *r, uint64_t offset, const uint8_t *begin, size_t got,
                     struct mmu_error *err);

#endif
