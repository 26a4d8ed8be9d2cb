/*
 * view_task.h: the texts under /proc/PID.
 */
#ifndef OS_VIEW_TASK_H
#define OS_VIEW_TASK_H

#include "task.h"
#include "view.h"

/* What maps prints of a VMA in its last column: a file's name, "[heap]", "[stack]", "". */
const char *vma_text(const struct vma *vma);
void view_maps_line(struct view *v, const struct vma *vma);

void view_maps(const struct mmu_os *os, const struct task *t, struct view *v);
void view_smaps(const struct mmu_os *os, const struct task *t, struct view *v);
void view_status(const struct mmu_os *os, const struct task *t, struct view *v);

#endif
