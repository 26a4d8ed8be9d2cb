/*
 * sim/report_text.c: one run told in full, for people.
 *
 * Leaves out counters that are 0 where a row of zeros says nothing (parts of the ledger); the JSON has all.
 */
#include "cli.h"
#include "figures.h"
#include "table.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char *const PAGE[MMU_PAGES] = {"4K", "2M", "4M", "1G"};
static const char *const WALK_LEVEL[MMU_WALK_LEVELS] = {"PTE", "PDE", "PDPTE", "PML4E", "PML5E"};
static const char *const PSC[MMU_PSC_LEVELS] = {"PDE", "PDPTE", "PML4E", "PML5E"};

/* What every section prints from. */
struct text {
    const struct report_run *run;
    const struct mmu_stats *stats;
    const struct mmu_config *config;
    struct sums sums;
    FILE *out;
    bool failed;
};

#define START(table, ...)                                                                                    \
    do {                                                                                                     \
        static const char *const headings[] = {__VA_ARGS__};                                                 \
        table_start(table, sizeof headings / sizeof *headings, headings);                                    \
    } while (0)

static void end(struct text *text, struct table *table)
{
    text->failed |= !table_end(table, text->out);
}

static double percent(uint64_t part, uint64_t whole)
{
    return 100 * ratio(part, whole);
}

static uint64_t sum(const uint64_t *from, size_t n)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += from[i];
    return total;
}

/* A line "LABEL  words", broken at blanks so that it stays within the width; following lines are indented. */
static void paragraph(FILE *out, const char *label, const char *words)
{
    enum { INDENT = 10 };
    size_t column = (size_t)fprintf(out, "%-*s", INDENT, label);
    for (bool first = true; *words; first = false) {
        size_t length = strcspn(words, " ");
        if (!first && column + 1 + length > TABLE_WIDTH)
            column = (size_t)fprintf(out, "\n%*s", INDENT, "") - 1;
        else if (!first)
            column += (size_t)fprintf(out, " ");
        column += (size_t)fprintf(out, "%.*s", (int)length, words);
        words += length;
        words += *words == ' ';
    }
    fputc('\n', out);
}

static void print_machine(const struct text *text)
{
    static const char *const MODE[MMU_MODES] = {"no paging", "two-level i386 paging", "PAE paging",
                                                "four-level paging", "five-level paging"};
    static const char *const FRAMES[MMU_FRAMES_MODES] = {"in sequence", "at random"};
    const struct mmu_config *config = text->config;
    char words[512], line[1024];
    snprintf(line, sizeof line, "%s%s%s", text->run->machine, config->title[0] ? ": " : "", config->title);
    paragraph(text->out, "machine", line);
    if (text->run->tables && *text->run->tables)
        snprintf(words, sizeof words, "%s; %s", MODE[text->run->mode], text->run->tables);
    else if (config->pager.enabled)
        snprintf(words, sizeof words, "%s; %s pages at first touch, frames %s", MODE[config->pager.mode],
                 PAGE[config->pager.page], FRAMES[config->pager.frames]);
    else if (config->os.enabled)
        snprintf(words, sizeof words, "%s; a kernel that brings pages at their faults",
                 MODE[text->run->mode]);
    else
        snprintf(words, sizeof words, "paging is off (no pager)");
    int n = snprintf(line, sizeof line, "%s; window %" PRIu32 ", %" PRIu32 " walker%s; page-table reads ",
                     words, config->window, config->walk.walkers, config->walk.walkers == 1 ? "" : "s");
    if (config->memory.reads == MMU_READS_FIXED)
        snprintf(line + n, sizeof line - (size_t)n, "%" PRIu32 " cycles each", config->memory.read_latency);
    else
        snprintf(line + n, sizeof line - (size_t)n, "through %" PRIu32 " cache level%s",
                 config->memory.caches, config->memory.caches == 1 ? "" : "s");
    paragraph(text->out, "", line);
}

static void print_trace(const struct text *text)
{
    const struct report_run *run = text->run;
    char line[1024], count[TABLE_NUMBER], before[TABLE_NUMBER];
    paragraph(text->out, "trace", run->trace);
    if (run->info.source[0])
        paragraph(text->out, "", run->info.source);
    if (run->cut)
        paragraph(text->out, "", "incomplete: it ends too early; this is of the part before");
    int n = snprintf(line, sizeof line, "%s references measured, behind a warm-up of %s; ",
                     table_format(run->measured, count), table_format(run->warmup, before));
    if (text->sums.instructions)
        snprintf(line + n, sizeof line - (size_t)n, "%s instructions",
                 table_format(text->sums.instructions, count));
    else
        snprintf(line + n, sizeof line - (size_t)n, "no instruction fetches");
    paragraph(text->out, "", line);
    snprintf(line, sizeof line,
             "mmusim " MMU_VERSION ", seed %" PRIu64 ", config %016" PRIx64 ", trace %016" PRIx64,
             text->config->seed, run->config_hash, run->checksum);
    paragraph(text->out, "run", line);
}

