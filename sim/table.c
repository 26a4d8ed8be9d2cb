/* sim/table.c: see table.h. */
#include "table.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char RULE[] = "\001"; /* what the first cell of a rule holds; no text has it */

static char *next_cell(struct table *table)
{
    if (table->n == table->room && !table->failed) {
        size_t room = table->room ? table->room * 2 : 128;
        char(*bigger)[TABLE_CELL] = realloc(table->cell, room * TABLE_CELL);
        if (bigger) {
            table->cell = bigger;
            table->room = room;
        } else {
            table->failed = true;
        }
    }
    return table->failed ? NULL : table->cell[table->n++];
}

void table_text(struct table *table, const char *format, ...)
{
    char *cell = next_cell(table);
    if (!cell)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(cell, TABLE_CELL, format, args);
    va_end(args);
}

void table_start(struct table *table, size_t columns, const char *const *headings)
{
    *table = (struct table){.columns = columns};
    for (size_t i = 0; i < columns; i++)
        table_text(table, "%s", headings[i]);
}

/* Digits to[0, n) get a comma before each group of three, counted from the end; returns the end of what was
 * written. */
static char *group_digits(const char *digits, size_t n, char *to)
{
    for (size_t i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
    return to;
}

const char *table_format(uint64_t value, char *buf)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, value);
    group_digits(digits, (size_t)n, buf);
    return buf;
}

void table_count(struct table *table, uint64_t value)
{
    char text[TABLE_NUMBER];
    table_text(table, "%s", table_format(value, text));
}

const char *table_format_signed(int64_t value, char *buf)
{
    buf[0] = '-';
    table_format(value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0 ? buf + 1 : buf);
    return buf;
}

void table_signed(struct table *table, int64_t value)
{
    char text[TABLE_NUMBER];
    table_text(table, "%s", table_format_signed(value, text));
}

void table_real(struct table *table, double value, unsigned decimals)
{
    if (!isfinite(value)) {
        table_text(table, "-");
        return;
    }
    char plain[400], grouped[540];
    snprintf(plain, sizeof plain, "%.*f", (int)decimals, fabs(value));
    size_t whole = strcspn(plain, ".");
    char *end = group_digits(plain, whole, grouped);
    strcpy(end, plain + whole);
    table_text(table, "%s%.60s", value < 0 ? "-" : "", grouped);
}

void table_rule(struct table *table)
{
    for (size_t i = 0; i < table->columns; i++)
        table_text(table, "%s", RULE);
}

static void print_rule(const size_t *width, size_t columns, FILE *out)
{
    size_t all = 2 * (columns - 1);
    for (size_t i = 0; i < columns; i++)
        all += width[i];
    fputs("  ", out);
    for (size_t i = 0; i < all; i++)
        fputc('-', out);
    fputc('\n', out);
}

bool table_end(struct table *table, FILE *out)
{
    size_t columns = table->columns, width[TABLE_COLUMNS] = {0};
    bool ok = !table->failed;
    for (size_t i = 0; ok && i < table->n; i++) {
        size_t length = strlen(table->cell[i]);
        if (length > width[i % columns])
            width[i % columns] = length;
    }
    for (size_t row = 0; ok && row < table->n / columns; row++) {
        const char(*cell)[TABLE_CELL] = (const char(*)[TABLE_CELL])table->cell + row * columns;
        if (!strcmp(cell[0], RULE)) {
            print_rule(width, columns, out);
            continue;
        }
        fprintf(out, "  %-*s", (int)width[0], cell[0]);
        for (size_t i = 1; i < columns; i++)
            fprintf(out, "  %*s", (int)width[i], cell[i]);
        fputc('\n', out);
        if (!row)
            print_rule(width, columns, out);
    }
    free(table->cell);
    *table = (struct table){0};
    return ok;
}
