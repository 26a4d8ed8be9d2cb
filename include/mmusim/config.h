/*
 * mmusim/config.h: a machine, described by values.
 *
 * struct mmu_config is an open value: initialise it with mmu_config_init() (a minimal x86-64 processor
 * without TLBs), or load a YAML file with mmu_config_load(); change fields freely; mmu_machine_create()
 * checks and copies it. Nothing in it is owned.
 *
 * Times are core cycles, sizes bytes, counts plain numbers.
 */
#ifndef MMUSIM_CONFIG_H
#define MMUSIM_CONFIG_H

#include <mmusim/types.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    MMU_MAX_CORES = 64,
    MMU_MAX_LEVELS = 4,  /* TLB levels */
    MMU_MAX_TLBS = 16,   /* TLB structures of a core, all levels together */
    MMU_MAX_WAYS = 4096, /* a fully associative structure has as many ways as entries */
    MMU_MAX_TLB_ENTRIES = 1 << 20,
    MMU_MAX_CACHES = 4, /* levels of the cache hierarchy */
    MMU_MAX_RAM_RANGES = 32,
    MMU_MAX_PAGER_RANGES = 32,
    MMU_MAX_WALKERS = 64,
    MMU_MAX_WINDOW = 1024,
    MMU_MAX_E820 = 128,    /* ranges of the firmware's memory map, as many as Linux's boot page takes */
    MMU_MAX_RESERVED = 64, /* areas that the kernel keeps back at boot */
    MMU_OS_ORDERS = 11,    /* orders of the buddy allocator, 0 to 10 */
    MMU_NAME = 64,
};

/* Paging mode that the machine's cores start in when a demand pager sets them up (SDM 4.1.1). */
enum mmu_mode { MMU_MODE_OFF, MMU_MODE_I386, MMU_MODE_PAE, MMU_MODE_4L, MMU_MODE_5L, MMU_MODES };

/*
 * Replacement policies. Of invalid ways the lowest goes first, always; invalidations leave what a policy
 * remembers alone.
 */
enum mmu_policy {
    MMU_LRU,         /* true least recently used */
    MMU_PLRU,        /* tree pseudo-LRU, up to 64 ways: a tree over the next power of two of leaves, whose
                        sides without a way to choose are not entered */
    MMU_FIFO,        /* oldest fill */
    MMU_RANDOM,      /* seeded generator per structure */
    MMU_NMRU,        /* any way but the one touched or filled last, from a generator as MMU_RANDOM's */
    MMU_MRU3PLRU4,   /* (MRU+1)%3-PLRU4: the group of four ways behind the one touched or filled last, in it
                        by tree pseudo-LRU; three groups in Skylake's second level, here 1 to 12 */
    MMU_USER_POLICY, /* the caller's own, for TLBs only: see struct mmu_policy_ops in machine.h */
    MMU_POLICIES
};

/*
 * Index functions: set = VPN mod sets (linear), or VPN[n-1:0] ^ VPN[2n-1:n] with sets = 2^n (xor). VPN is the
 * page number, at the entry's page size, of the address's low 57 bits: that the upper half is negative
 * matters only where sets is no power of two.
 */
enum mmu_index { MMU_INDEX_LINEAR, MMU_INDEX_XOR, MMU_INDEXES };

/* What the processor can do, as CPUID would say. */
struct mmu_cpu {
    uint32_t maxphyaddr; /* physical address bits, 32 to 52 */
    bool wp;             /* CR0.WP exists (not on the 80386) */
    bool invlpg;         /* INVLPG exists (80486 and later) */
    bool pse;            /* CR4.PSE: 4-MByte pages */
    bool pse36;          /* PSE-36: 4-MByte pages above 4 GiB */
    bool pae;            /* CR4.PAE */
    bool pge;            /* CR4.PGE: global pages */
    bool long_mode;      /* EFER.LME, four-level paging */
    bool nx;             /* EFER.NXE */
    bool page1g;         /* 1-GByte pages */
    bool la57;           /* CR4.LA57, five-level paging */
    bool pcid;           /* CR4.PCIDE */
    bool invpcid;        /* INVPCID */
    bool smep;           /* CR4.SMEP */
    bool smap;           /* CR4.SMAP, EFLAGS.AC */
    bool pku;            /* CR4.PKE, PKRU */
    bool pks;            /* CR4.PKS, IA32_PKRS */
};

