/*
 * test_mmap.c: VMAs: where they go, when they are one, how they are cut, and what misuse is answered with.
 * The expected texts follow from Linux's rules: mm/mmap.c, mm/mprotect.c, mm/mremap.c, fs/proc/task_mmu.c.
 */
#include "process_rig.h"

#include <string.h>

enum { RW = MMU_PROT_READ | MMU_PROT_WRITE, ANON = MMU_MAP_PRIVATE | MMU_MAP_ANONYMOUS, PAGE = 4096 };
enum { FIXED = ANON | MMU_MAP_FIXED };
enum {
    EPERM = 1,
    ESRCH = 3,
    EBADF = 9,
    EAGAIN = 11,
    ENOMEM = 12,
    EFAULT = 14,
    EEXIST = 17,
    EINVAL = 22,
    EOVERFLOW = 75
};

static void fails(int outcome, int error)
{
    assert_int_equal(outcome, MMU_OS_ERROR);
    assert_int_equal(mmu_os_report(rig.os)->error, error);
    assert_null(strchr(mmu_os_report(rig.os)->text, '\n'));
}

static mmu_va map(mmu_va addr, unsigned pages, int prot, int flags)
{
    mmu_va va = 0;
    done(mmu_os_mmap(rig.os, pid, addr, (uint64_t)pages * PAGE, prot, flags, 0, 0, &va));
    return va;
}

/* What maps says without its stack, "START-END rights", a line each. */
static const char *maps(void)
{
    static char text[1 << 14];
    size_t n = 0;
    struct mmu_os_vma vma;
    text[0] = '\0';
    for (mmu_va at = 0; mmu_os_vma(rig.os, pid, at, &vma) == MMU_OS_DONE; at = vma.end)
        if (strcmp(vma.name, "[stack]") != 0)
            n += (size_t)snprintf(text + n, sizeof text - n, "%llx-%llx %c%c%c%c%s\n",
                                  (unsigned long long)vma.start, (unsigned long long)vma.end,
                                  vma.prot & MMU_PROT_READ ? 'r' : '-', vma.prot & MMU_PROT_WRITE ? 'w' : '-',
                                  vma.prot & MMU_PROT_EXEC ? 'x' : '-',
                                  vma.flags & MMU_MAP_SHARED ? 's' : 'p', vma.name);
    return text;
}

/* ----- placement ----- */

static void test_top_down(void **state)
{
    (void)state;
    assert_int_equal(map(0, 1, RW, ANON), 0x7ffff7ffe000); /* mmap_base 0x7ffff7fff000 */
    assert_int_equal(map(0, 3, MMU_PROT_READ, ANON), 0x7ffff7ffb000);
    assert_int_equal(map(0, 1, MMU_PROT_NONE, ANON), 0x7ffff7ffa000);
    done(mmu_os_munmap(rig.os, pid, 0x7ffff7ffb000, 2 * PAGE));
    assert_int_equal(map(0, 3, MMU_PROT_READ, ANON), 0x7ffff7ff7000); /* the hole is too small */
    assert_int_equal(map(0, 2, MMU_PROT_READ, ANON), 0x7ffff7ffb000);
    assert_string_equal(maps(), "7ffff7ff7000-7ffff7ffa000 r--p\n"
                                "7ffff7ffa000-7ffff7ffb000 ---p\n"
                                "7ffff7ffb000-7ffff7ffe000 r--p\n"
                                "7ffff7ffe000-7ffff7fff000 rw-p\n");
}

static void test_text(void **state)
{
    (void)state;
    char text[1024];
    uint32_t file;
    mmu_va va;
    done(mmu_os_file(rig.os, "/data/file", NULL, 1 << 20, &file));
    done(mmu_os_mmap(rig.os, pid, 0x10000, 2 * PAGE, MMU_PROT_READ, MMU_MAP_SHARED | MMU_MAP_FIXED, file,
                     0x3000, &va));
    map(0x20000, 1, RW, FIXED);
    size_t length = mmu_os_task_view(rig.os, pid, MMU_VIEW_MAPS, text, sizeof text);
    assert_int_equal(length, strlen(text));
    assert_int_equal(mmu_os_task_view(rig.os, pid, MMU_VIEW_MAPS, NULL, 0), length);
    assert_string_equal(
        text, "00010000-00012000 r--s 00003000 00:02 1                                  /data/file\n"
              "00020000-00021000 rw-p 00000000 00:00 0 \n"
              "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]\n");
    assert_int_equal(mmu_os_task_view(rig.os, pid + 1, MMU_VIEW_MAPS, text, sizeof text), 0);
}

