/*
 * sim/record_program.c: finds the program to record, and what it is: an ELF file for x86-64 or i386, or a
 * script whose interpreter is one (see record.h).
 */
#define _GNU_SOURCE
#include "record.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCRIPTS = 4, LINE = 256 }; /* as deep, and as long, as Linux follows them */

static bool is_executable(const char *path)
{
    struct stat about;
    return !stat(path, &about) && S_ISREG(about.st_mode) && !access(path, X_OK);
}

char *record_find_command(const char *name)
{
    if (strchr(name, '/'))
        return is_executable(name) ? strdup(name) : NULL;
    const char *folder = getenv("PATH");
    for (folder = folder ? folder : "/bin:/usr/bin"; *name; folder++) {
        size_t length = strcspn(folder, ":");
        char *path;
        if (asprintf(&path, "%.*s%s%s", (int)length, folder, length ? "/" : "", name) < 0)
            return NULL;
        if (is_executable(path))
            return path;
        free(path);
        folder += length;
        if (!*folder)
            break;
    }
    return NULL;
}

/* ---- ELF ---- */

static const struct {
    uint16_t machine;
    const char *name;
} MACHINES[] = {{EM_AARCH64, "64-bit ARM"},   {EM_ARM, "ARM"},        {EM_RISCV, "RISC-V"},
                {EM_PPC64, "64-bit PowerPC"}, {EM_S390, "IBM S/390"}, {EM_MIPS, "MIPS"}};

static int wrong_machine(const char *path, uint16_t machine)
{
    for (size_t i = 0; i < sizeof MACHINES / sizeof *MACHINES; i++)
        if (MACHINES[i].machine == machine)
            return cli_error("%s: is a program for %s, expected x86-64 or i386", path, MACHINES[i].name);
    return cli_error("%s: is a program for another machine (ELF machine %u), expected x86-64 or i386", path,
                     machine);
}

/* The dynamic linker that the program asks for must be there; QEMU would only say that it cannot open it. */
static int check_linker(struct record_program *p, int fd, uint64_t offset, uint64_t size)
{
    char linker[LINE] = "";
    p->is_dynamic = true;
    if (!size || size > sizeof linker - 1 || pread(fd, linker, (size_t)size, (off_t)offset) != (ssize_t)size)
        return cli_error("%s: is a damaged program: it names no dynamic linker", p->path);
    if (!access(linker, R_OK))
        return CLI_GO;
    return cli_error("%s: needs the dynamic linker %s, which is not installed%s", p->path, linker,
                     p->is_i386 ? " (Debian: dpkg --add-architecture i386, apt-get install libc6:i386)" : "");
}

static int check_elf64(struct record_program *p, int fd)
{
    Elf64_Ehdr head;
    if (pread(fd, &head, sizeof head, 0) != sizeof head)
        return cli_error("%s: is a damaged program: it ends in its first header", p->path);
    for (unsigned i = 0; i < head.e_phnum; i++) {
        Elf64_Phdr part;
        if (pread(fd, &part, sizeof part, (off_t)(head.e_phoff + (uint64_t)i * head.e_phentsize)) !=
            sizeof part)
            return cli_error("%s: is a damaged program: program header %u is not in the file", p->path, i);
        if (part.p_type == PT_INTERP)
            return check_linker(p, fd, part.p_offset, part.p_filesz);
    }
    return CLI_GO;
}

static int check_elf32(struct record_program *p, int fd)
{
    Elf32_Ehdr head;
    if (pread(fd, &head, sizeof head, 0) != sizeof head)
        return cli_error("%s: is a damaged program: it ends in its first header", p->path);
    for (unsigned i = 0; i < head.e_phnum; i++) {
        Elf32_Phdr part;
        if (pread(fd, &part, sizeof part, (off_t)(head.e_phoff + (uint64_t)i * head.e_phentsize)) !=
            sizeof part)
            return cli_error("%s: is a damaged program: program header %u is not in the file", p->path, i);
        if (part.p_type == PT_INTERP)
            return check_linker(p, fd, part.p_offset, part.p_filesz);
    }
    return CLI_GO;
}

