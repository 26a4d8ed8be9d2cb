/* test_process_faults.c: a process with the mappings of a recorded one makes the same accesses: outcome,
 * signal and error code are those that Linux gave. */
#include "kspace_rig.h"
#include <mmusim/process.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>

enum { PAGE = 4096, RW = MMU_PROT_READ | MMU_PROT_WRITE, RX = MMU_PROT_READ | MMU_PROT_EXEC };

static const struct recording {
    const char *name, *cpu, *os;
} recordings[] = {
    {"i386-512m", CPU_P3, "{arch: i386, ram: 512M}"},
    {"pae-1536m", CPU_NX, "{arch: i386_pae, ram: 1536M}"},
    {"amd64-1g", CPU_K8, "{arch: x86_64, ram: 1G}"},
};

/* How each region of the recorded process came about. */
static const struct region {
    const char *name;
    int prot;  /* at the mmap */
    int touch; /* then: 0 nothing, 1 a read, 2 a write */
    int then;  /* mprotect; -1: none */
    bool file; /* of 3000 bytes */
    unsigned pages;
} regions[] = {
    {"anon_rw", RW, 0, -1, false, 1},
    {"none_untouched", MMU_PROT_NONE, 0, -1, false, 1},
    {"none_touched", RW, 2, MMU_PROT_NONE, false, 1},
    {"ro_after_write", RW, 2, MMU_PROT_READ, false, 1},
    {"ro_after_write_p3", MMU_PROT_READ, 1, -1, false, 1},
    {"ro_untouched", MMU_PROT_READ, 1, -1, false, 1},
    {"file_ro", MMU_PROT_READ, 0, -1, true, 1},
    {"exec_anon", RX, 0, -1, false, 1},
    {"rwx_anon", RW | MMU_PROT_EXEC, 0, -1, false, 1},
    {"own_text", RX, 0, -1, true, 1},
    {"file_inside", MMU_PROT_READ, 0, -1, true, 2},
};

struct line {
    char region[32], op;
    mmu_va va;
    bool ok;
    char signal[8];
    unsigned code, error, trap;
};

static bool parse(const char *text, struct line *l)
{
    unsigned long long va, at;
    char rest[16];
    memset(l, 0, sizeof *l);
    if (text[0] == '#' || sscanf(text, "%31s %llx %c %15s", l->region, &va, &l->op, rest) != 4)
        return false;
    l->va = va;
    l->ok = strcmp(rest, "OK") == 0;
    if (!l->ok)
        assert_int_equal(sscanf(text, "%*s %*s %*c signal=%7s si_code=%u si_addr=%llx trapno=%u error=%x",
                                l->signal, &l->code, &at, &l->trap, &l->error),
                         5);
    return true;
}

struct world {
    struct kspace_rig rig;
    uint32_t pid, file;
    char mapped[32]; /* region that was made last */
};

static struct mmu_result access_at(struct world *w, mmu_va va, char op)
{
    enum mmu_kind kind = op == 'R' ? MMU_LOAD : op == 'W' ? MMU_STORE : MMU_FETCH;
    struct mmu_access a = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(kind, MMU_USER)};
    struct mmu_result r;
    assert_int_equal(mmu_core_run(rig_core(&w->rig), &a, 1, &r), MMU_OK);
    return r;
}

static void make_region(struct world *w, const struct line *l)
{
    for (size_t i = 0; i < COUNT_OF(regions); i++) {
        const struct region *g = &regions[i];
        mmu_va page = l->va & ~(mmu_va)0xfff, va;
        if (strcmp(g->name, l->region) != 0 || strcmp(w->mapped, l->region) == 0)
            continue;
        int flags = MMU_MAP_PRIVATE | MMU_MAP_FIXED | (g->file ? 0 : MMU_MAP_ANONYMOUS);
        assert_int_equal(mmu_os_mmap(w->rig.os, w->pid, page, g->pages * PAGE, g->prot, flags,
                                     g->file ? w->file : 0, 0, &va),
                         MMU_OS_DONE);
        if (g->touch)
            assert_int_equal(access_at(w, page, g->touch == 1 ? 'R' : 'W').outcome, MMU_DONE);
        if (g->then >= 0)
            assert_int_equal(mmu_os_mprotect(w->rig.os, w->pid, page, PAGE, g->then), MMU_OS_DONE);
    }
    snprintf(w->mapped, sizeof w->mapped, "%s", l->region);
}

static void check_line(struct world *w, const struct line *l, const char *text)
{
    struct mmu_os_signal s;
    struct mmu_result r = access_at(w, l->va, l->op);
    mmu_os_signal(w->rig.os, 0, &s);
    bool same;
    if (l->ok)
        same = r.outcome == MMU_DONE;
    else if (l->trap == 13)
        same = r.outcome == MMU_FAULT_GP;
    else if (strcmp(l->signal, "BUS") == 0)
        same = s.kind == MMU_SIG_BUS_ADRERR && l->code == 2;
    else
        same = s.kind == (l->code == 1 ? MMU_SIG_SEGV_MAPERR : MMU_SIG_SEGV_ACCERR);
    if (!l->ok && l->trap == 14)
        same = same && s.error_code == l->error && s.address == l->va && s.pid == w->pid;
    if (!same)
        fail_msg("%s: outcome %d, %s, error 0x%x at 0x%llx", text, (int)r.outcome,
                 mmu_os_signal_text((enum mmu_os_signal_kind)s.kind), s.error_code,
                 (unsigned long long)s.address);
}

static void as_linux_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(recordings); i++) {
        struct world w = {0};
        char command[512], text[512];
        unsigned lines = 0;
        mmu_va top;
        rig_boot(&w.rig, recordings[i].cpu, 1, recordings[i].os);
        assert_int_equal(mmu_os_spawn(w.rig.os, "probe", &w.pid), MMU_OS_DONE);
        assert_int_equal(mmu_os_schedule(w.rig.os, w.pid), MMU_OS_DONE);
        assert_int_equal(mmu_os_file(w.rig.os, "file", NULL, 3000, &w.file), MMU_OS_DONE);
        struct mmu_os_task t;
        mmu_os_task(w.rig.os, w.pid, &t);
        top = t.start_stack - (1 << 20); /* the recorded stack lay elsewhere */
        assert_int_equal(mmu_os_munmap(w.rig.os, w.pid, top, 1 << 20), MMU_OS_DONE);
        snprintf(command, sizeof command, "gzip -dc '%s/kernel/%s/faults.txt.gz'", MMUSIM_TEST_DATA,
                 recordings[i].name);
        FILE *f = popen(command, "r");
        assert_non_null(f);
        while (fgets(text, sizeof text, f)) {
            struct line l;
            if (!parse(text, &l))
                continue;
            make_region(&w, &l);
            check_line(&w, &l, text);
            lines++;
        }
        assert_int_equal(pclose(f), 0);
        assert_true(lines > 60);
        rig_free(&w.rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_linux_answered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
