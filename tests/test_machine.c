/*
 * test_machine.c: machines and cores: many of them, in threads, side by side; what probes and prefetches
 * leave untouched.
 */
#include "dice.h"
#include "rig.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BASE = 0x20000000 };

static void load(struct mmu_config *config, const char *name)
{
    char path[512];
    struct mmu_error error;
    snprintf(path, sizeof path, "%s/%s.yaml", MMUSIM_CONFIGS, name);
    if (mmu_config_load(config, path, NULL, 0, &error) != MMU_OK)
        fail_msg("%s: %s", path, error.message);
}

static struct mmu_access some_access(struct dice *dice, unsigned pages)
{
    unsigned kind = dice_below(dice, 3);
    mmu_va va = BASE + ((mmu_va)dice_below(dice, pages) << 12) + dice_below(dice, 4096);
    return (struct mmu_access){
        .va = va, .size = (uint16_t)(1 + dice_below(dice, 8)), .kind = MMU_KIND_PRIV(kind, MMU_USER)};
}

static void test_many(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_machine *m[50] = {0};
    load(&config, "haswell");
    config.memory.reads = MMU_READS_FIXED;
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 50; i++) {
            if (dice_once_in(&(struct dice){round * 50 + i}, 3)) {
                mmu_machine_free(m[i]); /* NULL at first */
                m[i] = NULL;
            }
            if (!m[i])
                assert_int_equal(mmu_machine_create(&config, NULL, &m[i], NULL), MMU_OK);
            struct dice dice = {i};
            for (unsigned k = 0; k < 50; k++) {
                struct mmu_access a = some_access(&dice, 20);
                assert_int_equal(mmu_core_access(mmu_machine_core(m[i], 0), &a, NULL), MMU_DONE);
            }
        }
    }
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(mmu_machine_config(m[i])->window, config.window);
        assert_ptr_equal(mmu_core_machine(mmu_machine_core(m[i], 0)), m[i]);
        mmu_core_check(mmu_machine_core(m[i], 0));
        mmu_machine_free(m[i]);
    }
    mmu_machine_free(NULL);
}

enum { OWN_BYTES = 0x4000 };

static bool own_read(void *memory, mmu_pa pa, unsigned size, uint64_t *value)
{
    *value = 0;
    if (pa + size > OWN_BYTES)
        return false;
    memcpy(value, (const char *)memory + pa, size);
    return true;
}

static bool own_exchange(void *memory, mmu_pa pa, unsigned size, uint64_t old, uint64_t new_value)
{
    if (memcmp((char *)memory + pa, &old, size) != 0)
        return false;
    memcpy((char *)memory + pa, &new_value, size);
    return true;
}

static void expect_refused(const struct mmu_config *config, const struct mmu_options *options,
                           const char *part)
{
    struct mmu_machine *m = NULL;
    struct mmu_error error;
    assert_int_equal(mmu_machine_create(config, options, &m, &error), MMU_ERR_INVALID);
    assert_non_null(strstr(error.message, part));
    assert_null(m);
}

static void test_refused(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_error error;
    struct mmu_machine *m = NULL;
    mmu_config_init(&config);
    config.window = 0;
    assert_int_equal(mmu_machine_create(&config, NULL, &m, &error), MMU_ERR_INVALID);
    assert_non_null(strstr(error.message, "window"));
    mmu_config_init(&config);
    config.levels = config.tlbs = 1;
    config.tlb[0] = (struct mmu_tlb_config){.name = "TLB",
                                            .level = 1,
                                            .kinds = 7,
                                            .pages = 1,
                                            .entries = 8,
                                            .ways = 8,
                                            .policy = MMU_USER_POLICY};
    assert_int_equal(mmu_machine_create(&config, NULL, &m, &error),
                     MMU_ERR_INVALID); /* no options with the functions */
    assert_non_null(strstr(error.message, "policy"));
    assert_int_equal(mmu_machine_create(&config, NULL, &m, NULL), MMU_ERR_INVALID);
    struct mmu_policy_ops policy = {0};
    expect_refused(&config, &(struct mmu_options){.policy = &policy}, "create or victim");
    mmu_config_init(&config);
    struct mmu_prefetcher_ops prefetcher = {0};
    expect_refused(&config, &(struct mmu_options){.prefetcher = &prefetcher}, "predict");
    struct mmu_memory_ops none = {.read = own_read}, ops = {own_read, own_exchange, NULL};
    expect_refused(&config, &(struct mmu_options){.memory = &ops}, "pager");
    config.pager.enabled = false;
    expect_refused(&config, &(struct mmu_options){.memory = &none}, "compare_exchange");
    assert_null(m);
}

