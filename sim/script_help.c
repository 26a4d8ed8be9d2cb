/* sim/script_help.c: help, and the documentation of the language, from the table of commands. */
#include "script.h"
#include <string.h>

const char *parameter_text(const struct script_parameter *p, char *buf, size_t size)
{
    char name[SCRIPT_NAME];
    size_t n = 0;
    for (; p->name[n] && n + 1 < sizeof name; n++)
        name[n] = (char)(p->name[n] >= 'a' && p->name[n] <= 'z' ? p->name[n] - 32 : p->name[n]);
    name[n] = 0;
    if (p->type == TYPE_CHOICE) {
        const char *begin = p->keyword || p->optional ? "[" : "", *blank = p->keyword ? " " : "";
        size_t used = (size_t)snprintf(buf, size, "%s%s%s", begin, p->keyword ? p->name : "", blank);
        for (size_t i = 0; p->words[i] && used < size; i++)
            used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? "|" : "", p->words[i]);
        if (used < size)
            snprintf(buf + used, size - used, "%s", p->keyword || p->optional ? "]" : "");
    } else if (p->keyword) {
        snprintf(buf, size, "[%s %s]", p->name, p->type == TYPE_TEXT ? "TEXT" : "N");
    } else {
        snprintf(buf, size, p->optional ? "[%s]" : "%s", name);
    }
    return buf;
}

const char *help_usage(const struct script_command *c, char *buf, size_t size)
{
    size_t used = (size_t)snprintf(buf, size, "%s", c->name);
    for (size_t i = 0; i < SCRIPT_ARGS && c->parameter[i].type && used < size; i++) {
        char text[128];
        used += (size_t)snprintf(buf + used, size - used, " %s",
                                 parameter_text(&c->parameter[i], text, sizeof text));
    }
    return buf;
}

/* Words at most 78 characters wide, without the back quotes. */
static void print_wrapped(FILE *out, const char *text, int indent)
{
    int column = 0;
    while (*text) {
        size_t n = strcspn(text, " ");
        if (column && column + 1 + (int)n > 78 - indent) {
            fprintf(out, "\n");
            column = 0;
        }
        column += column ? fprintf(out, " ") : (fprintf(out, "%*s", indent, ""), 0);
        for (size_t i = 0; i < n; i++)
            if (text[i] != '`') {
                putc(text[i], out);
                column++;
            }
        text += n + (text[n] == ' ');
    }
    fprintf(out, "\n");
}

/* "PROT is PROT_NONE, PROT_READ ...": the words of a parameter, unless its usage has them. False: it has
 * none.
 */
static bool words_text(const struct script_parameter *p, char *buf, size_t size)
{
    const char *words[128];
    char name[SCRIPT_WORD];
    size_t n = p->type == TYPE_CHOICE ? 0 : parameter_words(p, words, sizeof words / sizeof *words);
    if (!n)
        return false;
    struct script_parameter plain = {.name = p->name, .type = p->type};
    size_t used = (size_t)snprintf(buf, size, "%s is %s ", parameter_text(&plain, name, sizeof name),
                                   p->type == TYPE_ZONE ? "one of" : "some of, joined by |:");
    for (size_t i = 0; i < n && used < size; i++)
        used += (size_t)snprintf(buf + used, size - used, "%s%s", words[i], i + 1 < n ? ", " : ".");
    return true;
}

void help_command(FILE *out, const struct script_command *c)
{
    char text[2048];
    fprintf(out, "%s\n", help_usage(c, text, sizeof text));
    print_wrapped(out, c->help, 4);
    for (size_t i = 0; i < SCRIPT_ARGS && c->parameter[i].type; i++)
        if (words_text(&c->parameter[i], text, sizeof text))
            print_wrapped(out, text, 4);
    if (c->gives) {
        snprintf(text, sizeof text, "Gives %s.", c->gives);
        print_wrapped(out, text, 4);
    }
}

bool help_field(const struct script_command *c, size_t n, char name[SCRIPT_NAME], bool *open)
{
    const char *at = c->gives ? c->gives : "";
    *open = strstr(at, "NUMBER`"); /* lines `Name: NUMBER` */
    for (; (at = strchr(at, '`')); n--) {
        const char *end = strchr(at + 1, '`');
        if (!n && end)
            snprintf(name, SCRIPT_NAME, "%.*s", (int)(end - at - 1), at + 1);
        if (!n || !end)
            return end;
        at = end + 1;
    }
    return false;
}

