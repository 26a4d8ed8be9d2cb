/* vmalloc.c: see vmalloc.h. ioremap.c has the areas of devices. */
#include "vmalloc.h"
#include "alloc.h"
#include "flush.h"
#include "kspace.h"
#include "plan.h"

#include <inttypes.h>
#include <string.h>

/* lazy_max_pages(): 32 MiB of addresses for each doubling of the CPUs. */
static uint64_t lazy_limit(uint32_t cpus)
{
    return (log2_floor(cpus) + 1) * (UINT64_C(32) << 20 >> PAGE_SHIFT);
}

int vmaps_init(struct mmu_os *os)
{
    struct vmaps *v = calloc(1, sizeof *v);
    struct range *all = calloc(1, sizeof *all);
    os->vmaps = v;
    if (!v || !all) {
        free(all);
        return MMU_ERR_NOMEM;
    }
    v->start = os->plan->layout.vmalloc_start;
    v->end = os->plan->layout.vmalloc_end;
    v->lazy_max = lazy_limit(os->plan->zones.cpus);
    all->start = v->start;
    all->end = v->end;
    ranges_insert(&v->free, all);
    return MMU_OK;
}

static void free_all(struct ranges *set)
{
    struct range *r;
    while ((r = ranges_any(set))) {
        ranges_remove(set, r);
        free(r); /* the first member of whatever it is */
    }
}

void vmaps_destroy(struct mmu_os *os)
{
    if (!os->vmaps)
        return;
    free_all(&os->vmaps->free);
    free_all(&os->vmaps->busy);
    free_all(&os->vmaps->lazy);
    free(os->vmaps);
    os->vmaps = NULL;
}

/* Gives [start, end) to the free set, as one with its neighbours. r is a node that is in no set. */
static void release(struct vmaps *v, struct range *r)
{
    struct range *below = ranges_before(&v->free, r->start), *above = ranges_from(&v->free, r->start);
    mmu_va end = r->end;
    bool joins_below = below && below->end == r->start, joins_above = above && above->start == end;
    if (joins_above) {
        end = above->end;
        ranges_remove(&v->free, above);
        free(above);
    }
    if (joins_below) {
        ranges_resize(&v->free, below, below->start, end);
        free(r);
    } else {
        r->end = end;
        ranges_insert(&v->free, r);
    }
}

void mmu_os_vmalloc_purge(struct mmu_os *os)
{
    struct vmaps *v = os->vmaps;
    struct range *first = ranges_from(&v->lazy, 0), *last = ranges_before(&v->lazy, v->end), *r;
    if (!first)
        return;
    flush_kernel_range(os, first->start, last->end);
    while ((r = ranges_any(&v->lazy))) {
        ranges_remove(&v->lazy, r);
        release(v, r);
    }
    v->lazy_pages = 0;
}

/*
 * The lowest room for size bytes at a multiple of align; 0: none. As alloc_vmap_area(), which takes a hole
 * only when it is long enough wherever in it the aligned address may lie.
 */
static struct range *find_room(struct mmu_os *os, uint64_t size, uint64_t align)
{
    uint64_t enough = size + (align > PAGE_SIZE ? align - 1 : 0);
    struct range *room = ranges_lowest(&os->vmaps->free, enough);
    if (room)
        return room;
    mmu_os_vmalloc_purge(os);
    return ranges_lowest(&os->vmaps->free, enough);
}

/* Cuts [start, end) out of a free range that holds it. spare: a node for the part in front, if there is one.
 */
static void carve(struct vmaps *v, struct range *room, mmu_va start, mmu_va end, struct range *spare)
{
    mmu_va front = room->start;
    if (end < room->end) {
        ranges_resize(&v->free, room, end, room->end);
    } else {
        ranges_remove(&v->free, room);
        free(room);
    }
    if (!spare)
        return;
    spare->start = front;
    spare->end = start;
    ranges_insert(&v->free, spare);
}

