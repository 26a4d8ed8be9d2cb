/* look.c: a walk and an access without side effects: nothing is set, filled, touched, counted or charged. See
 * walk.h and <mmusim/walk.h>. */
#include "mmu.h"
#include <string.h>

/* Everything that speaks against the access, from the rights and key of the leaf. */
static uint32_t causes(const struct regime *r, const struct walk *w, unsigned rights, unsigned key)
{
    unsigned kind = w->class % MMU_KINDS, priv = w->class / MMU_KINDS;
    bool user_page = rights & RIGHT_U, user = priv == MMU_USER;
    uint64_t cr0 = r->reg[MMU_REG_CR0], cr4 = r->reg[MMU_REG_CR4];
    uint32_t why = 0;
    if (user && !user_page)
        why |= MMU_WHY_USER;
    if (kind == MMU_STORE && !(rights & RIGHT_W) && (user || (cr0 & CR0_WP)))
        why |= MMU_WHY_WRITE;
    if (kind == MMU_FETCH && (rights & RIGHT_X))
        why |= MMU_WHY_EXECUTE;
    if (kind == MMU_FETCH && !user && user_page && (cr4 & CR4_SMEP))
        why |= MMU_WHY_SMEP;
    if (kind != MMU_FETCH && !user && user_page && (cr4 & CR4_SMAP) &&
        !(priv == MMU_SUPERVISOR && r->reg[MMU_REG_AC]))
        why |= MMU_WHY_SMAP;
    if (r->key_denied[user_page][key] >> w->class & 1)
        why |= MMU_WHY_KEY;
    return why;
}

static void add_step(struct mmu_walk *to, const struct walk *w, const struct geometry *g, uint64_t entry)
{
    struct mmu_walk_step *s = &to->step[to->steps++];
    s->level = w->level;
    s->bytes = g->entry_bytes;
    s->index = (uint16_t)(w->va >> level_shift(g, w->level) & (BIT(g->index_bits) - 1));
    s->pa = walk_entry_pa(g, w);
    s->entry = entry;
}

/* The PDPTE register that a PAE walk begins with. */
static void add_pdpte(struct mmu_walk *to, const struct regime *r, mmu_va va)
{
    unsigned index = (unsigned)(va >> 30 & 3);
    to->step[to->steps++] = (struct mmu_walk_step){.level = 3,
                                                   .bytes = 8,
                                                   .from_register = true,
                                                   .index = (uint16_t)index,
                                                   .pa = r->root + 8 * index,
                                                   .entry = r->pdpte[index],
                                                   .reserved = r->pdpte[index] & regime_pdpte_reserved(r)};
}

/* What the leaf entry says, whether or not it lets the access through. */
static void describe_leaf(struct mmu_walk *to, const struct regime *r, const struct walk *w, uint64_t e)
{
    const struct geometry *g = r->geometry;
    unsigned rights = (w->rights & (unsigned)(e >> 1) & (RIGHT_W | RIGHT_U)) | (w->rights & RIGHT_X);
    rights |= g->has_xd && (e & PTE_XD) ? RIGHT_X : 0;
    unsigned shift = w->level == 1 ? 12 : w->level == 3 ? 30 : g->entry_bytes == 4 ? 22 : 21;
    to->page_shift = (uint8_t)shift;
    to->key = g->has_keys ? (uint8_t)PTE_KEY(e) : 0;
    to->writable = rights & RIGHT_W;
    to->user = rights & RIGHT_U;
    to->no_execute = rights & RIGHT_X;
    to->global = r->global_pages && (e & PTE_G);
    to->dirty = e & PTE_D;
    to->accessed = e & PTE_A;
    to->pcd = e & PTE_PCD;
    to->pwt = e & PTE_PWT;
    to->pa = walk_frame(g, r, w->level, e) + (w->va & (BIT(shift) - 1));
    to->why |= causes(r, w, rights, to->key);
}

