/*
 * ref_walk.c: the tables of SDM vol. 3 chapter 4, line by line.
 *
 * Leaves out what the library leaves out: memory types (PAT is assumed to exist, so its bits are never
 * reserved), HLAT, shadow stacks, SGX, and nested paging.
 */
#include "ref_walk.h"

#include <stddef.h>

static bool bit(uint64_t value, unsigned n)
{
    return value >> n & 1;
}

/* Bits hi..lo of value, in place. */
static uint64_t bits(uint64_t value, unsigned hi, unsigned lo)
{
    uint64_t result = 0;
    for (unsigned n = lo; n <= hi; n++)
        if (bit(value, n))
            result |= UINT64_C(1) << n;
    return result;
}

enum ref_mode ref_mode_of(const struct ref_registers *r)
{
    if (!bit(r->cr0, 31))
        return REF_OFF;
    if (!bit(r->cr4, 5))
        return REF_32;
    if (!bit(r->efer, 8))
        return REF_PAE;
    return bit(r->cr4, 12) ? REF_5L : REF_4L;
}

/* The walk so far. */
struct walk {
    const struct ref_cpu *cpu;
    const struct ref_registers *r;
    const struct ref_memory *memory;
    uint64_t va;
    enum ref_kind kind;
    enum ref_priv priv;
    bool all_writable, all_user, any_xd;
    struct ref_translation t;
};

static bool wp(const struct walk *w)
{
    return bit(w->r->cr0, 16);
}
static bool pae(const struct walk *w)
{
    return bit(w->r->cr4, 5);
}
static bool nxe(const struct walk *w)
{
    return bit(w->r->efer, 11);
}
static bool smep(const struct walk *w)
{
    return bit(w->r->cr4, 20);
}
static bool smap(const struct walk *w)
{
    return bit(w->r->cr4, 21);
}
static bool pke(const struct walk *w)
{
    return bit(w->r->cr4, 22);
}
static bool pks(const struct walk *w)
{
    return bit(w->r->cr4, 24);
}

/* SDM 4.7 and figure 4-12. */
static void page_fault(struct walk *w, bool present, bool reserved, bool key)
{
    unsigned code = 0;
    if (present)
        code |= 1;
    if (w->kind == REF_WRITE)
        code |= 2;
    if (w->priv == REF_USER)
        code |= 4;
    if (reserved)
        code |= 8;
    if (w->kind == REF_FETCH && ((pae(w) && nxe(w)) || smep(w)))
        code |= 0x10;
    if (key)
        code |= 0x20;
    w->t.outcome = REF_PF;
    w->t.error_code = code;
}

/* Reads the entry of one level, remembers it, gathers its rights. */
static uint64_t read_entry(struct walk *w, unsigned level, uint64_t pa, unsigned bytes)
{
    uint64_t e = w->memory->read(w->memory->ctx, pa, bytes);
    w->t.entry[w->t.n++] = (struct ref_entry){level, bytes, pa, e, e};
    if (!bit(e, 1))
        w->all_writable = false;
    if (!bit(e, 2))
        w->all_user = false;
    if (bytes == 8 && bit(e, 63))
        w->any_xd = true;
    return e;
}

/* Present and without reserved bits, or a fault. */
static bool usable(struct walk *w, uint64_t e, uint64_t reserved)
{
    if (!bit(e, 0)) {
        page_fault(w, false, false, false);
        return false;
    }
    if (reserved) {
        page_fault(w, true, true, false);
        return false;
    }
    return true;
}

/* SDM 4.6.1: access rights without protection keys. */
static bool rights_allow(const struct walk *w)
{
    bool user_page = w->all_user;
    bool execute_disabled = w->any_xd && nxe(w); /* without NXE bit 63 is reserved, so it never comes here */
    if (w->priv == REF_USER) {
        if (!user_page)
            return false;
        if (w->kind == REF_WRITE)
            return w->all_writable;
        if (w->kind == REF_FETCH)
            return !execute_disabled;
        return true;
    }
    if (w->kind == REF_FETCH) {
        if (user_page && smep(w))
            return false;
        return !execute_disabled;
    }
    if (user_page && smap(w) && (w->priv == REF_IMPLICIT || !w->r->ac))
        return false;
    if (w->kind == REF_WRITE)
        return w->all_writable || !wp(w);
    return true;
}

