/*
 * fixmap.c: addresses known when the kernel is built, whose entries are set while it runs.
 *
 * Models include/asm-generic/fixmap.h and __native_set_fixmap() of arch/x86/mm/pgtable.c, Linux 6.1. Which
 * device has which index is the caller's affair.
 */
#include "flush.h"
#include "kspace.h"
#include "plan.h"

#include <inttypes.h>

static int find(const struct mmu_os *os, uint32_t index, mmu_va *va)
{
    const struct layout *l = &os->plan->layout;
    if (index >= l->fixed_addresses)
        return MMU_OS_REFUSED;
    *va = l->fixaddr_top - ((mmu_va)index << PAGE_SHIFT);
    return MMU_OS_DONE;
}

int mmu_os_fix_to_virt(const struct mmu_os *os, uint32_t index, mmu_va *va)
{
    return find(os, index, va);
}

/* Do the indexes of kmap_local lie here? */
static bool is_kmap(const struct mmu_os *os, uint32_t index)
{
    return !os->plan->layout.wide && index >= FIX_KMAP_BEGIN &&
           index - FIX_KMAP_BEGIN < KM_MAX_IDX * os->plan->nr_cpus;
}

static int set(struct mmu_os *os, uint32_t index, uint64_t entry)
{
    mmu_va va;
    if (is_kmap(os, index))
        return os_outcome(os, MMU_OS_REFUSED, "__set_fixmap", "index %" PRIu32 " belongs to kmap_local",
                          index);
    if (find(os, index, &va) != MMU_OS_DONE)
        return os_outcome(os, MMU_OS_REFUSED, "__set_fixmap",
                          "index %" PRIu32 ", expected one below %" PRIu32, index,
                          os->plan->layout.fixed_addresses);
    kernel_set_pte(os, va, entry);
    flush_local_page(os, va);
    return MMU_OS_DONE;
}

int mmu_os_set_fixmap(struct mmu_os *os, uint32_t index, mmu_pa pa, enum mmu_os_cache cache)
{
    if ((unsigned)cache >= MMU_CACHES)
        return os_outcome(os, MMU_OS_REFUSED, "__set_fixmap", "no such memory type: %u", (unsigned)cache);
    if (pa >= os_physical_end(os))
        return os_outcome(os, MMU_OS_REFUSED, "__set_fixmap",
                          "0x%" PRIx64 " lies beyond the physical addresses of this processor and kernel",
                          pa);
    return set(os, index, (pa & ~(mmu_pa)PAGE_MASK) | prot_kernel(os, cache, PROT_WRITE));
}

int mmu_os_clear_fixmap(struct mmu_os *os, uint32_t index)
{
    return set(os, index, 0);
}
