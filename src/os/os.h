/*
 * os.h: the kernel of one machine: its parts, and what they call of one another.
 *
 * The plan is what follows from the config alone: memory map, zones' figures, layout of the address space.
 * The other parts are state: descriptors and free lists, kmalloc's slabs, the kernel's page tables, vmalloc
 * areas, kmap's slots. Everything reaches the hardware through its port.
 */
#ifndef OS_OS_H
#define OS_OS_H

#include "bits.h"
#include "port.h"
#include "x86.h"
#include <mmusim/os.h>

struct plan;   /* plan.h: memory map, zones, layout; never changes but by sysctls */
struct pages;  /* page.h: page descriptors of touched blocks */
struct buddy;  /* buddy.h: free lists, per-CPU lists */
struct slabs;  /* slab.h: kmalloc */
struct kspace; /* kspace.h: swapper_pg_dir, page directories, table pages */
struct vmaps;  /* vmalloc.h: vmalloc and ioremap areas */
struct kmaps;  /* kmap.h: PKMAP and kmap_local slots */
struct procs;  /* task.h: tasks, address spaces, files */

struct mmu_os {
    const struct mmu_config *config; /* the machine's */
    struct mmu *hw[MMU_MAX_CORES];   /* the cores' ports */
    uint32_t cores, current;         /* current: where calls run */
    struct plan *plan;
    struct pages *pages;
    struct buddy *buddy;
    struct slabs *slabs;
    struct kspace *kspace;
    struct vmaps *vmaps;
    struct kmaps *kmaps;
    struct procs *procs;
    struct mmu_os_report report;
    void (*on_pressure)(void *ctx, const struct mmu_os_pressure_event *event);
    void *pressure_ctx;
};

/* First physical address that this kernel's page-table entries cannot name: of devices as of RAM. */
static inline mmu_pa os_physical_end(const struct mmu_os *os)
{
    unsigned bits = os->config->cpu.maxphyaddr;
    return UINT64_C(1) << (os->config->os.arch == MMU_OS_I386 && bits > 32 ? 32 : bits);
}

/* Sets the report, its text "call: ...", and returns the outcome: return os_outcome(os, MMU_OS_BUG, "kfree",
 * ...). The caller may fill zone, order, gfp, pfn, va of os->report afterwards; they are 0. */
int os_outcome(struct mmu_os *os, int outcome, const char *call, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * Boots a kernel on n cores whose memory answers as os_ram() said: zones, free lists, swapper_pg_dir, control
 * registers of every core. MMU_OK, MMU_ERR_NOMEM, or MMU_ERR_INVALID with err filled.
 */
int os_create(const struct mmu_config *config, struct mmu *const *hw, uint32_t n, struct mmu_os **out,
              struct mmu_error *err);
void os_free(struct mmu_os *os); /* NULL is allowed */

/* What follows from the config alone, for those who have no machine yet: checks the os part (err names the
 * YAML path), and gives the RAM that must answer. Returns MMU_OK or MMU_ERR_INVALID. */
int os_check_config(const struct mmu_config *config, struct mmu_error *err);
int os_ram(const struct mmu_config *config, struct mmu_ram_range *to, size_t max, size_t *n,
           struct mmu_error *err);

/*
 * The kernel's page-fault handler (arch/x86/mm/fault.c): an enum os_fault_end, or a negative status (host
 * memory). RESOLVED and SPURIOUS: the tables permit the access now; it should be tried again on that core.
 * UNRESOLVED: the signal is kept for mmu_os_signal(). What the handler executes is charged to that core.
 */
enum os_fault_end { OS_FAULT_UNRESOLVED, OS_FAULT_RESOLVED, OS_FAULT_SPURIOUS };
int os_fault(struct mmu_os *os, uint32_t core, mmu_va cr2, uint32_t error_code, enum mmu_priv priv);

/* With KPTI (os_has_halves()): before an access, the way into the kernel or out of it, if the half that is
 * loaded is the other one's and the core runs a task. */
bool os_has_halves(const struct mmu_os *os);
bool os_wrong_half(const struct mmu_os *os, uint32_t core, enum mmu_priv priv);
void os_enter(struct mmu_os *os, uint32_t core, enum mmu_priv priv);
/* What it would load into CR3, with its no-flush bit. */
uint64_t os_half_cr3(const struct mmu_os *os, uint32_t core, enum mmu_priv priv);

#endif
