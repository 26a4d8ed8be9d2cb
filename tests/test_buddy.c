/*
 * test_buddy.c: the free lists in hand-made situations: splitting, merging, stealing between migrate types,
 * the high-order atomic reserve, untouched memory.
 */
#include "buddy.h"
#include "kernel_rig.h"
#include "migrate.h"
#include "plan.h"
#include "ref_frames.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

/* Taken out of a block of order 10, its parts lie on the lists below, one each; the page is its first. */
static void test_split(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_I386, 256, 2);
    struct buddy_zone *z = &rig.os->buddy->zone[MMU_ZONE_NORMAL];
    for (unsigned o = 0; o < CHUNK_ORDER; o++) /* what is left at the edges goes first */
        while (z->list[o][MMU_MIGRATE_MOVABLE].count)
            buddy_take_smallest(rig.os, MMU_ZONE_NORMAL, o, MMU_MIGRATE_MOVABLE);
    uint64_t large = z->blocks[CHUNK_ORDER], free = z->free;
    uint32_t id = buddy_take_smallest(rig.os, MMU_ZONE_NORMAL, 2, MMU_MIGRATE_MOVABLE);
    assert_int_equal(page_pfn(rig.os->pages, id) % CHUNK_PAGES, 0);
    assert_int_equal(z->blocks[CHUNK_ORDER], large - 1);
    assert_int_equal(z->free, free - 4);
    for (unsigned o = 0; o < CHUNK_ORDER; o++)
        assert_int_equal(z->blocks[o], o >= 2);
    for (unsigned o = 2; o < CHUNK_ORDER; o++)
        assert_int_equal(z->list[o][MMU_MIGRATE_MOVABLE].head, id + (1u << o));
    buddy_give(rig.os, MMU_ZONE_NORMAL, id, 2, MMU_MIGRATE_MOVABLE);
    assert_int_equal(z->blocks[CHUNK_ORDER], large);
    assert_int_equal(z->list[CHUNK_ORDER][MMU_MIGRATE_MOVABLE].head, id);
    for (unsigned o = 0; o < CHUNK_ORDER; o++)
        assert_int_equal(z->blocks[o], 0);
    kernel_rig_end(&rig);
}

/* A block goes to the end of its list when its merged self would have a free buddy, to the front else. */
static void test_merge_likely(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_X86_64, 256, 2);
    const unsigned zone = MMU_ZONE_DMA32, type = MMU_MIGRATE_MOVABLE;
    struct buddy_zone *z = &rig.os->buddy->zone[zone];
    uint32_t a = buddy_take_smallest(rig.os, zone, 4, type), b = buddy_take_smallest(rig.os, zone, 4, type);
    while (z->blocks[0])
        buddy_take_smallest(rig.os, zone, 0, type);
    while (z->blocks[1])
        buddy_take_smallest(rig.os, zone, 1, type);
    buddy_give(rig.os, zone, b, 0, type);
    assert_int_equal(z->list[0][type].head, b);
    buddy_give(rig.os, zone, a + 2, 1, type); /* pages 2, 3 */
    buddy_give(rig.os, zone, a, 0, type);     /* with page 1 it would become 0 to 3 */
    assert_int_equal(z->list[0][type].head, b);
    assert_int_equal(z->list[0][type].tail, a);
    buddy_give(rig.os, zone, a + 5, 0, type); /* with page 4 it would stay alone */
    assert_int_equal(z->list[0][type].head, a + 5);
    buddy_give(rig.os, zone, a + 1, 0, type);
    assert_int_equal(z->blocks[0], 2);
    assert_int_equal(page_order(page_at(rig.os->pages, a)), 2);
    kernel_rig_end(&rig);
}

static uint64_t blocks_of(const struct mmu_os *os, unsigned zone, unsigned type)
{
    return os->buddy->zone[zone].pageblocks[type];
}

/* Unmovable and reclaimable requests take whole blocks, of the types in their order; movable ones do least
 * harm. */
