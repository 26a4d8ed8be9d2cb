/*
 * pgtable.h: page tables as entries in simulated memory: the four kernels' geometry, single entries read and
 * written through the port, and the pages that hold them.
 *
 * Models what include/linux/pgtable.h and arch/x86/include/asm/pgtable*.h give the rest of the kernel. Levels
 * are numbered as in x86.h: 1 PTE, 2 PDE, 3 PDPTE, 4 PML4E, 5 PML5E; PAE's four PDPTEs are a level like the
 * others here. Knows nothing of who maps what: see kspace.h, pgd.h.
 */
#ifndef OS_PGTABLE_H
#define OS_PGTABLE_H

#include "os.h"

enum { PGTABLE_LEVELS = 5 };

/* The geometry of a kernel's page tables: constant data, by enum mmu_os_arch. */
struct pgtable_form {
    uint8_t levels;      /* the top one is the page directory */
    uint8_t entry_bytes; /* 4 or 8 */
    uint8_t index_bits;  /* of the address, at each level but the top */
    uint8_t top_bits;    /* ... at the top: PAE 2 */
    uint8_t va_bits;
    uint8_t large;        /* levels whose entries may map a page: bit l, if the CPU can */
    uint64_t link;        /* bits of an entry that points to a table (_PAGE_TABLE) */
    uint64_t top_link;    /* ... of an entry at the top */
    uint64_t address;     /* bits of an entry that hold a physical address (of 4 KBytes) */
    uint64_t not_execute; /* XD, or 0 where entries have none */
};
extern const struct pgtable_form pgtable_form[MMU_OS_ARCHES];

/* First bit of the address that selects an entry of this level; log2 of the bytes that it spans. */
static inline unsigned pgtable_shift(const struct pgtable_form *f, unsigned level)
{
    return PAGE_SHIFT + f->index_bits * (level - 1u);
}

static inline unsigned pgtable_bits(const struct pgtable_form *f, unsigned level)
{
    return level == f->levels ? f->top_bits : f->index_bits;
}

static inline unsigned pgtable_index(const struct pgtable_form *f, unsigned level, mmu_va va)
{
    return (unsigned)(va >> pgtable_shift(f, level)) & ((1u << pgtable_bits(f, level)) - 1u);
}

/* The level whose entries map pages of this size; 0: none does. */
unsigned pgtable_level_of(const struct pgtable_form *f, unsigned shift);

/* Does an entry of this level map a page? P = 0 entries never do. */
static inline bool pgtable_is_leaf(const struct pgtable_form *f, unsigned level, uint64_t entry)
{
    return (entry & PTE_P) && (level == 1 || ((f->large >> level & 1) && (entry & PTE_PS)));
}
/* Physical address that a leaf maps, without the PAT bit of large pages. */
mmu_pa pgtable_leaf_pa(const struct pgtable_form *f, unsigned level, uint64_t entry);

/* The PAT bit stands at 7 in a PTE, at 12 in larger leaves. */
#define PTE_PAT       BIT(7)
#define PTE_PAT_LARGE BIT(12)
/* A leaf's attribute bits (all but its address) as a PTE would have them, and back. */
uint64_t pgtable_attributes(const struct pgtable_form *f, unsigned level, uint64_t entry);
uint64_t pgtable_leaf(const struct pgtable_form *f, unsigned level, mmu_pa pa, uint64_t attributes);

/* One entry, and a run of entries, through the port. Tables always lie in RAM; a host that is out of memory
 * is the only failure: MMU_ERR_NOMEM. */
uint64_t pgtable_read(const struct mmu_os *os, mmu_pa at);
int pgtable_write(struct mmu_os *os, mmu_pa at, uint64_t entry);

/* From a table of level *level to va's table of level 1, as far as there are tables; *level: of the one that
 * it returns. Only where no large pages are: the user part. */
mmu_pa pgtable_descend(const struct mmu_os *os, mmu_pa table, unsigned *level, mmu_va va);

/* Where an address's entry lies in a table. */
static inline mmu_pa pgtable_at(const struct pgtable_form *f, unsigned level, mmu_pa table, mmu_va va)
{
    return table + (mmu_pa)pgtable_index(f, level, va) * f->entry_bytes;
}

/* The walk in software from a root: fills *to as mmu_os_lookup() says. */
void pgtable_lookup(const struct mmu_os *os, mmu_pa root, mmu_va va, struct mmu_os_lookup *to);

#endif
