/*
 * split_rig.h: the split-phase face on the bench (rig.h): translations begun, their reads answered, times
 * kept.
 */
#ifndef SPLIT_RIG_H
#define SPLIT_RIG_H

#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>

enum { LEVEL2 = 7, START = 4, PROBE = 1, READ = 5, AD = 10 }; /* rig_config()'s latencies */

static inline struct mmu_access access_of(enum mmu_kind kind, enum mmu_priv priv, mmu_va va)
{
    return (struct mmu_access){.va = va, .size = 1, .kind = MMU_KIND_PRIV(kind, priv)};
}

static inline struct mmu_split begin(struct rig *rig, enum mmu_kind kind, mmu_va va, mmu_cycle now)
{
    struct mmu_split s;
    struct mmu_access access = access_of(kind, MMU_USER, va);
    mmu_split_begin(rig->core, &access, now, &s);
    return s;
}

/* Answers one read from the rig's memory, at the time at which it was asked for plus read. */
static inline struct mmu_split answer(struct rig *rig, const struct mmu_split *s, mmu_cycle *now,
                                      mmu_cycle read)
{
    struct mmu_split next;
    uint64_t data = 0;
    assert_int_equal(s->state, MMU_SPLIT_READ);
    assert_int_equal(mmu_machine_read(rig->machine, s->pa, &data, s->size), MMU_OK);
    data |= s->size == 4 ? UINT64_C(0xdeadbeef) << 32 : 0; /* whatever a 64-bit bus brings along */
    *now += s->latency + read;
    mmu_split_resume(rig->core, s->token, data, *now, &next);
    return next;
}

/* From begin to the end, with nothing else in flight. */
static inline struct mmu_split whole(struct rig *rig, const struct mmu_access *access, mmu_cycle *now,
                                     mmu_cycle read)
{
    struct mmu_split s;
    mmu_split_begin(rig->core, access, *now, &s);
    while (s.state == MMU_SPLIT_READ)
        s = answer(rig, &s, now, read);
    assert_int_equal(s.state, MMU_SPLIT_DONE);
    assert_int_equal(s.token, 0);
    *now += s.latency;
    return s;
}

static inline struct mmu_split whole_load(struct rig *rig, mmu_va va)
{
    mmu_cycle now = UINT64_C(1) << 40; /* far from everything else */
    struct mmu_access access = access_of(MMU_LOAD, MMU_USER, va);
    return whole(rig, &access, &now, READ);
}

static inline struct mmu_stats *stats_of(const struct rig *rig)
{
    struct mmu_stats *stats = malloc(sizeof *stats);
    assert_non_null(stats);
    mmu_core_stats(rig->core, stats);
    return stats;
}

/* One counter of the walks now. */
#define WALK_STAT(rig, field)                                                                                \
    walk_stat(rig, offsetof(struct mmu_walk_stats, field) / sizeof(uint64_t),                                \
              sizeof(((struct mmu_walk_stats *)0)->field) / sizeof(uint64_t))
static inline uint64_t walk_stat(const struct rig *rig, size_t at, size_t n)
{
    struct mmu_stats *stats = stats_of(rig);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((const uint64_t *)&stats->walk)[at + i];
    free(stats);
    return sum;
}

/* Small TLBs; pages of 4 KBytes from 0x1000 on, mapped to frames from 100 on. */
static inline void start_plain(struct rig *rig, uint32_t walkers, unsigned pages)
{
    struct mmu_config config;
    rig_config(&config);
    config.walk.walkers = walkers;
    config.tlb[2].entries = config.tlb[2].ways = 16;
    config.tlb[0].entries = config.tlb[0].ways = config.tlb[1].entries = config.tlb[1].ways = 8;
    rig_start(rig, &config, MMU_MODE_4L);
    for (unsigned i = 0; i < pages; i++)
        rig_map(rig, (mmu_va)(i + 1) << 12, (mmu_pa)(i + 100) << 12, 12, RIG_P | RIG_W | RIG_U);
}

/* To the end, the reads taking no time. */
static inline struct mmu_split drive(struct rig *rig, struct mmu_split s, mmu_cycle *now)
{
    while (s.state == MMU_SPLIT_READ)
        s = answer(rig, &s, now, 0);
    return s;
}

#endif
