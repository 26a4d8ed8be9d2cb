/*
 * executions.c: executions of pieces of code through a core (mmusim/executions.h).
 *
 * While all hits of the first level change nothing but counts and recency (recent.h), a piece's fetches are
 * one look-up, its data one each, and its counts one addition. A plain second-level hit is done in between:
 * what it costs is known, and what waits for it is the next reference. Whatever else comes, that piece
 * becomes references and goes through batch.c; where that happens again and again, many pieces together, so
 * that walks are seen ahead.
 */
#include "error.h"
#include "pass.h"
#include <mmusim/executions.h>
#include <stdlib.h>
#include <string.h>

/* A place in a stretch: numbers of the next execution, and of its first data. */
struct place {
    size_t execution, data;
};

/* Executions from *at on, but not number `until`, into to[most], as many as fit. Returns how many references,
 * and moves on. */
static size_t expand(const struct mmu_executions *x, struct place *at, size_t until, size_t most,
                     struct mmu_access *to)
{
    size_t got = 0;
    for (; at->execution < until; at->execution++) {
        const struct mmu_piece *p = &x->pieces[x->execution[at->execution]];
        const struct mmu_datum *datum = x->datum + p->first_data;
        if (got + p->n > most)
            break;
        memcpy(to + got, x->references + p->first, p->n * sizeof *to);
        for (unsigned i = 0; i < p->n_data; i++) {
            to[got + datum[i].position].va = x->data[at->data + i];
            if (datum[i].kind == MMU_KINDS)
                to[got + datum[i].position + 1].va = x->data[at->data + i];
        }
        at->data += p->n_data;
        got += p->n;
    }
    return got;
}

void mmu_executions_expand(const struct mmu_executions *x, struct mmu_access *to)
{
    struct place at = {0, 0};
    if (x->n_lead)
        memcpy(to, x->lead, x->n_lead * sizeof *to);
    expand(x, &at, x->n, x->n_references - x->n_lead, to + x->n_lead);
}

/* Executions on their way, while nothing is unfinished. */
struct course {
    struct pass *pass;
    const struct mmu_executions *x;
    uint64_t clock;   /* of the latest head */
    uint64_t seconds; /* second-level hits; what they have taken of the clock, and of the time: */
    uint64_t ticks, waited;
    bool modify; /* a read-modify-write is two members like others */
};

/* A user's reference that is no member: a head that hits, where the hits of its kind are counted already.
 * False: it is something else, and nothing has changed. */
static bool take_head(struct course *s, mmu_va va, unsigned size, unsigned kind)
{
    struct recent *recent = &s->pass->core->recent;
    struct hot_entry *e = hot_find(&s->pass->core->mmu.hot, va, size, kind, kind);
    if (UNLIKELY(!e || e->slot != recent->slot[kind]))
        return false;
    hot_touch(e, ++s->clock);
    recent_hit(recent, kind, va, e, true);
    return true;
}

/* The gap before what follows reference number `position` of an execution, if that is known here. */
static bool gap_behind(const struct course *s, const uint16_t *execution, unsigned position, uint32_t *gap)
{
    const struct mmu_core *c = s->pass->core;
    const struct mmu_piece *q = &s->x->pieces[*execution];
    if (position + 1u < q->n) {
        *gap = (uint32_t)core_gap(c, &s->x->references[q->first + position + 1]);
        return true;
    }
    *gap = c->gap[0][MMU_FETCH];
    return ++execution != s->x->execution + s->x->n && s->x->pieces[*execution].page != MMU_PIECE_MIXED;
}

/* One that the first level holds where nobody guessed; or the second level, as miss() has it: what follows
 * waits for it at once. Likewise. */
static NOINLINE bool take_held(struct course *s, const uint16_t *execution, unsigned position, mmu_va va,
                               unsigned size, unsigned kind)
{
    struct mmu_core *c = s->pass->core;
    struct plain_spot spot;
    mmu_pa pa;
    uint32_t gap;
    if (!s->pass->plain || !gap_behind(s, execution, position, &gap))
        return false;
    c->mmu.clock = s->clock;
    enum plain_verdict verdict = plain_second(&c->mmu, &s->pass->tab.plain, va, kind, kind, &spot, &pa);
    if (verdict != PLAIN_SECOND)
        return verdict == PLAIN_FIRST && take_head(s, va, size, kind);
    const uint32_t latency = c->machine->config.level[1].latency;
    s->waited += latency > gap ? latency - gap : 0;
    s->ticks += c->mmu.clock - s->clock;
    s->clock = c->mmu.clock;
    s->seconds++;
    c->recent.since[kind]++; /* no hit */
    recent_filled(&c->recent, kind, va);
    return true;
}

/* The one or the other. */
static bool take(struct course *s, const uint16_t *execution, unsigned position, mmu_va va, unsigned size,
                 unsigned kind)
{
    return take_head(s, va, size, kind) || take_held(s, execution, position, va, size, kind);
}

/* Data of an execution that are neither a member nor a head that hits. Returns how many references of them it
 * has run. */
static NOINLINE unsigned take_datum(struct course *s, const uint16_t *execution,
                                    const struct mmu_datum *datum, mmu_va va)
{
    const struct recent *recent = &s->pass->core->recent;
    const unsigned at = datum->position, size = datum->last + 1u;
    if ((va & PAGE_MASK) + datum->last >= PAGE_SIZE)
        return 0;
    if (datum->kind != MMU_KINDS)
        return take_held(s, execution, at, va, size, datum->kind);
    if (!s->modify || !(recent_has(recent, MMU_LOAD, va) || take(s, execution, at, va, size, MMU_LOAD)))
        return 0;
    return recent_has(recent, MMU_STORE, va) || take(s, execution, at + 1, va, size, MMU_STORE) ? 2 : 1;
}

