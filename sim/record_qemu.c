/*
 * sim/record_qemu.c: records with QEMU's user mode and our plugin (see record_shared.h).
 */
#define _GNU_SOURCE
#include "record.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(x)     __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define STORE(x, y) __atomic_store_n(&(x), (y), __ATOMIC_RELEASE)

enum { NO_SLAB = RECORD_SLABS };

static const char *command_of(const struct record *r)
{
    return r->program.is_i386 ? "qemu-i386" : "qemu-x86_64";
}

bool record_qemu_ready(struct record *r)
{
    char *path = record_find_command(command_of(r));
    bool ready = path;
    if (!ready)
        cli_error("%s is not installed (Debian: apt-get install qemu-user)", command_of(r));
    free(path);
    return ready;
}

/* ---- the memory ---- */

/* Makes it; *fd is its file. NULL after a complaint. */
static struct record_shared *make_shared(int *fd)
{
    *fd = memfd_create("mmusim", MFD_CLOEXEC);
    void *memory =
        *fd < 0 || ftruncate(*fd, (off_t)RECORD_SHARED_BYTES)
            ? MAP_FAILED
            : mmap(NULL, RECORD_SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, *fd, 0);
    if (memory == MAP_FAILED) {
        cli_error("cannot make memory to share with QEMU: %s", strerror(errno));
        if (*fd >= 0)
            close(*fd);
        return NULL;
    }
    struct record_shared *shared = memory;
    shared->layout = RECORD_LAYOUT;
    shared->recorder = (uint32_t)getpid();
    return shared;
}

/* The full slab that was handed over first, or NO_SLAB. */
static unsigned find_full(const struct record_shared *shared)
{
    unsigned found = NO_SLAB;
    for (unsigned i = 0; i < RECORD_SLABS; i++)
        if (LOAD(shared->state[i]) == RECORD_FULL &&
            (found == NO_SLAB || shared->slab[i].order < shared->slab[found].order))
            found = i;
    return found;
}

/* The slab that was taken first of those that are held by threads which will not hand them over any more, or
 * NO_SLAB. all: none will. */
static unsigned find_held(const struct record_shared *shared, bool all)
{
    unsigned found = NO_SLAB;
    for (unsigned i = 0; i < RECORD_SLABS; i++) {
        if (LOAD(shared->state[i]) != RECORD_HELD)
            continue;
        bool gone = all || (kill((pid_t)shared->slab[i].pid, 0) && errno == ESRCH);
        if (gone && (found == NO_SLAB || shared->slab[i].time < shared->slab[found].time))
            found = i;
    }
    return found;
}

