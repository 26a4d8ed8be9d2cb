/*
 * test_classify.c: compulsory, capacity and conflict misses: sequences worked out by hand, every kind of
 * invalidation, and random traffic against a naive model. That classification changes nothing else, on
 * machines drawn at random, is in test_random_machines.c.
 */
#include "dice.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define VA UINT64_C(0x10000000) /* of page 0; a multiple of 2 MBytes */
#define PA UINT64_C(0x40000000)
enum { LEAF = RIG_P | RIG_W | RIG_U | RIG_A | RIG_D, ALL = 7, ONLY_4K = 1 << MMU_4K };

static void only(struct mmu_config *config, uint32_t entries, uint32_t ways, unsigned policy)
{
    rig_config(config);
    config->levels = config->tlbs = 1;
    config->tlb[0] = (struct mmu_tlb_config){.name = "TLB",
                                             .level = 1,
                                             .kinds = ALL,
                                             .pages = ONLY_4K,
                                             .entries = entries,
                                             .ways = ways,
                                             .policy = policy};
}

/* One structure, classified; `pages` pages mapped from VA on. */
static void start(struct rig *rig, const struct mmu_config *config, unsigned pages)
{
    rig_start(rig, config, MMU_MODE_4L);
    for (unsigned i = 0; i < pages; i++)
        rig_map(rig, VA + 0x1000 * i, PA + 0x1000 * i, 12, LEAF);
    assert_int_equal(mmu_core_classify(rig->core, true), MMU_OK);
}

static void start_one(struct rig *rig, uint32_t entries, uint32_t ways, unsigned pages)
{
    struct mmu_config config;
    only(&config, entries, ways, MMU_LRU);
    start(rig, &config, pages);
}

static void stop(struct rig *rig)
{
    mmu_core_check(rig->core);
    rig_stop(rig);
}

/* Loads from these pages, by their digits. */
static void load(struct rig *rig, const char *pages)
{
    for (; *pages; pages++) {
        mmu_va at = 0x1000 * (mmu_va)(*pages - '0');
        rig_expect(rig, MMU_LOAD, MMU_USER, VA + at, PA + at);
    }
}

/* All misses of structure t so far, by class. */
static void expect(const struct rig *rig, unsigned t, uint64_t compulsory, uint64_t capacity,
                   uint64_t conflict)
{
    struct mmu_stats stats;
    uint64_t n[4] = {0};
    mmu_core_stats(rig->core, &stats);
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        n[0] += stats.tlb[t].compulsory[kind];
        n[1] += stats.tlb[t].capacity[kind];
        n[2] += stats.tlb[t].conflict[kind];
        n[3] += stats.tlb[t].misses[kind];
    }
    assert_int_equal(n[0], compulsory);
    assert_int_equal(n[1], capacity);
    assert_int_equal(n[2], conflict);
    assert_int_equal(n[3], compulsory + capacity + conflict);
}

static void test_cold(void **state)
{
    (void)state;
    struct rig rig;
    start_one(&rig, 4, 1, 4);
    load(&rig, "0123");
    expect(&rig, 0, 4, 0, 0);
    load(&rig, "0123321000");
    expect(&rig, 0, 4, 0, 0);
    stop(&rig);
}

static void test_conflict(void **state)
{
    (void)state;
    struct rig rig;
    start_one(&rig, 4, 1, 9); /* pages 0, 4 and 8 share a set */
    load(&rig, "0404");
    expect(&rig, 0, 2, 0, 2);
    load(&rig, "840");
    expect(&rig, 0, 3, 0, 4);
    stop(&rig);
}

static void test_capacity(void **state)
{
    (void)state;
    struct rig rig;
    start_one(&rig, 4, 4, 5);
    load(&rig, "01234");
    expect(&rig, 0, 5, 0, 0);
    load(&rig, "0123401234"); /* a sweep that LRU never serves */
    expect(&rig, 0, 5, 10, 0);
    load(&rig, "4321"); /* what it holds */
    expect(&rig, 0, 5, 10, 0);
    stop(&rig);
}

