/*
 * test_tlb_random.c: TLBs against naive recency lists (ref_tlb.h): random traffic, with INVLPG, INVPCID and
 * MOV CR3 mixed in, on chosen and on random hierarchies.
 *
 * Every access must be found where the lists have it, and give the page that its own address space maps; at
 * the end hits, fills and evictions of each structure must be the lists'. The traffic goes to two machines:
 * one access at a time, and in batches.
 */
#include "dice.h"
#include "ref_tlb.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum {
    SPACES = 4,
    SMALL = 96,
    LARGE = 24,
    HUGE_PAGES = 6,
    PAGES = SMALL + LARGE + HUGE_PAGES,
    GLOBALS = 4 /* every 4th is global */
};
enum { BATCH = 64 };
enum { KIND_ALL = 7, PAGES_ALL = 0xf, P4K = 1 << MMU_4K, P2M = 1 << MMU_2M, P1G = 1 << MMU_1G };

/* Where page number i lies, and how large it is. */
static struct ref_page page_of(unsigned i, mmu_va *va)
{
    if (i < SMALL) {
        *va = UINT64_C(0x10000000) + ((mmu_va)i * 0x1000 + (i % 3) * UINT64_C(0x40000000000));
        return (struct ref_page){REF_TLB_4K, i % GLOBALS == 0, false};
    }
    i -= SMALL;
    if (i < LARGE) {
        *va = UINT64_C(0x8000000000) + (mmu_va)i * 0x200000;
        return (struct ref_page){REF_TLB_2M, i % GLOBALS == 0, false};
    }
    i -= LARGE;
    *va = UINT64_C(0xffff900000000000) + (mmu_va)i * 0x40000000;
    return (struct ref_page){REF_TLB_1G, i % GLOBALS == 0, false};
}

static const unsigned shift_of[] = {12, 21, 22, 30};

/* The frame of page i in address space s: its own, or, of a global page, everyone's. */
static mmu_pa frame_of(unsigned i, unsigned s)
{
    mmu_va va;
    struct ref_page page = page_of(i, &va);
    mmu_pa number = page.global ? i : i + (s + 1) * 0x100;
    return number << shift_of[page.page];
}

struct world {
    struct rig single, batch;
    struct ref_tlbs ref;
    mmu_pa root[SPACES];
    bool dirty[SPACES][PAGES]; /* D in the tables */
    unsigned space;            /* current; its PCID is its number + 1 */
    bool pcide;
    unsigned n; /* accesses waiting for the batch */
    struct mmu_access access[BATCH];
    unsigned where[BATCH]; /* what the batch must answer */
    mmu_pa pa[BATCH];
};

static unsigned pcid_of(const struct world *w, unsigned space)
{
    return w->pcide ? space + 1 : 0;
}

static void start(struct world *w, const struct mmu_config *config, bool pcide)
{
    struct rig *rig[] = {&w->single, &w->batch};
    w->pcide = pcide;
    for (unsigned m = 0; m < 2; m++) {
        rig_start(rig[m], config, MMU_MODE_4L);
        if (pcide)
            rig_set_bits(rig[m], MMU_REG_CR4, RIG_PCIDE);
        rig[m]->next_table = UINT64_C(0x200000000000); /* clear of the frames */
        for (unsigned s = 0; s < SPACES; s++) {
            w->root[s] = rig_root(rig[m]);
            for (unsigned i = 0; i < PAGES; i++) {
                mmu_va va;
                struct ref_page page = page_of(i, &va);
                rig_map_in(rig[m], w->root[s], va, frame_of(i, s), shift_of[page.page],
                           RIG_P | RIG_W | RIG_U | (page.global ? RIG_G : 0));
            }
        }
        rig_set(rig[m], MMU_REG_CR3, w->root[0] | pcid_of(w, 0));
    }
}

static void flush_batch(struct world *w)
{
    struct mmu_result result[BATCH];
    assert_int_equal(mmu_core_run(w->batch.core, w->access, w->n, result), MMU_OK);
    for (unsigned i = 0; i < w->n; i++) {
        assert_int_equal(result[i].outcome, MMU_DONE);
        assert_int_equal(result[i].where, w->where[i]);
        assert_int_equal(result[i].pa, w->pa[i]);
    }
    w->n = 0;
}

