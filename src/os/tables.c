/* tables.c: the hash of page-table pages. See tables.h. */
#include "tables.h"

enum { TABLES_FIRST = 64 };

void tables_destroy(struct tables *t)
{
    free(t->place);
    *t = (struct tables){0};
}

static uint64_t home(const struct tables *t, mmu_pfn pfn)
{
    return (pfn * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (t->places - 1);
}

static struct table *place_of(const struct tables *t, mmu_pfn pfn)
{
    uint64_t i = home(t, pfn);
    while (t->place[i].level && t->place[i].pfn != pfn)
        i = (i + 1) & (t->places - 1);
    return &t->place[i];
}

int tables_reserve(struct tables *t, uint64_t n)
{
    uint64_t places = t->places ? t->places : TABLES_FIRST;
    while ((t->count + n) * 2 > places)
        places *= 2;
    if (places == t->places)
        return MMU_OK;
    struct tables wider = {calloc(places, sizeof *t->place), places, t->count};
    if (!wider.place)
        return MMU_ERR_NOMEM;
    for (uint64_t i = 0; i < t->places; i++)
        if (t->place[i].level)
            *place_of(&wider, t->place[i].pfn) = t->place[i];
    free(t->place);
    *t = wider;
    return MMU_OK;
}

void tables_add(struct tables *t, mmu_pfn pfn, unsigned level, bool boot)
{
    struct table *to = place_of(t, pfn);
    REQUIRE(level > 0 && !to->level && (t->count + 1) * 2 <= t->places);
    *to = (struct table){.pfn = pfn, .level = (uint8_t)level, .boot = boot};
    t->count++;
}

/* Closes the gap that a removal leaves: what lies behind it and belongs before it moves up. */
void tables_remove(struct tables *t, mmu_pfn pfn)
{
    uint64_t mask = t->places - 1, gap = (uint64_t)(place_of(t, pfn) - t->place);
    REQUIRE(t->place[gap].level);
    for (uint64_t i = (gap + 1) & mask; t->place[i].level; i = (i + 1) & mask)
        if (((i - home(t, t->place[i].pfn)) & mask) >= ((i - gap) & mask)) {
            t->place[gap] = t->place[i];
            gap = i;
        }
    t->place[gap].level = 0;
    t->count--;
}

struct table *tables_find(const struct tables *t, mmu_pfn pfn)
{
    if (!t->places)
        return NULL;
    struct table *found = place_of(t, pfn);
    return found->level ? found : NULL;
}

void tables_check(const struct tables *t)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < t->places; i++)
        if (t->place[i].level) {
            count++;
            REQUIRE(place_of(t, t->place[i].pfn) == &t->place[i]);
        }
    REQUIRE(count == t->count && count * 2 <= t->places + 1);
}
