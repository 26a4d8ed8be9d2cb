/* ref_process.c: see ref_process.h. */
#include "ref_process.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, REF_ENOMEM = 12, REF_EINVAL = 22 };

static void *or_die(void *p)
{
    if (!p)
        abort();
    return p;
}

struct ref_object *ref_object_new(struct ref_object **all, uint32_t file, uint64_t pages)
{
    struct ref_object *o = or_die(calloc(1, sizeof *o));
    *o = (struct ref_object){file, pages, or_die(calloc(pages, sizeof(uint64_t))), *all};
    *all = o;
    return o;
}

void ref_objects_free(struct ref_object *all)
{
    for (struct ref_object *next; all; all = next) {
        next = all->next;
        free(all->value);
        free(all);
    }
}

/* ----- pages ----- */

/* The place of the first page that is not below va. */
static size_t place(const struct ref_space *s, mmu_va va)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->page[middle].va < va)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct ref_page *ref_find(const struct ref_space *s, mmu_va va)
{
    size_t at = place(s, va);
    return at < s->n && s->page[at].va == va ? &s->page[at] : NULL;
}

static void leave_copy(struct ref_page *p)
{
    if (p->copy && --p->copy->users == 0)
        free(p->copy);
    p->copy = NULL;
}

static void put(struct ref_space *s, const struct ref_page *page)
{
    size_t at = place(s, page->va);
    if (at < s->n && s->page[at].va == page->va) {
        leave_copy(&s->page[at]);
    } else {
        if (s->n == s->room) {
            s->room = s->room ? 2 * s->room : 64;
            s->page = or_die(realloc(s->page, s->room * sizeof *s->page));
        }
        memmove(&s->page[at + 1], &s->page[at], (s->n - at) * sizeof *s->page);
        s->n++;
    }
    s->page[at] = *page;
}

void ref_map(struct ref_space *s, const struct ref_page *like, uint64_t n)
{
    struct ref_page page = *like;
    page.copy = NULL;
    for (uint64_t i = 0; i < n; i++, page.va += PAGE, page.index++)
        put(s, &page);
}

void ref_unmap(struct ref_space *s, mmu_va va, uint64_t n)
{
    size_t from = place(s, va), to = place(s, va + n * PAGE);
    if (from == to)
        return;
    for (size_t i = from; i < to; i++)
        leave_copy(&s->page[i]);
    memmove(&s->page[from], &s->page[to], (s->n - to) * sizeof *s->page);
    s->n -= to - from;
}

void ref_move(struct ref_space *s, mmu_va from, uint64_t old_n, mmu_va to, uint64_t new_n)
{
    struct ref_page *kept = or_die(calloc(new_n, sizeof *kept));
    for (uint64_t i = 0; i < new_n; i++) {
        struct ref_page *old = i < old_n ? ref_find(s, from + i * PAGE) : NULL;
        kept[i] = old ? *old : kept[i - 1];
        if (old) {
            old->copy = NULL; /* goes along */
        } else {
            kept[i].index++;
            kept[i].copy = NULL;
        }
        kept[i].va = to + i * PAGE;
    }
    ref_unmap(s, from, old_n);
    for (uint64_t i = 0; i < new_n; i++)
        put(s, &kept[i]);
    free(kept);
}

/* ----- address spaces ----- */

struct ref_space *ref_space_new(void)
{
    struct ref_space *s = or_die(calloc(1, sizeof *s));
    s->users = 1;
    return s;
}

struct ref_space *ref_space_fork(const struct ref_space *from)
{
    struct ref_space *s = ref_space_new();
    s->start_brk = from->start_brk;
    s->brk = from->brk;
    s->has_keys = from->has_keys;
    for (size_t i = 0; i < from->n; i++) {
        struct ref_page page = from->page[i];
        if (page.copy)
            page.copy->users++;
        page.locked = false;
        put(s, &page);
    }
    return s;
}

void ref_space_put(struct ref_space *s)
{
    if (--s->users)
        return;
    for (size_t i = 0; i < s->n; i++)
        leave_copy(&s->page[i]);
    free(s->page);
    free(s);
}

/* ----- one page ----- */

static bool behind_end(const struct ref_page *p)
{
    return p->object && p->index >= p->object->pages;
}

static bool is_keyed(const struct ref_space *s, const struct ref_page *p)
{
    return s->has_keys && p->prot == MMU_PROT_EXEC;
}

