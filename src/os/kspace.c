/* kspace.c: swapper_pg_dir made and changed. See kspace.h. */
#include "kspace.h"
#include "alloc.h"
#include "boot.h"
#include "error.h"
#include "plan.h"
#include <string.h>

enum { GFP_PGTABLE_KERNEL = MMU_GFP_KERNEL | MMU___GFP_ZERO };

/* ----- what the CPU has ----- */

struct kspace_traits kspace_traits(const struct mmu_config *config)
{
    const struct mmu_cpu *cpu = &config->cpu;
    uint32_t arch = config->os.arch;
    const struct pgtable_form *f = &pgtable_form[arch];
    struct kspace_traits t = {.form = f, .pge = cpu->pge, .invlpg = cpu->invlpg};
    t.kpti = config->os.kpti && arch != MMU_OS_I386;
    t.pcid = f->levels >= 4 && cpu->pcid && cpu->pge; /* setup_pcid() */
    t.invpcid = f->levels >= 4 && cpu->invpcid;
    t.pat = cpu->pse36 || cpu->long_mode; /* they came together, with the Pentium III */
    t.nx = cpu->nx ? f->not_execute : 0;
    t.vma_nx = f->levels >= 4 ? t.nx : 0;
    t.keys = f->levels >= 4 && cpu->pku;
    t.global = cpu->pge && !t.kpti ? PTE_G : 0;
    t.large = (cpu->pse || f->levels >= 4 ? 1u << 2 : 0) | (f->levels >= 4 && cpu->page1g ? 1u << 3 : 0);
    t.copied = f->levels;
    if (f->levels == 3 && t.kpti) /* PAE's kernel PMDs are not shared then */
        t.copied = 2;
    return t;
}

/* __cachemode2pte_tbl[], with the PAT as Linux programs it (WB, WC, UC-, UC, WB, WP, UC-, WT), or without. */
uint64_t prot_cache(const struct kspace_traits *t, enum mmu_os_cache cache)
{
    static const uint64_t with[MMU_CACHES] = {[MMU_CACHE_WB] = 0,
                                              [MMU_CACHE_WC] = PTE_PWT,
                                              [MMU_CACHE_UC_MINUS] = PTE_PCD,
                                              [MMU_CACHE_UC] = PTE_PCD | PTE_PWT,
                                              [MMU_CACHE_WT] = PTE_PAT | PTE_PCD | PTE_PWT};
    static const uint64_t without[MMU_CACHES] = {[MMU_CACHE_WB] = 0,
                                                 [MMU_CACHE_WC] = PTE_PCD,
                                                 [MMU_CACHE_UC_MINUS] = PTE_PCD,
                                                 [MMU_CACHE_UC] = PTE_PCD | PTE_PWT,
                                                 [MMU_CACHE_WT] = PTE_PWT};
    return t->pat ? with[cache] : without[cache];
}

uint64_t prot_kernel_of(const struct kspace_traits *t, enum mmu_os_cache cache, unsigned rights)
{
    return PTE_P | PTE_A | PTE_D | t->global | (rights & PROT_WRITE ? PTE_W : 0) |
           (rights & PROT_EXEC ? 0 : t->nx) | prot_cache(t, cache);
}

uint64_t prot_kernel(const struct mmu_os *os, enum mmu_os_cache cache, unsigned rights)
{
    return prot_kernel_of(&os->kspace->traits, cache, rights);
}

uint64_t prot_user(const struct mmu_os *os, unsigned rights)
{
    return PTE_P | PTE_U | PTE_A | (rights & PROT_WRITE ? PTE_W | PTE_D : 0) |
           (rights & PROT_EXEC ? 0 : os->kspace->traits.nx);
}

bool kspace_is_kernel(const struct mmu_os *os, mmu_va va)
{
    const struct layout *l = &os->plan->layout;
    return l->wide ? va >> 63 : va >= l->page_offset;
}

/* ----- tables ----- */

