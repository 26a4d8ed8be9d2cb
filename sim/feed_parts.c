/*
 * sim/feed_parts.c: see feed_parts.h.
 *
 * Parts go through a ring of desks. Whoever has time takes the next part, packed, to the next free desk and
 * decodes it there: the other threads always, the caller's own when the part that it wants is not ready yet.
 * So all threads have work until the end, whichever of decoding and simulating is slower.
 *
 * The lock guards the reader, the counters and `ready`. A desk belongs to whoever took its part until it is
 * ready, then to the caller until that counts it out. A part that does not fit on its desk is ready before
 * its end, unpacked, and the caller decodes the rest of it, piece by piece, as it simulates them: then the
 * references are still in its cache, and unpacking and most of the decoding are the share of the others.
 */
#define _DEFAULT_SOURCE
#include "feed_parts.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    /* Room of a desk. What a part does not need is never touched, and costs no memory. */
    DESK_REFERENCES = 3 << 16, /* 3 MiB: three quarters of a block of the binary form */
    DESK_HEADS = 1 << 18,      /* 8 MiB */
    DESK_MARKS = 4096,         /* 1 MiB */
    DESK_PIECES = 1024
};

struct desk {
    struct mmu_trace_reader *part;
    struct mmu_access *references;
    struct mmu_head *heads; /* NULL: page runs are not wanted */
    struct mmu_trace_mark *marks;
    struct feed_piece *pieces;
    size_t n_references, n_heads, n_marks, n_pieces;
    int status; /* behind the pieces: 1: more of this part; 0: the part's end; negative: it is in err */
    struct mmu_error err;
    bool last; /* no part: the trace ends with status */
    bool ready;
};

struct feed_parts {
    struct mmu_trace_reader *reader;
    unsigned runs; /* enum feed_runs */
    struct desk *desk;
    size_t desks;
    size_t piece; /* of the present desk: the next to be delivered */
    pthread_t *thread;
    unsigned threads; /* that were started */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t in, out; /* desks taken, and desks that the caller is done with */
    bool ended;       /* there are no more parts */
    bool stop;
};

static int no_memory(struct mmu_error *err)
{
    *err = (struct mmu_error){.code = MMU_ERR_NOMEM, .message = "out of memory"};
    return MMU_ERR_NOMEM;
}

/* Is there room for one more piece, whatever it is? */
static bool has_room(const struct desk *d)
{
    return d->n_pieces < DESK_PIECES && d->n_marks + FEED_MARKS <= DESK_MARKS &&
           d->n_references + FEED_PIECE <= DESK_REFERENCES &&
           (!d->heads || d->n_heads + FEED_STRETCH <= DESK_HEADS);
}

/* Decodes as much of the part as there is room for, at most so many pieces. */
static void fill(const struct feed_parts *f, struct desk *d, size_t pieces)
{
    d->n_references = d->n_heads = d->n_marks = d->n_pieces = 0;
    d->status = 1;
    while (d->status > 0 && d->n_pieces < pieces && has_room(d)) {
        struct feed_piece *p = &d->pieces[d->n_pieces];
        d->status =
            feed_decode(d->part, f->runs, d->references + d->n_references, d->marks + d->n_marks, p, &d->err);
        if (d->status <= 0)
            return;
        if (p->executions.n_references) { /* so must be what outlives the part's next call */
            memcpy(d->references + d->n_references, p->executions.lead,
                   p->executions.n_lead * sizeof *d->references);
            p->executions.lead = d->references + d->n_references;
            d->n_references += p->executions.n_lead;
        } else if (p->runs.heads) {
            memcpy(d->heads + d->n_heads, p->runs.heads, p->runs.n_heads * sizeof *d->heads);
            p->runs.heads = d->heads + d->n_heads;
            d->n_heads += p->runs.n_heads;
        } else {
            d->n_references += p->n;
        }
        d->n_marks += p->n_marks;
        d->n_pieces++;
    }
}

/* May a part be taken? With the lock. */
static bool can_take(const struct feed_parts *f)
{
    return !f->ended && f->in - f->out < f->desks;
}

/* Takes the next part, with the lock, and decodes it, without. */
static void take(struct feed_parts *f)
{
    struct desk *d = &f->desk[f->in++ % f->desks];
    int status = mmu_trace_part_take(f->reader, d->part, &d->err);
    d->n_pieces = 0;
    d->ready = d->last = f->ended = status <= 0;
    if (d->last) {
        d->status = status;
    } else {
        pthread_mutex_unlock(&f->lock);
        fill(f, d, DESK_PIECES);
        pthread_mutex_lock(&f->lock);
        d->ready = true;
    }
    pthread_cond_broadcast(&f->changed);
}

