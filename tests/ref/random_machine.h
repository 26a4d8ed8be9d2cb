/*
 * random_machine.h: machines that nobody would build, drawn at random: levels missing for some kinds, odd
 * ways, shared sizes, bounds on PCIDs, caches, windows. Many are refused by mmu_config_check(); the caller
 * draws again.
 */
#ifndef RANDOM_MACHINE_H
#define RANDOM_MACHINE_H

#include "dice.h"
#include "rig.h"
#include <mmusim/mmusim.h>
#include <stdio.h>

static inline unsigned pick(struct dice *d, const unsigned *from, unsigned n)
{
    return from[dice_below(d, n)];
}
#define PICK(d, ...)                                                                                         \
    pick(d, (const unsigned[]){__VA_ARGS__}, sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

static inline void draw_tlb(struct mmu_tlb_config *t, struct dice *d, unsigned level, unsigned number)
{
    static const unsigned policies[] = {MMU_LRU,    MMU_LRU,  MMU_PLRU,     MMU_FIFO,
                                        MMU_RANDOM, MMU_NMRU, MMU_MRU3PLRU4};
    *t = (struct mmu_tlb_config){.level = level};
    snprintf(t->name, sizeof t->name, "T%u", number);
    t->kinds = dice_below(d, 3) ? 6u : 1u + dice_below(d, 7);
    t->pages = dice_below(d, 2) ? 1u << MMU_4K : 1u + dice_below(d, 15);
    t->policy = pick(d, policies, 7);
    t->ways = t->policy == MMU_MRU3PLRU4 ? PICK(d, 4, 8, 12) : PICK(d, 1, 2, 3, 4, 6, 8, 12);
    unsigned sets = PICK(d, 1, 2, 3, 4, 8, 16);
    t->entries = t->ways * sets;
    t->index = (sets & (sets - 1)) == 0 && dice_once_in(d, 3) ? MMU_INDEX_XOR : MMU_INDEX_LINEAR;
    t->pcid_bound = dice_once_in(d, 3);
    t->pcids = t->pcid_bound ? dice_below(d, 4) : 0;
    if (dice_once_in(d, 5) && t->pages == 15 && t->ways >= 4)
        t->way_mask[MMU_2M] = 3;
}

static inline void draw_config(struct mmu_config *c, struct dice *d)
{
    mmu_config_init(c);
    snprintf(c->name, sizeof c->name, "random");
    c->seed = dice_next(d);
    c->window = PICK(d, 1, 1, 1, 2, 5);
    c->cpi = dice_below(d, 3);
    c->levels = dice_below(d, 4);
    for (unsigned l = 0; l < c->levels; l++) {
        unsigned n = 1 + dice_below(d, 3);
        for (unsigned i = 0; i < n; i++, c->tlbs++)
            draw_tlb(&c->tlb[c->tlbs], d, l + 1, c->tlbs);
        c->level[l].latency = l ? dice_below(d, 12) : dice_once_in(d, 6);
        c->level[l].no_fracture = dice_once_in(d, 4);
    }
    for (unsigned l = 0; l < MMU_PSC_LEVELS; l++)
        if (dice_below(d, 3))
            c->psc.array[l] =
                (struct mmu_psc_array){.entries = 8, .ways = PICK(d, 1, 2, 8), .policy = MMU_LRU};
    c->psc.latency = c->psc.array[0].entries ? dice_below(d, 3) : 0;
    c->walk = (struct mmu_walk_config){1 + dice_below(d, 3), dice_below(d, 9), dice_below(d, 20),
                                       dice_once_in(d, 2)};
    c->memory.read_latency = dice_below(d, 9);
    if (dice_once_in(d, 2)) {
        c->memory.reads = MMU_READS_CACHED;
        c->memory.dram_latency = 150;
        c->memory.caches = 1;
        c->memory.cache[0] = (struct mmu_cache_config){
            .name = "L1", .size = 4096, .ways = 4, .line = 64, .latency = 4, .policy = MMU_LRU};
        c->memory.data = dice_once_in(d, 2) ? MMU_DATA_SHARED : MMU_DATA_NONE;
    }
    if (c->memory.data == MMU_DATA_NONE && dice_once_in(d, 3)) {
        c->memory.data = MMU_DATA_FIXED;
        c->memory.data_latency = dice_below(d, 5);
    }
    c->pager.mode = MMU_MODE_4L;
    c->pager.frames = dice_below(d, MMU_FRAMES_MODES);
    c->pager.fault_cycles = dice_below(d, 100);
    c->pager.ranges = 2;
    c->pager.range[0] = (struct mmu_pager_range){0x80000000, 0xc0000000, MMU_2M};
    c->pager.range[1] = (struct mmu_pager_range){UINT64_C(0x100000000), UINT64_C(0x300000000), MMU_1G};
    c->barrier = (struct mmu_barrier_config){dice_below(d, 50), dice_below(d, 50), dice_below(d, 50),
                                             dice_below(d, 50)};
}

/* What happens between two pieces of a trace: mostly nothing, else something that drops, waits, or changes
 * who may access what. cr3: of PCID 0. */
static inline enum mmu_outcome draw_disturbance(struct mmu_core *core, struct dice *d, mmu_va va,
                                                uint64_t cr3)
{
    struct mmu_invpcid descriptor = {dice_below(d, 3), va};
    switch (dice_below(d, 8)) {
    case 0:
        return mmu_core_invlpg(core, va);
    case 1:
        return mmu_core_invpcid(core, dice_below(d, 4), &descriptor);
    case 2:
    case 3:
        return mmu_core_set(core, MMU_REG_CR3,
                            cr3 | dice_below(d, 4) | (dice_once_in(d, 3) ? 0 : RIG_NOFLUSH));
    case 4:
        mmu_core_drain(core);
        return MMU_DONE;
    case 5:
        return mmu_core_set(core, MMU_REG_CR4, mmu_core_get(core, MMU_REG_CR4) ^ RIG_SMAP);
    default:
        return MMU_DONE;
    }
}

#endif