static struct table *linked(const struct mmu_os *os, unsigned level, uint64_t entry)
{
    const struct kspace *k = os->kspace;
    if (!(entry & PTE_P) || level == 1 || pgtable_is_leaf(k->traits.form, level, entry))
        return NULL;
    return tables_find(&k->tables, (entry & k->traits.form->address) >> PAGE_SHIFT);
}

void kspace_write(struct mmu_os *os, unsigned level, mmu_pa at, uint64_t entry)
{
    struct table *now = linked(os, level, entry), *before = linked(os, level, pgtable_read(os, at));
    if (now)
        now->uses++;
    if (before)
        before->uses--;
    int status = pgtable_write(os, at, entry);
    REQUIRE(status == MMU_OK); /* a table's bytes exist since it was made */
}

void kspace_set_entry(struct mmu_os *os, unsigned level, mmu_va va, mmu_pa at, uint64_t entry, bool lazily)
{
    struct kspace *k = os->kspace;
    kspace_write(os, level, at, entry);
    if (level != k->traits.copied || lazily)
        return;
    for (struct mmu_os_pgd *p = k->list; p; p = p->next)
        kspace_write(os, level, pgd_copy_at(os, p, va), entry);
}

int kspace_new_table(struct mmu_os *os, const char *call, uint32_t gfp, unsigned level, mmu_pfn *pfn)
{
    static const uint8_t zeros[PAGE_SIZE];
    int status = tables_reserve(&os->kspace->tables, 1);
    if (status == MMU_OK)
        status = alloc_pages_as(os, call, gfp, 0, pfn);
    if (status != MMU_OK)
        return status;
    status = port_write(os->hw[0], *pfn << PAGE_SHIFT, zeros, PAGE_SIZE);
    if (status != MMU_OK) {
        free_pages(os, *pfn, 0);
        return status;
    }
    alloc_set_use(os, *pfn, MMU_PAGE_TABLE);
    tables_add(&os->kspace->tables, *pfn, level, false);
    return MMU_OK;
}

void kspace_free_table(struct mmu_os *os, mmu_pfn pfn)
{
    struct table *t = tables_find(&os->kspace->tables, pfn);
    REQUIRE(t && t->uses == 0 && !t->boot);
    tables_remove(&os->kspace->tables, pfn);
    free_pages(os, pfn, 0);
}

/* ----- init_mm's entries ----- */

/* Only the vmalloc area is left to the fault (vmalloc_fault() of 5.7). */
static bool left_to_fault(const struct mmu_os *os, mmu_va va)
{
    const struct layout *l = &os->plan->layout;
    return os->kspace->lazy && va >= l->vmalloc_start && va < l->vmalloc_end;
}

bool kernel_lookup(const struct mmu_os *os, mmu_va va, struct mmu_os_lookup *to)
{
    pgtable_lookup(os, os->kspace->init.root, va, to);
    return to->mapped;
}

/* Is nothing mapped by this table and those below it? */
static bool is_clear(const struct mmu_os *os, unsigned level, mmu_pfn pfn)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    for (unsigned i = 0; i < 1u << f->index_bits; i++) {
        const uint64_t entry = pgtable_read(os, (pfn << PAGE_SHIFT) + (mmu_pa)i * f->entry_bytes);
        const struct table *below = linked(os, level, entry);
        if (below ? !is_clear(os, level - 1, below->pfn) : entry != 0)
            return false;
    }
    return true;
}

static void free_clear(struct mmu_os *os, unsigned level, mmu_pfn pfn)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    for (unsigned i = 0; level > 1 && i < 1u << f->index_bits; i++) {
        const mmu_pa at = (pfn << PAGE_SHIFT) + (mmu_pa)i * f->entry_bytes;
        const struct table *below = linked(os, level, pgtable_read(os, at));
        if (!below)
            continue;
        const mmu_pfn gone = below->pfn;
        kspace_write(os, level, at, 0);
        free_clear(os, level - 1, gone);
    }
    kspace_free_table(os, pfn);
}