/*
 * One TLB structure. Kinds and pages are bit sets: 1 << enum mmu_kind, 1 << enum mmu_page.
 *
 * Of several structures of a level that hold a page's size all are probed and one is filled: the first, in
 * the order of the config, with an invalid way in the page's set; else, of two, the one that the parity of
 * all bits of the page number names (0: the first); of more, number page number mod n. Where entries of
 * several sizes hold an address (a page and a piece of it), the first structure in the order of the config
 * answers, and in it the entry of the smallest size.
 */
struct mmu_tlb_config {
    char name[MMU_NAME]; /* for example "DTLB 4K" */
    uint32_t level;      /* 1 = first */
    uint32_t kinds;      /* accesses served */
    uint32_t pages;      /* page sizes held; a larger page is cut into the largest of these that is smaller */
    uint32_t entries;    /* sets x ways; need not be a power of two */
    uint32_t ways;       /* = entries: fully associative */
    uint32_t index;      /* enum mmu_index */
    uint32_t policy;     /* enum mmu_policy */
    bool pcid_bound;     /* pcids below applies; false: entries of any number of PCIDs are kept */
    uint32_t pcids;      /* how many PCIDs' entries survive (true LRU among them); 0: every MOV CR3 drops the
                            non-global entries */
    uint64_t way_mask[MMU_PAGES]; /* ways in which a page of this size may lie, bit 0 = way 0; 0: all (at most
                                     64 ways when used) */
};

/* How a level beyond the first is looked up: one latency (parallel), or one after another by page size
 * (serial). */
struct mmu_level_config {
    uint32_t latency; /* parallel: cycles of the look-up, hit or miss. Level 1: extra cycles of a hit (default
                         0) */
    uint32_t serial_count;           /* 0: parallel; else number of probes below */
    uint32_t serial_page[MMU_PAGES]; /* enum mmu_page, in probing order; a miss pays all */
    uint32_t serial_latency[MMU_PAGES];
    bool no_fracture; /* a page of a size that no structure of the level serves is not held here at all;
                         false: as pieces of the largest smaller size */
};

/* Paging-structure caches (SDM 4.10.3): one array per level, or one unified. A walk's entries are filled at
 * its end, the lowest level's first. */
enum mmu_psc_level { MMU_PSC_PDE, MMU_PSC_PDPTE, MMU_PSC_PML4E, MMU_PSC_PML5E, MMU_PSC_LEVELS };

struct mmu_psc_array {
    uint32_t entries; /* 0: this cache does not exist */
    uint32_t ways;    /* = entries: fully associative */
    uint32_t policy;  /* enum mmu_policy */
};

struct mmu_psc_config {
    bool unified;    /* array[0] serves every level below */
    uint32_t levels; /* unified: bit set of 1 << enum mmu_psc_level that may be held */
    struct mmu_psc_array array[MMU_PSC_LEVELS]; /* by enum mmu_psc_level when not unified */
    uint32_t latency; /* cycles of the probe (all levels at once), when any cache exists */
};

struct mmu_walk_config {
    uint32_t walkers;         /* walks in flight at once, 1 to MMU_MAX_WALKERS */
    uint32_t start;           /* cycles from a walker's grant to its paging-structure-cache probe */
    uint32_t ad_update;       /* cycles per entry whose accessed or dirty flag is written */
    bool rewalk_before_fault; /* a rights failure on a TLB hit walks again before it faults (AMD); false: may
                                 fault on a stale entry (Intel) */
};

