/* sim/spaces.c: see spaces.h. Supervisor references need no VMA; they go to the kernel's part. */
#define _POSIX_C_SOURCE 200809L
#include "spaces.h"
#include "cli.h"
#include "footprint.h"
#include "maps.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    BATCH = MMU_EXECUTIONS_MOST,
    NEAR = (1 << 20) / 4096,
    FETCHED = 1 << MMU_FETCH,
    STORED = 1 << MMU_STORE
};

/* Pages whose references need more rights than the trace's own maps have: their program changed the rights
 * before or after it was asked for them (mprotect() behind the dynamic linker's relocations, for example). */
struct grant {
    mmu_va start, end;
    int prot;
};

/* A process: the pages that it touches, and the text of its maps, whole. */
struct process {
    uint64_t id;
    struct footprint pages;
    char *maps; /* given, then with what was inferred */
    size_t size;
    bool own; /* the maps are the trace's */
    struct grant *grant;
    size_t grants;
    mmu_va highest;
};

struct spaces {
    struct process *process;
    size_t n;
    const char *path;
    char origin[300]; /* of the maps */
};

/* ----- the first pass ----- */

static struct process *find(const struct spaces *spaces, uint64_t id)
{
    for (size_t i = 0; i < spaces->n; i++)
        if (spaces->process[i].id == id)
            return &spaces->process[i];
    return NULL;
}

static struct process *find_or_add(struct spaces *spaces, uint64_t id)
{
    struct process *p = find(spaces, id);
    if (p)
        return p;
    struct process *more = realloc(spaces->process, (spaces->n + 1) * sizeof *more);
    if (!more)
        return NULL;
    spaces->process = more;
    more[spaces->n] = (struct process){.id = id};
    return &more[spaces->n++];
}

/* The user's references among n. False: out of memory. */
static bool note(struct spaces *spaces, uint64_t id, const struct mmu_access *a, size_t n)
{
    struct process *p = n ? find_or_add(spaces, id) : NULL;
    bool ok = p || !n;
    for (size_t i = 0, run; ok && i < n; i += run ? run : 1) {
        for (run = 0; i + run < n && MMU_PRIV_OF(a[i + run].kind) == MMU_USER;)
            run++;
        ok = !run || footprint_add(&p->pages, 0, a + i, run);
    }
    return ok;
}

/* References, cut where marks change the process. */
static bool note_marked(struct spaces *spaces, uint64_t *process, uint64_t first, const struct mmu_access *a,
                        size_t n, const struct mmu_trace_mark *marks, size_t n_marks)
{
    size_t at = 0;
    bool ok = true;
    for (size_t m = 0; ok && m <= n_marks; m++) {
        size_t until = m < n_marks ? (size_t)(marks[m].at - first) : n;
        until = until < n ? until : n;
        ok = note(spaces, *process, a + at, until - at);
        at = until;
        if (m < n_marks && marks[m].kind == MMU_MARK_PROCESS)
            *process = marks[m].value;
    }
    return ok;
}

/* A stretch of executions; marks come alone. */
static bool note_executions(struct spaces *spaces, uint64_t process, const struct mmu_executions *x)
{
    struct process *p = find_or_add(spaces, process);
    return p && footprint_add_executions(&p->pages, 0, x);
}

static int read_trace(struct spaces *spaces, struct mmu_trace_reader *reader, uint64_t end)
{
    struct mmu_executions executions;
    struct mmu_access *a = malloc(BATCH * sizeof *a);
    struct mmu_trace_mark *marks = malloc(MMU_MARKS_LEAST * sizeof *marks);
    struct mmu_error err = {0};
    uint64_t process = 0, done = 0;
    bool ok = a && marks;
    int64_t got = 1;
    for (size_t n_marks = 1; ok && done < end && (got > 0 || n_marks);) {
        size_t most = end - done < BATCH ? (size_t)(end - done) : BATCH;
        got = mmu_trace_read_executions(reader, most, &executions, marks, MMU_MARKS_LEAST, &n_marks, &err);
        bool executed = got > 0;
        if (got == MMU_ERR_UNSUPPORTED)
            got = mmu_trace_read_marked(reader, a, most, marks, MMU_MARKS_LEAST, &n_marks, &err);
        if (got < 0)
            break;
        ok = executed ? note_executions(spaces, process, &executions)
                      : note_marked(spaces, &process, done, a, (size_t)got, marks, n_marks);
        done += (uint64_t)got;
    }
    free(a);
    free(marks);
    if (!ok)
        return cli_error("out of memory");
    return got < 0 ? cli_error_mmu(&err) : CLI_GO;
}

/* ----- maps ----- */

static bool keep_maps(struct process *p, const char *text, size_t n)
{
    char *copy = malloc(n + 2);
    if (!copy)
        return false;
    memcpy(copy, text, n);
    copy[n] = '\n';
    n += n && text[n - 1] != '\n';
    copy[n] = 0;
    free(p->maps);
    p->maps = copy;
    p->size = n;
    return true;
}

