/*
 * mmusim/process.h: processes: address spaces that the kernel fills page by page.
 *
 * Tasks, their memory (mm_struct), VMAs, files and the page cache, and the faults that bring pages in: mm/
 * and kernel/fork.c of Linux 6.1, on the kernel of <mmusim/os.h>, whose rules for results, CPUs and ownership
 * hold here too. A task is named by its pid; a file by a number. Calls that name a pid run as if that task
 * made the system call; it need not be the one that a CPU runs. Calls that change something are ERROR with
 * ESRCH where there is no such task, questions are REFUSED.
 *
 * Accesses are made by a core (mmu_core_access(), mmu_core_run()) in the address space that it has loaded:
 * mmu_os_schedule() chooses the task. A page fault goes to the kernel, which resolves it or not; what became
 * of the latest unresolved one is told by mmu_os_signal().
 *
 * Left out: huge pages, swap, migration, reclaim (a page changes its frame by copy-on-write alone); user and
 * group ids; file names' directories; System V shared memory.
 */
#ifndef MMUSIM_PROCESS_H
#define MMUSIM_PROCESS_H

#include <mmusim/os.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ----- tasks ----- */

enum { MMU_COMM = 16 }; /* bytes of a task's name, terminated */

enum mmu_task_kind {
    MMU_TASK_PROCESS, /* leads a thread group, has a memory of its own or (after vfork) its parent's */
    MMU_TASK_THREAD,  /* shares its leader's memory */
    MMU_TASK_KERNEL   /* has none: borrows that of the task before it on its CPU (active_mm) */
};

/* What is known of a task. */
struct mmu_os_task {
    uint32_t pid, tgid, parent;
    uint32_t kind; /* enum mmu_task_kind */
    bool running;  /* a CPU has it now */
    uint32_t cpu;  /* where it runs, or ran last */
    char comm[MMU_COMM];
    uint64_t mm;       /* number of its memory, 0: none; threads and vfork's child show their leader's */
    uint32_t mm_users; /* tasks that share it */
    mmu_pa root;       /* of its page directory (pgd); a kernel thread: of what it borrows, 0: none */
    mmu_va start_code, end_code, start_data, end_data, start_brk, brk, start_stack, mmap_base, task_size;
    uint64_t total_vm, locked_vm, data_vm, exec_vm, stack_vm; /* pages */
    uint64_t rss_anon, rss_file, rss_shmem;                   /* pages; the zero page is none of them */
    uint64_t page_table_bytes;                                /* VmPTE */
    uint64_t minor_faults, major_faults;
};
/* DONE, or REFUSED: no such task. */
MMU_API int mmu_os_task(const struct mmu_os *os, uint32_t pid, struct mmu_os_task *task);
/* Calls each() for every task, by pid. */
MMU_API void mmu_os_tasks(const struct mmu_os *os, void (*each)(void *ctx, const struct mmu_os_task *task),
                          void *ctx);
/* The task that a core runs: its pid; 0: the idle task, which has swapper_pg_dir loaded. */
MMU_API uint32_t mmu_os_current(const struct mmu_os *os, uint32_t cpu);

/* A new process with an empty address space but for its stack; its break stands where a program's would that
 * may lie anywhere (ELF_ET_DYN_BASE); its first instruction is the caller's affair. comm NULL: "init". */
MMU_API int mmu_os_spawn(struct mmu_os *os, const char *comm, uint32_t *pid);
/* kernel_clone() (kernel/fork.c): fork copies the memory (copy-on-write), vfork and clone share it. */
MMU_API int mmu_os_fork(struct mmu_os *os, uint32_t pid, uint32_t *child);
MMU_API int mmu_os_vfork(struct mmu_os *os, uint32_t pid, uint32_t *child);
MMU_API int mmu_os_clone(struct mmu_os *os, uint32_t pid, uint32_t *thread);
MMU_API int mmu_os_kthread(struct mmu_os *os, const char *comm, uint32_t *pid);
/* do_exit() of one task; the memory goes with its last user. A task that a CPU runs gives way to idle. */
MMU_API int mmu_os_exit(struct mmu_os *os, uint32_t pid);
/* context_switch() (kernel/sched/core.c) on this CPU; pid 0: idle. A kernel thread and idle keep the tables
 * that are loaded (lazy TLB). */
