/*
 * sim/trace_info.c: mmusim trace info: reads a whole trace and says what is in it; checks it on the way.
 */
#include "footprint.h"
#include "trace.h"
#include "trace_file.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Distinct numbers, in the order met; at most MOST of them are kept, all are counted as long as memory lasts.
 */
struct numbers {
    uint64_t *number;
    size_t n, room;
};

/* Events by name: the first word of their text. Names beyond MOST_EVENTS are counted as others. */
enum { MOST_EVENTS = 64, EVENT_NAME = 32 };
struct events {
    struct {
        char name[EVENT_NAME];
        uint64_t count;
    } event[MOST_EVENTS];
    size_t n;
    uint64_t others;
};

/* What the whole trace holds. */
struct summary {
    const char *file;
    struct mmu_trace_info info;
    uint64_t count, kinds[MMU_KINDS], privs[MMU_PRIVS];
    uint64_t crossing;                 /* references that touch two 4-KiB pages */
    uint64_t checksum, marks_checksum; /* computed */
    uint64_t marks[MMU_MARK_KINDS];
    struct numbers told[MMU_MARK_TIME]; /* processes, threads, cpus */
    struct events events;
    uint64_t space; /* the present process's place in told[], from 1; 0: none told */
    bool cut;       /* the input ended too early */
    mmu_va lowest, highest;
    struct footprint footprint;
    struct footprint_count pages[FOOTPRINT_SIZES];
};

static const char *const PAGE_NAMES[FOOTPRINT_SIZES] = {"4K", "2M", "1G"};
static const char *const MARK_NAMES[MMU_MARK_KINDS] = {"processes", "threads", "cpus", "times", "events"};

static const struct cli_command COMMAND = {
    .name = "trace info",
    .usage = "[OPTION...] TRACE",
    .summary =
        "Reads a whole trace, checks it, and prints its form, its references by kind, processes, threads,\n"
        "cpus, times and events, its footprint in pages, its checksum and how it was recorded. '-' is\n"
        "standard input.",
    .details = "The checksum is that of the references, whatever the form; the same figure stands in the\n"
               "reports of 'mmusim run', if the file carries it: recordings do not, and their reports have\n"
               "the checksum of the packed blocks. Of an input that ends too early the part that could be\n"
               "read is reported; the exit status is 2 then. Pages of different processes are different\n"
               "pages.\n"
               "\n"
               "Examples:\n"
               "  mmusim trace info traces/cc1.mmt\n"
               "  mmusim trace info --format json drmemtrace.app.4711.dir/trace",
};

/* ---- reading ---- */

/* The place of a number, from 1; 0: out of memory. */
static size_t find_number(struct numbers *list, uint64_t number)
{
    for (size_t i = list->n; i--;) /* the last ones are the likely ones */
        if (list->number[i] == number)
            return i + 1;
    if (list->n == list->room) {
        size_t room = list->room ? 2 * list->room : 16;
        uint64_t *more = realloc(list->number, room * sizeof *more);
        if (!more)
            return 0;
        list->number = more;
        list->room = room;
    }
    list->number[list->n++] = number;
    return list->n;
}

static bool take_references(struct summary *s, const struct mmu_access *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s->kinds[MMU_KIND_OF(a[i].kind)]++;
        s->privs[MMU_PRIV_OF(a[i].kind)]++;
        s->crossing += (a[i].va & 4095) + a[i].size > 4096;
    }
    s->count += n;
    s->checksum = mmu_trace_checksum(s->checksum, a, n);
    return footprint_add(&s->footprint, s->space, a, n);
}

static void take_event(struct events *e, const char *text)
{
    char name[EVENT_NAME];
    size_t i = 0;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, " "), text);
    while (i < e->n && strcmp(e->event[i].name, name))
        i++;
    if (i == e->n && e->n < MOST_EVENTS)
        strcpy(e->event[e->n++].name, name);
    if (i < e->n)
        e->event[i].count++;
    else
        e->others++;
}

