/*
 * batch.c: many accesses at once.
 *
 * While nothing is unfinished and first-level hits take no time, a hit is hot.h and a few additions to
 * registers; everything else is core_step(). The counts that a hit owes (references by kind, the clocks, the
 * data accesses of the window) are kept in locals and settled before each step.
 */
#include "error.h"
#include "machine.h"
#include "pass.h"
#include <mmusim/runs.h>
#include <string.h>

enum {
    AHEAD_PDE = 28,
    AHEAD_TABLE = 20,
    AHEAD_PTE = 12
}; /* records between asking the host for a part of a walk and walking */

enum { MEMBERS_MOST = 65536 }; /* heads at once, so that sums of their members fit 32 bits */

static void open_tab(const struct mmu_core *c, struct tab *tab)
{
    tab->t = c->real.t;
    tab->gaps = tab->waited = tab->ideal_waited = 0;
    tab->clock = c->mmu.clock;
    tab->pending = NOTHING;
    for (unsigned kind = 0; kind < MMU_KINDS; kind++)
        tab->kinds[kind] = 0;
}

/* The ledger of a plain second-level hit, for whoever waits for it outside the loop. */
static void write_second(struct mmu_core *c, const struct tab *tab)
{
    struct mmu_ledger *ledger = &c->mmu.ledger;
    ledger->n = 1;
    ledger->segment[0].part = MMU_PART_SECOND;
    ledger->segment[0].cycles = c->machine->config.level[1].latency;
    timeline_blocking_complete(&c->real, tab->issued, tab->issued + ledger->segment[0].cycles);
}

static void settle(struct mmu_core *c, struct tab *tab)
{
    uint64_t n = 0;
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        c->run.accesses[CLASS(kind, MMU_USER)] += tab->kinds[kind];
        n += tab->kinds[kind];
    }
    c->run.instructions[0] += tab->kinds[MMU_FETCH];
    uint64_t data = n - tab->kinds[MMU_FETCH];
    if (tab->pending == SECOND)
        write_second(c, tab);
    else if (tab->pending == WALK) /* whoever waits for it now, timeline_wait() books it */
        plain_unstalled_far(&c->mmu, &tab->plain, UINT64_MAX);
    tab->pending = NOTHING;
    timeline_skip(&c->ideal, n, data, tab->gaps, tab->ideal_waited);
    timeline_skip(&c->real, n, data, tab->gaps, tab->waited);
    c->mmu.clock = tab->clock;
}

/* A hit that the tab takes for something else: a kernel's, or a second record of its instruction. */
static void count_special(struct mmu_core *c, const struct mmu_access *a, unsigned kind)
{
    c->run.accesses[CLASS(kind, MMU_PRIV_OF(a->kind))]++;
    c->run.accesses[CLASS(kind, MMU_USER)]--;
    c->run.instructions[0] -= kind == MMU_FETCH && (a->flags & MMU_AF_FOLLOWS);
}

/* W = 1: only the latest access can be unfinished, and one with gap g that could issue at t waits for it.
 * Books the wait, returns it. */
ALWAYS_INLINE mmu_cycle wait_for_latest(struct mmu_core *c, struct tab *tab, mmu_cycle t, uint64_t g)
{
    if (tab->pending != NOTHING) { /* translation only: the ideal clock does not wait */
        mmu_cycle rest = c->real.busy - t;
        if (tab->pending == SECOND)
            tab->plain.stalled += rest;
        else
            plain_unstalled(&c->mmu, &tab->plain, t - tab->issued);
        tab->pending = NOTHING;
        tab->waited += rest;
        return rest;
    }
    mmu_cycle waited = timeline_wait(&c->real, t) - t;
    mmu_cycle ideal = c->ideal.t + tab->gaps + tab->ideal_waited + g;
    tab->waited += waited;
    tab->ideal_waited += timeline_wait(&c->ideal, ideal) -
                         ideal; /* kernel cycles; when the real clock need not wait, it need not */
    return waited;
}

