/*
 * test_alloc.c: what callers of alloc_pages() and free_pages() see: refusals, bugs, reserves, the signals of
 * pressure, contents, references, per-CPU lists. See test_alloc_drain.c for recorded kernels.
 */
#include "alloc.h"
#include "kernel_rig.h"
#include "plan.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

static mmu_pfn take(struct mmu_os *os, uint32_t gfp, unsigned order)
{
    mmu_pfn pfn = 0;
    assert_int_equal(mmu_os_alloc_pages(os, gfp, order, &pfn), MMU_OS_DONE);
    return pfn;
}

/* The latest report is of this outcome and says this. */
static void reported(const struct mmu_os *os, int got, int outcome, const char *call, const char *says)
{
    const struct mmu_os_report *r = mmu_os_report(os);
    assert_int_equal(got, outcome);
    assert_int_equal(r->outcome, outcome);
    assert_string_equal(r->call, call);
    if (!strstr(r->text, says))
        fail_msg("'%s' does not say '%s'", r->text, says);
}

static void test_refused(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_I386, 1200, 2);
    struct mmu_os *os = rig.os;
    mmu_pfn pfn = 77;
    mmu_va va = 77;
    struct mmu_os_zone_info before = kernel_rig_zone(os, MMU_ZONE_NORMAL);
#define REFUSED(gfp, order, says)                                                                            \
    reported(os, mmu_os_alloc_pages(os, gfp, order, &pfn), MMU_OS_REFUSED, "alloc_pages", says)
    REFUSED(MMU_GFP_KERNEL, 11, "order 11, GFP_KERNEL (0xcc0): the largest block has order 10");
    REFUSED(MMU_GFP_KERNEL, ~0u, "largest block");
    REFUSED(MMU___GFP_DMA | MMU___GFP_HIGHMEM, 0, "contradict");
    REFUSED(MMU_GFP_KERNEL | MMU___GFP_DMA | MMU___GFP_DMA32, 0, "contradict");
    REFUSED(MMU_GFP_KERNEL | MMU___GFP_MOVABLE | MMU___GFP_RECLAIMABLE, 0, "not both");
    REFUSED(0x80000000u, 0, "no GFP flag");
    for (unsigned bits = 0; bits < 16; bits++)
        if (mmu_os_gfp_zone(os, bits) < 0)
            REFUSED(bits, 0, "contradict");
#undef REFUSED
    reported(os, mmu_os_get_free_pages(os, MMU_GFP_HIGHUSER, 0, &va), MMU_OS_REFUSED, "__get_free_pages",
             "need not have an address");
    assert_int_equal(pfn, 77);
    assert_int_equal(va, 77);
    struct mmu_os_zone_info after = kernel_rig_zone(os, MMU_ZONE_NORMAL);
    assert_memory_equal(&before, &after, sizeof before);
    kernel_rig_end(&rig);
}

/* A free that a kernel would report changes nothing and says what the page is. */
static void test_bugs(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_X86_64, 512, 2);
    struct mmu_os *os = rig.os;
    mmu_pfn block = take(os, MMU_GFP_KERNEL, 4), page = take(os, MMU_GFP_KERNEL, 0);
    mmu_pfn table = take(os, MMU_GFP_KERNEL, 0), freed = take(os, MMU_GFP_KERNEL, 5);
    alloc_set_use(os, table, MMU_PAGE_TABLE);
    assert_int_equal(mmu_os_free_pages(os, freed, 5), MMU_OS_DONE);
#define BUG(pfn, order, says)                                                                                \
    reported(os, mmu_os_free_pages(os, pfn, order), MMU_OS_BUG, "__free_pages", says)
    BUG(freed, 5, "free already");
    BUG(freed + 1, 0, "free already");
    BUG(block + 3, 0, "(in a block of order 4 from pfn");
    BUG(block + 3, 0, "not the first page of its block");
    BUG(block, 3, "the order is not the block's");
    BUG(block, 400, "the order is not the block's");
    BUG(page, 1, "the order is not the block's");
    BUG(table, 0, "a page table");
    BUG(0, 0, "pfn 0, order 0: the page is no RAM");
    BUG(os->plan->memmap.tables, 0, "reserved");
    BUG(0xa0, 0, "no RAM");
    BUG(UINT64_C(1) << 40, 0, "no RAM");
    BUG(~UINT64_C(0), 10, "no RAM");
