/*
 * memory_range.c: many entries at once: copied for fork, cleared, given other rights, moved.
 *
 * Models copy_page_range() and zap_page_range() of mm/memory.c, mm/mprotect.c, move_page_tables() of
 * mm/mremap.c, madvise_free_pte_range() of mm/madvise.c. See memory.h.
 */
#include "file.h"
#include "memory.h"
#include "pte.h"
#include "rmap.h"
#include "task.h"

/* The descriptor of the page that an entry maps; NULL: it has none that counts (vm_normal_page()). */
static struct page *normal_page(const struct mmu_os *os, uint64_t entry, mmu_pfn *pfn)
{
    *pfn = pte_pfn(os, entry);
    return entry & PTE_SPECIAL ? NULL : page_peek(os, *pfn);
}

/* ----- fork ----- */

/* copy_present_pte(): one entry for the child; the parent's is write-protected. */
static uint64_t share(struct mmu_os *os, struct mm *child, uint64_t *entry)
{
    mmu_pfn pfn;
    struct page *page = normal_page(os, *entry, &pfn);
    *entry &= ~PTE_W;
    if (page) {
        rmap_add(page);
        page_clear_flags(page, page_is_anon(page) ? PAGE_EXCLUSIVE : 0);
        ++*rmap_rss(child, page);
    }
    child->pgd->mapped++;
    return *entry & ~PTE_A; /* pte_mkold() */
}

/* One table's worth. The child's VMA is new: nothing is mapped there. *changed: the parent's entries are. */
static int copy_block(struct mmu_os *os, struct mm *child, struct pte_block *from, bool *changed)
{
    struct pte_block to;
    struct pte_slot slot;
    unsigned i = 0;
    while (i < from->n && !from->entry[i])
        i++;
    if (i == from->n)
        return MMU_OS_DONE;
    int status = pte_open(os, child->pgd, from->va, true, &slot);
    if (status != MMU_OS_DONE)
        return status;
    pte_close(os, &slot);
    REQUIRE(pte_block_open(os, child->pgd, from->va, from->end, &to));
    for (i = 0; i < from->n; i++) {
        uint64_t before = from->entry[i];
        if (!before)
            continue;
        to.entry[i] = share(os, child, &from->entry[i]);
        *changed |= from->entry[i] != before;
    }
    pte_block_close(os, &to, true);
    return MMU_OS_DONE;
}

/* vma_needs_copy(): what a fault can bring again is left to it. */
static bool needs_copy(const struct vma *vma)
{
    return vma->links || vma->flags & VMA_PFNMAP;
}

int memory_copy(struct mmu_os *os, const struct vma *from, struct vma *to)
{
    struct pte_block b;
    int status = MMU_OS_DONE;
    if (!needs_copy(from))
        return MMU_OS_DONE;
    for (mmu_va va = from->range.start; va < from->range.end && status == MMU_OS_DONE; va = b.end) {
        if (!pte_block_open(os, from->mm->pgd, va, from->range.end, &b))
            continue;
        bool changed = false;
        status = copy_block(os, to->mm, &b, &changed);
        pte_block_close(os, &b, changed);
    }
    return status;
}

void memory_copied(struct mmu_os *os, struct mm *from)
{
    flush_mm_range(os, from->pgd, 0, from->task_size & ~(mmu_va)PAGE_MASK, PAGE_SHIFT);
}

/* ----- zap ----- */

static void zap_entry(struct mmu_os *os, struct mm *mm, uint64_t entry)
{
    mmu_pfn pfn;
    struct page *page = normal_page(os, entry, &pfn);
    mm->pgd->mapped--;
    if (!page)
        return;
    if (!page_is_anon(page) && (entry & PTE_D))
        pagecache_set_dirty(os, page);
    if (!page_is_anon(page) && (entry & PTE_A))
        rmap_mark_accessed(page);
    --*rmap_rss(mm, page);
    rmap_remove(os, page, pfn);
}

void memory_zap(struct mmu_os *os, struct vma *vma, mmu_va start, mmu_va end)
{
    struct pte_block b;
    struct pte_gather gather = {0};
    for (mmu_va va = start; va < end; va = b.end) {
        if (!pte_block_open(os, vma->mm->pgd, va, end, &b))
            continue;
        bool changed = false;
        for (unsigned i = 0; i < b.n; i++) {
            if (!b.entry[i])
                continue;
            if (b.entry[i] & PTE_P)
                pte_gather_add(&gather, va + ((mmu_va)i << PAGE_SHIFT));
            zap_entry(os, vma->mm, b.entry[i]);
            b.entry[i] = 0;
            changed = true;
        }
        pte_block_close(os, &b, changed);
    }
    pte_gather_flush(os, vma->mm->pgd, &gather);
}