/* One level of the cache hierarchy. */
struct mmu_cache_config {
    char name[MMU_NAME]; /* "L1", ... */
    uint64_t size;       /* bytes = line x ways x sets */
    uint32_t ways;
    uint32_t line;    /* bytes, a power of two, the same at every level */
    uint32_t latency; /* cycles of a hit here, counted from the start of the read */
    uint32_t policy;  /* enum mmu_policy */
};

enum mmu_reads { MMU_READS_FIXED, MMU_READS_CACHED, MMU_READS_MODES };
enum mmu_data { MMU_DATA_NONE, MMU_DATA_FIXED, MMU_DATA_SHARED, MMU_DATA_MODES };

struct mmu_memory_config {
    uint32_t reads; /* enum mmu_reads: page-table reads cost a fixed latency, or go through the caches */
    uint32_t read_latency; /* fixed: cycles per entry read */
    uint32_t caches;       /* levels, 0 to MMU_MAX_CACHES */
    struct mmu_cache_config cache[MMU_MAX_CACHES];
    uint32_t dram_latency; /* cycles of a read that no cache holds */
    uint32_t data;         /* enum mmu_data: data take no time, a fixed time, or go through the same caches */
    uint32_t data_latency; /* fixed: cycles of each load or store (m of the time model) */
    uint32_t ram_ranges;   /* what answers; 0 ranges: everything below 2^maxphyaddr */
    struct mmu_ram_range {
        mmu_pa start;  /* multiple of 4096 */
        uint64_t size; /* bytes, multiple of 4096 */
    } ram[MMU_MAX_RAM_RANGES];
};

/* The demand pager, for traces without a kernel: maps a page when it is first touched. */
enum mmu_frames { MMU_FRAMES_SEQUENTIAL, MMU_FRAMES_RANDOM, MMU_FRAMES_MODES };

struct mmu_pager_config {
    bool enabled;
    uint32_t mode;         /* enum mmu_mode to set up; the cpu must have it */
    uint32_t page;         /* enum mmu_page: size of the pages mapped */
    uint32_t frames;       /* enum mmu_frames: order in which frames are handed out */
    uint32_t fault_cycles; /* cycles of a fault's handler (kernel cycles, in both clocks) */
    uint32_t ranges;       /* exceptions by address; the first that holds the address wins */
    struct mmu_pager_range {
        mmu_va start, end; /* bytes, [start, end) */
        uint32_t page;     /* enum mmu_page */
    } range[MMU_MAX_PAGER_RANGES];
};

/* Cycles of operations that are barriers. */
struct mmu_barrier_config {
    uint32_t mov_cr; /* MOV CR0/CR3/CR4, WRMSR EFER */
    uint32_t invlpg;
    uint32_t invpcid;
    uint32_t fault; /* delivery of a #PF or #GP to its handler */
};

/* ----- The kernel (<mmusim/os.h>): what a Linux of this architecture would be told and built with. ----- */

/* X86_64_LA57: the same kernel with five-level paging. */
enum mmu_os_arch { MMU_OS_I386, MMU_OS_I386_PAE, MMU_OS_X86_64, MMU_OS_X86_64_LA57, MMU_OS_ARCHES };

/* Where the kernel's regions lie. LINUX_6_1: as that version places them. CLASSIC: as the books draw i386,
 * highmem above 896 MiB; and an (empty) HighMem zone is shown on x86-64 too. */
enum mmu_os_layout { MMU_OS_LINUX_6_1, MMU_OS_CLASSIC, MMU_OS_LAYOUTS };

/* i386: user space / kernel space, in GiB (VMSPLIT_3G, VMSPLIT_2G, VMSPLIT_1G). */
enum mmu_os_split { MMU_OS_3G_1G, MMU_OS_2G_2G, MMU_OS_1G_3G, MMU_OS_SPLITS };

