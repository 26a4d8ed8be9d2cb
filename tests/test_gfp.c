/*
 * test_gfp.c: GFP masks in words, and what is wrong with those that are refused. Which zone a mask asks for
 * is compared with recorded kernels in test_alloc_drain.c.
 */
#include "dice.h"
#include <mmusim/mmusim.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

static uint32_t parsed(const char *text)
{
    uint32_t gfp = 0;
    struct mmu_error err;
    assert_int_equal(mmu_os_gfp_parse(text, &gfp, &err), MMU_OK);
    return gfp;
}

/* Values of Linux 6.1 (include/linux/gfp_types.h), as recorded kernels printed them. */
static void test_values(void **state)
{
    (void)state;
    assert_int_equal(parsed("GFP_KERNEL"), 0xcc0);
    assert_int_equal(parsed("GFP_ATOMIC"), 0xa20);
    assert_int_equal(parsed("GFP_KERNEL|__GFP_ZERO"), 0xdc0);
    assert_int_equal(parsed(" GFP_HIGHUSER_MOVABLE | __GFP_COMP "), 0x140cca);
    assert_int_equal(parsed("GFP_TRANSHUGE_LIGHT"), 0x1c20ca);
    assert_int_equal(parsed("GFP_TRANSHUGE"), 0x1c24ca);
    assert_int_equal(parsed("GFP_NOWAIT|__GFP_NOWARN"), 0x2800);
    assert_int_equal(parsed("0xcc0|__GFP_DMA"), 0xcc1);
    assert_int_equal(parsed("__GFP_RECLAIM"), 0xc00);
    assert_int_equal(parsed("0"), 0);
}

static void text_is(uint32_t gfp, const char *expected)
{
    char buf[256];
    assert_string_equal(mmu_os_gfp_text(gfp, buf, sizeof buf), expected);
}

static void test_text(void **state)
{
    (void)state;
    text_is(0xcc0, "GFP_KERNEL");
    text_is(0xa20, "GFP_ATOMIC");
    text_is(0xdc0, "GFP_KERNEL|__GFP_ZERO");
    text_is(0x100cca, "GFP_HIGHUSER_MOVABLE");
    text_is(0x2020, "__GFP_HIGH|__GFP_NOWARN");
    text_is(0xcc1, "GFP_KERNEL|GFP_DMA");
    text_is(0, "0");
    text_is(0x80000cc0, "GFP_KERNEL|0x80000000");
}

/* Every mask's words are read back as the mask; a buffer that is too small is not overrun. */
static void test_round_trip(void **state)
{
    (void)state;
    struct dice dice = dice_new("gfp", 1);
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t gfp = (uint32_t)dice_next(&dice) & (uint32_t)dice_next(&dice) & 0xffffff;
        char buf[512], small[40];
        assert_int_equal(parsed(mmu_os_gfp_text(gfp, buf, sizeof buf)), gfp);
        memset(small, '#', sizeof small);
        size_t room = dice_below(&dice, 33);
        mmu_os_gfp_text(gfp, small, room);
        for (size_t k = room; k < sizeof small; k++)
            assert_int_equal(small[k], '#');
        if (room)
            assert_true(memchr(small, 0, room) != NULL);
    }
}

static void refused(const char *text, const char *why)
{
    uint32_t gfp = 77;
    struct mmu_error err;
    assert_int_equal(mmu_os_gfp_parse(text, &gfp, &err), MMU_ERR_INVALID);
    assert_int_equal(gfp, 77);
    if (!strstr(err.message, why))
        fail_msg("'%s' does not say '%s'", err.message, why);
    assert_int_equal(mmu_os_gfp_parse(text, &gfp, NULL), MMU_ERR_INVALID);
}

static void test_errors(void **state)
{
    (void)state;
    refused("GFP_KERNAL", "'GFP_KERNAL', did you mean GFP_KERNEL?");
    refused("GFP_KERNEL|__GFP_ZEOR", "did you mean __GFP_ZERO?");
    refused("gfp_atomic_", "did you mean GFP_ATOMIC?");
    refused("banana", "unknown GFP flag 'banana'");
    refused("", "a word is missing");
    refused("GFP_KERNEL|", "a word is missing");
    refused("|GFP_KERNEL", "a word is missing");
    refused("0x1000000", "bits above 0xffffff");
    refused("99999999999999999999999", "bits above");
    refused("0xcc0x", "unknown GFP flag");
    refused("-1", "unknown GFP flag");
    refused("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
