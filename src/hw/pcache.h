/*
 * pcache.h: what a page-table read costs: a fixed latency, or the caches that it goes through.
 *
 * Each level is a set-associative array of physical lines. A read hits at the first level that holds its line
 * and costs that level's latency (dram_latency when none does), and is filled into every level before it. A
 * line that a read is still bringing carries `ready`. Data accesses may share the caches. Left out: writes,
 * coherence between cores, bandwidth.
 */
#ifndef HW_PCACHE_H
#define HW_PCACHE_H

#include "match.h"
#include "repl.h"
#include "x86.h"
#include <mmusim/stats.h>

/*
 * A line's number is quotient x sets + set. Its tag, 0 for an invalid line, is the quotient + 1 when that
 * fits 32 bits (as it does for nearly all memories, and always from 2^14 sets on); else the quotient's digits
 * to the base 2^32 - 1: the low one + 1, and the high one in high[], which is looked at once a line with a
 * high digit has come.
 */
struct pcache_level {
    uint32_t sets, ways, latency;
    uint32_t shift, odd; /* sets = odd << shift */
    uint64_t inverse;    /* 2^64 / odd, rounded up; odd = 1: 0 */
    uint32_t stride;  /* tags a set, a multiple of 8, so that small sets lie in one host line; the spare ones
                         are 0 */
    bool wide;        /* a line with a high digit has come */
    uint32_t *tag;    /* [sets * stride] */
    uint16_t *high;   /* likewise; [1] where no line can have one */
    uint64_t free;    /* invalid lines */
    size_t filled;    /* index of the latest fill */
    mmu_cycle *ready; /* [sets * stride] */
    struct repl repl;
};

struct pcache {
    const struct mmu_memory_config *config;
    unsigned levels; /* 0: fixed latency */
    unsigned line_shift;
    bool overlaps; /* W > 1: a line can be asked for while it is being brought */
    struct pcache_level level[MMU_MAX_CACHES];
};

/* A read as it will go: from when on the line is there, where it hits, what it costs from then. Two host
 * registers hold it. */
struct pcache_read {
    mmu_cycle ready; /* 0, or when the line that is being brought arrives */
    enum mmu_place place;
    uint32_t cycles;
};

int pcache_init(struct pcache *c, const struct mmu_memory_config *config, bool overlaps,
                struct repl_context *context);
void pcache_destroy(struct pcache *c);

/*
 * One read at pa that begins at now, or when a line that is being brought arrives: changes the caches, tells
 * the cost. The line is ready when it ends; of a read that takes no time (a prefetch's), when it begins.
 */
struct pcache_read pcache_read(struct pcache *c, mmu_pa pa, mmu_cycle now);
struct pcache_read pcache_read_free(struct pcache *c, mmu_pa pa, mmu_cycle now);

/* Asks the host to bring what pcache_read(pa) will look at. */
void pcache_prefetch(const struct pcache *c, mmu_pa pa);

#endif
