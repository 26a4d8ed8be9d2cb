/*
 * Single values: a word, a number, a short list of words. Each kind of row has one function; an error points
 * at the value.
 */
#include "config_value.h"
#include "error.h"

#include <stdio.h>
#include <string.h>

#define FULL UINT32_MAX /* until apply_finish(): ways: full */
enum { XOR_SHIFT = 8 }; /* and index: xor | N << XOR_SHIFT */

/* base: no digit. */
static unsigned digit_value(char c, unsigned base)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
    return at && at < digits + base ? (unsigned)(at - digits) : base;
}

bool value_number(const char *text, bool suffix, uint64_t *value)
{
    static const char suffixes[] = "KMGT";
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const unsigned base = hex ? 16 : 10;
    const char *p = text + (hex ? 2 : 0), *first = p;
    uint64_t n = 0;
    for (;; p++) {
        unsigned digit = digit_value(*p, base);
        if (digit >= base)
            break;
        if (__builtin_mul_overflow(n, (uint64_t)base, &n) || __builtin_add_overflow(n, (uint64_t)digit, &n))
            return false;
    }
    if (p == first || (!hex && *first == '0' && p > first + 1)) /* 010 is eight to some readers of YAML */
        return false;
    const char *s = suffix && *p ? strchr(suffixes, *p) : NULL;
    if (s) {
        unsigned shift = 10 * (unsigned)(s - suffixes + 1);
        if (n >> (64 - shift))
            return false;
        n <<= shift;
        p++;
    }
    *value = n;
    return *p == '\0';
}

bool value_is_collection(const struct schema *row)
{
    return row->type == SCHEMA_SET || row->type == SCHEMA_FEATURES || row->type == SCHEMA_MASKS ||
           row->type == SCHEMA_SERIAL;
}

/* "expected ..., got ...". */
static int unexpected(struct apply *a, const struct schema *row, const struct yaml_node *node)
{
    char expected[300], shown[YAML_SHOWN];
    bool quote = node->kind == YAML_TEXT && !yaml_is_null(node);
    bool empty = node->kind == YAML_LIST && !node->first;
    schema_expected(row, expected, sizeof expected);
    return value_refuse(a, node, MMU_ERR_FORMAT, "expected %s, got %s%s%s", expected, quote ? "'" : "",
                        quote   ? yaml_shown(node->text, shown)
                        : empty ? "an empty list"
                                : yaml_kind_name(node),
                        quote ? "'" : "");
}

static int apply_bool(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                      const struct yaml_node *node)
{
    static const char *const words[] = {"false", "no", "off", "true", "yes", "on"};
    (void)key;
    for (size_t i = 0; i < 6; i++)
        if (node->kind == YAML_TEXT && !strcmp(node->text, words[i])) {
            bool value = (i >= 3) != (row->type == SCHEMA_NOT);
            memcpy(base + row->offset, &value, sizeof value);
            return MMU_OK;
        }
    return unexpected(a, row, node);
}

static int apply_number(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                        const struct yaml_node *node)
{
    uint64_t value;
    (void)key;
    bool suffix = row->type == SCHEMA_SIZE || row->type == SCHEMA_AUTO_SIZE || row->type == SCHEMA_END;
    if (node->kind != YAML_TEXT || !value_number(node->text, suffix, &value))
        return unexpected(a, row, node);
    if (value < row->min || value > row->max) {
        unexpected(a, row, node);
        return a->err ? (a->err->code = MMU_ERR_RANGE) : MMU_ERR_RANGE;
    }
    schema_set_number(row, base, value);
    return MMU_OK;
}

/* A number, or "auto". */
static int apply_auto(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                      const struct yaml_node *node)
{
    bool given = node->kind != YAML_TEXT || strcmp(node->text, "auto") != 0;
    bool *flag = schema_given(row, base);
    int status = given ? apply_number(a, row, base, key, node) : MMU_OK;
    if (!given)
        schema_set_number(row, base, 0);
    if (flag && status == MMU_OK)
        *flag = given;
    return status;
}

