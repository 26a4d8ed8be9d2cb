/*
 * test_exec.c: ELF programs: where they are put, what they find on their stack, and what is said of files
 * that are none. The programs are made here, field by field.
 */
#include "dice.h"
#include "process_rig.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, FILE_BYTES = 0x4000 };
enum { ESRCH = 3, ENOENT = 2, E2BIG = 7, ENOEXEC = 8, ENOMEM = 12, EACCES = 13 };

static char folder[] = P_tmpdir "/mmusim-exec-XXXXXX", program[64], loader[64];

/* A 64-bit program of two segments; the second's last bytes are bss. */
struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segment[3];
    char interpreter[32];
    uint8_t rest[FILE_BYTES - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr) - 32];
};
_Static_assert(sizeof(struct image) == FILE_BYTES, "no padding");

static struct image image(uint16_t type, uint64_t base)
{
    struct image i = {
        .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                   .e_type = type,
                   .e_machine = EM_X86_64,
                   .e_version = EV_CURRENT,
                   .e_entry = base + 0x123,
                   .e_phoff = sizeof(Elf64_Ehdr),
                   .e_ehsize = sizeof(Elf64_Ehdr),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = 2},
        .segment = {{.p_type = PT_LOAD,
                     .p_flags = PF_R | PF_X,
                     .p_vaddr = base,
                     .p_filesz = 0x1100,
                     .p_memsz = 0x1100,
                     .p_align = PAGE},
                    {.p_type = PT_LOAD,
                     .p_flags = PF_R | PF_W,
                     .p_offset = 0x2f00,
                     .p_vaddr = base + 0x3f00,
                     .p_filesz = 0x200,
                     .p_memsz = 0x2200,
                     .p_align = PAGE}},
    };
    memset(i.rest, 0xab, sizeof i.rest);
    return i;
}

