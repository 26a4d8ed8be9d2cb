/*
 * slab.h: kmalloc: caches of 8 to 8192 bytes over slabs; larger sizes straight from alloc_pages().
 *
 * Models mm/slab_common.c (kmalloc_info[], kmalloc_type()) and mm/slub.c (calculate_order(), allocate_slab(),
 * a slab for each CPU, the node's partial list) of Linux 6.1. Left out: per-CPU partial lists, hardened and
 * shuffled free lists, red zones. Free objects are listed in host memory, not in the objects.
 */
#ifndef OS_SLAB_H
#define OS_SLAB_H

#include "alloc.h"

int slabs_init(struct mmu_os *os); /* sets os->slabs. MMU_OK or MMU_ERR_NOMEM */
void slabs_destroy(struct mmu_os *os);
void slabs_check(const struct mmu_os *os);
uint64_t slabs_host_bytes(const struct mmu_os *os);
/* Pages that hold objects, large ones included: /proc/meminfo's Slab. */
uint64_t slabs_pages(const struct mmu_os *os);

#endif
