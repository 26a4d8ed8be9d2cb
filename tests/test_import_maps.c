/*
 * test_import_maps.c: a /proc/PID/maps text becomes an address space, which prints the same text; what is
 * wrong with a text is told with line and column.
 */
#include "dice.h"
#include "process_rig.h"

#include <stdio.h>
#include <string.h>

static const char *maps(void)
{
    static char text[1 << 16];
    assert_true(mmu_os_task_view(rig.os, pid, MMU_VIEW_MAPS, text, sizeof text) < sizeof text);
    return text;
}

static int import(const char *text)
{
    return mmu_os_import_maps(rig.os, pid, text, strlen(text), "maps", NULL);
}

/* A page of each VMA can be used as its line says; the text stays what it was, but for a stack that grows. */
static void use_all(void)
{
    struct mmu_os_vma vma;
    for (mmu_va at = 0; mmu_os_vma(rig.os, pid, at, &vma) == MMU_OS_DONE; at = vma.end) {
        bool special = strcmp(vma.name, "[vvar]") == 0;
        assert_int_equal(touch(vma.start, MMU_LOAD),
                         vma.prot || special ? MMU_SIG_NONE : MMU_SIG_SEGV_ACCERR);
        assert_int_equal(touch(vma.end - 1, MMU_STORE),
                         vma.prot & MMU_PROT_WRITE ? MMU_SIG_NONE : MMU_SIG_SEGV_ACCERR);
    }
}

static void test_recordings(void **state)
{
    (void)state;
    static const struct {
        const char *name, *os;
    } recordings[] = {
        {"amd64-1g", "{arch: x86_64, ram: 1G}"},
        {"i386-512m", "{arch: i386, ram: 512M}"},
        {"pae-1536m", "{arch: i386_pae, ram: 1536M}"},
    };
    for (unsigned i = 0; i < sizeof recordings / sizeof *recordings; i++) {
        char path[512], text[1 << 14];
        snprintf(path, sizeof path, "%s/kernel/%s/maps.txt", MMUSIM_TEST_DATA, recordings[i].name);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        size_t size = fread(text, 1, sizeof text - 1, f);
        fclose(f);
        text[size] = '\0';
        assert_true(size > 1000);
        boot(recordings[i].os);
        for (unsigned again = 0; again < 2; again++) {
            done(import(text));
            assert_string_equal(maps(), text);
            use_all();
            assert_string_equal(maps(), text);
            mmu_os_check(rig.os);
        }
        os_rig_free(&rig);
    }
}

static void test_places(void **state)
{
    (void)state;
    struct mmu_os_task task;
    struct mmu_os_vma vma;
    mmu_va brk;
    boot("{arch: x86_64, ram: 256M}");
    done(import("00400000-00401000 r-xp 00002000 08:01 77 /bin/x y\r\n"
                "\n"
                "1000000-1002000 rw-p 00000000 00:00 0 [heap]\n"
                "2000000-2001000 rw-s 00000000 00:01 5 /dev/zero (deleted)\n"
                "2003000-2004000 rw-s 00001000 00:01 5 /dev/zero (deleted)\n"
                "7f0000000000-7f0000002000 r--p 00000000 00:00 0 [vvar_vclock]\n"
                "7fff00000000-7fff00021000 rw-p 00000000 00:00 0 [stack]\n"
                "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]"));
    assert_int_equal(mmu_os_task(rig.os, pid, &task), MMU_OS_DONE);
    assert_int_equal(task.start_brk, 0x1000000);
    assert_int_equal(task.brk, 0x1002000);
    done(mmu_os_brk(rig.os, pid, 0x1003000, &brk));
    assert_int_equal(brk, 0x1003000);
    assert_int_equal(touch(0x7fff00000000 - 4096, MMU_STORE), MMU_SIG_NONE); /* the stack grows */
    assert_string_equal(
        maps(),
        "00400000-00401000 r-xp 00002000 08:01 77                                 /bin/x y\n"
        "01000000-01003000 rw-p 00000000 00:00 0                                  [heap]\n"
        "02000000-02001000 rw-s 00000000 00:01 5                                  /dev/zero (deleted)\n"
        "02003000-02004000 rw-s 00001000 00:01 5                                  /dev/zero (deleted)\n"
        "7f0000000000-7f0000002000 r--p 00000000 00:00 0                          [vvar_vclock]\n"
        "7ffefffff000-7fff00021000 rw-p 00000000 00:00 0                          [stack]\n");
    /* one inode: one memory */
    assert_int_equal(mmu_os_vma(rig.os, pid, 0x2000000, &vma), MMU_OS_DONE);
    uint32_t file = vma.file;
    assert_int_equal(mmu_os_vma(rig.os, pid, 0x2003000, &vma), MMU_OS_DONE);
    assert_int_equal(vma.file, file);
    os_rig_free(&rig);
}

