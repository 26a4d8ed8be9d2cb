/*
 * mmusim/os.h: the kernel: a model of Linux's physical memory and of the kernel's part of every address
 * space.
 *
 * It belongs to a machine whose config has an `os:` part (struct mmu_os_config), and is set up with it:
 * memory map, zones, buddy allocator, swapper_pg_dir, control registers. Page tables are entries in simulated
 * memory, written one by one through the processor's port, so what the kernel believes (__pa, page_address)
 * can be compared with what the MMU finds by walking. All functions are those of Linux 6.1, under Linux's
 * names, and behave as there unless the config says otherwise; each names the source file that it models.
 *
 * A call runs on the CPU that mmu_os_run_on() chose (0 at first): its per-CPU lists are used, its TLB gets
 * the INVLPGs, the other CPUs get theirs as the shootdown's receivers. A call is atomic between two accesses.
 *
 * Results. Functions that can fail return an int: 0 (MMU_OS_DONE), a positive enum mmu_os_outcome, or a
 * negative enum mmu_status when the host is out of memory (the simulated state is then unchanged). Simulated
 * exhaustion, a refused argument, a bug that the kernel would report are outcomes, nothing is changed by
 * them, and mmu_os_report() describes the latest. Questions (a const kernel) leave no report.
 *
 * Addresses are bytes, pfn is a page frame number, sizes are bytes unless called pages or order (2^order
 * pages). Nothing returned here is owned by the caller, except page directories (mmu_os_pgd_free()).
 */
#ifndef MMUSIM_OS_H
#define MMUSIM_OS_H

#include <mmusim/config.h>
#include <mmusim/machine.h>
#include <mmusim/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mmu_os; /* owned by its machine */

/* The machine's kernel, NULL when its config has none. */
MMU_API struct mmu_os *mmu_machine_os(struct mmu_machine *machine);

/* The CPU on which the following calls run: below the machine's cores. */
MMU_API void mmu_os_run_on(struct mmu_os *os, uint32_t cpu);

/* ----- outcomes ----- */

/* X(name, text) */
#define MMU_OS_OUTCOMES(X)                                                                                   \
    X(DONE, "done")                                                                                          \
    X(EXHAUSTED, "no zone has a block of this order to give")                                                \
    X(WOULD_SLEEP, "the caller would sleep until another frees a slot")                                      \
    X(NO_SPACE, "no room in this part of the address space")                                                 \
    X(REFUSED, "the kernel refuses these arguments")                                                         \
    X(BUG, "the kernel would report a bug of its caller")                                                    \
    X(ERROR, "the system call fails with an error number")

enum mmu_os_outcome {
#define MMU_X(name, text) MMU_OS_##name,
    MMU_OS_OUTCOMES(MMU_X)
#undef MMU_X
        MMU_OS_OUTCOME_COUNT
};

MMU_API const char *
mmu_os_outcome_text(int outcome); /* of a negative status: mmu_status_text(). Never NULL */

/* The latest outcome but MMU_OS_DONE. Fields that do not apply are 0. */
struct mmu_os_report {
    int outcome;
    const char *call; /* Linux's name of the function: "alloc_pages" */
    uint32_t zone;    /* EXHAUSTED: the zone that the mask asks for first (enum mmu_os_zone) */
    uint32_t order;
    uint32_t gfp;
    mmu_pfn pfn;
    mmu_va va;
    int error;      /* ERROR: the errno, as Linux numbers them */
    char text[384]; /* one line: "call: what happened, where, and the figures that decided it" */
};
MMU_API const struct mmu_os_report *mmu_os_report(const struct mmu_os *os);

/* ----- GFP (gfp_types.h) ----- */

