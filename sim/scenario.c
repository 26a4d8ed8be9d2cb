/*
 * sim/scenario.c: scenarios through `mmusim run`: each on a fresh machine of each config. The transcript goes
 * to the output: every line of the scenario, and below it what it gave.
 */
#define _POSIX_C_SOURCE 200809L
#include "run.h"
#include "script.h"
#include "trace.h"
#include <stdlib.h>

/* What the command line asks for that only a trace has. */
static int check_options(const struct job *job)
{
    const char *given = job->warmup      ? "warmup"
                        : job->has_limit ? "limit"
                        : job->classify  ? "classify"
                        : job->format    ? "format"
                        : job->threads   ? "threads"
                                         : NULL;
    return given ? cli_error("run: --%s is for traces, and %s is a scenario", given, job->traces.item[0])
                 : CLI_GO;
}

/* By --trace-format, or by what it is called and what is in it. */
static bool is_scenario(const struct job *job, const char *path)
{
    const struct trace_in *in = &job->trace_in;
    return in->format || in->columns ? run_format_is_scenario(in->format) : script_is_scenario(path);
}

int scenarios_among(const struct job *job, bool *are)
{
    *are = false;
    for (size_t i = 0; i < job->traces.n; i++) {
        bool is = is_scenario(job, job->traces.item[i]);
        if (is && script_read_once(job->traces.item[i]) && job->configs.n > 1)
            return cli_error(
                "run: a scenario from standard input or a pipe is read once, expected one --config");
        if (i && is != *are)
            return cli_error("run: %s is a %s and %s a %s; expected runs of their own", job->traces.item[0],
                             *are ? "scenario" : "trace", job->traces.item[i], is ? "scenario" : "trace");
        *are = is;
    }
    return *are ? check_options(job) : CLI_GO;
}

static int run_one(const struct mmu_config *config, const char *path, FILE *out)
{
    struct mmu_error err = {0};
    struct script script = {.config = config, .out = out, .echo = true};
    if (mmu_machine_create(config, NULL, &script.machine, &err))
        return cli_error_mmu(&err);
    script.os = mmu_machine_os(script.machine);
    fprintf(out, "# %s on %s: %s\n", path, config->name, config->title);
    int status = script_file(&script, path);
    script_free(&script);
    mmu_machine_free(script.machine);
    return status;
}

static int run_all(const struct job *job, FILE *out)
{
    int worst = CLI_OK;
    struct mmu_config *config = malloc(sizeof *config);
    if (!config)
        return cli_error("out of memory");
    for (size_t i = 0; worst != CLI_BAD && i < job->configs.n; i++) {
        struct mmu_error err = {0};
        if (mmu_config_load(config, job->configs.item[i], job->sets.item, job->sets.n, &err))
            worst = cli_error_mmu(&err);
        if (job->has_seed)
            config->seed = job->seed;
        for (size_t k = 0; worst != CLI_BAD && k < job->traces.n; k++) {
            int status = run_one(config, job->traces.item[k], out);
            worst = status > worst ? status : worst;
        }
    }
    free(config);
    return worst;
}

/* A transcript appears whole or not at all. */
int scenarios_run(const struct job *job, FILE *out)
{
    char *text = NULL;
    size_t size = 0;
    FILE *transcript = open_memstream(&text, &size);
    if (!transcript)
        return cli_error("out of memory");
    int status = run_all(job, transcript);
    if (fclose(transcript))
        status = cli_error("out of memory");
    if (status != CLI_BAD)
        fwrite(text, 1, size, out); /* a failed write shows when the output is closed */
    free(text);
    return status;
}
