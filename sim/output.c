/* sim/output.c: output files that appear whole or not at all (see cli.h). */
#define _GNU_SOURCE /* O_TMPFILE */
#include "cli.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot(const struct cli_output *out, const char *what, int error)
{
    return cli_error("%s: cannot %s: %s", *out->name ? out->name : "''", what, strerror(error));
}

enum { NAMES = 100, NAME_ROOM = 32 };

/* The i-th name that the file may have until it is whole. */
static void name_beside(struct cli_output *out, unsigned i)
{
    snprintf(out->beside, strlen(out->place) + NAME_ROOM, "%s.%ld.%u", out->place, (long)getpid(), i);
}

/* A file without a name in the directory of out->place, so that nothing stays behind however the program
 * ends; -1 where the file system has none, or it could not be given a name later. */
static int open_nameless(const struct cli_output *out, mode_t mode)
{
    const char *slash = strrchr(out->place, '/');
    char *directory = slash ? strndup(out->place, (size_t)(slash - out->place) + 1) : strdup(".");
    int fd = directory && !access("/proc/self/fd", X_OK)
                 ? open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode)
                 : -1;
    free(directory);
    return fd;
}

/* A new file in the directory of out->place; sets out->beside, "" while it has no name, and out->file. */
static int open_beside(struct cli_output *out, mode_t mode)
{
    out->beside = calloc(1, strlen(out->place) + NAME_ROOM);
    if (!out->beside)
        return cli_error("out of memory");
    int fd = open_nameless(out, mode);
    for (unsigned i = 0; i < NAMES && fd < 0; i++) {
        name_beside(out, i);
        fd = open(out->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    out->file = fd < 0 ? NULL : fdopen(fd, "w");
    if (out->file)
        return CLI_OK;
    int error = errno;
    if (fd >= 0) {
        close(fd);
        unlink(out->beside);
    }
    free(out->beside);
    out->beside = NULL;
    return cannot(out, "create", error);
}

/* Names the file that has none. A link cannot replace a file, so that a rename follows. */
static bool give_name(struct cli_output *out)
{
    char from[64];
    snprintf(from, sizeof from, "/proc/self/fd/%d", fileno(out->file));
    for (unsigned i = 0; i < NAMES; i++) {
        name_beside(out, i);
        if (!linkat(AT_FDCWD, from, AT_FDCWD, out->beside, AT_SYMLINK_FOLLOW))
            return true;
        if (errno != EEXIST)
            break;
    }
    out->beside[0] = 0;
    return false;
}

/* The error number of a write that failed long ago: asked for by writing once more. */
static int write_error(FILE *file)
{
    errno = 0;
    clearerr(file);
    return (fputc('\n', file) == EOF || fflush(file)) && errno ? errno : EIO;
}

static int open_place(struct cli_output *out, const char *path)
{
    struct stat about;
    bool exists = !stat(path, &about);
    if (exists && S_ISDIR(about.st_mode))
        return cannot(out, "write", EISDIR);
    if (exists && !S_ISREG(about.st_mode)) { /* a device or a pipe: nothing may be renamed over it */
        out->file = fopen(path, "we");
        return out->file ? CLI_OK : cannot(out, "write", errno);
    }
    if (exists && access(path, W_OK)) /* a rename would replace what its owner protects */
        return cannot(out, "write", errno);
    out->place = exists ? realpath(path, NULL) : strdup(path); /* through a symbolic link, not over it */
    if (!out->place)
        return cannot(out, "write", errno);
    return open_beside(out, exists ? about.st_mode & 0777 : 0666);
}

int cli_output_open(struct cli_output *out, const char *path)
{
    *out = (struct cli_output){.name = path};
    if (!path || !strcmp(path, "-")) {
        out->name = "standard output";
        out->file = stdout;
        return CLI_OK;
    }
    int status = open_place(out, path);
    if (status)
        cli_output_discard(out);
    return status;
}

int cli_output_close(struct cli_output *out)
{
    FILE *file = out->file;
    if (!file)
        return CLI_OK;
    bool lost = ferror(file);
    bool failed = !lost && (fflush(file) || (out->place && fsync(fileno(file))));
    if (lost || failed) {
        cannot(out, "write", lost ? write_error(file) : errno);
        cli_output_discard(out);
        return CLI_BAD;
    }
    if (file == stdout) {
        out->file = NULL;
        return CLI_OK;
    }
    failed = out->place && !out->beside[0] && !give_name(out);
    int error = errno;
    out->file = NULL;
    if (fclose(file) || (!failed && out->place && rename(out->beside, out->place))) {
        failed = true;
        error = errno;
    }
    if (failed)
        cannot(out, "write", error);
    else if (out->place)
        out->beside[0] = 0; /* it has moved */
    cli_output_discard(out);
    return failed ? CLI_BAD : CLI_OK;
}

int cli_output_spares(const char *output, const char *input)
{
    struct stat to, from;
    if (!output || !input || stat(output, &to) || stat(input, &from) || !S_ISREG(to.st_mode))
        return CLI_GO;
    if (to.st_dev != from.st_dev || to.st_ino != from.st_ino)
        return CLI_GO;
    return cli_error("--output %s: the same file as %s, which is read; expected another", output, input);
}

void cli_output_discard(struct cli_output *out)
{
    if (out->file && out->file != stdout)
        fclose(out->file);
    if (out->beside && out->beside[0])
        unlink(out->beside);
    free(out->place);
    free(out->beside);
    out->file = NULL;
    out->place = out->beside = NULL;
}