static enum mmu_outcome end_outside(struct mmu_walk *to, mmu_pa pa)
{
    to->pa = pa;
    to->why = MMU_WHY_MEMORY;
    return to->outcome = MMU_FAULT_MEMORY;
}

/* The walk's steps over the tables as they stand. */
static void look_steps(const struct mmu *m, const struct regime *r, struct walk *w, struct mmu_walk *to)
{
    const struct geometry *g = r->geometry;
    for (;;) {
        uint64_t e, update;
        mmu_pa pa = walk_entry_pa(g, w);
        if (!phys_load(m->phys, pa, g->entry_bytes, &e)) {
            end_outside(to, pa);
            return;
        }
        add_step(to, w, g, e);
        struct mmu_walk_step *s = &to->step[to->steps - 1];
        s->leaf =
            w->level == 1 || ((g->large >> w->level & 1) && (e & PTE_PS) && (g->entry_bytes == 8 || r->pse));
        s->reserved =
            e & PTE_P ? e & (s->leaf ? r->reserved_leaf[w->level] : r->reserved_table[w->level]) : 0;
        struct walk before = *w;
        enum walk_verdict verdict = walk_entry(g, r, w, e, &update);
        if (verdict != WALK_DESCEND) {
            to->outcome = verdict == WALK_LEAF ? MMU_DONE : MMU_FAULT_PF;
            to->error_code = verdict == WALK_LEAF ? 0 : w->error_code;
            to->why = !(e & PTE_P) ? MMU_WHY_NOT_PRESENT : s->reserved ? MMU_WHY_RESERVED : 0;
            if (!to->why)
                describe_leaf(to, r, &before, e);
            return;
        }
        walk_commit(g, r, w, verdict, e, 0);
    }
}

void mmu_look(const struct mmu *m, const struct mmu_access *access, struct mmu_walk *walk)
{
    const struct regime *r = &m->regime;
    unsigned class = CLASS(MMU_KIND_OF(access->kind), MMU_PRIV_OF(access->kind));
    struct walk w = {.va = access->va, .class = (uint8_t) class};
    memset(walk, 0, sizeof *walk);
    walk->mode = (uint8_t)r->mode;
    if (!r->geometry) {
        walk->pa = access->va;
        return;
    }
    if (r->geometry->long_mode && !is_canonical(access->va, r->va_bits)) {
        walk->why = MMU_WHY_CANONICAL;
        walk->outcome = MMU_FAULT_GP;
        return;
    }
    if (r->mode == MMU_MODE_PAE)
        add_pdpte(walk, r, access->va);
    if (walk_begin(r, &w, NULL)) {
        look_steps(m, r, &w, walk);
        return;
    }
    walk->outcome = MMU_FAULT_PF;
    walk->error_code = w.error_code;
    walk->why = MMU_WHY_NOT_PRESENT;
}

/* What a probe looks at. */
struct probe {
    const struct mmu *m;
    const struct regime *r;
    bool switched; /* a MOV CR3 comes first: r is behind it */
    bool flushed;  /* ... and it drops what is not global of the PCID that it loads */
};

/* As hit() in mmu.c would answer from this entry; false: it would walk. */
static bool probe_entry(const struct probe *p, struct request *q, unsigned level, const struct tlb *t,
                        uint32_t index)
{
    const struct tlb_entry *e = &t->entry[index];
    bool allowed = regime_allowed(p->r, e->rights, e->key) >> q->class & 1;
    if (!allowed && p->m->config->walk.rewalk_before_fault)
        return false;
    if (allowed && q->kind == MMU_STORE && !e->dirty)
        return false;
    q->where = allowed ? (uint8_t)(MMU_AT_L1 + level) : MMU_AT_FAULT;
    q->outcome = allowed ? MMU_DONE : MMU_FAULT_PF;
    q->page = e->origin;
    q->pa = allowed ? e->base + (q->va & (BIT(page_shift(tlb_tag_page(t->tag[index]))) - 1)) : 0;
    bool key = p->r->key_denied[e->rights & RIGHT_U ? 1 : 0][e->key] >> q->class & 1;
    q->error_code = allowed ? 0 : regime_error_code(p->r, q->class, MMU_PF_P | (key ? MMU_PF_PK : 0u));
    return true;
}

