/*
 * The tables of the schema: every key of a machine's YAML, where it lies, its range, its unit. Adding a field
 * of struct mmu_config to the YAML is adding a row here; what joins two fields goes into config_check.c.
 */
#include "config_schema.h"

#define AT(type, member) .offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)
#define END                                                                                                  \
    {                                                                                                        \
        .key = NULL                                                                                          \
    }
#define BOOL(k, s, m, d)                                                                                     \
    {                                                                                                        \
        .key = k, .type = SCHEMA_BOOL, AT(s, m), .doc = d                                                    \
    }
#define NUMBER(k, s, m, lo, hi, d)                                                                           \
    {                                                                                                        \
        .key = k, .type = SCHEMA_NUMBER, AT(s, m), .min = (lo), .max = (hi), .doc = d                        \
    }
#define SIZE(k, s, m, lo, hi, d)                                                                             \
    {                                                                                                        \
        .key = k, .type = SCHEMA_SIZE, AT(s, m), .min = (lo), .max = (hi), .doc = d                          \
    }
#define CYCLES(k, s, m, d) NUMBER(k, s, m, 0, MAX_CYCLES, d)
#define ENUM(k, s, m, w, d)                                                                                  \
    {                                                                                                        \
        .key = k, .type = SCHEMA_ENUM, AT(s, m), .words = (w), .doc = d                                      \
    }
#define SET(k, s, m, w, d)                                                                                   \
    {                                                                                                        \
        .key = k, .type = SCHEMA_SET, AT(s, m), .min = 1, .words = (w), .doc = d                             \
    }
#define MAP(k, s, m, c, d)                                                                                   \
    {                                                                                                        \
        .key = k, .type = SCHEMA_MAP, AT(s, m), .child = (c), .doc = d                                       \
    }
#define MANY(k, t, s, m, n, hi, c, d)                                                                        \
    {                                                                                                        \
        .key = k, .type = (t), AT(s, m), .max = (hi), .child = (c),                                          \
        .element = sizeof(((struct s *)0)->m[0]), .count = offsetof(struct s, n), .doc = d                   \
    }

/* Long enough for anything that a machine does, short enough that no sum of a run overflows 64 bits. */
#define MAX_CYCLES 1000000000u

static const struct schema_word kinds[] = {{"fetch", 1u << MMU_FETCH},
                                           {"load", 1u << MMU_LOAD},
                                           {"store", 1u << MMU_STORE},
                                           {"data", 1u << MMU_LOAD | 1u << MMU_STORE},
                                           {"all", 1u << MMU_FETCH | 1u << MMU_LOAD | 1u << MMU_STORE},
                                           {NULL, 0}};

static const struct schema_word pages[] = {
    {"4K", 1u << MMU_4K}, {"2M", 1u << MMU_2M}, {"4M", 1u << MMU_4M}, {"1G", 1u << MMU_1G}, {NULL, 0}};

static const struct schema_word page[] = {
    {"4K", MMU_4K}, {"2M", MMU_2M}, {"4M", MMU_4M}, {"1G", MMU_1G}, {NULL, 0}};

#define POLICIES                                                                                             \
    {"lru", MMU_LRU}, {"plru", MMU_PLRU}, {"tree-plru", MMU_PLRU}, {"fifo", MMU_FIFO},                       \
        {"random", MMU_RANDOM}, {"nmru", MMU_NMRU}, {"not-mru", MMU_NMRU},                                   \
    {                                                                                                        \
        "mru3plru4", MMU_MRU3PLRU4                                                                           \
    }
static const struct schema_word policies[] = {POLICIES, {NULL, 0}};
static const struct schema_word tlb_policies[] = {POLICIES, {"user", MMU_USER_POLICY}, {NULL, 0}};

static const struct schema_word indexes[] = {{"linear", MMU_INDEX_LINEAR}, {"xor", MMU_INDEX_XOR}, {NULL, 0}};

static const struct schema_word psc_levels[] = {{"pde", 1u << MMU_PSC_PDE},
                                                {"pdpte", 1u << MMU_PSC_PDPTE},
                                                {"pml4e", 1u << MMU_PSC_PML4E},
                                                {"pml5e", 1u << MMU_PSC_PML5E},
                                                {NULL, 0}};