static void with_interpreter(struct image *i, const char *path)
{
    snprintf(i->interpreter, sizeof i->interpreter, "%s", path);
    i->header.e_phnum = 3;
    i->segment[2] = (Elf64_Phdr){
        .p_type = PT_INTERP, .p_offset = offsetof(struct image, interpreter), .p_filesz = strlen(path) + 1};
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static int exec(const char *path, mmu_va *entry)
{
    const struct mmu_os_exec how = {.path = path, .sysroot = folder};
    return mmu_os_exec(rig.os, pid, &how, entry);
}

static const char *maps(void)
{
    static char text[1 << 14];
    mmu_os_task_view(rig.os, pid, MMU_VIEW_MAPS, text, sizeof text);
    return text;
}

/* What maps says of addresses and rights alone. */
static const char *areas(void)
{
    static char text[1 << 12];
    size_t n = 0;
    for (const char *line = maps(); *line; line = strchr(line, '\n') + 1) {
        const char *name = strrchr(line, '/'), *end = strchr(line, '\n'), *bracket = strchr(line, '[');
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s", (int)(strchr(line, ' ') + 5 - line), line);
        if (bracket && bracket < end)
            n += (size_t)snprintf(text + n, sizeof text - n, " %.*s", (int)(end - bracket), bracket);
        else if (strchr(line, '/') && strchr(line, '/') < end) {
            for (const char *at = line; (at = strchr(at, '/')) && at < end; at++)
                name = at;
            n += (size_t)snprintf(text + n, sizeof text - n, " %.*s", (int)(end - name - 1), name + 1);
        }
        n += (size_t)snprintf(text + n, sizeof text - n, "\n");
    }
    return text;
}

static uint64_t word_at(mmu_va va, unsigned size)
{
    uint64_t word = 0;
    done(mmu_os_peek(rig.os, pid, va, &word, size));
    return word;
}

static void string_is(mmu_va va, const char *should)
{
    char text[256];
    done(mmu_os_peek(rig.os, pid, va, text, strlen(should) + 1));
    assert_string_equal(text, should);
}

/* ----- programs ----- */

static void test_static(void **state)
{
    (void)state;
    const struct image i = image(ET_EXEC, 0x400000);
    struct mmu_os_task task;
    mmu_va entry = 0;
    write_file(program, &i, sizeof i);
    done(exec(program, &entry));
    assert_int_equal(entry, 0x400123);
    assert_string_equal(areas(), "00400000-00402000 r-xp program\n"
                                 "00403000-00405000 rw-p program\n"
                                 "00405000-00407000 rw-p [heap]\n" /* bss that ends where the break begins */
                                 "7ffff7ff9000-7ffff7ffd000 r--p [vvar]\n"
                                 "7ffff7ffd000-7ffff7fff000 r-xp [vdso]\n"
                                 "7ffffffde000-7ffffffff000 rw-p [stack]\n");
    assert_int_equal(word_at(0x403f00, 4), 0xabababab);
    assert_int_equal(word_at(0x4040fc, 8), 0x00000000abababab); /* the file ends at 0x404100 */
    assert_int_equal(word_at(0x404ff8, 8), 0);                  /* its page's rest is cleared */
    assert_int_equal(word_at(0x406000, 8), 0);
    assert_int_equal(mmu_os_task(rig.os, pid, &task), MMU_OS_DONE);
    assert_string_equal(task.comm, "program");
    assert_int_equal(task.start_code, 0x400000);
    assert_int_equal(task.end_code, 0x401100);
    assert_int_equal(task.start_data, 0x403f00);
    assert_int_equal(task.end_data, 0x404100);
    assert_int_equal(task.start_brk, 0x407000);
    assert_int_equal(task.brk, 0x407000);
}

/* Nothing of a program is in memory but what exec wrote: the page with the bss's beginning, and the stack. */
static void test_touched(void **state)
{
    (void)state;
    const struct image i = image(ET_EXEC, 0x400000);
    struct mmu_os_task task;
    mmu_va entry;
    write_file(program, &i, sizeof i);
    done(exec(program, &entry));
    assert_int_equal(mmu_os_task(rig.os, pid, &task), MMU_OS_DONE);
    assert_int_equal(task.rss_anon, 2);
    assert_int_equal(task.rss_file, 0);
}

/* argc, argv, envp, auxv, as a program's first instruction finds them. */
static void check_stack(unsigned word, unsigned headers, const char *platform)
{
    struct mmu_os_task task;
    uint64_t seen = 0;
    static const char *const args[] = {"one", "two words"}, *const env[] = {"A=1"};
    assert_int_equal(mmu_os_task(rig.os, pid, &task), MMU_OS_DONE);
    mmu_va at = task.start_stack;
    assert_int_equal(at % 16, 0);
    assert_int_equal(word_at(at, word), 2);
    for (unsigned i = 0; i < 2; i++)
        string_is(word_at(at += word, word), args[i]);
    assert_int_equal(word_at(at += word, word), 0);
    string_is(word_at(at += word, word), env[0]);
    assert_int_equal(word_at(at += word, word), 0);
    for (at += word; word_at(at, word) != AT_NULL; at += 2 * word) {
        uint64_t type = word_at(at, word), value = word_at(at + word, word);
        seen |= UINT64_C(1) << type;
        if (type == AT_PAGESZ)
            assert_int_equal(value, PAGE);
        else if (type == AT_EXECFN)
            string_is(value, program);
        else if (type == AT_PLATFORM)
            string_is(value, platform);
        else if (type == AT_PHNUM)
            assert_int_equal(value, headers);
        else if (type == AT_PHDR) /* the headers are mapped */
            assert_int_equal(word_at(value, 4), PT_LOAD);
        else if (type == AT_RANDOM)
            assert_true(word_at(value, 8) != 0);
    }
    for (uint64_t type = AT_PHDR; type <= AT_ENTRY; type++)
        assert_true(seen >> type & 1);
    assert_true(seen >> AT_RANDOM & 1 && seen >> AT_EXECFN & 1 && seen >> AT_PLATFORM & 1);
}

static const char *const two_args[] = {"one", "two words", NULL}, *const one_env[] = {"A=1", NULL};

static void test_stack(void **state)
{
    (void)state;
    const struct image i = image(ET_EXEC, 0x400000);
    mmu_va entry;
    write_file(program, &i, sizeof i);
    const struct mmu_os_exec how = {.path = program, .argv = two_args, .envp = one_env};
    done(mmu_os_exec(rig.os, pid, &how, &entry));
    check_stack(8, 2, "x86_64");
}

/* More arguments than the stack is long at first: it grows; and more than may be. */
static void test_long_stack(void **state)
{
    (void)state;
    const struct image i = image(ET_EXEC, 0x400000);
    static char big[300000];
    const char *args[9] = {big};
    mmu_va entry;
    memset(big, 'x', sizeof big - 1);
    write_file(program, &i, sizeof i);
    const struct mmu_os_exec how = {.path = program, .argv = args};
    done(mmu_os_exec(rig.os, pid, &how, &entry));
    struct mmu_os_task task;
    assert_int_equal(mmu_os_task(rig.os, pid, &task), MMU_OS_DONE);
    assert_true(task.stack_vm > 73 && task.rss_anon > 73);
    for (unsigned n = 0; n < 8; n++)
        args[n] = big;
    assert_int_equal(mmu_os_exec(rig.os, pid, &how, &entry), MMU_OS_ERROR);
    assert_int_equal(mmu_os_report(rig.os)->error, E2BIG);
}

static void test_pie(void **state)
{
    (void)state;
    struct image i = image(ET_DYN, 0);
    const struct image l = image(ET_DYN, 0);
    mmu_va entry;
    write_file(loader, &l, sizeof l);
    write_file(program, &i, sizeof i);
    done(exec(program, &entry)); /* nobody loads it: it lies where mmap() puts things */
    assert_int_equal(entry, 0x7ffff7ff8123);
    with_interpreter(&i, "/loader");
    write_file(program, &i, sizeof i);
    done(exec(program, &entry));
    assert_int_equal(entry, 0x7ffff7ff8123); /* the interpreter's */
    assert_string_equal(areas(), "555555554000-555555556000 r-xp program\n"
                                 "555555557000-555555559000 rw-p program\n"
                                 "555555559000-55555555b000 rw-p [heap]\n"
                                 "7ffff7ff2000-7ffff7ff6000 r--p [vvar]\n"
                                 "7ffff7ff6000-7ffff7ff8000 r-xp [vdso]\n"
                                 "7ffff7ff8000-7ffff7ffa000 r-xp loader\n"
                                 "7ffff7ffb000-7ffff7ffd000 rw-p loader\n"
                                 "7ffff7ffd000-7ffff7fff000 rw-p\n"
                                 "7ffffffde000-7ffffffff000 rw-p [stack]\n");
    i.segment[0].p_align = 1 << 21; /* 2 MBytes */
    write_file(program, &i, sizeof i);
    done(exec(program, &entry));
    assert_non_null(strstr(areas(), "555555400000-555555402000 r-xp program\n"));
    i.segment[1].p_vaddr += 1 << 20; /* a hole, which exec maps for a moment */
    write_file(program, &i, sizeof i);
    done(exec(program, &entry));
    char text[1024];
    mmu_os_task_view(rig.os, pid, MMU_VIEW_STATUS, text, sizeof text);
    assert_non_null(strstr(text, "VmPeak:\t    1184 kB\n")); /* the stack's 132, 0x107000 bytes */
}

/* A page in which one segment ends and the next begins is the second's. */
static void test_shared_page(void **state)
{
    (void)state;
    struct image i = image(ET_EXEC, 0x400000);
    mmu_va entry;
    i.segment[1].p_vaddr = 0x401800;
    i.segment[1].p_offset = 0x1800;
    i.segment[1].p_memsz = 0x200;
    write_file(program, &i, sizeof i);
    done(exec(program, &entry));
    assert_memory_equal(areas(), "00400000-00401000 r-xp program\n00401000-00402000 rw-p ", 54);
}

/* Writes a program of 32 bits, of three segments at most. */
static void write_narrow_file(const char *path, uint16_t type, const Elf32_Phdr *segments, uint16_t n)
{
    static uint8_t bytes[FILE_BYTES];
    const Elf32_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
                               .e_type = type,
                               .e_machine = EM_386,
                               .e_version = EV_CURRENT,
                               .e_entry = segments[0].p_vaddr + 0x100,
                               .e_phoff = sizeof(Elf32_Ehdr),
                               .e_ehsize = sizeof(Elf32_Ehdr),
                               .e_phentsize = sizeof(Elf32_Phdr),
                               .e_phnum = n};
    memcpy(bytes, &header, sizeof header);
    memcpy(bytes + sizeof header, segments, n * sizeof *segments);
    memcpy(bytes + 0x180, "/loader", 8);
    write_file(path, bytes, sizeof bytes);
}

