/* pcp.c: see pcp.h. */
#include "pcp.h"
#include "buddy.h"
#include "migrate.h"
#include "plan.h"

/* order_to_pindex() */
static unsigned list_of(unsigned order, unsigned type)
{
    return (order <= PCP_COSTLY_ORDER ? order : PCP_COSTLY_ORDER + 1) * PCP_TYPES + type;
}

static void push_first(const struct pages *p, struct pcp_list *list, uint32_t id, struct page *page)
{
    page->next = list->head;
    page->prev = 0;
    *(list->head ? &page_at(p, list->head)->prev : &list->tail) = id;
    list->head = id;
}

static void push_last(const struct pages *p, struct pcp_list *list, uint32_t id)
{
    struct page *page = page_at(p, id);
    page->next = 0;
    page->prev = list->tail;
    *(list->tail ? &page_at(p, list->tail)->next : &list->head) = id;
    list->tail = id;
}

static uint32_t pop_first(const struct pages *p, struct pcp_list *list)
{
    uint32_t id = list->head, next = page_at(p, id)->next;
    list->head = next;
    *(next ? &page_at(p, next)->prev : &list->tail) = 0;
    return id;
}

static uint32_t pop_last(const struct pages *p, struct pcp_list *list)
{
    uint32_t id = list->tail;
    struct page *page = page_at(p, id);
    list->tail = page->prev;
    if (page->prev)
        page_at(p, page->prev)->next = 0;
    else
        list->head = 0;
    page->prev = 0;
    return id;
}

/* rmqueue_bulk(): fills a list from the zone. */
COLD static void refill(struct mmu_os *os, unsigned zone, struct pcp *pcp, struct pcp_list *list,
                        unsigned order, unsigned type, unsigned alloc_flags)
{
    uint32_t batch = os->plan->zones.zone[zone].pcp_batch;
    if (batch > 1)
        batch = batch >> order > 2 ? batch >> order : 2;
    for (uint32_t i = 0; i < batch; i++) {
        uint32_t id = buddy_take(os, zone, order, type, alloc_flags);
        if (!id)
            break;
        page_set_head(page_at(os->pages, id), MMU_PAGE_PCP, order, type);
        push_last(os->pages, list, id);
        pcp->count += 1u << order;
    }
}

uint32_t pcp_take(struct mmu_os *os, unsigned zone, unsigned order, unsigned type, unsigned alloc_flags)
{
    struct pcp *pcp = &os->buddy->zone[zone].pcp[os->current];
    struct pcp_list *list = &pcp->list[list_of(order, type)];
    pcp->free_factor >>= 1;
    if (UNLIKELY(!list->head)) {
        refill(os, zone, pcp, list, order, type, alloc_flags);
        if (!list->head)
            return 0;
        os->buddy->no_host_memory = false; /* something was found before */
    }
    pcp->count -= 1u << order;
    return pop_first(os->pages, list);
}

/* free_pcppages_bulk(): gives pages back to the zone, round-robin over the lists from the wanted one on, each
 * from its tail. */
COLD static void give_back(struct mmu_os *os, unsigned zone, struct pcp *pcp, uint32_t pages, unsigned wanted)
{
    int32_t count = (int32_t)(pages < pcp->count ? pages : pcp->count);
    for (unsigned at = wanted; count > 0; at = (at + 1) % PCP_LISTS) {
        struct pcp_list *list = &pcp->list[at];
        while (count > 0 && list->head) {
            uint32_t id = pop_last(os->pages, list);
            const struct page *page = page_at(os->pages, id);
            unsigned order = page_order(page), type = page_type(page);
            count -= 1 << order;
            pcp->count -= 1u << order;
            buddy_give(os, zone, id, order, type);
        }
    }
}

/* nr_pcp_free(): how many pages leave when the lists are full: twice as many with each time that pages were
 * freed and none allocated. */
static uint32_t excess(struct pcp *pcp, uint32_t high, uint32_t batch, bool free_high)
{
    if (free_high)
        return pcp->count;
    if (high < batch)
        return 1;
    uint32_t least = batch, most = high - batch;
    uint64_t wanted = (uint64_t)batch << pcp->free_factor;
    if (wanted < most)
        pcp->free_factor++;
    wanted = wanted < least ? least : wanted;
    return wanted > most ? most : (uint32_t)wanted;
}

void pcp_give(struct mmu_os *os, unsigned zone, uint32_t id, unsigned order, unsigned type)
{
    const struct plan_zone *figures = &os->plan->zones.zone[zone];
    struct pcp *pcp = &os->buddy->zone[zone].pcp[os->current];
    unsigned kept_as = type < PCP_TYPES ? type : MMU_MIGRATE_MOVABLE; /* HIGHATOMIC pages serve anybody */
    unsigned at = list_of(order, kept_as);
    struct page *page = page_at(os->pages, id);
    page_set_head(page, MMU_PAGE_PCP, order, type);
    push_first(os->pages, &pcp->list[at], id, page);
    pcp->count += 1u << order;
    bool free_high = pcp->free_factor && order && order <= PCP_COSTLY_ORDER;
    uint32_t high = free_high ? 0 : figures->pcp_high; /* nr_pcp_high(): reclaim is never active */
    if (UNLIKELY(pcp->count >= high))
        give_back(os, zone, pcp, excess(pcp, high, figures->pcp_batch, free_high), at);
}

void pcp_drain(struct mmu_os *os)
{
    for (unsigned zone = 0; zone < MMU_ZONES; zone++)
        for (uint32_t cpu = 0; os->buddy->zone[zone].pcp && cpu < os->cores; cpu++) {
            struct pcp *pcp = &os->buddy->zone[zone].pcp[cpu];
            give_back(os, zone, pcp, pcp->count, 0);
        }
}
