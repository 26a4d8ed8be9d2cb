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

static int setup(void **state)
{
    (void)state;
    boot("{arch: x86_64, ram: 256M}");
    return 0;
}

static int teardown(void **state)
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

#endif
