/*
 * address.c: __va() and __pa(): the kernel's belief of where a frame stands, by arithmetic alone.
 *
 * Models arch/x86/include/asm/page.h and page_64.h of Linux 6.1 (phys_base 0). What the MMU finds there is
 * another matter, and the tests compare the two. Unlike the kernel's macros these refuse what lies outside.
 */
#include "kspace.h"
#include "os.h"
#include "plan.h"

int mmu_os_va(const struct mmu_os *os, mmu_pa pa, mmu_va *va)
{
    const struct layout *l = &os->plan->layout;
    if (pa >> PAGE_SHIFT >= l->max_low_pfn)
        return MMU_OS_REFUSED;
    *va = l->page_offset + pa;
    return MMU_OS_DONE;
}

int mmu_os_pa(const struct mmu_os *os, mmu_va va, mmu_pa *pa)
{
    const struct layout *l = &os->plan->layout;
    const struct kspace_image image = kspace_image(os->config);
    mmu_pfn of_image = (va - l->text_base) >> PAGE_SHIFT;
    if (va >= l->page_offset && va - l->page_offset < l->max_low_pfn << PAGE_SHIFT)
        *pa = va - l->page_offset;
    else if (l->wide && of_image >= image.text && of_image < image.end)
        *pa = va - l->text_base;
    else
        return MMU_OS_REFUSED;
    return MMU_OS_DONE;
}
