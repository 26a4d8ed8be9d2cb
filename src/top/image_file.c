/*
 * image_file.c: see image_file.h.
 *
 * A plain file is mapped as it is. A compressed one (or a pipe) is first unpacked into a temporary file
 * without a name, in which runs of zeros take no space, and which is bounded by MMU_IMAGE_MAX_UNPACKED. Only
 * filters with an unmistakable signature are tried: a page table must not be taken for some ancient packer's
 * output.
 */
#define _GNU_SOURCE
#include "image_file.h"
#include "error.h"
#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mmusim/walk.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 16 };

static int host_error(const char *path, const char *what, struct mmu_error *err)
{
    return err_at(err, MMU_ERR_IO, path, 0, 0, "cannot %s: %s", what, strerror(errno));
}

static int unpack_error(struct archive *archive, const char *path, uint64_t offset, struct mmu_error *err)
{
    const char *text = archive_error_string(archive);
    return err_offset(err, MMU_ERR_FORMAT, path, offset, "cannot unpack: %s", text ? text : "damaged data");
}

/* Only the signatures count: gzip, bzip2, xz, lzip, lz4, zstd. */
static void support_filters(struct archive *archive)
{
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_bzip2(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_filter_lzip(archive);
    archive_read_support_filter_lz4(archive);
    archive_read_support_filter_zstd(archive);
    archive_read_support_format_raw(archive);
    archive_read_support_format_empty(archive);
}

static bool is_zero(const unsigned char *bytes, size_t n)
{
    return !n || (!bytes[0] && !memcmp(bytes, bytes + 1, n - 1));
}

/* Writes n bytes at offset; zeros are left to the hole that the file has there. */
static int write_chunk(int fd, const unsigned char *bytes, size_t n, uint64_t offset)
{
    if (is_zero(bytes, n))
        return 0;
    while (n) {
        ssize_t written = pwrite(fd, bytes, n, (off_t)offset);
        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            bytes += written;
            offset += (uint64_t)written;
            n -= (size_t)written;
        }
    }
    return 0;
}

/* Everything that the archive holds, into fd. */
static int unpack_into(int fd, struct archive *archive, const char *path, struct mmu_error *err)
{
    unsigned char chunk[CHUNK];
    uint64_t size = 0;
    for (;;) {
        la_ssize_t n = archive_read_data(archive, chunk, sizeof chunk);
        if (n < 0)
            return unpack_error(archive, path, size, err);
        if (!n)
            break;
        if ((uint64_t)n > MMU_IMAGE_MAX_UNPACKED - size)
            return err_at(err, MMU_ERR_RANGE, path, 0, 0,
                          "unpacks to more than %" PRIu64 " GiB: unpack it first",
                          MMU_IMAGE_MAX_UNPACKED >> 30);
        if (write_chunk(fd, chunk, (size_t)n, size))
            return host_error(path, "write a temporary file", err);
        size += (uint64_t)n;
    }
    if (!size)
        return err_at(err, MMU_ERR_TRUNCATED, path, 0, 0, "is empty when unpacked");
    return ftruncate(fd, (off_t)size) ? host_error(path, "write a temporary file", err) : MMU_OK;
}

/* Puts the unpacked data in the place of fd. */
static int replace(int fd, struct archive *archive, const char *path, struct mmu_error *err)
{
    FILE *temporary = tmpfile();
    if (!temporary)
        return host_error(path, "create a temporary file", err);
    int status = unpack_into(fileno(temporary), archive, path, err);
    if (!status && dup3(fileno(temporary), fd, O_CLOEXEC) < 0)
        status = host_error(path, "create a temporary file", err);
    fclose(temporary);
    return status;
}

/* Makes fd a plain file that can be mapped, if it is compressed or a pipe. */
static int unpack(int fd, bool mappable, const char *path, struct mmu_error *err)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    int status = MMU_OK, begin;
    if (!archive)
        return err_at(err, MMU_ERR_NOMEM, path, 0, 0, "the host is out of memory");
    support_filters(archive);
    begin = archive_read_open_fd(archive, fd, CHUNK);
    if (begin == ARCHIVE_OK)
        begin = archive_read_next_header(archive, &entry);
    if (begin == ARCHIVE_EOF) /* a pipe, or a device, that brings nothing; or nothing is packed */
        status = err_at(err, MMU_ERR_TRUNCATED, path, 0, 0,
                        archive_filter_code(archive, 0) == ARCHIVE_FILTER_NONE
                            ? "is empty, expected a memory image"
                            : "is empty when unpacked");
    else if (begin != ARCHIVE_OK)
        status = unpack_error(archive, path, 0, err);
    else if (!mappable || archive_filter_code(archive, 0) != ARCHIVE_FILTER_NONE)
        status = replace(fd, archive, path, err);
    archive_read_free(archive);
    return status;
}

static int map(struct image_file *file, int fd, const char *path, struct mmu_error *err)
{
    struct stat about;
    if (fstat(fd, &about))
        return host_error(path, "read", err);
    /* NORESERVE: the private copy is of the few entries written, not of a file that may be larger than
     * memory. */
    void *at = mmap(NULL, (size_t)about.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (at == MAP_FAILED)
        return host_error(path, "map", err);
    *file = (struct image_file){.bytes = at, .size = (size_t)about.st_size};
    return MMU_OK;
}

static int open_fd(struct image_file *file, int fd, const char *path, struct mmu_error *err)
{
    struct stat about;
    if (fstat(fd, &about))
        return host_error(path, "read", err);
    if (S_ISDIR(about.st_mode))
        return err_at(err, MMU_ERR_IO, path, 0, 0, "is a directory, expected a memory image");
    if (S_ISREG(about.st_mode) && !about.st_size)
        return err_at(err, MMU_ERR_TRUNCATED, path, 0, 0, "is empty, expected a memory image");
    int status = unpack(fd, S_ISREG(about.st_mode), path, err);
    return status ? status : map(file, fd, path, err);
}

int image_file_open(struct image_file *file, const char *path, struct mmu_error *err)
{
    *file = (struct image_file){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return host_error(path, "open", err);
    int status = open_fd(file, fd, path, err);
    close(fd);
    return status;
}

void image_file_close(struct image_file *file)
{
    if (file->bytes)
        munmap(file->bytes, file->size);
    *file = (struct image_file){0};
}
