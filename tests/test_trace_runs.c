/*
 * test_trace_runs.c: page runs stored in a trace: the heads that come out are those that the references make,
 * stretch by stretch; references come out as without; both ways mixed, after seeks; a trace's parts.
 */
#include "trace_files.h"

#include <mmusim/runs.h>

enum { STRETCH = 65536, BLOCK = 262144 };

/* References as programs make them: code and data that stay in a page for a while. */
static struct mmu_access *program(struct rng *r, size_t n)
{
    struct mmu_access *a = calloc(n + 1, sizeof *a);
    mmu_va code = 0x401000, data = 0x7fff0000;

    assert_non_null(a);
    for (size_t i = 0; i < n; i++) {
        unsigned what = rng_below(r, 100);
        if (what < 60) {
            unsigned size = 1 + rng_below(r, 8);
            code = rng_below(r, 50) ? code : 0x401000 + rng_below(r, 1 << 20);
            a[i] = (struct mmu_access){.va = code, .size = (uint16_t)size, .kind = MMU_FETCH};
            code += size;
            continue;
        }
        data = rng_below(r, 8) ? (data & ~UINT64_C(4095)) + rng_below(r, 4096) : rng_next(r) >> 20;
        a[i] = (struct mmu_access){.va = data, .size = 8, .kind = what < 85 ? MMU_LOAD : MMU_STORE};
        if (rng_below(r, 1000) == 0)
            a[i].kind = MMU_KIND_PRIV(MMU_LOAD, MMU_SUPERVISOR);
        if (rng_below(r, 300) == 0) {
            a[i].flags = MMU_AF_GAP;
            a[i].gap = (uint32_t)rng_next(r);
        }
        if (a[i].kind == MMU_STORE && i && a[i - 1].kind == MMU_LOAD && rng_below(r, 2)) {
            a[i] = a[i - 1];
            a[i].kind = MMU_STORE;
            a[i].flags = MMU_AF_FOLLOWS;
            a[i].gap = 0;
        }
    }
    return a;
}

/* Marks at these places, ascending. */
static void write_runs(const char *path, const struct mmu_access *a, size_t n, const uint64_t *marks,
                       size_t n_marks)
{
    const struct mmu_trace_write_options options = {
        .source = "runs", .level = 1, .collapse = mmu_runs_collapse};
    struct mmu_trace_writer *w;
    struct mmu_error err;
    uint64_t at = 0;

    if (mmu_trace_create_with(path, &options, &w, &err))
        fail_error(&err);
    for (size_t i = 0; i < n_marks; i++) {
        const struct mmu_trace_mark mark = {.kind = MMU_MARK_CPU, .value = i};
        if (mmu_trace_write(w, a + at, marks[i] - at, &err) || mmu_trace_mark(w, &mark, &err))
            fail_error(&err);
        at = marks[i];
    }
    if (mmu_trace_write(w, a + at, n - at, &err) || mmu_trace_finish(w, &err))
        fail_error(&err);
}

/* What the next call gives is a stretch of a from `at` on, or marks; returns how many references. */
static int64_t check_stretch(struct mmu_trace_reader *reader, const struct mmu_access *a, uint64_t at,
                             size_t max, bool expand, size_t *n_marks)
{
    static struct mmu_head heads[STRETCH];
    struct mmu_trace_mark marks[MMU_MARKS_LEAST];
    const struct mmu_access *references;
    struct mmu_runs runs;
    struct mmu_error err;
    int64_t n = mmu_trace_read_runs(reader, max, &runs, marks, MMU_MARKS_LEAST, n_marks, &err);
    size_t expected;

    if (n == MMU_ERR_UNSUPPORTED)
        return n;
    if (n < 0)
        fail_error(&err);
    assert_true(n <= STRETCH && (size_t)n <= max && (!n || !*n_marks));
    for (size_t i = 0; i < *n_marks; i++)
        assert_int_equal(marks[i].at, at);
    if (!n)
        return 0;
    assert_null(runs.references);
    expected = mmu_runs_collapse(a + at, (size_t)n, heads);
    assert_int_equal(runs.n_heads, expected);
    assert_memory_equal(runs.heads, heads, expected * sizeof *heads);
    for (int twice = 0; expand && twice < 2; twice++) {
        assert_int_equal(runs.expand(runs.ctx, &references), MMU_OK);
        assert_same(references, a + at, (size_t)n);
    }
    return n;
}

static struct mmu_trace_reader *open_trace(const char *path)
{
    struct mmu_trace_reader *reader;
    struct mmu_error err;

    if (mmu_trace_open(path, MMU_TRACE_AUTO, &reader, &err))
        fail_error(&err);
    return reader;
}

