/*
 * shadow.h: the shadows of a TLB structure, which tell why it misses.
 *
 * Models two structures beside the real one: one without end, and a fully associative one of as many entries
 * with LRU replacement. Both see the look-ups and fills that are counted at the real one, and every
 * invalidation of it. A miss that both had too is compulsory; one that only the small one had too is for want
 * of capacity; one that neither had is a conflict: of its sets, ways, way masks, or of its replacement
 * policy.
 *
 * What follows:
 *   - An entry dropped by an invalidation (or for another PCID, under a bound) is dropped here, also when the
 * real structure had evicted it before: the next miss on its page is compulsory again.
 *   - A translation that faults, and a page of a size that the level does not hold, are never held by anyone:
 * their misses are compulsory.
 *   - The real structure may hit where the small one misses. Only its misses are told apart, so that the
 * three classes sum to them.
 *
 * One hash table of pages serves both; those of the small one are also in a list, by recency. About 32 to 64
 * bytes of host memory a page.
 */
#ifndef HW_SHADOW_H
#define HW_SHADOW_H

#include "tlb.h"

enum shadow_class { SHADOW_COMPULSORY, SHADOW_CAPACITY, SHADOW_CONFLICT };

/* One for a structure, with what that holds now; NULL: no host memory. */
struct shadow *shadow_new(const struct tlb *t);
void shadow_free(struct shadow *s); /* NULL is allowed */

/* A look-up that ended with the entry of this tag: it was hit, or filled after a miss. Why a miss missed. */
enum shadow_class shadow_look_up(struct shadow *s, uint64_t tag, unsigned origin, uint16_t pcid);

/* Invalidations. Matching: every page whose tag under mask is value. */
void shadow_drop(struct shadow *s, uint64_t tag);
void shadow_drop_page(struct shadow *s, mmu_va va, uint16_t pcid, bool globals);
void shadow_drop_matching(struct shadow *s, uint64_t mask, uint64_t value);

/* Host memory ran out: pages have been forgotten, and classes are wrong since. */
bool shadow_failed(const struct shadow *s);

/* What the structure holds is held without end. */
void shadow_check(const struct shadow *s, const struct tlb *t);

#endif
