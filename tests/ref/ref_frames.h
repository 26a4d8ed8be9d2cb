/*
 * ref_frames.h: the naive allocator: one bit a frame, and a list of who has what.
 *
 * It cannot choose frames; it is told which ones were given, and objects when they were not free, not
 * aligned, not of a zone that the mask may use, or given back by somebody who does not have them.
 */
#ifndef REF_FRAMES_H
#define REF_FRAMES_H

#include <mmusim/os.h>

struct ref_frames {
    mmu_pfn end;
    uint8_t *free;  /* a bit a frame */
    uint64_t count; /* of them set */
};

/* All FREE frames of the machine's memory map are free. */
void ref_frames_init(struct ref_frames *f, const struct mmu_os *os);
void ref_frames_destroy(struct ref_frames *f);

bool ref_frames_is_free(const struct ref_frames *f, mmu_pfn pfn);
/* Takes a block that an allocation gave; asserts that it was free and aligned. */
void ref_frames_take(struct ref_frames *f, mmu_pfn pfn, unsigned order);
void ref_frames_give(struct ref_frames *f, mmu_pfn pfn, unsigned order);
/* Asserts that the kernel's free blocks, per-CPU lists included, are exactly the free frames. */
void ref_frames_compare(const struct ref_frames *f, const struct mmu_os *os);

#endif
