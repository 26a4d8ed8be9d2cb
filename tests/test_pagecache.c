/* test_pagecache.c: what is read around a page, what is dropped and what is not, whose bytes a page has. */
#include "kspace_rig.h"
#include <mmusim/process.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAGE = 4096, RW = MMU_PROT_READ | MMU_PROT_WRITE };

struct world {
    struct kspace_rig rig;
    struct mmu_os *os;
    uint32_t pid;
};

static void begin(struct world *w)
{
    rig_boot(&w->rig, CPU_NX, 1, "{arch: i386_pae, ram: 1100M}");
    w->os = w->rig.os;
    assert_int_equal(mmu_os_spawn(w->os, "probe", &w->pid), MMU_OS_DONE);
    assert_int_equal(mmu_os_schedule(w->os, w->pid), MMU_OS_DONE);
}

static uint32_t pattern(struct world *w, const char *name, uint64_t pages)
{
    uint32_t file;
    assert_int_equal(mmu_os_file(w->os, name, NULL, pages * PAGE, &file), MMU_OS_DONE);
    return file;
}

static mmu_va map(struct world *w, uint32_t file, uint64_t pages, int prot, int flags)
{
    mmu_va va;
    assert_int_equal(mmu_os_mmap(w->os, w->pid, 0, pages * PAGE, prot, flags, file, 0, &va), MMU_OS_DONE);
    return va;
}

static void load(struct world *w, mmu_va va)
{
    assert_int_equal(rig_access(&w->rig, va, MMU_LOAD, MMU_USER).outcome, MMU_DONE);
}

static struct mmu_os_file_info info(struct world *w, uint32_t file)
{
    struct mmu_os_file_info i;
    assert_int_equal(mmu_os_file_info(w->os, file, &i), MMU_OS_DONE);
    return i;
}

static uint64_t rss_file(struct world *w)
{
    struct mmu_os_task task;
    assert_int_equal(mmu_os_task(w->os, w->pid, &task), MMU_OS_DONE);
    return task.rss_file;
}

/* do_read_fault(): the cached pages of the window are mapped first, whatever becomes of the page itself. */
static void neighbours_are_mapped_before_the_page(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    uint32_t file = pattern(&w, "file", 100);
    mmu_va va = 0x10000000;
    assert_int_equal(
        mmu_os_mmap(w.os, w.pid, va, 128 * PAGE, MMU_PROT_READ, MMU_MAP_SHARED | MMU_MAP_FIXED, file, 0, &va),
        MMU_OS_DONE);
    load(&w, va + 20 * PAGE); /* pages 4 to 35 are read */
    assert_int_equal(rss_file(&w), 1);
    load(&w, va + 40 * PAGE); /* of 32 to 47: those up to 35, then itself */
    assert_int_equal(rss_file(&w), 1 + 4 + 1);
    assert_int_equal(info(&w, file).cached, 56 - 4);
    load(&w, va + 90 * PAGE); /* 74 to 99 are read */
    assert_int_equal(rss_file(&w), 6 + 1);
    struct mmu_access a = {.va = va + 105 * PAGE, .size = 1, .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_USER)};
    struct mmu_result r;
    assert_int_equal(mmu_core_run(rig_core(&w.rig), &a, 1, &r), MMU_OK);
    struct mmu_os_signal signal;
    mmu_os_signal(w.os, 0, &signal);
    assert_int_equal(signal.kind, MMU_SIG_BUS_ADRERR); /* behind the end; 96 to 99 are mapped */
    assert_int_equal(rss_file(&w), 7 + 4);
    mmu_os_check(w.os);
    rig_free(&w.rig);
}

/* 32 pages with the one that is wanted in the middle, cut where the file begins and ends. */
static void pages_are_read_around(void **state)
{
    (void)state;
    static const struct {
        unsigned page, cached;
    } reads[] = {{100, 32}, {0, 32}, {5, 32}, {199, 17}, {190, 26}, {16, 32}};
    struct world w;
    begin(&w);
    for (unsigned i = 0; i < COUNT_OF(reads); i++) {
        char name[8];
        snprintf(name, sizeof name, "f%u", i);
        uint32_t file = pattern(&w, name, 200);
        load(&w, map(&w, file, 200, MMU_PROT_READ, MMU_MAP_PRIVATE) + reads[i].page * PAGE);
        assert_int_equal(info(&w, file).cached, reads[i].cached);
    }
    rig_free(&w.rig);
}

