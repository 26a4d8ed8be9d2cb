/*
 * sim/report_table.c: several runs side by side, a column each: machines for each trace, or traces for one
 * machine.
 *
 * A row is a figure of figures.h. Rows that no run knows are left out. More columns than fit in the width go
 * into further tables. Behind them stands what it takes to repeat the runs.
 */
#include "cli.h"
#include "figures.h"
#include "table.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How a figure is shown. */
enum show { SHOW_COUNT, SHOW_PERCENT, SHOW_REAL };

static const struct row {
    const char *label;
    const char *group, *item, *name;
    enum show show;
} ROWS[] = {
    {"references", "accesses", NULL, "total", SHOW_COUNT},
    {"instructions", "accesses", NULL, "instructions", SHOW_COUNT},
#define LEVEL(n)                                                                                             \
    {"L" n " TLB hit rate, fetch %", "level", n, "hit_rate_fetch", SHOW_PERCENT},                            \
        {"L" n " TLB hit rate, load %", "level", n, "hit_rate_load", SHOW_PERCENT},                          \
        {"L" n " TLB hit rate, store %", "level", n, "hit_rate_store", SHOW_PERCENT},                        \
        {"L" n " TLB misses", "level", n, "misses", SHOW_COUNT},                                             \
        {"L" n " TLB misses, compulsory", "level", n, "compulsory", SHOW_COUNT},                             \
        {"L" n " TLB misses, capacity", "level", n, "capacity", SHOW_COUNT},                                 \
        {"L" n " TLB misses, conflict", "level", n, "conflict", SHOW_COUNT},                                 \
        {"L" n " TLB MPKI", "level", n, "mpki", SHOW_REAL},                                                  \
    {                                                                                                        \
        "L" n " TLB misses/1000 accesses", "level", n, "misses_per_kilo_access", SHOW_REAL                   \
    }
    LEVEL("1"),
    LEVEL("2"),
    LEVEL("3"),
    LEVEL("4"),
#undef LEVEL
    {"PDE cache hit rate %", "psc", "pde", "hit_rate", SHOW_PERCENT},
    {"PDPTE cache hit rate %", "psc", "pdpte", "hit_rate", SHOW_PERCENT},
    {"PML4E cache hit rate %", "psc", "pml4e", "hit_rate", SHOW_PERCENT},
    {"PML5E cache hit rate %", "psc", "pml5e", "hit_rate", SHOW_PERCENT},
    {"walks", "walk", NULL, "started", SHOW_COUNT},
    {"walks/1000 instructions", "walk", NULL, "per_kilo_instruction", SHOW_REAL},
    {"walks/1000 accesses", "walk", NULL, "per_kilo_access", SHOW_REAL},
    {"misses merged", "walk", NULL, "merged", SHOW_COUNT},
    {"references per walk", "walk", NULL, "references_per_walk", SHOW_REAL},
    {"walk cycles, mean", "walk", NULL, "latency_mean", SHOW_REAL},
    {"walk cycles, p95", "walk", NULL, "latency_p95", SHOW_COUNT},
    {"walk cycles, p99", "walk", NULL, "latency_p99", SHOW_COUNT},
    {"walks that waited", "walk", NULL, "waits", SHOW_COUNT},
    {"walker busy, % of elapsed", "walk", NULL, "busy_share", SHOW_PERCENT},
    {"page faults", "faults", NULL, "pf", SHOW_COUNT},
    {"elapsed cycles", "cycles", NULL, "elapsed", SHOW_COUNT},
    {"cycles per instruction", "cycles", NULL, "per_instruction", SHOW_REAL},
    {"cycles per access", "cycles", NULL, "per_access", SHOW_REAL},
    {"ideal cycles", "cycles", NULL, "ideal", SHOW_COUNT},
    {"charged translation cycles", "cycles", NULL, "charged_translation", SHOW_COUNT},
    {"stalled translation cycles", "cycles", NULL, "stalled_translation", SHOW_COUNT},
    {"overlapped cycles", "cycles", NULL, "overlapped", SHOW_COUNT},
    {"exposed translation cycles", "cycles", NULL, "exposed", SHOW_COUNT},
    {"exposed, % of elapsed", "cycles", NULL, "exposed_share", SHOW_PERCENT},
    {"perfect TLB's speed-up", "cycles", NULL, "speedup_bound", SHOW_REAL},
};
enum { N_ROWS = sizeof ROWS / sizeof ROWS[0], LABEL_WIDTH = 28, NAME_WIDTH = 32 };

/* One run's figures, by row. */
struct column {
    const char *name;
    struct figure figure[N_ROWS]; /* type FIGURE_UNKNOWN: this run does not know it; names are not kept */
};

static bool same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static void collect(void *ctx, const struct figure *figure)
{
    struct column *column = ctx;
    for (size_t i = 0; i < N_ROWS; i++)
        if (same(figure->group, ROWS[i].group) && same(figure->item, ROWS[i].item) &&
            same(figure->name, ROWS[i].name))
            column->figure[i] = *figure;
}

static void print_cell(struct table *table, const struct figure *figure, enum show show)
{
    switch (figure->type) {
    case FIGURE_UNKNOWN:
        table_text(table, "-");
        return;
    case FIGURE_COUNT:
        table_count(table, figure->count);
        return;
    case FIGURE_SIGNED:
        table_signed(table, figure->difference);
        return;
    case FIGURE_REAL:
        table_real(table, show == SHOW_PERCENT ? 100 * figure->real : figure->real, 3);
        return;
    }
}