static bool take_mark(struct summary *s, const struct mmu_trace_mark *mark)
{
    s->marks[mark->kind]++;
    s->marks_checksum = mmu_trace_checksum_marks(s->marks_checksum, mark, 1);
    if (mark->kind == MMU_MARK_EVENT)
        take_event(&s->events, mark->text);
    if (mark->kind >= MMU_MARK_TIME)
        return true;
    size_t place = find_number(&s->told[mark->kind], mark->value);
    if (mark->kind == MMU_MARK_PROCESS)
        s->space = place;
    return place != 0;
}

static bool take_batch(struct summary *s, const struct trace_batch *b)
{
    size_t at = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < b->n_marks; i++) {
        size_t until = (size_t)(b->mark[i].at - b->first);
        ok = take_references(s, b->ref + at, until - at) && take_mark(s, &b->mark[i]);
        at = until;
    }
    return ok && take_references(s, b->ref + at, b->n - at);
}

static int check_sums(const struct summary *s)
{
    if (s->info.format != MMU_TRACE_BINARY || s->cut)
        return CLI_GO;
    if (s->info.checksum && s->info.checksum != s->checksum)
        return cli_error("%s: the content's checksum is %016" PRIx64 ", the header says %016" PRIx64, s->file,
                         s->checksum, s->info.checksum);
    if (s->info.marks_checksum != s->marks_checksum)
        return cli_error("%s: the marks' checksum is %016" PRIx64 ", the header says %016" PRIx64, s->file,
                         s->marks_checksum, s->info.marks_checksum);
    return CLI_GO;
}

static int read_all(struct mmu_trace_reader *reader, struct summary *s)
{
    struct trace_batch *batch = malloc(sizeof *batch);
    struct mmu_error err;
    struct progress progress;
    int more = batch ? 1 : -2;
    progress_start(&progress, "references");
    while (more > 0 && (more = trace_batch_read(reader, batch, s->count, TRACE_BATCH, &err)) > 0) {
        if (!take_batch(s, batch))
            more = -2;
        progress_update(&progress, s->count, mmu_trace_progress(reader));
    }
    progress_end(&progress);
    free(batch);
    s->lowest = s->footprint.lowest;
    s->highest = s->footprint.highest;
    if (more == -2 || !footprint_count(&s->footprint, s->pages))
        return cli_error("out of memory");
    mmu_trace_info(reader, &s->info);
    s->cut = more == -1 && err.code == MMU_ERR_TRUNCATED && s->count;
    if (more == -1) {
        trace_error_after(&err, s->count);
        return s->cut ? CLI_GO : CLI_BAD;
    }
    return check_sums(s);
}

/* ---- text ---- */

static void print_share(FILE *out, const char *name, uint64_t part, uint64_t whole)
{
    fprintf(out, "  %-10s %14" PRIu64 "  %5.1f %%\n", name, part,
            whole ? 100.0 * (double)part / (double)whole : 0.0);
}

/* "processes    3: 4711 4712 4713", the first few by number. */
static void print_numbers(FILE *out, const char *name, const struct numbers *list)
{
    enum { SHOWN = 16 };
    if (!list->n)
        return;
    fprintf(out, "%-10s %16zu:", name, list->n);
    for (size_t i = 0; i < list->n && i < SHOWN; i++)
        fprintf(out, " %" PRIu64, list->number[i]);
    fputs(list->n > SHOWN ? " ...\n" : "\n", out);
}

