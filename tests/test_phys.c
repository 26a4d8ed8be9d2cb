/*
 * test_phys.c: simulated memory: bytes come back, holes do not answer, nothing untouched costs anything.
 */
#include "dice.h"
#include "phys.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

static void test_untouched(void **state)
{
    (void)state;
    struct phys p;
    uint8_t bytes[10000];
    assert_int_equal(phys_init(&p, 52), MMU_OK);
    memset(bytes, 1, sizeof bytes);
    assert_int_equal(phys_read(&p, BIT(52) - sizeof bytes, bytes, sizeof bytes), MMU_OK);
    for (size_t i = 0; i < sizeof bytes; i++)
        assert_int_equal(bytes[i], 0);
    uint64_t value = 1;
    assert_true(phys_load(&p, BIT(51), 8, &value));
    assert_int_equal(value, 0);
    assert_int_equal(phys_host_bytes(&p), 0);
    assert_false(phys_exchange(&p, BIT(51), 8, 1, 2)); /* holds 0 */
    assert_int_equal(phys_read(&p, BIT(52) - 4, bytes, 5), MMU_ERR_NORAM);
    assert_int_equal(phys_read(&p, ~UINT64_C(0), bytes, 1), MMU_ERR_NORAM);
    assert_int_equal(phys_read(&p, ~UINT64_C(0), bytes, 4096), MMU_ERR_NORAM);
    phys_destroy(&p);
}

/* Reads and writes of any size and alignment, around a few far-apart places, against plain arrays. */
static void test_random(void **state)
{
    (void)state;
    enum { PLACES = 5, ROOM = 6 * PAGE_SIZE };
    static uint8_t mirror[PLACES][ROOM], got[ROOM], put[ROOM];
    const mmu_pa place[PLACES] = {0, BIT(24) - 3 * PAGE_SIZE, BIT(36) - 2 * PAGE_SIZE, BIT(51) + 0x123000,
                                  BIT(52) - ROOM};
    struct dice dice = dice_new("phys", 1);
    struct phys p;
    memset(mirror, 0, sizeof mirror);
    assert_int_equal(phys_init(&p, 52), MMU_OK);
    for (unsigned i = 0; i < 20000; i++) {
        if (dice_once_in(&dice, 5000)) {
            phys_clear(&p);
            assert_int_equal(p.touched, 0);
            memset(mirror, 0, sizeof mirror);
        }
        unsigned at = dice_below(&dice, PLACES);
        size_t from = dice_below(&dice, ROOM),
               size = dice_once_in(&dice, 3) ? dice_below(&dice, ROOM) : dice_below(&dice, 16);
        size = size < ROOM - from ? size : ROOM - from;
        if (size == 0)
            continue;
        if (dice_once_in(&dice, 20)) { /* whole pages are dropped, and read as zeros */
            mmu_pfn first = (place[at] + from) >> PAGE_SHIFT, end = (place[at] + from + size) >> PAGE_SHIFT;
            uint64_t bytes = phys_host_bytes(&p);
            phys_discard(&p, first, end - first);
            if (first < end)
                memset(mirror[at] + ((first << PAGE_SHIFT) - place[at]), 0, (end - first) << PAGE_SHIFT);
            assert_true(phys_host_bytes(&p) == bytes); /* kept for others */
            phys_check(&p);
            continue;
        }
        if (dice_once_in(&dice, 2)) {
            for (size_t k = 0; k < size; k++)
                put[k] = (uint8_t)dice_next(&dice);
            assert_int_equal(phys_write(&p, place[at] + from, put, size), MMU_OK);
            memcpy(mirror[at] + from, put, size);
        } else {
            assert_int_equal(phys_read(&p, place[at] + from, got, size), MMU_OK);
            assert_memory_equal(got, mirror[at] + from, size);
        }
    }
    phys_check(&p);
    assert_true(p.touched <= PLACES * ROOM / PAGE_SIZE);
    phys_destroy(&p);
}

