/*
 * fuzz/image.c: any bytes as a memory image: refused with a message, or readable everywhere.
 *
 * Packed inputs are left to libarchive's own fuzzers: what unpacks to gigabytes would only be slow.
 */
#define _GNU_SOURCE
#include <mmusim/walk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_everywhere(struct mmu_image *image)
{
    struct mmu_memory_ops ops;
    uint64_t value;
    mmu_image_memory(image, &ops);
    for (unsigned bit = 0; bit < 64; bit++)
        for (mmu_pa pa = (UINT64_C(1) << bit) - 9; pa != (UINT64_C(1) << bit) + 9; pa++)
            if (ops.read(ops.ctx, pa, 8, &value) && !ops.compare_exchange(ops.ctx, pa, 8, value, value))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || memcmp(data, "\177ELF", 4) != 0)
        return 0;
    char path[32];
    int fd = memfd_create("image", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct mmu_image *image;
    struct mmu_error err;
    int status = mmu_image_open(path, 0, &image, &err);
    if (status ? !err.message[0] : !mmu_image_bytes(image))
        abort();
    if (!status) {
        read_everywhere(image);
        mmu_image_close(image);
    }
    close(fd);
    return 0;
}
