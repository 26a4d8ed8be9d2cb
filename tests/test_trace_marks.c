/*
 * test_trace_marks.c: marks between references and the maps of processes: both forms, any number of marks
 * anywhere, seeking and skipping with the right process, thread, cpu and time, what cannot be a mark.
 */
#include "bytes.h"
#include "format.h"
#include "trace_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>

/* A trace to be: references, and marks with their places. */
struct content {
    struct mmu_access *a;
    struct mmu_trace_mark *m;
    size_t n, marks;
};

static void free_content(struct content *c)
{
    free(c->a);
    free(c->m);
}

static struct mmu_trace_mark random_mark(struct rng *r, uint64_t at)
{
    struct mmu_trace_mark m = {.at = at, .kind = rng_below(r, MMU_MARK_KINDS)};
    size_t n = 1 + (rng_below(r, 8) ? rng_below(r, 20) : rng_below(r, MMU_MARK_TEXT - 1));

    m.value = rng_next(r) >> rng_below(r, 64);
    if (m.kind != MMU_MARK_EVENT)
        return m;
    m.value = 0;
    for (size_t i = 0; i < n; i++) {
        m.text[i] = (char)(32 + rng_below(r, 95));
        if (rng_below(r, 20) == 0)
            m.text[i] = (char)(0xc0 + rng_below(r, 32));
    }
    m.text[0] = m.text[n - 1] = 'e';
    return m;
}

/* n references; a mark before one in `rare` of them, sometimes many of them. */
static struct content random_content(struct rng *r, size_t n, uint32_t rare)
{
    struct content c = {.a = random_accesses(r, true, n), .n = n};
    size_t room = 0;

    for (size_t i = 0; i <= n; i++) {
        size_t here = rng_below(r, rare) ? 0 : 1 + (rng_below(r, 10) ? 0 : rng_below(r, 300));
        for (; here; here--) {
            if (c.marks == room) {
                room = room * 2 + 100;
                c.m = realloc(c.m, room * sizeof *c.m);
                assert_non_null(c.m);
            }
            c.m[c.marks++] = random_mark(r, i);
        }
    }
    return c;
}

static void write_content(const char *path, enum mmu_trace_format format, const struct content *c)
{
    struct mmu_trace_writer *w;
    struct mmu_error err;
    size_t at = 0;

    assert_int_equal(mmu_trace_create(path, format, "made by a test", &w, &err), MMU_OK);
    for (size_t i = 0; i < c->marks; i++) {
        struct mmu_trace_mark m = c->m[i];
        if (m.at > at && mmu_trace_write(w, c->a + at, m.at - at, &err))
            fail_error(&err);
        at = m.at;
        m.at = 12345; /* nobody's business */
        if (mmu_trace_mark(w, &m, &err))
            fail_error(&err);
    }
    if (mmu_trace_write(w, c->a + at, c->n - at, &err) || mmu_trace_finish(w, &err))
        fail_error(&err);
}

static void assert_mark(const struct mmu_trace_mark *got, const struct mmu_trace_mark *expected, size_t i)
{
    if (got->at != expected->at || got->kind != expected->kind || got->value != expected->value ||
        strcmp(got->text, expected->text))
        fail_msg("mark %zu: at %" PRIu64 " kind %u value %" PRIu64 " '%s', expected at %" PRIu64
                 " kind %u value %" PRIu64 " '%s'",
                 i, got->at, got->kind, got->value, got->text, expected->at, expected->kind, expected->value,
                 expected->text);
}

