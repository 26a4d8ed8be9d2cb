/*
 * sim/tables.c: see tables.h.
 *
 * Registers come as text: NAME = VALUE, as many as there are, among anything else; values are hexadecimal,
 * with or without 0x. So a list made by hand is understood, and what QEMU's "info registers" prints. The
 * first value of a name counts. Control registers, EFER, PKRU and PKRS are looked for; CPL is not: accesses
 * carry their own authority.
 */
#define _POSIX_C_SOURCE 200809L
#include "tables.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CR4_PAE = 1 << 5 };

void tables_options(struct tables *tables, struct cli_option rows[TABLES_OPTIONS])
{
    const struct cli_option options[TABLES_OPTIONS] = {
        {.name = "image",
         .type = CLI_TEXT,
         .into = &tables->image,
         .value = "FILE",
         .help = "replay over the page tables of a memory image (ELF core or raw, may be compressed)"},
        {.name = "registers",
         .type = CLI_TEXT,
         .into = &tables->registers,
         .value = "FILE",
         .help = "the registers of the image, as text: CR3 = VALUE, and CR0, CR4, EFER, PKRU, PKRS if\n"
                 "known, in hexadecimal; QEMU's 'info registers' will do (default: what an ELF core\n"
                 "written by QEMU's dump-guest-memory says of its first processor)"},
        {.name = "base",
         .type = CLI_COUNT,
         .into = &tables->base,
         .value = "X",
         .help = "physical address at which a raw image begins (default 0)"},
        {.name = "pagemap",
         .type = CLI_TEXT,
         .into = &tables->pagemap,
         .value = "FILE",
         .help = "replay over the mapping that a process had: its /proc/PID/pagemap, or that as text\n"
                 "(a line a page: address and entry in hexadecimal); needs --maps"},
        {.name = "maps",
         .type = CLI_TEXT,
         .into = &tables->maps,
         .value = "FILE",
         .help = "the process's /proc/PID/maps: with --pagemap, or for a machine with a kernel (os)"},
    };
    memcpy(rows, options, sizeof options);
}

static int slurp(const char *path, char **text)
{
    FILE *file = fopen(path, "r"), *copy;
    size_t size = 0, n;
    char part[4096];
    if (!file)
        return cli_error("%s: cannot open: %s", path, strerror(errno));
    copy = open_memstream(text, &size);
    while (copy && size < 1 << 24 && (n = fread(part, 1, sizeof part, file)) > 0)
        fwrite(part, 1, n, copy);
    bool failed = ferror(file);
    fclose(file);
    if (!copy || fclose(copy))
        return cli_error("out of memory");
    return failed ? cli_error("%s: cannot read: %s", path, strerror(EIO)) : CLI_GO;
}

/* The first NAME = VALUE in the text. */
static const char *find_value(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = text; (at = strstr(at, name)); at += n) {
        const char *value = at + n;
        if (at != text && (isalnum((unsigned char)at[-1]) || at[-1] == '_'))
            continue;
        value += strspn(value, " \t");
        if (*value == '=')
            return value + 1 + strspn(value + 1, " \t");
    }
    return NULL;
}

static struct walk_place place_of(const char *text, const char *at)
{
    struct walk_place place = {1, 1};
    for (; text < at; text++) {
        place.line += *text == '\n';
        place.column = *text == '\n' ? 1 : place.column + 1;
    }
    return place;
}

static int parse_registers(struct walk_request *request, const char *path, const char *text)
{
    static const struct {
        const char *name;
        enum mmu_reg reg;
    } NAMES[] = {{"CR0", MMU_REG_CR0},   {"CR2", MMU_REG_CR2},   {"CR3", MMU_REG_CR3},  {"CR4", MMU_REG_CR4},
                 {"EFER", MMU_REG_EFER}, {"PKRU", MMU_REG_PKRU}, {"PKRS", MMU_REG_PKRS}};
    request->file = path;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        const char *value = find_value(text, NAMES[i].name);
        struct walk_place *at = &request->at[NAMES[i].reg];
        char *end;
        if (!value)
            continue;
        *at = place_of(text, value);
        errno = 0;
        request->registers.value[NAMES[i].reg] = strtoull(value, &end, 16);
        if (!isxdigit((unsigned char)*value) || errno || (*end && !isspace((unsigned char)*end)))
            return cli_error("%s:%u:%u: %s: found '%.*s', expected a hexadecimal number below 2^64", path,
                             at->line, at->column, NAMES[i].name, (int)strcspn(value, " \t\r\n"), value);
        request->have[NAMES[i].reg] = true;
    }
    if (!request->have[MMU_REG_CR3])
        return cli_error("%s: no line CR3 = VALUE, the physical address where translation begins", path);
    return CLI_GO;
}

