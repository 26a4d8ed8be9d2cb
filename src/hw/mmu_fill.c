/* mmu_fill.c: what walks and hits write into the TLBs, and the hot entries that follow from it. See mmu.h and
 * hot.h. */
#include "plain.h"
#include "shadow.h"

ALWAYS_INLINE uint32_t allow(const struct mmu *m, const struct tlb *t, uint32_t index)
{
    uint64_t tag = t->tag[index];
    const struct tlb_entry *e = &t->entry[index];
    bool current = (tag & TLB_GLOBAL) || (tag && tlb_tag_pcid(tag) == m->hot.pcid);
    if (!current || e->contested)
        return 0;
    uint32_t now = regime_allowed(&m->regime, e->rights, e->key) & t->classes;
    return e->dirty ? now : now & ~CLASSES_OF(MMU_STORE);
}

uint32_t mmu_hot_allow(const struct mmu *m, const struct tlb *t, uint32_t index)
{
    return allow(m, t, index);
}

/* Rewrites one hot entry from its TLB entry: see struct hot_entry for what each field promises. */
void mmu_hot_sync(struct mmu *m, const struct tlb *t, uint32_t index)
{
    if (t->hot == TLB_NONE)
        return;
    struct hot_entry *h = &m->hot.entry[t->hot + index];
    uint64_t tag = t->tag[index];
    const struct tlb_entry *e = &t->entry[index];
    if (!tag) { /* nothing may use it; what it was matters to nobody */
        h->allow = 0;
        return;
    }
    h->allow = allow(m, t, index);
    unsigned page = tlb_tag_page(tag);
    h->page =
        (uint64_t)((int64_t)(tag << (64 - TLB_VPN_BITS)) >> (64 - TLB_VPN_BITS - PAGE_SHIFT)) >> PAGE_SHIFT;
    h->mask = ~(BIT(page_shift(page) - PAGE_SHIFT) - 1);
    h->base = e->base;
    h->page_shift = (uint8_t)page_shift(e->origin);
    h->slot = t->first && page == MMU_4K ? 0 : (uint16_t)(1 + t->number * MMU_PAGES + page);
}

/* Recency of a hot entry never changes: it is its way's. */
static void bind_recency(struct mmu *m, struct tlb *t, uint32_t index)
{
    struct hot_entry *h = &m->hot.entry[t->hot + index];
    struct repl *r = &t->repl;
    uint32_t way = index % t->ways;
    bool stamps = r->policy == MMU_LRU && !r->word;
    h->touch = stamps ? &r->stamp[index] : r->word ? &r->word[index / t->ways] : &m->hot.nobody;
    h->keep = r->word ? r->keep[way] : 0;
    h->set = r->word ? r->set[way] : 0;
    h->stamp = stamps ? ~UINT64_C(0) : 0;
}

void mmu_hot_sync_all(struct mmu *m)
{
    for (unsigned i = 0; i < m->tlbs; i++)
        for (uint32_t e = 0; m->tlb[i].hot != TLB_NONE && e < m->tlb[i].sets * m->tlb[i].ways; e++)
            mmu_hot_sync(m, &m->tlb[i], e);
}

void mmu_hot_switch(struct mmu *m)
{
    const uint16_t before = m->hot.pcid, now = m->hot.pcid = m->regime.pcid;
    for (unsigned i = 0; i < m->tlbs; i++) {
        const struct tlb *t = &m->tlb[i];
        for (uint32_t e = 0; t->hot != TLB_NONE && e < t->sets * t->ways; e++) {
            uint64_t tag = t->tag[e];
            bool changes = tlb_tag_pcid(tag) == before || tlb_tag_pcid(tag) == now;
            if (tag && !(tag & TLB_GLOBAL) && changes)
                m->hot.entry[t->hot + e].allow = allow(m, t, e);
        }
    }
}

void mmu_hot_bind(struct mmu *m)
{
    for (unsigned i = 0; i < m->tlbs; i++) {
        struct tlb *t = &m->tlb[i];
        t->open = t->hot == TLB_NONE ? NULL : &m->hot.entry[t->hot];
        for (uint32_t e = 0; t->open && e < t->sets * t->ways; e++)
            bind_recency(m, t, e);
    }
    mmu_hot_sync_all(m);
}

static void COLD notify_entry(struct mmu *m, const struct request *q, enum mmu_event_type type,
                              const struct tlb *t, uint64_t tag, mmu_pa pa)
{
    uint64_t page = (uint64_t)((int64_t)(tag << (64 - TLB_VPN_BITS)) >> (64 - TLB_VPN_BITS));
    struct mmu_event event = {
        .type = (uint8_t)type,
        .kind_priv = MMU_KIND_PRIV(q->kind, q->priv),
        .page_shift = (uint8_t)page_shift(tlb_tag_page(tag)),
        .structure = (uint16_t)t->number,
        .pcid = tlb_tag_pcid(tag),
        .va = page << PAGE_SHIFT,
        .pa = pa,
        .cycle = q->now,
    };
    mmu_notify(m, &event);
}

