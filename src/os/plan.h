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
    uint32_t nr_cpus; /* NR_CPUS */
    uint32_t notes;
    char note[PLAN_NOTES][PLAN_NOTE];
};

/* Makes the plan of a config whose fields are in their ranges. MMU_OK, or MMU_ERR_INVALID: err->message says
 * what is wrong with the field that lies err->offset bytes into the config. */
int plan_make(struct plan *p, const struct mmu_config *config, struct mmu_error *err);

/* Such an error, at a field of the config. */
int plan_refuse(const struct mmu_config *config, const void *field, struct mmu_error *err, const char *format,
                ...) __attribute__((format(printf, 4, 5)));
/* A note that a person should see: mmu_os_note(). */
void plan_note(struct plan *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The steps of plan_make(), in this order. */
int layout_make(struct plan *p, const struct mmu_config *config, struct mmu_error *err);
void zones_extent(struct plan *p, const struct mmu_config *config);
int plan_place(struct plan *p, const struct mmu_config *config, struct mmu_error *err);
void zones_figures(struct plan *p, const struct mmu_config *config);
void layout_regions(struct plan *p, const struct mmu_config *config);

/* The zone of a frame; MMU_ZONES when it lies in none. */
enum mmu_os_zone plan_zone_of(const struct plan *p, mmu_pfn pfn);

/* The frames that swapper_pg_dir and the tables below it are made of: *count consecutive ones. */
mmu_pfn plan_boot_tables(const struct plan *p, uint64_t *count);

/* x86-64: the frames behind vmemmap's 2 MiB for a section (128 MiB of frames, by number: pfn >> 15): the
 * first of 512, aligned. False: no RAM in that section, so no descriptors. */
bool plan_vmemmap(const struct plan *p, uint64_t section, mmu_pfn *first);

/* Address of a frame's struct page in mem_map or vmemmap. */
mmu_va plan_struct_page(const struct plan *p, mmu_pfn pfn);

/* Executes the invariants. */
void plan_check(const struct plan *p);

#endif
