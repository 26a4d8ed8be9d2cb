/*
 * classify.c: the classification of TLB misses, turned on and off. What the classes are: shadow.h. Where
 * look-ups are told to the shadows: where they are counted, in mmu.c and mmu_fill.c; invalidations: in tlb.c.
 */
#include "mmu.h"
#include "shadow.h"

static uint64_t classified(const struct mmu_tlb_stats *t, unsigned kind)
{
    return t->compulsory[kind] + t->capacity[kind] + t->conflict[kind];
}

static void end(struct mmu *m)
{
    m->classifies = false;
    for (unsigned i = 0; i < m->tlbs; i++) {
        shadow_free(m->tlb[i].shadow);
        m->tlb[i].shadow = NULL;
    }
}

int mmu_classify(struct mmu *m, bool on)
{
    if (on == m->classifies)
        return MMU_OK;
    end(m);
    for (unsigned i = 0; on && i < m->tlbs; i++) {
        m->tlb[i].shadow = shadow_new(&m->tlb[i]);
        if (!m->tlb[i].shadow) {
            end(m);
            return MMU_ERR_NOMEM;
        }
        for (unsigned kind = 0; kind < MMU_KINDS; kind++)
            m->unclassified[i][kind] = m->tlb_stats[i].misses[kind] - classified(&m->tlb_stats[i], kind);
    }
    m->classifies = on;
    return MMU_OK;
}

bool mmu_classify_failed(const struct mmu *m)
{
    bool failed = false;
    for (unsigned i = 0; m->classifies && i < m->tlbs; i++)
        failed |= shadow_failed(m->tlb[i].shadow);
    return failed;
}

void mmu_classify_check(const struct mmu *m)
{
    for (unsigned i = 0; i < m->tlbs; i++) {
        const struct mmu_tlb_stats *stats = &m->tlb_stats[i];
        REQUIRE(m->classifies == (m->tlb[i].shadow != NULL));
        for (unsigned kind = 0; kind < MMU_KINDS && m->classifies; kind++)
            REQUIRE(classified(stats, kind) + m->unclassified[i][kind] == stats->misses[kind]);
        if (m->classifies)
            shadow_check(m->tlb[i].shadow, &m->tlb[i]);
    }
}
