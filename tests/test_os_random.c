/*
 * test_os_random.c: every part of the kernel at once: random calls on random machines, on any CPU. Every
 * invariant holds after them; when all is given back, purged, shrunk and drained, every frame is back.
 */
#include "kernel_rig.h"
#include "plan.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

enum { HELD = 150, USER_PAGES = 400, PGDS = 6 };

/* One kind of thing that is asked for and given back. */
struct held {
    mmu_va va;
    mmu_pfn pfn;
    unsigned order;
    bool read_only;
};
enum kind { PAGES, OBJECT, AREA, DEVICE, KMAPPED, KINDS };

struct user_page {
    struct mmu_os_pgd *pgd;
    mmu_va va;
    mmu_pfn pfn;
};

struct world {
    struct kernel_rig rig;
    struct mmu_os *os;
    struct dice dice;
    struct held held[KINDS][HELD];
    unsigned n[KINDS];
    struct mmu_os_pgd *pgd[PGDS];
    unsigned pgds;
    struct user_page user[USER_PAGES];
    unsigned users;
    unsigned outcomes[MMU_OS_OUTCOME_COUNT];
};

/* DONE, or an outcome that a machine under pressure may have; never a bug, and never refused. */
static bool done(struct world *w, int outcome)
{
    assert_true(outcome >= 0);
    w->outcomes[outcome]++;
    if (outcome == MMU_OS_BUG || outcome == MMU_OS_REFUSED)
        fail_msg("%s", mmu_os_report(w->os)->text);
    return outcome == MMU_OS_DONE;
}

static bool take_pages(struct world *w, struct held *h)
{
    static const uint32_t masks[] = {MMU_GFP_KERNEL, MMU_GFP_ATOMIC, MMU_GFP_HIGHUSER,
                                     MMU_GFP_HIGHUSER_MOVABLE, MMU_GFP_KERNEL | MMU_GFP_DMA};
    h->order = dice_once_in(&w->dice, 4) ? dice_below(&w->dice, MMU_OS_ORDERS) : 0;
    return done(
        w, mmu_os_alloc_pages(w->os, masks[dice_below(&w->dice, 5)] | MMU___GFP_COMP, h->order, &h->pfn));
}

static bool take_object(struct world *w, struct held *h)
{
    return done(w, mmu_os_kmalloc(w->os, dice_below(&w->dice, 1u << (3 + dice_below(&w->dice, 13))),
                                  MMU_GFP_KERNEL, &h->va));
}

static bool take_area(struct world *w, struct held *h)
{
    uint64_t size = 1 + dice_below(&w->dice, 1u << (8 + dice_below(&w->dice, 13)));
    mmu_pfn pfn;
    if (!done(w, mmu_os_vmalloc(w->os, size, &h->va)))
        return false;
    struct mmu_os_lookup found;
    mmu_va last = h->va + (size - 1) / 4096 * 4096;
    assert_int_equal(mmu_os_vmalloc_to_pfn(w->os, last, &pfn), MMU_OS_DONE);
    mmu_os_lookup(w->os, mmu_os_swapper(w->os), false, last, &found);
    assert_true(found.mapped && found.pa >> 12 == pfn);
    mmu_os_lookup(w->os, mmu_os_swapper(w->os), false, last + 4096, &found);
    assert_false(found.mapped); /* the guard page */
    return true;
}

static bool take_device(struct world *w, struct held *h)
{
    bool wc = dice_once_in(&w->dice, 2); /* one memory type a device */
    mmu_pa pa = (wc ? 0xfd000000 : 0xfed00000) + dice_below(&w->dice, 0x20000);
    return done(w, mmu_os_ioremap(w->os, pa, 1 + dice_below(&w->dice, 20000),
                                  wc ? MMU_CACHE_WC : MMU_CACHE_UC_MINUS, &h->va));
}

static bool take_kmap(struct world *w, struct held *h)
{
    struct mmu_os_lookup found;
    if (!done(w, mmu_os_alloc_pages(w->os, MMU_GFP_HIGHUSER, 0, &h->pfn)))
        return false;
    assert_true(done(w, mmu_os_kmap(w->os, h->pfn, &h->va)));
    mmu_os_lookup(w->os, mmu_os_swapper(w->os), false, h->va, &found);
    assert_true(found.mapped && found.pa >> 12 == h->pfn);
    assert_true(mmu_os_page_address(w->os, h->pfn) == h->va);
    return true;
}

