/*
 * runs.c: page runs made from references (mmusim/runs.h). What replays them is in batch.c.
 *
 * Of each kind the page is remembered on which it has had its head since its group came to that page. One
 * pass, one comparison a member.
 */
#include "x86.h"
#include <mmusim/runs.h>
#include <string.h>

#define NO_PAGE UINT64_MAX /* a page number has 52 bits */

struct collapse {
    uint64_t page[MMU_KINDS];
    unsigned priv;         /* of all of them */
    struct mmu_head *head; /* the latest; NULL: none yet */
};

static void end_runs(struct collapse *s)
{
    for (unsigned kind = 0; kind < MMU_KINDS; kind++)
        s->page[kind] = NO_PAGE;
}

static bool is_record(const struct mmu_access *x)
{
    unsigned kind = MMU_KIND_OF(x->kind), priv = MMU_PRIV_OF(x->kind);
    return kind < MMU_KINDS && priv < MMU_PRIVS && x->size >= 1 && x->size <= 4096 &&
           !(x->flags & ~(unsigned)(MMU_AF_FOLLOWS | MMU_AF_GAP));
}

/* x begins a stretch of its own; what follows from it for the runs. */
static void add_head(struct collapse *s, const struct mmu_access *x, struct mmu_head *to)
{
    uint64_t page = x->va >> PAGE_SHIFT;
    unsigned kind = MMU_KIND_OF(x->kind), priv = MMU_PRIV_OF(x->kind);
    memset(to, 0, sizeof *to);
    to->access = *x;
    to->next = MMU_KINDS;
    s->head = to;
    if (!is_record(x) || priv != s->priv)
        end_runs(s);
    if (!is_record(x))
        return;
    s->priv = priv;
    bool crosses = (x->va & PAGE_MASK) + x->size > PAGE_SIZE;
    for (unsigned k = 0; k < MMU_KINDS; k++) /* of its group */
        if ((k == MMU_FETCH) == (kind == MMU_FETCH) && (crosses || s->page[k] != page))
            s->page[k] = NO_PAGE;
    if (!crosses)
        s->page[kind] = page;
}

/* Makes x a member of the latest head if it is one and fits there. */
static bool add_member(struct collapse *s, const struct mmu_access *x)
{
    struct mmu_head *h = s->head;
    unsigned kind = MMU_KIND_OF(x->kind);
    bool inside = (x->va & PAGE_MASK) + (x->size - 1u) < PAGE_SIZE;
    if (!h || !is_record(x) || !inside || MMU_PRIV_OF(x->kind) != s->priv ||
        s->page[kind] != x->va >> PAGE_SHIFT)
        return false;
    uint32_t gap = x->flags & MMU_AF_GAP ? x->gap : 0;
    bool alike = !h->members[kind] || MMU_HEAD_FLAGS(h, kind) == x->flags;
    if (!alike || h->members[kind] == UINT16_MAX || h->gaps > UINT32_MAX - gap)
        return false;
    if (h->next == MMU_KINDS) {
        h->next = (uint8_t)kind;
        h->next_gap = gap;
    }
    h->flags |= (uint8_t)(x->flags << 2 * kind);
    h->gaps += gap;
    h->members[kind]++;
    return true;
}

size_t mmu_runs_collapse(const struct mmu_access *from, size_t n, struct mmu_head *to)
{
    struct collapse s = {.head = NULL};
    size_t heads = 0;
    end_runs(&s);
    for (size_t i = 0; i < n; i++)
        if (!add_member(&s, &from[i]))
            add_head(&s, &from[i], &to[heads++]);
    return heads;
}
