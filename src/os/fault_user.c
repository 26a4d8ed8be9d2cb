/*
 * fault_user.c: the page-fault handler: exc_page_fault(), do_user_addr_fault() and what they end in
 * (arch/x86/mm/fault.c of Linux 6.1).
 *
 * Decided from error code, CR2, privilege, AC, VMA, entry and page descriptor. A supervisor's access to user
 * memory is taken for one of the uaccess functions, which have a fixup: -EFAULT. Left out: prefetch errata,
 * vsyscall emulation, userfaultfd, the OOM killer (the task would be killed).
 */
#include "fault.h"
#include "kspace.h"
#include "memory.h"
#include "plan.h"
#include "task.h"

/* A fault as it arrives. */
struct arrival {
    struct mmu_os *os;
    uint32_t core;
    mmu_va cr2;
    uint32_t error_code;
    enum mmu_priv priv;
    bool halves; /* the user half was loaded, and the kernel half is now */
};

static bool from_user(const struct arrival *a)
{
    return a->priv == MMU_USER;
}

/* Linux tells user code that an address of the kernel's is present, whatever it is. */
static int raise(const struct arrival *a, enum mmu_os_signal_kind kind)
{
    struct procs *p = a->os->procs;
    bool hidden = from_user(a) && a->cr2 >= a->os->plan->layout.task_size;
    p->signal[a->core] = (struct mmu_os_signal){
        .kind = kind,
        .pid = p->current[a->core] ? p->current[a->core]->pid : 0,
        .address = a->cr2,
        .error_code = a->error_code | (hidden ? (uint32_t)MMU_PF_P : 0),
    };
    return OS_FAULT_UNRESOLVED;
}

/* bad_area(): user code gets the signal, the kernel's own access fails. */
static int bad_area(const struct arrival *a, enum mmu_os_signal_kind kind)
{
    return raise(a, from_user(a) || kind == MMU_SIG_OOM ? kind : MMU_SIG_EFAULT);
}

/* access_error(): does the VMA forbid it? */
static bool forbidden(const struct vma *vma, uint32_t error_code)
{
    if (error_code & MMU_PF_W)
        return !(vma->prot & MMU_PROT_WRITE);
    return (error_code & MMU_PF_P) || !vma->prot;
}

/* lock_mm_and_find_vma() */
static struct vma *find_vma(struct mmu_os *os, const struct mm *mm, mmu_va va)
{
    struct vma *vma = vma_from(mm, va);
    return vma && (vma->range.start <= va || vma_expand_down(os, vma, va)) ? vma : NULL;
}

/* The task's memory, if it is what the core has loaded. */
static const struct mm *current_mm(const struct arrival *a)
{
    const struct task *t = a->os->procs->current[a->core];
    return t && t->mm && a->os->kspace->cpu[a->core].loaded == t->mm->pgd ? t->mm : NULL;
}

/* Supervisor accesses that the kernel never makes: it executes no user code, and reads user memory only with
 * AC set. */
static bool is_wild(const struct arrival *a)
{
    bool smap = port_get(a->os->hw[a->core], MMU_REG_CR4) & CR4_SMAP;
    bool trusted = a->priv == MMU_SUPERVISOR && port_get(a->os->hw[a->core], MMU_REG_AC);
    return !from_user(a) && ((a->error_code & MMU_PF_I) || (smap && !trusted));
}

/* do_user_addr_fault() */
static int user_fault(const struct arrival *a)
{
    struct mmu_os *os = a->os;
    const struct mm *mm = current_mm(a);
    if (is_wild(a) || (a->error_code & MMU_PF_RSVD))
        return raise(a, MMU_SIG_OOPS);
    if (!mm)
        return bad_area(a, MMU_SIG_SEGV_MAPERR);
    struct vma *vma = find_vma(os, mm, a->cr2);
    if (!vma)
        return bad_area(a, MMU_SIG_SEGV_MAPERR);
    if (a->error_code & MMU_PF_PK || (vma->flags & VMA_KEYED && !(a->error_code & MMU_PF_I)))
        return bad_area(a, MMU_SIG_SEGV_PKUERR);
    if (forbidden(vma, a->error_code))
        return bad_area(a, MMU_SIG_SEGV_ACCERR);
    struct memory_fault fault = {.va = a->cr2, .write = a->error_code & MMU_PF_W};
    int status = memory_fault(os, vma, &fault);
    if (status != MMU_OS_DONE)
        return status;
    return fault.signal == MMU_SIG_NONE ? (int)OS_FAULT_RESOLVED : bad_area(a, fault.signal);
}

static int handle(const struct arrival *a)
{
    struct mmu_os *os = a->os;
    if (kspace_is_kernel(os, a->cr2)) {
        int end = os_fault_kernel(os, a->core, a->cr2, a->error_code);
        os->procs->vmstat.fault_spurious += end == OS_FAULT_SPURIOUS;
        if (end != OS_FAULT_UNRESOLVED)
            return end;
        return raise(a, from_user(a) ? MMU_SIG_SEGV_MAPERR : MMU_SIG_OOPS);
    }
    bool looks = (a->error_code & MMU_PF_P) || !current_mm(a); /* else handle_mm_fault() finds out */
    if (looks && os_fault_permitted(os, a->core, a->cr2, a->error_code, a->priv, a->halves)) {
        os->procs->vmstat.fault_spurious++;
        return OS_FAULT_SPURIOUS;
    }
    return user_fault(a);
}

int os_fault(struct mmu_os *os, uint32_t core, mmu_va cr2, uint32_t error_code, enum mmu_priv priv)
{
    const uint32_t before = os->current;
    const bool halves = os->kspace->cpu[core].user && os->procs->current[core];
    const struct arrival a = {os, core, cr2, error_code, priv, halves};
    struct flush_origin from = {0};
    os->current = core;
    if (halves) /* error_entry: to the kernel half, and back */
        from = flush_enter(os, core);
    int end = handle(&a);
    if (halves)
        flush_leave(os, core, from);
    os->current = before;
    return end;
}

void os_enter(struct mmu_os *os, uint32_t core, enum mmu_priv priv)
{
    if (os_wrong_half(os, core, priv))
        flush_switch(os, core, os->kspace->cpu[core].loaded, priv == MMU_USER);
}

uint64_t os_half_cr3(const struct mmu_os *os, uint32_t core, enum mmu_priv priv)
{
    return flush_half_cr3(os, core, priv == MMU_USER);
}

bool os_has_halves(const struct mmu_os *os)
{
    return os->kspace->traits.kpti;
}

bool os_wrong_half(const struct mmu_os *os, uint32_t core, enum mmu_priv priv)
{
    return os->kspace->traits.kpti && os->procs->current[core] &&
           os->kspace->cpu[core].user != (priv == MMU_USER);
}

/* ----- signals ----- */

const char *mmu_os_signal_text(enum mmu_os_signal_kind kind)
{
    static const char *const text[] = {
#define MMU_X(name, text) [MMU_SIG_##name] = text,
        MMU_OS_SIGNALS(MMU_X)
#undef MMU_X
    };
    return (unsigned)kind < MMU_OS_SIGNAL_KINDS ? text[kind] : "unknown signal";
}

void mmu_os_signal(struct mmu_os *os, uint32_t cpu, struct mmu_os_signal *signal)
{
    REQUIRE(cpu < os->cores);
    *signal = os->procs->signal[cpu];
    os->procs->signal[cpu] = (struct mmu_os_signal){0};
}

void mmu_os_vmstat(const struct mmu_os *os, struct mmu_os_vmstat *to)
{
    *to = os->procs->vmstat;
}