static void test_steal(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_X86_64, 256, 2);
    struct mmu_os *os = rig.os;
    const unsigned zone = MMU_ZONE_DMA32;
    struct buddy_zone *z = &os->buddy->zone[zone];
    assert_int_equal(blocks_of(os, zone, MMU_MIGRATE_UNMOVABLE), 0);
    uint32_t unmovable = buddy_take(os, zone, 0, MMU_MIGRATE_UNMOVABLE, 0);
    assert_int_equal(blocks_of(os, zone, MMU_MIGRATE_UNMOVABLE), 2); /* of 512 pages, one block of 1024 */
    assert_int_equal(z->steals, 1);
    assert_int_equal(z->list[9][MMU_MIGRATE_UNMOVABLE].count, 1);
    /* Reclaimable looks at the largest order first: movable memory, though unmovable comes before it. */
    uint32_t reclaimable = buddy_take(os, zone, 0, MMU_MIGRATE_RECLAIMABLE, 0);
    assert_int_equal(blocks_of(os, zone, MMU_MIGRATE_RECLAIMABLE), 2);
    assert_int_equal(blocks_of(os, zone, MMU_MIGRATE_UNMOVABLE), 2);
    while (z->list[10][MMU_MIGRATE_MOVABLE].count)
        buddy_take_smallest(os, zone, 10, MMU_MIGRATE_MOVABLE);
    for (unsigned o = 10; o-- > 0;)
        while (z->list[o][MMU_MIGRATE_MOVABLE].count)
            buddy_take_smallest(os, zone, o, MMU_MIGRATE_MOVABLE);
    /* Now unmovable and reclaimable each have one block of orders 0 to 9. A movable page: the largest piece
     * (9) makes a whole pageblock, so it is taken from reclaimable, who comes first. */
    uint32_t movable = buddy_take(os, zone, 0, MMU_MIGRATE_MOVABLE, 0);
    assert_int_equal(z->list[9][MMU_MIGRATE_RECLAIMABLE].count, 0);
    assert_int_equal(z->list[9][MMU_MIGRATE_UNMOVABLE].count, 1);
    assert_int_equal(blocks_of(os, zone, MMU_MIGRATE_RECLAIMABLE), 1);
    assert_int_equal(migrate_type_of(os, movable), MMU_MIGRATE_MOVABLE);
    /* With pieces below half a pageblock's order only (4), the smallest piece, and no pageblock. */
    for (unsigned o = 4; o < MMU_OS_ORDERS; o++)
        for (unsigned t = 0; t < PCP_TYPES; t++)
            while (z->list[o][t].count)
                buddy_take_smallest(os, zone, o, t);
    for (unsigned o = 0; o < 4; o++)
        while (z->list[o][MMU_MIGRATE_MOVABLE].count)
            buddy_take_smallest(os, zone, o, MMU_MIGRATE_MOVABLE);
    uint64_t movable_blocks = blocks_of(os, zone, MMU_MIGRATE_MOVABLE);
    assert_int_equal(z->list[0][MMU_MIGRATE_RECLAIMABLE].count, 1);
    uint32_t small = buddy_take(os, zone, 0, MMU_MIGRATE_MOVABLE, 0);
    assert_int_equal(z->list[0][MMU_MIGRATE_RECLAIMABLE].count, 0);
    assert_int_equal(blocks_of(os, zone, MMU_MIGRATE_MOVABLE), movable_blocks);
    assert_int_equal(migrate_type_of(os, small), MMU_MIGRATE_RECLAIMABLE);
    assert_true(unmovable && reclaimable);
    kernel_rig_end(&rig);
}

