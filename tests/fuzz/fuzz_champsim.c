/*
 * fuzz_champsim.c: any bytes as records of ChampSim, or, if the first byte is odd, of CloudSuite. Records
 * that can be stand in front: what begins with none goes to libarchive, which has its own fuzzers.
 */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char front[64 * 96] = {0};
    const size_t record = size && data[0] & 1 ? 96 : 64, n = 64;

    if (!size)
        return 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t ip = 0x401000 + 4 * i;
        memcpy(front + i * record, &ip, sizeof ip);
    }
    read_bytes(front, n * record, data + 1, size - 1,
               record == 96 ? MMU_TRACE_CLOUDSUITE : MMU_TRACE_CHAMPSIM, NULL);
    return 0;
}