/* What the image says itself. */
static int registers_of_image(struct walk_request *request, const struct tables *t)
{
    static const enum mmu_reg TOLD[] = {MMU_REG_CR0, MMU_REG_CR2, MMU_REG_CR3, MMU_REG_CR4, MMU_REG_EFER};
    struct mmu_image *image;
    struct mmu_error err = {0};
    if (mmu_image_open(t->image, t->base, &image, &err))
        return cli_error_mmu(&err);
    request->file = t->image;
    int status = mmu_image_registers(image, &request->registers);
    mmu_image_close(image);
    for (size_t i = 0; i < sizeof TOLD / sizeof *TOLD && !status; i++)
        request->have[TOLD[i]] = true;
    if (status)
        return cli_error("%s: tells no registers; expected --registers FILE with it", t->image);
    if (!(request->registers.value[MMU_REG_CR4] & CR4_PAE))
        request->have[MMU_REG_EFER] = false; /* and the mode's default will do */
    return CLI_GO;
}

static int read_registers(struct tables *t)
{
    char *text = NULL;
    int status;
    t->request.image = t->image;
    t->request.maxphyaddr = 52;
    if (t->registers) {
        status = slurp(t->registers, &text);
        if (status == CLI_GO)
            status = parse_registers(&t->request, t->registers, text);
        free(text);
    } else {
        status = registers_of_image(&t->request, t);
    }
    if (status == CLI_GO && walk_registers(&t->request) != CLI_OK)
        status = CLI_BAD;
    snprintf(t->text, sizeof t->text, "page tables in %s", t->image);
    return status;
}

int tables_read(struct tables *t)
{
    if (t->image && t->pagemap)
        return cli_error("run: --image and --pagemap: expected one of them");
    if (t->registers && !t->image)
        return cli_error("run: --registers: expected --image FILE with it");
    if (t->pagemap && !t->maps)
        return cli_error("run: --pagemap: expected --maps FILE with it, for the rights");
    if (t->base && !t->image)
        return cli_error("run: --base: expected --image FILE with it");
    if (t->image)
        return read_registers(t);
    return t->pagemap ? pagemap_read(t->pagemap, t->maps, &t->pages, t->text, sizeof t->text) : CLI_GO;
}

void tables_free(struct tables *t)
{
    pagemap_free(t->pages);
    t->pages = NULL;
}

void tables_fit(const struct tables *t, struct mmu_config *config)
{
    if (!t->image && !t->pagemap)
        return;
    config->pager.enabled = false;
    config->os.enabled = false;
    config->memory.ram_ranges = 0;
}

static int create_on_image(struct tables *t, const struct mmu_config *config, struct tables_memory *memory,
                           struct mmu_machine **machine)
{
    struct mmu_error err = {0};
    const struct mmu_options options = {.memory = &memory->memory.ops};
    if (mmu_image_open(t->image, t->base, &memory->image, &err))
        return cli_error_mmu(&err);
    walk_memory_init(&memory->memory, memory->image);
    if (mmu_machine_create(config, &options, machine, &err))
        return cli_error_mmu(&err);
    t->request.maxphyaddr = config->cpu.maxphyaddr;
    t->request.machine = config->name;
    for (uint32_t core = 0; core < config->cores; core++)
        if (walk_load_registers(&t->request, &memory->memory, mmu_machine_core(*machine, core)) != CLI_OK)
            return CLI_BAD;
    return CLI_GO;
}

static int create_on_pagemap(struct tables *t, const struct mmu_config *config, struct mmu_machine **machine)
{
    struct mmu_error err = {0};
    mmu_pa root;
    if (mmu_machine_create(config, NULL, machine, &err))
        return cli_error_mmu(&err);
    int status = pagemap_write(t->pages, *machine, &root);
    if (status != CLI_GO)
        return status;
    struct walk_request request = {.image = t->pagemap, .maxphyaddr = config->cpu.maxphyaddr};
    request.have[MMU_REG_CR3] = true;
    request.registers.value[MMU_REG_CR3] = root;
    if (walk_registers(&request) != CLI_OK)
        return CLI_BAD;
    for (uint32_t core = 0; core < config->cores; core++)
        if (mmu_core_load(mmu_machine_core(*machine, core), &request.registers) != MMU_DONE)
            return cli_error("%s: this machine has no four-level paging with execute-disable", config->name);
    return CLI_GO;
}

int tables_create(struct tables *t, const struct mmu_config *config, struct tables_memory *memory,
                  struct mmu_machine **machine)
{
    struct mmu_error err = {0};
    if (t->image)
        return create_on_image(t, config, memory, machine);
    if (t->pagemap)
        return create_on_pagemap(t, config, machine);
    return mmu_machine_create(config, NULL, machine, &err) ? cli_error_mmu(&err) : CLI_GO;
}

void tables_memory_free(struct tables_memory *memory)
{
    mmu_image_close(memory->image);
    memory->image = NULL;
}
