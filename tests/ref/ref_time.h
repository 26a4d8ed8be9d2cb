/*
 * ref_time.h: the time model's recurrence, computed naively from the whole history. Independent of src/.
 *
 * In: for each event its issue gap, the parts of its translation, its data time. Out: when it issues and
 * completes; for the run: elapsed time, the time that an ideal machine takes, and the stall ledger by part.
 */
#ifndef REF_TIME_H
#define REF_TIME_H

#include <stddef.h>
#include <stdint.h>

enum { REF_TIME_PARTS = 128, REF_TIME_SEGMENTS = 100 };
/*
 * What an item is (bits). An access that faults is REF_IS_BARRIER besides: its handler waits, in the middle
 * of it, for all that came before, and what follows waits for it. An item that is only REF_IS_BARRIER is a
 * register load or an invalidation: it waits before it begins.
 */
enum { REF_IS_FETCH = 1, REF_IS_DATA = 2, REF_IS_BARRIER = 4 };

struct ref_segment {
    unsigned part;
    uint64_t cycles;
};

struct ref_item {
    unsigned is;   /* REF_IS_* */
    uint64_t gap;  /* g */
    uint64_t kept; /* what the ideal machine spends on it too: m, a fault's delivery and handler, a barrier's
                      cycles */
    unsigned n;    /* segments: the whole of d - t, in time order, kept part included */
    struct ref_segment segment[REF_TIME_SEGMENTS];
    uint64_t t, d;             /* issue and completion */
    uint64_t ideal_t, ideal_d; /* the same with translation free */
};

struct ref_time {
    unsigned window;
    size_t n, room;
    struct ref_item *item;
};

struct ref_time_totals {
    uint64_t elapsed, ideal, issue;
    uint64_t stalled[REF_TIME_PARTS], charged[REF_TIME_PARTS];
};

void ref_time_init(struct ref_time *time, unsigned window);
void ref_time_free(struct ref_time *time);

/* Appends an event and computes its times. Returns it; valid until the next call. */
const struct ref_item *ref_time_add(struct ref_time *time, const struct ref_item *item);

/* The run so far. */
struct ref_time_totals ref_time_totals(const struct ref_time *time);

#endif
