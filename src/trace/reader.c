/*
 * reader.c: one reader for all formats: finds the format by its content, delivers marks between references,
 * skips and seeks, reports a failure after what came before it.
 */
#include "reader.h"

#include "bits.h"
#include "error.h"
#include "info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A format without a row is not read. */
static const struct reader_ops *const formats[MMU_TRACE_FORMATS] = {
    [MMU_TRACE_TEXT] = &text_reader_ops,
    [MMU_TRACE_BINARY] = &binary_reader_ops,
    [MMU_TRACE_CHAMPSIM] = &champsim_reader_ops,
    [MMU_TRACE_CLOUDSUITE] = &cloudsuite_reader_ops,
    [MMU_TRACE_DRMEMTRACE] = &drmemtrace_reader_ops,
    [MMU_TRACE_DIN] = &din_reader_ops,
    [MMU_TRACE_PINATRACE] = &pinatrace_reader_ops,
    [MMU_TRACE_COLUMNS] = &columns_reader_ops,
};

/* The words of all formats, the first one auto. */
#define MMU_X(name, word, what) " " word
static const char FORMATS[] = MMU_TRACE_FORMAT_LIST(MMU_X);
#undef MMU_X

size_t reader_text_begins(const unsigned char *head, size_t n)
{
    return n >= 3 && !memcmp(head, "\xef\xbb\xbf", 3) ? 3 : 0;
}

/* The format that is surest of an input's first bytes. AUTO: none. */
static enum mmu_trace_format find_format(const unsigned char *head, size_t n, const char *name)
{
    enum mmu_trace_format best = MMU_TRACE_AUTO;
    unsigned surest = SNIFF_NO;
    size_t begin = reader_text_begins(head, n);

    head += begin;
    n -= begin;
    for (int f = 0; f < MMU_TRACE_FORMATS; f++) {
        unsigned sure = formats[f] ? formats[f]->sniff(head, n, name) : SNIFF_NO;
        if (sure > surest) {
            surest = sure;
            best = (enum mmu_trace_format)f;
        }
    }
    return best;
}

bool reader_is_native(const unsigned char *head, size_t n)
{
    return find_format(head, n, "") != MMU_TRACE_AUTO;
}

static int choose(struct mmu_trace_reader *r, enum mmu_trace_format format, struct mmu_error *err)
{
    const unsigned char *head;
    size_t n = input_head(r->input, &head);
    char begin[32];

    if (!n)
        return err_at(err, MMU_ERR_FORMAT, r->name, 0, 0,
                      "nothing in it after decompression, expected a trace");
    if (format == MMU_TRACE_AUTO)
        format = find_format(head, n, r->name);
    if (format == MMU_TRACE_AUTO) {
        if (!head[0] && !memcmp(head, head + 1, n - 1))
            snprintf(begin, sizeof begin, "%zu zero bytes", n);
        else
            snprintf(begin, sizeof begin, "%02x %02x", head[0], n > 1 ? head[1] : 0);
        return err_offset(err, MMU_ERR_FORMAT, r->name, 0,
                          "unknown format (begins with %s), expected one of%s, found by content", begin,
                          FORMATS + strlen(" auto"));
    }
    r->info.format = format;
    r->ops = formats[format];
    return MMU_OK;
}

/* Takes a directory, if the format asked for, or any, has such. */
static int choose_folder(struct mmu_trace_reader *r, enum mmu_trace_format format, struct mmu_error *err)
{
    for (int f = 0; f < MMU_TRACE_FORMATS; f++) {
        if (!formats[f] || !formats[f]->folder || (format != MMU_TRACE_AUTO && (int)format != f))
            continue;
        if (format == MMU_TRACE_AUTO && !formats[f]->folder(r->name))
            continue;
        r->info.format = (uint32_t)f;
        r->ops = formats[f];
        return MMU_OK;
    }
    return err_at(err, MMU_ERR_IO, r->name, 0, 0, "is a directory, expected a trace file");
}

