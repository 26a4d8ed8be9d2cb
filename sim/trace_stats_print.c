/* sim/trace_stats_print.c: what mmusim trace stats found, as text, JSON and CSV (see trace_stats.h). */
#include "table.h"
#include "trace_file.h"
#include "trace_stats.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const KINDS[MMU_KINDS] = {"fetches", "loads", "stores"};

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0.0;
}

static uint64_t sum_of(const uint64_t touches[MMU_KINDS])
{
    return touches[MMU_FETCH] + touches[MMU_LOAD] + touches[MMU_STORE];
}

/* ---- what is hottest ---- */

static int by_touches(const void *left, const void *right)
{
    const struct page *a = *(const struct page *const *)left, *b = *(const struct page *const *)right;
    uint64_t x = sum_of(a->touches), y = sum_of(b->touches);
    if (x != y)
        return x > y ? -1 : 1;
    if (a->process != b->process)
        return a->process < b->process ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static int by_region_touches(const void *left, const void *right)
{
    const struct maps_region *a = *(const struct maps_region *const *)left,
                             *b = *(const struct maps_region *const *)right;
    uint64_t x = sum_of(a->touches), y = sum_of(b->touches);
    if (x != y)
        return x > y ? -1 : 1;
    if (a->process != b->process)
        return a->process < b->process ? -1 : 1;
    return a->start < b->start ? -1 : a->start > b->start;
}

/* What is printed: the first n of each, the hottest first. */
struct hottest {
    const struct page **page;
    const struct maps_region **region;
    size_t pages, regions;
};

static bool find_hottest(const struct stats *s, struct hottest *h)
{
    h->page = malloc(((size_t)s->pages.n + 1) * sizeof *h->page);
    h->region = malloc((s->maps.n + 1) * sizeof *h->region);
    if (!h->page || !h->region)
        return false;
    for (uint32_t i = 0; i < s->pages.n; i++)
        h->page[i] = &s->pages.page[i];
    qsort(h->page, s->pages.n, sizeof *h->page, by_touches);
    h->pages = s->pages.n < s->top ? s->pages.n : (size_t)s->top;
    for (size_t i = 0; i < s->maps.n; i++)
        if (s->maps.region[i].pages)
            h->region[h->regions++] = &s->maps.region[i];
    if (s->has_maps && s->nowhere.pages)
        h->region[h->regions++] = &s->nowhere;
    qsort(h->region, h->regions, sizeof *h->region, by_region_touches);
    h->regions = h->regions < s->top ? h->regions : (size_t)s->top;
    return true;
}

static const char *region_name(const struct stats *s, const struct maps_region *region)
{
    return region == &s->nowhere ? "(no region)" : *region->name ? region->name : "(no name)";
}

/* The bins that are in use are 0 to this one. */
static unsigned last_bin(const uint64_t *bins)
{
    unsigned last = STATS_BINS - 1;
    while (last && !bins[last])
        last--;
    return last;
}

/* Pages by how often they were touched, and those touches. */
static void count_by_touches(const struct stats *s, uint64_t pages[STATS_BINS], uint64_t touches[STATS_BINS])
{
    memset(pages, 0, STATS_BINS * sizeof *pages);
    memset(touches, 0, STATS_BINS * sizeof *touches);
    for (uint32_t i = 0; i < s->pages.n; i++) {
        uint64_t sum = sum_of(s->pages.page[i].touches);
        pages[stats_bin(sum)]++;
        touches[stats_bin(sum)] += sum;
    }
}

/* The strides within STATS_NEAR that are most frequent, all kinds together: their places, at most `most`. */
struct near_stride {
    int64_t stride;
    uint64_t kinds[MMU_KINDS];
};

static int by_count(const void *left, const void *right)
{
    const struct near_stride *a = left, *b = right;
    uint64_t x = sum_of(a->kinds), y = sum_of(b->kinds);
    if (x != y)
        return x > y ? -1 : 1;
    return a->stride < b->stride ? -1 : a->stride > b->stride;
}

static size_t frequent_strides(const struct stats *s, struct near_stride **list)
{
    struct near_stride *near = *list = calloc(2 * STATS_NEAR + 1, sizeof *near);
    size_t n = 0;
    for (int i = 0; near && i <= 2 * STATS_NEAR; i++) {
        struct near_stride one = {.stride = i - STATS_NEAR};
        for (int k = 0; k < MMU_KINDS; k++)
            one.kinds[k] = s->strides[k].near[i];
        if (sum_of(one.kinds))
            near[n++] = one;
    }
    if (near)
        qsort(near, n, sizeof *near, by_count);
    return n < s->top ? n : (size_t)s->top;
}

/* ---- text ---- */

static bool text_reuse(FILE *out, const struct stats *s)
{
    static const char *const HEADINGS[] = {"distance", "touches", "share", "hits"};
    struct table t;
    char label[STATS_LABEL];
    uint64_t sum = 0;
    fprintf(out, "\nReuse distance, in other %s pages\n", s->page_name);
    table_start(&t, 4, HEADINGS);
    for (unsigned bin = 0; bin <= last_bin(s->reuse); bin++) {
        sum += s->reuse[bin];
        table_text(&t, "%s", stats_label(bin, label));
        table_count(&t, s->reuse[bin]);
        table_text(&t, "%.2f %%", percent(s->reuse[bin], s->touches));
        table_text(&t, "%.2f %%", percent(sum, s->touches));
    }
    table_text(&t, "first touch");
    table_count(&t, s->first_touches);
    table_text(&t, "%.2f %%", percent(s->first_touches, s->touches));
    table_text(&t, " ");
    return table_end(&t, out);
}

static void stride_row(struct table *t, const struct stats *s, const char *sign, unsigned bin)
{
    char label[STATS_LABEL];
    table_text(t, "%s%s", sign, stats_label(bin, label));
    for (int k = 0; k < MMU_KINDS; k++)
        table_count(t, *sign == '-' ? s->strides[k].backward[bin] : s->strides[k].forward[bin]);
}

static bool text_strides(FILE *out, const struct stats *s)
{
    static const char *const HEADINGS[] = {"bytes", "fetches", "loads", "stores"};
    struct table t;
    fprintf(out, "\nStride from the reference of the same kind before\n");
    table_start(&t, 4, HEADINGS);
    for (unsigned bin = STATS_BINS - 1; bin; bin--)
        if (s->strides[0].backward[bin] || s->strides[1].backward[bin] || s->strides[2].backward[bin])
            stride_row(&t, s, "-", bin);
    stride_row(&t, s, "", 0);
    for (unsigned bin = 1; bin < STATS_BINS; bin++)
        if (s->strides[0].forward[bin] || s->strides[1].forward[bin] || s->strides[2].forward[bin])
            stride_row(&t, s, "+", bin);
    return table_end(&t, out);
}

static bool text_frequent(FILE *out, const struct stats *s)
{
    static const char *const HEADINGS[] = {"bytes", "fetches", "loads", "stores"};
    struct near_stride *near;
    size_t n = frequent_strides(s, &near);
    struct table t;
    fprintf(out, "\nMost frequent strides of at most %d bytes\n", STATS_NEAR);
    table_start(&t, 4, HEADINGS);
    for (size_t i = 0; near && i < n; i++) {
        table_text(&t, "%+" PRId64, near[i].stride);
        for (int k = 0; k < MMU_KINDS; k++)
            table_count(&t, near[i].kinds[k]);
    }
    bool ok = table_end(&t, out) && near;
    free(near);
    return ok;
}

static bool text_touches(FILE *out, const struct stats *s)
{
    static const char *const HEADINGS[] = {"touches", "pages", "share", "touches of them", "share"};
    uint64_t pages[STATS_BINS], touches[STATS_BINS];
    struct table t;
    char label[STATS_LABEL];
    count_by_touches(s, pages, touches);
    fprintf(out, "\n4K pages by how often they are touched\n");
    table_start(&t, 5, HEADINGS);
    for (unsigned bin = 1; bin <= last_bin(pages); bin++) {
        table_text(&t, "%s", stats_label(bin, label));
        table_count(&t, pages[bin]);
        table_text(&t, "%.2f %%", percent(pages[bin], s->pages.n));
        table_count(&t, touches[bin]);
        table_text(&t, "%.2f %%", percent(touches[bin], s->page_touches));
    }
    return table_end(&t, out);
}

/* Touches, their share, and by kind. */
static void touch_cells(struct table *t, const struct stats *s, const uint64_t touches[MMU_KINDS])
{
    table_count(t, sum_of(touches));
    table_text(t, "%.2f %%", percent(sum_of(touches), s->page_touches));
    for (int k = 0; k < MMU_KINDS; k++)
        table_count(t, touches[k]);
}

static bool text_pages(FILE *out, const struct stats *s, const struct hottest *h)
{
    static const char *const HEADINGS[] = {"page",    "process", "touches", "share",
                                           "fetches", "loads",   "stores",  "region"};
    struct table t;
    fprintf(out, "\nHottest 4K pages\n");
    table_start(&t, s->has_maps ? 8 : 7, HEADINGS);
    for (size_t i = 0; i < h->pages; i++) {
        const struct page *page = h->page[i];
        table_text(&t, "%#" PRIx64, page->number << 12);
        table_text(&t, "%" PRIu64, page->process);
        touch_cells(&t, s, page->touches);
        const struct maps_region *region = maps_find(&s->maps, page->process, page->number << 12);
        if (s->has_maps)
            table_text(&t, "%s", region_name(s, region ? region : &s->nowhere));
    }
    return table_end(&t, out);
}

static bool text_regions(FILE *out, const struct stats *s, const struct hottest *h)
{
    static const char *const HEADINGS[] = {"region",  "name",  "process", "rights", "pages", "touched",
                                           "touches", "share", "fetches", "loads",  "stores"};
    struct table t;
    if (!s->has_maps)
        return true;
    fprintf(out, "\nHottest regions\n");
    table_start(&t, 11, HEADINGS);
    for (size_t i = 0; i < h->regions; i++) {
        const struct maps_region *region = h->region[i];
        bool nowhere = region == &s->nowhere;
        if (nowhere)
            table_text(&t, "-");
        else
            table_text(&t, "%#" PRIx64 "-%#" PRIx64, region->start, region->end);
        table_text(&t, "%s", region_name(s, region));
        if (region->any || nowhere)
            table_text(&t, "-");
        else
            table_text(&t, "%" PRIu64, region->process);
        table_text(&t, "%s", nowhere ? "-" : region->rights);
        if (nowhere)
            table_text(&t, "-");
        else
            table_count(&t, (region->end - region->start) >> 12);
        table_count(&t, region->pages);
        touch_cells(&t, s, region->touches);
    }
    return table_end(&t, out);
}

static bool print_text(FILE *out, const struct stats *s, const struct hottest *h)
{
    char number[TABLE_NUMBER];
    fprintf(out, "trace        %s\n", s->file);
    if (s->cut)
        fprintf(out, "incomplete   the input ends too early; what follows is of the part before\n");
    fprintf(out, "references   %s\n", table_format(s->references, number));
    for (int k = 0; k < MMU_KINDS; k++)
        fprintf(out, "  %-10s %s\n", KINDS[k], table_format(s->kinds[k], number));
    fprintf(out, "4K pages     %s\n", table_format(s->pages.n, number));
    return text_reuse(out, s) && text_strides(out, s) && text_frequent(out, s) && text_touches(out, s) &&
           text_pages(out, s, h) && text_regions(out, s, h);
}

/* ---- JSON ---- */

static json_t *json_kinds(const uint64_t kinds[MMU_KINDS])
{
    json_t *o = json_object();
    for (int k = 0; k < MMU_KINDS; k++)
        json_object_set_new(o, KINDS[k], trace_integer(kinds[k]));
    return o;
}

static json_t *json_reuse(const struct stats *s)
{
    json_t *bins = json_array();
    char label[STATS_LABEL];
    uint64_t sum = 0;
    for (unsigned bin = 0; bin <= last_bin(s->reuse); bin++) {
        sum += s->reuse[bin];
        json_array_append_new(bins, json_pack("{s:s, s:o, s:f, s:f}", "name", stats_label(bin, label),
                                              "touches", trace_integer(s->reuse[bin]), "share",
                                              percent(s->reuse[bin], s->touches) / 100, "hits",
                                              percent(sum, s->touches) / 100));
    }
    return json_pack("{s:s, s:o, s:o, s:o}", "page_size", s->page_name, "touches", trace_integer(s->touches),
                     "first_touches", trace_integer(s->first_touches), "distances", bins);
}

static json_t *json_stride(const char *name, const uint64_t kinds[MMU_KINDS])
{
    json_t *o = json_kinds(kinds);
    json_object_set_new(o, "name", json_string(name));
    return o;
}

static json_t *json_strides(const struct stats *s)
{
    json_t *bins = json_array();
    char label[STATS_LABEL], name[STATS_LABEL + 2];
    for (int at = -(STATS_BINS - 1); at < STATS_BINS; at++) {
        unsigned bin = (unsigned)abs(at);
        uint64_t kinds[MMU_KINDS];
        for (int k = 0; k < MMU_KINDS; k++)
            kinds[k] = at < 0 ? s->strides[k].backward[bin] : s->strides[k].forward[bin];
        if (!sum_of(kinds))
            continue;
        snprintf(name, sizeof name, "%s%s", at < 0 ? "-" : at ? "+" : "", stats_label(bin, label));
        json_array_append_new(bins, json_stride(name, kinds));
    }
    return bins;
}

static json_t *json_frequent(const struct stats *s)
{
    struct near_stride *near;
    size_t n = frequent_strides(s, &near);
    json_t *list = json_array();
    for (size_t i = 0; near && i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "%+" PRId64, near[i].stride);
        json_array_append_new(list, json_stride(name, near[i].kinds));
    }
    free(near);
    return list;
}