struct job {
    const struct mmu_config *config;
    struct mmu_stats stats;
    uint64_t hash;
    bool ok;
};

static void *work(void *arg)
{
    enum { N = 4000 };
    struct job *job = arg;
    struct mmu_machine *m;
    struct mmu_access *a = calloc(N, sizeof *a);
    struct mmu_result *r = calloc(N, sizeof *r);
    struct dice dice = {5};
    job->ok = a && r && mmu_machine_create(job->config, NULL, &m, NULL) == MMU_OK;
    for (unsigned round = 0; job->ok && round < 5; round++) {
        for (unsigned i = 0; i < N; i++)
            a[i] = some_access(&dice, 4000);
        job->ok = mmu_core_run(mmu_machine_core(m, 0), a, N, r) == MMU_OK;
        for (unsigned i = 0; i < N; i++)
            job->hash = (job->hash ^ r[i].pa ^ r[i].completed) * UINT64_C(0x100000001b3);
    }
    if (job->ok) {
        mmu_core_stats(mmu_machine_core(m, 0), &job->stats);
        mmu_machine_free(m);
    }
    free(a);
    free(r);
    return NULL;
}

/* Different machines in different threads at once: all with the same results, those of a thread alone. */
static void test_threads(void **state)
{
    (void)state;
    enum { THREADS = 6 };
    static struct job job[THREADS], alone;
    struct mmu_config config;
    load(&config, "skylake-sp");
    config.pager.frames = MMU_FRAMES_RANDOM;
    config.tlb[2].policy = MMU_RANDOM;
    pthread_t thread[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        job[i] = (struct job){.config = &config};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &job[i]), 0);
    }
    alone.config = &config;
    work(&alone);
    assert_true(alone.ok && alone.stats.walk.started[MMU_LOAD] > 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_true(job[i].ok);
        assert_int_equal(job[i].hash, alone.hash);
        assert_memory_equal(&job[i].stats, &alone.stats, sizeof alone.stats);
    }
    struct mmu_config other = config; /* another seed: other frames, other victims */
    other.seed++;
    struct job changed = {.config = &other};
    work(&changed);
    assert_true(changed.ok && changed.hash != alone.hash);
}

static struct mmu_result at(struct mmu_core *core, enum mmu_kind kind, mmu_va va)
{
    struct mmu_access a = {.va = va, .size = 1, .kind = (uint8_t)kind};
    struct mmu_result r;
    (void)mmu_core_access(core, &a, &r);
    return r;
}

/* A record that is none is an assertion, for a walk to read as well, which has no use for the size. */
static void test_walk_of_no_record(void **state)
{
    (void)state;
    static const struct mmu_access wrong[] = {
        {.kind = MMU_KIND_PRIV(MMU_KINDS, MMU_USER)},
        {.kind = MMU_KIND_PRIV(MMU_LOAD, MMU_PRIVS)},
        {.kind = MMU_KIND_PRIV(MMU_FETCH, MMU_IMPLICIT)},
        {.va = UINT64_C(1) << 32},
        {.flags = 4},
    };
    struct mmu_config config;
    struct mmu_machine *m;
    struct mmu_walk walk;
    load(&config, "pentium3");
    assert_int_equal(mmu_machine_create(&config, NULL, &m, NULL), MMU_OK);
    struct mmu_core *core = mmu_machine_core(m, 0);
    assert_int_equal(mmu_core_walk(core, &(struct mmu_access){.va = BASE}, &walk), MMU_FAULT_PF);
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (!freopen("/dev/null", "w", stderr))
                _exit(2);
            mmu_core_walk(core, &wrong[i], &walk);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
    mmu_machine_free(m);
}

/* The caller's memory is the machine's: descriptors and mmu_machine_read() come from there, nothing is
 * written beside it. */
