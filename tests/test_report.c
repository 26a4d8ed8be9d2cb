/*
 * test_report.c: mmusim run --format json: valid, complete, and its numbers agree with each other and with
 * the CSV.
 *
 * The program is run as a user would; what it prints byte for byte is tested by test_report.sh.
 */
#define _DEFAULT_SOURCE 1
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static FILE *open_run(const char *arguments)
{
    char command[4096];
    snprintf(command, sizeof command, "cd '%s/report' && '%s' run %s 2>/dev/null", MMUSIM_TEST_DATA,
             MMUSIM_BIN, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    return pipe;
}

static json_t *run_json(const char *arguments)
{
    FILE *pipe = open_run(arguments);
    json_error_t error;
    json_t *root = json_loadf(pipe, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("%s: line %d: %s", arguments, error.line, error.text);
    assert_int_equal(pclose(pipe), 0);
    return root;
}

/* The value at a path of keys separated by '/'; array elements by number. */
static const json_t *at(const json_t *from, const char *path)
{
    const json_t *value = from;
    char keys[256], *rest = keys;
    snprintf(keys, sizeof keys, "%s", path);
    for (char *key; value && (key = strtok_r(rest, "/", &rest));)
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(key)) : json_object_get(value, key);
    if (!value)
        fail_msg("no %s", path);
    return value;
}

static int64_t integer(const json_t *from, const char *path)
{
    const json_t *value = at(from, path);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static double real(const json_t *from, const char *path)
{
    const json_t *value = at(from, path);
    assert_true(json_is_real(value));
    return json_real_value(value);
}

static const char *string(const json_t *from, const char *path)
{
    const json_t *value = at(from, path);
    assert_true(json_is_string(value));
    return json_string_value(value);
}

static void assert_ratio(double value, double a, double b)
{
    assert_true(fabs(value - a / b) <= 1e-11 * fabs(a / b));
}

static int64_t sum_of(const json_t *object)
{
    int64_t sum = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        assert_true(json_is_integer(value));
        sum += json_integer_value(value);
    }
    return sum;
}

/* Of those keys that begin with `begin` and contain `part`. */
static int64_t sum_of_names(const json_t *object, const char *begin, const char *part)
{
    int64_t sum = 0;
    for (void *i = json_object_iter((json_t *)(uintptr_t)object); i;
         i = json_object_iter_next((json_t *)(uintptr_t)object, i)) {
        const char *key = json_object_iter_key(i);
        if (!strncmp(key, begin, strlen(begin)) && strstr(key, part))
            sum += json_integer_value(json_object_iter_value(i));
    }
    return sum;
}

static void check_run(const json_t *run)
{
    assert_true(integer(run, "replay/measured") > 0);
    assert_int_equal(integer(run, "figures/accesses/total"), integer(run, "replay/measured"));
    assert_int_equal(integer(run, "figures/accesses/total"), integer(run, "figures/accesses/fetch") +
                                                                 integer(run, "figures/accesses/load") +
                                                                 integer(run, "figures/accesses/store"));
    /* the ledger */
    int64_t elapsed = integer(run, "ledger/elapsed");
    assert_true(elapsed > 0);
    assert_int_equal(elapsed, integer(run, "figures/cycles/elapsed"));
    assert_int_equal(elapsed, integer(run, "counters/cycles.elapsed"));
    assert_int_equal(elapsed, integer(run, "ledger/issue") + sum_of(at(run, "ledger/stalled")));
    assert_int_equal(integer(run, "figures/cycles/charged"), sum_of(at(run, "ledger/charged")));
    assert_int_equal(integer(run, "figures/cycles/exposed"), elapsed - integer(run, "figures/cycles/ideal"));
    assert_int_equal(integer(run, "figures/cycles/overlapped"),
                     integer(run, "figures/cycles/charged_translation") -
                         integer(run, "figures/cycles/stalled_translation"));
    assert_true(integer(run, "figures/cycles/overlapped") >= 0);
    assert_ratio(real(run, "figures/cycles/speedup_bound"), (double)elapsed,
                 (double)integer(run, "figures/cycles/ideal"));
    /* TLBs */
    const json_t *stlb = at(run, "figures/tlb/STLB");
    assert_int_equal(integer(stlb, "accesses"), integer(stlb, "hits") + integer(stlb, "misses"));
    assert_ratio(real(stlb, "hit_rate"), (double)integer(stlb, "hits"), (double)integer(stlb, "accesses"));
    assert_int_equal(integer(stlb, "misses"), integer(run, "figures/level/2/misses"));
    assert_int_equal(integer(run, "figures/level/1/misses"), integer(run, "figures/level/2/accesses"));
    assert_int_equal(integer(stlb, "entries"), 4);
    assert_true(integer(stlb, "valid") > 0 && integer(stlb, "valid") <= 4);
    assert_int_equal(integer(stlb, "reach"), integer(stlb, "valid") * 4096);
    /* walks */
    int64_t walks = integer(run, "figures/walk/started");
    assert_int_equal(walks, integer(run, "figures/walk/completed") + integer(run, "figures/walk/faulted"));
    assert_int_equal(walks, integer(run, "walk_latency/count"));
    assert_ratio(real(run, "figures/walk/references_per_walk"),
                 (double)integer(run, "figures/walk/references"), (double)walks);
    assert_int_equal(integer(run, "figures/perf/itlb_misses.walk_completed") +
                         integer(run, "figures/perf/dtlb_load_misses.walk_completed") +
                         integer(run, "figures/perf/dtlb_store_misses.walk_completed"),
                     walks);
}

static int64_t perf_of(const json_t *perf, const char *event, const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "%s.%s", event, name);
    return integer(perf, path);
}

