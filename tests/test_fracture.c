/*
 * test_fracture.c: where pages of each size are held: large pages in pieces, two structures of a level that
 * serve one size, way masks, sizes that share an array, serial probes.
 */
#include "dice.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { K4 = 1 << MMU_4K, M2 = 1 << MMU_2M, M4 = 1 << MMU_4M, G1 = 1 << MMU_1G, ALL_KINDS = 7 };
#define GIB UINT64_C(0x40000000)
#define MIB UINT64_C(0x100000)

static struct mmu_tlb_config *structure(struct mmu_config *c, unsigned level, unsigned pages,
                                        unsigned entries, unsigned ways)
{
    struct mmu_tlb_config *t = &c->tlb[c->tlbs++];
    *t = (struct mmu_tlb_config){.level = level,
                                 .kinds = ALL_KINDS,
                                 .pages = pages,
                                 .entries = entries,
                                 .ways = ways,
                                 .policy = MMU_LRU};
    snprintf(t->name, sizeof t->name, "T%u", c->tlbs);
    c->levels = c->levels > level ? c->levels : level;
    return t;
}

static void empty(struct mmu_config *c)
{
    rig_config(c);
    c->levels = 0;
    c->tlbs = 0;
    memset(c->tlb, 0, sizeof c->tlb);
    c->level[1].latency = 7;
}

/* The entries of one structure. */
struct entries {
    unsigned n;
    struct mmu_tlb_entry e[64];
};

static void add(void *ctx, const struct mmu_tlb_entry *e)
{
    struct entries *all = ctx;
    assert_true(all->n < 64);
    all->e[all->n++] = *e;
}

static struct entries held(const struct rig *rig, unsigned structure)
{
    struct entries all = {0};
    mmu_core_tlb_entries(rig->core, structure, add, &all);
    return all;
}

static void load(struct rig *rig, mmu_va va, enum mmu_where where)
{
    struct mmu_result r = rig_access(rig, MMU_LOAD, MMU_USER, va);
    assert_int_equal(r.outcome, MMU_DONE);
    if (r.where != where)
        fail_msg("%#llx: found at %u, expected %u", (unsigned long long)va, r.where, where);
}

/* A 1-GByte page held as pieces of 2 MBytes, and a 2-MByte page as pieces of 4 KBytes: a walk a piece; INVLPG
 * anywhere in the page drops them all. */
static void pieces(unsigned page_shift, unsigned held_pages, unsigned piece_shift)
{
    struct mmu_config config;
    struct rig rig;
    mmu_va va = 4 * GIB;
    empty(&config);
    structure(&config, 1, held_pages, 16, 16);
    structure(&config, 2, held_pages, 32, 4);
    rig_start(&rig, &config, MMU_MODE_4L);
    rig_map(&rig, va, 8 * GIB, page_shift, RIG_P | RIG_U | RIG_W);
    rig_map(&rig, va + GIB, 0x9000, 12, RIG_P | RIG_U);
    load(&rig, va + GIB, MMU_AT_WALK);
    for (unsigned i = 0; i < 5; i++) {
        mmu_va at = va + ((mmu_va)i * 3 << piece_shift) + 0x345;
        load(&rig, at, MMU_AT_WALK);
        load(&rig, at ^ (UINT64_C(1) << (piece_shift - 1)), MMU_AT_L1);
        struct mmu_result r = rig_access(&rig, MMU_LOAD, MMU_USER, at);
        assert_int_equal(r.pa, 8 * GIB + (at - va));
        assert_int_equal(r.page_shift, page_shift); /* that of the page, not of the piece */
    }
    for (unsigned s = 0; s < 2; s++) {
        struct entries all = held(&rig, s);
        assert_int_equal(all.n, 6);
        for (unsigned i = 0; i < all.n; i++) {
            bool small = all.e[i].va == va + GIB;
            assert_int_equal(all.e[i].page_shift, small ? 12 : page_shift);
            assert_int_equal(all.e[i].page, small || piece_shift == 12 ? MMU_4K : MMU_2M);
            assert_int_equal(all.e[i].pa, small ? 0x9000 : 8 * GIB + (all.e[i].va - va));
        }
    }
    rig_invlpg(&rig, va + (UINT64_C(1) << page_shift) - 1); /* a piece that was never held */
    for (unsigned s = 0; s < 2; s++)
        assert_int_equal(held(&rig, s).n, 1);
    load(&rig, va + GIB, MMU_AT_L1);
    load(&rig, va, MMU_AT_WALK);
    rig_stop(&rig);
}

static void test_pieces(void **state)
{
    (void)state;
    pieces(30, K4 | M2, 21); /* the largest smaller size */
    pieces(30, K4, 12);
    pieces(21, K4, 12);
}

