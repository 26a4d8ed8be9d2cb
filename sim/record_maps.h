/*
 * sim/record_maps.h: the maps of the recorded processes: the program's part of /proc/PID/maps as it was
 * looked at from time to time, and what the program asked the kernel for meanwhile.
 *
 * A place that was unmapped again stays in: the trace has references to it. Of a place that was mapped anew
 * the later use is shown.
 */
#ifndef SIM_RECORD_MAPS_H
#define SIM_RECORD_MAPS_H

#include "record.h"

/* Whose process it is that the program's memory lies in, beside the tool's own. */
enum record_host { RECORD_UNDER_QEMU, RECORD_UNDER_VALGRIND };

struct record_maps;
struct record_maps *record_maps_new(enum record_host host); /* NULL: out of memory */
/* A part of the text, as the kernel has it of the tool's process: base is what the tool adds to the program's
 * addresses. */
void record_maps_text(struct record_maps *m, uint64_t process, const char *text, size_t n, bool first,
                      bool last, uint64_t base);
/* System calls that succeeded. protection: PROT_READ and so on. */
void record_maps_add(struct record_maps *m, uint64_t process, mmu_va at, uint64_t size, unsigned protection);
void record_maps_protect(struct record_maps *m, uint64_t process, mmu_va at, uint64_t size,
                         unsigned protection);
void record_maps_brk(struct record_maps *m, uint64_t process, mmu_va end);
/* An address in the stack: of several the first counts. */
void record_maps_stack(struct record_maps *m, uint64_t process, mmu_va at);
/* Code ran here. */
void record_maps_ran(struct record_maps *m, mmu_va at);
void record_maps_write(struct record_maps *m, struct record_sink *sink);
void record_maps_free(struct record_maps *m);

#endif