/* "16.704 %", or "none" where nothing was looked up. */
static const char *percent_text(uint64_t part, uint64_t whole, char buf[32])
{
    if (whole)
        snprintf(buf, 32, "%.3f %%", percent(part, whole));
    return whole ? buf : "none";
}

/* The whole run in one sentence. */
static void print_summary(const struct text *text)
{
    const struct sums *sums = &text->sums;
    const struct mmu_histogram *latency = &text->stats->walk_latency;
    uint64_t elapsed = text->stats->cycles.elapsed[0];
    char line[1024], rate[32], number[TABLE_NUMBER], whole[TABLE_NUMBER];
    int n = 0;
    for (uint32_t i = 0; i < text->config->levels; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, "L%" PRIu32 " TLB hit rate %s, ", i + 1,
                      percent_text(sums->level[i].hits, sums->level[i].accesses, rate));
    n += snprintf(line + n, sizeof line - (size_t)n, "%s walks", table_format(sums->walks, number));
    if (latency->count)
        n += snprintf(line + n, sizeof line - (size_t)n, " of %.2f cycles",
                      ratio(latency->sum, latency->count));
    snprintf(line + n, sizeof line - (size_t)n, "; translation costs %s of %s cycles (%.3f %%)",
             table_format_signed(sums->exposed, number), table_format(elapsed, whole),
             elapsed ? 100 * (double)sums->exposed / (double)elapsed : 0.0);
    paragraph(text->out, "summary", line);
}

static void print_accesses(struct text *text)
{
    const struct mmu_run_stats *run = &text->stats->run;
    struct table table;
    fputs("\nAccesses\n", text->out);
    START(&table, "kind", "user", "supervisor", "implicit", "total", "share %", "page-crossing");
    for (unsigned kind = 0; kind <= MMU_KINDS; kind++) { /* behind the kinds: the total */
        bool one = kind < MMU_KINDS;
        uint64_t total = one ? text->sums.accesses[kind] : text->sums.all_accesses;
        if (!one)
            table_rule(&table);
        table_text(&table, "%s", one ? FIGURE_KIND[kind] : "total");
        for (unsigned priv = 0; priv < MMU_PRIVS; priv++) {
            uint64_t value = 0;
            for (unsigned k = one ? kind : 0; k < (one ? kind + 1 : MMU_KINDS); k++)
                value += run->accesses[k + MMU_KINDS * priv];
            table_count(&table, value);
        }
        table_count(&table, total);
        table_real(&table, percent(total, text->sums.all_accesses), 2);
        table_count(&table, one ? run->crossings[kind] : sum(run->crossings, MMU_KINDS));
    }
    end(text, &table);
}

static void lookup_row(const struct text *text, struct table *table, const char *name,
                       const struct lookups *of)
{
    uint64_t per = text->sums.instructions ? text->sums.instructions : text->sums.all_accesses;
    table_text(table, "%.28s", name);
    table_count(table, of->accesses);
    table_count(table, of->hits);
    table_count(table, of->misses);
    table_real(table, percent(of->hits, of->accesses), 3);
    table_real(table, 1000 * ratio(of->misses, per), 3);
    table_count(table, of->merged);
}

/* The rows of all structures and, where a level has several, of the level. */
static void structure_rows(const struct text *text, struct table *table,
                           void (*row)(const struct text *, struct table *, const char *,
                                       const struct lookups *))
{
    const struct mmu_config *config = text->config;
    for (uint32_t level = 0; level < config->levels; level++) {
        unsigned structures = 0;
        for (uint32_t i = 0; i < config->tlbs; i++)
            if (config->tlb[i].level == level + 1) {
                structures++;
                row(text, table, config->tlb[i].name, &text->sums.tlb[i]);
            }
        char name[32];
        snprintf(name, sizeof name, "level %" PRIu32 " together", level + 1);
        if (structures > 1)
            row(text, table, name, &text->sums.level[level]);
    }
}

