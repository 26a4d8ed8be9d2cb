/* test_trace_columns.c: plain columns: names, separators, bases, types, marks, what is refused and where. */
#include "trace_foreign.h"

static const char *path;

static int before(void **state)
{
    (void)state;
    path = in_scratch("t.csv");
    return 0;
}

static void reads_as(const char *text, const char *columns, const struct mmu_access *a, size_t n,
                     const struct mmu_trace_mark *marks, size_t n_marks)
{
    bool named = !columns && (text[0] > '9' || text[0] == '#');

    write_text(path, text);
    assert_whole(path, MMU_TRACE_COLUMNS, columns, named || columns, a, n, marks, n_marks);
}

#define READS(text, columns, ...)                                                                            \
    do {                                                                                                     \
        const struct mmu_access expected[] = {__VA_ARGS__};                                                  \
        reads_as(text, columns, expected, sizeof expected / sizeof *expected, NULL, 0);                      \
    } while (0)

static void is_described(const char *columns, const char *source, uint64_t skipped)
{
    struct whole w = read_whole(path, MMU_TRACE_COLUMNS, columns, 10);

    assert_int_equal(w.code, MMU_OK);
    assert_string_equal(w.info.source, source);
    assert_int_equal(w.info.skipped, skipped);
    whole_free(&w);
}

static void names(void **state)
{
    (void)state;
    READS("address,type,size\n0x1000,R,8\n0x2000,W,4\n", NULL, A(0x1000, 8, MMU_LOAD),
          A(0x2000, 4, MMU_STORE));
    is_described(NULL, "columns address,type,size", 1);
    READS("# a comment\n\n#  Size ; VADDR ; Op\n 8 ; 0x1000 ; R\n", NULL, A(0x1000, 8, MMU_LOAD));
    is_described(NULL, "columns size,address,type", 3);
    READS("pc addr value rw\n0x400000 0x1000 77 W\n", NULL, A(0x1000, 8, MMU_STORE));
    is_described(NULL, "columns -,address,-,type", 1);
    /* Given names go before the file's own, which are passed over. */
    READS("value,address\n4096,7\n", "address,-", A(4096, 8, MMU_LOAD));
    is_described("address,-", "columns address,-", 1);
    /* Without any: the usual order. */
    READS("4096\n8192\n", NULL, A(4096, 8, MMU_LOAD), A(8192, 8, MMU_LOAD));
    is_described(NULL, "columns address", 0);
    READS("# address of main\n0x1000 F\n# address\n0x1ffe F\n", "address,type", A(0x1000, 4, MMU_FETCH),
          A(0x1ffe, 2, MMU_FETCH));
}

/* Without names, but unmistakable. */
static void found_without_names(void **state)
{
    const struct mmu_access a[] = {A(0x1000, 8, MMU_LOAD), A(0x2000, 4, MMU_STORE)};

    (void)state;
    write_text(path, "R 0x1000 8\nW 0x2000 4\n");
    assert_whole(path, MMU_TRACE_COLUMNS, NULL, true, a, 2, NULL, 0);
    is_described(NULL, "columns type,address,size", 0);
    write_text(path, "# by somebody\n0x1000,R,8,0\n0x2000,W,4,0\n");
    assert_whole(path, MMU_TRACE_COLUMNS, NULL, true, a, 2,
                 (struct mmu_trace_mark[]){M(0, MMU_MARK_PROCESS, 0)}, 1);
    is_described(NULL, "columns address,type,size,pid", 1);
}

/* The third column that the line above lacks. */
static void missing(void **state)
{
    (void)state;
    write_text(path, "0x1000 F 1\n0x1ffe F\n");
    assert_ends_badly(path, MMU_TRACE_COLUMNS, "address,type,-", 1, MMU_ERR_FORMAT,
                      ":2:9: found the end of the line, expected another column");
    assert_ends_badly(path, MMU_TRACE_COLUMNS, "address,type,size", 1, MMU_ERR_FORMAT,
                      ":2:9: found the end of the line, expected a size of 1 to 4096 bytes");
    assert_ends_badly(path, MMU_TRACE_COLUMNS, "address,type", 0, MMU_ERR_FORMAT,
                      ":1:10: found '1', expected the end of the line behind the last column");
}