/* The trace's own maps. */
static int take_maps(struct spaces *spaces, struct mmu_trace_reader *reader)
{
    struct mmu_trace_info info;
    mmu_trace_info(reader, &info);
    for (uint32_t i = 0; i < info.maps; i++) {
        uint64_t id;
        size_t n;
        const char *text = mmu_trace_maps(reader, i, &id, &n);
        struct process *p = text ? find(spaces, id) : NULL;
        if (!p && text && info.maps == 1 && spaces->n == 1) /* the trace names no process but in its maps */
            p = spaces->process;
        if (p && !keep_maps(p, text, n))
            return cli_error("out of memory");
        if (p)
            p->own = true;
    }
    return CLI_GO;
}

static int read_maps(struct spaces *spaces, const char *path)
{
    enum { MOST = 16 << 20 };
    FILE *file = fopen(path, "re");
    char *text = malloc(MOST + 1);
    size_t n = file && text ? fread(text, 1, MOST + 1, file) : 0;
    int status = CLI_GO;
    if (!file || ferror(file))
        status = cli_error("%s: cannot read: %s", path, strerror(errno));
    else if (!text)
        status = cli_error("out of memory");
    else if (!n || n > MOST)
        status = cli_error("%s: %s, expected the text of /proc/PID/maps", path, n ? "too large" : "empty");
    for (size_t i = 0; status == CLI_GO && i < spaces->n; i++)
        if (!keep_maps(&spaces->process[i], text, n))
            status = cli_error("out of memory");
    if (file)
        fclose(file);
    free(text);
    return status;
}

/* ----- what is inferred ----- */

static int by_number(const void *left, const void *right)
{
    const struct footprint_page *a = left, *b = right;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* Is a given region between the two pages? */
static bool parted(const struct maps *given, uint64_t from, uint64_t to)
{
    size_t low = 0, high = given->n;
    while (low < high) { /* the first region behind `from` */
        size_t middle = low + (high - low) / 2;
        if (given->region[middle].start > from << 12)
            high = middle;
        else
            low = middle + 1;
    }
    return low < given->n && given->region[low].start < to << 12;
}

/* Writes a line for each stretch of pages that no given region holds. */
static void print_stretches(FILE *out, const struct maps *given, const struct footprint_page *page, size_t n)
{
    for (size_t i = 0, end; i < n; i = end) {
        unsigned touched = page[i].touched;
        end = i + 1;
        if (maps_find(given, 0, page[i].number << 12))
            continue;
        while (end < n && page[end].number - page[end - 1].number <= NEAR &&
               !((page[end].touched ^ page[i].touched) & FETCHED) &&
               !parted(given, page[end - 1].number, page[end].number) &&
               !maps_find(given, 0, page[end].number << 12))
            touched |= page[end++].touched;
        fprintf(out, "%" PRIx64 "-%" PRIx64 " r%c%cp 00000000 00:00 0\n", page[i].number << 12,
                (page[end - 1].number + 1) << 12, touched & STORED ? 'w' : '-',
                touched & FETCHED ? 'x' : '-');
    }
}

/* What references to a page of a region need beyond its rights; 0: nothing. */
static int rights_missing(const struct maps_region *region, unsigned touched)
{
    int has = (region->rights[0] == 'r' ? MMU_PROT_READ : 0) |
              (region->rights[1] == 'w' ? MMU_PROT_WRITE : 0) |
              (region->rights[2] == 'x' ? MMU_PROT_EXEC : 0);
    int needs =
        MMU_PROT_READ | (touched & STORED ? MMU_PROT_WRITE : 0) | (touched & FETCHED ? MMU_PROT_EXEC : 0);
    return needs & ~has ? needs | has : 0;
}

/* False: out of memory. */
static bool grant_rights(struct process *p, const struct maps *given, const struct footprint_page *page,
                         size_t n)
{
    p->grant = calloc(n + 1, sizeof *p->grant);
    for (size_t i = 0; p->grant && i < n; i++) {
        mmu_va va = page[i].number << 12;
        const struct maps_region *region = maps_find(given, 0, va);
        int prot = region && region->end > va ? rights_missing(region, page[i].touched) : 0;
        struct grant *last = p->grants ? &p->grant[p->grants - 1] : NULL;
        if (prot && last && last->end == va && last->prot == prot)
            last->end += 4096;
        else if (prot)
            p->grant[p->grants++] = (struct grant){va, va + 4096, prot};
    }
    return p->grant;
}

static int infer(struct process *p, const char *origin)
{
    size_t n = 0, size = 0;
    char *text = NULL;
    struct maps given = {0};
    struct footprint_page *page = malloc((p->pages.used + 1) * sizeof *page);
    FILE *out = open_memstream(&text, &size);
    int status = page && out ? CLI_GO : cli_error("out of memory");
    if (status == CLI_GO && p->maps)
        status = maps_add(&given, origin, p->maps, p->size, 0, true);
    if (status == CLI_GO) {
        maps_sort(&given);
        for (size_t i = 0; p->pages.page && i < (size_t)1 << p->pages.bits; i++)
            if (p->pages.page[i].touched)
                page[n++] = p->pages.page[i];
        qsort(page, n, sizeof *page, by_number);
        if (p->maps)
            fputs(p->maps, out);
        print_stretches(out, &given, page, n);
        if (p->own && !grant_rights(p, &given, page, n))
            status = cli_error("out of memory");
        p->highest = n ? p->pages.highest : 0;
    }
    if (out && fclose(out) && status == CLI_GO)
        status = cli_error("out of memory");
    free(p->maps);
    p->maps = text;
    p->size = size;
    free(page);
    maps_free(&given);
    footprint_free(&p->pages);
    return status;
}

int spaces_plan(const char *path, const struct mmu_trace_options *options, const char *maps, uint64_t end,
                struct spaces **out)
{
    struct mmu_trace_reader *reader = NULL;
    struct mmu_error err = {0};
    struct spaces *spaces = *out = calloc(1, sizeof *spaces);
    if (!spaces)
        return cli_error("out of memory");
    spaces->path = path;
    struct stat info;
    if (!strcmp(path, "-") || (stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)))
        return cli_error("run: a machine with a kernel reads a trace twice; expected a file, not standard "
                         "input or a pipe");
    if (mmu_trace_open_with(path, options, &reader, &err))
        return cli_error_mmu(&err);
    int status = read_trace(spaces, reader, end);
    if (status == CLI_GO)
        status = maps ? read_maps(spaces, maps) : take_maps(spaces, reader);
    mmu_trace_close(reader);
    snprintf(spaces->origin, sizeof spaces->origin, "%s%s", maps ? maps : path, maps ? "" : " (its maps)");
    for (size_t i = 0; status == CLI_GO && i < spaces->n; i++)
        status = infer(&spaces->process[i], spaces->origin);
    return status;
}