static void fill_result(const struct hot_entry *e, const struct mmu_access *a, mmu_cycle t,
                        struct mmu_result *r)
{
    *r = (struct mmu_result){
        .pa = hot_translate(e, a->va),
        .issued = t,
        .completed = t,
        .outcome = MMU_DONE,
        .where = MMU_AT_L1,
        .page_shift = e->page_shift,
    };
}

/* A first-level hit at t. */
ALWAYS_INLINE void take_hit(struct hot *hot, struct hot_entry *e, const struct mmu_access *a, unsigned kind,
                            mmu_cycle t, uint64_t clock, struct mmu_result *result)
{
    hot_touch(e, clock);
    if (UNLIKELY(e->slot))
        hot->hits[e->slot][kind]++;
    if (result)
        fill_result(e, a, t, result);
}

/* What follows a record: `left` of them with this one, one every `stride` places. */
struct ahead {
    size_t left, stride;
};

/*
 * The access that was just run walked: asks the host for what the walks to come will read. Only where walks
 * come one after another: most records ahead of a lonely one will hit.
 */
static inline void look_ahead(struct mmu_core *c, const struct mmu_access *a, struct ahead ahead,
                              struct walked *last)
{
    bool dense = last->left - ahead.left < AHEAD_PDE;
    last->left = ahead.left;
    if (dense && ahead.left > AHEAD_PDE)
        mmu_look_ahead(&c->mmu, a[AHEAD_PDE * ahead.stride].va, a[AHEAD_TABLE * ahead.stride].va,
                       a[AHEAD_PTE * ahead.stride].va);
}

/* Steps one access; false: stop (status). */
static bool step(struct mmu_core *c, const struct mmu_access *a, struct ahead ahead, struct walked *last,
                 struct mmu_result *result, int *status)
{
    if (UNLIKELY(!core_accepts(c, a))) {
        *status = MMU_ERR_INVALID;
        return false;
    }
    uint64_t walks = c->mmu.walk_latency.count;
    *status = core_step(c, a, result);
    if (c->mmu.walk_latency.count != walks)
        look_ahead(c, a, ahead, last);
    return *status == MMU_OK;
}

/* The same from within a batch: the tab is settled before and opened again. */
static bool step_aside(struct mmu_core *c, const struct mmu_access *a, struct ahead ahead, struct tab *tab,
                       struct walked *last, struct mmu_result *result, int *status)
{
    settle(c, tab);
    bool more = step(c, a, ahead, last, result, status);
    plain_calm(&c->mmu);
    mmu_hot_settle(&c->mmu);
    c->recent.stale = true;
    open_tab(c, tab);
    return more;
}

/* A plain miss of a blocking core, which issues at t: on the tab like a hit, with a completion. PLAIN_NOT and
 * PLAIN_FIRST: nothing has changed. */
ALWAYS_INLINE enum plain_verdict miss(struct mmu_core *c, const struct mmu_access *a, mmu_cycle t,
                                      unsigned kind, unsigned class, struct tab *tab,
                                      struct mmu_result *result)
{
    struct plain_spot spot;
    mmu_pa pa = 0;
    mmu_cycle done;
    if ((a->va & PAGE_MASK) + (uint64_t)a->size - 1 >= PAGE_SIZE)
        return PLAIN_NOT;
    if (UNLIKELY(tab->pending == WALK)) { /* nobody waited for it, and its ledger is about to be replaced */
        plain_unstalled_far(&c->mmu, &tab->plain, UINT64_MAX);
        tab->pending = NOTHING;
    }
    c->mmu.clock = tab->clock;
    enum plain_verdict verdict = plain_second(&c->mmu, &tab->plain, a->va, kind, class, &spot, &pa);
    if (LIKELY(verdict == PLAIN_SECOND)) {
        done = t + c->machine->config.level[1].latency;
    } else {
        struct plain x = {.va = a->va, .kind = kind, .class = class, .spot = spot, .now = t};
        if (verdict != PLAIN_WALK)
            return verdict;
        if (!plain_walk(&c->mmu, &tab->plain, &x))
            return PLAIN_NOT;
        done = x.now;
        pa = x.pa;
    }
    tab->clock = c->mmu.clock;
    tab->pending = verdict == PLAIN_SECOND ? SECOND : WALK;
    tab->issued = t;
    timeline_blocking_complete(&c->real, t, done);
    if (result)
        *result = (struct mmu_result){.pa = pa,
                                      .issued = t,
                                      .completed = done,
                                      .outcome = MMU_DONE,
                                      .where = verdict == PLAIN_SECOND ? MMU_AT_L2 : MMU_AT_WALK,
                                      .page_shift = PAGE_SHIFT};
    return verdict;
}