/* Direct-mapped, four entries. The fully associative one after each access, oldest first: on the right. */
static void test_mixed(void **state)
{
    (void)state;
    struct rig rig;
    start_one(&rig, 4, 1, 9);
    load(&rig, "01234"); /* 1 2 3 4; 4 has replaced 0 */
    expect(&rig, 0, 5, 0, 0);
    load(&rig, "0"); /* 2 3 4 0: neither held it */
    expect(&rig, 0, 5, 1, 0);
    load(&rig, "4"); /* 2 3 0 4: only the sets are to blame */
    expect(&rig, 0, 5, 1, 1);
    load(&rig, "1"); /* 3 0 4 1: a hit, though the other one misses */
    expect(&rig, 0, 5, 1, 1);
    load(&rig, "5"); /* 0 4 1 5: for the first time; replaces 1 */
    load(&rig, "1"); /* 0 4 5 1 */
    expect(&rig, 0, 6, 1, 2);
    load(&rig, "3"); /* 4 5 1 3: a hit */
    load(&rig, "7"); /* 5 1 3 7: replaces 3 */
    load(&rig, "0"); /* 1 3 7 0: replaces 4 */
    expect(&rig, 0, 7, 2, 2);
    load(&rig, "3"); /* 1 7 0 3 */
    expect(&rig, 0, 7, 2, 3);
    stop(&rig);
}

/* FIFO is no LRU: a fully associative structure has conflicts, of its policy. */
static void test_policy(void **state)
{
    (void)state;
    struct rig rig;
    struct mmu_config config;
    only(&config, 2, 2, MMU_FIFO);
    start(&rig, &config, 3);
    load(&rig, "0102"); /* 2 replaces 0, LRU would have replaced 1 */
    load(&rig, "0");
    expect(&rig, 0, 3, 0, 1);
    stop(&rig);
}

static void test_kinds_and_levels(void **state)
{
    (void)state;
    struct rig rig;
    struct mmu_config config;
    struct mmu_stats stats;
    only(&config, 1, 1, MMU_LRU);
    config.levels = config.tlbs = 2;
    config.tlb[1] = config.tlb[0];
    snprintf(config.tlb[1].name, sizeof config.tlb[1].name, "STLB");
    config.tlb[1].level = 2;
    config.tlb[1].entries = config.tlb[1].ways = 2;
    start(&rig, &config, 3);
    rig_expect(&rig, MMU_FETCH, MMU_USER, VA, PA);
    rig_expect(&rig, MMU_STORE, MMU_USER, VA + 0x1000, PA + 0x1000);
    rig_expect(&rig, MMU_FETCH, MMU_USER, VA, PA);
    expect(&rig, 0, 2, 1, 0); /* with one entry every other miss is of capacity */
    expect(&rig, 1, 2, 0, 0);
    load(&rig, "2");
    rig_expect(&rig, MMU_STORE, MMU_USER, VA + 0x1000, PA + 0x1000);
    expect(&rig, 0, 3, 2, 0);
    expect(&rig, 1, 3, 1, 0);
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.tlb[0].compulsory[MMU_FETCH], 1);
    assert_int_equal(stats.tlb[0].capacity[MMU_FETCH], 1);
    assert_int_equal(stats.tlb[0].compulsory[MMU_STORE], 1);
    assert_int_equal(stats.tlb[0].capacity[MMU_STORE], 1);
    assert_int_equal(stats.tlb[0].compulsory[MMU_LOAD], 1);
    assert_int_equal(stats.tlb[1].capacity[MMU_STORE], 1);
    stop(&rig);
}

/* What is invalidated counts as never seen, whether or not it was still held. */
static void test_invlpg(void **state)
{
    (void)state;
    struct rig rig;
    start_one(&rig, 2, 2, 3);
    load(&rig, "012");
    rig_invlpg(&rig, VA + 0x2000); /* held */
    rig_invlpg(&rig, VA);          /* evicted long since */
    load(&rig, "02");
    expect(&rig, 0, 5, 0, 0);
    load(&rig, "1");
    expect(&rig, 0, 5, 1, 0);
    stop(&rig);
}

