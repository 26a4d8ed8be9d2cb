/* sim/script_ask.c: questions to the hardware: translate, walk, tlb, stats, registers. None changes anything.
 */
#define _POSIX_C_SOURCE 200809L
#include "script_commands.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What the arguments ADDRESS [read|write|fetch] as WHO ask for. False: there is no such access. */
static bool asked(const struct script_argument *a, struct mmu_access *access, enum script_who *who,
                  struct script_result *r)
{
    static const enum mmu_kind KIND[] = {MMU_LOAD, MMU_STORE, MMU_FETCH};
    enum mmu_kind kind = KIND[a[1].number];
    *who = (enum script_who)a[2].number;
    *access =
        (struct mmu_access){.va = a[0].number, .size = 1, .kind = MMU_KIND_PRIV(kind, script_priv(*who))};
    return script_may(kind, *who, r);
}

COMMAND(translate)
{
    struct mmu_access access;
    struct mmu_result result;
    enum script_who who;
    if (!asked(a, &access, &who, r))
        return;
    struct mmu_core *core = script_core(s);
    script_stac(core, who);
    enum mmu_outcome outcome = mmu_core_probe(core, &access, &result);
    script_clac(core, who);
    if (outcome == MMU_DONE) {
        result_hex(r, "pa", result.pa);
        result_word(r, "where", script_where(result.where));
        result_number(r, "page", result.page_shift ? UINT64_C(1) << result.page_shift : 0);
        result_word(r, "outcome", "done");
        return;
    }
    result_word(r, "outcome", script_fault(outcome));
    result_word(r, "where", script_where(result.where));
    result_hex(r, "error_code", result.error_code);
    result_hex(r, "cr2", result.cr2);
}

/* Linux's names of the levels (include/linux/pgtable.h): those that a mode lacks are folded into the one
 * above them. [mode][level] */
static const char *linux_name(enum mmu_mode mode, unsigned level)
{
    static const char *const NAMES[MMU_MODES][6] = {
        [MMU_MODE_I386] = {NULL, "pte", "pgd (p4d, pud, pmd folded)"},
        [MMU_MODE_PAE] = {NULL, "pte", "pmd", "pgd (p4d, pud folded)"},
        [MMU_MODE_4L] = {NULL, "pte", "pmd", "pud", "pgd (p4d folded)"},
        [MMU_MODE_5L] = {NULL, "pte", "pmd", "pud", "p4d", "pgd"},
    };
    const char *name = mode < MMU_MODES && level < 6 ? NAMES[mode][level] : NULL;
    return name ? name : "?";
}

static void print_step(FILE *out, enum mmu_mode mode, const struct mmu_walk_step *step)
{
    char at[32];
    static const struct {
        unsigned bit;
        const char *name;
    } FLAGS[] = {{0, "P"}, {1, "RW"}, {2, "US"}, {3, "PWT"}, {4, "PCD"}, {5, "A"}, {6, "D"}, {63, "NX"}};
    if (step->from_register)
        snprintf(at, sizeof at, "register");
    else
        snprintf(at, sizeof at, "0x%" PRIx64, step->pa);
    fprintf(out, "%-6s %-27s %5u  %-14s %#-20" PRIx64, mmu_walk_level_name(step->level),
            linux_name(mode, step->level), step->index, at, step->entry);
    for (size_t i = 0; i < sizeof FLAGS / sizeof *FLAGS; i++)
        if (step->entry >> FLAGS[i].bit & 1 && (i != 6 || step->leaf))
            fprintf(out, " %s", FLAGS[i].name);
    if (step->leaf && step->entry >> 8 & 1)
        fprintf(out, " G");
    fprintf(out, "%s\n", !(step->entry & 1) ? " (not present)" : step->leaf ? " (maps the page)" : "");
}

/* root: what Linux calls the page directory that CR3 names. */
static void print_walk(FILE *out, const struct mmu_core *core, const char *root,
                       const struct mmu_access *access, const struct mmu_walk *walk)
{
    fprintf(out, "%-6s %-27s %5s  %-14s %-20s %s\n", "manual", "Linux", "index", "at", "entry", "flags");
    fprintf(out, "%-6s %-27s %5s  %-14s %#" PRIx64 "\n", "CR3", root, "", "register",
            mmu_core_get(core, MMU_REG_CR3));
    for (uint32_t i = 0; i < walk->steps; i++)
        print_step(out, (enum mmu_mode)walk->mode, &walk->step[i]);
    if (walk->outcome == MMU_DONE)
        fprintf(out, "0x%" PRIx64 " is 0x%" PRIx64 "\n", access->va, walk->pa);
    else
        fprintf(out, "0x%" PRIx64 " faults: #%s, error code 0x%" PRIx32 "\n", access->va,
                script_fault(walk->outcome), walk->error_code);
}

