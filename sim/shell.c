/*
 * sim/shell.c: `mmusim shell`: the language of scenarios at a prompt.
 *
 * At a terminal, with libedit: history and completion. Otherwise lines are read as they come, nothing is
 * prompted for, and the session ends with the worst of its statements' statuses.
 */
#define _DEFAULT_SOURCE
#include "shell.h"
#include <signal.h>
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

/* How many bytes all words begin with. */
static size_t common(const struct shell_words *words)
{
    size_t n = strlen(words->word[0]);
    for (size_t i = 1; i < words->n; i++)
        while (strncmp(words->word[i], words->word[0], n) != 0)
            n--;
    return n;
}

/* Writes what all candidates have in common behind what is typed; lists them when that is nothing. */
static unsigned char complete(EditLine *edit, int key)
{
    struct script *s = NULL;
    struct shell_words words;
    const LineInfo *line = el_line(edit);
    unsigned char end = CC_ERROR;
    (void)key;
    el_get(edit, EL_CLIENTDATA, &s);
    if (shell_complete(s, line->buffer, (size_t)(line->cursor - line->buffer), &words) && words.n) {
        char more[SCRIPT_PATH + 1];
        const char *first = words.word[0];
        size_t n = common(&words);
        bool whole = words.n == 1 && first[n - 1] != '/';
        snprintf(more, sizeof more, "%.*s%s", (int)(n - words.typed), first + words.typed, whole ? " " : "");
        end = CC_REDISPLAY;
        if (*more)
            end = el_insertstr(edit, more) ? CC_ERROR : CC_REFRESH;
        else
            putchar('\n');
        for (size_t i = 0; !*more && i < words.n; i++)
            printf("%s%s", words.word[i], i + 1 < words.n ? "  " : "\n");
    }
    shell_words_free(&words);
    return end;
}

/* ^C: what is typed is given up; the session, with all that the machine has done, goes on. */
static unsigned char abandon(EditLine *edit, int key)
{
    const LineInfo *line = el_line(edit);
    (void)key;
    el_cursor(edit, (int)(line->lastchar - line->cursor));
    el_deletestr(edit, (int)(line->lastchar - line->buffer));
    puts("^C");
    return el_insertstr(edit, "\n") ? CC_ERROR : CC_NEWLINE;
}

/* ^Z: as the terminal does it, to all processes in front of it. */
static unsigned char suspend(EditLine *edit, int key)
{
    (void)edit;
    (void)key;
    return kill(0, SIGTSTP) ? CC_ERROR : CC_REDISPLAY;
}

struct editor {
    EditLine *edit;
    History *history;
};

static bool editor_open(struct editor *e, struct script *s)
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
    el_set(e->edit, EL_CLIENTDATA, s);
    el_set(e->edit, EL_ADDFN, "complete", "completes a word", complete);
    el_set(e->edit, EL_BIND, "^I", "complete", NULL);
    el_set(e->edit, EL_SETTY, "-d", "-isig", NULL); /* while a line is typed these two are keys */
    el_set(e->edit, EL_ADDFN, "abandon", "gives the line up", abandon);
    el_set(e->edit, EL_BIND, "^C", "abandon", NULL);
    el_set(e->edit, EL_ADDFN, "suspend", "stops the program", suspend);
    el_set(e->edit, EL_BIND, "^Z", "suspend", NULL);
    el_set(e->edit, EL_SIGNAL, 1); /* a signal that ends the program leaves the terminal as it was */
    return true;
}

static void editor_close(struct editor *e)
{
    if (e->edit)
        el_end(e->edit);
    if (e->history)
        history_end(e->history);
}

/* A line typed, without its end. */
static enum script_line editor_line(struct editor *e, char line[SCRIPT_LINE])
{
    int n = 0;
    HistEvent event;
    const char *typed = el_gets(e->edit, &n);
    if (!typed || n <= 0)
        return LINE_END;
    if (snprintf(line, SCRIPT_LINE, "%.*s", (int)strcspn(typed, "\n"), typed) >= SCRIPT_LINE)
        return LINE_LONG;
    if (line[strspn(line, " \t")])
        history(e->history, &event, H_ENTER, line);
    return LINE_GOOD;
}
#endif

/* ----- the session ----- */

static bool is_quit(const char *line)
{
    line += strspn(line, " \t");
    const char *behind = line + 4, *rest = strncmp(line, "quit", 4) ? NULL : behind + strspn(behind, " \t");
    return rest && (!*rest || (*rest == '#' && rest > behind));
}

static int session(struct script *s)
{
    bool terminal = isatty(STDIN_FILENO);
    int worst = CLI_OK;
    char line[SCRIPT_LINE];
#ifdef MMUSIM_LIBEDIT
    struct editor editor = {0};
    terminal = terminal && editor_open(&editor, s);
#else
    terminal = false;
#endif
    s->tell = terminal;
    for (;; s->source->line++) {
#ifdef MMUSIM_LIBEDIT
        enum script_line what = terminal ? editor_line(&editor, line) : script_read_line(stdin, line);
#else
        enum script_line what = script_read_line(stdin, line);
#endif
        if (what == LINE_END || (what == LINE_GOOD && is_quit(line)))
            break;
        int status = script_run_line(s, what, line);
        fflush(s->out);
        worst = status > worst ? status : worst;
        if (what >= LINE_ENDLESS)
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
    struct script_source prompt = {.file = "shell", .line = 1};
    struct script script = {.config = &config, .out = stdout, .source = &prompt};
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
