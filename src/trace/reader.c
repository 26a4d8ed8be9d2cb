/*
 * reader.c: one reader for all formats: finds the format by its content, skips and seeks, reports a failure
 * after what came before it.
 */
#include "reader.h"

#include "bits.h"
#include "error.h"
#include "format.h"

#include <stdlib.h>
#include <string.h>

static const struct reader_ops *const formats[MMU_TRACE_FORMATS] = {
    [MMU_TRACE_TEXT] = &text_reader_ops,
    [MMU_TRACE_BINARY] = &binary_reader_ops,
};

/* Text has no control characters; ours has its magic. AUTO: neither. */
static enum mmu_trace_format find_format(const struct input *in)
{
    const unsigned char *head;
    size_t n = input_head(in, &head);

    if (n >= 4 && !memcmp(head, MMT_MAGIC, 4)) /* the reader looks at the rest, and says more */
        return MMU_TRACE_BINARY;
    for (size_t i = 0; i < n; i++)
        if (head[i] < ' ' && head[i] != '\t' && head[i] != '\n' && head[i] != '\r')
            return MMU_TRACE_AUTO;
    return MMU_TRACE_TEXT;
}

static int choose(struct mmu_trace_reader *r, enum mmu_trace_format format, struct mmu_error *err)
{
    const unsigned char *head;
    size_t n = input_head(r->input, &head);

    if (!n)
        return err_at(err, MMU_ERR_FORMAT, input_name(r->input), 0, 0,
                      "nothing in it after decompression, expected a trace");
    if (format == MMU_TRACE_AUTO)
        format = find_format(r->input);
    if (format == MMU_TRACE_AUTO)
        return err_offset(
            err, MMU_ERR_FORMAT, input_name(r->input), 0,
            "unknown format (begins with %02x %02x), expected Lackey text or mmusim's binary form", head[0],
            n > 1 ? head[1] : 0);
    r->info.format = format;
    r->ops = formats[format];
    return MMU_OK;
}

int mmu_trace_open(const char *path, enum mmu_trace_format format, struct mmu_trace_reader **out,
                   struct mmu_error *err)
{
    struct mmu_trace_reader *r = calloc(1, sizeof *r);
    int code;

    REQUIRE((unsigned)format < MMU_TRACE_FORMATS);
    if (!r)
        return err_at(err, MMU_ERR_NOMEM, path, 0, 0, "out of memory");
    code = input_open(&r->input, path, MMT_MAGIC, MMT_MAGIC_LENGTH, err);
    if (!code)
        code = choose(r, format, err);
    if (!code)
        code = r->ops->open(r, err);
    if (code) {
        mmu_trace_close(r);
        return code;
    }
    *out = r;
    return MMU_OK;
}

void mmu_trace_close(struct mmu_trace_reader *r)
{
    if (!r)
        return;
    if (r->ops)
        r->ops->close(r);
    input_close(r->input);
    free(r);
}

int64_t mmu_trace_read(struct mmu_trace_reader *r, struct mmu_access *to, size_t max, struct mmu_error *err)
{
    size_t got;

    if (!max)
        return 0;
    got = r->failure.code ? 0 : r->ops->read(r, to, max < INT64_MAX ? max : INT64_MAX);
    r->position += got;
    if (!got && r->failure.code) {
        if (err)
            *err = r->failure;
        return r->failure.code;
    }
    return (int64_t)got;
}

/* Reads and drops until position n. */
static int skip_to(struct mmu_trace_reader *r, uint64_t n, struct mmu_error *err)
{
    struct mmu_access dropped[1024];

    while (r->position < n) {
        uint64_t left = n - r->position;
        int64_t got =
            mmu_trace_read(r, dropped, left < COUNT_OF(dropped) ? (size_t)left : COUNT_OF(dropped), err);
        if (got < 0)
            return (int)got;
        if (!got)
            return err_at(err, MMU_ERR_RANGE, input_name(r->input), 0, 0,
                          "cannot go to reference %llu: the trace has %llu", (unsigned long long)n,
                          (unsigned long long)r->position);
    }
    return MMU_OK;
}

int mmu_trace_seek(struct mmu_trace_reader *r, uint64_t n, struct mmu_error *err)
{
    int code = MMU_OK;

    if (r->ops->jump && input_seekable(r->input)) {
        memset(&r->failure, 0, sizeof r->failure);
        code = r->ops->jump(r, n, err);
    } else if (n < r->position) {
        if (!input_rewindable(r->input))
            return err_at(err, MMU_ERR_UNSUPPORTED, input_name(r->input), 0, 0, "cannot go back in a pipe");
        memset(&r->failure, 0, sizeof r->failure);
        code = r->ops->rewind(r, err);
        r->position = 0;
    }
    if (code) {
        /* Where the reader stands is unknown now; only another seek helps. */
        err_at(&r->failure, code, input_name(r->input), 0, 0, "the reader lost its place: a seek failed");
        return code;
    }
    return skip_to(r, n, err);
}

double mmu_trace_progress(const struct mmu_trace_reader *r)
{
    if (r->info.has_count)
        return r->info.count ? (double)r->position / (double)r->info.count : 1;
    return input_progress(r->input);
}

void mmu_trace_info(const struct mmu_trace_reader *r, struct mmu_trace_info *info)
{
    *info = r->info;
}
