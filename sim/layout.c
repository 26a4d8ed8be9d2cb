/* sim/layout.c: `mmusim layout`: the map of a machine's address space. */
#include "kernel.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_command COMMAND = {
    .name = "layout",
    .usage = "--config MACHINE [--set PATH=VALUE]... [OPTION...]",
    .summary =
        "Prints the map of the address space below the machine's kernel, from address 0 to the top: each\n"
        "region's start, end (its last byte), size and what it is; parts of a region are indented below\n"
        "it. Then the constants behind it, under the names that Linux's headers give them.",
    .details = "Examples:\n"
               "  mmusim layout --config pentium3-i386\n"
               "  mmusim layout --config pentium3-i386 --set os.split=2G/2G --set os.layout=classic\n"
               "  mmusim layout --config skylake-sp --set os.ram=4G --format json",
};

static struct mmu_os_region *regions(const struct kernel_job *job, size_t *n)
{
    *n = mmu_os_layout(job->os, NULL, 0);
    struct mmu_os_region *region = calloc(*n + 1, sizeof *region);
    mmu_os_layout(job->os, region, region ? *n : 0);
    return region;
}

/* A size as a person reads it: whole units where it is a multiple, else two decimals. 0: 2^64 bytes. */
static const char *size_text(uint64_t size, char text[24])
{
    static const char *const unit[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
    unsigned u = 0;
    double rest = size ? (double)size : 18446744073709551616.0;
    while (u < 6 && rest >= 1024) {
        rest /= 1024;
        u++;
    }
    if (rest == (double)(uint64_t)rest)
        snprintf(text, 24, "%.0f %s", rest, unit[u]);
    else
        snprintf(text, 24, "%.2f %s", rest, unit[u]);
    return text;
}

/* --- text --- */

struct lines {
    FILE *out;
    int digits;
};

static void print_constant(void *ctx, const char *name, uint64_t value)
{
    const struct lines *l = ctx;
    fprintf(l->out, "%-34s = 0x%" PRIx64 "\n", name, value);
}

static int print_text(const struct kernel_job *job)
{
    size_t n;
    char size[24];
    struct mmu_os_region *region = regions(job, &n);
    if (!region)
        return cli_error("out of memory");
    struct lines l = {job->out.file, region[n - 1].last >> 32 ? 16 : 8};
    fprintf(l.out, "%-*s  %-*s  %10s  %s\n", l.digits, "start", l.digits, "end", "size", "what it is");
    for (size_t i = 0; i < n; i++) {
        const struct mmu_os_region *r = &region[i];
        fprintf(l.out, "%0*" PRIx64 "  %0*" PRIx64 "  %10s  %s%s: %s\n", l.digits, r->start, l.digits,
                r->last, size_text(r->last - r->start + 1, size), r->inside ? "  " : "", r->name, r->text);
    }
    putc('\n', l.out);
    mmu_os_constants(job->os, print_constant, &l);
    free(region);
    return CLI_OK;
}

/* --- JSON: addresses are hexadecimal strings, because JSON numbers do not hold 64 bits --- */

static json_t *hex(uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "0x%" PRIx64, value);
    return json_string(text);
}

static void add_constant(void *ctx, const char *name, uint64_t value)
{
    json_object_set_new(ctx, name, hex(value));
}

static int print_json(const struct kernel_job *job)
{
    size_t n;
    struct mmu_os_region *region = regions(job, &n);
    json_t *array = json_array(), *constants = json_object();
    for (size_t i = 0; region && i < n; i++)
        json_array_append_new(
            array, json_pack("{s:o, s:o, s:o, s:s, s:s, s:b}", "start", hex(region[i].start), "end",
                             hex(region[i].last), "size", hex(region[i].last - region[i].start + 1), "name",
                             region[i].name, "text", region[i].text, "inside", (int)region[i].inside));
    mmu_os_constants(job->os, add_constant, constants);
    json_t *root = json_pack("{s:o, s:o}", "regions", array, "constants", constants);
    if (!region) {
        json_decref(root);
        root = NULL;
    }
    free(region);
    return kernel_print_json(job, root);
}

static int print(const struct kernel_job *job, void *ctx)
{
    (void)ctx;
    return job->format ? print_json(job) : print_text(job);
}

int cmd_layout(int argc, char **argv)
{
    struct kernel_job job = {0};
    const struct cli_option options[] = {KERNEL_OPTIONS(job)};
    return kernel_command(&job, &COMMAND, options, sizeof options / sizeof options[0], argc, argv, print,
                          NULL);
}
