/* mmu.c: the miss path: look-ups level by level, walks, and what each part of them costs. See mmu.h. */
#include "mmu.h"
#include "histogram.h"

enum mmu_place mmu_charge_read(struct mmu *m, struct request *q, unsigned level, mmu_pa pa)
{
    struct pcache_read r = {.place = MMU_PLACE_FIXED, .cycles = m->config->memory.read_latency};
    if (m->config->memory.reads == MMU_READS_CACHED)
        r = pcache_read(&m->pcache, pa, q->now);
    if (UNLIKELY(r.ready > q->now))
        mmu_charge(m, q, MMU_PART_MERGE, r.ready - q->now);
    mmu_charge(m, q, MMU_PART_READ + (level - 1) * MMU_PLACES + r.place, r.cycles);
    return r.place;
}

/* The latency of a level beyond the first; serial: up to and with the probe for `hit` (MMU_PAGES: a miss, which pays all). */
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

static enum mmu_outcome fault(struct mmu *m, struct request *q, uint32_t error_code)
{
    q->outcome = MMU_FAULT_PF;
    q->where = MMU_AT_FAULT;
    q->error_code = error_code;
    if (!q->silent)
        mmu_drop_page(m, q->va, MMU_BY_FAULT);
    return MMU_FAULT_PF;
}

/* A translation that faults belongs to no page size: its misses are counted at the first structure that serves the kind. */
static void count_faulted_misses(struct mmu *m, const struct request *q, unsigned levels)
{
    for (unsigned l = 0; l < levels; l++)
        if (m->serving[l][q->kind].n)
            m->tlb_stats[m->serving[l][q->kind].tlb[0]->number].misses[q->kind]++;
}

enum why_walk { WALK_FOR_MISS, WALK_FOR_DIRTY, WALK_FOR_RIGHTS };

/* Begins the walk: walker, start, paging-structure caches. False: it ended in the PDPTE registers. */
static bool begin_walk(struct mmu *m, struct request *q, struct walk *w)
{
    mmu_charge(m, q, MMU_PART_START, m->config->walk.start);
    const struct psc_entry *from = NULL;
    if (m->psc.any) {
        unsigned level = 0;
        mmu_charge(m, q, MMU_PART_PSC, m->config->psc.latency);
        from = psc_probe(&m->psc, m->regime.geometry, q->va, m->regime.pcid, &level);
        for (unsigned l = 0; l < MMU_PSC_LEVELS && l + 2u <= m->regime.geometry->levels; l++)
            m->psc_stats[l].probes[0] += m->psc.of[l] != NULL;
        if (from) {
            m->psc_stats[level].hits[0]++;
            if (from->ready > q->now)
                mmu_charge(m, q, MMU_PART_MERGE, from->ready - q->now);
        }
    }
    return walk_begin(&m->regime, w, from ? &from->start : NULL);
}

/* Prices what the walk did. */
static void charge_walk(struct mmu *m, struct request *q, const struct walk *w)
{
    for (unsigned i = 0; i < w->reads; i++) {
        unsigned level = w->read[i].level;
        m->reads[level - 1][mmu_charge_read(m, q, level, w->read[i].pa)]++;
    }
    mmu_charge(m, q, MMU_PART_AD, (mmu_cycle)w->written * m->config->walk.ad_update);
    m->walk_stats.references[0] += w->reads;
    m->walk_stats.accessed_set[0] += w->accessed_set;
    m->walk_stats.dirty_set[0] += w->dirty_set;
}

static void notify_walk(struct mmu *m, const struct request *q, const struct walk *w, mmu_cycle cycles)
{
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
    m->walk_stats.started[q->kind]++;
    m->walk_stats.prefetches[0] += q->silent;
    if (begin_walk(m, q, w))
        walk_run(&m->regime, m->phys, w);
    charge_walk(m, q, w);
    if (!q->silent)
        walkers_release(&m->walkers, walker, start, q->now, q->issued);
    histogram_add(&m->walk_latency, q->now - start);
    if (w->outcome == MMU_DONE) {
        m->walk_stats.completed[q->kind]++;
        m->walk_stats.completed_page[w->page]++;
    } else {
        m->walk_stats.faulted[q->kind]++;
    }
    if (mmu_observes(m, MMU_EV_WALK))
        notify_walk(m, q, w, q->now - start);
}

/* The caller's prefetcher, after a walk for an access. */
static void COLD prefetch_after(struct mmu *m, const struct request *q, const struct walk *w)
{
    mmu_va out[16];
    struct mmu_access access = {.va = q->va, .size = 1, .kind = MMU_KIND_PRIV(q->kind, q->priv)};
    size_t n = m->prefetcher.predict(m->prefetcher.ctx, &access, q->va & ~(BIT(page_shift(w->page)) - 1), page_shift(w->page), out,
                                     COUNT_OF(out));
    for (size_t i = 0; i < n && i < COUNT_OF(out); i++) {
        struct request p = {.va = out[i], .kind = q->kind, .priv = q->priv, .silent = true, .issued = q->issued, .now = q->now};
        p.kind = p.kind == MMU_STORE ? MMU_LOAD : p.kind; /* a prefetch never sets D */
        p.class = (uint8_t)CLASS(p.kind, p.priv);
        if (out[i] >> m->regime.va_bits == 0 || (m->regime.geometry->long_mode && is_canonical(out[i], m->regime.va_bits)))
            mmu_translate(m, &p);
    }
}

