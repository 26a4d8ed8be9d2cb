/* sim/pages.c: see pages.h. */
#include "pages.h"
#include <stdlib.h>
#include <string.h>

enum { FIRST_BITS = 12, FIRST_SLOTS = 1024 };

/* ---- pages ---- */

static uint64_t hash_of(uint64_t process, uint64_t number)
{
    return (number + process * UINT64_C(0xD6E8FEB86659FD93)) * UINT64_C(0x9E3779B97F4A7C15);
}

/* The place of a page's index, or the free place where it belongs. */
static uint32_t *place_of(const struct pages *p, uint64_t process, uint64_t number)
{
    size_t mask = ((size_t)1 << p->bits) - 1;
    size_t i = (size_t)(hash_of(process, number) >> (64 - p->bits));
    while (p->place[i]) {
        const struct page *page = &p->page[p->place[i] - 1];
        if (page->number == number && page->process == process)
            break;
        i = (i + 1) & mask;
    }
    return &p->place[i];
}

static bool grow(struct pages *p)
{
    unsigned bits = p->place ? p->bits + 1 : FIRST_BITS;
    uint32_t *place = calloc((size_t)1 << bits, sizeof *place);
    if (!place)
        return false;
    free(p->place);
    p->place = place;
    p->bits = bits;
    for (uint32_t i = 0; i < p->n; i++)
        *place_of(p, p->page[i].process, p->page[i].number) = i + 1;
    return true;
}

static bool make_room(struct pages *p)
{
    if (p->n == p->room) {
        uint32_t room = p->room ? (p->room < UINT32_MAX / 2 ? p->room * 2 : UINT32_MAX - 1) : 1024;
        struct page *page = p->n < UINT32_MAX - 2 ? realloc(p->page, room * sizeof *page) : NULL;
        if (!page)
            return false;
        p->page = page;
        p->room = room;
    }
    return (p->place && p->n < (size_t)1 << (p->bits - 1)) || grow(p);
}

uint32_t pages_find(struct pages *p, uint64_t process, uint64_t number)
{
    uint32_t *place = p->place ? place_of(p, process, number) : NULL;
    if (place && *place)
        return *place - 1;
    if (!make_room(p))
        return UINT32_MAX;
    p->page[p->n] = (struct page){.process = process, .number = number};
    *place_of(p, process, number) = p->n + 1;
    return p->n++;
}

void pages_free(struct pages *p)
{
    free(p->page);
    free(p->place);
    memset(p, 0, sizeof *p);
}

/* ---- reuse ---- */

static void tree_add(struct reuse *r, uint32_t slot, uint32_t what)
{
    for (uint64_t i = slot; i <= r->slots; i += i & -i)
        r->tree[i] += what;
}

/* Occupied slots up to and with this one. */
static uint32_t tree_sum(const struct reuse *r, uint32_t slot)
{
    uint32_t sum = 0;
    for (uint32_t i = slot; i; i &= i - 1)
        sum += r->tree[i];
    return sum;
}

/* Numbers the slots anew, without gaps, twice as many as are occupied. */
static bool renumber(struct reuse *r)
{
    uint64_t slots = (uint64_t)r->occupied * 2 < FIRST_SLOTS ? FIRST_SLOTS : (uint64_t)r->occupied * 2;
    uint32_t *tree = calloc((size_t)slots + 1, sizeof *tree),
             *owner = calloc((size_t)slots + 1, sizeof *owner), n = 0;
    if (!tree || !owner || slots >= UINT32_MAX) {
        free(tree);
        free(owner);
        return false;
    }
    for (uint32_t i = 1; i < r->next; i++)
        if (r->owner[i]) {
            owner[++n] = r->owner[i];
            r->slot_of[owner[n] - 1] = n;
            tree[n] = 1;
        }
    for (uint64_t i = 1; i <= slots; i++) { /* each node adds itself to the next that covers it */
        uint64_t above = i + (i & -i);
        if (above <= slots)
            tree[above] += tree[i];
    }
    free(r->tree);
    free(r->owner);
    r->tree = tree;
    r->owner = owner;
    r->slots = (uint32_t)slots;
    r->next = n + 1;
    return true;
}

/* The last page of the list goes to the top of the others. */
static bool push_out(struct reuse *r, uint32_t page)
{
    if (!r->tree)
        r->next = 1;
    if ((!r->tree || r->next > r->slots) && !renumber(r))
        return false;
    r->owner[r->next] = page + 1;
    r->slot_of[page] = r->next;
    tree_add(r, r->next++, 1);
    r->occupied++;
    return true;
}

/* Room for a slot number of each page. */
static bool reserve(struct reuse *r)
{
    if (r->pages.room == r->slot_room)
        return true;
    uint32_t *slot_of = realloc(r->slot_of, r->pages.room * sizeof *slot_of);
    if (!slot_of)
        return false;
    memset(slot_of + r->slot_room, 0, (r->pages.room - r->slot_room) * sizeof *slot_of);
    r->slot_of = slot_of;
    r->slot_room = r->pages.room;
    return true;
}

/* Makes a page the first of the list, places 0 to `last` of which move up by one. */
static void to_front(struct reuse *r, uint32_t page, uint32_t last)
{
    memmove(r->top + 1, r->top, last * sizeof *r->top);
    r->top[0] = page;
}

bool reuse_touch(struct reuse *r, uint64_t process, uint64_t number, uint64_t *distance)
{
    for (uint32_t i = 0; i < r->tops; i++) {
        const struct page *page = &r->pages.page[r->top[i]];
        if (page->number == number && page->process == process) {
            to_front(r, r->top[i], i);
            *distance = i;
            return true;
        }
    }
    uint32_t known = r->pages.n, page = pages_find(&r->pages, process, number);
    if (page == UINT32_MAX || !reserve(r))
        return false;
    uint32_t slot = r->slot_of[page];
    *distance = page == known ? REUSE_NEVER : REUSE_TOP + (uint64_t)(r->occupied - tree_sum(r, slot));
    if (slot) {
        tree_add(r, slot, UINT32_MAX); /* minus one */
        r->owner[slot] = 0;
        r->slot_of[page] = 0;
        r->occupied--;
    }
    if (r->tops == REUSE_TOP && !push_out(r, r->top[REUSE_TOP - 1]))
        return false;
    r->tops += r->tops < REUSE_TOP;
    to_front(r, page, r->tops - 1);
    return true;
}

void reuse_free(struct reuse *r)
{
    pages_free(&r->pages);
    free(r->slot_of);
    free(r->tree);
    free(r->owner);
    memset(r, 0, sizeof *r);
}
