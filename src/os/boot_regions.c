/*
 * boot_regions.c: what the kernel maps at boot, region by region in ascending order.
 *
 * Models init_mem_mapping() and split_mem_range() (arch/x86/mm/init.c), page_table_range_init() and
 * permanent_kmaps_init() (init_32.c), preallocate_vmalloc_pages() and vmemmap_populate() (init_64.c),
 * setup_cpu_entry_areas() (cpu_entry_area.c), pti_init() (pti.c), and what mark_rodata_ro() leaves: text
 * executable and read-only, the rest not executable, data writable.
 */
#include "boot.h"
#include "plan.h"

enum {
    SECTION_PAGES = 1 << 15, /* sparse memory: frames of which descriptors come together, 128 MiB */
    SECTION_BYTES = 1 << 21  /* that their descriptors take */
};

static mmu_pfn lesser(mmu_pfn a, mmu_pfn b)
{
    return a < b ? a : b;
}
static mmu_pfn greater(mmu_pfn a, mmu_pfn b)
{
    return a > b ? a : b;
}

struct kspace_image kspace_image(const struct mmu_config *config)
{
    const struct mmu_os_config *os = &config->os;
    bool wide = os->arch == MMU_OS_X86_64 || os->arch == MMU_OS_X86_64_LA57;
    uint64_t align = wide ? UINT64_C(1) << 21 : PAGE_SIZE; /* ALIGN_RODATA_BEGIN, ALIGN_RODATA_END */
    uint64_t text_end = os->kernel_start + os->kernel_text;
    uint64_t rodata = (text_end + align - 1) & -align, rodata_end = rodata + os->kernel_rodata;
    uint64_t data = (rodata_end + align - 1) & -align, end = data + os->kernel_data;
    return (struct kspace_image){.text = os->kernel_start >> PAGE_SHIFT,
                                 .text_end = (text_end + PAGE_MASK) >> PAGE_SHIFT,
                                 .rodata = rodata >> PAGE_SHIFT,
                                 .rodata_end = (rodata_end + PAGE_MASK) >> PAGE_SHIFT,
                                 .data = data >> PAGE_SHIFT,
                                 .end = (end + PAGE_MASK) >> PAGE_SHIFT};
}

/* Maps frames [start, end) at va(start) = base + 4096 * start, cut where the entries' bits change. */
static void map_frames(struct boot *b, const struct kspace_image *image, mmu_va base, mmu_pfn start,
                       mmu_pfn end, unsigned text_rights)
{
    const struct {
        mmu_pfn end;
        unsigned rights;
    } part[] = {{image->text, PROT_WRITE},
                {image->text_end, text_rights},
                {image->rodata, PROT_WRITE},
                {image->rodata_end, 0},
                {UINT64_MAX, PROT_WRITE}};
    for (size_t i = 0; i < COUNT_OF(part) && start < end; i++) {
        const uint64_t bits = prot_kernel_of(&b->traits, MMU_CACHE_WB, part[i].rights);
        mmu_pfn stop = part[i].end;
        while (
            i + 1 < COUNT_OF(part) &&
            (part[i + 1].end <= stop || prot_kernel_of(&b->traits, MMU_CACHE_WB, part[i + 1].rights) == bits))
            stop = part[++i].end; /* without NX, text and constants are alike */
        stop = lesser(end, stop);
        if (stop <= start)
            continue;
        boot_span(b, base + (start << PAGE_SHIFT), start << PAGE_SHIFT, (stop - start) << PAGE_SHIFT, bits,
                  b->traits.large);
        start = stop;
    }
}

/* PAE: the PMD of each GByte of the kernel's part stands from the start (KPMDS of head_32.S), because a new
 * PDPTE would be seen only at a load of CR3. From where the last run ended up to va. */
static void reserve_pmds(struct boot *b, mmu_va va)
{
    const mmu_va from = greater(b->behind, b->plan->layout.page_offset);
    if (b->traits.form->levels == 3 && from <= va)
        boot_reserve(b, 2, from, va);
}

