/*
 * alloc_api.c: pages as <mmusim/os.h> gives them out: arguments are checked before anything changes, because
 * what a kernel would crash on is an outcome here.
 */
#include "age.h"
#include "alloc.h"
#include "gfp.h"
#include "kmap.h"
#include "plan.h"
#include <string.h>

static const char *const use_text[MMU_PAGE_USES] = {
    [MMU_PAGE_NOT_RAM] = "no RAM",           [MMU_PAGE_RESERVED] = "reserved",
    [MMU_PAGE_FREE] = "free already",        [MMU_PAGE_PCP] = "free already, on a per-CPU list",
    [MMU_PAGE_KERNEL] = "allocated",         [MMU_PAGE_SLAB] = "owned by kmalloc",
    [MMU_PAGE_TABLE] = "a page table",       [MMU_PAGE_VMALLOC] = "owned by vmalloc",
    [MMU_PAGE_USER] = "mapped by processes", [MMU_PAGE_CACHE] = "in the page cache",
};

static bool is_highmem(const struct mmu_os *os, mmu_pfn pfn)
{
    return pfn >= os->plan->layout.max_low_pfn;
}

static bool exists(const struct mmu_os *os, mmu_pfn pfn)
{
    return pfn < os->plan->memmap.max_pfn;
}

/* A BUG about a frame; use and order of what it lies in are part of the text. */
COLD static int bug(struct mmu_os *os, const char *call, mmu_pfn pfn, unsigned order, const char *why)
{
    char where[96] = "";
    struct mmu_page_info info;
    if (exists(os, pfn)) {
        mmu_os_page(os, pfn, &info);
        struct mmu_page_info head = info;
        while (!head.head && head.pfn > 0 && pfn - head.pfn < CHUNK_PAGES)
            mmu_os_page(os, head.pfn - 1, &head);
        if (head.pfn != pfn)
            snprintf(where, sizeof where, " (in a block of order %u from pfn %#llx)", head.order,
                     (unsigned long long)head.pfn);
        else if (info.use >= MMU_PAGE_FREE)
            snprintf(where, sizeof where, " (a block of order %u, zone %s, %d references)", info.order,
                     mmu_os_zone_name((enum mmu_os_zone)info.zone), info.refcount);
    } else {
        info.use = MMU_PAGE_NOT_RAM;
    }
    int outcome = os_outcome(os, MMU_OS_BUG, call, "pfn %#llx, order %u: the page is %s%s: %s",
                             (unsigned long long)pfn, order, use_text[info.use], where, why);
    os->report.pfn = pfn;
    os->report.order = order;
    return outcome;
}

/* The descriptor of an allocated block's head that anybody may give back. NULL: *outcome says why not. */
static struct page *owned(struct mmu_os *os, const char *call, mmu_pfn pfn, unsigned order, int *outcome)
{
    unsigned use = exists(os, pfn) ? page_use_of(os, pfn) : MMU_PAGE_NOT_RAM;
    if (use < MMU_PAGE_KERNEL) {
        *outcome = bug(os, call, pfn, order, "only allocated pages have an owner who may give them back");
        return NULL;
    }
    struct page *page = page_of(os, pfn);
    if (!page)
        *outcome = MMU_ERR_NOMEM;
    else if (use != MMU_PAGE_KERNEL)
        *outcome = bug(os, call, pfn, order, "its owner gives it back");
    else if (!page_is_head(page))
        *outcome = bug(os, call, pfn, order, "it is not the first page of its block");
    else
        return page;
    return NULL;
}

/* __free_pages() of a block that is no compound page while somebody holds a reference to its first page: the
 * others are freed, it stays. */
static void free_all_but_first(struct mmu_os *os, struct page *page, uint32_t id, unsigned order)
{
    unsigned type = page_type(page);
    page->word = (page->word & ~(15u << 24));
    page->refcount--;
    while (order-- > 0) {
        struct page *part = page_at(os->pages, id + (1u << order));
        page_set_head(part, MMU_PAGE_KERNEL, order, type);
        part->refcount = 1;
        alloc_release(os, id + (1u << order), order);
    }
}

