/* plain.c: when misses are plain, what they cost, and the booking of tallies. See plain.h; the walk is in
 * plain_walk.c. */
#include "plain.h"
#include "histogram.h"
#include <string.h>

bool plain_usable(const struct mmu *m)
{
    return m->regime.geometry && m->config->level[0].latency == 0 && m->config->level[1].serial_count == 0 &&
           !m->observer.mask && !m->prefetcher.predict;
}

void plain_calm(struct mmu *m)
{
    m->storm = m->faulted ? m->storm + 1 : 0;
    m->faulted = false;
    if (UNLIKELY(m->storm > 1)) { /* one fault after another: the next miss is none of ours either */
        for (unsigned kind = 0; kind < MMU_KINDS; kind++)
            m->plain[kind].calm = false;
        return;
    }
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        const struct tlb *t1 = m->plain[kind].first, *t2 = m->plain[kind].second;
        m->plain[kind].calm = t1 && m->others == 0 && plain_is_calm(m, t1) && (!t2 || plain_is_calm(m, t2));
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

/* The level of the first entry that a walk reads which began at `from`. */
static unsigned top_level(const struct mmu *m, unsigned from)
{
    return from == MMU_PSC_LEVELS ? m->regime.geometry->levels : from + 1;
}

/* The parts of a walk's ledger that come before its reads. */
enum { BEFORE = 3 };
static unsigned before_reads(const struct mmu *m, struct mmu_ledger *ledger)
{
    uint32_t part[BEFORE] = {MMU_PART_SECOND, MMU_PART_START, MMU_PART_PSC};
    mmu_cycle cycles[BEFORE] = {m->levels == 2 ? m->config->level[1].latency : 0, m->config->walk.start,
                                m->psc.any ? m->config->psc.latency : 0};
    ledger->n = 0;
    for (unsigned i = 0; i < BEFORE; i++) {
        ledger->segment[ledger->n].part = part[i];
        ledger->segment[ledger->n].cycles = cycles[i];
        ledger->n += cycles[i] != 0;
    }
    return ledger->n;
}

void plain_write_ledger(struct mmu *m, const struct plain_tally *tally)
{
    struct mmu_ledger *ledger = &m->ledger;
    before_reads(m, ledger);
    for (unsigned level = top_level(m, tally->from); level > 0; level--) {
        unsigned place = tally->place[level - 1];
        ledger->segment[ledger->n].part = MMU_PART_READ + (level - 1) * MMU_PLACES + place;
        ledger->segment[ledger->n].cycles = price(m, place);
        ledger->n += price(m, place) != 0;
    }
}

void plain_unstalled_far(struct mmu *m, struct plain_tally *tally, mmu_cycle cycles)
{
    const struct mmu_ledger *ledger = &m->ledger;
    plain_write_ledger(m, tally);
    for (uint32_t s = 0; s < ledger->n && cycles; s++) {
        mmu_cycle part = ledger->segment[s].cycles < cycles ? ledger->segment[s].cycles : cycles;
        tally->unstalled[ledger->segment[s].part] += part;
        cycles -= part;
    }
}

void plain_begin(const struct mmu *m, struct plain_tally *tally)
{
    struct mmu_ledger before;
    mmu_cycle cost = 0;
    memset(tally, 0, sizeof *tally);
    if (!m->regime.geometry)
        return;
    for (unsigned s = 0, n = before_reads(m, &before); s < n; s++)
        cost += before.segment[s].cycles;
    if (before.n) {
        tally->head = before.segment[0].cycles;
        tally->head_part = before.segment[0].part;
    }
    bool fixed = m->config->memory.reads == MMU_READS_FIXED;
    for (unsigned from = 0; from <= MMU_PSC_LEVELS; from++)
        tally->cost[from] =
            cost + (fixed ? (mmu_cycle)top_level(m, from) * m->config->memory.read_latency : 0);
}

/* Walks charge a part, and stall the run by it but for what nobody waited for. */
static void book_part(struct mmu *m, struct timeline *real, const struct plain_tally *tally, unsigned part,
                      uint64_t cycles)
{
    m->charged[part] += cycles;
    real->stalled[part] += cycles - tally->unstalled[part];
}

/* n walks of a kind that began at `from`: what follows from it. */
static void book_begun(struct mmu *m, struct plain_tally *tally, unsigned kind, unsigned from, uint64_t n)
{
    unsigned top = top_level(m, from);
    m->walk_stats.started[kind] += n;
    m->walk_stats.completed_kind_page[MMU_4K + MMU_PAGES * kind] += n;
    for (unsigned l = 0; l + 1u < m->regime.geometry->levels; l++) {
        if (!m->psc.of[l])
            continue;
        m->psc_stats[l].probes[0] += n;
        m->psc_stats[l].hits[0] += l == from ? n : 0;
        m->psc_stats[l].fills[0] += l + 2 <= top ? n : 0;
    }
    if (m->config->memory.reads != MMU_READS_FIXED)
        return;
    mmu_cycle service = tally->cost[from] - (m->levels == 2 ? m->config->level[1].latency : 0);
    histogram_add_many(&m->walk_latency, service, n);
    m->walkers.alone[kind] += service * n;
    for (unsigned level = 1; level <= top; level++)
        tally->reads[kind == MMU_FETCH][level - 1][MMU_PLACE_FIXED] += n;
}

/* All walks of the tally. */
static void book_walks(struct mmu *m, struct timeline *real, struct plain_tally *tally, uint64_t walks)
{
    for (unsigned i = 0; i < MMU_KINDS * (MMU_PSC_LEVELS + 1); i++) {
        unsigned kind = i / (MMU_PSC_LEVELS + 1), from = i % (MMU_PSC_LEVELS + 1);
        if (tally->begun[kind][from])
            book_begun(m, tally, kind, from, tally->begun[kind][from]);
    }
    struct mmu_ledger before;
    for (unsigned s = 0, n = before_reads(m, &before); s < n; s++)
        book_part(m, real, tally, before.segment[s].part, walks * before.segment[s].cycles);
    for (unsigned i = 0; i < MMU_WALK_LEVELS * MMU_PLACES; i++) {
        uint64_t data = (&tally->reads[0][0][0])[i], fetch = (&tally->reads[1][0][0])[i];
        (&m->reads[0][0][0])[i] += data;
        (&m->reads[1][0][0])[i] += fetch;
        m->walk_stats.references[0] += data + fetch;
        book_part(m, real, tally, MMU_PART_READ + i, (data + fetch) * price(m, i % MMU_PLACES));
    }
}

void plain_book(struct mmu *m, struct timeline *real, struct plain_tally *tally)
{
    uint64_t walks = 0, seconds = 0;
    for (unsigned c = 0; c < CLASSES; c++) {
        unsigned kind = c % MMU_KINDS;
        uint64_t both = tally->second[c] + tally->walks[c];
        if (!both)
            continue;
        book_level(m, 0, c, 0, both, tally->roomy[0][kind]);
        book_level(m, 1, c, tally->second[c], tally->walks[c], tally->roomy[1][kind]);
        tally->roomy[0][kind] = tally->roomy[1][kind] = 0; /* one class of a kind books them all */
        walks += tally->walks[c];
        seconds += tally->second[c];
    }
    m->charged[MMU_PART_SECOND] += seconds * m->config->level[1].latency;
    real->stalled[MMU_PART_SECOND] += tally->stalled;
    if (walks)
        book_walks(m, real, tally, walks);
}
