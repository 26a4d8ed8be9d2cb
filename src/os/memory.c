/*
 * memory.c: a page is brought in: handle_mm_fault() (mm/memory.c) and the VMAs' side of the reverse mapping.
 *
 * See memory.h. What the fault needs is decided from the VMA, the entry and the page's descriptor alone.
 */
#include "memory.h"
#include "alloc.h"
#include "file.h"
#include "pte.h"
#include "rmap.h"
#include "task.h"

/* One fault on its way. */
struct fault {
    struct mmu_os *os;
    struct vma *vma;
    struct memory_fault *f;
    mmu_va va; /* of the page */
    struct pte_slot slot;
    uint64_t entry; /* as it was */
};

/* Simulated memory ran out: the task would be killed. Host memory: the caller's error. */
static int failed(struct fault *x, int status)
{
    if (status < 0)
        return status;
    x->f->signal = MMU_SIG_OOM;
    return MMU_OS_DONE;
}

/* set_pte_at() */
static void set_entry(struct fault *x, uint64_t entry)
{
    x->vma->mm->pgd->mapped += !x->entry;
    REQUIRE(pgtable_write(x->os, x->slot.at, entry) == MMU_OK);
}

/* The bits of an anonymous page that this process alone has, written to. */
static uint64_t anon_bits(const struct fault *x)
{
    uint64_t bits = pte_prot(x->os, x->vma);
    return x->vma->prot & MMU_PROT_WRITE ? bits | PTE_W | pte_dirty_bits(x->os) : bits;
}

/* A new anonymous page in place of what the entry had; the caller fills it. */
static int new_page(struct fault *x, uint32_t gfp, mmu_pfn *pfn)
{
    int status = rmap_prepare(x->os, x->vma);
    if (status == MMU_OK)
        status = alloc_pages_as(x->os, "handle_mm_fault", gfp, 0, pfn);
    if (status == MMU_OK)
        rmap_new_anon(page_peek(x->os, *pfn), x->vma, x->va);
    return status;
}

/* do_anonymous_page() */
static int fault_anon(struct fault *x)
{
    struct mmu_os_vmstat *stat = &x->os->procs->vmstat;
    mmu_pfn pfn;
    if (!x->f->write) {
        set_entry(x, pte_make(x->os, pte_zero_pfn(x->os), pte_prot(x->os, x->vma) | PTE_SPECIAL));
        stat->fault_zero++;
        return MMU_OS_DONE;
    }
    int status = new_page(x, MMU_GFP_HIGHUSER_MOVABLE | MMU___GFP_ZERO, &pfn);
    if (status != MMU_OS_DONE)
        return failed(x, status);
    set_entry(x, pte_make(x->os, pfn, anon_bits(x)));
    x->vma->mm->rss_anon++;
    stat->fault_anon++;
    return MMU_OS_DONE;
}

/* ----- copy on write ----- */

/* What the entry had is mapped here no longer. */
static void let_go(struct fault *x)
{
    mmu_pfn pfn = pte_pfn(x->os, x->entry);
    if (!x->entry || x->entry & PTE_SPECIAL)
        return;
    struct page *page = page_peek(x->os, pfn);
    --*rmap_rss(x->vma->mm, page);
    rmap_remove(x->os, page, pfn);
}

/* wp_page_copy(), and do_cow_fault() where nothing was mapped yet. from: what is copied; 0: zeros. */
static int copy(struct fault *x, mmu_pfn from)
{
    struct mmu_os *os = x->os;
    mmu_pfn pfn;
    int status = new_page(x, MMU_GFP_HIGHUSER_MOVABLE | MMU___GFP_ZERO, &pfn);
    if (status != MMU_OS_DONE)
        return failed(x, status);
    struct page *page = page_peek(os, pfn);
    status = from ? content_copy(os, page_peek(os, from), from, page, pfn) : MMU_OK;
    if (status != MMU_OK) {
        free_pages(os, pfn, 0);
        return status;
    }
    set_entry(x, pte_make(os, pfn, anon_bits(x)));
    if (x->entry)
        flush_mm_range(os, x->vma->mm->pgd, x->va, x->va + PAGE_SIZE, PAGE_SHIFT);
    let_go(x);
    x->vma->mm->rss_anon++;
    os->procs->vmstat.fault_cow += from != 0;
    os->procs->vmstat.fault_anon += from == 0;
    return MMU_OS_DONE;
}

