/* sim/walk.c: `mmusim walk`: walks the page tables of a memory image. */
#define _POSIX_C_SOURCE 200809L
#include "walk.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_command COMMAND = {
    .name = "walk",
    .usage = "--image FILE --cr3 X [OPTION...] ADDRESS...|-",
    .summary =
        "Walks the page tables in a memory image, as the processor would for an access to each ADDRESS,\n"
        "and prints where it leads. '-' reads addresses from standard input: one or more a line,\n"
        "# begins a comment. Numbers are decimal or 0x hexadecimal.",
    .details =
        "Registers that are not given take the values of the paging mode: CR0 = PE ET WP PG; CR4 = PGE,\n"
        "and PSE, PAE or LA57 as the mode needs; EFER = NXE (not i386), and LME in the 64-bit modes.\n"
        "\n"
        "Output, one line for each address:\n"
        "  ADDRESS PADDR SIZE U|S RW|RO X|NX A=a D=d G=g PCD=p PWT=p [KEY=k]\n"
        "  ADDRESS fault ERRORCODE REASON level=LEVEL entry=ENTRY\n"
        "ADDRESS has 16 digits (8 in the 32-bit modes), SIZE is 4K, 2M, 4M or 1G. U, RW and X are the rights "
        "over\n"
        "all levels, whether or not this access needs them; the flags are the last entry's. KEY appears "
        "when\n"
        "CR4.PKE or CR4.PKS is 1. ERRORCODE is the #PF error code, GP for #GP(0), or - where a processor "
        "would\n"
        "read what is not there. REASON is one or more of not-present, reserved, user, write, execute, "
        "smep,\n"
        "smap, key, non-canonical, outside-memory, joined by commas; level and entry are those that decide.\n"
        "outside-memory has at=PADDR, the address of the entry that the image does not hold, instead of "
        "entry.\n"
        "With --explain a page follows each line, indented, and ends with a blank line.\n"
        "\n"
        "Examples:\n"
        "  mmusim walk --image vm.core --cr3 0x62ca000 0x7f5f6798e040\n"
        "  mmusim walk --image vm.core.xz --cr3 0x2db9e20 --mode i386_pae --access w --user --explain "
        "0xb7f4e040\n"
        "  mmusim walk --image ram.bin --base 0x100000 --cr3 0x100000 --format json - <addresses.txt",
};

/* ---- addresses ---- */

struct addresses {
    mmu_va *va;
    size_t n, room;
};

static int add_address(struct addresses *list, mmu_va va)
{
    if (list->n == list->room) {
        size_t room = list->room ? list->room * 2 : 64;
        mmu_va *bigger = realloc(list->va, room * sizeof *bigger);
        if (!bigger)
            return cli_error("out of memory");
        list->va = bigger;
        list->room = room;
    }
    list->va[list->n++] = va;
    return CLI_OK;
}

/* where: "" or "standard input:LINE: ". */
static int parse_address(const struct walk_request *request, struct addresses *list, const char *word,
                         const char *where)
{
    uint64_t va;
    const char *wrong = cli_number(word, false, &va);
    if (wrong)
        return cli_error("%saddress '%.64s' %s, expected decimal or 0x hexadecimal", where, word, wrong);
    if (walk_address_bits(request) == 32 && va >> 32)
        return cli_error("%saddress 0x%" PRIx64 " is wider than 32 bits, paging mode is %s", where, va,
                         walk_modes[request->mode - 1]);
    return add_address(list, va);
}

static int parse_line(const struct walk_request *request, struct addresses *list, char *line, uint64_t number)
{
    char where[64];
    snprintf(where, sizeof where, "standard input:%" PRIu64 ": ", number);
    line[strcspn(line, "#")] = 0;
    char *rest;
    for (char *word = strtok_r(line, " \t\r\n\f\v", &rest); word;
         word = strtok_r(NULL, " \t\r\n\f\v", &rest)) {
        int status = parse_address(request, list, word, where);
        if (status)
            return status;
    }
    return CLI_OK;
}

static int read_addresses(const struct walk_request *request, struct addresses *list)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    int status = CLI_OK;
    errno = 0;
    for (uint64_t number = 1; !status && (length = getline(&line, &room, stdin)) >= 0; number++)
        status =
            memchr(line, 0, (size_t)length)
                ? cli_error("standard input:%" PRIu64 ": a zero byte, expected addresses as text", number)
                : parse_line(request, list, line, number);
    if (!status && ferror(stdin))
        status = cli_error("standard input: cannot read: %s", strerror(errno ? errno : EIO));
    free(line);
    return status;
}

static int collect_addresses(const struct walk_request *request, const struct cli_list *words,
                             struct addresses *list)
{
    bool input = false;
    if (!words->n)
        return cli_error("walk: expected addresses, or - to read them from standard input");
    for (size_t i = 0; i < words->n; i++) {
        bool dash = !strcmp(words->item[i], "-");
        if (dash && input)
            return cli_error("walk: standard input can be read once only");
        input |= dash;
        int status = dash ? read_addresses(request, list) : parse_address(request, list, words->item[i], "");
        if (status)
            return status;
    }
    return CLI_OK;
}

/* ---- the machine ---- */

void walk_one(const struct walk_request *request, const struct mmu_core *core, mmu_va va,
              struct mmu_walk *walk)
{
    static const enum mmu_kind kinds[] = {
        [WALK_READ] = MMU_LOAD, [WALK_WRITE] = MMU_STORE, [WALK_EXECUTE] = MMU_FETCH};
    struct mmu_access access = {
        .va = va,
        .size = 1,
        .kind = MMU_KIND_PRIV(kinds[request->access], request->user ? MMU_USER : MMU_SUPERVISOR)};
    mmu_core_walk(core, &access, walk);
}

