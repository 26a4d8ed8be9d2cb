/*
 * pager.h: the demand pager, for studies without a kernel: maps a page when it is first touched.
 *
 * One address space for all cores of a machine. Page tables lie in simulated memory and are written through
 * the port, like a kernel's. Pages are user, writable and executable; which size is the config's policy.
 * Frames are handed out in order, or in a random order that the seed decides (a permutation of the frames,
 * computed, not stored). Frames are never given back. Left out: everything else that a kernel does.
 */
#ifndef TOP_PAGER_H
#define TOP_PAGER_H

#include "port.h"
#include "x86.h"

/* A run of equal blocks of RAM: block i of the machine lies in the run with first <= i. */
struct pager_run {
    uint64_t first;
    mmu_pa start;
};

/* The address space of a process. */
struct pager_space {
    uint64_t id;
    mmu_pa root;
};

struct pager {
    const struct mmu_pager_config *config;
    const struct geometry *geometry;
    mmu_pa root; /* of the address space that the machine begins with */
    struct pager_space
        *space; /* of the processes entered so far (space.c), the first one's root is the above */
    size_t spaces;
    /* frames: RAM is cut into blocks of the largest page size that the policy uses; smaller pages are cut
     * from a block in turn */
    unsigned block_shift;
    uint64_t all_blocks;
    uint64_t next_block,
        blocks; /* not yet handed out: [next_block, blocks); data from the front, tables from the back */
    mmu_pa table_block; /* being cut into tables */
    struct pager_run run[MMU_MAX_RAM_RANGES];
    unsigned runs;
    uint64_t key; /* of the permutation; 0: in order */
    struct pager_cut {
        mmu_pa block; /* being cut */
        uint64_t next, pieces;
    } cut[MMU_PAGES];
    uint64_t tables; /* frames used for tables */
};

/* Lays out the frames. No host memory. */
void pager_init(struct pager *p, const struct mmu_config *config);

/* Makes the top table and the PAE mode's four page directories. MMU_OK, MMU_ERR_EXHAUSTED, MMU_ERR_NOMEM. */
int pager_make_root(struct pager *p, struct mmu *m);

/* The number of a process's address space, made if there is none. Statuses as before. */
int pager_find_space(struct pager *p, struct mmu *m, uint64_t id, size_t *space);
/* The number of the one that is loaded; false: none of them. */
bool pager_space_now(const struct pager *p, const struct mmu *m, size_t *space);

void pager_free(struct pager *p);

/* Puts a core into the pager's paging mode and address space. */
enum mmu_outcome pager_enter(const struct pager *p, struct mmu *m, const struct mmu_cpu *cpu);

/* Maps the page of va in the address space that is loaded, of the size that the policy says. MMU_OK,
 * MMU_ERR_EXHAUSTED (no frame left), MMU_ERR_NOMEM. */
int pager_map(struct pager *p, struct mmu *m, mmu_va va);

#endif
