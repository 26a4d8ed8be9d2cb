/* sim/script_ask_os.c: questions to the kernel: pages, zones, the map of the address space, texts of /proc.
 */
#define _POSIX_C_SOURCE 200809L
#include "script_commands.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ----- pages ----- */

static void page_flags(uint32_t flags, char *buf, size_t size)
{
    static const char *const NAMES[MMU_PAGE_FLAGS] = {
        "locked",     "referenced", "uptodate",    "dirty",     "lru",        "active",
        "workingset", "waiters",    "error",       "slab",      "owner_priv", "arch_1",
        "reserved",   "private",    "private_2",   "writeback", "head",       "mappedtodisk",
        "reclaim",    "swapbacked", "unevictable", "mlocked"};
    size_t used = 0;
    snprintf(buf, size, "-");
    for (unsigned i = 0; i < MMU_PAGE_FLAGS && used < size; i++)
        if (flags >> i & 1)
            used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? "|" : "", NAMES[i]);
}

COMMAND(page)
{
    static const char *const USES[MMU_PAGE_USES] = {"hole", "reserved", "free",    "pcp",  "kernel",
                                                    "slab", "table",    "vmalloc", "user", "cache"};
    static const char *const TYPES[MMU_OS_MIGRATE_TYPES] = {"Unmovable", "Movable", "Reclaimable",
                                                            "HighAtomic", "Isolate"};
    struct mmu_page_info p;
    char flags[256];
    if (!script_called(s, mmu_os_page(s->os, a[0].number, &p), r))
        return;
    page_flags(p.flags, flags, sizeof flags);
    result_word(r, "use", USES[p.use]);
    result_word(r, "zone", mmu_os_zone_name((enum mmu_os_zone)p.zone));
    result_number(r, "refcount", (uint64_t)(p.refcount < 0 ? 0 : p.refcount));
    result_number(r, "mapcount", (uint64_t)(p.mapcount < 0 ? 0 : p.mapcount));
    result_word(r, "flags", flags);
    result_number(r, "order", p.order);
    result_number(r, "head", p.head);
    result_hex(r, "pfn", p.pfn);
    result_hex(r, "pa", p.pfn << 12);
    result_hex(r, "address", p.address);
    result_hex(r, "descriptor", p.descriptor);
    result_word(r, "migratetype", TYPES[p.migratetype]);
    result_hex(r, "mapping", p.mapping);
    result_hex(r, "index", p.index);
    result_hex(r, "private", p.private_);
    result_hex(r, "kpageflags", mmu_os_kpageflags(s->os, p.pfn));
    result_number(r, "kpagecount", mmu_os_kpagecount(s->os, p.pfn));
}

COMMAND(kpageflags)
{
    static const char *const NAMES[] = {
        [0] = "LOCKED",       [2] = "REFERENCED",     [3] = "UPTODATE",       [4] = "DIRTY",
        [5] = "LRU",          [6] = "ACTIVE",         [7] = "SLAB",           [8] = "WRITEBACK",
        [9] = "RECLAIM",      [10] = "BUDDY",         [11] = "MMAP",          [12] = "ANON",
        [14] = "SWAPBACKED",  [15] = "COMPOUND_HEAD", [16] = "COMPOUND_TAIL", [17] = "HUGE",
        [18] = "UNEVICTABLE", [20] = "NOPAGE",        [24] = "ZERO_PAGE",     [26] = "PGTABLE",
        [32] = "RESERVED",    [33] = "MLOCKED",       [34] = "MAPPEDTODISK"};
    uint64_t flags = mmu_os_kpageflags(s->os, a[0].number);
    char words[SCRIPT_WORD] = "-";
    size_t used = 0;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES && used < sizeof words; i++)
        if (flags >> i & 1 && NAMES[i])
            used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", used ? "|" : "", NAMES[i]);
    result_hex(r, "flags", flags);
    result_word(r, "names", words);
}

COMMAND(kpagecount)
{
    result_number(r, "count", mmu_os_kpagecount(s->os, a[0].number));
}

/* ----- zones ----- */

COMMAND(zone)
{
    struct mmu_os_zone_info z;
    mmu_os_zone(s->os, (enum mmu_os_zone)a[0].number, &z);
    result_number(r, "managed", z.managed);
    result_number(r, "free", z.free);
    result_number(r, "pcp_free", z.pcp_free);
    result_number(r, "allocated", z.allocated);
    result_number(r, "exists", z.exists);
    result_number(r, "populated", z.populated);
    result_hex(r, "start_pfn", z.start_pfn);
    result_hex(r, "end_pfn", z.start_pfn + z.spanned);
    result_number(r, "spanned", z.spanned);
    result_number(r, "present", z.present);
    result_number(r, "min", z.min);
    result_number(r, "low", z.low);
    result_number(r, "high", z.high);
    result_number(r, "pcp_batch", z.pcp_batch);
    result_number(r, "pcp_high", z.pcp_high);
    result_number(r, "kswapd_wakes", z.kswapd_wakes);
    result_number(r, "direct_reclaims", z.direct_reclaims);
    result_number(r, "failures", z.failures);
    result_number(r, "steals", z.steals);
}

