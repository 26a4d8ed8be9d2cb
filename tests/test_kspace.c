/*
 * test_kspace.c: what the kernel maps at boot, asked of the MMU: the direct map frame by frame, the image,
 * descriptors, fixed addresses; page sizes and rights on every processor; control registers.
 */
#include "kspace_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>

static const struct machine {
    const char *cpu, *os;
} machines[] = {
    {CPU_386, "{arch: i386, ram: 96M}"},
    {CPU_486, "{arch: i386, ram: 64M}"},
    {CPU_PENTIUM, "{arch: i386, ram: 128M}"},
    {CPU_P3, "{arch: i386, ram: 1536M}"},
    {CPU_P3, "{arch: i386, ram: 1G, layout: classic}"},
    {CPU_P3, "{arch: i386, ram: 512M, split: 2G/2G}"},
    {CPU_P3, "{arch: i386_pae, ram: 2G}"},
    {CPU_NX, "{arch: i386_pae, ram: 5G}"},
    {CPU_NX, "{arch: i386_pae, ram: 1G, kpti: true}"},
    {CPU_NX, "{arch: i386_pae, ram: 1G, split: 2G/2G, kpti: true}"},
    {CPU_NX, "{arch: i386_pae, ram: 3G, split: 1G/3G}"},
    {CPU_K8, "{arch: x86_64, ram: 512M}"},
    {CPU_NHM, "{arch: x86_64, ram: 3G, kpti: true}"},
    {CPU_ICX, "{arch: x86_64, ram: 1G}"},
    {CPU_ICX, "{arch: x86_64_la57, ram: 1G, kpti: true}"},
    {CPU_K8, "{arch: x86_64, e820: [{start: 0, size: 0x9fc00, type: ram}, {start: 1M, size: 99M, type: ram}, "
             "{start: 0x7123000, size: 0x1345000, type: ram}]}"},
};

/* Of one frame of the direct map: it is reached, by the kernel only, with the rights of its place. */
static void check_frame(struct kspace_rig *rig, mmu_pfn pfn)
{
    const struct kspace_traits *t = &rig->os->kspace->traits;
    const struct kspace_image i = kspace_image(&rig->config);
    const struct layout *l = &rig->os->plan->layout;
    const bool text = pfn >= i.text && pfn < i.text_end, rodata = pfn >= i.rodata && pfn < i.rodata_end;
    mmu_va va;
    assert_int_equal(mmu_os_va(rig->os, pfn << PAGE_SHIFT, &va), MMU_OS_DONE);
    const struct mmu_walk w = rig_walk(rig, va);
    if (w.outcome != MMU_DONE || w.pa != pfn << PAGE_SHIFT || w.user || w.writable != !(text || rodata))
        fail_msg("frame %llx at %llx: outcome %d, pa %llx, user %d, writable %d", (unsigned long long)pfn,
                 (unsigned long long)va, w.outcome, (unsigned long long)w.pa, w.user, w.writable);
    assert_int_equal(w.no_execute, t->nx && !(text && !l->wide));
    if (!(t->kpti && text)) /* of which the entry text is global */
        assert_int_equal(w.global, t->pge && !t->kpti);
    assert_true(w.accessed && w.dirty && !w.pcd && !w.pwt);
}

static void test_direct_map(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        const struct memmap *map = &rig.os->plan->memmap;
        const mmu_pfn low = rig.os->plan->layout.max_low_pfn;
        uint64_t frames = 0;
        for (uint32_t r = 0; r < map->rams; r++)
            for (mmu_pfn pfn = map->ram[r].start; pfn < map->ram[r].end && pfn < low; pfn++, frames++)
                check_frame(&rig, pfn);
        assert_true(frames >= 64 << (20 - PAGE_SHIFT) >> 1);
        /* Through the TLB too, and nothing behind the end. */
        assert_true(rig_reaches(&rig, rig.os->plan->layout.page_offset + 0x5000, 5));
        assert_int_equal(rig_access(&rig, rig.os->plan->layout.high_memory, MMU_LOAD, MMU_SUPERVISOR).outcome,
                         MMU_FAULT_PF);
        rig_free(&rig);
    }
}

