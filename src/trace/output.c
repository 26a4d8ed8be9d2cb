/*
 * output.c: write beside, fsync, rename.
 */
#include "output.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct output {
    char *path;      /* the final place, symbolic links resolved */
    char *temporary; /* NULL: written directly */
    int fd;
    bool owns_fd, seekable;
    uint64_t offset;
};

static int fail(const struct output *o, int number, const char *what, struct mmu_error *err)
{
    return err_at(err, MMU_ERR_IO, o->path, 0, 0, "%s: %s", what, strerror(number));
}

static void release(struct output *o)
{
    if (o->owns_fd && o->fd >= 0)
        close(o->fd);
    if (o->temporary)
        unlink(o->temporary);
    free(o->temporary);
    free(o->path);
    free(o);
}

/* Makes a new file NAME.tmp.N in the same folder, where a rename cannot fail for want of space. */
static int create_beside(struct output *o, struct mmu_error *err)
{
    size_t size = strlen(o->path) + 48;

    o->temporary = malloc(size);
    if (!o->temporary)
        return err_at(err, MMU_ERR_NOMEM, o->path, 0, 0, "out of memory");
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(o->temporary, size, i ? "%s.tmp.%ld.%u" : "%s.tmp.%ld", o->path, (long)getpid(), i);
        o->fd = open(o->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (o->fd >= 0 || errno != EEXIST)
            break;
    }
    if (o->fd >= 0)
        return MMU_OK;
    free(o->temporary);
    o->temporary = NULL;
    return fail(o, errno, "cannot be written", err);
}

static int open_place(struct output *o, struct mmu_error *err)
{
    struct stat st;

    o->owns_fd = true;
    if (stat(o->path, &st) || S_ISREG(st.st_mode)) {
        char *real = realpath(o->path, NULL);
        if (real) {
            free(o->path);
            o->path = real;
        }
        o->seekable = true;
        return create_beside(o, err);
    }
    if (S_ISDIR(st.st_mode))
        return err_at(err, MMU_ERR_IO, o->path, 0, 0, "is a directory, expected a place for a file");
    o->fd = open(o->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return o->fd < 0 ? fail(o, errno, "cannot be written", err) : MMU_OK;
}

int output_create(struct output **out, const char *path, struct mmu_error *err)
{
    struct output *o = calloc(1, sizeof *o);
    bool standard = !strcmp(path, "-");
    int code;

    if (!o || !(o->path = strdup(standard ? "standard output" : path))) {
        free(o);
        return err_at(err, MMU_ERR_NOMEM, path, 0, 0, "out of memory");
    }
    o->fd = standard ? STDOUT_FILENO : -1;
    code = standard ? MMU_OK : open_place(o, err);
    if (code) {
        release(o);
        return code;
    }
    *out = o;
    return MMU_OK;
}

int output_write(struct output *o, const void *bytes, size_t n, struct mmu_error *err)
{
    const char *p = bytes;

    while (n) {
        ssize_t done = write(o->fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return fail(o, errno, "cannot write", err);
        p += done;
        n -= (size_t)done;
        o->offset += (uint64_t)done;
    }
    return MMU_OK;
}

int output_rewrite(struct output *o, uint64_t offset, const void *bytes, size_t n, struct mmu_error *err)
{
    const char *p = bytes;

    if (!o->seekable)
        return err_at(err, MMU_ERR_UNSUPPORTED, o->path, 0, 0, "cannot go back in a pipe");
    while (n) {
        ssize_t done = pwrite(o->fd, p, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return fail(o, errno, "cannot write", err);
        p += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
    }
    return MMU_OK;
}

bool output_seekable(const struct output *o)
{
    return o->seekable;
}

uint64_t output_offset(const struct output *o)
{
    return o->offset;
}

const char *output_name(const struct output *o)
{
    return o->path;
}

/* The rename itself survives a power failure only if the folder is synced too. Not all file systems can; then
 * so be it. */
static void sync_folder(const char *path)
{
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(copy);
}

int output_finish(struct output *o, struct mmu_error *err)
{
    int code = MMU_OK;

    if (o->temporary) {
        if (fsync(o->fd))
            code = fail(o, errno, "cannot write", err);
        if (close(o->fd) && !code)
            code = fail(o, errno, "cannot write", err);
        o->fd = -1;
        if (!code && rename(o->temporary, o->path))
            code = fail(o, errno, "cannot be written", err);
        if (!code) {
            free(o->temporary);
            o->temporary = NULL;
            sync_folder(o->path);
        }
    } else if (o->owns_fd) {
        if (close(o->fd))
            code = fail(o, errno, "cannot write", err);
        o->fd = -1;
    }
    release(o);
    return code;
}

void output_abort(struct output *o)
{
    if (o)
        release(o);
}
