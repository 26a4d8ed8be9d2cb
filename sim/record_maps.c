/* sim/record_maps.c: see record_maps.h. */
#define _GNU_SOURCE
#include "record_maps.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Where the tools' own memory is, in their address space. Linux places programs, and so QEMU itself, at two
 * thirds of the user's half, and what they map above; what QEMU maps for its program lies below. Valgrind's
 * tools are linked at 0x58000000; its memory is between 64 GiB and its program's stack. */
static const struct {
    enum record_host host;
    mmu_va start, end;
} OWN[] = {{RECORD_UNDER_QEMU, 0x555555554000, 0x800000000000},
           {RECORD_UNDER_VALGRIND, 0x58000000, 0x5a000000},
           {RECORD_UNDER_VALGRIND, 0x1000000000, 0x1f00000000},
           {RECORD_UNDER_VALGRIND, 0x7f0000000000, 0x800000000000}};

enum { READ = 1, WRITE = 2, EXECUTE = 4 }; /* PROT_READ and so on */

/* [start, end), pages. Of a space: in ascending order, none overlaps another. */
struct region {
    mmu_va start, end;
    unsigned protection;
    bool is_private;
    uint64_t offset;
    char *rest; /* device, inode and path, as in the text; NULL: anonymous */
};

struct space {
    uint64_t process;
    struct region *region;
    size_t n, room;
    mmu_va brk_first, brk_last; /* 0: not known */
    mmu_va stack;               /* an address in it; 0: not known */
    char *text;                 /* of a look, in parts */
    size_t text_size;
};

struct record_maps {
    enum record_host host;
    bool failed;
    struct space *space;
    size_t n;
};

static struct space *find_space(struct record_maps *m, uint64_t process)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->space[i].process == process)
            return &m->space[i];
    struct space *space = realloc(m->space, (m->n + 1) * sizeof *space);
    if (!space) {
        m->failed = true;
        return NULL;
    }
    m->space = space;
    space[m->n] = (struct space){.process = process};
    return &space[m->n++];
}

/* ---- regions ---- */

static bool make_room(struct space *s)
{
    if (s->n + 2 <= s->room)
        return true;
    size_t room = s->room ? 2 * s->room : 32;
    struct region *region = realloc(s->region, room * sizeof *region);
    if (!region)
        return false;
    s->region = region;
    s->room = room;
    return true;
}

static void insert(struct space *s, size_t at, const struct region *r)
{
    memmove(s->region + at + 1, s->region + at, (s->n - at) * sizeof *r);
    s->region[at] = *r;
    s->n++;
}

static void drop(struct space *s, size_t at)
{
    free(s->region[at].rest);
    memmove(s->region + at, s->region + at + 1, (--s->n - at) * sizeof *s->region);
}

/* A region's part from `at` on becomes one of its own, behind it. */
static bool split(struct space *s, size_t i, mmu_va at)
{
    if (!make_room(s))
        return false;
    struct region upper = s->region[i];
    if (upper.rest && !(upper.rest = strdup(upper.rest)))
        return false;
    upper.offset += upper.rest ? at - upper.start : 0;
    upper.start = at;
    s->region[i].end = at;
    insert(s, i + 1, &upper);
    return true;
}

/* No region crosses `at` afterwards. */
static bool cut(struct space *s, mmu_va at)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->region[i].start < at && at < s->region[i].end)
            return split(s, i, at);
    return true;
}

/* r takes its place, and its rest is owned by the space then. */
static bool cover(struct space *s, const struct region *r)
{
    size_t at = 0;
    if (r->start >= r->end || !cut(s, r->start) || !cut(s, r->end) || !make_room(s))
        return false;
    while (at < s->n && s->region[at].start < r->start)
        at++;
    while (at < s->n && s->region[at].start < r->end)
        drop(s, at);
    insert(s, at, r);
    return true;
}

/* ---- the text of a look ---- */

