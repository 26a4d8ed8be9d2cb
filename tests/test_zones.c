/*
 * test_zones.c: the zones of recorded kernels, figure by figure: given what their firmware reported, the
 * pages that they managed and their sysctls, every figure is theirs. And what follows from the sources where
 * no recording says it: MOVABLE, highmem=, RAM out of reach, several CPUs.
 */
#include "plan.h"
#include "recorded_kernels.h"
#include <mmusim/config.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RECORDINGS MMUSIM_TEST_DATA "/kernel/zones-"

static void make(struct plan *p, const struct mmu_config *c)
{
    struct mmu_error err = {0};
    if (plan_make(p, c, &err) != MMU_OK)
        fail_msg("byte %" PRIu64 " of the config: %s", err.offset, err.message);
    plan_check(p);
}

static int zone_named(const char *name)
{
    for (int i = 0; i < MMU_ZONES; i++)
        if (!strcmp(mmu_os_zone_name((enum mmu_os_zone)i), name))
            return i;
    fail_msg("zone %s", name);
    return -1;
}

/* --- reading a recording --- */

struct reader {
    FILE *in;
    char line[512];
};

static bool next_line(struct reader *r)
{
    if (!fgets(r->line, sizeof r->line, r->in))
        return false;
    r->line[strcspn(r->line, "\n")] = '\0';
    return true;
}

static void open_recording(struct reader *r, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s.txt", RECORDINGS, name);
    r->in = fopen(path, "r");
    assert_non_null(r->in);
}

/* The firmware's map, and the managed pages of the first zoneinfo. */
static void read_inputs(struct mmu_config *c, const char *name)
{
    struct reader r;
    int zone = -1, infos = 0;
    open_recording(&r, name);
    while (next_line(&r)) {
        uint64_t start, last;
        char word[32];
        infos += !strncmp(r.line, "== zoneinfo", 11);
        if (sscanf(r.line, "0x%" SCNx64 " 0x%" SCNx64, &start, &last) == 2) {
            uint32_t type = strstr(r.line, "RAM") ? MMU_E820_RAM : MMU_E820_RESERVED;
            c->os.e820[c->os.e820s++] = (struct mmu_e820_range){start, last - start + 1, type};
        } else if (sscanf(r.line, "Node 0, zone %31s", word) == 1) {
            zone = zone_named(word);
        } else if (infos == 1 && sscanf(r.line, " managed %" SCNu64, &start) == 1) {
            c->os.managed_given[zone] = true;
            c->os.managed[zone] = start;
        }
    }
    fclose(r.in);
}

/* "== zoneinfo NAME: min_free_kbytes=N wsf=N ratio=N N ...". */
static void read_sysctls(struct mmu_os_config *os, const char *line)
{
    const char *at = strstr(line, "min_free_kbytes=");
    int used = 0;
    assert_int_equal(sscanf(at, "min_free_kbytes=%" SCNu64 " wsf=%" SCNu32 " ratio=%n", &os->min_free_kbytes,
                            &os->watermark_scale_factor, &used),
                     2);
    os->min_free_given = true;
    at += used;
    const bool wide = os->arch == MMU_OS_X86_64;
    const int order[] = {MMU_ZONE_DMA, wide ? MMU_ZONE_DMA32 : MMU_ZONE_NORMAL,
                         wide ? MMU_ZONE_NORMAL : MMU_ZONE_HIGHMEM, MMU_ZONE_MOVABLE, MMU_ZONE_DEVICE};
    for (unsigned i = 0; i < (wide ? 5 : 4); i++) {
        char *end;
        os->lowmem_reserve_ratio[order[i]] = (uint32_t)strtoul(at, &end, 10);
        assert_ptr_not_equal(at, end);
        at = end;
    }
}

/* --- comparing --- */

static unsigned compared;

static void same(const char *machine, const char *where, const char *what, uint64_t expected, uint64_t got)
{
    compared++;
    if (expected != got)
        fail_msg("%s, %s: %s: recorded %" PRIu64 ", computed %" PRIu64, machine, where, what, expected, got);
}

