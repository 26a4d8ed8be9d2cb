/* psc.c: paging-structure caches. See psc.h. */
#include "psc.h"

enum { PSC_KEY_BITS = 36, PSC_PCID_SHIFT = 40, PSC_LEVEL_SHIFT = 56 };
#define PSC_VALID BIT(63)

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

static uint64_t tag_of(uint64_t key, unsigned psc_level, uint16_t pcid)
{
    return PSC_VALID | (uint64_t)psc_level << PSC_LEVEL_SHIFT | (uint64_t)pcid << PSC_PCID_SHIFT | key;
}

static uint32_t set_of(const struct psc_array *a, uint64_t key)
{
    return a->pow2 ? (uint32_t)key & (a->sets - 1) : (uint32_t)(key % a->sets);
}

ALWAYS_INLINE uint32_t find(const struct psc_array *a, uint64_t key, uint64_t tag)
{
    uint32_t first = set_of(a, key) * a->ways;
    uint32_t way = match_ways(a->tag + first, a->ways, tag);
    return way == MATCH_NONE ? UINT32_MAX : first + way;
}

ALWAYS_INLINE uint32_t deepest(const struct psc *p, const struct geometry *g, mmu_va va, uint16_t pcid,
                               unsigned *level)
{
    uint64_t owner = PSC_VALID | (uint64_t)pcid << PSC_PCID_SHIFT;
    uint64_t number = (va & (BIT(g->va_bits) - 1)) >> level_shift(g, 2);
    unsigned step = g->index_bits, levels = g->levels - 1u;
    for (unsigned l = 0; l < levels; l++, number >>= step) {
        const struct psc_array *a = p->of[l];
        if (!a)
            continue;
        uint32_t i = find(a, number, owner | (uint64_t)l << PSC_LEVEL_SHIFT | number);
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

void psc_take(struct psc *p, const struct geometry *g, const struct psc_entry *from, unsigned level,
              struct mmu_psc_stats *stats)
{
    for (unsigned l = 0; l < MMU_PSC_LEVELS && table_level(l) <= g->levels; l++)
        stats[l].probes[0] += p->of[l] != NULL;
    if (!from)
        return;
    struct psc_array *a = p->of[level];
    uint32_t i = (uint32_t)(from - a->entry);
    stats[level].hits[0]++;
    repl_touch(&a->repl, i / a->ways, i % a->ways);
}

/* The way that a new key goes to: the lowest invalid one, else the victim, which is counted as evicted under
 * its own level. */
static uint32_t make_room(struct psc_array *a, uint32_t set, struct mmu_psc_stats *stats)
{
    for (uint32_t w = 0; w < a->ways && a->free; w++) {
        if (!a->tag[set * a->ways + w]) {
            a->free--;
            return w;
        }
    }
    uint32_t way = repl_victim(&a->repl, set, ~UINT64_C(0));
    stats[a->tag[set * a->ways + way] >> PSC_LEVEL_SHIFT & 3].evictions[0]++;
    return way;
}

void psc_fill(struct psc *p, const struct geometry *g, const struct walk *w, uint16_t pcid, mmu_cycle ready,
              struct mmu_psc_stats *stats, bool absent)
{
    for (unsigned passed = w->passed >> 2, l = 0; passed; passed >>= 1, l++) {
        struct psc_array *a = p->of[l];
        if (!a || !(passed & 1))
            continue;
        uint64_t key = key_of(g, w->va, l), tag = tag_of(key, l, pcid);
        uint32_t set = set_of(a, key), i = absent ? UINT32_MAX : find(a, key, tag);
        uint32_t way = i != UINT32_MAX ? i - set * a->ways : make_room(a, set, stats);
        a->tag[set * a->ways + way] = tag;
        a->entry[set * a->ways + way] = (struct psc_entry){w->below[table_level(l)], ready};
        repl_fill(&a->repl, set, way);
        stats[l].fills[0]++;
    }
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
    for (unsigned l = 0; l < MMU_PSC_LEVELS && table_level(l) <= g->levels; l++) {
        if (!p->of[l])
            continue;
        uint64_t key = key_of(g, va, l);
        uint32_t i = find(p->of[l], key, tag_of(key, l, pcid));
        if (i != UINT32_MAX) {
            drop(p->of[l], i, stats, cause);
            dropped++;
        }
    }
    return dropped;
}

static uint32_t drop_where(struct psc *p, uint64_t mask, uint64_t match, struct mmu_psc_stats *stats,
                           unsigned cause)
{
    uint32_t dropped = 0;
    for (unsigned l = 0; l < MMU_PSC_LEVELS; l++) {
        struct psc_array *a = &p->array[l];
        for (uint32_t i = 0; i < a->sets * a->ways; i++) {
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
