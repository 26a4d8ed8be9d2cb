/*
 * sim/script_table.c: every command of the language: its arguments, what it gives, what it does. Parsing,
 * checks, help, completion and documentation are made from it.
 */
#include "script_commands.h"

const char *const script_group_title[GROUP_GROUPS] = {
    [GROUP_KERNEL] = "Calls of the kernel",     [GROUP_PROCESS] = "Processes",
    [GROUP_MEMORY] = "System calls of memory",  [GROUP_FILE] = "Files and traces",
    [GROUP_ACCESS] = "Accesses and contents",   [GROUP_ASK] = "Questions to the hardware",
    [GROUP_ASK_OS] = "Questions to the kernel", [GROUP_ASK_TASK] = "Questions about processes",
};

static const char *const CACHES[] = {"WB", "WC", "UC-", "UC", "WT", NULL};
static const char *const ADVICES[] = {"MADV_WILLNEED", "MADV_DONTNEED", "MADV_FREE", NULL};
static const char *const KINDS[] = {"read", "write", "fetch", NULL};
static const char *const WHO[] = {"user", "kernel", "implicit", "uaccess", NULL}; /* enum script_who */

#define REQUIRED(n, t)                                                                                       \
    {                                                                                                        \
        .name = n, .type = TYPE_##t                                                                          \
    }
#define OPTIONAL(n, t, value)                                                                                \
    {                                                                                                        \
        .name = n, .type = TYPE_##t, .optional = true, .otherwise = value                                    \
    }
#define CHOICE(n, list, value)                                                                               \
    {                                                                                                        \
        .name = n, .type = TYPE_CHOICE, .optional = true, .otherwise = value, .words = list                  \
    }
#define KEYWORD(n, t, value)                                                                                 \
    {                                                                                                        \
        .name = n, .type = TYPE_##t, .keyword = true, .otherwise = value                                     \
    }
#define AS                                                                                                   \
    {                                                                                                        \
        .name = "as", .type = TYPE_CHOICE, .keyword = true, .otherwise = WHO_USER, .words = WHO              \
    }

/* Whose memory: the present task's unless told. */
#define PID    OPTIONAL("pid", NUMBER, 0)
#define OF_PID KEYWORD("pid", NUMBER, 0)

/* What an access gives. */
#define ACCESS_GIVES                                                                                         \
    "`outcome` (done, or why not), `pa`, `where` (L1, L2: that TLB level; walk; merge; nopaging), `page` "   \
    "(bytes), `faults` (resolved on the way) and `how` (with a kernel; zero, anon, file, around, cow, "      \
    "reuse, mkwrite, stack, vmalloc, spurious, as vmstat explains them, or major), `cycles`, `count`; of "   \
    "one that failed `address` and "                                                                         \
    "`error_code`"
#define ACCESS_ARGUMENTS                                                                                     \
    {                                                                                                        \
        REQUIRED("address", ADDRESS), KEYWORD("size", SIZE, 1), KEYWORD("count", SIZE, 1),                   \
            KEYWORD("stride", NUMBER, 0), AS                                                                 \
    }

/* clang-format off */
#define KERNEL(n, ...) {.name = n, .group = GROUP_KERNEL, .needs_os = true, __VA_ARGS__}
#define ACCESS(n, ...) {.name = n, .group = GROUP_ACCESS, __VA_ARGS__}
#define ASK(n, ...) {.name = n, .group = GROUP_ASK, __VA_ARGS__}
#define ASK_OS(n, ...) {.name = n, .group = GROUP_ASK_OS, .needs_os = true, __VA_ARGS__}
#define PROCESS(n, ...) {.name = n, .group = GROUP_PROCESS, .needs_os = true, __VA_ARGS__}
#define MEMORY(n, ...) {.name = n, .group = GROUP_MEMORY, .needs_os = true, __VA_ARGS__}
#define FILES(n, ...) {.name = n, .group = GROUP_FILE, .needs_os = true, __VA_ARGS__}
#define ASK_TASK(n, ...) {.name = n, .group = GROUP_ASK_TASK, .needs_os = true, __VA_ARGS__}
#define TASK_VIEW(n, what, file)                                                                             \
    ASK_TASK(n, .run = do_task_view, .which = MMU_VIEW_##what, .parameter = {PID},                           \
             .gives = "`lines`, and each line `Name: NUMBER` by its name", .help = "Prints " file ".")