int vm_area_take(struct mmu_os *os, const char *call, uint64_t size, uint64_t align, uint64_t frames,
                 struct vm_area **out)
{
    struct vmaps *v = os->vmaps;
    struct range *room = NULL;
    if (size < v->end - v->start && align <= v->end - v->start)
        room = find_room(os, size + PAGE_SIZE, align);
    if (!room)
        return os_outcome(os, MMU_OS_NO_SPACE, call,
                          "no room for %" PRIu64 " bytes and a guard page between 0x%" PRIx64
                          " and 0x%" PRIx64 ": %" PRIu64 " bytes are the longest free range",
                          size, v->start, v->end, v->free.root ? v->free.root->longest : 0);
    mmu_va start = (room->start + align - 1) & ~(align - 1);
    struct vm_area *area = calloc(1, sizeof *area + frames * sizeof area->frame[0]);
    struct range *spare = start > room->start ? calloc(1, sizeof *spare) : NULL;
    if (!area || (start > room->start && !spare)) {
        free(area);
        free(spare);
        return MMU_ERR_NOMEM;
    }
    carve(v, room, start, start + size + PAGE_SIZE, spare);
    area->range.start = start;
    area->range.end = start + size + PAGE_SIZE;
    ranges_insert(&v->busy, &area->range);
    *out = area;
    return MMU_OK;
}

void vm_area_give(struct mmu_os *os, struct vm_area *area)
{
    struct vmaps *v = os->vmaps;
    ranges_remove(&v->busy, &area->range);
    ranges_insert(&v->lazy, &area->range);
    v->lazy_pages += (area->range.end - area->range.start) >> PAGE_SHIFT;
    if (v->lazy_pages > v->lazy_max)
        mmu_os_vmalloc_purge(os);
}

struct vm_area *vm_area_at(const struct mmu_os *os, mmu_va va)
{
    struct range *r = ranges_find(&os->vmaps->busy, va);
    return r && r->start == va ? (struct vm_area *)r : NULL;
}

/* Clears the entries of the first pages, and frees the frames of the first pages. */
static void unmap_pages(struct mmu_os *os, struct vm_area *area, uint64_t mapped, uint64_t allocated)
{
    for (uint64_t i = 0; i < mapped; i++)
        kernel_unmap(os, area->range.start + (i << PAGE_SHIFT));
    for (uint64_t i = 0; i < allocated; i++)
        free_pages(os, area->frame[i], 0);
}

static int map_pages(struct mmu_os *os, struct vm_area *area)
{
    uint64_t allocated, mapped = 0;
    int status = MMU_OS_DONE;
    for (allocated = 0; allocated < area->pages && status == MMU_OS_DONE; allocated++) {
        status =
            alloc_pages_as(os, "vmalloc", MMU_GFP_KERNEL | MMU___GFP_HIGHMEM, 0, &area->frame[allocated]);
        if (status != MMU_OS_DONE)
            break;
        alloc_set_use(os, area->frame[allocated], MMU_PAGE_VMALLOC);
    }
    uint64_t bits = prot_kernel(os, MMU_CACHE_WB, PROT_WRITE);
    for (; mapped < area->pages && status == MMU_OS_DONE; mapped++) {
        status = kernel_map(os, area->range.start + (mapped << PAGE_SHIFT), area->frame[mapped] << PAGE_SHIFT,
                            PAGE_SHIFT, bits);
        if (status != MMU_OS_DONE)
            break;
    }
    if (status != MMU_OS_DONE)
        unmap_pages(os, area, mapped, allocated);
    return status;
}

int mmu_os_vmalloc(struct mmu_os *os, uint64_t size, mmu_va *va)
{
    struct vm_area *area;
    struct mmu_os_totals totals;
    uint64_t pages = (size >> PAGE_SHIFT) + ((size & PAGE_MASK) != 0);
    mmu_os_totals(os, &totals);
    if (size == 0)
        return os_outcome(os, MMU_OS_REFUSED, "vmalloc", "size 0, expected at least 1 byte");
    if (pages > totals.managed)
        return os_outcome(os, MMU_OS_REFUSED, "vmalloc",
                          "%" PRIu64 " bytes are more than the %" PRIu64 " pages of this machine", size,
                          totals.managed);
    int status = vm_area_take(os, "vmalloc", pages << PAGE_SHIFT, PAGE_SIZE, pages, &area);
    if (status != MMU_OS_DONE)
        return status;
    area->pages = pages;
    status = map_pages(os, area);
    if (status != MMU_OS_DONE) {
        area->pages = 0;
        vm_area_give(os, area);
        return status;
    }
    os->vmaps->pages += pages;
    *va = area->range.start;
    return MMU_OS_DONE;
}

