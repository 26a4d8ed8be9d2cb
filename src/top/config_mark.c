/*
 * Positions: where each field of the machine was said, so that a rule that is broken between two fields can
 * be blamed on a line.
 *
 * A mark is a row of the schema and an offset; offsets alone would confuse a mapping with its first field.
 */
#include "config_value.h"
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int apply_origin(struct apply *a, const char *prefix, const char *name)
{
    size_t size = strlen(prefix) + strlen(name) + 1;
    char **origin = realloc(a->origin, (a->origins + 1) * sizeof *origin);
    char *whole = malloc(size);
    a->origin = origin ? origin : a->origin;
    if (!origin || !whole) {
        free(whole);
        return err_set(a->err, MMU_ERR_NOMEM, "%s", mmu_status_text(MMU_ERR_NOMEM));
    }
    snprintf(whole, size, "%s%s", prefix, name);
    if (*prefix)
        schema_one_line(whole); /* a --set is quoted; a file keeps its name */
    a->origin[a->origins++] = whole;
    return MMU_OK;
}

void apply_free(struct apply *a)
{
    for (unsigned i = 0; i < a->origins; i++)
        free(a->origin[i]);
    free(a->origin);
    free(a->mark);
}

int value_refuse(struct apply *a, const struct yaml_node *node, int code, const char *format, ...)
{
    char text[480];
    bool said =
        !a->path[0] || (a->set && !strcmp(a->set, a->path)); /* the path stands before the message already */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_at(a->err, code, a->origin[a->origins - 1], a->set ? 0 : node->line, a->set ? 0 : node->column,
                  "%s%s%s", said ? "" : a->path, said ? "" : ": ", schema_one_line(text));
}

int mark_add(struct apply *a, const struct schema *row, size_t offset, const struct yaml_node *key)
{
    if (a->marks == a->room) {
        size_t room = a->room ? 2 * a->room : 256;
        struct apply_mark *mark = realloc(a->mark, room * sizeof *mark);
        if (!mark)
            return err_set(a->err, MMU_ERR_NOMEM, "%s", mmu_status_text(MMU_ERR_NOMEM));
        a->mark = mark;
        a->room = room;
    }
    a->mark[a->marks++] =
        (struct apply_mark){row, offset, a->origins - 1, a->set ? 0 : key->line, a->set ? 0 : key->column};
    return MMU_OK;
}

void mark_drop(struct apply *a, size_t offset, size_t size)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->marks; i++)
        if (a->mark[i].offset - offset >= size)
            a->mark[kept++] = a->mark[i];
    a->marks = kept;
}

void mark_shift(struct apply *a, size_t offset, size_t size, size_t distance)
{
    for (size_t i = 0; i < a->marks; i++)
        if (a->mark[i].offset - offset < size)
            a->mark[i].offset -= distance;
}

/* The latest mark of a field, or of the closest thing around it that has one; *outward counts the steps.
 * NULL: none. */
static const struct apply_mark *find_mark(const struct apply *a, size_t offset, unsigned *outward)
{
    char path[SCHEMA_PATH];
    struct schema_step steps[SCHEMA_DEPTH * 2];
    unsigned n = schema_locate(a->config, offset, path, steps);
    for (*outward = 0; n-- > 0; ++*outward)
        for (size_t i = a->marks; i-- > 0;)
            if (a->mark[i].row == steps[n].row && a->mark[i].offset == steps[n].offset)
                return &a->mark[i];
    return NULL;
}

unsigned mark_latest(const struct apply *a, size_t offset, size_t size)
{
    unsigned latest = 0;
    for (size_t i = 0; i < a->marks; i++)
        if (a->mark[i].offset - offset < size && a->mark[i].row->type != SCHEMA_MAP &&
            a->mark[i].origin + 1 > latest)
            latest = a->mark[i].origin + 1;
    return latest;
}

int mark_error(struct apply *a, const struct config_problem *problem)
{
    char path[SCHEMA_PATH];
    struct schema_step steps[SCHEMA_DEPTH * 2];
    unsigned outward, other_outward;
    const struct apply_mark *mark = find_mark(a, problem->field[0], &outward);
    const struct apply_mark *other = find_mark(a, problem->field[1], &other_outward);
    if (other &&
        (!mark || other_outward < outward || (other_outward == outward && other->origin > mark->origin)))
        mark =
            other; /* said more exactly, or in a later text: what was said before may well have been right */
    schema_locate(a->config, problem->field[0], path, steps);
    const char *file = a->origins ? a->origin[mark ? mark->origin : a->origins - 1] : "";
    return err_at(a->err, MMU_ERR_INVALID, file, mark ? mark->line : 0, mark ? mark->column : 0, "%s: %s",
                  path, problem->text);
}
