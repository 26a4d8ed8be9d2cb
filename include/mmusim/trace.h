/*
 * mmusim/trace.h: address traces, read and written.
 *
 * A trace is a sequence of references (struct mmu_access), and of marks between them: which process, thread
 * and processor the references that follow belong to, the time, what the operating system did. It may keep
 * the maps of the address spaces. Readers stream: memory is constant whatever the length. Input may be
 * compressed in any way that libarchive knows. Formats: Valgrind's Lackey text, mmusim's own binary form
 * (src/trace documents it byte by byte), and those of other tools, which are read and not written.
 */
#ifndef MMUSIM_TRACE_H
#define MMUSIM_TRACE_H

#include <mmusim/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The formats. X(name, word, what it is): MMU_TRACE_name; the word is what people call it (--trace-format).
 */
#define MMU_TRACE_FORMAT_LIST(X)                                                                             \
    X(AUTO, "auto", "found by content")                                                                      \
    X(TEXT, "text", "Valgrind's Lackey text, with words and marks of ours")                                  \
    X(BINARY, "binary", "mmusim's binary form")                                                              \
    X(CHAMPSIM, "champsim", "ChampSim's instruction records of 64 bytes")                                    \
    X(CLOUDSUITE, "cloudsuite", "ChampSim's CloudSuite records")                                             \
    X(DRMEMTRACE, "drmemtrace", "DynamoRIO's offline traces: a file, or a folder of one a thread")           \
    X(DIN, "din", "Dinero's din: label and address")                                                         \
    X(PINATRACE, "pinatrace", "Pin's pinatrace: ip: R address")                                              \
    X(COLUMNS, "columns", "plain columns, by commas or blanks")

enum mmu_trace_format {
#define MMU_X(name, word, what) MMU_TRACE_##name,
    MMU_TRACE_FORMAT_LIST(MMU_X)
#undef MMU_X
        MMU_TRACE_FORMATS
};

/* The format's word; NULL for a number that is no format. */
MMU_API const char *mmu_trace_format_name(int format);
/* What it is, in a few words; NULL likewise. */
MMU_API const char *mmu_trace_format_text(int format);
/* The format that a word means, also one of the other words for it: lackey (text), mmt (binary). Returns enum
 * mmu_trace_format, or MMU_ERR_NOTFOUND. */
MMU_API int mmu_trace_format_find(const char *name);

/*
 * Marks: what a trace says between references. PROCESS, THREAD and CPU hold for all references that follow,
 * until the next mark of the same kind. Before the first one nothing is known: it reads as 0, and `mmusim
 * run` replays what has no process in the address space of the first process that is named.
 */
enum mmu_mark_kind {
    MMU_MARK_PROCESS, /* value: process id; the references that follow are in its address space */
    MMU_MARK_THREAD,  /* value: thread id */
    MMU_MARK_CPU,     /* value: number of the processor */
    MMU_MARK_TIME, /* value: nanoseconds since the trace's beginning, on the thread that is told by then. It
                      does not go backwards on one thread of a good trace ('mmusim trace verify' looks),
                      but may between threads */
    /*
     * text: what the operating system did: a name, then arguments, by single blanks; value: 0.
     * Names in use (others are allowed): syscall NUMBER, kernel-enter,
     * kernel-exit, context-switch, interrupt, exec PATH, fork PID, exit, mmap ADDRESS LENGTH PROT FLAGS,
     * munmap ADDRESS LENGTH, mprotect ADDRESS LENGTH PROT, brk ADDRESS, signal NUMBER, page-size BYTES.
     * Addresses and lengths are hexadecimal with 0x.
     */
    MMU_MARK_EVENT,
    MMU_MARK_KINDS
};

enum {
    MMU_MARK_TEXT = 232, /* bytes of a mark's text, with the 0 behind it */
    MMU_MARKS_LEAST = 16 /* room for marks that mmu_trace_read_marked() needs at least */
};

