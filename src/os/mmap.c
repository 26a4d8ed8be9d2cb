/*
 * mmap.c: the system calls that change an address space.
 *
 * Models do_mmap() and its kin of mm/mmap.c, mm/mprotect.c, mm/madvise.c,
 * mm/mlock.c, mm/msync.c of Linux 6.1; mremap.c has mremap(). Every file may be
 * mapped with any rights. Left out: limits other than the stack's, MAP_HUGETLB,
 * MAP_32BIT, MAP_SYNC; Linux overlooks bits of prot and flags that it does not
 * know, here they are EINVAL. Nothing is ever reserved; a private writable
 * mapping that is larger than all memory is refused, as the heuristic overcommit
 * does, unless MAP_NORESERVE.
 */
#include "file.h"
#include "linux_errno.h"
#include "memory.h"
#include "plan.h"
#include "task.h"

#include <inttypes.h>

static uint64_t page_up(uint64_t bytes)
{
    return (bytes + PAGE_MASK) & ~(uint64_t)PAGE_MASK;
}

/* Is [start, start + length) part of user space? length is in whole pages. */
static bool in_user_space(const struct mm *mm, mmu_va start, uint64_t length)
{
    return length <= mm->task_size && start <= mm->task_size - length;
}

/* ----- mmap ----- */

struct request {
    mmu_va addr;
    uint64_t length;
    int prot, flags;
    uint32_t file;
    uint64_t offset;
};

struct rule {
    bool wrong;
    int error;
    const char *why;
};

/* The first rule that is broken: its errno and, in *why, what it is; 0: none. */
static int first_wrong(const struct rule *rules, unsigned n, const char **why)
{
    for (unsigned i = 0; i < n; i++)
        if (rules[i].wrong) {
            *why = rules[i].why;
            return rules[i].error;
        }
    return 0;
}

/* What is wrong with the request, before a place is looked for: an errno, 0: nothing. *why tells it. */
static int refuse_request(const struct mm *mm, const struct request *r, const char **why)
{
    const int known = MMU_MAP_SHARED | MMU_MAP_PRIVATE | MMU_MAP_FIXED | MMU_MAP_ANONYMOUS |
                      MMU_MAP_GROWSDOWN | MMU_MAP_DENYWRITE | MMU_MAP_EXECUTABLE | MMU_MAP_LOCKED |
                      MMU_MAP_NORESERVE | MMU_MAP_POPULATE | MMU_MAP_NONBLOCK | MMU_MAP_STACK |
                      MMU_MAP_FIXED_NOREPLACE;
    bool fixed = r->flags & (MMU_MAP_FIXED | MMU_MAP_FIXED_NOREPLACE);
    const struct rule rules[] = {
        {r->length == 0, LINUX_EINVAL, "length 0"},
        {r->flags & ~known, LINUX_EINVAL, "unknown flags"},
        {r->prot & ~(MMU_PROT_READ | MMU_PROT_WRITE | MMU_PROT_EXEC), LINUX_EINVAL,
         "unknown protection bits"},
        {page_up(r->length) == 0 || page_up(r->length) > mm->task_size, LINUX_ENOMEM,
         "longer than user space"},
        {mm->vmas.count > MAX_MAP_COUNT, LINUX_ENOMEM, "vm.max_map_count mappings"},
        {fixed && !in_user_space(mm, r->addr, page_up(r->length)), LINUX_ENOMEM, "beyond user space"},
        {fixed && (r->addr & PAGE_MASK), LINUX_EINVAL,
         "MAP_FIXED at an address that is no multiple of the page size"},
        {fixed && r->addr < MMAP_MIN_ADDR, LINUX_EPERM, "below vm.mmap_min_addr"},
    };
    return first_wrong(rules, COUNT_OF(rules), why);
}

