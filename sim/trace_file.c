/* sim/trace_file.c: see trace_file.h. */
#define _POSIX_C_SOURCE 200809L
#include "trace_file.h"
#include "trace.h"
#include <inttypes.h>
#include <mmusim/runs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- inputs ---- */

/* The formats that are read, then other words for them, then what is no trace. */
static const char *const FORMAT_WORDS[] = {"auto",       "text",   "binary",    "champsim", "cloudsuite",
                                           "drmemtrace", "din",    "pinatrace", "columns",  "lackey",
                                           "mmt",        "dinero", "csv",       NULL},
                         *const RUN_WORDS[] = {"auto",       "text",   "binary",    "champsim", "cloudsuite",
                                               "drmemtrace", "din",    "pinatrace", "columns",  "lackey",
                                               "mmt",        "dinero", "csv",       "scenario", NULL};

struct cli_option trace_format_option(unsigned *choice)
{
    return (struct cli_option){.name = "trace-format",
                               .type = CLI_CHOICE,
                               .into = choice,
                               .value = "FORMAT",
                               .help =
                                   "form of the trace: auto (by content, the default), text (also lackey),\n"
                                   "binary (mmt), champsim, cloudsuite, drmemtrace, din (dinero),\n"
                                   "pinatrace or columns (csv)",
                               .choices = FORMAT_WORDS};
}

struct cli_option run_format_option(unsigned *choice)
{
    struct cli_option option = trace_format_option(choice);
    option.help = "form of the trace: auto (by content, the default), text (also lackey),\n"
                  "binary (mmt), champsim, cloudsuite, drmemtrace, din (dinero),\n"
                  "pinatrace or columns (csv); scenario: it is one, whatever its name";
    option.choices = RUN_WORDS;
    return option;
}

bool run_format_is_scenario(unsigned choice)
{
    return !strcmp(RUN_WORDS[choice], "scenario");
}

enum mmu_trace_format trace_format_chosen(unsigned choice)
{
    return (enum mmu_trace_format)mmu_trace_format_find(FORMAT_WORDS[choice]);
}

struct cli_option trace_columns_option(struct trace_in *in)
{
    return (struct cli_option){.name = "columns",
                               .type = CLI_TEXT,
                               .into = &in->columns,
                               .value = "NAMES",
                               .help = "what the columns of a trace of columns are, for example\n"
                                       "address,type,size,pid,cpu"};
}

int trace_in_open(const struct trace_in *in, const char *path, struct mmu_trace_reader **reader)
{
    const struct mmu_trace_options options = {.format = trace_format_chosen(in->format),
                                              .columns = in->columns};
    struct mmu_error err;
    if (mmu_trace_open_with(path, &options, reader, &err))
        return cli_error_mmu(&err);
    return CLI_GO;
}

int trace_batch_read(struct mmu_trace_reader *reader, struct trace_batch *batch, uint64_t first, size_t max,
                     struct mmu_error *err)
{
    int64_t n = mmu_trace_read_marked(reader, batch->ref, max < TRACE_BATCH ? max : TRACE_BATCH, batch->mark,
                                      TRACE_MARKS, &batch->n_marks, err);
    batch->first = first;
    batch->n = n > 0 ? (size_t)n : 0;
    return n < 0 ? -1 : n || batch->n_marks;
}

int trace_error_after(const struct mmu_error *err, uint64_t references)
{
    struct mmu_error longer = *err;
    size_t length = strlen(longer.message);
    snprintf(longer.message + length, sizeof longer.message - length, " (%" PRIu64 " references before it)",
             references);
    return cli_error_mmu(&longer);
}

/* ---- outputs ---- */

void trace_out_options(struct trace_out *out, struct cli_option rows[TRACE_OUT_OPTIONS])
{
    rows[0] = (struct cli_option){.name = "text", .type = CLI_FLAG, .into = &out->text, .help = "write text"};
    rows[1] = (struct cli_option){
        .name = "source",
        .type = CLI_TEXT,
        .into = &out->source,
        .value = "TEXT",
        .help = "one line that says how it was recorded (default: what IN says, or IN's name)",
        .given = &out->has_source};
    rows[2] = (struct cli_option){.name = "level",
                                  .type = CLI_NUMBER,
                                  .into = &out->level,
                                  .value = "N",
                                  .help = "how hard to pack the binary form, 1 (fast) to 19 (default 9)",
                                  .min = 1,
                                  .max = 19};
    rows[3] =
        (struct cli_option){.name = "page-runs",
                            .type = CLI_FLAG,
                            .into = &out->page_runs,
                            .help = "store page runs beside the references: the binary form grows, and\n"
                                    "machines that can use them replay it faster, with the same result"};
}

int trace_out_create(const struct trace_out *out, const char *path, const char *source,
                     struct mmu_trace_writer **writer)
{
    const struct mmu_trace_write_options options = {.format = out->text ? MMU_TRACE_TEXT : MMU_TRACE_BINARY,
                                                    .source = out->has_source ? out->source : source,
                                                    .level = (int)out->level,
                                                    .collapse = out->page_runs ? mmu_runs_collapse : NULL};
    struct mmu_error err;
    if (out->text && out->page_runs)
        return cli_error("--page-runs: only the binary form stores page runs");
    if (out->text && out->level)
        return cli_error("--level: only the binary form is packed");
    if (mmu_trace_create_with(path, &options, writer, &err))
        return cli_error_mmu(&err);
    return CLI_GO;
}