static void print_tlbs(struct text *text)
{
    const struct mmu_config *config = text->config;
    struct table table;
    bool known = text->sums.instructions;
    if (!config->levels) {
        fputs("\nTLBs: none\n", text->out);
        return;
    }
    fprintf(text->out, "\nTLBs (%s)\n",
            known ? "MPKI: misses per 1000 instructions"
                  : "MPKA: misses per 1000 accesses; the trace tells no instructions");
    const char *const headings[] = {
        "structure", "accesses", "hits", "misses", "hit rate %", known ? "MPKI" : "MPKA", "merged hits"};
    table_start(&table, sizeof headings / sizeof *headings, headings);
    structure_rows(text, &table, lookup_row);
    end(text, &table);
}

/* User and kernel apart, where both were at work: the kernel's addresses are translated like anybody's. */
static void print_privileges(struct text *text)
{
    static const char *const PRIV[MMU_PRIVS] = {"user", "supervisor", "implicit"};
    struct table table;
    if (sum(text->stats->run.accesses + MMU_KINDS, (MMU_PRIVS - 1) * (size_t)MMU_KINDS) == 0)
        return;
    fputs("\nTLBs by authority (look-ups of user accesses, of the supervisor's, of the processor's own)\n",
          text->out);
    START(&table, "level", "authority", "accesses", "hits", "misses", "hit rate %");
    for (uint32_t level = 0; level < text->config->levels; level++)
        for (unsigned priv = 0; priv < MMU_PRIVS; priv++) {
            const struct mmu_level_stats *stats = &text->stats->level[level];
            const uint64_t accesses = sum(stats->accesses + (size_t)MMU_KINDS * priv, MMU_KINDS);
            const uint64_t misses = sum(stats->misses + (size_t)MMU_KINDS * priv, MMU_KINDS);
            if (accesses == 0)
                continue;
            table_text(&table, "level %" PRIu32, level + 1);
            table_text(&table, "%s", PRIV[priv]);
            table_count(&table, accesses);
            table_count(&table, accesses - misses);
            table_count(&table, misses);
            table_real(&table, percent(accesses - misses, accesses), 3);
        }
    end(text, &table);
}

static void class_row(const struct text *text, struct table *table, const char *name,
                      const struct lookups *of)
{
    const uint64_t class[] = {of->compulsory, of->capacity, of->conflict};
    (void)text;
    table_text(table, "%.28s", name);
    table_count(table, of->misses);
    for (unsigned i = 0; i < 3; i++) {
        table_count(table, class[i]);
        table_real(table, percent(class[i], of -> misses), 2);
    }
}

static void print_classes(struct text *text)
{
    struct table table;
    if (!text->sums.classified)
        return;
    fputs("\nMiss classes (compulsory: a TLB without end would miss too; capacity: a fully associative one\n"
          "with LRU would; conflict: the others)\n",
          text->out);
    START(&table, "structure", "misses", "compulsory", "%", "capacity", "%", "conflict", "%");
    structure_rows(text, &table, class_row);
    end(text, &table);
}

static void print_contents(struct text *text)
{
    const struct mmu_config *config = text->config;
    struct table table;
    if (!config->tlbs)
        return;
    fputs("\nTLB contents (entries; what is valid at the end, and what it maps)\n", text->out);
    START(&table, "structure", "capacity", "valid", "reach KiB", "fills", "evictions", "flushed");
    for (uint32_t i = 0; i < config->tlbs; i++) {
        table_text(&table, "%.28s", config->tlb[i].name);
        table_count(&table, config->tlb[i].entries);
        table_count(&table, text->run->tlb[i].valid);
        table_count(&table, text->run->tlb[i].reach / 1024);
        table_count(&table, sum(text->stats->tlb[i].fills, MMU_PAGES));
        table_count(&table, text->stats->tlb[i].evictions[0]);
        table_count(&table, sum(text->stats->tlb[i].flushed, MMU_CAUSES));
    }
    end(text, &table);
}

static void print_pscs(struct text *text)
{
    struct table table;
    bool any = false;
    for (unsigned i = 0; i < MMU_PSC_LEVELS; i++)
        any |= figures_has_psc(text->config, i);
    if (!any) {
        fputs("\nPaging-structure caches: none\n", text->out);
        return;
    }
    fputs(
        "\nPaging-structure caches (walks; a walk counts as a hit at the deepest cache that has its entry)\n",
        text->out);
    START(&table, "cache", "probes", "hits", "hit rate %", "fills", "evictions", "flushed");
    for (unsigned i = 0; i < MMU_PSC_LEVELS; i++) {
        const struct mmu_psc_stats *psc = &text->stats->psc[i];
        if (!figures_has_psc(text->config, i))
            continue;
        table_text(&table, "%s", PSC[i]);
        table_count(&table, psc->probes[0]);
        table_count(&table, psc->hits[0]);
        table_real(&table, percent(psc->hits[0], psc->probes[0]), 3);
        table_count(&table, psc->fills[0]);
        table_count(&table, psc->evictions[0]);
        table_count(&table, sum(psc->flushed, MMU_CAUSES));
    }
    end(text, &table);
}