static void walk_fields(const struct mmu_walk *walk, struct script_result *r)
{
    const struct mmu_walk_step *last = walk->steps ? &walk->step[walk->steps - 1] : NULL;
    char linux_level[32] = "";
    if (walk->page_shift)
        result_hex(r, "pa", walk->pa);
    result_word(r, "outcome", script_fault(walk->outcome));
    if (walk->outcome != MMU_DONE)
        result_hex(r, "error_code", walk->error_code);
    result_number(r, "page", walk->page_shift ? UINT64_C(1) << walk->page_shift : 0);
    result_number(r, "levels", walk->steps);
    if (last) {
        snprintf(linux_level, sizeof linux_level, "%s", linux_name((enum mmu_mode)walk->mode, last->level));
        linux_level[strcspn(linux_level, " ")] = 0;
        result_word(r, "level", mmu_walk_level_name(last->level));
        result_word(r, "linux", linux_level);
        result_hex(r, "entry", last->entry);
        result_hex(r, "at", last->pa);
        result_hex(r, "root_entry", walk->step[0].entry);
    }
    result_number(r, "writable", walk->page_shift && walk->writable);
    result_number(r, "user", walk->page_shift && walk->user);
    result_number(r, "nx", walk->page_shift && walk->no_execute);
    result_number(r, "global", walk->page_shift && walk->global);
    result_number(r, "dirty", walk->page_shift && walk->dirty);
    result_number(r, "accessed", walk->page_shift && walk->accessed);
    result_number(r, "pcd", walk->page_shift && walk->pcd);
    result_number(r, "pwt", walk->page_shift && walk->pwt);
}

COMMAND(walk)
{
    struct mmu_access access;
    struct mmu_walk walk;
    enum script_who who;
    char *text = NULL;
    size_t size = 0;
    if (!asked(a, &access, &who, r))
        return;
    struct mmu_core *half = script_half(s, MMU_PRIV_OF(access.kind));
    script_stac(half, who);
    mmu_core_walk(half, &access, &walk);
    script_clac(half, who);
    walk_fields(&walk, r);
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        result_bad(r, "out of memory");
        return;
    }
    bool idle = s->os && !mmu_os_current(s->os, s->cpu);
    print_walk(out, half, idle ? "swapper_pg_dir" : "mm->pgd", &access, &walk);
    fclose(out);
    r->text = text;
}

/* ----- TLBs ----- */

struct tlb_print {
    FILE *out;
    const struct mmu_config *config;
    bool one; /* only entries that hold the address */
    mmu_va va;
    uint64_t entries;
};

static void print_entry(void *ctx, const struct mmu_tlb_entry *e)
{
    static const unsigned SHIFT[MMU_PAGES] = {12, 21, 22, 30};
    static const char *const SIZE[MMU_PAGES] = {"4K", "2M", "4M", "1G"};
    struct tlb_print *p = ctx;
    uint64_t bytes = UINT64_C(1) << SHIFT[e->page];
    if (p->one && (p->va < e->va || p->va - e->va >= bytes))
        return;
    p->entries++;
    fprintf(p->out, "%-10s set %4" PRIu32 " way %2" PRIu32 "  %016" PRIx64 " -> %010" PRIx64 " %s%s%s%s%s%s",
            p->config->tlb[e->structure].name, e->set, e->way, e->va, e->pa, SIZE[e->page],
            e->user ? " user" : " kernel", e->writable ? " rw" : " ro", e->no_execute ? " nx" : "",
            e->dirty ? " dirty" : "", e->global ? " global" : "");
    if (e->global)
        fprintf(p->out, "\n");
    else
        fprintf(p->out, " pcid %u\n", e->pcid);
}

COMMAND(tlb)
{
    char *text = NULL;
    size_t size = 0;
    struct tlb_print p = {.config = s->config, .one = a[0].given, .va = a[0].number};
    p.out = open_memstream(&text, &size);
    if (!p.out) {
        result_bad(r, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < s->config->tlbs; i++)
        mmu_core_tlb_entries(script_core(s), i, print_entry, &p);
    if (!p.entries)
        fprintf(p.out, "no entry\n");
    fclose(p.out);
    result_number(r, "entries", p.entries);
    r->text = text;
}

/* ----- counters ----- */

/* A counter's name, or the begin of several whose sum is asked for: "tlb.STLB.misses". */
struct stats_print {
    FILE *out;
    const char *wanted;
    uint64_t sum, found;
};

static void take_counter(void *ctx, const struct mmu_counter *counter)
{
    struct stats_print *p = ctx;
    size_t n = strlen(p->wanted);
    if (n && (strncmp(counter->path, p->wanted, n) || (counter->path[n] && counter->path[n] != '.')))
        return;
    p->sum += counter->value;
    p->found++;
    if (counter->value || (n && !counter->path[n]))
        fprintf(p->out, "%-44s %12" PRIu64 " %s\n", counter->path, counter->value, counter->unit);
}

COMMAND(stats)
{
    char *text = NULL;
    size_t size = 0;
    struct mmu_stats *stats = malloc(sizeof *stats);
    struct stats_print p = {.wanted = a[0].text, .out = open_memstream(&text, &size)};
    if (!stats || !p.out) {
        result_bad(r, "out of memory");
    } else {
        mmu_core_stats(script_core(s), stats);
        mmu_stats_each(stats, s->config, take_counter, &p);
        if (!p.found)
            result_bad(r, "no counter begins with '%s'; 'stats' prints those that are not 0", a[0].text);
        else if (a[0].given)
            result_number(r, "sum", p.sum);
    }
    if (p.out)
        fclose(p.out);
    free(stats);
    r->text = text;
}

COMMAND(registers)
{
    static const char *const NAMES[MMU_REGS] = {"CR0",  "CR2",  "CR3", "CR4", "EFER",
                                                "PKRU", "PKRS", "AC",  "CPL"};
    static const char *const MODES[MMU_MODES] = {"off", "i386", "pae", "4-level", "5-level"};
    (void)a;
    for (unsigned i = 0; i < MMU_REGS; i++)
        result_hex(r, NAMES[i], mmu_core_get(script_core(s), (enum mmu_reg)i));
    result_word(r, "mode", MODES[mmu_core_mode(script_core(s))]);
    result_number(r, "cycle", mmu_core_now(script_core(s)));
}
