/*
 * sim/trace_info.c: mmusim trace info: reads a whole trace and says what is in it; checks it on the way.
 */
#include "cli.h"
#include "footprint.h"
#include "progress.h"
#include "trace.h"
#include <inttypes.h>
#include <jansson.h>
#include <mmusim/trace.h>
#include <string.h>

enum { BLOCK = 4096 };

/* What the whole trace holds. */
struct summary {
    const char *file;
    struct mmu_trace_info info;
    uint64_t count, kinds[MMU_KINDS], privs[MMU_PRIVS];
    uint64_t crossing; /* references that touch two 4-KiB pages */
    uint64_t checksum; /* computed */
    mmu_va lowest, highest;
    struct footprint_count pages[FOOTPRINT_SIZES];
};

static const char *const PAGE_NAMES[FOOTPRINT_SIZES] = {"4K", "2M", "1G"};

static const struct cli_command COMMAND = {
    .name = "trace info",
    .usage = "[OPTION...] TRACE",
    .summary =
        "Reads a whole trace, checks it, and prints its form, its references by kind, its footprint in\n"
        "pages, its checksum and how it was recorded. '-' is standard input.",
    .details = "The checksum is that of the references, whatever the form; the same figure stands in the\n"
               "reports of 'mmusim run'.",
};

static int read_all(struct mmu_trace_reader *reader, struct summary *s, struct footprint *f)
{
    struct mmu_access block[BLOCK];
    struct mmu_error err;
    struct progress progress;
    int64_t n;
    progress_start(&progress, "references");
    while ((n = mmu_trace_read(reader, block, BLOCK, &err)) > 0) {
        for (int64_t i = 0; i < n; i++) {
            const struct mmu_access *a = &block[i];
            s->kinds[MMU_KIND_OF(a->kind)]++;
            s->privs[MMU_PRIV_OF(a->kind)]++;
            s->crossing += (a->va & 4095) + a->size > 4096;
        }
        s->count += (uint64_t)n;
        s->checksum = mmu_trace_checksum(s->checksum, block, (size_t)n);
        if (!footprint_add(f, block, (size_t)n))
            break;
        progress_update(&progress, s->count, mmu_trace_progress(reader));
    }
    progress_end(&progress);
    if (n < 0) {
        size_t length = strlen(err.message);
        snprintf(err.message + length, sizeof err.message - length, " (%" PRIu64 " references before it)",
                 s->count);
        return cli_error_mmu(&err);
    }
    s->lowest = f->lowest;
    s->highest = f->highest;
    if (n > 0 || !footprint_count(f, s->pages))
        return cli_error("out of memory");
    mmu_trace_info(reader, &s->info);
    if (s->info.format == MMU_TRACE_BINARY && s->info.checksum != s->checksum)
        return cli_error("%s: the content's checksum is %016" PRIx64 ", the header says %016" PRIx64, s->file,
                         s->checksum, s->info.checksum);
    return CLI_GO;
}

/* Bytes for a person: 12.3 MiB. */
static void print_bytes(FILE *out, uint64_t bytes)
{
    static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double x = (double)bytes;
    int unit = 0;
    for (; x >= 1024 && unit < 6; unit++)
        x /= 1024;
    fprintf(out, unit ? "%.1f %s" : "%.0f %s", x, UNITS[unit]);
}

static void print_share(FILE *out, const char *name, uint64_t part, uint64_t whole)
{
    fprintf(out, "  %-10s %14" PRIu64 "  %5.1f %%\n", name, part,
            whole ? 100.0 * (double)part / (double)whole : 0.0);
}

static void print_text(FILE *out, const struct summary *s)
{
    fprintf(out, "trace        %s\n", s->file);
    fprintf(out, "form         %s", mmu_trace_format_name((int)s->info.format));
    if (s->info.version)
        fprintf(out, ", version %" PRIu32, s->info.version);
    fprintf(out, "\nsource       %s\n", *s->info.source ? s->info.source : "unknown");
    fprintf(out, "checksum     %016" PRIx64 "\n", s->checksum);
    fprintf(out, "references %16" PRIu64 "\n", s->count);
    print_share(out, "fetches", s->kinds[MMU_FETCH], s->count);
    print_share(out, "loads", s->kinds[MMU_LOAD], s->count);
    print_share(out, "stores", s->kinds[MMU_STORE], s->count);
    print_share(out, "supervisor", s->privs[MMU_SUPERVISOR] + s->privs[MMU_IMPLICIT], s->count);
    print_share(out, "two pages", s->crossing, s->count);
    if (s->info.format == MMU_TRACE_TEXT)
        fprintf(out, "other lines %15" PRIu64 "\n", s->info.skipped);
    if (s->count)
        fprintf(out, "addresses    %#" PRIx64 " to %#" PRIx64 "\n", s->lowest, s->highest);
    fprintf(out, "footprint           pages         code         data   bytes\n");
    for (int i = 0; i < FOOTPRINT_SIZES; i++) {
        const struct footprint_count *p = &s->pages[i];
        fprintf(out, "  %-10s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "   ", PAGE_NAMES[i], p->all, p->code,
                p->data);
        print_bytes(out, p->all << footprint_shifts[i]);
        fputc('\n', out);
    }
}

