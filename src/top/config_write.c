/*
 * A machine as YAML, by the same table that reads it. What reads back is the same value.
 */
#include "config_schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct writer {
    const struct mmu_config *config;
    FILE *out;
};

static void write_rows(const struct writer *w, const struct schema *rows, const char *base, int indent,
                       bool flow);

/* Plain where YAML can take it for nothing but this text, else in double quotes. */
static void write_text(const struct writer *w, const char *text, bool quote)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+/";
    static const char *const taken[] = {"null", "Null", "NULL"};
    bool plain = *text && text[strspn(text, safe)] == '\0' && *text != '-' && *text != '+' && *text != '/';
    for (size_t i = 0; i < 3; i++)
        plain = plain && strcmp(text, taken[i]);
    if (plain && !quote) {
        fputs(text, w->out);
        return;
    }
    putc('"', w->out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', w->out);
        putc(*text, w->out);
    }
    putc('"', w->out);
}

static void write_set(const struct writer *w, const struct schema *row, uint32_t bits)
{
    const char *comma = "";
    putc('[', w->out);
    for (const struct schema_word *word = row->words; word->text; word++) {
        bool one_bit = !(word->value & (word->value - 1));
        if (!one_bit || !(bits & word->value))
            continue;
        fprintf(w->out, "%s%s", comma, word->text);
        comma = ", ";
    }
    putc(']', w->out);
}

static void write_features(const struct writer *w, const struct schema *row, const char *base)
{
    const char *comma = "";
    putc('[', w->out);
    for (const struct schema *f = row + 1; f->key; f++) {
        bool has = false;
        if (f->type == SCHEMA_BOOL)
            memcpy(&has, base + f->offset, sizeof has);
        if (has) {
            fprintf(w->out, "%s%s", comma, f->key);
            comma = ", ";
        }
    }
    putc(']', w->out);
}

static void write_masks(const struct writer *w, const struct schema *row, const char *base)
{
    const struct mmu_tlb_config *t = (const struct mmu_tlb_config *)(const void *)base;
    const char *comma = "";
    putc('{', w->out);
    for (uint32_t p = 0; p < MMU_PAGES; p++) {
        if (!t->way_mask[p])
            continue;
        fprintf(w->out, "%s%s: 0x%" PRIx64, comma, schema_word(row->words, p), t->way_mask[p]);
        comma = ", ";
    }
    putc('}', w->out);
}

static void write_serial(const struct writer *w, const struct schema *row, const char *base)
{
    const struct mmu_level_config *l = (const struct mmu_level_config *)(const void *)base;
    putc('{', w->out);
    for (uint32_t i = 0; i < l->serial_count; i++)
        fprintf(w->out, "%s%s: %" PRIu32, i ? ", " : "", schema_word(row->words, l->serial_page[i]),
                l->serial_latency[i]);
    putc('}', w->out);
}

/* "full" needs a number of entries, which stands in the row before; a cache has its size there. */
static bool is_full(const struct schema *row, const char *base)
{
    uint64_t ways = schema_number(row, base);
    return ways && row[-1].type == SCHEMA_NUMBER && ways == schema_number(&row[-1], base);
}

static void write_index(const struct writer *w, const char *base)
{
    const struct mmu_tlb_config *t = (const struct mmu_tlb_config *)(const void *)base;
    if (t->index == MMU_INDEX_XOR)
        fprintf(w->out, "xor-%d", __builtin_ctz(t->entries / t->ways));
    else
        fputs("linear", w->out);
}

static void write_value(const struct writer *w, const struct schema *row, const char *base)
{
    const char *at = base + row->offset;
    const struct mmu_tlb_config *t = (const struct mmu_tlb_config *)(const void *)base;
    char text[SCHEMA_NUMBER_TEXT];
    bool flag;
    switch (row->type) {
    case SCHEMA_BOOL:
    case SCHEMA_NOT:
        memcpy(&flag, at, sizeof flag);
        fputs(flag != (row->type == SCHEMA_NOT) ? "true" : "false", w->out);
        break;
    case SCHEMA_NUMBER:
    case SCHEMA_AUTO:
        fprintf(w->out, "%" PRIu64, schema_number(row, base));
        break;
    case SCHEMA_SIZE:
    case SCHEMA_AUTO_SIZE:
        fputs(schema_size_text(schema_number(row, base), text), w->out);
        break;
    case SCHEMA_STRING:
        write_text(w, at, !row->min);
        break;
    case SCHEMA_ENUM:
        fputs(schema_word(row->words, (uint32_t)schema_number(row, base)), w->out);
        break;
    case SCHEMA_SET:
        write_set(w, row, (uint32_t)schema_number(row, base));
        break;
    case SCHEMA_WAYS:
        if (is_full(row, base))
            fputs("full", w->out);
        else
            fprintf(w->out, "%" PRIu64, schema_number(row, base));
        break;
    case SCHEMA_INDEX:
        write_index(w, base);
        break;
    case SCHEMA_PCIDS:
        t->pcid_bound ? fprintf(w->out, "%" PRIu32, t->pcids) : fputs("unlimited", w->out);
        break;
    case SCHEMA_MASKS:
        write_masks(w, row, base);
        break;
    case SCHEMA_SERIAL:
        write_serial(w, row, base);
        break;
    case SCHEMA_FEATURES:
        write_features(w, row, base);
        break;
    default:
        break;
    }
}

