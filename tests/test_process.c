/* test_process.c: processes from end to end: mmap, touch, fork, write, peek, exit; on the four architectures,
 * with and without KPTI. */
#include "os_rig.h"
#include <mmusim/process.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const machines[] = {
    "{arch: i386, ram: 512M}",
    "{arch: i386, ram: 1536M}",
    "{arch: i386_pae, ram: 1536M, kpti: false}",
    "{arch: i386_pae, ram: 1536M, kpti: true}",
    "{arch: x86_64, ram: 1G, kpti: false}",
    "{arch: x86_64, ram: 1G, kpti: true}",
    "{arch: x86_64_la57, ram: 1G, kpti: false}",
    "{arch: x86_64_la57, ram: 1G, kpti: true}",
};

enum { PAGE = 4096, RW = MMU_PROT_READ | MMU_PROT_WRITE, ANON = MMU_MAP_PRIVATE | MMU_MAP_ANONYMOUS };

static struct mmu_result touch(struct os_rig *r, uint32_t core, mmu_va va, enum mmu_kind kind)
{
    struct mmu_access a = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(kind, MMU_USER)};
    struct mmu_result result;
    assert_int_equal(mmu_core_run(mmu_machine_core(r->machine, core), &a, 1, &result), MMU_OK);
    return result;
}

static bool can(struct os_rig *r, mmu_va va, enum mmu_kind kind)
{
    return touch(r, 0, va, kind).outcome == MMU_DONE;
}

static mmu_va map(struct os_rig *r, uint32_t pid, uint64_t pages, int prot, int flags, uint32_t file)
{
    mmu_va va = 0;
    assert_int_equal(mmu_os_mmap(r->os, pid, 0, pages * PAGE, prot, flags, file, 0, &va), MMU_OS_DONE);
    return va;
}

static struct mmu_os_task task(struct os_rig *r, uint32_t pid)
{
    struct mmu_os_task t;
    assert_int_equal(mmu_os_task(r->os, pid, &t), MMU_OS_DONE);
    return t;
}

static uint64_t allocated(struct os_rig *r)
{
    struct mmu_os_totals t;
    mmu_os_totals(r->os, &t);
    return t.allocated;
}

static uint32_t start(struct os_rig *r)
{
    uint32_t pid;
    assert_int_equal(mmu_os_spawn(r->os, "probe", &pid), MMU_OS_DONE);
    assert_int_equal(mmu_os_schedule(r->os, pid), MMU_OS_DONE);
    return pid;
}

static struct mmu_os_signal signal_of(struct os_rig *r)
{
    struct mmu_os_signal s;
    mmu_os_signal(r->os, 0, &s);
    return s;
}

/* Ends every process and gives back what can be. */
static uint64_t settle(struct os_rig *r)
{
    mmu_os_check(r->os);
    assert_int_equal(mmu_os_schedule(r->os, 0), MMU_OS_DONE);
    for (uint32_t pid = 1; pid < 64; pid++) {
        struct mmu_os_task t;
        if (mmu_os_task(r->os, pid, &t) == MMU_OS_DONE)
            assert_int_equal(mmu_os_exit(r->os, pid), MMU_OS_DONE);
    }
    mmu_os_sync(r->os);
    mmu_os_drop_caches(r->os);
    mmu_os_shrink_slabs(r->os);
    mmu_os_check(r->os);
    return allocated(r);
}

static uint64_t boot(struct os_rig *r, const char *machine)
{
    os_rig_boot(r, machine);
    return allocated(r);
}

static void finish(struct os_rig *r, uint64_t before)
{
    assert_int_equal(settle(r), before);
}

static void anonymous_memory_comes_page_by_page(void **state)
{
    (void)state;
    for (unsigned m = 0; m < COUNT_OF(machines); m++) {
        struct os_rig r;
        uint64_t before = boot(&r, machines[m]);
        uint32_t pid = start(&r);
        mmu_va va = map(&r, pid, 16, RW, ANON, 0);
        assert_int_equal(task(&r, pid).rss_anon, 0);
        struct mmu_result zero = touch(&r, 0, va, MMU_LOAD);
        assert_int_equal(zero.outcome, MMU_DONE);
        assert_int_equal(touch(&r, 0, va + PAGE, MMU_LOAD).pa, zero.pa); /* the zero page */
        assert_int_equal(task(&r, pid).rss_anon, 0);
        assert_int_equal(task(&r, pid).minor_faults, 2);
        assert_true(can(&r, va, MMU_STORE));
        assert_int_not_equal(touch(&r, 0, va, MMU_LOAD).pa, zero.pa);
        assert_true(can(&r, va + 8 * PAGE, MMU_STORE));
        assert_int_equal(task(&r, pid).rss_anon, 2);
        mmu_os_check(r.os);
        assert_int_equal(mmu_os_munmap(r.os, pid, va, 4 * PAGE), MMU_OS_DONE);
        assert_int_equal(task(&r, pid).rss_anon, 1);
        assert_false(can(&r, va, MMU_LOAD));
        struct mmu_os_signal s = signal_of(&r);
        assert_int_equal(s.kind, MMU_SIG_SEGV_MAPERR);
        assert_int_equal(s.pid, pid);
        assert_int_equal(s.address, va);
        assert_int_equal(s.error_code, MMU_PF_U);
        finish(&r, before);
        os_rig_free(&r);
    }
}

