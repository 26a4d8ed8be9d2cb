/*
 * A user's program outside the tree: two accesses to one page through a shipped machine. It sees the
 * installed headers and library only; run.sh builds it in each way that the installation offers.
 */
#include <inttypes.h>
#include <mmusim/mmusim.h>
#include <stdio.h>

static int refuse(const struct mmu_error *err)
{
    char line[1024];
    fprintf(stderr, "%s\n", mmu_error_format(err, line, sizeof line));
    return 1;
}

int main(void)
{
    struct mmu_error err = {0};
    struct mmu_config config;
    if (mmu_config_load(&config, "skylake-sp", NULL, 0, &err))
        return refuse(&err);
    struct mmu_machine *machine;
    if (mmu_machine_create(&config, NULL, &machine, &err))
        return refuse(&err);

    struct mmu_core *core = mmu_machine_core(machine, 0);
    struct mmu_access access = {.va = 0x7f0000001000, .size = 8, .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_USER)};
    struct mmu_result first, second;
    enum mmu_outcome outcome = mmu_core_access(core, &access, &first);
    access.va += 8;
    outcome |= mmu_core_access(core, &access, &second);
    printf("%s: pa %#" PRIx64 ", then %#" PRIx64 "\n", config.title, first.pa, second.pa);

    bool right = outcome == MMU_DONE && second.pa == first.pa + 8 && first.where == MMU_AT_WALK &&
                 second.where == MMU_AT_L1;
    mmu_machine_free(machine);
    return right ? 0 : 1;
}
