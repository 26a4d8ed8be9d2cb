/*
 * drmemtrace_reader.c: DynamoRIO's traces as a trace: one file, or a folder of one file a thread, whose files
 * are interleaved by their timestamps.
 *
 * The order is that of DynamoRIO's own readers: at each timestamp the file with the smallest one goes on, the
 * first file of equals. DynamoRIO takes files in the order of the directory, this in that of their names. A
 * folder is the one that drmemtrace -offline makes, with its final files in trace/, or that one itself, or
 * one of the Google workload traces. Files that are not traces (schedules, module lists, branch traces,
 * statistics) are passed over; a file that is called a trace and is none is an error.
 */
#include "drmemtrace.h"

#include "bits.h"
#include "error.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One file of a trace. path: NULL: r->input, which is not ours. */
struct part {
    char *path;
    struct drm_stream *stream; /* NULL: at its end */
};

/* parts[0..n). now: the part that goes on; n: to be chosen. */
struct drm {
    struct part *parts;
    size_t n, now;
    bool resuming;  /* parts[now] has still to say whose references follow */
    uint64_t base;  /* the earliest first timestamp */
    uint64_t until; /* as long as its timestamps are not later, it goes on */
};

/* ---- folders ---- */

/* Its name says that it is a trace, as drmemtrace and the Google workload traces name theirs. */
static bool is_named_trace(const char *name)
{
    return strstr(name, ".trace.") || strstr(name, ".memtrace.");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static char *join(const char *folder, const char *name)
{
    char *path = malloc(strlen(folder) + strlen(name) + 2);

    if (path)
        sprintf(path, "%s/%s", folder, name);
    return path;
}

static bool is_a(const char *folder, const char *name, mode_t type)
{
    struct stat st;
    char *path = join(folder, name);
    bool is = path && !stat(path, &st) && (st.st_mode & S_IFMT) == type;

    free(path);
    return is;
}

/* Does the file begin as one of ours? */
static bool begins_well(const char *folder, const char *name)
{
    char *path = is_a(folder, name, S_IFREG) ? join(folder, name) : NULL;
    struct input *in = NULL;
    const unsigned char *head;
    bool well = false;

    if (path && !input_open(&in, path, reader_is_native, NULL)) {
        size_t n = input_head(in, &head);
        well = drm_is(head, n);
    }
    input_close(in);
    free(path);
    return well;
}

static bool drm_folder(const char *path)
{
    struct dirent **names;
    int n;
    bool found = is_a(path, "trace", S_IFDIR) || is_a(path, "raw", S_IFDIR);

    if (found || (n = scandir(path, &names, is_visible, by_name)) < 0)
        return found;
    for (int i = 0; i < n; i++) {
        found = found || is_named_trace(names[i]->d_name) || begins_well(path, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return found;
}

/* Appends the file if it is a trace. */
static int add_file(struct mmu_trace_reader *r, struct drm *d, const char *folder, const char *name,
                    struct mmu_error *err)
{
    struct part *grown;
    char *path;

    if (!is_a(folder, name, S_IFREG) || (!is_named_trace(name) && !begins_well(folder, name)))
        return MMU_OK;
    grown = realloc(d->parts, (d->n + 1) * sizeof *grown);
    path = join(folder, name);
    if (grown)
        d->parts = grown;
    if (!grown || !path) {
        free(path);
        return err_at(err, MMU_ERR_NOMEM, r->name, 0, 0, "out of memory");
    }
    d->parts[d->n++] = (struct part){.path = path};
    return MMU_OK;
}

/* What a folder without traces may be. windows: it has what -split_windows makes. */
static int no_trace(const struct mmu_trace_reader *r, bool windows, struct mmu_error *err)
{
    return err_at(
        err, MMU_ERR_FORMAT, r->name, 0, 0,
        windows
            ? "holds a folder for each window that was traced, expected one of them: .../trace/window.0000"
        : is_a(r->name, "raw", S_IFDIR)
            ? "holds only what DynamoRIO's tracer wrote, expected its final form: once run drrun -t "
              "drmemtrace -indir on it"
            : "no file of DynamoRIO's traces in the folder");
}

static int list_folder(struct mmu_trace_reader *r, struct drm *d, struct mmu_error *err)
{
    char *inner = is_a(r->name, "trace", S_IFDIR) ? join(r->name, "trace") : strdup(r->name);
    struct dirent **names = NULL;
    int n = inner ? scandir(inner, &names, is_visible, by_name) : -1, code = MMU_OK;
    bool windows = false;

    if (n < 0)
        code = err_at(err, MMU_ERR_IO, r->name, 0, 0, "cannot list the folder");
    for (int i = 0; i < n; i++) {
        if (!code)
            code = add_file(r, d, inner, names[i]->d_name, err);
        windows |= !strncmp(names[i]->d_name, "window.", 7) && is_a(inner, names[i]->d_name, S_IFDIR);
        free(names[i]);
    }
    free(names);
    free(inner);
    if (!code && !d->n)
        code = no_trace(r, windows, err);
    return code;
}

/* ---- parts ---- */

static void close_part(struct part *p)
{
    if (p->stream && p->path)
        input_close(p->stream->input);
    free(p->stream);
    p->stream = NULL;
}

static int open_part(struct mmu_trace_reader *r, struct part *p, struct drm_header *header,
                     struct mmu_error *err)
{
    struct input *in = r->input;
    int code = p->path ? input_open(&in, p->path, reader_is_native, err) : MMU_OK;

    if (code)
        return code;
    input_join(in); /* a zip archive holds one file a chunk */
    p->stream = malloc(sizeof *p->stream);
    if (!p->stream) {
        if (p->path)
            input_close(in);
        return err_at(err, MMU_ERR_NOMEM, r->name, 0, 0, "out of memory");
    }
    drm_start(p->stream, in);
    return drm_look(p->stream, header, err);
}

static void describe(struct mmu_trace_reader *r, const struct drm *d, const struct drm_header *h)
{
    static const struct {
        unsigned bit;
        const char *name;
    } archs[] = {{DRM_ARCH_X86_64, ", x86-64"},
                 {DRM_ARCH_X86, ", i386"},
                 {DRM_ARCH_AARCH64, ", AArch64"},
                 {DRM_ARCH_ARM, ", ARM"}};
    const char *arch = "";
    char files[32] = "";

    for (size_t i = COUNT_OF(archs); i-- > 0;)
        if (h->filetype & archs[i].bit)
            arch = archs[i].name;
    if (d->n > 1)
        snprintf(files, sizeof files, ", %zu files", d->n);
    snprintf(r->info.source, sizeof r->info.source, "DynamoRIO drmemtrace, version %" PRIu64 "%s%s%s",
             h->version, arch, h->filetype & DRM_FILTERED ? ", filtered" : "", files);
}

/* Opens all parts at their first entries. */
static int begin(struct mmu_trace_reader *r, struct drm *d, struct mmu_error *err)
{
    struct drm_header header = {0};
    bool has_base = false;

    d->base = 0;
    for (size_t i = 0; i < d->n; i++) {
        struct part *p = &d->parts[i];
        int code;
        close_part(p);
        if ((code = open_part(r, p, &header, err)))
            return code;
        if (p->stream->has_time && (!has_base || p->stream->time < d->base)) {
            d->base = p->stream->time;
            has_base = true;
        }
    }
    d->now = d->n;
    describe(r, d, &header);
    return MMU_OK;
}

/* Chooses the part with the smallest timestamp. Returns false when all are at their ends. */
static bool choose(struct drm *d)
{
    size_t best = d->n;

    for (size_t i = 0; i < d->n; i++)
        if (d->parts[i].stream && (best == d->n || d->parts[i].stream->time < d->parts[best].stream->time))
            best = i;
    d->now = best;
    d->resuming = true;
    d->until = UINT64_MAX;
    for (size_t i = 0; i < d->n; i++) {
        uint64_t time = d->parts[i].stream ? d->parts[i].stream->time : UINT64_MAX;
        /* Of equal times the first file's goes first. */
        if (i == best || !d->parts[i].stream)
            continue;
        time -= i < best && time > 0;
        d->until = time < d->until ? time : d->until;
    }
    return best < d->n;
}

/* ---- the reader ---- */

static int drm_open(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct drm *d = r->state = calloc(1, sizeof *d);
    int code = MMU_OK;

    if (d && r->input && (d->parts = calloc(1, sizeof *d->parts)))
        d->n = 1;
    if (!d || (r->input && !d->n))
        return err_at(err, MMU_ERR_NOMEM, r->name, 0, 0, "out of memory");
    if (!r->input)
        code = list_folder(r, d, err);
    return code ? code : begin(r, d, err);
}

static void drm_close(struct mmu_trace_reader *r)
{
    struct drm *d = r->state;

    for (size_t i = 0; d && i < d->n; i++) {
        close_part(&d->parts[i]);
        free(d->parts[i].path);
    }
    if (d)
        free(d->parts);
    free(d);
}

static size_t drm_read_all(struct mmu_trace_reader *r, struct mmu_access *to, size_t max)
{
    struct drm *d = r->state;
    enum drm_stop stop;
    size_t got = 0;

    while (got < max && (d->now < d->n || choose(d))) {
        struct part *p = &d->parts[d->now];
        if (d->resuming) {
            if (reader_full(r))
                break;
            drm_resume(r, p->stream, got, d->base);
            d->resuming = false;
        }
        got += drm_read(r, p->stream, to + got, max - got, got, d->base, d->until, &stop);
        if (stop == DRM_ROOM || r->failure.code)
            break;
        if (stop == DRM_END)
            close_part(p);
        d->now = d->n;
    }
    return got;
}

static int drm_rewind(struct mmu_trace_reader *r, struct mmu_error *err)
{
    int code = r->input ? input_rewind(r->input, err) : MMU_OK;

    if (code)
        return code;
    memset(r->info.kinds, 0, sizeof r->info.kinds);
    r->info.skipped = 0;
    return begin(r, r->state, err);
}

/* Of a folder: the mean over its files. */
static double drm_progress(const struct mmu_trace_reader *r)
{
    const struct drm *d = r->state;
    double sum = 0;

    if (r->input)
        return input_progress(r->input);
    for (size_t i = 0; i < d->n; i++)
        sum += d->parts[i].stream ? input_progress(d->parts[i].stream->input) : 1;
    return sum / (double)d->n;
}

static unsigned drm_sniff(const unsigned char *head, size_t n, const char *name)
{
    (void)name;
    /* A second entry that belongs behind a header. */
    if (!drm_is(head, n))
        return SNIFF_NO;
    return n < 2 * DRM_ENTRY || drm_is_narrow(head, n) ||
                   (head[DRM_ENTRY] < DRM_TYPES && !head[DRM_ENTRY + 1])
               ? SNIFF_CERTAIN
               : SNIFF_LIKELY;
}

const struct reader_ops drmemtrace_reader_ops = {.sniff = drm_sniff,
                                                 .folder = drm_folder,
                                                 .open = drm_open,
                                                 .close = drm_close,
                                                 .read = drm_read_all,
                                                 .rewind = drm_rewind,
                                                 .progress = drm_progress};
