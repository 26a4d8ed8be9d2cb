/*
 * sim/trace_stats.c: mmusim trace stats: how a trace uses memory: reuse distances, strides, pages by touches,
 * the hottest pages and regions.
 */
#include "trace_stats.h"
#include "trace.h"
#include "trace_file.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const PAGE_WORDS[] = {"4K", "2M", "1G", NULL}, *const KIND_WORDS[] = {"all", "code",
                                                                                         "data", NULL};
static const unsigned SHIFTS[] = {12, 21, 30};
/* Bit k: references of kind k count. */
static const unsigned KINDS[] = {7, 1 << MMU_FETCH, 1 << MMU_LOAD | 1 << MMU_STORE};

/* The command line, and where the reading stands. */
struct job {
    struct cli_list words;
    struct trace_in in;
    unsigned page, kinds, format;
    const char *maps, *output;
    uint64_t process, position;
    struct page_seen {
        uint32_t index; /* of the 4-KByte page that a kind touched last */
        uint64_t process, number;
        bool valid;
    } seen[MMU_KINDS];
    struct stats stats;
};

static const struct cli_command STATS = {
    .name = "trace stats",
    .usage = "[OPTION...] TRACE",
    .summary =
        "Reads a whole trace and prints how it uses memory: a histogram of reuse distances, one of strides,\n"
        "pages by how often they are touched, and the hottest pages and regions. '-' is standard input.",
    .details =
        "The reuse distance of a touch is how many other pages were touched since this page was touched "
        "last.\n"
        "It is exact, for any length of trace. A fully associative TLB of N entries with LRU replacement "
        "hits\n"
        "exactly the touches whose distance is below N: that is the column 'hits'. A reference that lies in\n"
        "two pages touches both. Pages of different processes are different.\n"
        "\n"
        "A stride is the distance from the reference of the same kind before. Regions are those of --maps, "
        "for\n"
        "all processes, or else the maps that the trace keeps. Of an input that ends too early the part "
        "that\n"
        "could be read is reported; the exit status is 2 then.\n"
        "\n"
        "Examples:\n"
        "  mmusim trace stats traces/sort.mmt\n"
        "  mmusim trace stats --kinds data --page-size 2M --format csv server.mmt\n"
        "  mmusim trace stats --maps /proc/4711/maps --top 20 program.lackey.xz",
};

static int parse(struct job *j, int argc, char **argv)
{
    const struct cli_option options[] = {
        {.name = "page-size",
         .type = CLI_CHOICE,
         .into = &j->page,
         .value = "4K|2M|1G",
         .help = "pages of the reuse distances (default 4K)",
         .choices = PAGE_WORDS},
        {.name = "kinds",
         .type = CLI_CHOICE,
         .into = &j->kinds,
         .value = "all|code|data",
         .help = "references that count: fetches, loads and stores, or all (default)",
         .choices = KIND_WORDS},
        {.name = "maps",
         .type = CLI_TEXT,
         .into = &j->maps,
         .value = "FILE",
         .help = "the text of /proc/PID/maps, which names regions"},
        {.name = "top",
         .type = CLI_COUNT,
         .into = &j->stats.top,
         .value = "N",
         .help = "rows of the lists of the hottest (default 10)",
         .min = 1,
         .max = 1000000},
        trace_format_option(&j->in.format),
        trace_columns_option(&j->in),
        {.name = "format",
         .type = CLI_CHOICE,
         .into = &j->format,
         .value = "text|json|csv",
         .help = "form of the report (default text)",
         .choices = trace_report_words},
        {.name = "output",
         .type = CLI_TEXT,
         .into = &j->output,
         .value = "FILE",
         .help = "write the report to FILE, whole or not at all (default: standard output)"},
    };
    int status = cli_parse(&STATS, options, sizeof options / sizeof *options, argc, argv, &j->words);
    if (status == CLI_GO && j->words.n != 1)
        status = cli_error("trace stats: expected one trace");
    return status;
}

/* ---- collecting ---- */

unsigned stats_bin(uint64_t x)
{
    return x ? 64u - (unsigned)__builtin_clzll(x) : 0;
}

const char *stats_label(unsigned bin, char buf[STATS_LABEL])
{
    if (bin < 2)
        snprintf(buf, STATS_LABEL, "%u", bin);
    else
        snprintf(buf, STATS_LABEL, "%" PRIu64 "-%" PRIu64, UINT64_C(1) << (bin - 1),
                 bin == 64 ? UINT64_MAX : (UINT64_C(1) << bin) - 1);
    return buf;
}

static void count_stride(struct stats_strides *s, mmu_va va)
{
    if (s->begun) {
        uint64_t up = va - s->last, down = s->last - va;
        s->count++;
        if (up <= INT64_MAX)
            s->forward[stats_bin(up)]++;
        else
            s->backward[stats_bin(down)]++;
        if (up <= STATS_NEAR || down <= STATS_NEAR)
            s->near[STATS_NEAR + up]++;
    }
    s->begun = true;
    s->last = va;
}

static bool count_reuse(struct stats *s, uint64_t process, uint64_t number)
{
    uint64_t distance;
    if (!reuse_touch(&s->stack, process, number, &distance))
        return false;
    s->touches++;
    if (distance == REUSE_NEVER)
        s->first_touches++;
    else
        s->reuse[stats_bin(distance)]++;
    return true;
}