static void separators(void **state)
{
    (void)state;
    READS("0x10,R,1\n 0x20 , W , 2 \r\n\t0x30\tI\t3\n0x40;R;4\n0x50 R,5,\n0x60  R   6", "address,type,size",
          A(0x10, 1, MMU_LOAD), A(0x20, 2, MMU_STORE), A(0x30, 3, MMU_FETCH), A(0x40, 4, MMU_LOAD),
          A(0x50, 5, MMU_LOAD), A(0x60, 6, MMU_LOAD));
    READS("a b c,,0x10\n", "-,-,-,-,address", A(0x10, 8, MMU_LOAD));
}

static void refuses(const char *text, const char *columns, size_t n, int code, const char *message)
{
    write_text(path, text);
    assert_ends_badly(path, MMU_TRACE_COLUMNS, columns, n, code, message);
}

/* As spreadsheets write them: quotes around fields, a byte order mark before the first. */
static void quotes(void **state)
{
    (void)state;
    READS("\"0x10\",\"R\",\"1\"\n 0x20 , \"write\" , \"2\" \r\n", "address,type,size", A(0x10, 1, MMU_LOAD),
          A(0x20, 2, MMU_STORE));
    READS("\"a, \"\"b\"\" c\",\"\",\"0x10\"\n", "-,-,address", A(0x10, 8, MMU_LOAD));
    READS("\xef\xbb\xbf\"line no\",\"address\",\"type\"\n1,\"4096\",\"R\"\n", "-,address,type",
          A(4096, 8, MMU_LOAD));
    write_text(path, "\xef\xbb\xbf\"address\",\"type\"\n\"10ab\",\"R\"\n");
    assert_whole(path, MMU_TRACE_COLUMNS, NULL, true, (struct mmu_access[]){A(0x10ab, 8, MMU_LOAD)}, 1, NULL,
                 0);
    refuses("\"1\",\"R\"\n\"2,R\n", "address,type", 1, MMU_ERR_FORMAT,
            ":2:3: found ',R', expected the quote that ends the field");
    refuses("\"1\",\"R\"\n2\",R\n", "address,type", 1, MMU_ERR_FORMAT, ":2:3: found ',R', expected a type");
}

static void types(void **state)
{
    static const char *const words[MMU_KINDS] = {"I i F f X x 2 fetch IFETCH Instr exec",
                                                 "R r L l 0 read LOAD Ld rd", "W w S s 1 write STORE St wr"};

    (void)state;
    for (int kind = 0; kind < MMU_KINDS; kind++)
        for (const char *p = words[kind]; *p; p += strcspn(p, " ") + (p[strcspn(p, " ")] != 0)) {
            char text[64];
            snprintf(text, sizeof text, "%.*s,4096,4\n", (int)strcspn(p, " "), p);
            READS(text, "type,address,size", A(4096, 4, (uint8_t)kind));
        }
    READS("M 4096 4\nmodify 8192 2\n", "type,address,size", A(4096, 4, MMU_LOAD),
          A(4096, 4, MMU_STORE, .flags = MMU_AF_FOLLOWS), A(8192, 2, MMU_LOAD),
          A(8192, 2, MMU_STORE, .flags = MMU_AF_FOLLOWS));
    /* Without sizes, on one page. */
    READS("0x1ffe,R\n0x1ff0,W\n0x1ffe,F\n0x1000,F\n", "address,type", A(0x1ffe, 2, MMU_LOAD),
          A(0x1ff0, 8, MMU_STORE), A(0x1ffe, 2, MMU_FETCH), A(0x1000, 4, MMU_FETCH));
}

