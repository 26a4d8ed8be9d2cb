/*
 * test_trace.c: traces written and read back: both forms, every kind of reference, seeking, packed files,
 * archives, pipes, files that are no traces, writers that must not leave anything behind. Damage to the
 * binary form: test_trace_damage.c; lines: test_trace_text.c.
 */
#include "trace_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* One more than two blocks' tokens. */
enum { BLOCK = 262144, MANY = 2 * BLOCK + 1 };

static void both_forms_keep_everything(void **state)
{
    struct rng r;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
        for (int wild = 0; wild < 2; wild++) {
            static const size_t lengths[] = {1, 2, 3, 255, 256, 257, 511, 512, 513, 5000, 60000};
            for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                size_t n = lengths[i];
                struct mmu_access *a = random_accesses(&r, wild, n);
                write_trace(in_scratch("a"), format, a, n);
                for (size_t step = 1; step < n + 2; step = step * 3 + 1)
                    assert_trace(in_scratch("a"), step, a, n);
                free(a);
            }
        }
    }
}

static void blocks_follow_each_other(void **state)
{
    struct rng r;
    struct mmu_access *a;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    for (int wild = 0; wild < 2; wild++) {
        a = random_accesses(&r, wild, MANY);
        write_trace(in_scratch("a"), MMU_TRACE_BINARY, a, MANY);
        assert_trace(in_scratch("a"), 1, a, MANY);
        assert_trace(in_scratch("a"), 4096, a, MANY);
        free(a);
    }
}

/* Modifies only: the most references that a block can hold; loads only, which the writer holds back by one.
 */
static void blocks_of_one_kind(void **state)
{
    struct mmu_access *a = calloc(MANY, sizeof *a);
    (void)state;
    assert_non_null(a);
    for (int what = 0; what < 3; what++) {
        for (size_t i = 0; i < MANY; i++) {
            a[i] = (struct mmu_access){.va = 0x1000 + i / 2 * 8, .size = 8, .kind = MMU_LOAD};
            if (what == 2 || (what == 0 && i % 2)) {
                a[i].kind = MMU_STORE;
                a[i].flags = what == 0 ? MMU_AF_FOLLOWS : 0;
            }
        }
        write_trace(in_scratch("a"), MMU_TRACE_BINARY, a, MANY);
        assert_trace(in_scratch("a"), 1000, a, MANY);
        assert_trace(in_scratch("a"), 1001, a, MANY);
    }
    free(a);
}

static void the_ends_of_the_address_space(void **state)
{
    static const struct mmu_access a[] = {
        {.va = UINT64_MAX, .size = 1, .kind = MMU_FETCH},
        {.va = 0, .size = 1, .kind = MMU_FETCH},
        {.va = UINT64_MAX - 4095, .size = 4096, .kind = MMU_STORE},
        {.va = 0, .size = 4096, .kind = MMU_LOAD},
        {.va = UINT64_MAX, .size = 1, .kind = MMU_LOAD},
        {.va = UINT64_C(1) << 63, .size = 8, .kind = MMU_LOAD},
        {.va = (UINT64_C(1) << 63) - 1, .size = 1, .kind = MMU_STORE, .flags = MMU_AF_GAP, .gap = UINT32_MAX},
        {.va = UINT64_MAX - 15, .size = 16, .kind = MMU_KIND_PRIV(MMU_FETCH, MMU_SUPERVISOR)},
    };
    (void)state;
    for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
        write_trace(in_scratch("a"), format, a, sizeof a / sizeof *a);
        assert_trace(in_scratch("a"), 3, a, sizeof a / sizeof *a);
    }
}

