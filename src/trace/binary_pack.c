/*
 * binary_pack.c: see binary_pack.h. With a thread, the next block is encoded while others are packed: each
 * job has a set of streams, and a block that is put swaps its own for them.
 */
#include "binary_pack.h"

#include "bytes.h"
#include "error.h"
#include "hash.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void *packer_one_more(void *array, uint32_t count, size_t size)
{
    if (count && (count < 64 || (count & (count - 1))))
        return array;
    return realloc(array, size * (count ? 2 * (size_t)count : 64));
}

static int no_memory(const struct packer *p, struct mmu_error *err)
{
    return err_at(err, MMU_ERR_NOMEM, output_name(p->output), 0, 0, "out of memory");
}

/* ---- one block ---- */

/* The index in memory gets one more block. */
static int remember_block(struct packer *p, uint64_t first, struct mmu_error *err)
{
    struct index_entry *index = packer_one_more(p->index, p->blocks, sizeof *index);

    if (!index)
        return no_memory(p, err);
    p->index = index;
    p->index[p->blocks++] = (struct index_entry){output_offset(p->output), first};
    return MMU_OK;
}

/* One stream into the packed block. */
static int pack_stream(struct packer *p, const struct pack_job *job, int s, size_t *length,
                       struct mmu_error *err)
{
    size_t packed = 0;
    uint32_t n = job->lengths[s];

    if (n)
        packed = ZSTD_compress2(p->zstd, p->packed + *length, p->packed_size - *length, job->streams[s], n);
    if (ZSTD_isError(packed))
        return err_at(err, MMU_ERR_NOMEM, output_name(p->output), 0, 0, "zstd: %s",
                      ZSTD_getErrorName(packed));
    put32(p->packed + MMT_LENGTHS_AT + 4 * s, n);
    put32(p->packed + MMT_PACKED_AT + 4 * s, (uint32_t)packed);
    *length += packed;
    return MMU_OK;
}

/* Packs and writes a block. */
static int do_job(struct packer *p, const struct pack_job *job, struct mmu_error *err)
{
    uint8_t *header = p->packed;
    size_t length = MMT_BLOCK_HEADER;
    uint64_t sum;
    int code = MMU_OK;

    memcpy(header, job->header, MMT_BLOCK_HEADER);
    for (int s = 0; s < MMT_ALL_STREAMS && !code; s++)
        code = pack_stream(p, job, s, &length, err);
    if (code)
        return code;
    sum = hash_bytes(header + MMT_BLOCK_HEADER, length - MMT_BLOCK_HEADER, 0);
    p->checksum = hash_round(p->checksum, sum);
    put64(header + MMT_BLOCK_HEADER - 16, sum);
    put64(header + MMT_BLOCK_HEADER - 8, hash_bytes(header, MMT_BLOCK_HEADER - 8, 0));
    code = remember_block(p, job->first, err);
    return code ? code : output_write(p->output, p->packed, length, err);
}

/* ---- the thread ---- */

static void *do_jobs(void *ctx)
{
    struct packer *p = ctx;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct mmu_error err;
        int code;
        while (!p->jobs && !p->quit)
            pthread_cond_wait(&p->changed, &p->lock);
        if (!p->jobs)
            break;
        pthread_mutex_unlock(&p->lock);
        code = p->failure.code ? MMU_OK : do_job(p, &p->job[p->oldest], &err);
        pthread_mutex_lock(&p->lock);
        if (code)
            p->failure = err;
        p->oldest = (p->oldest + 1) % PACK_JOBS;
        p->jobs--;
        pthread_cond_signal(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Signals are for the program's own threads. */
static bool start(struct packer *p)
{
    sigset_t all, before;

    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    p->started = !pthread_create(&p->thread, NULL, do_jobs, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p->started;
}

/* ---- the caller ---- */

/* A fast level looks for matches of this many bytes at least: of addresses shorter ones save nothing and cost
 * time. */
enum { FAST_MATCH = 7 };

static ZSTD_CCtx *make_zstd(int level)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();

    if (zstd && (ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level)) ||
                 (level < 0 && ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_minMatch, FAST_MATCH))))) {
        ZSTD_freeCCtx(zstd);
        return NULL;
    }
    return zstd;
}

int packer_init(struct packer *p, struct output *output, int level, const struct block_header *most,
                bool threaded, struct mmu_error *err)
{
    bool ok = true;

    p->output = output;
    p->threaded = threaded;
    p->packed_size = MMT_BLOCK_HEADER;
    for (int s = 0; s < MMT_ALL_STREAMS; s++) {
        uint32_t room = stream_most(s, most);
        p->packed_size += ZSTD_compressBound(room);
        for (int i = 0; i < PACK_JOBS && threaded && room; i++)
            ok = (p->job[i].streams[s] = malloc(room + sizeof(uint64_t))) && ok;
    }
    p->packed = malloc(p->packed_size);
    p->zstd = make_zstd(level);
    if (!ok || !p->packed || !p->zstd || (threaded && !start(p)))
        return no_memory(p, err);
    return MMU_OK;
}

/* Waits until at most so many jobs are left. */
static int wait_for(struct packer *p, unsigned jobs, struct mmu_error *err)
{
    int code;

    if (!p->started)
        return MMU_OK;
    pthread_mutex_lock(&p->lock);
    while (p->jobs > jobs)
        pthread_cond_wait(&p->changed, &p->lock);
    code = p->failure.code;
    if (code && err)
        *err = p->failure;
    pthread_mutex_unlock(&p->lock);
    return code;
}

int packer_wait(struct packer *p, struct mmu_error *err)
{
    return wait_for(p, 0, err);
}

/* The next job is there. */
static void hand_over(struct packer *p)
{
    pthread_mutex_lock(&p->lock);
    p->jobs++;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

int packer_put(struct packer *p, uint64_t first, const uint8_t header[MMT_BLOCK_HEADER],
               uint8_t **const streams[MMT_ALL_STREAMS], const uint32_t lengths[MMT_ALL_STREAMS],
               struct mmu_error *err)
{
    int code = wait_for(p, PACK_JOBS - 1, err);
    struct pack_job *job = &p->job[p->next];

    if (code)
        return code;
    job->first = first;
    memcpy(job->header, header, MMT_BLOCK_HEADER);
    memcpy(job->lengths, lengths, sizeof job->lengths);
    for (int s = 0; s < MMT_ALL_STREAMS; s++) {
        uint8_t *spare = job->streams[s];
        if (!streams[s])
            continue;
        job->streams[s] = *streams[s];
        if (p->threaded)
            *streams[s] = spare;
    }
    if (!p->threaded)
        return do_job(p, job, err);
    p->next = (p->next + 1) % PACK_JOBS;
    hand_over(p);
    return MMU_OK;
}

void packer_free(struct packer *p)
{
    if (p->started) {
        pthread_mutex_lock(&p->lock);
        p->quit = true;
        pthread_cond_signal(&p->changed);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
        pthread_cond_destroy(&p->changed);
        pthread_mutex_destroy(&p->lock);
    }
    for (int s = 0; s < PACK_JOBS * MMT_ALL_STREAMS && p->threaded; s++)
        free(p->job[s / MMT_ALL_STREAMS].streams[s % MMT_ALL_STREAMS]);
    ZSTD_freeCCtx(p->zstd);
    free(p->packed);
    free(p->index);
}
