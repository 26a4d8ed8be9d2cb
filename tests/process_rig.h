/*
 * process_rig.h: a machine with a kernel and one process, for tests whose every case begins with one.
 */
#ifndef PROCESS_RIG_H
#define PROCESS_RIG_H

#include "os_rig.h"

#include <mmusim/process.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct os_rig rig;
static uint32_t pid;

static void boot(const char *os)
{
    os_rig_boot(&rig, os);
    assert_int_equal(mmu_os_spawn(rig.os, NULL, &pid), MMU_OS_DONE);
}

static inline int setup(void **state)
{
    (void)state;
    boot("{arch: x86_64, ram: 256M}");
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    mmu_os_check(rig.os);
    os_rig_free(&rig);
    return 0;
}

static void done(int outcome)
{
    if (outcome != MMU_OS_DONE)
        fail_msg("%s", mmu_os_report(rig.os)->text);
}

/* What the kernel makes of a byte that the process reads, writes or fetches. */
static inline enum mmu_os_signal_kind touch(mmu_va va, enum mmu_kind kind)
{
    const struct mmu_access access = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(kind, MMU_USER)};
    struct mmu_os_signal signal;
    done(mmu_os_schedule(rig.os, pid));
    mmu_core_access(mmu_machine_core(rig.machine, 0), &access, NULL);
    mmu_os_signal(rig.os, 0, &signal);
    return signal.kind;
}

#endif
