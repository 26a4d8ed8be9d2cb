/*
 * page.h: page descriptors: one struct page a frame, kept by the host only where something was touched.
 *
 * Models include/linux/mm_types.h, page-flags.h and page_ref.h of Linux 6.1. Descriptors come in chunks of
 * 1024 frames, the largest block of the buddy allocator. A chunk whose frames all stand as they did at boot
 * has none: what its pages are follows from the plan (and from age.h on an aged machine). Left out: folios
 * beyond what a compound page's head says; memcg_data; per-node numbers in flags.
 */
#ifndef OS_PAGE_H
#define OS_PAGE_H

#include "os.h"

enum {
    CHUNK_ORDER = MMU_OS_ORDERS - 1,
    CHUNK_PAGES = 1 << CHUNK_ORDER,
    PAGE_MAPCOUNT_MAX = (1 << 20) - 1,
};

/*
 * A descriptor: 32 bytes.
 *
 *     word      31..28 use, plus 1; 0: the page lies inside a block, whose head tells all   27..24 order
 *               23..22 migrate type of the list that a free page is on, or of the last allocation
 *               21..0  flags, 1 << enum mmu_page_flag
 *     next,prev the neighbours on the one list that the page is on, as descriptor numbers; 0: none
 *     refcount  page_count(); 0 while free
 *     mapping   who owns the content: a number, 0: nobody (PAGE_SLAB: slab.h)
 *     private_  page_private()
 *     index     bits 43..0 index (an offset in pages); 63..44 page_mapcount(), 0: unmapped
 *
 * A descriptor number counts the descriptors that exist: 1024 * (place of the chunk among the chunks made,
 * from 1) + place in it. 32 bits reach 2^32 touched frames, wherever in 2^40 they lie.
 *
 * Invariants: the heads of a chunk tile it: every page is a head or lies in exactly one head's block of
 * 2^order pages, which is aligned to its size, and is none itself. Only pages of use FREE (buddy lists), PCP
 * (per-CPU lists) and whoever owns an allocated page set links. Only heads of use FREE and PCP are free.
 */
struct page {
    uint32_t word;
    uint32_t next, prev;
    int32_t refcount;
    uint32_t mapping;
    uint32_t private_;
    uint64_t index;
};
_Static_assert(sizeof(struct page) == 32, "one descriptor costs 32 bytes of host memory");

static inline bool page_is_head(const struct page *p)
{
    return p->word >> 28 != 0;
}
/* enum mmu_page_use of a head. */
static inline unsigned page_use(const struct page *p)
{
    return (p->word >> 28) - 1;
}
static inline unsigned page_order(const struct page *p)
{
    return p->word >> 24 & 15;
}
/* Migrate type of the list; only those that have per-CPU lists and HIGHATOMIC are stored. */
static inline unsigned page_type(const struct page *p)
{
    return p->word >> 22 & 3;
}
static inline uint32_t page_flags(const struct page *p)
{
    return p->word & ((1u << MMU_PAGE_FLAGS) - 1);
}
/* Makes a head of no flags. */
static inline void page_set_head(struct page *p, unsigned use, unsigned order, unsigned type)
{
    p->word = (use + 1) << 28 | order << 24 | type << 22;
}
static inline void page_set_flags(struct page *p, uint32_t flags)
{
    p->word |= flags;
}
static inline void page_clear_flags(struct page *p, uint32_t flags)
{
    p->word &= ~flags;
}
static inline uint32_t page_mapcount(const struct page *p)
{
    return (uint32_t)(p->index >> 44);
}
static inline void page_set_mapcount(struct page *p, uint32_t n)
{
    REQUIRE(n <= PAGE_MAPCOUNT_MAX);
    p->index = (p->index & (BIT(44) - 1)) | (uint64_t)n << 44;
}
static inline uint64_t page_index(const struct page *p)
{
    return p->index & (BIT(44) - 1);
}
static inline void page_set_index(struct page *p, uint64_t index)
{
    REQUIRE(index < BIT(44));
    p->index = (p->index & ~(BIT(44) - 1)) | index;
}

/* A chunk whose descriptors exist. */
struct page_chunk {
    struct page *page; /* 1024 */
    uint32_t number;   /* of the chunk: first frame / 1024 */
    uint8_t zone;      /* enum mmu_os_zone of all of its frames, or MMU_ZONES: they differ */
    uint8_t type[2];   /* migrate type of its pageblocks; with pageblocks of 1024 pages [0] only */
};

_Static_assert(sizeof(struct page_chunk) == 16, "a shift finds it");

/* Invariants: leaf[] finds chunk c at slot n != 0 exactly if chunk[n].number is c. */
struct pages {
    struct page_chunk *chunk; /* [0] is not used */
    uint32_t chunks, room;
    uint32_t **leaf; /* slot by chunk number, in leaves of PAGES_LEAF; NULL, 0: does not exist */
    size_t leaves;
    struct page_arena *arena; /* host memory of the descriptors */
    uint64_t host_bytes;
};
enum { PAGES_LEAF = 4096 };

int pages_init(struct mmu_os *os); /* MMU_OK or MMU_ERR_NOMEM */
void pages_destroy(struct mmu_os *os);
void pages_check(const struct mmu_os *os);

static inline mmu_pfn chunk_first(const struct page_chunk *c)
{
    return (mmu_pfn)c->number << CHUNK_ORDER;
}
/* Descriptor number -> descriptor, frame. */
static inline struct page *page_at(const struct pages *p, uint32_t id)
{
    return &p->chunk[id >> CHUNK_ORDER].page[id & (CHUNK_PAGES - 1)];
}
static inline mmu_pfn page_pfn(const struct pages *p, uint32_t id)
{
    return (mmu_pfn)p->chunk[id >> CHUNK_ORDER].number << CHUNK_ORDER | (id & (CHUNK_PAGES - 1));
}
/* Frame -> descriptor number; 0: has none yet. Any frame. */
static inline uint32_t page_id(const struct pages *p, mmu_pfn pfn)
{
    uint64_t c = pfn >> CHUNK_ORDER;
    if (UNLIKELY(c / PAGES_LEAF >= p->leaves) || !p->leaf[c / PAGES_LEAF])
        return 0;
    uint32_t slot = p->leaf[c / PAGES_LEAF][c % PAGES_LEAF];
    return slot ? slot << CHUNK_ORDER | (uint32_t)(pfn & (CHUNK_PAGES - 1)) : 0;
}

/* The descriptor of a frame below max_pfn: made, with its chunk's, if need be; NULL: host memory. */
struct page *page_of(struct mmu_os *os, mmu_pfn pfn);
/* The same, NULL when it does not exist yet. */
static inline struct page *page_peek(const struct mmu_os *os, mmu_pfn pfn)
{
    uint32_t id = page_id(os->pages, pfn);
    return id ? page_at(os->pages, id) : NULL;
}
/* First frame of the block (free or allocated) that a frame lies in; its own for a frame alone. Of frames
 * whose descriptors exist. */
mmu_pfn page_head(const struct mmu_os *os, mmu_pfn pfn);
/* Migrate type of a frame's pageblock (get_pageblock_migratetype()). */
unsigned page_block_type(const struct mmu_os *os, mmu_pfn pfn);
/* What a frame is, whether or not its descriptor exists: enum mmu_page_use. */
unsigned page_use_of(const struct mmu_os *os, mmu_pfn pfn);

#endif
