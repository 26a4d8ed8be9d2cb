/* test_process_exec.c: programs of the host executed: what is mapped, touched, and on the stack; files that
 * are no programs, and programs that were damaged. */
#include "kspace_rig.h"
#include "rng.h"
#include <mmusim/process.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

static const char program[] = "/proc/self/exe"; /* this test: 64-bit */

static uint64_t word(struct mmu_os *os, uint32_t pid, mmu_va va)
{
    uint64_t value;
    assert_int_equal(mmu_os_peek(os, pid, va, &value, sizeof value), MMU_OS_DONE);
    return value;
}

static void check_string(struct mmu_os *os, uint32_t pid, mmu_va va, const char *expected)
{
    char text[64] = "";
    assert_int_equal(mmu_os_peek(os, pid, va, text, strlen(expected) + 1), MMU_OS_DONE);
    assert_string_equal(text, expected);
}

static uint64_t auxv(struct mmu_os *os, uint32_t pid, mmu_va at, uint64_t type)
{
    for (; word(os, pid, at); at += 16)
        if (word(os, pid, at) == type)
            return word(os, pid, at + 8);
    return 0;
}

static void a_program_replaces_the_old_one(void **state)
{
    (void)state;
    static const char *const argv[] = {"probe", "-x", NULL}, *const envp[] = {"HOME=/", NULL};
    const struct mmu_os_exec how = {.path = program, .argv = argv, .envp = envp};
    struct kspace_rig rig;
    struct mmu_os_task t;
    struct mmu_os_vma vma;
    struct mmu_result r;
    uint32_t pid;
    mmu_va old, entry;
    rig_boot(&rig, CPU_NHM, 1, "{arch: x86_64, ram: 512M, kpti: true}");
    assert_int_equal(mmu_os_spawn(rig.os, "old", &pid), MMU_OS_DONE);
    assert_int_equal(mmu_os_schedule(rig.os, pid), MMU_OS_DONE);
    assert_int_equal(mmu_os_mmap(rig.os, pid, 0x12345000, 4096, MMU_PROT_READ,
                                 MMU_MAP_PRIVATE | MMU_MAP_ANONYMOUS, 0, 0, &old),
                     MMU_OS_DONE);
    assert_int_equal(mmu_os_exec(rig.os, pid, &how, &entry), MMU_OS_DONE);
    assert_int_equal(mmu_os_task(rig.os, pid, &t), MMU_OS_DONE);
    assert_string_equal(t.comm, "exe");
    assert_int_equal(mmu_os_vma(rig.os, pid, old, &vma), MMU_OS_DONE);
    assert_true(vma.start > old); /* gone */
    assert_true(t.rss_anon > 0);  /* exec touches the stack */
    assert_int_equal(word(rig.os, pid, t.start_stack), 2);
    check_string(rig.os, pid, word(rig.os, pid, t.start_stack + 8), "probe");
    check_string(rig.os, pid, word(rig.os, pid, t.start_stack + 16), "-x");
    assert_int_equal(word(rig.os, pid, t.start_stack + 24), 0);
    check_string(rig.os, pid, word(rig.os, pid, t.start_stack + 32), "HOME=/");
    mmu_va aux = t.start_stack + 48;
    assert_int_equal(auxv(rig.os, pid, aux, 6), 4096);            /* AT_PAGESZ */
    mmu_va headers = auxv(rig.os, pid, aux, 3);                   /* AT_PHDR: readable, and of this program */
    assert_int_equal(word(rig.os, pid, headers) & 0xffffffff, 6); /* PT_PHDR */
    struct mmu_access fetch = {.va = entry, .size = 1, .kind = MMU_KIND_PRIV(MMU_FETCH, MMU_USER)};
    assert_int_equal(mmu_core_run(rig_core(&rig), &fetch, 1, &r), MMU_OK);
    assert_int_equal(r.outcome, MMU_DONE);
    assert_int_equal(mmu_os_task(rig.os, pid, &t), MMU_OS_DONE);
    assert_int_equal(t.major_faults > 0, true);
    assert_int_equal(mmu_os_vma(rig.os, pid, t.start_code, &vma), MMU_OS_DONE);
    assert_true(vma.start <= t.start_code && (vma.prot & MMU_PROT_EXEC));
    assert_in_range(t.start_code, UINT64_C(0x555555554000), UINT64_C(0x5555fffff000));
    rig_free(&rig);
}

/* The first bytes of this program. */
static size_t load(uint8_t *to, size_t size)
{
    FILE *f = fopen(program, "rb");
    assert_non_null(f);
    size_t n = fread(to, 1, size, f);
    fclose(f);
    return n;
}

static int execute(struct kspace_rig *rig, const uint8_t *bytes, size_t size)
{
    char path[] = "test_process_exec-XXXXXX"; /* in the working directory */
    struct mmu_os_exec how = {.path = path};
    uint32_t pid;
    mmu_va entry;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
    assert_int_equal(mmu_os_spawn(rig->os, NULL, &pid), MMU_OS_DONE);
    int status = mmu_os_exec(rig->os, pid, &how, &entry);
    assert_true(status == MMU_OS_DONE || status == MMU_OS_ERROR);
    assert_int_equal(mmu_os_exit(rig->os, pid), MMU_OS_DONE);
    unlink(path);
    return status;
}

static void what_is_no_program_is_refused(void **state)
{
    (void)state;
    static const size_t cuts[] = {0, 1, 4, 16, 63, 64, 65, 120, 300};
    static uint8_t bytes[1 << 16];
    size_t n = load(bytes, sizeof bytes);
    struct kspace_rig rig;
    rig_boot(&rig, CPU_K8, 1, "{arch: x86_64, ram: 256M}");
    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        assert_int_equal(execute(&rig, bytes, cuts[i]), MMU_OS_ERROR);
        assert_int_equal(mmu_os_report(rig.os)->error, 8); /* ENOEXEC */
    }
    struct mmu_os_exec how = {.path = "/no/such/program"};
    uint32_t pid;
    mmu_va entry;
    assert_int_equal(mmu_os_spawn(rig.os, NULL, &pid), MMU_OS_DONE);
    assert_int_equal(mmu_os_exec(rig.os, pid, &how, &entry), MMU_OS_ERROR);
    assert_int_equal(mmu_os_report(rig.os)->error, 2); /* ENOENT */
    struct rng rng;
    rng_seed(&rng, 7, 0);
    for (unsigned round = 0; round < 300; round++) { /* headers with a few bytes changed: no crash, no leak */
        static uint8_t damaged[sizeof bytes];
        memcpy(damaged, bytes, n);
        for (unsigned i = 0; i <= round % 4; i++)
            damaged[rng_below(&rng, 1000)] = (uint8_t)rng_next(&rng);
        execute(&rig, damaged, n);
    }
    rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_replaces_the_old_one),
        cmocka_unit_test(what_is_no_program_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
