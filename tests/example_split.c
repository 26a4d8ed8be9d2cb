/*
 * A Skylake's translation hardware inside another simulator: its clock, its memory system, many accesses in
 * flight.
 *
 * The simulator here is as small as one can be: a load issues every 3 cycles, memory answers a page-table
 * read after 40 cycles, one translation ends when it ends.
 */
#include <inttypes.h>
#include <mmusim/mmusim.h>
#include <stdio.h>
#include <stdlib.h>

enum { PRESENT = 1, WRITE = 2, USER = 4, LOADS = 1000, PAGES = 4096, MEMORY_LATENCY = 40 };

/* Page tables as an operating system would leave them: PAGES pages from 0 on, each mapped to 1 GiB above. */
static void set_up(struct mmu_machine *machine)
{
    enum { PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000, PT = 0x100000 };
    uint64_t upper[] = {PML4, PDPT | PRESENT | WRITE | USER, PDPT, PD | PRESENT | WRITE | USER};
    for (unsigned i = 0; i < 4; i += 2)
        mmu_machine_write(machine, upper[i], &upper[i + 1], 8);
    for (uint64_t i = 0; i < PAGES; i++) {
        uint64_t pde = (PT + (i >> 9 << 12)) | PRESENT | WRITE | USER;
        uint64_t pte = (i << 12 | UINT64_C(1) << 30) | PRESENT | WRITE | USER;
        mmu_machine_write(machine, PD + (i >> 9) * 8, &pde, 8);
        mmu_machine_write(machine, PT + i * 8, &pte, 8);
    }
    struct mmu_registers registers = {{0}};
    registers.value[MMU_REG_CR0] = UINT64_C(1) << 31 | 1; /* PG, PE */
    registers.value[MMU_REG_CR3] = PML4;
    registers.value[MMU_REG_CR4] = 1 << 5;  /* PAE */
    registers.value[MMU_REG_EFER] = 1 << 8; /* LME */
    mmu_core_load(mmu_machine_core(machine, 0), &registers);
}

/* A load on its way; when: what it waits for happens then (a read that returns, or nothing more). */
struct load {
    struct mmu_split split;
    mmu_cycle when;
    bool busy;
};

struct simulator {
    struct mmu_machine *machine;
    struct mmu_core *core;
    struct load load[64];
    uint64_t ended, wrong, cycles;
};

static void next(struct simulator *s, struct load *l, mmu_cycle now)
{
    if (l->split.state == MMU_SPLIT_READ)
        l->when = now + l->split.latency + MEMORY_LATENCY;
    if (l->split.state == MMU_SPLIT_DONE) {
        l->busy = false;
        s->ended++;
        s->wrong += l->split.result.outcome != MMU_DONE;
        s->cycles += l->split.result.completed - l->split.result.issued;
    }
}

/* Everything that happens now: reads that return, and those who wait for a translation that has ended. */
static void tick(struct simulator *s, mmu_cycle now)
{
    for (unsigned i = 0; i < 64; i++) {
        struct load *l = &s->load[i];
        uint64_t entry = 0;
        if (!l->busy || (l->split.state == MMU_SPLIT_READ && l->when > now))
            continue;
        if (l->split.state == MMU_SPLIT_READ)
            mmu_machine_read(s->machine, l->split.pa, &entry, l->split.size);
        mmu_split_resume(s->core, l->split.token, entry, now,
                         &l->split); /* who waits may wait again: that costs nothing */
        next(s, l, now);
    }
}

static void issue(struct simulator *s, mmu_va va, mmu_cycle now)
{
    for (unsigned i = 0; i < 64; i++) {
        struct load *l = &s->load[i];
        if (l->busy)
            continue;
        struct mmu_access access = {.va = va, .size = 8, .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_USER)};
        l->busy = true;
        mmu_split_begin(s->core, &access, now, &l->split);
        next(s, l, now);
        return;
    }
}

int main(void)
{
    static const char *const sets[] = {"pager.enabled=false"};
    struct mmu_config config;
    struct mmu_error err;
    struct simulator s = {0};
    char line[1024];
    if (mmu_config_load(&config, "skylake-sp", sets, 1, &err) ||
        mmu_machine_create(&config, NULL, &s.machine, &err)) {
        fprintf(stderr, "%s\n", mmu_error_format(&err, line, sizeof line));
        return 1;
    }
    s.core = mmu_machine_core(s.machine, 0);
    set_up(s.machine);

    mmu_cycle now = 0;
    uint64_t random = 1, issued = 0;
    for (; issued < LOADS || mmu_split_in_flight(s.core); now++) {
        tick(&s, now);
        if (issued < LOADS && now % 3 == 0 && mmu_split_in_flight(s.core) < 64) {
            random = random * UINT64_C(6364136223846793005) + 1;
            issue(&s, (random >> 33) % PAGES << 12, now);
            issued++;
        }
    }

    struct mmu_stats *stats = malloc(sizeof *stats);
    if (!stats)
        return 1;
    mmu_core_stats(s.core, stats);
    uint64_t walks = stats->walk.completed[MMU_LOAD];
    printf("%s: %" PRIu64 " loads in %" PRIu64 " cycles, %" PRIu64 " walks of %" PRIu64
           " cycles in the mean, "
           "%" PRIu64 " waited for a walker, %" PRIu64 " merged\n",
           config.title, s.ended, now, walks, stats->walk_latency.sum / (walks ? walks : 1),
           stats->walk.waits[0], stats->walk.merged[MMU_LOAD]);
    bool right = s.ended == LOADS && s.wrong == 0 && walks > LOADS / 2 &&
                 mmu_stats_check(stats, &config, &err) == MMU_OK;
    free(stats);
    mmu_machine_free(s.machine);
    return right ? 0 : 1;
}
