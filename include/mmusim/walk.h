/*
 * mmusim/walk.h: a page walk to read: every step of it, every field of its entries; and memory images to walk
 * in.
 *
 * A walk is pure: it reads simulated memory and the core's registers, touches no TLB, no cache, no accessed
 * or dirty flag, no clock.
 */
#ifndef MMUSIM_WALK_H
#define MMUSIM_WALK_H

#include <mmusim/machine.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One paging-structure entry that a walk read. */
struct mmu_walk_step {
    uint8_t level;      /* 5 PML5E, 4 PML4E, 3 PDPTE, 2 PDE, 1 PTE */
    uint8_t bytes;      /* 4 or 8 */
    bool from_register; /* PAE: a PDPTE register, not memory */
    bool leaf;          /* maps a page */
    uint16_t index;     /* of the entry in its table */
    mmu_pa pa;          /* of the entry */
    uint64_t entry;     /* its value */
    uint64_t reserved;  /* the bits of it that are reserved and 1 */
};

/* Why an access faults, all causes together. */
enum {
    MMU_WHY_NOT_PRESENT = 1,
    MMU_WHY_RESERVED = 2,
    MMU_WHY_USER = 4,
    MMU_WHY_WRITE = 8,
    MMU_WHY_EXECUTE = 16,
    MMU_WHY_SMEP = 32,
    MMU_WHY_SMAP = 64,
    MMU_WHY_KEY = 128,
    MMU_WHY_CANONICAL = 256,
    MMU_WHY_MEMORY = 512,
};

struct mmu_walk {
    uint8_t mode;       /* enum mmu_mode */
    uint8_t outcome;    /* enum mmu_outcome */
    uint8_t page_shift; /* of the mapping, whenever a leaf was reached; 0 otherwise */
    uint8_t key;        /* protection key of the leaf */
    uint32_t error_code;
    uint32_t why;                           /* MMU_WHY_* */
    bool writable, user, no_execute;        /* ANDed R/W and U/S, ORed XD over all levels */
    bool global, dirty, accessed, pcd, pwt; /* of the leaf; global: its G flag, and CR4.PGE = 1 */
    mmu_pa pa;                              /* of the first byte, whenever a leaf was reached */
    uint32_t steps;
    struct mmu_walk_step step[5];
};

/* Walks for one access (its size is ignored: the first byte only). Returns walk->outcome. A record that is
 * none is an assertion, as for mmu_core_access(). */
MMU_API enum mmu_outcome mmu_core_walk(const struct mmu_core *core, const struct mmu_access *access,
                                       struct mmu_walk *walk);

/* "PML5E" ... "PTE", for level 5 ... 1. */
MMU_API const char *mmu_walk_level_name(unsigned level);

/*
 * A memory image: an ELF file (each PT_LOAD segment at its p_paddr; what p_memsz has beyond p_filesz reads as
 * 0), or any other file as raw bytes at one physical address. Compressed files (gzip, bzip2, xz, lzip, lz4,
 * zstd) up to MMU_IMAGE_MAX_UNPACKED bytes unpacked. An image may be larger than the host's memory: only what
 * is read of it is.
 *
 * base: where a raw file begins; must be 0 for an ELF file. *out is set on success; free it with
 * mmu_image_close(). MMU_OK, or a negative status with *err filled (may be NULL): file, byte offset, what is
 * wrong: a directory, an empty file, overlapping segments, segments outside the file or beyond 2^52.
 */
struct mmu_image;
#define MMU_IMAGE_MAX_UNPACKED (UINT64_C(16) << 30)

MMU_API int mmu_image_open(const char *path, mmu_pa base, struct mmu_image **out, struct mmu_error *err);
MMU_API void mmu_image_close(struct mmu_image *image); /* NULL is allowed */

/* Bytes of physical memory that the image covers. */
MMU_API uint64_t mmu_image_bytes(const struct mmu_image *image);

/*
 * The registers that an ELF core tells: CR0, CR2, CR3 and CR4 of the first processor that QEMU described
 * ("dump-guest-memory" writes a note for each); the others 0. EFER is not in the note, and taken for what
 * Linux sets: NXE with PAE tables, LME and LMA in an x86-64 core. MMU_OK or MMU_ERR_NOTFOUND.
 */
MMU_API int mmu_image_registers(const struct mmu_image *image, struct mmu_registers *registers);

/*
 * Makes the image the physical memory of machines created with *ops in their options: nothing answers outside
 * its segments. Accessed and dirty flags are written to a private copy, never to the file. The image must
 * outlive those machines, which share it and one thread.
 */
MMU_API void mmu_image_memory(struct mmu_image *image, struct mmu_memory_ops *ops);

/*
 * Copies an image into the machine's own memory, to whose contents beyond p_filesz nothing is done. *bytes
 * (may be NULL): bytes that the image covers. As mmu_image_open(); MMU_ERR_NORAM when a segment lies outside
 * the machine's RAM (nothing is written then); MMU_ERR_UNSUPPORTED when the machine has the caller's memory.
 */
MMU_API int mmu_machine_load_image(struct mmu_machine *machine, const char *path, mmu_pa base,
                                   uint64_t *bytes, struct mmu_error *err);

#ifdef __cplusplus
}
#endif
#endif
