/*
 * sim/plugin/record.c: the plugin that QEMU's user mode loads to record a program (see record_shared.h).
 *
 * It describes each block of code when QEMU translates it, appends a word for each block that runs and for
 * each load and store, and hands full slabs to the recorder. Everything else is the recorder's work: what
 * stands here runs inside the program's own time.
 *
 * QEMU calls out when a block begins and for each access; calls are most of what recording costs. Where a
 * block's first access is certain, as that of a push is, its call tells the beginning as well.
 *
 * A child of fork() goes on in slabs of its own, and so does what a process becomes by execve(). What an
 * exception cuts off a block (a signal's handler runs, the rest of the block does not) QEMU does not tell;
 * its fetches are recorded all the same, or none if its first access tells of the block and is cut off.
 */
#define _GNU_SOURCE
#include "record_plugin.h"
#include "record_plugin_exec.h"
#include "record_plugin_insn.h"
#include "record_plugin_quiet.h"
#include "record_shared.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* Where this thread's next word goes; *end is a word as well, for the zero. at == end: it holds no slab. */
struct place {
    uint64_t *at, *end;
    unsigned slab;
    bool holds;
};
static __thread struct place mine __attribute__((tls_model("initial-exec")));

/* A plugin is one for a process; QEMU's callbacks carry no other context. */
static struct record_shared *shared;
static uint64_t plugin, base; /* what QEMU adds to the program's addresses */
static uint32_t image;
static bool is_i386;

#define LOAD(x)     __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define STORE(x, y) __atomic_store_n(&(x), (y), __ATOMIC_RELEASE)
#define ADD(x, y)   __atomic_fetch_add(&(x), (y), __ATOMIC_ACQ_REL)
#define SWAP(x, y)  __atomic_exchange_n(&(x), (y), __ATOMIC_ACQ_REL)

/* ---- slabs ---- */

static void futex_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void futex_wait(uint32_t *word, uint32_t seen, long milliseconds)
{
    struct timespec most = {.tv_nsec = milliseconds * 1000000};
    syscall(SYS_futex, word, FUTEX_WAIT, seen, &most, NULL, 0);
}

/* Words go here when nobody wants them. */
static uint64_t *nowhere(void)
{
    static uint64_t words[RECORD_WORDS];
    return words;
}

static void on_translate(uint64_t id, struct qemu_plugin_tb *tb);

/* There are no callbacks any more. */
static void begin_watch(uint64_t id)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
}

/* The recorder wants no more, or is gone: QEMU shall translate anew, with as good as no callbacks. */
static void retire(void)
{
    static atomic_flag done = ATOMIC_FLAG_INIT;
    mine.at = nowhere();
    mine.end = mine.at + RECORD_WORDS - 1;
    mine.holds = false;
    if (!atomic_flag_test_and_set(&done))
        qemu_plugin_reset(plugin, begin_watch);
}

