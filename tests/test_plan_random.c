/*
 * test_plan_random.c: any values at all for a kernel's part of the config: either they are refused, with the
 * field that is to blame, or the plan keeps its invariants, and the memory map accounts for every page.
 */
#include "dice.h"
#include "plan.h"
#include <mmusim/config.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A size of any magnitude, round more often than not; at its worst 2^64 - 1. */
static uint64_t any_size(struct dice *d)
{
    uint64_t size = dice_next(d) >> dice_below(d, 64);
    static const uint64_t round[] = {1, 4096, 1 << 20, 1 << 27, 1 << 30};
    size -= size % round[dice_below(d, 5)];
    return dice_below(d, 50) ? size : UINT64_MAX - dice_below(d, 3);
}

static void roll_e820(struct dice *d, struct mmu_os_config *os)
{
    const bool apart = dice_below(d, 8) != 0; /* mostly as firmware reports: no range in another */
    uint64_t at = 0;
    os->e820s = dice_below(d, 4) ? 1 + dice_below(d, 8) : dice_below(d, MMU_MAX_E820 + 1);
    for (uint32_t i = 0; i < os->e820s; i++) {
        uint64_t size = any_size(d) >> 20;
        size = i == 1 ? size | 64 << 20 : size;
        os->e820[i] = (struct mmu_e820_range){apart ? at : any_size(d), size, dice_below(d, 3) % 2};
        at += size + (dice_below(d, 2) ? any_size(d) >> 24 : 0);
    }
}

static void roll(struct dice *d, struct mmu_config *c)
{
    struct mmu_os_config *os = &c->os;
    mmu_config_init(c);
    c->pager.enabled = false;
    os->enabled = true;
    c->cpu.maxphyaddr = 32 + dice_below(d, 21);
    os->arch = dice_below(d, MMU_OS_ARCHES);
    os->layout = dice_below(d, MMU_OS_LAYOUTS);
    os->split = os->arch < MMU_OS_X86_64 ? dice_below(d, MMU_OS_SPLITS) : 0;
    os->kpti = os->arch != MMU_OS_I386 && dice_below(d, 2);
    os->ram =
        dice_below(d, 2) ? (dice_below(d, 4) ? (uint64_t)(24 + dice_below(d, 16384)) << 20 : any_size(d)) : 0;
    if (!os->ram)
        roll_e820(d, os);
    os->reserveds = dice_below(d, 3) ? 0 : dice_below(d, MMU_MAX_RESERVED + 1);
    for (uint32_t i = 0; i < os->reserveds; i++)
        os->reserved[i] = (struct mmu_os_reserved){any_size(d), any_size(d) >> 30};
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        os->managed_given[i] = dice_below(d, 8) == 0;
        os->managed[i] = os->managed_given[i] ? dice_below(d, 300000) : 0;
    }
    os->kernel_start = dice_below(d, 8) ? 16 << 20 : dice_below(d, 4096) * (UINT64_C(1) << 21);
    os->cpus = dice_below(d, 2) ? 0 : 1 + dice_below(d, 64);
    os->nr_cpus = dice_below(d, 2) ? 0 : 1 + dice_below(d, dice_below(d, 2) ? 64 : 8192);
    os->fixed_addresses = dice_below(d, 4) ? 0 : 1 + dice_below(d, 1 << 18);
    os->vmalloc = os->arch >= MMU_OS_X86_64 || dice_below(d, 3) ? 0 : any_size(d);
    os->highmem_given = os->arch < MMU_OS_X86_64 && dice_below(d, 4) == 0;
    os->highmem = os->highmem_given ? any_size(d) : 0;
    os->kernelcore = dice_below(d, 4) ? 0 : any_size(d);
    os->movablecore = dice_below(d, 4) ? 0 : any_size(d);
    os->min_free_given = dice_below(d, 2);
    os->min_free_kbytes = os->min_free_given ? dice_next(d) >> 33 : 0;
    os->watermark_scale_factor = 1 + dice_below(d, 3000);
    for (unsigned i = 0; i < MMU_ZONES; i++)
        os->lowmem_reserve_ratio[i] = dice_below(d, 3) ? dice_below(d, 300) : (uint32_t)(dice_next(d) >> 33);
}

