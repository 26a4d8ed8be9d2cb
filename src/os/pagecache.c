/* pagecache.c: pages of files read, dirtied, written back, dropped. See pagecache.h. */
#include "pagecache.h"
#include "alloc.h"
#include "file.h"
#include "pte.h"
#include "rmap.h"
#include "rng.h"
#include "task.h"

#include <string.h>

/* ----- the hash ----- */

static uint64_t home(const struct pagecache *c, uint64_t index)
{
    return rng_mix(index) & (c->places - 1);
}

static struct pagecache_place *place_of(const struct pagecache *c, uint64_t index)
{
    uint64_t i = home(c, index);
    while (c->place[i].pfn && c->place[i].index != index)
        i = (i + 1) & (c->places - 1);
    return &c->place[i];
}

mmu_pfn pagecache_find(const struct pagecache *c, uint64_t index)
{
    return c->places ? place_of(c, index)->pfn : 0;
}

static int reserve(struct pagecache *c)
{
    if (2 * (c->count + 1) <= c->places)
        return MMU_OK;
    uint64_t places = c->places ? 2 * c->places : 64;
    struct pagecache wider = {calloc(places, sizeof *c->place), places, c->count};
    if (!wider.place)
        return MMU_ERR_NOMEM;
    for (uint64_t i = 0; i < c->places; i++)
        if (c->place[i].pfn)
            *place_of(&wider, c->place[i].index) = c->place[i];
    free(c->place);
    *c = wider;
    return MMU_OK;
}

/* Closes the gap that a removal leaves: what lies behind it and belongs before it moves up. */
static void take_out(struct pagecache *c, struct pagecache_place *gone)
{
    uint64_t mask = c->places - 1, gap = (uint64_t)(gone - c->place);
    for (uint64_t i = (gap + 1) & mask; c->place[i].pfn; i = (i + 1) & mask)
        if (((i - home(c, c->place[i].index)) & mask) >= ((i - gap) & mask)) {
            c->place[gap] = c->place[i];
            gap = i;
        }
    c->place[gap].pfn = 0;
    c->count--;
}

/* ----- reading ----- */

/* One page into the cache, where it is not (filemap_add_folio(), shmem_alloc_and_acct_folio()). */
static int add(struct mmu_os *os, struct file *f, uint64_t index, uint32_t gfp, mmu_pfn *pfn)
{
    int status = reserve(&f->pages);
    if (status == MMU_OK)
        status = alloc_pages_as(os, "filemap_alloc_folio", gfp | MMU___GFP_ZERO, 0, pfn);
    if (status != MMU_OK)
        return status;
    const uint8_t *stored = file_stored(f, index);
    if (stored)
        status = port_write(os->hw[0], *pfn << PAGE_SHIFT, stored, PAGE_SIZE);
    if (status != MMU_OK) {
        free_pages(os, *pfn, 0);
        return status;
    }
    struct page *page = page_peek(os, *pfn);
    uint32_t flags = 1u << MMU_PG_UPTODATE | 1u << MMU_PG_LRU;
    page_set_head(page, MMU_PAGE_CACHE, 0, page_type(page));
    page_set_flags(page, flags | (f->kind == FILE_SHMEM ? 1u << MMU_PG_SWAPBACKED : 0));
    page->mapping = f->number << 1;
    page->index = index;
    page->next = f->kind == FILE_ORDINARY && !stored ? f->number : 0;
    page->prev = (uint32_t)index;
    struct pagecache_place *place = place_of(&f->pages, index);
    *place = (struct pagecache_place){index, *pfn};
    f->pages.count++;
    return MMU_OK;
}

int pagecache_read(struct mmu_os *os, struct file *f, uint64_t first, uint64_t end)
{
    const uint32_t gfp = MMU_GFP_HIGHUSER_MOVABLE | MMU___GFP_NORETRY | MMU___GFP_NOWARN;
    const struct mmu_os_report before = os->report;
    int status = MMU_OK;
    end = end < file_pages(f) ? end : file_pages(f);
    for (uint64_t i = first; i < end && status == MMU_OK; i++) {
        mmu_pfn pfn;
        if (!pagecache_find(&f->pages, i))
            status = add(os, f, i, gfp, &pfn);
    }
    if (status > 0) /* reading ahead gives up silently */
        os->report = before;
    return status < 0 ? status : MMU_OK;
}

int pagecache_get(struct mmu_os *os, struct file *f, uint64_t index, mmu_pfn *pfn, bool *major)
{
    *pfn = pagecache_find(&f->pages, index);
    if (*pfn)
        return MMU_OK;
    if (f->kind == FILE_ORDINARY) { /* do_sync_mmap_readahead() */
        uint64_t first = index > READ_AROUND / 2 ? index - READ_AROUND / 2 : 0;
        int status = pagecache_read(os, f, first, first + READ_AROUND);
        if (status != MMU_OK)
            return status;
        *major = true;
        *pfn = pagecache_find(&f->pages, index);
    }
    return *pfn ? MMU_OK : add(os, f, index, MMU_GFP_HIGHUSER_MOVABLE, pfn);
}

/* ----- dirty pages ----- */

