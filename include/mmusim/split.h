/*
 * mmusim/split.h: the split-phase face, for people who embed a core's translation hardware in their own simulator and its clock.
 *
 * The caller asks for a translation, is told which paging-structure entry must be read, lets its own memory system take the time that this
 * takes, and hands the entry over. TLBs, paging-structure caches and A/D flags change as in mmu_core_access(); the core's own clock, cycle
 * counters and page-table-read caches are not used. `now` never goes backwards.
 */
#ifndef MMUSIM_SPLIT_H
#define MMUSIM_SPLIT_H

#include <mmusim/machine.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t mmu_token; /* names a translation in flight; 0 is none */

enum mmu_split_state {
    MMU_SPLIT_DONE, /* result is valid (also for faults) */
    MMU_SPLIT_READ, /* read `size` bytes at `pa` and call mmu_split_resume() */
    MMU_SPLIT_WAIT, /* every walker is busy, or another walk of the same page is in flight: call mmu_split_resume() with any data
                       once the translation `behind` has ended */
};

struct mmu_split {
    uint8_t state;      /* enum mmu_split_state */
    uint8_t level;      /* READ: 5 PML5E ... 1 PTE */
    uint8_t size;       /* READ: 4 or 8 bytes */
    mmu_token token;    /* READ, WAIT: to resume or cancel; 0 when done */
    mmu_token behind;   /* WAIT */
    mmu_pa pa;          /* READ: physical address of the entry */
    mmu_cycle latency;  /* cycles that the hardware itself has taken since begin or resume: look-ups, walk start, probe, A/D update */
    struct mmu_result result; /* DONE; issued and completed are the caller's `now` at begin and at the end plus latency */
};

/* Begins the translation of an access that does not cross a page boundary (misuse is an assertion). Faults are results: the pager takes no part. */
MMU_API void mmu_split_begin(struct mmu_core *core, const struct mmu_access *access, mmu_cycle now, struct mmu_split *out);

/* Hands over the entry that was asked for. An unknown token is an assertion. */
MMU_API void mmu_split_resume(struct mmu_core *core, mmu_token token, uint64_t data, mmu_cycle now, struct mmu_split *out);

/* Gives a translation up: nothing is filled, its walker is free. */
MMU_API void mmu_split_cancel(struct mmu_core *core, mmu_token token);

#ifdef __cplusplus
}
#endif
#endif
