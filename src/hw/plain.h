/*
 * plain.h: a first-level miss of the plain sort, done fast.
 *
 * The miss path proper (mmu.c) says what happens; this says the same of the misses that make up nearly all of
 * a long run, and nothing of the others: nothing is unfinished, no entry must be written (A and D are set
 * already), nothing faults, nobody observes, and the structures are calm (see plain_calm). It decides first
 * and changes state afterwards: PLAIN_NOT means that nothing has changed and the access is the miss path's.
 * Tests compare the two.
 *
 * Counters are kept in a tally and booked by plain_book() at the end of a batch: a second-level hit counts
 * one number and owes eight.
 *
 * Budget, from one record to the next: a second-level hit about 320 instructions, a walk about 900 behind an
 * entry of the PDPTE cache or above, the host's look-ahead for it included.
 */
#ifndef HW_PLAIN_H
#define HW_PLAIN_H

#include "mmu.h"
#include "timeline.h"

/* What plain misses have run up since plain_begin(). */
struct plain_tally {
    uint64_t second[CLASSES];                      /* second-level hits */
    uint64_t walks[CLASSES];                       /* walks, and the same by where they began: */
    uint64_t begun[MMU_KINDS][MMU_PSC_LEVELS + 1]; /* behind an entry of this paging-structure cache;
                                                      [MMU_PSC_LEVELS]: at the root */
    uint64_t stalled;                              /* cycles that accesses waited for a second-level hit */
    uint64_t unstalled[MMU_PARTS]; /* cycles of walks that no access waited for: stalled is what they cost
                                      less this */
    uint64_t roomy[2][MMU_KINDS];  /* fills of a level that found an invalid way: no eviction */
    uint64_t reads[2][MMU_WALK_LEVELS][MMU_PLACES]; /* [1]: by fetches' walks; fixed price: not yet */
    /* the latest walk, for its ledger: where it began, and where its reads hit (by level - 1) */
    uint8_t from, place[MMU_WALK_LEVELS];
    /* prices: the first part of every walk's ledger; a walk by where it began, without its reads when they go
     * through caches */
    mmu_cycle head;
    uint32_t head_part;
    mmu_cycle cost[MMU_PSC_LEVELS + 1];
};

/* Where a 4-KByte page stands in both levels. */
struct plain_spot {
    uint64_t tag;
    uint32_t set[2];
};

/* A plain walk, and what became of it. */
struct plain {
    mmu_va va; /* one page only */
    unsigned kind, class;
    struct plain_spot spot;
    mmu_cycle now; /* in: the issue; out: the completion */
    mmu_pa pa;     /* out */
};

/* May misses be plain at all, as the machine and its observers stand? Decided once a batch. */
bool plain_usable(const struct mmu *m);

/*
 * Decides for each kind whether its structures are calm: one structure a level holds 4-KByte pages, nobody
 * holds entries of other sizes, and these two hold no global and no fractured entry; the current PCID is the
 * last one filled. Only the miss path can end it (and register loads, and invalidations): so it is decided at
 * the beginning of a batch and after every step of that path. After two steps in a row that faulted, without
 * a plain miss in between, nothing is called calm until a step has not: fresh memory is touched, and to
 * decide is a fault's walk for nothing.
 */
void plain_calm(struct mmu *m);

/* What is said there of one structure. */
ALWAYS_INLINE bool plain_is_calm(const struct mmu *m, const struct tlb *t)
{
    bool pcid = !t->config->pcid_bound || (t->pcids && t->pcid[0] == m->regime.pcid);
    return t->globals == 0 && t->fractured == 0 && pcid;
}

/* Begins a tally; the price of a walk stands until plain_book(). */
void plain_begin(const struct mmu *m, struct plain_tally *tally);

/* Books the tally, and clears it. */
void plain_book(struct mmu *m, struct timeline *real, struct plain_tally *tally);

/* The ledger of the latest walk, written to mmu.ledger for whoever waits for it. */
void plain_write_ledger(struct mmu *m, const struct plain_tally *tally);

/* plain_unstalled() beyond the first part of the ledger, which it writes. */
void plain_unstalled_far(struct mmu *m, struct plain_tally *tally, mmu_cycle cycles);

/* Nobody waited for the first `cycles` cycles of the latest walk. */
ALWAYS_INLINE void plain_unstalled(struct mmu *m, struct plain_tally *tally, mmu_cycle cycles)
{
    if (LIKELY(cycles <= tally->head))
        tally->unstalled[tally->head_part] += cycles;
    else
        plain_unstalled_far(m, tally, cycles);
}

