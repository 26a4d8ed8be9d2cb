/*
 * sim/feed.c: see feed.h.
 *
 * Without parts: between the two threads stands a ring of slots. The lock guards its counters and nothing
 * else: a slot belongs to the decoder until it is counted in, then to the replay until it is counted out. The
 * reader belongs to the decoder until that has ended.
 */
#define _POSIX_C_SOURCE 200809L
#include "feed.h"
#include "feed_parts.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* References that a stored head stands for on average, from which on it costs less than the executions. */
enum { STORED_PAY = 5 };

/* A piece with its room. */
struct slot {
    struct feed_piece piece;
    struct mmu_access *references; /* FEED_PIECE */
    struct mmu_head *heads;        /* FEED_STRETCH; page runs on two threads only */
    struct mmu_trace_mark marks[FEED_MARKS];
    struct mmu_trace_info info; /* behind it */
    int status;                 /* 1: a piece; 0: the end; negative: it is in err */
    struct mmu_error err;
};

struct feed {
    struct mmu_trace_reader *reader;
    struct feed_options options;
    unsigned runs;              /* to be delivered: enum feed_runs */
    bool begun;                 /* the first piece was asked for */
    struct feed_parts *parts;   /* NULL: the trace has none, or one thread does all */
    uint64_t next;              /* number of the next reference to be delivered */
    struct mmu_trace_info info; /* behind the piece delivered last */
    struct slot slot[FEED_AHEAD];
    /* expand() of a second thread's runs: the stretch is read once more */
    struct mmu_trace_reader *again;
    struct mmu_access *expanded; /* FEED_STRETCH */
    struct feed_piece current;
    /* two threads */
    bool second, lent; /* one slot is the replay's */
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t in, out; /* pieces decoded, and pieces that the replay is done with */
    bool stop;
};

int feed_open(const struct feed_options *options, struct feed **out, struct mmu_error *err)
{
    struct feed *f = calloc(1, sizeof *f);
    int status = f ? MMU_OK : MMU_ERR_NOMEM;
    for (unsigned i = 0; f && i < (options->threads > 1 ? FEED_AHEAD : 1) && status == MMU_OK; i++) {
        f->slot[i].references = malloc(FEED_PIECE * sizeof *f->slot[i].references);
        status = f->slot[i].references ? MMU_OK : MMU_ERR_NOMEM;
    }
    if (status != MMU_OK) {
        feed_close(f);
        *err = (struct mmu_error){.code = status, .message = "out of memory"};
        return status;
    }
    f->options = *options;
    status = mmu_trace_open_with(options->path, &options->trace, &f->reader, err);
    if (status != MMU_OK) {
        feed_close(f);
        return status;
    }
    mmu_trace_info(f->reader, &f->info);
    *out = f;
    return MMU_OK;
}

void feed_want_runs(struct feed *f)
{
    bool pipe = !strcmp(f->options.path, "-"); /* it cannot be read once more */
    f->runs = FEED_EXECUTIONS;
    if (f->info.heads && !(pipe && f->options.threads > 1))
        f->runs = f->info.heads <= f->info.count / STORED_PAY ? FEED_STORED : FEED_STORED | FEED_EXECUTIONS;
}

/* The references of a stretch, whose reader has gone on. */
static int expand(void *ctx, const struct mmu_access **references)
{
    struct feed *f = ctx;
    struct mmu_error err;
    int status = MMU_OK;
    if (!f->expanded && !(f->expanded = malloc(FEED_STRETCH * sizeof *f->expanded)))
        return MMU_ERR_NOMEM;
    if (!f->again)
        status = mmu_trace_open_with(f->options.path, &f->options.trace, &f->again, &err);
    if (status == MMU_OK)
        status = mmu_trace_seek(f->again, f->current.first, &err);
    for (size_t n = 0; n < f->current.n && status == MMU_OK;) {
        int64_t got = mmu_trace_read(f->again, f->expanded + n, f->current.n - n, &err);
        status = got > 0 ? MMU_OK : got < 0 ? (int)got : MMU_ERR_TRUNCATED;
        n += got > 0 ? (size_t)got : 0;
    }
    *references = f->expanded;
    return status;
}

/* On two threads the heads outlive the reader's next call. */
static int keep_runs(struct feed *f, struct slot *s)
{
    struct mmu_runs *runs = &s->piece.runs;
    if (!f->second || runs->n_heads == 0)
        return MMU_OK;
    if (!s->heads && !(s->heads = malloc(FEED_STRETCH * sizeof *s->heads)))
        return MMU_ERR_NOMEM;
    memcpy(s->heads, runs->heads, runs->n_heads * sizeof *s->heads);
    runs->heads = s->heads;
    return MMU_OK;
}

int feed_decode(struct mmu_trace_reader *reader, unsigned runs, struct mmu_access *references,
                struct mmu_trace_mark *marks, struct feed_piece *p, struct mmu_error *err)
{
    *p = (struct feed_piece){.marks = marks};
    int64_t n = MMU_ERR_UNSUPPORTED;
    if (runs & FEED_EXECUTIONS)
        n = mmu_trace_read_executions(reader, FEED_EXECUTED, &p->executions, marks, FEED_MARKS, &p->n_marks,
                                      err);
    if (n == MMU_ERR_UNSUPPORTED && runs & FEED_STORED)
        n = mmu_trace_read_runs(reader, FEED_STRETCH, &p->runs, marks, FEED_MARKS, &p->n_marks, err);
    if (n == MMU_ERR_UNSUPPORTED) { /* no runs here */
        p->references = references;
        n = mmu_trace_read_marked(reader, references, FEED_PIECE, marks, FEED_MARKS, &p->n_marks, err);
    }
    p->n = n > 0 ? (size_t)n : 0;
    p->progress = mmu_trace_progress(reader);
    return n < 0 ? (int)n : n > 0 || p->n_marks;
}

