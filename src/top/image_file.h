/*
 * image_file.h: the bytes of an image file in the host's memory, unpacked when it was compressed.
 *
 * Leaves out what the bytes mean (image.c).
 */
#ifndef TOP_IMAGE_FILE_H
#define TOP_IMAGE_FILE_H

#include <mmusim/types.h>

/* A private mapping: reads come from the file when they happen, writes stay in this process. */
struct image_file {
    unsigned char *bytes; /* NULL when closed */
    size_t size;          /* > 0 when open */
};

/* MMU_OK, or a negative status with *err filled: not a file, empty, not readable, corrupt, too large when
 * unpacked. */
int image_file_open(struct image_file *file, const char *path, struct mmu_error *err);
void image_file_close(struct image_file *file);

#endif