/* The direct map: the first MiB with all its holes, then RAM. 2M and 1G pages only where all of them is RAM,
 * so the first is always of 4K. On i386 the image's text is executed here. */
static void map_direct(struct boot *b, const struct kspace_image *image)
{
    const struct layout *l = &b->plan->layout;
    const struct memmap *m = &b->plan->memmap;
    const mmu_pfn isa_end = 256;
    map_frames(b, image, l->page_offset, 0, isa_end, 0);
    for (uint32_t i = 0; i < m->rams; i++) {
        const mmu_pfn start = greater(m->ram[i].start, isa_end), end = lesser(m->ram[i].end, l->max_low_pfn);
        if (start >= end)
            continue;
        reserve_pmds(b, l->page_offset + (start << PAGE_SHIFT));
        map_frames(b, image, l->page_offset, start, end, l->wide ? 0 : PROT_EXEC);
    }
}

/* vmemmap_populate(): the descriptors of each section that has RAM. */
static void map_vmemmap(struct boot *b)
{
    const struct memmap *m = &b->plan->memmap;
    uint64_t section = 0;
    for (uint32_t i = 0; i < m->rams; i++) {
        section = greater(section, m->ram[i].start / SECTION_PAGES);
        for (; section * SECTION_PAGES < m->ram[i].end; section++) {
            mmu_pfn pfn = 0;
            REQUIRE(!b->os || plan_vmemmap(b->plan, section, &pfn)); /* placed after the count */
            boot_span(b, b->plan->layout.vmemmap + section * SECTION_BYTES, pfn << PAGE_SHIFT, SECTION_BYTES,
                      prot_kernel_of(&b->traits, MMU_CACHE_WB, PROT_WRITE), b->traits.large);
        }
    }
}

/* struct cpu_entry_area: its pages, guard pages left out. */
struct entry_pages {
    uint16_t first, pages;
    bool writable;
};
static const struct entry_pages entry_32[] = {
    {0, 1, true}, /* GDT */
    {2, 1, true}, /* entry stack */
    {4, 1, true}, /* double-fault stack */
    {5, 5, true}, /* TSS and its I/O bitmap */
};
static const struct entry_pages entry_64[] = {
    {0, 1, false}, /* GDT */
    {1, 1, true},  /* entry stack */
    {2, 5, false}, /* TSS */
    {8, 2, true},  /* the stacks of #DF, NMI, #DB, #MC */
    {11, 2, true}, {14, 2, true}, {17, 2, true},
};
enum { ENTRY_PAGES_32 = 43, ENTRY_PAGES_64 = 59 };

/* The entry area is global even with KPTI: both halves have it. */
static void map_entry_page(struct boot *b, mmu_va va, bool writable)
{
    uint64_t bits = prot_kernel_of(&b->traits, MMU_CACHE_WB, writable ? PROT_WRITE : 0);
    bits |= b->traits.pge ? PTE_G : 0;
    boot_run(b, &(struct boot_run){va, PAGE_SIZE, boot_frame(b) << PAGE_SHIFT, bits, 1});
}

static void map_entry_areas(struct boot *b, uint32_t cpus)
{
    const struct layout *l = &b->plan->layout;
    const struct entry_pages *pages = l->wide ? entry_64 : entry_32;
    size_t n = l->wide ? COUNT_OF(entry_64) : COUNT_OF(entry_32);
    if (!l->cpu_entry_area)
        return;
    map_entry_page(b, l->cpu_entry_area, false); /* IDT */
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        mmu_va area = l->cpu_entry_area + PAGE_SIZE;
        area += (mmu_va)cpu * (l->wide ? ENTRY_PAGES_64 : ENTRY_PAGES_32) * PAGE_SIZE;
        for (size_t i = 0; i < n; i++)
            for (unsigned p = 0; p < pages[i].pages; p++)
                map_entry_page(b, area + (mmu_va)(pages[i].first + p) * PAGE_SIZE, pages[i].writable);
    }
    if (!l->wide && b->behind < l->cpu_entry_area_end - 1)
        boot_reserve(b, 1, b->behind, l->cpu_entry_area_end - 1);
}

