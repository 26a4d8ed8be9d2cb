/*
 * view_zones.c: zoneinfo, buddyinfo, pagetypeinfo, the unusable-free index: Linux's words, order and spacing.
 *
 * Lines about what the model has not are left out: statistics of the node and of its LRU lists, NUMA, CMA.
 */
#include "buddy.h"
#include "plan.h"
#include "view.h"

#include <inttypes.h>

static const char *const type_name[MMU_OS_MIGRATE_TYPES] = {"Unmovable", "Movable", "Reclaimable",
                                                            "HighAtomic", "Isolate"};

/* calculate_normal_threshold(): how far a CPU's counters may run away. */
static uint64_t stat_threshold(uint64_t managed, uint32_t cpus)
{
    uint64_t mem = managed >> 15; /* in units of 128 MiB */
    uint64_t bits = mem ? log2_floor(mem) + 1 : 0;
    uint64_t threshold = 2 * (log2_floor(cpus) + 1) * (1 + bits);
    return threshold < 125 ? threshold : 125;
}

static void say_protection(const struct mmu_os *os, struct view *v, const struct mmu_os_zone_info *z)
{
    const char *before = "\n        protection: (";
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        if (!os->plan->zones.zone[i].exists)
            continue;
        view_say(v, "%s%" PRIu64, before, z->protection[i]);
        before = ", ";
    }
    view_say(v, ")\n");
}

static void say_pagesets(const struct mmu_os *os, struct view *v, const struct mmu_os_zone_info *z)
{
    const uint32_t cpus = os->plan->zones.cpus;
    view_say(v, "  pagesets");
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        uint64_t count = cpu < os->cores ? buddy_pcp_count(os, z->zone, cpu) : 0; /* online, but idle */
        view_say(v,
                 "\n    cpu: %" PRIu32 "\n              count: %" PRIu64 "\n              high:  %" PRIu32
                 "\n              batch: %" PRIu32 "\n  vm stats threshold: %" PRIu64,
                 cpu, count, z->pcp_high, z->pcp_batch, stat_threshold(z->managed, cpus));
    }
    view_say(v, "\n  start_pfn:           %" PRIu64 "\n", z->start_pfn);
}

void view_zoneinfo(const struct mmu_os *os, struct view *v)
{
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        struct mmu_os_zone_info z;
        mmu_os_zone(os, i, &z);
        if (!z.exists)
            continue;
        view_say(v, "Node 0, zone %8s", mmu_os_zone_name(i));
        view_say(v,
                 "\n  pages free     %" PRIu64 "\n        boost    %" PRIu64 "\n        min      %" PRIu64
                 "\n        low      %" PRIu64 "\n        high     %" PRIu64 "\n        spanned  %" PRIu64
                 "\n        present  %" PRIu64 "\n        managed  %" PRIu64,
                 z.free, z.boost, z.min, z.low, z.high, z.spanned, z.present, z.managed);
        say_protection(os, v, &z);
        if (!z.present)
            continue;
        view_say(v, "      nr_free_pages %" PRIu64 "\n", z.free);
        say_pagesets(os, v, &z);
    }
}

/* Calls each() for the populated zones, behind "Node 0, zone  NAME ". */
static void each_zone(const struct mmu_os *os, struct view *v,
                      void (*each)(const struct mmu_os *os, struct view *v, const struct mmu_os_zone_info *z))
{
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        struct mmu_os_zone_info z;
        mmu_os_zone(os, i, &z);
        if (!z.present)
            continue;
        view_say(v, "Node 0, zone %8s ", mmu_os_zone_name(i));
        each(os, v, &z);
        view_say(v, "\n");
    }
}

static void say_blocks(const struct mmu_os *os, struct view *v, const struct mmu_os_zone_info *z)
{
    (void)os;
    for (unsigned order = 0; order < MMU_OS_ORDERS; order++)
        view_say(v, "%6" PRIu64 " ", z->free_blocks[order]);
}

void view_buddyinfo(const struct mmu_os *os, struct view *v)
{
    each_zone(os, v, say_blocks);
}

static void say_index(const struct mmu_os *os, struct view *v, const struct mmu_os_zone_info *z)
{
    for (unsigned order = 0; order < MMU_OS_ORDERS; order++) {
        uint32_t index = mmu_os_unusable_index(os, z->zone, order);
        view_say(v, "%" PRIu32 ".%03" PRIu32 " ", index / 1000, index % 1000);
    }
}

void view_unusable(const struct mmu_os *os, struct view *v)
{
    each_zone(os, v, say_index);
}

static void say_pageblocks(const struct mmu_os *os, struct view *v, const struct mmu_os_zone_info *z)
{
    (void)os;
    for (unsigned type = 0; type < MMU_OS_MIGRATE_TYPES; type++)
        view_say(v, "%12" PRIu64 " ", z->pageblocks[type]);
}

static void say_types(struct view *v, const struct mmu_os_zone_info *z)
{
    for (unsigned type = 0; type < MMU_OS_MIGRATE_TYPES; type++) {
        view_say(v, "Node %4d, zone %8s, type %12s ", 0, mmu_os_zone_name(z->zone), type_name[type]);
        for (unsigned order = 0; order < MMU_OS_ORDERS; order++) {
            uint64_t n = z->free_by_type[order][type];
            view_say(v, "%s%6" PRIu64 " ", n >= 100000 ? ">" : "", n < 100000 ? n : 100000);
        }
        view_say(v, "\n");
    }
}

void view_pagetypeinfo(const struct mmu_os *os, struct view *v)
{
    const uint64_t pages = os->plan->zones.pageblock_pages;
    view_say(v, "Page block order: %u\nPages per block:  %" PRIu64 "\n\n", log2_floor(pages), pages);
    view_say(v, "%-43s ", "Free pages count per migrate type at order");
    for (unsigned order = 0; order < MMU_OS_ORDERS; order++)
        view_say(v, "%6u ", order);
    view_say(v, "\n");
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        struct mmu_os_zone_info z;
        mmu_os_zone(os, i, &z);
        if (z.present)
            say_types(v, &z);
    }
    view_say(v, "\n%-23s", "Number of blocks type ");
    for (unsigned type = 0; type < MMU_OS_MIGRATE_TYPES; type++)
        view_say(v, "%12s ", type_name[type]);
    view_say(v, "\n");
    each_zone(os, v, say_pageblocks);
}
