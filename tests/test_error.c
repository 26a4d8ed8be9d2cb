/* test_error.c: base/error: places, cutting of what is too long, suggestions. */
#include "error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check(const struct mmu_error *err, const char *expected)
{
    char line[1024];
    assert_string_equal(mmu_error_format(err, line, sizeof line), expected);
}

static void every_status_has_its_text(void **state)
{
    (void)state;
    assert_string_equal(mmu_status_text(MMU_OK), "success");
    assert_string_equal(mmu_status_text(MMU_ERR_CHECKSUM), "checksum mismatch");
    assert_string_equal(mmu_status_text(MMU_ERR_EXHAUSTED), "simulated memory is exhausted");
    assert_string_equal(mmu_status_text(1), "unknown status");
    assert_string_equal(mmu_status_text(-1000), "unknown status");
}

static void places_are_told(void **state)
{
    struct mmu_error err;
    (void)state;
    memset(&err, 0xff, sizeof err);
    assert_int_equal(err_set(&err, MMU_ERR_RANGE, "%d is too many", 7), MMU_ERR_RANGE);
    check(&err, "7 is too many");
    assert_false(err.has_offset);
    assert_int_equal(err.line, 0);
    assert_int_equal(err_at(&err, MMU_ERR_FORMAT, "a.yaml", 3, 9, "no such key '%s'", "wyas"),
                     MMU_ERR_FORMAT);
    check(&err, "a.yaml:3:9: no such key 'wyas'");
    err_at(&err, MMU_ERR_FORMAT, "a.yaml", 3, 0, "bad");
    check(&err, "a.yaml:3: bad");
    err_at(&err, MMU_ERR_FORMAT, "a.yaml", 0, 0, "bad");
    check(&err, "a.yaml: bad");
    err_at(&err, MMU_ERR_FORMAT, NULL, 3, 9, "bad");
    check(&err, "line 3:9: bad");
    assert_int_equal(err_offset(&err, MMU_ERR_CHECKSUM, "t.mmt", UINT64_MAX, "block %d", 2),
                     MMU_ERR_CHECKSUM);
    check(&err, "t.mmt: byte 18446744073709551615: block 2");
    assert_true(err.has_offset);
    err_offset(&err, MMU_ERR_CHECKSUM, "t.mmt", 0, "%s", "");
    check(&err, "t.mmt: byte 0: checksum mismatch");
}

static void nobody_has_to_listen(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, MMU_ERR_IO, "x"), MMU_ERR_IO);
    assert_int_equal(err_at(NULL, MMU_ERR_IO, "f", 1, 1, "x"), MMU_ERR_IO);
    assert_int_equal(err_offset(NULL, MMU_ERR_IO, "f", 1, "x"), MMU_ERR_IO);
}

static void what_is_too_long_is_cut(void **state)
{
    static char big[5000];
    char small[8], one[1] = {'x'};
    struct mmu_error err;
    (void)state;
    memset(big, 'a', sizeof big - 1);
    err_at(&err, MMU_ERR_FORMAT, big, 1, 2, "%s", big);
    assert_int_equal(strlen(err.file), sizeof err.file - 1);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_string_equal(mmu_error_format(&err, small, sizeof small), "aaaaaaa");
    assert_string_equal(mmu_error_format(&err, one, sizeof one), "");
    assert_ptr_equal(mmu_error_format(&err, small, 0), small);
}

static void a_misspelt_word_is_recognised(void **state)
{
    static const char *const keys[] = {"ways", "sets", "latency", NULL, "replacement", "pages", "x"};
    static char big[300];
    size_t n = sizeof keys / sizeof *keys;
    (void)state;
    assert_string_equal(err_suggest("wyas", keys, n), "ways");
    assert_string_equal(err_suggest("latncy", keys, n), "latency");
    assert_string_equal(err_suggest("Latency", keys, n), "latency");
    assert_string_equal(err_suggest("replacment", keys, n), "replacement");
    assert_string_equal(err_suggest("page", keys, n), "pages");
    assert_string_equal(err_suggest("set", keys, n), "sets");
    assert_null(err_suggest("frequency", keys, n));
    assert_null(err_suggest("q", keys, n));
    assert_null(err_suggest("", keys, n));
    assert_null(err_suggest("ways", keys, 0));
    memset(big, 'w', sizeof big - 1);
    assert_null(err_suggest(big, keys, n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_text),     cmocka_unit_test(places_are_told),
        cmocka_unit_test(nobody_has_to_listen),          cmocka_unit_test(what_is_too_long_is_cut),
        cmocka_unit_test(a_misspelt_word_is_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