/* stack: what it says of its stack (flags of PT_GNU_STACK); -1: nothing. */
static void write_narrow(int stack)
{
    const Elf32_Phdr segments[3] = {{.p_type = PT_LOAD,
                                     .p_flags = PF_R | PF_X,
                                     .p_vaddr = 0x8048000,
                                     .p_filesz = 0x200,
                                     .p_memsz = 0x200},
                                    {.p_type = PT_LOAD,
                                     .p_flags = PF_R | PF_W,
                                     .p_offset = 0x1000,
                                     .p_vaddr = 0x804a000,
                                     .p_filesz = 0x10,
                                     .p_memsz = 0x1020},
                                    {.p_type = PT_GNU_STACK, .p_flags = (Elf32_Word)stack}};
    write_narrow_file(program, ET_EXEC, segments, stack < 0 ? 2 : 3);
}

/* One that can be loaded anywhere, and whose stack is data; with the interpreter "/loader" if asked. */
static void write_narrow_pie(const char *path, bool interpreted)
{
    const Elf32_Phdr segments[3] = {
        {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = 0x200, .p_memsz = 0x200},
        {.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W},
        {.p_type = PT_INTERP, .p_offset = 0x180, .p_filesz = 8, .p_memsz = 8}};
    write_narrow_file(path, ET_DYN, segments, interpreted ? 3 : 2);
}

