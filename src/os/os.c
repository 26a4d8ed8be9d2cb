/*
 * os.c: a kernel is put together and taken apart; what concerns all of its parts.
 *
 * Order of a boot: the plan, which is pure; descriptors and free lists of what the plan leaves free; the
 * kernel's page tables, after which every core translates; then what allocates from both.
 */
#include "os.h"
#include "error.h"
#include "kmap.h"
#include "kspace.h"
#include "plan.h"
#include "slab.h"
#include "task.h"
#include "vmalloc.h"

#include <stdarg.h>
#include <string.h>

int os_outcome(struct mmu_os *os, int outcome, const char *call, const char *format, ...)
{
    char *text = os->report.text;
    const size_t size = sizeof os->report.text;
    va_list args;
    os->report = (struct mmu_os_report){.outcome = outcome, .call = call};
    const size_t n = (size_t)snprintf(text, size, "%s: ", call);
    va_start(args, format);
    vsnprintf(text + n, size - n, format, args);
    va_end(args);
    return outcome;
}

const char *mmu_os_outcome_text(int outcome)
{
    static const char *const text[] = {
#define MMU_X(name, text) [MMU_OS_##name] = text,
        MMU_OS_OUTCOMES(MMU_X)
#undef MMU_X
    };
    if (outcome < 0)
        return mmu_status_text(outcome);
    return outcome < MMU_OS_OUTCOME_COUNT ? text[outcome] : "unknown outcome";
}

const struct mmu_os_report *mmu_os_report(const struct mmu_os *os)
{
    return &os->report;
}

/* --- the config alone --- */

int os_check_config(const struct mmu_config *config, struct mmu_error *err)
{
    struct plan *p = malloc(sizeof *p);
    if (!p)
        return err_set(err, MMU_ERR_NOMEM, "no host memory for a kernel");
    int status = plan_make(p, config, err);
    free(p);
    return status;
}

/* Firmware's RAM in whole frames, page 0 and what the kernel ignores included: it is there. */
int os_ram(const struct mmu_config *config, struct mmu_ram_range *to, size_t max, size_t *n,
           struct mmu_error *err)
{
    struct plan *p = malloc(sizeof *p);
    if (!p)
        return err_set(err, MMU_ERR_NOMEM, "no host memory for a kernel");
    int status = plan_make(p, config, err);
    const struct memmap *m = &p->memmap;
    const mmu_pfn lines = UINT64_C(1) << (config->cpu.maxphyaddr - PAGE_SHIFT);
    *n = 0;
    for (uint32_t i = 0; status == MMU_OK && i < m->all; i++) {
        mmu_pfn start = m->ram[i].start == 1 ? 0 : m->ram[i].start;
        mmu_pfn end = m->ram[i].end < lines ? m->ram[i].end : lines;
        if (start >= end)
            continue;
        REQUIRE(*n < max);
        to[(*n)++] = (struct mmu_ram_range){start << PAGE_SHIFT, (end - start) << PAGE_SHIFT};
    }
    free(p);
    return status;
}

/* --- boot --- */

static int boot(struct mmu_os *os, struct mmu_error *err)
{
    os->plan = calloc(1, sizeof *os->plan);
    int status = os->plan ? plan_make(os->plan, os->config, err) : MMU_ERR_NOMEM;
    if (status == MMU_OK)
        status = buddy_create(os);
    if (status == MMU_OK)
        status = slabs_init(os);
    if (status == MMU_OK)
        status = kspace_create(os, err);
    if (status == MMU_OK)
        status = vmaps_init(os);
    if (status == MMU_OK)
        status = kmaps_init(os);
    if (status == MMU_OK)
        status = procs_init(os);
    return status == MMU_ERR_NOMEM ? err_set(err, status, "no host memory for a kernel") : status;
}

int os_create(const struct mmu_config *config, struct mmu *const *hw, uint32_t n, struct mmu_os **out,
              struct mmu_error *err)
{
    struct mmu_os *os = calloc(1, sizeof *os);
    if (!os)
        return err_set(err, MMU_ERR_NOMEM, "no host memory for a kernel");
    os->config = config;
    os->cores = n;
    memcpy(os->hw, hw, n * sizeof *hw);
    int status = boot(os, err);
    if (status != MMU_OK) {
        os_free(os);
        return status;
    }
    *out = os;
    return MMU_OK;
}

void os_free(struct mmu_os *os)
{
    if (!os)
        return;
    procs_destroy(os);
    if (os->kmaps)
        kmaps_destroy(os);
    if (os->vmaps)
        vmaps_destroy(os);
    if (os->kspace)
        kspace_free(os);
    if (os->slabs)
        slabs_destroy(os);
    if (os->buddy || os->pages)
        buddy_destroy(os);
    free(os->plan);
    free(os);
}

void mmu_os_check(const struct mmu_os *os)
{
    plan_check(os->plan);
    buddy_check(os);
    slabs_check(os);
    kspace_check(os);
    vmaps_check(os);
    kmaps_check(os);
    procs_check(os);
}

void mmu_os_run_on(struct mmu_os *os, uint32_t cpu)
{
    REQUIRE(cpu < os->cores);
    os->current = cpu;
}

void mmu_os_on_pressure(struct mmu_os *os, void (*each)(void *ctx, const struct mmu_os_pressure_event *event),
                        void *ctx)
{
    os->on_pressure = each;
    os->pressure_ctx = ctx;
}
