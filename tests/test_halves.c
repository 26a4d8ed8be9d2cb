/*
 * test_halves.c: with KPTI, however accesses come: one at a time, in batches, in page runs, as executions of
 * code: the same ways into the kernel and out of it, the same times and statistics.
 *
 * The programs are random: users' and the kernel's accesses in turns, to few pages of 4 KBytes, which the
 * kernel shares. So the hits of one half, and its plain misses, are those that must not serve the other. Now
 * and then a page is touched for the first time, by either: the fault's handler goes through the halves, too.
 */
#include "dice.h"
#include "pieces.h"

#include <mmusim/mmusim.h>
#include <mmusim/process.h>
#include <mmusim/runs.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { USERS = 6, FRESH = 500, KERNELS = 2, PAGE = 4096, CHUNK = 200 };

enum way { SINGLE, RESULTS, BATCH, RUNS, EXECUTIONS, WAYS };

struct machine {
    uint32_t pid;
    struct mmu_machine *machine;
    struct mmu_core *core;
    mmu_va user, kernel; /* USERS + FRESH and KERNELS pages */
};

static void boot(struct machine *m, const char *arch, const char *features, const char *rest)
{
    static const char text[] =
        "name: halves\n"
        "cpu: {maxphyaddr: 46, features: [wp, invlpg, pse, pae, pge, long-mode, nx%s]}\n"
        "tlb:\n"
        "  ITLB: {level: 1, serves: fetch, pages: [4K, 2M], entries: 8, ways: 4}\n"
        "  DTLB: {level: 1, serves: data, pages: [4K, 2M], entries: 8, ways: 4}\n"
        "%s"
        "pager: {enabled: false}\n"
        "os: {arch: %s, ram: 256M, kpti: true}\n";
    char whole[1024], line[1024];
    struct mmu_config config;
    struct mmu_error err = {0};
    uint32_t pid;
    int n = snprintf(whole, sizeof whole, text, features, rest, arch);
    if (mmu_config_parse(&config, whole, (size_t)n, "halves", NULL, 0, &err) ||
        mmu_machine_create(&config, NULL, &m->machine, &err))
        fail_msg("%s", mmu_error_format(&err, line, sizeof line));
    struct mmu_os *os = mmu_machine_os(m->machine);
    m->core = mmu_machine_core(m->machine, 0);
    mmu_core_set_has_fetches(m->core, true);
    assert_int_equal(mmu_os_spawn(os, "halves", &pid), MMU_OS_DONE);
    assert_int_equal(mmu_os_schedule(os, pid), MMU_OS_DONE);
    m->pid = pid;
    assert_int_equal(mmu_os_mmap(os, pid, 0, (USERS + FRESH) * PAGE,
                                 MMU_PROT_READ | MMU_PROT_WRITE | MMU_PROT_EXEC,
                                 MMU_MAP_PRIVATE | MMU_MAP_ANONYMOUS, 0, 0, &m->user),
                     MMU_OS_DONE);
    assert_int_equal(mmu_os_vmalloc(os, KERNELS * PAGE, &m->kernel), MMU_OS_DONE);
    for (unsigned i = 0; i < USERS; i++) {
        struct mmu_access a = {.va = m->user + i * PAGE, .size = 1, .kind = MMU_STORE};
        assert_int_equal(mmu_core_access(m->core, &a, NULL), MMU_DONE);
    }
}

/* Stretches of one privilege; the kernel's go to its own pages and to the users'. *fresh: pages not yet
 * touched.
 */
static void choose(const struct machine *m, struct dice *d, struct mmu_access *a, unsigned n, unsigned *fresh)
{
    unsigned priv = dice_below(d, 2), page = 0;
    for (unsigned i = 0; i < n; i++) {
        if (dice_once_in(d, 6))
            priv = dice_below(d, 2);
        if (dice_once_in(d, 3))
            page = dice_below(d, 4 + dice_below(d, USERS));
        bool own = priv && (page >= USERS || dice_once_in(d, 4));
        unsigned kind = priv || dice_below(d, 3) ? MMU_LOAD + dice_below(d, 2) : MMU_FETCH;
        mmu_va va = own ? m->kernel + page % KERNELS * PAGE : m->user + page % USERS * PAGE;
        if (!own && *fresh && dice_once_in(d, 30))
            va = m->user + (USERS + FRESH - (*fresh)--) * PAGE;
        a[i] = (struct mmu_access){
            .va = va, .size = 4, .kind = MMU_KIND_PRIV(kind, priv ? MMU_SUPERVISOR : MMU_USER)};
    }
}

static void run(struct machine *m, enum way way, const struct mmu_access *a, unsigned n,
                struct mmu_result *results)
{
    struct mmu_head heads[CHUNK];
    struct mmu_runs runs = {.heads = heads, .references = a};
    switch (way) {
    case SINGLE:
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(mmu_core_access(m->core, &a[i], &results[i]), MMU_DONE);
        break;
    case RUNS:
        runs.n_heads = mmu_runs_collapse(a, n, heads);
        assert_int_equal(mmu_core_run_runs(m->core, &runs), MMU_OK);
        break;
    case EXECUTIONS:
        assert_int_equal(pieces_run(m->core, a, n), MMU_OK);
        break;
    default:
        assert_int_equal(mmu_core_run(m->core, a, n, way == RESULTS ? results : NULL), MMU_OK);
    }
}

