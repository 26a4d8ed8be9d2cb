/*
 * test_pager.c: the demand pager: which page size it maps where, which frames it hands out, what it does when
 * there are no more, what it costs the host.
 */
#include "dice.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

static struct mmu_core *start(struct mmu_machine **m, const struct mmu_config *config)
{
    struct mmu_error error;
    if (mmu_machine_create(config, NULL, m, &error) != MMU_OK)
        fail_msg("%s", error.message);
    return mmu_machine_core(*m, 0);
}

static struct mmu_result touch(struct mmu_core *core, mmu_va va)
{
    struct mmu_access a = {.va = va, .size = 1, .kind = MMU_LOAD};
    struct mmu_result r;
    (void)mmu_core_access(core, &a, &r);
    return r;
}

static void expect_page(struct mmu_core *core, mmu_va va, unsigned shift)
{
    struct mmu_result r = touch(core, va);
    assert_int_equal(r.outcome, MMU_DONE);
    if (r.page_shift != shift)
        fail_msg("%#llx: mapped by 1 << %u, expected 1 << %u", (unsigned long long)va, r.page_shift, shift);
    assert_int_equal(r.pa & ((UINT64_C(1) << shift) - 1), va & ((UINT64_C(1) << shift) - 1));
}

/* Every mode with every page size that it has: mapped once, then found; writable, executable, the user's. */
static void test_modes(void **state)
{
    (void)state;
    static const struct {
        enum mmu_mode mode;
        enum mmu_page page;
        unsigned shift;
    } pages[] = {
        {MMU_MODE_I386, MMU_4K, 12}, {MMU_MODE_I386, MMU_4M, 22}, {MMU_MODE_PAE, MMU_4K, 12},
        {MMU_MODE_PAE, MMU_2M, 21},  {MMU_MODE_4L, MMU_4K, 12},   {MMU_MODE_4L, MMU_2M, 21},
        {MMU_MODE_4L, MMU_1G, 30},   {MMU_MODE_5L, MMU_4K, 12},   {MMU_MODE_5L, MMU_2M, 21},
        {MMU_MODE_5L, MMU_1G, 30},
    };
    for (unsigned i = 0; i < sizeof pages / sizeof *pages; i++) {
        for (enum mmu_frames frames = 0; frames < MMU_FRAMES_MODES; frames++) {
            struct mmu_config config;
            struct mmu_machine *m;
            struct mmu_stats stats;
            mmu_config_init(&config);
            config.pager.mode = pages[i].mode;
            config.pager.page = pages[i].page;
            config.pager.frames = frames;
            struct mmu_core *core = start(&m, &config);
            assert_int_equal(mmu_core_mode(core), pages[i].mode);
            bool high = pages[i].mode >= MMU_MODE_4L;
            const mmu_va va[] = {0x123,
                                 0x40000000,
                                 0x7ffff000,
                                 0xfffff123,
                                 high ? UINT64_C(0x7fffffffffff) : 0x80000000,
                                 high ? UINT64_C(0xffff800000000000) : 0xc0000000,
                                 high ? UINT64_C(0xffffffffffffffff) : 0x3fffffff};
            for (unsigned k = 0; k < sizeof va / sizeof *va; k++) {
                expect_page(core, va[k], pages[i].shift);
                struct mmu_access store = {.va = va[k], .size = 1, .kind = MMU_STORE},
                                  fetch = {.va = va[k], .size = 1, .kind = MMU_FETCH};
                assert_int_equal(mmu_core_access(core, &store, NULL), MMU_DONE);
                assert_int_equal(mmu_core_access(core, &fetch, NULL), MMU_DONE);
            }
            mmu_core_stats(core, &stats);
            assert_int_equal(stats.run.faults_pf[0], stats.run.faults_resolved[0]);
            assert_in_range(stats.run.faults_pf[0], 3, 7); /* some addresses share a large page */
            mmu_core_check(core);
            mmu_machine_free(m);
        }
    }
}

/* The first range that holds an address says its page size; else the default. A bound that cuts a page is
 * refused. */