MMU_API int mmu_os_schedule(struct mmu_os *os, uint32_t pid);

/*
 * execve() of an ELF program (fs/binfmt_elf.c): a new address space with its segments, bss, interpreter,
 * heap, stack with argv, environment and auxiliary vector (written: exec touches the stack). path is a file
 * of the host; its content backs the mappings. A 64-bit kernel runs 32-bit programs, too: they have 4 GiB
 * but for two pages. An ELF file that is none, or not for this architecture: ERROR with ENOEXEC and the byte
 * offset in the text.
 */
struct mmu_os_exec {
    const char *path;
    const char *const *argv; /* NULL-terminated; NULL: {path} */
    const char *const *envp; /* NULL-terminated; NULL: none */
    const char *sysroot;     /* before the interpreter's path; NULL: "" */
};
MMU_API int mmu_os_exec(struct mmu_os *os, uint32_t pid, const struct mmu_os_exec *how, mmu_va *entry);

/* Replaces a process's address space by what a /proc/PID/maps text says (files become mappings of files of
 * the same name that read as a pattern). MMU_OS_DONE; ERROR with EINVAL: line and column are in err. */
MMU_API int mmu_os_import_maps(struct mmu_os *os, uint32_t pid, const char *text, size_t size,
                               const char *origin, struct mmu_error *err);

/* ----- files ----- */

/* A file: its content is a host file's (path), or a pattern of (file, page) when path is NULL. One name is
 * one file: asking again gives the same number (size 0: whatever it has). */
MMU_API int mmu_os_file(struct mmu_os *os, const char *name, const char *path, uint64_t size, uint32_t *file);
struct mmu_os_file_info {
    uint32_t file;
    uint64_t size;          /* bytes; an access to a page behind it is SIGBUS */
    uint64_t cached, dirty; /* pages in the page cache */
    char name[256];
};
MMU_API int mmu_os_file_info(const struct mmu_os *os, uint32_t file, struct mmu_os_file_info *info);
/* sync(): writes dirty pages back (they stay cached). drop_caches: drops clean pages that nobody maps. */
MMU_API void mmu_os_sync(struct mmu_os *os);
MMU_API void mmu_os_drop_caches(struct mmu_os *os);

/* ----- memory calls ----- */

enum { MMU_PROT_NONE = 0, MMU_PROT_READ = 1, MMU_PROT_WRITE = 2, MMU_PROT_EXEC = 4 }; /* PROT_* */
enum {                                                                                /* MAP_* of x86 */
       MMU_MAP_SHARED = 0x01,
       MMU_MAP_PRIVATE = 0x02,
       MMU_MAP_FIXED = 0x10,
       MMU_MAP_ANONYMOUS = 0x20,
       MMU_MAP_GROWSDOWN = 0x100,
       MMU_MAP_DENYWRITE = 0x800,   /* without effect */
       MMU_MAP_EXECUTABLE = 0x1000, /* without effect */
       MMU_MAP_LOCKED = 0x2000,
       MMU_MAP_NORESERVE = 0x4000, /* may be larger than all memory */
       MMU_MAP_POPULATE = 0x8000,
       MMU_MAP_NONBLOCK = 0x10000, /* takes MMU_MAP_POPULATE away */
       MMU_MAP_STACK = 0x20000,    /* without effect */
       MMU_MAP_FIXED_NOREPLACE = 0x100000,
};
enum { MMU_MADV_WILLNEED = 3, MMU_MADV_DONTNEED = 4, MMU_MADV_FREE = 8 };
enum { MMU_MREMAP_MAYMOVE = 1, MMU_MREMAP_FIXED = 2 };

/* The system calls, with Linux's arguments. ERROR: report->error is the errno; ESRCH when there is no such
 * task, EINVAL for flags and protections that are not in the lists above. offset is in bytes. file is not
 * looked at with MMU_MAP_ANONYMOUS. */
