/* plain.c: see plain.h. The order of the steps is that of mmu.c. */
#include "plain.h"
#include "histogram.h"

bool plain_usable(const struct mmu *m)
{
    return m->regime.geometry && m->config->level[0].latency == 0 && m->config->level[1].serial_count == 0 && !m->observer.mask &&
           !m->prefetcher.predict;
}

/* Adds a part to the ledger. */
ALWAYS_INLINE void pay(struct mmu *m, struct plain *x, unsigned part, uint32_t cycles)
{
    if (cycles == 0)
        return;
    m->ledger.segment[m->ledger.n].part = part;
    m->ledger.segment[m->ledger.n++].cycles = cycles;
    m->charged[part] += cycles;
    x->now += cycles;
}

/* Where a 4-KByte page belongs in a structure. */
struct place {
    struct tlb *t;
    uint32_t set, first; /* first: index of its way 0 */
};

ALWAYS_INLINE struct place place_of(struct tlb *t, mmu_va va)
{
    uint32_t set = tlb_set(t, va, MMU_4K);
    return (struct place){t, set, set * t->ways};
}

/* The way that holds it, or TLB_NONE. */
ALWAYS_INLINE uint32_t look(struct place at, uint64_t tag, mmu_va va)
{
    uint32_t way = tlb_match_ways(at.t->tag + at.first, at.t->ways, tag);
    if (UNLIKELY(at.t->globals) && way == TLB_NONE)
        way = tlb_match_ways(at.t->tag + at.first, at.t->ways, tlb_tag(va, MMU_4K, 0, true));
    return way;
}

/* Fills a place that missed; returns the index. */
ALWAYS_INLINE uint32_t fill(struct mmu *m, const struct plain *x, struct place at, uint64_t tag, const struct tlb_entry *entry)
{
    struct tlb *t = at.t;
    struct mmu_tlb_stats *stats = &m->tlb_stats[t->number];
    if (t->config->pcid_bound && !(tag & TLB_GLOBAL) && UNLIKELY(!t->pcids || t->pcid[0] != m->regime.pcid)) {
        uint32_t dropped = tlb_pcid_room(t, m->regime.pcid);
        stats->flushed[MMU_BY_PCID_LIMIT] += dropped;
        if (dropped)
            mmu_hot_sync_all(m);
    }
    uint32_t way = UNLIKELY(t->free) ? tlb_invalid_way(t, at.set, t->mask[MMU_4K]) : TLB_NONE;
    if (LIKELY(way == TLB_NONE)) {
        way = repl_victim(&t->repl, at.set, t->mask[MMU_4K]);
        stats->evictions[0]++;
    }
    tlb_write(t, at.first + way, tag, entry);
    repl_fill(&t->repl, at.set, way);
    stats->misses[x->kind]++;
    stats->fills[MMU_4K]++;
    return at.first + way;
}

/* The first level, and the hot entry: what mmu_hot_sync() would write for an entry that is current. */
ALWAYS_INLINE void fill_first(struct mmu *m, const struct plain *x, struct place at, uint64_t tag, const struct tlb_entry *entry)
{
    uint32_t index = at.t->hot + fill(m, x, at, tag, entry);
    struct hot_entry *h = &m->hot.entry[index];
    h->page = x->va >> PAGE_SHIFT;
    h->mask = ~UINT64_C(0);
    h->base = entry->base;
    h->allow = regime_allowed(&m->regime, entry->rights, entry->key) & at.t->classes & ~(entry->dirty ? 0 : CLASSES_OF(MMU_STORE));
    h->page_shift = PAGE_SHIFT;
    h->slot = at.t->first ? 0 : (uint16_t)(1 + at.t->number * MMU_PAGES);
    m->hot.guess[x->kind][h->page & (HOT_GUESSES - 1)] = index;
}

/* A hit in the second level. */
ALWAYS_INLINE bool second_level(struct mmu *m, struct plain *x, struct place at, struct place from, uint32_t way)
{
    struct tlb *t = from.t;
    struct tlb_entry e = t->entry[from.first + way];
    bool allowed = regime_allowed(&m->regime, e.rights, e.key) >> x->class & 1;
    if (UNLIKELY(!allowed || (x->kind == MMU_STORE && !e.dirty) || e.ready > x->now || e.origin != MMU_4K))
        return false;
    m->level_stats[0].misses[x->class]++;
    m->level_stats[1].accesses[x->class]++;
    m->tlb_stats[t->number].hits[x->kind]++;
    m->tlb_stats[t->number].hits_page[MMU_4K]++;
    m->ledger.n = 0;
    pay(m, x, MMU_PART_SECOND, m->config->level[1].latency);
    repl_touch(&t->repl, from.set, way);
    x->pa = e.base | (x->va & PAGE_MASK);
    x->page = MMU_4K;
    x->where = MMU_AT_L2;
    fill_first(m, x, at, t->tag[from.first + way], &e);
    return true;
}