static const struct schema_word modes[] = {
    {"off", MMU_MODE_OFF},        {"i386", MMU_MODE_I386},  {"i386_pae", MMU_MODE_PAE},
    {"pae", MMU_MODE_PAE},        {"x86_64", MMU_MODE_4L},  {"4-level", MMU_MODE_4L},
    {"x86_64_la57", MMU_MODE_5L}, {"5-level", MMU_MODE_5L}, {NULL, 0}};

static const struct schema_word frames[] = {
    {"sequential", MMU_FRAMES_SEQUENTIAL}, {"random", MMU_FRAMES_RANDOM}, {NULL, 0}};

static const struct schema_word reads[] = {
    {"fixed", MMU_READS_FIXED}, {"cached", MMU_READS_CACHED}, {NULL, 0}};

static const struct schema_word data[] = {
    {"none", MMU_DATA_NONE}, {"fixed", MMU_DATA_FIXED}, {"shared", MMU_DATA_SHARED}, {NULL, 0}};

#define FEATURE(k, m, d)                                                                                     \
    {                                                                                                        \
        .key = k, .type = SCHEMA_BOOL, AT(mmu_cpu, m), .unwritten = true, .doc = d                           \
    }
static const struct schema cpu[] = {
    NUMBER("maxphyaddr", mmu_cpu, maxphyaddr, 32, 52, "physical address bits"),
    {.key = "features",
     .type = SCHEMA_FEATURES,
     .offset = offsetof(struct mmu_cpu, wp),
     .size = sizeof(struct mmu_cpu) - offsetof(struct mmu_cpu, wp),
     .doc = "what the processor has; features not listed are absent"},
    FEATURE("wp", wp, "CR0.WP (80486 and later)"),
    FEATURE("invlpg", invlpg, "INVLPG (80486 and later)"),
    FEATURE("pse", pse, "CR4.PSE: 4-MByte pages"),
    FEATURE("pse36", pse36, "4-MByte pages above 4 GiB"),
    FEATURE("pae", pae, "CR4.PAE: 2-MByte pages, 64-bit entries"),
    FEATURE("pge", pge, "CR4.PGE: global pages"),
    FEATURE("long-mode", long_mode, "EFER.LME: four-level paging"),
    FEATURE("nx", nx, "EFER.NXE: execute-disable"),
    FEATURE("page1g", page1g, "1-GByte pages"),
    FEATURE("la57", la57, "CR4.LA57: five-level paging"),
    FEATURE("pcid", pcid, "CR4.PCIDE"),
    FEATURE("invpcid", invpcid, "INVPCID"),
    FEATURE("smep", smep, "CR4.SMEP"),
    FEATURE("smap", smap, "CR4.SMAP"),
    FEATURE("pku", pku, "CR4.PKE: keys of user pages"),
    FEATURE("pks", pks, "CR4.PKS: keys of supervisor pages"),
    END,
};

static const struct schema level[] = {
    CYCLES("latency", mmu_level_config, latency,
           "cycles of a look-up, hit or miss; level 1: extra cycles of a hit"),
    {.key = "serial",
     .type = SCHEMA_SERIAL,
     .offset = offsetof(struct mmu_level_config, serial_count),
     .size = offsetof(struct mmu_level_config, serial_latency) +
             sizeof(((struct mmu_level_config *)0)->serial_latency) -
             offsetof(struct mmu_level_config, serial_count),
     .max = MAX_CYCLES,
     .words = page,
     .doc = "instead of latency: cycles of one probe after another, by page size, in this order"},
    {.key = "fracture",
     .type = SCHEMA_NOT,
     AT(mmu_level_config, no_fracture),
     .doc = "a page larger than every size that the level holds is held as pieces of the largest; false: not "
            "at all"},
    END,
};

