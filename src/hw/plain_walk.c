/*
 * plain_walk.c: walks of the plain sort. See plain.h.
 *
 * It decides first: the paging-structure caches are probed without a touch, the entries read without a write.
 * Then everything is known, and changes without another look: what was probed in vain is absent, and is
 * filled where it was looked for. Stamped out once per mode, so that the geometry folds away. The order of
 * the changes is that of mmu.c; it matters where replacement draws from a clock or a generator.
 */
#include "histogram.h"
#include "plain.h"

/* A walk while it is being decided, and what it passed. */
struct trail {
    unsigned top;                         /* level of the first entry read */
    unsigned from;                        /* enum mmu_psc_level where it began; MMU_PSC_LEVELS: at the root */
    uint32_t way;                         /* ... of that entry */
    struct psc_spot spot[MMU_PSC_LEVELS]; /* probed: up to `from` */
    struct walk_start below[6];           /* by level: where the entry leads */
    mmu_pa read[6];                       /* by level: address of the entry */
    uint64_t leaf;                        /* the PTE */
    unsigned rights;                      /* of the page */
};

/* Where it begins. False: not plain. */
ALWAYS_INLINE bool begin(const struct geometry *g, const struct mmu *m, mmu_va va, struct trail *t,
                         struct walk_start *at)
{
    uint64_t number = (va & (BIT(g->va_bits) - 1)) >> level_shift(g, 2);
    for (unsigned l = 0; l + 1u < g->levels; l++, number >>= g->index_bits) {
        const struct psc_array *a = m->psc.of[l];
        if (!a)
            continue;
        t->spot[l] = psc_spot(a, l, number, m->regime.pcid);
        t->way = psc_way(a, &t->spot[l]);
        if (t->way == MATCH_NONE)
            continue;
        *at = a->entry[t->spot[l].set * a->ways + t->way].start;
        t->from = l;
        return true;
    }
    t->from = MMU_PSC_LEVELS;
    *at = (struct walk_start){m->regime.root, g->levels, RIGHT_W | RIGHT_U};
    if (g->long_mode || g->entry_bytes == 4)
        return true;
    uint64_t pdpte = m->regime.pdpte[va >> 30 & 3];
    at->table = pdpte & m->regime.address_mask;
    return pdpte & PTE_P;
}

/* Reads down to the PTE. False: not plain. */
ALWAYS_INLINE bool read_down(const struct geometry *g, const struct mmu *m, mmu_va va, unsigned class,
                             struct trail *t)
{
    const struct regime *r = &m->regime;
    struct walk_start at;
    if (!begin(g, m, va, t, &at))
        return false;
    const uint64_t index = BIT(g->index_bits) - 1, done = PTE_P | PTE_A;
    const uint64_t large = g->entry_bytes == 8 || r->pse ? PTE_PS : 0;
    mmu_pa table = at.table;
    unsigned level = t->top = at.level, rights = at.rights;
    uint64_t e;
    for (; level > 1; level--) {
        mmu_pa pa = t->read[level] = table + (va >> level_shift(g, level) & index) * g->entry_bytes;
        if (!phys_load(m->phys, pa, g->entry_bytes, &e) ||
            (e & (done | large | r->reserved_table[level])) != done)
            return false;
        rights = ((unsigned)(e >> 1) | RIGHT_X) & rights;
        rights |= g->has_xd && (e & PTE_XD) ? RIGHT_X : 0;
        table = e & r->address_mask;
        t->below[level] = (struct walk_start){table, (uint8_t)(level - 1), (uint8_t)rights};
    }
    mmu_pa pa = t->read[1] = table + (va >> PAGE_SHIFT & index) * g->entry_bytes;
    const uint64_t must = done | (class % MMU_KINDS == MMU_STORE ? PTE_D : 0);
    const uint64_t global = r->global_pages ? PTE_G : 0;
    if (!phys_load(m->phys, pa, g->entry_bytes, &e) || (e & (must | global | r->reserved_leaf[1])) != must)
        return false;
    rights = ((unsigned)(e >> 1) | RIGHT_X) & rights;
    rights |= g->has_xd && (e & PTE_XD) ? RIGHT_X : 0;
    t->leaf = e;
    t->rights = rights;
    return regime_allowed(r, rights, g->has_keys ? PTE_KEY(e) : 0) >> class & 1;
}

