/* sim/maps.c: see maps.h; the lines' form: proc_pid_maps(5). */
#include "maps.h"
#include "cli.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A hexadecimal number at *p, which moves behind it. */
static bool hexadecimal(const char **p, const char *end, uint64_t *value)
{
    const char *start = *p;
    for (*value = 0; *p < end && *p - start < 16; ++*p) {
        char c = **p;
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;
        if (digit == 16)
            break;
        *value = *value << 4 | digit;
    }
    return *p > start;
}

static bool expect(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return false;
    ++*p;
    return true;
}

/* Passes over a word and the blanks behind it. */
static void pass_word(const char **p, const char *end)
{
    while (*p < end && **p != ' ')
        ++*p;
    while (*p < end && **p == ' ')
        ++*p;
}

/* START-END RIGHTS OFFSET DEVICE INODE NAME */
static bool parse_line(const char *p, const char *end, struct maps_region *region)
{
    if (!hexadecimal(&p, end, &region->start) || !expect(&p, end, '-') ||
        !hexadecimal(&p, end, &region->end) || !expect(&p, end, ' ') || region->start >= region->end ||
        end - p < 4)
        return false;
    memcpy(region->rights, p, 4);
    if (strspn(region->rights, "rwxps-") != 4)
        return false;
    for (int word = 0; word < 4; word++)
        pass_word(&p, end);
    size_t n = (size_t)(end - p) < sizeof region->name ? (size_t)(end - p) : sizeof region->name - 1;
    memcpy(region->name, p, n);
    region->name[n] = 0;
    return true;
}

static struct maps_region *add(struct maps *maps)
{
    if (maps->n == maps->room) {
        size_t room = maps->room ? 2 * maps->room : 64;
        struct maps_region *region = realloc(maps->region, room * sizeof *region);
        if (!region)
            return NULL;
        maps->region = region;
        maps->room = room;
    }
    maps->region[maps->n] = (struct maps_region){0};
    return &maps->region[maps->n++];
}

int maps_add(struct maps *maps, const char *file, const char *text, size_t n, uint64_t process, bool any)
{
    const char *end = text + n;
    for (unsigned line = 1; text < end; line++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text)), *until = newline ? newline : end;
        if (until > text) {
            struct maps_region *region = add(maps);
            if (!region)
                return cli_error("out of memory");
            region->process = process;
            region->any = any;
            if (!parse_line(text, until, region))
                return cli_error(
                    "%s:%u: '%.*s' is no line of /proc/PID/maps, expected START-END RIGHTS OFFSET "
                    "DEVICE INODE NAME",
                    file, line, (int)(until - text < 60 ? until - text : 60), text);
        }
        text = newline ? newline + 1 : end;
    }
    return CLI_GO;
}

int maps_add_file(struct maps *maps, const char *path)
{
    enum { MOST = 64 << 20 };
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t n = 0, got = 1;
    if (!file)
        return cli_error("%s: cannot open: %s", path, strerror(errno));
    while (got && n <= MOST) { /* files of /proc do not tell their length */
        char *more = realloc(text, n + (1 << 16));
        if (!more)
            break;
        text = more;
        got = fread(text + n, 1, 1 << 16, file);
        n += got;
    }
    int status = CLI_GO;
    if (ferror(file))
        status = cli_error("%s: cannot read: %s", path, strerror(errno));
    else if (got)
        status = cli_error("%s: more than 64 MiB, or out of memory", path);
    else if (!n)
        status = cli_error("%s: the file is empty, expected the text of /proc/PID/maps", path);
    else
        status = maps_add(maps, path, text, n, 0, true);
    fclose(file);
    free(text);
    return status;
}

static int compare(const void *left, const void *right)
{
    const struct maps_region *a = left, *b = right;
    if (a->process != b->process)
        return a->process < b->process ? -1 : 1;
    return a->start < b->start ? -1 : a->start > b->start;
}

void maps_sort(struct maps *maps)
{
    if (maps->n)
        qsort(maps->region, maps->n, sizeof *maps->region, compare);
}

struct maps_region *maps_find(const struct maps *maps, uint64_t process, mmu_va va)
{
    size_t low = 0, high = maps->n;
    if (maps->n && maps->region[0].any)
        process = 0;
    while (low < high) { /* all regions below low begin at or before va */
        size_t middle = low + (high - low) / 2;
        const struct maps_region *region = &maps->region[middle];
        if (region->process < process || (region->process == process && region->start <= va))
            low = middle + 1;
        else
            high = middle;
    }
    struct maps_region *region = low ? &maps->region[low - 1] : NULL;
    return region && region->process == process && va < region->end ? region : NULL;
}

void maps_free(struct maps *maps)
{
    free(maps->region);
    *maps = (struct maps){0};
}
