/*
 * rig.c: tables are handed out one after the other from 16 MiB on; entries are found by walking them as the
 * SDM numbers the levels.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { TABLES = 0x1000000 };

static void structure(struct mmu_config *config, const char *name, unsigned level, unsigned kinds,
                      unsigned entries, unsigned ways)
{
    struct mmu_tlb_config *t = &config->tlb[config->tlbs++];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->level = level;
    t->kinds = kinds;
    t->pages = 1u << MMU_4K | 1u << MMU_2M | 1u << MMU_4M | 1u << MMU_1G;
    t->entries = entries;
    t->ways = ways;
    t->policy = MMU_LRU;
}

void rig_config(struct mmu_config *config)
{
    enum { FETCH = 1 << MMU_FETCH, DATA = 1 << MMU_LOAD | 1 << MMU_STORE };
    mmu_config_init(config);
    snprintf(config->name, sizeof config->name, "rig");
    config->cpu.maxphyaddr = 46;
    config->pager.enabled = false;
    config->tlbs = 0;
    config->levels = 2;
    config->level[1].latency = 7;
    structure(config, "ITLB", 1, FETCH, 64, 64);
    structure(config, "DTLB", 1, DATA, 64, 64);
    structure(config, "STLB", 2, FETCH | DATA, 512, 4);
    for (unsigned i = 0; i < MMU_PSC_LEVELS; i++)
        config->psc.array[i] = (struct mmu_psc_array){.entries = 16, .ways = 16, .policy = MMU_LRU};
    config->psc.latency = 1;
    config->walk.walkers = 1;
    config->walk.start = 4;
    config->walk.ad_update = 10;
    config->memory.read_latency = 5;
}

static unsigned top_level(enum mmu_mode mode)
{
    static const unsigned level[] = {
        [MMU_MODE_I386] = 2, [MMU_MODE_PAE] = 3, [MMU_MODE_4L] = 4, [MMU_MODE_5L] = 5};
    assert_true(mode > MMU_MODE_OFF && mode < MMU_MODES);
    return level[mode];
}

static unsigned entry_bytes(const struct rig *rig)
{
    return rig->mode == MMU_MODE_I386 ? 4 : 8;
}

void rig_start(struct rig *rig, const struct mmu_config *config, enum mmu_mode mode)
{
    struct mmu_error error;
    memset(rig, 0, sizeof *rig);
    if (mmu_machine_create(config, NULL, &rig->machine, &error) != MMU_OK)
        fail_msg("%s", error.message);
    rig->core = mmu_machine_core(rig->machine, 0);
    rig->mode = mode;
    rig->next_table = TABLES;
    rig->root = rig_root(rig);
    struct mmu_registers r = {{0}};
    r.value[MMU_REG_CR0] = RIG_PG | RIG_PE | (config->cpu.wp ? RIG_WP : 0);
    r.value[MMU_REG_CR3] = rig->root;
    r.value[MMU_REG_CR4] = (config->cpu.pse ? RIG_PSE : 0) | (config->cpu.pge ? RIG_PGE : 0);
    if (mode >= MMU_MODE_PAE)
        r.value[MMU_REG_CR4] |= RIG_PAE;
    if (mode == MMU_MODE_5L)
        r.value[MMU_REG_CR4] |= RIG_LA57;
    r.value[MMU_REG_EFER] = config->cpu.nx && mode >= MMU_MODE_PAE ? RIG_NXE : 0;
    if (mode >= MMU_MODE_4L)
        r.value[MMU_REG_EFER] |= RIG_LME;
    assert_int_equal(mmu_core_load(rig->core, &r), MMU_DONE);
    assert_int_equal(mmu_core_mode(rig->core), mode);
}

void rig_stop(struct rig *rig)
{
    mmu_core_check(rig->core);
    mmu_machine_free(rig->machine);
    rig->machine = NULL;
}

uint64_t rig_peek(const struct rig *rig, mmu_pa pa)
{
    uint64_t value = 0;
    assert_int_equal(mmu_machine_read(rig->machine, pa, &value, entry_bytes(rig)), MMU_OK);
    return value;
}

void rig_poke(struct rig *rig, mmu_pa pa, uint64_t value)
{
    assert_int_equal(mmu_machine_write(rig->machine, pa, &value, entry_bytes(rig)), MMU_OK);
}

mmu_pa rig_table(struct rig *rig)
{
    mmu_pa table = rig->next_table;
    rig->next_table += 4096;
    return table;
}

mmu_pa rig_root(struct rig *rig)
{
    mmu_pa root = rig_table(rig);
    for (unsigned i = 0; rig->mode == MMU_MODE_PAE && i < 4; i++)
        rig_poke(rig, root + 8 * i, rig_table(rig) | RIG_P);
    return root;
}

mmu_pa rig_entry(struct rig *rig, mmu_pa root, mmu_va va, unsigned level, uint64_t table)
{
    unsigned bits = rig->mode == MMU_MODE_I386 ? 10 : 9;
    mmu_pa base = root;
    for (unsigned at = top_level(rig->mode);; at--) {
        uint64_t index = va >> (12 + bits * (at - 1)) & ((1u << bits) - 1);
        mmu_pa entry = base + index * entry_bytes(rig);
        if (at == level)
            return entry;
        uint64_t value = rig_peek(rig, entry);
        if (!(value & RIG_P)) {
            bool pdpte = rig->mode == MMU_MODE_PAE && at == 3; /* has no rights */
            value = rig_table(rig) | RIG_P | (pdpte ? 0 : RIG_W | RIG_U | table);
            rig_poke(rig, entry, value);
        }
        base = value & UINT64_C(0x000ffffffffff000);
    }
}