/* Zones in the kernel's numbering, without those that it was not built with. */
static void same_protection(const char *machine, const char *where, const struct plan *p,
                            const struct plan_zone *z, const char *text)
{
    for (int k = 0; k < MMU_ZONES; k++) {
        if (!p->zones.zone[k].exists)
            continue;
        text += strcspn(text, "0123456789");
        char *end;
        same(machine, where, "protection", strtoull(text, &end, 10), z->protection[k]);
        text = end;
    }
    assert_int_equal(strcspn(text, "0123456789"), strlen(text));
}

static void compare_line(const char *machine, const char *where, const struct plan *p, int zone,
                         const char *line)
{
    const struct plan_zone *z = &p->zones.zone[zone];
    const struct {
        const char *word;
        uint64_t value;
    } figure[] = {{" min %", z->min},         {" low %", z->low},          {" high %", z->high},
                  {" spanned %", z->spanned}, {" present %", z->present},  {" managed %", z->managed},
                  {" high: %", z->pcp_high},  {" batch: %", z->pcp_batch}, {" start_pfn: %", z->start}};
    uint64_t value;
    for (size_t i = 0; i < sizeof figure / sizeof figure[0]; i++) {
        char format[32];
        snprintf(format, sizeof format, "%s" SCNu64, figure[i].word);
        if (sscanf(line, format, &value) == 1)
            same(machine, where, figure[i].word, value, figure[i].value);
    }
    if (strstr(line, "protection:"))
        same_protection(machine, where, p, z, strchr(line, '('));
}

static void every_recorded_figure(void **state)
{
    (void)state;
    static struct plan p;
    compared = 0;
    for (size_t i = 0; i < RECORDED; i++) {
        struct mmu_config c;
        struct reader r;
        char where[128] = "";
        int zone = -1;
        fresh(&c, recordings[i].arch);
        read_inputs(&c, recordings[i].name);
        open_recording(&r, recordings[i].name);
        while (next_line(&r) && strncmp(r.line, "== lab", 6)) {
            char word[32];
            if (!strncmp(r.line, "== zoneinfo", 11)) {
                snprintf(where, sizeof where, "%.100s", r.line + 12);
                read_sysctls(&c.os, r.line);
                make(&p, &c);
            } else if (sscanf(r.line, "Node 0, zone %31s", word) == 1) {
                zone = zone_named(word);
                assert_true(p.zones.zone[zone].exists);
            } else if (where[0]) {
                compare_line(recordings[i].name, where, &p, zone, r.line);
            }
        }
        fclose(r.in);
    }
    assert_int_equal(compared, 1345); /* nothing was passed over */
}

static void every_figure_of_the_lab(void **state)
{
    (void)state;
    static struct plan p;
    compared = 0;
    for (size_t i = 0; i < RECORDED; i++) {
        const char *name = recordings[i].name;
        struct mmu_config c;
        struct reader r;
        bool lab = false;
        fresh(&c, recordings[i].arch);
        read_inputs(&c, name);
        open_recording(&r, name);
        while (next_line(&r)) {
            uint64_t v[12];
            char word[32];
            if (!strncmp(r.line, "== zoneinfo recomputed", 22)) {
                read_sysctls(&c.os, r.line);
                make(&p, &c);
            }
            lab |= !strncmp(r.line, "== lab", 6);
            if (lab && sscanf(r.line,
                              "node 0 start=%" SCNu64 " present=%" SCNu64 " spanned=%" SCNu64
                              " totalreserve=%" SCNu64,
                              v, v + 1, v + 2, v + 3) == 4) {
                same(name, "lab", "node start", v[0], p.memmap.ram[0].start);
                same(name, "lab", "node present", v[1], memmap_present(&p.memmap, 0, p.memmap.max_pfn));
                same(name, "lab", "node spanned", v[2], p.memmap.max_pfn - p.memmap.ram[0].start);
                same(name, "lab", "totalreserve", v[3], p.zones.totalreserve);
            }
            if (lab && sscanf(r.line,
                              "zone %*d %31s start_pfn=%" SCNu64 " spanned=%" SCNu64 " present=%" SCNu64
                              " managed=%" SCNu64 " min=%" SCNu64 " low=%" SCNu64 " high=%" SCNu64
                              " promo=%" SCNu64 " boost=0 pcp_high=%" SCNu64 " pcp_batch=%" SCNu64,
                              word, v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7, v + 8, v + 9) == 11) {
                const struct plan_zone *z = &p.zones.zone[zone_named(word)];
                const uint64_t got[] = {z->start, z->spanned, z->present, z->managed,  z->min,
                                        z->low,   z->high,    z->promo,   z->pcp_high, z->pcp_batch};
                for (size_t k = 0; k < sizeof got / sizeof got[0]; k++)
                    same(name, word, "figure of the lab", v[k], got[k]);
                same_protection(name, word, &p, z, strstr(r.line, "reserve=") + 8);
            }
        }
        fclose(r.in);
    }
    assert_int_equal(compared, 5 * 4 + 3 * 4 * (10 + 4) + 2 * 5 * (10 + 5));
}

