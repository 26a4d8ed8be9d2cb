/*
 * The collections of the schema: mappings, lists, --set paths. The single values are in config_value.c,
 * positions in config_mark.c.
 *
 * A later text overrides an earlier one key by key; lists of named or numbered elements merge by name, others
 * are replaced; null removes. An empty list, or an empty mapping of elements, says that there are none.
 */
#include "config_apply.h"
#include "config_value.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

static int apply_value(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                       const struct yaml_node *node);

static size_t offset_of(const struct apply *a, const char *at)
{
    return (size_t)(at - (const char *)a->config);
}

static const struct schema *find_row(const struct schema *rows, const char *key)
{
    for (; rows->key; rows++)
        if (!strcmp(rows->key, key))
            return rows;
    return NULL;
}

/* Adds ".word" to the path; returns the length before, for path_cut(). */
static size_t path_push(struct apply *a, const char *word)
{
    size_t length = strlen(a->path);
    char shown[YAML_SHOWN];
    snprintf(a->path + length, sizeof a->path - length, "%s%s", length ? "." : "", yaml_shown(word, shown));
    return length;
}

static int unknown_key(struct apply *a, const struct schema *rows, const struct yaml_node *key)
{
    const char *names[32];
    char list[400] = "one of ", shown[YAML_SHOWN];
    size_t n = 0, used = strlen(list);
    for (; rows->key && n < sizeof names / sizeof names[0]; rows++) {
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", n ? ", " : "", rows->key);
        names[n++] = rows->key;
    }
    const char *near = err_suggest(key->text, names, n);
    if (near)
        return value_refuse(a, key, MMU_ERR_FORMAT, "unknown key '%s'; did you mean '%s'?",
                            yaml_shown(key->text, shown), near);
    return value_refuse(a, key, MMU_ERR_FORMAT, "unknown key '%s'; expected %s", yaml_shown(key->text, shown),
                        list);
}

/* Two faces of one thing in one mapping: whichever came last would win silently. */
static int check_gates(struct apply *a, const struct schema *rows, const struct yaml_node *map)
{
    const struct schema *seen = NULL;
    for (const struct yaml_node *k = map->first; k; k = k->next->next) {
        const struct schema *row = find_row(rows, k->text);
        if (!row || row->gate == SCHEMA_ALWAYS)
            continue;
        if (seen && seen->gate != row->gate)
            return value_refuse(a, k, MMU_ERR_INVALID,
                                "'%s' and '%s' exclude each other; expected one of them", seen->key,
                                row->key);
        seen = row;
    }
    return MMU_OK;
}

/* A part that was not there; or the other face of the paging-structure caches: what the one before said is
 * void. */
static void open_gate(struct apply *a, const struct schema *row)
{
    struct mmu_psc_config *psc = &a->config->psc;
    a->config->os.enabled |= row->gate == SCHEMA_IF_OS;
    a->config->os.aged |= row->gate == SCHEMA_IF_AGED;
    if (schema_applies(row, a->config))
        return;
    mark_drop(a, offset_of(a, (char *)psc), sizeof *psc);
    memset(psc->array, 0, sizeof psc->array);
    psc->unified = row->gate == SCHEMA_IF_UNIFIED;
    psc->levels = psc->unified ? (1u << MMU_PSC_LEVELS) - 1 : 0;
}

static bool has_key(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *k = map->first;
    while (k && strcmp(k->text, key))
        k = k->next->next;
    return k;
}

static int apply_map(struct apply *a, const struct schema *rows, char *base, const struct yaml_node *map)
{
    int status = check_gates(a, rows, map);
    for (const struct yaml_node *k = map->first; k && !status; k = k->next->next) {
        const struct schema *row = find_row(rows, k->text);
        if (!row)
            return unknown_key(a, rows, k);
        size_t length = path_push(a, row->key);
        if (row->type == SCHEMA_END && has_key(map, row[-1].key))
            return value_refuse(a, k->next, MMU_ERR_INVALID, "got '%s' too; expected one of the two",
                                row[-1].key);
        status = apply_value(a, row, base, k, k->next);
        a->path[length] = '\0';
    }
    return status;
}

