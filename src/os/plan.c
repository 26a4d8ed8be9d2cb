/*
 * plan.c: the plan of a config, step by step.
 */
#include "plan.h"
#include "error.h"
#include "x86.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

int plan_refuse(const struct mmu_config *config, const void *field, struct mmu_error *err, const char *format,
                ...)
{
    char text[384];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_offset(err, MMU_ERR_INVALID, NULL, (uint64_t)((const char *)field - (const char *)config),
                      "%s", text);
}

void plan_note(struct plan *p, const char *format, ...)
{
    REQUIRE(p->notes < PLAN_NOTES);
    va_list args;
    va_start(args, format);
    vsnprintf(p->note[p->notes++], PLAN_NOTE, format, args);
    va_end(args);
}

static uint32_t plan_nr_cpus(const struct mmu_os_config *os)
{
    return os->nr_cpus ? os->nr_cpus : os->arch >= MMU_OS_X86_64 ? 8192 : 32;
}

/* Fields that do not agree, but for memory and layout. */
static int check_fields(const struct mmu_config *config, struct mmu_error *err)
{
    const struct mmu_os_config *os = &config->os;
    const struct mmu_cpu *cpu = &config->cpu;
    const struct {
        bool needed, has;
        const char *name;
    } rule[] = {
        {os->arch == MMU_OS_I386_PAE, cpu->pae, "pae"},
        {os->arch == MMU_OS_X86_64 || os->arch == MMU_OS_X86_64_LA57, cpu->long_mode, "long-mode"},
        {os->arch == MMU_OS_X86_64_LA57, cpu->la57, "la57"},
    };
    for (unsigned i = 0; i < COUNT_OF(rule); i++)
        if (rule[i].needed && !rule[i].has)
            return plan_refuse(config, &os->arch, err,
                               "the processor lacks what this kernel needs; expected cpu.%s", rule[i].name);
    if (os->kpti && os->arch == MMU_OS_I386)
        return plan_refuse(config, &os->kpti, err,
                           "page-table isolation needs i386_pae or x86_64; this kernel is i386");
    if (os->split != MMU_OS_3G_1G && os->arch >= MMU_OS_X86_64)
        return plan_refuse(config, &os->split, err, "only i386 kernels divide their 4 GiB; expected 3G/1G");
    if (os->vmalloc && os->arch >= MMU_OS_X86_64)
        return plan_refuse(config, &os->vmalloc, err, "vmalloc= is i386's; expected auto");
    if (os->highmem_given && os->arch >= MMU_OS_X86_64)
        return plan_refuse(config, &os->highmem, err, "highmem= is i386's; expected auto");
    if (os->kernel_start % (2 << 20))
        return plan_refuse(config, &os->kernel_start, err,
                           "0x%" PRIx64 " is not aligned; expected a multiple of 2M", os->kernel_start);
    const uint32_t cpus = os->cpus ? os->cpus : config->cores, most = plan_nr_cpus(os);
    if (cpus > most)
        return plan_refuse(config, os->cpus ? (const void *)&os->cpus : &config->cores, err,
                           "%" PRIu32 " CPUs, but the kernel was built for %" PRIu32
                           " (os.nr-cpus); expected at most as many",
                           cpus, most);
    if (cpus < config->cores)
        return plan_refuse(config, &os->cpus, err,
                           "%" PRIu32 " online, but the machine has %" PRIu32
                           " cores; expected at least as many",
                           cpus, config->cores);
    return MMU_OK;
}

static void note_ignored(struct plan *p, const struct mmu_config *config)
{
    const struct memmap *m = &p->memmap;
    if (!m->ignored)
        return;
    const char *who = config->os.arch == MMU_OS_I386       ? "an i386 kernel without PAE"
                      : config->os.arch == MMU_OS_I386_PAE ? "an i386 kernel with PAE"
                                                           : "this kernel";
    bool cpu = m->limit == UINT64_C(1) << (config->cpu.maxphyaddr - PAGE_SHIFT);
    plan_note(p,
              "%" PRIu64 " MiB of RAM at 0x%" PRIx64 " to 0x%" PRIx64 " lie beyond the %" PRIu64
              " GiB that %s reaches, and are ignored",
              m->ignored >> 8, m->ram[m->rams].start << PAGE_SHIFT,
              (m->ram[m->all - 1].end << PAGE_SHIFT) - 1, m->limit >> 18,
              cpu && config->os.arch != MMU_OS_I386 ? "this processor" : who);
}

int plan_make(struct plan *p, const struct mmu_config *config, struct mmu_error *err)
{
    memset(p, 0, sizeof *p);
    p->kpti = config->os.kpti;
    p->nr_cpus = plan_nr_cpus(&config->os);
    int status = check_fields(config, err);
    if (status == MMU_OK)
        status = memmap_ram(&p->memmap, config, err);
    if (status != MMU_OK)
        return status;
    note_ignored(p, config);
    status = layout_make(p, config, err);
    if (status != MMU_OK)
        return status;
    zones_extent(p, config);
    status = plan_place(p, config, err);
    if (status != MMU_OK)
        return status;
    zones_figures(p, config);
    layout_regions(p, config);
    return MMU_OK;
}

enum mmu_os_zone plan_zone_of(const struct plan *p, mmu_pfn pfn)
{
    const struct plan_zone *z = p->zones.zone;
    for (unsigned i = 0; i < MMU_ZONES; i++)
        if (pfn >= z[i].start && pfn < z[i].end)
            return i;
    return MMU_ZONES;
}

mmu_pfn plan_boot_tables(const struct plan *p, uint64_t *count)
{
    *count = p->memmap.table_count;
    return p->memmap.tables;
}

mmu_va plan_struct_page(const struct plan *p, mmu_pfn pfn)
{
    const struct layout *l = &p->layout;
    mmu_va base = l->wide ? l->vmemmap : l->page_offset + (p->memmap.mem_map << PAGE_SHIFT);
    return base + pfn * l->struct_page_bytes;
}

void plan_check(const struct plan *p)
{
    uint64_t present = 0, managed = 0, free = 0;
    memmap_check(&p->memmap);
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        const struct plan_zone *z = &p->zones.zone[i];
        REQUIRE(z->spanned == z->end - z->start && z->present <= z->spanned && z->managed <= z->present);
        REQUIRE(z->min <= z->low && z->low <= z->high && z->high <= z->promo);
        REQUIRE(z->exists || z->spanned == 0);
        present += z->present;
        managed += z->managed;
    }
    REQUIRE(present == memmap_present(&p->memmap, 0, p->memmap.limit));
    for (uint32_t i = 0; i < p->memmap.ranges; i++)
        if (p->memmap.range[i].kind == MMU_MEMORY_FREE)
            free += p->memmap.range[i].end - p->memmap.range[i].start;
    REQUIRE(free == managed);
    mmu_va next = 0;
    for (uint32_t i = 0; i < p->layout.regions; i++) {
        const struct mmu_os_region *r = &p->layout.region[i];
        REQUIRE(r->start <= r->last && (r->inside || r->start == next));
        next = r->inside ? next : r->last + 1;
    }
    REQUIRE(next == (p->layout.wide ? 0 : UINT64_C(1) << 32));
}
