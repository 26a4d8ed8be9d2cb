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

int psc_init(struct psc *p, const struct mmu_psc_config *config, struct repl_context *context);
void psc_destroy(struct psc *p);

/* The deepest entry for va, or NULL: at once in all levels, touches the winner only. *level: its enum
 * mmu_psc_level. */
const struct psc_entry *psc_probe(struct psc *p, const struct geometry *g, mmu_va va, uint16_t pcid,
                                  unsigned *level);
/* The same without a touch. */
const struct psc_entry *psc_peek(const struct psc *p, const struct geometry *g, mmu_va va, uint16_t pcid,
                                 unsigned *level);

/* Touches and counts what psc_peek() found (from may be NULL): both together are psc_probe(), counted. */
void psc_take(struct psc *p, const struct geometry *g, const struct psc_entry *from, unsigned level,
              struct mmu_psc_stats *stats);

/* Keeps what a walk passed through. Adds to the counters of stats[], by level. absent: nothing has changed
 * since the probe that the walk began with, so that none of it is held. */
void psc_fill(struct psc *p, const struct geometry *g, const struct walk *w, uint16_t pcid, mmu_cycle ready,
              struct mmu_psc_stats *stats, bool absent);

/* Invalidations; each adds to stats[level].flushed[cause] and returns the number dropped. */
uint32_t psc_drop_address(struct psc *p, const struct geometry *g, mmu_va va, uint16_t pcid,
                          struct mmu_psc_stats *stats, unsigned cause);
uint32_t psc_drop_pcid(struct psc *p, uint16_t pcid, struct mmu_psc_stats *stats, unsigned cause);
uint32_t psc_drop_all(struct psc *p, struct mmu_psc_stats *stats, unsigned cause);

#endif