struct mmu_trace_mark {
    uint64_t at; /* number of the reference before which it stands, from 0; the count: behind the last one */
    uint64_t value;
    uint32_t kind;            /* enum mmu_mark_kind */
    char text[MMU_MARK_TEXT]; /* EVENT: one line, not empty, printable UTF-8; else "" */
};

/* What is known of a trace. Fields that the format does not carry are 0 or "". */
struct mmu_trace_info {
    uint32_t format;  /* enum mmu_trace_format, never AUTO */
    uint32_t version; /* of the binary form */
    bool has_count;   /* the header carries the number of references */
    uint64_t count;   /* references */
    bool has_fetches; /* at least one instruction fetch; not binary: false until the first one is read */
    uint64_t kinds[MMU_KINDS];      /* references by kind; binary: of the whole trace; others: read so far */
    uint64_t marks[MMU_MARK_KINDS]; /* marks by kind; binary: of the whole trace; others: read so far */
    uint64_t time_first, time_last; /* least and greatest value of TIME marks, likewise; 0, 0 without any */
    uint64_t skipped;  /* records passed over that are neither references nor marks: Valgrind's own ==PID==
                          lines, blank lines, # comments */
    uint64_t checksum; /* binary: of the content, mmu_trace_checksum() of all references; 0: not summed */
    uint64_t marks_checksum;  /* binary: mmu_trace_checksum_marks() of all marks; 0 without any */
    uint64_t packed_checksum; /* binary, from version 3 on: of the blocks as they are packed. It names the
                                 content of a file whose references were not summed; 0: not known */
    uint64_t heads;   /* binary: of the page runs that are stored, see mmu_trace_read_runs(); 0: none */
    uint32_t maps;    /* address spaces whose maps are known so far: see mmu_trace_maps() */
    bool maps_ahead;  /* more may come with what is still to be read: of text that has marks, of the binary
                         form  in a pipe or a packing, and where it is damaged */
    char source[256]; /* how it was recorded, in one line */
};

struct mmu_trace_reader; /* opaque; owned by the caller, freed with mmu_trace_close() */

/* How to read. Zero-initialise: all defaults. */
struct mmu_trace_options {
    enum mmu_trace_format format; /* AUTO: found by content */
    /* COLUMNS: what the columns are, in order, by commas: address,type,size,pid,cpu ... (the format's own
     * file in src/trace lists the words). NULL: the first line names them, or the format's default. With a
     * text here AUTO means COLUMNS. */
    const char *columns;
};

/*
 * Opens a trace; "-" is standard input. *out is set on success. format: MMU_TRACE_AUTO finds it by content.
 * Returns MMU_OK or a negative status with *err filled (may be NULL): no such file (MMU_ERR_NOTFOUND), a
 * directory (but drmemtrace has directories of one file a thread), an empty file, an unknown format, a bad
 * header.
 */
MMU_API int mmu_trace_open(const char *path, enum mmu_trace_format format, struct mmu_trace_reader **out,
                           struct mmu_error *err);
/* The same; options: NULL for the defaults, read during the call only. */
MMU_API int mmu_trace_open_with(const char *path, const struct mmu_trace_options *options,
                                struct mmu_trace_reader **out, struct mmu_error *err);

/*
 * Reads up to max references into to[]. Returns the number read, 0 at the end of the trace, or a negative
 * status with *err filled: file and line (text) or byte offset and block (binary), what was found, what was
 * expected. A truncated or corrupt input is an error (MMU_ERR_TRUNCATED, MMU_ERR_CHECKSUM, MMU_ERR_FORMAT)
 * that is reported after the complete part has been delivered. An M line gives two references: a load, then a
 * store with MMU_AF_FOLLOWS. Marks on the way are passed over.
 */
MMU_API int64_t mmu_trace_read(struct mmu_trace_reader *reader, struct mmu_access *to, size_t max,
                               struct mmu_error *err);