static const struct schema tlb[] = {
    NUMBER("level", mmu_tlb_config, level, 1, MMU_MAX_LEVELS, "1 = first"),
    SET("serves", mmu_tlb_config, kinds, kinds, "accesses served"),
    SET("pages", mmu_tlb_config, pages, pages, "page sizes held"),
    NUMBER("entries", mmu_tlb_config, entries, 1, MMU_MAX_TLB_ENTRIES, "sets x ways"),
    {.key = "ways",
     .type = SCHEMA_WAYS,
     AT(mmu_tlb_config, ways),
     .min = 1,
     .max = MMU_MAX_WAYS,
     .doc = "ways of a set"},
    {.key = "index",
     .type = SCHEMA_INDEX,
     AT(mmu_tlb_config, index),
     .words = indexes,
     .doc = "set of a page: linear = VPN mod sets, xor-N = VPN[N-1:0] ^ VPN[2N-1:N] with 2^N sets"},
    ENUM("replacement", mmu_tlb_config, policy, tlb_policies,
         "victim of a full set; user: the caller's own policy, on machines that a program makes with the "
         "library"),
    {.key = "pcids",
     .type = SCHEMA_PCIDS,
     .offset = offsetof(struct mmu_tlb_config, pcid_bound),
     .size = offsetof(struct mmu_tlb_config, pcids) + sizeof(uint32_t) -
             offsetof(struct mmu_tlb_config, pcid_bound),
     .max = 4096,
     .doc =
         "PCIDs whose entries are kept, least recent ones dropped; 0: MOV CR3 drops all non-global entries"},
    {.key = "way-masks",
     .type = SCHEMA_MASKS,
     AT(mmu_tlb_config, way_mask),
     .words = page,
     .doc = "ways in which a page of a size may lie, bit 0 = way 0; a size not listed: all"},
    END,
};

static const struct schema psc_array[] = {
    NUMBER("entries", mmu_psc_array, entries, 0, 65536, "sets x ways; 0: none"),
    {.key = "ways",
     .type = SCHEMA_WAYS,
     AT(mmu_psc_array, ways),
     .max = MMU_MAX_WAYS,
     .doc = "ways of a set"},
    ENUM("replacement", mmu_psc_array, policy, policies, "victim of a full set"),
    END,
};

static const struct schema unified[] = {
    NUMBER("entries", mmu_psc_config, array[0].entries, 0, 65536, "sets x ways; 0: none"),
    {.key = "ways",
     .type = SCHEMA_WAYS,
     AT(mmu_psc_config, array[0].ways),
     .max = MMU_MAX_WAYS,
     .doc = "ways of a set"},
    ENUM("replacement", mmu_psc_config, array[0].policy, policies, "victim of a full set"),
    SET("holds", mmu_psc_config, levels, psc_levels, "levels that it holds; default: all"),
    END,
};

#define PSC(k, i, d)                                                                                         \
    {                                                                                                        \
        .key = k, .type = SCHEMA_MAP, AT(mmu_psc_config, array[i]), .child = psc_array, .flow = true,        \
        .gate = SCHEMA_IF_SPLIT, .doc = d                                                                    \
    }
static const struct schema psc[] = {
    CYCLES("latency", mmu_psc_config, latency, "cycles of the probe, all levels at once"),
    PSC("pde", MMU_PSC_PDE, "cache of PDEs that point to a page table"),
    PSC("pdpte", MMU_PSC_PDPTE, "cache of PDPTEs that point to a page directory"),
    PSC("pml4e", MMU_PSC_PML4E, "cache of PML4Es"),
    PSC("pml5e", MMU_PSC_PML5E, "cache of PML5Es"),
    {.key = "unified",
     .type = SCHEMA_MAP,
     .size = sizeof(struct mmu_psc_config),
     .child = unified,
     .flow = true,
     .gate = SCHEMA_IF_UNIFIED,
     .doc = "one cache for all levels, instead of the four"},
    END,
};

static const struct schema walk[] = {
    NUMBER("walkers", mmu_walk_config, walkers, 1, MMU_MAX_WALKERS, "walks in flight at once"),
    CYCLES("start", mmu_walk_config, start, "cycles from a walker's grant to its first probe"),
    CYCLES("ad-update", mmu_walk_config, ad_update,
           "cycles for each entry whose accessed or dirty flag is written"),
    BOOL("rewalk-before-fault", mmu_walk_config, rewalk_before_fault,
         "a rights failure on a hit walks again before it faults (AMD); false: may fault on a stale entry "
         "(Intel)"),
    END,
};