static bool is_folder(const char *path)
{
    struct stat st;

    return strcmp(path, "-") && !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int start(struct mmu_trace_reader *r, const char *path, const struct mmu_trace_options *options,
                 struct mmu_error *err)
{
    enum mmu_trace_format format = options ? options->format : MMU_TRACE_AUTO;
    int code;

    if (options && options->columns && format == MMU_TRACE_AUTO)
        format = MMU_TRACE_COLUMNS;
    r->name = strdup(strcmp(path, "-") ? path : "standard input");
    if (options && options->columns)
        r->options.columns = strdup(options->columns);
    if (!r->name || (options && options->columns && !r->options.columns))
        return err_at(err, MMU_ERR_NOMEM, path, 0, 0, "out of memory");
    r->options.format = format;
    if (format != MMU_TRACE_AUTO && !formats[format])
        return err_at(err, MMU_ERR_UNSUPPORTED, r->name, 0, 0, "the format %s is not read",
                      mmu_trace_format_name((int)format));
    if (is_folder(path)) {
        code = choose_folder(r, format, err);
    } else {
        code = input_open(&r->input, path, reader_is_native, err);
        if (!code)
            code = choose(r, format, err);
    }
    return code ? code : r->ops->open(r, err);
}

int mmu_trace_open_with(const char *path, const struct mmu_trace_options *options,
                        struct mmu_trace_reader **out, struct mmu_error *err)
{
    struct mmu_trace_reader *r;
    int code;

    if (options && (unsigned)options->format >= MMU_TRACE_FORMATS)
        return err_at(err, MMU_ERR_INVALID, path, 0, 0, "%d is no format", (int)options->format);
    r = calloc(1, sizeof *r);
    if (!r)
        return err_at(err, MMU_ERR_NOMEM, path, 0, 0, "out of memory");
    r->counting = true;
    r->limit = READER_MARKS;
    code = start(r, path, options, err);
    if (code) {
        mmu_trace_close(r);
        return code;
    }
    *out = r;
    return MMU_OK;
}

int mmu_trace_open(const char *path, enum mmu_trace_format format, struct mmu_trace_reader **out,
                   struct mmu_error *err)
{
    return mmu_trace_open_with(path, &(struct mmu_trace_options){.format = format}, out, err);
}

void mmu_trace_close(struct mmu_trace_reader *r)
{
    if (!r)
        return;
    if (r->ops)
        r->ops->close(r);
    input_close(r->input);
    for (uint32_t i = 0; i < r->info.maps; i++)
        free(r->maps[i].text);
    free(r->maps);
    free((char *)r->options.columns);
    free(r->name);
    free(r);
}

/* ---- marks ---- */

void reader_mark(struct mmu_trace_reader *r, uint64_t at, enum mmu_mark_kind kind, uint64_t value,
                 const char *text)
{
    struct mmu_trace_mark *m;
    size_t n = text ? strnlen(text, MMU_MARK_TEXT - 1) : 0;

    REQUIRE(r->queued < READER_MARKS);
    m = &r->queue[r->queued++];
    *m = (struct mmu_trace_mark){.at = at, .value = value, .kind = kind};
    for (size_t i = 0; i < n; i++)
        m->text[i] = (unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i];
    if (r->counting)
        info_count_mark(&r->info, m);
}

void reader_mark_change(struct mmu_trace_reader *r, uint64_t at, enum mmu_mark_kind kind, uint64_t value)
{
    bool told = r->here.told >> kind & 1;
    uint64_t now = r->here.value[kind];

    for (size_t i = 0; i < r->queued; i++)
        if (r->queue[i].kind == kind) {
            told = true;
            now = r->queue[i].value;
        }
    if (!told || now != value)
        reader_mark(r, at, kind, value, NULL);
}

void reader_count(struct mmu_trace_reader *r, const struct mmu_access *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        r->info.kinds[MMU_KIND_OF(a[i].kind)]++;
    r->info.has_fetches = r->info.kinds[MMU_FETCH] > 0;
}

/* The first n marks of the queue leave it, to to[] unless that is NULL. */
static void take_marks(struct mmu_trace_reader *r, struct mmu_trace_mark *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct mmu_trace_mark *m = &r->queue[i];
        info_remember_mark(&r->here, m);
        if (to)
            to[i] = *m;
    }
    if (n) {
        r->gave_mark = true;
        r->last_mark = r->queue[n - 1].at;
    }
    r->queued -= n;
    memmove(r->queue, r->queue + n, r->queued * sizeof *r->queue);
}

/* Drops the marks that stand before reference n; what they said is said again before the next mark. */
static void drop_marks(struct mmu_trace_reader *r, uint64_t n)
{
    size_t k = 0;

    for (; k < r->queued && r->queue[k].at < n; k++)
        r->restate |= r->queue[k].kind < MMU_MARK_EVENT;
    if (k)
        take_marks(r, NULL, k);
}

/* What stands in r->here, as marks before the next reference. Returns how many. */
static size_t restate(struct mmu_trace_reader *r, struct mmu_trace_mark *to)
{
    size_t n = 0;

    for (uint32_t kind = 0; kind < MMU_MARK_EVENT; kind++)
        if (r->here.told >> kind & 1)
            to[n++] = (struct mmu_trace_mark){.at = r->position, .value = r->here.value[kind], .kind = kind};
    r->restate = false;
    return n;
}

