/*
 * test_psc.c: paging-structure caches: what a walk leaves in them, which entry a later walk begins at, what
 * is dropped and evicted.
 */
#include "dice.h"
#include "psc.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

static const struct geometry *geometry_of(enum mmu_mode mode)
{
    return &regime_geometry[mode];
}

struct bed {
    struct psc psc;
    struct mmu_psc_config config;
    struct mmu_psc_stats stats[MMU_PSC_LEVELS];
    uint64_t clock;
};

static void bed_init(struct bed *b)
{
    struct repl_context context = {.seed = 1, .clock = &b->clock};
    memset(b->stats, 0, sizeof b->stats);
    b->clock = 0;
    assert_int_equal(psc_init(&b->psc, &b->config, &context), MMU_OK);
}

static void separate(struct mmu_psc_config *c, unsigned entries, unsigned ways)
{
    memset(c, 0, sizeof *c);
    for (unsigned l = 0; l < MMU_PSC_LEVELS; l++)
        c->array[l] = (struct mmu_psc_array){.entries = entries, .ways = ways, .policy = MMU_LRU};
}

/* A number that tells the table of va below `level` apart. */
static mmu_pa table_of(enum mmu_mode mode, mmu_va va, unsigned level)
{
    const struct geometry *g = geometry_of(mode);
    return ((va & BITS(g->va_bits - 1u, 0)) >> level_shift(g, level)) << 12 | (mmu_pa)level << 56;
}

/* A finished walk from level `from` (the top, or behind a hit) that passed through all entries above its leaf
 * at level `leaf`. */
static struct walk walk_of(enum mmu_mode mode, mmu_va va, unsigned from, unsigned leaf)
{
    struct walk w = {.va = va};
    for (unsigned level = from; level > leaf; level--) {
        w.passed |= (uint8_t)(1u << level);
        w.below[level] = (struct walk_start){table_of(mode, va, level), (uint8_t)(level - 1), RIGHT_W};
    }
    return w;
}

static void fill(struct bed *b, enum mmu_mode mode, mmu_va va, unsigned leaf, uint16_t pcid)
{
    struct walk w = walk_of(mode, va, geometry_of(mode)->levels, leaf);
    psc_fill(&b->psc, geometry_of(mode), &w, pcid, 1000, b->stats);
}

/* The level that a walk for va would begin behind: 5 ... 2, or 0 for the root; checks that it is the right
 * table. */
static unsigned begins(struct bed *b, enum mmu_mode mode, mmu_va va, uint16_t pcid)
{
    unsigned level = 99, peeked = 99;
    const struct psc_entry *seen = psc_peek(&b->psc, geometry_of(mode), va, pcid, &peeked);
    const struct psc_entry *e = psc_probe(&b->psc, geometry_of(mode), va, pcid, &level);
    assert_ptr_equal(seen, e);
    assert_int_equal(peeked, level);
    if (!e)
        return 0;
    assert_int_equal(e->start.level, level + 1);
    assert_true(e->start.table == table_of(mode, va, level + 2));
    assert_int_equal(e->ready, 1000);
    return level + 2;
}

