/*
 * test_mmap_flags.c: flags of mmap() that programs give and translation does not ask for: those without
 * effect, MAP_NORESERVE and MAP_NONBLOCK (mm/mmap.c, fs/proc/task_mmu.c of Linux 6.1).
 */
#include "process_rig.h"

#include <string.h>

enum { RW = MMU_PROT_READ | MMU_PROT_WRITE, ANON = MMU_MAP_PRIVATE | MMU_MAP_ANONYMOUS, PAGE = 4096 };
enum { FIXED = ANON | MMU_MAP_FIXED };

static mmu_va map(mmu_va addr, unsigned pages, int prot, int flags)
{
    mmu_va va = 0;
    done(mmu_os_mmap(rig.os, pid, addr, (uint64_t)pages * PAGE, prot, flags, 0, 0, &va));
    return va;
}

/* Flags that say nothing of rights and place. */
static void test_flags_of_no_account(void **state)
{
    (void)state;
    const unsigned much = 1 << 28; /* pages: 1 TiB, more than all memory */
    const int nothing = MMU_MAP_STACK | MMU_MAP_DENYWRITE | MMU_MAP_EXECUTABLE;
    struct mmu_os_vma vma;
    struct mmu_os_task task;
    char text[2048];
    map(0x100000, 1, RW, FIXED);
    map(0x101000, 1, RW, FIXED | nothing | MMU_MAP_POPULATE | MMU_MAP_NONBLOCK);
    map(0x102000, 1, RW, FIXED | MMU_MAP_NORESERVE); /* VM_NORESERVE: not one with its neighbour */
    done(mmu_os_task(rig.os, pid, &task));
    assert_int_equal(task.rss_anon, 0);
    done(mmu_os_vma(rig.os, pid, 0x100000, &vma));
    assert_int_equal(vma.end, 0x102000);
    done(mmu_os_vma(rig.os, pid, 0x102000, &vma));
    assert_int_equal(vma.flags, ANON | MMU_MAP_NORESERVE);
    mmu_os_task_view(rig.os, pid, MMU_VIEW_SMAPS, text, sizeof text);
    assert_non_null(strstr(text, "me ac sd \n"));
    done(mmu_os_munmap(rig.os, pid, 0x100000, 2 * PAGE));
    mmu_os_task_view(rig.os, pid, MMU_VIEW_SMAPS, text, sizeof text);
    assert_non_null(strstr(text, "me nr sd \n"));
    assert_true(map(0, much, RW, ANON | MMU_MAP_NORESERVE) && map(0, much, 0, ANON | MMU_MAP_NORESERVE));
    assert_int_equal(mmu_os_mmap(rig.os, pid, 0, (uint64_t)much * PAGE, RW, ANON, 0, 0, &(mmu_va){0}),
                     MMU_OS_ERROR);
    assert_int_equal(mmu_os_report(rig.os)->error, 12); /* ENOMEM */
    mmu_va va = map(0x1000000000, much, MMU_PROT_NONE, FIXED | MMU_MAP_NORESERVE);
    done(mmu_os_mprotect(rig.os, pid, va, (uint64_t)much * PAGE, RW));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_flags_of_no_account, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
