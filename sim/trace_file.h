/*
 * sim/trace_file.h: what the parts of mmusim trace share: how an input is opened and an output made, marks
 * that travel with references, tables of keys and values.
 */
#ifndef SIM_TRACE_FILE_H
#define SIM_TRACE_FILE_H

#include "cli.h"
#include "progress.h"
#include <jansson.h>
#include <mmusim/trace.h>

/* References, and marks, that are read at once. */
enum { TRACE_BATCH = 4096, TRACE_MARKS = 64 };

/* ---- inputs ---- */

/* --trace-format and --columns. */
struct trace_in {
    unsigned format;
    const char *columns;
};
struct cli_option trace_columns_option(struct trace_in *in);
/* Complains and returns CLI_BAD, or CLI_GO. */
int trace_in_open(const struct trace_in *in, const char *path, struct mmu_trace_reader **reader);

/* A batch: references, numbers first to first + n - 1, and marks before and between and behind them. */
struct trace_batch {
    uint64_t first;
    size_t n, n_marks;
    struct mmu_access ref[TRACE_BATCH];
    struct mmu_trace_mark mark[TRACE_MARKS];
};

/*
 * Reads the next batch, at most max references, behind `first`. Returns 1, 0 at the end, or -1 with *err.
 * first is kept up to date by the caller.
 */
int trace_batch_read(struct mmu_trace_reader *reader, struct trace_batch *batch, uint64_t first, size_t max,
                     struct mmu_error *err);

/* Complains about a trace that could be read so far; returns CLI_BAD. */
int trace_error_after(const struct mmu_error *err, uint64_t references);

/* ---- outputs ---- */

/* --text, --source, --level, --page-runs. */
struct trace_out {
    bool text, has_source, page_runs;
    const char *source;
    uint64_t level;
};
enum { TRACE_OUT_OPTIONS = 4 };
void trace_out_options(struct trace_out *out, struct cli_option rows[TRACE_OUT_OPTIONS]);
/* source: when the command line has none. Complains and returns CLI_BAD, or CLI_GO. */
int trace_out_create(const struct trace_out *out, const char *path, const char *source,
                     struct mmu_trace_writer **writer);
/* Finishes the output when status is CLI_GO or CLI_NO, else drops it; NULL is allowed. Returns the exit
 * status. */
int trace_out_end(struct mmu_trace_writer *writer, int status);
/* Would bytes that are no text go to a terminal? */
bool trace_is_terminal(const char *path);
/* "what IN says, or where it comes from" into source[]. */
void trace_source_of(const struct mmu_trace_reader *reader, const char *path, const char *what,
                     char source[256]);
/*
 * Copies the maps that the reader knows by now and that have not been copied, or have changed: once behind
 * the first batch read, before it is written, so that they stand before all references where they can; and
 * once at the end. Returns a status of the library. copied: a sum of each; zero-initialise, free(sum).
 * take, if set, says which of the reader's maps to copy, and may change whose they are.
 */
struct trace_maps {
    uint64_t *sum; /* 0: not copied */
    uint32_t n;
    bool begun;
    bool (*take)(const void *ctx, uint32_t index, uint64_t *pid);
    const void *ctx;
};
int trace_copy_maps(const struct mmu_trace_reader *reader, struct mmu_trace_writer *writer,
                    struct trace_maps *copied, struct mmu_error *err);

/* Reads on where maps may still come, to the trace's end. What is damaged there is told, and nothing more. */
void trace_meet_maps(struct mmu_trace_reader *reader, struct trace_batch *batch);

/*
 * Marks of process, thread, cpu and time that a writer has been told, so that it is told again only what
 * changes. Zero-initialise.
 */
struct trace_told {
    uint32_t told; /* bit k: enum mmu_mark_kind k */
    uint64_t value[MMU_MARK_EVENT];
};
/* The mark changes what is told. */
void trace_tell(struct trace_told *told, const struct mmu_trace_mark *mark);
/* Brings the writer from *now to *want, for the kinds in the mask. Returns a status of the library. */
int trace_tell_writer(struct mmu_trace_writer *writer, struct trace_told *now, const struct trace_told *want,
                      uint32_t kinds, struct mmu_error *err);

/* ---- reports ---- */

enum trace_report { TRACE_TEXT_REPORT, TRACE_JSON_REPORT, TRACE_CSV_REPORT };
extern const char *const trace_report_words[];

json_t *trace_integer(uint64_t value);
json_t *trace_hex(uint64_t value);
/* A JSON object, as JSON or as CSV: a row a value, "path,value". Elements of arrays that are objects with a
 * "name" are called by it, others by their number. False: not printed, out of memory or a name is no UTF-8.
 */
bool trace_print_json(FILE *out, const json_t *root, enum trace_report how);
/* Bytes for a person: 12.3 MiB. */
void trace_print_bytes(FILE *out, uint64_t bytes);

/* "A:B", ":B", "A:" into [*from, *to): NULL, or what is wrong. size: suffixes K, M, G, T, time: ns, us, ms,
 * s. */
enum trace_range { TRACE_RANGE_NUMBER, TRACE_RANGE_TIME };
const char *trace_parse_range(const char *text, enum trace_range what, uint64_t *from, uint64_t *to);

#endif