/* Pays for the reads through the caches. */
static void pay_reads(struct mmu *m, struct plain_tally *tally, struct plain *x, const struct trail *t)
{
    uint64_t(*reads)[MMU_PLACES] = tally->reads[x->kind == MMU_FETCH];
    for (unsigned level = t->top; level > 0; level--) {
        struct pcache_read read = pcache_read(&m->pcache, t->read[level], x->now);
        x->now += read.cycles;
        reads[level - 1][read.place]++;
        tally->place[level - 1] = (uint8_t)read.place;
    }
}

/* What the walk leaves in the paging-structure caches. */
ALWAYS_INLINE void keep_passed(struct mmu *m, const struct trail *t, mmu_cycle ready)
{
    for (unsigned level = 2; level <= t->top; level++)
        if (m->psc.of[level - 2])
            psc_put(m->psc.of[level - 2], &t->spot[level - 2], MATCH_NONE, &t->below[level], ready,
                    m->psc_stats);
}

ALWAYS_INLINE bool walk(const struct geometry *g, struct mmu *m, struct plain_tally *tally, struct plain *x)
{
    struct trail t;
    if (!read_down(g, m, x->va, x->class, &t))
        return false;

    mmu_cycle issued = x->now;
    tally->walks[x->class]++;
    m->storm = 0;
    tally->begun[x->kind][t.from]++;
    tally->from = (uint8_t)t.from;
    if (t.from < MMU_PSC_LEVELS)
        repl_touch(&m->psc.of[t.from]->repl, t.spot[t.from].set, t.way);
    x->now += tally->cost[t.from];
    if (m->config->memory.reads == MMU_READS_CACHED) {
        pay_reads(m, tally, x, &t);
        mmu_cycle service = x->now - issued - (m->levels == 2 ? m->config->level[1].latency : 0);
        m->walkers.alone[x->kind] += service;
        histogram_add(&m->walk_latency, service);
    }
    keep_passed(m, &t, x->now);

    mmu_pa frame = t.leaf & m->regime.address_mask;
    x->pa = frame | (x->va & PAGE_MASK);
    struct tlb_entry entry = {.base = frame,
                              .ready = x->now,
                              .rights = (uint8_t)t.rights,
                              .key = g->has_keys ? (uint8_t)PTE_KEY(t.leaf) : 0,
                              .dirty = t.leaf & PTE_D,
                              .origin = MMU_4K};
    plain_fill_first(m, m->plain[x->kind].first, &tally->roomy[0][x->kind], x->va, x->kind, &x->spot, &entry);
    if (m->levels == 2)
        plain_fill(m->plain[x->kind].second, x->spot.set[1], x->spot.tag, &entry, &tally->roomy[1][x->kind]);
    return true;
}

#define INSTANCE(name, GEOMETRY)                                                                             \
    static bool name(struct mmu *m, struct plain_tally *tally, struct plain *x)                              \
    {                                                                                                        \
        static const struct geometry g = GEOMETRY;                                                           \
        return walk(&g, m, tally, x);                                                                        \
    }

INSTANCE(plain_i386, GEOMETRY_I386)
INSTANCE(plain_pae, GEOMETRY_PAE)
INSTANCE(plain_4l, GEOMETRY_4L)
INSTANCE(plain_5l, GEOMETRY_5L)

bool plain_walk(struct mmu *m, struct plain_tally *tally, struct plain *x)
{
    static bool (*const instance[MMU_MODES])(struct mmu *, struct plain_tally *, struct plain *) = {
        NULL, plain_i386, plain_pae, plain_4l, plain_5l};
    return instance[m->regime.mode](m, tally, x);
}
