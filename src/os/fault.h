/*
 * fault.h: the two halves of the page-fault handler.
 */
#ifndef OS_FAULT_H
#define OS_FAULT_H

#include "os.h"

/* A fault in the kernel's part: an enum os_fault_end. */
int os_fault_kernel(struct mmu_os *os, uint32_t core, mmu_va cr2, uint32_t error_code);
/* Do the tables that are loaded permit an access to the user part, SMEP and SMAP included? came_from_user:
 * the user half was loaded when the access was made. */
bool os_fault_permitted(const struct mmu_os *os, uint32_t core, mmu_va cr2, uint32_t error_code,
                        enum mmu_priv priv, bool came_from_user);

#endif