/* Walks, and keeps what was found. level: for walks that renew an entry, the level where it was hit. */
static enum mmu_outcome walk_for(struct mmu *m, struct request *q, enum why_walk why, unsigned level)
{
    struct walk w = {.va = q->va, .class = q->class};
    walk_timed(m, q, &w);
    if (UNLIKELY(w.outcome != MMU_DONE)) {
        count_faulted_misses(m, q, why == WALK_FOR_MISS ? m->levels : level);
        if (w.outcome == MMU_FAULT_PF)
            return fault(m, q, w.error_code);
        q->outcome = w.outcome;
        q->where = MMU_AT_FAULT;
        q->pa = w.missing;
        return q->outcome;
    }
    psc_fill(&m->psc, m->regime.geometry, &w, m->regime.pcid, q->now, m->psc_stats);
    struct translation x = {
        .va = q->va,
        .pa = w.frame + (q->va & (BIT(page_shift(w.page)) - 1)),
        .page = w.page,
        .global = w.global,
        .entry = {.ready = q->now, .rights = w.rights, .key = w.key, .dirty = w.dirty, .origin = w.page},
    };
    if (why == WALK_FOR_MISS)
        mmu_fill_levels(m, q, &x, m->levels);
    else
        mmu_renew(m, q, &x, level, why == WALK_FOR_DIRTY ? 1u << MMU_STORE : 1u << q->kind);
    q->outcome = MMU_DONE;
    q->where = MMU_AT_WALK;
    q->page = w.page;
    q->pa = x.pa;
    if (UNLIKELY(m->prefetcher.predict && !q->silent))
        prefetch_after(m, q, &w);
    return MMU_DONE;
}

static void count_hit(struct mmu *m, const struct request *q, unsigned level, const struct tlb *t, uint32_t index)
{
    if (level == 0) {
        uint16_t slot = m->hot.entry[t->hot + index].slot;
        m->hot.hits[slot][q->kind] += slot != 0;
        return;
    }
    m->tlb_stats[t->number].hits[q->kind]++;
    m->tlb_stats[t->number].hits_page[tlb_tag_page(t->tag[index])]++;
}

/* A hit: waits for its walk, checks rights and the dirty flag, copies the entry into the levels before. */
static enum mmu_outcome hit(struct mmu *m, struct request *q, unsigned level, struct tlb *t, uint32_t index)
{
    struct tlb_entry *e = &t->entry[index];
    unsigned page = tlb_tag_page(t->tag[index]);
    count_hit(m, q, level, t, index);
    tlb_touch(t, index);
    q->where = (uint8_t)(MMU_AT_L1 + level);
    if (UNLIKELY(e->ready > q->now) && !q->silent) {
        mmu_charge(m, q, MMU_PART_MERGE, e->ready - q->now);
        m->tlb_stats[t->number].merged[q->kind]++;
        m->walk_stats.merged[q->kind]++;
        q->where = MMU_AT_MERGE;
    }
    struct translation x = {
        .va = q->va,
        .pa = e->base + (q->va & (BIT(page_shift(page)) - 1)),
        .page = (uint8_t)page,
        .global = t->tag[index] & TLB_GLOBAL,
        .entry = *e,
    };
    if (UNLIKELY(!(regime_allowed(&m->regime, e->rights, e->key) >> q->class & 1))) {
        if (m->config->walk.rewalk_before_fault)
            return walk_for(m, q, WALK_FOR_RIGHTS, level);
        count_faulted_misses(m, q, level);
        bool key = m->regime.key_denied[e->rights & RIGHT_U ? 1 : 0][e->key] >> q->class & 1;
        return fault(m, q, regime_error_code(&m->regime, q->class, MMU_PF_P | (key ? MMU_PF_PK : 0u)));
    }
    if (UNLIKELY(q->kind == MMU_STORE && !e->dirty)) {
        m->tlb_stats[t->number].dirty_walks[0]++;
        m->walk_stats.dirty[0]++;
        return walk_for(m, q, WALK_FOR_DIRTY, level);
    }
    if (level > 0)
        mmu_fill_levels(m, q, &x, level);
    else
        mmu_hot_guess(m, t, index, q->va, q->kind);
    q->outcome = MMU_DONE;
    q->page = x.entry.origin;
    q->pa = x.pa;
    return MMU_DONE;
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

enum mmu_outcome mmu_translate(struct mmu *m, struct request *q)
{
    const struct geometry *g = m->regime.geometry;
    q->error_code = 0;
    if (UNLIKELY(!g)) {
        q->outcome = MMU_DONE;
        q->where = MMU_AT_NOPAGING;
        q->page = MMU_PAGES;
        q->pa = q->va;
        return MMU_DONE;
    }
    if (UNLIKELY(g->long_mode && !is_canonical(q->va, g->va_bits))) {
        q->where = MMU_AT_FAULT;
        return q->outcome = MMU_FAULT_GP;
    }
    REQUIRE(g->long_mode || q->va >> 32 == 0);
    for (unsigned l = 0; l < m->levels; l++) {
        if (m->serving[l][q->kind].n == 0)
            continue;
        struct tlb *t = NULL;
        uint32_t index = look_up(m, q, l, &t);
        if (l == 0)
            m->lookups[q->class]++;
        else
            m->level_stats[l].accesses[q->class]++;
        bool held = index != TLB_NONE;
        if (l > 0 || (held && m->config->level[0].latency))
            charge_lookup(m, q, l, held ? tlb_tag_page(t->tag[index]) : MMU_PAGES);
        if (held)
            return hit(m, q, l, t, index);
        m->level_stats[l].misses[q->class]++;
        if (l == 0 && mmu_observes(m, MMU_EV_MISS))
            notify_miss(m, q);
    }
    return walk_for(m, q, WALK_FOR_MISS, 0);
}
