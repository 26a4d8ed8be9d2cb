/* flush.c: TLB flushes and switches of page directories. See flush.h. */
#include "kspace.h"

#define USER_PCID BIT(11) /* X86_CR3_PTI_PCID_USER_BIT */

uint64_t flush_cr3(const struct mmu_os *os, const struct mmu_os_pgd *pgd, uint16_t asid, bool user)
{
    const struct kspace_traits *t = &os->kspace->traits;
    uint64_t pcid = t->pcid ? asid + 1u : 0;
    if (!user || !t->kpti)
        return pgd->root | pcid;
    return pgd->user_root | pcid | (t->pcid ? USER_PCID : 0);
}

uint64_t flush_half_cr3(const struct mmu_os *os, uint32_t cpu, bool user)
{
    const struct flush_cpu *c = &os->kspace->cpu[cpu];
    bool keep = os->kspace->traits.pcid && !(user && (c->user_stale >> c->asid & 1));
    return flush_cr3(os, c->loaded, c->asid, user) | (keep ? CR3_NOFLUSH : 0);
}

static void load_cr3(struct mmu_os *os, uint32_t cpu, bool user, bool keep)
{
    const struct flush_cpu *c = &os->kspace->cpu[cpu];
    uint64_t value = flush_cr3(os, c->loaded, c->asid, user);
    if (keep && os->kspace->traits.pcid)
        value |= CR3_NOFLUSH;
    REQUIRE(port_set(os->hw[cpu], MMU_REG_CR3, value) == MMU_DONE);
}

/* To CPL 0, and SWITCH_TO_KERNEL_CR3. */
struct flush_origin flush_enter(struct mmu_os *os, uint32_t cpu)
{
    struct flush_cpu *c = &os->kspace->cpu[cpu];
    const struct flush_origin from = {port_get(os->hw[cpu], MMU_REG_CPL), c->user};
    if (from.cpl)
        REQUIRE(port_set(os->hw[cpu], MMU_REG_CPL, 0) == MMU_DONE);
    c->user = false;
    if (from.user)
        load_cr3(os, cpu, false, true);
    return from;
}

/* SWITCH_TO_USER_CR3: a user PCID that missed flushes is flushed now. */
static void to_user(struct mmu_os *os, uint32_t cpu)
{
    struct flush_cpu *c = &os->kspace->cpu[cpu];
    bool stale = c->user_stale >> c->asid & 1;
    c->user_stale &= (uint16_t) ~(1u << c->asid);
    c->user = true;
    load_cr3(os, cpu, true, !stale);
}

void flush_leave(struct mmu_os *os, uint32_t cpu, struct flush_origin to)
{
    if (to.user)
        to_user(os, cpu);
    if (to.cpl)
        REQUIRE(port_set(os->hw[cpu], MMU_REG_CPL, to.cpl) == MMU_DONE);
}

/* invalidate_user_asid() */
static void user_is_stale(struct mmu_os *os, struct flush_cpu *c, uint16_t asid)
{
    if (os->kspace->traits.kpti && os->kspace->traits.pcid)
        c->user_stale |= (uint16_t)(1u << asid);
}

/* flush_tlb_local(): what is not global, of this PCID. */
static void flush_current(struct mmu_os *os, uint32_t cpu)
{
    struct flush_cpu *c = &os->kspace->cpu[cpu];
    user_is_stale(os, c, c->asid);
    REQUIRE(port_set(os->hw[cpu], MMU_REG_CR3, port_get(os->hw[cpu], MMU_REG_CR3)) == MMU_DONE);
}

/* __flush_tlb_all(): everything of this CPU. */
static void flush_everything(struct mmu_os *os, uint32_t cpu)
{
    const struct kspace_traits *t = &os->kspace->traits;
    struct mmu *m = os->hw[cpu];
    if (t->invpcid) {
        static const struct mmu_invpcid none;
        REQUIRE(port_invpcid(m, 2, &none) == MMU_DONE);
    } else if (t->pge) {
        uint64_t cr4 = port_get(m, MMU_REG_CR4);
        REQUIRE(port_set(m, MMU_REG_CR4, cr4 ^ CR4_PGE) == MMU_DONE);
        REQUIRE(port_set(m, MMU_REG_CR4, cr4) == MMU_DONE);
    } else {
        flush_current(os, cpu);
    }
}

/* flush_tlb_one_user(): the page in the kernel half's PCID, and with KPTI in the user half's. */
static void flush_one(struct mmu_os *os, uint32_t cpu, mmu_va va)
{
    const struct kspace_traits *t = &os->kspace->traits;
    struct flush_cpu *c = &os->kspace->cpu[cpu];
    if (!t->invlpg) {
        flush_current(os, cpu);
        return;
    }
    REQUIRE(port_invlpg(os->hw[cpu], va) == MMU_DONE);
    if (!t->kpti || !t->pcid)
        return;
    if (t->invpcid) {
        const struct mmu_invpcid user = {.pcid = (c->asid + 1u) | USER_PCID, .va = va};
        REQUIRE(port_invpcid(os->hw[cpu], 0, &user) == MMU_DONE);
    } else {
        user_is_stale(os, c, c->asid);
    }
}

/* flush_tlb_one_kernel(): kernel pages are not global with KPTI, so other PCIDs may hold this one. */
static void flush_one_kernel(struct mmu_os *os, uint32_t cpu, mmu_va va)
{
    flush_one(os, cpu, va);
    if (os->kspace->traits.kpti)
        os->kspace->cpu[cpu].invalidate_other = true;
}

