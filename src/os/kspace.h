/*
 * kspace.h: the kernel's own address space: swapper_pg_dir, built at boot in simulated memory, and its
 * changes.
 *
 * Models arch/x86/mm/init.c, init_32.c, init_64.c, pti.c, cpu_entry_area.c and the kernel half of pgtable.c
 * of Linux 6.1. Left out: espfix stacks, vsyscall, LDTs, the trampoline below 1 MiB, early mappings that the
 * boot gives up again.
 */
#ifndef OS_KSPACE_H
#define OS_KSPACE_H

#include "flush.h"
#include "pgd.h"

/* What of the CPU and the config decides how the tables look. */
struct kspace_traits {
    const struct pgtable_form *form;
    uint32_t large;  /* levels whose entries map pages: bit l */
    unsigned copied; /* level whose kernel entries each page directory has its own copy of */
    bool kpti, pge, pcid, invpcid, invlpg, pat;
    bool keys;   /* protection keys of users' pages (arch_pkeys_enabled()) */
    uint64_t nx; /* XD where it is used, or 0 */
    uint64_t
        vma_nx; /* ... in the entries of VMAs: not with PAE, whose vm_get_page_prot() loses bits above 31 */
    uint64_t global; /* G where the kernel's ordinary mappings have it (PGE, no KPTI), or 0 */
};
struct kspace_traits kspace_traits(const struct mmu_config *config);

/*
 * Invariants (kspace_check): every table is found walking from the roots as often as its use count says, at
 * its level; it is of the boot and reserved, or allocated with use TABLE, in highmem only if it is a user PTE
 * table; no leaf outside the direct map, PKMAP and the fixmap names a free frame; a page directory's copies
 * are init_mm's entries, or empty where vmalloc_sync is lazy.
 */
struct kspace {
    struct kspace_traits traits;
    bool lazy; /* vmalloc_sync: lazy */
    struct tables tables;
    struct mmu_os_pgd init;  /* init_mm's page directory: swapper_pg_dir */
    struct mmu_os_pgd *list; /* pgd_list */
    uint64_t last_ctx;
    struct flush_cpu cpu[MMU_MAX_CORES];
};

/*
 * How many frames the page tables of the boot take (kind MMU_MEMORY_PAGETABLE), the entry area's few pages
 * included: pure, from the plan's RAM, image, mem_map and layout. The plan reserves them.
 */
uint64_t kspace_boot_tables(const struct plan *plan, const struct mmu_config *config);

/* The parts of the kernel's image in frames: text, read-only data, data; x86-64 begins each at 2 MiB. The
 * gaps between them belong to it. */
struct kspace_image {
    mmu_pfn text, text_end, rodata, rodata_end, data, end;
};
struct kspace_image kspace_image(const struct mmu_config *config);

/* Builds swapper_pg_dir and loads every core's control registers: paging is on afterwards. Sets os->kspace.
 * MMU_OK, MMU_ERR_NOMEM; MMU_ERR_INVALID with err filled when the CPU lacks what the architecture needs. */
int kspace_create(struct mmu_os *os, struct mmu_error *err);
void kspace_free(struct mmu_os *os);
void kspace_check(const struct mmu_os *os);
/* Page-table pages that exist now, boot's included; host bytes of this part. */
uint64_t kspace_tables(const struct mmu_os *os);
uint64_t kspace_host_bytes(const struct mmu_os *os);

/* What a mapping may have beside P, A, D and (by the CPU and KPTI) G. */
enum { PROT_WRITE = 1, PROT_EXEC = 2 };
/* The bits of a 4-KByte kernel entry as PAGE_KERNEL and its like set them on this CPU: G with PGE and without
 * KPTI, NX where entries have it and PROT_EXEC is not asked for, cache bits through the PAT. */
uint64_t prot_kernel(const struct mmu_os *os, enum mmu_os_cache cache, unsigned rights);
uint64_t prot_kernel_of(const struct kspace_traits *t, enum mmu_os_cache cache, unsigned rights);
/* ... of a user page (PAGE_READONLY, PAGE_SHARED, and _EXEC). */
uint64_t prot_user(const struct mmu_os *os, unsigned rights);
/* The cache bits alone (cachemode2protval()), as a PTE has them. */
uint64_t prot_cache(const struct kspace_traits *t, enum mmu_os_cache cache);

/*
 * Writes init_mm's entry for the page of 2^shift bytes at va, making the tables on its way, and brings new
 * entries to the other page directories as vmalloc_sync says. bits: as prot_kernel() gives them. No flush: an
 * entry that was not present is cached nowhere. kernel_may_map() must say yes (REQUIRE). 0,
 * MMU_OS_EXHAUSTED (no frame for a table; tables that were made stay; reported as pte_alloc_kernel's), or a
 * negative status.
 */
int kernel_map(struct mmu_os *os, mmu_va va, mmu_pa pa, unsigned shift, uint64_t bits);
/* Can a page of this size be mapped at va: has the CPU such pages, and is its entry empty? On x86-64 empty
 * tables may stand there, which the mapping frees (pmd_free_pte_page()). */
bool kernel_may_map(const struct mmu_os *os, mmu_va va, unsigned shift);
/* Clears the entry that maps va: its old value, 0 when there was none. Tables stay. The flush is the
 * caller's (flush.h). */
uint64_t kernel_unmap(struct mmu_os *os, mmu_va va);
/* Where the PTE of va is kept: of kmap slots and the fixmap, whose tables exist since boot. */
mmu_pa kernel_find_pte(const struct mmu_os *os, mmu_va va);
/* Writes the PTE at va whatever it was before: for kmap slots and the fixmap, whose tables exist since boot.
 */
void kernel_set_pte(struct mmu_os *os, mmu_va va, uint64_t entry);
/* What init_mm's tables say; true when a page is mapped there. */
bool kernel_lookup(const struct mmu_os *os, mmu_va va, struct mmu_os_lookup *to);

/* ----- for pgd.c, setmem.c, fault.c ----- */

/* Writes one of init_mm's entries, counts the tables that it links, and with all the page directories'
 * copies of it. */
void kspace_set_entry(struct mmu_os *os, unsigned level, mmu_va va, mmu_pa at, uint64_t entry, bool lazily);
/* Writes an entry of any table and counts the tables that it links no longer and anew. */
void kspace_write(struct mmu_os *os, unsigned level, mmu_pa at, uint64_t entry);
/* A new empty table, of use TABLE and without uses. Like kernel_map(). */
int kspace_new_table(struct mmu_os *os, const char *call, uint32_t gfp, unsigned level, mmu_pfn *pfn);
/* Gives back a table that nothing links any more. */
void kspace_free_table(struct mmu_os *os, mmu_pfn pfn);
/* Is va in the kernel's part of the address space? */
bool kspace_is_kernel(const struct mmu_os *os, mmu_va va);

#endif
