/*
 * reading.c: how fast each format of a trace is read: references a second, and bytes of the file a second.
 *
 * One synthetic program is written in every format to a temporary folder: that of program.c. The files are
 * plain, so that no decompressor is measured, and stay in the page cache. Each row stands beside the rate of
 * mmusim's binary form, measured in the same run.
 */
#include "bench.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "Usage: bench_reading [--seconds N] [--only TEXT] [--seed N] [--profile FILE]\n"
    "References a second and MB/s of each format's reader, and the ratio to the binary form.\n";

enum { REFERENCES = 1 << 22, BATCH = 4096 };

static struct mmu_access *make_program(uint64_t seed, size_t n)
{
    struct mmu_access *a = malloc(n * sizeof *a);
    struct bench_program program;
    if (!a)
        exit(2);
    bench_program_start(&program, seed);
    bench_program_next(&program, a, n);
    return a;
}

/* ---- one format each: the references a[0..n) as records of a file ---- */

static void put(FILE *file, const void *bytes, size_t n)
{
    if (fwrite(bytes, 1, n, file) != n) {
        perror("cannot write");
        exit(2);
    }
}

/* Records of ChampSim: 64 bytes, or of CloudSuite: 96. */
static void write_instructions(FILE *file, const struct mmu_access *a, size_t n, bool cloudsuite)
{
    const size_t destination = cloudsuite ? 24 : 16, source = cloudsuite ? 56 : 32;
    for (size_t i = 0; i < n;) {
        unsigned char record[96] = {0};
        size_t loads = 0, stores = 0;
        memcpy(record, &a[i++].va, 8);
        for (; i < n && a[i].kind != MMU_FETCH; i++)
            memcpy(a[i].kind == MMU_LOAD ? record + source + 8 * loads++
                                         : record + destination + 8 * stores++,
                   &a[i].va, 8);
        put(file, record, cloudsuite ? 96 : 64);
    }
}

static void write_champsim(FILE *file, const struct mmu_access *a, size_t n)
{
    write_instructions(file, a, n, false);
}

static void write_cloudsuite(FILE *file, const struct mmu_access *a, size_t n)
{
    write_instructions(file, a, n, true);
}

static void put_entry(FILE *file, unsigned type, unsigned size, uint64_t value)
{
    unsigned char entry[12];
    const uint16_t words[2] = {(uint16_t)type, (uint16_t)size};
    memcpy(entry, words, 4);
    memcpy(entry + 4, &value, 8);
    put(file, entry, sizeof entry);
}

/* Version 5, with an encoding before each instruction and a timestamp for each 2000 references. */
static void write_drmemtrace(FILE *file, const struct mmu_access *a, size_t n)
{
    static const unsigned types[MMU_KINDS] = {[MMU_FETCH] = 10, [MMU_LOAD] = 0, [MMU_STORE] = 1};
    put_entry(file, 25, 0, 5);
    put_entry(file, 28, 12, 5);
    put_entry(file, 28, 9, 0x240);
    put_entry(file, 22, 0, 1);
    put_entry(file, 24, 0, 1);
    for (size_t i = 0; i < n; i++) {
        if (i % 2000 == 0) {
            put_entry(file, 28, 2, UINT64_C(13300000000000000) + i);
            put_entry(file, 28, 3, 0);
        }
        if (a[i].kind == MMU_FETCH)
            put_entry(file, 47, a[i].size, 0x9090909090909090);
        put_entry(file, types[a[i].kind], a[i].size, a[i].va);
    }
    put_entry(file, 23, 0, 1);
    put_entry(file, 26, 0, 0);
}

static void write_din(FILE *file, const struct mmu_access *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(file, "%c %" PRIx64 "\n", "201"[a[i].kind], a[i].va);
}

static void write_pinatrace(FILE *file, const struct mmu_access *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].kind != MMU_FETCH)
            fprintf(file, "0x401b40: %c 0x%" PRIx64 "\n", a[i].kind == MMU_LOAD ? 'R' : 'W', a[i].va);
    fputs("#eof\n", file);
}