static void references_that_cannot_be(void **state)
{
    static const struct {
        struct mmu_access a;
        const char *why;
    } bad[] = {
        {{.va = 0, .size = 0, .kind = MMU_LOAD}, "size is not 1 to 4096"},
        {{.va = 0, .size = 4097, .kind = MMU_LOAD}, "size is not 1 to 4096"},
        {{.va = 0, .size = 1, .kind = 3}, "kind is none"},
        {{.va = 0, .size = 1, .kind = 0x30}, "privilege is none"},
        {{.va = 0, .size = 1, .kind = MMU_KIND_PRIV(MMU_FETCH, MMU_IMPLICIT)}, "never a fetch"},
        {{.va = 0, .size = 1, .kind = MMU_LOAD, .flags = 4}, "flags are unknown"},
        {{.va = UINT64_MAX, .size = 2, .kind = MMU_LOAD}, "ends beyond 2^64"},
    };
    static const struct mmu_access good = {.va = 1, .size = 1, .kind = MMU_LOAD};
    (void)state;
    scratch_files(true);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
            struct mmu_trace_writer *w;
            struct mmu_error err;
            assert_int_equal(mmu_trace_create(in_scratch("a"), format, "", &w, &err), MMU_OK);
            assert_int_equal(mmu_trace_write(w, &good, 1, &err), MMU_OK);
            assert_int_equal(mmu_trace_write(w, &bad[i].a, 1, &err), MMU_ERR_INVALID);
            assert_non_null(strstr(err.message, bad[i].why));
            assert_non_null(strstr(err.message, "reference 1 "));
            assert_int_equal(mmu_trace_write(w, &good, 1, &err), MMU_ERR_INVALID); /* it sticks */
            assert_int_equal(mmu_trace_finish(w, &err), MMU_ERR_INVALID);
            assert_int_equal(scratch_files(false), 0);
        }
    }
}

/* 0 to n and back in all ways: each seek delivers what skipping would. */
static void check_seeks(const char *path, const struct mmu_access *a, size_t n, struct rng *r, int times)
{
    struct mmu_trace_reader *reader;
    struct mmu_access got[300];
    struct mmu_error err;

    assert_int_equal(mmu_trace_open(path, MMU_TRACE_AUTO, &reader, &err), MMU_OK);
    for (int i = 0; i < times; i++) {
        size_t at = i < 2 ? n * (size_t)i : rng_below(r, (uint32_t)n + 1), want = rng_below(r, 300) + 1;
        size_t expected = n - at < want ? n - at : want, sum = 0;
        int64_t now;
        if (mmu_trace_seek(reader, at, &err))
            fail_error(&err);
        while ((now = mmu_trace_read(reader, got + sum, want - sum, &err)) > 0)
            sum += (size_t)now;
        assert_int_equal(now, 0);
        assert_int_equal(sum, expected);
        assert_same(got, a + at, expected);
    }
    assert_int_equal(mmu_trace_seek(reader, n + 1, &err), MMU_ERR_RANGE);
    assert_int_equal(mmu_trace_seek(reader, UINT64_MAX, &err), MMU_ERR_RANGE);
    assert_int_equal(mmu_trace_seek(reader, n - 1, &err), MMU_OK);
    assert_int_equal(mmu_trace_read(reader, got, 5, &err), 1);
    assert_same(got, a + n - 1, 1);
    mmu_trace_close(reader);
}

static void seeking_equals_skipping(void **state)
{
    struct rng r;
    struct mmu_access *a;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    a = random_accesses(&r, true, MANY);
    write_trace(in_scratch("a"), MMU_TRACE_BINARY, a, MANY);
    check_seeks(in_scratch("a"), a, MANY, &r, 100);
    write_trace(in_scratch("a"), MMU_TRACE_TEXT, a, 5000);
    check_seeks(in_scratch("a"), a, 5000, &r, 100);
    free(a);
}