/*
 * Of several structures of a level that serve one size: the first whose set has an invalid way, else by the
 * page number. Of two, by the parity of all its bits: its lowest bits alone name the set, and each structure
 * would use half of its sets. Assumed: no manual says how processors choose.
 */
struct tlb *mmu_choose(const struct mmu_target *to, mmu_va va)
{
    if (to->n == 1)
        return to->tlb[0];
    for (unsigned i = 0; i < to->n; i++)
        if (tlb_has_invalid(to->tlb[i], va, to->page))
            return to->tlb[i];
    uint64_t number = (va & BITS(PAGE_SHIFT + TLB_VPN_BITS - 1, 0)) >> page_shift(to->page);
    return to->tlb[to->n == 2 ? (unsigned)__builtin_parityll(number) : number % to->n];
}

/* One that already holds the page, so that no level holds it twice. */
static struct tlb *holder(const struct mmu *m, const struct mmu_target *to, mmu_va va)
{
    for (unsigned i = 0; i < to->n; i++)
        if (tlb_find(to->tlb[i], va, to->page, m->regime.pcid) != TLB_NONE)
            return to->tlb[i];
    return NULL;
}

/*
 * An entry was filled into the first level, which may hold entries of other sizes for its addresses: the
 * tables mapped them so before, and nobody invalidated. Both sides are marked; a mark goes when its entry is
 * overwritten. Whose PCID they are does not matter: a mark costs time, never truth.
 */
static void mark_contested(struct mmu *m, unsigned kind, struct tlb *filled, uint32_t index)
{
    uint64_t tag = filled->tag[index];
    unsigned size = tlb_tag_page(tag);
    for (unsigned i = 0; i < m->serving[0][kind].n; i++) {
        struct tlb *t = m->serving[0][kind].tlb[i];
        uint32_t entries = t->sets * t->ways;
        for (uint32_t e = 0; t->held[size] != entries - t->free && e < entries;
             e++) { /* if it holds other sizes at all */
            unsigned page = tlb_tag_page(t->tag[e]), larger = page > size ? page : size;
            if (!t->tag[e] || page == size ||
                tlb_vpn(tlb_tag_va(t->tag[e]), larger) != tlb_vpn(tlb_tag_va(tag), larger))
                continue;
            t->entry[e].contested = filled->entry[index].contested = true;
            mmu_hot_sync(m, t, e);
        }
    }
}

static struct tlb_fill piece_of(const struct mmu *m, const struct translation *x, unsigned page)
{
    struct tlb_fill f = {
        .va = x->va, .pcid = m->regime.pcid, .page = (uint8_t)page, .global = x->global, .entry = x->entry};
    f.entry.base = x->pa & ~(BIT(page_shift(page)) - 1);
    return f;
}

/* A fill of what had been missed, or of what another walk has changed. */
static void COLD classify(struct mmu *m, struct tlb *t, uint32_t index, unsigned kind, bool missed)
{
    struct mmu_tlb_stats *stats = &m->tlb_stats[t->number];
    uint64_t *const count[] = {[SHADOW_COMPULSORY] = stats->compulsory,
                               [SHADOW_CAPACITY] = stats->capacity,
                               [SHADOW_CONFLICT] = stats->conflict};
    count[shadow_look_up(t->shadow, t->tag[index], t->entry[index].origin, m->regime.pcid)][kind] += missed;
}

/* missed: the level was looked up in vain, so that it cannot hold the page; else it may. */
static void fill_level(struct mmu *m, const struct request *q, const struct translation *x, unsigned level,
                       bool missed)
{
    const struct mmu_serving *s = &m->serving[level][q->kind];
    const struct mmu_target *to = &m->target[level][q->kind][x->page];
    if (s->n == 0)
        return;
    if (to->n == 0) { /* the level does not hold such a page: the miss is the first structure's */
        if (missed)
            mmu_count_unheld(m, s->tlb[0], q->kind);
        return;
    }
    bool absent =
        missed && !q->split; /* a walk in flight may have been overtaken by one of the same large page */
    struct tlb *t = absent ? NULL : holder(m, to, x->va);
    if (!t)
        t = mmu_choose(to, x->va);
    struct tlb_fill f = piece_of(m, x, to->page);
    struct tlb_filled done;
    tlb_fill(t, &f, absent, &done);
    struct mmu_tlb_stats *stats = &m->tlb_stats[t->number];
    if (UNLIKELY(m->classifies))
        classify(m, t, done.index, q->kind, missed);
    stats->misses[q->kind] += missed;
    stats->fills[f.page]++;
    stats->refills[0] += done.refill;
    stats->evictions[0] += done.evicted != 0;
    stats->flushed[MMU_BY_PCID_LIMIT] += done.dropped;
    if (level == 0) {
        if (UNLIKELY(f.page != MMU_4K || ((f.global || done.refill) && m->others)))
            mark_contested(m, q->kind, t, done.index);
        mmu_hot_sync(m, t, done.index);
        mmu_hot_guess(m, t, done.index, x->va, q->kind);
    }
    if (done.evicted && mmu_observes(m, MMU_EV_EVICT))
        notify_entry(m, q, MMU_EV_EVICT, t, done.evicted, done.evicted_pa);
    if (mmu_observes(m, MMU_EV_FILL))
        notify_entry(m, q, MMU_EV_FILL, t, t->tag[done.index], f.entry.base);
}

