/* kernel_rig.c: see kernel_rig.h. */
#include "kernel_rig.h"
#include <stdio.h>
#include <stdlib.h>

void kernel_rig_config(struct mmu_config *config, enum mmu_os_arch arch, uint64_t ram, uint32_t cores)
{
    mmu_config_init(config);
    config->cores = cores;
    config->pager.enabled = false;
    config->os.enabled = true;
    config->os.arch = arch;
    config->os.ram = ram;
    if (arch == MMU_OS_I386)
        config->cpu.maxphyaddr = 36;
}

static uint64_t below(struct dice *d, uint64_t n)
{
    return dice_next(d) % n;
}

void kernel_rig_random(struct mmu_config *config, struct dice *d)
{
    enum mmu_os_arch arch = dice_below(d, MMU_OS_ARCHES);
    uint64_t mib = dice_once_in(d, 3) ? 16 + below(d, 48) : 64 + below(d, dice_once_in(d, 2) ? 1500 : 6000);
    kernel_rig_config(config, arch, mib << 20, 1 + dice_below(d, 4));
    struct mmu_os_config *os = &config->os;
    if (dice_once_in(d, 4))
        os->ram -= below(d, 1 << 20) & ~UINT64_C(0xfff);
    if (arch <= MMU_OS_I386_PAE && dice_once_in(d, 3))
        os->split = dice_below(d, MMU_OS_SPLITS);
    os->layout = dice_once_in(d, 3) ? MMU_OS_CLASSIC : MMU_OS_LINUX_6_1;
    os->kernel_text = 1 << 20;
    if (mib < 64)
        os->kernel_start = 4 << 20;
    for (os->reserveds = 0; os->reserveds < dice_below(d, 4); os->reserveds++)
        os->reserved[os->reserveds] = (struct mmu_os_reserved){below(d, os->ram), 1 + below(d, os->ram / 64)};
    if (dice_once_in(d, 4)) {
        uint64_t part = os->ram / (2 + below(d, 6));
        *(dice_once_in(d, 2) ? &os->kernelcore : &os->movablecore) = part;
    }
    os->thp = dice_once_in(d, 2);
    if (dice_once_in(d, 4)) {
        os->aged = true;
        os->aged_order = 1 + dice_below(d, 10);
        os->aged_unusable = dice_below(d, 1001);
        os->aged_seed = dice_next(d);
    }
    if (dice_once_in(d, 4)) {
        os->min_free_given = true;
        os->min_free_kbytes = 128 + below(d, os->ram >> 15);
    }
}

static int boot(struct kernel_rig *r, struct mmu_error *err)
{
    int status = mmu_machine_create(&r->config, NULL, &r->machine, err);
    if (status == MMU_OK)
        r->os = mmu_machine_os(r->machine);
    return status;
}

bool kernel_rig_try(struct kernel_rig *r)
{
    struct mmu_error err;
    return boot(r, &err) == MMU_OK;
}

void kernel_rig_boot(struct kernel_rig *r)
{
    struct mmu_error err;
    if (boot(r, &err) != MMU_OK) {
        char text[1024];
        fprintf(stderr, "%s\n", mmu_error_format(&err, text, sizeof text));
        exit(1);
    }
}

void kernel_rig_end(struct kernel_rig *r)
{
    mmu_machine_free(r->machine);
}

struct kernel_rig kernel_rig_of(enum mmu_os_arch arch, uint64_t mib, uint32_t cores)
{
    struct kernel_rig rig;
    kernel_rig_config(&rig.config, arch, mib << 20, cores);
    kernel_rig_boot(&rig);
    return rig;
}

struct mmu_os_zone_info kernel_rig_zone(const struct mmu_os *os, enum mmu_os_zone zone)
{
    struct mmu_os_zone_info info;
    mmu_os_zone(os, zone, &info);
    return info;
}

struct mmu_os_totals kernel_rig_empty(struct mmu_os *os)
{
    struct mmu_os_totals totals;
    mmu_os_vmalloc_purge(os);
    mmu_os_shrink_slabs(os);
    mmu_os_drain(os);
    mmu_os_check(os);
    mmu_os_totals(os, &totals);
    REQUIRE(totals.slab == 0 && totals.vmalloc == 0 && totals.pcp_free == 0);
    REQUIRE(totals.free + totals.allocated == totals.managed);
    return totals;
}