static void give_pages(struct world *w, const struct held *h)
{
    if (h->read_only)
        assert_true(
            done(w, mmu_os_set_memory(w->os, mmu_os_page_address(w->os, h->pfn), 1, MMU_SET_MEMORY_RW)));
    assert_true(done(w, mmu_os_free_pages(w->os, h->pfn, h->order)));
}

static void give_object(struct world *w, const struct held *h)
{
    assert_true(done(w, mmu_os_kfree(w->os, h->va)));
}

static void give_area(struct world *w, const struct held *h)
{
    assert_true(done(w, mmu_os_vfree(w->os, h->va)));
}

static void give_device(struct world *w, const struct held *h)
{
    assert_true(done(w, mmu_os_iounmap(w->os, h->va)));
}

static void give_kmap(struct world *w, const struct held *h)
{
    assert_true(done(w, mmu_os_kunmap(w->os, h->pfn)));
    assert_true(done(w, mmu_os_free_pages(w->os, h->pfn, 0)));
}

static const struct {
    bool (*take)(struct world *w, struct held *h);
    void (*give)(struct world *w, const struct held *h);
} kinds[KINDS] = {
    [PAGES] = {take_pages, give_pages}, [OBJECT] = {take_object, give_object},
    [AREA] = {take_area, give_area},    [DEVICE] = {take_device, give_device},
    [KMAPPED] = {take_kmap, give_kmap},
};

static void give(struct world *w, enum kind kind, unsigned at)
{
    kinds[kind].give(w, &w->held[kind][at]);
    w->held[kind][at] = w->held[kind][--w->n[kind]];
}

static void take_or_give(struct world *w)
{
    enum kind kind = dice_below(&w->dice, KINDS);
    unsigned *n = &w->n[kind];
    if (*n < HELD && dice_below(&w->dice, 100) < 55) {
        struct held *h = &w->held[kind][*n];
        *h = (struct held){0};
        *n += kinds[kind].take(w, h);
    } else if (*n) {
        give(w, kind, dice_below(&w->dice, *n));
    }
}

static void unmap(struct world *w, unsigned at)
{
    struct user_page *u = &w->user[at];
    mmu_pfn pfn;
    assert_true(done(w, mmu_os_unmap_user(w->os, u->pgd, u->va, &pfn)));
    assert_true(pfn == u->pfn);
    assert_true(done(w, mmu_os_free_pages(w->os, pfn, 0)));
    *u = w->user[--w->users];
}

static void map_or_unmap(struct world *w)
{
    if (w->users == USER_PAGES || (w->users && dice_below(&w->dice, 100) < 40)) {
        unmap(w, dice_below(&w->dice, w->users));
        return;
    }
    struct user_page *u = &w->user[w->users];
    struct mmu_os_lookup found;
    u->pgd = w->pgd[dice_below(&w->dice, w->pgds)];
    u->va = (dice_next(&w->dice) % (w->os->plan->layout.task_size >> 12)) << 12;
    mmu_os_lookup(w->os, u->pgd, false, u->va, &found);
    if (found.mapped || !done(w, mmu_os_alloc_pages(w->os, MMU_GFP_HIGHUSER_MOVABLE, 0, &u->pfn)))
        return;
    if (!done(w, mmu_os_map_user(w->os, u->pgd, u->va, u->pfn, MMU_OS_WRITE))) {
        assert_true(done(w, mmu_os_free_pages(w->os, u->pfn, 0)));
        return;
    }
    mmu_os_lookup(w->os, u->pgd, false, u->va, &found);
    assert_true(found.mapped && found.pa >> 12 == u->pfn);
    w->users++;
}

static void drop_pgd(struct world *w, unsigned at)
{
    for (unsigned i = w->users; i-- > 0;)
        if (w->user[i].pgd == w->pgd[at])
            unmap(w, i);
    for (unsigned cpu = 0; cpu < w->rig.config.cores; cpu++) {
        mmu_os_run_on(w->os, cpu);
        assert_true(done(w, mmu_os_switch(w->os, mmu_os_swapper(w->os), false)));
    }
    assert_true(done(w, mmu_os_pgd_free(w->os, w->pgd[at])));
    w->pgd[at] = w->pgd[--w->pgds];
}