static bool count_page(struct job *j, uint64_t number, unsigned kind)
{
    struct page_seen *seen = &j->seen[kind];
    struct stats *s = &j->stats;
    if (!seen->valid || seen->number != number || seen->process != j->process) {
        *seen = (struct page_seen){pages_find(&s->pages, j->process, number), j->process, number, true};
        if (seen->index == UINT32_MAX)
            return false;
    }
    s->pages.page[seen->index].touches[kind]++;
    s->page_touches++;
    return true;
}

static bool count(struct job *j, const struct mmu_access *a, size_t n)
{
    struct stats *s = &j->stats;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        unsigned kind = MMU_KIND_OF(a[i].kind);
        mmu_va last = a[i].va + (a[i].size - 1u);
        if (!(KINDS[j->kinds] >> kind & 1))
            continue;
        s->references++;
        s->kinds[kind]++;
        count_stride(&s->strides[kind], a[i].va);
        for (uint64_t page = a[i].va >> s->page_shift; ok && page <= last >> s->page_shift; page++)
            ok = count_reuse(s, j->process, page);
        for (uint64_t page = a[i].va >> 12; ok && page <= last >> 12; page++)
            ok = count_page(j, page, kind);
    }
    return ok;
}

static bool count_batch(struct job *j, const struct trace_batch *b)
{
    size_t at = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < b->n_marks; i++) {
        size_t until = (size_t)(b->mark[i].at - b->first);
        ok = count(j, b->ref + at, until - at);
        at = until;
        if (b->mark[i].kind == MMU_MARK_PROCESS)
            j->process = b->mark[i].value;
    }
    return ok && count(j, b->ref + at, b->n - at);
}

static int read_all(struct job *j, struct mmu_trace_reader *reader)
{
    struct trace_batch *batch = malloc(sizeof *batch);
    struct mmu_error err;
    struct progress progress;
    int more = batch ? 1 : -2;
    progress_start(&progress, "references");
    while (more > 0 && (more = trace_batch_read(reader, batch, j->position, TRACE_BATCH, &err)) > 0) {
        j->position += batch->n;
        if (!count_batch(j, batch))
            more = -2;
        progress_update(&progress, j->position, mmu_trace_progress(reader));
    }
    progress_end(&progress);
    free(batch);
    if (more == -1) {
        j->stats.cut = err.code == MMU_ERR_TRUNCATED && j->position;
        trace_error_after(&err, j->position);
        return j->stats.cut ? CLI_GO : CLI_BAD;
    }
    return more ? cli_error("out of memory") : CLI_GO;
}

/* The regions: of --maps, or of the trace; and what is in them. */
static int take_maps(struct job *j, const struct mmu_trace_reader *reader)
{
    struct stats *s = &j->stats;
    uint64_t process;
    size_t n;
    const char *text;
    int status = CLI_GO;
    for (uint32_t i = 0; !j->maps && status == CLI_GO && (text = mmu_trace_maps(reader, i, &process, &n));
         i++)
        status = maps_add(&s->maps, s->file, text, n, process, false);
    maps_sort(&s->maps);
    s->has_maps = s->maps.n > 0;
    for (uint32_t i = 0; i < s->pages.n; i++) {
        const struct page *page = &s->pages.page[i];
        struct maps_region *region = maps_find(&s->maps, page->process, page->number << 12);
        region = region ? region : &s->nowhere;
        region->pages++;
        for (int k = 0; k < MMU_KINDS; k++)
            region->touches[k] += page->touches[k];
    }
    return status;
}

static int stats(struct job *j, struct mmu_trace_reader *reader)
{
    struct cli_output out = {0};
    int status = read_all(j, reader);
    if (status == CLI_GO)
        status = take_maps(j, reader);
    if (status != CLI_GO || (status = cli_output_open(&out, j->output)) != CLI_OK)
        return status;
    status = stats_print(out.file, &j->stats, j->format);
    if (status != CLI_GO) {
        cli_output_discard(&out);
        return status;
    }
    status = cli_output_close(&out);
    return status == CLI_OK && j->stats.cut ? CLI_BAD : status;
}

int trace_stats(int argc, char **argv)
{
    struct job *j = calloc(1, sizeof *j);
    struct mmu_trace_reader *reader = NULL;
    if (!j)
        return cli_error("out of memory");
    j->stats.top = 10;
    int status = parse(j, argc, argv);
    j->stats.page_shift = SHIFTS[j->page];
    j->stats.page_name = PAGE_WORDS[j->page];
    if (status == CLI_GO) {
        j->stats.file = j->words.item[0];
        if (j->maps)
            status = maps_add_file(&j->stats.maps, j->maps);
    }
    if (status == CLI_GO && (status = trace_in_open(&j->in, j->words.item[0], &reader)) == CLI_GO)
        status = stats(j, reader);
    mmu_trace_close(reader);
    reuse_free(&j->stats.stack);
    pages_free(&j->stats.pages);
    maps_free(&j->stats.maps);
    cli_list_free(&j->words);
    free(j);
    return status;
}