/* The bits of a GFP mask, as in Linux 6.1 (include/linux/gfp_types.h). X(name, bit) */
#define MMU_GFP_BITS(X)                                                                                      \
    X(DMA, 0x1u)                                                                                             \
    X(HIGHMEM, 0x2u)                                                                                         \
    X(DMA32, 0x4u)                                                                                           \
    X(MOVABLE, 0x8u)                                                                                         \
    X(RECLAIMABLE, 0x10u)                                                                                    \
    X(HIGH, 0x20u)                                                                                           \
    X(IO, 0x40u)                                                                                             \
    X(FS, 0x80u)                                                                                             \
    X(ZERO, 0x100u)                                                                                          \
    X(ATOMIC, 0x200u)                                                                                        \
    X(DIRECT_RECLAIM, 0x400u)                                                                                \
    X(KSWAPD_RECLAIM, 0x800u)                                                                                \
    X(WRITE, 0x1000u)                                                                                        \
    X(NOWARN, 0x2000u)                                                                                       \
    X(RETRY_MAYFAIL, 0x4000u)                                                                                \
    X(NOFAIL, 0x8000u)                                                                                       \
    X(NORETRY, 0x10000u)                                                                                     \
    X(MEMALLOC, 0x20000u)                                                                                    \
    X(COMP, 0x40000u)                                                                                        \
    X(NOMEMALLOC, 0x80000u)                                                                                  \
    X(HARDWALL, 0x100000u)                                                                                   \
    X(THISNODE, 0x200000u)                                                                                   \
    X(ACCOUNT, 0x400000u)                                                                                    \
    X(ZEROTAGS, 0x800000u)

enum {
#define MMU_X(name, bit) MMU___GFP_##name = (int)(bit),
    MMU_GFP_BITS(MMU_X)
#undef MMU_X
};

/* The masks that callers use. X(name, mask) */
#define MMU_GFP_MASKS(X)                                                                                     \
    X(GFP_ATOMIC, 0xa20u)                                                                                    \
    X(GFP_KERNEL, 0xcc0u)                                                                                    \
    X(GFP_KERNEL_ACCOUNT, 0x400cc0u)                                                                         \
    X(GFP_NOWAIT, 0x800u)                                                                                    \
    X(GFP_NOIO, 0xc00u)                                                                                      \
    X(GFP_NOFS, 0xc40u)                                                                                      \
    X(GFP_USER, 0x100cc0u)                                                                                   \
    X(GFP_DMA, 0x1u)                                                                                         \
    X(GFP_DMA32, 0x4u)                                                                                       \
    X(GFP_HIGHUSER, 0x100cc2u)                                                                               \
    X(GFP_HIGHUSER_MOVABLE, 0x100ccau)                                                                       \
    X(GFP_TRANSHUGE_LIGHT, 0x1c20cau)                                                                        \
    X(GFP_TRANSHUGE, 0x1c24cau)

enum {
#define MMU_X(name, mask) MMU_##name = (int)(mask),
    MMU_GFP_MASKS(MMU_X)
#undef MMU_X
};

/* gfp_zone(): the zone that a mask asks for first on this kernel, or -1 for the forbidden combinations of
 * zone bits (include/linux/gfp.h, GFP_ZONE_BAD). */
MMU_API int mmu_os_gfp_zone(const struct mmu_os *os, uint32_t gfp);

/* Reads "GFP_KERNEL|__GFP_ZERO", a number, or a mixture. MMU_OK, or MMU_ERR_INVALID with err filled (the
 * unknown name and a suggestion). */
MMU_API int mmu_os_gfp_parse(const char *text, uint32_t *gfp, struct mmu_error *err);
/* The mask in words, as the kernel's %pGg prints it. Returns buf. */
MMU_API const char *mmu_os_gfp_text(uint32_t gfp, char *buf, size_t size);

/* ----- zones (mm/page_alloc.c) ----- */

/* The name as /proc/zoneinfo prints it ("HighMem"). Never NULL. */
MMU_API const char *mmu_os_zone_name(enum mmu_os_zone zone);

/* One zone. All figures are pages but the first three and cpus. */
struct mmu_os_zone_info {
    uint32_t zone;     /* enum mmu_os_zone */
    bool exists;       /* this architecture has the zone (it may be empty) */
    bool populated;    /* managed > 0 */
    mmu_pfn start_pfn; /* 0 when empty */
    uint64_t spanned, present, managed;
    uint64_t min, low, high, promo, boost; /* watermarks, boost included */
    uint64_t protection[MMU_ZONES];        /* lowmem_reserve[], by the zone that was asked for */
    uint64_t free;      /* NR_FREE_PAGES: blocks of the buddy allocator, without per-CPU lists */
    uint64_t pcp_free;  /* on the per-CPU lists of all CPUs */
    uint64_t allocated; /* managed - free - pcp_free */
    uint32_t pcp_batch, pcp_high;
    uint64_t free_blocks[MMU_OS_ORDERS];                        /* by order: /proc/buddyinfo */
    uint64_t free_by_type[MMU_OS_ORDERS][MMU_OS_MIGRATE_TYPES]; /* /proc/pagetypeinfo */
    uint64_t pageblocks[MMU_OS_MIGRATE_TYPES];                  /* /proc/pagetypeinfo: blocks by type */
    uint64_t kswapd_wakes;    /* allocations that found the zone below low and woke kswapd */
    uint64_t direct_reclaims; /* allocations that would have reclaimed directly (allocstall) */
    uint64_t failures;        /* allocations that asked for this zone first and got nothing */
    uint64_t steals;          /* blocks taken from another migrate type's lists */
};
MMU_API void mmu_os_zone(const struct mmu_os *os, enum mmu_os_zone zone, struct mmu_os_zone_info *info);