/* Random frames of machines that no one walks frame by frame. */
static void test_big_machines(void **state)
{
    static const struct machine big[] = {
        {CPU_NX, "{arch: i386_pae, ram: 16G}"},      {CPU_K8, "{arch: x86_64, ram: 64G}"},
        {CPU_ICX, "{arch: x86_64, ram: 1T}"},        {CPU_ICX, "{arch: x86_64, ram: 48T, kpti: true}"},
        {CPU_ICX, "{arch: x86_64_la57, ram: 200T}"},
    };
    (void)state;
    uint64_t seed = getenv("MMUSIM_SEED") ? strtoull(getenv("MMUSIM_SEED"), NULL, 0) : 20250511;
    print_message("MMUSIM_SEED=%llu\n", (unsigned long long)seed);
    for (size_t m = 0; m < COUNT_OF(big); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, big[m].cpu, 1, big[m].os);
        const struct plan *p = rig.os->plan;
        for (unsigned i = 0; i < 20000; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            mmu_pfn pfn = (seed >> 20) % p->layout.max_low_pfn;
            if (memmap_is_ram(&p->memmap, pfn))
                check_frame(&rig, pfn);
        }
        rig_free(&rig);
    }
}

/* Descriptors lie in the frames that were set aside for them; each descriptor has bytes of its own. */
static void test_descriptors(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        const struct memmap *map = &rig.os->plan->memmap;
        mmu_pa last = 0;
        for (uint32_t r = 0; r < map->rams; r++)
            for (mmu_pfn pfn = map->ram[r].start; pfn < map->ram[r].end; pfn += 61) {
                struct mmu_page_info info;
                assert_int_equal(mmu_os_page(rig.os, pfn, &info), MMU_OS_DONE);
                const struct mmu_walk w = rig_walk(&rig, info.descriptor);
                assert_int_equal(w.outcome, MMU_DONE);
                const struct mmu_os_memory *range = memmap_find(map, w.pa >> PAGE_SHIFT);
                assert_true(range && range->kind == MMU_MEMORY_MEM_MAP && w.writable && !w.user);
                assert_true(w.pa != last);
                last = w.pa;
                if (rig.os->plan->layout.wide)
                    assert_int_equal(w.page_shift, 21);
            }
        rig_free(&rig);
    }
}

/* The image: code runs and cannot be written, constants and data do not run. */
static void test_image(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        const struct kspace_image i = kspace_image(&rig.config);
        const bool nx = rig.os->kspace->traits.nx, wp = strlen(machines[m].cpu) > 0;
        const struct {
            mmu_pfn pfn;
            bool writable, runs;
        } part[] = {{i.text, false, true},    {i.text_end - 1, false, true},
                    {i.rodata, false, false}, {i.rodata_end - 1, false, false},
                    {i.data, true, false},    {i.end - 1, true, false}};
        for (size_t k = 0; k < COUNT_OF(part); k++) {
            const mmu_va va = rig.os->plan->layout.text_base + (part[k].pfn << PAGE_SHIFT);
            assert_true(rig_reaches(&rig, va, part[k].pfn));
            const struct mmu_result store = rig_access(&rig, va, MMU_STORE, MMU_SUPERVISOR);
            assert_int_equal(store.outcome, part[k].writable || !wp ? MMU_DONE : MMU_FAULT_PF);
            if (store.outcome != MMU_DONE)
                assert_int_equal(store.error_code, MMU_PF_P | MMU_PF_W);
            const struct mmu_result fetch = rig_access(&rig, va, MMU_FETCH, MMU_SUPERVISOR);
            assert_int_equal(fetch.outcome, part[k].runs || !nx ? MMU_DONE : MMU_FAULT_PF);
            if (fetch.outcome != MMU_DONE)
                assert_int_equal(fetch.error_code, MMU_PF_P | MMU_PF_I);
        }
        rig_free(&rig);
    }
}

