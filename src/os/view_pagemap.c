/*
 * view_pagemap.c: /proc/PID/pagemap, /proc/kpageflags, /proc/kpagecount, and where a frame is mapped.
 *
 * Models fs/proc/task_mmu.c and fs/proc/page.c of Linux 6.1.
 */
#include "file.h"
#include "plan.h"
#include "pte.h"
#include "rmap.h"
#include "task.h"

/* Bits of a pagemap entry (Documentation/admin-guide/mm/pagemap.rst). */
#define PM_SOFT_DIRTY     BIT(55)
#define PM_MMAP_EXCLUSIVE BIT(56)
#define PM_FILE           BIT(61)
#define PM_PRESENT        BIT(63)

/* pte_to_pagemap_entry(). Every VMA is soft-dirty (VM_SOFTDIRTY): nobody clears it. */
static uint64_t pagemap_entry(const struct mmu_os *os, const struct vma *vma, mmu_va va)
{
    uint64_t soft = os->plan->layout.wide ? PM_SOFT_DIRTY : 0;
    uint64_t entry = vma ? pte_look(os, vma->mm->pgd, va, NULL) : 0;
    if (!entry)
        return vma ? soft : 0;
    uint64_t bits = pte_pfn(os, entry) | PM_PRESENT | soft;
    if (entry & PTE_SPECIAL)
        return bits;
    const struct page *page = page_peek(os, pte_pfn(os, entry));
    return bits | (page_is_anon(page) ? 0 : PM_FILE) | (page_mapcount(page) == 1 ? PM_MMAP_EXCLUSIVE : 0);
}

int mmu_os_pagemap(const struct mmu_os *os, uint32_t pid, mmu_va va, size_t n, uint64_t *to)
{
    const struct task *t = task_find(os, pid);
    if (!t)
        return MMU_OS_REFUSED;
    va &= ~(mmu_va)PAGE_MASK;
    for (size_t i = 0; i < n; i++, va += PAGE_SIZE)
        to[i] = t->mm ? pagemap_entry(os, vma_find(t->mm, va), va) : 0;
    return MMU_OS_DONE;
}

/* ----- kpageflags ----- */

/* Bits of /proc/kpageflags (include/uapi/linux/kernel-page-flags.h, include/linux/kernel-page-flags.h). */
enum {
    KPF_LOCKED = 0,
    KPF_REFERENCED = 2,
    KPF_UPTODATE = 3,
    KPF_DIRTY = 4,
    KPF_LRU = 5,
    KPF_ACTIVE = 6,
    KPF_SLAB = 7,
    KPF_WRITEBACK = 8,
    KPF_RECLAIM = 9,
    KPF_BUDDY = 10,
    KPF_MMAP = 11,
    KPF_ANON = 12,
    KPF_SWAPBACKED = 14,
    KPF_COMPOUND_HEAD = 15,
    KPF_UNEVICTABLE = 18,
    KPF_NOPAGE = 20,
    KPF_ZERO_PAGE = 24,
    KPF_PGTABLE = 26,
    KPF_RESERVED = 32,
    KPF_MLOCKED = 33,
    KPF_MAPPEDTODISK = 34,
};

/* What is copied from page->flags. */
static const struct {
    uint8_t from, to;
} flag_bits[] = {
    {MMU_PG_LOCKED, KPF_LOCKED},
    {MMU_PG_REFERENCED, KPF_REFERENCED},
    {MMU_PG_UPTODATE, KPF_UPTODATE},
    {MMU_PG_DIRTY, KPF_DIRTY},
    {MMU_PG_LRU, KPF_LRU},
    {MMU_PG_ACTIVE, KPF_ACTIVE},
    {MMU_PG_SLAB, KPF_SLAB},
    {MMU_PG_WRITEBACK, KPF_WRITEBACK},
    {MMU_PG_RECLAIM, KPF_RECLAIM},
    {MMU_PG_SWAPBACKED, KPF_SWAPBACKED},
    {MMU_PG_HEAD, KPF_COMPOUND_HEAD},
    {MMU_PG_UNEVICTABLE, KPF_UNEVICTABLE},
    {MMU_PG_RESERVED, KPF_RESERVED},
    {MMU_PG_MLOCKED, KPF_MLOCKED},
    {MMU_PG_MAPPEDTODISK, KPF_MAPPEDTODISK},
};

static bool stops_where_locked(void *locked, const struct rmap_place *where)
{
    *(bool *)locked = where->vma->flags & VMA_LOCKED;
    return !*(bool *)locked;
}

/* mlock_folio(): a page that any VMA has locked lies on the list of those that are never reclaimed. */
static uint64_t locked_bits(const struct mmu_os *os, mmu_pfn pfn, uint64_t bits)
{
    bool locked = false;
    rmap_walk(os, pfn, stops_where_locked, &locked);
    return locked ? (bits & ~BIT(KPF_ACTIVE)) | BIT(KPF_MLOCKED) | BIT(KPF_UNEVICTABLE) : bits;
}

uint64_t mmu_os_kpageflags(const struct mmu_os *os, mmu_pfn pfn)
{
    struct mmu_page_info info;
    uint64_t bits = 0;
    if (mmu_os_page(os, pfn, &info) != MMU_OS_DONE)
        return BIT(KPF_NOPAGE);
    for (unsigned i = 0; i < COUNT_OF(flag_bits); i++)
        bits |= (uint64_t)(info.flags >> flag_bits[i].from & 1) << flag_bits[i].to;
    if (info.use == MMU_PAGE_NOT_RAM)
        return BIT(KPF_NOPAGE);
    if (info.use == MMU_PAGE_RESERVED)
        bits |= BIT(KPF_RESERVED);
    if (info.use == MMU_PAGE_FREE) /* PageBuddy(), or is_free_buddy_page(): not the first alone */
        bits |= BIT(KPF_BUDDY);
    if (info.use == MMU_PAGE_TABLE)
        bits |= BIT(KPF_PGTABLE);
    if (info.use == MMU_PAGE_USER && info.mapcount)
        bits = locked_bits(os, pfn, bits) | BIT(KPF_MMAP) | (info.mapping & 1 ? BIT(KPF_ANON) : 0);
    if (pfn == pte_zero_pfn(os))
        bits |= BIT(KPF_ZERO_PAGE);
    return bits;
}

uint64_t mmu_os_kpagecount(const struct mmu_os *os, mmu_pfn pfn)
{
    const struct page *page = page_peek(os, pfn);
    return page && page_is_head(page) && page_use(page) == MMU_PAGE_USER ? page_mapcount(page) : 0;
}

/* ----- rmap ----- */

struct listing {
    const struct mmu_os *os;
    void (*each)(void *ctx, const struct mmu_os_mapping *where);
    void *ctx;
};

/* The thread group that has a memory; vfork's child does not count. */
static uint32_t group_of(const struct mmu_os *os, const struct mm *mm)
{
    const struct procs *p = os->procs;
    for (uint32_t i = 0; i < p->tasks; i++)
        if (p->task[i]->mm == mm)
            return p->task[i]->tgid;
    return 0;
}

static bool list_one(void *ctx, const struct rmap_place *where)
{
    const struct listing *l = ctx;
    const struct mmu_os_mapping m = {group_of(l->os, where->vma->mm), where->va, where->entry};
    l->each(l->ctx, &m);
    return true;
}

void mmu_os_rmap(struct mmu_os *os, mmu_pfn pfn, void (*each)(void *ctx, const struct mmu_os_mapping *where),
                 void *ctx)
{
    struct listing l = {os, each, ctx};
    rmap_walk(os, pfn, list_one, &l);
}
