/* machine.c: machines made and freed, and the operations of a core that are not accesses. See
 * <mmusim/machine.h>. */
#include "machine.h"
#include "error.h"
#include "port.h"
#include <string.h>

static void barrier(struct mmu_core *c, enum mmu_barrier what, bool pdptes_read);

static int init_core(struct mmu_machine *machine, struct mmu_core *c, uint32_t index,
                     const struct mmu_options *options)
{
    c->machine = machine;
    c->index = index;
    int status = mmu_init(&c->mmu, &machine->config, &machine->phys, options, index);
    c->mmu.core = c;
    c->mmu.barrier = barrier;
    if (status == MMU_OK)
        status = timeline_init(&c->real, machine->config.window, true, &c->mmu.ledger);
    if (status == MMU_OK)
        status = timeline_init(&c->ideal, machine->config.window, false, NULL);
    mmu_core_set_has_fetches(c, true);
    return status;
}

/* What answers: what the config says, or, below a kernel, what its firmware reports. */
static int set_up_memory(struct mmu_machine *m, const struct mmu_options *options, struct mmu_error *err)
{
    struct mmu_ram_range ram[MMU_MAX_E820 + 8];
    struct phys_range range[MMU_MAX_E820 + 8];
    size_t n = m->config.memory.ram_ranges;
    int status = phys_init(&m->phys, m->config.cpu.maxphyaddr);
    if (options->memory)
        m->phys.ops = *options->memory;
    memcpy(ram, m->config.memory.ram, n * sizeof *ram);
    if (status == MMU_OK && m->config.os.enabled)
        status = os_ram(&m->config, ram, COUNT_OF(ram), &n, err);
    if (status != MMU_OK || n == 0)
        return status;
    for (size_t i = 0; i < n; i++)
        range[i] = (struct phys_range){ram[i].start, ram[i].start + ram[i].size};
    return phys_set_ram(&m->phys, range, n);
}

static int start_os(struct mmu_machine *m, struct mmu_error *err)
{
    struct mmu *hw[MMU_MAX_CORES];
    for (uint32_t i = 0; i < m->cores; i++)
        hw[i] = &m->core[i].mmu;
    int status = os_create(&m->config, hw, m->cores, &m->os, err);
    for (uint32_t i = 0; i < m->cores && status == MMU_OK; i++)
        m->core[i].halves = os_has_halves(m->os);
    return status;
}

static int start_pager(struct mmu_machine *m)
{
    pager_init(&m->pager, &m->config);
    int status = pager_make_root(&m->pager, &m->core[0].mmu);
    for (uint32_t i = 0; i < m->cores && status == MMU_OK; i++)
        REQUIRE(pager_enter(&m->pager, &m->core[i].mmu, &m->config.cpu) == MMU_DONE);
    return status;
}

/* A structure whose policy is the caller's own (only TLBs may: mmu_config_check), or NULL. */
static const struct mmu_tlb_config *wants_user_policy(const struct mmu_config *c)
{
    for (uint32_t i = 0; i < c->tlbs; i++)
        if (c->tlb[i].policy == MMU_USER_POLICY)
            return &c->tlb[i];
    return NULL;
}

static int check_options(const struct mmu_config *config, const struct mmu_options *options,
                         struct mmu_error *err)
{
    const struct mmu_tlb_config *users = wants_user_policy(config);
    if (users && !options->policy)
        return err_set(
            err, MMU_ERR_INVALID,
            "tlb.%s.replacement: user is the policy of a program that gives one (struct mmu_options); "
            "expected one of mmusim's own",
            users->name);
    if (users && !(options->policy->create && options->policy->victim))
        return err_set(err, MMU_ERR_INVALID, "the caller's own replacement policy lacks create or victim");
    if (options->prefetcher && !options->prefetcher->predict)
        return err_set(err, MMU_ERR_INVALID, "the caller's own prefetcher lacks predict");
    if (config->pager.enabled && options->memory)
        return err_set(err, MMU_ERR_INVALID,
                       "the demand pager cannot write the caller's own memory: disable the pager");
    if (config->os.enabled && options->memory)
        return err_set(err, MMU_ERR_INVALID,
                       "a kernel cannot write the caller's own memory: expected a machine without os");
    if (options->memory && !(options->memory->read && options->memory->compare_exchange))
        return err_set(err, MMU_ERR_INVALID, "the caller's own memory lacks read or compare_exchange");
    return MMU_OK;
}

