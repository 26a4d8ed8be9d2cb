/*
 * fuzz_drmemtrace.c: any bytes as DynamoRIO's entries behind a header: one file, or, if the first byte is
 * odd, a folder of two, cut where the second byte says.
 */
#include "reader.h"

#include <sys/stat.h>

static const unsigned char header[12] = {25, 0, 0, 0, 5};

static void write_file(const char *folder, const char *name, size_t front, const uint8_t *data, size_t size)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "wb");
    require(file && fwrite(header, 1, front, file) == front && fwrite(data, 1, size, file) == size &&
                fclose(file) == 0,
            "the host has no memory");
}

static void drop_file(const char *folder, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static void as_folder(size_t front, const uint8_t *data, size_t size, size_t first)
{
    char folder[] = "/dev/shm/fuzz_drmemtrace.XXXXXX";

    require(mkdtemp(folder) != NULL, "the host has no memory");
    write_file(folder, "1.trace.gz", front, data, first);
    write_file(folder, "2", front, data + first, size - first);
    read_path(folder, MMU_TRACE_DRMEMTRACE, NULL);
    drop_file(folder, "1.trace.gz");
    drop_file(folder, "2");
    rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t front = size && data[0] & 2 ? 8 : 12;

    if (size < 2)
        return 0;
    if (data[0] & 1) {
        size_t first = 12u * data[1];
        as_folder(front, data + 2, size - 2, first < size - 2 ? first : size - 2);
    } else {
        read_bytes(header, front, data + 2, size - 2, MMU_TRACE_DRMEMTRACE, NULL);
    }
    return 0;
}
