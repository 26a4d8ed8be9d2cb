/*
 * sim/explain.c: the formats of CR3 and of paging-structure entries as data (see explain.h).
 *
 * A format is a list of groups, a group a list of fields; groups are what formats share. Leaves out the bits
 * that only virtualisation (HLAT) and linear-address masking give a meaning to: without them the processor
 * ignores those bits.
 */
#include "explain.h"

/* Bounds that depend on the processor; smaller numbers are bit positions. */
enum {
    M = 64,    /* MAXPHYADDR */
    BELOW_M,   /* MAXPHYADDR - 1 */
    PSE36_TOP, /* min(40, MAXPHYADDR) - 20, the highest bit of a 4-MByte page's address bits 39:32; 12 (none)
                  without PSE-36 */
    ABOVE_PSE36,
};

/* When a field exists. */
enum when { ALWAYS, NXE, NO_NXE, KEYS, NO_KEYS, PGE, NO_PGE, PSE, NO_PSE };

enum kind { FLAG, NUMBER, ADDRESS, HIGH_ADDRESS, RESERVED, IGNORED };

struct field {
    uint8_t hi, lo, when, kind;
    const char *name;
    const char *text; /* the meaning; of a flag: when it is 0 */
    const char *set;  /* a flag's meaning when it is 1 */
};

#define FLAG_AT(bit, name, clear, set)                                                                       \
    {                                                                                                        \
        bit, bit, ALWAYS, FLAG, name, clear, set                                                             \
    }
#define FLAG_WHEN(bit, when, name, clear, set)                                                               \
    {                                                                                                        \
        bit, bit, when, FLAG, name, clear, set                                                               \
    }
#define ADDRESS_AT(hi, lo, text)                                                                             \
    {                                                                                                        \
        hi, lo, ALWAYS, ADDRESS, "address", text, NULL                                                       \
    }
#define RESERVED_AT(hi, lo)                                                                                  \
    {                                                                                                        \
        hi, lo, ALWAYS, RESERVED, "reserved", "must be 0", NULL                                              \
    }
#define IGNORED_AT(hi, lo)                                                                                   \
    {                                                                                                        \
        hi, lo, ALWAYS, IGNORED, "ignored", "free for software", NULL                                        \
    }
#define IGNORED_WHEN(hi, lo, when, text)                                                                     \
    {                                                                                                        \
        hi, lo, when, IGNORED, "ignored", text, NULL                                                         \
    }
#define GROUP(noun, ...)                                                                                     \
    static const struct field noun[] = {__VA_ARGS__, {0}} /* ends with a field without a name */

#define PWT_FIELD FLAG_AT(3, "PWT", "page-level write-through off", "page-level write-through on")
#define PCD_FIELD FLAG_AT(4, "PCD", "page-level cache disable off", "page-level cache disable on")

GROUP(absent4, FLAG_AT(0, "P", "not present: the walk ends here", ""), IGNORED_AT(31, 1));
GROUP(absent8, FLAG_AT(0, "P", "not present: the walk ends here", ""), IGNORED_AT(63, 1));

GROUP(low, FLAG_AT(0, "P", "not present", "present"),
      FLAG_AT(1, "R/W", "writes are not allowed", "writes are allowed"),
      FLAG_AT(2, "U/S", "supervisor: user-mode accesses are not allowed",
              "user: user-mode accesses are allowed"),
      PWT_FIELD, PCD_FIELD, FLAG_AT(5, "A", "not accessed", "accessed"));
GROUP(pdpte_low, FLAG_AT(0, "P", "not present", "present"), RESERVED_AT(2, 1), PWT_FIELD, PCD_FIELD,
      RESERVED_AT(8, 5), IGNORED_AT(11, 9));

GROUP(table_bit6, IGNORED_AT(6, 6));
GROUP(table_ps, FLAG_WHEN(7, ALWAYS, "PS", "points to a table", "maps a page"));
GROUP(table_ps_i386, FLAG_WHEN(7, PSE, "PS", "points to a page table", "maps a 4-MByte page"),
      IGNORED_WHEN(7, 7, NO_PSE, "PS counts with CR4.PSE = 1 only"));
