/* port.c: the operating system's door into the hardware. See port.h. */
#include "port.h"
#include "mmu.h"
#include <string.h>

int port_read(const struct mmu *m, mmu_pa pa, void *to, size_t size)
{
    return phys_read(m->phys, pa, to, size);
}

int port_write(struct mmu *m, mmu_pa pa, const void *from, size_t size)
{
    return phys_write(m->phys, pa, from, size);
}

uint64_t port_entry(const struct mmu *m, mmu_pa pa, unsigned bytes)
{
    uint64_t entry;
    REQUIRE(phys_load(m->phys, pa, bytes, &entry));
    return entry;
}

ALWAYS_INLINE mmu_pa descend(const struct phys *p, mmu_pa table, unsigned *level, mmu_va va, unsigned bytes,
                             uint64_t address)
{
    const unsigned bits = bytes == 8 ? 9 : 10;
    unsigned l = *level;
    for (; l > 1; l--) {
        uint64_t entry, index = va >> (PAGE_SHIFT + bits * (l - 1)) & (BIT(bits) - 1);
        REQUIRE(phys_load(p, table + index * bytes, bytes, &entry));
        if (!(entry & PTE_P))
            break;
        table = entry & address;
    }
    *level = l;
    return table;
}

mmu_pa port_descend(const struct mmu *m, mmu_pa table, unsigned *level, mmu_va va, unsigned bytes,
                    uint64_t address)
{
    return bytes == 8 ? descend(m->phys, table, level, va, 8, address)
                      : descend(m->phys, table, level, va, 4, address);
}

int port_put_entry(struct mmu *m, mmu_pa pa, uint64_t entry, unsigned bytes)
{
    uint8_t *page = phys_page(m->phys, pa >> PAGE_SHIFT);
    if (UNLIKELY(!page))
        return phys_write(m->phys, pa, &entry, bytes);
    if (bytes == 8)
        memcpy(page + (pa & PAGE_MASK), &entry, 8);
    else
        memcpy(page + (pa & PAGE_MASK), &entry, 4); /* its low half: hosts are little-endian */
    return MMU_OK;
}

bool port_answers(const struct mmu *m, mmu_pa pa, uint64_t size)
{
    return phys_answers(m->phys, pa, size);
}

void port_discard(struct mmu *m, mmu_pfn pfn, uint64_t pages)
{
    if (pages > 1 || UNLIKELY(phys_page(m->phys, pfn)))
        phys_discard(m->phys, pfn, pages);
}

uint64_t port_get(const struct mmu *m, enum mmu_reg reg)
{
    return m->regime.reg[reg];
}

/* An operation that serialises was executed: whoever keeps the clock books it. */
static enum mmu_outcome executed(struct mmu *m, enum mmu_outcome outcome, enum mmu_barrier what,
                                 bool pdptes_read)
{
    if (outcome == MMU_DONE && m->barrier)
        m->barrier(m->core, what, pdptes_read);
    return outcome;
}

enum mmu_outcome port_set(struct mmu *m, enum mmu_reg reg, uint64_t value)
{
    bool pdptes_read;
    enum mmu_outcome outcome = mmu_set_register(m, reg, value, &pdptes_read);
    /* The others are ordinary instructions whose time is not modelled. */
    bool control = reg == MMU_REG_CR0 || reg == MMU_REG_CR3 || reg == MMU_REG_CR4 || reg == MMU_REG_EFER;
    return control ? executed(m, outcome, MMU_BARRIER_MOV_CR, pdptes_read) : outcome;
}

enum mmu_outcome port_load(struct mmu *m, const struct mmu_registers *registers)
{
    return mmu_load_registers(m, registers);
}

enum mmu_outcome port_invlpg(struct mmu *m, mmu_va va)
{
    return executed(m, mmu_invlpg(m, va), MMU_BARRIER_INVLPG, false);
}

enum mmu_outcome port_invpcid(struct mmu *m, uint64_t type, const struct mmu_invpcid *descriptor)
{
    return executed(m, mmu_invpcid(m, type, descriptor), MMU_BARRIER_INVPCID, false);
}

bool port_in_tlb(const struct mmu *m, mmu_va va)
{
    for (unsigned level = 0; level < m->levels; level++)
        for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
            const struct mmu_serving *s = &m->serving[level][kind];
            for (unsigned i = 0; i < s->probes; i++)
                if (tlb_find(s->probe[i].tlb, va, s->probe[i].page, m->regime.pcid) != TLB_NONE)
                    return true;
        }
    return false;
}
