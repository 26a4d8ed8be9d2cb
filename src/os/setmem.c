/*
 * setmem.c: attributes of kernel mappings changed: set_memory_ro() and its like.
 *
 * Models arch/x86/mm/pat/set_memory.c of Linux 6.1: a large page is changed as a whole if the range covers
 * it, left alone if nothing changes, else split and all TLBs flushed; aliases of a frame in the direct map
 * and in the image follow (but for NX); kernel text stays executable, read-only data read-only; nothing is
 * merged again. Left out: the flush of data caches, memory-type bookkeeping (memtype_reserve()), and direct
 * map addresses without RAM, which Linux passes over and which are refused here.
 */
#include "alloc.h"
#include "kspace.h"
#include "plan.h"
#include <inttypes.h>

#define CACHE_BITS (PTE_PAT | PTE_PCD | PTE_PWT)

/* One change: bits to set and to clear, as a PTE has them; and the entries as they were, for a change that
 * cannot be completed. */
struct change {
    struct mmu_os *os;
    uint64_t set, clear;
    bool changed, force_all;
    struct undo {
        mmu_va va;
        mmu_pa at;
        uint64_t entry;
        unsigned level;
    } * undo;
    size_t undos, room;
};

/* Writes a leaf that can be written back. MMU_OK or MMU_ERR_NOMEM. */
static int set_leaf(struct change *c, unsigned level, mmu_va va, const struct mmu_os_entry *e, uint64_t entry)
{
    if (c->undos == c->room) {
        size_t room = c->room ? c->room * 2 : 16;
        struct undo *more = realloc(c->undo, room * sizeof *more);
        if (!more)
            return MMU_ERR_NOMEM;
        c->undo = more;
        c->room = room;
    }
    c->undo[c->undos++] = (struct undo){va, e->at, e->value, level};
    kspace_set_entry(c->os, level, va, e->at, entry, false);
    c->changed = true;
    return MMU_OK;
}

static void take_back(struct change *c)
{
    while (c->undos) {
        const struct undo *u = &c->undo[--c->undos];
        /* A large page that was split since then (a range that holds a frame twice) stays a table. */
        uint64_t now = pgtable_read(c->os, u->at);
        if (u->level == 1 || !(now & PTE_P) || (now & PTE_PS))
            kspace_set_entry(c->os, u->level, u->va, u->at, u->entry, false);
    }
}

static const char *const call_name[] = {
    [MMU_SET_MEMORY_RO] = "set_memory_ro", [MMU_SET_MEMORY_RW] = "set_memory_rw",
    [MMU_SET_MEMORY_NX] = "set_memory_nx", [MMU_SET_MEMORY_X] = "set_memory_x",
    [MMU_SET_MEMORY_UC] = "set_memory_uc", [MMU_SET_MEMORY_WC] = "set_memory_wc",
    [MMU_SET_MEMORY_WB] = "set_memory_wb", [MMU_SET_MEMORY_NP] = "set_memory_np",
    [MMU_SET_MEMORY_P] = "set_memory_p"};

/* set_memory_uc() asks for UC-: an MTRR may still make it WC. set_memory_p() gives G back, which Linux leaves
 * off: with PCIDs and without KPTI its later flushes would miss the page in other address spaces. */
static struct change change_of(struct mmu_os *os, enum mmu_os_change what)
{
    const struct kspace_traits *t = &os->kspace->traits;
    struct change c = {.os = os};
    switch (what) {
    case MMU_SET_MEMORY_RO:
        c.clear = PTE_W;
        break;
    case MMU_SET_MEMORY_RW:
        c.set = PTE_W;
        break;
    case MMU_SET_MEMORY_NX:
        c.set = t->nx;
        break;
    case MMU_SET_MEMORY_X:
        c.clear = t->nx;
        break;
    case MMU_SET_MEMORY_UC:
        c.set = prot_cache(t, MMU_CACHE_UC_MINUS);
        c.clear = CACHE_BITS;
        break;
    case MMU_SET_MEMORY_WC:
        c.set = prot_cache(t, MMU_CACHE_WC);
        c.clear = CACHE_BITS;
        break;
    case MMU_SET_MEMORY_WB:
        c.clear = CACHE_BITS;
        break;
    case MMU_SET_MEMORY_NP:
        c.clear = PTE_P;
        break;
    case MMU_SET_MEMORY_P:
        c.set = PTE_P | t->global;
        break;
    }
    return c;
}

static bool overlaps(uint64_t start, uint64_t end, uint64_t other, uint64_t other_end)
{
    return start < other_end && other < end;
}

