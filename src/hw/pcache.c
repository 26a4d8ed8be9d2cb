/* pcache.c: the caches that page-table reads go through. See pcache.h. */
#include "pcache.h"
#include "big.h"

enum { ADDRESS_BITS = 52 }; /* of a physical address, at most */

static int init_level(struct pcache_level *l, const struct mmu_cache_config *from, bool overlaps,
                      struct repl_context *context)
{
    uint64_t lines = from->size / from->line;
    l->ways = from->ways;
    l->sets = (uint32_t)(lines / from->ways);
    l->shift = (uint32_t)__builtin_ctz(l->sets);
    l->odd = l->sets >> l->shift;
    l->inverse = l->odd == 1 ? 0 : UINT64_MAX / l->odd + 1;
    l->stride = l->ways <= 8 ? 8 : (l->ways + 15) / 16 * 16;
    l->latency = from->latency;
    l->free = lines;
    size_t tags = (size_t)l->sets * l->stride;
    l->tag = big_calloc(tags, sizeof *l->tag);
    bool digits = (BIT(ADDRESS_BITS) / from->line - 1) / l->sets >= UINT32_MAX; /* small caches */
    l->high = calloc(digits ? tags : 1, sizeof *l->high);
    l->ready = big_calloc(overlaps ? tags : 1, sizeof *l->ready);
    if (!l->tag || !l->high || !l->ready)
        return MMU_ERR_NOMEM;
    return repl_init(&l->repl, from->policy, l->sets, l->ways, context);
}

int pcache_init(struct pcache *c, const struct mmu_memory_config *config, bool overlaps,
                struct repl_context *context)
{
    *c = (struct pcache){.config = config, .overlaps = overlaps};
    struct repl_context packed = *context;
    int status = MMU_OK;
    packed.packed = true;
    /* shared data accesses need the caches even when page-table reads have a fixed price */
    if (config->reads == MMU_READS_CACHED || config->data == MMU_DATA_SHARED)
        c->levels = config->caches;
    for (unsigned l = 0; l < c->levels && status == MMU_OK; l++) {
        c->line_shift = log2_floor(config->cache[l].line);
        status = init_level(&c->level[l], &config->cache[l], overlaps, &packed);
    }
    context->stream = packed.stream;
    return status;
}

void pcache_destroy(struct pcache *c)
{
    for (unsigned l = 0; l < c->levels; l++) {
        repl_destroy(&c->level[l].repl);
        free(c->level[l].tag);
        free(c->level[l].high);
        free(c->level[l].ready);
    }
    *c = (struct pcache){0};
}

/* Where a level keeps a line. */
struct spot {
    uint32_t set, tag;
    uint16_t high;
};

/* Division by `odd` is a multiplication while lines are below 2^(32 + shift). */
ALWAYS_INLINE struct spot spot_of(const struct pcache_level *l, uint64_t line)
{
    __extension__ typedef unsigned __int128 wide;
    uint64_t high = line >> l->shift, quotient = high;
    if (l->odd != 1)
        quotient = LIKELY(high >> 32 == 0) ? (uint64_t)((wide)high * l->inverse >> 64) : high / l->odd;
    uint32_t rest = (uint32_t)(high - quotient * l->odd);
    struct spot s = {.set = rest << l->shift | (uint32_t)(line & (BIT(l->shift) - 1)),
                     .tag = (uint32_t)quotient + 1};
    if (UNLIKELY(quotient >= UINT32_MAX)) {
        s.tag = (uint32_t)(quotient % UINT32_MAX) + 1;
        s.high = (uint16_t)(quotient / UINT32_MAX);
    }
    return s;
}

/* The way among all of a set whose high digit agrees, too. */
static COLD uint32_t find_wide(const struct pcache_level *l, const struct spot *s)
{
    size_t first = (size_t)s->set * l->stride;
    for (uint32_t w = 0; w < l->ways; w++)
        if (l->tag[first + w] == s->tag && l->high[first + w] == s->high)
            return w;
    return MATCH_NONE;
}

/* The first way whose tag it is, or MATCH_NONE. */
ALWAYS_INLINE uint32_t find(const struct pcache_level *l, const struct spot *s)
{
    const uint32_t *tag = l->tag + (size_t)s->set * l->stride;
    if (UNLIKELY(l->wide || s->high))
        return find_wide(l, s);
    unsigned mask = match_narrow8(tag, s->tag);
    if (l->stride == 8)
        return mask ? (uint32_t)__builtin_ctz(mask) : MATCH_NONE;
    for (uint32_t w = 0;;) {
        mask |= match_narrow8(tag + w + 8, s->tag) << 8;
        if (mask)
            return w + (uint32_t)__builtin_ctz(mask);
        if ((w += 16) == l->stride)
            return MATCH_NONE;
        mask = match_narrow8(tag + w, s->tag);
    }
}

