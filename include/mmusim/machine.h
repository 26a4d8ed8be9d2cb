/*
 * mmusim/machine.h: a machine to run: memory, cores, registers, accesses, invalidations.
 *
 * A machine is opaque, created from a config and freed by its caller. It has no hidden state outside itself:
 * any number of machines can live in one process; one machine is used by one thread at a time, different
 * machines by different threads at once.
 *
 * A core is a part of its machine. Accesses happen in the order of the calls; each core has its own clock. A
 * #PF is an outcome, not an error.
 */
#ifndef MMUSIM_MACHINE_H
#define MMUSIM_MACHINE_H

#include <mmusim/config.h>
#include <mmusim/event.h>
#include <mmusim/stats.h>
#include <mmusim/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mmu_machine;
struct mmu_core;

/*
 * The caller's own physical memory, instead of the machine's. read: the naturally aligned value of size (4 or
 * 8) bytes at pa into *value; returns false when nothing answers there. compare_exchange: atomically replaces
 * old by new_value if memory still holds old; returns false when it did not (the walk then reads again).
 * Called from walks, PDPTE loads, mmu_core_invpcid_at() and mmu_machine_read() only. Both must be there; the
 * config has no pager and no kernel (they would have to write).
 */
struct mmu_memory_ops {
    bool (*read)(void *ctx, mmu_pa pa, unsigned size, uint64_t *value);
    bool (*compare_exchange)(void *ctx, mmu_pa pa, unsigned size, uint64_t old, uint64_t new_value);
    void *ctx;
};

/*
 * The caller's own replacement policy for the structures whose policy is MMU_USER_POLICY. create returns the
 * state of one structure (NULL on failure). Way numbers are below ways. touch is called on each hit that the
 * miss path sees and, for first-level structures, on every hit (such a structure puts its accesses on the
 * slow path); fill after an entry was written; victim when every allowed way is valid (mask: bit w set = way
 * w may be chosen; all ones when ways > 64): a way that may not be chosen is an assertion. create and victim
 * must be there, the others may be NULL.
 */
struct mmu_policy_ops {
    void *(*create)(void *ctx, uint32_t sets, uint32_t ways, uint64_t seed);
    void (*destroy)(void *ctx, void *state);
    void (*touch)(void *state, uint32_t set, uint32_t way);
    void (*fill)(void *state, uint32_t set, uint32_t way);
    uint32_t (*victim)(void *state, uint32_t set, uint64_t mask);
    void *ctx;
};

/*
 * The caller's own TLB prefetcher: called after each walk of an access (not of a prefetch) that completed,
 * with the page's first address and shift; writes up to max addresses to prefetch into out[] and returns
 * their number. Each is walked at once, never faults, and is filled as a walk fills, without taking the
 * core's time.
 */
struct mmu_prefetcher_ops {
    size_t (*predict)(void *ctx, const struct mmu_access *access, mmu_va page, unsigned page_shift,
                      mmu_va *out, size_t max);
    void *ctx;
};

/* What a machine may be given beside its config; zero-initialise. Pointers must outlive the machine; contents
 * are copied. */
struct mmu_options {
    const struct mmu_memory_ops *memory;
    const struct mmu_policy_ops *policy;
    const struct mmu_prefetcher_ops *prefetcher;
};

/*
 * Creates a machine after mmu_config_check(). options may be NULL. With the config's pager enabled every core
 * starts in its paging mode with an empty address space shared by all cores; without it every core starts in
 * protected mode without paging (CR0 = PE, all other registers 0; physical addresses are linear ones). A
 * kernel sets the registers itself. *out is set on success. MMU_OK, MMU_ERR_NOMEM, MMU_ERR_INVALID (err,
 * which may be NULL, says what), MMU_ERR_EXHAUSTED (no RAM for the first page table).
 */
MMU_API int mmu_machine_create(const struct mmu_config *config, const struct mmu_options *options,
                               struct mmu_machine **out, struct mmu_error *err);
MMU_API void mmu_machine_free(struct mmu_machine *machine); /* NULL is allowed */

MMU_API const struct mmu_config *mmu_machine_config(const struct mmu_machine *machine);
/* Core number index, below config.cores. Never NULL for a valid index; misuse is an assertion. */
MMU_API struct mmu_core *mmu_machine_core(struct mmu_machine *machine, uint32_t index);
MMU_API struct mmu_machine *mmu_core_machine(struct mmu_core *core);

/*
 * Simulated physical memory: real bytes, sparse; untouched bytes read as 0 and cost no host memory. size is
 * in bytes. MMU_OK, MMU_ERR_NORAM when part of the range is not RAM (nothing is read or written then),
 * MMU_ERR_NOMEM. Of a machine with the caller's memory, read asks that; write is MMU_ERR_UNSUPPORTED, the
 * caller writes.
 */
