/*
 * test_repl.c: replacement policies against naive models, against the published permutations, and told apart
 * through the public interface.
 *
 * The permutations are facts published with TLB;DR (Tatar et al., USENIX Security 2022) and with uops.info's
 * cache work: a policy's set is an order of positions; the last position is the next victim; a hit at
 * position p, or a miss, renames the positions.
 */
#include "dice.h"
#include "repl.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

enum { MAX_WAYS = 70 };

/* A set as the definitions in repl.h say, without a trick: recency lists, a tree as an array of nodes, a
 * group number. */
struct naive {
    unsigned policy, ways;
    unsigned list[MAX_WAYS]; /* LRU, FIFO: ways, newest first */
    unsigned listed;
    bool right[16][64]; /* [tree][heap node]: the victim is on the right */
    unsigned group, last;
};

static unsigned leaves_of(unsigned ways)
{
    unsigned leaves = 1;
    while (leaves < ways)
        leaves <<= 1;
    return leaves;
}

static void naive_list(struct naive *n, unsigned way)
{
    unsigned at = 0;
    while (at < n->listed && n->list[at] != way)
        at++;
    n->listed += at == n->listed;
    memmove(n->list + 1, n->list, at * sizeof *n->list);
    n->list[0] = way;
}

/* Every node above the leaf points to the other side. */
static void naive_tree(struct naive *n, unsigned tree, unsigned leaf, unsigned leaves)
{
    unsigned node = 1, low = 0, high = leaves;
    while (high - low > 1) {
        unsigned middle = (low + high) / 2;
        n->right[tree][node] = leaf < middle;
        node = 2 * node + (leaf >= middle);
        leaf < middle ? (high = middle) : (low = middle);
    }
}

static bool any_in(uint64_t mask, unsigned low, unsigned high)
{
    for (unsigned w = low; w < high; w++)
        if (mask >> w & 1)
            return true;
    return false;
}

static unsigned naive_follow(const struct naive *n, unsigned tree, unsigned leaves, uint64_t mask)
{
    unsigned node = 1, low = 0, high = leaves;
    while (high - low > 1) {
        unsigned middle = (low + high) / 2;
        bool right = n->right[tree][node];
        if (!any_in(mask, low, middle))
            right = true;
        else if (!any_in(mask, middle, high))
            right = false;
        node = 2 * node + right;
        right ? (low = middle) : (high = middle);
    }
    return low;
}

static void naive_use(struct naive *n, unsigned way, bool fill)
{
    n->last = way;
    switch (n->policy) {
    case MMU_LRU:
        naive_list(n, way);
        break;
    case MMU_FIFO:
        if (fill)
            naive_list(n, way);
        break;
    case MMU_PLRU:
        naive_tree(n, 0, way, leaves_of(n->ways));
        break;
    case MMU_MRU3PLRU4:
        naive_tree(n, way / 4, way % 4, 4);
        n->group = way / 4;
        break;
    default:
        break;
    }
}

/* The victim; every way has been filled. */
static unsigned naive_victim(const struct naive *n, uint64_t mask)
{
    if (n->policy == MMU_PLRU)
        return naive_follow(n, 0, leaves_of(n->ways),
                            n->ways < 64 ? mask & ((UINT64_C(1) << n->ways) - 1) : mask);
    if (n->policy == MMU_MRU3PLRU4) {
        unsigned group = n->group;
        do
            group = (group + 1) % (n->ways / 4);
        while (!any_in(mask, 4 * group, 4 * group + 4));
        return 4 * group + naive_follow(n, group, 4, mask >> 4 * group & 15);
    }
    unsigned at = n->listed - 1;
    while (n->list[at] < 64 && !(mask >> n->list[at] & 1))
        at--;
    return n->list[at];
}

struct bed {
    struct repl repl;
    uint64_t clock;
};

static void bed_init(struct bed *b, unsigned policy, unsigned sets, unsigned ways, uint64_t seed)
{
    b->clock = 0;
    struct repl_context context = {.seed = seed, .clock = &b->clock};
    assert_int_equal(repl_init(&b->repl, policy, sets, ways, &context), MMU_OK);
}

static void bed_init_packed(struct bed *b, unsigned policy, unsigned sets, unsigned ways)
{
    struct repl_context context = {.seed = 1, .clock = &b->clock, .packed = true};
    assert_int_equal(repl_init(&b->repl, policy, sets, ways, &context), MMU_OK);
}

