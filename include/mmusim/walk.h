/*
 * mmusim/walk.h: a page walk to read: every step of it, every field of its entries; and memory images to walk in.
 *
 * Pure: reads simulated memory and the core's registers, touches no TLB, no cache, no accessed or dirty flag, no clock.
 */
#ifndef MMUSIM_WALK_H
#define MMUSIM_WALK_H

#include <mmusim/machine.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One paging-structure entry that a walk read. */
struct mmu_walk_step {
    uint8_t level;   /* 5 PML5E, 4 PML4E, 3 PDPTE, 2 PDE, 1 PTE */
    uint8_t bytes;   /* 4 or 8 */
    bool from_register; /* PAE: a PDPTE register, not memory */
    bool leaf;       /* maps a page */
    uint16_t index;  /* of the entry in its table */
    mmu_pa pa;       /* of the entry */
    uint64_t entry;  /* its value */
    uint64_t reserved; /* the bits of it that are reserved and 1 */
};

/* Why an access faults, all causes together. */
enum {
    MMU_WHY_NOT_PRESENT = 1, MMU_WHY_RESERVED = 2, MMU_WHY_USER = 4, MMU_WHY_WRITE = 8, MMU_WHY_EXECUTE = 16, MMU_WHY_SMEP = 32,
    MMU_WHY_SMAP = 64, MMU_WHY_KEY = 128, MMU_WHY_CANONICAL = 256, MMU_WHY_MEMORY = 512,
};

struct mmu_walk {
    uint8_t mode;     /* enum mmu_mode */
    uint8_t outcome;  /* enum mmu_outcome */
    uint8_t page_shift; /* of the mapping, whenever a leaf was reached; 0 otherwise */
    uint8_t key;      /* protection key of the leaf */
    uint32_t error_code;
    uint32_t why;     /* MMU_WHY_* */
    bool writable, user, no_execute; /* ANDed R/W and U/S, ORed XD over all levels */
    bool global, dirty, accessed, pcd, pwt; /* of the leaf */
    mmu_pa pa;        /* of the first byte, whenever a leaf was reached */
    uint32_t steps;
    struct mmu_walk_step step[5];
};

/* Walks for one access (its size is ignored: the first byte only). Returns walk->outcome. */
MMU_API enum mmu_outcome mmu_core_walk(const struct mmu_core *core, const struct mmu_access *access, struct mmu_walk *walk);

/* "PML5E" ... "PTE", for level 5 ... 1. */
MMU_API const char *mmu_walk_level_name(unsigned level);

/*
 * Loads a memory image into the machine's memory: an ELF core file (each PT_LOAD segment at its p_paddr; overlapping segments, segments
 * outside the file or outside the machine's RAM are errors), or any other file as raw bytes at physical address base. Compressed files as
 * libarchive knows them. *bytes (may be NULL): bytes loaded.
 * MMU_OK or a negative status with *err filled: file, byte offset, what is wrong.
 */
MMU_API int mmu_machine_load_image(struct mmu_machine *machine, const char *path, mmu_pa base, uint64_t *bytes, struct mmu_error *err);

#ifdef __cplusplus
}
#endif
#endif