int mmu_machine_create(const struct mmu_config *config, const struct mmu_options *options,
                       struct mmu_machine **out, struct mmu_error *err)
{
    static const struct mmu_options none;
    options = options ? options : &none;
    int status = mmu_config_check(config, err);
    if (status != MMU_OK)
        return status;
    if ((status = check_options(config, options, err)) != MMU_OK)
        return status;
    struct mmu_machine *m = calloc(1, sizeof *m);
    struct mmu_core *core = calloc(config->cores, sizeof *core);
    if (!m || !core) {
        free(m);
        free(core);
        return err_set(err, MMU_ERR_NOMEM, "no host memory for a machine");
    }
    m->config = *config;
    m->core = core;
    m->cores = config->cores;
    status = set_up_memory(m, options, err);
    for (uint32_t i = 0; i < m->cores && status == MMU_OK; i++)
        status = init_core(m, &m->core[i], i, options);
    if (status == MMU_OK && config->os.enabled && (status = start_os(m, err)) != MMU_OK) {
        mmu_machine_free(m);
        return status; /* it has said why */
    }
    if (status == MMU_OK && config->pager.enabled)
        status = start_pager(m);
    if (status != MMU_OK) {
        mmu_machine_free(m);
        return err_set(err, status,
                       status == MMU_ERR_EXHAUSTED ? "memory.ram: too small for the pager's first page table"
                                                   : "no host memory for a machine");
    }
    *out = m;
    return MMU_OK;
}

void mmu_machine_free(struct mmu_machine *machine)
{
    if (!machine)
        return;
    os_free(machine->os);
    pager_free(&machine->pager);
    for (uint32_t i = 0; i < machine->cores; i++) {
        mmu_destroy(&machine->core[i].mmu);
        timeline_destroy(&machine->core[i].real);
        timeline_destroy(&machine->core[i].ideal);
        split_free(&machine->core[i]);
    }
    phys_destroy(&machine->phys);
    free(machine->core);
    free(machine);
}

struct mmu_os *mmu_machine_os(struct mmu_machine *machine)
{
    return machine->os;
}

const struct mmu_config *mmu_machine_config(const struct mmu_machine *machine)
{
    return &machine->config;
}

struct mmu_core *mmu_machine_core(struct mmu_machine *machine, uint32_t index)
{
    REQUIRE(index < machine->cores);
    return &machine->core[index];
}

struct mmu_machine *mmu_core_machine(struct mmu_core *core)
{
    return core->machine;
}

int mmu_machine_read(const struct mmu_machine *machine, mmu_pa pa, void *to, size_t size)
{
    return phys_read(&machine->phys, pa, to, size);
}

int mmu_machine_write(struct mmu_machine *machine, mmu_pa pa, const void *from, size_t size)
{
    return phys_write(&machine->phys, pa, from, size);
}

void mmu_machine_clear_memory(struct mmu_machine *machine)
{
    phys_clear(&machine->phys);
}

uint64_t mmu_machine_host_bytes(const struct mmu_machine *machine)
{
    return phys_host_bytes(&machine->phys);
}

uint64_t mmu_core_get(const struct mmu_core *core, enum mmu_reg reg)
{
    REQUIRE(reg < MMU_REGS);
    return core->mmu.regime.reg[reg];
}

enum mmu_mode mmu_core_mode(const struct mmu_core *core)
{
    return core->mmu.regime.mode;
}

