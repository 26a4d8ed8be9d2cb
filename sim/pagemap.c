/*
 * sim/pagemap.c: the mapping of a process, from its pagemap and maps
 * (Documentation/admin-guide/mm/pagemap.rst).
 *
 * An entry of pagemap is 64 bits for each 4-KByte page: bit 63 present, bit 62 swapped, bits 54:0 the frame.
 * As text: a line a page with the address and the entry in hexadecimal, in this order, both with 0x among
 * other words, or both without it in a line where no word has it; if two more such words follow, the last of
 * them is the page's flags as in /proc/kpageflags. Rights come from maps. Pages that are not present fault;
 * so does what maps does not list.
 *
 * Large pages: pagemap does not tell them. Where the flags are known, the pages of a large frame (THP, HUGE)
 * are taken as a page of 2 MBytes if address and frame agree, also when only some of them are listed; a THP
 * that the kernel maps page by page cannot be told from one. Where flags are unknown, all 512 must be listed,
 * in frames that stand together. Either way one line of maps must hold all of it. Entries have A = 1, and D =
 * 1 where they can be written: the process has used them.
 *
 * Who may not see frame numbers reads 0 for them. Then frames are given in the order of addresses, and a note
 * says so.
 */
#define _POSIX_C_SOURCE 200809L
#include "tables.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PRESENT    (UINT64_C(1) << 63)
#define FRAME      ((UINT64_C(1) << 55) - 1)
#define USER_END   (UINT64_C(1) << 47)
#define LARGE_BITS (UINT64_C(1) << 17 | UINT64_C(1) << 22) /* HUGE, THP */

enum { PAGE = 4096, LARGE = 512, RIGHT_R = 4, RIGHT_W = 2, RIGHT_X = 1, AT_ONCE = 65536 };

struct map {
    uint64_t start, end; /* page numbers */
    unsigned rights;
};

struct page {
    uint64_t number; /* va / 4096 */
    uint64_t frame;
    uint8_t rights;
    uint8_t large; /* enum knowledge */
};

/* What the flags say of a page: nothing, that it is small, that its frame is a part of a large one. */
enum knowledge { UNKNOWN, SMALL, LARGE_PART };

struct pagemap {
    struct map *map;
    size_t maps;
    struct page *page; /* by number */
    size_t n, room;
    uint64_t hidden, stray; /* pages whose frame was not told; pages that maps do not list */
};

/* ---- maps ---- */

static int add_map(struct pagemap *p, const char *path, unsigned line, const char *text)
{
    uint64_t start, end;
    char rights[8];
    if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %7s", &start, &end, rights) != 3 || start >= end ||
        (start | end) % PAGE || strlen(rights) < 4)
        return cli_error("%s:%u: found '%.40s', expected START-END RIGHTS ... as in /proc/PID/maps", path,
                         line, text);
    if (p->maps && start / PAGE < p->map[p->maps - 1].end)
        return cli_error("%s:%u: 0x%" PRIx64 " lies before the end of the line above", path, line, start);
    struct map *more = realloc(p->map, (p->maps + 1) * sizeof *more);
    if (!more)
        return cli_error("out of memory");
    p->map = more;
    p->map[p->maps++] = (struct map){start / PAGE, end / PAGE,
                                     (rights[0] == 'r' ? RIGHT_R : 0u) | (rights[1] == 'w' ? RIGHT_W : 0u) |
                                         (rights[2] == 'x' ? RIGHT_X : 0u)};
    return CLI_GO;
}

static int read_maps(struct pagemap *p, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int status = CLI_GO;
    if (!file)
        return cli_error("%s: cannot open: %s", path, strerror(errno));
    for (unsigned number = 1; status == CLI_GO && (n = getline(&line, &room, file)) >= 0; number++) {
        line[strcspn(line, "\n")] = 0;
        if (*line && *line != '#')
            status = add_map(p, path, number, line);
    }
    free(line);
    fclose(file);
    return status == CLI_GO && !p->maps ? cli_error("%s: no line, expected /proc/PID/maps", path) : status;
}