void memory_free_tables(struct mmu_os *os, struct mm *mm, mmu_va floor, mmu_va ceiling)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    mmu_va end = f->levels >= 4 ? UINT64_C(1) << (f->va_bits - 1) : mm->task_size;
    if (ceiling >= mm->task_size)
        ceiling = end; /* USER_PGTABLES_CEILING */
    if (user_free_tables(os, mm->pgd, floor, ceiling))
        flush_mm_range(os, mm->pgd, floor, ceiling, PAGE_SHIFT);
}

/* ----- rights ----- */

/* can_change_pte_writable(): would a write fault only make it writable? */
static bool may_write(const struct mmu_os *os, const struct vma *vma, uint64_t entry)
{
    mmu_pfn pfn;
    if (!(vma->prot & MMU_PROT_WRITE) || !(entry & PTE_P) || !(entry & PTE_D))
        return false;
    const struct page *page = normal_page(os, entry, &pfn);
    if (vma->flags & VMA_SHARED)
        return true;
    return page && page_is_anon(page) && (page_flags(page) & PAGE_EXCLUSIVE);
}

/* pte_needs_flush() */
static bool needs_flush(uint64_t before, uint64_t after)
{
    const uint64_t cleared = before & ~after & (PTE_P | PTE_A | PTE_D);
    return (before & PTE_P) && (cleared || ((before ^ after) & (PTE_W | PTE_U | PTE_XD | PTE_KEY_ONE)));
}

void memory_protect(struct mmu_os *os, struct vma *vma, mmu_va start, mmu_va end)
{
    struct pte_block b;
    struct pte_gather gather = {0};
    const uint64_t prot = pte_prot(os, vma);
    for (mmu_va va = start; va < end; va = b.end) {
        if (!pte_block_open(os, vma->mm->pgd, va, end, &b))
            continue;
        bool changed = false;
        for (unsigned i = 0; i < b.n; i++) {
            const uint64_t before = b.entry[i];
            uint64_t after = before ? pte_modify(os, before, prot) : 0;
            if (may_write(os, vma, after))
                after |= PTE_W;
            if (needs_flush(before, after))
                pte_gather_add(&gather, va + ((mmu_va)i << PAGE_SHIFT));
            b.entry[i] = after;
            changed |= after != before;
        }
        pte_block_close(os, &b, changed);
    }
    pte_gather_flush(os, vma->mm->pgd, &gather);
}

void memory_lazy_free(struct mmu_os *os, struct vma *vma, mmu_va start, mmu_va end)
{
    struct pte_block b;
    struct pte_gather gather = {0};
    for (mmu_va va = start; va < end; va = b.end) {
        if (!pte_block_open(os, vma->mm->pgd, va, end, &b))
            continue;
        for (unsigned i = 0; i < b.n; i++) {
            mmu_pfn pfn;
            struct page *page = b.entry[i] ? normal_page(os, b.entry[i], &pfn) : NULL;
            bool dirty = page && (page_flags(page) & 1u << MMU_PG_DIRTY);
            if (!page || !page_is_anon(page) || (dirty && page_mapcount(page) != 1))
                continue;
            if (b.entry[i] & (PTE_A | PTE_D))
                pte_gather_add(&gather, va + ((mmu_va)i << PAGE_SHIFT));
            b.entry[i] &= ~(PTE_A | PTE_D);
            page_clear_flags(page, 1u << MMU_PG_DIRTY | 1u << MMU_PG_SWAPBACKED | 1u << MMU_PG_REFERENCED |
                                       1u << MMU_PG_ACTIVE);
        }
        pte_block_close(os, &b, true);
    }
    pte_gather_flush(os, vma->mm->pgd, &gather);
}

/* ----- moves ----- */

int memory_move(struct mmu_os *os, struct vma *old, mmu_va from, struct vma *new_vma, mmu_va to,
                uint64_t size)
{
    struct mmu_os_pgd *pgd = old->mm->pgd;
    const uint64_t soft = pte_dirty_bits(os) & PTE_SOFT_DIRTY;
    struct pte_gather gather = {0};
    struct pte_block b;
    int status = MMU_OS_DONE;
    (void)new_vma;
    for (mmu_va va = from; va < from + size && status == MMU_OS_DONE; va = b.end) {
        if (!pte_block_open(os, pgd, va, from + size, &b))
            continue;
        bool changed = false;
        for (unsigned i = 0; i < b.n && status == MMU_OS_DONE; i++) {
            struct pte_slot slot;
            mmu_va here = va + ((mmu_va)i << PAGE_SHIFT);
            if (!b.entry[i])
                continue;
            status = pte_open(os, pgd, here - from + to, true, &slot);
            if (status != MMU_OS_DONE)
                break;
            REQUIRE(pgtable_write(os, slot.at, b.entry[i] | soft) == MMU_OK);
            pte_close(os, &slot);
            if (b.entry[i] & PTE_P)
                pte_gather_add(&gather, here);
            b.entry[i] = 0;
            changed = true;
        }
        pte_block_close(os, &b, changed);
    }
    pte_gather_flush(os, pgd, &gather);
    return status;
}