#undef BUG
    assert_int_equal(mmu_os_free_pages(os, page, 0), MMU_OS_DONE);
    reported(os, mmu_os_free_pages(os, page, 0), MMU_OS_BUG, "__free_pages", "on a per-CPU list");
    reported(os, mmu_os_get_page(os, page), MMU_OS_BUG, "get_page", "only allocated pages");
    reported(os, mmu_os_put_page(os, page), MMU_OS_BUG, "put_page", "only allocated pages");
    reported(os, mmu_os_put_page(os, block), MMU_OS_BUG, "put_page", "no compound page");
    reported(os, mmu_os_get_page(os, block + 1), MMU_OS_BUG, "get_page", "only compound pages");
    reported(os, mmu_os_put_page(os, table), MMU_OS_BUG, "put_page", "its owner");
    assert_int_equal(mmu_os_free_pages_at(os, 0, 3), MMU_OS_DONE); /* as kfree(NULL) */
    const mmu_va wrong[] = {1,
                            ~UINT64_C(0),
                            os->plan->layout.page_offset - 4096,
                            os->plan->layout.high_memory,
                            os->plan->layout.vmalloc_start,
                            os->plan->layout.page_offset + (block << 12) + 1};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        reported(os, mmu_os_free_pages_at(os, wrong[i], 0), MMU_OS_BUG, "free_pages", "no page's address");
        assert_true(mmu_os_report(os)->va == wrong[i]);
    }
    assert_int_equal(mmu_os_free_pages(os, block, 4), MMU_OS_DONE);
    mmu_os_check(os);
    kernel_rig_end(&rig);
}

static void test_addresses(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_I386, 1200, 2);
    struct mmu_os *os = rig.os;
    mmu_va va;
    assert_int_equal(mmu_os_get_free_pages(os, MMU_GFP_KERNEL, 2, &va), MMU_OS_DONE);
    assert_true(va >= 0xc0000000 && va < os->plan->layout.high_memory && va % (4 << 12) == 0);
    mmu_pfn pfn = (va - 0xc0000000) >> 12;
    assert_true(mmu_os_page_address(os, pfn) == va);
    assert_int_equal(mmu_os_free_pages_at(os, va, 2), MMU_OS_DONE);
    pfn = take(os, MMU_GFP_HIGHUSER, 0);
    assert_true(mmu_os_page_address(os, pfn) == 0);
    struct mmu_page_info info;
    mmu_os_page(os, pfn, &info);
    assert_int_equal(info.zone, MMU_ZONE_HIGHMEM);
    assert_true(info.address == 0 && info.descriptor >= 0xc0000000);
    mmu_va mapped;
    assert_int_equal(mmu_os_kmap(os, pfn, &mapped), MMU_OS_DONE);
    assert_true(mmu_os_page_address(os, pfn) == mapped);
    reported(os, mmu_os_free_pages(os, pfn, 0), MMU_OS_BUG, "__free_pages", "kmapped");
    assert_int_equal(mmu_os_kunmap(os, pfn), MMU_OS_DONE);
    assert_int_equal(mmu_os_free_pages(os, pfn, 0), MMU_OS_DONE);
    kernel_rig_end(&rig);
}

struct heard {
    unsigned n;
    struct mmu_os_pressure_event event[8];
};

static void hear(void *ctx, const struct mmu_os_pressure_event *event)
{
    struct heard *h = ctx;
    h->event[h->n++ % 8] = *event;
}

