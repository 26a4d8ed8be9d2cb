/*
 * mmu.c: the miss path: look-ups level by level, walks, and what each part of them costs. See mmu.h.
 *
 * mmu_translate() goes through at once, with the core's clock. Its pieces also serve the split-phase face,
 * where a walk waits for its caller between two reads: there the caller's clock counts, nothing is unfinished
 * but what is in flight, and a translation is counted when it ends.
 */
#include "mmu.h"
#include "histogram.h"
#include "shadow.h"

ALWAYS_INLINE enum mmu_place charge_read(struct mmu *m, struct request *q, unsigned level, mmu_pa pa)
{
    struct pcache_read r = {.place = MMU_PLACE_FIXED, .cycles = m->config->memory.read_latency};
    if (m->config->memory.reads == MMU_READS_CACHED)
        r = UNLIKELY(q->silent) ? pcache_read_free(&m->pcache, pa, q->now)
                                : pcache_read(&m->pcache, pa, q->now);
    if (UNLIKELY(r.ready > q->now))
        mmu_charge(m, q, MMU_PART_MERGE, r.ready - q->now);
    mmu_charge(m, q, MMU_PART_READ + (level - 1) * MMU_PLACES + r.place, r.cycles);
    return r.place;
}

enum mmu_place mmu_charge_read(struct mmu *m, struct request *q, unsigned level, mmu_pa pa)
{
    return charge_read(m, q, level, pa);
}

/* The latency of a level beyond the first; serial: up to and with the probe for `hit` (MMU_PAGES: a miss,
 * which pays all). */
static void charge_lookup(struct mmu *m, struct request *q, unsigned level, unsigned hit)
{
    const struct mmu_level_config *c = &m->config->level[level];
    mmu_cycle cycles = c->serial_count ? 0 : c->latency;
    for (unsigned i = 0; i < c->serial_count; i++) {
        cycles += c->serial_latency[i];
        if (c->serial_page[i] == hit)
            break;
    }
    mmu_charge(m, q, MMU_PART_FIRST + level, cycles);
}

/* absent: see mmu_drop_page(). */
static enum mmu_outcome fault(struct mmu *m, struct request *q, uint32_t error_code, uint32_t absent)
{
    q->outcome = MMU_FAULT_PF;
    q->where = MMU_AT_FAULT;
    q->error_code = error_code;
    m->faulted = true;
    q->again = absent != 0 && !m->observer.mask; /* who looks gets the long way: tests compare the two */
    q->pcid = m->regime.pcid;
    if (!q->silent)
        mmu_drop_page(m, q->va, MMU_BY_FAULT, absent);
    return MMU_FAULT_PF;
}

/* A translation that faults belongs to no page size: its misses are counted at the first structure that
 * serves the kind. */
static void count_faulted_misses(struct mmu *m, const struct request *q, unsigned levels)
{
    for (unsigned l = 0; l < levels; l++)
        if (m->serving[l][q->kind].n)
            mmu_count_unheld(m, m->serving[l][q->kind].tlb[0], q->kind);
}

/* When what q fills is ready; on the caller's clock it is when it is there. */
static mmu_cycle ready_of(const struct request *q)
{
    return q->split ? 0 : q->now;
}

static bool is_unfinished(const struct request *q, mmu_cycle ready)
{
    return UNLIKELY(ready > q->now) && !q->split;
}

bool mmu_walk_begin(struct mmu *m, struct request *q, struct walk *w)
{
    q->psc = MMU_PSC_LEVELS;
    mmu_charge(m, q, MMU_PART_START, m->config->walk.start);
    const struct psc_entry *from = NULL;
    if (m->psc.any) {
        unsigned level = 0;
        mmu_charge(m, q, MMU_PART_PSC, m->config->psc.latency);
        if (!q->again)
            from = psc_probe(&m->psc, m->regime.geometry, q->va, m->regime.pcid, &level);
        if (from) {
            q->psc = (uint8_t)level;
            if (is_unfinished(q, from->ready))
                mmu_charge(m, q, MMU_PART_MERGE, from->ready - q->now);
        }
    }
    return walk_begin(&m->regime, w, from ? &from->start : NULL);
}

/* Prices what the walk did. */
static void charge_walk(struct mmu *m, struct request *q, const struct walk *w)
{
    uint64_t(*reads)[MMU_PLACES] = m->reads[q->kind == MMU_FETCH];
    for (unsigned i = 0; i < w->reads; i++) {
        unsigned level = w->read[i].level;
        reads[level - 1][charge_read(m, q, level, w->read[i].pa)]++;
    }
    mmu_charge(m, q, MMU_PART_AD, (mmu_cycle)w->written * m->config->walk.ad_update);
}