static void test_entries(void **state)
{
    (void)state;
    struct phys p;
    uint64_t value = UINT64_C(0x1122334455667788);
    assert_int_equal(phys_init(&p, 40), MMU_OK);
    assert_int_equal(phys_write(&p, 0x5ff8, &value, 8), MMU_OK);
    assert_true(phys_load(&p, 0x5ff8, 8, &value));
    assert_int_equal(value, UINT64_C(0x1122334455667788));
    assert_true(phys_load(&p, 0x5ffc, 4, &value));
    assert_int_equal(value, 0x11223344);
    assert_false(phys_exchange(&p, 0x5ff8, 4, 0x55667789, 1));
    assert_true(phys_exchange(&p, 0x5ff8, 4, 0x55667788, 0xaabbccdd));
    assert_true(phys_load(&p, 0x5ff8, 8, &value));
    assert_int_equal(value, UINT64_C(0x11223344aabbccdd)); /* the upper half stays */
    assert_true(phys_exchange(&p, 0x5ff8, 8, value, 5));
    assert_true(phys_load(&p, 0x5ff8, 8, &value));
    assert_int_equal(value, 5);
    phys_destroy(&p);
}

static void test_ram_map(void **state)
{
    (void)state;
    struct phys p;
    uint8_t bytes[2 * PAGE_SIZE];
    uint64_t value;
    const struct phys_range map[] = {
        {0x8000, 0xa000}, {0x1000, 0x2000}, {0x4000, 0x8000}, {BIT(39), BIT(40)}};
    assert_int_equal(phys_init(&p, 40), MMU_OK);
    assert_int_equal(phys_set_ram(&p, map, 4), MMU_OK);
    const struct {
        mmu_pa pa;
        uint64_t size;
        bool answers;
    } ask[] = {
        {0, 1, false},
        {0xfff, 1, false},
        {0xfff, 2, false},
        {0x1000, 1, true},
        {0x1000, 0x1000, true},
        {0x1000, 0x1001, false},
        {0x1fff, 2, false},
        {0x2000, 1, false},
        {0x7ffc, 8, true}, /* two ranges side by side */
        {0x4000, 0x6000, true},
        {0x4000, 0x6001, false},
        {0xa000, 1, false},
        {BIT(39) - 1, 1, false},
        {BIT(39), BIT(39), true},
        {BIT(40) - 1, 1, true},
        {BIT(40) - 1, 2, false},
        {BIT(40), 1, false},
        {~UINT64_C(0), ~UINT64_C(0), false},
        {0x1000, ~UINT64_C(0), false},
    };
    for (unsigned i = 0; i < COUNT_OF(ask); i++)
        assert_int_equal(phys_answers(&p, ask[i].pa, ask[i].size), ask[i].answers);
    memset(bytes, 0xee, sizeof bytes);
    assert_int_equal(phys_write(&p, 0x1800, bytes, 0x1000), MMU_ERR_NORAM);
    assert_int_equal(p.touched, 0); /* nothing of it was written */
    assert_int_equal(phys_read(&p, 0x1800, bytes, 0x1000), MMU_ERR_NORAM);
    assert_int_equal(bytes[0], 0xee);
    assert_false(phys_load(&p, 0x3000, 8, &value));
    assert_true(phys_load(&p, 0x7000, 8, &value));
    assert_false(phys_exchange(&p, 0x3000, 8, 0, 1));
    assert_int_equal(phys_write(&p, 0x7800, bytes, 0x1000), MMU_OK);
    assert_int_equal(p.touched, 2);
    phys_check(&p);
    phys_destroy(&p);
}