/* A store to one piece makes the page dirty; the other pieces learn it by walking again. */
static void test_dirty_pieces(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_stats stats;
    struct rig rig;
    empty(&config);
    structure(&config, 1, K4, 16, 16);
    rig_start(&rig, &config, MMU_MODE_4L);
    mmu_pa pde = rig_map(&rig, 0, 2 * MIB, 21, RIG_P | RIG_U | RIG_W);
    load(&rig, 0x1000, MMU_AT_WALK);
    load(&rig, 0x2000, MMU_AT_WALK);
    rig_access(&rig, MMU_STORE, MMU_USER, 0x1000);
    assert_true(rig_peek(&rig, pde) & RIG_D);
    rig_access(&rig, MMU_STORE, MMU_USER, 0x2000);
    rig_access(&rig, MMU_STORE, MMU_USER, 0x2000);
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.walk.dirty[0], 2);
    assert_int_equal(stats.walk.dirty_set[0], 1);
    assert_int_equal(held(&rig, 0).n, 2);
    rig_stop(&rig);
}

/* A level that does not fracture keeps nothing of such a page; each level decides for itself. */
static void test_no_fracture(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_stats stats;
    struct rig rig;
    empty(&config);
    structure(&config, 1, K4 | M2, 16, 16);
    structure(&config, 2, K4, 32, 4);
    config.level[1].no_fracture = true;
    rig_start(&rig, &config, MMU_MODE_4L);
    rig_map(&rig, 0, GIB, 30, RIG_P | RIG_U);
    load(&rig, 0, MMU_AT_WALK);
    load(&rig, 2 * MIB, MMU_AT_WALK);
    assert_int_equal(held(&rig, 0).n, 2);
    assert_int_equal(held(&rig, 1).n, 0);
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.tlb[1].misses[MMU_LOAD], 2); /* looked up and missed all the same */
    assert_int_equal(mmu_stats_check(&stats, &config, NULL), MMU_OK);
    rig_stop(&rig);
    config.level[0].no_fracture = true; /* nowhere at all */
    rig_start(&rig, &config, MMU_MODE_4L);
    rig_map(&rig, 0, GIB, 30, RIG_P | RIG_U);
    load(&rig, 0, MMU_AT_WALK);
    load(&rig, 0, MMU_AT_WALK);
    assert_int_equal(rig_entries(&rig), 0);
    rig_stop(&rig);
}

/* A 4-MByte page takes one entry where 4M is served, two of 2M where only that is. */
static void test_4m(void **state)
{
    (void)state;
    for (unsigned whole = 0; whole < 2; whole++) {
        struct mmu_config config;
        struct rig rig;
        empty(&config);
        structure(&config, 1, K4 | M2 | (whole ? M4 : 0), 16, 16);
        rig_start(&rig, &config, MMU_MODE_I386);
        rig_map(&rig, 4 * MIB, 12 * MIB, 22, RIG_P | RIG_U);
        load(&rig, 4 * MIB + 0x123, MMU_AT_WALK);
        load(&rig, 5 * MIB, MMU_AT_L1);
        load(&rig, 6 * MIB, whole ? MMU_AT_L1 : MMU_AT_WALK);
        load(&rig, 8 * MIB - 1, MMU_AT_L1);
        assert_int_equal(held(&rig, 0).n, whole ? 1 : 2);
        struct mmu_result r = rig_access(&rig, MMU_LOAD, MMU_USER, 7 * MIB);
        assert_int_equal(r.pa, 15 * MIB);
        assert_int_equal(r.page_shift, 22);
        rig_invlpg(&rig, 4 * MIB);
        assert_int_equal(held(&rig, 0).n, 0);
        rig_stop(&rig);
    }
}

/*
 * Two structures of a level that serve one size: all are probed, one is filled: the first with an invalid way
 * in the page's set, else the one that the parity of the page number names.
 */