static void fork_copies_on_write(void **state)
{
    (void)state;
    for (unsigned m = 0; m < COUNT_OF(machines); m++) {
        struct os_rig r;
        uint64_t before = boot(&r, machines[m]);
        uint32_t pid = start(&r), child;
        mmu_va va = map(&r, pid, 4, RW, ANON, 0);
        uint32_t word = 0x12345678, read = 0;
        assert_int_equal(mmu_os_poke(r.os, pid, va + PAGE - 2, &word, sizeof word), MMU_OS_DONE);
        mmu_pa pa = touch(&r, 0, va, MMU_LOAD).pa;
        assert_int_equal(mmu_os_fork(r.os, pid, &child), MMU_OS_DONE);
        mmu_os_check(r.os);
        assert_int_equal(task(&r, child).rss_anon, 2);
        assert_int_equal(mmu_os_kpagecount(r.os, pa >> 12), 2);
        assert_true(can(&r, va, MMU_STORE)); /* the parent copies */
        assert_int_not_equal(touch(&r, 0, va, MMU_LOAD).pa, pa);
        assert_int_equal(mmu_os_kpagecount(r.os, pa >> 12), 1);
        assert_int_equal(mmu_os_schedule(r.os, child), MMU_OS_DONE);
        assert_true(can(&r, va, MMU_STORE)); /* the child is alone by now */
        assert_int_equal(touch(&r, 0, va, MMU_LOAD).pa, pa);
        word = 0xaaaaaaaa;
        assert_int_equal(mmu_os_poke(r.os, child, va + PAGE - 2, &word, sizeof word), MMU_OS_DONE);
        assert_int_equal(mmu_os_peek(r.os, pid, va + PAGE - 2, &read, sizeof read), MMU_OS_DONE);
        assert_int_equal(read, 0x12345678);
        assert_int_equal(mmu_os_peek(r.os, child, va + PAGE - 2, &read, sizeof read), MMU_OS_DONE);
        assert_int_equal(read, 0xaaaaaaaa);
        struct mmu_os_vmstat stat;
        mmu_os_vmstat(r.os, &stat);
        assert_int_equal(stat.fault_cow, 2);
        assert_int_equal(stat.fault_reuse, 1);
        finish(&r, before);
        os_rig_free(&r);
    }
}

static void files_come_through_the_cache(void **state)
{
    (void)state;
    for (unsigned m = 0; m < COUNT_OF(machines); m++) {
        struct os_rig r;
        uint64_t before = boot(&r, machines[m]);
        uint32_t pid = start(&r), file;
        assert_int_equal(mmu_os_file(r.os, "data", NULL, 100 * PAGE + 10, &file), MMU_OS_DONE);
        mmu_va va = map(&r, pid, 102, RW, MMU_MAP_PRIVATE, file);
        assert_true(can(&r, va + 40 * PAGE, MMU_LOAD)); /* major: 24 to 55 are read */
        struct mmu_os_file_info info;
        assert_int_equal(mmu_os_file_info(r.os, file, &info), MMU_OS_DONE);
        assert_int_equal(info.cached, 32);
        assert_int_equal(task(&r, pid).major_faults, 1);
        assert_int_equal(task(&r, pid).rss_file, 1);
        assert_true(can(&r, va + 41 * PAGE, MMU_LOAD)); /* minor, with what is cached around */
        assert_int_equal(task(&r, pid).minor_faults, 1);
        assert_true(task(&r, pid).rss_file > 8);
        assert_true(can(&r, va + 100 * PAGE, MMU_LOAD));
        assert_false(can(&r, va + 101 * PAGE, MMU_LOAD));
        assert_int_equal(signal_of(&r).kind, MMU_SIG_BUS_ADRERR);
        uint8_t one[8], two[8], zero[8] = {0};
        assert_int_equal(mmu_os_peek(r.os, pid, va + 40 * PAGE, one, 8), MMU_OS_DONE);
        assert_memory_not_equal(one, zero, 8);
        assert_true(can(&r, va + 40 * PAGE, MMU_STORE)); /* copied, with its content */
        assert_int_equal(mmu_os_peek(r.os, pid, va + 40 * PAGE, two, 8), MMU_OS_DONE);
        assert_memory_equal(one, two, 8);
        assert_int_equal(task(&r, pid).rss_anon, 1);
        mmu_os_check(r.os);
        mmu_va shared = map(&r, pid, 102, RW, MMU_MAP_SHARED, file);
        assert_int_equal(mmu_os_poke(r.os, pid, shared + 40 * PAGE, "changed", 8), MMU_OS_DONE);
        assert_int_equal(mmu_os_file_info(r.os, file, &info), MMU_OS_DONE);
        assert_int_equal(info.dirty, 1);
        assert_int_equal(mmu_os_msync(r.os, pid, shared, 102 * PAGE), MMU_OS_DONE);
        assert_int_equal(mmu_os_file_info(r.os, file, &info), MMU_OS_DONE);
        assert_int_equal(info.dirty, 0);
        mmu_os_check(r.os);
        finish(&r, before);
        pid = start(&r);
        va = map(&r, pid, 102, MMU_PROT_READ, MMU_MAP_PRIVATE, file);
        assert_int_equal(mmu_os_peek(r.os, pid, va + 40 * PAGE, two, 8), MMU_OS_DONE);
        assert_memory_equal(two, "changed", 8);
        finish(&r, before);
        os_rig_free(&r);
    }
}

