/*
 * binary_pack.h: blocks of the binary form are packed and written, by the caller or by a thread of their own.
 */
#ifndef TRACE_BINARY_PACK_H
#define TRACE_BINARY_PACK_H

#include "binary.h"
#include "output.h"

#include <pthread.h>

/* A block: its header without lengths and checksums, and its streams. */
struct pack_job {
    uint64_t first; /* number of its first reference */
    uint8_t header[MMT_BLOCK_HEADER];
    uint8_t *streams[MMT_ALL_STREAMS];
    uint32_t lengths[MMT_ALL_STREAMS];
};

/* Blocks that may wait for the thread: who fills them shall seldom wait for it, nor it for them, on a machine
 * that has other work for its processors. */
enum { PACK_JOBS = 4 };

/*
 * Whoever touches zstd, output, index or blocks calls packer_wait() before.
 */
struct packer {
    struct output *output; /* the caller's */
    ZSTD_CCtx *zstd;
    uint8_t *packed; /* room for a block header and all packed streams */
    size_t packed_size;
    struct index_entry *index;
    uint32_t blocks;
    uint64_t checksum; /* of the blocks */

    struct pack_job job[PACK_JOBS]; /* without a thread, the first one only */
    bool threaded, started;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;   /* jobs or quit */
    unsigned next;            /* job to be filled by the caller */
    unsigned oldest, jobs;    /* that wait or are being done, from the oldest one on */
    bool quit;                /* no more will come */
    struct mmu_error failure; /* of a job that the thread did */
};

/* most: what a block holds at most. threaded: a thread packs and writes. Zero-initialised; packer_free() in
 * any case. */
int packer_init(struct packer *p, struct output *output, int level, const struct block_header *most,
                bool threaded, struct mmu_error *err);
/* Packs and writes a block. streams[]: where its streams are kept (NULL: an empty one); a thread takes them
 * and leaves others of the same size there. The failure may be that of a block before. */
int packer_put(struct packer *p, uint64_t first, const uint8_t header[MMT_BLOCK_HEADER],
               uint8_t **const streams[MMT_ALL_STREAMS], const uint32_t lengths[MMT_ALL_STREAMS],
               struct mmu_error *err);
/* All blocks are written, or one has failed. */
int packer_wait(struct packer *p, struct mmu_error *err);
void packer_free(struct packer *p);

/* Makes room for one more in an array of `count` that grows by doubling. NULL: out of memory. */
void *packer_one_more(void *array, uint32_t count, size_t size);

#endif