/* Random hits and misses in several sets, some misses under a way mask, all ways filled beforehand. */
static void compare(unsigned policy, unsigned ways, bool packed, struct dice *dice)
{
    enum { SETS = 3, STEPS = 3000 };
    struct naive naive[SETS];
    struct bed b;
    packed ? bed_init_packed(&b, policy, SETS, ways) : bed_init(&b, policy, SETS, ways, 1);
    memset(naive, 0, sizeof naive);
    for (unsigned s = 0; s < SETS; s++) {
        naive[s].policy = policy;
        naive[s].ways = ways;
        for (unsigned w = 0; w < ways; w++) {
            naive_use(&naive[s], w, true);
            repl_fill(&b.repl, s, w);
        }
    }
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned s = dice_below(dice, SETS), way = dice_below(dice, ways);
        if (dice_once_in(dice, 2)) {
            naive_use(&naive[s], way, false);
            repl_touch(&b.repl, s, way);
            continue;
        }
        uint64_t mask = ~UINT64_C(0);
        if (ways <= 64 && dice_once_in(dice, 4)) {
            mask = dice_next(dice) & dice_next(dice);
            mask |= UINT64_C(1) << way;
        }
        unsigned victim = repl_victim(&b.repl, s, mask);
        if (victim != naive_victim(&naive[s], mask))
            fail_msg("policy %u, %u ways, step %u: way %u, expected %u", policy, ways, i, victim,
                     naive_victim(&naive[s], mask));
        naive_use(&naive[s], victim, true);
        repl_fill(&b.repl, s, victim);
    }
    repl_destroy(&b.repl);
}

static void test_naive(void **state)
{
    (void)state;
    struct dice dice = dice_new("repl", 1);
    static const unsigned ways[] = {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 16, 24, 31, 32, 33, 48, 63, 64, 70};
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        compare(MMU_LRU, ways[i], false, &dice);
        compare(MMU_LRU, ways[i], true, &dice);
        compare(MMU_FIFO, ways[i], false, &dice);
        if (ways[i] <= REPL_TREE_WAYS)
            compare(MMU_PLRU, ways[i], false, &dice);
        if (ways[i] % 4 == 0 && ways[i] <= 48)
            compare(MMU_MRU3PLRU4, ways[i], false, &dice);
    }
}

/* Random and not-MRU: every permitted way, about equally often; never the newest under not-MRU; the seed
 * decides. */
static void draws(unsigned policy, unsigned ways, uint64_t mask)
{
    enum { DRAWS = 40000 };
    struct bed a, again, other;
    unsigned seen[64] = {0}, choices = 0, differ = 0, newest = 0;
    bed_init(&a, policy, 1, ways, 7);
    bed_init(&again, policy, 1, ways, 7);
    bed_init(&other, policy, 1, ways, 8);
    repl_fill(&a.repl, 0, newest);
    repl_fill(&again.repl, 0, newest);
    repl_fill(&other.repl, 0, newest);
    for (unsigned i = 0; i < DRAWS; i++) {
        unsigned way = repl_victim(&a.repl, 0, mask);
        assert_true(way < ways && (mask >> way & 1));
        assert_int_equal(way, repl_victim(&again.repl, 0, mask));
        differ += way != repl_victim(&other.repl, 0, mask);
        seen[way]++;
    }
    for (unsigned w = 0; w < ways; w++)
        choices += (mask >> w & 1) && !(policy == MMU_NMRU && w == newest);
    for (unsigned w = 0; w < ways; w++) {
        bool may = (mask >> w & 1) && !(policy == MMU_NMRU && w == newest);
        double expected = may ? (double)DRAWS / choices : 0;
        assert_true(seen[w] >= 0.9 * expected && seen[w] <= 1.1 * expected);
    }
    assert_true(differ > DRAWS / 4);
    repl_destroy(&a.repl);
    repl_destroy(&again.repl);
    repl_destroy(&other.repl);
}

static void test_draws(void **state)
{
    (void)state;
    draws(MMU_RANDOM, 4, ~UINT64_C(0));
    draws(MMU_RANDOM, 12, 0xa5f);
    draws(MMU_NMRU, 4, ~UINT64_C(0));
    draws(MMU_NMRU, 7, 0x5f);
    struct bed b; /* the newest, when it alone may go */
    bed_init(&b, MMU_NMRU, 1, 4, 1);
    repl_touch(&b.repl, 0, 2);
    assert_int_equal(repl_victim(&b.repl, 0, 4), 2);
    repl_destroy(&b.repl);
}