/* wp_page_reuse() */
static int reuse(struct fault *x, uint64_t *count)
{
    set_entry(x, x->entry | PTE_W | pte_dirty_bits(x->os));
    ++*count;
    return MMU_OS_DONE;
}

/* do_wp_page(): a write to a page that is present and write-protected. */
static int fault_wp(struct fault *x)
{
    struct mmu_os_vmstat *stat = &x->os->procs->vmstat;
    if (x->entry & PTE_SPECIAL)
        return copy(x, 0);
    mmu_pfn pfn = pte_pfn(x->os, x->entry);
    struct page *page = page_peek(x->os, pfn);
    if (x->vma->flags & VMA_SHARED) { /* wp_page_shared() */
        pagecache_set_dirty(x->os, page);
        return reuse(x, &stat->fault_mkwrite);
    }
    if (page_is_anon(page) && (page_flags(page) & PAGE_EXCLUSIVE || page->refcount == 1)) {
        page->mapping = rmap_own(x->vma) << 1 | 1; /* page_move_anon_rmap() */
        page_set_flags(page, PAGE_EXCLUSIVE);
        return reuse(x, &stat->fault_reuse);
    }
    return copy(x, pfn);
}

/* ----- files ----- */

/* set_pte of a page of the file (do_set_pte()). */
static void map_file_page(struct fault *x, mmu_pa at, mmu_pfn pfn, uint64_t more)
{
    struct page *page = page_peek(x->os, pfn);
    struct mm *mm = x->vma->mm;
    rmap_add(page);
    ++*rmap_rss(mm, page);
    mm->pgd->mapped++;
    REQUIRE(pgtable_write(x->os, at, pte_make(x->os, pfn, pte_prot(x->os, x->vma) | more)) == MMU_OK);
}

/* do_fault_around(): maps the cached pages of a window of 64 KiB, which ends with the VMA and the table.
 * True: the page itself is among them; the others stay mapped even if it is not. */
static bool fault_around(struct fault *x)
{
    const struct vma *vma = x->vma;
    const struct pgtable_form *f = x->os->kspace->traits.form;
    const mmu_va window = (mmu_va)FAULT_AROUND << PAGE_SHIFT, table = UINT64_C(1) << pgtable_shift(f, 2);
    mmu_va start = x->va & ~(window - 1), end, done = 0;
    start = start > vma->range.start ? start : vma->range.start;
    if (start < (x->va & ~(table - 1)))
        start = x->va & ~(table - 1);
    end = start + window < vma->range.end ? start + window : vma->range.end;
    if (end > (x->va & ~(table - 1)) + table)
        end = (x->va & ~(table - 1)) + table;
    for (mmu_va va = start; va < end; va += PAGE_SIZE) {
        uint64_t index = vma_index(vma, va);
        mmu_pa at = pgtable_at(f, 1, x->slot.table, va);
        mmu_pfn pfn = index < file_pages(vma->file) ? pagecache_find(&vma->file->pages, index) : 0;
        if (!pfn || pgtable_read(x->os, at))
            continue;
        map_file_page(x, at, pfn, 0);
        x->os->procs->vmstat.fault_around += va != x->va;
        done |= va == x->va;
    }
    return done;
}