/* Reading one reference in the middle reads one block of the file: the others may be missing altogether. */
static void seeking_reads_one_block(void **state)
{
    struct rng r;
    struct mmu_access *a, got;
    struct mmu_trace_reader *reader;
    struct mmu_error err;
    unsigned char *bytes;
    size_t size;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    a = random_accesses(&r, true, MANY);
    for (size_t i = 0; i < MANY; i++)
        if (MMU_KIND_OF(a[i].kind) == MMU_LOAD) /* one token a reference, so that blocks are where we think */
            a[i].kind = MMU_KIND_PRIV(MMU_STORE, MMU_PRIV_OF(a[i].kind));
    write_trace(in_scratch("a"), MMU_TRACE_BINARY, a, MANY);
    bytes = read_bytes(in_scratch("a"), &size);
    memset(bytes + 3000, 0xee, 100000); /* block 0 */
    write_bytes(in_scratch("a"), bytes, size);
    free(bytes);
    assert_int_equal(mmu_trace_open(in_scratch("a"), MMU_TRACE_AUTO, &reader, &err), MMU_OK);
    assert_int_equal(mmu_trace_read(reader, &got, 1, &err), MMU_ERR_CHECKSUM);
    assert_int_equal(mmu_trace_seek(reader, BLOCK, &err), MMU_OK);
    assert_int_equal(mmu_trace_read(reader, &got, 1, &err), 1);
    assert_same(&got, a + BLOCK, 1);
    assert_int_equal(mmu_trace_seek(reader, MANY - 1, &err), MMU_OK);
    assert_int_equal(mmu_trace_read(reader, &got, 1, &err), 1);
    assert_same(&got, a + MANY - 1, 1);
    assert_int_equal(mmu_trace_seek(reader, BLOCK - 1, &err), MMU_ERR_CHECKSUM);
    mmu_trace_close(reader);
    free(a);
}

static void the_header_says_what_is_in_it(void **state)
{
    struct rng r;
    struct mmu_access *a;
    struct mmu_trace_reader *reader;
    struct mmu_trace_info info;
    uint64_t kinds[MMU_KINDS] = {0}, sum = 0;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    a = random_accesses(&r, true, 9999);
    for (int i = 0; i < 9999; i++) {
        kinds[MMU_KIND_OF(a[i].kind)]++;
        a[i].gap = a[i].flags & MMU_AF_GAP ? a[i].gap : 77; /* without the flag it is nobody's business */
    }
    write_trace(in_scratch("a"), MMU_TRACE_BINARY, a, 9999);
    assert_int_equal(mmu_trace_open(in_scratch("a"), MMU_TRACE_BINARY, &reader, NULL), MMU_OK);
    mmu_trace_info(reader, &info);
    assert_int_equal(info.format, MMU_TRACE_BINARY);
    assert_int_equal(info.version, 3);
    assert_true(info.has_count);
    assert_int_equal(info.count, 9999);
    assert_true(info.has_fetches);
    assert_memory_equal(info.kinds, kinds, sizeof kinds);
    assert_string_equal(info.source, "made by a test");
    assert_true(mmu_trace_progress(reader) == 0);
    for (int64_t n, at = 0; (n = mmu_trace_read(reader, a, 1000, NULL)) > 0;) {
        sum = mmu_trace_checksum(sum, a, (size_t)n);
        at += n;
        assert_true(mmu_trace_progress(reader) == (double)at / 9999);
    }
    assert_int_equal(sum, info.checksum);
    assert_true(sum);
    mmu_trace_close(reader);
    free(a);
}

static void a_source_is_one_line(void **state)
{
    static const struct mmu_access a = {.va = 1, .size = 1, .kind = MMU_FETCH};
    struct mmu_trace_writer *w;
    struct mmu_trace_reader *reader;
    struct mmu_trace_info info;
    char longest[600];
    (void)state;
    memset(longest, 'a', sizeof longest);
    longest[3] = '\n';
    longest[sizeof longest - 1] = 0;
    for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
        for (size_t n = 0; n < sizeof longest; n += 1 + n / 3) {
            assert_int_equal(
                mmu_trace_create(in_scratch("a"), format, longest + sizeof longest - 1 - n, &w, NULL),
                MMU_OK);
            assert_int_equal(mmu_trace_write(w, &a, 1, NULL), MMU_OK);
            assert_int_equal(mmu_trace_finish(w, NULL), MMU_OK);
            assert_trace(in_scratch("a"), 2, &a, 1);
        }
        assert_int_equal(mmu_trace_create(in_scratch("a"), format, longest, &w, NULL), MMU_OK);
        assert_int_equal(mmu_trace_write(w, &a, 1, NULL), MMU_OK);
        assert_int_equal(mmu_trace_finish(w, NULL), MMU_OK);
        assert_trace(in_scratch("a"), 2, &a, 1);
    }
    assert_int_equal(mmu_trace_open(in_scratch("a"), MMU_TRACE_AUTO, &reader, NULL), MMU_OK);
    mmu_trace_info(reader, &info);
    assert_int_equal(strlen(info.source), 255);
    assert_int_equal(info.source[3], ' ');
    mmu_trace_close(reader);
}

