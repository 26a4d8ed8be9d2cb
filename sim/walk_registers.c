/* sim/walk_registers.c: from the options of `mmusim walk` to a consistent set of registers in a core. */
#include "walk.h"
#include <inttypes.h>

enum { CR0_PE = 1 << 0, CR0_ET = 1 << 4, CR0_WP = 1 << 16 };
#define CR0_PG (UINT64_C(1) << 31)
enum {
    CR4_PSE = 1 << 4,
    CR4_PAE = 1 << 5,
    CR4_PGE = 1 << 7,
    CR4_LA57 = 1 << 12,
    CR4_PKE = 1 << 22,
    CR4_PKS = 1 << 24
};
enum { EFER_SCE = 1 << 0, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11 };

const char *const walk_modes[] = {"i386", "i386_pae", "x86_64", "x86_64_la57", NULL};

/* What a mode takes a register to be when it is not given. */
static const struct defaults {
    uint64_t cr4, efer;
} DEFAULTS[MMU_MODES] = {
    [MMU_MODE_I386] = {CR4_PSE | CR4_PGE, 0},
    [MMU_MODE_PAE] = {CR4_PAE | CR4_PGE, EFER_NXE},
    [MMU_MODE_4L] = {CR4_PAE | CR4_PGE, EFER_LME | EFER_NXE},
    [MMU_MODE_5L] = {CR4_PAE | CR4_PGE | CR4_LA57, EFER_LME | EFER_NXE},
};

enum {
    OF_32 = 1 << MMU_MODE_I386,
    OF_PAE = 1 << MMU_MODE_PAE,
    OF_4L = 1 << MMU_MODE_4L,
    OF_5L = 1 << MMU_MODE_5L
};

/* What a person calls the registers: as an option, and in a file. */
static const struct {
    const char *option, *name;
} NAMES[MMU_REGS] = {
    [MMU_REG_CR0] = {"cr0", "CR0"},    [MMU_REG_CR3] = {"cr3", "CR3"},    [MMU_REG_CR4] = {"cr4", "CR4"},
    [MMU_REG_EFER] = {"efer", "EFER"}, [MMU_REG_PKRU] = {"pkru", "PKRU"}, [MMU_REG_PKRS] = {"pkrs", "PKRS"},
};

/* The bits that select a mode (SDM 4.1.1), and the modes in which each must be 1 or 0. */
static const struct selector {
    enum mmu_reg reg;
    uint64_t bit;
    const char *name;
    unsigned set, clear; /* 1 << enum mmu_mode */
} SELECTORS[] = {
    {MMU_REG_CR0, CR0_PG, "CR0.PG", OF_32 | OF_PAE | OF_4L | OF_5L, 0},
    {MMU_REG_CR0, CR0_PE, "CR0.PE", OF_32 | OF_PAE | OF_4L | OF_5L, 0},
    {MMU_REG_CR4, CR4_PAE, "CR4.PAE", OF_PAE | OF_4L | OF_5L, OF_32},
    {MMU_REG_CR4, CR4_LA57, "CR4.LA57", OF_5L, OF_4L},
    {MMU_REG_EFER, EFER_LME, "EFER.LME", OF_4L | OF_5L, OF_32 | OF_PAE},
};

/* The mode that the given registers select; x86_64 when they do not say. */
static enum mmu_mode selected_mode(const struct walk_request *request)
{
    uint64_t cr4 = request->registers.value[MMU_REG_CR4];
    bool have4 = request->have[MMU_REG_CR4];
    if (have4 && !(cr4 & CR4_PAE))
        return MMU_MODE_I386;
    if (request->have[MMU_REG_EFER] && !(request->registers.value[MMU_REG_EFER] & EFER_LME))
        return MMU_MODE_PAE;
    return have4 && cr4 & CR4_LA57 ? MMU_MODE_5L : MMU_MODE_4L;
}

enum { GIVEN = 320 };
/* The value of a register, and where it was given: "--cr3 0x1000", "registers:3:7: CR3 0x1000". */
static const char *given(const struct walk_request *request, enum mmu_reg reg, char text[GIVEN])
{
    const struct walk_place *at = &request->at[reg];
    uint64_t value = request->registers.value[reg];
    if (!request->file)
        snprintf(text, GIVEN, "--%s 0x%" PRIx64, NAMES[reg].option, value);
    else if (at->line)
        snprintf(text, GIVEN, "%.255s:%u:%u: %s 0x%" PRIx64, request->file, at->line, at->column,
                 NAMES[reg].name, value);
    else
        snprintf(text, GIVEN, "%.255s: %s 0x%" PRIx64, request->file, NAMES[reg].name, value);
    return text;
}

static int check_selectors(const struct walk_request *request)
{
    char text[GIVEN];
    for (size_t i = 0; i < sizeof SELECTORS / sizeof SELECTORS[0]; i++) {
        const struct selector *s = &SELECTORS[i];
        uint64_t value = request->registers.value[s->reg];
        bool wrong = value & s->bit ? s->clear >> request->mode & 1 : s->set >> request->mode & 1;
        if (wrong)
            return cli_error("%s: %s is %d, paging mode %s needs %d", given(request, s->reg, text), s->name,
                             value & s->bit ? 1 : 0, walk_modes[request->mode - 1], value & s->bit ? 0 : 1);
    }
    return CLI_OK;
}

