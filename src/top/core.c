/*
 * core.c: one access of a core: its issue, its translations, its faults and their retries, its data, its
 * completion.
 *
 * Faults: the hardware's walk fails; then the fault waits until everything issued before has completed, is
 * delivered, and its handler runs (all of it ledger part "fault"); then the access is tried again. With its
 * retries it is one barrier: what follows issues when it has completed.
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
    mmu_cycle kernel;  /* cycles of fault delivery and handlers */
    mmu_cycle data;    /* m */
    mmu_cycle handler; /* barrier operations of the handler that is running */
    unsigned faults;
    bool barrier;
    int status;
};

void COLD core_notify(const struct mmu_core *c, const struct request *q, enum mmu_event_type type, mmu_va va)
{
    const struct mmu *m = &c->mmu;
    struct mmu_event event = {
        .type = (uint8_t)type,
        .kind_priv = MMU_KIND_PRIV(q->kind, q->priv),
        .outcome = q->outcome,
        .pcid = m->regime.pcid,
        .error_code = q->error_code,
        .va = va,
        .pa = q->outcome == MMU_DONE ? q->pa : 0,
        .cycle = type == MMU_EV_ACCESS ? q->issued : q->now,
        .cycles = type == MMU_EV_ACCESS ? q->now - q->issued : 0,
    };
    mmu_notify(m, &event);
}

void core_raise(struct mmu_core *c, const struct request *q)
{
    if (q->outcome == MMU_FAULT_PF) {
        c->mmu.regime.reg[MMU_REG_CR2] = q->va;
        c->run.faults_pf[0]++;
    } else if (q->outcome == MMU_FAULT_GP) {
        c->run.faults_gp[0]++;
    } else {
        c->run.faults_memory[0]++;
    }
    if (mmu_observes(&c->mmu, MMU_EV_FAULT))
        core_notify(c, q, MMU_EV_FAULT, q->va);
}

/* The kernel's handler, whose barrier operations are part of the fault. */
static bool resolve_by_os(struct step *s)
{
    struct mmu_core *c = s->core;
    c->handler = &s->handler;
    int end = os_fault(c->machine->os, c->index, s->q.va, s->q.error_code, s->q.priv);
    c->handler = NULL;
    c->run.faults_spurious[0] += end == OS_FAULT_SPURIOUS;
    s->status = end < 0 ? end : MMU_OK;
    return end > OS_FAULT_UNRESOLVED;
}

/* The operating system's turn after a #PF: true when the access is worth another try. */
static bool resolve(struct step *s)
{
    struct mmu_core *c = s->core;
    struct pager *pager = &c->machine->pager;
    struct mmu_os *os = c->machine->os;
    if ((!pager->root && !os) || s->faults == RETRIES)
        return false;
    if (os)
        return resolve_by_os(s);
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
        core_raise(c, &s->q);
        s->handler = 0;
        bool again = s->q.outcome == MMU_FAULT_PF && resolve(s);
        mmu_cycle handler = again && config->pager.enabled ? config->pager.fault_cycles : 0;
        charge_fault(s, (mmu_cycle)config->barrier.fault + handler + s->handler);
        if (!again)
            return s->q.outcome;
        c->run.faults_resolved[0]++;
        s->faults++;
    }
}

/* Translates the second page of an access that crosses into it. When both succeed, q answers for the first,
 * with the slower one's place. */
static mmu_pa COLD translate_second(struct step *s)
{
    struct request first = s->q;
    s->q.va = (first.va | PAGE_MASK) + 1;
    if (translate(s) != MMU_DONE)
        return 0;
    mmu_pa pa2 = s->q.pa;
    s->q.pa = first.pa;
    s->q.page = first.page;
    s->q.where = s->q.where > first.where ? s->q.where : first.where;
    return pa2;
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
        cycles = pcache_read(&m->pcache, pa, s->q.now)
                     .cycles; /* m is the same on both clocks: no wait for `ready` */
    s->data += cycles;
    mmu_charge(m, &s->q, MMU_PART_DATA, cycles);
}

static void complete(struct step *s)
{
    struct mmu_core *c = s->core;
    INVARIANT(ledger_sums(&c->mmu.ledger, s->q.now - s->q.issued));
    unsigned kind =
        (s->q.kind == MMU_FETCH ? TIMELINE_FETCH : TIMELINE_DATA) | (s->barrier ? TIMELINE_BARRIER : 0u);
    timeline_complete(&c->real, kind, s->q.now);
    mmu_cycle begin = c->ideal.t;
    if (s->barrier && c->ideal.busy > begin)
        begin = c->ideal.busy;
    timeline_complete(&c->ideal, kind, begin + s->kernel + s->data);
}

void core_count(struct mmu_core *c, const struct request *q, unsigned flags)
{
    c->run.accesses[q->class]++;
    c->slow[q->class]++;
    c->run.instructions[0] += q->kind == MMU_FETCH && !(flags & MMU_AF_FOLLOWS);
}

void core_result(const struct request *q, struct mmu_result *r)
{
    *r = (struct mmu_result){
        .issued = q->issued, .completed = q->now, .outcome = q->outcome, .where = q->where};
    if (q->outcome == MMU_DONE) {
        r->pa = q->pa;
        r->page_shift = q->page < MMU_PAGES ? (uint8_t)page_shift(q->page) : 0;
        return;
    }
    r->cr2 = q->va;
    r->error_code = q->outcome == MMU_FAULT_PF ? q->error_code : 0;
    r->pa = q->outcome == MMU_FAULT_MEMORY ? q->pa : 0;
}

int core_step(struct mmu_core *c, const struct mmu_access *access, struct mmu_result *result)
{
    if (core_crosses_halves(c, access->kind))
        os_enter(c->machine->os, c->index, MMU_PRIV_OF(access->kind));
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
    mmu_pa pa2 = 0;
    if (translate(&s) == MMU_DONE && UNLIKELY(crosses))
        pa2 = translate_second(&s);
    if (s.q.outcome == MMU_DONE) {
        charge_data(&s, s.q.pa);
        if (UNLIKELY(crosses))
            charge_data(&s, pa2);
    }
    complete(&s);
    core_count(c, &s.q, access->flags);
    c->run.crossings[kind] += crosses;
    if (result) {
        core_result(&s.q, result);
        result->pa2 = pa2;
        result->faults = (uint8_t)s.faults;
    }
    if (mmu_observes(&c->mmu, MMU_EV_ACCESS))
        core_notify(c, &s.q, MMU_EV_ACCESS, access->va);
    return s.status;
}
