/*
 * mmusim/stats.h: every number a core counts, each with its definition.
 *
 * struct mmu_stats is an open value made of uint64_t only, so that a region of interest is the difference of
 * two snapshots. Each group of counters stands in one X-macro, which yields the struct members, the JSON and
 * the CSV: X(name, count, labels, unit, definition), where count is the number of elements and labels the
 * enum that names them. (A + before an enumerator makes it an int: C++20 multiplies no two enums.)
 *
 * Identities that hold in every snapshot and in every difference (mmu_stats_check() executes them):
 *   - a level's accesses = the hits of its structures + its misses, for each kind;
 *   - the misses of its structures are as many as its own, where each page size has a structure;
 *   - its misses look in the next level that serves the kind; those of the last walk, and so do dirty walks;
 *   - tlb.compulsory + capacity + conflict = misses, or less if mmu_core_classify() was off at times;
 *   - walks.started = completed + faulted; reads summed over level and place = references of all walks;
 *   - pending_kind summed over kinds = pending; active <= active_kind summed over kinds <= pending;
 *   - cycles.elapsed = issue + sum of stalled parts; charged - stalled >= 0 for translation.
 */
#ifndef MMUSIM_STATS_H
#define MMUSIM_STATS_H

#include <mmusim/config.h>
#include <mmusim/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Places that a page-table read can hit. */
enum mmu_place {
    MMU_PLACE_FIXED,
    MMU_PLACE_L1,
    MMU_PLACE_L2,
    MMU_PLACE_L3,
    MMU_PLACE_L4,
    MMU_PLACE_MEMORY,
    MMU_PLACES
};

enum { MMU_WALK_LEVELS = 5 }; /* [0] PTE, [1] PDE, [2] PDPTE, [3] PML4E, [4] PML5E */

/*
 * The parts of an access's time. X(name, text)
 * Reads have a part per level and place: MMU_PART_READ + level * MMU_PLACES + place.
 */
#define MMU_PARTS_BEFORE_READ(X)                                                                             \
    X(FIRST, "first-level look-up")                                                                          \
    X(SECOND, "second-level look-up")                                                                        \
    X(THIRD, "third-level look-up")                                                                          \
    X(FOURTH, "fourth-level look-up")                                                                        \
    X(WAIT, "wait for a walker")                                                                             \
    X(START, "walk start")                                                                                   \
    X(PSC, "paging-structure-cache probe")
#define MMU_PARTS_AFTER_READ(X)                                                                              \
    X(AD, "accessed/dirty update")                                                                           \
    X(MERGE, "wait for another's walk")                                                                      \
    X(FAULT, "fault")                                                                                        \
    X(BARRIER, "register write or invalidation")                                                             \
    X(DATA, "data")

enum mmu_part {
#define MMU_X(name, text) MMU_PART_##name,
    MMU_PARTS_BEFORE_READ(MMU_X) MMU_PART_READ,
    MMU_PART_READ_LAST = MMU_PART_READ + +MMU_WALK_LEVELS * +MMU_PLACES - 1,
    MMU_PARTS_AFTER_READ(MMU_X)
#undef MMU_X
        MMU_PARTS
};

/* A stable identifier such as "second", "read.pde.l2", and a text for people. Never NULL. */
MMU_API const char *mmu_part_name(enum mmu_part part);
MMU_API const char *mmu_part_text(enum mmu_part part);
/* True for parts that are translation: all but MMU_PART_DATA, MMU_PART_FAULT and MMU_PART_BARRIER. */
MMU_API bool mmu_part_is_translation(enum mmu_part part);

/* The ledger of one access: consecutive intervals, in time order; their sum is completed - issued. */
enum { MMU_LEDGER_SEGMENTS = 256 };
struct mmu_ledger {
    uint32_t n;
    struct {
        uint32_t part; /* enum mmu_part */
        mmu_cycle cycles;
    } segment[MMU_LEDGER_SEGMENTS];
};

/* Why entries were dropped. */
enum mmu_cause {
    MMU_BY_INVLPG,
    MMU_BY_INVPCID,
    MMU_BY_MOV_CR3,
    MMU_BY_CONTROL,
    MMU_BY_FAULT,
    MMU_BY_PCID_LIMIT,
    MMU_BY_REWALK,
    MMU_CAUSES
};

/*
 * X(name, count, labels, unit, definition)
 * Elements by two labels: kind_priv is kind + MMU_KINDS * priv, kind_page is page + MMU_PAGES * kind.
 */