/* One walk to a 4-KByte page: the deepest level that a neighbour shares is where its walk begins. */
static void test_deepest(void **state)
{
    (void)state;
    const mmu_va va = UINT64_C(0x00f0123456789000);
    struct bed b;
    separate(&b.config, 8, 8);
    bed_init(&b);
    fill(&b, MMU_MODE_5L, va, 1, 0);
    assert_int_equal(begins(&b, MMU_MODE_5L, va, 0), 2);
    assert_int_equal(begins(&b, MMU_MODE_5L, va ^ BIT(20), 0), 2);
    assert_int_equal(begins(&b, MMU_MODE_5L, va ^ BIT(21), 0), 3);
    assert_int_equal(begins(&b, MMU_MODE_5L, va ^ BIT(29), 0), 3);
    assert_int_equal(begins(&b, MMU_MODE_5L, va ^ BIT(30), 0), 4);
    assert_int_equal(begins(&b, MMU_MODE_5L, va ^ BIT(39), 0), 5);
    assert_int_equal(begins(&b, MMU_MODE_5L, va ^ BIT(47), 0), 5);
    assert_int_equal(begins(&b, MMU_MODE_5L, va ^ BIT(48), 0), 0);
    assert_int_equal(begins(&b, MMU_MODE_5L, va ^ BIT(56), 0), 0);
    assert_int_equal(begins(&b, MMU_MODE_5L, va, 1), 0); /* another PCID */
    for (unsigned l = 0; l < MMU_PSC_LEVELS; l++)
        assert_int_equal(b.stats[l].fills[0], 1);
    psc_destroy(&b.psc);

    bed_init(&b); /* a large page's own entry is never kept */
    fill(&b, MMU_MODE_4L, 0x40000000, 2, 3);
    fill(&b, MMU_MODE_4L, UINT64_C(0x8000000000), 3, 3);
    assert_int_equal(begins(&b, MMU_MODE_4L, 0x40000000, 3), 3);
    assert_int_equal(begins(&b, MMU_MODE_4L, UINT64_C(0x8000000000), 3), 4);
    assert_int_equal(b.stats[MMU_PSC_PDE].fills[0], 0);
    assert_int_equal(b.stats[MMU_PSC_PML5E].fills[0], 0);
    psc_destroy(&b.psc);

    bed_init(&b);
    fill(&b, MMU_MODE_PAE, 0xc0200000, 1, 0);
    assert_int_equal(begins(&b, MMU_MODE_PAE, 0xc03ff000, 0), 2);
    assert_int_equal(begins(&b, MMU_MODE_PAE, 0xc0400000, 0), 0);
    assert_int_equal(begins(&b, MMU_MODE_PAE, 0x40200000, 0), 0); /* PDE tags reach to bit 31 */
    psc_destroy(&b.psc);

    bed_init(&b);
    fill(&b, MMU_MODE_I386, 0xc0400000, 1, 0);
    assert_int_equal(begins(&b, MMU_MODE_I386, 0xc07ff000, 0), 2);
    assert_int_equal(begins(&b, MMU_MODE_I386, 0xc0800000, 0), 0);
    psc_destroy(&b.psc);
}

static uint64_t flushed(const struct bed *b, unsigned cause)
{
    uint64_t n = 0;
    for (unsigned l = 0; l < MMU_PSC_LEVELS; l++)
        n += b->stats[l].flushed[cause];
    return n;
}

static void test_drops(void **state)
{
    (void)state;
    const mmu_va a = UINT64_C(0x123456789000), sibling = a ^ BIT(21), far = a ^ BIT(40);
    struct bed b;
    separate(&b.config, 8, 8);
    bed_init(&b);
    fill(&b, MMU_MODE_4L, a, 1, 5);
    fill(&b, MMU_MODE_4L, sibling, 1, 5); /* its PML4E and PDPTE stand already */
    fill(&b, MMU_MODE_4L, far, 1, 5);
    fill(&b, MMU_MODE_4L, a, 1, 6);
    assert_int_equal(psc_drop_address(&b.psc, geometry_of(MMU_MODE_4L), a, 5, b.stats, MMU_BY_FAULT), 3);
    assert_int_equal(flushed(&b, MMU_BY_FAULT), 3);
    assert_int_equal(b.stats[MMU_PSC_PDPTE].flushed[MMU_BY_FAULT], 1);
    assert_int_equal(begins(&b, MMU_MODE_4L, a, 5), 0);
    assert_int_equal(begins(&b, MMU_MODE_4L, sibling, 5), 2); /* its own PDE stays */
    assert_int_equal(begins(&b, MMU_MODE_4L, far, 5), 2);
    assert_int_equal(begins(&b, MMU_MODE_4L, a, 6), 2);
    assert_int_equal(psc_drop_pcid(&b.psc, 5, b.stats, MMU_BY_INVLPG), 4);
    assert_int_equal(begins(&b, MMU_MODE_4L, far, 5), 0);
    assert_int_equal(begins(&b, MMU_MODE_4L, a, 6), 2);
    assert_int_equal(psc_drop_all(&b.psc, b.stats, MMU_BY_CONTROL), 3);
    assert_int_equal(begins(&b, MMU_MODE_4L, a, 6), 0);
    assert_int_equal(psc_drop_all(&b.psc, b.stats, MMU_BY_CONTROL), 0);
    psc_destroy(&b.psc);
}

