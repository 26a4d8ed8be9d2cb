/*
 * sim/report_json.c: everything that is known of the runs, as one JSON object.
 *
 *   schema           "mmusim-run"; schema_version grows when a name changes its meaning or goes away, not
 * when one is added mmusim_version runs[]           one object a run: machine, trace, replay, figures,
 * walk_latency, ledger, counters figures        group -> [item ->] name -> number or null (unknown: nothing
 * to divide by); "perf" has the names of Linux perf counters       path -> number, as mmu_stats_each()
 * delivers them figure_definitions, counter_definitions    path -> {unit, definition}
 *
 * Keys stand in the order in which they are written here. A number that does not fit a signed 64-bit integer,
 * which is what JSON libraries read, is written as a string of its decimal digits. Hashes are strings of 16
 * hexadecimal digits.
 */
#include "cli.h"
#include "figures.h"
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

enum { SCHEMA_VERSION = 1 };

/* Any failure below is the host being out of memory; jansson's setters take NULL and report it. */
struct json {
    bool failed;
    json_t *figures, *counters;                       /* of the present run */
    json_t *figure_definitions, *counter_definitions; /* of all runs */
};

/* Sets a key; takes the value over. A string that is no UTF-8 gives NULL, which would look like lack of
 * memory: see text(). */
