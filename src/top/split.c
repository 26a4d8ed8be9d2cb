/*
 * split.c: the split-phase face: translations that stop at every page-table read and go on when their caller
 * says so. See <mmusim/split.h>.
 *
 * Drives the same text as mmu_translate(): look-ups, fills and counters are mmu.c's, entries are interpreted
 * by walk_entry(). What is added here: which translations are in flight, who waits for whom, whose walker is
 * free since when on the caller's clock.
 *
 * A translation is an attempt: look up, and if a walk is needed get a walker and read entry after entry. It
 * is attempted again from its beginning when it has waited and when registers or invalidations have changed
 * something since its look-up. Nothing is counted before it ends, so every snapshot of the statistics obeys
 * their identities, and a translation that is given up leaves no trace in them.
 *
 * Left out: the core's own clock, cycle counters and page-table-read caches; page-crossing accesses; the
 * pager.
 */
#include "machine.h"
#include <mmusim/split.h>
#include <string.h>

enum { FLIGHTS = 8 }; /* slots at first */
#define NOBODY UINT32_MAX
#define BUSY   UINT64_MAX /* free_at of a walker that walks */

enum phase { FLIGHT_FREE, FLIGHT_WAITS, FLIGHT_READS };

/*
 * One translation. Invariants: it READS if and only if holder[walker] is its slot; then q, w and found are
 * valid as of mmu.changes == changes.
 */
struct flight {
    struct mmu_access access;
    struct request q; /* q.issued: the caller's clock at begin; q.now: where on it the hardware stands */
    struct mmu_found found; /* by the latest look-up */
    struct walk w;
    uint64_t changes;    /* mmu.changes at the latest look-up */
    uint64_t grant;      /* walks in the order of their walkers' grants */
    mmu_cycle start;     /* of the walk */
    uint32_t generation; /* of the slot: part of the token */
    uint32_t next;       /* FREE: the next free slot */
    uint8_t phase;       /* enum phase */
    uint8_t need;        /* enum mmu_need of the latest look-up */
    uint8_t walker;
    bool looked;      /* has paid for a look-up */
    bool queued;      /* has waited for a walker */
    bool behind_page; /* has waited for a walk of its page */
};

/* Invariants (split_check): the free list holds the FREE slots; holder[] names READS slots; a walker is BUSY
 * if and only if it has a holder. */
struct split_state {
    struct flight *flight;
    uint32_t flights, alive;          /* slots, slots that are not FREE */
    uint32_t free;                    /* first free slot, or NOBODY */
    uint32_t holder[MMU_MAX_WALKERS]; /* slot of the walk, or NOBODY */
    struct walkers walkers;           /* on the caller's clock */
    uint64_t grants;
    mmu_cycle now;             /* the caller's clock at the latest call */
    uint8_t shares[MMU_KINDS]; /* kinds that find what a walk for this one fills */
};

static struct split_state *make_state(struct mmu_core *c)
{
    const struct mmu_config *config = &c->machine->config;
    struct split_state *s = calloc(1, sizeof *s);
    if (!s || walkers_init(&s->walkers, config->walk.walkers, 0) != MMU_OK) {
        free(s);
        return NULL;
    }
    s->free = NOBODY;
    memset(s->holder, 0xff, sizeof s->holder);
    for (uint32_t i = 0; i < config->tlbs; i++)
        for (unsigned kind = 0; kind < MMU_KINDS; kind++)
            if (config->tlb[i].kinds >> kind & 1)
                s->shares[kind] |= (uint8_t)config->tlb[i].kinds;
    return c->split = s;
}

void split_free(struct mmu_core *c)
{
    if (!c->split)
        return;
    walkers_destroy(&c->split->walkers);
    free(c->split->flight);
    free(c->split);
    c->split = NULL;
}

/* Sees to it that a slot is free, and that walkers_release() has room for the end of every walk that can
 * follow. */
static bool reserve(struct split_state *s)
{
    if (!walkers_reserve(&s->walkers, s->alive + 1))
        return false;
    if (s->free != NOBODY)
        return true;
    uint32_t n = s->flights ? 2 * s->flights : FLIGHTS;
    struct flight *flight = n < NOBODY / 2 ? realloc(s->flight, n * sizeof *flight) : NULL;
    if (!flight)
        return false;
    for (uint32_t i = n; i-- > s->flights;) {
        flight[i].phase = FLIGHT_FREE;
        flight[i].generation = 1;
        flight[i].next = s->free;
        s->free = i;
    }
    s->flight = flight;
    s->flights = n;
    return true;
}