/* kswapd is woken at low, direct reclaim would begin at min, then the allocation fails. */
static void test_pressure(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_I386, 512, 2);
    struct mmu_os *os = rig.os;
    struct heard heard = {0};
    mmu_pfn pfn;
    mmu_os_on_pressure(os, hear, &heard);
    mmu_os_run_on(os, 1);
    while (!heard.n)
        take(os, MMU_GFP_KERNEL, 0);
    struct mmu_os_zone_info normal = kernel_rig_zone(os, MMU_ZONE_NORMAL),
                            dma = kernel_rig_zone(os, MMU_ZONE_DMA);
    assert_int_equal(heard.n, 1);
    assert_int_equal(heard.event[0].type, MMU_PRESSURE_KSWAPD);
    assert_int_equal(heard.event[0].zone, MMU_ZONE_NORMAL);
    assert_int_equal(heard.event[0].cpu, 1);
    assert_int_equal(heard.event[0].gfp, MMU_GFP_KERNEL);
    assert_true(heard.event[0].free <= normal.low && heard.event[0].free + 63 > normal.low);
    assert_true(dma.free <= dma.low + dma.protection[MMU_ZONE_NORMAL]); /* DMA gave first */
    assert_int_equal(normal.kswapd_wakes, 1);
    while (mmu_os_alloc_pages(os, MMU_GFP_KERNEL, 0, &pfn) == MMU_OS_DONE)
        continue;
    normal = kernel_rig_zone(os, MMU_ZONE_NORMAL);
    assert_true(normal.free <= normal.min && normal.free + 63 > normal.min);
    unsigned last = heard.n;
    assert_int_equal(heard.event[(last - 3) % 8].type, MMU_PRESSURE_KSWAPD);
    assert_int_equal(heard.event[(last - 2) % 8].type, MMU_PRESSURE_DIRECT);
    assert_int_equal(heard.event[(last - 1) % 8].type, MMU_PRESSURE_FAILED);
    assert_true(heard.event[(last - 1) % 8].free == normal.free);
    assert_int_equal(normal.direct_reclaims, 1);
    assert_int_equal(normal.failures, 1);
    reported(os, MMU_OS_EXHAUSTED, MMU_OS_EXHAUSTED, "alloc_pages",
             "order 0, GFP_KERNEL (0xcc0), zone Normal");
    assert_int_equal(mmu_os_report(os)->zone, MMU_ZONE_NORMAL);
    /* Without __GFP_KSWAPD_RECLAIM and __GFP_DIRECT_RECLAIM nobody is asked for help. */
    reported(os, mmu_os_alloc_pages(os, MMU___GFP_NOWARN, 3, &pfn), MMU_OS_EXHAUSTED, "alloc_pages",
             "order 3, __GFP_NOWARN (0x2000)");
    assert_int_equal(heard.n, last + 1);
    mmu_os_on_pressure(os, NULL, NULL);
    assert_int_equal(mmu_os_alloc_pages(os, MMU_GFP_KERNEL, 0, &pfn), MMU_OS_EXHAUSTED);
    assert_int_equal(heard.n, last + 1);
    kernel_rig_end(&rig);
}

/* How far below min each mask may go; DMA is the only zone that it asks for. */
static uint64_t left_by(uint32_t gfp)
{
    struct kernel_rig rig = kernel_rig_of(MMU_OS_X86_64, 2048, 2);
    mmu_pfn pfn;
    while (mmu_os_alloc_pages(rig.os, gfp | MMU___GFP_DMA, 0, &pfn) == MMU_OS_DONE)
        continue;
    uint64_t free = kernel_rig_zone(rig.os, MMU_ZONE_DMA).free;
    kernel_rig_end(&rig);
    return free;
}

static void test_reserves(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_X86_64, 2048, 2);
    uint64_t min = kernel_rig_zone(rig.os, MMU_ZONE_DMA).min, half = min - min / 2;
    kernel_rig_end(&rig);
    assert_true(min >= 16);
    /* The zone's batch is 1, so that it stops at the mark exactly. */
    assert_int_equal(left_by(MMU_GFP_KERNEL), min);
    assert_int_equal(left_by(MMU_GFP_NOWAIT), min);
    assert_int_equal(left_by(MMU___GFP_NOWARN), min);
    assert_int_equal(left_by(MMU_GFP_KERNEL | MMU___GFP_HIGH), half);
    assert_int_equal(left_by(MMU_GFP_ATOMIC), half - half / 4);
    assert_int_equal(left_by(MMU_GFP_ATOMIC | MMU___GFP_NOMEMALLOC), half);
    assert_int_equal(left_by(MMU_GFP_KERNEL | MMU___GFP_NOFAIL), half);
    assert_int_equal(left_by(MMU_GFP_KERNEL | MMU___GFP_MEMALLOC), 0);
    assert_int_equal(left_by(MMU_GFP_KERNEL | MMU___GFP_MEMALLOC | MMU___GFP_NOMEMALLOC), min);
}

