/*
 * lines.h: the lines of a file, of standard input, or of anything compressed that libarchive can open.
 */
#ifndef VECTORS_LINES_H
#define VECTORS_LINES_H

#include <stdbool.h>
#include <stddef.h>

enum { LINES_MAX = 65536 }; /* bytes of the longest line that is accepted, its newline not counted */

struct archive;

struct lines {
    const char *name; /* as the caller gave it, for messages */
    unsigned number;  /* of the line that lines_next() returned last, 1-based */
    struct archive *archive;
    const char *block; /* what is left of the block that libarchive delivered last */
    size_t left;
    bool ended;
    size_t length; /* of the text below */
    char text[LINES_MAX + 1];
    char why[256]; /* the reason when a function returned an error */
};

/* "-" is standard input. False: lines->why says why not. Close it in either case. */
bool lines_open(struct lines *lines, const char *name);

/* 1: lines->text holds the next line, terminated, without its newline; 0: the end; -1: lines->why. */
int lines_next(struct lines *lines);

void lines_close(struct lines *lines);

#endif