static void test_bases(void **state)
{
    (void)state;
    static const struct {
        const char *os;
        mmu_va highest, stack_end;
    } bases[] = {
        {"{arch: i386, ram: 256M}", 0xb7fff000, 0xc0000000},
        {"{arch: i386_pae, ram: 256M}", 0xb7fff000, 0xc0000000},
        {"{arch: x86_64_la57, ram: 256M}", 0x7ffff7ffe000, 0x7ffffffff000},
    };
    for (unsigned i = 0; i < sizeof bases / sizeof *bases; i++) {
        struct mmu_os_vma vma;
        os_rig_free(&rig);
        boot(bases[i].os);
        assert_int_equal(map(0, 1, RW, ANON), bases[i].highest);
        assert_int_equal(mmu_os_vma(rig.os, pid, bases[i].highest + PAGE, &vma), MMU_OS_DONE);
        assert_int_equal(vma.end, bases[i].stack_end);
        assert_int_equal(vma.end - vma.start, 33 * PAGE);
        assert_string_equal(vma.name, "[stack]");
    }
    /* five levels: only who asks for an address above 2^47 gets one */
    assert_int_equal(map(UINT64_C(1) << 50, 1, RW, ANON), UINT64_C(1) << 50);
    assert_true(map(UINT64_C(1) << 50, 1, RW, ANON) > UINT64_C(1) << 50);
    assert_true(map(0, 1, RW, ANON) < UINT64_C(1) << 47);
}

static void test_hints(void **state)
{
    (void)state;
    assert_int_equal(map(0x12345678, 1, RW, ANON), 0x12345000);                /* rounded down */
    assert_int_equal(map(0x12345000, 1, MMU_PROT_READ, ANON), 0x7ffff7ffe000); /* taken */
    assert_int_equal(map(0x1000, 1, RW, ANON), 0x10000);                       /* vm.mmap_min_addr */
    /* the gap below a stack is kept free: 256 pages */
    assert_int_equal(map(0x7ffffffde000 - 257 * PAGE, 1, RW, ANON), 0x7ffffffde000 - 257 * PAGE);
    assert_true(map(0x7ffffffde000 - 256 * PAGE, 1, RW, ANON) < 0x7ffff7fff000);
    /* MAP_FIXED minds no gap */
    assert_int_equal(map(0x7ffffffde000 - PAGE, 1, RW, FIXED), 0x7ffffffde000 - PAGE);
}

/* When nothing below the base is long enough, the room above a third of the space is taken. */
static void test_bottom_up(void **state)
{
    (void)state;
    os_rig_free(&rig);
    boot("{arch: i386, ram: 256M}");
    assert_int_equal(map(0, 0xb8000 - 0x10, MMU_PROT_NONE, ANON), 0x10000);
    assert_int_equal(map(0, 16, MMU_PROT_NONE, ANON), 0xb8000000);
    fails(mmu_os_mmap(rig.os, pid, 0, 0x10000000, MMU_PROT_NONE, ANON, 0, 0, &(mmu_va){0}), ENOMEM);
}

/* ----- one VMA, or two ----- */

static void test_merge(void **state)
{
    (void)state;
    map(0x100000, 4, RW, FIXED);
    map(0x104000, 4, RW, FIXED);
    map(0xfc000, 4, RW, FIXED);
    assert_string_equal(maps(), "fc000-108000 rw-p\n");
    map(0x10a000, 2, RW, FIXED);
    map(0x108000, 2, RW, FIXED); /* fills the gap: one with both */
    assert_string_equal(maps(), "fc000-10c000 rw-p\n");
    map(0x10c000, 1, RW, FIXED | MMU_MAP_LOCKED); /* other flags */
    map(0x10d000, 1, MMU_PROT_READ, FIXED);       /* other rights */
    assert_string_equal(maps(), "fc000-10c000 rw-p\n10c000-10d000 rw-p\n10d000-10e000 r--p\n");
}

/* Two that were written to apart have pages of different anon_vmas, and stay apart. */
static void test_anon_vmas(void **state)
{
    (void)state;
    struct mmu_os_vma below, above;
    map(0x100000, 2, RW, FIXED);
    map(0x104000, 2, RW, FIXED);
    assert_int_equal(touch(0x100000, MMU_STORE), MMU_SIG_NONE);
    assert_int_equal(touch(0x104000, MMU_STORE), MMU_SIG_NONE);
    map(0x102000, 2, RW, FIXED); /* mmap_region() asks the upper one first */
    assert_string_equal(maps(), "100000-102000 rw-p\n102000-106000 rw-p\n");
    assert_int_equal(mmu_os_vma(rig.os, pid, 0x100000, &below), MMU_OS_DONE);
    assert_int_equal(mmu_os_vma(rig.os, pid, 0x104000, &above), MMU_OS_DONE);
    assert_true(below.anon_vma && above.anon_vma && below.anon_vma != above.anon_vma);
    map(0x102000, 2, MMU_PROT_READ, FIXED);
    done(mmu_os_mprotect(rig.os, pid, 0x102000, 2 * PAGE, RW)); /* vma_merge() asks the lower one */
    assert_string_equal(maps(), "100000-104000 rw-p\n104000-106000 rw-p\n");
}

static void test_file_merge(void **state)
{
    (void)state;
    uint32_t file;
    mmu_va va;
    done(mmu_os_file(rig.os, "f", NULL, 1 << 20, &file));
    const struct {
        mmu_va at;
        uint64_t offset;
    } parts[] = {{0x100000, 0}, {0x101000, 0x1000}, {0x102000, 0x3000}};
    for (unsigned i = 0; i < 3; i++)
        done(mmu_os_mmap(rig.os, pid, parts[i].at, PAGE, MMU_PROT_READ, MMU_MAP_PRIVATE | MMU_MAP_FIXED, file,
                         parts[i].offset, &va));
    assert_string_equal(maps(), "100000-102000 r--pf\n102000-103000 r--pf\n"); /* offsets that continue */
}

