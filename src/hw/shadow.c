/* shadow.c: a hash table of pages with an LRU list through it. See shadow.h. */
#include "shadow.h"
#include "hash.h"
#include <string.h>

enum { ROOM = 256 }; /* pages at first; a power of two */
#define NOBODY UINT32_MAX

struct page {
    uint64_t tag;
    uint32_t newer, older; /* in the list, when held */
    uint8_t origin;        /* as of the entry */
    bool held;             /* by the small structure */
};

/*
 * Invariants (shadow_check): page[0] to page[n - 1] are in use, each found through exactly one slot; n <=
 * room, slots = 2 * room; the list has the held pages, at most `entries`; pieces[][] counts the pages of an
 * origin greater than their own size.
 */
struct shadow {
    struct page *page;
    uint32_t *slot; /* open addressing: 1 + number of a page; 0: free */
    uint32_t n, room;
    unsigned shift; /* a tag's hash >> shift: its slot */
    uint32_t entries, held, newest, oldest;
    uint32_t pieces[MMU_PAGES][MMU_PAGES]; /* by size and origin */
    bool failed;
};

static uint32_t home(const struct shadow *s, uint64_t tag)
{
    return (uint32_t)(tag * HASH_P1 >> s->shift);
}

/* The slot of a tag, or the free one where it belongs. */
static uint32_t slot_of(const struct shadow *s, uint64_t tag)
{
    uint32_t i = home(s, tag);
    while (s->slot[i] && s->page[s->slot[i] - 1].tag != tag)
        i = (i + 1) & (2 * s->room - 1);
    return i;
}

static struct page *find(const struct shadow *s, uint64_t tag)
{
    uint32_t number = s->slot[slot_of(s, tag)];
    return number ? &s->page[number - 1] : NULL;
}

/* Frees a slot, and moves what stood behind it because of it. */
static void free_slot(struct shadow *s, uint32_t i)
{
    uint32_t mask = 2 * s->room - 1;
    for (uint32_t j = (i + 1) & mask; s->slot[j]; j = (j + 1) & mask)
        if (((j - home(s, s->page[s->slot[j] - 1].tag)) & mask) >= ((j - i) & mask)) {
            s->slot[i] = s->slot[j];
            i = j;
        }
    s->slot[i] = 0;
}

static bool resize(struct shadow *s, uint32_t room)
{
    struct page *page = realloc(s->page, room * sizeof *page);
    uint32_t *slot = page ? calloc(2 * (size_t)room, sizeof *slot) : NULL;
    if (page)
        s->page = page;
    if (!slot)
        return false;
    free(s->slot);
    s->slot = slot;
    s->room = room;
    s->shift = 63 - log2_floor(room);
    for (uint32_t i = 0; i < s->n; i++)
        s->slot[slot_of(s, s->page[i].tag)] = i + 1;
    return true;
}

/* The link to what is older than page x, or to the newest; likewise the other way. */
static uint32_t *link_from_newer(struct shadow *s, uint32_t newer)
{
    return newer == NOBODY ? &s->newest : &s->page[newer].older;
}

static uint32_t *link_from_older(struct shadow *s, uint32_t older)
{
    return older == NOBODY ? &s->oldest : &s->page[older].newer;
}

static void leave_list(struct shadow *s, struct page *p)
{
    if (!p->held)
        return;
    *link_from_newer(s, p->newer) = p->older;
    *link_from_older(s, p->older) = p->newer;
    p->held = false;
    s->held--;
}

/* Makes a page the newest; the oldest leaves when there are too many. */
static void enter_list(struct shadow *s, struct page *p)
{
    uint32_t number = (uint32_t)(p - s->page);
    leave_list(s, p);
    p->newer = NOBODY;
    p->older = s->newest;
    *link_from_older(s, p->older) = number;
    s->newest = number;
    p->held = true;
    if (++s->held > s->entries)
        leave_list(s, &s->page[s->oldest]);
}

static void count_piece(struct shadow *s, const struct page *p, uint32_t by)
{
    unsigned size = tlb_tag_page(p->tag);
    if (p->origin > size)
        s->pieces[size][p->origin] += by;
}

static void set_origin(struct shadow *s, struct page *p, unsigned origin)
{
    count_piece(s, p, UINT32_MAX);
    p->origin = (uint8_t)origin;
    count_piece(s, p, 1);
}

static struct page *add(struct shadow *s, uint64_t tag, unsigned origin)
{
    if (s->n == s->room && (s->room > NOBODY / 8 || !resize(s, 2 * s->room))) {
        s->failed = true;
        return NULL;
    }
    struct page *p = &s->page[s->n];
    *p = (struct page){.tag = tag, .origin = (uint8_t)origin};
    s->slot[slot_of(s, tag)] = ++s->n;
    count_piece(s, p, 1);
    return p;
}

/* The last page takes its place. */
static void forget(struct shadow *s, struct page *p)
{
    leave_list(s, p);
    count_piece(s, p, UINT32_MAX);
    free_slot(s, slot_of(s, p->tag));
    struct page *last = &s->page[--s->n];
    if (p == last)
        return;
    s->slot[slot_of(s, last->tag)] = (uint32_t)(p - s->page) + 1;
    *p = *last;
    if (p->held) {
        *link_from_newer(s, p->newer) = (uint32_t)(p - s->page);
        *link_from_older(s, p->older) = (uint32_t)(p - s->page);
    }
}

