/*
 * sim/record_plugin_insn.h: what the plugin must know of an instruction before it runs.
 */
#ifndef SIM_RECORD_PLUGIN_INSN_H
#define SIM_RECORD_PLUGIN_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum insn_accesses {
    INSN_UNKNOWN, /* or several, or one that is not always made */
    INSN_NONE,    /* it touches no memory, and always comes to its end */
    INSN_ONE      /* QEMU makes one access of it, each time */
};

/* How often an instruction of these bytes loads or stores. */
enum insn_accesses insn_accesses(const uint8_t *code, size_t size, bool is_i386);

/* May QEMU 7.2 load or store for it in a function of its own, not in the code that it makes? Rather too often
 * yes: LOCK, XCHG, x87, FXSAVE and its like, masked and gathering moves, and whatever is rare. */
bool insn_calls(const uint8_t *code, size_t size, bool is_i386);

/* Do these bytes hold all of it? */
bool insn_is_whole(const uint8_t *code, size_t size, bool is_i386);

/* RECORD_INSN_PIECES for SSE, AVX, x87, FXSAVE and far pointers, RECORD_INSN_LOCKED for LOCK and XCHG. */
unsigned insn_traits(const uint8_t *code, size_t size, bool is_i386);

#endif
