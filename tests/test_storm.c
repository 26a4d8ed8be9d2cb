/*
 * test_storm.c: rows of faults. What the miss path leaves out behind a fault, and what it does at once, must
 * change nothing: the same accesses run in batches where nobody looks, and one at a time under an observer
 * for whom no short way is taken, under each shipped kernel. Statistics and answers agree.
 */
#include "dice.h"
#include <mmusim/mmusim.h>
#include <mmusim/process.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

enum { ACCESSES = 6000, PAGES = 3000 };

struct side {
    struct mmu_machine *machine;
    struct mmu_core *core;
    mmu_va va;
};

static void ignore(void *ctx, struct mmu_core *core, const struct mmu_event *event)
{
    (void)core;
    *(uint64_t *)ctx += event->type == MMU_EV_FAULT;
}

static void start(struct side *s, const char *name)
{
    static struct mmu_config config;
    char path[1024];
    uint32_t pid;
    snprintf(path, sizeof path, "%s/%s.yaml", MMUSIM_CONFIGS, name);
    assert_int_equal(mmu_config_load(&config, path, NULL, 0, NULL), MMU_OK);
    assert_int_equal(mmu_machine_create(&config, NULL, &s->machine, NULL), MMU_OK);
    struct mmu_os *os = mmu_machine_os(s->machine);
    s->core = mmu_machine_core(s->machine, 0);
    assert_int_equal(mmu_os_spawn(os, "storm", &pid), MMU_OS_DONE);
    assert_int_equal(mmu_os_schedule(os, pid), MMU_OS_DONE);
    assert_int_equal(mmu_os_mmap(os, pid, 0, (uint64_t)PAGES * 4096, MMU_PROT_READ | MMU_PROT_WRITE,
                                 MMU_MAP_PRIVATE | MMU_MAP_ANONYMOUS, 0, 0, &s->va),
                     MMU_OS_DONE);
}

/* Rows of new pages, mixed with what is there already: by other pages, kinds, and across two pages. */
static void write_accesses(struct mmu_access *a, mmu_va va, struct dice *dice)
{
    uint64_t page = 0;
    for (unsigned i = 0; i < ACCESSES; i++) {
        bool fresh = i / 50 % 3 && page + 2 < PAGES;
        uint64_t at = fresh ? page++ : dice_below(dice, (unsigned)page + 1);
        bool crosses = dice_once_in(dice, 40) && at + 1 < PAGES;
        a[i] = (struct mmu_access){.va = va + at * 4096 + (crosses ? 4092 : dice_below(dice, 500) * 8),
                                   .size = 8,
                                   .kind = MMU_KIND_PRIV(dice_once_in(dice, 4) ? MMU_LOAD : MMU_STORE,
                                                         dice_once_in(dice, 60) ? MMU_SUPERVISOR : MMU_USER)};
    }
}

static void compare(const char *name, struct dice *dice)
{
    static struct mmu_access a[ACCESSES];
    static struct mmu_result fast[ACCESSES], slow;
    static struct mmu_stats of[2];
    struct side batch, single;
    uint64_t faults = 0;
    struct mmu_observer observer = {.mask = ~UINT32_C(0), .notify = ignore, .ctx = &faults};
    start(&batch, name);
    start(&single, name);
    assert_int_equal(batch.va, single.va);
    mmu_core_observe(single.core, &observer);
    write_accesses(a, batch.va, dice);
    for (unsigned i = 0, n; i < ACCESSES; i += n) {
        n = 1 + dice_below(dice, 400);
        n = n < ACCESSES - i ? n : ACCESSES - i;
        assert_int_equal(mmu_core_run(batch.core, &a[i], n, &fast[i]), MMU_OK);
    }
    for (unsigned i = 0; i < ACCESSES; i++) {
        assert_int_equal(mmu_core_run(single.core, &a[i], 1, &slow), MMU_OK);
        assert_memory_equal(&fast[i], &slow, sizeof slow);
    }
    mmu_core_stats(batch.core, &of[0]);
    mmu_core_stats(single.core, &of[1]);
    assert_memory_equal(&of[0], &of[1], sizeof of[0]);
    assert_true(faults > PAGES / 2);
    mmu_machine_free(batch.machine);
    mmu_machine_free(single.machine);
}

static void test_kernels(void **state)
{
    (void)state;
    static const char *const name[] = {"skylake-sp-linux", "ice-lake-la57", "pentium3-i386", "pentium4-pae"};
    struct dice dice = dice_new("storm", 1);
    for (unsigned round = dice_rounds(2); round; round--)
        for (unsigned i = 0; i < sizeof name / sizeof *name; i++)
            compare(name[i], &dice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