static void count_calm(struct mmu *m, const struct tlb *t, unsigned kind, uint64_t roomy)
{
    struct mmu_tlb_stats *stats = &m->tlb_stats[t->number];
    stats->misses[kind]++;
    stats->fills[MMU_4K]++;
    stats->evictions[0] += !roomy;
}

/* A 4-KByte page that all levels have missed, where they are calm (plain_calm()) and nobody looks: what
 * fill_level() comes to. False: nothing was done. */
static bool fill_calm(struct mmu *m, const struct request *q, const struct translation *x)
{
    struct tlb *t[MMU_MAX_LEVELS];
    if (x->page != MMU_4K || x->global || q->split || m->others || m->classifies || m->observer.mask ||
        m->hot.pcid != m->regime.pcid)
        return false;
    for (unsigned l = 0; l < m->levels; l++) {
        const struct mmu_target *to = &m->target[l][q->kind][MMU_4K];
        if (to->n == 0)
            return false;
        t[l] = mmu_choose(to, x->va);
        if (!plain_is_calm(m, t[l]))
            return false;
    }
    struct tlb_entry entry = x->entry;
    struct plain_spot spot = {.tag = tlb_tag(x->va, MMU_4K, m->regime.pcid, false)};
    entry.base = x->pa & ~(mmu_pa)PAGE_MASK;
    for (unsigned l = 0; l < m->levels; l++) {
        uint64_t roomy = 0;
        spot.set[0] = tlb_set(t[l], x->va, MMU_4K);
        if (l == 0)
            plain_fill_first(m, t[l], &roomy, x->va, q->kind, &spot, &entry);
        else
            plain_fill(t[l], spot.set[0], spot.tag, &entry, &roomy);
        count_calm(m, t[l], q->kind, roomy);
    }
    return true;
}

void mmu_fill_levels(struct mmu *m, const struct request *q, const struct translation *x, unsigned below)
{
    if (below == m->levels && fill_calm(m, q, x))
        return;
    for (unsigned l = 0; l < below; l++)
        fill_level(m, q, x, l, true);
}

/* Returns a bit set of the levels that hold a copy. */
static unsigned update_copies(struct mmu *m, const struct request *q, const struct translation *x,
                              unsigned kinds)
{
    unsigned held = 0;
    for (unsigned i = 0; i < m->tlbs; i++) {
        struct tlb *t = &m->tlb[i];
        if (!(t->config->kinds & kinds))
            continue;
        for (unsigned page = 0; page < MMU_PAGES; page++) {
            uint32_t index = tlb_find(t, q->va, page, m->regime.pcid);
            if (index == TLB_NONE)
                continue;
            if (t->entry[index].origin == x->page) {
                struct tlb_fill f = piece_of(m, x, page);
                f.entry.contested = t->entry[index].contested;
                uint64_t tag = tlb_tag(f.va, page, f.pcid, f.global);
                if (UNLIKELY(m->classifies && tag != t->tag[index]))
                    shadow_look_up(t->shadow, tag, x->page, f.pcid);
                tlb_write(t, index, tag, &f.entry);
                held |= 1u << (t->config->level - 1);
            } else { /* the tables map another page size now */
                if (UNLIKELY(m->classifies))
                    shadow_drop(t->shadow, t->tag[index]);
                tlb_drop(t, index);
                m->tlb_stats[i].flushed[MMU_BY_REWALK]++;
            }
            mmu_hot_sync(m, t, index);
        }
    }
    return held;
}

void mmu_renew(struct mmu *m, const struct request *q, const struct translation *x, unsigned level,
               unsigned kinds)
{
    unsigned held = update_copies(m, q, x, kinds);
    mmu_fill_levels(m, q, x, level);
    if (!(held >> level & 1))
        fill_level(m, q, x, level, false);
}
