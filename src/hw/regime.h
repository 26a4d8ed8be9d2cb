/*
 * regime.h: control state, and what follows from it for translation.
 *
 * Registers change rarely, accesses ask always: so a change of CR0, CR3, CR4, EFER, PKRU, IA32_PKRS or
 * EFLAGS.AC is folded into masks of reserved bits per level and into permission tables, and every check is a
 * look-up (SDM 4.6, 4.7).
 */
#ifndef HW_REGIME_H
#define HW_REGIME_H

#include "bits.h"
#include "x86.h"
#include <mmusim/machine.h>

/*
 * Rights of a translation: W, U ANDed over its entries, X (execute-disable) ORed. A class is a kind and an
 * authority: class = kind + 3 * priv, as in enum mmu_kind and enum mmu_priv.
 */
enum { RIGHT_W = 1, RIGHT_U = 2, RIGHT_X = 4, RIGHTS = 8, CLASSES = MMU_KINDS * MMU_PRIVS };
#define CLASS(kind, priv) ((unsigned)(kind) + MMU_KINDS * (unsigned)(priv))
/* Bit sets of classes: every load/store/fetch. */
#define CLASSES_OF(kind) (0x49u << (kind)) /* bits kind, kind + 3, kind + 6 */

struct regime {
    struct mmu_cpu cpu;
    uint64_t reg[MMU_REGS]; /* as software sees them; EFER with LMA */
    uint64_t pdpte[4];      /* PAE: the PDPTE registers */

    /* derived by regime_derive() */
    enum mmu_mode mode;
    const struct geometry *geometry; /* NULL: paging is off */
    uint64_t root_mask, pcid_mask;   /* bits of CR3 */
    mmu_pa root;                     /* of the top table (PAE: of the PDPT) */
    uint16_t pcid;                   /* tag of everything cached now */
    bool global_pages;               /* CR4.PGE */
    bool pse;                        /* i386: PDE.PS maps 4 MBytes */
    bool fetch_bit;                  /* a fetch sets I/D in the error code */
    bool keys;                       /* PKE or PKS: rights depend on the key */
    uint8_t va_bits;
    uint64_t va_bias; /* (va + va_bias) >> va_bits == 0: va is a linear address of this mode (canonical, or of
                         32 bits) */
    uint64_t address_mask; /* physical-address bits of an entry that points to a table or maps 4 KBytes */
    uint64_t reserved_table[6]; /* by level: bits that must be 0 in an entry that points to a table */
    uint64_t reserved_leaf[6];  /* by level: ... that maps a page */
    uint16_t allowed[RIGHTS];   /* classes that these rights permit, keys aside */
    uint16_t key_denied[2][16]; /* [user page][key]: classes that the key forbids */
};

extern const struct geometry regime_geometry[MMU_MODES]; /* by enum mmu_mode; [MMU_MODE_OFF] unused */

/* After reset: paging off, CPL 0. */
void regime_reset(struct regime *r, const struct mmu_cpu *cpu);

/* Rebuilds everything derived from reg[]. */
void regime_derive(struct regime *r);

/* The same after a change of CR3 alone, from which root and PCID follow, and nothing else. */
static inline void regime_set_cr3(struct regime *r, uint64_t cr3)
{
    r->reg[MMU_REG_CR3] = cr3;
    r->root = cr3 & r->root_mask;
    r->pcid = (uint16_t)(cr3 & r->pcid_mask);
}

/* The paging mode that these registers select (SDM 4.1.1). */
enum mmu_mode regime_mode(uint64_t cr0, uint64_t cr4, uint64_t efer);

/* Register values that a MOV CR or WRMSR refuses with #GP whatever the other registers hold: bits that the
 * processor lacks. */
uint64_t regime_cr4_reserved(const struct mmu_cpu *cpu);
uint64_t regime_efer_reserved(const struct mmu_cpu *cpu);

/* Bits that are reserved in a PDPTE that is loaded with P = 1 (SDM 4.4.1). */
static inline uint64_t regime_pdpte_reserved(const struct regime *r)
{
    return BITS(2, 1) | BITS(8, 5) | BITS(63, r->cpu.maxphyaddr);
}

/* Classes that may use a translation with these rights and key. */
static inline unsigned regime_allowed(const struct regime *r, unsigned rights, unsigned key)
{
    unsigned allowed = r->allowed[rights];
    if (UNLIKELY(r->keys))
        allowed &= ~(unsigned)r->key_denied[rights & RIGHT_U ? 1 : 0][key];
    return allowed;
}

/* The #PF error code of a rights violation (or, with 0 rights known, of what `bits` already says). */
uint32_t regime_error_code(const struct regime *r, unsigned class, uint32_t bits);

#endif
