/*
 * test_layout.c: the map of the address space: every constant that a module read in recorded kernels, other
 * splits and build parameters, and that the regions cover the space without a gap.
 */
#include "plan.h"
#include "recorded_kernels.h"
#include <mmusim/os.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RECORDINGS MMUSIM_TEST_DATA "/kernel/layout-"

static struct mmu_machine *boot(const struct mmu_config *c)
{
    struct mmu_machine *machine;
    struct mmu_error err;
    if (mmu_machine_create(c, NULL, &machine, &err) != MMU_OK)
        fail_msg("%s", err.message);
    return machine;
}

/* --- constants --- */

struct wanted {
    const char *name;
    uint64_t value;
    bool found;
};

static void take(void *ctx, const char *name, uint64_t value)
{
    struct wanted *w = ctx;
    if (!strcmp(name, w->name)) {
        w->value = value;
        w->found = true;
    }
}

static uint64_t constant(const struct mmu_os *os, const char *name)
{
    struct wanted w = {name, 0, false};
    mmu_os_constants(os, take, &w);
    if (!w.found)
        fail_msg("no constant %s", name);
    return w.value;
}

static unsigned compare_constants(const struct mmu_os *os, FILE *in, const char *machine)
{
    char line[256], name[64];
    unsigned compared = 0;
    uint64_t value, index;
    while (fgets(line, sizeof line, in)) {
        if (sscanf(line, "fix[%" SCNu64 "] = %" SCNx64, &index, &value) == 2) {
            mmu_va va;
            assert_int_equal(mmu_os_fix_to_virt(os, (uint32_t)index, &va), MMU_OS_DONE);
            assert_int_equal(va, value);
            compared++;
            continue;
        }
        char *equals = strstr(line, " = ");
        if (!equals)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(equals - line), line);
        value = strtoull(equals + 3, NULL, 0);
        uint64_t got = constant(os, name);
        if (got != value)
            fail_msg("%s: %s: recorded 0x%" PRIx64 ", computed 0x%" PRIx64, machine, name, value, got);
        compared++;
    }
    return compared;
}

static void every_recorded_constant(void **state)
{
    unsigned compared = 0;
    (void)state;
    for (size_t i = 0; i < RECORDED; i++) {
        struct mmu_config c;
        char path[512], line[256];
        snprintf(path, sizeof path, "%s%s.txt", RECORDINGS, recordings[i].name);
        FILE *in = fopen(path, "r");
        assert_non_null(in);
        fresh(&c, recordings[i].arch);
        while (fgets(line, sizeof line, in) && strncmp(line, "== constants", 12)) {
            uint64_t start, last;
            if (sscanf(line, "0x%" SCNx64 " 0x%" SCNx64, &start, &last) == 2)
                c.os.e820[c.os.e820s++] = (struct mmu_e820_range){
                    start, last - start + 1, strstr(line, "RAM") ? MMU_E820_RAM : MMU_E820_RESERVED};
        }
        struct mmu_machine *machine = boot(&c);
        compared += compare_constants(mmu_machine_os(machine), in, recordings[i].name);
        mmu_machine_free(machine);
        fclose(in);
    }
    assert_int_equal(compared, 379); /* all of them */
}

/* --- other builds --- */

static void splits_move_the_direct_map(void **state)
{
    static const mmu_va offset[MMU_OS_SPLITS] = {0xc0000000, 0x80000000, 0x40000000};
    static struct plan p;
    struct mmu_error err;
    struct mmu_config c;
    (void)state;
    for (uint32_t arch = MMU_OS_I386; arch <= MMU_OS_I386_PAE; arch++)
        for (uint32_t split = 0; split < MMU_OS_SPLITS; split++) {
            fresh(&c, arch);
            c.os.ram = UINT64_C(3) << 30;
            c.os.split = split;
            assert_int_equal(plan_make(&p, &c, &err), MMU_OK);
            plan_check(&p);
            const struct layout *l = &p.layout;
            const mmu_va end = arch == MMU_OS_I386 ? 0xfebfe000 : 0xfeffe000;
            const mmu_va low = end - (128 << 20), ram = offset[split] + 0xbffe0000;
            assert_int_equal(l->task_size, offset[split]);
            assert_int_equal(l->page_offset, offset[split]);
            assert_int_equal(l->vmalloc_end, end); /* the top does not move */
            assert_int_equal(l->high_memory, low < ram ? low : ram);
            assert_int_equal(l->vmalloc_start, l->high_memory + (8 << 20));
        }
}

static void the_classic_layout_is_the_books(void **state)
{
    static struct plan p;
    struct mmu_error err;
    struct mmu_config c;
    (void)state;
    fresh(&c, MMU_OS_I386);
    c.os.layout = MMU_OS_CLASSIC;
    c.os.ram = UINT64_C(2) << 30;
    assert_int_equal(plan_make(&p, &c, &err), MMU_OK);
    plan_check(&p);
    const struct layout *l = &p.layout;
    assert_int_equal(l->high_memory, 0xf8000000); /* 3 GiB + 896 MiB */
    assert_int_equal(l->vmalloc_start, 0xf8800000);
    assert_int_equal(l->cpu_entry_area, 0); /* came with page-table isolation */
    assert_int_equal(l->pkmap_base, 0xff400000);
    assert_int_equal(l->vmalloc_end, l->pkmap_base - 8192);
    c.os.split = MMU_OS_1G_3G;
    assert_int_equal(plan_make(&p, &c, &err), MMU_OK);
    assert_int_equal(p.layout.maxmem_pfn, (uint64_t)(3072 - 128) << 8);
    c.os.split = MMU_OS_3G_1G;
    c.os.vmalloc = 4 << 20; /* all of it is PKMAP's and the fixmap's */
    assert_int_equal(plan_make(&p, &c, &err), MMU_ERR_INVALID);
    assert_non_null(strstr(err.message, "expected at least 0x"));
}

