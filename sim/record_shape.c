/* sim/record_shape.c: see record_shape.h. */
#include "record_shape.h"
#include <stdlib.h>
#include <string.h>

/* An access of one execution, made of one or more words. */
struct access {
    uint16_t word; /* its first */
    uint16_t insn;
    bool follows; /* a store of the bytes that the access before it loaded */
    struct mmu_access a;
};

struct lesson {
    const struct record_code *code;
    size_t n;
    struct access access[2 * SHAPE_WORDS];
    size_t bonds;
    struct shape_bond bond[SHAPE_WORDS];
};

static void bind(struct lesson *l, size_t word, size_t base, size_t bytes)
{
    l->bond[l->bonds++] = (struct shape_bond){(uint16_t)word, (uint16_t)base, (uint16_t)bytes};
}

/* Words become accesses: pieces become one. */
static void join_pieces(struct lesson *l, const uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t insn = words[i] >> RECORD_INSN_SHIFT & (RECORD_BLOCK_INSNS - 1);
        uint16_t size = (uint16_t)((1u << (words[i] >> RECORD_SIZE_SHIFT & 7)) / 2);
        uint8_t kind = words[i] & RECORD_STORE ? MMU_STORE : MMU_LOAD;
        struct access *last = l->n ? &l->access[l->n - 1] : NULL;
        if (last && last->insn == insn && l->code->insn[insn] & RECORD_INSN_PIECES && last->a.kind == kind &&
            last->a.va + last->a.size == shape_va(words[i])) {
            bind(l, i, last->word, last->a.size);
            last->a.size = (uint16_t)(last->a.size + size);
            continue;
        }
        l->access[l->n++] =
            (struct access){.word = (uint16_t)i, .insn = insn, .a = {shape_va(words[i]), 0, size, kind, 0}};
    }
}

/* A store of what its instruction has just loaded; a locked instruction's store that came without its load.
 */
static void find_modifies(struct lesson *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct access *a = &l->access[i], *before = i ? a - 1 : NULL;
        if (a->a.kind != MMU_STORE)
            continue;
        bool same = before && before->insn == a->insn && before->a.kind == MMU_LOAD &&
                    before->a.va == a->a.va && before->a.size == a->a.size;
        if (!same && l->code->insn[a->insn] & RECORD_INSN_LOCKED) {
            memmove(a + 1, a, (l->n++ - i) * sizeof *a);
            a->a.kind = MMU_LOAD;
            a++, i++;
        } else if (same) {
            bind(l, a->word, before->word, 0);
        } else {
            continue;
        }
        a->follows = true;
        a->a.flags = MMU_AF_FOLLOWS;
    }
}

/* Tells the writer: each instruction's fetch and its accesses. Returns how many references, 0: it does not
 * want it. */
static size_t tell(const struct lesson *l, struct record_sink *sink, uint32_t *number)
{
    struct mmu_access a[RECORD_BLOCK_INSNS + 2 * SHAPE_WORDS];
    mmu_va pc = l->code->va;
    size_t n = 0, next = 0;
    for (unsigned i = 0; i < l->code->insns; i++) {
        uint16_t size = l->code->insn[i] & RECORD_INSN_BYTES;
        a[n++] = (struct mmu_access){.va = pc, .size = size, .kind = MMU_FETCH};
        pc += size;
        for (; next < l->n && l->access[next].insn == i; next++)
            a[n++] = l->access[next].a;
    }
    return next == l->n && !record_sink_define(sink, a, n, number) ? n : 0;
}

/* One allocation. */
static struct shape *make(const struct lesson *l, const uint64_t *words, size_t n)
{
    size_t tags = n < SHAPE_AT_ONCE ? SHAPE_AT_ONCE : n;
    struct shape *s = calloc(1, sizeof *s + l->bonds * sizeof *s->bond + tags * sizeof *s->tag + n);
    if (!s)
        return NULL;
    s->n_words = (uint16_t)n;
    s->n_bonds = (uint16_t)l->bonds;
    s->bond = (struct shape_bond *)(s->tag + tags);
    s->bound = (uint8_t *)(s->bond + l->bonds);
    if (l->bonds)
        memcpy(s->bond, l->bond, l->bonds * sizeof *s->bond);
    for (size_t i = 0; i < n; i++)
        s->tag[i] = (uint16_t)(words[i] >> SHAPE_TAG_SHIFT);
    for (size_t i = 0; i < n && i < SHAPE_AT_ONCE; i++)
        s->mask[i] = UINT16_MAX;
    for (size_t i = 0; i < l->bonds; i++)
        s->bound[l->bond[i].word] = 1;
    return s;
}

struct shape *shape_learn(struct record_sink *sink, const struct record_code *code, const uint64_t *words,
                          size_t n)
{
    struct lesson *l = n <= SHAPE_WORDS && code->insns <= RECORD_BLOCK_INSNS ? malloc(sizeof *l) : NULL;
    struct shape *s = NULL;
    if (!l)
        return NULL;
    l->code = code;
    l->n = l->bonds = 0;
    join_pieces(l, words, n);
    find_modifies(l);
    s = make(l, words, n);
    if (s && !(s->references = (uint32_t)tell(l, sink, &s->code))) {
        free(s);
        s = NULL;
    }
    free(l);
    return s;
}
