/*
 * mm.h: address spaces: struct mm and its VMAs.
 *
 * Models struct mm_struct and vm_area_struct (include/linux/mm_types.h), mm/mmap.c, mm/util.c of Linux 6.1.
 * What pages lie in a VMA is memory.h's affair.
 */
#ifndef OS_MM_H
#define OS_MM_H

#include "pgd.h"
#include "ranges.h"
#include <mmusim/process.h>

struct anon_vma_link; /* rmap.h */
struct file;          /* file.h */

/* VMAs of pages that the kernel gives every program; [heap] and [stack] are told by their addresses. */
enum vma_name { VMA_ORDINARY, VMA_VVAR, VMA_VDSO };

/* Bits of vma.flags beside MMU_MAP_SHARED: vm_flags that are no protection. */
enum {
    VMA_SHARED = 1,
    VMA_GROWSDOWN = 2,
    VMA_LOCKED = 4,
    VMA_ACCOUNT = 8, /* private, and writable once: its pages may have to be found (accountable_mapping()) */
    VMA_PFNMAP = 16, /* no page descriptors behind it: [vvar], [vsyscall] */
    VMA_KEYED = 32,  /* has the protection key that forbids all but fetches */
    VMA_NORESERVE = 64, /* never VMA_ACCOUNT */
};

/*
 * Invariants: start and end are multiples of 4096, inside the user part; no two of a mm overlap; file != NULL
 * or the VMA is anonymous; links is empty exactly if no page of it was ever anonymous here (rmap.h).
 */
struct vma {
    struct range range; /* of mm.vmas */
    struct mm *mm;
    uint32_t prot;  /* MMU_PROT_* */
    uint32_t flags; /* VMA_* */
    uint32_t name;  /* enum vma_name */
    struct file *file;
    uint64_t offset; /* in pages: of the file; anonymous: start >> 12 as it was when the first page came */
    struct anon_vma_link *links;
    struct vma *file_next, **file_link; /* file.vmas */
};

/*
 * Invariants: users is the number of tasks whose mm it is; borrowers that of the cores which have it in
 * procs.active without its task; one of them is not 0; total_vm, locked_vm and the like are sums over vmas;
 * rss are the present entries of the page tables by kind, without the zero page and VMA_PFNMAP.
 */
struct mm {
    struct mm *next;
    uint64_t number;    /* never reused, from 1 */
    uint32_t users;     /* tasks */
    uint32_t borrowers; /* cores that idle or run a kernel thread on its tables (mm_count) */
    struct mmu_os_pgd *pgd;
    struct ranges vmas;
    mmu_va task_size, mmap_base, stack_top; /* where things lie (mm_lay_out()) */
    bool read_implies_exec;                 /* its program is old: what may be read may be executed */
    mmu_va dyn_base;                        /* of programs that may lie anywhere (ELF_ET_DYN_BASE) */
    mmu_va start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
    uint64_t total_vm, locked_vm, data_vm, exec_vm, stack_vm; /* pages */
    uint64_t rss_anon, rss_file, rss_shmem;                   /* pages */
    uint64_t peak_vm, peak_rss; /* pages; as they were before the latest that went (hiwater_vm, _rss) */
    uint64_t minor_faults, major_faults;
};

/* The VMA that holds va; NULL: none. */
static inline struct vma *vma_find(const struct mm *mm, mmu_va va)
{
    return (struct vma *)ranges_find(&mm->vmas, va);
}
/* The VMA that holds va or the next one above it (find_vma()). */
static inline struct vma *vma_from(const struct mm *mm, mmu_va va)
{
    return (struct vma *)ranges_from(&mm->vmas, va);
}
static inline uint64_t vma_pages(const struct vma *vma)
{
    return (vma->range.end - vma->range.start) >> PAGE_SHIFT;
}
/* The page of its file (or the index of an anonymous page) at an address (linear_page_index()). */
static inline uint64_t vma_index(const struct vma *vma, mmu_va va)
{
    return ((va - vma->range.start) >> PAGE_SHIFT) + vma->offset;
}

/* What rights and sharing say of VMA_ACCOUNT. */
static inline uint32_t vma_account(uint32_t prot, uint32_t flags)
{
    return (prot & MMU_PROT_WRITE) && !(flags & (VMA_SHARED | VMA_NORESERVE)) ? VMA_ACCOUNT : 0;
}
/* What rights say of VMA_KEYED (execute_only_pkey()): whose only right is to be executed gets the key that
 * enforces it, where there are keys. */
uint32_t vma_key(const struct mmu_os *os, uint32_t prot);
/* Before pages or VMAs go (update_hiwater_rss(), update_hiwater_vm()). */
static inline void mm_note_peak(struct mm *mm)
{
    uint64_t rss = mm->rss_anon + mm->rss_file + mm->rss_shmem;
    mm->peak_rss = rss > mm->peak_rss ? rss : mm->peak_rss;
    mm->peak_vm = mm->total_vm > mm->peak_vm ? mm->total_vm : mm->peak_vm;
}