/* "START-END PERM OFFSET DEVICE INODE PATH" without its newline. False: no such line. */
static bool parse(const char *line, struct region *r, const char **rest)
{
    char protection[5];
    int length = 0;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %n", &r->start, &r->end, protection, &r->offset,
               &length) < 4 ||
        !length)
        return false;
    r->protection = (protection[0] == 'r' ? READ : 0) | (protection[1] == 'w' ? WRITE : 0) |
                    (protection[2] == 'x' ? EXECUTE : 0);
    r->is_private = protection[3] == 'p';
    *rest = line + length;
    return r->start < r->end;
}

/* A place that nothing of the program is in: the tool's own, the kernel's, or what is only kept free. */
static bool is_foreign(const struct record_maps *m, struct region *r, const char *rest, uint64_t base)
{
    bool anonymous = !strncmp(rest, "00:00 0", 7);
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++)
        if (OWN[i].host == m->host && r->start >= OWN[i].start && r->start < OWN[i].end)
            return true;
    if (r->start < base || r->start >> 63 || (anonymous && !r->protection))
        return true;
    r->start -= base;
    r->end -= base;
    return false;
}

/* A part [r->start, end) of a line's region, whose protection may be known better than by the line: QEMU's
 * process has no right to execute its program's code. */
static void take_part(struct record_maps *m, struct space *s, const struct region *r, mmu_va start,
                      mmu_va end, unsigned known, const char *rest)
{
    struct region part = *r;
    part.start = start;
    part.end = end;
    part.offset += start - r->start;
    part.protection |= known & EXECUTE;
    if (strncmp(rest, "00:00 0", 7) || strchr(rest, '/'))
        part.rest = strdup(rest);
    if (!cover(s, &part)) {
        free(part.rest);
        m->failed = true;
    }
}

/* The first region that ends behind `at`; s->n: none. */
static size_t find_region(const struct space *s, mmu_va at)
{
    size_t i = 0;
    while (i < s->n && s->region[i].end <= at)
        i++;
    return i;
}

static void take_line(struct record_maps *m, struct space *s, const char *line, uint64_t base)
{
    struct region r = {0};
    const char *rest;
    if (!parse(line, &r, &rest) || is_foreign(m, &r, rest, base))
        return;
    for (mmu_va at = r.start, end; at < r.end; at = end) {
        size_t i = find_region(s, at);
        bool inside = i < s->n && s->region[i].start <= at;
        end = i == s->n ? r.end : inside ? s->region[i].end : s->region[i].start;
        end = end < r.end ? end : r.end;
        take_part(m, s, &r, at, end, inside ? s->region[i].protection : 0, rest);
    }
}

static void take_text(struct record_maps *m, struct space *s, uint64_t base)
{
    char *line = s->text, *end;
    for (; line && (end = memchr(line, '\n', s->text_size - (size_t)(line - s->text))); line = end + 1) {
        *end = 0;
        take_line(m, s, line, base);
    }
    free(s->text);
    s->text = NULL;
    s->text_size = 0;
}

void record_maps_text(struct record_maps *m, uint64_t process, const char *text, size_t n, bool first,
                      bool last, uint64_t base)
{
    struct space *s = find_space(m, process);
    if (!s)
        return;
    if (first)
        s->text_size = 0;
    char *all = realloc(s->text, s->text_size + n);
    if (!all && s->text_size + n) {
        m->failed = true;
        return;
    }
    s->text = all;
    if (n)
        memcpy(all + s->text_size, text, n);
    s->text_size += n;
    if (last)
        take_text(m, s, base);
}

/* ---- system calls ---- */

static mmu_va page_end(mmu_va at, uint64_t size)
{
    return (at + size + 4095) & ~UINT64_C(4095);
}

void record_maps_add(struct record_maps *m, uint64_t process, mmu_va at, uint64_t size, unsigned protection)
{
    struct space *s = find_space(m, process);
    struct region r = {
        .start = at, .end = page_end(at, size), .protection = protection & 7, .is_private = true};
    if (s && r.start < r.end && !cover(s, &r))
        m->failed = true;
}

void record_maps_protect(struct record_maps *m, uint64_t process, mmu_va at, uint64_t size,
                         unsigned protection)
{
    struct space *s = find_space(m, process);
    mmu_va end = page_end(at, size);
    if (!s || at >= end)
        return;
    if (!cut(s, at) || !cut(s, end))
        m->failed = true;
    for (size_t i = 0; i < s->n; i++)
        if (s->region[i].start >= at && s->region[i].end <= end)
            s->region[i].protection = protection & 7;
}

