/* test_trace_text.c: the text form: what a line may be, what is refused and where, ends of buffers and files.
 */
#include "text.h"

#include "trace_files.h"

/* What grep counts in data/trace/true.lackey.gz. */
enum { REAL_FETCHES = 40456, REAL_LOADS = 7195, REAL_STORES = 1452, REAL_MODIFIES = 25, REAL_OTHERS = 24 };

static const char *path;

static int before(void **state)
{
    (void)state;
    path = in_scratch("t.txt");
    return 0;
}

/* One line gives these references. */
static void line_is(const char *line, size_t n, struct mmu_access first)
{
    struct mmu_access got[2], expected[2] = {first, first};
    struct mmu_error err;
    int count = text_parse_line(line, line + strlen(line), got, "f", 1, &err);
    char file[256];

    if (count < 0)
        fail_error(&err);
    assert_int_equal(count, n);
    expected[1].kind = MMU_KIND_PRIV(MMU_STORE, MMU_PRIV_OF(first.kind));
    expected[1].flags = MMU_AF_FOLLOWS;
    expected[1].gap = 0;
    assert_same(got, expected, n);
    /* The same by way of a file, which may take the fast path: with a newline, without, with CRLF. */
    for (int ending = 0; ending < 3; ending++) {
        snprintf(file, sizeof file, "%s%s", line, ending == 0 ? "\n" : ending == 1 ? "" : "\r\n");
        if (!*file)
            continue;
        write_text(path, file);
        assert_trace(path, 1, expected, n);
        assert_trace(path, 16, expected, n);
    }
}

/* A(va, size, kind[, .flags = ...]) */
#define A(va_, size_, ...) ((struct mmu_access){.va = (va_), .size = (size_), .kind = __VA_ARGS__})

static void lines_as_lackey_prints_them(void **state)
{
    (void)state;
    line_is("I  04001090,3", 1, A(0x4001090, 3, MMU_FETCH));
    line_is(" S 1ffeffe7e0,8", 1, A(0x1ffeffe7e0, 8, MMU_STORE));
    line_is(" L 1ffeffe7e0,16", 1, A(0x1ffeffe7e0, 16, MMU_LOAD));
    line_is(" M 0421c7cc,4", 2, A(0x421c7cc, 4, MMU_LOAD));
}

static void lines_as_people_write_them(void **state)
{
    (void)state;
    line_is("I 4001090,3", 1, A(0x4001090, 3, MMU_FETCH));
    line_is("I\t0x4001090,3", 1, A(0x4001090, 3, MMU_FETCH));
    line_is("  \t L 0XaBcDeF,003  \t", 1, A(0xabcdef, 3, MMU_LOAD));
    line_is("L 0,4096", 1, A(0, 4096, MMU_LOAD));
    line_is(" L 0000000000000000000000001,1", 1, A(1, 1, MMU_LOAD));
    line_is("S ffffffffffffffff,1", 1, A(UINT64_MAX, 1, MMU_STORE));
    line_is(" S ffffffffffffffff,1", 1, A(UINT64_MAX, 1, MMU_STORE));
    line_is(" S fffffffffffffff8,8", 1, A(UINT64_MAX - 7, 8, MMU_STORE));
}

static void words_behind_the_size(void **state)
{
    (void)state;
    line_is("L 1000,8 k", 1, A(0x1000, 8, MMU_KIND_PRIV(MMU_LOAD, MMU_SUPERVISOR)));
    line_is("I 1000,8 k", 1, A(0x1000, 8, MMU_KIND_PRIV(MMU_FETCH, MMU_SUPERVISOR)));
    line_is("S 1000,8 i +", 1, A(0x1000, 8, MMU_KIND_PRIV(MMU_STORE, MMU_IMPLICIT), .flags = MMU_AF_FOLLOWS));
    line_is("S 1000,8  g4294967295\t+", 1,
            A(0x1000, 8, MMU_STORE, .flags = MMU_AF_FOLLOWS | MMU_AF_GAP, .gap = UINT32_MAX));
    line_is("M 1000,8 g0 k", 2,
            A(0x1000, 8, MMU_KIND_PRIV(MMU_LOAD, MMU_SUPERVISOR), .flags = MMU_AF_GAP, .gap = 0));
}

