/*
 * walk.h: one page walk: the steps of SDM vol. 3, 4.3 to 4.8, for every paging mode.
 *
 * walk_entry() is the one text that interprets an entry; walk_run() drives it over simulated memory, stamped
 * out once per mode so that the geometry folds away; the split-phase face drives the same text with the
 * caller's reads. A walk records what it did (entries read, flags written, tables passed through); mmu.c
 * prices it, tlb.h and psc.h keep it.
 *
 * Choices where the manual leaves room: a walk sets A in the entries that point to tables as it passes them,
 * also when it then faults below; in the leaf A (and D for a store) are set together, after the rights were
 * checked, so that a faulting access never changes its leaf.
 */
#ifndef HW_WALK_H
#define HW_WALK_H

#include "phys.h"
#include "regime.h"

enum { WALK_READS = 5, WALK_RETRIES = 64 };

/* Where a walk begins: at the root, or behind a paging-structure-cache hit. */
struct walk_start {
    mmu_pa table;   /* of the entry to read first */
    uint8_t level;  /* its level, 5 to 1 */
    uint8_t rights; /* of the entries passed so far */
};

struct walk {
    /* the access */
    mmu_va va;
    uint8_t class;
    /* the position: the entry to be read next */
    uint8_t level;
    uint8_t rights; /* W and U ANDed, X ORed, so far */
    mmu_pa table;
    /* what happened */
    uint8_t outcome; /* enum mmu_outcome */
    uint8_t page;    /* enum mmu_page of the leaf */
    uint8_t key;
    bool global, dirty;
    uint8_t reads, accessed_set, dirty_set, written; /* counts; written: entries changed */
    uint32_t error_code;
    mmu_pa frame; /* first address of the page */
    struct {
        mmu_pa pa; /* of the entry */
        uint8_t level;
    } read[WALK_READS];
    uint8_t passed;             /* bit l: an entry of level l that points to a table was passed; then */
    struct walk_start below[6]; /* [l] is where it leads */
    mmu_pa missing;             /* MMU_FAULT_MEMORY: where nothing answered */
};

enum walk_verdict { WALK_DESCEND, WALK_LEAF, WALK_FAULT };

/* Physical address of the entry that the walk reads next. */
ALWAYS_INLINE mmu_pa walk_entry_pa(const struct geometry *g, const struct walk *w)
{
    uint64_t index = w->va >> level_shift(g, w->level) & (BIT(g->index_bits) - 1);
    return w->table + index * g->entry_bytes;
}

ALWAYS_INLINE enum walk_verdict walk_fault(const struct regime *r, struct walk *w, uint32_t bits)
{
    w->outcome = MMU_FAULT_PF;
    w->error_code = regime_error_code(r, w->class, bits);
    return WALK_FAULT;
}

/* Does a protection key forbid this access to a page of these rights? */
ALWAYS_INLINE bool walk_key_denies(const struct regime *r, const struct walk *w, unsigned rights,
                                   unsigned key)
{
    return r->key_denied[rights & RIGHT_U ? 1 : 0][key] >> w->class & 1;
}

/* First address of the page that a leaf entry maps. */
ALWAYS_INLINE mmu_pa walk_frame(const struct geometry *g, const struct regime *r, unsigned level, uint64_t e)
{
    if (g->entry_bytes == 4 && level == 2) /* PSE-36: bits 20:13 are address bits 39:32 */
        return (e & BITS(31, 22)) | (r->cpu.pse36 ? (e >> 13 & 0xff) << 32 : 0);
    return e & r->address_mask & ~(BIT(level_shift(g, level)) - 1);
}

/*
 * Interprets the entry e that was read at the walk's position. Bits of *update must be set in it in memory
 * (atomically, if it still is e) before the verdict counts: when that fails, read the entry again and ask
 * again.
 */
ALWAYS_INLINE enum walk_verdict walk_entry(const struct geometry *g, const struct regime *r, struct walk *w,
                                           uint64_t e, uint64_t *update)
{
    unsigned level = w->level;
    *update = 0;
    if (UNLIKELY(!(e & PTE_P)))
        return walk_fault(r, w, 0);
    bool leaf = level == 1 || ((g->large >> level & 1) && (e & PTE_PS) && (g->entry_bytes == 8 || r->pse));
    if (UNLIKELY(e & (leaf ? r->reserved_leaf[level] : r->reserved_table[level])))
        return walk_fault(r, w, MMU_PF_P | MMU_PF_RSVD);

    unsigned rights = (w->rights & (unsigned)(e >> 1) & (RIGHT_W | RIGHT_U)) | (w->rights & RIGHT_X);
    if (g->has_xd && (e & PTE_XD))
        rights |= RIGHT_X;
    if (!leaf) {
        w->rights = (uint8_t)rights;
        *update = e & PTE_A ? 0 : PTE_A;
        return WALK_DESCEND;
    }
    w->key = g->has_keys ? (uint8_t)PTE_KEY(e) : 0;
    bool key_denied = UNLIKELY(r->keys) && walk_key_denies(r, w, rights, w->key);
    if (UNLIKELY(!(r->allowed[rights] >> w->class & 1) || key_denied))
        return walk_fault(r, w, MMU_PF_P | (key_denied ? MMU_PF_PK : 0u));
    w->rights = (uint8_t)rights;
    bool store = w->class % MMU_KINDS == MMU_STORE;
    *update = (e & PTE_A ? 0 : PTE_A) | (store && !(e & PTE_D) ? PTE_D : 0);
    return WALK_LEAF;
}

/* Books a verdict whose update has been written: moves down, or fills in the translation. */
ALWAYS_INLINE void walk_commit(const struct geometry *g, const struct regime *r, struct walk *w,
                               enum walk_verdict verdict, uint64_t e, uint64_t update)
{
    if (UNLIKELY(update)) {
        w->accessed_set = (uint8_t)(w->accessed_set + !!(update & PTE_A));
        w->dirty_set = (uint8_t)(w->dirty_set + !!(update & PTE_D));
        w->written++;
        e |= update;
    }
    if (verdict == WALK_DESCEND) {
        w->table = e & r->address_mask;
        w->passed |= (uint8_t)(1u << w->level);
        w->below[w->level] = (struct walk_start){w->table, (uint8_t)(w->level - 1), w->rights};
        w->level--;
        return;
    }
    unsigned level = w->level;
    w->outcome = MMU_DONE;
    w->page = level == 1 ? MMU_4K : level == 3 ? MMU_1G : g->entry_bytes == 4 ? MMU_4M : MMU_2M;
    w->frame = walk_frame(g, r, level, e);
    w->dirty = e & PTE_D;
    w->global = r->global_pages && (e & PTE_G);
}

/*
 * Makes w ready to walk for va: at `from`, or at the root when from is NULL. In PAE mode the PDPTE register
 * is looked at here: false when it is not present (w holds the fault).
 */
bool walk_begin(const struct regime *r, struct walk *w, const struct walk_start *from);

/* Walks to the end over simulated memory, from where walk_begin() put w. */
void walk_run(const struct regime *r, struct phys *p, struct walk *w);

#endif
