/* task.c: tasks made, switched to and ended. See task.h. */
#include "task.h"
#include "file.h"
#include "linux_errno.h"
#include "memory.h"
#include "plan.h"

#include <inttypes.h>
#include <string.h>

enum { PID_MAX = 32768 }; /* default kernel.pid_max */

int procs_init(struct mmu_os *os)
{
    os->procs = calloc(1, sizeof *os->procs);
    return os->procs ? files_init(os) : MMU_ERR_NOMEM;
}

/* The machine goes: nothing is given back to the allocator, whose memory goes too. */
void procs_destroy(struct mmu_os *os)
{
    struct procs *p = os->procs;
    if (!p)
        return;
    for (uint32_t i = 0; i < p->tasks; i++)
        free(p->task[i]);
    for (struct mm *mm = p->mms, *next; mm; mm = next) {
        next = mm->next;
        memory_forget(mm);
        free(mm);
    }
    files_destroy(os);
    rmap_destroy(&p->anon_vmas);
    free(p->task);
    free(p);
    os->procs = NULL;
}

/* ----- the table of tasks ----- */

/* The place of the first task whose pid is not below this one. */
static uint32_t place_of(const struct procs *p, uint32_t pid)
{
    uint32_t low = 0, high = p->tasks;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (p->task[middle]->pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct task *task_find(const struct mmu_os *os, uint32_t pid)
{
    const struct procs *p = os->procs;
    uint32_t at = place_of(p, pid);
    return at < p->tasks && p->task[at]->pid == pid ? p->task[at] : NULL;
}

/* The next pid that nobody has; they go round (alloc_pid()). 0: all are taken. */
static uint32_t next_pid(const struct mmu_os *os)
{
    uint32_t pid = os->procs->last_pid;
    for (uint32_t tried = 0; tried < PID_MAX; tried++) {
        pid = pid + 1 < PID_MAX ? pid + 1 : 300; /* RESERVED_PIDS */
        if (!task_find(os, pid))
            return pid;
    }
    return 0;
}

static int add_task(struct mmu_os *os, const char *call, const char *comm, struct task **out)
{
    struct procs *p = os->procs;
    uint32_t pid = next_pid(os);
    if (!pid)
        return mm_error(os, call, LINUX_EAGAIN, "all %d pids are taken", PID_MAX - 1);
    if (p->tasks == p->room) {
        uint32_t room = p->room ? 2 * p->room : 16;
        struct task **more = realloc(p->task, room * sizeof(struct task *));
        if (!more)
            return MMU_ERR_NOMEM;
        p->task = more;
        p->room = room;
    }
    struct task *t = calloc(1, sizeof *t);
    if (!t)
        return MMU_ERR_NOMEM;
    t->pid = t->tgid = pid;
    t->cpu = os->current;
    snprintf(t->comm, sizeof t->comm, "%s", comm);
    uint32_t at = place_of(p, pid);
    memmove(&p->task[at + 1], &p->task[at], (p->tasks - at) * sizeof(struct task *));
    p->task[at] = t;
    p->tasks++;
    p->last_pid = pid;
    *out = t;
    return MMU_OS_DONE;
}

static void remove_task(struct mmu_os *os, struct task *t)
{
    struct procs *p = os->procs;
    uint32_t at = place_of(p, t->pid);
    memmove(&p->task[at], &p->task[at + 1], (p->tasks - at - 1) * sizeof(struct task *));
    p->tasks--;
    free(t);
}

static int no_such_task(struct mmu_os *os, const char *call, uint32_t pid)
{
    return mm_error(os, call, LINUX_ESRCH, "no task has pid %" PRIu32, pid);
}

struct task *task_with_mm(struct mmu_os *os, const char *call, uint32_t pid)
{
    struct task *t = task_find(os, pid);
    if (!t)
        no_such_task(os, call, pid);
    else if (!t->mm)
        mm_error(os, call, LINUX_EINVAL, "pid %" PRIu32 " is a kernel thread: it has no address space", pid);
    return t && t->mm ? t : NULL;
}

/* ----- creation ----- */

/* The stack of a new program: one VMA below STACK_TOP, of 128 KiB and the page of its first words
 * (setup_arg_pages()). */
int task_make_stack(struct mmu_os *os, struct mm *mm, uint32_t prot)
{
    const uint64_t size = (UINT64_C(128) << 10) + PAGE_SIZE;
    const struct vma_like stack = {
        .prot = prot,
        .flags = VMA_GROWSDOWN | VMA_ACCOUNT,
        .offset = (mm->stack_top - size) >> PAGE_SHIFT,
    };
    mm->start_stack = mm->stack_top;
    return vma_add(os, mm, mm->stack_top - size, mm->stack_top, &stack, NULL);
}

int mmu_os_spawn(struct mmu_os *os, const char *comm, uint32_t *pid)
{
    struct task *t;
    struct mm *mm;
    int status = mm_create(os, &mm);
    if (status != MMU_OS_DONE)
        return status;
    status = task_make_stack(os, mm, MMU_PROT_READ | MMU_PROT_WRITE);
    if (status == MMU_OS_DONE)
        status = add_task(os, "spawn", comm ? comm : "init", &t);
    if (status != MMU_OS_DONE) {
        mm_put(os, mm);
        return status;
    }
    mm->start_brk = mm->brk = mm->dyn_base;
    t->mm = mm;
    *pid = t->pid;
    return MMU_OS_DONE;
}

/* kernel_clone(): copies: the memory is copied; else shared. */
static int clone_task(struct mmu_os *os, const char *call, uint32_t pid, bool copies, bool thread,
                      uint32_t *child)
{
    struct task *parent = task_with_mm(os, call, pid), *t;
    struct mm *mm;
    if (!parent)
        return MMU_OS_ERROR;
    mm = parent->mm;
    int status = copies ? mm_copy(os, parent->mm, &mm) : MMU_OS_DONE;
    if (status != MMU_OS_DONE)
        return status;
    mm->users += !copies;
    status = add_task(os, call, parent->comm, &t);
    if (status != MMU_OS_DONE) {
        mm_put(os, mm);
        return status;
    }
    t->mm = mm;
    t->kind = thread ? MMU_TASK_THREAD : MMU_TASK_PROCESS;
    t->tgid = thread ? parent->tgid : t->pid;
    t->parent = thread ? parent->parent : parent->tgid;
    *child = t->pid;
    return MMU_OS_DONE;
}

int mmu_os_fork(struct mmu_os *os, uint32_t pid, uint32_t *child)
{
    return clone_task(os, "fork", pid, true, false, child);
}

int mmu_os_vfork(struct mmu_os *os, uint32_t pid, uint32_t *child)
{
    return clone_task(os, "vfork", pid, false, false, child);
}

int mmu_os_clone(struct mmu_os *os, uint32_t pid, uint32_t *thread)
{
    return clone_task(os, "clone", pid, false, true, thread);
}

int mmu_os_kthread(struct mmu_os *os, const char *comm, uint32_t *pid)
{
    struct task *t;
    int status = add_task(os, "kthread", comm ? comm : "kthread", &t);
    if (status != MMU_OS_DONE)
        return status;
    t->kind = MMU_TASK_KERNEL;
    *pid = t->pid;
    return MMU_OS_DONE;
}

/* ----- context switches ----- */

/* A core that has neither task nor kernel thread: it keeps the tables that it has. */
static bool borrows(const struct procs *p, uint32_t cpu)
{
    return p->active[cpu] && (!p->current[cpu] || !p->current[cpu]->mm);
}

/*
 * context_switch(): a task with memory has its page directory loaded; the others borrow what is loaded, and
 * the memory of a task that has gone stays until the last borrower turns to another.
 */
static int switch_to(struct mmu_os *os, uint32_t cpu, struct task *next)
{
    struct procs *p = os->procs;
    struct mm *before = p->active[cpu], *after = next && next->mm ? next->mm : before;
    bool borrowed = borrows(p, cpu);
    if (after != before || (borrowed && next && next->mm)) {
        int status = mmu_os_switch(os, after->pgd, true);
        if (status != MMU_OS_DONE)
            return status;
    }
    p->vmstat.switches++;
    p->vmstat.switches_mm += after != before;
    p->active[cpu] = after;
    p->current[cpu] = next;
    if (next)
        next->cpu = cpu;
    bool borrows_now = borrows(p, cpu);
    if (borrows_now && after)
        after->borrowers += !(borrowed && after == before);
    if (borrowed && !(borrows_now && after == before))
        mm_drop(os, before);
    return MMU_OS_DONE;
}

int mmu_os_schedule(struct mmu_os *os, uint32_t pid)
{
    struct procs *p = os->procs;
    struct task *next = pid ? task_find(os, pid) : NULL;
    if (pid && !next)
        return no_such_task(os, "schedule", pid);
    for (uint32_t c = 0; c < os->cores && next; c++)
        if (c != os->current && p->current[c] == next)
            return mm_error(os, "schedule", LINUX_EINVAL, "pid %" PRIu32 " runs on CPU %" PRIu32, pid, c);
    if (p->current[os->current] == next)
        return MMU_OS_DONE;
    return switch_to(os, os->current, next);
}

/* The core lets go of tables that it only borrows, when their last user has gone (exit_lazy_tlb()). */
static int exit_switch(struct mmu_os *os, uint32_t cpu)
{
    uint32_t here = os->current;
    os->current = cpu;
    int status = switch_to(os, cpu, NULL);
    os->current = here;
    return status;
}

/* Cores that borrow the tables of a memory that has ended turn to init_mm's (flush_tlb_func() of a lazy core,
 * leave_mm()). */
static int release_borrowers(struct mmu_os *os, struct mm *mm)
{
    struct procs *p = os->procs;
    uint32_t here = os->current;
    int status = MMU_OS_DONE;
    for (uint32_t c = 0; c < os->cores && status == MMU_OS_DONE; c++) {
        if (p->active[c] != mm || !borrows(p, c))
            continue;
        os->current = c;
        status = mmu_os_switch(os, mmu_os_swapper(os), false);
        p->active[c] = NULL;
        mm->borrowers--;
    }
    os->current = here;
    return status;
}

/* One user less; tables are not left with cores that only borrow them. */
static int leave_mm(struct mmu_os *os, struct mm *mm)
{
    int status = mm->users == 1 ? release_borrowers(os, mm) : MMU_OS_DONE;
    mm_put(os, mm);
    return status;
}

/* Children of a thread group that has ended become init's (forget_original_parent()). */
static void find_new_reaper(struct mmu_os *os, uint32_t group)
{
    const struct procs *p = os->procs;
    uint32_t reaper = task_find(os, 1) ? 1 : 0;
    for (uint32_t i = 0; i < p->tasks; i++)
        if (p->task[i]->tgid == group)
            return;
    for (uint32_t i = 0; i < p->tasks; i++)
        if (p->task[i]->parent == group)
            p->task[i]->parent = reaper;
}

int mmu_os_exit(struct mmu_os *os, uint32_t pid)
{
    struct procs *p = os->procs;
    struct task *t = task_find(os, pid);
    if (!t)
        return no_such_task(os, "exit", pid);
    for (uint32_t c = 0; c < os->cores; c++) {
        int status = p->current[c] == t ? exit_switch(os, c) : MMU_OS_DONE;
        if (status != MMU_OS_DONE)
            return status;
    }
    struct mm *mm = t->mm;
    const uint32_t group = t->tgid;
    remove_task(os, t);
    find_new_reaper(os, group);
    return mm ? leave_mm(os, mm) : MMU_OS_DONE;
}

/* ----- exec ----- */

/* de_thread(): the other threads of the group end; the one that is left bears the group's number. */
static int become_alone(struct mmu_os *os, struct task *t)
{
    struct procs *p = os->procs;
    for (uint32_t i = p->tasks; i-- > 0;) {
        int status =
            p->task[i] != t && p->task[i]->tgid == t->tgid ? mmu_os_exit(os, p->task[i]->pid) : MMU_OS_DONE;
        if (status != MMU_OS_DONE)
            return status;
    }
    if (t->pid == t->tgid)
        return MMU_OS_DONE;
    uint32_t from = place_of(p, t->pid),
             to = place_of(p, t->tgid); /* a leader's pid is below its threads' or wrapped */
    memmove(&p->task[from], &p->task[from + 1], (p->tasks - from - 1) * sizeof(struct task *));
    to -= to > from;
    memmove(&p->task[to + 1], &p->task[to], (p->tasks - to - 1) * sizeof(struct task *));
    p->task[to] = t;
    t->pid = t->tgid;
    t->kind = MMU_TASK_PROCESS;
    return MMU_OS_DONE;
}

int task_take_mm(struct mmu_os *os, struct task *t, struct mm *mm)
{
    struct procs *p = os->procs;
    struct mm *before = t->mm;
    uint32_t here = os->current;
    int status = become_alone(os, t);
    for (uint32_t c = 0; c < os->cores && status == MMU_OS_DONE; c++) {
        if (p->current[c] != t)
            continue;
        os->current = c;
        status = mmu_os_switch(os, mm->pgd, true);
        os->current = here;
        if (status == MMU_OS_DONE)
            p->active[c] = mm;
    }
    if (status != MMU_OS_DONE)
        return status;
    t->mm = mm;
    return leave_mm(os, before);
}

/* ----- what is known ----- */

uint32_t mmu_os_current(const struct mmu_os *os, uint32_t cpu)
{
    REQUIRE(cpu < os->cores);
    return os->procs->current[cpu] ? os->procs->current[cpu]->pid : 0;
}

static void fill_memory(const struct mmu_os *os, const struct mm *mm, struct mmu_os_task *to)
{
    to->mm = mm->number;
    to->mm_users = mm->users;
    to->start_code = mm->start_code;
    to->end_code = mm->end_code;
    to->start_data = mm->start_data;
    to->end_data = mm->end_data;
    to->start_brk = mm->start_brk;
    to->brk = mm->brk;
    to->start_stack = mm->start_stack;
    to->mmap_base = mm->mmap_base;
    to->task_size = mm->task_size;
    to->total_vm = mm->total_vm;
    to->locked_vm = mm->locked_vm;
    to->data_vm = mm->data_vm;
    to->exec_vm = mm->exec_vm;
    to->stack_vm = mm->stack_vm;
    to->rss_anon = mm->rss_anon;
    to->rss_file = mm->rss_file;
    to->rss_shmem = mm->rss_shmem;
    to->page_table_bytes = memory_table_bytes(os, mm);
    to->minor_faults = mm->minor_faults;
    to->major_faults = mm->major_faults;
}

static void fill(const struct mmu_os *os, const struct task *t, struct mmu_os_task *to)
{
    const struct mm *loaded = t->mm ? t->mm : os->procs->active[t->cpu];
    *to = (struct mmu_os_task){
        .pid = t->pid, .tgid = t->tgid, .parent = t->parent, .kind = t->kind, .cpu = t->cpu};
    memcpy(to->comm, t->comm, sizeof to->comm);
    to->running = os->procs->current[t->cpu] == t;
    if (t->mm)
        fill_memory(os, t->mm, to);
    if (loaded && (t->mm || to->running))
        to->root = mmu_os_pgd_root(loaded->pgd, false);
}

int mmu_os_task(const struct mmu_os *os, uint32_t pid, struct mmu_os_task *task)
{
    const struct task *t = task_find(os, pid);
    if (!t)
        return MMU_OS_REFUSED;
    fill(os, t, task);
    return MMU_OS_DONE;
}

void mmu_os_tasks(const struct mmu_os *os, void (*each)(void *ctx, const struct mmu_os_task *task), void *ctx)
{
    for (uint32_t i = 0; i < os->procs->tasks; i++) {
        struct mmu_os_task task;
        fill(os, os->procs->task[i], &task);
        each(ctx, &task);
    }
}

void procs_check(const struct mmu_os *os)
{
    const struct procs *p = os->procs;
    for (const struct mm *mm = p->mms; mm; mm = mm->next) {
        uint32_t users = 0, borrowers = 0;
        for (uint32_t i = 0; i < p->tasks; i++)
            users += p->task[i]->mm == mm;
        for (uint32_t c = 0; c < os->cores; c++)
            borrowers += p->active[c] == mm && borrows(p, c);
        REQUIRE(users == mm->users && borrowers == mm->borrowers);
        mm_check(mm);
    }
    for (uint32_t i = 0; i < p->tasks; i++) {
        const struct task *t = p->task[i];
        uint32_t cores = 0;
        for (uint32_t c = 0; c < os->cores; c++)
            cores += p->current[c] == t;
        REQUIRE(cores <= 1 && (i == 0 || p->task[i - 1]->pid < t->pid));
        REQUIRE((t->kind == MMU_TASK_KERNEL) == !t->mm);
    }
    for (uint32_t c = 0; c < os->cores; c++)
        REQUIRE(!p->current[c] || !p->current[c]->mm || p->active[c] == p->current[c]->mm);
    memory_check(os);
}