/* alloc_flags_nofragment(): Normal's pageblocks are not mixed up while DMA32 has memory of the type. */
static void test_nofragment(void **state)
{
    (void)state;
    struct kernel_rig rig;
    struct mmu_page_info info;
    kernel_rig_config(&rig.config, MMU_OS_X86_64, UINT64_C(6) << 30, 1);
    rig.config.os.aged = true;
    rig.config.os.aged_order = 9;
    rig.config.os.aged_unusable = 1000;
    kernel_rig_boot(&rig);
    uint64_t unmovable = 0;
    struct mmu_os_zone_info z = kernel_rig_zone(rig.os, MMU_ZONE_NORMAL);
    for (unsigned o = 0; o < MMU_OS_ORDERS; o++)
        unmovable += z.free_by_type[o][MMU_MIGRATE_UNMOVABLE] << o;
    for (uint64_t n = 0;; n++) {
        mmu_os_page(rig.os, take(rig.os, MMU_GFP_KERNEL, 0), &info);
        if (info.zone != MMU_ZONE_NORMAL) {
            assert_int_equal(n, unmovable);
            break;
        }
    }
    z = kernel_rig_zone(rig.os, MMU_ZONE_NORMAL);
    assert_int_equal(info.zone, MMU_ZONE_DMA32);
    assert_true(unmovable > 1000 && z.steals == 0 && z.free > z.low);
    kernel_rig_end(&rig);
}

/* Freed bytes are dropped: the next owner reads zeros, and the host's page serves somebody else. */
static void test_contents(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_X86_64, 512, 2);
    struct mmu_os *os = rig.os;
    uint8_t bytes[8192], zeros[8192] = {0};
    memset(bytes, 0xa5, sizeof bytes);
    for (unsigned order = 0; order < 5; order++) {
        mmu_pfn pfn = take(os, MMU_GFP_KERNEL, order), again;
        assert_int_equal(mmu_machine_write(rig.machine, pfn << 12, bytes, 4096u << (order > 0)), MMU_OK);
        assert_int_equal(mmu_os_free_pages(os, pfn, order), MMU_OS_DONE);
        again = take(os, MMU_GFP_KERNEL | (order & 1 ? 0 : MMU___GFP_ZERO), order);
        assert_true(again == pfn); /* last in, first out */
        assert_int_equal(mmu_machine_read(rig.machine, pfn << 12, bytes, 4096u << (order > 0)), MMU_OK);
        assert_memory_equal(bytes, zeros, 4096u << (order > 0));
        memset(bytes, 0xa5, sizeof bytes);
    }
    kernel_rig_end(&rig);
}

static void test_references(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_X86_64, 512, 2);
    struct mmu_os *os = rig.os;
    struct mmu_page_info info;
    mmu_pfn compound = take(os, MMU_GFP_KERNEL | MMU___GFP_COMP, 3), plain = take(os, MMU_GFP_KERNEL, 3);
    uint64_t allocated = kernel_rig_zone(os, MMU_ZONE_DMA32).allocated;
    assert_int_equal(mmu_os_get_page(os, compound + 5), MMU_OS_DONE); /* a tail's reference is its head's */
    mmu_os_page(os, compound, &info);
    assert_int_equal(info.refcount, 2);
    assert_int_equal(info.flags, 1u << MMU_PG_HEAD);
    mmu_os_page(os, compound + 5, &info);
    assert_true(!info.head && info.order == 0 && info.use == MMU_PAGE_KERNEL && info.refcount == 0);
    assert_int_equal(mmu_os_free_pages(os, compound, 3), MMU_OS_DONE);
    assert_int_equal(kernel_rig_zone(os, MMU_ZONE_DMA32).allocated, allocated);
    assert_int_equal(mmu_os_put_page(os, compound + 7), MMU_OS_DONE);
    assert_int_equal(kernel_rig_zone(os, MMU_ZONE_DMA32).allocated, allocated - 8);
    /* __free_pages() of a block that is no compound page and somebody's: all but its first page go. */
    assert_int_equal(mmu_os_get_page(os, plain), MMU_OS_DONE);
    assert_int_equal(mmu_os_free_pages(os, plain, 3), MMU_OS_DONE);
    assert_int_equal(kernel_rig_zone(os, MMU_ZONE_DMA32).allocated, allocated - 15);
    mmu_os_page(os, plain, &info);
    assert_true(info.head && info.order == 0 && info.refcount == 1);
    mmu_os_check(os);
    assert_int_equal(mmu_os_put_page(os, plain), MMU_OS_DONE);
    assert_int_equal(kernel_rig_zone(os, MMU_ZONE_DMA32).allocated, allocated - 16);
    mmu_os_check(os);
    kernel_rig_end(&rig);
}

