/* clang-format off */
/*
 * repl.h: which way of a set goes: the replacement policies of TLBs, paging-structure caches and caches.
 *
 *   LRU         true least recently used. Up to 8 ways: a matrix of 8 x 8 bits in a word, in which a touch of way w
 *               fills row w and clears column w, so that the row of the least recent way is empty. More ways: a stamp
 *               per way, renewed by every touch and fill; or, up to 16 ways and where touches are always made here
 *               (not by hot.h), their order in a word of sixteen digits, the newest lowest.
 *   FIFO        the oldest fill: stamps, renewed by fills only.
 *   PLRU        tree pseudo-LRU. A complete binary tree over the next power of two of leaves; way w is leaf w. A
 *               touch makes every node on the way's path point to the other side; the victim is found by following
 *               the nodes. A side without a way that may be chosen (way counts that are no power of two, way masks)
 *               is never entered: the walk takes the other side, the node is not consulted. At most 64 ways.
 *   NMRU        not most recently used: any other way than the one touched or filled last, drawn from the
 *               structure's generator.
 *   MRU3PLRU4   (MRU+1)%3-PLRU4, the policy that TLB;DR (Tatar et al., USENIX Security 2022) found in Skylake's
 *               second-level TLB: the ways form groups of four (three in the 12-way original), way w in group w/4;
 *               the victim lies in the group after the one touched or filled last, chosen there by tree-PLRU over
 *               its four ways. Generalised to any number of groups up to 12.
 *   RANDOM      drawn from the structure's generator, seeded from the run's seed.
 *   USER        the caller's functions.
 *
 * The victim among invalid ways is not decided here: the lowest invalid way goes first, always. Invalidation leaves
 * this state alone.
 *
 * LRU, PLRU, NMRU and MRU3PLRU4 of a word per set: a touch of way w is word = (word & keep[w]) | set[w], two
 * constants per way and no branch. Every touch is idempotent: repeated without another between, it changes nothing.
 */
/* clang-format on */
#ifndef HW_REPL_H
#define HW_REPL_H

#include "bits.h"
#include "rng.h"
#include <mmusim/machine.h>

enum { REPL_TREE_WAYS = 64, REPL_GROUP = 4, REPL_MATRIX_WAYS = 8, REPL_ORDER_WAYS = 16 };
enum {
    REPL_GROUP_TREE = 3
}; /* bits of a four-way tree; group g's tree stands at bit 4 + 3 * g, the last group
      at bits 3:0 */

struct repl {
    uint32_t policy;             /* enum mmu_policy */
    uint32_t sets, ways, leaves; /* leaves: of the tree, the next power of two */
    uint64_t *stamp;             /* [sets * ways]: FIFO, LRU of more than 8 ways */
    uint64_t *word;              /* [sets]: LRU, PLRU, NMRU, MRU3PLRU4 */
    uint64_t *order;             /* [sets]: LRU of 9 to 16 ways, packed */
    uint64_t *keep, *set;        /* [ways] */
    uint8_t *victims;            /* PLRU of 2, 4 or 8 ways: the victim for each value of the word */
    uint64_t *clock;             /* the core's: counts up with every touch, gives the stamps */
    struct rng rng;
    struct mmu_policy_ops user;
    void *user_state;
};

/* What the structures of a core have in common. */
struct repl_context {
    uint64_t seed;
    uint64_t stream; /* tells generators apart: each repl_init() takes the next */
    uint64_t *clock; /* outlives the structures */
    bool packed;     /* LRU may keep an order instead of stamps: all touches come through repl_touch() */
    const struct mmu_policy_ops *user; /* may be NULL unless a policy is MMU_USER_POLICY */
};

/* MMU_OK or MMU_ERR_NOMEM. */
int repl_init(struct repl *r, uint32_t policy, uint32_t sets, uint32_t ways, struct repl_context *context);
void repl_destroy(struct repl *r);

/* The way to replace among the ways of mask (bit w; ways from 64 on are always in). All of them are valid. */
uint32_t repl_victim_among(struct repl *r, uint32_t set, uint64_t mask);

