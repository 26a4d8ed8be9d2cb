/*
 * sim/report.h: what a replay measured, as text, JSON or CSV.
 *
 * All three say the same numbers: the raw counters come from mmu_stats_each(), what is derived from them from
 * figures.h. Nothing here depends on the host or on its clock.
 */
#ifndef SIM_REPORT_H
#define SIM_REPORT_H

#include <mmusim/mmusim.h>
#include <stdio.h>

/* One trace replayed through one fresh machine. Nothing is owned. */
struct report_run {
    const struct mmu_config *config;
    const char *machine;  /* unique among a report's machines: the config's name, or the command line's */
    uint64_t config_hash; /* FNV-1a, 64 bits, of the resolved config as mmu_config_write() prints it */
    const char *trace;    /* as given on the command line */
    struct mmu_trace_info info;    /* after the last reference was read */
    uint64_t checksum;             /* of references: mmu_trace_checksum(); or of the packed blocks */
    bool summed;                   /* of the references replayed; else of all that the trace says it has */
    bool cut;                      /* the trace ended too early */
    const char *tables;            /* where page tables come from; "" or NULL: the pager's, if there is one */
    enum mmu_mode mode;            /* of paging */
    uint64_t warmup;               /* references before the measured ones */
    uint64_t measured;             /* references that the statistics cover, at least 1 */
    const struct mmu_stats *stats; /* of the measured references only */
    struct report_tlb {
        uint64_t valid; /* entries at the end of the run */
        uint64_t reach; /* bytes that they map */
    } tlb[MMU_MAX_TLBS];
};

enum report_format { REPORT_TEXT, REPORT_JSON, REPORT_CSV };

/*
 * Writes the runs of `traces` traces through `machines` machines: run[trace * machines + machine]. Text: one
 * run is told in full, several stand side by side. CLI_OK, or CLI_BAD after a complaint (out of memory); that
 * the file could be written is for its owner to check.
 */
int report_write(enum report_format format, const struct report_run *run, size_t traces, size_t machines,
                 FILE *out);

int report_text(const struct report_run *run, FILE *out);
int report_table(const struct report_run *run, size_t traces, size_t machines, FILE *out);
int report_json(const struct report_run *run, size_t n, FILE *out);
void report_csv(const struct report_run *run, size_t n, FILE *out);

#endif
