/*
 * task.h: tasks, and what each core runs.
 *
 * Models struct task_struct (include/linux/sched.h), kernel/fork.c, kernel/exit.c and context_switch() of
 * kernel/sched/core.c, Linux 6.1. Left out: scheduling itself, signals beyond their names, wait queues.
 */
#ifndef OS_TASK_H
#define OS_TASK_H

#include "mm.h"
#include "rmap.h"

struct files; /* file.h */

struct task {
    uint32_t pid, tgid, parent;
    uint32_t kind; /* enum mmu_task_kind */
    uint32_t cpu;  /* where it runs, or ran last */
    char comm[MMU_COMM];
    struct mm *mm; /* NULL: a kernel thread */
};

/* Invariants: task[] is sorted by pid; each mm is on the list once and has users > 0, or is borrowed by a
 * core; current[c] is NULL (idle) or in task[]; no task runs on two cores. */
struct procs {
    struct task **task;
    uint32_t tasks, room, last_pid;
    struct mm *mms;
    uint64_t last_mm;
    struct task *current[MMU_MAX_CORES];
    struct mm *active[MMU_MAX_CORES]; /* whose tables the core has loaded: idle and kernel threads borrow;
                                         NULL: init_mm's */
    struct mmu_os_signal signal[MMU_MAX_CORES];
    struct mmu_os_vmstat vmstat;
    struct files *files;
    struct anon_vmas anon_vmas;
};

int procs_init(struct mmu_os *os);
void procs_destroy(struct mmu_os *os);
void procs_check(const struct mmu_os *os);

/* NULL: no such task. */
struct task *task_find(const struct mmu_os *os, uint32_t pid);
/* The task, if it has an address space; else NULL, with the ERROR reported as call's. */
struct task *task_with_mm(struct mmu_os *os, const char *call, uint32_t pid);
/* The stack's VMA of a new address space, with these rights. 0 or MMU_ERR_NOMEM. */
int task_make_stack(struct mmu_os *os, struct mm *mm, uint32_t prot);
/* exec_mmap(): the task leaves its address space for another, which it gets to own; on the core that runs it,
 * the new one is loaded. 0 or a negative status with nothing changed. */
int task_take_mm(struct mmu_os *os, struct task *t, struct mm *mm);

#endif
