/*
 * test_split.c: the split-phase face, one behaviour after another: latencies, walkers, merging, giving up,
 * tokens, changes of registers and tables in flight, the caller's own memory, both faces of one core. Random
 * traffic is test_split_random.c's.
 */
#include "split_rig.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- latencies --- */

static void test_latencies(void **state)
{
    (void)state;
    struct rig rig;
    struct mmu_config config;
    rig_config(&config);
    config.level[0].latency = 2;
    rig_start(&rig, &config, MMU_MODE_4L);
    rig_map(&rig, 0x1000, 0x7000, 12, RIG_P | RIG_W | RIG_U);
    rig_map(&rig, 0x2000, 0x8000, 12, RIG_P | RIG_W | RIG_U | RIG_A | RIG_D);
    mmu_cycle now = 100;
    struct mmu_split s = begin(&rig, MMU_STORE, 0x1008, now);
    assert_int_equal(s.latency, LEVEL2 + START + PROBE);
    assert_int_equal(s.level, 4);
    assert_int_equal(s.size, 8);
    assert_int_equal(s.pa, rig.root);
    for (unsigned level = 3; level >= 1; level--) {
        s = answer(&rig, &s, &now, READ);
        assert_int_equal(s.state, MMU_SPLIT_READ);
        assert_int_equal(s.level, level);
        assert_int_equal(s.pa, rig_entry(&rig, rig.root, 0x1008, level, 0));
        assert_int_equal(s.latency, AD); /* of the entry above */
    }
    s = answer(&rig, &s, &now, READ);
    assert_int_equal(s.state, MMU_SPLIT_DONE);
    assert_int_equal(s.latency, AD);
    assert_int_equal(s.result.where, MMU_AT_WALK);
    assert_int_equal(s.result.pa, 0x7008);
    assert_int_equal(s.result.page_shift, 12);
    assert_int_equal(s.result.issued, 100);
    assert_int_equal(s.result.completed, now + AD);
    assert_int_equal(rig_peek(&rig, rig_entry(&rig, rig.root, 0x1000, 1, 0)) & (RIG_A | RIG_D),
                     RIG_A | RIG_D);

    s = begin(&rig, MMU_LOAD, 0x1010, now); /* the only walker is still writing; a hit does not care */
    assert_int_equal(s.state, MMU_SPLIT_DONE);
    assert_int_equal(s.latency, 2);
    assert_int_equal(s.result.where, MMU_AT_L1);
    s = begin(&rig, MMU_FETCH, 0x1010, now);
    assert_int_equal(s.result.where, MMU_AT_L2);
    assert_int_equal(s.latency, LEVEL2);
    s = begin(&rig, MMU_LOAD, 0x2000, now); /* a walk does: it starts when the walker is free */
    assert_int_equal(s.level, 1);
    assert_int_equal(s.latency, AD + START + PROBE);
    mmu_cycle early = now; /* whoever resumes before the hardware is ready is told when it will be */
    struct mmu_split done;
    mmu_split_resume(rig.core, s.token, rig_peek(&rig, s.pa), early, &done);
    assert_int_equal(done.state, MMU_SPLIT_DONE);
    assert_int_equal(done.latency, s.latency);
    assert_int_equal(WALK_STAT(&rig, waits), 1);
    rig_stop(&rig);
}