/* What is wrong with the kind of mapping, wherever it goes. As refuse_request(). */
static int refuse_kind(const struct request *r, const char **why)
{
    const int type = r->flags & (MMU_MAP_SHARED | MMU_MAP_PRIVATE);
    const bool named = !(r->flags & MMU_MAP_ANONYMOUS), shared = r->flags & MMU_MAP_SHARED;
    const uint64_t length = page_up(r->length);
    const struct rule rules[] = {
        {named && (length > FILE_SIZE_MAX || r->offset > FILE_SIZE_MAX - length), LINUX_EOVERFLOW,
         "an offset that no file has"},
        {type != MMU_MAP_SHARED && type != MMU_MAP_PRIVATE, LINUX_EINVAL,
         "neither MAP_SHARED nor MAP_PRIVATE"},
        {(r->flags & MMU_MAP_GROWSDOWN) && (named || shared), LINUX_EINVAL,
         "MAP_GROWSDOWN of a mapping that is not private and anonymous"},
    };
    return first_wrong(rules, COUNT_OF(rules), why);
}

/* Does no VMA lie in [start, start + length)? */
static bool is_free(const struct mm *mm, mmu_va start, uint64_t length)
{
    const struct vma *vma = vma_from(mm, start);
    return !vma || vma->range.start >= start + length;
}

/* Is [hint, hint + length) user space, of programs that know addresses above 2^47 or below, and free, with
 * the room that a stack needs (mmap_address_hint_valid())? */
static bool is_good_hint(const struct mm *mm, mmu_va hint, uint64_t length)
{
    const struct vma *above = vma_from(mm, hint);
    return in_user_space(mm, hint, length) && (hint > mm->stack_top) == (hint + length > mm->stack_top) &&
           (!above || hint + length <= vma_start_gap(above));
}

/* Where it goes (get_unmapped_area()): as asked for when fixed or free, else a
 * gap. 0: nowhere. */
static mmu_va choose(const struct mm *mm, const struct request *r)
{
    uint64_t length = page_up(r->length);
    mmu_va hint = r->addr & ~(mmu_va)PAGE_MASK; /* round_hint_to_min() */
    if (r->flags & (MMU_MAP_FIXED | MMU_MAP_FIXED_NOREPLACE))
        return r->addr;
    if (hint && hint < MMAP_MIN_ADDR)
        hint = MMAP_MIN_ADDR;
    if (hint && is_good_hint(mm, hint, length))
        return hint;
    return vma_gap(mm, length, hint);
}

/* Is a mapping of pages that have to be found larger than all memory? Those of a shared memory count whatever
 * the rights are (shmem_acct_size()). */
static bool overcommits(const struct mmu_os *os, const struct request *r)
{
    bool shared = r->flags & MMU_MAP_SHARED;
    bool counts = shared ? r->flags & MMU_MAP_ANONYMOUS : r->prot & MMU_PROT_WRITE;
    return counts && !(r->flags & MMU_MAP_NORESERVE) && mm_overcommits(os, page_up(r->length));
}

/* __mm_populate(). In each VMA up to the first page that cannot be had, as beyond the end of a file; first
 * given: such a page, or memory without rights, ends it all, and *first says why. */
static int populate(struct mmu_os *os, struct mm *mm, mmu_va start, mmu_va end,
                    enum mmu_os_signal_kind *first)
{
    int status = MMU_OS_DONE;
    for (struct vma *vma = vma_from(mm, start); vma && vma->range.start < end && status == MMU_OS_DONE;
         vma = vma_next(vma)) {
        const bool keyed = vma->flags & VMA_KEYED; /* a key forbids what is no fetch */
        enum mmu_os_signal_kind signal = keyed ? MMU_SIG_SEGV_PKUERR : MMU_SIG_SEGV_ACCERR;
        mmu_va from = vma->range.start > start ? vma->range.start : start;
        if (vma->flags & VMA_PFNMAP)
            continue;
        if (vma->prot && !keyed)
            status = memory_populate(os, vma, from, vma->range.end < end ? vma->range.end : end, &signal);
        if (first && signal != MMU_SIG_NONE) {
            *first = signal;
            break;
        }
    }
    return status;
}

int mm_populate(struct mmu_os *os, struct mm *mm, mmu_va start, mmu_va end)
{
    return populate(os, mm, start, end, NULL);
}

