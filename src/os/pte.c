/* pte.c: entries of the user part's PTE tables. See pte.h. */
#include "pte.h"
#include "file.h"
#include <string.h>

uint64_t pte_prot(const struct mmu_os *os, const struct vma *vma)
{
    const struct kspace_traits *t = &os->kspace->traits;
    bool shared = vma->flags & VMA_SHARED;
    bool notifies = vma->file && vma->file->kind == FILE_ORDINARY; /* vma_wants_writenotify() */
    if (!vma->prot)
        return PTE_PROTNONE | PTE_A;
    return PTE_P | PTE_U | PTE_A | (vma->prot & MMU_PROT_EXEC ? 0 : t->vma_nx) |
           (vma->flags & VMA_KEYED ? PTE_KEY_ONE : 0) |
           ((vma->prot & MMU_PROT_WRITE) && shared && !notifies ? PTE_W : 0);
}

/* Frames of entries that are not present stand inverted (protnone_mask()), but in entries of 4 bytes. */
static uint64_t inversion(const struct mmu_os *os, uint64_t entry)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    return entry && !(entry & PTE_P) && f->entry_bytes == 8 ? f->address : 0;
}

uint64_t pte_make(const struct mmu_os *os, mmu_pfn pfn, uint64_t bits)
{
    return (pfn << PAGE_SHIFT ^ inversion(os, bits)) | bits;
}

mmu_pfn pte_pfn(const struct mmu_os *os, uint64_t entry)
{
    return ((entry ^ inversion(os, entry)) & os->kspace->traits.form->address) >> PAGE_SHIFT;
}

uint64_t pte_modify(const struct mmu_os *os, uint64_t entry, uint64_t prot)
{
    /* _PAGE_CHG_MASK */
    const uint64_t kept = PTE_PCD | PTE_PWT | PTE_SPECIAL | PTE_A | PTE_D | PTE_SOFT_DIRTY | PTE_PAT;
    return pte_make(os, pte_pfn(os, entry), (entry & kept) | (prot & ~kept));
}

mmu_pfn pte_zero_pfn(const struct mmu_os *os)
{
    return kspace_image(os->config).end - 1;
}

int pte_open(struct mmu_os *os, struct mmu_os_pgd *pgd, mmu_va va, bool make, struct pte_slot *slot)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    *slot = (struct pte_slot){0};
    if (make) {
        int status = user_make_tables(os, pgd, va, &slot->table);
        if (status != MMU_OS_DONE)
            return status;
    } else if (!(slot->table = user_find_table(os, pgd, va, NULL))) {
        return MMU_OS_DONE;
    }
    slot->high = user_table_map(os, slot->table >> PAGE_SHIFT);
    slot->at = pgtable_at(f, 1, slot->table, va);
    return MMU_OS_DONE;
}

void pte_close(struct mmu_os *os, struct pte_slot *slot)
{
    user_table_unmap(os, &slot->high);
}

uint64_t pte_look(const struct mmu_os *os, const struct mmu_os_pgd *pgd, mmu_va va, mmu_pa *at)
{
    mmu_pa table = user_find_table(os, pgd, va, NULL);
    mmu_pa entry = pgtable_at(os->kspace->traits.form, 1, table, va);
    if (at)
        *at = table ? entry : 0;
    return table ? pgtable_read(os, entry) : 0;
}

/* ----- a table's worth ----- */

bool pte_block_open(struct mmu_os *os, const struct mmu_os_pgd *pgd, mmu_va va, mmu_va end,
                    struct pte_block *b)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    mmu_va behind = 0;
    mmu_pa table = user_find_table(os, pgd, va, &behind);
    b->va = va;
    b->end = behind < end && behind ? behind : end;
    b->n = 0;
    if (!table)
        return false;
    b->n = (unsigned)((b->end - va) >> PAGE_SHIFT);
    b->at = pgtable_at(f, 1, table, va);
    b->high = user_table_map(os, table >> PAGE_SHIFT);
    if (f->entry_bytes == 8) {
        REQUIRE(port_read(os->hw[0], b->at, b->entry, b->n * sizeof(uint64_t)) == MMU_OK);
        return true;
    }
    uint32_t narrow[1024];
    REQUIRE(port_read(os->hw[0], b->at, narrow, b->n * sizeof *narrow) == MMU_OK);
    for (unsigned i = 0; i < b->n; i++)
        b->entry[i] = narrow[i];
    return true;
}

void pte_block_close(struct mmu_os *os, struct pte_block *b, bool changed)
{
    if (changed && os->kspace->traits.form->entry_bytes == 8) {
        REQUIRE(port_write(os->hw[0], b->at, b->entry, b->n * sizeof(uint64_t)) == MMU_OK);
    } else if (changed) {
        uint32_t narrow[1024];
        for (unsigned i = 0; i < b->n; i++)
            narrow[i] = (uint32_t)b->entry[i];
        REQUIRE(port_write(os->hw[0], b->at, narrow, b->n * sizeof *narrow) == MMU_OK);
    }
    user_table_unmap(os, &b->high);
}

void pte_gather_flush(struct mmu_os *os, struct mmu_os_pgd *pgd, const struct pte_gather *g)
{
    if (g->start < g->end)
        flush_mm_range(os, pgd, g->start, g->end, PAGE_SHIFT);
}
