/*
 * mmusim-vectors FILE...: observed translations, made again on a simulated machine.
 *
 * Prints a line for each difference, closes with "N of M agree". Exit status: 0 all agree, 1 some differ, 2
 * bad input or usage.
 */
#include "judge.h"
#include "lines.h"
#include "vector.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct count {
    uint64_t agree, all;
};

/* Prints the one line that bad input gets. */
static int bad(const struct lines *lines, size_t column, const char *message)
{
    fprintf(stderr, "%s:%u:%zu: %s\n", lines->name, lines->number, column, message);
    return -1;
}

static int one_file(struct lines *lines, struct judge *judge, struct count *count)
{
    uint64_t before = count->all;
    int status;
    while ((status = lines_next(lines)) > 0) {
        struct vector vector;
        struct vector_error error;
        int parsed = vector_parse(lines->text, lines->length, &vector, &error);
        if (parsed < 0)
            return bad(lines, error.column, error.message);
        if (parsed == 0)
            continue;
        char place[512], why[512];
        snprintf(place, sizeof place, "%.400s:%u", lines->name, lines->number);
        int agrees = judge_vector(judge, &vector, place, stdout, why, sizeof why);
        if (agrees < 0)
            return bad(lines, 1, why);
        count->agree += (uint64_t)agrees;
        count->all++;
    }
    if (status < 0)
        return bad(lines, 1, lines->why);
    if (count->all == before) {
        fprintf(stderr, "%s: holds no vector\n", lines->name);
        return -1;
    }
    return 0;
}

static int all_files(int n, char **names, struct judge *judge, struct lines *lines, struct count *count)
{
    for (int i = 0; i < n; i++) {
        int status = -1;
        if (lines_open(lines, names[i]))
            status = one_file(lines, judge, count);
        else
            fprintf(stderr, "%s: %s\n", names[i], lines->why);
        lines_close(lines);
        if (status < 0)
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: mmusim-vectors FILE...   (- is standard input; compressed files are welcome)";
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        puts(usage);
        return EXIT_SUCCESS;
    }
    if (argc < 2) {
        fprintf(stderr, "%s\n", usage);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            fprintf(stderr, "mmusim-vectors: unknown option \"%s\"\n%s\n", argv[i], usage);
            return 2;
        }
    struct count count = {0, 0};
    struct judge *judge = judge_new();
    struct lines *lines = malloc(sizeof *lines);
    int status = 2;
    if (!judge || !lines)
        fprintf(stderr, "mmusim-vectors: the host is out of memory\n");
    else if (all_files(argc - 1, argv + 1, judge, lines, &count) == 0) {
        printf("%" PRIu64 " of %" PRIu64 " agree\n", count.agree, count.all);
        status = count.agree == count.all ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    free(lines);
    judge_free(judge);
    return status;
}
