/*
 * test_alloc_drain.c: what recorded kernels did when nothing could be reclaimed: in which order the zones
 * gave, and with how many pages left each refused; gfp_zone(); what kmalloc() gave.
 *
 * A recorded kernel had allocated memory before, so its counts at the start differ; where a zone refuses must
 * not: within one batch of the per-CPU lists (63 pages), as the kernel's own refills make it overshoot.
 */
#include "kernel_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 63, RUNS = 8 };

static const struct recording {
    const char *name;
    enum mmu_os_arch arch;
} recordings[] = {
    {"i386-512M", MMU_OS_I386},     {"i386-1536M", MMU_OS_I386},    {"pae-1536M", MMU_OS_I386_PAE},
    {"amd64-1024M", MMU_OS_X86_64}, {"amd64-4096M", MMU_OS_X86_64},
};

/* What a recording says: zones by our numbers. */
struct recorded {
    struct mmu_config config;
    int gfp_zone[16];
    struct drain {
        unsigned gfp, order, runs;
        struct run {
            unsigned zone;
            uint64_t free[MMU_ZONES];
        } run[RUNS];
    } drain[8];
    unsigned drains;
    struct {
        uint64_t size, ksize;
    } kmalloc[16];
    unsigned kmallocs;
};

static unsigned zone_named(const char *name)
{
    for (unsigned z = 0; z < MMU_ZONES; z++)
        if (strcmp(mmu_os_zone_name(z), name) == 0)
            return z;
    fail_msg("zone %s", name);
    return 0;
}

/* "DMA=1 Normal=2 ..." */
static void parse_counts(const char *text, uint64_t free[MMU_ZONES])
{
    char name[16];
    unsigned long long n;
    int used;
    for (; sscanf(text, " %15[A-Za-z0-9]=%llu%n", name, &n, &used) == 2; text += used)
        free[zone_named(name)] = n;
}

static void parse_run(struct recorded *r, const char *line)
{
    char name[16];
    const char *counts = strstr(line, "free: ");
    struct drain *d = &r->drain[r->drains - 1];
    if (!counts || (sscanf(line, " run %15s", name) != 1 && sscanf(line, " last run %15s", name) != 1))
        return;
    struct run *run = &d->run[d->runs++];
    run->zone = zone_named(name);
    parse_counts(counts + 6, run->free);
}

static void parse_line(struct recorded *r, const char *line)
{
    char name[16];
    unsigned long long a, b;
    unsigned bits, gfp, order;
    struct mmu_os_config *os = &r->config.os;
    if (sscanf(line, "min_free_kbytes %llu", &a) == 1) {
        os->min_free_given = true;
        os->min_free_kbytes = a;
    } else if (sscanf(line, "ram %llx %llx", &a, &b) == 2) {
        os->e820[os->e820s++] = (struct mmu_e820_range){a, b - a + 1, MMU_E820_RAM};
    } else if (sscanf(line, "zone %15s managed %llu", name, &a) == 2) {
        os->managed_given[zone_named(name)] = true;
        os->managed[zone_named(name)] = a;
    } else if (sscanf(line, "gfp_zone[%x]", &bits) == 1) {
        const char *is = strstr(line, "= ");
        r->gfp_zone[bits] = strncmp(is, "= BAD", 5) == 0          ? -1
                            : sscanf(is, "= %*u %15s", name) == 1 ? (int)zone_named(name)
                                                                  : -2;
    } else if (sscanf(line, "kmalloc(%llu) phys=%*x ksize=%llu", &a, &b) == 2) {
        r->kmalloc[r->kmallocs].size = a;
        r->kmalloc[r->kmallocs++].ksize = b;
    } else if (sscanf(line, "== drain gfp=%x order=%u", &gfp, &order) == 2) {
        r->drain[r->drains++] = (struct drain){.gfp = gfp, .order = order};
    } else if (r->drains) {
        parse_run(r, line);
    }
}

static void load(struct recorded *r, const struct recording *recording)
{
    char path[512], line[512];
    memset(r, 0, sizeof *r);
    kernel_rig_config(&r->config, recording->arch, 0, 1);
    snprintf(path, sizeof path, "%s/kernel/drain-%s.txt", MMUSIM_TEST_DATA, recording->name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in))
        parse_line(r, line);
    fclose(in);
    assert_true(r->drains >= 2 && r->kmallocs >= 8 && r->config.os.e820s >= 2);
}

