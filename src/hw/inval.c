/*
 * inval.c: what drops cached translations: INVLPG, INVPCID, and the sweeps that register loads and page
 * faults need (SDM vol. 3, 4.10.4).
 *
 * Exactly what the manual demands is dropped, with these choices where it leaves room: INVLPG and page faults
 * drop the global entries of the page under any PCID and leave other pages alone; a page fault drops only the
 * paging-structure-cache entries that its address would use.
 */
#include "mmu.h"

/* Books what one structure lost. */
static void book(struct mmu *m, unsigned i, uint32_t dropped, unsigned cause)
{
    m->tlb_stats[i].flushed[cause] += dropped;
}

static void notify_dropped(struct mmu *m, mmu_va va, uint32_t dropped)
{
    if (!mmu_observes(m, MMU_EV_INVALIDATE))
        return;
    struct mmu_event event = {.type = MMU_EV_INVALIDATE, .pcid = m->regime.pcid, .reads = dropped, .va = va};
    mmu_notify(m, &event);
}

/* The entries that translate va, of a PCID and (when asked) global ones; returns the number. absent: bit set
 * of structures that are known to hold none, but for other pieces of its page. */
static uint32_t drop_translations(struct mmu *m, mmu_va va, uint16_t pcid, bool globals, unsigned cause,
                                  uint32_t absent)
{
    uint32_t dropped = 0;
    for (unsigned i = 0; i < m->tlbs; i++) {
        const struct tlb *t = &m->tlb[i];
        bool none = t->free == t->entries || ((absent >> i & 1) && !t->fractured);
        if (none && LIKELY(!t->shadow))
            continue;
        uint32_t n = tlb_drop_page(&m->tlb[i], va, pcid, globals);
        book(m, i, n, cause);
        dropped += n;
    }
    return dropped;
}

void mmu_drop_page(struct mmu *m, mmu_va va, unsigned cause, uint32_t absent)
{
    uint32_t dropped = drop_translations(m, va, m->regime.pcid, true, cause, absent);
    if (m->regime.geometry)
        dropped += psc_drop_address(&m->psc, m->regime.geometry, va, m->regime.pcid, m->psc_stats, cause);
    notify_dropped(m, va, dropped);
}

/* Sweeps over all structures: `pcid` alone, `pcid` and globals, everything but globals, everything. */
enum sweep { SWEEP_PCID, SWEEP_PCID_AND_GLOBAL, SWEEP_NONGLOBAL, SWEEP_ALL };

static uint32_t sweep_tlb(struct tlb *t, enum sweep what, uint16_t pcid)
{
    switch (what) {
    case SWEEP_PCID:
        return tlb_drop_pcid(t, pcid);
    case SWEEP_PCID_AND_GLOBAL:
        return tlb_drop_pcid(t, pcid) + tlb_drop_globals(t);
    default:
        return tlb_drop_all(t, what == SWEEP_ALL);
    }
}

static void sweep(struct mmu *m, enum sweep what, uint16_t pcid, unsigned cause)
{
    uint32_t dropped = 0;
    for (unsigned i = 0; i < m->tlbs; i++) {
        struct tlb *t = &m->tlb[i];
        uint32_t n = sweep_tlb(t, what, pcid);
        book(m, i, n, cause);
        dropped += n;
    }
    dropped += what <= SWEEP_PCID_AND_GLOBAL ? psc_drop_pcid(&m->psc, pcid, m->psc_stats, cause)
                                             : psc_drop_all(&m->psc, m->psc_stats, cause);
    notify_dropped(m, 0, dropped);
}

void mmu_drop_pcid(struct mmu *m, uint16_t pcid, unsigned cause)
{
    sweep(m, SWEEP_PCID, pcid, cause);
}

void mmu_drop_current(struct mmu *m, unsigned cause)
{
    sweep(m, SWEEP_PCID_AND_GLOBAL, m->regime.pcid, cause);
}

void mmu_drop_nonglobal(struct mmu *m, unsigned cause)
{
    sweep(m, SWEEP_NONGLOBAL, 0, cause);
}

void mmu_drop_everything(struct mmu *m, unsigned cause)
{
    sweep(m, SWEEP_ALL, 0, cause);
}

void mmu_drop_unkept(struct mmu *m, unsigned cause)
{
    uint32_t dropped = 0;
    for (uint32_t left = m->forgetful; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        if (m->tlb[i].free == m->tlb[i].entries && LIKELY(!m->tlb[i].shadow))
            continue;
        uint32_t n = tlb_drop_all(&m->tlb[i], false);
        book(m, i, n, cause);
        dropped += n;
    }
    if (dropped)
        notify_dropped(m, 0, dropped);
}

enum mmu_outcome mmu_invlpg(struct mmu *m, mmu_va va)
{
    const struct regime *r = &m->regime;
    if (!r->cpu.invlpg)
        return MMU_FAULT_UD;
    if (r->reg[MMU_REG_CPL] > 0)
        return MMU_FAULT_GP;
    if (r->geometry && r->geometry->long_mode && !is_canonical(va, r->va_bits))
        return MMU_DONE; /* no operation */
    m->changes++;
    uint32_t dropped = drop_translations(m, va, r->pcid, true, MMU_BY_INVLPG, 0);
    dropped += psc_drop_pcid(&m->psc, r->pcid, m->psc_stats, MMU_BY_INVLPG);
    notify_dropped(m, va, dropped);
    return MMU_DONE;
}

enum mmu_outcome mmu_invpcid(struct mmu *m, uint64_t type, const struct mmu_invpcid *descriptor)
{
    const struct regime *r = &m->regime;
    bool pcide = r->reg[MMU_REG_CR4] & CR4_PCIDE;
    if (!r->cpu.invpcid)
        return MMU_FAULT_UD;
    if (r->reg[MMU_REG_CPL] > 0 || type > 3 || descriptor->pcid >> 12 != 0)
        return MMU_FAULT_GP;
    if (type < 2 && !pcide && descriptor->pcid != 0)
        return MMU_FAULT_GP;
    if (type == 0 && r->geometry && r->geometry->long_mode && !is_canonical(descriptor->va, r->va_bits))
        return MMU_FAULT_GP;
    m->changes++;
    uint16_t pcid = (uint16_t)descriptor->pcid;
    switch (type) {
    case 0: {
        uint32_t dropped = drop_translations(m, descriptor->va, pcid, false, MMU_BY_INVPCID, 0);
        if (r->geometry)
            dropped +=
                psc_drop_address(&m->psc, r->geometry, descriptor->va, pcid, m->psc_stats, MMU_BY_INVPCID);
        notify_dropped(m, descriptor->va, dropped);
        break;
    }
    case 1:
        mmu_drop_pcid(m, pcid, MMU_BY_INVPCID);
        break;
    default:
        type == 2 ? mmu_drop_everything(m, MMU_BY_INVPCID) : mmu_drop_nonglobal(m, MMU_BY_INVPCID);
    }
    return MMU_DONE;
}