/* Reads on from reference `at` to the end, in steps of every size; the marks are c's from `mark` on. */
static void assert_rest(struct mmu_trace_reader *reader, struct rng *r, const struct content *c, uint64_t at,
                        size_t mark)
{
    struct mmu_trace_mark marks[200];
    struct mmu_access *to = calloc(5000, sizeof *to);
    struct mmu_error err;

    assert_non_null(to);
    for (;;) {
        size_t n_marks = 77, room = MMU_MARKS_LEAST + rng_below(r, 185), max = 1 + rng_below(r, 5000);
        int64_t n = mmu_trace_read_marked(reader, to, rng_below(r, 3) ? max : max % 5 + 1, marks, room,
                                          &n_marks, &err);
        if (n < 0)
            fail_error(&err);
        assert_true(n_marks <= room && at + (uint64_t)n <= c->n && mark + n_marks <= c->marks);
        assert_same(to, c->a + at, (size_t)n);
        for (size_t i = 0; i < n_marks; i++) {
            assert_true(marks[i].at >= at && marks[i].at <= at + (uint64_t)n);
            assert_mark(&marks[i], &c->m[mark + i], mark + i);
        }
        at += (uint64_t)n;
        mark += n_marks;
        assert_true(mark == c->marks || c->m[mark].at >= at);
        if (!n && !n_marks)
            break;
    }
    assert_int_equal(at, c->n);
    assert_int_equal(mark, c->marks);
    free(to);
}

static struct mmu_trace_reader *open_trace(const char *path)
{
    struct mmu_trace_reader *reader;
    struct mmu_error err;

    if (mmu_trace_open(path, MMU_TRACE_AUTO, &reader, &err))
        fail_error(&err);
    return reader;
}

static void check_info(const char *path, const struct content *c)
{
    struct mmu_trace_reader *reader = open_trace(path);
    struct mmu_access to[1000];
    struct mmu_trace_info info;
    uint64_t kinds[MMU_MARK_KINDS] = {0}, first = 0, last = 0, sum = 0;

    for (size_t i = 0; i < c->marks; i++)
        if (!kinds[c->m[i].kind]++ && c->m[i].kind == MMU_MARK_TIME)
            first = last = c->m[i].value;
        else if (c->m[i].kind == MMU_MARK_TIME) {
            first = c->m[i].value < first ? c->m[i].value : first;
            last = c->m[i].value > last ? c->m[i].value : last;
        }
    sum = mmu_trace_checksum_marks(0, c->m, c->marks / 2);
    sum = mmu_trace_checksum_marks(sum, c->m + c->marks / 2, c->marks - c->marks / 2);
    for (int64_t n; (n = mmu_trace_read(reader, to, 1000, NULL)) > 0;)
        ;
    mmu_trace_info(reader, &info);
    assert_memory_equal(info.marks, kinds, sizeof kinds);
    assert_int_equal(info.time_first, first);
    assert_int_equal(info.time_last, last);
    if (info.format == MMU_TRACE_BINARY)
        assert_int_equal(info.marks_checksum, sum);
    mmu_trace_close(reader);
}

static void both_forms_keep_marks(void **state)
{
    static const struct {
        size_t n;
        uint32_t rare;
    } shapes[] = {{0, 1}, {1, 1}, {5, 1}, {3000, 1}, {3000, 7}, {20000, 500}, {600000, 5000}};
    struct rng r;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct content c = random_content(&r, shapes[i].n, shapes[i].rare);
        for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
            struct mmu_trace_reader *reader;
            write_content(in_scratch("a"), format, &c);
            reader = open_trace(in_scratch("a"));
            assert_rest(reader, &r, &c, 0, 0);
            assert_int_equal(mmu_trace_seek(reader, 0, NULL), MMU_OK);
            assert_rest(reader, &r, &c, 0, 0);
            mmu_trace_close(reader);
            assert_trace(in_scratch("a"), 1000, c.a, c.n);
            check_info(in_scratch("a"), &c);
        }
        free_content(&c);
    }
}

/* What has been told before reference n, as the marks that say so. Returns how many. */
static size_t told_before(const struct content *c, uint64_t n, struct mmu_trace_mark told[4])
{
    const struct mmu_trace_mark *last[4] = {NULL};
    size_t count = 0;

    for (size_t i = 0; i < c->marks && c->m[i].at < n; i++)
        if (c->m[i].kind < MMU_MARK_EVENT)
            last[c->m[i].kind] = &c->m[i];
    for (int kind = 0; kind < MMU_MARK_EVENT; kind++)
        if (last[kind]) {
            told[count] = *last[kind];
            told[count++].at = n;
        }
    return count;
}

static size_t first_mark_at(const struct content *c, uint64_t n)
{
    size_t i = 0;

    while (i < c->marks && c->m[i].at < n)
        i++;
    return i;
}

