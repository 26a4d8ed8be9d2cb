/*
 * port.h: everything that an operating system may do to the hardware.
 *
 * The kernel half changes translation as a kernel does: it writes entries into simulated memory, loads
 * registers, executes INVLPG and INVPCID. Nothing else of the hardware half is visible to it, and the
 * hardware half never calls it: a fault is an outcome, delivered to it by src/top.
 */
#ifndef HW_PORT_H
#define HW_PORT_H

#include <mmusim/machine.h>

struct mmu; /* the hardware of one core */

/* Physical memory. MMU_OK, MMU_ERR_NORAM or MMU_ERR_NOMEM. */
int port_read(const struct mmu *m, mmu_pa pa, void *to, size_t size);
int port_write(struct mmu *m, mmu_pa pa, const void *from, size_t size);
/* An aligned entry of 4 or 8 bytes, which must be RAM. */
uint64_t port_entry(const struct mmu *m, mmu_pa pa, unsigned bytes);
int port_put_entry(struct mmu *m, mmu_pa pa, uint64_t entry, unsigned bytes); /* as port_write() */
/* From a table of level *level down to va's table of level 1, as far as entries are present; those that map
 * pages are not told apart. address: bits of an entry that name a table. *level: of the table that it
 * returns. */
mmu_pa port_descend(const struct mmu *m, mmu_pa table, unsigned *level, mmu_va va, unsigned bytes,
                    uint64_t address);
bool port_answers(const struct mmu *m, mmu_pa pa, uint64_t size);
/* Drops the bytes of whole pages, which must be RAM: they read as zeros and cost the host nothing. */
void port_discard(struct mmu *m, mmu_pfn pfn, uint64_t pages);

/* Registers of this core; as mmu_core_set(), mmu_core_get() and mmu_core_load(). Loads and invalidations take
 * the core's time and are counted, but for port_load(): what a boot starts from. */
uint64_t port_get(const struct mmu *m, enum mmu_reg reg);
enum mmu_outcome port_set(struct mmu *m, enum mmu_reg reg, uint64_t value);
enum mmu_outcome port_load(struct mmu *m, const struct mmu_registers *registers);

/* Invalidations of this core. */
enum mmu_outcome port_invlpg(struct mmu *m, mmu_va va);
enum mmu_outcome port_invpcid(struct mmu *m, uint64_t type, const struct mmu_invpcid *descriptor);

/* Do this core's TLBs, at any level, hold a translation for va under the PCID that is loaded? For views. */
bool port_in_tlb(const struct mmu *m, mmu_va va);

#endif