static void all_as_runs(void **state)
{
    static const size_t lengths[] = {1, 2, 255, 256, 257, STRETCH - 1, STRETCH, STRETCH + 1, 2 * BLOCK + 3};
    struct rng r;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t n = lengths[i];
        for (int wild = 0; wild < 2; wild++) {
            struct mmu_access *a = wild ? random_accesses(&r, true, n) : program(&r, n);
            uint64_t marks[] = {0, n / 3, n / 3, n / 2, n};
            write_runs(in_scratch("a"), a, n, marks, wild ? 5 : 0);
            assert_trace(in_scratch("a"), 1000, a, n);
            for (int expand = 0; expand < 3; expand++) { /* none, all, some */
                struct mmu_trace_reader *reader = open_trace(in_scratch("a"));
                uint64_t at = 0;
                size_t n_marks, all_marks = 0;
                int64_t now;
                do {
                    now = check_stretch(reader, a, at, STRETCH,
                                        expand == 2 ? rng_below(&r, 2) != 0 : expand == 1, &n_marks);
                    assert_true(now >= 0);
                    at += (uint64_t)now;
                    all_marks += n_marks;
                } while (now || n_marks);
                assert_int_equal(at, n);
                assert_int_equal(all_marks, wild ? 5 : 0);
                mmu_trace_close(reader);
            }
            free(a);
        }
    }
}

/* Stretches and references in turn, of any lengths, and seeks in between. */
static void both_ways_mixed(void **state)
{
    struct rng r;
    size_t n = 2 * BLOCK + 50000;
    uint64_t marks[300];
    struct mmu_access *a, *to = calloc(STRETCH, sizeof *to);
    struct mmu_trace_reader *reader;
    unsigned stretches = 0, refused = 0;
    (void)state;
    assert_non_null(to);
    rng_seed(&r, test_seed(), 0);
    a = program(&r, n);
    for (size_t i = 0; i < 300; i++)
        marks[i] = i * n / 300;
    write_runs(in_scratch("a"), a, n, marks, 300);
    reader = open_trace(in_scratch("a"));
    for (int round = 0; round < 60; round++) {
        uint64_t at = rng_below(&r, 3) ? rng_below(&r, (uint32_t)n) : marks[rng_below(&r, 300)];
        struct mmu_trace_mark mark[MMU_MARKS_LEAST];
        size_t n_marks;
        assert_int_equal(mmu_trace_seek(reader, at, NULL), MMU_OK);
        for (int step = 0; step < 30; step++) {
            size_t max = 1 + rng_below(&r, rng_below(&r, 2) ? 5000 : STRETCH);
            int64_t now = check_stretch(reader, a, at, max, rng_below(&r, 4) == 0, &n_marks);
            refused += now == MMU_ERR_UNSUPPORTED;
            stretches += now > 0;
            if (now < 0) {
                now = mmu_trace_read_marked(reader, to, max, mark, MMU_MARKS_LEAST, &n_marks, NULL);
                assert_true(now >= 0);
                assert_same(to, a + at, (size_t)now);
            }
            at += (uint64_t)now;
            if (!now && !n_marks) {
                assert_int_equal(at, n);
                break;
            }
        }
    }
    mmu_trace_close(reader);
    print_message("%u stretches, %u refused\n", stretches, refused);
    assert_true(stretches > 100 && refused > 100);
    free(to);
    free(a);
}

/* A trace without them refuses, and goes on. */
static void no_runs_stored(void **state)
{
    struct rng r;
    struct mmu_access *a, to[10];
    struct mmu_trace_mark marks[MMU_MARKS_LEAST];
    struct mmu_runs runs;
    size_t n_marks;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    a = random_accesses(&r, true, 100);
    for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
        struct mmu_trace_reader *reader;
        write_trace(in_scratch("a"), format, a, 100);
        reader = open_trace(in_scratch("a"));
        for (int i = 0; i < 10; i++) {
            assert_int_equal(
                mmu_trace_read_runs(reader, STRETCH, &runs, marks, MMU_MARKS_LEAST, &n_marks, NULL),
                MMU_ERR_UNSUPPORTED);
            assert_int_equal(mmu_trace_read(reader, to, 10, NULL), 10);
            assert_same(to, a + 10 * i, 10);
        }
        mmu_trace_close(reader);
    }
    free(a);
}

static void the_header_counts_heads(void **state)
{
    struct rng r;
    struct mmu_access *a;
    struct mmu_head *heads = calloc(1000, sizeof *heads);
    struct mmu_trace_reader *reader;
    struct mmu_trace_info info;
    (void)state;
    assert_non_null(heads);
    rng_seed(&r, test_seed(), 0);
    a = program(&r, 1000);
    write_runs(in_scratch("a"), a, 1000, NULL, 0);
    reader = open_trace(in_scratch("a"));
    mmu_trace_info(reader, &info);
    assert_int_equal(info.heads, mmu_runs_collapse(a, 1000, heads));
    assert_int_equal(info.checksum, mmu_trace_checksum(0, a, 1000));
    mmu_trace_close(reader);
    free(heads);
    free(a);
}

/* ---- parts ---- */