static void test_callers_memory(void **state)
{
    (void)state;
    enum { TABLE = 0x1000, DESCRIPTOR = 0x2fe9 };
    static uint64_t memory[OWN_BYTES / 8];
    struct mmu_memory_ops ops = {own_read, own_exchange, memory};
    struct mmu_config config;
    struct mmu_machine *m;
    struct mmu_error error;
    mmu_config_init(&config);
    config.pager.enabled = false;
    config.levels = config.tlbs = 1;
    config.tlb[0] = (struct mmu_tlb_config){
        .name = "TLB", .level = 1, .kinds = 7, .pages = 1 << MMU_1G, .entries = 8, .ways = 8};
    assert_int_equal(mmu_machine_create(&config, &(struct mmu_options){.memory = &ops}, &m, NULL), MMU_OK);
    struct mmu_core *core = mmu_machine_core(m, 0);
    memory[TABLE / 8] = 0x3007; /* address 0 and 1 GiB on lead to physical 0 */
    memory[0x3000 / 8] = memory[0x3000 / 8 + 1] = 0x87;
    struct mmu_registers registers = {{0}};
    registers.value[MMU_REG_CR0] = 0x80000001;
    registers.value[MMU_REG_CR4] = 1 << 5 | 1 << 17;
    registers.value[MMU_REG_EFER] = 1 << 8;
    registers.value[MMU_REG_CR3] = TABLE | 7;
    assert_int_equal(mmu_core_load(core, &registers), MMU_DONE);
    assert_int_equal(at(core, MMU_LOAD, 0x123).pa, 0x123);
    assert_int_equal(at(core, MMU_LOAD, 0x123).where, MMU_AT_L1);
    struct mmu_invpcid descriptor = {7, 0x123}; /* in two words of memory[] and parts of two more */
    memcpy((char *)memory + DESCRIPTOR, &descriptor, sizeof descriptor);
    assert_int_equal(mmu_core_invpcid_at(core, 0, (1 << 30) + DESCRIPTOR, NULL), MMU_DONE);
    assert_int_equal(at(core, MMU_LOAD, 0x123).where, MMU_AT_WALK);

    uint64_t value = 0;
    assert_int_equal(mmu_machine_read(m, TABLE, &value, 8), MMU_OK);
    assert_int_equal(value, 0x3027); /* accessed */
    assert_int_equal(mmu_machine_read(m, sizeof memory - 4, &value, 8), MMU_ERR_NORAM);
    assert_int_equal(mmu_machine_write(m, TABLE, &value, 8), MMU_ERR_UNSUPPORTED);
    assert_int_equal(mmu_machine_load_image(m, MMUSIM_CONFIGS "/README.md", 0, NULL, &error),
                     MMU_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "the caller's own"));
    assert_int_equal(mmu_machine_host_bytes(m), 0);
    mmu_machine_free(m);
}

/* Two cores: one memory, one address space of the pager, and everything else of their own. */
static void test_two_cores(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_machine *m;
    struct mmu_stats stats;
    load(&config, "skylake-sp");
    config.cores = 2;
    assert_int_equal(mmu_machine_create(&config, NULL, &m, NULL), MMU_OK);
    struct mmu_core *a = mmu_machine_core(m, 0), *b = mmu_machine_core(m, 1);
    struct mmu_result first = at(a, MMU_LOAD, BASE);
    assert_int_equal(first.faults, 1);
    assert_int_equal(mmu_core_now(b), 0); /* its own clock */
    struct mmu_result second = at(b, MMU_LOAD, BASE);
    assert_int_equal(second.faults, 0); /* mapped by the other's fault */
    assert_int_equal(second.where, MMU_AT_WALK);
    assert_int_equal(first.pa, second.pa);
    assert_int_equal(at(a, MMU_LOAD, BASE).where, MMU_AT_L1);
    assert_int_equal(at(b, MMU_LOAD, BASE).where, MMU_AT_L1);
    assert_int_equal(mmu_core_invlpg(a, BASE), MMU_DONE);
    assert_int_equal(at(b, MMU_LOAD, BASE).where, MMU_AT_L1); /* INVLPG acts on its own core */
    assert_int_equal(at(a, MMU_LOAD, BASE).where, MMU_AT_WALK);
    mmu_core_stats(b, &stats);
    assert_int_equal(stats.run.invlpg[0], 0);
    assert_int_equal(stats.run.faults_pf[0], 0);
    assert_int_equal(stats.run.accesses[MMU_LOAD], 3);
    assert_int_equal(mmu_core_set(a, MMU_REG_CPL, 3), MMU_DONE);
    assert_int_equal(mmu_core_get(b, MMU_REG_CPL), 0);
    mmu_core_check(a);
    mmu_core_check(b);
    mmu_machine_free(m);
}

