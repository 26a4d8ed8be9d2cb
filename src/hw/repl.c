/* repl.c: victims, and the constants that make touches branchless. See repl.h. */
#include "repl.h"
#include "big.h"
#include <string.h>

static uint32_t tree_leaves(uint32_t ways)
{
    uint32_t leaves = 1;
    while (leaves < ways)
        leaves *= 2;
    return leaves;
}

/*
 * The tree's nodes are numbered as a heap, root 1; node n is bit n of the word, 1 = "the victim is on the
 * right". base shifts the tree's bits, for policies that keep several trees in a word.
 */
static void tree_touch(uint32_t way, uint32_t leaves, unsigned base, uint64_t *keep, uint64_t *set)
{
    for (uint32_t node = leaves + way; node > 1; node /= 2) {
        uint64_t bit = UINT64_C(1) << (node / 2 - 1 + base);
        *keep &= ~bit;
        if (node % 2 == 0) /* way is on the left: point right */
            *set |= bit;
    }
}

/* mask: the leaves that may be chosen; not 0. */
static uint32_t tree_victim(uint64_t word, uint32_t leaves, unsigned base, uint64_t mask)
{
    uint32_t node = 1, first = 0; /* first leaf below node */
    for (uint32_t span = leaves; span > 1; span /= 2) {
        uint64_t left = (UINT64_C(1) << span / 2) - 1;
        bool has_left = mask >> first & left;
        bool has_right = mask >> (first + span / 2) & left;
        bool right = has_right && (!has_left || (word >> (node - 1 + base) & 1));
        node = 2 * node + right;
        first += right ? span / 2 : 0;
    }
    return first;
}

static void matrix_touch(uint32_t way, uint32_t ways, uint64_t *keep, uint64_t *set)
{
    uint64_t row = UINT64_C(0xff) << 8 * way, column = UINT64_C(0x0101010101010101) << way;
    *keep = ~(row | column);
    *set = row & ~column & (((UINT64_C(1) << ways) - 1) << 8 * way);
}

/* mask: the ways that may be chosen; not 0. The least recent of them is more recent than none of them. */
static uint32_t matrix_victim(uint64_t word, uint64_t mask)
{
    uint32_t way = 0;
    while (!(mask >> way & 1) || (word >> 8 * way & mask & 0xff))
        way++;
    return way;
}

static uint32_t order_victim(uint64_t order, uint32_t ways, uint64_t mask)
{
    uint32_t at = ways - 1;
    while (!(mask >> (order >> 4 * at & 15) & 1))
        at--;
    return (uint32_t)(order >> 4 * at) & 15;
}

static void prepare_ways(struct repl *r)
{
    uint32_t leaves = r->leaves;
    for (uint32_t w = 0; w < r->ways; w++) {
        r->keep[w] = ~UINT64_C(0);
        r->set[w] = 0;
        if (r->policy == MMU_LRU) {
            matrix_touch(w, r->ways, &r->keep[w], &r->set[w]);
        } else if (r->policy == MMU_PLRU) {
            tree_touch(w, leaves, 0, &r->keep[w], &r->set[w]);
        } else if (r->policy == MMU_NMRU) {
            r->keep[w] = 0;
            r->set[w] = w;
        } else {
            tree_touch(w % REPL_GROUP, REPL_GROUP, 4 + REPL_GROUP_TREE * (w / REPL_GROUP), &r->keep[w],
                       &r->set[w]);
            r->keep[w] &= ~UINT64_C(15);
            r->set[w] |= w / REPL_GROUP;
        }
    }
}

/* Small trees have few states: their victims are looked up. */
static int prepare_victims(struct repl *r)
{
    if (r->policy != MMU_PLRU || r->leaves != r->ways || r->ways > 8)
        return MMU_OK;
    r->victims = malloc((size_t)1 << (r->ways - 1));
    if (!r->victims)
        return MMU_ERR_NOMEM;
    for (uint32_t word = 0; word < 1u << (r->ways - 1); word++)
        r->victims[word] = (uint8_t)repl_tree_victim(word, r->leaves, 0);
    return MMU_OK;
}

/* As after a touch of every way, the last one first: then invalid ways would go in the order of their
 * numbers, too. */
static int prepare_order(struct repl *r)
{
    uint64_t order = 0;
    r->order = big_calloc(r->sets, sizeof *r->order);
    for (uint32_t w = r->ways; w-- > 0;)
        order = order << 4 | (r->ways - 1 - w);
    for (uint32_t s = 0; r->order && s < r->sets; s++)
        r->order[s] = order;
    return r->order ? MMU_OK : MMU_ERR_NOMEM;
}

