/*
 * Single values and positions: what config_apply.c is made of.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "config_apply.h"

/* Reads a whole number, decimal or 0x hexadecimal, with K, M, G, T when suffix. False: it is none, or does
 * not fit 64 bits. */
bool value_number(const char *text, bool suffix, uint64_t *value);

/* Does the row's value take a YAML list or mapping? */
bool value_is_collection(const struct schema *row);

/* Puts a node into the field of a row whose struct lies at base. */
int value_apply(struct apply *a, const struct schema *row, char *base, const struct yaml_node *key,
                const struct yaml_node *node);

/* An error at a node, about the path being applied. Returns code. */
int value_refuse(struct apply *a, const struct yaml_node *node, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The field of a row was said here. */
int mark_add(struct apply *a, const struct schema *row, size_t offset, const struct yaml_node *key);

/* The number, from 1, of the latest text that said something in [offset, offset + size); 0: none did. Mappings
 * that were only opened do not count. */
unsigned mark_latest(const struct apply *a, size_t offset, size_t size);

/* Forgets the marks of [offset, offset + size). */
void mark_drop(struct apply *a, size_t offset, size_t size);

/* The fields of [offset, offset + size) move down by distance. */
void mark_shift(struct apply *a, size_t offset, size_t size, size_t distance);

/* The error that the check found, with the position of whoever said it last. */
int mark_error(struct apply *a, const struct config_problem *problem);

#endif
