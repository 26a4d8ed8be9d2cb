/*
 * Where machines are found: the folders of shipped ones, and the names in them.
 */
#ifndef CONFIG_SEARCH_H
#define CONFIG_SEARCH_H

#include <limits.h>
#include <mmusim/types.h>

/* Is this a path (it has a '/', or ends in .yaml or .yml), and not the name of a shipped machine? */
bool search_is_path(const char *name);

/* Calls each() for every folder of the search path, first to be asked first, until it returns non-zero;
 * returns that. Folders may be missing. */
int search_folders(int (*each)(void *ctx, const char *folder), void *ctx);

/* The file of a shipped machine. MMU_OK, or MMU_ERR_NOTFOUND with a suggestion. */
int search_machine(const char *name, char path[PATH_MAX], struct mmu_error *err);

/* The machine's name that a file's path gives: its last part without .yaml. */
void search_stem(const char *path, char *name, size_t size);

#endif
