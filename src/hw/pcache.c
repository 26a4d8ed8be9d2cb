/* pcache.c: the caches that page-table reads go through. See pcache.h. */
#include "pcache.h"
#include "big.h"

int pcache_init(struct pcache *c, const struct mmu_memory_config *config, bool overlaps,
                struct repl_context *context)
{
    *c = (struct pcache){.config = config, .overlaps = overlaps};
    /* shared data accesses need the caches even when page-table reads have a fixed price */
    if (config->reads == MMU_READS_CACHED || config->data == MMU_DATA_SHARED)
        c->levels = config->caches;
    for (unsigned l = 0; l < c->levels; l++) {
        const struct mmu_cache_config *from = &config->cache[l];
        struct pcache_level *to = &c->level[l];
        uint64_t lines = from->size / from->line;
        to->ways = from->ways;
        to->sets = (uint32_t)(lines / from->ways);
        to->shift = (uint32_t)__builtin_ctz(to->sets);
        to->odd = to->sets >> to->shift;
        to->latency = from->latency;
        to->free = lines;
        c->line_shift = log2_floor(from->line);
        to->line = big_calloc(lines, sizeof *to->line);
        to->ready = big_calloc(overlaps ? lines : 1, sizeof *to->ready);
        if (!to->line || !to->ready ||
            repl_init(&to->repl, from->policy, to->sets, to->ways, context) != MMU_OK)
            return MMU_ERR_NOMEM;
    }
    return MMU_OK;
}

void pcache_destroy(struct pcache *c)
{
    for (unsigned l = 0; l < c->levels; l++) {
        repl_destroy(&c->level[l].repl);
        free(c->level[l].line);
        free(c->level[l].ready);
    }
    *c = (struct pcache){0};
}

/* line mod sets, where sets = odd << shift: the division is by the odd part alone, and short while lines are
 * below 2^(32 + shift). */
static inline uint32_t set_of(const struct pcache_level *l, uint64_t line)
{
    uint64_t high = line >> l->shift;
    uint64_t rest = l->odd == 1 ? 0 : LIKELY(high >> 32 == 0) ? (uint32_t)high % l->odd : high % l->odd;
    return (uint32_t)(rest << l->shift | (line & (BIT(l->shift) - 1)));
}

static void fill(struct pcache_level *l, uint32_t set, uint64_t line)
{
    size_t first = (size_t)set * l->ways;
    uint32_t way = UNLIKELY(l->free) ? match_ways(l->line + first, l->ways, 0) : MATCH_NONE;
    if (LIKELY(way == MATCH_NONE))
        way = repl_victim(&l->repl, set, ~UINT64_C(0));
    else
        l->free--;
    l->line[first + way] = line + 1;
    l->filled = first + way;
    repl_fill(&l->repl, set, way);
}

ALWAYS_INLINE struct pcache_read read_line(struct pcache *c, mmu_pa pa, mmu_cycle now, bool free)
{
    uint64_t line = pa >> c->line_shift;
    struct pcache_read r = {.place = MMU_PLACE_MEMORY, .cycles = c->config->dram_latency};
    uint32_t set[MMU_MAX_CACHES];
    unsigned at = 0;
    for (; at < c->levels; at++) {
        struct pcache_level *l = &c->level[at];
        set[at] = set_of(l, line);
        uint32_t way = match_ways(l->line + (size_t)set[at] * l->ways, l->ways, line + 1);
        if (way == MATCH_NONE)
            continue;
        repl_touch(&l->repl, set[at], way);
        r.place = MMU_PLACE_L1 + at;
        r.cycles = l->latency;
        r.ready = c->overlaps ? l->ready[(size_t)set[at] * l->ways + way] : 0;
        break;
    }
    mmu_cycle begins = now > r.ready ? now : r.ready;
    for (unsigned i = 0; i < at; i++) {
        fill(&c->level[i], set[i], line);
        if (c->overlaps)
            c->level[i].ready[c->level[i].filled] = begins + (free ? 0 : r.cycles);
    }
    return r;
}

struct pcache_read pcache_read(struct pcache *c, mmu_pa pa, mmu_cycle now)
{
    return read_line(c, pa, now, false);
}

struct pcache_read pcache_read_free(struct pcache *c, mmu_pa pa, mmu_cycle now)
{
    return read_line(c, pa, now, true);
}

void pcache_prefetch(const struct pcache *c, mmu_pa pa)
{
    uint64_t line = pa >> c->line_shift;
    for (unsigned i = 0; i < c->levels; i++) {
        const struct pcache_level *l = &c->level[i];
        size_t first = (size_t)set_of(l, line) * l->ways, last = first + l->ways - 1;
        __builtin_prefetch(l->line + first, 1);
        __builtin_prefetch(l->line + last, 1);
        if (l->repl.stamp) {
            __builtin_prefetch(l->repl.stamp + first, 1);
            __builtin_prefetch(l->repl.stamp + last, 1);
        } else if (l->repl.word) {
            __builtin_prefetch(l->repl.word + first / l->ways, 1);
        }
    }
}
