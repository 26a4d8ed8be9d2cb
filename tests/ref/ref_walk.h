/*
 * ref_walk.h: a naive page walker to compare with, written down from the tables of SDM vol. 3 chapter 4, one
 * function a paging mode.
 *
 * Made to be obvious, not fast: no masks prepared, no tables, no sharing between modes beyond the rights of
 * the last step. Independent of src/.
 */
#ifndef REF_WALK_H
#define REF_WALK_H

#include <stdbool.h>
#include <stdint.h>

enum ref_mode { REF_OFF, REF_32, REF_PAE, REF_4L, REF_5L };
enum ref_kind { REF_READ, REF_WRITE, REF_FETCH };
enum ref_priv { REF_USER, REF_SUPERVISOR, REF_IMPLICIT };
enum ref_outcome { REF_OK, REF_PF, REF_GP };

struct ref_registers {
    uint64_t cr0, cr3, cr4, efer;
    uint32_t pkru, pkrs;
    bool ac;
    uint64_t pdpte[4]; /* the PDPTE registers, see ref_load_pdptes() */
};

struct ref_cpu {
    unsigned maxphyaddr;
    bool page1g, pse36;
};

/* How the walker sees memory: the naturally aligned value of 4 or 8 bytes at pa. */
struct ref_memory {
    uint64_t (*read)(void *ctx, uint64_t pa, unsigned bytes);
    void *ctx;
};

/* An entry that the walk read from memory. */
struct ref_entry {
    unsigned level; /* 5 PML5E ... 1 PTE */
    unsigned bytes;
    uint64_t pa;
    uint64_t before; /* as read */
    uint64_t after;  /* what it must hold after a successful access: A set, and D in the leaf of a write */
};

struct ref_translation {
    enum ref_outcome outcome;
    unsigned error_code; /* #PF */
    uint64_t pa;         /* OK */
    unsigned page_shift; /* OK; 0: paging is off */
    unsigned n;
    struct ref_entry entry[5];
    bool leaf_reached; /* every entry was present and without reserved bits */
    bool writable, user, no_execute, global, dirty;
    unsigned key;
    /* A user-mode access to a supervisor page with CR4.PKS: the manual leaves open whether IA32_PKRS is
     * consulted, so PK is not to be compared. */
    bool key_unclear;
};

/* The mode that the registers select (SDM 4.1.1). EFER.LMA is not looked at: LME and CR0.PG make it. */
enum ref_mode ref_mode_of(const struct ref_registers *r);

/* PAE: reads the PDPTEs at CR3[31:5]. False: #GP(0), a reserved bit is set in one that is present
 * (SDM 4.4.1). */
bool ref_load_pdptes(const struct ref_cpu *cpu, uint64_t cr3, const struct ref_memory *memory,
                     uint64_t pdpte[4]);

/* Translates. Memory is only read. */
struct ref_translation ref_walk(const struct ref_cpu *cpu, const struct ref_registers *r,
                                const struct ref_memory *memory, uint64_t va, enum ref_kind kind,
                                enum ref_priv priv);

#endif
