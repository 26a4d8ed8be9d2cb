/*
 * judge.c: a vector against a machine.
 *
 * The access is made four times: as a walk to read and as a probe (neither may change anything), then for
 * real with nothing cached, then again from the warm TLB. All four must end as the vector says; the entries
 * must be as the vector says after the first real access, and stay so (a hit gives what a walk would give:
 * rule 40 of the list of TLB rules). An access that succeeded must be found in the first-level TLB the second
 * time, or "warm" would mean nothing.
 *
 * The machine has the TLBs of a recent Intel server, with paging-structure caches; 1-GByte fetches are
 * fractured there, so that warm hits on pieces of a page are tried as well.
 */
#include "judge.h"

#include <mmusim/mmusim.h>
#include <stdlib.h>
#include <string.h>

enum {
    MACHINES = 64
}; /* processors that differ in maxpa, gb or pse36: 21 x 2 x 2 are possible, six are seen */

struct machine {
    uint64_t maxpa, gb, pse36;
    struct mmu_machine *machine;
};

struct judge {
    size_t n;
    struct machine machine[MACHINES];
};

#define PAGE(page) (1u << (page))
#define KIND(kind) (1u << (kind))

static const struct mmu_tlb_config structures[] = {
    {.name = "ITLB 4K",
     .level = 1,
     .kinds = KIND(MMU_FETCH),
     .pages = PAGE(MMU_4K),
     .entries = 128,
     .ways = 8},
    {.name = "ITLB 2M/4M",
     .level = 1,
     .kinds = KIND(MMU_FETCH),
     .pages = PAGE(MMU_2M) | PAGE(MMU_4M),
     .entries = 8,
     .ways = 8},
    {.name = "DTLB 4K",
     .level = 1,
     .kinds = KIND(MMU_LOAD) | KIND(MMU_STORE),
     .pages = PAGE(MMU_4K),
     .entries = 64,
     .ways = 4},
    {.name = "DTLB 2M/4M",
     .level = 1,
     .kinds = KIND(MMU_LOAD) | KIND(MMU_STORE),
     .pages = PAGE(MMU_2M) | PAGE(MMU_4M),
     .entries = 32,
     .ways = 4},
    {.name = "STLB",
     .level = 2,
     .kinds = KIND(MMU_FETCH) | KIND(MMU_LOAD) | KIND(MMU_STORE),
     .pages = PAGE(MMU_4K) | PAGE(MMU_2M) | PAGE(MMU_4M),
     .entries = 1536,
     .ways = 12},
    /* the last: left out of processors without 1-GByte pages */
    {.name = "DTLB 1G",
     .level = 1,
     .kinds = KIND(MMU_LOAD) | KIND(MMU_STORE),
     .pages = PAGE(MMU_1G),
     .entries = 4,
     .ways = 4},
};

static int create(const struct vector *v, struct mmu_machine **out, char *why, size_t size)
{
    struct mmu_config config;
    mmu_config_init(&config);
    snprintf(config.name, sizeof config.name, "vectors");
    config.cpu = (struct mmu_cpu){
        .maxphyaddr = (uint32_t)v->maxpa,
        .wp = true,
        .invlpg = true,
        .pse = true,
        .pse36 = v->pse36 != 0,
        .pae = true,
        .pge = true,
        .long_mode = true,
        .nx = true,
        .page1g = v->gb != 0,
        .la57 = true,
        .pcid = true,
        .invpcid = true,
        .smep = true,
        .smap = true,
        .pku = true,
        .pks = true,
    };
    config.levels = 2;
    config.level[1].latency = 9;
    config.tlbs = (uint32_t)(sizeof structures / sizeof structures[0]) - (v->gb ? 0u : 1u);
    memcpy(config.tlb, structures, sizeof structures);
    for (unsigned i = 0; i < MMU_PSC_LEVELS; i++)
        config.psc.array[i] =
            (struct mmu_psc_array){.entries = i == MMU_PSC_PDE ? 32 : 4, .ways = 4, .policy = MMU_LRU};
    config.memory.read_latency = 5;
    config.pager.enabled = false;
    struct mmu_error error;
    if (mmu_machine_create(&config, NULL, out, &error) == MMU_OK)
        return 0;
    snprintf(why, size, "the machine cannot be made: %s", error.message);
    return -1;
}

/* The machine for the vector's processor; NULL with *why. */
static struct mmu_machine *machine_for(struct judge *judge, const struct vector *v, char *why, size_t size)
{
    for (size_t i = 0; i < judge->n; i++) {
        const struct machine *m = &judge->machine[i];
        if (m->maxpa == v->maxpa && m->gb == v->gb && m->pse36 == v->pse36)
            return m->machine;
    }
    if (judge->n == MACHINES) { /* no vectors that exist come here */
        mmu_machine_free(judge->machine[0].machine);
        judge->machine[0] = judge->machine[--judge->n];
    }
    struct machine *m = &judge->machine[judge->n];
    *m = (struct machine){v->maxpa, v->gb, v->pse36, NULL};
    if (create(v, &m->machine, why, size) < 0)
        return NULL;
    judge->n++;
    return m->machine;
}

