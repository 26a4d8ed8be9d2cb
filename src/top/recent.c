/* recent.c: see recent.h. */
#include "recent.h"
#include <string.h>

/* Two kinds whose references may touch one first-level structure. */
static bool are_joint(const struct mmu *m, unsigned a, unsigned b)
{
    for (unsigned i = 0; m->levels && i < m->serving[0][a].n; i++)
        if (m->serving[0][a].tlb[i]->config->kinds >> b & 1)
            return true;
    return false;
}

static bool ask_the_same(const struct mmu_serving *a, const struct mmu_serving *b)
{
    for (unsigned i = 0; i < a->n && a->n == b->n; i++)
        if (a->tlb[i] != b->tlb[i])
            return false;
    return a->n == b->n;
}

bool recent_suits_runs(const struct mmu *m)
{
    for (unsigned kind = 0; kind < MMU_KINDS; kind++)
        if (!m->levels || m->serving[0][kind].n == 0)
            return false;
    bool apart = !are_joint(m, MMU_FETCH, MMU_LOAD) && !are_joint(m, MMU_FETCH, MMU_STORE);
    return apart && (!are_joint(m, MMU_LOAD, MMU_STORE) ||
                     ask_the_same(&m->serving[0][MMU_LOAD], &m->serving[0][MMU_STORE]));
}

void recent_forget(struct recent *r, const struct mmu *m)
{
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        const struct tlb *t = m->others ? NULL : m->plain[kind].first; /* nothing but 4-KByte entries */
        bool by_set = t && t->masked && t->fold == 63;
        r->sets[kind] = !by_set ? 1 : t->sets < RECENT_SLOTS ? t->sets : RECENT_SLOTS;
    }
    memset(r->page, 0xff, sizeof r->page); /* RECENT_NONE */
    r->stale = false;
}

void recent_plan(struct recent *r, const struct mmu *m)
{
    for (unsigned a = 0; a < MMU_KINDS; a++)
        for (unsigned b = 0; b < MMU_KINDS; b++)
            r->joint[a] |= (uint8_t)(a != b && are_joint(m, a, b) ? 1u << b : 0);
    recent_forget(r, m);
    r->on = true;
    r->left = RECENT_WINDOW;
    r->pause = RECENT_PAUSE;
}

uint32_t recent_judge(struct recent *r)
{
    bool was_on = r->on;
    uint32_t pause = r->pause;
    r->on = !was_on || r->heads * RECENT_SHARE <= RECENT_WINDOW;
    r->heads = 0;
    if (!was_on) {
        r->stale = true;
        return RECENT_WINDOW;
    }
    r->pause = r->on ? RECENT_PAUSE : pause < RECENT_PAUSE_MAX ? 2 * pause : pause;
    return r->on ? RECENT_WINDOW : pause;
}

void recent_end_alike(struct recent *r, unsigned kind, uint64_t page, const struct hot_entry *e)
{
    unsigned s = (unsigned)page & (RECENT_SLOTS - 1);
    for (unsigned t = s & (r->sets[kind] - 1); t < RECENT_SLOTS; t += r->sets[kind])
        if (t != s || r->entry[t][kind] != e)
            r->page[t][kind] = RECENT_NONE;
}
