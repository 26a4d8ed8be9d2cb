/*
 * kernel_rig.h: machines with a kernel for the tests: the recorded ones, and random ones.
 */
#ifndef KERNEL_RIG_H
#define KERNEL_RIG_H

#include "dice.h"
#include "os.h"
#include <mmusim/mmusim.h>

struct kernel_rig {
    struct mmu_config config;
    struct mmu_machine *machine;
    struct mmu_os *os;
};

/* A config of this architecture whose processor has what the kernel wants; RAM as QEMU's PC lays it out. */
void kernel_rig_config(struct mmu_config *config, enum mmu_os_arch arch, uint64_t ram, uint32_t cores);
/* A random one: any architecture, layout, split, size (16 MiB to 6 GiB), reserved areas, sysctls, MOVABLE,
 * aged or not. */
void kernel_rig_random(struct mmu_config *config, struct dice *dice);

/* Boots r->config; fails the test (exit) with the error's text when that is refused. */
void kernel_rig_boot(struct kernel_rig *r);
/* The same; false when the config is refused (by a random config: more reserved than there is). */
bool kernel_rig_try(struct kernel_rig *r);
void kernel_rig_end(struct kernel_rig *r);
/* The three in one: a kernel of this architecture, `mib` MiB of RAM, so many cores. */
struct kernel_rig kernel_rig_of(enum mmu_os_arch arch, uint64_t mib, uint32_t cores);

struct mmu_os_zone_info kernel_rig_zone(const struct mmu_os *os, enum mmu_os_zone zone);

/* Everybody has given everything back: purges, shrinks and drains what the kernel keeps for later, checks its
 * invariants and that nothing of the kind is left. */
struct mmu_os_totals kernel_rig_empty(struct mmu_os *os);

#endif
