/*
 * exec.h: a program put into an address space, and the first contents of its stack.
 */
#ifndef OS_EXEC_H
#define OS_EXEC_H

#include "elf.h"
#include "mm.h"

/* A program as it was loaded. */
struct exec_program {
    struct elf elf;
    mmu_va bias;  /* added to its addresses */
    mmu_va entry; /* where it begins */
};

struct exec {
    struct mmu_os *os;
    struct mm *mm;
    const struct mmu_os_exec *how;
    struct exec_program program, interpreter; /* interpreter.elf.segments == 0: there is none */
    mmu_va vdso;
};

/* create_elf_tables(): strings, argv, envp, auxiliary vector; sets mm->start_stack. 0, ERROR (reported), or a
 * negative status. (exec_stack.c) */
int exec_fill_stack(struct exec *x);

#endif