/* ... that a fault's handler executes: the fault has waited already, and its access takes the cycles. */
static void charge_handler(struct mmu_core *c, mmu_cycle cycles, bool pdptes_read)
{
    struct request q = {.now = c->real.t, .split = true}; /* adds up, writes no ledger */
    if (pdptes_read)
        mmu_charge_read(&c->mmu, &q, 3, c->mmu.regime.root);
    *c->handler += cycles + q.now - c->real.t;
}

/*
 * A barrier operation: waits until everything has completed, takes its cycles, and holds back everything
 * after it. In PAE mode a load of the PDPTE registers is one read of 32 bytes more.
 */
static void barrier(struct mmu_core *c, enum mmu_barrier what, bool pdptes_read)
{
    const struct mmu_barrier_config *config = &c->machine->config.barrier;
    const struct {
        uint64_t *count;
        mmu_cycle cycles;
    } of[] = {[MMU_BARRIER_MOV_CR] = {&c->run.mov_cr[0], config->mov_cr},
              [MMU_BARRIER_INVLPG] = {&c->run.invlpg[0], config->invlpg},
              [MMU_BARRIER_INVPCID] = {&c->run.invpcid[0], config->invpcid}};
    struct mmu *m = &c->mmu;
    ++*of[what].count;
    if (c->handler) {
        charge_handler(c, of[what].cycles, pdptes_read);
        return;
    }
    timeline_drain(&c->real);
    timeline_drain(&c->ideal);
    struct request q = {.issued = timeline_issue(&c->real, 0)};
    q.now = q.issued;
    mmu_cycle ideal = timeline_issue(&c->ideal, 0);
    m->ledger.n = 0;
    if (pdptes_read)
        mmu_charge_read(m, &q, 3, m->regime.root);
    mmu_charge(m, &q, MMU_PART_BARRIER, of[what].cycles);
    timeline_complete(&c->real, TIMELINE_BARRIER, q.now);
    timeline_complete(&c->ideal, TIMELINE_BARRIER, ideal + of[what].cycles);
}

enum mmu_outcome mmu_core_set(struct mmu_core *core, enum mmu_reg reg, uint64_t value)
{
    return port_set(&core->mmu, reg, value);
}

enum mmu_outcome mmu_core_load(struct mmu_core *core, const struct mmu_registers *registers)
{
    enum mmu_outcome outcome = mmu_load_registers(&core->mmu, registers);
    if (outcome == MMU_DONE)
        barrier(core, MMU_BARRIER_MOV_CR, core->mmu.regime.mode == MMU_MODE_PAE);
    return outcome;
}

enum mmu_outcome mmu_core_task_switch(struct mmu_core *core, uint64_t cr3)
{
    bool pdptes_read;
    enum mmu_outcome outcome = mmu_task_switch(&core->mmu, cr3, &pdptes_read);
    if (outcome == MMU_DONE)
        barrier(core, MMU_BARRIER_MOV_CR, pdptes_read);
    return outcome;
}

enum mmu_outcome mmu_core_invlpg(struct mmu_core *core, mmu_va va)
{
    return port_invlpg(&core->mmu, va);
}

enum mmu_outcome mmu_core_invpcid(struct mmu_core *core, uint64_t type, const struct mmu_invpcid *descriptor)
{
    return port_invpcid(&core->mmu, type, descriptor);
}

/* The bytes that an access just reached. */
static bool read_back(const struct mmu_core *c, mmu_va va, const struct mmu_result *r, void *to, size_t size)
{
    size_t first = (size_t)(PAGE_SIZE - (va & PAGE_MASK));
    first = first < size ? first : size;
    return phys_read(&c->machine->phys, r->pa, to, first) == MMU_OK &&
           (first == size ||
            phys_read(&c->machine->phys, r->pa2, (uint8_t *)to + first, size - first) == MMU_OK);
}

