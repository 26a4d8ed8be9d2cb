/*
 * file.h: files: what mappings are backed by, and where their content comes from.
 *
 * Models struct address_space (include/linux/fs.h) of Linux 6.1. Ordinary files read as a file of the host,
 * or as a pattern of (name, page); what was written to them is kept here, the host's file is never changed.
 * Left out: directories, truncation, file systems; system calls that read and write.
 */
#ifndef OS_FILE_H
#define OS_FILE_H

#include "pagecache.h"

struct vma;

/* Bytes of the largest file: page.prev holds an index of 32 bits. */
#define FILE_SIZE_MAX (UINT64_C(1) << 44)

enum file_kind {
    FILE_ORDINARY,
    FILE_SHMEM,  /* anonymous shared memory: zeros at first, never dropped, goes with its last mapping */
    FILE_SPECIAL /* pages of the kernel: [vdso], [vvar] */
};

/* A page as it was written back. */
struct file_written {
    uint64_t index;
    uint8_t *bytes; /* NULL: this place of the hash is empty */
};

/* Invariants: number is its place in files; dirty is the number of cached pages with PG_dirty; a shared
 * memory without VMAs has no pages. */
struct file {
    uint32_t number;
    uint32_t kind; /* enum file_kind */
    uint64_t size; /* bytes */
    char *name;
    char *path;         /* of the host; NULL: reads as a pattern */
    uint32_t device[2]; /* major and minor number, and inode, as an imported maps text said; 0: it has none */
    uint64_t inode;
    struct vma *vmas; /* that map it (i_mmap), by file_next */
    struct pagecache pages;
    uint64_t dirty;
    struct file_written *written;
    uint64_t written_places, written_count;
};

struct files {
    struct file **file; /* [number]; [0] is not used; NULL: gone */
    uint32_t count, room;
};

int files_init(struct mmu_os *os); /* MMU_OK or MMU_ERR_NOMEM */
void files_destroy(struct mmu_os *os);
/* NULL: none has this number. */
struct file *file_find(const struct mmu_os *os, uint32_t number);
/* Shared memory that nobody can name (shmem_zero_setup()); the pages of a program of the host; pages of the
 * kernel under a name. NULL: no host memory. A program's name is what an absolute path leads to (d_path()).
 */
struct file *file_new_shmem(struct mmu_os *os, uint64_t size);
struct file *file_open(struct mmu_os *os, const char *path);
struct file *file_special(struct mmu_os *os, const char *name, uint64_t pages);

static inline uint64_t file_pages(const struct file *f)
{
    return (f->size + PAGE_MASK) >> PAGE_SHIFT;
}

/* A VMA of the file comes and goes; shared memory ends with the last one. */
void file_map(struct vma *vma);
void file_unmap(struct mmu_os *os, struct vma *vma);

/* The content of a page as it was at first: the host's or the pattern. */
void file_content(const struct file *f, uint64_t index, uint8_t bytes[PAGE_SIZE]);
/* ... as it was written back last; NULL: never. */
const uint8_t *file_stored(const struct file *f, uint64_t index);
/* Stores a page (writepage). MMU_OK or MMU_ERR_NOMEM. */
int file_store(struct file *f, uint64_t index, const uint8_t bytes[PAGE_SIZE]);

#endif
