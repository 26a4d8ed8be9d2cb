/*
 * Walking the schema: from a byte of struct mmu_config to its YAML path, and over every field that is there.
 */
#include "config_schema.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint32_t schema_all_bits(const struct schema_word *words)
{
    uint32_t bits = 0;
    for (; words->text; words++)
        bits |= words->value;
    return bits;
}

const char *schema_word(const struct schema_word *words, uint32_t value)
{
    for (; words->text; words++)
        if (words->value == value)
            return words->text;
    return NULL;
}

bool schema_applies(const struct schema *row, const struct mmu_config *config)
{
    const bool open[] = {[SCHEMA_ALWAYS] = true,
                         [SCHEMA_IF_UNIFIED] = config->psc.unified,
                         [SCHEMA_IF_SPLIT] = !config->psc.unified,
                         [SCHEMA_IF_OS] = config->os.enabled,
                         [SCHEMA_IF_AGED] = config->os.aged};
    return open[row->gate];
}

const char *schema_size_text(uint64_t value, char buf[SCHEMA_NUMBER_TEXT])
{
    static const char *const suffix[] = {"", "K", "M", "G", "T"};
    uint64_t n = value;
    unsigned i = 0;
    for (; n && n % 1024 == 0 && i < 4; i++)
        n /= 1024;
    if (n < 100000000)
        snprintf(buf, SCHEMA_NUMBER_TEXT, "%" PRIu64 "%s", n, suffix[i]);
    else
        snprintf(buf, SCHEMA_NUMBER_TEXT, "0x%" PRIx64, value);
    return buf;
}

static void expected_words(const struct schema_word *words, char *buf, size_t size, const char *before)
{
    size_t used = (size_t)snprintf(buf, size, "%s", before);
    for (const char *comma = ""; words->text && used < size; words++, comma = ", ")
        used += (size_t)snprintf(buf + used, size - used, "%s%s", comma, words->text);
}

const char *schema_expected(const struct schema *row, char *buf, size_t size)
{
    static const char *const fixed[] = {
        [SCHEMA_BOOL] = "true or false",
        [SCHEMA_NOT] = "true or false",
        [SCHEMA_INDEX] = "linear, xor, or xor-N with N from 1 to 31",
        [SCHEMA_MASKS] = "a mapping of page sizes to way masks, as {4K: 0xff, 2M: 0xf00}",
        [SCHEMA_SERIAL] = "a mapping of page sizes to cycles, as {4K: 7, 2M: 7}",
        [SCHEMA_FEATURES] = "a list of features, as [wp, invlpg, pse]",
        [SCHEMA_MAP] = "a mapping of keys to values",
        [SCHEMA_NAMED] = "a mapping of names to their fields",
        [SCHEMA_NUMBERED] = "a mapping of numbers, from 1, to their fields",
        [SCHEMA_LIST] = "a list of mappings",
        [SCHEMA_INHERIT] = "the name of a machine, or a file",
    };
    char low[SCHEMA_NUMBER_TEXT], high[SCHEMA_NUMBER_TEXT];
    switch (row->type) {
    case SCHEMA_NUMBER:
        snprintf(buf, size, "a number from %" PRIu64 " to %" PRIu64, row->min, row->max);
        break;
    case SCHEMA_AUTO:
        snprintf(buf, size, "a number from %" PRIu64 " to %" PRIu64 ", or auto", row->min, row->max);
        break;
    case SCHEMA_SIZE:
    case SCHEMA_END:
    case SCHEMA_AUTO_SIZE:
        snprintf(buf, size, "a number from %s to %s (K, M, G, T are powers of 1024)%s",
                 schema_size_text(row->min, low), schema_size_text(row->max, high),
                 row->type == SCHEMA_AUTO_SIZE ? ", or auto" : "");
        break;
    case SCHEMA_WAYS:
        snprintf(buf, size, "a number from %" PRIu64 " to %" PRIu64 ", or full", row->min, row->max);
        break;
    case SCHEMA_PCIDS:
        snprintf(buf, size, "a number from 0 to %" PRIu64 ", or unlimited", row->max);
        break;
    case SCHEMA_STRING:
        snprintf(buf, size, "text of at most %zu bytes", row->size - 1);
        break;
    case SCHEMA_ENUM:
        expected_words(row->words, buf, size, "one of ");
        break;
    case SCHEMA_SET:
        expected_words(row->words, buf, size, "a list of some of ");
        break;
    default:
        snprintf(buf, size, "%s", fixed[row->type]);
    }
    return buf;
}