/* alloc_flags_nofragment(): nothing below a pageblock is stolen. */
static void test_nofragment(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_X86_64, 64, 2);
    struct mmu_os *os = rig.os;
    const unsigned zone = MMU_ZONE_DMA32;
    struct buddy_zone *z = &os->buddy->zone[zone];
    for (unsigned o = 9; o <= CHUNK_ORDER; o++)
        while (z->list[o][MMU_MIGRATE_MOVABLE].count)
            buddy_take_smallest(os, zone, o, MMU_MIGRATE_MOVABLE);
    assert_true(z->free > 0);
    assert_int_equal(buddy_take(os, zone, 0, MMU_MIGRATE_UNMOVABLE, ALLOC_NOFRAGMENT), 0);
    assert_true(buddy_take(os, zone, 0, MMU_MIGRATE_UNMOVABLE, 0) != 0);
    kernel_rig_end(&rig);
}

/* High-order atomic allocations keep a pageblock for their like, until the kernel has nothing else. */
static void test_highatomic(void **state)
{
    (void)state;
    struct kernel_rig rig = kernel_rig_of(MMU_OS_I386_PAE, 512, 2);
    struct mmu_os *os = rig.os;
    const unsigned zone = MMU_ZONE_NORMAL;
    mmu_pfn pfn, keep;
    uint64_t n = 0;
    while (mmu_os_alloc_pages(os, MMU_GFP_KERNEL | MMU___GFP_MOVABLE, 0, &pfn) == MMU_OS_DONE)
        n++;
    assert_int_equal(mmu_os_alloc_pages(os, MMU_GFP_ATOMIC, 2, &keep), MMU_OS_DONE);
    struct mmu_os_zone_info info = kernel_rig_zone(os, zone);
    assert_int_equal(info.pageblocks[MMU_MIGRATE_HIGHATOMIC], 1);
    assert_int_equal(os->buddy->zone[zone].highatomic, 512);
    struct mmu_page_info page;
    mmu_os_page(os, keep, &page);
    assert_int_equal(page.migratetype, MMU_MIGRATE_HIGHATOMIC);
    mmu_os_check(os);
    /* What is free in it counts for nobody else; a last resort gives it up. */
    assert_int_equal(mmu_os_alloc_pages(os, MMU_GFP_NOWAIT, 0, &pfn), MMU_OS_EXHAUSTED);
    assert_int_equal(kernel_rig_zone(os, zone).pageblocks[MMU_MIGRATE_HIGHATOMIC], 1);
    mmu_os_alloc_pages(os, MMU_GFP_KERNEL, 0, &pfn);
    assert_int_equal(kernel_rig_zone(os, zone).pageblocks[MMU_MIGRATE_HIGHATOMIC], 0);
    assert_int_equal(os->buddy->zone[zone].highatomic, 0);
    mmu_os_check(os);
    assert_true(n > 1000);
    kernel_rig_end(&rig);
}

/* Reserves a pageblock whose second half of its chunk stays free; returns it, allocated. */
static uint32_t reserve(struct mmu_os *os, unsigned zone)
{
    const unsigned order = os->buddy->pageblock_order;
    uint32_t whole = buddy_take_smallest(os, zone, CHUNK_ORDER, MMU_MIGRATE_MOVABLE);
    buddy_give(os, zone, whole + (1u << order), order, MMU_MIGRATE_MOVABLE);
    page_set_head(page_at(os->pages, whole), MMU_PAGE_KERNEL, order, MMU_MIGRATE_MOVABLE);
    migrate_reserve(os, zone, whole);
    return whole;
}

/* A reserved pageblock is not merged with its neighbour; given up, it is. The last of a zone is given up only
 * in need, and at most 1 % of the zone and one more are reserved. */