static void test_walkers_time(void **state)
{
    (void)state;
    struct rig rig;
    struct mmu_config config;
    rig_config(&config);
    config.walk.walkers = 2;
    config.psc.latency = config.walk.start = config.level[1].latency = config.walk.ad_update = 0;
    rig_start(&rig, &config, MMU_MODE_I386);
    for (unsigned i = 0; i < 4; i++)
        rig_map(&rig, 0x1000 + i * 0x400000, 0x7000, 12, RIG_P | RIG_U);
    struct mmu_split a = begin(&rig, MMU_LOAD, 0x1000, 10), b = begin(&rig, MMU_LOAD, 0x401000, 20);
    mmu_cycle now = 30;
    a = answer(&rig, &a, &now, 0);
    a = answer(&rig, &a, &now, 0); /* [10, 30) */
    assert_int_equal(a.state, MMU_SPLIT_DONE);
    now = 45;
    b = answer(&rig, &b, &now, 0);
    mmu_split_cancel(rig.core, b.token); /* counts nothing */
    b = begin(&rig, MMU_LOAD, 0x801000, 50);
    now = 55;
    b = answer(&rig, &b, &now, 0);
    b = answer(&rig, &b, &now, 0); /* [50, 55) */
    assert_int_equal(WALK_STAT(&rig, pending), 20 + 5);
    assert_int_equal(WALK_STAT(&rig, active), 20 + 5);
    a = begin(&rig, MMU_LOAD, 0xc01000, 60);
    b = begin(&rig, MMU_LOAD, 0x401000, 61);
    now = 65;
    b = answer(&rig, &b, &now, 0);
    b = answer(&rig, &b, &now, 0); /* [61, 65) */
    now = 70;
    a = answer(&rig, &a, &now, 0);
    a = answer(&rig, &a, &now, 0); /* [60, 70) */
    assert_int_equal(WALK_STAT(&rig, pending), 25 + 4 + 10);
    assert_int_equal(WALK_STAT(&rig, active), 25 + 10);

    a = begin(&rig, MMU_LOAD, 0x9001000, 100); /* one that lasts while others come and go */
    for (unsigned i = 0; i < 6; i++) {
        now = 110 + 20 * i;
        b = begin(&rig, MMU_LOAD, 0xa001000, now);
        now += 10;
        b = answer(&rig, &b, &now, 0);
        assert_int_equal(b.result.outcome, MMU_FAULT_PF);
    }
    now = 300;
    a = answer(&rig, &a, &now, 0);
    assert_int_equal(WALK_STAT(&rig, pending), 39 + 60 + 200);
    assert_int_equal(WALK_STAT(&rig, active), 35 + 200);
    rig_stop(&rig);
}
/* --- several in flight --- */

static void test_walker_limit(void **state)
{
    (void)state;
    struct rig rig;
    start_plain(&rig, 2, 4);
    mmu_cycle now = 0;
    struct mmu_split a = begin(&rig, MMU_LOAD, 0x1000, 0), b = begin(&rig, MMU_LOAD, 0x2000, 0),
                     c = begin(&rig, MMU_LOAD, 0x3000, 0);
    assert_int_equal(a.state, MMU_SPLIT_READ);
    assert_int_equal(b.state, MMU_SPLIT_READ);
    assert_int_equal(c.state, MMU_SPLIT_WAIT);
    assert_int_equal(c.behind, a.token); /* the oldest */
    assert_int_equal(c.latency, LEVEL2);
    assert_int_equal(mmu_split_in_flight(rig.core), 3);
    mmu_split_resume(rig.core, c.token, 0, now, &c); /* too early: still waits */
    assert_int_equal(c.state, MMU_SPLIT_WAIT);
    b = drive(&rig, b, &now); /* the younger one ends first: any free walker will do */
    assert_int_equal(b.result.pa, 101 << 12);
    now += b.latency;
    mmu_split_resume(rig.core, c.token, 0, now, &c);
    assert_int_equal(c.state, MMU_SPLIT_READ);
    assert_int_equal(c.latency, START + PROBE); /* the look-up was paid for */
    assert_int_equal(c.level, 1);               /* b has filled the paging-structure caches meanwhile */
    a = drive(&rig, a, &now);
    c = drive(&rig, c, &now);
    assert_int_equal(a.result.pa, 100 << 12);
    assert_int_equal(c.result.pa, 102 << 12);
    assert_int_equal(WALK_STAT(&rig, waits), 1);
    assert_int_equal(WALK_STAT(&rig, started), 3);
    assert_int_equal(WALK_STAT(&rig, merged), 0);
    rig_stop(&rig);
}