/* mmap_region(): replaces what is there. */
static int map_region(struct mmu_os *os, struct mm *mm, mmu_va start, const struct request *r,
                      struct file *file)
{
    mmu_va end = start + page_up(r->length);
    bool shared = r->flags & MMU_MAP_SHARED, named = !(r->flags & MMU_MAP_ANONYMOUS);
    const uint32_t prot = mm_prot(mm, (uint32_t)r->prot);
    const uint32_t flags = (shared ? VMA_SHARED : 0u) | (r->flags & MMU_MAP_GROWSDOWN ? VMA_GROWSDOWN : 0u) |
                           (r->flags & MMU_MAP_LOCKED ? VMA_LOCKED : 0u) |
                           (r->flags & MMU_MAP_NORESERVE ? VMA_NORESERVE : 0u);
    const struct vma_like like = {
        .prot = prot,
        .flags = flags | vma_account(prot, flags) | vma_key(os, prot),
        .file = file,
        .offset = named    ? r->offset >> PAGE_SHIFT
                  : shared ? 0
                           : start >> PAGE_SHIFT,
    };
    int status = vma_remove(os, mm, start, end);
    if (status == MMU_OS_DONE)
        status = vma_add(os, mm, start, end, &like, NULL);
    const bool fills = (r->flags & (MMU_MAP_POPULATE | MMU_MAP_NONBLOCK)) == MMU_MAP_POPULATE;
    if (status == MMU_OS_DONE && (fills || (r->flags & MMU_MAP_LOCKED)))
        status = mm_populate(os, mm, start, end);
    return status < 0 ? status : MMU_OS_DONE; /* what cannot be brought in now will fault */
}

static int refuse(struct mmu_os *os, const struct request *r, int error, const char *why)
{
    return mm_error(os, "mmap", error, "0x%" PRIx64 " bytes at 0x%" PRIx64 ": %s", r->length, r->addr, why);
}

static int do_mmap(struct mmu_os *os, struct mm *mm, const struct request *r, mmu_va *va)
{
    const char *why = NULL;
    bool anonymous = r->flags & MMU_MAP_ANONYMOUS;
    struct file *file = anonymous ? NULL : file_find(os, r->file);
    if (r->offset & PAGE_MASK)
        return refuse(os, r, LINUX_EINVAL, "an offset that is no multiple of the page size");
    if (!anonymous && (!file || file->kind != FILE_ORDINARY)) /* nobody can name shared memory */
        return mm_error(os, "mmap", LINUX_EBADF, "no file has number %" PRIu32, r->file);
    int error = refuse_request(mm, r, &why);
    if (error)
        return refuse(os, r, error, why);
    mmu_va start = choose(mm, r);
    if (!start)
        return mm_error(os, "mmap", LINUX_ENOMEM, "no gap of 0x%" PRIx64 " bytes in user space", r->length);
    if ((r->flags & MMU_MAP_FIXED_NOREPLACE) && !is_free(mm, start, page_up(r->length)))
        return mm_error(os, "mmap", LINUX_EEXIST, "0x%" PRIx64 " is mapped already", start);
    error = refuse_kind(r, &why);
    if (error)
        return refuse(os, r, error, why);
    if (overcommits(os, r))
        return mm_error(os, "mmap", LINUX_ENOMEM, "0x%" PRIx64 " bytes are more than all memory", r->length);
    if (anonymous && (r->flags & MMU_MAP_SHARED)) { /* shmem_zero_setup(): a file that nobody can name */
        file = file_new_shmem(os, page_up(r->length));
        if (!file)
            return MMU_ERR_NOMEM;
    }
    int status = map_region(os, mm, start, r, file);
    if (status == MMU_OS_DONE)
        *va = start;
    return status;
}

int mmu_os_mmap(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t length, int prot, int flags,
                uint32_t file, uint64_t offset, mmu_va *va)
{
    struct task *t = task_with_mm(os, "mmap", pid);
    const struct request r = {addr, length, prot, flags, file, offset};
    return t ? do_mmap(os, t->mm, &r, va) : MMU_OS_ERROR;
}

/* ----- munmap ----- */

