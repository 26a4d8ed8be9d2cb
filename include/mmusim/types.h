/*
 * mmusim/types.h: the words that every other header uses: addresses, cycles, errors, accesses and their
 * outcomes.
 *
 * Values only: nothing here is owned, allocated or freed.
 */
#ifndef MMUSIM_TYPES_H
#define MMUSIM_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Marks the functions that the shared library exports. */
#define MMU_API __attribute__((visibility("default")))

typedef uint64_t
    mmu_va; /* linear (virtual) address, in bytes; 64 bits, sign-extended where x86-64 demands it */
typedef uint64_t mmu_pa;    /* physical address, in bytes; below 2^52 */
typedef uint64_t mmu_pfn;   /* physical page frame number: mmu_pa / 4096 */
typedef uint64_t mmu_cycle; /* core cycles, or a point in simulated time */

/*
 * Status codes: 0 is success, errors are negative. A page fault is no error, it is an outcome (enum
 * mmu_outcome). X(name, value, text)
 */
#define MMU_STATUSES(X)                                                                                      \
    X(OK, 0, "success")                                                                                      \
    X(ERR_NOMEM, -1, "the host is out of memory")                                                            \
    X(ERR_INVALID, -2, "invalid argument")                                                                   \
    X(ERR_IO, -3, "input/output error")                                                                      \
    X(ERR_FORMAT, -4, "malformed input")                                                                     \
    X(ERR_RANGE, -5, "value out of range")                                                                   \
    X(ERR_NOTFOUND, -6, "not found")                                                                         \
    X(ERR_UNSUPPORTED, -7, "not supported")                                                                  \
    X(ERR_CHECKSUM, -8, "checksum mismatch")                                                                 \
    X(ERR_TRUNCATED, -9, "truncated input")                                                                  \
    X(ERR_NORAM, -10, "no simulated memory answers at this address")                                         \
    X(ERR_EXHAUSTED, -11, "simulated memory is exhausted")

enum mmu_status {
#define MMU_X(name, value, text) MMU_##name = (value),
    MMU_STATUSES(MMU_X)
#undef MMU_X
};

/* The text of a status code, for example "malformed input"; "unknown status" for any other number. Never
 * NULL. */
MMU_API const char *mmu_status_text(int status);

/*
 * Where and why an input was refused. Parsers fill it; the caller prints it. Fields that do not apply are 0
 * or "". One line for a person: mmu_error_format().
 */
struct mmu_error {
    int code;          /* enum mmu_status, 0 when there is no error */
    unsigned line;     /* 1-based; 0: not a text position */
    unsigned column;   /* 1-based; 0: unknown */
    bool has_offset;   /* offset below is meaningful */
    uint64_t offset;   /* byte offset in the (decompressed) input */
    char file[256];    /* the input's name as the caller gave it */
    char message[512]; /* what is wrong, what was expected, a suggestion */
};

/* Writes "FILE:LINE:COLUMN: MESSAGE", "FILE: byte OFFSET: MESSAGE" or "FILE: MESSAGE" into buf, always
 * terminated; returns buf. */
MMU_API const char *mmu_error_format(const struct mmu_error *err, char *buf, size_t size);

/* What a reference does. A read-modify-write (Lackey's M) is a load followed by a store: two accesses. */
enum mmu_kind { MMU_FETCH, MMU_LOAD, MMU_STORE, MMU_KINDS };

/*
 * On whose authority (SDM 4.6). An explicit supervisor access is made at CPL < 3; an implicit one is made by
 * the processor itself (descriptor tables, TSS) at any CPL, is never exempt from SMAP by EFLAGS.AC, and is
 * never a fetch.
 */
enum mmu_priv { MMU_USER, MMU_SUPERVISOR, MMU_IMPLICIT, MMU_PRIVS };