static void bases(void **state)
{
    (void)state;
    READS("4096\n0x4096\n", "address", A(4096, 8, MMU_LOAD), A(0x4096, 8, MMU_LOAD));
    READS("4096\n40a0\n0x4096\n", "address", A(0x4096, 8, MMU_LOAD), A(0x40a0, 8, MMU_LOAD),
          A(0x4096, 8, MMU_LOAD));
    READS("00004096 1\n00004098 1\n", "address,size", A(0x4096, 1, MMU_LOAD), A(0x4098, 1, MMU_LOAD));
    READS("00004096 10\n", "address:dec,size:hex", A(4096, 16, MMU_LOAD));
    refuses("4096 R\nhello R\n", "address,type", 1, MMU_ERR_FORMAT,
            ":2:1: found 'hello R', expected an address, dec");
    READS("4096\n", "address:hex", A(0x4096, 8, MMU_LOAD));
    is_described("address:hex", "columns address:hex", 0);
    READS("18446744073709551615\n0xffffffffffffffff\n", "address", A(UINT64_MAX, 1, MMU_LOAD),
          A(UINT64_MAX, 1, MMU_LOAD));
}

/* A time that goes back is told as it stands, unless it is before the first one. */
static void marks_and_gaps(void **state)
{
    const struct mmu_access a[] = {
        A(1, 8, MMU_LOAD, .flags = MMU_AF_GAP, .gap = 5), A(2, 8, MMU_LOAD, .flags = MMU_AF_GAP, .gap = 0),
        A(3, 8, MMU_LOAD, .flags = MMU_AF_GAP, .gap = 4294967295),
        A(4, 8, MMU_LOAD, .flags = MMU_AF_GAP, .gap = 1), A(5, 8, MMU_LOAD, .flags = MMU_AF_GAP, .gap = 1)};
    const struct mmu_trace_mark marks[] = {
        M(0, MMU_MARK_PROCESS, 100), M(0, MMU_MARK_THREAD, 7), M(0, MMU_MARK_CPU, 0),
        M(0, MMU_MARK_TIME, 0),      M(1, MMU_MARK_TIME, 15),  M(2, MMU_MARK_CPU, 1),
        M(2, MMU_MARK_TIME, 10),     M(3, MMU_MARK_THREAD, 8), M(3, MMU_MARK_TIME, 5),
        M(4, MMU_MARK_PROCESS, 101), M(4, MMU_MARK_TIME, 0)};

    (void)state;
    reads_as("address,pid,tid,cpu,time,gap\n1,100,7,0,1000,5\n2,100,7,0,1015,0\n3,100,7,1,1010,4294967295\n"
             "4,100,8,1,1005,1\n5,0x65,8,1,999,1\n",
             NULL, a, 5, marks, sizeof marks / sizeof *marks);
    is_described(NULL, "columns address,pid,tid,cpu,time,gap", 1);
}

/* A mark on each line: they do not get lost where the room for them ends. */
static void many_marks(void **state)
{
    enum { N = 5000 };
    struct mmu_access *a = calloc(N, sizeof *a);
    struct mmu_trace_mark *marks = calloc(N, sizeof *marks);
    FILE *file = fopen(path, "wb");

    (void)state;
    assert_non_null(a);
    assert_non_null(marks);
    assert_non_null(file);
    fputs("cpu address\n", file);
    for (size_t i = 0; i < N; i++) {
        a[i] = A(4096 * i, 8, MMU_LOAD);
        marks[i] = M(i, MMU_MARK_CPU, i % 8);
        fprintf(file, "%zu %zu\n", i % 8, 4096 * i);
    }
    assert_int_equal(fclose(file), 0);
    assert_whole(path, MMU_TRACE_COLUMNS, NULL, true, a, N, marks, N);
    free(a);
    free(marks);
}

