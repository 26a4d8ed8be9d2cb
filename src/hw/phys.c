/* phys.c: arenas, the RAM map, and the reads and writes that are not a walk's. See phys.h. */
#include "phys.h"
#include "big.h"
#include <string.h>
#include <sys/mman.h>

enum {
    CHUNK_FIRST = 16,
    CHUNK_LAST = 8192
}; /* pages: 64 KiB growing to 32 MiB; those of 2 MiB and more are aligned for huge host pages */

int phys_init(struct phys *p, unsigned bits)
{
    *p = (struct phys){.bits = bits};
    p->tops = bits > PAGE_SHIFT + PHYS_LEAF_BITS + PHYS_MID_BITS
                  ? (size_t)1 << (bits - PAGE_SHIFT - PHYS_LEAF_BITS - PHYS_MID_BITS)
                  : 1;
    p->top = calloc(p->tops, sizeof *p->top);
    struct phys_range all = {0, BIT(bits)};
    return p->top ? phys_set_ram(p, &all, 1) : MMU_ERR_NOMEM;
}

void phys_destroy(struct phys *p)
{
    for (size_t t = 0; t < p->tops && p->top; t++) {
        for (size_t m = 0; p->top[t] && m < COUNT_OF(p->top[t]->leaf); m++)
            free(p->top[t]->leaf[m]);
        free(p->top[t]);
    }
    for (size_t c = 0; c < p->chunks; c++) {
        munmap(p->chunk[c].host, p->chunk[c].pages * PAGE_SIZE);
        free(p->chunk[c].pfn);
    }
    free(p->chunk);
    free(p->by_host);
    free(p->spare);
    free(p->top);
    free(p->range);
    *p = (struct phys){0};
}

static int by_start(const void *a, const void *b)
{
    const struct phys_range *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

int phys_set_ram(struct phys *p, const struct phys_range *ranges, size_t n)
{
    struct phys_range *copy = malloc((n + 1) * sizeof *copy);
    if (!copy)
        return MMU_ERR_NOMEM;
    memcpy(copy, ranges, n * sizeof *copy);
    qsort(copy, n, sizeof *copy, by_start);
    size_t kept = 0; /* adjacent ranges become one, so that an access may span them */
    for (size_t i = 0; i < n; i++) {
        if (kept && copy[i].start <= copy[kept - 1].end)
            copy[kept - 1].end = copy[i].end > copy[kept - 1].end ? copy[i].end : copy[kept - 1].end;
        else
            copy[kept++] = copy[i];
    }
    free(p->range);
    p->range = copy;
    p->ranges = kept;
    return MMU_OK;
}

bool phys_answers(const struct phys *p, mmu_pa pa, uint64_t size)
{
    size_t low = 0, high = p->ranges; /* the last range that starts at or below pa is low - 1 */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->range[middle].start <= pa)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && pa < p->range[low - 1].end && size <= p->range[low - 1].end - pa;
}

/* Zeroed host pages, aligned for huge ones when they are large; NULL when there are none. */
static void *map_chunk(size_t bytes)
{
    size_t spare = bytes >= BIG_PAGE ? BIG_PAGE : 0;
    uint8_t *raw = mmap(NULL, bytes + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED || spare == 0)
        return raw == MAP_FAILED ? NULL : raw;
    size_t before = (BIG_PAGE - (uintptr_t)raw % BIG_PAGE) % BIG_PAGE;
    if (before)
        munmap(raw, before);
    munmap(raw + before + bytes, spare - before);
#ifdef MADV_HUGEPAGE
    (void)madvise(raw + before, bytes, MADV_HUGEPAGE); /* a wish */
#endif
    return raw + before;
}

/* Puts the newest chunk into by_host[]. */
static void sort_in(struct phys *p)
{
    size_t at = p->chunks - 1;
    for (; at > 0 && p->chunk[p->by_host[at - 1]].host > p->chunk[p->chunks - 1].host; at--)
        p->by_host[at] = p->by_host[at - 1];
    p->by_host[at] = (uint32_t)(p->chunks - 1);
}

/* Where a host page lies. */
static struct phys_spare place_of(const struct phys *p, const uint8_t *page)
{
    size_t low = 0, high = p->chunks; /* the last chunk that begins at or below page is low - 1 */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->chunk[p->by_host[middle]].host <= page)
            low = middle + 1;
        else
            high = middle;
    }
    uint32_t chunk = p->by_host[low - 1];
    return (struct phys_spare){chunk, (uint32_t)((size_t)(page - p->chunk[chunk].host) / PAGE_SIZE)};
}