/* The rights that a call that asks for some gives (READ_IMPLIES_EXEC). */
static inline uint32_t mm_prot(const struct mm *mm, uint32_t prot)
{
    return mm->read_implies_exec && (prot & MMU_PROT_READ) ? prot | MMU_PROT_EXEC : prot;
}

/* The first VMA; the one above another; NULL: none. */
static inline struct vma *vma_first(const struct mm *mm)
{
    return vma_from(mm, 0);
}
static inline struct vma *vma_next(const struct vma *vma)
{
    return vma_from(vma->mm, vma->range.end);
}

/* A mm with an empty page directory and users = 1: 0 with *out set, MMU_OS_EXHAUSTED, a negative status. */
int mm_create(struct mmu_os *os, struct mm **out);
/* Where its things lie if it is for a program of 64 bits, or of 32; mm_create() takes what the kernel has
 * itself. */
void mm_lay_out(const struct mmu_os *os, struct mm *mm, bool wide);
/* One user less: the last one takes VMAs, pages and tables along (mmput()). One borrower less (mmdrop()).
 * When there is neither, the page directory goes too; no core may have it loaded then. */
void mm_put(struct mmu_os *os, struct mm *mm);
void mm_drop(struct mmu_os *os, struct mm *mm);
/* dup_mmap(): a copy of all VMAs and, copy-on-write, of their pages. As mm_create(). */
int mm_copy(struct mmu_os *os, struct mm *from, struct mm **out);
/* Takes all VMAs away and begins afresh (exec_mmap()). */
void mm_clear(struct mmu_os *os, struct mm *mm);
void mm_check(const struct mm *mm);

/* What a VMA is like, apart from where it lies. */
struct vma_like {
    uint32_t prot, flags, name;
    struct file *file;
    uint64_t offset;
};
/* Puts a VMA where no other is, as one with its neighbours if they are alike (vma_merge()). 0 with *out the
 * VMA that holds it (out may be NULL), or MMU_ERR_NOMEM. */
int vma_add(struct mmu_os *os, struct mm *mm, mmu_va start, mmu_va end, const struct vma_like *like,
            struct vma **out);
/* The same without joining: for fork, whose copies keep their parents' bounds. */
int vma_add_alone(struct mmu_os *os, struct mm *mm, mmu_va start, mmu_va end, const struct vma_like *like,
                  struct vma **out);
/* Cuts a VMA in two at a page inside it. 0 or MMU_ERR_NOMEM. The upper part is new. */
int vma_split(struct mmu_os *os, struct vma *vma, mmu_va at);
/* Makes [start, end), which VMAs cover, begin and end at VMAs' ends. 0 or MMU_ERR_NOMEM. */
int vma_isolate(struct mmu_os *os, struct mm *mm, mmu_va start, mmu_va end);
/* Changes what a whole VMA is like, and joins it with neighbours that are alike now. Returns the VMA that
 * holds it. */
struct vma *vma_change(struct mmu_os *os, struct vma *vma, uint32_t prot, uint32_t flags);
/* Makes a VMA longer, up to the next one at most, and joins it with that if they are alike. */
void vma_expand_up(struct mmu_os *os, struct vma *vma, mmu_va end);
/* Takes [start, end) away: pages, tables, VMAs (do_munmap()). 0 or MMU_ERR_NOMEM with nothing changed. */
int vma_remove(struct mmu_os *os, struct mm *mm, mmu_va start, mmu_va end);
/* The highest room for size bytes below the mmap base, else the lowest above a third of the space
 * (arch_get_unmapped_area_topdown()); 0: none. A hint above 2^47 opens the whole space of five levels. */
mmu_va vma_gap(const struct mm *mm, uint64_t size, mmu_va hint);
/* First address that must stay free below a VMA (vm_start_gap()). */
mmu_va vma_start_gap(const struct vma *vma);
/* expand_stack(): grows a VMA_GROWSDOWN area down to va's page, within the stack limit and the guard gap.
 * False: the fault is SEGV_MAPERR. */
bool vma_expand_down(struct mmu_os *os, struct vma *vma, mmu_va va);

enum {
    MMAP_MIN_ADDR = 65536,      /* sysctl vm.mmap_min_addr */
    MAX_MAP_COUNT = 65530,      /* sysctl vm.max_map_count */
    STACK_LIMIT = 8 << 20,      /* RLIMIT_STACK */
    STACK_GUARD_GAP = 256 << 12 /* stack_guard_gap */
};

/* vm_enough_memory() in its heuristic mode: are this many bytes more than all memory? */
bool mm_overcommits(const struct mmu_os *os, uint64_t bytes);
/* Brings in what VMAs in [start, end) allow. 0, MMU_OS_EXHAUSTED, or a negative status. (mmap.c) */
int mm_populate(struct mmu_os *os, struct mm *mm, mmu_va start, mmu_va end);
/* ERROR with an errno, reported as call's. */
int mm_error(struct mmu_os *os, const char *call, int error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
