/*
 * exec.c: execve(): an ELF program takes the place of what a process had.
 *
 * Models load_elf_binary() (fs/binfmt_elf.c) and begin_new_exec() (fs/exec.c) of Linux 6.1, without
 * randomisation. The new address space is complete before the old one is given up, so a program that cannot
 * be loaded leaves the process as it was.
 */
#include "exec.h"
#include "file.h"
#include "linux_errno.h"
#include "memory.h"
#include "plan.h"
#include "task.h"

#include <inttypes.h>
#include <string.h>

enum { VVAR_PAGES = 4, VDSO_PAGES = 2 };

static mmu_va page_down(mmu_va va)
{
    return va & ~(mmu_va)PAGE_MASK;
}

static mmu_va page_up(mmu_va va)
{
    return page_down(va + PAGE_MASK);
}

/* ----- segments ----- */

/* Zeros from the end of a segment's file bytes to the end of their page (padzero()). */
static int clear_tail(struct exec *x, mmu_va from, mmu_va end)
{
    static const uint8_t zeros[PAGE_SIZE];
    mmu_va to = page_up(from) < end ? page_up(from) : end;
    if (from >= to)
        return MMU_OS_DONE;
    int64_t done = memory_access(x->os, x->mm, from, (void *)(uintptr_t)zeros, to - from, true);
    if (done < 0)
        return (int)done;
    return (uint64_t)done == to - from
               ? MMU_OS_DONE
               : mm_error(x->os, "execve", LINUX_EFAULT, "the bss at 0x%" PRIx64 " cannot be cleared", from);
}

/* Maps as MAP_FIXED does: a page that two segments share is the later one's. */
static int put(struct exec *x, mmu_va start, mmu_va end, const struct vma_like *like)
{
    int status = vma_remove(x->os, x->mm, start, end);
    return status == MMU_OS_DONE ? vma_add(x->os, x->mm, start, end, like, NULL) : status;
}

/* One PT_LOAD: the file's pages, then anonymous ones (elf_map(), set_brk()). */
static int map_segment(struct exec *x, const struct elf_segment *s, mmu_va bias, struct file *file)
{
    mmu_va start = s->va + bias, file_end = start + s->file_size, end = start + s->memory_size;
    const struct vma_like like = {.prot = mm_prot(x->mm, s->prot),
                                  .flags = vma_account(s->prot, 0) | vma_key(x->os, mm_prot(x->mm, s->prot)),
                                  .file = file,
                                  .offset = page_down(s->offset) >> PAGE_SHIFT};
    const struct vma_like bss = {
        .prot = mm_prot(x->mm, MMU_PROT_READ | MMU_PROT_WRITE) | (s->prot & MMU_PROT_EXEC),
        .flags = VMA_ACCOUNT,
        .offset = (s->file_size ? page_up(file_end) : page_down(start)) >> PAGE_SHIFT};
    int status = MMU_OS_DONE;
    if (mm_overcommits(x->os, s->memory_size))
        return mm_error(x->os, "execve", LINUX_ENOMEM,
                        "a segment of 0x%" PRIx64 " bytes is more than all memory", s->memory_size);
    if (s->file_size)
        status = put(x, page_down(start), page_up(file_end), &like);
    mmu_va anonymous = s->file_size ? page_up(file_end) : page_down(start);
    if (status == MMU_OS_DONE && page_up(end) > anonymous)
        status = put(x, anonymous, page_up(end), &bss);
    if (status == MMU_OS_DONE && s->file_size && end > file_end && (s->prot & MMU_PROT_WRITE))
        status = clear_tail(x, file_end, page_up(file_end));
    return status;
}

/* Where a program goes: as linked; or, if it may move, a program with an interpreter to ELF_ET_DYN_BASE,
 * others where mmap() would put them. False: it does not fit. */
