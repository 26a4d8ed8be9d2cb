/* slab.c: caches, slabs, objects. See slab.h. */
#include "slab.h"
#include "gfp.h"
#include "plan.h"
#include <string.h>

enum { NO_OBJECT = 0xffff, IN_USE = 0xfffe }; /* in link[] */
enum { COSTLY_ORDER = 3 };

/* KMALLOC_* of include/linux/slab.h; the order decides when a mask asks for several. */
enum { KIND_NORMAL, KIND_DMA, KIND_RECLAIM, KIND_CGROUP, KINDS };

static const uint16_t class_size[] = {8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192};
enum { CLASSES = COUNT_OF(class_size), LARGEST_CLASS = 8192, LARGEST = 1 << (CHUNK_ORDER + PAGE_SHIFT) };

/* What of a caller's mask a slab's pages are asked with (GFP_RECLAIM_MASK, GFP_CONSTRAINT_MASK). */
static const uint32_t passed_on =
    MMU___GFP_DIRECT_RECLAIM | MMU___GFP_KSWAPD_RECLAIM | MMU___GFP_HIGH | MMU___GFP_IO | MMU___GFP_FS |
    MMU___GFP_NOWARN | MMU___GFP_RETRY_MAYFAIL | MMU___GFP_NOFAIL | MMU___GFP_NORETRY | MMU___GFP_MEMALLOC |
    MMU___GFP_NOMEMALLOC | MMU___GFP_ATOMIC | MMU___GFP_HARDWALL | MMU___GFP_THISNODE;

enum slab_place { ON_CPU, PARTIAL, FULL };

/* Invariants: inuse of the objects have link IN_USE, the others are chained from free; a PARTIAL slab is on
 * its cache's list; a FULL one has no free object. Its page's mapping is its number. */
struct slab {
    mmu_pfn pfn;
    uint32_t number, next, prev; /* on the partial list, by number; 0: none */
    uint16_t objects, inuse, free;
    uint8_t order, place;
    uint16_t cache;
    uint16_t link[];
};

/* Invariants: partial counts the list; cpu[c] is a slab with place ON_CPU, or 0. */
struct slab_cache {
    uint16_t size;
    uint8_t order, least_order; /* wanted; when memory is short */
    uint32_t gfp;
    uint32_t first, last, partial;
    uint32_t *cpu;
};

struct slabs {
    struct slab_cache cache[KINDS * CLASSES];
    uint32_t *cpu;      /* of all caches */
    struct slab **slab; /* [0] is not used; NULL: a number that is free */
    uint32_t slabs, room;
    uint32_t *spare; /* free numbers below slabs */
    uint32_t spares;
    uint64_t pages, host_bytes;
};

static unsigned order_for(uint64_t size)
{
    unsigned order = 0;
    while (((uint64_t)PAGE_SIZE << order) < size)
        order++;
    return order;
}

/* slab_order(): the smallest that holds so many objects and wastes no more than the fraction. */
static unsigned slab_order(unsigned size, unsigned objects, unsigned most, unsigned fraction)
{
    unsigned order = order_for((uint64_t)size * objects);
    for (; order <= most; order++)
        if (((uint64_t)PAGE_SIZE << order) % size <= ((uint64_t)PAGE_SIZE << order) / fraction)
            break;
    return order;
}

/* calculate_order() */
static unsigned calculate_order(unsigned size, uint32_t cpus)
{
    unsigned objects = 4 * (log2_floor(cpus) + 2); /* 4 * (fls(cpus) + 1) */
    unsigned most = (unsigned)(PAGE_SIZE << COSTLY_ORDER) / size;
    for (objects = objects < most ? objects : most; objects > 1; objects--)
        for (unsigned fraction = 16; fraction >= 4; fraction /= 2) {
            unsigned order = slab_order(size, objects, COSTLY_ORDER, fraction);
            if (order <= COSTLY_ORDER)
                return order;
        }
    return order_for(size);
}