static void a_trace_of_nothing(void **state)
{
    (void)state;
    write_trace(in_scratch("a"), MMU_TRACE_BINARY, NULL, 0);
    assert_trace(in_scratch("a"), 5, NULL, 0);
}

/* Packs a file with libarchive's writer: filter(s), then as a raw stream or an archive of one or two files.
 */
static void pack(const char *from, const char *to, int (*filter)(struct archive *),
                 int (*format)(struct archive *), int files)
{
    struct archive *a = archive_write_new();
    size_t n;
    unsigned char *bytes = read_bytes(from, &n);

    assert_non_null(a);
    assert_int_equal(filter(a), ARCHIVE_OK);
    assert_int_equal(format(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, to), ARCHIVE_OK);
    for (int i = 0; i < files; i++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, i ? "second" : "first");
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_size(e, (la_int64_t)n);
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        assert_int_equal(archive_write_data(a, bytes, n), n);
        archive_entry_free(e);
    }
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    free(bytes);
}

static const struct {
    const char *name;
    int (*filter)(struct archive *);
} filters[] = {
    {"gz", archive_write_add_filter_gzip},  {"xz", archive_write_add_filter_xz},
    {"zst", archive_write_add_filter_zstd}, {"bz2", archive_write_add_filter_bzip2},
    {"lz4", archive_write_add_filter_lz4},  {"lzma", archive_write_add_filter_lzma},
};
enum { FILTERS = sizeof filters / sizeof *filters };

static void packed_files(void **state)
{
    struct rng r;
    struct mmu_access *a;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    a = random_accesses(&r, true, 20000);
    for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
        write_trace(in_scratch("a"), format, a, 20000);
        for (size_t i = 0; i < FILTERS; i++) {
            pack(in_scratch("a"), in_scratch("b"), filters[i].filter, archive_write_set_format_raw, 1);
            assert_trace(in_scratch("b"), 4096, a, 20000);
            check_seeks(in_scratch("b"), a, 20000, &r, 6);
        }
        pack(in_scratch("a"), in_scratch("b"), archive_write_add_filter_none, archive_write_set_format_zip,
             1);
        assert_trace(in_scratch("b"), 4096, a, 20000);
        pack(in_scratch("a"), in_scratch("b"), archive_write_add_filter_gzip, archive_write_set_format_ustar,
             1);
        assert_trace(in_scratch("b"), 4096, a, 20000);
        check_seeks(in_scratch("b"), a, 20000, &r, 6);
        pack(in_scratch("a"), in_scratch("b"), archive_write_add_filter_xz, archive_write_set_format_ustar,
             2);
        if (format == MMU_TRACE_TEXT) /* the binary form knows its end */
            assert_refused(in_scratch("b"), 20000, MMU_ERR_FORMAT,
                           ": an archive of several files, expected one");
    }
    free(a);
}