/* --- lists --- */

static char *element(const struct schema *row, char *base, uint32_t i)
{
    return base + row->offset + i * row->element;
}

static int apply_element(struct apply *a, const struct schema *row, char *at, const struct yaml_node *key,
                         const struct yaml_node *node)
{
    if (node->kind != YAML_MAP)
        return value_refuse(a, node, MMU_ERR_FORMAT, "expected a mapping of its fields, got %s",
                            yaml_kind_name(node));
    int status = mark_add(a, row->child, offset_of(a, at), key);
    return status ? status : apply_map(a, row->child, at, node);
}

static void remove_element(struct apply *a, const struct schema *row, char *base, uint32_t i)
{
    uint32_t *n = schema_count(row, base);
    char *at = element(row, base, i), *end = element(row, base, *n);
    mark_drop(a, offset_of(a, at), row->element);
    mark_shift(a, offset_of(a, at), (size_t)(end - at), row->element);
    memmove(at, at + row->element, (size_t)(end - at) - row->element);
    memset(end - row->element, 0, row->element);
    --*n;
}

static uint32_t find_name(const struct schema *row, char *base, const char *name)
{
    uint32_t n = *schema_count(row, base), i = 0;
    while (i < n && strcmp(element(row, base, i), name))
        i++;
    return i;
}

static int too_many(struct apply *a, const struct schema *row, const struct yaml_node *node)
{
    return value_refuse(a, node, MMU_ERR_RANGE, "too many; expected at most %u", (unsigned)row->max);
}

static int apply_named(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                       const struct yaml_node *node)
{
    uint32_t *n = schema_count(row, base), i = find_name(row, base, key->text);
    bool exists = i < *n;
    if (yaml_is_null(node)) {
        if (!exists)
            return value_refuse(a, key, MMU_ERR_INVALID, "there is none to remove");
        remove_element(a, row, base, i);
        return MMU_OK;
    }
    if (!exists && strlen(key->text) >= MMU_NAME)
        return value_refuse(a, key, MMU_ERR_RANGE, "expected a name of at most %d bytes", MMU_NAME - 1);
    if (!exists && *n >= row->max)
        return too_many(a, row, key);
    if (!exists) {
        strcpy(element(row, base, i), key->text);
        ++*n;
    }
    return apply_element(a, row, element(row, base, i), key, node);
}

static int apply_numbered(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                          const struct yaml_node *node)
{
    uint32_t *n = schema_count(row, base);
    uint64_t number;
    if (!value_number(key->text, false, &number) || number < 1 || number > row->max)
        return value_refuse(a, key, MMU_ERR_RANGE, "expected a number from 1 to %u", (unsigned)row->max);
    if (yaml_is_null(node)) {
        if (number != *n)
            return value_refuse(a, key, MMU_ERR_INVALID, "only the last one, %u, can be removed",
                                (unsigned)*n);
        remove_element(a, row, base, *n - 1);
        return MMU_OK;
    }
    *n = number > *n ? (uint32_t)number : *n;
    return apply_element(a, row, element(row, base, (uint32_t)number - 1), key, node);
}

static void clear_list(struct apply *a, const struct schema *row, char *base)
{
    mark_drop(a, offset_of(a, base + row->offset), row->size);
    memset(base + row->offset, 0, row->size);
    *schema_count(row, base) = 0;
}

static int apply_keyed(struct apply *a, const struct schema *row, char *base, const struct yaml_node *map)
{
    int status = MMU_OK;
    for (const struct yaml_node *k = map->first; k && !status; k = k->next->next) {
        size_t length = path_push(a, k->text);
        status = row->type == SCHEMA_NAMED ? apply_named(a, row, base, k, k->next)
                                           : apply_numbered(a, row, base, k, k->next);
        a->path[length] = '\0';
    }
    return status;
}

