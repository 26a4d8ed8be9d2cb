/*
 * rig.h: a machine on the test bench: page tables written by hand, registers set by hand, through the public
 * interface alone.
 *
 * Every function asserts that what it did succeeded, unless it returns the outcome.
 */
#ifndef RIG_H
#define RIG_H

#include <mmusim/mmusim.h>

/* Bits of entries and registers, in the tests' own words. */
enum {
    RIG_P = 1 << 0,
    RIG_W = 1 << 1,
    RIG_U = 1 << 2,
    RIG_A = 1 << 5,
    RIG_D = 1 << 6,
    RIG_PS = 1 << 7,
    RIG_G = 1 << 8,
};
#define RIG_XD     (UINT64_C(1) << 63)
#define RIG_KEY(k) ((uint64_t)(k) << 59)

#define RIG_PE      UINT64_C(1)
#define RIG_WP      (UINT64_C(1) << 16)
#define RIG_NW      (UINT64_C(1) << 29)
#define RIG_CD      (UINT64_C(1) << 30)
#define RIG_PG      (UINT64_C(1) << 31)
#define RIG_PSE     (UINT64_C(1) << 4)
#define RIG_PAE     (UINT64_C(1) << 5)
#define RIG_PGE     (UINT64_C(1) << 7)
#define RIG_LA57    (UINT64_C(1) << 12)
#define RIG_PCIDE   (UINT64_C(1) << 17)
#define RIG_SMEP    (UINT64_C(1) << 20)
#define RIG_SMAP    (UINT64_C(1) << 21)
#define RIG_PKE     (UINT64_C(1) << 22)
#define RIG_PKS     (UINT64_C(1) << 24)
#define RIG_LME     (UINT64_C(1) << 8)
#define RIG_LMA     (UINT64_C(1) << 10)
#define RIG_NXE     (UINT64_C(1) << 11)
#define RIG_NOFLUSH (UINT64_C(1) << 63)

struct rig {
    struct mmu_machine *machine;
    struct mmu_core *core;
    enum mmu_mode mode;
    mmu_pa next_table; /* where the next page table goes */
    mmu_pa root;       /* page-aligned (PAE: the four PDPTEs), loaded in CR3 by rig_start() */
};

/* A small x86-64 machine: every feature, no pager, DTLB and ITLB of 64 entries for every page size, a unified
 * second level, paging-structure caches, one walker. Fields can be changed before rig_start(). */
void rig_config(struct mmu_config *config);

/* Creates the machine, allocates a root and turns paging on in this mode: CR0.WP, NXE where it exists, PSE,
 * PGE, no PCIDs. */
void rig_start(struct rig *rig, const struct mmu_config *config, enum mmu_mode mode);
void rig_stop(struct rig *rig);

uint64_t rig_peek(const struct rig *rig, mmu_pa pa);
void rig_poke(struct rig *rig, mmu_pa pa, uint64_t value);

/* A zeroed page for a table. */
mmu_pa rig_table(struct rig *rig);
/* A new root. PAE: its four PDPTEs are there, each with a page directory, since they are read when CR3 is
 * loaded. */
mmu_pa rig_root(struct rig *rig);

/* The address of the entry of a level (5 PML5E ... 1 PTE) for va under a root. Tables on the way are made: P,
 * W, U, and the extra bits of `table`. */
mmu_pa rig_entry(struct rig *rig, mmu_pa root, mmu_va va, unsigned level, uint64_t table);

/* Maps the page of 1 << shift bytes around va to pa in the rig's root; flags: bits of the leaf (RIG_PS is
 * added). Returns the leaf's address. */
mmu_pa rig_map(struct rig *rig, mmu_va va, mmu_pa pa, unsigned shift, uint64_t flags);
mmu_pa rig_map_in(struct rig *rig, mmu_pa root, mmu_va va, mmu_pa pa, unsigned shift, uint64_t flags);

/* Sets a register and expects it to be taken. */
void rig_set(struct rig *rig, enum mmu_reg reg, uint64_t value);
/* Sets bits or clears them. */
void rig_set_bits(struct rig *rig, enum mmu_reg reg, uint64_t bits);
void rig_clear_bits(struct rig *rig, enum mmu_reg reg, uint64_t bits);

/* One access of 1 byte. */
struct mmu_result rig_access(struct rig *rig, enum mmu_kind kind, enum mmu_priv priv, mmu_va va);

/* The same, expected to end at this physical address; returns where it was found. */
enum mmu_where rig_expect(struct rig *rig, enum mmu_kind kind, enum mmu_priv priv, mmu_va va, mmu_pa pa);
/* The same, expected to fault with this error code, CR2 = va. */
void rig_expect_pf(struct rig *rig, enum mmu_kind kind, enum mmu_priv priv, mmu_va va, uint32_t error_code);

/* Is there a TLB entry, in any structure, of the page piece that holds va, under this PCID or global? */
bool rig_cached(const struct rig *rig, mmu_va va, unsigned pcid);
/* Valid entries of all TLB structures. */
size_t rig_entries(const struct rig *rig);

/* Paging-structure entries that walks have read so far. */
uint64_t rig_references(const struct rig *rig);

void rig_invlpg(struct rig *rig, mmu_va va);
void rig_invpcid(struct rig *rig, uint64_t type, uint64_t pcid, mmu_va va);

#endif
