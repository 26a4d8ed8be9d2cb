/* regime.c: registers folded into masks and tables. See regime.h; SDM vol. 3, 4.1 to 4.7. */
#include "regime.h"
#include <string.h>

const struct geometry regime_geometry[MMU_MODES] = {
    [MMU_MODE_I386] = GEOMETRY_I386,
    [MMU_MODE_PAE] = GEOMETRY_PAE,
    [MMU_MODE_4L] = GEOMETRY_4L,
    [MMU_MODE_5L] = GEOMETRY_5L,
};

void regime_reset(struct regime *r, const struct mmu_cpu *cpu)
{
    memset(r, 0, sizeof *r);
    r->cpu = *cpu;
    r->reg[MMU_REG_CR0] = CR0_PE;
    regime_derive(r);
}

enum mmu_mode regime_mode(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    if (!(cr0 & CR0_PG))
        return MMU_MODE_OFF;
    if (!(cr4 & CR4_PAE))
        return MMU_MODE_I386;
    if (!(efer & EFER_LME))
        return MMU_MODE_PAE;
    return cr4 & CR4_LA57 ? MMU_MODE_5L : MMU_MODE_4L;
}

uint64_t regime_cr4_reserved(const struct mmu_cpu *cpu)
{
    const struct {
        bool has;
        uint64_t bit;
    } feature[] = {
        {cpu->pse, CR4_PSE},   {cpu->pae, CR4_PAE},    {cpu->pge, CR4_PGE},
        {cpu->la57, CR4_LA57}, {cpu->pcid, CR4_PCIDE}, {cpu->smep, CR4_SMEP},
        {cpu->smap, CR4_SMAP}, {cpu->pku, CR4_PKE},    {cpu->pks, CR4_PKS},
    };
    uint64_t reserved = BITS(63, 32);
    for (size_t i = 0; i < COUNT_OF(feature); i++)
        reserved |= feature[i].has ? 0 : feature[i].bit;
    return reserved;
}

uint64_t regime_efer_reserved(const struct mmu_cpu *cpu)
{
    uint64_t known = cpu->long_mode ? EFER_SCE | EFER_LME | EFER_LMA : 0;
    return ~(known | (cpu->nx ? EFER_NXE : 0));
}

/* SDM 4.6.1: may a class use a page with these rights? Protection keys come on top. */
static bool permits(const struct regime *r, unsigned kind, unsigned priv, unsigned rights)
{
    uint64_t cr0 = r->reg[MMU_REG_CR0], cr4 = r->reg[MMU_REG_CR4];
    bool user_page = rights & RIGHT_U, writable = rights & RIGHT_W;

    if (kind == MMU_FETCH && (rights & RIGHT_X))
        return false;
    if (priv == MMU_USER)
        return user_page && (kind != MMU_STORE || writable);
    if (kind == MMU_FETCH)
        return !(user_page && (cr4 & CR4_SMEP));
    if (user_page && (cr4 & CR4_SMAP) && !(priv == MMU_SUPERVISOR && r->reg[MMU_REG_AC]))
        return false;
    return kind != MMU_STORE || writable || !(cr0 & CR0_WP);
}

/*
 * SDM 4.6.2: does a protection key forbid a data access? PKRU rules user-mode addresses, IA32_PKRS
 * supervisor-mode ones. Access-disable holds for every data access, write-disable for user accesses and, with
 * CR0.WP, for supervisor ones.
 */
static bool key_denies(const struct regime *r, unsigned kind, unsigned priv, bool user_page, unsigned key)
{
    uint64_t cr4 = r->reg[MMU_REG_CR4];
    if (kind == MMU_FETCH || !(cr4 & (user_page ? CR4_PKE : CR4_PKS)))
        return false;
    uint64_t bits = r->reg[user_page ? MMU_REG_PKRU : MMU_REG_PKRS] >> (2 * key);
    bool protect_write = priv == MMU_USER || (r->reg[MMU_REG_CR0] & CR0_WP);
    return (bits & 1) || ((bits & 2) && kind == MMU_STORE && protect_write);
}