int mmu_os_munmap(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t length)
{
    struct task *t = task_with_mm(os, "munmap", pid);
    if (!t)
        return MMU_OS_ERROR;
    if ((addr & PAGE_MASK) || page_up(length) == 0 || !in_user_space(t->mm, addr, page_up(length)))
        return mm_error(os, "munmap", LINUX_EINVAL,
                        "0x%" PRIx64 " bytes at 0x%" PRIx64 ": expected whole pages of user space", length,
                        addr);
    const struct vma *vma = vma_find(t->mm, addr);
    bool cuts_a_hole = vma && vma->range.start < addr && addr + page_up(length) < vma->range.end;
    if (cuts_a_hole && t->mm->vmas.count >= MAX_MAP_COUNT)
        return mm_error(os, "munmap", LINUX_ENOMEM, "vm.max_map_count mappings");
    return vma_remove(os, t->mm, addr, addr + page_up(length));
}

/* ----- calls on the VMAs of a range ----- */

/* A part of one VMA that a call concerns. */
struct part {
    struct vma *vma;
    mmu_va start, end;
};

/* What a call does with the parts of a range. Results as in os.h; what is not DONE ends it. */
struct visit {
    const char *call;
    bool skips; /* goes on behind a hole */
    int (*part)(struct mmu_os *os, struct part *part, void *ctx);
};

/*
 * Visits the VMAs of [start, end) in order. An unmapped address in it: ENOMEM,
 * after what lies before it (or, if the visit skips holes, after all) was
 * visited.
 */
static int for_each_part(struct mmu_os *os, const struct visit *visit, struct mm *mm, mmu_va start,
                         mmu_va end, void *ctx)
{
    bool hole = false;
    int status = MMU_OS_DONE;
    for (mmu_va at = start; at < end && status == MMU_OS_DONE;) {
        struct part part = {.vma = vma_from(mm, at)};
        hole |= !part.vma || part.vma->range.start > at;
        if (!part.vma || part.vma->range.start >= end || (hole && !visit->skips))
            break;
        part.start = part.vma->range.start > at ? part.vma->range.start : at;
        part.end = at = part.vma->range.end < end ? part.vma->range.end : end;
        status = visit->part(os, &part, ctx);
    }
    if (status == MMU_OS_DONE && hole)
        return mm_error(os, visit->call, LINUX_ENOMEM,
                        "nothing is mapped in a part of 0x%" PRIx64 "-0x%" PRIx64, start, end);
    return status;
}

/* Cuts the part out of its VMA (split_vma()). */
static int cut_out(struct mmu_os *os, const char *call, struct part *part)
{
    const struct vma *vma = part->vma;
    unsigned cuts = (vma->range.start < part->start ? 1u : 0u) + (part->end < vma->range.end ? 1u : 0u);
    if (vma->mm->vmas.count + cuts > MAX_MAP_COUNT)
        return mm_error(os, call, LINUX_ENOMEM, "vm.max_map_count mappings");
    int status = vma_isolate(os, vma->mm, part->start, part->end);
    part->vma = vma_find(vma->mm, part->start);
    return status;
}

/* mprotect_fixup() */
static int protect(struct mmu_os *os, struct part *part, void *ctx)
{
    const struct vma *vma = part->vma;
    uint32_t prot = *(const uint32_t *)ctx;
    if (!(vma->flags & VMA_PFNMAP)) /* VM_MAYEXEC */
        prot = mm_prot(vma->mm, prot);
    if (vma->prot == prot)
        return MMU_OS_DONE;
    if ((vma->flags & VMA_PFNMAP) && (prot & (MMU_PROT_WRITE | MMU_PROT_EXEC)))
        return mm_error(os, "mprotect", LINUX_EACCES, "the kernel's data at 0x%" PRIx64 " can only be read",
                        part->start);
    uint32_t account = vma_account(prot, vma->flags);
    if (account && !(vma->flags & VMA_ACCOUNT) && mm_overcommits(os, part->end - part->start))
        return mm_error(os, "mprotect", LINUX_ENOMEM, "0x%" PRIx64 " bytes are more than all memory",
                        part->end - part->start);
    bool fills =
        (prot & ~vma->prot & MMU_PROT_WRITE) && (vma->flags & (VMA_SHARED | VMA_LOCKED)) == VMA_LOCKED;
    int status = cut_out(os, "mprotect", part);
    if (status != MMU_OS_DONE)
        return status;
    part->vma = vma_change(os, part->vma, prot,
                           (part->vma->flags & ~(uint32_t)VMA_KEYED) | account | vma_key(os, prot));
    memory_protect(os, part->vma, part->start, part->end);
    if (fills) { /* locked pages are copied now: no write to them shall fault later */
        enum mmu_os_signal_kind signal;
        status = memory_populate(os, part->vma, part->start, part->end, &signal);
    }
    return status < 0 ? status : MMU_OS_DONE;
}