/* What run_pieces() has run, but for counts. */
static void book_course(const struct course *s)
{
    struct tab *tab = &s->pass->tab;
    s->pass->heads = s->clock - tab->clock - s->ticks + s->seconds;
    tab->clock = s->clock;
    tab->t += s->waited;
    tab->waited += s->waited;
    tab->plain.stalled += s->waited;
}

/*
 * Executions of members, heads that hit and second-level hits, as run_members() has them; what a piece
 * fetches is one look-up. Moves on to the first that has something else, and returns how many of its
 * references were run.
 */
static unsigned run_pieces(struct pass *p, const struct mmu_executions *x, struct place *at,
                           uint64_t *counted)
{
    struct course s = {.pass = p, .x = x, .clock = p->tab.clock};
    const struct recent *recent = &p->core->recent;
    const uint16_t *execution = x->execution + at->execution, *end = x->execution + x->n;
    const mmu_va *data = x->data + at->data;
    unsigned done = 0;
    s.modify = p->core->gap[MMU_AF_FOLLOWS][MMU_STORE] == p->core->gap[0][MMU_STORE];
    for (; execution != end; execution++) {
        const struct mmu_piece *q = &x->pieces[*execution];
        const struct mmu_datum *datum = x->datum + q->first_data;
        uint64_t other = q->page ^ q->last_page;
        if (UNLIKELY(recent->page[q->page & (RECENT_SLOTS - 1)][MMU_FETCH] != q->page || other)) {
            const struct mmu_access *fetch = x->references + q->first;
            if (other || q->page == MMU_PIECE_MIXED ||
                !take(&s, execution, 0, fetch->va, fetch->size, MMU_FETCH))
                break;
        }
        for (unsigned i = 0; i < q->n_data; i++) {
            uint64_t page = data[i] >> PAGE_SHIFT,
                     apart = recent->page[page & (RECENT_SLOTS - 1)][datum[i].kind] ^ page;
            apart |= ((data[i] & PAGE_MASK) + datum[i].last) >> PAGE_SHIFT;
            if (LIKELY(!apart) ||
                (datum[i].kind != MMU_KINDS && take_head(&s, data[i], datum[i].last + 1u, datum[i].kind)))
                continue;
            unsigned run = take_datum(&s, execution, &datum[i], data[i]);
            if (UNLIKELY(run != 1u + (datum[i].kind == MMU_KINDS))) {
                done = datum[i].position + run;
                goto out;
            }
        }
        *counted += q->counts;
        data += q->n_data;
    }
out:
    at->execution = (size_t)(execution - x->execution);
    at->data = (size_t)(data - x->data);
    book_course(&s);
    return done;
}

enum { EXPANDED = 1024, GOES_ON = 8 };

/* The references of executions that run_pieces() left: of one execution, or of several together where that
 * goes on. done: how many of them were run; they are counted. */
static size_t take_executions(const struct mmu_executions *x, struct place *at, bool alone, unsigned done,
                              struct mmu_access a[EXPANDED], uint64_t *counted)
{
    size_t until = alone && at->execution < x->n ? at->execution + 1 : x->n;
    size_t n = expand(x, at, until, EXPANDED, a);
    for (unsigned i = 0; i < done; i++)
        *counted += UINT64_C(1) << 21 * a[i].kind;
    return n;
}

static bool run_executions(struct pass *p, const struct mmu_executions *x)
{
    struct mmu_access a[EXPANDED];
    struct place at = {0, 0};
    struct recent *recent = &p->core->recent;
    const bool apart = !recent->joint[MMU_FETCH]; /* else a datum may end the run of what the piece fetches */
    for (unsigned stuck = 0; at.execution < x->n;) {
        size_t before = at.execution;
        uint64_t counted = 0;
        unsigned done = 0;
        p->heads = 0;
        if (p->hits && recent->on && apart) {
            if (UNLIKELY(recent->stale))
                recent_forget(recent, &p->core->mmu);
            done = run_pieces(p, x, &at, &counted);
            p->hits = false; /* of what comes next the first is something else */
        }
        stuck = at.execution != before ? 0 : stuck + 1;
        size_t n = take_executions(x, &at, stuck < GOES_ON, done, a, &counted);
        uint64_t counts[MMU_KINDS] = {counted & 0x1fffff, counted >> 21 & 0x1fffff, counted >> 42};
        uint64_t all = counts[MMU_FETCH] + counts[MMU_LOAD] + counts[MMU_STORE];
        book_members(p->core, &p->tab, counts, p->heads);
        recent_pass(recent, all, p->heads);
        if (!pass_run(p, a + done, n - done))
            return false;
    }
    return true;
}

int mmu_core_run_executions(struct mmu_core *core, const struct mmu_executions *x)
{
    struct mmu_access *a;
    struct pass p;
    int status;
    REQUIRE(x->n_references <= MMU_EXECUTIONS_MOST);
    if (pass_suits(core)) {
        pass_open(&p, core);
        if (pass_run(&p, x->lead, x->n_lead))
            run_executions(&p, x);
        return pass_close(&p);
    }
    if (!(a = malloc((x->n_references + 1) * sizeof *a)))
        return MMU_ERR_NOMEM;
    mmu_executions_expand(x, a);
    status = mmu_core_run(core, a, x->n_references, NULL);
    free(a);
    return status;
}