static void print_walks(struct text *text)
{
    const struct mmu_walk_stats *walk = &text->stats->walk;
    const struct sums *sums = &text->sums;
    struct table table;
    fputs("\nPage walks\n", text->out);
    START(&table, "caused by", "started", "completed", "faulted", "misses merged");
    for (unsigned kind = 0; kind < MMU_KINDS; kind++) {
        table_text(&table, "%s", FIGURE_KIND[kind]);
        table_count(&table, walk->started[kind]);
        table_count(&table, walk->completed[kind]);
        table_count(&table, walk->faulted[kind]);
        table_count(&table, walk->merged[kind]);
    }
    table_rule(&table);
    table_text(&table, "total");
    table_count(&table, sums->walks);
    table_count(&table, sums->completed);
    table_count(&table, sums->faulted);
    table_count(&table, sums->merged);
    end(text, &table);
    fputs("  completed by page size:", text->out);
    char number[TABLE_NUMBER];
    for (unsigned page = 0, printed = 0; page < MMU_PAGES; page++)
        if (walk->completed_page[page] || page == MMU_4K)
            fprintf(text->out, "%s %s %s", printed++ ? "," : "", PAGE[page],
                    table_format(walk->completed_page[page], number));
    fprintf(text->out, "; for a dirty flag: %s\n", table_format(walk->dirty[0], number));
}

static void print_latency(struct text *text)
{
    const struct mmu_histogram *h = &text->stats->walk_latency;
    const struct mmu_walk_stats *walk = &text->stats->walk;
    static const double PERCENT[] = {50, 95, 99, 100};
    struct table table;
    fputs("\nWalk latency (cycles, from the grant of a walker to the end), and the wait for a walker\n",
          text->out);
    START(&table, "walks", "mean", "p50", "p95", "p99", "max", "waited", "wait cycles", "busy % of E");
    table_count(&table, h->count);
    table_real(&table, ratio(h->sum, h->count), 2);
    for (unsigned i = 0; i < sizeof PERCENT / sizeof *PERCENT; i++)
        if (h->count)
            table_count(&table, mmu_histogram_percentile(h, PERCENT[i]));
        else
            table_text(&table, "-");
    table_count(&table, walk->waits[0]);
    table_count(&table, walk->wait_cycles[0]);
    table_real(&table, percent(walk->active[0], text->stats->cycles.elapsed[0]), 2);
    end(text, &table);
}

static void reads_row(const struct text *text, struct table *table, const char *name, const uint64_t *place)
{
    uint64_t reads = sum(place, MMU_PLACES);
    table_text(table, "%s", name);
    table_count(table, reads);
    table_real(table, ratio(reads, text->sums.walks), 4);
    for (unsigned i = 0; i < MMU_PLACES; i++)
        if (figures_has_place(text->config, i))
            table_real(table, ratio(place[i], text->sums.walks), 4);
}

static void print_reads(struct text *text)
{
    static const char *const PLACE[MMU_PLACES] = {"fixed", "L1", "L2", "L3", "L4", "memory"};
    const char *headings[3 + MMU_PLACES] = {"level", "reads", "per walk"};
    size_t columns = 3;
    for (unsigned i = 0; i < MMU_PLACES; i++)
        if (figures_has_place(text->config, i))
            headings[columns++] = PLACE[i];
    struct table table;
    fputs("\nReferences per walk, by level and by where they hit\n", text->out);
    table_start(&table, columns, headings);
    for (unsigned level = MMU_WALK_LEVELS; level-- > 0;)
        if (text->sums.level_reads[level])
            reads_row(text, &table, WALK_LEVEL[level], text->stats->reads[level]);
    table_rule(&table);
    reads_row(text, &table, "total", text->sums.place_reads);
    end(text, &table);
}

static void print_faults(struct text *text)
{
    const struct mmu_run_stats *run = &text->stats->run;
    struct table table;
    fputs("\nFaults and flags\n", text->out);
    START(&table, "#PF raised", "resolved", "spurious", "#GP", "no memory", "accessed set", "dirty set");
    table_count(&table, run->faults_pf[0]);
    table_count(&table, run->faults_resolved[0]);
    table_count(&table, run->faults_spurious[0]);
    table_count(&table, run->faults_gp[0]);
    table_count(&table, run->faults_memory[0]);
    table_count(&table, text->stats->walk.accessed_set[0]);
    table_count(&table, text->stats->walk.dirty_set[0]);
    end(text, &table);
}