/*
 * A miss in both levels. False: nothing has changed. The caller counts the access among its first-level
 * accesses, here and below: it is not in mmu.lookups.
 */
bool plain_walk(struct mmu *m, struct plain_tally *tally, struct plain *x);

/* Fills set `set` of a calm structure, which does not hold the page; returns the index. */
ALWAYS_INLINE uint32_t plain_fill(struct tlb *t, uint32_t set, uint64_t tag, const struct tlb_entry *entry,
                                  uint64_t *roomy)
{
    uint32_t way = UNLIKELY(t->free) ? tlb_invalid_way(t, set, t->mask[MMU_4K]) : TLB_NONE;
    if (LIKELY(way == TLB_NONE)) { /* one calm entry for another: no count changes */
        way = repl_victim(&t->repl, set, t->mask[MMU_4K]);
    } else { /* tlb_write_counted() of a calm one */
        tlb_note_filled(t, set * t->ways + way);
        t->held[MMU_4K]++;
        t->free--;
        ++*roomy;
    }
    t->tag[set * t->ways + way] = tag;
    t->entry[set * t->ways + way] = *entry;
    repl_fill(&t->repl, set, way);
    return set * t->ways + way;
}

/* The first level, and the hot entry: what mmu_hot_sync() would write for an entry that is current. */
ALWAYS_INLINE void plain_fill_first(struct mmu *m, struct tlb *t, uint64_t *roomy, mmu_va va, unsigned kind,
                                    const struct plain_spot *spot, const struct tlb_entry *entry)
{
    uint32_t index = t->hot + plain_fill(t, spot->set[0], spot->tag, entry, roomy);
    struct hot_entry *h = &m->hot.entry[index];
    h->page = va >> PAGE_SHIFT;
    h->mask = ~UINT64_C(0);
    h->base = entry->base;
    h->allow = regime_allowed(&m->regime, entry->rights, entry->key) & t->classes &
               ~(entry->dirty ? 0 : CLASSES_OF(MMU_STORE));
    h->page_shift = PAGE_SHIFT;
    h->slot = t->first ? 0 : (uint16_t)(1 + t->number * MMU_PAGES);
    m->hot.guess[kind][h->page & (HOT_GUESSES - 1)] = index;
}

enum plain_verdict { PLAIN_NOT, PLAIN_FIRST, PLAIN_SECOND, PLAIN_WALK };

/*
 * Decides; does second-level hits. PLAIN_FIRST: the first level holds the page, but was not guessed;
 * hot_find() looks there now, if it may use it. PLAIN_SECOND: done, at the cost of the second level's
 * latency, which is not yet charged; *pa is the translation. PLAIN_WALK: it is for plain_walk(), with this
 * spot. PLAIN_NOT: nothing has changed.
 */
ALWAYS_INLINE enum plain_verdict plain_second(struct mmu *m, struct plain_tally *tally, mmu_va va,
                                              unsigned kind, unsigned class, struct plain_spot *spot,
                                              mmu_pa *pa)
{
    struct tlb *t1 = m->plain[kind].first, *t2 = m->plain[kind].second;
    if (UNLIKELY(!m->plain[kind].calm || (va + m->regime.va_bias) >> m->regime.va_bits != 0))
        return PLAIN_NOT;
    uint64_t tag = spot->tag = tlb_tag(va, MMU_4K, m->regime.pcid, false);
    uint32_t set1 = spot->set[0] = tlb_set(t1, va, MMU_4K);
    uint32_t way = match_ways(t1->tag + set1 * t1->ways, t1->ways, tag);
    if (UNLIKELY(way != TLB_NONE)) {
        mmu_hot_guess(m, t1, set1 * t1->ways + way, va, kind);
        return PLAIN_FIRST;
    }
    if (!t2)
        return PLAIN_WALK;
    uint32_t set2 = spot->set[1] = tlb_set(t2, va, MMU_4K);
    way = match_ways(t2->tag + set2 * t2->ways, t2->ways, tag);
    if (way == TLB_NONE)
        return PLAIN_WALK;
    const struct tlb_entry *e = &t2->entry[set2 * t2->ways + way];
    if (UNLIKELY(!(regime_allowed(&m->regime, e->rights, e->key) >> class & 1) ||
                 (kind == MMU_STORE && !e->dirty)))
        return PLAIN_NOT;
    tally->second[class]++;
    m->storm = 0;
    repl_touch(&t2->repl, set2, way);
    *pa = e->base | (va & PAGE_MASK);
    plain_fill_first(m, t1, &tally->roomy[0][kind], va, kind, spot, e);
    return PLAIN_SECOND;
}

#endif
