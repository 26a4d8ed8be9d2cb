/* pager.c: frames by permutation, page tables by hand. See pager.h. */
#include "pager.h"
#include "rng.h"
#include <stdlib.h>
#include <string.h>

enum { FEISTEL_ROUNDS = 4 };

/* The largest page size in use decides how RAM is cut; 4 KBytes at least. */
static unsigned largest_shift(const struct mmu_pager_config *c)
{
    unsigned page = c->page;
    for (uint32_t i = 0; i < c->ranges; i++)
        page = c->range[i].page > page ? c->range[i].page : page;
    return page_shift(page);
}

static void add_run(struct pager *p, mmu_pa start, mmu_pa end)
{
    uint64_t size = BIT(p->block_shift);
    start = (start + size - 1) & ~(size - 1);
    if (end > start && (end - start) >> p->block_shift) {
        p->run[p->runs++] = (struct pager_run){p->blocks, start};
        p->blocks += (end - start) >> p->block_shift;
    }
}

/* The first frame of RAM but frame 0, which stays unused as in Linux, is the top table: CR3 has 32 bits in
 * the 32-bit modes. */
static void reserve_root(struct pager *p, mmu_pa *start)
{
    if (p->root)
        return;
    p->root = *start ? *start : PAGE_SIZE;
    *start = p->root + PAGE_SIZE;
}

void pager_init(struct pager *p, const struct mmu_config *config)
{
    static const struct geometry geometry[MMU_MODES] = {[MMU_MODE_I386] = GEOMETRY_I386,
                                                        [MMU_MODE_PAE] = GEOMETRY_PAE,
                                                        [MMU_MODE_4L] = GEOMETRY_4L,
                                                        [MMU_MODE_5L] = GEOMETRY_5L};
    memset(p, 0, sizeof *p);
    p->config = &config->pager;
    p->geometry = &geometry[config->pager.mode];
    p->block_shift = largest_shift(p->config);
    /* without PAE an entry reaches 4 GiB (its 4-MByte pages would reach further, its tables not) */
    unsigned reach = config->pager.mode == MMU_MODE_I386 ? 32 : config->cpu.maxphyaddr;
    const struct mmu_memory_config *memory = &config->memory;
    for (uint32_t i = 0; i < memory->ram_ranges; i++) {
        mmu_pa start = memory->ram[i].start, end = start + memory->ram[i].size;
        reserve_root(p, &start);
        add_run(p, start, end < BIT(reach) ? end : BIT(reach));
    }
    if (memory->ram_ranges == 0) {
        p->root = PAGE_SIZE;
        add_run(p, 2 * PAGE_SIZE, BIT(reach));
    }
    p->all_blocks = p->blocks;
    if (config->pager.frames == MMU_FRAMES_RANDOM)
        p->key = rng_mix(config->seed) | 1;
}

/* A permutation of [0, n): a Feistel network over the next even power of two, walked until it lands inside.
 */
