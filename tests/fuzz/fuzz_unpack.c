/* fuzz_unpack.c: any bytes as a packed trace, of gzip or of zstd: what can be unpacked is read as text. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};

    if (size < 1)
        return 0;
    read_bytes(data[0] & 1 ? zstd : gzip, data[0] & 1 ? sizeof zstd : sizeof gzip, data + 1, size - 1,
               MMU_TRACE_TEXT, NULL);
    return 0;
}
