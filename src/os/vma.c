/*
 * vma.c: the ordered set of a mm's VMAs: put in, cut, joined, taken out.
 *
 * Models vma_merge(), __split_vma(), do_munmap() and expand_stack() of mm/mmap.c, Linux 6.1.
 */
#include "kspace.h"
#include "memory.h"
#include "task.h"

/* ----- counters that follow from VMAs alone (vm_stat_account()) ----- */

static bool is_stack(const struct vma *vma)
{
    return vma->flags & VMA_GROWSDOWN;
}

static void account(const struct vma *vma, int64_t pages)
{
    struct mm *mm = vma->mm;
    uint64_t n = (uint64_t)pages;
    bool writes = vma->prot & MMU_PROT_WRITE, shared = vma->flags & VMA_SHARED;
    mm->total_vm += n;
    mm->locked_vm += vma->flags & VMA_LOCKED ? n : 0;
    if ((vma->prot & MMU_PROT_EXEC) && !writes && !is_stack(vma))
        mm->exec_vm += n;
    else if (is_stack(vma))
        mm->stack_vm += n;
    else if (writes && !shared)
        mm->data_vm += n;
}

static void put_in(struct vma *vma)
{
    ranges_insert(&vma->mm->vmas, &vma->range);
    account(vma, (int64_t)vma_pages(vma));
}

static void take_out(struct vma *vma)
{
    account(vma, -(int64_t)vma_pages(vma));
    ranges_remove(&vma->mm->vmas, &vma->range);
}

static void move_bounds(struct vma *vma, mmu_va start, mmu_va end)
{
    account(vma, -(int64_t)vma_pages(vma));
    ranges_resize(&vma->mm->vmas, &vma->range, start, end);
    account(vma, (int64_t)vma_pages(vma));
}

uint32_t vma_key(const struct mmu_os *os, uint32_t prot)
{
    return prot == MMU_PROT_EXEC && os->kspace->traits.keys ? VMA_KEYED : 0u;
}

/* ----- joining ----- */

/* Could a VMA that is new, or was changed, become one with a neighbour? */
static bool joins(const struct vma *vma, const struct vma *near)
{
    const struct vma *below = vma->range.start < near->range.start ? vma : near;
    const struct vma *above = below == vma ? near : vma;
    bool alike = below->prot == above->prot && below->flags == above->flags && below->name == above->name &&
                 below->file == above->file && below->name == VMA_ORDINARY;
    return alike && below->range.end == above->range.start &&
           below->offset + vma_pages(below) == above->offset && memory_vma_joins(vma, near);
}

/* The neighbour that a VMA could become one with; NULL: none. */
static struct vma *partner_below(const struct vma *vma)
{
    struct vma *below = (struct vma *)ranges_before(&vma->mm->vmas, vma->range.start);
    return below && joins(vma, below) ? below : NULL;
}

static struct vma *partner_above(const struct vma *vma)
{
    struct vma *above = vma_next(vma);
    return above && joins(vma, above) ? above : NULL;
}

/* The lower one swallows the upper one. */
static struct vma *swallow(struct mmu_os *os, struct vma *below, struct vma *above)
{
    mmu_va end = above->range.end;
    memory_vma_merge(os, below, above);
    take_out(above);
    free(above);
    move_bounds(below, below->range.start, end);
    return below;
}

int vma_add_alone(struct mmu_os *os, struct mm *mm, mmu_va start, mmu_va end, const struct vma_like *like,
                  struct vma **out)
{
    struct vma *vma = calloc(1, sizeof *vma);
    if (!vma)
        return MMU_ERR_NOMEM;
    *vma = (struct vma){
        .range = {.start = start, .end = end},
        .mm = mm,
        .prot = like->prot,
        .flags = like->flags,
        .name = like->name,
        .file = like->file,
        .offset = like->offset,
    };
    put_in(vma);
    int status = memory_vma_new(os, vma);
    if (status != MMU_OK) {
        take_out(vma);
        free(vma);
        return status;
    }
    *out = vma;
    return MMU_OK;
}

int vma_add(struct mmu_os *os, struct mm *mm, mmu_va start, mmu_va end, const struct vma_like *like,
            struct vma **out)
{
    struct vma *vma;
    int status = vma_add_alone(os, mm, start, end, like, &vma);
    if (status != MMU_OK)
        return status;
    struct vma *near = partner_above(vma); /* first, as mmap_region() does */
    if (near)
        swallow(os, vma, near);
    near = partner_below(vma);
    if (near)
        vma = swallow(os, near, vma);
    if (out)
        *out = vma;
    return MMU_OK;
}