/* Two members one behind the other are one stream, as cat a.gz b.gz makes it. */
static void packed_in_members(void **state)
{
    static const size_t which[] = {0, 1, 2, 3, 4};
    struct rng r;
    struct mmu_access *a;
    unsigned char *bytes;
    size_t n;
    FILE *file;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    a = random_accesses(&r, false, 4000);
    for (size_t i = 0; i < sizeof which / sizeof *which; i++) {
        write_trace(in_scratch("a"), MMU_TRACE_TEXT, a, 2000);
        pack(in_scratch("a"), in_scratch("b"), filters[which[i]].filter, archive_write_set_format_raw, 1);
        write_trace(in_scratch("a"), MMU_TRACE_TEXT, a + 2000, 2000);
        pack(in_scratch("a"), in_scratch("c"), filters[which[i]].filter, archive_write_set_format_raw, 1);
        bytes = read_bytes(in_scratch("c"), &n);
        file = fopen(in_scratch("b"), "ab");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, n, file), n);
        fclose(file);
        free(bytes);
        assert_trace(in_scratch("b"), 4096, a, 4000);
    }
    free(a);
}

/* A packed stream that ends too early: what was in it is delivered, as far as the unpacker gave it; then the
 * truth, also where all of the trace was there. Returns the most that was delivered. */
static size_t check_cuts(struct rng *r, size_t filter, const struct mmu_access *a, size_t all)
{
    struct mmu_error err;
    size_t size, n, most = 0;
    int code;
    unsigned char *bytes;

    pack(in_scratch("a"), in_scratch("b"), filters[filter].filter, archive_write_set_format_raw, 1);
    bytes = read_bytes(in_scratch("b"), &size);
    for (int cut = 0; cut < 6; cut++) {
        size_t keep = cut == 0 ? size - 1 : cut == 1 ? size / 2 : 8 + rng_below(r, (uint32_t)size - 8);
        write_bytes(in_scratch("c"), bytes, keep);
        struct mmu_access *got = read_trace(in_scratch("c"), 1000, &n, &code, &err);
        if (!(code == MMU_ERR_TRUNCATED || code == MMU_ERR_FORMAT))
            fail_msg("%s cut at %zu of %zu: code %d after %zu references", filters[filter].name, keep, size,
                     code, n);
        assert_true(n < all || keep > size - 4096); /* its end alone is missing */
        assert_same(got, a, n);
        most = n > most ? n : most;
        free(got);
    }
    free(bytes);
    return most;
}

static void packed_and_cut(void **state)
{
    struct rng r;
    struct mmu_access *a;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    a = random_accesses(&r, false, 100000);
    for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
        size_t most = 0;
        write_trace(in_scratch("a"), format, a, 100000);
        for (size_t i = 0; i < FILTERS; i++) {
            size_t n = check_cuts(&r, i, a, 100000);
            most = n > most ? n : most;
        }
        assert_true(most > 50000);
    }
    free(a);
}