static void test_32_bits(void **state)
{
    (void)state;
    const char *const kernels[] = {"{arch: i386, ram: 256M}", "{arch: i386_pae, ram: 256M}"};
    const struct mmu_os_exec how = {.path = program, .argv = two_args, .envp = one_env};
    mmu_va entry;
    write_narrow(PF_R | PF_W);
    done(mmu_os_exec(rig.os, pid, &how, &entry)); /* as Linux 6 placed it on x86-64, without randomisation */
    assert_string_equal(areas(), "08048000-08049000 r-xp program\n"
                                 "0804a000-0804b000 rw-p program\n"
                                 "0804b000-0804c000 rw-p [heap]\n"
                                 "f7ff8000-f7ffc000 r--p [vvar]\n"
                                 "f7ffc000-f7ffe000 r-xp [vdso]\n"
                                 "fffdd000-ffffe000 rw-p [stack]\n");
    check_stack(4, 3, "i686");
    for (unsigned k = 0; k < 2; k++) {
        os_rig_free(&rig);
        boot(kernels[k]);
        done(mmu_os_exec(rig.os, pid, &how, &entry));
        assert_int_equal(entry, 0x8048100);
        assert_string_equal(areas(), "08048000-08049000 r-xp program\n"
                                     "0804a000-0804b000 rw-p program\n"
                                     "0804b000-0804c000 rw-p [heap]\n"
                                     "b7ffa000-b7ffe000 r--p [vvar]\n"
                                     "b7ffe000-b8000000 r-xp [vdso]\n"
                                     "bffdf000-c0000000 rw-p [stack]\n");
        check_stack(4, 3, "i686");
    }
}

/* Programs of 32 bits that can be loaded anywhere, as Linux 6 places them without randomisation; on a 64-bit
 * kernel their children, too, have no more than 4 GBytes. */
