/*
 * sim/record_shape.h: what a block of code does each time that it runs: which of its instructions load and
 * store, and how much. Only the addresses differ from one time to the next, so that the trace's writer is
 * told the rest once.
 */
#ifndef SIM_RECORD_SHAPE_H
#define SIM_RECORD_SHAPE_H

#include "record.h"

enum { SHAPE_WORDS = 1024 };

/* The words of an execution behind the block's own. */
struct shape {
    uint32_t references;
    uint16_t n_words;
    uint16_t tag[]; /* n_words: the bits above the address */
};

/* Learns the shape of a block from one execution, and tells the trace's writer under this number. NULL: it
 * cannot be written that way, or the host is out of memory. Freed with free(). */
struct shape *shape_learn(struct mmu_trace_writer *writer, uint32_t number, const struct record_code *code,
                          const uint64_t *words, size_t n);

/* An address of the program, from a word. */
static inline mmu_va shape_va(uint64_t word)
{
    return (mmu_va)((int64_t)(word << (64 - RECORD_ADDRESS_BITS)) >> (64 - RECORD_ADDRESS_BITS));
}

/* Do these words fit, at least as many as there are in an execution? */
static inline bool shape_fits(const struct shape *s, const uint64_t *words)
{
    uint64_t unlike = 0;
    for (size_t i = 0; i < s->n_words; i++)
        unlike |= words[i] >> RECORD_ADDRESS_BITS ^ s->tag[i];
    return !unlike;
}

#endif
