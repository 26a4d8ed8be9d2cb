// clang-format off
/*
 * drmemtrace.h: DynamoRIO's offline traces in their final form (drmemtrace, drcachesim -offline), as the
 * Google workload traces are. The definition is DynamoRIO's clients/drcachesim/common/trace_entry.h and
 * reader/; the raw form that the tracer writes before its post-processing is not read.
 *
 *   file  := entry*                     gzip'd, or the members of a zip archive one behind the other, or plain
 *   entry := 0  2  type
 *            2  2  size: bytes of the reference or instruction, or a marker's kind
 *            4  8  value: address, thread or process id, a marker's value
 *
 * Little-endian, packed to 12 bytes; a 32-bit DynamoRIO writes values of 4 bytes, entries of 8, which are told by
 * where the second one begins. The first entry is HEADER with the version, 1 to 6, the last one FOOTER.
 *
 *   types       0 read    1 write    10-16 instruction, jumps, calls, return    31 sysenter    48 49 conditional jump
 *              17 bundle: as many instructions as size says behind the one before; their lengths are the value's bytes
 *              29 instruction that is not fetched again (a turn of rep)    30 the same if its address is the last one's
 *               2-9 27 32-46 prefetches    18-21 cache flushes    47 bytes of the next instruction
 *              22 thread    23 thread's exit    24 process    25 header    26 footer    28 marker
 *   markers     0 signal or abort handler begins    1 it returned    2 time, microseconds since 1601    3 processor
 *               9 file type    12 version    18 page size    21 end of a chunk    25 system call
 *              27 28 kernel's part of a system call    34 35 context switch's
 *
 * What becomes of them:
 *   reads, writes              loads and stores. The first one behind an instruction begins a new group, the others have
 *                              MMU_AF_FOLLOWS. More than 4096 bytes become several references
 *   instructions               fetches; 29, and 30 at the same address, and those of size 0 (only the address of the
 *                              data that follow, in filtered traces) are none
 *   prefetches, flushes        no references: passed over
 *   thread, process, time, processor   marks; times become nanoseconds since the earliest one at a beginning
 *   markers 0 1 18 25, exits   EVENT marks kernel-event ADDRESS, kernel-xfer ADDRESS, page-size, syscall, exit
 *   markers 27 28, 34 35       EVENT marks kernel-enter, kernel-exit, context-switch. In between, and where an instruction
 *                              lies in the upper half of the address space, accesses are the supervisor's
 *   the rest                   headers and encodings belong to what they describe; other markers are passed over
 */
// clang-format on
#ifndef TRACE_DRMEMTRACE_H
#define TRACE_DRMEMTRACE_H

#include "input.h"
#include "reader.h"

enum { DRM_ENTRY = 12, DRM_NARROW = 8, DRM_VERSIONS = 6, DRM_TYPES = 50 };

enum drm_type {
    DRM_READ = 0,
    DRM_WRITE = 1,
    DRM_BUNDLE = 17,
    DRM_THREAD = 22,
    DRM_THREAD_EXIT = 23,
    DRM_PID = 24,
    DRM_HEADER = 25,
    DRM_FOOTER = 26,
    DRM_MARKER = 28,
    DRM_NO_FETCH = 29,
    DRM_MAYBE_FETCH = 30,
    DRM_ENCODING = 47,
};

enum drm_marker {
    DRM_KERNEL_EVENT = 0,
    DRM_KERNEL_XFER = 1,
    DRM_TIMESTAMP = 2,
    DRM_CPU_ID = 3,
    DRM_FILETYPE = 9,
    DRM_CACHE_LINE = 10,
    DRM_VERSION = 12,
    DRM_PAGE_SIZE = 18,
    DRM_CHUNK_INSTRUCTIONS = 20,
    DRM_CHUNK_FOOTER = 21,
    DRM_RECORD_ORDINAL = 22,
    DRM_SYSCALL = 25,
    DRM_SYSCALL_ENTER = 27,
    DRM_SYSCALL_EXIT = 28,
    DRM_BRANCH_TARGET = 29,
    DRM_SWITCH_ENTER = 34,
    DRM_SWITCH_EXIT = 35,
};

/* Bits of the file type that a reader is told of. */
enum {
    DRM_ARCH_AARCH64 = 8,
    DRM_ARCH_ARM = 16,
    DRM_ARCH_X86 = 32,
    DRM_ARCH_X86_64 = 64,
    DRM_FILTERED = 1 | 128 | 256,
};

enum { DRM_BUFFER = 4096 * DRM_ENTRY };

/*
 * One file: one thread, or several one after another. buffer[at..end) is not looked at yet. What the entries
 * have told so far stands beside it.
 */
struct drm_stream {
    struct input *input;
    unsigned entry;  /* bytes in the input: DRM_ENTRY, or DRM_NARROW, which are widened as they are read */
    size_t at, end;  /* at <= end <= DRM_BUFFER */
    uint64_t offset; /* of buffer[0] in the input */
    bool ended;
    struct mmu_error failed; /* of the input, kept until the entries before it are delivered */

    bool begun, footer; /* the header is behind; the footer is */
    bool has_time;      /* it has a timestamp at all */
    uint64_t time;      /* the latest timestamp, microseconds since 1601; at the beginning the first one */
    struct mark_state told;

    uint64_t next_ip; /* behind the latest instruction */
    uint64_t ip;      /* of the latest one that was fetched */
    bool has_ip;
    bool follows;    /* the latest instruction has had a datum */
    unsigned kernel; /* bit 0: in a system call's part, bit 1: in a context switch's */
    bool high;       /* the latest instruction lies in the upper half */
    unsigned bundle; /* instructions done of the bundle at `at` */

    /* The rest of a datum that takes several references: rest_bytes from rest.va, 0: none. */
    struct mmu_access rest;
    uint32_t rest_bytes;

    unsigned char buffer[DRM_BUFFER];
};

/* What a file's header says. */
struct drm_header {
    uint64_t version, filetype; /* filetype 0: not told */
};

/* At the first byte of an input that has not been read. */
void drm_start(struct drm_stream *s, struct input *input);

/* Looks at the entries before the first timestamp, and for that one; reads nothing away. Returns MMU_OK, or a
 * negative status with *err filled: no drmemtrace, or a version that is not known. */
int drm_look(struct drm_stream *s, struct drm_header *header, struct mmu_error *err);

/* Does a file of these first bytes begin with a header? With one of a 32-bit DynamoRIO? */
bool drm_is(const unsigned char *head, size_t n);
bool drm_is_narrow(const unsigned char *head, size_t n);

enum drm_stop { DRM_ROOM, DRM_TIME, DRM_END };

/*
 * Decodes up to max references to to[] and gives marks to r; got: how many references this ops->read has
 * delivered before; base: the time that is 0. Returns references. *stop: why no more.
 *   ROOM  to[] or the room for marks is full
 *   TIME  behind a timestamp later than `until`, which is s->time and has made no mark yet: see drm_resume()
 *   END   the end of the trace, or a failure in r->failure
 */
size_t drm_read(struct mmu_trace_reader *r, struct drm_stream *s, struct mmu_access *to, size_t max,
                size_t got, uint64_t base, uint64_t until, enum drm_stop *stop);

/* Marks that say whose references follow, where another stream's came before: at most 4. */
void drm_resume(struct mmu_trace_reader *r, const struct drm_stream *s, size_t got, uint64_t base);

#endif
