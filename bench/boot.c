/*
 * boot.c: how long machines of many sizes take to boot (zones, free lists, swapper_pg_dir, registers), and
 * what they cost the host before anything is touched.
 *
 * Beside each stands the time of the same machine without a kernel, and that of merely writing as many bytes
 * as its page tables have.
 */
#include "bench.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "Usage: bench_boot [--seconds N] [--only TEXT]\n"
                            "Boots machines with a kernel: milliseconds, and MiB of host memory.\n";

#define OLD "wp, invlpg, pse, pse36, pae, pge, nx"

static const struct machine {
    const char *name, *features, *pages, *os;
} machines[] = {
    {"i386, 4 GiB", "wp, invlpg, pse, pae, pge", "4K, 4M", "{arch: i386, ram: 4G}"},
    {"i386 on an 80386, 1 GiB", "", "4K", "{arch: i386, ram: 1G}"},
    {"i386_pae, 16 GiB", OLD, "4K, 2M", "{arch: i386_pae, ram: 16G}"},
    {"x86_64, 64 GiB", OLD ", long-mode, page1g, pcid", "4K, 2M, 1G", "{arch: x86_64, ram: 64G}"},
    {"x86_64, 64 GiB, no 1G pages", OLD ", long-mode", "4K, 2M", "{arch: x86_64, ram: 64G}"},
    {"x86_64, 64 GiB, aged", OLD ", long-mode", "4K, 2M",
     "{arch: x86_64, ram: 64G, aged: {order: 9, unusable: 500, seed: 1}}"},
    {"x86_64, 1 TiB", OLD ", long-mode, page1g, pcid", "4K, 2M, 1G", "{arch: x86_64, ram: 1T}"},
    {"x86_64, 1 TiB, no 1G pages", OLD ", long-mode", "4K, 2M", "{arch: x86_64, ram: 1T}"},
    {"x86_64, 1 TiB, KPTI", OLD ", long-mode", "4K, 2M", "{arch: x86_64, ram: 1T, kpti: true}"},
    {"x86_64_la57, 16 TiB", OLD ", long-mode, page1g, la57", "4K, 2M, 1G", "{arch: x86_64_la57, ram: 16T}"},
};

static void describe(struct mmu_config *config, const struct machine *m)
{
    static const char text[] = "name: bench\n"
                               "cpu: {maxphyaddr: %u, features: [%s]}\n"
                               "tlb: {L1: {level: 1, serves: all, pages: [%s], entries: 64, ways: 4}}\n"
                               "pager: {enabled: false}\n"
                               "os: %s\n";
    char yaml[1024];
    struct mmu_error err;
    int n = snprintf(yaml, sizeof yaml, text, strstr(m->features, "pse") ? 46u : 32u, m->features, m->pages,
                     m->os);
    if (mmu_config_parse(config, yaml, (size_t)n, m->name, NULL, 0, &err) != MMU_OK)
        bench_fail(&err);
}

static struct mmu_machine *boot(const struct mmu_config *config)
{
    struct mmu_machine *machine;
    struct mmu_error err;
    if (mmu_machine_create(config, NULL, &machine, &err) != MMU_OK)
        bench_fail(&err);
    return machine;
}

/* Seconds of one boot, the mean of as many as fit into `seconds`. */
static double time_boots(const struct mmu_config *config, double seconds)
{
    double begin = bench_now(), now;
    unsigned boots = 0;
    do {
        mmu_machine_free(boot(config));
        boots++;
        now = bench_now();
    } while (now - begin < seconds);
    return (now - begin) / boots;
}

static double time_writes(uint64_t bytes)
{
    double begin = bench_now();
    uint8_t *to = malloc(bytes);
    if (!to)
        exit(2);
    memset(to, 1, bytes);
    volatile const uint8_t *written = to;
    double seconds = written[bytes / 2] ? bench_now() - begin : 0;
    free(to);
    return seconds;
}

int main(int argc, char **argv)
{
    struct bench_options o;
    bench_parse(&o, argc, argv, usage);
    printf("%-30s %10s %10s %10s %10s %10s %10s\n", "machine", "boot ms", "bare ms", "tables", "write ms",
           "sim. MiB", "own MiB");
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        if (o.only && !strstr(machines[i].name, o.only))
            continue;
        static struct mmu_config config, bare;
        describe(&config, &machines[i]);
        bare = config;
        memset(&bare.os, 0, sizeof bare.os);
        const double booted = time_boots(&config, o.seconds / 4), empty = time_boots(&bare, o.seconds / 16);
        struct mmu_machine *machine = boot(&config);
        struct mmu_os_totals totals;
        mmu_os_totals(mmu_machine_os(machine), &totals);
        printf("%-30s %10.3f %10.3f %10" PRIu64 " %10.3f %10.2f %10.2f\n", machines[i].name, 1e3 * booted,
               1e3 * empty, totals.page_tables, 1e3 * time_writes(totals.page_tables * 4096),
               (double)mmu_machine_host_bytes(machine) / 1048576, (double)totals.host_bytes / 1048576);
        mmu_machine_free(machine);
    }
    return 0;
}
