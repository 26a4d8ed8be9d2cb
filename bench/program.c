/*
 * program.c: the references of a program that does not exist, without end: straight code with jumps in 512
 * KiB, two data references for five instructions, half of them on the stack, half anywhere in 64 MiB.
 */
#include "bench.h"

void bench_program_start(struct bench_program *p, uint64_t seed)
{
    *p = (struct bench_program){.state = seed, .ip = 0x401000};
}

void bench_program_next(struct bench_program *p, struct mmu_access *to, size_t n)
{
    const uint64_t stack = UINT64_C(0x7ffe12345000);
    for (size_t i = 0; i < n;) {
        uint64_t r = bench_random(&p->state);
        uint16_t size = (uint16_t)(1 + r % 7);
        to[i++] = (struct mmu_access){.va = p->ip, .size = size, .kind = MMU_FETCH};
        p->ip = (r >> 8) % 8 ? p->ip + size : 0x401000 + (r >> 16) % 0x80000;
        if ((r >> 40) % 5 < 2 && i < n)
            to[i++] =
                (struct mmu_access){.va = (r >> 60) < 8 ? stack - (r >> 44) % 512 * 8
                                                        : UINT64_C(0x7f0000000000) + (r >> 24) % 0x4000000,
                                    .size = 8,
                                    .kind = (r >> 43) % 3 ? MMU_LOAD : MMU_STORE};
    }
}