static uint32_t slot_of(const struct split_state *s, const struct flight *f)
{
    return (uint32_t)(f - s->flight);
}

static mmu_token token_of(const struct split_state *s, const struct flight *f)
{
    return (uint64_t)f->generation << 32 | slot_of(s, f);
}

static struct flight *flight_of(struct mmu_core *c, mmu_token token)
{
    struct split_state *s = c->split;
    REQUIRE(s && (uint32_t)token < s->flights);
    struct flight *f = &s->flight[(uint32_t)token];
    REQUIRE(f->phase != FLIGHT_FREE &&
            f->generation == token >> 32); /* a token is valid until its translation ends or is given up */
    return f;
}

static void set_now(struct split_state *s, mmu_cycle now)
{
    REQUIRE(now >= s->now); /* the caller's clock never goes backwards */
    s->now = now;
}

/* No walk that has not begun starts before this. */
static mmu_cycle earliest_start(const struct split_state *s)
{
    mmu_cycle earliest = s->now;
    for (uint32_t i = 0; i < s->walkers.n; i++)
        if (s->holder[i] != NOBODY && s->flight[s->holder[i]].start < earliest)
            earliest = s->flight[s->holder[i]].start;
    return earliest;
}

/* Gives the walker of a walk that has not ended back. */
static void leave_walker(struct split_state *s, struct flight *f)
{
    if (f->phase != FLIGHT_READS)
        return;
    s->holder[f->walker] = NOBODY;
    s->walkers.free_at[f->walker] = s->now > f->start ? s->now : f->start;
    f->phase = FLIGHT_WAITS;
}

/* The walk that this one must wait for, or NULL: one of its page whose fill it will find; else, when no
 * walker is free, the oldest. */
static struct flight *blocker(struct split_state *s, struct flight *f)
{
    struct flight *oldest = NULL;
    bool room = false;
    for (uint32_t i = 0; i < s->walkers.n; i++) {
        if (s->holder[i] == NOBODY) {
            room = true;
            continue;
        }
        struct flight *g = &s->flight[s->holder[i]];
        if ((g->q.va ^ f->q.va) >> PAGE_SHIFT == 0 && (s->shares[g->q.kind] >> f->q.kind & 1)) {
            f->behind_page = true;
            return g;
        }
        if (!oldest || g->grant < oldest->grant)
            oldest = g;
    }
    if (room)
        return NULL;
    f->queued = true;
    return oldest;
}

/* The translation has ended: q holds the outcome. */
static void finish(struct mmu_core *c, struct flight *f, struct mmu_split *out)
{
    if (f->q.outcome != MMU_DONE)
        core_raise(c, &f->q);
    core_count(c, &f->q, f->access.flags);
    core_result(&f->q, &out->result);
    if (mmu_observes(&c->mmu, MMU_EV_ACCESS))
        core_notify(c, &f->q, MMU_EV_ACCESS, f->q.va);
    out->state = MMU_SPLIT_DONE;
}

/* The walk has ended: w holds the outcome. */
static void end_walk(struct mmu_core *c, struct flight *f, struct mmu_split *out)
{
    struct split_state *s = c->split;
    struct mmu *m = &c->mmu;
    mmu_cycle settled = earliest_start(s);
    mmu_count_look_up(m, &f->q, &f->found, f->need);
    for (unsigned i = 0; i < f->w.reads; i++)
        m->reads[f->q.kind == MMU_FETCH][f->w.read[i].level - 1][MMU_PLACE_FIXED]++;
    m->walk_stats.waits[0] += f->queued;
    mmu_walk_count(m, &f->q, &f->w);
    leave_walker(s, f);
    walkers_release(&s->walkers, f->q.kind, f->walker, f->start, f->q.now, settled);
    mmu_walk_end(m, &f->q, &f->w, f->q.now - f->start);
    mmu_walk_keep(m, &f->q, &f->w, f->need, f->found.level);
    finish(c, f, out);
}

static void end_unanswered(struct mmu_core *c, struct flight *f, struct mmu_split *out)
{
    f->w.outcome = MMU_FAULT_MEMORY;
    f->w.missing = walk_entry_pa(c->mmu.regime.geometry, &f->w);
    end_walk(c, f, out);
}