bool kernel_may_map(const struct mmu_os *os, mmu_va va, unsigned shift)
{
    const struct kspace_traits *t = &os->kspace->traits;
    const unsigned level = pgtable_level_of(t->form, shift);
    struct mmu_os_lookup found;
    if (level == 0 || (level > 1 && !(t->large >> level & 1)))
        return false;
    kernel_lookup(os, va, &found);
    if (found.level + 1 >= level)
        return found.level + 1 > level || found.entry[level - 1].value == 0;
    /* pmd_free_pte_page(): not where page directories have copies of the entry (PAE) */
    const struct table *below = linked(os, level, found.entry[level - 1].value);
    return t->form->levels >= 4 && below && !below->boot && is_clear(os, level - 1, below->pfn);
}

/* Takes the empty tables away that stand where a larger page shall be. */
static void make_room(struct mmu_os *os, mmu_va va, unsigned level)
{
    struct mmu_os_lookup found;
    kernel_lookup(os, va, &found);
    const struct table *below = linked(os, level, found.entry[level - 1].value);
    if (!below)
        return;
    const mmu_pfn gone = below->pfn;
    kspace_set_entry(os, level, va, found.entry[level - 1].at, 0, false);
    flush_kernel_range(os, va, va + PAGE_SIZE); /* paging-structure caches */
    free_clear(os, level - 1, gone);
}

int kernel_map(struct mmu_os *os, mmu_va va, mmu_pa pa, unsigned shift, uint64_t bits)
{
    const struct pgtable_form *f = os->kspace->traits.form;
    unsigned level = pgtable_level_of(f, shift);
    struct mmu_os_lookup found;
    REQUIRE(((va | pa) & ((UINT64_C(1) << shift) - 1)) == 0 && kernel_may_map(os, va, shift));
    make_room(os, va, level);
    for (;;) {
        kernel_lookup(os, va, &found);
        unsigned here = found.level + 1;
        mmu_pfn pfn;
        if (here == level)
            break;
        int status = kspace_new_table(os, here == 2 ? "pte_alloc_kernel" : "pmd_alloc", GFP_PGTABLE_KERNEL,
                                      here - 1, &pfn);
        if (status != MMU_OK)
            return status;
        uint64_t link = here == f->levels ? f->top_link : f->link;
        kspace_set_entry(os, here, va, found.entry[here - 1].at, pfn << PAGE_SHIFT | link,
                         left_to_fault(os, va));
    }
    kspace_set_entry(os, level, va, found.entry[level - 1].at, pgtable_leaf(f, level, pa, bits),
                     left_to_fault(os, va));
    return MMU_OK;
}

uint64_t kernel_unmap(struct mmu_os *os, mmu_va va)
{
    struct mmu_os_lookup found;
    kernel_lookup(os, va, &found);
    const struct mmu_os_entry *e = &found.entry[found.level];
    if (e->value)
        kspace_set_entry(os, found.level + 1, va, e->at, 0, false);
    return e->value;
}

mmu_pa kernel_find_pte(const struct mmu_os *os, mmu_va va)
{
    struct mmu_os_lookup found;
    kernel_lookup(os, va, &found);
    REQUIRE(found.level == 0);
    return found.entry[0].at;
}

void kernel_set_pte(struct mmu_os *os, mmu_va va, uint64_t entry)
{
    kspace_set_entry(os, 1, va, kernel_find_pte(os, va), entry, false);
}

/* ----- boot ----- */

uint64_t kspace_boot_tables(const struct plan *plan, const struct mmu_config *config)
{
    struct boot b;
    boot_begin(&b, NULL, plan, config, 0);
    boot_kernel(&b, config);
    if (b.traits.kpti)
        boot_user(&b, config);
    return b.frames;
}