static void lines_passed_over(void **state)
{
    static const char text[] =
        "==12== Lackey, an example Valgrind tool\n\n   \n\t# a comment\r\n--12-- x\n**12** y\nI  1000,1\n"
        "==00:00:00:00.123 12== \n#";
    struct mmu_trace_reader *r;
    struct mmu_trace_info info;
    struct mmu_access a[4];
    (void)state;
    write_text(path, text);
    assert_trace(path, 3, &A(0x1000, 1, MMU_FETCH), 1);
    assert_int_equal(mmu_trace_open(path, MMU_TRACE_TEXT, &r, NULL), MMU_OK);
    mmu_trace_info(r, &info);
    assert_false(info.has_fetches);
    assert_int_equal(mmu_trace_read(r, a, 4, NULL), 1);
    assert_int_equal(mmu_trace_read(r, a, 4, NULL), 0);
    mmu_trace_info(r, &info);
    assert_int_equal(info.skipped, 8);
    assert_int_equal(info.format, MMU_TRACE_TEXT);
    assert_true(info.has_fetches);
    assert_false(info.has_count);
    assert_int_equal(info.kinds[MMU_FETCH], 1);
    mmu_trace_close(r);
}

static void lines_refused(void **state)
{
    static const struct {
        const char *line;
        int code;
        const char *message;
    } bad[] = {
        {"  X 1000,4", MMU_ERR_FORMAT, ":3:3: found 'X 1000,4', expected a reference"},
        {"i  1000,4", MMU_ERR_FORMAT, ":3:1: found 'i  1000,4', expected a reference"},
        {"I  ", MMU_ERR_FORMAT, ":3:4: found the end of the line, expected an address"},
        {"I  ,4", MMU_ERR_FORMAT, ":3:4: found ',4', expected an address"},
        {"I  0x,4", MMU_ERR_FORMAT, ":3:5: found 'x,4', expected a comma"},
        {"I  -1,4", MMU_ERR_FORMAT, ":3:4: found '-1,4', expected an address"},
        {"I  1000", MMU_ERR_FORMAT, ":3:8: found the end of the line, expected a comma"},
        {"I  1000 ,4", MMU_ERR_FORMAT, ":3:8: found ' ,4', expected a comma"},
        {"I  1000,", MMU_ERR_FORMAT, ":3:9: found the end of the line, expected a size"},
        {"I  1000,x", MMU_ERR_FORMAT, ":3:9: found 'x', expected a size"},
        {"I  1000,0", MMU_ERR_RANGE, ":3:9: found '0', expected a size of 1 to 4096 bytes"},
        {"I  1000,4097", MMU_ERR_RANGE, ":3:9: found '4097', expected a size of 1 to 4096 bytes"},
        {"I  1000,18446744073709551615", MMU_ERR_RANGE,
         ":3:9: found '18446744073709551615', expected a size"},
        {"I  1000,18446744073709551617", MMU_ERR_RANGE,
         ":3:9: found '18446744073709551617', expected a size"},
        {"I  10000000000000000,1", MMU_ERR_RANGE, ":3:4: found '10000000000000000,1', expected an address"},
        {" L 10000000000000000,1", MMU_ERR_RANGE, ":3:4: found '10000000000000000,1', expected an address"},
        {" L ffffffffffffffff,2", MMU_ERR_RANGE,
         ":3:4: found 'ffffffffffffffff,2', expected a reference that ends below 2^64"},
        {"I  1000,4 u", MMU_ERR_FORMAT, ":3:11: found 'u', expected k, i, + or gN"},
        {"I  1000,4 i", MMU_ERR_FORMAT, ":3:11: found 'i', expected k, i, + or gN"},
        {"I  1000,4 k k", MMU_ERR_FORMAT, ":3:13: found 'k', expected k, i, + or gN"},
        {"I  1000,4k", MMU_ERR_FORMAT, ":3:10: found 'k', expected k, i, + or gN"},
        {"I  1000,4 kx", MMU_ERR_FORMAT, ":3:12: found 'x', expected k, i, + or gN"},
        {"I  1000,4 g", MMU_ERR_FORMAT, ":3:12: found the end of the line, expected a gap"},
        {"I  1000,4 g4294967296", MMU_ERR_RANGE,
         ":3:12: found '4294967296', expected a gap of 0 to 4294967295 cycles"},
        {"I  1000,4 g18446744073709551615", MMU_ERR_RANGE,
         ":3:12: found '18446744073709551615', expected a gap"},
        {"I  1000,4,5", MMU_ERR_FORMAT, ":3:10: found ',5', expected k, i, + or gN"},
    };
    char file[512];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (int newline = 0; newline < 2; newline++) {
            snprintf(file, sizeof file, "I  1000,4\n M 2000,4\n%s%s", bad[i].line,
                     newline ? "\n L 1,1\n" : "");
            write_text(path, file);
            assert_refused(path, 3, bad[i].code, bad[i].message);
        }
    }
}