static bool take(unsigned slab)
{
    uint32_t expected = RECORD_FREE;
    if (LOAD(shared->state[slab]) != RECORD_FREE ||
        !__atomic_compare_exchange_n(&shared->state[slab], &expected, RECORD_HELD, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return false;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct record_slab *s = &shared->slab[slab];
    s->pid = (uint32_t)getpid();
    s->tid = (uint32_t)syscall(SYS_gettid);
    s->base = base;
    s->image = image;
    s->is_i386 = is_i386;
    s->time = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    mine = (struct place){
        .at = shared->word[slab], .end = shared->word[slab] + RECORD_WORDS - 1, .slab = slab, .holds = true};
    return true;
}

/* This thread needs a slab: waits for a free one. */
static __attribute__((noinline, cold)) void acquire(void)
{
    while (!LOAD(shared->stopped)) {
        uint32_t freed = LOAD(shared->freed);
        for (unsigned slab = 0; slab < RECORD_SLABS; slab++)
            if (take(slab))
                return;
        ADD(shared->starving, 1);
        futex_wait(&shared->freed, freed, 200);
        ADD(shared->starving, -1u);
        if (kill((pid_t)shared->recorder, 0) && errno == ESRCH)
            STORE(shared->stopped, 1);
    }
    retire();
}

/* Hands the slab over that this thread holds, however full. */
static __attribute__((noinline, cold)) void hand_over(void)
{
    struct place *p = &mine;
    if (!p->holds) {
        p->at = p->end = NULL;
        return;
    }
    struct record_slab *s = &shared->slab[p->slab];
    s->words = (uint32_t)(p->at - shared->word[p->slab]);
    s->order = ADD(shared->full, 1);
    STORE(shared->state[p->slab], RECORD_FULL);
    *p = (struct place){0};
    if (LOAD(shared->waiting) && (int32_t)(LOAD(shared->full) - LOAD(shared->wake_at)) >= 0)
        futex_wake(&shared->full);
}

static __attribute__((noinline, cold)) void next_slab(void)
{
    hand_over();
    acquire();
}

/* Room for n more words. */
static uint64_t *room(size_t n)
{
    if (mine.end - mine.at < (ptrdiff_t)n)
        next_slab();
    return mine.at;
}

/* Appends a record of n words at p->at, of which all but the first one stand there already. */
static inline void append(struct place *p, size_t n, uint64_t first)
{
    uint64_t *at = p->at;
    STORE(at[n], 0);
    STORE(at[0], first);
    p->at = at + n;
}

/* ---- what runs with the program ----
 *
 * The common case touches no other function, so that it saves no registers. */

static __attribute__((noinline, cold)) void first_block(void *user)
{
    room(1);
    append(&mine, 1, (uintptr_t)user);
}

/* A block begins. user: its word. */
static void on_block(unsigned vcpu, void *user)
{
    struct place *p = &mine;
    (void)vcpu;
    if (__builtin_expect(p->at == p->end, 0)) {
        first_block(user);
        return;
    }
    append(p, 1, (uintptr_t)user);
}

/* A data word's size and RECORD_STORE by what QEMU says of an access: it never changes its mind. 0: not asked
 * yet. */
static uint64_t known[1 << 18];
enum { KNOWN = sizeof known / sizeof *known };

static uint64_t what_of(uint32_t info)
{
    uint64_t what = (uint64_t)(qemu_plugin_mem_size_shift(info) + 1) << RECORD_SIZE_SHIFT;
    what |= qemu_plugin_mem_is_store(info) ? RECORD_STORE : 0;
    if (info < KNOWN)
        known[info] = what;
    return what;
}

static uint64_t address_bits(uint64_t va)
{
    return va & ((UINT64_C(1) << RECORD_ADDRESS_BITS) - 1);
}

static __attribute__((noinline, cold)) void first_data(uint32_t info, uint64_t va, uint64_t word)
{
    room(1);
    append(&mine, 1, word | address_bits(va) | what_of(info));
}

/* An access. user: its word without address, size and RECORD_STORE. */
static void on_data(unsigned vcpu, uint32_t info, uint64_t va, void *user)
{
    struct place *p = &mine;
    uint64_t what = known[info % KNOWN];
    (void)vcpu;
    if (__builtin_expect(p->at == p->end || info >= KNOWN || !what, 0)) {
        first_data(info, va, (uintptr_t)user);
        return;
    }
    append(p, 1, (uintptr_t)user | address_bits(va) | what);
}

/* A block's number and above it the instruction whose access tells of both. */
enum { OPENER_SHIFT = 32 };

static inline uint64_t opener_block(uint64_t user)
{
    return (uint64_t)RECORD_BLOCK << RECORD_TYPE_SHIFT | (uint32_t)user;
}

static inline uint64_t opener_data(uint64_t user)
{
    return (uint64_t)RECORD_DATA << RECORD_TYPE_SHIFT | user >> OPENER_SHIFT << RECORD_INSN_SHIFT;
}

static __attribute__((noinline, cold)) void first_opener(uint32_t info, uint64_t va, uint64_t user)
{
    room(2)[1] = opener_data(user) | address_bits(va) | what_of(info);
    append(&mine, 2, opener_block(user));
}

/* The first access of a block. */
static void on_opener(unsigned vcpu, uint32_t info, uint64_t va, void *user)
{
    struct place *p = &mine;
    uint64_t what = known[info % KNOWN];
    (void)vcpu;
    if (__builtin_expect(p->end - p->at < 2 || info >= KNOWN || !what, 0)) {
        first_opener(info, va, (uintptr_t)user);
        return;
    }
    p->at[1] = opener_data((uintptr_t)user) | address_bits(va) | what;
    append(p, 2, opener_block((uintptr_t)user));
}

/* ---- code ---- */

enum { PAGE = 4096 };

/* Describes a block; NULL: no room. */
static struct record_code *describe(const struct qemu_plugin_tb *tb, size_t n)
{
    uint64_t size = (sizeof(struct record_code) + n + RECORD_CODE_UNIT - 1) & ~(RECORD_CODE_UNIT - 1);
    uint64_t at = ADD(shared->code_used, size);
    if (at + size > RECORD_CODE_BYTES) {
        STORE(shared->exhausted, 1);
        return NULL;
    }
    struct record_code *code = (struct record_code *)(shared->code + at);
    code->va = qemu_plugin_tb_vaddr(tb);
    code->insns = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        size_t length = qemu_plugin_insn_size(insn);
        code->insn[i] = (uint8_t)(length | insn_traits(qemu_plugin_insn_data(insn), length, is_i386));
    }
    return code;
}

static enum insn_accesses accesses_of(const struct qemu_plugin_insn *insn)
{
    return insn_accesses(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn), is_i386);
}

