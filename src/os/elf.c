/* elf.c: see elf.h. libelf reads the headers. */
#include "elf.h"
#include "error.h"
#include "linux_errno.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reading {
    struct elf *to;
    const char *path;
    struct mmu_error *err;
    Elf *elf;
    int fd;
    uint64_t size; /* of the file */
    GElf_Ehdr header;
};

static int refuse(const struct reading *r, uint64_t offset, const char *what)
{
    err_offset(r->err, MMU_ERR_FORMAT, r->path, offset, "%s", what);
    return LINUX_ENOEXEC;
}

static int read_header(struct reading *r, unsigned classes)
{
    enum { MACHINE_AT = 18, TYPE_AT = 16, CLASS_AT = 4 };
    if (elf_kind(r->elf) != ELF_K_ELF || !gelf_getehdr(r->elf, &r->header))
        return refuse(r, 0, "no ELF program, expected one that begins with 7f 45 4c 46");
    const bool wide = r->to->wide = gelf_getclass(r->elf) == ELFCLASS64;
    if (!(classes & elf_class(r->to)))
        return refuse(r, CLASS_AT,
                      wide ? "a 64-bit program, expected a 32-bit one"
                           : "a 32-bit program, expected a 64-bit one");
    if (r->header.e_ident[EI_DATA] != ELFDATA2LSB)
        return refuse(r, EI_DATA, "a big-endian program, expected a little-endian one");
    if (r->header.e_machine != (wide ? EM_X86_64 : EM_386))
        return refuse(r, MACHINE_AT, "made for another processor, expected x86");
    if (r->header.e_type != ET_EXEC && r->header.e_type != ET_DYN)
        return refuse(r, TYPE_AT, "neither an executable nor a shared object");
    if (r->header.e_phentsize != (wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
        return refuse(r, wide ? 54 : 42, "program headers of another size than this class has");
    r->to->moves = r->header.e_type == ET_DYN;
    r->to->entry = r->header.e_entry;
    r->to->header_size = r->header.e_phentsize;
    return 0;
}

static int add_interpreter(struct reading *r, const GElf_Phdr *p, uint64_t at)
{
    if (p->p_filesz < 2 || p->p_filesz > ELF_PATH || p->p_offset > r->size ||
        p->p_filesz > r->size - p->p_offset)
        return refuse(r, at, "the interpreter's name lies outside the file, or is too long");
    if (pread(r->fd, r->to->interpreter, p->p_filesz, (off_t)p->p_offset) != (ssize_t)p->p_filesz) {
        err_at(r->err, MMU_ERR_IO, r->path, 0, 0, "cannot be read");
        return LINUX_EIO;
    }
    if (r->to->interpreter[p->p_filesz - 1] || strlen(r->to->interpreter) + 1 != p->p_filesz)
        return refuse(r, p->p_offset, "the interpreter's name does not end where it should");
    return 0;
}

static int add_segment(struct reading *r, const GElf_Phdr *p, uint64_t at)
{
    struct elf *e = r->to;
    const mmu_va limit = e->wide ? UINT64_C(1) << 47 : UINT64_C(1) << 32;
    if (e->segments == ELF_SEGMENTS)
        return refuse(r, at, "more than 64 segments to load");
    if (p->p_filesz > p->p_memsz)
        return refuse(r, at, "a segment with more bytes in the file than in memory");
    if (p->p_offset > r->size || p->p_filesz > r->size - p->p_offset)
        return refuse(r, at, "a segment that lies outside the file");
    if (p->p_filesz && ((p->p_vaddr ^ p->p_offset) & PAGE_MASK))
        return refuse(r, at, "a segment whose address and file offset differ below the page size");
    if (p->p_memsz > limit || p->p_vaddr > limit - p->p_memsz)
        return refuse(r, at, "a segment beyond the end of user space");
    const struct elf_segment *last = e->segments ? &e->segment[e->segments - 1] : NULL;
    if (last && p->p_vaddr < last->va + last->memory_size)
        return refuse(r, at, "segments that overlap, or are out of order");
    if (p->p_align > e->align && is_power_of_two(p->p_align))
        e->align = p->p_align;
    e->segment[e->segments++] = (struct elf_segment){
        .offset = p->p_offset,
        .file_size = p->p_filesz,
        .memory_size = p->p_memsz,
        .va = p->p_vaddr,
        .prot = (p->p_flags & PF_R ? MMU_PROT_READ : 0u) | (p->p_flags & PF_W ? MMU_PROT_WRITE : 0u) |
                (p->p_flags & PF_X ? MMU_PROT_EXEC : 0u),
    };
    return 0;
}

static int read_segments(struct reading *r)
{
    size_t n;
    int error = 0;
    if (elf_getphdrnum(r->elf, &n) || n == 0 || n > UINT16_MAX)
        return refuse(r, r->header.e_phoff, "no program headers");
    r->to->align = PAGE_SIZE;
    r->to->header_count = (uint32_t)n;
    for (size_t i = 0; i < n && !error; i++) {
        GElf_Phdr p;
        uint64_t at = r->header.e_phoff + i * r->header.e_phentsize;
        if (!gelf_getphdr(r->elf, (int)i, &p))
            return refuse(r, at, "the program headers lie outside the file");
        if (p.p_type == PT_INTERP && !r->to->interpreter[0])
            error = add_interpreter(r, &p, at);
        else if (p.p_type == PT_LOAD && p.p_memsz)
            error = add_segment(r, &p, at);
        else if (p.p_type == PT_GNU_STACK)
            r->to->stack = p.p_flags & PF_X ? ELF_STACK_CODE : ELF_STACK_DATA;
    }
    if (!error && !r->to->segments)
        return refuse(r, r->header.e_phoff, "nothing to load");
    for (uint32_t i = 0; i < r->to->segments; i++) {
        const struct elf_segment *s = &r->to->segment[i];
        if (r->header.e_phoff >= s->offset && r->header.e_phoff < s->offset + s->file_size)
            r->to->headers = r->header.e_phoff - s->offset + s->va;
    }
    return error;
}

int elf_read(struct elf *to, const char *path, unsigned classes, struct mmu_error *err)
{
    struct reading r = {.to = to, .path = path, .err = err};
    struct stat st;
    memset(to, 0, sizeof *to);
    r.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* never waits for a pipe's other end */
    if (r.fd < 0) {
        err_at(err, MMU_ERR_IO, path, 0, 0, "%s", strerror(errno));
        return errno == ENOENT ? LINUX_ENOENT : LINUX_EACCES;
    }
    int error = LINUX_ENOEXEC;
    if (fstat(r.fd, &st) || !S_ISREG(st.st_mode)) {
        err_at(err, MMU_ERR_IO, path, 0, 0, "no regular file");
        error = LINUX_EACCES;
    } else if (elf_version(EV_CURRENT) != EV_NONE && (r.elf = elf_begin(r.fd, ELF_C_READ, NULL))) {
        r.size = (uint64_t)st.st_size;
        error = read_header(&r, classes);
        if (!error)
            error = read_segments(&r);
    } else {
        err_at(err, MMU_ERR_FORMAT, path, 0, 0, "no ELF program");
    }
    elf_end(r.elf);
    close(r.fd);
    return error;
}

uint64_t elf_span(const struct elf *e)
{
    const struct elf_segment *last = &e->segment[e->segments - 1];
    mmu_va start = e->segment[0].va & ~(mmu_va)PAGE_MASK;
    return ((last->va + last->memory_size + PAGE_MASK) & ~(mmu_va)PAGE_MASK) - start;
}