mmu_pa rig_map_in(struct rig *rig, mmu_pa root, mmu_va va, mmu_pa pa, unsigned shift, uint64_t flags)
{
    unsigned level = shift == 12 ? 1 : shift == 30 ? 3 : 2;
    mmu_pa leaf = rig_entry(rig, root, va, level, 0);
    rig_poke(rig, leaf, pa | flags | (level > 1 ? RIG_PS : 0));
    return leaf;
}

mmu_pa rig_map(struct rig *rig, mmu_va va, mmu_pa pa, unsigned shift, uint64_t flags)
{
    return rig_map_in(rig, rig->root, va, pa, shift, flags);
}

void rig_set(struct rig *rig, enum mmu_reg reg, uint64_t value)
{
    assert_int_equal(mmu_core_set(rig->core, reg, value), MMU_DONE);
}

void rig_set_bits(struct rig *rig, enum mmu_reg reg, uint64_t bits)
{
    rig_set(rig, reg, mmu_core_get(rig->core, reg) | bits);
}

void rig_clear_bits(struct rig *rig, enum mmu_reg reg, uint64_t bits)
{
    rig_set(rig, reg, mmu_core_get(rig->core, reg) & ~bits);
}

struct mmu_result rig_access(struct rig *rig, enum mmu_kind kind, enum mmu_priv priv, mmu_va va)
{
    struct mmu_access access = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(kind, priv)};
    struct mmu_result result;
    enum mmu_outcome outcome = mmu_core_access(rig->core, &access, &result);
    assert_int_equal(outcome, result.outcome);
    return result;
}

enum mmu_where rig_expect(struct rig *rig, enum mmu_kind kind, enum mmu_priv priv, mmu_va va, mmu_pa pa)
{
    struct mmu_result result = rig_access(rig, kind, priv, va);
    assert_int_equal(result.outcome, MMU_DONE);
    assert_int_equal(result.pa, pa);
    return result.where;
}

void rig_expect_pf(struct rig *rig, enum mmu_kind kind, enum mmu_priv priv, mmu_va va, uint32_t error_code)
{
    struct mmu_result result = rig_access(rig, kind, priv, va);
    assert_int_equal(result.outcome, MMU_FAULT_PF);
    assert_int_equal(result.error_code, error_code);
    assert_int_equal(result.cr2, va);
    assert_int_equal(mmu_core_get(rig->core, MMU_REG_CR2), va);
}

struct search {
    mmu_va va;
    unsigned pcid;
    size_t found, all;
};

static void count(void *ctx, const struct mmu_tlb_entry *entry)
{
    static const unsigned shift[] = {12, 21, 22, 30};
    struct search *s = ctx;
    s->all++;
    if (entry->va >> shift[entry->page] == s->va >> shift[entry->page] &&
        (entry->global || entry->pcid == s->pcid))
        s->found++;
}

static struct search search(const struct rig *rig, mmu_va va, unsigned pcid)
{
    struct search s = {va, pcid, 0, 0};
    for (unsigned i = 0; i < mmu_machine_config(rig->machine)->tlbs; i++)
        mmu_core_tlb_entries(rig->core, i, count, &s);
    return s;
}

bool rig_cached(const struct rig *rig, mmu_va va, unsigned pcid)
{
    return search(rig, va, pcid).found > 0;
}

size_t rig_entries(const struct rig *rig)
{
    return search(rig, 0, 0).all;
}

uint64_t rig_references(const struct rig *rig)
{
    struct mmu_stats stats; /* some 80 KB of counters, on the stack of a test */
    mmu_core_stats(rig->core, &stats);
    return stats.walk.references[0];
}

void rig_invlpg(struct rig *rig, mmu_va va)
{
    assert_int_equal(mmu_core_invlpg(rig->core, va), MMU_DONE);
}

void rig_invpcid(struct rig *rig, uint64_t type, uint64_t pcid, mmu_va va)
{
    struct mmu_invpcid descriptor = {pcid, va};
    assert_int_equal(mmu_core_invpcid(rig->core, type, &descriptor), MMU_DONE);
}
