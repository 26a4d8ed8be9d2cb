/*
 * sim/script_file.c: the lines of files, and of files that those name with `source`.
 *
 * A line is text of at most SCRIPT_LINE - 1 bytes; its end may be that of other systems (CR LF), or that of
 * the file.
 */
#define _POSIX_C_SOURCE 200809L
#include "script.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* ----- lines ----- */

enum { ENDLESS = 16 << 20 }; /* bytes: no text, but a device */

enum script_line script_read_line(FILE *in, char line[SCRIPT_LINE])
{
    size_t n = 0;
    bool zero = false;
    int c;
    while ((c = getc(in)) != EOF && c != '\n' && n < SCRIPT_LINE) {
        line[n++] = (char)c;
        zero |= !c;
    }
    if (ferror(in))
        return LINE_ERROR;
    if (n == SCRIPT_LINE) {
        line[n - 1] = 0;
        for (; c != EOF && c != '\n' && n < ENDLESS; n++)
            c = getc(in);
        return n < ENDLESS ? LINE_LONG : LINE_ENDLESS;
    }
    n -= n && line[n - 1] == '\r';
    line[n] = 0;
    return c == EOF && !n ? LINE_END : zero ? LINE_ZERO : LINE_GOOD;
}

int script_run_line(struct script *s, enum script_line what, const char *line)
{
    static const char MARK[] = "\xef\xbb\xbf"; /* of UTF-8, as some editors begin files */
    s->text = "";
    if (what == LINE_ERROR && s->source->failed.code)
        return cli_error_mmu(&s->source->failed);
    if (what == LINE_ERROR)
        return cli_error("%s: cannot read: %s", s->source->file, strerror(errno));
    if (what == LINE_ENDLESS)
        return script_complain(s, NULL, "more than %d MiB without an end of a line, expected text",
                               ENDLESS >> 20);
    if (what == LINE_LONG)
        return script_complain(s, NULL, "a line of more than %d bytes", SCRIPT_LINE - 1);
    if (what == LINE_ZERO)
        return script_complain(s, NULL, "a byte 0 in a line, expected text");
    bool marked = s->source->line == 1 && !strncmp(line, MARK, sizeof MARK - 1);
    return script_line(s, line + (marked ? sizeof MARK - 1 : 0));
}

static int run_lines(struct script *s, FILE *in)
{
    char line[SCRIPT_LINE];
    int status = CLI_OK;
    for (s->source->line = 1; status != CLI_BAD; s->source->line++) {
        enum script_line what = script_read_line(in, line);
        if (what == LINE_END)
            break;
        int one = script_run_line(s, what, line);
        status = one > status ? one : status;
    }
    return status;
}

/* ----- files ----- */

const char *script_path(const struct script *s, const char *path, char *buf, size_t size)
{
    const char *file = s->source->file, *slash = strrchr(file, '/');
    if (!s->source->is_file || *path == '/' || !slash ||
        snprintf(buf, size, "%.*s/%s", (int)(slash - file), file, path) >= (int)size)
        return path;
    return buf;
}

/* What a file held, since `before`. */
static void print_sum(const struct script *s, const char *path, const struct script *before)
{
    fprintf(s->out, "%s: %" PRIu64 " statements, %" PRIu64 " expectations, %" PRIu64 " failed\n", path,
            s->statements - before->statements, s->expectations - before->expectations,
            s->failed - before->failed);
}

int script_file(struct script *s, const char *path)
{
    struct script_source source = {.file = path, .is_file = true};
    FILE *in = script_open(path, &source);
    if (!in && source.failed.code)
        return cli_error_mmu(&source.failed);
    if (!in)
        return cli_error("%s: cannot open: %s", path, strerror(errno));
    s->source = &source;
    int status = run_lines(s, in);
    s->source = NULL;
    fclose(in);
    if (status != CLI_BAD && !s->statements)
        return cli_error("%s: no statement in it, expected a scenario", path);
    if (status != CLI_BAD)
        print_sum(s, path, &(struct script){0});
    return status;
}

/* A regular file, or NULL: errno says why. */
static FILE *open_source(struct script_source *source)
{
    struct stat info;
    if (stat(source->file, &info))
        return NULL;
    errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    return S_ISREG(info.st_mode) ? script_open(source->file, source) : NULL;
}

/* May this file be read here? A file that is being read would name itself for ever. */
static int check_source(struct script *s, const char *where, const struct script_source *source)
{
    unsigned depth = 1;
    for (const struct script_source *up = s->source; up; up = up->by, depth++)
        if (up->is_file && up->device == source->device && up->inode == source->inode)
            return script_complain(s, where, "%s is being read already, at line %u of it", source->file,
                                   up->line);
    return depth <= SCRIPT_DEPTH
               ? CLI_GO
               : script_complain(s, where, "%s: %d files have named each other, expected no more",
                                 source->file, SCRIPT_DEPTH);
}

int script_source(struct script *s, const char *where, const char *path)
{
    char buf[SCRIPT_PATH];
    struct script_source source = {
        .file = script_path(s, path, buf, sizeof buf), .is_file = true, .by = s->source};
    const char *text = s->text, *at = s->at;
    const struct script before = *s;
    FILE *in = open_source(&source);
    if (!in)
        return script_complain(s, where, "%s: cannot read: %s", source.file,
                               errno == EINVAL ? "no regular file" : strerror(errno));
    int status = check_source(s, where, &source);
    if (status == CLI_GO) {
        s->source = &source;
        status = run_lines(s, in);
        s->source = (struct script_source *)source.by;
        s->text = text;
        s->at = at;
    }
    if (status != CLI_BAD && !source.by->is_file) /* at a prompt: the sum, as `run` prints it */
        print_sum(s, source.file, &before);
    fclose(in);
    return status;
}

/* ----- what is a scenario ----- */

static bool begins_statement(const char *line)
{
    struct script s = {.text = line, .at = line};
    char word[SCRIPT_NAME];
    if (!peek_word(&s, word, sizeof word))
        return false;
    bool keyword = *word == '$' || script_find(word);
    for (size_t i = 0; script_keywords[i]; i++)
        keyword |= !strcmp(word, script_keywords[i]);
    return keyword;
}

bool script_is_scenario(const char *path)
{
    size_t n = strlen(path);
    char line[SCRIPT_LINE];
    if (n > 4 && !strcmp(path + n - 4, ".mms"))
        return true;
    FILE *in = script_open_head(path);
    bool is = false, found = false;
    while (in && !found && script_read_line(in, line) == LINE_GOOD) {
        const char *first = line + strspn(line, " \t\r");
        found = *first && *first != '#';
        is = found && begins_statement(line);
    }
    if (in)
        fclose(in);
    return is;
}
