/* memory_check.c: counts of references and mappings, reverse mapping and rss against the page tables. */
#include "file.h"
#include "memory.h"
#include "pte.h"
#include "rmap.h"
#include "task.h"

/* Frames that entries map, one element a mapping. */
struct mapped {
    mmu_pfn *pfn;
    size_t count, room;
};

static void note(struct mapped *m, mmu_pfn pfn)
{
    if (m->count == m->room) {
        m->room = m->room ? 2 * m->room : 1024;
        m->pfn = realloc(m->pfn, m->room * sizeof *m->pfn);
        REQUIRE(m->pfn);
    }
    m->pfn[m->count++] = pfn;
}

struct totals {
    uint64_t entries, anon, file, shmem;
};

/* An entry agrees with its VMA and its page. */
static void check_entry(const struct mmu_os *os, const struct vma *vma, mmu_va va, uint64_t entry,
                        struct totals *t, struct mapped *m)
{
    mmu_pfn pfn = pte_pfn(os, entry);
    const struct page *page = page_peek(os, pfn);
    t->entries++;
    REQUIRE(vma->prot ? (entry & (PTE_P | PTE_U)) == (PTE_P | PTE_U) : !(entry & PTE_P));
    REQUIRE(!(entry & PTE_W) || (vma->prot & MMU_PROT_WRITE));
    if (entry & PTE_SPECIAL) {
        REQUIRE(!(entry & PTE_W) && (vma->flags & VMA_PFNMAP || pfn == pte_zero_pfn(os)));
        return;
    }
    REQUIRE(page && page_is_head(page) && page_use(page) == MMU_PAGE_USER && page_order(page) == 0);
    REQUIRE(page_index(page) == vma_index(vma, va));
    if (page_is_anon(page)) {
        REQUIRE(vma->links && !(vma->flags & VMA_SHARED));
        REQUIRE(!(entry & PTE_W) || page_mapcount(page) == 1);
        REQUIRE(!(page_flags(page) & PAGE_EXCLUSIVE) || page_mapcount(page) == 1);
    } else {
        REQUIRE(vma->file && page->mapping == vma->file->number << 1);
        REQUIRE(!(entry & PTE_W) || (vma->flags & VMA_SHARED));
    }
    t->anon += page_is_anon(page);
    t->shmem += !page_is_anon(page) && vma->file->kind == FILE_SHMEM;
    t->file += !page_is_anon(page) && vma->file->kind != FILE_SHMEM;
    note(m, pfn);
}

static void check_mm(const struct mmu_os *os, const struct mm *mm, struct mapped *m)
{
    struct totals t = {0};
    for (const struct vma *vma = vma_first(mm); vma; vma = vma_next(vma))
        for (mmu_va va = vma->range.start; va < vma->range.end; va += PAGE_SIZE) {
            mmu_pa at;
            uint64_t entry = pte_look(os, mm->pgd, va, &at);
            if (!at) /* no table: on to the next one's addresses */
                va |= (UINT64_C(1) << pgtable_shift(os->kspace->traits.form, 2)) - PAGE_SIZE;
            if (entry)
                check_entry(os, vma, va, entry, &t, m);
        }
    REQUIRE(t.entries == mm->pgd->mapped);
    REQUIRE(t.anon == mm->rss_anon && t.file == mm->rss_file && t.shmem == mm->rss_shmem);
}

static int by_pfn(const void *a, const void *b)
{
    mmu_pfn x = *(const mmu_pfn *)a, y = *(const mmu_pfn *)b;
    return (x > y) - (x < y);
}

static bool count_one(void *ctx, const struct rmap_place *where)
{
    (void)where;
    ++*(uint32_t *)ctx;
    return true;
}

/* Each page is found as often as it is mapped, and counts that. */
static void check_counts(const struct mmu_os *os, struct mapped *m)
{
    if (m->count)
        qsort(m->pfn, m->count, sizeof *m->pfn, by_pfn);
    for (size_t i = 0, next; i < m->count; i = next) {
        const struct page *page = page_peek(os, m->pfn[i]);
        uint32_t found = 0;
        for (next = i + 1; next < m->count && m->pfn[next] == m->pfn[i]; next++)
            ;
        REQUIRE(page_mapcount(page) == next - i);
        REQUIRE((uint32_t)page->refcount >= next - i + !page_is_anon(page));
        rmap_walk(os, m->pfn[i], count_one, &found);
        REQUIRE(found == next - i);
    }
}

static void check_file(const struct mmu_os *os, const struct file *f, uint32_t number)
{
    uint64_t cached = 0, dirty = 0;
    REQUIRE(f->number == number);
    for (const struct vma *vma = f->vmas; vma; vma = vma->file_next)
        REQUIRE(vma->file == f && *vma->file_link == vma);
    for (uint64_t i = 0; i < f->pages.places; i++) {
        const struct pagecache_place *at = &f->pages.place[i];
        if (!at->pfn)
            continue;
        const struct page *page = page_peek(os, at->pfn);
        cached++;
        dirty += (page_flags(page) >> MMU_PG_DIRTY) & 1;
        REQUIRE(pagecache_find(&f->pages, at->index) == at->pfn);
        REQUIRE(page->mapping == number << 1 && page_index(page) == at->index);
        REQUIRE(page_use(page) == (page_mapcount(page) ? MMU_PAGE_USER : MMU_PAGE_CACHE));
        REQUIRE((uint32_t)page->refcount >= 1 + page_mapcount(page));
    }
    REQUIRE(cached == f->pages.count && dirty == f->dirty);
    REQUIRE(f->kind != FILE_SHMEM || f->vmas || !cached);
}

static void check_anon_vmas(const struct anon_vmas *all)
{
    for (uint32_t n = 1; n <= all->count; n++) {
        const struct anon_vma *a = &all->place[n];
        uint64_t count = 0;
        for (const struct anon_vma_link *l = a->links; l; l = l->next, count++)
            REQUIRE(l->number == n && l->vma->links);
        REQUIRE(count == a->count && (a->number == n) == (count > 0));
    }
}

void memory_check(const struct mmu_os *os)
{
    const struct files *files = os->procs->files;
    struct mapped m = {0};
    for (const struct mm *mm = os->procs->mms; mm; mm = mm->next)
        check_mm(os, mm, &m);
    check_counts(os, &m);
    free(m.pfn);
    for (uint32_t i = 1; i <= files->count; i++)
        if (files->file[i])
            check_file(os, files->file[i], i);
    check_anon_vmas(&os->procs->anon_vmas);
}
