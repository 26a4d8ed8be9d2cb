/*
 * sim/plugin/exec.c: see record_plugin_exec.h. QEMU would hand an execve() on to the kernel, and what comes
 * of it would run by itself, unrecorded.
 */
#define _GNU_SOURCE
#include "record_plugin_exec.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE = 256, SCRIPTS = 4, FRONT = 8, WORD = 32 };

/* A vector of words that grows, with a NULL behind them. */
struct words {
    char **item;
    size_t n, room;
    bool failed;
};

static void add(struct words *w, char *word)
{
    if (w->n + 1 >= w->room) {
        size_t room = w->room ? 2 * w->room : 64;
        char **item = realloc(w->item, room * sizeof *item);
        w->failed = w->failed || !item;
        if (!item)
            return;
        w->item = item;
        w->room = room;
    }
    w->item[w->n++] = word;
    w->item[w->n] = NULL;
}

/* The strings of argv or envp, which stay where the program has them. */
static void add_strings(struct words *w, const struct exec_request *r, uint64_t at)
{
    for (size_t i = 0; at; i++) {
        const void *place = (const void *)(r->base + at + i * (r->is_i386 ? 4 : 8));
        uint64_t string = r->is_i386 ? *(const uint32_t *)place : *(const uint64_t *)place;
        if (!string)
            return;
        add(w, (char *)(r->base + string));
    }
}

/* Reads how a file begins. False: it is not there, or nothing to execute. */
static bool read_head(const char *path, char head[LINE + 1])
{
    struct stat about;
    memset(head, 0, LINE + 1);
    if (stat(path, &about) || !S_ISREG(about.st_mode) || access(path, X_OK))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, head, LINE);
    if (fd >= 0)
        close(fd);
    return n > 20;
}

/* The QEMU for this program, or NULL. */
static const char *qemu_for(const struct record_shared *shared, const char *head)
{
    uint16_t machine;
    memcpy(&machine, head + 18, sizeof machine);
    if (memcmp(head, ELFMAG, SELFMAG) || head[EI_DATA] != ELFDATA2LSB)
        return NULL;
    bool is_i386 = machine == EM_386;
    if (!is_i386 && (machine != EM_X86_64 || head[EI_CLASS] != ELFCLASS64))
        return NULL;
    return *shared->qemu[is_i386] ? shared->qemu[is_i386] : NULL;
}

/* "#!INTERPRETER ARGUMENT": the interpreter and its argument (NULL: none), copied. */
static char *interpreter_of(const char *head, char **argument)
{
    char *line = strndup(head + 2, strcspn(head + 2, "\n")), *end;
    *argument = NULL;
    if (!line)
        return NULL;
    for (end = line + strlen(line); end > line && (end[-1] == ' ' || end[-1] == '\t'); end--)
        end[-1] = 0;
    line += strspn(line, " \t");
    end = line + strcspn(line, " \t");
    if (*end) {
        *end++ = 0;
        *argument = end + strspn(end, " \t");
    }
    return line;
}

/* What stands before the program's arguments: path, and for scripts their interpreters' words. Returns the
 * QEMU for it, or NULL. */
static const char *resolve(const struct record_shared *shared, char *path, struct words *front)
{
    char head[LINE + 1];
    for (unsigned depth = 0; depth <= SCRIPTS && read_head(path, head); depth++) {
        if (memcmp(head, "#!", 2)) {
            const char *qemu = qemu_for(shared, head);
            if (!depth)
                add(front, path);
            return front->failed ? NULL : qemu;
        }
        struct words longer = {0};
        char *argument, *interpreter = interpreter_of(head, &argument);
        if (!interpreter)
            return NULL;
        add(&longer, interpreter);
        if (argument)
            add(&longer, argument);
        add(&longer, path);
        for (size_t i = 1; i < front->n; i++)
            add(&longer, front->item[i]);
        free(front->item);
        *front = longer;
        path = interpreter;
    }
    return NULL;
}

void exec_recorded(const struct exec_request *r)
{
    static char plugin_word[] = "-plugin", cpu_word[] = "-cpu", name_word[] = "-0";
    struct words front = {0}, given = {0}, all = {0}, environment = {0};
    char *path = (char *)(r->base + r->path), plugin[RECORD_PATH + WORD];
    add_strings(&given, r, r->argv);
    add_strings(&environment, r, r->envp);
    const char *qemu = resolve(r->shared, path, &front);
    if (qemu && given.n && !environment.failed) {
        bool is_script = front.n > 1;
        snprintf(plugin, sizeof plugin, "%s,image=%u", r->shared->plugin, r->image);
        add(&all, (char *)(uintptr_t)qemu);
        add(&all, plugin_word);
        add(&all, plugin);
        if (*r->shared->processor) {
            add(&all, cpu_word);
            add(&all, (char *)(uintptr_t)r->shared->processor);
        }
        add(&all, name_word);
        add(&all, is_script ? front.item[0] : given.item[0]);
        for (size_t i = 0; i < front.n; i++)
            add(&all, front.item[i]);
        for (size_t i = 1; i < given.n; i++)
            add(&all, given.item[i]);
        char *nothing[] = {NULL};
        if (!all.failed && !given.failed)
            execve(qemu, all.item, environment.item ? environment.item : nothing);
    }
    free(front.item);
    free(given.item);
    free(all.item);
    free(environment.item);
}
