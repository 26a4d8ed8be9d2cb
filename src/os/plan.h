/*
 * plan.h: what follows from a config before anything runs: memory map, zones, layout of the address space.
 *
 * A pure function of the config; only the sysctls change it later (zones_watermarks()).
 */
#ifndef OS_PLAN_H
#define OS_PLAN_H

#include "layout.h"
#include "memmap.h"
#include "zone.h"

enum { PLAN_NOTES = 8, PLAN_NOTE = 200 };

struct plan {
    struct memmap memmap;
    struct zones zones;
    struct layout layout;
    bool kpti;
    uint32_t notes;
    char note[PLAN_NOTES][PLAN_NOTE];
};

/* Makes the plan of a config whose other parts were checked. MMU_OK, or MMU_ERR_INVALID with err naming the
 * YAML path. */
int plan_make(struct plan *p, const struct mmu_config *config, struct mmu_error *err);

/* The zone of a frame; MMU_ZONES when it lies in none. */
enum mmu_os_zone plan_zone_of(const struct plan *p, mmu_pfn pfn);

/* The frames that swapper_pg_dir and the tables below it are made of: *count consecutive ones. */
mmu_pfn plan_boot_tables(const struct plan *p, uint64_t *count);

/* Address of a frame's struct page in mem_map or vmemmap. */
mmu_va plan_struct_page(const struct plan *p, mmu_pfn pfn);

/* Executes the invariants. */
void plan_check(const struct plan *p);

#endif
