/*
 * mmusim/event.h: what a core tells an observer, on the miss path only.
 *
 * An observer is a value: a mask, a function and its context. The function is called synchronously, in issue
 * order, and must not call back into the same machine except to read (mmu_machine_read(), mmu_core_get(),
 * mmu_core_stats()).
 */
#ifndef MMUSIM_EVENT_H
#define MMUSIM_EVENT_H

#include <mmusim/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mmu_core;

enum mmu_event_type {
    MMU_EV_ACCESS,     /* every access; asking for it puts the core on its slow path */
    MMU_EV_MISS,       /* a first-level miss (page-crossing accesses: one for each half that misses) */
    MMU_EV_WALK,       /* a page walk ended, well or with a fault */
    MMU_EV_FAULT,      /* a #PF or #GP was raised (also those that the pager then resolves) */
    MMU_EV_FILL,       /* an entry was written into a TLB structure */
    MMU_EV_EVICT,      /* a valid entry left a TLB structure to make room */
    MMU_EV_INVALIDATE, /* INVLPG, INVPCID, a register load or a #PF dropped entries, perhaps none */
    MMU_EVENTS
};

/* One event. Fields that do not apply are 0. */
struct mmu_event {
    uint8_t type;        /* enum mmu_event_type */
    uint8_t kind_priv;   /* the access, as in struct mmu_access */
    uint8_t page_shift;  /* WALK, FILL, EVICT: 12, 21, 22, 30 */
    uint8_t outcome;     /* enum mmu_outcome (ACCESS, WALK, FAULT) */
    uint16_t structure;  /* FILL, EVICT: index of the TLB structure in the config */
    uint16_t pcid;       /* current PCID; FILL, EVICT: the entry's */
    uint32_t error_code; /* FAULT */
    uint32_t reads;      /* WALK: paging-structure entries read; INVALIDATE: entries dropped, TLBs and
                            paging-structure caches together */
    mmu_va va;           /* the access's address; FILL, EVICT: the page's first address */
    mmu_pa pa;           /* ACCESS, WALK, FILL, EVICT: the physical address */
    mmu_cycle cycle;     /* when: ACCESS, MISS: the issue of the access; WALK, FILL, EVICT: the end of the
                            walk or look-up; FAULT: when it was found; INVALIDATE: not told */
    mmu_cycle cycles;    /* WALK: service time; ACCESS: elapsed */
};

struct mmu_observer {
    uint32_t mask; /* 1 << enum mmu_event_type */
    void (*notify)(void *ctx, struct mmu_core *core, const struct mmu_event *event);
    void *ctx;
};

#ifdef __cplusplus
}
#endif
#endif