static uint64_t value_of(const struct ref_page *p)
{
    if (p->copy)
        return p->copy->value;
    return p->object ? p->object->value[p->index] : 0;
}

/* A write to a page that permits it. True: it had a copy that others share. */
static bool make_own(struct ref_page *p)
{
    bool shared = p->copy && p->copy->users > 1;
    if (p->shared || (p->copy && !shared))
        return false;
    struct ref_copy *own = or_die(calloc(1, sizeof *own));
    *own = (struct ref_copy){1, value_of(p)};
    leave_copy(p);
    p->copy = own;
    return shared;
}

/* ----- ranges ----- */

bool ref_protect(struct ref_space *s, mmu_va va, uint64_t n, int prot)
{
    for (uint64_t i = 0; i < n; i++) {
        struct ref_page *p = ref_find(s, va + i * PAGE);
        if (!p)
            return false;
        bool fills = p->locked && !p->shared && (prot & ~p->prot & MMU_PROT_WRITE);
        p->prot = prot;
        if (fills && !behind_end(p)) /* so that no write faults later */
            make_own(p);
    }
    return true;
}

bool ref_lock(struct ref_space *s, mmu_va va, uint64_t n, bool on)
{
    for (uint64_t i = 0; i < n; i++) {
        struct ref_page *p = ref_find(s, va + i * PAGE);
        if (!p)
            return false;
        p->locked = on;
    }
    return true;
}

int ref_advise(struct ref_space *s, mmu_va va, uint64_t n, int advice)
{
    bool hole = false;
    for (uint64_t i = 0; i < n; i++) {
        struct ref_page *p = ref_find(s, va + i * PAGE);
        hole |= !p;
        if (!p || advice == MMU_MADV_WILLNEED)
            continue;
        if (p->locked || (advice == MMU_MADV_FREE && p->object))
            return REF_EINVAL;
        if (advice == MMU_MADV_DONTNEED)
            leave_copy(p);
    }
    return hole ? REF_ENOMEM : 0;
}

/* ----- accesses ----- */

bool ref_populate(struct ref_space *s, mmu_va va, uint64_t n, bool to_the_end)
{
    for (uint64_t i = 0; i < n; i++) {
        struct ref_page *p = ref_find(s, va + i * PAGE);
        bool possible = p && p->prot && !behind_end(p) && !is_keyed(s, p);
        if (!possible && !to_the_end)
            return false;
        if (possible && (p->prot & MMU_PROT_WRITE))
            make_own(p);
    }
    return true;
}

struct ref_outcome ref_access(struct ref_space *s, mmu_va va, bool write, bool fetch, bool has_nx)
{
    struct ref_page *p = ref_find(s, va & ~(mmu_va)(PAGE - 1));
    struct ref_outcome out = {.signal = MMU_SIG_NONE};
    if (!p)
        out.signal = MMU_SIG_SEGV_MAPERR;
    else if (is_keyed(s, p) && !fetch)
        out.signal = MMU_SIG_SEGV_PKUERR;
    else if (!p->prot || (write && !(p->prot & MMU_PROT_WRITE)))
        out.signal = MMU_SIG_SEGV_ACCERR;
    else if (behind_end(p)) /* before the right to execute, which only an entry denies */
        out.signal = MMU_SIG_BUS_ADRERR;
    else if (fetch && has_nx && !(p->prot & MMU_PROT_EXEC))
        out.signal = MMU_SIG_SEGV_ACCERR;
    if (out.signal == MMU_SIG_NONE && write) {
        out.had_copy = p->copy != NULL;
        out.copies = make_own(p);
    }
    return out;
}

bool ref_peek(struct ref_space *s, mmu_va va, uint64_t *value)
{
    struct ref_page *p = ref_find(s, va);
    if (!p || !(p->prot & MMU_PROT_READ) || behind_end(p))
        return false;
    *value = value_of(p);
    return true;
}

bool ref_poke(struct ref_space *s, mmu_va va, uint64_t value)
{
    struct ref_page *p = ref_find(s, va);
    if (!p || !(p->prot & MMU_PROT_WRITE) || behind_end(p))
        return false;
    make_own(p);
    if (p->shared)
        p->object->value[p->index] = value;
    else
        p->copy->value = value;
    return true;
}