/* The statements that are no commands of the table. */
static const struct {
    const char *form, *text;
} FORMS[] = {
    {"COMMAND ARGUMENTS", "Executes a command and prints what it gives."},
    {"COMMAND ARGUMENTS FIELD", "One field of what it gives; without one, the first is its value."},
    {"$NAME = COMMAND ARGUMENTS [FIELD]", "Gives its value a name."},
    {"$NAME = NUMBER", "The same for a number, or for another name's value."},
    {"NUMBER", "Prints a number or the value of a name: `$va + 4K`."},
    {"expect VALUE RELATION VALUE",
     "Fails the run, with the line and both values, unless it is so. A value is a command with its arguments "
     "and perhaps a field, a number, or a name; a relation is one of ==, !=, <, <=, >, >=."},
    {"expect VALUE is WORD",
     "The same for a word, such as the outcome of an access, or a number; `is not` is the contrary."},
    {"expect COMMAND ARGUMENTS fails OUTCOME",
     "The call must not be done: EXHAUSTED, REFUSED, BUG, NO_SPACE, WOULD_SLEEP, an error as ENOMEM, a "
     "signal as SEGV_MAPERR."},
    {"expect COMMAND ARGUMENTS contains \"TEXT\"", "The text must have this; with `lacks`: must not."},
    {"on ARCHITECTURE,... STATEMENT",
     "Executes the statement if the kernel is one of i386, i386_pae, x86_64, x86_64_la57."},
    {"source FILE", "Executes the statements of another file, which may name others (16 deep, none twice)."},
    {"I  ADDRESS,SIZE",
     "A line of a text trace: a fetch; L a load, S a store, M both. Hexadecimal, as Lackey "
     "writes them, with k (kernel), i (implicit), + and gN behind."},
    {"help [COMMAND]", "Explains the language, or a command."},
    {"quit", "Leaves the prompt."},
};

bool help_form(FILE *out, const char *word)
{
    size_t n = strlen(word);
    bool found = false;
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
        if (strncmp(FORMS[i].form, word, n) != 0 || (FORMS[i].form[n] && FORMS[i].form[n] != ' ') ||
            word[0] < 'a')
            continue;
        found = true;
        fprintf(out, "%s\n", FORMS[i].form);
        print_wrapped(out, FORMS[i].text, 4);
    }
    return found;
}

void help_all(FILE *out)
{
    fprintf(out, "Statements, one a line; # begins a comment:\n");
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++)
        fprintf(out, "  %s\n", FORMS[i].form);
    for (unsigned group = 0; group < GROUP_GROUPS; group++) {
        fprintf(out, "\n%s:\n", script_group_title[group]);
        for (size_t i = 0; i < script_command_count; i++) {
            char usage[256];
            if (script_commands[i].group == group)
                fprintf(out, "  %s\n", help_usage(&script_commands[i], usage, sizeof usage));
        }
    }
    fprintf(
        out,
        "\n'help COMMAND' explains a command. Numbers: decimal, 0x hexadecimal, suffixes K, M, G, T (or KiB "
        "...),\n$NAME, sums and differences ($va + 4K). The kernel's constants are names: "
        "$PAGE_OFFSET.\n");
}

/* ----- the documentation ----- */

static const char GRAMMAR[] =
    "line        = [ statement ] [ \"#\" comment ]\n"
    "statement   = [ \"on\" ARCHITECTURE { \",\" ARCHITECTURE } ] ( value | assignment | expectation\n"
    "              | \"source\" text | \"help\" [ NAME ] | reference )\n"
    "assignment  = \"$\" NAME \"=\" value\n"
    "expectation = \"expect\" value ( \"==\" | \"!=\" | \"<\" | \"<=\" | \">\" | \">=\" ) value\n"
    "            | \"expect\" value ( \"is\" | \"is not\" ) ( number | text )\n"
    "            | \"expect\" command ( \"fails\" OUTCOME | \"contains\" text | \"lacks\" text )\n"
    "value       = number | command\n"
    "command     = NAME { argument } { KEYWORD argument | FIELD }\n"
    "argument    = number | text | WORD { \"|\" WORD }\n"
    "number      = term { ( \"+\" | \"-\" ) term }\n"
    "term        = \"$\" NAME | ( DECIMAL | \"0x\" HEXADECIMAL ) [ ( \"K\" | \"M\" | \"G\" | \"T\" ) [ "
    "\"iB\" ] ]\n"
    "text        = what reaches to the next blank | '\"' what reaches to the next '\"'\n"
    "reference   = ( \"I\" | \"L\" | \"S\" | \"M\" ) HEXADECIMAL \",\" SIZE { \"k\" | \"i\" | \"+\" | \"g\" "
    "CYCLES }\n";

