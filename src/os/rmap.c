/* rmap.c: anon_vmas and who is on their lists; mappings counted. See rmap.h. */
#include "rmap.h"
#include "alloc.h"
#include "file.h"
#include "pte.h"
#include "task.h"

/* ----- anon_vmas ----- */

static struct anon_vma *anon_vma_at(const struct mmu_os *os, uint32_t number)
{
    return &os->procs->anon_vmas.place[number];
}

/* The lowest number that was given back last, else a new one; 0: no host memory. */
static uint32_t new_anon_vma(struct anon_vmas *all)
{
    uint32_t n = all->free;
    if (n) {
        all->free = all->place[n].next;
    } else {
        if (all->count + 1 >= all->room) {
            uint32_t room = all->room ? 2 * all->room : 64;
            struct anon_vma *more = realloc(all->place, room * sizeof *more);
            if (!more)
                return 0;
            all->place = more;
            all->room = room;
        }
        n = ++all->count;
    }
    all->place[n] = (struct anon_vma){.number = n};
    return n;
}

static void put_anon_vma(struct anon_vmas *all, uint32_t n)
{
    all->place[n] = (struct anon_vma){.next = all->free};
    all->free = n;
}

/* Puts a link on the anon_vma's list. */
static void list(struct mmu_os *os, struct anon_vma_link *l, struct vma *vma, uint32_t number)
{
    struct anon_vma *a = anon_vma_at(os, number);
    l->vma = vma;
    l->number = number;
    l->next = a->links;
    l->link = NULL; /* the head moves with anon_vmas.place */
    if (l->next)
        l->next->link = &l->next;
    a->links = l;
    a->count++;
}

static void unlist(struct mmu_os *os, struct anon_vma_link *l)
{
    struct anon_vma *a = anon_vma_at(os, l->number);
    if (l->link)
        *l->link = l->next;
    else
        a->links = l->next;
    if (l->next)
        l->next->link = l->link;
    if (--a->count == 0)
        put_anon_vma(&os->procs->anon_vmas, l->number);
}

/* Could `vma` and its neighbour become one, if they had the same anon_vma (anon_vma_compatible())? */
static bool compatible(const struct vma *below, const struct vma *above)
{
    return below->range.end == above->range.start && below->file == above->file &&
           below->flags == above->flags && below->name == above->name &&
           below->offset + vma_pages(below) == above->offset;
}

static bool reusable(const struct vma *near)
{
    return near->links && !near->links->also;
}

/* find_mergeable_anon_vma() */
static uint32_t neighbours(const struct vma *vma)
{
    const struct vma *above = vma_next(vma);
    const struct vma *below = (const struct vma *)ranges_before(&vma->mm->vmas, vma->range.start);
    if (above && compatible(vma, above) && reusable(above))
        return rmap_own(above);
    if (below && compatible(below, vma) && reusable(below))
        return rmap_own(below);
    return 0;
}

int rmap_prepare(struct mmu_os *os, struct vma *vma)
{
    if (LIKELY(vma->links))
        return MMU_OK;
    struct anon_vma_link *l = calloc(1, sizeof *l);
    if (!l)
        return MMU_ERR_NOMEM;
    uint32_t number = neighbours(vma);
    if (!number)
        number = new_anon_vma(&os->procs->anon_vmas);
    if (!number) {
        free(l);
        return MMU_ERR_NOMEM;
    }
    list(os, l, vma, number);
    vma->links = l;
    return MMU_OK;
}

int rmap_clone(struct mmu_os *os, const struct vma *from, struct vma *to)
{
    struct anon_vma_link **end = &to->links;
    for (const struct anon_vma_link *l = from->links; l; l = l->also) {
        struct anon_vma_link *copy = calloc(1, sizeof *copy);
        if (!copy) {
            rmap_unlink(os, to);
            return MMU_ERR_NOMEM;
        }
        list(os, copy, to, l->number);
        *end = copy;
        end = &copy->also;
    }
    return MMU_OK;
}

int rmap_fork(struct mmu_os *os, const struct vma *parent, struct vma *child)
{
    if (!parent->links)
        return MMU_OK;
    int status = rmap_clone(os, parent, child);
    struct anon_vma_link *own = status == MMU_OK ? calloc(1, sizeof *own) : NULL;
    uint32_t number = own ? new_anon_vma(&os->procs->anon_vmas) : 0;
    if (!number) {
        free(own);
        rmap_unlink(os, child);
        return MMU_ERR_NOMEM;
    }
    list(os, own, child, number);
    own->also = child->links;
    child->links = own;
    return MMU_OK;
}