/* What was mapped over the stack and is shared does not grow. */
static void test_shared_stack(void **state)
{
    (void)state;
    boot("{arch: x86_64, ram: 256M}");
    done(import("7fff00000000-7fff00021000 rw-s 00000000 00:01 5 [stack]\n"));
    mmu_os_check(rig.os);
    assert_int_equal(touch(0x7fff00000000, MMU_STORE), MMU_SIG_NONE);
    assert_int_equal(touch(0x7fff00000000 - 4096, MMU_STORE), MMU_SIG_SEGV_MAPERR);
    os_rig_free(&rig);
}

static void test_file_size(void **state)
{
    (void)state;
    struct mmu_os_file_info info;
    struct mmu_os_vma vma;
    boot("{arch: x86_64, ram: 256M}");
    done(import("400000-401000 r--p 00007000 08:01 77 /f\n500000-502000 r--p 00001000 08:01 77 /f\n"));
    assert_int_equal(mmu_os_vma(rig.os, pid, 0, &vma), MMU_OS_DONE);
    assert_int_equal(mmu_os_file_info(rig.os, vma.file, &info), MMU_OS_DONE);
    assert_int_equal(info.size, 0x8000); /* the largest extent */
    assert_string_equal(info.name, "/f");
    os_rig_free(&rig);
}