/* What stands before reference n is told first, then everything from there on. */
static void assert_from(struct mmu_trace_reader *reader, struct rng *r, const struct content *c, uint64_t n)
{
    struct mmu_trace_mark told[4], marks[MMU_MARKS_LEAST];
    size_t expected = n ? told_before(c, n, told) : 0, got;
    struct mmu_access one;

    if (expected) {
        assert_int_equal(mmu_trace_read_marked(reader, &one, 1, marks, MMU_MARKS_LEAST, &got, NULL), 0);
        assert_int_equal(got, expected);
        for (size_t i = 0; i < got; i++)
            assert_mark(&marks[i], &told[i], i);
    }
    assert_rest(reader, r, c, n, first_mark_at(c, n));
}

static void seeking_tells_where_it_is(void **state)
{
    struct rng r;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    for (int round = 0; round < 6; round++) {
        bool large = round == 5;
        struct content c = random_content(&r, large ? 560000 : 1 + rng_below(&r, 4000), large ? 3000 : 40);
        for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
            struct mmu_trace_reader *reader;
            write_content(in_scratch("a"), format, &c);
            reader = open_trace(in_scratch("a"));
            for (int i = 0; i < (large ? 8 : 30); i++) {
                uint64_t n = i < 2 ? c.n * (size_t)i : rng_below(&r, (uint32_t)c.n + 1);
                if (c.marks && rng_below(&r, 3) == 0)
                    n = c.m[rng_below(&r, (uint32_t)c.marks)].at;
                assert_int_equal(mmu_trace_seek(reader, n, NULL), MMU_OK);
                assert_from(reader, &r, &c, n);
            }
            mmu_trace_close(reader);
        }
        free_content(&c);
    }
}

/* Marks that stand where a block would end are found by whoever seeks the reference behind them; without the
 * index too. */
static void marks_between_blocks(void **state)
{
    enum { BLOCK = 262144 };
    struct rng r;
    struct content c = {.n = 2 * BLOCK + 10};
    (void)state;
    rng_seed(&r, test_seed(), 0);
    c.a = calloc(c.n, sizeof *c.a);
    c.m = calloc(8, sizeof *c.m);
    assert_true(c.a && c.m);
    for (size_t i = 0; i < c.n; i++)
        c.a[i] = (struct mmu_access){.va = 0x1000 + 8 * i, .size = 8, .kind = MMU_STORE};
    for (uint64_t i = 0; i < 8; i++)
        c.m[c.marks++] = (struct mmu_trace_mark){.at = (1 + i / 4) * BLOCK - 1 + i % 4 / 2,
                                                 .kind = (uint32_t)(i % 2 ? MMU_MARK_CPU : MMU_MARK_EVENT),
                                                 .text = "e"};
    for (size_t i = 0; i < c.marks; i++) {
        if (c.m[i].kind == MMU_MARK_CPU) {
            c.m[i].value = i;
            c.m[i].text[0] = 0;
        }
    }
    write_content(in_scratch("a"), MMU_TRACE_BINARY, &c);
    for (int how = 0; how < 2; how++) {
        struct mmu_trace_reader *reader;
        struct mmu_error err;
        if (how) {
            size_t size;
            unsigned char *bytes = read_bytes(in_scratch("a"), &size);
            bytes[size - MMT_TRAILER] ^= 1;
            write_bytes(in_scratch("a"), bytes, size);
            free(bytes);
        }
        reader = open_trace(in_scratch("a"));
        for (uint64_t n = BLOCK - 2; n <= BLOCK + 2; n++)
            for (uint64_t block = 0; block < 2; block++) {
                struct mmu_trace_mark told[4], marks[MMU_MARKS_LEAST];
                size_t expected = told_before(&c, n + block * BLOCK, told), got, sum = 0,
                       first = first_mark_at(&c, n + block * BLOCK);
                struct mmu_access to[3];
                assert_int_equal(mmu_trace_seek(reader, n + block * BLOCK, NULL), MMU_OK);
                for (int64_t refs = 0; refs < 3;) {
                    int64_t now = mmu_trace_read_marked(reader, to, (size_t)(3 - refs), marks,
                                                        MMU_MARKS_LEAST, &got, &err);
                    if (now < 0)
                        fail_error(&err);
                    for (size_t i = 0; i < got; i++, sum++)
                        assert_mark(&marks[i], sum < expected ? &told[sum] : &c.m[first + sum - expected],
                                    sum);
                    refs += now;
                }
                assert_true(expected + first_mark_at(&c, n + block * BLOCK + 3) - first <= sum);
            }
        mmu_trace_close(reader);
    }
    free_content(&c);
}