/* A naive twin: every level a list of entries, least recent first out. */
struct twin_entry {
    bool valid;
    unsigned level; /* enum mmu_psc_level */
    uint64_t key;
    unsigned pcid;
    uint64_t used;
};

struct twin {
    struct twin_entry entry[MMU_PSC_LEVELS][64];
    uint64_t now, evictions[MMU_PSC_LEVELS], fills[MMU_PSC_LEVELS];
};

static unsigned array_of(const struct bed *b, unsigned level)
{
    return b->config.unified ? 0 : level;
}

static uint64_t key_of(enum mmu_mode mode, mmu_va va, unsigned level)
{
    unsigned bits = mode == MMU_MODE_5L ? 57 : 48;
    return (va & ((UINT64_C(1) << bits) - 1)) >> (21 + 9 * level);
}

static struct twin_entry *twin_find(struct twin *t, const struct bed *b, unsigned level, uint64_t key,
                                    unsigned pcid)
{
    struct twin_entry *e = t->entry[array_of(b, level)];
    for (unsigned i = 0; i < 64; i++)
        if (e[i].valid && e[i].level == level && e[i].key == key && e[i].pcid == pcid)
            return &e[i];
    return NULL;
}

static void twin_fill(struct twin *t, const struct bed *b, unsigned level, uint64_t key, unsigned pcid)
{
    const struct mmu_psc_array *c = &b->config.array[array_of(b, level)];
    unsigned sets = c->ways ? c->entries / c->ways : 0, set = sets ? (unsigned)(key % sets) : 0;
    if (!sets || (b->config.unified && !(b->config.levels >> level & 1)))
        return;
    struct twin_entry *e = twin_find(t, b, level, key, pcid),
                      *first = &t->entry[array_of(b, level)][set * c->ways];
    for (unsigned w = 0; w < c->ways && !e; w++)
        if (!first[w].valid)
            e = &first[w];
    if (!e) {
        e = first;
        for (unsigned w = 1; w < c->ways; w++)
            if (first[w].used < e->used)
                e = &first[w];
        t->evictions[e->level]++;
    }
    *e = (struct twin_entry){true, level, key, pcid, ++t->now};
    t->fills[level]++;
}

static void compare(struct bed *b, enum mmu_mode mode, struct dice *dice)
{
    static struct twin t;
    unsigned levels = mode == MMU_MODE_5L ? 4 : 3;
    memset(&t, 0, sizeof t);
    bed_init(b);
    for (unsigned i = 0; i < 30000; i++) {
        mmu_va va = 0;
        for (unsigned shift = 21; shift < 57; shift += 9)
            va |= (mmu_va)dice_below(dice, 4) << shift;
        if (dice_once_in(dice, 2))
            va |= ~BITS(mode == MMU_MODE_5L ? 56 : 47, 0); /* the tag leaves the sign out */
        unsigned pcid = dice_below(dice, 3), expected = 0;
        if (dice_once_in(dice, 50)) {
            uint32_t dropped = psc_drop_address(&b->psc, geometry_of(mode), va, (uint16_t)pcid, b->stats, 0),
                     n = 0;
            for (unsigned l = 0; l < levels; l++) {
                struct twin_entry *e = twin_find(&t, b, l, key_of(mode, va, l), pcid);
                n += e != NULL;
                if (e)
                    e->valid = false;
            }
            assert_int_equal(dropped, n);
            continue;
        }
        unsigned from = levels + 1;
        for (unsigned l = 0; l < levels && !expected; l++) {
            struct twin_entry *e = twin_find(&t, b, l, key_of(mode, va, l), pcid);
            if (e) {
                e->used = ++t.now;
                expected = l + 2;
                from = l + 1;
            }
        }
        assert_int_equal(begins(b, mode, va, (uint16_t)pcid), expected);
        unsigned leaf = 1 + dice_below(dice, 3);
        struct walk w = walk_of(mode, va, from, leaf);
        psc_fill(&b->psc, geometry_of(mode), &w, (uint16_t)pcid, 1000, b->stats);
        for (unsigned l = 0; l < levels; l++)
            if (l + 2 <= from && l + 2 > leaf)
                twin_fill(&t, b, l, key_of(mode, va, l), pcid);
    }
    for (unsigned l = 0; l < levels; l++) {
        assert_int_equal(b->stats[l].fills[0], t.fills[l]);
        assert_int_equal(b->stats[l].evictions[0], t.evictions[l]);
    }
    psc_destroy(&b->psc);
}

