/*
 * memmap.c: RAM from the firmware's list, and the ranges that it is divided into.
 */
#include "error.h"
#include "plan.h"
#include "x86.h"

#include <inttypes.h>
#include <string.h>

/* --- from bytes to frames --- */

struct bytes {
    uint64_t start, end;
};

/* The map of QEMU's PC (hw/i386/pc_piix.c) with SeaBIOS: a gap below 1 MiB, tables in the last 128 KiB below
 * the PCI hole, the rest above 4 GiB. */
static uint32_t qemu_map(uint64_t size, struct mmu_e820_range to[MMU_MAX_E820])
{
    const uint64_t tables = 128 << 10, all_below = UINT64_C(0xe0000000), below = UINT64_C(0xc0000000);
    const uint64_t low = size >= all_below ? below : size, base = 0x9fc00, rom = 0xfffc0000;
    uint32_t n = 0;
    to[n++] = (struct mmu_e820_range){0, low < base ? low : base, MMU_E820_RAM};
    to[n++] = (struct mmu_e820_range){base, 1 << 10, MMU_E820_RESERVED};
    to[n++] = (struct mmu_e820_range){0xf0000, 64 << 10, MMU_E820_RESERVED};
    if (low > (1 << 20) + tables) {
        to[n++] = (struct mmu_e820_range){1 << 20, low - tables - (1 << 20), MMU_E820_RAM};
        to[n++] = (struct mmu_e820_range){low - tables, tables, MMU_E820_RESERVED};
    }
    to[n++] = (struct mmu_e820_range){rom, (UINT64_C(1) << 32) - rom, MMU_E820_RESERVED};
    if (size > low)
        to[n++] = (struct mmu_e820_range){UINT64_C(1) << 32, size - low, MMU_E820_RAM};
    return n;
}

uint32_t memmap_firmware(const struct mmu_os_config *os, struct mmu_e820_range to[MMU_MAX_E820])
{
    if (os->ram)
        return qemu_map(os->ram, to);
    for (uint32_t n = 0; n < os->e820s; n++) {
        uint32_t i = n;
        for (; i > 0 && to[i - 1].start > os->e820[n].start; i--)
            to[i] = to[i - 1];
        to[i] = os->e820[n];
    }
    return os->e820s;
}

static int check_e820(const struct mmu_config *config, struct mmu_error *err)
{
    const struct mmu_os_config *os = &config->os;
    for (uint32_t i = 0; i < os->e820s; i++) {
        const struct mmu_e820_range *r = &os->e820[i];
        if (r->size > UINT64_MAX - r->start)
            return plan_refuse(config, &r->size, err,
                               "0x%" PRIx64 " bytes from 0x%" PRIx64
                               " reach beyond 2^64; expected at most 0x%" PRIx64,
                               r->size, r->start, UINT64_MAX - r->start);
        for (const struct mmu_e820_range *q = os->e820; q < r; q++)
            if (r->start < q->start + q->size && q->start < r->start + r->size)
                return plan_refuse(config, &r->start, err,
                                   "0x%" PRIx64 " to 0x%" PRIx64 " overlaps os.e820.%td, 0x%" PRIx64
                                   " to 0x%" PRIx64 "; expected ranges that do not",
                                   r->start, r->start + r->size - 1, q - os->e820, q->start,
                                   q->start + q->size - 1);
    }
    return MMU_OK;
}

/* arch/x86/kernel/setup.c, trim_bios_range(): page 0 and the BIOS area are not RAM. Whole pages only. */
static void add_trimmed(struct memmap *m, struct bytes b)
{
    static const struct bytes usable[] = {{0x1000, 0xa0000}, {0x100000, UINT64_MAX}};
    for (unsigned i = 0; i < COUNT_OF(usable); i++) {
        uint64_t start = b.start > usable[i].start ? b.start : usable[i].start;
        uint64_t end = b.end < usable[i].end ? b.end : usable[i].end;
        mmu_pfn first = (start >> PAGE_SHIFT) + ((start & PAGE_MASK) != 0), last = end >> PAGE_SHIFT;
        if (start < end && first < last)
            m->ram[m->all++] = (struct memmap_ram){first, last};
    }
}

/* What the page-table entries of the architecture, and the processor's address lines, can name. */
static mmu_pfn reach(const struct mmu_config *config)
{
    static const unsigned bits[MMU_OS_ARCHES] = {
        [MMU_OS_I386] = 32, [MMU_OS_I386_PAE] = 36, [MMU_OS_X86_64] = 46, [MMU_OS_X86_64_LA57] = 52};
    unsigned b = bits[config->os.arch];
    b = b < config->cpu.maxphyaddr ? b : config->cpu.maxphyaddr;
    return UINT64_C(1) << (b - PAGE_SHIFT);
}

