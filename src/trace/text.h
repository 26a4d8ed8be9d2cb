// clang-format off
/*
 * text.h: the text form, as Valgrind's Lackey prints it (valgrind --tool=lackey --trace-mem=yes), and three
 * additions of ours.
 *
 *     I  04001090,3          fetch:  kind, blanks, address (hexadecimal, with or without 0x), comma, size (decimal,
 *                             1 to 4096)
 *      L 1ffeffe7e0,8        load
 *      S 1ffeffe7e0,8        store
 *      M 0421c7cc,4          modify: a load and then a store of the same bytes by the same instruction; two references
 *      L ffff888000001000,8 k    words behind the size, ours: k: explicit supervisor access; i: implicit supervisor access;
 *      S 1ffeffe7d8,8 +          +: follows the record before it in the same instruction (MMU_AF_FOLLOWS);
 *     I  04001093,5 g12          gN: its own issue gap, N cycles (MMU_AF_GAP). A modify's store never has one.
 *
 * Marks (see mmusim/trace.h) are comments to every other tool, a line each, numbers decimal:
 *
 *     # mmusim: process 1234     the references that follow are in the address space of process 1234,
 *     # mmusim: thread 1235          made by this thread,
 *     # mmusim: cpu 3                on this processor
 *     # mmusim: time 5000        nanoseconds since the trace's beginning
 *     # mmusim: event munmap 0x7f0000000000 0x21000      an event of the operating system
 *     # mmusim: maps 1234        the maps of process 1234 begin, instead of any before;
 *     # mmusim: map 1234 00400000-00401000 r--p 00000000 fe:01 1234    /bin/true      one line of them
 *
 * "# mmusim: " with any other word behind it is an error.
 *
 * Blanks and tabs before the kind, around the words and at the end of a line do not matter, nor do carriage
 * returns there. Blank lines, lines that begin with # and Valgrind's own lines (==PID==, --PID--, **PID**)
 * are passed over and counted, and so is any line that is not meant to be a reference: the program's own
 * output. A line is meant to be one that begins as Lackey's do ("I  ", " L ", " S ", " M "), or with a kind, a blank
 * and what begins with a digit, ends with a comma or is four hexadecimal digits or more, or with any one character, an
 * address, a comma and a digit: that must be right. A file of such other lines alone, or one that begins with more
 * than a thousand of them, is no trace; one of blank lines, comments and Valgrind's own is a trace of nothing. A zero
 * byte is an error in any line but a comment.
 */
// clang-format on
#ifndef TRACE_TEXT_H
#define TRACE_TEXT_H

#include <mmusim/trace.h>

#include <string.h>

enum { TEXT_SIZE_MAX = 4096 };

/* What a mark's line begins with, and the words behind it by enum mmu_mark_kind. */
#define TEXT_MARK "# mmusim: "
static const char *const text_mark_words[] = {"process", "thread", "cpu", "time", "event", "maps", "map"};

/*
 * Parses one line, [line, end) without its newline. to[] has room for two. Returns the number of references
 * (0: a line to pass over), or TEXT_OTHER: a line that is not meant to be a reference, or a negative status;
 * both of the latter with *err filled. file and number say where.
 */
enum { TEXT_OTHER = 3 };
int text_parse_line(const char *line, const char *end, struct mmu_access to[2], const char *file,
                    uint64_t number, struct mmu_error *err);

/*
 * A line that begins with TEXT_MARK. Returns its word: enum mmu_mark_kind, or TEXT_MAPS (begin), TEXT_MAP (a
 * line), and fills *value (a process for the maps) and *rest (what is behind, to the end of the line); or a
 * negative status with *err filled.
 */
enum { TEXT_MAPS = MMU_MARK_KINDS, TEXT_MAP, TEXT_WORDS };
int text_parse_mark(const char *line, const char *end, uint64_t *value, const char **rest, const char *file,
                    uint64_t number, struct mmu_error *err);

static inline bool text_is_mark(const char *line, const char *end)
{
    return end - line >= (ptrdiff_t)sizeof TEXT_MARK - 1 && !memcmp(line, TEXT_MARK, sizeof TEXT_MARK - 1);
}

/* Is b the second half of a modify that begins with the load a? Then an M line holds both. */
static inline bool text_is_modify(const struct mmu_access *a, const struct mmu_access *b)
{
    return MMU_KIND_OF(b->kind) == MMU_STORE && MMU_PRIV_OF(a->kind) == MMU_PRIV_OF(b->kind) &&
           a->va == b->va && a->size == b->size && b->flags == MMU_AF_FOLLOWS;
}

#endif
