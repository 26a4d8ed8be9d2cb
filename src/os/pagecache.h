/*
 * pagecache.h: the pages of files that are in memory.
 *
 * Models mm/filemap.c and mm/readahead.c of Linux 6.1: the read-around of mmap (32 pages), dirty pages,
 * writeback, drop_caches. A page that was read from its file has no bytes of its own until somebody looks
 * (page.next names the file, page.prev the page in it: the content is what the file had at first); copies of
 * such pages carry that on.
 */
#ifndef OS_PAGECACHE_H
#define OS_PAGECACHE_H

#include "os.h"

struct file;
struct page;

enum { READ_AROUND = 32, FAULT_AROUND = 16 }; /* pages: VM_READAHEAD_PAGES, fault_around_bytes */

/* Pages by index: a hash, open addressing. Invariant: a page is found from its home place without a gap. */
struct pagecache {
    struct pagecache_place {
        uint64_t index;
        mmu_pfn pfn; /* 0: empty */
    } * place;
    uint64_t places, count;
};

/* The frame that caches a page; 0: none does. */
mmu_pfn pagecache_find(const struct pagecache *c, uint64_t index);
/* ... read from the file if need be, with its neighbours (*major = true then; shared memory is made instead).
 * 0, MMU_OS_EXHAUSTED, or a negative status. */
int pagecache_get(struct mmu_os *os, struct file *f, uint64_t index, mmu_pfn *pfn, bool *major);
/* Reads pages [first, end) in as far as memory goes. 0 or a negative status. */
int pagecache_read(struct mmu_os *os, struct file *f, uint64_t first, uint64_t end);
/* folio_mark_dirty() of a page of a file. */
void pagecache_set_dirty(struct mmu_os *os, struct page *page);
/* Writes the dirty pages of [first, end) back; their entries are clean and write-protected then. 0 or a
 * negative status. */
int pagecache_sync(struct mmu_os *os, struct file *f, uint64_t first, uint64_t end);
/* Drops clean pages that nobody maps or holds. */
void pagecache_drop(struct mmu_os *os, struct file *f);
/* Drops all pages, which nobody maps. */
void pagecache_clear(struct mmu_os *os, struct file *f);

/* ----- contents of user pages ----- */

/* The page gets bytes of its own, if its content is still a file's. MMU_OK or MMU_ERR_NOMEM. */
int content_make(struct mmu_os *os, struct page *page, mmu_pfn pfn);
/* The content of one page to another, which is new. MMU_OK or MMU_ERR_NOMEM. */
int content_copy(struct mmu_os *os, const struct page *from, mmu_pfn from_pfn, struct page *to,
                 mmu_pfn to_pfn);

#endif