/*
 * The same with the marks. Let p be the number of the next reference (0 after opening, n after a seek to n).
 * Returns r >= 0 references, numbers p to p + r - 1, in to[], and in marks[0..*n_marks) all marks that stand
 * before them, in order; p <= at <= p + r. Marks with at = p + r may come now or with the next call.
 * max_marks is MMU_MARKS_LEAST or more; many marks only make r smaller. The end: 0 references and 0 marks.
 * max: 1 or more.
 */
MMU_API int64_t mmu_trace_read_marked(struct mmu_trace_reader *reader, struct mmu_access *to, size_t max,
                                      struct mmu_trace_mark *marks, size_t max_marks, size_t *n_marks,
                                      struct mmu_error *err);

/*
 * The next stretch as page runs (mmusim/runs.h), of a binary trace that stores them (mmu_trace_info.heads >
 * 0). Returns how many references it stands for, at most max and at most 65536, with *runs filled; the reader
 * then stands behind them. Marks as with mmu_trace_read_marked(), but they come alone: 0 is returned then. 0
 * references and 0 marks are the end. runs->expand() brings the references themselves; *runs and what it
 * points to stay valid until the reader's next call.
 *
 * MMU_ERR_UNSUPPORTED, without a word in *err: there are no runs to be had here, and nothing was read. The
 * trace stores none, or the next stretch is longer than max, or the reader stands inside one, after a seek or
 * another read: mmu_trace_read_marked() goes on. Other negative statuses as there.
 */
struct mmu_runs;
MMU_API int64_t mmu_trace_read_runs(struct mmu_trace_reader *reader, size_t max, struct mmu_runs *runs,
                                    struct mmu_trace_mark *marks, size_t max_marks, size_t *n_marks,
                                    struct mmu_error *err);

/*
 * The next stretch as executions of code (mmusim/executions.h), where a binary trace is written so, at most
 * max and at most MMU_EXECUTIONS_MOST references. *executions has all that mmu_executions_expand() needs;
 * what it points to stays valid until the reader's next call, but for a part's (see mmu_trace_part_open()):
 * until the part is filled again, except lead[], until its next call. All else as with mmu_trace_read_runs().
 */
struct mmu_executions;
MMU_API int64_t mmu_trace_read_executions(struct mmu_trace_reader *reader, size_t max,
                                          struct mmu_executions *executions, struct mmu_trace_mark *marks,
                                          size_t max_marks, size_t *n_marks, struct mmu_error *err);

/*
 * Positions the reader before reference number n (0-based). Binary form on a seekable file: by the block
 * index; otherwise reads forward; backwards on a pipe: MMU_ERR_UNSUPPORTED. With n > 0 the next marks that
 * are delivered say first which process, thread, cpu and time it is there (of each that the trace has told),
 * with at = n; then come the marks that stand at n themselves.
 */
MMU_API int mmu_trace_seek(struct mmu_trace_reader *reader, uint64_t n, struct mmu_error *err);

/*
 * Goes on behind damage: after a read that failed, positions the reader before the first reference of the
 * next part that can be entered (binary form on a seekable file with a good index: the next block). *n is its
 * number; what is in between is lost. MMU_ERR_NOTFOUND, without a word in *err: there is no such part.
 */
MMU_API int mmu_trace_resume(struct mmu_trace_reader *reader, uint64_t *n, struct mmu_error *err);

/*
 * Parts: pieces of a trace that are decoded each for itself, on any thread, while the reader goes on with the
 * next one (binary form with its totals known: the blocks).
 *
 * mmu_trace_part_open() makes *part, to be filled. It is a reader of its own: the caller's, freed with
 * mmu_trace_close(), before or after the one it belongs to. MMU_ERR_UNSUPPORTED, without a word in *err: this
 * trace has no parts.
 *
 * mmu_trace_part_take() reads the next part as it is, packed, into `part`; what was in that is gone. Returns
 * 1; 0: the end of the trace; or a negative status with *err filled, as mmu_trace_read() does. The part's
 * marks and references are those that mmu_trace_read_marked() and its like deliver of `part`, in order, up to
 * an end or a failure of its own. Who reads all parts, each to its end, in order, reads the trace.
 * MMU_ERR_UNSUPPORTED, without a word: the reader stands inside a part. Behind a part that was taken, take
 * more, or seek.
 */