static void one_access(struct world *w, struct dice *d, unsigned reach)
{
    unsigned i = dice_below(d, PAGES) % reach;
    if (dice_once_in(d, 8))
        i = dice_below(d, PAGES);
    unsigned kind = dice_below(d, 3);
    mmu_va va;
    struct ref_page page = page_of(i, &va);
    unsigned owner = page.global ? 0 : w->space;
    bool *dirty = &w->dirty[w->space][i];
    page.dirty = *dirty;
    mmu_va offset = dice_next(d) & ((UINT64_C(1) << shift_of[page.page]) - 1) & ~UINT64_C(7);
    if (page.page != REF_TLB_4K) /* few of its pieces */
        offset &= page.page == REF_TLB_1G ? UINT64_C(0x600ff8) : UINT64_C(0x3ff8);
    struct mmu_access access = {
        .va = va + offset, .size = 8, .kind = MMU_KIND_PRIV(kind, MMU_USER), .flags = MMU_AF_FOLLOWS};
    unsigned level = ref_tlbs_access(&w->ref, va + offset, kind, pcid_of(w, w->space), &page);
    unsigned where = level ? MMU_AT_L1 + level - 1 : MMU_AT_WALK;
    *dirty = *dirty || (kind == MMU_STORE && level == 0); /* the walk set it */

    struct mmu_result got;
    assert_int_equal(mmu_core_access(w->single.core, &access, &got), MMU_DONE);
    mmu_pa pa = frame_of(i, owner) + offset;
    if (got.where != where || got.pa != pa || got.page_shift != shift_of[page.page])
        fail_msg("va %llx kind %u: found in %u, pa %llx, shift %u; expected %u, %llx, %u",
                 (unsigned long long)access.va, kind, got.where, (unsigned long long)got.pa, got.page_shift,
                 where, (unsigned long long)pa, shift_of[page.page]);
    w->access[w->n] = access;
    w->where[w->n] = where;
    w->pa[w->n] = pa;
    if (++w->n == BATCH)
        flush_batch(w);
}

static void mov_cr3(struct world *w, struct dice *d)
{
    bool keep = w->pcide && dice_once_in(d, 2);
    w->space = dice_below(d, SPACES);
    uint64_t value = w->root[w->space] | pcid_of(w, w->space) | (keep ? RIG_NOFLUSH : 0);
    rig_set(&w->single, MMU_REG_CR3, value);
    rig_set(&w->batch, MMU_REG_CR3, value);
    ref_tlbs_mov_cr3(&w->ref, pcid_of(w, w->space), keep);
}

static void invpcid(struct world *w, struct dice *d, mmu_va va)
{
    unsigned type = dice_below(d, 4);
    if (type > 1 && !dice_once_in(d, 4))
        type = 0;
    unsigned pcid = pcid_of(w, dice_below(d, SPACES));
    rig_invpcid(&w->single, type, pcid, va);
    rig_invpcid(&w->batch, type, pcid, va);
    ref_tlbs_invpcid(&w->ref, type, pcid, va);
}

static void one_invalidation(struct world *w, struct dice *d)
{
    flush_batch(w);
    mmu_va va;
    page_of(dice_below(d, PAGES), &va);
    va += dice_next(d) & 0x3ff;
    switch (dice_below(d, 3)) {
    case 0:
        rig_invlpg(&w->single, va);
        rig_invlpg(&w->batch, va);
        ref_tlbs_invlpg(&w->ref, va, pcid_of(w, w->space));
        break;
    case 1:
        invpcid(w, d, va);
        break;
    default:
        mov_cr3(w, d);
    }
}