/* One more chunk in use: a kept one after phys_clear(), or a new one twice as large. */
static bool next_chunk(struct phys *p)
{
    if (p->used_chunks == p->chunks) {
        struct phys_chunk *more = realloc(p->chunk, (p->chunks + 1) * sizeof *more);
        if (!more)
            return false;
        p->chunk = more;
        uint32_t *order = realloc(p->by_host, (p->chunks + 1) * sizeof *order);
        if (!order)
            return false;
        p->by_host = order;
        size_t pages = p->chunks ? p->chunk[p->chunks - 1].pages * 2 : CHUNK_FIRST;
        pages = pages > CHUNK_LAST ? CHUNK_LAST : pages;
        mmu_pfn *pfn = malloc(pages * sizeof *pfn);
        size_t bytes = pages * PAGE_SIZE;
        void *host = map_chunk(bytes);
        if (!pfn || !host) {
            free(pfn);
            if (host)
                munmap(host, bytes);
            return false;
        }
        p->chunk[p->chunks++] = (struct phys_chunk){host, pages, pfn};
        sort_in(p);
    }
    p->used_chunks++;
    p->used = 0;
    return true;
}

/* The leaf of a frame, made when it does not exist; NULL: no host memory. */
static struct phys_leaf *leaf_of(struct phys *p, mmu_pfn pfn)
{
    size_t t = (size_t)(pfn >> (PHYS_LEAF_BITS + PHYS_MID_BITS));
    REQUIRE(t < p->tops);
    if (!p->top[t] && !(p->top[t] = calloc(1, sizeof **p->top)))
        return NULL;
    struct phys_leaf **leaf = &p->top[t]->leaf[pfn >> PHYS_LEAF_BITS & ((1u << PHYS_MID_BITS) - 1)];
    if (!*leaf && !(*leaf = calloc(1, sizeof **leaf)))
        return NULL;
    return *leaf;
}

uint8_t *phys_touch(struct phys *p, mmu_pfn pfn)
{
    uint8_t *page = phys_page(p, pfn);
    if (page)
        return page;
    struct phys_leaf *leaf = leaf_of(p, pfn);
    if (!leaf)
        return NULL;
    struct phys_spare at;
    if (p->spares) {
        at = p->spare[--p->spares];
    } else {
        if ((p->used_chunks == 0 || p->used == p->chunk[p->used_chunks - 1].pages) && !next_chunk(p))
            return NULL;
        at = (struct phys_spare){(uint32_t)p->used_chunks - 1, (uint32_t)p->used++};
    }
    struct phys_chunk *c = &p->chunk[at.chunk];
    c->pfn[at.page] = pfn;
    p->touched++;
    leaf->touched++;
    return leaf->page[pfn & ((1u << PHYS_LEAF_BITS) - 1)] = c->host + PAGE_SIZE * at.page;
}

/* Drops one touched frame. Without host memory to remember its page by, it keeps it, cleared. */
static void discard_page(struct phys *p, struct phys_leaf *leaf, uint8_t **slot)
{
    memset(*slot, 0, PAGE_SIZE);
    if (p->spares == p->spare_room) {
        size_t room = p->spare_room ? p->spare_room * 2 : 64;
        struct phys_spare *more = realloc(p->spare, room * sizeof *more);
        if (!more)
            return;
        p->spare = more;
        p->spare_room = room;
    }
    struct phys_spare at = place_of(p, *slot);
    p->chunk[at.chunk].pfn[at.page] = PHYS_SPARE;
    p->spare[p->spares++] = at;
    p->touched--;
    leaf->touched--;
    *slot = NULL;
}

void phys_discard(struct phys *p, mmu_pfn pfn, uint64_t n)
{
    const mmu_pfn per_leaf = 1u << PHYS_LEAF_BITS;
    for (mmu_pfn end = pfn + n, next; pfn < end; pfn = next) {
        size_t t = (size_t)(pfn >> (PHYS_LEAF_BITS + PHYS_MID_BITS));
        next = (pfn | (per_leaf - 1)) + 1;
        next = next < end ? next : end;
        if (t >= p->tops || !p->top[t])
            continue;
        struct phys_leaf *leaf = p->top[t]->leaf[pfn >> PHYS_LEAF_BITS & ((1u << PHYS_MID_BITS) - 1)];
        for (mmu_pfn at = pfn; leaf && leaf->touched && at < next; at++)
            if (leaf->page[at & (per_leaf - 1)])
                discard_page(p, leaf, &leaf->page[at & (per_leaf - 1)]);
    }
}

/* The same of the caller's memory, which is asked for aligned words: first whether all of them are there. */
static int read_callers(const struct phys *p, mmu_pa pa, uint8_t *to, size_t size)
{
    if (pa >= BIT(p->bits) || size > BIT(p->bits) - pa)
        return MMU_ERR_NORAM;
    for (unsigned copy = 0; copy < 2; copy++)
        for (size_t n, done = 0; done < size; done += n) {
            unsigned skip = (unsigned)(pa + done) & 3;
            uint64_t word;
            n = 4 - skip < size - done ? 4 - skip : size - done;
            if (!p->ops.read(p->ops.ctx, pa + done - skip, 4, &word))
                return MMU_ERR_NORAM;
            if (copy)
                memcpy(to + done, (const uint8_t *)&word + skip, n); /* little-endian hosts only */
        }
    return MMU_OK;
}