int trace_out_end(struct mmu_trace_writer *writer, int status)
{
    struct mmu_error err;
    if (status != CLI_GO && status != CLI_NO)
        mmu_trace_abort(writer);
    else if (mmu_trace_finish(writer, &err))
        status = cli_error_mmu(&err);
    return status == CLI_GO ? CLI_OK : status;
}

bool trace_is_terminal(const char *path)
{
    return !strcmp(path, "-") && isatty(STDOUT_FILENO) == 1;
}

void trace_source_of(const struct mmu_trace_reader *reader, const char *path, const char *what,
                     char source[256])
{
    const char *base = strrchr(path, '/');
    struct mmu_trace_info info;
    mmu_trace_info(reader, &info);
    if (*info.source)
        snprintf(source, 256, "%s", info.source);
    else
        snprintf(source, 256, "%s %s", what,
                 !strcmp(path, "-")     ? "standard input"
                 : base && base[1] != 0 ? base + 1
                                        : path);
}

/* FNV-1a. */
static uint64_t sum_of(uint64_t pid, const char *text, size_t n)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325) ^ pid;
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return sum;
}

int trace_copy_maps(const struct mmu_trace_reader *reader, struct mmu_trace_writer *writer,
                    struct trace_maps *copied, struct mmu_error *err)
{
    uint64_t pid;
    size_t n;
    const char *text;
    int code = MMU_OK;
    copied->begun = true;
    for (uint32_t i = 0; !code && (text = mmu_trace_maps(reader, i, &pid, &n)); i++) {
        if (i == copied->n) {
            uint64_t *more = realloc(copied->sum, (i + 1) * sizeof *more);
            if (!more) {
                *err = (struct mmu_error){.code = MMU_ERR_NOMEM, .message = "out of memory"};
                return err->code;
            }
            more[i] = 0;
            copied->sum = more;
            copied->n++;
        }
        if (copied->take && !copied->take(copied->ctx, i, &pid))
            continue;
        uint64_t sum = sum_of(pid, text, n);
        if (copied->sum[i] != sum)
            code = mmu_trace_set_maps(writer, pid, text, n, err);
        copied->sum[i] = sum;
    }
    return code;
}

void trace_meet_maps(struct mmu_trace_reader *reader, struct trace_batch *batch)
{
    struct mmu_trace_info info;
    struct mmu_error err;
    struct progress progress;
    uint64_t read = 0;
    int64_t n = 1;
    progress_start(&progress, "references more, for the maps");
    for (mmu_trace_info(reader, &info); info.maps_ahead && n > 0; mmu_trace_info(reader, &info)) {
        n = mmu_trace_read(reader, batch->ref, TRACE_BATCH, &err);
        read += n > 0 ? (uint64_t)n : 0;
        progress_update(&progress, read, mmu_trace_progress(reader));
    }
    progress_end(&progress);
    if (n < 0) {
        size_t length = strlen(err.message);
        snprintf(err.message + length, sizeof err.message - length, "; maps behind it are not known");
        cli_error_mmu(&err);
    }
}

void trace_tell(struct trace_told *told, const struct mmu_trace_mark *mark)
{
    if (mark->kind >= MMU_MARK_EVENT)
        return;
    told->told |= 1u << mark->kind;
    told->value[mark->kind] = mark->value;
}

int trace_tell_writer(struct mmu_trace_writer *writer, struct trace_told *now, const struct trace_told *want,
                      uint32_t kinds, struct mmu_error *err)
{
    int code = MMU_OK;
    for (uint32_t k = 0; !code && k < MMU_MARK_EVENT; k++) {
        const struct mmu_trace_mark mark = {.kind = k, .value = want->value[k]};
        bool told = now->told >> k & 1;
        if (!(kinds >> k & 1) || (told ? now->value[k] == mark.value : !(want->told >> k & 1)))
            continue;
        trace_tell(now, &mark);
        code = mmu_trace_mark(writer, &mark, err);
    }
    return code;
}

/* ---- ranges ---- */

static const struct {
    const char *unit;
    uint64_t ns;
} UNITS[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};

static const char *parse_time(const char *text, uint64_t *value)
{
    char digits[32];
    size_t n = strspn(text, "0123456789");
    uint64_t unit = text[n] ? 0 : 1;
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
        if (!strcmp(text + n, UNITS[i].unit))
            unit = UNITS[i].ns;
    if (!n || n >= sizeof digits || !unit)
        return "is not a time: a number, and ns (the default), us, ms or s";
    snprintf(digits, sizeof digits, "%.*s", (int)n, text);
    const char *wrong = cli_number(digits, false, value);
    if (!wrong && __builtin_mul_overflow(*value, unit, value))
        wrong = "is larger than 2^64 - 1 nanoseconds";
    return wrong;
}

const char *trace_parse_range(const char *text, enum trace_range what, uint64_t *from, uint64_t *to)
{
    char first[64], second[64];
    const char *colon = strchr(text, ':'), *wrong = NULL;
    if (!colon || strlen(text) >= sizeof first || strchr(colon + 1, ':'))
        return "is no range: expected A:B, A: or :B";
    snprintf(first, sizeof first, "%.*s", (int)(colon - text), text);
    snprintf(second, sizeof second, "%s", colon + 1);
    *from = 0;
    *to = UINT64_MAX;
    if (*first)
        wrong = what == TRACE_RANGE_TIME ? parse_time(first, from) : cli_number(first, true, from);
    if (!wrong && *second)
        wrong = what == TRACE_RANGE_TIME ? parse_time(second, to) : cli_number(second, true, to);
    return !wrong && *from >= *to ? "is empty: it ends where it begins, or before" : wrong;
}
