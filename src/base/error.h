/*
 * error.h: how the rooms say what is wrong with an input.
 *
 * Each function fills a struct mmu_error and returns its code, so that a parser ends with `return
 * err_at(...)`. The error may be NULL: then only the code is returned. Messages and names that do not fit are
 * cut, never overrun.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <mmusim/types.h>

/* Sets code and message; clears file, line, column and offset. Returns code. */
int err_set(struct mmu_error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for a place in a text. line and column count from 1; 0: unknown. */
int err_at(struct mmu_error *err, int code, const char *file, unsigned line, unsigned column,
           const char *format, ...) __attribute__((format(printf, 6, 7)));

/* The same for a place in a file of bytes. */
int err_offset(struct mmu_error *err, int code, const char *file, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/*
 * The candidate that a person most likely meant by word: nearest by edit distance (insert, delete, replace,
 * swap two neighbours), blind to case. NULL when none is near: more than a third of the word's length away.
 */
const char *err_suggest(const char *word, const char *const *candidates, size_t n);

#endif
