/*
 * test_figures.c: what a running kernel says of itself: zones and totals follow allocations, sysctls
 * recompute as the recorded kernels did, texts fit any buffer, the memory map accounts for all RAM.
 */
#include <mmusim/os.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mmu_machine *boot(uint32_t arch, uint64_t ram, uint32_t cores)
{
    struct mmu_config c;
    struct mmu_machine *machine;
    struct mmu_error err;
    mmu_config_init(&c);
    c.pager.enabled = false;
    c.cores = cores;
    c.os.enabled = true;
    c.os.arch = arch;
    c.os.ram = ram;
    if (arch == MMU_OS_I386) { /* the recorded i386-1536M */
        c.os.managed_given[MMU_ZONE_DMA] = c.os.managed_given[MMU_ZONE_NORMAL] = true;
        c.os.managed[MMU_ZONE_DMA] = 3840;
        c.os.managed[MMU_ZONE_NORMAL] = 212497;
    }
    if (mmu_machine_create(&c, NULL, &machine, &err) != MMU_OK)
        fail_msg("%s", err.message);
    return machine;
}

static struct mmu_os_zone_info zone_of(const struct mmu_os *os, enum mmu_os_zone zone)
{
    struct mmu_os_zone_info z;
    mmu_os_zone(os, zone, &z);
    return z;
}

static char *view_of(const struct mmu_os *os, enum mmu_os_view view)
{
    size_t size = mmu_os_view(os, view, NULL, 0) + 1;
    char *text = malloc(size);
    assert_non_null(text);
    assert_int_equal(mmu_os_view(os, view, text, size), size - 1);
    assert_int_equal(strlen(text), size - 1);
    return text;
}

/* The settings of the recordings, one after another on one machine. */
static void sysctls_recompute_what_hangs_on_them(void **state)
{
    const uint64_t plain[] = {256, 32, 0, 0}, other[] = {64, 16, 0, 0};
    const uint64_t mfk[] = {42872, 8192}, scale[] = {10, 100, 1000};
    struct mmu_machine *machine = boot(MMU_OS_I386, UINT64_C(1536) << 20, 1);
    struct mmu_os *os = mmu_machine_os(machine);
    struct mmu_os_totals t;
    (void)state;
    assert_int_equal(mmu_os_sysctl(os, "min_free_kbytes", mfk, 1), MMU_OS_DONE);
    struct mmu_os_zone_info z = zone_of(os, MMU_ZONE_NORMAL);
    assert_true(z.min == 10527 && z.low == 13158 && z.high == 15789 && z.pcp_high == 13158 &&
                z.pcp_batch == 63);
    mmu_os_totals(os, &t);
    assert_true(t.totalreserve == 27153 && t.min_free_kbytes == 42872 && t.low_managed == 216337);
    assert_int_equal(t.high_memory, 0xf6bfe000);
    assert_int_equal(mmu_os_sysctl(os, "watermark_scale_factor", scale + 2, 1), MMU_OS_DONE);
    z = zone_of(os, MMU_ZONE_HIGHMEM);
    assert_true(z.min == 128 && z.low == 128 + 16893 && z.high == 128 + 2 * 16893);
    assert_int_equal(mmu_os_sysctl(os, "lowmem_reserve_ratio", other, 4), MMU_OS_DONE);
    z = zone_of(os, MMU_ZONE_DMA);
    assert_true(z.protection[MMU_ZONE_NORMAL] == 3320 && z.protection[MMU_ZONE_MOVABLE] == 5959);
    assert_int_equal(mmu_os_sysctl(os, "watermark_scale_factor", scale, 1), MMU_OS_DONE);
    assert_int_equal(mmu_os_sysctl(os, "lowmem_reserve_ratio", plain, 4), MMU_OS_DONE);
    mmu_os_totals(os, &t);
    assert_int_equal(t.totalreserve, 27153); /* and back */
    assert_int_equal(mmu_os_sysctl(os, "min_free_kbytes", mfk + 1, 1), MMU_OS_DONE);
    assert_int_equal(zone_of(os, MMU_ZONE_NORMAL).min, 2048 * UINT64_C(212497) / 216337);
    mmu_os_check(os);
    mmu_machine_free(machine);
}