MMU_API int mmu_machine_read(const struct mmu_machine *machine, mmu_pa pa, void *to, size_t size);
MMU_API int mmu_machine_write(struct mmu_machine *machine, mmu_pa pa, const void *from, size_t size);
/* Drops all contents: memory reads as 0 again. Registers and TLBs stay. Not for a machine whose kernel was
 * booted (os.h): its page tables are contents. */
MMU_API void mmu_machine_clear_memory(struct mmu_machine *machine);
/* Bytes of host memory that hold simulated memory now. */
MMU_API uint64_t mmu_machine_host_bytes(const struct mmu_machine *machine);

/* Registers. AC is EFLAGS.AC (0 or 1); CPL is 0 to 3 and decides whether privileged operations raise #GP
 * (accesses carry their own authority). */
enum mmu_reg {
    MMU_REG_CR0,
    MMU_REG_CR2,
    MMU_REG_CR3,
    MMU_REG_CR4,
    MMU_REG_EFER,
    MMU_REG_PKRU,
    MMU_REG_PKRS,
    MMU_REG_AC,
    MMU_REG_CPL,
    MMU_REGS
};

MMU_API uint64_t mmu_core_get(const struct mmu_core *core, enum mmu_reg reg);

/*
 * One register load as software makes it (MOV CR, WRMSR, WRPKRU, POPF), with its checks and its
 * invalidations: SDM 2.5, 4.1.2, 4.4.1, 4.10.4. Returns MMU_DONE, or MMU_FAULT_GP with nothing changed: bits
 * that this processor reserves, combinations that the manual forbids, AC above 1, CPL above 3, PKRU above 32
 * bits, and with CPL > 0 any of the privileged ones (all but CR2, PKRU, AC and CPL, which a simulator sets as
 * it likes). Bits of CR0 and CR4 that have no part in translation are stored as they are, those of EFER but
 * SCE are reserved. Setting CR2, AC or CPL only stores. CR3 bit 63 is the no-flush bit (PCIDE = 1).
 */
MMU_API enum mmu_outcome mmu_core_set(struct mmu_core *core, enum mmu_reg reg, uint64_t value);

/*
 * All registers at once, as a VM entry would: value[] by enum mmu_reg, checked as a consistent whole;
 * EFER.LMA is derived. Drops every TLB and paging-structure-cache entry of the core and loads the PDPTE
 * registers in PAE mode. MMU_DONE or MMU_FAULT_GP (nothing changed).
 */
struct mmu_registers {
    uint64_t value[MMU_REGS];
};
MMU_API enum mmu_outcome mmu_core_load(struct mmu_core *core, const struct mmu_registers *registers);

/* The paging mode that the registers select now. */
MMU_API enum mmu_mode mmu_core_mode(const struct mmu_core *core);

/*
 * One access at the core's present time. result may be NULL. Returns its outcome. With the pager enabled,
 * faults on pages not yet mapped are resolved and the access retried; so it is with a kernel, as far as that
 * resolves them. A kernel that isolates page tables (os.kpti) loads the half of the access's authority first,
 * if the other one is loaded and a task runs: the way into the kernel or out of it, a MOV CR3.
 *
 * A record that is none is an assertion: an unknown kind, authority or flag, an implicit fetch, a size that
 * is not 1 to 4096, an access that ends beyond 2^64, or beyond 2^32 in a 32-bit paging mode, or beyond the
 * physical addresses with paging off. So it is for mmu_core_probe() and mmu_core_prefetch().
 */
MMU_API enum mmu_outcome mmu_core_access(struct mmu_core *core, const struct mmu_access *access,
                                         struct mmu_result *result);

/* The ledger of the latest mmu_core_access(). */
MMU_API void mmu_core_ledger(const struct mmu_core *core, struct mmu_ledger *ledger);

/*
 * n accesses, as n calls of mmu_core_access() would make them, but fast. results may be NULL, else has n
 * elements. Unresolved faults are counted (and stand in results); the run goes on behind them. Returns
 * MMU_OK; or MMU_ERR_INVALID for a record that is none (see mmu_core_access()), before which all have been
 * run; or MMU_ERR_EXHAUSTED when the pager found no frame for the page of a record, which then is the last
 * that has been run: its fault stays unresolved. mmu_core_access() shows that fault as its outcome.
 * MMU_ERR_NOMEM likewise, when the host has no memory for a page table; and see mmu_core_classify().
 * MMU_ERR_NORAM likewise, when a table above the page, written by the caller, cannot be reached.
 */
MMU_API int mmu_core_run(struct mmu_core *core, const struct mmu_access *accesses, size_t n,
                         struct mmu_result *results);

/* Tells the core whether the trace that it runs has instruction fetches (default true): without them every
 * record gets the issue gap cpi. */
MMU_API void mmu_core_set_has_fetches(struct mmu_core *core, bool has_fetches);

/* INVLPG (SDM 4.10.4.1): MMU_DONE (a non-canonical va does nothing), MMU_FAULT_GP when CPL > 0, MMU_FAULT_UD
 * when the processor lacks it. */
