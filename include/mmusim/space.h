/*
 * mmusim/space.h: address spaces under the demand pager: one for each process of a trace.
 *
 * Every process has its own top page table; frames are never shared. The process that is entered first gets
 * the address space that the machine begins with, so that a trace of one process runs as one of none. Where
 * the processor has PCIDs (four- and five-level paging) the first change of process turns CR4.PCIDE on, which
 * is not counted, as if it had always been so; each process has a PCID of its own and MOV CR3 keeps its
 * entries, up to 4096 processes. Elsewhere, and beyond, MOV CR3 flushes.
 */
#ifndef MMUSIM_SPACE_H
#define MMUSIM_SPACE_H

#include <mmusim/machine.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The accesses of this core that follow are the process id's: loads CR3 (SDM 4.10.4.1) unless its address
 * space is loaded already. Made by the operating system in no time of its own but MOV CR3's. MMU_OK;
 * MMU_ERR_UNSUPPORTED: the machine has no demand pager; MMU_ERR_EXHAUSTED: no frame for a top table;
 * MMU_ERR_NOMEM. Nothing has changed then.
 */
MMU_API int mmu_core_enter_process(struct mmu_core *core, uint64_t id);

/* How many processes have been entered on this machine. */
MMU_API uint64_t mmu_machine_processes(const struct mmu_machine *machine);

#ifdef __cplusplus
}
#endif
#endif