/*
 * Users' first-level hits one after another, from record i on: everything in registers, nothing else in the
 * loop. Returns the first record that is something else, or n.
 */
ALWAYS_INLINE size_t run_hits(struct mmu_core *c, const struct mmu_access *a, size_t i, size_t n,
                              struct tab *tab, mmu_cycle busy, struct mmu_result *results, bool want)
{
    static const uint64_t one[MMU_KINDS] = {
        1, UINT64_C(1) << 21, UINT64_C(1) << 42}; /* three counts in a register, each below 2^20 */
    struct hot *hot = &c->mmu.hot;
    const uint64_t gap[MMU_KINDS] = {c->gap[0][MMU_FETCH], c->gap[0][MMU_LOAD], c->gap[0][MMU_STORE]};
    mmu_cycle t = tab->t;
    uint64_t clock = tab->clock, counted = 0;
    size_t end = n - i > 1 << 20 ? i + (1 << 20) : n;
    for (; i < end; i++) {
        const struct mmu_access *x = &a[i];
        unsigned kind = x->kind;
        if (UNLIKELY(kind >= MMU_KINDS || x->flags))
            break;
        struct hot_entry *e = hot_find(hot, x->va, x->size, kind, kind);
        mmu_cycle next = t + gap[kind];
        if (UNLIKELY(!e || next < busy))
            break;
        take_hit(hot, e, x, kind, next, ++clock, want ? &results[i] : NULL);
        counted += one[kind];
        t = next;
    }
    tab->gaps += t - tab->t;
    tab->t = t;
    tab->clock = clock;
    for (unsigned kind = 0; kind < MMU_KINDS; kind++)
        tab->kinds[kind] += counted >> 21 * kind & 0x1fffff;
    return i;
}

/*
 * The same where runs pay, once nothing is unfinished: only heads are looked up. Members are counted, and
 * their time follows from their number.
 */
static size_t run_members(struct mmu_core *c, const struct mmu_access *a, size_t i, size_t end,
                          struct tab *tab)
{
    static const uint64_t one[MMU_KINDS] = {1, UINT64_C(1) << 21, UINT64_C(1) << 42};
    struct hot *hot = &c->mmu.hot;
    struct recent *recent = &c->recent;
    const struct mmu_access *x = a + i, *last = a + end;
    uint64_t counted = 0, heads = 0;
    if (UNLIKELY(recent->stale))
        recent_forget(recent, &c->mmu);
    for (; x != last; x++) {
        size_t kind = x->kind | (size_t)x->flags << 8;
        if (UNLIKELY(kind >= MMU_KINDS))
            break;
        bool inside = (x->va & PAGE_MASK) + (x->size - 1u) < PAGE_SIZE;
        if (LIKELY(inside && recent_has(recent, kind, x->va))) {
            counted += one[kind];
            continue;
        }
        struct hot_entry *e = hot_find(hot, x->va, x->size, (unsigned)kind, (unsigned)kind);
        if (!e)
            break;
        hot_touch(e, tab->clock + ++heads);
        if (UNLIKELY(e->slot != recent->slot[kind]))
            recent_count(recent, hot, (unsigned)kind, counted >> 21 * kind & 0x1fffff, e->slot);
        recent_hit(recent, (unsigned)kind, x->va, e, true);
        counted += one[kind];
    }
    uint64_t counts[MMU_KINDS] = {counted & 0x1fffff, counted >> 21 & 0x1fffff, counted >> 42};
    tab->clock += heads;
    book_members(c, tab, counts, heads);
    recent->heads += heads;
    return (size_t)(x - a);
}