static const struct map *map_of(const struct pagemap *p, uint64_t number)
{
    size_t low = 0, high = p->maps;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->map[middle].end <= number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->maps && p->map[low].start <= number ? &p->map[low] : NULL;
}

/* ---- pages ---- */

static int add_page(struct pagemap *p, uint64_t number, uint64_t entry, const struct map *map,
                    enum knowledge large)
{
    if (!(entry & PRESENT))
        return CLI_GO;
    p->stray += !map;
    if (!map)
        return CLI_GO;
    if (p->n == p->room) {
        size_t room = p->room ? 2 * p->room : 4096;
        struct page *more = realloc(p->page, room * sizeof *more);
        if (!more)
            return cli_error("out of memory");
        p->page = more;
        p->room = room;
    }
    p->hidden += (entry & FRAME) == 0;
    p->page[p->n++] = (struct page){number, entry & FRAME, (uint8_t)map->rights, (uint8_t)large};
    return CLI_GO;
}

/* The words of a line that are numbers, at most WORDS: those with 0x, else those of hexadecimal digits alone.
 * NULL, or the word that begins so and is none. */
enum { WORDS = 16 };
static const char *take_words(char *text, uint64_t word[WORDS], size_t *n)
{
    uint64_t bare[WORDS];
    size_t n_bare = 0;
    char *rest, *end;
    *n = 0;
    for (char *w = strtok_r(text, " \t\r", &rest); w; w = strtok_r(NULL, " \t\r", &rest)) {
        bool prefixed = !strncmp(w, "0x", 2);
        errno = 0;
        uint64_t value = strtoull(w, &end, 16);
        bool good = !*end && !errno && *w != '-' && *w != '+';
        if (prefixed && !good)
            return w;
        if (prefixed && *n < WORDS)
            word[(*n)++] = value;
        else if (good && n_bare < WORDS)
            bare[n_bare++] = value;
    }
    if (!*n)
        memcpy(word, bare, (*n = n_bare) * sizeof *word);
    return NULL;
}

/* A line of the text form. */
static int take_line(struct pagemap *p, const char *path, unsigned line, char *text)
{
    uint64_t word[WORDS];
    size_t n;
    const char *wrong = take_words(text, word, &n);
    if (wrong)
        return cli_error("%s:%u: found '%.40s', expected a hexadecimal number below 2^64", path, line, wrong);
    if (n < 2)
        return cli_error("%s:%u: expected a page's address and its entry, in hexadecimal", path, line);
    const struct map *map = map_of(p, word[0] / PAGE);
    if (word[0] % PAGE || word[0] >= USER_END)
        return cli_error("%s:%u: address 0x%" PRIx64 ", expected a page's, below 2^47", path, line, word[0]);
    enum knowledge large = n < 4 ? UNKNOWN : word[n - 1] & LARGE_BITS ? LARGE_PART : SMALL;
    return add_page(p, word[0] / PAGE, word[1], map, large);
}

static int read_text(struct pagemap *p, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    int status = file ? CLI_GO : cli_error("%s: cannot open: %s", path, strerror(errno));
    for (unsigned number = 1; status == CLI_GO && getline(&line, &room, file) >= 0; number++) {
        line[strcspn(line, "\n")] = 0;
        if (*line && *line != '#')
            status = take_line(p, path, number, line);
    }
    free(line);
    if (file)
        fclose(file);
    return status;
}