static void test_split(void **state)
{
    (void)state;
    map(0x100000, 8, RW, FIXED);
    done(mmu_os_munmap(rig.os, pid, 0x102000, PAGE));
    done(mmu_os_mprotect(rig.os, pid, 0x105000, PAGE, MMU_PROT_READ));
    assert_string_equal(maps(),
                        "100000-102000 rw-p\n103000-105000 rw-p\n105000-106000 r--p\n106000-108000 rw-p\n");
    done(mmu_os_mprotect(rig.os, pid, 0x105000, PAGE, RW));
    map(0x102000, 1, RW, FIXED);
    assert_string_equal(maps(), "100000-108000 rw-p\n");
    done(mmu_os_mprotect(rig.os, pid, 0x103000, PAGE, RW)); /* nothing changes: nothing is cut */
    assert_string_equal(maps(), "100000-108000 rw-p\n");
    done(mmu_os_mlock(rig.os, pid, 0x103000, PAGE, true));
    assert_string_equal(maps(), "100000-103000 rw-p\n103000-104000 rw-p\n104000-108000 rw-p\n");
    done(mmu_os_mlock(rig.os, pid, 0x103000, PAGE, false)); /* has a page, its neighbours have none */
    assert_string_equal(maps(), "100000-103000 rw-p\n103000-104000 rw-p\n104000-108000 rw-p\n");
}

/* Which of two neighbours has pages decides whether a change joins them (is_mergeable_anon_vma() of 6.1). */
static void test_joins(void **state)
{
    (void)state;
    map(0x100000, 8, RW, FIXED); /* accounted for, all of it */
    done(mmu_os_mprotect(rig.os, pid, 0x102000, 6 * PAGE, MMU_PROT_READ));
    assert_int_equal(touch(0x100000, MMU_STORE), MMU_SIG_NONE);
    done(mmu_os_mprotect(rig.os, pid, 0x102000, 2 * PAGE, RW)); /* none joins some */
    assert_string_equal(maps(), "100000-104000 rw-p\n104000-108000 r--p\n");
    done(mmu_os_mprotect(rig.os, pid, 0x100000, 4 * PAGE, MMU_PROT_READ)); /* some do not join none */
    assert_string_equal(maps(), "100000-104000 r--p\n104000-108000 r--p\n");
    done(mmu_os_mprotect(rig.os, pid, 0x104000, 2 * PAGE, RW));
    done(
        mmu_os_mprotect(rig.os, pid, 0x104000, 2 * PAGE, MMU_PROT_READ)); /* what joins both makes them one */
    assert_string_equal(maps(), "100000-108000 r--p\n");
    /* a new one that became one with what lies above, and has its pages, does not join none below */
    map(0x200000, 2, RW, FIXED);
    map(0x204000, 2, RW, FIXED);
    assert_int_equal(touch(0x204000, MMU_STORE), MMU_SIG_NONE);
    map(0x202000, 2, RW, FIXED);
    assert_string_equal(maps(), "100000-108000 r--p\n200000-202000 rw-p\n202000-206000 rw-p\n");
}

/* What was writable once is accounted for ever (VM_ACCOUNT), and no part of what never was. */
static void test_account(void **state)
{
    (void)state;
    map(0x100000, 1, RW, FIXED);
    map(0x101000, 1, MMU_PROT_READ, FIXED);
    done(mmu_os_mprotect(rig.os, pid, 0x100000, PAGE, MMU_PROT_READ));
    assert_string_equal(maps(), "100000-101000 r--p\n101000-102000 r--p\n");
    done(mmu_os_mprotect(rig.os, pid, 0x100000, 2 * PAGE, RW));
    assert_string_equal(maps(), "100000-102000 rw-p\n");
}

/* A hole in the range: what lies before it is changed, what lies behind it is not even cut. */
static void test_hole(void **state)
{
    (void)state;
    map(0x100000, 2, RW, FIXED);
    map(0x104000, 4, RW, FIXED);
    fails(mmu_os_mprotect(rig.os, pid, 0x101000, 5 * PAGE, MMU_PROT_READ), ENOMEM);
    assert_string_equal(maps(), "100000-101000 rw-p\n101000-102000 r--p\n104000-108000 rw-p\n");
    fails(mmu_os_mprotect(rig.os, pid, 0x103000, 2 * PAGE, MMU_PROT_READ), ENOMEM);
    assert_string_equal(maps(), "100000-101000 rw-p\n101000-102000 r--p\n104000-108000 rw-p\n");
    /* madvise goes on behind it */
    assert_int_equal(touch(0x104000, MMU_STORE), MMU_SIG_NONE);
    struct mmu_os_task task;
    fails(mmu_os_madvise(rig.os, pid, 0x100000, 8 * PAGE, MMU_MADV_DONTNEED), ENOMEM);
    mmu_os_task(rig.os, pid, &task);
    assert_int_equal(task.rss_anon, 0);
    done(mmu_os_munmap(rig.os, pid, 0x80000, 0x100000)); /* holes are no error here */
    assert_string_equal(maps(), "");
}

/* ----- break, mremap, stack ----- */