static void test_two_structures(void **state)
{
    (void)state;
    enum { PAGES = 24 };
    struct mmu_config config;
    struct rig rig;
    empty(&config);
    structure(&config, 1, K4 | M2, 2, 2);
    structure(&config, 1, K4 | G1, 4, 4);
    rig_start(&rig, &config, MMU_MODE_4L);
    for (mmu_va p = 0; p < PAGES; p++)
        rig_map(&rig, p << 12, p << 12, 12, RIG_P | RIG_U);
    for (mmu_va p = 0; p < 6; p++)
        load(&rig, p << 12, MMU_AT_WALK);
    for (mmu_va p = 0; p < 6; p++)
        load(&rig, p << 12, MMU_AT_L1); /* six pages fit */
    assert_int_equal(held(&rig, 0).e[0].va, 0);
    assert_int_equal(held(&rig, 0).e[1].va, 0x1000);
    rig_invlpg(&rig,
               0x4000); /* a way of the second is free: page 6 goes there, although its number is even */
    load(&rig, 0x6000, MMU_AT_WALK);
    struct entries a = held(&rig, 0), b = held(&rig, 1);
    bool there = false;
    for (unsigned i = 0; i < b.n; i++)
        there = there || b.e[i].va == 0x6000;
    assert_true(there && a.n == 2 && b.n == 4);
    for (mmu_va p = 7; p < PAGES; p++) {
        load(&rig, p << 12, MMU_AT_WALK);
        load(&rig, p << 12, MMU_AT_L1);
        unsigned parity = (p ^ p >> 1 ^ p >> 2 ^ p >> 3 ^ p >> 4) & 1;
        struct entries now = held(&rig, parity), other = held(&rig, 1 - parity);
        bool found = false;
        for (unsigned i = 0; i < now.n; i++)
            found = found || now.e[i].va == p << 12;
        assert_true(found);
        for (unsigned i = 0; i < other.n; i++)
            assert_true(other.e[i].va != p << 12); /* never in both */
    }
    rig_stop(&rig);
}

/* What chooses the structure is not what chooses the set: every set of both is used. */
static void test_every_set(void **state)
{
    (void)state;
    enum { PAGES = 64 };
    struct mmu_config config;
    struct rig rig;
    empty(&config);
    structure(&config, 1, K4, 16, 2);
    structure(&config, 1, K4, 16, 2);
    rig_start(&rig, &config, MMU_MODE_4L);
    for (mmu_va p = 0; p < PAGES; p++) {
        rig_map(&rig, p << 12, p << 12, 12, RIG_P | RIG_U);
        load(&rig, p << 12, MMU_AT_WALK);
    }
    for (unsigned t = 0; t < 2; t++) {
        struct entries all = held(&rig, t);
        assert_int_equal(all.n, 16);
        for (unsigned i = 0; i < all.n; i++)
            assert_true(all.e[i].va >= PAGES / 2 << 12); /* the last that fit */
    }
    rig_stop(&rig);
}

/* Way masks: pages of a size lie in their ways only, and push out only what is there. */
static void test_way_masks(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    struct dice dice = dice_new("way masks", 1);
    empty(&config);
    struct mmu_tlb_config *t = structure(&config, 1, K4 | M2, 16, 8);
    t->way_mask[MMU_4K] = 0x3f;
    t->way_mask[MMU_2M] = 0xe0; /* way 5 is common */
    rig_start(&rig, &config, MMU_MODE_4L);
    for (mmu_va p = 0; p < 64; p++) {
        rig_map(&rig, p << 12, p << 12, 12, RIG_P | RIG_U);
        rig_map(&rig, GIB + (p << 21), p << 21, 21, RIG_P | RIG_U);
    }
    bool seen[2][8] = {{0}};
    for (unsigned i = 0; i < 5000; i++) {
        mmu_va p = dice_below(&dice, 64);
        rig_access(&rig, MMU_LOAD, MMU_USER, dice_once_in(&dice, 3) ? GIB + (p << 21) : p << 12);
        struct entries all = held(&rig, 0);
        for (unsigned k = 0; k < all.n; k++) {
            unsigned large = all.e[k].page == MMU_2M;
            assert_true((large ? 0xe0 : 0x3f) >> all.e[k].way & 1);
            seen[large][all.e[k].way] = true;
        }
    }
    assert_true(seen[0][0] && seen[0][5] && seen[1][5] && seen[1][7]);
    rig_stop(&rig);

    t->way_mask[MMU_4K] = 0x0f; /* apart: the large pages stay whatever the small ones do */
    t->way_mask[MMU_2M] = 0xf0;
    rig_start(&rig, &config, MMU_MODE_4L);
    for (mmu_va p = 0; p < 64; p++)
        rig_map(&rig, p << 12, p << 12, 12, RIG_P | RIG_U);
    for (mmu_va p = 0; p < 8; p++) {
        rig_map(&rig, GIB + (p << 21), p << 21, 21, RIG_P | RIG_U);
        load(&rig, GIB + (p << 21), MMU_AT_WALK);
    }
    for (mmu_va p = 0; p < 64; p++)
        load(&rig, p << 12, MMU_AT_WALK);
    for (mmu_va p = 0; p < 8; p++)
        load(&rig, GIB + (p << 21), MMU_AT_L1);
    rig_stop(&rig);
}