static void print_marks(FILE *out, const struct summary *s)
{
    for (int k = 0; k < MMU_MARK_TIME; k++)
        print_numbers(out, MARK_NAMES[k], &s->told[k]);
    if (s->marks[MMU_MARK_TIME])
        fprintf(out, "times      %16" PRIu64 ": %.9f s to %.9f s\n", s->marks[MMU_MARK_TIME],
                (double)s->info.time_first * 1e-9, (double)s->info.time_last * 1e-9);
    if (s->marks[MMU_MARK_EVENT])
        fprintf(out, "events     %16" PRIu64 "\n", s->marks[MMU_MARK_EVENT]);
    for (size_t i = 0; i < s->events.n; i++)
        fprintf(out, "  %-20s %4" PRIu64 "\n", s->events.event[i].name, s->events.event[i].count);
    if (s->events.others)
        fprintf(out, "  %-20s %4" PRIu64 "\n", "others", s->events.others);
    if (s->marks_checksum)
        fprintf(out, "marks' sum   %016" PRIx64 "\n", s->marks_checksum);
    if (s->info.maps)
        fprintf(out, "maps       %16" PRIu32 " processes\n", s->info.maps);
    if (s->info.heads)
        fprintf(out, "page runs  %16" PRIu64 " heads, a reference in %.1f\n", s->info.heads,
                (double)s->count / (double)s->info.heads);
}

static void print_text(FILE *out, const struct summary *s)
{
    fprintf(out, "trace        %s\n", s->file);
    fprintf(out, "form         %s", mmu_trace_format_name((int)s->info.format));
    if (s->info.version)
        fprintf(out, ", version %" PRIu32, s->info.version);
    if (s->cut)
        fprintf(out, "\nincomplete   the input ends too early; what follows is of the part before");
    fprintf(out, "\nsource       %s\n", *s->info.source ? s->info.source : "unknown");
    fprintf(out, "checksum     %016" PRIx64 "\n", s->checksum);
    fprintf(out, "references %16" PRIu64 "\n", s->count);
    print_share(out, "fetches", s->kinds[MMU_FETCH], s->count);
    print_share(out, "loads", s->kinds[MMU_LOAD], s->count);
    print_share(out, "stores", s->kinds[MMU_STORE], s->count);
    print_share(out, "supervisor", s->privs[MMU_SUPERVISOR] + s->privs[MMU_IMPLICIT], s->count);
    print_share(out, "two pages", s->crossing, s->count);
    print_marks(out, s);
    if (s->info.format != MMU_TRACE_BINARY)
        fprintf(out, "other lines %15" PRIu64 "\n", s->info.skipped);
    if (s->count)
        fprintf(out, "addresses    %#" PRIx64 " to %#" PRIx64 "\n", s->lowest, s->highest);
    fprintf(out, "footprint           pages         code         data   bytes\n");
    for (int i = 0; i < FOOTPRINT_SIZES; i++) {
        const struct footprint_count *p = &s->pages[i];
        fprintf(out, "  %-10s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "   ", PAGE_NAMES[i], p->all, p->code,
                p->data);
        trace_print_bytes(out, p->all << footprint_shifts[i]);
        fputc('\n', out);
    }
}

/* ---- JSON ---- */

static json_t *hexadecimal(uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%016" PRIx64, value);
    return json_string(text);
}

static json_t *json_footprint(const struct summary *s)
{
    json_t *pages = json_object();
    for (int i = 0; i < FOOTPRINT_SIZES; i++)
        json_object_set_new(pages, PAGE_NAMES[i],
                            json_pack("{s:o, s:o, s:o}", "pages", trace_integer(s->pages[i].all), "code",
                                      trace_integer(s->pages[i].code), "data",
                                      trace_integer(s->pages[i].data)));
    return pages;
}

/* What marks say; numbers of processes, threads and cpus as lists. */
static json_t *json_marks(const struct summary *s)
{
    json_t *o = json_object();
    for (int k = 0; k < MMU_MARK_TIME; k++) {
        json_t *list = json_array();
        for (size_t i = 0; i < s->told[k].n; i++)
            json_array_append_new(list, trace_integer(s->told[k].number[i]));
        json_object_set_new(o, MARK_NAMES[k], list);
    }
    for (int k = MMU_MARK_TIME; k < MMU_MARK_KINDS; k++)
        json_object_set_new(o, MARK_NAMES[k], trace_integer(s->marks[k]));
    json_t *events = json_object();
    for (size_t i = 0; i < s->events.n; i++)
        json_object_set_new(events, s->events.event[i].name, trace_integer(s->events.event[i].count));
    json_object_set_new(o, "events_by_name", events);
    json_object_set_new(o, "time_first_ns", trace_integer(s->info.time_first));
    json_object_set_new(o, "time_last_ns", trace_integer(s->info.time_last));
    json_object_set_new(o, "checksum", hexadecimal(s->marks_checksum));
    return o;
}

