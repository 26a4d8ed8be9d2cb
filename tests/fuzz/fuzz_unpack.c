/* fuzz_unpack.c: any bytes as a packed trace, of gzip, zstd or xz: what can be unpacked is read as text. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        unsigned char bytes[6];
        size_t n;
    } begins[] = {{{0x1f, 0x8b}, 2}, {{0x28, 0xb5, 0x2f, 0xfd}, 4}, {{0xfd, '7', 'z', 'X', 'Z', 0}, 6}};

    if (size < 1)
        return 0;
    read_bytes(begins[data[0] % 3].bytes, begins[data[0] % 3].n, data + 1, size - 1, MMU_TRACE_TEXT, NULL);
    return 0;
}
