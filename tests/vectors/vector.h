/*
 * vector.h: one observed translation, and the strict reader of the text form that it is kept in.
 *
 * A line is `key=value` pairs, separated by one space; a line that starts with '#' is a comment. Numbers are
 * hexadecimal without 0x, except maxpa, cpl, ac, gb, pse36, reload and seen. The table in vector.c lists the
 * keys.
 */
#ifndef VECTORS_VECTOR_H
#define VECTORS_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vector_mode { VECTOR_32, VECTOR_PAE, VECTOR_4L, VECTOR_5L };
enum vector_access { VECTOR_READ, VECTOR_WRITE, VECTOR_FETCH, VECTOR_IMPLICIT };
enum vector_result { VECTOR_OK, VECTOR_PF, VECTOR_GP, VECTOR_GPLOAD };

enum { VECTOR_LEVELS = 5, VECTOR_TEXT = 64 };

/* A paging-structure entry on the path: where it lies, what it holds before, what it must hold after, which
 * bits of that are not compared. */
struct vector_entry {
    bool given;
    uint64_t address, before, after, ignore;
};

struct vector {
    uint64_t given; /* bit k: key number k of the table stood in the line */
    char id[VECTOR_TEXT];
    uint64_t mode; /* enum vector_mode */
    uint64_t maxpa, gb, pse36;
    uint64_t cr0, cr3, cr4, efer, ac, pkru, pkrs;
    uint64_t va, acc, cpl; /* acc: enum vector_access */
    uint64_t pdpt[4];      /* pae: in memory at CR3[31:5] when CR3 is loaded */
    uint64_t poke[2];      /* pae: address and value of a store made after CR3 was loaded */
    uint64_t reload;       /* after the poke: 1 loads CR3 again, 0 executes INVLPG */
    struct vector_entry entry[VECTOR_LEVELS]; /* [0] PTE ... [4] PML5E */
    uint64_t res;                             /* enum vector_result */
    uint64_t pa, ps, seen;                    /* ok */
    uint64_t ec;                              /* pf */
    uint64_t at;                              /* 'L' of the entry that decides; information */
    bool has_pdpt, has_poke;
};

struct vector_error {
    size_t column; /* 1-based */
    char message[160];
};

/* Reads one line (length bytes, terminated). 1: *v is filled; 0: a comment; -1: *error says what and where.
 */
int vector_parse(const char *line, size_t length, struct vector *v, struct vector_error *error);

/* Bytes of a paging-structure entry in the vector's mode. */
static inline unsigned vector_entry_bytes(const struct vector *v)
{
    return v->mode == VECTOR_32 ? 4 : 8;
}

#endif
