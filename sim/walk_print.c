/* sim/walk_print.c: a walk as text: one line, and the page that explains it step by step. */
#include "walk.h"
#include <inttypes.h>

const char *const walk_accesses[] = {"r", "w", "x", NULL};
const char *const walk_formats[] = {"text", "json", NULL};

static const struct walk_reason REASONS[] = {
    {MMU_WHY_NOT_PRESENT, "not-present", "the entry's P flag is 0"},
    {MMU_WHY_RESERVED, "reserved", "a bit of the entry is 1 that must be 0"},
    {MMU_WHY_USER, "user", "a user-mode access to a supervisor page: U/S is 0 at some level"},
    {MMU_WHY_WRITE, "write", "a write to a read-only page: R/W is 0 at some level"},
    {MMU_WHY_EXECUTE, "execute", "a fetch from an execute-disable page: XD is 1 at some level"},
    {MMU_WHY_SMEP, "smep", "CR4.SMEP = 1: a supervisor-mode fetch from a user page"},
    {MMU_WHY_SMAP, "smap", "CR4.SMAP = 1: a supervisor-mode data access to a user page with EFLAGS.AC = 0"},
    {MMU_WHY_KEY, "key",
     "the page's protection key is denied by PKRU (user pages) or IA32_PKRS (supervisor pages)"},
    {MMU_WHY_CANONICAL, "non-canonical",
     "the upper bits of the address are not all equal: #GP(0), no entry is read"},
    {MMU_WHY_MEMORY, "outside-memory", "the entry lies where the image holds no memory"},
};

const struct walk_reason *walk_reason(size_t index)
{
    return index < sizeof REASONS / sizeof REASONS[0] ? &REASONS[index] : NULL;
}

void walk_explain_state(const struct walk_request *request, struct explain_state *state)
{
    *state = (struct explain_state){.mode = (enum mmu_mode)request->mode,
                                    .maxphyaddr = (uint32_t)request->maxphyaddr,
                                    .pse36 = true,
                                    .cr4 = request->registers.value[MMU_REG_CR4],
                                    .efer = request->registers.value[MMU_REG_EFER]};
}

const struct mmu_walk_step *walk_decider(const struct mmu_walk *walk)
{
    static const struct {
        uint32_t why;
        uint64_t bit;
        bool denies_when; /* the bit's value that denies */
    } rights[] = {
        {MMU_WHY_WRITE, 2, false}, {MMU_WHY_USER, 4, false}, {MMU_WHY_EXECUTE, UINT64_C(1) << 63, true}};
    if (!walk->steps || walk->why & (MMU_WHY_MEMORY | MMU_WHY_CANONICAL))
        return NULL;
    for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++)
        for (uint32_t s = 0; walk->why & rights[i].why && s < walk->steps; s++)
            if (!walk->step[s].from_register &&
                !(walk->step[s].entry & rights[i].bit) != rights[i].denies_when)
                return &walk->step[s];
    return &walk->step[walk->steps - 1];
}

unsigned walk_missing_level(const struct mmu_walk *walk)
{
    static const unsigned top[MMU_MODES] = {
        [MMU_MODE_I386] = 2, [MMU_MODE_PAE] = 3, [MMU_MODE_4L] = 4, [MMU_MODE_5L] = 5};
    return walk->steps ? walk->step[walk->steps - 1].level - 1u : top[walk->mode];
}

/* ---- the line ---- */

static const char *size_name(unsigned shift)
{
    switch (shift) {
    case 12:
        return "4K";
    case 21:
        return "2M";
    case 22:
        return "4M";
    default:
        return "1G";
    }
}

static void print_address(FILE *out, const struct walk_request *request, mmu_va va)
{
    fprintf(out, "0x%0*" PRIx64, (int)walk_address_bits(request) / 4, va);
}

static void print_mapping(FILE *out, const struct walk_request *request, const struct mmu_walk *walk)
{
    enum { CR4_PKE = 1 << 22, CR4_PKS = 1 << 24 };
    fprintf(out, " 0x%" PRIx64 " %s %s %s %s A=%d D=%d G=%d PCD=%d PWT=%d", walk->pa,
            size_name(walk->page_shift), walk->user ? "U" : "S", walk->writable ? "RW" : "RO",
            walk->no_execute ? "NX" : "X", walk->accessed, walk->dirty, walk->global, walk->pcd, walk->pwt);
    if (request->registers.value[MMU_REG_CR4] & (CR4_PKE | CR4_PKS))
        fprintf(out, " KEY=%u", walk->key);
}

