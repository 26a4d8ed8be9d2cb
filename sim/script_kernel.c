/*
 * sim/script_kernel.c: calls of the kernel's memory management: pages, kmalloc, vmalloc, ioremap, kmap,
 * fixmap, attributes, sysctls.
 *
 * Most of them are a call of the library: CALL() for one that gives nothing, GIVES() for one that puts what
 * it gives into `value`.
 */
#include "script_commands.h"
#include <limits.h>

#define CALL(name, call)                                                                                     \
    COMMAND(name)                                                                                            \
    {                                                                                                        \
        script_called(s, call, r);                                                                           \
    }
#define GIVES(name, form, field, call)                                                                       \
    COMMAND(name)                                                                                            \
    {                                                                                                        \
        uint64_t value = 0;                                                                                  \
        if (script_called(s, call, r))                                                                       \
            result_##form(r, field, value);                                                                  \
    }
#define NOTHING(name, call)                                                                                  \
    COMMAND(name)                                                                                            \
    {                                                                                                        \
        (void)a;                                                                                             \
        (void)r;                                                                                             \
        call;                                                                                                \
    }

#define ARG(n)   (a[n].number)
#define GFP(n)   ((uint32_t)ARG(n))
#define CACHE(n) ((enum mmu_os_cache)ARG(n))
/* A number that Linux takes as an unsigned: the largest is none that it accepts. */
#define SMALL(n) (ARG(n) < UINT_MAX ? (unsigned)ARG(n) : UINT_MAX)

/* ----- pages ----- */

GIVES(alloc_pages, hex, "pfn", mmu_os_alloc_pages(s->os, GFP(0), SMALL(1), &value))
CALL(free_pages, mmu_os_free_pages(s->os, ARG(0), SMALL(1)))
GIVES(get_free_pages, hex, "va", mmu_os_get_free_pages(s->os, GFP(0), SMALL(1), &value))
CALL(free_pages_at, mmu_os_free_pages_at(s->os, ARG(0), SMALL(1)))
CALL(get_page, mmu_os_get_page(s->os, ARG(0)))
CALL(put_page, mmu_os_put_page(s->os, ARG(0)))

COMMAND(gfp_zone)
{
    int zone = mmu_os_gfp_zone(s->os, GFP(0));
    char words[SCRIPT_WORD];
    if (zone < 0)
        result_outcome(r, "REFUSED", "these zone bits cannot stand together");
    else
        result_word(r, "zone", mmu_os_zone_name((enum mmu_os_zone)zone));
    result_word(r, "mask", mmu_os_gfp_text(GFP(0), words, sizeof words));
}

COMMAND(page_address)
{
    result_hex(r, "va", mmu_os_page_address(s->os, ARG(0)));
}

/* ----- kmalloc, vmalloc, ioremap ----- */

GIVES(kmalloc, hex, "va", mmu_os_kmalloc(s->os, ARG(0), GFP(1), &value))
CALL(kfree, mmu_os_kfree(s->os, ARG(0)))
GIVES(ksize, number, "size", mmu_os_ksize(s->os, ARG(0), &value))

GIVES(vmalloc, hex, "va", mmu_os_vmalloc(s->os, ARG(0), &value))
CALL(vfree, mmu_os_vfree(s->os, ARG(0)))
GIVES(vmalloc_to_pfn, hex, "pfn", mmu_os_vmalloc_to_pfn(s->os, ARG(0), &value))
NOTHING(vmalloc_purge, mmu_os_vmalloc_purge(s->os))

GIVES(ioremap, hex, "va", mmu_os_ioremap(s->os, ARG(0), ARG(1), CACHE(2), &value))
CALL(iounmap, mmu_os_iounmap(s->os, ARG(0)))

/* ----- kmap, fixmap ----- */

GIVES(kmap, hex, "va", mmu_os_kmap(s->os, ARG(0), &value))
CALL(kunmap, mmu_os_kunmap(s->os, ARG(0)))
GIVES(kmap_local, hex, "va", mmu_os_kmap_local(s->os, ARG(0), &value))
CALL(kunmap_local, mmu_os_kunmap_local(s->os, ARG(0)))

CALL(set_fixmap, mmu_os_set_fixmap(s->os, SMALL(0), ARG(1), CACHE(2)))
CALL(clear_fixmap, mmu_os_clear_fixmap(s->os, SMALL(0)))

/* ----- arithmetic of addresses: no call, so no report ----- */

static void computed(struct script_result *r, int outcome, const char *field, uint64_t value, const char *why)
{
    if (outcome == MMU_OS_DONE)
        result_hex(r, field, value);
    else
        result_outcome(r, "REFUSED", why);
}

COMMAND(fix_to_virt)
{
    mmu_va va = 0;
    int outcome = mmu_os_fix_to_virt(s->os, SMALL(0), &va);
    computed(r, outcome, "va", va, "fix_to_virt: no such index of the fixmap");
}

COMMAND(to_virtual)
{
    mmu_va va = 0;
    int outcome = mmu_os_va(s->os, ARG(0), &va);
    computed(r, outcome, "va", va, "the direct map does not hold this physical address");
}

static void physical(const struct script *s, mmu_va va, const char *field, unsigned shift,
                     struct script_result *r)
{
    mmu_pa pa = 0;
    int outcome = mmu_os_pa(s->os, va, &pa);
    computed(r, outcome, field, pa >> shift, "this address is not in the direct map");
}

COMMAND(to_physical)
{
    physical(s, ARG(0), "pa", 0, r);
}

COMMAND(virt_to_page)
{
    physical(s, ARG(0), "pfn", 12, r);
}

/* ----- the kernel as a whole ----- */

CALL(set_memory, mmu_os_set_memory(s->os, ARG(0), ARG(1), (enum mmu_os_change)s->command->which))
NOTHING(drain, mmu_os_drain(s->os))
NOTHING(shrink_slabs, mmu_os_shrink_slabs(s->os))

COMMAND(sysctl)
{
    uint64_t values[SCRIPT_ARGS];
    size_t n = 0;
    for (size_t i = 1; i < 6 && a[i].given; i++)
        values[n++] = ARG(i);
    script_called(s, mmu_os_sysctl(s->os, a[0].text, values, n), r);
}

COMMAND(cpu)
{
    if (ARG(0) >= s->config->cores) {
        result_bad(r, "this machine has %u CPU%s, numbered from 0", (unsigned)s->config->cores,
                   s->config->cores == 1 ? "" : "s");
        return;
    }
    s->cpu = (uint32_t)ARG(0);
    if (s->os)
        mmu_os_run_on(s->os, s->cpu);
}
