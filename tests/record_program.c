/*
 * record_program.c: a program for test_record.sh. It needs no library and starts at _start, so that all that
 * it does to memory stands here.
 *
 *   record_program            walks arrays with all kinds of instructions, then ends with status 7
 *   record_program threads    the same in two threads, one behind the other (x86-64 only)
 *   record_program fork       the same in a child, for whom the parent waits
 *   record_program crash      the same, then a store to address 0
 *   record_program long       a loop that takes seconds, without a reference to data
 */
typedef unsigned long word;
#ifdef __SSE__
#define XMM1 "xmm1"
#else
#define XMM1 "memory" /* the compiler does not use it */
#endif

static unsigned char bytes[4096], copies[4096];
static word words[512];
static float floats[64] __attribute__((aligned(16)));
static long double tens[8];
static volatile int shared;

#ifdef __x86_64__
static word call4(word number, word a, word b, word c, word d)
{
    word result;
    register word r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}
enum { WRITE = 1, FORK = 57, EXIT = 60, WAIT = 61, EXIT_GROUP = 231 };
#else
static word call4(word number, word a, word b, word c, word d)
{
    word result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
    return result;
}
enum { WRITE = 4, FORK = 2, EXIT = 1, WAIT = 114, EXIT_GROUP = 252 };
#endif

/* Sizes of 1, 2, 4 and the word's; loads, stores, read-modify-writes. */
static __attribute__((noinline)) void integers(void)
{
    for (unsigned i = 0; i < 4096; i += 61)
        *(volatile unsigned char *)&bytes[i] = (unsigned char)i;
    for (unsigned i = 0; i < 512; i += 7)
        __asm__ volatile("add %1, %0" : "+m"(words[i]) : "r"((word)i));
    for (unsigned i = 0; i < 4090; i += 130) {
        __asm__ volatile("incw %0" : "+m"(*(unsigned short *)(bytes + i)));
        __asm__ volatile("orb $4, %0" : "+m"(bytes[i]));
        __asm__ volatile("movl %0, %%ecx" ::"m"(*(unsigned *)(bytes + i)) : "ecx");
    }
}

/* Atomic instructions, and the stack's. */
static __attribute__((noinline)) void locked(void)
{
    int one = 1, zero = 0;
    for (unsigned i = 0; i < 8; i++) {
        __asm__ volatile("lock addl %1, %0" : "+m"(shared) : "r"(one));
        __asm__ volatile("xchgl %1, %0" : "+m"(shared), "+r"(one));
        __asm__ volatile("lock cmpxchgl %2, %0" : "+m"(shared), "+a"(zero) : "r"(one));
        __asm__ volatile("lock xaddl %1, %0" : "+m"(shared), "+r"(one));
    }
}

/* 16 bytes by SSE, 10 by the x87. */
static __attribute__((noinline)) void wide(void)
{
    for (unsigned i = 0; i < 64; i += 4)
        __asm__ volatile("movaps %0, %%xmm1\n\taddps %0, %%xmm1\n\tmovaps %%xmm1, %0"
                         : "+m"(floats[i])::XMM1);
    for (unsigned i = 0; i < 8; i++)
        __asm__ volatile("fldt %0\n\tfld1\n\tfaddp\n\tfstpt %0" : "+m"(tens[i]));
}

/* String instructions: a reference for each element. */
static __attribute__((noinline)) void strings(void)
{
    void *from = bytes, *to = copies;
    word n = 100;
    __asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(n)::"memory");
    n = 20;
    __asm__ volatile("rep stosl" : "+D"(to), "+c"(n) : "a"(0) : "memory");
    from = bytes, to = copies, n = 50;
    __asm__ volatile("repe cmpsb" : "+S"(from), "+D"(to), "+c"(n)::"memory", "cc");
}

static __attribute__((noinline)) unsigned deep(unsigned n)
{
    volatile unsigned here = n;
    return n ? deep(n - 1) + here : 1;
}

static void work(void)
{
    integers();
    locked();
    wide();
    strings();
    deep(20);
}

#ifdef __x86_64__
static char stack[65536] __attribute__((aligned(16)));
static volatile int ended;

static void thread(void)
{
    work();
    ended = 1;
    call4(EXIT, 0, 0, 0, 0);
}

/* clone() of a thread that runs thread() on a stack of its own. */
static void threads(void)
{
    word *top = (word *)(stack + sizeof stack) - 2, result;
    *top = (word)thread;
    register word r10 __asm__("r10") = 0;
    register word r8 __asm__("r8") = 0;
    __asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\tpop %%rax\n\tcall *%%rax\n1:"
                     : "=a"(result)
                     : "a"(56), "D"(0x50f00), "S"(top), "d"(0), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    while (!ended)
        __asm__ volatile("pause");
    work();
}
#else
static void threads(void) {}
#endif

static void children(void)
{
    word pid = call4(FORK, 0, 0, 0, 0);
    work();
    if (!pid)
        call4(EXIT_GROUP, 0, 0, 0, 0);
    call4(WAIT, (word)-1, 0, 0, 0);
}

void start(word *at);
void start(word *at)
{
    const char *what = at[0] > 1 ? (const char *)at[2] : "";
    static const char text[] = "the program's own output\n";
    call4(WRITE, 1, (word)text, sizeof text - 1, 0);
    switch (*what) {
    case 't':
        threads();
        break;
    case 'f':
        children();
        break;
    case 'l':
        for (word i = 0; i < 2000000000; i++)
            __asm__ volatile("");
        break;
    default:
        work();
    }
    if (*what == 'c')
        *(volatile int *)0 = 1;
    call4(EXIT_GROUP, 7, 0, 0, 0);
}

#ifdef __x86_64__
__asm__(".globl _start\n_start: mov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start");
#else
__asm__(
    ".globl _start\n_start: mov %esp, %eax\n\tand $-16, %esp\n\tsub $12, %esp\n\tpush %eax\n\tcall start");
#endif
