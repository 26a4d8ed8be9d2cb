/*
 * elf.h: what the kernel reads of an ELF program: its program headers, checked.
 *
 * Models the first half of load_elf_binary() (fs/binfmt_elf.c, Linux 6.1). Leaves out GNU properties, core
 * dumps.
 */
#ifndef OS_ELF_H
#define OS_ELF_H

#include "os.h"
#include <mmusim/process.h>

enum { ELF_SEGMENTS = 64, ELF_PATH = 4096 };
enum { ELF_CLASS_32 = 1, ELF_CLASS_64 = 2 };

/* What PT_GNU_STACK says of the stack: nothing, that code runs there, that none does (EXSTACK_*). */
enum elf_stack { ELF_STACK_DEFAULT, ELF_STACK_CODE, ELF_STACK_DATA };

struct elf_segment {
    uint64_t offset, file_size, memory_size;
    mmu_va va;
    uint32_t prot; /* MMU_PROT_* */
};

/* Invariants: segments are sorted by va, no two share a byte (but perhaps a page), none wraps, each fits the
 * file; offset and va agree below the page size where there are bytes of the file. */
struct elf {
    bool wide, moves;    /* ELFCLASS64; ET_DYN: may be loaded anywhere */
    mmu_va entry, align; /* align: the greatest of its segments, at least a page */
    mmu_va headers;      /* address of the program headers, as linked (AT_PHDR) */
    uint32_t header_size, header_count;
    uint32_t stack; /* enum elf_stack */
    uint32_t segments;
    struct elf_segment segment[ELF_SEGMENTS];
    char interpreter[ELF_PATH]; /* "": none */
};

static inline unsigned elf_class(const struct elf *e)
{
    return e->wide ? ELF_CLASS_64 : ELF_CLASS_32;
}

/*
 * Reads a program of the host. classes: ELF_CLASS_*, those that may run. MMU_OK; or an errno of Linux
 * (LINUX_ENOEXEC, LINUX_ENOENT, LINUX_EIO) with err filled: the file and, where it lies in the file, the byte
 * offset of what is wrong.
 */
int elf_read(struct elf *to, const char *path, unsigned classes, struct mmu_error *err);

/* Bytes from the first segment's page to the end of the last (total_mapping_size()). */
uint64_t elf_span(const struct elf *e);

#endif