/* A long name keeps its end, which is what tells paths apart. */
static const char *short_name(const char *name, char *buf)
{
    size_t length = strlen(name);
    if (length <= NAME_WIDTH)
        return name;
    snprintf(buf, NAME_WIDTH + 1, "..%s", name + length - (NAME_WIDTH - 2));
    return buf;
}

static bool print_block(const struct column *column, size_t n, FILE *out)
{
    char name[TABLE_COLUMNS][NAME_WIDTH + 1];
    const char *headings[TABLE_COLUMNS] = {""};
    for (size_t i = 0; i < n; i++)
        headings[i + 1] = short_name(column[i].name, name[i]);
    struct table table;
    table_start(&table, n + 1, headings);
    for (size_t row = 0; row < N_ROWS; row++) {
        bool known = false;
        for (size_t i = 0; i < n; i++)
            known |= column[i].figure[row].type != FIGURE_UNKNOWN;
        if (!known)
            continue;
        table_text(&table, "%s", ROWS[row].label);
        for (size_t i = 0; i < n; i++)
            print_cell(&table, &column[i].figure[row], ROWS[row].show);
    }
    return table_end(&table, out);
}

/* The widest of a column's name and counts; no rate or ratio is wider than MIN. */
static size_t column_width(const struct column *column)
{
    enum { MIN = 10 };
    size_t width = strlen(column->name);
    width = width > NAME_WIDTH ? NAME_WIDTH : width < MIN ? MIN : width;
    for (size_t row = 0; row < N_ROWS; row++) {
        char text[TABLE_NUMBER];
        size_t length = strlen(table_format(column->figure[row].count, text));
        width = length > width ? length : width;
    }
    return width;
}

/* How many of the columns fit beside the labels: at least one. */
static size_t columns_that_fit(const struct column *column, size_t n)
{
    size_t used = 2 + LABEL_WIDTH, fit = 0;
    while (fit < n && fit + 1 < TABLE_COLUMNS) {
        used += 2 + column_width(&column[fit]);
        if (fit && used > TABLE_WIDTH)
            break;
        fit++;
    }
    return fit;
}

/* n runs, a column each, named by their machine or by their trace. */
static bool print_runs(const struct report_run *first, size_t n, bool by_machine, FILE *out)
{
    struct column *column = calloc(n, sizeof *column);
    if (!column)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct report_run *run = first + i;
        column[i].name = by_machine ? run->machine : run->trace;
        figures_each(run, collect, &column[i]);
    }
    bool ok = true;
    for (size_t i = 0, fit; ok && i < n; i += fit) {
        fit = columns_that_fit(column + i, n - i);
        if (i)
            fputc('\n', out);
        ok = print_block(column + i, fit, out);
    }
    free(column);
    return ok;
}

/* "18 references measured, behind a warm-up of 2, incomplete" */
static void print_extent(const struct report_run *run, FILE *out)
{
    char measured[TABLE_NUMBER], before[TABLE_NUMBER];
    fprintf(out, "%s references measured, behind a warm-up of %s%s", table_format(run->measured, measured),
            table_format(run->warmup, before), run->cut ? ", incomplete" : "");
}

/* What makes the runs of one trace: it, and each machine. */
static void print_machines(const struct report_run *run, size_t machines, FILE *out)
{
    char name[NAME_WIDTH + 1];
    fputs("\nruns      ", out);
    print_extent(run, out);
    fprintf(out, "; mmusim " MMU_VERSION ", trace %016" PRIx64 "\n", run->checksum);
    for (size_t i = 0; i < machines; i++)
        fprintf(out, "          seed %" PRIu64 ", config %016" PRIx64 ": %s\n", run[i].config->seed,
                run[i].config_hash, short_name(run[i].machine, name));
}

/* What makes the runs of one machine: it, and each trace. */
static void print_traces(const struct report_run *run, size_t traces, FILE *out)
{
    char name[NAME_WIDTH + 1];
    fprintf(out, "\nruns      mmusim " MMU_VERSION ", seed %" PRIu64 ", config %016" PRIx64 "\n",
            run->config->seed, run->config_hash);
    for (size_t i = 0; i < traces; i++) {
        fprintf(out, "          trace %016" PRIx64 ", ", run[i].checksum);
        print_extent(&run[i], out);
        fprintf(out, ": %s\n", short_name(run[i].trace, name));
    }
}

int report_table(const struct report_run *run, size_t traces, size_t machines, FILE *out)
{
    bool ok = true;
    if (machines == 1) {
        const char *title = run->config->title;
        fprintf(out, "machine   %s%s%s\n\n", run->machine, title[0] ? ": " : "", title);
        ok = print_runs(run, traces, false, out);
        print_traces(run, traces, out);
    } else {
        for (size_t i = 0; ok && i < traces; i++) {
            fprintf(out, "%strace     %s\n\n", i ? "\n" : "", run[i * machines].trace);
            ok = print_runs(run + i * machines, machines, true, out);
            print_machines(run + i * machines, machines, out);
        }
    }
    return ok ? CLI_OK : cli_error("out of memory");
}