/* Instructions of a block. QEMU 7.2 tells the begin of one that goes on in the next page as the last of a
 * block, and does not run it there, unless it is alone. */
static size_t count_insns(const struct qemu_plugin_tb *tb)
{
    size_t n = qemu_plugin_tb_n_insns(tb);
    const struct qemu_plugin_insn *last = n > 1 ? qemu_plugin_tb_get_insn(tb, n - 1) : NULL;
    if (last && qemu_plugin_insn_vaddr(last) % PAGE + RECORD_INSN_BYTES > PAGE &&
        !insn_is_whole(qemu_plugin_insn_data(last), qemu_plugin_insn_size(last), is_i386))
        n--;
    return n < RECORD_BLOCK_INSNS ? n : RECORD_BLOCK_INSNS;
}

/* The instruction whose one access is the first of the block and certain, or n. */
static size_t find_opener(const struct qemu_plugin_tb *tb, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        enum insn_accesses a = accesses_of(qemu_plugin_tb_get_insn(tb, i));
        if (a != INSN_NONE)
            return a == INSN_ONE ? i : n;
    }
    return n;
}

static void on_nothing(unsigned vcpu, uint32_t info, uint64_t va, void *user)
{
    (void)vcpu, (void)info, (void)va, (void)user;
}

/*
 * A block that is not recorded. QEMU 7.2 keeps, for the functions that it calls for an instruction, a pointer
 * to the callbacks of the last instruction that called any, and does not clear it where a block ends with it
 * (a ret does); it frees them when it translates all anew, and a function that loads or stores then calls
 * what has been freed. So whatever calls such a function has a callback: the pointer is its own then.
 */
static void watch(struct qemu_plugin_tb *tb)
{
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        if (insn_calls(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn), is_i386))
            qemu_plugin_register_vcpu_mem_cb(insn, on_nothing, QEMU_API_NO_REGISTERS, QEMU_API_LOADS_STORES,
                                             NULL);
    }
}

static void on_translate(uint64_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    size_t n = LOAD(shared->stopped) ? 0 : count_insns(tb);
    if (!n) {
        watch(tb);
        return;
    }
    struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(tb, 0);
    if (!LOAD(shared->based) || !base) {
        base = (uintptr_t)qemu_plugin_insn_haddr(first) - qemu_plugin_insn_vaddr(first);
        STORE(shared->based, 1);
    }
    struct record_code *code = describe(tb, n);
    if (!code) {
        watch(tb);
        return;
    }
    uint64_t number = (uint64_t)((uint8_t *)code - shared->code) / RECORD_CODE_UNIT;
    size_t opener = find_opener(tb, n);
    if (opener == n)
        qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_API_NO_REGISTERS,
                                             (void *)((uint64_t)RECORD_BLOCK << RECORD_TYPE_SHIFT | number));
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t word = (uint64_t)RECORD_DATA << RECORD_TYPE_SHIFT | (uint64_t)i << RECORD_INSN_SHIFT;
        bool opens = i == opener;
        if (accesses_of(insn) == INSN_NONE)
            continue;
        /* QEMU 7.2 takes loads for stores when it is asked for one kind only. */
        qemu_plugin_register_vcpu_mem_cb(insn, opens ? on_opener : on_data, QEMU_API_NO_REGISTERS,
                                         QEMU_API_LOADS_STORES,
                                         (void *)(opens ? (uint64_t)i << OPENER_SHIFT | number : word));
    }
}

/* ---- system calls, processes ---- */

/* Sends the mappings of this process, as the kernel tells them; the recorder picks the program's. */
static void send_maps(void)
{
    enum { PART = 4096 };
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    uint64_t part = RECORD_FIRST_PART;
    if (fd < 0)
        return;
    for (;;) {
        uint64_t *at = room(1 + PART / sizeof *at);
        ssize_t n = read(fd, at + 1, PART);
        size_t bytes = n > 0 ? (size_t)n : 0;
        append(&mine, 1 + (bytes + sizeof *at - 1) / sizeof *at,
               (uint64_t)RECORD_MAPS << RECORD_TYPE_SHIFT | part | (bytes ? 0 : RECORD_LAST_PART) | bytes);
        part = 0;
        if (!bytes)
            break;
    }
    close(fd);
}

