/* space.c: address spaces of processes under the demand pager. See <mmusim/space.h>. */
#include "machine.h"
#include <mmusim/space.h>

enum { PCIDS = 4096 };

static uint64_t cr3_of(const struct mmu_core *c, size_t space)
{
    const struct pager *p = &c->machine->pager;
    bool pcids = port_get(&c->mmu, MMU_REG_CR4) & CR4_PCIDE;
    bool keep = pcids && p->spaces <= PCIDS;
    return p->space[space].root | (pcids ? space % PCIDS : 0) | (keep ? CR3_NOFLUSH : 0);
}

/* What an operating system does at boot if the processor has them. */
static void use_pcids(struct mmu_core *c)
{
    bool unused;
    uint64_t cr4 = port_get(&c->mmu, MMU_REG_CR4);
    if (c->machine->config.cpu.pcid && c->machine->config.pager.mode >= MMU_MODE_4L && !(cr4 & CR4_PCIDE))
        REQUIRE(mmu_set_register(&c->mmu, MMU_REG_CR4, cr4 | CR4_PCIDE, &unused) == MMU_DONE);
}

int mmu_core_enter_process(struct mmu_core *core, uint64_t id)
{
    struct pager *p = &core->machine->pager;
    size_t space, now;
    if (!p->root)
        return MMU_ERR_UNSUPPORTED;
    bool first = p->spaces == 0;
    int status = pager_find_space(p, &core->mmu, id, &space);
    if (status != MMU_OK || first)
        return status;
    if (pager_space_now(p, &core->mmu, &now) && now == space)
        return MMU_OK;
    use_pcids(core);
    REQUIRE(mmu_core_set(core, MMU_REG_CR3, cr3_of(core, space)) == MMU_DONE);
    return MMU_OK;
}

uint64_t mmu_machine_processes(const struct mmu_machine *machine)
{
    return machine->pager.spaces;
}
