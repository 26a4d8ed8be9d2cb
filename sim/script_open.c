/*
 * sim/script_open.c: opens what a scenario is read from, packed or not, and looks what is one.
 *
 * A pipe is looked into without taking anything from it: tee() copies what it holds.
 */
#define _GNU_SOURCE
#include "script.h"
#include <errno.h>
#include <fcntl.h>
#include <mmusim/file.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIPE_HEAD = 65536 };

/* ----- a stream of unpacked bytes ----- */

struct unpacked {
    struct mmu_file *file;
    struct mmu_error *err; /* the caller's, or NULL */
    struct mmu_error own;
};

static ssize_t unpacked_read(void *cookie, char *to, size_t n)
{
    struct unpacked *u = cookie;
    int64_t got = mmu_file_read(u->file, to, n, &u->own);
    if (got >= 0)
        return (ssize_t)got;
    if (u->err)
        *u->err = u->own;
    errno = EIO;
    return -1;
}

static int unpacked_close(void *cookie)
{
    struct unpacked *u = cookie;
    mmu_file_close(u->file);
    free(u);
    return 0;
}

/* NULL: *err says why. What is wrong later is told there, too. */
static FILE *open_unpacked(const char *path, struct mmu_error *err)
{
    const cookie_io_functions_t functions = {.read = unpacked_read, .close = unpacked_close};
    struct unpacked *u = malloc(sizeof *u);
    FILE *in = NULL;
    if (u)
        *u = (struct unpacked){.err = err};
    if (u && mmu_file_open(path, &u->file, &u->own) == MMU_OK)
        in = fopencookie(u, "r", functions);
    if (!in && u) {
        if (err)
            *err = u->own;
        unpacked_close(u);
    }
    return in;
}

FILE *script_open(const char *path, struct script_source *source)
{
    struct stat info = {0};
    bool is_input = !strcmp(path, "-");
    if (!is_input && stat(path, &info))
        return NULL;
    if (S_ISDIR(info.st_mode)) {
        errno = EISDIR;
        return NULL;
    }
    source->device = info.st_dev;
    source->inode = info.st_ino;
    if (is_input || S_ISFIFO(info.st_mode)) /* which is opened once */
        return open_unpacked(path, &source->failed);
    FILE *in = S_ISREG(info.st_mode) ? open_unpacked(path, &source->failed) : NULL;
    if (in)
        return in;
    source->failed =
        (struct mmu_error){0}; /* whoever reads it says what is wrong: it is empty, for example */
    return fopen(path, "re");
}

/* ----- a look at the beginning ----- */

/* What a pipe holds now, as a file of its own; -1: cannot be had. */
static int copy_of_pipe(int fd)
{
    char part[4096];
    ssize_t n, written = -1;
    int ends[2], copy = memfd_create("pipe", MFD_CLOEXEC);
    if (copy < 0 || pipe2(ends, O_CLOEXEC))
        return copy;
    n = tee(fd, ends[1], PIPE_HEAD, 0);
    close(ends[1]);
    while (n > 0 && (n = read(ends[0], part, sizeof part)) > 0 &&
           (written = write(copy, part, (size_t)n)) == n)
        ;
    close(ends[0]);
    return copy;
}

/* The descriptor that a path stands for: "-", /dev/fd/3; -1: none. */
static int descriptor_of(const char *path)
{
    int fd = -1, n = 0;
    if (!strcmp(path, "-") || !strcmp(path, "/dev/stdin"))
        return STDIN_FILENO;
    if ((sscanf(path, "/dev/fd/%d%n", &fd, &n) == 1 || sscanf(path, "/proc/self/fd/%d%n", &fd, &n) == 1) &&
        !path[n])
        return fd;
    return -1;
}

static bool is_pipe(int fd)
{
    struct stat info;
    return fd >= 0 && !fstat(fd, &info) && S_ISFIFO(info.st_mode);
}

bool script_read_once(const char *path)
{
    return !strcmp(path, "-") || is_pipe(descriptor_of(path));
}

FILE *script_open_head(const char *path)
{
    struct stat info;
    char name[64];
    int fd = descriptor_of(path), copy = -1;
    FILE *in = NULL;
    if (is_pipe(fd))
        fd = copy = copy_of_pipe(fd);
    if (fd >= 0)
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    path = fd >= 0 ? name : path;
    if (!stat(path, &info) && S_ISREG(info.st_mode))
        in = open_unpacked(path, NULL);
    if (copy >= 0)
        close(copy);
    return in;
}