/* When a change of the kernel part's vmalloc area reaches other page directories: at the kernel's first fault
 * there, or at the call. */
enum mmu_os_sync { MMU_OS_EAGER, MMU_OS_LAZY, MMU_OS_SYNCS };

enum mmu_os_zone {
    MMU_ZONE_DMA,
    MMU_ZONE_DMA32,
    MMU_ZONE_NORMAL,
    MMU_ZONE_HIGHMEM,
    MMU_ZONE_MOVABLE,
    MMU_ZONE_DEVICE,
    MMU_ZONES
};

/* Migrate types, as /proc/pagetypeinfo orders them. */
enum mmu_os_migrate {
    MMU_MIGRATE_UNMOVABLE,
    MMU_MIGRATE_MOVABLE,
    MMU_MIGRATE_RECLAIMABLE,
    MMU_MIGRATE_HIGHATOMIC,
    MMU_MIGRATE_ISOLATE,
    MMU_OS_MIGRATE_TYPES
};

enum mmu_e820 {
    MMU_E820_RAM,
    MMU_E820_RESERVED,
    MMU_E820_ACPI,
    MMU_E820_NVS,
    MMU_E820_UNUSABLE,
    MMU_E820_TYPES
};

struct mmu_os_config {
    bool enabled;
    uint32_t arch;         /* enum mmu_os_arch */
    uint32_t layout;       /* enum mmu_os_layout */
    uint32_t split;        /* enum mmu_os_split; i386 only */
    bool kpti;             /* page-table isolation: two roots; x86-64 and PAE */
    uint32_t vmalloc_sync; /* enum mmu_os_sync */
    uint64_t ram;          /* bytes of RAM, laid out as QEMU's PC does (hole below 4 GiB); 0: e820 below */
    uint32_t e820s;
    struct mmu_e820_range {
        mmu_pa start;
        uint64_t size; /* bytes; any alignment: the kernel cuts to whole pages */
        uint32_t type; /* enum mmu_e820; only RAM is used */
    } e820[MMU_MAX_E820];
    uint32_t reserveds; /* areas kept back from the buddy allocator, beside the kernel's own */
    struct mmu_os_reserved {
        mmu_pa start;
        uint64_t size;
    } reserved[MMU_MAX_RESERVED];
    bool managed_given[MMU_ZONES]; /* managed pages of a zone as a real boot had them */
    uint64_t managed[MMU_ZONES];   /* everything that the kernel needs for itself is already off it */
    uint64_t kernel_start;         /* physical address of the kernel's image; a multiple of 2 MiB */
    uint64_t kernel_text, kernel_rodata, kernel_data; /* its parts' sizes in bytes, in this order */
    uint32_t cpus;                                    /* online CPUs; 0: the machine's cores */
    uint32_t nr_cpus;                                 /* NR_CPUS that it was built for; 0: 32, x86-64 8192 */
    uint32_t fixed_addresses;                         /* __end_of_fixed_addresses; 0: as nr_cpus asks */
    uint64_t vmalloc;                                 /* vmalloc=: bytes, 0: the default (i386) */
    bool highmem_given;                               /* highmem=: bytes of RAM to leave to highmem (i386) */
    uint64_t highmem;
    uint64_t kernelcore, movablecore; /* bytes; 0: no MOVABLE zone by this; both: the
                                       * smaller MOVABLE zone (find_zone_movable_pfns_for_nodes()) */
    bool min_free_given;
    uint64_t min_free_kbytes;        /* sysctl; else computed */
    uint32_t watermark_scale_factor; /* 1 to 3000 */
    uint32_t lowmem_reserve_ratio[MMU_ZONES];
    bool thp;               /* transparent huge pages configured and enabled */
    bool aged;              /* start fragmented: */
    uint32_t aged_order;    /* until the unusable-free index at this order ... */
    uint32_t aged_unusable; /* ... is this many thousandths in every zone */
    uint64_t aged_seed;
};

