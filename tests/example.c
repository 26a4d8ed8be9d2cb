/* Replays a trace through a machine: what do translations cost, and which page walk took longest? */
#include <inttypes.h>
#include <mmusim/mmusim.h>
#include <stdio.h>
#include <stdlib.h>

enum { WARM_UP = 1000000, BATCH = 4096 };

static void check(int status, const struct mmu_error *err)
{
    char text[1024];
    if (status >= 0)
        return;
    fprintf(stderr, "%s\n", mmu_error_format(err, text, sizeof text));
    exit(2);
}

/* Called at the end of every page walk; accesses that hit a TLB do not pay for it. */
static void on_walk(void *longest, struct mmu_core *core, const struct mmu_event *event)
{
    (void)core;
    if (event->cycles > ((struct mmu_event *)longest)->cycles)
        *(struct mmu_event *)longest = *event;
}

static void replay(struct mmu_core *core, struct mmu_trace_reader *trace, uint64_t limit)
{
    struct mmu_access batch[BATCH];
    struct mmu_error err;
    for (int64_t n = 1; n && limit; limit -= (uint64_t)n) {
        check((int)(n = mmu_trace_read(trace, batch, limit < BATCH ? (size_t)limit : BATCH, &err)), &err);
        if (mmu_core_run(core, batch, (size_t)n, NULL) != MMU_OK)
            exit(2);
    }
}

int main(int argc, char **argv)
{
    const char *overrides[] = {"walk.walkers=1", "pager.frames=random"};
    static struct mmu_stats before, after;
    struct mmu_config config;
    struct mmu_machine *machine;
    struct mmu_trace_reader *trace;
    struct mmu_error err;
    if (argc != 3)
        return fprintf(stderr, "usage: example MACHINE TRACE\n"), 2;
    check(mmu_config_load(&config, argv[1], overrides, 2, &err), &err);
    check(mmu_machine_create(&config, NULL, &machine, &err), &err);
    check(mmu_trace_open(argv[2], MMU_TRACE_AUTO, &trace, &err), &err);

    struct mmu_core *core = mmu_machine_core(machine, 0);
    struct mmu_event longest = {0};
    replay(core, trace, WARM_UP);
    mmu_core_drain(core);
    mmu_core_stats(core, &before);
    mmu_core_observe(core, &(struct mmu_observer){1 << MMU_EV_WALK, on_walk, &longest});
    replay(core, trace, UINT64_MAX);
    mmu_core_drain(core);
    mmu_core_stats(core, &after);
    mmu_stats_difference(&after, &after, &before); /* the region of interest: all behind the warm-up */

    printf("%s\n", config.title);
    printf("%" PRIu64 " walks, %" PRIu64 " cycles of %" PRIu64 " are translation\n", after.walk_latency.count,
           after.cycles.elapsed[0] - after.cycles.ideal[0], after.cycles.elapsed[0]);
    printf("longest walk: %#" PRIx64 ", %" PRIu64 " cycles\n", longest.va, longest.cycles);
    mmu_trace_close(trace);
    mmu_machine_free(machine);
    return 0;
}
