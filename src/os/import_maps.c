/*
 * import_maps.c: a /proc/PID/maps text becomes an address space, so that a recorded trace can run in the one
 * in which it was recorded.
 *
 * A file becomes a file of the same name whose content is a pattern, as long as its largest extent; device
 * and inode are kept for those who print them. Shared memory without a name is that. [stack] grows, [heap] is
 * what brk() ends; [vvar], [vvar_vclock] and [vdso] are the kernel's special pages; [vsyscall] lies in the
 * kernel's part and is passed over. Neighbours that are alike stay apart, as they were.
 */
#include "error.h"
#include "exec.h"
#include "file.h"
#include "linux_errno.h"
#include "memory.h"
#include "task.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

struct import {
    struct mmu_os *os;
    struct mm *mm;
    const char *origin;
    struct mmu_error *err;
    unsigned line;
    const char *begin, *at, *end; /* of the line */
};

static int refuse(const struct import *in, const char *where, const char *what)
{
    return err_at(in->err, MMU_ERR_FORMAT, in->origin, in->line, (unsigned)(where - in->begin) + 1, "%s",
                  what);
}

static void skip_blanks(struct import *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t'))
        in->at++;
}

/* A number in base 10 or 16 at the cursor. False: there is none, or it needs more than 64 bits. */
static bool number(struct import *in, unsigned base, uint64_t *to)
{
    const char *begin = in->at;
    *to = 0;
    for (; in->at < in->end; in->at++) {
        int c = tolower((unsigned char)*in->at);
        unsigned digit = isdigit(c)             ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 99;
        if (digit >= base)
            break;
        if (*to > (UINT64_MAX - digit) / base)
            return false;
        *to = *to * base + digit;
    }
    return in->at > begin;
}

static bool character(struct import *in, char c)
{
    bool is = in->at < in->end && *in->at == c;
    in->at += is;
    return is;
}

/* One line, taken apart. */
struct maps_line {
    mmu_va start, end;
    const char *start_at, *name;
    uint64_t offset;
    uint64_t device[2], inode;
    uint32_t prot;
    bool shared;
    size_t name_length;
};

static bool permissions(struct import *in, struct maps_line *l)
{
    static const struct {
        char letter;
        uint32_t bit;
    } letters[] = {{'r', MMU_PROT_READ}, {'w', MMU_PROT_WRITE}, {'x', MMU_PROT_EXEC}};
    for (unsigned i = 0; i < COUNT_OF(letters); i++) {
        if (character(in, letters[i].letter))
            l->prot |= letters[i].bit;
        else if (!character(in, '-'))
            return false;
    }
    l->shared = character(in, 's');
    return l->shared || character(in, 'p');
}

/* START-END rwxp OFFSET MAJOR:MINOR INODE NAME */
static int parse(struct import *in, struct maps_line *l)
{
    skip_blanks(in);
    l->start_at = in->at;
    if (!number(in, 16, &l->start) || !character(in, '-') || !number(in, 16, &l->end))
        return refuse(in, in->at, "expected START-END, two hexadecimal addresses");
    skip_blanks(in);
    if (!permissions(in, l))
        return refuse(in, in->at, "expected permissions such as rw-p");
    skip_blanks(in);
    if (!number(in, 16, &l->offset))
        return refuse(in, in->at, "expected the hexadecimal offset in the file");
    skip_blanks(in);
    if (!number(in, 16, &l->device[0]) || !character(in, ':') || !number(in, 16, &l->device[1]) ||
        (l->device[0] | l->device[1]) >> 32)
        return refuse(in, in->at, "expected the device, MAJOR:MINOR");
    skip_blanks(in);
    if (!number(in, 10, &l->inode) || (in->at < in->end && !isspace((unsigned char)*in->at)))
        return refuse(in, in->at, "expected the inode's number");
    skip_blanks(in);
    l->name = in->at;
    l->name_length = (size_t)(in->end - in->at);
    while (l->name_length && isspace((unsigned char)l->name[l->name_length - 1]))
        l->name_length--;
    return MMU_OK;
}

static bool is_named(const struct maps_line *l, const char *name)
{
    return l->name_length == strlen(name) && !memcmp(l->name, name, l->name_length);
}

static int check(const struct import *in, const struct maps_line *l)
{
    const struct vma *above = vma_from(in->mm, l->start);
    if ((l->start | l->end | l->offset) & PAGE_MASK)
        return refuse(in, l->start_at, "addresses and offset must be multiples of 4096");
    if (l->end <= l->start || l->end > in->mm->task_size)
        return refuse(in, l->start_at, "expected a range in user space whose end lies above its start");
    if (above && above->range.start < l->end)
        return refuse(in, l->start_at, "overlaps a line before it");
    if (l->offset + (l->end - l->start) < l->offset)
        return refuse(in, l->start_at, "the offset in the file wraps around");
    return MMU_OK;
}

/* Shared memory that bears this inode already; else new. */
static struct file *shared_memory(const struct import *in, const struct maps_line *l)
{
    for (const struct vma *vma = vma_first(in->mm); vma && l->inode; vma = vma_next(vma))
        if (vma->file && vma->file->kind == FILE_SHMEM && vma->file->inode == l->inode)
            return vma->file;
    return file_new_shmem(in->os, l->offset + (l->end - l->start));
}

/* A file of this name that is long enough. */
static struct file *named_file(const struct import *in, const char *name)
{
    uint32_t number;
    int status = mmu_os_file(in->os, name, NULL, 0, &number);
    return status == MMU_OS_DONE ? file_find(in->os, number) : NULL;
}

