/*
 * test_config_machines.c: the shipped machines behave as the published figures say: "+L2", what a first-level
 * miss that hits the second level costs, and "+Walk", what a walk costs beyond that when its entries are
 * cached, come out of each by running it. And each reads back from what is written.
 */
#include <mmusim/os.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* walk 0: nobody has published it; the config assumes one. */
static const struct figures {
    const char *name;
    unsigned l2, walk;
    enum mmu_mode mode;
} SHIPPED[] = {
    {"80386", 0, 0, MMU_MODE_I386},    {"80486", 0, 0, MMU_MODE_I386},
    {"pentium", 0, 18, MMU_MODE_I386}, {"pentium3", 0, 5, MMU_MODE_I386},
    {"pentium4", 0, 36, MMU_MODE_PAE}, {"core2", 2, 7, MMU_MODE_4L},
    {"nehalem", 7, 9, MMU_MODE_4L},    {"sandy-bridge", 7, 9, MMU_MODE_4L},
    {"haswell", 8, 8, MMU_MODE_4L},    {"skylake-sp", 9, 10, MMU_MODE_4L},
    {"ice-lake", 7, 7, MMU_MODE_4L},   {"golden-cove", 7, 11, MMU_MODE_4L},
    {"zen2", 6, 12, MMU_MODE_4L},      {"zen3", 5, 0, MMU_MODE_4L},
    {"zen4", 5, 0, MMU_MODE_4L},
};
enum { N = sizeof SHIPPED / sizeof SHIPPED[0], COSTS = 4096 };

/* The same processors below a kernel. */
static const struct kernel {
    const char *name, *processor;
    enum mmu_os_arch arch;
    enum mmu_mode mode;
    uint64_t high_pages; /* present in HighMem */
} KERNELS[] = {
    {"pentium3-i386", "pentium3", MMU_OS_I386, MMU_MODE_I386, 0x5ffe0 - 224254},
    {"pentium4-pae", "pentium4", MMU_OS_I386_PAE, MMU_MODE_PAE, 0xbffe0 - 225278 + (1 << 18)},
    {"skylake-sp-linux", "skylake-sp", MMU_OS_X86_64, MMU_MODE_4L, 0},
    {"ice-lake-la57", "ice-lake", MMU_OS_X86_64_LA57, MMU_MODE_5L, 0},
};
enum { KERNEL_COUNT = sizeof KERNELS / sizeof KERNELS[0] };

static void load(struct mmu_config *config, const char *name)
{
    struct mmu_error err = {0};
    char line[1024], path[512];
    snprintf(path, sizeof path, "%s/%s.yaml", MMUSIM_CONFIGS, name);
    if (mmu_config_load(config, path, NULL, 0, &err))
        fail_msg("%s", mmu_error_format(&err, line, sizeof line));
    assert_string_equal(config->name, name);
}

static void every_shipped_machine_reads_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < N; i++) {
        struct mmu_config config, again;
        struct mmu_error err;
        char *text;
        size_t size;
        load(&config, SHIPPED[i].name);
        FILE *out = open_memstream(&text, &size);
        assert_int_equal(mmu_config_write(&config, out), MMU_OK);
        fclose(out);
        assert_int_equal(mmu_config_parse(&again, text, size, "written", NULL, 0, &err), MMU_OK);
        assert_memory_equal(&config, &again, sizeof again);
        assert_int_equal(config.pager.mode, SHIPPED[i].mode);
        assert_int_equal(config.walk.rewalk_before_fault, SHIPPED[i].name[0] == 'z');
        assert_int_equal(config.window, 1);
        free(text);
    }
}

/* Every machine of the folder stands in the table above, and the other way round. */
static void count(void *ctx, const char *name, const char *title, const char *path)
{
    size_t *n = ctx;
    size_t i = 0;
    if (strncmp(path, MMUSIM_CONFIGS, strlen(MMUSIM_CONFIGS)) != 0)
        return;
    while (i < N + KERNEL_COUNT && strcmp(i < N ? SHIPPED[i].name : KERNELS[i - N].name, name) != 0)
        i++;
    if (i == N + KERNEL_COUNT)
        fail_msg("%s (%s) is in no test", name, title);
    ++*n;
}

static void all_of_them_are_tested(void **state)
{
    size_t n = 0;
    (void)state;
    setenv("MMUSIM_CONFIG_PATH", MMUSIM_CONFIGS, 1);
    assert_int_equal(mmu_config_list(count, &n, NULL), MMU_OK);
    assert_int_equal(n, N + KERNEL_COUNT);
}