int alloc_free_as(struct mmu_os *os, const char *call, mmu_pfn pfn, unsigned order)
{
    int outcome = MMU_OS_DONE;
    struct page *page = owned(os, call, pfn, order, &outcome);
    if (!page)
        return outcome;
    if (page_order(page) != order)
        return bug(os, call, pfn, order, "the order is not the block's");
    if (page->refcount > 1) {
        if (order == 0 || page_flags(page) & 1u << MMU_PG_HEAD)
            page->refcount--;
        else
            free_all_but_first(os, page, page_id(os->pages, pfn), order);
        return MMU_OS_DONE;
    }
    if (UNLIKELY(alloc_is_kmapped(os, pfn, order)))
        return bug(os, call, pfn, order, "it is kmapped still");
    alloc_release(os, page_id(os->pages, pfn), order);
    return MMU_OS_DONE;
}

int mmu_os_get_free_pages(struct mmu_os *os, uint32_t gfp, unsigned order, mmu_va *va)
{
    mmu_pfn pfn;
    if (gfp & MMU___GFP_HIGHMEM) {
        char mask[128];
        int outcome = os_outcome(os, MMU_OS_REFUSED, "__get_free_pages",
                                 "order %u, %s (%#x): a highmem page need not have an address", order,
                                 mmu_os_gfp_text(gfp, mask, sizeof mask), gfp);
        os->report.order = order;
        os->report.gfp = gfp;
        return outcome;
    }
    int outcome = alloc_pages_as(os, "__get_free_pages", gfp, order, &pfn);
    if (outcome == MMU_OS_DONE)
        *va = mmu_os_page_address(os, pfn);
    return outcome;
}

int mmu_os_free_pages_at(struct mmu_os *os, mmu_va va, unsigned order)
{
    const struct layout *l = &os->plan->layout;
    mmu_pfn pfn = (va - l->page_offset) >> PAGE_SHIFT;
    if (va == 0)
        return MMU_OS_DONE;
    if (va >= l->page_offset && pfn < l->max_low_pfn && (va & PAGE_MASK) == 0)
        return alloc_free_as(os, "free_pages", pfn, order);
    int outcome = os_outcome(os, MMU_OS_BUG, "free_pages", "%#llx is no page's address in the direct map",
                             (unsigned long long)va);
    os->report.va = va;
    os->report.order = order;
    return outcome;
}

/* The head that a page's references are counted in; NULL: *outcome says why there is none. */
static struct page *referenced(struct mmu_os *os, const char *call, mmu_pfn *pfn, int *outcome)
{
    unsigned use = exists(os, *pfn) ? page_use_of(os, *pfn) : MMU_PAGE_NOT_RAM;
    if (use < MMU_PAGE_KERNEL) {
        *outcome = bug(os, call, *pfn, 0, "only allocated pages are referred to");
        return NULL;
    }
    if (!page_of(os, *pfn)) {
        *outcome = MMU_ERR_NOMEM;
        return NULL;
    }
    mmu_pfn first = page_head(os, *pfn);
    struct page *head = page_peek(os, first);
    if (first != *pfn && !(page_flags(head) & 1u << MMU_PG_HEAD)) {
        *outcome = bug(os, call, *pfn, 0, "only compound pages count references for their parts");
        return NULL;
    }
    *pfn = first;
    return head;
}

int mmu_os_get_page(struct mmu_os *os, mmu_pfn pfn)
{
    int outcome = MMU_OS_DONE;
    struct page *head = referenced(os, "get_page", &pfn, &outcome);
    if (!head)
        return outcome;
    if (head->refcount == INT32_MAX)
        return bug(os, "get_page", pfn, page_order(head), "the reference count is at its end");
    head->refcount++;
    return MMU_OS_DONE;
}

/* References that processes and the page cache hold: not a caller's to give back. Pages that only
 * mmu_os_map_user() mapped have none of these. */