int repl_init(struct repl *r, uint32_t policy, uint32_t sets, uint32_t ways, struct repl_context *context)
{
    *r = (struct repl){
        .policy = policy, .sets = sets, .ways = ways, .leaves = tree_leaves(ways), .clock = context->clock};
    uint64_t stream = ++context->stream;
    rng_seed(&r->rng, context->seed, stream);
    bool matrix = policy == MMU_LRU && ways <= REPL_MATRIX_WAYS; /* a word per set, like the trees */
    if (policy == MMU_LRU && !matrix && context->packed && ways <= REPL_ORDER_WAYS)
        return prepare_order(r);
    switch (matrix ? MMU_PLRU : policy) {
    case MMU_LRU:
    case MMU_FIFO:
        r->stamp = big_calloc((size_t)sets * ways, sizeof *r->stamp);
        return r->stamp ? MMU_OK : MMU_ERR_NOMEM;
    case MMU_PLRU:
    case MMU_NMRU:
    case MMU_MRU3PLRU4:
        r->word = calloc(sets, sizeof *r->word);
        r->keep = calloc(ways, sizeof *r->keep);
        r->set = calloc(ways, sizeof *r->set);
        if (!r->word || !r->keep || !r->set)
            return MMU_ERR_NOMEM;
        prepare_ways(r);
        return prepare_victims(r);
    case MMU_USER_POLICY:
        r->user = *context->user;
        r->user_state = r->user.create(r->user.ctx, sets, ways, rng_mix(context->seed ^ stream));
        return r->user_state ? MMU_OK : MMU_ERR_NOMEM;
    default:
        return MMU_OK;
    }
}

void repl_destroy(struct repl *r)
{
    if (r->user_state && r->user.destroy)
        r->user.destroy(r->user.ctx, r->user_state);
    free(r->stamp);
    free(r->word);
    free(r->order);
    free(r->keep);
    free(r->set);
    free(r->victims);
    *r = (struct repl){0};
}

static bool in_mask(uint64_t mask, uint32_t way)
{
    return way >= 64 || (mask >> way & 1);
}

static uint32_t oldest(const uint64_t *stamp, uint32_t ways, uint64_t mask)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t w = 0; w < ways; w++)
        if (in_mask(mask, w) && (best == UINT32_MAX || stamp[w] < stamp[best]))
            best = w;
    return best;
}

/* A way of mask other than `but` (unless it is the only one), all equally likely. */
static uint32_t draw(struct repl *r, uint64_t mask, uint32_t but)
{
    uint32_t choices = 0;
    for (uint32_t w = 0; w < r->ways; w++)
        choices += in_mask(mask, w) && w != but;
    if (choices == 0)
        return but;
    uint32_t pick = rng_below(&r->rng, choices);
    for (uint32_t w = 0;; w++)
        if (in_mask(mask, w) && w != but && pick-- == 0)
            return w;
}

static uint32_t group_victim(const struct repl *r, uint64_t word, uint64_t mask)
{
    uint32_t groups = r->ways / REPL_GROUP;
    uint32_t group = (uint32_t)(word & 15);
    if (mask == ~UINT64_C(0))
        return repl_group_victim(word, groups);
    for (uint32_t i = 0; i < groups; i++) { /* a group without a way that may be chosen is passed over */
        group = (group + 1) % groups;
        if (mask >> (group * REPL_GROUP) & 15)
            break;
    }
    return group * REPL_GROUP +
           tree_victim(word, REPL_GROUP, 4 + REPL_GROUP_TREE * group, mask >> (group * REPL_GROUP) & 15);
}

uint32_t repl_victim_among(struct repl *r, uint32_t set, uint64_t mask)
{
    switch (r->policy) {
    case MMU_LRU:
        if (r->word)
            return matrix_victim(r->word[set], mask & (~UINT64_C(0) >> (64 - r->ways)));
        if (r->order)
            return order_victim(r->order[set], r->ways, mask);
        return oldest(r->stamp + (size_t)set * r->ways, r->ways, mask);
    case MMU_FIFO:
        return oldest(r->stamp + (size_t)set * r->ways, r->ways, mask);
    case MMU_PLRU:
        return tree_victim(r->word[set], r->leaves, 0, mask & (~UINT64_C(0) >> (64 - r->ways)));
    case MMU_NMRU:
        return draw(r, mask, (uint32_t)r->word[set]);
    case MMU_MRU3PLRU4:
        return group_victim(r, r->word[set], mask);
    case MMU_USER_POLICY: {
        uint32_t way = r->user.victim(r->user_state, set, mask);
        REQUIRE(way < r->ways && in_mask(mask, way));
        return way;
    }
    default:
        return draw(r, mask, UINT32_MAX);
    }
}

void repl_user_touch(struct repl *r, uint32_t set, uint32_t way)
{
    if (r->user.touch)
        r->user.touch(r->user_state, set, way);
}

void repl_user_fill(struct repl *r, uint32_t set, uint32_t way)
{
    if (r->user.fill)
        r->user.fill(r->user_state, set, way);
}