/* SDM 4.6.2: do protection keys forbid this access? */
static bool key_forbids(struct walk *w)
{
    enum ref_mode mode = ref_mode_of(w->r);
    if ((mode != REF_4L && mode != REF_5L) || w->kind == REF_FETCH)
        return false;
    bool enabled = w->all_user ? pke(w) : pks(w);
    if (!enabled)
        return false;
    uint32_t rights = w->all_user ? w->r->pkru : w->r->pkrs;
    bool access_disabled = bit(rights, 2 * w->t.key);
    bool write_disabled = bit(rights, 2 * w->t.key + 1);
    if (!w->all_user && w->priv == REF_USER)
        w->t.key_unclear = true;
    if (access_disabled)
        return true;
    if (w->kind != REF_WRITE || !write_disabled)
        return false;
    return (w->all_user && w->priv == REF_USER) || wp(w);
}

/* The leaf was found: rights, then the flags that the access sets. */
static void finish(struct walk *w, uint64_t leaf, uint64_t frame, unsigned shift)
{
    struct ref_translation *t = &w->t;
    t->leaf_reached = true;
    t->writable = w->all_writable;
    t->user = w->all_user;
    t->no_execute = w->any_xd;
    t->global = bit(leaf, 8);
    t->dirty = bit(leaf, 6);
    t->key = (unsigned)(leaf >> 59) & 15;
    t->pa = frame + (w->va & ((UINT64_C(1) << shift) - 1));
    t->page_shift = shift;
    bool denied = !rights_allow(w);
    bool key = key_forbids(w);
    if (denied || key) {
        page_fault(w, true, false, key);
        return;
    }
    t->outcome = REF_OK;
    for (unsigned i = 0; i < t->n; i++)
        t->entry[i].after |= 0x20;
    if (w->kind == REF_WRITE)
        t->entry[t->n - 1].after |= 0x40;
}

/* SDM 4.3: 32-bit paging (tables 4-3 to 4-6). */
static void walk_32(struct walk *w)
{
    uint64_t pde = read_entry(w, 2, bits(w->r->cr3, 31, 12) + 4 * (w->va >> 22 & 0x3ff), 4);
    if (bit(w->r->cr4, 4) && bit(pde, 7)) { /* CR4.PSE and PS: a 4-MByte page */
        unsigned m = w->cpu->maxphyaddr < 40 ? w->cpu->maxphyaddr : 40;
        uint64_t reserved = w->cpu->pse36 ? bits(pde, 21, m - 19) : bits(pde, 21, 13);
        if (!usable(w, pde, reserved))
            return;
        uint64_t frame = bits(pde, 31, 22);
        if (w->cpu->pse36)
            frame |= (pde >> 13 & 0xff) << 32;
        finish(w, pde, frame, 22);
        return;
    }
    if (!usable(w, pde, 0))
        return;
    uint64_t pte = read_entry(w, 1, bits(pde, 31, 12) + 4 * (w->va >> 12 & 0x3ff), 4);
    if (usable(w, pte, 0))
        finish(w, pte, bits(pte, 31, 12), 12);
}

/* Bits of a 64-bit entry that are reserved whatever it points to, in PAE paging: 62:M, and 63 without NXE. */
static uint64_t reserved_pae(const struct walk *w, uint64_t e)
{
    return bits(e, 62, w->cpu->maxphyaddr) | (nxe(w) ? 0 : bits(e, 63, 63));
}

/* SDM 4.4: PAE paging (tables 4-8 to 4-11). */
static void walk_pae(struct walk *w)
{
    unsigned m = w->cpu->maxphyaddr;
    uint64_t pdpte = w->r->pdpte[w->va >> 30 & 3];
    if (!bit(pdpte, 0)) {
        page_fault(w, false, false, false);
        return;
    }
    uint64_t pde = read_entry(w, 2, bits(pdpte, m - 1, 12) + 8 * (w->va >> 21 & 0x1ff), 8);
    uint64_t reserved = reserved_pae(w, pde);
    if (bit(pde, 7)) { /* a 2-MByte page, whatever CR4.PSE is */
        if (usable(w, pde, reserved | bits(pde, 20, 13)))
            finish(w, pde, bits(pde, m - 1, 21), 21);
        return;
    }
    if (!usable(w, pde, reserved))
        return;
    uint64_t pte = read_entry(w, 1, bits(pde, m - 1, 12) + 8 * (w->va >> 12 & 0x1ff), 8);
    if (usable(w, pte, reserved_pae(w, pte)))
        finish(w, pte, bits(pte, m - 1, 12), 12);
}