int slabs_init(struct mmu_os *os)
{
    static const uint32_t kind_gfp[KINDS] = {[KIND_DMA] = MMU___GFP_DMA,
                                             [KIND_RECLAIM] = MMU___GFP_RECLAIMABLE,
                                             [KIND_CGROUP] = MMU___GFP_ACCOUNT};
    struct slabs *s = calloc(1, sizeof *s);
    os->slabs = s;
    if (!s)
        return MMU_ERR_NOMEM;
    size_t cpus = os->cores;
    s->cpu = calloc(COUNT_OF(s->cache) * cpus, sizeof *s->cpu);
    s->room = 64;
    s->slabs = 1;
    s->slab = calloc(s->room, sizeof(struct slab *));
    s->spare = calloc(s->room, sizeof *s->spare);
    s->host_bytes = sizeof *s + COUNT_OF(s->cache) * cpus * sizeof *s->cpu +
                    s->room * (sizeof(struct slab *) + sizeof *s->spare);
    for (unsigned i = 0; i < COUNT_OF(s->cache); i++) {
        struct slab_cache *c = &s->cache[i];
        c->size = class_size[i % CLASSES];
        c->order = (uint8_t)calculate_order(c->size, os->plan->zones.cpus);
        c->least_order = (uint8_t)order_for(c->size);
        c->gfp = kind_gfp[i / CLASSES];
        c->cpu = s->cpu ? s->cpu + i * cpus : NULL;
    }
    return s->cpu && s->slab && s->spare ? MMU_OK : MMU_ERR_NOMEM;
}

void slabs_destroy(struct mmu_os *os)
{
    struct slabs *s = os->slabs;
    for (uint32_t i = 0; s && s->slab && i < s->slabs; i++)
        free(s->slab[i]);
    if (s) {
        free(s->slab);
        free(s->spare);
        free(s->cpu);
    }
    free(s);
    os->slabs = NULL;
}

uint64_t slabs_host_bytes(const struct mmu_os *os)
{
    return os->slabs->host_bytes;
}

uint64_t slabs_pages(const struct mmu_os *os)
{
    return os->slabs->pages;
}

static size_t bytes_of(unsigned objects)
{
    return sizeof(struct slab) + objects * sizeof(uint16_t);
}

static void link_last(struct slabs *s, struct slab_cache *c, struct slab *slab)
{
    slab->place = PARTIAL;
    slab->next = 0;
    slab->prev = c->last;
    *(c->last ? &s->slab[c->last]->next : &c->first) = slab->number;
    c->last = slab->number;
    c->partial++;
}

static void unlink_slab(struct slabs *s, struct slab_cache *c, struct slab *slab)
{
    *(slab->prev ? &s->slab[slab->prev]->next : &c->first) = slab->next;
    *(slab->next ? &s->slab[slab->next]->prev : &c->last) = slab->prev;
    slab->next = slab->prev = 0;
    c->partial--;
}

/* A number for a new slab; 0: no host memory. */
static uint32_t take_number(struct slabs *s)
{
    if (s->spares)
        return s->spare[--s->spares];
    if (s->slabs == s->room) {
        struct slab **more = realloc(s->slab, 2 * (size_t)s->room * sizeof *more);
        if (more)
            s->slab = more;
        uint32_t *spare = realloc(s->spare, 2 * (size_t)s->room * sizeof *spare);
        if (spare)
            s->spare = spare;
        if (!more || !spare)
            return 0;
        s->host_bytes += s->room * (sizeof *more + sizeof *spare);
        s->room *= 2;
    }
    s->slab[s->slabs] = NULL;
    return s->slabs++;
}

/* allocate_slab(): pages of the wanted order, or, when memory is short, just enough for one object. */
static int slab_pages(struct mmu_os *os, const struct slab_cache *c, uint32_t gfp, unsigned *order,
                      mmu_pfn *pfn)
{
    uint32_t flags = (gfp & passed_on) | c->gfp;
    uint32_t first = (flags | MMU___GFP_NOWARN | MMU___GFP_NORETRY) & ~(uint32_t)MMU___GFP_NOFAIL;
    *order = c->order;
    if ((first & MMU___GFP_DIRECT_RECLAIM) && c->order > c->least_order)
        first = (first | MMU___GFP_NOMEMALLOC) & ~(uint32_t)GFP_RECLAIM_BITS;
    int outcome = alloc_pages_as(os, "kmalloc", first | (*order ? MMU___GFP_COMP : 0), *order, pfn);
    if (outcome != MMU_OS_EXHAUSTED)
        return outcome;
    *order = c->least_order;
    return alloc_pages_as(os, "kmalloc", flags | (*order ? MMU___GFP_COMP : 0), *order, pfn);
}

