/* sim/config.c: `mmusim config`: lists, shows and checks machine descriptions. */
#include "cli.h"
#include <mmusim/config.h>
#include <string.h>

static const struct cli_command COMMAND = {
    .name = "config",
    .usage = "list\n"
             "show MACHINE [--set PATH=VALUE]... [--output FILE]\n"
             "check MACHINE... [--set PATH=VALUE]...\n"
             "keys",
    .summary = "list prints the shipped machines. show prints a machine fully resolved, as YAML that loads "
               "back to the\n"
               "same machine. check says of each MACHINE whether it could exist. keys prints every key of "
               "the YAML.\n"
               "MACHINE is a YAML file (it has a '/', or ends in .yaml) or the name of a shipped machine.",
    .details =
        "Shipped machines are looked for in $MMUSIM_CONFIG_PATH (folders, separated by colons), beside the\n"
        "program, and where the library was installed.\n"
        "\n"
        "Examples:\n"
        "  mmusim config show skylake-sp --set tlb.STLB.entries=3072 --set tlb.STLB.index=xor-8\n"
        "  mmusim config show zen3 --set 'tlb.L2-DTLB-1G=null' --output zen3-without-1g.yaml\n"
        "  mmusim config check machines/*.yaml",
};

struct arguments {
    struct cli_list words; /* the action first */
    struct cli_list sets;
    const char *output;
};

/* --- list --- */

static void print_machine(void *ctx, const char *name, const char *title, const char *path)
{
    (void)path;
    fprintf(ctx, "%-16s %s\n", name, title);
}

static int list(const struct arguments *a, FILE *out)
{
    struct mmu_error err = {0};
    if (a->words.n > 1)
        return cli_error("config list: expected no '%s'", a->words.item[1]);
    return mmu_config_list(print_machine, out, &err) == MMU_OK ? CLI_OK : cli_error_mmu(&err);
}

/* --- keys --- */

static void print_key(void *ctx, const char *path, const char *expected, const char *text)
{
    fprintf(ctx, "%s\n    %s\n    %s\n", path, text, expected);
}

static int keys(const struct arguments *a, FILE *out)
{
    if (a->words.n > 1)
        return cli_error("config keys: expected no '%s'", a->words.item[1]);
    mmu_config_keys(print_key, out);
    return CLI_OK;
}

/* --- show, check --- */

static int load(const struct arguments *a, const char *name, struct mmu_config *config)
{
    struct mmu_error err = {0};
    return mmu_config_load(config, name, a->sets.item, a->sets.n, &err) == MMU_OK ? CLI_OK
                                                                                  : cli_error_mmu(&err);
}

static int show(const struct arguments *a, FILE *out)
{
    struct mmu_config config;
    if (a->words.n != 2)
        return cli_error("config show: expected one machine, got %zu", a->words.n - 1);
    int status = load(a, a->words.item[1], &config);
    if (status == CLI_OK)
        mmu_config_write(&config, out); /* a failed write shows when the output is closed */
    return status;
}

static int check(const struct arguments *a, FILE *out)
{
    struct mmu_config config;
    int status = CLI_OK;
    if (a->words.n < 2)
        return cli_error("config check: expected at least one machine");
    for (size_t i = 1; i < a->words.n; i++) {
        if (load(a, a->words.item[i], &config) == CLI_OK)
            fprintf(out, "%s: ok: %s\n", a->words.item[i], config.title[0] ? config.title : config.name);
        else
            status = CLI_BAD;
    }
    return status;
}

static const struct action {
    const char *name;
    int (*run)(const struct arguments *a, FILE *out);
    bool sets, partial; /* takes --set; its output stands even if it fails */
} ACTIONS[] = {{"list", list, false, false},
               {"show", show, true, false},
               {"check", check, true, true},
               {"keys", keys, false, false}};
enum { N = sizeof ACTIONS / sizeof ACTIONS[0] };

static int run_action(const struct arguments *a, const struct action *action)
{
    struct cli_output out = {0};
    if (a->sets.n && !action->sets)
        return cli_error("config %s: takes no --set", action->name);
    int status = cli_output_open(&out, a->output);
    if (status)
        return status;
    status = action->run(a, out.file);
    if (status != CLI_OK && !action->partial) {
        cli_output_discard(&out);
        return status;
    }
    int closed = cli_output_close(&out);
    return closed ? closed : status;
}

static int find_and_run(const struct arguments *a)
{
    const char *names[N];
    if (!a->words.n)
        return cli_error("config: expected list, show, check or keys");
    for (size_t i = 0; i < N; i++) {
        if (!strcmp(a->words.item[0], ACTIONS[i].name))
            return run_action(a, &ACTIONS[i]);
        names[i] = ACTIONS[i].name;
    }
    return cli_error_unknown("config action", a->words.item[0], names, N);
}

int cmd_config(int argc, char **argv)
{
    struct arguments a = {0};
    const struct cli_option options[] = {
        {.name = "set",
         .type = CLI_TEXTS,
         .into = &a.sets,
         .value = "PATH=VALUE",
         .help = "override one key; may be repeated, applied in order"},
        {.name = "output",
         .type = CLI_TEXT,
         .into = &a.output,
         .value = "FILE",
         .help = "write there instead of standard output"},
    };
    int status = cli_parse(&COMMAND, options, sizeof options / sizeof options[0], argc, argv, &a.words);
    if (status == CLI_GO)
        status = find_and_run(&a);
    cli_list_free(&a.words);
    cli_list_free(&a.sets);
    return status;
}
