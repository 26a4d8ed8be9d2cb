/*
 * fault.c: the kernel's own page faults, and those that the tables permit by now.
 *
 * Models do_kern_addr_fault(), vmalloc_fault() and spurious_kernel_fault() of arch/x86/mm/fault.c, and
 * flush_tlb_fix_spurious_fault().
 */
#include "fault.h"
#include "kspace.h"
#include "plan.h"
#include "task.h"

/* The page directory that a core's CR3 names, be it one that was loaded behind the kernel's back. */
static const struct mmu_os_pgd *current_pgd(const struct mmu_os *os, uint32_t core, bool *user)
{
    const struct kspace *k = os->kspace;
    const mmu_pa root =
        port_get(os->hw[core], MMU_REG_CR3) & (k->traits.form->levels == 3 ? ~UINT64_C(31) : ~PAGE_MASK);
    const struct mmu_os_pgd *p = k->cpu[core].loaded;
    if (p->root != root && p->user_root != root)
        for (p = k->list; p && p->root != root && p->user_root != root; p = p->next)
            ;
    p = p ? p : &k->init;
    *user = p->root != root && p->user_root == root;
    return p;
}

/* vmalloc_fault(): this page directory lacks an entry that init_mm has. */
static bool vmalloc_fault(struct mmu_os *os, const struct mmu_os_pgd *pgd, mmu_va va)
{
    const struct layout *l = &os->plan->layout;
    struct kspace *k = os->kspace;
    struct mmu_os_lookup found;
    if (l->wide || va < l->vmalloc_start || va >= l->vmalloc_end)
        return false;
    bool mapped = kernel_lookup(os, va, &found);
    if (pgd != &k->init) {
        unsigned level = k->traits.copied;
        mmu_pa at = pgd_copy_at(os, pgd, va);
        if (found.entry[level - 1].present && !(pgtable_read(os, at) & PTE_P))
            kspace_write(os, level, at, found.entry[level - 1].value);
    }
    return mapped;
}

/* The rights of a walk: W and U of all levels, NX of any. */
static uint64_t rights(const struct mmu_os *os, const struct mmu_os_lookup *found)
{
    uint64_t bits = PTE_W | PTE_U;
    unsigned top = os->kspace->traits.form->levels;
    for (unsigned level = found->level + 1; level <= top; level++) {
        bool pdpte = top == 3 && level == 3; /* PAE's have no rights */
        uint64_t value = found->entry[level - 1].value;
        bits = pdpte ? bits : (bits & (value | PTE_XD)) | (value & os->kspace->traits.nx);
    }
    return bits;
}

/* spurious_kernel_fault(): init_mm permits what a stale TLB entry forbade. */
static bool spurious(const struct mmu_os *os, mmu_va va, uint32_t error_code)
{
    struct mmu_os_lookup found;
    if (error_code != (MMU_PF_W | MMU_PF_P) && error_code != (MMU_PF_I | MMU_PF_P))
        return false;
    if (!kernel_lookup(os, va, &found))
        return false;
    uint64_t may = rights(os, &found);
    return error_code & MMU_PF_W ? may & PTE_W : !(may & PTE_XD);
}

/* A fault in the user part: do the tables permit the access, SMEP and SMAP included? */
static bool user_permits(const struct mmu_os *os, uint32_t core, mmu_pa root, mmu_va va, uint32_t error_code,
                         enum mmu_priv priv)
{
    struct mmu_os_lookup found;
    pgtable_lookup(os, root, va, &found);
    if (!found.mapped || (error_code & (MMU_PF_RSVD | MMU_PF_PK)))
        return false;
    uint64_t may = rights(os, &found), cr4 = port_get(os->hw[core], MMU_REG_CR4);
    bool fetch = error_code & MMU_PF_I, write = error_code & MMU_PF_W;
    if (priv == MMU_USER && !(may & PTE_U))
        return false;
    bool trusted = priv == MMU_SUPERVISOR && port_get(os->hw[core], MMU_REG_AC);
    if (priv != MMU_USER && (may & PTE_U) && (fetch ? cr4 & CR4_SMEP : (cr4 & CR4_SMAP) && !trusted))
        return false;
    return fetch ? !(may & PTE_XD) : !write || (may & PTE_W);
}

int os_fault_kernel(struct mmu_os *os, uint32_t core, mmu_va cr2, uint32_t error_code)
{
    bool user;
    const struct mmu_os_pgd *current = current_pgd(os, core, &user);
    if (user) /* the user half has nothing of the kernel that could be missing */
        return OS_FAULT_UNRESOLVED;
    if (!(error_code & (MMU_PF_RSVD | MMU_PF_U | MMU_PF_P)) && vmalloc_fault(os, current, cr2)) {
        os->procs->vmstat.fault_vmalloc++;
        return OS_FAULT_RESOLVED;
    }
    return spurious(os, cr2, error_code) ? OS_FAULT_SPURIOUS : OS_FAULT_UNRESOLVED;
}

bool os_fault_permitted(const struct mmu_os *os, uint32_t core, mmu_va cr2, uint32_t error_code,
                        enum mmu_priv priv, bool came_from_user)
{
    bool user;
    const struct mmu_os_pgd *current = current_pgd(os, core, &user);
    return user_permits(os, core, user || came_from_user ? current->user_root : current->root, cr2,
                        error_code, priv);
}