static void test_ranges(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_machine *m;
    mmu_config_init(&config);
    config.pager.ranges = 4;
    config.pager.range[0] = (struct mmu_pager_range){GIB + 4 * MIB, GIB + 6 * MIB, MMU_4K};
    config.pager.range[1] = (struct mmu_pager_range){GIB + 2 * MIB, GIB + 12 * MIB, MMU_2M};
    config.pager.range[2] = (struct mmu_pager_range){3 * GIB, 5 * GIB, MMU_1G};
    config.pager.range[3] = (struct mmu_pager_range){0, 2 * GIB, MMU_4K};
    struct mmu_core *core = start(&m, &config);
    expect_page(core, GIB + 2 * MIB - 1, 12);
    expect_page(core, GIB + 2 * MIB, 21);
    expect_page(core, GIB + 4 * MIB - 1, 21);
    expect_page(core, GIB + 4 * MIB, 12);
    expect_page(core, GIB + 6 * MIB - 1, 12);
    expect_page(core, GIB + 6 * MIB, 21);
    expect_page(core, GIB + 12 * MIB - 1, 21);
    expect_page(core, GIB + 12 * MIB, 12);
    expect_page(core, 3 * GIB - 1, 12);
    expect_page(core, 3 * GIB, 30);
    expect_page(core, 5 * GIB - 1, 30);
    expect_page(core, 5 * GIB, 12);
    mmu_machine_free(m);
    config.pager.range[0].end += 4096;
    assert_int_equal(mmu_machine_create(&config, NULL, &m, NULL), MMU_ERR_INVALID);

    mmu_config_init(&config); /* exceptions of smaller pages */
    config.pager.page = MMU_1G;
    config.pager.ranges = 1;
    config.pager.range[0] = (struct mmu_pager_range){7 * GIB, 8 * GIB, MMU_2M};
    core = start(&m, &config);
    expect_page(core, 7 * GIB, 21);
    expect_page(core, 8 * GIB - 1, 21);
    expect_page(core, 8 * GIB, 30);
    expect_page(core, 7 * GIB - 1, 30);
    mmu_machine_free(m);

    mmu_config_init(&config);
    config.pager.mode = MMU_MODE_I386;
    config.pager.page = MMU_4M;
    config.pager.ranges = 1;
    config.pager.range[0] = (struct mmu_pager_range){GIB, GIB + 4 * MIB, MMU_4K};
    core = start(&m, &config);
    expect_page(core, GIB - 1, 22);
    expect_page(core, GIB, 12);
    expect_page(core, GIB + 4 * MIB, 22);
    mmu_machine_free(m);
}

/* Collects the frames of all pages and of all their tables. */
struct frames {
    mmu_pa *pa;
    size_t n;
};