/* The PTE tables of the fixed addresses. x86-64's stand in the image (level1_fixmap_pgt). */
static void reserve_fixmap(struct boot *b)
{
    const struct layout *l = &b->plan->layout;
    boot_reserve(b, 1, l->fixaddr_tot_start, l->fixaddr_top | PAGE_MASK);
}

void boot_kernel(struct boot *b, const struct mmu_config *config)
{
    const struct layout *l = &b->plan->layout;
    const struct kspace_image image = kspace_image(config);
    boot_open_root(b, b->root);
    map_direct(b, &image);
    if (l->wide) {
        boot_reserve(b, b->traits.form->levels - 1u, l->vmalloc_start, l->vmalloc_end - 1);
        map_vmemmap(b);
        map_entry_areas(b, config->cores);
        const mmu_pfn huge = SECTION_BYTES >> PAGE_SHIFT; /* head_64.S maps whole 2M pages */
        map_frames(b, &image, l->text_base, image.text, (image.end + huge - 1) & -huge, PROT_EXEC);
    } else {
        reserve_pmds(b, l->pkmap_base);
        boot_reserve(b, 1, l->pkmap_base, l->pkmap_base + (mmu_va)l->last_pkmap * PAGE_SIZE - 1);
        map_entry_areas(b, config->cores);
    }
    reserve_fixmap(b);
    boot_close(b);
}

/* The kernel's entry of a level for va, as it stands; the table that it links has one use more. */
static uint64_t share_entry(struct boot *b, unsigned level, mmu_va va, uint64_t more)
{
    struct mmu_os_lookup found;
    if (!b->os)
        return PTE_P;
    pgtable_lookup(b->os, b->root << PAGE_SHIFT, va, &found);
    const struct mmu_os_entry *e = &found.entry[level - 1];
    if (!e->present)
        return 0;
    if (!pgtable_is_leaf(b->traits.form, level, e->value))
        tables_find(&b->os->kspace->tables, (e->value & b->traits.form->address) >> PAGE_SHIFT)->uses++;
    if (more & ~e->value && b->status == MMU_OK)
        b->status = pgtable_write(b->os, e->at, e->value | more);
    return e->value | more;
}

/* pti_clone_user_shared() and pti_clone_entry_text(): all that user mode has of the kernel. The entry text is
 * the last whole large page of text (ALIGN_ENTRY_TEXT_BEGIN). */
void boot_user(struct boot *b, const struct mmu_config *config)
{
    const struct layout *l = &b->plan->layout;
    const struct pgtable_form *f = b->traits.form;
    const struct kspace_image image = kspace_image(config);
    const mmu_pfn pages = UINT64_C(1) << (pgtable_shift(f, 2) - PAGE_SHIFT);
    mmu_pfn whole = (image.text_end & -pages) - pages;
    const mmu_va text = l->text_base + (greater(whole, image.text & -pages) << PAGE_SHIFT);
    const unsigned area_level = l->wide ? 4 : 2;
    const uint64_t global = b->traits.pge ? PTE_G : 0;
    boot_open_root(b, b->user_root);
    if (!l->wide)
        boot_entry(b, 2, text, share_entry(b, 2, text, global));
    for (mmu_va va = l->cpu_entry_area; va < l->cpu_entry_area_end;
         va += UINT64_C(1) << pgtable_shift(f, area_level))
        boot_entry(b, area_level, va, share_entry(b, area_level, va, l->wide ? 0 : global));
    if (l->wide)
        boot_entry(b, 2, text, share_entry(b, 2, text, global));
    boot_close(b);
}
