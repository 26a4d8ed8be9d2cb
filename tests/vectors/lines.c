/*
 * lines.c: lines through libarchive. The "raw" format takes any stream of bytes, its filters undo any
 * compression.
 */
#include "lines.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool refuse(struct lines *lines)
{
    const char *text = archive_error_string(lines->archive);
    int number = archive_errno(lines->archive);
    bool system = number == ENOENT || number == EACCES || number == EISDIR || number == EIO;
    snprintf(lines->why, sizeof lines->why, "%s%s%s", text ? text : "cannot be read", system ? ": " : "",
             system ? strerror(number) : "");
    return false;
}

bool lines_open(struct lines *lines, const char *name)
{
    lines->name = name;
    lines->number = 0;
    lines->block = NULL;
    lines->left = 0;
    lines->ended = false;
    lines->length = 0;
    lines->why[0] = '\0';
    lines->archive = archive_read_new();
    if (!lines->archive) {
        snprintf(lines->why, sizeof lines->why, "the host is out of memory");
        return false;
    }
    archive_read_support_filter_all(lines->archive);
    archive_read_support_format_raw(lines->archive);
    archive_read_support_format_empty(lines->archive);
    const char *path = strcmp(name, "-") == 0 ? NULL : name; /* NULL is libarchive's standard input */
    if (archive_read_open_filename(lines->archive, path, 1 << 16) != ARCHIVE_OK)
        return refuse(lines);
    struct archive_entry *entry;
    int status = archive_read_next_header(lines->archive, &entry);
    lines->ended = status == ARCHIVE_EOF;
    return status == ARCHIVE_OK || status == ARCHIVE_EOF || refuse(lines);
}

/* Fetches the next block. 1: there is one; 0: the end; -1: an error. */
static int more(struct lines *lines)
{
    while (lines->left == 0 && !lines->ended) {
        const void *block;
        la_int64_t offset;
        int status = archive_read_data_block(lines->archive, &block, &lines->left, &offset);
        if (status == ARCHIVE_EOF) {
            lines->ended = true;
            lines->left = 0;
        } else if (status != ARCHIVE_OK) {
            refuse(lines);
            return -1;
        }
        lines->block = block;
    }
    return lines->left > 0;
}

int lines_next(struct lines *lines)
{
    lines->length = 0;
    lines->number++;
    bool any = false;
    for (;;) {
        int status = more(lines);
        if (status < 0)
            return -1;
        if (status == 0)
            break;
        any = true;
        const char *newline = memchr(lines->block, '\n', lines->left);
        size_t take = newline ? (size_t)(newline - lines->block) : lines->left;
        if (take > LINES_MAX - lines->length) {
            snprintf(lines->why, sizeof lines->why, "the line is longer than %d bytes", (int)LINES_MAX);
            return -1;
        }
        memcpy(lines->text + lines->length, lines->block, take);
        lines->length += take;
        take += newline ? 1 : 0;
        lines->block += take;
        lines->left -= take;
        if (newline)
            break;
    }
    lines->text[lines->length] = '\0';
    return any;
}

void lines_close(struct lines *lines)
{
    if (lines->archive)
        archive_read_free(lines->archive);
    lines->archive = NULL;
}