/* Memory that is shared and has no name but what the kernel gives it (mm/shmem.c, shmem_zero_setup()). */
static bool is_shared_memory(const struct maps_line *l)
{
    return l->shared && (l->name_length == 0 || is_named(l, "/dev/zero (deleted)"));
}

/* What backs a line: *file, NULL: nothing, it is anonymous. */
static int find_file(const struct import *in, const struct maps_line *l, uint32_t kind, struct file **file)
{
    char name[sizeof((struct mmu_os_file_info *)0)->name];
    const bool ordinary = l->name_length && l->name[0] != '[', pages = kind != VMA_ORDINARY;
    const uint64_t end = l->offset + (l->end - l->start);
    *file = NULL;
    if (!ordinary && !pages && !l->shared)
        return MMU_OK;
    if (l->name_length >= sizeof name)
        return refuse(in, l->name, "expected a name of fewer than 256 bytes");
    if (end > FILE_SIZE_MAX)
        return refuse(in, l->start_at, "expected an offset in a file of at most 2^44 bytes");
    snprintf(name, sizeof name, "%.*s", (int)l->name_length, l->name);
    *file = pages                              ? file_special(in->os, name, (l->end - l->start) >> PAGE_SHIFT)
            : is_shared_memory(l) || !ordinary ? shared_memory(in, l)
                                               : named_file(in, name);
    if (!*file)
        return err_set(in->err, MMU_ERR_NOMEM, "no host memory for a file");
    if (pages)
        return MMU_OK;
    if ((*file)->size < end && !(*file)->path)
        (*file)->size = end;
    (*file)->device[0] = (uint32_t)l->device[0];
    (*file)->device[1] = (uint32_t)l->device[1];
    (*file)->inode = l->inode;
    return MMU_OK;
}

/* Where stack and break are, from a line's name. Everything else in brackets is anonymous memory to us. */
static void note_place(struct mm *mm, const struct maps_line *l)
{
    if (is_named(l, "[stack]"))
        mm->start_stack = l->end - sizeof(uint64_t);
    if (is_named(l, "[heap]")) {
        mm->start_brk = mm->brk == 0 ? l->start : mm->start_brk;
        mm->brk = l->end;
    }
}

static int add(const struct import *in, const struct maps_line *l)
{
    const bool vvar = is_named(l, "[vvar]") || is_named(l, "[vvar_vclock]"),
               writes = l->prot & MMU_PROT_WRITE;
    struct vma *vma;
    struct vma_like like = {
        .prot = l->prot,
        .flags = (l->shared ? VMA_SHARED : 0u) |
                 (is_named(l, "[stack]") && !l->shared ? VMA_GROWSDOWN : 0u) | /* as do_mmap() has it */
                 (vvar ? VMA_PFNMAP : 0u) | vma_key(in->os, l->prot) |
                 (writes && !l->shared ? VMA_ACCOUNT : 0u),
        .name = vvar                    ? VMA_VVAR
                : is_named(l, "[vdso]") ? VMA_VDSO
                                        : VMA_ORDINARY,
    };
    int status = find_file(in, l, like.name, &like.file);
    if (status != MMU_OK)
        return status;
    like.offset = (like.file ? l->offset : l->start) >> PAGE_SHIFT;
    note_place(in->mm, l);
    status = vma_add_alone(in->os, in->mm, l->start, l->end, &like, &vma);
    return status == MMU_OK ? status : err_set(in->err, status, "no host memory for a VMA");
}

static int import_line(struct import *in)
{
    struct maps_line l = {0};
    skip_blanks(in);
    if (in->at == in->end || *in->at == '\r')
        return MMU_OK;
    const char *zero = memchr(in->begin, '\0', (size_t)(in->end - in->begin));
    if (zero)
        return refuse(in, zero, "a byte 0, expected text");
    int status = parse(in, &l);
    if (status == MMU_OK && is_named(&l, "[vsyscall]"))
        return MMU_OK;
    if (status == MMU_OK)
        status = check(in, &l);
    return status == MMU_OK ? add(in, &l) : status;
}

static int import_text(struct import *in, const char *text, size_t size)
{
    int status = MMU_OK;
    for (const char *at = text, *end = text + size; at < end && status == MMU_OK;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        in->begin = in->at = at;
        in->end = stop ? stop : end;
        in->line++;
        status = import_line(in);
        at = stop ? stop + 1 : end;
    }
    if (status == MMU_OK && !vma_first(in->mm))
        return err_at(in->err, MMU_ERR_FORMAT, in->origin, 0, 0, "no mapping in it");
    return status;
}

int mmu_os_import_maps(struct mmu_os *os, uint32_t pid, const char *text, size_t size, const char *origin,
                       struct mmu_error *err)
{
    struct task *t = task_with_mm(os, "import_maps", pid);
    struct mmu_error own = {0};
    char line[sizeof own.message + sizeof own.file];
    struct import in = {.os = os, .origin = origin, .err = err ? err : &own};
    if (!t)
        return MMU_OS_ERROR;
    int status = mm_create(os, &in.mm);
    if (status != MMU_OS_DONE)
        return status;
    int read = import_text(&in, text, size);
    if (read == MMU_OK)
        status = task_take_mm(os, t, in.mm);
    if (read == MMU_OK && status == MMU_OS_DONE)
        return MMU_OS_DONE;
    mm_put(os, in.mm);
    if (status != MMU_OS_DONE || read == MMU_ERR_NOMEM)
        return status != MMU_OS_DONE ? status : read;
    return mm_error(os, "import_maps", LINUX_EINVAL, "%s", mmu_error_format(in.err, line, sizeof line));
}