static const struct schema cache[] = {
    SIZE("size", mmu_cache_config, size, 1, 1ull << 32, "bytes = line x ways x sets"),
    {.key = "ways",
     .type = SCHEMA_WAYS,
     AT(mmu_cache_config, ways),
     .min = 1,
     .max = MMU_MAX_WAYS,
     .doc = "ways of a set"},
    SIZE("line", mmu_cache_config, line, 8, 4096, "bytes, a power of two, the same at every level"),
    CYCLES("latency", mmu_cache_config, latency, "cycles of a hit, from the start of the read"),
    ENUM("replacement", mmu_cache_config, policy, policies, "victim of a full set"),
    END,
};

static const struct schema ram[] = {
    SIZE("start", mmu_ram_range, start, 0, (1ull << 52) - 1, "first physical address, a multiple of 4K"),
    SIZE("size", mmu_ram_range, size, 4096, 1ull << 52, "bytes, a multiple of 4K"),
    END,
};

static const struct schema memory[] = {
    ENUM("reads", mmu_memory_config, reads, reads,
         "page-table reads cost a fixed latency or go through the caches"),
    CYCLES("read-latency", mmu_memory_config, read_latency, "reads: fixed: cycles of each entry read"),
    MANY("caches", SCHEMA_NAMED, mmu_memory_config, cache, caches, MMU_MAX_CACHES, cache,
         "levels of the cache hierarchy, nearest first"),
    CYCLES("dram-latency", mmu_memory_config, dram_latency, "cycles of a read that no cache holds"),
    ENUM("data", mmu_memory_config, data, data,
         "data accesses take no time, a fixed time, or go through the same caches"),
    CYCLES("data-latency", mmu_memory_config, data_latency, "data: fixed: cycles of each load or store"),
    MANY("ram", SCHEMA_LIST, mmu_memory_config, ram, ram_ranges, MMU_MAX_RAM_RANGES, ram,
         "what answers; none: everything below 2^maxphyaddr"),
    END,
};

static const struct schema pager_range[] = {
    SIZE("start", mmu_pager_range, start, 0, UINT64_MAX, "first linear address"),
    SIZE("end", mmu_pager_range, end, 1, UINT64_MAX, "first linear address behind it"),
    ENUM("page", mmu_pager_range, page, page, "size of the pages mapped there"),
    END,
};

static const struct schema pager[] = {
    BOOL("enabled", mmu_pager_config, enabled, "map a page when it is first touched"),
    ENUM("mode", mmu_pager_config, mode, modes, "paging mode to set up"),
    ENUM("page", mmu_pager_config, page, page, "size of the pages mapped"),
    ENUM("frames", mmu_pager_config, frames, frames, "order in which frames are handed out"),
    CYCLES("fault-cycles", mmu_pager_config, fault_cycles, "cycles of a fault's handler"),
    MANY("ranges", SCHEMA_LIST, mmu_pager_config, range, ranges, MMU_MAX_PAGER_RANGES, pager_range,
         "exceptions by address; the first that holds the address wins"),
    END,
};

static const struct schema barrier[] = {
    CYCLES("mov-cr", mmu_barrier_config, mov_cr, "cycles of MOV CR0/CR3/CR4 and WRMSR EFER"),
    CYCLES("invlpg", mmu_barrier_config, invlpg, "cycles of INVLPG"),
    CYCLES("invpcid", mmu_barrier_config, invpcid, "cycles of INVPCID"),
    CYCLES("fault", mmu_barrier_config, fault, "cycles from a fault to its handler's first instruction"),
    END,
};

static const struct schema_word arches[] = {{"i386", MMU_OS_I386},
                                            {"i386_pae", MMU_OS_I386_PAE},
                                            {"x86_64", MMU_OS_X86_64},
                                            {"x86_64_la57", MMU_OS_X86_64_LA57},
                                            {NULL, 0}};

