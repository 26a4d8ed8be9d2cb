/*
 * sim/plugin/insn.c: see record_plugin_insn.h. The tables have the general instructions that compilers use
 * most, by their opcode (AMD64 Architecture Programmer's Manual, volume 3, appendix A). What is not there,
 * may fault by itself or is made of several accesses is UNKNOWN, and costs time only. Lengths are those of
 * all instructions that QEMU 7.2 knows.
 */
#include "record_plugin_insn.h"
#include "record_shared.h"

#include <string.h>

/* Classes of opcodes. The second half has a ModRM byte, whose operand may be a register. */
enum opcode_class {
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
    size_t at;                                 /* behind the prefixes */
    bool repeat, lock, operand, address, wide; /* operand, address: another size; wide: REX.W */
};

static struct opcode skip_prefixes(const uint8_t *code, size_t size, bool is_i386)
{
    struct opcode o = {0};
    for (; o.at < size && memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", code[o.at], 11); o.at++) {
        o.lock = o.lock || code[o.at] == 0xf0;
        o.operand = o.operand || code[o.at] == 0x66;
        o.address = o.address || code[o.at] == 0x67;
        o.repeat = o.repeat || (code[o.at] | 1) == 0xf3;
    }
    if (o.at < size && !is_i386 && (code[o.at] & 0xf0) == 0x40) /* REX */
        o.wide = code[o.at++] & 8;
    return o;
}

static enum opcode_class group_of(uint8_t opcode, unsigned digit)
{
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (groups[i].opcode == opcode)
            return (enum opcode_class)groups[i].digit[digit];
    return U;
}

static enum opcode_class second_of(uint8_t opcode, bool repeat)
{
    for (const struct range *r = two_bytes[repeat]; r->last; r++)
        if (opcode >= r->first && opcode <= r->last)
            return (enum opcode_class)r->class;
    return U;
}

/* The class of an instruction, never G, and its ModRM byte if it has one. */
static enum opcode_class class_of(const uint8_t *code, size_t size, bool is_i386, uint8_t *modrm)
{
    struct opcode o = skip_prefixes(code, size, is_i386);
    bool two = o.at < size && code[o.at] == 0x0f;
    size_t at = o.at + two;
    *modrm = at + 1 < size ? code[at + 1] : 0;
    if (at >= size || o.lock || o.address || (!two && (o.repeat || (is_i386 && code[at] == 0x63))))
        return U;
    enum opcode_class c = two ? second_of(code[at], o.repeat) : (enum opcode_class)one_byte[code[at]];
    return c == G ? group_of(code[at], *modrm >> 3 & 7) : c;
}

