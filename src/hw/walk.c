/* walk.c: the walk's instances, one for each paging mode. See walk.h. */
#include "walk.h"

bool walk_begin(const struct regime *r, struct walk *w, const struct walk_start *from)
{
    w->outcome = MMU_DONE;
    w->error_code = 0;
    w->reads = w->accessed_set = w->dirty_set = w->written = w->passed = 0;
    if (from) {
        w->table = from->table;
        w->level = from->level;
        w->rights = from->rights;
        return true;
    }
    w->table = r->root;
    w->level = r->geometry->levels;
    w->rights = RIGHT_W | RIGHT_U;
    if (r->mode != MMU_MODE_PAE)
        return true;
    uint64_t pdpte = r->pdpte[w->va >> 30 & 3];
    if (!(pdpte & PTE_P)) {
        w->level = 3;
        walk_fault(r, w, 0);
        return false;
    }
    w->table = pdpte & r->address_mask;
    return true;
}

/* The walk for one geometry; g is constant in each instance, so that it folds. */
ALWAYS_INLINE void walk_with(const struct geometry *g, const struct regime *r, struct phys *p, struct walk *w)
{
    unsigned retries = 0;
    for (;;) {
        mmu_pa pa = walk_entry_pa(g, w);
        uint8_t rights = w->rights;
        uint64_t e, update;
        if (UNLIKELY(!phys_load(p, pa, g->entry_bytes, &e))) {
            w->outcome = MMU_FAULT_MEMORY;
            w->missing = pa;
            return;
        }
        enum walk_verdict verdict = walk_entry(g, r, w, e, &update);
        if (update && UNLIKELY(!phys_exchange(p, pa, g->entry_bytes, e, e | update))) {
            REQUIRE(++retries < WALK_RETRIES); /* the caller's memory refuses every exchange */
            w->rights = rights;                /* the entry has changed: what it said does not count */
            continue;
        }
        w->read[w->reads].pa = pa;
        w->read[w->reads++].level = w->level;
        if (UNLIKELY(verdict == WALK_FAULT))
            return;
        walk_commit(g, r, w, verdict, e, update);
        if (verdict == WALK_LEAF)
            return;
    }
}

#define INSTANCE(name, GEOMETRY)                                                                             \
    static void name(const struct regime *r, struct phys *p, struct walk *w)                                 \
    {                                                                                                        \
        static const struct geometry g = GEOMETRY;                                                           \
        walk_with(&g, r, p, w);                                                                              \
    }

INSTANCE(walk_i386, GEOMETRY_I386)
INSTANCE(walk_pae, GEOMETRY_PAE)
INSTANCE(walk_4l, GEOMETRY_4L)
INSTANCE(walk_5l, GEOMETRY_5L)

typedef void walk_instance(const struct regime *, struct phys *, struct walk *);

void walk_run(const struct regime *r, struct phys *p, struct walk *w)
{
    static walk_instance *const instance[MMU_MODES] = {NULL, walk_i386, walk_pae, walk_4l, walk_5l};
    instance[r->mode](r, p, w);
}