static void test_reserve(void **state)
{
    (void)state;
    struct kernel_rig rig;
    kernel_rig_config(&rig.config, MMU_OS_X86_64, 512 << 20, 1);
    rig.config.os.min_free_given = true;
    rig.config.os.min_free_kbytes = 2048;
    kernel_rig_boot(&rig);
    struct mmu_os *os = rig.os;
    const unsigned zone = MMU_ZONE_DMA32, order = 9;
    struct buddy_zone *z = &os->buddy->zone[zone];
    uint64_t whole = z->blocks[CHUNK_ORDER], half = z->blocks[order];
    uint32_t id = reserve(os, zone);
    buddy_give(os, zone, id, order, migrate_type_of(os, id));
    assert_int_equal(z->blocks[CHUNK_ORDER], whole - 1);
    assert_int_equal(z->blocks[order], half + 2);
    assert_int_equal(z->list[order][MMU_MIGRATE_HIGHATOMIC].count, 1);
    assert_false(migrate_unreserve(os, MMU_ZONE_NORMAL, MMU_MIGRATE_MOVABLE, false));
    assert_true(migrate_unreserve(os, MMU_ZONE_NORMAL, MMU_MIGRATE_MOVABLE, true));
    assert_false(migrate_unreserve(os, MMU_ZONE_NORMAL, MMU_MIGRATE_MOVABLE, true));
    assert_int_equal(z->blocks[CHUNK_ORDER], whole);
    assert_int_equal(z->blocks[order], half);
    assert_int_equal(z->highatomic, 0);
    for (unsigned i = 0; i < 20; i++) {
        id = reserve(os, zone);
        buddy_give(os, zone, id, order, migrate_type_of(os, id));
    }
    assert_true(z->highatomic >= z->managed / 100 + 512 && z->highatomic < z->managed / 100 + 1024);
    assert_int_equal(z->pageblocks[MMU_MIGRATE_HIGHATOMIC] * 512, z->highatomic);
    /* For those who may not use it, it is as if it were allocated. */
    mmu_pfn pfn;
    while (mmu_os_alloc_pages(os, MMU___GFP_NOWARN | MMU___GFP_NOMEMALLOC, 0, &pfn) == MMU_OS_DONE)
        continue;
    const struct plan_zone *figures = &os->plan->zones.zone[zone];
    assert_true(z->free <= figures->min + z->highatomic && z->free + 63 > figures->min + z->highatomic);
    /* Atomic requests of several pages look there first, of one page when nothing else is left. */
    struct mmu_page_info info;
    assert_int_equal(mmu_os_alloc_pages(os, MMU_GFP_ATOMIC, 4, &pfn), MMU_OS_DONE);
    mmu_os_page(os, pfn, &info);
    assert_int_equal(info.migratetype, MMU_MIGRATE_HIGHATOMIC);
    assert_int_equal(mmu_os_alloc_pages(os, MMU_GFP_ATOMIC, 0, &pfn), MMU_OS_DONE);
    mmu_os_page(os, pfn, &info);
    assert_true(info.migratetype != MMU_MIGRATE_HIGHATOMIC);
    mmu_os_drain(os);
    for (unsigned t = 0; t < PCP_TYPES; t++)
        while (buddy_take_smallest(os, zone, 0, t))
            continue;
    assert_int_equal(mmu_os_alloc_pages(os, MMU_GFP_NOWAIT, 1, &pfn), MMU_OS_EXHAUSTED); /* without HIGH */
    assert_int_equal(mmu_os_alloc_pages(os, MMU_GFP_ATOMIC, 0, &pfn), MMU_OS_DONE);
    mmu_os_page(os, pfn, &info);
    assert_int_equal(info.migratetype, MMU_MIGRATE_HIGHATOMIC);
    kernel_rig_end(&rig);
}

/* Too little memory for pageblocks of several types: everything is unmovable. */
static void test_no_mobility(void **state)
{
    (void)state;
    struct kernel_rig rig;
    kernel_rig_config(&rig.config, MMU_OS_I386, 16 << 20, 1);
    rig.config.os.kernel_start = 4 << 20;
    rig.config.os.kernel_text = 1 << 20;
    kernel_rig_boot(&rig);
    mmu_pfn pfn;
    assert_true(rig.os->buddy->mobility_disabled);
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(mmu_os_alloc_pages(rig.os, MMU_GFP_HIGHUSER_MOVABLE, 0, &pfn), MMU_OS_DONE);
    for (unsigned z = 0; z < MMU_ZONES; z++) {
        assert_int_equal(kernel_rig_zone(rig.os, z).pageblocks[MMU_MIGRATE_MOVABLE], 0);
        assert_int_equal(kernel_rig_zone(rig.os, z).steals, 0);
    }
    mmu_os_check(rig.os);
    kernel_rig_end(&rig);
}