enum insn_accesses insn_accesses(const uint8_t *code, size_t size, bool is_i386)
{
    uint8_t modrm;
    switch (class_of(code, size, is_i386, &modrm)) {
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

/* ---- lengths ---- */

/* Bytes of an immediate operand: so many, or by the sizes of operands and addresses. */
enum immediate { Z = 16, V, P, A, T, TZ };

/* What stands behind opcodes from first to last: a ModRM byte and an immediate operand. */
struct layout {
    uint8_t first, last, modrm, immediate;
};

/* Of one byte, from 40 on; and behind 0f, where all others have ModRM alone. The last row is for all. */
static const struct layout one[] = {
    {0x62, 0x63, 1, 0}, {0x68, 0x68, 0, Z}, {0x69, 0x69, 1, Z},  {0x6a, 0x6a, 0, 1}, {0x6b, 0x6b, 1, 1},
    {0x70, 0x7f, 0, 1}, {0x80, 0x80, 1, 1}, {0x81, 0x81, 1, Z},  {0x82, 0x83, 1, 1}, {0x84, 0x8f, 1, 0},
    {0x9a, 0x9a, 0, P}, {0xa0, 0xa3, 0, A}, {0xa8, 0xa8, 0, 1},  {0xa9, 0xa9, 0, Z}, {0xb0, 0xb7, 0, 1},
    {0xb8, 0xbf, 0, V}, {0xc0, 0xc1, 1, 1}, {0xc2, 0xc2, 0, 2},  {0xc4, 0xc5, 1, 0}, {0xc6, 0xc6, 1, 1},
    {0xc7, 0xc7, 1, Z}, {0xc8, 0xc8, 0, 3}, {0xca, 0xca, 0, 2},  {0xcd, 0xcd, 0, 1}, {0xd0, 0xd3, 1, 0},
    {0xd4, 0xd5, 0, 1}, {0xd8, 0xdf, 1, 0}, {0xe0, 0xe7, 0, 1},  {0xe8, 0xe9, 0, Z}, {0xea, 0xea, 0, P},
    {0xeb, 0xeb, 0, 1}, {0xf6, 0xf6, 1, T}, {0xf7, 0xf7, 1, TZ}, {0xfe, 0xff, 1, 0}, {0, 0xff, 0, 0}};
static const struct layout two[] = {
    {0x04, 0x0c, 0, 0}, {0x0e, 0x0e, 0, 0}, {0x0f, 0x0f, 1, 1}, {0x30, 0x37, 0, 0},
    {0x70, 0x73, 1, 1}, {0x77, 0x77, 0, 0}, {0x80, 0x8f, 0, Z}, {0xa0, 0xa2, 0, 0},
    {0xa4, 0xa4, 1, 1}, {0xa8, 0xaa, 0, 0}, {0xac, 0xac, 1, 1}, {0xba, 0xba, 1, 1},
    {0xc2, 0xc2, 1, 1}, {0xc4, 0xc6, 1, 1}, {0xc8, 0xcf, 0, 0}, {0, 0xff, 1, 0}};

/* The map of opcodes, 1: behind 0f, 2: behind 0f 38, 3: behind 0f 3a, 0: none of them; *at goes on to the
 * opcode. */
static unsigned find_map(const uint8_t *code, size_t size, bool is_i386, size_t *at)
{
    unsigned map = 0;
    if (*at + 1 < size && (code[*at] & 0xfe) == 0xc4 && (!is_i386 || code[*at + 1] >= 0xc0)) { /* VEX */
        map = code[*at] == 0xc5 ? 1 : code[*at + 1] & 3;
        *at += code[*at] == 0xc5 ? 2 : 3;
    } else if (*at < size && code[*at] == 0x0f) {
        map = ++*at < size && (code[*at] == 0x38 || code[*at] == 0x3a) ? 2 + (code[*at] == 0x3a) : 1;
        *at += map > 1;
    }
    return map;
}

/* Opcodes of class U, by map for which it does not. None of map 3 does. */
static const struct {
    uint8_t map, first, last;
} in_line[] = {{0, 0xa4, 0xa7}, {0, 0xaa, 0xaf}, /* moves, compares and the like of strings */
               {1, 0x10, 0x17}, {1, 0x28, 0x2f}, {1, 0x50, 0x76}, {1, 0x78, 0x7f},
               {1, 0xc2, 0xc2}, {1, 0xc4, 0xc6}, {1, 0xd0, 0xf6}, {1, 0xf8, 0xff}, /* SSE, AVX */
               {2, 0x00, 0x2b}, {2, 0x30, 0x8b}, {2, 0x96, 0xff}};

bool insn_calls(const uint8_t *code, size_t size, bool is_i386)
{
    struct opcode o = skip_prefixes(code, size, is_i386);
    size_t at = o.at;
    unsigned map = find_map(code, size, is_i386, &at);
    uint8_t modrm;
    if (class_of(code, size, is_i386, &modrm) != U)
        return false;
    if (o.lock || at >= size)
        return true;
    for (size_t i = 0; i < sizeof in_line / sizeof *in_line; i++)
        if (map == in_line[i].map && code[at] >= in_line[i].first && code[at] <= in_line[i].last)
            return false;
    return map < 3;
}

/* The layout of the opcode at *at, which moves behind it. NULL: it goes on behind the bytes that there are.
 */
static const struct layout *find_layout(const uint8_t *code, size_t size, bool is_i386, size_t *at)
{
    static const struct layout row[4] = {{0, 0, 1, 0}, {0, 0, 1, 1}, {0, 0, 0, 1}, {0, 0, 0, Z}};
    const struct layout *l = one;
    unsigned map = find_map(code, size, is_i386, at);
    if (*at >= size)
        return NULL;
    uint8_t opcode = code[(*at)++];
    if (map > 1)
        return &row[map - 2];
    if (!map && opcode < 0x40) /* eight operations, each in eight forms */
        return (opcode & 7) < 4    ? &row[0]
               : (opcode & 6) == 4 ? &row[2 + (opcode & 1)]
                                   : &one[sizeof one / sizeof *one - 1];
    for (l = map ? two : one; opcode < l->first || opcode > l->last; l++)
        ;
    return l;
}

/* Bytes of the ModRM byte's operand, behind it. */
static size_t operand_bytes(const uint8_t *modrm, size_t left, bool narrow)
{
    unsigned mod = *modrm >> 6, rm = *modrm & 7;
    if (mod == 3)
        return 0;
    if (narrow)
        return mod ? mod : rm == 6 ? 2 : 0;
    bool sib = rm == 4, far = mod == 2 || (!mod && (rm == 5 || (sib && left > 1 && (modrm[1] & 7) == 5)));
    return sib + (far ? 4 : mod);
}

static size_t immediate_bytes(const struct layout *l, const struct opcode *o, bool is_i386, unsigned digit)
{
    size_t z = o->operand && !o->wide ? 2 : 4;
    switch (l->immediate) {
    case Z:
        return z;
    case V:
        return o->wide ? 8 : z;
    case P:
        return z + 2;
    case A:
        return (is_i386 ? 4u : 8u) / (o->address ? 2 : 1);
    case T:
        return digit < 2;
    case TZ:
        return digit < 2 ? z : 0;
    default:
        return l->immediate;
    }
}

bool insn_is_whole(const uint8_t *code, size_t size, bool is_i386)
{
    struct opcode o = skip_prefixes(code, size, is_i386);
    size_t at = o.at;
    const struct layout *l = find_layout(code, size, is_i386, &at);
    unsigned digit = 0;
    if (!l)
        return false;
    if (l->modrm) {
        if (at >= size)
            return false;
        digit = code[at] >> 3 & 7;
        at += 1 + operand_bytes(code + at, size - at, is_i386 && o.address);
    }
    return at + immediate_bytes(l, &o, is_i386, digit) <= size;
}
