/* mmu_setup.c: a core's hardware made from its config, its counters gathered, its invariants executed. See
 * mmu.h. */
#include "mmu.h"
#include <string.h>

/* The structures of level l that hold pages of `page` for kind, or of the largest smaller size. */
static void plan_target(struct mmu *m, unsigned l, unsigned kind, unsigned page)
{
    struct mmu_target *to = &m->target[l][kind][page];
    const struct mmu_serving *s = &m->serving[l][kind];
    int lowest = m->config->level[l].no_fracture ? (int)page : 0;
    for (int size = (int)page; size >= lowest && to->n == 0; size--) {
        to->page = (uint8_t)size;
        for (unsigned i = 0; i < s->n; i++)
            if (s->tlb[i]->config->pages >> size & 1)
                to->tlb[to->n++] = s->tlb[i];
    }
}

static void plan(struct mmu *m)
{
    for (unsigned i = 0; i < m->tlbs; i++) {
        const struct mmu_tlb_config *c = m->tlb[i].config;
        for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
            struct mmu_serving *s = &m->serving[c->level - 1][kind];
            if (!(c->kinds >> kind & 1))
                continue;
            s->tlb[s->n++] = &m->tlb[i];
            m->serves[kind] |= UINT32_C(1) << i;
            for (unsigned page = 0; page < MMU_PAGES; page++) {
                if (!(c->pages >> page & 1))
                    continue;
                s->probe[s->probes].tlb = &m->tlb[i];
                s->probe[s->probes++].page = page;
            }
        }
    }
    for (unsigned l = 0; l < m->levels; l++)
        for (unsigned kind = 0; kind < MMU_KINDS; kind++)
            for (unsigned page = 0; page < MMU_PAGES; page++)
                plan_target(m, l, kind, page);
}

/*
 * Can a page that t holds also be held by a structure that this kind asks before? Those that serve the same
 * kinds never hold it twice; but what a load brought into the one, a store may bring into another. Then the
 * order decides, and hot.h asks in none.
 */
static bool may_be_second(const struct mmu *m, const struct tlb *t, unsigned kind)
{
    const struct mmu_serving *s = &m->serving[0][kind];
    for (unsigned i = 0; i < s->n && s->tlb[i] != t; i++)
        if (s->tlb[i]->config->kinds != t->config->kinds)
            return true;
    return false;
}

/* What hot entries take from their structure. A structure under the caller's own policy serves nothing there,
 * since it wants to see every hit. */
static void plan_hot(struct mmu *m, struct tlb *t)
{
    t->first = true;
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        if (!(t->config->kinds >> kind & 1))
            continue;
        t->classes |=
            t->config->policy == MMU_USER_POLICY || may_be_second(m, t, kind) ? 0 : CLASSES_OF(kind);
        t->first &= m->serving[0][kind].tlb[0] == t;
    }
}

/* The one structure of a level that holds 4-KByte pages for kind, or NULL. */
static struct tlb *only_holder(const struct mmu *m, unsigned l, unsigned kind)
{
    struct tlb *only = NULL;
    for (unsigned i = 0; i < m->serving[l][kind].n; i++) {
        struct tlb *t = m->serving[l][kind].tlb[i];
        if (!(t->config->pages >> MMU_4K & 1))
            continue;
        if (only || !t->masked)
            return NULL;
        only = t;
    }
    return only;
}

static void plan_plain(struct mmu *m)
{
    bool user = false;
    for (unsigned i = 0; i < m->tlbs; i++)
        user |= m->tlb[i].config->policy == MMU_USER_POLICY;
    for (unsigned kind = 0; kind < MMU_KINDS && m->levels >= 1 && m->levels <= 2 && !user; kind++) {
        m->plain[kind].first = only_holder(m, 0, kind);
        m->plain[kind].second = m->levels == 2 ? only_holder(m, 1, kind) : NULL;
        if (m->levels == 2 && !m->plain[kind].second)
            m->plain[kind].first = NULL;
    }
}

static int init_hot(struct mmu *m)
{
    uint32_t entries = 1;
    for (unsigned i = 0; i < m->tlbs; i++) {
        if (m->tlb[i].config->level != 1)
            continue;
        m->tlb[i].hot = entries;
        plan_hot(m, &m->tlb[i]);
        entries += m->tlb[i].config->entries;
    }
    m->hot.entries = entries;
    m->hot.entry = aligned_alloc(64, (size_t)entries * sizeof *m->hot.entry);
    if (!m->hot.entry)
        return MMU_ERR_NOMEM;
    memset(m->hot.entry, 0, (size_t)entries * sizeof *m->hot.entry);
    m->hot.entry[0].touch = &m->hot.nobody;
    mmu_hot_bind(m);
    return MMU_OK;
}

