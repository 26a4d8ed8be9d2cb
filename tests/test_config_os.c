/* test_config_os.c: a machine's `os:` in YAML: what each key sets, what is left to the simulator, how a
 * kernel comes with the first of its keys and goes with null, and that what is written reads back. */
#include "refusal.h"
#include <mmusim/config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void parse_sets(struct mmu_config *config, const char *text, const char *const *sets, size_t n)
{
    struct mmu_error err = {0};
    char line[1024];
    if (mmu_config_parse(config, text, strlen(text), "t.yaml", sets, n, &err))
        fail_msg("%s", mmu_error_format(&err, line, sizeof line));
}

/* Written, it reads back to the same bytes. Returns the text. */
static char *round_trip(const struct mmu_config *config)
{
    struct mmu_config again;
    size_t size;
    char *text;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(mmu_config_write(config, out), MMU_OK);
    fclose(out);
    parse_sets(&again, text, NULL, 0);
    assert_memory_equal(config, &again, sizeof again);
    return text;
}

static const char WHOLE[] = "cores: 2\n"
                            "os:\n"
                            "  arch: i386_pae\n"
                            "  layout: classic\n"
                            "  split: 2G/2G\n"
                            "  kpti: true\n"
                            "  vmalloc-sync: lazy\n"
                            "  e820:\n"
                            "    - {start: 0, end: 0x9fc00, type: ram}\n"
                            "    - {start: 0x9fc00, size: 1K, type: reserved}\n"
                            "    - {start: 1M, end: 0x5ffe0000}\n"
                            "    - {start: 4G, size: 2G, type: unusable}\n"
                            "  reserved: [{start: 32M, size: 1M}, {start: 64M, size: 4K}]\n"
                            "  managed: {dma: 3840, normal: 150000}\n"
                            "  kernel: {start: 18M, text: 9M, rodata: 3M, data: 1536K}\n"
                            "  cpus: 4\n"
                            "  nr-cpus: 16\n"
                            "  fixed-addresses: 1537\n"
                            "  vmalloc: 192M\n"
                            "  highmem: 0\n"
                            "  movablecore: 256M\n"
                            "  sysctls: {min-free-kbytes: 8192, watermark-scale-factor: 100, "
                            "lowmem-reserve-ratio: {dma: 64, normal: 16}}\n"
                            "  thp: false\n"
                            "  aged: {order: 9, unusable: 600, seed: 7}\n";

static void every_key_sets_its_field(void **state)
{
    struct mmu_config c;
    const struct mmu_os_config *os = &c.os;
    (void)state;
    parse_sets(&c, WHOLE, NULL, 0);
    assert_true(os->enabled && !c.pager.enabled);
    assert_int_equal(os->arch, MMU_OS_I386_PAE);
    assert_int_equal(os->layout, MMU_OS_CLASSIC);
    assert_int_equal(os->split, MMU_OS_2G_2G);
    assert_true(os->kpti);
    assert_int_equal(os->vmalloc_sync, MMU_OS_LAZY);
    assert_int_equal(os->e820s, 4);
    assert_true(os->e820[0].size == 0x9fc00 && os->e820[1].size == 1024);
    assert_true(os->e820[2].start == 1 << 20 && os->e820[2].size == 0x5ffe0000 - (1 << 20));
    assert_int_equal(os->e820[2].type, MMU_E820_RAM);
    assert_int_equal(os->e820[3].type, MMU_E820_UNUSABLE);
    assert_int_equal(os->reserveds, 2);
    assert_true(os->managed_given[MMU_ZONE_DMA] && os->managed[MMU_ZONE_DMA] == 3840);
    assert_true(os->managed_given[MMU_ZONE_NORMAL] && os->managed[MMU_ZONE_NORMAL] == 150000);
    assert_false(os->managed_given[MMU_ZONE_HIGHMEM] || os->managed_given[MMU_ZONE_DMA32]);
    assert_true(os->kernel_start == 18 << 20 && os->kernel_text == 9 << 20 && os->kernel_rodata == 3 << 20);
    assert_true(os->kernel_data == 1536 << 10);
    assert_true(os->cpus == 4 && os->nr_cpus == 16 && os->fixed_addresses == 1537);
    assert_true(os->vmalloc == 192 << 20 && os->highmem_given && os->highmem == 0);
    assert_true(os->kernelcore == 0 && os->movablecore == 256 << 20);
    assert_true(os->min_free_given && os->min_free_kbytes == 8192 && os->watermark_scale_factor == 100);
    assert_int_equal(os->lowmem_reserve_ratio[MMU_ZONE_DMA], 64);
    assert_int_equal(os->lowmem_reserve_ratio[MMU_ZONE_DMA32], 256); /* not said: the default */
    assert_int_equal(os->lowmem_reserve_ratio[MMU_ZONE_NORMAL], 16);
    assert_false(os->thp);
    assert_true(os->aged && os->aged_order == 9 && os->aged_unusable == 600 && os->aged_seed == 7);
    free(round_trip(&c));
}

