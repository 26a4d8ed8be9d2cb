/* mm.c: address spaces made, copied, emptied, freed. See mm.h. */
#include "mm.h"
#include "memory.h"
#include "plan.h"
#include "task.h"

#include <stdarg.h>
#include <string.h>

int mm_error(struct mmu_os *os, const char *call, int error, const char *format, ...)
{
    char text[sizeof os->report.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    os_outcome(os, MMU_OS_ERROR, call, "%s", text);
    os->report.error = error;
    return MMU_OS_ERROR;
}

/*
 * STACK_TOP, mmap_base(), ELF_ET_DYN_BASE (arch/x86/include/asm/elf.h). Five-level kernels give addresses
 * above 2^47 only to those who ask for them, so the window is that of four levels (DEFAULT_MAP_WINDOW).
 * 32-bit programs of a 64-bit kernel have all but the last two pages of 4 GiB (IA32_PAGE_OFFSET).
 */
void mm_lay_out(const struct mmu_os *os, struct mm *mm, bool wide)
{
    const struct layout *l = &os->plan->layout;
    const mmu_va window = (UINT64_C(1) << 47) - PAGE_SIZE,
                 limit = wide == l->wide ? l->task_size : UINT64_C(0xffffe000);
    const uint64_t least = UINT64_C(128) << 20;
    uint64_t gap = STACK_LIMIT + STACK_GUARD_GAP;
    mm->task_size = limit;
    mm->stack_top = limit < window ? limit : window;
    gap = gap < least ? least : gap;
    mm->mmap_base = mm->stack_top - gap;
    if (wide)
        mm->dyn_base = mm->stack_top / 3 * 2 & ~(mmu_va)PAGE_MASK;
    else
        mm->dyn_base = l->wide ? ((limit / 3 + PAGE_MASK) & ~(mmu_va)PAGE_MASK) + (16 << 20) : 0x400000;
}

bool mm_overcommits(const struct mmu_os *os, uint64_t bytes)
{
    struct mmu_os_totals totals;
    mmu_os_totals(os, &totals);
    return bytes >> PAGE_SHIFT > totals.managed;
}

int mm_create(struct mmu_os *os, struct mm **out)
{
    struct mm *mm = calloc(1, sizeof *mm);
    if (!mm)
        return MMU_ERR_NOMEM;
    int status = mmu_os_pgd_alloc(os, &mm->pgd);
    if (status != MMU_OS_DONE) {
        free(mm);
        return status;
    }
    mm_lay_out(os, mm, os->plan->layout.wide);
    mm->number = ++os->procs->last_mm;
    mm->users = 1;
    mm->next = os->procs->mms;
    os->procs->mms = mm;
    *out = mm;
    return MMU_OS_DONE;
}

void mm_clear(struct mmu_os *os, struct mm *mm)
{
    /* Cannot fail: nothing is cut when everything goes. */
    REQUIRE(vma_remove(os, mm, 0, mm->task_size) == MMU_OK);
    mm->start_code = mm->end_code = mm->start_data = mm->end_data = 0;
    mm->start_brk = mm->brk = mm->start_stack = 0;
}

static void free_if_unused(struct mmu_os *os, struct mm *mm)
{
    struct mm **link = &os->procs->mms;
    if (mm->users || mm->borrowers)
        return;
    while (*link != mm)
        link = &(*link)->next;
    *link = mm->next;
    REQUIRE(mmu_os_pgd_free(os, mm->pgd) == MMU_OS_DONE);
    free(mm);
}

void mm_put(struct mmu_os *os, struct mm *mm)
{
    if (--mm->users == 0)
        mm_clear(os, mm);
    free_if_unused(os, mm);
}

void mm_drop(struct mmu_os *os, struct mm *mm)
{
    mm->borrowers--;
    free_if_unused(os, mm);
}

/* dup_mmap(): one VMA and what is in it. */
static int copy_vma(struct mmu_os *os, struct vma *vma, struct mm *to)
{
    struct vma *child;
    const struct vma_like like = {
        .prot = vma->prot,
        .flags = vma->flags & ~(uint32_t)VMA_LOCKED, /* locks are not inherited */
        .name = vma->name,
        .file = vma->file,
        .offset = vma->offset,
    };
    int status = vma_add_alone(os, to, vma->range.start, vma->range.end, &like, &child);
    if (status == MMU_OK)
        status = memory_vma_fork(os, vma, child);
    if (status == MMU_OK)
        status = memory_copy(os, vma, child);
    return status;
}

int mm_copy(struct mmu_os *os, struct mm *from, struct mm **out)
{
    struct mm *mm;
    int status = mm_create(os, &mm);
    if (status != MMU_OS_DONE)
        return status;
    mm_lay_out(os, mm, from->task_size >> 32 != 0);
    mm->read_implies_exec = from->read_implies_exec;
    mm->start_code = from->start_code;
    mm->end_code = from->end_code;
    mm->start_data = from->start_data;
    mm->end_data = from->end_data;
    mm->start_brk = from->start_brk;
    mm->brk = from->brk;
    mm->start_stack = from->start_stack;
    for (struct vma *vma = vma_first(from); vma && status == MMU_OS_DONE; vma = vma_next(vma))
        status = copy_vma(os, vma, mm);
    memory_copied(os, from);
    if (status != MMU_OS_DONE) {
        mm_put(os, mm);
        return status;
    }
    *out = mm;
    return MMU_OS_DONE;
}

void mm_check(const struct mm *mm)
{
    uint64_t total = 0, locked = 0;
    ranges_check(&mm->vmas);
    REQUIRE(mm->users || mm->borrowers);
    for (const struct vma *vma = vma_first(mm); vma; vma = vma_next(vma)) {
        REQUIRE(vma->mm == mm);
        REQUIRE(((vma->range.start | vma->range.end) & PAGE_MASK) == 0);
        REQUIRE(vma->range.end <= mm->task_size || (vma->flags & VMA_PFNMAP));
        REQUIRE(!(vma->flags & VMA_GROWSDOWN) || !vma->file);
        total += vma_pages(vma);
        locked += vma->flags & VMA_LOCKED ? vma_pages(vma) : 0;
    }
    REQUIRE(total == mm->total_vm && locked == mm->locked_vm);
    REQUIRE(mm->exec_vm + mm->stack_vm + mm->data_vm <= total);
    REQUIRE(mm->start_brk <= mm->brk && mm->mmap_base < mm->stack_top);
}