static void processes(struct world *w)
{
    unsigned what = dice_below(&w->dice, 20);
    if (w->pgds == 0 || (what == 0 && w->pgds < PGDS))
        w->pgds += done(w, mmu_os_pgd_alloc(w->os, &w->pgd[w->pgds]));
    else if (what == 1)
        drop_pgd(w, dice_below(&w->dice, w->pgds));
    else if (what < 6)
        assert_true(
            done(w, mmu_os_switch(w->os, w->pgd[dice_below(&w->dice, w->pgds)], dice_once_in(&w->dice, 2))));
    else
        map_or_unmap(w);
}

static void protect(struct world *w)
{
    if (w->n[PAGES] == 0)
        return;
    struct held *h = &w->held[PAGES][dice_below(&w->dice, w->n[PAGES])];
    if (h->pfn >= w->os->plan->layout.max_low_pfn)
        return;
    if (done(w, mmu_os_set_memory(w->os, mmu_os_page_address(w->os, h->pfn), 1,
                                  h->read_only ? MMU_SET_MEMORY_RW : MMU_SET_MEMORY_RO)))
        h->read_only = !h->read_only;
}

static void housekeeping(struct world *w)
{
    const uint64_t kbytes[] = {500 + dice_below(&w->dice, 3000)};
    switch (dice_below(&w->dice, 4)) {
    case 0:
        mmu_os_drain(w->os);
        break;
    case 1:
        mmu_os_shrink_slabs(w->os);
        break;
    case 2:
        mmu_os_vmalloc_purge(w->os);
        break;
    default:
        assert_true(done(w, mmu_os_sysctl(w->os, "min_free_kbytes", kbytes, 1)));
    }
}

static void step(struct world *w)
{
    unsigned what = dice_below(&w->dice, 100);
    mmu_os_run_on(w->os, dice_below(&w->dice, w->rig.config.cores));
    if (what < 60)
        take_or_give(w);
    else if (what < 90)
        processes(w);
    else if (what < 97)
        protect(w);
    else
        housekeeping(w);
}

/* Page tables of the kernel's own part stay; everything else is where it was. */
static void give_all_back(struct world *w, const struct mmu_os_totals *before)
{
    for (unsigned kind = 0; kind < KINDS; kind++)
        while (w->n[kind])
            give(w, kind, w->n[kind] - 1);
    while (w->pgds)
        drop_pgd(w, w->pgds - 1);
    struct mmu_os_totals after = kernel_rig_empty(w->os);
    assert_int_equal(after.allocated - before->allocated, after.page_tables - before->page_tables);
}

static void test_random(void **state)
{
    (void)state;
    static struct world w;
    struct dice dice = dice_new("os_random", 1);
    unsigned rounds = dice_rounds(16), outcomes[MMU_OS_OUTCOME_COUNT] = {0};
    for (unsigned round = 0; round < rounds; round++) {
        struct mmu_os_totals before;
        memset(&w, 0, sizeof w);
        kernel_rig_random(&w.rig.config, &dice);
        w.rig.config.os.kpti = w.rig.config.os.arch != MMU_OS_I386 && dice_once_in(&dice, 2);
        w.rig.config.os.vmalloc_sync = dice_below(&dice, MMU_OS_SYNCS);
        w.dice.state = dice_next(&dice);
        if (!kernel_rig_try(&w.rig))
            continue;
        w.os = w.rig.os;
        mmu_os_totals(w.os, &before);
        for (unsigned i = 0; i < 3000; i++) {
            step(&w);
            if (i % 500 == 499)
                mmu_os_check(w.os);
        }
        give_all_back(&w, &before);
        for (unsigned i = 0; i < MMU_OS_OUTCOME_COUNT; i++)
            outcomes[i] += w.outcomes[i];
        kernel_rig_end(&w.rig);
    }
    print_message("%u calls done, %u out of memory, %u without space\n", outcomes[MMU_OS_DONE],
                  outcomes[MMU_OS_EXHAUSTED], outcomes[MMU_OS_NO_SPACE]);
    assert_true(outcomes[MMU_OS_DONE] > rounds * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