MMU_API int mmu_trace_part_open(const struct mmu_trace_reader *reader, struct mmu_trace_reader **part,
                                struct mmu_error *err);
MMU_API int mmu_trace_part_take(struct mmu_trace_reader *reader, struct mmu_trace_reader *part,
                                struct mmu_error *err);

/* Fraction of the input consumed, 0 to 1, or -1 when unknown (pipes): for progress bars. */
MMU_API double mmu_trace_progress(const struct mmu_trace_reader *reader);

MMU_API void mmu_trace_info(const struct mmu_trace_reader *reader, struct mmu_trace_info *info);

/*
 * The maps of an address space, as the text of /proc/PID/maps: number i, below mmu_trace_info.maps. Returns
 * the text (of *n bytes, 0-terminated, owned by the reader, valid until its next call) and the process id;
 * NULL if there is no such number. Binary form on a seekable file: all are known from the begin; otherwise
 * those that were read by now.
 */
MMU_API const char *mmu_trace_maps(const struct mmu_trace_reader *reader, uint32_t i, uint64_t *pid,
                                   size_t *n);

MMU_API void mmu_trace_close(struct mmu_trace_reader *reader); /* NULL is allowed */

/*
 * The checksum of n more references behind those that `before` sums up (0: none): a lane of XXH64 fed with
 * two 64-bit words a reference, va and gap | size << 32 | kind << 48 | flags << 56, gap being 0 without
 * MMU_AF_GAP. It depends on the references alone, not on marks, format or compression.
 */
MMU_API uint64_t mmu_trace_checksum(uint64_t before, const struct mmu_access *accesses, size_t n);
/* The same for marks: three words a mark, at, value and kind, then the text's bytes in words of eight, padded
 * with 0. */
MMU_API uint64_t mmu_trace_checksum_marks(uint64_t before, const struct mmu_trace_mark *marks, size_t n);

struct mmu_trace_writer; /* opaque; ends with mmu_trace_finish() or mmu_trace_abort() */

struct mmu_head;
/* How to write. Zero-initialise: all defaults. */
struct mmu_trace_write_options {
    enum mmu_trace_format format; /* TEXT or BINARY; AUTO: BINARY */
    const char *source;           /* how it was recorded; NULL: "". Cut to 255 bytes of one line */
    int level;                    /* BINARY: of zstd, -7 (fast) to 19 (small); 0: the default, 9 */
    /* BINARY: mmu_runs_collapse() of mmusim/runs.h, to store page runs beside the references. NULL: none. */
    size_t (*collapse)(const struct mmu_access *from, size_t n, struct mmu_head *to);
    /* BINARY: no checksum of the references (it is 0 then), for whoever is in a hurry: it takes longer than
     * all else that mmu_trace_write_code() does. The blocks keep theirs. */
    bool unsummed;
    /* BINARY: a thread of the writer packs a block and writes it while the next one is filled. A failure is
     * told by a later call, at the latest by mmu_trace_finish(). */
    bool threaded;
};

/* Creates a trace file. It is written beside its final place and renamed into it by mmu_trace_finish().
 * source: one line, how it was recorded. A format that is not written: MMU_ERR_UNSUPPORTED; one that is none,
 * a level out of range: MMU_ERR_INVALID. */
MMU_API int mmu_trace_create(const char *path, enum mmu_trace_format format, const char *source,
                             struct mmu_trace_writer **out, struct mmu_error *err);
/* The same; options: NULL for the defaults, read during the call only. */
MMU_API int mmu_trace_create_with(const char *path, const struct mmu_trace_write_options *options,
                                  struct mmu_trace_writer **out, struct mmu_error *err);