GROUP(table_bit7_reserved, RESERVED_AT(7, 7));
GROUP(table_bits_11_8, IGNORED_AT(11, 8));

GROUP(page_dirty, FLAG_AT(6, "D", "not written to", "written to (dirty)"));
GROUP(page_ps, FLAG_AT(7, "PS", "points to a table", "maps a page"));
GROUP(page_pat, FLAG_AT(7, "PAT", "PAT index bit 2 is 0", "PAT index bit 2 is 1"));
GROUP(page_global, FLAG_WHEN(8, PGE, "G", "not global", "global: survives a load of CR3"),
      IGNORED_WHEN(8, 8, NO_PGE, "G counts with CR4.PGE = 1 only"), IGNORED_AT(11, 9));
GROUP(large_pat, FLAG_AT(12, "PAT", "PAT index bit 2 is 0", "PAT index bit 2 is 1"));

GROUP(address_pt_32, ADDRESS_AT(31, 12, "physical address of the page table"));
GROUP(address_4k_32, ADDRESS_AT(31, 12, "physical address of the 4-KByte page"));
GROUP(address_4m,
      {PSE36_TOP, 13, ALWAYS, HIGH_ADDRESS, "address", "bits 39:32 of the page's physical address (PSE-36)",
       NULL},
      RESERVED_AT(21, ABOVE_PSE36), ADDRESS_AT(31, 22, "bits 31:22 of the 4-MByte page's physical address"));
GROUP(address_pml4, ADDRESS_AT(BELOW_M, 12, "physical address of the PML4 table"));
GROUP(address_pdpt, ADDRESS_AT(BELOW_M, 12, "physical address of the page-directory-pointer table"));
GROUP(address_pd, ADDRESS_AT(BELOW_M, 12, "physical address of the page directory"));
GROUP(address_pt, ADDRESS_AT(BELOW_M, 12, "physical address of the page table"));
GROUP(address_4k, ADDRESS_AT(BELOW_M, 12, "physical address of the 4-KByte page"));
GROUP(address_2m, RESERVED_AT(20, 13), ADDRESS_AT(BELOW_M, 21, "physical address of the 2-MByte page"));
GROUP(address_1g, RESERVED_AT(29, 13), ADDRESS_AT(BELOW_M, 30, "physical address of the 1-GByte page"));

GROUP(high_pdpte, RESERVED_AT(63, M));
GROUP(high_pae, RESERVED_AT(62, M));
GROUP(high_table, RESERVED_AT(51, M), IGNORED_AT(62, 52));
GROUP(high_page, RESERVED_AT(51, M), IGNORED_AT(58, 52),
      {62, 59, KEYS, NUMBER, "key", "protection key", NULL},
      IGNORED_WHEN(62, 59, NO_KEYS, "the protection key counts with CR4.PKE or CR4.PKS only"));
GROUP(execute,
      FLAG_WHEN(63, NXE, "XD", "instruction fetches are allowed",
                "execute-disable: instruction fetches are not allowed"),
      {63, 63, NO_NXE, RESERVED, "reserved", "must be 0 while EFER.NXE = 0", NULL});

GROUP(cr3_32, IGNORED_AT(2, 0), PWT_FIELD, PCD_FIELD, IGNORED_AT(11, 5),
      ADDRESS_AT(31, 12, "physical address of the page directory"));
GROUP(cr3_pae, IGNORED_AT(4, 0), ADDRESS_AT(31, 5, "physical address of the page-directory-pointer table"));
GROUP(cr3_flags, IGNORED_AT(2, 0), PWT_FIELD, PCD_FIELD, IGNORED_AT(11, 5));
GROUP(cr3_pcid, {11, 0, ALWAYS, NUMBER, "PCID", "process-context identifier", NULL});
GROUP(cr3_4l, ADDRESS_AT(BELOW_M, 12, "physical address of the PML4 table"), RESERVED_AT(63, M));
GROUP(cr3_5l, ADDRESS_AT(BELOW_M, 12, "physical address of the PML5 table"), RESERVED_AT(63, M));