static void test_sweeps(void **state)
{
    (void)state;
    struct rig rig;
    start_one(&rig, 8, 8, 4);
    rig_map(&rig, VA + 0x4000, PA + 0x4000, 12, LEAF | RIG_G);
    load(&rig, "04");
    rig_set(&rig, MMU_REG_CR3, rig.root); /* keeps global pages */
    load(&rig, "04");
    expect(&rig, 0, 3, 0, 0);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
    rig_set(&rig, MMU_REG_CR3, rig.root | 1 | RIG_NOFLUSH);
    load(&rig, "04"); /* page 0 under another PCID is another page */
    expect(&rig, 0, 4, 0, 0);
    rig_set(&rig, MMU_REG_CR3, rig.root | RIG_NOFLUSH);
    load(&rig, "04");
    expect(&rig, 0, 4, 0, 0);
    rig_invpcid(&rig, 1, 1, 0); /* PCID 1 only */
    load(&rig, "04");
    expect(&rig, 0, 4, 0, 0);
    rig_invpcid(&rig, 3, 0, 0); /* all but global */
    load(&rig, "04");
    expect(&rig, 0, 5, 0, 0);
    rig_invpcid(&rig, 2, 0, 0); /* all */
    load(&rig, "04");
    expect(&rig, 0, 7, 0, 0);
    rig_clear_bits(&rig, MMU_REG_CR4, RIG_PGE); /* all */
    load(&rig, "04");
    expect(&rig, 0, 9, 0, 0);
    stop(&rig);
}

/* The structure gives PCID 1 up for PCID 2. */
static void test_pcid_bound(void **state)
{
    (void)state;
    struct rig rig;
    struct mmu_config config;
    only(&config, 8, 8, MMU_LRU);
    config.tlb[0].pcid_bound = true;
    config.tlb[0].pcids = 1;
    start(&rig, &config, 2);
    rig_set_bits(&rig, MMU_REG_CR4, RIG_PCIDE);
    for (unsigned i = 0; i < 3; i++) {
        rig_set(&rig, MMU_REG_CR3, rig.root | (1 + i % 2) | RIG_NOFLUSH);
        load(&rig, "0101");
    }
    expect(&rig, 0, 6, 0, 0);
    stop(&rig);
}

/* INVLPG drops every piece of a large page. Few pages are searched, many are not: with 8 and with 512. */
static void test_pieces(void **state)
{
    (void)state;
    for (unsigned pages = 8; pages <= 512; pages += 504) {
        struct rig rig;
        start_one(&rig, 4, 1, 0);
        rig_map(&rig, VA, PA, 21, LEAF);
        rig_map(&rig, VA + 0x200000, PA + 0x200000, 12, LEAF);
        for (unsigned i = 0; i <= pages; i++) {
            mmu_va at = i < pages ? 0x1000 * (mmu_va)i : 0x200000;
            rig_expect(&rig, MMU_LOAD, MMU_USER, VA + at, PA + at);
        }
        expect(&rig, 0, pages + 1, 0, 0);
        rig_invlpg(&rig, VA + 0x100000);
        load(&rig, "01234567");
        expect(&rig, 0, pages + 9, 0, 0);
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA + 0x200000, PA + 0x200000); /* of another page */
        expect(&rig, 0, pages + 9, 1, 0);
        stop(&rig);
    }
}

/* Nobody could have held what does not exist, nor a page of a size that the level does not hold. */
static void test_unheld(void **state)
{
    (void)state;
    struct rig rig;
    struct mmu_config config;
    only(&config, 4, 4, MMU_LRU);
    config.level[0].no_fracture = true;
    start(&rig, &config, 1);
    for (unsigned i = 0; i < 3; i++)
        rig_expect_pf(&rig, MMU_LOAD, MMU_USER, VA + 0x1000, MMU_PF_U);
    expect(&rig, 0, 3, 0, 0);
    rig_map(&rig, VA + 0x200000, PA, 21, LEAF);
    for (unsigned i = 0; i < 3; i++)
        rig_expect(&rig, MMU_LOAD, MMU_USER, VA + 0x200000, PA);
    expect(&rig, 0, 6, 0, 0);
    load(&rig, "000");
    expect(&rig, 0, 7, 0, 0);
    stop(&rig);
}

/* A page that was global is found again when it no longer is, until somebody invalidates it. */
static void test_global_flag(void **state)
{
    (void)state;
    struct rig rig;
    start_one(&rig, 4, 1, 9);
    rig_map(&rig, VA, PA, 12, LEAF | RIG_G);
    load(&rig, "04");
    rig_map(&rig, VA, PA, 12, LEAF & ~(unsigned)RIG_D);
    load(&rig, "0");
    expect(&rig, 0, 2, 0, 1);
    rig_map(&rig, VA, PA, 12, LEAF | RIG_G);
    rig_expect(&rig, MMU_STORE, MMU_USER, VA, PA); /* a dirty walk renews the entry in place: global again */
    mmu_core_check(rig.core);
    load(&rig, "40");
    expect(&rig, 0, 2, 0, 3);
    rig_set(&rig, MMU_REG_CR3, rig.root);
    load(&rig, "0");
    expect(&rig, 0, 2, 0, 3);
    stop(&rig);
}