/* Runs read(path "-") in a child whose standard input is a pipe that delivers the file in small pieces. */
static int read_by_pipe(const char *path, const struct mmu_access *a, size_t n, bool file)
{
    int ends[2], status, fd;
    pid_t reader, feeder;

    assert_int_equal(pipe(ends), 0);
    reader = fork();
    if (!reader) {
        struct mmu_trace_reader *r;
        struct mmu_access got[7];
        size_t at = 0;
        int64_t now = -1;
        fd = file ? open(path, O_RDONLY) : ends[0];
        dup2(fd, 0);
        close(ends[1]);
        if (mmu_trace_open("-", MMU_TRACE_AUTO, &r, NULL))
            _exit(10);
        while ((now = mmu_trace_read(r, got, 7, NULL)) > 0) {
            if (at + (size_t)now > n || memcmp(got, a + at, (size_t)now * sizeof *a))
                _exit(11);
            at += (size_t)now;
        }
        if (now < 0 || at != n)
            _exit(12);
        if (mmu_trace_seek(r, 1, NULL) != (file ? MMU_OK : MMU_ERR_UNSUPPORTED))
            _exit(13);
        if (file && (mmu_trace_read(r, got, 1, NULL) != 1 || memcmp(got, a + 1, sizeof *a)))
            _exit(14);
        mmu_trace_close(r);
        _exit(0);
    }
    close(ends[0]);
    feeder = fork();
    if (!feeder) {
        size_t size;
        unsigned char *bytes = read_bytes(path, &size);
        for (size_t i = 0; i < size; i += 13)
            if (write(ends[1], bytes + i, size - i < 13 ? size - i : 13) < 0)
                _exit(1);
        _exit(0);
    }
    close(ends[1]);
    waitpid(reader, &status, 0);
    waitpid(feeder, NULL, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void standard_input(void **state)
{
    struct rng r;
    struct mmu_access *a;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    a = random_accesses(&r, true, 3000);
    for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
        write_trace(in_scratch("a"), format, a, 3000);
        pack(in_scratch("a"), in_scratch("b"), archive_write_add_filter_zstd, archive_write_set_format_raw,
             1);
        for (int file = 0; file < 2; file++) {
            assert_int_equal(read_by_pipe(in_scratch("a"), a, 3000, file), 0);
            assert_int_equal(read_by_pipe(in_scratch("b"), a, 3000, file), 0);
        }
    }
    free(a);
}

static void files_that_are_no_traces(void **state)
{
    char bytes[600];
    (void)state;
    assert_refused(in_scratch("absent"), 0, MMU_ERR_NOTFOUND, ": cannot open: No such file or directory");
    assert_refused(scratch, 0, MMU_ERR_IO, ": is a directory, expected a trace file");
    write_text(in_scratch("a"), "");
    assert_refused(in_scratch("a"), 0, MMU_ERR_FORMAT, ": the file is empty, expected a trace");
    pack(in_scratch("a"), in_scratch("b"), archive_write_add_filter_gzip, archive_write_set_format_raw, 1);
    assert_refused(in_scratch("b"), 0, MMU_ERR_FORMAT,
                   ": nothing in it after decompression, expected a trace");
    /* Zeros: as many as make an archive without files, few, and packed ones. */
    static const char zeros[10240];
    write_bytes(in_scratch("a"), zeros, sizeof zeros);
    assert_refused(in_scratch("a"), 0, MMU_ERR_FORMAT,
                   ": byte 0: unknown format (begins with 4096 zero bytes), expected");
    pack(in_scratch("a"), in_scratch("b"), archive_write_add_filter_gzip, archive_write_set_format_raw, 1);
    assert_refused(in_scratch("b"), 0, MMU_ERR_FORMAT,
                   ": byte 0: unknown format (begins with 4096 zero bytes)");
    write_bytes(in_scratch("a"), zeros, 10);
    assert_refused(in_scratch("a"), 0, MMU_ERR_FORMAT,
                   ": byte 0: unknown format (begins with 10 zero bytes)");
    memset(bytes, 2, sizeof bytes);
    write_bytes(in_scratch("a"), bytes, sizeof bytes);
    assert_refused(in_scratch("a"), 0, MMU_ERR_FORMAT, ": byte 0: unknown format (begins with 02 02)");
    write_bytes(in_scratch("a"),
                "\x7f"
                "ELF\2\1\1",
                7);
    assert_refused(in_scratch("a"), 0, MMU_ERR_FORMAT, ": byte 0: unknown format (begins with 7f 45)");
    write_bytes(in_scratch("a"), "\x89MMT", 4);
    assert_refused(in_scratch("a"), 0, MMU_ERR_TRUNCATED, ": byte 4: the file ends inside its header");
    write_bytes(in_scratch("a"), "\x89MMT\n\x1a\n....",
                11); /* a transfer as text dropped the carriage return */
    assert_refused(in_scratch("a"), 0, MMU_ERR_FORMAT,
                   ": byte 0: does not begin as mmusim's binary form does");
    assert_refused("/proc/self/mem", 0, MMU_ERR_IO, ": cannot read: ");
    if (geteuid()) {
        write_text(in_scratch("a"), "I  1,1\n");
        chmod(in_scratch("a"), 0);
        assert_refused(in_scratch("a"), 0, MMU_ERR_IO, ": cannot open: Permission denied");
    }
}

static void a_format_can_be_forced(void **state)
{
    static const struct mmu_access a = {.va = 1, .size = 1, .kind = MMU_FETCH};
    struct mmu_trace_reader *r;
    struct mmu_access got;
    struct mmu_error err;
    (void)state;
    write_trace(in_scratch("a"), MMU_TRACE_BINARY, &a, 1);
    assert_int_equal(mmu_trace_open(in_scratch("a"), MMU_TRACE_TEXT, &r, &err), MMU_OK);
    assert_int_equal(mmu_trace_read(r, &got, 1, &err), MMU_ERR_FORMAT);
    assert_true(err.line >= 1 && err.line <= 4);
    mmu_trace_close(r);
    write_trace(in_scratch("a"), MMU_TRACE_TEXT, &a, 1);
    assert_int_equal(mmu_trace_open(in_scratch("a"), MMU_TRACE_BINARY, &r, &err), MMU_ERR_FORMAT);
    assert_non_null(strstr(err.message, "does not begin as mmusim's binary form does"));
}

static void a_place_that_cannot_be_written(void **state)
{
    struct mmu_trace_writer *w;
    struct mmu_error err;
    (void)state;
    scratch_files(true);
    assert_int_equal(mmu_trace_create(in_scratch("no/a"), MMU_TRACE_BINARY, "", &w, &err), MMU_ERR_IO);
    assert_non_null(strstr(err.message, "cannot be written: No such file or directory"));
    assert_string_equal(err.file, in_scratch("no/a"));
    assert_int_equal(mmu_trace_create(scratch, MMU_TRACE_BINARY, "", &w, &err), MMU_ERR_IO);
    assert_non_null(strstr(err.message, "is a directory"));
    assert_int_equal(mmu_trace_create("/dev/null", MMU_TRACE_BINARY, "", &w, &err), MMU_OK);
    assert_int_equal(mmu_trace_finish(w, &err), MMU_OK); /* written through, not renamed over */
    assert_int_equal(access("/dev/null", W_OK), 0);
    assert_int_equal(mmu_trace_create(in_scratch("a"), MMU_TRACE_DIN, "", &w, &err), MMU_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "the format din is not written"));
    assert_int_equal(scratch_files(false), 0);
}

