/*
 * fuzz_trace.c: any bytes as a trace. The first byte says how the rest is taken: as a binary trace, as one
 * whose checksums are made right, as text, or as the streams of one block. Whatever is delivered is a
 * possible reference; a refusal has one clear line.
 *
 * What libarchive makes of bytes is its own fuzzers' business: text gets a line in front that keeps it out.
 */
#define _GNU_SOURCE
#include "block.h"
#include "trace_sign.h"

#include <mmusim/trace.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "fuzz_trace: %s\n", what);
        abort();
    }
}

static void check_references(const struct mmu_access *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        require(a[i].size >= 1 && a[i].size <= 4096, "a size of none");
        require(a[i].va + (a[i].size - 1u) >= a[i].va, "a reference beyond 2^64");
        require(MMU_KIND_OF(a[i].kind) < MMU_KINDS && MMU_PRIV_OF(a[i].kind) < MMU_PRIVS, "a kind of none");
        require(a[i].flags <= (MMU_AF_FOLLOWS | MMU_AF_GAP), "a flag of none");
        require(a[i].kind != MMU_KIND_PRIV(MMU_FETCH, MMU_IMPLICIT), "an implicit fetch");
    }
}

static void check_refusal(int64_t code, const struct mmu_error *err)
{
    require(code == err->code && code < 0, "an error without a code");
    require(*err->message && !strchr(err->message, '\n'), "an error without one clear line");
}

/* Reads the file whole, then from a place in the middle: both must deliver the same. */
static void read_file(const char *path, enum mmu_trace_format format)
{
    struct mmu_trace_reader *r;
    struct mmu_access block[100], again;
    struct mmu_error err = {0};
    struct mmu_access middle = {0};
    uint64_t count = 0, at = 0;
    int64_t n = mmu_trace_open(path, format, &r, &err);

    if (n < 0) {
        check_refusal(n, &err);
        return;
    }
    while (count < 10000000 && (n = mmu_trace_read(r, block, 100, &err)) > 0) {
        check_references(block, n);
        count += (uint64_t)n;
        if (count % 3) {
            middle = block[n - 1];
            at = count;
        }
    }
    if (n < 0)
        check_refusal(n, &err);
    if (at) {
        require(mmu_trace_seek(r, at - 1, &err) == MMU_OK && mmu_trace_read(r, &again, 1, &err) == 1,
                "what was read cannot be sought");
        require(!memcmp(&again, &middle, sizeof again), "seeking gives another reference than reading");
    }
    mmu_trace_close(r);
}

static void as_file(const void *front, size_t front_size, const uint8_t *data, size_t size, bool sign,
                    enum mmu_trace_format format)
{
    char path[64];
    int fd = memfd_create("trace", MFD_CLOEXEC);
    unsigned char *bytes = malloc(front_size + size + 1);

    require(fd >= 0 && bytes, "the host has no memory");
    memcpy(bytes, front, front_size);
    memcpy(bytes + front_size, data, size);
    if (sign)
        trace_sign(bytes, front_size + size);
    require(write(fd, bytes, front_size + size) == (ssize_t)(front_size + size), "the host has no memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_file(path, format);
    close(fd);
    free(bytes);
}

/* Two bytes of tokens, one of attribute, then the lengths of four streams; the fifth has the rest. */
static void as_block(const uint8_t *data, size_t size)
{
    struct block_decoder d;
    struct mmu_access to[333];
    uint8_t *streams[MMT_STREAMS];
    size_t at = 11, total = 0;
    int64_t n;

    if (size < at)
        return;
    for (size_t s = 0; s < MMT_STREAMS; s++) {
        size_t left = size - at,
               length = s == MMT_STREAMS - 1 ? left : (size_t)(data[3 + 2 * s] | data[4 + 2 * s] << 8);
        length = length < left ? length : left;
        streams[s] = calloc(1, length + BLOCK_SLACK);
        require(streams[s], "the host has no memory");
        memcpy(streams[s], data + at, length);
        d.streams[s] = (struct block_stream){streams[s], streams[s] + length};
        at += length;
    }
    if (block_decode_begin(&d, (uint32_t)(data[0] | data[1] << 8),
                           data[2] == 255 ? MMT_ATTRIBUTE_VARIES : data[2]))
        while ((n = block_decode(&d, to, 333)) > 0) {
            check_references(to, n);
            total += (size_t)n;
        }
    require(total <= 2 * 65536, "more references than tokens can be");
    for (int s = 0; s < MMT_STREAMS; s++)
        free(streams[s]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char front[600]; /* a comment */

    if (!size)
        return 0;
    memset(front, '#', sizeof front);
    front[sizeof front - 1] = '\n';
    switch (data[0] % 4) {
    case 0:
        as_file(MMT_MAGIC, MMT_MAGIC_LENGTH, data + 1, size - 1, false, MMU_TRACE_AUTO);
        break;
    case 1:
        as_file(MMT_MAGIC, MMT_MAGIC_LENGTH, data + 1, size - 1, true, MMU_TRACE_AUTO);
        break;
    case 2:
        as_file(front, sizeof front, data + 1, size - 1, false, MMU_TRACE_TEXT);
        break;
    case 3:
        as_block(data + 1, size - 1);
        break;
    }
    return 0;
}

#ifndef __clang__
/* Without libFuzzer: the files named on the command line. */
int main(int argc, char **argv)
{
    static uint8_t bytes[1 << 20];
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        require(file != NULL, argv[i]);
        LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof bytes, file));
        fclose(file);
    }
    return 0;
}
#endif
