/*
 * sim/plugin/insn.c: see record_plugin_insn.h. The tables have the general instructions that compilers use
 * most, by their opcode (AMD64 Architecture Programmer's Manual, volume 3, appendix A). What is not there,
 * may fault by itself or is made of several accesses is UNKNOWN, and costs time only.
 */
#include "record_plugin_insn.h"
#include "record_shared.h"

#include <string.h>

/* Classes of opcodes. The second half has a ModRM byte, whose operand may be a register. */
enum class {
    U, /* unknown */
    N, /* none */
    O, /* one */
    X, /* 32 bits: none; 64 bits: a prefix, see skip_prefixes() */
    M, /* one if the operand is in memory, else none */
    R, /* unknown (it reads and writes) if the operand is in memory, else none */
    F, /* none, wherever the operand is */
    G  /* by the digit in ModRM: see groups[] */
};

static const uint8_t one_byte[256] = {
    /* 0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f */
    R, R, M, M, N, N, U, U, R, R, M, M, N, N, U, U, /* 00 add, or */
    R, R, M, M, N, N, U, U, R, R, M, M, N, N, U, U, /* 10 adc, sbb */
    R, R, M, M, N, N, U, U, R, R, M, M, N, N, U, U, /* 20 and, sub */
    R, R, M, M, N, N, U, U, M, M, M, M, N, N, U, U, /* 30 xor, cmp */
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, /* 40 inc, dec */
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, /* 50 push, pop */
    U, U, U, M, U, U, U, U, O, M, O, M, U, U, U, U, /* 60 movsxd (32 bits: arpl), push, imul */
    N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, /* 70 jcc */
    G, G, U, G, M, M, U, U, M, M, M, M, U, F, U, U, /* 80 group 1, test, mov, lea */
    N, N, N, N, N, N, N, N, N, N, U, U, U, U, U, U, /* 90 nop, xchg of registers, cbw, cwd */
    U, U, U, U, U, U, U, U, N, N, U, U, U, U, U, U, /* a0 test */
    N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, /* b0 mov */
    R, R, O, O, U, U, G, G, U, O, U, U, U, U, U, U, /* c0 shifts, ret, mov, leave */
    R, R, R, R, U, U, U, U, U, U, U, U, U, U, U, U, /* d0 shifts */
    U, U, U, U, U, U, U, U, O, N, U, N, U, U, U, U, /* e0 call, jmp */
    U, U, U, U, U, U, G, G, U, U, U, U, U, U, G, G, /* f0 groups 3 to 5 */
};

/* Others, behind 0f: without a prefix that repeats, and with one: of one number, of 4 or 8 bytes. */
static const struct range {
    uint8_t first, last, class;
} two_bytes[2][11] = {{{0x1f, 0x1f, F},   /* nop */
                       {0x40, 0x4f, R},   /* cmovcc */
                       {0x80, 0x8f, N},   /* jcc */
                       {0x90, 0x9f, M},   /* setcc */
                       {0xaf, 0xaf, M},   /* imul */
                       {0xb6, 0xb7, M},   /* movzx */
                       {0xbe, 0xbf, M},   /* movsx */
                       {0xc8, 0xcf, N}},  /* bswap */
                      {{0x10, 0x11, M},   /* mov */
                       {0x1e, 0x1e, F},   /* endbr: nop */
                       {0x2a, 0x2a, M},   /* cvt */
                       {0x2c, 0x2d, M},   /* cvt */
                       {0x51, 0x51, M},   /* sqrt */
                       {0x58, 0x5a, M},   /* add, mul, cvt */
                       {0x5c, 0x5f, M}}}; /* sub, min, div, max */

/* By opcode and digit. */
static const struct {
    uint8_t opcode, digit[8];
} groups[] = {
    {0x80, {R, R, R, R, R, R, R, M}}, /* add to cmp */
    {0x81, {R, R, R, R, R, R, R, M}},
    {0x83, {R, R, R, R, R, R, R, M}},
    {0xc6, {M, U, U, U, U, U, U, U}}, /* mov */
    {0xc7, {M, U, U, U, U, U, U, U}},
    {0xf6, {M, M, R, R, M, M, U, U}}, /* test, not, neg, mul, imul; a division may fault */
    {0xf7, {M, M, R, R, M, M, U, U}},
    {0xfe, {R, R, U, U, U, U, U, U}}, /* inc, dec */
    {0xff, {R, R, U, U, M, U, U, U}}, /* inc, dec; jmp */
};

struct opcode {
    size_t at;                /* behind the prefixes */
    bool repeat, lock, other; /* other: an address size */
};

static struct opcode skip_prefixes(const uint8_t *code, size_t size, bool is_i386)
{
    struct opcode o = {0};
    for (; o.at < size && memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", code[o.at], 11); o.at++) {
        o.lock = o.lock || code[o.at] == 0xf0;
        o.other = o.other || code[o.at] == 0x67;
        o.repeat = o.repeat || (code[o.at] | 1) == 0xf3;
    }
    if (o.at < size && !is_i386 && (code[o.at] & 0xf0) == 0x40) /* REX */
        o.at++;
    return o;
}

static enum class group_of(uint8_t opcode, unsigned digit) {
    for (size_t i = 0; i < sizeof groups / sizeof *groups;
         i++) if (groups[i].opcode == opcode) return (enum class)groups[i]
        .digit[digit];
    return U;
}

static enum class second_of(uint8_t opcode, bool repeat) {
    for (const struct range *r = two_bytes[repeat]; r->last;
         r++) if (opcode >= r->first && opcode <= r->last) return (enum class)r->class;
    return U;
}

enum insn_accesses insn_accesses(const uint8_t *code, size_t size, bool is_i386)
{
    struct opcode o = skip_prefixes(code, size, is_i386);
    bool two = o.at < size && code[o.at] == 0x0f;
    size_t at = o.at + two;
    if (at >= size || o.lock || o.other || (!two && (o.repeat || (is_i386 && code[at] == 0x63))))
        return INSN_UNKNOWN;
    uint8_t modrm = at + 1 < size ? code[at + 1] : 0;
    enum class c = two ? second_of(code[at], o.repeat) : (enum class)one_byte[code[at]];
    if (c == G)
        c = group_of(code[at], modrm >> 3 & 7);
    switch (c) {
    case N:
    case F:
        return INSN_NONE;
    case X:
        return is_i386 ? INSN_NONE : INSN_UNKNOWN;
    case O:
        return INSN_ONE;
    case M:
        return modrm >> 6 == 3 ? INSN_NONE : INSN_ONE;
    case R:
        return modrm >> 6 == 3 ? INSN_NONE : INSN_UNKNOWN;
    case U:
    case G:
        break;
    }
    return INSN_UNKNOWN;
}

unsigned insn_traits(const uint8_t *code, size_t size, bool is_i386)
{
    struct opcode o = skip_prefixes(code, size, is_i386);
    if (o.at >= size)
        return 0;
    uint8_t opcode = code[o.at];
    bool pieces = opcode == 0x0f || opcode == 0xc4 || opcode == 0xc5 || (opcode & 0xf8) == 0xd8;
    bool locked = o.lock || (opcode & 0xfe) == 0x86;
    return (pieces ? RECORD_INSN_PIECES : 0) | (locked ? RECORD_INSN_LOCKED : 0);
}