/* What is held when it begins counts as seen. */
static void test_begin_and_end(void **state)
{
    (void)state;
    struct rig rig;
    start_one(&rig, 4, 1, 9);
    assert_int_equal(mmu_core_classify(rig.core, false), MMU_OK);
    load(&rig, "012340");
    assert_int_equal(mmu_core_classify(rig.core, true), MMU_OK);
    assert_int_equal(mmu_core_classify(rig.core, true), MMU_OK); /* once is enough */
    load(&rig, "0123");
    mmu_core_check(rig.core);
    load(&rig, "4"); /* evicted before */
    load(&rig, "0"); /* held then, but no longer among the last four */
    load(&rig, "4");
    mmu_core_check(rig.core);
    struct mmu_stats stats;
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.tlb[0].misses[MMU_LOAD], 9);
    assert_int_equal(stats.tlb[0].compulsory[MMU_LOAD], 1);
    assert_int_equal(stats.tlb[0].capacity[MMU_LOAD], 1);
    assert_int_equal(stats.tlb[0].conflict[MMU_LOAD], 1);
    assert_int_equal(mmu_core_classify(rig.core, false), MMU_OK);
    load(&rig, "0");
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.tlb[0].misses[MMU_LOAD], 10);
    assert_int_equal(stats.tlb[0].conflict[MMU_LOAD], 1);
    stop(&rig);
}

static void count_paths(void *ctx, const struct mmu_counter *counter)
{
    static const char *const NAME[] = {"tlb.TLB.compulsory.", "tlb.TLB.capacity.", "tlb.TLB.conflict."};
    for (unsigned i = 0; i < 3; i++)
        *(unsigned *)ctx += strncmp(counter->path, NAME[i], strlen(NAME[i])) == 0;
}

static unsigned paths(const struct rig *rig)
{
    struct mmu_stats stats;
    unsigned n = 0;
    mmu_core_stats(rig->core, &stats);
    mmu_stats_each(&stats, mmu_machine_config(rig->machine), count_paths, &n);
    return n;
}

static void test_counters(void **state)
{
    (void)state;
    struct rig rig;
    start_one(&rig, 4, 1, 9);
    assert_int_equal(paths(&rig), 0);
    load(&rig, "0404");
    assert_int_equal(paths(&rig), 3 * MMU_KINDS);
    struct mmu_stats stats;
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(mmu_stats_check(&stats, mmu_machine_config(rig.machine), NULL), MMU_OK);
    stats.tlb[0].conflict[MMU_LOAD]++;
    assert_int_equal(mmu_stats_check(&stats, mmu_machine_config(rig.machine), NULL), MMU_ERR_INVALID);
    stop(&rig);
}

/* The naive model: pages with their owners (a PCID, or GLOBAL), most recent first. */
enum { GLOBAL = 4096, PAGES = 40, GLOBALS = 8, PCIDS = 3, MOST = PAGES * PCIDS };
struct naive {
    unsigned n, most;
    struct {
        unsigned page, owner;
    } at[MOST + 1];
};

/* Was it there? It is the most recent one now. */
static bool naive_look_up(struct naive *l, unsigned page, unsigned owner)
{
    unsigned i = 0;
    while (i < l->n && (l->at[i].page != page || l->at[i].owner != owner))
        i++;
    bool found = i < l->n;
    memmove(&l->at[1], &l->at[0], i * sizeof l->at[0]);
    l->at[0].page = page;
    l->at[0].owner = owner;
    l->n += !found;
    l->n = l->n < l->most ? l->n : l->most;
    return found;
}

/* Drops a page (or all: PAGES) of an owner (or of all but GLOBAL: GLOBAL + 1). */
static void naive_drop(struct naive *l, unsigned page, unsigned owner)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < l->n; i++) {
        bool owned = owner > GLOBAL ? l->at[i].owner != GLOBAL : l->at[i].owner == owner;
        if (!owned || (page != PAGES && l->at[i].page != page))
            l->at[kept++] = l->at[i];
    }
    l->n = kept;
}

struct random {
    struct rig rig;
    struct naive all, few;
    unsigned pcid;
    uint64_t class[3];
};

static void drop(struct random *r, unsigned page, unsigned owner)
{
    naive_drop(&r->all, page, owner);
    naive_drop(&r->few, page, owner);
}

