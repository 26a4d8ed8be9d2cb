/*
 * input.h: the bytes of a file or of standard input, decompressed on the way. Constant memory.
 *
 * What looks like plain text or is native to the caller is read as it is and can be sought if it is a regular
 * file. Everything else goes through libarchive: every compression that it knows, and tar and zip archives
 * that hold one file.
 */
#ifndef TRACE_INPUT_H
#define TRACE_INPUT_H

#include <mmusim/types.h>

struct input;

/*
 * Opens path ("-": standard input). An absent or unreadable file, a directory and an input without a byte are
 * errors. native: whether these first bytes, at most 4096, are those of a format that is never to be taken
 * for a compressed one or an archive; NULL: none are.
 */
int input_open(struct input **out, const char *path, bool (*native)(const unsigned char *head, size_t n),
               struct mmu_error *err);
void input_close(struct input *in); /* NULL is allowed */

/* The first bytes of the input, at most 4096, while nothing has been read: for finding the format. */
size_t input_head(const struct input *in, const unsigned char **head);

/* Reads n bytes. Returns how many were read, fewer only at the end, or a negative status: MMU_ERR_TRUNCATED
 * for a compressed stream that ends too early, when what it held has been delivered. */
int64_t input_read(struct input *in, void *to, size_t n, struct mmu_error *err);

/* From now on the files of an archive are one stream, in the archive's order, until the input is closed. */
void input_join(struct input *in);

/* Can input_seek() go anywhere at once? */
bool input_seekable(const struct input *in);
/* Can input_rewind() work? */
bool input_rewindable(const struct input *in);
/* Moves to a byte offset of a seekable input. Beyond the end is allowed: reading there gives nothing. */
int input_seek(struct input *in, uint64_t offset, struct mmu_error *err);
/* Back to the first byte; decompression starts anew. MMU_ERR_UNSUPPORTED on a pipe. */
int input_rewind(struct input *in, struct mmu_error *err);

uint64_t input_offset(const struct input *in); /* of the next byte, decompressed */
uint64_t input_size(const struct input *in);   /* bytes of the file as it lies on disk; 0: unknown */
double input_progress(const struct input *in); /* consumed part of the file as it lies on disk; -1: unknown */
const char *input_name(const struct input *in);

#endif
