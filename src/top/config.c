/*
 * A machine's values before anyone says anything.
 */
#include "config_apply.h"

#include <string.h>

void config_os_init(struct mmu_os_config *os)
{
    static const uint32_t ratio[MMU_ZONES] = {
        [MMU_ZONE_DMA] = 256, [MMU_ZONE_DMA32] = 256, [MMU_ZONE_NORMAL] = 32};
    memset(os, 0, sizeof *os);
    os->arch = MMU_OS_X86_64;
    os->kernel_start = 16 << 20;
    os->kernel_text = 8 << 20;
    os->kernel_rodata = 2 << 20;
    os->kernel_data = 2 << 20;
    os->watermark_scale_factor = 10;
    memcpy(os->lowmem_reserve_ratio, ratio, sizeof ratio);
    os->thp = true;
}

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
    config_os_init(&config->os);
}