static void test_bad(void **state)
{
    (void)state;
    static char long_name[400], many[64];
    const struct {
        const char *text, *error;
    } bad[] = {
        {"", "maps: no mapping in it"},
        {"\n\n", "maps: no mapping in it"},
        {"hello\n", "maps:1:1: expected START-END, two hexadecimal addresses"},
        {"400000 401000 r-xp 0 0:0 0\n", "maps:1:7: expected START-END, two hexadecimal addresses"},
        {"400000-401000 rxwp 0 0:0 0\n", "maps:1:16: expected permissions such as rw-p"},
        {"400000-401000 r--\n", "maps:1:18: expected permissions such as rw-p"},
        {"400000-401000 r--p z 0:0 0\n", "maps:1:20: expected the hexadecimal offset in the file"},
        {"400000-401000 r--p 0 00 0\n", "maps:1:24: expected the device, MAJOR:MINOR"},
        {"400000-401000 r--p 0 0:0 x\n", "maps:1:26: expected the inode's number"},
        {"400000-401000 r--p 0 0:0 5x /f\n", "maps:1:27: expected the inode's number"},
        {"400000-401000 r--p 0 0:0 0\n401000-402000 r--p 0 0:0\n", "maps:2:25: expected the inode's number"},
        {"400800-401000 r--p 0 0:0 0\n", "maps:1:1: addresses and offset must be multiples of 4096"},
        {"400000-401000 r--p 10 0:0 0\n", "maps:1:1: addresses and offset must be multiples of 4096"},
        {"401000-400000 r--p 0 0:0 0\n",
         "maps:1:1: expected a range in user space whose end lies above its start"},
        {"400000-400000 r--p 0 0:0 0\n",
         "maps:1:1: expected a range in user space whose end lies above its start"},
        {"7ffffffff000-800000000000 r--p 0 0:0 0\n",
         "maps:1:1: expected a range in user space whose end lies above its start"},
        {"400000-402000 r--p 0 0:0 0\n 401000-403000 r--p 0 0:0 0\n", "maps:2:2: overlaps a line before it"},
        {"500000-502000 r--p 0 0:0 0\n400000-501000 r--p 0 0:0 0\n", "maps:2:1: overlaps a line before it"},
        {"400000-402000 r--p fffffffffffff000 0:0 1 /f\n", "maps:1:1: the offset in the file wraps around"},
        {"400000-402000 r--p 100000000000 0:0 1 /f\n",
         "maps:1:1: expected an offset in a file of at most 2^44 bytes"},
        {"10000000000400000-10000000000401000 r--p 0 0:0 0\n",
         "maps:1:17: expected START-END, two hexadecimal addresses"},
        {long_name, "maps:1:28: expected a name of fewer than 256 bytes"},
    };
    struct mmu_error err;
    char line[1024];
    static char before[1 << 16];
    memset(long_name, 'n', sizeof long_name - 1);
    memcpy(long_name, "400000-401000 r--p 0 0:0 1 /", 28);
    boot("{arch: x86_64, ram: 256M}");
    done(import("400000-401000 r--p 0 0:0 0\n"));
    snprintf(before, sizeof before, "%s", maps());
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        int outcome = mmu_os_import_maps(rig.os, pid, bad[i].text, strlen(bad[i].text), "maps", &err);
        assert_int_equal(outcome, MMU_OS_ERROR);
        assert_int_equal(mmu_os_report(rig.os)->error, 22);
        assert_string_equal(mmu_error_format(&err, line, sizeof line), bad[i].error);
        assert_string_equal(maps(), before); /* nothing has changed */
    }
    memcpy(many, "400000-401000 r--p 0 0:0 1 /a\0b\n", 32);
    assert_int_equal(mmu_os_import_maps(rig.os, pid, many, 32, "maps", &err), MMU_OS_ERROR);
    assert_string_equal(mmu_error_format(&err, line, sizeof line), "maps:1:30: a byte 0, expected text");
    assert_int_equal(mmu_os_import_maps(rig.os, pid + 1, many, 32, "maps", &err), MMU_OS_ERROR);
    assert_int_equal(mmu_os_report(rig.os)->error, 3);
    mmu_os_check(rig.os);
    os_rig_free(&rig);
}

/* A text with any bytes changed is taken or refused. */
static void test_random_damage(void **state)
{
    (void)state;
    static const char good[] = "00400000-00401000 r-xp 00002000 08:01 77 /bin/x\n"
                               "01000000-01002000 rw-p 00000000 00:00 0 [heap]\n"
                               "02000000-02001000 rw-s 00000000 00:01 5 /dev/zero (deleted)\n"
                               "7fff00000000-7fff00021000 rw-p 00000000 00:00 0 [stack]\n"
                               "7fff00030000-7fff00034000 r--p 00000000 00:00 0 [vvar]\n";
    struct dice dice = dice_new("import_maps", 1);
    unsigned rounds = dice_rounds(2000), taken = 0;
    boot("{arch: x86_64, ram: 256M}");
    for (unsigned round = 0; round < rounds; round++) {
        static const char letters[] = "0123456789abcdef-: \n[]/rwxps";
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        for (unsigned n = 1 + dice_below(&dice, 3); n-- > 0;)
            text[dice_below(&dice, sizeof good - 1)] = dice_once_in(&dice, 8)
                                                           ? (char)dice_next(&dice)
                                                           : letters[dice_below(&dice, sizeof letters - 1)];
        size_t size = dice_once_in(&dice, 8) ? dice_below(&dice, sizeof good) : sizeof good - 1;
        int outcome = mmu_os_import_maps(rig.os, pid, text, size, "maps", NULL);
        assert_true(outcome == MMU_OS_DONE || outcome == MMU_OS_ERROR);
        taken += outcome == MMU_OS_DONE;
        if (round % 100 == 99)
            mmu_os_check(rig.os);
    }
    assert_in_range(taken, rounds / 20, rounds - rounds / 20);
    os_rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recordings),    cmocka_unit_test(test_places),
        cmocka_unit_test(test_file_size),     cmocka_unit_test(test_bad),
        cmocka_unit_test(test_random_damage), cmocka_unit_test(test_shared_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