/* Tables of PKMAP and of the fixed addresses stand, empty; the entry area is there for every CPU. */
static void test_fixed_tables(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        struct mmu_os_lookup found;
        rig_boot(&rig, machines[m].cpu, 3, machines[m].os);
        const struct layout *l = &rig.os->plan->layout;
        for (uint32_t i = 1; i < l->fixed_addresses; i += 7) {
            assert_false(kernel_lookup(rig.os, l->fixaddr_top - i * PAGE_SIZE, &found));
            assert_int_equal(found.level, 0);
        }
        for (uint32_t i = 0; i < l->last_pkmap; i++) {
            assert_false(kernel_lookup(rig.os, l->pkmap_base + i * PAGE_SIZE, &found));
            assert_int_equal(found.level, 0);
        }
        for (unsigned cpu = 0; l->cpu_entry_area && cpu < 3; cpu++) {
            const mmu_va gdt = l->cpu_entry_area + (1 + cpu * (l->wide ? 59u : 43u)) * (mmu_va)PAGE_SIZE;
            const struct mmu_walk w = rig_walk(&rig, gdt);
            assert_int_equal(w.outcome, MMU_DONE);
            assert_int_equal(w.writable, !l->wide);
            assert_int_equal(w.global, rig.os->kspace->traits.pge); /* KPTI or not */
            assert_true(page_use_of(rig.os, w.pa >> PAGE_SHIFT) == MMU_PAGE_RESERVED);
        }
        rig_free(&rig);
    }
}

/* Sizes of the pages of the direct map. */
static void test_page_sizes(void **state)
{
    static const struct {
        const char *cpu, *os;
        struct {
            mmu_pa pa;
            unsigned shift;
        } at[8];
    } sizes[] = {
        {CPU_486, "{arch: i386, ram: 64M}", {{0, 12}, {4 << 20, 12}, {32 << 20, 12}}},
        /* as the recorded kernel: the first 4M and the tail in pages of 4K */
        {CPU_P3,
         "{arch: i386, ram: 512M}",
         {{0, 12}, {0x3ff000, 12}, {0x400000, 22}, {0x1fbff000, 22}, {0x1fc00000, 12}, {0x1ffdf000, 12}}},
        {CPU_NX,
         "{arch: i386_pae, ram: 1536M}",
         {{0, 12}, {0x1ff000, 12}, {0x200000, 21}, {0x36dff000, 21}, {0x36e00000, 12}, {0x36ffd000, 12}}},
        {CPU_K8,
         "{arch: x86_64, ram: 1G}",
         {{0, 12}, {0x1ff000, 12}, {0x200000, 21}, {0x3fdff000, 21}, {0x3fe00000, 12}, {0x3ffdf000, 12}}},
        {CPU_K8, "{arch: x86_64, ram: 6G}", {{UINT64_C(5) << 30, 21}, {0x40000000, 21}, {0xbfdff000, 21}}},
        {CPU_NHM,
         "{arch: x86_64, ram: 6G}",
         {{0x200000, 21}, {0x40000000, 30}, {0x80000000, 21}, {0xbfe00000, 12}, {UINT64_C(5) << 30, 30}}},
        /* 2M pages wholly of RAM only */
        {CPU_NHM,
         "{arch: x86_64, e820: [{start: 1M, size: 199M, type: ram}, {start: 0x10100000, size: 0x10500000, "
         "type: ram}]}",
         {{0x10100000, 12},
          {0x101ff000, 12},
          {0x10200000, 21},
          {0x203ff000, 21},
          {0x20400000, 21},
          {0x205ff000, 21}}},
    };
    (void)state;
    for (size_t m = 0; m < COUNT_OF(sizes); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, sizes[m].cpu, 1, sizes[m].os);
        for (size_t i = 0; i < COUNT_OF(sizes[m].at) && sizes[m].at[i].shift; i++) {
            const struct mmu_walk w = rig_walk(&rig, rig.os->plan->layout.page_offset + sizes[m].at[i].pa);
            assert_int_equal(w.outcome, MMU_DONE);
            assert_int_equal(w.page_shift, sizes[m].at[i].shift);
        }
        rig_free(&rig);
    }
}