/* With KPTI: what the loops of hits run needs no way out of the kernel first. */
static bool has_users_half(const struct mmu_core *c)
{
    return !core_crosses_halves(c, MMU_KIND_PRIV(MMU_LOAD, MMU_USER));
}

ALWAYS_INLINE void pass_begin(struct pass *p, struct mmu_core *c, size_t n)
{
    *p = (struct pass){.core = c, .busy = c->real.busy, .status = MMU_OK};
    plain_calm(&c->mmu);
    mmu_hot_settle(&c->mmu);
    plain_begin(&c->mmu, &p->tab.plain);
    open_tab(c, &p->tab);
    p->last = (struct walked){n};
    p->blocking = c->real.window == 1;
    p->plain = p->blocking && plain_usable(&c->mmu);
    p->hits = p->tab.t >= p->busy && has_users_half(c);
}

ALWAYS_INLINE int pass_end(struct pass *p)
{
    settle(p->core, &p->tab);
    plain_book(&p->core->mmu, &p->core->real, &p->tab.plain);
    return p->status;
}

/* A first-level hit of any sort. */
ALWAYS_INLINE void run_hit(struct pass *p, struct hot_entry *e, const struct mmu_access *x, mmu_cycle t,
                           struct mmu_result *result, bool collapse)
{
    unsigned kind = MMU_KIND_OF(x->kind);
    take_hit(&p->core->mmu.hot, e, x, kind, t, ++p->tab.clock, result);
    if (collapse)
        recent_hit(&p->core->recent, kind, x->va, e, x->kind == kind);
}

/* PLAIN_FIRST: a hit after all, if its entry permits it. */
static NOINLINE bool find_again(struct pass *p, const struct mmu_access *x, mmu_cycle t,
                                struct mmu_result *result, bool collapse)
{
    unsigned kind = MMU_KIND_OF(x->kind), class = CLASS(kind, MMU_PRIV_OF(x->kind));
    struct hot_entry *e = hot_find(&p->core->mmu.hot, x->va, x->size, kind, class);
    if (e)
        run_hit(p, e, x, t, result, collapse);
    return p->hits = e != NULL;
}

/* Any record. collapse: the core's recent pages are kept. False: stop. */
ALWAYS_INLINE bool run_one(struct pass *p, const struct mmu_access *x, struct ahead ahead,
                           struct mmu_result *result, bool collapse)
{
    struct mmu_core *c = p->core;
    unsigned kind = x->kind, class = x->kind;
    uint64_t g;
    bool special = UNLIKELY(x->kind >= MMU_KINDS || x->flags);
    if (special) {
        if (!core_accepts(c, x)) {
            p->status = MMU_ERR_INVALID;
            return false;
        }
        kind = MMU_KIND_OF(x->kind);
        class = CLASS(kind, MMU_PRIV_OF(x->kind));
        g = core_gap(c, x);
    } else {
        g = c->gap[0][kind];
    }
    const bool crosses = core_crosses_halves(c, x->kind);
    struct hot_entry *e = crosses ? NULL : hot_find(&c->mmu.hot, x->va, x->size, kind, class);
    mmu_cycle t = p->tab.t + g;
    if (UNLIKELY(t < p->busy && p->blocking && !crosses)) { /* the way between the halves waits itself */
        p->tab.t += wait_for_latest(c, &p->tab, t, g);
        t = p->tab.t + g;
    }
    enum plain_verdict missed = PLAIN_NOT;
    p->hits = e && t >= p->busy;
    if (p->hits) {
        run_hit(p, e, x, t, result, collapse);
    } else if (p->plain && !crosses &&
               (missed = miss(c, x, t, kind, class, &p->tab, result)) >= PLAIN_SECOND) {
        p->busy = c->real.busy;
        if (collapse) {
            c->recent.heads++;
            recent_filled(&c->recent, kind, x->va);
        }
        if (p->tab.pending == WALK)
            look_ahead(c, x, ahead, &p->last);
    } else if (missed == PLAIN_NOT || !find_again(p, x, t, result, collapse)) {
        p->stepped = true;
        bool more = step_aside(c, x, ahead, &p->tab, &p->last, result, &p->status);
        p->busy = c->real.busy;
        return more;
    }
    p->tab.gaps += g;
    p->tab.t = t;
    p->tab.kinds[kind]++;
    if (special) {
        count_special(c, x, kind);
        p->hits &= has_users_half(c);
    }
    return true;
}