/* The window is 64 KiB, aligned; cut where the mapping begins it starts there. */
static void faults_map_their_neighbours(void **state)
{
    (void)state;
    struct world w;
    struct mmu_os_task t;
    begin(&w);
    uint32_t file = pattern(&w, "data", 200);
    mmu_va whole = map(&w, file, 200, MMU_PROT_READ, MMU_MAP_SHARED), va;
    assert_int_equal(mmu_os_madvise(w.os, w.pid, whole, 200 * PAGE, MMU_MADV_WILLNEED), MMU_OS_DONE);
    assert_int_equal(info(&w, file).cached, 200);
    assert_int_equal(mmu_os_mmap(w.os, w.pid, 0x20000000, 64 * PAGE, MMU_PROT_READ,
                                 MMU_MAP_PRIVATE | MMU_MAP_FIXED, file, 0, &va),
                     MMU_OS_DONE);
    load(&w, va + 37 * PAGE);
    assert_int_equal(mmu_os_task(w.os, w.pid, &t), MMU_OS_DONE);
    assert_int_equal(t.rss_file, 16);
    assert_int_equal(t.minor_faults, 1);
    for (unsigned i = 0; i < 64; i++) {
        uint64_t entry;
        mmu_os_pagemap(w.os, w.pid, va + i * PAGE, 1, &entry);
        assert_int_equal(entry >> 63, i >= 32 && i < 48);
    }
    rig_free(&w.rig);
}

static void what_is_mapped_or_dirty_stays(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    uint32_t file = pattern(&w, "data", 64);
    mmu_va va = map(&w, file, 64, RW, MMU_MAP_SHARED);
    assert_int_equal(mmu_os_poke(w.os, w.pid, va + 3 * PAGE, "kept", 5), MMU_OS_DONE);
    load(&w, va + 40 * PAGE);
    mmu_os_drop_caches(w.os);
    assert_int_equal(info(&w, file).cached, 2); /* both are mapped */
    assert_int_equal(mmu_os_munmap(w.os, w.pid, va, 64 * PAGE), MMU_OS_DONE);
    assert_int_equal(info(&w, file).cached, 2);
    mmu_os_drop_caches(w.os);
    assert_int_equal(info(&w, file).cached, 1); /* dirty */
    assert_int_equal(info(&w, file).dirty, 1);
    mmu_os_sync(w.os);
    mmu_os_drop_caches(w.os);
    assert_int_equal(info(&w, file).cached, 0);
    char text[8] = "";
    va = map(&w, file, 64, MMU_PROT_READ, MMU_MAP_PRIVATE);
    assert_int_equal(mmu_os_peek(w.os, w.pid, va + 3 * PAGE, text, 5), MMU_OS_DONE);
    assert_string_equal(text, "kept");
    rig_free(&w.rig);
}

/* A first write to a clean page is a fault, the next is none, until a sync cleans it. */
static void writes_to_clean_pages_are_noticed(void **state)
{
    (void)state;
    struct world w;
    struct mmu_os_vmstat stat;
    begin(&w);
    mmu_va va = map(&w, pattern(&w, "data", 8), 8, RW, MMU_MAP_SHARED);
    const struct mmu_access a[2] = {{.va = va, .size = 1, .kind = MMU_KIND_PRIV(MMU_STORE, MMU_USER)},
                                    {.va = va, .size = 1, .kind = MMU_KIND_PRIV(MMU_STORE, MMU_USER)}};
    load(&w, va);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(mmu_core_run(rig_core(&w.rig), a, 2, NULL), MMU_OK);
        mmu_os_vmstat(w.os, &stat);
        assert_int_equal(stat.fault_mkwrite, i);
        assert_int_equal(mmu_os_msync(w.os, w.pid, va, PAGE), MMU_OS_DONE);
    }
    rig_free(&w.rig);
}

