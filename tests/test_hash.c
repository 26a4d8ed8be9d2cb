/* test_hash.c: base/hash against XXH64's published check values (the xxHash project's sanity test, as
 * libxxhash computes them). */
#include "hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

static void known_values(void **state)
{
    static const char text[] = "Call me Ishmael. Some years ago--never mind how long precisely-";
    (void)state;
    assert_true(hash_bytes("", 0, 0) == UINT64_C(0xef46db3751d8e999));
    assert_true(hash_bytes("a", 1, 0) == UINT64_C(0xd24ec4f1a98c6e5b));
    assert_true(hash_bytes("as", 2, 0) == UINT64_C(0x1c330fb2d66be179));
    assert_true(hash_bytes("asd", 3, 0) == UINT64_C(0x631c37ce72a97393));
    assert_true(hash_bytes("asdf", 4, 0) == UINT64_C(0x415872f599cea71e));
    assert_true(hash_bytes(text, sizeof text - 1, 0) == UINT64_C(0x02a2e85470d6fd96));
}

static void every_bit_counts(void **state)
{
    unsigned char bytes[80] = {0};
    (void)state;
    for (size_t n = 1; n <= sizeof bytes; n++) {
        uint64_t before = hash_bytes(bytes, n, 7);
        for (size_t bit = 0; bit < n * 8; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_true(hash_bytes(bytes, n, 7) != before);
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        assert_true(hash_bytes(bytes, n, 8) != before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_values), cmocka_unit_test(every_bit_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
