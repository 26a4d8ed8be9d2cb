/* tlb.c: fills, victims and invalidations of a TLB structure. See tlb.h. */
#include "shadow.h"
#include <string.h>

int tlb_init(struct tlb *t, const struct mmu_tlb_config *config, unsigned number,
             struct repl_context *context)
{
    uint32_t sets = config->entries / config->ways;
    *t = (struct tlb){.config = config,
                      .number = number,
                      .sets = sets,
                      .ways = config->ways,
                      .entries = sets * config->ways,
                      .free = config->entries,
                      .hot = TLB_NONE};
    t->masked = is_power_of_two(sets);
    t->fold = config->index == MMU_INDEX_XOR && sets > 1 ? (uint8_t)log2_floor(sets) : 63;
    for (unsigned page = 0; page < MMU_PAGES; page++)
        t->mask[page] = config->way_mask[page] ? config->way_mask[page] : ~UINT64_C(0);
    t->others = &t->own_others;
    t->tag = calloc(config->entries, sizeof *t->tag);
    t->entry = calloc(config->entries, sizeof *t->entry);
    t->pcid = calloc(config->pcids + 1u, sizeof *t->pcid);
    if (!t->tag || !t->entry || !t->pcid)
        return MMU_ERR_NOMEM;
    return repl_init(&t->repl, config->policy, sets, config->ways, context);
}

void tlb_destroy(struct tlb *t)
{
    repl_destroy(&t->repl);
    shadow_free(t->shadow);
    free(t->tag);
    free(t->entry);
    free(t->pcid);
    *t = (struct tlb){0};
}

uint32_t tlb_invalid_way(const struct tlb *t, uint32_t set, uint64_t mask)
{
    const uint64_t *tag = t->tag + (size_t)set * t->ways;
    for (uint32_t w = 0; w < t->ways; w++)
        if (tag[w] == 0 && (w >= 64 || (mask >> w & 1)))
            return w;
    return TLB_NONE;
}

bool tlb_has_invalid(const struct tlb *t, mmu_va va, unsigned page)
{
    return t->free && tlb_invalid_way(t, tlb_set(t, va, page), t->mask[page]) != TLB_NONE;
}

static void count(struct tlb *t, uint32_t index, uint32_t by)
{
    uint64_t tag = t->tag[index];
    unsigned page = tlb_tag_page(tag);
    t->held[page] += by;
    *t->others += page == MMU_4K ? 0 : by;
    t->globals += tag & TLB_GLOBAL ? by : 0;
    t->fractured += t->entry[index].origin != page ? by : 0;
    t->free -= by;
}

static void invalidate(struct tlb *t, uint32_t index)
{
    t->tag[index] = 0;
    if (t->open)
        t->open[index].allow = 0;
}

void tlb_drop(struct tlb *t, uint32_t index)
{
    INVARIANT(t->tag[index] & TLB_VALID);
    count(t, index, UINT32_MAX);
    invalidate(t, index);
}

/* The first valid entry from i on, or `entries`. Most are invalid behind a flush: eight at a time. */
static uint32_t next_valid(const struct tlb *t, uint32_t i, uint32_t entries)
{
    const uint64_t *tag = t->tag;
    while (i + 8 <= entries && !(tag[i] | tag[i + 1] | tag[i + 2] | tag[i + 3] | tag[i + 4] | tag[i + 5] |
                                 tag[i + 6] | tag[i + 7]))
        i += 8;
    while (i < entries && !tag[i])
        i++;
    return i;
}

void tlb_write_counted(struct tlb *t, uint32_t index, uint64_t tag, const struct tlb_entry *entry)
{
    if (t->tag[index])
        count(t, index, UINT32_MAX);
    else
        tlb_note_filled(t, index);
    t->tag[index] = tag;
    t->entry[index] = *entry;
    count(t, index, 1);
}

uint32_t tlb_pcid_room(struct tlb *t, uint16_t pcid)
{
    uint32_t bound = t->config->pcids ? t->config->pcids : 1;
    uint32_t at = 0, dropped = 0;
    while (at < t->pcids && t->pcid[at] != pcid)
        at++;
    if (at == t->pcids) {
        if (t->pcids == bound)
            dropped = tlb_drop_pcid(t, t->pcid[--at]);
        else
            t->pcids++;
    }
    memmove(t->pcid + 1, t->pcid, at * sizeof *t->pcid);
    t->pcid[0] = pcid;
    return dropped;
}

/* Is tag one that `pcid` may use, counting global ones in when asked? */
static bool owned(uint64_t tag, uint16_t pcid, bool globals)
{
    return tag & TLB_GLOBAL ? globals : tlb_tag_pcid(tag) == pcid;
}

static uint32_t drop_siblings(struct tlb *t, mmu_va va, uint16_t pcid, bool globals)
{
    uint32_t dropped = 0;
    for (uint32_t i = 0; i < t->entries; i++) {
        uint64_t tag = t->tag[i];
        unsigned origin = t->entry[i].origin;
        if (!tag || origin == tlb_tag_page(tag) || !owned(tag, pcid, globals))
            continue;
        if (tlb_vpn(tlb_tag_va(tag), origin) == tlb_vpn(va, origin)) {
            tlb_drop(t, i);
            dropped++;
        }
    }
    return dropped;
}