/* CR0, CR4 and EFER as the recordings have them, as far as the processor and the model have the bits. */
static void test_registers(void **state)
{
    static const struct {
        const char *cpu, *os;
        uint64_t cr0, cr4, efer;
    } registers[] = {
        {CPU_386, "{arch: i386, ram: 64M}", 0x80040033, 0, 0},
        {CPU_486, "{arch: i386, ram: 64M}", 0x80050033, 0, 0},
        {CPU_P3, "{arch: i386, ram: 512M}", 0x80050033, 0x90, 0},
        {CPU_NX, "{arch: i386_pae, ram: 1536M}", 0x80050033, 0xb0, 0x800},
        {CPU_K8, "{arch: x86_64, ram: 1G}", 0x80050033, 0xb0, 0xd01},
        {CPU_NHM, "{arch: x86_64, ram: 1G}", 0x80050033, 0x200b0, 0xd01},
        {CPU_ICX, "{arch: x86_64_la57, ram: 1G}", 0x80050033, 0x7210b0, 0xd01},
    };
    (void)state;
    for (size_t m = 0; m < COUNT_OF(registers); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, registers[m].cpu, 2, registers[m].os);
        for (unsigned cpu = 0; cpu < 2; cpu++) {
            struct mmu_core *core = mmu_machine_core(rig.machine, cpu);
            assert_int_equal(mmu_core_get(core, MMU_REG_CR0), registers[m].cr0);
            assert_int_equal(mmu_core_get(core, MMU_REG_CR4), registers[m].cr4);
            assert_int_equal(mmu_core_get(core, MMU_REG_EFER), registers[m].efer);
            assert_int_equal(mmu_core_get(core, MMU_REG_CR3) & ~PAGE_MASK,
                             mmu_os_pgd_root(mmu_os_swapper(rig.os), false));
        }
        rig_free(&rig);
    }
}

/* Nothing of the kernel's part is the user's; what does not exist is not mapped. */
static void test_users_outside(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        struct kspace_rig rig;
        rig_boot(&rig, machines[m].cpu, 1, machines[m].os);
        const struct layout *l = &rig.os->plan->layout;
        const mmu_va at[] = {l->page_offset + 0x7000, l->image, l->cpu_entry_area, l->page_offset};
        for (size_t i = 0; i < COUNT_OF(at); i++) {
            if (!at[i])
                continue;
            const struct mmu_result r = rig_access(&rig, at[i], MMU_LOAD, MMU_USER);
            assert_int_equal(r.outcome, MMU_FAULT_PF);
            assert_int_equal(r.error_code, MMU_PF_P | MMU_PF_U);
        }
        assert_int_equal(rig_access(&rig, 0x8048000, MMU_LOAD, MMU_SUPERVISOR).error_code, 0);
        assert_int_equal(rig_access(&rig, 0x8048000, MMU_LOAD, MMU_SUPERVISOR).outcome, MMU_FAULT_PF);
        rig_free(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct_map),   cmocka_unit_test(test_big_machines),
        cmocka_unit_test(test_descriptors),  cmocka_unit_test(test_image),
        cmocka_unit_test(test_fixed_tables), cmocka_unit_test(test_page_sizes),
        cmocka_unit_test(test_registers),    cmocka_unit_test(test_users_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
