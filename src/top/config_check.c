/*
 * Could such a machine exist? Ranges come from the schema's table; the rules here join two or more fields:
 * geometry, what the processor has, what the levels hold, where memory lies.
 *
 * Leaves out plausibility: a TLB of one entry, or a second level that is faster than the first, is what a
 * study may want.
 */
#include "config_check.h"
#include "config_schema.h"
#include "error.h"
#include "os.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct check {
    const struct mmu_config *config;
    struct config_problem *problem;
};

/* Notes the problem between two fields; returns false so that a rule can end with it. */
__attribute__((format(printf, 4, 5))) static bool bad(const struct check *c, const void *field,
                                                      const void *other, const char *format, ...)
{
    va_list args;
    c->problem->field[0] = (size_t)((const char *)field - (const char *)c->config);
    c->problem->field[1] = (size_t)((const char *)other - (const char *)c->config);
    va_start(args, format);
    vsnprintf(c->problem->text, sizeof c->problem->text, format, args);
    va_end(args);
    return false;
}

static bool power_of_two(uint64_t n)
{
    return n && !(n & (n - 1));
}

/* --- one field: the table's ranges --- */

static bool printable_ascii(const char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e)
            return false;
    return true;
}

/* Text that YAML carries unchanged: UTF-8 without control characters, line separators, byte-order marks and
 * non-characters. */
static bool plain_text(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        unsigned more = *p < 0x80 ? 0 : *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
        static const uint32_t least[] = {0x20, 0xa0, 0x800, 0x10000};
        if ((*p >= 0x80 && *p < 0xc2) || *p > 0xf4 || *p == 0x7f)
            return false;
        uint32_t code = *p & (more ? 0x3fu >> more : 0x7fu);
        for (unsigned i = 1; i <= more; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (p[i] & 0x3fu);
        }
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) || code == 0x2028 ||
            code == 0x2029 || code == 0xfeff || (code & 0xfffe) == 0xfffe)
            return false;
        p += more + 1;
    }
    return true;
}

static bool check_string(const struct check *c, const struct schema *row, const char *text)
{
    if (!memchr(text, 0, row->size))
        return bad(c, text, text, "not terminated; expected at most %zu bytes of text", row->size - 1);
    if (row->min && !*text)
        return bad(c, text, text, "empty; expected a name");
    if (row->min && !printable_ascii(text))
        return bad(c, text, text, "expected printable ASCII characters");
    if (!plain_text(text))
        return bad(c, text, text, "expected UTF-8 text without control characters");
    return true;
}

static bool check_number(const struct check *c, const struct schema *row, const void *base)
{
    const char *at = (const char *)base + row->offset;
    uint64_t value = schema_number(row, base);
    if (value < row->min || value > row->max)
        return bad(c, at, at, "%" PRIu64 "%s is out of range; expected %" PRIu64 " to %" PRIu64, value,
                   value ? "" : " (or not given)", row->min, row->max);
    return true;
}

static bool check_word(const struct check *c, const struct schema *row, const void *base)
{
    const char *at = (const char *)base + row->offset;
    uint32_t value = (uint32_t)schema_number(row, base);
    if (row->type == SCHEMA_SET && (value & ~schema_all_bits(row->words)))
        return bad(c, at, at, "0x%" PRIx32 " has bits that mean nothing", value);
    if (row->type == SCHEMA_SET && row->min && !value)
        return bad(c, at, at, "empty, or not given; expected at least one");
    if (row->type != SCHEMA_SET && !schema_word(row->words, value))
        return bad(c, at, at, "%" PRIu32 " is no value of this field", value);
    return true;
}