/* What a part delivers, as page runs or not, is a[] from number at on; returns how many, or the failure. */
static int64_t read_part(struct mmu_trace_reader *part, struct rng *r, const struct mmu_access *a,
                         uint64_t at, size_t *all_marks)
{
    struct mmu_access to[1000];
    struct mmu_trace_mark marks[MMU_MARKS_LEAST];
    uint64_t begin = at;
    size_t n_marks;
    int64_t now;

    do {
        now = rng_below(r, 2) ? check_stretch(part, a, at, STRETCH, rng_below(r, 2) != 0, &n_marks)
                              : MMU_ERR_UNSUPPORTED;
        if (now == MMU_ERR_UNSUPPORTED) {
            now = mmu_trace_read_marked(part, to, 1 + rng_below(r, 1000), marks, MMU_MARKS_LEAST, &n_marks,
                                        NULL);
            if (now < 0)
                return now;
            assert_same(to, a + at, (size_t)now);
            for (size_t i = 0; i < n_marks; i++)
                assert_true(marks[i].at >= at && marks[i].at <= at + (uint64_t)now);
        }
        at += (uint64_t)now;
        *all_marks += n_marks;
    } while (now || n_marks);
    return (int64_t)(at - begin);
}

/* All parts, held at once and read in any order, are the trace. */
static void parts_are_the_trace(void **state)
{
    enum { PARTS = 8, MARKS = 300 };
    struct rng r;
    size_t n = 3 * BLOCK + 50000, parts = 0, all_marks = 0;
    struct mmu_trace_reader *reader, *part[PARTS];
    uint64_t marks[MARKS], first[PARTS], next = 0;
    struct mmu_trace_info info;
    struct mmu_access one, *a;
    struct mmu_error err;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    a = program(&r, n);
    for (size_t i = 0; i < MARKS; i++)
        marks[i] = i * n / (MARKS - 1);
    write_runs(in_scratch("a"), a, n, marks, MARKS);
    reader = open_trace(in_scratch("a"));
    for (bool more = true; more; parts += more) {
        assert_true(parts < PARTS);
        assert_int_equal(mmu_trace_part_open(reader, &part[parts], &err), MMU_OK);
        assert_int_equal(mmu_trace_read(part[parts], &one, 1, &err), 0); /* nothing is in it yet */
        more = mmu_trace_part_take(reader, part[parts], &err) == 1;
    }
    assert_true(parts >= 3);
    for (size_t i = 0; i < parts; i++) { /* a part's first number is told by its first mark or reference */
        mmu_trace_info(part[i], &info);
        assert_int_equal(info.count, n);
        first[i] = next = (uint64_t)(mmu_trace_progress(part[i]) * (double)n + 0.5);
    }
    mmu_trace_close(reader); /* the parts live on */
    for (size_t i = parts; i-- > 0;) {
        int64_t got = read_part(part[i], &r, a, first[i], &all_marks);
        assert_int_equal(got, (i + 1 < parts ? first[i + 1] : n) - first[i]);
        assert_int_equal(mmu_trace_seek(part[i], 0, &err), MMU_ERR_UNSUPPORTED);
    }
    assert_int_equal(all_marks, MARKS);
    for (size_t i = 0; i <= parts; i++)
        mmu_trace_close(part[i]);
    assert_int_equal(first[0], 0);
    assert_true(next < n);
    free(a);
}

/* None where there are none to be had, and none from inside one. */
static void parts_that_are_none(void **state)
{
    struct rng r;
    struct mmu_trace_reader *reader, *part;
    struct mmu_access *a, to[100];
    struct mmu_error err;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    a = random_accesses(&r, true, 100);
    write_trace(in_scratch("a"), MMU_TRACE_TEXT, a, 100);
    reader = open_trace(in_scratch("a"));
    assert_int_equal(mmu_trace_part_open(reader, &part, &err), MMU_ERR_UNSUPPORTED);
    mmu_trace_close(reader);
    write_trace(in_scratch("a"), MMU_TRACE_BINARY, a, 100);
    reader = open_trace(in_scratch("a"));
    assert_int_equal(mmu_trace_part_open(reader, &part, &err), MMU_OK);
    assert_int_equal(mmu_trace_read(reader, to, 40, &err), 40);
    assert_int_equal(mmu_trace_part_take(reader, part, &err), MMU_ERR_UNSUPPORTED);
    assert_int_equal(mmu_trace_read(reader, to, 100, &err), 60); /* nothing was lost */
    assert_same(to, a + 40, 60);
    assert_int_equal(mmu_trace_part_take(reader, part, &err), 0);
    assert_int_equal(mmu_trace_seek(reader, 0, &err), MMU_OK);
    assert_int_equal(mmu_trace_part_take(reader, part, &err), 1);
    assert_int_equal(mmu_trace_read(part, to, 100, &err), 100);
    assert_same(to, a, 100);
    assert_int_equal(mmu_trace_part_take(reader, part, &err), 0);
    mmu_trace_close(part);
    mmu_trace_close(reader);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_as_runs),         cmocka_unit_test(both_ways_mixed),
        cmocka_unit_test(no_runs_stored),      cmocka_unit_test(the_header_counts_heads),
        cmocka_unit_test(parts_are_the_trace), cmocka_unit_test(parts_that_are_none),
    };
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
