/* sim/kernel.c: a machine's kernel is booted for a subcommand that prints something of it. */
#include "kernel.h"

const char *const kernel_formats[] = {"text", "json", NULL};

static int boot(struct kernel_job *job, const char *command)
{
    struct mmu_config config;
    struct mmu_error err = {0};
    if (!job->config)
        return cli_error("%s: expected --config MACHINE", command);
    if (job->words.n)
        return cli_error("%s: expected no '%s'", command, job->words.item[0]);
    if (mmu_config_load(&config, job->config, job->sets.item, job->sets.n, &err) != MMU_OK)
        return cli_error_mmu(&err);
    if (!config.os.enabled)
        return cli_error("%s: os: not given; expected a machine with a kernel (as by --set os.ram=512M)",
                         job->config);
    if (mmu_machine_create(&config, NULL, &job->machine, &err) != MMU_OK)
        return cli_error_mmu(&err);
    job->os = mmu_machine_os(job->machine);
    const char *note;
    for (size_t i = 0; (note = mmu_os_note(job->os, i)); i++)
        fprintf(stderr, "mmusim: %s: note: %s\n", job->config, note);
    return CLI_OK;
}

int kernel_command(struct kernel_job *job, const struct cli_command *command,
                   const struct cli_option *options, size_t n, int argc, char **argv,
                   int (*print)(const struct kernel_job *job, void *ctx), void *ctx)
{
    int status = cli_parse(command, options, n, argc, argv, &job->words);
    if (status == CLI_GO) {
        status = boot(job, command->name);
        if (status == CLI_OK)
            status = cli_output_open(&job->out, job->output);
        if (status == CLI_OK) {
            status = print(job, ctx);
            if (status == CLI_OK)
                status = cli_output_close(&job->out);
        }
        cli_output_discard(&job->out);
    }
    mmu_machine_free(job->machine);
    cli_list_free(&job->sets);
    cli_list_free(&job->words);
    return status;
}

int kernel_print_json(const struct kernel_job *job, json_t *root)
{
    if (!root)
        return cli_error("out of memory");
    json_dumpf(root, job->out.file, JSON_INDENT(2)); /* a failed write shows when the output is closed */
    putc('\n', job->out.file);
    json_decref(root);
    return CLI_OK;
}