static int check_field(void *ctx, const struct schema *row, const void *base)
{
    const struct check *c = ctx;
    const char *at = (const char *)base + row->offset;
    uint32_t n;
    switch (row->type) {
    case SCHEMA_STRING:
        return !check_string(c, row, at);
    case SCHEMA_NUMBER:
    case SCHEMA_SIZE:
    case SCHEMA_WAYS:
        return !check_number(c, row, base);
    case SCHEMA_AUTO:
    case SCHEMA_AUTO_SIZE:
        return !schema_left_auto(row, base) && !check_number(c, row, base);
    case SCHEMA_ENUM:
    case SCHEMA_SET:
    case SCHEMA_INDEX:
        return !check_word(c, row, base);
    case SCHEMA_NAMED:
    case SCHEMA_NUMBERED:
    case SCHEMA_LIST:
        memcpy(&n, (const char *)base + row->count, sizeof n);
        return n > row->max && !bad(c, (const char *)base + row->count, at,
                                    "%" PRIu32 " of them; expected at most %" PRIu64, n, row->max);
    case SCHEMA_BOOL:
    case SCHEMA_NOT:
    case SCHEMA_PCIDS:
    case SCHEMA_MASKS:
    case SCHEMA_SERIAL:
    case SCHEMA_FEATURES:
    case SCHEMA_MAP:
    case SCHEMA_INHERIT:
    case SCHEMA_END:
        break;
    }
    return 0;
}

/* --- the processor --- */