static json_t *to_json(const struct summary *s)
{
    return json_pack(
        "{s:s, s:i, s:s%, s:s, s:i, s:b, s:s%, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "schema", "mmusim-trace-info", "schema_version", 1, "file", s->file, strlen(s->file), "form",
        mmu_trace_format_name((int)s->info.format), "version", (int)s->info.version, "complete", !s->cut,
        "source", s->info.source, strlen(s->info.source), "checksum", hexadecimal(s->checksum), "references",
        trace_integer(s->count), "kinds",
        json_pack("{s:o, s:o, s:o}", "fetches", trace_integer(s->kinds[MMU_FETCH]), "loads",
                  trace_integer(s->kinds[MMU_LOAD]), "stores", trace_integer(s->kinds[MMU_STORE])),
        "privileges",
        json_pack("{s:o, s:o, s:o}", "user", trace_integer(s->privs[MMU_USER]), "supervisor",
                  trace_integer(s->privs[MMU_SUPERVISOR]), "implicit", trace_integer(s->privs[MMU_IMPLICIT])),
        "two_pages", trace_integer(s->crossing), "other_lines", trace_integer(s->info.skipped), "marks",
        json_marks(s), "maps", trace_integer(s->info.maps), "heads", trace_integer(s->info.heads),
        "addresses",
        json_pack("{s:o, s:o}", "lowest", trace_hex(s->lowest), "highest", trace_hex(s->highest)),
        "footprint", json_footprint(s));
}

static int report(const struct summary *s, enum trace_report how, const char *path)
{
    struct cli_output out = {0};
    int status = cli_output_open(&out, path);
    if (status != CLI_OK)
        return status;
    if (how == TRACE_TEXT_REPORT) {
        print_text(out.file, s);
    } else {
        json_t *root = to_json(s);
        bool ok = trace_print_json(out.file, root, how);
        json_decref(root);
        if (!ok) {
            cli_output_discard(&out);
            return cli_error("%s: its name or source is no UTF-8, which JSON needs", s->file);
        }
    }
    status = cli_output_close(&out);
    return status == CLI_OK && s->cut ? CLI_BAD : status;
}

static void free_summary(struct summary *s)
{
    footprint_free(&s->footprint);
    for (int k = 0; k < MMU_MARK_TIME; k++)
        free(s->told[k].number);
}

int trace_info(int argc, char **argv)
{
    struct cli_list words = {0};
    struct trace_in in = {0};
    unsigned format = 0;
    const char *output = NULL;
    const struct cli_option options[] = {
        trace_format_option(&in.format),
        trace_columns_option(&in),
        {.name = "format",
         .type = CLI_CHOICE,
         .into = &format,
         .value = "text|json|csv",
         .help = "form of the report (default text)",
         .choices = trace_report_words},
        {.name = "output",
         .type = CLI_TEXT,
         .into = &output,
         .value = "FILE",
         .help = "write the report to FILE, whole or not at all (default: standard output)"},
    };
    struct mmu_trace_reader *reader = NULL;
    int status = cli_parse(&COMMAND, options, sizeof options / sizeof *options, argc, argv, &words);
    if (status == CLI_GO && words.n != 1)
        status = cli_error("trace info: expected one trace");
    if (status == CLI_GO)
        status = trace_in_open(&in, words.item[0], &reader);
    if (status == CLI_GO) {
        struct summary s = {.file = words.item[0]};
        status = read_all(reader, &s);
        if (status == CLI_GO)
            status = report(&s, (enum trace_report)format, output);
        free_summary(&s);
    }
    mmu_trace_close(reader);
    cli_list_free(&words);
    return status;
}