void spaces_free(struct spaces *spaces)
{
    for (size_t i = 0; spaces && i < spaces->n; i++) {
        free(spaces->process[i].maps);
        free(spaces->process[i].grant);
        footprint_free(&spaces->process[i].pages);
    }
    if (spaces)
        free(spaces->process);
    free(spaces);
}

/* ----- on a machine ----- */

/* The end of user space, as the kernel's constants say. */
static void take_task_size(void *ctx, const char *name, uint64_t value)
{
    if (!strcmp(name, "TASK_SIZE"))
        *(uint64_t *)ctx = value;
}

static int make(const struct spaces *spaces, const struct process *p, struct mmu_os *os, const char *machine,
                uint32_t *pid)
{
    struct mmu_error err = {0};
    uint64_t task_size = 0;
    mmu_os_constants(os, take_task_size, &task_size);
    if (p->highest >= task_size)
        return cli_error("%s: the trace touches 0x%" PRIx64 ", but on %s user space ends at 0x%" PRIx64
                         " (%s); expected a machine with %s, or one without a kernel",
                         spaces->path, p->highest, machine, task_size,
                         p->highest >> 32 ? "it has addresses of a wider kernel"
                                          : "32-bit programs have 4 GiB under a 64-bit kernel, 3 GiB here",
                         p->highest >> 47 ? "five-level paging" : "a 64-bit kernel");
    int outcome = mmu_os_spawn(os, "trace", pid);
    if (outcome == MMU_OS_DONE)
        outcome = mmu_os_import_maps(os, *pid, p->maps, p->size, spaces->origin, &err);
    for (size_t i = 0; outcome == MMU_OS_DONE && i < p->grants; i++)
        outcome = mmu_os_mprotect(os, *pid, p->grant[i].start, p->grant[i].end - p->grant[i].start,
                                  p->grant[i].prot);
    if (outcome == MMU_OS_DONE)
        return CLI_GO;
    if (err.message[0])
        return cli_error_mmu(&err);
    return cli_error("%s: no address space for process %" PRIu64 " on %s: %s", spaces->origin, p->id, machine,
                     outcome < 0 ? mmu_status_text(outcome) : mmu_os_report(os)->text);
}

int spaces_make(const struct spaces *spaces, struct mmu_os *os, const char *machine, uint32_t cores,
                struct spaces_tasks *tasks)
{
    tasks->cores = cores;
    tasks->pid = calloc(spaces->n * cores + 1, sizeof *tasks->pid);
    int status = tasks->pid ? CLI_GO : cli_error("out of memory");
    for (size_t i = 0; status == CLI_GO && i < spaces->n; i++)
        status = make(spaces, &spaces->process[i], os, machine, &tasks->pid[i * cores]);
    return status;
}

int spaces_enter(const struct spaces *spaces, struct mmu_os *os, uint32_t core, uint64_t process,
                 struct spaces_tasks *tasks)
{
    const struct process *p = find(spaces, process);
    if (!p)
        return MMU_OK; /* it has no reference that is replayed */
    uint32_t *pid = &tasks->pid[(size_t)(p - spaces->process) * tasks->cores];
    mmu_os_run_on(os, core);
    if (!pid[core]) {
        int outcome = mmu_os_clone(os, pid[0], &pid[core]);
        if (outcome != MMU_OS_DONE)
            return outcome;
    }
    return mmu_os_schedule(os, pid[core]);
}

void spaces_tasks_free(struct spaces_tasks *tasks)
{
    free(tasks->pid);
    *tasks = (struct spaces_tasks){0};
}