static int write_tables(struct mmu_os *os)
{
    struct kspace *k = os->kspace;
    struct boot b;
    uint64_t count;
    const mmu_pfn first = plan_boot_tables(os->plan, &count);
    int status = tables_reserve(&k->tables, count);
    if (status != MMU_OK)
        return status;
    boot_begin(&b, os, os->plan, os->config, first);
    boot_kernel(&b, os->config);
    if (k->traits.kpti)
        boot_user(&b, os->config);
    REQUIRE(b.frames == count && b.next <= first + count);
    k->init.root = b.root << PAGE_SHIFT;
    k->init.user_root = b.user_root << PAGE_SHIFT;
    return b.status;
}

/* CR0 as head_32.S and head_64.S leave it: PE, MP, ET, NE, WP, AM, PG. */
#define CR0_STATE UINT64_C(0x80050033)
/* init_pkru_value: keys 1 to 15 may not be read. */
#define PKRU_STATE UINT64_C(0x55555554)

static struct mmu_registers registers(const struct mmu_os *os)
{
    const struct mmu_cpu *cpu = &os->config->cpu;
    const struct kspace_traits *t = &os->kspace->traits;
    const bool wide = t->form->levels >= 4, pae = t->form->entry_bytes == 8;
    const struct {
        bool on;
        uint64_t bit;
    } cr4[] = {
        {cpu->pse, CR4_PSE},  {pae, CR4_PAE},        {cpu->pge, CR4_PGE},   {t->form->levels == 5, CR4_LA57},
        {t->pcid, CR4_PCIDE}, {cpu->smep, CR4_SMEP}, {cpu->smap, CR4_SMAP}, {wide && cpu->pku, CR4_PKE}};
    struct mmu_registers r = {.value = {[MMU_REG_CR0] = CR0_STATE}};
    for (size_t i = 0; i < COUNT_OF(cr4); i++)
        r.value[MMU_REG_CR4] |= cr4[i].on ? cr4[i].bit : 0;
    r.value[MMU_REG_EFER] = (wide ? EFER_SCE | EFER_LME : 0) | (t->nx ? EFER_NXE : 0);
    r.value[MMU_REG_CR3] = flush_cr3(os, &os->kspace->init, 0, false);
    r.value[MMU_REG_PKRU] = wide && cpu->pku ? PKRU_STATE : 0;
    return r;
}

static int start_cores(struct mmu_os *os, struct mmu_error *err)
{
    const struct mmu_registers r = registers(os);
    for (uint32_t i = 0; i < os->cores; i++) {
        if (port_load(os->hw[i], &r) != MMU_DONE)
            return err_set(err, MMU_ERR_INVALID,
                           "os.arch: the cpu cannot run this kernel: it lacks PAE, long mode or LA57, or the "
                           "page tables lie beyond its physical addresses");
        flush_cpu_init(os, i);
    }
    return MMU_OK;
}

int kspace_create(struct mmu_os *os, struct mmu_error *err)
{
    struct kspace *k = calloc(1, sizeof *k);
    if (!k)
        return err_set(err, MMU_ERR_NOMEM, "no host memory for the kernel's page tables");
    os->kspace = k;
    k->traits = kspace_traits(os->config);
    k->lazy = os->config->os.vmalloc_sync == MMU_OS_LAZY;
    k->init.os = os;
    k->init.ctx_id = k->last_ctx = 1;
    int status = write_tables(os);
    if (status != MMU_OK)
        return err_set(err, status, "no host memory for the kernel's page tables");
    return start_cores(os, err);
}

void kspace_free(struct mmu_os *os)
{
    if (!os->kspace)
        return;
    pgd_forget_all(os);
    tables_destroy(&os->kspace->tables);
    free(os->kspace);
    os->kspace = NULL;
}

uint64_t kspace_tables(const struct mmu_os *os)
{
    return os->kspace->tables.count;
}

uint64_t kspace_host_bytes(const struct mmu_os *os)
{
    return sizeof *os->kspace + os->kspace->tables.places * sizeof *os->kspace->tables.place;
}

struct mmu_os_pgd *mmu_os_swapper(struct mmu_os *os)
{
    return &os->kspace->init;
}