struct judge *judge_new(void)
{
    return calloc(1, sizeof(struct judge));
}

void judge_free(struct judge *judge)
{
    for (size_t i = 0; judge && i < judge->n; i++)
        mmu_machine_free(judge->machine[i].machine);
    free(judge);
}

/* One vector on trial. */
struct trial {
    const struct vector *v;
    struct mmu_machine *machine;
    struct mmu_core *core;
    struct mmu_access access;
    const char *place;
    FILE *out;
    bool agrees;
};

static void differs(struct trial *t, const char *phase, const char *field, uint64_t got, uint64_t expected)
{
    t->agrees = false;
    fprintf(t->out, "%s: %s: %s: got %llx, expected %llx (%s)\n", t->place, t->v->id, field,
            (unsigned long long)got, (unsigned long long)expected, phase);
}

static void compare(struct trial *t, const char *phase, const char *field, uint64_t got, uint64_t expected)
{
    if (got != expected)
        differs(t, phase, field, got, expected);
}

static void differs_in_words(struct trial *t, const char *phase, const char *field, const char *got,
                             const char *expected)
{
    t->agrees = false;
    fprintf(t->out, "%s: %s: %s: got %s, expected %s (%s)\n", t->place, t->v->id, field, got, expected,
            phase);
}

static const char *outcome_text(enum mmu_outcome outcome)
{
    static const char *const text[] = {"ok", "pf", "gp", "ud", "no memory"};
    return outcome <= MMU_FAULT_MEMORY ? text[outcome] : "?";
}

static const char *mode_text(enum mmu_mode mode)
{
    static const char *const text[] = {"off", "32", "pae", "4l", "5l"};
    return mode < MMU_MODES ? text[mode] : "?";
}

static enum mmu_mode expected_mode(const struct vector *v)
{
    static const enum mmu_mode mode[] = {MMU_MODE_I386, MMU_MODE_PAE, MMU_MODE_4L, MMU_MODE_5L};
    return v->cr0 >> 31 & 1 ? mode[v->mode] : MMU_MODE_OFF;
}

/* Stores little-endian; false when no memory answers. */
static bool store(struct trial *t, uint64_t address, uint64_t value, unsigned bytes)
{
    return mmu_machine_write(t->machine, address, &value, bytes) == MMU_OK;
}

static uint64_t fetch(const struct trial *t, uint64_t address, unsigned bytes)
{
    uint64_t value = 0;
    mmu_machine_read(t->machine, address, &value, bytes);
    return value;
}

/* Memory before CR3 is loaded: the entries, then the PDPTEs (an L3 of mode pae is listed as it is after the
 * poke). */
static bool fill_memory(struct trial *t)
{
    const struct vector *v = t->v;
    mmu_machine_clear_memory(t->machine);
    for (unsigned i = 0; i < VECTOR_LEVELS; i++)
        if (v->entry[i].given && !store(t, v->entry[i].address, v->entry[i].before, vector_entry_bytes(v)))
            return false;
    for (unsigned i = 0; v->has_pdpt && i < 4; i++)
        if (!store(t, (v->cr3 & 0xffffffe0u) + 8 * i, v->pdpt[i], 8))
            return false;
    return true;
}

/* Loads the registers, pokes, loads again. The outcome of the load that was refused, or MMU_DONE. */
static enum mmu_outcome load(struct trial *t)
{
    enum { LME = 1 << 8, LMA = 1 << 10 };
    const struct vector *v = t->v;
    uint64_t efer = v->efer & ~(uint64_t)(LME | LMA);
    if (v->mode >= VECTOR_4L)
        efer |= LME;
    struct mmu_registers registers = {
        .value = {
            [MMU_REG_CR0] = v->cr0,
            [MMU_REG_CR3] = v->cr3,
            [MMU_REG_CR4] = v->cr4,
            [MMU_REG_EFER] = efer,
            [MMU_REG_PKRU] = v->pkru,
            [MMU_REG_PKRS] = v->pkrs,
            [MMU_REG_AC] = v->ac,
            [MMU_REG_CPL] = 0, /* of who loads and invalidates; accesses carry their own */
        }};
    enum mmu_outcome outcome = mmu_core_load(t->core, &registers);
    if (outcome != MMU_DONE || !v->has_poke)
        return outcome;
    store(t, v->poke[0], v->poke[1], 8); /* inside memory: vector_parse() saw to that */
    return v->reload ? mmu_core_set(t->core, MMU_REG_CR3, v->cr3) : mmu_core_invlpg(t->core, v->va);
}

static struct mmu_access access_of(const struct vector *v)
{
    static const enum mmu_kind kind[] = {MMU_LOAD, MMU_STORE, MMU_FETCH, MMU_LOAD};
    static const uint16_t size[] = {4, 4, 1, 8};
    enum mmu_priv priv = v->acc == VECTOR_IMPLICIT ? MMU_IMPLICIT : v->cpl == 3 ? MMU_USER : MMU_SUPERVISOR;
    return (struct mmu_access){.va = v->va, .size = size[v->acc], .kind = MMU_KIND_PRIV(kind[v->acc], priv)};
}

