/* pcache.c: the caches that page-table reads go through. See pcache.h. */
#include "pcache.h"

int pcache_init(struct pcache *c, const struct mmu_memory_config *config, bool overlaps, struct repl_context *context)
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
        to->latency = from->latency;
        to->free = lines;
        c->line_shift = log2_floor(from->line);
        to->line = calloc(lines, sizeof *to->line);
        to->ready = calloc(overlaps ? lines : 1, sizeof *to->ready);
        if (!to->line || !to->ready || repl_init(&to->repl, from->policy, to->sets, to->ways, context) != MMU_OK)
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

static uint32_t set_of(const struct pcache_level *l, uint64_t line)
{
    return is_power_of_two(l->sets) ? (uint32_t)line & (l->sets - 1) : (uint32_t)(line % l->sets);
}

static uint32_t find(const struct pcache_level *l, uint32_t set, uint64_t line)
{
    return match_ways(l->line + (size_t)set * l->ways, l->ways, line + 1);
}

static void fill(struct pcache_level *l, uint64_t line, bool overlaps, mmu_cycle ready)
{
    uint32_t set = set_of(l, line), way = l->free ? match_ways(l->line + (size_t)set * l->ways, l->ways, 0) : MATCH_NONE;
    if (way == MATCH_NONE)
        way = repl_victim(&l->repl, set, ~UINT64_C(0));
    else
        l->free--;
    l->line[(size_t)set * l->ways + way] = line + 1;
    if (overlaps)
        l->ready[(size_t)set * l->ways + way] = ready;
    repl_fill(&l->repl, set, way);
}

struct pcache_read pcache_read(struct pcache *c, mmu_pa pa, mmu_cycle now)
{
    uint64_t line = pa >> c->line_shift;
    struct pcache_read r = {.place = MMU_PLACE_MEMORY, .cycles = c->config->dram_latency};
    unsigned at = 0;
    for (; at < c->levels; at++) {
        struct pcache_level *l = &c->level[at];
        uint32_t set = set_of(l, line), way = find(l, set, line);
        if (way == UINT32_MAX)
            continue;
        repl_touch(&l->repl, set, way);
        r.place = MMU_PLACE_L1 + at;
        r.cycles = l->latency;
        r.ready = c->overlaps ? l->ready[(size_t)set * l->ways + way] : 0;
        break;
    }
    mmu_cycle begins = now > r.ready ? now : r.ready;
    for (unsigned i = 0; i < at; i++)
        fill(&c->level[i], line, c->overlaps, begins + r.cycles);
    return r;
}

void pcache_prefetch(const struct pcache *c, mmu_pa pa)
{
    uint64_t line = pa >> c->line_shift;
    for (unsigned i = 0; i < c->levels; i++) {
        const struct pcache_level *l = &c->level[i];
        const uint64_t *at = l->line + (size_t)set_of(l, line) * l->ways;
        __builtin_prefetch(at);
        __builtin_prefetch(at + l->ways - 1);
        if (l->repl.stamp)
            __builtin_prefetch(l->repl.stamp + (size_t)set_of(l, line) * l->ways);
    }
}