/* The entries of one line of maps. */
static int read_entries(struct pagemap *p, const char *path, int fd, const struct map *map)
{
    uint64_t *entry = malloc(AT_ONCE * sizeof *entry);
    int status = entry ? CLI_GO : cli_error("out of memory");
    for (uint64_t at = map->start, got; status == CLI_GO && at < map->end; at += got) {
        uint64_t most = map->end - at < AT_ONCE ? map->end - at : AT_ONCE;
        ssize_t n = pread(fd, entry, most * sizeof *entry, (off_t)(at * sizeof *entry));
        got = n > 0 ? (uint64_t)n / sizeof *entry : 0;
        if (n < 0 || got == 0)
            status =
                cli_error("%s: byte %" PRIu64 ": %s, expected the entry of page 0x%" PRIx64, path,
                          at * sizeof *entry, n < 0 ? strerror(errno) : "the end of the file", at * PAGE);
        for (uint64_t i = 0; i < got && status == CLI_GO; i++)
            status = add_page(p, at + i, entry[i], map, UNKNOWN);
    }
    free(entry);
    return status;
}

static int read_binary(struct pagemap *p, const char *path, int fd)
{
    int status = CLI_GO;
    for (size_t i = 0; i < p->maps && status == CLI_GO; i++)
        if (p->map[i].end <= USER_END / PAGE) /* else the kernel's half: the vsyscall page */
            status = read_entries(p, path, fd, &p->map[i]);
    return status;
}

/* Text has no zero byte and no control characters in its first bytes; page 0 is never mapped, so that a
 * binary form begins with zeros. */
static int read_pages(struct pagemap *p, const char *path)
{
    unsigned char first[8] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cli_error("%s: cannot open: %s", path, strerror(errno));
    ssize_t n = pread(fd, first, sizeof first, 0);
    bool text = n > 0;
    for (ssize_t i = 0; i < n; i++)
        text &= first[i] >= ' ' || first[i] == '\n' || first[i] == '\t' || first[i] == '\r';
    int status = n < 0    ? cli_error("%s: cannot read: %s", path, strerror(errno))
                 : n == 0 ? cli_error("%s: empty, expected a pagemap", path)
                 : text   ? read_text(p, path)
                          : read_binary(p, path, fd);
    close(fd);
    return status;
}