int phys_read(const struct phys *p, mmu_pa pa, void *to, size_t size)
{
    if (p->ops.read)
        return read_callers(p, pa, to, size);
    if (!phys_answers(p, pa, size))
        return MMU_ERR_NORAM;
    uint8_t *out = to;
    for (size_t n; size; pa += n, out += n, size -= n) {
        n = PAGE_SIZE - (size_t)(pa & PAGE_MASK);
        n = n < size ? n : size;
        const uint8_t *page = phys_page(p, pa >> PAGE_SHIFT);
        if (page)
            memcpy(out, page + (pa & PAGE_MASK), n);
        else
            memset(out, 0, n);
    }
    return MMU_OK;
}

int phys_write(struct phys *p, mmu_pa pa, const void *from, size_t size)
{
    if (p->ops.read)
        return MMU_ERR_UNSUPPORTED; /* a page of ours would hide the caller's from the walks */
    if (!phys_answers(p, pa, size))
        return MMU_ERR_NORAM;
    const uint8_t *in = from;
    for (size_t n; size; pa += n, in += n, size -= n) {
        n = PAGE_SIZE - (size_t)(pa & PAGE_MASK);
        n = n < size ? n : size;
        uint8_t *page = phys_touch(p, pa >> PAGE_SHIFT);
        if (!page)
            return MMU_ERR_NOMEM;
        memcpy(page + (pa & PAGE_MASK), in, n);
    }
    return MMU_OK;
}

void phys_clear(struct phys *p)
{
    for (size_t c = 0; c < p->used_chunks; c++) {
        size_t pages = c + 1 == p->used_chunks ? p->used : p->chunk[c].pages;
        for (size_t i = 0; i < pages; i++) {
            mmu_pfn pfn = p->chunk[c].pfn[i];
            if (pfn == PHYS_SPARE)
                continue;
            struct phys_leaf *leaf = leaf_of(p, pfn);
            leaf->page[pfn & ((1u << PHYS_LEAF_BITS) - 1)] = NULL;
            leaf->touched--;
        }
        memset(p->chunk[c].host, 0, pages * PAGE_SIZE);
    }
    p->used_chunks = p->used = 0;
    p->spares = 0;
    p->touched = 0;
}

uint64_t phys_host_bytes(const struct phys *p)
{
    uint64_t bytes = (p->touched + p->spares) * PAGE_SIZE;
    for (size_t t = 0; t < p->tops; t++) {
        if (!p->top[t])
            continue;
        bytes += sizeof *p->top[t];
        for (size_t m = 0; m < COUNT_OF(p->top[t]->leaf); m++)
            bytes += p->top[t]->leaf[m] ? sizeof *p->top[t]->leaf[m] : 0;
    }
    return bytes;
}

bool phys_load_slow(const struct phys *p, mmu_pa pa, unsigned bytes, uint64_t *value)
{
    *value = 0;
    if (p->ops.read)
        return p->ops.read(p->ops.ctx, pa, bytes, value);
    return phys_answers(p, pa, bytes);
}

bool phys_exchange(struct phys *p, mmu_pa pa, unsigned bytes, uint64_t old, uint64_t value)
{
    if (p->ops.read)
        return p->ops.compare_exchange(p->ops.ctx, pa, bytes, old, value);
    uint8_t *page = phys_page(p, pa >> PAGE_SHIFT);
    uint64_t now = 0;
    if (!page || !phys_load(p, pa, bytes, &now) || now != old)
        return false;
    memcpy(page + (pa & PAGE_MASK), &value, bytes); /* little-endian hosts only, as CMake checks */
    return true;
}

void phys_check(const struct phys *p)
{
    for (size_t i = 0; i + 1 < p->ranges; i++)
        REQUIRE(p->range[i].end < p->range[i + 1].start);
    uint64_t pages = 0;
    for (size_t c = 0; c < p->used_chunks; c++) {
        size_t n = c + 1 == p->used_chunks ? p->used : p->chunk[c].pages;
        for (size_t i = 0; i < n; i++)
            REQUIRE(p->chunk[c].pfn[i] == PHYS_SPARE ||
                    phys_page(p, p->chunk[c].pfn[i]) == p->chunk[c].host + PAGE_SIZE * i);
        pages += n;
    }
    REQUIRE(pages == p->touched + p->spares);
    for (size_t i = 0; i < p->spares; i++)
        REQUIRE(p->chunk[p->spare[i].chunk].pfn[p->spare[i].page] == PHYS_SPARE);
    for (size_t i = 1; i < p->chunks; i++)
        REQUIRE(p->chunk[p->by_host[i - 1]].host < p->chunk[p->by_host[i]].host);
}