MMU_API int mmu_os_mmap(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t length, int prot, int flags,
                        uint32_t file, uint64_t offset, mmu_va *va);
MMU_API int mmu_os_munmap(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t length);
MMU_API int mmu_os_mprotect(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t length, int prot);
MMU_API int mmu_os_mremap(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t old_length,
                          uint64_t new_length, int flags, mmu_va new_addr, mmu_va *va);
/* brk(): *brk is the break afterwards; 0 asks. */
MMU_API int mmu_os_brk(struct mmu_os *os, uint32_t pid, mmu_va to, mmu_va *brk);
MMU_API int mmu_os_madvise(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t length, int advice);
MMU_API int mmu_os_msync(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t length);
MMU_API int mmu_os_mlock(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t length, bool lock);

/* Contents: real bytes, as process_vm_readv() and process_vm_writev() have them (mm/process_vm_access.c):
 * pages are brought in, protections of the VMA hold. ERROR with EFAULT. */
MMU_API int mmu_os_peek(struct mmu_os *os, uint32_t pid, mmu_va va, void *to, size_t size);
MMU_API int mmu_os_poke(struct mmu_os *os, uint32_t pid, mmu_va va, const void *from, size_t size);

/* ----- faults ----- */

/* How an access ended that the kernel could not let through. X(name, text) */
#define MMU_OS_SIGNALS(X)                                                                                    \
    X(NONE, "none")                                                                                          \
    X(SEGV_MAPERR, "SIGSEGV: no VMA at this address")                                                        \
    X(SEGV_ACCERR, "SIGSEGV: the VMA forbids this access")                                                   \
    X(SEGV_PKUERR, "SIGSEGV: a protection key forbids this access")                                          \
    X(BUS_ADRERR, "SIGBUS: behind the end of the file")                                                      \
    X(EFAULT, "the kernel's access to user memory failed: -EFAULT")                                          \
    X(OOM, "no memory: the task would be killed")                                                            \
    X(OOPS, "the kernel accessed an address that it must not: oops")

enum mmu_os_signal_kind {
#define MMU_X(name, text) MMU_SIG_##name,
    MMU_OS_SIGNALS(MMU_X)
#undef MMU_X
        MMU_OS_SIGNAL_KINDS
};
struct mmu_os_signal {
    uint32_t kind; /* enum mmu_os_signal_kind */
    uint32_t pid;
    mmu_va address; /* si_addr, CR2 */
    uint32_t error_code;
};
MMU_API const char *mmu_os_signal_text(enum mmu_os_signal_kind kind); /* never NULL */
/* The latest on a CPU since the last call; kind NONE: there was none. */
MMU_API void mmu_os_signal(struct mmu_os *os, uint32_t cpu, struct mmu_os_signal *signal);

/* Counts of the whole kernel, as /proc/vmstat names them. X(name, text) */
#define MMU_OS_VMSTAT(X)                                                                                     \
    X(pgfault, "page faults resolved")                                                                       \
    X(pgmajfault, "of these, with a page read from its file")                                                \
    X(fault_zero, "anonymous reads: the zero page was mapped")                                               \
    X(fault_anon, "anonymous writes: a page was allocated")                                                  \
    X(fault_file, "pages of files mapped by faults")                                                         \
    X(fault_around, "pages of files mapped beside them (fault-around)")                                      \
    X(fault_cow, "copies made on a write")                                                                   \
    X(fault_reuse, "writes to a page that nobody shares any more: made writable in place")                   \
    X(fault_mkwrite, "first writes to clean shared file pages (write-notify)")                               \
    X(fault_stack, "stack extended")                                                                         \
    X(fault_vmalloc, "kernel entries copied to a page directory")                                            \
    X(fault_spurious, "faults on entries that permit the access")                                            \
    X(switches, "context switches")                                                                          \
    X(switches_mm, "of these, with another page directory loaded")

