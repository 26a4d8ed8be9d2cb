/*
 * os_rig.h: machines with a kernel, for tests: one line a machine.
 */
#ifndef OS_RIG_H
#define OS_RIG_H

#include "os.h"
#include "plan.h"

#include <mmusim/mmusim.h>
#include <stdio.h>

struct os_rig {
    struct mmu_config config;
    struct mmu_machine *machine;
    struct mmu_os *os;
};

/* A processor for this architecture, with `os` as the text of its os: part, e.g. "{arch: i386, ram: 1536M}".
 */
static inline void os_rig_boot(struct os_rig *rig, const char *os)
{
    static const char machine[] =
        "name: rig\n"
        "cpu: {maxphyaddr: %u, features: [wp, invlpg, pse, pae, pge, long-mode, nx, page1g, la57, "
        "pcid, invpcid, smep, smap]}\n"
        "tlb: {L1: {level: 1, serves: all, pages: [4K, 2M, 4M, 1G], entries: 64, "
        "ways: full}}\n"
        "pager: {enabled: false}\n"
        "os: %s\n";
    char text[2048];
    struct mmu_error err = {0};
    char line[1024];
    int n = snprintf(text, sizeof text, machine, 46u, os);
    int status = mmu_config_parse(&rig->config, text, (size_t)n, "rig", NULL, 0, &err);
    if (status == MMU_OK)
        status = mmu_machine_create(&rig->config, NULL, &rig->machine, &err);
    if (status != MMU_OK) {
        fprintf(stderr, "%s\n", mmu_error_format(&err, line, sizeof line));
        abort();
    }
    rig->os = mmu_machine_os(rig->machine);
    REQUIRE(rig->os);
}

static inline void os_rig_free(struct os_rig *rig)
{
    mmu_machine_free(rig->machine);
    rig->machine = NULL;
}

#endif