void vma_expand_up(struct mmu_os *os, struct vma *vma, mmu_va end)
{
    move_bounds(vma, vma->range.start, end);
    struct vma *above = partner_above(vma);
    if (above)
        swallow(os, vma, above);
}

struct vma *vma_change(struct mmu_os *os, struct vma *vma, uint32_t prot, uint32_t flags)
{
    account(vma, -(int64_t)vma_pages(vma));
    vma->prot = prot;
    vma->flags = flags;
    account(vma, (int64_t)vma_pages(vma));
    /* vma_merge(): what lies below comes first; what lies above joins if it may be one with that, too. */
    struct vma *below = partner_below(vma), *above = partner_above(vma);
    if (above && !(below && !memory_vma_meets(below, above)))
        swallow(os, vma, above);
    return below ? swallow(os, below, vma) : vma;
}

/* ----- cutting ----- */

int vma_split(struct mmu_os *os, struct vma *vma, mmu_va at)
{
    struct vma *upper = malloc(sizeof *upper);
    if (!upper)
        return MMU_ERR_NOMEM;
    *upper = *vma;
    upper->links = NULL;
    upper->range = (struct range){.start = at, .end = vma->range.end};
    upper->offset = vma_index(vma, at);
    move_bounds(vma, vma->range.start, at);
    put_in(upper);
    int status = memory_vma_split(os, vma, upper);
    if (status != MMU_OK) {
        mmu_va end = upper->range.end;
        take_out(upper);
        free(upper);
        move_bounds(vma, vma->range.start, end);
    }
    return status;
}

int vma_isolate(struct mmu_os *os, struct mm *mm, mmu_va start, mmu_va end)
{
    const mmu_va ends[] = {start, end};
    for (unsigned i = 0; i < COUNT_OF(ends); i++) {
        struct vma *vma = vma_find(mm, ends[i]);
        int status = vma && vma->range.start < ends[i] ? vma_split(os, vma, ends[i]) : MMU_OK;
        if (status != MMU_OK)
            return status;
    }
    return MMU_OK;
}

int vma_remove(struct mmu_os *os, struct mm *mm, mmu_va start, mmu_va end)
{
    int status = vma_isolate(os, mm, start, end);
    if (status != MMU_OK)
        return status;
    struct vma *vma = vma_from(mm, start), *below = (struct vma *)ranges_before(&mm->vmas, start);
    bool any = vma && vma->range.start < end;
    mm_note_peak(mm);
    while (vma && vma->range.start < end) {
        struct vma *next = vma_next(vma);
        memory_zap(os, vma, vma->range.start, vma->range.end);
        memory_vma_gone(os, vma);
        take_out(vma);
        free(vma);
        vma = next;
    }
    if (any)
        memory_free_tables(os, mm, below ? below->range.end : 0, vma ? vma->range.start : mm->task_size);
    return MMU_OK;
}

/* ----- the stack ----- */

/* Keeps the guard gap to what lies below, unless that is a stack too or cannot be accessed
 * (acct_stack_growth()). */
static bool leaves_gap(const struct vma *vma, mmu_va start)
{
    const struct vma *below = (const struct vma *)ranges_before(&vma->mm->vmas, vma->range.start);
    if (!below || (below->flags & VMA_GROWSDOWN) || !below->prot)
        return !below || below->range.end <= start;
    return start >= STACK_GUARD_GAP && below->range.end <= start - STACK_GUARD_GAP;
}

bool vma_expand_down(struct mmu_os *os, struct vma *vma, mmu_va va)
{
    mmu_va start = va & ~(mmu_va)PAGE_MASK;
    if (!(vma->flags & VMA_GROWSDOWN) || start >= vma->range.start || start < MMAP_MIN_ADDR)
        return false;
    if (vma->range.end - start > STACK_LIMIT || !leaves_gap(vma, start))
        return false;
    uint64_t pages = (vma->range.start - start) >> PAGE_SHIFT;
    if (pages > vma->offset)
        return false;
    vma->offset -= pages;
    move_bounds(vma, start, vma->range.end);
    os->procs->vmstat.fault_stack++;
    return true;
}