enum {
    I386 = 1 << MMU_MODE_I386,
    PAE = 1 << MMU_MODE_PAE,
    LONG4 = 1 << MMU_MODE_4L,
    LONG5 = 1 << MMU_MODE_5L,
    LONG = LONG4 | LONG5
};
enum { GROUPS = 9 };

struct format {
    uint8_t modes; /* 1 << enum mmu_mode */
    uint8_t level; /* 0: CR3 */
    bool leaf;     /* maps a page; CR3: with PCIDs */
    const char *title;
    const struct field *group[GROUPS];
};

static const struct format FORMATS[] = {
    {I386, 0, false, "CR3 with 32-bit paging (table 4-3)", {cr3_32}},
    {I386,
     2,
     true,
     "PDE that maps a 4-MByte page (table 4-4)",
     {low, page_dirty, page_ps, page_global, large_pat, address_4m}},
    {I386,
     2,
     false,
     "PDE that points to a page table (table 4-5)",
     {low, table_bit6, table_ps_i386, table_bits_11_8, address_pt_32}},
    {I386,
     1,
     true,
     "PTE that maps a 4-KByte page (table 4-6)",
     {low, page_dirty, page_pat, page_global, address_4k_32}},
    {PAE, 0, false, "CR3 with PAE paging (table 4-7)", {cr3_pae}},
    {PAE, 3, false, "PDPTE register (table 4-8)", {pdpte_low, address_pd, high_pdpte}},
    {PAE,
     2,
     true,
     "PDE that maps a 2-MByte page (table 4-9)",
     {low, page_dirty, page_ps, page_global, large_pat, address_2m, high_pae, execute}},
    {PAE,
     2,
     false,
     "PDE that points to a page table (table 4-10)",
     {low, table_bit6, table_ps, table_bits_11_8, address_pt, high_pae, execute}},
    {PAE,
     1,
     true,
     "PTE that maps a 4-KByte page (table 4-11)",
     {low, page_dirty, page_pat, page_global, address_4k, high_pae, execute}},
    {LONG4, 0, false, "CR3 with 4-level paging, CR4.PCIDE = 0 (table 4-12)", {cr3_flags, cr3_4l}},
    {LONG4, 0, true, "CR3 with 4-level paging, CR4.PCIDE = 1 (table 4-13)", {cr3_pcid, cr3_4l}},
    {LONG5, 0, false, "CR3 with 5-level paging, CR4.PCIDE = 0 (table 4-12)", {cr3_flags, cr3_5l}},
    {LONG5, 0, true, "CR3 with 5-level paging, CR4.PCIDE = 1 (table 4-13)", {cr3_pcid, cr3_5l}},
    {LONG,
     5,
     false,
     "PML5E that points to a PML4 table (table 4-14)",
     {low, table_bit6, table_bit7_reserved, table_bits_11_8, address_pml4, high_table, execute}},
    {LONG,
     4,
     false,
     "PML4E that points to a page-directory-pointer table (table 4-15)",
     {low, table_bit6, table_bit7_reserved, table_bits_11_8, address_pdpt, high_table, execute}},
    {LONG,
     3,
     true,
     "PDPTE that maps a 1-GByte page (table 4-16)",
     {low, page_dirty, page_ps, page_global, large_pat, address_1g, high_page, execute}},
    {LONG,
     3,
     false,
     "PDPTE that points to a page directory (table 4-17)",
     {low, table_bit6, table_ps, table_bits_11_8, address_pd, high_table, execute}},
    {LONG,
     2,
     true,
     "PDE that maps a 2-MByte page (table 4-18)",
     {low, page_dirty, page_ps, page_global, large_pat, address_2m, high_page, execute}},
    {LONG,
     2,
     false,
     "PDE that points to a page table (table 4-19)",
     {low, table_bit6, table_ps, table_bits_11_8, address_pt, high_table, execute}},
    {LONG,
     1,
     true,
     "PTE that maps a 4-KByte page (table 4-20)",
     {low, page_dirty, page_pat, page_global, address_4k, high_page, execute}},
};

