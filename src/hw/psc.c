/* psc.c: paging-structure caches. See psc.h. */
#include "psc.h"

/* The paging level whose entries a cache level holds: PDE 2, PDPTE 3, ... */
static unsigned table_level(unsigned psc_level)
{
    return psc_level + 2;
}

static int init_array(struct psc_array *a, const struct mmu_psc_array *config, struct repl_context *context)
{
    if (config->entries == 0)
        return MMU_OK;
    a->ways = config->ways;
    a->sets = config->entries / config->ways;
    a->pow2 = is_power_of_two(a->sets);
    a->free = config->entries;
    a->tag = calloc(config->entries, sizeof *a->tag);
    a->entry = calloc(config->entries, sizeof *a->entry);
    if (!a->tag || !a->entry)
        return MMU_ERR_NOMEM;
    return repl_init(&a->repl, config->policy, a->sets, a->ways, context);
}

int psc_init(struct psc *p, const struct mmu_psc_config *config, struct repl_context *context)
{
    *p = (struct psc){.config = config};
    for (unsigned l = 0; l < MMU_PSC_LEVELS; l++) {
        if (!config->unified || l == 0) {
            int status = init_array(&p->array[l], &config->array[l], context);
            if (status != MMU_OK)
                return status;
        }
        struct psc_array *a = &p->array[config->unified ? 0 : l];
        bool held = a->sets && (!config->unified || (config->levels >> l & 1));
        p->of[l] = held ? a : NULL;
        p->any |= held;
    }
    return MMU_OK;
}

void psc_destroy(struct psc *p)
{
    for (unsigned l = 0; l < MMU_PSC_LEVELS; l++) {
        repl_destroy(&p->array[l].repl);
        free(p->array[l].tag);
        free(p->array[l].entry);
    }
    *p = (struct psc){0};
}

/* The address bits that select the entry, above those that it translates. */
static uint64_t key_of(const struct geometry *g, mmu_va va, unsigned psc_level)
{
    return (va & BITS(g->va_bits - 1u, 0)) >> level_shift(g, table_level(psc_level));
}

ALWAYS_INLINE uint32_t find(const struct psc_array *a, const struct psc_spot *spot)
{
    uint32_t way = psc_way(a, spot);
    return way == MATCH_NONE ? UINT32_MAX : spot->set * a->ways + way;
}

ALWAYS_INLINE uint32_t deepest(const struct psc *p, const struct geometry *g, mmu_va va, uint16_t pcid,
                               unsigned *level)
{
    uint64_t number = key_of(g, va, 0);
    for (unsigned l = 0; l + 1u < g->levels; l++, number >>= g->index_bits) {
        const struct psc_array *a = p->of[l];
        if (!a)
            continue;
        struct psc_spot spot = psc_spot(a, l, number, pcid);
        uint32_t i = find(a, &spot);
        if (i != UINT32_MAX) {
            *level = l;
            return i;
        }
    }
    return UINT32_MAX;
}

const struct psc_entry *psc_probe(struct psc *p, const struct geometry *g, mmu_va va, uint16_t pcid,
                                  unsigned *level)
{
    uint32_t i = deepest(p, g, va, pcid, level);
    if (i == UINT32_MAX)
        return NULL;
    struct psc_array *a = p->of[*level];
    repl_touch(&a->repl, i / a->ways, i % a->ways);
    return &a->entry[i];
}

const struct psc_entry *psc_peek(const struct psc *p, const struct geometry *g, mmu_va va, uint16_t pcid,
                                 unsigned *level)
{
    uint32_t i = deepest(p, g, va, pcid, level);
    return i == UINT32_MAX ? NULL : &p->of[*level]->entry[i];
}

uint32_t psc_invalid_way(struct psc_array *a, uint32_t set)
{
    uint32_t way = match_ways(a->tag + (size_t)set * a->ways, a->ways, 0);
    a->free -= way != MATCH_NONE;
    return way;
}

ALWAYS_INLINE void fill_passed(struct psc *p, const struct geometry *g, const struct walk *w, uint16_t pcid,
                               mmu_cycle ready, bool absent, struct mmu_psc_stats *stats)
{
    uint64_t number = key_of(g, w->va, 0);
    for (unsigned passed = w->passed >> 2, l = 0; passed; passed >>= 1, l++, number >>= g->index_bits) {
        struct psc_array *a = p->of[l];
        if (!a || !(passed & 1))
            continue;
        struct psc_spot spot = psc_spot(a, l, number, pcid);
        psc_put(a, &spot, absent ? MATCH_NONE : psc_way(a, &spot), &w->below[table_level(l)], ready, stats);
        stats[l].fills[0]++;
    }
}

void psc_fill(struct psc *p, const struct geometry *g, const struct walk *w, uint16_t pcid, mmu_cycle ready,
              struct mmu_psc_stats *stats)
{
    fill_passed(p, g, w, pcid, ready, false, stats);
}

void psc_fill_absent(struct psc *p, const struct geometry *g, const struct walk *w, uint16_t pcid,
                     mmu_cycle ready, struct mmu_psc_stats *stats)
{
    fill_passed(p, g, w, pcid, ready, true, stats);
}

static void drop(struct psc_array *a, uint32_t i, struct mmu_psc_stats *stats, unsigned cause)
{
    stats[a->tag[i] >> PSC_LEVEL_SHIFT & 3].flushed[cause]++;
    a->tag[i] = 0;
    a->free++;
}

uint32_t psc_drop_address(struct psc *p, const struct geometry *g, mmu_va va, uint16_t pcid,
                          struct mmu_psc_stats *stats, unsigned cause)
{
    uint32_t dropped = 0;
    uint64_t number = key_of(g, va, 0);
    for (unsigned l = 0; l + 1u < g->levels; l++, number >>= g->index_bits) {
        struct psc_array *a = p->of[l];
        if (!a)
            continue;
        struct psc_spot spot = psc_spot(a, l, number, pcid);
        uint32_t i = find(a, &spot);
        if (i != UINT32_MAX) {
            drop(a, i, stats, cause);
            dropped++;
        }
    }
    return dropped;
}

static uint32_t drop_where(struct psc *p, uint64_t mask, uint64_t match, struct mmu_psc_stats *stats,
                           unsigned cause)
{
    uint32_t dropped = 0;
    for (unsigned l = 0; p->any && l < MMU_PSC_LEVELS; l++) {
        struct psc_array *a = &p->array[l];
        for (uint32_t i = 0; i < a->sets * a->ways && a->free < a->sets * a->ways; i++) {
            if ((a->tag[i] & mask) == match) {
                drop(a, i, stats, cause);
                dropped++;
            }
        }
    }
    return dropped;
}

uint32_t psc_drop_pcid(struct psc *p, uint16_t pcid, struct mmu_psc_stats *stats, unsigned cause)
{
    uint64_t owner = (uint64_t)0xfff << PSC_PCID_SHIFT;
    return drop_where(p, PSC_VALID | owner, PSC_VALID | (uint64_t)pcid << PSC_PCID_SHIFT, stats, cause);
}

uint32_t psc_drop_all(struct psc *p, struct mmu_psc_stats *stats, unsigned cause)
{
    return drop_where(p, PSC_VALID, PSC_VALID, stats, cause);
}