struct mmu_os_vmstat {
#define MMU_X(name, text) uint64_t name;
    MMU_OS_VMSTAT(MMU_X)
#undef MMU_X
};
MMU_API void mmu_os_vmstat(const struct mmu_os *os, struct mmu_os_vmstat *to);

/* ----- views ----- */

enum mmu_task_view {
    MMU_VIEW_MAPS,   /* /proc/PID/maps */
    MMU_VIEW_SMAPS,  /* /proc/PID/smaps */
    MMU_VIEW_STATUS, /* /proc/PID/status: the memory's lines */
    MMU_TASK_VIEWS
};
/* As mmu_os_view(). 0 for a pid that does not exist. */
MMU_API size_t mmu_os_task_view(const struct mmu_os *os, uint32_t pid, enum mmu_task_view view, char *buf,
                                size_t size);
/* /proc/PID/pagemap: n entries from the page of va on. REFUSED: no such task. */
MMU_API int mmu_os_pagemap(const struct mmu_os *os, uint32_t pid, mmu_va va, size_t n, uint64_t *to);
/* /proc/kpageflags and /proc/kpagecount of a frame. */
MMU_API uint64_t mmu_os_kpageflags(const struct mmu_os *os, mmu_pfn pfn);
MMU_API uint64_t mmu_os_kpagecount(const struct mmu_os *os, mmu_pfn pfn);

/* One VMA. */
struct mmu_os_vma {
    mmu_va start, end; /* [start, end) */
    int prot, flags;   /* PROT_*, MAP_* */
    uint32_t file;     /* 0: anonymous */
    uint64_t offset;   /* in bytes */
    uint64_t anon_vma; /* number of its anon_vma, 0: none yet */
    const char *name;  /* as maps prints it: a file's, "[heap]", "[stack]", "" */
};
/* The VMA that holds va, or the next above it; REFUSED: there is none. */
MMU_API int mmu_os_vma(const struct mmu_os *os, uint32_t pid, mmu_va va, struct mmu_os_vma *vma);

/* Reverse mapping (mm/rmap.c): calls each() for every place at which a frame is mapped in processes. */
struct mmu_os_mapping {
    uint32_t pid; /* the thread group that maps it */
    mmu_va va;
    uint64_t entry;
};
MMU_API void mmu_os_rmap(struct mmu_os *os, mmu_pfn pfn,
                         void (*each)(void *ctx, const struct mmu_os_mapping *where), void *ctx);

/* Why an address is as it is, for people. */
enum mmu_why {
    MMU_WHY_UNALLOCATED,           /* no VMA: an access is SIGSEGV */
    MMU_WHY_UNTOUCHED,             /* a VMA, but no page yet: the first access brings it */
    MMU_WHY_UNTOUCHED_FILE_CACHED, /* ... a minor fault: the page cache has it */
    MMU_WHY_UNTOUCHED_FILE,        /* ... a major fault: it is read from the file */
    MMU_WHY_MAPPED,                /* a present entry */
    MMU_WHY_MAPPED_ZERO,           /* ... of the zero page */
    MMU_WHY_MAPPED_COW,            /* ... write-protected: a write copies the page */
    MMU_WHY_PROT_NONE,             /* the VMA forbids every access */
    MMU_WHY_STACK_GAP,             /* below the stack: an access extends it */
    MMU_WHY_KERNEL,                /* the kernel's part: a user access is SIGSEGV */
    MMU_WHY_NON_CANONICAL,
    MMU_WHYS
};
struct mmu_os_why {
    uint32_t why;   /* enum mmu_why */
    bool in_tlb;    /* the CPU's TLBs hold the translation */
    bool mapped;    /* the tables have a present entry */
    mmu_pa pa;      /* of what is mapped, or kept by PROT_NONE; else 0 */
    char text[384]; /* one or two sentences */
};
/* pid 0: the idle task, which has no user part. REFUSED: no such task. */
MMU_API int mmu_os_why(struct mmu_os *os, uint32_t pid, mmu_va va, struct mmu_os_why *why);

#ifdef __cplusplus
}
#endif
#endif
