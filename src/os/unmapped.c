/*
 * unmapped.c: where a mapping goes that asks for no address.
 *
 * Models arch_get_unmapped_area_topdown() (arch/x86/kernel/sys_x86_64.c, mm/mmap.c) and mmap_base()
 * (arch/x86/mm/mmap.c) of Linux 6.1, without randomisation. The room below a stack is kept free
 * (vm_start_gap()).
 */
#include "mm.h"
#include "os.h"
#include "plan.h"

mmu_va vma_start_gap(const struct vma *vma)
{
    mmu_va start = vma->range.start;
    if (!(vma->flags & VMA_GROWSDOWN))
        return start;
    return start > STACK_GUARD_GAP ? start - STACK_GUARD_GAP : 0;
}

/* unmapped_area_topdown(): the highest hole that is large enough. Where that lies below a stack, nothing
 * above the stack's room is looked at any more. */
static mmu_va highest(const struct mm *mm, uint64_t size, mmu_va low, mmu_va high)
{
    for (const struct vma *above = vma_from(mm, high);;) {
        mmu_va top = above && above->range.start < high ? above->range.start : high;
        const struct vma *below = (const struct vma *)ranges_before(&mm->vmas, top);
        mmu_va bottom = below && below->range.end > low ? below->range.end : low;
        bool fits = top >= bottom && top - bottom >= size;
        if (fits && (!above || vma_start_gap(above) >= top))
            return top - size;
        if (fits)
            high = vma_start_gap(above);
        else if (!below || below->range.start <= low)
            return 0;
        above = fits ? vma_from(mm, high) : below;
    }
}

static mmu_va lowest(const struct mm *mm, uint64_t size, mmu_va low, mmu_va high)
{
    mmu_va bottom = low;
    for (const struct vma *vma = vma_from(mm, low);; vma = vma_next(vma)) {
        mmu_va top = vma && vma_start_gap(vma) < high ? vma_start_gap(vma) : high;
        if (top >= bottom && top - bottom >= size)
            return bottom;
        if (!vma || vma->range.end >= high)
            return 0;
        bottom = vma->range.end > bottom ? vma->range.end : bottom;
    }
}

mmu_va vma_gap(const struct mm *mm, uint64_t size, mmu_va hint)
{
    /* stack_top is the end of the window that programs get which do not ask for more */
    mmu_va more = hint > mm->stack_top ? mm->task_size - mm->stack_top : 0;
    mmu_va third = (mm->stack_top / 3 + PAGE_MASK) & ~(mmu_va)PAGE_MASK; /* TASK_UNMAPPED_BASE */
    mmu_va va = highest(mm, size, MMAP_MIN_ADDR, mm->mmap_base + more);
    return va ? va : lowest(mm, size, third, mm->stack_top + more);
}