static void a_full_disk(void **state)
{
    struct rng r;
    struct mmu_access *a;
    struct mmu_trace_writer *w;
    struct mmu_error err;
    int code = MMU_OK;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    a = random_accesses(&r, true, 1000);
    assert_int_equal(mmu_trace_create("/dev/full", MMU_TRACE_TEXT, "", &w, &err), MMU_OK);
    for (int i = 0; i < 1000 && !code; i++)
        code = mmu_trace_write(w, a, 1000, &err);
    assert_int_equal(code, MMU_ERR_IO);
    assert_non_null(strstr(err.message, "cannot write: No space left on device"));
    assert_int_equal(mmu_trace_finish(w, &err), MMU_ERR_IO);
    assert_int_equal(access("/dev/full", W_OK), 0);
    assert_int_equal(mmu_trace_create("/dev/full", MMU_TRACE_TEXT, "", &w, &err), MMU_OK);
    assert_int_equal(mmu_trace_write(w, a, 1, &err), MMU_OK); /* buffered */
    assert_int_equal(mmu_trace_finish(w, &err), MMU_ERR_IO);
    free(a);
}

static void nothing_half_written_is_left(void **state)
{
    static const struct mmu_access a = {.va = 1, .size = 1, .kind = MMU_FETCH},
                                   b = {.va = 2, .size = 1, .kind = MMU_FETCH};
    struct mmu_trace_writer *w, *other;
    (void)state;
    scratch_files(true);
    for (enum mmu_trace_format format = MMU_TRACE_TEXT; format <= MMU_TRACE_BINARY; format++) {
        write_trace(in_scratch("a"), format, &a, 1);
        assert_int_equal(mmu_trace_create(in_scratch("a"), format, "", &w, NULL), MMU_OK);
        assert_int_equal(mmu_trace_create(in_scratch("a"), format, "", &other, NULL), MMU_OK);
        assert_int_equal(mmu_trace_write(w, &b, 1, NULL), MMU_OK);
        assert_trace(in_scratch("a"), 1, &a, 1); /* the old one until the new one is whole */
        mmu_trace_abort(w);
        assert_trace(in_scratch("a"), 1, &a, 1);
        assert_int_equal(mmu_trace_write(other, &b, 1, NULL), MMU_OK);
        assert_int_equal(mmu_trace_finish(other, NULL), MMU_OK);
        assert_trace(in_scratch("a"), 1, &b, 1);
        assert_int_equal(scratch_files(false), 1);
    }
    mmu_trace_abort(NULL);
    mmu_trace_close(NULL);
}

