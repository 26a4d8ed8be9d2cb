/*
 * A YAML text as a tree whose nodes know their line and column.
 *
 * Takes less than YAML offers: one document, plain mappings, sequences and scalars. Anchors, aliases, tags
 * and repeated keys are errors, and so is a text that is larger or deeper than a machine needs; whoever reads
 * the tree need not fear either.
 */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include <mmusim/types.h>

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

/* A map's children stand in pairs: key (always a YAML_TEXT), value. */
struct yaml_node {
    enum yaml_kind kind;
    unsigned line, column; /* from 1 */
    bool plain;            /* a text without quotes */
    char *text;            /* terminated, holds no other NUL */
    struct yaml_node *first, *next;
    struct yaml_node *made_before; /* chain of all nodes, for freeing */
};

struct yaml_tree {
    struct yaml_node *root;
    struct yaml_node *latest;
    unsigned nodes;
};

enum { YAML_MAX_BYTES = 1 << 20, YAML_MAX_NODES = 8192, YAML_MAX_DEPTH = 16 };

/* Reads size bytes; name is the file in errors. Call yaml_tree_free() in either case. */
int yaml_tree_read(struct yaml_tree *tree, const char *text, size_t size, const char *name,
                   struct mmu_error *err);
void yaml_tree_free(struct yaml_tree *tree);

/* Is it nothing: null, ~ or an empty plain text? */
bool yaml_is_null(const struct yaml_node *node);

/* A text as an error line may quote it: cut to some 40 bytes, control characters as '?'. Returns buf. */
enum { YAML_SHOWN = 48 };
const char *yaml_shown(const char *text, char buf[YAML_SHOWN]);

/* "a list", "a mapping", "nothing" or "text". */
const char *yaml_kind_name(const struct yaml_node *node);

#endif
