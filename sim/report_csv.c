/*
 * sim/report_csv.c: one row a number: machine, trace, path, unit, value.
 *
 * The long form, because machines differ in what they have: rows of several runs go into one table, and a
 * spreadsheet or data frame pivots it. Counters come first, by the paths of mmu_stats_each(); then the
 * figures, as "figure.GROUP.ITEM.NAME". A figure that is not known has an empty value. Fields are quoted
 * where RFC 4180 asks for it; lines end in a newline alone.
 */
#include "figures.h"
#include <inttypes.h>
#include <string.h>

struct csv {
    FILE *out;
    const struct report_run *run;
};

static void field(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void row(const struct csv *csv, const char *path, const char *unit)
{
    const char *const fields[] = {csv->run->machine, csv->run->trace, path, unit};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        field(csv->out, fields[i]);
        fputc(',', csv->out);
    }
}

static void print_counter(void *ctx, const struct mmu_counter *counter)
{
    const struct csv *csv = ctx;
    row(csv, counter->path, counter->unit);
    fprintf(csv->out, "%" PRId64 "\n",
            (int64_t)counter->value); /* a difference of snapshots: see report_json.c */
}

static void print_figure(void *ctx, const struct figure *figure)
{
    const struct csv *csv = ctx;
    char path[256];
    snprintf(path, sizeof path, "figure.%s%s%s.%s", figure->group, figure->item ? "." : "",
             figure->item ? figure->item : "", figure->name);
    row(csv, path, figure->unit);
    switch (figure->type) {
    case FIGURE_UNKNOWN:
        fputc('\n', csv->out);
        break;
    case FIGURE_COUNT:
        fprintf(csv->out, "%" PRIu64 "\n", figure->count);
        break;
    case FIGURE_SIGNED:
        fprintf(csv->out, "%" PRId64 "\n", figure->difference);
        break;
    case FIGURE_REAL:
        fprintf(csv->out, "%.12g\n", figure->real);
        break;
    }
}

static void print_number(const struct csv *csv, const char *path, const char *unit, uint64_t value)
{
    row(csv, path, unit);
    fprintf(csv->out, "%" PRIu64 "\n", value);
}

void report_csv(const struct report_run *run, size_t n, FILE *out)
{
    fputs("machine,trace,path,unit,value\n", out);
    for (size_t i = 0; i < n; i++) {
        struct csv csv = {.out = out, .run = &run[i]};
        print_number(&csv, "trace.complete", "number", !run[i].cut); /* 1; 0: it ends too early */
        print_number(&csv, "replay.seed", "number", run[i].config->seed);
        print_number(&csv, "replay.warmup", "accesses", run[i].warmup);
        print_number(&csv, "replay.measured", "accesses", run[i].measured);
        mmu_stats_each(run[i].stats, run[i].config, print_counter, &csv);
        figures_each(&run[i], print_figure, &csv);
    }
}