static bool place(struct exec *x, struct exec_program *p, bool has_interpreter)
{
    mmu_va linked = page_down(p->elf.segment[0].va), at = linked;
    if (p->elf.moves && has_interpreter)
        at = x->mm->dyn_base & ~(p->elf.align - 1);
    else if (p->elf.moves)
        at = vma_gap(x->mm, elf_span(&p->elf) + p->elf.align - PAGE_SIZE, 0);
    if (p->elf.moves && !has_interpreter)
        at = (at + p->elf.align - 1) & ~(p->elf.align - 1);
    at = page_down(at);
    const struct vma *above = vma_from(x->mm, at);
    uint64_t span = elf_span(&p->elf);
    p->bias = at - linked;
    p->entry = p->elf.entry + p->bias;
    return at >= MMAP_MIN_ADDR && span <= x->mm->task_size && at <= x->mm->task_size - span &&
           (!above || above->range.start >= at + span);
}

static int load(struct exec *x, struct exec_program *p, const char *path, bool has_interpreter)
{
    struct file *file = file_open(x->os, path);
    if (!file)
        return MMU_ERR_NOMEM;
    if (!place(x, p, has_interpreter))
        return mm_error(x->os, "execve", LINUX_ENOMEM, "%s: no room for it in user space", path);
    uint64_t whole = x->mm->total_vm + (elf_span(&p->elf) >> PAGE_SHIFT);
    if (p->elf.moves &&
        whole > x->mm->peak_vm) /* all of it is mapped at first, to be sure of the room (elf_map()) */
        x->mm->peak_vm = whole;
    int status = MMU_OS_DONE;
    for (uint32_t i = 0; i < p->elf.segments && status == MMU_OS_DONE; i++)
        status = map_segment(x, &p->elf.segment[i], p->bias, file);
    return status;
}

/* What the memory's owner remembers of the program: its code, data and where its heap begins. */
static void note_extents(struct mm *mm, const struct exec_program *p)
{
    mm->start_code = UINT64_MAX;
    for (uint32_t i = 0; i < p->elf.segments; i++) {
        const struct elf_segment *s = &p->elf.segment[i];
        mmu_va start = s->va + p->bias, end = start + s->file_size;
        if ((s->prot & MMU_PROT_EXEC) && start < mm->start_code)
            mm->start_code = start;
        if ((s->prot & MMU_PROT_EXEC) && end > mm->end_code)
            mm->end_code = end;
        if (start > mm->start_data)
            mm->start_data = start;
        if (end > mm->end_data)
            mm->end_data = end;
        if (start + s->memory_size > mm->brk)
            mm->brk = start + s->memory_size;
    }
    if (mm->start_code == UINT64_MAX)
        mm->start_code = 0;
    mm->start_brk = mm->brk = page_up(mm->brk);
}

/* [vvar] and [vdso], one behind the other (arch/x86/entry/vdso/vma.c). */
static int map_vdso(struct exec *x)
{
    struct file *vvar = file_special(x->os, "[vvar]", VVAR_PAGES),
                *vdso = file_special(x->os, "[vdso]", VDSO_PAGES);
    const struct vma_like data = {.prot = MMU_PROT_READ, .flags = VMA_PFNMAP, .name = VMA_VVAR, .file = vvar};
    const struct vma_like code = {.prot = MMU_PROT_READ | MMU_PROT_EXEC, .name = VMA_VDSO, .file = vdso};
    if (!vvar || !vdso)
        return MMU_ERR_NOMEM;
    mmu_va at = vma_gap(x->mm, (VVAR_PAGES + VDSO_PAGES) << PAGE_SHIFT, 0);
    if (!at)
        return MMU_OS_DONE; /* the kernel runs the program without */
    x->vdso = at + (VVAR_PAGES << PAGE_SHIFT);
    int status = vma_add(x->os, x->mm, at, x->vdso, &data, NULL);
    if (status == MMU_OS_DONE)
        status = vma_add(x->os, x->mm, x->vdso, x->vdso + (VDSO_PAGES << PAGE_SHIFT), &code, NULL);
    return status;
}

/* ----- execve ----- */