/* Figures of the whole machine. Pages unless said otherwise. */
struct mmu_os_totals {
    uint64_t min_free_kbytes; /* KiB, as computed or configured */
    uint64_t totalreserve;    /* totalreserve_pages */
    uint64_t present, managed, free, pcp_free, allocated;
    uint64_t ignored;       /* RAM that this architecture cannot reach */
    uint64_t low_managed;   /* managed of the zones that are not highmem */
    uint64_t page_tables;   /* page-table pages of the kernel and of every page directory */
    uint64_t slab;          /* held by kmalloc's slabs */
    uint64_t vmalloc;       /* held by vmalloc areas */
    mmu_pfn max_pfn;        /* first frame behind the last RAM */
    mmu_pfn max_low_pfn;    /* first frame that the direct map does not hold */
    mmu_va high_memory;     /* __va(max_low_pfn << 12) */
    uint64_t mem_map_bytes; /* what the page descriptors cost the simulated machine */
    uint64_t host_bytes;    /* bytes of host memory behind the kernel's own data, simulated memory excluded */
};
MMU_API void mmu_os_totals(const struct mmu_os *os, struct mmu_os_totals *totals);

/* The memory map after the kernel's corrections (page 0 and 0xa0000-0xfffff taken away, cut to pages,
 * sorted): what lies at each range. Returns the number of ranges; fills at most max. */
enum mmu_os_memory_kind {
    MMU_MEMORY_FREE,      /* handed to the buddy allocator at boot */
    MMU_MEMORY_LOW1M,     /* RAM below 1 MiB, kept back */
    MMU_MEMORY_KERNEL,    /* the kernel's image */
    MMU_MEMORY_PAGETABLE, /* page tables made at boot */
    MMU_MEMORY_MEM_MAP,   /* page descriptors */
    MMU_MEMORY_RESERVED,  /* reserved by the config, or to reach the managed pages that it gives */
    MMU_MEMORY_IGNORED,   /* RAM beyond the architecture's reach */
    MMU_MEMORY_KINDS
};
struct mmu_os_memory {
    mmu_pfn start, end; /* [start, end) */
    uint32_t kind;      /* enum mmu_os_memory_kind */
    uint32_t zone;      /* enum mmu_os_zone; not of IGNORED */
};
MMU_API size_t mmu_os_memory_map(const struct mmu_os *os, struct mmu_os_memory *to, size_t max);
MMU_API const char *mmu_os_memory_text(enum mmu_os_memory_kind kind); /* never NULL */

/* A note of the boot that a person should see, e.g. RAM that was ignored; NULL when there are only n. */
MMU_API const char *mmu_os_note(const struct mmu_os *os, size_t n);

/* ----- the map of the address space (layout) ----- */

/* One region of the address space, from user space to the top; regions are in ascending order and cover the
 * whole space (non-canonical addresses and gaps included). One that is `inside` is a part of the latest
 * before it that is not. Models arch/x86/include/asm/pgtable_*_types.h, pgtable_32_areas.h and
 * Documentation/x86/x86_64/mm.rst. */
struct mmu_os_region {
    mmu_va start, last; /* first and last byte */
    bool inside;        /* a part of another region */
    const char *name;   /* "user", "direct map", "vmalloc", "PKMAP", "fixmap", ... */
    const char *text;   /* what it is, one line */
};
/* Returns the number of regions; fills at most max. */
MMU_API size_t mmu_os_layout(const struct mmu_os *os, struct mmu_os_region *to, size_t max);

/* The named constants behind it, as the kernel's headers call them ("PAGE_OFFSET", "VMALLOC_START",
 * "PKMAP_BASE", "FIXADDR_TOP", ...): each(ctx, name, value). */
