/*
 * unpack.h: the compressions that traces mostly have, gzip, xz and zstd, without libarchive: that gives a
 * block of decompressed bytes whole or not at all, and so drops up to 128 KiB of a file that was cut, which
 * may be all of it. And the older .lzma: it has no magic number, and libarchive takes the beginning of a
 * ChampSim trace in it for another one.
 */
#ifndef TRACE_UNPACK_H
#define TRACE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct unpack;

/* Gives the next packed bytes. Returns how many, 0: there are no more, or it cannot read, which the owner of
 * ctx remembers. */
typedef ssize_t unpack_more(void *ctx, const void **bytes);

/* Is this the beginning of something that it unpacks? */
bool unpack_knows(const unsigned char *head, size_t n);

/* For what begins with head, which it knows. NULL: out of memory. */
struct unpack *unpack_create(const unsigned char *head, size_t n, unpack_more *more, void *ctx);
void unpack_free(struct unpack *u); /* NULL is allowed */

/* Unpacks up to n bytes; fewer only at the end, or before something is wrong. */
size_t unpack_read(struct unpack *u, void *to, size_t n);

/* What is wrong, behind what unpack_read() gave; NULL: nothing. cut: the packed bytes end too early. */
const char *unpack_wrong(const struct unpack *u, bool *cut);

#endif