/* The program's own output between the references is passed over and counted; but not nothing else. */
static void lines_that_are_nothing(void **state)
{
    static const char *const lines[] = {
        "hello",         "=12= x",         "== x",     "I",
        "I1000,4",       "I am here",      "S a be",   "La 1000,4",
        "M is, 4 of it", "1000: 4, 5",     "I see, 5", "a long line\tof more than a few words",
        "address,size",  "\"quoted\", yes"};
    char file[512], message[200];
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct mmu_trace_reader *r;
        struct mmu_trace_info info;
        struct mmu_access a[5];
        snprintf(file, sizeof file, "%s\nI  1000,4\n%s\n M 2000,4\n%s", lines[i], lines[i], lines[i]);
        write_text(path, file);
        assert_int_equal(mmu_trace_open(path, MMU_TRACE_AUTO, &r, NULL), MMU_OK);
        assert_int_equal(mmu_trace_read(r, a, 5, NULL), 3);
        assert_int_equal(mmu_trace_read(r, a, 5, NULL), 0);
        mmu_trace_info(r, &info);
        assert_int_equal(info.format, MMU_TRACE_TEXT);
        assert_int_equal(info.skipped, 3);
        mmu_trace_close(r);
        snprintf(file, sizeof file, "# nothing\n%s\n\n%s\n", lines[i], lines[i]);
        snprintf(message, sizeof message, ":2:1: found '%.20s", lines[i]);
        message[strcspn(message, "\t")] = 0;
        write_text(path, file);
        assert_int_equal(mmu_trace_open(path, MMU_TRACE_TEXT, &r, NULL), MMU_OK);
        mmu_trace_close(r);
        assert_refused_as(path, MMU_TRACE_TEXT, 0, MMU_ERR_FORMAT, message);
    }
}

/* The same of lines too long to be looked at, with and without an end, in the reader's buffer and beyond it.
 */
static void a_long_line_that_is_nothing(void **state)
{
    static const size_t lengths[] = {4095, 4096, 4097, 32797, 3 << 20};
    char *file = malloc((3 << 20) + 2);
    (void)state;
    assert_non_null(file);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t newline = 0; newline < 2; newline++) {
            memset(file, 'q', lengths[i]);
            file[lengths[i]] = '\n';
            file[lengths[i] + newline] = 0;
            write_text(path, file);
            assert_refused_as(path, MMU_TRACE_TEXT, 0, MMU_ERR_FORMAT, ":1:1: found 'qqqqqqqqq");
        }
    free(file);
}

/* Lines of all lengths at all places of the reader's buffer: references, comments and blanks in turn. */
static void lines_across_buffers(void **state)
{
    struct rng r;
    size_t n = 0, room = 60000;
    struct mmu_access *a = calloc(room + 2, sizeof *a);
    FILE *file = fopen(path, "wb");
    (void)state;
    assert_non_null(file);
    assert_non_null(a);
    rng_seed(&r, test_seed(), 0);
    while (n < room) {
        uint64_t va = rng_next(&r) >> (4 + rng_below(&r, 60));
        unsigned size = 1 + rng_below(&r, 4096), what = rng_below(&r, 100);
        if (what < 5) {
            fprintf(file, "# %*s\n", (int)rng_below(&r, 9000), "");
        } else if (what < 7) {
            fputs("\n", file);
        } else {
            fprintf(file, "%s%llx,%u%*s\n",
                    what < 40   ? "I  "
                    : what < 70 ? " L "
                                : " M ",
                    (unsigned long long)va, size, what % 10 ? 0 : (int)rng_below(&r, 50), "");
            a[n] = A(va, (uint16_t)size, what < 40 ? MMU_FETCH : MMU_LOAD);
            n++;
            if (what >= 70) {
                a[n] = A(va, (uint16_t)size, MMU_STORE, .flags = MMU_AF_FOLLOWS);
                n++;
            }
        }
    }
    fclose(file);
    for (size_t step = 1; step < 100000; step = step * 7 + 1)
        assert_trace(path, step, a, n);
    free(a);
}