/* The loop, stamped out with and without results. False: it stopped. */
ALWAYS_INLINE bool run_records(struct pass *p, const struct mmu_access *a, size_t n,
                               struct mmu_result *results, bool want)
{
    struct mmu_core *c = p->core;
    size_t judged = want ? n : c->recent.left, i;
    for (i = 0; i < n; i++) {
        if (UNLIKELY(i >= judged))
            judged = i + recent_judge(&c->recent);
        bool collapse = !want && c->recent.on;
        if (p->hits) {
            size_t end = n < judged ? n : judged;
            i = collapse ? run_members(c, a, i, end, &p->tab)
                         : run_hits(c, a, i, end, &p->tab, p->busy, results, want);
            if (i == n)
                break;
        }
        if (!run_one(p, &a[i], (struct ahead){n - i, 1}, want ? &results[i] : NULL, collapse))
            break;
    }
    if (!want)
        c->recent.left = judged > n ? (uint32_t)(judged - n) : 1;
    return i >= n;
}

ALWAYS_INLINE int run_hot(struct mmu_core *c, const struct mmu_access *a, size_t n,
                          struct mmu_result *results, bool want)
{
    struct pass p;
    pass_begin(&p, c, n);
    if (!want)
        recent_begin(&c->recent, &c->mmu);
    run_records(&p, a, n, results, want);
    return pass_end(&p);
}

static int run_steps(struct mmu_core *c, const struct mmu_access *a, size_t n, struct mmu_result *results)
{
    int status = MMU_OK;
    struct walked last = {n};
    for (size_t i = 0; i < n; i++)
        if (!step(c, &a[i], (struct ahead){n - i, 1}, &last, results ? &results[i] : NULL, &status))
            break;
    return status;
}

/* Is everything but the first level's hits out of the way, so that hot.h serves? */
bool pass_suits(const struct mmu_core *core)
{
    const struct mmu_config *config = &core->machine->config;
    const struct mmu *m = &core->mmu;
    bool data_free = config->memory.data == MMU_DATA_NONE ||
                     (config->memory.data == MMU_DATA_FIXED && config->memory.data_latency == 0);
    return m->regime.geometry && config->level[0].latency == 0 && data_free &&
           !mmu_observes(m, MMU_EV_ACCESS) && !m->classifies;
}

static int after_run(const struct mmu_core *core, int status)
{
    INVARIANT(timeline_sums(&core->real));
    return status == MMU_OK && UNLIKELY(mmu_classify_failed(&core->mmu)) ? MMU_ERR_NOMEM : status;
}

void pass_open(struct pass *p, struct mmu_core *core)
{
    pass_begin(p, core, 0);
    recent_begin(&core->recent, &core->mmu);
}

bool pass_run(struct pass *p, const struct mmu_access *a, size_t n)
{
    p->last = (struct walked){n};
    return run_records(p, a, n, NULL, false);
}

int pass_close(struct pass *p)
{
    return after_run(p->core, pass_end(p));
}

int mmu_core_run(struct mmu_core *core, const struct mmu_access *accesses, size_t n,
                 struct mmu_result *results)
{
    int status = !pass_suits(core) ? run_steps(core, accesses, n, results)
                 : results         ? run_hot(core, accesses, n, results, true)
                                   : run_hot(core, accesses, n, NULL, false);
    return after_run(core, status);
}