/* The end of a range whose start was said before: stored as its size. */
static int apply_end(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                     const struct yaml_node *node)
{
    uint64_t start = schema_number(row - 2, base);
    int status = apply_number(a, row, base, key, node);
    uint64_t end = schema_number(row, base);
    if (status == MMU_OK && end <= start)
        return value_refuse(a, node, MMU_ERR_RANGE,
                            "0x%llx; expected more than start (0x%llx), which is said before it",
                            (unsigned long long)end, (unsigned long long)start);
    schema_set_number(row, base, end - start);
    return status;
}

static int apply_string(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                        const struct yaml_node *node)
{
    (void)key;
    if (node->kind != YAML_TEXT || strlen(node->text) >= row->size)
        return unexpected(a, row, node);
    memset(base + row->offset, 0, row->size);
    strcpy(base + row->offset, node->text);
    return MMU_OK;
}

static const struct schema_word *find_word(const struct schema_word *words, const char *text)
{
    for (; words->text; words++)
        if (!strcmp(words->text, text))
            return words;
    return NULL;
}

/* A word that is none of the table's, with a suggestion. */
static int unknown_word(struct apply *a, const struct schema *row, const struct schema_word *words,
                        const struct yaml_node *node)
{
    const char *names[16];
    char list[200] = "", shown[YAML_SHOWN];
    size_t n = 0, used = 0;
    if (node->kind != YAML_TEXT || yaml_is_null(node))
        return unexpected(a, row, node);
    for (; words->text && n < sizeof names / sizeof names[0]; words++) {
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", n ? ", " : "", words->text);
        names[n++] = words->text;
    }
    const char *near = err_suggest(node->text, names, n);
    return value_refuse(a, node, MMU_ERR_FORMAT, "unknown value '%s'%s%s%s one of %s",
                        yaml_shown(node->text, shown), near ? "; did you mean '" : "", near ? near : "",
                        near ? "'? expected" : "; expected", list);
}

static int apply_enum(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                      const struct yaml_node *node)
{
    const struct schema_word *word = node->kind == YAML_TEXT ? find_word(row->words, node->text) : NULL;
    (void)key;
    if (!word)
        return unknown_word(a, row, row->words, node);
    schema_set_number(row, base, word->value);
    return MMU_OK;
}

/* [fetch, load], or one word. */
static int apply_words(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                       const struct yaml_node *node)
{
    uint32_t bits = 0;
    (void)key;
    if (node->kind == YAML_MAP || yaml_is_null(node) || (node->kind == YAML_LIST && !node->first))
        return unexpected(a, row, node);
    for (const struct yaml_node *item = node->kind == YAML_LIST ? node->first : node; item;
         item = item->next) {
        const struct schema_word *word = item->kind == YAML_TEXT ? find_word(row->words, item->text) : NULL;
        if (!word)
            return unknown_word(a, row, row->words, item);
        bits |= word->value;
        if (node->kind != YAML_LIST)
            break;
    }
    schema_set_number(row, base, bits);
    return MMU_OK;
}

static int apply_ways(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                      const struct yaml_node *node)
{
    if (node->kind != YAML_TEXT || strcmp(node->text, "full"))
        return apply_number(a, row, base, key, node);
    schema_set_number(row, base, FULL);
    return MMU_OK;
}

static int apply_index(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                       const struct yaml_node *node)
{
    uint64_t n;
    (void)key;
    if (node->kind == YAML_TEXT && !strncmp(node->text, "xor-", 4)) {
        if (!value_number(node->text + 4, false, &n) || n < 1 || n > 31)
            return unexpected(a, row, node);
        schema_set_number(row, base, MMU_INDEX_XOR | n << XOR_SHIFT);
        return MMU_OK;
    }
    return apply_enum(a, row, base, key, node);
}

static int apply_pcids(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                       const struct yaml_node *node)
{
    struct mmu_tlb_config *t = (struct mmu_tlb_config *)(void *)base;
    uint64_t n = 0;
    (void)key;
    bool unlimited = node->kind == YAML_TEXT && !strcmp(node->text, "unlimited");
    if (!unlimited && (node->kind != YAML_TEXT || !value_number(node->text, false, &n) || n > row->max))
        return unexpected(a, row, node);
    t->pcid_bound = !unlimited;
    t->pcids = (uint32_t)n;
    return MMU_OK;
}