/* Bits of mmu_access.flags. */
enum {
    MMU_AF_FOLLOWS = 1, /* not the first record of its instruction: adds no issue gap (g = 0) */
    MMU_AF_GAP = 2,     /* gap is this record's own issue gap in cycles and replaces the config's cpi */
};

/* One reference, 16 bytes, as traces deliver it and mmu_core_run() replays it. */
struct mmu_access {
    mmu_va va;     /* first byte */
    uint32_t gap;  /* cycles since the previous record issued; only with MMU_AF_GAP */
    uint16_t size; /* bytes, 1 to 4096; an access that crosses a 4-KByte boundary is two translations */
    uint8_t kind;  /* low nibble: enum mmu_kind; high nibble: enum mmu_priv (see MMU_KIND_PRIV) */
    uint8_t flags; /* MMU_AF_* */
};

#define MMU_KIND_PRIV(kind, priv) ((uint8_t)((unsigned)(kind) | (unsigned)(priv) << 4))
#define MMU_KIND_OF(byte)         ((enum mmu_kind)((byte)&15u))
#define MMU_PRIV_OF(byte)         ((enum mmu_priv)((byte) >> 4))

/* How an access, a register load or an invalidation ended. */
enum mmu_outcome {
    MMU_DONE,     /* completed */
    MMU_FAULT_PF, /* #PF: error code and CR2 are set */
    MMU_FAULT_GP, /* #GP(0): non-canonical address, reserved register bit, reserved PDPTE bit, CPL > 0, ... */
    MMU_FAULT_UD, /* #UD: the processor lacks the instruction (INVPCID, INVLPG on an 80386) */
    MMU_FAULT_MEMORY, /* a paging-structure entry lies where no simulated memory answers: no x86 exception,
                         the machine is misconfigured. cr2 = the address accessed, pa = the entry's physical
                         address */
};

/* #PF error-code bits (SDM 4.7). */
enum {
    MMU_PF_P = 1 << 0,    /* 0: a not-present entry; 1: a rights or reserved-bit violation */
    MMU_PF_W = 1 << 1,    /* the access was a write */
    MMU_PF_U = 1 << 2,    /* the access was a user-mode access */
    MMU_PF_RSVD = 1 << 3, /* a reserved bit was 1 in an entry */
    MMU_PF_I = 1 << 4,    /* instruction fetch, with NXE (and PAE) or SMEP */
    MMU_PF_PK = 1 << 5,   /* a protection key forbids it */
};

/* Where in the translation hardware an access was resolved. */
enum mmu_where {
    MMU_AT_L1,
    MMU_AT_L2,
    MMU_AT_L3,
    MMU_AT_L4,
    MMU_AT_WALK,
    MMU_AT_MERGE,
    MMU_AT_NOPAGING,
    MMU_AT_FAULT
};

/* What became of one access. For a page-crossing access: pa is that of the first byte, pa2 that of the first
 * byte of the second page. */
struct mmu_result {
    mmu_pa pa;           /* physical address of the first byte (valid when outcome == MMU_DONE) */
    mmu_pa pa2;          /* page-crossing: physical address of the second part, else 0 */
    mmu_va cr2;          /* on a fault: the first failing byte */
    mmu_cycle issued;    /* t_i */
    mmu_cycle completed; /* d_i >= issued */
    uint32_t error_code; /* MMU_PF_* on #PF, 0 otherwise */
    uint8_t outcome;     /* enum mmu_outcome */
    uint8_t where;       /* enum mmu_where; the slower one of a page-crossing access's two */
    uint8_t page_shift;  /* 12, 21, 22 or 30: size of the page that maps the first byte; 0: paging is off */
    uint8_t faults; /* page faults that the pager or the operating system resolved on the way, saturating */
};

/* Page sizes, in order of size. 4M is that of two-level i386 paging only. */
enum mmu_page { MMU_4K, MMU_2M, MMU_4M, MMU_1G, MMU_PAGES };

#ifdef __cplusplus
}
#endif
#endif
