/*
 * mmusim/trace.h: address traces, read and written.
 *
 * A trace is a sequence of references (struct mmu_access). Readers stream: memory is constant whatever the
 * length. Input may be compressed in any way that libarchive knows. Formats: text as Valgrind's Lackey prints
 * it, and mmusim's own binary form (src/trace documents it byte by byte).
 */
#ifndef MMUSIM_TRACE_H
#define MMUSIM_TRACE_H

#include <mmusim/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mmu_trace_format { MMU_TRACE_AUTO, MMU_TRACE_TEXT, MMU_TRACE_BINARY, MMU_TRACE_FORMATS };

/* What is known of a trace. Fields that the format does not carry are 0 or "". */
struct mmu_trace_info {
    uint32_t format;           /* enum mmu_trace_format, never AUTO */
    uint32_t version;          /* of the binary form */
    bool has_count;            /* the header carries the number of references */
    uint64_t count;            /* references */
    bool has_fetches;          /* at least one instruction fetch; text: false until the first one is read */
    uint64_t kinds[MMU_KINDS]; /* references by kind; binary: of the whole trace; text: read so far */
    uint64_t skipped;  /* text: lines passed over that were no references (Valgrind's own ==PID== lines, blank
                          lines, # comments) */
    uint64_t checksum; /* binary: of the content, mmu_trace_checksum() of all references */
    char source[256];  /* how it was recorded, in one line */
};

struct mmu_trace_reader; /* opaque; owned by the caller, freed with mmu_trace_close() */

/*
 * Opens a trace; "-" is standard input. *out is set on success. format: MMU_TRACE_AUTO finds it by content.
 * Returns MMU_OK or a negative status with *err filled (may be NULL): a directory, an empty file, an unknown
 * format, a bad header.
 */
MMU_API int mmu_trace_open(const char *path, enum mmu_trace_format format, struct mmu_trace_reader **out,
                           struct mmu_error *err);

/*
 * Reads up to max references into to[]. Returns the number read, 0 at the end of the trace, or a negative
 * status with *err filled: file and line (text) or byte offset and block (binary), what was found, what was
 * expected. A truncated or corrupt input is an error (MMU_ERR_TRUNCATED, MMU_ERR_CHECKSUM, MMU_ERR_FORMAT)
 * that is reported after the complete part has been delivered. An M line gives two references: a load, then a
 * store with MMU_AF_FOLLOWS.
 */
MMU_API int64_t mmu_trace_read(struct mmu_trace_reader *reader, struct mmu_access *to, size_t max,
                               struct mmu_error *err);

/* Positions the reader before reference number n (0-based). Binary form on a seekable file: by the block
 * index; otherwise reads forward; backwards on a pipe: MMU_ERR_UNSUPPORTED. */
MMU_API int mmu_trace_seek(struct mmu_trace_reader *reader, uint64_t n, struct mmu_error *err);

/* Fraction of the input consumed, 0 to 1, or -1 when unknown (pipes): for progress bars. */
MMU_API double mmu_trace_progress(const struct mmu_trace_reader *reader);

MMU_API void mmu_trace_info(const struct mmu_trace_reader *reader, struct mmu_trace_info *info);
MMU_API void mmu_trace_close(struct mmu_trace_reader *reader); /* NULL is allowed */

/*
 * The checksum of n more references behind those that `before` sums up (0: none): a lane of XXH64 fed with
 * two 64-bit words a reference, va and gap | size << 32 | kind << 48 | flags << 56, gap being 0 without
 * MMU_AF_GAP. It depends on the references alone, not on format or compression.
 */
MMU_API uint64_t mmu_trace_checksum(uint64_t before, const struct mmu_access *accesses, size_t n);

struct mmu_trace_writer; /* opaque; ends with mmu_trace_finish() or mmu_trace_abort() */

/* Creates a trace file. It is written beside its final place and renamed into it by mmu_trace_finish().
 * source: one line, how it was recorded. */
MMU_API int mmu_trace_create(const char *path, enum mmu_trace_format format, const char *source,
                             struct mmu_trace_writer **out, struct mmu_error *err);
MMU_API int mmu_trace_write(struct mmu_trace_writer *writer, const struct mmu_access *from, size_t n,
                            struct mmu_error *err);
/* Completes, syncs and renames the file; frees the writer whatever the result. */
MMU_API int mmu_trace_finish(struct mmu_trace_writer *writer, struct mmu_error *err);
/* Drops what was written and frees the writer; NULL is allowed. */
MMU_API void mmu_trace_abort(struct mmu_trace_writer *writer);

#ifdef __cplusplus
}
#endif
#endif