static void test_narrow_pie(void **state)
{
    (void)state;
    uint32_t child;
    mmu_va entry, va, childs;
    write_narrow_pie(program, true);
    write_narrow_pie(loader, false);
    done(exec(program, &entry));
    assert_int_equal(entry, 0xf7ffd100);
    assert_string_equal(areas(), "56555000-56556000 r-xp program\n"
                                 "f7ff7000-f7ffb000 r--p [vvar]\n"
                                 "f7ffb000-f7ffd000 r-xp [vdso]\n"
                                 "f7ffd000-f7ffe000 r-xp loader\n"
                                 "fffdd000-ffffe000 rw-p [stack]\n");
    const uint32_t flags = MMU_MAP_PRIVATE | MMU_MAP_ANONYMOUS;
    done(mmu_os_fork(rig.os, pid, &child));
    done(mmu_os_mmap(rig.os, pid, 0, PAGE, MMU_PROT_READ, flags, 0, 0, &va));
    done(mmu_os_mmap(rig.os, child, 0, PAGE, MMU_PROT_READ, flags, 0, 0, &childs));
    assert_int_equal(va, 0xf7ff6000);
    assert_int_equal(childs, va);
    assert_int_equal(
        mmu_os_mmap(rig.os, child, UINT64_C(5) << 30, PAGE, MMU_PROT_READ, flags | MMU_MAP_FIXED, 0, 0, &va),
        MMU_OS_ERROR);
    assert_int_equal(mmu_os_report(rig.os)->error, ENOMEM);
    os_rig_free(&rig);
    boot("{arch: i386, ram: 256M}");
    done(exec(program, &entry));
    assert_memory_equal(areas(), "00400000-00401000 r-xp program\n", 31);
}

/* A program of 32 bits that says nothing of its stack is old: what may be read may be executed, in its
 * children and after an exec, too (READ_IMPLIES_EXEC). */
static void test_read_implies_exec(void **state)
{
    (void)state;
    const struct mmu_os_exec how = {.path = program, .argv = two_args, .envp = one_env};
    mmu_va entry, brk, va;
    write_narrow(-1);
    done(mmu_os_exec(rig.os, pid, &how, &entry));
    done(mmu_os_fork(rig.os, pid, &pid));
    done(mmu_os_brk(rig.os, pid, 0x804d000, &brk));
    done(mmu_os_mmap(rig.os, pid, 0x10000, PAGE, MMU_PROT_WRITE, MMU_MAP_PRIVATE | MMU_MAP_ANONYMOUS, 0, 0,
                     &va));
    done(mmu_os_mmap(rig.os, pid, 0x12000, PAGE, MMU_PROT_READ, MMU_MAP_PRIVATE | MMU_MAP_ANONYMOUS, 0, 0,
                     &va));
    done(mmu_os_mprotect(rig.os, pid, 0xf7ff8000, PAGE, MMU_PROT_READ)); /* the kernel's data stay data */
    assert_string_equal(areas(), "00010000-00011000 -w-p\n"
                                 "00012000-00013000 r-xp\n"
                                 "08048000-08049000 r-xp program\n"
                                 "0804a000-0804b000 rwxp program\n"
                                 "0804b000-0804d000 rwxp [heap]\n"
                                 "f7ff8000-f7ffc000 r--p [vvar]\n"
                                 "f7ffc000-f7ffe000 r-xp [vdso]\n"
                                 "fffdd000-ffffe000 rwxp [stack]\n");
    done(mmu_os_mprotect(rig.os, pid, 0x10000, PAGE, MMU_PROT_READ | MMU_PROT_WRITE));
    assert_non_null(strstr(areas(), "00010000-00011000 rwxp\n"));
    write_narrow(PF_R | PF_W);
    done(mmu_os_exec(rig.os, pid, &how, &entry));
    assert_non_null(strstr(areas(), "0804a000-0804b000 rwxp program\n"));
    assert_non_null(strstr(areas(), "fffdd000-ffffe000 rw-p [stack]\n"));
    struct image i = image(ET_EXEC, 0x400000); /* of 64 bits: an end to that */
    write_file(program, &i, sizeof i);
    done(mmu_os_exec(rig.os, pid, &how, &entry));
    assert_null(strstr(areas(), "rwx"));
    i.header.e_phnum = 3;
    i.segment[2] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W | PF_X};
    write_file(program, &i, sizeof i);
    done(mmu_os_exec(rig.os, pid, &how, &entry)); /* the stack alone */
    assert_non_null(strstr(areas(), "rwxp [stack]\n"));
    assert_null(strstr(areas(), "rwxp program\n"));
}