static void compare_counters(const struct world *w, const struct rig *rig)
{
    struct mmu_stats stats;
    struct mmu_error error;
    mmu_core_stats(rig->core, &stats);
    if (mmu_stats_check(&stats, mmu_machine_config(rig->machine), &error) != MMU_OK)
        fail_msg("%s", error.message);
    uint64_t dirty = 0;
    for (unsigned i = 0; i < w->ref.n; i++) {
        uint64_t hits = 0, fills = 0;
        for (unsigned k = 0; k < MMU_KINDS; k++)
            hits += stats.tlb[i].hits[k];
        for (unsigned p = 0; p < MMU_PAGES; p++)
            fills += stats.tlb[i].fills[p];
        assert_int_equal(hits, w->ref.tlb[i].hits);
        assert_int_equal(fills, w->ref.tlb[i].fills);
        assert_int_equal(stats.tlb[i].evictions[0], w->ref.tlb[i].evictions);
        dirty += stats.tlb[i].dirty_walks[0];
    }
    assert_int_equal(dirty, w->ref.dirty_walks);
    for (unsigned l = 0; l < w->ref.levels; l++) {
        uint64_t misses = 0;
        for (unsigned c = 0; c < MMU_KINDS * MMU_PRIVS; c++)
            misses += stats.level[l].misses[c];
        assert_int_equal(misses, w->ref.misses[l + 1]);
    }
    assert_int_equal(stats.walk.dirty[0], w->ref.dirty_walks);
}

/* The config's structures as the lists know them. */
static void describe(const struct mmu_config *config, struct ref_tlbs *ref)
{
    struct ref_tlb_geometry g[REF_TLB_MAX];
    memset(g, 0, sizeof g);
    for (unsigned i = 0; i < config->tlbs; i++) {
        const struct mmu_tlb_config *t = &config->tlb[i];
        g[i] = (struct ref_tlb_geometry){t->level,
                                         t->kinds,
                                         t->pages,
                                         t->entries / t->ways,
                                         t->ways,
                                         t->index == MMU_INDEX_XOR,
                                         t->policy == MMU_FIFO,
                                         t->pcid_bound,
                                         t->pcids,
                                         {0}};
        for (unsigned p = 0; p < MMU_PAGES; p++)
            g[i].way_mask[p] = t->way_mask[p];
    }
    ref_tlbs_init(ref, g, config->tlbs);
    for (unsigned l = 0; l < config->levels; l++)
        ref->no_fracture[l + 1] = config->level[l].no_fracture;
}

static void traffic(const struct mmu_config *config, struct dice *d, unsigned accesses)
{
    struct world w;
    memset(&w, 0, sizeof w);
    describe(config, &w.ref);
    start(&w, config, !dice_once_in(d, 4));
    unsigned calm = 10u << dice_below(d, 5), reach = PAGES;
    for (unsigned i = 0; i < accesses; i++) {
        if (dice_once_in(d, 100)) /* another phase: how much is touched */
            reach = 1 + dice_below(d, PAGES);
        if (dice_once_in(d, calm))
            one_invalidation(&w, d);
        one_access(&w, d, reach);
    }
    flush_batch(&w);
    compare_counters(&w, &w.single);
    compare_counters(&w, &w.batch);
    ref_tlbs_free(&w.ref);
    rig_stop(&w.single);
    rig_stop(&w.batch);
}

static struct mmu_tlb_config *add(struct mmu_config *config, unsigned level, unsigned kinds, unsigned pages,
                                  unsigned sets, unsigned ways)
{
    struct mmu_tlb_config *t = &config->tlb[config->tlbs];
    snprintf(t->name, sizeof t->name, "T%u", config->tlbs++);
    *t = (struct mmu_tlb_config){.level = level,
                                 .kinds = kinds,
                                 .pages = pages,
                                 .entries = sets * ways,
                                 .ways = ways,
                                 .policy = MMU_LRU};
    snprintf(t->name, sizeof t->name, "T%u", config->tlbs);
    if (config->levels < level)
        config->levels = level;
    return t;
}

static void empty(struct mmu_config *config)
{
    rig_config(config);
    memset(config->tlb, 0, sizeof config->tlb);
    config->tlbs = 0;
    config->levels = 0;
}

/* One structure that serves everything. */
static void one_structure(const char *name, unsigned sets, unsigned ways, unsigned pages,
                          enum mmu_index index, enum mmu_policy policy)
{
    struct dice dice = dice_new(name, 0x71b);
    struct mmu_config config;
    empty(&config);
    struct mmu_tlb_config *t = add(&config, 1, KIND_ALL, pages, sets, ways);
    t->index = index;
    t->policy = policy;
    unsigned rounds = dice_rounds(12);
    for (unsigned i = 0; i < rounds; i++)
        traffic(&config, &dice, 4000);
}

