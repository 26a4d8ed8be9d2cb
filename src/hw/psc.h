/*
 * psc.h: the paging-structure caches (SDM vol. 3, 4.10.3): PML5E, PML4E, PDPTE and PDE caches, one array a
 * level or one for all.
 *
 * An entry says where the table below an upper-level entry lies, and what the entries down to it permit. Only
 * entries that point to a table are kept, after the walk that read them has set their accessed flags and
 * ended well; each is tagged with the address bits that select it and with the PCID; global pages mean
 * nothing here. The PAE mode's PDPTE registers are no cache: they are part of the regime.
 */
#ifndef HW_PSC_H
#define HW_PSC_H

#include "match.h"
#include "repl.h"
#include "walk.h"

struct psc_entry {
    struct walk_start start; /* where to go on */
    mmu_cycle ready;
};

struct psc_array {
    uint32_t sets, ways; /* sets == 0: absent */
    bool pow2;           /* sets is a power of two */
    uint32_t free;       /* invalid entries */
    uint64_t *tag;       /* valid | level | PCID | address bits */
    struct psc_entry *entry;
    struct repl repl;
};

struct psc {
    const struct mmu_psc_config *config;
    struct psc_array array[MMU_PSC_LEVELS];
    struct psc_array *of[MMU_PSC_LEVELS]; /* which array holds this level, or NULL */
    bool any;
};

/* Where an array keeps one entry: a set, and the tag that stands in one of its ways. */
struct psc_spot {
    uint64_t tag;
    uint32_t set;
};

enum { PSC_PCID_SHIFT = 40, PSC_LEVEL_SHIFT = 56 };
#define PSC_VALID BIT(63)

/* number: the address bits that select the entry, above those that it translates. */
ALWAYS_INLINE struct psc_spot psc_spot(const struct psc_array *a, unsigned level, uint64_t number,
                                       uint16_t pcid)
{
    uint32_t set = LIKELY(a->pow2) ? (uint32_t)number & (a->sets - 1) : (uint32_t)(number % a->sets);
    return (struct psc_spot){
        PSC_VALID | (uint64_t)level << PSC_LEVEL_SHIFT | (uint64_t)pcid << PSC_PCID_SHIFT | number, set};
}

/* The way of the set that holds it, or MATCH_NONE. */
ALWAYS_INLINE uint32_t psc_way(const struct psc_array *a, const struct psc_spot *spot)
{
    return match_ways(a->tag + (size_t)spot->set * a->ways, a->ways, spot->tag);
}

/* The lowest invalid way of a set, which is no longer counted as such, or MATCH_NONE. */
uint32_t psc_invalid_way(struct psc_array *a, uint32_t set);

/* Writes an entry into the way that holds it, or MATCH_NONE: into an invalid way, or the victim's, which is
 * counted as evicted under its own level. */
ALWAYS_INLINE void psc_put(struct psc_array *a, const struct psc_spot *spot, uint32_t way,
                           const struct walk_start *start, mmu_cycle ready, struct mmu_psc_stats *stats)
{
    if (way == MATCH_NONE && UNLIKELY(a->free))
        way = psc_invalid_way(a, spot->set);
    size_t first = (size_t)spot->set * a->ways;
    if (way == MATCH_NONE) {
        way = repl_victim(&a->repl, spot->set, ~UINT64_C(0));
        stats[a->tag[first + way] >> PSC_LEVEL_SHIFT & 3].evictions[0]++;
    }
    a->tag[first + way] = spot->tag;
    a->entry[first + way].start = *start;
    a->entry[first + way].ready = ready;
    repl_fill(&a->repl, spot->set, way);
}

int psc_init(struct psc *p, const struct mmu_psc_config *config, struct repl_context *context);
void psc_destroy(struct psc *p);

/* The deepest entry for va, or NULL: at once in all levels, touches the winner only. *level: its enum
 * mmu_psc_level. */
const struct psc_entry *psc_probe(struct psc *p, const struct geometry *g, mmu_va va, uint16_t pcid,
                                  unsigned *level);
/* The same without a touch. */
const struct psc_entry *psc_peek(const struct psc *p, const struct geometry *g, mmu_va va, uint16_t pcid,
                                 unsigned *level);

/* Keeps what a walk passed through. Adds to the counters of stats[], by level. */
void psc_fill(struct psc *p, const struct geometry *g, const struct walk *w, uint16_t pcid, mmu_cycle ready,
              struct mmu_psc_stats *stats);
/* The same when nothing of it is held. */
void psc_fill_absent(struct psc *p, const struct geometry *g, const struct walk *w, uint16_t pcid,
                     mmu_cycle ready, struct mmu_psc_stats *stats);

/* Invalidations; each adds to stats[level].flushed[cause] and returns the number dropped. */
uint32_t psc_drop_address(struct psc *p, const struct geometry *g, mmu_va va, uint16_t pcid,
                          struct mmu_psc_stats *stats, unsigned cause);
uint32_t psc_drop_pcid(struct psc *p, uint16_t pcid, struct mmu_psc_stats *stats, unsigned cause);
uint32_t psc_drop_all(struct psc *p, struct mmu_psc_stats *stats, unsigned cause);

#endif