static void print_fault(FILE *out, const struct mmu_walk *walk)
{
    if (walk->outcome == MMU_FAULT_PF)
        fprintf(out, " fault 0x%" PRIx32, walk->error_code);
    else
        fputs(walk->outcome == MMU_FAULT_GP ? " fault GP" : " fault -", out);
    const char *lead = " ";
    for (size_t i = 0; i < sizeof REASONS / sizeof REASONS[0]; i++)
        if (walk->why & REASONS[i].why) {
            fprintf(out, "%s%s", lead, REASONS[i].word);
            lead = ",";
        }
    const struct mmu_walk_step *step = walk_decider(walk);
    if (step)
        fprintf(out, " level=%s entry=0x%" PRIx64, mmu_walk_level_name(step->level), step->entry);
    else if (walk->why & MMU_WHY_MEMORY)
        fprintf(out, " level=%s at=0x%" PRIx64, mmu_walk_level_name(walk_missing_level(walk)), walk->pa);
}

void walk_print_line(FILE *out, const struct walk_request *request, mmu_va va, const struct mmu_walk *walk)
{
    print_address(out, request, va);
    if (walk->outcome == MMU_DONE)
        print_mapping(out, request, walk);
    else
        print_fault(out, walk);
    fputc('\n', out);
}

/* ---- the page ---- */

static void print_field(void *ctx, const struct explain_field *field)
{
    FILE *out = ctx;
    char bits[16], value[24];
    if (field->hi == field->lo)
        snprintf(bits, sizeof bits, "%u", field->lo);
    else
        snprintf(bits, sizeof bits, "%u:%u", field->hi, field->lo);
    snprintf(value, sizeof value, field->hi == field->lo ? "%" PRIu64 : "0x%" PRIx64, field->value);
    fprintf(out, "    %7s  %-8s  %-14s  %s%s\n", bits, field->name, value, field->meaning,
            field->wrong ? ", but is not" : "");
}

/* How a mode cuts a linear address, from the top: the parts of a 4-KByte mapping. */
static const struct part {
    unsigned modes, level, hi, lo;
    const char *name;
} PARTS[] = {
    {1 << MMU_MODE_5L, 5, 56, 48, "PML5 index"},
    {1 << MMU_MODE_4L | 1 << MMU_MODE_5L, 4, 47, 39, "PML4 index"},
    {1 << MMU_MODE_4L | 1 << MMU_MODE_5L, 3, 38, 30, "page-directory-pointer index"},
    {1 << MMU_MODE_PAE, 3, 31, 30, "page-directory-pointer index"},
    {1 << MMU_MODE_PAE | 1 << MMU_MODE_4L | 1 << MMU_MODE_5L, 2, 29, 21, "page-directory index"},
    {1 << MMU_MODE_I386, 2, 31, 22, "page-directory index"},
    {1 << MMU_MODE_PAE | 1 << MMU_MODE_4L | 1 << MMU_MODE_5L, 1, 20, 12, "page-table index"},
    {1 << MMU_MODE_I386, 1, 21, 12, "page-table index"},
};

static uint64_t extract(uint64_t value, unsigned hi, unsigned lo)
{
    return value >> lo & (~UINT64_C(0) >> (63 - (hi - lo)));
}

static void print_part(FILE *out, mmu_va va, unsigned hi, unsigned lo, const char *name)
{
    char bits[16];
    uint64_t value = extract(va, hi, lo);
    snprintf(bits, sizeof bits, "%u:%u", hi, lo);
    fprintf(out, "    %7s  %s = 0x%" PRIx64 " (%" PRIu64 ")\n", bits, name, value, value);
}

/* Where the offset begins: below the index that found a page, else where that of a 4-KByte page does. */
static unsigned offset_bits(const struct mmu_walk *walk)
{
    const struct mmu_walk_step *last = walk->steps ? &walk->step[walk->steps - 1] : NULL;
    for (size_t i = 0; last && last->leaf && i < sizeof PARTS / sizeof PARTS[0]; i++)
        if (PARTS[i].modes >> walk->mode & 1 && PARTS[i].level == last->level)
            return PARTS[i].lo;
    return 12;
}

