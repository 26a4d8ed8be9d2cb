/*
 * sim/tables.h: page tables for `mmusim run` that are not the demand pager's: those of a real kernel in a
 * memory image (tables.c), or those that a real process had by its pagemap (pagemap.c).
 *
 * With them there is no pager: an access that they do not map faults, and the fault stays unresolved.
 */
#ifndef SIM_TABLES_H
#define SIM_TABLES_H

#include "cli.h"
#include "walk.h"
#include <mmusim/mmusim.h>

/* The options. Zero-initialise. */
struct tables {
    const char *image, *registers, *pagemap, *maps;
    uint64_t base;               /* of a raw image */
    struct walk_request request; /* image: the registers */
    struct pagemap *pages;       /* pagemap: what was read */
    char text[512];              /* for the report: where the tables come from; "": from the pager */
};

enum { TABLES_OPTIONS = 5 };
void tables_options(struct tables *tables, struct cli_option rows[TABLES_OPTIONS]);

/* Reads registers or the pagemap. Does nothing without the options. Complains and returns CLI_BAD, or CLI_GO.
 */
int tables_read(struct tables *tables);
void tables_free(struct tables *tables);

/* What the tables need of a machine: no pager, no kernel, memory everywhere. */
void tables_fit(const struct tables *tables, struct mmu_config *config);

/* The memory of one machine; lives as long as it. Zero-initialise. */
struct tables_memory {
    struct mmu_image *image;
    struct walk_memory memory;
};

/* Creates a machine on the tables, every core with their registers. Complains and returns CLI_BAD, or CLI_GO.
 */
int tables_create(struct tables *tables, const struct mmu_config *config, struct tables_memory *memory,
                  struct mmu_machine **machine);
void tables_memory_free(struct tables_memory *memory);

/* ---- pagemap.c ---- */

/* Reads both files; *out is set on CLI_GO. Says what the kernel hid. text: receives a summary. */
int pagemap_read(const char *pagemap, const char *maps, struct pagemap **out, char *text, size_t size);
/* Writes four-level tables into the machine's memory. *root: for CR3. */
int pagemap_write(const struct pagemap *pages, struct mmu_machine *machine, mmu_pa *root);
void pagemap_free(struct pagemap *pages); /* NULL is allowed */

#endif