/* --- min_free_kbytes, computed --- */

/* At that moment of the boot init memory is not freed yet: "Memory: ... available" of the recordings' dmesg,
 * and what was freed before the huge pages' turn came. */
static void min_free_kbytes_is_computed(void **state)
{
    static const struct {
        uint32_t arch;
        uint64_t ram, low; /* low: managed pages of all low zones */
        uint64_t plain, thp;
    } boot[] = {
        {MMU_OS_I386, 512, 500748 / 4, 2830, 2830},                    /* too little RAM for THP */
        {MMU_OS_I386, 1536, (1538700 - 675720 + 32) / 4, 3715, 42872}, /* a twentieth of low memory */
        {MMU_OS_X86_64, 1024, 245939, 3967, 45056},                    /* 11 pageblocks of two zones */
        {MMU_OS_X86_64, 4096, 1002352, 8009, 67584},                   /* of three */
    };
    static struct plan p;
    (void)state;
    for (size_t i = 0; i < sizeof boot / sizeof boot[0]; i++) {
        struct mmu_config c;
        fresh(&c, boot[i].arch);
        c.os.ram = boot[i].ram << 20;
        for (int thp = 0; thp < 2; thp++) {
            c.os.thp = thp;
            bool wide = boot[i].arch == MMU_OS_X86_64, four = boot[i].ram == 4096;
            unsigned zone = wide ? MMU_ZONE_DMA32 : MMU_ZONE_NORMAL;
            uint64_t rest = four ? 243907 : 0;
            c.os.managed_given[MMU_ZONE_DMA] = c.os.managed_given[zone] = true;
            c.os.managed[MMU_ZONE_DMA] = 3840;
            c.os.managed[zone] = boot[i].low - 3840 - rest;
            c.os.managed_given[MMU_ZONE_NORMAL] |= four;
            c.os.managed[MMU_ZONE_NORMAL] = four ? rest : c.os.managed[MMU_ZONE_NORMAL];
            for (uint32_t factor = 10; factor <= 1000; factor *= 10) { /* a sysctl, written after the boot */
                c.os.watermark_scale_factor = factor;
                make(&p, &c);
                assert_int_equal(p.zones.min_free_kbytes, thp ? boot[i].thp : boot[i].plain);
                assert_int_equal(p.zones.watermark_scale_factor, factor);
            }
        }
    }
}

/* has_transparent_hugepage(): none without pages of 4 MiB, whatever is enabled. */
static void min_free_kbytes_without_large_pages(void **state)
{
    static struct plan p;
    struct mmu_config c;
    (void)state;
    fresh(&c, MMU_OS_I386);
    c.os.ram = 1536 << 20;
    c.os.thp = true;
    make(&p, &c);
    assert_in_range(p.zones.min_free_kbytes, 40000, 50000);
    c.cpu.pse = false;
    make(&p, &c);
    assert_in_range(p.zones.min_free_kbytes, 3000, 4000);
}