MMU_API void mmu_os_constants(const struct mmu_os *os,
                              void (*each)(void *ctx, const char *name, uint64_t value), void *ctx);

/* ----- page descriptors (mm_types.h) ----- */

/* Page flags, at Linux 6.1's bit numbers (include/linux/page-flags.h). */
enum mmu_page_flag {
    MMU_PG_LOCKED,
    MMU_PG_REFERENCED,
    MMU_PG_UPTODATE,
    MMU_PG_DIRTY,
    MMU_PG_LRU,
    MMU_PG_ACTIVE,
    MMU_PG_WORKINGSET,
    MMU_PG_WAITERS,
    MMU_PG_ERROR,
    MMU_PG_SLAB,
    MMU_PG_OWNER_PRIV_1,
    MMU_PG_ARCH_1,
    MMU_PG_RESERVED,
    MMU_PG_PRIVATE,
    MMU_PG_PRIVATE_2,
    MMU_PG_WRITEBACK,
    MMU_PG_HEAD,
    MMU_PG_MAPPEDTODISK,
    MMU_PG_RECLAIM,
    MMU_PG_SWAPBACKED,
    MMU_PG_UNEVICTABLE,
    MMU_PG_MLOCKED,
    MMU_PAGE_FLAGS
};

/* What a frame is used for. */
enum mmu_page_use {
    MMU_PAGE_NOT_RAM,  /* a hole inside a zone, or beyond all zones */
    MMU_PAGE_RESERVED, /* PG_reserved: never in the buddy allocator */
    MMU_PAGE_FREE,     /* in a free block of the buddy allocator */
    MMU_PAGE_PCP,      /* free, on a per-CPU list */
    MMU_PAGE_KERNEL,   /* allocated by alloc_pages and the like */
    MMU_PAGE_SLAB,     /* holds kmalloc's objects */
    MMU_PAGE_TABLE,    /* a page-table page */
    MMU_PAGE_VMALLOC,  /* behind a vmalloc area */
    MMU_PAGE_USER,     /* mapped by processes */
    MMU_PAGE_CACHE,    /* in the page cache, mapped by nobody */
    MMU_PAGE_USES
};

/* A page descriptor (struct page), unpacked. */
struct mmu_page_info {
    mmu_pfn pfn;
    mmu_va descriptor;    /* address of its struct page in mem_map or vmemmap */
    mmu_va address;       /* page_address(): 0 for a highmem page that is not kmapped */
    uint32_t use;         /* enum mmu_page_use */
    uint32_t zone;        /* enum mmu_os_zone */
    uint32_t flags;       /* 1 << enum mmu_page_flag */
    uint32_t order;       /* of the free block, or of the allocation, that the page heads; 0 inside one */
    bool head;            /* first page of a free block or of an allocation */
    int32_t refcount;     /* page_count() */
    int32_t mapcount;     /* page_mapcount(): 0 = unmapped */
    uint32_t migratetype; /* enum mmu_os_migrate of its pageblock */
    uint64_t mapping, index, private_;
};
/* The descriptor of any frame below max_pfn. DONE, or REFUSED for a frame beyond. */
MMU_API int mmu_os_page(const struct mmu_os *os, mmu_pfn pfn, struct mmu_page_info *info);

/* page_address() (mm/highmem.c): the kernel's address of a frame: in the direct map, or its kmap slot; 0 when
 * a highmem page is not mapped. */
MMU_API mmu_va mmu_os_page_address(const struct mmu_os *os, mmu_pfn pfn);
/* __va() and __pa(): pure arithmetic on the direct map (and, for __pa on x86-64, on the kernel's image).
 * REFUSED outside, without a report. */
MMU_API int mmu_os_va(const struct mmu_os *os, mmu_pa pa, mmu_va *va);
MMU_API int mmu_os_pa(const struct mmu_os *os, mmu_va va, mmu_pa *pa);

/* ----- allocation (mm/page_alloc.c, slab) ----- */

/* alloc_pages(): *pfn is the first frame of 2^order. A gfp with a forbidden combination of zone bits or an
 * order above 10: REFUSED. Nothing to give without reclaim: EXHAUSTED. */
MMU_API int mmu_os_alloc_pages(struct mmu_os *os, uint32_t gfp, unsigned order, mmu_pfn *pfn);
/* __free_pages(): drops a reference; the last one frees. A free or reserved page, a page inside a block, a
 * wrong order, a page that somebody else owns (slab, page table): BUG, nothing changed. */
