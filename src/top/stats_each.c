/*
 * stats_each.c: every counter of a core by its name, driven by the X-macros of <mmusim/stats.h>.
 *
 * A path is the group, the counter, and the element's labels, joined by dots. Paths are stable: a counter
 * keeps its path for good, on every machine that has it. What a machine cannot count (a level, a structure, a
 * cache, a kind of access that a structure does not serve) is left out.
 */
#include <mmusim/stats.h>
#include <stdio.h>

/* Which enum names a counter's elements: the third column of the X-macros. By kind and privilege: kind +
 * MMU_KINDS * privilege; by kind and page size: page + MMU_PAGES * kind. */
enum labels {
    LABELS_none,
    LABELS_kind,
    LABELS_page,
    LABELS_cause,
    LABELS_place,
    LABELS_kind_priv,
    LABELS_kind_page,
    LABELS_part
};

static const char *const KIND[MMU_KINDS] = {"fetch", "load", "store"};
static const char *const PRIV[MMU_PRIVS] = {"user", "supervisor", "implicit"};
static const char *const PAGE[MMU_PAGES] = {"4k", "2m", "4m", "1g"};
static const char *const CAUSE[] = {"invlpg", "invpcid",    "mov_cr3", "control",
                                    "fault",  "pcid_limit", "rewalk"};
static const char *const WALK_LEVEL[MMU_WALK_LEVELS] = {"pte", "pde", "pdpte", "pml4e", "pml5e"};
static const char *const PLACE[MMU_PLACES] = {"fixed", "l1", "l2", "l3", "l4", "memory"};
static const char *const PSC[MMU_PSC_LEVELS] = {"pde", "pdpte", "pml4e", "pml5e"};

/* One counter of a group: n elements from offset on. */
struct row {
    const char *name, *unit, *definition;
    size_t offset, n;
    enum labels labels;
};