static void test_merging(void **state)
{
    (void)state;
    struct rig rig;
    start_plain(&rig, 4, 4);
    mmu_cycle now = 0;
    struct mmu_split a = begin(&rig, MMU_LOAD, 0x1000, 0), b = begin(&rig, MMU_LOAD, 0x1ff8, 1),
                     c = begin(&rig, MMU_FETCH, 0x1004, 2), e = begin(&rig, MMU_STORE, 0x1000, 3),
                     other = begin(&rig, MMU_LOAD, 0x2000, 3);
    assert_int_equal(other.state, MMU_SPLIT_READ);
    assert_int_equal(b.state, MMU_SPLIT_WAIT);
    assert_int_equal(c.state, MMU_SPLIT_WAIT); /* it will find the page in the second level */
    assert_int_equal(e.state, MMU_SPLIT_WAIT);
    assert_int_equal(b.behind, a.token);
    assert_int_equal(e.behind, a.token);
    now = 3;
    a = drive(&rig, a, &now);
    assert_int_equal(a.result.outcome, MMU_DONE);
    now += a.latency;
    mmu_split_resume(rig.core, b.token, 0, now, &b);
    assert_int_equal(b.state, MMU_SPLIT_DONE);
    assert_int_equal(b.result.where, MMU_AT_MERGE);
    assert_int_equal(b.result.pa, (100 << 12) + 0xff8);
    assert_int_equal(b.latency, 0);
    assert_int_equal(b.result.issued, 1);
    mmu_split_resume(rig.core, c.token, 0, now, &c);
    assert_int_equal(c.result.where, MMU_AT_MERGE);
    assert_int_equal(WALK_STAT(&rig, merged), 2);
    mmu_split_resume(rig.core, e.token, 0, now, &e); /* a store finds D = 0: it walks again */
    assert_int_equal(e.state, MMU_SPLIT_READ);
    e = drive(&rig, e, &now);
    assert_int_equal(e.result.where, MMU_AT_WALK);
    other = drive(&rig, other, &now);
    assert_int_equal(WALK_STAT(&rig, merged), 3);
    assert_int_equal(WALK_STAT(&rig, dirty), 1);
    assert_int_equal(WALK_STAT(&rig, started), 3);
    assert_int_equal(WALK_STAT(&rig, waits), 0);
    rig_stop(&rig);
}

/* A fault is everyone's own; kinds that share no structure do not merge. */
static void test_not_merged(void **state)
{
    (void)state;
    struct rig rig;
    start_plain(&rig, 4, 1);
    mmu_cycle now = 0;
    struct mmu_split a = begin(&rig, MMU_LOAD, 0x9000, 0), b = begin(&rig, MMU_LOAD, 0x9000, 0);
    assert_int_equal(b.state, MMU_SPLIT_WAIT);
    a = drive(&rig, a, &now);
    assert_int_equal(a.result.outcome, MMU_FAULT_PF);
    mmu_split_resume(rig.core, b.token, 0, now, &b);
    assert_int_equal(b.state, MMU_SPLIT_READ);
    b = drive(&rig, b, &now);
    assert_int_equal(b.result.outcome, MMU_FAULT_PF);
    assert_int_equal(b.result.cr2, 0x9000);
    assert_int_equal(WALK_STAT(&rig, faulted), 2);
    assert_int_equal(WALK_STAT(&rig, merged), 0);
    rig_stop(&rig);

    struct mmu_config config;
    rig_config(&config);
    config.walk.walkers = 2;
    config.levels = 1;
    config.tlbs = 2; /* ITLB, DTLB */
    rig_start(&rig, &config, MMU_MODE_4L);
    rig_map(&rig, 0x1000, 0x5000, 12, RIG_P | RIG_U);
    a = begin(&rig, MMU_LOAD, 0x1000, now);
    b = begin(&rig, MMU_FETCH, 0x1000, now);
    assert_int_equal(b.state, MMU_SPLIT_READ);
    mmu_split_cancel(rig.core, a.token);
    mmu_split_cancel(rig.core, b.token);
    rig_stop(&rig);
}

/* Two walks of one large page, for different 4-KByte pages: both fill, none twice. */
static void test_large_page_twice(void **state)
{
    (void)state;
    struct rig rig;
    start_plain(&rig, 2, 0);
    rig_map(&rig, 0x40000000, 0x80000000, 21, RIG_P | RIG_U | RIG_G);
    mmu_cycle now = 0;
    struct mmu_split a = begin(&rig, MMU_LOAD, 0x40000000, 0), b = begin(&rig, MMU_LOAD, 0x40005000, 0);
    assert_int_equal(b.state, MMU_SPLIT_READ);
    a = drive(&rig, a, &now);
    b = drive(&rig, b, &now);
    assert_int_equal(b.result.pa, 0x80005000);
    assert_int_equal(rig_entries(&rig), 2); /* one in each level */
    rig_stop(&rig);
}