/* static_protections(): what `bits` may have for `pages` pages at va of frames from pfn on. */
static uint64_t permitted(const struct mmu_os *os, mmu_va va, mmu_pfn pfn, uint64_t pages, uint64_t bits)
{
    const struct kspace_image i = kspace_image(os->config);
    const mmu_va end = va + (pages << PAGE_SHIFT), base = os->plan->layout.text_base;
    if (!(bits & PTE_P))
        return bits;
    if (overlaps(va, end, base + (i.text << PAGE_SHIFT), base + (i.text_end << PAGE_SHIFT)))
        bits &= ~os->kspace->traits.nx;
    if (overlaps(pfn, pfn + pages, i.rodata, i.rodata_end))
        bits &= ~PTE_W;
    return bits;
}

static uint64_t changed_bits(const struct change *c, uint64_t bits)
{
    uint64_t now = (bits & ~c->clear) | c->set;
    return now & PTE_P ? now : now & ~PTE_G; /* G of an absent entry would mean PROT_NONE */
}

/* The entry that maps or would map va: a leaf, be it present or not. False: nothing there. */
static bool find_leaf(const struct mmu_os *os, mmu_va va, unsigned *level, struct mmu_os_entry *e)
{
    struct mmu_os_lookup found;
    kernel_lookup(os, va, &found);
    *level = found.level + 1;
    *e = found.entry[found.level];
    return e->value != 0;
}

/* __split_large_page(): the same mapping by pages of the next smaller size. */
static int split(struct change *c, mmu_va va, unsigned level, const struct mmu_os_entry *e)
{
    struct mmu_os *os = c->os;
    const struct pgtable_form *f = os->kspace->traits.form;
    const unsigned below = level - 1, shift = pgtable_shift(f, below);
    const uint64_t bits = pgtable_attributes(f, level, e->value);
    mmu_pfn pfn;
    int status = kspace_new_table(os, "split_large_page", MMU_GFP_KERNEL, below, &pfn);
    if (status != MMU_OK)
        return status;
    const mmu_pa pa = pgtable_leaf_pa(f, level, e->value), table = pfn << PAGE_SHIFT;
    for (unsigned i = 0; i < 1u << f->index_bits; i++)
        kspace_write(os, below, table + (mmu_pa)i * f->entry_bytes,
                     pgtable_leaf(f, below, pa + ((mmu_pa)i << shift), bits));
    kspace_set_entry(os, level, va, e->at, table | (f->link & ~PTE_U), false);
    flush_all(os); /* no TLB may hold both sizes */
    return MMU_OK;
}

/* __should_split_large_page(): 1 when the page must be split; else it was changed as a whole, or needs no
 * change, and *pages are done; or MMU_ERR_NOMEM. */
static int preserve(struct change *c, mmu_va va, uint64_t *pages, unsigned level,
                    const struct mmu_os_entry *e)
{
    struct mmu_os *os = c->os;
    const struct pgtable_form *f = os->kspace->traits.form;
    const uint64_t size = UINT64_C(1) << pgtable_shift(f, level), all = size >> PAGE_SHIFT;
    const uint64_t left = (size - (va & (size - 1))) >> PAGE_SHIFT;
    const uint64_t bits = pgtable_attributes(f, level, e->value), now = changed_bits(c, bits);
    const mmu_pa pa = pgtable_leaf_pa(f, level, e->value);
    *pages = *pages < left ? *pages : left;
    if (now == bits)
        return MMU_OK;
    if (*pages != all || permitted(os, va, pa >> PAGE_SHIFT, all, now) != now)
        return 1;
    return set_leaf(c, level, va, e, pgtable_leaf(f, level, pa, now));
}

static int change_range(struct change *c, mmu_va va, uint64_t pages, bool alias);

/* pfn_range_is_mapped(): has the direct map this frame? */
static bool is_mapped_ram(const struct mmu_os *os, mmu_pfn pfn)
{
    const mmu_pfn isa_end = 256;
    return pfn < isa_end || (pfn < os->plan->layout.max_low_pfn && memmap_is_ram(&os->plan->memmap, pfn));
}

/* cpa_process_alias(): the same frames' other addresses. */
static int change_aliases(struct change *c, mmu_va va, mmu_pfn pfn, uint64_t pages)
{
    const struct layout *l = &c->os->plan->layout;
    const struct kspace_image i = kspace_image(c->os->config);
    const mmu_pfn huge = (UINT64_C(1) << 21) >> PAGE_SHIFT;
    int status = MMU_OK;
    if (!(va >= l->page_offset && va < l->high_memory) && is_mapped_ram(c->os, pfn)) {
        c->force_all = true;
        status = change_range(c, l->page_offset + (pfn << PAGE_SHIFT), pages, false);
    }
    if (status == MMU_OK && l->wide && pfn >= i.text && pfn < ((i.end + huge - 1) & -huge) &&
        !(va >= l->image && va < l->text_base + (i.end << PAGE_SHIFT))) {
        c->force_all = true;
        status = change_range(c, l->text_base + (pfn << PAGE_SHIFT), pages, false);
    }
    return status;
}

