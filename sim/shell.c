/*
 * sim/shell.c: `mmusim shell`: the language of scenarios at a prompt.
 *
 * At a terminal, with libedit: history and completion. Otherwise lines are read as they come, nothing is
 * prompted for, and the session ends with the worst of its statements' statuses.
 */
#define _DEFAULT_SOURCE
#include "script.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef MMUSIM_LIBEDIT
#include <histedit.h>
#endif

static const struct cli_command COMMAND = {
    .name = "shell",
    .usage = "--config MACHINE [--set PATH=VALUE]...\n--language",
    .summary =
        "A machine, and its kernel, at a prompt: statements of the language of scenarios are executed as\n"
        "they are typed, and questions answered. 'help' lists the commands, 'help COMMAND' explains\n"
        "one; 'quit' or the end of input leaves.",
    .details = "Without a terminal the statements are read from standard input and no prompt is printed. A\n"
               "statement that cannot be executed does not end the session; the exit status is that of the\n"
               "worst: 2 for one that could not be executed, else 1 for an expectation that failed.\n"
               "\n"
               "Examples:\n"
               "  mmusim shell --config pentium3-i386\n"
               "  echo 'walk $PAGE_OFFSET' | mmusim shell --config skylake-sp-linux",
};

/* ----- a terminal ----- */

#ifdef MMUSIM_LIBEDIT
static char *prompt(EditLine *edit)
{
    static char text[] = "mmusim> ";
    (void)edit;
    return text;
}

/* The candidates for a word that begins the statement. */
static const char *candidate(size_t i)
{
    static const char *const OTHERS[] = {"expect", "help", "on", "quit"};
    if (i < script_command_count)
        return script_commands[i].name;
    i -= script_command_count;
    return i < sizeof OTHERS / sizeof *OTHERS ? OTHERS[i] : NULL;
}

/* How much longer the word becomes: what all candidates have in common. Lists them when that is nothing. */
static unsigned char complete(EditLine *edit, int key)
{
    const LineInfo *line = el_line(edit);
    const char *word = line->cursor;
    while (word > line->buffer && word[-1] != ' ')
        word--;
    size_t n = (size_t)(line->cursor - word), common = 0, found = 0;
    const char *first = NULL, *name;
    (void)key;
    for (size_t i = 0; (name = candidate(i)); i++) {
        if (strncmp(name, word, n))
            continue;
        if (!found++) {
            first = name;
            common = strlen(name);
        }
        while (strncmp(name, first, common))
            common--;
    }
    if (!found)
        return CC_ERROR;
    char more[SCRIPT_NAME + 1];
    snprintf(more, sizeof more, "%.*s%s", (int)(common - n), first + n, found == 1 ? " " : "");
    if (*more)
        return el_insertstr(edit, more) ? CC_ERROR : CC_REFRESH;
    putchar('\n');
    for (size_t i = 0; (name = candidate(i)); i++)
        if (!strncmp(name, word, n))
            printf("%s  ", name);
    putchar('\n');
    return CC_REDISPLAY;
}

struct editor {
    EditLine *edit;
    History *history;
};

static bool editor_open(struct editor *e)
{
    HistEvent event;
    e->history = history_init();
    e->edit = el_init("mmusim", stdin, stdout, stderr);
    if (!e->history || !e->edit)
        return false;
    history(e->history, &event, H_SETSIZE, 1000);
    el_set(e->edit, EL_PROMPT, prompt);
    el_set(e->edit, EL_EDITOR, "emacs");
    el_set(e->edit, EL_HIST, history, e->history);
    el_set(e->edit, EL_ADDFN, "complete", "completes a command", complete);
    el_set(e->edit, EL_BIND, "^I", "complete", NULL);
    return true;
}

static void editor_close(struct editor *e)
{
    if (e->edit)
        el_end(e->edit);
    if (e->history)
        history_end(e->history);
}