static json_t *hexadecimal(uint64_t value, const char *format)
{
    char text[32];
    snprintf(text, sizeof text, format, value);
    return json_string(text);
}

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static int print_json(FILE *out, const struct summary *s)
{
    json_t *pages = json_object(), *root;
    for (int i = 0; i < FOOTPRINT_SIZES; i++)
        json_object_set_new(pages, PAGE_NAMES[i],
                            json_pack("{s:o, s:o, s:o}", "pages", integer(s->pages[i].all), "code",
                                      integer(s->pages[i].code), "data", integer(s->pages[i].data)));
    root =
        json_pack("{s:s, s:i, s:s%, s:s, s:i, s:s%, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema",
                  "mmusim-trace-info", "schema_version", 1, "file", s->file, strlen(s->file), "form",
                  mmu_trace_format_name((int)s->info.format), "version", (int)s->info.version, "source",
                  s->info.source, strlen(s->info.source), "checksum", hexadecimal(s->checksum, "%016" PRIx64),
                  "references", integer(s->count), "kinds",
                  json_pack("{s:o, s:o, s:o}", "fetches", integer(s->kinds[MMU_FETCH]), "loads",
                            integer(s->kinds[MMU_LOAD]), "stores", integer(s->kinds[MMU_STORE])),
                  "privileges",
                  json_pack("{s:o, s:o, s:o}", "user", integer(s->privs[MMU_USER]), "supervisor",
                            integer(s->privs[MMU_SUPERVISOR]), "implicit", integer(s->privs[MMU_IMPLICIT])),
                  "two_pages", integer(s->crossing), "other_lines", integer(s->info.skipped), "addresses",
                  json_pack("{s:o, s:o}", "lowest", hexadecimal(s->lowest, "%#" PRIx64), "highest",
                            hexadecimal(s->highest, "%#" PRIx64)),
                  "footprint", pages);
    if (!root)
        return cli_error("%s: its name or source is no UTF-8, which JSON needs", s->file);
    json_dumpf(root, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(root);
    return CLI_GO;
}

static int report(const struct summary *s, bool json, const char *path)
{
    struct cli_output out = {0};
    int status = cli_output_open(&out, path);
    if (status != CLI_OK)
        return status;
    if (!json)
        print_text(out.file, s);
    else if ((status = print_json(out.file, s)) != CLI_GO) {
        cli_output_discard(&out);
        return status;
    }
    return cli_output_close(&out);
}

int trace_info(int argc, char **argv)
{
    static const char *const FORMATS[] = {"text", "json", NULL};
    struct cli_list words = {0};
    unsigned trace_format = 0, format = 0;
    const char *output = NULL;
    const struct cli_option options[] = {
        trace_format_option(&trace_format),
        {.name = "format",
         .type = CLI_CHOICE,
         .into = &format,
         .value = "text|json",
         .help = "form of the report (default text)",
         .choices = FORMATS},
        {.name = "output",
         .type = CLI_TEXT,
         .into = &output,
         .value = "FILE",
         .help = "write the report to FILE, whole or not at all (default: standard output)"},
    };
    struct mmu_trace_reader *reader;
    struct mmu_error err;
    struct footprint footprint = {0};
    int status = cli_parse(&COMMAND, options, sizeof options / sizeof *options, argc, argv, &words);
    if (status == CLI_GO && words.n != 1)
        status = cli_error("trace info: expected one trace");
    if (status == CLI_GO && mmu_trace_open(words.item[0], trace_format_chosen(trace_format), &reader, &err))
        status = cli_error_mmu(&err);
    if (status == CLI_GO) {
        struct summary s = {.file = words.item[0]};
        status = read_all(reader, &s, &footprint);
        if (status == CLI_GO)
            status = report(&s, format == 1, output);
        mmu_trace_close(reader);
    }
    footprint_free(&footprint);
    cli_list_free(&words);
    return status;
}
