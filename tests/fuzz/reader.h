/* reader.h: what the fuzzers of other tools' traces share: any bytes as a file, read whole, read again. */
#ifndef FUZZ_READER_H
#define FUZZ_READER_H

#include "fuzz.h"

/* Reads with marks in odd portions, then from the beginning without: both must deliver the same. */
static inline void read_path(const char *path, enum mmu_trace_format format, const char *columns)
{
    const struct mmu_trace_options options = {.format = format, .columns = columns};
    struct mmu_trace_mark marks[MMU_MARKS_LEAST];
    struct mmu_trace_reader *r;
    struct mmu_access a[61];
    struct mmu_error err = {0}, again = {0};
    uint64_t count = 0, sum = 0, count_again = 0, sum_again = 0, turns = 0;
    size_t n_marks = 0;
    int64_t n = mmu_trace_open_with(path, &options, &r, &err), end;

    if (n < 0) {
        check_refusal(n, &err);
        return;
    }
    while ((n = mmu_trace_read_marked(r, a, 1 + turns % 61, marks, MMU_MARKS_LEAST, &n_marks, &err)) > 0 ||
           (!n && n_marks)) {
        require(++turns < 50000000, "no end");
        check_references(a, n);
        check_marks(marks, n_marks, count, count + (uint64_t)n);
        count += (uint64_t)n;
        sum = mmu_trace_checksum(sum, a, (size_t)n);
    }
    if ((end = n) < 0)
        check_refusal(n, &err);
    require(mmu_trace_read(r, a, 61, &again) == end, "another end at the second time");
    require(mmu_trace_seek(r, 0, &again) == MMU_OK, "no way back");
    while ((n = mmu_trace_read(r, a, 60, &again)) > 0) {
        count_again += (uint64_t)n;
        sum_again = mmu_trace_checksum(sum_again, a, (size_t)n);
    }
    require(n == end && count == count_again && sum == sum_again, "another trace at the second time");
    mmu_trace_close(r);
}

/* front and data behind each other, as a file without a name. */
static inline void read_bytes(const void *front, size_t front_size, const void *data, size_t size,
                              enum mmu_trace_format format, const char *columns)
{
    char path[64];
    int fd = memfd_create("trace", MFD_CLOEXEC);

    require(fd >= 0 && write(fd, front, front_size) == (ssize_t)front_size &&
                write(fd, data, size) == (ssize_t)size,
            "the host has no memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_path(path, format, columns);
    close(fd);
}

/* A text, with a comment in front that keeps libarchive out: what that makes of bytes is its own fuzzers'
 * business. */
static inline void read_text(const void *data, size_t size, enum mmu_trace_format format, const char *columns)
{
    char front[600];

    memset(front, '#', sizeof front);
    front[sizeof front - 1] = '\n';
    read_bytes(front, sizeof front, data, size, format, columns);
}

#endif
