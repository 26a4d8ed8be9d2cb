/* test_trace_din.c: Dinero's traditional and extended din: what a line may be, what is refused and where. */
#include "trace_foreign.h"

static const char *path;

static int before(void **state)
{
    (void)state;
    path = in_scratch("t.din");
    return 0;
}

static void reads_as(const char *text, uint64_t skipped, const struct mmu_access *a, size_t n)
{
    struct whole w;

    write_text(path, text);
    assert_whole(path, MMU_TRACE_DIN, NULL, true, a, n, NULL, 0);
    w = read_whole(path, MMU_TRACE_DIN, NULL, 100);
    assert_int_equal(w.info.skipped, skipped);
    whole_free(&w);
}

#define READS(text, skipped, ...)                                                                            \
    do {                                                                                                     \
        const struct mmu_access expected[] = {__VA_ARGS__};                                                  \
        reads_as(text, skipped, expected, sizeof expected / sizeof *expected);                               \
    } while (0)

static void traditional(void **state)
{
    (void)state;
    READS("2 0 This is an instruction fetch at hex address 0.\n"
          "0 1000 This is a data read at hex address 1000.\n"
          "1 70f60888 This is a data write at hex address 70f60888.\n",
          0, A(0, 4, MMU_FETCH), A(0x1000, 4, MMU_LOAD), A(0x70f60888, 4, MMU_STORE));
    READS("\t0\t 0x7FFEabc0\t\n  1 0X10\r\n2 00000000000000000401000", 0, A(0x7ffeabc0, 4, MMU_LOAD),
          A(0x10, 4, MMU_STORE), A(0x401000, 4, MMU_FETCH));
    READS("0 1\n4 0\n\n3 77\n# a comment\n   \r\n1 2\n", 5, A(1, 4, MMU_LOAD), A(2, 4, MMU_STORE));
    /* A reference without a size stays on its page. */
    READS("0 1ffe\n0 1ffc\n0 ffffffffffffffff\n", 0, A(0x1ffe, 2, MMU_LOAD), A(0x1ffc, 4, MMU_LOAD),
          A(UINT64_MAX, 1, MMU_LOAD));
}

static void extended(void **state)
{
    (void)state;
    READS("r 7ffe12345678 8\nw 10 10 comment\ni 401000 3\nR 1 1\nW 2 1000\nI 3 F\nm 4 4\nC 5 4\nv 6 4\n", 3,
          A(0x7ffe12345678, 8, MMU_LOAD), A(0x10, 16, MMU_STORE), A(0x401000, 3, MMU_FETCH),
          A(1, 1, MMU_LOAD), A(2, 4096, MMU_STORE), A(3, 15, MMU_FETCH));
    /* With 0x it might be anybody's columns: it has to be said. */
    write_text(path, "r 0x10 0x10\n");
    assert_whole(path, MMU_TRACE_DIN, NULL, false, (struct mmu_access[]){A(0x10, 16, MMU_LOAD)}, 1, NULL, 0);
}

static void refuses(const char *text, size_t n, int code, const char *message)
{
    write_text(path, text);
    assert_ends_badly(path, MMU_TRACE_DIN, NULL, n, code, message);
}

static void refused(void **state)
{
    const size_t longest = 262143;
    char *text = malloc(longest + 100);

    (void)state;
    assert_non_null(text);
    refuses("0 1\n5 2\n", 1, MMU_ERR_FORMAT,
            ":2:1: found '5 2', expected a label: 0 read, 1 write, 2 fetch, 3 or 4");
    refuses("0 1\n0 2\n I  04001090,3\n", 2, MMU_ERR_FORMAT,
            ":3:13: found ',3', expected a blank or the end of the line behind the address");
    refuses("01 1\n", 0, MMU_ERR_FORMAT, ":1:2: found '1 1', expected a blank behind the label");
    refuses("0\n", 0, MMU_ERR_FORMAT, ":1:2: found the end of the line, expected a blank behind the label");
    refuses("0 \n", 0, MMU_ERR_FORMAT, ":1:3: found the end of the line, expected an address in hexadecimal");
    refuses("0 12g\n", 0, MMU_ERR_FORMAT, ":1:5: found 'g', expected a blank or the end of the line");
    refuses("0 0x\n", 0, MMU_ERR_FORMAT, ":1:3: found '0x', expected an address in hexadecimal below 2^64");
    refuses("2 10000000000000000\n", 0, MMU_ERR_RANGE,
            ":1:3: found '10000000000000000', expected an address");
    refuses("r 10\n", 0, MMU_ERR_FORMAT,
            ":1:5: found the end of the line, expected a size of 1 to 1000 bytes");
    refuses("r 10 0\n", 0, MMU_ERR_RANGE,
            ":1:6: found '0', expected a size of 1 to 1000 bytes in hexadecimal");
    refuses("r 10 1001\n", 0, MMU_ERR_RANGE, ":1:6: found '1001', expected a size of 1 to 1000 bytes");
    refuses("r ffffffffffffffff 2\n", 0, MMU_ERR_RANGE,
            ":1:3: found 'ffffffffffffffff 2', expected a reference that ends below 2^64");
    /* The longest line that is read, and one that is longer. */
    for (size_t more = 0; more < 2; more++) {
        size_t n = (size_t)sprintf(text, "0 1\n0 2 ");
        memset(text + n, 'x', longest);
        strcpy(text + 4 + longest + more, "\n1 3\n");
        if (more)
            refuses(text, 1, MMU_ERR_FORMAT,
                    ":2:262144: the line is too long, expected at most 262143 characters");
        else
            READS(text, 0, A(1, 4, MMU_LOAD), A(2, 4, MMU_LOAD), A(3, 4, MMU_STORE));
    }
    free(text);
}

/* The window over the file ends in the middle of lines, everywhere. */
static void long_files(void **state)
{
    struct rng r;
    const size_t n = 200000;
    struct mmu_access *a = calloc(n, sizeof *a);
    FILE *file = fopen(path, "wb");

    (void)state;
    rng_seed(&r, test_seed(), 0);
    assert_non_null(a);
    assert_non_null(file);
    for (size_t i = 0; i < n; i++) {
        a[i] = A((rng_next(&r) >> rng_below(&r, 60)) & ~(uint64_t)7, 4, (uint8_t)rng_below(&r, 3));
        fprintf(file, "%c %llx%s\n", "201"[a[i].kind], (unsigned long long)a[i].va,
                rng_below(&r, 4) ? "" : " with a comment behind it");
    }
    assert_int_equal(fclose(file), 0);
    assert_whole(path, MMU_TRACE_DIN, NULL, true, a, n, NULL, 0);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(traditional, before), cmocka_unit_test_setup(extended, before),
        cmocka_unit_test_setup(refused, before), cmocka_unit_test_setup(long_files, before)};

    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
