/*
 * sim/script_process.c: processes, their memory calls, files, and traces replayed in them.
 *
 * A memory call is made by the task that this CPU runs, or by the one that `pid N` names.
 */
#define _POSIX_C_SOURCE 200809L
#include "script_commands.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool script_task(struct script *s, const struct script_argument *pid, uint32_t *to, struct script_result *r)
{
    struct mmu_os_task task;
    *to = pid->given && pid->number <= UINT32_MAX ? (uint32_t)pid->number : mmu_os_current(s->os, s->cpu);
    if (pid->given && (pid->number > UINT32_MAX || mmu_os_task(s->os, *to, &task)))
        result_bad(r, "there is no task %" PRIu64 ", or no longer; 'tasks' lists them", pid->number);
    else if (!*to)
        result_bad(r, "no task runs on this CPU, expected 'switch PID' before it");
    return !r->bad;
}

/* ----- processes ----- */

COMMAND(spawn)
{
    uint32_t pid = 0;
    if (script_called(s, mmu_os_spawn(s->os, a[0].given ? a[0].text : NULL, &pid), r))
        result_number(r, "pid", pid);
}

COMMAND(kthread)
{
    uint32_t pid = 0;
    if (script_called(s, mmu_os_kthread(s->os, a[0].text, &pid), r))
        result_number(r, "pid", pid);
}

/* fork, vfork, clone */
COMMAND(fork)
{
    static int (*const CALL[])(struct mmu_os *, uint32_t, uint32_t *) = {mmu_os_fork, mmu_os_vfork,
                                                                         mmu_os_clone};
    uint32_t pid, child = 0;
    if (script_task(s, &a[0], &pid, r) && script_called(s, CALL[s->command->which](s->os, pid, &child), r))
        result_number(r, "pid", child);
}

COMMAND(exit)
{
    uint32_t pid;
    if (script_task(s, &a[0], &pid, r))
        script_called(s, mmu_os_exit(s->os, pid), r);
}

COMMAND(switch)
{
    uint32_t pid = 0;
    if (a[0].number && !script_task(s, &a[0], &pid, r))
        return;
    script_called(s, mmu_os_schedule(s->os, pid), r);
}

COMMAND(exec)
{
    uint32_t pid;
    const char *argv[SCRIPT_ARGS + 1];
    size_t n = 0;
    mmu_va entry = 0;
    struct script_argument nobody = {0};
    for (size_t i = 0; i < 5 && a[i].given; i++)
        argv[n++] = a[i].text;
    argv[n] = NULL;
    char path[SCRIPT_PATH];
    struct mmu_os_exec how = {.path = script_path(s, a[0].text, path, sizeof path),
                              .argv = argv,
                              .sysroot = a[5].given ? a[5].text : NULL};
    if (script_task(s, &nobody, &pid, r) && script_called(s, mmu_os_exec(s->os, pid, &how, &entry), r))
        result_hex(r, "entry", entry);
}

/* A whole file, terminated; NULL: told in r. */
static char *read_file(const char *path, size_t *n, struct script_result *r)
{
    enum { MOST = 64 << 20, STEP = 1 << 16 };
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t got = 1;
    *n = 0;
    while (file && got && *n <= MOST) { /* files of /proc do not tell their length */
        char *more = realloc(text, *n + STEP + 1);
        if (!more)
            break;
        text = more;
        got = fread(text + *n, 1, STEP, file);
        *n += got;
        text[*n] = 0;
    }
    if (!file || ferror(file))
        result_bad(r, "%s: %s", path, strerror(errno));
    else if (got)
        result_bad(r, "%s: more than 64 MiB, or out of memory", path);
    if (file)
        fclose(file);
    if (!r->bad)
        return text;
    free(text);
    return NULL;
}

COMMAND(import_maps)
{
    uint32_t pid;
    size_t n = 0;
    char buf[SCRIPT_PATH];
    struct mmu_error err = {0};
    const char *path = script_path(s, a[0].text, buf, sizeof buf);
    char *text = script_task(s, &a[1], &pid, r) ? read_file(path, &n, r) : NULL;
    if (!text)
        return;
    int outcome = mmu_os_import_maps(s->os, pid, text, n, path, &err);
    free(text);
    if (outcome && err.message[0]) {
        char line[SCRIPT_WORD];
        result_bad(r, "%s", mmu_error_format(&err, line, sizeof line));
    } else {
        script_called(s, outcome, r);
    }
}

/* ----- memory calls ----- */

/* A call of the task that argument `of` names: one that gives nothing, and one that puts what it gives into
 * `value`. */
#define CALL(name, of, call)                                                                                 \
    COMMAND(name)                                                                                            \
    {                                                                                                        \
        uint32_t pid;                                                                                        \
        if (script_task(s, &a[of], &pid, r))                                                                 \
            script_called(s, call, r);                                                                       \
    }
#define GIVES(name, of, field, call)                                                                         \
    COMMAND(name)                                                                                            \
    {                                                                                                        \
        uint32_t pid;                                                                                        \
        mmu_va value = 0;                                                                                    \
        if (script_task(s, &a[of], &pid, r) && script_called(s, call, r))                                    \
            result_hex(r, field, value);                                                                     \
    }
