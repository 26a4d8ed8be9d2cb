/* user.c: pages of the user part mapped and unmapped. See user.h. */
#include "user.h"
#include "alloc.h"
#include "kmap.h"
#include "kspace.h"
#include "plan.h"
#include <inttypes.h>

enum { GFP_PGTABLE_USER = MMU_GFP_KERNEL_ACCOUNT | MMU___GFP_ZERO };

/* When all slots are in use, what the caller asked for succeeds all the same. */
struct user_table user_table_map(struct mmu_os *os, mmu_pfn pfn)
{
    bool high = pfn >= os->plan->layout.max_low_pfn;
    return (struct user_table){high ? kmap_local_high(os, pfn) : 0};
}

void user_table_unmap(struct mmu_os *os, const struct user_table *t)
{
    if (t->mapped)
        REQUIRE(mmu_os_kunmap_local(os, t->mapped) == MMU_OK);
}

/* The head of a block counts the mappings of all its pages: it cannot be freed while there are any. */
void user_page_unmapped(struct mmu_os *os, mmu_pfn pfn)
{
    mmu_pfn head = page_head(os, pfn);
    struct page *p = page_peek(os, head);
    uint32_t n = page_mapcount(p) - 1;
    page_set_mapcount(p, n);
    if (n == 0)
        alloc_set_use(os, head, MMU_PAGE_KERNEL);
}

/* Links a new table; at the top with KPTI in both halves, the kernel's copy of user code not executable
 * (__pti_set_user_pgtbl()). */
static void link_table(struct mmu_os *os, struct mmu_os_pgd *pgd, unsigned level, mmu_va va, mmu_pa at,
                       mmu_pfn pfn)
{
    const struct kspace_traits *t = &os->kspace->traits;
    const struct pgtable_form *f = t->form;
    uint64_t entry = pfn << PAGE_SHIFT | (level == f->levels ? f->top_link : f->link);
    if (level == f->levels && t->kpti) {
        kspace_write(os, level, pgtable_at(f, level, pgd->user_root, va), entry);
        entry |= t->nx;
    }
    kspace_write(os, level, at, entry);
}

mmu_pa user_find_table(const struct mmu_os *os, const struct mmu_os_pgd *pgd, mmu_va va, mmu_va *behind)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    unsigned level = f->levels;
    mmu_pa table = pgtable_descend(os, pgd->root, &level, va);
    if (behind) {
        unsigned shift = pgtable_shift(f, level > 1 ? level : 2);
        *behind = ((va >> shift) + 1) << shift;
    }
    return level == 1 ? table : 0;
}

/* Does the table that an entry of this level links count as its process's? P4Ds do not (mm_pgtables_bytes()).
 */
static bool counts(unsigned level)
{
    return level < 5;
}

int user_make_tables(struct mmu_os *os, struct mmu_os_pgd *pgd, mmu_va va, mmu_pa *table)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    unsigned level = f->levels;
    *table = pgtable_descend(os, pgd->root, &level, va);
    for (; UNLIKELY(level > 1); level--) {
        mmu_pa at = pgtable_at(f, level, *table, va);
        bool high = level == 2 && f->levels < 4;
        mmu_pfn pfn;
        int status = kspace_new_table(os, level == 2 ? "pte_alloc_one" : "pmd_alloc_one",
                                      GFP_PGTABLE_USER | (high ? MMU___GFP_HIGHMEM : 0), level - 1, &pfn);
        if (status != MMU_OK)
            return status;
        link_table(os, pgd, level, va, at, pfn);
        pgd->tables += counts(level);
        *table = pgtable_read(os, at) & f->address;
    }
    return MMU_OK;
}

/* ----- free_pgtables() ----- */

struct span {
    struct mmu_os_pgd *pgd;
    mmu_va floor, ceiling;
    bool freed;
};

/* Frees what may go of a table whose first entry maps va (free_pgd_range() and below). PAE's PMDs stay with
 * their page directory. */
static void free_below(struct mmu_os *os, struct span *s, unsigned level, mmu_pa table, mmu_va va)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    const mmu_va size = UINT64_C(1) << pgtable_shift(f, level);
    unsigned n = 1u << pgtable_bits(f, level);
    unsigned first = s->floor > va ? (unsigned)((s->floor - va) / size) : 0;
    for (unsigned i = first; i < n && va + i * size < s->ceiling; i++) {
        mmu_pa at = table + (mmu_pa)i * f->entry_bytes;
        mmu_va start = va + i * size;
        uint64_t entry = pgtable_read(os, at);
        if (!(entry & PTE_P))
            continue;
        mmu_pa below = entry & f->address;
        if (level > 2)
            free_below(os, s, level - 1, below, start);
        if (start < s->floor || start + size > s->ceiling || (level == 3 && f->levels == 3))
            continue;
        if (level == f->levels && s->pgd->user_root != s->pgd->root)
            kspace_write(os, level, pgtable_at(f, level, s->pgd->user_root, start), 0);
        kspace_write(os, level, at, 0);
        kspace_free_table(os, below >> PAGE_SHIFT);
        s->pgd->tables -= counts(level);
        s->freed = true;
    }
}

