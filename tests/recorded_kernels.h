/*
 * recorded_kernels.h: the kernels whose figures were recorded, and machines for them.
 */
#ifndef RECORDED_KERNELS_H
#define RECORDED_KERNELS_H

#include <mmusim/config.h>

static const struct recording {
    const char *name; /* of the files in data/kernel: zones-NAME.txt, layout-NAME.txt */
    uint32_t arch;
} recordings[] = {{"i386-512M", MMU_OS_I386},
                  {"i386-1536M", MMU_OS_I386},
                  {"pae-1536M", MMU_OS_I386_PAE},
                  {"amd64-1024M", MMU_OS_X86_64},
                  {"amd64-4096M", MMU_OS_X86_64}};
enum { RECORDED = sizeof recordings / sizeof recordings[0] };

/* A processor that can do everything, with a kernel of this architecture. */
static void fresh(struct mmu_config *c, uint32_t arch)
{
    mmu_config_init(c);
    c->pager.enabled = false;
    c->os.enabled = true;
    c->os.arch = arch;
}

#endif
