/*
 * ref_process.h: what processes' pages hold and permit, told naively: one record a page and address space.
 *
 * Knows no VMAs, page tables, TLBs, frames or caches: a page has rights, an object behind it or none, and,
 * once somebody wrote to it privately, a copy of its own, which fork shares until the next write. Contents
 * are one number a page.
 */
#ifndef REF_PROCESS_H
#define REF_PROCESS_H

#include <mmusim/process.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file, or memory that is shared and has no name. */
struct ref_object {
    uint32_t file; /* 0: no file */
    uint64_t pages;
    uint64_t *value; /* [pages] */
    struct ref_object *next;
};

/* A private copy; users: pages that share it since a fork. */
struct ref_copy {
    unsigned users;
    uint64_t value;
};

struct ref_page {
    mmu_va va;
    int prot;
    bool shared, locked;
    struct ref_object *object; /* NULL: anonymous */
    uint64_t index;            /* of the page in its object */
    struct ref_copy *copy;     /* NULL: nobody wrote to it here */
};

struct ref_space {
    unsigned users;
    bool has_keys; /* a key lets what may only be executed be fetched alone */
    mmu_va start_brk, brk;
    size_t n, room;
    struct ref_page *page; /* by va */
};

struct ref_space *ref_space_new(void);
struct ref_space *ref_space_fork(const struct ref_space *from);
void ref_space_put(struct ref_space *s);
/* value[]: what the object holds at first. */
struct ref_object *ref_object_new(struct ref_object **all, uint32_t file, uint64_t pages);
void ref_objects_free(struct ref_object *all);

/* NULL: nothing is mapped there. va: of a page. */
struct ref_page *ref_find(const struct ref_space *s, mmu_va va);
/* Maps n pages like *like, whose va and index are the first page's, in place of what was there. */
void ref_map(struct ref_space *s, const struct ref_page *like, uint64_t n);
void ref_unmap(struct ref_space *s, mmu_va va, uint64_t n);
/* mremap(): old_n pages at from become new_n at to. */
void ref_move(struct ref_space *s, mmu_va from, uint64_t old_n, mmu_va to, uint64_t new_n);
/* Changes rights, or the lock, of n pages, up to the first that is missing: false, then. */
bool ref_protect(struct ref_space *s, mmu_va va, uint64_t n, int prot);
bool ref_lock(struct ref_space *s, mmu_va va, uint64_t n, bool on);
/* What bringing in n pages does: private ones that may be written get copies. A page that cannot be had is
 * passed over (to_the_end), or the last: false, then. */
bool ref_populate(struct ref_space *s, mmu_va va, uint64_t n, bool to_the_end);
/* madvise(): 0 or the errno. */
int ref_advise(struct ref_space *s, mmu_va va, uint64_t n, int advice);

/* What an access does and how it ends. */
struct ref_outcome {
    enum mmu_os_signal_kind signal;
    bool had_copy; /* a write to a page that had a copy: `copies` is certain */
    bool copies;   /* the copy was shared: another was made (copy-on-write) */
};
struct ref_outcome ref_access(struct ref_space *s, mmu_va va, bool write, bool fetch, bool has_nx);
/* Reads or writes a page's number as ptrace does; false: EFAULT. */
bool ref_peek(struct ref_space *s, mmu_va va, uint64_t *value);
bool ref_poke(struct ref_space *s, mmu_va va, uint64_t value);

#endif