static void test_break(void **state)
{
    (void)state;
    struct mmu_os_task task;
    mmu_va brk;
    mmu_os_task(rig.os, pid, &task);
    assert_int_equal(task.start_brk, 0x555555554000);
    done(mmu_os_brk(rig.os, pid, 0, &brk));
    assert_int_equal(brk, 0x555555554000);
    done(mmu_os_brk(rig.os, pid, 0x555555556789, &brk));
    assert_int_equal(brk, 0x555555556789);
    assert_string_equal(maps(), "555555554000-555555557000 rw-p[heap]\n");
    map(0x555555559000, 1, MMU_PROT_READ, FIXED);
    done(mmu_os_brk(rig.os, pid, 0x555555559000, &brk)); /* a page is left free: refused */
    assert_int_equal(brk, 0x555555556789);
    done(mmu_os_brk(rig.os, pid, 0x555555558000, &brk));
    assert_int_equal(brk, 0x555555558000);
    done(mmu_os_brk(rig.os, pid, 0x555555554001, &brk));
    assert_string_equal(maps(), "555555554000-555555555000 rw-p[heap]\n555555559000-55555555a000 r--p\n");
    done(mmu_os_brk(rig.os, pid, 0x555555553000, &brk)); /* below its start: refused */
    assert_int_equal(brk, 0x555555554001);
}

/* With MREMAP_FIXED what is too much goes first, of however many mappings; and so does what is in the way,
 * even if the call then fails. */
static void test_mremap_to(void **state)
{
    (void)state;
    const int to = MMU_MREMAP_MAYMOVE | MMU_MREMAP_FIXED;
    mmu_va va;
    map(0x100000, 3, RW, FIXED);
    map(0x103000, 3, MMU_PROT_READ, FIXED);
    done(mmu_os_mremap(rig.os, pid, 0x101000, 4 * PAGE, PAGE, to, 0x200000, &va));
    assert_string_equal(maps(), "100000-101000 rw-p\n105000-106000 r--p\n200000-201000 rw-p\n");
    map(0x300000, 2, RW, FIXED);
    fails(mmu_os_mremap(rig.os, pid, 0x100000, 2 * PAGE, 2 * PAGE, to, 0x300000, &va), EFAULT);
    assert_string_equal(maps(), "100000-101000 rw-p\n105000-106000 r--p\n200000-201000 rw-p\n");
    fails(mmu_os_mremap(rig.os, pid, 0x600000, PAGE, PAGE, to, 0x600000, &va),
          EFAULT); /* before the places */
}

/* What a child has of its parent grows in place and stays one mapping. */
static void test_mremap_child(void **state)
{
    (void)state;
    mmu_va va;
    map(0x100000, 2, RW, FIXED);
    assert_int_equal(touch(0x100000, MMU_STORE), MMU_SIG_NONE);
    done(mmu_os_fork(rig.os, pid, &pid));
    done(mmu_os_mremap(rig.os, pid, 0x100000, 2 * PAGE, 4 * PAGE, 0, 0, &va));
    assert_string_equal(maps(), "100000-104000 rw-p\n");
    done(mmu_os_mremap(rig.os, pid, 0x100000, 4 * PAGE, 4 * PAGE, MMU_MREMAP_MAYMOVE | MMU_MREMAP_FIXED,
                       0x200000, &va));
    assert_string_equal(maps(), "200000-204000 rw-p\n");
}

static void test_mremap(void **state)
{
    (void)state;
    uint64_t is = 0;
    const uint64_t value = 0x1122334455667788;
    mmu_va va;
    map(0x100000, 4, RW, FIXED);
    done(mmu_os_poke(rig.os, pid, 0x101000, &value, sizeof value));
    done(mmu_os_mremap(rig.os, pid, 0x100000, 4 * PAGE, 6 * PAGE, 0, 0, &va)); /* grows in place */
    assert_int_equal(va, 0x100000);
    assert_string_equal(maps(), "100000-106000 rw-p\n");
    map(0x106000, 1, MMU_PROT_READ, FIXED);
    fails(mmu_os_mremap(rig.os, pid, 0x100000, 6 * PAGE, 7 * PAGE, 0, 0, &va), ENOMEM);
    done(mmu_os_mremap(rig.os, pid, 0x100000, 6 * PAGE, 7 * PAGE, MMU_MREMAP_MAYMOVE, 0, &va));
    assert_int_equal(va, 0x7ffff7ff8000);
    done(mmu_os_peek(rig.os, pid, va + PAGE, &is, sizeof is));
    assert_int_equal(is, value);
    assert_int_equal(touch(0x101000, MMU_LOAD), MMU_SIG_SEGV_MAPERR);
    done(mmu_os_mremap(rig.os, pid, va + PAGE, PAGE, PAGE, MMU_MREMAP_MAYMOVE | MMU_MREMAP_FIXED, 0x200000,
                       &va));
    done(mmu_os_peek(rig.os, pid, 0x200000, &is, sizeof is));
    assert_int_equal(is, value);
    assert_string_equal(maps(), "106000-107000 r--p\n200000-201000 rw-p\n7ffff7ff8000-7ffff7ff9000 rw-p\n"
                                "7ffff7ffa000-7ffff7fff000 rw-p\n");
    done(mmu_os_mremap(rig.os, pid, 0x7ffff7ffa000, 5 * PAGE, PAGE, 0, 0, &va)); /* shrinks */
    assert_string_equal(maps(), "106000-107000 r--p\n200000-201000 rw-p\n7ffff7ff8000-7ffff7ff9000 rw-p\n"
                                "7ffff7ffa000-7ffff7ffb000 rw-p\n");
}