static void refused_lines(void **state)
{
    (void)state;
    refuses("1,R\nx,R\n", "address,type", 1, MMU_ERR_FORMAT,
            ":2:1: found 'x,R', expected an address, decimal or with 0x");
    refuses("1,R\n12ab,R\n", "address:dec,type", 1, MMU_ERR_FORMAT,
            ":2:1: found '12ab,R', expected an address, decimal");
    refuses("1,R\n,R\n", "address,type", 1, MMU_ERR_FORMAT, ":2:1: found ',R', expected an address");
    refuses("1,Q\n", "address,type", 0, MMU_ERR_FORMAT, ":1:3: found 'Q', expected a type: R, L, 0 load;");
    refuses("1,\n", "address,type", 0, MMU_ERR_FORMAT, ":1:3: found the end of the line, expected a type");
    refuses("1,0\n", "address,size", 0, MMU_ERR_RANGE, ":1:3: found '0', expected a size of 1 to 4096 bytes");
    refuses("1 4097\n", "address,size", 0, MMU_ERR_RANGE,
            ":1:3: found '4097', expected a size of 1 to 4096 bytes");
    refuses("1 4294967296\n", "address,gap", 0, MMU_ERR_RANGE,
            ":1:3: found '4294967296', expected a gap of 0 to");
    refuses("18446744073709551616\n", "address", 0, MMU_ERR_RANGE,
            ":1:1: found '18446744073709551616', expected an");
    refuses("2 0xffffffffffffffff\n", "size,address", 0, MMU_ERR_RANGE,
            ":1:3: found '0xffffffffffffffff', expected a reference that ends below 2^64");
    refuses("1 R 8 1 2 3\n", NULL, 0, MMU_ERR_FORMAT,
            ":1: more than 5 columns without names, expected --columns");
    refuses("1 R -8\n", NULL, 0, MMU_ERR_FORMAT, ":1:5: found '-8', expected a size of 1 to 4096 bytes");
}

static void refused_names(void **state)
{
    (void)state;
    write_text(path, "1\n");
    assert_ends_badly(path, MMU_TRACE_COLUMNS, "adress,type", 0, MMU_ERR_INVALID,
                      "--columns adress,type: unknown column 'adress'; did you mean 'address'?");
    assert_ends_badly(path, MMU_TRACE_AUTO, "type", 0, MMU_ERR_INVALID,
                      "--columns type: no column is the address");
    assert_ends_badly(path, MMU_TRACE_AUTO, "", 0, MMU_ERR_INVALID, "--columns : no column is the address");
    assert_ends_badly(path, MMU_TRACE_AUTO, "address,va", 0, MMU_ERR_INVALID,
                      "--columns address,va: twice the column 'va'");
    assert_ends_badly(
        path, MMU_TRACE_AUTO, "address:oct", 0, MMU_ERR_INVALID,
        "--columns address:oct: a column's base is :hex or :dec, and numbers alone have one: 'address:oct'");
    assert_ends_badly(path, MMU_TRACE_AUTO, "address,type:hex", 0, MMU_ERR_INVALID,
                      "--columns address,type:hex: a column's");
    /* Nobody named the columns, and nothing says what they are. */
    assert_ends_badly(
        path, MMU_TRACE_AUTO, NULL, 0, MMU_ERR_FORMAT,
        ":1:1: found '1', expected a reference: I, L, S or M, an address in hexadecimal, a comma and "
        "a size; plain columns need --columns");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(names, before),
        cmocka_unit_test_setup(missing, before),
        cmocka_unit_test_setup(found_without_names, before),
        cmocka_unit_test_setup(separators, before),
        cmocka_unit_test_setup(quotes, before),
        cmocka_unit_test_setup(types, before),
        cmocka_unit_test_setup(bases, before),
        cmocka_unit_test_setup(marks_and_gaps, before),
        cmocka_unit_test_setup(many_marks, before),
        cmocka_unit_test_setup(refused_lines, before),
        cmocka_unit_test_setup(refused_names, before),
    };

    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
