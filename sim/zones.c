/* sim/zones.c: `mmusim zones`: the physical memory of a machine's kernel, as Linux prints it. */
#include "kernel.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

static const struct cli_command COMMAND = {
    .name = "zones",
    .usage = "--config MACHINE [--set PATH=VALUE]... [OPTION...]",
    .summary =
        "Boots the machine's kernel and prints its zones in /proc/zoneinfo's words: where they lie, the\n"
        "pages that they have, watermarks, protection, the sizes of the per-CPU lists; then\n"
        "min_free_kbytes and totalreserve_pages. --view prints another of Linux's texts instead.",
    .details =
        "Lines of Linux's texts about what the model has not are left out. What a person should know of the\n"
        "boot (RAM that the kernel cannot reach) goes to standard error, a line each.\n"
        "\n"
        "Examples:\n"
        "  mmusim zones --config pentium3-i386\n"
        "  mmusim zones --config skylake-sp --set os.ram=4G --set os.sysctls.min-free-kbytes=67584\n"
        "  mmusim zones --config pentium4-pae --view buddyinfo",
};

static const char *const views[] = {"zoneinfo",       "buddyinfo", "pagetypeinfo", "meminfo", "iomem",
                                    "unusable_index", NULL};
static const enum mmu_os_view view_of[] = {MMU_VIEW_ZONEINFO, MMU_VIEW_BUDDYINFO, MMU_VIEW_PAGETYPEINFO,
                                           MMU_VIEW_MEMINFO,  MMU_VIEW_IOMEM,     MMU_VIEW_UNUSABLE};

static int print_text(const struct kernel_job *job, unsigned view)
{
    size_t size = mmu_os_view(job->os, view_of[view], NULL, 0) + 1;
    char *text = malloc(size);
    if (!text)
        return cli_error("out of memory");
    mmu_os_view(job->os, view_of[view], text, size);
    fputs(text, job->out.file);
    free(text);
    if (view_of[view] == MMU_VIEW_ZONEINFO) {
        struct mmu_os_totals t;
        mmu_os_totals(job->os, &t);
        fprintf(job->out.file, "min_free_kbytes %" PRIu64 "\ntotalreserve_pages %" PRIu64 "\n",
                t.min_free_kbytes, t.totalreserve);
    }
    return CLI_OK;
}

/* --- JSON --- */

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *counts(const uint64_t *value, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, number(value[i]));
    return array;
}

/* By the name of the zone that was asked for. */
static json_t *protection(const struct mmu_os *os, const struct mmu_os_zone_info *z)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        struct mmu_os_zone_info other;
        mmu_os_zone(os, i, &other);
        if (other.exists)
            json_object_set_new(object, mmu_os_zone_name(i), number(z->protection[i]));
    }
    return object;
}

static json_t *zone(const struct mmu_os *os, const struct mmu_os_zone_info *z)
{
    const struct {
        const char *name;
        uint64_t value;
    } figure[] = {{"start_pfn", z->start_pfn}, {"spanned", z->spanned}, {"present", z->present},
                  {"managed", z->managed},     {"free", z->free},       {"pcp_free", z->pcp_free},
                  {"boost", z->boost},         {"min", z->min},         {"low", z->low},
                  {"high", z->high},           {"promo", z->promo},     {"pcp_high", z->pcp_high},
                  {"pcp_batch", z->pcp_batch}};
    json_t *object = json_object();
    json_object_set_new(object, "name", json_string(mmu_os_zone_name(z->zone)));
    for (size_t i = 0; i < sizeof figure / sizeof figure[0]; i++)
        json_object_set_new(object, figure[i].name, number(figure[i].value));
    json_object_set_new(object, "protection", protection(os, z));
    json_object_set_new(object, "free_blocks", counts(z->free_blocks, MMU_OS_ORDERS));
    return object;
}

static json_t *memory_map(const struct mmu_os *os)
{
    size_t n = mmu_os_memory_map(os, NULL, 0);
    struct mmu_os_memory *range = calloc(n + 1, sizeof *range);
    json_t *array = range ? json_array() : NULL;
    mmu_os_memory_map(os, range, range ? n : 0);
    for (size_t i = 0; range && i < n; i++) {
        const struct mmu_os_memory *r = &range[i];
        const char *in = r->kind == MMU_MEMORY_IGNORED ? NULL : mmu_os_zone_name(r->zone);
        json_array_append_new(array,
                              json_pack("{s:I, s:I, s:s, s:s?}", "start_pfn", (json_int_t)r->start, "end_pfn",
                                        (json_int_t)r->end, "kind", mmu_os_memory_text(r->kind), "zone", in));
    }
    free(range);
    return array;
}

static json_t *notes(const struct mmu_os *os)
{
    json_t *array = json_array();
    const char *note;
    for (size_t i = 0; (note = mmu_os_note(os, i)); i++)
        json_array_append_new(array, json_string(note));
    return array;
}

static int print_json(const struct kernel_job *job)
{
    struct mmu_os_totals t;
    json_t *zones = json_array(), *root = json_object();
    mmu_os_totals(job->os, &t);
    for (unsigned i = 0; i < MMU_ZONES; i++) {
        struct mmu_os_zone_info z;
        mmu_os_zone(job->os, i, &z);
        if (z.exists)
            json_array_append_new(zones, zone(job->os, &z));
    }
    bool failed = json_object_set_new(root, "min_free_kbytes", number(t.min_free_kbytes)) ||
                  json_object_set_new(root, "totalreserve_pages", number(t.totalreserve)) ||
                  json_object_set_new(root, "present", number(t.present)) ||
                  json_object_set_new(root, "managed", number(t.managed)) ||
                  json_object_set_new(root, "ignored", number(t.ignored)) ||
                  json_object_set_new(root, "max_pfn", number(t.max_pfn)) ||
                  json_object_set_new(root, "max_low_pfn", number(t.max_low_pfn)) ||
                  json_object_set_new(root, "mem_map_bytes", number(t.mem_map_bytes)) ||
                  json_object_set_new(root, "notes", notes(job->os)) ||
                  json_object_set_new(root, "zones", zones) ||
                  json_object_set_new(root, "memory_map", memory_map(job->os));
    if (failed) {
        json_decref(root);
        root = NULL;
    }
    return kernel_print_json(job, root);
}

static int print(const struct kernel_job *job, void *ctx)
{
    const unsigned *view = ctx;
    if (job->format == 0)
        return print_text(job, *view);
    if (*view != 0)
        return cli_error("zones: --format json prints the zones; expected no --view %s", views[*view]);
    return print_json(job);
}

int cmd_zones(int argc, char **argv)
{
    struct kernel_job job = {0};
    unsigned view = 0;
    const struct cli_option options[] = {
        KERNEL_OPTIONS(job),
        {.name = "view",
         .type = CLI_CHOICE,
         .into = &view,
         .value = "NAME",
         .help = "zoneinfo (default), buddyinfo, pagetypeinfo, meminfo, iomem or unusable_index",
         .choices = views},
    };
    return kernel_command(&job, &COMMAND, options, sizeof options / sizeof options[0], argc, argv, print,
                          &view);
}