static void test_stack(void **state)
{
    (void)state;
    struct mmu_os_vma vma;
    const mmu_va top = 0x7ffffffff000, limit = 8 << 20;
    assert_int_equal(touch(0x7ffffffde000 - 5 * PAGE, MMU_STORE), MMU_SIG_NONE);
    mmu_os_vma(rig.os, pid, top - 1, &vma);
    assert_int_equal(vma.start, 0x7ffffffde000 - 5 * PAGE);
    assert_int_equal(touch(top - limit - 1, MMU_STORE), MMU_SIG_SEGV_MAPERR); /* RLIMIT_STACK */
    map(top - limit + 300 * PAGE, 1, RW, FIXED);
    assert_int_equal(touch(top - limit + 556 * PAGE, MMU_LOAD), MMU_SIG_SEGV_MAPERR); /* stack_guard_gap */
    assert_int_equal(touch(top - limit + 557 * PAGE, MMU_LOAD), MMU_SIG_NONE);
    done(mmu_os_munmap(rig.os, pid, top - limit + 300 * PAGE, PAGE));
    assert_int_equal(touch(top - limit, MMU_STORE), MMU_SIG_NONE);
    mmu_os_vma(rig.os, pid, top - 1, &vma);
    assert_int_equal(vma.end - vma.start, limit);
    struct mmu_os_vmstat stat;
    mmu_os_vmstat(rig.os, &stat);
    assert_int_equal(stat.fault_stack, 3);
}

/* The room that a stack needs is kept free below it, however it was cut. */
static void test_gap_below_parts(void **state)
{
    (void)state;
    const mmu_va top = 0x7ffff7fff000, gap = 256 * PAGE;
    assert_int_equal(map(0, 8, RW, ANON | MMU_MAP_GROWSDOWN), top - 8 * PAGE);
    done(mmu_os_mprotect(rig.os, pid, top - 6 * PAGE, 2 * PAGE, MMU_PROT_READ));
    assert_int_equal(map(0, 1, RW, ANON), top - 8 * PAGE - gap - PAGE);
    done(mmu_os_munmap(rig.os, pid, top - 8 * PAGE - gap - PAGE, PAGE));
    /* a hole below a stack: all of its room is passed over */
    map(top - 10 * PAGE, 2, RW, FIXED | MMU_MAP_GROWSDOWN);
    map(top - 12 * PAGE, 1, RW, FIXED);
    assert_int_equal(map(0, 1, RW, ANON), top - 10 * PAGE - gap - PAGE);
    done(mmu_os_munmap(rig.os, pid, top - 10 * PAGE - gap - PAGE, PAGE));
    map(top - 12 * PAGE, 6, RW, FIXED); /* one that does not grow lies below the parts now */
    assert_int_equal(map(0, 1, MMU_PROT_READ, ANON), top - 13 * PAGE);
}

/* A mapping of one's own that grows. */
static void test_grows_down(void **state)
{
    (void)state;
    map(0x40000000, 1, RW, FIXED | MMU_MAP_GROWSDOWN);
    assert_int_equal(touch(0x40000000 - 3 * PAGE, MMU_STORE), MMU_SIG_NONE);
    assert_string_equal(maps(), "3fffd000-40001000 rw-p\n");
    assert_true(map(0x3fffd000 - PAGE, 1, RW, ANON) != 0x3fffd000 - PAGE);
}

/* Locked pages that may be written to from now on are copied at once (mprotect_fixup()). */
static void test_lock_writable(void **state)
{
    (void)state;
    map(0x100000, 2, MMU_PROT_READ, FIXED | MMU_MAP_LOCKED);
    uint64_t entry[2];
    done(mmu_os_pagemap(rig.os, pid, 0x100000, 2, entry));
    assert_int_equal(entry[0] >> 56, 0x80); /* the zero page */
    done(mmu_os_mprotect(rig.os, pid, 0x101000, PAGE, RW));
    done(mmu_os_pagemap(rig.os, pid, 0x100000, 2, entry));
    assert_int_equal(entry[0] >> 56, 0x80);
    assert_int_equal(entry[1] >> 56, 0x81);
}

/* mlock() says that it could not bring every page in, and has locked the mapping all the same (do_mlock()).
 */