/* What Linux perf's names say agrees with the counters. */
static void check_perf(const json_t *run)
{
    static const char *const EVENT[] = {"itlb_misses", "dtlb_load_misses", "dtlb_store_misses"};
    const json_t *perf = at(run, "figures/perf"), *counters = at(run, "counters");
    int64_t pending = 0, completed = 0, faulted = sum_of_names(counters, "walk.faulted.", "");
    for (size_t i = 0; i < 3; i++) {
        completed += perf_of(perf, EVENT[i], "walk_completed_4k");
        completed += perf_of(perf, EVENT[i], "walk_completed_2m_4m");
        completed += perf_of(perf, EVENT[i], "walk_completed_1g");
        int64_t busy = perf_of(perf, EVENT[i], "walk_pending"),
                active = perf_of(perf, EVENT[i], "walk_active");
        assert_true(integer(run, "machine/window") == 1 ? active == busy : active <= busy);
        pending += busy;
    }
    assert_true(pending > 0);
    assert_int_equal(pending, integer(counters, "walk.pending"));
    assert_int_equal(pending, integer(run, "walk_latency/sum"));
    assert_int_equal(completed + faulted, integer(run, "figures/walk/started"));
    assert_int_equal(integer(perf, "tlb_flush.entries"), sum_of_names(counters, "tlb.", ".flushed."));
    assert_int_equal(integer(perf, "tlb_flush.operations"), 0); /* a trace has none */
    const json_t *l1 = json_object_get(perf, "page_walker_loads.l1");
    if (l1)
        assert_int_equal(json_integer_value(l1), integer(perf, "page_walker_loads.itlb_l1") +
                                                     integer(perf, "page_walker_loads.dtlb_l1"));
}

/* The histogram's bins give back its count and sum, and the percentiles. */
static void check_latency(const json_t *run)
{
    const json_t *bins = at(run, "walk_latency/walks_by_cycles");
    int64_t count = 0, sum = 0, total = integer(run, "walk_latency/count"), p50 = -1, p95 = -1, p99 = -1;
    for (size_t i = 0; i < json_array_size(bins); i++) {
        const json_t *pair = json_array_get(bins, i);
        int64_t cycles = json_integer_value(json_array_get(pair, 0)),
                walks = json_integer_value(json_array_get(pair, 1));
        count += walks;
        sum += cycles * walks;
        p50 = p50 < 0 && 100 * count >= 50 * total ? cycles : p50;
        p95 = p95 < 0 && 100 * count >= 95 * total ? cycles : p95;
        p99 = p99 < 0 && 100 * count >= 99 * total ? cycles : p99;
    }
    assert_int_equal(integer(run, "walk_latency/longer"), 0);
    assert_int_equal(count, total);
    assert_int_equal(sum, integer(run, "walk_latency/sum"));
    assert_int_equal(p50, integer(run, "figures/walk/latency_p50"));
    assert_int_equal(p95, integer(run, "figures/walk/latency_p95"));
    assert_int_equal(p99, integer(run, "figures/walk/latency_p99"));
    assert_ratio(real(run, "figures/walk/latency_mean"), (double)sum, (double)total);
}

static void test_one_run(void **state)
{
    (void)state;
    json_t *root = run_json("--config ./tiny.yaml --format json tiny.lackey");
    assert_string_equal(string(root, "schema"), "mmusim-run");
    assert_int_equal(integer(root, "schema_version"), 1);
    assert_int_equal(json_array_size(at(root, "runs")), 1);
    const json_t *run = at(root, "runs/0");
    check_run(run);
    check_perf(run);
    check_latency(run);
    assert_string_equal(string(run, "machine/name"), "tiny");
    assert_string_equal(string(run, "machine/paging_mode"), "x86_64");
    assert_string_equal(string(run, "trace/path"), "tiny.lackey");
    assert_string_equal(string(run, "trace/format"), "text");
    assert_int_equal(strlen(string(run, "trace/checksum")), 16);
    assert_int_equal(strlen(string(run, "machine/config_fnv1a64")), 16);
    assert_int_equal(integer(run, "replay/seed"), 7);
    assert_int_equal(integer(run, "replay/measured"), 18);
    assert_int_equal(integer(run, "figures/accesses/instructions"), 6);
    json_decref(root);
}