static int32_t owners(const struct page *head)
{
    bool anonymous = head->mapping & 1;
    if (page_use(head) != MMU_PAGE_USER && page_use(head) != MMU_PAGE_CACHE)
        return 1;
    return head->mapping ? (int32_t)page_mapcount(head) + !anonymous : 1;
}

int mmu_os_put_page(struct mmu_os *os, mmu_pfn pfn)
{
    int outcome = MMU_OS_DONE;
    struct page *head = referenced(os, "put_page", &pfn, &outcome);
    if (!head)
        return outcome;
    unsigned order = page_order(head);
    if (head->refcount > owners(head)) {
        head->refcount--;
        return MMU_OS_DONE;
    }
    if (page_use(head) != MMU_PAGE_KERNEL)
        return bug(os, "put_page", pfn, order, "its owner gives it back");
    if (order && !(page_flags(head) & 1u << MMU_PG_HEAD))
        return bug(os, "put_page", pfn, order, "no compound page: all pages but the first would be lost");
    if (alloc_is_kmapped(os, pfn, order))
        return bug(os, "put_page", pfn, order, "it is kmapped still");
    alloc_release(os, page_id(os->pages, pfn), order);
    return MMU_OS_DONE;
}

void mmu_os_drain(struct mmu_os *os)
{
    pcp_drain(os);
}

uint32_t mmu_os_unusable_index(const struct mmu_os *os, enum mmu_os_zone zone, unsigned order)
{
    return zone < MMU_ZONES ? age_unusable(&os->buddy->zone[zone], order) : 0;
}

mmu_va mmu_os_page_address(const struct mmu_os *os, mmu_pfn pfn)
{
    if (!exists(os, pfn))
        return 0;
    if (!is_highmem(os, pfn))
        return os->plan->layout.page_offset + (pfn << PAGE_SHIFT);
    return os->kmaps ? kmap_address(os, pfn) : 0;
}

/* What is known of a frame that has no descriptor. */
static void describe_wild(const struct mmu_os *os, struct mmu_page_info *info)
{
    mmu_pfn first = info->pfn & ~(mmu_pfn)(CHUNK_PAGES - 1);
    struct wild_place place = wild_place(os, first);
    info->use = page_use_of(os, info->pfn);
    if (!place.wild) {
        info->head = true;
        info->flags = 1u << MMU_PG_RESERVED;
        info->refcount = 1;
    } else if (place.kind == WILD_FREE) {
        info->head = info->pfn == first;
        info->order = info->head ? CHUNK_ORDER : 0;
    } else {
        const struct aged_pattern *p = os->buddy->pattern;
        unsigned offset = (unsigned)(info->pfn - first), xor = age_xor(p, first);
        const struct aged_block *b = age_find(p, xor, offset);
        info->head = age_at(b, xor) == offset;
        info->order = info->head ? b->order : 0;
        info->refcount = info->head && !b->free;
    }
}

int mmu_os_page(const struct mmu_os *os, mmu_pfn pfn, struct mmu_page_info *info)
{
    memset(info, 0, sizeof *info);
    if (!exists(os, pfn))
        return MMU_OS_REFUSED;
    const struct page *page = page_peek(os, pfn);
    enum mmu_os_zone zone = plan_zone_of(os->plan, pfn);
    info->pfn = pfn;
    info->descriptor = plan_struct_page(os->plan, pfn);
    info->address = mmu_os_page_address(os, pfn);
    info->zone = zone;
    info->migratetype = page_block_type(os, pfn);
    if (!page) {
        describe_wild(os, info);
        return MMU_OS_DONE;
    }
    info->head = page_is_head(page);
    info->use = page_use_of(os, pfn);
    info->order = info->head ? page_order(page) : 0;
    info->flags = page_flags(page);
    info->refcount = page->refcount;
    info->mapcount = (int32_t)page_mapcount(page);
    info->mapping = page->mapping;
    info->index = page_index(page);
    info->private_ = page->private_;
    return MMU_OS_DONE;
}