static void decode(struct feed *f, struct slot *s)
{
    s->status = feed_decode(f->reader, f->runs, s->references, s->marks, &s->piece, &s->err);
    int kept = s->status > 0 ? keep_runs(f, s) : MMU_OK;
    if (kept != MMU_OK) {
        s->err = (struct mmu_error){.code = kept, .message = "out of memory"};
        s->status = kept;
    }
    mmu_trace_info(f->reader, &s->info);
}

/* The second thread. */
static void *decode_ahead(void *ctx)
{
    struct feed *f = ctx;
    for (;;) {
        pthread_mutex_lock(&f->lock);
        while (f->in - f->out == FEED_AHEAD && !f->stop)
            pthread_cond_wait(&f->changed, &f->lock);
        struct slot *s = &f->slot[f->in % FEED_AHEAD];
        bool stop = f->stop;
        pthread_mutex_unlock(&f->lock);
        if (stop)
            return NULL;
        decode(f, s);
        bool last = s->status <= 0;
        pthread_mutex_lock(&f->lock);
        f->in++;
        pthread_cond_signal(&f->changed);
        pthread_mutex_unlock(&f->lock);
        if (last)
            return NULL;
    }
}

static int start(struct feed *f)
{
    if (pthread_mutex_init(&f->lock, NULL))
        return MMU_ERR_NOMEM;
    if (pthread_cond_init(&f->changed, NULL)) {
        pthread_mutex_destroy(&f->lock);
        return MMU_ERR_NOMEM;
    }
    f->started = pthread_create(&f->thread, NULL, decode_ahead, f) == 0;
    if (!f->started) {
        pthread_cond_destroy(&f->changed);
        pthread_mutex_destroy(&f->lock);
    }
    return f->started ? MMU_OK : MMU_ERR_NOMEM;
}

/* Waits for the second thread's end. */
static void finish(struct feed *f)
{
    if (!f->started)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    f->started = false;
}

/* The slot that comes next; the one before is given back. NULL: no thread could be started. */
static struct slot *next_slot(struct feed *f)
{
    if (!f->second) {
        decode(f, &f->slot[0]);
        return &f->slot[0];
    }
    if (!f->started && start(f) != MMU_OK)
        return NULL;
    pthread_mutex_lock(&f->lock);
    if (f->lent) {
        f->out++;
        pthread_cond_signal(&f->changed);
    }
    f->lent = true;
    while (f->in == f->out)
        pthread_cond_wait(&f->changed, &f->lock);
    struct slot *s = &f->slot[f->out % FEED_AHEAD];
    pthread_mutex_unlock(&f->lock);
    return s;
}

/* Decides who decodes. */
static int begin(struct feed *f, struct mmu_error *err)
{
    f->begun = true;
    if (f->options.threads == 1)
        return MMU_OK;
    int status = feed_parts_open(f->reader, f->options.threads, f->runs, &f->parts, err);
    f->second = status == MMU_ERR_UNSUPPORTED;
    if (f->second)
        f->runs &= ~(unsigned)FEED_EXECUTIONS; /* they would not outlive the reader's next call */
    return f->second ? MMU_OK : status;
}

/* The next piece without parts. */
static int next_piece(struct feed *f, struct feed_piece *piece, struct mmu_error *err)
{
    struct slot *s = next_slot(f);
    if (!s) {
        *err = (struct mmu_error){.code = MMU_ERR_NOMEM, .message = "cannot start a second thread"};
        return MMU_ERR_NOMEM;
    }
    f->info = s->info;
    *piece = s->piece;
    if (s->status <= 0)
        *err = s->err;
    return s->status;
}

int feed_next(struct feed *f, struct feed_piece *piece, struct mmu_error *err)
{
    int status = f->begun ? MMU_OK : begin(f, err);
    if (status != MMU_OK)
        return status;
    status = f->parts ? feed_parts_next(f->parts, piece, err) : next_piece(f, piece, err);
    if (status <= 0)
        return status;
    piece->first = f->next;
    f->next += piece->n;
    if (f->options.threads > 1 && piece->runs.heads) { /* its reader has gone on */
        piece->runs.expand = expand;
        piece->runs.ctx = f;
    }
    f->current = *piece;
    return status;
}

int feed_expand(struct feed *f, struct feed_piece *piece)
{
    const struct mmu_runs *runs = &piece->runs;
    if (piece->references)
        return MMU_OK;
    piece->references = runs->references;
    if (runs->heads)
        return piece->references ? MMU_OK : runs->expand(runs->ctx, &piece->references);
    if (!f->expanded && !(f->expanded = malloc(FEED_STRETCH * sizeof *f->expanded)))
        return MMU_ERR_NOMEM;
    mmu_executions_expand(&piece->executions, f->expanded);
    piece->references = f->expanded;
    return MMU_OK;
}

const struct mmu_trace_info *feed_info(const struct feed *f)
{
    return &f->info;
}

void feed_close(struct feed *f)
{
    if (!f)
        return;
    finish(f);
    feed_parts_close(f->parts);
    for (unsigned i = 0; i < FEED_AHEAD; i++) {
        free(f->slot[i].references);
        free(f->slot[i].heads);
    }
    mmu_trace_close(f->reader);
    mmu_trace_close(f->again);
    free(f->expanded);
    free(f);
}
