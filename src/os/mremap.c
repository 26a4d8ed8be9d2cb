/*
 * mremap.c: a mapping made longer, shorter, or moved with its pages.
 *
 * Models mm/mremap.c of Linux 6.1. Left out: MREMAP_DONTUNMAP; an old length of 0 (a second mapping of shared
 * pages).
 */
#include "linux_errno.h"
#include "memory.h"
#include "task.h"

#include <inttypes.h>

struct remap {
    mmu_va from, to; /* to: with MREMAP_FIXED */
    uint64_t old_length, new_length;
    int flags;
};

static const char *refuse(const struct remap *r)
{
    if (r->flags & ~(MMU_MREMAP_MAYMOVE | MMU_MREMAP_FIXED))
        return "unknown flags";
    if (r->flags == MMU_MREMAP_FIXED)
        return "MREMAP_FIXED without MREMAP_MAYMOVE";
    if (r->from & PAGE_MASK)
        return "an address that is no multiple of the page size";
    if (r->new_length == 0)
        return "a new length of 0, or one that wraps around";
    return NULL;
}

/* What is wrong with a given place; NULL: nothing. */
static const char *refuse_place(const struct mm *mm, const struct remap *r)
{
    if (r->to & PAGE_MASK)
        return "a new address that is no multiple of the page size";
    if (r->new_length > mm->task_size || r->to > mm->task_size - r->new_length)
        return "a new address outside user space";
    if (r->to < r->from + r->old_length && r->from < r->to + r->new_length)
        return "old and new place overlap";
    return NULL;
}

/* What the VMA that continues `vma` from an address on would be like at another. */
static struct vma_like likeness(const struct vma *vma, mmu_va from, mmu_va to)
{
    bool anonymous = !vma->file && !vma->links; /* its pages have no place in it yet (copy_vma()) */
    return (struct vma_like){.prot = vma->prot,
                             .flags = vma->flags,
                             .name = vma->name,
                             .file = vma->file,
                             .offset = anonymous ? to >> PAGE_SHIFT : vma_index(vma, from)};
}

static int too_many(struct mmu_os *os)
{
    return mm_error(os, "mremap", LINUX_ENOMEM, "vm.max_map_count mappings");
}

/* move_vma(): a VMA like the old one elsewhere, the page-table entries with it. */
static int move(struct mmu_os *os, struct mm *mm, const struct remap *r, mmu_va to)
{
    struct vma *old = vma_find(mm, r->from), *moved;
    const struct vma_like like = likeness(old, r->from, to);
    if (mm->vmas.count >= MAX_MAP_COUNT - 3)
        return too_many(os);
    int status = vma_add_alone(os, mm, to, to + r->new_length, &like, &moved);
    if (status != MMU_OS_DONE)
        return status;
    status = memory_vma_fork(os, old, moved);
    if (status == MMU_OS_DONE)
        status = memory_move(os, old, r->from, moved, to, r->old_length);
    if (status != MMU_OS_DONE) { /* back: the old tables are still there */
        REQUIRE(memory_move(os, moved, to, old, r->from, r->old_length) == MMU_OS_DONE);
        (void)vma_remove(os, mm, to, to + r->new_length);
        return status;
    }
    status = vma_remove(os, mm, r->from, r->from + r->old_length);
    vma_change(os, moved, moved->prot, moved->flags); /* joins it with its neighbours */
    return status;
}

/* Grows where it is, if it ends its VMA and nothing lies behind (vma_expandable()). */
static bool grows_in_place(const struct mm *mm, const struct vma *vma, const struct remap *r)
{
    mmu_va end = r->from + r->new_length;
    const struct vma *next = vma_next(vma);
    return r->from + r->old_length == vma->range.end && end > r->from && end <= mm->task_size &&
           (!next || next->range.start >= end);
}

/* vma_to_resize(): may this part of a VMA become longer, or move? DONE, or ERROR. */
static int check_old(struct mmu_os *os, const struct vma *vma, const struct remap *r)
{
    if (r->old_length == 0)
        return mm_error(os, "mremap", LINUX_EINVAL, "an old length of 0 at 0x%" PRIx64, r->from);
    if (r->old_length > vma->range.end - r->from)
        return mm_error(os, "mremap", LINUX_EFAULT, "0x%" PRIx64 "-0x%" PRIx64 " is not part of one mapping",
                        r->from, r->from + r->old_length);
    if (r->new_length == r->old_length)
        return MMU_OS_DONE;
    if (vma->name != VMA_ORDINARY)
        return mm_error(os, "mremap", LINUX_EFAULT, "0x%" PRIx64 " is in a mapping of the kernel's pages",
                        r->from);
    if ((vma->flags & VMA_ACCOUNT) && mm_overcommits(os, r->new_length - r->old_length))
        return mm_error(os, "mremap", LINUX_ENOMEM, "0x%" PRIx64 " bytes are more than all memory",
                        r->new_length);
    return MMU_OS_DONE;
}

