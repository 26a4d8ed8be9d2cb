/*
 * x86.h: the architecture's numbers: control-register bits, entry formats, canonical addresses, and the
 * geometry of each paging mode.
 *
 * Constants of the manual only (Intel SDM vol. 3, chapters 2.5 and 4); no state. Both halves read it.
 */
#ifndef ARCH_X86_H
#define ARCH_X86_H

#include <mmusim/types.h>

enum { PAGE_SHIFT = 12, PAGE_SIZE = 4096 };
#define PAGE_MASK UINT64_C(4095)

#define BIT(n) (UINT64_C(1) << (n))

/* Bits hi..lo, both included; 0 when hi < lo. */
static inline __attribute__((const)) uint64_t BITS(unsigned hi, unsigned lo)
{
    return hi < lo ? 0 : ~UINT64_C(0) >> (63 - hi) & ~UINT64_C(0) << lo;
}

/* CR0 (SDM 2.5) */
#define CR0_PE BIT(0)
#define CR0_WP BIT(16)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

/* CR3 */
#define CR3_PCID    BITS(11, 0)
#define CR3_NOFLUSH BIT(63)

/* CR4 */
#define CR4_PSE   BIT(4)
#define CR4_PAE   BIT(5)
#define CR4_PGE   BIT(7)
#define CR4_LA57  BIT(12)
#define CR4_PCIDE BIT(17)
#define CR4_SMEP  BIT(20)
#define CR4_SMAP  BIT(21)
#define CR4_PKE   BIT(22)
#define CR4_PKS   BIT(24)

/* IA32_EFER */
#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)

/* Paging-structure entries (SDM tables 4-4 to 4-20) */
#define PTE_P          BIT(0)
#define PTE_W          BIT(1)
#define PTE_U          BIT(2)
#define PTE_PWT        BIT(3)
#define PTE_PCD        BIT(4)
#define PTE_A          BIT(5)
#define PTE_D          BIT(6)
#define PTE_PS         BIT(7)
#define PTE_G          BIT(8)
#define PTE_XD         BIT(63)
#define PTE_KEY_SHIFT  59
#define PTE_KEY(entry) ((unsigned)((entry) >> PTE_KEY_SHIFT) & 15u)

/* Page sizes, by enum mmu_page. */
static inline unsigned page_shift(unsigned page)
{
    return (unsigned)(0x1e16150cu >> 8 * page & 0xffu); /* bytes 12, 21, 22, 30 */
}

/*
 * The geometry of a paging mode: constant data, folded into each instance of the walk.
 * Levels are numbered as the SDM orders them: 1 PTE, 2 PDE, 3 PDPTE, 4 PML4E, 5 PML5E.
 */
struct geometry {
    uint8_t levels;      /* levels that a walk reads from memory (PAE: 2; its PDPTEs are registers) */
    uint8_t entry_bytes; /* 4 or 8 */
    uint8_t index_bits;  /* of the linear address, per level */
    uint8_t va_bits;     /* width of a linear address */
    bool has_xd;         /* entries have bit 63 */
    bool has_keys;       /* protection keys exist in this mode */
    bool long_mode;      /* linear addresses are canonical 64-bit ones */
    uint8_t large;       /* levels whose entries may map a page: bit l (bit 2: PDE, bit 3: PDPTE) */
};

#define GEOMETRY_I386                                                                                        \
    {                                                                                                        \
        2, 4, 10, 32, false, false, false, 1 << 2                                                            \
    }
#define GEOMETRY_PAE                                                                                         \
    {                                                                                                        \
        2, 8, 9, 32, true, false, false, 1 << 2                                                              \
    }
#define GEOMETRY_4L                                                                                          \
    {                                                                                                        \
        4, 8, 9, 48, true, true, true, 1 << 2 | 1 << 3                                                       \
    }
#define GEOMETRY_5L                                                                                          \
    {                                                                                                        \
        5, 8, 9, 57, true, true, true, 1 << 2 | 1 << 3                                                       \
    }

/* First bit of the linear address that selects an entry of this level. */
static inline unsigned level_shift(const struct geometry *g, unsigned level)
{
    return PAGE_SHIFT + g->index_bits * (level - 1u);
}

/* Is va canonical for a linear-address width of bits (SDM vol. 1, 3.3.7.1)? */
static inline bool is_canonical(mmu_va va, unsigned bits)
{
    uint64_t high = (uint64_t)((int64_t)va >> (bits - 1));
    return high == 0 || high == ~UINT64_C(0);
}

#endif