static const struct schema_word layouts[] = {
    {"linux-6.1", MMU_OS_LINUX_6_1}, {"classic", MMU_OS_CLASSIC}, {NULL, 0}};

static const struct schema_word splits[] = {
    {"3G/1G", MMU_OS_3G_1G}, {"2G/2G", MMU_OS_2G_2G}, {"1G/3G", MMU_OS_1G_3G}, {NULL, 0}};

static const struct schema_word syncs[] = {{"eager", MMU_OS_EAGER}, {"lazy", MMU_OS_LAZY}, {NULL, 0}};

static const struct schema_word e820_types[] = {
    {"ram", MMU_E820_RAM}, {"reserved", MMU_E820_RESERVED}, {"acpi", MMU_E820_ACPI},
    {"nvs", MMU_E820_NVS}, {"unusable", MMU_E820_UNUSABLE}, {NULL, 0}};

static const struct schema e820[] = {
    SIZE("start", mmu_e820_range, start, 0, UINT64_MAX, "first byte"),
    SIZE("size", mmu_e820_range, size, 1, UINT64_MAX, "bytes; the kernel cuts to whole pages"),
    {.key = "end",
     .type = SCHEMA_END,
     AT(mmu_e820_range, size),
     .min = 1,
     .max = UINT64_MAX,
     .unwritten = true,
     .doc = "instead of size, behind start: first byte behind it"},
    ENUM("type", mmu_e820_range, type, e820_types, "what it is; only ram is used"),
    END,
};

static const struct schema reserved[] = {
    SIZE("start", mmu_os_reserved, start, 0, UINT64_MAX, "first byte"),
    SIZE("size", mmu_os_reserved, size, 1, UINT64_MAX, "bytes; whole pages around them are kept back"),
    END,
};

/* Rows of a mapping that covers a part of struct mmu_os_config, from `first` on. */
#define FROM(first, m)                                                                                       \
    .offset = offsetof(struct mmu_os_config, m) - offsetof(struct mmu_os_config, first),                     \
    .size = sizeof(((struct mmu_os_config *)0)->m)
#define GIVEN(first, m) (offsetof(struct mmu_os_config, m) - offsetof(struct mmu_os_config, first) + 1)
#define PART(k, first, last, c, g, d)                                                                        \
    {                                                                                                        \
        .key = k, .type = SCHEMA_MAP, .offset = offsetof(struct mmu_os_config, first),                       \
        .size = offsetof(struct mmu_os_config, last) + sizeof(((struct mmu_os_config *)0)->last) -           \
                offsetof(struct mmu_os_config, first),                                                       \
        .child = (c), .gate = (g), .flow = true, .doc = d                                                    \
    }
#define AUTO(k, t, m, lo, hi, d)                                                                             \
    {                                                                                                        \
        .key = k, .type = (t), AT(mmu_os_config, m), .min = (lo), .max = (hi), .doc = d                      \
    }

#define MANAGED(k, zone)                                                                                     \
    {                                                                                                        \
        .key = k, .type = SCHEMA_AUTO, FROM(managed_given, managed[zone]),                                   \
        .count = GIVEN(managed_given, managed_given[zone]), .max = 1ull << 40,                               \
        .doc = "pages of this zone that the kernel manages; auto: those that it does not need for itself"    \
    }
static const struct schema managed[] = {
    MANAGED("dma", MMU_ZONE_DMA),         MANAGED("dma32", MMU_ZONE_DMA32),
    MANAGED("normal", MMU_ZONE_NORMAL),   MANAGED("highmem", MMU_ZONE_HIGHMEM),
    MANAGED("movable", MMU_ZONE_MOVABLE), END,
};

#define IMAGE(k, m, lo, hi, d)                                                                               \
    {                                                                                                        \
        .key = k, .type = SCHEMA_SIZE, FROM(kernel_start, m), .min = (lo), .max = (hi), .doc = d             \
    }
