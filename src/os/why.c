/* why.c: why an address is as it is, in a sentence or two: unallocated; allocated, without a page; mapped. */
#include "why.h"
#include "file.h"
#include "kspace.h"
#include "plan.h"
#include "pte.h"
#include "rmap.h"
#include "task.h"

#include <inttypes.h>
#include <stdarg.h>

void why_say(struct mmu_os_why *why, enum mmu_why what, const char *format, ...)
{
    va_list args;
    why->why = what;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
}

static void tell_hole(const struct mm *mm, mmu_va va, struct mmu_os_why *why)
{
    const struct vma *above = vma_from(mm, va);
    if (!above) {
        why_say(why, MMU_WHY_UNALLOCATED,
                "Unallocated: no VMA holds it, and none lies above. An access is "
                "SIGSEGV (MAPERR).");
        return;
    }
    mmu_va start = va & ~(mmu_va)PAGE_MASK;
    if ((above->flags & VMA_GROWSDOWN) && above->range.end - start <= STACK_LIMIT) {
        why_say(
            why, MMU_WHY_STACK_GAP,
            "Below the stack, which begins at 0x%" PRIx64
            " now: an access extends it down to this page, as far as the limit of %d MiB and the guard gap "
            "to what lies below allow.",
            above->range.start, STACK_LIMIT >> 20);
        return;
    }
    why_say(why, MMU_WHY_UNALLOCATED,
            "Unallocated: no VMA holds it; the next begins at 0x%" PRIx64 ". An access is SIGSEGV (MAPERR).",
            above->range.start);
}

static void tell_untouched(const struct vma *vma, mmu_va va, struct mmu_os_why *why)
{
    uint64_t index = vma_index(vma, va);
    if (!vma->file) {
        why_say(
            why, MMU_WHY_UNTOUCHED,
            "Allocated, but no page yet: the VMA is anonymous memory that nobody has touched here. A read "
            "maps the zero page, a write a page of its own (minor faults).");
    } else if (vma->flags & VMA_PFNMAP || vma->file->kind == FILE_SPECIAL) {
        why_say(why, MMU_WHY_UNTOUCHED, "Allocated, not touched yet: a page of the kernel, %s.",
                vma->file->name);
    } else if (index >= file_pages(vma->file)) {
        why_say(why, MMU_WHY_UNTOUCHED_FILE,
                "Allocated, but page %" PRIu64 " is behind the end of %s (%" PRIu64
                " bytes): an access is SIGBUS.",
                index, vma->file->name, vma->file->size);
    } else if (vma->file->kind == FILE_SHMEM) {
        why_say(
            why, MMU_WHY_UNTOUCHED,
            "Allocated, but not mapped here: shared anonymous memory. The first access brings the page, a "
            "minor fault.");
    } else if (pagecache_find(&vma->file->pages, index)) {
        why_say(why, MMU_WHY_UNTOUCHED_FILE_CACHED,
                "Allocated and cached, but not mapped here: the page cache has page %" PRIu64
                " of %s. The first access is a minor fault, which maps its neighbours too.",
                index, vma->file->name);
    } else {
        why_say(why, MMU_WHY_UNTOUCHED_FILE,
                "Allocated, not cached: page %" PRIu64
                " of %s must be read. The first access is a major fault, with %d pages read around it.",
                index, vma->file->name, READ_AROUND);
    }
}

static void tell_mapped(const struct mmu_os *os, const struct vma *vma, uint64_t entry,
                        struct mmu_os_why *why)
{
    mmu_pfn pfn = pte_pfn(os, entry);
    const struct page *page = entry & PTE_SPECIAL ? NULL : page_peek(os, pfn);
    if (!(entry & PTE_P)) {
        why_say(why, MMU_WHY_PROT_NONE,
                "PROT_NONE: the page 0x%" PRIx64
                " is kept, but its entry is not present for the processor. Any "
                "access is SIGSEGV (ACCERR).",
                pfn);
    } else if (pfn == pte_zero_pfn(os)) {
        why_say(why, MMU_WHY_MAPPED_ZERO,
                "Mapped: the zero page, frame 0x%" PRIx64
                ", read-only and shared by all. A write brings a page of its own.",
                pfn);
    } else if (page && !(entry & PTE_W) && (vma->prot & MMU_PROT_WRITE) && !(vma->flags & VMA_SHARED)) {
        why_say(why, MMU_WHY_MAPPED_COW,
                "Mapped, write-protected: frame 0x%" PRIx64 " is %s, map count %" PRIu32
                ". A write %s (copy-on-write).",
                pfn, page_is_anon(page) ? "anonymous memory" : "a page of the page cache",
                page_mapcount(page),
                page_is_anon(page) && page->refcount == 1 ? "makes it writable in place, as nobody shares it"
                                                          : "copies it");
    } else {
        why_say(why, MMU_WHY_MAPPED, "Mapped to frame 0x%" PRIx64 " (%s), %s%s.", pfn,
                !page                ? "of the kernel"
                : page_is_anon(page) ? "anonymous memory"
                                     : "the page cache",
                entry & PTE_W ? "writable" : "read-only", entry & PTE_D ? ", written to" : "");
    }
}

static bool is_non_canonical(const struct mmu_os *os, mmu_va va)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    return f->levels >= 4 ? !is_canonical(va, f->va_bits) : va >> f->va_bits != 0;
}

int mmu_os_why(struct mmu_os *os, uint32_t pid, mmu_va va, struct mmu_os_why *why)
{
    const struct task *t = task_find(os, pid);
    if (!t && pid)
        return MMU_OS_REFUSED;
    const struct mm *mm = t ? t->mm : NULL;
    const struct vma *vma = mm ? vma_find(mm, va) : NULL;
    uint64_t entry = vma ? pte_look(os, mm->pgd, va, NULL) : 0;
    *why = (struct mmu_os_why){0};
    if (is_non_canonical(os, va))
        why_say(
            why, MMU_WHY_NON_CANONICAL,
            "Non-canonical: no page table can map it; the access is a #GP (or #SS) before any translation.");
    else if (va >= os->plan->layout.task_size)
        why_kernel(os, mm ? mm->pgd : &os->kspace->init, va, why);
    else if (!mm)
        why_say(why, MMU_WHY_UNALLOCATED, "%s: user addresses mean nothing.",
                t ? "A kernel thread has no user part of its own" : "No process runs");
    else if (!vma)
        tell_hole(mm, va, why);
    else if (entry)
        tell_mapped(os, vma, entry, why);
    else if (!vma->prot)
        why_say(why, MMU_WHY_PROT_NONE,
                "PROT_NONE: the VMA forbids every access, SIGSEGV (ACCERR); no page.");
    else
        tell_untouched(vma, va, why);
    why->mapped |= entry & PTE_P;
    if (entry)
        why->pa = pte_pfn(os, entry) << PAGE_SHIFT | (va & PAGE_MASK);
    bool loaded = va >= os->plan->layout.task_size || (mm && os->kspace->cpu[os->current].loaded == mm->pgd);
    why->in_tlb = loaded && port_in_tlb(os->hw[os->current], va);
    return MMU_OS_DONE;
}