/* What the walk costs, and its counts. */
ALWAYS_INLINE void pay_walk(struct mmu *m, struct plain *x, const struct walk *w)
{
    bool cached = m->config->memory.reads == MMU_READS_CACHED;
    for (unsigned i = 0; i < w->reads; i++) {
        struct pcache_read r = {.place = MMU_PLACE_FIXED, .cycles = m->config->memory.read_latency};
        unsigned level = w->read[i].level - 1u;
        if (cached)
            r = pcache_read(&m->pcache, w->read[i].pa, x->now);
        pay(m, x, MMU_PART_READ + level * MMU_PLACES + r.place, r.cycles);
        m->reads[level][r.place]++;
    }
    m->walk_stats.started[x->kind]++;
    m->walk_stats.references[0] += w->reads;
    m->walk_stats.completed[x->kind]++;
    m->walk_stats.completed_page[w->page]++;
}

/* A walk that finds a 4-KByte page, and everything as it should be. */
static bool walk(struct mmu *m, struct plain *x, struct place first, struct place second)
{
    const struct geometry *g = m->regime.geometry;
    unsigned level = MMU_PSC_LEVELS;
    const struct psc_entry *from = m->psc.any ? psc_peek(&m->psc, g, x->va, m->regime.pcid, &level) : NULL;
    struct walk w;
    w.va = x->va;
    w.class = (uint8_t)x->class;
    if (from && UNLIKELY(from->ready > x->now))
        return false;
    if (!walk_begin(&m->regime, &w, from ? &from->start : NULL) || !walk_dry(&m->regime, m->phys, &w) || w.page != MMU_4K)
        return false;

    m->level_stats[0].misses[x->class]++;
    m->ledger.n = 0;
    if (second.t) {
        m->level_stats[1].accesses[x->class]++;
        m->level_stats[1].misses[x->class]++;
        pay(m, x, MMU_PART_SECOND, m->config->level[1].latency);
    }
    mmu_cycle start = x->now; /* every walker is free */
    pay(m, x, MMU_PART_START, m->config->walk.start);
    if (m->psc.any) {
        pay(m, x, MMU_PART_PSC, m->config->psc.latency);
        psc_take(&m->psc, g, from, level, m->psc_stats);
    }
    pay_walk(m, x, &w);
    walkers_release(&m->walkers, 0, start, x->now, start);
    histogram_add(&m->walk_latency, x->now - start);
    psc_fill(&m->psc, g, &w, m->regime.pcid, x->now, m->psc_stats);
    x->pa = w.frame | (x->va & PAGE_MASK);
    x->page = MMU_4K;
    x->where = MMU_AT_WALK;
    struct tlb_entry entry = {.base = w.frame, .ready = x->now, .rights = w.rights, .key = w.key, .dirty = w.dirty, .origin = MMU_4K};
    uint64_t tag = tlb_tag(x->va, MMU_4K, m->regime.pcid, w.global);
    fill_first(m, x, first, tag, &entry);
    if (second.t)
        fill(m, x, second, tag, &entry);
    return true;
}

bool plain_miss(struct mmu *m, struct plain *x)
{
    const struct geometry *g = m->regime.geometry;
    struct tlb *t1 = m->plain[x->kind].first, *t2 = m->plain[x->kind].second;
    if (UNLIKELY(!t1 || m->others || (g->long_mode ? !is_canonical(x->va, g->va_bits) : x->va >> 32 != 0)))
        return false;
    uint64_t tag = tlb_tag(x->va, MMU_4K, m->regime.pcid, false);
    struct place first = place_of(t1, x->va), second = {0};
    if (UNLIKELY(look(first, tag, x->va) != TLB_NONE))
        return false;
    if (t2) {
        second = place_of(t2, x->va);
        uint32_t way = look(second, tag, x->va);
        if (way != TLB_NONE)
            return second_level(m, x, first, second, way);
    }
    return walk(m, x, first, second);
}