/* Each boots, in its paging mode, and its processor is the shipped one. */
static void every_shipped_kernel_boots(void **state)
{
    (void)state;
    for (size_t i = 0; i < KERNEL_COUNT; i++) {
        const struct kernel *k = &KERNELS[i];
        struct mmu_config config, processor;
        struct mmu_machine *machine;
        struct mmu_error err;
        struct mmu_os_zone_info high;
        load(&config, k->name);
        load(&processor, k->processor);
        assert_memory_equal(&config.cpu, &processor.cpu, sizeof config.cpu);
        assert_memory_equal(config.tlb, processor.tlb, sizeof config.tlb);
        assert_int_equal(config.os.arch, k->arch);
        if (mmu_machine_create(&config, NULL, &machine, &err))
            fail_msg("%s: %s", k->name, err.message);
        assert_int_equal(mmu_core_mode(mmu_machine_core(machine, 0)), k->mode);
        mmu_os_zone(mmu_machine_os(machine), MMU_ZONE_HIGHMEM, &high);
        assert_int_equal(high.present, k->high_pages);
        assert_null(mmu_os_note(mmu_machine_os(machine), 0));
        mmu_os_check(mmu_machine_os(machine));
        mmu_machine_free(machine);
    }
}

/* Entries for 4-KByte pages that loads can use at a level. */
static unsigned reach(const struct mmu_config *config, uint32_t level)
{
    unsigned entries = 0;
    for (uint32_t i = 0; i < config->tlbs; i++)
        if (config->tlb[i].level == level && (config->tlb[i].kinds >> MMU_LOAD & 1) &&
            (config->tlb[i].pages >> MMU_4K & 1))
            entries += config->tlb[i].entries;
    return entries;
}

/* Loads from n pages, one after another, three times; histogram of what each load of the third time took. */
static void chase(const struct mmu_config *config, unsigned n, unsigned cost[COSTS])
{
    struct mmu_machine *machine;
    struct mmu_error err;
    memset(cost, 0, COSTS * sizeof *cost);
    if (mmu_machine_create(config, NULL, &machine, &err))
        fail_msg("%s: %s", config->name, err.message);
    struct mmu_core *core = mmu_machine_core(machine, 0);
    for (unsigned i = 0; i < 3 * n; i++) {
        struct mmu_access access = {
            .va = 0x10000000 + (mmu_va)(i % n) * 4096, .size = 4, .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_USER)};
        struct mmu_result result;
        assert_int_equal(mmu_core_access(core, &access, &result), MMU_DONE);
        assert_true(i < 2 * n || result.completed - result.issued < COSTS);
        if (i >= 2 * n)
            cost[result.completed - result.issued]++;
    }
    mmu_machine_free(machine);
}

static unsigned most_frequent(const unsigned cost[COSTS])
{
    unsigned best = 0;
    for (unsigned i = 0; i < COSTS; i++)
        best = cost[i] > cost[best] ? i : best;
    return best;
}

static void the_second_level_costs_what_is_published(void **state)
{
    static unsigned cost[COSTS];
    (void)state;
    for (size_t i = 0; i < N; i++) {
        const struct figures *f = &SHIPPED[i];
        struct mmu_config config;
        load(&config, f->name);
        assert_int_equal(config.levels, f->l2 ? 2 : 1);
        unsigned n = f->l2 ? 2 * reach(&config, 1) : reach(&config, 1) / 2;
        chase(&config, n, cost);
        print_message("%-14s %4u pages: %u of %u cycles, %u of none\n", f->name, n, cost[f->l2], f->l2,
                      cost[0]);
        if (f->l2) {
            assert_true(cost[f->l2] > n / 4);
            assert_int_equal(cost[f->l2] + cost[0], n); /* nothing in between */
        } else {
            assert_int_equal(cost[0], n);
        }
    }
}

static void a_cached_walk_costs_what_is_published(void **state)
{
    static unsigned cost[COSTS];
    (void)state;
    for (size_t i = 0; i < N; i++) {
        const struct figures *f = &SHIPPED[i];
        struct mmu_config config;
        load(&config, f->name);
        unsigned n = 4 * (reach(&config, 1) + reach(&config, 2));
        chase(&config, n, cost);
        unsigned walk = most_frequent(cost) - f->l2;
        print_message("%-14s %5u pages: +Walk %u%s\n", f->name, n, walk, f->walk ? "" : " (assumed)");
        if (f->walk)
            assert_int_equal(walk, f->walk);
        else
            assert_true(walk > 0 && walk < 100);
        assert_true(cost[walk + f->l2] > n / 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shipped_machine_reads_back),
        cmocka_unit_test(all_of_them_are_tested),
        cmocka_unit_test(every_shipped_kernel_boots),
        cmocka_unit_test(the_second_level_costs_what_is_published),
        cmocka_unit_test(a_cached_walk_costs_what_is_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