static const struct schema kernel[] = {
    IMAGE("start", kernel_start, 1 << 21, 1ull << 40, "physical address, a multiple of 2M"),
    IMAGE("text", kernel_text, 4096, 1 << 30, "bytes of code"),
    IMAGE("rodata", kernel_rodata, 4096, 1 << 30, "bytes of constants"),
    IMAGE("data", kernel_data, 4096, 1 << 30, "bytes of data and bss"),
    END,
};

#define RATIO(k, zone)                                                                                       \
    {                                                                                                        \
        .key = k, .type = SCHEMA_NUMBER,                                                                     \
        .offset = zone * sizeof(((struct mmu_os_config *)0)->lowmem_reserve_ratio[0]),                       \
        .size = sizeof(((struct mmu_os_config *)0)->lowmem_reserve_ratio[0]), .max = INT32_MAX,              \
        .doc = "pages of the zones above are divided by this to give the zone's protection; 0: none"         \
    }
static const struct schema ratios[] = {
    RATIO("dma", MMU_ZONE_DMA),         RATIO("dma32", MMU_ZONE_DMA32),     RATIO("normal", MMU_ZONE_NORMAL),
    RATIO("highmem", MMU_ZONE_HIGHMEM), RATIO("movable", MMU_ZONE_MOVABLE), END,
};

static const struct schema sysctls[] = {
    {.key = "min-free-kbytes",
     .type = SCHEMA_AUTO,
     FROM(min_free_given, min_free_kbytes),
     .count = GIVEN(min_free_given, min_free_given),
     .max = INT32_MAX,
     .doc = "KiB that the minimum watermarks divide; auto: computed at boot, raised for thp"},
    {.key = "watermark-scale-factor",
     .type = SCHEMA_NUMBER,
     FROM(min_free_given, watermark_scale_factor),
     .min = 1,
     .max = 3000,
     .doc = "distance of the watermarks, in ten-thousandths of the zone"},
    {.key = "lowmem-reserve-ratio",
     .type = SCHEMA_MAP,
     FROM(min_free_given, lowmem_reserve_ratio),
     .child = ratios,
     .flow = true,
     .doc = "by zone"},
    END,
};

static const struct schema aged[] = {
    {.key = "order",
     .type = SCHEMA_NUMBER,
     FROM(aged, aged_order),
     .min = 1,
     .max = MMU_OS_ORDERS - 1,
     .doc = "order at which the target below is measured"},
    {.key = "unusable",
     .type = SCHEMA_NUMBER,
     FROM(aged, aged_unusable),
     .max = 1000,
     .doc = "free memory in blocks below that order, in thousandths, at least"},
    {.key = "seed", .type = SCHEMA_NUMBER, FROM(aged, aged_seed), .max = UINT64_MAX, .doc = "of the pattern"},
    END,
};