/* Independent of the ranges: RAM of the firmware's map in whole frames, page 0 and the BIOS area left out. */
static uint64_t count_ram(const struct mmu_os_config *os, mmu_pfn limit)
{
    struct mmu_e820_range map[MMU_MAX_E820];
    uint32_t n = memmap_firmware(os, map);
    uint64_t pages = 0;
    for (mmu_pfn pfn = 1; pfn < limit && pfn < 1 << 19; pfn++) {
        uint64_t at = pfn << 12, end = at + 4096;
        if (pfn >= 0xa0 && pfn < 0x100)
            continue;
        for (uint32_t i = 0; i < n && at < end; i++) /* in order of starts; neighbours may share the frame */
            if (map[i].type == MMU_E820_RAM && map[i].start <= at && map[i].start + map[i].size > at)
                at = map[i].start + map[i].size;
        pages += at >= end;
    }
    return pages;
}

static void check_accounts(const struct plan *p, const struct mmu_os_config *os)
{
    uint64_t mapped = 0;
    for (uint32_t i = 0; i < p->memmap.ranges; i++) {
        const struct mmu_os_memory *r = &p->memmap.range[i];
        mmu_pfn end = r->end < 1 << 19 ? r->end : 1 << 19;
        mapped += r->kind != MMU_MEMORY_IGNORED && r->start < end ? end - r->start : 0;
        assert_true(r->kind == MMU_MEMORY_IGNORED || plan_zone_of(p, r->start) == r->zone);
    }
    assert_int_equal(mapped, count_ram(os, p->memmap.limit));
    for (unsigned i = 0; i < MMU_ZONES; i++)
        assert_true(!os->managed_given[i] || !p->zones.zone[i].present ||
                    p->zones.zone[i].managed == os->managed[i]);
}

static void plans_are_refused_or_sound(void **state)
{
    static struct plan p;
    unsigned sound = 0, rounds = dice_rounds(3000);
    struct dice dice = dice_new("plans", 1);
    (void)state;
    for (unsigned i = 0; i < rounds; i++) {
        struct mmu_config c;
        struct mmu_error err;
        roll(&dice, &c);
        if (plan_make(&p, &c, &err) != MMU_OK) {
            assert_true(err.code == MMU_ERR_INVALID && err.has_offset && err.offset < sizeof c);
            assert_true(err.message[0] && !strchr(err.message, '\n') && strlen(err.message) < 384);
            continue;
        }
        plan_check(&p);
        if (i % 16 == 0)
            check_accounts(&p, &c.os);
        sound++;
    }
    print_message("%u of %u plans are sound, the others refused\n", sound, rounds);
    assert_true(sound > rounds / 10 && sound < rounds);
}

/* The first frames, one by one: carving takes what was free, once. */
static void carving_changes_what_was_free(void **state)
{
    enum { FRAMES = 512 };
    struct dice d = dice_new("carving", 2);
    (void)state;
    for (unsigned round = 0; round < dice_rounds(200); round++) {
        static struct memmap m;
        uint8_t model[FRAMES];
        memset(&m, 0, sizeof m);
        memset(model, MMU_MEMORY_IGNORED, sizeof model);
        for (mmu_pfn at = 0; at < FRAMES; at += 16) {
            if (dice_below(&d, 4) == 0)
                continue;
            m.range[m.ranges++] = (struct mmu_os_memory){at, at + 16, MMU_MEMORY_FREE, 0};
            memset(model + at, MMU_MEMORY_FREE, 16);
        }
        for (unsigned i = 0; i < 30; i++) {
            mmu_pfn start = dice_below(&d, FRAMES), end = start + dice_below(&d, 40);
            end = end < FRAMES ? end : FRAMES;
            unsigned kind = 1 + dice_below(&d, MMU_MEMORY_IGNORED - 1);
            uint64_t expected = 0;
            for (mmu_pfn pfn = start; pfn < end; pfn++)
                if (model[pfn] == MMU_MEMORY_FREE) {
                    model[pfn] = (uint8_t)kind;
                    expected++;
                }
            assert_int_equal(memmap_carve(&m, start, end, kind), expected);
        }
        for (mmu_pfn pfn = 0; pfn < FRAMES; pfn++) {
            const struct mmu_os_memory *r = memmap_find(&m, pfn);
            assert_int_equal(r ? r->kind : MMU_MEMORY_IGNORED, model[pfn]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_are_refused_or_sound),
        cmocka_unit_test(carving_changes_what_was_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