/* Elements, one a line. */
static void write_list(const struct writer *w, const struct schema *row, const char *base, int indent)
{
    uint32_t n;
    memcpy(&n, base + row->count, sizeof n);
    if (n == 0)
        fputs(row->type == SCHEMA_LIST ? " []" : " {}", w->out);
    putc('\n', w->out);
    for (uint32_t i = 0; i < n; i++) {
        const char *at = base + row->offset + i * row->element;
        fprintf(w->out, "%*s", indent + 2, "");
        if (row->type == SCHEMA_NAMED)
            write_text(w, at, false);
        else if (row->type == SCHEMA_NUMBERED)
            fprintf(w->out, "%" PRIu32, i + 1);
        fputs(row->type == SCHEMA_LIST ? "- {" : ": {", w->out);
        write_rows(w, row->child, at, 0, true);
        fputs("}\n", w->out);
    }
}

/* Rows whose absence says the same as their value are left out of lines, so that these stay readable. */
static bool says_nothing(const struct schema *row, const char *base)
{
    if (row->type == SCHEMA_MASKS) {
        for (size_t i = 0; i < row->size; i++)
            if (base[row->offset + i])
                return false;
        return true;
    }
    if (schema_is_auto(row))
        return schema_left_auto(row, base);
    if (row->type == SCHEMA_SERIAL)
        return ((const struct mmu_level_config *)(const void *)base)->serial_count == 0;
    return false;
}

static void write_rows(const struct writer *w, const struct schema *rows, const char *base, int indent,
                       bool flow)
{
    const char *comma = "";
    for (; rows->key; rows++) {
        if (rows->unwritten || !schema_applies(rows, w->config) || says_nothing(rows, base))
            continue;
        if (flow)
            fputs(comma, w->out);
        comma = ", ";
        fprintf(w->out, "%*s%s:", flow ? 0 : indent, "", rows->key);
        if (schema_is_list(rows)) {
            write_list(w, rows, base, indent);
            continue;
        }
        if (rows->type == SCHEMA_MAP && !rows->flow) {
            putc('\n', w->out);
            write_rows(w, rows->child, base + rows->offset, indent + 2, false);
            continue;
        }
        putc(' ', w->out);
        if (rows->type == SCHEMA_MAP) {
            putc('{', w->out);
            write_rows(w, rows->child, base + rows->offset, 0, true);
            putc('}', w->out);
        } else {
            write_value(w, rows, base);
        }
        if (!flow)
            putc('\n', w->out);
    }
}

int mmu_config_write(const struct mmu_config *config, FILE *out)
{
    struct writer w = {config, out};
    int status = mmu_config_check(config, NULL);
    if (status)
        return status;
    write_rows(&w, config_schema, (const char *)config, 0, false);
    return fflush(out) == 0 && !ferror(out) ? MMU_OK : MMU_ERR_IO;
}

/* --- the list of keys --- */

struct keys {
    void (*each)(void *ctx, const char *path, const char *expected, const char *text);
    void *ctx;
};

static void list_keys(const struct keys *k, const struct schema *rows, const char *before)
{
    char path[SCHEMA_PATH], expected[300];
    for (; rows->key; rows++) {
        snprintf(path, sizeof path, "%s%s", before, rows->key);
        k->each(k->ctx, path, schema_expected(rows, expected, sizeof expected), rows->doc);
        if (!rows->child)
            continue;
        strncat(path,
                rows->type == SCHEMA_NAMED ? ".NAME."
                : schema_is_list(rows)     ? ".N."
                                           : ".",
                sizeof path - strlen(path) - 1);
        list_keys(k, rows->child, path);
    }
}

void mmu_config_keys(void (*each)(void *ctx, const char *path, const char *expected, const char *text),
                     void *ctx)
{
    struct keys k = {each, ctx};
    list_keys(&k, config_schema, "");
}