static int ascending(const void *a, const void *b)
{
    const mmu_pa *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void expect_disjoint(struct frames *f, const struct mmu_config *config)
{
    qsort(f->pa, f->n, sizeof *f->pa, ascending);
    assert_true(f->pa[0] != 0);
    for (size_t i = 0; i < f->n; i++) {
        bool ram = false;
        for (uint32_t k = 0; k < config->memory.ram_ranges; k++) {
            const struct mmu_ram_range *r = &config->memory.ram[k];
            ram = ram || (f->pa[i] >= r->start && f->pa[i] + 4096 <= r->start + r->size);
        }
        assert_true(ram);
        if (i && f->pa[i] == f->pa[i - 1])
            fail_msg("frame %#llx was handed out twice", (unsigned long long)f->pa[i]);
    }
}

/* The tables that translate va: of each step the frame, once. */
static void add_tables(const struct mmu_core *core, mmu_va va, struct frames *f, size_t room)
{
    struct mmu_access a = {.va = va, .size = 1, .kind = MMU_LOAD};
    struct mmu_walk w;
    assert_int_equal(mmu_core_walk(core, &a, &w), MMU_DONE);
    for (uint32_t s = 0; s < w.steps; s++) {
        mmu_pa table = w.step[s].pa & ~UINT64_C(4095);
        bool known = false;
        for (size_t i = 0; i < f->n && !known; i++)
            known = f->pa[i] == table;
        assert_true(known || f->n < room);
        if (!known)
            f->pa[f->n++] = table;
    }
}

/* Until RAM is used up: every frame once, never frame 0, in RAM; then exhaustion, said and not fatal. */
static void exhaust(enum mmu_frames order, uint64_t seed, mmu_pa first[4])
{
    enum { ROOM = 8192 };
    struct mmu_config config;
    struct mmu_machine *m;
    struct frames pages = {.pa = calloc(ROOM, sizeof(mmu_pa))}, tables = {.pa = calloc(ROOM, sizeof(mmu_pa))};
    mmu_config_init(&config);
    config.seed = seed;
    config.pager.frames = order;
    config.memory.ram_ranges = 3;
    config.memory.ram[0] = (struct mmu_ram_range){0, 512 * 4096};
    config.memory.ram[1] = (struct mmu_ram_range){GIB, 3000 * 4096};
    config.memory.ram[2] = (struct mmu_ram_range){5 * GIB, 7 * 4096};
    struct mmu_core *core = start(&m, &config);
    struct mmu_result r;
    mmu_va va = 0;
    for (;; va += 4096) {
        r = touch(core, va);
        if (r.outcome != MMU_DONE)
            break;
        assert_true(pages.n < ROOM);
        pages.pa[pages.n++] = r.pa;
        if (va % (512 * 4096) == 0)
            add_tables(core, va, &tables, ROOM);
    }
    assert_int_equal(r.outcome, MMU_FAULT_PF);
    assert_int_equal(r.cr2, va);
    struct mmu_access again = {.va = va, .size = 1, .kind = MMU_LOAD};
    assert_int_equal(mmu_core_run(core, &again, 1, NULL), MMU_ERR_EXHAUSTED);
    assert_int_equal(touch(core, 0).outcome, MMU_DONE); /* what was mapped stays */
    assert_int_equal(touch(core, 0).pa, pages.pa[0]);
    memcpy(first, pages.pa, 4 * sizeof *first);
    if (order == MMU_FRAMES_SEQUENTIAL)
        for (size_t i = 1; i < pages.n; i++)
            assert_true(pages.pa[i] > pages.pa[i - 1]);
    memcpy(pages.pa + pages.n, tables.pa, tables.n * sizeof *tables.pa);
    pages.n += tables.n;
    assert_in_range(pages.n, 512 + 3000 + 7 - 2,
                    512 + 3000 + 7 - 1); /* all but frame 0 (and what the next table would need) */
    expect_disjoint(&pages, &config);
    mmu_core_check(core);
    mmu_machine_free(m);
    free(pages.pa);
    free(tables.pa);
}

static void test_frames(void **state)
{
    (void)state;
    mmu_pa in_order[4], random[4], same[4], other[4];
    exhaust(MMU_FRAMES_SEQUENTIAL, 1, in_order);
    exhaust(MMU_FRAMES_RANDOM, 1, random);
    exhaust(MMU_FRAMES_RANDOM, 1, same);
    exhaust(MMU_FRAMES_RANDOM, 2, other);
    assert_memory_equal(random, same, sizeof same);
    assert_memory_not_equal(random, other, sizeof other);
    assert_memory_not_equal(random, in_order, sizeof other);
}

/* Small and large pages mixed, frames random: pieces never overlap. */
static void test_mixed_sizes(void **state)
{
    (void)state;
    enum { BLOCKS = 64 };
    struct mmu_config config;
    struct mmu_machine *m;
    struct dice dice = dice_new("mixed sizes", 1);
    static uint8_t used[BLOCKS * 512];
    for (enum mmu_frames order = 0; order < MMU_FRAMES_MODES; order++) {
        memset(used, 0, sizeof used);
        mmu_config_init(&config);
        config.pager.frames = order;
        config.pager.ranges = 1;
        config.pager.range[0] = (struct mmu_pager_range){GIB, 2 * GIB, MMU_2M};
        config.memory.ram_ranges = 1;
        config.memory.ram[0] = (struct mmu_ram_range){0, BLOCKS * 2 * MIB};
        struct mmu_core *core = start(&m, &config);
        unsigned small = 0, large = 0;
        for (;;) {
            bool big = dice_once_in(&dice, 200);
            mmu_va va = big ? GIB + large * 2 * MIB : small * UINT64_C(4096);
            struct mmu_result r = touch(core, va);
            if (r.outcome != MMU_DONE)
                break;
            big ? large++ : small++;
            assert_int_equal(r.page_shift, big ? 21 : 12);
            for (unsigned i = 0; i < (big ? 512u : 1u); i++)
                assert_int_equal(used[r.pa / 4096 + i]++, 0);
        }
        assert_true(large > 10 && small > 1000);
        assert_int_equal(used[0], 0);
        mmu_machine_free(m);
    }
}

/* Frames over 1 TiB at random: the host pays for tables, not for RAM. */
static void test_one_tebibyte(void **state)
{
    (void)state;
    enum { PAGES = 3000 };
    struct mmu_config config;
    struct mmu_machine *m;
    struct dice dice = dice_new("1 TiB", 1);
    mmu_config_init(&config);
    config.pager.frames = MMU_FRAMES_RANDOM;
    config.memory.ram_ranges = 1;
    config.memory.ram[0] = (struct mmu_ram_range){0, 1024 * GIB};
    struct mmu_core *core = start(&m, &config);
    uint64_t begin = mmu_machine_host_bytes(m);
    assert_true(begin < MIB);
    mmu_pa highest = 0;
    for (unsigned i = 0; i < PAGES; i++) {
        struct mmu_result r =
            touch(core, dice_next(&dice) >> 17 &
                            ~UINT64_C(0xfff)); /* of 128 TiB: tables of its own nearly always */
        assert_int_equal(r.outcome, MMU_DONE);
        highest = r.pa > highest ? r.pa : highest;
    }
    assert_true(highest > 1000 * GIB && highest < 1024 * GIB);
    /* three tables a page, each perhaps with a node of the sparse map */
    assert_true(mmu_machine_host_bytes(m) < PAGES * UINT64_C(3) * (4096 + 33000));
    mmu_machine_clear_memory(m);
    mmu_machine_free(m);

    config.pager.page = MMU_1G; /* all of it in 1-GByte pages */
    core = start(&m, &config);
    unsigned mapped = 0;
    while (touch(core, mapped * GIB).outcome == MMU_DONE)
        mapped++;
    assert_in_range(mapped, 1020, 1023);
    assert_true(mmu_machine_host_bytes(m) < MIB);
    mmu_machine_free(m);
}

/* RAM too small for the first tables: refused when the machine is made. */
static void test_too_small(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_machine *m;
    struct mmu_error error;
    mmu_config_init(&config);
    config.memory.ram_ranges = 1;
    config.memory.ram[0] = (struct mmu_ram_range){0, 4096};
    assert_int_equal(mmu_machine_create(&config, NULL, &m, &error), MMU_ERR_EXHAUSTED);
    assert_non_null(strstr(error.message, "memory.ram"));
    config.pager.mode = MMU_MODE_PAE;
    config.memory.ram[0].size = 4 * 4096;
    assert_int_equal(mmu_machine_create(&config, NULL, &m, &error), MMU_ERR_EXHAUSTED);
}

/* PSE-36: PDE bits 20:13 are address bits 39:32, as far as the processor has them. */
static void test_pse36(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    rig_config(&config);
    config.cpu.maxphyaddr = 40;
    rig_start(&rig, &config, MMU_MODE_I386);
    rig_map(&rig, 0x00400000, 0x80c00000 | 0xabu << 13, 22, RIG_P | RIG_U);
    rig_expect(&rig, MMU_LOAD, MMU_USER, 0x00512345, UINT64_C(0xab80c00000) + 0x112345);
    rig_expect(&rig, MMU_LOAD, MMU_USER, 0x00512345, UINT64_C(0xab80c00000) + 0x112345); /* from the TLB */
    rig_map(&rig, 0x00800000, 0x80c00000 | 1u << 21, 22, RIG_P | RIG_U);
    rig_expect_pf(&rig, MMU_LOAD, MMU_USER, 0x00800000, MMU_PF_P | MMU_PF_U | MMU_PF_RSVD);
    rig_stop(&rig);
    config.cpu.maxphyaddr = 36;
    rig_start(&rig, &config, MMU_MODE_I386);
    rig_map(&rig, 0x00400000, 0x80c00000 | 0xfu << 13, 22, RIG_P | RIG_U);
    rig_expect(&rig, MMU_LOAD, MMU_USER, 0x00400000, UINT64_C(0xf80c00000));
    rig_map(&rig, 0x00800000, 0x80c00000 | 0x10u << 13, 22, RIG_P | RIG_U);
    rig_expect_pf(&rig, MMU_LOAD, MMU_USER, 0x00800000, MMU_PF_P | MMU_PF_U | MMU_PF_RSVD);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_frames),       cmocka_unit_test(test_mixed_sizes),
        cmocka_unit_test(test_one_tebibyte), cmocka_unit_test(test_too_small),
        cmocka_unit_test(test_pse36),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