void pagecache_set_dirty(struct mmu_os *os, struct page *page)
{
    if (page_flags(page) & 1u << MMU_PG_DIRTY)
        return;
    page_set_flags(page, 1u << MMU_PG_DIRTY);
    if (!page_is_anon(page) && page->mapping)
        file_find(os, page->mapping >> 1)->dirty++;
}

/* page_mkclean_one() */
static bool clean_one(void *ctx, const struct rmap_place *where)
{
    struct mmu_os *os = ctx;
    struct pte_slot slot;
    bool was = where->entry & (PTE_W | PTE_D);
    if (!was || !(where->vma->flags & VMA_SHARED))
        return true;
    if (pte_open(os, where->vma->mm->pgd, where->va, false, &slot) == MMU_OS_DONE) {
        REQUIRE(pgtable_write(os, slot.at, where->entry & ~(PTE_W | PTE_D)) == MMU_OK);
        pte_close(os, &slot);
    }
    flush_mm_range(os, where->vma->mm->pgd, where->va, where->va + PAGE_SIZE, PAGE_SHIFT);
    return true;
}

/* A page that was written to only by stores without bytes is what it was: nothing to store. */
static int write_back(struct mmu_os *os, struct file *f, struct page *page, const struct pagecache_place *at)
{
    uint8_t bytes[PAGE_SIZE];
    int status = MMU_OK;
    rmap_walk(os, at->pfn, clean_one, os);
    if (!page->next) {
        status = port_read(os->hw[0], at->pfn << PAGE_SHIFT, bytes, sizeof bytes);
        REQUIRE(status != MMU_ERR_NORAM);
        if (status == MMU_OK)
            status = file_store(f, at->index, bytes);
    }
    page_clear_flags(page, 1u << MMU_PG_DIRTY);
    f->dirty--;
    return status;
}

int pagecache_sync(struct mmu_os *os, struct file *f, uint64_t first, uint64_t end)
{
    int status = MMU_OK;
    if (f->kind != FILE_ORDINARY)
        return status;
    for (uint64_t i = 0; i < f->pages.places && f->dirty && status == MMU_OK; i++) {
        const struct pagecache_place *at = &f->pages.place[i];
        if (!at->pfn || at->index < first || at->index >= end)
            continue;
        struct page *page = page_peek(os, at->pfn);
        if (page_flags(page) & 1u << MMU_PG_DIRTY)
            status = write_back(os, f, page, at);
    }
    return status;
}

/* ----- dropping ----- */

/* Takes a page that nobody maps out of the cache; it goes unless somebody holds it. */
static void drop(struct mmu_os *os, struct file *f, struct pagecache_place *at)
{
    mmu_pfn pfn = at->pfn;
    struct page *page = page_peek(os, pfn);
    REQUIRE(page_mapcount(page) == 0);
    if (page_flags(page) & 1u << MMU_PG_DIRTY)
        f->dirty--;
    take_out(&f->pages, at);
    page->mapping = 0;
    if (--page->refcount == 0) {
        free_pages(os, pfn, 0);
    } else {
        page_clear_flags(page, (1u << MMU_PAGE_FLAGS) - 1);
        alloc_set_use(os, pfn, MMU_PAGE_KERNEL);
    }
}

void pagecache_drop(struct mmu_os *os, struct file *f)
{
    for (uint64_t i = 0; i < f->pages.places;) {
        struct pagecache_place *at = &f->pages.place[i];
        const struct page *page = at->pfn ? page_peek(os, at->pfn) : NULL;
        if (page && page->refcount == 1 && !(page_flags(page) & 1u << MMU_PG_DIRTY))
            drop(os, f, at); /* what moved up to this place is looked at again */
        else
            i++;
    }
}

void pagecache_clear(struct mmu_os *os, struct file *f)
{
    for (uint64_t i = 0; i < f->pages.places;)
        if (f->pages.place[i].pfn)
            drop(os, f, &f->pages.place[i]);
        else
            i++;
}

/* ----- contents ----- */

int content_make(struct mmu_os *os, struct page *page, mmu_pfn pfn)
{
    uint8_t bytes[PAGE_SIZE];
    if (!page->next)
        return MMU_OK;
    const struct file *f = file_find(os, page->next);
    file_content(f, page->prev, bytes);
    int status = port_write(os->hw[0], pfn << PAGE_SHIFT, bytes, sizeof bytes);
    REQUIRE(status != MMU_ERR_NORAM);
    if (status == MMU_OK)
        page->next = 0;
    return status;
}

int content_copy(struct mmu_os *os, const struct page *from, mmu_pfn from_pfn, struct page *to,
                 mmu_pfn to_pfn)
{
    static const uint8_t zeros[PAGE_SIZE];
    uint8_t bytes[PAGE_SIZE];
    to->next = from->next;
    to->prev = from->prev;
    if (from->next)
        return MMU_OK;
    REQUIRE(port_read(os->hw[0], from_pfn << PAGE_SHIFT, bytes, sizeof bytes) == MMU_OK);
    if (memcmp(bytes, zeros, sizeof bytes) == 0)
        return MMU_OK;
    int status = port_write(os->hw[0], to_pfn << PAGE_SHIFT, bytes, sizeof bytes);
    REQUIRE(status != MMU_ERR_NORAM);
    return status;
}