void mmu_walk_count(struct mmu *m, const struct request *q, const struct walk *w)
{
    struct mmu_walk_stats *stats = &m->walk_stats;
    if (m->psc.any) {
        for (unsigned l = 0; l < MMU_PSC_LEVELS && l + 2u <= m->regime.geometry->levels; l++)
            m->psc_stats[l].probes[0] += m->psc.of[l] != NULL;
        if (q->psc < MMU_PSC_LEVELS)
            m->psc_stats[q->psc].hits[0]++;
    }
    stats->started[q->kind]++;
    stats->prefetches[0] += q->silent;
    stats->references[0] += w->reads;
    stats->accessed_set[0] += w->accessed_set;
    stats->dirty_set[0] += w->dirty_set;
    if (w->outcome == MMU_DONE)
        stats->completed_kind_page[w->page + MMU_PAGES * q->kind]++;
    else
        stats->faulted[q->kind]++;
}

void mmu_walk_end(struct mmu *m, const struct request *q, const struct walk *w, mmu_cycle cycles)
{
    histogram_add(&m->walk_latency, cycles);
    if (LIKELY(!mmu_observes(m, MMU_EV_WALK)))
        return;
    struct mmu_event event = {
        .type = MMU_EV_WALK,
        .kind_priv = MMU_KIND_PRIV(q->kind, q->priv),
        .page_shift = w->outcome == MMU_DONE ? (uint8_t)page_shift(w->page) : 0,
        .outcome = w->outcome,
        .pcid = m->regime.pcid,
        .error_code = w->error_code,
        .reads = w->reads,
        .va = q->va,
        .pa = w->outcome == MMU_DONE ? w->frame + (q->va & (BIT(page_shift(w->page)) - 1)) : 0,
        .cycle = q->now,
        .cycles = cycles,
    };
    mmu_notify(m, &event);
}

/* One walk from grant to release; w holds its outcome. */
static void walk_timed(struct mmu *m, struct request *q, struct walk *w)
{
    mmu_cycle start = q->now;
    uint32_t walker = 0;
    if (!q->silent) {
        walker = walkers_grant(&m->walkers, q->now, &start);
        m->walk_stats.waits[0] += start > q->now;
        m->walk_stats.wait_cycles[0] += start - q->now;
        mmu_charge(m, q, MMU_PART_WAIT, start - q->now);
    }
    if (mmu_walk_begin(m, q, w))
        walk_run(&m->regime, m->phys, w);
    charge_walk(m, q, w);
    if (!q->silent)
        walkers_release(&m->walkers, q->kind, walker, start, q->now, q->issued);
    mmu_walk_count(m, q, w);
    mmu_walk_end(m, q, w, q->now - start);
}

/* The caller's prefetcher, after a walk for an access. */
static void COLD prefetch_after(struct mmu *m, const struct request *q, const struct walk *w)
{
    mmu_va out[16];
    struct mmu_access access = {.va = q->va, .size = 1, .kind = MMU_KIND_PRIV(q->kind, q->priv)};
    size_t n = m->prefetcher.predict(m->prefetcher.ctx, &access, q->va & ~(BIT(page_shift(w->page)) - 1),
                                     page_shift(w->page), out, COUNT_OF(out));
    for (size_t i = 0; i < n && i < COUNT_OF(out); i++) {
        struct request p = {.va = out[i],
                            .kind = q->kind,
                            .priv = q->priv,
                            .silent = true,
                            .split = q->split,
                            .issued = q->issued,
                            .now = q->now};
        p.kind = p.kind == MMU_STORE ? MMU_LOAD : p.kind; /* a prefetch never sets D */
        p.class = (uint8_t)CLASS(p.kind, p.priv);
        if (out[i] >> m->regime.va_bits == 0 ||
            (m->regime.geometry->long_mode && is_canonical(out[i], m->regime.va_bits)))
            mmu_translate(m, &p);
    }
}