int mmu_os_vfree(struct mmu_os *os, mmu_va va)
{
    if (va == 0)
        return MMU_OS_DONE; /* vfree(NULL) */
    struct vm_area *area = vm_area_at(os, va);
    if (!area || area->io) {
        int outcome = os_outcome(os, MMU_OS_BUG, "vfree", "0x%" PRIx64 " %s", va,
                                 area             ? "is an ioremap, expected a vmalloc area"
                                 : va & PAGE_MASK ? "is a bad address: not aligned to a page"
                                 : ranges_find(&os->vmaps->lazy, va) ? "was freed before"
                                                                     : "is not where a vmalloc area begins");
        os->report.va = va;
        return outcome;
    }
    unmap_pages(os, area, area->pages, area->pages);
    os->vmaps->pages -= area->pages;
    area->pages = 0;
    vm_area_give(os, area);
    return MMU_OS_DONE;
}

int mmu_os_vmalloc_to_pfn(const struct mmu_os *os, mmu_va va, mmu_pfn *pfn)
{
    struct range *r = ranges_find(&os->vmaps->busy, va);
    struct vm_area *area = (struct vm_area *)r;
    if (!r || va >= vm_area_guard(area))
        return MMU_OS_REFUSED;
    uint64_t page = (va - r->start) >> PAGE_SHIFT;
    *pfn = area->io ? (area->pa >> PAGE_SHIFT) + page : area->frame[page];
    return MMU_OS_DONE;
}

void mmu_os_vm_areas(const struct mmu_os *os, void (*each)(void *ctx, const struct mmu_os_vm_area *area),
                     void *ctx)
{
    const struct vmaps *v = os->vmaps;
    for (mmu_va at = v->start;;) {
        struct range *busy = ranges_from(&v->busy, at), *lazy = ranges_from(&v->lazy, at);
        struct range *r = !lazy || (busy && busy->start < lazy->start) ? busy : lazy;
        if (!r)
            return;
        const struct vm_area *area = (const struct vm_area *)r;
        struct mmu_os_vm_area out = {
            .start = r->start,
            .end = r->end,
            .io = area->io,
            .lazy = r == lazy,
            .pages = area->pages,
            .pa = area->pa,
        };
        at = r->end;
        each(ctx, &out);
    }
}

static void check_area(const struct mmu_os *os, const struct vm_area *area)
{
    for (mmu_va va = area->range.start; va < area->range.end; va += PAGE_SIZE) {
        struct mmu_os_lookup entry;
        mmu_pfn pfn = 0;
        bool guard = mmu_os_vmalloc_to_pfn(os, va, &pfn) != MMU_OS_DONE;
        bool mapped = kernel_lookup(os, va, &entry);
        REQUIRE(guard ? !mapped : mapped || entry.entry[0].value); /* not present: set_memory_np() */
        REQUIRE(guard || !mapped || entry.pa == pfn << PAGE_SHIFT);
    }
}

void vmaps_check(const struct mmu_os *os)
{
    const struct vmaps *v = os->vmaps;
    uint64_t pages = 0, lazy_pages = 0;
    const struct ranges *sets[] = {&v->free, &v->busy, &v->lazy};
    mmu_va at = v->start;
    ranges_check(&v->free);
    ranges_check(&v->busy);
    ranges_check(&v->lazy);
    while (at < v->end) {
        const struct range *r = NULL;
        unsigned kind;
        for (kind = 0; kind < COUNT_OF(sets) && !r; kind++)
            r = ranges_find(sets[kind], at);
        REQUIRE(r && r->start == at);
        if (r != ranges_find(&v->free, at)) {
            const struct vm_area *area = (const struct vm_area *)r;
            bool busy = ranges_find(&v->busy, at) == r;
            pages += busy ? area->pages : 0;
            lazy_pages += busy ? 0 : (r->end - r->start) >> PAGE_SHIFT;
            if (busy)
                check_area(os, area);
        }
        at = r->end;
    }
    REQUIRE(at == v->end && pages == v->pages && lazy_pages == v->lazy_pages);
}