/* A stretch of heads on its way. */
struct stretch {
    struct pass pass;
    const struct mmu_runs *runs;
    const struct mmu_access *references; /* NULL: not asked for yet */
    size_t at;                           /* number of the next reference */
    unsigned doubtful;                   /* bit set of the kinds whose members must first be shown to hit */
};

/*
 * Heads that hit, one after another, from number i on, while nothing is unfinished: what stands between them
 * is added up. Returns the first that is something else, or n.
 */
static size_t run_heads(struct stretch *s, size_t i, size_t n)
{
    static const uint64_t one[MMU_KINDS] = {1, UINT64_C(1) << 21, UINT64_C(1) << 42};
    static const uint64_t flagged = UINT64_C(0xff) << 48, fields = UINT64_C(0x0000ffff0000ffff);
    struct mmu_core *c = s->pass.core;
    struct hot *hot = &c->mmu.hot;
    struct recent *recent = &c->recent;
    const struct mmu_head *h = s->runs->heads + i, *last = h + (n - i < MEMBERS_MOST ? n - i : MEMBERS_MOST);
    const uint64_t clock = s->pass.tab.clock;
    uint64_t own = 0, even = 0, odd = 0, heads = 0, apart = flagged;
    for (unsigned kind = 0; kind < MMU_KINDS; kind++)
        apart |= s->doubtful >> kind & 1 ? UINT64_C(0xffff) << 16 * kind : 0;
    for (; h != last; h++) {
        const struct mmu_access *x = &h->access;
        size_t kind = x->kind | (size_t)x->flags << 8;
        uint64_t members; /* three counts, then the flags */
        memcpy(&members, h->members, sizeof members);
        if (UNLIKELY(kind >= MMU_KINDS || members & apart))
            break;
        struct hot_entry *e = hot_find(hot, x->va, x->size, (unsigned)kind, (unsigned)kind);
        if (UNLIKELY(!e))
            break;
        hot_touch(e, clock + ++heads);
        if (UNLIKELY(e->slot != recent->slot[kind])) {
            uint64_t before[MMU_KINDS] = {even & UINT32_MAX, odd, even >> 32};
            recent_count(recent, hot, (unsigned)kind, before[kind] + (own >> 21 * kind & 0x1fffff), e->slot);
        }
        own += one[kind];
        even += members & fields;
        odd += members >> 16 & 0xffff;
    }
    uint64_t counts[MMU_KINDS] = {(own & 0x1fffff) + (even & UINT32_MAX), (own >> 21 & 0x1fffff) + odd,
                                  (own >> 42) + (even >> 32)};
    s->pass.tab.clock += heads;
    book_members(c, &s->pass.tab, counts, heads);
    s->at += counts[MMU_FETCH] + counts[MMU_LOAD] + counts[MMU_STORE];
    return (size_t)(h - s->runs->heads);
}

/* One reference; keeps account of what it leaves in doubt. */
static bool run_single(struct stretch *s, const struct mmu_access *x, struct ahead ahead)
{
    s->pass.stepped = false;
    bool more = run_one(&s->pass, x, ahead, NULL, false);
    s->doubtful |= s->pass.stepped ? (1u << MMU_KINDS) - 1 : 1u << MMU_KIND_OF(x->kind);
    s->at++;
    return more;
}

static bool run_singly(struct stretch *s, uint64_t n)
{
    const struct mmu_runs *runs = s->runs;
    if (!s->references) {
        s->references = runs->references;
        s->pass.status = s->references ? MMU_OK : runs->expand(runs->ctx, &s->references);
        if (s->pass.status != MMU_OK)
            return false;
    }
    for (size_t end = s->at + n; s->at < end;)
        if (!run_single(s, &s->references[s->at], (struct ahead){end - s->at, 1}))
            return false;
    return true;
}