static void what_is_not_said_is_left_to_the_simulator(void **state)
{
    struct mmu_config c;
    (void)state;
    parse_sets(&c, "os: {ram: 1G}\n", NULL, 0);
    assert_true(c.os.enabled && !c.pager.enabled && c.os.thp && !c.os.aged && !c.os.min_free_given);
    assert_int_equal(c.os.arch, MMU_OS_X86_64);
    assert_true(c.os.ram == UINT64_C(1) << 30 && c.os.nr_cpus == 0 && c.os.fixed_addresses == 0);
    char *text = round_trip(&c);
    assert_non_null(strstr(text, "\nos:\n"));
    assert_null(strstr(text, "nr-cpus")); /* auto is what its absence says */
    free(text);
}

static void autos_take_back_what_was_said(void **state)
{
    static const char *const sets[] = {"os.managed.dma=auto",    "os.nr-cpus=auto",
                                       "os.highmem=auto",        "os.sysctls.min-free-kbytes=auto",
                                       "os.managed.normal=auto", "os.vmalloc=auto",
                                       "os.aged.unusable=50",    "os.sysctls.lowmem-reserve-ratio.dma=32"};
    struct mmu_config c;
    (void)state;
    parse_sets(&c, WHOLE, sets, sizeof sets / sizeof sets[0]);
    assert_false(c.os.managed_given[MMU_ZONE_DMA] || c.os.managed_given[MMU_ZONE_NORMAL]);
    assert_true(c.os.managed[MMU_ZONE_DMA] == 0 && c.os.nr_cpus == 0 && c.os.vmalloc == 0);
    assert_false(c.os.highmem_given || c.os.min_free_given);
    assert_int_equal(c.os.aged_unusable, 50);
    assert_int_equal(c.os.lowmem_reserve_ratio[MMU_ZONE_DMA], 32);
    free(round_trip(&c));
}

static void null_removes_a_kernel(void **state)
{
    static const char *const none[] = {"os=null"}, *const fresh[] = {"os.aged=null"};
    static const char *const again[] = {"os=null", "os.ram=512M"};
    struct mmu_config c, plain;
    (void)state;
    mmu_config_init(&plain);
    parse_sets(&c, WHOLE, none, 1);
    assert_memory_equal(&c.os, &plain.os, sizeof c.os);
    assert_true(c.pager.enabled);
    char *text = round_trip(&c);
    assert_null(strstr(text, "\nos:"));
    free(text);
    parse_sets(&c, WHOLE, fresh, 1);
    assert_true(c.os.enabled && !c.os.aged && c.os.aged_seed == 0);
    parse_sets(&c, WHOLE, again, 2);
    assert_true(c.os.enabled && c.os.ram == 512 << 20 && c.os.e820s == 0 && c.os.arch == MMU_OS_X86_64);
}

/* The pager and the RAM of a machine that a kernel is put on give way; one asked for with it, or later, is a
 * mistake. */
static void what_was_there_gives_way_to_a_later_kernel(void **state)
{
    static const char *const sets[] = {"os.ram=1G"};
    struct mmu_config c;
    (void)state;
    parse_sets(&c, "pager: {enabled: true, page: 2M}\nmemory: {ram: [{start: 0, size: 1G}]}\n", sets, 1);
    assert_true(c.os.enabled && !c.pager.enabled && c.pager.page == MMU_2M && c.memory.ram_ranges == 0);
    free(round_trip(&c));
    static const struct refusal later = {
        "pager.enabled=true", MMU_ERR_INVALID,
        "--set pager.enabled=true: pager.enabled: true beside os; expected one of them: a kernel maps pages "
        "itself"};
    check_refusal("os: {ram: 1G}\n", later.text, &later);
}