/* Shrinking takes away what lies there, of however many VMAs. */
static int shrink(struct mmu_os *os, struct mm *mm, const struct remap *r)
{
    if (r->old_length > mm->task_size || r->from > mm->task_size - r->old_length)
        return mm_error(os, "mremap", LINUX_EINVAL, "0x%" PRIx64 " bytes at 0x%" PRIx64 " leave user space",
                        r->old_length, r->from);
    if (r->old_length == r->new_length)
        return MMU_OS_DONE;
    return vma_remove(os, mm, r->from + r->new_length, r->from + r->old_length);
}

/* mremap_to(): to a given place. What is mapped there goes, and what the old one has too much of, be it of
 * other VMAs, even if the call then fails. */
static int remap_to(struct mmu_os *os, struct mm *mm, struct remap *r)
{
    const char *why = refuse_place(mm, r);
    if (why)
        return mm_error(os, "mremap", LINUX_EINVAL, "0x%" PRIx64 " bytes to 0x%" PRIx64 ": %s", r->new_length,
                        r->to, why);
    if (mm->vmas.count + 2 >= MAX_MAP_COUNT - 3)
        return too_many(os);
    int status = vma_remove(os, mm, r->to, r->to + r->new_length);
    if (status == MMU_OS_DONE && r->old_length > r->new_length) {
        status = shrink(os, mm, r);
        r->old_length = r->new_length;
    }
    if (status == MMU_OS_DONE)
        status = check_old(os, vma_find(mm, r->from), r);
    if (status == MMU_OS_DONE && r->to < MMAP_MIN_ADDR)
        return mm_error(os, "mremap", LINUX_EPERM, "0x%" PRIx64 " is below vm.mmap_min_addr", r->to);
    return status == MMU_OS_DONE ? move(os, mm, r, r->to) : status;
}

static int grow_or_move(struct mmu_os *os, struct mm *mm, const struct remap *r, mmu_va *va)
{
    struct vma *vma = vma_find(mm, r->from);
    int status = check_old(os, vma, r);
    if (status != MMU_OS_DONE)
        return status;
    if (grows_in_place(mm, vma, r)) {
        vma_expand_up(os, vma, r->from + r->new_length);
        return MMU_OS_DONE;
    }
    *va = r->flags & MMU_MREMAP_MAYMOVE ? vma_gap(mm, r->new_length, 0) : 0;
    if (!*va)
        return mm_error(os, "mremap", LINUX_ENOMEM, "no room for 0x%" PRIx64 " bytes", r->new_length);
    return move(os, mm, r, *va);
}

static int remap(struct mmu_os *os, struct mm *mm, struct remap *r, mmu_va *va)
{
    const bool fixed = r->flags & MMU_MREMAP_FIXED;
    const struct vma *vma = vma_find(mm, r->from);
    if (!vma)
        return mm_error(os, "mremap", LINUX_EFAULT, "nothing is mapped at 0x%" PRIx64, r->from);
    *va = fixed ? r->to : r->from;
    if (!fixed && r->new_length <= r->old_length)
        return shrink(os, mm, r);
    const bool locked = vma->flags & VMA_LOCKED;
    int status = fixed ? remap_to(os, mm, r) : grow_or_move(os, mm, r, va);
    if (status == MMU_OS_DONE && locked && r->new_length > r->old_length)
        status = mm_populate(os, mm, *va + r->old_length, *va + r->new_length);
    return status == MMU_OS_EXHAUSTED ? MMU_OS_DONE : status; /* what cannot be brought in now will fault */
}

int mmu_os_mremap(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t old_length, uint64_t new_length,
                  int flags, mmu_va new_addr, mmu_va *va)
{
    struct task *t = task_with_mm(os, "mremap", pid);
    const uint64_t mask = ~(uint64_t)PAGE_MASK;
    struct remap r = {addr, new_addr, (old_length + PAGE_MASK) & mask, (new_length + PAGE_MASK) & mask,
                      flags};
    if (!t)
        return MMU_OS_ERROR;
    const char *why = refuse(&r);
    if (why)
        return mm_error(os, "mremap", LINUX_EINVAL, "0x%" PRIx64 " bytes at 0x%" PRIx64 ": %s", old_length,
                        addr, why);
    mmu_va result = addr;
    int status = remap(os, t->mm, &r, &result);
    if (status == MMU_OS_DONE)
        *va = result;
    return status;
}
