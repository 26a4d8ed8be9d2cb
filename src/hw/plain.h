/*
 * plain.h: a first-level miss of the plain sort, done fast.
 *
 * The miss path proper (mmu.c) says what happens; this says the same of the misses that make up nearly all of a long run, and nothing of the others: nothing is
 * unfinished, the TLBs hold 4-KByte entries only and one structure a level holds them, the second level is looked up at once, no entry must be written (A and D
 * are set already), nothing faults, nobody observes. It decides first and changes state afterwards: false means that nothing has changed and the access is the
 * miss path's. Tests compare the two.
 *
 * Counters are kept in a tally and booked by plain_book() at the end of a batch: a second-level hit counts one number and owes eight.
 *
 * Budget: a second-level hit about 200 instructions, a walk about 500.
 */
#ifndef HW_PLAIN_H
#define HW_PLAIN_H

#include "mmu.h"
#include "timeline.h"

/* What plain misses have run up since plain_book(). */
struct plain_tally {
    uint64_t second[CLASSES];        /* second-level hits */
    uint64_t walks[CLASSES];         /* walks */
    uint64_t stalled;                /* cycles that accesses waited for a second-level hit */
    uint64_t roomy[2][MMU_KINDS];    /* fills of a level that found an invalid way: no eviction */
    uint64_t reads[MMU_WALK_LEVELS][MMU_PLACES];
};

struct plain {
    mmu_va va; /* one page only */
    unsigned kind, class;
    mmu_cycle now;      /* in: the issue; out: the completion */
    mmu_pa pa;          /* out */
    uint8_t where;      /* out: enum mmu_where */
};

/* May misses be plain at all, as the machine and its observers stand? Decided once a batch. */
bool plain_usable(const struct mmu *m);

/* Books the tally and clears it. */
void plain_book(struct mmu *m, struct timeline *real, struct plain_tally *tally);

/*
 * A miss in both levels. On success mmu.ledger is its ledger. The caller counts the access among its first-level accesses, here and below: it is not in
 * mmu.lookups.
 */
bool plain_walk(struct mmu *m, struct plain_tally *tally, struct plain *x);

/* Where a 4-KByte page belongs in a structure. */
struct plain_place {
    struct tlb *t;
    uint32_t set, first; /* first: index of its way 0 */
};

ALWAYS_INLINE struct plain_place plain_place_of(struct tlb *t, mmu_va va)
{
    uint32_t set = tlb_set(t, va, MMU_4K);
    return (struct plain_place){t, set, set * t->ways};
}

/* The way that holds it, or TLB_NONE. */
ALWAYS_INLINE uint32_t plain_look(struct plain_place at, uint64_t tag, mmu_va va)
{
    uint32_t way = tlb_match_ways(at.t->tag + at.first, at.t->ways, tag);
    if (UNLIKELY(at.t->globals) && way == TLB_NONE)
        way = tlb_match_ways(at.t->tag + at.first, at.t->ways, tlb_tag(va, MMU_4K, 0, true));
    return way;
}

/* The PCID of a fill is not the last one filled: makes room for it. */
void plain_new_pcid(struct mmu *m, struct tlb *t);

/* Fills a place that missed; returns the index. */
ALWAYS_INLINE uint32_t plain_fill(struct mmu *m, struct plain_tally *tally, const struct plain *x, struct plain_place at, uint64_t tag,
                                  const struct tlb_entry *entry)
{
    struct tlb *t = at.t;
    if (t->config->pcid_bound && !(tag & TLB_GLOBAL) && UNLIKELY(!t->pcids || t->pcid[0] != m->regime.pcid))
        plain_new_pcid(m, t);
    uint32_t way = UNLIKELY(t->free) ? tlb_invalid_way(t, at.set, t->mask[MMU_4K]) : TLB_NONE;
    if (LIKELY(way == TLB_NONE))
        way = repl_victim(&t->repl, at.set, t->mask[MMU_4K]);
    else
        tally->roomy[t->hot == TLB_NONE][x->kind]++;
    tlb_write(t, at.first + way, tag, entry);
    repl_fill(&t->repl, at.set, way);
    return at.first + way;
}

/* The first level, and the hot entry: what mmu_hot_sync() would write for an entry that is current. */
ALWAYS_INLINE void plain_fill_first(struct mmu *m, struct plain_tally *tally, const struct plain *x, struct plain_place at, uint64_t tag,
                                    const struct tlb_entry *entry)
{
    uint32_t index = at.t->hot + plain_fill(m, tally, x, at, tag, entry);
    struct hot_entry *h = &m->hot.entry[index];
    h->page = x->va >> PAGE_SHIFT;
    h->mask = ~UINT64_C(0);
    h->base = entry->base;
    h->allow = regime_allowed(&m->regime, entry->rights, entry->key) & at.t->classes & ~(entry->dirty ? 0 : CLASSES_OF(MMU_STORE));
    h->page_shift = PAGE_SHIFT;
    h->slot = at.t->first ? 0 : (uint16_t)(1 + at.t->number * MMU_PAGES);
    m->hot.guess[x->kind][h->page & (HOT_GUESSES - 1)] = index;
}

enum plain_verdict { PLAIN_NOT, PLAIN_SECOND, PLAIN_WALK };

/*
 * Decides; does second-level hits. PLAIN_SECOND: done, at the cost of the second level's latency (x->now is moved, no ledger is written). PLAIN_WALK: it is
 * for plain_walk(). PLAIN_NOT: nothing has changed.
 */
ALWAYS_INLINE enum plain_verdict plain_second(struct mmu *m, struct plain_tally *tally, struct plain *x)
{
    const struct geometry *g = m->regime.geometry;
    struct tlb *t1 = m->plain[x->kind].first, *t2 = m->plain[x->kind].second;
    if (UNLIKELY(!t1 || m->others || (g->long_mode ? !is_canonical(x->va, g->va_bits) : x->va >> 32 != 0)))
        return PLAIN_NOT;
    uint64_t tag = tlb_tag(x->va, MMU_4K, m->regime.pcid, false);
    struct plain_place first = plain_place_of(t1, x->va);
    if (UNLIKELY(plain_look(first, tag, x->va) != TLB_NONE))
        return PLAIN_NOT;
    if (!t2)
        return PLAIN_WALK;
    struct plain_place from = plain_place_of(t2, x->va);
    uint32_t way = plain_look(from, tag, x->va);
    if (way == TLB_NONE)
        return PLAIN_WALK;
    const struct tlb_entry *e = &t2->entry[from.first + way];
    bool allowed = regime_allowed(&m->regime, e->rights, e->key) >> x->class & 1;
    if (UNLIKELY(!allowed || (x->kind == MMU_STORE && !e->dirty) || e->ready > x->now || e->origin != MMU_4K))
        return PLAIN_NOT;
    tally->second[x->class]++;
    repl_touch(&t2->repl, from.set, way);
    x->now += m->config->level[1].latency;
    x->pa = e->base | (x->va & PAGE_MASK);
    x->where = MMU_AT_L2;
    plain_fill_first(m, tally, x, first, t2->tag[from.first + way], e);
    return PLAIN_SECOND;
}

#endif