static void cycle_row(const struct text *text, struct table *table, const char *name, int64_t value)
{
    uint64_t elapsed = text->stats->cycles.elapsed[0];
    uint64_t per = text->sums.instructions ? text->sums.instructions : text->sums.all_accesses;
    table_text(table, "%s", name);
    table_signed(table, value);
    table_real(table, elapsed ? 100 * (double)value / (double)elapsed : NAN, 3);
    table_real(table, per ? (double)value / (double)per : NAN, 4);
}

static void print_cycles(struct text *text)
{
    const struct mmu_cycle_stats *cycles = &text->stats->cycles;
    const struct sums *sums = &text->sums;
    struct table table;
    fputs("\nCycles\n", text->out);
    const char *const headings[] = {"", "cycles", "% of elapsed",
                                    sums->instructions ? "per instruction" : "per access"};
    table_start(&table, sizeof headings / sizeof *headings, headings);
    cycle_row(text, &table, "elapsed E", (int64_t)cycles->elapsed[0]);
    cycle_row(text, &table, "ideal (translation free)", (int64_t)cycles->ideal[0]);
    cycle_row(text, &table, "exposed translation = E - ideal", sums->exposed);
    cycle_row(text, &table, "charged translation", (int64_t)sums->charged);
    cycle_row(text, &table, "stalled translation", (int64_t)sums->stalled);
    cycle_row(text, &table, "overlapped = charged - stalled", sums->overlapped);
    end(text, &table);
    if (cycles->ideal[0])
        fprintf(text->out, "  a perfect TLB would make this run at most %.4f times as fast\n",
                ratio(cycles->elapsed[0], cycles->ideal[0]));
}

static void print_ledger(struct text *text)
{
    const struct mmu_cycle_stats *cycles = &text->stats->cycles;
    uint64_t elapsed = cycles->elapsed[0], stalled = text->sums.all_stalled;
    struct table table;
    fputs("\nLedger (cycles: of the run, and as charged to the accesses)\n", text->out);
    START(&table, "part", "run", "% of elapsed", "charged");
    table_text(&table, "issue");
    table_count(&table, cycles->issue[0]);
    table_real(&table, percent(cycles->issue[0], elapsed), 3);
    table_text(&table, "-");
    for (unsigned part = 0; part < MMU_PARTS; part++) {
        if (!cycles->stalled[part] && !cycles->charged[part])
            continue;
        table_text(&table, "%s", mmu_part_text((enum mmu_part)part));
        int64_t stalled_here =
            (int64_t)cycles->stalled[part]; /* behind a warm-up it can be negative: stats_check.c */
        table_signed(&table, stalled_here);
        table_real(&table, elapsed ? 100 * (double)stalled_here / (double)elapsed : NAN, 3);
        table_count(&table, cycles->charged[part]);
    }
    table_rule(&table);
    table_text(&table, "sum");
    table_count(&table, cycles->issue[0] + stalled);
    table_real(&table, percent(cycles->issue[0] + stalled, elapsed), 3);
    table_count(&table, text->sums.all_charged);
    end(text, &table);
    char a[TABLE_NUMBER], b[TABLE_NUMBER], c[TABLE_NUMBER];
    fprintf(text->out, "  issue %s + stalls %s %s elapsed %s\n", table_format(cycles->issue[0], a),
            table_format(stalled, b), cycles->issue[0] + stalled == elapsed ? "=" : "DIFFERS FROM",
            table_format(elapsed, c));
}

int report_text(const struct report_run *run, FILE *out)
{
    struct text text = {.run = run, .stats = run->stats, .config = run->config, .out = out};
    figures_sum(run, &text.sums);
    print_machine(&text);
    print_trace(&text);
    print_summary(&text);
    print_accesses(&text);
    print_tlbs(&text);
    print_privileges(&text);
    print_classes(&text);
    print_contents(&text);
    print_pscs(&text);
    if (text.sums.walks) {
        print_walks(&text);
        print_latency(&text);
        print_reads(&text);
    } else {
        fputs("\nPage walks: none\n", out);
    }
    print_faults(&text);
    print_cycles(&text);
    print_ledger(&text);
    return text.failed ? cli_error("out of memory") : CLI_OK;
}
