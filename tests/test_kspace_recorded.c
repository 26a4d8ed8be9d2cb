/*
 * test_kspace_recorded.c: our swapper_pg_dir beside the page tables of running Linux 6.1 kernels, page by
 * page: the direct map, the image, descriptors, entry area, fixed addresses; sizes, rights, G, A, D, memory
 * types.
 *
 * A kernel that has been running has changed some pages since (modules and BPF programs made read-only, their
 * aliases in the direct map with them): those are counted, and must stay few and of that kind.
 */
#include "kspace_rig.h"
#include <mmusim/walk.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>

static const struct recording {
    const char *name, *cpu, *os;
    unsigned later; /* pages that the kernel changed after its boot: at most */
} recordings[] = {
    {"i386-512m", CPU_P3,
     "{arch: i386, ram: 512M, kernel: {start: 16M, text: 0x934000, rodata: 0x305000, data: 0x600000}}", 24},
    {"pae-1536m", CPU_NX,
     "{arch: i386_pae, ram: 1536M, kernel: {start: 16M, text: 0x934000, rodata: 0x31d000, data: 0x600000}}",
     8},
    {"amd64-1g", CPU_K8,
     "{arch: x86_64, ram: 1G, kernel: {start: 16M, text: 0xe02000, rodata: 0x8e7000, data: 0x1c00000}}", 700},
};

struct recorded {
    struct mmu_image *image;
    struct mmu_machine *machine;
    struct mmu_memory_ops ops;
    mmu_pa pdpt; /* PAE: of the recording's page directory, else 0 */
};

/* QEMU sets A in PAE's PDPTEs, where it is reserved: a load of CR3 would refuse them. */
static bool read_entry(void *ctx, mmu_pa pa, unsigned bytes, uint64_t *value)
{
    const struct recorded *r = ctx;
    if (!r->ops.read(r->ops.ctx, pa, bytes, value))
        return false;
    if (r->pdpt && pa >= r->pdpt && pa < r->pdpt + 32)
        *value &= ~PTE_A;
    return true;
}

static void open_recording(struct recorded *r, const struct recording *of)
{
    static const char *const keys[MMU_REGS] = {
        [MMU_REG_CR0] = "CR0", [MMU_REG_CR3] = "CR3", [MMU_REG_CR4] = "CR4", [MMU_REG_EFER] = "EFER"};
    char path[512], line[256], key[32];
    struct mmu_registers registers = {0};
    struct mmu_memory_ops ops;
    struct mmu_config config;
    memset(r, 0, sizeof *r);
    snprintf(path, sizeof path, "%s/kernel/%s/registers.txt", MMUSIM_TEST_DATA, of->name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    unsigned long long value;
    while (fgets(line, sizeof line, f))
        for (unsigned i = 0; sscanf(line, "%31[A-Z0-9] = %llx", key, &value) == 2 && i < MMU_REGS; i++)
            if (keys[i] && strcmp(key, keys[i]) == 0)
                registers.value[i] = value;
    fclose(f);
    snprintf(path, sizeof path, "%s/kernel/%s/pagetables.elf.xz", MMUSIM_TEST_DATA, of->name);
    struct mmu_error err;
    if (mmu_image_open(path, 0, &r->image, &err) != MMU_OK)
        rig_die(&err);
    mmu_image_memory(r->image, &r->ops);
    ops = r->ops;
    ops.read = read_entry;
    ops.ctx = r;
    r->pdpt = strstr(of->name, "pae") ? registers.value[MMU_REG_CR3] : 0;
    mmu_config_init(&config);
    config.pager.enabled = false;
    const struct mmu_options options = {.memory = &ops};
    if (mmu_machine_create(&config, &options, &r->machine, &err) != MMU_OK)
        rig_die(&err);
    assert_int_equal(mmu_core_load(mmu_machine_core(r->machine, 0), &registers), MMU_DONE);
}

static struct mmu_walk walk_recorded(const struct recorded *r, mmu_va va)
{
    struct mmu_walk walk;
    struct mmu_access access = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_SUPERVISOR)};
    mmu_core_walk(mmu_machine_core(r->machine, 0), &access, &walk);
    return walk;
}

/* What a running kernel does to single pages: takes W away, gives X (code of modules, trampolines), drops G
 * (a page that was not present for a while). */
static bool changed_later(const struct mmu_walk *rec, const struct mmu_walk *own)
{
    return own->writable && (!rec->writable || !rec->no_execute || !rec->global);
}

static bool same(const struct mmu_walk *rec, const struct mmu_walk *own)
{
    return rec->writable == own->writable && rec->no_execute == own->no_execute &&
           rec->global == own->global && rec->accessed == own->accessed && rec->dirty == own->dirty &&
           rec->pcd == own->pcd && rec->pwt == own->pwt && rec->user == own->user;
}