int mmu_os_mprotect(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t length, int prot)
{
    struct task *t = task_with_mm(os, "mprotect", pid);
    uint32_t to = (uint32_t)prot;
    if (!t)
        return MMU_OS_ERROR;
    if ((addr & PAGE_MASK) || (prot & ~(MMU_PROT_READ | MMU_PROT_WRITE | MMU_PROT_EXEC)))
        return mm_error(os, "mprotect", LINUX_EINVAL,
                        "0x%" PRIx64 ", protection %d: expected a multiple of the page size, and PROT_ bits",
                        addr, prot);
    if (length == 0)
        return MMU_OS_DONE;
    if (page_up(length) == 0 || addr + page_up(length) <= addr)
        return mm_error(os, "mprotect", LINUX_ENOMEM, "0x%" PRIx64 " bytes at 0x%" PRIx64 " wrap around",
                        length, addr);
    const struct visit visit = {.call = "mprotect", .part = protect};
    return for_each_part(os, &visit, t->mm, addr, addr + page_up(length), &to);
}

/* mlock_fixup(): the kernel's own pages are passed over. */
static int lock(struct mmu_os *os, struct part *part, void *ctx)
{
    const bool *on = ctx;
    if (part->vma->name != VMA_ORDINARY || (part->vma->flags & VMA_LOCKED) == (*on ? VMA_LOCKED : 0))
        return MMU_OS_DONE;
    int status = cut_out(os, *on ? "mlock" : "munlock", part);
    if (status == MMU_OS_DONE)
        vma_change(os, part->vma, part->vma->prot, part->vma->flags ^ VMA_LOCKED);
    return status;
}

int mmu_os_mlock(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t length, bool on)
{
    const char *call = on ? "mlock" : "munlock";
    struct task *t = task_with_mm(os, call, pid);
    mmu_va start = addr & ~(mmu_va)PAGE_MASK, end = start + page_up(length + (addr & PAGE_MASK));
    if (!t)
        return MMU_OS_ERROR;
    if (end == start) /* nothing, be it that the length wraps around */
        return MMU_OS_DONE;
    if (end < start)
        return mm_error(os, call, LINUX_EINVAL, "0x%" PRIx64 " bytes at 0x%" PRIx64 " wrap around", length,
                        addr);
    const struct visit visit = {.call = call, .part = lock};
    int status = for_each_part(os, &visit, t->mm, start, end, &on);
    enum mmu_os_signal_kind signal = MMU_SIG_NONE;
    if (status == MMU_OS_DONE && on)
        status = populate(os, t->mm, start, end, &signal);
    if (status != MMU_OS_DONE || signal == MMU_SIG_NONE)
        return status;
    return mm_error(os, call, signal == MMU_SIG_OOM ? LINUX_EAGAIN : LINUX_ENOMEM, /* as do_mlock() says it */
                    "not all pages of 0x%" PRIx64 "-0x%" PRIx64 " could be brought in: %s", start, end,
                    mmu_os_signal_text(signal));
}

/* ----- brk ----- */

/* Is there room to grow, a guard gap's worth away from a stack above? */
static bool may_grow(const struct mm *mm, mmu_va from, mmu_va to)
{
    const struct vma *above = vma_from(mm, from);
    if (from < MMAP_MIN_ADDR || to > mm->task_size || mm->vmas.count >= MAX_MAP_COUNT)
        return false;
    uint64_t gap = above && (above->flags & VMA_GROWSDOWN) ? STACK_GUARD_GAP : 0;
    return !above || (above->range.start >= gap && to + PAGE_SIZE <= above->range.start - gap);
}

