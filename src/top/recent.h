/*
 * recent.h: which pages' first-level hits change nothing but counts: page runs found on the way.
 *
 * A hit on the entry that its set touched last leaves all recency as it is (every policy's touch is
 * idempotent). So a reference to a page that was the last one hit in its set, by its kind and since the last
 * change of any entry there, needs no look-up: it is a member of a run, and whatever is not is a head. With
 * one set this is ../../include/mmusim/runs.h's definition; with S sets the runs of S sets go on side by
 * side.
 *
 * page[s][kind] is the page last hit by that kind in the sets whose numbers end in s, and entry[s][kind] the
 * entry that served it. Where a kind has fewer sets than there are slots here, slots that share a set are
 * never filled at a time. Kinds whose references may touch one structure are joint: a touch by the one ends
 * the other's run, unless it was of the same entry.
 *
 * The owner says when entries change: a fill into the first level by a plain miss (recent_filled()), anything
 * else (recent_forget()). Left out: runs of supervisor accesses, which are rare in traces that people have.
 */
#ifndef TOP_RECENT_H
#define TOP_RECENT_H

#include "mmu.h"

enum {
    RECENT_SLOTS = 16,
    RECENT_ROW = 4,          /* kinds, rounded up */
    RECENT_WINDOW = 512,     /* references after which it is judged whether runs pay */
    RECENT_SHARE = 3,        /* they do while at most one in so many references is a head */
    RECENT_PAUSE = 4096,     /* references to go without, at first */
    RECENT_PAUSE_MAX = 65536 /* ... and at most */
};

#define RECENT_NONE UINT64_MAX /* no page: a page number has 52 bits */

struct recent {
    uint64_t page[RECENT_SLOTS][RECENT_ROW];
    const struct hot_entry *entry[RECENT_SLOTS][RECENT_ROW];
    uint32_t sets[MMU_KINDS];  /* that are told apart: a power of two, at most RECENT_SLOTS */
    uint8_t joint[MMU_KINDS];  /* bit set of the other kinds */
    uint16_t slot[MMU_KINDS];  /* where the hits of the kind are counted now (hot.h) */
    uint64_t since[MMU_KINDS]; /* ... of the hits of a stretch, those before were counted elsewhere */
    bool on;
    bool stale;       /* anything may have changed: recent_forget() before use */
    uint32_t left;    /* references until it is judged again */
    uint32_t pause;   /* the next one; 0: not planned yet */
    uint64_t heads;   /* since it was judged; misses are heads too */
    uint64_t members; /* since the core's creation */
};

/* At the first batch: what follows from the machine's structures. */
void recent_plan(struct recent *r, const struct mmu *m);

/* Can runs that keep fetches apart from loads and stores (mmusim/runs.h) be used at this first level? */
bool recent_suits_runs(const struct mmu *m);

/* Forgets all pages. */
void recent_forget(struct recent *r, const struct mmu *m);

/* Do runs pay? Asked every so often; else they are left out for a while, which grows. Returns how many
 * references there are until it is to be judged again. */
uint32_t recent_judge(struct recent *r);

/* So many references were run elsewhere, so many of them heads: their share counts for what is left. */
static inline void recent_pass(struct recent *r, uint64_t n, uint64_t heads)
{
    r->heads += n < r->left ? heads : heads * r->left / n;
    r->left = n < r->left ? r->left - (uint32_t)n : 1;
}

/* A batch begins. Likewise. */
static inline uint32_t recent_begin(struct recent *r, const struct mmu *m)
{
    if (UNLIKELY(!r->pause))
        recent_plan(r, m);
    r->stale = true;
    return r->left;
}

/* recent_end() for a kind with fewer sets than slots. */
void recent_end_alike(struct recent *r, unsigned kind, uint64_t page, const struct hot_entry *e);

/* Is this a member? */
ALWAYS_INLINE bool recent_has(const struct recent *r, size_t kind, mmu_va va)
{
    uint64_t page = va >> PAGE_SHIFT;
    return r->page[page & (RECENT_SLOTS - 1)][kind] == page;
}

/* Ends the runs of a kind in the set of this page, but for a run of the entry e. */
ALWAYS_INLINE void recent_end(struct recent *r, unsigned kind, uint64_t page, const struct hot_entry *e)
{
    unsigned s = (unsigned)page & (RECENT_SLOTS - 1);
    if (UNLIKELY(r->sets[kind] != RECENT_SLOTS))
        recent_end_alike(r, kind, page, e);
    else if (r->entry[s][kind] != e)
        r->page[s][kind] = RECENT_NONE;
}

/* A hit was served by e, which was touched. known: the access's class is that of a user. */
ALWAYS_INLINE void recent_hit(struct recent *r, unsigned kind, mmu_va va, const struct hot_entry *e,
                              bool known)
{
    uint64_t page = va >> PAGE_SHIFT;
    for (unsigned joint = r->joint[kind]; joint; joint &= joint - 1)
        recent_end(r, (unsigned)__builtin_ctz(joint), page, e);
    if (!known || r->sets[kind] < RECENT_SLOTS)
        recent_end(r, kind, page, e);
    if (known) {
        r->page[page & (RECENT_SLOTS - 1)][kind] = page;
        r->entry[page & (RECENT_SLOTS - 1)][kind] = e;
        r->slot[kind] = e->slot;
    }
}

/* A plain miss has filled the page into its set. */
static inline void recent_filled(struct recent *r, unsigned kind, mmu_va va)
{
    for (unsigned joint = r->joint[kind] | 1u << kind; joint; joint &= joint - 1)
        recent_end(r, (unsigned)__builtin_ctz(joint), va >> PAGE_SHIFT, NULL);
}

/* From hit number n of this kind on, hits are counted at e. */
static inline void recent_count(struct recent *r, struct hot *hot, unsigned kind, uint64_t n, uint16_t slot)
{
    hot->hits[r->slot[kind]][kind] += n - r->since[kind]; /* slot 0 is nobody's */
    r->since[kind] = n;
    r->slot[kind] = slot;
}

#endif
