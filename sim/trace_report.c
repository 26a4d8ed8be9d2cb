/* sim/trace_report.c: how the parts of mmusim trace print what they found (see trace_file.h). */
#include "trace_file.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

const char *const trace_report_words[] = {"text", "json", "csv", NULL};

json_t *trace_integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

json_t *trace_hex(uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%#" PRIx64, value);
    return json_string(text);
}

void trace_print_bytes(FILE *out, uint64_t bytes)
{
    static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double x = (double)bytes;
    int unit = 0;
    for (; x >= 1024 && unit < 6; unit++)
        x /= 1024;
    fprintf(out, unit ? "%.1f %s" : "%.0f %s", x, UNITS[unit]);
}

/* A field of CSV: quoted if it must be. */
static void print_field(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\n\r")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++)
        fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
    fputc('"', out);
}

static void print_value(FILE *out, const char *path, const json_t *value)
{
    print_field(out, path);
    fputc(',', out);
    if (json_is_string(value))
        print_field(out, json_string_value(value));
    else if (json_is_integer(value))
        fprintf(out, "%" PRIu64, (uint64_t)json_integer_value(value));
    else if (json_is_real(value))
        fprintf(out, "%.6g", json_real_value(value));
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "true" : "false", out);
    fputc('\n', out);
}

static void print_flat(FILE *out, const char *path, const json_t *value)
{
    char longer[512];
    if (json_is_object(value)) {
        for (void *at = json_object_iter((json_t *)value); at;
             at = json_object_iter_next((json_t *)value, at)) {
            snprintf(longer, sizeof longer, "%s%s%s", path, *path ? "." : "", json_object_iter_key(at));
            print_flat(out, longer, json_object_iter_value(at));
        }
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            const json_t *one = json_array_get(value, i);
            const char *name = json_string_value(json_object_get(one, "name"));
            if (name)
                snprintf(longer, sizeof longer, "%s[%s]", path, name);
            else
                snprintf(longer, sizeof longer, "%s[%zu]", path, i);
            print_flat(out, longer, one);
        }
    } else {
        print_value(out, path, value);
    }
}

bool trace_print_json(FILE *out, const json_t *root, enum trace_report how)
{
    if (!root)
        return false;
    if (how == TRACE_CSV_REPORT) {
        fputs("path,value\n", out);
        print_flat(out, "", root);
        return true;
    }
    json_dumpf(root, out, JSON_INDENT(2));
    fputc('\n', out);
    return true;
}