#define MMU_TLB_COUNTERS(X)                                                                                  \
    X(hits, MMU_KINDS, kind, "accesses", "look-ups found here")                                              \
    X(misses, MMU_KINDS, kind, "accesses",                                                                   \
      "look-ups missed, counted at the structure that the page (as found) belongs in; faults: at the first " \
      "that serves the kind")                                                                                \
    X(hits_page, MMU_PAGES, page, "accesses", "hits by size of the entry")                                   \
    X(merged, MMU_KINDS, kind, "accesses", "hits on an entry whose walk had not finished (part of hits)")    \
    X(dirty_walks, 1, none, "accesses",                                                                      \
      "stores that hit an entry with D = 0 and walked again (part of hits)")                                 \
    X(fills, MMU_PAGES, page, "entries", "entries written by walks and by hits in the next level")           \
    X(refills, 1, none, "entries",                                                                           \
      "fills that overwrote the entry of the same tag in place (part of fills)")                             \
    X(evictions, 1, none, "entries", "valid entries replaced to make room")                                  \
    X(flushed, MMU_CAUSES, cause, "entries", "entries dropped, by cause")

/* Of each TLB structure as well: its misses by class. All 0 without mmu_core_classify(), which defines them.
 */
#define MMU_TLB_CLASSES(X)                                                                                   \
    X(compulsory, MMU_KINDS, kind, "accesses",                                                               \
      "misses that a structure without end would have too (part of misses)")                                 \
    X(capacity, MMU_KINDS, kind, "accesses",                                                                 \
      "other misses that a fully associative LRU structure of as many entries would have too (part of "      \
      "misses)")                                                                                             \
    X(conflict, MMU_KINDS, kind, "accesses",                                                                 \
      "other misses: of sets, ways or replacement policy (part of misses)")

#define MMU_LEVEL_COUNTERS(X)                                                                                \
    X(accesses, +MMU_KINDS * +MMU_PRIVS, kind_priv, "accesses",                                              \
      "translations that looked here (a page-crossing access is two)")                                       \
    X(misses, +MMU_KINDS * +MMU_PRIVS, kind_priv, "accesses", "found in no structure of this level")

#define MMU_PSC_COUNTERS(X)                                                                                  \
    X(probes, 1, none, "walks", "walks that probed")                                                         \
    X(hits, 1, none, "walks", "walks that began here: the deepest hit")                                      \
    X(fills, 1, none, "entries", "entries written")                                                          \
    X(evictions, 1, none, "entries", "valid entries replaced")                                               \
    X(flushed, MMU_CAUSES, cause, "entries", "entries dropped, by cause")

#define MMU_WALK_COUNTERS(X)                                                                                 \
    X(started, MMU_KINDS, kind, "walks", "walks begun, dirty walks and walks that fault included")           \
    X(completed, MMU_KINDS, kind, "walks", "walks that found a translation that permits the access")         \
    X(faulted, MMU_KINDS, kind, "walks", "walks that ended in a fault")                                      \
    X(completed_page, MMU_PAGES, page, "walks", "completed walks by size of the page found")                 \
    X(completed_kind_page, +MMU_KINDS * +MMU_PAGES, kind_page, "walks",                                      \
      "completed walks by kind and by size of the page found: page + MMU_PAGES * kind")                      \
    X(dirty, 1, none, "walks", "walks for a store whose TLB entry had D = 0 (part of started)")              \
    X(merged, MMU_KINDS, kind, "accesses",                                                                   \
      "misses that waited for an earlier access's walk of the same page")                                    \
    X(waits, 1, none, "walks", "walks that waited for a free walker")                                        \
    X(wait_cycles, 1, none, "cycles", "time waited for a free walker")                                       \
    X(pending, 1, none, "cycles", "walkers busy, summed over cycles (walk_pending)")                         \
    X(active, 1, none, "cycles", "cycles with at least one walker busy (walk_active)")                       \
    X(pending_kind, MMU_KINDS, kind, "cycles", "walkers busy for this kind, summed over cycles")             \
    X(active_kind, MMU_KINDS, kind, "cycles", "cycles with at least one walker busy for this kind")          \
    X(references, 1, none, "reads", "paging-structure entries read by walks")                                \
    X(fetch_reads, MMU_PLACES, place, "reads",                                                               \
      "those read by fetches' walks, by where they hit (part of reads)")                                     \
    X(accessed_set, 1, none, "entries", "entries whose accessed flag a walk set")                            \
    X(dirty_set, 1, none, "entries", "entries whose dirty flag a walk set")                                  \
    X(prefetches, 1, none, "walks", "walks begun by mmu_core_prefetch() or a prefetcher (part of started)")

#define MMU_RUN_COUNTERS(X)                                                                                  \
    X(accesses, +MMU_KINDS * +MMU_PRIVS, kind_priv, "accesses", "references made")                           \
    X(crossings, MMU_KINDS, kind, "accesses", "references that crossed a 4-KByte boundary")                  \
    X(instructions, 1, none, "instructions",                                                                 \
      "fetches that are an instruction's first record; 0 in traces without fetches")                         \
    X(faults_pf, 1, none, "faults", "#PF raised, resolved ones included")                                    \
    X(faults_resolved, 1, none, "faults", "#PF that the pager or operating system resolved")                 \
    X(faults_spurious, 1, none, "faults",                                                                    \
      "#PF on a stale entry where the tables permit the access (part of resolved)")                          \
    X(faults_gp, 1, none, "faults", "#GP raised by accesses")                                                \
    X(faults_memory, 1, none, "accesses", "walks that met an entry where no memory answers")                 \
    X(mov_cr, 1, none, "operations", "register loads that took effect")                                      \
    X(invlpg, 1, none, "operations", "INVLPG executed")                                                      \
    X(invpcid, 1, none, "operations", "INVPCID executed")

