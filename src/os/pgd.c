/* pgd.c: page directories made and freed. See pgd.h. */
#include "alloc.h"
#include "kspace.h"
#include "plan.h"
#include "pte.h"
#include <string.h>

enum { GFP_PGTABLE_USER = MMU_GFP_KERNEL_ACCOUNT | MMU___GFP_ZERO, PAE_PGD_BYTES = 32 };

/* First entry of the kernel's part at the top (KERNEL_PGD_BOUNDARY), and how many there are. */
static unsigned kernel_first(const struct mmu_os *os)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    return f->levels >= 4 ? 1u << (f->top_bits - 1)
                          : pgtable_index(f, f->levels, os->plan->layout.page_offset);
}

static unsigned top_entries(const struct mmu_os *os)
{
    return 1u << os->kspace->traits.form->top_bits;
}

static mmu_pa top_at(const struct mmu_os *os, mmu_pa root, unsigned index)
{
    return root + (mmu_pa)index * os->kspace->traits.form->entry_bytes;
}

mmu_pa pgd_copy_at(const struct mmu_os *os, const struct mmu_os_pgd *pgd, mmu_va va)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    mmu_pa table = pgd->root;
    for (unsigned level = f->levels; level > os->kspace->traits.copied; level--)
        table = pgtable_read(os, pgtable_at(f, level, table, va)) & f->address;
    return pgtable_at(f, os->kspace->traits.copied, table, va);
}

/* ----- pgd_alloc() ----- */

/* The pages of the roots, or PAE's 32 bytes. */
static int make_roots(struct mmu_os *os, struct mmu_os_pgd *p)
{
    const struct kspace_traits *t = &os->kspace->traits;
    if (t->form->levels == 3 && !t->kpti) {
        static const uint8_t zeros[PAE_PGD_BYTES];
        int status = mmu_os_kmalloc(os, PAE_PGD_BYTES, MMU_GFP_KERNEL | MMU___GFP_ZERO, &p->object);
        if (status != MMU_OK)
            return status;
        p->root = p->user_root = p->object - os->plan->layout.page_offset;
        return port_write(os->hw[0], p->root, zeros, sizeof zeros);
    }
    static const uint8_t zeros[2 * PAGE_SIZE];
    mmu_pfn pfn;
    int status = tables_reserve(&os->kspace->tables, 2);
    if (status == MMU_OK)
        status = alloc_pages_as(os, "pgd_alloc", GFP_PGTABLE_USER, t->kpti, &pfn);
    if (status != MMU_OK)
        return status;
    p->root = pfn << PAGE_SHIFT;
    p->user_root = p->root + (t->kpti ? PAGE_SIZE : 0);
    alloc_set_use(os, pfn, MMU_PAGE_TABLE);
    for (mmu_pfn i = pfn; i <= p->user_root >> PAGE_SHIFT; i++) {
        tables_add(&os->kspace->tables, i, t->form->levels, false);
        tables_find(&os->kspace->tables, i)->uses = 1;
    }
    return port_write(os->hw[0], p->root, zeros, (size_t)PAGE_SIZE << t->kpti);
}

/* pgd_ctor(): the kernel's entries at the top, as init_mm has them. */
static void clone_top(struct mmu_os *os, mmu_pa to, mmu_pa from)
{
    for (unsigned i = kernel_first(os); i < top_entries(os); i++)
        kspace_write(os, os->kspace->traits.form->levels, top_at(os, to, i),
                     pgtable_read(os, top_at(os, from, i)));
}

/* A PMD page under a PDPTE of PAE; from: another's table, whose entries it begins with, or 0. */
static int preallocate(struct mmu_os *os, struct mmu_os_pgd *p, mmu_pa at, mmu_pa also_at, mmu_pa from)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    mmu_pfn pfn;
    int status = kspace_new_table(os, "pgd_alloc", GFP_PGTABLE_USER, 2, &pfn);
    if (status != MMU_OK)
        return status;
    for (unsigned i = 0; from && i < 1u << f->index_bits; i++)
        kspace_write(os, 2, (pfn << PAGE_SHIFT) + i * f->entry_bytes,
                     pgtable_read(os, from + i * f->entry_bytes));
    kspace_write(os, 3, at, pfn << PAGE_SHIFT | f->top_link);
    if (also_at != at)
        kspace_write(os, 3, also_at, pfn << PAGE_SHIFT | f->top_link);
    p->tables++;
    return MMU_OK;
}

/* preallocate_pmds(): the user part's three, with KPTI the kernel part's in both halves. */
static int preallocate_all(struct mmu_os *os, struct mmu_os_pgd *p)
{
    const struct mmu_os_pgd *init = &os->kspace->init;
    const uint64_t address = os->kspace->traits.form->address;
    const unsigned first = kernel_first(os);
    int status = MMU_OK;
    for (unsigned i = 0; i < first && status == MMU_OK; i++)
        status = preallocate(os, p, top_at(os, p->root, i), top_at(os, p->user_root, i), 0);
    for (unsigned i = first; os->kspace->traits.kpti && i < top_entries(os) && status == MMU_OK; i++) {
        mmu_pa at = top_at(os, p->root, i), user_at = top_at(os, p->user_root, i);
        status = preallocate(os, p, at, at, pgtable_read(os, top_at(os, init->root, i)) & address);
        if (status == MMU_OK)
            status = preallocate(os, p, user_at, user_at,
                                 pgtable_read(os, top_at(os, init->user_root, i)) & address);
    }
    return status;
}