enum mmu_outcome mmu_walk_keep(struct mmu *m, struct request *q, const struct walk *w, enum mmu_need need,
                               unsigned level)
{
    if (UNLIKELY(w->outcome != MMU_DONE)) {
        count_faulted_misses(m, q, need == MMU_NEED_WALK ? m->levels : level);
        if (w->outcome == MMU_FAULT_PF)
            return fault(m, q, w->error_code, need == MMU_NEED_WALK && !q->split ? m->serves[q->kind] : 0);
        q->outcome = w->outcome;
        q->where = MMU_AT_FAULT;
        q->pa = w->missing;
        return q->outcome;
    }
    (q->again ? psc_fill_absent : psc_fill)(&m->psc, m->regime.geometry, w, m->regime.pcid, ready_of(q),
                                            m->psc_stats);
    q->again = false;
    struct translation x = {
        .va = q->va,
        .pa = w->frame + (q->va & (BIT(page_shift(w->page)) - 1)),
        .page = w->page,
        .global = w->global,
        .entry =
            {.ready = ready_of(q), .rights = w->rights, .key = w->key, .dirty = w->dirty, .origin = w->page},
    };
    if (need == MMU_NEED_WALK)
        mmu_fill_levels(m, q, &x, m->levels);
    else
        mmu_renew(m, q, &x, level, need == MMU_NEED_DIRTY ? 1u << MMU_STORE : 1u << q->kind);
    q->outcome = MMU_DONE;
    q->where = MMU_AT_WALK;
    q->page = w->page;
    q->pa = x.pa;
    if (UNLIKELY(m->prefetcher.predict && !q->silent))
        prefetch_after(m, q, w);
    return MMU_DONE;
}

/* Walks, and keeps what was found. level: for walks that renew an entry, the level where it was hit. */
static enum mmu_outcome walk_for(struct mmu *m, struct request *q, enum mmu_need need, unsigned level)
{
    struct walk w; /* walk_begin() sets what matters: this is a hot place */
    w.va = q->va;
    w.class = q->class;
    walk_timed(m, q, &w);
    return mmu_walk_keep(m, q, &w, need, level);
}

/* What the entry that was hit leaves to be done. */
static enum mmu_need need_of(const struct mmu *m, const struct request *q, const struct tlb_entry *e)
{
    if (UNLIKELY(!(regime_allowed(&m->regime, e->rights, e->key) >> q->class & 1)))
        return m->config->walk.rewalk_before_fault ? MMU_NEED_RIGHTS : MMU_NEED_FAULT;
    return UNLIKELY(q->kind == MMU_STORE && !e->dirty) ? MMU_NEED_DIRTY : MMU_NEED_NOTHING;
}

/* Counts a hit, its wait, its dirty walk. */
static void count_hit(struct mmu *m, const struct request *q, const struct mmu_found *f, enum mmu_need need)
{
    struct mmu_tlb_stats *stats = &m->tlb_stats[f->tlb->number];
    if (UNLIKELY(m->classifies))
        shadow_look_up(f->tlb->shadow, f->tlb->tag[f->index], f->tlb->entry[f->index].origin, m->regime.pcid);
    if (f->level == 0) {
        m->hot.hits[f->slot][q->kind] += f->slot != 0;
    } else {
        stats->hits[q->kind]++;
        stats->hits_page[f->page]++;
    }
    if (UNLIKELY(q->merged)) {
        stats->merged[q->kind]++;
        m->walk_stats.merged[q->kind]++;
    }
    if (UNLIKELY(need == MMU_NEED_DIRTY)) {
        stats->dirty_walks[0]++;
        m->walk_stats.dirty[0]++;
    }
}

enum mmu_outcome mmu_answer_hit(struct mmu *m, struct request *q, const struct mmu_found *f,
                                enum mmu_need need)
{
    const struct tlb_entry *e = &f->tlb->entry[f->index];
    q->where = q->merged ? MMU_AT_MERGE : (uint8_t)(MMU_AT_L1 + f->level);
    if (UNLIKELY(need == MMU_NEED_FAULT)) {
        count_faulted_misses(m, q, f->level);
        bool key = m->regime.key_denied[e->rights & RIGHT_U ? 1 : 0][e->key] >> q->class & 1;
        return fault(m, q, regime_error_code(&m->regime, q->class, MMU_PF_P | (key ? MMU_PF_PK : 0u)), 0);
    }
    struct translation x = {
        .va = q->va,
        .pa = e->base + (q->va & (BIT(page_shift(f->page)) - 1)),
        .page = e->origin, /* a level holds a page in one way, however it came there */
        .global = f->tlb->tag[f->index] & TLB_GLOBAL,
        .entry = *e,
    };
    if (f->level > 0)
        mmu_fill_levels(m, q, &x, f->level);
    else
        mmu_hot_guess(m, f->tlb, f->index, q->va, q->kind);
    q->outcome = MMU_DONE;
    q->page = x.entry.origin;
    q->pa = x.pa;
    return MMU_DONE;
}

/* A hit: waits for its walk, checks rights and the dirty flag, copies the entry into the levels before. */
static enum mmu_outcome hit(struct mmu *m, struct request *q, const struct mmu_found *f)
{
    const struct tlb_entry *e = &f->tlb->entry[f->index];
    if (UNLIKELY(is_unfinished(q, e->ready) && !q->silent)) {
        mmu_charge(m, q, MMU_PART_MERGE, e->ready - q->now);
        q->merged = true;
    }
    enum mmu_need need = need_of(m, q, e);
    count_hit(m, q, f, need);
    tlb_touch(f->tlb, f->index);
    return need >= MMU_NEED_WALK ? walk_for(m, q, need, f->level) : mmu_answer_hit(m, q, f, need);
}

