/* trace_foreign.h: what the tests of other tools' formats share: a whole read with its marks, and what it is
 * compared with. */
#ifndef TESTS_TRACE_FOREIGN_H
#define TESTS_TRACE_FOREIGN_H

#include "trace_files.h"

/* A(va, size, kind[, .flags = ...]), a mark, an event's mark. */
#define A(va_, size_, ...)    ((struct mmu_access){.va = (va_), .size = (size_), .kind = __VA_ARGS__})
#define M(at_, kind_, value_) ((struct mmu_trace_mark){.at = (at_), .value = (value_), .kind = (kind_)})
#define E(at_, text_)         ((struct mmu_trace_mark){.at = (at_), .kind = MMU_MARK_EVENT, .text = text_})

/* A whole trace, and how it ended. */
struct whole {
    struct mmu_access *a;
    size_t n;
    struct mmu_trace_mark *marks;
    size_t n_marks;
    int code;
    struct mmu_error err;
    struct mmu_trace_info info;
};

static inline void whole_free(struct whole *w)
{
    free(w->a);
    free(w->marks);
}

/* Reads everything in steps of `step` with marks. Opening may fail too. */
static inline struct whole read_whole(const char *path, enum mmu_trace_format format, const char *columns,
                                      size_t step)
{
    const struct mmu_trace_options options = {.format = format, .columns = columns};
    struct mmu_trace_reader *r;
    struct whole w = {0};
    size_t room = 0, room_marks = 0, n_marks;
    int64_t got;

    w.code = mmu_trace_open_with(path, &options, &r, &w.err);
    if (w.code)
        return w;
    for (;;) {
        if (room - w.n < step)
            w.a = realloc(w.a, (room = room * 2 + step) * sizeof *w.a);
        if (room_marks - w.n_marks < MMU_MARKS_LEAST)
            w.marks = realloc(w.marks, (room_marks = room_marks * 2 + MMU_MARKS_LEAST) * sizeof *w.marks);
        assert_non_null(w.a);
        assert_non_null(w.marks);
        got =
            mmu_trace_read_marked(r, w.a + w.n, step, w.marks + w.n_marks, MMU_MARKS_LEAST, &n_marks, &w.err);
        if (got < 0 || (!got && !n_marks))
            break;
        assert_true(got <= (int64_t)step && n_marks <= MMU_MARKS_LEAST);
        for (size_t i = 0; i < n_marks; i++)
            assert_true(w.marks[w.n_marks + i].at >= w.n && w.marks[w.n_marks + i].at <= w.n + (size_t)got);
        w.n += (size_t)got;
        w.n_marks += n_marks;
    }
    w.code = (int)got;
    if (got < 0) /* a failure sticks */
        assert_int_equal(mmu_trace_read(r, w.a, 1, NULL), got);
    mmu_trace_info(r, &w.info);
    mmu_trace_close(r);
    return w;
}

static inline void assert_same_marks(const struct mmu_trace_mark *a, size_t n,
                                     const struct mmu_trace_mark *expected, size_t n_expected)
{
    for (size_t i = 0; i < n && i < n_expected; i++)
        if (a[i].at != expected[i].at || a[i].kind != expected[i].kind || a[i].value != expected[i].value ||
            strcmp(a[i].text, expected[i].text))
            fail_msg("mark %zu: at %llu kind %u value %llu '%s', expected at %llu kind %u value %llu '%s'", i,
                     (unsigned long long)a[i].at, a[i].kind, (unsigned long long)a[i].value, a[i].text,
                     (unsigned long long)expected[i].at, expected[i].kind,
                     (unsigned long long)expected[i].value, expected[i].text);
    assert_int_equal(n, n_expected);
}

/* The trace reads whole and without complaint as these references and marks, whatever the steps; it reads
 * again after a rewind; it is found by content if `found`. */
static inline void assert_whole(const char *path, enum mmu_trace_format format, const char *columns,
                                bool found, const struct mmu_access *a, size_t n,
                                const struct mmu_trace_mark *marks, size_t n_marks)
{
    static const size_t steps[] = {1, 2, 3, 1000};

    for (size_t i = 0; i < 2 * sizeof steps / sizeof *steps; i++) {
        struct whole w = read_whole(path, i % 2 && found ? MMU_TRACE_AUTO : format, columns, steps[i / 2]);

        if (w.code)
            fail_error(&w.err);
        assert_same(w.a, a, w.n < n ? w.n : n);
        assert_int_equal(w.n, n);
        assert_same_marks(w.marks, w.n_marks, marks, n_marks);
        assert_int_equal(w.info.format, format);
        for (uint64_t k = 0; k < MMU_KINDS; k++) {
            uint64_t of_kind = 0;
            for (size_t j = 0; j < n; j++)
                of_kind += MMU_KIND_OF(a[j].kind) == k;
            assert_int_equal(w.info.kinds[k], of_kind);
        }
        whole_free(&w);
    }
    /* Forwards and back. */
    if (n >= 2) {
        const struct mmu_trace_options options = {.format = format, .columns = columns};
        struct mmu_trace_reader *r;
        struct mmu_access last, first;

        assert_int_equal(mmu_trace_open_with(path, &options, &r, NULL), MMU_OK);
        assert_int_equal(mmu_trace_seek(r, n - 1, NULL), MMU_OK);
        assert_int_equal(mmu_trace_read(r, &last, 1, NULL), 1);
        assert_int_equal(mmu_trace_seek(r, 0, NULL), MMU_OK);
        assert_int_equal(mmu_trace_read(r, &first, 1, NULL), 1);
        assert_same(&last, a + n - 1, 1);
        assert_same(&first, a, 1);
        mmu_trace_close(r);
    }
}

/* The trace delivers n references and then this error, formatted, or its begin; the path in it is cut off. */
static inline void assert_ends_badly(const char *path, enum mmu_trace_format format, const char *columns,
                                     size_t n, int code, const char *message)
{
    struct whole w = read_whole(path, format, columns, 100);
    char line[1024], *text = line;

    mmu_error_format(&w.err, line, sizeof line);
    if (!strncmp(line, path, strlen(path)))
        text += strlen(path);
    if (strncmp(text, message, strlen(message)))
        fail_msg("got \"%s\", expected \"%s\"", text, message);
    assert_int_equal(w.code, code);
    assert_int_equal(w.err.code, code);
    assert_int_equal(w.n, n);
    whole_free(&w);
}

#endif
