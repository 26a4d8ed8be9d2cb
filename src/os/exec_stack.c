/*
 * exec_stack.c: what a program finds on its stack: argument count, argv, environment, auxiliary vector,
 * strings.
 *
 * Models copy_strings() of fs/exec.c and create_elf_tables() of fs/binfmt_elf.c, Linux 6.1. The bytes are
 * written into the new address space, so its first stack pages are touched, as exec touches them. AT_RANDOM's
 * bytes are those of the machine's seed.
 */
#include "exec.h"
#include "linux_errno.h"
#include "memory.h"
#include "plan.h"
#include "rng.h"

#include <inttypes.h>
#include <string.h>

enum {
    AT_LIMIT = 24,                 /* entries of the auxiliary vector */
    STRINGS_MAX = STACK_LIMIT / 4, /* bytes of argv and envp together (bprm_stack_limits()) */
};

/* Auxiliary vector types (include/uapi/linux/auxvec.h). */
enum {
    AT_NULL = 0,
    AT_PHDR = 3,
    AT_PHENT = 4,
    AT_PHNUM = 5,
    AT_PAGESZ = 6,
    AT_BASE = 7,
    AT_FLAGS = 8,
    AT_ENTRY = 9,
    AT_UID = 11,
    AT_EUID = 12,
    AT_GID = 13,
    AT_EGID = 14,
    AT_PLATFORM = 15,
    AT_HWCAP = 16,
    AT_CLKTCK = 17,
    AT_SECURE = 23,
    AT_RANDOM = 25,
    AT_HWCAP2 = 26,
    AT_EXECFN = 31,
    AT_SYSINFO_EHDR = 33,
    AT_MINSIGSTKSZ = 51,
};

struct stack {
    struct exec *x;
    mmu_va p; /* grows downwards */
    unsigned word;
    int status;
};

static void write_at(struct stack *s, mmu_va va, const void *bytes, size_t size)
{
    if (s->status != MMU_OS_DONE || size == 0)
        return;
    int64_t done = memory_access(s->x->os, s->x->mm, va, (void *)(uintptr_t)bytes, size, true);
    if (done < 0)
        s->status = (int)done;
    else if ((size_t)done < size)
        s->status =
            mm_error(s->x->os, "execve", LINUX_EFAULT, "the stack cannot be written at 0x%" PRIx64, va);
}

static mmu_va push(struct stack *s, const void *bytes, size_t size)
{
    s->p -= size;
    write_at(s, s->p, bytes, size);
    return s->p;
}

static mmu_va push_string(struct stack *s, const char *text)
{
    return push(s, text, strlen(text) + 1);
}

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

/* Strings of a list, the last one highest. at[] gets their addresses. */
static void push_list(struct stack *s, const char *const *list, size_t n, mmu_va *at)
{
    for (size_t i = n; i-- > 0;)
        at[i] = push_string(s, list[i]);
}

/* Writes words from va upwards; returns the address behind them. */
static mmu_va put_words(struct stack *s, mmu_va va, const uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++, va += s->word) {
        uint8_t bytes[8];
        for (unsigned b = 0; b < s->word; b++)
            bytes[b] = (uint8_t)(words[i] >> 8 * b);
        write_at(s, va, bytes, s->word);
    }
    return va;
}

/* elf_info: pairs of type and value. Returns the number of words. */
static size_t fill_auxv(const struct exec *x, mmu_va execfn, mmu_va platform, mmu_va random, uint64_t *to)
{
    const struct exec_program *p = &x->program;
    const uint64_t pairs[][2] = {
        {AT_SYSINFO_EHDR, x->vdso},
        {AT_MINSIGSTKSZ, p->elf.wide ? 1776 : 1072},
        {AT_HWCAP, 0x078bfbff}, /* CPUID 1 EDX of a plain x86 */
        {AT_PAGESZ, PAGE_SIZE},
        {AT_CLKTCK, 100},
        {AT_PHDR, p->elf.headers + p->bias},
        {AT_PHENT, p->elf.header_size},
        {AT_PHNUM, p->elf.header_count},
        {AT_BASE, x->interpreter.bias},
        {AT_FLAGS, 0},
        {AT_ENTRY, p->entry},
        {AT_UID, 0},
        {AT_EUID, 0},
        {AT_GID, 0},
        {AT_EGID, 0},
        {AT_SECURE, 0},
        {AT_RANDOM, random},
        {AT_HWCAP2, 0},
        {AT_EXECFN, execfn},
        {AT_PLATFORM, platform},
        {AT_NULL, 0},
    };
    _Static_assert(COUNT_OF(pairs) <= AT_LIMIT, "room for all");
    memcpy(to, pairs, sizeof pairs);
    return 2 * COUNT_OF(pairs);
}

static size_t length(const char *const *list)
{
    size_t bytes = 0;
    for (size_t i = 0; list && list[i]; i++)
        bytes += strlen(list[i]) + 1;
    return bytes;
}

int exec_fill_stack(struct exec *x)
{
    const char *const own[] = {x->how->path, NULL};
    const char *const *argv = x->how->argv ? x->how->argv : own;
    const uint64_t seed = x->os->config->seed;
    const uint64_t random[2] = {rng_mix(seed), rng_mix(rng_mix(seed))};
    size_t argc = count(argv), envc = count(x->how->envp);
    struct stack s = {.x = x, .word = x->program.elf.wide ? 8 : 4};
    uint64_t auxv[2 * AT_LIMIT];
    if (length(argv) + length(x->how->envp) > STRINGS_MAX)
        return mm_error(x->os, "execve", LINUX_E2BIG, "more than %d bytes of arguments and environment",
                        STRINGS_MAX);
    uint64_t *words = calloc(argc + envc + 3, sizeof *words);
    if (!words)
        return MMU_ERR_NOMEM;
    s.p = x->mm->stack_top - s.word;
    mmu_va execfn = push_string(&s, x->how->path);
    words[0] = argc;
    push_list(&s, x->how->envp, envc, &words[argc + 2]);
    push_list(&s, argv, argc, &words[1]);
    s.p &= ~(mmu_va)15;
    mmu_va platform = push_string(&s, x->program.elf.wide ? "x86_64" : "i686");
    size_t aux = fill_auxv(x, execfn, platform, push(&s, random, sizeof random), auxv);
    mmu_va top = s.p & ~(mmu_va)15;
    x->mm->start_stack = (top - (argc + envc + 3 + aux) * s.word) & ~(mmu_va)15;
    mmu_va at = put_words(&s, x->mm->start_stack, words, argc + envc + 3);
    put_words(&s, at, auxv, aux);
    free(words);
    return s.status;
}
