/* ranges.c: the treap behind ranges.h. */
#include "ranges.h"
#include "rng.h"

static uint64_t longest(const struct range *r)
{
    return r ? r->longest : 0;
}

static void update(struct range *r)
{
    uint64_t most = r->end - r->start;
    most = longest(r->left) > most ? longest(r->left) : most;
    r->longest = longest(r->right) > most ? longest(r->right) : most;
}

/* Cuts a tree in two: what begins below `at`, and the rest. */
static void cut(struct range *tree, mmu_va at, struct range **below, struct range **above)
{
    if (!tree) {
        *below = *above = NULL;
    } else if (tree->start < at) {
        cut(tree->right, at, &tree->right, above);
        *below = tree;
        update(tree);
    } else {
        cut(tree->left, at, below, &tree->left);
        *above = tree;
        update(tree);
    }
}

/* Joins two trees, all of `below` lying below all of `above`. */
static struct range *join(struct range *below, struct range *above)
{
    struct range *top;
    if (!below || !above)
        return below ? below : above;
    if (below->priority >= above->priority) {
        below->right = join(below->right, above);
        top = below;
    } else {
        above->left = join(below, above->left);
        top = above;
    }
    update(top);
    return top;
}

static struct range *insert(struct range *tree, struct range *r)
{
    if (!tree || r->priority > tree->priority) {
        cut(tree, r->start, &r->left, &r->right);
        update(r);
        return r;
    }
    struct range **side = r->start < tree->start ? &tree->left : &tree->right;
    *side = insert(*side, r);
    update(tree);
    return tree;
}

void ranges_insert(struct ranges *set, struct range *r)
{
    REQUIRE(r->start < r->end);
    r->priority = rng_mix(r->start);
    set->root = insert(set->root, r);
    set->count++;
}

static struct range *take(struct range *tree, const struct range *r)
{
    REQUIRE(tree);
    if (tree == r)
        return join(tree->left, tree->right);
    struct range **side = r->start < tree->start ? &tree->left : &tree->right;
    *side = take(*side, r);
    update(tree);
    return tree;
}

void ranges_remove(struct ranges *set, struct range *r)
{
    set->root = take(set->root, r);
    set->count--;
}

static void refresh(struct range *tree, const struct range *r)
{
    REQUIRE(tree);
    if (tree != r)
        refresh(r->start < tree->start ? tree->left : tree->right, r);
    update(tree);
}

void ranges_resize(struct ranges *set, struct range *r, mmu_va start, mmu_va end)
{
    REQUIRE(start < end);
    r->start = start;
    r->end = end;
    refresh(set->root, r);
}

struct range *ranges_from(const struct ranges *set, mmu_va va)
{
    struct range *best = NULL;
    for (struct range *r = set->root; r;) {
        if (r->end > va) {
            best = r;
            r = r->left;
        } else {
            r = r->right;
        }
    }
    return best;
}

struct range *ranges_find(const struct ranges *set, mmu_va va)
{
    struct range *r = ranges_from(set, va);
    return r && r->start <= va ? r : NULL;
}

struct range *ranges_before(const struct ranges *set, mmu_va va)
{
    struct range *best = NULL;
    for (struct range *r = set->root; r;) {
        if (r->start < va) {
            best = r;
            r = r->right;
        } else {
            r = r->left;
        }
    }
    return best;
}

struct range *ranges_lowest(const struct ranges *set, uint64_t size)
{
    struct range *r = set->root;
    while (r && r->longest >= size) {
        if (longest(r->left) >= size)
            r = r->left;
        else if (r->end - r->start >= size)
            return r;
        else
            r = r->right;
    }
    return NULL;
}

/* Counts a subtree and executes its invariants; *last is the end of what lies below it. */
static uint64_t check(const struct range *r, mmu_va *last)
{
    if (!r)
        return 0;
    uint64_t n = check(r->left, last) + 1;
    uint64_t most = r->end - r->start;
    most = longest(r->left) > most ? longest(r->left) : most;
    most = longest(r->right) > most ? longest(r->right) : most;
    REQUIRE(r->start < r->end && r->start >= *last);
    REQUIRE(r->longest == most);
    REQUIRE(!r->left || r->left->priority <= r->priority);
    REQUIRE(!r->right || r->right->priority <= r->priority);
    *last = r->end;
    return n + check(r->right, last);
}

void ranges_check(const struct ranges *set)
{
    mmu_va last = 0;
    REQUIRE(check(set->root, &last) == set->count);
}
