/* pgtable.c: geometry, single entries, the walk in software. See pgtable.h. */
#include "pgtable.h"
#include <string.h>

/* _PAGE_TABLE: user and write in every entry above the leaf, whose own bits decide. PAE's PDPTEs have
 * neither; their bits 1, 2, 5 to 8 are reserved. */
#define LINK     (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)
#define PA(high) (((UINT64_C(1) << (high)) - 1) & ~PAGE_MASK)

const struct pgtable_form pgtable_form[MMU_OS_ARCHES] = {
    [MMU_OS_I386] = {.levels = 2,
                     .entry_bytes = 4,
                     .index_bits = 10,
                     .top_bits = 10,
                     .va_bits = 32,
                     .large = 1 << 2,
                     .link = LINK,
                     .top_link = LINK,
                     .address = PA(32)},
    [MMU_OS_I386_PAE] = {.levels = 3,
                         .entry_bytes = 8,
                         .index_bits = 9,
                         .top_bits = 2,
                         .va_bits = 32,
                         .large = 1 << 2,
                         .link = LINK,
                         .top_link = PTE_P,
                         .address = PA(52),
                         .not_execute = PTE_XD},
    [MMU_OS_X86_64] = {.levels = 4,
                       .entry_bytes = 8,
                       .index_bits = 9,
                       .top_bits = 9,
                       .va_bits = 48,
                       .large = 1 << 2 | 1 << 3,
                       .link = LINK,
                       .top_link = LINK,
                       .address = PA(52),
                       .not_execute = PTE_XD},
    [MMU_OS_X86_64_LA57] = {.levels = 5,
                            .entry_bytes = 8,
                            .index_bits = 9,
                            .top_bits = 9,
                            .va_bits = 57,
                            .large = 1 << 2 | 1 << 3,
                            .link = LINK,
                            .top_link = LINK,
                            .address = PA(52),
                            .not_execute = PTE_XD},
};

unsigned pgtable_level_of(const struct pgtable_form *f, unsigned shift)
{
    for (unsigned level = 1; level <= f->levels; level++)
        if (pgtable_shift(f, level) == shift && (level == 1 || (f->large >> level & 1)))
            return level;
    return 0;
}

mmu_pa pgtable_leaf_pa(const struct pgtable_form *f, unsigned level, uint64_t entry)
{
    mmu_pa low = entry & f->address & ~((UINT64_C(1) << pgtable_shift(f, level)) - 1);
    bool pse36 = f->entry_bytes == 4 && level == 2; /* bits 20:13 are address bits 39:32 */
    return low | (pse36 ? (entry >> 13 & 0xff) << 32 : 0);
}

uint64_t pgtable_attributes(const struct pgtable_form *f, unsigned level, uint64_t entry)
{
    uint64_t low = entry & (PAGE_MASK | f->not_execute);
    if (level == 1)
        return low;
    return (low & ~PTE_PS) | (entry & PTE_PAT_LARGE ? PTE_PAT : 0);
}

uint64_t pgtable_leaf(const struct pgtable_form *f, unsigned level, mmu_pa pa, uint64_t attributes)
{
    if (level == 1)
        return pa | attributes;
    uint64_t high = f->entry_bytes == 4 ? (pa >> 32) << 13 : 0;
    uint64_t low = f->entry_bytes == 4 ? pa & UINT32_MAX : pa;
    return low | high | (attributes & ~PTE_PAT) | PTE_PS | (attributes & PTE_PAT ? PTE_PAT_LARGE : 0);
}

uint64_t pgtable_read(const struct mmu_os *os, mmu_pa at)
{
    return port_entry(os->hw[0], at, pgtable_form[os->config->os.arch].entry_bytes);
}

mmu_pa pgtable_descend(const struct mmu_os *os, mmu_pa table, unsigned *level, mmu_va va)
{
    const struct pgtable_form *f = &pgtable_form[os->config->os.arch];
    return port_descend(os->hw[0], table, level, va, f->entry_bytes, f->address);
}

int pgtable_write(struct mmu_os *os, mmu_pa at, uint64_t entry)
{
    int status = port_put_entry(os->hw[0], at, entry, pgtable_form[os->config->os.arch].entry_bytes);
    REQUIRE(status != MMU_ERR_NORAM);
    return status;
}

void pgtable_lookup(const struct mmu_os *os, mmu_pa root, mmu_va va, struct mmu_os_lookup *to)
{
    const struct pgtable_form *f = &pgtable_form[os->config->os.arch];
    memset(to, 0, sizeof *to);
    mmu_pa table = root;
    for (unsigned level = f->levels;; level--) {
        struct mmu_os_entry *e = &to->entry[level - 1];
        e->at = pgtable_at(f, level, table, va);
        e->value = pgtable_read(os, e->at);
        e->present = e->value & PTE_P;
        to->level = level - 1;
        to->page_shift = pgtable_shift(f, level);
        if (pgtable_is_leaf(f, level, e->value)) {
            to->mapped = true;
            to->pa = pgtable_leaf_pa(f, level, e->value) | (va & ((UINT64_C(1) << to->page_shift) - 1));
            return;
        }
        if (!e->present || level == 1)
            return;
        table = e->value & f->address;
    }
}