/* Pages wait on the list of the CPU that freed them, until there are `high`; draining empties all lists. */
static void test_per_cpu(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_X86_64, 1024, 2);
    struct mmu_os *os = rig.os;
    enum { N = 30000 };
    static mmu_pfn pfn[N];
    for (unsigned i = 0; i < N; i++)
        pfn[i] = take(os, MMU_GFP_KERNEL, 0);
    mmu_os_run_on(os, 1);
    struct mmu_os_zone_info z = kernel_rig_zone(os, MMU_ZONE_DMA32);
    uint64_t before = buddy_pcp_count(os, MMU_ZONE_DMA32, 0);
    assert_true(before < z.pcp_batch);
    for (unsigned i = 0; i < z.pcp_high - 1; i++)
        assert_int_equal(mmu_os_free_pages(os, pfn[i], 0), MMU_OS_DONE);
    assert_int_equal(buddy_pcp_count(os, MMU_ZONE_DMA32, 0), before);
    assert_int_equal(buddy_pcp_count(os, MMU_ZONE_DMA32, 1), z.pcp_high - 1);
    assert_int_equal(kernel_rig_zone(os, MMU_ZONE_DMA32).free, z.free);
    /* The next ones drive out a batch, then two, four, ... as long as nobody allocates. */
    unsigned at = z.pcp_high - 1;
    for (unsigned factor = 0; factor < 4; factor++) {
        uint64_t count, free = kernel_rig_zone(os, MMU_ZONE_DMA32).free;
        do {
            assert_int_equal(mmu_os_free_pages(os, pfn[at++], 0), MMU_OS_DONE);
            count = buddy_pcp_count(os, MMU_ZONE_DMA32, 1);
        } while (kernel_rig_zone(os, MMU_ZONE_DMA32).free == free);
        assert_int_equal(kernel_rig_zone(os, MMU_ZONE_DMA32).free - free, (uint64_t)z.pcp_batch << factor);
        assert_int_equal(count, z.pcp_high - (z.pcp_batch << factor));
    }
    /* Each allocation halves the exponent: 4, 2, 1. */
    uint64_t free = kernel_rig_zone(os, MMU_ZONE_DMA32).free;
    pfn[--at] = take(os, MMU_GFP_KERNEL, 0);
    pfn[--at] = take(os, MMU_GFP_KERNEL, 0);
    while (kernel_rig_zone(os, MMU_ZONE_DMA32).free == free)
        assert_int_equal(mmu_os_free_pages(os, pfn[at++], 0), MMU_OS_DONE);
    assert_int_equal(kernel_rig_zone(os, MMU_ZONE_DMA32).free - free, z.pcp_batch << 1);
    /* A sysctl that changes the size reaches the lists. */
    const uint64_t less[] = {4096};
    assert_int_equal(mmu_os_sysctl(os, "min_free_kbytes", less, 1), MMU_OS_DONE);
    uint32_t high = kernel_rig_zone(os, MMU_ZONE_DMA32).pcp_high;
    assert_true(high < z.pcp_high / 2);
    assert_int_equal(mmu_os_free_pages(os, pfn[at++], 0), MMU_OS_DONE);
    while (buddy_pcp_count(os, MMU_ZONE_DMA32, 1) >= high)
        assert_int_equal(mmu_os_free_pages(os, pfn[at++], 0), MMU_OS_DONE);
    assert_true(at < N);
    /* A larger block, freed by one who only frees, empties the lists: it would keep others from merging. */
    mmu_pfn pair = take(os, MMU_GFP_KERNEL, 1);
    while (buddy_pcp_count(os, MMU_ZONE_DMA32, 1) + 1 < high)
        assert_int_equal(mmu_os_free_pages(os, pfn[at++], 0), MMU_OS_DONE);
    assert_int_equal(mmu_os_free_pages(os, pfn[at++], 0), MMU_OS_DONE);
    assert_true(buddy_pcp_count(os, MMU_ZONE_DMA32, 1) > 0);
    assert_int_equal(mmu_os_free_pages(os, pair, 1), MMU_OS_DONE);
    assert_int_equal(buddy_pcp_count(os, MMU_ZONE_DMA32, 1), 0);
    mmu_os_drain(os);
    assert_int_equal(kernel_rig_zone(os, MMU_ZONE_DMA32).pcp_free, 0);
    mmu_os_check(os);
    kernel_rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_bugs),     cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_pressure),   cmocka_unit_test(test_reserves), cmocka_unit_test(test_contents),
        cmocka_unit_test(test_nofragment), cmocka_unit_test(test_per_cpu),  cmocka_unit_test(test_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