static int read_program(struct exec *x, struct elf *to, const char *path, unsigned classes)
{
    struct mmu_error err = {0};
    char line[sizeof err.message + sizeof err.file];
    int error = elf_read(to, path, classes, &err);
    if (error)
        return mm_error(x->os, "execve", error, "%s", mmu_error_format(&err, line, sizeof line));
    return MMU_OS_DONE;
}

static int read_interpreter(struct exec *x, char *path, size_t size)
{
    int n = snprintf(path, size, "%s%s", x->how->sysroot ? x->how->sysroot : "", x->program.elf.interpreter);
    if (n < 0 || (size_t)n >= size)
        return mm_error(x->os, "execve", LINUX_ENOENT, "the interpreter's path is too long");
    int status = read_program(x, &x->interpreter.elf, path, elf_class(&x->program.elf));
    if (status == MMU_OS_DONE && x->interpreter.elf.interpreter[0])
        return mm_error(x->os, "execve", LINUX_ENOEXEC, "%s: an interpreter that wants one itself", path);
    return status;
}

/* setup_arg_pages(): what the program says of its stack, else what it may do with all data. */
static uint32_t stack_prot(const struct exec *x)
{
    const uint32_t data = MMU_PROT_READ | MMU_PROT_WRITE, stack = x->program.elf.stack;
    if (stack == ELF_STACK_DEFAULT)
        return mm_prot(x->mm, data);
    return stack == ELF_STACK_CODE ? data | MMU_PROT_EXEC : data;
}

static int build(struct exec *x)
{
    char interpreter[2 * ELF_PATH];
    bool has = x->program.elf.interpreter[0] != '\0';
    int status = has ? read_interpreter(x, interpreter, sizeof interpreter) : MMU_OS_DONE;
    if (status == MMU_OS_DONE)
        status = task_make_stack(x->os, x->mm, stack_prot(x));
    if (status == MMU_OS_DONE)
        status = load(x, &x->program, x->how->path, has);
    if (status == MMU_OS_DONE)
        note_extents(x->mm, &x->program);
    if (status == MMU_OS_DONE && has)
        status = load(x, &x->interpreter, interpreter, false);
    if (status == MMU_OS_DONE)
        status = map_vdso(x);
    if (status == MMU_OS_DONE)
        status = exec_fill_stack(x);
    return status;
}

static void take_name(struct task *t, const char *path)
{
    const char *name = strrchr(path, '/');
    snprintf(t->comm, sizeof t->comm, "%.*s", (int)sizeof t->comm - 1, name ? name + 1 : path);
}

int mmu_os_exec(struct mmu_os *os, uint32_t pid, const struct mmu_os_exec *how, mmu_va *entry)
{
    struct task *t = task_with_mm(os, "execve", pid);
    if (!t)
        return MMU_OS_ERROR;
    struct exec *x = calloc(1, sizeof *x);
    if (!x)
        return MMU_ERR_NOMEM;
    *x = (struct exec){.os = os, .how = how};
    int status = read_program(x, &x->program.elf, how->path,
                              ELF_CLASS_32 | (os->plan->layout.wide ? ELF_CLASS_64 : 0u));
    if (status == MMU_OS_DONE)
        status = mm_create(os, &x->mm);
    if (status == MMU_OS_DONE) {
        const struct elf *e = &x->program.elf;
        mm_lay_out(os, x->mm, e->wide);
        /* a program of 32 bits that says nothing of its stack, or comes after such a one */
        x->mm->read_implies_exec = !e->wide && (e->stack == ELF_STACK_DEFAULT || t->mm->read_implies_exec);
        status = build(x);
    }
    if (status == MMU_OS_DONE)
        status = task_take_mm(os, t, x->mm);
    if (status == MMU_OS_DONE) {
        take_name(t, how->path);
        *entry = x->interpreter.elf.segments ? x->interpreter.entry : x->program.entry;
    } else if (x->mm) {
        mm_put(os, x->mm);
    }
    free(x);
    return status;
}