/* As many cores and as wide a window as there may be: the windows cost what is used of them. */
static void test_many_cores(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_machine *m;
    load(&config, "skylake-sp");
    config.cores = MMU_MAX_CORES;
    config.window = MMU_MAX_WINDOW;
    config.memory.reads = MMU_READS_FIXED;
    assert_int_equal(mmu_machine_create(&config, NULL, &m, NULL), MMU_OK);
    for (uint32_t i = 0; i < config.cores; i++) {
        struct mmu_core *core = mmu_machine_core(m, i);
        for (unsigned page = 0; page < 4; page++)
            assert_int_equal(at(core, MMU_LOAD, BASE + page * 4096).faults, i == 0);
        mmu_core_drain(core);
        mmu_core_check(core);
    }
    mmu_machine_free(m);
}

/* Everything that can be seen of a core. */
struct picture {
    struct mmu_stats stats;
    uint64_t entries, hash;
    mmu_cycle now;
    uint64_t reg[MMU_REGS];
    uint8_t memory[64 * 4096];
};

static void add_entry(void *ctx, const struct mmu_tlb_entry *e)
{
    struct picture *p = ctx;
    p->entries++;
    p->hash = (p->hash ^ e->va ^ e->pa ^ (uint64_t)e->way << 50 ^ e->set ^ (uint64_t)e->dirty << 62) *
              UINT64_C(0x100000001b3);
}

static void take_picture(const struct rig *rig, struct picture *p)
{
    memset(p, 0, sizeof *p);
    mmu_core_stats(rig->core, &p->stats);
    for (unsigned i = 0; i < mmu_machine_config(rig->machine)->tlbs; i++)
        mmu_core_tlb_entries(rig->core, i, add_entry, p);
    p->now = mmu_core_now(rig->core);
    for (enum mmu_reg r = 0; r < MMU_REGS; r++)
        p->reg[r] = mmu_core_get(rig->core, r);
    assert_int_equal(mmu_machine_read(rig->machine, rig->root, p->memory, sizeof p->memory), MMU_OK);
}

static void map_some(struct rig *rig)
{
    struct dice dice = {9};
    for (unsigned i = 0; i < 300; i++) {
        uint64_t flags = (dice_once_in(&dice, 8) ? 0 : RIG_P) | (dice_below(&dice, 3) ? RIG_W : 0) |
                         (dice_below(&dice, 4) ? RIG_U : 0);
        flags |= dice_once_in(&dice, 4) ? RIG_XD : 0;
        flags |= dice_once_in(&dice, 10) ? RIG_G : 0;
        rig_map(rig, BASE + ((mmu_va)i << 12), 0x100000 + ((mmu_pa)i << 12), 12, flags);
    }
    rig_map(rig, BASE + 0x200000, 0x40000000, 21, RIG_P | RIG_W | RIG_U);
    rig_map(rig, BASE + 0x400000, 0x40200001 - 1 + 0x2000, 21, RIG_P | RIG_W | RIG_U); /* a reserved bit */
}

