/* fuzz.h: what the fuzzers of traces demand of what they are given: each reference, mark and refusal must be
 * possible. Without libFuzzer, a main() for the files named on the command line. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#define _GNU_SOURCE
#include <mmusim/trace.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "fuzz: %s\n", what);
        abort();
    }
}

static inline void check_references(const struct mmu_access *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        require(a[i].size >= 1 && a[i].size <= 4096, "a size of none");
        require(a[i].va + (a[i].size - 1u) >= a[i].va, "a reference beyond 2^64");
        require(MMU_KIND_OF(a[i].kind) < MMU_KINDS && MMU_PRIV_OF(a[i].kind) < MMU_PRIVS, "a kind of none");
        require(a[i].flags <= (MMU_AF_FOLLOWS | MMU_AF_GAP), "a flag of none");
        require(a[i].flags & MMU_AF_GAP || !a[i].gap, "a gap that is none");
        require(a[i].kind != MMU_KIND_PRIV(MMU_FETCH, MMU_IMPLICIT), "an implicit fetch");
    }
}

static inline void check_marks(const struct mmu_trace_mark *m, size_t n, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < n; i++) {
        size_t length = strnlen(m[i].text, MMU_MARK_TEXT);
        require(m[i].at >= from && m[i].at <= to && (!i || m[i].at >= m[i - 1].at), "a mark at no place");
        require(m[i].kind < MMU_MARK_KINDS, "a mark of no kind");
        require((m[i].kind == MMU_MARK_EVENT) == (length > 0) && length < MMU_MARK_TEXT, "a text of none");
        for (size_t c = 0; c < length; c++)
            require((unsigned char)m[i].text[c] >= ' ' && m[i].text[c] != 127, "a text that is no line");
    }
}

static inline void check_refusal(int64_t code, const struct mmu_error *err)
{
    require(code == err->code && code < 0, "an error without a code");
    require(*err->message && !strchr(err->message, '\n'), "an error without one clear line");
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

#endif
