/*
 * sim/record_sink.c: the window of a recording that goes into the trace (see record.h).
 */
#include "record.h"
#include <stdarg.h>

static void check(struct record_sink *sink, int status)
{
    sink->failed = sink->failed || status;
}

static void tell(struct record_sink *sink, uint32_t kind, uint64_t value)
{
    const struct mmu_trace_mark mark = {.kind = kind, .value = value};
    check(sink, mmu_trace_mark(sink->writer, &mark, &sink->err));
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
    check(sink, mmu_trace_write(sink->writer, from, n, &sink->err));
    sink->kept += n;
}

size_t record_sink_code(struct record_sink *sink, const uint64_t *words, size_t n)
{
    uint64_t references = sink->max - sink->kept;
    if (record_sink_full(sink))
        return 0;
    tell_thread(sink);
    check(sink, mmu_trace_write_code(sink->writer, words, &n, &references, &sink->err));
    sink->kept += references;
    return n;
}

void record_sink_event(struct record_sink *sink, const char *format, ...)
{
    if (sink->passed < sink->skip || record_sink_full(sink))
        return;
    struct mmu_trace_mark mark = {.kind = MMU_MARK_EVENT};
    va_list args;
    va_start(args, format);
    vsnprintf(mark.text, sizeof mark.text, format, args);
    va_end(args);
    tell_thread(sink);
    check(sink, mmu_trace_mark(sink->writer, &mark, &sink->err));
}

void record_sink_maps(struct record_sink *sink, uint64_t pid, const char *text, size_t n)
{
    if (!sink->failed)
        check(sink, mmu_trace_set_maps(sink->writer, pid, text, n, &sink->err));
}