/* Do members of this kind, behind this head, hit? Touches what they hit. */
static bool will_hit(struct stretch *s, const struct mmu_head *h, unsigned kind)
{
    struct mmu_core *c = s->pass.core;
    unsigned priv = MMU_PRIV_OF(h->access.kind);
    while (h != s->runs->heads && MMU_KIND_OF(h->access.kind) != kind)
        h--;
    if (h->access.kind != MMU_KIND_PRIV(kind, priv))
        return false;
    struct hot_entry *e = hot_find(&c->mmu.hot, h->access.va, h->access.size, kind, CLASS(kind, priv));
    if (!e)
        return false;
    hot_touch(e, ++s->pass.tab.clock);
    c->recent.slot[kind] = e->slot;
    s->doubtful &= ~(1u << kind);
    return true;
}

/* The members of a head that hit, at once: all of them issue as soon as their gaps allow. */
static void add_members(struct stretch *s, const struct mmu_head *h, uint64_t n)
{
    struct mmu_core *c = s->pass.core;
    struct tab *tab = &s->pass.tab;
    unsigned priv = MMU_PRIV_OF(h->access.kind);
    uint64_t gaps = h->gaps;
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        unsigned flags = MMU_HEAD_FLAGS(h, kind);
        uint64_t members = h->members[kind];
        gaps += flags & MMU_AF_GAP ? 0 : members * c->gap[flags & MMU_AF_FOLLOWS][kind];
        tab->kinds[kind] += members;
        c->run.accesses[CLASS(kind, priv)] += members;
        c->run.accesses[CLASS(kind, MMU_USER)] -= members;
        c->run.instructions[0] -= kind == MMU_FETCH && flags & MMU_AF_FOLLOWS ? members : 0;
        c->mmu.hot.hits[c->recent.slot[kind]][kind] += members;
    }
    tab->gaps += gaps;
    tab->t += gaps;
    s->at += n;
    c->recent.members += n;
}

/* Any head and its members. */
static bool run_head(struct stretch *s, const struct mmu_head *h, size_t left)
{
    struct pass *p = &s->pass;
    uint64_t n = mmu_head_references(h) - 1;
    if (!run_single(s, &h->access, (struct ahead){left, sizeof *h / sizeof h->access}))
        return false;
    if (n == 0)
        return true;
    unsigned flags = MMU_HEAD_FLAGS(h, h->next);
    uint64_t g = flags & MMU_AF_GAP ? h->next_gap : p->core->gap[flags & MMU_AF_FOLLOWS][h->next];
    bool together = p->tab.t + g >= p->busy || p->blocking;
    for (unsigned kind = 0; kind < MMU_KINDS && together; kind++)
        together = !h->members[kind] || !(s->doubtful >> kind & 1) || will_hit(s, h, kind);
    if (!together)
        return run_singly(s, n);
    if (p->tab.t + g < p->busy)
        p->tab.t += wait_for_latest(p->core, &p->tab, p->tab.t + g, g);
    add_members(s, h, n);
    p->hits = has_users_half(p->core);
    return true;
}

static int run_stretch(struct mmu_core *c, const struct mmu_runs *runs)
{
    struct stretch s = {.runs = runs, .doubtful = (1u << MMU_KINDS) - 1};
    size_t n = runs->n_heads;
    pass_begin(&s.pass, c, n);
    for (size_t i = 0; i < n; i++) {
        if (s.pass.hits && (i = run_heads(&s, i, n)) == n)
            break;
        if (!run_head(&s, &runs->heads[i], n - i))
            break;
    }
    return pass_end(&s.pass);
}

bool mmu_core_uses_runs(const struct mmu_core *core)
{
    return pass_suits(core) && recent_suits_runs(&core->mmu);
}

int mmu_core_run_runs(struct mmu_core *core, const struct mmu_runs *runs)
{
    if (mmu_core_uses_runs(core))
        return after_run(core, run_stretch(core, runs));
    const struct mmu_access *references = runs->references;
    int status = references ? MMU_OK : runs->expand(runs->ctx, &references);
    size_t n = 0;
    for (size_t i = 0; i < runs->n_heads; i++)
        n += mmu_head_references(&runs->heads[i]);
    return status == MMU_OK ? mmu_core_run(core, references, n, NULL) : status;
}

uint64_t mmu_core_collapsed(const struct mmu_core *core)
{
    return core->recent.members;
}