#define ROW(type, name_, labels_, unit_, text)                                                               \
    {.name = #name_,                                                                                         \
     .unit = (unit_),                                                                                        \
     .definition = (text),                                                                                   \
     .offset = offsetof(struct type, name_) / sizeof(uint64_t),                                              \
     .n = sizeof(((struct type *)0)->name_) / sizeof(uint64_t),                                              \
     .labels = LABELS_##labels_},

#define MMU_X(name, count, labels, unit, text) ROW(mmu_run_stats, name, labels, unit, text)
static const struct row RUN[] = {MMU_RUN_COUNTERS(MMU_X)};
#undef MMU_X
#define MMU_X(name, count, labels, unit, text) ROW(mmu_level_stats, name, labels, unit, text)
static const struct row LEVEL[] = {MMU_LEVEL_COUNTERS(MMU_X)};
#undef MMU_X
#define MMU_X(name, count, labels, unit, text) ROW(mmu_tlb_stats, name, labels, unit, text)
static const struct row TLB[] = {MMU_TLB_COUNTERS(MMU_X)};
static const struct row CLASSES[] = {MMU_TLB_CLASSES(MMU_X)};
#undef MMU_X
#define MMU_X(name, count, labels, unit, text) ROW(mmu_psc_stats, name, labels, unit, text)
static const struct row PSC_ROWS[] = {MMU_PSC_COUNTERS(MMU_X)};
#undef MMU_X
#define MMU_X(name, count, labels, unit, text) ROW(mmu_walk_stats, name, labels, unit, text)
static const struct row WALK[] = {MMU_WALK_COUNTERS(MMU_X)};
#undef MMU_X
#define MMU_X(name, count, labels, unit, text) ROW(mmu_cycle_stats, name, labels, unit, text)
static const struct row CYCLES[] = {MMU_CYCLE_COUNTERS(MMU_X)};
#undef MMU_X
#define N(table) (sizeof(table) / sizeof *(table))

/* The caller's function, and what of the labels this machine has. */
struct visit {
    void (*each)(void *ctx, const struct mmu_counter *counter);
    void *ctx;
    const struct mmu_config *config;
    uint32_t kinds, pages; /* bit sets: what the present group can count */
};

static void emit(const struct visit *visit, const char *path, const char *unit, const char *definition,
                 uint64_t value)
{
    struct mmu_counter counter = {.path = path, .unit = unit, .definition = definition, .value = value};
    visit->each(visit->ctx, &counter);
}

static bool has_place(const struct mmu_config *config, unsigned place)
{
    if (config->memory.reads == MMU_READS_FIXED)
        return place == MMU_PLACE_FIXED;
    return place == MMU_PLACE_MEMORY ||
           (place != MMU_PLACE_FIXED && place - MMU_PLACE_L1 < config->memory.caches);
}

static bool has_walk_level(const struct mmu_config *config, unsigned level)
{
    const bool has[MMU_WALK_LEVELS] = {true, true, config->cpu.long_mode || config->cpu.pae,
                                       config->cpu.long_mode, config->cpu.la57};
    return has[level];
}

static bool has_part(const struct mmu_config *config, unsigned part)
{
    if (part >= MMU_PART_READ && part <= MMU_PART_READ_LAST) {
        unsigned read = part - MMU_PART_READ;
        return has_walk_level(config, read / MMU_PLACES) && has_place(config, read % MMU_PLACES);
    }
    if (part <= MMU_PART_FOURTH)
        return part - MMU_PART_FIRST < config->levels;
    return true;
}

static bool has_psc(const struct mmu_config *config, unsigned level)
{
    const struct mmu_psc_config *psc = &config->psc;
    if (psc->unified)
        return psc->array[0].entries && (psc->levels >> level & 1);
    return psc->array[level].entries;
}

/* Element i's labels, as ".load.user"; NULL when this machine has no such element. */
static const char *element(const struct visit *visit, enum labels labels, unsigned i, char *buf, size_t size)
{
    const char *one = NULL;
    switch (labels) {
    case LABELS_none:
        return "";
    case LABELS_kind:
        one = visit->kinds >> i & 1 ? KIND[i] : NULL;
        break;
    case LABELS_page:
        one = visit->pages >> i & 1 ? PAGE[i] : NULL;
        break;
    case LABELS_cause:
        one = CAUSE[i];
        break;
    case LABELS_place:
        one = has_place(visit->config, i) ? PLACE[i] : NULL;
        break;
    case LABELS_part:
        one = has_part(visit->config, i) ? mmu_part_name((enum mmu_part)i) : NULL;
        break;
    case LABELS_kind_priv:
        snprintf(buf, size, ".%s.%s", KIND[i % MMU_KINDS], PRIV[i / MMU_KINDS]);
        return buf;
    case LABELS_kind_page:
        snprintf(buf, size, ".%s.%s", KIND[i / MMU_PAGES], PAGE[i % MMU_PAGES]);
        return visit->pages >> i % MMU_PAGES & 1 ? buf : NULL;
    }
    if (one)
        snprintf(buf, size, ".%s", one);
    return one ? buf : NULL;
}

static void visit_group(const struct visit *visit, const char *group, const struct row *rows, size_t n,
                        const void *stats)
{
    const uint64_t *words = stats;
    for (const struct row *row = rows; row < rows + n; row++)
        for (unsigned i = 0; i < row->n; i++) {
            char label[64], path[256];
            const char *of = element(visit, row->labels, i, label, sizeof label);
            if (!of)
                continue;
            snprintf(path, sizeof path, "%s.%s%s", group, row->name, of);
            emit(visit, path, row->unit, row->definition, words[row->offset + i]);
        }
}

static void visit_structures(struct visit *visit, const struct mmu_stats *stats)
{
    const struct mmu_config *config = visit->config;
    const struct visit all = *visit;
    bool classified = mmu_stats_classified(stats);
    char group[128];
    for (uint32_t i = 0; i < config->levels; i++) {
        snprintf(group, sizeof group, "level.%u", i + 1);
        visit_group(visit, group, LEVEL, N(LEVEL), &stats->level[i]);
    }
    for (uint32_t i = 0; i < config->tlbs; i++) {
        visit->kinds = config->tlb[i].kinds;
        visit->pages = config->tlb[i].pages;
        snprintf(group, sizeof group, "tlb.%.*s", MMU_NAME, config->tlb[i].name);
        visit_group(visit, group, TLB, N(TLB), &stats->tlb[i]);
        if (classified)
            visit_group(visit, group, CLASSES, N(CLASSES), &stats->tlb[i]);
    }
    *visit = all;
    for (unsigned i = 0; i < MMU_PSC_LEVELS; i++)
        if (has_psc(config, i)) {
            snprintf(group, sizeof group, "psc.%s", PSC[i]);
            visit_group(visit, group, PSC_ROWS, N(PSC_ROWS), &stats->psc[i]);
        }
}

static void visit_reads(const struct visit *visit, const struct mmu_stats *stats)
{
    for (unsigned level = 0; level < MMU_WALK_LEVELS; level++)
        for (unsigned place = 0; place < MMU_PLACES; place++) {
            if (!has_walk_level(visit->config, level) || !has_place(visit->config, place))
                continue;
            char path[64];
            snprintf(path, sizeof path, "reads.%s.%s", WALK_LEVEL[level], PLACE[place]);
            emit(visit, path, "reads", "paging-structure entries read, by level and by where they hit",
                 stats->reads[level][place]);
        }
}

/* Page sizes that some paging mode of this processor has. */
static uint32_t pages_of(const struct mmu_cpu *cpu)
{
    return 1u << MMU_4K | (uint32_t)(cpu->pae || cpu->long_mode) << MMU_2M | (uint32_t)cpu->pse << MMU_4M |
           (uint32_t)(cpu->long_mode && cpu->page1g) << MMU_1G;
}

void mmu_stats_each(const struct mmu_stats *stats, const struct mmu_config *config,
                    void (*each)(void *ctx, const struct mmu_counter *counter), void *ctx)
{
    struct visit visit = {.each = each,
                          .ctx = ctx,
                          .config = config,
                          .kinds = (1u << MMU_KINDS) - 1,
                          .pages = pages_of(&config->cpu)};
    const struct mmu_histogram *latency = &stats->walk_latency;
    visit_group(&visit, "run", RUN, N(RUN), &stats->run);
    visit_structures(&visit, stats);
    visit_group(&visit, "walk", WALK, N(WALK), &stats->walk);
    visit_reads(&visit, stats);
    emit(&visit, "walk_latency.count", "walks", "walks whose service time was counted", latency->count);
    emit(&visit, "walk_latency.sum", "cycles", "sum of the walks' service times", latency->sum);
    emit(&visit, "walk_latency.max", "cycles", "longest service time of a walk since the core's creation",
         latency->max);
    visit_group(&visit, "cycles", CYCLES, N(CYCLES), &stats->cycles);
}
