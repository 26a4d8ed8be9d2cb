/*
 * sim/explain.h: CR3 and paging-structure entries, field by field, in the words of the SDM (vol. 3, tables
 * 4-3 to 4-20).
 */
#ifndef SIM_EXPLAIN_H
#define SIM_EXPLAIN_H

#include <mmusim/walk.h>

/* What decides the meaning of an entry's bits. */
struct explain_state {
    enum mmu_mode mode; /* not MMU_MODE_OFF */
    uint32_t maxphyaddr;
    bool pse36;
    uint64_t cr4, efer;
};

/* One field of a register or entry, as decoded. */
struct explain_field {
    unsigned hi, lo;     /* its bits, both included */
    const char *name;    /* "R/W", "address", "reserved", "ignored" */
    const char *meaning; /* of this value; never NULL */
    uint64_t value;      /* an address in place, anything else shifted down */
    bool address;        /* value is a physical address, or the high part of one */
    bool wrong;          /* reserved, and not 0 */
};

typedef void explain_each(void *ctx, const struct explain_field *field);

/*
 * Calls each(), which may be NULL, for every field, lowest bits first; returns what the register or entry is,
 * with the manual's table. Never NULL.
 */
const char *explain_cr3(const struct explain_state *state, uint64_t cr3, explain_each *each, void *ctx);
const char *explain_entry(const struct explain_state *state, const struct mmu_walk_step *step,
                          explain_each *each, void *ctx);

#endif