int mmu_os_brk(struct mmu_os *os, uint32_t pid, mmu_va to, mmu_va *brk)
{
    struct task *t = task_with_mm(os, "brk", pid);
    if (!t)
        return MMU_OS_ERROR;
    struct mm *mm = t->mm;
    mmu_va old_end = page_up(mm->brk), new_end = page_up(to);
    const struct vma_like heap = {.prot = mm_prot(mm, MMU_PROT_READ | MMU_PROT_WRITE),
                                  .flags = VMA_ACCOUNT,
                                  .offset = old_end >> PAGE_SHIFT};
    int status = MMU_OS_DONE;
    *brk = mm->brk;
    if (to < mm->start_brk || new_end < to)
        return MMU_OS_DONE; /* brk() says where the break is, whatever was asked */
    if (new_end < old_end)
        status = vma_remove(os, mm, new_end, old_end);
    else if (new_end > old_end && (!may_grow(mm, old_end, new_end) || mm_overcommits(os, new_end - old_end)))
        return MMU_OS_DONE;
    else if (new_end > old_end)
        status = vma_add(os, mm, old_end, new_end, &heap, NULL);
    if (status == MMU_OS_DONE)
        *brk = mm->brk = to;
    return status;
}

/* ----- madvise, msync ----- */

static int advise(struct mmu_os *os, struct part *part, void *ctx)
{
    const int advice = *(const int *)ctx;
    struct vma *vma = part->vma;
    bool keeps = vma->flags & (VMA_LOCKED | VMA_PFNMAP);
    if (advice == MMU_MADV_WILLNEED)
        return vma->file ? memory_read_ahead(os, vma, part->start, part->end) : MMU_OS_DONE;
    if (keeps || (advice == MMU_MADV_FREE && vma->file))
        return mm_error(os, "madvise", LINUX_EINVAL,
                        "locked pages, or MADV_FREE of pages that are not private and anonymous");
    mm_note_peak(vma->mm);
    if (advice == MMU_MADV_DONTNEED)
        memory_zap(os, vma, part->start, part->end);
    else
        memory_lazy_free(os, vma, part->start, part->end);
    return MMU_OS_DONE;
}

int mmu_os_madvise(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t length, int advice)
{
    struct task *t = task_with_mm(os, "madvise", pid);
    bool known = advice == MMU_MADV_WILLNEED || advice == MMU_MADV_DONTNEED || advice == MMU_MADV_FREE;
    if (!t)
        return MMU_OS_ERROR;
    if (!known || (addr & PAGE_MASK) || addr + page_up(length) < addr || (length && !page_up(length)))
        return mm_error(os, "madvise", LINUX_EINVAL,
                        "advice %d for 0x%" PRIx64 " bytes at 0x%" PRIx64
                        ": expected MADV_WILLNEED, MADV_DONTNEED or MADV_FREE for whole pages",
                        advice, length, addr);
    if (length == 0)
        return MMU_OS_DONE;
    const struct visit visit = {.call = "madvise", .skips = true, .part = advise};
    return for_each_part(os, &visit, t->mm, addr, addr + page_up(length), &advice);
}

static int sync_part(struct mmu_os *os, struct part *part, void *ctx)
{
    (void)ctx;
    bool writes_back = part->vma->file && (part->vma->flags & VMA_SHARED);
    return writes_back ? memory_sync(os, part->vma, part->start, part->end) : MMU_OS_DONE;
}

int mmu_os_msync(struct mmu_os *os, uint32_t pid, mmu_va addr, uint64_t length)
{
    struct task *t = task_with_mm(os, "msync", pid);
    if (!t)
        return MMU_OS_ERROR;
    if (addr & PAGE_MASK)
        return mm_error(os, "msync", LINUX_EINVAL, "0x%" PRIx64 ": expected a multiple of the page size",
                        addr);
    if (addr + page_up(length) < addr)
        return mm_error(os, "msync", LINUX_ENOMEM, "0x%" PRIx64 " bytes at 0x%" PRIx64 " wrap around", length,
                        addr);
    const struct visit visit = {.call = "msync", .skips = true, .part = sync_part};
    return for_each_part(os, &visit, t->mm, addr, addr + page_up(length), NULL);
}