#define ARG(n)   (a[n].number)
#define FLAGS(n) ((int)ARG(n))
/* A file's number: no file has the largest. */
#define FILE_NUMBER(n) (ARG(n) < UINT32_MAX ? (uint32_t)ARG(n) : UINT32_MAX)

static const int ADVICE[] = {MMU_MADV_WILLNEED, MMU_MADV_DONTNEED, MMU_MADV_FREE};

GIVES(mmap, 6, "va",
      mmu_os_mmap(s->os, pid, ARG(0), ARG(1), FLAGS(2), FLAGS(3), FILE_NUMBER(4), ARG(5), &value))
CALL(munmap, 2, mmu_os_munmap(s->os, pid, ARG(0), ARG(1)))
CALL(mprotect, 3, mmu_os_mprotect(s->os, pid, ARG(0), ARG(1), FLAGS(2)))
GIVES(mremap, 5, "va", mmu_os_mremap(s->os, pid, ARG(0), ARG(1), ARG(2), FLAGS(3), ARG(4), &value))
GIVES(brk, 1, "brk", mmu_os_brk(s->os, pid, ARG(0), &value))
CALL(madvise, 3, mmu_os_madvise(s->os, pid, ARG(0), ARG(1), ADVICE[ARG(2)]))
CALL(msync, 2, mmu_os_msync(s->os, pid, ARG(0), ARG(1)))
CALL(mlock, 2, mmu_os_mlock(s->os, pid, ARG(0), ARG(1), s->command->which)) /* and munlock */

/* ----- files ----- */

COMMAND(file)
{
    uint32_t file = 0;
    struct mmu_os_file_info info;
    char buf[SCRIPT_PATH];
    const char *path = a[2].given ? script_path(s, a[2].text, buf, sizeof buf) : NULL;
    if (!script_called(s, mmu_os_file(s->os, a[0].text, path, a[1].number, &file), r) ||
        !script_called(s, mmu_os_file_info(s->os, file, &info), r))
        return;
    result_number(r, "file", file);
    result_number(r, "size", info.size);
    result_number(r, "cached", info.cached);
    result_number(r, "dirty", info.dirty);
}

COMMAND(sync)
{
    (void)a;
    (void)r;
    mmu_os_sync(s->os);
}

COMMAND(drop_caches)
{
    (void)a;
    (void)r;
    mmu_os_drop_caches(s->os);
}

/* ----- a trace ----- */

enum { REFERENCES = 4096 };

/* Can all of these be tried? */
static bool allowed(const struct script *s, const struct mmu_access *access, int64_t n,
                    struct script_result *r)
{
    for (int64_t i = 0; i < n; i++)
        if (MMU_PRIV_OF(access[i].kind) == MMU_USER)
            return script_runs_user(s, r);
    return true;
}

/* All references of an open trace. False: told in r. */
static bool replay(struct script *s, struct mmu_trace_reader *reader, struct script_result *r)
{
    struct mmu_access *access = malloc(REFERENCES * sizeof *access);
    struct mmu_result *result = calloc(REFERENCES, sizeof *result);
    struct mmu_error err = {0};
    uint64_t references = 0, failed = 0, faults = 0;
    mmu_va first = 0;
    int64_t n = 0;
    while (access && result && !r->bad && (n = mmu_trace_read(reader, access, REFERENCES, &err)) > 0) {
        if (!allowed(s, access, n, r))
            break;
        int status = mmu_core_run(script_core(s), access, (size_t)n, result);
        if (status)
            result_bad(r, "reference %" PRIu64 " or one behind it: %s", references + 1,
                       mmu_status_text(status));
        references += (uint64_t)n;
        for (int64_t i = 0; i < n; i++) {
            faults += result[i].faults;
            if (result[i].outcome != MMU_DONE && !failed++)
                first = result[i].cr2;
        }
    }
    char line[SCRIPT_WORD];
    if (!access || !result)
        result_bad(r, "out of memory");
    else if (n < 0)
        result_bad(r, "%s", mmu_error_format(&err, line, sizeof line));
    free(access);
    free(result);
    result_number(r, "references", references);
    result_number(r, "faults", faults);
    result_number(r, "failed", failed);
    result_hex(r, "first_failed", first);
    return !r->bad;
}

COMMAND(trace)
{
    struct mmu_trace_reader *reader = NULL;
    struct mmu_error err = {0};
    char line[SCRIPT_WORD], buf[SCRIPT_PATH];
    const char *path = script_path(s, a[0].text, buf, sizeof buf);
    if (script_is_scenario(path)) {
        result_bad(r, "%s is a scenario, expected a trace", path);
    } else if (mmu_trace_open(path, MMU_TRACE_AUTO, &reader, &err)) {
        result_bad(r, "%s", mmu_error_format(&err, line, sizeof line));
    } else {
        replay(s, reader, r);
        mmu_trace_close(reader);
    }
}