/* With KPTI an access of the kernel begins with the way into its half, one of the user's with the way out: a
 * load of CR3 each, however the accesses come. */
static void halves_change_with_the_privilege(void **state)
{
    (void)state;
    for (unsigned m = 0; m < COUNT_OF(machines); m++) {
        struct os_rig r;
        uint64_t before = boot(&r, machines[m]);
        uint32_t pid = start(&r);
        bool kpti = strstr(machines[m], "kpti: true");
        mmu_va va = map(&r, pid, 1, RW, ANON, 0), kernel;
        struct mmu_access a[40];
        struct mmu_stats first, second;
        assert_true(can(&r, va, MMU_STORE));
        assert_int_equal(mmu_os_get_free_pages(r.os, MMU_GFP_KERNEL, 0, &kernel), MMU_OS_DONE);
        for (unsigned i = 0; i < COUNT_OF(a); i++) {
            bool is_kernel = i % 10 >= 5;
            a[i] =
                (struct mmu_access){.va = is_kernel ? kernel : va,
                                    .size = 1,
                                    .kind = MMU_KIND_PRIV(MMU_LOAD, is_kernel ? MMU_SUPERVISOR : MMU_USER)};
        }
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(mmu_core_run(mmu_machine_core(r.machine, 0), a, COUNT_OF(a), NULL), MMU_OK);
        mmu_core_stats(mmu_machine_core(r.machine, 0), &first);
        assert_int_equal(mmu_core_run(mmu_machine_core(r.machine, 0), a, COUNT_OF(a), NULL), MMU_OK);
        mmu_core_stats(mmu_machine_core(r.machine, 0), &second);
        assert_int_equal(second.run.mov_cr[0] - first.run.mov_cr[0], kpti ? 8 : 0);
        assert_int_equal(second.run.faults_pf[0], first.run.faults_pf[0]);
        assert_int_equal(mmu_os_free_pages_at(r.os, kernel, 0), MMU_OS_DONE);
        finish(&r, before);
        os_rig_free(&r);
    }
}

/* Children of a process that has ended are init's, once its last thread has. */
static void orphans_change_their_parent(void **state)
{
    (void)state;
    struct os_rig r;
    uint64_t before = boot(&r, machines[4]);
    uint32_t pid = start(&r), child, grandchild, thread;
    assert_int_equal(mmu_os_fork(r.os, pid, &child), MMU_OS_DONE);
    assert_int_equal(mmu_os_clone(r.os, child, &thread), MMU_OS_DONE);
    assert_int_equal(mmu_os_fork(r.os, child, &grandchild), MMU_OS_DONE);
    assert_int_equal(mmu_os_exit(r.os, child), MMU_OS_DONE);
    assert_int_equal(task(&r, grandchild).parent, child);
    assert_int_equal(mmu_os_exit(r.os, thread), MMU_OS_DONE);
    assert_int_equal(task(&r, grandchild).parent, pid);
    finish(&r, before);
    os_rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anonymous_memory_comes_page_by_page),
        cmocka_unit_test(fork_copies_on_write),
        cmocka_unit_test(files_come_through_the_cache),
        cmocka_unit_test(halves_change_with_the_privilege),
        cmocka_unit_test(orphans_change_their_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
