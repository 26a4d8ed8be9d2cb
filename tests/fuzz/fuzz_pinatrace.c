/* fuzz_pinatrace.c: any bytes as a trace of pinatrace. See reader.h. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_text(data, size, MMU_TRACE_PINATRACE, NULL);
    return 0;
}
