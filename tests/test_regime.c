/*
 * test_regime.c: control registers -> paging mode, reserved bits, permissions, against the SDM's tables and
 * sentences written out one by one.
 */
#include "dice.h"
#include "regime.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

static const struct mmu_cpu everything = {
    .maxphyaddr = 46,
    .wp = true,
    .invlpg = true,
    .pse = true,
    .pse36 = true,
    .pae = true,
    .pge = true,
    .long_mode = true,
    .nx = true,
    .page1g = true,
    .la57 = true,
    .pcid = true,
    .invpcid = true,
    .smep = true,
    .smap = true,
    .pku = true,
    .pks = true,
};

static void enter(struct regime *r, const struct mmu_cpu *cpu, enum mmu_mode mode, bool nxe)
{
    regime_reset(r, cpu);
    r->reg[MMU_REG_CR0] = CR0_PE | CR0_PG;
    r->reg[MMU_REG_CR4] =
        CR4_PSE | (mode >= MMU_MODE_PAE ? CR4_PAE : 0) | (mode == MMU_MODE_5L ? CR4_LA57 : 0);
    r->reg[MMU_REG_EFER] = (mode >= MMU_MODE_4L ? EFER_LME : 0) | (nxe ? EFER_NXE : 0);
    regime_derive(r);
    assert_int_equal(r->mode, mode);
}

static void test_modes(void **state)
{
    (void)state;
    /* SDM 4.1.1: PG, PAE, LME, LA57 */
    for (unsigned bits = 0; bits < 16; bits++) {
        bool pg = bits & 1, pae = bits & 2, lme = bits & 4, la57 = bits & 8;
        enum mmu_mode mode =
            regime_mode(pg ? CR0_PG : 0, (pae ? CR4_PAE : 0) | (la57 ? CR4_LA57 : 0), lme ? EFER_LME : 0);
        enum mmu_mode expected = !pg    ? MMU_MODE_OFF
                                 : !pae ? MMU_MODE_I386
                                 : !lme ? MMU_MODE_PAE
                                 : la57 ? MMU_MODE_5L
                                        : MMU_MODE_4L;
        assert_int_equal(mode, expected);
    }
}

/* Is this bit of a present entry reserved? SDM tables 4-4 to 4-6 (32-bit), 4-9 to 4-11 (PAE), 4-14 to 4-20
 * (four and five levels). */
static bool reserved_bit(enum mmu_mode mode, unsigned level, bool leaf, unsigned bit,
                         const struct mmu_cpu *cpu, bool nxe)
{
    unsigned m = cpu->maxphyaddr;
    if (mode == MMU_MODE_I386) {
        if (!(level == 2 && leaf))
            return false;
        if (!cpu->pse36)
            return bit >= 13 && bit <= 21;
        unsigned width =
            m < 40 ? m
                   : 40; /* "If the PSE-36 mechanism is supported, M is the minimum of 40 and MAXPHYADDR" */
        return bit >= width - 19 && bit <= 21;
    }
    if (bit == 63)
        return !nxe; /* "if IA32_EFER.NXE = 1, execute-disable; otherwise, reserved" */
    if (mode == MMU_MODE_PAE ? bit >= m : bit >= m && bit <= 51)
        return true;
    if (level == 5)
        return bit == 7;
    if (level == 4)
        return bit == 7;
    if (level == 3 && leaf)
        return cpu->page1g ? bit >= 13 && bit <= 29 : bit == 7;
    if (level == 2 && leaf)
        return bit >= 13 && bit <= 20;
    return false;
}

static void check_reserved(const struct mmu_cpu *cpu, enum mmu_mode mode, bool nxe)
{
    static const unsigned levels[MMU_MODES] = {0, 2, 2, 4, 5};
    struct regime r;
    enter(&r, cpu, mode, nxe);
    unsigned top = mode == MMU_MODE_I386 ? 31 : 63;
    for (unsigned level = 1; level <= levels[mode]; level++) {
        for (unsigned bit = 0; bit <= top; bit++) {
            bool table = level > 1 && (r.reserved_table[level] >> bit & 1);
            bool leaf = level <= 3 && (r.reserved_leaf[level] >> bit & 1);
            if ((level > 1 && table != reserved_bit(mode, level, false, bit, cpu, nxe)) ||
                (level <= 3 && leaf != reserved_bit(mode, level, true, bit, cpu, nxe)))
                fail_msg("mode %d level %u bit %u, maxphyaddr %u, nxe %d: table %d, leaf %d", mode, level,
                         bit, cpu->maxphyaddr, nxe, table, leaf);
        }
    }
}