MMU_API int mmu_os_free_pages(struct mmu_os *os, mmu_pfn pfn, unsigned order);
/* __get_free_pages() and free_pages(): the same by kernel address; __GFP_HIGHMEM is refused, because such a
 * page need not have an address. To free address 0 does nothing. */
MMU_API int mmu_os_get_free_pages(struct mmu_os *os, uint32_t gfp, unsigned order, mmu_va *va);
MMU_API int mmu_os_free_pages_at(struct mmu_os *os, mmu_va va, unsigned order);
/* get_page(), put_page(): one reference more or less of an allocated page. */
MMU_API int mmu_os_get_page(struct mmu_os *os, mmu_pfn pfn);
MMU_API int mmu_os_put_page(struct mmu_os *os, mmu_pfn pfn);

/* kmalloc() and kfree() over size classes (mm/slab_common.c): 8 to 8192 bytes from slabs, more, up to 4 MiB,
 * from alloc_pages. Size 0 gives ZERO_SIZE_PTR (16), as Linux does. Memory is physically contiguous and lies
 * in the direct map; __GFP_HIGHMEM is refused. To free 0 or 16 does nothing; what kmalloc() did not give is a
 * BUG. ksize() is the usable size, 0 of 0 and 16. */
MMU_API int mmu_os_kmalloc(struct mmu_os *os, uint64_t size, uint32_t gfp, mmu_va *va);
MMU_API int mmu_os_kfree(struct mmu_os *os, mmu_va va);
MMU_API int mmu_os_ksize(const struct mmu_os *os, mmu_va va, uint64_t *size);

/* drain_all_pages(): empties the per-CPU lists into the buddy allocator. kmem_cache_shrink() of all slabs:
 * frees the empty ones. */
MMU_API void mmu_os_drain(struct mmu_os *os);
MMU_API void mmu_os_shrink_slabs(struct mmu_os *os);

/* The unusable free space index of a zone at an order, in thousandths: 0 = all free memory is in blocks of at
 * least that order, 1000 = none is (Mel Gorman's index; /sys/kernel/debug/extfrag/unusable_index). */
MMU_API uint32_t mmu_os_unusable_index(const struct mmu_os *os, enum mmu_os_zone zone, unsigned order);

/* The signals that would wake reclaim. Called from inside an allocation; must not call the kernel. */
enum mmu_os_pressure {
    MMU_PRESSURE_KSWAPD, /* wakeup_kswapd(): the first pass found every zone at or below low */
    MMU_PRESSURE_DIRECT, /* the second pass, at min, failed too: direct reclaim would begin */
    MMU_PRESSURE_FAILED  /* the allocation fails */
};
struct mmu_os_pressure_event {
    uint32_t type; /* enum mmu_os_pressure */
    uint32_t zone, order, gfp, cpu;
    uint64_t free; /* pages free in that zone */
};
MMU_API void mmu_os_on_pressure(struct mmu_os *os,
                                void (*each)(void *ctx, const struct mmu_os_pressure_event *event),
                                void *ctx);

/* ----- sysctls, while it runs ----- */

/* Writes a sysctl and recomputes what hangs on it (setup_per_zone_wmarks(), setup_per_zone_lowmem_reserve(),
 * totalreserve): "min_free_kbytes", "watermark_scale_factor", "lowmem_reserve_ratio" (value by zone in
 * values[]; n = zones that the kernel has). REFUSED out of range. */
MMU_API int mmu_os_sysctl(struct mmu_os *os, const char *name, const uint64_t *values, size_t n);

/* ----- vmalloc ----- */

/* vmalloc() (mm/vmalloc.c): page-aligned, virtually contiguous; frames one by one, from highmem first where
 * there is any; a guard page follows. Entries of init_mm are written here, never at an access; other page
 * directories as vmalloc_sync says. vfree() unmaps at once and purges TLBs lazily (32 MiB x fls(CPUs)): the
 * addresses are not handed out again before. Size 0, more than all memory: REFUSED; vfree() of 0 does
 * nothing, of what is no area's first address: BUG. */