COMMAND(blocks)
{
    struct mmu_os_zone_info z;
    mmu_os_zone(s->os, (enum mmu_os_zone)a[0].number, &z);
    if (a[1].number >= MMU_OS_ORDERS)
        result_bad(r, "order %" PRIu64 ", expected 0 to %d", a[1].number, MMU_OS_ORDERS - 1);
    else
        result_number(r, "blocks", z.free_blocks[a[1].number]);
}

COMMAND(totals)
{
    struct mmu_os_totals t;
    (void)a;
    mmu_os_totals(s->os, &t);
    result_number(r, "managed", t.managed);
    result_number(r, "free", t.free);
    result_number(r, "pcp_free", t.pcp_free);
    result_number(r, "allocated", t.allocated);
    result_number(r, "present", t.present);
    result_number(r, "low_managed", t.low_managed);
    result_number(r, "page_tables", t.page_tables);
    result_number(r, "slab", t.slab);
    result_number(r, "vmalloc", t.vmalloc);
    result_number(r, "ignored", t.ignored);
    result_number(r, "min_free_kbytes", t.min_free_kbytes);
    result_number(r, "totalreserve", t.totalreserve);
    result_hex(r, "max_pfn", t.max_pfn);
    result_hex(r, "max_low_pfn", t.max_low_pfn);
    result_hex(r, "high_memory", t.high_memory);
    result_number(r, "mem_map_bytes", t.mem_map_bytes);
}

/* ----- texts of /proc ----- */

COMMAND(view)
{
    enum mmu_os_view view = (enum mmu_os_view)s->command->which;
    size_t size = mmu_os_view(s->os, view, NULL, 0) + 1;
    char *text = malloc(size);
    (void)a;
    if (!text) {
        result_bad(r, "out of memory");
        return;
    }
    mmu_os_view(s->os, view, text, size);
    result_text(r, text);
}

/* ----- the map of the address space ----- */

/* All regions; NULL: out of memory. */
static struct mmu_os_region *regions(const struct script *s, size_t *n)
{
    *n = mmu_os_layout(s->os, NULL, 0);
    struct mmu_os_region *region = calloc(*n + 1, sizeof *region);
    if (region)
        *n = mmu_os_layout(s->os, region, *n);
    return region;
}

COMMAND(layout)
{
    char *text = NULL;
    size_t size = 0, n = 0;
    struct mmu_os_region *region = regions(s, &n);
    FILE *out = region ? open_memstream(&text, &size) : NULL;
    int digits = (int)script_address_bits(s) / 4;
    (void)a;
    for (size_t i = 0; out && i < n; i++)
        fprintf(out, "%0*" PRIx64 "-%0*" PRIx64 " %s%s: %s\n", digits, region[i].start, digits,
                region[i].last, region[i].inside ? "  " : "", region[i].name, region[i].text);
    if (out)
        fclose(out);
    free(region);
    if (!text)
        result_bad(r, "out of memory");
    else
        result_text(r, text);
}

/* The region that has an address, and the part of it that has a name of its own (NULL: none). Their texts
 * belong to the kernel. False: told in r. */
static bool find_region(const struct script *s, mmu_va va, struct mmu_os_region *found,
                        struct mmu_os_region *part, struct script_result *r)
{
    size_t n = 0;
    struct mmu_os_region *region = regions(s, &n);
    found->name = part->name = NULL;
    for (size_t i = 0; region && i < n; i++)
        if (va >= region[i].start && va <= region[i].last)
            *(region[i].inside ? part : found) = region[i];
    if (!found->name)
        result_bad(r, region ? "no region has this address" : "out of memory");
    free(region);
    return found->name;
}

const char *script_region(const struct script *s, mmu_va va, struct script_result *r)
{
    struct mmu_os_region found, part;
    return find_region(s, va, &found, &part, r) ? part.name ? part.name : found.name : "?";
}

COMMAND(region)
{
    struct mmu_os_region found, part;
    if (!find_region(s, a[0].number, &found, &part, r))
        return;
    result_word(r, "name", found.name);
    result_hex(r, "start", found.start);
    result_hex(r, "last", found.last);
    result_word(r, "text", found.text);
    result_word(r, "part", part.name ? part.name : "-");
}

/* ----- page tables, as the kernel reads them ----- */

COMMAND(swapper)
{
    struct mmu_os_lookup look;
    struct mmu_os_pgd *pgd = mmu_os_swapper(s->os);
    if (!script_called(s, mmu_os_lookup(s->os, pgd, false, a[0].number, &look), r))
        return;
    result_number(r, "mapped", look.mapped);
    result_hex(r, "pa", look.mapped ? look.pa : 0);
    result_number(r, "page", look.mapped ? UINT64_C(1) << look.page_shift : 0);
    result_number(r, "level", look.level);
    result_hex(r, "entry", look.entry[look.level].value);
    result_hex(r, "at", look.entry[look.level].at);
    result_hex(r, "root", mmu_os_pgd_root(pgd, false));
}
