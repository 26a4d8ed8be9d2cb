/*
 * A machine's values before anyone says anything.
 */
#include <mmusim/config.h>

#include <string.h>

void mmu_config_init(struct mmu_config *config)
{
    memset(config, 0, sizeof *config); /* padding too: equal configs are equal bytes */
    strcpy(config->name, "default");
    config->seed = 1;
    config->cores = 1;
    config->cpi = 1;
    config->window = 1;
    config->cpu.maxphyaddr = 46;
    memset(&config->cpu.wp, 1,
           sizeof config->cpu - offsetof(struct mmu_cpu, wp)); /* every feature; true is 1 */
    config->walk.walkers = 1;
    config->pager.enabled = true;
    config->pager.mode = MMU_MODE_4L;
}