/* A link stays a link, its target is replaced. */
static void a_link_is_followed(void **state)
{
    static const struct mmu_access a = {.va = 1, .size = 1, .kind = MMU_FETCH};
    struct stat st;
    (void)state;
    scratch_files(true);
    write_text(in_scratch("target"), "old");
    assert_int_equal(symlink("target", in_scratch("link")), 0);
    write_trace(in_scratch("link"), MMU_TRACE_BINARY, &a, 1);
    assert_int_equal(lstat(in_scratch("link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_trace(in_scratch("target"), 1, &a, 1);
}

/* Peak memory of reading does not depend on the trace's length. */
static void memory_is_constant(void **state)
{
    struct rng r;
    struct mmu_access *a;
    struct mmu_trace_writer *w;
    long peak[2];
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    skip(); /* its quarantine grows */
#endif
    rng_seed(&r, test_seed(), 0);
    a = random_accesses(&r, true, BLOCK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mmu_trace_create(in_scratch("a"), MMU_TRACE_BINARY, "", &w, NULL), MMU_OK);
        for (int block = 0; block < (i ? 24 : 3); block++)
            assert_int_equal(mmu_trace_write(w, a, BLOCK, NULL), MMU_OK);
        assert_int_equal(mmu_trace_finish(w, NULL), MMU_OK);
    }
    free(a);
    for (int i = 0; i < 2; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        if (!fork()) {
            struct mmu_trace_reader *reader;
            struct mmu_access got[4096];
            struct rusage usage;
            if (mmu_trace_open(in_scratch("a"), MMU_TRACE_AUTO, &reader, NULL))
                _exit(1);
            for (int64_t n, left = (i ? 24 : 3) * (int64_t)BLOCK; left > 0; left -= n)
                if ((n = mmu_trace_read(reader, got, 4096, NULL)) <= 0)
                    _exit(1);
            getrusage(RUSAGE_SELF, &usage);
            _exit(write(ends[1], &usage.ru_maxrss, sizeof usage.ru_maxrss) < 0);
        }
        close(ends[1]);
        assert_int_equal(read(ends[0], &peak[i], sizeof peak[i]), sizeof peak[i]);
        close(ends[0]);
        wait(NULL);
    }
    print_message("peak %ld and %ld KiB\n", peak[0], peak[1]);
    assert_true(peak[1] <= peak[0] + 8192); /* the longer one holds 80 MB more of references */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_keep_everything),
        cmocka_unit_test(blocks_follow_each_other),
        cmocka_unit_test(blocks_of_one_kind),
        cmocka_unit_test(the_ends_of_the_address_space),
        cmocka_unit_test(references_that_cannot_be),
        cmocka_unit_test(seeking_equals_skipping),
        cmocka_unit_test(seeking_reads_one_block),
        cmocka_unit_test(the_header_says_what_is_in_it),
        cmocka_unit_test(a_source_is_one_line),
        cmocka_unit_test(a_trace_of_nothing),
        cmocka_unit_test(packed_files),
        cmocka_unit_test(packed_in_members),
        cmocka_unit_test(packed_and_cut),
        cmocka_unit_test(standard_input),
        cmocka_unit_test(files_that_are_no_traces),
        cmocka_unit_test(a_format_can_be_forced),
        cmocka_unit_test(a_place_that_cannot_be_written),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(nothing_half_written_is_left),
        cmocka_unit_test(a_link_is_followed),
        cmocka_unit_test(memory_is_constant),
    };
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
