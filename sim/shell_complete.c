/*
 * sim/shell_complete.c: what the tabulator offers, from the table of commands.
 *
 * The words before the cursor tell the command; then its own words are offered: flags, choices, keywords, the
 * fields that it gives. Where a file is meant, files of the host.
 */
#define _POSIX_C_SOURCE 200809L
#include "shell.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct search {
    const struct script *script;
    struct shell_words *words;
    const char *begin; /* what is typed of the word */
    bool failed;
};

static void offer(void *ctx, const char *word)
{
    struct search *search = ctx;
    struct shell_words *w = search->words;
    if (search->failed || strncmp(word, search->begin, w->typed) != 0)
        return;
    for (size_t i = 0; i < w->n; i++)
        if (!strcmp(w->word[i], word))
            return;
    char **more = realloc(w->word, (w->n + 1) * sizeof *more), *copy = strdup(word);
    if (more)
        w->word = more;
    if (more && copy)
        w->word[w->n++] = copy;
    else
        free(copy);
    search->failed = !more || !copy;
}

void shell_words_free(struct shell_words *words)
{
    for (size_t i = 0; i < words->n; i++)
        free(words->word[i]);
    free(words->word);
    *words = (struct shell_words){0};
}

/* ----- where the cursor stands ----- */

struct place {
    bool begins;         /* a value begins here: a command */
    bool first;          /* the statement begins here */
    bool plain;          /* behind `is`: a word */
    const char *keyword; /* help, source */
    const struct script_command *command;
    const char *before; /* the word before */
};

/* Follows the words before the one at the end. */
static struct place find_place(struct script *s, const char *end, char word[SCRIPT_NAME])
{
    struct place p = {.begins = true, .first = true, .before = ""};
    while (!read_end(s) && s->at < end) {
        const char *name = s->at;
        read_word(s, word, SCRIPT_NAME);
        if (s->at > end)
            break;
        p.before = word;
        if (at_relation(word)) {
            p = (struct place){
                .begins = strcmp(word, "is") != 0 && strchr("=!<>", *word), .plain = true, .before = word};
        } else if (p.begins && !strcmp(word, "on")) {
            read_word(s, word, SCRIPT_NAME);
        } else if (p.begins && (!strcmp(word, "help") || !strcmp(word, "source"))) {
            p = (struct place){.keyword = *word == 'h' ? "help" : "source", .before = word};
        } else if (p.begins && strcmp(word, "expect") != 0 && *name != '$') {
            p.command = script_find(word);
            p.begins = false;
        }
        p.first = false;
    }
    return p;
}

/* ----- candidates ----- */

static void offer_name(void *ctx, const char *name)
{
    char word[SCRIPT_NAME + 1];
    snprintf(word, sizeof word, "$%s", name);
    offer(ctx, word);
}

static void offer_commands(struct search *search, bool keywords)
{
    for (size_t i = 0; i < script_command_count; i++)
        if (!script_commands[i].needs_os || search->script->os)
            offer(search, script_commands[i].name);
    for (size_t i = 0; keywords && script_keywords[i]; i++)
        offer(search, script_keywords[i]);
}

static void offer_files(struct search *search)
{
    char path[SCRIPT_PATH];
    const char *slash = strrchr(search->begin, '/');
    int folder = slash ? (int)(slash - search->begin) + 1 : 0;
    if (snprintf(path, sizeof path, "%.*s", folder, search->begin) >= (int)sizeof path)
        return;
    DIR *dir = opendir(*path ? path : ".");
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        struct stat info;
        if (*entry->d_name == '.' && (!slash || slash[1] != '.'))
            continue;
        if (snprintf(path, sizeof path - 1, "%.*s%s", folder, search->begin, entry->d_name) >=
            (int)sizeof path - 1)
            continue;
        if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
            strcat(path, "/");
        offer(search, path);
    }
    if (dir)
        closedir(dir);
}

static bool is_file(const struct script_parameter *p)
{
    return p->type == TYPE_TEXT && (!strcmp(p->name, "file") || !strcmp(p->name, "path"));
}

/* The words that can be arguments of a command, or ask for a part of what it gives. */
static void offer_arguments(struct search *search, const struct script_command *c, const char *before)
{
    for (size_t i = 0; i < SCRIPT_ARGS && c->parameter[i].type; i++) {
        const struct script_parameter *p = &c->parameter[i];
        const char *words[128];
        bool asked = p->keyword && !strcmp(before, p->name);
        if (p->keyword && !asked)
            offer(search, p->name);
        size_t n = !p->keyword || asked ? parameter_words(p, words, sizeof words / sizeof *words) : 0;
        while (n)
            offer(search, words[--n]);
        if (is_file(p) && (!p->keyword || asked))
            offer_files(search);
    }
    char name[SCRIPT_NAME];
    bool open;
    for (size_t i = 0; help_field(c, i, name, &open); i++)
        if (!strchr(name, ':'))
            offer(search, name);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

bool shell_complete(const struct script *s, const char *line, size_t n, struct shell_words *words)
{
    char text[SCRIPT_LINE], word[SCRIPT_NAME] = "";
    *words = (struct shell_words){0};
    if (n >= sizeof text)
        return true;
    snprintf(text, sizeof text, "%.*s", (int)n, line);
    size_t begin = n;
    while (begin && text[begin - 1] != ' ' && text[begin - 1] != '\t')
        begin--;
    struct script reading = {.text = text, .at = text};
    struct place p = find_place(&reading, text + begin, word);
    const char *bar = strrchr(text + begin, '|'); /* PROT_READ|PROT_WRITE */
    struct search search = {s, words, bar && p.command ? bar + 1 : text + begin, false};
    words->typed = strlen(search.begin);
    if (*search.begin == '$')
        script_each_name(s, offer_name, &search);
    else if (p.keyword)
        *p.keyword == 'h' ? offer_commands(&search, true) : offer_files(&search);
    else if (p.command)
        offer_arguments(&search, p.command, p.before);
    else if (p.begins)
        offer_commands(&search, p.first);
    if (words->n)
        qsort(words->word, words->n, sizeof *words->word, by_text);
    return !search.failed;
}