/* Calls each() for the pairs of a mapping from page sizes to numbers. */
static int apply_by_page(struct apply *a, const struct schema *row, const struct yaml_node *node,
                         uint64_t min, uint64_t max, void (*each)(void *field, uint32_t page, uint64_t value),
                         void *field)
{
    char shown[YAML_SHOWN];
    uint64_t value;
    if (node->kind != YAML_MAP)
        return unexpected(a, row, node);
    for (const struct yaml_node *k = node->first; k; k = k->next->next) {
        const struct schema_word *word = find_word(row->words, k->text);
        if (!word)
            return unknown_word(a, row, row->words, k);
        if (k->next->kind != YAML_TEXT || !value_number(k->next->text, false, &value) || value < min ||
            value > max)
            return value_refuse(
                a, k->next, MMU_ERR_RANGE, "%s: expected a number from %llu to 0x%llx, got %s", word->text,
                (unsigned long long)min, (unsigned long long)max,
                k->next->kind == YAML_TEXT ? yaml_shown(k->next->text, shown) : yaml_kind_name(k->next));
        each(field, word->value, value);
    }
    return MMU_OK;
}

static void set_mask(void *field, uint32_t page, uint64_t value)
{
    ((struct mmu_tlb_config *)field)->way_mask[page] = value;
}

static int apply_masks(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                       const struct yaml_node *node)
{
    (void)key;
    memset(base + row->offset, 0, row->size);
    return yaml_is_null(node) ? MMU_OK : apply_by_page(a, row, node, 1, UINT64_MAX, set_mask, base);
}

static void add_probe(void *field, uint32_t page, uint64_t value)
{
    struct mmu_level_config *l = field;
    l->serial_page[l->serial_count] = page;
    l->serial_latency[l->serial_count++] = (uint32_t)value;
}

static int apply_serial(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                        const struct yaml_node *node)
{
    (void)key;
    memset(base + row->offset, 0, row->size);
    return yaml_is_null(node) ? MMU_OK : apply_by_page(a, row, node, 0, row->max, add_probe, base);
}

static bool is_feature(const struct schema *row)
{
    return row->type == SCHEMA_BOOL;
}

/* The boolean rows that follow this one, as words whose value is their place. */
static void feature_words(const struct schema *row, struct schema_word words[32])
{
    size_t n = 0;
    for (const struct schema *f = row + 1; f->key && n < 31; f++)
        if (is_feature(f))
            words[n++] = (struct schema_word){f->key, (uint32_t)(f - row)};
    words[n] = (struct schema_word){NULL, 0};
}

static int apply_features(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                          const struct yaml_node *node)
{
    struct schema_word words[32];
    int status = MMU_OK;
    feature_words(row, words);
    if (node->kind != YAML_LIST)
        return unexpected(a, row, node);
    for (const struct schema *f = row + 1; f->key && !status; f++) {
        if (is_feature(f)) {
            memset(base + f->offset, 0, f->size);
            status = mark_add(a, f, (size_t)(base - (char *)a->config) + f->offset, key);
        }
    }
    for (const struct yaml_node *item = node->first; item && !status; item = item->next) {
        const struct schema_word *word = item->kind == YAML_TEXT ? find_word(words, item->text) : NULL;
        bool value = true;
        if (!word)
            return unknown_word(a, row, words, item);
        const struct schema *f = row + word->value;
        memcpy(base + f->offset, &value, sizeof value);
        status = mark_add(a, f, (size_t)(base - (char *)a->config) + f->offset, item);
    }
    return status;
}

static int apply_inherit(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                         const struct yaml_node *node)
{
    (void)row, (void)base, (void)node; /* the loader has followed it before it applied this text */
    if (a->set)
        return value_refuse(a, key, MMU_ERR_INVALID, "cannot be set; expected a file that inherits");
    return MMU_OK;
}