/* The entry with this tag, in its set, if it is held. Returns the number dropped. */
static uint32_t drop_tag(struct tlb *t, uint32_t set, uint64_t tag)
{
    uint32_t way = match_ways(t->tag + set * t->ways, t->ways, tag);
    if (way == TLB_NONE)
        return 0;
    tlb_drop(t, set * t->ways + way);
    return 1;
}

uint32_t tlb_drop_page(struct tlb *t, mmu_va va, uint16_t pcid, bool globals)
{
    uint32_t dropped = t->fractured ? drop_siblings(t, va, pcid, globals) : 0;
    if (UNLIKELY(t->shadow))
        shadow_drop_page(t->shadow, va, pcid, globals);
    for (unsigned page = 0; page < MMU_PAGES; page++) {
        if (!t->held[page])
            continue;
        uint32_t set = tlb_set(t, va, page);
        dropped += drop_tag(t, set, tlb_tag(va, page, pcid, false));
        if (globals && t->globals)
            dropped += drop_tag(t, set, tlb_tag(va, page, 0, true));
    }
    return dropped;
}

/* The entry that was filled last, if it alone is held beside `kept` others and its tag matches: the page of
 * the access before, when a fault's handler loads CR3. Returns the number dropped. */
static uint32_t drop_latest(struct tlb *t, uint64_t mask, uint64_t match, uint32_t kept)
{
    uint32_t latest = t->filled[(t->fills - 1) % TLB_LOG];
    uint64_t tag = t->tag[latest];
    if (t->entries - t->free != kept + 1 || !tag || (tag & mask) != match)
        return 0;
    tlb_drop(t, latest);
    return 1;
}

/* All entries whose tags match; ends when no more than `kept` are left, which are known to stay. */
static uint32_t drop_matching(struct tlb *t, uint64_t mask, uint64_t match, uint32_t kept)
{
    const uint32_t entries = t->entries, before = t->free;
    if (drop_latest(t, mask, match, kept))
        return 1;
    for (uint32_t i = 0; entries - t->free > kept; i++) {
        i = next_valid(t, i, entries);
        if (i == entries)
            break;
        if ((t->tag[i] & mask) == match)
            tlb_drop(t, i);
    }
    return t->free - before;
}

/* The same of all of them. */
static uint32_t empty(struct tlb *t)
{
    const uint32_t entries = t->entries, dropped = entries - t->free;
    if (!dropped)
        return 0;
    if (drop_latest(t, 0, 0, 0))
        return 1;
    *t->others -= dropped - t->held[MMU_4K];
    memset(t->held, 0, sizeof t->held);
    t->globals = t->fractured = 0;
    t->free = entries;
    if (t->fills <= TLB_LOG) { /* all that are valid */
        for (uint64_t n = 0; n < t->fills; n++)
            invalidate(t, t->filled[n]);
    } else {
        for (uint32_t i = 0; i < entries; i++)
            invalidate(t, i);
    }
    return dropped;
}

uint32_t tlb_drop_pcid(struct tlb *t, uint16_t pcid)
{
    const uint64_t mask = TLB_GLOBAL | TLB_PCID_MASK, match = (uint64_t)pcid << TLB_PCID_SHIFT;
    if (UNLIKELY(t->shadow))
        shadow_drop_matching(t->shadow, mask, match);
    return drop_matching(t, mask, match, t->globals);
}

uint32_t tlb_drop_globals(struct tlb *t)
{
    if (UNLIKELY(t->shadow))
        shadow_drop_matching(t->shadow, TLB_GLOBAL, TLB_GLOBAL);
    return drop_matching(t, TLB_GLOBAL, TLB_GLOBAL, t->entries - t->free - t->globals);
}

uint32_t tlb_drop_all(struct tlb *t, bool globals)
{
    const uint64_t mask = globals ? 0 : TLB_GLOBAL;
    if (UNLIKELY(t->shadow))
        shadow_drop_matching(t->shadow, mask, 0);
    return globals || !t->globals ? empty(t) : drop_matching(t, mask, 0, t->globals);
}

void tlb_check(const struct tlb *t)
{
    uint32_t held[MMU_PAGES] = {0}, globals = 0, fractured = 0, valid = 0;
    for (uint32_t i = 0; i < t->entries; i++) {
        uint64_t tag = t->tag[i];
        if (!tag)
            continue;
        unsigned page = tlb_tag_page(tag);
        REQUIRE(tag & TLB_VALID);
        REQUIRE(t->config->pages >> page & 1);
        REQUIRE(tlb_set(t, tlb_tag_va(tag), page) == i / t->ways);
        REQUIRE(t->entry[i].origin >= page);
        for (uint32_t j = i - i % t->ways; j < i; j++)
            REQUIRE(t->tag[j] != tag);
        held[page]++;
        valid++;
        globals += !!(tag & TLB_GLOBAL);
        fractured += t->entry[i].origin != page;
        bool listed = !t->config->pcid_bound || (tag & TLB_GLOBAL);
        for (uint32_t k = 0; k < t->pcids && !listed; k++)
            listed = t->pcid[k] == tlb_tag_pcid(tag);
        REQUIRE(listed);
        bool noted = t->fills > TLB_LOG;
        for (uint64_t n = 0; n < t->fills && !noted; n++)
            noted = t->filled[n] == i;
        REQUIRE(noted);
    }
    REQUIRE(memcmp(held, t->held, sizeof held) == 0);
    REQUIRE(globals == t->globals && fractured == t->fractured && valid + t->free == t->entries);
}