/* Whoever skips references without their marks is told afterwards. */
static void reading_both_ways(void **state)
{
    struct rng r;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    for (int round = 0; round < 20; round++) {
        struct content c = random_content(&r, 3000, 40);
        struct mmu_access to[3000];
        size_t skipped = 1 + rng_below(&r, 2999);
        for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
            struct mmu_trace_reader *reader;
            write_content(in_scratch("a"), format, &c);
            reader = open_trace(in_scratch("a"));
            for (size_t got = 0; got < skipped;)
                got += (size_t)mmu_trace_read(reader, to, skipped - got, NULL);
            assert_from(reader, &r, &c, skipped);
            mmu_trace_close(reader);
        }
        free_content(&c);
    }
}

/* More marks in one place than a block holds: blocks of marks alone, and constant memory for the reader. */
static void crowds_of_marks(void **state)
{
    struct rng r;
    struct content c = {.n = 10};
    (void)state;
    rng_seed(&r, test_seed(), 0);
    c.a = random_accesses(&r, true, c.n);
    c.marks = 40000;
    c.m = calloc(c.marks, sizeof *c.m);
    assert_non_null(c.m);
    for (size_t i = 0; i < c.marks; i++) {
        c.m[i] = (struct mmu_trace_mark){.at = i < 20000 ? 5 : c.n, .kind = MMU_MARK_EVENT};
        snprintf(c.m[i].text, sizeof c.m[i].text, "event %zu %0150zu", i, i);
    }
    for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
        struct mmu_trace_reader *reader;
        write_content(in_scratch("a"), format, &c);
        assert_trace(in_scratch("a"), 3, c.a, c.n);
        reader = open_trace(in_scratch("a"));
        assert_rest(reader, &r, &c, 0, 0);
        for (uint64_t n = 0; n <= c.n; n++) {
            assert_int_equal(mmu_trace_seek(reader, n, NULL), MMU_OK);
            assert_rest(reader, &r, &c, n, first_mark_at(&c, n));
        }
        mmu_trace_close(reader);
    }
    free_content(&c);
}

static void marks_that_cannot_be(void **state)
{
    static const struct {
        struct mmu_trace_mark m;
        const char *why;
    } bad[] = {
        {{.kind = MMU_MARK_KINDS}, "kind is none"},
        {{.kind = MMU_MARK_EVENT}, "empty"},
        {{.kind = MMU_MARK_EVENT, .text = " a"}, "begins or ends with a blank"},
        {{.kind = MMU_MARK_EVENT, .text = "a "}, "begins or ends with a blank"},
        {{.kind = MMU_MARK_EVENT, .text = "a\nb"}, "control characters"},
        {{.kind = MMU_MARK_EVENT, .text = "a\177"}, "control characters"},
    };
    struct mmu_trace_writer *w;
    struct mmu_error err;
    (void)state;
    for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            assert_int_equal(mmu_trace_create(in_scratch("a"), format, "", &w, NULL), MMU_OK);
            assert_int_equal(mmu_trace_mark(w, &bad[i].m, &err), MMU_ERR_INVALID);
            assert_non_null(strstr(err.message, bad[i].why));
            assert_int_equal(mmu_trace_finish(w, NULL), MMU_ERR_INVALID);
        }
        assert_int_equal(mmu_trace_create(in_scratch("a"), format, "", &w, NULL), MMU_OK);
        assert_int_equal(mmu_trace_set_maps(w, 1, "no end", 6, &err), MMU_ERR_INVALID);
        assert_non_null(strstr(err.message, "last line has no end"));
        mmu_trace_abort(w);
        assert_int_equal(mmu_trace_create(in_scratch("a"), format, "", &w, NULL), MMU_OK);
        assert_int_equal(mmu_trace_set_maps(w, 1, "a\0b\n", 4, &err), MMU_ERR_INVALID);
        assert_non_null(strstr(err.message, "control characters"));
        mmu_trace_abort(w);
    }
}