static const struct refusal REFUSED[] = {
    {"os: {arhc: i386}\n", MMU_ERR_FORMAT, "t.yaml:1:6: os: unknown key 'arhc'; did you mean 'arch'?"},
    {"os: {arch: i386-pae}\n", MMU_ERR_FORMAT,
     "t.yaml:1:12: os.arch: unknown value 'i386-pae'; did you mean 'i386_pae'? expected one of i386, "
     "i386_pae, "
     "x86_64, x86_64_la57"},
    {"os: {nr-cpus: 0}\n", MMU_ERR_RANGE,
     "t.yaml:1:15: os.nr-cpus: expected a number from 1 to 8192, or auto, got '0'"},
    {"os: {ram: 18446744073709551616}\n", MMU_ERR_FORMAT,
     "t.yaml:1:11: os.ram: expected a number from 1 to 0xffffffffffffffff (K, M, G, T are powers of 1024), "
     "or "
     "auto, got '18446744073709551616'"},
    {"os: {managed: {dma: 4K}}\n", MMU_ERR_FORMAT,
     "t.yaml:1:21: os.managed.dma: expected a number from 0 to 1099511627776, or auto, got '4K'"},
    {"os: {e820: [{start: 4K, size: 4K, end: 16K}]}\n", MMU_ERR_INVALID,
     "t.yaml:1:40: os.e820.0.end: got 'size' too; expected one of the two"},
    {"os: {e820: [{start: 4K, end: 4K}]}\n", MMU_ERR_RANGE,
     "t.yaml:1:30: os.e820.0.end: 0x1000; expected more than start (0x1000), which is said before it"},
    {"os: {aged: {order: 11}}\n", MMU_ERR_RANGE,
     "t.yaml:1:20: os.aged.order: expected a number from 1 to 10, got '11'"},
    {"os: {}\n", MMU_ERR_INVALID,
     "t.yaml:1:1: os.ram: not given; expected the size of the RAM, or os.e820, the firmware's map"},
    {"os:\n  ram: 1G\n  e820: [{start: 0, size: 1G}]\n", MMU_ERR_INVALID,
     "t.yaml:2:3: os.ram: given beside os.e820; expected one of them"},
    {"os:\n  e820:\n    - {start: 0, end: 640K}\n    - {start: 1M, size: 1G}\n    - {start: 512M, size: 4K, "
     "type: "
     "nvs}\n",
     MMU_ERR_INVALID,
     "t.yaml:5:8: os.e820.2.start: 0x20000000 to 0x20000fff overlaps os.e820.1, 0x100000 to 0x400fffff; "
     "expected "
     "ranges that do not"},
    {"os: {e820: [{start: 1M, size: 0xfffffffffff00000}]}\n", MMU_ERR_INVALID,
     "t.yaml:1:25: os.e820.0.size: 0xfffffffffff00000 bytes from 0x100000 reach beyond 2^64; expected at "
     "most "
     "0xffffffffffefffff"},
    {"os: {ram: 0xffffffffffffffff}\n", MMU_ERR_INVALID,
     "t.yaml:1:6: os.ram: 0xffffffffffffffff bytes reach beyond 2^64"},
    {"cpu: {features: [wp, invlpg]}\nos: {ram: 1G, arch: x86_64}\n", MMU_ERR_INVALID,
     "t.yaml:2:15: os.arch: the processor lacks what this kernel needs; expected cpu.long-mode"},
    {"cpu: {la57: false}\nos: {ram: 1G, arch: x86_64_la57}\n", MMU_ERR_INVALID,
     "t.yaml:2:15: os.arch: the processor lacks what this kernel needs; expected cpu.la57"},
    {"os: {ram: 1G, arch: i386, kpti: true}\n", MMU_ERR_INVALID,
     "t.yaml:1:27: os.kpti: page-table isolation needs i386_pae or x86_64; this kernel is i386"},
    {"os: {ram: 1G, split: 2G/2G}\n", MMU_ERR_INVALID,
     "t.yaml:1:15: os.split: only i386 kernels divide their 4 GiB; expected 3G/1G"},
    {"os: {ram: 1G, vmalloc: 256M}\n", MMU_ERR_INVALID,
     "t.yaml:1:15: os.vmalloc: vmalloc= is i386's; expected auto"},
    {"os: {ram: 1G, highmem: 0}\n", MMU_ERR_INVALID,
     "t.yaml:1:15: os.highmem: highmem= is i386's; expected auto"},
    {"os: {ram: 1G, cpus: 4, nr-cpus: 2}\n", MMU_ERR_INVALID,
     "t.yaml:1:15: os.cpus: 4 CPUs, but the kernel was built for 2 (os.nr-cpus); expected at most as many"},
    {"cores: 4\nos: {ram: 1G, cpus: 2}\n", MMU_ERR_INVALID,
     "t.yaml:2:15: os.cpus: 2 online, but the machine has 4 cores; expected at least as many"},
    {"os: {ram: 1G, kernel: {start: 17M}}\n", MMU_ERR_INVALID,
     "t.yaml:1:24: os.kernel.start: 0x1100000 is not aligned; expected a multiple of 2M"},
    {"os: {ram: 1G, kernel: {text: 1G}}\n", MMU_ERR_INVALID,
     "t.yaml:1:24: os.kernel.text: the kernel's image would lie at 0x1000000 to 0x413fffff, where low memory "
     "above 1 "
     "MiB has no RAM for it"},
    {"os: {ram: 1G, kernel: {start: 1T}}\n", MMU_ERR_INVALID,
     "t.yaml:1:24: os.kernel.start: the kernel's image would lie at 0x10000000000 to 0x10000bfffff, where "
     "low memory "
     "above 1 MiB has no RAM for it"},
    {"os: {ram: 1G, arch: i386, vmalloc: 1G}\n", MMU_ERR_INVALID,
     "t.yaml:1:27: os.vmalloc: 0x40000000 bytes leave no room for the direct map in "
     "0xc0000000 to "
     "0xfebfe000"},
    {"os: {ram: 1G, arch: i386, nr-cpus: 8192}\n", MMU_ERR_INVALID,
     "t.yaml:1:27: os.nr-cpus: fixed addresses and entry areas of 8192 CPUs do not fit into the kernel's "
     "part of 4 "
     "GiB"},
    {"os: {ram: 64G, arch: i386_pae}\n", MMU_ERR_INVALID,
     "t.yaml:1:6: os.ram: 64511 MiB of RAM need 640 MiB of page descriptors (mem_map, 40 bytes a page) in "
     "879 MiB "
     "of low memory, which leaves 226 MiB: this kernel does not boot; expected less RAM, os.split with more "
     "kernel "
     "space, or an x86_64 kernel"},
    {"os: {ram: 1G, managed: {normal: 4, dma32: 300000}}\n", MMU_ERR_INVALID,
     "t.yaml:1:36: os.managed.dma32: 300000 pages, but the zone has 258016 pages of RAM"},
    {"os: {ram: 1G}\npager: {enabled: true}\n", MMU_ERR_INVALID,
     "t.yaml:2:9: pager.enabled: true beside os; expected one of them: a kernel maps pages itself"},
    {"os: {ram: 1G}\nmemory: {ram: [{start: 0, size: 1G}]}\n", MMU_ERR_INVALID,
     "t.yaml:2:10: memory.ram: given beside os; expected RAM under os.ram or os.e820 only"},
};

