/*
 * stats.c: statistics as values: names of the parts of time, percentiles, differences and sums.
 *
 * Counting happens where things happen (src/hw, machine.c). Every counter by name: stats_each.c; that they
 * add up: stats_check.c.
 */
#include "bits.h"
#include "histogram.h"
#include <mmusim/stats.h>

static const char *const PART_NAME[MMU_PARTS] = {
    [MMU_PART_FIRST] = "first",
    [MMU_PART_SECOND] = "second",
    [MMU_PART_THIRD] = "third",
    [MMU_PART_FOURTH] = "fourth",
    [MMU_PART_WAIT] = "wait",
    [MMU_PART_START] = "start",
    [MMU_PART_PSC] = "psc",
    [MMU_PART_AD] = "ad",
    [MMU_PART_MERGE] = "merge",
    [MMU_PART_FAULT] = "fault",
    [MMU_PART_BARRIER] = "barrier",
    [MMU_PART_DATA] = "data",
#define READ(level, name, PLACE, place)                                                                      \
    [MMU_PART_READ + (level)*MMU_PLACES + MMU_PLACE_##PLACE] = "read." name "." place
#define READS(level, name)                                                                                   \
    READ(level, name, FIXED, "fixed"), READ(level, name, L1, "l1"), READ(level, name, L2, "l2"),             \
        READ(level, name, L3, "l3"), READ(level, name, L4, "l4"), READ(level, name, MEMORY, "memory")
    READS(0, "pte"),
    READS(1, "pde"),
    READS(2, "pdpte"),
    READS(3, "pml4e"),
    READS(4, "pml5e"),
#undef READS
#undef READ
};

static const char *const PART_TEXT[MMU_PARTS] = {
#define MMU_X(name, text) [MMU_PART_##name] = text,
    MMU_PARTS_BEFORE_READ(MMU_X) MMU_PARTS_AFTER_READ(MMU_X)
#undef MMU_X
#define READ(level, name, PLACE, where)                                                                      \
    [MMU_PART_READ + (level)*MMU_PLACES + MMU_PLACE_##PLACE] = name " read, " where
#define READS(level, name)                                                                                   \
    READ(level, name, FIXED, "fixed latency"), READ(level, name, L1, "hit in L1"),                           \
        READ(level, name, L2, "hit in L2"), READ(level, name, L3, "hit in L3"),                              \
        READ(level, name, L4, "hit in L4"), READ(level, name, MEMORY, "from memory")
        READS(0, "PTE"),
    READS(1, "PDE"),
    READS(2, "PDPTE"),
    READS(3, "PML4E"),
    READS(4, "PML5E"),
#undef READS
#undef READ
};

const char *mmu_part_name(enum mmu_part part)
{
    return (unsigned)part < MMU_PARTS ? PART_NAME[part] : "unknown";
}

const char *mmu_part_text(enum mmu_part part)
{
    return (unsigned)part < MMU_PARTS ? PART_TEXT[part] : "unknown part";
}

bool mmu_stats_classified(const struct mmu_stats *stats)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < MMU_MAX_TLBS; i++)
        for (unsigned kind = 0; kind < MMU_KINDS; kind++)
            any |=
                stats->tlb[i].compulsory[kind] | stats->tlb[i].capacity[kind] | stats->tlb[i].conflict[kind];
    return any;
}

bool mmu_part_is_translation(enum mmu_part part)
{
    return part != MMU_PART_DATA && part != MMU_PART_FAULT && part != MMU_PART_BARRIER;
}

/* The least rank r with r >= percent of count, at least 1: what "nearest rank" means. */
static uint64_t nearest_rank(uint64_t count, double percent)
{
    if (percent >= 100.0)
        return count;
    double exact = percent * (double)count / 100.0;
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact)
        rank++;
    if (rank < 1)
        rank = 1;
    return rank < count ? rank : count;
}

uint64_t mmu_histogram_percentile(const struct mmu_histogram *h, double percent)
{
    REQUIRE(percent > 0.0 && percent <= 100.0);
    if (!h->count)
        return 0;
    uint64_t rank = nearest_rank(h->count, percent);
    uint64_t seen = 0;
    for (unsigned v = 0; v < MMU_HISTOGRAM_EXACT; v++) {
        seen += h->bin[v];
        if (seen >= rank)
            return v;
    }
    for (unsigned bin = 0; bin < MMU_HISTOGRAM_FAR; bin++) {
        seen += h->far_bin[bin];
        if (seen >= rank) {
            uint64_t value = histogram_far_value(bin);
            return value < h->max ? value : h->max; /* nothing counted is greater than max */
        }
    }
    return h->max;
}

/* struct mmu_stats is uint64_t throughout, so that both operations are one loop; what is no sum is repaired
 * behind it. */
enum { WORDS = sizeof(struct mmu_stats) / sizeof(uint64_t) };
_Static_assert(sizeof(struct mmu_stats) == WORDS * sizeof(uint64_t), "nothing but counters");

void mmu_stats_difference(struct mmu_stats *out, const struct mmu_stats *later,
                          const struct mmu_stats *earlier)
{
    uint64_t max = later->walk_latency.max;
    const uint64_t *a = (const uint64_t *)later;
    const uint64_t *b = (const uint64_t *)earlier;
    uint64_t *to = (uint64_t *)out;
    for (size_t i = 0; i < WORDS; i++)
        to[i] = a[i] - b[i];
    out->walk_latency.max = max;
}

void mmu_stats_add(struct mmu_stats *out, const struct mmu_stats *more)
{
    uint64_t max =
        out->walk_latency.max > more->walk_latency.max ? out->walk_latency.max : more->walk_latency.max;
    const uint64_t *from = (const uint64_t *)more;
    uint64_t *to = (uint64_t *)out;
    for (size_t i = 0; i < WORDS; i++)
        to[i] += from[i];
    out->walk_latency.max = max;
}