/* Sizes that share an array: each is indexed by its own page number. */
static void test_mixed_index(void **state)
{
    (void)state;
    for (enum mmu_index index = 0; index < MMU_INDEXES; index++) {
        struct mmu_config config;
        struct rig rig;
        empty(&config);
        structure(&config, 1, K4 | M2 | G1, 32, 4)->index = index;
        rig_start(&rig, &config, MMU_MODE_4L);
        const struct {
            mmu_va va;
            unsigned shift;
        } page[] = {{0x1005000, 12},
                    {3 * GIB + 0x5600000, 21},
                    {6 * GIB, 30},
                    {UINT64_C(0xffffc00000000000) + 0x7000, 12}};
        for (unsigned i = 0; i < 4; i++) {
            rig_map(&rig, page[i].va, 0, page[i].shift, RIG_P | RIG_U);
            load(&rig, page[i].va, MMU_AT_WALK);
        }
        struct entries all = held(&rig, 0);
        assert_int_equal(all.n, 4);
        for (unsigned i = 0; i < 4; i++) {
            uint64_t vpn = (page[i].va & UINT64_C(0x1ffffffffffffff)) >> page[i].shift;
            uint64_t set = index == MMU_INDEX_XOR ? (vpn ^ vpn >> 3) & 7 : vpn & 7;
            bool found = false;
            for (unsigned k = 0; k < 4; k++)
                found = found || (all.e[k].va == page[i].va && all.e[k].set == set);
            assert_true(found);
        }
        rig_stop(&rig);
    }
}

static uint64_t lookup_of(struct rig *rig, mmu_va va, enum mmu_where where)
{
    struct mmu_ledger ledger;
    uint64_t cycles = 0;
    load(rig, va, where);
    mmu_core_ledger(rig->core, &ledger);
    for (uint32_t i = 0; i < ledger.n; i++)
        cycles += ledger.segment[i].part == MMU_PART_SECOND ? ledger.segment[i].cycles : 0;
    return cycles;
}

/* Serial probes: a hit pays up to and with its own size's probe, a miss pays all; parallel: one latency. */
static void test_serial(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    for (unsigned serial = 0; serial < 2; serial++) {
        empty(&config);
        structure(&config, 1, K4 | M2 | G1, 1, 1); /* holds nothing for long */
        structure(&config, 2, K4 | M2 | G1, 32, 8);
        if (serial)
            config.level[1] = (struct mmu_level_config){
                .serial_count = 3, .serial_page = {MMU_2M, MMU_4K, MMU_1G}, .serial_latency = {5, 8, 3}};
        rig_start(&rig, &config, MMU_MODE_4L);
        rig_map(&rig, 0, 0, 12, RIG_P | RIG_U);
        rig_map(&rig, GIB, 0, 21, RIG_P | RIG_U);
        rig_map(&rig, 2 * GIB, 0, 30, RIG_P | RIG_U);
        assert_int_equal(lookup_of(&rig, 0, MMU_AT_WALK), serial ? 16 : 7);
        assert_int_equal(lookup_of(&rig, GIB, MMU_AT_WALK), serial ? 16 : 7);
        assert_int_equal(lookup_of(&rig, 2 * GIB, MMU_AT_WALK), serial ? 16 : 7);
        assert_int_equal(lookup_of(&rig, 0, MMU_AT_L2), serial ? 13 : 7);
        assert_int_equal(lookup_of(&rig, GIB, MMU_AT_L2), serial ? 5 : 7);
        assert_int_equal(lookup_of(&rig, 2 * GIB, MMU_AT_L2), serial ? 16 : 7);
        assert_int_equal(lookup_of(&rig, 2 * GIB, MMU_AT_L1), 0);
        rig_stop(&rig);
    }
}

/* First-level extra latency: every hit pays it. */
static void test_first_level_latency(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    empty(&config);
    structure(&config, 1, K4, 4, 4);
    config.level[0].latency = 2;
    rig_start(&rig, &config, MMU_MODE_4L);
    rig_map(&rig, 0, 0, 12, RIG_P | RIG_U | RIG_A);
    load(&rig, 0, MMU_AT_WALK);
    struct mmu_result r[3];
    struct mmu_access a[3] = {
        {.size = 1, .kind = MMU_LOAD}, {.size = 1, .kind = MMU_LOAD}, {.size = 1, .kind = MMU_LOAD}};
    assert_int_equal(mmu_core_run(rig.core, a, 3, r), MMU_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(r[i].where, MMU_AT_L1);
        assert_int_equal(r[i].completed - r[i].issued, 2);
    }
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),         cmocka_unit_test(test_dirty_pieces),
        cmocka_unit_test(test_no_fracture),    cmocka_unit_test(test_4m),
        cmocka_unit_test(test_two_structures), cmocka_unit_test(test_every_set),
        cmocka_unit_test(test_way_masks),      cmocka_unit_test(test_mixed_index),
        cmocka_unit_test(test_serial),         cmocka_unit_test(test_first_level_latency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
