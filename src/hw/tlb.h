/*
 * tlb.h: one TLB structure: a set-associative array of translations of one or several page sizes.
 *
 * Models look-up, fill, replacement and the invalidations of SDM vol. 3, 4.10. The rules:
 *   - Entries of several sizes share the array; each size is indexed by its own page number. A size of which
 * nothing is held is not probed.
 *   - An entry is found under its own PCID, or under any when it is global. Never two entries with one tag: a
 * fill overwrites in place.
 *   - A fill takes the lowest invalid way that the size's way mask allows, else the policy's victim.
 *   - With a bound on PCIDs, a fill under a new PCID drops the entries of the least recently filled one (see
 * tlb_pcid_room). Left out: coalescing, skewing.
 *
 * The tags stand apart from the entries, since a look-up reads all tags of a set and one entry.
 */
#ifndef HW_TLB_H
#define HW_TLB_H

#include "hot.h"
#include "match.h"
#include "regime.h"
#include "repl.h"

enum { TLB_LOG = 16, TLB_VPN_BITS = 45, TLB_PCID_SHIFT = 45, TLB_PAGE_SHIFT = 58 };
#define TLB_NONE      MATCH_NONE
#define TLB_VPN_MASK  (BIT(TLB_VPN_BITS) - 1)
#define TLB_PCID_MASK ((uint64_t)0xfff << TLB_PCID_SHIFT)
#define TLB_GLOBAL    BIT(57)
#define TLB_VALID     BIT(63)
#define TLB_SORT      (TLB_VALID | TLB_GLOBAL | BIT(58) | BIT(59)) /* what held[] and globals count */

/* What an entry translates to. */
struct tlb_entry {
    mmu_pa base;     /* of the page, or of the piece of a larger one */
    mmu_cycle ready; /* when the walk that filled it ended */
    uint8_t rights;  /* RIGHT_* */
    uint8_t key;     /* protection key */
    bool dirty;
    uint8_t origin; /* enum mmu_page of the page in the tables; greater than the entry's own size when
                       fractured */
    bool contested; /* first level: another entry, of another size, may serve the same address; the look-up's
                       order decides, so that hot.h must not */
};

/*
 * Invariants (tlb_check): tag[i] == 0 or valid; an entry's set is that of its page number; no two tags of a
 * set are equal, nor alike but for one being global; held[] and globals count the valid entries; held sums to
 * sets * ways - free; under a bound, every non-global entry's PCID is listed; up to TLB_LOG fills are all in
 * filled[].
 */
struct tlb {
    const struct mmu_tlb_config *config;
    unsigned number; /* index in the config */
    uint32_t sets, ways, entries;
    bool masked;             /* sets is a power of two: the set is masked out of number ^ number >> fold */
    uint8_t fold;            /* XOR-n: n; linear: 63, which folds nothing in */
    uint64_t *tag;           /* [sets * ways] */
    struct tlb_entry *entry; /* [sets * ways] */
    uint32_t held[MMU_PAGES];
    uint32_t globals, fractured, free;
    uint32_t filled[TLB_LOG]; /* entries that became valid, the latest ones, number n at n % TLB_LOG */
    uint64_t fills;           /* how many of them there are since all were invalid */
    uint32_t *others;         /* a count that structures share: entries held that are not of 4 KBytes */
    uint32_t own_others;
    struct repl repl;
    uint64_t mask[MMU_PAGES]; /* ways that a size may use */
    uint16_t *pcid;           /* under a bound: those held, most recently filled first */
    uint32_t pcids;
    struct shadow *shadow; /* shadow.h; NULL: misses are not classified */
    /* first-level structures: for hot.h */
    uint32_t hot;           /* where its entries stand in the hot array; else TLB_NONE */
    struct hot_entry *open; /* ... and the first of them; else NULL */
    uint32_t classes;       /* that it serves */
    bool first; /* every kind that it serves asks it first, so that its 4-KByte hits need no counting */
};

/* What a fill writes. */
struct tlb_fill {
    mmu_va va;
    uint16_t pcid;
    uint8_t page; /* enum mmu_page of the entry */
    bool global;
    struct tlb_entry entry;
};

int tlb_init(struct tlb *t, const struct mmu_tlb_config *config, unsigned number,
             struct repl_context *context);
void tlb_destroy(struct tlb *t);

static inline uint64_t tlb_vpn(mmu_va va, unsigned page)
{
    return va >> PAGE_SHIFT & TLB_VPN_MASK & ~(BIT(page_shift(page) - PAGE_SHIFT) - 1);
}

/* The set of a page number (of its own size: already shifted). */
static inline uint32_t tlb_set_of(const struct tlb *t, uint64_t number)
{
    if (LIKELY(t->masked))
        return (uint32_t)(number ^ number >> t->fold) & (t->sets - 1);
    return (uint32_t)(number % t->sets);
}

static inline uint32_t tlb_set(const struct tlb *t, mmu_va va, unsigned page)
{
    return tlb_set_of(t, (va & BITS(PAGE_SHIFT + TLB_VPN_BITS - 1, 0)) >> page_shift(page));
}

static inline uint64_t tlb_tag(mmu_va va, unsigned page, uint16_t pcid, bool global)
{
    uint64_t owner = global ? TLB_GLOBAL : (uint64_t)pcid << TLB_PCID_SHIFT;
    return TLB_VALID | (uint64_t)page << TLB_PAGE_SHIFT | owner | tlb_vpn(va, page);
}