static void test_lock_missing(void **state)
{
    (void)state;
    uint32_t file;
    mmu_va va;
    struct mmu_os_task task;
    map(0x100000, 4, MMU_PROT_NONE, FIXED);
    fails(mmu_os_mlock(rig.os, pid, 0x100000, 4 * PAGE, true), ENOMEM);
    done(mmu_os_file(rig.os, "short", NULL, 2 * PAGE, &file));
    done(mmu_os_mmap(rig.os, pid, 0x200000, 4 * PAGE, MMU_PROT_READ, MMU_MAP_SHARED | MMU_MAP_FIXED, file, 0,
                     &va));
    done(mmu_os_mlock(rig.os, pid, 0x200000, 2 * PAGE, true));
    fails(mmu_os_mlock(rig.os, pid, 0x200000, 4 * PAGE, true), ENOMEM);
    done(mmu_os_mlock(rig.os, pid, 0x200000, 4 * PAGE, false));
    done(mmu_os_task(rig.os, pid, &task));
    assert_int_equal(task.locked_vm, 4); /* the first mapping's */
    os_rig_free(&rig);
    boot("{arch: x86_64, ram: 64M}");
    map(0x10000000, 40 << 8, RW, FIXED);
    map(0x20000000, 40 << 8, RW, FIXED);
    done(mmu_os_mlock(rig.os, pid, 0x10000000, 1 << 20, true));
    (void)mmu_os_mlock(rig.os, pid, 0x10000000, 40 << 20, true);
    fails(mmu_os_mlock(rig.os, pid, 0x20000000, 40 << 20, true), EAGAIN);
}

/* ----- views ----- */

static void test_smaps(void **state)
{
    (void)state;
    char text[8192];
    uint32_t child;
    map(0x100000, 4, RW, FIXED);
    assert_int_equal(touch(0x100000, MMU_STORE), MMU_SIG_NONE);
    assert_int_equal(touch(0x101000, MMU_STORE), MMU_SIG_NONE);
    assert_int_equal(touch(0x102000, MMU_LOAD), MMU_SIG_NONE); /* the zero page counts nowhere */
    done(mmu_os_fork(rig.os, pid, &child));
    assert_int_equal(touch(0x101000, MMU_STORE), MMU_SIG_NONE);
    done(mmu_os_mlock(rig.os, pid, 0x7fffffffe000, PAGE, true));
    mmu_os_task_view(rig.os, pid, MMU_VIEW_SMAPS, text, sizeof text);
    static const char first[] = "00100000-00104000 rw-p 00000000 00:00 0 \n"
                                "Size:                 16 kB\n"
                                "KernelPageSize:        4 kB\n"
                                "MMUPageSize:           4 kB\n"
                                "Rss:                   8 kB\n"
                                "Pss:                   6 kB\n"
                                "Pss_Dirty:             6 kB\n"
                                "Shared_Clean:          0 kB\n"
                                "Shared_Dirty:          4 kB\n"
                                "Private_Clean:         0 kB\n"
                                "Private_Dirty:         4 kB\n"
                                "Referenced:            8 kB\n"
                                "Anonymous:             8 kB\n"
                                "LazyFree:              0 kB\n"
                                "AnonHugePages:         0 kB\n"
                                "ShmemPmdMapped:        0 kB\n"
                                "FilePmdMapped:         0 kB\n"
                                "Shared_Hugetlb:        0 kB\n"
                                "Private_Hugetlb:       0 kB\n"
                                "Swap:                  0 kB\n"
                                "SwapPss:               0 kB\n"
                                "Locked:                0 kB\n"
                                "THPeligible:    0\n"
                                "VmFlags: rd wr mr mw me ac sd \n";
    text[sizeof first - 1] = '\0';
    assert_string_equal(text, first);
    mmu_os_task_view(rig.os, pid, MMU_VIEW_SMAPS, text, sizeof text);
    assert_non_null(strstr(
        text, "Locked:                4 kB\nTHPeligible:    0\nVmFlags: rd wr mr mw me gd lo ac sd \n"));
}

static void test_status(void **state)
{
    (void)state;
    char text[1024];
    map(0x100000, 8, RW, FIXED);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(touch(0x100000 + i * PAGE, MMU_STORE), MMU_SIG_NONE);
    map(0x200000, 2, MMU_PROT_READ | MMU_PROT_EXEC, FIXED | MMU_MAP_LOCKED);
    done(mmu_os_munmap(rig.os, pid, 0x104000, 4 * PAGE));
    mmu_os_task_view(rig.os, pid, MMU_VIEW_STATUS, text, sizeof text);
    assert_string_equal(text, "Name:\tinit\nTgid:\t1\nPid:\t1\nPPid:\t0\n"
                              "VmPeak:\t     172 kB\n"
                              "VmSize:\t     156 kB\n"
                              "VmLck:\t       8 kB\n"
                              "VmPin:\t       0 kB\n"
                              "VmHWM:\t      32 kB\n"
                              "VmRSS:\t      16 kB\n"
                              "RssAnon:\t      16 kB\n"
                              "RssFile:\t       0 kB\n"
                              "RssShmem:\t       0 kB\n"
                              "VmData:\t      16 kB\n"
                              "VmStk:\t     132 kB\n"
                              "VmExe:\t       0 kB\n"
                              "VmLib:\t       8 kB\n"
                              "VmPTE:\t      16 kB\n"
                              "VmSwap:\t       0 kB\n"
                              "Threads:\t1\n");
}

/* ----- misuse ----- */

