/*
 * view_memory.c: meminfo, vmallocinfo, iomem: Linux's words, order and spacing, for what the model has.
 */
#include "kspace.h"
#include "plan.h"
#include "view.h"
#include "x86.h"

#include <inttypes.h>

static void say_kib(struct view *v, const char *name, uint64_t kib)
{
    view_say(v, "%-16s%8" PRIu64 " kB\n", name, kib);
}

static void say_pages(struct view *v, const char *name, uint64_t pages)
{
    say_kib(v, name, pages << (PAGE_SHIFT - 10));
}

void view_meminfo(const struct mmu_os *os, struct view *v)
{
    const struct layout *l = &os->plan->layout;
    struct mmu_os_totals t;
    uint64_t low_free = 0;
    mmu_os_totals(os, &t);
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        struct mmu_os_zone_info z;
        mmu_os_zone(os, i, &z);
        low_free += zone_is_highmem(&os->plan->zones, i) ? 0 : z.free;
    }
    say_pages(v, "MemTotal:", t.managed);
    say_pages(v, "MemFree:", t.free);
    say_pages(v, "MemAvailable:", t.free > t.totalreserve ? t.free - t.totalreserve : 0);
    if (!l->wide) {
        say_pages(v, "HighTotal:", t.managed - t.low_managed);
        say_pages(v, "HighFree:", t.free - low_free);
        say_pages(v, "LowTotal:", t.low_managed);
        say_pages(v, "LowFree:", low_free);
    }
    say_pages(v, "Slab:", t.slab);
    say_pages(v, "PageTables:", t.page_tables);
    say_kib(v, "VmallocTotal:", (l->vmalloc_end - l->wide - l->vmalloc_start) >> 10);
    say_pages(v, "VmallocUsed:", t.vmalloc);
}

struct areas {
    struct view *v;
    int width; /* digits of an address, of a physical address */
    int pa_width;
};

static void say_area(void *ctx, const struct mmu_os_vm_area *area)
{
    const struct areas *a = ctx;
    view_say(a->v, "0x%0*" PRIx64 "-0x%0*" PRIx64 " %7" PRIu64, a->width, area->start, a->width, area->end,
             area->end - area->start);
    if (area->lazy) {
        view_say(a->v, " unpurged vm_area\n");
        return;
    }
    if (area->pages)
        view_say(a->v, " pages=%" PRIu64, area->pages);
    if (area->io)
        view_say(a->v, " phys=0x%0*" PRIx64, a->pa_width, area->pa);
    view_say(a->v, " %s\n", area->io ? "ioremap" : "vmalloc");
}

void view_vmallocinfo(const struct mmu_os *os, struct view *v)
{
    const uint32_t arch = os->config->os.arch;
    struct areas a = {v, arch >= MMU_OS_X86_64 ? 16 : 8, arch == MMU_OS_I386 ? 8 : 16};
    mmu_os_vm_areas(os, say_area, &a);
}

/* --- iomem --- */

static void say_resource(struct view *v, int depth, mmu_pa start, mmu_pa end, const char *name)
{
    if (start < end)
        view_say(v, "%*s%08" PRIx64 "-%08" PRIx64 " : %s\n", 2 * depth, "", start, end - 1, name);
}

/* The image's parts inside [start, end). */
static void say_image(const struct mmu_os *os, struct view *v, mmu_pa start, mmu_pa end)
{
    const struct kspace_image i = kspace_image(os->config);
    const struct mmu_os_config *c = &os->config->os;
    const struct {
        mmu_pfn start;
        uint64_t size;
        const char *name;
    } part[] = {{i.text, c->kernel_text, "Kernel code"},
                {i.rodata, c->kernel_rodata, "Kernel rodata"},
                {i.data, c->kernel_data, "Kernel data"}};
    for (unsigned k = 0; k < COUNT_OF(part); k++) {
        mmu_pa at = part[k].start << PAGE_SHIFT;
        if (at >= start && at < end)
            say_resource(v, 1, at, at + part[k].size, part[k].name);
    }
}

/* e820__reserve_resources(), after the kernel took page 0 and the BIOS area away from RAM. */
void view_iomem(const struct mmu_os *os, struct view *v)
{
    static const char *const name[MMU_E820_TYPES] = {"System RAM", "Reserved", "ACPI Tables",
                                                     "ACPI Non-volatile Storage", "Unusable memory"};
    const struct {
        mmu_pa start, end;
    } usable[] = {{0x1000, 0xa0000}, {0x100000, UINT64_MAX}};
    struct mmu_e820_range map[MMU_MAX_E820];
    uint32_t n = memmap_firmware(&os->config->os, map);
    const mmu_pa top = os->config->os.arch == MMU_OS_I386 ? UINT64_C(1) << 32 : UINT64_MAX;
    for (uint32_t i = 0; i < n; i++) {
        mmu_pa start = map[i].start, end = start + map[i].size;
        if (end > top || start == end)
            continue; /* no resource of 32 bits */
        if (map[i].type != MMU_E820_RAM) {
            say_resource(v, 0, start, end, name[map[i].type]);
            continue;
        }
        if (start < PAGE_SIZE)
            say_resource(v, 0, start, end < PAGE_SIZE ? end : PAGE_SIZE, name[MMU_E820_RESERVED]);
        for (unsigned k = 0; k < COUNT_OF(usable); k++) {
            mmu_pa from = start > usable[k].start ? start : usable[k].start;
            mmu_pa to = end < usable[k].end ? end : usable[k].end;
            say_resource(v, 0, from, to, name[MMU_E820_RAM]);
            if (from < to)
                say_image(os, v, from, to);
        }
    }
}