static void test_tlb_random_one_structure(void **state)
{
    (void)state;
    one_structure("direct-mapped", 32, 1, PAGES_ALL, MMU_INDEX_LINEAR, MMU_LRU);
    one_structure("16 x 4", 16, 4, PAGES_ALL, MMU_INDEX_LINEAR, MMU_LRU);
    one_structure("16 x 4, 4K only", 16, 4, P4K, MMU_INDEX_LINEAR, MMU_LRU);
    one_structure("8 x 4, 4K and 2M", 8, 4, P4K | P2M, MMU_INDEX_LINEAR, MMU_LRU);
    one_structure("3 x 12", 3, 12, PAGES_ALL, MMU_INDEX_LINEAR, MMU_LRU);
    one_structure("7 x 5", 7, 5, PAGES_ALL, MMU_INDEX_LINEAR, MMU_LRU);
    one_structure("fully associative, 64", 1, 64, PAGES_ALL, MMU_INDEX_LINEAR, MMU_LRU);
    one_structure("fully associative, 100", 1, 100, PAGES_ALL, MMU_INDEX_LINEAR, MMU_LRU);
    one_structure("one entry", 1, 1, PAGES_ALL, MMU_INDEX_LINEAR, MMU_LRU);
    one_structure("XOR 8 x 4", 8, 4, PAGES_ALL, MMU_INDEX_XOR, MMU_LRU);
    one_structure("XOR 16 x 3", 16, 3, P4K | P2M, MMU_INDEX_XOR, MMU_LRU);
    one_structure("FIFO 8 x 6", 8, 6, PAGES_ALL, MMU_INDEX_LINEAR, MMU_FIFO);
}

static void shared_array_with_way_masks(struct mmu_config *config)
{
    struct mmu_tlb_config *t = add(config, 1, KIND_ALL, P4K | P2M | P1G, 8, 6);
    t->way_mask[MMU_4K] = 0x0f;
    t->way_mask[MMU_2M] = 0x3c;
    t->way_mask[MMU_1G] = 0x20;
}

static void bounded_pcids(struct mmu_config *config)
{
    for (unsigned i = 0; i < 3; i++) {
        struct mmu_tlb_config *t = add(config, 1, 1u << i, PAGES_ALL, 4, 4);
        t->pcid_bound = true;
        t->pcids = i;
    }
    struct mmu_tlb_config *second = add(config, 2, KIND_ALL, P4K | P2M, 16, 6);
    second->pcid_bound = true;
    second->pcids = 3;
}

static void like_skylake(struct mmu_config *config)
{
    add(config, 1, 1 << MMU_FETCH, P4K, 4, 4);
    add(config, 1, 1 << MMU_FETCH, P2M, 1, 4);
    add(config, 1, 6, P4K, 4, 4);
    add(config, 1, 6, P2M, 2, 4);
    add(config, 1, 6, P1G, 1, 4);
    add(config, 2, KIND_ALL, P4K | P2M, 8, 12)->index = MMU_INDEX_XOR;
    add(config, 2, KIND_ALL, P1G, 1, 4);
}

static void like_ice_lake(struct mmu_config *config)
{
    add(config, 1, 1 << MMU_FETCH, P4K | P2M, 4, 4);
    add(config, 1, 1 << MMU_LOAD, P4K, 4, 4);
    add(config, 1, 1 << MMU_LOAD, P2M, 2, 4);
    add(config, 1, 1 << MMU_LOAD, P1G, 1, 4);
    add(config, 1, 1 << MMU_STORE, PAGES_ALL, 1, 16);
    add(config, 2, KIND_ALL, P4K | P2M, 8, 4);
    add(config, 2, KIND_ALL, P4K | P1G, 8, 4);
}

static void like_zen(struct mmu_config *config)
{
    add(config, 1, 1 << MMU_FETCH, P4K | P2M | P1G, 1, 24);
    add(config, 1, 6, P4K | P2M | P1G, 1, 24);
    add(config, 2, 1 << MMU_FETCH, P4K | P2M, 8, 4);
    add(config, 2, 6, P4K | P2M, 8, 6); /* 1G pages as 2M pieces */
}