/* A walk without effects, from where a paging-structure cache would let it begin. */
static enum mmu_outcome probe_walk(const struct probe *p, struct request *q)
{
    const struct mmu *m = p->m;
    const struct regime *r = p->r;
    unsigned level;
    const struct psc_entry *from =
        m->psc.any && !p->flushed ? psc_peek(&m->psc, r->geometry, q->va, r->pcid, &level) : NULL;
    struct walk w = {.va = q->va, .class = q->class};
    struct mmu_walk seen = {0};
    if (walk_begin(r, &w, from ? &from->start : NULL)) {
        look_steps(m, r, &w, &seen);
    } else {
        seen.outcome = MMU_FAULT_PF;
        seen.error_code = w.error_code;
    }
    q->where = seen.outcome == MMU_DONE ? MMU_AT_WALK : MMU_AT_FAULT;
    q->error_code = seen.error_code;
    q->pa = seen.outcome == MMU_FAULT_PF ? 0 : seen.pa;
    for (unsigned page = 0; page < MMU_PAGES; page++)
        if (page_shift(page) == seen.page_shift)
            q->page = (uint8_t)page;
    return q->outcome = seen.outcome;
}

/* The entry of a structure that answers, or TLB_NONE. */
static uint32_t probe_find(const struct probe *p, const struct tlb *t, mmu_va va, unsigned page)
{
    uint32_t index = tlb_find(t, va, page, p->r->pcid);
    bool forgets = p->flushed || (p->switched && p->m->forgetful >> (t - p->m->tlb) & 1);
    return index != TLB_NONE && forgets && !(t->tag[index] & TLB_GLOBAL) ? TLB_NONE : index;
}

static enum mmu_outcome probe(const struct probe *p, struct request *q)
{
    const struct geometry *g = p->r->geometry;
    q->error_code = 0;
    if (!g || (g->long_mode && !is_canonical(q->va, g->va_bits))) {
        q->where = g ? MMU_AT_FAULT : MMU_AT_NOPAGING;
        q->page = MMU_PAGES;
        q->pa = g ? 0 : q->va;
        return q->outcome = g ? MMU_FAULT_GP : MMU_DONE;
    }
    for (unsigned l = 0; l < p->m->levels; l++) {
        const struct mmu_serving *s = &p->m->serving[l][q->kind];
        for (unsigned i = 0; i < s->n * MMU_PAGES; i++) {
            const struct tlb *t = s->tlb[i / MMU_PAGES];
            uint32_t index = probe_find(p, t, q->va, i % MMU_PAGES);
            if (index != TLB_NONE)
                return probe_entry(p, q, l, t, index) ? q->outcome : probe_walk(p, q);
        }
    }
    return probe_walk(p, q);
}

enum mmu_outcome mmu_probe(const struct mmu *m, struct request *q)
{
    return probe(&(struct probe){.m = m, .r = &m->regime}, q);
}

enum mmu_outcome mmu_probe_behind(const struct mmu *m, uint64_t cr3, struct request *q)
{
    struct regime next;
    bool keeps = (cr3 & CR3_NOFLUSH) && (m->regime.reg[MMU_REG_CR4] & CR4_PCIDE);
    if (!mmu_regime_behind(m, cr3, &next))
        return mmu_probe(m, q);
    return probe(&(struct probe){m, &next, .switched = true, .flushed = !keeps}, q);
}

const char *mmu_walk_level_name(unsigned level)
{
    static const char *const name[] = {"PTE", "PDE", "PDPTE", "PML4E", "PML5E"};
    REQUIRE(level >= 1 && level <= COUNT_OF(name));
    return name[level - 1];
}
