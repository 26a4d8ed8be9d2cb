/*
 * core.c: one access of a core: its issue, its translations, its faults and their retries, its data, its completion.
 *
 * Faults: the hardware's walk fails; then the fault waits until everything issued before has completed, is delivered, and its handler runs (all of it ledger part
 * "fault"); then the access is tried again. With its retries it is one barrier: what follows issues when it has completed.
 */
#include "error.h"
#include "machine.h"
#include <string.h>

enum { RETRIES = 8 }; /* at most; (8 + 2) translations fit a ledger */

/* What an access is, on its way through core_step(). */
struct step {
    struct mmu_core *core;
    const struct mmu_access *access;
    struct request q;
    mmu_cycle kernel; /* cycles of fault delivery and handlers */
    mmu_cycle data;   /* m */
    unsigned faults;
    bool barrier;
    int status;
};

static void COLD notify(const struct step *s, enum mmu_event_type type, mmu_va va)
{
    const struct mmu *m = &s->core->mmu;
    struct mmu_event event = {
        .type = (uint8_t)type,
        .kind_priv = s->access->kind,
        .outcome = s->q.outcome,
        .pcid = m->regime.pcid,
        .error_code = s->q.error_code,
        .va = va,
        .pa = s->q.outcome == MMU_DONE ? s->q.pa : 0,
        .cycle = type == MMU_EV_ACCESS ? s->q.issued : s->q.now,
        .cycles = type == MMU_EV_ACCESS ? s->q.now - s->q.issued : 0,
    };
    mmu_notify(m, &event);
}

/* The operating system's turn after a #PF: true when the access is worth another try. */
static bool resolve(struct step *s)
{
    struct mmu_core *c = s->core;
    struct pager *pager = &c->machine->pager;
    if (!pager->root || s->faults == RETRIES)
        return false;
    if (s->q.error_code & MMU_PF_P) { /* the tables may permit it by now: a stale entry */
        struct mmu_walk now;
        struct mmu_access byte = *s->access;
        byte.va = s->q.va;
        mmu_look(&c->mmu, &byte, &now);
        c->run.faults_spurious[0] += now.outcome == MMU_DONE;
        return now.outcome == MMU_DONE;
    }
    s->status = pager_map(pager, &c->mmu, s->q.va);
    return s->status == MMU_OK;
}

/* A fault's time: the wait for what came before, the delivery, the handler. */
static void charge_fault(struct step *s, mmu_cycle kernel)
{
    struct mmu_core *c = s->core;
    if (c->real.busy > s->q.now)
        mmu_charge(&c->mmu, &s->q, MMU_PART_FAULT, c->real.busy - s->q.now);
    mmu_charge(&c->mmu, &s->q, MMU_PART_FAULT, kernel);
    s->kernel += kernel;
    s->barrier = true;
}

/* Translates the byte at q.va, faults resolved as far as they can be. */
static enum mmu_outcome translate(struct step *s)
{
    struct mmu_core *c = s->core;
    const struct mmu_config *config = &c->machine->config;
    for (;;) {
        if (mmu_translate(&c->mmu, &s->q) == MMU_DONE)
            return MMU_DONE;
        if (s->q.outcome == MMU_FAULT_PF) {
            c->mmu.regime.reg[MMU_REG_CR2] = s->q.va;
            c->run.faults_pf[0]++;
        } else if (s->q.outcome == MMU_FAULT_GP) {
            c->run.faults_gp[0]++;
        } else {
            c->run.faults_memory[0]++;
        }
        if (mmu_observes(&c->mmu, MMU_EV_FAULT))
            notify(s, MMU_EV_FAULT, s->q.va);
        bool again = s->q.outcome == MMU_FAULT_PF && resolve(s);
        charge_fault(s, (mmu_cycle)config->barrier.fault + (again ? config->pager.fault_cycles : 0));
        if (!again)
            return s->q.outcome;
        c->run.faults_resolved[0]++;
        s->faults++;
    }
}

