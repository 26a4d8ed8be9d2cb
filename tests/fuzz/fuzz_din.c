/* fuzz_din.c: any bytes as a trace of din. See reader.h. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_text(data, size, MMU_TRACE_DIN, NULL);
    return 0;
}