/* A path that is a symbolic link. */
static void test_links(void **state)
{
    (void)state;
    const struct image i = image(ET_EXEC, 0x400000);
    char link[80];
    mmu_va entry;
    uint32_t child, file;
    struct mmu_os_file_info info;
    write_file(program, &i, sizeof i);
    snprintf(link, sizeof link, "%s/link", folder);
    assert_int_equal(symlink("program", link), 0);
    done(mmu_os_fork(rig.os, pid, &child));
    done(exec(link, &entry)); /* maps names the file itself, and both have one */
    assert_non_null(strstr(areas(), " program\n"));
    done(mmu_os_exec(rig.os, child, &(struct mmu_os_exec){.path = program}, &entry));
    done(mmu_os_file(rig.os, program, program, 0, &file));
    done(mmu_os_file_info(rig.os, file, &info));
    assert_int_equal(info.cached, 4); /* what exec touched was read once */
    struct mmu_os_task task;
    assert_int_equal(mmu_os_task(rig.os, pid, &task), MMU_OS_DONE);
    assert_string_equal(task.comm, "link");
    unlink(link);
}

/* The thread that calls exec is alone afterwards, and bears its group's number. */
static void test_threads(void **state)
{
    (void)state;
    const struct image i = image(ET_EXEC, 0x400000);
    struct mmu_os_task task;
    uint32_t threads[2], child;
    mmu_va entry;
    write_file(program, &i, sizeof i);
    done(mmu_os_clone(rig.os, pid, &threads[0]));
    done(mmu_os_clone(rig.os, pid, &threads[1]));
    done(mmu_os_fork(rig.os, pid, &child));
    done(mmu_os_schedule(rig.os, threads[1]));
    const struct mmu_os_exec how = {.path = program};
    done(mmu_os_exec(rig.os, threads[1], &how, &entry));
    assert_int_equal(mmu_os_task(rig.os, pid, &task), MMU_OS_DONE);
    assert_int_equal(task.kind, MMU_TASK_PROCESS);
    assert_int_equal(task.mm_users, 1);
    assert_true(task.running);
    assert_int_equal(mmu_os_current(rig.os, 0), pid);
    assert_int_equal(mmu_os_task(rig.os, threads[0], &task), MMU_OS_REFUSED);
    assert_int_equal(mmu_os_task(rig.os, threads[1], &task), MMU_OS_REFUSED);
    assert_int_equal(mmu_os_task(rig.os, child, &task), MMU_OS_DONE);
}

/* ----- files that are none ----- */

/* A refusal is one line that names file and place, and changes nothing. */
static void refused(const char *path, int error, const char *what)
{
    char before[1 << 14], should[512];
    mmu_va entry = 42;
    snprintf(before, sizeof before, "%.*s", (int)sizeof before - 1, maps());
    assert_int_equal(exec(path, &entry), MMU_OS_ERROR);
    const struct mmu_os_report *report = mmu_os_report(rig.os);
    snprintf(should, sizeof should, "execve: %s%s", path, what);
    assert_string_equal(report->text, should);
    assert_int_equal(report->error, error);
    assert_int_equal(entry, 42);
    assert_string_equal(maps(), before);
}

static void test_no_file(void **state)
{
    (void)state;
    char pipe[80];
    refused("/nonexistent/program", ENOENT, ": No such file or directory");
    refused(folder, EACCES, ": no regular file");
    snprintf(pipe, sizeof pipe, "%s/pipe", folder);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    refused(pipe, EACCES, ": no regular file"); /* nobody waits for its writer */
    unlink(pipe);
    write_file(program, "", 0);
    refused(program, ENOEXEC, ": byte 0: no ELF program, expected one that begins with 7f 45 4c 46");
    write_file(program, "#!/bin/sh\n", 10);
    refused(program, ENOEXEC, ": byte 0: no ELF program, expected one that begins with 7f 45 4c 46");
    assert_int_equal(mmu_os_exec(rig.os, 99, &(struct mmu_os_exec){.path = program}, &(mmu_va){0}),
                     MMU_OS_ERROR);
    assert_int_equal(mmu_os_report(rig.os)->error, ESRCH);
}