int mmu_init(struct mmu *m, const struct mmu_config *config, struct phys *phys,
             const struct mmu_options *options, uint64_t stream)
{
    memset(m, 0, sizeof *m);
    m->config = config;
    m->phys = phys;
    m->levels = config->levels;
    struct repl_context context = {
        .seed = config->seed, .stream = stream << 32, .clock = &m->clock, .user = options->policy};
    if (options->prefetcher)
        m->prefetcher = *options->prefetcher;
    regime_reset(&m->regime, &config->cpu);
    m->tlb = calloc(config->tlbs + 1u, sizeof *m->tlb);
    if (!m->tlb)
        return MMU_ERR_NOMEM;
    for (; m->tlbs < config->tlbs; m->tlbs++) {
        int status = tlb_init(&m->tlb[m->tlbs], &config->tlb[m->tlbs], m->tlbs, &context);
        m->tlb[m->tlbs].others = &m->others;
        bool forgetful = config->tlb[m->tlbs].pcid_bound && config->tlb[m->tlbs].pcids == 0;
        m->forgetful |= (uint32_t)forgetful << m->tlbs;
        if (status != MMU_OK) {
            tlb_destroy(&m->tlb[m->tlbs]);
            return status;
        }
    }
    plan(m);
    plan_plain(m);
    if (psc_init(&m->psc, &config->psc, &context) != MMU_OK ||
        pcache_init(&m->pcache, &config->memory, config->window > 1, &context) != MMU_OK ||
        walkers_init(&m->walkers, config->walk.walkers, config->window) != MMU_OK)
        return MMU_ERR_NOMEM;
    return init_hot(m);
}

void mmu_destroy(struct mmu *m)
{
    for (unsigned i = 0; i < m->tlbs; i++)
        tlb_destroy(&m->tlb[i]);
    free(m->tlb);
    free(m->hot.entry);
    psc_destroy(&m->psc);
    pcache_destroy(&m->pcache);
    walkers_destroy(&m->walkers);
    memset(m, 0, sizeof *m);
}

/* First-level accesses, and hits: what hot.h did not count is accesses - misses - counted hits, at the
 * structure that each kind asks first. */
static void fill_first_level(const struct mmu *m, const uint64_t fast[MMU_KINDS * MMU_PRIVS],
                             struct mmu_stats *stats)
{
    uint64_t left[MMU_KINDS] = {0};
    for (unsigned c = 0; c < CLASSES; c++) {
        unsigned kind = c % MMU_KINDS;
        if (m->levels == 0 || m->serving[0][kind].n == 0)
            continue;
        stats->level[0].accesses[c] = m->lookups[c] + fast[c];
        left[kind] += stats->level[0].accesses[c] - stats->level[0].misses[c];
    }
    for (unsigned slot = 1; slot < HOT_SLOTS; slot++) {
        struct mmu_tlb_stats *t = &stats->tlb[(slot - 1) / MMU_PAGES];
        for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
            uint64_t hits = m->hot.hits[slot][kind];
            t->hits[kind] += hits;
            t->hits_page[(slot - 1) % MMU_PAGES] += hits;
            left[kind] -= hits;
        }
    }
    for (unsigned kind = 0; kind < MMU_KINDS && m->levels; kind++) {
        if (m->serving[0][kind].n == 0)
            continue;
        struct mmu_tlb_stats *t = &stats->tlb[m->serving[0][kind].tlb[0]->number];
        t->hits[kind] += left[kind];
        t->hits_page[MMU_4K] += left[kind];
    }
}

/* Walks: what their counters leave to be derived. */
static void fill_walks(const struct mmu *m, struct mmu_stats *stats)
{
    struct mmu_walk_stats *walk = &stats->walk;
    *walk = m->walk_stats;
    for (unsigned i = 0; i < MMU_KINDS * MMU_PAGES; i++) {
        walk->completed[i / MMU_PAGES] += walk->completed_kind_page[i];
        walk->completed_page[i % MMU_PAGES] += walk->completed_kind_page[i];
    }
    for (unsigned i = 0; i < MMU_WALK_LEVELS * MMU_PLACES; i++) {
        uint64_t fetch = (&m->reads[1][0][0])[i];
        stats->reads[i / MMU_PLACES][i % MMU_PLACES] = (&m->reads[0][0][0])[i] + fetch;
        walk->fetch_reads[i % MMU_PLACES] += fetch;
    }
    walkers_stats(&m->walkers, walk);
}