bool user_free_tables(struct mmu_os *os, struct mmu_os_pgd *pgd, mmu_va floor, mmu_va ceiling)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    struct span s = {.pgd = pgd, .floor = floor, .ceiling = ceiling};
    free_below(os, &s, f->levels, pgd->root, 0);
    return s.freed;
}

static bool is_user_page(const struct mmu_os *os, mmu_va va)
{
    return (va & PAGE_MASK) == 0 && va < os->plan->layout.task_size;
}

/* set_pte_at() where nothing is mapped yet. */
static int set_pte(struct mmu_os *os, struct mmu_os_pgd *pgd, mmu_va va, mmu_pfn pfn, unsigned rights)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    mmu_pa table;
    int status = user_make_tables(os, pgd, va, &table);
    if (status != MMU_OK)
        return status;
    struct user_table t = user_table_map(os, table >> PAGE_SHIFT);
    mmu_pa at = pgtable_at(f, 1, table, va);
    uint64_t before = pgtable_read(os, at);
    unsigned prot = (rights & MMU_OS_WRITE ? PROT_WRITE : 0) | (rights & MMU_OS_EXEC ? PROT_EXEC : 0);
    if (!before)
        kspace_write(os, 1, at, pfn << PAGE_SHIFT | prot_user(os, prot));
    user_table_unmap(os, &t);
    if (before)
        return os_outcome(os, MMU_OS_REFUSED, "set_pte_at",
                          "0x%" PRIx64 " is mapped already (entry 0x%" PRIx64 ")", va, before);
    return MMU_OK;
}

int mmu_os_map_user(struct mmu_os *os, struct mmu_os_pgd *pgd, mmu_va va, mmu_pfn pfn, unsigned rights)
{
    if (pgd == &os->kspace->init)
        return os_outcome(os, MMU_OS_REFUSED, "set_pte_at", "init_mm has no user part");
    if (!is_user_page(os, va) || rights & ~(unsigned)(MMU_OS_WRITE | MMU_OS_EXEC))
        return os_outcome(os, MMU_OS_REFUSED, "set_pte_at",
                          "0x%" PRIx64 " with rights 0x%x: expected a page below 0x%" PRIx64
                          " and MMU_OS_WRITE, MMU_OS_EXEC",
                          va, rights, os->plan->layout.task_size);
    unsigned use = page_use_of(os, pfn);
    if (use != MMU_PAGE_KERNEL && use != MMU_PAGE_USER)
        return os_outcome(os, MMU_OS_REFUSED, "set_pte_at",
                          "frame 0x%" PRIx64 " is not an allocated page that a process could have", pfn);
    mmu_pfn head = page_head(os, pfn);
    struct page *p = page_of(os, head);
    if (!p)
        return MMU_ERR_NOMEM;
    if (use == MMU_PAGE_USER && p->mapping)
        return os_outcome(os, MMU_OS_REFUSED, "set_pte_at",
                          "frame 0x%" PRIx64 " belongs to a process or a file", pfn);
    int status = set_pte(os, pgd, va, pfn, rights);
    if (status != MMU_OK)
        return status;
    page_set_mapcount(p, page_mapcount(p) + 1);
    if (use != MMU_PAGE_USER)
        alloc_set_use(os, head, MMU_PAGE_USER);
    pgd->mapped++;
    return MMU_OK;
}

int mmu_os_unmap_user(struct mmu_os *os, struct mmu_os_pgd *pgd, mmu_va va, mmu_pfn *pfn)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    struct mmu_os_lookup found = {0};
    if (is_user_page(os, va) && pgd != &os->kspace->init)
        pgtable_lookup(os, pgd->root, va, &found);
    if (!found.mapped || found.level != 0)
        return os_outcome(os, MMU_OS_REFUSED, "ptep_clear_flush", "no user page is mapped at 0x%" PRIx64, va);
    mmu_pa at = found.entry[0].at;
    struct user_table t = user_table_map(os, at >> PAGE_SHIFT);
    mmu_pfn mapped = pgtable_leaf_pa(f, 1, pgtable_read(os, at)) >> PAGE_SHIFT;
    kspace_write(os, 1, at, 0);
    user_table_unmap(os, &t);
    flush_mm_range(os, pgd, va, va + PAGE_SIZE, PAGE_SHIFT);
    user_page_unmapped(os, mapped);
    pgd->mapped--;
    if (pfn)
        *pfn = mapped;
    return MMU_OK;
}