static void test_random(void **state)
{
    (void)state;
    struct dice dice = dice_new("psc", 1);
    struct bed b;
    for (enum mmu_mode mode = MMU_MODE_4L; mode <= MMU_MODE_5L; mode++) {
        separate(&b.config, 8, 8);
        compare(&b, mode, &dice);
        separate(&b.config, 32, 4);
        b.config.array[MMU_PSC_PDPTE] =
            (struct mmu_psc_array){.entries = 6, .ways = 2, .policy = MMU_LRU}; /* three sets */
        b.config.array[MMU_PSC_PML4E] = (struct mmu_psc_array){0};
        compare(&b, mode, &dice);
        memset(&b.config, 0, sizeof b.config);
        b.config.unified = true;
        b.config.levels = 15;
        b.config.array[0] = (struct mmu_psc_array){.entries = 24, .ways = 24, .policy = MMU_LRU};
        compare(&b, mode, &dice);
        b.config.levels = 1u << MMU_PSC_PDE | 1u << MMU_PSC_PML4E;
        b.config.array[0].ways = 4;
        compare(&b, mode, &dice);
    }
}

/* Through the machine: entries read say which cache was hit; rights of the entries passed are kept with it.
 */
static void test_machine(void **state)
{
    (void)state;
    struct mmu_config config;
    struct rig rig;
    const mmu_va va = 0x40000000;
    rig_config(&config);
    config.levels = 0;
    config.tlbs = 0;
    rig_start(&rig, &config, MMU_MODE_4L);
    rig_map(&rig, va, 0x1000, 12, RIG_P | RIG_W | RIG_U);
    rig_map(&rig, va + 0x1000, 0x2000, 12, RIG_P | RIG_W | RIG_U);
    mmu_pa pde = rig_entry(&rig, rig.root, va, 2, 0);
    rig_expect_pf(&rig, MMU_LOAD, MMU_USER, va + 0x2000, MMU_PF_U); /* a walk that faults leaves nothing */
    uint64_t before = rig_references(&rig);
    rig_expect(&rig, MMU_LOAD, MMU_USER, va, 0x1000);
    assert_int_equal(rig_references(&rig) - before, 4);
    before = rig_references(&rig);
    rig_poke(&rig, pde,
             rig_peek(&rig, pde) &
                 ~(uint64_t)(RIG_W | RIG_A)); /* no INVLPG: the cached PDE goes on to be used */
    rig_expect(&rig, MMU_STORE, MMU_USER, va + 0x1000, 0x2000);
    assert_int_equal(rig_references(&rig) - before, 1);
    rig_expect(&rig, MMU_STORE, MMU_USER, va, 0x1000);
    assert_false(rig_peek(&rig, pde) & RIG_A);  /* nor is its A flag set again */
    rig_invlpg(&rig, UINT64_C(0x700000000000)); /* any address: drops all of the PCID's */
    before = rig_references(&rig);
    rig_expect_pf(&rig, MMU_STORE, MMU_USER, va, MMU_PF_P | MMU_PF_W | MMU_PF_U);
    assert_int_equal(rig_references(&rig) - before, 4);
    rig_expect(&rig, MMU_LOAD, MMU_USER, va, 0x1000);
    rig_expect_pf(&rig, MMU_STORE, MMU_USER, va,
                  MMU_PF_P | MMU_PF_W | MMU_PF_U); /* R/W = 0 is remembered, too */
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deepest),
        cmocka_unit_test(test_drops),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
