/*
 * test_ranges.c: the ordered set of ranges against a plain array of addresses.
 */
#include "dice.h"
#include "ranges.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

enum { SPACE = 512, NODES = SPACE };

/* owner[a] is the number of the range that holds address a, plus 1; 0: none does. */
struct model {
    struct ranges set;
    struct range node[NODES];
    bool used[NODES];
    unsigned owner[SPACE + 1];
};

static void paint(struct model *m, mmu_va start, mmu_va end, unsigned owner)
{
    for (mmu_va a = start; a < end; a++)
        m->owner[a] = owner;
}

static void add(struct model *m, struct dice *d)
{
    mmu_va start = dice_below(d, SPACE), end = start;
    uint64_t most = 1 + dice_below(d, 24);
    while (end < SPACE && end - start < most && !m->owner[end])
        end++;
    if (end == start)
        return;
    unsigned n = 0;
    while (m->used[n])
        n++;
    m->used[n] = true;
    m->node[n] = (struct range){.start = start, .end = end};
    ranges_insert(&m->set, &m->node[n]);
    paint(m, start, end, n + 1);
}

static void drop_or_shrink(struct model *m, struct dice *d)
{
    struct range *r = ranges_from(&m->set, dice_below(d, SPACE));
    if (!r)
        return;
    unsigned n = (unsigned)(r - m->node);
    paint(m, r->start, r->end, 0);
    if (r->end - r->start > 2 && dice_below(d, 2)) {
        ranges_resize(&m->set, r, r->start + 1, r->end - 1);
        paint(m, r->start, r->end, n + 1);
        return;
    }
    ranges_remove(&m->set, r);
    m->used[n] = false;
}

/* The number of the first range at or above a, plus 1; 0: none. */
static unsigned first_from(const struct model *m, mmu_va a)
{
    while (a < SPACE && !m->owner[a])
        a++;
    return a < SPACE ? m->owner[a] : 0;
}

static unsigned last_below(const struct model *m, mmu_va a)
{
    while (a > 0 && !m->owner[a - 1])
        a--;
    return a > 0 ? m->owner[a - 1] : 0;
}

static unsigned lowest(const struct model *m, uint64_t size)
{
    for (mmu_va a = 0; a < SPACE; a++) {
        unsigned n = m->owner[a];
        if (n && m->node[n - 1].end - m->node[n - 1].start >= size)
            return n;
    }
    return 0;
}

static unsigned number(const struct model *m, const struct range *r)
{
    return r ? (unsigned)(r - m->node) + 1 : 0;
}

static void test_random(void **state)
{
    (void)state;
    struct dice d = dice_new("ranges", 1);
    unsigned rounds = dice_rounds(20000);
    static struct model m;
    memset(&m, 0, sizeof m);
    for (unsigned round = 0; round < rounds; round++) {
        if (dice_below(&d, 5) < 3)
            add(&m, &d);
        else
            drop_or_shrink(&m, &d);
        ranges_check(&m.set);
        mmu_va a = dice_below(&d, SPACE);
        assert_int_equal(number(&m, ranges_find(&m.set, a)), m.owner[a]);
        assert_int_equal(number(&m, ranges_from(&m.set, a)), first_from(&m, a));
        assert_int_equal(number(&m, ranges_before(&m.set, a)), last_below(&m, a));
        uint64_t size = 1 + dice_below(&d, 30);
        assert_int_equal(number(&m, ranges_lowest(&m.set, size)), lowest(&m, size));
    }
}

/* The last byte of the address space can be inside. */
static void test_top(void **state)
{
    (void)state;
    struct ranges set = {0};
    struct range r = {.start = UINT64_MAX - 4096, .end = UINT64_MAX};
    ranges_insert(&set, &r);
    assert_ptr_equal(ranges_find(&set, UINT64_MAX - 1), &r);
    assert_null(ranges_find(&set, UINT64_MAX));
    assert_ptr_equal(ranges_lowest(&set, 4096), &r);
    assert_null(ranges_lowest(&set, 4097));
    ranges_remove(&set, &r);
    assert_null(ranges_any(&set));
    ranges_check(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_top)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
