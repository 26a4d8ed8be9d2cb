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
           "each with its own TLBs, walkers, caches and clock; for programs that use the library: run "
           "replays on one"),
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
    END,
};

const struct schema *const config_schema = root;