static bool check_cpu(const struct check *c)
{
    const struct mmu_cpu *cpu = &c->config->cpu;
    const struct {
        const bool *has, *needs;
        const char *name;
    } rules[] = {
        {&cpu->pse36, &cpu->pse, "pse"},
        {&cpu->nx, &cpu->pae, "pae"},
        {&cpu->long_mode, &cpu->pae, "pae"},
        {&cpu->page1g, &cpu->long_mode, "long-mode"},
        {&cpu->la57, &cpu->long_mode, "long-mode"},
        {&cpu->pcid, &cpu->long_mode, "long-mode"},
        {&cpu->pku, &cpu->long_mode, "long-mode"},
        {&cpu->pks, &cpu->long_mode, "long-mode"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (*rules[i].has && !*rules[i].needs)
            return bad(c, rules[i].has, rules[i].needs, "a processor with this feature also has cpu.%s",
                       rules[i].name);
    return true;
}

/* The feature that the processor lacks for pages of this size; NULL when it has what it takes. */
static const bool *page_lacks(const struct mmu_cpu *cpu, uint32_t page, const char **name)
{
    const struct {
        const bool *has;
        const char *name;
    } feature[MMU_PAGES] = {{NULL, ""}, {&cpu->pae, "pae"}, {&cpu->pse, "pse"}, {&cpu->page1g, "page1g"}};
    *name = feature[page].name;
    return feature[page].has && !*feature[page].has ? feature[page].has : NULL;
}

static const char *page_name(uint32_t page)
{
    static const char *const names[MMU_PAGES] = {"4K", "2M", "4M", "1G"};
    return names[page];
}

/* --- arrays of sets and ways --- */

/* What the replacement policies can do: hw/repl.h. */
static bool check_policy(const struct check *c, const uint32_t *policy, const uint32_t *ways)
{
    if (*policy == MMU_PLRU && *ways > 64)
        return bad(c, policy, ways, "plru with %" PRIu32 " ways; expected at most 64 ways", *ways);
    if (*policy == MMU_MRU3PLRU4 && (*ways % 4 || *ways > 48))
        return bad(c, policy, ways,
                   "mru3plru4 with %" PRIu32
                   " ways; expected groups of four (12 ways in Skylake), at most 48 ways",
                   *ways);
    return true;
}

static bool check_geometry(const struct check *c, const uint32_t *entries, const uint32_t *ways)
{
    if (*ways == 0 || *ways > *entries)
        return bad(c, ways, entries,
                   "%" PRIu32 "%s ways of %" PRIu32 " entries; expected 1 to %" PRIu32 ", or full", *ways,
                   *ways ? "" : " (or not given)", *entries, *entries);
    if (*entries % *ways)
        return bad(c, entries, ways,
                   "%" PRIu32 " entries cannot be divided into sets of %" PRIu32
                   " ways; expected a multiple of %" PRIu32,
                   *entries, *ways, *ways);
    return true;
}

/* --- TLBs --- */

static bool check_tlb_name(const struct check *c, const char *name, const char *others, size_t size,
                           size_t before)
{
    if (!memchr(name, 0, MMU_NAME) || !*name)
        return bad(c, name, name, "expected a name of 1 to %d characters", MMU_NAME - 1);
    if (!printable_ascii(name) || strpbrk(name, ".=") || *name == ' ' || name[strlen(name) - 1] == ' ')
        return bad(
            c, name, name,
            "expected a name of printable ASCII characters without '.' and '=', no blank at either end");
    for (size_t i = 0; i < before; i++)
        if (!strcmp(name, others + i * size))
            return bad(c, name, others + i * size,
                       "the name is used twice; expected one of its own for each");
    return true;
}

static bool check_masks(const struct check *c, const struct mmu_tlb_config *t)
{
    for (uint32_t p = 0; p < MMU_PAGES; p++) {
        uint64_t mask = t->way_mask[p];
        if (!mask)
            continue;
        if (!(t->pages & 1u << p))
            return bad(c, &t->way_mask, &t->pages, "a mask for %s pages, which the structure does not hold",
                       page_name(p));
        if (t->ways > 64)
            return bad(c, &t->way_mask, &t->ways, "masks with %" PRIu32 " ways; expected at most 64 ways",
                       t->ways);
        if (t->ways < 64 && mask >> t->ways)
            return bad(c, &t->way_mask, &t->ways,
                       "0x%" PRIx64 " for %s pages names ways that do not exist; expected at most 0x%" PRIx64,
                       mask, page_name(p), (UINT64_C(1) << t->ways) - 1);
    }
    return true;
}

static bool check_tlb(const struct check *c, const struct mmu_tlb_config *t)
{
    const struct mmu_config *config = c->config;
    const char *needs;
    if (!check_tlb_name(c, t->name, config->tlb[0].name, sizeof *t, (size_t)(t - config->tlb)))
        return false;
    if (t->level > config->levels)
        return bad(c, &t->level, &config->levels,
                   "level %" PRIu32 " is not described; expected its latency under levels.%" PRIu32, t->level,
                   t->level);
    for (uint32_t p = 0; p < MMU_PAGES; p++) {
        const bool *lacks = t->pages & 1u << p ? page_lacks(&config->cpu, p, &needs) : NULL;
        if (lacks)
            return bad(c, &t->pages, lacks, "%s pages on a processor without them; expected cpu.%s",
                       page_name(p), needs);
    }
    if (!check_geometry(c, &t->entries, &t->ways) || !check_policy(c, &t->policy, &t->ways))
        return false;
    uint32_t sets = t->entries / t->ways;
    if (t->index == MMU_INDEX_XOR && (!power_of_two(sets) || sets == 1))
        return bad(c, &t->index, &t->entries,
                   "xor with %" PRIu32 " sets (%" PRIu32 " entries, %" PRIu32
                   " ways); expected 2^N sets, N at least 1",
                   sets, t->entries, t->ways);
    if (t->pcid_bound && !config->cpu.pcid)
        return bad(c, &t->pcid_bound, &config->cpu.pcid,
                   "a bound on PCIDs on a processor without PCID; expected cpu.pcid");
    if (t->pcids > (t->pcid_bound ? 4096u : 0u))
        return bad(c, &t->pcid_bound, &t->pcids, "%" PRIu32 " PCIDs; expected %s", t->pcids,
                   t->pcid_bound ? "0 to 4096" : "0 when pcid_bound is false");
    return check_masks(c, t);
}

/* Every size that the level holds is probed, once; nothing else is. */
static bool check_serial(const struct check *c, const struct mmu_level_config *l, uint32_t held)
{
    uint32_t probed = 0;
    if (l->serial_count > MMU_PAGES)
        return bad(c, &l->serial_count, &l->serial_count, "%" PRIu32 " probes; expected at most %d",
                   l->serial_count, MMU_PAGES);
    for (uint32_t i = 0; i < l->serial_count; i++) {
        if (l->serial_page[i] >= MMU_PAGES || (probed & 1u << l->serial_page[i]))
            return bad(c, &l->serial_count, &l->serial_count,
                       "probe %" PRIu32 " is no page size, or one that was probed before", i + 1);
        if (l->serial_latency[i] > 1000000000u)
            return bad(c, &l->serial_count, &l->serial_count,
                       "%" PRIu32 " cycles; expected at most 1000000000", l->serial_latency[i]);
        probed |= 1u << l->serial_page[i];
    }
    for (uint32_t p = 0; p < MMU_PAGES; p++)
        if ((probed ^ held) & 1u << p)
            return bad(c, &l->serial_count, &l->serial_count,
                       "%s pages are %s; expected exactly the sizes that the level's structures hold",
                       page_name(p), probed & 1u << p ? "probed but not held" : "held but not probed");
    if (l->latency)
        return bad(c, &l->latency, &l->serial_count,
                   "both latency and serial are given; expected one of them, the other 0 or null");
    return true;
}

static bool check_levels(const struct check *c)
{
    const struct mmu_config *config = c->config;
    for (uint32_t i = 0; i < config->tlbs; i++)
        if (!check_tlb(c, &config->tlb[i]))
            return false;
    for (uint32_t i = 0; i < config->levels; i++) {
        const struct mmu_level_config *l = &config->level[i];
        uint32_t held = 0;
        for (uint32_t k = 0; k < config->tlbs; k++)
            held |= config->tlb[k].level == i + 1 ? config->tlb[k].pages : 0;
        if (!held)
            return bad(c, &config->levels, l,
                       "no structure under tlb has level %" PRIu32 "; expected one, or no such level%s",
                       i + 1, config->tlbs ? "" : " (levels=null removes all)");
        if (i == 0 && l->serial_count)
            return bad(c, &l->serial_count, &l->serial_count,
                       "the first level is looked up at once; expected latency");
        if (l->serial_count && !check_serial(c, l, held))
            return false;
    }
    return true;
}

/* --- paging-structure caches --- */

static bool check_psc(const struct check *c)
{
    const struct mmu_psc_config *psc = &c->config->psc;
    const struct mmu_cpu *cpu = &c->config->cpu;
    for (uint32_t i = 0; i < (psc->unified ? 1 : MMU_PSC_LEVELS); i++) {
        const struct mmu_psc_array *a = &psc->array[i];
        if (!a->entries && a->ways)
            return bad(c, &a->ways, &a->entries, "%" PRIu32 " ways of no entries; expected 0 or full",
                       a->ways);
        if (!a->entries)
            continue;
        if (!check_geometry(c, &a->entries, &a->ways) || !check_policy(c, &a->policy, &a->ways))
            return false;
        if (!psc->unified && i >= MMU_PSC_PDPTE && !cpu->long_mode)
            return bad(c, a, &cpu->long_mode,
                       "this cache on a processor without cpu.long-mode; expected only pde");
        if (!psc->unified && i == MMU_PSC_PML5E && !cpu->la57)
            return bad(c, a, &cpu->la57, "this cache on a processor without cpu.la57");
    }
    return true;
}

/* --- memory --- */

static bool check_cache(const struct check *c, const struct mmu_cache_config *k)
{
    const struct mmu_cache_config *first = c->config->memory.cache;
    if (!check_tlb_name(c, k->name, first->name, sizeof *k, (size_t)(k - first)))
        return false;
    if (!power_of_two(k->line))
        return bad(c, &k->line, &k->line, "%" PRIu32 " bytes; expected a power of two", k->line);
    if (k->line != first->line)
        return bad(c, &k->line, &first->line,
                   "%" PRIu32 " bytes, but %s has %" PRIu32 "; expected the same line at every level",
                   k->line, first->name, first->line);
    if (k->size % ((uint64_t)k->line * k->ways))
        return bad(c, &k->size, &k->ways, "%" PRIu64 " bytes; expected a multiple of line x ways = %" PRIu64,
                   k->size, (uint64_t)k->line * k->ways);
    if (!check_policy(c, &k->policy, &k->ways))
        return false;
    if (k > first && k->latency < k[-1].latency)
        return bad(c, &k->latency, &k[-1].latency,
                   "%" PRIu32 " cycles, fewer than %s (%" PRIu32
                   "); latencies count from the start of the read",
                   k->latency, k[-1].name, k[-1].latency);
    return true;
}

static bool check_ram(const struct check *c)
{
    const struct mmu_memory_config *m = &c->config->memory;
    const uint64_t top = UINT64_C(1) << c->config->cpu.maxphyaddr;
    for (uint32_t i = 0; i < m->ram_ranges; i++) {
        const struct mmu_ram_range *r = &m->ram[i];
        if (r->start % 4096)
            return bad(c, &r->start, &r->start, "0x%" PRIx64 " is not aligned; expected a multiple of 4K",
                       r->start);
        if (r->size % 4096)
            return bad(c, &r->size, &r->size, "0x%" PRIx64 " is not aligned; expected a multiple of 4K",
                       r->size);
        if (r->start >= top || r->size > top - r->start)
            return bad(c, &r->size, &c->config->cpu.maxphyaddr,
                       "memory ends at 0x%" PRIx64 "; expected at most 2^%" PRIu32 " (cpu.maxphyaddr)",
                       r->start + r->size, c->config->cpu.maxphyaddr);
        for (const struct mmu_ram_range *q = m->ram; q < r; q++)
            if (r->start < q->start + q->size && q->start < r->start + r->size)
                return bad(c, &r->start, &q->start, "0x%" PRIx64 " to 0x%" PRIx64 " overlaps memory.ram.%td",
                           r->start, r->start + r->size, q - m->ram);
    }
    return true;
}

static bool check_memory(const struct check *c)
{
    const struct mmu_memory_config *m = &c->config->memory;
    for (uint32_t i = 0; i < m->caches; i++)
        if (!check_cache(c, &m->cache[i]))
            return false;
    if (m->reads == MMU_READS_CACHED && !m->caches)
        return bad(c, &m->reads, &m->caches, "cached without any cache; expected memory.caches, or fixed");
    if (m->data == MMU_DATA_SHARED && m->reads != MMU_READS_CACHED)
        return bad(c, &m->data, &m->reads,
                   "data shares the caches of page-table reads; expected memory.reads: cached");
    if (m->caches && m->dram_latency < m->cache[m->caches - 1].latency)
        return bad(c, &m->dram_latency, &m->cache[m->caches - 1].latency,
                   "%" PRIu32 " cycles, fewer than %s (%" PRIu32 ")", m->dram_latency,
                   m->cache[m->caches - 1].name, m->cache[m->caches - 1].latency);
    return check_ram(c);
}

/* --- the pager --- */

static const uint64_t page_bytes[MMU_PAGES] = {4096, 1u << 21, 1u << 22, 1u << 30};

static bool check_pager_page(const struct check *c, const uint32_t *page)
{
    static const uint32_t maps[MMU_MODES] = {
        [MMU_MODE_I386] = 1u << MMU_4K | 1u << MMU_4M,
        [MMU_MODE_PAE] = 1u << MMU_4K | 1u << MMU_2M,
        [MMU_MODE_4L] = 1u << MMU_4K | 1u << MMU_2M | 1u << MMU_1G,
        [MMU_MODE_5L] = 1u << MMU_4K | 1u << MMU_2M | 1u << MMU_1G,
    };
    const struct mmu_pager_config *p = &c->config->pager;
    const char *needs;
    if (!(maps[p->mode] & 1u << *page))
        return bad(c, page, &p->mode, "%s pages do not exist in the pager's paging mode", page_name(*page));
    const bool *lacks = page_lacks(&c->config->cpu, *page, &needs);
    if (lacks)
        return bad(c, page, lacks, "%s pages on a processor without them; expected cpu.%s", page_name(*page),
                   needs);
    return true;
}

/* A page of one rule must not reach beyond that rule's addresses: no bound of a range cuts a page that could
 * be mapped around it. */
static bool check_bound(const struct check *c, const struct mmu_pager_range *r, const mmu_va *bound)
{
    const struct mmu_pager_config *p = &c->config->pager;
    uint64_t bytes = page_bytes[r->page] > page_bytes[p->page] ? page_bytes[r->page] : page_bytes[p->page];
    for (uint32_t i = 0; i < p->ranges; i++) {
        const struct mmu_pager_range *q = &p->range[i];
        if (q->start < *bound && *bound < q->end && q->page < MMU_PAGES && page_bytes[q->page] > bytes)
            bytes = page_bytes[q->page];
    }
    if (*bound % bytes)
        return bad(c, bound, bound,
                   "0x%" PRIx64 " cuts a page that is mapped here; expected a multiple of 0x%" PRIx64, *bound,
                   bytes);
    return true;
}

static bool check_pager(const struct check *c)
{
    const struct mmu_pager_config *p = &c->config->pager;
    const struct mmu_cpu *cpu = &c->config->cpu;
    const struct {
        const bool *has;
        const char *needs;
    } mode[MMU_MODES] = {[MMU_MODE_PAE] = {&cpu->pae, "pae"},
                         [MMU_MODE_4L] = {&cpu->long_mode, "long-mode"},
                         [MMU_MODE_5L] = {&cpu->la57, "la57"}};
    if (!p->enabled)
        return true;
    if (p->mode == MMU_MODE_OFF)
        return bad(c, &p->mode, &p->enabled, "off, but the pager is enabled; expected a paging mode");
    if (mode[p->mode].has && !*mode[p->mode].has)
        return bad(c, &p->mode, mode[p->mode].has, "the processor lacks this paging mode; expected cpu.%s",
                   mode[p->mode].needs);
    if (!check_pager_page(c, &p->page))
        return false;
    for (uint32_t i = 0; i < p->ranges; i++) {
        const struct mmu_pager_range *r = &p->range[i];
        if (!check_pager_page(c, &r->page))
            return false;
        if (r->start >= r->end)
            return bad(c, &r->end, &r->start, "0x%" PRIx64 "; expected more than start (0x%" PRIx64 ")",
                       r->end, r->start);
        if (!check_bound(c, r, &r->start) || !check_bound(c, r, &r->end))
            return false;
    }
    return true;
}

/* --- the kernel --- */

static bool check_os(const struct check *c)
{
    const struct mmu_config *config = c->config;
    struct mmu_error err;
    if (!config->os.enabled)
        return true;
    if (config->pager.enabled)
        return bad(c, &config->pager.enabled, &config->os.enabled,
                   "true beside os; expected one of them: a kernel maps pages itself");
    if (config->memory.ram_ranges)
        return bad(c, &config->memory.ram_ranges, &config->memory.ram_ranges,
                   "given beside os; expected RAM under os.ram or os.e820 only");
    if (os_check_config(config, &err) == MMU_OK)
        return true;
    const char *field = (const char *)config + err.offset;
    return bad(c, field, field, "%s", err.message);
}

bool config_possible(const struct mmu_config *config, struct config_problem *problem)
{
    struct check c = {config, problem};
    return !schema_each(config, check_field, &c) && check_cpu(&c) && check_levels(&c) && check_psc(&c) &&
           check_memory(&c) && check_pager(&c) && check_os(&c);
}

int mmu_config_check(const struct mmu_config *config, struct mmu_error *err)
{
    struct config_problem problem;
    struct schema_step steps[SCHEMA_DEPTH * 2];
    char path[SCHEMA_PATH];
    if (config_possible(config, &problem))
        return MMU_OK;
    schema_locate(config, problem.field[0], path, steps);
    return err_set(err, MMU_ERR_INVALID, "%s: %s", path, problem.text);
}