static void test_broken(void **state)
{
    (void)state;
    static const struct {
        size_t at, size;
        uint64_t value;
        int error;
        const char *what;
    } broken[] = {
#define HEADER(field) offsetof(struct image, header.field), sizeof((struct image *)0)->header.field
#define SEGMENT(n, field)                                                                                    \
    offsetof(struct image, segment[n].field), sizeof((struct image *)0)->segment[n].field
        {HEADER(e_machine), EM_ARM, ENOEXEC, ": byte 18: made for another processor, expected x86"},
        {HEADER(e_type), ET_REL, ENOEXEC, ": byte 16: neither an executable nor a shared object"},
        {HEADER(e_type), ET_CORE, ENOEXEC, ": byte 16: neither an executable nor a shared object"},
        {HEADER(e_phentsize), 1, ENOEXEC, ": byte 54: program headers of another size than this class has"},
        {HEADER(e_phnum), 0, ENOEXEC, ": byte 64: no program headers"},
        {HEADER(e_phoff), UINT64_MAX - 100, ENOEXEC, ": byte 18446744073709551515: no program headers"},
        {SEGMENT(0, p_filesz), UINT64_MAX, ENOEXEC,
         ": byte 64: a segment with more bytes in the file than in memory"},
        {SEGMENT(1, p_offset), UINT64_C(1) << 62, ENOEXEC,
         ": byte 120: a segment that lies outside the file"},
        {SEGMENT(1, p_offset), 0x2f01, ENOEXEC,
         ": byte 120: a segment whose address and file offset differ below the page size"},
        {SEGMENT(1, p_memsz), UINT64_MAX, ENOEXEC, ": byte 120: a segment beyond the end of user space"},
        {SEGMENT(1, p_vaddr), UINT64_C(0xfffffffffffff) << 12 | 0xf00, ENOEXEC,
         ": byte 120: a segment beyond the end of user space"},
        {SEGMENT(1, p_vaddr), 0x400f00, ENOEXEC, ": byte 120: segments that overlap, or are out of order"},
        {SEGMENT(1, p_vaddr), 0x10f00, ENOEXEC, ": byte 120: segments that overlap, or are out of order"},
        {SEGMENT(1, p_vaddr), UINT64_C(0x7ffffffdef00), ENOMEM, ": no room for it in user space"},
        {SEGMENT(0, p_vaddr), 0, ENOMEM, ": no room for it in user space"},
#undef HEADER
#undef SEGMENT
    };
    for (unsigned b = 0; b < sizeof broken / sizeof *broken; b++) {
        struct image i = image(ET_EXEC, 0x400000);
        memcpy((uint8_t *)&i + broken[b].at, &broken[b].value, broken[b].size);
        write_file(program, &i, sizeof i);
        refused(program, broken[b].error, broken[b].what);
    }
}

static void test_more_broken(void **state)
{
    (void)state;
    struct image i = image(ET_EXEC, 0x400000);
    mmu_va entry;
    write_file(program, &i, sizeof i / 2 + 0x800); /* truncated */
    refused(program, ENOEXEC, ": byte 120: a segment that lies outside the file");
    for (size_t size = 0; size < 400; size++) { /* however short: refused */
        write_file(program, &i, size);
        assert_int_equal(exec(program, &entry), MMU_OS_ERROR);
        assert_int_equal(mmu_os_report(rig.os)->error, ENOEXEC);
    }
    i.segment[1].p_memsz = UINT64_C(1) << 45; /* a bss of 32 TBytes */
    write_file(program, &i, sizeof i);
    assert_int_equal(exec(program, &entry), MMU_OS_ERROR);
    assert_int_equal(mmu_os_report(rig.os)->error, ENOMEM);
    i = image(ET_EXEC, 0x400000);
    i.header.e_ident[EI_DATA] = ELFDATA2MSB;
    write_file(program, &i, sizeof i);
    assert_int_equal(exec(program, &entry), MMU_OS_ERROR);
    assert_int_equal(mmu_os_report(rig.os)->error, ENOEXEC);
    i = image(ET_DYN, 0);
    i.segment[0].p_align = UINT64_C(1) << 63;
    write_file(program, &i, sizeof i);
    refused(program, ENOMEM, ": no room for it in user space");
}