static json_t *json_touches(const struct stats *s)
{
    uint64_t pages[STATS_BINS], touches[STATS_BINS];
    json_t *bins = json_array();
    char label[STATS_LABEL];
    count_by_touches(s, pages, touches);
    for (unsigned bin = 1; bin <= last_bin(pages); bin++)
        json_array_append_new(bins,
                              json_pack("{s:s, s:o, s:o}", "name", stats_label(bin, label), "pages",
                                        trace_integer(pages[bin]), "touches", trace_integer(touches[bin])));
    return bins;
}

static json_t *json_pages(const struct hottest *h)
{
    json_t *list = json_array();
    for (size_t i = 0; i < h->pages; i++) {
        json_t *o = json_kinds(h->page[i]->touches);
        json_object_set_new(o, "page", trace_hex(h->page[i]->number << 12));
        json_object_set_new(o, "process", trace_integer(h->page[i]->process));
        json_object_set_new(o, "touches", trace_integer(sum_of(h->page[i]->touches)));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *json_regions(const struct stats *s, const struct hottest *h)
{
    json_t *list = json_array();
    for (size_t i = 0; i < h->regions; i++) {
        const struct maps_region *region = h->region[i];
        json_t *o = json_kinds(region->touches);
        if (region != &s->nowhere) {
            json_object_set_new(o, "start", trace_hex(region->start));
            json_object_set_new(o, "end", trace_hex(region->end));
            json_object_set_new(o, "rights", json_string(region->rights));
            json_object_set_new(o, "pages", trace_integer((region->end - region->start) >> 12));
        }
        if (!region->any && region != &s->nowhere)
            json_object_set_new(o, "process", trace_integer(region->process));
        json_object_set_new(o, "label", json_string(region_name(s, region)));
        json_object_set_new(o, "touched", trace_integer(region->pages));
        json_object_set_new(o, "touches", trace_integer(sum_of(region->touches)));
        json_array_append_new(list, o);
    }
    return list;
}

static int print_json(FILE *out, const struct stats *s, const struct hottest *h, enum trace_report how)
{
    json_t *root = json_pack(
        "{s:s, s:i, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema", "mmusim-trace-stats",
        "schema_version", 1, "file", s->file, "complete", !s->cut, "references", trace_integer(s->references),
        "kinds", json_kinds(s->kinds), "pages", trace_integer(s->pages.n), "reuse", json_reuse(s), "strides",
        json_strides(s), "frequent_strides", json_frequent(s), "pages_by_touches", json_touches(s),
        "hottest_pages", json_pages(h), "hottest_regions", json_regions(s, h));
    bool ok = trace_print_json(out, root, how);
    json_decref(root);
    return ok ? CLI_GO : cli_error("%s: its name or a region's is no UTF-8, which JSON needs", s->file);
}

int stats_print(FILE *out, struct stats *stats, unsigned how)
{
    struct hottest h = {0};
    int status = find_hottest(stats, &h) ? CLI_GO : cli_error("out of memory");
    if (status == CLI_GO && how != TRACE_TEXT_REPORT)
        status = print_json(out, stats, &h, (enum trace_report)how);
    else if (status == CLI_GO && !print_text(out, stats, &h))
        status = cli_error("out of memory");
    free(h.page);
    free(h.region);
    return status;
}
