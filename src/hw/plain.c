/* plain.c: walks of the plain sort, and the booking of tallies. See plain.h. The order of the steps is that
 * of mmu.c. */
#include "plain.h"
#include "histogram.h"
#include <string.h>

bool plain_usable(const struct mmu *m)
{
    return m->regime.geometry && m->config->level[0].latency == 0 && m->config->level[1].serial_count == 0 &&
           !m->observer.mask && !m->prefetcher.predict;
}

static bool is_calm(const struct mmu *m, const struct tlb *t)
{
    bool pcid = !t->config->pcid_bound || (t->pcids && t->pcid[0] == m->regime.pcid);
    return t->globals == 0 && t->fractured == 0 && pcid;
}

void plain_calm(struct mmu *m)
{
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        const struct tlb *t1 = m->plain[kind].first, *t2 = m->plain[kind].second;
        m->plain[kind].calm =
            t1 && m->others == 0 && !m->regime.keys && is_calm(m, t1) && (!t2 || is_calm(m, t2));
    }
}

/* What n misses of one class mean for a level's counters: hits there, and fills of 4-KByte entries. */
static void book_level(struct mmu *m, unsigned level, unsigned class, uint64_t hits, uint64_t fills,
                       uint64_t roomy)
{
    unsigned kind = class % MMU_KINDS;
    struct tlb *t = level ? m->plain[kind].second : m->plain[kind].first;
    if (!t)
        return;
    struct mmu_tlb_stats *stats = &m->tlb_stats[t->number];
    m->level_stats[level].accesses[class] +=
        level ? hits + fills : 0; /* of the first level: see mmu_stats_fill() */
    m->level_stats[level].misses[class] += fills;
    stats->hits[kind] += hits;
    stats->hits_page[MMU_4K] += hits;
    stats->misses[kind] += fills;
    stats->fills[MMU_4K] += fills;
    stats->evictions[0] += fills - roomy;
}

/* What a page-table read that hits at this place costs. */
static uint32_t price(const struct mmu *m, unsigned place)
{
    const struct mmu_memory_config *c = &m->config->memory;
    return place == MMU_PLACE_FIXED    ? c->read_latency
           : place == MMU_PLACE_MEMORY ? c->dram_latency
                                       : c->cache[place - MMU_PLACE_L1].latency;
}

/* Walks charge a part, and stall the run by it but for what nobody waited for. */
static void book_walks(struct mmu *m, struct timeline *real, const struct plain_tally *tally, unsigned part,
                       uint64_t cycles)
{
    m->charged[part] += cycles;
    real->stalled[part] += cycles - tally->unstalled[part];
}

void plain_book(struct mmu *m, struct timeline *real, struct plain_tally *tally)
{
    uint64_t walks = 0, seconds = 0, walked_seconds = 0;
    for (unsigned c = 0; c < CLASSES; c++) {
        unsigned kind = c % MMU_KINDS;
        uint64_t both = tally->second[c] + tally->walks[c];
        if (!both)
            continue;
        book_level(m, 0, c, 0, both, tally->roomy[0][kind]);
        book_level(m, 1, c, tally->second[c], tally->walks[c], tally->roomy[1][kind]);
        tally->roomy[0][kind] = tally->roomy[1][kind] = 0; /* one class of a kind books them all */
        m->walk_stats.started[kind] += tally->walks[c];
        m->walk_stats.completed_kind_page[MMU_4K + MMU_PAGES * kind] += tally->walks[c];
        walks += tally->walks[c];
        seconds += tally->second[c];
        walked_seconds += m->plain[kind].second ? tally->walks[c] : 0;
    }
    m->charged[MMU_PART_SECOND] += seconds * m->config->level[1].latency;
    real->stalled[MMU_PART_SECOND] += tally->stalled;
    if (walks) {
        book_walks(m, real, tally, MMU_PART_SECOND, walked_seconds * m->config->level[1].latency);
        book_walks(m, real, tally, MMU_PART_START, walks * m->config->walk.start);
        book_walks(m, real, tally, MMU_PART_PSC, m->psc.any ? walks * m->config->psc.latency : 0);
        for (unsigned i = 0; i < MMU_WALK_LEVELS * MMU_PLACES; i++) {
            uint64_t data = (&tally->reads[0][0][0])[i], fetch = (&tally->reads[1][0][0])[i],
                     n = data + fetch;
            (&m->reads[0][0][0])[i] += data;
            (&m->reads[1][0][0])[i] += fetch;
            m->walk_stats.references[0] += n;
            book_walks(m, real, tally, MMU_PART_READ + i, n * price(m, i % MMU_PLACES));
        }
    }
    memset(tally, 0, sizeof *tally);
}