static void wrong_sysctls_change_nothing(void **state)
{
    const uint64_t values[5] = {0, 1, 2, 3, 4}, large = UINT64_MAX;
    struct mmu_machine *machine = boot(MMU_OS_I386, UINT64_C(1536) << 20, 1);
    struct mmu_os *os = mmu_machine_os(machine);
    char *before = view_of(os, MMU_VIEW_ZONEINFO);
    (void)state;
    assert_int_equal(mmu_os_sysctl(os, "watermark_scale_factor", values, 1), MMU_OS_REFUSED);
    assert_int_equal(mmu_os_sysctl(os, "watermark_scale_factor", &large, 1), MMU_OS_REFUSED);
    assert_int_equal(mmu_os_sysctl(os, "min_free_kbytes", &large, 1), MMU_OS_REFUSED);
    assert_string_equal(mmu_os_report(os)->call, "sysctl");
    assert_non_null(strstr(mmu_os_report(os)->text, "min_free_kbytes: 18446744073709551615 is out of range"));
    assert_int_equal(mmu_os_sysctl(os, "min_free_kbytes", values, 2), MMU_OS_REFUSED);
    assert_int_equal(mmu_os_sysctl(os, "lowmem_reserve_ratio", values, 5),
                     MMU_OS_REFUSED); /* i386 has 4 zones */
    const uint64_t ratios[] = {1, 2, UINT64_MAX, 4};
    assert_int_equal(mmu_os_sysctl(os, "lowmem_reserve_ratio", ratios, 4), MMU_OS_REFUSED);
    assert_int_equal(mmu_os_sysctl(os, "swappiness", values, 1), MMU_OS_REFUSED);
    assert_int_equal(mmu_os_report(os)->outcome, MMU_OS_REFUSED);
    char *after = view_of(os, MMU_VIEW_ZONEINFO);
    assert_string_equal(before, after);
    free(before);
    free(after);
    mmu_machine_free(machine);
}

static void totals_are_the_sums_of_the_zones(void **state)
{
    struct mmu_machine *machine = boot(MMU_OS_X86_64, UINT64_C(4) << 30, 2);
    struct mmu_os *os = mmu_machine_os(machine);
    struct mmu_os_totals before, t;
    mmu_pfn pfn[40];
    mmu_va area;
    (void)state;
    mmu_os_totals(os, &before);
    assert_int_equal(before.free, before.managed);
    assert_int_equal(before.present, 1048446);
    assert_int_equal(before.mem_map_bytes, 32 * (2 << 20));
    assert_true(before.host_bytes > 0 && before.page_tables > 10);
    for (unsigned i = 0; i < 40; i++) {
        mmu_os_run_on(os, i % 2);
        assert_int_equal(mmu_os_alloc_pages(os, MMU_GFP_KERNEL, i % 4, &pfn[i]), MMU_OS_DONE);
    }
    assert_int_equal(mmu_os_vmalloc(os, 3 * 4096 + 1, &area), MMU_OS_DONE);
    mmu_os_totals(os, &t);
    assert_int_equal(t.vmalloc, 4);
    assert_int_equal(t.free + t.pcp_free + t.allocated, t.managed);
    assert_true(t.allocated >= 10 * (1 + 2 + 4 + 8) + 4);
    assert_true(t.pcp_free > 0);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(mmu_os_free_pages(os, pfn[i], i % 4), MMU_OS_DONE);
    assert_int_equal(mmu_os_vfree(os, area), MMU_OS_DONE);
    mmu_os_drain(os);
    mmu_os_totals(os, &t);
    assert_int_equal(t.vmalloc, 0);
    assert_int_equal(t.managed - t.free, t.page_tables - before.page_tables); /* vmalloc's tables stay */
    mmu_os_check(os);
    mmu_machine_free(machine);
}

static void the_memory_map_accounts_for_all_ram(void **state)
{
    struct mmu_os_memory map[64];
    (void)state;
    for (uint32_t arch = MMU_OS_I386; arch < MMU_OS_ARCHES; arch++) {
        struct mmu_machine *machine =
            boot(arch, arch == MMU_OS_I386 ? UINT64_C(1536) << 20 : UINT64_C(8) << 30, 1);
        const struct mmu_os *os = mmu_machine_os(machine);
        size_t n = mmu_os_memory_map(os, map, 64);
        struct mmu_os_totals t;
        uint64_t pages[MMU_MEMORY_KINDS] = {0}, all = 0;
        assert_in_range(n, 6, 64);
        for (size_t i = 0; i < n; i++) {
            assert_true(map[i].start < map[i].end && (!i || map[i - 1].end <= map[i].start));
            pages[map[i].kind] += map[i].end - map[i].start;
            all += map[i].end - map[i].start;
        }
        mmu_os_totals(os, &t);
        assert_int_equal(all, t.present);
        assert_int_equal(pages[MMU_MEMORY_FREE], t.managed);
        assert_int_equal(pages[MMU_MEMORY_MEM_MAP] * 4096, t.mem_map_bytes);
        assert_int_equal(pages[MMU_MEMORY_LOW1M], 158);
        for (int kind = 0; kind <= MMU_MEMORY_KINDS; kind++)
            assert_non_null(mmu_os_memory_text((enum mmu_os_memory_kind)kind));
        assert_int_equal(mmu_os_memory_map(os, NULL, 0), n);
        mmu_machine_free(machine);
    }
}