/* new_slab(): NULL: *outcome says why. */
static struct slab *new_slab(struct mmu_os *os, unsigned cache, uint32_t gfp, int *outcome)
{
    struct slabs *s = os->slabs;
    const struct slab_cache *c = &s->cache[cache];
    uint32_t number = take_number(s);
    unsigned order;
    mmu_pfn pfn;
    *outcome = number ? slab_pages(os, c, gfp, &order, &pfn) : MMU_ERR_NOMEM;
    if (*outcome != MMU_OS_DONE) {
        if (number)
            s->spare[s->spares++] = number;
        return NULL;
    }
    unsigned objects = (unsigned)(PAGE_SIZE << order) / c->size;
    struct slab *slab = malloc(bytes_of(objects));
    if (!slab) {
        free_pages(os, pfn, order);
        s->spare[s->spares++] = number;
        *outcome = MMU_ERR_NOMEM;
        return NULL;
    }
    *slab = (struct slab){.pfn = pfn,
                          .number = number,
                          .objects = (uint16_t)objects,
                          .order = (uint8_t)order,
                          .cache = (uint16_t)cache};
    for (unsigned i = 0; i < objects; i++)
        slab->link[i] = (uint16_t)(i + 1 < objects ? i + 1 : NO_OBJECT);
    s->slab[number] = slab;
    s->pages += BIT(order);
    s->host_bytes += bytes_of(objects);
    alloc_set_use(os, pfn, MMU_PAGE_SLAB);
    page_peek(os, pfn)->mapping = number;
    return slab;
}

/* discard_slab() */
static void discard(struct mmu_os *os, struct slab *slab)
{
    struct slabs *s = os->slabs;
    s->slab[slab->number] = NULL;
    s->spare[s->spares++] = slab->number;
    s->pages -= BIT(slab->order);
    s->host_bytes -= bytes_of(slab->objects);
    free_pages(os, slab->pfn, slab->order);
    free(slab);
}

/* A slab with a free object for this CPU (___slab_alloc()): its own, a partial one, a new one. */
static struct slab *cpu_slab(struct mmu_os *os, unsigned cache, uint32_t gfp, int *outcome)
{
    struct slabs *s = os->slabs;
    struct slab_cache *c = &s->cache[cache];
    uint32_t *mine = &c->cpu[os->current];
    struct slab *slab = *mine ? s->slab[*mine] : NULL;
    if (slab && slab->free != NO_OBJECT)
        return slab;
    struct slab *next = c->first ? s->slab[c->first] : new_slab(os, cache, gfp, outcome);
    if (!next)
        return NULL;
    if (c->first == next->number)
        unlink_slab(s, c, next);
    if (slab)
        slab->place = FULL;
    next->place = ON_CPU;
    *mine = next->number;
    return next;
}

/* An object's bytes become zeros; a frame that has none is not given any. */
static int clear(struct mmu_os *os, mmu_pa pa, size_t size)
{
    static const uint8_t zeros[LARGEST_CLASS];
    uint8_t now[LARGEST_CLASS];
    struct mmu *m = os->hw[os->current];
    int status = port_read(m, pa, now, size);
    return status == MMU_OK && memcmp(now, zeros, size) != 0 ? port_write(m, pa, zeros, size) : status;
}

static unsigned kind_of(uint32_t gfp)
{
    return gfp & MMU___GFP_DMA           ? KIND_DMA
           : gfp & MMU___GFP_RECLAIMABLE ? KIND_RECLAIM
           : gfp & MMU___GFP_ACCOUNT     ? KIND_CGROUP
                                         : KIND_NORMAL;
}

static int refuse(struct mmu_os *os, uint64_t size, uint32_t gfp, const char *why)
{
    char mask[128];
    int outcome = os_outcome(os, MMU_OS_REFUSED, "kmalloc", "%llu bytes, %s (%#x): %s",
                             (unsigned long long)size, mmu_os_gfp_text(gfp, mask, sizeof mask), gfp, why);
    os->report.gfp = gfp;
    return outcome;
}

/* kmalloc_large() */
static int large(struct mmu_os *os, uint64_t size, uint32_t gfp, mmu_va *va)
{
    mmu_pfn pfn;
    unsigned order = order_for(size);
    int outcome = alloc_pages_as(os, "kmalloc", gfp | MMU___GFP_COMP, order, &pfn);
    if (outcome != MMU_OS_DONE)
        return outcome;
    alloc_set_use(os, pfn, MMU_PAGE_SLAB);
    page_clear_flags(page_peek(os, pfn), 1u << MMU_PG_SLAB); /* mapping stays 0: no slab */
    os->slabs->pages += BIT(order);
    *va = mmu_os_page_address(os, pfn);
    return MMU_OS_DONE;
}

