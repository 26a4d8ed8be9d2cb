/*
 * sim/record_lackey.c: records with Valgrind's tool Lackey, whose text comes through a pipe.
 *
 * Slow, but another opinion: it shares nothing with the other recorder. Children of fork() are not recorded,
 * threads are not told apart, and system calls leave no marks: Lackey tells nothing of them.
 */
#define _GNU_SOURCE
#include "record.h"
#include "record_maps.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 4096, LOOKS = 64, PIPE_SHORT = 4096, PIPE_LONG = 65536 };

bool record_lackey_ready(struct record *r)
{
    (void)r; /* Debian's package serves both widths */
    char *path = record_find_command("valgrind");
    bool ready = path;
    if (!ready)
        cli_error("valgrind is not installed (Debian: apt-get install valgrind)");
    free(path);
    return ready;
}

/* Looks at the mappings while the process lives: often at first, when the dynamic linker is at work. */
static void look(struct record_maps *maps, pid_t pid, unsigned *looks, double *last)
{
    char path[64], part[4096];
    double now = progress_seconds();
    if (*looks >= LOOKS && now - *last < 0.2)
        return;
    ++*looks;
    *last = now;
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, part, sizeof part);
    for (bool first = true; n > 0; first = false) {
        record_maps_text(maps, (uint64_t)pid, part, (size_t)n, first, false, 0);
        n = read(fd, part, sizeof part);
    }
    record_maps_text(maps, (uint64_t)pid, part, 0, false, true, 0);
    close(fd);
}

/* The stack is where the first store goes. */
static void note_stack(struct record_maps *maps, pid_t pid, const struct mmu_access *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].kind == MMU_STORE) {
            record_maps_stack(maps, (uint64_t)pid, a[i].va);
            return;
        }
}

/* Copies what Lackey tells; *err says why it ended, if it was not the text's end. */
static void copy(struct record *r, struct mmu_trace_reader *reader, struct record_maps *maps, pid_t pid,
                 struct mmu_error *err)
{
    struct mmu_access block[BLOCK];
    unsigned looks = 1;
    double last = 0;
    for (int64_t n; (n = mmu_trace_read(reader, block, BLOCK, err)) > 0;) {
        r->started = true;
        record_sink_write(&r->sink, block, (size_t)n);
        note_stack(maps, pid, block, (size_t)n);
        if (!record_sink_full(&r->sink))
            look(maps, pid, &looks, &last);
        record_show(r);
    }
}

/* Valgrind's command line; the words are fd's and the program's. */
static char **make_words(const struct record_program *p, char *valgrind, char *log_fd)
{
    static char tool[] = "--tool=lackey", trace[] = "--trace-mem=yes", quiet[] = "--quiet",
                no_vgdb[] = "--vgdb=no", no_children[] = "--child-silent-after-fork=yes";
    char *front[] = {valgrind, tool, trace, quiet, no_vgdb, no_children, log_fd, p->path};
    size_t n = sizeof front / sizeof *front;
    char **argv = calloc(n + p->argc, sizeof *argv);
    if (argv) {
        memcpy(argv, front, sizeof front);
        memcpy(argv + n, p->argv + 1, (p->argc - 1) * sizeof *argv);
    }
    return argv;
}

static int start(struct record *r, struct record_child *child, int fd)
{
    char log_fd[32], *valgrind = record_find_command("valgrind");
    snprintf(log_fd, sizeof log_fd, "--log-fd=%d", fd);
    char **argv = valgrind ? make_words(&r->program, valgrind, log_fd) : NULL;
    int status = argv ? record_child_start(child, valgrind, argv, fd, NULL) : cli_error("out of memory");
    free(argv);
    free(valgrind);
    return status;
}

/* Waits for the first line. The pipe is so short that a program, however small, cannot end before it was
 * looked at. */
static void first_look(struct record_maps *maps, int fd, pid_t pid)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    unsigned looks = 0;
    double last = 0;
    while (poll(&ready, 1, -1) < 0 && errno == EINTR)
        ;
    look(maps, pid, &looks, &last);
    fcntl(fd, F_SETPIPE_SZ, PIPE_LONG);
}

static void read_all(struct record *r, int fd, pid_t pid, struct mmu_error *err)
{
    char path[64];
    struct record_maps *maps = record_maps_new(RECORD_UNDER_VALGRIND);
    struct mmu_trace_reader *reader = NULL;
    r->sink.pid = r->sink.tid = (uint64_t)pid;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (maps)
        first_look(maps, fd, pid);
    if (maps && !mmu_trace_open(path, MMU_TRACE_TEXT, &reader, err)) {
        copy(r, reader, maps, pid, err);
        record_maps_write(maps, &r->sink);
    }
    mmu_trace_close(reader);
    record_maps_free(maps);
}

int record_lackey(struct record *r)
{
    struct record_child child;
    struct mmu_error err = {0};
    int pipe[2];
    if (pipe2(pipe, O_CLOEXEC))
        return cli_error("cannot make a pipe: %s", strerror(errno));
    fcntl(pipe[0], F_SETPIPE_SZ, PIPE_SHORT);
    int status = start(r, &child, pipe[1]);
    close(pipe[1]);
    if (status == CLI_GO)
        read_all(r, pipe[0], child.pid, &err);
    close(pipe[0]); /* whatever is still written there ends Valgrind, and no one waits for it */
    if (status != CLI_GO)
        return status;
    progress_end(&r->progress);
    status = record_child_finish(&child);
    if (!r->started)
        return cli_error("valgrind could not run %s; what it printed says why", r->program.path);
    if (err.code && status < 128) /* of a program that was killed the last line may be half */
        return cli_error_mmu(&err);
    return status;
}