/* Allocates until nothing is left, and notes the zones as the recorder did. */
static void drain(struct mmu_os *os, const struct drain *d, struct drain *ours)
{
    struct mmu_page_info info;
    mmu_pfn pfn;
    unsigned zone = MMU_ZONES;
    *ours = (struct drain){.gfp = d->gfp, .order = d->order};
    for (;;) {
        uint64_t free[MMU_ZONES];
        struct mmu_os_zone_info z;
        for (unsigned i = 0; i < MMU_ZONES; i++) {
            mmu_os_zone(os, i, &z);
            free[i] = z.free;
        }
        int outcome = mmu_os_alloc_pages(os, d->gfp, d->order, &pfn);
        if (outcome == MMU_OS_DONE)
            assert_int_equal(mmu_os_page(os, pfn, &info), MMU_OS_DONE);
        else
            assert_int_equal(outcome, MMU_OS_EXHAUSTED);
        unsigned now = outcome == MMU_OS_DONE ? info.zone : MMU_ZONES;
        if (now != zone && zone != MMU_ZONES) {
            assert_true(ours->runs < RUNS);
            ours->run[ours->runs].zone = zone;
            memcpy(ours->run[ours->runs++].free, free, sizeof free);
        }
        zone = now;
        if (outcome != MMU_OS_DONE)
            break;
    }
}

static void test_drains(void **state)
{
    (void)state;
    static struct recorded r;
    for (unsigned i = 0; i < sizeof recordings / sizeof *recordings; i++) {
        load(&r, &recordings[i]);
        for (unsigned k = 0; k < r.drains; k++) {
            const struct drain *d = &r.drain[k];
            struct kernel_rig rig = {.config = r.config};
            struct drain ours;
            kernel_rig_boot(&rig);
            drain(rig.os, d, &ours);
            mmu_os_check(rig.os);
            printf("%s gfp=%#x order=%u:", recordings[i].name, d->gfp, d->order);
            assert_int_equal(ours.runs, d->runs);
            for (unsigned j = 0; j < d->runs; j++) {
                unsigned zone = d->run[j].zone;
                assert_int_equal(ours.run[j].zone, zone);
                int64_t difference = (int64_t)(ours.run[j].free[zone] - d->run[j].free[zone]);
                int64_t most = BATCH + (1 << d->order) - 1;
                printf(" %s %+d", mmu_os_zone_name(zone), (int)difference);
                assert_true(difference >= -most && difference <= most);
            }
            printf("\n");
            kernel_rig_end(&rig);
        }
    }
}

static void test_gfp_zone(void **state)
{
    (void)state;
    static struct recorded r;
    for (unsigned i = 0; i < sizeof recordings / sizeof *recordings; i++) {
        load(&r, &recordings[i]);
        struct kernel_rig rig = {.config = r.config};
        kernel_rig_boot(&rig);
        for (unsigned bits = 0; bits < 16; bits++)
            assert_int_equal(mmu_os_gfp_zone(rig.os, bits | MMU_GFP_KERNEL), r.gfp_zone[bits]);
        kernel_rig_end(&rig);
    }
}

static void test_kmalloc(void **state)
{
    (void)state;
    static struct recorded r;
    for (unsigned i = 0; i < sizeof recordings / sizeof *recordings; i++) {
        load(&r, &recordings[i]);
        struct kernel_rig rig = {.config = r.config};
        mmu_va va;
        uint64_t size;
        kernel_rig_boot(&rig);
        for (unsigned k = 0; k < r.kmallocs; k++) {
            assert_int_equal(mmu_os_kmalloc(rig.os, r.kmalloc[k].size, MMU_GFP_KERNEL, &va), MMU_OS_DONE);
            assert_int_equal(mmu_os_ksize(rig.os, va, &size), MMU_OS_DONE);
            assert_int_equal(size, r.kmalloc[k].ksize);
        }
        kernel_rig_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drains),
        cmocka_unit_test(test_gfp_zone),
        cmocka_unit_test(test_kmalloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