enum mmu_outcome mmu_core_invpcid_at(struct mmu_core *core, uint64_t type, mmu_va descriptor,
                                     struct mmu_result *result)
{
    struct mmu_result own;
    struct mmu_invpcid value;
    result = result ? result : &own;
    memset(result, 0, sizeof *result);
    if (!core->mmu.regime.cpu.invpcid || core->mmu.regime.reg[MMU_REG_CPL] > 0) {
        result->outcome = core->mmu.regime.cpu.invpcid ? MMU_FAULT_GP : MMU_FAULT_UD;
        return result->outcome;
    }
    struct mmu_access load = {
        .va = descriptor, .size = sizeof value, .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_SUPERVISOR)};
    enum mmu_outcome outcome = mmu_core_access(core, &load, result);
    if (outcome != MMU_DONE)
        return outcome;
    if (!read_back(core, descriptor, result, &value, sizeof value))
        return result->outcome = MMU_FAULT_MEMORY;
    return result->outcome = (uint8_t)mmu_core_invpcid(core, type, &value);
}

void mmu_core_set_has_fetches(struct mmu_core *core, bool has_fetches)
{
    uint32_t cpi = core->machine->config.cpi;
    core->has_fetches = has_fetches;
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        core->gap[0][kind] = kind == MMU_FETCH || !has_fetches ? cpi : 0;
        core->gap[1][kind] = 0;
    }
}

enum mmu_outcome mmu_core_access(struct mmu_core *core, const struct mmu_access *access,
                                 struct mmu_result *result)
{
    struct mmu_result own;
    REQUIRE(core_accepts(core, access));
    result = result ? result : &own;
    (void)core_step(core, access, result);
    INVARIANT(timeline_sums(&core->real));
    return result->outcome;
}

void mmu_core_ledger(const struct mmu_core *core, struct mmu_ledger *ledger)
{
    *ledger = core->mmu.ledger;
}

static struct request request_of(const struct mmu_access *access, mmu_va va)
{
    unsigned kind = MMU_KIND_OF(access->kind), priv = MMU_PRIV_OF(access->kind);
    return (struct request){
        .va = va, .kind = (uint8_t)kind, .priv = (uint8_t)priv, .class = (uint8_t)CLASS(kind, priv)};
}

enum mmu_outcome mmu_core_probe(const struct mmu_core *core, const struct mmu_access *access,
                                struct mmu_result *result)
{
    struct mmu_result own;
    REQUIRE(core_accepts(core, access));
    result = result ? result : &own;
    memset(result, 0, sizeof *result);
    bool crosses = (access->va & PAGE_MASK) + access->size > PAGE_SIZE;
    bool other = core_crosses_halves(core, access->kind); /* KPTI's, not the page's */
    uint64_t cr3 = other ? os_half_cr3(core->machine->os, core->index, MMU_PRIV_OF(access->kind)) : 0;
    for (unsigned half = 0; half <= crosses; half++) {
        struct request q = request_of(access, half ? (access->va | PAGE_MASK) + 1 : access->va);
        result->outcome =
            (uint8_t)(other ? mmu_probe_behind(&core->mmu, cr3, &q) : mmu_probe(&core->mmu, &q));
        if (result->outcome != MMU_DONE) {
            result->cr2 = q.va;
            result->error_code = q.error_code;
            result->pa = result->outcome == MMU_FAULT_MEMORY ? q.pa : 0;
            result->pa2 = 0;
            result->page_shift = 0;
            result->where = MMU_AT_FAULT;
            return result->outcome;
        }
        *(half ? &result->pa2 : &result->pa) = q.pa;
        result->where = q.where > result->where ? q.where : result->where;
        if (!half && q.page < MMU_PAGES)
            result->page_shift = (uint8_t)page_shift(q.page);
    }
    result->issued = result->completed = core->real.t;
    return MMU_DONE;
}