static void min_free_kbytes_has_bounds(void **state)
{
    static struct plan p;
    struct mmu_config c;
    (void)state;
    fresh(&c, MMU_OS_X86_64);
    c.os.ram = UINT64_C(1) << 44;
    c.os.thp = false;
    make(&p, &c);
    assert_int_equal(p.zones.min_free_kbytes, 262144);
    fresh(&c, MMU_OS_I386);
    c.os.ram = 64 << 20;
    c.os.managed_given[MMU_ZONE_DMA] = c.os.managed_given[MMU_ZONE_NORMAL] = true;
    c.os.managed[MMU_ZONE_DMA] = 100;
    c.os.managed[MMU_ZONE_NORMAL] = 161; /* more than mem_map, less than 256 pages */
    make(&p, &c);
    assert_int_equal(p.zones.min_free_kbytes, 129); /* isqrt(16 * 4 * 261) */
}

/* --- where no recording is --- */

static void cpus_share_the_per_cpu_lists(void **state)
{
    static struct plan p;
    struct mmu_config c;
    (void)state;
    fresh(&c, MMU_OS_X86_64);
    read_inputs(&c, "amd64-4096M");
    c.os.min_free_given = true;
    c.os.min_free_kbytes = 67584;
    c.os.cpus = 4;
    make(&p, &c);
    assert_int_equal(p.zones.zone[MMU_ZONE_DMA32].pcp_high, 15898 / 4);
    assert_int_equal(p.zones.zone[MMU_ZONE_DMA].pcp_high, 80 / 4);
    c.os.cpus = 64;
    make(&p, &c);
    assert_int_equal(p.zones.zone[MMU_ZONE_NORMAL].pcp_high, 4 * 63); /* never below four batches */
}

static void ram_beyond_reach_is_ignored(void **state)
{
    static struct plan p;
    struct mmu_config c;
    (void)state;
    fresh(&c, MMU_OS_I386);
    c.os.ram = UINT64_C(8) << 30;
    make(&p, &c);
    assert_int_equal(p.memmap.max_pfn, 0xbffe0);
    assert_int_equal(p.memmap.ignored, 5 << 18);
    assert_int_equal(p.notes, 1);
    assert_non_null(strstr(p.note[0], "5120 MiB of RAM at 0x100000000 to 0x23fffffff"));
    assert_int_equal(p.zones.zone[MMU_ZONE_HIGHMEM].present, 0xbffe0 - 224254);
    fresh(&c, MMU_OS_I386_PAE);
    c.os.ram = UINT64_C(16) << 30;
    make(&p, &c);
    const struct plan_zone *high = &p.zones.zone[MMU_ZONE_HIGHMEM];
    assert_int_equal(high->start, 225278);
    assert_int_equal(high->spanned, 0x440000 - 225278); /* the PCI hole is inside */
    assert_int_equal(high->present, (0xbffe0 - 225278) + (13 << 18));
    assert_int_equal(p.memmap.mem_map_pages, 0x440000 * 40 / 4096);
    assert_int_equal(p.notes, 0);
    c.cpu.maxphyaddr = 32; /* the processor has no lines for more */
    make(&p, &c);
    assert_int_equal(p.memmap.ignored, 13 << 18);
    assert_int_equal(p.notes, 1);
}