/* ---- maps ---- */

static const char MAPS[] =
    "00400000-00401000 r--p 00000000 fe:01 1234                               /usr/bin/a file\n"
    "7ffe11111000-7ffe11132000 rw-p 00000000 00:00 0                          [stack]\n";

static void assert_maps(const char *path, bool at_once)
{
    struct mmu_trace_reader *reader = open_trace(path);
    struct mmu_access to[100];
    struct mmu_trace_info info;
    uint64_t pid;
    size_t n;

    mmu_trace_info(reader, &info);
    if (at_once)
        assert_int_equal(info.maps, 2);
    while (mmu_trace_read(reader, to, 100, NULL) > 0)
        ;
    mmu_trace_info(reader, &info);
    assert_int_equal(info.maps, 2);
    assert_int_equal(info.skipped, info.format == MMU_TRACE_TEXT); /* the source's line */
    assert_string_equal(mmu_trace_maps(reader, 0, &pid, &n), MAPS);
    assert_int_equal(pid, 7);
    assert_int_equal(n, sizeof MAPS - 1);
    assert_string_equal(mmu_trace_maps(reader, 1, &pid, &n), "");
    assert_true(pid == UINT64_MAX);
    assert_int_equal(n, 0);
    assert_null(mmu_trace_maps(reader, 2, &pid, &n));
    mmu_trace_close(reader);
}

static void pack_gz(const char *from, const char *to)
{
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    size_t n;
    unsigned char *bytes = read_bytes(from, &n);

    archive_write_add_filter_gzip(a);
    archive_write_set_format_raw(a);
    assert_int_equal(archive_write_open_filename(a, to), ARCHIVE_OK);
    archive_entry_set_pathname(e, "x");
    archive_entry_set_filetype(e, AE_IFREG);
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, bytes, n), n);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_entry_free(e);
    archive_write_free(a);
    free(bytes);
}

static void maps_are_kept(void **state)
{
    struct rng r;
    struct mmu_access *a;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    a = random_accesses(&r, true, 500);
    for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
        struct mmu_trace_writer *w;
        struct mmu_error err;
        assert_int_equal(mmu_trace_create(in_scratch("a"), format, "x", &w, NULL), MMU_OK);
        if (mmu_trace_set_maps(w, 7, "an earlier one\n", 15, &err) || mmu_trace_write(w, a, 250, &err) ||
            mmu_trace_set_maps(w, UINT64_MAX, "", 0, &err) || mmu_trace_write(w, a + 250, 250, &err) ||
            mmu_trace_set_maps(w, 7, MAPS, sizeof MAPS - 1, &err) || mmu_trace_finish(w, &err))
            fail_error(&err);
        assert_trace(in_scratch("a"), 100, a, 500);
        assert_maps(in_scratch("a"), format == MMU_TRACE_BINARY);
        pack_gz(in_scratch("a"), in_scratch("b"));
        assert_maps(in_scratch("b"), false);
    }
    free(a);
}

/* ---- pipes ---- */