/* The same in 4-level and 5-level paging: 51:M (62:52 are ignored or a key). */
static uint64_t reserved_64(const struct walk *w, uint64_t e)
{
    uint64_t high = w->cpu->maxphyaddr < 52 ? bits(e, 51, w->cpu->maxphyaddr) : 0;
    return high | (nxe(w) ? 0 : bits(e, 63, 63));
}

/* SDM 4.5 from the PML4 table on (tables 4-14 to 4-20). */
static void walk_pml4(struct walk *w, uint64_t pml4)
{
    unsigned m = w->cpu->maxphyaddr;
    uint64_t pml4e = read_entry(w, 4, pml4 + 8 * (w->va >> 39 & 0x1ff), 8);
    if (!usable(w, pml4e, reserved_64(w, pml4e) | bits(pml4e, 7, 7)))
        return;
    uint64_t pdpte = read_entry(w, 3, bits(pml4e, m - 1, 12) + 8 * (w->va >> 30 & 0x1ff), 8);
    uint64_t reserved = reserved_64(w, pdpte);
    if (bit(pdpte, 7) && w->cpu->page1g) {
        if (usable(w, pdpte, reserved | bits(pdpte, 29, 13)))
            finish(w, pdpte, bits(pdpte, m - 1, 30), 30);
        return;
    }
    if (!usable(w, pdpte, reserved | bits(pdpte, 7, 7)))
        return;
    uint64_t pde = read_entry(w, 2, bits(pdpte, m - 1, 12) + 8 * (w->va >> 21 & 0x1ff), 8);
    reserved = reserved_64(w, pde);
    if (bit(pde, 7)) {
        if (usable(w, pde, reserved | bits(pde, 20, 13)))
            finish(w, pde, bits(pde, m - 1, 21), 21);
        return;
    }
    if (!usable(w, pde, reserved))
        return;
    uint64_t pte = read_entry(w, 1, bits(pde, m - 1, 12) + 8 * (w->va >> 12 & 0x1ff), 8);
    if (usable(w, pte, reserved_64(w, pte)))
        finish(w, pte, bits(pte, m - 1, 12), 12);
}

static void walk_4l(struct walk *w)
{
    walk_pml4(w, bits(w->r->cr3, w->cpu->maxphyaddr - 1, 12));
}

static void walk_5l(struct walk *w)
{
    unsigned m = w->cpu->maxphyaddr;
    uint64_t pml5e = read_entry(w, 5, bits(w->r->cr3, m - 1, 12) + 8 * (w->va >> 48 & 0x1ff), 8);
    if (usable(w, pml5e, reserved_64(w, pml5e) | bits(pml5e, 7, 7)))
        walk_pml4(w, bits(pml5e, m - 1, 12));
}

/* SDM vol. 1, 3.3.7.1: bits 63 down to the top bit of the linear address are equal. */
static bool canonical(uint64_t va, unsigned width)
{
    for (unsigned n = width; n < 64; n++)
        if (bit(va, n) != bit(va, width - 1))
            return false;
    return true;
}

bool ref_load_pdptes(const struct ref_cpu *cpu, uint64_t cr3, const struct ref_memory *memory,
                     uint64_t pdpte[4])
{
    for (unsigned i = 0; i < 4; i++)
        pdpte[i] = memory->read(memory->ctx, bits(cr3, 31, 5) + 8 * i, 8);
    for (unsigned i = 0; i < 4; i++)
        if (bit(pdpte[i], 0) &&
            (bits(pdpte[i], 2, 1) | bits(pdpte[i], 8, 5) | bits(pdpte[i], 63, cpu->maxphyaddr)))
            return false;
    return true;
}

struct ref_translation ref_walk(const struct ref_cpu *cpu, const struct ref_registers *r,
                                const struct ref_memory *memory, uint64_t va, enum ref_kind kind,
                                enum ref_priv priv)
{
    struct walk w = {.cpu = cpu,
                     .r = r,
                     .memory = memory,
                     .va = va,
                     .kind = kind,
                     .priv = priv,
                     .all_writable = true,
                     .all_user = true};
    enum ref_mode mode = ref_mode_of(r);
    unsigned width = mode == REF_5L ? 57 : 48;
    if (mode == REF_OFF) {
        w.t.outcome = REF_OK;
        w.t.pa = va;
    } else if (mode == REF_32) {
        walk_32(&w);
    } else if (mode == REF_PAE) {
        walk_pae(&w);
    } else if (!canonical(va, width)) {
        w.t.outcome = REF_GP;
    } else if (mode == REF_5L) {
        walk_5l(&w);
    } else {
        walk_4l(&w);
    }
    return w.t;
}