int mmu_os_kmalloc(struct mmu_os *os, uint64_t size, uint32_t gfp, mmu_va *va)
{
    enum { ZERO_SIZE_PTR = 16 };
    if (gfp & (MMU___GFP_HIGHMEM | MMU___GFP_DMA32))
        return refuse(os, size, gfp, "kmalloc has no caches in these zones (GFP_SLAB_BUG_MASK)");
    if (gfp & ~(uint32_t)GFP_ALL)
        return refuse(os, size, gfp, "the mask has bits that are no GFP flag");
    if (size > LARGEST)
        return refuse(os, size, gfp, "the largest block has 4 MiB (KMALLOC_MAX_SIZE)");
    if (size == 0) {
        *va = ZERO_SIZE_PTR;
        return MMU_OS_DONE;
    }
    if (size > LARGEST_CLASS)
        return large(os, size, gfp, va);
    unsigned at = 0;
    int outcome = MMU_OS_DONE;
    while (class_size[at] < size)
        at++;
    struct slab *slab = cpu_slab(os, kind_of(gfp) * CLASSES + at, gfp, &outcome);
    if (!slab)
        return outcome;
    unsigned object = slab->free;
    mmu_pa pa = (slab->pfn << PAGE_SHIFT) + (mmu_pa)object * class_size[at];
    if ((gfp & MMU___GFP_ZERO) && clear(os, pa, class_size[at]) != MMU_OK)
        return MMU_ERR_NOMEM;
    slab->free = slab->link[object];
    slab->link[object] = IN_USE;
    slab->inuse++;
    *va = os->plan->layout.page_offset + pa;
    return MMU_OS_DONE;
}

/* What stands at an address that kmalloc() is said to have given. Returns NULL, or what is wrong. */
struct found {
    struct slab *slab; /* NULL: a large block */
    unsigned object;
    mmu_pfn pfn;
    unsigned order;
};

static const char *find(const struct mmu_os *os, mmu_va va, struct found *f)
{
    const struct layout *l = &os->plan->layout;
    mmu_pfn pfn = (va - l->page_offset) >> PAGE_SHIFT;
    if (va < l->page_offset || pfn >= l->max_low_pfn)
        return "it does not lie in the direct map";
    if (page_use_of(os, pfn) != MMU_PAGE_SLAB)
        return "its page is not kmalloc's (freed, or never allocated)";
    f->pfn = page_head(os, pfn);
    const struct page *head = page_peek(os, f->pfn);
    uint64_t offset = va - l->page_offset - (f->pfn << PAGE_SHIFT);
    f->slab = head->mapping ? os->slabs->slab[head->mapping] : NULL;
    f->order = page_order(head);
    if (!f->slab)
        return offset ? "it lies inside a large block" : NULL;
    unsigned size = os->slabs->cache[f->slab->cache].size;
    f->object = (unsigned)(offset / size);
    if (offset % size || f->object >= f->slab->objects)
        return "it is not where an object begins";
    return f->slab->link[f->object] == IN_USE ? NULL : "the object is free already";
}

static int bug(struct mmu_os *os, mmu_va va, const char *why)
{
    int outcome = os_outcome(os, MMU_OS_BUG, "kfree", "%#llx: %s", (unsigned long long)va, why);
    os->report.va = va;
    return outcome;
}

/* __slab_free() */
static void free_object(struct mmu_os *os, struct slab *slab, unsigned object)
{
    struct slabs *s = os->slabs;
    struct slab_cache *c = &s->cache[slab->cache];
    unsigned half = log2_floor(c->size) / 2, kept = half < 5 ? 5 : half; /* min_partial */
    slab->link[object] = slab->free;
    slab->free = (uint16_t)object;
    slab->inuse--;
    if (slab->place == FULL)
        link_last(s, c, slab);
    if (slab->place == PARTIAL && slab->inuse == 0 && c->partial >= kept) {
        unlink_slab(s, c, slab);
        discard(os, slab);
    }
}