void memmap_cut(struct memmap *m, mmu_pfn pfn)
{
    m->limit = pfn;
    m->ignored = 0;
    m->max_pfn = 0;
    m->rams = 0;
    for (uint32_t i = 0; i < m->all; i++) {
        struct memmap_ram *r = &m->ram[i];
        if (r->start < pfn && r->end > pfn) {
            memmove(r + 1, r, (m->all - i) * sizeof *r);
            m->all++;
            r[0].end = r[1].start = pfn;
        }
        if (r->start >= pfn) {
            m->ignored += r->end - r->start;
            continue;
        }
        m->rams = i + 1;
        m->max_pfn = r->end;
    }
}

static int check_given(const struct mmu_config *config, struct mmu_error *err)
{
    const struct mmu_os_config *os = &config->os;
    if (os->ram && os->e820s)
        return plan_refuse(config, &os->ram, err, "given beside os.e820; expected one of them");
    if (!os->ram && !os->e820s)
        return plan_refuse(config, &os->ram, err,
                           "not given; expected the size of the RAM, or os.e820, the firmware's map");
    if (os->ram > UINT64_MAX - (UINT64_C(4) << 30))
        return plan_refuse(config, &os->ram, err, "0x%" PRIx64 " bytes reach beyond 2^64", os->ram);
    return check_e820(config, err);
}

int memmap_ram(struct memmap *m, const struct mmu_config *config, struct mmu_error *err)
{
    const struct mmu_os_config *os = &config->os;
    struct mmu_e820_range map[MMU_MAX_E820];
    struct bytes ram = {0, 0};
    memset(m, 0, sizeof *m);
    int status = check_given(config, err);
    if (status != MMU_OK)
        return status;
    uint32_t n = memmap_firmware(os, map);
    for (uint32_t i = 0; i < n; i++) { /* those that touch are one */
        if (map[i].type != MMU_E820_RAM)
            continue;
        if (map[i].start != ram.end || ram.end == 0) {
            add_trimmed(m, ram);
            ram.start = map[i].start;
        }
        ram.end = map[i].start + map[i].size;
    }
    add_trimmed(m, ram);
    memmap_cut(m, reach(config));
    if (m->max_pfn <= 256)
        return plan_refuse(config, os->ram ? (const void *)&os->ram : (const void *)&os->e820s, err,
                           "no RAM above 1 MiB that the kernel can reach");
    return MMU_OK;
}

/* --- ranges --- */

uint64_t memmap_present(const struct memmap *m, mmu_pfn start, mmu_pfn end)
{
    uint64_t pages = 0;
    for (uint32_t i = 0; i < m->rams; i++) {
        mmu_pfn from = m->ram[i].start > start ? m->ram[i].start : start;
        mmu_pfn to = m->ram[i].end < end ? m->ram[i].end : end;
        pages += from < to ? to - from : 0;
    }
    return pages;
}

/* The first range that ends behind pfn; ranges when none does. */
static uint32_t range_from(const struct memmap *m, mmu_pfn pfn)
{
    uint32_t low = 0, high = m->ranges;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (m->range[middle].end <= pfn)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct mmu_os_memory *memmap_find(const struct memmap *m, mmu_pfn pfn)
{
    uint32_t i = range_from(m, pfn);
    return i < m->ranges && m->range[i].start <= pfn ? &m->range[i] : NULL;
}

bool memmap_is_ram(const struct memmap *m, mmu_pfn pfn)
{
    const struct mmu_os_memory *r = memmap_find(m, pfn);
    return r && r->kind != MMU_MEMORY_IGNORED;
}

/* Cuts range i in two at pfn, which lies inside. */
static void split(struct memmap *m, uint32_t i, mmu_pfn pfn)
{
    struct mmu_os_memory *r = &m->range[i];
    REQUIRE(m->ranges < MEMMAP_RANGES && r->start < pfn && pfn < r->end);
    memmove(r + 1, r, (m->ranges - i) * sizeof *r);
    m->ranges++;
    r[0].end = r[1].start = pfn;
}

uint64_t memmap_carve(struct memmap *m, mmu_pfn start, mmu_pfn end, enum mmu_os_memory_kind kind)
{
    uint64_t pages = 0;
    for (uint32_t i = range_from(m, start); start < end && i < m->ranges && m->range[i].start < end; i++) {
        if (m->range[i].kind != MMU_MEMORY_FREE)
            continue;
        if (m->range[i].start < start)
            split(m, i++, start);
        if (m->range[i].end > end)
            split(m, i, end);
        m->range[i].kind = kind;
        pages += m->range[i].end - m->range[i].start;
    }
    return pages;
}

void memmap_check(const struct memmap *m)
{
    uint64_t used = 0, ignored = 0;
    for (uint32_t i = 0; i < m->ranges; i++) {
        const struct mmu_os_memory *r = &m->range[i];
        REQUIRE(r->start < r->end && r->kind < MMU_MEMORY_KINDS && r->zone < MMU_ZONES);
        REQUIRE(i == 0 || r[-1].end <= r->start);
        REQUIRE((r->kind == MMU_MEMORY_IGNORED) == (r->start >= m->limit));
        *(r->kind == MMU_MEMORY_IGNORED ? &ignored : &used) += r->end - r->start;
    }
    REQUIRE(ignored == m->ignored);
    REQUIRE(used == memmap_present(m, 0, m->limit));
}