/* Asks for the entry at the walk's position. */
static void ask(struct mmu_core *c, struct flight *f, struct mmu_split *out)
{
    const struct geometry *g = c->mmu.regime.geometry;
    const struct phys *p = c->mmu.phys;
    mmu_pa pa = walk_entry_pa(g, &f->w);
    if (UNLIKELY(!p->ops.read && !phys_answers(p, pa, g->entry_bytes))) {
        end_unanswered(c, f, out);
        return;
    }
    out->state = MMU_SPLIT_READ;
    out->level = f->w.level;
    out->size = g->entry_bytes;
    out->pa = pa;
}

static void start_walk(struct mmu_core *c, struct flight *f, struct mmu_split *out)
{
    struct split_state *s = c->split;
    struct mmu *m = &c->mmu;
    f->walker = (uint8_t)walkers_grant(&s->walkers, f->q.now, &f->start);
    f->queued |= f->start > f->q.now;
    mmu_charge(m, &f->q, MMU_PART_WAIT, f->start - f->q.now);
    s->walkers.free_at[f->walker] = BUSY;
    s->holder[f->walker] = slot_of(s, f);
    f->grant = s->grants++;
    f->phase = FLIGHT_READS;
    if (f->found.tlb)
        tlb_touch(f->found.tlb, f->found.index);
    f->w.va = f->q.va;
    f->w.class = f->q.class;
    if (mmu_walk_begin(m, &f->q, &f->w))
        ask(c, f, out);
    else
        end_walk(c, f, out);
}

/* Answers without a walk, or begins one, or waits. */
static void attempt(struct mmu_core *c, struct flight *f, struct mmu_split *out)
{
    struct split_state *s = c->split;
    struct mmu *m = &c->mmu;
    struct request *q = &f->q;
    mmu_cycle now = q->now;
    leave_walker(s, f);
    f->changes = m->changes;
    q->merged = false;
    if (UNLIKELY(
            !core_accepts(c, &f->access))) { /* the mode has changed since, to one that lacks this address */
        q->outcome = MMU_FAULT_GP;
        q->where = MMU_AT_FAULT;
        q->error_code = 0;
        finish(c, f, out);
        return;
    }
    if (UNLIKELY(mmu_answer_early(m, q))) {
        finish(c, f, out);
        return;
    }
    f->need = (uint8_t)mmu_look_up(m, q, &f->found);
    if (f->looked) /* the first one's time has been taken; this one follows what happened to the page */
        q->now = now;
    f->looked = true;
    q->merged = f->behind_page && f->found.tlb;
    if (f->need < MMU_NEED_WALK) {
        mmu_count_look_up(m, q, &f->found, f->need);
        tlb_touch(f->found.tlb, f->found.index);
        mmu_answer_hit(m, q, &f->found, f->need);
        finish(c, f, out);
        return;
    }
    const struct flight *before = blocker(s, f);
    if (!before) {
        start_walk(c, f, out);
        return;
    }
    f->phase = FLIGHT_WAITS;
    out->state = MMU_SPLIT_WAIT;
    out->behind = token_of(s, before);
}

/* Interprets the entry that the caller read. */
static void take_entry(struct mmu_core *c, struct flight *f, uint64_t data, struct mmu_split *out)
{
    struct mmu *m = &c->mmu;
    const struct regime *r = &m->regime;
    const struct geometry *g = r->geometry;
    struct walk *w = &f->w;
    uint64_t entry = g->entry_bytes == 4 ? data & BITS(31, 0) : data, update;
    mmu_pa pa = walk_entry_pa(g, w);
    uint8_t rights = w->rights;
    enum walk_verdict verdict = walk_entry(g, r, w, entry, &update);
    if (update) {
        if (!phys_exchange(m->phys, pa, g->entry_bytes, entry, entry | update)) {
            w->rights = rights; /* as if it had not been read */
            ask(c, f, out);
            return;
        }
        mmu_charge(m, &f->q, MMU_PART_AD, m->config->walk.ad_update);
    }
    w->read[w->reads].pa = pa;
    w->read[w->reads++].level = w->level;
    if (verdict != WALK_FAULT)
        walk_commit(g, r, w, verdict, entry, update);
    if (verdict == WALK_DESCEND)
        ask(c, f, out);
    else
        end_walk(c, f, out);
}