static int by_number(const void *a, const void *b)
{
    const struct page *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* Sorted, each page once: of several lines for one the first counts, as qsort() leaves them. Frames that were
 * hidden get numbers. */
static void settle(struct pagemap *p, const char *path)
{
    size_t n = 0;
    uint64_t next = 0;
    if (p->n)
        qsort(p->page, p->n, sizeof *p->page, by_number);
    for (size_t i = 0; i < p->n; i++)
        if (n == 0 || p->page[n - 1].number != p->page[i].number)
            p->page[n++] = p->page[i];
    p->n = n;
    for (size_t i = 0; i < n; i++)
        next = p->page[i].frame >= next ? p->page[i].frame + 1 : next;
    for (size_t i = 0; i < n; i++)
        if (p->page[i].frame == 0) {
            p->page[i].frame = next++;
            p->page[i].large = SMALL;
        }
    if (p->hidden)
        cli_error("%s: the kernel hid the frame numbers of %" PRIu64
                  " pages (0; it shows them to root only): "
                  "they were given others, in the order of addresses, and no large pages",
                  path, p->hidden);
    if (p->stray)
        cli_error("%s: %" PRIu64 " pages lie in no line of the maps and were left out", path, p->stray);
}

int pagemap_read(const char *pagemap, const char *maps, struct pagemap **out, char *text, size_t size)
{
    struct pagemap *p = calloc(1, sizeof *p);
    if (!p)
        return cli_error("out of memory");
    int status = read_maps(p, maps);
    if (status == CLI_GO)
        status = read_pages(p, pagemap);
    if (status == CLI_GO && p->n == 0)
        status = cli_error("%s: no page is present", pagemap);
    if (status != CLI_GO) {
        pagemap_free(p);
        return status;
    }
    settle(p, pagemap);
    snprintf(text, size, "the mapping of %s: %zu pages of 4K present", pagemap, p->n);
    *out = p;
    return CLI_GO;
}

void pagemap_free(struct pagemap *p)
{
    if (!p)
        return;
    free(p->map);
    free(p->page);
    free(p);
}

/* ---- tables ---- */

struct writer {
    struct mmu_machine *machine;
    uint64_t next; /* frame for a table */
    int status;    /* of the library */
};

/* The table below an entry, made if there is none. */
static mmu_pa table_below(struct writer *w, mmu_pa at)
{
    uint64_t entry = 0;
    int status = mmu_machine_read(w->machine, at, &entry, sizeof entry);
    if (status == MMU_OK && !(entry & 1)) {
        entry = w->next++ * PAGE | 0x27; /* P W U A */
        status = mmu_machine_write(w->machine, at, &entry, sizeof entry);
    }
    w->status = w->status ? w->status : status;
    return entry & ~UINT64_C(0xfff);
}

static void write_page(struct writer *w, mmu_pa root, const struct page *page, bool large)
{
    mmu_pa table = root;
    unsigned last = large ? 2 : 1;
    for (unsigned level = 4; level > last; level--)
        table = table_below(w, table + (page->number >> 9 * (level - 1) & 511) * 8);
    bool writable = page->rights & RIGHT_W;
    uint64_t entry = page->frame * PAGE | 0x25 /* P U A */ | (writable ? 0x42u /* W D */ : 0) |
                     (large ? 0x80u : 0) | (page->rights & RIGHT_X ? 0 : UINT64_C(1) << 63);
    if (!page->rights)
        entry = 0; /* PROT_NONE: Linux clears P */
    mmu_pa at = table + (page->number >> 9 * (last - 1) & 511) * 8;
    int status = mmu_machine_write(w->machine, at, &entry, sizeof entry);
    w->status = w->status ? w->status : status;
}

/* The pages behind this one that lie in the same 2 MBytes, with it. */
static size_t in_large(const struct page *page, size_t left)
{
    size_t n = 1;
    while (n < left && page[n].number / LARGE == page->number / LARGE)
        n++;
    return n;
}

/* Are these n pages, all in the same 2 MBytes, one page? */
static bool is_large(const struct pagemap *p, const struct page *page, size_t n)
{
    uint64_t first = page->number / LARGE * LARGE;
    const struct map *map = map_of(p, first);
    bool large = map && map->end >= first + LARGE && (page->number - page->frame) % LARGE == 0 &&
                 page->frame >= page->number % LARGE && (page->large == LARGE_PART || n == LARGE);
    for (size_t i = 0; i < n && large; i++)
        large = page[i].large == page->large && page[i].large != SMALL &&
                page[i].frame - page->frame == page[i].number - page->number;
    return large;
}

int pagemap_write(const struct pagemap *p, struct mmu_machine *machine, mmu_pa *root)
{
    uint64_t frames = UINT64_C(1) << (mmu_machine_config(machine)->cpu.maxphyaddr - 12);
    struct writer w = {.machine = machine, .next = 1};
    for (size_t i = 0; i < p->n; i++) { /* tables lie behind all pages */
        if (p->page[i].frame >= frames)
            return cli_error(
                "page 0x%" PRIx64 " has frame 0x%" PRIx64 ", beyond the %u bits of this machine's "
                "physical addresses (cpu.maxphyaddr)",
                p->page[i].number * PAGE, p->page[i].frame, mmu_machine_config(machine)->cpu.maxphyaddr);
        w.next = p->page[i].frame >= w.next ? (p->page[i].frame / LARGE + 1) * LARGE : w.next;
    }
    *root = w.next++ * PAGE;
    for (size_t i = 0, n; i < p->n; i += n) {
        struct page page = p->page[i];
        n = in_large(&p->page[i], p->n - i);
        bool large = is_large(p, &p->page[i], n);
        if (large) {
            page.frame -= page.number % LARGE;
            page.number -= page.number % LARGE;
        }
        n = large ? n : 1;
        write_page(&w, *root, &page, large);
    }
    return w.status ? cli_error("page tables: %s", mmu_status_text(w.status)) : CLI_GO;
}
