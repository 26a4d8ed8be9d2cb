/* kmap.c: see kmap.h. */
#include "kmap.h"
#include "flush.h"
#include "kspace.h"
#include "plan.h"
#include "rng.h"

#include <inttypes.h>
#include <string.h>

static mmu_va slot_va(const struct mmu_os *os, uint32_t slot)
{
    return os->plan->layout.pkmap_base + ((mmu_va)slot << PAGE_SHIFT);
}

int kmaps_init(struct mmu_os *os)
{
    struct kmaps *k = calloc(1, sizeof *k);
    os->kmaps = k;
    if (!k)
        return MMU_ERR_NOMEM;
    k->slots = os->plan->layout.last_pkmap;
    uint32_t places = 1;
    while (places < 4 * k->slots)
        places *= 2;
    k->index_mask = places - 1;
    k->slot = calloc(k->slots ? k->slots : 1, sizeof *k->slot);
    k->index = calloc(places, sizeof *k->index);
    k->cpu = calloc(os->cores, sizeof *k->cpu);
    return k->slot && k->index && k->cpu ? MMU_OK : MMU_ERR_NOMEM;
}

void kmaps_destroy(struct mmu_os *os)
{
    if (!os->kmaps)
        return;
    free(os->kmaps->slot);
    free(os->kmaps->index);
    free(os->kmaps->cpu);
    free(os->kmaps);
    os->kmaps = NULL;
}

/* ----- which slot a page has ----- */

/* The place of a page in the hash: where it is, or where it would be put. */
static uint16_t *place_of(const struct kmaps *k, mmu_pfn pfn)
{
    uint32_t at = (uint32_t)rng_mix(pfn) & k->index_mask;
    while (k->index[at] && k->slot[k->index[at] - 1].pfn != pfn)
        at = (at + 1) & k->index_mask;
    return &k->index[at];
}

static struct kmaps_slot *slot_of(const struct kmaps *k, mmu_pfn pfn)
{
    uint16_t n = *place_of(k, pfn);
    return n ? &k->slot[n - 1] : NULL;
}

static void rebuild_index(struct kmaps *k)
{
    memset(k->index, 0, (k->index_mask + UINT32_C(1)) * sizeof *k->index);
    for (uint32_t i = 0; i < k->slots; i++)
        if (k->slot[i].count)
            *place_of(k, k->slot[i].pfn) = (uint16_t)(i + 1);
}

mmu_va kmap_address(const struct mmu_os *os, mmu_pfn pfn)
{
    const struct kmaps_slot *slot = os->kmaps ? slot_of(os->kmaps, pfn) : NULL;
    return slot ? slot_va(os, (uint32_t)(slot - os->kmaps->slot)) : 0;
}

uint64_t kmap_users(const struct mmu_os *os, mmu_pfn pfn)
{
    const struct kmaps_slot *slot = slot_of(os->kmaps, pfn);
    uint64_t users = slot ? slot->count - 1 : 0;
    for (uint32_t c = 0; c < os->cores; c++)
        for (uint32_t i = 0; i < os->kmaps->cpu[c].depth; i++)
            users += os->kmaps->cpu[c].pfn[i] == pfn;
    return users;
}

/* ----- kmap ----- */

/* flush_all_zero_pkmaps(): takes back the slots that nobody uses. */
static void flush_unused(struct mmu_os *os)
{
    struct kmaps *k = os->kmaps;
    bool any = false;
    for (uint32_t i = 0; i < k->slots; i++) {
        if (k->slot[i].count != 1)
            continue;
        k->slot[i].count = 0;
        kernel_set_pte(os, slot_va(os, i), 0);
        any = true;
    }
    if (!any)
        return;
    rebuild_index(k);
    flush_kernel_range(os, slot_va(os, 0), slot_va(os, k->slots));
}

/* The next free slot behind the last one (map_new_virtual()); NULL: all are in use. */
static struct kmaps_slot *find_slot(struct mmu_os *os)
{
    struct kmaps *k = os->kmaps;
    uint32_t left = k->slots;
    do {
        k->last = (k->last + 1) % k->slots;
        if (k->last == 0) {
            flush_unused(os);
            left = k->slots;
        }
        if (!k->slot[k->last].count)
            return &k->slot[k->last];
    } while (--left);
    return NULL;
}

/* Must a page be kmapped to be reached? REFUSED, reported as call's, for what is no page that can be mapped.
 */
static int needs_slot(struct mmu_os *os, const char *call, mmu_pfn pfn, bool *needs)
{
    struct mmu_page_info page = {0};
    int status = mmu_os_page(os, pfn, &page);
    if (status != MMU_OS_DONE || page.use == MMU_PAGE_NOT_RAM || page.use == MMU_PAGE_FREE ||
        page.use == MMU_PAGE_PCP) {
        status = os_outcome(
            os, MMU_OS_REFUSED, call, "frame 0x%" PRIx64 " is %s, expected an allocated page", pfn,
            page.use == MMU_PAGE_NOT_RAM || status != MMU_OS_DONE ? "not RAM of this machine" : "free");
        os->report.pfn = pfn;
        return status;
    }
    *needs = zone_is_highmem(&os->plan->zones, (enum mmu_os_zone)page.zone);
    return MMU_OS_DONE;
}

