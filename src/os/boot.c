/* boot.c: page tables from runs in ascending order. See boot.h. */
#include "boot.h"
#include "plan.h"
#include <string.h>

void boot_begin(struct boot *b, struct mmu_os *os, const struct plan *plan, const struct mmu_config *config,
                mmu_pfn first)
{
    memset(b, 0, sizeof *b);
    b->os = os;
    b->plan = plan;
    b->traits = kspace_traits(config);
    b->next = first;
    /* The user half's root is the other page of an aligned pair: the switch sets one bit of CR3. */
    b->root = b->traits.kpti ? first + (first & 1) : first;
    b->user_root = b->traits.kpti ? b->root + 1 : b->root;
    b->frames = b->traits.kpti ? 2 : 1;
}

mmu_pfn boot_frame(struct boot *b)
{
    if (b->next == b->root)
        b->next = b->user_root + 1;
    b->frames++;
    return b->next++;
}

static void note_table(struct boot *b, mmu_pfn pfn, unsigned level)
{
    if (!b->os || b->status != MMU_OK)
        return;
    struct tables *t = &b->os->kspace->tables;
    b->status = tables_reserve(t, 1);
    if (b->status != MMU_OK)
        return;
    tables_add(t, pfn, level, true);
    tables_find(t, pfn)->uses = 1;
}

static void set_entry(struct boot *b, unsigned level, mmu_va va, uint64_t entry)
{
    const struct pgtable_form *f = b->traits.form;
    memcpy(b->table[level].entry + (size_t)pgtable_index(f, level, va) * f->entry_bytes, &entry,
           f->entry_bytes);
}

static void close_table(struct boot *b, unsigned level)
{
    struct boot_table *t = &b->table[level];
    if (!t->open)
        return;
    t->open = false;
    if (b->os && b->status == MMU_OK)
        b->status = port_write(b->os->hw[0], t->pfn << PAGE_SHIFT, t->entry, PAGE_SIZE);
}

static void open_table(struct boot *b, unsigned level, mmu_pfn pfn, uint64_t number)
{
    struct boot_table *t = &b->table[level];
    t->open = true;
    t->number = number;
    t->pfn = pfn;
    if (b->os)
        memset(t->entry, 0, sizeof t->entry);
    note_table(b, pfn, level);
}

void boot_open_root(struct boot *b, mmu_pfn root)
{
    b->top = root;
    b->behind = 0;
    open_table(b, b->traits.form->levels, root, 0);
}

void boot_close(struct boot *b)
{
    for (unsigned level = 1; level <= b->traits.form->levels; level++)
        close_table(b, level);
}

/* Opens the tables on the way to va down to `level`. */
static void descend(struct boot *b, unsigned level, mmu_va va)
{
    const struct pgtable_form *f = b->traits.form;
    for (unsigned l = f->levels - 1u; l >= level; l--) {
        uint64_t number = va >> pgtable_shift(f, l + 1);
        if (b->table[l].open && b->table[l].number == number)
            continue;
        for (unsigned below = 1; below <= l; below++)
            close_table(b, below);
        mmu_pfn pfn = boot_frame(b);
        open_table(b, l, pfn, number);
        set_entry(b, l + 1, va, pfn << PAGE_SHIFT | (l + 1 == f->levels ? f->top_link : f->link));
    }
}

void boot_run(struct boot *b, const struct boot_run *run)
{
    const struct pgtable_form *f = b->traits.form;
    uint64_t step = UINT64_C(1) << pgtable_shift(f, run->level);
    uint64_t span = step << pgtable_bits(f, run->level);
    REQUIRE(run->size > 0 && (run->va | run->size | run->pa) % step == 0 && run->va >= b->behind);
    for (uint64_t done = 0; done < run->size;) {
        mmu_va va = run->va + done;
        uint64_t here = span - (va & (span - 1)), rest = run->size - done;
        here = here < rest ? here : rest;
        descend(b, run->level, va);
        for (uint64_t i = 0; b->os && i < here; i += step)
            set_entry(b, run->level, va + i, pgtable_leaf(f, run->level, run->pa + done + i, run->bits));
        done += here;
    }
    b->behind = run->va + (run->size - 1);
}

void boot_span(struct boot *b, mmu_va va, mmu_pa pa, uint64_t size, uint64_t bits, uint32_t large)
{
    const struct pgtable_form *f = b->traits.form;
    while (size) {
        unsigned level = 1;
        uint64_t here = size;
        for (unsigned l = 2; l <= f->levels; l++) {
            uint64_t page = UINT64_C(1) << pgtable_shift(f, l), before = -va & (page - 1);
            if (!(large >> l & 1) || ((va ^ pa) & (page - 1)) || before >= size || size - before < page)
                continue;
            if (before) { /* a page of this size comes later: up to there with smaller ones */
                here = before < here ? before : here;
                break;
            }
            level = l;
            here = size & -page;
        }
        if (level > 1)
            here &= -(UINT64_C(1) << pgtable_shift(f, level));
        boot_run(b, &(struct boot_run){va, here, pa, bits, level});
        va += here;
        pa += here;
        size -= here;
    }
}

void boot_reserve(struct boot *b, unsigned level, mmu_va va, mmu_va last)
{
    unsigned shift = pgtable_shift(b->traits.form, level + 1);
    REQUIRE(va >= b->behind && last >= va);
    for (uint64_t n = va >> shift; n <= last >> shift; n++)
        descend(b, level, n << shift);
    b->behind = last;
}

void boot_entry(struct boot *b, unsigned level, mmu_va va, uint64_t entry)
{
    REQUIRE(va >= b->behind);
    descend(b, level, va);
    set_entry(b, level, va, entry);
    b->behind = va;
}