static void test_reserved(void **state)
{
    (void)state;
    static const unsigned width[] = {32, 36, 39, 40, 41, 46, 51, 52};
    for (unsigned w = 0; w < COUNT_OF(width); w++) {
        for (unsigned bits = 0; bits < 8; bits++) {
            struct mmu_cpu cpu = everything;
            cpu.maxphyaddr = width[w];
            cpu.pse36 = bits & 1;
            cpu.page1g = bits & 2;
            for (enum mmu_mode mode = MMU_MODE_I386; mode <= MMU_MODE_5L; mode++)
                check_reserved(&cpu, mode, bits & 4);
        }
    }
}

/* SDM 4.4.1: PDPTE bits 2:1, 8:5, 63:MAXPHYADDR are reserved. */
static void test_pdpte(void **state)
{
    (void)state;
    struct regime r;
    for (unsigned m = 32; m <= 52; m++) {
        struct mmu_cpu cpu = everything;
        cpu.maxphyaddr = m;
        enter(&r, &cpu, MMU_MODE_PAE, true);
        for (unsigned bit = 0; bit < 64; bit++)
            assert_int_equal(regime_pdpte_reserved(&r) >> bit & 1,
                             bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= m);
    }
}

struct control {
    bool wp, smep, smap, ac, pke, pks;
    uint32_t pkru, pkrs;
};

/* SDM 4.6.1, sentence by sentence; user: a user-mode address; xd: execute-disable is set (and NXE = 1). */
static bool sdm_allows(const struct control *c, unsigned kind, unsigned priv, bool writable, bool user,
                       bool xd)
{
    if (priv == MMU_USER) {
        if (kind == MMU_LOAD) /* "Data may be read from any user-mode address ... Data may not be read from
                                 any supervisor-mode address" */
            return user;
        if (kind == MMU_STORE) /* "... with a translation for which the R/W flag is 1 in every entry" */
            return user && writable;
        return user && !xd; /* "Instructions may be fetched from any user-mode address ... XD flag is 0 in
                               every entry" */
    }
    bool explicit_access = priv == MMU_SUPERVISOR;
    if (kind == MMU_LOAD || kind == MMU_STORE) {
        if (user && c->smap) { /* "If CR4.SMAP = 1, access rights depend on the value of EFLAGS.AC and whether
                                  implicit or explicit" */
            if (!explicit_access || !c->ac)
                return false;
        }
        if (kind == MMU_LOAD)
            return true;
        return writable || !c->wp; /* "If CR0.WP = 0, data may be written to any supervisor-mode address";
                                      likewise user-mode ones */
    }
    if (!user) /* "For supervisor-mode addresses ... XD flag" */
        return !xd;
    return !c->smep &&
           !xd; /* "If CR4.SMEP = 1, instructions may not be fetched from any user-mode address" */
}

/* SDM 4.6.2 */
static bool sdm_key_allows(const struct control *c, unsigned kind, unsigned priv, bool user, unsigned key)
{
    if (kind == MMU_FETCH || (user ? !c->pke : !c->pks))
        return true;
    uint32_t keys = user ? c->pkru : c->pkrs;
    bool access_disable = keys >> (2 * key) & 1, write_disable = keys >> (2 * key + 1) & 1;
    if (access_disable)
        return false;
    if (kind == MMU_STORE && write_disable) {
        if (priv == MMU_USER)
            return false;
        return !c->wp; /* supervisor writes only when CR0.WP = 1 */
    }
    return true;
}

static void apply(struct regime *r, const struct control *c)
{
    r->reg[MMU_REG_CR0] = CR0_PE | CR0_PG | (c->wp ? CR0_WP : 0);
    r->reg[MMU_REG_CR4] = CR4_PAE | (c->smep ? CR4_SMEP : 0) | (c->smap ? CR4_SMAP : 0) |
                          (c->pke ? CR4_PKE : 0) | (c->pks ? CR4_PKS : 0);
    r->reg[MMU_REG_EFER] = EFER_LME | EFER_NXE;
    r->reg[MMU_REG_PKRU] = c->pkru;
    r->reg[MMU_REG_PKRS] = c->pkrs;
    r->reg[MMU_REG_AC] = c->ac;
    regime_derive(r);
}

static void test_permissions(void **state)
{
    (void)state;
    struct dice dice = dice_new("permissions", 1);
    struct regime r;
    regime_reset(&r, &everything);
    for (unsigned bits = 0; bits < 64 * 8; bits++) {
        struct control c = {bits & 1,
                            bits & 2,
                            bits & 4,
                            bits & 8,
                            bits & 16,
                            bits & 32,
                            (uint32_t)dice_next(&dice),
                            (uint32_t)dice_next(&dice)};
        apply(&r, &c);
        for (unsigned class = 0; class < CLASSES; class ++) {
            for (unsigned rights = 0; rights < RIGHTS; rights++) {
                bool writable = rights & RIGHT_W, user = rights & RIGHT_U, xd = rights & RIGHT_X;
                for (unsigned key = 0; key < 16; key++) {
                    unsigned kind = class % MMU_KINDS, priv = class / MMU_KINDS;
                    bool expected = sdm_allows(&c, kind, priv, writable, user, xd) &&
                                    sdm_key_allows(&c, kind, priv, user, key);
                    if ((regime_allowed(&r, rights, key) >> class & 1) != expected)
                        fail_msg("kind %u priv %u rights %u key %u control %#x: expected %d", kind, priv,
                                 rights, key, bits, expected);
                }
            }
        }
    }
}

