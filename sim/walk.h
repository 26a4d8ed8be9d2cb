/* sim/walk.h: the parts of `mmusim walk`: registers, and how a walk is printed. */
#ifndef SIM_WALK_H
#define SIM_WALK_H

#include "cli.h"
#include "explain.h"

/* What the command line says of the walks to make. */
struct walk_request {
    const char *image, *output;
    const char *machine; /* whose processor refuses registers; NULL: any */
    uint64_t base;       /* of a raw image */
    bool have[MMU_REGS]; /* registers given */
    struct mmu_registers registers;
    const char *file; /* that tells the registers; NULL: options do */
    struct walk_place {
        unsigned line, column;
    } at[MMU_REGS]; /* where in the file, from 1; line 0: it has no lines */
    bool have_mode;
    unsigned mode; /* enum mmu_mode; the option's choice until walk_registers() */
    uint64_t maxphyaddr;
    unsigned access; /* enum walk_access */
    bool user, explain;
    unsigned format; /* enum walk_format */
};
enum walk_access { WALK_READ, WALK_WRITE, WALK_EXECUTE };
enum walk_format { WALK_TEXT, WALK_JSON };

/* The words of --mode, by enum mmu_mode less one; of --access; of --format. NULL-terminated. */
extern const char *const walk_modes[], *const walk_accesses[], *const walk_formats[];

/* Completes mode and registers from what was given; complains and returns CLI_BAD when they contradict each
 * other. */
int walk_registers(struct walk_request *request);

/*
 * The image as memory for the load of CR3 in PAE mode, which reads the four PDPTEs at once into registers and
 * refuses them with #GP when a reserved bit is set (SDM 4.4.1). Bit 5 is one. But emulators walk PDPTEs in
 * memory like other entries and set bit 5 there, A elsewhere, after the kernel loaded CR3; so it is hidden
 * here.
 */
struct walk_memory {
    struct mmu_memory_ops ops, image;
    bool loading;
};
void walk_memory_init(struct walk_memory *memory, struct mmu_image *image);

/* Loads the registers into a core whose memory this is. Complains and returns CLI_BAD when no processor
 * accepts them. */
int walk_load_registers(const struct walk_request *request, struct walk_memory *memory,
                        struct mmu_core *core);

/* Bits of a linear address in the request's mode: 32 or 64. */
unsigned walk_address_bits(const struct walk_request *request);

/* Makes one walk. */
void walk_one(const struct walk_request *request, const struct mmu_core *core, mmu_va va,
              struct mmu_walk *walk);

/* Prints every walk, in the order of the addresses, as JSON. Returns CLI_OK or CLI_BAD. */
int walk_print_json(FILE *out, const struct walk_request *request, const struct mmu_core *core,
                    const mmu_va *address, size_t n);

/* The words of a walk's reasons, MMU_WHY_*. walk_reason() is NULL when index is beyond the last. */
struct walk_reason {
    uint32_t why;
    const char *word, *sentence;
};
const struct walk_reason *walk_reason(size_t index);

/* One walk as text: the line "ADDRESS PADDR SIZE FLAGS" or "ADDRESS fault ERRORCODE REASON", and with
 * --explain the page below it. */
void walk_print_line(FILE *out, const struct walk_request *request, mmu_va va, const struct mmu_walk *walk);
void walk_print_page(FILE *out, const struct walk_request *request, mmu_va va, const struct mmu_walk *walk);

/* The step whose entry decides a fault: the last one, or the first that denies the right. NULL when there is
 * none. */
const struct mmu_walk_step *walk_decider(const struct mmu_walk *walk);

/* MMU_WHY_MEMORY: the level of the entry that could not be read. */
unsigned walk_missing_level(const struct mmu_walk *walk);

void walk_explain_state(const struct walk_request *request, struct explain_state *state);

#endif