int reader_keep_maps(struct mmu_trace_reader *r, uint64_t pid, const char *text, size_t n, bool append,
                     struct mmu_error *err)
{
    struct trace_maps *m = NULL;
    char *grown;

    for (uint32_t i = 0; i < r->info.maps && !m; i++)
        if (r->maps[i].pid == pid)
            m = &r->maps[i];
    if (!m) {
        m = realloc(r->maps, (r->info.maps + 1) * sizeof *m);
        if (!m)
            return err_at(err, MMU_ERR_NOMEM, r->name, 0, 0, "out of memory");
        r->maps = m;
        m += r->info.maps++;
        *m = (struct trace_maps){.pid = pid};
    }
    if (!append)
        m->n = 0;
    grown = realloc(m->text, m->n + n + 1);
    if (!grown)
        return err_at(err, MMU_ERR_NOMEM, r->name, 0, 0, "out of memory");
    m->text = grown;
    memcpy(m->text + m->n, text, n);
    m->n += n;
    m->text[m->n] = 0;
    return MMU_OK;
}

const char *mmu_trace_maps(const struct mmu_trace_reader *r, uint32_t i, uint64_t *pid, size_t *n)
{
    if (i >= r->info.maps)
        return NULL;
    *pid = r->maps[i].pid;
    *n = r->maps[i].n;
    return r->maps[i].text;
}

/* ---- reading ---- */

static int failed(const struct mmu_trace_reader *r, struct mmu_error *err)
{
    if (err)
        *err = r->failure;
    return r->failure.code;
}

int64_t mmu_trace_read(struct mmu_trace_reader *r, struct mmu_access *to, size_t max, struct mmu_error *err)
{
    size_t got = 0;

    if (!max)
        return 0;
    r->limit = READER_MARKS;
    while (!got && !r->failure.code) {
        size_t before = r->queued;
        got = r->ops->read(r, to, max < INT64_MAX ? max : INT64_MAX);
        r->position += got;
        if (!got && !before && !r->queued)
            break;
        drop_marks(r, got ? r->position : UINT64_MAX);
    }
    return !got && r->failure.code ? failed(r, err) : (int64_t)got;
}

int64_t mmu_trace_read_marked(struct mmu_trace_reader *r, struct mmu_access *to, size_t max,
                              struct mmu_trace_mark *marks, size_t max_marks, size_t *n_marks,
                              struct mmu_error *err)
{
    size_t n, got = 0;

    REQUIRE(max && max_marks >= MMU_MARKS_LEAST);
    *n_marks = 0;
    if (r->restate && (*n_marks = restate(r, marks)))
        return 0;
    /* What mmu_trace_read() left here goes first; then limit keeps the queue within what the caller takes. */
    if (!r->queued && !r->failure.code) {
        r->limit = max_marks < READER_MARKS ? max_marks : READER_MARKS;
        got = r->ops->read(r, to, max < INT64_MAX ? max : INT64_MAX);
        r->position += got;
    }
    n = r->queued < max_marks ? r->queued : max_marks;
    take_marks(r, marks, n);
    *n_marks = n;
    return !got && !n && r->failure.code ? failed(r, err) : (int64_t)got;
}

/* Stretches in one of two forms, or marks. */
static int64_t read_stretch(struct mmu_trace_reader *r, size_t max, struct mmu_runs *runs,
                            struct mmu_executions *executions, struct mmu_trace_mark *marks, size_t max_marks,
                            size_t *n_marks, struct mmu_error *err)
{
    int64_t got = 0;
    size_t n;

    REQUIRE(max && max_marks >= MMU_MARKS_LEAST);
    *n_marks = 0;
    if (runs ? !r->ops->runs : !r->ops->executions)
        return MMU_ERR_UNSUPPORTED;
    if (r->restate && (*n_marks = restate(r, marks)))
        return 0;
    if (!r->queued && !r->failure.code) {
        r->limit = max_marks < READER_MARKS ? max_marks : READER_MARKS;
        got = runs ? r->ops->runs(r, max, runs) : r->ops->executions(r, max, executions);
        if (got < 0)
            return MMU_ERR_UNSUPPORTED;
        r->position += (uint64_t)got;
    }
    n = r->queued < max_marks ? r->queued : max_marks;
    take_marks(r, marks, n);
    *n_marks = n;
    return !got && !n && r->failure.code ? failed(r, err) : got;
}

int64_t mmu_trace_read_runs(struct mmu_trace_reader *r, size_t max, struct mmu_runs *runs,
                            struct mmu_trace_mark *marks, size_t max_marks, size_t *n_marks,
                            struct mmu_error *err)
{
    return read_stretch(r, max, runs, NULL, marks, max_marks, n_marks, err);
}

