/*
 * test_trace_foreign.c: other tools' traces as they lie on disk: DynamoRIO's folder and ChampSim's files in
 * every compression as data/trace/foreign/make.py made them; all formats in all compressions as libarchive
 * makes them, whole and cut; one format taken for another.
 */
#include "trace_foreign.h"

#include <archive.h>
#include <archive_entry.h>

#define FOREIGN MMUSIM_TEST_DATA "/trace/foreign/"

/* The trace is what the text says, reference by reference and mark by mark. */
static void assert_as_text(const char *path, enum mmu_trace_format format, const char *text)
{
    struct whole expected = read_whole(text, MMU_TRACE_TEXT, NULL, 1000);

    assert_int_equal(expected.code, MMU_OK);
    assert_true(expected.n > 1000);
    assert_whole(path, format, NULL, true, expected.a, expected.n, expected.marks, expected.n_marks);
    whole_free(&expected);
}

static void a_folder_of_dynamorio(void **state)
{
    struct whole w = read_whole(FOREIGN "drmemtrace", MMU_TRACE_AUTO, NULL, 1000);

    (void)state;
    assert_int_equal(w.code, MMU_OK);
    assert_string_equal(w.info.source, "DynamoRIO drmemtrace, version 5, x86-64, 2 files");
    whole_free(&w);
    assert_as_text(FOREIGN "drmemtrace", MMU_TRACE_DRMEMTRACE, FOREIGN "drmemtrace.txt.gz");
    assert_as_text(FOREIGN "drmemtrace/trace", MMU_TRACE_DRMEMTRACE, FOREIGN "drmemtrace.txt.gz");
}

/* One thread alone, from its zip archive of several members: what the folder has of it. */
static void a_file_of_chunks(void **state)
{
    static const char zip[] = FOREIGN "drmemtrace/trace/drmemtrace.sorter.5000.0001.trace.zip";
    struct whole w = read_whole(zip, MMU_TRACE_AUTO, NULL, 1000),
                 all = read_whole(FOREIGN "drmemtrace", MMU_TRACE_AUTO, NULL, 1000);
    size_t n = 0, mark = 0;
    uint64_t thread = 0;

    (void)state;
    assert_int_equal(w.code, MMU_OK);
    for (size_t i = 0; i < all.n; i++) {
        for (; mark < all.n_marks && all.marks[mark].at <= i; mark++)
            thread = all.marks[mark].kind == MMU_MARK_THREAD ? all.marks[mark].value : thread;
        if (thread == 5000) {
            assert_true(n < w.n);
            assert_same(w.a + n++, all.a + i, 1);
        }
    }
    assert_int_equal(n, w.n);
    assert_true(n > 6000 && n < all.n); /* several chunks of 2000 instructions */
    whole_free(&w);
    whole_free(&all);
}

static void every_compression_of_debian(void **state)
{
    static const char *const ends[] = {"gz", "xz", "zst", "bz2", "lz4", "zip"};

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char path[512];
        snprintf(path, sizeof path, FOREIGN "steps.champsim.%s", ends[i]);
        assert_as_text(path, MMU_TRACE_CHAMPSIM, FOREIGN "steps.txt.gz");
    }
}

/* ---- all formats in all compressions ---- */

static const struct {
    const char *name;
    int (*filter)(struct archive *);
    int (*format)(struct archive *);
} packings[] = {{"gz", archive_write_add_filter_gzip, archive_write_set_format_raw},
                {"xz", archive_write_add_filter_xz, archive_write_set_format_raw},
                {"zst", archive_write_add_filter_zstd, archive_write_set_format_raw},
                {"bz2", archive_write_add_filter_bzip2, archive_write_set_format_raw},
                {"lz4", archive_write_add_filter_lz4, archive_write_set_format_raw},
                {"zip", archive_write_add_filter_none, archive_write_set_format_zip},
                {"lzma", archive_write_add_filter_lzma, archive_write_set_format_raw}};