static inline unsigned tlb_tag_page(uint64_t tag)
{
    return (unsigned)(tag >> TLB_PAGE_SHIFT & 3);
}

static inline uint16_t tlb_tag_pcid(uint64_t tag)
{
    return (uint16_t)(tag >> TLB_PCID_SHIFT & 0xfff);
}

static inline mmu_va tlb_tag_va(uint64_t tag)
{
    return (tag & TLB_VPN_MASK) << PAGE_SHIFT; /* not sign-extended */
}

/* The entry of this size for va under pcid, or TLB_NONE. Touches nothing. */
ALWAYS_INLINE uint32_t tlb_find(const struct tlb *t, mmu_va va, unsigned page, uint16_t pcid)
{
    if (t->held[page] == 0)
        return TLB_NONE;
    uint32_t first = tlb_set(t, va, page) * t->ways;
    uint32_t way = match_ways(t->tag + first, t->ways, tlb_tag(va, page, pcid, false));
    if (way == TLB_NONE && t->globals)
        way = match_ways(t->tag + first, t->ways, tlb_tag(va, page, 0, true));
    return way == TLB_NONE ? TLB_NONE : first + way;
}

/* Does the set that a fill of this page goes to have a way to spare? */
bool tlb_has_invalid(const struct tlb *t, mmu_va va, unsigned page);

/* Notes that an entry is about to become valid. */
static inline void tlb_note_filled(struct tlb *t, uint32_t index)
{
    if (t->free == t->entries)
        t->fills = 0;
    t->filled[t->fills++ % TLB_LOG] = index;
}

/* The lowest invalid way of a set that mask allows, or TLB_NONE. */
uint32_t tlb_invalid_way(const struct tlb *t, uint32_t set, uint64_t mask);
/* Makes pcid the most recently filled one; returns how many entries of another it dropped to keep the bound.
 */
uint32_t tlb_pcid_room(struct tlb *t, uint16_t pcid);
/* Writes an entry, and corrects the counts for what it replaces and what it is. */
void tlb_write_counted(struct tlb *t, uint32_t index, uint64_t tag, const struct tlb_entry *entry);

/* Writes an entry. In the steady state of a full array it replaces one of its own sort, and no count changes.
 */
static inline void tlb_write(struct tlb *t, uint32_t index, uint64_t tag, const struct tlb_entry *entry)
{
    bool alike =
        ((t->tag[index] ^ tag) & TLB_SORT) == 0 && t->fractured == 0 && entry->origin == tlb_tag_page(tag);
    if (UNLIKELY(!alike)) {
        tlb_write_counted(t, index, tag, entry);
        return;
    }
    t->tag[index] = tag;
    t->entry[index] = *entry;
}

/* What a fill did. */
struct tlb_filled {
    uint32_t index;   /* of the entry */
    uint32_t dropped; /* entries dropped to make room for a new PCID */
    bool refill;      /* it stood there already */
    uint64_t evicted; /* tag of the valid entry replaced, or 0 */
    mmu_pa evicted_pa;
};

/* Writes an entry where it belongs. absent: the caller knows that no entry of its tag is held. */
ALWAYS_INLINE void tlb_fill(struct tlb *t, const struct tlb_fill *fill, bool absent, struct tlb_filled *done)
{
    uint64_t tag = tlb_tag(fill->va, fill->page, fill->pcid, fill->global);
    uint32_t set = tlb_set(t, fill->va, fill->page);
    done->index = TLB_NONE;
    done->dropped = 0;
    done->evicted = 0;
    if (t->config->pcid_bound && !fill->global && UNLIKELY(!t->pcids || t->pcid[0] != fill->pcid))
        done->dropped = tlb_pcid_room(t, fill->pcid);
    if (!absent)
        done->index = tlb_find(t, fill->va, fill->page, fill->pcid);
    done->refill = done->index != TLB_NONE;
    if (LIKELY(!done->refill)) {
        uint32_t way = UNLIKELY(t->free) ? tlb_invalid_way(t, set, t->mask[fill->page]) : TLB_NONE;
        if (way == TLB_NONE) {
            way = repl_victim(&t->repl, set, t->mask[fill->page]);
            done->evicted = t->tag[set * t->ways + way];
            done->evicted_pa = t->entry[set * t->ways + way].base;
        }
        done->index = set * t->ways + way;
    }
    tlb_write(t, done->index, tag, &fill->entry);
    repl_fill(&t->repl, set, done->index - set * t->ways);
}

static inline void tlb_touch(struct tlb *t, uint32_t index)
{
    repl_touch(&t->repl, index / t->ways, index % t->ways);
}

/* Marks one entry invalid. */
void tlb_drop(struct tlb *t, uint32_t index);

/* Invalidations; each returns the number of entries dropped. */
uint32_t tlb_drop_page(struct tlb *t, mmu_va va, uint16_t pcid,
                       bool globals); /* every entry that translates va, and its siblings when fractured */
uint32_t tlb_drop_pcid(struct tlb *t, uint16_t pcid); /* all non-global entries of a PCID */
uint32_t tlb_drop_globals(struct tlb *t);
uint32_t tlb_drop_all(struct tlb *t, bool globals);

void tlb_check(const struct tlb *t);

#endif