#define SET_MEMORY(n, what, text)                                                                            \
    KERNEL("set_memory_" n, .run = do_set_memory, .which = MMU_SET_MEMORY_##what,                            \
           .parameter = {REQUIRED("address", ADDRESS), REQUIRED("pages", SIZE)}, .help = text)
#define VIEW(n, what, file)                                                                                  \
    ASK_OS(n, .run = do_view, .which = MMU_VIEW_##what,                                                      \
           .gives = "`lines`, and each line `Name: NUMBER` by its name", .help = "Prints " file ".")

const struct script_command script_commands[] = {
    KERNEL("alloc_pages", .run = do_alloc_pages, .gives = "`pfn` of the first page",
           .parameter = {REQUIRED("gfp", GFP), OPTIONAL("order", NUMBER, 0)},
           .help = "Allocates 2^order pages from the buddy allocator, from the zone that the mask asks for, or one below it."),
    KERNEL("__free_pages", .run = do_free_pages,
           .parameter = {REQUIRED("pfn", PFN), OPTIONAL("order", NUMBER, 0)},
           .help = "Drops a reference of what alloc_pages gave; the last one frees it."),
    KERNEL("__free_page", .run = do_free_pages, .parameter = {REQUIRED("pfn", PFN)}, .help = "__free_pages of one page."),
    KERNEL("__get_free_pages", .run = do_get_free_pages, .gives = "`va`, the kernel's address of the first page",
           .parameter = {REQUIRED("gfp", GFP), OPTIONAL("order", NUMBER, 0)},
           .help = "The same by address: pages of the direct map only, so __GFP_HIGHMEM is refused."),
    KERNEL("__get_free_page", .run = do_get_free_pages, .gives = "`va`, the kernel's address of the page",
           .parameter = {REQUIRED("gfp", GFP)}, .help = "__get_free_pages of one page."),
    KERNEL("free_pages", .run = do_free_pages_at,
           .parameter = {REQUIRED("address", ADDRESS), OPTIONAL("order", NUMBER, 0)},
           .help = "Frees what __get_free_pages gave, by its address."),
    KERNEL("free_page", .run = do_free_pages_at, .parameter = {REQUIRED("address", ADDRESS)}, .help = "free_pages of one page."),
    KERNEL("get_page", .run = do_get_page, .parameter = {REQUIRED("pfn", PFN)},
           .help = "One reference more to an allocated page."),
    KERNEL("put_page", .run = do_put_page, .parameter = {REQUIRED("pfn", PFN)},
           .help = "One reference less; the last one frees the page."),
    KERNEL("gfp_zone", .run = do_gfp_zone, .gives = "`zone`, `mask` in words", .parameter = {REQUIRED("gfp", GFP)},
           .help = "The zone that a mask asks for first on this kernel."),
    KERNEL("kmalloc", .run = do_kmalloc, .gives = "`va`",
           .parameter = {REQUIRED("size", NUMBER), OPTIONAL("gfp", GFP, MMU_GFP_KERNEL)},
           .help = "Physically contiguous memory from the slabs (up to 8192 bytes) or from alloc_pages; GFP_KERNEL unless told."),
    KERNEL("kfree", .run = do_kfree, .parameter = {REQUIRED("address", ADDRESS)}, .help = "Frees what kmalloc gave."),
    KERNEL("ksize", .run = do_ksize, .gives = "`size`", .parameter = {REQUIRED("address", ADDRESS)},
           .help = "How many bytes a kmalloc'ed object really has."),
    KERNEL("vmalloc", .run = do_vmalloc, .gives = "`va`", .parameter = {REQUIRED("size", NUMBER)},
           .help = "Virtually contiguous memory: frames one by one, from highmem first, and the entries of init_mm, all at the call."),
    KERNEL("vfree", .run = do_vfree, .parameter = {REQUIRED("address", ADDRESS)},
           .help = "Unmaps and frees at once; TLBs are purged later, and the addresses come back only then."),
    KERNEL("vmalloc_to_pfn", .run = do_vmalloc_to_pfn, .gives = "`pfn`", .parameter = {REQUIRED("address", ADDRESS)},
           .help = "vmalloc_to_page(): the frame behind an address of vmalloc."),
    KERNEL("vmalloc_purge", .run = do_vmalloc_purge, .help = "Flushes, and gives back all that vfree and iounmap left."),
    KERNEL("ioremap", .run = do_ioremap, .gives = "`va`",
           .parameter = {REQUIRED("pa", NUMBER), REQUIRED("size", NUMBER), CHOICE("cache", CACHES, MMU_CACHE_UC_MINUS)},
           .help = "Maps a device's physical addresses (never RAM) into the vmalloc area; the entries stand when it returns."),
    KERNEL("iounmap", .run = do_iounmap, .parameter = {REQUIRED("address", ADDRESS)}, .help = "Undoes ioremap."),
    KERNEL("kmap", .run = do_kmap, .gives = "`va`", .parameter = {REQUIRED("pfn", PFN)},
           .help = "A kernel address for a page: a PKMAP slot for a highmem page, else that of the direct map."),
    KERNEL("kunmap", .run = do_kunmap, .parameter = {REQUIRED("pfn", PFN)},
           .help = "Undoes kmap; the entry itself stays until the slots wrap around."),
    KERNEL("kmap_local", .run = do_kmap_local, .gives = "`va`", .parameter = {REQUIRED("pfn", PFN)},
           .help = "kmap_local_page(): a fixmap slot of this CPU, last in first out."),
    KERNEL("kunmap_local", .run = do_kunmap_local, .parameter = {REQUIRED("address", ADDRESS)}, .help = "Undoes the latest kmap_local."),
    KERNEL("fix_to_virt", .run = do_fix_to_virt, .gives = "`va`", .parameter = {REQUIRED("index", NUMBER)},
           .help = "The address of a fixmap index."),
    KERNEL("set_fixmap", .run = do_set_fixmap,
           .parameter = {REQUIRED("index", NUMBER), REQUIRED("pa", NUMBER), CHOICE("cache", CACHES, MMU_CACHE_WB)},
           .help = "Maps a physical page at a fixmap index."),
    KERNEL("clear_fixmap", .run = do_clear_fixmap, .parameter = {REQUIRED("index", NUMBER)}, .help = "Clears a fixmap index."),
    SET_MEMORY("ro", RO, "Makes pages of the kernel read-only, splitting large pages where it must."),
    SET_MEMORY("rw", RW, "Makes pages of the kernel writable."),
    SET_MEMORY("nx", NX, "Forbids fetches from pages of the kernel."),
    SET_MEMORY("x", X, "Allows fetches from pages of the kernel."),
    SET_MEMORY("uc", UC, "Makes pages of the kernel uncached."),
    SET_MEMORY("wc", WC, "Makes pages of the kernel write-combining."),
    SET_MEMORY("wb", WB, "Makes pages of the kernel write-back, the ordinary memory type."),
    SET_MEMORY("np", NP, "Makes pages of the kernel not present."),
    SET_MEMORY("p", P, "Makes pages of the kernel present again."),
    KERNEL("sysctl", .run = do_sysctl,
           .parameter = {REQUIRED("name", TEXT), REQUIRED("value", NUMBER), OPTIONAL("value2", NUMBER, 0),
                         OPTIONAL("value3", NUMBER, 0), OPTIONAL("value4", NUMBER, 0), OPTIONAL("value5", NUMBER, 0)},
           .help = "Sets min_free_kbytes, watermark_scale_factor, or lowmem_reserve_ratio (a value for each zone)."),
    KERNEL("drain", .run = do_drain, .help = "Empties the per-CPU lists into the buddy allocator."),
    KERNEL("shrink_slabs", .run = do_shrink_slabs, .help = "Frees the slabs that are empty."),
    KERNEL("__va", .run = do_to_virtual, .gives = "`va`", .parameter = {REQUIRED("pa", NUMBER)},
           .help = "The direct map's address of a physical address: an addition."),
    KERNEL("__pa", .run = do_to_physical, .gives = "`pa`", .parameter = {REQUIRED("address", ADDRESS)},
           .help = "The physical address of an address of the direct map: a subtraction, right for no other."),
    KERNEL("virt_to_phys", .run = do_to_physical, .gives = "`pa`", .parameter = {REQUIRED("address", ADDRESS)}, .help = "The same as __pa."),
    KERNEL("phys_to_virt", .run = do_to_virtual, .gives = "`va`", .parameter = {REQUIRED("pa", NUMBER)}, .help = "The same as __va."),
    KERNEL("virt_to_page", .run = do_virt_to_page, .gives = "`pfn`", .parameter = {REQUIRED("address", ADDRESS)},
           .help = "The page of an address of the direct map: __pa() and a shift, too."),
    KERNEL("page_address", .run = do_page_address, .gives = "`va`, 0: it has none", .parameter = {REQUIRED("pfn", PFN)},
           .help = "The kernel's address of a page: in the direct map, or where it is kmapped."),
    PROCESS("spawn", .run = do_spawn, .gives = "`pid`", .parameter = {OPTIONAL("name", TEXT, 0)},
            .help = "A new process, whose address space is empty but for its stack."),
    PROCESS("fork", .run = do_fork, .which = 0, .gives = "`pid` of the child", .parameter = {PID},
            .help = "Copies the present task (or that one): its memory is shared page by page, copy-on-write."),
    PROCESS("vfork", .run = do_fork, .which = 1, .gives = "`pid` of the child", .parameter = {PID},
            .help = "A child that uses its parent's memory until it execs or exits."),
    PROCESS("clone", .run = do_fork, .which = 2, .gives = "`pid` of the thread", .parameter = {PID},
            .help = "A thread: a task with the same memory."),
    PROCESS("kthread", .run = do_kthread, .gives = "`pid`", .parameter = {REQUIRED("name", TEXT)},
            .help = "A kernel thread: a task without memory of its own."),
    PROCESS("exec", .run = do_exec, .gives = "`entry`, the address of the first instruction",
            .parameter = {REQUIRED("path", TEXT), OPTIONAL("arg1", TEXT, 0), OPTIONAL("arg2", TEXT, 0),
                          OPTIONAL("arg3", TEXT, 0), OPTIONAL("arg4", TEXT, 0), KEYWORD("sysroot", TEXT, 0)},
            .help = "The present task executes an ELF program of the host; its interpreter is looked for below sysroot."),
    PROCESS("exit", .run = do_exit, .parameter = {PID}, .help = "Ends a task; its memory goes with the last user."),
    PROCESS("switch", .run = do_switch, .parameter = {REQUIRED("pid", NUMBER)},
            .help = "This CPU runs that task from now on; 0: idle."),
    PROCESS("import_maps", .run = do_import_maps, .parameter = {REQUIRED("file", TEXT), OF_PID},
            .help = "Replaces the address space by what a text of /proc/PID/maps says."),
    MEMORY("mmap", .run = do_mmap, .gives = "`va`",
           .parameter = {REQUIRED("address", ADDRESS), REQUIRED("length", NUMBER), REQUIRED("prot", PROT), REQUIRED("flags", MAP),
                         OPTIONAL("file", NUMBER, 0), OPTIONAL("offset", NUMBER, 0), OF_PID},
           .help = "Makes a mapping: `mmap 0 64K PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS`. No page comes with it, unless MAP_POPULATE says so."),
    MEMORY("munmap", .run = do_munmap, .parameter = {REQUIRED("address", ADDRESS), REQUIRED("length", NUMBER), OF_PID},
           .help = "Removes mappings, and the pages behind them."),
    MEMORY("mprotect", .run = do_mprotect,
           .parameter = {REQUIRED("address", ADDRESS), REQUIRED("length", NUMBER), REQUIRED("prot", PROT), OF_PID},
           .help = "Changes the rights of mappings."),
    MEMORY("mremap", .run = do_mremap, .gives = "`va`",
           .parameter = {REQUIRED("address", ADDRESS), REQUIRED("old_length", NUMBER), REQUIRED("new_length", NUMBER),
                         {.name = "flags", .type = TYPE_MREMAP, .optional = true}, OPTIONAL("new_address", ADDRESS, 0), OF_PID},
           .help = "Makes a mapping longer or shorter, or moves it with its pages."),
    MEMORY("brk", .run = do_brk, .gives = "`brk`, the break afterwards", .parameter = {OPTIONAL("address", ADDRESS, 0), OF_PID},
           .help = "Moves the end of the heap; without an address: asks for it."),
    MEMORY("madvise", .run = do_madvise,
           .parameter = {REQUIRED("address", ADDRESS), REQUIRED("length", NUMBER),
                         {.name = "advice", .type = TYPE_CHOICE, .words = ADVICES}, OF_PID},
           .help = "MADV_DONTNEED gives pages back, MADV_FREE lets them go, MADV_WILLNEED reads a file's ahead."),
    MEMORY("msync", .run = do_msync, .parameter = {REQUIRED("address", ADDRESS), REQUIRED("length", NUMBER), OF_PID},
           .help = "Writes the dirty pages of shared file mappings back."),
    MEMORY("mlock", .run = do_mlock, .which = true, .parameter = {REQUIRED("address", ADDRESS), REQUIRED("length", NUMBER), OF_PID},
           .help = "Brings all pages in, and keeps them."),
    MEMORY("munlock", .run = do_mlock, .which = false, .parameter = {REQUIRED("address", ADDRESS), REQUIRED("length", NUMBER), OF_PID},
           .help = "Undoes mlock."),
    FILES("file", .run = do_file, .gives = "`file`, its number; `size`, and pages `cached` and `dirty`",
          .parameter = {REQUIRED("name", TEXT), OPTIONAL("size", NUMBER, 0), KEYWORD("path", TEXT, 0)},
          .help = "A file by its name: made with this size, or the one there is. Its content is that of the host's file `path`, or a pattern."),
    FILES("sync", .run = do_sync, .help = "Writes all dirty pages back; they stay cached."),
    FILES("drop_caches", .run = do_drop_caches, .help = "Drops clean pages of files that nobody maps."),
    {.name = "trace", .group = GROUP_FILE, .run = do_trace,
     .gives = "`references`, `faults` (resolved), `failed` (not resolved) and `first_failed`, the address of the first",
     .parameter = {REQUIRED("file", TEXT)}, .help = "Replays a trace in the present address space, whose areas it needs: `import_maps`, or `mmusim run`, which infers them."},
    ACCESS("cpu", .run = do_cpu, .parameter = {REQUIRED("number", NUMBER)},
           .help = "The statements that follow run on this CPU."),
    ACCESS("read", .run = do_access, .which = MMU_LOAD, .gives = ACCESS_GIVES, .parameter = ACCESS_ARGUMENTS,
           .help = "Reads through the MMU: `count` times, each `stride` (if not given: `size`) bytes further. A user's accesses, unless `as kernel`: an instruction of the kernel, for which a bad address is an oops; `as uaccess`: copy_from_user() and its kin, between STAC and CLAC, for which it is -EFAULT; `as implicit`: the processor's own, to a descriptor table. It stops at the first that cannot be done."),
    ACCESS("write", .run = do_access, .which = MMU_STORE, .gives = ACCESS_GIVES, .parameter = ACCESS_ARGUMENTS,
           .help = "The same, writing. No content changes: that is poke's."),
    ACCESS("fetch", .run = do_access, .which = MMU_FETCH, .gives = ACCESS_GIVES, .parameter = ACCESS_ARGUMENTS,
           .help = "The same, fetching instructions."),
    ACCESS("peek", .run = do_peek, .gives = "`value`", .parameter = {REQUIRED("address", ADDRESS), KEYWORD("size", SIZE, 8)},
           .help = "The bytes at an address, as a number; as process_vm_readv() reads them, taking no time."),
    ACCESS("poke", .run = do_poke,
           .parameter = {REQUIRED("address", ADDRESS), REQUIRED("value", NUMBER), KEYWORD("size", SIZE, 8)},
           .help = "Writes bytes at an address, as process_vm_writev() does: where the process may write."),
    ACCESS("phys", .run = do_phys, .gives = "`value`", .parameter = {REQUIRED("pa", NUMBER), KEYWORD("size", SIZE, 8)},
           .help = "The bytes at a physical address: a page-table entry, for example."),
    ASK("translate", .run = do_translate,
        .gives = "`pa`, `where` (L1, L2: that TLB level has it; walk: the tables have it; fault), `page` (bytes), `outcome` (done, PF, GP), and of a fault `error_code` and `cr2`",
        .parameter = {REQUIRED("address", ADDRESS), CHOICE("access", KINDS, 0), AS},
        .help = "What the MMU would do with an access now, and what it would find where. Nothing changes: no fill, no accessed flag."),
    ASK("walk", .run = do_walk,
        .gives = "`pa`, `outcome`, `page` (bytes), `levels` read, `level` of the last entry (PTE, PDE ...), `linux` (pte, pmd ...), `entry`, `at`, `root_entry`, and 0 or 1: `writable`, `user`, `nx`, `global`, `dirty`, `accessed`, `pcd`, `pwt`",
        .parameter = {REQUIRED("address", ADDRESS), CHOICE("access", KINDS, 0), AS},
        .help = "Walks the page tables from CR3, past the TLBs: each entry with the manual's name and with Linux's."),
    ASK("tlb", .run = do_tlb, .gives = "`entries`", .parameter = {OPTIONAL("address", ADDRESS, 0)},
        .help = "What the TLBs of this CPU hold; with an address: the entries that translate it."),
    ASK("stats", .run = do_stats, .gives = "`sum` of the counters whose name begins so",
        .parameter = {OPTIONAL("counter", TEXT, 0)},
        .help = "The counters of this CPU that are not 0; or those that one name stands for, as in `stats tlb.STLB.misses`."),
    ASK("registers", .run = do_registers, .gives = "`CR0`, `CR2`, `CR3`, `CR4`, `EFER`, `PKRU`, `PKRS`, `AC`, `CPL`, `mode`, `cycle`",
        .help = "The registers of this CPU that translation depends on."),
    ASK_OS("page", .run = do_page,
           .gives = "`use` (hole, reserved, free, pcp, kernel, slab, table, vmalloc, user, cache), `zone`, `refcount`, `mapcount`, `flags`, `order`, `head`, `pfn`, `pa`, `address`, `descriptor`, `migratetype`, `mapping`, `index`, `private`, `kpageflags`, `kpagecount`",
           .parameter = {REQUIRED("pfn", PFN)}, .help = "The descriptor (struct page) of a frame."),
    ASK_OS("kpageflags", .run = do_kpageflags, .gives = "`flags`, `names` of its bits", .parameter = {REQUIRED("pfn", PFN)},
           .help = "What /proc/kpageflags has of a frame."),
    ASK_OS("kpagecount", .run = do_kpagecount, .gives = "`count`", .parameter = {REQUIRED("pfn", PFN)},
           .help = "What /proc/kpagecount has of a frame: how often processes map it."),
    ASK_OS("zone", .run = do_zone,
           .gives = "`managed`, `free`, `pcp_free`, `allocated`, `exists`, `populated`, `start_pfn`, `end_pfn`, `spanned`, `present`, `min`, `low`, `high`, `pcp_batch`, `pcp_high`, `kswapd_wakes`, `direct_reclaims`, `failures`, `steals`",
           .parameter = {REQUIRED("zone", ZONE)}, .help = "The figures of a zone, in pages."),
    ASK_OS("blocks", .run = do_blocks, .gives = "`blocks`", .parameter = {REQUIRED("zone", ZONE), REQUIRED("order", NUMBER)},
           .help = "How many free blocks of an order a zone has, as buddyinfo counts them."),
    ASK_OS("totals", .run = do_totals,
           .gives = "`managed`, `free`, `pcp_free`, `allocated`, `present`, `low_managed`, `page_tables`, `slab`, `vmalloc`, `ignored`, `min_free_kbytes`, `totalreserve`, `max_pfn`, `max_low_pfn`, `high_memory`, `mem_map_bytes`",
           .help = "The figures of the whole machine, in pages."),
    VIEW("zoneinfo", ZONEINFO, "/proc/zoneinfo"),
    VIEW("buddyinfo", BUDDYINFO, "/proc/buddyinfo"),
    VIEW("pagetypeinfo", PAGETYPEINFO, "/proc/pagetypeinfo"),
    VIEW("meminfo", MEMINFO, "/proc/meminfo"),
    VIEW("vmallocinfo", VMALLOCINFO, "/proc/vmallocinfo"),
    VIEW("iomem", IOMEM, "/proc/iomem"),
    ASK_OS("layout", .run = do_layout, .gives = "`lines`", .help = "The map of the address space."),
    ASK_OS("region", .run = do_region, .gives = "`name`, `start`, `last`, `text`, `part` (of it, that has a name of its own)", .parameter = {REQUIRED("address", ADDRESS)},
           .help = "The part of the address space that an address is in."),
    ASK_OS("vmstat", .run = do_vmstat, .gives = "the counter", .parameter = {OPTIONAL("name", TEXT, 0)},
           .help = "What the kernel has counted of faults and switches, as /proc/vmstat."),
    ASK_OS("swapper", .run = do_swapper, .gives = "`mapped`, `pa`, `page` (bytes), `level` (0: PTE), `entry`, `at`, `root`",
           .parameter = {REQUIRED("address", ADDRESS)},
           .help = "What swapper_pg_dir, the kernel's own page directory, says of an address."),
    ASK_OS("rmap", .run = do_rmap, .gives = "`mappings`", .parameter = {REQUIRED("pfn", PFN)},
           .help = "Every place at which processes map a frame: the reverse mapping."),
    ASK_TASK("why", .run = do_why,
             .gives = "`why` (UNALLOCATED, UNTOUCHED, UNTOUCHED_FILE_CACHED, UNTOUCHED_FILE, MAPPED, MAPPED_ZERO, MAPPED_COW, PROT_NONE, STACK_GAP, KERNEL, NON_CANONICAL), `area` (that holds it), `mapped`, `in_tlb`, of what is mapped `pa`, and `text`",
             .parameter = {REQUIRED("address", ADDRESS), OF_PID}, .help = "Why an address is as it is: unallocated; allocated, not present; present; and the reason. Any address, the kernel's as well."),
    TASK_VIEW("maps", MAPS, "/proc/PID/maps"),
    TASK_VIEW("smaps", SMAPS, "/proc/PID/smaps"),
    TASK_VIEW("status", STATUS, "the memory's lines of /proc/PID/status"),
    ASK_TASK("vma", .run = do_vma,
             .gives = "`start`, `end`, `holds` (0: it lies above the address), `prot` (rwxp), `flags`, `file`, `offset`, `anon_vma`, `name`",
             .parameter = {REQUIRED("address", ADDRESS), OF_PID}, .help = "The VMA that holds an address, or the next one above it."),
    ASK_TASK("pgd", .run = do_pgd, .gives = "`root`, `swapper`, `cr3`, and of an address `index`, `entry`, `swapper_entry`, `same`",
             .parameter = {OPTIONAL("address", ADDRESS, 0), OF_PID},
             .help = "The page directory of a task (of idle: swapper_pg_dir), and what its top level has for an address beside what swapper_pg_dir has."),
    ASK_TASK("pagemap", .run = do_pagemap, .gives = "`entry`, `present`, `pfn`, `swapped`, `file`, `exclusive`, `soft_dirty`",
             .parameter = {REQUIRED("address", ADDRESS), OF_PID}, .help = "The entry of /proc/PID/pagemap, as Linux packs it."),
    ASK_TASK("task", .run = do_task,
             .gives = "`pid`, `tgid`, `parent`, `comm`, `kind`, `running`, `cpu`, `mm`, `users` (of the memory), `root` (of the page directory), `rss`, `rss_anon`, `rss_file`, `rss_shmem`, `total_vm`, `locked_vm` (pages), `page_table_bytes`, `minor_faults`, `major_faults`, and addresses: `start_code`, `end_code`, `start_data`, `end_data`, `start_brk`, `brk`, `start_stack`, `mmap_base`, `task_size`",
             .parameter = {PID}, .help = "What is known of a task."),
    ASK_TASK("tasks", .run = do_tasks, .gives = "`tasks`, their number", .help = "All tasks."),
    ASK_TASK("current", .run = do_current, .gives = "`pid`; 0: idle", .help = "The task that this CPU runs."),
};
/* clang-format on */

const size_t script_command_count = sizeof script_commands / sizeof *script_commands;