/* fixmap.h and cpu_entry_area.h, by hand. */
static void nr_cpus_pushes_everything_down(void **state)
{
    static struct plan p;
    struct mmu_error err;
    struct mmu_config c;
    (void)state;
    fresh(&c, MMU_OS_I386);
    c.os.ram = UINT64_C(1) << 30;
    c.os.nr_cpus = 64;
    assert_int_equal(plan_make(&p, &c, &err), MMU_OK);
    assert_int_equal(p.layout.permanent_addresses, 71 + 16 * 64);
    assert_int_equal(p.layout.fixed_addresses, 1095 + 512 + 1); /* both ends in one page table of 1024 */
    assert_int_equal(p.layout.cpu_entry_area,
                     (0xfffff000 - 1608 * 4096 - 4096 * (64 * 43 + 1)) & ~UINT64_C(0x3fffff));
    c.os.arch = MMU_OS_I386_PAE; /* page tables of 512: they would cross */
    assert_int_equal(plan_make(&p, &c, &err), MMU_OK);
    assert_int_equal(p.layout.fixed_addresses, 1536 + 512 + 1);
    c.os.fixed_addresses = 3000;
    assert_int_equal(plan_make(&p, &c, &err), MMU_OK);
    assert_int_equal(p.layout.fixaddr_tot_start, 0xfffff000 - 3000 * 4096);
    c.os.fixed_addresses = 1000;
    assert_int_equal(plan_make(&p, &c, &err), MMU_ERR_INVALID);
    assert_non_null(strstr(err.message, "expected at least 1095"));
    fresh(&c, MMU_OS_X86_64);
    c.os.ram = UINT64_C(1) << 30;
    c.os.nr_cpus = 1;
    assert_int_equal(plan_make(&p, &c, &err), MMU_OK);
    assert_int_equal(p.layout.cpu_entry_area_end - p.layout.cpu_entry_area, 60 * 4096);
}

/* Documentation/x86/x86_64/mm.rst, five levels. */
static void five_levels_have_their_own_places(void **state)
{
    struct mmu_config c;
    (void)state;
    fresh(&c, MMU_OS_X86_64_LA57);
    c.os.ram = UINT64_C(1) << 40;
    struct mmu_machine *machine = boot(&c);
    const struct mmu_os *os = mmu_machine_os(machine);
    assert_int_equal(constant(os, "PAGE_OFFSET"), UINT64_C(0xff11000000000000));
    assert_int_equal(constant(os, "VMALLOC_START"), UINT64_C(0xffa0000000000000));
    assert_int_equal(constant(os, "VMALLOC_END"), UINT64_C(0xffd1ffffffffffff));
    assert_int_equal(constant(os, "VMEMMAP_START"), UINT64_C(0xffd4000000000000));
    assert_int_equal(constant(os, "LDT_BASE_ADDR"), UINT64_C(0xff10000000000000));
    assert_int_equal(constant(os, "TASK_SIZE"), UINT64_C(0xfffffffffff000));
    assert_int_equal(constant(os, "PGDIR_SIZE"), UINT64_C(1) << 48);
    mmu_machine_free(machine);
}

static void regions_cover_the_whole_space(void **state)
{
    (void)state;
    for (uint32_t arch = 0; arch < MMU_OS_ARCHES; arch++) {
        struct mmu_config c;
        struct mmu_os_region region[64];
        fresh(&c, arch);
        c.os.ram = UINT64_C(1) << 30;
        struct mmu_machine *machine = boot(&c);
        size_t n = mmu_os_layout(mmu_machine_os(machine), region, 64);
        mmu_va next = 0;
        const struct mmu_os_region *outer = NULL;
        assert_true(n > 10 && n < 64);
        for (size_t i = 0; i < n; i++) {
            assert_true(region[i].name[0] && region[i].text[0] && region[i].start <= region[i].last);
            if (region[i].inside) {
                assert_true(outer && region[i].start >= outer->start && region[i].last <= outer->last);
                continue;
            }
            outer = &region[i];
            assert_true(region[i].start == next);
            next = region[i].last + 1;
        }
        assert_true(next == (arch >= MMU_OS_X86_64 ? 0 : UINT64_C(1) << 32));
        assert_int_equal(mmu_os_layout(mmu_machine_os(machine), region, 3), n);
        mmu_machine_free(machine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recorded_constant),           cmocka_unit_test(splits_move_the_direct_map),
        cmocka_unit_test(the_classic_layout_is_the_books),   cmocka_unit_test(nr_cpus_pushes_everything_down),
        cmocka_unit_test(five_levels_have_their_own_places), cmocka_unit_test(regions_cover_the_whole_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