static void low_memory_ends_where_the_direct_map_does(void **state)
{
    static struct plan p;
    struct mmu_config c;
    (void)state;
    fresh(&c, MMU_OS_I386);
    c.os.ram = 896 << 20;
    make(&p, &c);
    assert_int_equal(p.layout.max_low_pfn, 224254);
    assert_int_equal(p.zones.zone[MMU_ZONE_HIGHMEM].present,
                     0x37fe0 - 224254); /* 19 MiB below the textbook's */
    c.os.layout = MMU_OS_CLASSIC;
    make(&p, &c);
    assert_int_equal(p.layout.max_low_pfn, 0x37fe0);
    assert_int_equal(p.zones.zone[MMU_ZONE_HIGHMEM].present, 0);
    c.os.ram = 1024 << 20;
    make(&p, &c);
    assert_int_equal(p.layout.max_low_pfn, 896 << 8);
    c.os.layout = MMU_OS_LINUX_6_1;
    c.os.vmalloc = 256 << 20; /* and 8 MiB of gap */
    make(&p, &c);
    assert_int_equal(p.layout.max_low_pfn, 0xfebfe - 0xc0000 - (264 << 8));
    c.os.vmalloc = 0;
    c.os.highmem_given = true;
    c.os.highmem = 512 << 20; /* more than does not fit: no effect, a note */
    make(&p, &c);
    assert_int_equal(p.layout.max_low_pfn, 224254);
    assert_int_equal(p.notes, 1);
    c.os.highmem = 64 << 20; /* less: the rest is not used */
    make(&p, &c);
    assert_int_equal(p.memmap.max_pfn, 224254 + (64 << 8));
    assert_int_equal(p.zones.zone[MMU_ZONE_HIGHMEM].present, 64 << 8);
    c.os.ram = 0; /* less, and it ends in a hole: the zone spans the hole */
    c.os.e820s = 3;
    c.os.e820[0] = (struct mmu_e820_range){0, 0x9f000, MMU_E820_RAM};
    c.os.e820[1] = (struct mmu_e820_range){0x101000, 0x10b308b8, MMU_E820_RAM};
    c.os.e820[2] = (struct mmu_e820_range){0xbd6b5687, 0x81f1434, MMU_E820_RAM};
    make(&p, &c);
    assert_int_equal(p.memmap.max_pfn, 224254 + (64 << 8));
    assert_int_equal(p.zones.zone[MMU_ZONE_NORMAL].end, 224254);
    assert_int_equal(p.zones.zone[MMU_ZONE_HIGHMEM].spanned, 64 << 8);
    assert_int_equal(p.zones.zone[MMU_ZONE_HIGHMEM].present, 0);
    c.os.e820s = 0;
    c.os.ram = 512 << 20; /* all fits below: that much is made high */
    c.os.highmem = 100 << 20;
    make(&p, &c);
    assert_int_equal(p.layout.max_low_pfn, 0x1ffe0 - (100 << 8));
    assert_int_equal(p.zones.zone[MMU_ZONE_HIGHMEM].present, 100 << 8);
    c.os.highmem = 500 << 20; /* would leave less than 64 MiB */
    make(&p, &c);
    assert_int_equal(p.layout.max_low_pfn, 0x1ffe0);
    assert_int_equal(p.notes, 1);
}

/* find_zone_movable_pfns_for_nodes() by hand. */
static void movable_is_cut_from_the_highest_zone(void **state)
{
    static struct plan p;
    struct mmu_config c;
    (void)state;
    fresh(&c, MMU_OS_X86_64);
    c.os.ram = UINT64_C(4) << 30;
    c.os.movablecore = 512 << 20;
    make(&p, &c);
    const struct plan_zone *z = p.zones.zone;
    assert_int_equal(z[MMU_ZONE_MOVABLE].start, 0x140000 - (512 << 8));
    assert_int_equal(z[MMU_ZONE_MOVABLE].present, 512 << 8);
    assert_int_equal(z[MMU_ZONE_NORMAL].end, z[MMU_ZONE_MOVABLE].start);
    assert_false(p.zones.movable_is_highmem);
    const uint64_t pages_min = p.zones.min_free_kbytes / 4;
    uint64_t low = 0;
    for (int i = 0; i < MMU_ZONES; i++)
        low += z[i].managed;
    assert_int_equal(z[MMU_ZONE_MOVABLE].min, pages_min * z[MMU_ZONE_MOVABLE].managed / low);
    assert_int_equal(p.zones.zonelist_n[MMU_ZONE_MOVABLE], 4);
    assert_int_equal(p.zones.zonelist[MMU_ZONE_MOVABLE][0], MMU_ZONE_MOVABLE);
    assert_int_equal(p.zones.zonelist[MMU_ZONE_MOVABLE][1], MMU_ZONE_NORMAL);
    assert_int_equal(p.zones.zonelist[MMU_ZONE_NORMAL][0], MMU_ZONE_NORMAL);

    c.os.movablecore = 0;
    c.os.kernelcore = UINT64_C(3) << 30; /* all of DMA and DMA32 and a little more */
    make(&p, &c);
    const uint64_t below = memmap_present(&p.memmap, 0, 1 << 20), core = 3 << 18;
    assert_int_equal(z[MMU_ZONE_MOVABLE].start, ((1 << 20) + core - below + 1023) / 1024 * 1024);

    c.os.movablecore = 2 << 20; /* both: the kernel gets the larger of what they leave it */
    make(&p, &c);
    const uint64_t all = memmap_present(&p.memmap, 0, p.memmap.max_pfn);
    assert_in_range(z[MMU_ZONE_MOVABLE].present, 1, 1024);
    c.os.movablecore = UINT64_C(3) << 30;
    make(&p, &c);
    assert_in_range(z[MMU_ZONE_MOVABLE].present, all - core - 1023, all - core);

    fresh(&c, MMU_OS_I386);
    c.os.ram = 1536 << 20;
    c.os.kernelcore = 256 << 20; /* less than low memory: all of highmem, from the next block on */
    make(&p, &c);
    assert_true(p.zones.movable_is_highmem);
    assert_int_equal(z[MMU_ZONE_MOVABLE].start, (224254 + 1023) / 1024 * 1024);
    assert_int_equal(z[MMU_ZONE_HIGHMEM].present, z[MMU_ZONE_MOVABLE].start - 224254);
    assert_int_equal(z[MMU_ZONE_MOVABLE].min, 128);

    c.os.kernelcore = UINT64_C(2) << 30; /* more than there is: no such zone */
    make(&p, &c);
    assert_int_equal(z[MMU_ZONE_MOVABLE].present, 0);
}