static void texts_fit_any_buffer(void **state)
{
    struct mmu_machine *machine = boot(MMU_OS_I386, UINT64_C(1536) << 20, 1);
    struct mmu_os *os = mmu_machine_os(machine);
    mmu_va io, area;
    (void)state;
    assert_int_equal(mmu_os_ioremap(os, 0xfed00000, 0x400, MMU_CACHE_UC_MINUS, &io), MMU_OS_DONE);
    assert_int_equal(mmu_os_vmalloc(os, 8192, &area), MMU_OS_DONE);
    for (int view = 0; view < MMU_VIEWS; view++) {
        char *whole = view_of(os, (enum mmu_os_view)view);
        size_t length = strlen(whole);
        assert_true(length > 0 && whole[length - 1] == '\n');
        for (size_t size = 1; size < length + 2; size += 1 + size / 3) {
            char *part = malloc(size);
            assert_non_null(part);
            assert_int_equal(mmu_os_view(os, (enum mmu_os_view)view, part, size), length);
            assert_true(strlen(part) == (size <= length ? size - 1 : length));
            assert_memory_equal(part, whole, strlen(part));
            free(part);
        }
        free(whole);
    }
    mmu_machine_free(machine);
}

/* /proc/vmallocinfo's lines, as recorded but for the callers, which the model does not have. */
static void vmallocinfo_lists_areas(void **state)
{
    struct mmu_machine *machine = boot(MMU_OS_I386, UINT64_C(1536) << 20, 1);
    struct mmu_os *os = mmu_machine_os(machine);
    mmu_va io, area;
    char expected[256];
    (void)state;
    assert_int_equal(mmu_os_ioremap(os, 0xfed00000, 0x400, MMU_CACHE_UC_MINUS, &io), MMU_OS_DONE);
    assert_int_equal(mmu_os_vmalloc(os, 8192, &area), MMU_OS_DONE);
    char *text = view_of(os, MMU_VIEW_VMALLOCINFO);
    snprintf(expected, sizeof expected, "0x%08" PRIx64 "-0x%08" PRIx64 "    8192 phys=0xfed00000 ioremap\n",
             io, io + 8192);
    assert_non_null(strstr(text, expected));
    snprintf(expected, sizeof expected, "0x%08" PRIx64 "-0x%08" PRIx64 "   12288 pages=2 vmalloc\n", area,
             area + 12288);
    assert_non_null(strstr(text, expected));
    free(text);
    assert_int_equal(mmu_os_vfree(os, area), MMU_OS_DONE);
    text = view_of(os, MMU_VIEW_VMALLOCINFO);
    assert_non_null(strstr(text, " unpurged vm_area\n"));
    assert_null(strstr(text, "pages=2"));
    free(text);
    mmu_os_vmalloc_purge(os);
    text = view_of(os, MMU_VIEW_VMALLOCINFO);
    assert_null(strstr(text, "unpurged"));
    free(text);
    mmu_machine_free(machine);
}

/* Each online CPU has its pageset, and zoneinfo's counters follow the lists. */
static void zoneinfo_has_a_pageset_for_each_cpu(void **state)
{
    struct mmu_machine *machine = boot(MMU_OS_X86_64, UINT64_C(1) << 30, 4);
    struct mmu_os *os = mmu_machine_os(machine);
    mmu_pfn pfn;
    char expected[64];
    unsigned cpus = 0;
    (void)state;
    mmu_os_run_on(os, 2);
    assert_int_equal(mmu_os_alloc_pages(os, MMU_GFP_KERNEL, 0, &pfn), MMU_OS_DONE);
    char *text = view_of(os, MMU_VIEW_ZONEINFO);
    for (const char *at = text; (at = strstr(at, "    cpu: ")); at++)
        cpus++;
    assert_int_equal(cpus, 4 * 2); /* in DMA and DMA32 */
    struct mmu_os_zone_info z = zone_of(os, MMU_ZONE_DMA32);
    assert_true(z.pcp_free > 0);
    snprintf(expected, sizeof expected, "    cpu: 2\n              count: %" PRIu64 "\n", z.pcp_free);
    assert_non_null(strstr(text, expected));
    snprintf(expected, sizeof expected, "  vm stats threshold: %d\n", 2 * 3 * (1 + 3)); /* fls(4), fls(7) */
    assert_non_null(strstr(text, expected));
    free(text);
    mmu_machine_free(machine);
}

static void outcomes_and_zones_have_names(void **state)
{
    (void)state;
    for (int outcome = -50; outcome <= MMU_OS_OUTCOME_COUNT + 1; outcome++)
        assert_true(mmu_os_outcome_text(outcome)[0]);
    assert_string_equal(mmu_os_zone_name(MMU_ZONE_HIGHMEM), "HighMem");
    assert_string_equal(mmu_os_zone_name(MMU_ZONES), "none");
    struct mmu_config c;
    struct mmu_machine *machine;
    mmu_config_init(&c);
    assert_int_equal(mmu_machine_create(&c, NULL, &machine, NULL), MMU_OK);
    assert_null(mmu_machine_os(machine)); /* no os: no kernel */
    mmu_machine_free(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sysctls_recompute_what_hangs_on_them),
        cmocka_unit_test(wrong_sysctls_change_nothing),
        cmocka_unit_test(totals_are_the_sums_of_the_zones),
        cmocka_unit_test(the_memory_map_accounts_for_all_ram),
        cmocka_unit_test(texts_fit_any_buffer),
        cmocka_unit_test(vmallocinfo_lists_areas),
        cmocka_unit_test(zoneinfo_has_a_pageset_for_each_cpu),
        cmocka_unit_test(outcomes_and_zones_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