/* One region: mapped alike, with alike rights; pa: to the same frames. Returns the pages changed later. */
static unsigned compare(struct kspace_rig *rig, const struct recorded *r, mmu_va start, mmu_va end, bool pa)
{
    unsigned later = 0, smaller = 0;
    const uint64_t large = UINT64_C(1) << pgtable_shift(rig->os->kspace->traits.form, 2);
    for (mmu_va block = start & -large; block - (start & -large) < end - (start & -large); block += large) {
        unsigned before = later, split = 0;
        for (mmu_va va = block; va < block + large; va += PAGE_SIZE) {
            if (va < start || va - start >= end - start)
                continue;
            const struct mmu_walk rec = walk_recorded(r, va), own = rig_walk(rig, va);
            if ((rec.page_shift != 0) != (own.page_shift != 0) || (pa && rec.pa != own.pa))
                fail_msg("%llx: recorded %u %llx, own %u %llx", (unsigned long long)va, rec.page_shift,
                         (unsigned long long)rec.pa, own.page_shift, (unsigned long long)own.pa);
            if (!rec.page_shift)
                continue;
            if (!same(&rec, &own)) {
                if (!changed_later(&rec, &own))
                    fail_msg("%llx: W %d %d, NX %d %d, G %d %d", (unsigned long long)va, rec.writable,
                             own.writable, rec.no_execute, own.no_execute, rec.global, own.global);
                later++;
            }
            assert_true(rec.page_shift <= own.page_shift);
            split += rec.page_shift < own.page_shift;
        }
        smaller += split && later == before; /* split for a change that was taken back */
    }
    assert_true(smaller <= 3);
    return later;
}

static void test_recordings(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(recordings); i++) {
        struct kspace_rig rig;
        struct recorded rec;
        rig_boot(&rig, recordings[i].cpu, 1, recordings[i].os);
        open_recording(&rec, &recordings[i]);
        const struct layout *l = &rig.os->plan->layout;
        const struct kspace_image image = kspace_image(&rig.config);
        unsigned later = compare(&rig, &rec, l->page_offset, l->high_memory, true);
        if (l->wide)
            later += compare(&rig, &rec, l->text_base, l->text_base + (image.end << PAGE_SHIFT), true);
        print_message("%s: %u pages changed after the boot\n", recordings[i].name, later);
        assert_true(later <= recordings[i].later);
        if (l->wide) /* one section of 128 MiB after the other */
            assert_int_equal(compare(&rig, &rec, l->vmemmap, l->vmemmap + (UINT64_C(16) << 21), false), 0);
        assert_int_equal(compare(&rig, &rec, l->cpu_entry_area,
                                 l->cpu_entry_area + (l->wide ? 20u : 11u) * PAGE_SIZE, false),
                         0);
        mmu_machine_free(rec.machine);
        mmu_image_close(rec.image);
        rig_free(&rig);
    }
}

/* Every table that stands in the recording's kernel part from its boot stands in ours. */
static void test_tables(void **state)
{
    static const struct {
        const char *name;
        mmu_va va;
        unsigned level; /* that is empty or maps: what is above stands */
    } tables[] = {
        {"i386-512m", 0xfec01000, 0},        {"i386-512m", 0xff9ff000, 0},
        {"i386-512m", 0xffffe000, 0},        {"i386-512m", 0xff900000, 0},
        {"pae-1536m", 0xff008000, 0},        {"pae-1536m", 0xff1ff000, 0},
        {"pae-1536m", 0xff600000, 0},        {"pae-1536m", 0xff800000, 0},
        {"pae-1536m", 0xffa00000, 0},        {"pae-1536m", 0xffc00000, 0},
        {"pae-1536m", 0xff200000, 1},        {"amd64-1g", 0xffffca0000000000, 2},
        {"amd64-1g", 0xffffe88000000000, 2}, {"amd64-1g", 0xffffffffff5ff000, 0},
        {"amd64-1g", 0xffffe90000000000, 3}, {"amd64-1g", 0xffffffff80000000, 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(recordings); i++) {
        struct kspace_rig rig;
        struct recorded rec;
        rig_boot(&rig, recordings[i].cpu, 1, recordings[i].os);
        open_recording(&rec, &recordings[i]);
        for (size_t k = 0; k < COUNT_OF(tables); k++) {
            if (strcmp(tables[k].name, recordings[i].name) != 0)
                continue;
            struct mmu_os_lookup own;
            kernel_lookup(rig.os, tables[k].va, &own);
            const struct mmu_walk walk = walk_recorded(&rec, tables[k].va);
            assert_int_equal(walk.steps ? walk.step[walk.steps - 1].level - 1u : 99, tables[k].level);
            assert_int_equal(own.level, tables[k].level);
        }
        mmu_machine_free(rec.machine);
        mmu_image_close(rec.image);
        rig_free(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_recordings), cmocka_unit_test(test_tables)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
