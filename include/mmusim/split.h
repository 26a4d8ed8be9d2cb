/*
 * mmusim/split.h: the split-phase face, for people who embed a core's translation hardware in their own
 * simulator and its clock.
 *
 * The caller asks for a translation, is told which paging-structure entry must be read, lets its own memory
 * system take the time that this takes, and hands the entry over. TLBs, paging-structure caches and A/D flags
 * change as in mmu_core_access(); the core's own clock, cycle counters and page-table-read caches are not
 * used. `now` never goes backwards (an assertion).
 *
 *     mmu_split_begin(core, &access, now, &s);
 *     while (s.state == MMU_SPLIT_READ) {
 *         ... the read of s.size bytes at s.pa issues at now + s.latency and returns data at `now` ...
 *         mmu_split_resume(core, s.token, data, now, &s);
 *     }
 *
 * Any number of translations may be in flight, and resumed in any order; config.walk.walkers of them walk,
 * the others wait. Both faces of a core may be used by turns: they share its state. What the split-phase face
 * fills is there for mmu_core_access() at once, and the other way round.
 *
 * What is read and what is written. The walk interprets the data that it is handed. A flag that it must set
 * (SDM vol. 3, 4.8) is written at once by compare-exchange into the machine's memory, or the caller's (struct
 * mmu_memory_ops, whose read is not called): if the memory no longer holds the data that was handed over,
 * nothing is written and the same entry is asked for again. So the data must come from that memory. In 32-bit
 * paging bits 63:32 of data are ignored.
 *
 * Merging. A translation that needs a walk while another walk of the same 4-KByte page is in flight, one
 * whose fill it will find (some TLB structure serves both kinds), waits for that one and then looks up again:
 * normally it hits (result.where is MMU_AT_MERGE, counted in walk.merged and in merged of the structure),
 * else it walks for itself; a fault is always taken by itself.
 *
 * Faults. They end a translation; nobody resolves them here. mmu_core_access() of the same access has the
 * pager or the kernel resolve it (or tells that they do not); then begin again. CR3 stays what it is: with
 * os.kpti an mmu_core_access() on the other authority loads its half, while nothing is in flight.
 *
 * Registers and invalidations. mmu_core_set() and its kin, mmu_core_invlpg() and mmu_core_invpcid() may be
 * called while walks are in flight. A real processor finishes older walks first, or throws them away; here
 * every walk in flight begins again from its look-up, under the new registers, when it is next resumed (its
 * data is ignored then). So nothing stale is ever filled or answered, by a walk that was begun before. CR2
 * and CPL change nothing. An address that the new paging mode lacks ends with MMU_FAULT_GP. Page faults of
 * other accesses drop entries (SDM 4.10.4.1) but disturb no walk.
 *
 * Statistics. A translation is counted when it ends, one that is given up never; then the counters are those
 * that mmu_core_access() would leave, and their identities hold at any time. All reads count as
 * MMU_PLACE_FIXED. walk.pending, walk.active and walk_latency are on the caller's clock, from the grant of a
 * walker to the end. cycles.* and walk.wait_cycles are not counted: the caller knows them. Observers hear of
 * a translation when it ends, with the caller's clock.
 */
#ifndef MMUSIM_SPLIT_H
#define MMUSIM_SPLIT_H

#include <mmusim/machine.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t mmu_token; /* names a translation in flight until it ends or is given up, and no other for
                               2^32 uses of its slot; 0 is none */

enum mmu_split_state {
    MMU_SPLIT_DONE,  /* result is valid (also for faults) */
    MMU_SPLIT_READ,  /* read `size` bytes at `pa` and call mmu_split_resume() */
    MMU_SPLIT_WAIT,  /* every walker is busy, or another walk of the same page is in flight: call
                        mmu_split_resume() with any data once the translation `behind` has ended or been given
                        up. Earlier is allowed: it may have to wait again, as it may then. Free walkers go to
                        whoever calls first, so resume those that wait in the order in which they began. */
    MMU_SPLIT_NOMEM, /* begin only: the host is out of memory; nothing has happened, there is no token */
};

struct mmu_split {
    uint8_t state;     /* enum mmu_split_state */
    uint8_t level;     /* READ: 5 PML5E ... 1 PTE */
    uint8_t size;      /* READ: 4 or 8 bytes */
    mmu_token token;   /* READ, WAIT: to resume or cancel; 0 when done */
    mmu_token behind;  /* WAIT: a walk in flight: the same page's, else the one that began first */
    mmu_pa pa;         /* READ: physical address of the entry */
    mmu_cycle latency; /* cycles that the hardware itself takes from `now` on: look-ups (the first time only),
                          the rest of the walker's last A/D update, walk start, paging-structure-cache probe,
                          A/D update */
    struct mmu_result
        result; /* DONE; issued and completed are the caller's `now` at begin and at the end plus latency */
};

/*
 * Begins the translation of an access that does not cross a 4-KByte boundary (misuse is an assertion). Faults
 * are results: pager and kernel take no part, no handler's time is added; CR2 is set on a #PF.
 * MMU_FAULT_MEMORY when the machine's own memory does not answer for an entry; with the caller's memory see
 * mmu_split_unanswered().
 */
MMU_API void mmu_split_begin(struct mmu_core *core, const struct mmu_access *access, mmu_cycle now,
                             struct mmu_split *out);

/* Hands over the entry that was asked for, or tries again after a wait. An unknown token is an assertion. */
MMU_API void mmu_split_resume(struct mmu_core *core, mmu_token token, uint64_t data, mmu_cycle now,
                              struct mmu_split *out);

/* Instead of mmu_split_resume() after a READ: nothing answers at that address. Ends the translation as
 * MMU_FAULT_MEMORY. */
MMU_API void mmu_split_unanswered(struct mmu_core *core, mmu_token token, mmu_cycle now,
                                  struct mmu_split *out);

/* Gives a translation up: nothing more is filled, its walker is free. A and D flags that it has set stay. An
 * unknown token is an assertion. */
MMU_API void mmu_split_cancel(struct mmu_core *core, mmu_token token);

/* Translations that have begun and have neither ended nor been given up. */
MMU_API size_t mmu_split_in_flight(const struct mmu_core *core);

#ifdef __cplusplus
}
#endif
#endif
