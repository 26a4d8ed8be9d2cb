/*
 * sim/record_sink.c: the window of a recording that goes into the trace, and the thread that writes it (see
 * record.h).
 *
 * Whoever records lays jobs on a desk of a few places and goes on; the writing thread takes them in order.
 */
#include "record.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { JOBS = 16 };

struct job {
    enum { JOB_REFERENCES, JOB_CODE, JOB_MARK, JOB_MAPS, JOB_END } kind;
    size_t n;
    struct mmu_trace_mark mark;
    uint64_t pid; /* MAPS */
    char *text;   /* MAPS: owned */
    union {
        struct mmu_access reference[RECORD_SINK_WORDS / 2];
        uint64_t word[RECORD_SINK_WORDS];
    };
};

/* laid - taken jobs wait, at most JOBS; number k is in place k % JOBS. */
struct record_desk {
    pthread_t thread;
    pthread_mutex_t lock;   /* of laid and taken */
    pthread_cond_t changed; /* one of them */
    pthread_mutex_t writer; /* of the trace's writer */
    unsigned laid, taken;
    struct job job[JOBS];
};

/* ---- the writing thread ---- */

static int write_job(struct record_sink *sink, struct job *job)
{
    switch (job->kind) {
    case JOB_REFERENCES:
        return mmu_trace_write(sink->writer, job->reference, job->n, &sink->err);
    case JOB_CODE:
        return mmu_trace_write_code(sink->writer, job->word, job->n, &sink->err);
    case JOB_MARK:
        return mmu_trace_mark(sink->writer, &job->mark, &sink->err);
    case JOB_MAPS:
        return mmu_trace_set_maps(sink->writer, job->pid, job->text, job->n, &sink->err);
    case JOB_END:
        break;
    }
    return MMU_OK;
}

static struct job *next_job(struct record_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    while (desk->laid == desk->taken)
        pthread_cond_wait(&desk->changed, &desk->lock);
    pthread_mutex_unlock(&desk->lock);
    return &desk->job[desk->taken % JOBS];
}

static void *write_all(void *ctx)
{
    struct record_sink *sink = ctx;
    struct record_desk *desk = sink->desk;
    for (bool end = false; !end;) {
        struct job *job = next_job(desk);
        end = job->kind == JOB_END;
        pthread_mutex_lock(&desk->writer);
        if (!sink->failed && write_job(sink, job))
            __atomic_store_n(&sink->failed, 1, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&desk->writer);
        if (job->kind == JOB_MAPS)
            free(job->text);
        pthread_mutex_lock(&desk->lock);
        desk->taken++;
        pthread_cond_signal(&desk->changed);
        pthread_mutex_unlock(&desk->lock);
    }
    return NULL;
}

/* ---- the others ---- */

/* A free place, when there is one. */
static struct job *begin_job(struct record_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    while (desk->laid - desk->taken == JOBS)
        pthread_cond_wait(&desk->changed, &desk->lock);
    pthread_mutex_unlock(&desk->lock);
    return &desk->job[desk->laid % JOBS];
}

static void lay_job(struct record_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    desk->laid++;
    pthread_cond_signal(&desk->changed);
    pthread_mutex_unlock(&desk->lock);
}

int record_sink_start(struct record_sink *sink)
{
    struct record_desk *desk = calloc(1, sizeof *desk);
    if (!desk)
        return cli_error("out of memory");
    pthread_mutex_init(&desk->lock, NULL);
    pthread_mutex_init(&desk->writer, NULL);
    pthread_cond_init(&desk->changed, NULL);
    sink->desk = desk;
    sigset_t all, before; /* signals are for record_child.c's thread: here they would be lost */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&desk->thread, NULL, write_all, sink);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!error)
        return CLI_GO;
    free(desk);
    sink->desk = NULL;
    return cli_error("cannot start a thread: %s", strerror(error));
}

void record_sink_stop(struct record_sink *sink)
{
    if (!sink->desk)
        return;
    begin_job(sink->desk)->kind = JOB_END;
    lay_job(sink->desk);
    pthread_join(sink->desk->thread, NULL);
    free(sink->desk);
    sink->desk = NULL;
}

static void tell(struct record_sink *sink, uint32_t kind, uint64_t value)
{
    struct job *job = begin_job(sink->desk);
    job->kind = JOB_MARK;
    job->mark = (struct mmu_trace_mark){.kind = kind, .value = value};
    lay_job(sink->desk);
}

/* The trace says whose references follow. */
static void tell_thread(struct record_sink *sink)
{
    if (sink->pid != sink->told_pid)
        tell(sink, MMU_MARK_PROCESS, sink->pid);
    if (sink->tid != sink->told_tid)
        tell(sink, MMU_MARK_THREAD, sink->tid);
    sink->told_pid = sink->pid;
    sink->told_tid = sink->tid;
}

void record_sink_write(struct record_sink *sink, const struct mmu_access *from, size_t n)
{
    uint64_t left = sink->skip - sink->passed;
    size_t some = n < left ? n : (size_t)left;
    sink->passed += some;
    from += some;
    n -= some;
    if (n > sink->max - sink->kept)
        n = (size_t)(sink->max - sink->kept);
    if (!n || record_sink_full(sink))
        return;
    tell_thread(sink);
    struct job *job = begin_job(sink->desk);
    job->kind = JOB_REFERENCES;
    job->n = n;
    memcpy(job->reference, from, n * sizeof *from);
    lay_job(sink->desk);
    sink->kept += n;
}

int record_sink_define(struct record_sink *sink, const struct mmu_access *references, size_t n,
                       uint32_t *code)
{
    pthread_mutex_lock(&sink->desk->writer);
    int status = mmu_trace_define(sink->writer, references, n, code, NULL);
    pthread_mutex_unlock(&sink->desk->writer);
    return status;
}

void record_sink_code(struct record_sink *sink, const uint64_t *words, size_t n, size_t references)
{
    tell_thread(sink);
    struct job *job = begin_job(sink->desk);
    job->kind = JOB_CODE;
    job->n = n;
    memcpy(job->word, words, n * sizeof *words);
    lay_job(sink->desk);
    sink->kept += references;
}

void record_sink_event(struct record_sink *sink, const char *format, ...)
{
    if (sink->passed < sink->skip || record_sink_full(sink))
        return;
    tell_thread(sink);
    struct job *job = begin_job(sink->desk);
    va_list args;
    job->kind = JOB_MARK;
    job->mark = (struct mmu_trace_mark){.kind = MMU_MARK_EVENT};
    va_start(args, format);
    vsnprintf(job->mark.text, sizeof job->mark.text, format, args);
    va_end(args);
    lay_job(sink->desk);
}

void record_sink_maps(struct record_sink *sink, uint64_t pid, const char *text, size_t n)
{
    char *copy = malloc(n + 1);
    if (!copy)
        return; /* the references are worth more than the maps */
    memcpy(copy, text, n);
    struct job *job = begin_job(sink->desk);
    job->kind = JOB_MAPS;
    job->pid = pid;
    job->n = n;
    job->text = copy;
    lay_job(sink->desk);
}
