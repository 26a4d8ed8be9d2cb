/*
 * ref_tlb.c: lists, searched from one end to the other.
 */
#include "ref_tlb.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const unsigned shift_of[REF_TLB_PAGES] = {12, 21, 22, 30};

/* Page numbers are those of 57-bit linear addresses, whatever the mode. */
static uint64_t number_of(uint64_t va, unsigned page)
{
    return (va & ((UINT64_C(1) << 57) - 1)) >> shift_of[page];
}

void ref_tlbs_init(struct ref_tlbs *t, const struct ref_tlb_geometry *geometry, unsigned n)
{
    assert(n <= REF_TLB_MAX);
    memset(t, 0, sizeof *t);
    t->n = n;
    for (unsigned i = 0; i < n; i++) {
        struct ref_tlb *b = &t->tlb[i];
        b->g = geometry[i];
        if (b->g.level > t->levels)
            t->levels = b->g.level;
        b->set = calloc(b->g.sets, sizeof *b->set);
        assert(b->set);
        for (unsigned s = 0; s < b->g.sets; s++) {
            b->set[s].entry = calloc(b->g.ways, sizeof *b->set[s].entry);
            b->set[s].order = calloc(b->g.ways, sizeof *b->set[s].order);
            assert(b->set[s].entry && b->set[s].order);
            for (unsigned w = 0; w < b->g.ways; w++)
                b->set[s].order[w] = w;
        }
    }
}

void ref_tlbs_free(struct ref_tlbs *t)
{
    for (unsigned i = 0; i < t->n; i++) {
        for (unsigned s = 0; s < t->tlb[i].g.sets; s++) {
            free(t->tlb[i].set[s].entry);
            free(t->tlb[i].set[s].order);
        }
        free(t->tlb[i].set);
    }
}

static struct ref_tlb_set *set_of(struct ref_tlb *b, uint64_t vpn)
{
    uint64_t index = vpn % b->g.sets;
    if (b->g.xor_index)
        index = (vpn ^ vpn / b->g.sets) % b->g.sets;
    return &b->set[index];
}

static bool serves(const struct ref_tlb *b, unsigned level, unsigned kind)
{
    return b->g.level == level && (b->g.kinds >> kind & 1);
}

/* Moves a way to the front of the list. */
static void to_front(const struct ref_tlb *b, struct ref_tlb_set *s, unsigned way)
{
    unsigned at = 0;
    while (at + 1 < b->g.ways && s->order[at] != way)
        at++;
    for (; at > 0; at--)
        s->order[at] = s->order[at - 1];
    s->order[0] = way;
}

/* The way with this piece, or -1. */
static int find(const struct ref_tlb *b, const struct ref_tlb_set *s, uint64_t vpn, unsigned piece,
                unsigned pcid)
{
    for (unsigned w = 0; w < b->g.ways; w++) {
        const struct ref_tlb_entry *e = &s->entry[w];
        if (e->valid && e->piece == piece && e->vpn == vpn && (e->global || e->pcid == pcid))
            return (int)w;
    }
    return -1;
}

/* Looks in one structure, all its page sizes. */
static struct ref_tlb_entry *look(struct ref_tlb *b, uint64_t va, unsigned pcid)
{
    for (unsigned piece = 0; piece < REF_TLB_PAGES; piece++) {
        if (!(b->g.pages >> piece & 1))
            continue;
        uint64_t vpn = number_of(va, piece);
        struct ref_tlb_set *s = set_of(b, vpn);
        int way = find(b, s, vpn, piece, pcid);
        if (way < 0)
            continue;
        b->hits++;
        if (!b->g.fifo)
            to_front(b, s, (unsigned)way);
        return &s->entry[way];
    }
    return NULL;
}

static bool allowed(const struct ref_tlb *b, unsigned piece, unsigned way)
{
    return b->g.way_mask[piece] == 0 || (b->g.way_mask[piece] >> way & 1);
}