void rmap_unlink(struct mmu_os *os, struct vma *vma)
{
    for (struct anon_vma_link *l = vma->links, *next; l; l = next) {
        next = l->also;
        unlist(os, l);
        free(l);
    }
    vma->links = NULL;
}

void rmap_merge(struct mmu_os *os, struct vma *kept, struct vma *gone)
{
    if (kept->links) {
        rmap_unlink(os, gone);
        return;
    }
    kept->links = gone->links;
    gone->links = NULL;
    for (struct anon_vma_link *l = kept->links; l; l = l->also)
        l->vma = kept;
}

void rmap_destroy(struct anon_vmas *all)
{
    free(all->place);
    *all = (struct anon_vmas){0};
}

/* ----- pages ----- */

static void set_use(struct page *page, unsigned use)
{
    page->word = (page->word & ~(15u << 28)) | (use + 1) << 28;
}

void rmap_new_anon(struct page *page, const struct vma *vma, mmu_va va)
{
    page_set_head(page, MMU_PAGE_USER, 0, page_type(page));
    page_set_flags(page, 1u << MMU_PG_UPTODATE | 1u << MMU_PG_LRU | 1u << MMU_PG_SWAPBACKED | PAGE_EXCLUSIVE);
    page->mapping = rmap_own(vma) << 1 | 1;
    page->next = page->prev = 0;
    page->index = vma_index(vma, va);
    page_set_mapcount(page, 1);
}

void rmap_add(struct page *page)
{
    page_set_mapcount(page, page_mapcount(page) + 1);
    page->refcount++;
    set_use(page, MMU_PAGE_USER);
}

void rmap_remove(struct mmu_os *os, struct page *page, mmu_pfn pfn)
{
    uint32_t n = page_mapcount(page) - 1;
    page_set_mapcount(page, n);
    page->refcount--;
    if (n)
        return;
    if (page->refcount == 0) {
        free_pages(os, pfn, 0);
    } else if (!page_is_anon(page)) {
        set_use(page, MMU_PAGE_CACHE);
    } else { /* somebody holds it still */
        page_clear_flags(page, PAGE_EXCLUSIVE | 1u << MMU_PG_LRU | 1u << MMU_PG_SWAPBACKED);
        page->mapping = 0;
        set_use(page, MMU_PAGE_KERNEL);
    }
}

void rmap_mark_accessed(struct page *page)
{
    const uint32_t referenced = 1u << MMU_PG_REFERENCED, active = 1u << MMU_PG_ACTIVE;
    uint32_t flags = page_flags(page);
    if (!(flags & referenced)) {
        page_set_flags(page, referenced);
    } else if (!(flags & active)) {
        page_set_flags(page, active);
        page_clear_flags(page, referenced);
    }
}

/* ----- walks ----- */

struct walk {
    const struct mmu_os *os;
    mmu_pfn pfn;
    uint64_t index;
    bool (*each)(void *ctx, const struct rmap_place *where);
    void *ctx;
};

/* page_vma_mapped_walk() of one VMA. False: enough. */
static bool look_in(struct walk *w, struct vma *vma)
{
    struct rmap_place where = {.vma = vma};
    if (w->index < vma->offset || w->index - vma->offset >= vma_pages(vma))
        return true;
    where.va = vma->range.start + ((w->index - vma->offset) << PAGE_SHIFT);
    where.entry = pte_look(w->os, vma->mm->pgd, where.va, &where.at);
    bool here = where.entry && !(where.entry & PTE_SPECIAL) && pte_pfn(w->os, where.entry) == w->pfn;
    return !here || w->each(w->ctx, &where);
}

void rmap_walk(const struct mmu_os *os, mmu_pfn pfn, bool (*each)(void *ctx, const struct rmap_place *where),
               void *ctx)
{
    const struct page *page = page_peek(os, pfn);
    struct walk w = {os, pfn, 0, each, ctx};
    if (!page || !page_is_head(page) || page_use(page) != MMU_PAGE_USER || !page->mapping)
        return;
    w.index = page_index(page);
    if (page_is_anon(page)) {
        for (struct anon_vma_link *l = anon_vma_at(os, page->mapping >> 1)->links; l; l = l->next)
            if (!look_in(&w, l->vma))
                return;
        return;
    }
    struct file *f = file_find(os, page->mapping >> 1);
    for (struct vma *vma = f->vmas; vma; vma = vma->file_next)
        if (!look_in(&w, vma))
            return;
}
