/* sim/output.c: output files that appear whole or not at all (see cli.h). */
#define _XOPEN_SOURCE 700
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
    return cli_error("%s: cannot %s: %s", out->name, what, strerror(error));
}

/* A new file in the directory of out->place; sets out->beside and out->file. */
static int open_beside(struct cli_output *out, mode_t mode)
{
    size_t size = strlen(out->place) + 32;
    out->beside = malloc(size);
    if (!out->beside)
        return cli_error("out of memory");
    int fd = -1;
    for (unsigned i = 0; i < 100 && fd < 0; i++) {
        snprintf(out->beside, size, "%s.%ld.%u", out->place, (long)getpid(), i);
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
    bool lost = ferror(file); /* an earlier write's errno is gone: what it left in the buffer fails again */
    errno = 0;
    bool failed = fflush(file) || lost || (out->place && fsync(fileno(file)));
    int error = errno ? errno : EIO;
    if (failed) {
        cannot(out, "write", error);
        cli_output_discard(out);
        return CLI_BAD;
    }
    if (file == stdout) {
        out->file = NULL;
        return CLI_OK;
    }
    out->file = NULL;
    failed = fclose(file) || (out->place && rename(out->beside, out->place));
    if (failed)
        cannot(out, "write", errno);
    else if (out->place)
        out->beside[0] = 0; /* it has moved */
    cli_output_discard(out);
    return failed ? CLI_BAD : CLI_OK;
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