void record_maps_brk(struct record_maps *m, uint64_t process, mmu_va end)
{
    struct space *s = find_space(m, process);
    if (!s)
        return;
    if (!s->brk_first)
        s->brk_first = s->brk_last = end;
    if (end > s->brk_last)
        s->brk_last = end;
}

void record_maps_stack(struct record_maps *m, uint64_t process, mmu_va at)
{
    struct space *s = find_space(m, process);
    if (s && !s->stack)
        s->stack = at;
}

void record_maps_ran(struct record_maps *m, mmu_va at)
{
    for (size_t k = 0; k < m->n; k++)
        for (size_t low = 0, high = m->space[k].n; low < high;) {
            size_t middle = (low + high) / 2;
            struct region *r = &m->space[k].region[middle];
            if (at < r->start) {
                high = middle;
            } else if (at >= r->end) {
                low = middle + 1;
            } else {
                r->protection |= EXECUTE;
                break;
            }
        }
}

/* ---- the result ---- */

static void add_heap(struct record_maps *m, struct space *s)
{
    mmu_va start = (s->brk_first + 4095) & ~UINT64_C(4095), end = page_end(s->brk_last, 0);
    struct region r = {.start = start, .end = end, .protection = READ | WRITE, .is_private = true};
    if (s->brk_first && start < end && !cover(s, &r))
        m->failed = true;
}

static void print_region(const struct space *s, const struct region *r, FILE *out)
{
    unsigned p = r->protection;
    bool heap = s->brk_first && r->start == ((s->brk_first + 4095) & ~UINT64_C(4095));
    bool stack = r->start <= s->stack && s->stack < r->end;
    int n = fprintf(out, "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " ", r->start, r->end,
                    p & READ ? 'r' : '-', p & WRITE ? 'w' : '-', p & EXECUTE ? 'x' : '-',
                    r->is_private ? 'p' : 's', r->rest ? r->offset : 0);
    if (r->rest)
        fprintf(out, "%s\n", r->rest);
    else if (heap || stack)
        fprintf(out, "%-*s%s\n", 73 > n ? 73 - n : 0, "00:00 0 ", heap ? "[heap]" : "[stack]");
    else
        fputs("00:00 0\n", out);
}

/* Are two neighbours one region, for a reader? */
static bool are_one(const struct region *a, const struct region *b)
{
    bool same_place = a->rest && b->rest
                          ? !strcmp(a->rest, b->rest) && a->offset + (a->end - a->start) == b->offset
                          : !a->rest && !b->rest;
    return a->end == b->start && a->protection == b->protection && a->is_private == b->is_private &&
           same_place;
}

static void print_space(const struct space *s, FILE *out)
{
    mmu_va heap = (s->brk_first + 4095) & ~UINT64_C(4095);
    for (size_t i = 0; i < s->n;) {
        struct region r = s->region[i++];
        for (; i < s->n && are_one(&r, &s->region[i]) && s->region[i].start != heap && r.start != heap; i++)
            r.end = s->region[i].end;
        print_region(s, &r, out);
    }
}

void record_maps_write(struct record_maps *m, struct record_sink *sink)
{
    for (size_t i = 0; i < m->n; i++) {
        struct space *s = &m->space[i];
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        add_heap(m, s);
        if (out)
            print_space(s, out);
        if (out && !fclose(out) && size)
            record_sink_maps(sink, s->process, text, size);
        free(text);
    }
}

struct record_maps *record_maps_new(enum record_host host)
{
    struct record_maps *m = calloc(1, sizeof *m);
    if (m)
        m->host = host;
    return m;
}

void record_maps_free(struct record_maps *m)
{
    for (size_t i = 0; m && i < m->n; i++) {
        for (size_t k = 0; k < m->space[i].n; k++)
            free(m->space[i].region[k].rest);
        free(m->space[i].region);
        free(m->space[i].text);
    }
    if (m)
        free(m->space);
    free(m);
}
