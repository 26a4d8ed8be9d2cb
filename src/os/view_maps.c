/*
 * view_maps.c: /proc/PID/maps.
 *
 * Models show_map_vma() of fs/proc/task_mmu.c, Linux 6.1. Files lie on device 00:02 and have their number as
 * inode, shared anonymous memory on 00:01, unless an imported text said otherwise.
 */
#include "file.h"
#include "view_task.h"

#include <inttypes.h>

const char *vma_text(const struct vma *vma)
{
    const struct mm *mm = vma->mm;
    mmu_va start = vma->range.start, end = vma->range.end;
    if (vma->file)
        return vma->file->name;
    if (mm->brk && start <= mm->brk && end >= mm->start_brk)
        return "[heap]";
    if (mm->start_stack && start <= mm->start_stack && end >= mm->start_stack)
        return "[stack]";
    return "";
}

/* Device and inode (show_vma_header_prefix()). */
static void say_inode(struct view *v, const struct file *f)
{
    if (!f)
        view_say(v, "00:00 0 ");
    else if (f->inode)
        view_say(v, "%02" PRIx32 ":%02" PRIx32 " %" PRIu64 " ", f->device[0], f->device[1], f->inode);
    else
        view_say(v, "00:%02x %" PRIu32 " ", f->kind == FILE_SHMEM ? 1u : 2u, f->number);
}

void view_maps_line(struct view *v, const struct vma *vma)
{
    const bool wide = vma->mm->task_size >> 32;
    const struct file *file = vma->name == VMA_ORDINARY ? vma->file : NULL;
    const size_t column = wide ? 73 : 49, begin = v->length;
    const char *text = vma_text(vma);
    view_say(v, "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " ", vma->range.start, vma->range.end,
             vma->prot & MMU_PROT_READ ? 'r' : '-', vma->prot & MMU_PROT_WRITE ? 'w' : '-',
             vma->prot & MMU_PROT_EXEC ? 'x' : '-', vma->flags & VMA_SHARED ? 's' : 'p',
             file ? vma->offset << PAGE_SHIFT : 0);
    say_inode(v, file);
    if (text[0]) { /* seq_pad(): a blank at least */
        size_t used = v->length - begin;
        view_say(v, "%*s%s", used < column ? (int)(column - used) : 1, "", text);
    }
    view_say(v, "\n");
}

void view_maps(const struct mmu_os *os, const struct task *t, struct view *v)
{
    (void)os;
    for (const struct vma *vma = t->mm ? vma_first(t->mm) : NULL; vma; vma = vma_next(vma))
        view_maps_line(v, vma);
}