static void classic_amd64_shows_an_empty_highmem(void **state)
{
    static struct plan p;
    struct mmu_config c;
    (void)state;
    fresh(&c, MMU_OS_X86_64);
    c.os.ram = UINT64_C(1) << 30;
    make(&p, &c);
    assert_false(p.zones.zone[MMU_ZONE_HIGHMEM].exists);
    c.os.layout = MMU_OS_CLASSIC;
    make(&p, &c);
    assert_true(p.zones.zone[MMU_ZONE_HIGHMEM].exists);
    assert_int_equal(p.zones.zone[MMU_ZONE_HIGHMEM].spanned, 0);
}

/* --- what the kernel keeps back --- */

static uint64_t pages_of_kind(const struct plan *p, uint32_t kind)
{
    uint64_t pages = 0;
    for (uint32_t i = 0; i < p->memmap.ranges; i++)
        if (p->memmap.range[i].kind == kind)
            pages += p->memmap.range[i].end - p->memmap.range[i].start;
    return pages;
}

static void mem_map_is_charged_once(void **state)
{
    static struct plan p;
    struct mmu_config c;
    uint64_t count;
    (void)state;
    fresh(&c, MMU_OS_I386);
    c.os.ram = 1536 << 20;
    make(&p, &c);
    assert_int_equal(pages_of_kind(&p, MMU_MEMORY_MEM_MAP), 393216 * 40 / 4096);
    assert_int_equal(pages_of_kind(&p, MMU_MEMORY_LOW1M), 158);
    assert_int_equal(pages_of_kind(&p, MMU_MEMORY_KERNEL), (12 << 20) / 4096);
    mmu_pfn tables = plan_boot_tables(&p, &count);
    assert_int_equal(pages_of_kind(&p, MMU_MEMORY_PAGETABLE), count);
    assert_int_equal(memmap_find(&p.memmap, tables)->kind, MMU_MEMORY_PAGETABLE);
    uint64_t low = 0;
    for (int i = 0; i < MMU_ZONE_HIGHMEM; i++)
        low += p.zones.zone[i].managed;
    assert_int_equal(low, memmap_present(&p.memmap, 0, 224254) - 158 - 3840 - 3072 - count);
    c.os.reserved[0] = (struct mmu_os_reserved){0x2000800, 0x1000}; /* two pages hold it */
    c.os.reserveds = 1;
    const uint64_t before = p.zones.zone[MMU_ZONE_NORMAL].managed;
    make(&p, &c);
    assert_int_equal(before - p.zones.zone[MMU_ZONE_NORMAL].managed, 2);
}