int mmu_os_kfree(struct mmu_os *os, mmu_va va)
{
    struct found f;
    if (va <= 16) /* NULL, ZERO_SIZE_PTR */
        return va == 0 || va == 16 ? MMU_OS_DONE : bug(os, va, "no pointer of kmalloc's");
    const char *wrong = find(os, va, &f);
    if (wrong)
        return bug(os, va, wrong);
    if (f.slab) {
        free_object(os, f.slab, f.object);
    } else {
        os->slabs->pages -= BIT(f.order);
        free_pages(os, f.pfn, f.order);
    }
    return MMU_OS_DONE;
}

int mmu_os_ksize(const struct mmu_os *os, mmu_va va, uint64_t *size)
{
    struct found f;
    if (va == 16 || va == 0)
        *size = 0;
    else if (find(os, va, &f))
        return MMU_OS_BUG;
    else
        *size = f.slab ? os->slabs->cache[f.slab->cache].size : (uint64_t)PAGE_SIZE << f.order;
    return MMU_OS_DONE;
}

void mmu_os_shrink_slabs(struct mmu_os *os)
{
    struct slabs *s = os->slabs;
    for (unsigned i = 0; i < COUNT_OF(s->cache); i++) {
        struct slab_cache *c = &s->cache[i];
        for (uint32_t cpu = 0; cpu < os->cores; cpu++) { /* flush_all() */
            struct slab *slab = c->cpu[cpu] ? s->slab[c->cpu[cpu]] : NULL;
            c->cpu[cpu] = 0;
            if (slab && slab->free == NO_OBJECT)
                slab->place = FULL;
            else if (slab)
                link_last(s, c, slab);
        }
        for (uint32_t n = c->first, next; n; n = next) {
            struct slab *slab = s->slab[n];
            next = slab->next;
            if (slab->inuse == 0) {
                unlink_slab(s, c, slab);
                discard(os, slab);
            }
        }
    }
}

static void check_slab(const struct mmu_os *os, const struct slab *slab, uint32_t number)
{
    const struct slab_cache *c = &os->slabs->cache[slab->cache];
    const struct page *page = page_peek(os, slab->pfn);
    unsigned in_use = 0, chained = 0;
    REQUIRE(slab->number == number && page && page->mapping == number);
    REQUIRE(page_is_head(page) && page_use(page) == MMU_PAGE_SLAB && page_order(page) == slab->order);
    REQUIRE(slab->objects == (PAGE_SIZE << slab->order) / c->size);
    for (unsigned i = 0; i < slab->objects; i++)
        in_use += slab->link[i] == IN_USE;
    for (unsigned at = slab->free; at != NO_OBJECT; at = slab->link[at]) {
        REQUIRE(at < slab->objects && slab->link[at] != IN_USE);
        REQUIRE(++chained <= slab->objects);
    }
    REQUIRE(in_use == slab->inuse && in_use + chained == slab->objects);
    REQUIRE(slab->place != FULL || chained == 0);
}

void slabs_check(const struct mmu_os *os)
{
    const struct slabs *s = os->slabs;
    uint32_t partial = 0, on_cpu = 0, free_numbers = 0;
    for (uint32_t i = 1; i < s->slabs; i++) {
        const struct slab *slab = s->slab[i];
        free_numbers += slab == NULL;
        if (!slab)
            continue;
        check_slab(os, slab, i);
        partial += slab->place == PARTIAL;
        on_cpu += slab->place == ON_CPU;
    }
    REQUIRE(free_numbers == s->spares);
    for (unsigned i = 0; i < COUNT_OF(s->cache); i++) {
        const struct slab_cache *c = &s->cache[i];
        uint32_t n = 0, before = 0;
        for (uint32_t at = c->first; at; before = at, at = s->slab[at]->next, n++)
            REQUIRE(s->slab[at]->cache == i && s->slab[at]->place == PARTIAL && s->slab[at]->prev == before);
        REQUIRE(n == c->partial && c->last == before);
        partial -= n;
        for (uint32_t cpu = 0; cpu < os->cores; cpu++) {
            REQUIRE(!c->cpu[cpu] ||
                    (s->slab[c->cpu[cpu]]->place == ON_CPU && s->slab[c->cpu[cpu]]->cache == i));
            on_cpu -= c->cpu[cpu] != 0;
        }
    }
    REQUIRE(partial == 0 && on_cpu == 0);
}