/* __change_page_attr(): as many pages from va on as one entry maps; *pages are done. */
static int change_entry(struct change *c, mmu_va va, uint64_t *pages, mmu_pfn *pfn)
{
    struct mmu_os *os = c->os;
    const struct pgtable_form *f = os->kspace->traits.form;
    for (;;) {
        unsigned level;
        struct mmu_os_entry e;
        if (!find_leaf(os, va, &level, &e)) { /* of an alias only: a hole of the direct map */
            *pages = 1;
            *pfn = 0;
            return MMU_OK;
        }
        const uint64_t in_page = va & ((UINT64_C(1) << pgtable_shift(f, level)) - 1) & ~PAGE_MASK;
        *pfn = (pgtable_leaf_pa(f, level, e.value) + in_page) >> PAGE_SHIFT;
        if (level == 1) {
            uint64_t bits = pgtable_attributes(f, 1, e.value);
            uint64_t now = permitted(os, va, *pfn, 1, changed_bits(c, bits));
            *pages = 1;
            return now == bits ? MMU_OK : set_leaf(c, 1, va, &e, *pfn << PAGE_SHIFT | now);
        }
        int status = preserve(c, va, pages, level, &e);
        if (status != 1)
            return status;
        status = split(c, va, level, &e);
        if (status != MMU_OK)
            return status;
    }
}

static int change_range(struct change *c, mmu_va va, uint64_t pages, bool alias)
{
    while (pages) {
        uint64_t n = pages;
        mmu_pfn pfn;
        int status = change_entry(c, va, &n, &pfn);
        if (status == MMU_OK && alias)
            status = change_aliases(c, va, pfn, n);
        if (status != MMU_OK)
            return status;
        va += n << PAGE_SHIFT;
        pages -= n;
    }
    return MMU_OK;
}

/* Is every page of the range mapped, or at least known (set_memory_np())? *at: the first that is not. */
static bool all_mapped(const struct mmu_os *os, mmu_va va, uint64_t pages, mmu_va *at)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    while (pages) {
        unsigned level;
        struct mmu_os_entry e;
        *at = va;
        if (!find_leaf(os, va, &level, &e))
            return false;
        const uint64_t size = UINT64_C(1) << pgtable_shift(f, level);
        const uint64_t n = (size - (va & (size - 1))) >> PAGE_SHIFT;
        if (n >= pages)
            return true;
        va += n << PAGE_SHIFT;
        pages -= n;
    }
    return true;
}

/* Is it an address of the direct map, the image or the vmalloc area? What lies elsewhere has an owner who
 * writes its entries: kmap, fixmap, vmemmap. */
static bool may_change(const struct mmu_os *os, mmu_va va)
{
    const struct layout *l = &os->plan->layout;
    mmu_pa pa;
    return mmu_os_pa(os, va, &pa) == MMU_OS_DONE || (va >= l->vmalloc_start && va < l->vmalloc_end);
}

int mmu_os_set_memory(struct mmu_os *os, mmu_va va, uint64_t pages, enum mmu_os_change what)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    const uint64_t room = (f->levels >= 4 ? -va : BIT(f->va_bits) - va) >> PAGE_SHIFT;
    mmu_va at = va;
    if ((unsigned)what > MMU_SET_MEMORY_P)
        return os_outcome(os, MMU_OS_REFUSED, "set_memory", "no such change: %d", (int)what);
    const char *call = call_name[what];
    if ((va & PAGE_MASK) || pages == 0)
        return os_outcome(os, MMU_OS_REFUSED, call,
                          "0x%" PRIx64 ", %" PRIu64 " pages: expected a page's address and at least one page",
                          va, pages);
    const bool linear = f->levels >= 4 ? is_canonical(va, f->va_bits) : va >> f->va_bits == 0;
    const bool ours = linear && may_change(os, va);
    if (!ours || pages > room || !all_mapped(os, va, pages, &at)) {
        int outcome = os_outcome(os, MMU_OS_REFUSED, call, "0x%" PRIx64 " is %s", at,
                                 ours ? "not mapped by the kernel"
                                      : "no address of the direct map, the kernel's image or vmalloc");
        os->report.va = at;
        return outcome;
    }
    struct change c = change_of(os, what);
    bool only_nx =
        (c.set | c.clear) == os->kspace->traits.nx; /* no alias then, and nothing at all without NX */
    int status = c.set | c.clear ? change_range(&c, va, pages, !only_nx) : MMU_OK;
    if (status != MMU_OK)
        take_back(&c);
    free(c.undo);
    if (c.changed && (c.force_all || pages > FLUSH_CEILING))
        flush_all(os);
    else if (c.changed)
        flush_kernel_range(os, va, va + (pages << PAGE_SHIFT));
    return status;
}