/* perm[p]: new order after a hit at p, as old positions; perm[ways]: after a miss. */
static const uint8_t lru4[5][4] = {{0, 1, 2, 3}, {1, 0, 2, 3}, {2, 0, 1, 3}, {3, 0, 1, 2}, {3, 0, 1, 2}};
static const uint8_t fifo4[5][4] = {{0, 1, 2, 3}, {0, 1, 2, 3}, {0, 1, 2, 3}, {0, 1, 2, 3}, {3, 0, 1, 2}};
static const uint8_t plru4[5][4] = {{0, 1, 2, 3}, {1, 0, 3, 2}, {2, 1, 0, 3}, {3, 0, 1, 2}, {3, 0, 1, 2}};
static const uint8_t plru8[9][8] = {
    {0, 1, 2, 3, 4, 5, 6, 7}, {1, 0, 3, 2, 5, 4, 7, 6}, {2, 1, 0, 3, 6, 5, 4, 7},
    {3, 0, 1, 2, 7, 4, 5, 6}, {4, 1, 2, 3, 0, 5, 6, 7}, {5, 0, 3, 2, 1, 4, 7, 6},
    {6, 1, 0, 3, 2, 5, 4, 7}, {7, 0, 1, 2, 3, 4, 5, 6}, {7, 0, 1, 2, 3, 4, 5, 6},
};
static const uint8_t mru3plru4[13][12] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {1, 2, 0, 4, 5, 3, 7, 8, 6, 10, 11, 9},
    {2, 0, 1, 5, 3, 4, 8, 6, 7, 11, 9, 10}, {3, 1, 2, 0, 4, 5, 9, 7, 8, 6, 10, 11},
    {4, 2, 0, 1, 5, 3, 10, 8, 6, 7, 11, 9}, {5, 0, 1, 2, 3, 4, 11, 6, 7, 8, 9, 10},
    {6, 1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11}, {7, 2, 0, 4, 5, 3, 1, 8, 6, 10, 11, 9},
    {8, 0, 1, 5, 3, 4, 2, 6, 7, 11, 9, 10}, {9, 1, 2, 0, 4, 5, 3, 7, 8, 6, 10, 11},
    {10, 2, 0, 1, 5, 3, 4, 8, 6, 7, 11, 9}, {11, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
    {11, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
};

static const struct published {
    const char *name;
    unsigned policy, ways;
    const uint8_t *perm;
} published[] = {
    {"LRU 4", MMU_LRU, 4, lru4[0]},
    {"FIFO 4", MMU_FIFO, 4, fifo4[0]},
    {"tree-PLRU 4", MMU_PLRU, 4, plru4[0]},
    {"tree-PLRU 8", MMU_PLRU, 8, plru8[0]},
    {"(MRU+1)%3-PLRU4 12", MMU_MRU3PLRU4, 12, mru3plru4[0]},
};

static void rename_positions(const struct published *p, unsigned *at, unsigned event)
{
    unsigned old[12];
    memcpy(old, at, sizeof old);
    for (unsigned i = 0; i < p->ways; i++)
        at[i] = old[p->perm[event * p->ways + i]];
}

static void test_published(void **state)
{
    (void)state;
    struct dice dice = dice_new("published", 2);
    for (unsigned i = 0; i < sizeof published / sizeof *published; i++) {
        const struct published *p = &published[i];
        struct bed b;
        bed_init(&b, p->policy, 1, p->ways, 1);
        unsigned at[12] = {0}, filled = 0;
        for (unsigned w = 0; w < p->ways; w++)
            repl_fill(&b.repl, 0, w);
        for (unsigned w = 0; w < p->ways; w++) { /* misses only: the newest stands first */
            unsigned victim = repl_victim(&b.repl, 0, ~UINT64_C(0));
            assert_false(filled >> victim & 1);
            filled |= 1u << victim;
            repl_fill(&b.repl, 0, victim);
            at[p->ways - 1 - w] = victim;
        }
        for (unsigned step = 0; step < 100000; step++) {
            unsigned event = dice_below(&dice, p->ways + 1);
            if (event == p->ways) {
                unsigned victim = repl_victim(&b.repl, 0, ~UINT64_C(0));
                if (victim != at[p->ways - 1])
                    fail_msg("%s: step %u evicts way %u, published %u", p->name, step, victim,
                             at[p->ways - 1]);
                repl_fill(&b.repl, 0, victim);
            } else {
                repl_touch(&b.repl, 0, at[event]);
            }
            rename_positions(p, at, event);
        }
        repl_destroy(&b.repl);
    }
}

/*
 * The same through the public interface: a first-level structure of one set, beside a model that holds page
 * numbers by way.
 */
struct model {
    struct naive naive;
    unsigned page[MAX_WAYS], filled;
};

static bool model_access(struct model *m, unsigned page)
{
    for (unsigned w = 0; w < m->filled; w++) {
        if (m->page[w] == page) {
            naive_use(&m->naive, w, false);
            return true;
        }
    }
    unsigned way = m->filled < m->naive.ways ? m->filled++ : naive_victim(&m->naive, ~UINT64_C(0));
    m->page[way] = page;
    naive_use(&m->naive, way, true);
    return false;
}

struct held {
    uint64_t pages; /* bit set */
};

static void note(void *ctx, const struct mmu_tlb_entry *entry)
{
    struct held *h = ctx;
    h->pages |= UINT64_C(1) << (entry->va >> 12);
}

enum { PAGES = 16, SEQUENCE = 40, WAYS = 12 };

static uint64_t through_model(unsigned policy, const unsigned *page)
{
    struct model m = {.naive = {.policy = policy, .ways = WAYS}};
    uint64_t held = 0;
    for (unsigned i = 0; i < SEQUENCE; i++)
        model_access(&m, page[i]);
    for (unsigned w = 0; w < WAYS; w++)
        held |= UINT64_C(1) << m.page[w];
    return held;
}

/* batch: the same accesses at once, on the fast path. */
static uint64_t through_machine(unsigned policy, const unsigned *page, bool batch)
{
    struct mmu_config config;
    struct rig rig;
    struct mmu_access access[SEQUENCE] = {{0}};
    rig_config(&config);
    config.levels = 1;
    config.tlbs = 1;
    config.tlb[0].kinds = 1u << MMU_LOAD;
    config.tlb[0].entries = config.tlb[0].ways = WAYS;
    config.tlb[0].policy = policy;
    rig_start(&rig, &config, MMU_MODE_4L);
    for (unsigned p = 0; p < PAGES; p++)
        rig_map(&rig, (mmu_va)p << 12, 0x100000 + ((mmu_pa)p << 12), 12, RIG_P | RIG_W | RIG_U);
    for (unsigned i = 0; i < SEQUENCE; i++)
        access[i] = (struct mmu_access){.va = (mmu_va)page[i] << 12, .size = 8, .kind = MMU_LOAD};
    if (batch)
        assert_int_equal(mmu_core_run(rig.core, access, SEQUENCE, NULL), MMU_OK);
    for (unsigned i = 0; i < SEQUENCE && !batch; i++)
        assert_int_equal(mmu_core_access(rig.core, &access[i], NULL), MMU_DONE);
    struct held held = {0};
    mmu_core_tlb_entries(rig.core, 0, note, &held);
    rig_stop(&rig);
    return held.pages;
}

static void test_told_apart(void **state)
{
    (void)state;
    static const unsigned policy[] = {MMU_LRU, MMU_FIFO, MMU_PLRU, MMU_MRU3PLRU4};
    enum { POLICIES = sizeof policy / sizeof *policy };
    struct dice dice = dice_new("told apart", 3);
    for (unsigned found = 0, tries = 0; found < 20; tries++) {
        unsigned page[SEQUENCE];
        uint64_t left[POLICIES];
        bool apart = true;
        assert_true(tries < 100000);
        for (unsigned i = 0; i < SEQUENCE; i++)
            page[i] = i < WAYS ? i : dice_below(&dice, PAGES);
        for (unsigned p = 0; p < POLICIES; p++) {
            left[p] = through_model(policy[p], page);
            for (unsigned q = 0; q < p; q++)
                apart = apart && left[p] != left[q];
        }
        if (!apart)
            continue;
        found++;
        for (unsigned p = 0; p < POLICIES; p++) {
            assert_int_equal(through_machine(policy[p], page, false), left[p]);
            assert_int_equal(through_machine(policy[p], page, true), left[p]);
        }
    }
}

/* Not-MRU through the public interface: the page that was used last stays whatever comes; under random it
 * does not always. */
static void test_newest_stays(void **state)
{
    (void)state;
    unsigned lost[2] = {0};
    for (unsigned variant = 0; variant < 200; variant++) {
        unsigned page[SEQUENCE];
        for (unsigned i = 0; i < SEQUENCE; i++)
            page[i] = i < WAYS ? i : variant % WAYS;
        page[SEQUENCE - 1] = WAYS + variant % (PAGES - WAYS);
        for (unsigned i = WAYS; i < WAYS + variant / 8; i++) /* misses, to move the generators on */
            page[i] = WAYS + (variant + i) % (PAGES - WAYS);
        lost[0] += !(through_machine(MMU_NMRU, page, true) >> (variant % WAYS) & 1);
        lost[1] += !(through_machine(MMU_RANDOM, page, true) >> (variant % WAYS) & 1);
    }
    assert_int_equal(lost[0], 0);
    assert_true(lost[1] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_naive),        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_published),    cmocka_unit_test(test_told_apart),
        cmocka_unit_test(test_newest_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
