/*
 * sim/script_kernel.c: calls of the kernel's memory management: pages, kmalloc, vmalloc, ioremap, kmap,
 * fixmap, attributes, sysctls.
 */
#include "script_commands.h"
#include <string.h>

/* Errors that the modelled calls give, as Linux numbers them. */
static const struct {
    int number;
    const char *name;
} ERRORS[] = {{1, "EPERM"},   {2, "ENOENT"},  {3, "ESRCH"},         {5, "EIO"},      {8, "ENOEXEC"},
              {9, "EBADF"},   {11, "EAGAIN"}, {12, "ENOMEM"},       {13, "EACCES"},  {14, "EFAULT"},
              {16, "EBUSY"},  {17, "EEXIST"}, {19, "ENODEV"},       {20, "ENOTDIR"}, {21, "EISDIR"},
              {22, "EINVAL"}, {27, "EFBIG"},  {36, "ENAMETOOLONG"}, {40, "ELOOP"},   {75, "EOVERFLOW"}};

static const char *outcome_name(const struct script *s, int outcome)
{
    static const char *const NAMES[] = {
#define MMU_X(name, text) #name,
        MMU_OS_OUTCOMES(MMU_X)
#undef MMU_X
    };
    if (outcome == MMU_OS_ERROR)
        for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
            if (ERRORS[i].number == mmu_os_report(s->os)->error)
                return ERRORS[i].name;
    return outcome > 0 && outcome < MMU_OS_OUTCOME_COUNT ? NAMES[outcome] : "ERROR";
}

bool script_called(struct script *s, int outcome, struct script_result *r)
{
    if (outcome < 0)
        result_bad(r, "%s", mmu_status_text(outcome));
    if (outcome <= 0)
        return outcome == 0;
    const char *text = mmu_os_report(s->os)->text;
    result_outcome(r, outcome_name(s, outcome),
                   *text && mmu_os_report(s->os)->outcome == outcome ? text : mmu_os_outcome_text(outcome));
    return false;
}

/* ----- pages ----- */

COMMAND(alloc_pages)
{
    mmu_pfn pfn = 0;
    if (script_called(s, mmu_os_alloc_pages(s->os, (uint32_t)a[0].number, (unsigned)a[1].number, &pfn), r))
        result_hex(r, "pfn", pfn);
}

COMMAND(free_pages)
{
    script_called(s, mmu_os_free_pages(s->os, a[0].number, (unsigned)a[1].number), r);
}

COMMAND(get_free_pages)
{
    mmu_va va = 0;
    if (script_called(s, mmu_os_get_free_pages(s->os, (uint32_t)a[0].number, (unsigned)a[1].number, &va), r))
        result_hex(r, "va", va);
}

COMMAND(free_pages_at)
{
    script_called(s, mmu_os_free_pages_at(s->os, a[0].number, (unsigned)a[1].number), r);
}

COMMAND(get_page)
{
    script_called(s, mmu_os_get_page(s->os, a[0].number), r);
}

COMMAND(put_page)
{
    script_called(s, mmu_os_put_page(s->os, a[0].number), r);
}

COMMAND(gfp_zone)
{
    int zone = mmu_os_gfp_zone(s->os, (uint32_t)a[0].number);
    char words[256];
    if (zone < 0)
        result_outcome(r, "REFUSED", "these zone bits cannot stand together");
    else
        result_word(r, "zone", mmu_os_zone_name((enum mmu_os_zone)zone));
    result_word(r, "mask", mmu_os_gfp_text((uint32_t)a[0].number, words, sizeof words));
}

/* ----- kmalloc ----- */

COMMAND(kmalloc)
{
    mmu_va va = 0;
    if (script_called(s, mmu_os_kmalloc(s->os, a[0].number, (uint32_t)a[1].number, &va), r))
        result_hex(r, "va", va);
}

COMMAND(kfree)
{
    script_called(s, mmu_os_kfree(s->os, a[0].number), r);
}

COMMAND(ksize)
{
    uint64_t size = 0;
    if (script_called(s, mmu_os_ksize(s->os, a[0].number, &size), r))
        result_number(r, "size", size);
}

/* ----- vmalloc, ioremap ----- */

COMMAND(vmalloc)
{
    mmu_va va = 0;
    if (script_called(s, mmu_os_vmalloc(s->os, a[0].number, &va), r))
        result_hex(r, "va", va);
}

COMMAND(vfree)
{
    script_called(s, mmu_os_vfree(s->os, a[0].number), r);
}