uint64_t schema_number(const struct schema *row, const void *base)
{
    const char *at = (const char *)base + row->offset;
    uint32_t small;
    uint64_t large;
    if (row->size == sizeof large) {
        memcpy(&large, at, sizeof large);
        return large;
    }
    memcpy(&small, at, sizeof small);
    return small;
}

void schema_set_number(const struct schema *row, void *base, uint64_t value)
{
    char *at = (char *)base + row->offset;
    uint32_t small = (uint32_t)value;
    if (row->size == sizeof value)
        memcpy(at, &value, sizeof value);
    else
        memcpy(at, &small, sizeof small);
}

uint32_t *schema_count(const struct schema *row, void *base)
{
    return (uint32_t *)(void *)((char *)base + row->count);
}

bool schema_is_auto(const struct schema *row)
{
    return row->type == SCHEMA_AUTO || row->type == SCHEMA_AUTO_SIZE;
}

bool *schema_given(const struct schema *row, void *base)
{
    return row->count ? (bool *)(void *)((char *)base + row->count - 1) : NULL;
}

bool schema_left_auto(const struct schema *row, const void *base)
{
    bool given = schema_number(row, base) != 0;
    if (row->count)
        memcpy(&given, (const char *)base + row->count - 1, sizeof given);
    return schema_is_auto(row) && !given;
}

bool schema_is_list(const struct schema *row)
{
    return row->type == SCHEMA_NAMED || row->type == SCHEMA_NUMBERED || row->type == SCHEMA_LIST;
}

__attribute__((format(printf, 2, 3))) static void extend(char path[SCHEMA_PATH], const char *format, ...)
{
    size_t used = strlen(path);
    va_list args;
    va_start(args, format);
    vsnprintf(path + used, SCHEMA_PATH - used, format, args);
    va_end(args);
}

char *schema_one_line(char *text)
{
    for (char *c = text; *c; c++)
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
    return text;
}

/* The part of a path that names element i, whose struct lies at element. */
static void extend_element(char path[SCHEMA_PATH], const struct schema *row, const char *element, size_t i)
{
    size_t length =
        row->type == SCHEMA_NAMED ? strnlen(element, MMU_NAME) : 0; /* a name is the first member */
    size_t used = strlen(path);
    if (length > 0 && length < MMU_NAME)
        extend(path, ".%s", element);
    else
        extend(path, ".%zu", row->type == SCHEMA_NUMBERED ? i + 1 : i);
    schema_one_line(path + used); /* a name is checked, and complained about, like any other field */
}

unsigned schema_locate(const struct mmu_config *config, size_t offset, char path[SCHEMA_PATH],
                       struct schema_step steps[SCHEMA_DEPTH * 2])
{
    const struct schema *row = config_schema;
    size_t base = 0;
    unsigned n = 0;
    path[0] = '\0';
    while (row && row->key && n + 2 <= SCHEMA_DEPTH * 2) {
        bool inside = offset - base - row->offset < row->size;
        bool is_count = schema_is_list(row) && offset == base + row->count;
        if (!schema_applies(row, config) || row->type == SCHEMA_FEATURES || (!inside && !is_count)) {
            row++;
            continue;
        }
        extend(path, "%s%s", path[0] ? "." : "", row->key);
        steps[n++] = (struct schema_step){row, base + row->offset};
        if (is_count)
            break;
        base += row->offset;
        if (schema_is_list(row)) {
            size_t i = (offset - base) / row->element;
            base += i * row->element;
            extend_element(path, row, (const char *)config + base, i);
            steps[n++] = (struct schema_step){row->child, base};
        }
        row = row->child;
    }
    return n;
}

struct visit {
    const struct mmu_config *config;
    int (*each)(void *ctx, const struct schema *row, const void *base);
    void *ctx;
};

static int visit_rows(const struct visit *v, const struct schema *row, const char *base)
{
    for (; row->key; row++) {
        if (!schema_applies(row, v->config))
            continue;
        int stop = v->each(v->ctx, row, base);
        if (stop)
            return stop;
        uint32_t n = row->type == SCHEMA_MAP ? 1 : 0;
        if (schema_is_list(row))
            memcpy(&n, base + row->count, sizeof n);
        for (uint32_t i = 0; i < n && !stop; i++)
            stop = visit_rows(v, row->child, base + row->offset + i * row->element);
        if (stop)
            return stop;
    }
    return 0;
}

int schema_each(const struct mmu_config *config,
                int (*each)(void *ctx, const struct schema *row, const void *base), void *ctx)
{
    struct visit v = {config, each, ctx};
    return visit_rows(&v, config_schema, (const char *)config);
}
