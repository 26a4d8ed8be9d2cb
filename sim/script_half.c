/*
 * sim/script_half.c: the half of the page tables that an access would use, under page-table isolation.
 *
 * With two roots the kernel loads the one of the side that it runs on (arch/x86/entry/calling.h: the user's
 * root lies one page behind the kernel's, its PCID has bit 11 set). A walk of the other side's tables must
 * not load anything, so another core makes it: one that has the same memory, and these registers but for CR3.
 */
#include "script.h"

enum { ROOT_USER = 0x1000, PCID_USER = 0x800, CR4_PCIDE = 1 << 17 };

static bool read_memory(void *ctx, mmu_pa pa, unsigned size, uint64_t *value)
{
    const struct script *s = ctx;
    *value = 0;
    return mmu_machine_read(s->machine, pa, value, size) == MMU_OK;
}

static bool write_memory(void *ctx, mmu_pa pa, unsigned size, uint64_t old, uint64_t new_value)
{
    (void)ctx; /* questions set no flags */
    (void)pa;
    (void)size;
    (void)old;
    (void)new_value;
    return true;
}

static bool make_other(struct script *s)
{
    struct mmu_config config = *s->config;
    struct mmu_memory_ops memory = {.read = read_memory, .compare_exchange = write_memory, .ctx = s};
    config.os.enabled = false;
    config.pager.enabled = false;
    config.cores = 1;
    s->other_memory = memory;
    return s->other || mmu_machine_create(&config, &(struct mmu_options){.memory = &s->other_memory},
                                          &s->other, NULL) == MMU_OK;
}

struct mmu_core *script_half(struct script *s, enum mmu_priv priv)
{
    struct mmu_core *core = script_core(s);
    struct mmu_registers registers;
    bool pcids = mmu_core_get(core, MMU_REG_CR4) & CR4_PCIDE;
    uint64_t cr3 = mmu_core_get(core, MMU_REG_CR3), bits = ROOT_USER | (pcids ? PCID_USER : 0),
             wanted = priv == MMU_USER ? cr3 | bits : cr3 & ~bits;
    if (!s->os || !s->config->os.kpti || wanted == cr3 || !mmu_os_current(s->os, s->cpu) || !make_other(s))
        return core;
    for (unsigned i = 0; i < MMU_REGS; i++)
        registers.value[i] = mmu_core_get(core, (enum mmu_reg)i);
    registers.value[MMU_REG_CR3] = wanted;
    struct mmu_core *other = mmu_machine_core(s->other, 0);
    return mmu_core_load(other, &registers) == MMU_DONE ? other : core;
}
