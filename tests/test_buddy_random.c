/*
 * test_buddy_random.c: random operations on random machines. After them the invariants hold, and a naive
 * bitmap of frames agrees on what is free.
 */
#include "buddy.h"
#include "kernel_rig.h"
#include "ref_frames.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

enum { HELD = 3000 };

struct held {
    mmu_pfn pfn;
    unsigned order;
    bool compound;
    unsigned references;
};

struct world {
    struct kernel_rig rig;
    struct ref_frames ref;
    struct dice dice;
    struct held held[HELD];
    unsigned n, exhausted;
    uint64_t pages;
};

static const uint32_t masks[] = {
    MMU_GFP_KERNEL,
    MMU_GFP_ATOMIC,
    MMU_GFP_NOWAIT,
    MMU_GFP_NOIO,
    MMU_GFP_USER,
    MMU_GFP_DMA | MMU_GFP_KERNEL,
    MMU_GFP_DMA32,
    MMU_GFP_HIGHUSER,
    MMU_GFP_HIGHUSER_MOVABLE,
    MMU_GFP_TRANSHUGE,
    MMU_GFP_KERNEL | MMU___GFP_RECLAIMABLE,
    MMU_GFP_KERNEL | MMU___GFP_MOVABLE,
    MMU_GFP_KERNEL | MMU___GFP_ZERO,
    MMU_GFP_KERNEL | MMU___GFP_MEMALLOC,
    MMU_GFP_KERNEL | MMU___GFP_NOFAIL,
    MMU_GFP_KERNEL | MMU___GFP_NORETRY,
    MMU___GFP_NOWARN,
    MMU___GFP_HIGH,
};

/* Does the zone lie in the mask's zonelist? */
static bool may_use(const struct mmu_os *os, uint32_t gfp, unsigned zone)
{
    int asked = mmu_os_gfp_zone(os, gfp);
    struct mmu_os_zone_info info;
    mmu_os_zone(os, zone, &info);
    return (int)zone <= asked && info.populated;
}

static void allocate(struct world *w)
{
    struct mmu_os *os = w->rig.os;
    uint32_t gfp = masks[dice_below(&w->dice, sizeof masks / sizeof *masks)];
    unsigned order =
        dice_once_in(&w->dice, 3) ? dice_below(&w->dice, MMU_OS_ORDERS) : dice_below(&w->dice, 3);
    mmu_pfn pfn;
    if (dice_once_in(&w->dice, 2))
        gfp |= MMU___GFP_COMP;
    int outcome = mmu_os_alloc_pages(os, gfp, order, &pfn);
    if (outcome == MMU_OS_EXHAUSTED) {
        const struct mmu_os_report *report = mmu_os_report(os);
        assert_int_equal(report->outcome, MMU_OS_EXHAUSTED);
        assert_int_equal(report->order, order);
        assert_int_equal(report->gfp, gfp);
        assert_int_equal(report->zone, mmu_os_gfp_zone(os, gfp));
        w->exhausted++;
        return;
    }
    assert_int_equal(outcome, MMU_OS_DONE);
    struct mmu_page_info info;
    assert_int_equal(mmu_os_page(os, pfn, &info), MMU_OS_DONE);
    assert_true(may_use(os, gfp, info.zone));
    assert_true(info.head && info.use == MMU_PAGE_KERNEL && info.order == order && info.refcount == 1);
    assert_int_equal(info.flags, order && (gfp & MMU___GFP_COMP) ? 1u << MMU_PG_HEAD : 0);
    ref_frames_take(&w->ref, pfn, order);
    w->held[w->n++] = (struct held){pfn, order, order == 0 || (gfp & MMU___GFP_COMP), 1};
    w->pages += UINT64_C(1) << order;
}

static void forget(struct world *w, unsigned at)
{
    w->pages -= UINT64_C(1) << w->held[at].order;
    w->held[at] = w->held[--w->n];
}

/* Drops a reference one way or the other; the frames are free when it was the last. */
static void drop(struct world *w, unsigned at)
{
    struct mmu_os *os = w->rig.os;
    struct held *h = &w->held[at];
    if (h->compound && dice_once_in(&w->dice, 2))
        assert_int_equal(mmu_os_put_page(os, h->pfn + dice_below(&w->dice, 1u << h->order)), MMU_OS_DONE);
    else
        assert_int_equal(mmu_os_free_pages(os, h->pfn, h->order), MMU_OS_DONE);
    if (--h->references == 0) {
        ref_frames_give(&w->ref, h->pfn, h->order);
        forget(w, at);
    } else if (!h->compound) { /* all but the first page went */
        w->pages -= (UINT64_C(1) << h->order) - 1;
        for (unsigned i = 1; i < 1u << h->order; i++)
            ref_frames_give(&w->ref, h->pfn + i, 0);
        h->order = 0;
        h->compound = true;
    }
}

