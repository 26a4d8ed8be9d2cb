/*
 * test_walk_random.c: the page walker against the naive one (ref_walk.h), on random tables, registers and
 * accesses, in every paging mode.
 *
 * A round is a processor, registers and a handful of frames full of entries that mostly point into the
 * handful, so that walks go deep, tables serve two levels at once, and entries are shared. Each access is
 * made on the real walker (mmu_core_walk(), which changes nothing) and for real with nothing cached;
 * afterwards every byte of the frames must be what the naive walker says.
 *
 * A faulting walk may set A in the entries that it used (SDM 6.15), never D; nothing else may change.
 */
#include "dice.h"
#include "ref_walk.h"

#include <mmusim/mmusim.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 12, ACCESSES = 24, ENTRIES = 512 };
enum { PS = 1 << 7 };

/* What the accesses of a mode came to: a test that only ever faults at the root would show nothing. */
struct tally {
    unsigned all, ok, not_present, reserved, rights, gp, large;
};

struct world {
    struct dice *dice;
    struct ref_cpu cpu;
    struct ref_registers r;
    enum ref_mode mode;
    unsigned entry_bytes;
    uint64_t frame[FRAMES];            /* addresses */
    uint64_t content[FRAMES][ENTRIES]; /* what the frames must hold */
    struct mmu_machine *machine;
    struct mmu_core *core;
    struct tally *tally;
};

static uint8_t *byte_at(struct world *w, uint64_t pa)
{
    for (unsigned i = 0; i < FRAMES; i++)
        if (pa >> 12 == w->frame[i] >> 12)
            return (uint8_t *)w->content[i] + (pa & 4095);
    return NULL;
}

static uint64_t read_memory(void *ctx, uint64_t pa, unsigned bytes)
{
    uint64_t value = 0;
    const uint8_t *at = byte_at(ctx, pa);
    if (at)
        memcpy(&value, at, bytes);
    return value;
}

/* Frames anywhere that tables of the mode can point to. */
static void choose_frames(struct world *w)
{
    unsigned bits = w->mode == REF_32 || w->mode == REF_OFF ? 32 : w->cpu.maxphyaddr;
    for (unsigned i = 0; i < FRAMES; i++) { /* distinct, or else chosen again */
        uint64_t pfn = dice_next(w->dice) & ((UINT64_C(1) << (bits - 12)) - 1);
        if (i == 0)
            pfn &= 0xfffff; /* the root: below 4 GiB, where a PAE CR3 reaches */
        w->frame[i] = pfn << 12;
        for (unsigned j = 0; j < i; j++)
            if (w->frame[j] == w->frame[i])
                i = j;
    }
}

/* A leaf of a large page whose reserved bits are 0: clears the address bits below the page. */
static uint64_t large(const struct world *w, uint64_t e, unsigned shift)
{
    return (e | PS) & ~((UINT64_C(1) << shift) - (w->mode == REF_32 ? 0x40000 : 0x2000));
}

/* An entry that leads somewhere and permits everything, mostly; one thing goes wrong at a time, or everything
 * at once. */
static uint64_t random_entry(struct world *w)
{
    struct dice *d = w->dice;
    uint64_t e = w->frame[dice_below(d, FRAMES)];
    if (dice_once_in(d, 5))
        e = dice_next(d) & ((UINT64_C(1) << w->cpu.maxphyaddr) - 4096);
    e |= 7 | (dice_next(d) & 0xf78);
    if (w->mode >= REF_4L)
        e |= dice_next(d) & UINT64_C(0x7ff0000000000000);
    switch (dice_below(d, 20)) {
    case 0:
    case 1:
    case 2: /* P, R/W, U/S */
        e ^= UINT64_C(1) << dice_below(d, 3);
        break;
    case 3:
        e |= UINT64_C(1) << 63;
        break;
    case 4:
        e = large(w, e, w->mode == REF_32 ? 22 : 21);
        break;
    case 5:
        e = large(w, e, w->mode == REF_32 ? 22 : 30);
        break;
    case 6: /* its reserved bits as they are */
        e |= PS;
        break;
    case 7:
        e |= UINT64_C(1) << (32 + dice_below(d, 31));
        break;
    case 8:
        e = dice_once_in(d, 4) ? dice_next(d) : e;
        break;
    default:
        break;
    }
    return w->mode == REF_32 ? e & 0xffffffff : e;
}