MMU_API enum mmu_outcome mmu_core_invlpg(struct mmu_core *core, mmu_va va);

/* INVPCID: type 0 one address, 1 one PCID, 2 everything with globals, 3 everything but globals. Faults as the
 * SDM says. */
struct mmu_invpcid {
    uint64_t pcid; /* descriptor bits 63:0; bits 63:12 must be 0 */
    mmu_va va;     /* descriptor bits 127:64 */
};
MMU_API enum mmu_outcome mmu_core_invpcid(struct mmu_core *core, uint64_t type,
                                          const struct mmu_invpcid *descriptor);
/* The same with the descriptor read from memory at a linear address: the read is a supervisor access and can
 * raise #PF itself. */
MMU_API enum mmu_outcome mmu_core_invpcid_at(struct mmu_core *core, uint64_t type, mmu_va descriptor,
                                             struct mmu_result *result);

/* A 32-bit task switch that loads CR3 from the TSS: as MOV CR3, but with an unchanged CR3 nothing is dropped,
 * and CPL is not looked at. MMU_FAULT_GP in four- and five-level paging, which have none. */
MMU_API enum mmu_outcome mmu_core_task_switch(struct mmu_core *core, uint64_t cr3);

/*
 * What mmu_core_access() would do now, without any side effect: no A or D, no fill, no recency, no counter,
 * no time. result->where says where it would be found. A fault is told that the pager or the kernel would
 * resolve.
 */
MMU_API enum mmu_outcome mmu_core_probe(const struct mmu_core *core, const struct mmu_access *access,
                                        struct mmu_result *result);

/* Translates the first byte and fills like an access, sets A (never D), takes no time and never faults:
 * returns MMU_DONE, or the outcome it hides. CR3 stays what it is, also with os.kpti. */
MMU_API enum mmu_outcome mmu_core_prefetch(struct mmu_core *core, const struct mmu_access *access);

/* Statistics since creation. stats is filled completely. */
MMU_API void mmu_core_stats(const struct mmu_core *core, struct mmu_stats *stats);

/*
 * Waits until every access has completed; the wait is booked as stalled, as the tail of a run is. Call it
 * where a region of interest begins, before its first snapshot: the difference of two snapshots then holds no
 * cycle of an access from before.
 */
MMU_API void mmu_core_drain(struct mmu_core *core);

/*
 * Turns the classification of TLB misses on or off (off at first): the counters MMU_TLB_CLASSES of each
 * structure. Beside each structure runs one without end, and a fully associative one of as many entries with
 * LRU replacement; both are told of the same look-ups and the same invalidations. Compulsory: a structure
 * without end would have missed too. Capacity: the fully associative one would have. Conflict: neither, so
 * the sets, the ways or the policy are to blame. What an invalidation drops, and what a structure gives up to
 * keep its bound on PCIDs, counts as never seen: its next miss is compulsory again. So are misses of
 * translations that fault, as on the demand pager's first touch of a page, and of page sizes that a level
 * does not hold. Misses are told apart at the structure where `misses` counts them, a page by its size and
 * its PCID (or as global).
 *
 * It begins with the call: what the structures hold then counts as seen, other pages of before do not. Turned
 * off, the counters stay. It changes no result, no time and no other counter, but every access takes the slow
 * path, and host memory grows by about 32 to 64 bytes for each page and structure.
 *
 * MMU_OK, or MMU_ERR_NOMEM with nothing changed. When host memory runs out later, mmu_core_run() runs its
 * accesses, says MMU_ERR_NOMEM, and goes on saying so until classification is turned off: the classes are
 * wrong then.
 */
MMU_API int mmu_core_classify(struct mmu_core *core, bool on);

/* The core's clock: the issue time of the latest access. */
MMU_API mmu_cycle mmu_core_now(const struct mmu_core *core);

/* Sets the core's observer, replacing the previous one; NULL removes it. Copied. */
MMU_API void mmu_core_observe(struct mmu_core *core, const struct mmu_observer *observer);

/* One valid entry of a TLB structure, for views and tests. */
struct mmu_tlb_entry {
    mmu_va va;          /* first address of the page (or piece) */
    mmu_pa pa;          /* its physical address */
    uint16_t structure; /* index in the config */
    uint16_t pcid;
    uint32_t set, way;
    uint8_t page;       /* enum mmu_page */
    uint8_t page_shift; /* of the page in the tables; greater than the entry's own size when fractured */
    uint8_t key;        /* protection key */
    bool global, writable, user, no_execute, dirty;
};
/* Calls each() for every valid entry of one structure, by set and way. */
MMU_API void mmu_core_tlb_entries(const struct mmu_core *core, uint32_t structure,
                                  void (*each)(void *ctx, const struct mmu_tlb_entry *entry), void *ctx);

/* Executes every invariant of the core and of its structures; aborts with a message on the first that fails.
 * For tests. */
MMU_API void mmu_core_check(const struct mmu_core *core);

#ifdef __cplusplus
}
#endif
#endif
