// clang-format off
/*
 * din.c: reads Dinero's traces, the traditional din and Dinero IV's extended din.
 *
 *     2 401000 any comment     traditional: label, blanks, address in hexadecimal with or without 0x, and whatever
 *     0 7ffe12345678           follows is a comment. Labels: 0 read, 1 write, 2 instruction fetch; 3 (escape, unknown)
 *                              and 4 (escape, flush the cache) are no references: passed over and counted
 *     r 7ffe12345678 8         extended: r, w or i (either case), address and size, both hexadecimal; m (miscellaneous),
 *                              c (copy back) and v (invalidate) are passed over and counted
 *
 * The traditional form has no sizes. Dinero takes 4 bytes, and so does this, but never beyond the page of the
 * address; unlike Dinero it does not align the address to 4. Dinero IV's own programs (Jan Edler's dinfmt and
 * xdinfmt) are the definition. Blank lines and lines that begin with # are passed over too.
 */
// clang-format on
#include "lines.h"

enum { DIN_SIZE = 4 };

/* What a label means: kind + 1; OTHER: no reference; 0: no label. */
enum { LOAD = MMU_LOAD + 1, STORE = MMU_STORE + 1, FETCH = MMU_FETCH + 1, OTHER = 8, SIZED = 16 };

static const uint8_t labels[256] = {
    ['0'] = LOAD,          ['1'] = STORE,         ['2'] = FETCH,         ['3'] = OTHER,
    ['4'] = OTHER,         ['r'] = LOAD | SIZED,  ['R'] = LOAD | SIZED,  ['w'] = STORE | SIZED,
    ['W'] = STORE | SIZED, ['i'] = FETCH | SIZED, ['I'] = FETCH | SIZED, ['m'] = OTHER | SIZED,
    ['M'] = OTHER | SIZED, ['c'] = OTHER | SIZED, ['C'] = OTHER | SIZED, ['v'] = OTHER | SIZED,
    ['V'] = OTHER | SIZED,
};

static inline LINE_PARSER(parse)
{
    static const char address[] = "an address in hexadecimal below 2^64";
    uint64_t size;
    unsigned label;

    (void)r;
    line = line_skip_blanks(line);
    label = labels[(uint8_t)*line];
    if (UNLIKELY(!label)) {
        *n = 0;
        if (line_ends(line) || *line == '#')
            return line_rest(line);
        return line_refuse(bad, line, MMU_ERR_FORMAT,
                           "a label: 0 read, 1 write, 2 fetch, 3 or 4; or r, w, i, m, c, v of extended din");
    }
    line++;
    if (UNLIKELY(*line != ' ' && *line != '\t'))
        return line_refuse(bad, line, MMU_ERR_FORMAT, "a blank behind the label");
    line = line_skip_blanks(line);
    const char *start = line;
    if (!(line = line_hex(line, &a->va, address, bad)))
        return NULL;
    if (UNLIKELY(*line != ' ' && *line != '\t' && !line_ends(line)))
        return line_refuse(bad, line, MMU_ERR_FORMAT, "a blank or the end of the line behind the address");
    size = reader_usual_size(a->va, DIN_SIZE);
    if (label & SIZED) {
        const char *at = line = line_skip_blanks(line);
        static const char expected[] = "a size of 1 to 1000 bytes in hexadecimal";
        if (!(line = line_hex(line, &size, expected, bad)))
            return NULL;
        if (UNLIKELY(size < 1 || size > 4096))
            return line_refuse(bad, at, MMU_ERR_RANGE, expected);
        if (UNLIKELY(!line_fits(a->va, size)))
            return line_refuse(bad, start, MMU_ERR_RANGE, "a reference that ends below 2^64");
    }
    a->gap = 0;
    a->size = (uint16_t)size;
    a->kind = (uint8_t)((label & (OTHER - 1)) - 1);
    a->flags = 0;
    *n = !(label & OTHER);
    return line_rest(line);
}

static size_t din_read(struct mmu_trace_reader *r, struct mmu_access *to, size_t max)
{
    return lines_read(r, r->state, to, max, parse, NULL);
}

/* Dinero's own tools write extended din without 0x: with it, it is somebody's columns, whose sizes are
 * decimal. */
static bool is_din(const char *line)
{
    struct line_bad bad;
    struct mmu_access a[2];
    unsigned n, label = labels[(uint8_t)*line_skip_blanks(line)];

    return parse(NULL, line, a, &n, &bad) && !(label & SIZED && strstr(line, "0x"));
}

static unsigned din_sniff(const unsigned char *head, size_t n, const char *name)
{
    bool refused;
    unsigned lines = lines_try(head, n, is_din, &refused);

    (void)name;
    return refused || !lines ? lines_begin(lines) : lines < 3 ? SNIFF_POSSIBLE : SNIFF_LIKELY;
}

const struct reader_ops din_reader_ops = {
    .sniff = din_sniff, .open = lines_open, .close = lines_close, .read = din_read, .rewind = lines_rewind};
