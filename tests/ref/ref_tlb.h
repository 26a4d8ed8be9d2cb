/*
 * ref_tlb.h: naive TLBs to compare with: every set is a list of its ways, most recent first. Independent of
 * src/.
 *
 * Models look-up, fill, victim and invalidation of a hierarchy of structures with true LRU (or FIFO)
 * replacement: kinds, page sizes, fractured pages, way masks, PCIDs, global pages, the dirty flag of stores.
 * Leaves out time, rights, the walk itself.
 */
#ifndef REF_TLB_H
#define REF_TLB_H

#include <stdbool.h>
#include <stdint.h>

enum { REF_TLB_KINDS = 3, REF_TLB_PAGES = 4, REF_TLB_MAX = 16 };
enum { REF_TLB_FETCH, REF_TLB_LOAD, REF_TLB_STORE };
enum { REF_TLB_4K, REF_TLB_2M, REF_TLB_4M, REF_TLB_1G };

struct ref_tlb_geometry {
    unsigned level;        /* 1 = first */
    unsigned kinds, pages; /* bit sets */
    unsigned sets, ways;
    bool xor_index; /* sets = 2^n: VPN[n-1:0] ^ VPN[2n-1:n] */
    bool fifo;      /* hits do not touch the list */
    bool pcid_bound;
    unsigned pcids;                   /* with pcid_bound */
    uint64_t way_mask[REF_TLB_PAGES]; /* 0: all */
};

/* What the tables say of an address. */
struct ref_page {
    unsigned page; /* REF_TLB_4K ... */
    bool global;
    bool dirty; /* D in the leaf, before the access */
};

struct ref_tlb_entry {
    bool valid, global, dirty;
    unsigned pcid;
    unsigned piece; /* size of this entry */
    unsigned page;  /* size of the page that it is of */
    uint64_t vpn;   /* address / size of the piece */
};

struct ref_tlb_set {
    struct ref_tlb_entry *entry; /* by way */
    unsigned *order;             /* the ways, most recent first */
};

struct ref_tlb {
    struct ref_tlb_geometry g;
    struct ref_tlb_set *set;
    unsigned recent[4096]; /* PCIDs, most recently filled first (pcid_bound) */
    unsigned n_recent;
    uint64_t hits, fills, evictions;
};

struct ref_tlbs {
    unsigned n, levels;
    bool no_fracture[5]; /* by level: a page of a size that no structure serves is not held; set after the
                            init */
    struct ref_tlb tlb[REF_TLB_MAX];
    uint64_t walks, dirty_walks;
    uint64_t misses[5]; /* by level, [1] is the first */
};

void ref_tlbs_init(struct ref_tlbs *t, const struct ref_tlb_geometry *geometry, unsigned n);
void ref_tlbs_free(struct ref_tlbs *t);

/* One translation. Returns the level that had it, 0: a walk (which fills every level); a store that finds D =
 * 0 walks as well. */
unsigned ref_tlbs_access(struct ref_tlbs *t, uint64_t va, unsigned kind, unsigned pcid,
                         const struct ref_page *page);

void ref_tlbs_invlpg(struct ref_tlbs *t, uint64_t va, unsigned pcid);
void ref_tlbs_invpcid(struct ref_tlbs *t, unsigned type, unsigned pcid, uint64_t va);
/* pcid: the new one (0 when CR4.PCIDE = 0); keep: bit 63 of the source with PCIDE = 1. */
void ref_tlbs_mov_cr3(struct ref_tlbs *t, unsigned pcid, bool keep);
void ref_tlbs_flush_all(struct ref_tlbs *t);

#endif
