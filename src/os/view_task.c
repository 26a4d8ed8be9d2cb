/* view_task.c: what is known of a process's address space: texts, and single VMAs. */
#include "view_task.h"
#include "file.h"

size_t mmu_os_task_view(const struct mmu_os *os, uint32_t pid, enum mmu_task_view view, char *buf,
                        size_t size)
{
    static void (*const views[MMU_TASK_VIEWS])(const struct mmu_os *, const struct task *, struct view *) = {
        [MMU_VIEW_MAPS] = view_maps,
        [MMU_VIEW_SMAPS] = view_smaps,
        [MMU_VIEW_STATUS] = view_status,
    };
    const struct task *t = task_find(os, pid);
    struct view v = {buf, size, 0};
    REQUIRE(view < MMU_TASK_VIEWS);
    if (size)
        buf[0] = '\0';
    if (t)
        views[view](os, t, &v);
    return v.length;
}

int mmu_os_vma(const struct mmu_os *os, uint32_t pid, mmu_va va, struct mmu_os_vma *to)
{
    const struct task *t = task_find(os, pid);
    const struct vma *vma = t && t->mm ? vma_from(t->mm, va) : NULL;
    if (!vma)
        return MMU_OS_REFUSED;
    *to = (struct mmu_os_vma){
        .start = vma->range.start,
        .end = vma->range.end,
        .prot = (int)vma->prot,
        .flags = (vma->flags & VMA_SHARED ? MMU_MAP_SHARED : MMU_MAP_PRIVATE) |
                 (vma->flags & VMA_GROWSDOWN ? MMU_MAP_GROWSDOWN : 0) |
                 (vma->flags & VMA_LOCKED ? MMU_MAP_LOCKED : 0) |
                 (vma->flags & VMA_NORESERVE ? MMU_MAP_NORESERVE : 0) |
                 (vma->file && vma->file->kind != FILE_SHMEM ? 0 : MMU_MAP_ANONYMOUS),
        .file = vma->file ? vma->file->number : 0,
        .offset = vma->file ? vma->offset << PAGE_SHIFT : 0,
        .anon_vma = rmap_own(vma),
        .name = vma_text(vma),
    };
    return MMU_OS_DONE;
}