/* Where a mode has one format only, leaf does not matter. */
static const struct format *find_format(enum mmu_mode mode, unsigned level, bool leaf)
{
    const struct format *found = NULL;
    for (size_t i = 0; i < sizeof FORMATS / sizeof FORMATS[0]; i++) {
        const struct format *f = &FORMATS[i];
        if (f->modes >> mode & 1 && f->level == level && (!found || f->leaf == leaf))
            found = f;
    }
    return found;
}

static bool exists(const struct explain_state *state, enum when when)
{
    enum { CR4_PSE = 1 << 4, CR4_PGE = 1 << 7, CR4_PKE = 1 << 22, CR4_PKS = 1 << 24, EFER_NXE = 1 << 11 };
    switch (when) {
    case ALWAYS:
        return true;
    case NXE:
    case NO_NXE:
        return !(state->efer & EFER_NXE) == (when == NO_NXE);
    case KEYS:
    case NO_KEYS:
        return !(state->cr4 & (CR4_PKE | CR4_PKS)) == (when == NO_KEYS);
    case PGE:
    case NO_PGE:
        return !(state->cr4 & CR4_PGE) == (when == NO_PGE);
    case PSE:
    case NO_PSE:
        break;
    }
    return !(state->cr4 & CR4_PSE) == (when == NO_PSE);
}

static unsigned bound(const struct explain_state *state, unsigned bit)
{
    unsigned m = state->maxphyaddr, top = state->pse36 ? (m < 40 ? m : 40) - 20 : 12;
    switch (bit) {
    case M:
        return m;
    case BELOW_M:
        return m - 1;
    case PSE36_TOP:
        return top;
    case ABOVE_PSE36:
        return top + 1;
    default:
        return bit;
    }
}

static void decode_group(const struct explain_state *state, const struct field *f, uint64_t value,
                         explain_each *each, void *ctx)
{
    for (; f->name; f++) {
        unsigned hi = bound(state, f->hi), lo = bound(state, f->lo);
        if (hi < lo || !exists(state, (enum when)f->when))
            continue;
        uint64_t in_place = value & ((~UINT64_C(0) >> (63 - hi)) & (~UINT64_C(0) << lo)),
                 shifted = in_place >> lo;
        struct explain_field field = {
            .hi = hi, .lo = lo, .name = f->name, .meaning = f->text, .value = shifted};
        field.address = f->kind == ADDRESS || f->kind == HIGH_ADDRESS;
        field.wrong = f->kind == RESERVED && shifted;
        if (f->kind == ADDRESS)
            field.value = in_place;
        else if (f->kind == HIGH_ADDRESS)
            field.value = shifted << 32;
        else if (f->kind == FLAG && shifted)
            field.meaning = f->set;
        each(ctx, &field);
    }
}

static const char *decode(const struct explain_state *state, const struct format *format, uint64_t value,
                          explain_each *each, void *ctx)
{
    for (size_t i = 0; each && i < GROUPS && format->group[i]; i++)
        decode_group(state, format->group[i], value, each, ctx);
    return format->title;
}

const char *explain_cr3(const struct explain_state *state, uint64_t cr3, explain_each *each, void *ctx)
{
    enum { CR4_PCIDE = 1 << 17 };
    return decode(state, find_format(state->mode, 0, state->cr4 & CR4_PCIDE), cr3, each, ctx);
}

const char *explain_entry(const struct explain_state *state, const struct mmu_walk_step *step,
                          explain_each *each, void *ctx)
{
    if (step->entry & 1)
        return decode(state, find_format(state->mode, step->level, step->leaf), step->entry, each, ctx);
    if (each)
        decode_group(state, step->bytes == 4 ? absent4 : absent8, step->entry, each, ctx);
    return "entry that is not present";
}