static void test_mmap_errors(void **state)
{
    (void)state;
    const mmu_va top = 0x7ffffffff000;
    uint32_t file;
    done(mmu_os_file(rig.os, "f", NULL, PAGE, &file));
    const struct {
        mmu_va addr;
        uint64_t length;
        int prot, flags;
        uint32_t file;
        uint64_t offset;
        int error;
    } wrong[] = {
        {0, 0, RW, ANON, 0, 0, EINVAL},
        {0, PAGE, RW, MMU_MAP_ANONYMOUS, 0, 0, EINVAL},
        {0, PAGE, RW, ANON | 0x40000000, 0, 0, EINVAL},
        {0, PAGE, 8, ANON, 0, 0, EINVAL},
        {0, PAGE, RW, MMU_MAP_PRIVATE, file, 100, EINVAL},
        {0x10001, PAGE, RW, FIXED, 0, 0, EINVAL},
        {0, PAGE, RW, MMU_MAP_PRIVATE | MMU_MAP_GROWSDOWN, file, 0, EINVAL},
        {0, PAGE, RW, MMU_MAP_SHARED | MMU_MAP_ANONYMOUS | MMU_MAP_GROWSDOWN, 0, 0, EINVAL},
        {0, UINT64_MAX, RW, ANON, 0, 0, ENOMEM},
        {0, top + PAGE, MMU_PROT_READ, ANON, 0, 0, ENOMEM},
        {top - PAGE, 2 * PAGE, RW, FIXED, 0, 0, ENOMEM},
        {UINT64_MAX & ~UINT64_C(4095), PAGE, RW, FIXED, 0, 0, ENOMEM},
        {0, UINT64_C(1) << 40, RW, ANON, 0, 0, ENOMEM},
        {0, UINT64_C(1) << 40, 0, MMU_MAP_SHARED | MMU_MAP_ANONYMOUS, 0, 0, ENOMEM},
        {0xf000, PAGE, RW, FIXED, 0, 0, EPERM},
        {0, PAGE, RW, MMU_MAP_PRIVATE, file, UINT64_MAX & ~UINT64_C(4095), EOVERFLOW},
        {0, PAGE, RW, MMU_MAP_PRIVATE, 99, 0, EBADF},
        {0, PAGE, RW, MMU_MAP_PRIVATE, 0, 0, EBADF},
        {top - PAGE, PAGE, RW, ANON | MMU_MAP_FIXED_NOREPLACE, 0, 0, EEXIST},
        /* of two mistakes the one that do_mmap() finds first */
        {top - PAGE, PAGE, RW, MMU_MAP_ANONYMOUS | MMU_MAP_FIXED_NOREPLACE, 0, 0, EEXIST},
        {0, UINT64_MAX, RW, MMU_MAP_ANONYMOUS, 0, 0, ENOMEM},
        {0, 0, RW, MMU_MAP_PRIVATE, 99, 0, EBADF},
        {0, PAGE, RW, MMU_MAP_PRIVATE, 99, 100, EINVAL},
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mmu_va va = 42;
        fails(mmu_os_mmap(rig.os, pid, wrong[i].addr, wrong[i].length, wrong[i].prot, wrong[i].flags,
                          wrong[i].file, wrong[i].offset, &va),
              wrong[i].error);
        assert_int_equal(va, 42);
    }
    fails(mmu_os_mmap(rig.os, 77, 0, PAGE, RW, ANON, 0, 0, &(mmu_va){0}), ESRCH);
    assert_string_equal(maps(), "");
    /* of such a size without the right to write, nothing has to be found */
    assert_true(map(0, 1 << 20, MMU_PROT_READ, ANON));
    fails(mmu_os_mprotect(rig.os, pid, 0x7ffff7fff000 - (UINT64_C(1) << 32), UINT64_C(1) << 32, RW), ENOMEM);
}

/* Shared memory has no name: its number opens nothing. */
static void test_nameless(void **state)
{
    (void)state;
    struct mmu_os_vma vma;
    mmu_va va;
    map(0x100000, 2, RW, MMU_MAP_SHARED | MMU_MAP_ANONYMOUS | MMU_MAP_FIXED);
    mmu_os_vma(rig.os, pid, 0x100000, &vma);
    assert_string_equal(vma.name, "/dev/zero (deleted)");
    fails(mmu_os_mmap(rig.os, pid, 0x100000, PAGE, RW, MMU_MAP_SHARED | MMU_MAP_FIXED, vma.file, 0, &va),
          EBADF);
    /* an offset is not heard of without a file */
    done(mmu_os_mmap(rig.os, pid, 0x200000, PAGE, RW, MMU_MAP_SHARED | MMU_MAP_ANONYMOUS | MMU_MAP_FIXED, 0,
                     0x5000, &va));
    assert_int_equal(touch(0x200000, MMU_STORE), MMU_SIG_NONE);
}