static void lines_without_end(void **state)
{
    size_t n = 3000000;
    char *text = malloc(n + 1);
    (void)state;
    assert_non_null(text);
    memset(text, 'x', n);
    text[n] = 0;
    memcpy(text, "I  1,1\n", 7);
    write_text(path, text);
    assert_trace(path, 9, &A(1, 1, MMU_FETCH), 1);
    memset(text + 7, ' ', n - 7);
    write_text(path, text);
    assert_trace(path, 9, &A(1, 1, MMU_FETCH), 1);
    memcpy(text + 7, "I  2,1", 6); /* a reference and blanks without end */
    write_text(path, text);
    assert_refused(path, 1, MMU_ERR_FORMAT, ":2:4096: the line is too long");
    memset(text + 7, 'f', n - 7);
    memcpy(text + 7, "I  ", 3);
    write_text(path, text);
    assert_refused(path, 1, MMU_ERR_RANGE, ":2:4: found 'fffffffffffffffffffffffff...', expected an address");
    text[7] = '#';
    memcpy(text + n - 7, "\nI  2,1", 7);
    write_text(path, text);
    assert_trace(path, 9, (struct mmu_access[]){A(1, 1, MMU_FETCH), A(2, 1, MMU_FETCH)}, 2);
    free(text);
}

static void bytes_that_are_no_text(void **state)
{
    char text[1 << 13];
    (void)state;
    memset(text, ' ', sizeof text);
    memcpy(text, "I  1,1\n", 7);
    memcpy(text + 6000, "\nI\0 2,1", 7);
    write_bytes(path, text, sizeof text);
    assert_refused(path, 1, MMU_ERR_FORMAT, ":3:2: found '? 2,1  ");
    memcpy(text + 6000, "\n\0\0\0\xff\xfe", 6);
    write_bytes(path, text, sizeof text);
    assert_refused(path, 1, MMU_ERR_FORMAT, ":3:1: found '?????");
}

/* What Valgrind 3.19's Lackey printed for a static program whose main() returns at once. */
static void a_real_recording(void **state)
{
    struct mmu_trace_reader *r;
    struct mmu_trace_info info;
    struct mmu_access a[512];
    struct mmu_error err;
    int64_t n;
    (void)state;
    if (mmu_trace_open(MMUSIM_TEST_DATA "/trace/true.lackey.gz", MMU_TRACE_AUTO, &r, &err))
        fail_error(&err);
    while ((n = mmu_trace_read(r, a, 512, &err)) > 0)
        ;
    if (n < 0)
        fail_error(&err);
    mmu_trace_info(r, &info);
    /* Counted with grep. */
    assert_int_equal(info.kinds[MMU_FETCH], REAL_FETCHES);
    assert_int_equal(info.kinds[MMU_LOAD], REAL_LOADS + REAL_MODIFIES);
    assert_int_equal(info.kinds[MMU_STORE], REAL_STORES + REAL_MODIFIES);
    assert_int_equal(info.skipped, REAL_OTHERS);
    mmu_trace_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lines_as_lackey_prints_them, before),
        cmocka_unit_test_setup(lines_as_people_write_them, before),
        cmocka_unit_test_setup(words_behind_the_size, before),
        cmocka_unit_test_setup(lines_passed_over, before),
        cmocka_unit_test_setup(lines_refused, before),
        cmocka_unit_test_setup(lines_that_are_nothing, before),
        cmocka_unit_test_setup(a_long_line_that_is_nothing, before),
        cmocka_unit_test_setup(lines_across_buffers, before),
        cmocka_unit_test_setup(lines_without_end, before),
        cmocka_unit_test_setup(bytes_that_are_no_text, before),
        cmocka_unit_test(a_real_recording),
    };
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