/* Host memory follows what is written, not where; clearing gives it back to the next writer. */
static void test_cost(void **state)
{
    (void)state;
    enum { PAGES = 3000 };
    struct phys p;
    struct dice dice = dice_new("cost", 2);
    assert_int_equal(phys_init(&p, 40), MMU_OK);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < PAGES; i++) {
            mmu_pa pa = BIT(39) + i * UINT64_C(0x1000);
            uint64_t value = pa ^ 0x5a5a;
            assert_int_equal(phys_write(&p, pa + 8 * dice_below(&dice, 2), &value, 8), MMU_OK);
        }
        assert_int_equal(p.touched, PAGES);
        uint64_t bytes = phys_host_bytes(&p);
        assert_true(bytes >= PAGES * PAGE_SIZE && bytes < PAGES * PAGE_SIZE + (1 << 20));
        phys_check(&p);
        phys_clear(&p);
        uint64_t value = 1;
        assert_true(phys_load(&p, BIT(39), 8, &value));
        assert_int_equal(value, 0);
        phys_check(&p);
    }
    phys_destroy(&p);
}

struct own {
    uint64_t word[512];
    unsigned reads, exchanges;
};

static bool own_read(void *ctx, mmu_pa pa, unsigned size, uint64_t *value)
{
    struct own *o = ctx;
    o->reads++;
    if (pa >= sizeof o->word)
        return false;
    *value = 0;
    memcpy(value, (uint8_t *)o->word + pa, size);
    return true;
}

static bool own_exchange(void *ctx, mmu_pa pa, unsigned size, uint64_t old, uint64_t new_value)
{
    struct own *o = ctx;
    o->exchanges++;
    if (memcmp((uint8_t *)o->word + pa, &old, size) != 0)
        return false;
    memcpy((uint8_t *)o->word + pa, &new_value, size);
    return true;
}

static void test_callers_own(void **state)
{
    (void)state;
    struct phys p;
    static struct own own;
    uint64_t value;
    assert_int_equal(phys_init(&p, 40), MMU_OK);
    p.ops = (struct mmu_memory_ops){own_read, own_exchange, &own};
    own.word[3] = 77;
    assert_true(phys_load(&p, 24, 8, &value));
    assert_int_equal(value, 77);
    assert_false(phys_load(&p, 4096, 8, &value));
    assert_false(phys_exchange(&p, 24, 8, 76, 1));
    assert_true(phys_exchange(&p, 24, 8, 77, 78));
    assert_int_equal(own.word[3], 78);
    assert_int_equal(own.reads, 2);
    assert_int_equal(own.exchanges, 2);
    assert_int_equal(phys_host_bytes(&p), 0);

    uint8_t got[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}; /* bytes, whatever their alignment */
    own.word[3] = 0x8877665544332211;
    assert_int_equal(phys_read(&p, 21, got, 9), MMU_OK);
    assert_memory_equal(got, "\0\0\0\x11\x22\x33\x44\x55\x66", 9);
    assert_int_equal(phys_read(&p, 30, got, 1), MMU_OK);
    assert_int_equal(got[0], 0x77);
    assert_int_equal(phys_read(&p, sizeof own.word, got, 0), MMU_OK);
    memset(got, 9, sizeof got); /* nothing is read where a part does not answer */
    assert_int_equal(phys_read(&p, sizeof own.word - 8, got, 9), MMU_ERR_NORAM);
    assert_int_equal(phys_read(&p, BIT(40) - 1, got, 2), MMU_ERR_NORAM);
    assert_int_equal(phys_read(&p, UINT64_MAX, got, 2), MMU_ERR_NORAM);
    assert_int_equal(phys_read(&p, 0, got, SIZE_MAX), MMU_ERR_NORAM);
    assert_memory_equal(got, "\t\t\t\t\t\t\t\t\t", 9);
    assert_int_equal(phys_write(&p, 24, got, 8), MMU_ERR_UNSUPPORTED); /* the caller writes */
    assert_true(phys_load(&p, 24, 8, &value));
    assert_int_equal(value, 0x8877665544332211);
    assert_int_equal(phys_host_bytes(&p), 0);
    phys_destroy(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untouched), cmocka_unit_test(test_random), cmocka_unit_test(test_entries),
        cmocka_unit_test(test_ram_map),   cmocka_unit_test(test_cost),   cmocka_unit_test(test_callers_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