/* The process is about to end: exit_group. It is about to become another program: execve. */
static bool ends(int64_t number)
{
    return number == (is_i386 ? 252 : 231);
}

static bool becomes(int64_t number)
{
    return number == (is_i386 ? 11 : 59);
}

/* It has changed its mappings: mmap, mprotect, munmap, mremap, i386's old mmap. */
static bool changes_maps(int64_t number)
{
    return is_i386 ? number == 90 || number == 91 || number == 125 || number == 163 || number == 192
                   : (number >= 9 && number <= 11) || number == 25;
}

static void on_call(uint64_t id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                    uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)vcpu, (void)a7, (void)a8;
    uint64_t *at = room(1 + RECORD_CALL_ARGUMENTS);
    const uint64_t arguments[RECORD_CALL_ARGUMENTS] = {a1, a2, a3, a4, a5, a6};
    memcpy(at + 1, arguments, sizeof arguments);
    append(&mine, 1 + RECORD_CALL_ARGUMENTS, (uint64_t)RECORD_CALL << RECORD_TYPE_SHIFT | (uint16_t)number);
    if (ends(number) || becomes(number)) {
        send_maps();
        hand_over();
        if (becomes(number) && !LOAD(shared->stopped))
            exec_recorded(&(struct exec_request){shared, base, a1, a2, a3, is_i386, image + 1});
    } else if (LOAD(shared->threads) > 1) {
        hand_over(); /* what others do after they heard of this call comes behind it */
    }
}

/* The n-th change: one of the first, or a power of two. */
static bool is_worth(uint32_t n)
{
    return n <= 64 || (n & (n - 1)) == 0;
}

static void on_return(uint64_t id, unsigned vcpu, int64_t number, int64_t result)
{
    (void)id, (void)vcpu;
    room(2)[1] = (uint64_t)result;
    append(&mine, 2, (uint64_t)RECORD_RETURN << RECORD_TYPE_SHIFT | (uint16_t)number);
    /* A program that is killed shows its mappings no more. The first changes are those of the dynamic linker.
     */
    if (changes_maps(number) && is_worth(ADD(shared->changes, 1) + 1))
        send_maps();
}

static void on_thread(uint64_t id, unsigned vcpu)
{
    (void)id, (void)vcpu;
    ADD(shared->threads, 1);
}

/* In a child: the slab is its parent's. */
static void on_fork(void)
{
    ADD(shared->threads, 1);
    mine = (struct place){0};
}

/* ---- start ---- */

EXPORT int qemu_plugin_version = QEMU_API_VERSION;
EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_api_info *info, int argc, char **argv);

static int refuse(const char *why)
{
    fprintf(stderr, "mmusim: the recorder's plugin: %s\n", why);
    return -1;
}

EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_api_info *info, int argc, char **argv)
{
    const char *file = NULL;
    if (info->version.min > QEMU_API_VERSION || info->version.cur < QEMU_API_VERSION)
        return refuse("this QEMU offers another version of the plugin interface");
    is_i386 = !strcmp(info->target_name, "i386");
    if (info->system_emulation || (!is_i386 && strcmp(info->target_name, "x86_64")))
        return refuse("expected qemu-x86_64 or qemu-i386 in user mode");
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "shared=", 7))
            file = argv[i] + 7;
        else if (!strncmp(argv[i], "image=", 6))
            image = (uint32_t)strtoul(argv[i] + 6, NULL, 10);
    }
    if (!file)
        return refuse("expected shared=FILE");
    int fd = open(file, O_RDWR | O_CLOEXEC);
    void *memory =
        fd < 0 ? MAP_FAILED
               : mmap(NULL, RECORD_SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (fd >= 0)
        close(fd);
    if (memory == MAP_FAILED)
        return refuse("cannot map the memory of the recorder");
    shared = memory;
    if (shared->layout != RECORD_LAYOUT)
        return refuse("is of another version than mmusim");
    plugin = id;
    quiet_begin();
    pthread_atfork(NULL, NULL, on_fork);
    qemu_plugin_register_vcpu_init_cb(id, on_thread);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_vcpu_syscall_cb(id, on_call);
    qemu_plugin_register_vcpu_syscall_ret_cb(id, on_return);
    STORE(shared->started, 1);
    return 0;
}