/* A private copy of a page that nobody has looked at yet keeps the content of its time. */
static void copies_keep_their_content(void **state)
{
    (void)state;
    struct world w;
    uint64_t before, after;
    begin(&w);
    uint32_t file = pattern(&w, "data", 8);
    mmu_va shared = map(&w, file, 8, RW, MMU_MAP_SHARED), own = map(&w, file, 8, RW, MMU_MAP_PRIVATE);
    mmu_va look = map(&w, file, 8, MMU_PROT_READ, MMU_MAP_PRIVATE);
    const struct mmu_access store = {.va = own, .size = 1, .kind = MMU_KIND_PRIV(MMU_STORE, MMU_USER)};
    assert_int_equal(mmu_core_run(rig_core(&w.rig), &store, 1, NULL), MMU_OK); /* copied, without bytes */
    assert_int_equal(mmu_os_peek(w.os, w.pid, look, &before, 8), MMU_OS_DONE);
    assert_int_equal(mmu_os_poke(w.os, w.pid, shared, "changed", 8), MMU_OS_DONE);
    mmu_os_sync(w.os);
    assert_int_equal(mmu_os_peek(w.os, w.pid, own, &after, 8), MMU_OS_DONE);
    assert_true(before == after);
    assert_int_equal(mmu_os_peek(w.os, w.pid, look, &after, 8), MMU_OS_DONE);
    assert_memory_equal(&after, "changed", 8);
    rig_free(&w.rig);
}

static void host_files_are_read_and_never_written(void **state)
{
    (void)state;
    char path[] = "test_pagecache-XXXXXX"; /* in the working directory */
    struct world w;
    uint32_t file, again;
    char text[16] = "";
    begin(&w);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "of the host", 12, 5000), 12);
    assert_int_equal(mmu_os_file(w.os, "host", path, 0, &file), MMU_OS_DONE);
    assert_int_equal(mmu_os_file(w.os, "host", path, 0, &again), MMU_OS_DONE);
    assert_int_equal(file, again);
    assert_int_equal(info(&w, file).size, 5012);
    mmu_va va = map(&w, file, 2, RW, MMU_MAP_SHARED);
    assert_int_equal(mmu_os_peek(w.os, w.pid, va + 5000, text, 12), MMU_OS_DONE);
    assert_string_equal(text, "of the host");
    assert_int_equal(mmu_os_poke(w.os, w.pid, va + 5000, "on", 2), MMU_OS_DONE);
    mmu_os_sync(w.os);
    assert_int_equal(pread(fd, text, 12, 5000), 12);
    assert_string_equal(text, "of the host");
    assert_int_equal(mmu_os_file(w.os, "host", NULL, 100, &again), MMU_OS_ERROR); /* files do not shrink */
    assert_int_equal(mmu_os_file(w.os, "none", "no/such/file", 0, &again), MMU_OS_ERROR);
    assert_int_equal(mmu_os_report(w.os)->error, 2);
    close(fd);
    unlink(path);
    rig_free(&w.rig);
}

/* References that the cache and processes hold are not a caller's. */
static void owners_keep_their_references(void **state)
{
    (void)state;
    struct world w;
    uint64_t entry;
    begin(&w);
    mmu_va va = map(&w, pattern(&w, "data", 8), 8, RW, MMU_MAP_PRIVATE);
    load(&w, va);
    assert_int_equal(mmu_os_pagemap(w.os, w.pid, va, 1, &entry), MMU_OS_DONE);
    mmu_pfn pfn = entry & 0xffffffff;
    assert_int_equal(mmu_os_put_page(w.os, pfn), MMU_OS_BUG);
    assert_int_equal(mmu_os_free_pages(w.os, pfn, 0), MMU_OS_BUG);
    assert_int_equal(mmu_os_get_page(w.os, pfn), MMU_OS_DONE);
    assert_int_equal(mmu_os_munmap(w.os, w.pid, va, 8 * PAGE), MMU_OS_DONE);
    mmu_os_drop_caches(w.os); /* held: it stays cached */
    mmu_os_check(w.os);
    assert_int_equal(mmu_os_put_page(w.os, pfn), MMU_OS_DONE);
    assert_int_equal(mmu_os_put_page(w.os, pfn), MMU_OS_BUG);
    mmu_os_drop_caches(w.os);
    struct mmu_page_info page;
    assert_int_equal(mmu_os_page(w.os, pfn, &page), MMU_OS_DONE);
    assert_true(page.use == MMU_PAGE_PCP || page.use == MMU_PAGE_FREE);
    rig_free(&w.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_read_around),
        cmocka_unit_test(neighbours_are_mapped_before_the_page),
        cmocka_unit_test(faults_map_their_neighbours),
        cmocka_unit_test(what_is_mapped_or_dirty_stays),
        cmocka_unit_test(writes_to_clean_pages_are_noticed),
        cmocka_unit_test(copies_keep_their_content),
        cmocka_unit_test(host_files_are_read_and_never_written),
        cmocka_unit_test(owners_keep_their_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