static uint32_t invalid_way(const struct pcache_level *l, uint32_t set)
{
    for (uint32_t w = 0; w < l->ways; w++)
        if (l->tag[(size_t)set * l->stride + w] == 0)
            return w;
    return MATCH_NONE;
}

ALWAYS_INLINE void fill(struct pcache_level *l, const struct spot *s)
{
    uint32_t way = UNLIKELY(l->free) ? invalid_way(l, s->set) : MATCH_NONE;
    if (LIKELY(way == MATCH_NONE))
        way = repl_victim(&l->repl, s->set, ~UINT64_C(0));
    else
        l->free--;
    l->filled = (size_t)s->set * l->stride + way;
    l->tag[l->filled] = s->tag;
    l->wide |= s->high != 0;
    if (UNLIKELY(l->wide))
        l->high[l->filled] = s->high;
    repl_fill(&l->repl, s->set, way);
}

/* Looks in one level; true: it holds the line, whose reading takes *r. */
ALWAYS_INLINE bool read_level(const struct pcache *c, struct pcache_level *l, const struct spot *spot,
                              struct pcache_read *r)
{
    uint32_t way = find(l, spot);
    if (way == MATCH_NONE)
        return false;
    repl_touch(&l->repl, spot->set, way);
    r->place = MMU_PLACE_L1 + (unsigned)(l - c->level);
    r->cycles = l->latency;
    r->ready = c->overlaps ? l->ready[(size_t)spot->set * l->stride + way] : 0;
    return true;
}

/* A line that the first level lacks; `first`: where that level keeps it. */
static __attribute__((noinline)) struct pcache_read read_far(struct pcache *c, uint64_t line,
                                                             struct spot first, mmu_cycle now, bool free)
{
    struct pcache_read r = {.place = MMU_PLACE_MEMORY, .cycles = c->config->dram_latency};
    struct spot spot[MMU_MAX_CACHES] = {first};
    unsigned at = 1;
    for (; at < c->levels; at++) {
        spot[at] = spot_of(&c->level[at], line);
        if (read_level(c, &c->level[at], &spot[at], &r))
            break;
    }
    mmu_cycle begins = now > r.ready ? now : r.ready;
    for (unsigned i = 0; i < at; i++) {
        fill(&c->level[i], &spot[i]);
        if (c->overlaps)
            c->level[i].ready[c->level[i].filled] = begins + (free ? 0 : r.cycles);
    }
    return r;
}

ALWAYS_INLINE struct pcache_read read_line(struct pcache *c, mmu_pa pa, mmu_cycle now, bool free)
{
    struct pcache_read r = {.place = MMU_PLACE_MEMORY, .cycles = c->config->dram_latency};
    if (UNLIKELY(!c->levels))
        return r;
    uint64_t line = pa >> c->line_shift;
    struct spot first = spot_of(&c->level[0], line);
    return LIKELY(read_level(c, &c->level[0], &first, &r)) ? r : read_far(c, line, first, now, free);
}

struct pcache_read pcache_read(struct pcache *c, mmu_pa pa, mmu_cycle now)
{
    return read_line(c, pa, now, false);
}

struct pcache_read pcache_read_free(struct pcache *c, mmu_pa pa, mmu_cycle now)
{
    return read_line(c, pa, now, true);
}

/* Levels whose tags the host's nearest caches hold anyway are left out. */
void pcache_prefetch(const struct pcache *c, mmu_pa pa)
{
    enum { NEAR = 32 << 10 };
    uint64_t line = pa >> c->line_shift;
    for (unsigned i = 0; i < c->levels; i++) {
        const struct pcache_level *l = &c->level[i];
        if ((uint64_t)l->sets * l->stride * sizeof *l->tag <= NEAR)
            continue;
        struct spot s = spot_of(l, line);
        const uint32_t *tag = l->tag + (size_t)s.set * l->stride;
        __builtin_prefetch(tag, 1);
        if (l->stride > 16)
            __builtin_prefetch(tag + l->stride - 1, 1);
        const struct repl *r = &l->repl;
        if (r->word || r->order) {
            __builtin_prefetch((r->word ? r->word : r->order) + s.set, 1);
        } else if (r->stamp) {
            __builtin_prefetch(r->stamp + (size_t)s.set * l->ways, 1);
            __builtin_prefetch(r->stamp + (size_t)s.set * l->ways + l->ways - 1, 1);
        }
    }
}
