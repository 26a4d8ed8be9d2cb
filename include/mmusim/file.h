/*
 * mmusim/file.h: the bytes of a file, unpacked on the way: for whoever takes a text that may be packed, as
 * the readers of traces take theirs.
 */
#ifndef MMUSIM_FILE_H
#define MMUSIM_FILE_H

#include <mmusim/types.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mmu_file;

/*
 * Opens path, "-" for standard input. What is packed with gzip, xz, zstd, bzip2, lz4 or any other filter of
 * libarchive's, or lies alone in a zip or tar archive, is unpacked; anything else is read as it is. On
 * success the caller owns *out: mmu_file_close(). Returns MMU_OK, or MMU_ERR_NOTFOUND (no such file),
 * MMU_ERR_IO, MMU_ERR_FORMAT (the file is empty, or no such packing after all) or MMU_ERR_NOMEM, with *err
 * filled.
 */
MMU_API int mmu_file_open(const char *path, struct mmu_file **out, struct mmu_error *err);

/*
 * Reads up to n bytes into `to`. Returns how many, fewer than n at the end only, or a negative status with
 * *err filled: MMU_ERR_TRUNCATED for a packed file without its last bytes, behind all that it held.
 */
MMU_API int64_t mmu_file_read(struct mmu_file *file, void *to, size_t n, struct mmu_error *err);

MMU_API void mmu_file_close(struct mmu_file *file); /* NULL is allowed */

#ifdef __cplusplus
}
#endif

#endif