/* A map of n ranges, one a line. */
static const char *e820_text(unsigned n)
{
    static char text[1 << 13];
    size_t length = (size_t)snprintf(text, sizeof text,
                                     "os:\n  e820:\n    - {start: 0, size: 640K}\n"
                                     "    - {start: 1M, size: 1G}\n");
    for (unsigned i = 2; i < n; i++)
        length += (size_t)snprintf(text + length, sizeof text - length,
                                   "    - {start: 0x%x0000, size: 4K, type: reserved}\n", 0x8000 + i);
    assert_true(length < sizeof text);
    return text;
}

/* As many as Linux's boot page takes (E820_MAX_ENTRIES_ZEROPAGE), and no more. */
static void a_map_has_128_ranges_at_most(void **state)
{
    static const struct refusal refused = {"", MMU_ERR_RANGE,
                                           "t.yaml:131:7: os.e820: too many; expected at most 128"};
    struct mmu_config c;
    (void)state;
    parse_sets(&c, e820_text(128), NULL, 0);
    assert_int_equal(c.os.e820s, 128);
    assert_true(c.os.e820[127].start == 0x807f0000);
    free(round_trip(&c));
    check_refusal(e820_text(129), NULL, &refused);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++)
        check_refusal(REFUSED[i].text, NULL, &REFUSED[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_sets_its_field),
        cmocka_unit_test(what_is_not_said_is_left_to_the_simulator),
        cmocka_unit_test(autos_take_back_what_was_said),
        cmocka_unit_test(null_removes_a_kernel),
        cmocka_unit_test(what_was_there_gives_way_to_a_later_kernel),
        cmocka_unit_test(a_map_has_128_ranges_at_most),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