int mmu_os_kmap(struct mmu_os *os, mmu_pfn pfn, mmu_va *va)
{
    struct kmaps *k = os->kmaps;
    bool needs = false;
    int status = needs_slot(os, "kmap", pfn, &needs);
    if (status != MMU_OS_DONE)
        return status;
    if (!needs)
        return mmu_os_va(os, pfn << PAGE_SHIFT, va);
    struct kmaps_slot *slot = slot_of(k, pfn);
    if (!slot) {
        slot = find_slot(os);
        if (!slot) {
            status = os_outcome(os, MMU_OS_WOULD_SLEEP, "kmap",
                                "all %" PRIu32 " slots of PKMAP are in use: it would sleep until a kunmap",
                                k->slots);
            os->report.pfn = pfn;
            return status;
        }
        *slot = (struct kmaps_slot){pfn, 1};
        *place_of(k, pfn) = (uint16_t)(slot - k->slot + 1);
        kernel_set_pte(os, slot_va(os, (uint32_t)(slot - k->slot)),
                       (pfn << PAGE_SHIFT) | prot_kernel(os, MMU_CACHE_WB, PROT_WRITE));
    }
    slot->count++;
    *va = slot_va(os, (uint32_t)(slot - k->slot));
    return MMU_OS_DONE;
}

int mmu_os_kunmap(struct mmu_os *os, mmu_pfn pfn)
{
    bool needs = false;
    int status = needs_slot(os, "kunmap", pfn, &needs);
    if (status != MMU_OS_DONE || !needs)
        return status;
    struct kmaps_slot *slot = slot_of(os->kmaps, pfn);
    if (!slot || slot->count < 2) {
        status = os_outcome(os, MMU_OS_BUG, "kunmap", "frame 0x%" PRIx64 " is not kmapped", pfn);
        os->report.pfn = pfn;
        return status;
    }
    slot->count--;
    return MMU_OS_DONE;
}

/* ----- kmap_local ----- */

static mmu_va local_va(const struct mmu_os *os, uint32_t cpu, uint32_t depth)
{
    uint32_t index = FIX_KMAP_BEGIN + cpu * KM_MAX_IDX + depth;
    return os->plan->layout.fixaddr_top - ((mmu_va)index << PAGE_SHIFT);
}

mmu_va kmap_local_high(struct mmu_os *os, mmu_pfn pfn)
{
    struct kmaps_cpu *cpu = &os->kmaps->cpu[os->current];
    if (cpu->depth == KM_MAX_IDX)
        return 0;
    mmu_va va = local_va(os, os->current, cpu->depth);
    if (!cpu->at[cpu->depth])
        cpu->at[cpu->depth] = kernel_find_pte(os, va);
    kspace_write(os, 1, cpu->at[cpu->depth], pfn << PAGE_SHIFT | prot_kernel(os, MMU_CACHE_WB, PROT_WRITE));
    cpu->pfn[cpu->depth++] = pfn;
    return va;
}

int mmu_os_kmap_local(struct mmu_os *os, mmu_pfn pfn, mmu_va *va)
{
    bool needs = false;
    int status = needs_slot(os, "kmap_local_page", pfn, &needs);
    if (status != MMU_OS_DONE)
        return status;
    if (!needs)
        return mmu_os_va(os, pfn << PAGE_SHIFT, va);
    *va = kmap_local_high(os, pfn);
    if (!*va) {
        status = os_outcome(os, MMU_OS_REFUSED, "kmap_local_page",
                            "CPU %" PRIu32 " has all its %d slots in use", os->current, KM_MAX_IDX);
        os->report.pfn = pfn;
    }
    return status;
}

/* Is it the address of a page in the direct map? kunmap_local() has nothing to do there. */
static bool in_direct_map(const struct mmu_os *os, mmu_va va)
{
    return va >= os->plan->layout.page_offset && va < os->plan->layout.high_memory;
}

int mmu_os_kunmap_local(struct mmu_os *os, mmu_va va)
{
    struct kmaps_cpu *cpu = &os->kmaps->cpu[os->current];
    mmu_va page = va & ~(mmu_va)PAGE_MASK;
    if (in_direct_map(os, va))
        return MMU_OS_DONE;
    if (cpu->depth == 0 || page != local_va(os, os->current, cpu->depth - 1)) {
        int outcome = os_outcome(os, MMU_OS_BUG, "kunmap_local",
                                 "0x%" PRIx64 " is not what CPU %" PRIu32
                                 " mapped last: slots are given back last in, first out",
                                 va, os->current);
        os->report.va = va;
        return outcome;
    }
    kspace_write(os, 1, cpu->at[cpu->depth - 1], 0);
    flush_local_page(os, page);
    cpu->depth--;
    return MMU_OS_DONE;
}

/* ----- invariants ----- */

static void check_entry(const struct mmu_os *os, mmu_va va, bool mapped, mmu_pfn pfn)
{
    struct mmu_os_lookup entry;
    REQUIRE(kernel_lookup(os, va, &entry) == mapped);
    REQUIRE(!mapped || entry.pa == pfn << PAGE_SHIFT);
}

void kmaps_check(const struct mmu_os *os)
{
    const struct kmaps *k = os->kmaps;
    uint32_t used = 0, indexed = 0;
    for (uint32_t i = 0; i < k->slots; i++) {
        check_entry(os, slot_va(os, i), k->slot[i].count > 0, k->slot[i].pfn);
        if (k->slot[i].count == 0)
            continue;
        used++;
        REQUIRE(slot_of(k, k->slot[i].pfn) == &k->slot[i]);
    }
    for (uint32_t i = 0; i <= k->index_mask; i++)
        indexed += k->index[i] != 0;
    REQUIRE(used == indexed);
    for (uint32_t c = 0; c < os->cores && k->slots; c++)
        for (uint32_t d = 0; d < KM_MAX_IDX; d++)
            check_entry(os, local_va(os, c, d), d < k->cpu[c].depth, k->cpu[c].pfn[d]);
}
