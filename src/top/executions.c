/*
 * executions.c: executions of pieces of code through a core (mmusim/executions.h).
 *
 * While all hits of the first level change nothing but counts and recency (recent.h), a piece's fetches are
 * one look-up, its data one each, and its counts one addition. Whatever else comes, that piece becomes
 * references and goes through batch.c; where that happens again and again, many pieces together, so that
 * walks are seen ahead.
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
    struct mmu_core *core;
    uint64_t clock; /* of the latest head */
    bool modify;    /* a read-modify-write is two members like others */
};

/* A user's reference that is no member: a head that hits, where the hits of its kind are counted already.
 * False: it is something else, and nothing has changed. */
static bool take_head(struct course *s, mmu_va va, unsigned size, unsigned kind)
{
    struct recent *recent = &s->core->recent;
    struct hot_entry *e = hot_find(&s->core->mmu.hot, va, size, kind, kind);
    if (UNLIKELY(!e || e->slot != recent->slot[kind]))
        return false;
    hot_touch(e, ++s->clock);
    recent_hit(recent, kind, va, e, true);
    return true;
}

/* Data of which not all references are members. Likewise. */
static bool take_datum(struct course *s, mmu_va va, const struct mmu_datum *datum)
{
    if ((va & PAGE_MASK) + datum->last >= PAGE_SIZE)
        return false;
    if (datum->kind != MMU_KINDS)
        return take_head(s, va, datum->last + 1u, datum->kind);
    struct recent *recent = &s->core->recent;
    struct hot_entry *e = hot_find(&s->core->mmu.hot, va, datum->last + 1u, MMU_STORE, MMU_STORE);
    return s->modify && e && e->slot == recent->slot[MMU_STORE] &&
           (recent_has(recent, MMU_LOAD, va) || take_head(s, va, datum->last + 1u, MMU_LOAD)) &&
           (recent_has(recent, MMU_STORE, va) || take_head(s, va, datum->last + 1u, MMU_STORE));
}

/*
 * Executions of members and heads that hit, as run_members() has them; what a piece fetches is one look-up.
 * Moves on to the first that has something else, and returns how many of its references were run.
 */
static unsigned run_pieces(struct pass *p, const struct mmu_executions *x, struct place *at,
                           uint64_t *counted)
{
    struct course s = {.core = p->core, .clock = p->tab.clock};
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
            if (other || q->page == MMU_PIECE_MIXED || !take_head(&s, fetch->va, fetch->size, MMU_FETCH))
                break;
        }
        for (unsigned i = 0; i < q->n_data; i++) {
            uint64_t page = data[i] >> PAGE_SHIFT,
                     apart = recent->page[page & (RECENT_SLOTS - 1)][datum[i].kind] ^ page;
            apart |= ((data[i] & PAGE_MASK) + datum[i].last) >> PAGE_SHIFT;
            if (LIKELY(!apart))
                continue;
            if (UNLIKELY(!take_datum(&s, data[i], &datum[i]))) {
                done = datum[i].position;
                goto out;
            }
            if (UNLIKELY(recent->page[q->page & (RECENT_SLOTS - 1)][MMU_FETCH] != q->page)) {
                done = datum[i].position + (datum[i].kind == MMU_KINDS ? 2 : 1);
                goto out; /* of a joint structure: the piece's next fetch is a head */
            }
        }
        *counted += q->counts;
        data += q->n_data;
    }
out:
    at->execution = (size_t)(execution - x->execution);
    at->data = (size_t)(data - x->data);
    p->heads = s.clock - p->tab.clock;
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
