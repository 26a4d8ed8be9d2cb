/*
 * view_status.c: /proc/PID/status: who a task is, and its memory.
 *
 * Models proc_pid_status() (fs/proc/array.c) and task_mem() (fs/proc/task_mmu.c) of Linux 6.1. Left out: what
 * is not modelled: credentials, signals. Nothing is pinned or swapped out: these lines say 0.
 */
#include "memory.h"
#include "view_task.h"

#include <inttypes.h>

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void say_memory(const struct mmu_os *os, const struct mm *mm, struct view *v)
{
    const uint64_t rss = mm->rss_anon + mm->rss_file + mm->rss_shmem, exec = mm->exec_vm << PAGE_SHIFT;
    uint64_t text = ((mm->end_code + PAGE_MASK) & ~(mmu_va)PAGE_MASK) - (mm->start_code & ~(mmu_va)PAGE_MASK);
    text = text < exec ? text : exec;
    const struct {
        const char *name;
        uint64_t bytes;
    } lines[] = {
        {"VmPeak", greater(mm->peak_vm, mm->total_vm) << PAGE_SHIFT},
        {"VmSize", mm->total_vm << PAGE_SHIFT},
        {"VmLck", mm->locked_vm << PAGE_SHIFT},
        {"VmPin", 0},
        {"VmHWM", greater(mm->peak_rss, rss) << PAGE_SHIFT},
        {"VmRSS", rss << PAGE_SHIFT},
        {"RssAnon", mm->rss_anon << PAGE_SHIFT},
        {"RssFile", mm->rss_file << PAGE_SHIFT},
        {"RssShmem", mm->rss_shmem << PAGE_SHIFT},
        {"VmData", mm->data_vm << PAGE_SHIFT},
        {"VmStk", mm->stack_vm << PAGE_SHIFT},
        {"VmExe", text},
        {"VmLib", exec - text},
        {"VmPTE", memory_table_bytes(os, mm)},
        {"VmSwap", 0},
    };
    for (unsigned i = 0; i < COUNT_OF(lines); i++)
        view_say(v, "%s:\t%8" PRIu64 " kB\n", lines[i].name, lines[i].bytes >> 10);
}

void view_status(const struct mmu_os *os, const struct task *t, struct view *v)
{
    const struct procs *p = os->procs;
    unsigned threads = 0;
    for (uint32_t i = 0; i < p->tasks; i++)
        threads += p->task[i]->tgid == t->tgid;
    view_say(v, "Name:\t%s\nTgid:\t%" PRIu32 "\nPid:\t%" PRIu32 "\nPPid:\t%" PRIu32 "\n", t->comm, t->tgid,
             t->pid, t->parent);
    if (t->mm)
        say_memory(os, t->mm, v);
    view_say(v, "Threads:\t%u\n", threads);
}
