/* why.h: what the parts of mmu_os_why() share. */
#ifndef OS_WHY_H
#define OS_WHY_H

#include "os.h"
#include <mmusim/process.h>

void why_say(struct mmu_os_why *why, enum mmu_why what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* An address of the kernel's part, as these page tables have it (why_kernel.c). */
void why_kernel(struct mmu_os *os, const struct mmu_os_pgd *pgd, mmu_va va, struct mmu_os_why *why);

#endif