/* ----- kernel ranges ----- */

void flush_kernel_range(struct mmu_os *os, mmu_va start, mmu_va end)
{
    if (start == end)
        return;
    bool all = (end - start + PAGE_MASK) >> PAGE_SHIFT > FLUSH_CEILING;
    for (uint32_t cpu = 0; cpu < os->cores; cpu++) {
        struct flush_origin from = flush_enter(os, cpu);
        if (all)
            flush_everything(os, cpu);
        for (mmu_va va = start; !all && va - start < end - start; va += PAGE_SIZE)
            flush_one_kernel(os, cpu, va);
        flush_leave(os, cpu, from);
    }
}

void flush_all(struct mmu_os *os)
{
    for (uint32_t cpu = 0; cpu < os->cores; cpu++) {
        struct flush_origin from = flush_enter(os, cpu);
        flush_everything(os, cpu);
        flush_leave(os, cpu, from);
    }
}

void flush_local_page(struct mmu_os *os, mmu_va va)
{
    struct flush_origin from = flush_enter(os, os->current);
    flush_one_kernel(os, os->current, va);
    flush_leave(os, os->current, from);
}

void flush_local_all(struct mmu_os *os)
{
    struct flush_origin from = flush_enter(os, os->current);
    flush_everything(os, os->current);
    flush_leave(os, os->current, from);
}

/* ----- a process's range ----- */

struct flush_range {
    mmu_va start, end;
    unsigned shift;
    bool full;
    uint64_t tlb_gen; /* that this flush brings */
};

/* flush_tlb_func(): catches up with the page directory that is loaded here; page by page only if this flush
 * is the one that was missing. */
static void catch_up(struct mmu_os *os, uint32_t cpu, const struct flush_range *r)
{
    struct flush_cpu *c = &os->kspace->cpu[cpu];
    uint64_t *local = &c->ctx[c->asid].tlb_gen, now = c->loaded->tlb_gen;
    if (r->tlb_gen <= *local || *local == now)
        return;
    struct flush_origin from = flush_enter(os, cpu);
    if (r->full || r->tlb_gen != *local + 1 || r->tlb_gen != now)
        flush_current(os, cpu);
    else
        for (mmu_va va = r->start; va < r->end; va += UINT64_C(1) << r->shift)
            flush_one(os, cpu, va);
    *local = now;
    flush_leave(os, cpu, from);
}

void flush_mm_range(struct mmu_os *os, struct mmu_os_pgd *pgd, mmu_va start, mmu_va end, unsigned shift)
{
    struct flush_range r = {
        .start = start, .end = end, .shift = shift, .full = (end - start) >> shift > FLUSH_CEILING};
    REQUIRE(pgd != &os->kspace->init);
    r.tlb_gen = ++pgd->tlb_gen;
    for (uint32_t cpu = 0; cpu < os->cores; cpu++)
        if (pgd->cpus >> cpu & 1)
            catch_up(os, cpu, &r);
}

/* ----- switches ----- */

/* clear_asid_other(): what the other ASIDs hold of the kernel may be stale. */
static void forget_others(struct flush_cpu *c)
{
    for (uint16_t a = 0; a < FLUSH_ASIDS; a++)
        if (a != c->asid)
            c->ctx[a].ctx_id = 0;
    c->invalidate_other = false;
}

/* choose_new_asid(): the one that tags the page directory's entries already, else the next in turn. True:
 * what it tags must be flushed. */
static bool choose_asid(struct mmu_os *os, struct flush_cpu *c, const struct mmu_os_pgd *next, uint16_t *asid)
{
    *asid = 0;
    if (!os->kspace->traits.pcid)
        return true;
    if (c->invalidate_other)
        forget_others(c);
    for (*asid = 0; *asid < FLUSH_ASIDS; ++*asid)
        if (c->ctx[*asid].ctx_id == next->ctx_id)
            return c->ctx[*asid].tlb_gen < next->tlb_gen;
    *asid = c->next_asid++;
    if (*asid >= FLUSH_ASIDS) {
        *asid = 0;
        c->next_asid = 1;
    }
    return true;
}

void flush_switch(struct mmu_os *os, uint32_t cpu, struct mmu_os_pgd *next, bool user)
{
    struct flush_cpu *c = &os->kspace->cpu[cpu];
    user = user && os->kspace->traits.kpti;
    if (c->loaded == next && c->user == user)
        return;
    const struct flush_origin from = flush_enter(os, cpu);
    if (c->loaded != next) {
        uint16_t asid;
        bool flush = choose_asid(os, c, next, &asid);
        c->loaded->cpus &= ~BIT(cpu);
        next->cpus |= BIT(cpu);
        c->loaded = next;
        c->asid = asid;
        if (flush) {
            c->ctx[asid].ctx_id = next->ctx_id;
            c->ctx[asid].tlb_gen = next->tlb_gen;
            user_is_stale(os, c, asid);
        }
        load_cr3(os, cpu, false, !flush);
    }
    flush_leave(os, cpu, (struct flush_origin){from.cpl, user});
}

void flush_cpu_init(struct mmu_os *os, uint32_t cpu)
{
    struct flush_cpu *c = &os->kspace->cpu[cpu];
    *c = (struct flush_cpu){.loaded = &os->kspace->init, .next_asid = 1};
    c->ctx[0].ctx_id = os->kspace->init.ctx_id;
    c->loaded->cpus |= BIT(cpu);
}
