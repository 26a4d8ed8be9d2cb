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
    size_t n, n_words;
    struct access access[2 * SHAPE_WORDS];
    struct mmu_code_word word[SHAPE_WORDS];
};

/* The address of a word is that of an earlier one, and a few bytes more. */
static void bind(struct lesson *l, size_t word, size_t base, size_t bytes)
{
    l->word[word].back = (uint16_t)(word - base);
    l->word[word].bytes = (uint16_t)bytes;
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
static size_t tell(const struct lesson *l, struct mmu_trace_writer *writer, uint32_t number)
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
    return next == l->n && !mmu_trace_define(writer, number, a, n, l->word, l->n_words, NULL) ? n : 0;
}

static void take_words(struct lesson *l, const uint64_t *words, size_t n)
{
    const unsigned type = RECORD_TYPE_SHIFT - RECORD_ADDRESS_BITS;
    l->n = 0;
    l->n_words = n;
    for (size_t i = 0; i < n; i++)
        l->word[i] = (struct mmu_code_word){.tag = words[i] >> RECORD_ADDRESS_BITS & ((1u << type) - 1)};
    join_pieces(l, words, n);
    find_modifies(l);
}

struct shape *shape_learn(struct mmu_trace_writer *writer, uint32_t number, const struct record_code *code,
                          const uint64_t *words, size_t n)
{
    struct lesson *l = n <= SHAPE_WORDS && code->insns <= RECORD_BLOCK_INSNS ? malloc(sizeof *l) : NULL;
    struct shape *s = l ? malloc(sizeof *s + n * sizeof *s->tag) : NULL;
    if (s) {
        l->code = code;
        take_words(l, words, n);
        s->n_words = (uint16_t)n;
        for (size_t i = 0; i < n; i++)
            s->tag[i] = (uint16_t)(words[i] >> RECORD_ADDRESS_BITS);
        s->references = (uint32_t)tell(l, writer, number);
    }
    free(l);
    if (s && !s->references) {
        free(s);
        s = NULL;
    }
    return s;
}