/* The slot can be used again, its token no more. */
static void give_back(struct split_state *s, struct flight *f)
{
    if (++f->generation == 0)
        f->generation = 1;
    f->phase = FLIGHT_FREE;
    f->next = s->free;
    s->free = slot_of(s, f);
    s->alive--;
}

/* After an attempt or a step: the token of what goes on. */
static void hand_out(struct split_state *s, struct flight *f, mmu_cycle now, struct mmu_split *out)
{
    out->latency = f->q.now - now;
    if (out->state == MMU_SPLIT_DONE)
        give_back(s, f);
    else
        out->token = token_of(s, f);
}

void mmu_split_begin(struct mmu_core *core, const struct mmu_access *access, mmu_cycle now,
                     struct mmu_split *out)
{
    struct split_state *s = core->split ? core->split : make_state(core);
    REQUIRE(core_accepts(core, access) && (access->va & PAGE_MASK) + access->size <= PAGE_SIZE);
    memset(out, 0, sizeof *out);
    if (!s || !reserve(s)) {
        out->state = MMU_SPLIT_NOMEM;
        return;
    }
    set_now(s, now);
    struct flight *f = &s->flight[s->free];
    unsigned kind = MMU_KIND_OF(access->kind), priv = MMU_PRIV_OF(access->kind);
    s->free = f->next;
    s->alive++;
    f->access = *access;
    f->q = (struct request){.va = access->va,
                            .kind = (uint8_t)kind,
                            .priv = (uint8_t)priv,
                            .split = true,
                            .issued = now,
                            .now = now};
    f->q.class = (uint8_t)CLASS(kind, priv);
    f->phase = FLIGHT_WAITS;
    f->looked = f->queued = f->behind_page = false;
    attempt(core, f, out);
    hand_out(s, f, now, out);
}

/* What mmu_split_resume() and mmu_split_unanswered() have in common; false: it was attempted again, and out
 * says what became of it. */
static bool goes_on(struct mmu_core *c, struct flight *f, mmu_cycle now, struct mmu_split *out)
{
    memset(out, 0, sizeof *out);
    set_now(c->split, now);
    f->q.now = now > f->q.now ? now : f->q.now; /* the caller may come before the time that it was told */
    if (f->phase == FLIGHT_READS && f->changes == c->mmu.changes)
        return true;
    attempt(c, f, out);
    return false;
}

void mmu_split_resume(struct mmu_core *core, mmu_token token, uint64_t data, mmu_cycle now,
                      struct mmu_split *out)
{
    struct flight *f = flight_of(core, token);
    if (goes_on(core, f, now, out))
        take_entry(core, f, data, out);
    hand_out(core->split, f, now, out);
}

void mmu_split_unanswered(struct mmu_core *core, mmu_token token, mmu_cycle now, struct mmu_split *out)
{
    struct flight *f = flight_of(core, token);
    REQUIRE(f->phase == FLIGHT_READS);
    if (goes_on(core, f, now, out))
        end_unanswered(core, f, out);
    hand_out(core->split, f, now, out);
}

void mmu_split_cancel(struct mmu_core *core, mmu_token token)
{
    struct split_state *s = core->split;
    struct flight *f = flight_of(core, token);
    leave_walker(s, f);
    give_back(s, f);
}

size_t mmu_split_in_flight(const struct mmu_core *core)
{
    return core->split ? core->split->alive : 0;
}

void split_stats(const struct mmu_core *c, struct mmu_stats *stats)
{
    if (c->split)
        walkers_stats(&c->split->walkers, &stats->walk);
}

void split_check(const struct mmu_core *c)
{
    const struct split_state *s = c->split;
    if (!s)
        return;
    uint32_t idle = 0, walking = 0;
    for (uint32_t i = s->free; i != NOBODY; i = s->flight[i].next, idle++)
        REQUIRE(i < s->flights && s->flight[i].phase == FLIGHT_FREE && idle < s->flights);
    REQUIRE(idle + s->alive == s->flights);
    for (uint32_t i = 0; i < s->flights; i++)
        if (s->flight[i].phase == FLIGHT_READS) {
            REQUIRE(s->holder[s->flight[i].walker] == i);
            walking++;
        }
    for (uint32_t i = 0; i < s->walkers.n; i++) {
        REQUIRE((s->holder[i] != NOBODY) == (s->walkers.free_at[i] == BUSY));
        walking -= s->holder[i] != NOBODY;
    }
    REQUIRE(walking == 0);
}