static void release(struct mmu_os *os, struct mmu_os_pgd *p);

int mmu_os_pgd_alloc(struct mmu_os *os, struct mmu_os_pgd **out)
{
    struct kspace *k = os->kspace;
    struct mmu_os_pgd *p = calloc(1, sizeof *p);
    if (!p)
        return MMU_ERR_NOMEM;
    p->os = os;
    int status = make_roots(os, p);
    if (status == MMU_OK && k->traits.copied == k->traits.form->levels) {
        clone_top(os, p->root, k->init.root);
        if (k->traits.kpti)
            clone_top(os, p->user_root, k->init.user_root);
    }
    if (status == MMU_OK && k->traits.form->levels == 3)
        status = preallocate_all(os, p);
    if (status != MMU_OK) {
        release(os, p);
        return status;
    }
    p->ctx_id = ++k->last_ctx;
    p->next = k->list;
    p->link = &k->list;
    if (p->next)
        p->next->link = &p->next;
    k->list = p;
    *out = p;
    return MMU_OK;
}

/* ----- pgd_free() ----- */

static void free_tree(struct mmu_os *os, unsigned level, mmu_pfn pfn);

/* Clears an entry of a table that goes; the table that it linked goes as well if nobody else links it. */
static void drop_entry(struct mmu_os *os, unsigned level, mmu_pa at)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    const uint64_t entry = pgtable_read(os, at);
    if (!(entry & PTE_P))
        return;
    kspace_write(os, level, at, 0);
    if (pgtable_is_leaf(f, level, entry))
        return;
    const mmu_pfn below = (entry & f->address) >> PAGE_SHIFT;
    if (tables_find(&os->kspace->tables, below)->uses == 0)
        free_tree(os, level - 1, below);
}

/* Frees a table of `level` that nothing links any more, with what is below it; init_mm's tables stay. */
static void free_tree(struct mmu_os *os, unsigned level, mmu_pfn pfn)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    struct user_table t = user_table_map(os, pfn);
    for (unsigned i = 0; i < 1u << f->index_bits; i++) {
        mmu_pa at = (pfn << PAGE_SHIFT) + i * f->entry_bytes;
        uint64_t entry = pgtable_read(os, at);
        if (level == 1 && (entry & PTE_P) && !(entry & PTE_SPECIAL))
            user_page_unmapped(os, pgtable_leaf_pa(f, 1, entry) >> PAGE_SHIFT);
        drop_entry(os, level, at);
    }
    user_table_unmap(os, &t);
    kspace_free_table(os, pfn);
}

static void clear_top(struct mmu_os *os, mmu_pa root)
{
    for (unsigned i = 0; i < top_entries(os); i++)
        drop_entry(os, os->kspace->traits.form->levels, top_at(os, root, i));
}

static void release(struct mmu_os *os, struct mmu_os_pgd *p)
{
    if (p->user_root != p->root)
        clear_top(os, p->user_root);
    if (p->root)
        clear_top(os, p->root);
    if (p->object) {
        REQUIRE(mmu_os_kfree(os, p->object) == MMU_OK);
    } else if (p->root) {
        for (mmu_pfn i = p->root >> PAGE_SHIFT; i <= p->user_root >> PAGE_SHIFT; i++)
            tables_remove(&os->kspace->tables, i);
        free_pages(os, p->root >> PAGE_SHIFT, p->user_root != p->root);
    }
    free(p);
}

int mmu_os_pgd_free(struct mmu_os *os, struct mmu_os_pgd *pgd)
{
    if (pgd == &os->kspace->init)
        return os_outcome(os, MMU_OS_REFUSED, "pgd_free", "swapper_pg_dir is never freed");
    if (pgd->cpus)
        return os_outcome(os, MMU_OS_REFUSED, "pgd_free", "CPU %u has the page directory loaded",
                          (unsigned)__builtin_ctzll(pgd->cpus));
    *pgd->link = pgd->next;
    if (pgd->next)
        pgd->next->link = pgd->link;
    release(os, pgd);
    return MMU_OK;
}

void pgd_forget_all(struct mmu_os *os)
{
    for (struct mmu_os_pgd *p = os->kspace->list, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    os->kspace->list = NULL;
}

/* ----- the rest of the public face ----- */

mmu_pa mmu_os_pgd_root(const struct mmu_os_pgd *pgd, bool user)
{
    return user ? pgd->user_root : pgd->root;
}

int mmu_os_switch(struct mmu_os *os, struct mmu_os_pgd *pgd, bool user)
{
    flush_switch(os, os->current, pgd, user);
    return MMU_OK;
}

int mmu_os_lookup(const struct mmu_os *os, const struct mmu_os_pgd *pgd, bool user, mmu_va va,
                  struct mmu_os_lookup *to)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    memset(to, 0, sizeof *to);
    if (f->levels >= 4 ? !is_canonical(va, f->va_bits) : va >> f->va_bits)
        return MMU_OS_REFUSED;
    pgtable_lookup(os, user ? pgd->user_root : pgd->root, va, to);
    return MMU_OK;
}