#define MMU_CYCLE_COUNTERS(X)                                                                                \
    X(elapsed, 1, none, "cycles", "E: from the first access's issue to the last completion")                 \
    X(ideal, 1, none, "cycles", "the same with translation free")                                            \
    X(issue, 1, none, "cycles", "sum of the issue gaps g")                                                   \
    X(charged, MMU_PARTS, part, "cycles", "sum of the accesses' ledgers")                                    \
    X(stalled, MMU_PARTS, part, "cycles",                                                                    \
      "the run's ledger: issue delays and the tail, by the part that caused them")

struct mmu_tlb_stats {
#define MMU_X(name, count, labels, unit, text) uint64_t name[count];
    MMU_TLB_COUNTERS(MMU_X)
    MMU_TLB_CLASSES(MMU_X)
};
struct mmu_level_stats {
    MMU_LEVEL_COUNTERS(MMU_X)
};
struct mmu_psc_stats {
    MMU_PSC_COUNTERS(MMU_X)
};
struct mmu_walk_stats {
    MMU_WALK_COUNTERS(MMU_X)
};
struct mmu_run_stats {
    MMU_RUN_COUNTERS(MMU_X)
};
struct mmu_cycle_stats {
    MMU_CYCLE_COUNTERS(MMU_X)
#undef MMU_X
};

/*
 * A histogram, exact up to MMU_HISTOGRAM_EXACT: bin v counts the value v. Greater values are counted in bins
 * of 1/64 of their size (far).
 */
enum { MMU_HISTOGRAM_EXACT = 4096, MMU_HISTOGRAM_FAR = 52 * 64 };
struct mmu_histogram {
    uint64_t count, sum, max; /* max: of the whole run; in a difference, that of the later snapshot */
    uint64_t bin[MMU_HISTOGRAM_EXACT];
    uint64_t far_bin[MMU_HISTOGRAM_FAR];
};
/* The nearest-rank percentile, percent in (0, 100] (else an assertion); 0 when the histogram is empty. Of a
 * far bin the greatest value that it holds: less than 1/64 too much. */
MMU_API uint64_t mmu_histogram_percentile(const struct mmu_histogram *h, double percent);

struct mmu_stats {
    struct mmu_run_stats run;
    struct mmu_level_stats level[MMU_MAX_LEVELS]; /* [0] is level 1 */
    struct mmu_tlb_stats tlb[MMU_MAX_TLBS];       /* as in the config */
    struct mmu_psc_stats psc[MMU_PSC_LEVELS];     /* by enum mmu_psc_level, also when unified */
    struct mmu_walk_stats walk;
    /* entries that walks read, by level and by where they hit. The four PDPTEs that PAE's MOV CR3 reads are
     * none; their time is charged as read.pdpte. */
    uint64_t reads[MMU_WALK_LEVELS][MMU_PLACES];
    struct mmu_cycle_stats cycles;
    /* service cycles of every walk, from the grant of a walker to its end */
    struct mmu_histogram walk_latency;
};

/* out = later - earlier; out may be either. Both must come from the same core. */
MMU_API void mmu_stats_difference(struct mmu_stats *out, const struct mmu_stats *later,
                                  const struct mmu_stats *earlier);

/* out += more: cores of one machine added up (cycles are added too; max of histograms is the greater). */
MMU_API void mmu_stats_add(struct mmu_stats *out, const struct mmu_stats *more);

/* Was any miss classified? If not, the counters of MMU_TLB_CLASSES say nothing, and mmu_stats_each() leaves
 * them out. */
MMU_API bool mmu_stats_classified(const struct mmu_stats *stats);

/* Executes the identities above. MMU_OK, or MMU_ERR_INVALID with the identity that fails in err->message (err
 * may be NULL). */
MMU_API int mmu_stats_check(const struct mmu_stats *stats, const struct mmu_config *config,
                            struct mmu_error *err);

/* One counter as mmu_stats_each() delivers it. */
struct mmu_counter {
    const char *path; /* stable, for example "tlb.DTLB 4K.misses.load", "walk.completed.fetch",
                         "cycles.stalled.read.pde.l1" */
    const char *unit;
    const char *definition;
    uint64_t value;
};

/*
 * Calls each() for every counter that exists on this machine (structures, levels and caches that the config
 * lacks are left out), always in the same order. The pointers in the counter are valid during the call only.
 */
MMU_API void mmu_stats_each(const struct mmu_stats *stats, const struct mmu_config *config,
                            void (*each)(void *ctx, const struct mmu_counter *counter), void *ctx);

#ifdef __cplusplus
}
#endif
#endif
