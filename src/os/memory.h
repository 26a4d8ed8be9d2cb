/*
 * memory.h: the pages of address spaces: what page tables hold, and who changes it.
 *
 * Models mm/memory.c, mm/mprotect.c, mm/mremap.c (move_page_tables) and mm/gup.c of Linux 6.1, for 4-KByte
 * pages. The counters of struct mm that count pages are kept here; VMAs are given, never changed (mm.h).
 */
#ifndef OS_MEMORY_H
#define OS_MEMORY_H

#include "mm.h"

/* How a fault ended: 0 (the access can be tried again), a negative status (host memory), or a signal. */
struct memory_fault {
    mmu_va va;
    bool write, fetch;
    bool major;                     /* out: a page was read from its file */
    enum mmu_os_signal_kind signal; /* out */
};

/* handle_mm_fault() on a VMA whose rights allow the access. */
int memory_fault(struct mmu_os *os, struct vma *vma, struct memory_fault *fault);
/* copy_page_range(): fork's child gets the parent's entries; private writable ones are write-protected in
 * both. 0, MMU_OS_EXHAUSTED (what was copied stays, for memory_zap()), or a negative status. */
int memory_copy(struct mmu_os *os, const struct vma *from, struct vma *to);
/* Flushes the parent's TLBs once all of its VMAs are copied. */
void memory_copied(struct mmu_os *os, struct mm *from);
/* zap_page_range(): clears the entries in [start, end) of a VMA, drops references, flushes. */
void memory_zap(struct mmu_os *os, struct vma *vma, mmu_va start, mmu_va end);
/* free_pgtables(): gives back the page tables that span nothing but [floor, ceiling), where no VMA is left.
 */
void memory_free_tables(struct mmu_os *os, struct mm *mm, mmu_va floor, mmu_va ceiling);
/* change_protection(): brings the entries of [start, end) to vma->prot, which was changed; flushes. */
void memory_protect(struct mmu_os *os, struct vma *vma, mmu_va start, mmu_va end);
/* move_page_tables(): the entries of [from, from + size) of one VMA to another's addresses. As memory_copy().
 */
int memory_move(struct mmu_os *os, struct vma *old, mmu_va from, struct vma *new_vma, mmu_va to,
                uint64_t size);
/* populate: faults every page of [start, end) in, writable ones for writing. As memory_fault(). */
int memory_populate(struct mmu_os *os, struct vma *vma, mmu_va start, mmu_va end,
                    enum mmu_os_signal_kind *signal);
/* madvise(): MADV_WILLNEED brings a file's pages into the cache; MADV_FREE lets the kernel drop anonymous
 * pages that are not written again. msync(): writes a shared file's dirty pages back. 0 or a negative status.
 */
int memory_read_ahead(struct mmu_os *os, const struct vma *vma, mmu_va start, mmu_va end);
void memory_lazy_free(struct mmu_os *os, struct vma *vma, mmu_va start, mmu_va end);
int memory_sync(struct mmu_os *os, const struct vma *vma, mmu_va start, mmu_va end);
/* access_process_vm(): reads or writes bytes; brings pages in. Bytes done, or a negative status. */
int64_t memory_access(struct mmu_os *os, struct mm *mm, mmu_va va, void *bytes, size_t size, bool write);
/* Bytes of the page tables of the user part (VmPTE). */
uint64_t memory_table_bytes(const struct mmu_os *os, const struct mm *mm);
/* Frees the host's side of a mm whose machine goes: VMAs, links of the reverse mapping. */
void memory_forget(struct mm *mm);
/* Counts of references and mappings, reverse mapping, rss, against the page tables of all mms. */
void memory_check(const struct mmu_os *os);

/*
 * VMAs come and go; the reverse mapping follows (rmap.h). Called by vma.c: memory_vma_new() after a VMA was
 * made that has no pages yet; memory_vma_split() when `upper` was cut off `vma`; memory_vma_fork() when
 * `child` was made like `parent`; memory_vma_merge() before `gone`, which continues `kept`, becomes part of
 * it; memory_vma_gone() before a VMA without pages is freed. Those that return an int: 0 or MMU_ERR_NOMEM.
 */
int memory_vma_new(struct mmu_os *os, struct vma *vma);
int memory_vma_split(struct mmu_os *os, struct vma *vma, struct vma *upper);
int memory_vma_fork(struct mmu_os *os, struct vma *parent, struct vma *child);
/* May a VMA that is new, or was changed, become one with a neighbour, as far as anonymous pages go
 * (is_mergeable_anon_vma())? Not so one that has some with one that has none; the other way round it may. */
bool memory_vma_joins(const struct vma *vma, const struct vma *near);
/* May both its neighbours become one with it? */
bool memory_vma_meets(const struct vma *below, const struct vma *above);
void memory_vma_merge(struct mmu_os *os, struct vma *kept, struct vma *gone);
void memory_vma_gone(struct mmu_os *os, struct vma *vma);

#endif
