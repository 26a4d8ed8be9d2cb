/*
 * sim/record_shared.h: the memory that the recorder shares with its plugin inside QEMU.
 *
 * The recorder makes it, the plugin maps it, and so does every process that the program forks or becomes. A
 * thread of the program takes a free slab, fills it with words and hands it over; the recorder empties it and
 * frees it. Code is described once, when QEMU translates it; afterwards a block of it is one word each time
 * that it runs.
 *
 * Behind the last record of a slab is a zero word, and no record begins with one. A record is written from
 * behind: the next zero, its further words, its first word. So what a process had recorded when it was killed
 * can be read from the slab that it held.
 *
 * WORDS. The type is in the top three bits.
 *   RECORD_BLOCK    bits 0-47  number of the block that begins to run
 *   RECORD_DATA     bits 0-47  virtual address of a load or store that was done
 *                   bits 48-50 1 + log2 of its size
 *                   bit  51    a store
 *                   bits 52-60 which instruction of the block does it
 *   RECORD_CALL     bits 0-15  number of the system call that begins; six words behind: its arguments
 *   RECORD_RETURN   bits 0-15  number of the system call that ended; one word behind: its result
 *   RECORD_MAPS     bits 0-31  bytes of text in the words behind: a part of /proc/PID/maps of the process
 *                   bit  32    the first part, bit 33: the last part
 */
#ifndef SIM_RECORD_SHARED_H
#define SIM_RECORD_SHARED_H

#include <stdint.h>

enum {
    RECORD_LAYOUT = 4, /* of this page: another number is another layout */
    RECORD_SLABS = 256,
    RECORD_WORDS = 8192, /* of a slab; the last one is never a record's */
    RECORD_CALL_ARGUMENTS = 6,
    RECORD_PATH = 4096,
    RECORD_PROCESSOR = 64,
    RECORD_BLOCK_INSNS = 512,    /* instructions of a block, at most */
    RECORD_INSN_BYTES = 15,      /* bits 0-3 of an instruction's byte: its length */
    RECORD_INSN_PIECES = 1 << 4, /* QEMU makes one access of it in pieces, in the order of addresses */
    RECORD_INSN_LOCKED = 1 << 5  /* its store, if it comes alone, is a load and a store in one */
};
#define RECORD_CODE_UNIT  UINT64_C(32)        /* a block's number counts these */
#define RECORD_CODE_BYTES (UINT64_C(8) << 30) /* of address space; only what is used costs memory */

#define RECORD_TYPE_SHIFT 61
#define RECORD_TYPE(word) ((unsigned)((word) >> RECORD_TYPE_SHIFT))
enum record_type { RECORD_END, RECORD_DATA, RECORD_BLOCK, RECORD_CALL, RECORD_RETURN, RECORD_MAPS };

#define RECORD_ADDRESS_BITS 48
#define RECORD_SIZE_SHIFT   48
#define RECORD_STORE        (UINT64_C(1) << 51)
#define RECORD_INSN_SHIFT   52
#define RECORD_FIRST_PART   (UINT64_C(1) << 32)
#define RECORD_LAST_PART    (UINT64_C(1) << 33)

enum record_slab_state { RECORD_FREE, RECORD_HELD, RECORD_FULL };

/* Of a slab, beside its words. Written by the thread that holds it. */
struct record_slab {
    uint32_t pid, tid;
    uint64_t order; /* FULL: when it was handed over, as a count of all slabs */
    uint64_t time;  /* when its first word was written: CLOCK_MONOTONIC, in nanoseconds */
    uint64_t base;  /* what QEMU adds to an address of the program */
    uint32_t words; /* FULL: so many */
    uint32_t image; /* how often the process became another program, or its parents before they made it */
    uint32_t is_i386;
    uint32_t pad[5];
};

/* A block of straight code, as QEMU translated it. */
struct record_code {
    uint64_t va;
    uint32_t insns;
    uint8_t insn[]; /* for each: its length, and what is special of it */
};

struct record_shared {
    uint32_t layout;
    uint32_t stopped;   /* the recorder wants no more */
    uint32_t recorder;  /* its process id */
    uint32_t exhausted; /* the plugin found no room to describe code: the recording is not complete */
    uint32_t threads;   /* that were ever started: 1 needs no order among threads */
    uint32_t full;      /* futex: slabs that were handed over */
    uint32_t waiting;   /* the recorder sleeps on full, */
    uint32_t wake_at;   /* until it is so much, or some time has passed */
    uint32_t freed;     /* futex: slabs that were freed */
    uint32_t starving;  /* threads that sleep on freed */
    uint32_t started;   /* the plugin has begun its work */
    uint32_t based;     /* the plugin has seen code */
    uint32_t changes;   /* how often the program changed its mappings */
    /* How QEMU is started, for who becomes another program: */
    char qemu[2][RECORD_PATH];        /* for x86-64, for i386; "": not there */
    char plugin[RECORD_PATH];         /* its option, but for the image's number */
    char processor[RECORD_PROCESSOR]; /* its option; "": none */
    uint64_t code_used;               /* bytes of code */
    uint32_t state[RECORD_SLABS];     /* enum record_slab_state */
    struct record_slab slab[RECORD_SLABS];
    uint64_t word[RECORD_SLABS][RECORD_WORDS] __attribute__((aligned(4096)));
    uint8_t code[] __attribute__((aligned(4096)));
};
#define RECORD_SHARED_BYTES (sizeof(struct record_shared) + RECORD_CODE_BYTES)

#endif
