/*
 * hello.S: the program that exec.mms executes: three pages of code, two of data, 16 MiB of bss. It never runs; only
 * its mappings are of interest. build.sh makes hello-i386 and hello-x86_64 of it.
 */
        .text
        .globl _start
_start: nop
        .fill 12287, 1, 0x90
        .data
greeting:
        .ascii "hello, world\n"
        .fill 8179, 1, 0
        .bss
        .fill 16 << 20
        .section .note.GNU-stack,"",@progbits