/* The first of two such walks fills, then the page goes from the tables: the fault of the second drops what
 * the first filled, although its own look-up had found nothing. */
static void test_fault_drops_what_came_meanwhile(void **state)
{
    (void)state;
    struct rig rig;
    start_plain(&rig, 2, 0);
    mmu_pa pde = rig_map(&rig, 0x40000000, 0x80000000, 21, RIG_P | RIG_U);
    mmu_cycle now = 0;
    struct mmu_split a = begin(&rig, MMU_LOAD, 0x40000000, 0), b = begin(&rig, MMU_LOAD, 0x40005000, 0);
    a = drive(&rig, a, &now);
    assert_int_equal(a.result.outcome, MMU_DONE);
    assert_int_equal(rig_entries(&rig), 2);
    rig_poke(&rig, pde, 0);
    b = drive(&rig, b, &now);
    assert_int_equal(b.result.outcome, MMU_FAULT_PF);
    assert_int_equal(rig_entries(&rig), 0);
    rig_stop(&rig);
}

/* Many in flight, resumed in random order, some given up, with changes of registers and tables' flags in
 * between: every answer is what the tables say. *//* --- giving up --- */

static void test_cancel(void **state)
{
    (void)state;
    struct rig rig;
    start_plain(&rig, 1, 4);
    mmu_cycle now = 0;
    struct mmu_stats *before = stats_of(&rig);
    struct mmu_split a = begin(&rig, MMU_LOAD, 0x1000, 0), b = begin(&rig, MMU_LOAD, 0x1008, 0),
                     c = begin(&rig, MMU_LOAD, 0x2000, 0);
    assert_int_equal(b.state, MMU_SPLIT_WAIT);
    assert_int_equal(c.state, MMU_SPLIT_WAIT);
    for (unsigned level = 4; level > 1; level--)
        a = answer(&rig, &a, &now, 1);
    assert_int_equal(a.level, 1); /* the last read is asked for, and never answered */
    mmu_split_cancel(rig.core, a.token);
    assert_int_equal(rig_entries(&rig), 0);
    mmu_split_cancel(rig.core, c.token);
    struct mmu_stats *after = stats_of(&rig);
    assert_memory_equal(before, after, sizeof *before); /* no trace */
    free(before);
    free(after);
    mmu_split_resume(rig.core, b.token, 0, now, &b);
    assert_int_equal(b.state, MMU_SPLIT_READ);
    assert_int_equal(b.level, 4); /* nothing was put into the paging-structure caches */
    b = drive(&rig, b, &now);
    assert_int_equal(b.result.where, MMU_AT_WALK);
    assert_int_equal(WALK_STAT(&rig, started), 1);
    assert_int_equal(mmu_split_in_flight(rig.core), 0);
    rig_stop(&rig);
}

static void test_tokens(void **state)
{
    (void)state;
    struct rig rig;
    start_plain(&rig, 1, 4);
    mmu_token seen[100];
    mmu_cycle now = 0;
    for (unsigned i = 0; i < 100; i++) {
        struct mmu_split s = begin(&rig, MMU_LOAD, 0x1000, now);
        assert_int_equal(s.state, MMU_SPLIT_READ);
        assert_int_not_equal(s.token, 0);
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(s.token, seen[j]);
        seen[i] = s.token;
        if (i % 2) {
            mmu_split_cancel(rig.core, s.token);
        } else {
            drive(&rig, s, &now);
            rig_invlpg(&rig, 0x1000);
        }
    }
    rig_stop(&rig);
}

/* Misuse ends the process, not the simulation's truth. */
enum misuse { RESUME_NOTHING, RESUME_ENDED, CANCEL_TWICE, RESUME_ANOTHERS, CLOCK_BACKWARDS, CROSSING };

