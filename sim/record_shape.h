/*
 * sim/record_shape.h: what a block of code does each time that it runs: which of its instructions load and
 * store, and how much. Only the addresses differ from one time to the next, so that the trace's writer is
 * told the rest once.
 */
#ifndef SIM_RECORD_SHAPE_H
#define SIM_RECORD_SHAPE_H

#include "record.h"

enum { SHAPE_WORDS = 1024, SHAPE_AT_ONCE = 4, SHAPE_TAG_SHIFT = RECORD_ADDRESS_BITS };

/* A word whose address is that of an earlier word of the same execution and a few bytes more. */
struct shape_bond {
    uint16_t word, base, bytes;
};

/* The words of an execution behind the block's own. An address goes to the writer unless a bond binds it. */
struct shape {
    uint32_t code; /* the writer's number */
    uint32_t references;
    uint16_t n_words, n_bonds;
    struct shape_bond *bond; /* n_bonds; and for each word 1 if it is bound: both stand behind tag[] */
    uint8_t *bound;
    uint16_t mask[SHAPE_AT_ONCE]; /* ones for the words that there are */
    uint16_t tag[];               /* n_words, and at least SHAPE_AT_ONCE: the bits above the address */
};

/* Learns the shape of a block from one execution, and tells the trace's writer. NULL: it cannot be written
 * that way, or the host is out of memory. Freed with free(). */
struct shape *shape_learn(struct record_sink *sink, const struct record_code *code, const uint64_t *words,
                          size_t n);

/* An address of the program, from a word. */
static inline mmu_va shape_va(uint64_t word)
{
    return (mmu_va)((int64_t)(word << (64 - RECORD_ADDRESS_BITS)) >> (64 - RECORD_ADDRESS_BITS));
}

/*
 * Do these words fit? Then writes code's number and the addresses to to[] and returns how many; otherwise 0.
 * Reads SHAPE_AT_ONCE words, and writes as many and one more, if there are fewer: most blocks have, and a
 * loop that is always as long is a faster one.
 */
static inline size_t shape_match(const struct shape *s, const uint64_t *words, uint64_t *to)
{
    size_t used = 1;
    uint64_t unlike = 0;
    to[0] = s->code;
    if (__builtin_expect(!s->n_bonds, 1)) {
        for (size_t i = 0; i < SHAPE_AT_ONCE; i++) {
            unlike |= ((words[i] >> SHAPE_TAG_SHIFT) ^ s->tag[i]) & s->mask[i];
            to[1 + i] = shape_va(words[i]);
        }
        for (size_t i = SHAPE_AT_ONCE; i < s->n_words; i++) {
            unlike |= (words[i] >> SHAPE_TAG_SHIFT) ^ s->tag[i];
            to[1 + i] = shape_va(words[i]);
        }
        return unlike ? 0 : (size_t)1 + s->n_words;
    }
    for (size_t i = 0; i < s->n_words; i++) {
        unlike |= (words[i] >> SHAPE_TAG_SHIFT) ^ s->tag[i];
        to[used] = shape_va(words[i]);
        used += !s->bound[i];
    }
    for (size_t i = 0; i < s->n_bonds; i++)
        unlike |= (shape_va(words[s->bond[i].base]) + s->bond[i].bytes) ^ shape_va(words[s->bond[i].word]);
    return unlike ? 0 : used;
}

#endif