static void fill_frames(struct world *w)
{
    for (unsigned f = 0; f < FRAMES; f++)
        for (unsigned i = 0; i < 4096 / w->entry_bytes; i++) {
            uint64_t e = random_entry(w);
            memcpy((uint8_t *)w->content[f] + (size_t)i * w->entry_bytes, &e, w->entry_bytes);
        }
    if (w->mode == REF_PAE) /* PDPTEs that can be loaded, mostly */
        for (unsigned i = 0; i < ENTRIES; i++)
            if (w->content[0][i] & 1)
                w->content[0][i] &= ((UINT64_C(1) << w->cpu.maxphyaddr) - 1) & ~UINT64_C(0x1e6);
    for (unsigned f = 0; f < FRAMES; f++)
        assert_int_equal(mmu_machine_write(w->machine, w->frame[f], w->content[f], 4096), MMU_OK);
}

static uint64_t flip(struct dice *d, unsigned bit)
{
    return dice_next(d) >> 63 << bit;
}

static void choose_registers(struct world *w)
{
    struct dice *d = w->dice;
    struct ref_registers *r = &w->r;
    memset(r, 0, sizeof *r);
    r->cr0 = UINT64_C(0x80000011) | flip(d, 16);
    r->cr4 = flip(d, 4) | flip(d, 7) | flip(d, 20) | flip(d, 21) | flip(d, 22) | flip(d, 24);
    if (w->mode >= REF_PAE)
        r->cr4 |= 0x20;
    if (w->mode == REF_5L)
        r->cr4 |= 0x1000;
    r->efer = flip(d, 11) | (w->mode >= REF_4L ? 0x100 : 0);
    if (w->mode == REF_OFF)
        r->cr0 &= 0x7fffffff;
    r->cr3 = w->frame[0] | (dice_next(d) & (w->mode == REF_PAE ? 0xfe0 : 0xfff));
    if (w->mode == REF_PAE)
        r->cr3 |= dice_below(d, 32);
    r->pkru = (uint32_t)(dice_next(d) & dice_next(d));
    r->pkrs = (uint32_t)(dice_next(d) & dice_next(d));
    r->ac = dice_once_in(d, 2);
    if (w->mode >= REF_4L)
        r->cr4 |= flip(d, 17);
}

static struct mmu_registers registers_of(const struct ref_registers *r)
{
    return (struct mmu_registers){.value = {[MMU_REG_CR0] = r->cr0,
                                            [MMU_REG_CR3] = r->cr3,
                                            [MMU_REG_CR4] = r->cr4,
                                            [MMU_REG_EFER] = r->efer,
                                            [MMU_REG_PKRU] = r->pkru,
                                            [MMU_REG_PKRS] = r->pkrs,
                                            [MMU_REG_AC] = r->ac}};
}

/* An address: canonical mostly; two of three reuse indexes, so that entries are met again. */
static uint64_t random_va(struct world *w)
{
    struct dice *d = w->dice;
    uint64_t va = dice_next(d);
    if (!dice_once_in(d, 3))
        va &= UINT64_C(0x0103008040601fff) | dice_next(d) << 57;
    if (w->mode <= REF_PAE)
        return va & 0xffffffff;
    unsigned width = w->mode == REF_5L ? 57 : 48;
    if (!dice_once_in(d, 16))
        va = (uint64_t)((int64_t)(va << (64 - width)) >> (64 - width));
    return va;
}

/* What the frames must hold after the access; on a fault A is taken over where an entry that was used has it.
 */