static void print_commands(FILE *out, unsigned group)
{
    fprintf(out, "\n## %s\n\n", script_group_title[group]);
    for (size_t i = 0; i < script_command_count; i++) {
        const struct script_command *c = &script_commands[i];
        char usage[256];
        if (c->group != group)
            continue;
        fprintf(out, "- `%s`: %s", help_usage(c, usage, sizeof usage), c->help);
        if (c->gives)
            fprintf(out, " Gives %s.", c->gives);
        fprintf(out, "\n");
    }
}

/* The words of arguments that are flags, once for each kind of them. */
static void print_words(FILE *out)
{
    bool told[TYPE_TEXT + 1] = {0};
    fprintf(out, "\n## Words of arguments\n\n");
    for (size_t i = 0; i < script_command_count; i++)
        for (size_t k = 0; k < SCRIPT_ARGS && script_commands[i].parameter[k].type; k++) {
            const struct script_parameter *p = &script_commands[i].parameter[k];
            char text[2048];
            if (!told[p->type] && words_text(p, text, sizeof text))
                fprintf(out, "- %s (`%s`)\n", text, script_commands[i].name);
            told[p->type] = true;
        }
}

static void print_outcomes(FILE *out)
{
    static const struct {
        const char *name, *text;
    } TEXT[] = {
#define MMU_X(name, text) {#name, text},
        MMU_OS_OUTCOMES(MMU_X) MMU_OS_SIGNALS(MMU_X)
#undef MMU_X
    };
    static const struct {
        const char *name, *text;
    } COUNTED[] = {
#define MMU_X(name, text) {#name, text},
        MMU_OS_VMSTAT(MMU_X)
#undef MMU_X
    };
    fprintf(
        out,
        "\n## Outcomes\n\nWhat becomes of a call or an access that is not done: an error of a system call "
        "by its name (ENOMEM ...); an\nexception that no kernel handles (PF, GP, UD); or\n\n");
    for (size_t i = 0; i < sizeof TEXT / sizeof *TEXT; i++)
        if (strcmp(TEXT[i].name, "DONE") != 0 && strcmp(TEXT[i].name, "NONE") != 0 &&
            strcmp(TEXT[i].name, "ERROR") != 0)
            fprintf(out, "- %s: %s\n", TEXT[i].name, TEXT[i].text);
    fprintf(out, "\n## Counters of vmstat\n\n");
    for (size_t i = 0; i < sizeof COUNTED / sizeof *COUNTED; i++)
        fprintf(out, "- %s: %s\n", COUNTED[i].name, COUNTED[i].text);
}

void help_markdown(FILE *out)
{
    fprintf(out, "## Statements\n\nOne a line; `#` begins a comment. What cannot be executed stops the run "
                 "with file, line and column.\n\n| Statement | What it does |\n| --- | --- |\n");
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++)
        fprintf(out, "| `%s` | %s |\n", FORMS[i].form, FORMS[i].text);
    fprintf(
        out,
        "\nNumbers are decimal or hexadecimal (`0x`), with suffixes `K`, `M`, `G`, `T` (powers of "
        "1024; also `KiB` ...); a name stands\nwherever a number may; `+` and `-` add and subtract. The "
        "kernel's constants are names, too: `$PAGE_OFFSET`,\n`$VMALLOC_START`, `$high_memory`; `mmusim "
        "layout` lists them. A name may also stand for a word.\n\nA statement is read and checked whole "
        "before any of it is done. Figures of /proc texts are in their own units (kB).\nFiles are looked "
        "for in the folder of the file that names them. A line has at most 1023 bytes.\n\n```text\n%s```\n",
        GRAMMAR);
    for (unsigned group = 0; group < GROUP_GROUPS; group++)
        print_commands(out, group);
    print_words(out);
    print_outcomes(out);
}