/* Wakes threads of the program that wait for a free slab. */
static void feed(struct record_shared *shared, uint32_t *fed)
{
    *fed = LOAD(shared->freed);
    if (LOAD(shared->starving))
        syscall(SYS_futex, &shared->freed, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* fed: how many slabs had been freed when threads were woken last. They are woken for many at once: where two
 * threads of the recorder and the program share two processors, one that sleeps again and again for a moment
 * keeps its processor to itself. */
static void empty(struct record_shared *shared, struct record_words *words, unsigned slab, uint32_t *fed)
{
    enum { MANY = RECORD_SLABS / 2 };
    bool full = LOAD(shared->state[slab]) == RECORD_FULL;
    uint32_t n = full ? shared->slab[slab].words : RECORD_WORDS; /* a held one ends with a zero */
    n = n < RECORD_WORDS ? n : RECORD_WORDS;
    record_words_take(words, &shared->slab[slab], shared->word[slab], n);
    STORE(shared->word[slab][0], 0);
    STORE(shared->state[slab], RECORD_FREE);
    if (__atomic_add_fetch(&shared->freed, 1, __ATOMIC_ACQ_REL) - *fed >= MANY)
        feed(shared, fed);
}

/* ---- the run ---- */

/* Sleeps until some slabs are full or the process has ended, at most a tenth of a second: to be woken for
 * each one costs both sides time. */
static void rest(struct record_shared *shared, struct record_child *child)
{
    const struct timespec most = {.tv_nsec = 100000000};
    enum { SOME = 8 };
    uint32_t full = LOAD(shared->full);
    STORE(shared->wake_at, full + SOME);
    (void)__atomic_exchange_n(&shared->waiting, 1, __ATOMIC_SEQ_CST); /* a fence, too, that TSan knows */
    if (find_full(shared) == NO_SLAB && !record_child_ended(child))
        syscall(SYS_futex, &shared->full, FUTEX_WAIT, full, &most, NULL, 0);
    STORE(shared->waiting, 0);
}

static void drain(struct record *r, struct record_shared *shared, struct record_words *words,
                  struct record_child *child)
{
    for (uint32_t fed = 0;;) {
        bool ended = record_child_ended(child);
        if (ended || record_sink_full(&r->sink))
            STORE(shared->stopped, 1); /* also for children that outlive the program */
        unsigned slab = find_full(shared);
        if (slab == NO_SLAB)
            slab = find_held(shared, ended);
        if (slab != NO_SLAB)
            empty(shared, words, slab, &fed);
        else if (ended)
            break;
        else {
            feed(shared, &fed);
            rest(shared, child);
        }
        record_show(r);
    }
}

/* The plugin stands in ../lib/mmusim beside this program, in the build tree and installed. Makes the option
 * for it; commas in the path are doubled, as QEMU wants them. */
static int plugin_option(const struct record *r, int fd, char option[RECORD_PATH])
{
    static const char place[] = "../lib/mmusim/mmusim-record.so";
    char path[RECORD_PATH];
    size_t n = 0;
    if (snprintf(path, sizeof path, "%s/%s", r->self, place) >= (int)sizeof path / 2)
        return cli_error("%s: the path of the recorder's plugin is too long", r->self);
    if (access(path, R_OK))
        return cli_error("%s: cannot read the recorder's plugin: %s", path, strerror(errno));
    for (const char *p = path; *p; p++) {
        option[n++] = *p;
        if (*p == ',')
            option[n++] = ',';
    }
    snprintf(option + n, RECORD_PATH - n, ",shared=/proc/%ld/fd/%d", (long)getpid(), fd);
    return CLI_GO;
}

/* QEMU's processor: all that it can be, so that programs for newer ones run; but without REP MOVSB for whole
 * copies, of which QEMU makes one access a byte. */
#define PROCESSOR "max,-erms"

/* How QEMU is started: for us, and for the plugin when the program becomes another one. */
static int prepare(const struct record *r, struct record_shared *shared, int fd)
{
    static const char *const names[2] = {"qemu-x86_64", "qemu-i386"};
    for (int k = 0; k < 2; k++) {
        char *path = record_find_command(names[k]);
        if (path && strlen(path) < RECORD_PATH)
            strcpy(shared->qemu[k], path);
        free(path);
    }
    if (!getenv("QEMU_CPU"))
        strcpy(shared->processor, PROCESSOR);
    return plugin_option(r, fd, shared->plugin);
}

static int start(struct record *r, struct record_shared *shared, struct record_child *child)
{
    static char cpu_word[] = "-cpu", plugin_word[] = "-plugin", name_word[] = "-0";
    char **argv = calloc(r->program.argc + 8, sizeof *argv), *qemu = shared->qemu[r->program.is_i386];
    size_t n = 0;
    if (!argv)
        return cli_error("out of memory");
    argv[n++] = qemu;
    argv[n++] = plugin_word;
    argv[n++] = shared->plugin;
    if (*shared->processor) {
        argv[n++] = cpu_word;
        argv[n++] = shared->processor;
    }
    argv[n++] = name_word;
    argv[n++] = r->program.argv[0];
    argv[n++] = r->program.path;
    memcpy(argv + n, r->program.argv + 1, (r->program.argc - 1) * sizeof *argv);
    int status = record_child_start(child, qemu, argv, -1, &shared->full);
    free(argv);
    return status;
}

/* QEMU has ended: did it run the program? */
static int judge(struct record *r, const struct record_shared *shared, int status)
{
    if (!LOAD(shared->started))
        return cli_error("%s could not load the recorder's plugin; the line above says why", command_of(r));
    if (!LOAD(shared->based))
        return cli_error("%s could not load %s; the line above says why", command_of(r), r->program.path);
    r->started = true;
    if (LOAD(shared->exhausted))
        return cli_error(
            "the program has more code than the recorder can describe: the recording is not complete");
    return status;
}

int record_qemu(struct record *r)
{
    struct record_child child;
    int fd, status;
    struct record_shared *shared = make_shared(&fd);
    if (!shared)
        return CLI_BAD;
    struct record_words *words = record_words_new(shared, &r->sink);
    status = words ? prepare(r, shared, fd) : cli_error("out of memory");
    if (status == CLI_GO)
        status = start(r, shared, &child);
    if (status == CLI_GO) {
        drain(r, shared, words, &child);
        record_words_finish(words);
        progress_end(&r->progress);
        status = judge(r, shared, record_child_finish(&child));
    }
    record_words_free(words);
    munmap(shared, RECORD_SHARED_BYTES);
    close(fd);
    return status;
}
