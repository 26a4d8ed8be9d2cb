/*
 * writer.c: one writer for all formats: refuses impossible references, counts, sums, and leaves a complete
 * file or none.
 */
#include "writer.h"

#include "bits.h"
#include "error.h"
#include "format.h"
#include "hash.h"
#include "info.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct writer_ops *const formats[MMU_TRACE_FORMATS] = {
    [MMU_TRACE_TEXT] = &text_writer_ops,
    [MMU_TRACE_BINARY] = &binary_writer_ops,
};

uint64_t mmu_trace_checksum(uint64_t before, const struct mmu_access *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t gap = a[i].flags & MMU_AF_GAP ? a[i].gap : 0;
        before = hash_round(before, a[i].va);
        before = hash_round(before, gap | (uint64_t)a[i].size << 32 | (uint64_t)a[i].kind << 48 |
                                        (uint64_t)a[i].flags << 56);
    }
    return before;
}

uint64_t mmu_trace_checksum_marks(uint64_t before, const struct mmu_trace_mark *marks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct mmu_trace_mark *m = &marks[i];
        size_t length = m->kind == MMU_MARK_EVENT ? strnlen(m->text, MMU_MARK_TEXT) : 0;
        before = hash_round(before, m->at);
        before = hash_round(before, m->value);
        before = hash_round(before, m->kind);
        for (size_t at = 0; at < length; at += 8) {
            uint64_t word = 0;
            memcpy(&word, m->text + at, length - at < 8 ? length - at : 8);
            before = hash_round(before, word);
        }
    }
    return before;
}

/* What is wrong with a reference; NULL: nothing. */
static const char *fault_of(const struct mmu_access *a)
{
    if (MMU_KIND_OF(a->kind) >= MMU_KINDS)
        return "its kind is none";
    if (MMU_PRIV_OF(a->kind) >= MMU_PRIVS)
        return "its privilege is none";
    if (a->kind == MMU_KIND_PRIV(MMU_FETCH, MMU_IMPLICIT))
        return "an implicit supervisor access is never a fetch";
    if (a->flags & ~(MMU_AF_FOLLOWS | MMU_AF_GAP))
        return "its flags are unknown";
    if (a->size == 0 || a->size > TEXT_SIZE_MAX)
        return "its size is not 1 to 4096";
    if (a->va + (a->size - 1u) < a->va)
        return "it ends beyond 2^64";
    return NULL;
}

/* One line of at most MMT_SOURCE_MAX bytes. */
static void set_source(struct mmu_trace_info *info, const char *source)
{
    size_t n = source ? strlen(source) : 0;

    n = n < MMT_SOURCE_MAX ? n : MMT_SOURCE_MAX;
    for (size_t i = 0; i < n; i++)
        info->source[i] = (unsigned char)source[i] < ' ' ? ' ' : source[i];
}

int mmu_trace_create(const char *path, enum mmu_trace_format format, const char *source,
                     struct mmu_trace_writer **out, struct mmu_error *err)
{
    return mmu_trace_create_with(path, &(struct mmu_trace_write_options){.format = format, .source = source},
                                 out, err);
}

int mmu_trace_create_with(const char *path, const struct mmu_trace_write_options *options,
                          struct mmu_trace_writer **out, struct mmu_error *err)
{
    struct mmu_trace_writer *w;
    enum mmu_trace_format format = options ? options->format : MMU_TRACE_AUTO;
    int code;

    if (format == MMU_TRACE_AUTO)
        format = MMU_TRACE_BINARY;
    if ((unsigned)format >= MMU_TRACE_FORMATS)
        return err_at(err, MMU_ERR_INVALID, path, 0, 0, "%d is no format", (int)format);
    if (options && (options->level < WRITER_LEVEL_LEAST || options->level > WRITER_LEVEL_MOST))
        return err_at(err, MMU_ERR_INVALID, path, 0, 0, "level %d, expected %d to %d", options->level,
                      WRITER_LEVEL_LEAST, WRITER_LEVEL_MOST);
    if (!formats[format])
        return err_at(err, MMU_ERR_UNSUPPORTED, path, 0, 0,
                      "the format %s is not written, expected text or binary",
                      mmu_trace_format_name((int)format));
    w = calloc(1, sizeof *w);
    if (!w)
        return err_at(err, MMU_ERR_NOMEM, path, 0, 0, "out of memory");
    w->info.format = format;
    w->info.has_count = true;
    w->level = options && options->level ? options->level : WRITER_LEVEL;
    w->collapse = options ? options->collapse : NULL;
    w->unsummed = options && options->unsummed;
    w->threaded = options && options->threaded;
    set_source(&w->info, options ? options->source : NULL);
    code = output_create(&w->output, path, err);
    if (!code) {
        w->ops = formats[format];
        code = w->ops->create(w, err);
    }
    if (code) {
        mmu_trace_abort(w);
        return code;
    }
    *out = w;
    return MMU_OK;
}