static int check_elf(struct record_program *p, int fd, const char *head)
{
    uint16_t type, machine;
    memcpy(&type, head + 16, sizeof type);
    memcpy(&machine, head + 18, sizeof machine);
    if (head[EI_DATA] != ELFDATA2LSB || (machine != EM_X86_64 && machine != EM_386))
        return wrong_machine(p->path, machine);
    if (type != ET_EXEC && type != ET_DYN)
        return cli_error("%s: is an ELF file, but no program", p->path);
    p->is_i386 = machine == EM_386;
    if (!p->is_i386 && head[EI_CLASS] == ELFCLASS32)
        return cli_error("%s: is an x32 program, expected x86-64 or i386", p->path);
    return p->is_i386 ? check_elf32(p, fd) : check_elf64(p, fd);
}

/* ---- scripts ---- */

/* The program becomes INTERPRETER [ARGUMENT] SCRIPT ARGUMENTS, as the kernel makes it of "#!INTERPRETER
 * ARGUMENT". */
static int follow_script(struct record_program *p, char *line)
{
    char *at = line + strspn(line, " \t"), *argument;
    at[strcspn(at, "\n")] = 0;
    for (size_t n = strlen(at); n && (at[n - 1] == ' ' || at[n - 1] == '\t'); n--)
        at[n - 1] = 0;
    argument = at + strcspn(at, " \t");
    if (*argument)
        *argument++ = 0;
    argument += strspn(argument, " \t");
    if (!*at)
        return cli_error("%s: is a script that names no interpreter", p->path);
    size_t front = *argument ? 2 : 1;
    char **argv = calloc(p->argc + front + 1, sizeof *argv), *path = strdup(at);
    char *word = *argument ? strdup(argument) : NULL;
    if (!argv || !path || (*argument && !word)) {
        free(argv), free(path), free(word);
        return cli_error("out of memory");
    }
    argv[0] = path;
    if (word)
        argv[1] = p->owned[p->n_owned++] = word;
    memcpy(argv + front, p->argv, p->argc * sizeof *argv);
    argv[front] = p->owned[p->n_owned++] = p->path;
    free(p->argv);
    p->argv = argv;
    p->argc += front;
    p->path = path;
    if (is_executable(path))
        return CLI_GO;
    return cli_error("%s: the script's interpreter %s is no executable file", argv[front], path);
}

/* Looks into the file. CLI_GO: it is a program; CLI_OK: it was a script, look again; else CLI_BAD. */
static int look(struct record_program *p)
{
    char head[LINE + 1] = "";
    int fd = open(p->path, O_RDONLY | O_CLOEXEC), status;
    ssize_t n = fd < 0 ? -1 : read(fd, head, LINE);
    if (n < 0)
        status = cli_error("%s: cannot read: %s", p->path, strerror(errno));
    else if (n >= 20 && !memcmp(head, ELFMAG, SELFMAG))
        status = check_elf(p, fd, head);
    else if (n > 2 && head[0] == '#' && head[1] == '!')
        status = follow_script(p, head + 2) == CLI_GO ? CLI_OK : CLI_BAD;
    else
        status = cli_error("%s: is neither an ELF program nor a script that begins with #!", p->path);
    if (fd >= 0)
        close(fd);
    return status;
}

/* Why no program of this name was found. */
static int not_found(const char *name)
{
    struct stat about;
    if (!strchr(name, '/'))
        return cli_error("%s: no such program in $PATH", name);
    if (stat(name, &about))
        return cli_error("%s: %s", name, strerror(errno));
    return cli_error(
        S_ISDIR(about.st_mode) ? "%s: is a directory, expected a program" : "%s: is not executable", name);
}

int record_program_find(struct record_program *p, const char *const *words, size_t n)
{
    p->path = record_find_command(words[0]);
    if (!p->path)
        return not_found(words[0]);
    p->argv = calloc(n + 1, sizeof *p->argv);
    if (!p->argv)
        return cli_error("out of memory");
    for (size_t i = 0; i < n; i++)
        p->argv[i] = (char *)(uintptr_t)words[i]; /* execv() takes what it does not change without const */
    p->argc = n;
    int status = CLI_OK;
    for (unsigned depth = 0; status == CLI_OK; depth++)
        status =
            depth <= SCRIPTS ? look(p) : cli_error("%s: scripts name each other as interpreters", words[0]);
    return status;
}

void record_program_free(struct record_program *p)
{
    for (size_t i = 0; i < p->n_owned; i++)
        free(p->owned[i]);
    free(p->argv);
    free(p->path);
    *p = (struct record_program){0};
}