static void check_memory(struct world *w, const struct ref_translation *t)
{
    for (unsigned i = 0; i < t->n; i++) {
        const struct ref_entry *e = &t->entry[i];
        uint8_t *at = byte_at(w, e->pa);
        if (!at)
            continue;
        uint64_t value = 0, now = 0;
        memcpy(&value, at, e->bytes);
        if (t->outcome == REF_OK) {
            value |= e->after;
        } else {
            assert_int_equal(mmu_machine_read(w->machine, e->pa, &now, e->bytes), MMU_OK);
            if (e->before & 1)
                value |= now & 0x20;
        }
        memcpy(at, &value, e->bytes);
    }
    uint64_t got[ENTRIES];
    for (unsigned f = 0; f < FRAMES; f++) {
        assert_int_equal(mmu_machine_read(w->machine, w->frame[f], got, 4096), MMU_OK);
        for (unsigned i = 0; i < ENTRIES; i++)
            if (got[i] != w->content[f][i])
                fail_msg("memory at %llx: got %llx, expected %llx", (unsigned long long)(w->frame[f] + 8 * i),
                         (unsigned long long)got[i], (unsigned long long)w->content[f][i]);
    }
}

static void compare(const struct ref_translation *t, const char *what, unsigned outcome, uint32_t code,
                    uint64_t pa, unsigned shift)
{
    static const unsigned outcomes[] = {
        [REF_OK] = MMU_DONE, [REF_PF] = MMU_FAULT_PF, [REF_GP] = MMU_FAULT_GP};
    if (outcome != outcomes[t->outcome])
        fail_msg("%s: outcome %u, expected %u", what, outcome, outcomes[t->outcome]);
    uint32_t ignore = t->key_unclear ? MMU_PF_PK : 0;
    if (t->outcome == REF_PF && ((code ^ t->error_code) & ~ignore))
        fail_msg("%s: error code %x, expected %x", what, code, t->error_code);
    if (t->outcome == REF_OK && (pa != t->pa || shift != t->page_shift))
        fail_msg("%s: pa %llx shift %u, expected %llx %u", what, (unsigned long long)pa, shift,
                 (unsigned long long)t->pa, t->page_shift);
}

/* The walk to read: besides the outcome, every step. */
static void compare_walk(const struct world *w, const struct ref_translation *t, const struct mmu_walk *walk)
{
    compare(t, "mmu_core_walk", walk->outcome, walk->error_code, walk->pa, walk->page_shift);
    if (w->mode == REF_OFF || t->outcome == REF_GP)
        return;
    unsigned first = w->mode == REF_PAE ? 1 : 0; /* the PDPTE register */
    assert_int_equal(walk->steps, t->n + first);
    for (unsigned i = 0; i < t->n; i++) {
        assert_int_equal(walk->step[i + first].level, t->entry[i].level);
        assert_int_equal(walk->step[i + first].pa, t->entry[i].pa);
        assert_int_equal(walk->step[i + first].entry, t->entry[i].before);
    }
    if (!t->leaf_reached)
        return;
    assert_int_equal(walk->writable, t->writable);
    assert_int_equal(walk->user, t->user);
    assert_int_equal(walk->global, t->global && (w->r.cr4 >> 7 & 1)); /* G acts with CR4.PGE only */
    assert_int_equal(walk->dirty, t->dirty);
    if (w->mode >= REF_4L)
        assert_int_equal(walk->key, t->key);
    if (w->r.efer >> 11 & 1)
        assert_int_equal(walk->no_execute, t->no_execute);
}

static void count(struct tally *tally, const struct ref_translation *t)
{
    tally->all++;
    tally->ok += t->outcome == REF_OK;
    tally->large += t->outcome == REF_OK && t->page_shift > 12;
    tally->gp += t->outcome == REF_GP;
    tally->not_present += t->outcome == REF_PF && !(t->error_code & MMU_PF_P);
    tally->reserved += t->outcome == REF_PF && (t->error_code & MMU_PF_RSVD);
    tally->rights += t->outcome == REF_PF && t->leaf_reached;
}