static uint64_t permute(uint64_t key, uint64_t i, uint64_t n)
{
    unsigned half = 1;
    while (half < 31 && BIT(2 * half) < n)
        half++;
    uint64_t mask = BIT(half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (unsigned round = 0; round < FEISTEL_ROUNDS; round++) {
            uint64_t swap = left ^ (rng_mix(right ^ key ^ (uint64_t)round << 58) & mask);
            left = right;
            right = swap;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

static mmu_pa block_address(const struct pager *p, uint64_t block)
{
    unsigned r = p->runs - 1;
    while (p->run[r].first > block)
        r--;
    return p->run[r].start + ((block - p->run[r].first) << p->block_shift);
}

/* One frame of this page size; false when RAM is used up. */
static bool take(struct pager *p, unsigned page, mmu_pa *pa)
{
    unsigned shift = page_shift(page);
    struct pager_cut *cut = &p->cut[page];
    if (cut->next == cut->pieces) {
        if (p->next_block == p->blocks)
            return false;
        uint64_t block = p->next_block++;
        cut->block = block_address(p, p->key ? permute(p->key, block, p->all_blocks) : block);
        cut->pieces = BIT(p->block_shift - shift);
        cut->next = 0;
    }
    uint64_t piece = cut->next++;
    if (p->key && cut->pieces > 1)
        piece = permute(p->key ^ cut->block, piece, cut->pieces);
    *pa = cut->block + (piece << shift);
    return true;
}

/* Tables come from the other end of RAM, in the same kind of order, so that they lie together whatever is
 * mapped. */
static int take_table(struct pager *p, mmu_pa *pa)
{
    uint64_t pieces = BIT(p->block_shift - PAGE_SHIFT), piece = p->tables % pieces;
    if (piece == 0) {
        if (p->next_block == p->blocks)
            return MMU_ERR_EXHAUSTED;
        uint64_t block = --p->blocks;
        p->table_block = block_address(p, p->key ? permute(p->key, block, p->all_blocks) : block);
    }
    if (p->key && pieces > 1)
        piece = permute(p->key ^ p->table_block, piece, pieces);
    *pa = p->table_block + (piece << PAGE_SHIFT);
    p->tables++;
    return MMU_OK;
}

static int write_entry(const struct pager *p, struct mmu *m, mmu_pa at, uint64_t entry)
{
    return port_write(m, at, &entry, p->geometry->entry_bytes);
}

static int fill_root(struct pager *p, struct mmu *m, mmu_pa root)
{
    int status = MMU_OK;
    if (!port_answers(m, root, PAGE_SIZE) || (p->config->mode <= MMU_MODE_PAE && root >> 32))
        return MMU_ERR_EXHAUSTED;
    if (p->config->mode != MMU_MODE_PAE)
        return MMU_OK;
    for (unsigned i = 0; i < 4 && status == MMU_OK; i++) {
        mmu_pa directory = 0;
        status = take_table(p, &directory);
        uint64_t pdpte = directory | PTE_P;
        if (status == MMU_OK)
            status = port_write(m, root + 8 * i, &pdpte, sizeof pdpte);
    }
    return status;
}

int pager_make_root(struct pager *p, struct mmu *m)
{
    return fill_root(p, m, p->root);
}

/* The next process's top table: a frame. PAE: 32 bytes below 4 GiB, of which 128 share a frame. */
static int take_root(struct pager *p, mmu_pa *root)
{
    bool pae = p->config->mode == MMU_MODE_PAE;
    if (p->spaces == 0)
        *root = p->root;
    else if (pae && p->spaces % 128)
        *root = p->space[p->spaces - 1].root + 32;
    else
        return take_table(p, root);
    return MMU_OK;
}

int pager_find_space(struct pager *p, struct mmu *m, uint64_t id, size_t *space)
{
    for (size_t i = 0; i < p->spaces; i++)
        if (p->space[i].id == id) {
            *space = i;
            return MMU_OK;
        }
    struct pager_space *more = realloc(p->space, (p->spaces + 1) * sizeof *more);
    if (!more)
        return MMU_ERR_NOMEM;
    p->space = more;
    mmu_pa root = 0;
    int status = take_root(p, &root);
    if (status == MMU_OK && p->spaces)
        status = fill_root(p, m, root);
    if (status != MMU_OK)
        return status;
    *space = p->spaces++;
    p->space[*space] = (struct pager_space){id, root};
    return MMU_OK;
}

static mmu_pa loaded_root(const struct pager *p, const struct mmu *m)
{
    return port_get(m, MMU_REG_CR3) & BITS(51, p->config->mode == MMU_MODE_PAE ? 5 : PAGE_SHIFT);
}

bool pager_space_now(const struct pager *p, const struct mmu *m, size_t *space)
{
    mmu_pa root = loaded_root(p, m);
    for (*space = 0; *space < p->spaces; ++*space)
        if (p->space[*space].root == root)
            return true;
    return false;
}

void pager_free(struct pager *p)
{
    free(p->space);
    p->space = NULL;
    p->spaces = 0;
}

enum mmu_outcome pager_enter(const struct pager *p, struct mmu *m, const struct mmu_cpu *cpu)
{
    struct mmu_registers r = {0};
    enum mmu_mode mode = p->config->mode;
    r.value[MMU_REG_CR0] = CR0_PE | CR0_PG | (cpu->wp ? CR0_WP : 0);
    r.value[MMU_REG_CR3] = p->root;
    r.value[MMU_REG_CR4] = (cpu->pge ? CR4_PGE : 0) | (mode == MMU_MODE_I386 && cpu->pse ? CR4_PSE : 0) |
                           (mode >= MMU_MODE_PAE ? CR4_PAE : 0) | (mode == MMU_MODE_5L ? CR4_LA57 : 0);
    r.value[MMU_REG_EFER] =
        (mode >= MMU_MODE_4L ? EFER_LME : 0) | (mode >= MMU_MODE_PAE && cpu->nx ? EFER_NXE : 0);
    return port_load(m, &r);
}

/* The page size that the policy wants at va; a large page must lie whole within its rule, else small pages
 * are used there. */
static unsigned policy(const struct mmu_pager_config *c, mmu_va va)
{
    uint32_t rule = 0;
    while (rule < c->ranges && !(va >= c->range[rule].start && va < c->range[rule].end))
        rule++;
    unsigned page = rule < c->ranges ? c->range[rule].page : c->page;
    mmu_va first = va & ~(BIT(page_shift(page)) - 1), last = first + (BIT(page_shift(page)) - 1);
    if (page == MMU_4K)
        return page;
    if (rule < c->ranges && (first < c->range[rule].start || last >= c->range[rule].end))
        return MMU_4K;
    for (uint32_t i = 0; i < rule && i < c->ranges; i++)
        if (first < c->range[i].end && last >= c->range[i].start)
            return MMU_4K;
    return page;
}

/* The level whose entry maps a page of this size. */
static unsigned leaf_level(unsigned page)
{
    return page == MMU_4K ? 1 : page == MMU_1G ? 3 : 2;
}

int pager_map(struct pager *p, struct mmu *m, mmu_va va)
{
    const struct geometry *g = p->geometry;
    unsigned page = policy(p->config, va), level = g->levels;
    size_t space;
    mmu_pa root = pager_space_now(p, m, &space) ? p->space[space].root : p->root, table = root, frame;
    if (p->config->mode == MMU_MODE_PAE) {
        uint64_t pdpte = 0;
        (void)port_read(m, root + 8 * (va >> 30 & 3), &pdpte, sizeof pdpte);
        table = pdpte & ~PAGE_MASK;
    }
    for (;; level--) {
        mmu_pa at = table + (va >> level_shift(g, level) & (BIT(g->index_bits) - 1)) * g->entry_bytes;
        uint64_t entry = 0;
        (void)port_read(m, at, &entry, g->entry_bytes);
        if (level == leaf_level(page) && !(entry & PTE_P)) {
            if (!take(p, page, &frame))
                return MMU_ERR_EXHAUSTED;
            uint64_t high = g->entry_bytes == 4 && level == 2 ? (frame >> 32 & 0xff) << 13 : 0;
            frame = g->entry_bytes == 4 ? frame & BITS(31, 0) : frame;
            return write_entry(p, m, at, frame | high | PTE_P | PTE_W | PTE_U | (level > 1 ? PTE_PS : 0));
        }
        if (level == 1 || (level > 1 && (entry & PTE_P) && (entry & PTE_PS)))
            return MMU_OK;             /* mapped already: the access will say why that does not do */
        if (level == leaf_level(page)) /* a table of small pages stands here already */
            page = MMU_4K;
        if (!(entry & PTE_P)) {
            mmu_pa below;
            int status = take_table(p, &below);
            entry = below | PTE_P | PTE_W | PTE_U;
            if (status == MMU_OK)
                status = write_entry(p, m, at, entry);
            if (status != MMU_OK)
                return status;
        }
        table = entry & BITS(51, PAGE_SHIFT);
    }
}
