/* kspace_check.c: every page table is walked from every root, and counted. See kspace.h for the invariants.
 */
#include "kspace.h"
#include "page.h"
#include "plan.h"
#include "pte.h"
#include <string.h>

struct check {
    const struct mmu_os *os;
    const struct pgtable_form *form;
    const struct tables *tables;
    uint32_t *seen;  /* references found, by place in the hash */
    bool *visited;   /* by place */
    uint64_t mapped; /* user pages under this root */
    bool kernel;     /* in the kernel's part */
};

static size_t place_of(const struct check *c, mmu_pfn pfn)
{
    const struct table *t = tables_find(c->tables, pfn);
    REQUIRE(t);
    return (size_t)(t - c->tables->place);
}

/* A page that is free must not be mapped, but in the direct map, where kunmap() leaves its entries, and at
 * the fixed addresses, which may be given any frame. */
static void check_leaf(struct check *c, unsigned level, mmu_va va, uint64_t entry)
{
    const struct layout *l = &c->os->plan->layout;
    const mmu_pfn pfn = pgtable_leaf_pa(c->form, level, entry) >> PAGE_SHIFT;
    const bool pkmap = l->pkmap_base && va >= l->pkmap_base && va < l->pkmap_base + l->last_pkmap * PAGE_SIZE;
    const bool fixed = va >= l->fixaddr_tot_start && va <= l->fixaddr_top;
    REQUIRE(((entry & PTE_U) != 0) == !c->kernel);
    if (!c->kernel && (entry & PTE_SPECIAL)) { /* the zero page, pages of the kernel's data */
        REQUIRE(page_use_of(c->os, pfn) == MMU_PAGE_RESERVED);
        return;
    }
    if ((va >= l->page_offset && va < l->high_memory) || pkmap || fixed)
        return;
    const unsigned use = page_use_of(c->os, pfn);
    REQUIRE(use != MMU_PAGE_FREE && use != MMU_PAGE_PCP);
    REQUIRE(c->kernel || use == MMU_PAGE_USER);
}

static void check_table(const struct check *c, const struct table *t, unsigned level)
{
    const unsigned use = page_use_of(c->os, t->pfn);
    REQUIRE(t->level == level);
    REQUIRE(use == (t->boot ? MMU_PAGE_RESERVED : MMU_PAGE_TABLE));
    REQUIRE(c->os->plan->layout.wide || t->pfn < c->os->plan->layout.max_low_pfn ||
            (level == 1 && !c->kernel));
}

/* Entry i of a table whose address range begins at va. */
static mmu_va entry_va(const struct check *c, unsigned level, mmu_va va, unsigned i)
{
    const mmu_va at = va + ((mmu_va)i << pgtable_shift(c->form, level));
    const unsigned unused = 64u - c->form->va_bits;
    return c->form->levels >= 4 ? (mmu_va)((int64_t)(at << unused) >> unused) : at;
}

static void visit(struct check *c, unsigned level, mmu_pa table, mmu_va va, unsigned entries)
{
    uint8_t bytes[PAGE_SIZE];
    REQUIRE(port_read(c->os->hw[0], table, bytes, (size_t)entries * c->form->entry_bytes) == MMU_OK);
    for (unsigned i = 0; i < entries; i++) {
        uint64_t entry = 0;
        memcpy(&entry, bytes + (size_t)i * c->form->entry_bytes, c->form->entry_bytes);
        c->mapped += level == 1 && !c->kernel && entry != 0;
        if (!(entry & PTE_P))
            continue;
        const mmu_va here = entry_va(c, level, va, i);
        if (level == c->form->levels || (c->form->levels == 2 && level == 2))
            c->kernel = kspace_is_kernel(c->os, here);
        if (pgtable_is_leaf(c->form, level, entry)) {
            check_leaf(c, level, here, entry);
            continue;
        }
        const mmu_pfn below = (entry & c->form->address) >> PAGE_SHIFT;
        const size_t place = place_of(c, below);
        c->seen[place]++;
        if (c->visited[place])
            continue;
        c->visited[place] = true;
        check_table(c, &c->tables->place[place], level - 1);
        visit(c, level - 1, below << PAGE_SHIFT, here, 1u << c->form->index_bits);
    }
}

static void visit_root(struct check *c, const struct mmu_os_pgd *p, mmu_pa root)
{
    const unsigned top = c->form->levels;
    if (!p->object) {
        size_t place = place_of(c, root >> PAGE_SHIFT);
        REQUIRE(!c->visited[place]);
        c->visited[place] = true;
        c->seen[place]++;
        c->kernel = true; /* a root is never in highmem */
        check_table(c, &c->tables->place[place], top);
    }
    visit(c, top, root, 0, 1u << c->form->top_bits);
}

/* A page directory's copies of the kernel's entries. */
static void check_copies(const struct mmu_os *os, const struct mmu_os_pgd *p)
{
    const struct kspace_traits *t = &os->kspace->traits;
    const struct layout *l = &os->plan->layout;
    const uint64_t step = UINT64_C(1) << pgtable_shift(t->form, t->copied);
    const mmu_va first = l->wide ? (mmu_va)-1 << (t->form->va_bits - 1) : l->page_offset;
    const uint64_t count = (l->wide ? -first : BIT(32) - first) / step;
    for (uint64_t i = 0; i < count; i++) {
        const mmu_va va = first + i * step;
        const uint64_t own = pgtable_read(os, pgd_copy_at(os, p, va));
        const uint64_t init = pgtable_read(os, pgd_copy_at(os, &os->kspace->init, va));
        const bool left = os->kspace->lazy && va + step > l->vmalloc_start && va < l->vmalloc_end;
        REQUIRE(((own ^ init) & ~(PTE_A | PTE_D)) == 0 || (left && own == 0));
    }
}

void kspace_check(const struct mmu_os *os)
{
    const struct kspace *k = os->kspace;
    struct check c = {.os = os, .form = k->traits.form, .tables = &k->tables};
    c.seen = calloc(k->tables.places, sizeof *c.seen);
    c.visited = calloc(k->tables.places, sizeof *c.visited);
    REQUIRE(c.seen && c.visited);
    tables_check(&k->tables);
    for (const struct mmu_os_pgd *p = &k->init; p; p = p == &k->init ? k->list : p->next) {
        c.mapped = 0;
        visit_root(&c, p, p->root);
        REQUIRE(c.mapped == p->mapped);
        if (p->user_root != p->root)
            visit_root(&c, p, p->user_root);
        check_copies(os, p);
    }
    for (uint64_t i = 0; i < k->tables.places; i++)
        if (k->tables.place[i].level)
            REQUIRE(c.visited[i] && c.seen[i] == k->tables.place[i].uses);
    for (uint32_t cpu = 0; cpu < os->cores; cpu++) {
        const struct flush_cpu *f = &k->cpu[cpu];
        REQUIRE(f->loaded->cpus >> cpu & 1);
        REQUIRE(!k->traits.pcid || f->ctx[f->asid].ctx_id == f->loaded->ctx_id);
    }
    free(c.seen);
    free(c.visited);
}
