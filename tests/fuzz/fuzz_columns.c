/* fuzz_columns.c: any bytes as columns: the first line is --columns, or empty for none; the rest is the file.
 */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = memchr(data, '\n', size);
    char columns[256];
    size_t n = newline ? (size_t)(newline - data) : 0;

    if (!newline || n >= sizeof columns)
        return 0;
    memcpy(columns, data, n);
    columns[n] = 0;
    read_text(newline + 1, size - n - 1, MMU_TRACE_COLUMNS, n ? columns : NULL);
    return 0;
}