COMMAND(vmalloc_to_pfn)
{
    mmu_pfn pfn = 0;
    if (script_called(s, mmu_os_vmalloc_to_pfn(s->os, a[0].number, &pfn), r))
        result_hex(r, "pfn", pfn);
}

COMMAND(vmalloc_purge)
{
    (void)a;
    (void)r;
    mmu_os_vmalloc_purge(s->os);
}

COMMAND(ioremap)
{
    mmu_va va = 0;
    enum mmu_os_cache cache = (enum mmu_os_cache)a[2].number;
    if (script_called(s, mmu_os_ioremap(s->os, a[0].number, a[1].number, cache, &va), r))
        result_hex(r, "va", va);
}

COMMAND(iounmap)
{
    script_called(s, mmu_os_iounmap(s->os, a[0].number), r);
}

/* ----- kmap, fixmap ----- */

COMMAND(kmap)
{
    mmu_va va = 0;
    if (script_called(s, mmu_os_kmap(s->os, a[0].number, &va), r))
        result_hex(r, "va", va);
}

COMMAND(kunmap)
{
    script_called(s, mmu_os_kunmap(s->os, a[0].number), r);
}

COMMAND(kmap_local)
{
    mmu_va va = 0;
    if (script_called(s, mmu_os_kmap_local(s->os, a[0].number, &va), r))
        result_hex(r, "va", va);
}

COMMAND(kunmap_local)
{
    script_called(s, mmu_os_kunmap_local(s->os, a[0].number), r);
}

/* fix_to_virt() of an index that a register's width holds. */
static bool fixmap_index(uint64_t index, struct script_result *r)
{
    if (index > UINT32_MAX)
        result_bad(r, "no index of the fixmap is that large");
    return index <= UINT32_MAX;
}

COMMAND(fix_to_virt)
{
    mmu_va va = 0;
    if (!fixmap_index(a[0].number, r))
        return;
    if (mmu_os_fix_to_virt(s->os, (uint32_t)a[0].number, &va) == MMU_OS_DONE)
        result_hex(r, "va", va);
    else
        result_outcome(r, "REFUSED", "fix_to_virt: no such index of the fixmap");
}

COMMAND(set_fixmap)
{
    if (fixmap_index(a[0].number, r))
        script_called(
            s, mmu_os_set_fixmap(s->os, (uint32_t)a[0].number, a[1].number, (enum mmu_os_cache)a[2].number),
            r);
}

COMMAND(clear_fixmap)
{
    if (fixmap_index(a[0].number, r))
        script_called(s, mmu_os_clear_fixmap(s->os, (uint32_t)a[0].number), r);
}

/* ----- attributes ----- */

COMMAND(set_memory)
{
    enum mmu_os_change change = (enum mmu_os_change)s->command->which;
    script_called(s, mmu_os_set_memory(s->os, a[0].number, a[1].number, change), r);
}

/* ----- the kernel as a whole ----- */

COMMAND(sysctl)
{
    uint64_t values[SCRIPT_ARGS];
    size_t n = 0;
    for (size_t i = 1; i < 6 && a[i].given; i++)
        values[n++] = a[i].number;
    script_called(s, mmu_os_sysctl(s->os, a[0].text, values, n), r);
}

COMMAND(drain)
{
    (void)a;
    (void)r;
    mmu_os_drain(s->os);
}

COMMAND(shrink_slabs)
{
    (void)a;
    (void)r;
    mmu_os_shrink_slabs(s->os);
}

COMMAND(cpu)
{
    if (a[0].number >= s->config->cores) {
        result_bad(r, "this machine has %u CPUs, numbered from 0", (unsigned)s->config->cores);
        return;
    }
    s->cpu = (uint32_t)a[0].number;
    if (s->os)
        mmu_os_run_on(s->os, s->cpu);
}

/* ----- arithmetic of addresses ----- */

COMMAND(to_virtual)
{
    mmu_va va = 0;
    if (mmu_os_va(s->os, a[0].number, &va))
        result_outcome(r, "REFUSED", "the direct map does not hold this physical address");
    else
        result_hex(r, "va", va);
}

COMMAND(to_physical)
{
    mmu_pa pa = 0;
    if (mmu_os_pa(s->os, a[0].number, &pa))
        result_outcome(r, "REFUSED", "this address is not in the direct map");
    else
        result_hex(r, "pa", pa);
}

COMMAND(page_address)
{
    result_hex(r, "va", mmu_os_page_address(s->os, a[0].number));
}