enum mmu_outcome mmu_core_prefetch(struct mmu_core *core, const struct mmu_access *access)
{
    REQUIRE(core_accepts(core, access));
    struct request q = request_of(access, access->va);
    if (q.kind == MMU_STORE) /* never sets D */
        q.kind = MMU_LOAD;
    q.class = (uint8_t)CLASS(q.kind, q.priv);
    q.silent = true;
    q.issued = q.now = core->real.t;
    return mmu_translate(&core->mmu, &q);
}

enum mmu_outcome mmu_core_walk(const struct mmu_core *core, const struct mmu_access *access,
                               struct mmu_walk *walk)
{
    struct mmu_access byte = *access;
    byte.size = 1;
    REQUIRE(core_accepts(core, &byte));
    mmu_look(&core->mmu, &byte, walk);
    return walk->outcome;
}

void mmu_core_stats(const struct mmu_core *core, struct mmu_stats *stats)
{
    uint64_t fast[CLASSES];
    memset(stats, 0, sizeof *stats);
    stats->run = core->run;
    for (unsigned c = 0; c < CLASSES; c++)
        fast[c] = core->run.accesses[c] - core->slow[c];
    mmu_stats_fill(&core->mmu, fast, stats);
    split_stats(core, stats);
    memcpy(stats->cycles.stalled, core->real.stalled, sizeof core->real.stalled);
    stats->cycles.issue[0] = core->real.issue;
    stats->cycles.elapsed[0] = timeline_tail(&core->real, stats->cycles.stalled);
    stats->cycles.ideal[0] = timeline_tail(&core->ideal, NULL);
}

mmu_cycle mmu_core_now(const struct mmu_core *core)
{
    return core->real.t;
}

void mmu_core_drain(struct mmu_core *core)
{
    timeline_drain(&core->real);
    timeline_drain(&core->ideal);
}

void mmu_core_observe(struct mmu_core *core, const struct mmu_observer *observer)
{
    static const struct mmu_observer nobody;
    core->mmu.observer = observer ? *observer : nobody;
    REQUIRE(!core->mmu.observer.mask || core->mmu.observer.notify);
}

int mmu_core_classify(struct mmu_core *core, bool on)
{
    return mmu_classify(&core->mmu, on);
}

void mmu_core_tlb_entries(const struct mmu_core *core, uint32_t structure,
                          void (*each)(void *ctx, const struct mmu_tlb_entry *entry), void *ctx)
{
    REQUIRE(structure < core->mmu.tlbs);
    const struct tlb *t = &core->mmu.tlb[structure];
    for (uint32_t i = 0; i < t->sets * t->ways; i++) {
        uint64_t tag = t->tag[i];
        const struct tlb_entry *e = &t->entry[i];
        if (!tag)
            continue;
        struct mmu_tlb_entry out = {
            .va = (mmu_va)((int64_t)(tag << (64 - TLB_VPN_BITS)) >> (64 - TLB_VPN_BITS - PAGE_SHIFT)),
            .pa = e->base,
            .structure = (uint16_t)structure,
            .pcid = tlb_tag_pcid(tag),
            .set = i / t->ways,
            .way = i % t->ways,
            .page = (uint8_t)tlb_tag_page(tag),
            .page_shift = (uint8_t)page_shift(e->origin),
            .key = e->key,
            .global = tag & TLB_GLOBAL,
            .writable = e->rights & RIGHT_W,
            .user = e->rights & RIGHT_U,
            .no_execute = e->rights & RIGHT_X,
            .dirty = e->dirty,
        };
        each(ctx, &out);
    }
}

void mmu_core_check(const struct mmu_core *core)
{
    mmu_check(&core->mmu);
    split_check(core);
    REQUIRE(core->real.issue == core->ideal.issue && core->real.t >= core->ideal.t);
    struct mmu_stats *stats = malloc(sizeof *stats);
    struct mmu_error err;
    REQUIRE(stats);
    mmu_core_stats(core, stats);
    if (mmu_stats_check(stats, &core->machine->config, &err) != MMU_OK) {
        fprintf(stderr, "mmusim: %s\n", err.message);
        abort();
    }
    free(stats);
}