MMU_API int mmu_os_vmalloc(struct mmu_os *os, uint64_t size, mmu_va *va);
MMU_API int mmu_os_vfree(struct mmu_os *os, mmu_va va);
/* vmalloc_to_page() and is_vmalloc_addr(). */
MMU_API int mmu_os_vmalloc_to_pfn(const struct mmu_os *os, mmu_va va, mmu_pfn *pfn);
/* purge_vmap_area_lazy(): flushes and gives back all that vfree() and iounmap() left. */
MMU_API void mmu_os_vmalloc_purge(struct mmu_os *os);

/* Memory types of a mapping, through the PAT as Linux sets it up (arch/x86/mm/pat/memtype.c). */
enum mmu_os_cache { MMU_CACHE_WB, MMU_CACHE_WC, MMU_CACHE_UC_MINUS, MMU_CACHE_UC, MMU_CACHE_WT, MMU_CACHES };

/* ioremap() (arch/x86/mm/ioremap.c): maps [pa, pa + size) of a device; the entries stand when it returns;
 * *va has pa's offset in its page. REFUSED: size 0, wrap-around, beyond the physical address width, any page
 * of RAM but reserved ones, as those of the kernel's image (PageReserved(), as Linux looks at it). The page
 * address is aligned as Linux aligns it. iounmap() takes the address that ioremap() gave; else BUG. */
MMU_API int mmu_os_ioremap(struct mmu_os *os, mmu_pa pa, uint64_t size, enum mmu_os_cache cache, mmu_va *va);
MMU_API int mmu_os_iounmap(struct mmu_os *os, mmu_va va);

/* One area of /proc/vmallocinfo. */
struct mmu_os_vm_area {
    mmu_va start, end; /* [start, end), guard page inside */
    bool io;           /* an ioremap; false: vmalloc */
    bool lazy;         /* freed, waiting for the purge */
    uint64_t pages;    /* frames behind it; 0 for an ioremap */
    mmu_pa pa;         /* of an ioremap */
};
MMU_API void mmu_os_vm_areas(const struct mmu_os *os,
                             void (*each)(void *ctx, const struct mmu_os_vm_area *area), void *ctx);

/* ----- highmem (mm/highmem.c) ----- */

/* kmap(): the page's address in the direct map, or a PKMAP slot (searched from 1; the wrap flushes all TLBs).
 * All slots used: WOULD_SLEEP. kunmap() of what is not kmapped: BUG. Without highmem: page_address(). */
MMU_API int mmu_os_kmap(struct mmu_os *os, mmu_pfn pfn, mmu_va *va);
MMU_API int mmu_os_kunmap(struct mmu_os *os, mmu_pfn pfn);
/* kmap_local_page(): this CPU's fixmap slots, last in first out. All 16 used: REFUSED; kunmap_local() out of
 * order: BUG. */
MMU_API int mmu_os_kmap_local(struct mmu_os *os, mmu_pfn pfn, mmu_va *va);
MMU_API int mmu_os_kunmap_local(struct mmu_os *os, mmu_va va);

/* fix_to_virt() and __set_fixmap() (arch/x86/mm/pgtable.c), of the page that pa lies in. pa = 0 with cache UC
 * clears nothing: use mmu_os_clear_fixmap(). REFUSED beyond the last index and the physical addresses. */
MMU_API int mmu_os_fix_to_virt(const struct mmu_os *os, uint32_t index, mmu_va *va);
MMU_API int mmu_os_set_fixmap(struct mmu_os *os, uint32_t index, mmu_pa pa, enum mmu_os_cache cache);
MMU_API int mmu_os_clear_fixmap(struct mmu_os *os, uint32_t index);

/* ----- attributes (arch/x86/mm/pat/set_memory.c) ----- */

enum mmu_os_change {
    MMU_SET_MEMORY_RO,
    MMU_SET_MEMORY_RW,
    MMU_SET_MEMORY_NX,
    MMU_SET_MEMORY_X,
    MMU_SET_MEMORY_UC,
    MMU_SET_MEMORY_WC,
    MMU_SET_MEMORY_WB,
    MMU_SET_MEMORY_NP, /* not present */
    MMU_SET_MEMORY_P
};
/* set_memory_ro() and the like on pages of the direct map, the image or vmalloc: splits large pages where the
 * range does not cover them, writes the entries and those of the frames' other addresses (not for NX and X),
 * flushes all CPUs. Kernel text stays executable, constants read-only, as static_protections() has it. UC is
 * UC-, as in Linux. REFUSED: va not mapped or not aligned; EXHAUSTED: no frame for the table of a split. */
