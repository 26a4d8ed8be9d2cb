/*
 * reader.h: what every format's reader offers to reader.c, which finds the format, keeps position, marks,
 * failure and limits for all of them.
 *
 * A new format is one file with one struct reader_ops, declared below and entered in the table of reader.c.
 */
#ifndef TRACE_READER_H
#define TRACE_READER_H

#include "info.h"
#include "input.h"

#include <mmusim/trace.h>

/* What sniff says. Numbers in between are allowed: the greatest wins, the first format of equals. */
enum {
    SNIFF_NO = 0,
    SNIFF_LAST = 1,      /* nobody else wants it, and the format's own complaint would help most */
    SNIFF_POSSIBLE = 20, /* nothing contradicts, little confirms */
    SNIFF_LIKELY = 50,   /* every record in sight has the format's shape, which others would hardly have */
    SNIFF_CERTAIN = 100, /* a magic number, or a header that no accident makes */
};

/* A mark may not come closer to the next than this: see reader_full(). */
enum { READER_MARKS = 64, READER_RECORD_MARKS = 8 };

struct reader_ops {
    /*
     * How sure it is that an input is of this format. head: the first n bytes, decompressed, at most 4096;
     * n < 4093: that is the whole input (a byte order mark is taken off). name: the input's name as the
     * caller gave it ("standard input" for
     * "-"), whose ending may confirm what the bytes suggest; a name alone is no reason.
     */
    unsigned (*sniff)(const unsigned char *head, size_t n, const char *name);
    /* Is this directory a trace of the format? NULL: the format has no directories. On true, open() finds
     * r->input NULL and r->name the directory. */
    bool (*folder)(const char *path);
    /*
     * Reads the header, if the format has one, and makes the format's own state in r->state. r->options is
     * valid. On an error close() follows, with whatever r->state is by then, NULL included.
     */
    int (*open)(struct mmu_trace_reader *r, struct mmu_error *err);
    void (*close)(struct mmu_trace_reader *r);
    /*
     * Decodes up to max > 0 references, and gives the marks on the way to reader_mark(), in order. Fewer than
     * max only
     *  - when reader_full(r): to be asked before each record that may hold marks (0 is fine then);
     *  - at the end of the trace;
     *  - before a failure, which it leaves in r->failure (err_at(), err_offset()): reader.c reports it when
     *    what came before has been delivered.
     * Keeps r->info.kinds, .has_fetches and .skipped as it reads (reader_count() helps); reader.c keeps
     * marks and times.
     */
    size_t (*read)(struct mmu_trace_reader *r, struct mmu_access *to, size_t max);
    /* Back to the first reference: of the state and of r->info.kinds and .skipped. input_rewind() is up to
     * it. */
    int (*rewind)(struct mmu_trace_reader *r, struct mmu_error *err);
    /*
     * Goes as near before reference n as the format can at once, at least not behind it, and sets
     * r->position and r->here. NULL: only reading goes forward.
     */
    int (*jump)(struct mmu_trace_reader *r, uint64_t n, struct mmu_error *err);
    /* After a failure of read: goes to the next part that can be entered and sets r->position and r->here.
     * MMU_ERR_NOTFOUND: there is none. NULL: never. */
    int (*resume)(struct mmu_trace_reader *r, struct mmu_error *err);
    /* The next stretch as page runs, at most max references. Returns how many, 0 at the end or before a
     * failure (r->failure) or for marks, -1: none are to be had. NULL: never any. */
    int64_t (*runs)(struct mmu_trace_reader *r, size_t max, struct mmu_runs *runs);
    /* Likewise, as executions of code. */
    int64_t (*executions)(struct mmu_trace_reader *r, size_t max, struct mmu_executions *executions);
    /* What its parts are read with, each a reader without an input: see mmu_trace_part_open(). NULL: it has
     * no parts. Takes the next one into `part` and sets the position of both, and part->here; 1, 0 at the
     * end, or a negative status. */
    const struct reader_ops *parts;
    int (*take)(struct mmu_trace_reader *r, struct mmu_trace_reader *part, struct mmu_error *err);
    /* The consumed part of the input, 0 to 1, -1: unknown. NULL: input_progress(). */
    double (*progress)(const struct mmu_trace_reader *r);
};

/* One process's maps. */
struct trace_maps {
    uint64_t pid;
    char *text; /* n bytes, and a 0 */
    size_t n;
};

/*
 * position: number of the next reference that ops->read delivers. failure.code is 0 or sticks until a seek.
 * queue[0..queued): marks that ops->read met and that are not delivered; their `at` ascends.
 */
struct mmu_trace_reader {
    const struct reader_ops *ops;
    struct mmu_trace_options options; /* columns: a copy, or NULL */
    char *name;                       /* for messages */
    struct input *input;              /* NULL: a directory */
    void *state;                      /* the format's own */
    uint64_t position;
    struct mmu_error failure;
    struct mmu_trace_info info; /* maps: number of those below */
    struct trace_maps *maps;
    struct mark_state here; /* of the marks that were delivered or dropped */
    bool restate;           /* here is to be delivered first: after a seek */
    bool counting;          /* marks are counted as they come: the format's header does not tell */
    bool gave_mark;         /* the last mark delivered or dropped stood at last_mark */
    uint64_t last_mark;
    size_t queued, limit; /* queued <= limit <= READER_MARKS */
    struct mmu_trace_mark queue[READER_MARKS];
};

/* Is there no more room for the marks of a record? Then ops->read returns. A record may hold
 * READER_RECORD_MARKS of them. */
static inline bool reader_full(const struct mmu_trace_reader *r)
{
    return r->queued + READER_RECORD_MARKS > r->limit;
}

/* Appends a mark that stands before reference `at`: r->position + how many ops->read has decoded by now.
 * text: EVENT's, cut if it is too long, unprintable bytes replaced; else NULL. */
void reader_mark(struct mmu_trace_reader *r, uint64_t at, enum mmu_mark_kind kind, uint64_t value,
                 const char *text);

/* The same for PROCESS, THREAD, CPU and TIME unless it says what was said already. */
void reader_mark_change(struct mmu_trace_reader *r, uint64_t at, enum mmu_mark_kind kind, uint64_t value);

/* Where the text begins: behind the byte order mark that some programs write before UTF-8. */
size_t reader_text_begins(const unsigned char *head, size_t n);

/* Is this what a trace of some format begins with, as it is, neither compressed nor packed? For
 * input_open(). */
bool reader_is_native(const unsigned char *head, size_t n);

/*
 * The size of a reference of which the format tells only the first byte: `usual`, but not beyond that byte's
 * page. A second page that the program may never have touched is not invented.
 */
static inline uint16_t reader_usual_size(uint64_t va, unsigned usual)
{
    unsigned left = 4096 - (unsigned)(va & 4095);

    return (uint16_t)(usual < left ? usual : left);
}

/* Counts references in r->info. */
void reader_count(struct mmu_trace_reader *r, const struct mmu_access *a, size_t n);

/* Keeps n bytes of maps for a process, behind what is kept of it already (append) or instead. */
int reader_keep_maps(struct mmu_trace_reader *r, uint64_t pid, const char *text, size_t n, bool append,
                     struct mmu_error *err);

extern const struct reader_ops text_reader_ops;
extern const struct reader_ops binary_reader_ops;
extern const struct reader_ops champsim_reader_ops;
extern const struct reader_ops cloudsuite_reader_ops;
extern const struct reader_ops drmemtrace_reader_ops;
extern const struct reader_ops din_reader_ops;
extern const struct reader_ops pinatrace_reader_ops;
extern const struct reader_ops columns_reader_ops;

#endif
