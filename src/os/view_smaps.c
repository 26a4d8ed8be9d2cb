/*
 * view_smaps.c: /proc/PID/smaps.
 *
 * Models smaps_account() and show_smap() of fs/proc/task_mmu.c, Linux 6.1. This kernel gives processes no
 * huge pages, no hugetlb and no swap: the lines of these are there, as Linux prints them, and say 0.
 */
#include "file.h"
#include "plan.h"
#include "pte.h"
#include "view_task.h"

#include <inttypes.h>

enum { PSS_SHIFT = 12 };

/* struct mem_size_stats, in bytes; pss are shifted. */
struct sizes {
    uint64_t resident, referenced, anonymous, lazyfree;
    uint64_t pss, pss_dirty, pss_locked;
    uint64_t clean[2], dirty[2]; /* [1] private, [0] shared */
};

/* The next entry that is not empty, at *va or above; false: none below end. Missing tables are passed over
 * as a whole. */
static bool next_entry(const struct mmu_os *os, const struct mmu_os_pgd *pgd, mmu_va *va, mmu_va end,
                       uint64_t *entry)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    while (*va < end) {
        mmu_pa table = pgd->root;
        unsigned level = f->levels;
        for (;; level--) {
            *entry = pgtable_read(os, pgtable_at(f, level, table, *va));
            if (level == 1 || !(*entry & PTE_P))
                break;
            table = *entry & f->address;
        }
        if (level == 1 && *entry)
            return true;
        *va = ((*va >> pgtable_shift(f, level)) + 1) << pgtable_shift(f, level);
    }
    return false;
}

static void add_page(struct sizes *s, const struct page *page, uint64_t entry, bool locked)
{
    uint32_t flags = page_flags(page), maps = page_mapcount(page);
    bool dirty = entry & PTE_D || flags & 1u << MMU_PG_DIRTY, alone = maps < 2;
    uint64_t pss = (UINT64_C(1) << (PAGE_SHIFT + PSS_SHIFT)) / (alone ? 1 : maps);
    s->resident += PAGE_SIZE;
    s->anonymous += page_is_anon(page) ? PAGE_SIZE : 0;
    s->lazyfree += page_is_anon(page) && !(flags & 1u << MMU_PG_SWAPBACKED) && !dirty ? PAGE_SIZE : 0;
    s->referenced += entry & PTE_A || flags & 1u << MMU_PG_REFERENCED ? PAGE_SIZE : 0;
    s->pss += pss;
    s->pss_locked += locked ? pss : 0;
    s->pss_dirty += dirty ? pss : 0;
    *(dirty ? &s->dirty[alone] : &s->clean[alone]) += PAGE_SIZE;
}

static struct sizes sizes_of(const struct mmu_os *os, const struct vma *vma)
{
    struct sizes s = {0};
    uint64_t entry;
    for (mmu_va va = vma->range.start; next_entry(os, vma->mm->pgd, &va, vma->range.end, &entry);
         va += PAGE_SIZE) {
        const struct page *page = entry & PTE_SPECIAL ? NULL : page_peek(os, pte_pfn(os, entry));
        if (page)
            add_page(&s, page, entry, vma->flags & VMA_LOCKED);
    }
    return s;
}

/* show_smap_vma_flags(). What nobody may write, the kernel's data page, is what nobody may change either; a
 * VMA is soft-dirty from its beginning, where the kernel knows of that. */
static void say_flags(const struct mmu_os *os, const struct vma *vma, struct view *v)
{
    const bool data = vma->flags & VMA_PFNMAP, shared = vma->flags & VMA_SHARED;
    const struct {
        bool on;
        const char *text;
    } flags[] = {
        {vma->prot & MMU_PROT_READ, "rd"},
        {vma->prot & MMU_PROT_WRITE, "wr"},
        {vma->prot & MMU_PROT_EXEC, "ex"},
        {shared, "sh"},
        {true, "mr"},
        {!data, "mw"},
        {!data, "me"},
        {shared, "ms"},
        {vma->flags & VMA_GROWSDOWN, "gd"},
        {data, "pf"},
        {vma->flags & VMA_LOCKED, "lo"},
        {data, "io"},
        {vma->name != VMA_ORDINARY, "de"},
        {vma->flags & VMA_ACCOUNT, "ac"},
        {vma->flags & VMA_NORESERVE, "nr"},
        {data, "dd"},
        {os->plan->layout.wide, "sd"},
    };
    view_say(v, "VmFlags: ");
    for (unsigned i = 0; i < COUNT_OF(flags); i++)
        if (flags[i].on)
            view_say(v, "%s ", flags[i].text);
    view_say(v, "\n");
}

static void say_vma(const struct mmu_os *os, const struct vma *vma, struct view *v)
{
    const struct sizes s = sizes_of(os, vma);
    const struct {
        const char *name;
        uint64_t bytes;
    } lines[] = {
        {"Size:", vma_pages(vma) << PAGE_SHIFT},
        {"KernelPageSize:", PAGE_SIZE},
        {"MMUPageSize:", PAGE_SIZE},
        {"Rss:", s.resident},
        {"Pss:", s.pss >> PSS_SHIFT},
        {"Pss_Dirty:", s.pss_dirty >> PSS_SHIFT},
        {"Shared_Clean:", s.clean[0]},
        {"Shared_Dirty:", s.dirty[0]},
        {"Private_Clean:", s.clean[1]},
        {"Private_Dirty:", s.dirty[1]},
        {"Referenced:", s.referenced},
        {"Anonymous:", s.anonymous},
        {"LazyFree:", s.lazyfree},
        {"AnonHugePages:", 0},
        {"ShmemPmdMapped:", 0},
        {"FilePmdMapped:", 0},
        {"Shared_Hugetlb:", 0},
        {"Private_Hugetlb:", 0},
        {"Swap:", 0},
        {"SwapPss:", 0},
        {"Locked:", s.pss_locked >> PSS_SHIFT},
    };
    view_maps_line(v, vma);
    for (unsigned i = 0; i < COUNT_OF(lines); i++)
        view_say(v, "%-16s%8" PRIu64 " kB\n", lines[i].name, lines[i].bytes >> 10);
    view_say(v, "THPeligible:    0\n");
    if (os->kspace->traits.keys)
        view_say(v, "ProtectionKey:  %8u\n", vma->flags & VMA_KEYED ? 1u : 0u);
    say_flags(os, vma, v);
}

void view_smaps(const struct mmu_os *os, const struct task *t, struct view *v)
{
    for (const struct vma *vma = t->mm ? vma_first(t->mm) : NULL; vma; vma = vma_next(vma))
        say_vma(os, vma, v);
}