/* The binary form through a pipe into a file: complete, with totals and index at its end. */
static void written_to_a_pipe(void **state)
{
    struct rng r;
    struct content c;
    struct mmu_trace_reader *reader;
    struct mmu_trace_info info;
    char command[1200];
    (void)state;
    rng_seed(&r, test_seed(), 0);
    c = random_content(&r, 5000, 20);
    assert_int_equal(mkfifo(in_scratch("pipe"), 0600), 0);
    snprintf(command, sizeof command, "cat '%s' >'%s' &", in_scratch("pipe"), in_scratch("a"));
    assert_int_equal(system(command), 0);
    write_content(in_scratch("pipe"), MMU_TRACE_BINARY, &c);
    for (int tries = 0; tries < 1000; tries++) { /* until cat has ended */
        size_t size;
        unsigned char *bytes = read_bytes(in_scratch("a"), &size);
        bool whole = size > 24 && !memcmp(bytes + size - 8, MMT_END_MAGIC, 8);
        free(bytes);
        if (whole)
            break;
        usleep(10000);
    }
    reader = open_trace(in_scratch("a"));
    mmu_trace_info(reader, &info);
    assert_true(info.has_count);
    assert_int_equal(info.count, 5000);
    assert_int_equal(info.checksum, mmu_trace_checksum(0, c.a, c.n));
    assert_rest(reader, &r, &c, 0, 0);
    assert_int_equal(mmu_trace_seek(reader, 777, NULL), MMU_OK);
    assert_from(reader, &r, &c, 777);
    mmu_trace_close(reader);
    pack_gz(in_scratch("a"), in_scratch("b"));
    assert_trace(in_scratch("b"), 100, c.a, c.n);
    check_info(in_scratch("b"), &c);
    remove(in_scratch("pipe"));
    free_content(&c);
}

/* ---- text ---- */

static void lines_that_are_marks(void **state)
{
    static const struct {
        const char *line;
        struct mmu_trace_mark mark;
    } good[] = {
        {"# mmusim: process 12", {.kind = MMU_MARK_PROCESS, .value = 12}},
        {"# mmusim: thread 18446744073709551615  \r", {.kind = MMU_MARK_THREAD, .value = UINT64_MAX}},
        {"# mmusim: cpu   3", {.kind = MMU_MARK_CPU, .value = 3}},
        {"# mmusim: time 0", {.kind = MMU_MARK_TIME}},
        {"# mmusim: event exec /bin/a  b ", {.kind = MMU_MARK_EVENT, .text = "exec /bin/a  b"}},
    };
    static const struct {
        const char *line, *message;
    } bad[] = {
        {"# mmusim: proces 12", ":2:11: found 'proces 12', expected process, thread, cpu"},
        {"# mmusim: process", ":2:18: found the end of the line, expected a decimal number below 2^64"},
        {"# mmusim: process 0x1", ":2:20: found 'x1', expected the end of the line"},
        {"# mmusim: cpu 18446744073709551616",
         ":2:15: found '18446744073709551616', expected a decimal number"},
        {"# mmusim: event", ":2:16: found the end of the line, expected the event's name"},
        {"# mmusim: maps x", ":2:16: found 'x', expected a decimal number"},
        {"# mmusim: event a\tb", ":2:18: found '?b', expected no control characters"},
        {"# mmusim: map 1 a\001b", ":2:18: found '?b', expected no control characters"},
        {"# mmusim: ", ":2:11: found the end of the line, expected process"},
    };
    char text[600];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct mmu_trace_reader *reader;
        struct mmu_trace_mark marks[MMU_MARKS_LEAST], expected = good[i].mark;
        struct mmu_access to[3];
        size_t n;
        snprintf(text, sizeof text, "I  1000,4\n%s\nI  1000,4\n", good[i].line);
        write_text(in_scratch("a"), text);
        reader = open_trace(in_scratch("a"));
        assert_int_equal(mmu_trace_read_marked(reader, to, 3, marks, MMU_MARKS_LEAST, &n, NULL), 2);
        assert_int_equal(n, 1);
        expected.at = 1;
        assert_mark(marks, &expected, 0);
        mmu_trace_close(reader);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "I  1000,4\n%s\nI  1000,4\n", bad[i].line);
        write_text(in_scratch("a"), text);
        assert_refused_as(in_scratch("a"), MMU_TRACE_TEXT, 1, i == 3 ? MMU_ERR_RANGE : MMU_ERR_FORMAT,
                          bad[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_keep_marks), cmocka_unit_test(seeking_tells_where_it_is),
        cmocka_unit_test(marks_between_blocks),  cmocka_unit_test(reading_both_ways),
        cmocka_unit_test(crowds_of_marks),       cmocka_unit_test(marks_that_cannot_be),
        cmocka_unit_test(maps_are_kept),         cmocka_unit_test(written_to_a_pipe),
        cmocka_unit_test(lines_that_are_marks),
    };
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