int value_apply(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                const struct yaml_node *node)
{
    static int (*const functions[])(struct apply *, const struct schema *, char *, const struct yaml_node *,
                                    const struct yaml_node *) = {
        [SCHEMA_BOOL] = apply_bool,         [SCHEMA_NOT] = apply_bool,        [SCHEMA_NUMBER] = apply_number,
        [SCHEMA_SIZE] = apply_number,       [SCHEMA_STRING] = apply_string,   [SCHEMA_ENUM] = apply_enum,
        [SCHEMA_SET] = apply_words,         [SCHEMA_WAYS] = apply_ways,       [SCHEMA_INDEX] = apply_index,
        [SCHEMA_PCIDS] = apply_pcids,       [SCHEMA_MASKS] = apply_masks,     [SCHEMA_SERIAL] = apply_serial,
        [SCHEMA_FEATURES] = apply_features, [SCHEMA_INHERIT] = apply_inherit, [SCHEMA_AUTO] = apply_auto,
        [SCHEMA_AUTO_SIZE] = apply_auto,    [SCHEMA_END] = apply_end,
    };
    return functions[row->type](a, row, base, key, node);
}

/* --- the forms that wait for the whole --- */

static void resolve_full(uint32_t *ways, uint64_t entries)
{
    if (*ways == FULL)
        *ways = entries < FULL ? (uint32_t)entries : FULL - 1;
}

static bool finish_tlb(struct apply *a, struct mmu_tlb_config *t, struct config_problem *problem)
{
    uint32_t n = t->index >> XOR_SHIFT;
    resolve_full(&t->ways, t->entries);
    t->index &= (1u << XOR_SHIFT) - 1;
    uint32_t sets = t->ways && t->entries % t->ways == 0 ? t->entries / t->ways : 0;
    if (!n || !sets || sets == UINT32_C(1) << n) /* an impossible geometry is the check's to report */
        return true;
    problem->field[0] = (size_t)((char *)&t->index - (char *)a->config);
    problem->field[1] = (size_t)((char *)&t->entries - (char *)a->config);
    snprintf(problem->text, sizeof problem->text, "xor-%u needs 2^%u = %u sets; %u entries of %u ways are %u",
             (unsigned)n, (unsigned)n, (unsigned)(UINT32_C(1) << n), (unsigned)t->entries, (unsigned)t->ways,
             (unsigned)sets);
    return false;
}

/* A kernel does the pager's work, and has its own RAM. That both were asked for is a mistake unless the
 * kernel came later: then the machine that it was put on had been made for traces without one. */
static void give_way_to_os(struct apply *a)
{
    struct mmu_config *config = a->config;
    struct mmu_memory_config *memory = &config->memory;
    unsigned pager = mark_latest(a, offsetof(struct mmu_config, pager.enabled), sizeof config->pager.enabled);
    unsigned ram = mark_latest(a, offsetof(struct mmu_config, memory.ram), sizeof memory->ram);
    unsigned os = mark_latest(a, offsetof(struct mmu_config, os), sizeof config->os);
    if (!config->os.enabled)
        return;
    if (pager == 0 || pager < os)
        config->pager.enabled = false;
    if (ram < os) {
        memory->ram_ranges = 0;
        memset(memory->ram, 0, sizeof memory->ram);
    }
}

int apply_finish(struct apply *a)
{
    struct mmu_config *config = a->config;
    struct config_problem problem, xor_problem;
    bool ok = true;
    give_way_to_os(a);
    if (config->tlbs && !config->levels)
        config->levels = 1; /* the first level costs nothing unless its latency is given */
    for (uint32_t i = 0; i < config->tlbs; i++)
        if (!finish_tlb(a, &config->tlb[i], &problem) && ok) {
            xor_problem = problem;
            ok = false;
        }
    for (uint32_t i = 0; i < MMU_PSC_LEVELS; i++)
        resolve_full(&config->psc.array[i].ways, config->psc.array[i].entries);
    for (uint32_t i = 0; i < config->memory.caches; i++) {
        struct mmu_cache_config *k = &config->memory.cache[i];
        resolve_full(&k->ways, k->line ? k->size / k->line : 0);
    }
    if (!config_possible(config, &problem))
        return mark_error(a, &problem);
    return ok ? MMU_OK : mark_error(a, &xor_problem);
}