static int apply_sequence(struct apply *a, const struct schema *row, char *base, const struct yaml_node *list)
{
    uint32_t *n = schema_count(row, base);
    int status = MMU_OK;
    clear_list(a, row, base);
    for (const struct yaml_node *item = list->first; item && !status; item = item->next) {
        char number[16];
        if (*n >= row->max)
            return too_many(a, row, item);
        snprintf(number, sizeof number, "%u", (unsigned)*n);
        size_t length = path_push(a, number);
        ++*n;
        status = apply_element(a, row, element(row, base, *n - 1), item, item);
        a->path[length] = '\0';
    }
    return status;
}

static int apply_list(struct apply *a, const struct schema *row, char *base, const struct yaml_node *node)
{
    char expected[200];
    if (yaml_is_null(node) || (node->kind == YAML_MAP && row->type != SCHEMA_LIST && !node->first)) {
        clear_list(a, row, base);
        return MMU_OK;
    }
    if (node->kind != (row->type == SCHEMA_LIST ? YAML_LIST : YAML_MAP))
        return value_refuse(a, node, MMU_ERR_FORMAT, "expected %s, got %s",
                            schema_expected(row, expected, sizeof expected), yaml_kind_name(node));
    return row->type == SCHEMA_LIST ? apply_sequence(a, row, base, node) : apply_keyed(a, row, base, node);
}

/* --- any row --- */

static int apply_value(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                       const struct yaml_node *node)
{
    char *at = base + row->offset;
    int status = mark_add(a, row, offset_of(a, at), key);
    if (status)
        return status;
    open_gate(a, row);
    if (schema_is_list(row)) {
        status = apply_list(a, row, base, node);
        return status ? status : mark_add(a, row, offset_of(a, at), key); /* clearing it dropped its mark */
    }
    if (row->type != SCHEMA_MAP)
        return value_apply(a, row, base, key, node);
    if (row->gate == SCHEMA_IF_OS && yaml_is_null(node)) {
        mark_drop(a, offset_of(a, at), row->size);
        config_os_init(&a->config->os);
        return MMU_OK;
    }
    if (row->flow && yaml_is_null(node)) {
        memset(at, 0, row->size);
        return MMU_OK;
    }
    if (node->kind != YAML_MAP)
        return value_refuse(a, node, MMU_ERR_FORMAT, "expected a mapping of its keys, got %s",
                            yaml_kind_name(node));
    return apply_map(a, row->child, at, node);
}

int apply_tree(struct apply *a, const struct yaml_node *root)
{
    a->path[0] = '\0';
    if (root->kind != YAML_MAP)
        return value_refuse(a, root, MMU_ERR_FORMAT, "expected a mapping of a machine's keys, got %s",
                            yaml_kind_name(root));
    return apply_map(a, config_schema, (char *)a->config, root);
}

/* --- --set --- */

/* The element that a word of a path names: by name, else by number. */
static int find_element(struct apply *a, const struct schema *row, char *base, const struct yaml_node *word,
                        char **at)
{
    uint32_t n = *schema_count(row, base), first = row->type == SCHEMA_NUMBERED ? 1 : 0;
    uint64_t number;
    char shown[YAML_SHOWN];
    const char *names[MMU_MAX_TLBS];
    uint32_t i = row->type == SCHEMA_NAMED ? find_name(row, base, word->text) : n;
    if (i == n && value_number(word->text, false, &number) && number >= first && number - first < n)
        i = (uint32_t)number - first;
    *at = element(row, base, i);
    if (i < n)
        return MMU_OK;
    if (row->type == SCHEMA_NAMED) {
        for (uint32_t k = 0; k < n; k++)
            names[k] = element(row, base, k);
        const char *near = err_suggest(word->text, names, n);
        if (near)
            return value_refuse(a, word, MMU_ERR_INVALID, "there is no '%s'; did you mean '%s'?",
                                yaml_shown(word->text, shown), near);
    }
    if (n == 0)
        return value_refuse(a, word, MMU_ERR_INVALID, "there is no '%s'; the machine has none",
                            yaml_shown(word->text, shown));
    return value_refuse(a, word, MMU_ERR_INVALID, "there is no '%s'; expected %s%u to %u",
                        yaml_shown(word->text, shown), row->type == SCHEMA_NAMED ? "a name, or " : "", first,
                        n - 1 + first);
}