enum { ZIP = 5, LZMA = 6, PACKINGS = sizeof packings / sizeof *packings, N = 3000 };

/* Adds a file to an archive. */
static void pack_file(struct archive *a, const char *name, const void *bytes, size_t n)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_size(entry, (la_int64_t)n);
    assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, bytes, n), n);
    archive_entry_free(entry);
}

static struct archive *pack_begin(const char *path, size_t packing)
{
    struct archive *a = archive_write_new();

    assert_int_equal(packings[packing].format(a), ARCHIVE_OK);
    assert_int_equal(packings[packing].filter(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    return a;
}

static void pack(const char *path, size_t packing, const void *bytes, size_t n)
{
    struct archive *a = pack_begin(path, packing);

    pack_file(a, "trace", bytes, n);
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

/* The same loads and stores in each format: those of one instruction each where it has instructions. */
static size_t write_format(enum mmu_trace_format format, const struct mmu_access *a, FILE *file)
{
    static const unsigned char header[] = {25, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0}, footer[12] = {26};
    size_t fetches = 0;

    if (format == MMU_TRACE_DRMEMTRACE)
        fwrite(header, 1, sizeof header, file);
    if (format == MMU_TRACE_COLUMNS)
        fputs("type address\n", file);
    for (size_t i = 0; i < N; i++) {
        const unsigned long long va = a[i].va;
        const bool store = a[i].kind == MMU_STORE;
        unsigned char record[96] = {0, 0x10, 0x40};
        switch (format) {
        case MMU_TRACE_TEXT:
            fprintf(file, " %c %llx,8\n", "LS"[store], va);
            break;
        case MMU_TRACE_CHAMPSIM:
        case MMU_TRACE_CLOUDSUITE:
            fetches++;
            memcpy(record + (format == MMU_TRACE_CHAMPSIM ? (store ? 16 : 32) : (store ? 24 : 56)), &va, 8);
            fwrite(record, 1, format == MMU_TRACE_CHAMPSIM ? 64 : 96, file);
            break;
        case MMU_TRACE_DRMEMTRACE:
            memcpy(record, (unsigned char[]){store, 0, 8, 0}, 4);
            memcpy(record + 4, &va, 8);
            fwrite(record, 1, 12, file);
            break;
        case MMU_TRACE_DIN:
            fprintf(file, "%c %llx 8\n", "rw"[store], va);
            break;
        case MMU_TRACE_PINATRACE:
            fprintf(file, "0x401000: %c 0x%llx\n", "RW"[store], va);
            break;
        default:
            fprintf(file, "%c 0x%llx\n", "RW"[store], va);
        }
    }
    if (format == MMU_TRACE_DRMEMTRACE)
        fwrite(footer, 1, sizeof footer, file);
    return fetches;
}

/* The data among the references are the first of a[0..N), n of them. */
static void assert_data(const struct whole *w, const struct mmu_access *a, size_t n)
{
    size_t k = 0;

    for (size_t i = 0; i < w->n; i++)
        if (w->a[i].kind != MMU_FETCH) {
            assert_true(k < N);
            assert_int_equal(w->a[i].va, a[k].va);
            assert_int_equal(w->a[i].kind, a[k].kind);
            assert_int_equal(w->a[i].size, 8);
            k++;
        }
    assert_int_equal(k, n);
}

/* A packed file that is cut gives what can be unpacked of it, then an error: also where only its end is cut,
 * zip's list of members, say. */
static void assert_cut(const char *path, size_t packing, const struct mmu_access *a)
{
    size_t size, delivered = 0;
    unsigned char *bytes = read_bytes(path, &size);

    for (size_t part = 1; part < 8; part++) {
        struct whole w;
        size_t n = 0;
        write_bytes(path, bytes, size * part / 8);
        w = read_whole(path, MMU_TRACE_AUTO, NULL, 100);
        assert_true(w.code < 0);
        assert_int_equal(w.code, w.err.code);
        assert_true(*w.err.message && !strchr(w.err.message, '\n'));
        for (size_t i = 0; i < w.n; i++)
            n += w.a[i].kind != MMU_FETCH;
        assert_true(n >= delivered && n < N);
        assert_data(&w, a, n);
        delivered = n;
        whole_free(&w);
    }
    for (size_t less = 1; less < 25; less += 6) {
        struct whole w;
        write_bytes(path, bytes, size - less);
        w = read_whole(path, MMU_TRACE_AUTO, NULL, 100);
        if (w.code != MMU_ERR_TRUNCATED)
            fail_msg("%s without its last %zu bytes: status %d", packings[packing].name, less, w.code);
        whole_free(&w);
    }
    if (packing == 0) /* gzip is unpacked to where it was cut, however short it is */
        assert_true(delivered > N * 3 / 4);
    free(bytes);
}

static void all_formats_in_all_compressions(void **state)
{
    static const enum mmu_trace_format formats[] = {
        MMU_TRACE_TEXT, MMU_TRACE_CHAMPSIM,  MMU_TRACE_CLOUDSUITE, MMU_TRACE_DRMEMTRACE,
        MMU_TRACE_DIN,  MMU_TRACE_PINATRACE, MMU_TRACE_COLUMNS};
    struct mmu_access a[N];
    struct rng r;

    (void)state;
    rng_seed(&r, test_seed(), 0);
    for (size_t i = 0; i < N; i++)
        a[i] = A(0x10000 + 8 * (rng_next(&r) >> 24), 8, rng_below(&r, 3) ? MMU_LOAD : MMU_STORE);
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        const char *plain = in_scratch("plain"), *packed = in_scratch("packed");
        FILE *file = fopen(plain, "wb");
        size_t fetches, size;
        unsigned char *bytes;
        assert_non_null(file);
        fetches = write_format(formats[f], a, file);
        assert_int_equal(fclose(file), 0);
        bytes = read_bytes(plain, &size);
        for (size_t p = 0; p < PACKINGS; p++) {
            struct whole w;
            pack(packed, p, bytes, size);
            w = read_whole(packed, MMU_TRACE_AUTO, NULL, 100);
            if (w.code)
                fail_error(&w.err);
            assert_int_equal(w.info.format, formats[f]);
            assert_int_equal(w.n, N + fetches);
            assert_data(&w, a, N);
            whole_free(&w);
            assert_cut(packed, p, a);
        }
        free(bytes);
    }
}

/* Appends a file's bytes, or these. */
static void append(const char *path, const char *from, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "ab");
    unsigned char *read = from ? read_bytes(from, &n) : NULL;

    assert_non_null(file);
    assert_int_equal(fwrite(read ? read : bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    free(read);
}

/* Streams of no bytes, as Debian's tools write them (libarchive cannot write all of them). */
static const struct {
    const char *bytes;
    size_t n;
} empty[PACKINGS] = {
    {"\x1f\x8b\x08\0\0\0\0\0\0\3\3\0\0\0\0\0\0\0\0\0", 20},
    {"\xfd\x37\x7a\x58\x5a\0\0\4\xe6\xd6\xb4\x46\0\0\0\0\x1c\xdf\x44\x21\x1f\xb6\xf3\x7d\1\0\0\0\0\4YZ", 32},
    {"\x28\xb5\x2f\xfd\x24\0\1\0\0\x99\xe9\xd8\x51", 13},
    {"BZh9\x17rE8P\x90\0\0\0\0", 14},
    {"\x04\x22\x4d\x18\x64\x40\xa7\0\0\0\0\x05\x5d\xcc\x02", 15},
};

/* Compressed streams behind each other, empty ones among them, are one; anything else behind them is told. */
static void behind_each_other(void **state)
{
    static const char text[] = " L 1000,8\n";
    const struct mmu_access a[] = {A(0x1000, 8, MMU_LOAD), A(0x1000, 8, MMU_LOAD)};
    const char *all = in_scratch("all"), *one = in_scratch("one");

    (void)state;
    for (size_t p = 0; p < PACKINGS; p++) {
        struct whole w;
        if (!empty[p].bytes)
            continue;
        pack(one, p, text, sizeof text - 1);
        remove(all);
        append(all, NULL, empty[p].bytes, empty[p].n);
        append(all, one, NULL, 0);
        append(all, NULL, empty[p].bytes, empty[p].n);
        append(all, one, NULL, 0);
        append(all, NULL, empty[p].bytes, empty[p].n);
        assert_whole(all, MMU_TRACE_TEXT, NULL, true, a, 2, NULL, 0);
        append(all, NULL, "junk", 4);
        w = read_whole(all, MMU_TRACE_AUTO, NULL, 100);
        if (!w.code || w.n != 2)
            fail_msg("%s: what follows is not told", packings[p].name);
        whole_free(&w);
    }
    pack(all, 0, text, sizeof text - 1);
    append(all, NULL, "\0\0\0", 3); /* gzip's padding */
    assert_whole(all, MMU_TRACE_TEXT, NULL, true, a, 1, NULL, 0);
    pack(one, 4, text, sizeof text - 1);
    remove(all);
    for (int i = 0; i < 2; i++) {
        append(all, NULL, "\x53\x2a\x4d\x18\3\0\0\0abc", 11); /* lz4's frame to skip */
        append(all, one, NULL, 0);
    }
    assert_whole(all, MMU_TRACE_TEXT, NULL, true, a, 2, NULL, 0);
}

/* An archive's files that are empty do not count where they come first: neither for one trace, nor for the
 * chunks of DynamoRIO's, which are joined. */
static void empty_files_first(void **state)
{
    static const char text[] = " L 1000,8\n";
    const struct mmu_access a[] = {A(0x1000, 8, MMU_LOAD)};
    const char *zip = in_scratch("zip");
    struct archive *archive = pack_begin(zip, ZIP);

    (void)state;
    pack_file(archive, "one", "", 0);
    pack_file(archive, "two", "", 0);
    pack_file(archive, "three", text, sizeof text - 1);
    assert_int_equal(archive_write_free(archive), ARCHIVE_OK);
    assert_whole(zip, MMU_TRACE_TEXT, NULL, true, a, 1, NULL, 0);
    archive = pack_begin(zip, ZIP);
    pack_file(archive, "one", "", 0);
    for (int i = 0; i < 2; i++)
        pack_file(archive, i ? "two" : "three", text, sizeof text - 1);
    assert_int_equal(archive_write_free(archive), ARCHIVE_OK);
    assert_ends_badly(zip, MMU_TRACE_AUTO, NULL, 1, MMU_ERR_FORMAT,
                      ": an archive of several files, expected one");
}

/* What begins as a .lzma file may, in a .lzma file, is unpacked once: a ChampSim trace whose first
 * instruction is at 0x10000005d. Nothing may follow: there is one stream in such a file. */
static void lzma_in_lzma(void **state)
{
    enum { RECORDS = 300 };
    static unsigned char bytes[RECORDS][64];
    struct whole w;

    (void)state;
    for (size_t i = 0; i < RECORDS; i++) {
        uint64_t ip = UINT64_C(0x10000005d) + 4 * i;
        memcpy(bytes[i], &ip, sizeof ip);
    }
    pack(in_scratch("packed"), LZMA, bytes, sizeof bytes);
    w = read_whole(in_scratch("packed"), MMU_TRACE_AUTO, NULL, 100);
    if (w.code)
        fail_error(&w.err);
    assert_int_equal(w.info.format, MMU_TRACE_CHAMPSIM);
    assert_int_equal(w.n, RECORDS);
    assert_int_equal(w.a[RECORDS - 1].va, UINT64_C(0x10000005d) + 4 * (RECORDS - 1));
    whole_free(&w);
    append(in_scratch("packed"), NULL, "", 1);
    assert_ends_badly(in_scratch("packed"), MMU_TRACE_AUTO, NULL, RECORDS, MMU_ERR_FORMAT,
                      ": byte 19200: after decompression: something else follows the lzma input");
}

/* ---- one format taken for another ---- */

static void forced_wrongly(void **state)
{
    static const struct {
        const char *text;
        enum mmu_trace_format format;
        const char *message;
    } wrong[] = {
        {" L 1000,8\n", MMU_TRACE_DIN, ":1:2: found 'L 1000,8', expected a label: 0 read, 1 write"},
        {" L 1000,8\n", MMU_TRACE_PINATRACE, ":1:2: found 'L 1000,8', expected an instruction pointer"},
        {"0x1: R 0x2\n", MMU_TRACE_COLUMNS, ":1:1: found '0x1: R 0x2', expected an address"},
        {" L 1000,8\n", MMU_TRACE_CHAMPSIM, ": byte 0: the trace ends 10 bytes into a record of 64"},
        {" L 1000,8\n", MMU_TRACE_DRMEMTRACE, ": byte 0: no header entry of DynamoRIO's final traces"},
        {" L 1000,8\n", MMU_TRACE_BINARY, ": byte 0: "},
        {"0 1000\n", MMU_TRACE_PINATRACE,
         ":1:2: found ' 1000', expected a colon behind the instruction pointer"},
        {"0x1: R 0x2\n", MMU_TRACE_DIN, ":1:2: found 'x1: R 0x2', expected a blank behind the label"},
        {"address\n1\n", MMU_TRACE_DIN, ":1:1: found 'address', expected a label"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *path = in_scratch("wrong");
        struct whole w;
        write_text(path, wrong[i].text);
        w = read_whole(path, wrong[i].format, NULL, 1);
        assert_ends_badly(path, wrong[i].format, NULL, 0, w.code, wrong[i].message);
        whole_free(&w);
    }
}

/* A record that cannot be does not hide what the file is: its own line is told, and what was expected there.
 */
static void damaged_and_not_named(void **state)
{
    static const struct {
        const char *text, *message;
        size_t before;
    } cases[] = {
        {"2 401000\n0 7ffe1000\n5 7ffe1000\n", ":3:1: found '5 7ffe1000', expected a label: 0 read", 2},
        {"# din\n2 401000\n0 7ffezz\n", ":3:7: found 'zz', expected a blank or the end", 1},
        {"0x401000: R 0x7ffe1000\n0x4010", ":2:7: found the end of the line, expected a colon", 1},
        {"0x401000: R 0x7ffe1000\n0x401004: X 0x7ffe1000\n", ":2:11: found 'X 0x7ffe1000', expected R or W",
         1},
        {"address,type\n0x10,R\n0x20,Q\n", ":3:6: found 'Q', expected a type", 1},
        {"0x10,R,8\n0x20,W,x\n", ":2:8: found 'x', expected a size", 1},
        {"==1== Lackey\nI  04001090,3\n0 1000\n L 04001x90,3\n", ":4:9: found 'x90,3', expected a comma", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = in_scratch("damaged");
        write_text(path, cases[i].text);
        assert_ends_badly(path, MMU_TRACE_AUTO, NULL, cases[i].before, MMU_ERR_FORMAT, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_of_dynamorio),
        cmocka_unit_test(a_file_of_chunks),
        cmocka_unit_test(every_compression_of_debian),
        cmocka_unit_test(all_formats_in_all_compressions),
        cmocka_unit_test(behind_each_other),
        cmocka_unit_test(empty_files_first),
        cmocka_unit_test(lzma_in_lzma),
        cmocka_unit_test(forced_wrongly),
        cmocka_unit_test(damaged_and_not_named),
    };

    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