static void test_interpreters(void **state)
{
    (void)state;
    struct image i = image(ET_DYN, 0), l = image(ET_DYN, 0);
    mmu_va entry;
    with_interpreter(&i, "/loader");
    write_file(program, &i, sizeof i);
    with_interpreter(&l, "/loader");
    write_file(loader, &l, sizeof l);
    assert_int_equal(exec(program, &entry), MMU_OS_ERROR); /* recursion */
    assert_non_null(strstr(mmu_os_report(rig.os)->text, "loader: an interpreter that wants one itself"));
    i.segment[2].p_offset = UINT64_MAX;
    write_file(program, &i, sizeof i);
    refused(program, ENOEXEC, ": byte 176: the interpreter's name lies outside the file, or is too long");
    with_interpreter(&i, "/loader");
    i.segment[2].p_filesz--;
    write_file(program, &i, sizeof i);
    refused(program, ENOEXEC, ": byte 232: the interpreter's name does not end where it should");
    with_interpreter(&i, "/none");
    write_file(program, &i, sizeof i);
    assert_int_equal(exec(program, &entry), MMU_OS_ERROR);
    assert_int_equal(mmu_os_report(rig.os)->error, ENOENT);
    assert_non_null(strstr(mmu_os_report(rig.os)->text, "/none: No such file or directory"));
}

/* An interpreter is of the program's class. */
static void test_interpreters_class(void **state)
{
    (void)state;
    struct image i = image(ET_DYN, 0);
    const struct image l = i;
    mmu_va entry;
    with_interpreter(&i, "/loader");
    write_file(program, &i, sizeof i);
    write_narrow_pie(loader, false);
    assert_int_equal(exec(program, &entry), MMU_OS_ERROR);
    assert_int_equal(mmu_os_report(rig.os)->error, ENOEXEC);
    assert_non_null(
        strstr(mmu_os_report(rig.os)->text, "/loader: byte 4: a 32-bit program, expected a 64-bit one"));
    write_narrow_pie(program, true);
    write_file(loader, &l, sizeof l);
    assert_int_equal(exec(program, &entry), MMU_OS_ERROR);
    assert_int_equal(mmu_os_report(rig.os)->error, ENOEXEC);
    assert_non_null(
        strstr(mmu_os_report(rig.os)->text, "/loader: byte 4: a 64-bit program, expected a 32-bit one"));
}

/* Programs with any fields changed: refused with one line, or run; never more than that. */
static void test_random_damage(void **state)
{
    (void)state;
    struct dice dice = dice_new("exec", 1);
    unsigned rounds = dice_rounds(600), ran = 0;
    for (unsigned round = 0; round < rounds; round++) {
        struct image i = image(dice_once_in(&dice, 2) ? ET_EXEC : ET_DYN, 0x400000);
        uint8_t *bytes = (uint8_t *)&i;
        mmu_va entry;
        if (dice_once_in(&dice, 2))
            with_interpreter(&i, "/program");
        for (unsigned n = 1 + dice_below(&dice, 3); n-- > 0;) {
            unsigned at = dice_below(&dice, sizeof i.header + sizeof i.segment);
            uint8_t flipped = bytes[at] ^ (uint8_t)(1u << dice_below(&dice, 8));
            bytes[at] = dice_once_in(&dice, 2) ? (uint8_t)dice_next(&dice) : flipped;
        }
        write_file(program, &i, dice_once_in(&dice, 8) ? dice_below(&dice, sizeof i) : sizeof i);
        int outcome = exec(program, &entry);
        assert_true(outcome == MMU_OS_DONE || outcome == MMU_OS_ERROR);
        assert_true(outcome == MMU_OS_DONE || !strchr(mmu_os_report(rig.os)->text, '\n'));
        ran += outcome == MMU_OS_DONE;
    }
    assert_in_range(ran, rounds / 20, rounds - rounds / 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_static),        TEST(test_touched),
        TEST(test_stack),         TEST(test_long_stack),
        TEST(test_pie),           TEST(test_32_bits),
        TEST(test_narrow_pie),    TEST(test_read_implies_exec),
        TEST(test_shared_page),   TEST(test_threads),
        TEST(test_links),         TEST(test_no_file),
        TEST(test_broken),        TEST(test_more_broken),
        TEST(test_interpreters),  TEST(test_interpreters_class),
        TEST(test_random_damage),
    };
    if (!mkdtemp(folder))
        return 1;
    snprintf(program, sizeof program, "%s/program", folder);
    snprintf(loader, sizeof loader, "%s/loader", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(program);
    unlink(loader);
    rmdir(folder);
    return failed;
}