/* do_read_fault(), do_cow_fault(), do_shared_fault() */
static int fault_file(struct fault *x)
{
    struct mmu_os_vmstat *stat = &x->os->procs->vmstat;
    struct file *file = x->vma->file;
    const uint64_t index = vma_index(x->vma, x->va);
    const bool shared = x->vma->flags & VMA_SHARED, write = x->f->write;
    mmu_pfn pfn;
    if (!write && file->kind != FILE_SPECIAL && fault_around(x)) {
        stat->fault_file++;
        return MMU_OS_DONE;
    }
    if (index >= file_pages(file)) {
        x->f->signal = MMU_SIG_BUS_ADRERR;
        return MMU_OS_DONE;
    }
    int status = pagecache_get(x->os, file, index, &pfn, &x->f->major);
    if (status != MMU_OS_DONE)
        return failed(x, status);
    if (write && !shared)
        return copy(x, pfn);
    map_file_page(x, x->slot.at, pfn, write ? PTE_W | pte_dirty_bits(x->os) : 0);
    stat->fault_file++;
    if (write) {
        pagecache_set_dirty(x->os, page_peek(x->os, pfn));
        stat->fault_mkwrite += file->kind == FILE_ORDINARY;
    }
    return MMU_OS_DONE;
}

/* special_mapping_fault() of pages that have no owner: [vvar]. */
static int fault_pfnmap(struct fault *x)
{
    const mmu_pfn data = kspace_image(x->os->config).data;
    set_entry(x,
              pte_make(x->os, data + (vma_index(x->vma, x->va) & 3), pte_prot(x->os, x->vma) | PTE_SPECIAL));
    return MMU_OS_DONE;
}

/* ----- handle_mm_fault() ----- */

/* handle_pte_fault() */
static int handle(struct fault *x)
{
    const struct vma *vma = x->vma;
    if (!x->entry)
        return vma->flags & VMA_PFNMAP ? fault_pfnmap(x) : vma->file ? fault_file(x) : fault_anon(x);
    if (x->f->write && !(x->entry & PTE_W))
        return fault_wp(x);
    uint64_t young = x->entry | PTE_A | (x->f->write ? pte_dirty_bits(x->os) : 0);
    if (young != x->entry)
        set_entry(x, young);
    return MMU_OS_DONE;
}

/* mm_account_fault() */
static void account(struct fault *x)
{
    struct mm *mm = x->vma->mm;
    struct mmu_os_vmstat *stat = &x->os->procs->vmstat;
    stat->pgfault++;
    stat->pgmajfault += x->f->major;
    mm->major_faults += x->f->major;
    mm->minor_faults += !x->f->major;
}

int memory_fault(struct mmu_os *os, struct vma *vma, struct memory_fault *fault)
{
    struct fault x = {.os = os, .vma = vma, .f = fault, .va = fault->va & ~(mmu_va)PAGE_MASK};
    fault->major = false;
    fault->signal = MMU_SIG_NONE;
    int status = pte_open(os, vma->mm->pgd, x.va, true, &x.slot);
    if (status != MMU_OS_DONE)
        return failed(&x, status);
    x.entry = pgtable_read(os, x.slot.at);
    status = handle(&x);
    pte_close(os, &x.slot);
    if (status == MMU_OS_DONE && fault->signal == MMU_SIG_NONE)
        account(&x);
    return status;
}

/* ----- VMAs ----- */

int memory_vma_new(struct mmu_os *os, struct vma *vma)
{
    (void)os;
    if (vma->file)
        file_map(vma);
    return MMU_OK;
}

int memory_vma_split(struct mmu_os *os, struct vma *vma, struct vma *upper)
{
    int status = rmap_clone(os, vma, upper);
    if (status == MMU_OK && upper->file)
        file_map(upper);
    return status;
}

int memory_vma_fork(struct mmu_os *os, struct vma *parent, struct vma *child)
{
    return parent->mm == child->mm ? rmap_clone(os, parent, child) : rmap_fork(os, parent, child);
}

bool memory_vma_joins(const struct vma *vma, const struct vma *near)
{
    if (!vma->links)
        return !near->links || !near->links->also;
    return near->links && rmap_own(vma) == rmap_own(near);
}

bool memory_vma_meets(const struct vma *below, const struct vma *above)
{
    return !below->links || !above->links || rmap_own(below) == rmap_own(above);
}

void memory_vma_merge(struct mmu_os *os, struct vma *kept, struct vma *gone)
{
    rmap_merge(os, kept, gone);
    if (gone->file)
        file_unmap(os, gone);
}

void memory_vma_gone(struct mmu_os *os, struct vma *vma)
{
    rmap_unlink(os, vma);
    if (vma->file)
        file_unmap(os, vma);
}