static void write_columns(FILE *file, const struct mmu_access *a, size_t n)
{
    fputs("address,type,size\n", file);
    for (size_t i = 0; i < n; i++)
        fprintf(file, "0x%" PRIx64 ",%c,%u\n", a[i].va, "IRW"[a[i].kind], a[i].size);
}

static const struct row {
    enum mmu_trace_format format;
    void (*write)(FILE *file, const struct mmu_access *a, size_t n); /* NULL: the library writes it */
} rows[] = {
    {MMU_TRACE_BINARY, NULL},
    {MMU_TRACE_TEXT, NULL},
    {MMU_TRACE_CHAMPSIM, write_champsim},
    {MMU_TRACE_CLOUDSUITE, write_cloudsuite},
    {MMU_TRACE_DRMEMTRACE, write_drmemtrace},
    {MMU_TRACE_DIN, write_din},
    {MMU_TRACE_PINATRACE, write_pinatrace},
    {MMU_TRACE_COLUMNS, write_columns},
};

static void write_file(const struct row *row, const char *path, const struct mmu_access *a, size_t n)
{
    struct mmu_trace_writer *writer;
    struct mmu_error err;
    FILE *file;
    if (!row->write) {
        if (mmu_trace_create(path, row->format, "bench_reading", &writer, &err) ||
            mmu_trace_write(writer, a, n, &err) || mmu_trace_finish(writer, &err))
            bench_fail(&err);
        return;
    }
    if (!(file = fopen(path, "wb"))) {
        perror(path);
        exit(2);
    }
    row->write(file, a, n);
    if (fclose(file)) {
        perror(path);
        exit(2);
    }
}

/* Reads the file once; returns references. */
static uint64_t read_file(const char *path, enum mmu_trace_format format)
{
    struct mmu_access a[BATCH];
    struct mmu_trace_reader *reader;
    struct mmu_error err;
    uint64_t total = 0;
    int64_t n;
    if (mmu_trace_open(path, format, &reader, &err))
        bench_fail(&err);
    while ((n = mmu_trace_read(reader, a, BATCH, &err)) > 0)
        total += (uint64_t)n;
    if (n < 0)
        bench_fail(&err);
    mmu_trace_close(reader);
    return total;
}

/* Prints a row; returns references a second. */
static double measure(const struct bench_options *o, const struct row *row, const char *path, double binary)
{
    const char *name = mmu_trace_format_name((int)row->format);
    struct stat st;
    double begin, elapsed, rate;
    uint64_t references = 0, passes = 0;
    if (stat(path, &st)) {
        perror(path);
        exit(2);
    }
    bench_profile_begin(o);
    begin = bench_now();
    do {
        references += read_file(path, row->format);
        passes++;
        elapsed = bench_now() - begin;
    } while (elapsed < o->seconds);
    bench_profile_end(o);
    rate = (double)references / elapsed;
    printf("%-12s %10.1f %12.2f %14.1f %10.1f ", name, (double)st.st_size * 1e-6,
           (double)st.st_size * (double)passes / (double)references, rate * 1e-6,
           (double)st.st_size * (double)passes / elapsed * 1e-6);
    binary > 0 ? printf("%8.3f\n", rate / binary) : printf("%8.3f\n", 1.0);
    fflush(stdout);
    return rate;
}

int main(int argc, char **argv)
{
    char folder[] = P_tmpdir "/bench_reading.XXXXXX", path[sizeof folder + 16];
    struct bench_options o;
    struct mmu_access *a;
    double binary = 0;
    bench_parse(&o, argc, argv, usage);
    if (!mkdtemp(folder)) {
        perror(folder);
        return 2;
    }
    a = make_program(o.seed, REFERENCES);
    printf("reading traces, seed %" PRIu64 ", version %s\n", o.seed, MMU_VERSION);
    printf("%-12s %10s %12s %14s %10s %8s\n", "format", "file MB", "bytes/ref", "million refs/s", "MB/s",
           "ratio");
    snprintf(path, sizeof path, "%s/trace", folder);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        if (i && o.only && !strstr(mmu_trace_format_name((int)row->format), o.only))
            continue;
        write_file(row, path, a, REFERENCES);
        double rate = measure(&o, row, path, binary);
        binary = i ? binary : rate;
        unlink(path);
    }
    rmdir(folder);
    free(a);
    return 0;
}
