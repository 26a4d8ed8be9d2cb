/*
 * output.h: a file that is there completely or not at all: written beside its place as NAME.tmp.N, synced,
 * renamed.
 *
 * What is no regular file ("-", a device, a pipe) is written directly: nothing can be renamed over it.
 */
#ifndef TRACE_OUTPUT_H
#define TRACE_OUTPUT_H

#include <mmusim/types.h>

struct output;

int output_create(struct output **out, const char *path, struct mmu_error *err);
int output_write(struct output *o, const void *bytes, size_t n, struct mmu_error *err);
/* Overwrites bytes written before. MMU_ERR_UNSUPPORTED if the output is not seekable. */
int output_rewrite(struct output *o, uint64_t offset, const void *bytes, size_t n, struct mmu_error *err);
bool output_seekable(const struct output *o);
uint64_t output_offset(const struct output *o); /* bytes written so far */
const char *output_name(const struct output *o);
/* Both free o. finish: the file stands in its place, or an error and nothing is left. */
int output_finish(struct output *o, struct mmu_error *err);
void output_abort(struct output *o); /* NULL is allowed */

#endif
