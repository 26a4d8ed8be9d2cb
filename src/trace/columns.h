// clang-format off
/*
 * columns.h: traces as plain columns: CSV, or separated by blanks; what the columns may be.
 *
 *     address,type,size,pid          a line of names, or --columns; without either the columns are address, type,
 *     0x7ffe12345678,R,8,100         size, pid, cpu in this order, as many as the first line has, or type, address,
 *                                    size, ... if it begins with a letter
 *     0x401000 , I , 3 , 100         fields end at a comma or semicolon, blanks around it do not matter; or at blanks
 *     4198400 F 3 100
 *     "0x401000","F","3","100"       fields may be quoted, and are the same then
 *
 *   address   also addr, va, vaddr     first byte. The only column that must be there
 *   type      also kind, op, rw        R L read load 0, W S write store 1, I F X fetch ifetch instr exec 2, M modify
 *                                      (a load and a store by one instruction), in either case. Without it: loads
 *   size      also bytes, length       1 to 4096. Without it 8 bytes, of a fetch 4, but never beyond the address's page
 *   pid       also process             PROCESS marks where it changes
 *   tid       also thread              THREAD marks
 *   cpu       also core                CPU marks
 *   time                               TIME marks: nanoseconds since the first line's; an earlier one is 0
 *   gap                                the reference's own issue gap, in cycles (MMU_AF_GAP)
 *   -                                  passed over; in a line of names, any other name too
 *
 * Numbers are decimal, or hexadecimal with 0x. With `:hex` behind its name (address:hex) a column is hexadecimal
 * with or without 0x, with `:dec` decimal. An address column without either is hexadecimal if an address in the
 * first 4096 bytes of references has a letter, or begins with 0 and goes on, and has no 0x.
 *
 * Blank lines and lines that begin with # are passed over and counted, but the names may stand behind a # too, if
 * all of them are known. A line of names is recognised by a name for the address among words alone; with --columns it
 * is passed over. Without one a file is found by content only if all its addresses have 0x and there is a type.
 */
// clang-format on
#ifndef TRACE_COLUMNS_H
#define TRACE_COLUMNS_H

#include <mmusim/types.h>

enum column_role {
    COLUMN_NONE,
    COLUMN_ADDRESS,
    COLUMN_TYPE,
    COLUMN_SIZE,
    COLUMN_PID,
    COLUMN_TID,
    COLUMN_CPU,
    COLUMN_TIME,
    COLUMN_GAP,
    COLUMN_ROLES
};

enum { COLUMNS_MOST = 64 };

struct column_list {
    unsigned n;
    uint8_t roles[COLUMNS_MOST]; /* enum column_role; each but NONE once, ADDRESS is there */
    uint8_t hex;                 /* bit: role; its bare numbers are hexadecimal */
    bool address_base;           /* the address's base is given */
};

/* What --columns says. Returns MMU_OK, or MMU_ERR_INVALID with *err filled. */
int columns_given(struct column_list *list, const char *text, struct mmu_error *err);

/* What a line of names [line, end) says. Returns false if it is none. */
bool columns_named(struct column_list *list, const char *line, const char *end);

/* The default, for a first line [line, end). Returns false if it has too many columns. */
bool columns_default(struct column_list *list, const char *line, const char *end);

/* Writes the list as --columns takes it. */
void columns_text(const struct column_list *list, char *to, size_t size);

/* The fields of a line from *at on: the next one [*start, *stop). Returns false behind the last. */
bool columns_field(const char **at, const char *end, const char **start, const char **stop);

#endif
