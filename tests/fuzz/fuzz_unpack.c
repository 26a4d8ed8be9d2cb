/* fuzz_unpack.c: any bytes as a packed trace, of gzip, zstd, xz or lzma: what can be unpacked is read as
 * text. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        unsigned char bytes[13];
        size_t n;
    } begins[] = {{{0x1f, 0x8b}, 2},
                  {{0x28, 0xb5, 0x2f, 0xfd}, 4},
                  {{0xfd, '7', 'z', 'X', 'Z', 0}, 6},
                  {{0x5d, 0, 0, 0x80, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 13}};

    if (size < 1)
        return 0;
    read_bytes(begins[data[0] % 4].bytes, begins[data[0] % 4].n, data + 1, size - 1, MMU_TRACE_TEXT, NULL);
    return 0;
}
