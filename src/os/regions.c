/*
 * regions.c: the whole address space as a list of regions, and the constants behind it by their names.
 */
#include "kspace.h"
#include "plan.h"

static void add(struct layout *l, bool inside, mmu_va start, mmu_va last, const char *name, const char *text)
{
    if (start > last)
        return;
    REQUIRE(l->regions < LAYOUT_REGIONS);
    l->region[l->regions++] = (struct mmu_os_region){start, last, inside, name, text};
}

/* The next region reaches to end (exclusive; 0: the top). */
static void up_to(struct layout *l, mmu_va *at, mmu_va end, const char *name, const char *text)
{
    if (end == *at)
        return;
    add(l, false, *at, end - 1, name, text);
    *at = end;
}

static void hole(struct layout *l, mmu_va *at, mmu_va end)
{
    up_to(l, at, end, "hole", "unused");
}

/* The parts of the image, where it is mapped. */
static void add_image(struct layout *l, const struct mmu_config *config)
{
    const struct kspace_image i = kspace_image(config);
    const struct {
        mmu_pfn start, end;
        const char *name, *text;
    } part[] = {{i.text, i.text_end, "kernel text", "the kernel's code"},
                {i.rodata, i.rodata_end, "kernel rodata", "the kernel's constants"},
                {i.data, i.end, "kernel data", "the kernel's data and bss"}};
    for (unsigned k = 0; k < COUNT_OF(part); k++)
        add(l, true, l->text_base + (part[k].start << PAGE_SHIFT),
            l->text_base + (part[k].end << PAGE_SHIFT) - 1, part[k].name, part[k].text);
}

static void regions_32(struct plan *p, const struct mmu_config *config)
{
    struct layout *l = &p->layout;
    const struct memmap *m = &p->memmap;
    const mmu_va mem_map = l->page_offset + (m->mem_map << PAGE_SHIFT);
    mmu_va at = 0;
    up_to(l, &at, l->page_offset, "user", "user space, its own in every process");
    up_to(l, &at, l->high_memory, "direct map", "low memory, from physical address 0");
    add_image(l, config);
    add(l, true, mem_map, mem_map + (m->mem_map_pages << PAGE_SHIFT) - 1, "mem_map",
        "page descriptors, 40 bytes a frame");
    up_to(l, &at, l->vmalloc_start, "gap", "VMALLOC_OFFSET, catches accesses beyond low memory");
    up_to(l, &at, l->vmalloc_end, "vmalloc", "vmalloc, ioremap and modules");
    add(l, true, l->modules_start, l->modules_end - 1, "modules", "module mapping space: all of it");
    up_to(l, &at, l->pkmap_base, "gap", "two pages that catch overruns");
    up_to(l, &at, l->pkmap_base + (mmu_va)l->last_pkmap * PAGE_SIZE, "PKMAP",
          "kmap: pages of high memory, one a slot");
    if (l->ldt_base) {
        hole(l, &at, l->ldt_base);
        up_to(l, &at, l->ldt_end, "LDT remap", "LDTs, for page-table isolation");
    }
    if (l->cpu_entry_area) {
        hole(l, &at, l->cpu_entry_area);
        up_to(l, &at, l->cpu_entry_area_end, "cpu_entry_area", "GDT, TSS, entry stacks of each CPU");
    }
    hole(l, &at, l->fixaddr_tot_start);
    up_to(l, &at, l->fixaddr_top, "fixmap", "fixed addresses, from the top downwards; kmap_local's slots");
    hole(l, &at, UINT64_C(1) << 32);
}

static void regions_64(struct plan *p, const struct mmu_config *config)
{
    struct layout *l = &p->layout;
    const bool la57 = l->levels == 5;
    const mmu_va user_end = la57 ? BIT(56) : BIT(47), kasan = UINT64_C(0xfffffc0000000000);
    const mmu_va direct_end = la57 ? UINT64_C(0xff91000000000000) : UINT64_C(0xffffc88000000000);
    const mmu_va vsyscall = UINT64_C(0xffffffffff600000), efi = UINT64_C(0xffffffef00000000);
    mmu_va at = 0;
    up_to(l, &at, user_end, "user", "user space, its own in every process");
    up_to(l, &at, -user_end, "non-canonical", "no linear address: #GP");
    up_to(l, &at, l->ldt_base, "guard", "guard hole, also reserved for hypervisors");
    up_to(l, &at, l->ldt_end, "LDT remap", "LDTs, for page-table isolation");
    up_to(l, &at, direct_end, "direct map", "all physical memory (page_offset_base)");
    add(l, true, l->page_offset, l->high_memory - 1, "RAM", "up to the end of RAM: high_memory");
    hole(l, &at, l->vmalloc_start);
    up_to(l, &at, l->vmalloc_end, "vmalloc", "vmalloc and ioremap (vmalloc_base)");
    hole(l, &at, l->vmemmap);
    up_to(l, &at, l->vmemmap_end, "vmemmap", "page descriptors, 64 bytes a frame (vmemmap_base)");
    add(l, true, l->vmemmap, l->vmemmap + (p->memmap.max_pfn << 6) - 1, "vmemmap in use",
        "descriptors up to the end of RAM, by sections of 128 MiB");
    hole(l, &at, la57 ? UINT64_C(0xffdf000000000000) : UINT64_C(0xffffec0000000000));
    up_to(l, &at, kasan, "KASAN shadow", "unused without KASAN");
    hole(l, &at, l->cpu_entry_area);
    up_to(l, &at, l->cpu_entry_area + (UINT64_C(512) << 30), "cpu_entry_area",
          "GDT, TSS, entry stacks of each CPU");
    hole(l, &at, l->espfix);
    up_to(l, &at, l->espfix_end, "espfix", "%esp fixup stacks");
    hole(l, &at, efi);
    up_to(l, &at, UINT64_C(0xffffffff00000000), "EFI", "EFI runtime services");
    hole(l, &at, l->text_base);
    up_to(l, &at, l->modules_start, "kernel text mapping", "the kernel's image, from physical address 0");
    add_image(l, config);
    up_to(l, &at, l->modules_end, "modules", "module mapping space");
    hole(l, &at, l->fixaddr_tot_start);
    up_to(l, &at, l->fixaddr_top, "fixmap", "fixed addresses, from the top downwards");
    add(l, true, vsyscall, vsyscall + PAGE_SIZE - 1, "vsyscall", "legacy vsyscall page");
    hole(l, &at, 0);
}

void layout_regions(struct plan *p, const struct mmu_config *config)
{
    p->layout.regions = 0;
    if (p->layout.wide)
        regions_64(p, config);
    else
        regions_32(p, config);
}