static bool check_outcome(struct trial *t, const char *phase, enum mmu_outcome got)
{
    static const char *const expected[] = {"ok", "pf", "gp", "gpload"};
    const char *text = expected[t->v->res];
    if (strcmp(outcome_text(got), text) == 0)
        return true;
    differs_in_words(t, phase, "res", outcome_text(got), text);
    return false;
}

static void check_result(struct trial *t, const char *phase, const struct mmu_result *got)
{
    const struct vector *v = t->v;
    if (!check_outcome(t, phase, got->outcome))
        return;
    if (v->res == VECTOR_OK) {
        compare(t, phase, "pa", got->pa, v->pa);
        compare(t, phase, "ps", got->page_shift ? UINT64_C(1) << got->page_shift : 0, v->ps);
    } else if (v->res == VECTOR_PF) {
        compare(t, phase, "ec", got->error_code, v->ec);
        compare(t, phase, "cr2", got->cr2, v->va);
    }
}

/* The entries against what is expected of them, or (exactly) against what they were. */
static void check_entries(struct trial *t, const char *phase, const uint64_t *were)
{
    static const char *const name[VECTOR_LEVELS] = {"L1", "L2", "L3", "L4", "L5"};
    for (unsigned i = 0; i < VECTOR_LEVELS; i++) {
        const struct vector_entry *e = &t->v->entry[i];
        if (!e->given)
            continue;
        uint64_t got = fetch(t, e->address, vector_entry_bytes(t->v));
        uint64_t expected = were ? were[i] : e->after;
        uint64_t ignore = were ? 0 : e->ignore;
        if ((got ^ expected) & ~ignore)
            differs(t, phase, name[i], got, expected);
    }
}

static void read_entries(const struct trial *t, uint64_t *to)
{
    for (unsigned i = 0; i < VECTOR_LEVELS; i++)
        to[i] = t->v->entry[i].given ? fetch(t, t->v->entry[i].address, vector_entry_bytes(t->v)) : 0;
}

/* The two looks that change nothing. */
static void look(struct trial *t)
{
    uint64_t before[VECTOR_LEVELS];
    read_entries(t, before);
    struct mmu_result probed;
    memset(&probed, 0, sizeof probed);
    mmu_core_probe(t->core, &t->access, &probed);
    check_result(t, "probe", &probed);
    struct mmu_walk walk;
    memset(&walk, 0, sizeof walk);
    mmu_core_walk(t->core, &t->access, &walk);
    struct mmu_result walked = {.outcome = walk.outcome,
                                .error_code = walk.error_code,
                                .pa = walk.pa,
                                .page_shift = walk.page_shift,
                                .cr2 = t->v->va};
    check_result(t, "walk", &walked);
    check_entries(t, "probe or walk", before);
}

static void access_twice(struct trial *t)
{
    struct mmu_result cold, warm;
    memset(&cold, 0, sizeof cold);
    memset(&warm, 0, sizeof warm);
    mmu_core_access(t->core, &t->access, &cold);
    check_result(t, "cold", &cold);
    if (t->v->res == VECTOR_PF)
        compare(t, "cold", "CR2", mmu_core_get(t->core, MMU_REG_CR2), t->v->va);
    check_entries(t, "cold", NULL);
    uint64_t after[VECTOR_LEVELS];
    read_entries(t, after);
    mmu_core_access(t->core, &t->access, &warm);
    check_result(t, "warm", &warm);
    check_entries(t, "warm", after);
    if (t->v->res == VECTOR_OK && t->v->ps && warm.where != MMU_AT_L1)
        differs_in_words(t, "warm", "where", "a miss", "a first-level hit");
}

int judge_vector(struct judge *judge, const struct vector *v, const char *place, FILE *out, char *why,
                 size_t size)
{
    struct mmu_machine *machine = machine_for(judge, v, why, size);
    if (!machine)
        return -1;
    struct trial t = {v, machine, mmu_machine_core(machine, 0), access_of(v), place, out, true};
    if (!fill_memory(&t)) {
        snprintf(why, size, "%s: no memory answers at an address of the vector", v->id);
        return -1;
    }
    enum mmu_outcome outcome = load(&t);
    bool refused = v->res == VECTOR_GPLOAD;
    if (outcome != (refused ? MMU_FAULT_GP : MMU_DONE)) {
        differs_in_words(&t, "cold", "load", outcome_text(outcome), refused ? "gp" : "ok");
    } else if (refused) {
        check_entries(&t, "cold", NULL);
    } else {
        if (mmu_core_mode(t.core) != expected_mode(v))
            differs_in_words(&t, "cold", "mode", mode_text(mmu_core_mode(t.core)),
                             mode_text(expected_mode(v)));
        look(&t);
        access_twice(&t);
    }
    return t.agrees;
}
