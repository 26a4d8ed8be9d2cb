/*
 * rmap.h: reverse mapping: from a page to the places at which it may be mapped.
 *
 * Models mm/rmap.c of Linux 6.1. An anonymous page names an anon_vma, which lists the VMAs in which it may
 * lie; a VMA is on the lists of its own anon_vma (the first of its links) and of those of its ancestors
 * across fork. A page of a file names the file, which lists the VMAs that map it. Left out: the reuse of
 * ancestors' anon_vmas, page locks.
 */
#ifndef OS_RMAP_H
#define OS_RMAP_H

#include "mm.h"
#include "page.h"

/* Invariant: count is the number of links on the list, and not 0. Pages that name it are mapped only in VMAs
 * of the list, and only while there is a mapping. */
struct anon_vma {
    uint32_t number; /* its place in anon_vmas, from 1; 0 free */
    uint32_t next;   /* the next free place */
    uint64_t count;
    struct anon_vma_link *links;
};

/* A VMA is on an anon_vma's list (struct anon_vma_chain). */
struct anon_vma_link {
    struct vma *vma;
    uint32_t number;                    /* of the anon_vma */
    struct anon_vma_link *also;         /* the VMA's next link (same_vma) */
    struct anon_vma_link *next, **link; /* the anon_vma's list; link NULL: the first */
};

struct anon_vmas {
    struct anon_vma *place; /* [0] is not used */
    uint32_t count, room, free;
};

/* Number of the VMA's own anon_vma; 0: it never had an anonymous page. */
static inline uint32_t rmap_own(const struct vma *vma)
{
    return vma->links ? vma->links->number : 0;
}

/* anon_vma_prepare(): before the first anonymous page: a neighbour's that could be one with it, or a new one.
 * MMU_OK or MMU_ERR_NOMEM, like the next two. */
int rmap_prepare(struct mmu_os *os, struct vma *vma);
/* anon_vma_clone(), for splits and moves; anon_vma_fork(). `to` has no links yet. */
int rmap_clone(struct mmu_os *os, const struct vma *from, struct vma *to);
int rmap_fork(struct mmu_os *os, const struct vma *parent, struct vma *child);
/* unlink_anon_vmas() */
void rmap_unlink(struct mmu_os *os, struct vma *vma);
/* The links of `gone` become those of `kept`, which has none, or go. */
void rmap_merge(struct mmu_os *os, struct vma *kept, struct vma *gone);
void rmap_destroy(struct anon_vmas *all);

/* ----- pages ----- */

/* What page.mapping says: 2 * number, + 1 of an anon_vma (PAGE_MAPPING_ANON); else of a file. */
static inline bool page_is_anon(const struct page *p)
{
    return p->mapping & 1;
}
/* PG_anon_exclusive: only one process may have it: a write need not copy. Shares PG_mappedtodisk's bit. */
#define PAGE_EXCLUSIVE (1u << MMU_PG_MAPPEDTODISK)

/* A new page becomes anonymous memory at an address (page_add_new_anon_rmap()). */
void rmap_new_anon(struct page *page, const struct vma *vma, mmu_va va);
/* One mapping, and one reference, more (page_dup_rmap()); less, and the page goes with its last reference
 * (page_remove_rmap(), put_page()). */
void rmap_add(struct page *page);
void rmap_remove(struct mmu_os *os, struct page *page, mmu_pfn pfn);
/* mark_page_accessed() */
void rmap_mark_accessed(struct page *page);
/* The counter of a mm that the page counts in. */
static inline uint64_t *rmap_rss(struct mm *mm, const struct page *page)
{
    if (page_is_anon(page))
        return &mm->rss_anon;
    return page_flags(page) & 1u << MMU_PG_SWAPBACKED ? &mm->rss_shmem : &mm->rss_file;
}

/* Calls each() for every VMA in which the page is mapped, until it returns false (rmap_walk()). */
struct rmap_place {
    struct vma *vma;
    mmu_va va;
    mmu_pa at; /* of the entry */
    uint64_t entry;
};
void rmap_walk(const struct mmu_os *os, mmu_pfn pfn, bool (*each)(void *ctx, const struct rmap_place *where),
               void *ctx);

#endif