/* A line typed, without its end; NULL: no more. Belongs to the caller. */
static char *editor_line(struct editor *e)
{
    int n = 0;
    HistEvent event;
    const char *line = el_gets(e->edit, &n);
    if (!line || n <= 0)
        return NULL;
    char *copy = strndup(line, strcspn(line, "\n"));
    if (copy && *copy)
        history(e->history, &event, H_ENTER, copy);
    return copy;
}
#endif

/* A line of standard input likewise. */
static char *plain_line(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n = getline(&line, &room, stdin);
    if (n < 0) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\n")] = 0;
    return line;
}

/* ----- the session ----- */

static bool is_quit(const char *line)
{
    char word[8] = "";
    return sscanf(line, "%7s", word) == 1 && !strcmp(word, "quit");
}

static int run_line(struct script *s, const char *line)
{
    if (strlen(line) >= SCRIPT_LINE) {
        s->text = "";
        return script_complain(s, NULL, "a line of %zu bytes, expected at most %d", strlen(line),
                               SCRIPT_LINE - 1);
    }
    int status = script_line(s, line);
    fflush(s->out);
    return status;
}

static int session(struct script *s)
{
    bool terminal = isatty(STDIN_FILENO);
    int worst = CLI_OK;
    char *line;
#ifdef MMUSIM_LIBEDIT
    struct editor editor = {0};
    terminal = terminal && editor_open(&editor);
#else
    terminal = false;
#endif
    s->tell = terminal;
    for (s->line = 1;; s->line++) {
#ifdef MMUSIM_LIBEDIT
        line = terminal ? editor_line(&editor) : plain_line();
#else
        line = plain_line();
#endif
        bool end = !line || is_quit(line);
        int status = end ? CLI_OK : run_line(s, line);
        free(line);
        worst = status > worst ? status : worst;
        if (end)
            break;
    }
#ifdef MMUSIM_LIBEDIT
    if (terminal)
        putchar('\n');
    editor_close(&editor);
#endif
    return terminal ? CLI_OK : worst;
}

static int run_shell(const char *name, const struct cli_list *sets)
{
    struct mmu_config config;
    struct mmu_error err = {0};
    struct script script = {.config = &config, .out = stdout, .file = "shell"};
    if (!name)
        return cli_error("shell: expected --config MACHINE; 'mmusim config list' lists the machines");
    if (mmu_config_load(&config, name, sets->item, sets->n, &err) ||
        mmu_machine_create(&config, NULL, &script.machine, &err))
        return cli_error_mmu(&err);
    script.os = mmu_machine_os(script.machine);
    const char *note;
    for (size_t i = 0; script.os && (note = mmu_os_note(script.os, i)); i++)
        fprintf(stderr, "mmusim: %s: note: %s\n", name, note);
    int status = session(&script);
    struct cli_output out = {.file = stdout, .name = "standard output"};
    int closed = cli_output_close(&out);
    script_free(&script);
    mmu_machine_free(script.machine);
    return closed != CLI_OK ? closed : status;
}

int cmd_shell(int argc, char **argv)
{
    const char *config = NULL;
    struct cli_list sets = {0}, words = {0};
    bool language = false;
    const struct cli_option options[] = {
        {.name = "config",
         .type = CLI_TEXT,
         .into = &config,
         .value = "MACHINE",
         .help = "a YAML file, or the name of a shipped machine"},
        {.name = "set",
         .type = CLI_TEXTS,
         .into = &sets,
         .value = "PATH=VALUE",
         .help = "override one key of the machine; may be repeated"},
        {.name = "language",
         .type = CLI_FLAG,
         .into = &language,
         .help = "print the description of the language (Markdown), and no session"},
    };
    int status = cli_parse(&COMMAND, options, sizeof options / sizeof *options, argc, argv, &words);
    if (status == CLI_GO && words.n) {
        status = cli_error("shell: expected no '%s'", words.item[0]);
    } else if (status == CLI_GO && language) {
        struct cli_output out = {.file = stdout, .name = "standard output"};
        help_markdown(stdout);
        status = cli_output_close(&out);
    } else if (status == CLI_GO) {
        status = run_shell(config, &sets);
    }
    cli_list_free(&sets);
    cli_list_free(&words);
    return status;
}