static void set_default(struct walk_request *request, enum mmu_reg reg, uint64_t value)
{
    if (!request->have[reg])
        request->registers.value[reg] = value;
}

int walk_registers(struct walk_request *request)
{
    char text[GIVEN];
    if (!request->have[MMU_REG_CR3])
        return cli_error("walk: expected --cr3, the physical address where translation begins");
    request->mode = request->have_mode ? request->mode + 1 : selected_mode(request);
    uint64_t keys = (request->have[MMU_REG_PKRU] ? CR4_PKE : 0) | (request->have[MMU_REG_PKRS] ? CR4_PKS : 0);
    bool long_mode = request->mode == MMU_MODE_4L || request->mode == MMU_MODE_5L;
    set_default(request, MMU_REG_CR0, CR0_PG | CR0_WP | CR0_ET | CR0_PE);
    set_default(request, MMU_REG_CR4, DEFAULTS[request->mode].cr4 | (long_mode ? keys : 0));
    set_default(request, MMU_REG_EFER, DEFAULTS[request->mode].efer);
    /* EFER has bits that say nothing of paging (SVME, FFXSR, ...) and that some processors lack. */
    request->registers.value[MMU_REG_EFER] &= EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    uint64_t cr3 = request->registers.value[MMU_REG_CR3];
    unsigned width = long_mode ? (unsigned)request->maxphyaddr : 32;
    if (cr3 >> width)
        return cli_error("%s: wider than %u bits, the width of a physical address in CR3 here",
                         given(request, MMU_REG_CR3, text), width);
    keys &= ~request->registers.value[MMU_REG_CR4];
    if (keys)
        return cli_error("%s: protection keys need CR4.%s = 1 and 4-level or 5-level paging",
                         given(request, keys & CR4_PKE ? MMU_REG_PKRU : MMU_REG_PKRS, text),
                         keys & CR4_PKE ? "PKE" : "PKS");
    return check_selectors(request);
}

static bool pdpt_read(void *ctx, mmu_pa pa, unsigned size, uint64_t *value)
{
    const struct walk_memory *memory = ctx;
    if (!memory->image.read(memory->image.ctx, pa, size, value))
        return false;
    *value &= memory->loading ? ~UINT64_C(0x20) : ~UINT64_C(0);
    return true;
}

static bool pdpt_exchange(void *ctx, mmu_pa pa, unsigned size, uint64_t old, uint64_t new_value)
{
    const struct walk_memory *memory = ctx;
    return memory->image.compare_exchange(memory->image.ctx, pa, size, old, new_value);
}

/* Says what is wrong with the PDPTEs, which the load of CR3 would only refuse. */
static int check_pdptes(const struct walk_request *request, struct walk_memory *memory)
{
    mmu_pa table = request->registers.value[MMU_REG_CR3] & ~UINT64_C(31);
    uint64_t must_be_0 = 0x1e6 | ~UINT64_C(0) << request->maxphyaddr;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t entry;
        mmu_pa pa = table + 8 * i;
        if (!pdpt_read(memory, pa, 8, &entry))
            return cli_error("%s: PDPTE %u at 0x%" PRIx64 " lies outside the image: cannot load CR3",
                             request->image, i, pa);
        if (entry & 1 && entry & must_be_0)
            return cli_error("%s: PDPTE %u at 0x%" PRIx64 " is 0x%" PRIx64 ", with reserved bits 0x%" PRIx64
                             " set: loading CR3 raises #GP",
                             request->image, i, pa, entry, entry & must_be_0);
    }
    return CLI_OK;
}

int walk_load_registers(const struct walk_request *request, struct walk_memory *memory, struct mmu_core *core)
{
    memory->loading = request->mode == MMU_MODE_PAE;
    int status = memory->loading ? check_pdptes(request, memory) : CLI_OK;
    if (status)
        return status;
    bool loaded = mmu_core_load(core, &request->registers) == MMU_DONE;
    memory->loading = false;
    if (loaded)
        return CLI_OK;
    const uint64_t *value = request->registers.value;
    return cli_error("%s%s these registers (#GP): CR0 0x%" PRIx64 " CR3 0x%" PRIx64 " CR4 0x%" PRIx64
                     " EFER 0x%" PRIx64 " PKRU 0x%" PRIx64 " PKRS 0x%" PRIx64,
                     request->machine ? request->machine : "no processor",
                     request->machine ? " does not accept" : " accepts", value[MMU_REG_CR0],
                     value[MMU_REG_CR3], value[MMU_REG_CR4], value[MMU_REG_EFER], value[MMU_REG_PKRU],
                     value[MMU_REG_PKRS]);
}

void walk_memory_init(struct walk_memory *memory, struct mmu_image *image)
{
    *memory =
        (struct walk_memory){.ops = {.read = pdpt_read, .compare_exchange = pdpt_exchange, .ctx = memory}};
    mmu_image_memory(image, &memory->image);
}

unsigned walk_address_bits(const struct walk_request *request)
{
    return request->mode == MMU_MODE_4L || request->mode == MMU_MODE_5L ? 64 : 32;
}