static void set(struct json *json, json_t *object, const char *key, json_t *value)
{
    json->failed |= json_object_set_new(object, key, value) != 0;
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *seed(uint64_t value)
{
    char digits[24];
    if (value <= INT64_MAX)
        return number(value);
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    return json_string(digits);
}

static json_t *hash(uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%016" PRIx64, value);
    return json_string(digits);
}

/* File names need not be UTF-8: what is none becomes '?', byte by byte. */
static json_t *text(const char *from)
{
    json_t *string = json_string(from);
    if (string)
        return string;
    char clean[4096];
    size_t n = 0;
    for (; from[n] && n + 1 < sizeof clean; n++)
        clean[n] = (unsigned char)from[n] < 128 ? from[n] : '?';
    clean[n] = 0;
    return json_string(clean);
}

/* The object below key, made when it is not there yet. */
static json_t *child(struct json *json, json_t *object, const char *key)
{
    json_t *found = json_object_get(object, key);
    if (found)
        return found;
    set(json, object, key, json_object());
    return json_object_get(object, key);
}

static void define(struct json *json, json_t *definitions, const char *path, const char *unit,
                   const char *definition)
{
    if (json_object_get(definitions, path))
        return;
    json_t *entry = child(json, definitions, path);
    set(json, entry, "unit", json_string(unit));
    set(json, entry, "definition", json_string(definition));
}

static void add_figure(void *ctx, const struct figure *figure)
{
    struct json *json = ctx;
    json_t *into = child(json, json->figures, figure->group), *value = NULL;
    if (figure->item)
        into = child(json, into, figure->item);
    switch (figure->type) {
    case FIGURE_UNKNOWN:
        value = json_null();
        break;
    case FIGURE_COUNT:
        value = number(figure->count);
        break;
    case FIGURE_SIGNED:
        value = json_integer(figure->difference);
        break;
    case FIGURE_REAL:
        value = json_real(figure->real);
        break;
    }
    set(json, into, figure->name, value);
    char path[256];
    snprintf(path, sizeof path, figure->item ? "%s.*.%s" : "%s.%s", figure->group, figure->name);
    define(json, json->figure_definitions, path, figure->unit, figure->definition);
}

static void add_counter(void *ctx, const struct mmu_counter *counter)
{
    struct json *json = ctx;
    set(json, json->counters, counter->path, number(counter->value));
    define(json, json->counter_definitions, counter->path, counter->unit, counter->definition);
}

static json_t *machine(struct json *json, const struct report_run *run)
{
    static const char *const MODE[MMU_MODES] = {"off", "i386", "i386_pae", "x86_64", "x86_64_la57"};
    const struct mmu_config *config = run->config;
    json_t *object = json_object();
    set(json, object, "name", text(run->machine));
    set(json, object, "title", text(config->title));
    set(json, object, "config_name", text(config->name));
    set(json, object, "config_fnv1a64", hash(run->config_hash));
    set(json, object, "paging_mode", json_string(MODE[run->mode]));
    if (run->tables && *run->tables)
        set(json, object, "page_tables", text(run->tables));
    set(json, object, "window", number(config->window));
    set(json, object, "walkers", number(config->walk.walkers));
    return object;
}

static json_t *trace(struct json *json, const struct report_run *run)
{
    json_t *object = json_object();
    set(json, object, "path", text(run->trace));
    set(json, object, "format", json_string(mmu_trace_format_name((int)run->info.format)));
    set(json, object, "source", text(run->info.source));
    set(json, object, "has_fetches", json_boolean(run->info.has_fetches));
    set(json, object, "count", run->info.has_count ? number(run->info.count) : json_null());
    set(json, object, "checksum", hash(run->checksum));
    set(json, object, "checksum_of",
        json_string(run->summed          ? "references replayed"
                    : run->info.checksum ? "all references, from the header"
                                         : "the packed blocks, from the header"));
    set(json, object, "complete", json_boolean(!run->cut));
    return object;
}

static json_t *replay(struct json *json, const struct report_run *run)
{
    json_t *object = json_object();
    set(json, object, "seed", seed(run->config->seed));
    set(json, object, "warmup", number(run->warmup));
    set(json, object, "measured", number(run->measured));
    return object;
}

/* The histogram: [cycles, walks] of every value below 4096 that occurred, and how many walks took longer. */
static json_t *latency(struct json *json, const struct mmu_histogram *h)
{
    json_t *object = json_object(), *bins = json_array();
    uint64_t exact = 0;
    for (unsigned v = 0; v < MMU_HISTOGRAM_EXACT; v++)
        if (h->bin[v]) {
            json_t *pair = json_array();
            json->failed |=
                json_array_append_new(pair, number(v)) || json_array_append_new(pair, number(h->bin[v]));
            json->failed |= json_array_append_new(bins, pair) != 0;
            exact += h->bin[v];
        }
    set(json, object, "count", number(h->count));
    set(json, object, "sum", number(h->sum));
    set(json, object, "walks_by_cycles", bins);
    set(json, object, "longer", number(h->count - exact));
    return object;
}

/* Both ledgers, by part. Every part is there that the counters have: those that this machine cannot have are
 * left out. */
static void add_part(void *ctx, const struct mmu_counter *counter)
{
    static const char STALLED[] = "cycles.stalled.", CHARGED[] = "cycles.charged.";
    struct json *json = ctx;
    json_t *ledger = json->counters; /* see ledger() */
    if (!strncmp(counter->path, STALLED, sizeof STALLED - 1))
        set(json, child(json, ledger, "stalled"), counter->path + sizeof STALLED - 1, number(counter->value));
    if (!strncmp(counter->path, CHARGED, sizeof CHARGED - 1))
        set(json, child(json, ledger, "charged"), counter->path + sizeof CHARGED - 1, number(counter->value));
}

static json_t *ledger(struct json *json, const struct report_run *run)
{
    struct json into = {.counters = json_object()};
    set(&into, into.counters, "elapsed", number(run->stats->cycles.elapsed[0]));
    set(&into, into.counters, "issue", number(run->stats->cycles.issue[0]));
    mmu_stats_each(run->stats, run->config, add_part, &into);
    json->failed |= into.failed;
    return into.counters;
}

static json_t *one_run(struct json *json, const struct report_run *run)
{
    json_t *object = json_object();
    json->figures = json_object();
    json->counters = json_object();
    figures_each(run, add_figure, json);
    mmu_stats_each(run->stats, run->config, add_counter, json);
    set(json, object, "machine", machine(json, run));
    set(json, object, "trace", trace(json, run));
    set(json, object, "replay", replay(json, run));
    set(json, object, "figures", json->figures);
    set(json, object, "walk_latency", latency(json, &run->stats->walk_latency));
    set(json, object, "ledger", ledger(json, run));
    set(json, object, "counters", json->counters);
    return object;
}

int report_json(const struct report_run *run, size_t n, FILE *out)
{
    struct json json = {.figure_definitions = json_object(), .counter_definitions = json_object()};
    json_t *root = json_object(), *runs = json_array();
    set(&json, root, "schema", json_string("mmusim-run"));
    set(&json, root, "schema_version", number(SCHEMA_VERSION));
    set(&json, root, "mmusim_version", json_string(MMU_VERSION));
    for (size_t i = 0; i < n; i++)
        json.failed |= json_array_append_new(runs, one_run(&json, &run[i])) != 0;
    set(&json, root, "runs", runs);
    set(&json, root, "figure_definitions", json.figure_definitions);
    set(&json, root, "counter_definitions", json.counter_definitions);
    if (!json.failed) {
        json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
        fputc('\n', out);
    }
    json_decref(root);
    return json.failed ? cli_error("out of memory") : CLI_OK;
}