/* n references. One that cannot be (kind, authority, flags, size 0 or above 4096, an end beyond 2^64):
 * MMU_ERR_INVALID. After a call that failed the writer has failed: each further one returns the same, and
 * mmu_trace_finish() leaves no file. */
MMU_API int mmu_trace_write(struct mmu_trace_writer *writer, const struct mmu_access *from, size_t n,
                            struct mmu_error *err);
/*
 * Code that runs again and again, written fast: what it does is told once, and then only that it ran and
 * where its loads and stores went. The references are those that mmu_trace_write() would have been given.
 *
 * An execution is one word that begins it, and words of data behind it:
 *   bits 61-63  2: an execution begins. 1: data
 *   bits 48-60  beginning: 0. Data: a tag, to tell apart executions that do different things
 *   bits 0-47   beginning: the code's number, below MMU_CODES. Data: an address, whose bit 47 stands for
 *               bits 48 to 63
 */
enum { MMU_CODE_DATA = 1, MMU_CODE_BEGIN = 2, MMU_CODE_TYPE_SHIFT = 61, MMU_CODE_TAG_SHIFT = 48 };
enum { MMU_CODE_MOST = 4096, MMU_CODES = 1 << 28 };

/* A word of data as it always is. `back` 0: it is the address of the next load or store. Otherwise it belongs
 * to the one whose word is so many words before, and its address is `bytes` more. */
struct mmu_code_word {
    uint16_t tag, back, bytes;
};

/*
 * Tells what the code of a number does: n references, 1 to MMU_CODE_MOST, of user mode: a fetch, then more
 * fetches, each where the one before it ends, loads and stores, whose va is not looked at. A store with
 * MMU_AF_FOLLOWS directly behind a load of its size is of the same bytes. words[]: the data of an execution;
 * as many with `back` 0 as there are loads and other stores, at most MMU_CODE_MOST in all. A writer that does
 * not take code (of text, of page runs, of a checksum), or not this (other flags, odd sizes, told twice):
 * MMU_ERR_UNSUPPORTED; use mmu_trace_write() for it.
 */
MMU_API int mmu_trace_define(struct mmu_trace_writer *writer, uint32_t code,
                             const struct mmu_access *references, size_t n, const struct mmu_code_word *words,
                             size_t n_words, struct mmu_error *err);
/*
 * Writes executions from the *n words, but at most *references references, and sets both to what it took.
 * It stops before a word that is no execution's, and before an execution of a code that was not told, that
 * does something else than was told, or that ends with the words: more could belong to it. None at all need
 * not mean that: a writer may take one only by its references, which mmu_trace_write() always does.
 */
MMU_API int mmu_trace_write_code(struct mmu_trace_writer *writer, const uint64_t *words, size_t *n,
                                 uint64_t *references, struct mmu_error *err);
/* Writes a mark behind the references written so far; its `at` is not looked at. A kind that is none, or a
 * text that cannot be: MMU_ERR_INVALID. */
MMU_API int mmu_trace_mark(struct mmu_trace_writer *writer, const struct mmu_trace_mark *mark,
                           struct mmu_error *err);
/* Keeps an address space's maps in the file: n bytes of the text of /proc/PID/maps, at most 16 MiB. At any
 * time before the end; of several for one process the last one counts. */
MMU_API int mmu_trace_set_maps(struct mmu_trace_writer *writer, uint64_t pid, const char *text, size_t n,
                               struct mmu_error *err);
/* Completes, syncs and renames the file; frees the writer whatever the result. */
MMU_API int mmu_trace_finish(struct mmu_trace_writer *writer, struct mmu_error *err);
/* Drops what was written and frees the writer; NULL is allowed. */
MMU_API void mmu_trace_abort(struct mmu_trace_writer *writer);

#ifdef __cplusplus
}
#endif
#endif
