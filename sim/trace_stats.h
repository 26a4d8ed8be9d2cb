/*
 * sim/trace_stats.h: what mmusim trace stats finds in a trace, between who collects it and who prints it.
 */
#ifndef SIM_TRACE_STATS_H
#define SIM_TRACE_STATS_H

#include "maps.h"
#include "pages.h"
#include <mmusim/trace.h>
#include <stdio.h>

/* Histograms by powers of two: bin 0 is 0, bin k is 2^(k-1) to 2^k - 1. */
enum { STATS_BINS = 65 };
unsigned stats_bin(uint64_t x);
/* "0", "1", "2-3", "4-7"; returns buf. */
enum { STATS_LABEL = 48 };
const char *stats_label(unsigned bin, char buf[STATS_LABEL]);

/* Strides within this many bytes are counted one by one as well. */
enum { STATS_NEAR = 4096 };

/* Signed strides of one kind of reference. */
struct stats_strides {
    bool begun;
    mmu_va last;
    uint64_t forward[STATS_BINS], backward[STATS_BINS]; /* bin 0 only of forward */
    uint64_t near[2 * STATS_NEAR + 1];                  /* stride -STATS_NEAR at 0 */
    uint64_t count;
};

/*
 * touches: one for each page that a reference touches. Invariants: touches = first touches + all reuses = sum
 * of all pages' touches; a kind's strides: one fewer than its references.
 */
struct stats {
    const char *file, *page_name; /* "4K" */
    bool cut;                     /* it ended too early */
    unsigned page_shift;
    uint64_t references, kinds[MMU_KINDS], touches;
    uint64_t reuse[STATS_BINS], first_touches;
    struct stats_strides strides[MMU_KINDS];
    struct reuse stack; /* pages of page_shift */
    struct pages pages; /* of 4 KBytes, with touches by kind */
    uint64_t page_touches;
    struct maps maps;
    bool has_maps;
    struct maps_region nowhere; /* what no region holds */
    uint64_t top;               /* rows of the lists of what is hottest */
};

/* The text, or JSON and CSV, of what was found. CLI_GO, or CLI_BAD after a complaint. how: enum trace_report.
 */
int stats_print(FILE *out, struct stats *stats, unsigned how);

#endif