/* The victim of a tree whose every leaf may be chosen; its nodes stand from bit base on. */
static inline uint32_t repl_tree_victim(uint64_t word, uint32_t leaves, unsigned base)
{
    uint32_t node = 1;
    while (node < leaves)
        node = 2 * node + (uint32_t)(word >> (node - 1 + base) & 1);
    return node - leaves;
}

static inline uint32_t repl_oldest(const uint64_t *stamp, uint32_t ways)
{
    uint32_t best = 0;
    for (uint32_t w = 1; w < ways; w++)
        best = stamp[w] < stamp[best] ? w : best;
    return best;
}

/* The first empty row of a matrix; ways that it has not got may have empty rows behind. */
static inline uint32_t repl_matrix_victim(uint64_t word)
{
    uint64_t low = UINT64_C(0x0101010101010101);
    return (uint32_t)__builtin_ctzll((word - low) & ~word & low << 7) / 8;
}

/* Moves a way to the front of an order. */
static inline uint64_t repl_to_front(uint64_t order, uint32_t way)
{
    uint64_t ones = UINT64_C(0x1111111111111111), x = order ^ ones * way;
    unsigned at = (unsigned)__builtin_ctzll((x - ones) & ~x & ones << 3) - 3; /* of its digit */
    uint64_t newer = (UINT64_C(1) << at) - 1;
    return (order & ~(newer | UINT64_C(15) << at)) | (order & newer) << 4 | way;
}

static inline uint32_t repl_group_victim(uint64_t word, uint32_t groups)
{
    uint32_t group = (uint32_t)(word & 15) + 1 == groups ? 0 : (uint32_t)(word & 15) + 1;
    uint64_t tree = word >> (4 + REPL_GROUP_TREE * group);
    return group * REPL_GROUP + (uint32_t)(2 * (tree & 1) + (tree >> (1 + (tree & 1)) & 1));
}

/* The same; the common cases in line. */
static inline uint32_t repl_victim(struct repl *r, uint32_t set, uint64_t mask)
{
    if (UNLIKELY(mask != ~UINT64_C(0)))
        return repl_victim_among(r, set, mask);
    if (r->victims)
        return r->victims[r->word[set]];
    if (r->policy == MMU_MRU3PLRU4)
        return repl_group_victim(r->word[set], r->ways / REPL_GROUP);
    if (r->policy == MMU_LRU && r->word)
        return repl_matrix_victim(r->word[set]);
    if (r->order)
        return (uint32_t)(r->order[set] >> 4 * (r->ways - 1)) & 15;
    if (r->policy == MMU_PLRU && r->leaves == r->ways)
        return repl_tree_victim(r->word[set], r->leaves, 0);
    if (r->stamp)
        return repl_oldest(r->stamp + (size_t)set * r->ways, r->ways);
    return repl_victim_among(r, set, mask);
}

/* User policies only. */
void repl_user_touch(struct repl *r, uint32_t set, uint32_t way);
void repl_user_fill(struct repl *r, uint32_t set, uint32_t way);

static inline void repl_touch_word(struct repl *r, uint32_t set, uint32_t way)
{
    r->word[set] = (r->word[set] & r->keep[way]) | r->set[way];
}

/* A hit on way. */
static inline void repl_touch(struct repl *r, uint32_t set, uint32_t way)
{
    if (r->word)
        repl_touch_word(r, set, way);
    else if (r->order)
        r->order[set] = repl_to_front(r->order[set], way);
    else if (r->policy == MMU_LRU)
        r->stamp[(size_t)set * r->ways + way] = ++*r->clock;
    else if (UNLIKELY(r->policy == MMU_USER_POLICY))
        repl_user_touch(r, set, way);
}

/* A fill of way. */
static inline void repl_fill(struct repl *r, uint32_t set, uint32_t way)
{
    if (r->word)
        repl_touch_word(r, set, way);
    else if (r->order)
        r->order[set] = repl_to_front(r->order[set], way);
    else if (r->stamp)
        r->stamp[(size_t)set * r->ways + way] = ++*r->clock;
    else if (UNLIKELY(r->policy == MMU_USER_POLICY))
        repl_user_fill(r, set, way);
}

#endif