struct mmu_config {
    char name[MMU_NAME]; /* "skylake-sp" */
    char title[128];     /* "Intel Skylake-SP (Xeon Scalable, 2017)" */
    uint64_t seed;       /* for random replacement and random frames */
    uint32_t cores;  /* 1 to MMU_MAX_CORES; each with TLBs, walkers, caches and a clock; memory is shared */
    uint32_t cpi;    /* g of an instruction's first record, in cycles */
    uint32_t window; /* W: data accesses in flight; 1 = blocking */
    struct mmu_cpu cpu;
    uint32_t levels;                               /* TLB levels, 0 to MMU_MAX_LEVELS */
    struct mmu_level_config level[MMU_MAX_LEVELS]; /* [0] is level 1 */
    uint32_t tlbs;
    struct mmu_tlb_config tlb[MMU_MAX_TLBS];
    struct mmu_psc_config psc;
    struct mmu_walk_config walk;
    struct mmu_memory_config memory;
    struct mmu_pager_config pager;
    struct mmu_barrier_config barrier;
    struct mmu_os_config os; /* with a kernel: memory.ram stays empty, the pager off */
};

/*
 * The defaults: one x86-64 core with every feature, MAXPHYADDR 46, no TLB, no paging-structure cache, one
 * walker, fixed reads, every latency 0, cpi 1, window 1, seed 1, and the pager mapping 4-KByte pages with
 * sequential frames under four-level paging; no kernel. Padding is zero as well.
 */
MMU_API void mmu_config_init(struct mmu_config *config);

/*
 * Loads a machine from YAML. name is a path (contains '/' or ends in ".yaml"/".yml"), or the name of a
 * shipped machine that is looked for in $MMUSIM_CONFIG_PATH (colon-separated), then beside the program, then
 * where the library was installed. A file may inherit from another
 * (`inherit: NAME`) and override its fields.
 *
 * sets: n strings "path=value", applied last, in order, as --set does; may be NULL when n is 0.
 * Returns MMU_OK, or a negative status with *err filled (err may be NULL): file, line, column, the key's
 * path, what was expected. On an error *config is unspecified.
 */
MMU_API int mmu_config_load(struct mmu_config *config, const char *name, const char *const *sets, size_t n,
                            struct mmu_error *err);

/* The same from a text in memory; origin names it in errors. */
MMU_API int mmu_config_parse(struct mmu_config *config, const char *text, size_t size, const char *origin,
                             const char *const *sets, size_t n, struct mmu_error *err);

/* Checks that a config describes a possible machine; err->message names the first offending field by its YAML
 * path. MMU_OK or MMU_ERR_INVALID. */
MMU_API int mmu_config_check(const struct mmu_config *config, struct mmu_error *err);

/*
 * Writes the whole config, fully resolved, as YAML that loads back to the same value. MMU_OK, MMU_ERR_IO, or
 * MMU_ERR_INVALID for a config that fails mmu_config_check(). What lies beyond a list's count is not written.
 */
MMU_API int mmu_config_write(const struct mmu_config *config, FILE *out);

/* Calls each() for every key that a YAML file may have: its path (NAME, N stand for an element), what it may
 * be, what it means. */
MMU_API void
mmu_config_keys(void (*each)(void *ctx, const char *path, const char *expected, const char *text), void *ctx);

/*
 * Calls each(ctx, name, title, path) for every shipped machine, sorted by name. A file that does not load is
 * passed with its error text as title. MMU_OK, or MMU_ERR_NOTFOUND when no config directory was found (err
 * says where it looked).
 */
MMU_API int mmu_config_list(void (*each)(void *ctx, const char *name, const char *title, const char *path),
                            void *ctx, struct mmu_error *err);

#ifdef __cplusplus
}
#endif
#endif
