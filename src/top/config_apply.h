/*
 * Puts what a YAML tree, or one --set, says into a struct mmu_config, and remembers where each field was
 * said.
 *
 * While a machine is being put together two values are kept in a form that no finished config has:
 * config_apply_finish() resolves them.
 */
#ifndef CONFIG_APPLY_H
#define CONFIG_APPLY_H

#include "config_check.h"
#include "config_schema.h"
#include "config_yaml.h"

/* Where something was said: a file's line and column, or a --set. */
struct apply_mark {
    const struct schema *row;
    size_t offset; /* in struct mmu_config */
    unsigned origin, line, column;
};

struct apply {
    struct mmu_config *config;
    struct mmu_error *err;
    char **origin; /* names of the texts, as errors give them; the last one is being read */
    unsigned origins;
    struct apply_mark *mark; /* oldest first */
    size_t marks, room;
    const char *set;        /* path of the --set being applied, or NULL */
    char path[SCHEMA_PATH]; /* of the value being applied */
};

void apply_free(struct apply *a);

/* No kernel; the values that it has when it is only named (config.c). */
void config_os_init(struct mmu_os_config *os);

/* Names the text that the next values come from: prefix and name. MMU_OK or MMU_ERR_NOMEM. */
int apply_origin(struct apply *a, const char *prefix, const char *name);

/* A mapping of the top level. */
int apply_tree(struct apply *a, const struct yaml_node *root);

/* "path=value". */
int apply_set(struct apply *a, const char *text);

/* Resolves `ways: full` and `index: xor-N`, checks the whole, and gives what is wrong its position. */
int apply_finish(struct apply *a);

#endif
