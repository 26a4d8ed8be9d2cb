/*
 * kspace_rig.h: machines with a kernel, of processors with and without what matters to its page tables; and
 * short questions to their MMUs.
 */
#ifndef KSPACE_RIG_H
#define KSPACE_RIG_H

#include "kspace.h"
#include "machine.h"
#include "os.h"
#include "page.h"
#include "plan.h"
#include <mmusim/mmusim.h>
#include <stdio.h>
#include <string.h>

#define CPU_386     ""
#define CPU_486     "wp, invlpg"
#define CPU_PENTIUM "wp, invlpg, pse"
#define CPU_P3      "wp, invlpg, pse, pse36, pae, pge"
#define CPU_NX      CPU_P3 ", nx"
#define CPU_K8      CPU_NX ", long-mode"
#define CPU_NHM     CPU_K8 ", page1g, pcid"
#define CPU_ICX     CPU_NHM ", invpcid, smep, smap, la57, pku"

struct kspace_rig {
    struct mmu_config config;
    struct mmu_machine *machine;
    struct mmu_os *os;
};

static inline void rig_die(const struct mmu_error *err)
{
    char line[1024];
    fprintf(stderr, "%s\n", mmu_error_format(err, line, sizeof line));
    abort();
}

/* features: a CPU_*; os: the text of the os: part. */
static inline void rig_boot(struct kspace_rig *rig, const char *features, unsigned cores, const char *os)
{
    static const char text[] = "name: rig\n"
                               "cores: %u\n"
                               "cpu: {maxphyaddr: %u, features: [%s]}\n"
                               "tlb: {L1: {level: 1, serves: all, pages: [4K%s%s%s], entries: 64, "
                               "ways: full}}\n"
                               "pager: {enabled: false}\n"
                               "os: %s\n";
    char yaml[4096];
    struct mmu_error err = {0};
    bool old = !strstr(features, "pae");
    unsigned bits = old ? 32u : strstr(features, "la57") ? 52u : 46u;
    int n = snprintf(yaml, sizeof yaml, text, cores, bits, features, old ? "" : ", 2M",
                     strstr(features, "pse") ? ", 4M" : "", strstr(features, "page1g") ? ", 1G" : "", os);
    int status = mmu_config_parse(&rig->config, yaml, (size_t)n, "rig", NULL, 0, &err);
    if (status == MMU_OK)
        status = mmu_machine_create(&rig->config, NULL, &rig->machine, &err);
    if (status != MMU_OK)
        rig_die(&err);
    rig->os = mmu_machine_os(rig->machine);
    REQUIRE(rig->os);
}

static inline void rig_free(struct kspace_rig *rig)
{
    mmu_os_check(rig->os);
    mmu_machine_free(rig->machine);
}

static inline struct mmu_core *rig_core(struct kspace_rig *rig)
{
    return mmu_machine_core(rig->machine, rig->os->current);
}

/* A pure walk as the kernel's load. */
static inline struct mmu_walk rig_walk(struct kspace_rig *rig, mmu_va va)
{
    struct mmu_walk walk;
    struct mmu_access access = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_SUPERVISOR)};
    mmu_core_walk(rig_core(rig), &access, &walk);
    return walk;
}

/* One access of one byte: its result. */
static inline struct mmu_result rig_access(struct kspace_rig *rig, mmu_va va, enum mmu_kind kind,
                                           enum mmu_priv priv)
{
    struct mmu_result result;
    struct mmu_access access = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(kind, priv)};
    mmu_core_access(rig_core(rig), &access, &result);
    return result;
}

/* Does a supervisor load, through the TLB, reach this frame? */
static inline bool rig_reaches(struct kspace_rig *rig, mmu_va va, mmu_pfn pfn)
{
    struct mmu_result r = rig_access(rig, va, MMU_LOAD, MMU_SUPERVISOR);
    return r.outcome == MMU_DONE && r.pa >> PAGE_SHIFT == pfn;
}

/* An empty page directory of a process, and a page for one. */
static inline struct mmu_os_pgd *rig_new_pgd(struct kspace_rig *rig)
{
    struct mmu_os_pgd *p;
    REQUIRE(mmu_os_pgd_alloc(rig->os, &p) == MMU_OS_DONE);
    return p;
}

static inline mmu_pfn rig_new_page(struct kspace_rig *rig)
{
    mmu_pfn pfn;
    REQUIRE(mmu_os_alloc_pages(rig->os, MMU_GFP_HIGHUSER_MOVABLE, 0, &pfn) == MMU_OS_DONE);
    return pfn;
}

#endif