static void disturb(struct random *r, struct dice *d)
{
    unsigned page = dice_below(d, PAGES), pcid = dice_below(d, PCIDS), type = dice_below(d, 4);
    mmu_va va = VA + 0x1000 * (mmu_va)page;
    switch (dice_below(d, 4)) {
    case 0:
        rig_invlpg(&r->rig, va);
        drop(r, page, r->pcid);
        drop(r, page, GLOBAL);
        break;
    case 1:
        rig_invpcid(&r->rig, type, type < 2 ? pcid : 0, va);
        drop(r, type == 0 ? page : PAGES, type < 2 ? pcid : GLOBAL + 1);
        if (type == 2)
            drop(r, PAGES, GLOBAL);
        break;
    default:
        r->pcid = pcid;
        rig_set(&r->rig, MMU_REG_CR3, r->rig.root | pcid | (type ? RIG_NOFLUSH : 0));
        if (type == 0)
            drop(r, PAGES, pcid);
    }
}

static void access_one(struct random *r, struct dice *d)
{
    unsigned page = dice_below(d, dice_once_in(d, 4) ? PAGES : 14);
    unsigned owner = page < GLOBALS ? GLOBAL : r->pcid;
    mmu_va at = 0x1000 * (mmu_va)page;
    bool miss = rig_expect(&r->rig, dice_below(d, MMU_KINDS), MMU_USER, VA + at, PA + at) == MMU_AT_WALK;
    bool all = naive_look_up(&r->all, page, owner), few = naive_look_up(&r->few, page, owner);
    r->class[!all ? 0 : !few ? 1 : 2] += miss;
    assert_true(all || miss);
}

static void test_random(void **state)
{
    (void)state;
    static const unsigned WAYS[] = {1, 2, 4, 12}, POLICY[] = {MMU_LRU, MMU_RANDOM, MMU_FIFO};
    struct dice d = dice_new("classify", 1);
    for (unsigned round = dice_rounds(24); round-- > 0;) {
        struct random r = {.all.most = MOST, .few.most = 12};
        struct mmu_config config;
        only(&config, 12, WAYS[dice_below(&d, 4)], POLICY[dice_below(&d, 3)]);
        start(&r.rig, &config, PAGES);
        for (unsigned i = 0; i < GLOBALS; i++)
            rig_map(&r.rig, VA + 0x1000 * i, PA + 0x1000 * i, 12, LEAF | RIG_G);
        rig_set_bits(&r.rig, MMU_REG_CR4, RIG_PCIDE);
        unsigned often = 10 + dice_below(&d, 200);
        for (unsigned i = 0; i < 4000; i++) {
            access_one(&r, &d);
            if (dice_once_in(&d, often))
                disturb(&r, &d);
        }
        expect(&r.rig, 0, r.class[0], r.class[1], r.class[2]);
        stop(&r.rig);
    }
}

/* A page that the structure has evicted is dropped from what it could have held, too: by INVLPG where the
 * structure is empty, by a page fault where it was looked up in vain. */
static void test_dropped_when_not_held(void **state)
{
    (void)state;
    struct rig rig;
    start_one(&rig, 1, 1, 3);
    load(&rig, "010");
    expect(&rig, 0, 2, 1, 0); /* it holds page 0 */
    rig_invlpg(&rig, VA);
    rig_invlpg(&rig, VA + 0x1000);
    load(&rig, "1");
    expect(&rig, 0, 3, 1, 0);
    load(&rig, "2");
    expect(&rig, 0, 4, 1, 0);
    mmu_pa pte = rig_entry(&rig, rig.root, VA + 0x1000, 1, 0);
    uint64_t entry = rig_peek(&rig, pte);
    rig_poke(&rig, pte, 0);
    rig_expect_pf(&rig, MMU_LOAD, MMU_USER, VA + 0x1000, MMU_PF_U);
    rig_poke(&rig, pte, entry);
    expect(&rig, 0, 5, 1, 0); /* a translation that faults is held by nobody */
    load(&rig, "1");
    expect(&rig, 0, 6, 1, 0);
    stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cold),          cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_capacity),      cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_policy),        cmocka_unit_test(test_kinds_and_levels),
        cmocka_unit_test(test_invlpg),        cmocka_unit_test(test_sweeps),
        cmocka_unit_test(test_pcid_bound),    cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_unheld),        cmocka_unit_test(test_global_flag),
        cmocka_unit_test(test_begin_and_end), cmocka_unit_test(test_counters),
        cmocka_unit_test(test_random),        cmocka_unit_test(test_dropped_when_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