static void print_linear(FILE *out, const struct walk_request *request, mmu_va va,
                         const struct mmu_walk *walk)
{
    unsigned offset = offset_bits(walk);
    fputs("  Linear address ", out);
    print_address(out, request, va);
    fputc('\n', out);
    for (size_t i = 0; i < sizeof PARTS / sizeof PARTS[0]; i++)
        if (PARTS[i].modes >> walk->mode & 1 && PARTS[i].lo >= offset)
            print_part(out, va, PARTS[i].hi, PARTS[i].lo, PARTS[i].name);
    print_part(out, va, offset - 1, 0, "page offset");
}

static void print_step(FILE *out, const struct explain_state *state, const struct mmu_walk_step *step)
{
    fprintf(out, "  %s %u", mmu_walk_level_name(step->level), step->index);
    if (step->from_register)
        fprintf(out, " (register, loaded from 0x%" PRIx64 " with CR3)", step->pa);
    else
        fprintf(out, " at 0x%" PRIx64 " = 0x%" PRIx64 " + %u x %u", step->pa,
                step->pa - (uint64_t)step->index * step->bytes, step->index, step->bytes);
    fprintf(out, ": 0x%0*" PRIx64 "\n  %s\n", step->bytes * 2, step->entry,
            explain_entry(state, step, NULL, NULL));
    explain_entry(state, step, print_field, out);
}

static void print_error_code(FILE *out, uint32_t code)
{
    static const struct {
        uint32_t bit;
        const char *name, *clear, *set;
    } bits[] = {
        {MMU_PF_P, "P", "an entry was not present", "a violation of rights or of reserved bits"},
        {MMU_PF_W, "W/R", "the access was no write", "the access was a write"},
        {MMU_PF_U, "U/S", "a supervisor-mode access", "a user-mode access"},
        {MMU_PF_RSVD, "RSVD", "no reserved bit was set", "a reserved bit was set"},
        {MMU_PF_I, "I/D", "no instruction fetch (or none that is reported)", "an instruction fetch"},
        {MMU_PF_PK, "PK", "no protection-key violation", "a protection-key violation"},
    };
    fprintf(out, "  #PF error code 0x%" PRIx32 "\n", code);
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        fprintf(out, "    %7zu  %-8s  %-14d  %s\n", i, bits[i].name, code & bits[i].bit ? 1 : 0,
                code & bits[i].bit ? bits[i].set : bits[i].clear);
}

static void print_result(FILE *out, const struct walk_request *request, const struct mmu_walk *walk)
{
    if (walk->page_shift)
        fprintf(out, "  Over all levels: %s page, %s, instruction fetches %s\n",
                walk->user ? "user" : "supervisor", walk->writable ? "writable" : "read-only",
                walk->no_execute ? "not allowed" : "allowed");
    if (walk->outcome == MMU_DONE) {
        fprintf(out, "  Physical address 0x%" PRIx64 " = page at 0x%" PRIx64 " + offset 0x%" PRIx64 "\n",
                walk->pa, walk->pa & ~UINT64_C(0) << walk->page_shift,
                extract(walk->pa, walk->page_shift - 1u, 0));
        return;
    }
    static const char *const kinds[] = {"read", "write", "instruction fetch"};
    fprintf(out, "  A %s-mode %s fails here:\n", request->user ? "user" : "supervisor",
            kinds[request->access]);
    for (size_t i = 0; i < sizeof REASONS / sizeof REASONS[0]; i++)
        if (walk->why & REASONS[i].why)
            fprintf(out, "    %s: %s\n", REASONS[i].word, REASONS[i].sentence);
    if (walk->outcome == MMU_FAULT_PF)
        print_error_code(out, walk->error_code);
}

void walk_print_page(FILE *out, const struct walk_request *request, mmu_va va, const struct mmu_walk *walk)
{
    struct explain_state state;
    uint64_t cr3 = request->registers.value[MMU_REG_CR3];
    walk_explain_state(request, &state);
    print_linear(out, request, va, walk);
    fprintf(out, "  CR3 0x%" PRIx64 "\n  %s\n", cr3, explain_cr3(&state, cr3, NULL, NULL));
    explain_cr3(&state, cr3, print_field, out);
    for (uint32_t i = 0; i < walk->steps; i++)
        print_step(out, &state, &walk->step[i]);
    print_result(out, request, walk);
    fputc('\n', out);
}