/* m: the time of a load or store at pa. */
static void charge_data(struct step *s, mmu_pa pa)
{
    struct mmu *m = &s->core->mmu;
    const struct mmu_memory_config *memory = &m->config->memory;
    mmu_cycle cycles = 0;
    if (s->q.kind == MMU_FETCH || memory->data == MMU_DATA_NONE)
        return;
    if (memory->data == MMU_DATA_FIXED)
        cycles = s->data ? 0 : memory->data_latency; /* once, also for an access that crosses */
    else
        cycles = pcache_read(&m->pcache, pa, 0).cycles;
    s->data += cycles;
    mmu_charge(m, &s->q, MMU_PART_DATA, cycles);
}

static void complete(struct step *s)
{
    struct mmu_core *c = s->core;
    unsigned kind = (s->q.kind == MMU_FETCH ? TIMELINE_FETCH : TIMELINE_DATA) | (s->barrier ? TIMELINE_BARRIER : 0u);
    timeline_complete(&c->real, kind, s->q.now);
    mmu_cycle begin = c->ideal.t;
    if (s->barrier && c->ideal.busy > begin)
        begin = c->ideal.busy;
    timeline_complete(&c->ideal, kind, begin + s->kernel + s->data);
}

static void count(struct step *s, bool crosses)
{
    struct mmu_core *c = s->core;
    c->run.accesses[s->q.class]++;
    c->slow[s->q.class]++;
    c->run.crossings[s->q.kind] += crosses;
    c->run.instructions[0] += s->q.kind == MMU_FETCH && !(s->access->flags & MMU_AF_FOLLOWS);
}

static void fill_result(const struct step *s, mmu_pa pa, mmu_pa pa2, unsigned page, unsigned where, struct mmu_result *r)
{
    *r = (struct mmu_result){
        .issued = s->q.issued,
        .completed = s->q.now,
        .outcome = s->q.outcome,
        .faults = (uint8_t)s->faults,
        .where = (uint8_t)where,
    };
    if (s->q.outcome == MMU_DONE) {
        r->pa = pa;
        r->pa2 = pa2;
        r->page_shift = page < MMU_PAGES ? (uint8_t)page_shift(page) : 0;
        return;
    }
    r->cr2 = s->q.va;
    r->error_code = s->q.outcome == MMU_FAULT_PF ? s->q.error_code : 0;
    r->pa = s->q.outcome == MMU_FAULT_MEMORY ? s->q.pa : 0;
}

int core_step(struct mmu_core *c, const struct mmu_access *access, struct mmu_result *result)
{
    uint64_t g = core_gap(c, access);
    struct step s = {.core = c, .access = access};
    unsigned kind = MMU_KIND_OF(access->kind), priv = MMU_PRIV_OF(access->kind);
    s.q.va = access->va;
    s.q.kind = (uint8_t)kind;
    s.q.priv = (uint8_t)priv;
    s.q.class = (uint8_t)CLASS(kind, priv);
    s.q.issued = s.q.now = timeline_issue(&c->real, g);
    timeline_issue(&c->ideal, g);
    c->mmu.ledger.n = 0;

    bool crosses = (access->va & PAGE_MASK) + access->size > PAGE_SIZE;
    mmu_pa pa = 0, pa2 = 0;
    unsigned page = 0, where = 0;
    if (translate(&s) == MMU_DONE) {
        pa = s.q.pa;
        page = s.q.page;
        where = s.q.where;
        if (UNLIKELY(crosses)) {
            s.q.va = (access->va | PAGE_MASK) + 1;
            if (translate(&s) == MMU_DONE) {
                pa2 = s.q.pa;
                where = s.q.where > where ? s.q.where : where;
            }
        }
        if (s.q.outcome == MMU_DONE) {
            charge_data(&s, pa);
            if (UNLIKELY(crosses))
                charge_data(&s, pa2);
        }
    }
    complete(&s);
    count(&s, crosses);
    if (result)
        fill_result(&s, pa, pa2, page, s.q.outcome == MMU_DONE ? where : MMU_AT_FAULT, result);
    if (mmu_observes(&c->mmu, MMU_EV_ACCESS))
        notify(&s, MMU_EV_ACCESS, access->va);
    return s.status;
}