/* Protection keys exist in four-level and five-level paging only, whatever CR4 says. */
static void test_keys_need_long_mode(void **state)
{
    (void)state;
    struct regime r;
    regime_reset(&r, &everything);
    r.reg[MMU_REG_CR0] = CR0_PE | CR0_PG;
    r.reg[MMU_REG_CR4] = CR4_PAE | CR4_PKE | CR4_PKS;
    r.reg[MMU_REG_PKRU] = r.reg[MMU_REG_PKRS] = UINT32_MAX;
    regime_derive(&r);
    assert_int_equal(r.mode, MMU_MODE_PAE);
    assert_true(regime_allowed(&r, RIGHT_U | RIGHT_W, 0) >> CLASS(MMU_STORE, MMU_USER) & 1);
}

/* SDM 4.7: U/S, W/R from the access; I/D when SMEP = 1, or NXE = 1 and PAE = 1. */
static void test_error_codes(void **state)
{
    (void)state;
    struct regime r;
    regime_reset(&r, &everything);
    for (unsigned bits = 0; bits < 8; bits++) {
        bool pae = bits & 1, nxe = bits & 2, smep = bits & 4;
        r.reg[MMU_REG_CR0] = CR0_PE | CR0_PG;
        r.reg[MMU_REG_CR4] = (pae ? CR4_PAE : 0) | (smep ? CR4_SMEP : 0);
        r.reg[MMU_REG_EFER] = nxe ? EFER_NXE : 0;
        regime_derive(&r);
        for (unsigned class = 0; class < CLASSES; class ++) {
            unsigned kind = class % MMU_KINDS, priv = class / MMU_KINDS;
            uint32_t expected = MMU_PF_P;
            expected |= kind == MMU_STORE ? MMU_PF_W : 0u;
            expected |= priv == MMU_USER ? MMU_PF_U : 0u;
            expected |= kind == MMU_FETCH && (smep || (pae && nxe)) ? MMU_PF_I : 0u;
            assert_int_equal(regime_error_code(&r, class, MMU_PF_P), expected);
        }
    }
}

/* A bit of CR4 or EFER that the processor lacks is reserved, one that it has is not. */
static void test_register_bits(void **state)
{
    (void)state;
    const struct mmu_cpu nothing = {.maxphyaddr = 32};
    const uint64_t cr4 =
        CR4_PSE | CR4_PAE | CR4_PGE | CR4_LA57 | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_PKS;
    assert_int_equal(regime_cr4_reserved(&everything) & cr4, 0);
    assert_int_equal(regime_cr4_reserved(&nothing) & cr4, cr4);
    assert_int_equal(regime_cr4_reserved(&everything) & BITS(63, 32), BITS(63, 32));
    assert_int_equal(regime_efer_reserved(&everything), ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE));
    assert_int_equal(regime_efer_reserved(&nothing), ~UINT64_C(0));
    struct mmu_cpu one = nothing;
    one.smap = true;
    assert_int_equal(regime_cr4_reserved(&one) & cr4, cr4 & ~CR4_SMAP);
}

/* Where walks begin, under which PCID. */
static void test_root(void **state)
{
    (void)state;
    struct regime r;
    const uint64_t cr3 = UINT64_C(0x00003fffffffffff); /* all of MAXPHYADDR 46 */
    const mmu_pa root[MMU_MODES] = {0, 0xfffff000, 0xffffffe0, UINT64_C(0x3ffffffff000),
                                    UINT64_C(0x3ffffffff000)};
    for (enum mmu_mode mode = MMU_MODE_I386; mode <= MMU_MODE_5L; mode++) {
        enter(&r, &everything, mode, true);
        r.reg[MMU_REG_CR3] = cr3;
        regime_derive(&r);
        assert_int_equal(r.root, root[mode]);
        assert_int_equal(r.pcid, 0);
        assert_int_equal(!!(r.reg[MMU_REG_EFER] & EFER_LMA), mode >= MMU_MODE_4L);
    }
    r.reg[MMU_REG_CR4] |= CR4_PCIDE;
    regime_derive(&r);
    assert_int_equal(r.pcid, 0xfff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_reserved),
        cmocka_unit_test(test_pdpte),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_keys_need_long_mode),
        cmocka_unit_test(test_error_codes),
        cmocka_unit_test(test_register_bits),
        cmocka_unit_test(test_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