static const struct schema os[] = {
    ENUM("arch", mmu_os_config, arch, arches,
         "architecture that the kernel was built for; the cpu must have it"),
    ENUM("layout", mmu_os_config, layout, layouts,
         "address space: as Linux 6.1 places its regions; or classic, as books draw it: highmem above 896 "
         "MiB"),
    ENUM("split", mmu_os_config, split, splits, "i386: user space / kernel space"),
    BOOL("kpti", mmu_os_config, kpti, "page-table isolation: two roots; i386_pae and x86_64"),
    ENUM(
        "vmalloc-sync", mmu_os_config, vmalloc_sync, syncs,
        "when a change in the vmalloc area reaches other page directories: at the call, or at a fault there"),
    AUTO("ram", SCHEMA_AUTO_SIZE, ram, 1, UINT64_MAX, "bytes, laid out as QEMU's PC does; auto: e820"),
    MANY("e820", SCHEMA_LIST, mmu_os_config, e820, e820s, MMU_MAX_E820, e820,
         "the firmware's memory map, instead of ram; ranges must not overlap"),
    MANY("reserved", SCHEMA_LIST, mmu_os_config, reserved, reserveds, MMU_MAX_RESERVED, reserved,
         "areas of RAM kept back, beside the kernel's own"),
    PART("managed", managed_given, managed, managed, SCHEMA_ALWAYS,
         "managed pages by zone, as a recording gives them; all that the kernel needs is off them already"),
    PART("kernel", kernel_start, kernel_data, kernel, SCHEMA_ALWAYS, "the kernel's image in physical memory"),
    AUTO("cpus", SCHEMA_AUTO, cpus, 1, 8192, "online CPUs; auto: cores"),
    AUTO("nr-cpus", SCHEMA_AUTO, nr_cpus, 1, 8192, "NR_CPUS of the build; auto: 32, x86_64 8192"),
    AUTO("fixed-addresses", SCHEMA_AUTO, fixed_addresses, 1, 1 << 18,
         "__end_of_fixed_addresses; auto: as nr-cpus asks"),
    AUTO("vmalloc", SCHEMA_AUTO_SIZE, vmalloc, 4096, UINT64_MAX,
         "i386: vmalloc=, bytes kept free above low memory; auto: 128M in all"),
    {.key = "highmem",
     .type = SCHEMA_AUTO_SIZE,
     AT(mmu_os_config, highmem),
     .count = offsetof(struct mmu_os_config, highmem_given) + 1,
     .max = UINT64_MAX,
     .doc = "i386: highmem=, bytes of RAM that shall be high; auto: what does not fit below"},
    SIZE("kernelcore", mmu_os_config, kernelcore, 0, UINT64_MAX,
         "bytes that are not in zone Movable; 0: no such zone by this"),
    SIZE("movablecore", mmu_os_config, movablecore, 0, UINT64_MAX,
         "bytes in zone Movable; 0: no such zone by this"),
    PART("sysctls", min_free_given, lowmem_reserve_ratio, sysctls, SCHEMA_ALWAYS, "/proc/sys/vm"),
    BOOL("thp", mmu_os_config, thp, "transparent huge pages are enabled"),
    PART("aged", aged, aged_seed, aged, SCHEMA_IF_AGED, "start with fragmented memory; null: fresh"),
    END,
};

static const struct schema root[] = {
    {.key = "name",
     .type = SCHEMA_STRING,
     AT(mmu_config, name),
     .min = 1,
     .doc = "short name, printable ASCII; default: the file's"},
    {.key = "inherit",
     .type = SCHEMA_INHERIT,
     .unwritten = true,
     .doc = "machine to start from: a file beside this one, or a shipped one"},
    {.key = "title", .type = SCHEMA_STRING, AT(mmu_config, title), .doc = "what it is, for a reader"},
    NUMBER("seed", mmu_config, seed, 0, UINT64_MAX, "of random replacement and random frames"),
    NUMBER("cores", mmu_config, cores, 1, MMU_MAX_CORES,
           "each with its own TLBs, walkers, caches and clock; a trace runs on those that it tells"),
    NUMBER("cpi", mmu_config, cpi, 0, 1000000, "cycles between two instructions that nothing delays"),
    NUMBER("window", mmu_config, window, 1, MMU_MAX_WINDOW,
           "data accesses in flight; 1 = each waits for the one before"),
    MAP("cpu", mmu_config, cpu, cpu, "what the processor can do"),
    MANY("levels", SCHEMA_NUMBERED, mmu_config, level, levels, MMU_MAX_LEVELS, level,
         "how each TLB level is looked up; null or {}: no levels"),
    MANY("tlb", SCHEMA_NAMED, mmu_config, tlb, tlbs, MMU_MAX_TLBS, tlb,
         "TLB structures; null or {}: none, and then there can be no levels either"),
    MAP("psc", mmu_config, psc, psc, "paging-structure caches"),
    MAP("walk", mmu_config, walk, walk, "page walkers"),
    MAP("memory", mmu_config, memory, memory, "what page-table reads and data cost"),
    MAP("pager", mmu_config, pager, pager, "the demand pager, for traces without a kernel"),
    MAP("barrier", mmu_config, barrier, barrier, "operations that wait for all before them"),
    {.key = "os",
     .type = SCHEMA_MAP,
     AT(mmu_config, os),
     .child = os,
     .gate = SCHEMA_IF_OS,
     .doc = "the machine has a kernel, instead of the pager; null: none"},
    END,
};

const struct schema *const config_schema = root;