/* Untouched memory costs nothing, also when it is asked about; touched memory 32 bytes a page. */
static void test_wild(void **state)
{
    (void)state;
    struct kernel_rig rig;
    kernel_rig_config(&rig.config, MMU_OS_X86_64, UINT64_C(1) << 40, 1);
    kernel_rig_boot(&rig);
    struct mmu_os *os = rig.os;
    uint64_t bytes = buddy_host_bytes(os), pages = 0;
    struct mmu_page_info info;
    assert_true(bytes < 1 << 20);
    for (mmu_pfn pfn = 0; pfn < UINT64_C(1) << 28; pfn += 99991) {
        assert_int_equal(mmu_os_page(os, pfn, &info), MMU_OS_DONE);
        assert_true(info.use == MMU_PAGE_FREE || info.use == MMU_PAGE_RESERVED ||
                    info.use == MMU_PAGE_NOT_RAM);
        assert_int_equal(info.descriptor, os->plan->layout.vmemmap + pfn * 64);
    }
    assert_int_equal(mmu_os_page(os, UINT64_C(1) << 40, &info), MMU_OS_REFUSED);
    assert_int_equal(buddy_host_bytes(os), bytes);
    for (unsigned i = 0; i < 100000; i++, pages++)
        assert_int_equal(mmu_os_alloc_pages(os, MMU_GFP_KERNEL, 0, &(mmu_pfn){0}), MMU_OS_DONE);
    bytes = buddy_host_bytes(os) - bytes;
    assert_true(bytes >= 32 * pages && bytes < 33 * (pages + 2 * CHUNK_PAGES));
    mmu_os_check(os);
    kernel_rig_end(&rig);
}

/* A frame that is looked at in earnest gets its descriptors, and nothing else changes. */
static void test_page_of(void **state)
{
    (void)state;
    struct dice dice = dice_new("page_of", 1);
    for (unsigned aged = 0; aged < 2; aged++) {
        struct kernel_rig rig;
        struct ref_frames ref;
        struct mmu_page_info before, after;
        kernel_rig_config(&rig.config, MMU_OS_I386_PAE, 1200 << 20, 1);
        rig.config.os.aged = aged;
        rig.config.os.aged_order = 7;
        rig.config.os.aged_unusable = 600;
        kernel_rig_boot(&rig);
        ref_frames_init(&ref, rig.os);
        struct mmu_os_zone_info zone = kernel_rig_zone(rig.os, MMU_ZONE_NORMAL);
        for (unsigned i = 0; i < 300; i++) {
            mmu_pfn pfn = dice_next(&dice) % rig.os->plan->memmap.max_pfn;
            mmu_os_page(rig.os, pfn, &before);
            assert_non_null(page_of(rig.os, pfn));
            mmu_os_page(rig.os, pfn, &after);
            assert_memory_equal(&before, &after, sizeof before);
        }
        mmu_os_check(rig.os);
        struct mmu_os_zone_info now = kernel_rig_zone(rig.os, MMU_ZONE_NORMAL);
        assert_memory_equal(&zone, &now, sizeof zone);
        if (!aged)
            ref_frames_compare(&ref, rig.os);
        ref_frames_destroy(&ref);
        kernel_rig_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),       cmocka_unit_test(test_merge_likely),
        cmocka_unit_test(test_steal),       cmocka_unit_test(test_nofragment),
        cmocka_unit_test(test_highatomic),  cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_no_mobility), cmocka_unit_test(test_wild),
        cmocka_unit_test(test_page_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