/* The lowest invalid way in which a piece may lie, or -1. */
static int free_way(const struct ref_tlb *b, const struct ref_tlb_set *s, unsigned piece)
{
    for (unsigned w = 0; w < b->g.ways; w++)
        if (!s->entry[w].valid && allowed(b, piece, w))
            return (int)w;
    return -1;
}

static bool same_page(const struct ref_tlb_entry *e, uint64_t va)
{
    return (e->vpn << shift_of[e->piece]) >> shift_of[e->page] == number_of(va, e->page);
}

enum filter { PAGE_AND_GLOBAL, PAGE_ONLY, PCID_ONLY, EVERYTHING, ALL_BUT_GLOBAL };

static void drop(struct ref_tlb *b, enum filter filter, unsigned pcid, uint64_t va)
{
    for (unsigned s = 0; s < b->g.sets; s++)
        for (unsigned w = 0; w < b->g.ways; w++) {
            struct ref_tlb_entry *e = &b->set[s].entry[w];
            bool mine = !e->global && e->pcid == pcid;
            if ((filter == PAGE_AND_GLOBAL && (mine || e->global) && same_page(e, va)) ||
                (filter == PAGE_ONLY && mine && same_page(e, va)) || (filter == PCID_ONLY && mine) ||
                filter == EVERYTHING || (filter == ALL_BUT_GLOBAL && !e->global))
                e->valid = false;
        }
}

/* A structure that keeps few PCIDs is filled under one: the entries of the PCID filled longest ago go. */
static void note_pcid(struct ref_tlb *b, unsigned pcid)
{
    unsigned bound = b->g.pcids ? b->g.pcids : 1;
    unsigned at = 0;
    while (at < b->n_recent && b->recent[at] != pcid)
        at++;
    if (at == b->n_recent) {
        if (b->n_recent == bound)
            drop(b, PCID_ONLY, b->recent[--at], 0);
        else
            b->n_recent++;
    }
    for (; at > 0; at--)
        b->recent[at] = b->recent[at - 1];
    b->recent[0] = pcid;
}

static void put(struct ref_tlb *b, struct ref_tlb_entry entry)
{
    if (b->g.pcid_bound && !entry.global)
        note_pcid(b, entry.pcid);
    struct ref_tlb_set *s = set_of(b, entry.vpn);
    int way = find(b, s, entry.vpn, entry.piece, entry.pcid);
    if (way < 0)
        way = free_way(b, s, entry.piece);
    if (way < 0) {
        for (unsigned at = b->g.ways; at > 0 && way < 0; at--)
            if (allowed(b, entry.piece, s->order[at - 1]))
                way = (int)s->order[at - 1];
        b->evictions++;
    }
    b->fills++;
    s->entry[way] = entry;
    to_front(b, s, (unsigned)way);
}

/* The structure, of n that hold the page's size, whose turn it is when none has room. */
static unsigned turn(uint64_t vpn, unsigned n)
{
    unsigned ones = 0;
    if (n != 2)
        return (unsigned)(vpn % n);
    for (; vpn; vpn /= 2)
        ones += vpn % 2;
    return ones % 2;
}

/* Writes the page, or its piece around va, into one level: always the same way, wherever it came from. */
static void fill_level(struct ref_tlbs *t, unsigned level, uint64_t va, unsigned kind, unsigned pcid,
                       const struct ref_page *page, bool dirty)
{
    for (unsigned piece = page->page + 1;
         piece-- > 0;) { /* the largest size that is served and not greater */
        struct ref_tlb *candidate[REF_TLB_MAX];
        unsigned n = 0;
        for (unsigned i = 0; i < t->n; i++)
            if (serves(&t->tlb[i], level, kind) && (t->tlb[i].g.pages >> piece & 1))
                candidate[n++] = &t->tlb[i];
        if (n == 0 && t->no_fracture[level])
            return;
        if (n == 0)
            continue;
        struct ref_tlb_entry entry = {true,       page->global,        dirty, pcid, piece,
                                      page->page, number_of(va, piece)};
        struct ref_tlb *chosen = NULL;
        for (unsigned i = 0; i < n && !chosen; i++) /* where it is already */
            if (find(candidate[i], set_of(candidate[i], entry.vpn), entry.vpn, piece, pcid) >= 0)
                chosen = candidate[i];
        for (unsigned i = 0; i < n && !chosen; i++) /* where there is room */
            if (free_way(candidate[i], set_of(candidate[i], entry.vpn), piece) >= 0)
                chosen = candidate[i];
        if (!chosen)
            chosen = candidate[turn(entry.vpn, n)];
        put(chosen, entry);
        return;
    }
}