static void test_several_runs(void **state)
{
    (void)state;
    json_t *root = run_json(
        "--config ./tiny.yaml --config ./wide.yaml --warmup 2 --format json tiny.lackey data.lackey");
    static const char *const MACHINE[] = {"tiny", "wide", "tiny", "wide"};
    static const char *const TRACE[] = {"tiny.lackey", "tiny.lackey", "data.lackey", "data.lackey"};
    assert_int_equal(json_array_size(at(root, "runs")), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *run = json_array_get(at(root, "runs"), i);
        check_run(run);
        check_perf(run);
        assert_string_equal(string(run, "machine/name"), MACHINE[i]);
        assert_string_equal(string(run, "trace/path"), TRACE[i]);
        assert_int_equal(integer(run, "replay/warmup"), 2);
    }
    /* Without fetches no instruction is known, and nothing is said per instruction. */
    assert_int_equal(integer(root, "runs/2/figures/accesses/instructions"), 0);
    assert_true(json_is_null(at(root, "runs/2/figures/level/1/mpki")));
    assert_true(json_is_real(at(root, "runs/2/figures/level/1/misses_per_kilo_access")));
    assert_true(json_is_null(at(root, "runs/2/figures/tlb/ITLB/hit_rate")));
    assert_true(json_is_false(at(root, "runs/2/trace/has_fetches")));
    assert_true(json_is_true(at(root, "runs/0/trace/has_fetches")));
    json_decref(root);
}

/* Every figure and counter has a definition and a unit. */
static void test_definitions(void **state)
{
    (void)state;
    json_t *root = run_json("--config ./wide.yaml --format json tiny.lackey");
    const char *key, *group, *name;
    json_t *value, *members, *inner;
    const json_t *defined = at(root, "counter_definitions");
    json_object_foreach((json_t *)(uintptr_t)at(root, "runs/0/counters"), key, value)
        assert_true(json_string_length(json_object_get(json_object_get(defined, key), "definition")) > 0);
    defined = at(root, "figure_definitions");
    size_t figures = 0;
    json_object_foreach((json_t *)(uintptr_t)at(root, "runs/0/figures"), group, members)
        json_object_foreach(members, name, value)
    {
        char path[256];
        if (!json_is_object(value)) {
            snprintf(path, sizeof path, "%s.%s", group, name);
            assert_true(json_string_length(json_object_get(json_object_get(defined, path), "unit")) > 0);
            figures++;
            continue;
        }
        json_object_foreach(value, key, inner)
        {
            snprintf(path, sizeof path, "%s.*.%s", group, key);
            assert_true(json_string_length(json_object_get(json_object_get(defined, path), "unit")) > 0);
            figures++;
        }
    }
    assert_true(figures > 80);
    json_decref(root);
}

/* A seed beyond the integers of JSON libraries comes as its digits. */
static void test_large_seed(void **state)
{
    (void)state;
    json_t *root = run_json("--config ./tiny.yaml --seed 18446744073709551615 --format json tiny.lackey");
    assert_string_equal(string(root, "runs/0/replay/seed"), "18446744073709551615");
    json_decref(root);
    root = run_json("--config ./tiny.yaml --seed 9223372036854775807 --format json tiny.lackey");
    assert_true(integer(root, "runs/0/replay/seed") == INT64_MAX);
    json_decref(root);
}

/* The CSV's counters are the JSON's. */
static void test_csv_agrees(void **state)
{
    (void)state;
    json_t *root = run_json("--config ./wide.yaml --format json tiny.lackey");
    const json_t *counters = at(root, "runs/0/counters");
    FILE *pipe = open_run("--config ./wide.yaml --format csv tiny.lackey");
    char line[1024];
    size_t compared = 0;
    while (fgets(line, sizeof line, pipe)) {
        char *rest = line, *field[5];
        for (size_t i = 0; i < 5; i++)
            field[i] = strsep(&rest, ",\n");
        const json_t *value = json_object_get(counters, field[2]);
        if (!value)
            continue;
        assert_true(json_integer_value(value) == strtoll(field[4], NULL, 10));
        compared++;
    }
    assert_int_equal(pclose(pipe), 0);
    assert_int_equal(compared, json_object_size(counters));
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_run),     cmocka_unit_test(test_several_runs),
        cmocka_unit_test(test_definitions), cmocka_unit_test(test_large_seed),
        cmocka_unit_test(test_csv_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