/* The other threads. */
static void *work(void *ctx)
{
    struct feed_parts *f = ctx;
    pthread_mutex_lock(&f->lock);
    while (!f->stop && !f->ended) {
        if (can_take(f))
            take(f);
        else
            pthread_cond_wait(&f->changed, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* Waits for the desk that comes next, and works as long as it would wait. */
static void next_desk(struct feed_parts *f, bool done)
{
    pthread_mutex_lock(&f->lock);
    if (done) {
        f->out++;
        pthread_cond_broadcast(&f->changed);
    }
    while (f->in == f->out || !f->desk[f->out % f->desks].ready) {
        if (can_take(f))
            take(f);
        else
            pthread_cond_wait(&f->changed, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    f->piece = 0;
}

int feed_parts_next(struct feed_parts *f, struct feed_piece *piece, struct mmu_error *err)
{
    const struct desk *d = &f->desk[f->out % f->desks];
    if (f->piece == 0)
        next_desk(f, false);
    for (;; d = &f->desk[f->out % f->desks]) {
        if (f->piece < d->n_pieces) {
            *piece = d->pieces[f->piece++];
            return 1;
        }
        if (d->status < 0)
            *err = d->err;
        if (d->status < 0 || d->last)
            return d->status;
        if (d->status > 0) {
            fill(f, &f->desk[f->out % f->desks], 1);
            f->piece = 0;
        } else {
            next_desk(f, true);
        }
    }
}

/* Much memory that is written again and again, in large pages where the host gives them: a page fault of each
 * small one would cost as much as decoding what goes there. */
static void *allocate(size_t bytes)
{
    enum { LARGE = 1 << 21 };
    void *memory = NULL;
    if (posix_memalign(&memory, LARGE, (bytes + LARGE - 1) & ~(size_t)(LARGE - 1)))
        return NULL;
    madvise(memory, (bytes + LARGE - 1) & ~(size_t)(LARGE - 1), MADV_HUGEPAGE); /* a hint */
    return memory;
}

static int make_desk(struct feed_parts *f, struct desk *d, struct mmu_error *err)
{
    int status = mmu_trace_part_open(f->reader, &d->part, err);
    if (status != MMU_OK)
        return status;
    d->references = allocate(DESK_REFERENCES * sizeof *d->references);
    d->heads = f->runs & FEED_STORED ? allocate(DESK_HEADS * sizeof *d->heads) : NULL;
    d->marks = malloc(DESK_MARKS * sizeof *d->marks);
    d->pieces = malloc(DESK_PIECES * sizeof *d->pieces);
    return d->references && (!(f->runs & FEED_STORED) || d->heads) && d->marks && d->pieces ? MMU_OK
                                                                                            : no_memory(err);
}

static int make(struct feed_parts *f, unsigned threads, struct mmu_error *err)
{
    int status = MMU_OK;
    f->thread = calloc(threads, sizeof *f->thread);
    f->desk = calloc(threads + 1, sizeof *f->desk);
    if (!f->thread || !f->desk)
        return no_memory(err);
    while (f->desks < threads + 1 && status == MMU_OK)
        status = make_desk(f, &f->desk[f->desks++], err);
    return status;
}

int feed_parts_open(struct mmu_trace_reader *reader, unsigned threads, unsigned runs, struct feed_parts **out,
                    struct mmu_error *err)
{
    struct feed_parts *f = calloc(1, sizeof *f);
    if (!f)
        return no_memory(err);
    f->reader = reader;
    f->runs = runs;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    int status = make(f, threads, err);
    if (status != MMU_OK) {
        feed_parts_close(f);
        return status;
    }
    while (f->threads + 1 < threads && !pthread_create(&f->thread[f->threads], NULL, work, f))
        f->threads++;
    *out = f;
    return MMU_OK;
}

void feed_parts_close(struct feed_parts *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    for (unsigned i = 0; i < f->threads; i++)
        pthread_join(f->thread[i], NULL);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    for (size_t i = 0; i < f->desks; i++) {
        mmu_trace_close(f->desk[i].part);
        free(f->desk[i].references);
        free(f->desk[i].heads);
        free(f->desk[i].marks);
        free(f->desk[i].pieces);
    }
    free(f->desk);
    free(f->thread);
    free(f);
}