static void test_other_errors(void **state)
{
    (void)state;
    const mmu_va top = 0x7ffffffff000, far = UINT64_MAX & ~UINT64_C(4095);
    mmu_va va = 0;
    map(0x100000, 4, RW, FIXED);
    map(0x200000, 1, RW, FIXED | MMU_MAP_LOCKED);
    fails(mmu_os_munmap(rig.os, pid, 0x100001, PAGE), EINVAL);
    fails(mmu_os_munmap(rig.os, pid, 0x100000, 0), EINVAL);
    fails(mmu_os_munmap(rig.os, pid, top, PAGE), EINVAL);
    fails(mmu_os_munmap(rig.os, pid, 0x100000, UINT64_MAX), EINVAL);
    fails(mmu_os_mprotect(rig.os, pid, 0x100001, PAGE, RW), EINVAL);
    fails(mmu_os_mprotect(rig.os, pid, 0x100000, PAGE, 64), EINVAL);
    fails(mmu_os_mprotect(rig.os, pid, far, 2 * PAGE, RW), ENOMEM);
    done(mmu_os_mprotect(rig.os, pid, 0x900000, 0, RW));
    fails(mmu_os_madvise(rig.os, pid, 0x100000, PAGE, 77), EINVAL);
    fails(mmu_os_madvise(rig.os, pid, 0x100001, PAGE, MMU_MADV_DONTNEED), EINVAL);
    fails(mmu_os_madvise(rig.os, pid, 0x200000, PAGE, MMU_MADV_DONTNEED), EINVAL);
    fails(mmu_os_msync(rig.os, pid, 0x100001, PAGE), EINVAL);
    fails(mmu_os_msync(rig.os, pid, 0x300000, PAGE), ENOMEM);
    fails(mmu_os_mlock(rig.os, pid, far, 2 * PAGE, true), EINVAL);
    done(mmu_os_mlock(rig.os, pid, 0x100000, UINT64_MAX, true)); /* whole pages of it: 0 */
    done(mmu_os_mlock(rig.os, pid, 0x300000, 0, true));
    fails(mmu_os_mlock(rig.os, pid, 0x300001, 0, false), ENOMEM); /* the page of that address */
    fails(mmu_os_mlock(rig.os, pid, 0x300000, PAGE, true), ENOMEM);
    fails(mmu_os_mremap(rig.os, pid, 0x100001, PAGE, PAGE, 0, 0, &va), EINVAL);
    fails(mmu_os_mremap(rig.os, pid, 0x100000, PAGE, 0, 0, 0, &va), EINVAL);
    fails(mmu_os_mremap(rig.os, pid, 0x100000, PAGE, PAGE, 8, 0, &va), EINVAL);
    fails(mmu_os_mremap(rig.os, pid, 0x100000, PAGE, PAGE, MMU_MREMAP_FIXED, 0x400000, &va), EINVAL);
    fails(mmu_os_mremap(rig.os, pid, 0x100000, 4 * PAGE, 4 * PAGE, MMU_MREMAP_FIXED | MMU_MREMAP_MAYMOVE,
                        0x102000, &va),
          EINVAL);
    fails(
        mmu_os_mremap(rig.os, pid, 0x100000, PAGE, PAGE, MMU_MREMAP_FIXED | MMU_MREMAP_MAYMOVE, 0x1000, &va),
        EPERM);
    fails(mmu_os_mremap(rig.os, pid, 0x300000, PAGE, 2 * PAGE, 0, 0, &va), EFAULT);
    fails(mmu_os_mremap(rig.os, pid, 0x100000, 5 * PAGE, 6 * PAGE, MMU_MREMAP_MAYMOVE, 0, &va), EFAULT);
    fails(mmu_os_mremap(rig.os, pid, 0x100000, 4 * PAGE, top, MMU_MREMAP_MAYMOVE, 0, &va), ENOMEM);
    fails(mmu_os_brk(rig.os, 77, 0, &va), ESRCH);
    assert_int_equal(va, 0);
    uint8_t byte = 1;
    fails(mmu_os_poke(rig.os, pid, 0x300000, &byte, 1), EFAULT);
    fails(mmu_os_peek(rig.os, pid, top, &byte, 1), EFAULT);
    fails(mmu_os_poke(rig.os, pid, 0x103fff, (const uint8_t[2]){1, 2}, 2), EFAULT);
    assert_string_equal(maps(), "100000-104000 rw-p\n200000-201000 rw-p\n");
}

/* vm.max_map_count */
static void test_too_many(void **state)
{
    (void)state;
    mmu_va va;
    map(0x10000000, 70000, MMU_PROT_READ, FIXED);
    int outcome = MMU_OS_DONE;
    unsigned n = 0;
    for (; outcome == MMU_OS_DONE && n < 70000; n += 2)
        outcome = mmu_os_mprotect(rig.os, pid, 0x10000000 + (mmu_va)n * PAGE, PAGE, MMU_PROT_NONE);
    fails(outcome, ENOMEM);
    assert_in_range(n, 65520, 65540);
    done(mmu_os_munmap(rig.os, pid, 0x10000000, UINT64_C(70000) * PAGE));
    done(mmu_os_mmap(rig.os, pid, 0, PAGE, RW, ANON, 0, 0, &va));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_top_down),        TEST(test_text),          TEST(test_bases),        TEST(test_hints),
        TEST(test_bottom_up),       TEST(test_merge),         TEST(test_anon_vmas),    TEST(test_file_merge),
        TEST(test_split),           TEST(test_account),       TEST(test_hole),         TEST(test_break),
        TEST(test_mremap),          TEST(test_mremap_to),     TEST(test_mremap_child), TEST(test_joins),
        TEST(test_gap_below_parts), TEST(test_lock_writable), TEST(test_stack),        TEST(test_grows_down),
        TEST(test_lock_missing),    TEST(test_smaps),         TEST(test_status),       TEST(test_nameless),
        TEST(test_mmap_errors),     TEST(test_other_errors),  TEST(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