static int print_text(FILE *out, const struct walk_request *request, const struct mmu_core *core,
                      const struct addresses *list)
{
    for (size_t i = 0; i < list->n && !ferror(out); i++) {
        struct mmu_walk walk;
        walk_one(request, core, list->va[i], &walk);
        walk_print_line(out, request, list->va[i], &walk);
        if (request->explain)
            walk_print_page(out, request, list->va[i], &walk);
    }
    return CLI_OK;
}

static int print_walks(const struct walk_request *request, const struct mmu_core *core,
                       const struct addresses *list)
{
    struct cli_output out;
    int status = cli_output_open(&out, request->output);
    if (status)
        return status;
    status = request->format == WALK_JSON ? walk_print_json(out.file, request, core, list->va, list->n)
                                          : print_text(out.file, request, core, list);
    if (!status)
        return cli_output_close(&out);
    cli_output_discard(&out);
    return status;
}

static int walk_in_image(const struct walk_request *request, struct mmu_image *image,
                         const struct addresses *list)
{
    struct walk_memory memory;
    const struct mmu_options options = {.memory = &memory.ops};
    struct mmu_config config;
    struct mmu_machine *machine;
    struct mmu_error err;
    walk_memory_init(&memory, image);
    mmu_config_init(&config);
    config.pager.enabled = false;
    config.cpu.maxphyaddr = (uint32_t)request->maxphyaddr;
    if (mmu_machine_create(&config, &options, &machine, &err))
        return cli_error_mmu(&err);
    struct mmu_core *core = mmu_machine_core(machine, 0);
    int status = walk_load_registers(request, &memory, core);
    if (!status)
        status = print_walks(request, core, list);
    mmu_machine_free(machine);
    return status;
}

static int walk_addresses(const struct walk_request *request, const struct addresses *list)
{
    struct mmu_image *image;
    struct mmu_error err;
    if (mmu_image_open(request->image, request->base, &image, &err))
        return cli_error_mmu(&err);
    int status = walk_in_image(request, image, list);
    mmu_image_close(image);
    return status;
}

/* ---- the command ---- */

static int walk_request(struct walk_request *request, const struct cli_list *words)
{
    struct addresses list = {0};
    if (!request->image)
        return cli_error("walk: expected --image, a memory image");
    int status = walk_registers(request);
    if (!status)
        status = collect_addresses(request, words, &list);
    if (!status)
        status = walk_addresses(request, &list);
    free(list.va);
    return status;
}

int cmd_walk(int argc, char **argv)
{
    struct walk_request r = {.maxphyaddr = 52};
    struct cli_list words = {0};
#define OPTION(n, t, variable, v, h, ...)                                                                    \
    {                                                                                                        \
        .name = n, .type = t, .into = &(variable), .value = v, .help = h, __VA_ARGS__                        \
    }
#define REGISTER(n, reg, bound, h)                                                                           \
    OPTION(n, CLI_NUMBER, r.registers.value[reg], "X", h, .max = (bound), .given = &r.have[reg])
    const struct cli_option options[] = {
        OPTION("image", CLI_TEXT, r.image, "FILE", "an ELF core file, or raw bytes; may be compressed",
               .max = 0),
        OPTION("base", CLI_COUNT, r.base, "X", "physical address of a raw image's first byte (default 0)",
               .max = 0),
        REGISTER("cr3", MMU_REG_CR3, 0, "where translation begins"),
        OPTION(
            "mode", CLI_CHOICE, r.mode, "MODE",
            "i386, i386_pae, x86_64 or x86_64_la57 (default: what the registers\ngiven select, else x86_64)",
            .choices = walk_modes, .given = &r.have_mode),
        REGISTER("cr0", MMU_REG_CR0, UINT32_MAX, "CR0 (default: what the mode needs)"),
        REGISTER("cr4", MMU_REG_CR4, 0, "CR4 (default: what the mode needs)"),
        REGISTER("efer", MMU_REG_EFER, 0, "IA32_EFER (default: what the mode needs)"),
        REGISTER("pkru", MMU_REG_PKRU, UINT32_MAX,
                 "protection-key rights of user pages (sets CR4.PKE unless --cr4)"),
        REGISTER("pkrs", MMU_REG_PKRS, UINT32_MAX, "... of supervisor pages (sets CR4.PKS unless --cr4)"),
        REGISTER("ac", MMU_REG_AC, 1, "EFLAGS.AC, 0 or 1: 1 suspends SMAP (default 0)"),
        OPTION("maxphyaddr", CLI_NUMBER, r.maxphyaddr, "N",
               "width of physical addresses; address bits above are reserved (default 52)", .min = 32,
               .max = 52),
        OPTION("access", CLI_CHOICE, r.access, "r|w|x", "read, write or fetch (default r)",
               .choices = walk_accesses),
        OPTION("user", CLI_FLAG, r.user, NULL, "a user-mode access (default: supervisor mode)", .max = 0),
        OPTION("explain", CLI_FLAG, r.explain, NULL, "print each step, every field of its entry decoded",
               .max = 0),
        OPTION("format", CLI_CHOICE, r.format, "text|json", "how to print (default text)",
               .choices = walk_formats),
        OPTION("output", CLI_TEXT, r.output, "FILE", "write there (default: standard output)", .max = 0),
    };
    int status = cli_parse(&COMMAND, options, sizeof options / sizeof options[0], argc, argv, &words);
    if (status == CLI_GO)
        status = cli_output_spares(r.output, r.image);
    if (status == CLI_GO)
        status = walk_request(&r, &words);
    cli_list_free(&words);
    return status;
}