int64_t mmu_trace_read_executions(struct mmu_trace_reader *r, size_t max, struct mmu_executions *executions,
                                  struct mmu_trace_mark *marks, size_t max_marks, size_t *n_marks,
                                  struct mmu_error *err)
{
    return read_stretch(r, max, NULL, executions, marks, max_marks, n_marks, err);
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
            return err_at(err, MMU_ERR_RANGE, r->name, 0, 0,
                          "cannot go to reference %llu: the trace has %llu", (unsigned long long)n,
                          (unsigned long long)r->position);
    }
    return MMU_OK;
}

/* Goes to a place at or before reference n. */
static int go_near(struct mmu_trace_reader *r, uint64_t n, struct mmu_error *err)
{
    if (r->ops->jump && (!r->input || input_seekable(r->input))) {
        memset(&r->failure, 0, sizeof r->failure);
        r->queued = 0;
        return r->ops->jump(r, n, err);
    }
    /* Marks that stand at n and were delivered are to come again; in a pipe they cannot. */
    if (n > r->position || (n == r->position && !(r->gave_mark && r->last_mark == n)))
        return MMU_OK;
    if (n == r->position && r->input && !input_rewindable(r->input))
        return MMU_OK;
    if (r->input && !input_rewindable(r->input))
        return err_at(err, MMU_ERR_UNSUPPORTED, r->name, 0, 0, "cannot go back in a pipe");
    memset(&r->failure, 0, sizeof r->failure);
    memset(&r->here, 0, sizeof r->here);
    if (r->counting) {
        memset(r->info.marks, 0, sizeof r->info.marks);
        r->info.time_first = r->info.time_last = 0;
    }
    r->gave_mark = false;
    r->queued = 0;
    r->position = 0;
    return r->ops->rewind(r, err);
}

int mmu_trace_seek(struct mmu_trace_reader *r, uint64_t n, struct mmu_error *err)
{
    struct mmu_error why = {0};
    int code = go_near(r, n, &why);

    if (code && err)
        *err = why;
    if (code == MMU_ERR_UNSUPPORTED) /* nothing moved */
        return code;
    if (code) {
        /* Where the reader stands is unknown now; only another seek helps. */
        err_at(&r->failure, code, r->name, 0, 0, "the reader lost its place: a seek failed");
        return code;
    }
    r->restate = n > 0;
    return skip_to(r, n, err);
}

int mmu_trace_resume(struct mmu_trace_reader *r, uint64_t *n, struct mmu_error *err)
{
    int code = MMU_ERR_NOTFOUND;

    if (r->ops->resume && r->failure.code && input_seekable(r->input))
        code = r->ops->resume(r, err);
    if (code)
        return code;
    memset(&r->failure, 0, sizeof r->failure);
    r->queued = 0;
    r->restate = true;
    *n = r->position;
    return MMU_OK;
}

/* ---- parts ---- */

int mmu_trace_part_open(const struct mmu_trace_reader *r, struct mmu_trace_reader **out,
                        struct mmu_error *err)
{
    struct mmu_trace_reader *part;
    int code;

    if (!r->ops->parts || r->counting)
        return MMU_ERR_UNSUPPORTED;
    part = calloc(1, sizeof *part);
    if (!part || !(part->name = strdup(r->name))) {
        free(part);
        return err_at(err, MMU_ERR_NOMEM, r->name, 0, 0, "out of memory");
    }
    part->limit = READER_MARKS;
    part->info = r->info;
    part->info.maps = 0; /* they stay with the reader */
    part->ops = r->ops->parts;
    code = part->ops->open(part, err);
    if (code)
        mmu_trace_close(part);
    else
        *out = part;
    return code;
}

int mmu_trace_part_take(struct mmu_trace_reader *r, struct mmu_trace_reader *part, struct mmu_error *err)
{
    int code;

    REQUIRE(part->ops == r->ops->parts);
    if (r->failure.code)
        return failed(r, err);
    if (r->queued || r->restate)
        return MMU_ERR_UNSUPPORTED;
    memset(&part->failure, 0, sizeof part->failure);
    part->queued = 0;
    code = r->ops->take(r, part, &r->failure);
    return code < 0 && code != MMU_ERR_UNSUPPORTED ? failed(r, err) : code;
}

double mmu_trace_progress(const struct mmu_trace_reader *r)
{
    if (r->info.has_count)
        return r->info.count ? (double)r->position / (double)r->info.count : 1;
    if (r->ops->progress)
        return r->ops->progress(r);
    return r->input ? input_progress(r->input) : -1;
}

void mmu_trace_info(const struct mmu_trace_reader *r, struct mmu_trace_info *info)
{
    *info = r->info;
}
