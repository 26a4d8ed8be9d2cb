/*
 * memory_access.c: pages brought in without an access: get_user_pages() (mm/gup.c), peek and poke, the calls
 * that concern a file's pages. See memory.h.
 */
#include "file.h"
#include "linux_errno.h"
#include "memory.h"
#include "pte.h"
#include "rmap.h"
#include "task.h"

#include <inttypes.h>
#include <string.h>

/* follow_page_pte() found it: FOLL_TOUCH. Locked pages are referenced, and never active
 * (mark_page_accessed()). */
static void touch(struct mmu_os *os, const struct vma *vma, uint64_t entry, bool write)
{
    struct page *page = entry & PTE_SPECIAL ? NULL : page_peek(os, pte_pfn(os, entry));
    if (!page)
        return;
    if (write && !(entry & PTE_D))
        pagecache_set_dirty(os, page);
    if (!(vma->flags & VMA_LOCKED) || !(page_flags(page) & 1u << MMU_PG_REFERENCED))
        rmap_mark_accessed(page);
}

/* faultin_page(): the entry of a page that may be read, or written. 0; a signal; a negative status. */
static int bring_in(struct mmu_os *os, struct vma *vma, mmu_va va, bool write, uint64_t *entry,
                    enum mmu_os_signal_kind *signal)
{
    for (;;) {
        *signal = MMU_SIG_NONE;
        *entry = pte_look(os, vma->mm->pgd, va, NULL);
        if (*entry && (!write || (*entry & PTE_W))) {
            touch(os, vma, *entry, write);
            return MMU_OS_DONE;
        }
        struct memory_fault fault = {.va = va, .write = write};
        int status = memory_fault(os, vma, &fault);
        *signal = fault.signal;
        if (status != MMU_OS_DONE || fault.signal != MMU_SIG_NONE)
            return status;
    }
}

int memory_populate(struct mmu_os *os, struct vma *vma, mmu_va start, mmu_va end,
                    enum mmu_os_signal_kind *signal)
{
    bool write = (vma->prot & MMU_PROT_WRITE) && !(vma->flags & VMA_SHARED);
    *signal = MMU_SIG_NONE;
    for (mmu_va va = start; va < end; va += PAGE_SIZE) {
        uint64_t entry;
        int status = bring_in(os, vma, va, write, &entry, signal);
        if (status != MMU_OS_DONE || *signal != MMU_SIG_NONE)
            return status;
    }
    return MMU_OS_DONE;
}

/* ----- bytes ----- */

static bool permits(const struct vma *vma, bool write)
{
    return vma->prot & (write ? MMU_PROT_WRITE : MMU_PROT_READ) && !(vma->flags & VMA_PFNMAP);
}

/* The VMA for va; a stack grows for it (find_extend_vma()). */
static struct vma *vma_for(struct mmu_os *os, const struct mm *mm, mmu_va va)
{
    struct vma *vma = vma_from(mm, va);
    return vma && (vma->range.start <= va || vma_expand_down(os, vma, va)) ? vma : NULL;
}

/* Bytes inside one page. 0 or a negative status. */
static int transfer(struct mmu_os *os, uint64_t entry, mmu_va va, void *bytes, size_t n, bool write)
{
    mmu_pfn pfn = pte_pfn(os, entry);
    mmu_pa pa = pfn << PAGE_SHIFT | (va & PAGE_MASK);
    struct page *page = entry & PTE_SPECIAL ? NULL : page_peek(os, pfn);
    int status = page ? content_make(os, page, pfn) : MMU_OK;
    if (status != MMU_OK)
        return status;
    status =
        write ? port_write(os->hw[os->current], pa, bytes, n) : port_read(os->hw[os->current], pa, bytes, n);
    REQUIRE(status != MMU_ERR_NORAM);
    if (write && status == MMU_OK)
        pagecache_set_dirty(os, page);
    return status;
}

int64_t memory_access(struct mmu_os *os, struct mm *mm, mmu_va va, void *bytes, size_t size, bool write)
{
    size_t done = 0;
    while (done < size) {
        mmu_va at = va + done;
        size_t rest = (size_t)(PAGE_SIZE - (at & PAGE_MASK)), n = size - done < rest ? size - done : rest;
        struct vma *vma = at < mm->task_size ? vma_for(os, mm, at) : NULL;
        enum mmu_os_signal_kind signal;
        uint64_t entry;
        if (!vma || !permits(vma, write))
            break;
        int status = bring_in(os, vma, at, write, &entry, &signal);
        if (status == MMU_OS_DONE && signal != MMU_SIG_NONE)
            break;
        if (status == MMU_OS_DONE)
            status = transfer(os, entry, at, (uint8_t *)bytes + done, n, write);
        if (status < 0)
            return status;
        if (status != MMU_OS_DONE)
            break;
        done += n;
    }
    return (int64_t)done;
}

static int access_task(struct mmu_os *os, const char *call, uint32_t pid, mmu_va va, void *bytes, size_t size,
                       bool write)
{
    const struct task *t = task_with_mm(os, call, pid);
    if (!t)
        return MMU_OS_ERROR;
    int64_t done = memory_access(os, t->mm, va, bytes, size, write);
    if (done < 0)
        return (int)done;
    if ((uint64_t)done == size)
        return MMU_OS_DONE;
    return mm_error(os, call, LINUX_EFAULT, "0x%" PRIx64 " cannot be %s", va + (uint64_t)done,
                    write ? "written" : "read");
}

int mmu_os_peek(struct mmu_os *os, uint32_t pid, mmu_va va, void *to, size_t size)
{
    return access_task(os, "peek", pid, va, to, size, false);
}

int mmu_os_poke(struct mmu_os *os, uint32_t pid, mmu_va va, const void *from, size_t size)
{
    return access_task(os, "poke", pid, va, (void *)(uintptr_t)from, size, true);
}

/* ----- a file's pages ----- */

int memory_read_ahead(struct mmu_os *os, const struct vma *vma, mmu_va start, mmu_va end)
{
    if (vma->file->kind != FILE_ORDINARY)
        return MMU_OS_DONE;
    return pagecache_read(os, vma->file, vma_index(vma, start), vma_index(vma, end));
}

int memory_sync(struct mmu_os *os, const struct vma *vma, mmu_va start, mmu_va end)
{
    return pagecache_sync(os, vma->file, vma_index(vma, start), vma_index(vma, end));
}

uint64_t memory_table_bytes(const struct mmu_os *os, const struct mm *mm)
{
    (void)os;
    return mm->pgd->tables << PAGE_SHIFT;
}

void memory_forget(struct mm *mm)
{
    for (struct range *r; (r = ranges_any(&mm->vmas));) {
        struct vma *vma = (struct vma *)r;
        for (struct anon_vma_link *l = vma->links, *next; l; l = next) {
            next = l->also;
            free(l);
        }
        ranges_remove(&mm->vmas, r);
        free(vma);
    }
}