/* Adds a part to the ledger; plain_book() charges it. */
ALWAYS_INLINE void pay(struct mmu *m, struct plain *x, unsigned part, uint32_t cycles)
{
    if (cycles == 0)
        return;
    m->ledger.segment[m->ledger.n].part = part;
    m->ledger.segment[m->ledger.n++].cycles = cycles;
    x->now += cycles;
}

ALWAYS_INLINE void pay_reads(struct mmu *m, struct plain_tally *tally, struct plain *x, const struct walk *w)
{
    bool cached = m->config->memory.reads == MMU_READS_CACHED;
    uint64_t(*reads)[MMU_PLACES] = tally->reads[x->kind == MMU_FETCH];
    for (unsigned i = 0; i < w->reads; i++) {
        struct pcache_read r = {.place = MMU_PLACE_FIXED, .cycles = m->config->memory.read_latency};
        unsigned level = w->read[i].level - 1u;
        if (cached)
            r = pcache_read(&m->pcache, w->read[i].pa, x->now);
        pay(m, x, MMU_PART_READ + level * MMU_PLACES + r.place, r.cycles);
        reads[level][r.place]++;
    }
}

bool plain_walk(struct mmu *m, struct plain_tally *tally, struct plain *x)
{
    const struct geometry *g = m->regime.geometry;
    unsigned level = MMU_PSC_LEVELS;
    const struct psc_entry *from = m->psc.any ? psc_peek(&m->psc, g, x->va, m->regime.pcid, &level) : NULL;
    struct walk w;
    w.va = x->va;
    w.class = (uint8_t)x->class;
    if (!walk_begin(&m->regime, &w, from ? &from->start : NULL) || !walk_dry(&m->regime, m->phys, &w) ||
        w.page != MMU_4K || w.global)
        return false;

    struct tlb *first = m->plain[x->kind].first, *second = m->plain[x->kind].second;
    tally->walks[x->class]++;
    m->ledger.n = 0;
    if (second)
        pay(m, x, MMU_PART_SECOND, m->config->level[1].latency);
    mmu_cycle start = x->now; /* every walker is free */
    pay(m, x, MMU_PART_START, m->config->walk.start);
    if (m->psc.any) {
        pay(m, x, MMU_PART_PSC, m->config->psc.latency);
        psc_take(&m->psc, g, from, level, m->psc_stats);
    }
    pay_reads(m, tally, x, &w);
    walkers_release_blocking(&m->walkers, x->kind, start, x->now);
    histogram_add(&m->walk_latency, x->now - start);
    psc_fill(&m->psc, g, &w, m->regime.pcid, x->now, m->psc_stats, true);
    x->pa = w.frame | (x->va & PAGE_MASK);
    struct tlb_entry entry = {.base = w.frame,
                              .ready = x->now,
                              .rights = w.rights,
                              .key = w.key,
                              .dirty = w.dirty,
                              .origin = MMU_4K};
    uint64_t tag = tlb_tag(x->va, MMU_4K, m->regime.pcid, false);
    plain_fill_first(m, tally, x->va, x->kind, tlb_set(first, x->va, MMU_4K), tag, &entry);
    if (second)
        plain_fill(second, tlb_set(second, x->va, MMU_4K), tag, &entry, &tally->roomy[1][x->kind]);
    return true;
}
