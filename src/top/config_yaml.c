/*
 * From libyaml's events to a tree. Leaves out all meaning: a text is a text.
 */
#include "config_yaml.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    struct yaml_tree *tree;
    const char *text;
    size_t size;
    const char *name;
    struct mmu_error *err;
};

#define REFUSE(r, mark, ...)                                                                                 \
    err_at((r)->err, MMU_ERR_FORMAT, (r)->name, (unsigned)(mark).line + 1, (unsigned)(mark).column + 1,      \
           __VA_ARGS__)

/* The position of a byte. */
static yaml_mark_t mark_of(const struct reader *r, size_t offset)
{
    yaml_mark_t mark = {0, 0, 0};
    for (size_t i = 0; i < offset && i < r->size; i++) {
        if (r->text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if ((r->text[i] & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

/* Does the line have a tab before, or at, the mark? Then the tab is what is wrong, whatever libyaml calls it.
 */
static bool find_tab(const struct reader *r, yaml_mark_t *mark)
{
    const char *p = r->text, *end = r->text + r->size;
    for (size_t line = 0; line < mark->line && p < end; line++) {
        p = memchr(p, '\n', (size_t)(end - p));
        p = p ? p + 1 : end;
    }
    for (size_t column = 0; p < end && column <= mark->column && *p != '\n'; p++) {
        if (*p == '\t') {
            mark->column = column;
            return true;
        }
        column += (*p & 0xc0) != 0x80;
    }
    return false;
}

static int syntax_error(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    yaml_mark_t mark = p->problem_mark;
    switch (p->error) {
    case YAML_MEMORY_ERROR:
        return err_set(r->err, MMU_ERR_NOMEM, "%s", mmu_status_text(MMU_ERR_NOMEM));
    case YAML_READER_ERROR:
        return REFUSE(r, mark_of(r, p->problem_offset), "%s (0x%02x); expected UTF-8 text", p->problem,
                      (unsigned)p->problem_value);
    default:
        if (find_tab(r, &mark))
            return REFUSE(r, mark, "a tab; expected blanks (YAML is not indented with tabs)");
        return REFUSE(r, mark, "not YAML: %s%s%s", p->context ? p->context : "", p->context ? ", " : "",
                      p->problem ? p->problem : "syntax error");
    }
}

static int next_event(struct reader *r, yaml_event_t *event)
{
    return yaml_parser_parse(&r->parser, event) ? MMU_OK : syntax_error(r);
}

static struct yaml_node *new_node(struct reader *r, enum yaml_kind kind, yaml_mark_t mark)
{
    struct yaml_node *node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    *node = (struct yaml_node){kind, (unsigned)mark.line + 1, (unsigned)mark.column + 1, false, NULL, NULL,
                               NULL, r->tree->latest};
    r->tree->latest = node;
    r->tree->nodes++;
    return node;
}

/* What our YAML does without. */
static int check_plain(struct reader *r, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor || event->type == YAML_ALIAS_EVENT)
        return REFUSE(r, event->start_mark,
                      "anchors and aliases are not taken here; expected the value itself, or inherit");
    if (tag)
        return REFUSE(r, event->start_mark, "tags are not taken here; expected the value itself");
    return MMU_OK;
}

static int read_node(struct reader *r, const yaml_event_t *event, unsigned depth, struct yaml_node **out);

/* Reads the next event and its node; *out = NULL at the event that ends a collection. */
static int read_next(struct reader *r, unsigned depth, struct yaml_node **out)
{
    yaml_event_t event;
    int status = next_event(r, &event);
    *out = NULL;
    if (status)
        return status;
    if (event.type != YAML_SEQUENCE_END_EVENT && event.type != YAML_MAPPING_END_EVENT)
        status = read_node(r, &event, depth, out);
    yaml_event_delete(&event);
    return status;
}

static int check_key(struct reader *r, const struct yaml_node *map, const struct yaml_node *key)
{
    yaml_mark_t mark = {0, key->line - 1, key->column - 1};
    char shown[YAML_SHOWN];
    if (key->kind != YAML_TEXT)
        return REFUSE(r, mark, "a key that is %s; expected a word", yaml_kind_name(key));
    for (const struct yaml_node *k = map->first; k; k = k->next->next)
        if (!strcmp(k->text, key->text))
            return REFUSE(r, mark, "key '%s' is given twice, first at line %u; expected it once",
                          yaml_shown(key->text, shown), k->line);
    return MMU_OK;
}

static int read_children(struct reader *r, struct yaml_node *parent, unsigned depth)
{
    struct yaml_node **link = &parent->first, *key, *value;
    for (;;) {
        int status = read_next(r, depth, &key);
        if (status || !key)
            return status;
        value = key;
        if (parent->kind == YAML_MAP) {
            if ((status = check_key(r, parent, key)) || (status = read_next(r, depth, &value)))
                return status;
            key->next = value;
        }
        *link = key;
        link = &value->next;
    }
}

static int read_node(struct reader *r, const yaml_event_t *event, unsigned depth, struct yaml_node **out)
{
    int status = check_plain(r, event);
    if (status)
        return status;
    if (depth >= YAML_MAX_DEPTH || r->tree->nodes >= YAML_MAX_NODES)
        return REFUSE(r, event->start_mark, "%s than any machine needs",
                      depth >= YAML_MAX_DEPTH ? "nested deeper" : "more values");
    enum yaml_kind kind = event->type == YAML_SCALAR_EVENT          ? YAML_TEXT
                          : event->type == YAML_MAPPING_START_EVENT ? YAML_MAP
                                                                    : YAML_LIST;
    struct yaml_node *node = new_node(r, kind, event->start_mark);
    if (!node)
        return err_set(r->err, MMU_ERR_NOMEM, "%s", mmu_status_text(MMU_ERR_NOMEM));
    *out = node;
    if (kind != YAML_TEXT)
        return read_children(r, node, depth + 1);
    const char *text = (const char *)event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length)
        return REFUSE(r, event->start_mark, "a NUL character; expected text");
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = strdup(text);
    return node->text ? MMU_OK : err_set(r->err, MMU_ERR_NOMEM, "%s", mmu_status_text(MMU_ERR_NOMEM));
}

/* The stream: one document, which is not empty. */
static int read_stream(struct reader *r)
{
    for (;;) {
        yaml_event_t event;
        int status = next_event(r, &event);
        if (status)
            return status;
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && r->tree->root)
            status = REFUSE(r, event.start_mark, "a second document; expected one machine in a file");
        yaml_event_delete(&event);
        if (status)
            return status;
        if (type == YAML_STREAM_END_EVENT)
            return r->tree->root ? MMU_OK
                                 : err_at(r->err, MMU_ERR_FORMAT, r->name, 1, 1,
                                          "empty; expected a mapping of a machine's keys");
        if (type == YAML_DOCUMENT_START_EVENT && (status = read_next(r, 0, &r->tree->root)))
            return status;
    }
}

int yaml_tree_read(struct yaml_tree *tree, const char *text, size_t size, const char *name,
                   struct mmu_error *err)
{
    static const char bom[] = "\xef\xbb\xbf";
    struct reader r = {.tree = tree, .text = text, .size = size, .name = name, .err = err};
    *tree = (struct yaml_tree){NULL, NULL, 0};
    if (size > YAML_MAX_BYTES)
        return err_at(err, MMU_ERR_FORMAT, name, 0, 0, "%zu bytes; expected a machine's YAML of at most %d",
                      size, YAML_MAX_BYTES);
    if (size >= 3 && !memcmp(text, bom, 3)) { /* libyaml would count it as a column */
        r.text += 3;
        r.size -= 3;
    }
    if (!yaml_parser_initialize(&r.parser))
        return err_set(err, MMU_ERR_NOMEM, "%s", mmu_status_text(MMU_ERR_NOMEM));
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)r.text, r.size);
    int status = read_stream(&r);
    yaml_parser_delete(&r.parser);
    return status;
}

void yaml_tree_free(struct yaml_tree *tree)
{
    while (tree->latest) {
        struct yaml_node *node = tree->latest;
        tree->latest = node->made_before;
        free(node->text);
        free(node);
    }
    tree->root = NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (node->kind == YAML_TEXT && node->plain && !strcmp(node->text, words[i]))
            return true;
    return false;
}

const char *yaml_shown(const char *text, char buf[YAML_SHOWN])
{
    size_t n = strlen(text), room = YAML_SHOWN - sizeof "...";
    bool cut = n > room;
    for (n = cut ? room : n; cut && n && (text[n] & 0xc0) == 0x80;) /* not inside a character */
        n--;
    for (size_t i = 0; i < n; i++)
        buf[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
    strcpy(buf + n, cut ? "..." : "");
    return buf;
}

const char *yaml_kind_name(const struct yaml_node *node)
{
    return yaml_is_null(node)        ? "nothing"
           : node->kind == YAML_LIST ? "a list"
           : node->kind == YAML_MAP  ? "a mapping"
                                     : "text";
}