/* What a kernel would report as a bug changes nothing. */
static void misuse(struct world *w)
{
    struct mmu_os *os = w->rig.os;
    mmu_pfn pfn = dice_next(&w->dice) % (w->ref.end + 2000);
    unsigned order = dice_below(&w->dice, MMU_OS_ORDERS + 1);
    if (w->n && dice_once_in(&w->dice, 2)) { /* a block that is held: in the middle, or with a wrong order */
        const struct held *h = &w->held[dice_below(&w->dice, w->n)];
        pfn = h->pfn + dice_below(&w->dice, 1u << h->order);
        if (pfn == h->pfn && order == h->order)
            order++;
    } else {
        struct mmu_page_info info;
        mmu_os_page(os, pfn, &info);
        if (info.use == MMU_PAGE_KERNEL && info.head && info.order == order)
            return; /* its owner may */
    }
    assert_int_equal(mmu_os_free_pages(os, pfn, order), MMU_OS_BUG);
    assert_int_equal(mmu_os_report(os)->pfn, pfn);
    assert_non_null(strstr(mmu_os_report(os)->text, "the page is "));
}

static void step(struct world *w)
{
    struct mmu_os *os = w->rig.os;
    mmu_os_run_on(os, dice_below(&w->dice, w->rig.config.cores));
    unsigned what = dice_below(&w->dice, 100);
    if (what < 52 && w->n < HELD)
        allocate(w);
    else if (what < 90 && w->n)
        drop(w, dice_below(&w->dice, w->n));
    else if (what < 94 && w->n) {
        struct held *h = &w->held[dice_below(&w->dice, w->n)];
        assert_int_equal(mmu_os_get_page(os, h->pfn), MMU_OS_DONE);
        h->references++;
    } else if (what < 99)
        misuse(w);
    else if (dice_once_in(&w->dice, 10))
        mmu_os_drain(os);
}

static void compare(struct world *w)
{
    struct mmu_os *os = w->rig.os;
    struct mmu_os_totals totals;
    mmu_os_check(os);
    ref_frames_compare(&w->ref, os);
    mmu_os_totals(os, &totals);
    assert_int_equal(totals.free + totals.pcp_free + totals.allocated, totals.managed);
    assert_int_equal(totals.free + totals.pcp_free, w->ref.count);
    assert_int_equal(totals.allocated, w->pages);
}

/* When everything was given back and drained, the free blocks are those of the boot. */
static void give_all_back(struct world *w, const struct mmu_os_zone_info *before)
{
    struct mmu_os *os = w->rig.os;
    struct mmu_os_zone_info after;
    while (w->n)
        drop(w, w->n - 1);
    mmu_os_drain(os);
    compare(w);
    for (unsigned z = 0; z < MMU_ZONES; z++) {
        mmu_os_zone(os, z, &after);
        uint64_t reserved = after.pageblocks[MMU_MIGRATE_HIGHATOMIC];
        assert_int_equal(after.free, before[z].free);
        assert_int_equal(after.pcp_free, 0);
        if (reserved == 0) /* a reserved pageblock does not merge with others */
            assert_memory_equal(after.free_blocks, before[z].free_blocks, sizeof after.free_blocks);
    }
}

static void run(struct world *w, unsigned steps)
{
    struct mmu_os_zone_info before[MMU_ZONES];
    for (unsigned z = 0; z < MMU_ZONES; z++)
        mmu_os_zone(w->rig.os, z, &before[z]);
    ref_frames_init(&w->ref, w->rig.os);
    /* Only an aged machine has allocated something: it stays so. */
    for (mmu_pfn pfn = 0; pfn < w->ref.end; pfn++) {
        struct mmu_page_info info;
        mmu_os_page(w->rig.os, pfn, &info);
        if (ref_frames_is_free(&w->ref, pfn) && info.use == MMU_PAGE_KERNEL) {
            assert_true(w->rig.config.os.aged);
            ref_frames_take(&w->ref, pfn, 0);
            w->pages++;
        } else if (ref_frames_is_free(&w->ref, pfn))
            assert_int_equal(info.use, MMU_PAGE_FREE);
        else
            assert_true(info.use == MMU_PAGE_RESERVED || info.use == MMU_PAGE_NOT_RAM);
    }
    for (unsigned i = 0; i < steps; i++) {
        step(w);
        if (i % 1000 == 999)
            compare(w);
    }
    give_all_back(w, before);
}

static void test_random(void **state)
{
    (void)state;
    static struct world w;
    struct dice dice = dice_new("buddy_random", 1);
    unsigned rounds = dice_rounds(24), booted = 0, exhausted = 0;
    for (unsigned round = 0; round < rounds; round++) {
        memset(&w, 0, sizeof w);
        kernel_rig_random(&w.rig.config, &dice);
        w.dice.state = dice_next(&dice);
        if (!kernel_rig_try(&w.rig))
            continue;
        booted++;
        run(&w, 4000);
        exhausted += w.exhausted > 0;
        ref_frames_destroy(&w.ref);
        kernel_rig_end(&w.rig);
    }
    print_message("%u of %u machines booted, %u ran out of memory\n", booted, rounds, exhausted);
    assert_true(booted * 2 > rounds && (exhausted || rounds < 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