/* A store has set D: every copy that serves stores knows. */
static void set_dirty(struct ref_tlbs *t, uint64_t va, unsigned pcid)
{
    for (unsigned i = 0; i < t->n; i++) {
        struct ref_tlb *b = &t->tlb[i];
        for (unsigned piece = 0; piece < REF_TLB_PAGES; piece++) {
            if (!(b->g.kinds >> REF_TLB_STORE & 1) || !(b->g.pages >> piece & 1))
                continue;
            uint64_t vpn = number_of(va, piece);
            struct ref_tlb_set *s = set_of(b, vpn);
            int way = find(b, s, vpn, piece, pcid);
            if (way >= 0)
                s->entry[way].dirty = true;
        }
    }
}

unsigned ref_tlbs_access(struct ref_tlbs *t, uint64_t va, unsigned kind, unsigned pcid,
                         const struct ref_page *page)
{
    bool store = kind == REF_TLB_STORE;
    for (unsigned level = 1; level <= t->levels; level++) {
        struct ref_tlb_entry *hit = NULL;
        bool served = false;
        for (unsigned i = 0; i < t->n && !hit; i++)
            if (serves(&t->tlb[i], level, kind)) {
                served = true;
                hit = look(&t->tlb[i], va, pcid);
            }
        if (!hit) {
            t->misses[level] += served;
            continue;
        }
        bool walks = store && !hit->dirty;
        bool dirty = hit->dirty || store;
        if (walks) {
            t->dirty_walks++;
            set_dirty(t, va, pcid);
        }
        for (unsigned lower = level; lower-- > 1;)
            fill_level(t, lower, va, kind, pcid, page, dirty);
        return walks ? 0 : level;
    }
    t->walks++;
    if (store)
        set_dirty(t, va, pcid);
    for (unsigned level = t->levels; level > 0; level--)
        fill_level(t, level, va, kind, pcid, page, page->dirty || store);
    return 0;
}

static void drop_all(struct ref_tlbs *t, enum filter filter, unsigned pcid, uint64_t va)
{
    for (unsigned i = 0; i < t->n; i++)
        drop(&t->tlb[i], filter, pcid, va);
}

void ref_tlbs_invlpg(struct ref_tlbs *t, uint64_t va, unsigned pcid)
{
    drop_all(t, PAGE_AND_GLOBAL, pcid, va);
}
void ref_tlbs_flush_all(struct ref_tlbs *t)
{
    drop_all(t, EVERYTHING, 0, 0);
}

void ref_tlbs_invpcid(struct ref_tlbs *t, unsigned type, unsigned pcid, uint64_t va)
{
    static const enum filter filter[4] = {PAGE_ONLY, PCID_ONLY, EVERYTHING, ALL_BUT_GLOBAL};
    drop_all(t, filter[type], pcid, va);
}

void ref_tlbs_mov_cr3(struct ref_tlbs *t, unsigned pcid, bool keep)
{
    if (!keep)
        drop_all(t, PCID_ONLY, pcid, 0);
    for (unsigned i = 0; i < t->n; i++)
        if (t->tlb[i].g.pcid_bound && t->tlb[i].g.pcids == 0)
            drop(&t->tlb[i], ALL_BUT_GLOBAL, 0, 0);
}