static void one_access(struct world *w)
{
    struct dice *d = w->dice;
    enum ref_kind kind = (enum ref_kind)dice_below(d, 3);
    enum ref_priv priv = (enum ref_priv)dice_below(d, kind == REF_FETCH ? 2 : 3);
    uint64_t va = random_va(w);
    static const unsigned kinds[] = {[REF_READ] = MMU_LOAD, [REF_WRITE] = MMU_STORE, [REF_FETCH] = MMU_FETCH};
    static const unsigned privs[] = {
        [REF_USER] = MMU_USER, [REF_SUPERVISOR] = MMU_SUPERVISOR, [REF_IMPLICIT] = MMU_IMPLICIT};
    struct mmu_access access = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(kinds[kind], privs[priv])};
    struct ref_memory memory = {read_memory, w};

    struct mmu_registers registers = registers_of(&w->r); /* drops what is cached */
    bool loads = w->mode != REF_PAE || ref_load_pdptes(&w->cpu, w->r.cr3, &memory, w->r.pdpte);
    assert_int_equal(mmu_core_load(w->core, &registers), loads ? MMU_DONE : MMU_FAULT_GP);
    if (!loads)
        return;
    struct ref_translation t = ref_walk(&w->cpu, &w->r, &memory, va, kind, priv);
    count(w->tally, &t);
    struct mmu_walk walk;
    struct mmu_result result;
    mmu_core_walk(w->core, &access, &walk);
    compare_walk(w, &t, &walk);
    mmu_core_probe(w->core, &access, &result);
    compare(&t, "probe", result.outcome, result.error_code, result.pa, result.page_shift);
    mmu_core_access(w->core, &access, &result);
    compare(&t, "access", result.outcome, result.error_code, result.pa, result.page_shift);
    if (t.outcome == REF_PF)
        assert_int_equal(result.cr2, va);
    check_memory(w, &t);
}

static void one_round(struct dice *d, enum ref_mode mode, struct tally *tally)
{
    static const unsigned widths[] = {32, 36, 39, 40, 46, 48, 52};
    struct world w = {.dice = d, .mode = mode, .entry_bytes = mode == REF_32 ? 4 : 8, .tally = tally};
    w.cpu = (struct ref_cpu){widths[dice_below(d, 7)], dice_once_in(d, 2), dice_once_in(d, 2)};
    if (mode >= REF_4L && w.cpu.maxphyaddr == 32)
        w.cpu.maxphyaddr = 40;
    struct mmu_config config;
    mmu_config_init(&config);
    config.cpu.maxphyaddr = w.cpu.maxphyaddr;
    config.cpu.page1g = w.cpu.page1g;
    config.cpu.pse36 = w.cpu.pse36;
    config.pager.enabled = false;
    struct mmu_error error;
    if (mmu_machine_create(&config, NULL, &w.machine, &error) != MMU_OK)
        fail_msg("%s", error.message);
    w.core = mmu_machine_core(w.machine, 0);
    choose_frames(&w);
    choose_registers(&w);
    fill_frames(&w);
    for (unsigned i = 0; i < ACCESSES; i++)
        one_access(&w);
    mmu_machine_free(w.machine);
}

static void random_rounds(const char *name, enum ref_mode mode)
{
    struct dice dice = dice_new(name, 0x5eed + (uint64_t)mode);
    struct tally tally = {0};
    unsigned rounds = dice_rounds(600);
    for (unsigned i = 0; i < rounds; i++)
        one_round(&dice, mode, &tally);
    if (mode == REF_OFF)
        return;
    printf("%s: %u accesses: %u ok (%u large), %u not present, %u reserved, %u rights, %u gp\n", name,
           tally.all, tally.ok, tally.large, tally.not_present, tally.reserved, tally.rights, tally.gp);
    if (rounds < 100)
        return; /* too few to say */
    assert_true(tally.ok > tally.all / 20 && tally.large > tally.all / 100);
    assert_true(tally.not_present > tally.all / 50 && tally.reserved > tally.all / 100 &&
                tally.rights > tally.all / 50);
    assert_int_equal(tally.gp > 0, mode >= REF_4L);
}

static void test_walk_random_off(void **state)
{
    (void)state;
    random_rounds("off", REF_OFF);
}

static void test_walk_random_i386(void **state)
{
    (void)state;
    random_rounds("i386", REF_32);
}

static void test_walk_random_pae(void **state)
{
    (void)state;
    random_rounds("pae", REF_PAE);
}

static void test_walk_random_four_levels(void **state)
{
    (void)state;
    random_rounds("four levels", REF_4L);
}

static void test_walk_random_five_levels(void **state)
{
    (void)state;
    random_rounds("five levels", REF_5L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk_random_off),         cmocka_unit_test(test_walk_random_i386),
        cmocka_unit_test(test_walk_random_pae),         cmocka_unit_test(test_walk_random_four_levels),
        cmocka_unit_test(test_walk_random_five_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
