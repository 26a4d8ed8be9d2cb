/* trace_files.h: what the tests of traces share: a scratch folder, files in it, references at random, whole
 * reads. */
#ifndef TESTS_TRACE_FILES_H
#define TESTS_TRACE_FILES_H

#include "rng.h"

#include <mmusim/trace.h>

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The scratch folder of this process, and paths in it. */
static char scratch[64];

static const char *in_scratch(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

static int make_scratch(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "%s/mmusim-test.XXXXXX",
             access("/dev/shm", W_OK) ? P_tmpdir : "/dev/shm");
    return mkdtemp(scratch) ? 0 : -1;
}

/* How many files the scratch folder holds; remove: deletes them. */
static unsigned scratch_files(bool delete)
{
    DIR *folder = opendir(scratch);
    unsigned n = 0;

    assert_non_null(folder);
    for (struct dirent *e; (e = readdir(folder));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        n++;
        if (delete &&remove(in_scratch(e->d_name)))
            n += 1000;
    }
    closedir(folder);
    return n;
}

static int drop_scratch(void **state)
{
    (void)state;
    scratch_files(true);
    return rmdir(scratch);
}

static inline void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static inline void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

/* The whole file, freed by the caller. */
static inline unsigned char *read_bytes(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes;
    long size;

    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    bytes = malloc((size_t)size + 1);
    assert_non_null(bytes);
    *n = fread(bytes, 1, (size_t)size, file);
    assert_int_equal(*n, size);
    fclose(file);
    return bytes;
}