int mmu_trace_write(struct mmu_trace_writer *w, const struct mmu_access *from, size_t n,
                    struct mmu_error *err)
{
    int code = w->failure.code;

    for (size_t i = 0; !code && i < n; i++) {
        const char *fault = fault_of(from + i);
        if (fault)
            code = err_at(&w->failure, MMU_ERR_INVALID, output_name(w->output), 0, 0,
                          "reference %" PRIu64 " cannot be written: %s", w->info.count + i, fault);
    }
    if (!code)
        code = w->ops->write(w, from, n, &w->failure);
    if (code) {
        if (err)
            *err = w->failure;
        return code;
    }
    for (size_t i = 0; i < n; i++)
        w->info.kinds[MMU_KIND_OF(from[i].kind)]++;
    w->info.count += n;
    if (!w->unsummed)
        w->info.checksum = mmu_trace_checksum(w->info.checksum, from, n);
    return MMU_OK;
}

/* What is wrong with a mark; NULL: nothing. */
static const char *fault_of_mark(const struct mmu_trace_mark *m)
{
    size_t n = strnlen(m->text, MMU_MARK_TEXT);

    if (m->kind >= MMU_MARK_KINDS)
        return "its kind is none";
    if (m->kind != MMU_MARK_EVENT)
        return NULL;
    if (n == MMU_MARK_TEXT)
        return "its text is too long";
    if (!n || m->text[0] == ' ' || m->text[n - 1] == ' ')
        return "its text is empty, or begins or ends with a blank";
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)m->text[i] < ' ' || m->text[i] == 127)
            return "its text has control characters";
    return NULL;
}

int mmu_trace_mark(struct mmu_trace_writer *w, const struct mmu_trace_mark *mark, struct mmu_error *err)
{
    struct mmu_trace_mark m = {.at = w->info.count, .value = mark->value, .kind = mark->kind};
    const char *fault = fault_of_mark(mark);
    int code = w->failure.code;

    if (!code && fault)
        code = err_at(&w->failure, MMU_ERR_INVALID, output_name(w->output), 0, 0,
                      "the mark at reference %" PRIu64 " cannot be written: %s", w->info.count, fault);
    if (!code && m.kind == MMU_MARK_EVENT) {
        m.value = 0;
        strcpy(m.text, mark->text);
    }
    if (!code)
        code = w->ops->mark(w, &m, &w->failure);
    if (code) {
        if (err)
            *err = w->failure;
        return code;
    }
    info_count_mark(&w->info, &m);
    w->info.marks_checksum = mmu_trace_checksum_marks(w->info.marks_checksum, &m, 1);
    return MMU_OK;
}

/* Lines of text, all ended. NULL: they are, else what is wrong. */
static const char *fault_of_maps(const char *text, size_t n)
{
    if (n > WRITER_MAPS_MAX)
        return "they are longer than 16 MiB";
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\n' && text[i] != '\t') || text[i] == 127)
            return "they have control characters";
    return n && text[n - 1] != '\n' ? "their last line has no end" : NULL;
}

int mmu_trace_set_maps(struct mmu_trace_writer *w, uint64_t pid, const char *text, size_t n,
                       struct mmu_error *err)
{
    const char *fault = fault_of_maps(text, n);
    int code = w->failure.code;

    if (!code && fault)
        code = err_at(&w->failure, MMU_ERR_INVALID, output_name(w->output), 0, 0,
                      "the maps of process %" PRIu64 " cannot be written: %s", pid, fault);
    if (!code)
        code = w->ops->maps(w, pid, text, n, &w->failure);
    if (code && err)
        *err = w->failure;
    return code;
}

/* Frees the writer, but for its output, which nothing writes to any more. */
static struct output *release(struct mmu_trace_writer *w)
{
    struct output *output = w->output;

    if (w->ops)
        w->ops->free(w);
    for (uint32_t i = 0; i < w->codes; i++)
        code_free(w->code[i]);
    free(w->code);
    free(w);
    return output;
}

int mmu_trace_finish(struct mmu_trace_writer *w, struct mmu_error *err)
{
    struct output *output;
    int code = w->failure.code;

    if (code && err)
        *err = w->failure;
    code_count(w);
    if (!code)
        code = w->ops->finish(w, err);
    output = release(w);
    if (!code)
        return output_finish(output, err);
    output_abort(output);
    return code;
}

void mmu_trace_abort(struct mmu_trace_writer *w)
{
    if (w)
        output_abort(release(w));
}