static void only_data_has_a_second_level(struct mmu_config *config)
{
    add(config, 1, 1 << MMU_FETCH, P4K | P2M, 2, 4);
    add(config, 1, 6, P4K, 4, 2);
    add(config, 1, 6, P2M | P1G, 4, 2);
    add(config, 2, 6, P4K, 16, 4);
    config->level[1].no_fracture = true;
}

static void three_levels(struct mmu_config *config)
{
    add(config, 1, KIND_ALL, P4K | P2M, 2, 2);
    add(config, 2, KIND_ALL, P4K | P2M | P1G, 4, 3);
    add(config, 3, KIND_ALL, P4K | P2M | P1G, 16, 4);
}

static void test_tlb_random_hierarchies(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*build)(struct mmu_config *config);
    } machines[] = {
        {"shared array with way masks", shared_array_with_way_masks},
        {"bounded PCIDs", bounded_pcids},
        {"like Skylake", like_skylake},
        {"like Ice Lake", like_ice_lake},
        {"like Zen", like_zen},
        {"only data has a second level", only_data_has_a_second_level},
        {"three levels", three_levels},
    };
    for (unsigned i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        struct dice dice = dice_new(machines[i].name, 0x2b1 + i);
        struct mmu_config config;
        empty(&config);
        machines[i].build(&config);
        unsigned rounds = dice_rounds(12);
        for (unsigned n = 0; n < rounds; n++)
            traffic(&config, &dice, 4000);
    }
}

/* One structure of a random hierarchy. */
static void add_random(struct mmu_config *config, struct dice *d, unsigned level, unsigned kinds,
                       unsigned pages)
{
    unsigned sets = 1 + dice_below(d, level == 1 ? 8 : 24), ways = 1 + dice_below(d, 6);
    bool xor_index = dice_once_in(d, 4);
    if (xor_index)
        sets = 2u << dice_below(d, 4);
    struct mmu_tlb_config *t = add(config, level, kinds, pages, sets, ways);
    t->index = xor_index ? MMU_INDEX_XOR : MMU_INDEX_LINEAR;
    t->policy = dice_once_in(d, 5) ? MMU_FIFO : MMU_LRU;
    t->pcid_bound = dice_once_in(d, 5);
    t->pcids = t->pcid_bound ? dice_below(d, 4) : 0;
}

/* Structures of one level that together serve these kinds: one for all sizes, or one for each. */
static void add_random_level(struct mmu_config *config, struct dice *d, unsigned level, unsigned kinds)
{
    switch (dice_below(d, 4)) {
    case 0:
        add_random(config, d, level, kinds, PAGES_ALL);
        break;
    case 1:
        add_random(config, d, level, kinds, P4K);
        break;
    case 2:
        add_random(config, d, level, kinds, P4K | P2M);
        break;
    default:
        add_random(config, d, level, kinds, P4K | (dice_once_in(d, 3) ? P2M : 0));
        add_random(config, d, level, kinds, P2M | (dice_once_in(d, 3) ? P4K : 0));
        add_random(config, d, level, kinds, P1G);
    }
}

static void test_tlb_random_machines(void **state)
{
    (void)state;
    static const unsigned splits[][3] = {{KIND_ALL}, {1, 6}, {1, 2, 4}, {3, 4}};
    struct dice dice = dice_new("random machines", 0x3ac);
    unsigned rounds = dice_rounds(80);
    for (unsigned n = 0; n < rounds; n++) {
        struct mmu_config config;
        empty(&config);
        unsigned levels = 1 + dice_below(&dice, 3);
        for (unsigned level = 1; level <= levels; level++) {
            const unsigned *split = splits[dice_below(&dice, level == 1 ? 4 : 2)];
            for (unsigned i = 0; i < 3 && split[i] && config.tlbs < 12; i++)
                add_random_level(&config, &dice, level, split[i]);
        }
        if (dice_once_in(&dice, 2))
            memset(config.psc.array, 0, sizeof config.psc.array);
        traffic(&config, &dice, 2000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tlb_random_one_structure),
        cmocka_unit_test(test_tlb_random_hierarchies),
        cmocka_unit_test(test_tlb_random_machines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