/* MMUSIM_SEED, or always the same: CI judges a change, not its luck. Who digs gives seeds. */
static inline uint64_t test_seed(void)
{
    const char *given = getenv("MMUSIM_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 1;

    print_message("MMUSIM_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* Any valid reference. wild: all kinds of privileges, flags and sizes; else what Lackey would record. */
static inline struct mmu_access random_access(struct rng *r, bool wild, const struct mmu_access *before)
{
    static const uint16_t sizes[] = {1, 2, 4, 8, 16, 32, 10, 6};
    struct mmu_access a = {0};
    unsigned kind = rng_below(r, MMU_KINDS), priv = wild ? rng_below(r, MMU_PRIVS) : 0;

    if (kind == MMU_FETCH && priv == MMU_IMPLICIT)
        priv = MMU_SUPERVISOR;
    a.kind = MMU_KIND_PRIV(kind, priv);
    a.size = kind == MMU_FETCH ? (uint16_t)(1 + rng_below(r, 15)) : sizes[rng_below(r, 8)];
    if (wild && rng_below(r, 4) == 0)
        a.size = (uint16_t)(1 + rng_below(r, 4096));
    a.va = before->va + before->size;
    if (rng_below(r, 3) == 0)
        a.va = rng_next(r) >> rng_below(r, 64);
    else if (rng_below(r, 2))
        a.va += rng_below(r, 4096);
    if (a.va + (a.size - 1u) < a.va)
        a.va = UINT64_MAX - (a.size - 1u);
    if (wild && rng_below(r, 3) == 0)
        a.flags |= MMU_AF_FOLLOWS;
    if (wild && rng_below(r, 5) == 0) {
        a.flags |= MMU_AF_GAP;
        a.gap = (uint32_t)(rng_next(r) >> rng_below(r, 33) >> 32);
    }
    if (rng_below(r, 8) == 0 && MMU_KIND_OF(before->kind) == MMU_LOAD) { /* the second half of a modify */
        a = *before;
        a.kind = MMU_KIND_PRIV(MMU_STORE, MMU_PRIV_OF(before->kind));
        a.flags = MMU_AF_FOLLOWS;
        a.gap = 0;
    }
    return a;
}

static inline struct mmu_access *random_accesses(struct rng *r, bool wild, size_t n)
{
    struct mmu_access *a = calloc(n + 1, sizeof *a);

    assert_non_null(a);
    a[0] = random_access(r, wild, &(struct mmu_access){.va = 0x401000});
    for (size_t i = 1; i < n; i++)
        a[i] = random_access(r, wild, a + i - 1);
    return a;
}

static inline void fail_error(const struct mmu_error *err)
{
    char line[1024];

    fail_msg("%s", mmu_error_format(err, line, sizeof line));
}

static inline void write_trace(const char *path, enum mmu_trace_format format, const struct mmu_access *a,
                               size_t n)
{
    struct mmu_trace_writer *w;
    struct mmu_error err;

    if (mmu_trace_create(path, format, "made by a test", &w, &err) || mmu_trace_write(w, a, n, &err) ||
        mmu_trace_finish(w, &err))
        fail_error(&err);
}

/*
 * Reads everything in steps of `step`. Returns the references, freed by the caller; *n how many; *code how it
 * ended. Opening may fail too: then *n is 0 and NULL is returned.
 */
static inline struct mmu_access *read_trace_as(const char *path, enum mmu_trace_format format, size_t step,
                                               size_t *n, int *code, struct mmu_error *err)
{
    struct mmu_trace_reader *r = NULL;
    struct mmu_access *a = NULL;
    size_t room = 0;
    int64_t got = 0;

    memset(err, 0, sizeof *err);
    *n = 0;
    *code = mmu_trace_open(path, format, &r, err);
    if (*code)
        return NULL;
    do {
        *n += (size_t)got;
        if (room - *n < step) {
            room = room * 2 + step;
            a = realloc(a, room * sizeof *a);
            assert_non_null(a);
        }
        got = mmu_trace_read(r, a + *n, step, err);
        assert_true(got <= (int64_t)step);
    } while (got > 0);
    *code = (int)got;
    if (got < 0) /* a failure sticks */
        assert_int_equal(mmu_trace_read(r, a, 1, NULL), got);
    mmu_trace_close(r);
    return a;
}

static inline struct mmu_access *read_trace(const char *path, size_t step, size_t *n, int *code,
                                            struct mmu_error *err)
{
    return read_trace_as(path, MMU_TRACE_AUTO, step, n, code, err);
}

static inline void assert_same(const struct mmu_access *a, const struct mmu_access *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a))
            fail_msg("reference %zu: va %llx size %u kind %x flags %x gap %u, expected va %llx size %u kind "
                     "%x flags %x gap %u",
                     i, (unsigned long long)a[i].va, a[i].size, a[i].kind, a[i].flags, a[i].gap,
                     (unsigned long long)b[i].va, b[i].size, b[i].kind, b[i].flags, b[i].gap);
}

/* The file reads whole and without complaint as these n references. */
static inline void assert_trace(const char *path, size_t step, const struct mmu_access *expected, size_t n)
{
    struct mmu_error err;
    size_t got;
    int code;
    struct mmu_access *a = read_trace(path, step, &got, &code, &err);

    if (code)
        fail_error(&err);
    assert_int_equal(got, n);
    assert_same(a, expected, n);
    free(a);
}

/* The file delivers n references and then this error, formatted, or its begin. The file's path in it is cut
 * off. */
static inline void assert_refused_as(const char *path, enum mmu_trace_format format, int64_t n, int code,
                                     const char *message)
{
    struct mmu_error err;
    char line[1024], *text = line;
    size_t got;
    int actual;

    free(read_trace_as(path, format, 100, &got, &actual, &err));
    mmu_error_format(&err, line, sizeof line);
    if (!strncmp(line, path, strlen(path)))
        text += strlen(path);
    if (strncmp(text, message, strlen(message)))
        fail_msg("got \"%s\", expected \"%s\"", text, message);
    assert_int_equal(actual, code);
    assert_int_equal(err.code, code);
    if (n >= 0)
        assert_int_equal(got, n);
}

static inline void assert_refused(const char *path, int64_t n, int code, const char *message)
{
    assert_refused_as(path, MMU_TRACE_AUTO, n, code, message);
}

#endif