/* Looks in one level; *found: the structure. */
static uint32_t look_up(const struct mmu *m, const struct request *q, unsigned level, struct tlb **found)
{
    const struct mmu_serving *s = &m->serving[level][q->kind];
    for (unsigned i = 0; i < s->probes; i++) {
        uint32_t index = tlb_find(s->probe[i].tlb, q->va, s->probe[i].page, m->regime.pcid);
        if (index != TLB_NONE) {
            *found = s->probe[i].tlb;
            return index;
        }
    }
    return TLB_NONE;
}

static void COLD notify_miss(struct mmu *m, const struct request *q)
{
    struct mmu_event event = {.type = MMU_EV_MISS,
                              .kind_priv = MMU_KIND_PRIV(q->kind, q->priv),
                              .pcid = m->regime.pcid,
                              .va = q->va,
                              .cycle = q->issued};
    mmu_notify(m, &event);
}

/* One level was looked up. */
static inline void count_level(struct mmu *m, const struct request *q, unsigned level, bool held)
{
    if (level == 0)
        m->lookups[q->class]++;
    else
        m->level_stats[level].accesses[q->class]++;
    if (held)
        return;
    m->level_stats[level].misses[q->class]++;
    if (level == 0 && mmu_observes(m, MMU_EV_MISS))
        notify_miss(m, q);
}

/* Looks in level after level; stamped out with and without counting. False: no level holds the page. */
ALWAYS_INLINE bool look_levels(struct mmu *m, struct request *q, struct mmu_found *f, bool count)
{
    for (unsigned l = 0; l < m->levels; l++) {
        if (m->serving[l][q->kind].n == 0)
            continue;
        f->index = look_up(m, q, l, &f->tlb);
        bool held = f->index != TLB_NONE;
        if (held)
            f->page = (uint8_t)tlb_tag_page(f->tlb->tag[f->index]);
        if (count)
            count_level(m, q, l, held);
        if (l > 0 || (held && m->config->level[0].latency))
            charge_lookup(m, q, l, held ? f->page : MMU_PAGES);
        if (held) {
            f->level = (uint8_t)l;
            f->slot = l == 0 ? m->hot.entry[f->tlb->hot + f->index].slot : 0;
            return true;
        }
    }
    f->tlb = NULL;
    f->level = (uint8_t)m->levels;
    return false;
}

/* The same, charged and counted, of a page that is known to be held nowhere. */
static void look_in_vain(struct mmu *m, struct request *q)
{
    for (unsigned l = 0; l < m->levels; l++) {
        if (m->serving[l][q->kind].n == 0)
            continue;
        count_level(m, q, l, false);
        if (l > 0)
            charge_lookup(m, q, l, MMU_PAGES);
    }
}

enum mmu_need mmu_look_up(struct mmu *m, struct request *q, struct mmu_found *f)
{
    return look_levels(m, q, f, false) ? need_of(m, q, &f->tlb->entry[f->index]) : MMU_NEED_WALK;
}

void mmu_count_look_up(struct mmu *m, const struct request *q, const struct mmu_found *f, enum mmu_need need)
{
    for (unsigned l = 0; l < m->levels && l <= f->level; l++)
        if (m->serving[l][q->kind].n)
            count_level(m, q, l, l == f->level);
    if (f->tlb)
        count_hit(m, q, f, need);
}

bool mmu_answer_early(const struct mmu *m, struct request *q)
{
    const struct geometry *g = m->regime.geometry;
    q->error_code = 0;
    if (UNLIKELY(!g)) {
        q->outcome = MMU_DONE;
        q->where = MMU_AT_NOPAGING;
        q->page = MMU_PAGES;
        q->pa = q->va;
        return true;
    }
    if (UNLIKELY(g->long_mode && !is_canonical(q->va, g->va_bits))) {
        q->where = MMU_AT_FAULT;
        q->outcome = MMU_FAULT_GP;
        return true;
    }
    REQUIRE(g->long_mode || q->va >> 32 == 0);
    return false;
}

enum mmu_outcome mmu_translate(struct mmu *m, struct request *q)
{
    struct mmu_found f;
    if (UNLIKELY(mmu_answer_early(m, q)))
        return q->outcome;
    q->merged = false;
    q->again &= q->pcid == m->regime.pcid;
    if (q->again)
        look_in_vain(m, q);
    else if (look_levels(m, q, &f, true))
        return hit(m, q, &f);
    return walk_for(m, q, MMU_NEED_WALK, 0);
}
