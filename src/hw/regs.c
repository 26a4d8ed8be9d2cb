/*
 * regs.c: register loads: what they refuse (#GP), what they drop, when they read the PDPTEs (SDM vol.
 * 3, 2.5, 4.1.2, 4.4.1, 4.10.4).
 *
 * Choices where the manual leaves room: a change of CR4.PSE drops everything, and so does a change of
 * EFER.NXE, for which the manual lists nothing and software flushes. An 80386 has no CR0.WP: the bit reads as
 * 0.
 */
#include "mmu.h"
#include <string.h>

/* Reads the four PDPTEs at a root; false when one that is present has a reserved bit set (then nothing
 * changes), or no memory answers. */
static bool read_pdptes(const struct mmu *m, const struct regime *r, mmu_pa root, uint64_t pdpte[4])
{
    const uint64_t reserved = regime_pdpte_reserved(r);
    const uint8_t *page = phys_page(m->phys, root >> PAGE_SHIFT);
    for (unsigned i = 0; i < 4; i++) {
        if (LIKELY(page))
            memcpy(&pdpte[i], page + (root & PAGE_MASK) + 8 * i, 8); /* 32 bytes do not cross a page */
        else if (!phys_load_slow(m->phys, root + 8 * i, 8, &pdpte[i]))
            return false;
        if ((pdpte[i] & PTE_P) && (pdpte[i] & reserved))
            return false;
    }
    return true;
}

/* May CR3 have this value in this mode? */
static bool is_root(const struct regime *r, enum mmu_mode mode, uint64_t cr3)
{
    return mode < MMU_MODE_4L || !(cr3 & BITS(63, r->cpu.maxphyaddr));
}

/* Is there any combination of registers that the processor refuses? Those of PG, PAE, LME, LA57 and PCIDE. */
static bool is_consistent(const struct regime *r, const uint64_t *reg)
{
    uint64_t cr0 = reg[MMU_REG_CR0], cr3 = reg[MMU_REG_CR3], cr4 = reg[MMU_REG_CR4], efer = reg[MMU_REG_EFER];
    enum mmu_mode mode = regime_mode(cr0, cr4, efer);
    if (cr0 >> 32 || ((cr0 & CR0_PG) && !(cr0 & CR0_PE)) || ((cr0 & CR0_NW) && !(cr0 & CR0_CD)))
        return false;
    if ((cr4 & regime_cr4_reserved(&r->cpu)) || (efer & regime_efer_reserved(&r->cpu)))
        return false;
    if ((cr0 & CR0_PG) && (efer & EFER_LME) && !(cr4 & CR4_PAE))
        return false;
    if ((cr4 & CR4_PCIDE) && mode < MMU_MODE_4L)
        return false;
    if (!is_root(r, mode, cr3))
        return false;
    return reg[MMU_REG_AC] <= 1 && reg[MMU_REG_CPL] <= 3 && reg[MMU_REG_PKRU] >> 32 == 0 &&
           reg[MMU_REG_PKRS] >> 32 == 0;
}

/* Takes `next` over, with the PDPTEs when they are due; false: #GP, nothing changed. */
static bool adopt(struct mmu *m, struct regime *next, bool pdptes)
{
    if (!next->cpu.wp)
        next->reg[MMU_REG_CR0] &= ~CR0_WP;
    regime_derive(next);
    if (pdptes && next->mode == MMU_MODE_PAE && !read_pdptes(m, next, next->root, next->pdpte))
        return false;
    bool same_rights = next->mode == m->regime.mode && next->keys == m->regime.keys &&
                       memcmp(next->allowed, m->regime.allowed, sizeof next->allowed) == 0 &&
                       memcmp(next->key_denied, m->regime.key_denied, sizeof next->key_denied) == 0;
    m->regime = *next;
    m->changes++;
    if (!same_rights)
        mmu_hot_sync_all(m);
    return true;
}

/* What a load of CR0 or CR4 must drop, beyond what its value says. */
static void drop_after_control(struct mmu *m, enum mmu_reg reg, uint64_t before, uint64_t now)
{
    uint64_t changed = before ^ now;
    bool everything = false, current = false;
    if (reg == MMU_REG_CR0) {
        everything = (changed & CR0_PG) && !(now & CR0_PG);
    } else if (reg == MMU_REG_CR4) {
        everything = (changed & (CR4_PGE | CR4_PSE)) || ((changed & CR4_PCIDE) && !(now & CR4_PCIDE)) ||
                     (changed & CR4_LA57);
        current = (changed & CR4_PAE) || ((changed & CR4_SMEP) && (now & CR4_SMEP));
    } else {
        everything = changed & (EFER_NXE | EFER_LME);
    }
    if (everything)
        mmu_drop_everything(m, MMU_BY_CONTROL);
    else if (current)
        mmu_drop_current(m, MMU_BY_CONTROL);
}

static enum mmu_outcome set_control(struct mmu *m, enum mmu_reg reg, uint64_t value, bool *pdptes_read)
{
    const uint64_t *old = m->regime.reg;
    struct regime next = m->regime;
    uint64_t before = old[reg];
    bool paging = old[MMU_REG_CR0] & CR0_PG, long_mode = old[MMU_REG_EFER] & EFER_LMA;
    if (reg == MMU_REG_EFER)
        value = (value & ~EFER_LMA) | (before & EFER_LMA); /* LMA is the processor's */
    uint64_t changed = before ^ value;