static void same_everywhere(const char *features, const char *rest, struct dice *d)
{
    struct machine m[WAYS];
    static struct mmu_stats stats[WAYS];
    unsigned fresh = FRESH;
    for (unsigned w = 0; w < WAYS; w++)
        boot(&m[w], "x86_64", features, rest);
    for (unsigned chunk = 0; chunk < 40; chunk++) {
        struct mmu_access a[CHUNK];
        struct mmu_result results[2][CHUNK];
        unsigned n = 1 + dice_below(d, dice_once_in(d, 2) ? 8 : CHUNK);
        choose(&m[0], d, a, n, &fresh);
        memset(results, 0, sizeof results);
        for (unsigned w = 0; w < WAYS; w++) {
            assert_true(m[w].user == m[0].user && m[w].kernel == m[0].kernel);
            run(&m[w], w, a, n, results[w == RESULTS]);
            mmu_core_stats(m[w].core, &stats[w]);
            assert_int_equal(stats[w].run.mov_cr[0], stats[0].run.mov_cr[0]);
            assert_memory_equal(&stats[w], &stats[0], sizeof stats[w]);
            assert_int_equal(mmu_core_now(m[w].core), mmu_core_now(m[0].core));
        }
        assert_memory_equal(results[0], results[1], sizeof results[0]);
    }
    assert_true(stats[0].run.mov_cr[0] > 20 && stats[0].run.faults_pf[0] > USERS);
    for (unsigned w = 0; w < WAYS; w++) {
        mmu_core_check(m[w].core);
        mmu_machine_free(m[w].machine);
    }
}

static void test_ways_of_running(void **state)
{
    (void)state;
    static const char *const features[] = {"", ", pcid, invpcid"};
    static const char *const rest[] = {
        "",
        "  L2: {level: 2, serves: all, pages: [4K, 2M], entries: 64, ways: 4}\nlevels: {2: {latency: 7}}\n",
        "window: 8\n", "barrier: {mov-cr: 20, fault: 300}\n"};
    struct dice d = dice_new("halves", 1);
    for (unsigned round = dice_rounds(4); round-- > 0;)
        for (unsigned i = 0; i < 8; i++)
            same_everywhere(features[i % 2], rest[i / 2], &d);
}

/* Accesses of one core, one at a time, each probed before: the half that it would go to is asked. */
static void probe_all(const char *arch, const char *features, const char *rest, struct dice *d)
{
    static struct mmu_stats stats[2];
    struct machine m;
    unsigned fresh = FRESH, hits = 0, walks = 0, faults = 0;
    boot(&m, arch, features, rest);
    for (unsigned chunk = 0; chunk < 60; chunk++) {
        struct mmu_access a[CHUNK];
        unsigned n = 1 + dice_below(d, CHUNK);
        choose(&m, d, a, n, &fresh);
        for (unsigned i = 0; i < n; i++) {
            struct mmu_result probed, r;
            uint64_t cr3 = mmu_core_get(m.core, MMU_REG_CR3);
            mmu_core_stats(m.core, &stats[0]);
            enum mmu_outcome outcome = mmu_core_probe(m.core, &a[i], &probed);
            mmu_core_stats(m.core, &stats[1]);
            assert_memory_equal(&stats[0], &stats[1], sizeof stats[0]);
            assert_true(mmu_core_get(m.core, MMU_REG_CR3) == cr3);
            assert_int_equal(mmu_core_access(m.core, &a[i], &r), MMU_DONE);
            assert_int_equal(outcome, r.faults ? MMU_FAULT_PF : MMU_DONE);
            faults += r.faults;
            if (r.faults)
                continue;
            assert_true(probed.pa == r.pa && probed.page_shift == r.page_shift);
            assert_int_equal(probed.where, r.where);
            *(r.where == MMU_AT_WALK ? &walks : &hits) += mmu_core_get(m.core, MMU_REG_CR3) != cr3;
        }
        mmu_va page = m.user + dice_below(d, USERS) * PAGE; /* the user half's PCID misses a flush */
        for (int prot = MMU_PROT_READ; prot < 8; prot += MMU_PROT_WRITE | MMU_PROT_EXEC)
            assert_int_equal(mmu_os_mprotect(mmu_machine_os(m.machine), m.pid, page, PAGE, prot),
                             MMU_OS_DONE);
    }
    assert_true(walks > 10 && faults > 10);
    if (strstr(features, "pcid"))
        assert_true(hits > 10);
    mmu_core_check(m.core);
    mmu_machine_free(m.machine);
}

static void test_probe(void **state)
{
    (void)state;
#define SECOND(more)                                                                                         \
    "  L2: {level: 2, serves: all, pages: [4K, 2M], entries: 64, ways: 4" more                               \
    "}\nlevels: {2: {latency: 7}}\n"
    static const char *const rest[] = {"", SECOND(""), SECOND(", pcids: 0"),
                                       "psc: {pde: {entries: 4, ways: 4}, pdpte: {entries: 2, ways: 2}}\n"};
#undef SECOND
    struct dice d = dice_new("halves, probed", 2);
    for (unsigned round = dice_rounds(1); round-- > 0;)
        for (unsigned i = 0; i < sizeof rest / sizeof *rest; i++) {
            bool bound = strstr(rest[i], "pcids"); /* needs PCIDs */
            if (!bound)
                probe_all("x86_64", "", rest[i], &d);
            probe_all("x86_64", ", pcid", rest[i], &d);
            probe_all("x86_64", ", pcid, invpcid", rest[i], &d);
            if (!bound && !strstr(rest[i], "pdpte"))
                probe_all("i386_pae", "", rest[i], &d);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ways_of_running), cmocka_unit_test(test_probe)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