MMU_API int mmu_os_set_memory(struct mmu_os *os, mmu_va va, uint64_t pages, enum mmu_os_change change);

/* ----- page directories (pgtable.c) ----- */

struct mmu_os_pgd; /* a process's page directory; freed with mmu_os_pgd_free() or with the machine */

/* pgd_alloc(): a new page directory with the kernel's part, as the architecture shares it. With KPTI two
 * roots. EXHAUSTED when no frame is to be had. */
MMU_API int mmu_os_pgd_alloc(struct mmu_os *os, struct mmu_os_pgd **out);
/* pgd_free(), with the user part's page tables; the frames that were mapped are not touched. REFUSED while a
 * CPU has it loaded. */
MMU_API int mmu_os_pgd_free(struct mmu_os *os, struct mmu_os_pgd *pgd);
/* init_mm's: swapper_pg_dir. Never freed. */
MMU_API struct mmu_os_pgd *mmu_os_swapper(struct mmu_os *os);
/* The roots' physical addresses: the kernel's, and with KPTI the user half's (else the same). */
MMU_API mmu_pa mmu_os_pgd_root(const struct mmu_os_pgd *pgd, bool user);

/* switch_mm(): loads CR3 on this CPU. user: with KPTI the user half's root, as on the way back to user mode;
 * without KPTI the same. PCIDs are chosen as Linux does (arch/x86/mm/tlb.c) where the CPU has them. */
MMU_API int mmu_os_switch(struct mmu_os *os, struct mmu_os_pgd *pgd, bool user);

/* Rights of a mapping in the user part. */
enum { MMU_OS_WRITE = 1, MMU_OS_EXEC = 2 };
/* set_pte_at() in the user part: maps one 4-KByte page, making the tables on its way (page-table pages of
 * i386 come from highmem: HIGHPTE). pfn must be allocated by alloc_pages(), and cannot be freed while it is
 * mapped. A page that is mapped already, an address outside the user part: REFUSED. EXHAUSTED: no frame for a
 * table. */
MMU_API int mmu_os_map_user(struct mmu_os *os, struct mmu_os_pgd *pgd, mmu_va va, mmu_pfn pfn,
                            unsigned rights);
/* Clears the entry and flushes the page from the TLBs of the CPUs that have it; *pfn may be NULL. */
MMU_API int mmu_os_unmap_user(struct mmu_os *os, struct mmu_os_pgd *pgd, mmu_va va, mmu_pfn *pfn);

/* What a page directory says of an address: the entry of each level as it stands in memory, [0] = PTE (unused
 * levels: present false). Reads tables, never TLBs. */
struct mmu_os_entry {
    bool present;
    mmu_pa at;      /* where the entry lies */
    uint64_t value; /* the entry */
};
struct mmu_os_lookup {
    bool mapped;
    mmu_pa pa;      /* of the address */
    uint32_t level; /* 0 = PTE, 1 = PDE, ...: the level that maps it, or that is not present */
    uint32_t page_shift;
    struct mmu_os_entry entry[5];
};
MMU_API int mmu_os_lookup(const struct mmu_os *os, const struct mmu_os_pgd *pgd, bool user, mmu_va va,
                          struct mmu_os_lookup *to);

/* ----- views, checks ----- */

/* Texts as Linux prints them. */
enum mmu_os_view {
    MMU_VIEW_ZONEINFO,     /* /proc/zoneinfo */
    MMU_VIEW_BUDDYINFO,    /* /proc/buddyinfo */
    MMU_VIEW_PAGETYPEINFO, /* /proc/pagetypeinfo */
    MMU_VIEW_MEMINFO,      /* /proc/meminfo: the lines that the model has */
    MMU_VIEW_VMALLOCINFO,  /* /proc/vmallocinfo */
    MMU_VIEW_IOMEM,        /* /proc/iomem: RAM and the kernel's image */
    MMU_VIEW_UNUSABLE,     /* extfrag/unusable_index */
    MMU_VIEWS
};
/* Writes the text, terminated, into buf; returns its whole length, as snprintf() does. */
MMU_API size_t mmu_os_view(const struct mmu_os *os, enum mmu_os_view view, char *buf, size_t size);

/* Executes every invariant of the kernel; aborts with a message on the first that fails. For tests. */
MMU_API void mmu_os_check(const struct mmu_os *os);

#ifdef __cplusplus
}
#endif
#endif
