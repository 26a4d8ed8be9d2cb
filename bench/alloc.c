/*
 * alloc.c: how many pages a second the kernel's allocator gives and takes back: order 0 through the per-CPU
 * lists, random orders with splitting and merging, kmalloc; and what a touched page costs the host.
 *
 * Each rate stands beside that of malloc() and free() of a descriptor's 32 bytes on this host, measured in
 * the same run.
 */
#include "bench.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "Usage: bench_alloc [--seconds N] [--only TEXT] [--seed N] [--profile FILE]\n"
                            "Allocations of a 64 GiB x86-64 machine's kernel: millions a second.\n";

enum { HELD = 4096, SLICE = 1 << 16 };

/* What a row works on. */
struct work {
    struct mmu_os *os;
    uint64_t state;
    mmu_pfn pfn[HELD];
    uint8_t order[HELD]; /* plus 1; 0: nothing held */
    mmu_va va[HELD];
};

_Noreturn static void stop(const struct mmu_os *os)
{
    fprintf(stderr, "%s\n", mmu_os_report(os)->text);
    exit(2);
}

/* Each row does about n operations and returns how many it did. */
static uint64_t one_page(struct work *w, uint64_t n)
{
    mmu_pfn pfn;
    for (uint64_t i = 0; i < n; i++)
        if (mmu_os_alloc_pages(w->os, MMU_GFP_KERNEL, 0, &pfn) != MMU_OS_DONE ||
            mmu_os_free_pages(w->os, pfn, 0) != MMU_OS_DONE)
            stop(w->os);
    return n;
}

/* 4096 pages are held; each pair frees the oldest: bursts of the per-CPU lists reach the zone. */
static uint64_t ring(struct work *w, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        unsigned at = (unsigned)(i % HELD);
        if (w->order[at] && mmu_os_free_pages(w->os, w->pfn[at], 0) != MMU_OS_DONE)
            stop(w->os);
        w->order[at] = 1;
        if (mmu_os_alloc_pages(w->os, MMU_GFP_HIGHUSER_MOVABLE, 0, &w->pfn[at]) != MMU_OS_DONE)
            stop(w->os);
    }
    return n;
}

/* A random one of 4096 places: empty, it is filled with a block of a random order; full, the block is freed.
 */
static uint64_t orders(struct work *w, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t r = bench_random(&w->state);
        unsigned at = (unsigned)(r % HELD), order = (unsigned)(r >> 32) % MMU_OS_ORDERS;
        if (w->order[at]) {
            if (mmu_os_free_pages(w->os, w->pfn[at], w->order[at] - 1u) != MMU_OS_DONE)
                stop(w->os);
            w->order[at] = 0;
        } else {
            if (mmu_os_alloc_pages(w->os, MMU_GFP_KERNEL, order, &w->pfn[at]) != MMU_OS_DONE)
                stop(w->os);
            w->order[at] = (uint8_t)(order + 1);
        }
    }
    return n;
}

/* The same with objects of 1 to 8192 bytes. */
static uint64_t objects(struct work *w, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t r = bench_random(&w->state);
        unsigned at = (unsigned)(r % HELD);
        uint64_t size = 1 + ((r >> 32) & 8191) / ((r >> 50 & 63) + 1);
        int outcome = w->va[at] ? mmu_os_kfree(w->os, w->va[at])
                                : mmu_os_kmalloc(w->os, size, MMU_GFP_KERNEL, &w->va[at]);
        if (outcome != MMU_OS_DONE)
            stop(w->os);
        if (w->order[at]) /* what was there is freed now */
            w->va[at] = 0;
        w->order[at] = !w->order[at];
    }
    return n;
}

static uint64_t host_pairs(struct work *w, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        void *volatile at = malloc(32);
        if (!at)
            exit(2);
        free(at);
    }
    (void)w;
    return n;
}

static double rate(struct work *w, uint64_t (*run)(struct work *w, uint64_t n), double seconds)
{
    uint64_t done = 0;
    double begin = bench_now(), now;
    do {
        done += run(w, SLICE);
        now = bench_now();
    } while (now - begin < seconds);
    return (double)done / (now - begin);
}

static struct mmu_machine *machine_of(uint64_t ram, struct mmu_os **os)
{
    struct mmu_config config;
    struct mmu_machine *machine;
    struct mmu_error err;
    mmu_config_init(&config);
    config.pager.enabled = false;
    config.os.enabled = true;
    config.os.ram = ram;
    if (mmu_machine_create(&config, NULL, &machine, &err) != MMU_OK)
        bench_fail(&err);
    *os = mmu_machine_os(machine);
    return machine;
}

static const struct row {
    const char *name;
    uint64_t (*run)(struct work *w, uint64_t n);
    double goal; /* million a second, or 0 */
} rows[] = {
    {"order 0, alloc and free: pairs", one_page, 20},
    {"order 0, 4096 pages held: pairs", ring, 20},
    {"random orders 0-10: operations", orders, 4},
    {"kmalloc, kfree: operations", objects, 0},
};

static void measure(const struct bench_options *o, const struct row *row)
{
    struct work *w = calloc(1, sizeof *w);
    if (!w)
        exit(2);
    struct mmu_machine *machine = machine_of(UINT64_C(64) << 30, &w->os);
    w->state = o->seed;
    double host = rate(w, host_pairs, o->seconds / 4);
    rate(w, row->run, o->seconds / 4); /* makes descriptors */
    bench_profile_begin(o);
    double ours = rate(w, row->run, o->seconds);
    bench_profile_end(o);
    printf("%-34s %12.1f %12.1f %8.3f ", row->name, ours * 1e-6, host * 1e-6, ours / host);
    row->goal > 0 ? printf("%8.0f\n", row->goal) : printf("%8s\n", "-");
    fflush(stdout);
    free(w);
    mmu_machine_free(machine);
}

/* Takes every page that the kernel gives, one by one. */
static void host_memory(void)
{
    struct mmu_os *os;
    struct mmu_machine *machine = machine_of(UINT64_C(4) << 30, &os);
    struct mmu_os_totals before, after;
    mmu_pfn pfn;
    uint64_t pages = 0;
    mmu_os_totals(os, &before);
    while (mmu_os_alloc_pages(os, MMU_GFP_ATOMIC, 0, &pfn) == MMU_OS_DONE)
        pages++;
    mmu_os_totals(os, &after);
    printf("host memory: %.1f KiB for the kernel of a 4 GiB machine; %.3f bytes a touched page (goal 32)\n",
           (double)before.host_bytes / 1024, (double)(after.host_bytes - before.host_bytes) / (double)pages);
    mmu_machine_free(machine);
}

int main(int argc, char **argv)
{
    struct bench_options o;
    bench_parse(&o, argc, argv, usage);
    printf("machine x86-64, 64 GiB, seed %" PRIu64 ", version %s\n", o.seed, MMU_VERSION);
    printf("%-34s %12s %12s %8s %8s\n", "allocations", "million/s", "malloc/s", "ratio", "goal");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!o.only || strstr(rows[i].name, o.only))
            measure(&o, &rows[i]);
    if (!o.only || strstr("host memory", o.only))
        host_memory();
    return 0;
}