static void derive_permissions(struct regime *r)
{
    memset(r->allowed, 0, sizeof r->allowed);
    memset(r->key_denied, 0, sizeof r->key_denied);
    r->keys = r->geometry && r->geometry->has_keys && (r->reg[MMU_REG_CR4] & (CR4_PKE | CR4_PKS));
    for (unsigned c = 0; c < CLASSES; c++) {
        unsigned kind = c % MMU_KINDS, priv = c / MMU_KINDS;
        for (unsigned rights = 0; rights < RIGHTS; rights++)
            r->allowed[rights] |= (uint16_t)((unsigned)permits(r, kind, priv, rights) << c);
        for (unsigned k = 0; r->keys && k < 32; k++)
            r->key_denied[k >> 4][k & 15] |=
                (uint16_t)((unsigned)key_denies(r, kind, priv, k >> 4, k & 15) << c);
    }
}

/* SDM tables 4-4 to 4-20: reserved bits. */
static void derive_reserved(struct regime *r)
{
    unsigned maxpa = r->cpu.maxphyaddr;
    memset(r->reserved_table, 0, sizeof r->reserved_table);
    memset(r->reserved_leaf, 0, sizeof r->reserved_leaf);
    if (r->mode == MMU_MODE_I386) {
        unsigned m = !r->cpu.pse36 ? 32 : maxpa < 40 ? maxpa : 40;
        r->address_mask = BITS(31, PAGE_SHIFT);
        r->reserved_leaf[2] = BITS(21, m - 19);
        return;
    }
    uint64_t high = BITS(r->mode == MMU_MODE_PAE ? 62 : 51, maxpa);
    if (!(r->reg[MMU_REG_EFER] & EFER_NXE))
        high |= PTE_XD;
    r->address_mask = BITS(maxpa - 1, PAGE_SHIFT);
    for (unsigned level = 1; level <= 5; level++)
        r->reserved_table[level] = r->reserved_leaf[level] = high;
    r->reserved_table[4] |= PTE_PS;
    r->reserved_table[5] |= PTE_PS;
    r->reserved_leaf[2] |= BITS(20, 13);
    r->reserved_leaf[3] |= r->cpu.page1g ? BITS(29, 13) : PTE_PS;
}

void regime_derive(struct regime *r)
{
    uint64_t cr0 = r->reg[MMU_REG_CR0], cr3 = r->reg[MMU_REG_CR3], cr4 = r->reg[MMU_REG_CR4],
             efer = r->reg[MMU_REG_EFER];
    r->mode = regime_mode(cr0, cr4, efer);
    r->geometry = r->mode == MMU_MODE_OFF ? NULL : &regime_geometry[r->mode];
    r->reg[MMU_REG_EFER] = r->mode >= MMU_MODE_4L ? efer | EFER_LMA : efer & ~EFER_LMA;
    r->va_bits = r->geometry ? r->geometry->va_bits : 64;
    r->va_bias = r->mode >= MMU_MODE_4L ? BIT(r->va_bits - 1) : 0;
    r->global_pages = cr4 & CR4_PGE;
    r->pse = cr4 & CR4_PSE;
    r->fetch_bit = (cr4 & CR4_SMEP) || ((cr4 & CR4_PAE) && (efer & EFER_NXE));
    derive_reserved(r);
    r->pcid_mask = (cr4 & CR4_PCIDE) && r->mode >= MMU_MODE_4L ? CR3_PCID : 0;
    r->root_mask = r->mode == MMU_MODE_OFF    ? 0
                   : r->mode == MMU_MODE_I386 ? BITS(31, 12)
                   : r->mode == MMU_MODE_PAE  ? BITS(31, 5)
                                              : r->address_mask;
    regime_set_cr3(r, cr3);
    derive_permissions(r);
}

uint32_t regime_error_code(const struct regime *r, unsigned class, uint32_t bits)
{
    unsigned kind = class % MMU_KINDS, priv = class / MMU_KINDS;
    if (kind == MMU_STORE)
        bits |= MMU_PF_W;
    if (priv == MMU_USER)
        bits |= MMU_PF_U;
    if (kind == MMU_FETCH && r->fetch_bit)
        bits |= MMU_PF_I;
    return bits;
}