    if (reg == MMU_REG_CR0 && paging && (changed & CR0_PG) && (old[MMU_REG_CR4] & CR4_PCIDE))
        return MMU_FAULT_GP;
    if (reg == MMU_REG_CR4 && long_mode && (changed & (CR4_LA57 | CR4_PAE)))
        return MMU_FAULT_GP;
    if (reg == MMU_REG_CR4 && (changed & value & CR4_PCIDE) && (!long_mode || (old[MMU_REG_CR3] & CR3_PCID)))
        return MMU_FAULT_GP;
    if (reg == MMU_REG_EFER && paging && (changed & EFER_LME))
        return MMU_FAULT_GP;
    next.reg[reg] = value;
    if (!is_consistent(&m->regime, next.reg))
        return MMU_FAULT_GP;
    bool pae_bits = reg == MMU_REG_CR0
                        ? changed & (CR0_PG | CR0_CD | CR0_NW)
                        : reg == MMU_REG_CR4 && (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP));
    if (!adopt(m, &next, pae_bits))
        return MMU_FAULT_GP;
    *pdptes_read = pae_bits && m->regime.mode == MMU_MODE_PAE;
    drop_after_control(m, reg, before, value);
    return MMU_DONE;
}

static enum mmu_outcome set_cr3(struct mmu *m, uint64_t value, bool *pdptes_read)
{
    struct regime *r = &m->regime;
    bool pcide = r->reg[MMU_REG_CR4] & CR4_PCIDE;
    bool keep = value & CR3_NOFLUSH;
    if (r->mode < MMU_MODE_4L && (r->reg[MMU_REG_CR0] & CR0_PG))
        value &= BITS(31, 0); /* a 32-bit register */
    else if (keep && !pcide)
        return MMU_FAULT_GP;
    value &= ~CR3_NOFLUSH;
    uint64_t pdpte[4]; /* the other registers are consistent, whatever CR3 was */
    if (!is_root(r, r->mode, value) ||
        (r->mode == MMU_MODE_PAE && !read_pdptes(m, r, value & r->root_mask, pdpte)))
        return MMU_FAULT_GP;
    if (r->mode == MMU_MODE_PAE)
        memcpy(r->pdpte, pdpte, sizeof pdpte);
    regime_set_cr3(r, value);
    m->changes++;
    *pdptes_read = r->mode == MMU_MODE_PAE;
    if (!keep || !pcide)
        mmu_drop_pcid(m, r->pcid, MMU_BY_MOV_CR3);
    mmu_drop_unkept(m, MMU_BY_MOV_CR3);
    return MMU_DONE;
}

bool mmu_regime_behind(const struct mmu *m, uint64_t cr3, struct regime *next)
{
    *next = m->regime;
    cr3 &= ~CR3_NOFLUSH;
    if (next->mode == MMU_MODE_PAE && !read_pdptes(m, next, cr3 & next->root_mask, next->pdpte))
        return false;
    regime_set_cr3(next, cr3);
    return true;
}

enum mmu_outcome mmu_set_register(struct mmu *m, enum mmu_reg reg, uint64_t value, bool *pdptes_read)
{
    *pdptes_read = false;
    REQUIRE(reg < MMU_REGS);
    bool free = reg == MMU_REG_CR2 || reg == MMU_REG_AC || reg == MMU_REG_CPL || reg == MMU_REG_PKRU;
    if (!free && m->regime.reg[MMU_REG_CPL] > 0)
        return MMU_FAULT_GP;
    if (reg == MMU_REG_CR3)
        return set_cr3(m, value, pdptes_read);
    if (reg == MMU_REG_CR0 || reg == MMU_REG_CR4 || reg == MMU_REG_EFER)
        return set_control(m, reg, value, pdptes_read);
    if (reg == MMU_REG_CR2 || (reg == MMU_REG_CPL && value <= 3)) {
        m->regime.reg[reg] = value; /* nothing follows from it */
        return MMU_DONE;
    }
    struct regime next = m->regime;
    next.reg[reg] = value;
    if (!is_consistent(&m->regime, next.reg))
        return MMU_FAULT_GP;
    adopt(m, &next, false);
    return MMU_DONE;
}

enum mmu_outcome mmu_load_registers(struct mmu *m, const struct mmu_registers *registers)
{
    struct regime next = m->regime;
    memcpy(next.reg, registers->value, sizeof next.reg);
    if (regime_mode(next.reg[MMU_REG_CR0], next.reg[MMU_REG_CR4], next.reg[MMU_REG_EFER]) < MMU_MODE_4L)
        next.reg[MMU_REG_CR3] &= BITS(31, 0);
    if (!is_consistent(&m->regime, next.reg) || !adopt(m, &next, true))
        return MMU_FAULT_GP;
    mmu_drop_everything(m, MMU_BY_CONTROL);
    return MMU_DONE;
}

enum mmu_outcome mmu_task_switch(struct mmu *m, uint64_t cr3, bool *pdptes_read)
{
    *pdptes_read = false;
    bool same = (cr3 & BITS(31, 0)) == m->regime.reg[MMU_REG_CR3];
    if (m->regime.mode >= MMU_MODE_4L)
        return MMU_FAULT_GP; /* no task switches in IA-32e mode (SDM vol. 3, 8.7) */
    return same ? MMU_DONE : set_cr3(m, cr3, pdptes_read);
}