void mmu_stats_fill(const struct mmu *m, const uint64_t fast[MMU_KINDS * MMU_PRIVS], struct mmu_stats *stats)
{
    memcpy(stats->level, m->level_stats, sizeof stats->level);
    memcpy(stats->tlb, m->tlb_stats, sizeof stats->tlb);
    memcpy(stats->psc, m->psc_stats, sizeof stats->psc);
    memcpy(stats->cycles.charged, m->charged, sizeof m->charged);
    fill_walks(m, stats);
    stats->walk_latency = m->walk_latency;
    fill_first_level(m, fast, stats);
}

/* Remembers the host page of the page directory that covers va, since it is asked for again and again. */
static COLD const uint8_t *find_directory(struct mmu *m, mmu_va va)
{
    const struct geometry *g = m->regime.geometry;
    mmu_pa table = m->regime.root;
    for (unsigned level = g->levels; level > 2; level--) {
        const uint8_t *page = phys_page(m->phys, table >> PAGE_SHIFT);
        uint64_t e;
        if (!page)
            return NULL;
        memcpy(&e, page + (va >> level_shift(g, level) & 511) * 8, 8);
        if (!(e & PTE_P) || (e & PTE_PS))
            return NULL;
        table = e & m->regime.address_mask;
    }
    struct mmu_ahead *a = &m->ahead[va >> 30 & (MMU_AHEAD - 1)];
    *a = (struct mmu_ahead){va >> 30, m->regime.root, phys_page(m->phys, table >> PAGE_SHIFT)};
    return a->host;
}

/* The host's copy of the PDE of va, or NULL. */
static inline const uint8_t *pde_ahead(struct mmu *m, mmu_va va)
{
    const struct mmu_ahead *a = &m->ahead[va >> 30 & (MMU_AHEAD - 1)];
    const uint8_t *directory = LIKELY(a->region == va >> 30 && a->root == m->regime.root && a->host)
                                   ? a->host
                                   : find_directory(m, va);
    return directory ? directory + (va >> 21 & 511) * 8 : NULL;
}

/* The page table that the PDE of va points to; 0: none. */
static inline mmu_pa table_ahead(struct mmu *m, mmu_va va)
{
    const uint8_t *at = pde_ahead(m, va);
    uint64_t e = 0;
    if (at)
        memcpy(&e, at, 8);
    return e & PTE_PS ? 0 : e & m->regime.address_mask;
}

void mmu_look_ahead(struct mmu *m, mmu_va pde, mmu_va table, mmu_va pte)
{
    if (!m->regime.geometry->long_mode)
        return;
    const uint8_t *at = pde_ahead(m, pde);
    if (at)
        __builtin_prefetch(at);
    mmu_pa second = table_ahead(m, table);
    phys_prefetch(m->phys, second >> PAGE_SHIFT);
    mmu_pa line = second + (table >> PAGE_SHIFT & 504) * 8; /* of 64 bytes */
    if (m->config->memory.reads == MMU_READS_CACHED && line != m->ahead_line)
        pcache_prefetch(&m->pcache, m->ahead_line = line);
    const uint8_t *page = phys_page(m->phys, table_ahead(m, pte) >> PAGE_SHIFT);
    if (page)
        __builtin_prefetch(page + (pte >> PAGE_SHIFT & 511) * 8);
}

static void check_hot(const struct mmu *m)
{
    const struct hot_entry *none = &m->hot.entry[0];
    REQUIRE(none->allow == 0);
    for (unsigned i = 0; i < m->tlbs; i++) {
        const struct tlb *t = &m->tlb[i];
        for (uint32_t e = 0; t->hot != TLB_NONE && e < t->sets * t->ways; e++) {
            const struct hot_entry *h = &m->hot.entry[t->hot + e];
            uint64_t tag = t->tag[e];
            REQUIRE(h->allow == mmu_hot_allow(m, t, e)); /* less would be right, and slow */
            if (!h->allow)
                continue;
            unsigned page = tlb_tag_page(tag);
            REQUIRE(tlb_vpn(h->page << PAGE_SHIFT, page) == (tag & TLB_VPN_MASK) &&
                    h->base == t->entry[e].base);
        }
    }
}

void mmu_check(const struct mmu *m)
{
    uint32_t others = 0;
    for (unsigned i = 0; i < m->tlbs; i++) {
        const struct tlb *t = &m->tlb[i];
        tlb_check(t);
        others += t->config->entries - t->free - t->held[MMU_4K];
    }
    REQUIRE(others == m->others);
    mmu_classify_check(m);
    check_hot(m);
    phys_check(m->phys);
    uint64_t charged = 0;
    struct mmu_walk_stats busy = {0};
    for (unsigned p = 0; p < MMU_PARTS; p++)
        charged += m->charged[p];
    walkers_stats(&m->walkers, &busy);
    REQUIRE(charged >= busy.pending[0]); /* every busy cycle was charged to somebody */
}