/* A probe changes nothing, and says what the access then does. */
static void test_probe(void **state)
{
    (void)state;
    static struct picture before, after;
    struct mmu_config config;
    struct rig rig;
    struct dice dice = dice_new("probe", 1);
    rig_config(&config);
    config.tlb[1].entries = config.tlb[1].ways = 16;
    config.tlb[2].entries = 64;
    unsigned wheres[MMU_AT_FAULT + 1] = {0};
    for (unsigned amd = 0; amd < 2; amd++) {
        config.walk.rewalk_before_fault = amd;
        rig_start(&rig, &config, MMU_MODE_4L);
        map_some(&rig);
        for (unsigned i = 0; i < 20000; i++) {
            struct mmu_access a = some_access(&dice, dice_once_in(&dice, 3) ? 300 + 1100 : 30);
            struct mmu_result probe, result;
            a.kind = MMU_KIND_PRIV(MMU_KIND_OF(a.kind), dice_below(&dice, 2));
            if (dice_once_in(&dice, 50))
                a.va |= UINT64_C(1) << 60; /* not canonical */
            bool look = i % 50 == 0;
            if (look)
                take_picture(&rig, &before);
            enum mmu_outcome outcome = mmu_core_probe(rig.core, &a, &probe);
            if (look) {
                take_picture(&rig, &after);
                assert_memory_equal(&before, &after, sizeof after);
            }
            assert_int_equal(outcome, probe.outcome);
            assert_int_equal(mmu_core_access(rig.core, &a, &result), outcome);
            assert_int_equal(result.pa, probe.pa);
            assert_int_equal(result.pa2, probe.pa2);
            assert_int_equal(result.cr2, probe.cr2);
            assert_int_equal(result.error_code, probe.error_code);
            assert_int_equal(result.where, probe.where);
            assert_int_equal(result.page_shift, probe.page_shift);
            wheres[result.where]++;
        }
        rig_stop(&rig);
    }
    assert_true(wheres[MMU_AT_L1] > 100 && wheres[MMU_AT_L2] > 100 && wheres[MMU_AT_WALK] > 100 &&
                wheres[MMU_AT_FAULT] > 100);
}

static void prefetch(struct rig *rig, enum mmu_kind kind, mmu_va va, enum mmu_outcome expected)
{
    struct mmu_access a = {.va = va, .size = 1, .kind = (uint8_t)kind};
    assert_int_equal(mmu_core_prefetch(rig->core, &a), expected);
}

/* A prefetch fills like an access and sets A, but never D, takes no time, and hides its fault. */
static void test_prefetch(void **state)
{
    (void)state;
    struct mmu_config config;
    struct mmu_stats stats;
    struct rig rig;
    rig_config(&config);
    rig_start(&rig, &config, MMU_MODE_4L);
    mmu_pa pte = rig_map(&rig, BASE, 0x7000, 12, RIG_P | RIG_W | RIG_U);
    rig_map(&rig, BASE + 0x1000, 0x8000, 12, RIG_P);
    mmu_cycle now = mmu_core_now(rig.core);
    prefetch(&rig, MMU_STORE, BASE, MMU_DONE);
    assert_int_equal(rig_peek(&rig, pte), 0x7000 | RIG_P | RIG_W | RIG_U | RIG_A);
    assert_int_equal(mmu_core_now(rig.core), now);
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.walk.prefetches[0], 1);
    assert_int_equal(stats.run.accesses[MMU_LOAD] + stats.run.accesses[MMU_STORE], 0);
    assert_int_equal(stats.cycles.elapsed[0], now);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, BASE, 0x7000), MMU_AT_L1);
    prefetch(&rig, MMU_STORE, BASE, MMU_DONE); /* a hit with D = 0: no dirty walk either */
    assert_false(rig_peek(&rig, pte) & RIG_D);
    assert_int_equal(mmu_core_set(rig.core, MMU_REG_CR2, 0x1234), MMU_DONE);
    size_t entries = rig_entries(&rig);
    prefetch(&rig, MMU_LOAD, BASE + 0x1000, MMU_FAULT_PF); /* a supervisor page */
    prefetch(&rig, MMU_LOAD, BASE + 0x2000, MMU_FAULT_PF); /* not present */
    prefetch(&rig, MMU_LOAD, UINT64_C(1) << 50, MMU_FAULT_GP);
    assert_int_equal(mmu_core_get(rig.core, MMU_REG_CR2), 0x1234);
    assert_int_equal(rig_entries(&rig), entries);
    rig_poke(&rig, pte, 0); /* stale: a prefetch that faults drops nothing, an access's hit still uses it */
    rig_expect(&rig, MMU_LOAD, MMU_USER, BASE, 0x7000);
    mmu_core_stats(rig.core, &stats);
    assert_int_equal(stats.run.faults_pf[0] + stats.run.faults_gp[0], 0);
    assert_int_equal(stats.walk.faulted[MMU_LOAD], 2);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),           cmocka_unit_test(test_refused),
        cmocka_unit_test(test_callers_memory), cmocka_unit_test(test_walk_of_no_record),
        cmocka_unit_test(test_threads),        cmocka_unit_test(test_two_cores),
        cmocka_unit_test(test_many_cores),     cmocka_unit_test(test_probe),
        cmocka_unit_test(test_prefetch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