struct shadow *shadow_new(const struct tlb *t)
{
    struct shadow *s = calloc(1, sizeof *s);
    if (!s || !resize(s, ROOM)) {
        shadow_free(s);
        return NULL;
    }
    s->entries = t->sets * t->ways;
    s->newest = s->oldest = NOBODY;
    for (uint32_t i = 0; i < s->entries; i++)
        if (t->tag[i])
            shadow_look_up(s, t->tag[i], t->entry[i].origin, tlb_tag_pcid(t->tag[i]));
    if (s->failed) {
        shadow_free(s);
        return NULL;
    }
    return s;
}

void shadow_free(struct shadow *s)
{
    if (!s)
        return;
    free(s->page);
    free(s->slot);
    free(s);
}

/* The page that a look-up finds: as tlb_find(), its own or a global one. */
static struct page *find_owned(const struct shadow *s, uint64_t tag, uint16_t pcid)
{
    struct page *p = find(s, tag);
    unsigned size = tlb_tag_page(tag);
    return p ? p : find(s, tlb_tag(tlb_tag_va(tag), size, pcid, !(tag & TLB_GLOBAL)));
}

enum shadow_class shadow_look_up(struct shadow *s, uint64_t tag, unsigned origin, uint16_t pcid)
{
    struct page *p = find_owned(s, tag, pcid);
    enum shadow_class class = !p ? SHADOW_COMPULSORY : p->held ? SHADOW_CONFLICT : SHADOW_CAPACITY;
    if (p && p->tag != tag) { /* its global flag has changed */
        forget(s, p);
        p = NULL;
    }
    if (!p)
        p = add(s, tag, origin);
    if (p) {
        set_origin(s, p, origin);
        enter_list(s, p);
    }
    return class;
}

void shadow_drop(struct shadow *s, uint64_t tag)
{
    struct page *p = find(s, tag);
    if (p)
        forget(s, p);
}

void shadow_drop_matching(struct shadow *s, uint64_t mask, uint64_t value)
{
    for (uint32_t i = s->n; i-- > 0;) /* downwards: what takes a place has been looked at */
        if ((s->page[i].tag & mask) == value)
            forget(s, &s->page[i]);
}

/* The pieces of this size of the page of `origin` that holds va: looked for one by one, or among all pages.
 */
static void drop_pieces(struct shadow *s, mmu_va va, unsigned size, unsigned origin, uint64_t owner)
{
    uint64_t first = tlb_vpn(va, origin), span = BIT(page_shift(origin) - PAGE_SHIFT),
             step = BIT(page_shift(size) - PAGE_SHIFT);
    uint64_t rest = TLB_VALID | (uint64_t)size << TLB_PAGE_SHIFT | owner;
    if (span / step > s->n) {
        for (uint32_t i = s->n; i-- > 0;) {
            uint64_t tag = s->page[i].tag;
            if (s->page[i].origin == origin && (tag & ~TLB_VPN_MASK) == rest &&
                tlb_vpn(tlb_tag_va(tag), origin) == first)
                forget(s, &s->page[i]);
        }
        return;
    }
    for (uint64_t vpn = first; vpn < first + span; vpn += step) {
        struct page *p = find(s, rest | vpn);
        if (p && p->origin == origin)
            forget(s, p);
    }
}

static void drop_owned(struct shadow *s, mmu_va va, uint16_t pcid, bool global)
{
    for (unsigned size = 0; size < MMU_PAGES; size++) {
        uint64_t tag = tlb_tag(va, size, pcid, global);
        for (unsigned origin = size + 1; origin < MMU_PAGES; origin++)
            if (s->pieces[size][origin])
                drop_pieces(s, va, size, origin, tag & (TLB_GLOBAL | TLB_PCID_MASK));
        shadow_drop(s, tag);
    }
}

void shadow_drop_page(struct shadow *s, mmu_va va, uint16_t pcid, bool globals)
{
    drop_owned(s, va, pcid, false);
    if (globals)
        drop_owned(s, va, pcid, true);
}

bool shadow_failed(const struct shadow *s)
{
    return s->failed;
}

void shadow_check(const struct shadow *s, const struct tlb *t)
{
    uint32_t pieces[MMU_PAGES][MMU_PAGES] = {0}, listed = 0, slots = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const struct page *p = &s->page[i];
        REQUIRE(find(s, p->tag) == p);
        pieces[tlb_tag_page(p->tag)][p->origin] += p->origin > tlb_tag_page(p->tag);
    }
    REQUIRE(memcmp(pieces, s->pieces, sizeof pieces) == 0);
    for (uint32_t i = 0; i < 2 * s->room; i++)
        slots += s->slot[i] != 0;
    REQUIRE(slots == s->n && s->n <= s->room);
    for (uint32_t i = s->newest, newer = NOBODY; i != NOBODY; newer = i, i = s->page[i].older, listed++)
        REQUIRE(i < s->n && s->page[i].held && s->page[i].newer == newer && listed < s->held);
    REQUIRE(listed == s->held && s->held <= s->entries);
    for (uint32_t i = 0; i < t->sets * t->ways && !s->failed; i++)
        REQUIRE(!t->tag[i] || find(s, t->tag[i]));
}