static void misuse(enum misuse how)
{
    struct rig rig;
    start_plain(&rig, 1, 2);
    mmu_cycle now = 10;
    struct mmu_access crossing = {.va = 0x1ffc, .size = 8, .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_USER)};
    struct mmu_split a = begin(&rig, MMU_LOAD, 0x1000, now), done;
    if (how == RESUME_NOTHING)
        mmu_split_resume(rig.core, 0, 0, now, &done);
    if (how == CLOCK_BACKWARDS)
        begin(&rig, MMU_LOAD, 0x2000, now - 1);
    if (how == CROSSING)
        mmu_split_begin(rig.core, &crossing, now, &done);
    if (how == RESUME_ENDED)
        drive(&rig, a, &now);
    else
        mmu_split_cancel(rig.core, a.token);
    if (how == RESUME_ANOTHERS)
        begin(&rig, MMU_LOAD, 0x2000, now); /* in the same slot */
    if (how == CANCEL_TWICE)
        mmu_split_cancel(rig.core, a.token);
    else
        mmu_split_resume(rig.core, a.token, 0, now, &done);
}

static void test_misuse(void **state)
{
    (void)state;
    for (enum misuse how = RESUME_NOTHING; how <= CROSSING; how++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (!freopen("/dev/null", "w", stderr))
                _exit(2);
            misuse(how);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

/* --- changes in flight --- */

static void test_invlpg_in_flight(void **state)
{
    (void)state;
    struct rig rig;
    start_plain(&rig, 1, 2);
    mmu_cycle now = 0;
    mmu_pa pte = rig_entry(&rig, rig.root, 0x1000, 1, 0);
    struct mmu_split s = begin(&rig, MMU_LOAD, 0x1000, 0);
    for (unsigned level = 4; level > 1; level--)
        s = answer(&rig, &s, &now, 0);
    assert_int_equal(s.pa, pte);
    uint64_t stale = rig_peek(&rig, pte);
    rig_poke(&rig, pte, (UINT64_C(500) << 12) | RIG_P | RIG_U);
    rig_invlpg(&rig, 0x1000);
    now += s.latency;
    mmu_split_resume(rig.core, s.token, stale, now, &s); /* the data was read before */
    assert_int_equal(s.state, MMU_SPLIT_READ);
    assert_int_equal(s.level, 4);
    s = drive(&rig, s, &now);
    assert_int_equal(s.result.pa, UINT64_C(500) << 12);
    assert_int_equal(whole_load(&rig, 0x1000).result.pa, UINT64_C(500) << 12);
    assert_int_equal(WALK_STAT(&rig, started), 1);
    assert_int_equal(WALK_STAT(&rig, references), 4);
    rig_stop(&rig);
}

static void test_registers_in_flight(void **state)
{
    (void)state;
    struct rig rig;
    start_plain(&rig, 2, 2);
    mmu_cycle now = 0;
    mmu_pa other = rig_root(&rig);
    rig_map_in(&rig, other, 0x1000, 0x77000, 12, RIG_P | RIG_U);
    struct mmu_split s = begin(&rig, MMU_LOAD, 0x1000, 0),
                     far = begin(&rig, MMU_LOAD, UINT64_C(0x7f0000002000), 0);
    s = answer(&rig, &s, &now, 0);
    rig_set(&rig, MMU_REG_CR3, other);
    s = drive(&rig, s, &now);
    assert_int_equal(s.result.pa, 0x77000);
    assert_true(rig_cached(&rig, 0x1000, 0));

    s = begin(&rig, MMU_LOAD, 0x3000, now); /* paging is turned off: linear is physical */
    rig_set(&rig, MMU_REG_CR3, rig.root);
    struct mmu_registers off = {{0}};
    off.value[MMU_REG_CR0] = RIG_PE;
    assert_int_equal(mmu_core_load(rig.core, &off), MMU_DONE);
    mmu_split_resume(rig.core, s.token, 0, now, &s);
    assert_int_equal(s.state, MMU_SPLIT_DONE);
    assert_int_equal(s.result.pa, 0x3000);
    assert_int_equal(s.result.where, MMU_AT_NOPAGING);
    mmu_split_resume(rig.core, far.token, 0, now,
                     &far); /* an address that no physical address of 46 bits equals */
    assert_int_equal(far.state, MMU_SPLIT_DONE);
    assert_int_equal(far.result.outcome, MMU_FAULT_GP);
    assert_int_equal(mmu_split_in_flight(rig.core), 0);
    rig_stop(&rig);
}

/* --- the caller's own memory --- */

struct memory {
    unsigned reads, exchanges;
    uint64_t word[8192]; /* 64 KBytes from 0 on */
    uint64_t *change;    /* before the next exchange this word becomes ... */
    uint64_t to;
};

static bool read_own(void *ctx, mmu_pa pa, unsigned size, uint64_t *value)
{
    struct memory *m = ctx;
    assert_int_equal(size, 8);
    m->reads++;
    if (pa / 8 >= sizeof m->word / sizeof *m->word)
        return false;
    *value = m->word[pa / 8];
    return true;
}

static bool exchange_own(void *ctx, mmu_pa pa, unsigned size, uint64_t old, uint64_t new_value)
{
    struct memory *m = ctx;
    assert_int_equal(size, 8);
    m->exchanges++;
    if (m->change) {
        *m->change = m->to;
        m->change = NULL;
    }
    if (m->word[pa / 8] != old)
        return false;
    m->word[pa / 8] = new_value;
    return true;
}

static struct mmu_machine *own_machine(struct memory *memory)
{
    struct mmu_config config;
    struct mmu_machine *machine;
    struct mmu_memory_ops ops = {read_own, exchange_own, memory};
    struct mmu_options options = {.memory = &ops};
    struct mmu_registers r = {{0}};
    rig_config(&config);
    assert_int_equal(mmu_machine_create(&config, &options, &machine, NULL), MMU_OK);
    r.value[MMU_REG_CR0] = RIG_PG | RIG_PE | RIG_WP;
    r.value[MMU_REG_CR3] = 0x1000;
    r.value[MMU_REG_CR4] = RIG_PAE;
    r.value[MMU_REG_EFER] = RIG_LME;
    assert_int_equal(mmu_core_load(mmu_machine_core(machine, 0), &r), MMU_DONE);
    for (unsigned level = 4; level > 1; level--) /* tables at 0x1000 .. 0x4000 */
        memory->word[(5 - level) * 512] = (uint64_t)(6 - level) << 12 | RIG_P | RIG_W | RIG_U;
    memory->word[4 * 512 + 5] = 0x123000 | RIG_P | RIG_W | RIG_U; /* maps 0x5000 */
    return machine;
}

static void test_exchange_fails(void **state)
{
    (void)state;
    struct memory memory = {0};
    struct mmu_machine *machine = own_machine(&memory);
    struct mmu_core *core = mmu_machine_core(machine, 0);
    struct mmu_access access = access_of(MMU_STORE, MMU_USER, 0x5008);
    struct mmu_split s;
    unsigned reads = 0;
    mmu_split_begin(core, &access, 0, &s);
    for (; s.state == MMU_SPLIT_READ && s.level > 2; reads++)
        mmu_split_resume(core, s.token, memory.word[s.pa / 8], 0, &s);
    /* while the PDE is in our hands as one that forbids writes, another processor changes it */
    uint64_t *pde = &memory.word[s.pa / 8], right = *pde;
    *pde = right & ~(uint64_t)RIG_W;
    memory.change = pde;
    memory.to = right;
    mmu_pa pa = s.pa;
    mmu_split_resume(core, s.token, *pde, 0, &s);
    assert_int_equal(s.state, MMU_SPLIT_READ);
    assert_int_equal(s.level, 2);
    assert_int_equal(s.pa, pa);
    assert_int_equal(*pde, right); /* nothing was written */
    for (; s.state == MMU_SPLIT_READ; reads++)
        mmu_split_resume(core, s.token, memory.word[s.pa / 8], 0, &s);
    assert_int_equal(s.result.outcome, MMU_DONE); /* what the old entry said does not count */
    assert_int_equal(s.result.pa, 0x123008);
    assert_int_equal(reads, 4);
    assert_int_equal(memory.exchanges, 5);
    assert_int_equal(memory.reads, 0); /* the caller reads for us */
    assert_int_equal(memory.word[4 * 512 + 5] & (RIG_A | RIG_D), RIG_A | RIG_D);
    mmu_core_check(core);

    /* the same from mmu_core_access(): a table's entry that turns writable in between, then a leaf */
    *pde = 0x4000 | RIG_P | RIG_U;
    memory.change = pde;
    memory.to = 0x4000 | RIG_P | RIG_W | RIG_U;
    assert_int_equal(mmu_core_set(core, MMU_REG_CR3, 0x1000), MMU_DONE);
    assert_int_equal(mmu_core_access(core, &access, NULL), MMU_DONE);
    assert_int_equal(*pde, memory.to | RIG_A);
    memory.word[4 * 512 + 6] = 0x456000 | RIG_P | RIG_U;
    memory.change = &memory.word[4 * 512 + 6];
    memory.to = 0x789000 | RIG_P | RIG_W | RIG_U;
    struct mmu_result result;
    access.va = 0x6000;
    access.kind = MMU_KIND_PRIV(MMU_LOAD, MMU_USER);
    assert_int_equal(mmu_core_access(core, &access, &result), MMU_DONE);
    assert_int_equal(result.pa, 0x789000);
    mmu_core_check(core);
    mmu_machine_free(machine);
}

static void test_unanswered(void **state)
{
    (void)state;
    struct memory memory = {0};
    struct mmu_machine *machine = own_machine(&memory);
    struct mmu_core *core = mmu_machine_core(machine, 0);
    struct mmu_access access = access_of(MMU_LOAD, MMU_USER, 0x5008);
    struct mmu_split s;
    memory.word[3 * 512] = UINT64_C(0x100000000) | RIG_P | RIG_W | RIG_U; /* the PDE points to nowhere */
    mmu_split_begin(core, &access, 7, &s);
    while (s.level > 1)
        mmu_split_resume(core, s.token, memory.word[s.pa / 8], 7, &s);
    assert_int_equal(s.pa, UINT64_C(0x100000000) + 5 * 8);
    mmu_split_unanswered(core, s.token, 9, &s);
    assert_int_equal(s.state, MMU_SPLIT_DONE);
    assert_int_equal(s.result.outcome, MMU_FAULT_MEMORY);
    assert_int_equal(s.result.pa, UINT64_C(0x100000000) + 5 * 8);
    assert_int_equal(s.result.cr2, 0x5008);
    mmu_core_check(core);
    mmu_machine_free(machine);
}

/* --- both faces of one core, and observers --- */

struct heard {
    unsigned n[MMU_EVENTS];
};

static void hear(void *ctx, struct mmu_core *core, const struct mmu_event *event)
{
    (void)core;
    ((struct heard *)ctx)->n[event->type]++;
}

static void test_both_faces(void **state)
{
    (void)state;
    struct rig rig;
    start_plain(&rig, 1, 8);
    struct heard heard = {{0}};
    struct mmu_observer observer = {.mask = (1u << MMU_EVENTS) - 1, .notify = hear, .ctx = &heard};
    mmu_core_observe(rig.core, &observer);
    mmu_cycle now = UINT64_C(1) << 50; /* far ahead of the core's clock */
    struct mmu_split s = begin(&rig, MMU_LOAD, 0x1000, now);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, 0x2000, 101 << 12), MMU_AT_WALK); /* meanwhile */
    s = drive(&rig, s, &now);
    assert_int_equal(heard.n[MMU_EV_MISS], 2);
    assert_int_equal(heard.n[MMU_EV_WALK], 2);
    assert_int_equal(heard.n[MMU_EV_ACCESS], 2);
    assert_int_equal(heard.n[MMU_EV_FILL], 4);
    assert_int_equal(rig_expect(&rig, MMU_LOAD, MMU_USER, 0x1000, 100 << 12),
                     MMU_AT_L1); /* no wait for another clock */
    s = begin(&rig, MMU_LOAD, 0x2000, now);
    assert_int_equal(s.result.where, MMU_AT_L1);
    s = begin(&rig, MMU_LOAD, 0x20000, now);
    s = drive(&rig, s, &now);
    assert_int_equal(s.result.outcome, MMU_FAULT_PF);
    assert_int_equal(heard.n[MMU_EV_FAULT], 1);
    mmu_core_observe(rig.core, NULL);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_latencies),
        cmocka_unit_test(test_walkers_time),
        cmocka_unit_test(test_walker_limit),
        cmocka_unit_test(test_merging),
        cmocka_unit_test(test_not_merged),
        cmocka_unit_test(test_large_page_twice),
        cmocka_unit_test(test_fault_drops_what_came_meanwhile),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_invlpg_in_flight),
        cmocka_unit_test(test_registers_in_flight),
        cmocka_unit_test(test_exchange_fails),
        cmocka_unit_test(test_unanswered),
        cmocka_unit_test(test_both_faces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