static void each_section_with_ram_has_its_vmemmap(void **state)
{
    static struct plan p;
    struct mmu_config c;
    (void)state;
    fresh(&c, MMU_OS_X86_64);
    c.os.ram = UINT64_C(8) << 30;
    make(&p, &c);
    assert_int_equal(pages_of_kind(&p, MMU_MEMORY_MEM_MAP), 64 * 512);
    unsigned sections = 0;
    for (uint64_t s = 0; s < 100; s++) {
        mmu_pfn first;
        if (!plan_vmemmap(&p, s, &first))
            continue;
        assert_true(s < 24 || (s >= 32 && s < 72));
        assert_int_equal(first % 512, 0);
        assert_int_equal(memmap_find(&p.memmap, first)->kind, MMU_MEMORY_MEM_MAP);
        sections++;
    }
    assert_int_equal(sections, 64);
}

static void check_refused(const struct mmu_config *c, const char *message)
{
    static struct plan p;
    struct mmu_error err;
    assert_int_equal(plan_make(&p, c, &err), MMU_ERR_INVALID);
    if (!strstr(err.message, message))
        fail_msg("said '%s', expected '%s'", err.message, message);
}

static void what_cannot_boot_is_refused(void **state)
{
    struct mmu_config c;
    (void)state;
    fresh(&c, MMU_OS_I386_PAE);
    c.os.ram = UINT64_C(64) << 30;
    check_refused(&c, "need 640 MiB of page descriptors (mem_map, 40 bytes a page) in 879 MiB of low memory");
    c.os.split = MMU_OS_1G_3G;
    static struct plan p;
    make(&p, &c);
    c.os.split = MMU_OS_3G_1G;
    c.os.ram = UINT64_C(32) << 30;
    make(&p, &c);
    c.os.managed_given[MMU_ZONE_NORMAL] = true;
    c.os.managed[MMU_ZONE_NORMAL] = 221182 - 50000;
    check_refused(&c,
                  "leave 50000 to the kernel, whose page descriptors (mem_map, 40 bytes a page) alone takes");
    c.os.managed[MMU_ZONE_NORMAL] = 221183;
    check_refused(&c, "221183 pages, but the zone has 221182 pages of RAM");
    fresh(&c, MMU_OS_I386);
    c.os.ram = 17 << 20;
    check_refused(&c, "the kernel's image would lie at 0x1000000 to 0x1bfffff");
    c.os.ram = 1 << 20;
    check_refused(&c, "no RAM above 1 MiB");
    c.os.ram = UINT64_MAX;
    check_refused(&c, "reach beyond 2^64");
    c.os.ram = 0;
    check_refused(&c, "not given; expected the size of the RAM, or os.e820");
    c.os.e820s = 2;
    c.os.e820[0] = (struct mmu_e820_range){0, UINT64_MAX, MMU_E820_RAM};
    c.os.e820[1] = (struct mmu_e820_range){4096, 4096, MMU_E820_RESERVED};
    check_refused(&c, "0x1000 to 0x1fff overlaps os.e820.0, 0x0 to 0xfffffffffffffffe");
    c.os.e820[1] = (struct mmu_e820_range){UINT64_MAX, 4096, MMU_E820_RAM};
    check_refused(&c, "0x1000 bytes from 0xffffffffffffffff reach beyond 2^64");
    c.os.e820s = 1; /* all that the architecture reaches is RAM */
    make(&p, &c);
    assert_int_equal(p.memmap.max_pfn, 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recorded_figure),
        cmocka_unit_test(every_figure_of_the_lab),
        cmocka_unit_test(min_free_kbytes_is_computed),
        cmocka_unit_test(min_free_kbytes_without_large_pages),
        cmocka_unit_test(min_free_kbytes_has_bounds),
        cmocka_unit_test(cpus_share_the_per_cpu_lists),
        cmocka_unit_test(ram_beyond_reach_is_ignored),
        cmocka_unit_test(low_memory_ends_where_the_direct_map_does),
        cmocka_unit_test(movable_is_cut_from_the_highest_zone),
        cmocka_unit_test(classic_amd64_shows_an_empty_highmem),
        cmocka_unit_test(mem_map_is_charged_once),
        cmocka_unit_test(each_section_with_ram_has_its_vmemmap),
        cmocka_unit_test(what_cannot_boot_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
