/*
 * sim/table.h: aligned text tables: a row of headings, rows of cells, the first column to the left and the
 * others to the right.
 *
 * Counts have thousands separators throughout. An unknown number (NaN) is "-".
 */
#ifndef SIM_TABLE_H
#define SIM_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TABLE_CELL = 72, TABLE_COLUMNS = 16, TABLE_WIDTH = 100 };

/* A table being filled, row by row. Invariant: n <= room; cells stand row after row, columns to the row. */
struct table {
    char (*cell)[TABLE_CELL];
    size_t n, room;
    size_t columns; /* at most TABLE_COLUMNS */
    bool failed;    /* the host was out of memory */
};

void table_start(struct table *table, size_t columns, const char *const *headings);
void table_text(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_count(struct table *table, uint64_t value);
void table_signed(struct table *table, int64_t value);
void table_real(struct table *table, double value, unsigned decimals);
/* A line across the table, in the place of a row. */
void table_rule(struct table *table);
/* Prints the table, indented by two, and frees it. False: out of memory, nothing was printed. */
bool table_end(struct table *table, FILE *out);

/* "1,234,567" and "-1,234,567"; return buf, which holds TABLE_NUMBER characters. */
enum { TABLE_NUMBER = 28 };
const char *table_format(uint64_t value, char *buf);
const char *table_format_signed(int64_t value, char *buf);

#endif