/* A whole element of a list. */
static int apply_item(struct apply *a, const struct schema *list, char *base, const struct yaml_node *word,
                      const struct yaml_node *node)
{
    int status = mark_add(a, list, offset_of(a, base + list->offset), word);
    if (status)
        return status;
    if (list->type == SCHEMA_LIST)
        return value_refuse(a, word, MMU_ERR_FORMAT, "expected one of its fields, as %s.start", a->path);
    return list->type == SCHEMA_NAMED ? apply_named(a, list, base, word, node)
                                      : apply_numbered(a, list, base, word, node);
}

/* A --set's value: a plain text for single values, else YAML. list: word names a whole element of it. */
static int apply_parsed(struct apply *a, const struct schema *row, char *base, const struct yaml_node *word,
                        const char *value, const struct schema *list)
{
    struct yaml_node text = {.kind = YAML_TEXT, .line = 0, .plain = true, .text = (char *)(uintptr_t)value};
    struct yaml_tree tree;
    struct mmu_error syntax;
    if (!list && !value_is_collection(row) && row->type != SCHEMA_MAP && !schema_is_list(row))
        return apply_value(a, row, base, word, &text);
    int status = yaml_tree_read(&tree, value, strlen(value), "", &syntax);
    if (status && value[strspn(value, " ")]) {
        yaml_tree_free(&tree);
        return value_refuse(a, word, status, "column %u of the value: %s", syntax.column, syntax.message);
    }
    const struct yaml_node *node = tree.root ? tree.root : &text;
    status = list ? apply_item(a, list, base, word, node) : apply_value(a, row, base, word, node);
    yaml_tree_free(&tree);
    return status;
}

/* Follows the words of the path, which is cut at its dots, to a row, and applies the value there. */
static int apply_path(struct apply *a, char *words, const char *value)
{
    const struct schema *rows = config_schema;
    char *base = (char *)a->config, *rest = words;
    a->path[0] = '\0';
    for (;;) {
        struct yaml_node word = {.kind = YAML_TEXT, .text = strsep(&rest, ".")};
        const struct schema *row = find_row(rows, word.text);
        if (!row)
            return unknown_key(a, rows, &word);
        path_push(a, row->key);
        if (!rest)
            return apply_parsed(a, row, base, &word, value, NULL);
        if (!row->child)
            return value_refuse(a, &word, MMU_ERR_FORMAT, "has no parts; expected %s=value", a->path);
        open_gate(a, row);
        if (schema_is_list(row)) {
            char *at;
            word.text = strsep(&rest, ".");
            if (!rest) {
                path_push(a, word.text);
                return apply_parsed(a, row, base, &word, value, row);
            }
            int status = find_element(a, row, base, &word, &at);
            if (status)
                return status;
            path_push(a, word.text);
            base = at;
        } else {
            base += row->offset;
        }
        rows = row->child;
    }
}

int apply_set(struct apply *a, const char *text)
{
    const char *equals = strchr(text, '=');
    int status = apply_origin(a, "--set ", text);
    if (!status && (!equals || equals == text))
        return err_at(a->err, MMU_ERR_FORMAT, a->origin[a->origins - 1], 0, 0,
                      "expected path=value, as tlb.STLB.entries=1024");
    char *words = status ? NULL : strndup(text, (size_t)(equals - text));
    char *path = words ? strdup(words) : NULL;
    if (!path) {
        free(words);
        return err_set(a->err, MMU_ERR_NOMEM, "%s", mmu_status_text(MMU_ERR_NOMEM));
    }
    a->set = path;
    status = apply_path(a, words, equals + 1);
    a->set = NULL;
    free(words);
    free(path);
    return status;
}
